"""The second source: whose turn it is, and what both sources together say."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.model import Account, Census, Coverage, Disagreement, Gap, GapKind, Reading, Source
from shared.core.schedule import Schedule
from shared.steps.cross_check import TURNS, cross_check, has_turn, turns_due, watched
from tests.support.builders import NOW, a_subscription, an_account

QUARTERLY = Schedule.parse("0 */15 * * * *")
QUARTER = timedelta(minutes=15)
NUMBER = QUARTERLY.number(NOW)
# Firings are counted from 2024 on, and soon counted then.
FIRST = datetime(2024, 1, 2, 9, 0, 20, tzinfo=UTC)


def turns(*back: int) -> frozenset[int]:
    """Return the turns of firings so many before this one."""
    return frozenset((NUMBER - number) % 96 for number in back)


def test_without_a_last_sweep_it_is_this_firings_turn() -> None:
    assert turns_due(QUARTERLY, None, NOW) == turns(0)


def test_after_the_firing_before_it_is_this_firings_turn() -> None:
    assert turns_due(QUARTERLY, NOW - QUARTER, NOW) == turns(0)


def test_a_firing_that_was_missed_has_its_turn_too() -> None:
    assert turns_due(QUARTERLY, NOW - 2 * QUARTER, NOW) == turns(0, 1)


def test_after_a_long_pause_twelve_firings_have_their_turn() -> None:
    assert turns_due(QUARTERLY, NOW - 11 * QUARTER, NOW) == turns(*range(11))
    assert turns_due(QUARTERLY, NOW - 12 * QUARTER, NOW) == turns(*range(12))
    assert turns_due(QUARTERLY, NOW - timedelta(days=30), NOW) == turns(*range(12))


@pytest.mark.parametrize("last", [NOW, NOW + QUARTER, NOW + timedelta(days=1)])
def test_a_sweep_of_the_same_firing_or_of_a_clock_that_ran_ahead_has_its_turn(
    last: datetime,
) -> None:
    assert turns_due(QUARTERLY, last, NOW) == turns(0)


def test_within_a_day_every_subscription_has_its_turn_once() -> None:
    firings = [FIRST + number * QUARTER for number in range(96)]
    due = [turns_due(QUARTERLY, at - QUARTER, at) for at in firings]
    for number in range(100):
        name = a_subscription(number).id
        assert [has_turn(name, turns) for turns in due].count(True) == 1


@settings(max_examples=30)
@given(missed=st.lists(st.integers(0, 11), min_size=1, max_size=96), start=st.integers(0, 95))
def test_law_whatever_firings_are_missed_all_turns_come_within_a_day(
    missed: list[int], start: int
) -> None:
    last = FIRST + QUARTER * start
    day_ends = last + timedelta(days=1)
    turns: set[int] = set()
    moment = last
    for number in itertools.count():
        moment = min(moment + QUARTER * (1 + missed[number % len(missed)]), day_ends)
        turns |= turns_due(QUARTERLY, last, moment)
        last = moment
        if moment == day_ends:
            break
    assert turns == set(range(96))


@settings(max_examples=30)
@given(missed=st.integers(0, 200))
def test_law_turns_that_are_due_are_those_since_the_last_sweep_twelve_at_most(missed: int) -> None:
    now = FIRST + QUARTER * (1 + missed)
    due = turns_due(QUARTERLY, FIRST, now)
    assert len(due) == min(1 + missed, 12)
    assert QUARTERLY.number(now) % 96 in due


@pytest.mark.parametrize(
    "text", ["0 */15 * * * *", "0 */15 8-17 * * 1-5", "0 0 9,10 * * *", "30 5 0 1 * *"]
)
def test_any_schedule_gives_each_subscription_its_turn_in_ninety_six_sweeps(text: str) -> None:
    schedule, moment = Schedule.parse(text), FIRST
    turns: set[int] = set()
    for _ in range(TURNS):
        following = schedule.next_after(moment)
        assert following is not None
        moment = following
        turns |= turns_due(schedule, None, moment + timedelta(seconds=20))
    assert turns == set(range(TURNS))


def test_subscriptions_are_spread_over_all_turns() -> None:
    names = [a_subscription(number).id for number in range(1000)]
    for turn in range(96):
        assert any(has_turn(name, frozenset({turn})) for name in names)


# Both together


def reading(
    *accounts: Account, source: Source = Source.ARM, keys_off: int = 0, gaps: tuple[Gap, ...] = ()
) -> Reading:
    keys_on = sum(account.keys_on for account in accounts)
    census = Census(keys_on, keys_off or len(accounts) - keys_on)
    return Reading(Coverage(a_subscription(), source, census), accounts, gaps)


def graph(*accounts: Account) -> Reading:
    return reading(*accounts, source=Source.GRAPH)


ON, OFF = an_account(), an_account(keys_on=False)


def test_sources_that_agree_have_nothing_to_tell() -> None:
    both = cross_check(graph(ON), reading(ON), NOW)
    assert both.disagreements == ()
    assert both.reading == reading(ON)


def test_where_both_know_an_account_arm_counts() -> None:
    fresh = an_account(location="x")
    assert cross_check(graph(ON), reading(fresh), NOW).reading.accounts == (fresh,)


def test_an_account_that_only_arm_shows_with_keys_on_is_told() -> None:
    both = cross_check(graph(), reading(ON), NOW)
    assert both.disagreements == (Disagreement(ON, "off, or absent", "on"),)


def test_keys_that_arm_shows_on_and_resource_graph_off_are_told() -> None:
    both = cross_check(graph(OFF), reading(ON), NOW)
    assert both.disagreements == (Disagreement(ON, "off", "on"),)


def test_keys_that_arm_shows_off_and_resource_graph_on_are_told() -> None:
    both = cross_check(graph(ON), reading(OFF), NOW)
    assert both.disagreements == (Disagreement(OFF, "on", "off"),)


def test_keys_that_both_show_off_are_no_disagreement() -> None:
    assert cross_check(graph(OFF), reading(OFF), NOW).disagreements == ()


def test_keys_off_that_only_arm_shows_are_no_disagreement() -> None:
    assert cross_check(graph(), reading(OFF), NOW).disagreements == ()


@pytest.mark.parametrize(
    ("minutes", "is_told"), [(0, False), (10, False), (10.1, True), (60, True)]
)
def test_what_changed_within_ten_minutes_is_resource_graphs_lag(
    minutes: float,
    is_told: bool,  # noqa: FBT001 - parametrized
) -> None:
    changed = an_account(changed_at=NOW - timedelta(minutes=minutes))
    assert bool(cross_check(graph(), reading(changed), NOW).disagreements) is is_told


def test_every_disagreement_is_told() -> None:
    both = cross_check(graph(), reading(an_account("a"), an_account("b")), NOW)
    assert len(both.disagreements) == 2


def test_an_account_that_resource_graph_alone_shows_with_keys_on_stays_and_is_counted() -> None:
    both = cross_check(graph(ON, an_account("gone")), reading(ON, keys_off=5), NOW)
    assert both.reading.accounts == (ON, an_account("gone"))
    assert both.reading.coverage.census == Census(keys_on=2, keys_off=5)
    assert both.disagreements == ()


def test_an_account_that_resource_graph_alone_shows_with_keys_off_goes() -> None:
    both = cross_check(graph(ON, an_account("gone", keys_on=False)), reading(ON), NOW)
    assert both.reading == reading(ON)


def test_what_arm_could_not_read_stays_a_gap() -> None:
    gap = Gap(GapKind.ACCOUNT, "row", "no id")
    assert cross_check(graph(ON), reading(ON, gaps=(gap,)), NOW).reading.gaps == (gap,)


def test_arm_is_named_as_the_source() -> None:
    assert cross_check(graph(ON), reading(ON), NOW).reading.coverage.source is Source.ARM


def test_what_arm_has_to_keep_is_what_resource_graph_showed() -> None:
    assert watched(graph(an_account("A"), OFF)) == {an_account("a").id.key, OFF.id.key}


@given(st.lists(st.booleans(), max_size=5), st.lists(st.booleans(), max_size=5))
def test_law_no_account_with_keys_on_is_lost_or_counted_twice(
    graph_says: list[bool], arm_says: list[bool]
) -> None:
    def accounts(flags: list[bool]) -> list[Account]:
        return [an_account(f"bot-{number}", keys_on=flag) for number, flag in enumerate(flags)]

    both = cross_check(graph(*accounts(graph_says)), reading(*accounts(arm_says)), NOW).reading
    keys_on = [account.id.key for account in both.accounts if account.keys_on]
    assert both.coverage.census.keys_on == len(keys_on) == len(set(keys_on))
    assert {account.id.key for account in accounts(arm_says) if account.keys_on} <= set(keys_on)
