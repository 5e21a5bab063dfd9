"""Every wait has a ceiling, whatever is asked of us, and telemetry's waiting counts.

Lanes, deadlines and the brake's release are shown in tests/unit; here is what the SDKs wait for.
"""

import time
from typing import Any

import pytest

from local_azure import LocalAzure, PatchForm, RunningClock, scenarios
from tests.support.alone import alone
from tests.support.contoso import adrift
from tests.support.real_sweeps import insights, process, sweep, tick
from tests.support.serving import Serve

HOUR = 3600
HUGE = "9" * 400


async def test_an_operation_that_is_to_be_looked_at_in_years_is_read_back_in_minutes(
    serve: Serve,
) -> None:
    azure = serve(adrift(patch=PatchForm.BOTH))
    bent = azure.faults.on(method="PATCH", path="*/accounts/bot", times=None)
    bent.bend(lambda answer: answer.with_header("Retry-After", HUGE))

    swept = await sweep(azure)

    assert bent.hits
    assert swept.results == {"bot": "DISABLED"}
    assert azure.clock.monotonic() <= 120 + 35


async def test_a_lane_is_looked_at_again_after_an_hour_however_long_azure_says(
    serve: Serve,
) -> None:
    azure = serve(adrift())
    azure.faults.on(method="PATCH").answer(429, {}, {"Retry-After": HUGE})

    async with process(azure) as same:
        first = await tick(same)
        azure.clock.advance(HOUR + 1)
        second = await tick(same)

    assert first.results == {"bot": "DEFERRED"}
    assert second.results == {"bot": "DISABLED"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-ms-ratelimit-remaining-subscription-reads", "9" * 5000),
        ("x-ms-user-quota-resets-after", f"{HUGE}:00:00"),
        ("Retry-After", "9" * 5000),
    ],
    ids=["5,000 digits", "a window", "a Retry-After with its answer"],
)
async def test_numbers_that_nobody_means_end_no_sweep(serve: Serve, name: str, value: str) -> None:
    azure = serve(adrift())
    azure.faults.on(host="arm", times=None).bend(lambda answer: answer.with_header(name, value))

    swept = await sweep(azure, SWEEP_BUDGET_SECONDS="300")

    assert swept.results == {"bot": "DISABLED"}
    assert azure.clock.monotonic() <= 300


async def _slow_ingestion(mode: str, accounts: int) -> dict[str, Any]:
    """Sweep in real time, while Application Insights takes four seconds for each batch."""
    tenant = scenarios.large(accounts=accounts, drifted=accounts, subscriptions=4)
    for account in tenant.accounts:
        account.patch, account.stale_reads = PatchForm.OK_200, 0
    with LocalAzure(tenant, RunningClock()) as azure:
        # What is made once a process is made before the time is taken.
        await sweep(azure, "audit", SWEEP_SUBSCRIPTIONS=next(iter(tenant.subscriptions)))
        insights().faults.on(host="ingestion", times=None).hang(4)
        began = time.monotonic()
        swept = await sweep(azure, mode, SWEEP_BUDGET_SECONDS="30", MAX_CHANGES_PER_SWEEP="100000")
        took = time.monotonic() - began
        announced = {
            event["data"]["baseData"]["properties"]["accountId"]
            for event in insights().telemetry.events("DriftFound")
        }
        wrote = {write.account_id.lower() for write in azure.writes}
        insights().stop()
        return {"took": took, "error": str(swept.error), "unannounced": len(wrote - announced)}


@pytest.mark.nightly
@pytest.mark.parametrize(("mode", "accounts"), [("audit", 6_000), ("enforce", 2_000)])
async def test_the_tick_ends_inside_its_budget_however_slow_application_insights_is(
    mode: str, accounts: int
) -> None:
    found = await alone(_slow_ingestion, mode=mode, accounts=accounts)

    assert found["took"] <= 30 + 3
    assert "Application Insights acknowledged" in found["error"]
    assert found["unannounced"] == 0
