"""`keysweep undo` of a sweep from the line: what its record says, looked at first, and no more."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keysweep.advice import UsageProblem
from keysweep.undo import Request, undo
from shared.core.errors import Unclear
from shared.core.model import Account, Turned
from tests.support.builders import NOW, TAG, TODAY, a_change, an_account
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.sessions import ANN, Person, Reply, a_session, interrupt_after

BEGAN = NOW - timedelta(hours=1)
SWEEP = f"{BEGAN:%Y%m%dT%H%M%SZ}-1f3a9c0d"
TOMORROW = TODAY + timedelta(days=1)
UNDONE = f"until={TOMORROW}; reason=undo of sweep {SWEEP}"
DAY = timedelta(days=1)


def swept(name: str = "bot", **more: Any) -> Account:
    """Return an account as that sweep left it: changed by it, and by nobody since."""
    built = {
        "keys_on": False,
        "created_at": BEGAN - timedelta(days=90),
        "changed_at": BEGAN + timedelta(seconds=10),
        "changed_by": ANN,
    }
    return an_account(name, **{**built, **more})


def record(folder: Path, *accounts: Account, finished: bool = True, **head: Any) -> Path:
    """Write the record of that sweep."""

    def at(seconds: int) -> str:
        return (BEGAN + timedelta(seconds=seconds)).isoformat()

    first = {"record": 1, "sweepId": SWEEP, "tenant": "t", "identity": [ANN], "exemptionTag": TAG}
    lines: list[Mapping[str, Any]] = [{**first, "at": at(0), **head}]
    for account in accounts:
        done = {"outcome": str(account.id), "result": "DISABLED", "accepted": True}
        lines += [{"begun": str(account.id), "at": at(9)}, {**done, "at": at(13)}]
    if finished:
        lines.append({"finished": True, "whole": True, "at": at(20)})
    path = folder / "sweep.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


async def run(
    tenant: FakeTenant,
    path: Path,
    *answers: Reply,
    waits: Mapping[str, list[Any]] | None = None,
    environ: Mapping[str, str] | None = None,
    **more: Any,
) -> tuple[int, Person]:
    person = Person(*answers)
    session = a_session(tenant, person, waits, environ)
    request = Request(SWEEP, record=path, **{"span": DAY, "yes": not answers, **more})
    return await undo(session, "table", request), person


def now(tenant: FakeTenant, name: str = "bot") -> Account:
    return tenant.accounts[an_account(name).id.key]


def on(tenant: FakeTenant) -> set[str]:
    return {account.id.name for account in tenant.accounts.values() if account.keys_on}


# What it gives back


async def test_what_the_sweep_took_is_exempted_for_a_day_and_then_gets_its_keys(
    tmp_path: Path,
) -> None:
    bots = [swept("one", tags={"team": "web"}), swept("two")]
    tenant = FakeTenant.of(*bots, swept("always-off"))
    code, person = await run(tenant, record(tmp_path, *bots))
    assert on(tenant) == {"one", "two"}
    assert now(tenant, "one").tags == {"team": "web", TAG: UNDONE}
    assert now(tenant, "always-off").tags == {}
    for what, account in tenant.changed:
        assert (TAG in account.tags) == (what == "keys on"), "keys before the exemption"
    assert "2 accounts given back." in person.read
    assert code == 0


async def test_an_exemption_in_force_stays_as_it_is(tmp_path: Path) -> None:
    bot = swept(tags={TAG: "reason=CHG1"})
    tenant = FakeTenant.of(bot)
    code, person = await run(tenant, record(tmp_path, bot), "yes")
    assert person.questions == ["Turn the keys on for 1 account, exempt already?"]
    assert now(tenant).tags == {TAG: "reason=CHG1"}
    assert on(tenant) == {"bot"}
    assert code == 0


async def test_of_several_it_is_asked_how_many_are_exempted_first(tmp_path: Path) -> None:
    bots = [swept("one"), swept("two", tags={TAG: "true"})]
    tenant = FakeTenant.of(*bots)
    _, person = await run(tenant, record(tmp_path, *bots), "no")
    (question,) = person.questions
    assert question.startswith("Turn the keys on for 2 accounts, and exempt 1 of them until")


async def test_a_group_that_exempts_it_is_enough(tmp_path: Path) -> None:
    bot = swept()
    tenant = FakeTenant.of(bot, groups={(bot.id.subscription_id, "rg-chat"): {TAG: "true"}})
    path = record(tmp_path, bot)
    await run(tenant, path, environ={"EXEMPTION_INHERIT": "resourceGroup"})
    assert on(tenant) == {"bot"}
    assert now(tenant).tags == {}


async def test_a_second_run_finds_nothing_to_do(tmp_path: Path) -> None:
    bot = swept()
    tenant, path = FakeTenant.of(bot), record(tmp_path, bot)
    await run(tenant, path)
    changes = len(tenant.changed)
    code, person = await run(tenant, path)
    assert "It accepts keys already." in person.heard
    assert len(tenant.changed) == changes
    assert code == 0


# What it leaves alone


async def test_what_somebody_wants_otherwise_is_left_alone_and_the_plan_says_why(
    tmp_path: Path,
) -> None:
    bot, no = swept(), swept("no", tags={TAG: "false"})
    tenant = FakeTenant.of(bot, no)
    code, person = await run(tenant, record(tmp_path, bot, no))
    place = f"no (rg-chat, subscription {no.id.subscription_id})"
    assert f"{place} is left alone: A tag says explicitly" in person.heard
    assert on(tenant) == {"bot"}
    assert now(tenant, "no").tags == {TAG: "false"}
    assert code == 1


async def test_an_account_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    code, person = await run(FakeTenant.of(swept("other")), record(tmp_path, swept()))
    assert "It is there no more." in person.heard
    assert code == 0


async def test_what_the_change_log_would_have_to_prove_hangs_on_it(tmp_path: Path) -> None:
    edited = swept(changed_at=BEGAN + timedelta(minutes=20), changed_by="bob@contoso.com")
    subscription = edited.id.subscription_id
    ours = a_change(Turned.OFF, BEGAN + timedelta(seconds=10), by=ANN)
    unread = an_error(Unclear, 503)
    for failing, code in ((None, 0), ("changes", 2), ("visible", 2)):
        tenant = FakeTenant.of(edited, changes=[ours])
        if failing is not None:
            tenant.meanwhile(failing, subscription, [unread])  # type: ignore[arg-type]
        found, person = await run(tenant, record(tmp_path, edited))
        assert ("the change log can't be read" in person.heard) == (failing is not None)
        assert found == code, failing


@pytest.mark.parametrize(
    ("environ", "says", "code"),
    [
        ({"SWEEP_KINDS": "other:Face"}, "Its kind is OpenAI", 1),
        ({"SWEEP_EXCLUDE_SUBSCRIPTIONS": "{}"}, "is in SWEEP_EXCLUDE_SUBSCRIPTIONS", 1),
        ({"SWEEP_SUBSCRIPTIONS": "6f0c0bd2-0000-0000-0000-000000000000"}, "is not in scope", 1),
        ({"SWEEP_MANAGEMENT_GROUPS": "gone"}, "is not in scope", 2),
    ],
)
async def test_the_settings_bound_it(
    tmp_path: Path, environ: dict[str, str], says: str, code: int
) -> None:
    bot = swept()
    tenant = FakeTenant.of(bot)
    tenant.subscribe("6f0c0bd2-0000-0000-0000-000000000000")
    settings = {name: text.format(bot.id.subscription_id) for name, text in environ.items()}
    found, person = await run(tenant, record(tmp_path, bot), environ=settings)
    assert says in person.heard
    assert not tenant.changed
    assert found == code


# Whose record it is


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ({"sweepId": "20200101T000000Z-00000000"}, "about sweep 20200101T000000Z-00000000"),
        ({"tenant": "22222222"}, "about tenant 22222222, and you are signed in to t"),
        ({"exemptionTag": "keeps-keys"}, "by the tag 'keeps-keys'"),
        ({"record": 2}, "is not the record of a sweep"),
    ],
)
async def test_a_record_of_something_else_is_refused(
    tmp_path: Path, head: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageProblem, match=says):
        await run(FakeTenant.of(swept()), record(tmp_path, swept(), **head))


async def test_without_a_record_it_is_said_where_else_to_look(tmp_path: Path) -> None:
    elsewhere = r"`keysweep undo --list` .* --record FILE names another place; .* --insights"
    with pytest.raises(UsageProblem, match=elsewhere):
        await run(FakeTenant.of(swept()), tmp_path / "none")


@pytest.mark.parametrize("finished", [False, True])
async def test_a_sweep_that_may_still_run_is_named(tmp_path: Path, *, finished: bool) -> None:
    bot = swept()
    person = Person(quiet=True)
    path = record(tmp_path, bot, finished=finished)
    request = Request(SWEEP, DAY, record=path, yes=True)
    await undo(a_session(FakeTenant.of(bot), person), "table", request)
    assert ("If it still runs, stop it first" in person.heard) != finished


# The plan, and the person before it


async def test_the_plan_shows_what_stands_now_beside_what_will_be_done(tmp_path: Path) -> None:
    bot, on_again = swept(), swept("on-again", keys_on=True)
    tenant = FakeTenant.of(bot, on_again)
    code, person = await run(tenant, record(tmp_path, bot, on_again), dry_run=True)
    rows = {line.split()[0]: " ".join(line.split()) for line in person.read.splitlines()[1:]}
    since = f"{BEGAN + timedelta(seconds=13):%Y-%m-%d %H:%M:%S}"
    assert rows["bot"] == (
        f"bot rg-chat sub {since} keys off, no exemption exempt until {TOMORROW}, then keys on"
    )
    assert rows["on-again"].endswith("keys on, no exemption It accepts keys already.")
    assert not tenant.changed
    assert code == 1


async def test_without_a_yes_nothing_is_changed(tmp_path: Path) -> None:
    bot = swept()
    tenant, path = FakeTenant.of(bot), record(tmp_path, bot)
    code, person = await run(tenant, path, "no")
    assert person.questions == [f"Exempt 1 account until {TOMORROW} and turn the keys on?"]
    assert code == 1
    with pytest.raises(UsageProblem, match="Nobody is there to be asked"):
        await run(tenant, path, yes=False)
    assert not tenant.changed


async def test_an_exemption_that_a_sweep_would_hold_is_refused_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    bot = swept()
    path, environ = record(tmp_path, bot), {"EXEMPTION_MAX_DAYS": "1"}
    with pytest.raises(UsageProblem, match="A sweep would hold"):
        await run(FakeTenant.of(bot), path, span=DAY * 3, environ=environ)


async def test_what_happens_while_the_question_stands_is_looked_at_again(tmp_path: Path) -> None:
    bots = [swept(name) for name in ("bot", "tagged", "refused", "edited")]
    tenant = FakeTenant.of(*bots)
    _, tagged, refused, edited = bots

    def meanwhile() -> None:
        tenant.change(tagged, tags={TAG: "owner=a@b.c"}, changed_at=NOW)
        tenant.change(refused, tags={TAG: "no"}, changed_at=NOW)
        tenant.change(edited, changed_at=NOW, changed_by="bob@contoso.com")

    code, person = await run(tenant, record(tmp_path, *bots), meanwhile)
    assert on(tenant) == {"bot"}
    assert now(tenant, "tagged").tags == {TAG: "owner=a@b.c"}
    assert now(tenant, "refused").tags == {TAG: "no"}
    assert "bob@contoso.com changed it meanwhile: run this again." in person.heard
    assert "1 account given back. 3 left alone after all." in person.read
    assert code == 2


async def test_the_time_budget_begins_after_the_answer(tmp_path: Path) -> None:
    bot = swept()
    tenant = FakeTenant.of(bot)
    # The person looks at the plan for three hours, and the tag needs two tries.
    tenant.meanwhile("home tenant", "", [None, None, 3 * 3600.0])
    tenant.meanwhile("merge tag", bot.id.key, [10.0])
    code, _ = await run(tenant, record(tmp_path, bot))
    assert on(tenant) == {"bot"}
    assert code == 0


# While it works


async def test_an_exemption_that_is_taken_away_before_the_keys_keeps_them_off(
    tmp_path: Path,
) -> None:
    bot = swept()
    tenant = FakeTenant.of(bot)
    gone = tenant.becomes(bot, tags={})
    tenant.meanwhile("account", bot.id.key, [None, None, None, gone])
    code, person = await run(tenant, record(tmp_path, bot))
    assert "Its exemption is not there any more" in person.heard
    assert on(tenant) == set()
    assert code == 2


async def test_one_that_cannot_be_given_back_leaves_the_others_done(tmp_path: Path) -> None:
    bots = [swept("locked"), *(swept(f"bot-{number}") for number in range(12))]
    tenant = FakeTenant.of(*bots, locked={bots[0].id.key})
    code, person = await run(tenant, record(tmp_path, *bots))
    assert "ScopeLocked" in person.heard or "Code" in person.heard
    assert "12 accounts given back. 1 could not be." in person.read
    assert len(on(tenant)) == 12
    assert code == 2


@pytest.mark.parametrize("what", ["merge tag", "keys on"])
async def test_a_write_without_a_clear_answer_is_read_back(tmp_path: Path, what: Any) -> None:
    bot = swept()
    tenant = FakeTenant.of(bot)
    tenant.afterwards(what, bot.id.key, [an_error(Unclear, 504)])
    code, _ = await run(tenant, record(tmp_path, bot))
    assert on(tenant) == {"bot"}
    assert code == 0


# Ctrl-C


async def test_ctrl_c_finishes_what_is_in_hand_and_begins_nothing_more(tmp_path: Path) -> None:
    bots = [swept(f"bot-{number}") for number in range(4)]
    tenant = FakeTenant.of(*bots)
    for bot in bots:
        tenant.afterwards("merge tag", bot.id.key, [4.0])
    waits = {bots[0].id.subscription_id: [0.0] * 4 + [0.0, 600.0, 600.0, 600.0]}
    interrupt_after(2.0)
    code, person = await run(tenant, record(tmp_path, *bots), waits=waits)
    exempt = {bot.id.name for bot in bots if TAG in now(tenant, bot.id.name).tags}
    assert on(tenant) == exempt
    assert len(exempt) == 1
    assert "3 accounts not attempted." in person.read
    assert code == 1


async def test_ctrl_c_ends_a_wait_at_once_when_nothing_is_under_way(tmp_path: Path) -> None:
    bot = swept()
    tenant = FakeTenant.of(bot)
    interrupt_after(2.0)
    waits = {bot.id.subscription_id: [0.0, 600.0]}
    code, person = await run(tenant, record(tmp_path, bot), waits=waits)
    assert tenant.clock.monotonic() < 5, "it waited on"
    assert "1 account not attempted." in person.read
    assert not tenant.changed
    assert code == 1


async def test_an_account_in_hand_is_waited_for_a_minute_at_most(tmp_path: Path) -> None:
    bot = swept()
    tenant = FakeTenant.of(bot)
    tenant.afterwards("merge tag", bot.id.key, [600.0])
    interrupt_after(2.0)
    code, person = await run(tenant, record(tmp_path, bot))
    assert "You stopped it while it waited for Azure" in person.heard
    assert tenant.clock.monotonic() < 70
    assert code == 2


async def test_a_second_ctrl_c_breaks_off(tmp_path: Path) -> None:
    bot = swept()
    tenant = FakeTenant.of(bot)
    tenant.afterwards("merge tag", bot.id.key, [600.0])
    interrupt_after(2.0)
    interrupt_after(3.0)
    code, person = await run(tenant, record(tmp_path, bot))
    assert "Broken off: an account in hand may be exempt and still without keys." in person.heard
    assert code == 2
