"""Calls of accounts' data planes: when, of what, from where, with a key or with an identity."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

# How a request log holds `properties`: as a text of JSON, as an object, or as a text that was cut.
type PropertiesForm = Literal["text", "object", "cut"]


@dataclass(frozen=True, slots=True)
class Calls:
    """So many calls that differ in their times alone, which lie evenly between two moments."""

    count: int
    first: datetime
    last: datetime
    caller: str | None  # the object id of an identity; None: a key was sent
    status: int
    deployment: str
    operation: str
    model: str
    api: str
    streaming: bool
    address: str | None  # of the client, in full; None: it came through a service endpoint
    properties: PropertiesForm

    def within(self, begin: datetime, end: datetime) -> int:
        """Return how many there were from the first moment on and before the second."""
        return max(0, self._before(end) - self._before(begin))

    def times(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        """Return when those were that `within` counts."""
        for number in range(self._before(begin), self._before(end)):
            yield self.first + number * self._gap

    @property
    def _gap(self) -> timedelta:
        return (self.last - self.first) / (self.count - 1) if self.count > 1 else timedelta(0)

    def _before(self, moment: datetime) -> int:
        if moment <= self.first:
            return 0
        if moment > self.last:
            return self.count
        return min(self.count, -((self.first - moment) // self._gap))


@dataclass(slots=True)
class Traffic:
    """All calls, by account."""

    _calls: dict[str, list[Calls]] = field(default_factory=dict)

    def add(self, account_id: str, calls: Calls) -> None:
        """Let an account have been called."""
        self._calls.setdefault(account_id.lower(), []).append(calls)

    def of(self, account_id: str) -> list[Calls]:
        """Return the calls of an account, in the order in which they were added."""
        return list(self._calls.get(account_id.lower(), ()))
