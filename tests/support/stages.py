"""Tenants like those behind recorded exchanges, and how our answers differ from those."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local_azure import LocalAzure, MovedClock, Tenant
from local_azure.services import Settings
from local_azure.state import ids
from local_azure.state.account import Account
from tests.support.plain_client import Reply, send, telemetry_settings
from tests.support.recorded_exchanges import body_differences, header_differences, recorded

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
CLI_GROUP = "clitest.rg000001"

type Reason = tuple[str, str, str]
"""Recordings (a pattern), differences (a pattern), and why they differ."""


COMMON_REASONS: tuple[Reason, ...] = (
    (".*", "header server is missing", "ARM names no server since 2024 (fact 38)"),
    (".*", "header vary is missing", "answers are not compressed here; gone in 2024's recordings"),
    (
        ".*",
        "header x-(cache|msedge-ref) is too much",
        "all of ARM has them since 2024 (fact 38); the recording is older or had it removed",
    ),
    (
        ".*",
        "header x-ms-ratelimit-remaining-(subscription|tenant)-(global-)?(reads|writes) is too .*",
        "the newer scheme counts in two headers (fact 26); the recording is of the older",
    ),
)


@dataclass
class Stage:
    """A tenant like the one behind the recording, and how the request is sent to it."""

    tenant: Tenant
    start: datetime = datetime(2026, 6, 22, 7, 55, 2, tzinfo=UTC)
    method: str | None = None
    path: str | None = None
    body: Any = None
    audience: str = "https://management.azure.com/"
    sender: str = "user1@example.com"
    settings: Settings = field(default_factory=Settings)
    token_lifetime: float = 86_400
    token_age: float = 0  # seconds, when the request is sent
    # What happens first; it may return another path to ask for.
    first: Callable[[LocalAzure], str | None] = lambda _: None
    # Texts of the recording that name something which we don't have, and what is ours instead.
    translate: dict[str, str] = field(default_factory=dict)
    compare_body: bool = True
    ordered: bool = True  # a list's rows are compared in their order


def stage(**options: Any) -> Stage:
    """Make a tenant with the recordings' subscription and user."""
    tenant = Tenant()
    tenant.add_subscription("AzureSDKTest", subscription_id=SUBSCRIPTION)
    user = tenant.add_principal("user1@example.com", kind="User")
    tenant.assign(user, ids.management_group_scope(tenant.id), ["*"])
    return Stage(tenant, **options)


def add_account(on: Stage, name: str, kind: str, **options: Any) -> Account:
    """Add an account of the recordings' user."""
    options.setdefault("group", CLI_GROUP)
    options.setdefault("location", "SOUTHCENTRALUS")
    options.setdefault("subdomain", None)
    user = next(p for p in on.tenant.principals.values() if p.name == "user1@example.com")
    return on.tenant.add_account(name, kind=kind, created_by=user, **options)


def ask(azure: LocalAzure, on: Stage, method: str, path: str, body: Any = None) -> Reply:
    """Send a request as the stage's sender."""
    headers = {}
    if on.audience:
        sender = next(p for p in on.tenant.principals.values() if p.name == on.sender)
        headers["Authorization"] = f"Bearer {azure.token_for(sender, on.audience)}"
    return send(_url(azure, path), method, body=body, headers=headers)


def _url(azure: LocalAzure, path: str) -> str:
    if path.startswith("https://"):
        return path
    if path.endswith("/track"):
        return telemetry_settings(azure)["IngestionEndpoint"].rstrip("/") + path
    if "metrics:getBatch" in path:
        return azure.services.metrics_url() + path
    return azure.environ["ARM_ENDPOINT"] + path


def differences(name: str, on: Stage) -> list[str]:
    """All differences between the recorded answer and ours."""
    exchange = recorded(name)
    clock = MovedClock(on.start)
    with LocalAzure(
        on.tenant, clock, token_lifetime=on.token_lifetime, settings=on.settings
    ) as azure:
        path = on.first(azure) or on.path or exchange.path
        sender = next(p for p in on.tenant.principals.values() if p.name == on.sender)
        sent = {n: v for n, v in exchange.request_headers.items() if n.lower() != "accept"}
        if on.audience:
            sent["Authorization"] = f"Bearer {azure.token_for(sender, on.audience)}"
        clock.advance(on.token_age)
        body = exchange.request_body if on.body is None else on.body
        reply = send(_url(azure, path), on.method or exchange.method, body=body, headers=sent)
    found = []
    if reply.status != exchange.status:
        found.append(f"status is {reply.status}, recorded {exchange.status}: {reply.text[:300]}")
    if exchange.has_headers:
        found += header_differences(exchange, reply.headers)
    if on.compare_body:
        theirs, ours = _translated(exchange.body, on.translate), reply.body
        if not on.ordered:
            for body in (theirs, ours):
                body["value"].sort(key=lambda row: row["id"])
        found += body_differences(theirs, ours)
    return found


def _translated(body: Any, names: dict[str, str]) -> Any:
    if isinstance(body, str):
        for theirs, ours in names.items():
            body = body.replace(theirs, ours)
        return body
    if isinstance(body, dict):
        return {key: _translated(value, names) for key, value in body.items()}
    if isinstance(body, list):
        return [_translated(value, names) for value in body]
    return body


def reason_for(reasons: Sequence[Reason], name: str, difference: str) -> Reason | None:
    """Return the reason that explains the difference."""
    for line in reasons:
        if re.fullmatch(line[0], name) and re.fullmatch(line[1], difference, re.DOTALL):
            return line
    return None
