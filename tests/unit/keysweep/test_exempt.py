"""`keysweep exempt`: the tag first, read back, and only then the keys."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from keysweep.advice import UsageProblem
from keysweep.exempt import Request, exempt, listing, remove
from keysweep.names import Names, NotSeen
from keysweep.wish import Wish
from keysweep.writer import ChangedMeanwhile
from shared.core.errors import AzureError, OutOfTime, Unclear
from shared.core.model import Account
from tests.support.builders import TAG, an_account
from tests.support.fake_sources import Call, FakeSources
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.sessions import Person, Reply, a_session, interrupt_after

BOT = an_account(keys_on=False, tags={"owner": "web"})
OPEN_ENDED = Wish(None, "", "")


def tagged(value: str, name: str = "bot", **more: Any) -> Account:
    return an_account(name, tags={TAG: value}, **{"keys_on": False, **more})


async def run(
    tenant: FakeTenant,
    wish: Wish = OPEN_ENDED,
    *answers: Reply,
    enable_keys: bool = True,
    yes: bool = False,
    replace: bool = False,
    names: Sequence[str] = ("bot",),
    **environ: str,
) -> tuple[int, Person]:
    person = Person(*answers)
    session = a_session(tenant, person, environ=environ)
    request = Request(Names(names), wish, enable_keys=enable_keys, yes=yes, replace=replace)
    return await exempt(session, "table", request), person


def now(tenant: FakeTenant) -> Account:
    return tenant.accounts[BOT.id.key]


async def test_the_tag_is_read_back_before_keys_go_on() -> None:
    tenant = FakeTenant.of(BOT)
    code, person = await run(tenant)
    steps = [what for what, name in tenant.asked if name == BOT.id.key]
    tag, keys = steps.index("merge tag"), steps.index("keys on")
    assert "account" in steps[tag:keys], "the tag was not read back"
    assert now(tenant).tags == {"owner": "web", TAG: "true"}
    assert now(tenant).keys_on
    assert "accepts keys again" in person.read
    assert code == 0


async def test_keys_stay_off_unless_asked_for() -> None:
    tenant = FakeTenant.of(BOT)
    code, person = await run(tenant, enable_keys=False)
    assert not now(tenant).keys_on
    assert "--enable-keys turns them on" in person.heard
    assert code == 0


async def test_a_tag_keeps_its_spelling_and_is_not_doubled() -> None:
    tenant = FakeTenant.of(an_account(tags={"Local-Auth-Exempt": "2020-01-01"}))
    await run(tenant, yes=True, enable_keys=False)
    assert now(tenant).tags == {"Local-Auth-Exempt": "true"}


# The question


async def test_a_no_changes_nothing() -> None:
    tenant = FakeTenant.of(tagged("2020-01-01"))
    code, person = await run(tenant, OPEN_ENDED, "no")
    assert "then: local-auth-exempt='true'" in person.heard
    assert not tenant.changed
    assert code == 1


async def test_who_wants_it_quiet_sees_what_they_are_asked_about() -> None:
    person = Person("no", quiet=True)
    session = a_session(FakeTenant.of(tagged("2020-01-01")), person)
    await exempt(session, "table", Request(Names(["bot"]), OPEN_ENDED))
    assert "now:  local-auth-exempt='2020-01-01'" in person.heard


async def test_with_nobody_to_ask_it_is_said_which_option_answers() -> None:
    for value, option in (("false", "--yes"), ("until=soon", "--replace")):
        with pytest.raises(UsageProblem, match=f"Nobody is there to be asked: say {option}"):
            await run(FakeTenant.of(tagged(value)))


async def test_yes_takes_nothing_away_and_replace_does() -> None:
    tenant = FakeTenant.of(tagged("until=soon"))
    with pytest.raises(UsageProblem, match="say --replace"):
        await run(tenant, yes=True)
    assert not tenant.changed
    code, _ = await run(tenant, replace=True)
    assert now(tenant).tags == {TAG: "true"}
    assert code == 0


async def test_the_same_exemption_again_is_no_question() -> None:
    code, person = await run(FakeTenant.of(tagged("true")))
    assert person.questions == []
    assert code == 0


@pytest.mark.parametrize(
    ("meanwhile", "says"),
    [
        ({"tags": {TAG: "until=2099-09-09"}}, "its tag was"),
        ({"created_at": 1}, "deleted and created again"),
        ({"kind": "Face"}, "Its kind is Face"),
    ],
    ids=["another tag", "made anew", "another kind"],
)
async def test_what_changed_while_the_question_stood_is_not_written_over(
    meanwhile: dict[str, Any], says: str
) -> None:
    tenant = FakeTenant.of(tagged("2020-01-01"))
    with pytest.raises(ChangedMeanwhile, match=says):
        await run(tenant, OPEN_ENDED, tenant.becomes(BOT, **meanwhile))
    assert not tenant.changed


async def test_a_tag_that_a_group_gets_meanwhile_is_not_outdone() -> None:
    tenant = FakeTenant.of(tagged("2020-01-01"))
    group = (BOT.id.subscription_id, BOT.id.resource_group)
    tenant.change(BOT, tags={})
    tenant.groups[group] = {TAG: "2020-01-01"}
    freeze: Callable[[], object] = lambda: tenant.groups.update({group: {TAG: "true"}})  # noqa: E731
    tenant.meanwhile("account", BOT.id.key, [None, freeze])
    with pytest.raises(ChangedMeanwhile, match="is not as it was when it was shown"):
        await run(tenant, EXEMPTION_INHERIT="true")
    assert not tenant.changed


async def test_the_time_budget_begins_after_the_answer() -> None:
    tenant = FakeTenant.of(tagged("2020-01-01"))
    # A person thinks for three hours, as far as the clock can tell, and the tag needs two tries.
    tenant.meanwhile("account", BOT.id.key, [3 * 3600.0])
    tenant.meanwhile("merge tag", BOT.id.key, [10.0])
    code, _ = await run(tenant, OPEN_ENDED, "yes")
    assert now(tenant).keys_on
    assert code == 0


# Who would break


async def test_the_verdict_of_each_is_said_and_the_worst_is_asked_about_first() -> None:
    idle, keyed = (tagged("2020-01-01", name=name, keys_on=True) for name in ("idle", "keyed"))
    sources = FakeSources(FakeTenant.of(idle, keyed))
    sources.calls["keyed"].append(Call(5, 3, "key"))
    sources.logs_since["keyed"] = 90
    person = Person("no", "no", quiet=True)
    session = a_session(sources.tenant, person, sources=sources)
    await exempt(session, "table", Request(Names(["idle", "keyed"]), OPEN_ENDED, impact=True))
    said = [
        line for line in person.heard.splitlines() if ": USES_KEYS." in line or ": IDLE." in line
    ]
    assert [line.split()[0] for line in said] == ["keyed", "idle"]


async def test_who_would_break_is_not_asked_unless_somebody_wants_it() -> None:
    sources = FakeSources(FakeTenant.of(BOT))
    session = a_session(sources.tenant, Person(), sources=sources)
    await exempt(session, "table", Request(Names(["bot"]), OPEN_ENDED))
    assert sources.asked == []


# What is refused before anything is sent


async def test_an_account_with_fifty_tags_has_no_room() -> None:
    tenant = FakeTenant.of(an_account(tags={f"tag-{number}": "x" for number in range(50)}))
    with pytest.raises(UsageProblem, match="has 50 tags, and Azure takes 50"):
        await run(tenant)
    assert not tenant.changed


async def test_an_exemption_that_a_sweep_would_hold_is_refused() -> None:
    tenant = FakeTenant.of(BOT)
    with pytest.raises(UsageProblem, match="A sweep would hold the account all the same"):
        await run(tenant, EXEMPTION_MAX_DAYS="30")
    assert not tenant.changed


# Between the tag and the keys


@pytest.mark.parametrize(
    ("meanwhile", "says"),
    [({"tags": {}}, "not there any more"), ({"created_at": 1}, "deleted and created again")],
    ids=["the tag is gone", "made anew"],
)
async def test_keys_stay_off_if_the_account_is_another_by_then(
    meanwhile: dict[str, Any], says: str
) -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", BOT.id.key, [None, None, None, tenant.becomes(BOT, **meanwhile)])
    code, person = await run(tenant)
    assert says in person.heard
    assert "The tag: done; turning keys on: not begun." in person.heard
    assert not now(tenant).keys_on
    assert code == 2


@pytest.mark.parametrize("is_done", [True, False])
async def test_keys_on_without_a_clear_answer_is_read_back(*, is_done: bool) -> None:
    tenant = FakeTenant.of(BOT)
    happens = tenant.afterwards if is_done else tenant.meanwhile
    happens("keys on", BOT.id.key, [an_error(Unclear, 504)])
    code, person = await run(tenant)
    assert now(tenant).keys_on == is_done
    assert ("accepts keys again" in person.read) == is_done
    assert ("keys read off" in person.heard) != is_done
    assert code == (0 if is_done else 2)


async def test_keys_are_not_said_to_be_on_while_an_operation_runs() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.afterwards("keys on", BOT.id.key, [tenant.becomes(BOT, provisioning_state="Accepted")])
    code, person = await run(tenant)
    assert "accepts keys again" not in person.read
    assert code == 2


async def test_a_refusal_of_the_tag_is_an_error_and_one_of_the_keys_says_how_far_it_is() -> None:
    tenant = FakeTenant.of(BOT, locked={BOT.id.key})
    with pytest.raises(AzureError):
        await run(tenant)
    tenant = FakeTenant.of(BOT)
    tenant.afterwards("merge tag", BOT.id.key, [lambda: tenant.locked.add(BOT.id.key)])
    code, person = await run(tenant)
    assert "The tag: done; turning keys on: not begun." in person.heard
    assert code == 2


async def test_a_wait_that_outlasts_the_time_is_said_at_once() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("merge tag", BOT.id.key, [OutOfTime(3600.0, 1200.0)])
    with pytest.raises(OutOfTime, match="The wait is 3600 s"):
        await run(tenant)


async def test_a_write_that_would_leave_on_an_old_read_is_read_for_again() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("merge tag", BOT.id.key, [10.0])
    code, _ = await run(tenant)
    assert tenant.times("merge tag") == 2
    assert code == 0


# Ctrl-C


async def test_ctrl_c_ends_a_wait_and_says_that_nothing_was_begun() -> None:
    tenant, person = FakeTenant.of(BOT), Person()
    session = a_session(tenant, person, {BOT.id.subscription_id: [600.0]})
    interrupt_after(1.0)
    code = await exempt(session, "table", Request(Names(["bot"]), OPEN_ENDED, enable_keys=True))
    assert "Stopped. The tag: not begun; turning keys on: not begun." in person.heard
    assert tenant.clock.monotonic() < 2, "it waited on"
    assert code == 130


async def test_ctrl_c_hears_the_answer_to_what_was_sent_and_begins_nothing_more() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.afterwards("merge tag", BOT.id.key, [30.0])
    interrupt_after(1.0)
    code, person = await run(tenant)
    assert "The tag: sent, and not read back; turning keys on: not begun." in person.heard
    assert now(tenant).tags[TAG] == "true"
    assert not now(tenant).keys_on
    assert code == 2


# Several accounts

BOTS = [an_account(f"bot-{number}", keys_on=False) for number in range(3)]


def tags(tenant: FakeTenant) -> dict[str, str]:
    """Return the values of our tag, by account."""
    return {
        account.id.name: account.tags[TAG]
        for account in tenant.accounts.values()
        if TAG in account.tags
    }


def a_list(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "accounts.txt"
    path.write_text("\n".join(lines), "utf-8-sig")
    return path


async def given(
    tenant: FakeTenant, names: Names, *answers: Reply, **more: Any
) -> tuple[int, Person]:
    person = Person(*answers)
    request = Request(names, OPEN_ENDED, **more)
    return await exempt(a_session(tenant, person), "table", request), person


async def test_accounts_are_taken_from_the_line_and_a_file_each_once(tmp_path: Path) -> None:
    tenant = FakeTenant.of(*BOTS)
    path = a_list(tmp_path, "# the web team's", "", "bot-1  # until CHG7", str(BOTS[2].id), "bot-1")
    code, person = await given(tenant, Names(["bot-0", "bot-2"], path))
    assert tags(tenant) == {"bot-0": "true", "bot-1": "true", "bot-2": "true"}
    assert tenant.times("merge tag") == 3
    assert "3 accounts exempt." in person.heard
    assert code == 0


async def test_every_wrong_line_is_named_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    tenant = FakeTenant.of(*BOTS)
    path = a_list(tmp_path, "bot-0", "nobody", "", "a/b/c", "bot-1")
    with pytest.raises(UsageProblem) as caught:
        await given(tenant, Names([], path))
    said = str(caught.value).splitlines()
    assert said[0] == "2 of 4 accounts can't be taken. Nothing was changed:"
    assert said[1].startswith("  line 2: There is no account 'nobody'")
    assert said[2].startswith("  line 4: 'a/b/c' names no account")
    assert not tenant.changed


async def test_every_account_that_can_not_be_exempted_is_named_with_its_reason(
    tmp_path: Path,
) -> None:
    full = {f"tag-{number}": "x" for number in range(50)}
    odd = tagged("until=2027-01-01; reason=" + "x" * 200, name="long")
    tenant = FakeTenant.of(BOTS[0], an_account("full", tags=full), odd)
    path = a_list(tmp_path, "bot-0", "full", "nobody")
    wish = Wish(None, "", "o" * 60)
    with pytest.raises(UsageProblem) as caught:
        await exempt(a_session(tenant), "table", Request(Names(["long"], path), wish))
    said = str(caught.value)
    assert said.startswith("3 of 4 accounts can't be taken. Nothing was changed:\n  ")
    assert "\n  line 2: full: full has 50 tags, and Azure takes 50" in said
    assert "\n  line 3: There is no account 'nobody'" in said
    assert "\n  long: long (rg-chat, subscription" in said
    assert not tenant.changed


async def test_a_rule_that_each_would_break_is_said_of_each() -> None:
    tenant = FakeTenant.of(*BOTS)
    session = a_session(tenant, environ={"EXEMPTION_REQUIRE_UNTIL": "true"})
    with pytest.raises(UsageProblem) as caught:
        await exempt(session, "table", Request(Names(["bot-0", "bot-1"]), OPEN_ENDED))
    said = str(caught.value).splitlines()
    assert said[0] == "2 of 2 accounts can't be taken. Nothing was changed:"
    assert [line.split(":")[0].strip() for line in said[1:]] == ["bot-0", "bot-1"]
    assert not tenant.changed


async def test_with_nobody_to_ask_every_question_is_said_and_nothing_is_written() -> None:
    tenant = FakeTenant.of(
        BOTS[0], tagged("until=2020-01-01", "old"), tagged("until=soon", "unclear")
    )
    with pytest.raises(UsageProblem) as caught:
        await run(tenant, names=["bot-0", "old", "unclear"])
    said = str(caught.value)
    assert said.startswith("Nobody is there to be asked: say --replace.\n")
    assert "old (rg-chat" in said
    assert "unclear (rg-chat" in said
    assert not tenant.changed


async def test_an_account_that_is_named_twice_has_its_problem_once() -> None:
    full = an_account("full", tags={f"tag-{number}": "x" for number in range(50)})
    tenant = FakeTenant.of(BOTS[0], full)
    names = Names(["full", str(full.id), "bot-0"])
    with pytest.raises(UsageProblem) as caught:
        await exempt(a_session(tenant), "table", Request(names, OPEN_ENDED))
    assert str(caught.value).startswith("1 of 3 accounts")


async def test_a_line_that_can_not_be_judged_is_no_mistake_of_the_persons(tmp_path: Path) -> None:
    tenant = FakeTenant.of(*BOTS, without_role=set())
    tenant.meanwhile("account", BOTS[1].id.key, [an_error(Unclear)])
    with pytest.raises(NotSeen, match="line 2: "):
        await given(tenant, Names([], a_list(tmp_path, "bot-0", "bot-1", "nobody")))
    assert not tenant.changed


@pytest.mark.parametrize("content", [b"# nothing\n\n", b"\xff\xfe\xff"], ids=["empty", "no text"])
async def test_a_file_that_names_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "accounts.txt"
    path.write_bytes(content)
    with pytest.raises(UsageProblem, match=r"accounts\.txt"):
        await given(FakeTenant.of(*BOTS), Names([], path))


async def test_a_no_leaves_that_account_as_it_is_and_the_others_go_on() -> None:
    tenant = FakeTenant.of(BOTS[0], an_account("bot-1", tags={TAG: "until=2020-01-01"}))
    code, _ = await given(tenant, Names(["bot-0", "bot-1"]), "no")
    assert tags(tenant) == {"bot-0": "true", "bot-1": "until=2020-01-01"}
    assert code == 1


async def test_one_that_is_refused_stops_no_other_and_is_named() -> None:
    tenant = FakeTenant.of(*BOTS, locked={BOTS[1].id.key})
    code, person = await given(tenant, Names(["bot-0", "bot-1", "bot-2"]))
    assert tags(tenant) == {"bot-0": "true", "bot-2": "true"}
    assert "keysweep: bot-1 (rg-chat, subscription" in person.heard
    assert "2 accounts exempt. 1 could not be." in person.heard
    assert code == 2


async def test_a_rule_that_one_would_break_is_found_before_any_is_written() -> None:
    tenant = FakeTenant.of(BOTS[0], BOTS[1])
    session = a_session(tenant, environ={"EXEMPTION_REQUIRE_UNTIL": "true"})
    with pytest.raises(UsageProblem, match="no end date"):
        await exempt(session, "table", Request(Names(["bot-0", "bot-1"]), OPEN_ENDED))
    assert not tenant.changed


async def test_ctrl_c_says_which_are_exempt_which_in_hand_and_how_many_are_left() -> None:
    tenant, person = FakeTenant.of(*BOTS), Person()
    tenant.meanwhile("merge tag", BOTS[0].id.key, [1.0])
    tenant.afterwards("merge tag", BOTS[1].id.key, [30.0])
    session = a_session(tenant, person, {BOTS[0].id.subscription_id: [0.0, 0.0, 600.0]})
    interrupt_after(3.0)
    code = await exempt(session, "table", Request(Names(["bot-0", "bot-1", "bot-2"]), OPEN_ENDED))
    assert "Stopped. Exempt: 1 account. In hand: bot-1 (rg-chat" in person.heard
    assert "(The tag: sent, and not read back)." in person.heard
    assert "Not attempted, or refused: 1 account." in person.heard
    assert code == 2


async def test_ctrl_c_before_anything_of_several_is_sent_is_no_harm() -> None:
    tenant, person = FakeTenant.of(*BOTS), Person()
    session = a_session(tenant, person, {BOTS[0].id.subscription_id: [600.0] * 3})
    interrupt_after(1.0)
    code = await exempt(session, "table", Request(Names(["bot-0", "bot-1", "bot-2"]), OPEN_ENDED))
    assert "Stopped. Exempt: 0 accounts. Not attempted, or refused: 3 accounts." in person.heard
    assert not tenant.changed
    assert code == 130


# Taking it away, and the list


@pytest.mark.parametrize(
    ("account", "group", "says"),
    [
        ({"tags": {TAG: "true", "owner": "web"}}, {}, "the next sweep that enforces turns them"),
        ({"tags": {TAG: "true", "owner": "web"}, "keys_on": False}, {}, "Its keys are off."),
        ({"tags": {TAG: "true", "owner": "web"}}, {TAG: "true"}, "It is still exempt: "),
        (
            {"tags": {TAG: "true", "owner": "web", "LocalAuthExempt": "x"}},
            {},
            "The next sweep holds it: Its tag 'LocalAuthExempt' is nearly",
        ),
    ],
    ids=["bare", "off", "its group exempts it", "a near miss"],
)
async def test_remove_takes_the_tag_away_and_says_what_comes_of_it(
    account: dict[str, Any], group: dict[str, str], says: str
) -> None:
    bot = an_account(**account)
    tenant = FakeTenant.of(bot, groups={(bot.id.subscription_id, "rg-chat"): group})
    person = Person()
    code = await remove(a_session(tenant, person, environ={"EXEMPTION_INHERIT": "true"}), "bot")
    assert says in person.read
    assert TAG not in now(tenant).tags
    assert now(tenant).tags["owner"] == "web"
    assert code == 0


async def test_remove_needs_a_tag_and_leaves_one_that_changed_meanwhile() -> None:
    with pytest.raises(UsageProblem, match="has no tag 'local-auth-exempt'"):
        await remove(a_session(FakeTenant.of(BOT)), "bot")
    tenant = FakeTenant.of(tagged("true"))
    tenant.meanwhile(
        "account", BOT.id.key, [None, tenant.becomes(BOT, tags={TAG: "until=2099-09-09"})]
    )
    with pytest.raises(ChangedMeanwhile, match="until=2099-09-09"):
        await remove(a_session(tenant), "bot")
    assert not tenant.changed


async def test_the_list_shows_the_days_that_are_left_and_what_was_not_seen() -> None:
    tenant = FakeTenant.of(
        an_account("soon", tags={TAG: "until=2026-12-03; reason=CHG1; owner=a@b.c"}),
        an_account("old", tags={TAG: "2020-01-01"}),
        an_account("odd", tags={TAG: "until=soon"}),
        an_account("ever", keys_on=False, tags={TAG: "true"}),
        an_account("free"),
    )
    person = Person()
    code = await listing(a_session(tenant, person))
    rows = [" ".join(line.split()) for line in person.read.splitlines()]
    assert "9 2026-12-03 on soon rg-chat sub CHG1 (a@b.c)" in rows
    assert "open-ended off ever rg-chat sub" in rows
    assert any(row.startswith("unreadable on odd rg-chat sub 'until=soon'") for row in rows)
    assert "4 accounts with the tag local-auth-exempt." in rows
    assert code == 0
    tenant.odd_rows[BOT.id.subscription_id] = ["x"]
    tenant.unshown.add(BOT.id.subscription_id)
    assert await listing(a_session(tenant, person)) == 2
    assert "Not seen: account" in person.heard
