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
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

# So many rounds in a row in which no loop had anything to do are rest.
_ROUNDS = 2
# So many turns of a loop in a row in which nothing else was ready make it idle for now.
_IDLE_TURNS = 2
# A loop that does not turn meanwhile, in real seconds, is held up and not idle, unless it stopped.
_LOOKS, _LOOK_SECONDS = 100, 0.05
_THREADS_OF_ASYNCIO = "asyncio"
# How long the clock's own thread lets go after a look that found something going on.
_NAP_SECONDS = 0.0005


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
    when everything is at rest: somebody sleeps, no request is being worked on, nothing runs in the
    threads of a loop that slept, and neither the server's event loops nor those that ever slept
    have anything to do, in several rounds. How much real time that takes doesn't matter. So a
    coroutine that slept must not block its loop until somebody else's sleep is over: it never is.
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
        self._counted: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
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
        is passed over and no request is taken for one that hangs.
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
            self._count_threads_of(loop)
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
        self._add_work(1)
        try:
            yield
        finally:
            self._add_work(-1)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Say, inside `working`, that the request waits for the clock: it may move itself."""
        self._add_work(-1)
        try:
            yield
        finally:
            self._add_work(1)

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

    def _add_work(self, number: int) -> None:
        with self._changed:
            self._working += number
            self._note_activity()

    def _count_threads_of(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count what a loop hands to its threads: aiohttp looks for proxies there (3.14, read).

        Threads that a test chose for its loop are left as they are.
        """
        if loop in self._counted:
            return
        self._counted.add(loop)
        chosen = getattr(loop, "_default_executor", None)
        if chosen is None or chosen._thread_name_prefix == _THREADS_OF_ASYNCIO:
            loop.set_default_executor(CountedThreads(self._add_work))

    def _note_activity(self) -> None:
        self._activity += 1
        if self._working == 0:
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
                if not self._changed.wait_for(self._may_move, timeout=1):
                    if self._sleepers:
                        continue
                    self._driver = None  # idle for a second; the next sleeper starts another
                    return
                seen = self._activity
                # Whoever slept before may be about to sleep again, and is only held up.
                slept = (loop for loop in self._counted if loop.is_running())
                loops = {*self._watched, *slept}
            if not _are_at_rest(loops):
                time.sleep(_NAP_SECONDS)
                continue
            with self._changed:
                if self._activity == seen and self._may_move():
                    self._move_to(max(self._elapsed, self._sleepers[0].deadline))

    def _may_move(self) -> bool:
        """Whether a sleeper is near enough, and no request is being worked on."""
        return (
            self._auto
            and self._working == 0
            and bool(self._sleepers)
            and self._sleepers[0].deadline - self._elapsed <= self._furthest
        )


class CountedThreads(ThreadPoolExecutor):
    """The threads of one loop. One is at work until the loop knows what came of it."""

    def __init__(self, add_work: Callable[[int], None]) -> None:
        super().__init__()
        self._add_work = add_work

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hand a call to a thread.

        The future is our own, which the thread settles before it says that the work is over: what
        the loop wants to be called with is done by then.
        """
        self._add_work(1)
        known: Future[T] = Future()

        def work() -> None:
            try:
                if known.set_running_or_notify_cancel():
                    settle(known, partial(fn, *args, **kwargs))
            finally:
                self._add_work(-1)

        super().submit(work)
        return known


def settle[T](future: Future[T], call: Callable[[], T]) -> None:
    """Give a future what comes of a call."""
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - it is the caller's
        future.set_exception(error)
    else:
        future.set_result(result)


def _are_at_rest(loops: Iterable[asyncio.AbstractEventLoop]) -> bool:
    """Let each loop work off what is ready, several times. Whether none had anything to do."""
    return all(_is_idle(loop) for _ in range(_ROUNDS) for loop in loops)


def _is_idle(loop: asyncio.AbstractEventLoop) -> bool:
    """Wait until `loop` has worked off what was ready: whether that was nothing."""
    worked: Future[bool] = Future()
    try:
        loop.call_soon_threadsafe(work_off, loop, worked.set_result)
    except RuntimeError:  # it has been closed: nobody is waiting any more
        return True
    for _ in range(_LOOKS):
        try:
            return not worked.result(_LOOK_SECONDS)
        except TimeoutError:
            if not loop.is_running():
                return True
    return False


def work_off(loop: asyncio.AbstractEventLoop, then: Callable[[bool], None]) -> None:
    """Let a loop turn until nothing is ready in it; say then whether it had anything to do.

    Call it on the loop. What its sockets have for it by now counts as ready, and so does what is
    ready when this is called: a task that goes on before the next turn leaves nothing behind. The
    loop's own alarm, by which another thread wakes it to call this, is nothing to do.
    """
    ready = loop._ready  # type: ignore[attr-defined]
    alarm = loop._read_from_self  # type: ignore[attr-defined]
    idle, worked = 0, False

    def look() -> None:
        nonlocal idle, worked
        # Other threads put more there meanwhile, and a deque can't be gone through while it grows.
        if any(handle._callback != alarm for handle in ready.copy()):
            idle, worked = 0, True
        else:
            idle += 1
        if idle < _IDLE_TURNS:
            loop.call_soon(look)
        else:
            then(worked)

    look()


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
