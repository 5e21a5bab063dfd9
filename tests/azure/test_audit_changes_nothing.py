"""Audit mode changes nothing, and finds just what enforce mode would change.

The judge is the server: what it was asked, what it accepted, and how its tenant stands afterwards.
"""

from collections.abc import Callable
from typing import Any

import pytest

from local_azure import LocalAzure, scenarios
from local_azure.state import access, ids
from tests.support.real_sweeps import Swept, sweep

type Serve = Callable[..., LocalAzure]

MANY = "100000"
GRAPH = "Microsoft.ResourceGraph/resources/read"


def standing(azure: LocalAzure) -> dict[str, Any]:
    """Return every account as ARM would show it."""
    return {each.id: each.wire() for each in azure.tenant.accounts}


def drift(swept: Swept) -> set[str]:
    return {each["accountId"] for each in swept.events("DriftFound")}


def results(swept: Swept) -> set[str]:
    return {each["result"] for each in swept.events("RemediationOutcome")}


def assert_only_reads(azure: LocalAzure) -> None:
    """Fail if the server was asked for anything but reads, accepted or not."""
    assert azure.writes == ()
    asked = {(each.method, each.action) for each in azure.operations if each.host == "arm"}
    assert {action for method, action in asked if method != "GET"} == {GRAPH}
    assert {method for method, _ in asked} == {"GET", "POST"}


@pytest.mark.parametrize("brake", ["25", MANY])
async def test_a_sweep_of_the_demos_tenant_only_reads(serve: Serve, brake: str) -> None:
    scenario = scenarios.demo()
    # The scenario's two fast people would change accounts when they are read; nobody may here.
    scenario.hooks.clear()
    azure = serve(scenario)
    before = standing(azure)

    swept = await sweep(azure, "audit", MAX_CHANGES_PER_SWEEP=brake)

    assert_only_reads(azure)
    assert standing(azure) == before
    assert results(swept) == {"WOULD_DISABLE"}


async def test_it_finds_what_enforce_mode_changes_or_tries_to_change(serve: Serve) -> None:
    audited, enforced = serve(scenarios.demo()), serve(scenarios.demo())

    found = await sweep(audited, "audit", MAX_CHANGES_PER_SWEEP=MANY)
    changed = await sweep(enforced, "enforce", MAX_CHANGES_PER_SWEEP=MANY)

    expected = {each.lower() for each in audited.scenario.drift}
    tried = {each.path.lower() for each in enforced.operations if each.method == "PATCH"}
    assert drift(found) == expected == drift(changed)
    assert tried | {each.account_id.lower() for each in enforced.writes} <= expected
    # Two are under somebody else's hands, one is busy: no PATCH of these.
    untried = {enforced.tenant.account("campaign-bot").id, enforced.tenant.account("voice-menu").id}
    assert expected - tried >= {each.lower() for each in untried}
    assert len(expected - tried) == 3


async def test_it_needs_no_right_to_write(serve: Serve) -> None:
    tenant = scenarios.four_accounts()
    scope = ids.management_group_scope("contoso")
    tenant.assignments.remove(tenant.function.object_id, scope)
    tenant.assign(tenant.function, scope, access.READ_ONLY_ACTIONS)
    azure = serve(tenant)

    swept = await sweep(azure, "audit")

    assert swept.whole
    assert len(drift(swept)) == 4


async def test_until_the_day_from_which_it_is_enforced_enforce_mode_changes_nothing(
    serve: Serve,
) -> None:
    azure = serve(scenarios.four_accounts())
    before = standing(azure)

    swept = await sweep(azure, "enforce", ENFORCE_FROM="2026-11-25")

    assert swept.whole
    assert_only_reads(azure)
    assert standing(azure) == before
    assert results(swept) == {"WOULD_DISABLE"}


@pytest.mark.parametrize("mode", ["", "Enforced", "dry-run"])
async def test_a_mode_that_is_none_asks_azure_nothing(serve: Serve, mode: str) -> None:
    azure = serve(scenarios.four_accounts())

    swept = await sweep(azure, mode)

    assert swept.error is not None
    assert [each for each in azure.operations if each.host == "arm"] == []


async def test_what_it_reads_from_arm_directly_it_only_reads_as_well(serve: Serve) -> None:
    tenant = scenarios.four_accounts()
    tenant.subscription("contoso-prod").hidden_from_graph = True
    azure = serve(tenant)

    swept = await sweep(azure, "audit")

    assert_only_reads(azure)
    assert len(drift(swept)) == 4
