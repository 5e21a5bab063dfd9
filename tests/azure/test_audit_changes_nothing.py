"""Audit mode changes nothing, and finds just what enforce mode would change.

The judge is the server: what it was asked, what it accepted, and how its tenant stands afterwards.
"""

from collections.abc import Callable
from typing import Any

import pytest

from local_azure import LocalAzure, scenarios
from local_azure.scenarios import Scenario
from tests.support.contoso import MANY
from tests.support.real_sweeps import Swept, sweep
from tests.support.serving import Serve

QUERY = "Microsoft.ResourceGraph/resources/read"


def standing(azure: LocalAzure) -> dict[str, Any]:
    """Return every account as ARM would show it."""
    return {account.id: account.wire() for account in azure.tenant.accounts}


def accounts(swept: Swept, event: str) -> set[str]:
    return {found["accountId"] for found in swept.events(event)}


def hidden() -> Scenario:
    """Return a tenant whose accounts are read from ARM directly."""
    tenant = scenarios.four_accounts()
    tenant.subscription("contoso-prod").hidden_from_graph = True
    return Scenario(tenant)


@pytest.mark.parametrize(
    ("build", "mode", "more"),
    [
        (scenarios.demo, "audit", {}),
        (scenarios.demo, "audit", MANY),
        (hidden, "audit", {}),
        (hidden, "enforce", {"ENFORCE_FROM": "2026-11-25"}),
    ],
    ids=["demo", "demo without a brake", "from ARM alone", "notice"],
)
async def test_it_only_reads(
    serve: Serve, build: Callable[[], Scenario], mode: str, more: dict[str, str]
) -> None:
    scenario = build()
    # The demo's two fast people would change accounts when they are read; nobody may here.
    scenario.hooks.clear()
    azure = serve(scenario)
    before = standing(azure)

    swept = await sweep(azure, mode, **more)

    asked = {(seen.method, seen.action) for seen in azure.operations if seen.host == "arm"}
    assert {action for method, action in asked if method != "GET"} <= {QUERY}
    assert {method for method, _ in asked} <= {"GET", "POST"}
    assert standing(azure) == before
    assert {event["result"] for event in swept.events("RemediationOutcome")} == {"WOULD_DISABLE"}


@pytest.mark.slow
async def test_it_finds_what_enforce_mode_changes_or_tries_to_change(serve: Serve) -> None:
    audited, enforced = serve(scenarios.demo()), serve(scenarios.demo())

    found = await sweep(audited, "audit", **MANY)
    changed = await sweep(enforced, "enforce", **MANY)

    expected = {account.lower() for account in audited.scenario.drift}
    tried = {seen.path.lower() for seen in enforced.operations if seen.method == "PATCH"}
    assert accounts(found, "DriftFound") == expected
    assert accounts(changed, "DriftFound") == expected
    assert tried <= expected
    # Two are under somebody else's hands, one is busy: no PATCH of these.
    assert len(expected - tried) == 3
