"""Time in the local Azure. Everything that takes time there takes it on one of these clocks.

The product brings its own `Clock` protocol of the same shape, and tests hand it ours, so that
client and server live in the same time and a test never waits for real.
"""

import asyncio
import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

# How long nothing may happen before the moved clock moves itself. A far jump (a budget, an hour's
# Retry-After) is the one that hurts when it comes too early, so it waits longer.
QUIET = 0.008
QUIET_BEFORE_FAR = 0.25
FAR = 15.0
# How often everything is looked at in the shortest quiet.
_LOOKS = 3
# So many turns every event loop is given, however slow the machine is.
TURNS = 25


class Clock(Protocol):
    """Now, a monotonic count of seconds, and sleep."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when that much time has passed."""
        ...


@dataclass(order=True, slots=True)
class _Sleeper:
    deadline: float
    number: int
    loop: asyncio.AbstractEventLoop = field(compare=False)
    woken: asyncio.Future[None] = field(compare=False)


def _wake(sleeper: _Sleeper) -> None:
    def set_result() -> None:
        if not sleeper.woken.done():
            sleeper.woken.set_result(None)

    try:
        sleeper.loop.call_soon_threadsafe(set_result)
    except RuntimeError:  # its loop has been closed: nobody is waiting any more
        return


class MovedClock:
    """A clock that stands still until somebody moves it.

    `advance` moves it. Unless `auto` is off it also moves itself, to the first sleeper's deadline,
    when everything is quiet: somebody sleeps, no request is being worked on, no event loop that
    sleeps on it (nor any in `watch`) has anything to do, and the process used hardly any processor
    time meanwhile.
    """

    def __init__(self, start: datetime = START, *, auto: bool = True) -> None:
        self._start = start
        self._furthest = math.inf
        self._elapsed = 0.0
        self._auto = auto
        self._changed = threading.Condition(threading.RLock())
        self._sleepers: list[_Sleeper] = []
        self._numbers = itertools.count()
        self._working = 0
        self._activity = 0
        self._watched: list[asyncio.AbstractEventLoop] = []
        self._driver: threading.Thread | None = None

    def now(self) -> datetime:
        """Return the time that the clock shows."""
        with self._changed:
            return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds since the clock's start."""
        with self._changed:
            return self._elapsed

    def advance(self, by: float | timedelta) -> None:
        """Move the clock forward and wake everybody whose time has come."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if seconds < 0:
            raise ValueError(f"a clock goes forward, not by {seconds} seconds")
        with self._changed:
            self._move_to(self._elapsed + seconds)

    def let_move(self, *, auto: bool, furthest: float = math.inf) -> None:
        """Let it move itself from now on, or not.

        `furthest`: never by more seconds at once. Below every time-out, a pause between attempts
        is passed over and no request is taken for one that hangs, however loaded the machine is.
        """
        with self._changed:
            self._auto, self._furthest = auto, furthest
            self._note_activity()
            if self._sleepers:
                self._drive()

    async def sleep(self, seconds: float) -> None:
        """Sleep until the clock has moved on that much."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        with self._changed:
            sleeper = _Sleeper(
                self._elapsed + seconds, next(self._numbers), loop, loop.create_future()
            )
            heapq.heappush(self._sleepers, sleeper)
            self._note_activity()
            self._drive()
        try:
            await sleeper.woken
        finally:
            with self._changed:
                if sleeper in self._sleepers:
                    self._sleepers.remove(sleeper)
                    heapq.heapify(self._sleepers)
                self._note_activity()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Say that a request is being worked on: the clock doesn't move itself meanwhile."""
        with self._changed:
            self._working += 1
            self._note_activity()
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._note_activity()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Say, inside `working`, that the request waits for the clock: it may move itself."""
        with self._changed:
            self._working -= 1
            self._note_activity()
        try:
            yield
        finally:
            with self._changed:
                self._working += 1
                self._note_activity()

    @contextmanager
    def watch(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Count `loop` among those that have to be idle before the clock moves itself."""
        with self._changed:
            self._watched.append(loop)
        try:
            yield
        finally:
            with self._changed:
                self._watched.remove(loop)

    def _note_activity(self) -> None:
        self._activity += 1
        self._changed.notify_all()

    def _move_to(self, elapsed: float) -> None:
        self._elapsed = elapsed
        while self._sleepers and self._sleepers[0].deadline <= elapsed:
            _wake(heapq.heappop(self._sleepers))
        self._note_activity()

    def _drive(self) -> None:
        if self._auto and self._driver is None:
            self._driver = threading.Thread(target=self._run, name="moved-clock", daemon=True)
            self._driver.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._sleepers and not self._changed.wait_for(
                    lambda: bool(self._sleepers), timeout=1
                ):
                    self._driver = None  # idle for a second; the next sleeper starts another
                    return
                self._changed.wait_for(lambda: self._working == 0, timeout=1)
                seen = self._activity
                far = bool(self._sleepers) and self._sleepers[0].deadline - self._elapsed > FAR
            if not self._is_quiet(seen, QUIET_BEFORE_FAR if far else QUIET):
                continue
            with self._changed:
                still = self._activity == seen and self._working == 0
                if self._auto and still and self._first_is_near():
                    self._move_to(max(self._elapsed, self._sleepers[0].deadline))

    def _first_is_near(self) -> bool:
        return bool(self._sleepers) and (
            self._sleepers[0].deadline - self._elapsed <= self._furthest
        )

    def _is_quiet(self, seen: int, seconds: float) -> bool:
        """Whether nothing happens for `seconds` of real time; in the end each loop is looked at."""
        used = time.process_time()
        looks = _LOOKS * round(seconds / QUIET)
        for left in reversed(range(looks)):
            # Nobody wakes this thread for what happens meanwhile: waking it is what costs. It looks
            # often, for a nearer sleeper may come.
            time.sleep(seconds / looks)
            with self._changed:
                if self._activity != seen or time.process_time() - used >= seconds / 2:
                    return False
                loops = {*self._watched, *(sleeper.loop for sleeper in self._sleepers)}
            if left < _LOOKS and not all(_is_idle(loop) for loop in loops):
                return False
        with self._changed:
            unchanged = self._activity == seen and self._working == 0
        return unchanged and time.process_time() - used < seconds / 2


def _is_idle(loop: asyncio.AbstractEventLoop) -> bool:
    """Wait until `loop` has worked off all that was ready. A closed loop is idle."""
    passed = threading.Event()

    def turn(left: int) -> None:
        # What is ready may make more ready, and so on: a connection takes some turns to be made.
        if left:
            loop.call_soon(turn, left - 1)
        else:
            passed.set()

    try:
        loop.call_soon_threadsafe(turn, TURNS)
    except RuntimeError:
        return True
    return passed.wait(timeout=1)


class RunningClock:
    """Real time, plus an offset that `advance` adds to."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._real_now = now
        self._offset = 0.0
        self._lock = threading.Lock()
        self._sleepers: dict[int, _Sleeper] = {}
        self._numbers = itertools.count()

    def now(self) -> datetime:
        """Return the real time plus the offset."""
        return self._real_now() + timedelta(seconds=self._offset)

    def monotonic(self) -> float:
        """Return the real monotonic clock plus the offset."""
        return time.monotonic() + self._offset

    def advance(self, by: float | timedelta) -> None:
        """Jump forward."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if seconds < 0:
            raise ValueError(f"a clock goes forward, not by {seconds} seconds")
        with self._lock:
            self._offset += seconds
            sleepers = list(self._sleepers.values())
        for sleeper in sleepers:
            _wake(sleeper)

    async def sleep(self, seconds: float) -> None:
        """Sleep until this clock has moved on that much."""
        deadline = self.monotonic() + seconds
        loop = asyncio.get_running_loop()
        while (left := deadline - self.monotonic()) > 0:
            sleeper = _Sleeper(deadline, next(self._numbers), loop, loop.create_future())
            with self._lock:
                self._sleepers[sleeper.number] = sleeper
            try:
                await asyncio.wait([sleeper.woken], timeout=left)
            finally:
                with self._lock:
                    del self._sleepers[sleeper.number]

    @contextmanager
    def working(self) -> Iterator[None]:
        """Nothing to hold back: real time runs anyway."""
        yield

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Nothing to let go: real time runs anyway."""
        yield

    @contextmanager
    def watch(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Nothing to watch: real time runs anyway."""
        del loop
        yield


type ServerClock = MovedClock | RunningClock
