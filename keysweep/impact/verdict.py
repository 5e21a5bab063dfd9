"""Who uses an account's keys: the verdict, from what was seen and what was not. Pure and total.

One law: absence of evidence is never evidence. IDLE and KEYLESS are said only where every piece
that could say otherwise was seen whole, so that no further sight can take them back; whatever is
not seen is named, and lowers them to CANT_TELL. Metrics are what the log is held against: a call
that they count and that the log does not show with an identity was made by nobody knows whom, so
that rows which an answer leaves out in silence deceive nobody.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from keysweep.impact.evidence import (
    Asked,
    CallCounts,
    Caller,
    Connections,
    EntraUse,
    Evidence,
    Holds,
    NotLogged,
    RequestLog,
    Unread,
)
from keysweep.words import counted, the_first


class Impact(StrEnum):
    """What turning an account's keys off would break. The worst comes first."""

    USES_KEYS = "USES_KEYS"
    """Calls with a key, or a connection that holds one."""
    LIKELY_KEYS = "LIKELY_KEYS"
    """Calls, and nobody could make them without a key."""
    CANT_TELL = "CANT_TELL"
    """What was seen does not say."""
    KEYLESS = "KEYLESS"
    """Calls, all with an identity, and logged for the whole time."""
    IDLE = "IDLE"
    """No calls in the time that was asked about."""

    @property
    def is_safe(self) -> bool:
        """Whether nothing breaks, as far as the time that was asked about shows."""
        return self in {Impact.KEYLESS, Impact.IDLE}

    @property
    def rank(self) -> int:
        """Its place from the worst on."""
        return list(Impact).index(self)

    @classmethod
    def listed(cls, text: str) -> "frozenset[Impact]":
        """Read names with commas between them, in any case.

        Raises ValueError, which says what is allowed.
        """
        names = {name.strip().upper() for name in text.split(",") if name.strip()}
        unknown = sorted(names - set(cls))
        if unknown or not names:
            problem = f"{', '.join(unknown)}: no such verdict" if unknown else "it names no verdict"
            raise ValueError(f"{problem}. Allowed are {', '.join(cls)}.")
        return frozenset(map(cls, names))


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, why, and what could not be seen."""

    verdict: Impact
    because: tuple[str, ...]
    """Sentences that bear the verdict."""
    unseen: tuple[str, ...] = ()
    """Sentences: what was not seen that could bear on it."""


def judge(evidence: Evidence) -> Judgement:
    """Judge one account."""
    keyed = tuple(_keyed(evidence))
    unseen = tuple(_unseen(evidence))
    if keyed:
        return Judgement(Impact.USES_KEYS, keyed, unseen)
    match evidence.calls:
        case CallCounts(doubts=()) as calls if calls.calls == 0:
            return _idle_unless(evidence, calls, unseen)
        case CallCounts() as calls if calls.calls > 0:
            return _used(evidence, calls, unseen)
        case _:
            return _uncounted(evidence, unseen)


def _keyed(evidence: Evidence) -> Iterator[str]:
    """Say which keys are used."""
    if isinstance(evidence.log, RequestLog):
        calls, last = evidence.log.by(Caller.KEY), evidence.log.last_keyed
        if last is not None:
            yield f"{counted(calls, 'call')} with a key, the last at {last:%Y-%m-%d %H:%M} UTC."
    if isinstance(evidence.connections, Connections):
        for connection in evidence.connections.holding(Holds.KEY):
            yield (
                f"Connection {connection.name} of {connection.place} holds a key for it "
                f"({connection.category}, {connection.auth_type})."
            )


def _unseen(evidence: Evidence) -> Iterator[str]:
    """Say what was not seen that could bear on the verdict."""
    for part in (evidence.calls, evidence.log, evidence.connections, evidence.entra):
        match part:
            case Unread():
                yield str(part)
            case CallCounts(doubts=doubts) | RequestLog(doubts=doubts):
                yield from doubts
            case Connections(doubts=doubts) as connections:
                yield from doubts
                for unknown in connections.holding(Holds.UNKNOWN):
                    yield (
                        f"Connection {unknown.name} of {unknown.place} has the authentication "
                        f"{unknown.auth_type!r}: whether that is a key is not known."
                    )
            case _:
                pass


def _may_hide_a_key(connections: Connections | Unread) -> bool:
    """Whether a connection with a key may be there that was not seen."""
    if isinstance(connections, Unread):
        return True
    return bool(connections.doubts or connections.holding(Holds.UNKNOWN))


def _idle_unless(evidence: Evidence, calls: CallCounts, unseen: tuple[str, ...]) -> Judgement:
    """Judge an account of which the metrics count no call."""
    asked, log = evidence.asked, evidence.log
    refused = f" {counted(calls.refused, 'call')} without a right to any use (401)."
    none = f"No calls in {counted(asked.days, 'day')}.{refused if calls.refused else ''}"
    if isinstance(log, RequestLog) and any(log.used(caller) for caller in Caller):
        because = (none, "The request log shows calls all the same, so one of the two is wrong.")
        return Judgement(Impact.CANT_TELL, because, unseen)
    if isinstance(log, Unread) or log.doubts:
        # A log that was seen whole may contradict the metrics: so one that was not still may.
        because = (none, "The request log, which could show otherwise, was not seen whole.")
        return Judgement(Impact.CANT_TELL, because, unseen)
    if _may_hide_a_key(evidence.connections):
        because = (none, "A connection that holds a key for it may be where nobody could look.")
        return Judgement(Impact.CANT_TELL, because, unseen)
    return Judgement(Impact.IDLE, (none,), unseen)


def _used(evidence: Evidence, calls: CallCounts, unseen: tuple[str, ...]) -> Judgement:
    """Judge an account of which the metrics count calls."""
    asked, log = evidence.asked, evidence.log
    made = f"{counted(calls.calls, 'call')} in {counted(asked.days, 'day')}"
    gaps = tuple(_not_accounted_for(evidence, calls))
    if not gaps:
        because = (f"{made}, logged for the whole time, all with an identity.",)
        return Judgement(Impact.KEYLESS, because, unseen)
    seen_with_identity = isinstance(log, RequestLog) and log.used(Caller.IDENTITY)
    nobody = _nobody_could(evidence.entra)
    if nobody and not seen_with_identity:
        return Judgement(Impact.LIKELY_KEYS, (f"{made}, and {nobody}.", *gaps), unseen)
    return Judgement(Impact.CANT_TELL, (f"{made}.", *gaps), unseen)


def _uncounted(evidence: Evidence, unseen: tuple[str, ...]) -> Judgement:
    """Judge an account whose calls could not be counted."""
    log = evidence.log
    is_used = isinstance(log, RequestLog) and bool(log.used(Caller.UNKNOWN))
    by_identity = log.by(Caller.IDENTITY) if isinstance(log, RequestLog) else 0
    nobody = _nobody_could(evidence.entra)
    if is_used and nobody and not by_identity:
        return Judgement(Impact.LIKELY_KEYS, (f"It is called, and {nobody}.",), unseen)
    because = ["How many calls it had is not known, so none is shown to be without a key."]
    if by_identity:
        because.append(f"The request log shows {counted(by_identity, 'call')} with an identity.")
    return Judgement(Impact.CANT_TELL, tuple(because), unseen)


def _not_accounted_for(evidence: Evidence, calls: CallCounts) -> Iterator[str]:
    """Say why calls may have been made with a key although none was seen."""
    log = evidence.log
    if calls.doubts:
        yield "The calls were not all counted."
    match log:
        case Unread():
            yield "The request log could not be read."
        case RequestLog():
            if log.doubts:
                yield "The request log was not seen whole."
            yield from _not_logged(evidence, calls, log)
    if _may_hide_a_key(evidence.connections):
        yield "A connection that holds a key for it may be where nobody could look."


def _not_logged(evidence: Evidence, calls: CallCounts, log: RequestLog) -> Iterator[str]:
    """Say which calls the log does not show with an identity."""
    asked, unknown = evidence.asked, log.by(Caller.UNKNOWN)
    if unknown:
        yield f"The log does not say who made {counted(unknown, 'call')}."
    short = _days_that_are_short(asked, calls, log)
    if not log.rows:
        kept = "goes to no workspace" if isinstance(evidence.logging, NotLogged) else "shows none"
        yield f"No log could say who made them: the request log {kept}."
    elif short:
        yield from _short(asked, short, log)
    elif not any(calls.used(day) for day in range(asked.days)):
        yield "They are of the last two hours, and the log may be late by that."


def _days_that_are_short(
    asked: Asked, calls: CallCounts, log: RequestLog
) -> dict[int, tuple[int, int]]:
    """Return how many calls the log shows of a day and how many were made, where it has fewer.

    A call of a day's last seconds may stand in the log as one of the next day's first: what that
    one has too many makes up for it. The log may show calls that the metrics don't count, such
    as lists of models, and those have no deployment: so no row without one, or of another, is taken
    for a call that the metrics count of a deployment.
    """
    named = {count.deployment.casefold() for count in calls.counts} - {""}
    for name in (None, *sorted(named)):
        shown, made = [0] * asked.days, [0] * asked.days
        # What can't be parsed has no deployment, and is named for itself.
        rows = [
            row for row in log.used(Caller.IDENTITY) if name in {None, row.deployment.casefold()}
        ]
        for row in (*rows, *log.used(Caller.UNKNOWN)):
            if row.day in range(asked.days):
                shown[row.day] += row.calls
        for count in calls.used_of(name):
            if count.day in range(asked.days):
                made[count.day] += count.calls
        beyond = [max(logged - there, 0) for logged, there in zip(shown, made, strict=True)]
        short = {
            day: (shown[day], made[day])
            for day, of_the_next in enumerate([*beyond[1:], 0])
            if shown[day] + of_the_next < made[day]
        }
        if short:
            return short
    return {}


def _short(asked: Asked, short: dict[int, tuple[int, int]], log: RequestLog) -> Iterator[str]:
    """Say on which days the log has fewer calls than there were."""
    shown, made = (sum(counts) for counts in zip(*short.values(), strict=True))
    since = log.since
    began_later = since is not None and all(asked.begin_of(day) < since for day in short)
    if began_later and since is not None:
        yield (
            f"The log began at {since:%Y-%m-%d %H:%M} UTC: of the {counted(made, 'call')} of the "
            f"days up to then it shows {shown:,}."
        )
        return
    days = the_first([f"{asked.begin_of(day):%Y-%m-%d}" for day in short])
    yield f"The log shows {shown:,} of the {counted(made, 'call')} of {days}."


def _nobody_could(entra: EntraUse | Unread) -> str:
    """Say that nobody could use it with Entra ID; empty: somebody could, or it is not known."""
    match entra:
        case EntraUse(has_subdomain=False):
            return "without a custom subdomain nobody can use Entra ID"
        case EntraUse(holders=()):
            return "nobody that you can see has a role to use it with Entra ID"
        case _:
            return ""
