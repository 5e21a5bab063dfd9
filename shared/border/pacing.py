"""Border: lanes, deadlines and permits. Every request of every client passes here.

A lane is what Azure meters together: the reads or the writes of one subscription, the tenant's, or
Resource Graph's queries. Each answer says how many requests its lane has left; from that and from
how fast it fills up again, requests are spaced before a refusal comes. No rate is assumed: ARM's
buckets differ by subscription and change (recorded exchanges, fact 26). A Retry-After closes the
lane, not just the request, for as long as it says.

A unit of remediation, or a page of a list, gets a permit first: a place among those at work, and
room in its subscription's lanes. All waiting is before the permit, so the decision is fresh when
the PATCH leaves, and a subscription whose lane is closed keeps no place from the others.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from azure.core.exceptions import (
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.core.deadline import Deadline, within
from shared.core.errors import OutOfTime, Stale, Throttled
from shared.core.model import Clock, in_utc

type Use = Literal["read", "write", "query"]

UNITS_PER_SUBSCRIPTION = 4
REQUEST_SECONDS = 60.0
"""How long one attempt may take."""
_ATTEMPTS = 4
_LONGEST_BACKOFF = 60.0
# A second that doubles six times is more than a minute; a thousand times, more than a float holds.
_MOST_DOUBLINGS = 6
# However long Azure says that a lane is closed, after this it is looked at again.
_LONGEST_CLOSURE = 3600.0
# Pages of lists at a time: one of a large subscription takes megabytes.
_PAGES_AT_A_TIME = 8
# No number in a header counts for more than this: nobody means one of 400 digits.
_LARGEST_NUMBER = 10**9
# Room that is left in a lane, for those whom we don't see: another sweep, an operator.
_RESERVE = 3
_LOOK_AGAIN_SECONDS = 1.0
_LEARN_SECONDS = 1.0
_THROTTLED = 429
_TRANSIENT = frozenset({408, 500, 502, 503, 504})

_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/?]+)", re.IGNORECASE)
_GRAPH = "/providers/microsoft.resourcegraph/"


@dataclass(slots=True, eq=False)
class Lane:
    """What Azure meters together, as far as its answers let us know it."""

    closed_until: float = 0.0
    left: int | None = None
    told_at: float = 0.0
    most: int = 0
    under_way: int = 0
    """Requests that were sent and not answered, and room that a permit holds."""
    refill: float | None = None
    """Requests a second, as observed."""
    refusals: int = 0
    looks: int = 0
    """Requests in a row that left without known room, to look again, and met none."""
    _since: float | None = None
    _left_then: int = 0
    _answers: int = 0

    def wait(self, now: float, count: int = 1) -> float:
        """Return how many seconds to wait before `count` more requests may leave; 0: none."""
        if self.closed_until > now:
            return self.closed_until - now
        if self.left is None:
            return 0.0
        refilled = (self.refill or 0.0) * (now - self.told_at)
        room = min(self.left + refilled, self.most) - self.under_way - self._reserve
        if room >= count:
            return 0.0
        # What fills up slower than we look again is looked at ever more seldom.
        look_again = _LOOK_AGAIN_SECONDS * _doubled(self.looks)
        if self.refill:
            look_again = max(look_again, min(1 / self.refill, _LONGEST_BACKOFF))
        if self.under_way == 0 and now - self.told_at >= look_again:
            return 0.0
        if self.refill:
            return min(max((count - room) / self.refill, 0.05), _LONGEST_BACKOFF)
        return _LOOK_AGAIN_SECONDS

    @property
    def _reserve(self) -> int:
        return min(_RESERVE, self.most // 4)

    def answered(self, headers: Mapping[str, str], now: float) -> None:
        """Learn from an answer what is left, and how fast it fills up."""
        left = _left(headers)
        if left is None:
            return
        self.most = max(self.most, left + 1)
        found_none = self.left is not None and left <= min(self.left, self._reserve)
        self.looks = self.looks + 1 if found_none else 0
        self.left, self.told_at = left, now
        resets = _resets_after(headers)
        if resets is not None:
            # Resource Graph's quota is a window: at 0, nothing goes before it is over.
            if left == 0:
                self.closed_until = max(self.closed_until, now + min(resets, _LONGEST_CLOSURE))
                self.left = None
            return
        self._learn(left, now)

    def refused(self, headers: Mapping[str, str], now: float, moment: datetime) -> None:
        """Close after a refusal: as long as Azure says, or longer with each one without a word.

        `now` is on the monotonic count, `moment` the time of day, by which Azure may say until
        when. "Try again after '0' seconds" occurs (recorded exchanges, fact 31), and a millisecond
        again and again: that is without a word.
        """
        self.refusals += 1
        wait = max(_retry_after(headers, moment), _resets_after(headers) or 0.0)
        if wait < 1:
            wait = _doubled(self.refusals - 1)
        # More requests were under way when it was closed: the longest word counts.
        self.closed_until = max(self.closed_until, now + min(wait, _LONGEST_CLOSURE))

    def _learn(self, left: int, now: float) -> None:
        if self._since is not None:
            self._answers += 1
            seconds = now - self._since
            if seconds < _LEARN_SECONDS:
                return
            seen = max((left - self._left_then + self._answers) / seconds, 0.0)
            full = left >= self.most - 1
            if self.refill is None or (full and seen > self.refill):
                self.refill = seen or None
            elif not full:
                self.refill = (self.refill + seen) / 2
        self._since, self._left_then, self._answers = now, left, 0


def _doubled(times: int) -> float:
    """Return a second that doubled so many times, and a minute at most."""
    return min(2.0 ** min(times, _MOST_DOUBLINGS), _LONGEST_BACKOFF)


def _left(headers: Mapping[str, str]) -> int | None:
    counts = [
        count
        for name, value in headers.items()
        if name.lower().startswith("x-ms-ratelimit-remaining-")
        or name.lower() == "x-ms-user-quota-remaining"
        if (count := _number(value)) is not None
    ]
    return min(counts, default=None)


def _retry_after(headers: Mapping[str, str], moment: datetime) -> float:
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
    match = re.fullmatch(
        r"([0-9]{1,6}):([0-9]{2}):([0-9]{2})", headers.get("x-ms-user-quota-resets-after", "")
    )
    return 3600.0 * int(match[1]) + 60.0 * int(match[2]) + int(match[3]) if match else None


@dataclass(slots=True)
class _Unit:
    """Work that has a permit, and the room in its subscription's lanes that it still holds."""

    subscription_id: str
    held: Counter[Use]
    sent: bool = False
    """Whether its PATCH was sent: what is throttled before that gives up its place and waits."""


_unit: ContextVar[_Unit | None] = ContextVar("unit", default=None)


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
        use: Use = "read" if method in {"GET", "HEAD"} else "write"
        if match is None:
            # Management groups have a front end and a meter of their own.
            return self.lane(lowered.partition("/providers/")[2].partition("/")[0], use)
        return self.lane(match[1], use)

    def lane(self, name: str, use: Use) -> Lane:
        """Return one lane."""
        return self._lanes.setdefault((name, use), Lane())


class Pace:
    """Admits the requests and the units of one sweep, until its deadline."""

    def __init__(self, lanes: Lanes, clock: Clock, deadline: Deadline, concurrency: int) -> None:
        self.lanes = lanes
        self.clock = clock
        self.deadline = deadline
        self._unit_places = asyncio.Semaphore(concurrency)
        self._page_places = asyncio.Semaphore(min(concurrency, _PAGES_AT_A_TIME))
        self._places_in: dict[str, asyncio.Semaphore] = {}

    async def admit(self, lane: Lane) -> None:
        """Wait until the lane has room, and take it.

        Raises OutOfTime at once if that can't be before the deadline.
        """
        await self._room({lane: 1})
        lane.under_way += 1

    async def _room(self, needed: Mapping[Lane, int]) -> None:
        if not self.deadline.left:
            raise OutOfTime(0.0, self.deadline.left)
        while wait := self._wait(needed):
            await self.pause(wait)

    def _wait(self, needed: Mapping[Lane, int]) -> float:
        now = self.clock.monotonic()
        return max(lane.wait(now, count) for lane, count in needed.items())

    async def pause(self, seconds: float) -> None:
        """Sleep. Raises OutOfTime at once if that outlasts the deadline."""
        if seconds >= self.deadline.left:
            raise OutOfTime(seconds, self.deadline.left)
        await self.clock.sleep(seconds)

    @asynccontextmanager
    async def unit(self, subscription_id: str, reads: int) -> AsyncIterator[None]:
        """Let one unit work: so many reads and its PATCH don't wait.

        All waiting is before the body: for a place in the subscription, for its lanes, for a place
        among all units. Raises OutOfTime if that can't be before the deadline.
        """
        place = self._places_in.setdefault(
            subscription_id, asyncio.Semaphore(UNITS_PER_SUBSCRIPTION)
        )
        held: Counter[Use] = Counter({"read": reads, "write": 1})
        async with place, self._permit(subscription_id, held, self._unit_places):
            yield

    @asynccontextmanager
    async def page(self, subscription_id: str) -> AsyncIterator[None]:
        """Let one page of a subscription's list be read.

        All waiting is before the body. Raises OutOfTime if that can't be before the deadline.
        """
        held: Counter[Use] = Counter({"read": 1})
        async with self._permit(subscription_id, held, self._page_places):
            yield

    @asynccontextmanager
    async def _permit(
        self, subscription_id: str, held: Counter[Use], places: asyncio.Semaphore
    ) -> AsyncIterator[None]:
        """Wait for room in the lanes, then for a place; give both back after the body.

        Whoever waits for a closed lane takes no place from the others.
        """
        needed = {self.lanes.lane(subscription_id, use): count for use, count in held.items()}
        while True:
            await self._room(needed)
            async with places:
                if self._wait(needed):
                    # The lane was closed while we waited for the place, which goes to others.
                    continue
                for lane, count in needed.items():
                    lane.under_way += count
                token = _unit.set(_Unit(subscription_id, held))
                try:
                    yield
                finally:
                    _unit.reset(token)
                    for use, count in held.items():
                        self.lanes.lane(subscription_id, use).under_way -= count
                return


class Pacing(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Waits for the request's lane, sends it, learns from the answer, and sends a read again.

    A write is sent once: its unit is what is tried again.
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    async def send(
        self, request: PipelineRequest[HttpRequest]
    ) -> PipelineResponse[HttpRequest, AsyncHttpResponse]:
        """Send one request.

        Raises OutOfTime if its lane stays closed past the deadline, Stale for a PATCH whose lane
        was closed since it got its permit: nothing was sent.
        """
        method = request.http_request.method
        lane = self._pace.lanes.of(method, _path(request))
        unit = _unit.get()
        attempt = 0
        while True:
            attempt += 1
            await self._admit(lane, "write" if method == "PATCH" else "read")
            if method == "PATCH" and unit is not None:
                if lane.closed_until > self._pace.clock.monotonic():
                    lane.under_way -= 1
                    raise Stale("Its lane was closed meanwhile.")
                unit.sent = True
            try:
                response = await self._attempt(request)
            except (ServiceRequestError, ServiceResponseError):
                if method == "PATCH" or attempt == _ATTEMPTS:
                    raise
                await self._pace.pause(2.0 ** (attempt - 1))
                continue
            finally:
                lane.under_way -= 1
            status, now = response.http_response.status_code, self._pace.clock.monotonic()
            headers = response.http_response.headers
            lane.answered(headers, now)
            moment = self._pace.clock.now()
            if status == _THROTTLED or (status in _TRANSIENT and _retry_after(headers, moment)):
                lane.refused(headers, now, moment)
            else:
                lane.refusals = 0
            if status == _THROTTLED and unit is not None and not unit.sent:
                # The unit gives up its place while the lane is closed, and begins again.
                message = "Azure answers 429: too many requests."
                raise Throttled("Sending", method, message=message, status=status, is_azures=False)
            if method == "PATCH" or not self._is_tried_again(status, attempt):
                return response
            if status != _THROTTLED:
                await self._pace.pause(2.0 ** (attempt - 1))

    def _is_tried_again(self, status: int, attempt: int) -> bool:
        # A throttled read is tried for as long as the lane opens in time.
        return status == _THROTTLED or (status in _TRANSIENT and attempt < _ATTEMPTS)

    async def _admit(self, lane: Lane, use: Use) -> None:
        unit = _unit.get()
        if unit is not None and unit.held[use]:
            held = self._pace.lanes.lane(unit.subscription_id, use)
            if held is lane:
                unit.held[use] -= 1
                return
        await self._pace.admit(lane)

    async def _attempt(
        self, request: PipelineRequest[HttpRequest]
    ) -> PipelineResponse[HttpRequest, AsyncHttpResponse]:
        seconds = min(REQUEST_SECONDS, max(self._pace.deadline.left, 1.0))
        try:
            return await within(self._pace.clock, seconds, self.next.send(request))
        except TimeoutError as error:
            raise ServiceResponseTimeoutError(f"no answer within {seconds:.0f} s") from error


def _path(request: PipelineRequest[HttpRequest]) -> str:
    return "/" + request.http_request.url.partition("://")[2].partition("/")[2].partition("?")[0]
