"""What a sweep found and did, as one value. Pure.

Counts are properties, derived from the parts; nothing is counted on the way. They always add up:
accounts = compliant + exempt + held + drift, disjoint, and every drift has one outcome.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.core.events import SweepCompleted
from shared.core.model import Decision, Inventory, Outcome, Result, Source, Verdict
from shared.core.rings import Audited, InForce, Rings, Standing, ToCome

_REASONS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class InventoryTold:
    """What was told of the daily inventory."""

    accounts: int
    """How many AccountSeen were sent."""
    unread: tuple[str, ...] = ()
    """What could not be read, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """A finished sweep."""

    sweep_id: str
    mode: str
    started: datetime
    duration: float
    """Seconds."""
    inventory: Inventory
    decisions: tuple[Decision, ...]
    """One for each account of the inventory."""
    outcomes: tuple[Outcome, ...]
    """One for each decision whose verdict is DRIFT."""
    brake: str = ""
    """What the brake did, or in audit mode would do; empty: nothing."""
    change_log_unread: str = ""
    """Why the platform's change log could not be read; empty if it was."""
    change_log_lacking: int = 0
    """Rows of it that lack what we need."""
    key_changes: int = 0
    """Changes of accounts' keys that were told."""
    throttled: int = 0
    """Requests that Azure answered with 429."""
    inventory_told: InventoryTold | None = None
    """None: no daily inventory was due."""
    rings: Rings = field(default_factory=Rings)
    """Where keys were turned off."""

    def standing(self, decision: Decision) -> Standing:
        """Say in which ring an account was when the sweep began."""
        return self.rings.standing(decision.account.id.subscription_id, self.started)

    def drift_that_is(self, kind: type[Standing]) -> tuple[Decision, ...]:
        """Return the drifts whose ring stands so."""
        return tuple(
            decision
            for decision in self.with_verdict(Verdict.DRIFT)
            if isinstance(self.standing(decision), kind)
        )

    @property
    def change_log(self) -> str:
        """Say how the change log was read."""
        if self.change_log_unread or not self.change_log_lacking:
            return self.change_log_unread or "read"
        rows = "1 row" if self.change_log_lacking == 1 else f"{self.change_log_lacking} rows"
        return f"read, but for {rows}"

    @property
    def daily_inventory(self) -> str:
        """Say what is missing of the daily inventory; empty: none was due."""
        told = self.inventory_told
        if told is None:
            return ""
        missing = list(told.unread[:_REASONS_SHOWN])
        if self.inventory.gaps:
            missing.append(f"gaps: {len(self.inventory.gaps)}, and what is behind them is not told")
        if told.accounts != self.accounts:
            missing.append(f"accounts: {told.accounts} told, {self.accounts} counted")
        return "; ".join(missing) or "told"

    def with_verdict(self, verdict: Verdict) -> tuple[Decision, ...]:
        """Return the decisions with one verdict."""
        return tuple(decision for decision in self.decisions if decision.verdict is verdict)

    @property
    def compliant(self) -> int:
        """Accounts with keys off: counted where they are, by census or by list."""
        return sum(read.census.keys_off for read in self.inventory.coverage)

    @property
    def exempt(self) -> int:
        """Accounts that a tag lets keep their keys."""
        return len(self.with_verdict(Verdict.EXEMPT))

    @property
    def held(self) -> int:
        """Accounts with keys on, deliberately not touched."""
        return len(self.with_verdict(Verdict.HELD))

    @property
    def drift(self) -> int:
        """Accounts with keys on that the sweep is about."""
        return len(self.with_verdict(Verdict.DRIFT))

    @property
    def accounts(self) -> int:
        """All accounts of the kinds in scope that were seen."""
        return self.compliant + self.exempt + self.held + self.drift

    @property
    def verdicts(self) -> Mapping[Verdict, int]:
        """Accounts by verdict."""
        return {
            Verdict.COMPLIANT: self.compliant,
            Verdict.EXEMPT: self.exempt,
            Verdict.HELD: self.held,
            Verdict.DRIFT: self.drift,
        }

    @property
    def results(self) -> Mapping[Result, int]:
        """Drifts by result."""
        return Counter(outcome.result for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes that need a person."""
        return tuple(outcome for outcome in self.outcomes if outcome.result.fails_the_sweep)

    @property
    def unannounced(self) -> int:
        """Changes that were not begun because nothing acknowledged their announcement."""
        return sum(outcome.unannounced for outcome in self.outcomes)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why somebody must look; empty if the sweep is whole."""
        reasons = [
            f"{gap.kind} {gap.name} could not be read: {gap.problem}" for gap in self.inventory.gaps
        ]
        for outcome in self.failures:
            code = f" ({outcome.azure_code})" if outcome.azure_code else ""
            reasons.append(f"{outcome.decision.account.id.name}: {outcome.result}{code}")
        if self.unannounced:
            one = self.unannounced == 1
            changes = "1 change was" if one else f"{self.unannounced} changes were"
            reasons.append(
                f"{changes} not begun: Application Insights did not acknowledge the announcement"
            )
        return tuple(reasons)

    @property
    def whole(self) -> bool:
        """Whether everything in scope was read and nothing needs a person."""
        return not self.reasons

    def completed(self) -> SweepCompleted:
        """Return the event that says that the sweep ran to its end."""
        coverage, left_alone = self.inventory.coverage, self.inventory.left_alone
        return SweepCompleted(
            whole=self.whole,
            reasons="; ".join(self.reasons[:_REASONS_SHOWN]),
            duration_seconds=self.duration,
            subscriptions_read=len(coverage),
            subscriptions_read_directly=sum(read.source is Source.ARM for read in coverage),
            subscriptions_disabled=len(left_alone.disabled),
            subscriptions_other_tenant=len(left_alone.other_tenant),
            subscriptions_excluded=len(left_alone.excluded),
            gaps=len(self.inventory.gaps),
            accounts=self.accounts,
            compliant=self.compliant,
            exempt=self.exempt,
            held=self.held,
            drift=self.drift,
            drift_enforced=len(self.drift_that_is(InForce)),
            drift_to_come=len(self.drift_that_is(ToCome)),
            drift_audited=len(self.drift_that_is(Audited)),
            disabled=self.results.get(Result.DISABLED, 0),
            needing_attention=len(self.failures),
            deferred=self.results.get(Result.DEFERRED, 0),
            throttled=self.throttled,
            brake=self.brake,
            key_changes=self.key_changes,
            change_log=self.change_log,
            inventory=self.daily_inventory,
            inventory_accounts=self.inventory_told.accounts if self.inventory_told else None,
            resource_graph=self.inventory.graph_unread or "read",
        )
