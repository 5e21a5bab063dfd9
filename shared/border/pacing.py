"""Border: the pace: deadlines and permits. Every request to Azure passes here.

A unit of remediation, or a page of a list, gets a permit first: a place among those at work, and
room in its subscription's lanes. All waiting is before the permit, so the decision is fresh when
the PATCH leaves, and a subscription whose lane is closed keeps no place from the others.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from azure.core.exceptions import (
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.border.lanes import Lane, Lanes, Use, retry_after
from shared.core.deadline import Deadline, within
from shared.core.errors import OutOfTime, Stale, Throttled
from shared.core.model import Clock

UNITS_PER_SUBSCRIPTION = 4
_REQUEST_SECONDS = 60.0
_ATTEMPTS = 4
# Pages of lists at a time: one of a large subscription takes megabytes.
_PAGES_AT_A_TIME = 8
_THROTTLED = 429
# 529 is how metrics:getBatch throttles (azure-monitor-docs, migrate-to-batch-api.md).
_TRANSIENT = frozenset({408, 500, 502, 503, 504, 529})


@dataclass(slots=True)
class _Permit:
    """What a unit or a page may send without waiting: what it still holds of its room."""

    subscription_id: str
    held: Counter[Use]
    is_patch_sent: bool = False
    """What is throttled before that gives up its place and waits."""


_permit: ContextVar[_Permit | None] = ContextVar("permit", default=None)


class Pace:
    """Admits the requests and the units of one sweep, until its deadline.

    `throttled` counts the answers that said that there were too many requests.
    """

    def __init__(self, lanes: Lanes, clock: Clock, deadline: Deadline, concurrency: int) -> None:
        self.lanes = lanes
        self.clock = clock
        self.deadline = deadline
        self.throttled = 0
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
        room: Counter[Use] = Counter({"read": reads, "write": 1})
        async with place, self._admitted(subscription_id, room, self._unit_places):
            yield

    def page(self, subscription_id: str) -> AbstractAsyncContextManager[None]:
        """Let one page of a subscription's list be read; waiting and errors are as for a unit."""
        return self._admitted(subscription_id, Counter({"read": 1}), self._page_places)

    @asynccontextmanager
    async def _admitted(
        self, subscription_id: str, room: Counter[Use], places: asyncio.Semaphore
    ) -> AsyncIterator[None]:
        """Wait for room in the lanes, then for a place; give both back after the body.

        Whoever waits for a closed lane takes no place from the others.
        """
        needed = {self.lanes.lane(subscription_id, use): count for use, count in room.items()}
        while True:
            await self._room(needed)
            async with places:
                if self._wait(needed):
                    # The lane was closed while we waited for the place, which goes to others.
                    continue
                for lane, count in needed.items():
                    lane.under_way += count
                token = _permit.set(_Permit(subscription_id, room))
                try:
                    yield
                finally:
                    _permit.reset(token)
                    for use, count in room.items():
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

        Raises OutOfTime if its lane stays closed past the deadline; Throttled for what has a permit
        and sent no PATCH yet: it begins again; Stale for a PATCH whose lane was closed since it got
        its permit: nothing was sent.
        """
        method = request.http_request.method
        lane = self._pace.lanes.of(method, _path(request))
        is_write, permit = method == "PATCH", _permit.get()
        attempt = 0
        while True:
            attempt += 1
            await self._admit(lane, permit, "write" if is_write else "read")
            if is_write and permit is not None:
                if lane.closed_until > self._pace.clock.monotonic():
                    lane.under_way -= 1
                    raise Stale("Its lane was closed meanwhile.")
                permit.is_patch_sent = True
            try:
                response = await self._attempt(request)
            except (ServiceRequestError, ServiceResponseError):
                if is_write or attempt == _ATTEMPTS:
                    raise
                await self._pace.pause(2.0 ** (attempt - 1))
                continue
            finally:
                lane.under_way -= 1
            status = response.http_response.status_code
            self._learn(lane, status, response.http_response.headers)
            if status == _THROTTLED and permit is not None and not permit.is_patch_sent:
                message = "Azure answers 429: too many requests."
                raise Throttled("Sending", method, message=message, status=status, is_azures=False)
            # A throttled read is tried for as long as the lane opens in time.
            is_transient = status in _TRANSIENT and attempt < _ATTEMPTS
            if is_write or not (status == _THROTTLED or is_transient):
                return response
            if is_transient:
                await self._pace.pause(2.0 ** (attempt - 1))

    async def _admit(self, lane: Lane, permit: _Permit | None, use: Use) -> None:
        """Let the request leave in the room that its permit holds, or wait for some."""
        if (
            permit is not None
            and permit.held[use]
            and self._pace.lanes.lane(permit.subscription_id, use) is lane
        ):
            permit.held[use] -= 1
        else:
            await self._pace.admit(lane)

    async def _attempt(
        self, request: PipelineRequest[HttpRequest]
    ) -> PipelineResponse[HttpRequest, AsyncHttpResponse]:
        seconds = min(_REQUEST_SECONDS, max(self._pace.deadline.left, 1.0))
        try:
            return await within(self._pace.clock, seconds, self.next.send(request))
        except TimeoutError as error:
            raise ServiceResponseTimeoutError(f"no answer within {seconds:.0f} s") from error

    def _learn(self, lane: Lane, status: int, headers: Mapping[str, str]) -> None:
        """Let the lane know what an answer says of it."""
        now, moment = self._pace.clock.monotonic(), self._pace.clock.now()
        self._pace.throttled += status == _THROTTLED
        lane.answered(headers, now)
        if status == _THROTTLED or (status in _TRANSIENT and retry_after(headers, moment)):
            lane.refused(headers, now, moment)
        else:
            lane.refusals = 0


def _path(request: PipelineRequest[HttpRequest]) -> str:
    return "/" + request.http_request.url.partition("://")[2].partition("/")[2].partition("?")[0]
