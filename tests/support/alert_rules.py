"""Alert rules as Azure judges them, on telemetry of sweeps in memory.

What is modelled is documented (infra/alerts.bicep names the pages): a rule is looked at every so
often and sees two days of what has arrived; a series of it that fires calls once, and calls again
only after its condition was not met for three looks in a row, or two if they are rare.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dashboard.lets import translated
from dashboard.tables import COLUMNS, Tables
from shared.core.events import Event, SettingsRejected, SweepContext
from shared.core.wire import identified, measurements, properties
from tests.support.envelopes import event_envelope
from tests.support.fake_sweeps import swept
from tests.support.fake_tenant import FakeTenant
from tests.support.queries import ALERTS, SCHEDULES, filled
from tests.support.virtual_time import START, VirtualLoop

DEPLOYMENT = "func-keysweep"
BY_NAME = {alert["name"]: alert for alert in ALERTS}
BEGINNING = START.replace(tzinfo=None)
_LOOKS_BACK = timedelta(days=2)
_LATE = timedelta(minutes=5)
_FIRST_LOOK = timedelta(minutes=7)
_SPANS = {"m": "minutes", "h": "hours", "d": "days"}
_MIDNIGHT = BEGINNING.replace(hour=0)
_HASTE = timedelta(minutes=15)
# Digests are of six hours, and told an hour after those are over.
_DIGEST, _A_DIGEST_IS_LATE = timedelta(hours=6), timedelta(hours=1)

type Series = tuple[str, ...]


def span(text: str) -> timedelta:
    """Read `PT15M`, `PT6H` or `P1D`."""
    number, unit = int(re.sub(r"\D", "", text)), text[-1].lower()
    return timedelta(**{_SPANS[unit]: number})


def dated(query: str) -> str:
    """Return a query that takes the moment of its evaluation from the text NOW."""
    query = re.sub(r"\bago\((\w+)\)", r"(todatetime('NOW') - \1)", query)
    return query.replace("now()", "todatetime('NOW')")


class Received(Tables):
    """What has arrived, asked over and over, at one moment after the other."""

    def prepare(self, kql: str) -> None:
        """Translate and plan a query once: that takes most of the time.

        It reads the moment from a table: with a parameter DuckDB plans anew each time.
        """
        sql = translated(kql, COLUMNS)
        seen = (
            "(SELECT * FROM received_events WHERE timestamp > (SELECT after FROM look) "
            'AND timestamp <= (SELECT until FROM look)) AS "customEvents"'
        )
        sql = sql.replace('FROM "customEvents"', f"FROM {seen}")
        sql = sql.replace("'NOW'", "(SELECT moment FROM look)")
        self._database.execute(
            "CREATE TABLE look (after TIMESTAMP, until TIMESTAMP, moment VARCHAR)"
        )
        self._database.execute("INSERT INTO look VALUES (NULL, NULL, NULL)")
        self._database.execute(f"PREPARE looked AS {sql}")

    def rows(self, now: datetime) -> list[dict[str, Any]]:
        """Return the rows of the query that was prepared, at a moment."""
        self._database.execute(
            "UPDATE look SET after = ?, until = ?, moment = ?",
            [now - _LOOKS_BACK, now - _LATE, now.isoformat()],
        )
        result = self._database.execute("EXECUTE looked")
        columns = [column[0] for column in result.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]

    def times(self) -> list[datetime]:
        """Return when each event happened, the earliest first."""
        asked = self._database.execute("SELECT timestamp FROM received_events ORDER BY ALL")
        return [time for (time,) in asked.fetchall()]


def firing(alert: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> set[Series]:
    """Return the series for which the condition of a rule is met."""
    values: dict[Series, float] = {}
    for row in rows:
        series = tuple(str(row[column]) for column in alert.get("each", ()))
        values[series] = values.get(series, 0) + (
            row[alert["measure"]] if "measure" in alert else 1
        )
    threshold = alert.get("threshold", 0)
    if alert.get("fewer"):
        return set() if values.get((), 0) >= threshold else {()}
    return {series for series, value in values.items() if value > threshold}


@dataclass(frozen=True)
class Call:
    """Somebody was called."""

    at: datetime
    series: Series


def calls(
    name: str,
    envelopes: list[dict[str, Any]],
    schedule: str,
    until: datetime,
    begin: datetime = BEGINNING,
    deployed: datetime = BEGINNING,
) -> list[Call]:
    """Return the calls of a rule, from one moment to another, at one of the schedules.

    A story begins with its deployment, if nothing else is said.
    """
    alert, rhythm = BY_NAME[name], SCHEDULES[schedule]
    deployment = {"{quiet}": rhythm["quiet"], "{deployedAt}": f"{deployed.isoformat()}Z"}
    query = filled(alert["query"], deployment)
    every = timedelta(hours=1) if alert["severity"] == 3 else span(rhythm["frequency"])
    looks = 3 if every <= _HASTE else 2
    received = Received(envelopes)
    received.prepare(dated(query))
    times = received.times()
    # Between two moments of these kinds nothing that a query can see changes.
    ages = {span(age) for age in re.findall(r"\bago\((\w+)\)", query)} | {_LATE, _LOOKS_BACK}
    known: dict[tuple[int, ...], set[Series]] = {}
    quiet_looks: dict[Series, int] = {}
    made: list[Call] = []
    now = begin + _FIRST_LOOK
    while now <= until:
        key = (
            *(bisect_right(times, now - age) for age in ages),
            (now - _MIDNIGHT - _A_DIGEST_IS_LATE) // _DIGEST,
            now < deployed + timedelta(days=1),
        )
        if key not in known:
            known[key] = firing(alert, received.rows(now))
        met = known[key]
        made += [Call(now, series) for series in sorted(met) if series not in quiet_looks]
        quiet_looks = {
            series: 0 if series in met else quiet_looks[series] + 1
            for series in {*met, *quiet_looks}
            if series in met or quiet_looks[series] + 1 < looks
        }
        now += every
    return made


def envelope(event: Event, context: SweepContext, at: datetime, role: str) -> dict[str, Any]:
    """Return an event as Application Insights receives it."""
    carried = identified(context, event)
    said = {**properties(carried), **properties(event)}
    return event_envelope(event.name, at.isoformat(), measurements(event), role, **said)


@dataclass
class Story:
    """Sweeps of a tenant at a schedule, and what happens just before some of them."""

    tenant: FakeTenant
    every: timedelta
    environ: dict[str, Any] = field(default_factory=dict)
    envelopes: list[dict[str, Any]] = field(default_factory=list)
    role: str = DEPLOYMENT
    loses: Callable[[Event], bool] = lambda _: False
    """Which events Application Insights acknowledges and loses."""
    refuses: bool = False
    """Whether it acknowledges nothing."""
    silent: bool = False
    """Whether no sweep runs."""
    rejected: bool = False
    """Whether the settings are wrong."""

    def pass_by(self, ticks: int, happens: Mapping[int, Callable[["Story"], object]]) -> "Story":
        """Let so many ticks of the timer pass."""
        loop = VirtualLoop()
        try:
            loop.run_until_complete(self._pass_by(ticks, happens))
        finally:
            loop.close()
        return self

    @property
    def ended(self) -> datetime:
        """The last event."""
        return max(datetime.fromisoformat(sent["time"]) for sent in self.envelopes)

    async def _pass_by(
        self, ticks: int, happens: Mapping[int, Callable[["Story"], object]]
    ) -> None:
        clock = self.tenant.clock
        for tick in range(ticks):
            await clock.sleep(max(tick * self.every.total_seconds() - clock.monotonic(), 0))
            if tick in happens:
                happens[tick](self)
            if not self.silent:
                await self._sweep()

    async def _sweep(self) -> None:
        now = self.tenant.clock.now()
        sweep_id = f"{now:%Y%m%dT%H%M%SZ}-1"
        if self.rejected:
            event = SettingsRejected(problems="SWEEP_MODE is 'enfroce'", problem_count=1)
            self._receive([event], [now], SweepContext(sweep_id, "", "0"))
            return
        done = await swept(
            self.tenant, sweep_id=sweep_id, takes=lambda _: not self.refuses, **self.environ
        )
        times = [START + timedelta(seconds=seconds) for seconds in done.telemetry.times]
        mode = self.environ.get("SWEEP_MODE", "enforce")
        self._receive(done.telemetry.events, times, SweepContext(sweep_id, mode, "0"))

    def _receive(self, events: list[Event], times: list[datetime], context: SweepContext) -> None:
        self.envelopes += [
            envelope(event, context, at.replace(tzinfo=None), self.role)
            for event, at in zip(events, times, strict=True)
            if not self.loses(event)
        ]
