"""What commands print with `--output json` is as docs/outputs.schema.json says, and no more."""

import json
from pathlib import Path
from typing import Any

import pytest

from keysweep.exempt import Request as Exempt
from keysweep.exempt import exempt, listing, remove
from keysweep.explain import explain
from keysweep.names import Names
from keysweep.notice import Request as Notice
from keysweep.notice import notice
from keysweep.undo import Request as Undo
from keysweep.undo import undo
from keysweep.wish import Wish
from shared.core.errors import NoRole
from tests.support.builders import TAG, an_account
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.schemas import validate
from tests.support.sessions import Person, a_session
from tests.unit.keysweep.test_notice import MONTH
from tests.unit.keysweep.test_undo import DAY, SWEEP, record, swept

WISH = Wish(None, "CHG1", "")


def document(person: Person) -> Any:
    """Return what was printed, which is one document of the schema."""
    found = json.loads(person.read)
    validate(found, "outputs")
    return found


def results(person: Person) -> dict[str, str]:
    """Return what became of each account, by its name."""
    return {account["name"]: account["result"] for account in document(person)["accounts"]}


async def test_exemptions_that_were_given_refused_and_declined() -> None:
    tenant, person = FakeTenant.of(*map(an_account, ("one", "two"))), Person("no")
    tenant.change(an_account("two"), tags={TAG: "2020-01-01"})
    names = Names(("one", "two"))
    assert await exempt(a_session(tenant, person), "json", Exempt(names, WISH)) == 1
    assert results(person) == {"one": "EXEMPT", "two": "UNCHANGED"}
    person = Person()
    tenant.without_role.add(an_account("two").id.key)
    tenant.meanwhile("merge tag", an_account("two").id.key, [an_error(NoRole, 403)])
    code = await exempt(a_session(tenant, person), "json", Exempt(names, WISH, yes=True))
    assert results(person) == {"one": "EXEMPT", "two": "FAILED"}
    assert code == 2


async def test_an_exemption_that_was_taken_away() -> None:
    tenant, person = FakeTenant.of(an_account(tags={TAG: "yes"})), Person()
    assert await remove(a_session(tenant, person), "bot", "json") == 0
    (account,) = document(person)["accounts"]
    assert account["tags"] == {TAG: "yes"}
    assert account["verdict"] == "DRIFT"


async def test_exemptions_of_every_state() -> None:
    tenant, person = (
        FakeTenant.of(
            an_account("open", tags={TAG: "true"}),
            an_account("until", tags={TAG: "until=2026-11-30; reason=CHG1; owner=web"}),
            an_account("lapsed", tags={TAG: "2026-11-20"}),
            an_account("odd", tags={TAG: "until=soon"}),
            an_account("none"),
        ),
        Person(),
    )
    assert await listing(a_session(tenant, person), "json") == 0
    found = {account["name"]: account for account in document(person)["accounts"]}
    assert {name: account["state"] for name, account in found.items()} == {
        "odd": "unreadable", "lapsed": "lapsed", "until": "active", "open": "active",
    }  # fmt: skip
    assert {name: account["daysLeft"] for name, account in found.items()} == {
        "odd": None, "lapsed": -4, "until": 6, "open": None,
    }  # fmt: skip
    assert found["odd"]["raw"] == "until=soon"


@pytest.mark.parametrize(
    ("more", "result"), [({"dry_run": True}, "WOULD_EXEMPT"), ({"yes": True}, "EXEMPT")]
)
async def test_notice_to_some_and_not_to_others(more: dict[str, Any], result: str) -> None:
    tenant, person = FakeTenant.of(an_account(), an_account("no", tags={TAG: "no"})), Person()
    await notice(a_session(tenant, person), "json", Notice(MONTH, **more))
    assert results(person) == {"bot": result}
    assert [account["name"] for account in document(person)["leftAlone"]] == ["no"]


@pytest.mark.parametrize(
    ("more", "result"), [({"dry_run": True}, "WOULD_GIVE_BACK"), ({"yes": True}, "GIVEN_BACK")]
)
async def test_what_was_given_back_and_what_was_left_alone(
    tmp_path: Path, more: dict[str, Any], result: str
) -> None:
    accounts = [swept(), swept("no", tags={TAG: "no"})]
    tenant, person = FakeTenant.of(*accounts), Person()
    request = Undo(SWEEP, DAY, record(tmp_path, *accounts), **more)
    assert await undo(a_session(tenant, person), "json", request) == 1
    assert results(person) == {"bot": result, "no": "LEFT_ALONE"}


async def test_a_no_to_undo_is_a_whole_document_too(tmp_path: Path) -> None:
    tenant, person = FakeTenant.of(swept()), Person("no")
    await undo(a_session(tenant, person), "json", Undo(SWEEP, DAY, record(tmp_path, swept())))
    assert results(person) == {"bot": "NOT_ATTEMPTED"}


async def test_an_explanation() -> None:
    person = Person()
    await explain(a_session(FakeTenant.of(an_account()), person), ["bot"], "json")
    (account,) = document(person)
    assert account["verdict"] == "DRIFT"
