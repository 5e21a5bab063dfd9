"""What a person may do, held against what is asked for."""

import json
from pathlib import Path
from typing import Any

from keysweep.doctor.finding import State
from keysweep.doctor.own_rights import (
    CHANGING,
    DESCENDANTS,
    GROUP_TAGS,
    READING,
    Asked,
    judged,
    reading,
)
from shared.core.errors import NoRole
from shared.core.model import Level, TagsWanted
from shared.core.permissions import Permission
from tests.support.fake_tenant import an_error

ROOT = Path(__file__).parents[4]
SUBSCRIPTIONS = {f"/subscriptions/{number}": f"sub-{number}" for number in (1, 2, 3)}
READER, OWNER = [Permission(("*/read",))], [Permission(("*",))]


def test_every_action_of_the_functions_role_is_looked_for() -> None:
    role = json.loads((ROOT / "infra" / "role-actions.json").read_text())["actions"]
    # Whether Azure asks for this one is not documented: that Resource Graph answers shows it.
    looked_at_by_asking = {"Microsoft.ResourceGraph/resources/read"}
    looked_for = {*READING.actions, *CHANGING.actions, DESCENDANTS, GROUP_TAGS}
    assert {action["name"] for action in role} - looked_for == looked_at_by_asking


def test_what_is_missing_is_said_by_action_and_place() -> None:
    roles = dict.fromkeys(SUBSCRIPTIONS, READER) | {"/subscriptions/2": OWNER}
    found = judged(Asked.everywhere(CHANGING, SUBSCRIPTIONS), roles, SUBSCRIPTIONS, State.WARNING)
    assert found.state is State.WARNING
    assert found.details == ("Microsoft.CognitiveServices/accounts/write: sub-1, sub-3",)
    assert "in 2 subscriptions, of 3 looked at" in found.says
    assert "Cognitive Services Contributor there" in found.remedy


def test_what_one_role_takes_away_another_gives() -> None:
    without = Permission(("*",), ("Microsoft.CognitiveServices/accounts/write",))
    asked, here = Asked.everywhere(CHANGING, ["/subscriptions/1"]), SUBSCRIPTIONS
    assert judged(asked, {"/subscriptions/1": [without]}, here).state is State.NOTE
    assert judged(asked, {"/subscriptions/1": [without, *OWNER]}, here).state is State.OK


def test_roles_that_can_not_be_read_are_never_well() -> None:
    refused = an_error(NoRole, 403, "AuthorizationFailed")
    roles: dict[str, Any] = {
        "/subscriptions/1": OWNER,
        "/subscriptions/2": refused,
        "/subscriptions/3": refused,
    }
    found = judged(Asked.everywhere(CHANGING, SUBSCRIPTIONS), roles, SUBSCRIPTIONS)
    assert found.state is State.NOT_SEEN
    assert found.details == ("Not seen: 403 AuthorizationFailed: sub-2, sub-3",)


def test_what_is_not_seen_weighs_more_than_what_nobody_asks_for() -> None:
    roles: dict[str, Any] = {"/subscriptions/1": READER, "/subscriptions/2": an_error()}
    asked = Asked.everywhere(CHANGING, list(roles))
    assert judged(asked, roles, SUBSCRIPTIONS, State.NOTE).state is State.NOT_SEEN
    assert judged(asked, roles, SUBSCRIPTIONS, State.FAILED).state is State.FAILED


def test_tags_of_groups_are_asked_for_where_the_settings_read_them() -> None:
    assert GROUP_TAGS not in reading(TagsWanted("t", (Level.SUBSCRIPTION,))).actions
    assert GROUP_TAGS in reading(TagsWanted("t", (Level.RESOURCE_GROUP,))).actions
    assert GROUP_TAGS in reading(TagsWanted("t", owner=("owner",))).actions
