"""The clocks: they move when moved, and the moved one by itself when all is quiet."""

import asyncio
import threading
import time
from datetime import timedelta

import pytest

from local_azure import MovedClock, RunningClock, Tenant
from local_azure.clock import START, CountedThreads, work_off
from tests.support.plain_client import SUBSCRIPTIONS, arm
from tests.support.serving import Serve


async def test_sleepers_wake_in_the_order_of_their_deadlines_and_nobody_waits_for_real() -> None:
    clock = MovedClock()
    woken: list[str] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(f"{name} at {clock.monotonic():.0f}")

    began = time.monotonic()
    await asyncio.gather(sleep("late", 7200), sleep("early", 5), sleep("middle", 30))

    assert woken == ["early at 5", "middle at 30", "late at 7200"]
    assert time.monotonic() - began < 5
    assert clock.now() == START + timedelta(hours=2)


def test_a_loop_that_slept_before_and_is_held_up_at_work_keeps_the_clock_where_it_is() -> None:
    clock = MovedClock()
    other = threading.Thread(target=lambda: asyncio.run(clock.sleep(540)), daemon=True)

    async def work() -> float:
        await clock.sleep(1)
        other.start()
        ends = time.monotonic() + 0.2
        while time.monotonic() < ends:
            pass
        return clock.monotonic()

    assert asyncio.run(work()) == 1
    other.join()


async def test_a_clock_without_auto_stands_still() -> None:
    clock = MovedClock(auto=False)
    sleeping = asyncio.ensure_future(clock.sleep(5))
    await asyncio.sleep(0.05)
    asleep = not sleeping.done()
    clock.advance(timedelta(seconds=5))
    await sleeping

    assert asleep


async def test_it_does_not_move_while_a_loop_is_busy() -> None:
    clock = MovedClock()
    sleeping = asyncio.ensure_future(clock.sleep(100))
    moved = []
    for _ in range(20):
        until = time.perf_counter() + 0.01
        while time.perf_counter() < until:  # work that never lets go for long
            pass
        moved.append(clock.monotonic())
        await asyncio.sleep(0)

    assert moved == [0.0] * 20
    await sleeping


async def test_it_does_not_move_while_a_loop_is_held_up() -> None:
    clock = MovedClock()
    sleeping = asyncio.ensure_future(clock.sleep(100))
    await asyncio.sleep(0)
    threading.Event().wait(0.1)  # no processor time, but the loop can't turn
    moved = clock.monotonic()
    await sleeping

    assert moved == 0


async def test_it_does_not_move_while_a_request_is_worked_on() -> None:
    clock = MovedClock()
    with clock.working():
        sleeping = asyncio.ensure_future(clock.sleep(5))
        await asyncio.sleep(0.1)
        asleep = not sleeping.done()
        with clock.waiting():
            await sleeping

    assert asleep


async def test_a_loop_has_something_to_do_while_a_task_of_it_is_about_to_go_on() -> None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[None] = loop.create_future()
    worked: asyncio.Future[bool] = loop.create_future()

    async def send_the_next_request() -> None:
        await answer

    sending = loop.create_task(send_the_next_request())
    await asyncio.sleep(0)
    loop.call_soon(answer.set_result, None)
    loop.call_soon(work_off, loop, worked.set_result)

    assert await worked, "the task goes on before the loop's next turn, and leaves nothing behind"
    await sending


async def test_a_loop_that_another_thread_wakes_to_look_at_it_has_nothing_to_do() -> None:
    loop = asyncio.get_running_loop()
    worked: asyncio.Future[bool] = loop.create_future()

    asking = threading.Thread(
        target=loop.call_soon_threadsafe, args=(work_off, loop, worked.set_result)
    )
    asking.start()

    assert not await worked
    asking.join()


def test_a_thread_is_at_work_until_who_asked_knows_what_it_found() -> None:
    seen: list[object] = []
    release = threading.Event()
    threads = CountedThreads(seen.append)
    found = threads.submit(release.wait)
    found.add_done_callback(lambda _: seen.append("known"))
    release.set()
    threads.shutdown()

    assert seen == [1, "known", -1]


class _Meddler:
    """A callback like the alarm, at the sight of which a loop is handed more by another thread."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __call__(self) -> None:
        """Do nothing."""

    def __eq__(self, other: object) -> bool:
        self._loop.call_soon(int)
        return True


async def test_a_loop_that_is_handed_more_while_it_is_looked_at_is_worked_off() -> None:
    loop = asyncio.get_running_loop()
    worked: asyncio.Future[bool] = loop.create_future()
    loop.call_soon(_Meddler(loop))
    work_off(loop, worked.set_result)
    assert not await worked


async def test_what_a_thread_raises_is_raised() -> None:
    def fail() -> None:
        raise LookupError("no proxy")

    asyncio.get_running_loop().set_default_executor(CountedThreads(lambda _: None))

    with pytest.raises(LookupError, match="no proxy"):
        await asyncio.to_thread(fail)


async def test_a_sleep_can_be_cancelled_and_is_forgotten() -> None:
    clock = MovedClock()
    cancelled = asyncio.ensure_future(clock.sleep(5))
    await asyncio.sleep(0)
    cancelled.cancel()
    await clock.sleep(60)

    assert cancelled.cancelled()
    assert clock.monotonic() == 60


def test_no_clock_goes_back() -> None:
    with pytest.raises(ValueError, match="forward"):
        MovedClock().advance(-1)
    with pytest.raises(ValueError, match="forward"):
        RunningClock().advance(-1)


async def test_the_running_clock_runs_and_can_be_moved_past_a_sleeper() -> None:
    clock = RunningClock()
    sleeping = asyncio.ensure_future(clock.sleep(3600))
    await asyncio.sleep(0)
    before = clock.now()
    clock.advance(3600)
    await asyncio.wait_for(sleeping, 5)

    assert clock.now() - before >= timedelta(hours=1)


def test_answers_carry_the_clocks_date(serve: Serve) -> None:
    azure = serve(Tenant.with_one_subscription(), clock=MovedClock())
    azure.clock.advance(3600)

    reply = arm(azure, SUBSCRIPTIONS)

    assert reply.headers["Date"] == "Tue, 24 Nov 2026 10:00:00 GMT"


async def test_a_clock_that_moves_itself_by_so_much_at_most_leaves_the_far_asleep() -> None:
    clock = MovedClock(auto=False)
    clock.let_move(auto=True, furthest=15)
    far = asyncio.ensure_future(clock.sleep(60))

    await clock.sleep(5)
    await asyncio.sleep(0.1)

    assert clock.monotonic() == 5
    assert not far.done()
    far.cancel()
