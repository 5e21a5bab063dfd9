"""`keysweep explain`: every step of the decision, and beforehand what the next sweep does."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keysweep.advice import UsageProblem
from keysweep.explain import explain
from keysweep.sweep import Request, sweep
from shared.core.errors import Unclear
from shared.core.model import Turned
from tests.support.builders import NOW, TAG, a_change, an_account
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.sessions import Person, a_session

BOT = an_account()


async def explained(
    tenant: FakeTenant, *names: str, **environ: str
) -> tuple[int, list[dict[str, Any]]]:
    person = Person()
    code = await explain(a_session(tenant, person, environ=environ), names or ["bot"], "json")
    return code, json.loads(person.read)


def steps(document: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: f"{step['says']} {step['raw']}".strip() for step in document["steps"]}


async def test_what_it_foretells_is_what_the_sweep_does(tmp_path: Any) -> None:
    tenant = FakeTenant.of(
        an_account("drift"),
        an_account("exempt", tags={TAG: "true"}),
        an_account("held", tags={TAG: "until=soon"}),
        an_account("off", keys_on=False),
        an_account("busy", provisioning_state="Accepted"),
        an_account("locked"),
        an_account("no-role"),
    )
    tenant.locked.add(an_account("locked").id.key)
    tenant.without_role.add(an_account("no-role").id.key)
    names = [account.id.name for account in tenant.accounts.values()]
    code, found = await explained(tenant, *names)
    assert not tenant.writes
    assert code == 1
    person = Person()
    request = Request(yes=True, record=tmp_path / "record.jsonl")
    await sweep(a_session(tenant, person), "json", request)
    did = {account["id"]: account for account in json.loads(person.read)["accounts"]}
    for document in found:
        account = did.get(document["accountId"], {"verdict": "COMPLIANT", "result": ""})
        assert document["verdict"] == account["verdict"], document["accountId"]
        assert (document["expected"] or "") == account["result"], document["accountId"]
    assert {document["accountId"] for document in found if document["changes"]} == {
        str(an_account(name).id) for name in ("drift", "locked", "no-role")
    }


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"OWNER_TAGS": "team"}, "web, by the tag of its resourceGroup. OWNER_TAGS: team"),
        (
            {"OWNER_TAGS": "boss"},
            "ann@contoso.com, as who turned its keys on: no tag says. OWNER_TAGS: boss",
        ),
        ({}, "ann@contoso.com, as who turned its keys on: no tag says. OWNER_TAGS: none"),
    ],
    ids=["a tag", "no such tag", "no tags asked for"],
)
async def test_whose_it_is_is_a_step_that_says_what_names_them(
    environ: dict[str, str], says: str
) -> None:
    tenant = FakeTenant.of(BOT, changes=[a_change(Turned.ON)])
    tenant.groups[BOT.id.subscription_id, "rg-chat"] = {"team": "web"}
    _, (document,) = await explained(tenant, **environ)
    assert steps(document)["Owner"] == says


async def test_an_exemption_names_the_owner_where_no_tag_does() -> None:
    tenant = FakeTenant.of(an_account(tags={TAG: "owner=bob@contoso.com"}))
    _, (document,) = await explained(tenant)
    assert steps(document)["Owner"].startswith("bob@contoso.com, by its exemption.")


async def test_a_level_that_is_not_read_leaves_the_owner_unknown() -> None:
    tenant = FakeTenant.of(BOT, changes=[a_change(Turned.ON)])
    tenant.meanwhile("groups shown", BOT.id.subscription_id, [an_error()])
    _, (document,) = await explained(tenant, OWNER_TAGS="team")
    expected = "Not known: the tags of its resourceGroup can't be read, and could say."
    assert steps(document)["Owner"].startswith(expected)


async def test_an_account_that_nothing_names_an_owner_of_says_so() -> None:
    _, (document,) = await explained(FakeTenant.of(BOT))
    assert steps(document)["Owner"].startswith("Not known: nothing names one.")


@pytest.mark.parametrize(
    ("environ", "step", "says", "verdict"),
    [
        ({}, "Brake", "It lets all changes through. changes: 2", "DRIFT"),
        ({"MAX_CHANGES_PER_SWEEP": "1"}, "Brake", "would hold back all 2 changes", "HELD"),
        (
            {"MAX_CHANGES_PER_SWEEP": "1", "BRAKE": "trickle"},
            "Brake",
            "would make 1 of the 2",
            "DRIFT",
        ),
        ({"SWEEP_MODE": "audit"}, "Mode", "SWEEP_MODE is audit", "DRIFT"),
        ({"ENFORCE_FROM": "2027-01-01"}, "Mode", "ENFORCE_FROM is 2027-01-01", "DRIFT"),
    ],
)
async def test_mode_notice_and_brake_stand_before_a_change(
    environ: dict[str, str], step: str, says: str, verdict: str
) -> None:
    tenant = FakeTenant.of(BOT, an_account("other"))
    code, (document,) = await explained(tenant, **environ)
    assert says in steps(document)[step]
    assert document["verdict"] == verdict
    assert document["changes"] == (step == "Brake" and verdict == "DRIFT")
    assert code == 1


async def test_the_raw_values_and_who_turned_the_keys_on_are_shown() -> None:
    bot = replace(BOT, tags={"LocalAuthExempt": "x", "team": "web"})
    changes = [a_change(Turned.ON, NOW - timedelta(days=1))]
    _, (document,) = await explained(FakeTenant.of(bot, changes=changes))
    found = steps(document)
    assert "disableLocalAuth: false" in found["Account"]
    assert "tags: LocalAuthExempt='x'" in found["Account"]
    assert found["Scope"] == (
        "Subscription sub is in scope, shown by Resource Graph. keys on: 1, keys off: 0"
    )
    assert found["Decision"].startswith("HELD (NEAR_MISS_TAG): ")
    assert found["History"] == (
        "ann@contoso.com (User) turned its keys on at 2026-11-23 09:00 UTC with Azure Portal. "
        "flips in 14 days: 1"
    )


async def test_a_change_log_that_can_not_be_read_is_said() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("changes", BOT.id.subscription_id, [an_error(Unclear, 503)])
    _, (document,) = await explained(tenant)
    assert "The change log could not be read" in steps(document)["History"]


async def test_roles_and_locks_that_can_not_be_read_are_said() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("locks", BOT.id.key, [an_error(Unclear, 503)])
    code, (document,) = await explained(tenant)
    assert "Roles and locks could not be read" in steps(document)["Rights"]
    assert "A deny policy" in steps(document)["Not foretold"]
    assert code == 1


async def test_a_list_that_lags_is_said_to_lag() -> None:
    tenant = FakeTenant.of(BOT, lag=3600.0)
    tenant.change(BOT, keys_on=False)
    code, (document,) = await explained(tenant)
    assert "Resource Graph still shows its keys on" in steps(document)["Lag"]
    assert document["prediction"] == "The next sweep sends nothing: ALREADY_OFF."
    tenant = FakeTenant.of(an_account(keys_on=False), lag=3600.0)
    tenant.change(BOT, keys_on=True)
    code, (document,) = await explained(tenant)
    assert "the next sweep misses it" in document["prediction"]
    assert code == 0


@pytest.mark.parametrize(
    ("account", "environ", "says", "code"),
    [
        ({"kind": "Face"}, {}, "its kind is none of OpenAI, AIServices", 0),
        ({"keys_on": False}, {}, "leaves it alone: COMPLIANT", 0),
    ],
)
async def test_what_a_sweep_leaves_alone_is_explained_too(
    account: dict[str, Any], environ: dict[str, str], says: str, code: int
) -> None:
    tenant = FakeTenant.of(an_account(**account))
    found, (document,) = await explained(tenant, **environ)
    assert says in document["prediction"]
    assert found == code


async def test_an_id_that_is_outside_or_gone_is_explained_and_a_name_is_refused() -> None:
    outside = {"SWEEP_EXCLUDE_SUBSCRIPTIONS": BOT.id.subscription_id}
    tenant = FakeTenant.of(BOT)
    tenant.subscribe("6f0c0bd2-0000-0000-0000-000000000000")
    code, (document,) = await explained(tenant, str(BOT.id), **outside)
    assert "is in SWEEP_EXCLUDE_SUBSCRIPTIONS" in steps(document)["Scope"]
    assert document["verdict"] is None
    assert code == 0
    with pytest.raises(UsageProblem):
        await explained(tenant, "bot", **outside)
    gone = str(BOT.id).replace("/bot", "/gone")
    code, (document,) = await explained(tenant, gone)
    assert "It is not there: ResourceNotFound" in steps(document)["Account"]
    assert code == 2


async def test_the_table_shows_every_step() -> None:
    person = Person()
    code = await explain(a_session(FakeTenant.of(BOT), person), ["bot"], "table")
    shown = " ".join(person.read.split())
    assert shown.startswith(f"bot in rg-chat, subscription sub ({BOT.id.subscription_id})")
    for step in ("Account", "Scope", "Decision", "History", "Brake", "Second look", "Rights"):
        assert step in shown
    assert "Next sweep The next sweep turns its keys off." in shown
    assert code == 1
