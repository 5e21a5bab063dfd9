"""Time that runs out."""

import asyncio

import pytest

from shared.core.deadline import Deadline, within
from shared.core.errors import Outlasted
from tests.support.virtual_time import VirtualClock


async def test_a_deadline_is_so_many_seconds_from_now(clock: VirtualClock) -> None:
    await clock.sleep(100)
    assert Deadline.after(clock, 30).at == 130


async def test_what_is_left_grows_less(clock: VirtualClock) -> None:
    deadline = Deadline.after(clock, 30)
    assert deadline.left == 30
    await clock.sleep(10)
    assert deadline.left == 20


async def test_nothing_is_left_once_it_has_passed(clock: VirtualClock) -> None:
    deadline = Deadline.after(clock, 30)
    await clock.sleep(31)
    assert deadline.left == 0


async def test_what_a_deadline_waits_for_ends_before_it_or_is_too_late(clock: VirtualClock) -> None:
    deadline = Deadline.after(clock, 10)
    await deadline.wait_for(clock.sleep(9), "never said")
    with pytest.raises(Outlasted) as raised:
        await deadline.wait_for(clock.sleep(2), "It took too long.")
    assert str(raised.value) == "It took too long."
    assert clock.monotonic() == 10


async def test_work_that_ends_in_time_returns_its_value_when_it_ends(clock: VirtualClock) -> None:
    async def work() -> str:
        await clock.sleep(9)
        return "done"

    assert await within(clock, 10, work()) == "done"
    assert clock.monotonic() == 9


async def test_work_that_does_not_end_in_time_is_given_up_then(clock: VirtualClock) -> None:
    with pytest.raises(TimeoutError):
        await within(clock, 10, clock.sleep(11))
    assert clock.monotonic() == 10


async def test_an_error_of_the_work_is_raised(clock: VirtualClock) -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await within(clock, 10, work())


async def test_work_that_is_given_up_has_tidied_up_before_anybody_goes_on(
    clock: VirtualClock,
) -> None:
    tidied_at: list[float] = []

    async def work() -> None:
        try:
            await clock.sleep(100)
        finally:
            await clock.sleep(3)
            tidied_at.append(clock.monotonic())

    with pytest.raises(TimeoutError):
        await within(clock, 10, work())
    assert tidied_at == [13]


async def test_no_alarm_is_left_behind(clock: VirtualClock) -> None:
    async def work() -> None:
        await clock.sleep(1)

    await within(clock, 10, work())
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_when_the_wait_is_cancelled_so_is_the_work(clock: VirtualClock) -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    waiting = asyncio.ensure_future(within(clock, 10, work()))
    await clock.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
