"""Each alert fires on what it is for, is silent in calm days, and has its page in the runbook."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from dashboard.tables import Tables
from tests.support.captured import Captured, captured, naive
from tests.support.envelopes import event_envelope
from tests.support.queries import ALERTS, LAPSE_DAYS, ROOT
from tools.month import EVERY, Tick
from tools.month_truth import (
    SCOPE,
    completes,
    covered,
    drifts,
    found_by,
    known_turns,
    newest_by_account,
    on_since,
    reads_change_log,
    tag_field,
    wrong_tag,
)

type Row = tuple[Any, ...]
type Expectation = Callable[[Captured, list[Tick]], list[Row]]

_SPANS = {"M": timedelta(minutes=1), "H": timedelta(hours=1)}
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
BY_NAME = {alert["name"]: alert for alert in ALERTS}
# The month begins and ends with tags that nobody can read.
ALWAYS = {"tag-unreadable"}
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


def rows_of(
    captured: Captured, alert: dict[str, Any], at: datetime, window: timedelta
) -> list[dict[str, Any]]:
    """Run the query of a rule over the window that ends at a moment."""
    captured.tables.window(at - window, at)
    return captured.tables.query(alert["query"].replace("{lapseDays}", LAPSE_DAYS)).dicts()


def moments(captured: Captured) -> Iterator[datetime]:
    """Ten minutes after each moment at which the timer fired, or should have.

    Not after the sweep that was killed: what it had told by then is not known.
    """
    ticks = {naive(tick.at): tick for tick in captured.truth.ticks}
    moment, newest = min(ticks), max(ticks)
    while moment <= newest:
        if moment not in ticks or not ticks[moment].killed:
            yield moment + timedelta(minutes=10)
        moment += EVERY


def started(tick: Tick) -> str:
    """Return how the id of its sweep begins."""
    return f"{naive(tick.at):%Y%m%dT%H%M%SZ}"


def sweeps_completed(_: Captured, window: list[Tick]) -> list[Row]:
    return [("SweepCompleted",) for tick in window if completes(tick)]


def sweeps_failed(_: Captured, window: list[Tick]) -> list[Row]:
    return [(started(tick), not completes(tick)) for tick in window if tick.error]


def results(window: list[Tick], wanted: set[str]) -> list[Row]:
    found = drifts(found_by(window))
    return [(drift.account.id, drift.result) for drift in found if drift.result in wanted]


REFUSED = {"LOCKED", "POLICY_DENIED"}
PUT_OFF = {"BUSY", "DEFERRED", *REFUSED}


def changes_failed(_: Captured, window: list[Tick]) -> list[Row]:
    return results(window, {"UNVERIFIED", "FAILED", "NO_ROLE"})


def changes_refused(_: Captured, window: list[Tick]) -> list[Row]:
    return results(window, REFUSED)


def brakes(_: Captured, window: list[Tick]) -> list[Row]:
    held = [sum(found.hold == "BRAKE" for _, found in found_by([tick])) for tick in window]
    return [(number, number) for number in held if number]


def drifted(_: Captured, window: list[Tick]) -> list[Row]:
    """Return the drifts that no lock and no policy keeps: those have an alert of their own."""
    refused = {account for account, _ in results(window, REFUSED)}
    found = drifts(found_by(window))
    return [(drift.account.id,) for drift in found if drift.account.id not in refused]


def put_off(captured: Captured, window: list[Tick]) -> list[Row]:
    """Return the drifts that are open for more than a day, as sweeps last left them.

    All of the month's are older than the change log: they count from the second sweep on.
    """
    times = Counter(account for account, _ in results(window, PUT_OFF))
    newest = {name: tick for tick in window if completes(tick) for name in covered(tick)}
    rows = []
    for name, tick in newest.items():
        for drift in drifts(found_by([tick])):
            account = drift.account
            since = on_since(captured.truth, tick, account.id)
            is_old = since is None or naive(tick.at) - since > timedelta(days=1)
            is_put_off = drift.result in PUT_OFF and times[account.id] > 1
            if is_old and is_put_off and account.subscription == name:
                rows.append((account.id, drift.result, "atLeast"))
    return rows


def wars(captured: Captured, window: list[Tick]) -> list[Row]:
    return [
        (account, len(turns))
        for tick in filter(reads_change_log, window)
        for account, turns in known_turns(captured.truth, tick).items()
        if len(turns) > 2
    ]


def uncovered(_: Captured, window: list[Tick]) -> list[Row]:
    """Return a row for the newest sweep if another read more, and one for each gap."""
    read = [(started(tick), len(covered(tick))) for tick in window if completes(tick)]
    most = max((number for _, number in read), default=0)
    fewer = [(sweep, number) for sweep, number in read[-1:] if number < most]
    # Where nothing could be read, the whole tenant is one gap.
    gaps = [
        (sweep, None) for sweep, number in read for _ in range(len(SCOPE) - number if number else 1)
    ]
    return fewer + gaps


def lapsing(_: Captured, window: list[Tick]) -> list[Row]:
    """Return the accounts that are exempt for a few days more, as each was last seen."""
    with_end = [found for found in found_by(window) if found[1].until is not None]
    return [
        (finding.account.id, left, tag_field(finding.account, "owner"))
        for tick, finding in newest_by_account(with_end)
        if finding.verdict == "EXEMPT"
        and finding.until is not None
        and (left := (finding.until - naive(tick.at).date()).days) <= int(LAPSE_DAYS)
    ]


def wrong_tags(_: Captured, window: list[Tick]) -> list[Row]:
    wrong = [found for found in found_by(window) if wrong_tag(found[1])]
    return [(finding.account.id, wrong_tag(finding)) for _, finding in newest_by_account(wrong)]


# What of each query's rows is compared, and with what.
EXPECTED: dict[str, tuple[tuple[str, ...], Expectation]] = {
    "no-sweep": (("name",), sweeps_completed),
    "sweep-failed": (("sweepId", "problems"), sweeps_failed),
    "changes-failed": (("accountId", "result"), changes_failed),
    "change-refused": (("accountId", "result"), changes_refused),
    "brake-engaged": (("changes", "held"), brakes),
    "drift-high": (("accountId",), drifted),
    "drift-put-off": (("accountId", "result", "openSinceKnown"), put_off),
    "patch-war": (("accountId", "flips"), wars),
    "coverage-dropped": (("sweepId", "subscriptionsRead"), uncovered),
    "exemption-lapses": (("accountId", "daysLeft", "owner"), lapsing),
    "tag-unreadable": (("accountId", "wrong"), wrong_tags),
}


def compared(row: dict[str, Any], columns: tuple[str, ...]) -> Row:
    """Return a row's values: of a sweep's id the time, of problems whether there are any."""
    values = dict(row)
    if "sweepId" in columns:
        values["sweepId"] = row["sweepId"].partition("-")[0]
    if "problems" in columns:
        values["problems"] = bool(row["problems"])
    return tuple(values[column] for column in columns)


@pytest.mark.parametrize("name", BY_NAME)
def test_an_alert_shows_what_truly_happened_and_fires_when_it_is_due_and_at_no_other_moment(
    month: Captured, name: str
) -> None:
    alert = BY_NAME[name]
    columns, expectation = EXPECTED[name]
    # The month's sweeps are six hours apart, and four of those are a day.
    length = 4 * EVERY if name == "no-sweep" else span(alert["window"])
    fired = set()
    for at in moments(month):
        window = [tick for tick in month.truth.ticks if at - length < naive(tick.ended) <= at]
        rows = [compared(row, columns) for row in rows_of(month, alert, at, length)]
        assert sorted(rows, key=repr) == sorted(expectation(month, window), key=repr), at
        fired.add(fires(alert, len(rows)))

    assert True in fired, "the month has no scenario for it"
    assert False in fired or name in ALWAYS, "the month has no moment without it"


def stays_silent(calm: Captured, alert: dict[str, Any]) -> None:
    for tick in calm.truth.ticks:
        at = naive(tick.ended) + timedelta(minutes=10)
        assert not fires(alert, len(rows_of(calm, alert, at, span(alert["window"])))), at


@pytest.mark.parametrize("name", BY_NAME)
def test_no_alert_fires_in_calm_days_with_a_sweep_an_hour(calm: Captured, name: str) -> None:
    stays_silent(calm, BY_NAME[name])


@pytest.mark.nightly
def test_no_alert_fires_in_a_calm_month_with_a_sweep_an_hour(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    calm_month = captured(tmp_path_factory, "calm-month", "--calm")
    assert len(calm_month.truth.ticks) == 30 * 24
    for alert in ALERTS:
        stays_silent(calm_month, alert)


@pytest.mark.parametrize(("read", "rows"), [((4, 4, 5), 0), ((5, 5, 4), 1)])
def test_a_subscription_that_is_new_is_no_drop_and_one_that_left_is(
    read: tuple[int, ...], rows: int
) -> None:
    sweeps = [
        event_envelope("SweepCompleted", f"2026-11-23T0{hour}:00:00Z", {"subscriptionsRead": count})
        for hour, count in enumerate(read)
    ]
    assert len(Tables(sweeps).query(BY_NAME["coverage-dropped"]["query"]).rows) == rows


@pytest.mark.parametrize("alert", ALERTS, ids=BY_NAME)
def test_an_alert_has_a_window_and_a_frequency_that_azure_allows(alert: dict[str, Any]) -> None:
    assert alert["window"] in _WINDOWS
    assert alert["frequency"] in _FREQUENCIES
    assert span(alert["frequency"]) <= span(alert["window"])
    assert alert["severity"] in range(5)
    assert set(alert) <= {"name", "title", "description", "severity", "frequency", "window",
                          "threshold", "fewer", "each", "query"}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, alert in BY_NAME.items() if "each" in alert])
def test_an_alert_of_each_account_has_a_row_for_each_and_fires_on_one(
    month: Captured, name: str
) -> None:
    alert = BY_NAME[name]
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
        "One owner's alerts, and their mail each week",
    ]
    assert pages == [*general, *(alert["title"] for alert in ALERTS)]
    for page in RUNBOOK.split("\n## ")[len(general) + 1 :]:
        for part in ("**What it means.**", "**How to look.**", "**What to do.**"):
            assert part in page, page.splitlines()[0]


def test_the_alerts_link_of_each_page_is_the_one_that_readers_of_markdown_make() -> None:
    bicep = (ROOT / "infra" / "alerts.bicep").read_text()
    assert "#${toLower(replace(alert.title, ' ', '-'))}" in bicep
    assert all(re.fullmatch(r"[A-Za-z ]+", alert["title"]) for alert in ALERTS)
