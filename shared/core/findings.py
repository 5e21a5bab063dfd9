"""What a sweep found, what it plans to do about it, and the events that tell both. Pure.

Nothing has been changed yet: that is for `shared/steps/sweep.py`, which tells what came of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from typing import Self, assert_never

from shared.core.announcements import (
    account_held,
    drift_found,
    exemption_observed,
    in_its_ring,
    key_access_changed,
    patch_war,
    subscriptions_read,
)
from shared.core.change_log import ChangeLog
from shared.core.decision import Brake, Plan, decide, held_by_the_brake, plan, too_many
from shared.core.events import BrakeEngaged, DriftFound, PatchWar, RingEvent
from shared.core.model import (
    Decision,
    Exempt,
    Inventory,
    KeyChange,
    Lapsed,
    Outcome,
    Result,
    Verdict,
)
from shared.core.owner import Owner, owner_of
from shared.core.rings import Audited, InForce, Standing, Standings, ToCome, written
from shared.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Findings:
    """What a sweep knows when it begins to write."""

    settings: Settings
    inventory: Inventory
    log: ChangeLog
    standings: Standings
    """The rings as they stood when the sweep began."""
    decisions: tuple[Decision, ...]
    """One for each account of the inventory that is in scope."""
    planned: Plan
    may_write: bool
    """False: the sweep only says what enforcing would do."""

    @classmethod
    def of(
        cls,
        settings: Settings,
        inventory: Inventory,
        log: ChangeLog,
        standings: Standings,
        sweep_id: str,
        *,
        may_write: bool,
    ) -> Self:
        """Decide on each account, and say which of the drifts to change.

        The brake counts the drifts in rings that are in force; where nothing can be written, those
        that enforcing would change first.
        """
        decisions = _decided(inventory, settings, standings.now.date())
        drift = _drift(decisions)
        chosen = (standings.in_force if may_write else standings.first_to_write)(
            decision.account.id.subscription_id for decision in drift
        )
        planned = plan(
            [decision for decision in drift if decision.account.id.subscription_id in chosen],
            settings.limits,
            standings.now,
            sweep_id,
            settings.schedule.interval,
        )
        if may_write:
            decisions = held_by_the_brake(decisions, planned.held, settings.limits)
        log = log.held_against(inventory)
        return cls(settings, inventory, log, standings, tuple(decisions), planned, may_write)

    @property
    def drift(self) -> Sequence[Decision]:
        """What the sweep is about, but for what the brake holds."""
        return _drift(self.decisions)

    @property
    def brake(self) -> str:
        """Say what the brake does, or in audit mode would do; empty if nothing."""
        return self.planned.brake_does if self.may_write else self.planned.brake_would

    def brake_engaged(self) -> BrakeEngaged:
        """Say that there is more to change than the limit allows."""
        return BrakeEngaged(
            brake=self.brake,
            changes=self._changes,
            limit=self.settings.limits.most_changes,
            held=len(self.planned.held),
        )

    def announcements(self, now: datetime) -> Mapping[str, DriftFound]:
        """Return what announces each drift, by `AccountId.key`."""
        return {
            decision.account.id.key: self._in_its_ring(self._announcement(decision, now))
            for decision in self.drift
        }

    def told_besides(self, changes: Iterable[KeyChange]) -> Iterator[RingEvent]:
        """Return all that is told beside the drifts: these changes of keys, and what stands.

        Whoever sees that a subscription was read finds the events of all its accounts: that is
        told last.
        """
        events = chain(
            (key_access_changed(change, self._flips(change)) for change in changes),
            self._patch_wars(),
            self._exempt_and_held(),
            subscriptions_read(self.inventory, self.decisions, self.standings),
        )
        return map(self._in_its_ring, events)

    def audited(self) -> Iterator[Outcome]:
        """Say what enforcing would do about the drifts that are not to be written."""
        to_write = _keys(self.planned.change) if self.may_write else ()
        braked = _keys((*self.planned.change, *self.planned.held)) if self.brake else ()
        for decision in self.drift:
            account = decision.account.id
            if account.key in to_write:
                continue
            detail = _audited_because(self.standings.of(account.subscription_id))
            if account.key in braked:
                detail += f" {self._would_brake()}"
            yield Outcome(decision, Result.WOULD_DISABLE, detail)

    def _would_brake(self) -> str:
        """Say in a sentence what the brake would do to each of the changes."""
        limits = self.settings.limits
        if self.planned.brake is Brake.TRICKLE:
            through = f"{limits.most_changes} of {self._changes} changes"
            return f"The brake would let {through} through in one sweep."
        return f"The brake would hold it: {too_many(self._changes, limits)}"

    @property
    def _changes(self) -> int:
        return len(self.planned.change) + len(self.planned.held)

    def _in_its_ring[Told: RingEvent](self, event: Told) -> Told:
        return in_its_ring(event, self.standings)

    def _owner(self, decision: Decision) -> Owner:
        return owner_of(decision, self.settings.owner_tags, self.log)

    def _announcement(self, decision: Decision, now: datetime) -> DriftFound:
        account, log = decision.account.id.key, self.log
        opened, owner = log.open_since(decision, now), self._owner(decision)
        return drift_found(decision, log.last_on(account), log.flips(account), opened, owner, now)

    def _flips(self, change: KeyChange) -> int:
        return self.log.flips(change.account.key)

    def _patch_wars(self) -> Iterator[PatchWar]:
        for on, off in self.log.wars().values():
            yield patch_war(on, off, self._flips(on))

    def _exempt_and_held(self) -> Iterator[RingEvent]:
        today = self.standings.now.date()
        for decision in self.decisions:
            owner = self._owner(decision)
            observed = exemption_observed(decision, _days_left(decision, today), owner)
            if observed is not None:
                yield observed
            if decision.verdict is Verdict.HELD:
                yield account_held(decision, owner)


def _decided(inventory: Inventory, settings: Settings, today: date) -> list[Decision]:
    """Decide on each account that was seen, but for those that are not in scope."""
    decisions = [
        decide(account, settings.scope, settings.rules, today) for account in inventory.accounts
    ]
    return [decision for decision in decisions if decision.verdict is not Verdict.OUT_OF_SCOPE]


def _drift(decisions: Iterable[Decision]) -> list[Decision]:
    return [decision for decision in decisions if decision.verdict is Verdict.DRIFT]


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


def _days_left(decision: Decision, today: date) -> int | None:
    match decision.exemption:
        case Exempt(until=date() as until) | Lapsed(until=until):
            return (until - today).days
        case _:
            return None
