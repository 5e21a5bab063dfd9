"""`keysweep sweep` obeys the settings as the timer does; what goes beyond them has its own name."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keysweep.advice import UsageProblem
from keysweep.record import read_record
from keysweep.sweep import Request, sweep
from shared.core.errors import NoRole, Unclear
from shared.core.model import Account
from tests.support.builders import NOW, SUBSCRIPTION_ID, TAG, an_account
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.sessions import Person, Reply, a_session, interrupt_after

FOUR = [an_account(f"bot-{number}") for number in range(4)]
SOON, PAST = (f"{NOW + timedelta(days=days):%Y-%m-%dT%H:%MZ}" for days in (1, -1))
YES = Request(yes=True)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep records in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "keysweep" / "sweeps"


async def run(
    tenant: FakeTenant, asked: Request = YES, *answers: Reply, output: str = "table", **environ: str
) -> tuple[int, Person]:
    person = Person(*answers)
    return await sweep(a_session(tenant, person, environ=environ), output, asked), person


def on(tenant: FakeTenant) -> set[str]:
    return {account.id.name for account in tenant.accounts.values() if account.keys_on}


ENFORCE, RELEASE = {"enforce": True}, {"release_brake": True}


@pytest.mark.parametrize(
    ("environ", "says", "beyond"),
    [
        ({"SWEEP_MODE": "audit"}, "SWEEP_MODE is audit. --enforce", ENFORCE),
        ({"SWEEP_MODE": " Audit "}, "SWEEP_MODE is audit. --enforce", ENFORCE),
        ({"ENFORCE_FROM": SOON}, "ENFORCE_FROM is 2026-11-25 09:00 UTC. --enforce", ENFORCE),
        ({"MAX_CHANGES_PER_SWEEP": "3"}, "brake holds 4 changes", RELEASE),
        (
            {"MAX_CHANGES_PER_SWEEP": "3", "BRAKE_RELEASE_UNTIL": PAST},
            "--release-brake lets through what is shown",
            RELEASE,
        ),
        (
            {"SWEEP_MODE": "audit", "MAX_CHANGES_PER_SWEEP": "3"},
            "SWEEP_MODE is audit",
            {**ENFORCE, **RELEASE},
        ),
    ],
)
async def test_yes_goes_beyond_no_setting_and_its_own_name_does(
    environ: dict[str, str], says: str, beyond: dict[str, Any]
) -> None:
    tenant = FakeTenant.of(*FOUR)
    others: list[dict[str, Any]] = [flag for flag in (ENFORCE, RELEASE) if flag != beyond]
    for flags in ({}, *others):
        code, person = await run(tenant, Request(yes=True, **flags), **environ)
        assert "Nothing was changed" in person.heard
        assert not tenant.writes, f"{flags} is not enough"
        assert code == 1
    _, person = await run(tenant, YES, **environ)
    assert says in person.heard
    code, _ = await run(tenant, Request(yes=True, **beyond), **environ)
    assert on(tenant) == set()
    assert code == 0


@pytest.mark.parametrize(
    "environ",
    [
        {"SWEEP_MODE": "enforce"},
        {"ENFORCE_FROM": PAST},
        {"MAX_CHANGES_PER_SWEEP": "3", "BRAKE_RELEASE_UNTIL": SOON},
    ],
)
async def test_what_the_settings_allow_needs_nothing_but_a_yes(environ: dict[str, str]) -> None:
    tenant = FakeTenant.of(*FOUR)
    code, person = await run(tenant, Request(), "yes", **environ)
    assert person.questions == ["Turn keys off on 4 accounts?"]
    assert "Results: 4 DISABLED" in person.read
    assert on(tenant) == set()
    assert code == 0


async def test_what_trickles_is_asked_for_as_such() -> None:
    tenant = FakeTenant.of(*FOUR)
    trickle = {"MAX_CHANGES_PER_SWEEP": "1", "BRAKE": "trickle"}
    code, person = await run(tenant, Request(), "yes", **trickle)
    assert person.questions == ["Turn keys off on 1 of 4 accounts?"]
    assert len(on(tenant)) == 3
    assert code == 1


async def test_a_no_changes_nothing_and_gives_a_whole_document() -> None:
    tenant = FakeTenant.of(*FOUR)
    code, person = await run(tenant, Request(), "no", output="json")
    document = json.loads(person.read)
    assert document["mode"] == "audit"
    assert len(document["accounts"]) == 4
    assert "Nothing was changed." in person.heard
    assert not tenant.writes
    assert code == 1


@pytest.mark.parametrize(
    ("asked", "environ"),
    [
        (Request(), {"SWEEP_MODE": "audit"}),
        (YES, {"SWEEP_MODE": "audit"}),
        (Request(audit=True), {}),
        (YES, {"MAX_CHANGES_PER_SWEEP": "1"}),
    ],
)
async def test_a_plan_that_is_not_carried_out_is_a_whole_document(
    asked: Request, environ: dict[str, str]
) -> None:
    code, person = await run(FakeTenant.of(*FOUR), asked, output="json", **environ)
    document = json.loads(person.read)
    assert document["mode"] == "audit"
    assert {account["result"] for account in document["accounts"]} <= {"WOULD_DISABLE", ""}
    assert person.questions == []
    assert code == 1


async def test_nobody_to_ask_is_bad_usage() -> None:
    with pytest.raises(UsageProblem, match="Nobody is there to be asked: say --yes"):
        await run(FakeTenant.of(*FOUR), Request())


# While the question stands


async def test_only_what_was_shown_is_changed_and_an_exemption_given_meanwhile_wins() -> None:
    tenant = FakeTenant.of(*FOUR[:2])

    def meanwhile() -> None:
        tenant.change(FOUR[0], tags={TAG: "true"})
        tenant.put(FOUR[2])

    _, person = await run(tenant, Request(), meanwhile)
    assert on(tenant) == {"bot-0", "bot-2"}
    assert "1 DISABLED · 1 NOW_EXEMPT" in person.read


async def test_what_lapses_meanwhile_was_not_shown_and_keeps_its_keys(state: Path) -> None:
    lapsing = an_account("lapsing", tags={TAG: f"{NOW.date()}"})
    tenant = FakeTenant.of(FOUR[0], lapsing)
    # The day ends while the person looks at the plan.
    tenant.meanwhile("home tenant", "", [None, 20 * 3600.0])
    code, person = await run(tenant)
    assert on(tenant) == {"lapsing"}
    assert "It was not in the plan that was shown" in person.read
    assert code == 1
    (record,) = list(state.iterdir())  # noqa: ASYNC240 - a test may
    changes = read_record(record.read_text()).changes
    assert [change.account.name for change in changes] == ["bot-0"]


# Results and exit codes


@pytest.mark.parametrize(
    ("trouble", "result", "code"),
    [("locked", "LOCKED", 1), ("without_role", "NO_ROLE", 2), ("forbidden", "POLICY_DENIED", 1)],
)
async def test_what_azure_refuses_remains_and_the_rest_is_done(
    trouble: str, result: str, code: int
) -> None:
    tenant = FakeTenant.of(*FOUR, **{trouble: {FOUR[0].id.key}})
    found, person = await run(tenant)
    assert on(tenant) == {"bot-0"}
    assert f"3 DISABLED · 1 {result}" in person.read
    assert found == code


async def test_a_gap_is_exit_code_2() -> None:
    tenant = FakeTenant.of(*FOUR, odd_rows={FOUR[0].id.subscription_id: ["x"]})
    tenant.unshown.add(FOUR[0].id.subscription_id)
    code, person = await run(tenant)
    assert "Not seen: account" in person.read
    assert code == 2


# Only


async def test_only_changes_what_is_named_however_it_is_spelled() -> None:
    tenant = FakeTenant.of(*FOUR)
    names = ("bot-0", f"{str(FOUR[0].id).upper()}//", "RG-CHAT/BOT-0")
    code, person = await run(tenant, Request(yes=True, only=names))
    assert on(tenant) == {"bot-1", "bot-2", "bot-3"}
    assert "1 account in 1 subscription" in person.read
    assert code == 0


@pytest.mark.parametrize(
    ("account", "verdict", "code"),
    [
        (an_account("one", keys_on=False), "1 compliant", 0),
        (an_account("one", tags={TAG: "until=soon"}), "1 held", 1),
        (an_account("one", tags={TAG: "true"}), "1 exempt", 0),
    ],
)
async def test_only_says_of_an_account_what_the_sweep_would(
    account: Account, verdict: str, code: int
) -> None:
    found, person = await run(FakeTenant.of(account), Request(yes=True, only=["one"]))
    assert f"1 account in 1 subscription · {verdict}" in person.read
    assert found == code


# The record, and Ctrl-C


async def test_the_way_back_stands_in_the_record_and_is_said_before_the_first_change(
    tmp_path: Path,
) -> None:
    tenant, path = FakeTenant.of(FOUR[0]), tmp_path / "my record.jsonl"
    person = Person()
    session = a_session(tenant, person)
    heard: list[str] = []
    tenant.meanwhile("patch", FOUR[0].id.key, [lambda: heard.append(person.heard)])
    await sweep(session, "table", Request(yes=True, record=path))
    record = read_record(path.read_text())
    undo = f"keysweep undo {record.sweep_id} --record '{path}'"
    assert record.head["undo"] == undo
    assert f"To take it back: {undo}" in heard[0]
    assert record.head["identity"] == ["ann@contoso.com", "object"]
    assert record.is_finished


async def test_a_change_stands_in_the_record_before_it_is_made(tmp_path: Path) -> None:
    tenant, path = FakeTenant.of(*FOUR), tmp_path / "record.jsonl"
    begun: dict[str, str] = {}

    def look(account: Account) -> Any:
        return lambda: begun.update({account.id.key: path.read_text()})

    for account in FOUR:
        tenant.meanwhile("patch", account.id.key, [look(account)])
    await run(tenant, Request(yes=True, record=path))
    assert begun.keys() == {account.id.key for account in FOUR}
    for key, text in begun.items():
        assert f'"begun": "{key}"'.lower() in text.lower()


async def test_a_sweep_that_cannot_keep_its_record_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below", tmp_path):
        tenant = FakeTenant.of(*FOUR)
        code, person = await run(tenant, Request(yes=True, record=path))
        assert "--record FILE writes it elsewhere" in person.heard
        assert not tenant.writes
        assert code == 2
    assert (tmp_path / "file").read_text() == "mine"


async def test_ctrl_c_finishes_what_is_in_flight_and_begins_nothing_more(tmp_path: Path) -> None:
    tenant, path = FakeTenant.of(*FOUR), tmp_path / "record.jsonl"
    person = Person()
    for account in FOUR:
        tenant.afterwards("patch", account.id.key, [10.0])
    session = a_session(tenant, person, {FOUR[0].id.subscription_id: [0.0, 0.0, 600.0, 600.0]})
    interrupt_after(5.0)
    code = await sweep(session, "table", Request(yes=True, record=path))
    assert len(on(tenant)) == 2
    assert "You stopped it: 2 accounts not attempted." in person.heard
    record = read_record(path.read_text())
    assert [change.result for change in record.changes] == ["DISABLED", "DISABLED"]
    assert record.is_finished
    assert tenant.clock.monotonic() < 60
    assert code == 1


async def test_a_second_ctrl_c_breaks_off_and_says_what_is_not_known(tmp_path: Path) -> None:
    tenant, path = FakeTenant.of(*FOUR), tmp_path / "record.jsonl"
    for account in FOUR:
        tenant.afterwards("patch", account.id.key, [600.0])
    interrupt_after(5.0)
    interrupt_after(6.0)
    code, person = await run(tenant, Request(yes=True, record=path), output="json")
    assert "broken off. Done: nothing. In flight or not begun: 4 accounts." in person.heard
    document = json.loads(person.read)
    assert document["cutOff"] is True
    assert document["record"] == str(path)
    assert not read_record(path.read_text()).is_finished
    assert code == 2


@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_subscription_that_resource_graph_does_not_show_has_no_change_log_to_miss(
    *, is_refused: bool
) -> None:
    tenant, person = FakeTenant.of(FOUR[0], unshown={SUBSCRIPTION_ID}), Person()
    if is_refused:
        tenant.meanwhile("visible", SUBSCRIPTION_ID, [an_error(NoRole, 403, "AccessDenied")])
    tenant.meanwhile("changes", SUBSCRIPTION_ID, [an_error(Unclear, 500)])
    code = await sweep(a_session(tenant, person), "table", Request(only=("bot-0",), audit=True))
    assert "change log" not in person.read
    assert code == 1
