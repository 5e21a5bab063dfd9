"""`keysweep impact --watch`: calls that are refused for who asked, as they come in.

Metrics show a call after a minute or so, with its status and deployment; the request log, which may
be two hours late, shows who made it. Neither says why a call was refused: 401 and 403 have other
reasons than keys as well. Reads alone.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from keysweep.advice import for_person
from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS
from keysweep.impact import metrics, request_log
from keysweep.impact.callers import TABLE
from keysweep.impact.evidence import Caller
from keysweep.impact.sources import Sources
from keysweep.names import resolve, scope_of
from keysweep.screen import Screen, shown
from keysweep.session import Session
from keysweep.taken import NoTable
from keysweep.words import counted, the_first
from shared.core.errors import AzureError
from shared.core.model import Account

LOOK_BACK = timedelta(minutes=15)
"""From how long before the watch begins calls count: keys went off a while ago."""
_WHO = {
    Caller.KEY: "with a key",
    Caller.IDENTITY: "with an identity",
    Caller.UNKNOWN: "by nobody knows whom",
}

_NO_LOG = (
    f"who makes refused calls. No workspace that you may read has the table {TABLE}: "
    "calls of {0} were never logged, or are logged where you may not read. Metrics count refused "
    "calls all the same; `keysweep impact {0}` prints the command that has calls logged."
)


@dataclass(frozen=True, slots=True)
class Refused:
    """What refused calls have in common."""

    status: str
    what: str
    source: str


type _Looked = tuple[dict[Refused, int], Sequence[str]]
"""The refused calls that a source shows, and what it leaves out, a sentence each."""


@dataclass(slots=True)
class Refusals:
    """The refused calls that were told of already, and what could not be seen."""

    since: datetime
    told: dict[Refused, int] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)

    def news(self, seen: dict[Refused, int]) -> Iterator[str]:
        """Say which calls are new; answers grow as calls come in late."""
        for refused, calls in sorted(seen.items(), key=lambda item: item[0].what):
            new = calls - self.told.get(refused, 0)
            if new > 0:
                self.told[refused] = calls
                yield f"{refused.status}  {counted(new, 'call')} {refused.what} ({refused.source})"

    def is_new_problem(self, problem: str) -> bool:
        """Whether nobody was told of a problem yet."""
        is_new = problem not in self.problems
        self.problems[problem] = None
        return is_new

    @property
    def calls(self) -> int:
        """How many calls were refused: both sources show the same ones, so the larger counts."""
        by_source: dict[str, int] = {}
        for refused, calls in self.told.items():
            by_source[refused.source] = by_source.get(refused.source, 0) + calls
        return max(by_source.values(), default=0)


async def watch(session: Session, name: str, every: float, seconds: float | None) -> int:
    """Watch one account, for so many seconds or until a Ctrl-C.

    Returns 0 if no call was refused, 1 if one was, 2 if a part could not be read.
    """
    screen, clock = session.screen, session.clock
    account = await resolve(session, await scope_of(session), name)
    begin = (clock.now() - LOOK_BACK).replace(second=0, microsecond=0)
    refusals = Refusals(begin)
    screen.note(
        f"Calls of {account.id.name} refused with 401 or 403 since {begin:%H:%M} UTC, asked for "
        f"every {every:.0f} s; keys take minutes to hours to stop working at the gateway. Ctrl-C "
        "ends it."
    )
    began = clock.monotonic()
    try:
        while True:
            await _look(session.again().evidence, account, refusals, screen, clock.now())
            passed = clock.monotonic() - began
            if seconds is not None and passed >= seconds:
                break
            await clock.sleep(every if seconds is None else min(every, seconds - passed))
    except asyncio.CancelledError:
        # A person's Ctrl-C ends the watch, and nothing else: what was seen stands.
        screen.note("")
    return _ended(screen, refusals)


async def _look(
    sources: Sources, account: Account, refusals: Refusals, screen: Screen, now: datetime
) -> None:
    seen: dict[Refused, int] = {}
    for found, problems in await asyncio.gather(
        _by_metrics(sources, account, refusals.since, now),
        _by_log(sources, account, refusals.since, now),
    ):
        # What a source shows stands, whatever else it leaves out.
        seen |= found
        for problem in filter(refusals.is_new_problem, problems):
            screen.warn(f"Not seen: {problem}")
    for line in refusals.news(seen):
        screen.show(shown(f"{now:%H:%M:%S}  {line}", "bold red"))


async def _by_metrics(
    sources: Sources, account: Account, since: datetime, now: datetime
) -> _Looked:
    """Count refused calls by status and deployment."""
    query = replace(metrics.queries(account.kind, since, now)[0], interval="PT1M")
    if not query.filter:
        return {}, [f"the metrics of kind {account.kind} don't say which calls were refused."]
    try:
        value = await sources.metrics_of_one(account.id, query)
    except AzureError as error:
        return {}, [for_person(error)]
    found: dict[Refused, int] = {}
    for (_, deployment, status), calls in metrics.refused_calls(value, since).items():
        refused = Refused(status, f"to {deployment or 'no deployment'}", "metrics")
        found[refused] = found.get(refused, 0) + calls
    answer = metrics.Measured(query, value, metrics.series_in([value]))
    return found, [*metrics.doubts_of(answer)]


async def _by_log(sources: Sources, account: Account, since: datetime, now: datetime) -> _Looked:
    """Say who made refused calls, as far as they are logged by now."""
    try:
        answer = await sources.log(account.id, request_log.refused_query(), since, now)
    except NoTable:
        return {}, [_NO_LOG.format(account.id.name)]
    except AzureError as error:
        return {}, [for_person(error)]
    log = request_log.read_log(answer)
    found: dict[Refused, int] = {}
    for row in log.rows:
        addresses = the_first(row.addresses)
        what = (
            f"of {row.operation}{f' to {row.deployment}' if row.deployment else ''} "
            f"{_WHO[row.caller]}{f' from {addresses}' if addresses else ''}"
        )
        refused = Refused(row.status, what, "request log")
        found[refused] = found.get(refused, 0) + row.calls
    return found, log.doubts


def _as_far_as(refusals: Refusals) -> str:
    return ", as far as calls could be seen" if refusals.problems else ""


def _ended(screen: Screen, refusals: Refusals) -> int:
    calls = refusals.calls
    screen.show(
        shown(
            f"{counted(calls, 'call')} refused since {refusals.since:%Y-%m-%d %H:%M} UTC.", "bold"
        )
        if calls
        else shown(f"No call was seen to be refused{_as_far_as(refusals)}.", "bold")
    )
    if refusals.problems:
        return NOT_WHOLE
    return REMAINS if calls else FINE
