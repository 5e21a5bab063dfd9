"""Ctrl-C, a terminal that is closed and an end of the process: they stop a command alike."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

from keysweep.screen import Screen, stop_signals
from shared.core.errors import Stopped
from shared.steps.sweep import work_through


def cancel_at_once() -> None:
    """Let a signal end the running task at once: nothing is under way yet."""
    task = asyncio.current_task()
    if task is not None:
        _at_signals(task.cancel)


async def stoppable[T](screen: Screen, stop: asyncio.Event, work: Awaitable[T]) -> T:
    """Do the part of a command that changes something.

    The first signal sets `stop`, at which `work` begins nothing more and ends its waits; the second
    one breaks off. Raises CancelledError then, and as `work`.
    """
    running = asyncio.ensure_future(work)

    def interrupt() -> None:
        if stop.is_set():
            running.cancel()
            return
        stop.set()
        with contextlib.suppress(OSError):  # the terminal may be gone
            screen.say("Stopping: what is in flight is finished. Ctrl-C again breaks off.")

    _at_signals(interrupt)
    try:
        return await running
    finally:
        # What is left is to say what was done: a Ctrl-C may not turn that into "nothing".
        for number in stop_signals():
            with contextlib.suppress(NotImplementedError):
                asyncio.get_running_loop().remove_signal_handler(number)


async def worked_through[Item](
    screen: Screen,
    stop: asyncio.Event,
    title: str,
    items: Sequence[Item],
    subscription_of: Callable[[Item], str],
    work: Callable[[Item], Awaitable[str]],
) -> bool:
    """Change something about each item, as many at a time as a sweep does, beside a progress bar.

    `work` returns what the bar counts; where it raises Stopped, or `stop` is set, nothing more is
    begun. Returns whether all that was begun has come to its end. Raises as `work`.
    """
    bar = screen.bar()
    task = bar.add_task(title, total=len(items), counts="")

    async def one_after_another(queue: Iterator[Item]) -> None:
        for item in queue:
            if stop.is_set():
                return
            try:
                counts = await work(item)
            except Stopped:
                return
            bar.update(task, advance=1, counts=counts)

    try:
        with bar:
            await stoppable(screen, stop, work_through(items, subscription_of, one_after_another))
    except asyncio.CancelledError:
        return False
    return True


def _at_signals(act: Callable[[], object]) -> None:
    for number in stop_signals():
        # Windows has no such handlers: there Ctrl-C breaks off at once.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, act)


@asynccontextmanager
async def unless_stopped(stop: asyncio.Event) -> AsyncIterator[None]:
    """End whatever the body waits for as soon as a person says stop. Raises Stopped then."""
    if stop.is_set():
        raise Stopped
    wait = asyncio.timeout(None)
    try:
        async with wait:
            watch = asyncio.ensure_future(_end(wait, stop))
            try:
                yield
            finally:
                watch.cancel()
    except TimeoutError:
        if not wait.expired():
            raise
        raise Stopped from None


async def _end(wait: asyncio.Timeout, stop: asyncio.Event) -> None:
    await stop.wait()
    with contextlib.suppress(RuntimeError):  # the body ended just now
        wait.reschedule(asyncio.get_running_loop().time())
