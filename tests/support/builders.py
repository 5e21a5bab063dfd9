"""The model's nouns, with whatever a test is not about filled in."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.core.decision import Rules, Scope, decide
from shared.core.model import (
    Account,
    AccountId,
    Census,
    Coverage,
    Decision,
    KeyChange,
    Outcome,
    Result,
    Source,
    Subscription,
    TagsAbove,
    Turned,
)

TAG = "local-auth-exempt"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TODAY = NOW.date()
SUBSCRIPTION_ID = "00000000-0000-0000-0000-000000000001"
LEAST = {
    "SWEEP_MODE": "audit",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={SUBSCRIPTION_ID}",
}
"""The settings that a sweep must have."""


def an_account(
    name: str = "bot",
    *,
    keys_on: bool = True,
    tags: Mapping[str, str] | None = None,
    above: tuple[TagsAbove, ...] = (),
    **more: Any,
) -> Account:
    built = Account(
        AccountId(SUBSCRIPTION_ID, "rg-chat", name),
        "OpenAI",
        "swedencentral",
        keys_on=keys_on,
        tags=tags or {},
        custom_subdomain=name,
        above=above,
    )
    return replace(built, **more)


def a_decision(name: str = "bot", rules: Rules = Rules(), **more: Any) -> Decision:  # noqa: B008 - frozen
    return decide(an_account(name, **more), Scope(), rules, TODAY)


def an_outcome(result: Result, name: str = "bot", **more: Any) -> Outcome:
    return Outcome(a_decision(name), result, **more)


def a_subscription(number: int = 1, **more: Any) -> Subscription:
    built = Subscription(
        f"{number:08}-0000-0000-0000-000000000000", f"sub-{number}", "Enabled", "t"
    )
    return replace(built, **more)


def a_coverage(
    subscription: Subscription | None = None,
    source: Source = Source.GRAPH,
    *,
    keys_on: int = 0,
    keys_off: int = 0,
) -> Coverage:
    return Coverage(subscription or a_subscription(), source, Census(keys_on, keys_off))


def a_change(turned: Turned, at: datetime = NOW, name: str = "bot", **more: Any) -> KeyChange:
    built = KeyChange(
        id=f"{name}-{turned}-{at:%d%H%M%S}",
        at=at,
        account=AccountId(SUBSCRIPTION_ID, "rg-chat", name),
        turned=turned,
        by="ann@contoso.com",
        by_type="User",
        client="Azure Portal",
        operation="Microsoft.CognitiveServices/accounts/write",
        ours=False,
    )
    return replace(built, **more)
