"""How connections to the local Azure are made: at once, late, or never.

    azure.connections.late(9)                    # the next one to ARM takes nine seconds
    azure.connections.hang(host="ingestion")     # the next one there never comes about
    azure.faults.on(method="GET").close()        # the next request needs a new one

The kernel takes a connection at once, whatever we do; what comes late is TLS, and with it all that
a client may send. It takes the clock's time, so a clock that moves itself moves over it.
"""

import asyncio
import contextlib
import math
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass

from local_azure.clock import ServerClock
from local_azure.log import Host

# So many turns every connection is given to see that it was cut.
_TURNS = 25


@dataclass(slots=True)
class _Delay:
    host: Host
    seconds: float
    left: int | None


class Connections:
    """The script of delays, and how many connections each host was asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._delays: list[_Delay] = []
        self._asked: dict[Host, int] = {}

    def late(self, seconds: float, *, times: int | None = 1, host: Host = "arm") -> None:
        """Make the next connections to `host` (None: all of them) only after so many seconds."""
        with self._lock:
            self._delays.append(_Delay(host, seconds, times))

    def hang(self, *, times: int | None = 1, host: Host = "arm") -> None:
        """Let the next connections to `host` (None: all of them) wait for good."""
        self.late(math.inf, times=times, host=host)

    def clear(self) -> None:
        """Make connections at once again. Those that wait go on waiting."""
        with self._lock:
            self._delays.clear()

    def asked(self, host: Host = "arm") -> int:
        """How many connections to the host were asked for so far."""
        with self._lock:
            return self._asked.get(host, 0)

    def delay(self, host: Host) -> float:
        """Return the seconds that a new connection has to wait. Counts."""
        with self._lock:
            self._asked[host] = self._asked.get(host, 0) + 1
            for delay in self._delays:
                if delay.host == host and delay.left != 0:
                    delay.left = None if delay.left is None else delay.left - 1
                    return delay.seconds
        return 0


class Listener:
    """A listening socket, whose connections are handed over when their time has come."""

    def __init__(
        self,
        host: Host,
        protocol: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext | None,
        connections: Connections,
        clock: ServerClock,
    ) -> None:
        self._host: Host = host
        self._protocol = protocol
        self._context = context
        self._connections = connections
        self._clock = clock
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._socket.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self._making: set[asyncio.Task[None]] = set()
        self._accepted: set[socket.socket] = set()
        self._accepting = asyncio.ensure_future(self._accept())

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    async def close(self) -> None:
        """Stop listening, and drop the connections that still wait."""
        tasks = [self._accepting, *self._making]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()

    async def cut(self) -> None:
        """Cut what is still connected, and return when nothing is.

        Over TLS, a close waits for the client to answer it, and asyncio's transports forget their
        connection when they are closed twice. The socket itself always ends.
        """
        for connection in self._accepted:
            with contextlib.suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)
        for _ in range(_TURNS):
            self._forget_closed()
            await asyncio.sleep(0)
        for connection in self._accepted:  # nobody has taken these over
            connection.close()

    def _forget_closed(self) -> None:
        self._accepted = {connection for connection in self._accepted if connection.fileno() != -1}

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._socket)
            self._forget_closed()
            self._accepted.add(connection)
            making = asyncio.ensure_future(self._make(connection))
            self._making.add(making)
            making.add_done_callback(self._making.discard)

    async def _make(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            seconds = self._connections.delay(self._host)
            if seconds == math.inf:
                await loop.create_future()
            elif seconds:
                await self._clock.sleep(seconds)
        except BaseException:
            connection.close()
            raise
        # The client may have gone, or take no part in TLS. Its request comes once TLS stands: until
        # then a clock that moves itself would move over it.
        with contextlib.suppress(OSError), self._clock.working():
            await loop.connect_accepted_socket(self._protocol, connection, ssl=self._context)
