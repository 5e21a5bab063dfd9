"""Border: the one pipeline that every request to Azure passes.

All SDK clients share it, and with it one connection pool, one token per scope, one pace and one
observer. The SDKs' own default policies are left out on purpose: they register resource
providers by themselves, follow redirects, and log.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from azure.core.credentials import AccessTokenInfo
from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.core.pipeline import AsyncPipeline, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AsyncHTTPPolicy,
    ContentDecodePolicy,
    RequestIdPolicy,
    UserAgentPolicy,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.deadline import within
from shared.model import Clock
from shared.pacing import Freshness, Pace, Pacing
from shared.settings import Cloud

_CONNECT_SECONDS = 10
# The pace gives up on an attempt before this; it is for what the pace doesn't see.
_READ_SECONDS = 90
# Tokens are renewed when this little of their life is left, so that none expires on its way.
_RENEW_SECONDS = 300.0
# The credential's own requests pass another pipeline, which would wait for minutes.
_TOKEN_SECONDS = 30.0

type Pipeline = AsyncPipeline[HttpRequest, AsyncHttpResponse]


class RequestRecord(Protocol):
    """What the observer wants to know of one attempt."""

    def answered(self, status: int) -> None:
        """Note the status code of the answer."""
        ...


class Observer(Protocol):
    """Sees every attempt of every request: its method and its path, never its query or headers."""

    def request(self, method: str, host: str, path: str) -> AbstractContextManager[RequestRecord]:
        """Open a record that lasts as long as the attempt."""
        ...


class TokenCache:
    """Tokens of one identity, one per scope, fetched once however many ask at the same time.

    The aio credentials have no single flight (docs/facts.md, 3),
    and no way to make them forget: once Azure refuses a token that looks good, they give it again
    and again. So the credential is made here, and made anew then.
    """

    def __init__(self, make: Callable[[], AsyncSupportsTokenInfo], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._credential: AsyncSupportsTokenInfo | None = None
        self._is_spent = False
        self._tokens: dict[str, AccessTokenInfo] = {}
        self._lock = asyncio.Lock()

    async def token(self, scope: str) -> str:
        """Return a token that is good for some minutes.

        Raises azure-core's ClientAuthenticationError if the identity gets none.
        """
        async with self._lock:
            held = self._tokens.get(scope)
            if held is None or held.expires_on - self._clock.now().timestamp() < _RENEW_SECONDS:
                held = await self._fetch(scope)
                self._tokens[scope] = held
            return held.token

    async def _fetch(self, scope: str) -> AccessTokenInfo:
        if self._is_spent:
            await self.close()
        if self._credential is None:
            self._credential = self._make()
        try:
            asked = self._credential.get_token_info(scope)
            return await within(self._clock, _TOKEN_SECONDS, asked)
        except TimeoutError as error:
            message = f"no token within {_TOKEN_SECONDS:.0f} s"
            raise ClientAuthenticationError(message) from error

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
    """Puts the token on each request, and on no request that is not encrypted."""

    def __init__(self, tokens: TokenCache, cloud: Cloud) -> None:
        super().__init__()
        self._tokens = tokens
        self._scope = cloud.scope
        self._host = _host_and_path(cloud.endpoint)[0].lower()

    async def send(
        self, request: PipelineRequest[HttpRequest]
    ) -> PipelineResponse[HttpRequest, AsyncHttpResponse]:
        """Send the request with a token; a read that was refused, once more with a new one."""
        url = request.http_request.url
        host = _host_and_path(url)[0].lower()
        # Links to next pages and operations come from answers: none takes the token elsewhere.
        trusted = host == self._host or host.endswith(f".{self._host}")
        if not url.lower().startswith("https://") or not trusted:
            raise ServiceRequestError("A token is sent over https, and to Azure alone.")
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
        host, path = _host_and_path(request.http_request.url)
        with self._observer.request(request.http_request.method, host, path) as record:
            response = await self.next.send(request)
            record.answered(response.http_response.status_code)
        return response


def _host_and_path(url: str) -> tuple[str, str]:
    host, _, path = url.partition("://")[2].partition("/")
    # The query of a polling URL carries a signature: it is not for anybody's eyes.
    return host, "/" + path.partition("?")[0]


class ClockedTransport(AioHttpTransport):  # type: ignore[misc] # azure-core loads it lazily, untyped
    """The connection pool. Whatever sleeps through it, such as polling, sleeps by our clock.

    It reads every answer whole. The SDK asks for that of a PATCH as a stream, which it would read
    outside the pipeline, where no time-out of ours holds.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(connection_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS)
        self._clock = clock

    async def send(self, request: HttpRequest, **config: Any) -> AsyncHttpResponse:
        """Send one request, and read its answer to the end."""
        response: AsyncHttpResponse = await super().send(request, **config)
        if config.get("stream"):
            await response.read()
        return response

    async def sleep(self, duration: float) -> None:
        """Sleep so many seconds."""
        await self._clock.sleep(duration)


def build_pipeline(
    transport: ClockedTransport,
    tokens: TokenCache,
    cloud: Cloud,
    pace: Pace,
    observer: Observer,
    version: str,
) -> Pipeline:
    """Build the pipeline that all clients share.

    The pace comes before the token, so that none grows old in a queue; freshness comes after it,
    so that waiting for a token is seen.
    """
    # The policies of azure-core are not typed alike.
    policies: list[Any] = [
        RequestIdPolicy(),
        UserAgentPolicy(base_user_agent=f"keysweep/{version}"),
        Pacing(pace),
        ContentDecodePolicy(),
        Authorization(tokens, cloud),
        Freshness(pace),
        Observation(observer),
    ]
    return AsyncPipeline(transport, policies)
