"""What one sweep took: read from its own record, or from its events in Application Insights. Pure.

Either says which changes Azure took, or may have taken, and when. What a source could not show is
named, and never read as "nothing was changed": a change that was announced and whose outcome
nobody was told of may be done.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from keysweep.record import SWEEP_ID, Change, KeptRecord, can_be_a_sweeps
from keysweep.words import the_first
from shared.core.errors import Refused
from shared.core.events import (
    DriftFound,
    KeyAccessChanged,
    RemediationOutcome,
    SweepCompleted,
    SweepStarted,
)
from shared.core.model import AccountId, Turned, in_utc

_RESOURCE = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/"
    r"(?P<type>Microsoft\.Insights/components|Microsoft\.OperationalInsights/workspaces)/[^/]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a sweep took, as far as one source tells."""

    changes: tuple[Change, ...]
    """Those that Azure took, or may have taken."""
    identity: frozenset[str] = frozenset()
    """The names of who swept, in lower case; empty: the source does not tell."""
    unseen: tuple[str, ...] = ()
    """What the source does not show, a sentence each."""
    tag: str = ""
    """The exemption tag that the sweep went by; empty: the source does not tell."""
    is_over: bool = True
    """Whether the sweep is known to have ended: one that still runs may take more."""


@dataclass(frozen=True, slots=True)
class EventTable:
    """How the table of custom events and its columns are called, as seen through a resource."""

    name: str
    at: str
    event: str
    properties: str
    measurements: str


# Through a component by the classic names, through a workspace by its own: there the classic ones
# fail to resolve (azure-monitor-docs, app/convert-classic-resource.md).
_OF_COMPONENT = EventTable(
    "customEvents", "timestamp", "name", "customDimensions", "customMeasurements"
)
_OF_WORKSPACE = EventTable("AppEvents", "TimeGenerated", "Name", "Properties", "Measurements")
TABLES_OF_EVENTS = frozenset({_OF_COMPONENT.name.lower(), _OF_WORKSPACE.name.lower()})
"""Their names, in lower case."""


@dataclass(frozen=True, slots=True)
class LogAnswer:
    """The rows of a query, by column, and what the answer does not show, a sentence each."""

    rows: tuple[Mapping[str, Any], ...]
    unseen: tuple[str, ...] = ()


class NoTable(Refused):
    """A query names a table or column that no workspace has: nothing was ever logged there."""

    advice = "Nothing was ever logged there, or you may not read where it was."


def began_at(sweep_id: str) -> datetime:
    """Return when a sweep began, as its id says. Raises ValueError if it is no sweep's id."""
    if SWEEP_ID.fullmatch(sweep_id) is None:
        raise ValueError(
            f"{sweep_id!r} is no sweep's id: they look like 20261124T090000Z-1f3a9c0d, and every "
            "event carries one as sweepId."
        )
    began = datetime.strptime(sweep_id.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if not can_be_a_sweeps(began):
        raise ValueError(f"{sweep_id!r} is no sweep's id: there was none in {began:%Y}.")
    return began


def event_table(resource_id: str) -> EventTable:
    """Say how custom events are called through a resource.

    Raises ValueError if it is neither an Application Insights component nor a workspace.
    """
    match = _RESOURCE.fullmatch(resource_id)
    if match is None:
        raise ValueError(
            f"{resource_id!r} is no Application Insights: its resource id looks like "
            "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Insights/components/NAME, "
            "that of its workspace like /subscriptions/ID/resourceGroups/GROUP/providers/"
            "Microsoft.OperationalInsights/workspaces/NAME."
        )
    return _OF_COMPONENT if match["type"].lower().endswith("components") else _OF_WORKSPACE


def events_query(sweep_id: str, table: EventTable) -> str:
    """Return the KQL for the events that tell what a sweep took.

    And for what the change log showed later of the Function's own changes: that names who it is.
    """
    names = ", ".join(f"'{event.name}'" for event in _EVENTS)
    text = f"tostring({table.properties}.{{0}})".format
    columns = ",\n    ".join(f"{name} = {text(name)}" for name in _PROPERTIES)
    return f"""\
{table.name}
| where ({text("sweepId")} == '{sweep_id}' and {table.event} in ({names}))
    or ({table.event} == '{KeyAccessChanged.name}' and {text("ours")} == 'true')
| project at = {table.at}, event = {table.event},
    {columns},
    drift = toint({table.measurements}.drift)"""


_EVENTS = (SweepStarted, DriftFound, RemediationOutcome, SweepCompleted)
_PROPERTIES = (
    "sweepId", "eventId", "accountId", "result", "accepted", "exemptionTag", "turned", "changedBy",
)  # fmt: skip


def of_record(record: KeptRecord) -> Taken:
    """Say what a sweep from the line took. Its record lacks nothing: no record, no write."""
    names = record.head.get("identity")
    identity = {str(name).lower() for name in names} if isinstance(names, list) else set()
    return Taken(
        tuple(change for change in record.changes if change.may_be_done),
        frozenset(identity),
        tag=str(record.head.get("exemptionTag") or ""),
        is_over=record.is_finished,
    )


def of_events(sweep_id: str, answer: LogAnswer) -> Taken:
    """Say what a sweep of the Function's took, as far as its events are there."""
    reader = _Events(sweep_id)
    for row in _without_doubles(answer.rows):
        reader.take(row)
    return Taken(
        tuple(change for change in reader.changes() if change.may_be_done),
        frozenset(reader.identity),
        (*answer.unseen, *reader.unseen()),
        reader.tag,
    )


def _without_doubles(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Return one row of each event: a batch that was sent twice stands there twice."""
    seen = set()
    for row in rows:
        event_id = str(row.get("eventId") or sorted(row.items(), key=str))
        if event_id not in seen:
            seen.add(event_id)
            yield row


class _Events:
    """The events of one sweep, as they are read."""

    def __init__(self, sweep_id: str) -> None:
        self._began = began_at(sweep_id)
        self._announced: dict[str, Change] = {}
        self._outcomes: dict[str, list[Change]] = {}
        self._drift: int | None = None
        self._is_completed = False
        self._unreadable = 0
        self.identity: set[str] = set()
        self.tag = ""

    def take(self, row: Mapping[str, Any]) -> None:
        """Read one row."""
        try:
            self._take(row)
        except (ValueError, TypeError, LookupError, OverflowError):
            self._unreadable += 1

    def _take(self, row: Mapping[str, Any]) -> None:
        match row["event"]:
            case KeyAccessChanged.name if row["turned"] == Turned.OFF and row["changedBy"]:
                self.identity.add(str(row["changedBy"]).lower())
            case SweepStarted.name:
                self.tag = str(row["exemptionTag"])
            case DriftFound.name:
                account = AccountId.parse(str(row["accountId"]))
                self._announced[account.key] = Change(account, moment_of(row["at"]))
            case RemediationOutcome.name:
                account = AccountId.parse(str(row["accountId"]))
                outcome = Change(
                    account, self._began, moment_of(row["at"]), str(row["result"]),
                    boolean_of(row["accepted"]),
                )  # fmt: skip
                self._outcomes.setdefault(account.key, []).append(outcome)
            case SweepCompleted.name:
                self._is_completed = True
                self._drift = int(row["drift"])

    def changes(self) -> Iterator[Change]:
        """Return what was announced or has an outcome, each account once."""
        for key in {**self._announced, **self._outcomes}:
            announced = self._announced.get(key)
            # Should there be several, the one that Azure took counts.
            outcomes = sorted(self._outcomes.get(key, ()), key=lambda change: change.may_be_done)
            if not outcomes:
                if announced is not None:
                    yield announced
                continue
            begun_at = announced.begun_at if announced is not None else outcomes[-1].begun_at
            yield replace(outcomes[-1], begun_at=begun_at)

    def unseen(self) -> Iterator[str]:
        """Say what the events do not show."""
        if not (self.tag or self._announced or self._outcomes or self._is_completed):
            yield (
                "Application Insights shows no event of this sweep. They arrive within minutes and "
                "are kept for as long as its workspace keeps them; is it the right one, and may "
                "you read it?"
            )
            return
        if not self._is_completed:
            yield (
                "It does not show the end of this sweep: the sweep was broken off, or its last "
                "events are still on their way, which takes minutes."
            )
        missing = (self._drift or 0) - len(self._outcomes)
        if self._drift is not None and missing > 0:
            yield f"It shows {len(self._outcomes)} of the sweep's {self._drift} outcomes."
        not_told = [key for key in self._announced if key not in self._outcomes]
        if not_told:
            named = the_first([key.rpartition("/")[2] for key in sorted(not_told)])
            yield f"What came of these announced changes is not told: {named}."
        if self._unreadable:
            yield f"{self._unreadable} of its rows can't be read."


def moment_of(value: object) -> datetime:
    """Read the time of an event. Raises ValueError for what is none."""
    if isinstance(value, datetime):
        return in_utc(value)
    return in_utc(datetime.fromisoformat(str(value)))


def boolean_of(value: object) -> bool:
    """Read a property that is true or false. Raises ValueError for any other text."""
    if value not in {"true", "false"}:
        raise ValueError(f"{value!r} is neither true nor false")
    return value == "true"
