"""Each alert fires on what it is for, is silent in calm days, and has its page in the runbook."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from dashboard.tables import Tables
from tests.support.captured import Captured, captured, naive
from tests.support.queries import ALERTS, LAPSE_DAYS, ROOT
from tools.month import EVERY, Tick
from tools.month_truth import (
    known_turns,
    mode,
    on_since,
    readable,
    result,
    said,
    seen,
    wrong_tag,
)

type Row = tuple[Any, ...]

_SPANS = {"M": timedelta(minutes=1), "H": timedelta(hours=1)}
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
NAMES = [alert["name"] for alert in ALERTS]
ALWAYS = {"tag-unreadable"}
"""The month begins and ends with tags that nobody can read."""
# What Azure allows: learn.microsoft.com, scheduledQueryRules 2023-12-01.
_WINDOWS = {"PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H",
            "PT6H", "P1D", "P2D"}  # fmt: skip
_FREQUENCIES = _WINDOWS - {"P2D"}


def span(text: str) -> timedelta:
    if text.startswith("PT"):
        return int(text[2:-1]) * _SPANS[text[-1]]
    return timedelta(days=int(text[1:-1]))


def fires(alert: dict[str, Any], rows: int) -> bool:
    """Compare the rows of a window, as Azure does."""
    threshold = int(alert["threshold"])
    return rows < threshold if alert.get("fewer") else rows > threshold


def asked(captured: Captured, alert: dict[str, Any], at: datetime, window: timedelta) -> Any:
    """Run the query of a rule over its window."""
    captured.tables.window(at - window, at)
    return captured.tables.query(alert["query"].replace("{lapseDays}", LAPSE_DAYS))


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


def completes(tick: Tick) -> bool:
    return not tick.killed and mode(tick) in {"audit", "enforce"}


def covers(tick: Tick) -> list[str]:
    return readable(tick) if reads(tick) else []


def covered(tick: Tick) -> int:
    return len(covers(tick))


def started(tick: Tick) -> str:
    """Return how the id of its sweep begins."""
    return f"{naive(tick.at):%Y%m%dT%H%M%SZ}"


def sweeps_completed(_: Captured, window: list[Tick]) -> list[Row]:
    return [("SweepCompleted",) for each in window if completes(each)]


def sweeps_failed(_: Captured, window: list[Tick]) -> list[Row]:
    return [(started(each), not completes(each)) for each in window if each.error]


def results(window: list[Tick], wanted: set[str]) -> list[Row]:
    return [
        (each.account.id, what)
        for tick in window
        if reads(tick)
        for each in seen(tick)
        if each.verdict == "DRIFT" and (what := result(tick, each.account)) in wanted
    ]


def brakes(_: Captured, window: list[Tick]) -> list[Row]:
    held = [
        sum(each.hold == "BRAKE" for each in seen(tick)) for tick in window if reads(tick)
    ]  # fmt: skip
    return [(number, number) for number in held if number]


def drifted(_: Captured, window: list[Tick]) -> list[Row]:
    """Return the drifts that no lock and no policy keeps: those have an alert of their own."""
    refused = {account for account, _ in results(window, {"LOCKED", "POLICY_DENIED"})}
    return [
        (each.account.id,)
        for tick in window
        if reads(tick)
        for each in seen(tick)
        if each.verdict == "DRIFT" and each.account.id not in refused
    ]


PUT_OFF = {"BUSY", "DEFERRED", "LOCKED", "POLICY_DENIED"}


def put_off(captured: Captured, window: list[Tick]) -> list[Row]:
    """Return the drifts that are open for more than a day, as sweeps last left them.

    All of the month's are older than the change log: they count from the second sweep on.
    """
    times = Counter(account for account, _ in results(window, PUT_OFF))
    newest = {name: tick for tick in window if completes(tick) for name in covers(tick)}
    found = []
    for name, tick in newest.items():
        for account, what in results([tick], PUT_OFF):
            since = on_since(captured.truth, tick, account)
            old = since is None or naive(tick.at) - since > timedelta(days=1)
            if old and times[account] > 1 and subscription_of(captured, account) == name:
                found.append((account, what, "atLeast"))
    return found


def subscription_of(captured: Captured, account: str) -> str:
    return captured.truth.subscriptions[account.split("/")[2]]


def wars(captured: Captured, window: list[Tick]) -> list[Row]:
    return [
        (account, len(turns))
        for tick in window
        if logs(tick)
        for account, turns in known_turns(captured.truth, tick).items()
        if len(turns) > 2
    ]


IN_SCOPE = 5


def uncovered(_: Captured, window: list[Tick]) -> list[Row]:
    """Return a row for the newest sweep if another read more, and one for each gap."""
    done = [each for each in window if completes(each)]
    most = max(map(covered, done), default=0)
    fewer = [(started(each), covered(each)) for each in done[-1:] if covered(each) < most]
    gaps = [
        (started(each), None)
        for each in done
        for _ in range(IN_SCOPE - covered(each) if covered(each) else 1)
    ]
    return fewer + gaps


def lapsing(_: Captured, window: list[Tick]) -> list[Row]:
    """Return the accounts that are exempt for a few days more, as each was last seen."""
    newest = {
        each.account.id: (each, (each.until - naive(tick.at).date()).days)
        for tick in window
        if reads(tick)
        for each in seen(tick)
        if each.until is not None
    }
    return [
        (account, left, said(each.account, "owner"))
        for account, (each, left) in newest.items()
        if each.verdict == "EXEMPT" and left <= int(LAPSE_DAYS)
    ]


def wrong_tags(_: Captured, window: list[Tick]) -> list[Row]:
    newest = {
        each.account.id: wrong_tag(each)
        for tick in window
        if reads(tick)
        for each in seen(tick)
        if wrong_tag(each)
    }
    return list(newest.items())


# What of each query's rows is compared, and with what.
EXPECTED: dict[str, tuple[tuple[str, ...], Callable[[Captured, list[Tick]], list[Row]]]] = {
    "no-sweep": (("name",), sweeps_completed),
    "sweep-failed": (("sweepId", "problems"), sweeps_failed),
    "changes-failed": (
        ("accountId", "result"),
        lambda _, window: results(window, {"UNVERIFIED", "FAILED", "NO_ROLE"}),
    ),
    "change-refused": (
        ("accountId", "result"),
        lambda _, window: results(window, {"LOCKED", "POLICY_DENIED"}),
    ),
    "brake-engaged": (("changes", "held"), brakes),
    "drift-high": (("accountId",), drifted),
    "drift-put-off": (("accountId", "result", "openSinceKnown"), put_off),
    "patch-war": (("accountId", "flips"), wars),
    "coverage-dropped": (("sweepId", "subscriptionsRead"), uncovered),
    "exemption-lapses": (("accountId", "daysLeft", "owner"), lapsing),
    "tag-unreadable": (("accountId", "wrong"), wrong_tags),
}


def told(row: dict[str, Any], columns: tuple[str, ...]) -> Row:
    def shown(column: str) -> Any:
        match column, row[column]:
            case "sweepId", str() as sweep_id:
                return sweep_id.partition("-")[0]
            case "problems", problems:
                return bool(problems)
            case _, value:
                return value

    return tuple(shown(column) for column in columns)


def window_of(alert: dict[str, Any]) -> timedelta:
    """Return its window; the month's sweeps are six hours apart, and four of those are a day."""
    return 4 * EVERY if alert["name"] == "no-sweep" else span(alert["window"])


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_shows_what_truly_happened_and_fires_when_it_is_due_and_at_no_other_moment(
    month: Captured, name: str
) -> None:
    alert = ALERTS[NAMES.index(name)]
    columns, expectation = EXPECTED[name]
    fired = silent = 0
    for at, _ in moments(month):
        span = window_of(alert)
        window = [each for each in month.truth.ticks if at - span < naive(each.ended) <= at]
        rows = [told(row, columns) for row in asked(month, alert, at, span).dicts()]
        expected = expectation(month, window)
        assert sorted(rows, key=repr) == sorted(expected, key=repr), at
        fired += fires(alert, len(rows))
        silent += not fires(alert, len(rows))

    assert fired, "the month has no scenario for it"
    assert silent or name in ALWAYS, "the month has no moment without it"


@pytest.mark.parametrize("name", NAMES)
def test_no_alert_fires_in_calm_days_with_a_sweep_an_hour(calm: Captured, name: str) -> None:
    stays_silent(calm, ALERTS[NAMES.index(name)])


@pytest.mark.slow
def test_no_alert_fires_in_a_calm_month_with_a_sweep_an_hour(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    calm_month = captured(tmp_path_factory, "calm-month", "--calm")
    assert len(calm_month.truth.ticks) == 30 * 24
    for alert in ALERTS:
        stays_silent(calm_month, alert)


def stays_silent(calm: Captured, alert: dict[str, Any]) -> None:
    for tick in calm.truth.ticks:
        at = naive(tick.ended) + timedelta(minutes=10)
        assert not fires(alert, len(asked(calm, alert, at, span(alert["window"])).rows)), at


def test_a_subscription_that_is_new_is_no_drop_and_one_that_left_is() -> None:
    (alert,) = (each for each in ALERTS if each["name"] == "coverage-dropped")

    def rows(*read: int) -> int:
        sweeps = [
            {
                "time": f"2026-11-23T0{hour}:00:00Z",
                "data": {
                    "baseType": "EventData",
                    "baseData": {
                        "name": "SweepCompleted",
                        "measurements": {"subscriptionsRead": number},
                    },
                },
            }
            for hour, number in enumerate(read)
        ]
        return len(Tables(sweeps).query(alert["query"]).rows)

    assert rows(4, 4, 5) == 0
    assert rows(5, 5, 4) == 1


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_an_alert_has_a_window_and_a_frequency_that_azure_allows(alert: dict[str, Any]) -> None:
    assert alert["window"] in _WINDOWS
    assert alert["frequency"] in _FREQUENCIES
    assert span(alert["frequency"]) <= span(alert["window"])
    assert alert["severity"] in range(5)
    assert set(alert) <= {"name", "title", "description", "severity", "frequency", "window",
                          "threshold", "fewer", "each", "query"}  # fmt: skip


@pytest.mark.parametrize(
    "alert", [each for each in ALERTS if "each" in each], ids=lambda each: each["name"]
)
def test_an_alert_of_each_account_has_a_row_for_each_and_fires_on_one(
    month: Captured, alert: dict[str, Any]
) -> None:
    assert alert["threshold"] == 0
    month.tables.everything()
    rows = month.tables.query(alert["query"].replace("{lapseDays}", LAPSE_DAYS)).dicts()
    split = [row[alert["each"]] for row in rows]
    assert split
    assert len(split) == len(set(split))


def test_a_state_that_lasts_is_told_by_account() -> None:
    assert {alert["name"] for alert in ALERTS if alert["severity"] == 3} == {
        alert["name"] for alert in ALERTS if alert.get("each") == "accountId"
    }


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
