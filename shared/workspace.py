"""Settings become real parts, for the Function and the command line alike.

The only place where credentials for Azure Resource Manager are made. `Connections` is what lasts,
`Parts` is one piece of work on it, with a time budget of its own.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import azure.identity.aio

from shared import __version__
from shared.border.arm import ArmReader
from shared.border.arm_writer import ArmWriter
from shared.border.graph import Graph
from shared.border.lanes import Lanes
from shared.border.pacing import Pace
from shared.border.tokens import TokenCache
from shared.border.transport import (
    ClockedTransport,
    Observer,
    Pipeline,
    PlainTransport,
    build_pipeline,
)
from shared.core.deadline import Deadline
from shared.core.model import Clock
from shared.core.settings import Settings
from shared.steps.changes import ChangeReader
from shared.steps.cross_check import turns_due
from shared.steps.discovery import Discovery
from shared.steps.full_inventory import FullInventory
from shared.steps.ports import Emitter, Identity, Permits
from shared.steps.remediation import UNIT_SECONDS, AccountReader, Remediation, SecondLook
from shared.steps.sweep import Sweep

type _Credential = (
    azure.identity.aio.ManagedIdentityCredential | azure.identity.aio.DefaultAzureCredential
)


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
class Parts:
    """What one sweep, or one command of a person's, is made of."""

    connections: "Connections"
    settings: Settings
    clock: Clock
    transport: ClockedTransport
    observer: Observer
    pipeline: Pipeline
    tokens: TokenCache
    pace: Pace
    deadline: Deadline
    work_seconds: float
    """The time budget, less what is kept for telemetry to leave."""
    last: datetime | None
    """When the timer fired before this, as far as is known."""
    arm: ArmReader
    graph: Graph

    def again(self) -> "Parts":
        """Return the parts for a person's next step, whose time budget begins now."""
        return self.connections.parts(self.settings, self.observer)

    def discovery(self) -> Discovery:
        """Return what finds the accounts in scope."""
        return Discovery(
            arm=self.arm,
            graph=self.graph,
            deadline=self.deadline,
            scope=self.settings.scope,
            tag=self.settings.rules.tag,
            tenant_id=self.settings.tenant_id,
            turns=turns_due(self.settings.schedule, self.last, self.clock.now()),
            inherit=self.settings.inherit,
        )

    def changes(self, identity: Identity | None = None) -> ChangeReader:
        """Return what reads the platform's change log.

        `identity` is the Function's own, whose every update is one of the flag.
        """
        return ChangeReader(self.graph, self.clock, identity)

    def account_reader(self) -> AccountReader:
        """Return what reads accounts with the levels above that can exempt them."""
        return AccountReader(self.arm, self.settings.rules.tag, self.settings.inherit)

    def second_look(self) -> SecondLook:
        """Return what reads an account once more and decides again, just before its change."""
        settings = self.settings
        return SecondLook(self.account_reader(), self.clock, settings.scope, settings.rules)

    def remediation(self, permits: Permits | None = None) -> Remediation:
        """Return what turns keys off; `permits` may stand before the pace's own."""
        cloud = self.settings.cloud
        writer = ArmWriter(cloud.endpoint, cloud.scope, self.pipeline, self.tokens, self.pace)
        return Remediation(
            accounts=writer,
            permits=permits or self.pace,
            deadline=self.deadline,
            second_look=self.second_look(),
            unit_seconds=min(UNIT_SECONDS, self.work_seconds / 2),
        )

    def full_inventory(self, emitter: Emitter) -> FullInventory | None:
        """Return what tells every account, if the settings want it and the day's is due."""
        settings, now = self.settings, self.clock.now()
        if settings.daily_inventory and settings.schedule.is_first_of_day(now, self.last):
            return FullInventory(self.graph, emitter, self.deadline, settings.scope.kinds)
        return None

    def sweep(
        self,
        sweep_id: str,
        emitter: Emitter,
        remediation: Remediation | None,
        identity: Identity | None = None,
        full_inventory: FullInventory | None = None,
    ) -> Sweep:
        """Return a sweep; without a remediation it can't write. `identity` as in `changes`."""
        return Sweep(
            sweep_id=sweep_id,
            settings=self.settings,
            clock=self.clock,
            discovery=self.discovery(),
            changes=self.changes(identity),
            remediation=remediation,
            emitter=emitter,
            throttling=self.pace,
            full_inventory=full_inventory,
            last=self.last,
        )


class Connections:
    """What lasts from one piece of work to the next: the pool, the credential, tokens, lanes."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        """Note where to look for the identity; nothing is opened or asked yet."""
        self._environ = environ
        self._clock = clock
        self._lanes = Lanes()
        self._begin()

    def _begin(self) -> None:
        self._transport = ClockedTransport(self._clock)
        self._tokens = TokenCache(lambda: _async_credential(self._environ), self._clock)

    def parts(
        self,
        settings: Settings,
        observer: Observer,
        reserve: float = 0.0,
        last: datetime | None = None,
    ) -> Parts:
        """Make the parts for one piece of work; `reserve` seconds of its budget are kept back.

        `last` is when the timer fired before this, as far as is known.
        """
        cloud, transport, tokens = settings.cloud, self._transport, self._tokens
        work = settings.budget - reserve
        deadline = Deadline.after(self._clock, work)
        pace = Pace(self._lanes, self._clock, deadline, settings.concurrency)
        pipeline = build_pipeline(transport, tokens, cloud, pace, observer, __version__)
        return Parts(
            connections=self,
            settings=settings,
            clock=self._clock,
            transport=transport,
            observer=observer,
            pipeline=pipeline,
            tokens=tokens,
            pace=pace,
            deadline=deadline,
            work_seconds=work,
            last=last,
            arm=ArmReader(cloud.endpoint, cloud.scope, pipeline, tokens, pace),
            graph=Graph(cloud.endpoint, cloud.scope, pipeline),
        )

    async def close(self) -> None:
        """Let go of connections and credential; the next piece of work opens new ones."""
        transport, tokens = self._transport, self._tokens
        self._begin()
        await transport.close()
        await tokens.close()


def _async_credential(environ: Mapping[str, str]) -> _Credential:
    """Make the credential for Azure: the app's managed identity, or a person's own sign-in."""
    transport = PlainTransport()
    if not environ.get("IDENTITY_ENDPOINT"):
        return azure.identity.aio.DefaultAzureCredential(transport=transport)
    # The environment's and no file's: app settings name the Function's identity.
    client_id = environ.get("AZURE_CLIENT_ID", "").strip() or None
    return azure.identity.aio.ManagedIdentityCredential(client_id=client_id, transport=transport)
