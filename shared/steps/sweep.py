"""One run: discover, decide, announce, remediate, report. Events are emitted as things happen.

Nothing is written unannounced: a change is begun once Application Insights has acknowledged the
DriftFound that announces it. So a process that is killed at any moment leaves an announced change
without an outcome, and no change that nobody was told of.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.core.announcements import (
    coverage_gap,
    in_its_ring,
    remediation_outcome,
    sources_disagree,
)
from shared.core.decision import Plan
from shared.core.events import DriftFound, Event, SweepStarted
from shared.core.findings import Findings
from shared.core.model import Clock, Decision, Outcome, Result
from shared.core.report import InventoryTold, SweepReport
from shared.core.rings import Rings
from shared.core.settings import Settings
from shared.steps.allowance import Allowance
from shared.steps.full_inventory import FullInventory
from shared.steps.ports import ChangeLogReader, Discoverer, Emitter, Remediator, Throttling

_log = logging.getLogger("keysweep")

# How many accounts of one subscription are worked on, or wait for its lanes, at the same time.
_WORKERS_PER_SUBSCRIPTION = 4
# KeyAccessChanged is told for changes since the timer last fired, and for so long before that: the
# change log lags. Where the last firing is not known, for a day.
_OVERLAP = timedelta(hours=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep of a tenant. Without a remediator it can't write: that is audit mode.

    A remediator is made once it is known which subscriptions are in which ring.
    """

    sweep_id: str
    settings: Settings
    clock: Clock
    discovery: Discoverer
    changes: ChangeLogReader
    remediation: Callable[[Rings], Remediator] | None
    emitter: Emitter
    throttling: Throttling
    full_inventory: FullInventory | None = None
    """None: no daily inventory is due."""
    last: datetime | None = None
    """When the timer fired before this, as far as is known."""

    async def run(self) -> SweepReport:
        """Sweep once. What Azure refuses is in the report; it is not raised."""
        started, began = self.clock.now(), self.clock.monotonic()
        await self.emitter.emit(_started(self.settings))
        found = await self._found(started)
        # Before all other events: what is announced early is acknowledged early.
        announcements = found.announcements(self.clock.now())
        await self._emit(announcements.values())
        changes = found.log.since((self.last or started - _DAY) - _OVERLAP)
        await self._emit(found.told_besides(changes))
        outcomes = await self._outcomes(found, announcements)
        report = SweepReport(
            sweep_id=self.sweep_id,
            mode=self.settings.mode,
            started=started,
            inventory=found.inventory,
            decisions=found.decisions,
            outcomes=outcomes,
            inventory_told=await self._inventory_told(found, outcomes),
            duration=self.clock.monotonic() - began,
            brake=found.brake,
            change_log_unread=found.log.unread,
            change_log_lacking=found.log.lacking,
            key_changes=len(changes),
            throttled=self.throttling.throttled,
            rings=found.standings.rings,
        )
        await self.emitter.emit(report.completed())
        return report

    async def _found(self, started: datetime) -> Findings:
        """Read what there is, and decide. What could not be seen is told as soon as it is known."""
        inventory = await self.discovery.discover()
        standings = self.settings.rings.knowing(inventory.below).at(started)
        await self._emit(map(coverage_gap, inventory.gaps))
        disagreements = map(sources_disagree, inventory.disagreements)
        await self._emit(in_its_ring(event, standings) for event in disagreements)
        log = await self.changes.read([read.subscription.id for read in inventory.coverage])
        found = Findings.of(
            self.settings,
            inventory,
            log,
            standings,
            self.sweep_id,
            may_write=self.remediation is not None,
        )
        if found.brake:
            await self.emitter.emit(found.brake_engaged())
        return found

    async def _emit(self, events: Iterable[Event]) -> None:
        for event in events:
            await self.emitter.emit(event)

    async def _outcomes(
        self, found: Findings, announcements: Mapping[str, DriftFound]
    ) -> tuple[Outcome, ...]:
        """Say of each drift what enforcing would do, or make the change that is planned.

        Each outcome is told.
        """
        outcomes: list[Outcome] = []

        async def tell(outcome: Outcome) -> None:
            outcomes.append(outcome)
            event = remediation_outcome(outcome, announcements[outcome.decision.account.id.key])
            await self.emitter.emit(in_its_ring(event, found.standings))

        for outcome in found.audited():
            await tell(outcome)
        if self.remediation is not None:
            remediator = self.remediation(found.standings.rings)
            await self._remediate(remediator, found.planned, announcements, tell)
        return tuple(outcomes)

    async def _remediate(
        self,
        remediation: Remediator,
        planned: Plan,
        announcements: Mapping[str, DriftFound],
        tell: Callable[[Outcome], Awaitable[None]],
    ) -> None:
        """Make the changes of the plan that were announced and acknowledged."""
        needed = [announcements[decision.account.id.key] for decision in planned.change]
        acknowledged = await self.emitter.acknowledged(needed) if needed else ()
        announced = {event.account_id for event in acknowledged if isinstance(event, DriftFound)}
        allowance = Allowance(planned.most_writes, planned.released_until)

        async def work(queue: Iterator[Decision]) -> None:
            for decision in queue:
                if decision.account.id.key not in announced:
                    await tell(_unannounced(decision))
                    continue
                try:
                    outcome = await remediation.remediate(decision, allowance)
                except Exception as error:  # noqa: BLE001 - a bug with one account stops no other
                    outcome = _unexpected(decision, error)
                await tell(outcome)

        await work_through(
            planned.change, lambda decision: decision.account.id.subscription_id, work
        )

    async def _inventory_told(
        self, found: Findings, outcomes: Iterable[Outcome]
    ) -> InventoryTold | None:
        """Tell the daily inventory, if one is due."""
        if self.full_inventory is None:
            return None
        return await self.full_inventory.tell(
            found.inventory, found.decisions, outcomes, found.standings
        )


async def work_through[Change](
    changes: Iterable[Change],
    subscription_of: Callable[[Change], str],
    work: Callable[[Iterator[Change]], Coroutine[Any, Any, None]],
) -> None:
    """Work through changes, each subscription by a few workers of its own.

    So a subscription whose lane is closed keeps no other one waiting. `work` is one worker: it
    takes changes from a queue that it shares with the others of its subscription.
    """
    by_subscription: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        by_subscription[subscription_of(change)].append(change)
    async with asyncio.TaskGroup() as group:
        for changes_there in by_subscription.values():
            queue = iter(changes_there)
            for _ in range(min(_WORKERS_PER_SUBSCRIPTION, len(changes_there))):
                group.create_task(work(queue))


def _unannounced(decision: Decision) -> Outcome:
    """Put off a change whose announcement nothing acknowledged."""
    detail = (
        "Application Insights did not acknowledge the announcement of this change, and nothing is "
        "written unannounced."
    )
    return Outcome(decision, Result.DEFERRED, detail, unannounced=True)


def _unexpected(decision: Decision, error: Exception) -> Outcome:
    """Say that something of ours went wrong: whether the account was changed is not known."""
    _log.error("Remediating %s went wrong", decision.account.id, exc_info=error)
    detail = (
        "Keysweep itself went wrong here: look at the account, and report this "
        f"({type(error).__name__}: {error})."
    )
    return Outcome(decision, Result.UNVERIFIED, detail, accepted=True)


def _started(settings: Settings) -> SweepStarted:
    scope = settings.scope
    named = ", ".join(scope.management_groups or scope.subscriptions)
    return SweepStarted(
        scope=named or "all that the identity can read",
        kinds=", ".join(scope.kinds),
        exemption_tag=settings.rules.tag,
        notes=" ".join(settings.notes),
    )


def new_sweep_id(now: datetime, suffix: str) -> str:
    """Name a sweep by its UTC time, so that ids sort by it."""
    return f"{now:%Y%m%dT%H%M%SZ}-{suffix}"
