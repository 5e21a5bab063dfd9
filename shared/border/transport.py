"""Border: the one pipeline that every request to Azure passes.

All SDK clients share it, and with it one connection pool, one token per scope, one pace and one
observer. The SDKs' own default policies are left out on purpose: they register resource
providers by themselves, follow redirects, and log.
"""

import zlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol
from urllib.request import getproxies, proxy_bypass

import aiohttp
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline import AsyncPipeline, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AsyncHTTPPolicy,
    HeadersPolicy,
    RequestIdPolicy,
    UserAgentPolicy,
)
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from yarl import URL

from shared.border.answers import Answers, OddAnswer
from shared.border.pacing import Pace, Pacing
from shared.border.tokens import TokenCache
from shared.core.addresses import Address
from shared.core.clouds import Cloud
from shared.core.errors import Elsewhere, Stale
from shared.core.model import Clock

_CONNECT_SECONDS = 10
# The pace gives up on an attempt before this; it is for what the pace doesn't see.
_READ_SECONDS = 90
# An answer longer than this, once it is unpacked, is not read: 1,000 rows of Resource Graph take a
# few megabytes, 100 accounts in ARM's list four (recorded exchanges, facts 15 and 82).
_MOST_BYTES = 64 * 1024 * 1024
# Azure's word on how long to wait before an operation is looked at again is not taken for longer.
_LONGEST_SLEEP = 3600.0

type Pipeline = AsyncPipeline[HttpRequest, AsyncHttpResponse]


@dataclass(slots=True)
class RequestRecord:
    """One attempt of one request, as it goes on."""

    status: int | None = None
    """The status code of the answer, once there is one."""

    @property
    def outcome(self) -> str:
        """What came of it, as a word."""
        return "no answer" if self.status is None else str(self.status)


class Observer(Protocol):
    """Sees every attempt of every request: method and address, never its query or headers."""

    def request(self, method: str, address: Address) -> AbstractContextManager[RequestRecord]:
        """Open a record that lasts as long as the attempt."""
        ...


class Authorization(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Puts the token on each request to its one endpoint, and lets no other request pass."""

    def __init__(self, tokens: TokenCache, cloud: Cloud) -> None:
        super().__init__()
        self._tokens = tokens
        self._scope = cloud.scope
        self._endpoint = Address.parse(cloud.endpoint)

    async def send(
        self, request: PipelineRequest[HttpRequest]
    ) -> PipelineResponse[HttpRequest, AsyncHttpResponse]:
        """Send the request with a token; a read that was refused, once more with a new one.

        Raises Elsewhere for an address that is not Azure Resource Manager's: links to next pages
        and to operations come from answers, and none of them takes the token anywhere else.
        """
        try:
            address = Address.parse(request.http_request.url)
        except ValueError as error:
            raise Elsewhere(f"an address that can't be told ({error})") from error
        if not address.is_of(self._endpoint):
            raise Elsewhere(str(address))
        token = await self._tokens.token(self._scope)
        request.http_request.headers["Authorization"] = f"Bearer {token}"
        response = await self.next.send(request)
        if response.http_response.status_code == 401:  # noqa: PLR2004 - Unauthorized
            self._tokens.forget(self._scope, token)
            if request.http_request.method != "PATCH":
                token = await self._tokens.token(self._scope)
                request.http_request.headers["Authorization"] = f"Bearer {token}"
                response = await self.next.send(request)
        return response


class Observation(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Shows every attempt to the observer."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self._observer = observer

    async def send(
        self, request: PipelineRequest[HttpRequest]
    ) -> PipelineResponse[HttpRequest, AsyncHttpResponse]:
        """Send the request under a record of its own."""
        address = Address.parse(request.http_request.url)
        with self._observer.request(request.http_request.method, address) as record:
            response = await self.next.send(request)
            record.status = response.http_response.status_code
        return response


class PlainTransport(AioHttpTransport):  # type: ignore[misc] # azure-core loads it lazily, untyped
    """A connection pool that takes proxies from the environment, and nothing else.

    With aiohttp's `trust_env`, which azure-core switches on, the passwords of `~/.netrc` go to
    every host that is named there and asked without an `Authorization` header, such as a token
    endpoint; and a request that has one is not sent at all (aiohttp 3.14, read).
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(use_env_settings=False, **config)

    async def send(self, request: Any, **config: Any) -> Any:
        """Send one request, by the proxy that HTTPS_PROXY and NO_PROXY name for its host."""
        url = URL(request.url)
        proxy = getproxies().get(url.scheme, "")
        if proxy and not proxy_bypass(url.host or ""):
            proxy_url = URL(proxy if "://" in proxy else f"http://{proxy}")
            config["proxy"] = str(proxy_url.with_user(None))
            config["proxy_auth"] = aiohttp.BasicAuth.from_url(proxy_url)
        return await super().send(request, **config)


class PlainSyncTransport(RequestsTransport):  # type: ignore[misc] # as above
    """The same for clients that can't wait: the exporter, and the credential that it is given.

    `requests` puts a password from `~/.netrc` in place of the token (requests 2.34, read), for
    every host that is named there, unless somebody else says what authorization there is.
    """

    def _init_session(self, session: Any) -> None:
        super()._init_session(session)
        session.auth = lambda request: request


class ClockedTransport(PlainTransport):
    """The connection pool for Azure Resource Manager: polling, too, sleeps by our clock.

    It reads every answer whole, and none that is longer than a ceiling. The SDK asks for that of a
    PATCH as a stream, which it would read outside the pipeline, where no time-out of ours holds.
    """

    session: aiohttp.ClientSession | None

    def __init__(self, clock: Clock) -> None:
        super().__init__(connection_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS)
        self._clock = clock

    async def open(self) -> None:
        """Make the session, which looks at a PATCH once more when its connection is there."""
        if self.session is None and not self._has_been_opened:
            last_step = aiohttp.TraceConfig()
            last_step.on_request_headers_sent.append(self._before_it_leaves)
            self.session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trace_configs=[last_step],
            )
        await super().open()

    async def send(
        self, request: HttpRequest, *, leave_by: float | None = None, **config: Any
    ) -> AsyncHttpResponse:
        """Send one request, and read its answer to the end.

        `leave_by`, on the clock's monotonic count: no PATCH leaves after it, and each has one.

        Raises Stale for a PATCH that is too late: nothing was sent. Raises OddAnswer for an answer
        that is too long or can't be unpacked.
        """
        config.pop("stream", None)
        if request.method == "PATCH":
            if leave_by is None:
                raise TypeError("a PATCH needs the moment before which it has to leave")
            config["trace_request_ctx"] = leave_by
        try:
            response: AsyncHttpResponse = await super().send(request, stream=True, **config)
        except RuntimeError as error:
            # aiohttp looks hosts up in a thread, and the system may have none left.
            raise ServiceRequestError(str(error)) from error
        await _read_whole(response)
        return response

    async def _before_it_leaves(
        self, _session: object, context: SimpleNamespace, _headers: object
    ) -> None:
        """Stop a PATCH that is too late, now that it has a connection.

        aiohttp 3.14 calls this with the headers made up and no byte of them sent (read, and tried
        over TLS in tests/azure/test_a_fresh_exemption_wins.py).
        """
        leave_by: float | None = context.trace_request_ctx
        if leave_by is not None and self._clock.monotonic() >= leave_by:
            raise Stale("Its decision is no longer fresh.")

    async def sleep(self, duration: float) -> None:
        """Sleep, for an hour at most: what Azure asks for has no ceiling."""
        await self._clock.sleep(min(duration, _LONGEST_SLEEP))


async def _read_whole(response: Any) -> None:
    """Read an answer, unpacked, up to the ceiling. Raises OddAnswer."""
    body = bytearray()
    try:
        async for part in response.iter_bytes():
            body += part
            if len(body) > _MOST_BYTES:
                raise OddAnswer(f"The answer is longer than {_MOST_BYTES} bytes.")
    except zlib.error as error:
        raise OddAnswer(f"The answer can't be unpacked: {error}.") from error
    finally:
        await response.close()
    # azure-core 1.41 has no public way to hand over a body that was read with a ceiling. And its
    # `read`, which the SDKs call after a write, takes an empty body for one that is yet to be read.
    response._content = content = bytes(body)  # noqa: SLF001

    async def read() -> bytes:
        return content

    response.read = read
    response._decompressed_content = True  # noqa: SLF001


def build_pipeline(
    transport: ClockedTransport,
    tokens: TokenCache,
    cloud: Cloud,
    pace: Pace,
    observer: Observer,
    version: str,
    headers: Mapping[str, str] | None = None,
) -> Pipeline:
    """Build the pipeline that all clients share. `headers` go with every request.

    The pace comes before the token, so that none grows old in a queue. Answers are looked at inside
    the pace, which reads again what was none.
    """
    # The policies of azure-core are not typed alike.
    policies: list[Any] = [
        RequestIdPolicy(),
        UserAgentPolicy(base_user_agent=f"keysweep/{version}"),
        HeadersPolicy(dict(headers or {})),
        Pacing(pace),
        Answers(),
        Authorization(tokens, cloud),
        Observation(observer),
    ]
    return AsyncPipeline(transport, policies)
