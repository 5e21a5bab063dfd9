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
from tests.support.month_steps import answered, at_each_of, at_minute, history, minute
from tests.support.queries import queries, steps
from tools.month import Standing, Tick, Turn
from tools.month_truth import (
    SCOPE,
    Drift,
    Finding,
    History,
    braked,
    counts,
    covered,
    days_left,
    drifts,
    enforced,
    findings,
    findings_in,
    found_by,
    known_turns,
    mode,
    reads,
    tag_field,
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
every_moment = at_each_of(MOMENTS)
_DAY = timedelta(days=1)
_COMPLIANT = {"Keys off": ["COMPLIANT"], "Keys off or exempt": ["COMPLIANT", "EXEMPT"]}
_STATES = {"Keys off": "COMPLIANT", "Exempt": "EXEMPT", "Held": "HELD", "Drift": "DRIFT"}


def day(text: str) -> datetime:
    return datetime.combine(naive(text).date(), datetime.min.time())


def count_rows(keys: Iterable[Any]) -> list[Row]:
    """Return each key, or its parts, with how often it occurs."""
    return [
        (*(key if isinstance(key, tuple) else (key,)), number)
        for key, number in Counter(keys).items()
    ]


# What stood at a moment: each subscription as the last sweep that read it found it


def exempt(history: History) -> list[tuple[Finding, int | None]]:
    """Return the exemptions in force, and the days that each has left."""
    return [(finding, days_left(tick, finding)) for tick, finding in history.current("EXEMPT")]


def held(history: History) -> list[Row]:
    return [(*finding.names, finding.hold) for _, finding in history.current("HELD")]


def wrong_tags(history: History) -> list[Row]:
    return [
        (
            *finding.names,
            wrong_tag(finding),
            "held" if finding.verdict == "HELD" else "counts for nothing",
        )
        for _, finding in history.current()
        if wrong_tag(finding)
    ]


def unneeded(history: History) -> list[Row]:
    return [
        finding.names
        for _, finding in history.current("COMPLIANT")
        if finding.account.tags.get("local-auth-exempt") == "true"
    ]


def overview_now(history: History) -> list[Row]:
    verdicts = counts(finding for _, finding in history.current())
    still_open = len(history.open_drifts())
    return [
        ("Open drift", still_open),
        ("Held", verdicts["HELD"]),
        ("Exempt", verdicts["EXEMPT"]),
        ("Keys off", verdicts["COMPLIANT"] + verdicts["DRIFT"] - still_open),
        ("Unseen subscriptions", len(history.unseen())),
    ]


def coverage(history: History) -> list[Row]:
    unseen = history.unseen()
    return [
        (
            name,
            "Unseen" if name in unseen else "Read",
            minute(tick.at),
            len(found),
            *(counts(found)[verdict] for verdict in _STATES.values()),
        )
        for name, tick, found in history.now()
    ]


def exemptions_now(history: History) -> list[Row]:
    lefts = [left for _, left in exempt(history)]
    return [
        ("Lapse within 30 days", sum(left is not None and left <= 30 for left in lefts)),
        ("Tags that are wrong", len(wrong_tags(history))),
        ("Without an end", lefts.count(None)),
        ("In force", len(lefts)),
        ("Not needed", len(unneeded(history))),
    ]


def with_days(history: History, is_wanted: Callable[[int], bool]) -> list[Row]:
    return [
        (
            *finding.names,
            left,
            str(finding.until),
            tag_field(finding.account, "owner"),
            tag_field(finding.account, "reason"),
        )
        for finding, left in exempt(history)
        if left is not None and is_wanted(left)
    ]


# Drifts: who turned keys on, for how long they are open, and what came of them


def last_turn_on(history: History, drift: Drift) -> Turn | None:
    """Return the last time that its keys were turned on, if the change log of 14 days shows it."""
    at = naive(drift.tick.at)
    mine = [
        turn
        for turn in history.truth.turns
        if turn.account == drift.account.id
        and turn.turned == "on"
        and at - timedelta(days=14) <= naive(turn.at) <= at
    ]
    return max(mine, key=lambda turn: turn.at, default=None)


def turned_on(history: History, drift: Drift) -> tuple[str, datetime | None]:
    """Return who turned its keys on, and when, as far as the change log of 14 days shows.

    Where it shows nothing, and Azure Resource Manager was read, it is whoever changed the account
    last: the weaker author.
    """
    last = last_turn_on(history, drift)
    if last is not None:
        return last.by, naive(last.at)
    if drift.account.subscription in drift.tick.listed:
        return drift.account.changed_by, naive(drift.account.changed_at)
    return "", None


def flips(history: History, drift: Drift) -> int:
    turns = known_turns(history.truth, drift.tick) if drift.tick in history.logged else {}
    return len(turns.get(drift.account.id, ()))


def open_for(history: History, drift: Drift) -> str:
    """Return how long a drift is open: by the change log, or at least as long as that keeps."""
    at, until = naive(drift.tick.at), drift.finding.until
    _, since = turned_on(history, drift)
    span = at - since if since else timedelta(days=14)
    if until is not None:
        span = min(span, at - datetime.combine(until + _DAY, datetime.min.time()))
    hours = int(span / timedelta(hours=1))
    words = f"{hours} h" if hours < 48 else f"{hours // 24} days"
    is_known = last_turn_on(history, drift) or until
    return words if is_known else f"at least {words}"


def open_rows(history: History) -> list[Row]:
    return [
        (
            *drift.finding.names,
            drift.result,
            open_for(history, drift),
            *turned_on(history, drift),
            flips(history, drift),
        )
        for drift in history.open_drifts()
    ]


def failed_now(history: History) -> list[Row]:
    return [
        (
            *drift.finding.names,
            drift.result,
            open_for(history, drift),
            drift.tick.refused.get(drift.account.id, ""),
        )
        for drift in history.open_drifts()
        if drift.result != "WOULD_DISABLE"
    ]


def all_drifts(history: History) -> list[Drift]:
    return drifts(found_by(history.read))


def known_results(history: History) -> list[Drift]:
    """Return every drift whose sweep lived to tell what came of it."""
    return [drift for drift in all_drifts(history) if drift.result != "NOT_TOLD"]


def results_by_day(history: History, *wanted: str) -> list[Row]:
    found = {
        (day(drift.tick.at), drift.result, drift.account.id)
        for drift in known_results(history)
        if not wanted or drift.result in wanted
    }
    return count_rows((when, result) for when, result, _ in found)


def last_results(history: History) -> list[Row]:
    sweeps = Counter(drift.account.id for drift in all_drifts(history))
    newest = {drift.account.id: drift for drift in all_drifts(history)}
    return [
        (
            *drift.finding.names,
            settled(history, drift),
            *turned_on(history, drift),
            flips(history, drift),
            sweeps[drift.account.id],
            minute(drift.tick.at),
        )
        for drift in newest.values()
    ]


def settled(history: History, drift: Drift) -> str:
    """Return its result; one that nobody told is settled once a later sweep read it."""
    later = history.last_reads[drift.account.subscription].at > drift.tick.at
    return "SETTLED" if drift.result == "NOT_TOLD" and later else drift.result


# What happened over time


def readings_by_day(history: History) -> list[tuple[datetime, Counter[str]]]:
    newest = {(day(tick.at), name): tick for tick in history.told for name in covered(tick)}
    found: dict[datetime, Counter[str]] = {}
    for (when, name), tick in newest.items():
        found.setdefault(when, Counter()).update(counts(findings_in(tick, name)))
    return list(found.items())


def compliance(history: History) -> list[Row]:
    return [
        (
            when,
            name,
            round(100 * sum(verdicts[verdict] for verdict in counted) / verdicts.total(), 1),
        )
        for when, verdicts in readings_by_day(history)
        for name, counted in _COMPLIANT.items()
    ]


def sweep_row(tick: Tick) -> Row:
    found = list(found_by([tick]))
    found_drifts = drifts(found)
    read = len(covered(tick))
    return (
        minute(tick.ended),
        whole(tick),
        mode(tick),
        read,
        len(SCOPE) - read if read else 1,
        len(found),
        len(found_drifts),
        sum(enforced(tick, drift.finding.account) for drift in found_drifts),
        *to_come_and_audited(tick),
        sum(drift.result == "DISABLED" for drift in found_drifts),
    )


def to_come_and_audited(tick: Tick) -> tuple[int, int]:
    waiting = sum(not enforced(tick, drift.finding.account) for drift in drifts(found_by([tick])))
    return (waiting, 0) if mode(tick) == "enforce" else (0, waiting)


def whole(tick: Tick) -> str:
    return "no" if tick.error else "yes"


def last_sweeps(history: History) -> list[Row]:
    whole_ones = [tick for tick in history.completed if not tick.error]
    return [
        ("Newest", *sweep_row(history.completed[-1])),
        ("Newest whole", *sweep_row(whole_ones[-1])),
    ]


def lapsed(history: History) -> list[Row]:
    return [
        (finding.account.name, str(finding.until), "yes" if finding.account.keys_on else "no")
        for tick, finding in history.current()
        if finding.until is not None and finding.until < naive(tick.at).date()
    ]


def freshness(history: History) -> list[Row]:
    newest = history.completed[-1]
    return [(minute(newest.ended), "bad" if newest.error or history.unseen() else "good")]


def brakes(history: History) -> list[Row]:
    states: dict[Row, list[datetime]] = {}
    for tick in history.read:
        changes = [
            Finding(finding.account, "DRIFT")
            for finding in findings(tick)
            if finding.hold == "BRAKE" or finding.verdict == "DRIFT"
        ]
        if braked(tick, changes):
            limit = int(tick.settings["MAX_CHANGES_PER_SWEEP"])
            state = (mode(tick), len(changes), limit, len(changes))
            states.setdefault(state, []).append(minute(tick.at))
    return [(min(at), max(at), len(at), *state) for state, at in states.items()]


def by(history: History, who: str) -> str:
    return "Keysweep" if who == history.truth.function else who


def wars(history: History) -> list[Row]:
    return [
        (account.rpartition("/")[2], number, by(history, on.by), naive(on.at), by(history, off.by))
        for account, (number, on, off) in history.wars().items()
    ]


def changes(history: History) -> list[Row]:
    return [
        (minute(turn.at), turn.account.rpartition("/")[2], turn.turned, by(history, turn.by))
        for turn in history.turns()
    ]


def wrong_settings(history: History) -> list[Tick]:
    return [tick for tick in history.ticks if mode(tick) not in {"audit", "enforce"}]


def health_now(history: History) -> list[Row]:
    return [
        ("Never completed", sum(tick.killed for tick in history.ticks)),
        ("Settings rejected", len(wrong_settings(history))),
        ("Not whole", sum(bool(tick.error) for tick in history.completed)),
        ("Told in part", 0),
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
    return count_rows(
        (day(tick.ended), answer)
        for tick in history.ticks
        for answer in Counter(tick.answers).elements()
    )


def poor_sweeps(history: History) -> list[Row]:
    return [
        (minute(tick.ended), whole(tick), tick.answers.get("429", 0))
        for tick in history.completed
        if tick.error or "429" in tick.answers
    ]


def gap_spans(history: History) -> list[Row]:
    found: dict[tuple[str, str], list[datetime]] = {}
    for tick in history.completed:
        unread = {"logistics-prod", "lab"} - set(covered(tick))
        gaps = [("subscription", name) for name in unread] if reads(tick) else [("tenant", "")]
        for gap in gaps:
            found.setdefault(gap, []).append(minute(tick.at))
    return [(kind, name, min(at), max(at), len(at)) for (kind, name), at in found.items()]


def disagreements(history: History) -> list[Row]:
    """Return the turns that Resource Graph never heard of, at the sweep that looked twice."""
    return [
        (
            turn.account.rpartition("/")[2],
            "off, or absent",
            turn.turned,
            next(naive(tick.at) for tick in history.ticks if tick.at > turn.at),
        )
        for turn in history.truth.lost
        if naive(turn.at) < history.until
    ]


ACCOUNT = ("Account", "Subscription")
TITLED = ("Title", "Value")
# What of each query's rows is compared, and with what.
EXPECTED: dict[str, tuple[tuple[str, ...], Expectation]] = {
    "freshness": (("Ended", "State"), freshness),
    "overview-now": (TITLED, overview_now),
    "overview-states-over-time": (
        ("Time", "State", "Accounts"),
        lambda h: [
            (when, state, verdicts[verdict])
            for when, verdicts in readings_by_day(h)
            for state, verdict in _STATES.items()
        ],
    ),
    "overview-compliance-over-time": (("Time", "Counted", "Share"), compliance),
    "overview-last-sweeps": (
        ("Sweep", "Finished", "Whole", "Mode", "Read", "Gaps", "Accounts", "Drift", "InForce",
         "ToCome", "Audited", "Disabled"),
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
    "overview-would-do": (
        ("Subscription", "Accounts"),
        lambda h: count_rows(
            drift.account.subscription
            for drift in h.open_drifts()
            if drift.result == "WOULD_DISABLE"
        ),
    ),
    "drift-open": (
        (*ACCOUNT, "Result", "OpenFor", "TurnedOnBy", "TurnedOnAt", "Flips"), open_rows
    ),
    "drift-over-time": (("Time", "Result", "Accounts"), results_by_day),
    "drift-by-subscription": (
        ("Subscription", "Accounts"),
        lambda h: count_rows(
            subscription for _, subscription in {drift.finding.names for drift in all_drifts(h)}
        ),
    ),
    "drift-all": (
        (*ACCOUNT, "Result", "TurnedOnBy", "TurnedOnAt", "Flips", "Sweeps", "LastSeen"),
        last_results,
    ),
    "exemptions-now": (TITLED, exemptions_now),
    "exemptions-soon": (
        (*ACCOUNT, "DaysLeft", "Until", "SaidOwner", "Reason"),
        lambda h: with_days(h, lambda left: left <= 30),
    ),
    "exemptions-later": (
        (*ACCOUNT, "DaysLeft", "Until", "SaidOwner", "Reason"),
        lambda h: with_days(h, lambda left: left > 30),
    ),
    "exemptions-endless": (
        ACCOUNT,
        lambda h: [
            finding.names for finding, left in exempt(h) if left is None
        ],
    ),
    "exemptions-wrong": ((*ACCOUNT, "Reason", "Effect"), wrong_tags),
    "exemptions-unneeded": (ACCOUNT, unneeded),
    "exemptions-lapsed": (("Account", "Until", "HasKeys"), lapsed),
    "held-by-reason": (
        ("Reason", "Accounts"), lambda h: count_rows(hold for _, _, hold in held(h))
    ),
    "failed-over-time": (
        ("Time", "Result", "Accounts"),
        lambda h: results_by_day(h, "LOCKED", "POLICY_DENIED", "UNVERIFIED", "FAILED"),
    ),
    "failed-now": ((*ACCOUNT, "Result", "OpenFor", "Code"), failed_now),
    "held-now": ((*ACCOUNT, "Reason"), held),
    "held-brake": (("First", "Last", "Sweeps", "Mode", "Changes", "Limit", "Held"), brakes),
    "wars": (("Account", "Flips", "TurnedOnBy", "TurnedOnAt", "TurnedOffBy"), wars),
    "wars-over-time": (
        ("Time", "Turned", "Changes"),
        lambda h: count_rows((day(turn.at), turn.turned) for turn in h.turns()),
    ),
    "wars-changes": (("At", "Account", "Turned", "By"), changes),
    "health-now": (TITLED, health_now),
    "health-duration": (("Time", "Longest", "Average"), durations),
    "health-requests": (("Time", "Answer", "Requests"), requests),
    "health-unfinished": (
        ("Started",), lambda h: [(naive(tick.at),) for tick in h.ticks if tick.killed]
    ),
    "health-settings": (
        ("Time",), lambda h: [(naive(tick.at),) for tick in wrong_settings(h)]
    ),
    "health-sweeps": (("Finished", "Whole", "Throttled"), poor_sweeps),
    "health-gaps": (("Kind", "Name", "First", "Newest", "Sweeps"), gap_spans),
    "health-disagree": (("Account", "Graph", "Arm", "LastSeen"), disagreements),
}  # fmt: skip


def open_ids(history: History) -> list[Row]:
    return [(drift.account.id, drift.result) for drift in history.open_drifts()]


def sweeps(history: History) -> list[Row]:
    rows = []
    for tick in history.completed:
        verdicts = counts(finding for _, finding in found_by([tick]))
        states = [verdicts[verdict] for verdict in _STATES.values()]
        rows.append((minute(tick.ended), sum(states), *states))
    return rows


def turned_off(history: History) -> list[Row]:
    return [
        (minute(turned_off_at(history, drift.tick, drift.account)), drift.account.id)
        for drift in known_results(history)
        if drift.result == "DISABLED"
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
    turns = [turn for turn in history.turns() if turn.turned == "on"]
    return [
        (who, number, len({turn.account for turn in turns if turn.by == who}))
        for who, number in Counter(turn.by for turn in turns).items()
    ]


def lapsing(history: History) -> list[Row]:
    return [
        (finding.account.id, left, tag_field(finding.account, "owner"))
        for finding, left in exempt(history)
        if left is not None and left <= 30
    ]


# The ten queries of docs/telemetry.md, in their order.
READY: list[tuple[tuple[str, ...], Expectation]] = [
    (("accountId", "result"), open_ids),
    (("timestamp", "accounts", "compliant", "exempt", "held", "drift"), sweeps),
    (
        ("subscription", "readAt", "accounts", "drift"),
        lambda h: [
            (name, minute(tick.at), len(found), counts(found)["DRIFT"])
            for name, tick, found in h.now()
        ],
    ),
    (("timestamp", "accountId"), turned_off),
    (("changedBy", "times", "accounts"), turned_on_by_whom),
    (("accountId", "daysLeft", "owner"), lapsing),
    (
        ("accountId", "readAt", "holdReason"),
        lambda h: [
            (finding.account.id, minute(tick.at), finding.hold)
            for tick, finding in h.current("HELD")
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
        lambda h: [(naive(tick.at), mode(tick)) for tick in h.ticks if tick.killed],
    ),
    (("day", "outcome", "requests"), requests),
]
_TO_THE_MINUTE = {"Ended", "Finished", "LastRead", "First", "Newest", "At", "LastSeen",
                  "timestamp", "readAt"}  # fmt: skip


def shown(captured: Captured, name: str, columns: tuple[str, ...], days: float) -> list[Row]:
    """Return the rows of a query at a moment, with times to the minute where sweeps take some."""
    step = name.removeprefix("workbook ")

    def value(row: dict[str, Any], column: str) -> Any:
        match row[column]:
            case datetime() as at if column in _TO_THE_MINUTE or step == "held-brake":
                return at_minute(at)
            case float() as seconds if step == "health-duration":
                return round(seconds)
            case _ if step == "health-gaps" and row["Kind"] == "tenant" and column == "Name":
                return ""
            case same:
                return same

    rows = answered(captured, days, name)
    return [tuple(value(row, column) for column in columns) for row in rows]


def compare(captured: Captured, days: float, name: str, expected: tuple[Any, ...]) -> None:
    """Hold the rows of a query at a moment against what truly happened until then."""
    columns, expectation = expected
    rows: Iterable[Row] = shown(captured, name, columns, days)
    truth = expectation(history(captured, days))
    if expectation is requests:
        # A sweep that was killed did not hear every answer that the server gave.
        killed = {day(tick.at) for tick in captured.truth.ticks if tick.killed}
        rows, truth = ([row for row in found if row[0] not in killed] for found in (rows, truth))
    assert sorted(rows, key=repr) == sorted(truth, key=repr)


def test_no_query_of_the_workbook_goes_unjudged() -> None:
    # Those of the tabs for review are judged in test_exposure_evidence_and_who.py, and in
    # test_owners_and_rings.py; those of logged calls in test_who_uses_keys.py.
    elsewhere = ("exposure-", "evidence-", "who-", "rings-", "uses-", "after-")
    names = {step["name"] for step in steps() if step["type"] == 3}
    assert {name for name in names if not name.startswith(elsewhere)} == set(EXPECTED)


@pytest.mark.parametrize("step", EXPECTED)
@every_moment
def test_the_workbook_shows_what_truly_happened(month: Captured, days: float, step: str) -> None:
    compare(month, days, f"workbook {step}", EXPECTED[step])


def test_no_query_of_the_docs_goes_unjudged() -> None:
    documents = [name for name in queries() if name.startswith("telemetry.md ")]
    assert documents == [f"telemetry.md {number}" for number in range(1, len(READY) + 1)]


@pytest.mark.parametrize("number", range(1, len(READY) + 1))
@every_moment
def test_a_ready_query_shows_what_truly_happened(month: Captured, days: float, number: int) -> None:
    compare(month, days, f"telemetry.md {number}", READY[number - 1])
