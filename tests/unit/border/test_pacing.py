"""Permits and lanes in virtual time: who may work, who waits, and who never gets a turn."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from azure.core.pipeline import AsyncPipeline
from azure.core.rest import HttpRequest

from shared.border.lanes import Lane, Lanes
from shared.border.pacing import UNITS_PER_SUBSCRIPTION, Pace, Pacing
from shared.core.deadline import Deadline
from shared.core.errors import OutOfTime
from tests.support.border import Transport
from tests.support.builders import NOW
from tests.support.virtual_time import VirtualClock

A, B = "sub-a", "sub-b"
READS = "x-ms-ratelimit-remaining-subscription-reads"


def a_pace(clock: VirtualClock, budget: float = 1000, concurrency: int = 64) -> Pace:
    return Pace(Lanes(), clock, Deadline.after(clock, budget), concurrency)


def closed(pace: Pace, seconds: float, name: str = A, use: Any = "read") -> Lane:
    """Close a lane."""
    lane = pace.lanes.lane(name, use)
    lane.refused({"retry-after": f"{seconds}"}, pace.clock.monotonic(), NOW)
    return lane


async def at_work(
    permits: list[AbstractAsyncContextManager[None]], clock: VirtualClock, seconds: float = 10
) -> list[float]:
    """Work under permits, all asked for at once, so many seconds each; say when each began."""
    began: list[float] = []

    async def work(permit: AbstractAsyncContextManager[None]) -> None:
        async with permit:
            began.append(clock.monotonic())
            await clock.sleep(seconds)

    await asyncio.gather(*map(work, permits))
    return began


# Which lane


@pytest.mark.parametrize(
    ("method", "path", "name", "use"),
    [
        ("GET", "/subscriptions/S1/resourceGroups", "s1", "read"),
        ("HEAD", "/subscriptions/s1", "s1", "read"),
        ("PATCH", "/SUBSCRIPTIONS/s1/resourceGroups/x", "s1", "write"),
        ("POST", "/subscriptions/s1/x/listKeys", "s1", "write"),
        ("POST", "/providers/Microsoft.ResourceGraph/resources", "", "query"),
        ("GET", "/subscriptions", "", "read"),
        ("GET", "/providers/Microsoft.Management/x", "microsoft.management", "read"),
        ("POST", "/providers/Microsoft.Management/x", "microsoft.management", "write"),
        ("GET", "/", "", "read"),
    ],
)
def test_a_request_is_metered_with_its_subscription_and_its_use(
    method: str, path: str, name: str, use: Any
) -> None:
    lanes = Lanes()
    assert lanes.of(method, path) is lanes.lane(name, use)


def test_reads_writes_queries_and_subscriptions_have_lanes_of_their_own() -> None:
    lanes = Lanes()
    found = {id(lanes.lane(name, use)) for name in (A, B) for use in ("read", "write", "query")}
    assert len(found) == 6


# One request


async def test_a_lane_of_which_nothing_is_known_admits_at_once(clock: VirtualClock) -> None:
    pace, lane = a_pace(clock), Lane()
    await pace.admit(lane)
    assert clock.monotonic() == 0
    assert lane.under_way == 1


async def test_a_request_takes_the_last_room_that_there_is(clock: VirtualClock) -> None:
    pace, lane = a_pace(clock), Lane(left=4)
    await pace.admit(lane)
    assert clock.monotonic() == 0


async def test_a_request_waits_for_its_lane_to_open(clock: VirtualClock) -> None:
    pace = a_pace(clock)
    await pace.admit(closed(pace, 30))
    assert clock.monotonic() == 30


async def test_a_lane_that_is_closed_once_more_meanwhile_is_waited_for_once_more(
    clock: VirtualClock,
) -> None:
    pace = a_pace(clock)
    waiting = asyncio.ensure_future(pace.admit(closed(pace, 30)))
    await clock.sleep(20)
    closed(pace, 40)
    await waiting
    assert clock.monotonic() == 60


async def test_a_wait_that_outlasts_the_deadline_is_none(clock: VirtualClock) -> None:
    pace = a_pace(clock, budget=30)
    with pytest.raises(OutOfTime, match="The wait is 31 s, and 30 s are left"):
        await pace.admit(closed(pace, 31))
    assert clock.monotonic() == 0


async def test_a_wait_until_the_deadline_is_too_long(clock: VirtualClock) -> None:
    pace = a_pace(clock, budget=30)
    with pytest.raises(OutOfTime):
        await pace.pause(30)
    await pace.pause(29)
    assert clock.monotonic() == 29


async def test_once_the_time_is_up_nothing_is_admitted(clock: VirtualClock) -> None:
    pace, lane = a_pace(clock, budget=30), Lane()
    await clock.sleep(30)
    with pytest.raises(OutOfTime, match="The time budget has ended"):
        await pace.admit(lane)
    assert lane.under_way == 0


async def test_who_is_not_admitted_takes_no_room(clock: VirtualClock) -> None:
    pace = a_pace(clock, budget=30)
    lane = closed(pace, 60)
    with pytest.raises(OutOfTime):
        await pace.admit(lane)
    assert lane.under_way == 0


async def test_answers_that_said_too_many_requests_are_counted_and_no_others(
    clock: VirtualClock,
) -> None:
    pace, transport = a_pace(clock), Transport()
    transport.next = [429, 503, 429, 200]
    pipeline: Any = AsyncPipeline(transport, [Pacing(pace)])
    await pipeline.run(HttpRequest("GET", f"https://management.azure.com/subscriptions/{A}/x"))
    assert pace.throttled == 2


# A unit


async def test_four_units_of_a_subscription_work_at_a_time(clock: VirtualClock) -> None:
    pace = a_pace(clock)
    began = await at_work([pace.unit(A, 1) for _ in range(9)], clock)
    assert began == [0] * 4 + [10] * 4 + [20]
    assert UNITS_PER_SUBSCRIPTION == 4


async def test_units_of_different_subscriptions_work_side_by_side(clock: VirtualClock) -> None:
    pace = a_pace(clock)
    began = await at_work([pace.unit(name, 1) for name in (A, B) for _ in range(4)], clock)
    assert began == [0] * 8


async def test_no_more_units_work_at_a_time_than_allowed_in_all(clock: VirtualClock) -> None:
    pace = a_pace(clock, concurrency=3)
    began = await at_work([pace.unit(name, 1) for name in (A, B) for _ in range(4)], clock)
    assert began == [0] * 3 + [10] * 3 + [20] * 2


async def test_a_unit_holds_room_for_its_reads_and_its_write(clock: VirtualClock) -> None:
    pace = a_pace(clock)
    reads, writes = pace.lanes.lane(A, "read"), pace.lanes.lane(A, "write")
    async with pace.unit(A, 3):
        assert reads.under_way == 3
        assert writes.under_way == 1
    assert reads.under_way == 0
    assert writes.under_way == 0


async def test_a_unit_that_fails_gives_back_its_room_and_its_place(clock: VirtualClock) -> None:
    pace = a_pace(clock, concurrency=1)
    with pytest.raises(LookupError):
        async with pace.unit(A, 1):
            raise LookupError
    assert pace.lanes.lane(A, "read").under_way == 0
    assert await at_work([pace.unit(A, 1)], clock) == [0]


@pytest.mark.parametrize("use", ["read", "write"])
async def test_a_unit_waits_until_both_of_its_lanes_are_open(clock: VirtualClock, use: Any) -> None:
    pace = a_pace(clock)
    closed(pace, 30, use=use)
    assert await at_work([pace.unit(A, 1)], clock) == [30]


async def test_a_unit_waits_for_room_for_all_of_its_reads(clock: VirtualClock) -> None:
    pace = a_pace(clock)
    lane = pace.lanes.lane(A, "read")
    lane.answered({READS: "5"}, 0)
    assert await at_work([pace.unit(A, 3)], clock) == [1]
    lane.answered({READS: "6"}, 11)
    assert await at_work([pace.unit(A, 3)], clock) == [11]


async def test_a_subscription_whose_lane_is_closed_takes_no_place_from_the_others(
    clock: VirtualClock,
) -> None:
    pace = a_pace(clock, concurrency=1)
    closed(pace, 500, A)
    began = await at_work([pace.unit(A, 1), pace.unit(A, 1), pace.unit(B, 1)], clock)
    assert began == [0, 500, 510]


async def test_a_lane_that_is_closed_while_its_unit_waits_for_a_place_gives_it_to_others(
    clock: VirtualClock,
) -> None:
    pace = a_pace(clock, concurrency=1)

    async def close() -> list[float]:
        await clock.sleep(5)
        closed(pace, 100, A)
        return []

    began = await asyncio.gather(
        at_work([pace.unit(B, 1)], clock),
        at_work([pace.unit(A, 1)], clock),
        at_work([pace.unit(B, 1)], clock),
        close(),
    )
    assert list(began) == [[0], [105], [10], []]


async def test_a_unit_that_would_outlast_the_deadline_is_not_let_in(clock: VirtualClock) -> None:
    pace = a_pace(clock, budget=60)
    closed(pace, 61)
    with pytest.raises(OutOfTime):
        await at_work([pace.unit(A, 1)], clock)
    assert clock.monotonic() == 0


async def test_a_unit_whose_place_comes_too_late_still_gets_it(clock: VirtualClock) -> None:
    # Whoever works under a permit looks at the deadline itself.
    pace = a_pace(clock, budget=15, concurrency=1)
    assert await at_work([pace.unit(A, 1), pace.unit(B, 1)], clock) == [0, 10]


# A page


@pytest.mark.parametrize(("concurrency", "at_a_time"), [(64, 8), (8, 8), (3, 3)])
async def test_eight_pages_are_read_at_a_time_or_as_many_as_units(
    clock: VirtualClock, concurrency: int, at_a_time: int
) -> None:
    pace = a_pace(clock, concurrency=concurrency)
    began = await at_work([pace.page(A) for _ in range(9)], clock)
    assert began.count(0) == at_a_time


async def test_a_page_holds_room_for_one_read(clock: VirtualClock) -> None:
    pace = a_pace(clock)
    async with pace.page(A):
        assert pace.lanes.lane(A, "read").under_way == 1
        assert pace.lanes.lane(A, "write").under_way == 0
    assert pace.lanes.lane(A, "read").under_way == 0


async def test_a_request_after_a_permit_takes_room_of_its_own(clock: VirtualClock) -> None:
    pace = a_pace(clock)
    async with pace.page(A):
        pass
    pipeline: Any = AsyncPipeline(Transport(), [Pacing(pace)])
    await pipeline.run(HttpRequest("GET", f"https://management.azure.com/subscriptions/{A}/x"))
    assert pace.lanes.lane(A, "read").under_way == 0


async def test_a_page_does_not_wait_for_the_lane_of_writes(clock: VirtualClock) -> None:
    pace = a_pace(clock)
    closed(pace, 30, use="write")
    assert await at_work([pace.page(A)], clock) == [0]


async def test_ninety_lists_that_are_throttled_keep_no_other_waiting(clock: VirtualClock) -> None:
    pace = a_pace(clock)
    for number in range(90):
        closed(pace, 150, f"throttled-{number}")
    began: list[list[float]] = await asyncio.gather(
        *(at_work([pace.page(f"throttled-{number}")], clock, 1) for number in range(90)),
        at_work([pace.page(B)], clock, 1),
    )
    assert began[-1] == [0]
    assert max(times[0] for times in began) < 150 + 90 / 8


async def test_pages_and_units_take_no_place_from_each_other(clock: VirtualClock) -> None:
    pace = a_pace(clock, concurrency=1)
    assert await at_work([pace.page(A), pace.unit(B, 1)], clock) == [0, 0]


async def test_a_page_that_would_outlast_the_deadline_is_not_let_in(clock: VirtualClock) -> None:
    pace = a_pace(clock, budget=60)
    closed(pace, 61)
    with pytest.raises(OutOfTime):
        await at_work([pace.page(A)], clock)


# What outlives a sweep


async def test_a_lane_that_was_closed_in_one_sweep_is_closed_in_the_next(
    clock: VirtualClock,
) -> None:
    first = a_pace(clock)
    closed(first, 30)
    second = Pace(first.lanes, clock, Deadline.after(clock, 1000), 8)
    assert await at_work([second.unit(A, 1)], clock) == [30]
