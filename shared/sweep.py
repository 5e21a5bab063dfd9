"""One run: discover, decide, remediate, report. Events are emitted as things happen."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from shared.decision import Rules, decide
from shared.events import (
    Event,
    SweepStarted,
    account_held,
    coverage_gap,
    drift_found,
    exemption_observed,
    remediation_outcome,
)
from shared.model import (
    Clock,
    Decision,
    Exempt,
    Inventory,
    Lapsed,
    Outcome,
    Result,
    Verdict,
)
from shared.report import SweepReport
from shared.settings import Settings


class Discoverer(Protocol):
    """Finds the accounts in scope."""

    async def discover(self) -> Inventory:
        """Find them."""
        ...


class Remediator(Protocol):
    """Turns the keys of one account off."""

    async def remediate(self, decision: Decision) -> Outcome:
        """Turn them off, if the decision still holds."""
        ...


class Emitter(Protocol):
    """Sends events."""

    async def emit(self, event: Event) -> None:
        """Send one."""
        ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep of a tenant. Without a remediator it can't write: that is audit mode."""

    sweep_id: str
    settings: Settings
    clock: Clock
    discovery: Discoverer
    remediation: Remediator | None
    emitter: Emitter

    async def run(self) -> SweepReport:
        """Sweep once. What Azure refuses is in the report; it is not raised."""
        started, began = self.clock.now(), self.clock.monotonic()
        await self.emitter.emit(_started(self.settings))
        inventory = await self.discovery.discover()
        for gap in inventory.gaps:
            await self.emitter.emit(coverage_gap(gap))
        decisions = await self._decide(inventory, self.settings.rules, started.date())
        drift = [each for each in decisions if each.verdict is Verdict.DRIFT]
        report = SweepReport(
            sweep_id=self.sweep_id,
            mode=self.settings.mode,
            started=started,
            inventory=inventory,
            decisions=decisions,
            outcomes=await self._act(drift),
            duration=self.clock.monotonic() - began,
        )
        await self.emitter.emit(report.completed())
        return report

    async def _decide(
        self, inventory: Inventory, rules: Rules, today: date
    ) -> tuple[Decision, ...]:
        decisions = []
        for account in inventory.accounts:
            decision = decide(account, rules, today)
            decisions.append(decision)
            observed = exemption_observed(decision, _days_left(decision, today))
            if observed is not None:
                await self.emitter.emit(observed)
            if decision.verdict is Verdict.HELD:
                await self.emitter.emit(account_held(decision))
            elif decision.verdict is Verdict.DRIFT:
                await self.emitter.emit(drift_found(decision))
        return tuple(decisions)

    async def _act(self, drift: Sequence[Decision]) -> tuple[Outcome, ...]:
        if self.remediation is None:
            outcomes = [
                Outcome(each, Result.WOULD_DISABLE, "Audit mode changes nothing.") for each in drift
            ]
            for outcome in outcomes:
                await self.emitter.emit(remediation_outcome(outcome))
            return tuple(outcomes)
        return await self._remediate(self.remediation.remediate, drift)

    async def _remediate(
        self, remediate: Callable[[Decision], Awaitable[Outcome]], drift: Sequence[Decision]
    ) -> tuple[Outcome, ...]:
        """Work through the drift with so many hands, no subscription taking all of them."""
        waiting = iter(_spread(drift))
        outcomes: list[Outcome] = []

        async def work() -> None:
            for decision in waiting:
                outcome = await remediate(decision)
                outcomes.append(outcome)
                await self.emitter.emit(remediation_outcome(outcome))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.settings.concurrency, len(drift))):
                group.create_task(work())
        return tuple(outcomes)


def _started(settings: Settings) -> SweepStarted:
    scope = settings.scope
    named = ", ".join(scope.management_groups or scope.subscriptions)
    return SweepStarted(
        scope=named or "all that the identity can read",
        kinds=", ".join(scope.kinds),
        exemption_tag=settings.rules.tag,
    )


def _days_left(decision: Decision, today: date) -> int | None:
    match decision.exemption:
        case Exempt(until=date() as until) | Lapsed(until=until):
            return (until - today).days
        case _:
            return None


def _spread(drift: Sequence[Decision]) -> Iterable[Decision]:
    """Deal the drift out subscription by subscription, one from each in turn."""
    piles: dict[str, list[Decision]] = defaultdict(list)
    for decision in drift:
        piles[decision.account.id.subscription_id].append(decision)
    while piles:
        for subscription_id in list(piles):
            yield piles[subscription_id].pop()
            if not piles[subscription_id]:
                del piles[subscription_id]


def new_sweep_id(now: datetime, suffix: str) -> str:
    """Name a sweep by its UTC time, so that ids sort by it."""
    return f"{now:%Y%m%dT%H%M%SZ}-{suffix}"
