"""The Function's process: settings become parts, parts a sweep, a sweep telemetry.

A `Process` is what one worker process keeps between ticks: connections and telemetry are made at
the first tick and used by the next ones.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import azure.identity
from azure.core.credentials import TokenCredential

from shared import __version__
from shared.border import telemetry
from shared.border.telemetry import Telemetry
from shared.border.transport import PlainSyncTransport
from shared.core.deadline import Deadline
from shared.core.errors import SettingsError, SweepNotWhole
from shared.core.events import Event, SettingsRejected, SweepContext
from shared.core.model import Clock, in_utc
from shared.core.report import SweepReport
from shared.core.settings import Mode, Settings, read_connection_string, read_settings
from shared.steps.sweep import new_sweep_id
from shared.workspace import Connections, SystemClock

__all__ = ["Process", "SystemClock"]

# How long telemetry may take to leave, of the time budget.
_FLUSH_SECONDS = 20.0

_log = logging.getLogger("keysweep")


@dataclass(frozen=True, slots=True)
class _Channel:
    """Sends the events of one sweep. Its waiting counts into the sweep's time budget."""

    telemetry: Telemetry
    context: SweepContext
    deadline: Deadline

    async def emit(self, event: Event) -> None:
        await self.telemetry.emit(self.context, event, self.deadline.left)

    async def acknowledged(self, events: Sequence[Event]) -> Sequence[Event]:
        return await self.telemetry.acknowledged(self.context, events, self.deadline.left)


class Process:
    """What one worker process keeps between ticks."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        """Note where to read the settings from; nothing is read or made yet."""
        self._environ = environ
        self._clock = clock
        self._connections = Connections(environ, clock)
        self._last: datetime | None = None
        self._reserve = _FLUSH_SECONDS

    async def tick(
        self, trace_parent: str = "", trace_state: str = "", last: str = ""
    ) -> SweepReport:
        """Sweep once, under the invocation's trace. `last` is the previous firing, ISO 8601.

        Raises SettingsError, SweepNotWhole or TelemetryLost, all after telemetry was flushed.
        """
        channel = telemetry.configure(
            read_connection_string(self._environ),
            self._environ.get("WEBSITE_SITE_NAME", "").strip() or "keysweep",
            self._sync_credential,
            self._clock,
        )
        sweep_id = new_sweep_id(self._clock.now(), secrets.token_hex(4))
        report: SweepReport | None = None
        try:
            with channel.operation(trace_parent, trace_state):
                report = await self._sweep(channel, sweep_id, last)
                if not report.whole:
                    raise SweepNotWhole(report.sweep_id, report.reasons)
                return report
        finally:
            try:
                if report is None or not report.inventory.coverage:
                    # Nothing could be read: what the next tick begins with is new.
                    await self.close()
            finally:
                # Raised over the sweep's own error, which stays visible as its context.
                await channel.flush(sweep_id, self._reserve)

    async def close(self) -> None:
        """Let go of connections and credential; the next tick makes new ones."""
        await self._connections.close()

    async def _sweep(self, channel: Telemetry, sweep_id: str, last_firing: str) -> SweepReport:
        try:
            settings = read_settings(self._environ)
        except SettingsError as error:
            await channel.emit(
                SweepContext(sweep_id, "", __version__),
                SettingsRejected(
                    problems="; ".join(error.problems), problem_count=len(error.problems)
                ),
                _FLUSH_SECONDS,
            )
            raise
        _log.info("Sweep %s begins: %s", sweep_id, settings)
        for note in settings.notes:
            _log.warning("Sweep %s: %s", sweep_id, note)
        coming = settings.enforce_from if self._is_notice(settings) else None
        context = SweepContext(
            sweep_id, settings.mode, __version__, coming.isoformat() if coming else None
        )
        # What is left at the end is for the telemetry to leave.
        self._reserve = min(_FLUSH_SECONDS, settings.budget / 4)
        now = self._clock.now()
        last = _moment(last_firing) or self._last
        self._last = now
        parts = self._connections.parts(settings, channel, self._reserve, last)
        enforces = settings.mode is Mode.ENFORCE and not self._is_notice(settings)
        remediation = parts.remediation() if enforces else None
        emitter = _Channel(channel, context, parts.deadline)
        inventory = parts.full_inventory(emitter)
        report = await parts.sweep(sweep_id, emitter, remediation, parts.arm, inventory).run()
        channel.measure(report)
        _log.info("Sweep %s ends: %s", sweep_id, report.completed())
        return report

    def _is_notice(self, settings: Settings) -> bool:
        """Whether enforcement is announced for a moment that is yet to come."""
        return (
            settings.mode is Mode.ENFORCE
            and settings.enforce_from is not None
            and self._clock.now() < settings.enforce_from
        )

    def _sync_credential(self) -> TokenCredential:
        """Make the exporter's credential, which must be the sync kind (docs/facts.md, 5)."""
        transport = PlainSyncTransport()
        if not self._environ.get("IDENTITY_ENDPOINT"):
            return azure.identity.DefaultAzureCredential(transport=transport)
        client_id = self._environ.get("AZURE_CLIENT_ID", "").strip() or None
        return azure.identity.ManagedIdentityCredential(client_id=client_id, transport=transport)


def _moment(text: str) -> datetime | None:
    """Read what the host says of the last firing; a host that never fired says the year 1."""
    try:
        moment = in_utc(datetime.fromisoformat(text))
    except ValueError:
        return None
    return moment if moment.year > 1 else None
