"""Evidence of who uses an account's keys, with whatever a test is not about filled in."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from keysweep.impact.evidence import (
    Asked,
    CallCount,
    CallCounts,
    Caller,
    Connection,
    Connections,
    EntraUse,
    Evidence,
    Holder,
    Holds,
    KeyFetches,
    Logged,
    LoggedCalls,
    RequestLog,
)
from keysweep.impact.metrics import MetricsQuery
from shared.core.model import AccountId
from tests.support.builders import NOW, SUBSCRIPTION_ID, an_account

DAYS = 3
ASKED = Asked.before(NOW, DAYS)
SOMEBODY = Holder("app", "ServicePrincipal", "Cognitive Services OpenAI User", "/subscriptions/s")


def calls(*by_day: int, status: str = "200", doubts: Sequence[str] = ()) -> CallCounts:
    """Return so many calls on each day, from the first on; none on the others."""
    counts = (CallCount(day, "gpt-4o", status, count) for day, count in enumerate(by_day) if count)
    return CallCounts(tuple(counts), tuple(doubts))


def logged(
    day: int = 0, caller: Caller = Caller.IDENTITY, count: int = 1, **more: Any
) -> LoggedCalls:
    """Return a row of the request log."""
    began = ASKED.begin_of(day) + timedelta(hours=1)
    fields: dict[str, Any] = {
        "operation": "ChatCompletions_Create",
        "deployment": "gpt-4o",
        "status": "200",
        "addresses": ("81.2.69.***",),
        "first": began,
        "last": began + timedelta(hours=1),
    }
    return LoggedCalls(day=day, caller=caller, calls=count, **{**fields, **more})


def a_connection(holds: Holds = Holds.KEY, name: str = "bot-key", **more: Any) -> Connection:
    """Return a connection of a Foundry account that leads to the account."""
    kinds = {Holds.KEY: "ApiKey", Holds.NO_KEY: "AAD", Holds.UNKNOWN: "Palmistry"}
    fields: dict[str, Any] = {
        "holder": AccountId(SUBSCRIPTION_ID, "rg-foundry", "hub"),
        "project": "",
        "category": "AzureOpenAI",
    }
    return Connection(name=name, auth_type=kinds[holds], holds=holds, **{**fields, **more})


def span_of(query: MetricsQuery) -> dict[str, str]:
    """Return the fields by which a batch of metrics says of which time it is: that asked for."""
    begin, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (query.begin, query.end))
    return {"starttime": begin, "endtime": end, "interval": query.interval}


def evidence(**parts: Any) -> Evidence:
    """Return evidence of an account that is called with an identity alone, and logged whole."""
    counts = calls(1, 1, 1)
    fields: dict[str, Any] = {
        "account": an_account(),
        "asked": ASKED,
        "calls": counts,
        "log": RequestLog(tuple(logged(day) for day in range(DAYS))),
        "logging": Logged(("/workspaces/central",)),
        "fetches": KeyFetches(),
        "connections": Connections(),
        "entra": EntraUse((SOMEBODY,), has_subdomain=True),
    }
    return Evidence(**{**fields, **parts})
