"""No sweep outlives its budget, whatever hangs; what was not reached is the next tick's.

Application Insights, which has real time, hangs in test_every_fault.py.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from local_azure import LocalAzure, PatchForm, Tenant
from local_azure.faults import Fault
from shared.core.model import Result
from tests.support.contoso import GRAPH, keys_on, several, written
from tests.support.real_sweeps import Swept, sweep
from tests.support.serving import Serve

MARGIN = 10
"""Seconds that a sweep may outlive its budget by."""
HOUR = {"Retry-After": "3600"}
BUSY = {"error": {"code": "TooManyRequests", "message": "Later."}}

# Every kind of request that a sweep makes.
PLACES: dict[str, dict[str, Any]] = {
    "token": {"host": "identity"},
    "subscriptions": {"path": "/subscriptions"},
    "descendants": {"path": "*/descendants"},
    "graph": {"path": GRAPH},
    "graph, then": {"path": GRAPH, "skip": 1},
    "groups": {"path": GRAPH, "skip": 3},
    "the change log": {"path": GRAPH, "skip": 4},
    "list": {"path": "*/providers/microsoft.cognitiveservices/accounts"},
    "group": {"path": "*/resourcegroups/rg-ai"},
    "account": {"method": "GET", "path": "*/accounts/bot-*"},
    "patch": {"method": "PATCH"},
    "operation": {"path": "*/operationresults/*"},
    "read-back": {"method": "GET", "path": "*/accounts/bot-*", "skip": 3},
}
# A lane that is closed is the pace's business, whatever waits for it (tests/unit/border): here are
# those that are no lane of ARM's, and the SDK's own waiting.
CLOSED = ("token", "graph", "account", "patch", "operation")
STRIKES = [
    *((place, "hangs") for place in PLACES),
    *((place, "closed for an hour") for place in CLOSED),
]


def bots(count: int = 3, **more: Any) -> Tenant:
    tenant = several(count, patch=PatchForm.BOTH, stale_reads=2, **more)
    hidden = tenant.add_subscription("hidden", parent="contoso", hidden_from_graph=True)
    tenant.add_account("bot-hidden", local_auth=True, subscription=hidden)
    return tenant


async def within(azure: LocalAzure, budget: int) -> Swept:
    """Sweep with this budget, and fail unless it is kept and what is said is true."""
    began = azure.clock.monotonic()
    async with asyncio.timeout(60):
        swept = await sweep(
            azure,
            SWEEP_BUDGET_SECONDS=str(budget),
            SWEEP_MANAGEMENT_GROUPS="contoso",
            EXEMPTION_INHERIT="resourceGroup",
        )
    assert azure.clock.monotonic() - began <= budget + MARGIN
    (completed,) = swept.events("SweepCompleted")
    assert completed["drift"] == len(swept.results)
    done = {name for name, result in swept.results.items() if result is Result.DISABLED}
    assert done.isdisjoint(keys_on(azure))
    outcomes = swept.events("RemediationOutcome")
    accepted = {event["accountName"] for event in outcomes if event["accepted"] == "true"}
    assert set(written(azure)) <= accepted
    return swept


@pytest.mark.parametrize(("place", "strike"), STRIKES)
async def test_no_sweep_outlives_its_budget(serve: Serve, place: str, strike: str) -> None:
    azure = serve(bots())
    fault = azure.faults.on(**PLACES[place], times=None)
    fault.hang() if strike == "hangs" else fault.answer(429, BUSY, HOUR)

    await within(azure, 300)

    assert fault.hits, "the fault was not met: this proves nothing"


@pytest.mark.parametrize("budget", [30, 400])
async def test_a_budget_of_any_size_is_kept_when_everything_is_slow(
    serve: Serve, budget: int
) -> None:
    azure = serve(bots(6))
    azure.faults.on(host="arm", times=None).hang(9)
    await within(azure, budget)


@pytest.mark.parametrize("budget", [30, 60])
async def test_a_small_budget_is_kept_when_no_token_comes(serve: Serve, budget: int) -> None:
    azure = serve(bots(1))
    azure.faults.on(host="identity", times=None).hang()
    await within(azure, budget)


@pytest.mark.parametrize(
    "strike",
    [lambda fault: fault.hang(after_acting=True), lambda fault: fault.stall()],
    ids=["hangs", "stalls"],
)
async def test_a_patch_that_does_not_end_is_read_back_before_the_budget_ends(
    serve: Serve, strike: Callable[[Fault], Fault]
) -> None:
    azure = serve(bots(1))
    strike(azure.faults.on(method="PATCH", path="*/bot-0"))

    swept = await within(azure, 300)

    assert swept.results["bot-0"] is Result.DISABLED


async def test_an_operation_that_runs_when_the_budget_ends_is_unverified(serve: Serve) -> None:
    azure = serve(bots(1, operation_seconds=50_000))

    swept = await within(azure, 60)

    assert swept.results["bot-0"] is Result.UNVERIFIED
    details = {
        event["accountName"]: event["detail"] for event in swept.events("RemediationOutcome")
    }
    assert "The operation is still running" in details["bot-0"]


@pytest.mark.slow
async def test_what_was_not_reached_is_deferred_and_the_next_ticks_carry_on(serve: Serve) -> None:
    # Each takes two minutes, four at a time: not all of them fit.
    azure = serve(bots(16, operation_seconds=110))

    first = await within(azure, 400)
    deferred = {name for name, result in first.results.items() if result is Result.DEFERRED}
    assert deferred
    assert deferred == keys_on(azure)
    assert first.whole, "running out of time is no failure: the next tick carries on"
    for _ in range(4):
        if keys_on(azure):
            azure.clock.advance(15 * 60)
            await sweep(azure, SWEEP_BUDGET_SECONDS="400")

    assert keys_on(azure) == set()
    assert len(azure.writes) == 17
