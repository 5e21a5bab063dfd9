"""Each alert fires on what it is for, is silent in calm days, and has its page in the runbook."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.captured import Captured, naive
from tests.month import EVERY, Tick
from tests.month_truth import known_turns, mode, readable, result, seen
from tests.queries import ALERTS, LAPSE_DAYS, ROOT

_SPANS = {"M": timedelta(minutes=1), "H": timedelta(hours=1)}
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
NAMES = [alert["name"] for alert in ALERTS]
# What Azure allows: learn.microsoft.com, scheduledQueryRules 2023-12-01.
_WINDOWS = {"PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H",
            "PT6H", "P1D", "P2D"}  # fmt: skip
_FREQUENCIES = _WINDOWS - {"P2D"}


def span(text: str) -> timedelta:
    if text.startswith("PT"):
        return int(text[2:-1]) * _SPANS[text[-1]]
    return timedelta(days=int(text[1:-1]))


def fires(captured: Captured, alert: dict[str, Any], at: datetime, window: timedelta) -> bool:
    """Evaluate a rule as Azure does: the rows of its window are counted and compared."""
    captured.tables.window(at - window, at)
    rows = len(captured.tables.query(alert["query"].replace("{lapseDays}", LAPSE_DAYS)).rows)
    threshold = int(alert["threshold"])
    return rows < threshold if alert.get("fewer") else rows > threshold


def moments(captured: Captured) -> Iterator[tuple[datetime, Tick | None]]:
    """Ten minutes after each moment at which the timer fired, or should have.

    Not after the sweep that was killed: what it had told by then is not known.
    """
    ticks = {naive(each.at): each for each in captured.truth.ticks}
    moment, newest = min(ticks), max(ticks)
    while moment <= newest:
        tick = ticks.get(moment)
        if tick is None or not tick.killed:
            yield moment + timedelta(minutes=10), tick
        moment += EVERY


def reads(tick: Tick) -> bool:
    return "200" in tick.answers


def logs(tick: Tick) -> bool:
    """Whether it could read the change log: Resource Graph was up."""
    return reads(tick) and "503" not in tick.answers


def results(tick: Tick) -> set[str]:
    return {result(tick, each.account) for each in seen(tick) if each.verdict == "DRIFT"}


def due(captured: Captured, name: str, tick: Tick | None, day: list[Tick]) -> bool:
    """Whether the alert has to fire after a tick, by what truly happened.

    `day` are the ticks of the alert's window.
    """
    judges_the_window = {
        "no-sweep": lambda: not any(completes(each) for each in day),
        "coverage-dropped": lambda: any(
            number < IN_SCOPE for number in (covered(each) for each in day if each.answers)
        ),
        "exemption-lapses": lambda: lapses(day),
        "tag-unreadable": lambda: bool(
            _TAG_HOLDS & {each.hold for old in day if reads(old) for each in seen(old)}
        ),
    }
    if name in judges_the_window:
        return judges_the_window[name]()
    if tick is None:
        return False
    found = seen(tick) if reads(tick) else []
    told = results(tick) if reads(tick) else set()
    turns = known_turns(captured.truth, tick) if logs(tick) else {}
    return {
        "sweep-failed": bool(tick.error),
        "changes-failed": bool(told & {"UNVERIFIED", "FAILED", "NO_ROLE"}),
        "change-refused": bool(told & {"LOCKED", "POLICY_DENIED"}),
        "brake-engaged": any(each.hold == "BRAKE" for each in found),
        "drift-high": sum(each.verdict == "DRIFT" for each in found) > 10,
        "patch-war": any(len(each) > 2 for each in turns.values()),
    }[name]


IN_SCOPE = 5


def completes(tick: Tick) -> bool:
    return not tick.killed and mode(tick) in {"audit", "enforce"}


def covered(tick: Tick) -> int:
    return len(readable(tick)) if reads(tick) else 0


_TAG_HOLDS = {"UNREADABLE_TAG", "NEAR_MISS_TAG", "TAG_BREAKS_RULE"}


def lapses(day: list[Tick]) -> bool:
    """Whether some account, as it was last seen, is exempt for a few days more."""
    newest = {each.account.id: (tick, each) for tick in day if reads(tick) for each in seen(tick)}
    return any(
        each.verdict == "EXEMPT"
        and each.until is not None
        and (each.until - naive(tick.at).date()).days <= int(LAPSE_DAYS)
        for tick, each in newest.values()
    )


def window_of(alert: dict[str, Any]) -> timedelta:
    """Return its window; the month's sweeps are six hours apart, and four of those are a day."""
    return 4 * EVERY if alert["name"] == "no-sweep" else span(alert["window"])


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_fires_when_it_is_due_and_at_no_other_moment(month: Captured, name: str) -> None:
    alert = ALERTS[NAMES.index(name)]
    fired, expected = [], []
    for at, tick in moments(month):
        window = window_of(alert)
        day = [each for each in month.truth.ticks if at - window < naive(each.ended) <= at]
        if fires(month, alert, at, window):
            fired.append(at)
        if due(month, name, tick, day):
            expected.append(at)

    assert fired == expected
    assert fired or name == "drift-high", "the month has no scenario for it"


def test_drift_above_the_threshold_fires_once_the_threshold_is_lower(month: Captured) -> None:
    alert = {**ALERTS[NAMES.index("drift-high")], "threshold": 9}
    at = naive(month.truth.ticks[0].at) + timedelta(minutes=10)
    drift = [each for each in seen(month.truth.ticks[0]) if each.verdict == "DRIFT"]

    assert len(drift) == 10
    assert fires(month, alert, at, span(alert["window"]))


@pytest.mark.parametrize("name", NAMES)
def test_no_alert_fires_in_calm_days_with_a_sweep_an_hour(calm: Captured, name: str) -> None:
    alert = ALERTS[NAMES.index(name)]
    for tick in calm.truth.ticks:
        at = naive(tick.ended) + timedelta(minutes=10)
        assert not fires(calm, alert, at, span(alert["window"]))


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_an_alert_has_a_window_and_a_frequency_that_azure_allows(alert: dict[str, Any]) -> None:
    assert alert["window"] in _WINDOWS
    assert alert["frequency"] in _FREQUENCIES
    assert span(alert["frequency"]) <= span(alert["window"])
    assert alert["severity"] in range(5)
    assert set(alert) <= {"name", "title", "description", "severity", "frequency", "window",
                          "threshold", "fewer", "query"}  # fmt: skip


def test_each_alert_has_its_page_in_the_runbook_and_no_page_is_left_over() -> None:
    pages = re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)
    general = [
        "Stop the tool in seconds",
        "Give an application its keys back, and keep them",
        "The first day after deployment",
    ]
    assert pages == [*general, *(alert["title"] for alert in ALERTS)]
    for page in RUNBOOK.split("\n## ")[len(general) + 1 :]:
        for part in ("**What it means.**", "**How to look.**", "**What to do.**"):
            assert part in page, page.splitlines()[0]


def test_the_alerts_link_of_each_page_is_the_one_that_readers_of_markdown_make() -> None:
    bicep = (ROOT / "infra" / "alerts.bicep").read_text()
    assert "#${toLower(replace(alert.title, ' ', '-'))}" in bicep
    assert all(re.fullmatch(r"[A-Za-z ]+", alert["title"]) for alert in ALERTS)
