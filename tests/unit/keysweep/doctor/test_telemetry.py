"""What the Function's last sweep told, and what can be seen of where it tells it."""

from datetime import timedelta
from typing import Any

import pytest

from keysweep.doctor.finding import State
from keysweep.doctor.telemetry import (
    Component,
    application_insights,
    component_of,
    instrumentation_key,
    last_sweep,
)
from keysweep.taken import LogAnswer
from shared.core.errors import NoRole
from tests.support.builders import NOW
from tests.support.fake_tenant import an_error

QUARTER = timedelta(minutes=15)


def row(sweep: str, minutes: float, whole: str | None = "true", **more: str) -> dict[str, Any]:
    """Return the end of a sweep so many minutes ago, or with None for `whole` its beginning."""
    event = "SweepStarted" if whole is None else "SweepCompleted"
    at = (NOW - timedelta(minutes=minutes)).isoformat()
    return {"event": event, "at": at, "sweepId": sweep, "mode": "audit", "whole": whole, **more}


@pytest.mark.parametrize(
    ("rows", "state", "says"),
    [
        ([row("one", 5)], State.OK, "one, 5 minutes ago, audit: whole."),
        ([row("old", 20), row("new", 5)], State.OK, "new, 5 minutes ago"),
        ([row("one", 5), row("one", 6, None)], State.OK, "one, 5 minutes ago, audit: whole."),
        ([row("runs", 1, None), row("one", 16)], State.OK, "one, 16 minutes ago"),
        ([row("runs", 1, None)], State.WARNING, "1 minute ago, audit: its end is not shown yet."),
        ([row("bad", 1, "false", reasons="1 gap")], State.WARNING, "bad, 1 minute ago"),
        ([row("bad", 1, "false")], State.WARNING, "bad, 1 minute ago, audit: not whole."),
        ([row("killed", 40, None), row("one", 55)], State.WARNING, "killed, 40 minutes ago"),
        ([row("one", 300)], State.WARNING, "one, 5 hours ago, audit: whole."),
        ([], State.NOT_SEEN, "Telemetry shows none within days."),
        ([row("", 5)], State.NOT_SEEN, "Its events can't be read"),
        ([row("one", 5, "maybe")], State.NOT_SEEN, "Its events can't be read"),
        ([row("one", 5) | {"at": "soon"}], State.NOT_SEEN, "Its events can't be read"),
    ],
    ids=[
        "whole", "the newest", "its beginning too", "one runs", "only one that runs",
        "not whole", "no reason", "broken off", "late", "none", "no id", "odd", "no time",
    ],
)  # fmt: skip
def test_the_last_sweep_is_judged_by_what_it_told(
    rows: list[dict[str, Any]], state: State, says: str
) -> None:
    found = last_sweep(LogAnswer(tuple(rows)), NOW, QUARTER)
    assert says in found.says
    assert found.state is state


def test_a_sweep_that_is_not_whole_says_why() -> None:
    answer = LogAnswer((row("bad", 1, "false", reasons="1 gap"),))
    assert "1 gap" in last_sweep(answer, NOW, QUARTER).details


@pytest.mark.parametrize(("minutes", "state"), [(20, State.OK), (300, State.WARNING)])
def test_where_the_timer_is_not_known_an_old_sweep_may_be_late(
    minutes: float, state: State
) -> None:
    assert last_sweep(LogAnswer((row("one", minutes),)), NOW, None).state is state


def test_an_answer_that_leaves_something_out_is_never_well() -> None:
    answer = LogAnswer((row("one", 5),), ("A workspace is missing.",))
    found = last_sweep(answer, NOW, QUARTER)
    assert found.state is State.NOT_SEEN
    assert "A workspace is missing." in found.details


def test_telemetry_that_can_not_be_read_is_not_seen() -> None:
    assert last_sweep(an_error(NoRole, 403), NOW, QUARTER).state is State.NOT_SEEN


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("InstrumentationKey=AB-1;IngestionEndpoint=https://x/", "ab-1"),
        (" instrumentationkey = ab-1 ", "ab-1"),
        ("IngestionEndpoint=https://x/", ""),
        ("", ""),
    ],
)
def test_the_key_of_a_connection_string_is_found(text: str, key: str) -> None:
    assert instrumentation_key(text) == key


def test_a_component_is_found_by_its_key_in_any_letter_case() -> None:
    ours = Component("/c/ours", "AB-1", needs_entra=True)
    assert component_of("ab-1", [Component("/c/other", "x", needs_entra=True), ours]) is ours
    assert component_of("zz", [ours]) is None


@pytest.mark.parametrize(
    ("found", "state", "says"),
    [
        (Component("/c/ours", "k", needs_entra=True), State.OK, "with Entra ID tokens alone"),
        (Component("/c/ours", "k", needs_entra=False), State.OK, "without a token too"),
        (None, State.NOT_SEEN, "No component that you can see"),
        (an_error(NoRole, 403), State.NOT_SEEN, "could not be read"),
    ],
)
def test_a_component_that_is_not_seen_is_never_well(found: Any, state: State, says: str) -> None:
    finding = application_insights(found, "s")
    assert says in finding.says
    assert finding.state is state
