"""Settings become real parts. The only place where credentials are made.

A `Process` is what one worker process keeps between ticks: credentials, the connection pool and
telemetry are made at the first tick and used by the next ones.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import azure.identity
import azure.identity.aio
from azure.core.credentials import TokenCredential

from shared import __version__, telemetry
from shared.arm import ArmReader, ArmWriter
from shared.changes import ChangeReader
from shared.deadline import Deadline
from shared.discovery import Discovery
from shared.errors import SettingsError, SweepNotWhole
from shared.events import Event, SettingsRejected, SweepContext
from shared.graph import Graph
from shared.model import Clock
from shared.pacing import Lanes, Pace
from shared.remediation import UNIT_SECONDS, Remediation
from shared.report import SweepReport
from shared.settings import Mode, Settings, read_connection_string, read_settings
from shared.sweep import Sweep, new_sweep_id
from shared.telemetry import Telemetry
from shared.transport import ClockedTransport, TokenCache, build_pipeline

type _Credential = (
    azure.identity.aio.ManagedIdentityCredential | azure.identity.aio.DefaultAzureCredential
)

# How long telemetry may take to leave, of the time budget.
_FLUSH_SECONDS = 20.0

_log = logging.getLogger("keysweep")


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """Return the moment."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class _Channel:
    """Sends the events of one sweep."""

    telemetry: Telemetry
    context: SweepContext

    async def emit(self, event: Event) -> None:
        await self.telemetry.emit(self.context, event)


class Process:
    """What one worker process keeps between ticks."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        """Note where to read the settings from; nothing is read or made yet."""
        self._environ = environ
        self._clock = clock
        self._transport: ClockedTransport | None = None
        self._tokens: TokenCache | None = None
        self._credential: _Credential | None = None
        self._lanes = Lanes()

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
        report: SweepReport | None = None
        try:
            with channel.operation(trace_parent, trace_state):
                report = await self._sweep(channel, last)
                if not report.whole:
                    raise SweepNotWhole(report.sweep_id, report.reasons)
                return report
        finally:
            if report is None or not report.inventory.coverage:
                # Nothing could be read: what the next tick begins with is new.
                await self.close()
            # Raised over the sweep's own error, which stays visible as its context.
            await channel.flush()

    async def close(self) -> None:
        """Let go of connections and credential; the next tick makes new ones."""
        transport, credential = self._transport, self._credential
        self._transport = self._credential = self._tokens = None
        if transport is not None:
            await transport.close()
        if credential is not None:
            await credential.close()

    async def _sweep(self, channel: Telemetry, last: str) -> SweepReport:
        sweep_id = new_sweep_id(self._clock.now(), secrets.token_hex(4))
        try:
            settings = read_settings(self._environ)
        except SettingsError as error:
            await channel.emit(
                SweepContext(sweep_id, "", __version__),
                SettingsRejected(
                    problems="; ".join(error.problems), problem_count=len(error.problems)
                ),
            )
            raise
        _log.info("Sweep %s begins: %s", sweep_id, settings)
        coming = settings.enforce_from if self._is_notice(settings) else None
        context = SweepContext(
            sweep_id, settings.mode, __version__, coming.isoformat() if coming else None
        )
        sweep = self._build(sweep_id, settings, channel, context, _moment(last))
        report = await sweep.run()
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

    def _build(
        self,
        sweep_id: str,
        settings: Settings,
        channel: Telemetry,
        context: SweepContext,
        last_tick: datetime | None,
    ) -> Sweep:
        cloud = settings.cloud
        if self._transport is None or self._tokens is None:
            self._transport = ClockedTransport(self._clock)
            self._credential = _async_credential(self._environ, settings)
            self._tokens = TokenCache(self._credential, self._clock)
        # What is left at the end is for the telemetry to leave.
        work = settings.budget - min(_FLUSH_SECONDS, settings.budget / 4)
        deadline = Deadline.after(self._clock, work)
        pace = Pace(self._lanes, self._clock, deadline, settings.concurrency)
        pipeline = build_pipeline(
            self._transport, self._tokens, cloud.scope, pace, channel, __version__
        )
        arm = ArmReader(cloud.endpoint, cloud.scope, pipeline, self._tokens)
        graph = Graph(cloud.endpoint, cloud.scope, pipeline)
        discovery = Discovery(
            arm=arm,
            graph=graph,
            clock=self._clock,
            scope=settings.scope,
            tag=settings.rules.tag,
            tenant_id=settings.tenant_id,
            concurrency=settings.concurrency,
            inherit=settings.inherit,
        )
        remediation = None
        if settings.mode is Mode.ENFORCE and not self._is_notice(settings):
            remediation = Remediation(
                accounts=ArmWriter(cloud.endpoint, cloud.scope, pipeline, self._tokens, deadline),
                permits=pace,
                clock=self._clock,
                deadline=deadline,
                rules=settings.rules,
                inherit=settings.inherit,
                unit_seconds=min(UNIT_SECONDS, work / 2),
            )
        return Sweep(
            sweep_id=sweep_id,
            settings=settings,
            clock=self._clock,
            discovery=discovery,
            changes=ChangeReader(graph, arm, self._clock),
            remediation=remediation,
            emitter=_Channel(channel, context),
            last_tick=last_tick,
        )

    def _sync_credential(self) -> TokenCredential:
        """Make the exporter's credential, which must be the sync kind (telemetry facts §6, run)."""
        client_id = self._environ.get("AZURE_CLIENT_ID", "").strip() or None
        if self._environ.get("IDENTITY_ENDPOINT"):
            return azure.identity.ManagedIdentityCredential(client_id=client_id)
        return azure.identity.DefaultAzureCredential()


def _moment(text: str) -> datetime | None:
    """Read what the host says of the last firing; a host that never fired says the year 1."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if moment.year > 1 else None


def _async_credential(environ: Mapping[str, str], settings: Settings) -> _Credential:
    """Make the credential for Azure: the app's managed identity, or a person's own sign-in."""
    if environ.get("IDENTITY_ENDPOINT"):
        return azure.identity.aio.ManagedIdentityCredential(client_id=settings.client_id)
    return azure.identity.aio.DefaultAzureCredential()
