"""`keysweep exempt`: the tag first, read back, and only then the keys."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from local_azure import LocalAzure, Tenant
from local_azure.log import SeenRequest
from tests.support.terminal import at_once, here

type Serve = Callable[..., LocalAzure]

TAG = "local-auth-exempt"


def one(tags: dict[str, str] | None = None, *, local_auth: bool = False) -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=local_auth, tags=tags)
    return tenant


def test_the_other_tags_stay_and_the_tag_says_what_was_asked(serve: Serve) -> None:
    azure = at_once(serve, one({"owner": "web", "costCenter": "4711"}))
    ran = here(
        azure, "exempt", "bot", "--until", "2099-03-31", "--reason", "CHG1", "--owner", "a@b.c"
    )
    assert ran.code == 0, ran.err
    assert azure.tenant.account("bot").tags == {
        "owner": "web",
        "costCenter": "4711",
        TAG: "until=2099-03-31; reason=CHG1; owner=a@b.c",
    }
    assert not azure.tenant.account("bot").keys_on


def test_a_tag_that_somebody_adds_between_read_and_write_stays(serve: Serve) -> None:
    azure = at_once(serve, one({"owner": "web"}))

    def add(request: SeenRequest) -> None:
        if request.method == "PATCH":
            azure.tenant.tag("bot", {"added": "meanwhile", "owner": "mobile"})

    azure.before(add)
    here(azure, "exempt", "bot", "--open-ended")
    assert azure.tenant.account("bot").tags == {
        "owner": "mobile", "added": "meanwhile", TAG: "true",
    }  # fmt: skip


def test_a_tag_in_other_letters_is_changed_and_not_doubled(serve: Serve) -> None:
    azure = at_once(serve, one({"Local-Auth-Exempt": "2020-01-01"}))
    assert here(azure, "exempt", "bot", "--until", "2099-01-01", "--yes").code == 0
    assert azure.tenant.account("bot").tags == {"Local-Auth-Exempt": "until=2099-01-01"}


def test_keys_go_on_only_after_the_tag_reads_back(serve: Serve) -> None:
    azure = at_once(serve, one())
    assert here(azure, "exempt", "bot", "--for", "14d", "--enable-keys").code == 0
    until = (datetime.now(UTC).date() + timedelta(days=14)).isoformat()
    assert azure.tenant.account("bot").tags == {TAG: f"until={until}"}
    assert azure.tenant.account("bot").keys_on
    steps = [
        each.action.rpartition("Microsoft.")[2]
        for each in azure.operations
        if each.action and each.path.lower().startswith(azure.tenant.account("bot").id.lower())
    ]
    tagged, enabled = (
        steps.index("Resources/tags/write"),
        steps.index("CognitiveServices/accounts/write"),
    )
    assert "CognitiveServices/accounts/read" in steps[tagged:enabled]
    (on,) = [each for each in azure.writes if "disableLocalAuth" in str(each.body)]
    assert on.body == {"properties": {"disableLocalAuth": False}}
    assert on.before.tags == {TAG: f"until={until}"}


def test_keys_stay_off_if_the_tag_is_gone_by_then(serve: Serve) -> None:
    azure = at_once(serve, one())
    reads = 0

    def take_away(request: SeenRequest) -> None:
        nonlocal reads
        tagged = TAG in (azure.tenant.account("bot").tags or {})
        reads += tagged and request.method == "GET" and request.path.endswith("/bot")
        if reads == 2:
            azure.tenant.tag("bot", {TAG: None})

    azure.before(take_away)
    ran = here(azure, "exempt", "bot", "--for", "2w", "--enable-keys")
    assert "not there any more" in ran.err
    assert not azure.tenant.account("bot").keys_on
    assert ran.code == 2


def test_remove_takes_away_the_tag_and_nothing_else(serve: Serve) -> None:
    azure = at_once(serve, one({TAG: "true", "owner": "web"}, local_auth=True))
    ran = here(azure, "exempt", "bot", "--remove")
    assert ran.code == 0, ran.err
    assert azure.tenant.account("bot").tags == {"owner": "web"}
    assert here(azure, "exempt", "bot", "--remove").code == 64


def test_list_shows_the_days_that_are_left(serve: Serve) -> None:
    tenant = one({TAG: f"until={datetime.now(UTC).date() + timedelta(days=9)}; owner=a@b.c"})
    tenant.add_account("old", local_auth=True, tags={TAG: "2020-01-01"})
    tenant.add_account("free", local_auth=True)
    ran = here(at_once(serve, tenant), "exempt", "--list")
    lines = [line.split() for line in ran.out.splitlines()]
    last = f"{datetime.now(UTC).date() + timedelta(days=9)}"
    assert ["9", last, "off", "bot", "rg-ai", "·", "contoso-prod", "a@b.c"] in lines
    assert "old rg-ai" in ran.out
    assert "free" not in ran.out


MANY = {f"tag-{number}": "x" for number in range(50)}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--until", "2020-01-01"], "has passed"),
        (["--for", "soon"], "no span such as 14d"),
        (["--for", "9999999d"], "no span such as 14d"),
        (["--until", "31/12/2026"], "2026"),
        ([], "Say how long"),
        (["--open-ended", "--reason", "x" * 300], "shorten --reason by 51"),
        (["--open-ended", "--reason", "a; owner=b"], "semicolon"),
        (["--open-ended", "--reason", "\x1b[31mred"], "control character"),
        (["--open-ended"], "50 tags"),
    ],
)
def test_an_exemption_that_makes_no_sense_is_refused_before_anything_is_sent(
    serve: Serve, arguments: list[str], says: str
) -> None:
    azure = at_once(serve, one(MANY))
    ran = here(azure, "exempt", "bot", *arguments)
    assert says in ran.err
    assert not azure.writes
    assert ran.code == 64


def test_an_exemption_that_a_sweep_would_hold_is_refused(serve: Serve) -> None:
    azure = at_once(serve, one())
    ran = here(azure, "exempt", "bot", "--open-ended", EXEMPTION_MAX_DAYS="30")
    assert "this tenant requires one" in ran.err
    assert not azure.writes
    assert ran.code == 64


def test_no_right_to_tag_is_said_with_azures_own_code(serve: Serve) -> None:
    tenant = one()
    scope = tenant.subscription("contoso-prod").scope
    tenant.deny(tenant.team, scope, ["Microsoft.Resources/tags/write"])
    ran = here(at_once(serve, tenant), "exempt", "bot", "--open-ended")
    assert "403 DenyAssignmentAuthorizationFailed" in ran.err
    assert "You need a role that allows this there, such as Tag Contributor;" in ran.err
    assert ran.code == 2
