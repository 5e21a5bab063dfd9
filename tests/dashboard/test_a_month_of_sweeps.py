"""Every query of the workbook and the docs shows what truly happened in an eventful month.

The expected rows come from the local Azure's state and write log (month_truth.py), never from an
event.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.captured import Captured, naive
from tests.support.queries import queries, steps
from tools.month import START, Standing, Tick, Turn
from tools.month_truth import (
    History,
    Seen,
    braked,
    counts,
    known_turns,
    mode,
    readable,
    result,
    said,
    seen,
    wrong_tag,
)

type Row = tuple[Any, ...]
type Expectation = Callable[[History], Iterable[Row]]

MOMENTS = {
    "in audit": 3.1,
    "with the brake on": 4.6,
    "with a subscription unseen": 12.6,
    "with a rule for exemptions": 22.6,
    "at the end": 30.0,
}
_DAY = timedelta(days=1)
_FIXED = {"DISABLED", "ALREADY_OFF"}


def day(text: str) -> datetime:
    return datetime.combine(naive(text).date(), datetime.min.time())


def minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def now(history: History, verdict: str) -> list[tuple[Tick, Seen]]:
    return [
        (tick, each)
        for _, tick, found in history.now()
        for each in found
        if each.verdict == verdict
    ]


def adrift(history: History) -> list[tuple[Tick, Seen, str]]:
    return [(tick, each, result(tick, each.account)) for tick, each in now(history, "DRIFT")]


def opened(history: History) -> list[tuple[Tick, Seen, str]]:
    return [each for each in adrift(history) if each[2] not in _FIXED]


def all_drift(history: History) -> list[tuple[Tick, Seen]]:
    return [(tick, each) for tick in history.read for each in seen(tick) if each.verdict == "DRIFT"]


def told_results(history: History) -> list[tuple[Tick, Seen, str]]:
    """Return what came of every drift, as far as sweeps lived to tell."""
    found = [(tick, each, result(tick, each.account)) for tick, each in all_drift(history)]
    return [each for each in found if each[2] != "NOT_TOLD"]


def tagged(history: History, verdict: str = "EXEMPT") -> list[Seen]:
    return [each for _, each in now(history, verdict)]


def days_left(tick: Tick, each: Seen) -> int | None:
    return (each.until - naive(tick.at).date()).days if each.until else None


def exempt(history: History) -> list[tuple[Seen, int | None]]:
    return [(each, days_left(tick, each)) for tick, each in now(history, "EXEMPT")]


def held(history: History) -> list[Row]:
    return [
        (each.account.name, each.account.subscription, each.hold)
        for _, each in now(history, "HELD")
    ]


def wrong_tags(history: History) -> list[Row]:
    return [
        (each.account.name, each.account.subscription, wrong_tag(each),
         "held" if each.verdict == "HELD" else "counts for nothing")
        for _, _, found in history.now()
        for each in found
        if wrong_tag(each)
    ]  # fmt: skip


def unneeded(history: History) -> list[Row]:
    return [
        (each.account.name, each.account.subscription)
        for _, each in now(history, "COMPLIANT")
        if each.account.tags.get("local-auth-exempt") == "true"
    ]


def overview_now(history: History) -> list[Row]:
    verdicts = counts([each for _, _, found in history.now() for each in found])
    fixed = sum(what in _FIXED for _, _, what in adrift(history))
    total = sum(verdicts.values())
    return [
        ("Open drift", len(opened(history))),
        ("Held", verdicts["HELD"]),
        ("Exempt", verdicts["EXEMPT"]),
        ("Keys off", verdicts["COMPLIANT"] + fixed, f"of {total} accounts"),
        ("Unseen subscriptions", len(history.unseen())),
    ]


def readings_by_day(history: History) -> dict[datetime, Counter[str]]:
    newest: dict[tuple[datetime, str], Tick] = {}
    for tick in history.read:
        for name in readable(tick):
            newest[day(tick.at), name] = tick
    found: dict[datetime, Counter[str]] = {}
    for (when, name), tick in newest.items():
        mine = [each for each in seen(tick) if each.account.subscription == name]
        found.setdefault(when, Counter()).update(counts(mine))
    return found


_STATES = {"Keys off": "COMPLIANT", "Exempt": "EXEMPT", "Held": "HELD", "Drift": "DRIFT"}


def compliance(verdicts: Counter[str]) -> float:
    return round(100 * (verdicts["COMPLIANT"] + verdicts["EXEMPT"]) / verdicts.total(), 1)


def sweep_row(tick: Tick) -> Row:
    found = seen(tick) if "200" in tick.answers else []
    drift = [each for each in found if each.verdict == "DRIFT"]
    read = len(readable(tick)) if "200" in tick.answers else 0
    gaps = 5 - read if read else 1
    fixed = sum(result(tick, each.account) == "DISABLED" for each in drift)
    whole = "false" if tick.error else "true"
    return (
        minute(naive(tick.ended)), whole, mode(tick), read, gaps, len(found), len(drift), fixed
    )  # fmt: skip


def last_sweeps(history: History) -> list[Row]:
    whole = [each for each in history.completed if not each.error]
    return [("Newest", *sweep_row(history.completed[-1])), ("Newest whole", *sweep_row(whole[-1]))]


def coverage(history: History) -> list[Row]:
    unseen = history.unseen()
    return [
        (
            name,
            "Unseen" if name in unseen else "Read",
            minute(naive(tick.at)),
            len(found),
            *(counts(found)[verdict] for verdict in _STATES.values()),
        )
        for name, tick, found in history.now()
    ]


def would_do(history: History) -> list[Row]:
    found = Counter(
        each.account.subscription for _, each, what in opened(history) if what == "WOULD_DISABLE"
    )
    return list(found.items())


def last_turn_on(history: History, tick: Tick, account: str) -> Turn | None:
    """Return the last time that its keys were turned on, if the change log of 14 days shows it."""
    at = naive(tick.at)
    mine = [
        turn
        for turn in history.truth.turns
        if turn.account == account
        and turn.turned == "on"
        and at - timedelta(days=14) <= naive(turn.at) <= at
    ]
    return max(mine, key=lambda turn: turn.at, default=None)


def turned_on(history: History, tick: Tick, account: str) -> Row:
    """Return who turned its keys on, and when, as far as the change log of 14 days shows.

    Where it shows nothing, and Azure Resource Manager was read, it is whoever changed the account
    last: the weaker author.
    """
    last = last_turn_on(history, tick, account)
    if last is not None:
        return last.by, naive(last.at)
    standing = next(found for found in tick.before if found.id == account)
    if standing.subscription in tick.listed:
        return standing.changed_by, naive(standing.changed_at)
    return "", None


def flips(history: History, tick: Tick, account: str) -> int:
    turns = known_turns(history.truth, tick) if tick in history.logged else {}
    return len(turns.get(account, ()))


def open_for(history: History, tick: Tick, seen: Seen) -> str:
    """Return how long a drift is open: by the change log, or at least as long as that keeps."""
    at = naive(tick.at)
    _, since = turned_on(history, tick, seen.account.id)
    span = at - since if since else timedelta(days=14)
    if seen.until is not None:
        span = min(span, at - datetime.combine(seen.until + _DAY, datetime.min.time()))
    hours = int(span / timedelta(hours=1))
    said = f"{hours} h" if hours < 48 else f"{hours // 24} days"
    is_known = last_turn_on(history, tick, seen.account.id) or seen.until
    return said if is_known else f"at least {said}"


def opened_rows(history: History) -> list[Row]:
    return [
        (each.account.name, each.account.subscription, what, open_for(history, tick, each),
         *turned_on(history, tick, each.account.id), flips(history, tick, each.account.id))
        for tick, each, what in opened(history)
    ]  # fmt: skip


def results_by_day(history: History, wanted: set[str] | None = None) -> list[Row]:
    found = {
        (day(tick.at), what, each.account.id)
        for tick, each, what in told_results(history)
        if wanted is None or what in wanted
    }
    return [(*key, number) for key, number in Counter(each[:2] for each in found).items()]


def last_results(history: History) -> list[Row]:
    sweeps = Counter(each.account.id for _, each in all_drift(history))
    newest = {each.account.id: (tick, each.account) for tick, each in all_drift(history)}
    return [
        (account.name, account.subscription, result(tick, account),
         *turned_on(history, tick, key), flips(history, tick, key), sweeps[key],
         minute(naive(tick.at)))
        for key, (tick, account) in newest.items()
    ]  # fmt: skip


def exemptions_now(history: History) -> list[Row]:
    lefts = [left for _, left in exempt(history)]
    return [
        ("Lapse within 30 days", sum(left is not None and left <= 30 for left in lefts)),
        ("Tags that are wrong", len(wrong_tags(history))),
        ("Without an end", lefts.count(None)),
        ("In force", len(lefts)),
        ("Not needed", len(unneeded(history))),
    ]


def with_days(history: History, chosen: Callable[[int], bool]) -> list[Row]:
    return [
        (
            each.account.name,
            each.account.subscription,
            left,
            str(each.until),
            said(each.account, "owner"),
            said(each.account, "reason"),
        )
        for each, left in exempt(history)
        if left is not None and chosen(left)
    ]


def lapsed(history: History) -> list[Row]:
    found = {}
    for tick in history.read:
        for each in seen(tick):
            if each.until is not None and each.until < naive(tick.at).date():
                keys = str(each.account.keys_on).lower()
                found[each.account.id] = (each.account.name, each.until.isoformat(), keys)
    return list(found.values())


def failed_now(history: History) -> list[Row]:
    return [
        (
            each.account.name,
            each.account.subscription,
            what,
            open_for(history, tick, each),
            tick.refused.get(each.account.id, ""),
        )
        for tick, each, what in opened(history)
        if what != "WOULD_DISABLE"
    ]


def brakes(history: History) -> list[Row]:
    found = []
    for tick in history.read:
        verdicts = [each for each in seen(tick) if each.hold == "BRAKE" or each.verdict == "DRIFT"]
        as_drift = [Seen(each.account, "DRIFT") for each in verdicts]
        if braked(tick, as_drift):
            limit = int(tick.settings["MAX_CHANGES_PER_SWEEP"])
            found.append((minute(naive(tick.at)), mode(tick), len(verdicts), limit, len(verdicts)))
    return found


def by(history: History, who: str) -> str:
    return "Keysweep" if who == history.truth.function else who


def wars(history: History) -> list[Row]:
    return [
        (account.rpartition("/")[2], number, by(history, on.by), naive(on.at),
         by(history, off.by))
        for account, (number, on, off) in history.wars().items()
    ]  # fmt: skip


def changes(history: History) -> list[Row]:
    return [
        (minute(naive(each.at)), each.account.rpartition("/")[2], each.turned, by(history, each.by))
        for each in history.turns()
    ]


def changes_by_day(history: History) -> list[Row]:
    found = Counter((day(each.at), each.turned) for each in history.turns())
    return [(*key, number) for key, number in found.items()]


def wrong_settings(history: History) -> list[Tick]:
    return [each for each in history.ticks if mode(each) not in {"audit", "enforce"}]


def health_now(history: History) -> list[Row]:
    return [
        ("Never completed", sum(each.killed for each in history.ticks)),
        ("Settings rejected", len(wrong_settings(history))),
        ("Not whole", sum(bool(each.error) for each in history.completed)),
        ("Completed", len(history.completed)),
    ]


def durations(history: History) -> list[Row]:
    found: dict[datetime, list[float]] = {}
    for tick in history.completed:
        span = (naive(tick.ended) - naive(tick.at)).total_seconds()
        found.setdefault(day(tick.ended), []).append(span)
    return [
        (when, round(max(spans)), round(sum(spans) / len(spans))) for when, spans in found.items()
    ]


def requests(history: History) -> list[Row]:
    found: Counter[tuple[datetime, str]] = Counter()
    for tick in history.ticks:
        for answer, number in tick.answers.items():
            found[day(tick.ended), answer] += number
    return [(*key, number) for key, number in found.items()]


def poor_sweeps(history: History) -> list[Row]:
    return [
        (minute(naive(tick.ended)), "false" if tick.error else "true", tick.answers.get("429", 0))
        for tick in history.completed
        if tick.error or "429" in tick.answers
    ]


def gap_spans(history: History) -> list[Row]:
    found: dict[tuple[str, str], list[datetime]] = {}
    for tick in history.completed:
        missing = (
            [("subscription", name) for name in {"logistics-prod", "lab"} - set(readable(tick))]
            if tick in history.read
            else [("tenant", "")]
        )
        for key in missing:
            found.setdefault(key, []).append(minute(naive(tick.at)))
    return [(kind, name, min(at), max(at), len(at)) for (kind, name), at in found.items()]


def disagreements(history: History) -> list[Row]:
    """Return the turns that Resource Graph never heard of, at the sweep that looked twice."""
    return [
        (each.account.rpartition("/")[2], "off, or absent", each.turned,
         next(naive(tick.at) for tick in history.ticks if tick.at > each.at))
        for each in history.truth.lost
        if naive(each.at) < history.until
    ]  # fmt: skip


ACCOUNT = ("Account", "Subscription")
TITLED = ("Title", "Value")
# What of each query's rows is compared, and with what.
EXPECTED: dict[str, tuple[tuple[str, ...], Expectation]] = {
    "overview-now": (TITLED, lambda h: [row[:2] for row in overview_now(h)]),
    "overview-states-over-time": (
        ("Time", "State", "Accounts"),
        lambda h: [
            (when, state, verdicts[verdict])
            for when, verdicts in readings_by_day(h).items()
            for state, verdict in _STATES.items()
        ],
    ),
    "overview-compliance-over-time": (
        ("Time", "Compliance"),
        lambda h: [(when, compliance(verdicts)) for when, verdicts in readings_by_day(h).items()],
    ),
    "overview-last-sweeps": (
        ("Sweep", "Finished", "Whole", "Mode", "Read", "Gaps", "Accounts", "Drift", "Disabled"),
        last_sweeps,
    ),
    "overview-coverage": (
        ("Subscription", "Seen", "LastRead", "Accounts", "Compliant", "Exempt", "Held", "Drift"),
        coverage,
    ),
    "overview-gaps": (
        ("Kind", "Name"),
        lambda h: [("subscription", name) for name in h.unseen()],
    ),
    "overview-would-do": (("Subscription", "Accounts"), would_do),
    "drift-open": (
        (*ACCOUNT, "Result", "OpenFor", "TurnedOnBy", "TurnedOnAt", "Flips"), opened_rows
    ),
    "drift-over-time": (("Time", "Result", "Accounts"), results_by_day),
    "drift-by-subscription": (
        ("Subscription", "Accounts"),
        lambda h: Counter(
            each[1] for each in {(e.account.id, e.account.subscription) for _, e in all_drift(h)}
        ).items(),
    ),
    "drift-all": (
        (*ACCOUNT, "Result", "TurnedOnBy", "TurnedOnAt", "Flips", "Sweeps", "LastSeen"),
        last_results,
    ),
    "exemptions-now": (TITLED, exemptions_now),
    "exemptions-soon": (
        (*ACCOUNT, "DaysLeft", "Until", "Owner", "Reason"),
        lambda h: with_days(h, lambda left: left <= 30),
    ),
    "exemptions-later": (
        (*ACCOUNT, "DaysLeft", "Until", "Owner", "Reason"),
        lambda h: with_days(h, lambda left: left > 30),
    ),
    "exemptions-endless": (
        ACCOUNT,
        lambda h: [
            (each.account.name, each.account.subscription)
            for each, left in exempt(h)
            if left is None
        ],
    ),
    "exemptions-wrong": ((*ACCOUNT, "Reason", "Effect"), wrong_tags),
    "exemptions-unneeded": (ACCOUNT, unneeded),
    "exemptions-lapsed": (("Account", "Until", "KeysOn"), lapsed),
    "held-by-reason": (
        ("Reason", "Accounts"), lambda h: Counter(row[2] for row in held(h)).items()
    ),
    "failed-over-time": (
        ("Time", "Result", "Accounts"),
        lambda h: results_by_day(h, {"LOCKED", "POLICY_DENIED", "UNVERIFIED", "FAILED"}),
    ),
    "failed-now": ((*ACCOUNT, "Result", "OpenFor", "Code"), failed_now),
    "held-now": ((*ACCOUNT, "Reason"), held),
    "held-brake": (("Time", "Mode", "Changes", "Limit", "Held"), brakes),
    "wars": (("Account", "Flips", "TurnedOnBy", "TurnedOnAt", "TurnedOffBy"), wars),
    "wars-over-time": (("Time", "Turned", "Changes"), changes_by_day),
    "wars-changes": (("At", "Account", "Turned", "By"), changes),
    "health-now": (TITLED, health_now),
    "health-duration": (("Time", "Longest", "Average"), durations),
    "health-requests": (("Time", "Answer", "Requests"), requests),
    "health-unfinished": (
        ("Started",), lambda h: [(naive(each.at),) for each in h.ticks if each.killed]
    ),
    "health-settings": (
        ("Time",), lambda h: [(naive(each.at),) for each in wrong_settings(h)]
    ),
    "health-sweeps": (("Finished", "Whole", "Throttled"), poor_sweeps),
    "health-gaps": (("Kind", "Name", "First", "Newest", "Sweeps"), gap_spans),
    "health-disagree": (("Account", "Graph", "Arm", "LastSeen"), disagreements),
}  # fmt: skip


def of_newest(history: History) -> list[Row]:
    tick = history.completed[-1]
    drift = [each for each in seen(tick) if each.verdict == "DRIFT"] if tick in history.read else []
    found = [(each.account.id, result(tick, each.account)) for each in drift]
    return [row for row in found if row[1] not in _FIXED]


def sweeps(history: History) -> list[Row]:
    found = []
    for tick in history.completed:
        verdicts = counts(seen(tick) if tick in history.read else [])
        numbers = [verdicts[each] for each in _STATES.values()]
        found.append((minute(naive(tick.ended)), sum(numbers), *numbers))
    return found


def last_of_each(history: History, wanted: Callable[[Seen], bool]) -> list[tuple[Tick, Seen]]:
    found = {
        each.account.id: (tick, each)
        for tick in history.read
        for each in seen(tick)
        if wanted(each)
    }
    return list(found.values())


def turned_off(history: History) -> list[Row]:
    return [
        (minute(naive(turned_off_at(history, tick, seen.account))), seen.account.id)
        for tick, seen, what in told_results(history)
        if what == "DISABLED"
    ]


def turned_off_at(history: History, tick: Tick, account: Standing) -> str:
    """Return when the Function turned its keys off in a tick."""
    return next(
        turn.at
        for turn in history.truth.turns
        if turn.account == account.id
        and turn.by == history.truth.function
        and tick.at <= turn.at <= tick.ended
    )


def turned_on_by_whom(history: History) -> list[Row]:
    turns = [each for each in history.turns() if each.turned == "on"]
    return [
        (who, number, len({each.account for each in turns if each.by == who}))
        for who, number in Counter(each.by for each in turns).items()
    ]


def lapsing(history: History) -> list[Row]:
    # An account that lost its tag keeps its last event, as the query does.
    return [
        (each.account.id, days_left(tick, each), said(each.account, "owner"))
        for tick, each in last_of_each(history, lambda each: each.until is not None)
        if each.verdict == "EXEMPT" and (days_left(tick, each) or 0) <= 30
    ]


# The ten queries of docs/telemetry.md, in their order.
READY: list[tuple[tuple[str, ...], Expectation]] = [
    (("accountId", "result"), of_newest),
    (("timestamp", "accounts", "compliant", "exempt", "held", "drift"), sweeps),
    (
        ("subscription", "readAt", "accounts", "drift"),
        lambda h: [
            (name, minute(naive(tick.at)), len(found), counts(found)["DRIFT"])
            for name, tick, found in h.now()
        ],
    ),
    (("timestamp", "accountId"), turned_off),
    (("changedBy", "times", "accounts"), turned_on_by_whom),
    (("accountId", "daysLeft", "owner"), lapsing),
    (
        ("accountId", "lastHeld", "holdReason"),
        lambda h: [
            (each.account.id, minute(naive(tick.at)), each.hold)
            for tick, each in last_of_each(h, lambda each: each.verdict == "HELD")
        ],
    ),
    (
        ("accountId", "flips", "turnedOnBy", "turnedOffBy"),
        lambda h: [
            (account, number, on.by, off.by) for account, (number, on, off) in h.wars().items()
        ],
    ),
    (
        ("timestamp", "mode"),
        lambda h: [(naive(each.at), mode(each)) for each in h.ticks if each.killed],
    ),
    (("day", "outcome", "requests"), requests),
]
_TO_THE_MINUTE = {"Finished", "LastRead", "First", "Newest", "At", "LastSeen",
                  "timestamp", "readAt", "lastHeld"}  # fmt: skip


def shown(captured: Captured, kql: str, columns: tuple[str, ...], step: str) -> list[Row]:
    rows = []
    for row in captured.tables.query(kql).dicts():
        values = [row[column] for column in columns]
        for index, column in enumerate(columns):
            value = values[index]
            if isinstance(value, datetime) and (column in _TO_THE_MINUTE or step == "held-brake"):
                values[index] = minute(value)
            if step == "health-duration" and isinstance(value, float):
                values[index] = round(value)
            if step == "health-gaps" and row["Kind"] == "tenant" and column == "Name":
                values[index] = ""
        rows.append(tuple(values))
    return rows


def ordered(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=repr)


def test_no_query_of_the_workbook_goes_unjudged() -> None:
    assert {each["name"] for each in steps() if each["type"] == 3} == set(EXPECTED)


@pytest.mark.parametrize("step", EXPECTED)
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_workbook_shows_what_truly_happened(month: Captured, moment: str, step: str) -> None:
    until = START.replace(tzinfo=None) + timedelta(days=MOMENTS[moment])
    columns, expectation = EXPECTED[step]
    kql = queries()[f"workbook {step}"].replace("2026-11-24T00:00:00Z", until.isoformat())
    month.tables.window(until - timedelta(days=31), until)

    rows, expected = shown(month, kql, columns, step), expectation(History(month.truth, until))
    if step == "health-requests":
        rows, expected = without_the_killed(month, rows), without_the_killed(month, expected)
    assert ordered(rows) == ordered(expected)


def test_no_query_of_the_docs_goes_unjudged() -> None:
    documents = [name for name in queries() if name.startswith("telemetry.md ")]
    assert documents == [f"telemetry.md {number}" for number in range(1, len(READY) + 1)]


@pytest.mark.parametrize("number", range(1, len(READY) + 1))
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_ready_query_shows_what_truly_happened(month: Captured, moment: str, number: int) -> None:
    until = START.replace(tzinfo=None) + timedelta(days=MOMENTS[moment])
    columns, expectation = READY[number - 1]
    month.tables.window(until - timedelta(days=31), until)

    rows = shown(month, queries()[f"telemetry.md {number}"], columns, "")
    expected = expectation(History(month.truth, until))
    if "requests" in columns:
        rows, expected = without_the_killed(month, rows), without_the_killed(month, expected)
    assert ordered(rows) == ordered(expected)


def without_the_killed(captured: Captured, rows: Iterable[Row]) -> list[Row]:
    """Leave out the day of the killed sweep: it did not hear every answer that the server gave."""
    killed = {day(each.at) for each in captured.truth.ticks if each.killed}
    return [row for row in rows if row[0] not in killed]
