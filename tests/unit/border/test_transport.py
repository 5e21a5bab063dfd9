"""The pipeline: a token goes to one place, and a read that was refused for it has one more try."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import AzureError as SdkError
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.rest import HttpRequest
from azure.core.rest._aiohttp import RestAioHttpTransportResponse
from multidict import CIMultiDict

from shared.border.tokens import TokenCache
from shared.border.transport import Authorization, _read_whole
from shared.core.clouds import Cloud
from shared.core.errors import Elsewhere
from tests.support.virtual_time import VirtualClock

ARM = "https://management.azure.com"


@dataclass
class Wire:
    """Gives numbered tokens, keeps what would be sent, and answers with these statuses."""

    clock: VirtualClock
    statuses: list[int] = field(default_factory=lambda: [200])
    fetched: int = 0
    sent: list[HttpRequest] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def get_token_info(self, *_: str, **__: Any) -> AccessTokenInfo:
        """Give a token that is good for a day."""
        self.fetched += 1
        return AccessTokenInfo(f"token-{self.fetched}", int(self.clock.now().timestamp()) + 86_400)

    async def close(self) -> None:
        """Nothing to close."""

    async def send(self, request: PipelineRequest[HttpRequest]) -> Any:
        """Keep a request."""
        self.sent.append(request.http_request)
        self.tokens.append(request.http_request.headers["Authorization"])
        return SimpleNamespace(http_response=SimpleNamespace(status_code=self.statuses.pop(0)))

    async def ask(self, url: str, method: str = "GET") -> int:
        """Send a request by the policy; return the status that its caller sees."""
        credential: Any = self
        tokens = TokenCache(lambda: credential, self.clock)
        policy: Any = Authorization(tokens, Cloud(ARM, f"{ARM}/.default"))
        policy.next = self
        request = HttpRequest(method, ARM)
        request.url = url
        response = await policy.send(PipelineRequest(request, PipelineContext(None)))
        return int(response.http_response.status_code)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example?x=.management.azure.com/",
        "https://evil.example#.management.azure.com/",
        "https://evil.example:8443?x=.management.azure.com/",
        "https://evil.example\\.management.azure.com/",
        "https://evil.example;.management.azure.com/",
        "https://user@x.management.azure.com/",
        "https://evil.example\t.management.azure.com/",
        "https://management.azure.com@evil.example/",
        "https://management.azure.com:8443/",
        "http://management.azure.com/",
    ],
)
async def test_no_request_that_leads_elsewhere_leaves_and_no_token_is_asked_for(
    clock: VirtualClock, url: str
) -> None:
    wire = Wire(clock)
    with pytest.raises((Elsewhere, SdkError)):
        await wire.ask(url)
    assert wire.sent == []
    assert wire.fetched == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://management.azure.com:443/subscriptions?api-version=1&t=a%2Fb",
        "https://management.azure.com/subscriptions",
        "https://MANAGEMENT.azure.com/subscriptions",
        "https://swedencentral.management.azure.com:443/x",
    ],
)
async def test_a_request_to_azure_resource_manager_has_its_token_and_its_address(
    clock: VirtualClock, url: str
) -> None:
    wire = Wire(clock)
    await wire.ask(url)
    assert wire.tokens == ["Bearer token-1"]
    assert wire.sent[0].url == url


async def test_a_read_whose_token_was_refused_is_sent_once_more_with_a_new_one(
    clock: VirtualClock,
) -> None:
    wire = Wire(clock, [401, 200])
    assert await wire.ask(ARM) == 200
    assert wire.tokens == ["Bearer token-1", "Bearer token-2"]


async def test_a_read_that_is_refused_again_is_not_sent_a_third_time(clock: VirtualClock) -> None:
    wire = Wire(clock, [401, 401])
    assert await wire.ask(ARM) == 401


async def test_a_patch_whose_token_was_refused_is_not_sent_again(clock: VirtualClock) -> None:
    wire = Wire(clock, [401])
    assert await wire.ask(ARM, "PATCH") == 401
    assert wire.tokens == ["Bearer token-1"]


# Answers, once they were read


@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_an_answer_that_was_read_is_read_again_even_if_it_is_empty(body: bytes) -> None:
    response = answered(body)

    await _read_whole(response)

    assert await response.read() == body


def answered(body: bytes) -> RestAioHttpTransportResponse:
    """Return an answer of azure-core's that nobody has read yet."""
    parts = [body]

    async def read(_: int) -> bytes:
        return parts.pop() if parts else b""

    said = SimpleNamespace(
        status=202,
        reason="Accepted",
        headers=CIMultiDict({"Content-Length": str(len(body))}),
        content=SimpleNamespace(read=read),
        close=lambda: None,
    )
    request: Any = HttpRequest("PATCH", ARM)
    return RestAioHttpTransportResponse(request=request, internal_response=said, decompress=True)
