"""Every wait has a ceiling, whatever is asked of us, and telemetry's waiting counts.

The judge is the server: when each request arrived, and which writes it accepted.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from local_azure import (
    LocalAzure,
    Operation,
    PatchForm,
    RunningClock,
    SeenRequest,
    Tenant,
    scenarios,
)
from local_azure.clock import START
from shared.core.model import Result
from tests.support.alone import alone
from tests.support.real_sweeps import insights, process, sweep, tick

type Serve = Callable[..., LocalAzure]

BUSY = {"error": {"code": "TooManyRequests", "message": "Later."}}
GRAPH = "*/microsoft.resourcegraph/resources"
HOUR = 3600
HUGE = "9" * 400


def bots(count: int = 1, **more: Any) -> Tenant:
    tenant = Tenant.with_one_subscription()
    form = {"patch": PatchForm.OK_200, "stale_reads": 0, **more}
    for number in range(count):
        tenant.add_account(f"bot-{number}", local_auth=True, **form)
    return tenant


def keys_on(azure: LocalAzure) -> set[str]:
    return {account.name for account in azure.tenant.accounts if account.keys_on}


def moment(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def http_date(when: datetime) -> str:
    return format_datetime(when, usegmt=True)


def of_the_bot(azure: LocalAzure, method: str) -> list[Operation]:
    return [
        operation
        for operation in azure.operations
        if operation.method == method and operation.path.endswith("/bot-0")
    ]


# The release of the brake


async def test_no_write_comes_after_the_brakes_release_has_passed(serve: Serve) -> None:
    # Four at a time, each a minute: the release ends in the midst of them.
    azure = serve(bots(12, patch=PatchForm.BOTH, operation_seconds=60))
    until = START + timedelta(seconds=90)

    swept = await sweep(azure, MAX_CHANGES_PER_SWEEP="2", BRAKE_RELEASE_UNTIL=moment(until))

    assert 0 < len(azure.writes) < 12
    assert max(write.at for write in azure.writes) < until
    put_off = {name for name, result in swept.results.items() if result is Result.DEFERRED}
    assert put_off == keys_on(azure)
    details = {
        event["detail"]
        for event in swept.events("RemediationOutcome")
        if event["result"] == Result.DEFERRED
    }
    assert details == {"The release of the brake has ended."}


async def test_a_release_that_ends_between_the_read_and_the_patch_lets_it_through_no_more(
    serve: Serve,
) -> None:
    azure = serve(bots(3))
    until = START + timedelta(minutes=10)

    def late(request: SeenRequest) -> None:
        if request.method == "GET" and request.path.endswith("/bot-1"):
            azure.clock.advance(max((until - azure.now()).total_seconds(), 0))

    azure.before(late)

    await sweep(
        azure, MAX_CHANGES_PER_SWEEP="2", BRAKE_RELEASE_UNTIL=moment(until), SWEEP_CONCURRENCY="1"
    )

    assert all(write.at < until for write in azure.writes)
    assert "bot-1" in keys_on(azure)


# Retry-After


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": http_date(START + timedelta(seconds=90))}, 85, 95),
        ({"Retry-After": http_date(START + timedelta(days=-365))}, 0, 3),
        ({"Retry-After": "5, 40"}, 40, 45),
        ({"Retry-After": "40, 5"}, 40, 45),
        ({"Retry-After": f"5, {http_date(START + timedelta(seconds=90))}"}, 85, 95),
        ({"Retry-After": "40", "retry-after-ms": "100"}, 40, 45),
        ({"Retry-After": "1", "x-ms-retry-after-ms": "40000"}, 40, 45),
        ({"retry-after-ms": "40000", "x-ms-retry-after-ms": "100"}, 40, 45),
        ({"Retry-After": "40.7"}, 40, 45),
        ({"Retry-After": " 40 "}, 40, 45),
        ({"Retry-After": "-40"}, 0, 3),
        ({"Retry-After": "\u0664\u0660"}, 0, 3),
        ({"Retry-After": "Mon, 99 Zzz 2026 99:99:99 GMT"}, 0, 3),
    ],
    ids=[
        "a date",
        "a date that has passed",
        "twice, the longer last",
        "twice, the longer first",
        "twice, a date last",
        "seconds beside fewer milliseconds",
        "seconds beside more milliseconds",
        "milliseconds of two kinds",
        "a fraction",
        "with blanks",
        "negative",
        "digits of another script",
        "a date that is none",
    ],
)
async def test_the_longest_word_of_azures_counts_in_whatever_form(
    serve: Serve, method: str, headers: dict[str, str], least: float, most: float
) -> None:
    azure = serve(bots())
    sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    azure.faults.on(method=method, path="*/bot-0").answer(429, BUSY, sent)

    swept = await sweep(azure)

    refused, then = of_the_bot(azure, method)[:2]
    assert refused.status == 429
    assert least <= (then.at - refused.at).total_seconds() <= most
    assert swept.results == {"bot-0": Result.DISABLED}


LONG = {
    "99,999,999 s": {"Retry-After": "99999999"},
    "400 digits": {"Retry-After": HUGE},
    "400 digits of milliseconds": {"x-ms-retry-after-ms": HUGE},
    "a date in 2999": {"Retry-After": "Wed, 01 May 2999 00:00:00 GMT"},
    "a date in 9999": {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"},
}


@pytest.mark.parametrize("headers", LONG.values(), ids=LONG)
async def test_a_lane_is_looked_at_again_after_an_hour_however_long_azure_says(
    serve: Serve, headers: dict[str, str]
) -> None:
    azure = serve(bots())
    azure.faults.on(method="PATCH", path="*/bot-0").answer(429, BUSY, headers)

    async with process(azure) as same:
        first = await tick(same)
        azure.clock.advance(HOUR / 2)
        second = await tick(same)
        azure.clock.advance(HOUR / 2)
        third = await tick(same)

    assert first.results == second.results == {"bot-0": Result.DEFERRED}
    (event,) = first.events("RemediationOutcome")
    assert "The wait is 3600 s" in event["detail"]
    assert (third.results, keys_on(azure)) == ({"bot-0": Result.DISABLED}, set())


@pytest.mark.parametrize("headers", LONG.values(), ids=LONG)
async def test_a_list_that_was_refused_for_years_is_a_gap_until_an_hour_has_passed(
    serve: Serve, headers: dict[str, str]
) -> None:
    tenant = bots()
    hidden = tenant.add_subscription("hidden", parent="contoso", hidden_from_graph=True)
    tenant.add_account("bot-hidden", local_auth=True, subscription=hidden)
    azure = serve(tenant)
    lists = f"/subscriptions/{hidden.id}/providers/*/accounts"
    azure.faults.on(path=lists).answer(429, BUSY, headers)

    async with process(azure) as same:
        first = await tick(same)
        azure.clock.advance(HOUR + 1)
        second = await tick(same)

    assert [gap["gapName"] for gap in first.events("CoverageGap")] == [hidden.id]
    assert (second.whole, keys_on(azure)) == (True, set())


@pytest.mark.parametrize("resets", ["999999:00:00", "99:59:59"])
async def test_resource_graphs_window_is_an_hour_at_most(serve: Serve, resets: str) -> None:
    azure = serve(bots())
    window = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": resets}
    azure.faults.on(path=GRAPH).answer(429, BUSY, window)

    async with process(azure) as same:
        first = await tick(same)
        azure.clock.advance(HOUR + 1)
        second = await tick(same)

    assert first.events("SweepCompleted")[0]["subscriptionsReadDirectly"] == 1
    assert second.events("SweepCompleted")[0]["subscriptionsReadDirectly"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ms-ratelimit-remaining-subscription-reads": HUGE},
        {"x-ms-ratelimit-remaining-subscription-reads": "9" * 5000},
        {"x-ms-ratelimit-remaining-subscription-reads": f"-{HUGE}"},
        {"x-ms-user-quota-remaining": HUGE, "x-ms-user-quota-resets-after": f"{HUGE}:00:00"},
        {"Retry-After": "9" * 5000},
    ],
    ids=["400 digits", "5,000 digits", "negative", "a quota", "a Retry-After with its answer"],
)
async def test_numbers_that_nobody_means_end_no_sweep(
    serve: Serve, headers: dict[str, str]
) -> None:
    azure = serve(bots())

    def bend(answer: Any) -> Any:
        for name, value in headers.items():
            answer = answer.with_header(name, value)
        return answer

    azure.faults.on(host="arm", times=None).bend(bend)

    swept = await sweep(azure, SWEEP_BUDGET_SECONDS="300")

    assert swept.events("SweepCompleted")
    assert swept.results == {"bot-0": Result.DISABLED}
    assert azure.clock.monotonic() <= 300


# Operations


@pytest.mark.parametrize("value", [HUGE, "99999999", "Wed, 01 May 2999 00:00:00 GMT", "-1", "soon"])
@pytest.mark.parametrize("place", ["the PATCH", "its operation"])
async def test_an_operation_that_is_to_be_looked_at_in_years_is_read_back_in_minutes(
    serve: Serve, place: str, value: str
) -> None:
    azure = serve(bots(patch=PatchForm.BOTH))
    path = "*/accounts/bot-0" if place == "the PATCH" else "*/operationresults/*"
    bent = azure.faults.on(method="PATCH" if place == "the PATCH" else "GET", path=path, times=None)
    bent.bend(lambda answer: answer.with_header("Retry-After", value))

    swept = await sweep(azure)

    assert bent.hits
    assert (swept.results, swept.whole) == ({"bot-0": Result.DISABLED}, True)
    assert len(azure.writes) == 1
    assert azure.clock.monotonic() <= 120 + 35


# Telemetry


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


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "accounts"), [("audit", 6_000), ("enforce", 2_000)])
async def test_the_tick_ends_inside_its_budget_however_slow_application_insights_is(
    mode: str, accounts: int
) -> None:
    found = await alone(_slow_ingestion, mode=mode, accounts=accounts)

    assert found["took"] <= 30 + 3
    assert "Application Insights acknowledged" in found["error"]
    assert found["unannounced"] == 0
