"""A sweep as Application Insights received it, and which accounts no sweep can meet, and why."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from local_azure.scenarios.demo import SCOPE
from local_azure.state.containers import Subscription
from local_azure.state.tenant import OTHER_TENANT, Tenant
from shared.core.settings import SWEEP_KINDS

# Worst first; then what was done, then what nobody needs to look at.
ORDER = (
    "FAILED", "UNVERIFIED", "NO_ROLE", "LOCKED", "POLICY_DENIED", "HELD", "BUSY", "DEFERRED",
    "NOW_HELD", "NOW_EXEMPT", "GONE", "ALREADY_OFF", "DISABLED", "WOULD_DISABLE", "EXEMPT",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """An account that was not simply compliant."""

    subscription: str
    account: str
    state: str
    """Its result, or HELD or EXEMPT."""
    why: str


class Sweep:
    """One sweep: its events, and how many requests its metrics count."""

    def __init__(self, envelopes: list[dict[str, Any]], names: dict[str, str]) -> None:
        """Read them; `names` are the subscriptions' by their ids."""
        data = [envelope["data"]["baseData"] for envelope in envelopes]
        self._names = names
        self._events = [event for event in data if "name" in event]
        self.requests = sum(
            int(metric["value"])
            for found in data
            for metric in found.get("metrics", ())
            if metric["name"] == "keysweep.requests"
        )

    def of(self, name: str) -> list[dict[str, str]]:
        """Return the properties of all events of one name."""
        return [event["properties"] for event in self._events if event["name"] == name]

    def count(self, name: str) -> int:
        """Return a number of the event that completes it."""
        (found,) = [event for event in self._events if event["name"] == "SweepCompleted"]
        return int(found["measurements"][name])

    def results(self) -> Counter[str]:
        """Return how many accounts have each result."""
        return Counter(outcome["result"] for outcome in self.of("RemediationOutcome"))

    def reasons(self) -> str:
        """Return why it is not whole, with subscriptions by their names; empty if it is."""
        (found,) = self.of("SweepCompleted")
        text = found.get("reasons", "")
        for subscription, name in self._names.items():
            text = text.replace(subscription, name)
        return text

    def rows(self) -> list[Row]:
        """Return every account that was not simply compliant, worst first."""
        states: dict[str, tuple[dict[str, str], str, str]] = {}
        for event in self.of("ExemptionObserved"):
            if event["verdict"] == "EXEMPT":
                states[event["accountId"]] = (event, "EXEMPT", _until(event))
        for event in self.of("AccountHeld"):
            states[event["accountId"]] = (event, "HELD", event["reason"])
        found = {event["accountId"]: event["reason"] for event in self.of("DriftFound")}
        for event in self.of("RemediationOutcome"):
            states[event["accountId"]] = (event, event["result"], _detail(event, found))
        rows = [
            Row(self._names[event["subscriptionId"]], event["accountName"], state, why)
            for event, state, why in states.values()
        ]
        return sorted(
            rows, key=lambda row: (ORDER.index(row.state), row.subscription, row.account.lower())
        )


def _until(event: dict[str, str]) -> str:
    reason = f": {event['exemptionReason']}" if event.get("exemptionReason") else ""
    return (f"until {event['until']}" if event.get("until") else "without an end") + reason


def _detail(event: dict[str, str], found: dict[str, str]) -> str:
    if event["result"] == "WOULD_DISABLE":
        return found[event["accountId"]]
    if event["result"] == "DISABLED":
        return found[event["accountId"]].replace("Its keys are on", "Its keys were on")
    code = event.get("azureCode")
    return f"{_SAID[code]} ({code})" if code in _SAID else event["detail"]


# Azure's messages are long, and full of ids: what they say, in a line.
_SAID = {
    "InternalServerError": "Azure took the change, then its operation failed: keys read back on.",
    "ScopeLocked": "A lock on it forbids changes.",
    "RequestDisallowedByPolicy": "A policy of the tenant forbids the change.",
    "AuthorizationFailed": "The sweep's identity may read here and not write.",
    "ResourceNotFound": "It was deleted while the sweep was on its way.",
}


def left_alone(tenant: Tenant) -> dict[str, list[str]]:
    """Return the names of the accounts that no sweep of the demo can meet, by the reason."""
    found: dict[str, list[str]] = {}
    for account in tenant.accounts:
        (subscription,) = (
            candidate
            for candidate in tenant.subscriptions.values()
            if candidate.id.lower() == account.subscription_id.lower()
        )
        why = _why_alone(tenant, subscription, account.kind)
        if why:
            found.setdefault(why, []).append(account.name)
    return found


def _why_alone(tenant: Tenant, subscription: Subscription, kind: str) -> str:
    if subscription.tenant_id == OTHER_TENANT:
        return "another company's tenant, seen through Lighthouse"
    if subscription not in tenant.descendants(SCOPE):
        return f"not below {SCOPE}, which the sweep is about"
    if subscription.state == "Disabled":
        return "a disabled subscription: nothing there can be called or changed"
    if kind not in str(SWEEP_KINDS.default).split(","):
        return "other kinds of AI service"
    if not tenant.may(
        tenant.function, "Microsoft.CognitiveServices/accounts/read", subscription.scope
    ):
        return "in scope, and nobody lets the sweep read it: a gap"
    return ""
