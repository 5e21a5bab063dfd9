"""One run: discover, decide, announce, remediate, report. Events are emitted as things happen.

Nothing is written unannounced: a change is begun once Application Insights has acknowledged the
DriftFound that announces it. So a process that is killed at any moment leaves an announced change
without an outcome, and no change that nobody was told of.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, assert_never

from shared.core.announcements import (
    account_held,
    coverage_gap,
    drift_found,
    exemption_observed,
    in_its_ring,
    key_access_changed,
    patch_war,
    remediation_outcome,
    sources_disagree,
    subscriptions_read,
)
from shared.core.change_log import ChangeLog
from shared.core.decision import Plan, decide, held_by_the_brake, plan
from shared.core.events import (
    BrakeEngaged,
    DriftFound,
    Event,
    KeyAccessChanged,
    PatchWar,
    SweepStarted,
)
from shared.core.model import (
    Clock,
    Decision,
    Exempt,
    Inventory,
    KeyChange,
    Lapsed,
    Outcome,
    Result,
    Verdict,
)
from shared.core.owner import owner_of
from shared.core.report import SweepReport
from shared.core.rings import Audited, InForce, Rings, Standing, Standings, ToCome, written
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
        settings, started, began = self.settings, self.clock.now(), self.clock.monotonic()
        today = started.date()
        await self.emitter.emit(_started(settings))
        inventory = await self.discovery.discover()
        rings = settings.rings.knowing(inventory.below)
        standings = rings.at(started)
        in_ring = partial(in_its_ring, standings=standings)
        await self._emit(map(coverage_gap, inventory.gaps))
        await self._emit(map(in_ring, map(sources_disagree, inventory.disagreements)))
        log = await self.changes.read([read.subscription.id for read in inventory.coverage])
        log = log.held_against(inventory)
        decisions = _decided(inventory, settings, today)
        drift = [decision for decision in decisions if decision.verdict is Verdict.DRIFT]
        planned = plan(
            self._to_write(drift, standings),
            settings.limits,
            started,
            self.sweep_id,
            settings.schedule.interval,
        )
        brake = self._brake(planned)
        if brake:
            await self.emitter.emit(
                BrakeEngaged(
                    brake=brake,
                    changes=len(planned.change) + len(planned.held),
                    limit=settings.limits.most_changes,
                    held=len(planned.held),
                )
            )
        if planned.held and self.remediation is not None:
            decisions = held_by_the_brake(decisions, planned.held, settings.limits)
        # Before all other events: what is announced early is acknowledged early.
        announcements = {
            decision.account.id.key: in_ring(
                _announcement(decision, log, settings.owner_tags, self.clock.now())
            )
            for decision in decisions
            if decision.verdict is Verdict.DRIFT
        }
        await self._emit(announcements.values())
        since = (self.last or started - _DAY) - _OVERLAP
        changes = log.since(since)
        await self._emit(in_ring(_key_change(log, change)) for change in changes)
        await self._emit(map(in_ring, _patch_wars(log)))
        owned = _exempt_and_held(decisions, log, settings.owner_tags, today)
        await self._emit(map(in_ring, owned))
        # Last: whoever sees that a subscription was read finds the events of all its accounts.
        await self._emit(map(in_ring, subscriptions_read(inventory, decisions, standings)))
        outcomes = await self._outcomes(decisions, planned, announcements, standings)
        told = None
        if self.full_inventory is not None:
            told = await self.full_inventory.tell(inventory, decisions, outcomes, standings)
        report = SweepReport(
            sweep_id=self.sweep_id,
            mode=settings.mode,
            started=started,
            inventory=inventory,
            decisions=tuple(decisions),
            outcomes=outcomes,
            duration=self.clock.monotonic() - began,
            brake=brake,
            change_log_unread=log.unread,
            change_log_lacking=log.lacking,
            key_changes=len(changes),
            throttled=self.throttling.throttled,
            rings=rings,
            inventory_told=told,
        )
        await self.emitter.emit(report.completed())
        return report

    async def _emit(self, events: Iterable[Event]) -> None:
        for event in events:
            await self.emitter.emit(event)

    def _to_write(self, drift: Sequence[Decision], standings: Standings) -> list[Decision]:
        """Return the drifts in rings that are in force: what the brake counts.

        Where nothing can be written, those that enforcing would change first.
        """
        subscriptions = {decision.account.id.subscription_id for decision in drift}
        only_foretells = self.remediation is None
        which = standings.first_to_write if only_foretells else standings.in_force
        chosen = which(subscriptions)
        return [decision for decision in drift if decision.account.id.subscription_id in chosen]

    def _brake(self, planned: Plan) -> str:
        """Say what the brake does, or in audit mode would do; empty if nothing."""
        if planned.brake is None:
            return ""
        would = "would " if self.remediation is None else ""
        return f"{would}{planned.brake}: {planned.forecast}"

    async def _outcomes(
        self,
        decisions: Iterable[Decision],
        planned: Plan,
        announcements: Mapping[str, DriftFound],
        standings: Standings,
    ) -> tuple[Outcome, ...]:
        """Make the planned changes, and say of all other drift what enforcing would do.

        Each outcome is told.
        """
        outcomes: list[Outcome] = []

        async def tell(outcome: Outcome) -> None:
            outcomes.append(outcome)
            announcement = announcements[outcome.decision.account.id.key]
            await self.emitter.emit(
                in_its_ring(remediation_outcome(outcome, announcement), standings)
            )

        drift = (decision for decision in decisions if decision.verdict is Verdict.DRIFT)
        if self.remediation is None:
            audited = drift
        else:
            written_to = _keys(planned.change)
            audited = (found for found in drift if found.account.id.key not in written_to)
        for outcome in self._audited(audited, planned, standings):
            await tell(outcome)
        if self.remediation is not None:
            remediator = self.remediation(standings.rings)
            await self._remediate(remediator, planned, announcements, tell)
        return tuple(outcomes)

    def _audited(
        self, drift: Iterable[Decision], planned: Plan, standings: Standings
    ) -> Iterator[Outcome]:
        """Say what enforcing would do about drift that is audited."""
        braked = _keys((*planned.change, *planned.held)) if planned.brake is not None else ()
        for decision in drift:
            detail = _audited_because(standings.of(decision.account.id.subscription_id))
            if decision.account.id.key in braked:
                detail += f" Enforce {self._brake(planned)}"
            yield Outcome(decision, Result.WOULD_DISABLE, detail)

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


def _decided(inventory: Inventory, settings: Settings, today: date) -> list[Decision]:
    """Decide on each account that was seen, but for those that are not in scope."""
    decisions = [
        decide(account, settings.scope, settings.rules, today) for account in inventory.accounts
    ]
    return [decision for decision in decisions if decision.verdict is not Verdict.OUT_OF_SCOPE]


def _keys(decisions: Iterable[Decision]) -> frozenset[str]:
    return frozenset(decision.account.id.key for decision in decisions)


def _audited_because(standing: Standing) -> str:
    match standing:
        case Audited(why):
            return why
        case ToCome(coming):
            return f"Its keys go off from {written(coming)} on."
        case InForce():
            return "Audit mode changes nothing."
        case _:
            assert_never(standing)


def _announcement(
    decision: Decision, log: ChangeLog, owner_tags: Sequence[str], now: datetime
) -> DriftFound:
    account, opened = decision.account.id.key, log.open_since(decision, now)
    owner, last_on = owner_of(decision, owner_tags, log), log.last_on(account)
    return drift_found(decision, last_on, log.flips(account), opened, owner, now)


def _key_change(log: ChangeLog, change: KeyChange) -> KeyAccessChanged:
    return key_access_changed(change, log.flips(change.account.key))


def _patch_wars(log: ChangeLog) -> Iterator[PatchWar]:
    for account, (on, off) in log.wars().items():
        yield patch_war(on, off, log.flips(account))


def _exempt_and_held(
    decisions: Iterable[Decision], log: ChangeLog, owner_tags: Sequence[str], today: date
) -> Iterator[Event]:
    for decision in decisions:
        owner = owner_of(decision, owner_tags, log)
        observed = exemption_observed(decision, _days_left(decision, today), owner)
        if observed is not None:
            yield observed
        if decision.verdict is Verdict.HELD:
            yield account_held(decision, owner)


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


def _days_left(decision: Decision, today: date) -> int | None:
    match decision.exemption:
        case Exempt(until=date() as until) | Lapsed(until=until):
            return (until - today).days
        case _:
            return None


def new_sweep_id(now: datetime, suffix: str) -> str:
    """Name a sweep by its UTC time, so that ids sort by it."""
    return f"{now:%Y%m%dT%H%M%SZ}-{suffix}"
