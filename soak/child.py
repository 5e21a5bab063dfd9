"""A sweep in a process of its own, so that it can be killed. Its clock shows the time of ours.

Our driver tells it when to let its loop turn; it answers with who sleeps there, and until when.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import ModuleType
from unittest import mock

from local_azure.clock import work_off
from shared.bootstrap import Process
from soak import planted
from soak.driver import DrivenClock, Hand, InPlace, Rest, flushing, quiet


@dataclass(frozen=True, slots=True)
class Order:
    """What a child is to do."""

    environ: Mapping[str, str]
    start: datetime
    trace_parent: str
    last: str
    bug: planted.Bug | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A turn of the child's loop; `ended`: what its tick raised, or nothing."""

    rest: Rest
    ended: bool
    error: BaseException | None


def run(order: Order, line: Connection, hand: Hand) -> None:
    """Be the child."""
    os.environ.update(order.environ)
    with quiet(), planted.plant(order.bug):
        asyncio.run(_run(order, line, hand))
    # Threads of the exporter are left behind; whoever is killed doesn't wait for them either.
    os._exit(0)


async def _run(order: Order, line: Connection, hand: Hand) -> None:
    loop = asyncio.get_running_loop()
    clock = DrivenClock(order.start, hand)
    process = Process(order.environ, clock)
    tick = loop.create_task(process.tick(order.trace_parent, last=order.last))
    over = asyncio.Event()

    loop.set_default_executor(InPlace())
    seen = clock.activity

    def answer(worked: bool) -> None:  # noqa: FBT001 - it is a callback
        nonlocal seen
        now = clock.activity
        ended = tick.done()
        error = tick.exception() if ended else None
        rest = Rest(worked or flushing() or now != seen, clock.next_deadline)
        seen = now
        line.send(Answer(rest, ended, _plain(error)))
        if ended:
            over.set()

    def turn() -> None:
        line.recv()
        was_busy = flushing()
        clock.catch_up()
        work_off(loop, lambda worked: answer(worked or was_busy))

    loop.add_reader(line.fileno(), turn)
    await over.wait()
    loop.remove_reader(line.fileno())
    await process.close()


def _plain(error: BaseException | None) -> BaseException | None:
    """Return an error that can be sent: its type's name and its text."""
    return None if error is None else RuntimeError(type(error).__name__, str(error))


@cache
def _forkserver() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@cache
def hand() -> Hand:
    """Return the hand of the clocks of this process and of its children."""
    shared: Hand = _forkserver().RawValue("d", 0.0)
    return shared


class ChildProcess:
    """Our end of it."""

    def __init__(self, order: Order) -> None:
        self._line, theirs = multiprocessing.Pipe()
        self._process: ForkServerProcess = _forkserver().Process(
            target=run, args=(order, theirs, hand()), daemon=True
        )
        # It has no use for our main module, which it would import first.
        with mock.patch.dict(sys.modules, {"__main__": ModuleType("__main__")}):
            self._process.start()
        theirs.close()
        self.answer: Answer | None = None

    async def turn(self) -> Rest:
        """Let its loop turn, and hear what it says."""
        if self.answer is not None and self.answer.ended:
            return Rest(worked=False, next_deadline=None)
        self._line.send(None)
        answered = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._line.fileno(), answered.set)
        try:
            await answered.wait()
        finally:
            loop.remove_reader(self._line.fileno())
        answer: Answer = self._line.recv()
        self.answer = answer
        return answer.rest

    def freeze(self) -> None:
        """Stop it where it is."""
        os.kill(self._pid, signal.SIGSTOP)

    def kill(self) -> None:
        """Kill it where it is; one that has ended meanwhile is just as dead."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Wait for its end, and let go of it."""
        self._process.join()
        self._process.close()
        self._line.close()

    @property
    def _pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid
