"""Lets requests in one by one, and time pass, each only when everything else has come to rest."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from local_azure import LocalAzure, MovedClock, SeenRequest
from local_azure.clock import settle, work_off

# So many rounds in a row in which no loop had anything to do are rest.
_ROUNDS = 2
# Real seconds: far longer than anything here takes on a machine that has much else to do.
_PATIENCE = 60.0
_FLUSHING = "keysweep-flush"


class StuckError(Exception):
    """Nothing waits, nothing sleeps, and yet a sweep goes on."""


class Hand(Protocol):
    """Where the seconds stand that have passed; processes share it."""

    value: float


class DrivenClock(MovedClock):
    """A clock that only the driver moves, to the moment for which somebody sleeps.

    Clocks with the same hand show the same time in every process, at every instant: an answer that
    arrives in a child never finds its clock behind the server's.
    """

    def __init__(self, start: datetime, hand: Hand) -> None:
        self._hand = hand
        before = hand.value
        super().__init__(start, auto=False)
        hand.value = before

    @property
    def _elapsed(self) -> float:
        return self._hand.value

    @_elapsed.setter
    def _elapsed(self, elapsed: float) -> None:
        self._hand.value = elapsed

    @property
    def next_deadline(self) -> float | None:
        """When the first sleeper wakes, on the monotonic count."""
        with self._changed:
            return self._sleepers[0].deadline if self._sleepers else None

    @property
    def activity(self) -> int:
        """A number that changes whenever anybody sleeps, wakes, or works on a request."""
        with self._changed:
            return self._activity

    @property
    def at_work(self) -> bool:
        """Whether the server works on a request."""
        with self._changed:
            return self._working > 0

    @property
    def watched(self) -> list[asyncio.AbstractEventLoop]:
        """The server's loops."""
        with self._changed:
            return list(self._watched)

    def move_to(self, elapsed: float) -> None:
        """Move to this monotonic count, unless it is past it."""
        with self._changed:
            if elapsed > self._elapsed:
                self._move_to(elapsed)

    def catch_up(self) -> None:
        """Wake whoever's time has come since another clock moved our hand."""
        with self._changed:
            if self._sleepers and self._sleepers[0].deadline <= self._elapsed:
                self._move_to(self._elapsed)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the log free of what the faults do to everybody, which is what they are for."""
    logging.disable()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def flushing() -> bool:
    """Whether a thread of the product's sends telemetry, for which it waits in real time."""
    return any(thread.name == _FLUSHING for thread in threading.enumerate())


class InPlace(ThreadPoolExecutor):
    """Does at once what a loop hands to its threads, so that nothing goes on beside it.

    That is how aiohttp looks for proxies and passwords before each request; and a loop takes no
    executor but one with threads.
    """

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it."""
        done: Future[T] = Future()
        settle(done, partial(fn, *args, **kwargs))
        return done


@dataclass(frozen=True, slots=True)
class Rest:
    """What a process has to say after its loop has worked off what was ready."""

    worked: bool
    next_deadline: float | None


class Child(Protocol):
    """A process beside ours, whose clock shows the same time."""

    async def turn(self) -> Rest:
        """Let its loop turn, and hear what it says."""
        ...


class Driver:
    """Drives one local Azure. Runs as a task on the loop of the sweeps."""

    def __init__(
        self,
        azure: LocalAzure,
        clock: DrivenClock,
        order: Sequence[int],
        children: Callable[[], Sequence[Child]],
        key: Callable[[SeenRequest], tuple[str, ...]],
    ) -> None:
        self._azure = azure
        self._clock = clock
        asyncio.get_running_loop().set_default_executor(InPlace())
        self._order: Iterator[int] = _cycle(order)
        self._children = children
        self._key = key

    async def settle(self) -> float | None:
        """Wait until all is at rest; return when the first sleeper wakes."""
        still = 0
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            worked, deadlines = await self._round()
            still = 0 if worked else still + 1
            if still >= _ROUNDS:
                return min(deadlines, default=None)
            if self._clock.at_work or flushing():
                await asyncio.sleep(0.0005)
        raise StuckError("it does not come to rest")

    def step(self, deadline: float | None) -> bool:
        """Let one request in or, if none waits, time pass; False: neither is possible.

        To be called at rest. `deadline` is when the first sleeper wakes.
        """
        held = sorted(self._azure.admission.held, key=self._key)
        if held:
            self._azure.admission.admit(held[next(self._order) % len(held)])
            return True
        if deadline is not None:
            self._clock.move_to(deadline)
            return True
        return False

    async def _round(self) -> tuple[bool, list[float]]:
        """Let every loop work off what is ready, the server's first.

        Return whether anything went on anywhere, and when whoever sleeps will wake.
        """
        own = asyncio.get_running_loop()
        before = self._clock.activity
        worked = flushing()
        for loop in (*self._clock.watched, own):
            turned: Future[bool] = Future()
            loop.call_soon_threadsafe(work_off, loop, turned.set_result)
            worked = await asyncio.wrap_future(turned) or worked
        rests = [await child.turn() for child in self._children()]
        worked = worked or self._clock.at_work or flushing()
        worked = worked or any(rest.worked for rest in rests)
        deadlines = [self._clock.next_deadline, *(rest.next_deadline for rest in rests)]
        return (
            worked or before != self._clock.activity,
            [deadline for deadline in deadlines if deadline is not None],
        )


def _cycle(order: Sequence[int]) -> Iterator[int]:
    while True:
        yield from order or (0,)
