"""Time that runs out. Pure but for the clock that it is given."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Self

from shared.core.errors import Outlasted
from shared.core.model import Clock


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a clock after which nothing more is begun."""

    clock: Clock
    at: float
    """On the clock's monotonic count."""

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> Self:
        """Return the deadline so many seconds from now."""
        return cls(clock, clock.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds until then; 0 once it has passed."""
        return max(self.at - self.clock.monotonic(), 0.0)

    async def wait_for[T](self, work: Awaitable[T], too_late: str) -> T:
        """Wait for `work` until then. Raises Outlasted after that, which says `too_late`."""
        try:
            return await within(self.clock, self.left, work)
        except TimeoutError:
            raise Outlasted(too_late) from None


async def within[T](clock: Clock, seconds: float, work: Awaitable[T]) -> T:
    """Wait for `work`, for so many seconds of our clock. Raises TimeoutError after that."""
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        alarm.cancel()
        if not task.done():
            task.cancel()
            # Its connection is let go before anybody goes on.
            await asyncio.wait({task})
