"""Where the deployed Function's telemetry goes, and what its last sweep told there. Pure.

Whether Application Insights takes telemetry can be proved by sending some alone, and nothing is
sent here. What can be seen without: whether the component is there, whether it asks for tokens of
Entra ID, and whether the events of a sweep arrived, which proves that they were taken.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from keysweep.advice import for_person
from keysweep.doctor.finding import Check, Finding, State
from keysweep.taken import EventTable, LogAnswer, moment_of
from shared.core.errors import AzureError, NotFound
from shared.core.events import SweepCompleted, SweepStarted

LOOKED_BACK = timedelta(days=3)
"""How far back a sweep is looked for, where its timer fires more often."""
# Telemetry is found within minutes; a sweep ends within the host's 25.
_ARRIVES = timedelta(minutes=15)
_RUNS = timedelta(minutes=30)
_READER = "Monitoring Reader on the component or its workspace."
_HOW = (
    "--function RESOURCE-ID finds it by the Function's settings, --insights RESOURCE-ID names it."
)


@dataclass(frozen=True, slots=True)
class Component:
    """An Application Insights component."""

    id: str
    instrumentation_key: str
    needs_entra: bool
    """Whether it takes telemetry with a token of Entra ID alone."""


def instrumentation_key(connection_string: str) -> str:
    """Return the instrumentation key of a connection string; empty: it has none."""
    pairs = (part.partition("=") for part in connection_string.split(";"))
    found = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return found.get("instrumentationkey", "").lower()


def component_of(key: str, components: Sequence[Component]) -> Component | None:
    """Return the component that a connection string leads to."""
    return next((found for found in components if found.instrumentation_key.lower() == key), None)


def nowhere() -> Finding:
    """Say that nothing names the component."""
    return Finding(Check.TELEMETRY, State.NOTE, "Nothing says where telemetry goes.", remedy=_HOW)


def named(resource_id: str) -> Finding:
    """Say that a person named it: how it takes telemetry is not looked at."""
    name = resource_id.rstrip("/").rpartition("/")[2]
    return Finding(Check.TELEMETRY, State.NOTE, f"{name}, as --insights says.")


def without_connection_string() -> Finding:
    """Say that the Function has no place to send its telemetry to."""
    says = "The Function has no APPLICATIONINSIGHTS_CONNECTION_STRING: nobody hears of its sweeps."
    return Finding(Check.TELEMETRY, State.FAILED, says, remedy="Deploy it again, or set it.")


def application_insights(found: Component | AzureError | None, subscription_id: str) -> Finding:
    """Say what can be seen of the component that the Function's connection string leads to."""
    check = Check.TELEMETRY
    remedy = "--insights RESOURCE-ID says where it is."
    if isinstance(found, AzureError):
        says = "The components of the Function's subscription could not be read."
        return Finding(check, State.NOT_SEEN, says, (for_person(found),), remedy)
    if found is None:
        says = (
            "No component that you can see in the Function's subscription "
            f"({subscription_id}) has the key of its connection string."
        )
        return Finding(check, State.NOT_SEEN, says, remedy=remedy)
    takes = (
        "takes telemetry with Entra ID tokens alone"
        if found.needs_entra
        else "takes telemetry without a token too"
    )
    says = (
        f"{found.id.rpartition('/')[2]} {takes}. Nothing was sent to try it: the last sweep shows "
        "whether telemetry arrives."
    )
    return Finding(check, State.OK, says)


def sweeps_query(table: EventTable) -> str:
    """Return the KQL for the beginnings and ends of the newest sweeps."""
    text = f"tostring({table.properties}.{{0}})".format
    columns = ", ".join(
        f"{name} = {text(name)}" for name in ("sweepId", "mode", "whole", "reasons")
    )
    return f"""\
{table.name}
| where {table.event} in ('{SweepStarted.name}', '{SweepCompleted.name}')
| project at = {table.at}, event = {table.event}, {columns}
| order by at desc
| take 50"""


@dataclass(frozen=True, slots=True)
class LastSweep:
    """The newest sweep that telemetry shows."""

    sweep_id: str
    at: datetime
    """When it ended, or began where no end is shown."""
    mode: str
    is_over: bool = False
    is_whole: bool = False
    reasons: str = ""
    """Why it is not whole."""


def read_sweeps(rows: Sequence[Mapping[str, Any]], now: datetime) -> LastSweep | None:
    """Return the newest sweep of the rows that tells something; None: they show none.

    One that still runs tells nothing, unless it is the only one. Raises ValueError for odd rows.
    """
    found: dict[str, LastSweep] = {}
    for row in sorted(rows, key=lambda row: str(row.get("event")) == SweepCompleted.name):
        sweep = _read(row)
        before = found.get(sweep.sweep_id)
        if before is None or sweep.is_over:
            found[sweep.sweep_id] = sweep
    newest = sorted(found.values(), key=lambda sweep: sweep.at, reverse=True)
    telling = (sweep for sweep in newest if sweep.is_over or now - sweep.at > _RUNS)
    return next(telling, newest[0] if newest else None)


def _read(row: Mapping[str, Any]) -> LastSweep:
    if not row.get("sweepId"):
        raise ValueError("a sweep without its id")
    at, mode = moment_of(row.get("at")), str(row.get("mode") or "")
    sweep = LastSweep(str(row["sweepId"]), at, mode)
    if row.get("event") != SweepCompleted.name:
        return sweep
    if row.get("whole") not in {"true", "false"}:
        raise ValueError(f"a sweep that is {row.get('whole')!r}, neither whole nor not")
    is_whole, reasons = row["whole"] == "true", str(row.get("reasons") or "")
    return replace(sweep, is_over=True, is_whole=is_whole, reasons=reasons)


def not_looked_for() -> Finding:
    """Say that there is no place to look for a sweep in."""
    says = "Not looked for: nothing says where its telemetry goes."
    return Finding(Check.LAST_SWEEP, State.NOTE, says)


def last_sweep(
    answer: LogAnswer | AzureError, now: datetime, longest_gap: timedelta | None
) -> Finding:
    """Say how the Function's last sweep was, and whether it is due again.

    `longest_gap`: the longest time between two firings of its timer; None: it is not known.
    """
    check = Check.LAST_SWEEP
    if isinstance(answer, AzureError):
        says = "Its telemetry could not be read."
        remedy = "Look at the resource id." if isinstance(answer, NotFound) else _READER
        return Finding(check, State.NOT_SEEN, says, (for_person(answer),), remedy)
    try:
        found = read_sweeps(answer.rows, now)
    except (ValueError, OverflowError) as error:
        says = f"Its events can't be read: {error}."
        return Finding(check, State.NOT_SEEN, says, answer.unseen)
    if found is None:
        says = "Telemetry shows none within days."
        remedy = (
            "It did not run, its telemetry is not taken, or this is not where it goes: look at "
            "the invocations of the Function App, and into its log."
        )
        return Finding(check, State.NOT_SEEN, says, answer.unseen, remedy)
    says = f"{found.sweep_id}, {_ago(now - found.at)}, {found.mode or 'mode not told'}{_how(found)}"
    doubts = tuple(_doubts(found, now, longest_gap))
    remedy = (
        "The workbook shows more (Health); docs/runbook.md says what to do about each reason."
        if doubts
        else ""
    )
    state = State.WARNING if doubts else State.OK
    return Finding(
        check, State.NOT_SEEN if answer.unseen else state, says, (*doubts, *answer.unseen), remedy
    )


def _how(sweep: LastSweep) -> str:
    if not sweep.is_over:
        return ": its end is not shown yet."
    return ": whole." if sweep.is_whole else ": not whole."


def _doubts(sweep: LastSweep, now: datetime, longest_gap: timedelta | None) -> Iterator[str]:
    age = now - sweep.at
    if sweep.is_over and not sweep.is_whole:
        yield sweep.reasons or "It does not say why it is not whole."
    if not sweep.is_over and age > _RUNS:
        yield "It was broken off: a sweep ends within 25 minutes."
    elif not sweep.is_over:
        yield "Whether it is whole shows once it has ended: look again in half an hour."
    if longest_gap is None and age > _RUNS + _ARRIVES:
        yield "How often its timer fires is not known, so it may be late: --function reads that."
    if longest_gap is not None and age > longest_gap + _RUNS + _ARRIVES:
        yield f"The timer fires every {_length(longest_gap)} at least: sweeps are missing since."


def _ago(age: timedelta) -> str:
    return f"{_length(age)} ago" if age >= timedelta(minutes=1) else "just now"


def _length(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    for unit, size in (("days", 2 * 1440), ("hours", 2 * 60)):
        if minutes >= size:
            return f"{minutes // (size // 2)} {unit}"
    return f"{minutes} minutes" if minutes != 1 else "1 minute"
