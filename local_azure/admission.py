"""A gate before the local Azure: whoever closes it lets requests in one by one, in any order.

    azure.admission.close(lambda request: request.host == "arm")
    azure.admission.held            # what waits
    azure.admission.admit(request)  # one of them

It is open until somebody closes it. A request that waits has been seen (it has its number and its
time of arrival) and nothing was done about it; whoever gives up waiting for an answer takes his
request away again.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from local_azure.log import SeenRequest


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    request: SeenRequest
    loop: asyncio.AbstractEventLoop
    let_in: asyncio.Future[None]


class Admission:
    """The gate."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gated: Callable[[SeenRequest], bool] | None = None
        self._waiting: list[_Waiting] = []

    def close(self, gated: Callable[[SeenRequest], bool]) -> None:
        """Hold the requests that `gated` says from now on."""
        self._gated = gated

    def holds(self, request: SeenRequest) -> bool:
        """Whether a request has to wait."""
        return self._gated is not None and self._gated(request)

    @property
    def held(self) -> tuple[SeenRequest, ...]:
        """What waits, in the order of arrival."""
        with self._lock:
            return tuple(waiting.request for waiting in self._waiting)

    def admit(self, request: SeenRequest) -> None:
        """Let one in. One that has been taken away meanwhile is nobody's loss."""
        with self._lock:
            for waiting in self._waiting:
                if waiting.request.ordinal == request.ordinal:
                    waiting.loop.call_soon_threadsafe(partial(_set, waiting.let_in))

    async def passage(self, request: SeenRequest) -> None:
        """Wait until the request is let in; on the server's loop."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, loop, loop.create_future())
        with self._lock:
            self._waiting.append(waiting)
        try:
            await waiting.let_in
        finally:
            with self._lock:
                self._waiting.remove(waiting)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
