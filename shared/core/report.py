"""What a sweep found and did, as one value. Pure.

Counts are properties, derived from the parts; nothing is counted on the way. They always add up:
accounts = compliant + exempt + held + drift, disjoint, and every drift has one outcome.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.core.events import SweepCompleted
from shared.core.model import Decision, Inventory, Outcome, Result, Source, Verdict


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

    @property
    def change_log(self) -> str:
        """Say how the change log was read."""
        rows = "1 row" if self.change_log_lacking == 1 else f"{self.change_log_lacking} rows"
        read = f"read, but for {rows}" if self.change_log_lacking else "read"
        return self.change_log_unread or read

    def with_verdict(self, verdict: Verdict) -> tuple[Decision, ...]:
        """Return the decisions with one verdict."""
        return tuple(each for each in self.decisions if each.verdict is verdict)

    @property
    def compliant(self) -> int:
        """Accounts with keys off: counted where they are, by census or by list."""
        return sum(each.census.keys_off for each in self.inventory.coverage)

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
    def unannounced(self) -> int:
        """Changes that were not begun because nothing acknowledged their announcement."""
        return sum(outcome.unannounced for outcome in self.outcomes)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why somebody must look; empty if the sweep is whole."""
        failed = tuple(
            f"{each.decision.account.id.name}: {each.result}"
            + (f" ({each.azure_code})" if each.azure_code else "")
            for each in self.outcomes
            if each.result.fails_the_sweep
        )
        return (
            tuple(
                f"{gap.kind} {gap.name} could not be read: {gap.problem}"
                for gap in self.inventory.gaps
            )
            + failed
            + self._unannounced
        )

    @property
    def _unannounced(self) -> tuple[str, ...]:
        if not self.unannounced:
            return ()
        changes = "1 change was" if self.unannounced == 1 else f"{self.unannounced} changes were"
        return (f"{changes} not begun: Application Insights did not acknowledge the announcement",)

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
            subscriptions_read_directly=sum(each.source is Source.ARM for each in coverage),
            subscriptions_disabled=len(left_alone.disabled),
            subscriptions_other_tenant=len(left_alone.other_tenant),
            subscriptions_excluded=len(left_alone.excluded),
            gaps=len(self.inventory.gaps),
            accounts=self.accounts,
            compliant=self.compliant,
            exempt=self.exempt,
            held=self.held,
            drift=self.drift,
            disabled=self.results.get(Result.DISABLED, 0),
            needing_attention=sum(each.result.fails_the_sweep for each in self.outcomes),
            deferred=self.results.get(Result.DEFERRED, 0),
            brake=self.brake,
            change_log=self.change_log,
            resource_graph=self.inventory.graph_unread or "read",
        )


_REASONS_SHOWN = 20
