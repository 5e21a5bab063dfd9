"""Whatever becomes of a month's telemetry on its way, the workbook calms nobody falsely.

Envelopes are lost, late, doubled and out of order, by batches, and the reader looks at any moment.
A step that calms must be right about the local Azure's own truth, as of the sweep that it names;
and doubles and another order change no answer of any step.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.capture import Envelope, read_capture, time_of
from dashboard.tables import Tables
from tests.support import month_steps
from tests.support.captured import Captured, naive
from tests.support.queries import (
    ASKED_FROM,
    ASKED_UNTIL,
    calming,
    calming_steps,
    queries,
    steps,
)
from tools.month import EVERY, Tick
from tools.month_truth import (
    SCOPE,
    Finding,
    History,
    days_left,
    findings_in,
    readable,
    wrong_tag,
)

QUERIES = queries()
STEPS = {step["name"]: step["content"] for step in steps() if step["type"] == 3}
# What is answered of a range is answered of as much: less than what arrives.
_RANGE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stood in one subscription by the truth, as of a sweep."""

    history: History
    subscription: str

    def found(self, *verdicts: str) -> list[Finding]:
        """Return the findings of its last reading."""
        return [finding for _, finding in self._current(*verdicts)]

    def _current(self, *verdicts: str) -> list[tuple[Tick, Finding]]:
        return [
            (tick, finding)
            for tick, finding in self.history.current(*verdicts)
            if finding.account.subscription == self.subscription
        ]

    def days_left(self) -> list[int | None]:
        """Return the days left of its exemptions in force."""
        return [days_left(tick, finding) for tick, finding in self._current("EXEMPT")]

    def is_open(self) -> bool:
        """Whether something is adrift and not fixed."""
        found = (drift.account.subscription for drift in self.history.open_drifts())
        return self.subscription in found

    def is_read(self) -> bool:
        """Whether the newest sweep read it."""
        return self.subscription not in self.history.unseen()

    def ticks(self) -> list[Tick]:
        """Return the ticks in the range, but for its edge: the reader looks some time later."""
        begin = self.history.until - _RANGE + 2 * EVERY
        return [tick for tick in self.history.read if naive(tick.at) > begin]

    def was_exposed(self) -> bool:
        """Whether a tick in the range had to see keys on without an exemption."""
        return any(
            finding.verdict in ("DRIFT", "HELD")
            for tick in self.ticks()
            for finding in findings_in(tick, self.subscription)
        )

    def was_readable(self) -> bool:
        """Whether every tick in the range could read it."""
        return all(self.subscription in readable(tick) for tick in self.ticks())


def lapses_soon(standing: Standing) -> bool:
    return any(left is not None and left <= 30 for left in standing.days_left())


# What each calming word says, as a fact about the truth. A title is a tile's, a name a table's.
CLAIMS: dict[tuple[str, str], Callable[[Standing], bool]] = {
    ("overview-now", "Open drift"): lambda it: not it.is_open(),
    ("overview-now", "Held"): lambda it: not it.found("HELD"),
    ("overview-now", "Keys off"): Standing.is_read,
    ("overview-now", "Unseen subscriptions"): Standing.is_read,
    ("overview-gaps", ""): Standing.is_read,
    ("drift-open", ""): lambda it: not it.is_open(),
    ("evidence-answer", "Accounts with a usable key"): lambda it: not it.was_exposed(),
    ("evidence-answer", "Hours without a sweep"): lambda it: len(it.ticks()) > 1,
    ("evidence-answer", "Sweeps told in part"): lambda it: len(it.ticks()) > 1,
    ("evidence-answer", "Not readable at times"): Standing.was_readable,
    ("evidence-answer", "Days with an inventory"): Standing.was_readable,
    ("exemptions-now", "Lapse within 30 days"): lambda it: not lapses_soon(it),
    ("exemptions-now", "Without an end"): lambda it: None not in it.days_left(),
    ("exemptions-soon", ""): lambda it: not lapses_soon(it),
    ("exemptions-endless", ""): lambda it: None not in it.days_left(),
    ("exemptions-wrong", ""): lambda it: not any(map(wrong_tag, it.found("HELD"))),
    ("failed-now", ""): lambda it: not it.is_open(),
    ("held-now", ""): lambda it: not it.found("HELD"),
    ("health-now", "Completed"): Standing.is_read,
    ("who-open", ""): lambda it: not it.is_open(),
    ("who-owner", ""): lambda it: not it.is_open() and not lapses_soon(it),
    ("who-place", ""): lambda it: not it.is_open(),
}
CALMING = sorted({step for step, _ in CLAIMS})


def rows(tables: Tables, step: str, until: datetime, subscription: str) -> list[dict[str, Any]]:
    # Literals stand for the subscription and the moment: a query is translated once for all.
    kql = QUERIES[f"workbook {step}"].replace("('*')", "('chosen')")
    literals = {ASKED_FROM: (until - _RANGE).isoformat(), ASKED_UNTIL: until.isoformat()}
    return tables.query(kql, {"chosen": subscription, **literals}).dicts()


def judged(month: Captured, tables: Tables, until: datetime, subscription: str, step: str) -> int:
    """Hold what a step says against the truth; return how much it said that calms."""
    found = rows(tables, step, until, identifier(month, subscription))
    said = calming(step, found)
    if said:
        (fresh,) = rows(tables, "freshness", until, "*")
        assert until - fresh["Ended"] <= 2 * EVERY
        standing = Standing(History(month.truth, fresh["Ended"]), subscription)
        for title in said:
            assert CLAIMS[step, title](standing), (step, title, subscription, until)
    return len(said)


def identifier(month: Captured, subscription: str) -> str:
    return next(key for key, name in month.truth.subscriptions.items() if name == subscription)


def events(month: Captured) -> list[Envelope]:
    """Return the month's events in the order in which they were sent."""
    captured = capture(month.file)
    return [envelope for envelope in captured if envelope["data"]["baseType"] == "EventData"]


@cache
def capture(file: Path) -> list[Envelope]:
    return read_capture(file)


def arrived(sent: Sequence[Envelope], until: datetime, draw: random.Random) -> list[Envelope]:
    """Return what came of it by a moment: by batches some are lost or late, doubled, shuffled."""
    seen = [event for event in sent if until - 3 * EVERY * 4 < naive_time(event) <= until]
    found: list[Envelope] = []
    place, lossy = 0, draw.choice([0.0, 0.02, 0.1])
    while place < len(seen):
        batch = seen[place : place + draw.choice([1, 3, 20])]
        place += len(batch)
        found += batch * (0 if draw.random() < lossy else draw.choice([1, 1, 2]))
    draw.shuffle(found)
    return found


def naive_time(envelope: Envelope) -> datetime:
    return time_of(envelope).replace(tzinfo=None)


def test_every_calming_step_has_its_claim() -> None:
    assert calming_steps() == CALMING


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    hours=st.integers(24, 30 * 24),
    subscription=st.sampled_from(SCOPE),
    step=st.sampled_from(CALMING),
    draw=st.randoms(use_true_random=False),
)
def test_a_step_that_calms_is_right(
    month: Captured, hours: int, subscription: str, step: str, draw: random.Random
) -> None:
    until = month_steps.until(hours / 24)
    found = arrived(events(month), until, draw)
    if found:
        judged(month, Tables(found), until, subscription, step)


@pytest.mark.nightly
def test_every_step_does_calm_on_clean_telemetry(month: Captured) -> None:
    said: Counter[str] = Counter()
    for day, subscription in (
        (8.3, "logistics-prod"),
        (14.3, "corp-prod"),
        (14.3, "lab"),
        (19.3, "logistics-prod"),
    ):
        until = month_steps.until(day)
        month.tables.window(until - _RANGE, until)
        for step in CALMING:
            said[step] += judged(month, month.tables, until, subscription, step)
    assert [step for step in CALMING if not said[step]] == []


@pytest.mark.nightly
def test_doubles_and_another_order_change_no_answer(month: Captured) -> None:
    sent, until = capture(month.file), month_steps.until(30)
    clean = [envelope for envelope in sent if naive_time(envelope) > until - timedelta(days=5)]
    messy = clean + clean[::2] + clean[10:400]
    random.Random(1).shuffle(messy)
    once, over_and_over = Tables(clean), Tables(messy)
    for step in STEPS:
        expected = sorted(map(repr, rows(once, step, until, "*")))
        assert sorted(map(repr, rows(over_and_over, step, until, "*"))) == expected, step
