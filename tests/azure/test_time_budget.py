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
from tests.support.real_sweeps import Swept
from tests.support.real_sweeps import sweep as sweep_for_ever

type Serve = Callable[..., LocalAzure]

MARGIN = 10
"""Seconds that a sweep may outlive its budget by."""
HOUR = {"Retry-After": "3600"}
BUSY = {"error": {"code": "TooManyRequests", "message": "Later."}}
GRAPH = "*/microsoft.resourcegraph/resources"

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


def bots(count: int = 3) -> Tenant:
    tenant = Tenant.with_one_subscription()
    hidden = tenant.add_subscription("hidden", parent="contoso", hidden_from_graph=True)
    for number in range(count):
        tenant.add_account(f"bot-{number}", local_auth=True)
    tenant.add_account("bot-hidden", local_auth=True, subscription=hidden)
    return tenant


def settings(budget: int) -> dict[str, str]:
    return {
        "SWEEP_BUDGET_SECONDS": str(budget),
        "SWEEP_MANAGEMENT_GROUPS": "contoso",
        "EXEMPTION_INHERIT": "resourceGroup",
    }


async def sweep(azure: LocalAzure, **settings: str) -> Swept:
    """Sweep; a sweep that would never end fails the test instead."""
    async with asyncio.timeout(60):
        return await sweep_for_ever(azure, **settings)


def keys_on(azure: LocalAzure) -> set[str]:
    return {each.name for each in azure.tenant.accounts if each.keys_on}


def assert_honest(swept: Swept, azure: LocalAzure) -> None:
    """Every drift has one outcome, what is said to be done is, and no write is kept quiet."""
    (completed,) = swept.events("SweepCompleted")
    assert completed["drift"] == len(swept.results)
    done = {name for name, result in swept.results.items() if result is Result.DISABLED}
    assert done.isdisjoint(keys_on(azure))
    wrote = {each.account_id.rpartition("/")[2] for each in azure.writes}
    told = {e["accountName"] for e in swept.events("RemediationOutcome") if e["accepted"] == "true"}
    assert wrote <= told


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "strike",
    [lambda fault: fault.hang(), lambda fault: fault.answer(429, BUSY, HOUR)],
    ids=["hangs", "retry-after of an hour"],
)
async def test_no_sweep_outlives_its_budget(
    serve: Serve, place: str, strike: Callable[[Fault], Fault]
) -> None:
    azure = serve(bots())
    fault = strike(azure.faults.on(**PLACES[place], times=None))

    swept = await sweep(azure, **settings(300))

    assert azure.clock.monotonic() <= 300 + MARGIN
    assert fault.hits, "the fault was not met: this proves nothing"
    assert_honest(swept, azure)


@pytest.mark.parametrize("budget", [30, 60, 120, 400])
async def test_a_budget_of_any_size_is_kept_when_everything_is_slow(
    serve: Serve, budget: int
) -> None:
    azure = serve(bots(6))
    azure.faults.on(host="arm", times=None).hang(9)

    swept = await sweep(azure, **settings(budget))

    assert azure.clock.monotonic() <= budget + MARGIN
    assert_honest(swept, azure)


@pytest.mark.parametrize("budget", [30, 300])
async def test_a_patch_that_hangs_is_read_back_before_the_budget_ends(
    serve: Serve, budget: int
) -> None:
    azure = serve(bots(1))
    azure.faults.on(method="PATCH", path="*/bot-0").hang(after_acting=True)

    swept = await sweep(azure, **settings(budget))

    assert azure.clock.monotonic() <= budget + MARGIN
    assert "bot-0" not in keys_on(azure)
    assert swept.results["bot-0"] in {Result.DISABLED, Result.UNVERIFIED}
    if budget == 300:
        assert swept.results["bot-0"] is Result.DISABLED


async def test_what_was_not_reached_is_deferred_and_the_next_ticks_carry_on(serve: Serve) -> None:
    # Each takes two minutes, four at a time: not all of them fit.
    tenant = bots(16)
    for each in tenant.accounts:
        each.operation_seconds = 110
    azure = serve(tenant)

    first = await sweep(azure, **settings(400))
    took, left = azure.clock.monotonic(), keys_on(azure)
    ticks = 0
    while keys_on(azure) and ticks < 4:
        azure.clock.advance(15 * 60)
        await sweep(azure, **settings(400))
        ticks += 1

    deferred = {name for name, result in first.results.items() if result is Result.DEFERRED}
    assert 0 < len(deferred) < 17
    assert deferred == left
    assert took <= 400 + MARGIN
    assert first.whole, "running out of time is no failure: the next tick carries on"
    assert first.events("SweepCompleted")[0]["deferred"] == len(deferred)
    assert (keys_on(azure), len(azure.writes)) == (set(), 17)


async def test_a_retry_after_that_fits_is_waited_for_however_long(serve: Serve) -> None:
    azure = serve(bots(1))
    azure.faults.on(method="PATCH", path="*/bot-0").answer(429, BUSY, {"Retry-After": "900"})

    swept = await sweep(azure, **settings(1200))

    assert swept.results == {"bot-0": Result.DISABLED, "bot-hidden": Result.DISABLED}
    assert 900 <= azure.clock.monotonic() <= 1200


async def test_a_retry_after_that_does_not_fit_defers_at_once_and_says_how_long(
    serve: Serve,
) -> None:
    azure = serve(bots(1))
    azure.faults.on(method="PATCH", path="*/bot-0", times=None).answer(429, BUSY, HOUR)

    swept = await sweep(azure, **settings(1200))

    assert azure.clock.monotonic() < 60, "there is no point in waiting"
    (deferred,) = [e for e in swept.events("RemediationOutcome") if e["accountName"] == "bot-0"]
    assert deferred["result"] == Result.DEFERRED
    assert deferred["detail"].startswith("The wait is 3600 s")
    assert swept.results["bot-hidden"] is Result.DISABLED


async def test_a_form_of_accepting_that_never_ends_keeps_the_budget_too(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    for form in PatchForm:
        tenant.add_account(
            f"bot-{form.name}", local_auth=True, patch=form, operation_seconds=10**6, stale_reads=99
        )
    azure = serve(tenant)

    swept = await sweep(azure, **settings(200))

    assert azure.clock.monotonic() <= 200 + MARGIN
    assert set(swept.results.values()) <= {Result.UNVERIFIED, Result.DISABLED, Result.DEFERRED}
    assert_honest(swept, azure)


@pytest.mark.parametrize("budget", [30, 40, 60])
async def test_a_small_budget_is_kept_when_no_token_comes(serve: Serve, budget: int) -> None:
    azure = serve(bots(1))
    azure.faults.on(host="identity", times=None).hang()

    await sweep(azure, **settings(budget))

    assert azure.clock.monotonic() <= budget + MARGIN


async def test_an_answer_that_stalls_is_given_up_after_a_minute(serve: Serve) -> None:
    azure = serve(bots(1))
    stalls = azure.faults.on(method="PATCH", path="*/bot-0").stall()

    swept = await sweep(azure, **settings(300))

    assert (stalls.hits, azure.clock.monotonic() <= 100) == (1, True)
    assert_honest(swept, azure)
    assert swept.results["bot-0"] is Result.DISABLED
