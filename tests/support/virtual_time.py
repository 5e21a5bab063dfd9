"""An event loop whose time passes when every task waits, and then at once.

For tests in one process that wait for nothing outside it. What is scheduled first happens first,
exactly when it was to happen, however slow the machine is.
"""

import asyncio
import selectors
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class StuckError(Exception):
    """Every task waits, and nothing will ever wake one."""


class _PassingTime(selectors.DefaultSelector):
    """Passes the time that it was to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; wait for nothing. Raises StuckError if it would be for ever."""
        ready = super().select(0)
        if not ready and timeout is None:
            raise StuckError("every task waits, and nothing will ever wake one")
        if not ready and timeout is not None:
            self.passed += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The event loop."""

    def __init__(self) -> None:
        self._passing = _PassingTime()
        super().__init__(self._passing)

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._passing.passed


class VirtualClock:
    """The clock of the running loop: `shared.core.model.Clock` in virtual time."""

    def now(self) -> datetime:
        """Return the moment."""
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return the seconds that have passed since START."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds, which pass at once."""
        await asyncio.sleep(seconds)
