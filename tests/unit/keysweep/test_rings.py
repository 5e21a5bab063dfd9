"""The command line obeys the rings, shows them with their dates, and goes beyond them by name."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keysweep.explain import explain
from keysweep.scan import scan
from keysweep.sweep import Request, sweep
from tests.support.builders import NOW
from tests.support.fake_sweeps import HOME, OTHER, bot, bots
from tests.support.fake_tenant import FakeTenant
from tests.support.sessions import Person, Reply, a_session

SOON = f"{NOW + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
THIRD = "00000000-0000-0000-0000-000000000003"
DEV, TEST, PROD = bot("dev", HOME), bot("test", OTHER), bot("prod", THIRD)
RINGS = {"ENFORCE_SCOPES": f"mg-dev, mg-test@{SOON}"}
ALL = {"dev", "test", "prod"}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep records in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def a_tenant() -> FakeTenant:
    return FakeTenant.of(DEV, TEST, PROD, below={"mg-dev": [HOME], "mg-test": [OTHER]})


async def run(
    tenant: FakeTenant, request: Request, *answers: Reply, output: str = "table", **environ: str
) -> tuple[int, Person]:
    person = Person(*answers)
    session = a_session(tenant, person, environ={**RINGS, **environ})
    return await sweep(session, output, request), person


def off(tenant: FakeTenant) -> set[str]:
    return {account.id.name for account in tenant.accounts.values() if not account.keys_on}


# keysweep sweep


async def test_it_asks_about_the_rings_in_force_and_changes_nothing_else() -> None:
    tenant = a_tenant()
    code, person = await run(tenant, Request(), "yes")
    assert person.questions == ["Turn keys off on 1 account?"]
    assert "Results: 1 DISABLED · 2 WOULD_DISABLE" in person.read
    assert off(tenant) == {"dev"}
    assert code == 1


async def test_the_plan_shows_what_would_be_changed_and_the_rings() -> None:
    _, person = await run(a_tenant(), Request(), "no")
    plan, _, _ = person.heard.partition("Nothing was changed")
    assert "dev" in plan
    assert "prod" not in plan
    assert f"Rings: mg-dev, mg-test@{SOON}." in person.heard


@pytest.mark.parametrize(
    ("environ", "flags", "changed"),
    [
        ({}, {}, {"dev"}),
        ({}, {"enforce": True}, {"dev"}),
        ({}, {"release_brake": True}, {"dev"}),
        ({}, {"release_rings": True}, ALL),
        ({"SWEEP_MODE": "audit"}, {}, set()),
        ({"SWEEP_MODE": "audit"}, {"release_rings": True}, set()),
        ({"SWEEP_MODE": "audit"}, {"enforce": True}, {"dev"}),
        ({"SWEEP_MODE": "audit"}, {"enforce": True, "release_rings": True}, ALL),
        ({"ENFORCE_FROM": SOON}, {}, set()),
        ({"ENFORCE_FROM": SOON}, {"release_rings": True}, set()),
        ({"ENFORCE_FROM": SOON}, {"enforce": True}, {"dev"}),
        ({"MAX_CHANGES_PER_SWEEP": "2"}, {"release_rings": True}, set()),
        ({"MAX_CHANGES_PER_SWEEP": "2"}, {"release_rings": True, "release_brake": True}, ALL),
    ],
)
async def test_each_limit_is_gone_beyond_by_its_own_name(
    environ: dict[str, str], flags: dict[str, Any], changed: set[str]
) -> None:
    tenant = a_tenant()
    await run(tenant, Request(yes=True, **flags), **environ)
    assert off(tenant) == changed


async def test_where_no_ring_is_in_force_it_says_what_would_go_beyond_them() -> None:
    tenant = a_tenant()
    code, person = await run(tenant, Request(yes=True), ENFORCE_SCOPES=f"mg-dev@{SOON}")
    assert "no ring of ENFORCE_SCOPES that is in force. --release-rings" in person.heard
    assert off(tenant) == set()
    assert code == 1


async def test_before_a_notice_it_says_which_flag_goes_beyond_that() -> None:
    _, person = await run(a_tenant(), Request(yes=True, release_rings=True), ENFORCE_FROM=SOON)
    assert "ENFORCE_FROM is 2026-11-25 09:00 UTC. --enforce changes" in person.heard


async def test_one_account_by_name_is_changed_only_if_its_ring_is_in_force() -> None:
    tenant = a_tenant()
    await run(tenant, Request(yes=True, only=[str(TEST.id)]))
    assert off(tenant) == set()
    await run(tenant, Request(yes=True, only=[str(DEV.id)]))
    assert off(tenant) == {"dev"}


async def test_a_ring_that_comes_into_force_while_the_person_thinks_was_not_shown() -> None:
    tenant, in_a_minute = a_tenant(), f"{NOW + timedelta(minutes=1):%Y-%m-%dT%H:%MZ}"
    # The third to ask for the tenant is the record, after the question.
    tenant.meanwhile("home tenant", "", [None, None, 90])
    _, person = await run(tenant, Request(), "yes", ENFORCE_SCOPES=f"mg-dev, mg-test@{in_a_minute}")
    assert "1 DEFERRED · 1 DISABLED · 1 WOULD_DISABLE" in person.read
    assert off(tenant) == {"dev"}


async def test_the_brake_counts_what_would_be_written() -> None:
    below = {"mg-dev": [HOME], "mg-test": [OTHER]}
    tenant = FakeTenant.of(*bots(3, HOME), *bots(9, THIRD), below=below)
    _, person = await run(tenant, Request(yes=True), MAX_CHANGES_PER_SWEEP="2")
    assert "the brake holds 3 changes" in person.heard


# keysweep scan


async def scanned(output: str, **environ: str) -> Person:
    person = Person()
    await scan(a_session(a_tenant(), person, environ={**RINGS, **environ}), output)
    return person


async def test_a_scan_says_in_which_ring_the_drift_is_and_from_when_on() -> None:
    read = (await scanned("table")).read
    assert "1 account adrift: Ring mg-dev is in force." in read
    assert f"1 account adrift: Ring mg-test@{SOON} begins {SOON}: audit until then." in read
    assert "1 account adrift: It is in no ring of ENFORCE_SCOPES." in read
    assert "Enforcing everywhere would turn keys off on 3 accounts." in read


async def test_a_document_has_mode_ring_and_date_of_each_account() -> None:
    accounts = json.loads((await scanned("json")).read)["accounts"]
    found = {
        account["name"]: (account["mode"], account["ring"], account["enforceFrom"])
        for account in accounts
    }
    assert found == {
        "dev": ("enforce", "mg-dev", ""),
        "test": ("audit", f"mg-test@{SOON}", "2026-11-25T09:00:00+00:00"),
        "prod": ("audit", "", ""),
    }


# keysweep explain


async def explained(name: str, **environ: str) -> dict[str, Any]:
    person = Person()
    await explain(a_session(a_tenant(), person, environ={**RINGS, **environ}), [name], "json")
    (document,) = json.loads(person.read)
    steps = {step["name"]: step for step in document["steps"]}
    return {**document, "steps": steps}


@pytest.mark.parametrize(
    ("name", "says", "prediction", "changes"),
    [
        ("dev", "Ring mg-dev is in force.", "The next sweep turns its keys off.", True),
        (
            "test",
            f"Ring mg-test@{SOON} begins {SOON}: audit until then.",
            f"The next sweep changes nothing before {SOON}.",
            False,
        ),
        (
            "prod",
            "It is in no ring of ENFORCE_SCOPES.",
            "The next sweep changes nothing there. It is in no ring of ENFORCE_SCOPES.",
            False,
        ),
    ],
)
async def test_an_explanation_says_which_ring_decides(
    name: str, says: str, prediction: str, *, changes: bool
) -> None:
    document = await explained(name)
    assert document["steps"]["Ring"]["says"] == says
    assert document["prediction"] == prediction
    assert document["changes"] == changes
    assert document["verdict"] == "DRIFT"


async def test_in_audit_mode_an_explanation_speaks_of_no_ring() -> None:
    assert "Ring" not in (await explained("dev", SWEEP_MODE="audit"))["steps"]


async def test_an_explanation_counts_the_changes_of_the_rings_in_force() -> None:
    document = await explained("dev", MAX_CHANGES_PER_SWEEP="1")
    assert document["steps"]["Brake"]["raw"] == "changes: 1"
