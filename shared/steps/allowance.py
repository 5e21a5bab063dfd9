"""How many writes the brake lets through, and until when. Pure but for its waiting."""

import asyncio
import math
from datetime import datetime


class Allowance:
    """How many more writes Azure may accept in this sweep; those under way count."""

    def __init__(self, most: int | None = None, until: datetime | None = None) -> None:
        """Allow `most` writes, and none from the moment `until` on; None: no limit."""
        self._left = most
        self._until = until
        self._under_way = 0
        self._changed = asyncio.Condition()

    def seconds_left(self, now: datetime) -> float:
        """Return how long the release of the brake lasts yet: to be looked at before each write."""
        return math.inf if self._until is None else (self._until - now).total_seconds()

    async def take(self) -> bool:
        """Take one, waiting while those under way may still give theirs back; False: none left."""
        if self._left is None:
            return True
        async with self._changed:
            await self._changed.wait_for(lambda: not self._left or self._under_way < self._left)
            if not self._left:
                return False
            self._under_way += 1
            return True

    async def give_back(self, *, used: bool) -> None:
        """Say whether the write that one was taken for was accepted."""
        if self._left is None:
            return
        async with self._changed:
            self._under_way -= 1
            self._left -= used
            self._changed.notify_all()
