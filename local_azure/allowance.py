"""How many requests a caller has left: ARM's token buckets, Resource Graph's quota, windows.

The one place where the remaining numbers of every answer are computed. ARM's buckets count always,
so that their headers are true; they refuse only where a scenario switches that on (`enforced`).
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from local_azure.clock import Clock, ServerClock
from local_azure.sources import behaviour

type Kind = Literal["reads", "writes", "deletes"]
GLOBAL_FACTOR = 15  # the second header's number is 15 times the first's (recorded: fact 26)


@dataclass(slots=True)
class Rates:
    """A bucket's size, and how much comes back each second."""

    size: float
    refill: float


# Documented: request-limits-and-throttling, by subscription, principal and kind of operation.
DOCUMENTED: dict[Kind, Rates] = {
    "reads": Rates(250, 25),
    "writes": Rates(200, 10),
    "deletes": Rates(200, 10),
}


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class ArmBuckets:
    """ARM's token buckets."""

    def __init__(
        self, clock: Clock, rates: dict[Kind, Rates] | None = None, *, enforced: bool = False
    ) -> None:
        self._clock = clock
        self.enforced = enforced
        self.rates = {
            kind: Rates(r.size, r.refill) for kind, r in {**DOCUMENTED, **(rates or {})}.items()
        }
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    @behaviour(
        "remaining requests in two headers at once, the second 15 times the first",
        "data/recorded/README.md fact 26; documented buckets of 250 (25/s) and 200 (10/s)",
        "recorded",
    )
    def take(self, principal: str, scope: str, kind: Kind) -> tuple[int, int] | float:
        """Take one; the two numbers left, or the seconds until there is one (if enforced)."""
        rates, now = self.rates[kind], self._clock.monotonic()
        key = (principal.lower(), scope.lower(), kind)
        bucket = self._buckets.setdefault(key, _Bucket(rates.size, now))
        bucket.level = min(rates.size, bucket.level + (now - bucket.at) * rates.refill)
        bucket.at = now
        if bucket.level < 1:
            if self.enforced:
                return float(max(1, math.ceil((1 - bucket.level) / rates.refill)))
            bucket.level = 1
        bucket.level -= 1
        used = math.ceil(rates.size - bucket.level)
        return int(rates.size) - used, int(rates.size) * GLOBAL_FACTOR - used


class CallWindow:
    """So many calls in a window, by whatever they are counted by."""

    def __init__(self, clock: Clock, *, calls: int, seconds: float) -> None:
        self._clock = clock
        self.calls = calls
        self.seconds = seconds
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, counted_by: str) -> float | None:
        """Count a call; the seconds until there may be one, if this one is too many."""
        now = self._clock.monotonic()
        began, used = self._windows.get(counted_by, (now, 0))
        if now - began >= self.seconds:
            began, used = now, 0
        if used >= self.calls:
            return float(max(1, math.ceil(began + self.seconds - now)))
        self._windows[counted_by] = (began, used + 1)
        return None


class QueryPlaces:
    """So many queries at once, by whoever asks; the others wait in a queue. On one event loop."""

    def __init__(self, clock: ServerClock, *, at_once: int) -> None:
        self._clock = clock
        self._at_once = at_once
        self._places: dict[str, asyncio.Semaphore] = {}
        self.queued = 0  # how many had to wait

    @behaviour(
        "a caller has 5 queries of logs at once, and the others wait until one of them is done",
        "azure-monitor-docs service-limits, query API: concurrent queries; that a query is refused "
        "after three minutes in the queue isn't modelled",
        "documented",
    )
    @asynccontextmanager
    async def place(self, principal: str) -> AsyncIterator[None]:
        """Wait for a place, and have it for the length of a query."""
        places = self._places.setdefault(principal, asyncio.Semaphore(self._at_once))
        if places.locked():
            self.queued += 1
            with self._clock.waiting():
                await places.acquire()
        else:
            await places.acquire()
        try:
            yield
        finally:
            places.release()


class GraphQuota:
    """Resource Graph's quota: so many queries in a window, by principal."""

    def __init__(self, clock: Clock, *, queries: int = 15, seconds: float = 5) -> None:
        self._clock = clock
        self.queries = queries
        self.seconds = seconds
        self._windows: dict[str, tuple[float, int]] = {}

    @behaviour(
        "15 queries in 5 seconds, counted in both headers; queries that fail count too",
        "data/recorded/README.md fact 41; azure-docs guidance-for-throttled-requests.md",
        "recorded",
    )
    def take(self, principal: str) -> tuple[bool, int, str]:
        """Whether it may run; what is left; when the window resets (hh:mm:ss)."""
        now = self._clock.monotonic()
        began, used = self._windows.get(principal, (now, 0))
        if now - began >= self.seconds:
            began, used = now, 0
        allowed = used < self.queries
        used += allowed
        self._windows[principal] = (began, used)
        left = math.ceil(began + self.seconds - now)
        return allowed, self.queries - used, f"00:00:{left:02d}"
