"""Requests are paced before Azure refuses: what a crowded subscription takes, and what is refused.

Units of remediation (reads, a PATCH, a read-back) pass the pace and the policy to the local Azure's
own token buckets, in virtual time. The judge is the bucket: what it refused, and the soonest that
all could have been taken from it.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.pipeline import AsyncPipeline
from azure.core.rest import HttpRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_azure.allowance import DOCUMENTED, ArmBuckets, Kind, Rates
from shared.border.lanes import Lanes
from shared.border.pacing import UNITS_PER_SUBSCRIPTION, Pace, Pacing
from shared.core.deadline import Deadline
from shared.core.errors import Stale, Throttled
from shared.core.settings import OPERATOR_SETTINGS, read_settings
from tests.support.border import Reply, Transport
from tests.support.virtual_time import VirtualClock, VirtualLoop

DEFAULT_CONCURRENCY = read_settings({"SWEEP_MODE": "audit"}, OPERATOR_SETTINGS).concurrency
SECONDS: dict[str, float] = {"GET": 0.05, "PATCH": 0.2}
TENTH: dict[Kind, Rates] = {"reads": Rates(25, 2.5), "writes": Rates(20, 1)}


class Metered(Transport):
    """Takes each request from a token bucket, or refuses it."""

    def __init__(self, clock: VirtualClock, rates: dict[Kind, Rates]) -> None:
        super().__init__()
        self.clock = clock
        self.buckets = ArmBuckets(clock, rates, enforced=True)
        self.refused = 0

    async def send(self, request: HttpRequest, **_: Any) -> Any:
        """Answer as ARM does."""
        kind: Kind = "reads" if request.method == "GET" else "writes"
        left = self.buckets.take("me", request.url.split("/")[4], kind)
        self.asked.append(request)
        await self.clock.sleep(SECONDS[request.method])
        if isinstance(left, float):
            self.refused += 1
            return Reply(request, b"{}", 429, {"Retry-After": f"{left:.0f}"})
        headers = {f"x-ms-ratelimit-remaining-subscription-{kind}": str(left[0])}
        return Reply(request, b"{}", 200, headers)


async def changed(
    clock: VirtualClock,
    rates: dict[Kind, Rates],
    accounts: int,
    *,
    subscriptions: int = 1,
    levels: int = 0,
    concurrency: int = DEFAULT_CONCURRENCY,
) -> tuple[float, Metered]:
    """Change so many accounts of each subscription; return the seconds, and what answered."""
    began = clock.monotonic()
    pace = Pace(Lanes(), clock, Deadline.after(clock, 10_000), concurrency)
    transport = Metered(clock, rates)
    pipeline: Any = AsyncPipeline(transport, [Pacing(pace)])

    async def work(subscription: str, queue: Iterator[int]) -> None:
        for account in queue:
            url = f"https://management.azure.com/subscriptions/{subscription}/{account}"
            while not await change(pace, pipeline, url, levels):
                pass

    async with asyncio.TaskGroup() as group:
        for number in range(subscriptions):
            queue = iter(range(accounts))
            for _ in range(UNITS_PER_SUBSCRIPTION):
                group.create_task(work(f"sub-{number}", queue))
    return clock.monotonic() - began, transport


async def change(pace: Pace, pipeline: Any, url: str, levels: int) -> bool:
    """Run one unit; whether its PATCH was taken."""
    try:
        async with pace.unit(url.split("/")[4], 1 + levels):
            for _ in range(1 + levels):
                await pipeline.run(HttpRequest("GET", url))
            response = await pipeline.run(HttpRequest("PATCH", url))
            if response.http_response.status_code != 200:
                return False
            await pipeline.run(HttpRequest("GET", url))
    except (Throttled, Stale):
        return False
    return True


def floor(rates: dict[Kind, Rates], accounts: int, levels: int = 0) -> float:
    """Return the seconds before which no client could be done with one subscription."""
    needed: dict[Kind, int] = {"reads": (2 + levels) * accounts, "writes": accounts}
    by_buckets = [(needed[kind] - rates[kind].size) / rates[kind].refill for kind in needed]
    seconds_of_one = SECONDS["GET"] * (2 + levels) + SECONDS["PATCH"]
    return max(*by_buckets, seconds_of_one * accounts / UNITS_PER_SUBSCRIPTION)


@pytest.mark.parametrize(
    ("rates", "accounts", "levels"),
    [
        pytest.param(DOCUMENTED, 150, 0, id="as documented"),
        pytest.param(DOCUMENTED, 500, 0, id="as documented, crowded"),
        pytest.param(DOCUMENTED, 300, 2, id="as documented, with levels above"),
        pytest.param(TENTH, 100, 0, id="a tenth of that"),
        pytest.param({**DOCUMENTED, "writes": Rates(300, 3)}, 400, 0, id="slow writes"),
    ],
)
async def test_a_crowded_subscription_is_done_when_its_buckets_allow_and_nothing_is_refused(
    clock: VirtualClock, rates: dict[Kind, Rates], accounts: int, levels: int
) -> None:
    seconds, azure = await changed(clock, rates, accounts, levels=levels)
    assert seconds <= 1.1 * floor(rates, accounts, levels) + 2
    assert azure.refused == 0


async def test_at_the_default_concurrency_537_changes_in_100_subscriptions_take_seconds(
    clock: VirtualClock,
) -> None:
    default, azure = await changed(clock, DOCUMENTED, 6, subscriptions=90)
    most, _ = await changed(clock, DOCUMENTED, 6, subscriptions=90, concurrency=64)
    assert azure.refused == 0
    assert default < 4.5
    # What is left of a sweep, its reads and its start, takes five seconds and more.
    assert default + 5 <= 1.25 * (most + 5)


async def test_a_bucket_that_fills_slower_than_by_one_a_second_is_not_tried_every_second(
    clock: VirtualClock,
) -> None:
    rates: dict[Kind, Rates] = {**DOCUMENTED, "writes": Rates(11, 0.25)}
    _, azure = await changed(clock, rates, 19)
    assert azure.refused == 0


@pytest.mark.parametrize(
    ("size", "refill"), [(30, 1), (20, 0.5), (5, 1)], ids=lambda value: f"{value:g}"
)
async def test_reads_of_the_levels_above_have_room_before_a_unit_begins(
    clock: VirtualClock, size: float, refill: float
) -> None:
    rates: dict[Kind, Rates] = {**DOCUMENTED, "reads": Rates(size, refill)}
    _, azure = await changed(clock, rates, 20, levels=2)
    assert azure.refused <= 0.15 * len(azure.asked)


rates_of_a_bucket = st.builds(Rates, st.integers(10, 300).map(float), st.floats(0.2, 50))


@settings(max_examples=20)
@given(rates_of_a_bucket, rates_of_a_bucket, st.integers(5, 60), st.integers(1, 3))
def test_law_with_any_buckets_all_is_changed_and_refusals_are_rare(
    reads: Rates, writes: Rates, accounts: int, subscriptions: int
) -> None:
    rates: dict[Kind, Rates] = {"reads": reads, "writes": writes}
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        clock = VirtualClock()
        seconds, azure = runner.run(changed(clock, rates, accounts, subscriptions=subscriptions))
    assert seconds <= 3 * floor(rates, accounts) + 60
    assert azure.refused <= max(0.05 * len(azure.asked), 2)
