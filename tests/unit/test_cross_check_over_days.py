"""Whose turn it is to be read by a second source, and what two sources say together."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.cross_check import TURNS, cross_check, has_turn, turns_due, watched
from shared.model import Account, AccountId, Census, Coverage, Gap, GapKind, Reading, Source
from shared.model import Subscription as Home
from shared.schedule import Schedule

QUARTERS = Schedule.parse("0 */15 * * * *")
QUARTER = timedelta(minutes=15)
NOW = datetime(2026, 11, 24, 9, 0, 20, tzinfo=UTC)
SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"


# Turns


@settings(max_examples=20, deadline=None)
@given(missed=st.lists(st.integers(0, 11), min_size=1, max_size=96), start=st.integers(0, 95))
def test_law_whatever_firings_are_missed_all_turns_come_within_a_day(
    missed: list[int], start: int
) -> None:
    last = NOW + QUARTER * start
    day_ends = last + timedelta(days=1)
    turns: set[int] = set()
    moment, number = last, 0
    while moment < day_ends:
        moment = min(moment + QUARTER * (1 + missed[number % len(missed)]), day_ends)
        number += 1
        turns |= turns_due(QUARTERS, last, moment)
        last = moment

    assert turns == set(range(TURNS))


@settings(max_examples=20, deadline=None)
@given(missed=st.integers(0, 200))
def test_law_turns_that_are_due_are_those_since_the_last_sweep_twelve_at_most(missed: int) -> None:
    due = turns_due(QUARTERS, NOW, NOW + QUARTER * (1 + missed))

    assert len(due) == min(1 + missed, 12)
    assert QUARTERS.number(NOW + QUARTER * (1 + missed)) % TURNS in due


@pytest.mark.parametrize("last", [None, NOW + timedelta(days=1), NOW])
def test_without_a_last_sweep_before_this_firing_it_has_its_own_turn_alone(
    last: datetime | None,
) -> None:
    assert turns_due(QUARTERS, last, NOW) == {QUARTERS.number(NOW) % TURNS}


def test_every_subscription_has_one_turn() -> None:
    ids = [f"00000000-0000-4000-8000-{number:012d}" for number in range(1000)]

    for subscription_id in ids:
        assert sum(has_turn(subscription_id, frozenset({turn})) for turn in range(TURNS)) == 1


# Two readings


def account(name: str, *, keys_on: bool, changed: timedelta | None = None) -> Account:
    return Account(
        AccountId(SUBSCRIPTION, "rg", name),
        "OpenAI",
        "",
        keys_on,
        changed_at=NOW - changed if changed is not None else None,
    )


def reading(source: Source, *accounts: Account, keys_off: int = 0) -> Reading:
    home = Home(SUBSCRIPTION, "", "Enabled", "t")
    census = Census(sum(found.keys_on for found in accounts), keys_off)
    return Reading(Coverage(home, source, census), accounts)


def test_an_account_that_only_resource_graph_shows_with_keys_on_stays() -> None:
    lost = account("lost", keys_on=True)
    graph = reading(Source.GRAPH, lost, account("bot", keys_on=True))
    arm = reading(Source.ARM, account("bot", keys_on=True))

    both = cross_check(graph, arm, NOW)

    assert {found.id.name for found in both.reading.accounts} == {"lost", "bot"}
    assert both.reading.coverage.census == Census(2, 0)
    assert both.disagreements == ()


def test_an_account_that_arm_says_is_off_is_off_and_told_once_the_lag_is_over() -> None:
    graph = reading(Source.GRAPH, account("bot", keys_on=True))
    changed = timedelta(minutes=11)
    arm = reading(Source.ARM, account("bot", keys_on=False, changed=changed), keys_off=1)

    both = cross_check(graph, arm, NOW)

    assert [(d.graph, d.arm) for d in both.disagreements] == [("on", "off")]
    assert both.reading.coverage.census == Census(0, 1)


@pytest.mark.parametrize(
    ("ago", "told"), [(timedelta(minutes=9), 0), (timedelta(minutes=11), 1), (None, 1)]
)
def test_what_was_changed_a_moment_ago_is_no_disagreement(ago: timedelta | None, told: int) -> None:
    arm = reading(Source.ARM, account("new", keys_on=True, changed=ago))

    both = cross_check(reading(Source.GRAPH), arm, NOW)

    assert len(both.disagreements) == told
    assert len(both.reading.accounts) == 1


def test_rows_of_arm_that_can_not_be_read_stay_gaps() -> None:
    gap = Gap(GapKind.ACCOUNT, "row", "odd", SUBSCRIPTION)
    arm = Reading(reading(Source.ARM).coverage, (), (gap,))

    assert cross_check(reading(Source.GRAPH), arm, NOW).reading.gaps == (gap,)


def test_arm_keeps_every_account_that_resource_graph_showed_whatever_its_keys() -> None:
    graph = reading(Source.GRAPH, account("On", keys_on=True), account("off", keys_on=False))

    assert watched(graph) == {found.id.key for found in graph.accounts}
