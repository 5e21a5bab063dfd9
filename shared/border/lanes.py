"""Border: lanes: what Azure meters together, as far as its answers show it.

A lane is the reads or the writes of one subscription, the tenant's, or Resource Graph's queries.
Each answer says how many requests its lane has left: that many leave at once, less a few, and then
one at a time looks whether there is room again. No rate is assumed: ARM's buckets differ by
subscription and change (recorded exchanges, fact 26). A Retry-After closes the lane, not just the
request, for as long as it says.

So a crowded subscription is done about when its buckets allow, and nothing is refused, at Azure's
documented rates and at a tenth of them (tests/unit/border/test_metered.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from shared.core.model import in_utc

type Use = Literal["read", "write", "query"]

_LONGEST_BACKOFF = 60.0
# A second that doubles six times is more than a minute; a thousand times, more than a float holds.
_MOST_DOUBLINGS = 6
# However long Azure says that a lane is closed, after this it is looked at again.
_LONGEST_CLOSURE = 3600.0
# No number in a header counts for more than this: nobody means one of 400 digits.
_LARGEST_NUMBER = 10**9
# Room that is left in a lane, for those whom we don't see: another sweep, an operator.
_RESERVE = 3
# How long whoever finds no room waits while another request of the lane is under way.
_WAIT_SECONDS = 1.0

_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/?]+)", re.IGNORECASE)
_GRAPH = "/providers/microsoft.resourcegraph/"


@dataclass(slots=True, eq=False)
class Lane:
    """What Azure meters together. Moments are on the clock's monotonic count."""

    closed_until: float = 0.0
    left: int | None = None
    """Requests that it has left, by the last answer; None: no answer says."""
    answered_at: float = 0.0
    under_way: int = 0
    """Requests that were sent and not answered, and room that a permit holds."""
    refusals: int = 0
    """Refusals in a row."""
    looks: int = 0
    """Requests in a row that left without known room, to look again, and found none."""

    def wait(self, now: float, count: int = 1) -> float:
        """Return how many seconds to wait before `count` more requests may leave; 0: none."""
        if self.closed_until > now:
            return self.closed_until - now
        if self.left is None or self.left - self.under_way - _RESERVE >= count:
            return 0.0
        if self.under_way:
            return _WAIT_SECONDS
        # What fills up slower than we look again is looked at ever more seldom.
        return max(self.answered_at + _doubled(self.looks) - now, 0.0)

    def answered(self, headers: Mapping[str, str], now: float) -> None:
        """Learn from an answer what is left."""
        left = _left(headers)
        if left is None:
            return
        found_none = self.left is not None and left <= min(self.left, _RESERVE)
        self.looks = self.looks + 1 if found_none else 0
        self.left, self.answered_at = left, now
        resets = _resets_after(headers)
        if resets is not None and left == 0:
            # Resource Graph's quota is a window: at 0, nothing goes before it is over.
            self.closed_until = max(self.closed_until, now + min(resets, _LONGEST_CLOSURE))
            self.left = None

    def refused(self, headers: Mapping[str, str], now: float, moment: datetime) -> None:
        """Close after a refusal: as long as Azure says, or longer with each one without a word.

        `moment` is the time of day, by which Azure may say until when. "Try again after '0'
        seconds" occurs (recorded exchanges, fact 31), and a millisecond again and again: that is
        without a word.
        """
        self.refusals += 1
        wait = max(retry_after(headers, moment), _resets_after(headers) or 0.0)
        if wait < 1:
            wait = _doubled(self.refusals - 1)
        # More requests were under way when it was closed: the longest word counts.
        self.closed_until = max(self.closed_until, now + min(wait, _LONGEST_CLOSURE))


class Lanes:
    """All lanes of this process. They outlive a sweep: so does an hour's Retry-After."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, Use], Lane] = {}

    def of(self, method: str, path: str) -> Lane:
        """Return the lane of a request."""
        lowered = path.lower()
        if _GRAPH in lowered:
            return self.lane("", "query")
        match = _SUBSCRIPTION.match(lowered)
        # Management groups have a front end and a meter of their own.
        name = match[1] if match else lowered.partition("/providers/")[2].partition("/")[0]
        return self.lane(name, "read" if method in {"GET", "HEAD"} else "write")

    def lane(self, name: str, use: Use) -> Lane:
        """Return one lane."""
        return self._lanes.setdefault((name, use), Lane())


def _doubled(times: int) -> float:
    """Return a second that doubled so many times, and a minute at most."""
    return min(2.0 ** min(times, _MOST_DOUBLINGS), _LONGEST_BACKOFF)


def _left(headers: Mapping[str, str]) -> int | None:
    """Return how many requests are left: the least that any header says."""
    counts = [
        count
        for name, value in headers.items()
        if name.lower().startswith("x-ms-ratelimit-remaining-")
        or name.lower() == "x-ms-user-quota-remaining"
        if (count := _number(value)) is not None
    ]
    return min(counts, default=None)


def retry_after(headers: Mapping[str, str], moment: datetime) -> float:
    """Return for how many seconds an answer asks to wait: the longest of its headers; 0: none."""
    waits = [0.0]
    for name, unit in (("retry-after-ms", 1e-3), ("x-ms-retry-after-ms", 1e-3), ("retry-after", 1)):
        value = headers.get(name, "")
        # The same header twice is joined by commas, and a date has one of its own.
        waits += [
            number * unit for part in value.split(",") if (number := _number(part)) is not None
        ]
        waits += [_until(date, moment) for date in (value, *_HTTP_DATE.findall(value))]
    return max(waits)


def _until(text: str, moment: datetime) -> float:
    """Return the seconds from `moment` to an HTTP date; 0 if the text is none."""
    try:
        return (in_utc(parsedate_to_datetime(text)) - moment).total_seconds()
    except (ValueError, OverflowError):
        return 0.0


def _number(text: str) -> int | None:
    """Read a whole number, or the whole part of one; None if the text is no number."""
    match = re.fullmatch(r"([0-9]+)(?:\.[0-9]*)?", text.strip(), re.ASCII)
    if match is None:
        return None
    return int(match[1]) if len(match[1]) < len(str(_LARGEST_NUMBER)) else _LARGEST_NUMBER


def _resets_after(headers: Mapping[str, str]) -> float | None:
    """Return in how many seconds Resource Graph's window is over, if a header says."""
    match = re.fullmatch(
        r"([0-9]{1,6}):([0-9]{2}):([0-9]{2})", headers.get("x-ms-user-quota-resets-after", "")
    )
    return 3600.0 * int(match[1]) + 60.0 * int(match[2]) + int(match[3]) if match else None
