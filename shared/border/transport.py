"""Border: the one pipeline that every request to Azure passes.

All SDK clients share it, and with it one connection pool, one token per scope, one pace and one
observer. The SDKs' own default policies are left out on purpose: they register resource
providers by themselves, follow redirects, and log.
"""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any, Protocol
from urllib.request import getproxies, proxy_bypass

import aiohttp
from azure.core.credentials import AccessTokenInfo
from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential
from azure.core.exceptions import AzureError as SdkError
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.core.pipeline import AsyncPipeline, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AsyncHTTPPolicy,
    HeadersPolicy,
    RequestIdPolicy,
    UserAgentPolicy,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from yarl import URL

from shared.border.answers import Answers, OddAnswer
from shared.border.pacing import Pace, Pacing
from shared.core.addresses import Address
from shared.core.deadline import within
from shared.core.errors import Elsewhere, Stale
from shared.core.model import Clock
from shared.core.settings import Cloud

_CONNECT_SECONDS = 10
# The pace gives up on an attempt before this; it is for what the pace doesn't see.
_READ_SECONDS = 90
# Tokens are renewed when this little of their life is left, so that none expires on its way.
_RENEW_SECONDS = 300.0
# One that could not be renewed is used while this much of its life is left, and its renewal is not
# tried again at once.
_USABLE_SECONDS = 60.0
_RENEW_AGAIN_SECONDS = 30.0
# What azure-identity raises when the answer to its request is odd (run: an end that is null, or no
# number).
_ODD_TOKEN = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, zlib.error)
# The last second of the year 9999.
_LAST_MOMENT = 253_402_300_799
# The credential's own requests pass another pipeline, which would wait for minutes.
_TOKEN_SECONDS = 30.0
# An answer longer than this, once it is unpacked, is not read: 1,000 rows of Resource Graph take a
# few megabytes, 100 accounts in ARM's list four (recorded exchanges, facts 15 and 82).
_MOST_BYTES = 64 * 1024 * 1024
# Azure's word on how long to wait before an operation is looked at again is not taken for longer.
_LONGEST_SLEEP = 3600.0

type Pipeline = AsyncPipeline[HttpRequest, AsyncHttpResponse]


class RequestRecord(Protocol):
    """What the observer wants to know of one attempt."""

    def answered(self, status: int) -> None:
        """Note the status code of the answer."""
        ...


class Observer(Protocol):
    """Sees every attempt of every request: method and address, never its query or headers."""

    def request(self, method: str, address: Address) -> AbstractContextManager[RequestRecord]:
        """Open a record that lasts as long as the attempt."""
        ...


class TokenCache:
    """Tokens of one identity, one per scope, fetched once however many ask at the same time.

    The aio credentials have no single flight (docs/facts.md, 3), and no way to make them forget:
    once Azure refuses a token that looks good, they give it again and again. So the credential is
    made here, and made anew then. azure-core's own policy was read and left
    (docs/decisions/0004-own-tokens.md).
    """

    def __init__(self, make: Callable[[], AsyncSupportsTokenInfo], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._credential: AsyncSupportsTokenInfo | None = None
        self._is_spent = False
        self._tokens: dict[str, AccessTokenInfo] = {}
        self._renewal_failed_at: dict[str, float] = {}
        self._lock = asyncio.Lock()

    async def token(self, scope: str) -> str:
        """Return a token that is good for some minutes, or for one where none can be had.

        Raises azure-core's ClientAuthenticationError, or another of its errors, if the identity
        gets none.
        """
        async with self._lock:
            held = self._tokens.get(scope)
            left = held.expires_on - self._clock.now().timestamp() if held is not None else 0.0
            if held is not None and (left >= _RENEW_SECONDS or self._waits_to_renew(scope, left)):
                return held.token
            try:
                fetched = await self._fetch(scope)
            except SdkError:
                if held is None or left < _USABLE_SECONDS:
                    raise
                self._renewal_failed_at[scope] = self._clock.monotonic()
                return held.token
            self._tokens[scope] = fetched
            return fetched.token

    def _waits_to_renew(self, scope: str, left: float) -> bool:
        """Whether a token is still usable, and could not be renewed a moment ago."""
        failed_at = self._renewal_failed_at.get(scope)
        recently = (
            failed_at is not None and self._clock.monotonic() - failed_at < _RENEW_AGAIN_SECONDS
        )
        return recently and left >= _USABLE_SECONDS

    async def _fetch(self, scope: str) -> AccessTokenInfo:
        if self._is_spent:
            await self.close()
        if self._credential is None:
            self._credential = self._make()
        try:
            asked = self._credential.get_token_info(scope)
            fetched = await within(self._clock, _TOKEN_SECONDS, asked)
        except TimeoutError as error:
            message = f"no token within {_TOKEN_SECONDS:.0f} s"
            raise ClientAuthenticationError(message) from error
        except RuntimeError as error:
            # azure-identity asks in a thread, and the system may have none left; or JSON is nested
            # too deeply (RecursionError).
            raise ClientAuthenticationError(str(error)) from error
        except _ODD_TOKEN as error:
            message = f"the answer to the request for a token is odd: {error}"
            raise ClientAuthenticationError(message) from error
        if fetched.expires_on > _LAST_MOMENT:
            raise ClientAuthenticationError("the token's end is no moment")
        # azure-identity hands on whatever the answer calls a token.
        token: object = fetched.token
        if not isinstance(token, str):
            raise ClientAuthenticationError("the token is no text")
        return fetched

    def forget(self, scope: str, token: str) -> None:
        """Drop a token that Azure did not take, and the credential that would give it again."""
        held = self._tokens.get(scope)
        if held is not None and held.token == token:
            del self._tokens[scope]
            self._is_spent = True

    async def close(self) -> None:
        """Let go of the credential; whoever asks for a token next makes a new one."""
        credential, self._credential, self._is_spent = self._credential, None, False
        if credential is not None:
            await credential.close()


class NoCredential(AsyncTokenCredential):
    """What the clients are given: they insist on a credential, and the pipeline has the token."""

    async def get_token(self, *scopes: str, **_: Any) -> Any:
        """Never called."""
        raise NotImplementedError(scopes)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aexit__(self, *_: object) -> None:
        """Nothing to leave."""


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
            record.answered(response.http_response.status_code)
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
        """Send one request, by the proxy that the environment names for its host, if it does."""
        proxy = _proxy(URL(request.url))
        if proxy is not None:
            config["proxy"] = str(proxy.with_user(None))
            config["proxy_auth"] = aiohttp.BasicAuth.from_url(proxy)
        return await super().send(request, **config)


def _proxy(url: URL) -> URL | None:
    """Return the proxy for an address, by HTTPS_PROXY and NO_PROXY as everywhere in Python."""
    proxy = getproxies().get(url.scheme, "")
    if not proxy or proxy_bypass(url.host or ""):
        return None
    return URL(proxy if "://" in proxy else f"http://{proxy}")


class ClockedTransport(PlainTransport):
    """The connection pool. Whatever sleeps through it, such as polling, sleeps by our clock.

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

        `leave_by` is the moment before which a PATCH has to leave, on the clock's monotonic count:
        every PATCH has one, and none leaves when it has passed.

        Raises Stale if that is so: nothing was sent. Raises OddAnswer for an answer that is too
        long or can't be unpacked.
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
        """Look whether a PATCH may still leave, now that it has a connection.

        aiohttp 3.14 calls this with the headers made up and no byte of them sent (read, and tried
        over TLS in tests/azure/test_a_fresh_exemption_wins.py).
        """
        leave_by: float | None = context.trace_request_ctx
        if leave_by is not None and self._clock.monotonic() >= leave_by:
            raise Stale("Its decision is no longer fresh.")

    async def sleep(self, duration: float) -> None:
        """Sleep so many seconds; Azure's own words on how many have no ceiling."""
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
    # azure-core 1.41 has no public way to hand over a body that was read with a ceiling.
    response._content = bytes(body)  # noqa: SLF001
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
