"""Whether an account may be given back, by what stands on it and by who changed it when."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keysweep.record import Change
from keysweep.standing import GiveBack, Judgement, Known, LeaveAlone, Why, judge, off_since
from shared.core.change_log import ChangeLog
from shared.core.decision import Rules, Scope
from shared.core.model import Account, AccountId, KeyChange, Level, TagsAbove, Turned

BOT = AccountId("00000001-0000-0000-0000-000000000000", "rg-chat", "bot")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BEGUN = NOW - timedelta(hours=2)
ENDED = BEGUN + timedelta(seconds=10)
ANN, BOB = "ann@contoso.com", "bob@contoso.com"
TAG = Rules().tag
CHANGE = Change(BOT, BEGUN, ENDED, "DISABLED", may_be_done=True)
NOT_TOLD = Change(BOT, BEGUN)


def bot(**more: Any) -> Account:
    """Return the account as the sweep left it, untouched since."""
    built = Account(
        BOT,
        "OpenAI",
        "swedencentral",
        keys_on=False,
        custom_subdomain="bot",
        provisioning_state="Succeeded",
        changed_at=BEGUN + timedelta(seconds=5),
        changed_by=ANN,
        created_at=NOW - timedelta(days=300),
    )
    return replace(built, **more)


def edited(**more: Any) -> Account:
    """Return it after somebody edited something, an hour ago."""
    return bot(changed_at=NOW - timedelta(hours=1), changed_by=BOB, **more)


def turn(turned: Turned, at: datetime, by: str = ANN) -> KeyChange:
    return KeyChange(f"{turned}-{at}", at, BOT, turned, by, "User", "", "", ours=False)


OURS = turn(Turned.OFF, BEGUN + timedelta(seconds=5))


def known(*turns: KeyChange, **more: Any) -> Known:
    built = Known(
        ChangeLog({BOT.key: sorted(turns, key=lambda change: change.at)}),
        {BOT.subscription_id},
        {ANN},
        Scope(),
        Rules(),
        NOW,
    )
    return replace(built, **more)


def why(found: Judgement) -> Why | None:
    return found.why if isinstance(found, LeaveAlone) else None


# Proof


def test_azure_itself_says_that_nobody_changed_it_since() -> None:
    unread = known(log=ChangeLog({}, "no"), in_log=())
    assert judge(CHANGE, bot(), unread) == GiveBack(exempts=True, stands="keys off, no exemption")


def test_a_last_change_by_another_than_the_sweeper_is_no_proof() -> None:
    # His machine's clock may be wrong, and the account's author is not.
    assert why(judge(CHANGE, bot(changed_by=BOB), known(log=ChangeLog({}, "no")))) is Why.NOT_KNOWN


def test_a_last_change_long_before_the_sweep_is_no_proof_for_the_sweepers_clock_is_fast() -> None:
    before = bot(changed_at=BEGUN - timedelta(minutes=3))
    assert why(judge(CHANGE, before, known(log=ChangeLog({}, "no")))) is Why.NOT_KNOWN


def test_a_last_change_shortly_before_the_sweep_is_one_of_clocks_that_differ() -> None:
    before = bot(changed_at=BEGUN - timedelta(minutes=2))
    assert isinstance(judge(CHANGE, before, known(log=ChangeLog({}, "no"))), GiveBack)


def test_a_last_change_at_the_end_of_the_calendar_is_waited_for_no_longer_than_the_log_lags() -> (
    None
):
    future = bot(changed_at=datetime.max.replace(tzinfo=UTC), changed_by=BOB)
    found = judge(CHANGE, future, known())
    assert isinstance(found, LeaveAlone)
    assert found.reason.endswith(f"try again after {NOW + timedelta(minutes=5):%H:%M} UTC.")


def test_the_change_log_shows_the_sweeps_turn_and_none_after_it() -> None:
    assert isinstance(judge(CHANGE, edited(), known(OURS)), GiveBack)


def test_a_flag_that_appeared_for_the_first_time_is_not_listed_and_every_later_turn_would_be() -> (
    None
):
    assert isinstance(judge(CHANGE, edited(), known()), GiveBack)


@pytest.mark.parametrize("turned", list(Turned))
def test_whatever_turned_them_after_the_sweep_leaves_it_alone(turned: Turned) -> None:
    later = turn(turned, NOW - timedelta(hours=1), BOB)
    for turns in ([OURS, later], [later]):
        assert why(judge(CHANGE, edited(), known(*turns))) is Why.SOMEBODYS_WILL


def test_on_and_off_again_a_moment_after_the_sweep_is_not_the_sweeps() -> None:
    on = turn(Turned.ON, ENDED + timedelta(seconds=20), BOB)
    off = turn(Turned.OFF, ENDED + timedelta(seconds=40), BOB)
    assert why(judge(CHANGE, edited(), known(OURS, on, off))) is Why.SOMEBODYS_WILL


def test_what_turned_them_on_just_before_the_sweep_is_in_nobodys_way() -> None:
    war = [
        turn(Turned.OFF, BEGUN - timedelta(seconds=90)),
        turn(Turned.ON, BEGUN - timedelta(seconds=30), BOB),
        OURS,
    ]
    assert isinstance(judge(CHANGE, edited(), known(*war)), GiveBack)


def test_a_guests_name_differs_in_the_log_and_the_moment_tells() -> None:
    theirs = replace(OURS, by="ann_contoso.com#EXT#@fabrikam.com")
    assert isinstance(judge(CHANGE, edited(), known(theirs)), GiveBack)


def test_a_log_that_shows_turns_and_not_the_sweeps_is_no_proof() -> None:
    before = turn(Turned.ON, BEGUN - timedelta(days=1), BOB)
    assert why(judge(CHANGE, edited(), known(before))) is Why.NOT_KNOWN


@pytest.mark.parametrize(
    ("account", "more"),
    [
        (edited(), {"log": ChangeLog({}, "503")}),
        (edited(), {"in_log": ()}),
        (edited(), {"log": ChangeLog({}, lacking=1)}),
        (edited(), {"now": NOW + timedelta(days=20)}),
        (bot(changed_at=None), {}),
        (bot(changed_at=NOW - timedelta(minutes=2), changed_by=BOB), {}),
    ],
    ids=["unread", "not shown", "lacking", "older than the log", "no moment", "a moment ago"],
)
def test_where_neither_can_tell_it_is_left_alone(account: Account, more: dict[str, Any]) -> None:
    assert why(judge(CHANGE, account, known(**more))) is Why.NOT_KNOWN


# Changes whose outcome nobody was told of


def test_what_was_not_told_is_shown_by_the_log_by_who_swept() -> None:
    assert isinstance(judge(NOT_TOLD, edited(), known(OURS)), GiveBack)


def test_what_was_not_told_is_shown_by_azure_where_it_names_who_swept() -> None:
    assert isinstance(judge(NOT_TOLD, bot(), known()), GiveBack)


@pytest.mark.parametrize("turns", [[], [replace(OURS, by=BOB)]], ids=["no turn", "another's"])
def test_what_was_not_told_and_nothing_shows_is_left_alone(turns: Sequence[KeyChange]) -> None:
    assert why(judge(NOT_TOLD, edited(), known(*turns))) is not None


def test_what_was_not_told_of_an_unknown_sweeper_is_left_alone_and_not_known() -> None:
    nobody = known(OURS, identity=())
    assert why(judge(NOT_TOLD, bot(), nobody)) is Why.NOT_KNOWN
    assert isinstance(judge(CHANGE, edited(), nobody), GiveBack)


def test_an_unverified_change_needs_the_same_proof() -> None:
    unverified = replace(CHANGE, result="UNVERIFIED")
    assert why(judge(unverified, edited(), known())) is Why.NOT_KNOWN
    assert isinstance(judge(unverified, edited(), known(OURS)), GiveBack)


# What it is, and what stands on it


def test_an_account_created_after_the_change_is_another_one() -> None:
    again = bot(created_at=BEGUN + timedelta(hours=1))
    assert why(judge(CHANGE, again, known(OURS))) is Why.SOMEBODYS_WILL


def test_an_account_that_says_not_when_it_was_created_is_left_alone() -> None:
    assert why(judge(CHANGE, bot(created_at=None), known(OURS))) is Why.NOT_KNOWN


def test_keys_that_are_on_are_nothing_to_do() -> None:
    assert why(judge(CHANGE, edited(keys_on=True), known())) is Why.NOTHING_TO_DO


def test_another_kind_and_an_excluded_subscription_are_out_of_scope() -> None:
    excluded = known(scope=Scope(excluded_subscriptions=(BOT.subscription_id,)))
    assert why(judge(CHANGE, bot(kind="Face"), known())) is Why.SOMEBODYS_WILL
    assert why(judge(CHANGE, bot(), excluded)) is Why.SOMEBODYS_WILL


def test_an_operation_under_way_is_waited_for_by_the_next_run() -> None:
    assert why(judge(CHANGE, bot(provisioning_state="Accepted"), known())) is Why.NOT_KNOWN


@pytest.mark.parametrize("value", ["true", "2027-03-31", "until=2027-03-31; owner=a@b.c"])
def test_a_tag_in_force_is_enough(value: str) -> None:
    found = judge(CHANGE, bot(tags={TAG: value}), known())
    assert isinstance(found, GiveBack)
    assert not found.exempts


@pytest.mark.parametrize(
    ("tags", "rules"),
    [
        ({TAG: "false"}, Rules()),
        ({TAG: "2020-01-01"}, Rules()),
        ({TAG: "until=soon"}, Rules()),
        ({TAG: "until=soon"}, Rules(hold_unreadable=False)),
        ({TAG: "true"}, Rules(require_until=True)),
        ({"LocalAuthExempt": "true"}, Rules()),
    ],
    ids=["no", "lapsed", "unreadable", "strict", "breaks a rule", "near miss"],
)
def test_a_tag_that_is_there_is_never_laid_over(tags: dict[str, str], rules: Rules) -> None:
    found = judge(CHANGE, bot(tags=tags), known(rules=rules))
    assert why(found) is Why.SOMEBODYS_WILL


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({TAG: "true"}, None),
        ({TAG: "false"}, Why.SOMEBODYS_WILL),
        (None, Why.NOT_KNOWN),
        ({}, None),
    ],
)
def test_the_levels_above_speak_too(tags: dict[str, str] | None, expected: Why | None) -> None:
    below = bot(above=(TagsAbove(Level.RESOURCE_GROUP, tags),))
    assert why(judge(CHANGE, below, known())) is expected


def test_an_account_that_would_be_held_for_its_subdomain_is_given_back_all_the_same() -> None:
    found = judge(CHANGE, bot(custom_subdomain=None), known(rules=Rules(hold_no_subdomain=True)))
    assert isinstance(found, GiveBack)


def test_what_was_proven_needs_no_more_proof_and_everything_else_does() -> None:
    unread = known(log=ChangeLog({}, "503"))
    assert isinstance(judge(CHANGE, edited(), unread, is_proven=True), GiveBack)
    refused = judge(CHANGE, edited(tags={TAG: "no"}), unread, is_proven=True)
    assert why(refused) is Why.SOMEBODYS_WILL


def test_since_when_they_are_off_is_the_logs_moment_or_the_sweeps() -> None:
    assert off_since(CHANGE, known(OURS)) == OURS.at
    assert off_since(CHANGE, known()) == ENDED
    assert off_since(NOT_TOLD, known()) == BEGUN
