"""Events, made of what a sweep found."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, assert_never

from shared.core.events import (
    AccountHeld,
    AccountSeen,
    CoverageGap,
    DriftFound,
    ExemptionObserved,
    KeyAccessChanged,
    PatchWar,
    RemediationOutcome,
    SourcesDisagree,
    SubscriptionRead,
)
from shared.core.model import (
    Account,
    AccountId,
    AtLeast,
    Decision,
    Disagreement,
    Exactly,
    Exempt,
    Exemption,
    Gap,
    Inventory,
    KeyChange,
    Lapsed,
    NotExempt,
    NotKnown,
    OpenSince,
    Outcome,
    Unreadable,
    Verdict,
)


def subscriptions_read(
    inventory: Inventory, decisions: Iterable[Decision]
) -> Iterator[SubscriptionRead]:
    """Say of each subscription that was read what was found there."""
    found = Counter(
        (decision.account.id.subscription_id, decision.verdict) for decision in decisions
    )
    for coverage in inventory.coverage:
        subscription, keys_off = coverage.subscription, coverage.census.keys_off
        exempt, held, drift = (
            found[subscription.id, verdict]
            for verdict in (Verdict.EXEMPT, Verdict.HELD, Verdict.DRIFT)
        )
        yield SubscriptionRead(
            subscription_id=subscription.id,
            subscription_name=subscription.name,
            management_groups=_path(subscription.management_groups),
            source=coverage.source,
            accounts=keys_off + exempt + held + drift,
            compliant=keys_off,
            exempt=exempt,
            held=held,
            drift=drift,
        )


def _path(groups: Sequence[str] | None) -> str | None:
    return None if groups is None else "/".join(groups)


def drift_found(
    decision: Decision, change: KeyChange | None, flips: int, opened: OpenSince, now: datetime
) -> DriftFound:
    """Say that an account drifted, and who let keys in, as far as that is known."""
    account = decision.account
    at = change.at if change else account.changed_at if account.changed_by else None
    return DriftFound(
        **_about(account),
        **_open(opened, now),
        reason=decision.reason,
        changed_by=change.by if change else account.changed_by,
        changed_by_type=change.by_type if change else "",
        client=change.client if change else "",
        changed_at=at.isoformat() if at else None,
        attribution="changeLog" if change else "lastModified" if account.changed_by else "unknown",
        flips=flips,
    )


def key_access_changed(change: KeyChange, flips: int) -> KeyAccessChanged:
    """Say that somebody turned keys on or off."""
    return KeyAccessChanged(
        **_named(change.account),
        change_id=change.id,
        changed_at=change.at.isoformat(),
        turned=change.turned,
        changed_by=change.by,
        changed_by_type=change.by_type,
        client=change.client,
        operation=change.operation,
        ours=change.ours,
        flips=flips,
    )


def patch_war(on: KeyChange, off: KeyChange, flips: int) -> PatchWar:
    """Say that two sides turn an account's keys on and off."""
    return PatchWar(
        **_named(on.account),
        flips=flips,
        turned_on_by=on.by,
        turned_on_by_type=on.by_type,
        turned_on_client=on.client,
        turned_on_at=on.at.isoformat(),
        turned_off_by=off.by,
        turned_off_by_type=off.by_type,
        turned_off_client=off.client,
        turned_off_at=off.at.isoformat(),
        ours=off.ours,
    )


def sources_disagree(disagreement: Disagreement) -> SourcesDisagree:
    """Say that Resource Graph and ARM disagree."""
    return SourcesDisagree(
        **_about(disagreement.account),
        graph_says=disagreement.graph,
        arm_says=disagreement.arm,
    )


def account_held(decision: Decision) -> AccountHeld:
    """Say that an account was held."""
    return AccountHeld(
        **_about(decision.account), hold_reason=str(decision.hold), reason=decision.reason
    )


def account_seen(account: Account, verdict: Verdict | None) -> AccountSeen:
    """Say that an account is there, and its verdict after the sweep; None: nobody decided."""
    return AccountSeen(**_about(account), keys_on=account.keys_on, verdict=verdict or "UNDECIDED")


def remediation_outcome(outcome: Outcome, announcement: DriftFound) -> RemediationOutcome:
    """Say what came of a drift, and since when it is open, as its announcement did."""
    return RemediationOutcome(
        **_about(outcome.decision.account),
        open_since=announcement.open_since,
        open_since_known=announcement.open_since_known,
        open_hours=announcement.open_hours,
        result=outcome.result,
        detail=outcome.detail,
        azure_code=outcome.azure_code,
        azure_message=outcome.azure_message,
        accepted=outcome.accepted,
    )


def exemption_observed(decision: Decision, days_left: int | None) -> ExemptionObserved | None:
    """Say that an account carries our tag; None if it does not."""
    exemption = decision.exemption
    state = _state(exemption)
    if state is None:
        return None
    granted = exemption if isinstance(exemption, Exempt | Lapsed) else None
    return ExemptionObserved(
        **_about(decision.account),
        state=state,
        keys_on=decision.account.keys_on,
        verdict=decision.verdict,
        until=granted.until.isoformat() if granted and granted.until else None,
        days_left=days_left,
        exemption_reason=granted.reason if granted else "",
        owner=granted.owner if granted else "",
        level=exemption.level if isinstance(exemption, Exempt) else "account",
        problem=exemption.problem if isinstance(exemption, Unreadable) else "",
    )


def _state(exemption: Exemption) -> str | None:
    match exemption:
        case Exempt():
            return "active"
        case Lapsed():
            return "lapsed"
        case Unreadable():
            return "unreadable"
        case NotExempt(explicit):
            return "refused" if explicit else None


def coverage_gap(gap: Gap) -> CoverageGap:
    """Say that something in scope could not be read."""
    return CoverageGap(
        subscription_id=gap.subscription_id,
        gap_kind=gap.kind,
        gap_name=gap.name,
        problem=gap.problem,
    )


def _named(account: AccountId) -> dict[str, Any]:
    return {
        "account_id": account.key,
        "subscription_id": account.subscription_id,
        "account_name": account.name,
    }


def _about(account: Account) -> dict[str, Any]:
    return {
        **_named(account.id),
        "resource_group": account.id.resource_group,
        "kind": account.kind,
        "location": account.location,
        "no_custom_subdomain": account.custom_subdomain is None,
    }


def _open(opened: OpenSince, now: datetime) -> dict[str, Any]:
    match opened:
        case Exactly(since):
            known = "exactly"
        case AtLeast(since):
            known = "atLeast"
        case NotKnown():
            return {"open_since": None, "open_since_known": "unknown", "open_hours": None}
        case _:
            assert_never(opened)
    return {
        "open_since": since.isoformat(),
        "open_since_known": known,
        "open_hours": round((now - since) / timedelta(hours=1), 2),
    }
