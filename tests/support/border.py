"""The real border of ARM and Resource Graph, on a transport that answers from memory."""

import asyncio
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline.policies import RequestIdPolicy
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from multidict import CIMultiDict

from shared.border.answers import Answers
from shared.border.arm_writer import ArmWriter
from shared.border.graph import Graph
from shared.border.lanes import Lanes
from shared.border.pacing import Pace, Pacing
from shared.border.tokens import TokenCache
from shared.core.deadline import Deadline
from shared.core.errors import Unclear
from shared.core.model import Account, AccountId, Answer, Clock
from shared.core.rings import Rings
from shared.workspace import SystemClock

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-ai"
BOT = f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/bot"
BOT_ID = AccountId.parse(BOT)

ACCOUNT: dict[str, Any] = {
    "id": BOT,
    "name": "bot",
    "type": "Microsoft.CognitiveServices/accounts",
    "etag": '"1"',
    "location": "swedencentral",
    "kind": "OpenAI",
    "sku": {"name": "S0"},
    "tags": {"owner": "team-x"},
    "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
    "systemData": {"lastModifiedAt": "2026-11-24T09:00:00Z", "lastModifiedBy": "ann@contoso.com"},
    "properties": {
        "customSubDomainName": "bot",
        "disableLocalAuth": False,
        "provisioningState": "Succeeded",
        "endpoints": {"OpenAI Language Model Instance API": "https://bot.openai.azure.com/"},
        "networkAcls": {"defaultAction": "Allow", "ipRules": []},
        "callRateLimit": {"rules": [{"key": "k", "count": 10}]},
    },
}
HOME: dict[str, Any] = {
    "id": f"/subscriptions/{SUBSCRIPTION}",
    "subscriptionId": SUBSCRIPTION,
    "tenantId": "t",
    "displayName": "contoso-prod",
    "state": "Enabled",
    "tags": {"owner": "team-x"},
    "managedByTenants": [],
    "subscriptionPolicies": {"quotaId": "q"},
}
RESOURCE_GROUP: dict[str, Any] = {
    "id": GROUP,
    "name": "rg-ai",
    "type": "Microsoft.Resources/resourceGroups",
    "location": "swedencentral",
    "tags": {"owner": "team-x"},
    "properties": {"provisioningState": "Succeeded"},
}
DESCENDANT: dict[str, Any] = {
    "name": SUBSCRIPTION,
    "id": f"/subscriptions/{SUBSCRIPTION}",
    "type": "/subscriptions",
    "properties": {"displayName": "contoso-prod", "parent": {"id": "/x"}},
}
LISTED: dict[str, Any] = {
    "id": BOT,
    "name": "bot",
    "kind": "OpenAI",
    "location": "swedencentral",
    "tags": {"owner": "team-x"},
    "flag": "false",
    "subdomain": "bot",
    "provisioningState": "Succeeded",
}
COUNTED: dict[str, Any] = {"subscriptionId": SUBSCRIPTION, "keysOn": 1, "keysOff": 0}
TAGGED: dict[str, Any] = {
    "id": GROUP,
    "subscriptionId": SUBSCRIPTION,
    "name": "rg-ai",
    "tags": {"local-auth-exempt": "yes"},
}
CHANGE: dict[str, Any] = {
    "id": f"{BOT}/providers/Microsoft.Resources/changes/1",
    "at": "2026-11-24T08:00:00Z",
    "changeType": "Update",
    "changedBy": "ann@contoso.com",
    "account": BOT,
    "before": "true",
    "after": "false",
    "changedByType": "User",
    "clientType": "Azure Portal",
    "operation": "Microsoft.CognitiveServices/accounts/write",
}


def rows(*values: object, total: int | None = None) -> dict[str, Any]:
    """Return a page of Resource Graph's."""
    return {
        "totalRecords": len(values) if total is None else total,
        "count": len(values),
        "data": list(values),
        "facets": [],
        "resultTruncated": "false",
    }


EVERYWHERE = Rings(enforces=True)
HUGE = 12345.25
"""Stands for a number that is no longer one once it is read: 1e999."""


@dataclass(frozen=True)
class Said:
    """An answer with a status and headers of its own."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Reply:
    """An answer of azure-core's, whose body is there already."""

    def __init__(
        self, request: HttpRequest, body: bytes, status: int, headers: Mapping[str, str]
    ) -> None:
        self.request, self.content, self.status_code = request, body, status
        self.reason = "OK"
        self.headers = CIMultiDict({"Content-Type": "application/json", **headers})
        self.content_type = "application/json"

    def json(self) -> Any:
        """Return the body, decoded."""
        return json.loads(self.content)

    def text(self, encoding: str | None = None) -> str:
        """Return the body as text."""
        return self.content.decode(encoding or "utf-8")

    def body(self) -> bytes:
        """Return the body."""
        return self.content

    async def read(self) -> bytes:
        """Return the body."""
        return self.content

    def stream_download(self, *_: object, **__: object) -> None:
        """Do nothing: the SDK reads the body afterwards."""


class Transport(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """Answers every request with one body, or one after the other with what is next."""

    def __init__(self) -> None:
        self.bytes = b""
        self.status = 200
        self.next: list[object] = []
        """Bodies, statuses of refusals, whole answers or errors, for the first requests."""
        self.seconds = 0.0
        """How long each answer takes."""
        self.asked: list[HttpRequest] = []
        self.under_way = self.most_at_once = 0

    async def send(self, request: HttpRequest, **_: Any) -> Any:
        """Answer."""
        self.asked.append(request)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(self.seconds)
        self.under_way -= 1
        if not self.next:
            return Reply(request, self.bytes, self.status, {})
        match self.next.pop(0):
            case Exception() as error:
                raise error
            case Said(body, status, headers):
                return Reply(request, _bytes(body), status, headers)
            case int() as status:
                return Reply(request, b"{}", status, {})
            case body:
                return Reply(request, _bytes(body), self.status, {})

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to leave."""


@dataclass
class Border:
    """What reads and writes ARM, what reads Resource Graph, and what answers them."""

    transport: Transport
    arm: ArmWriter
    graph: Graph
    lanes: Lanes

    async def accounts(self) -> list[Account | str]:
        """List the accounts of SUBSCRIPTION. Raises AzureError."""
        return [row async for row in self.arm.accounts(SUBSCRIPTION)]

    async def answered[Row](self, asked: Awaitable[Answer[Row]]) -> Sequence[Row]:
        """Return the rows of an answer of Resource Graph. Raises Unclear if there was none."""
        answer = await asked
        for problem in answer.unread.values():
            raise Unclear("Querying", "Resource Graph", message=problem)
        return answer.rows

    def says(self, body: object) -> None:
        """Answer this from now on."""
        self.transport.bytes = _bytes(body)

    @classmethod
    def in_memory(cls, clock: Clock | None = None, rings: Rings = EVERYWHERE) -> Self:
        """Return them on a transport in memory, without tokens; pacing, if with a clock."""
        transport, lanes, is_paced = Transport(), Lanes(), clock is not None
        clock = clock or SystemClock()
        pace = Pace(lanes, clock, Deadline.after(clock, 1000), 8)
        # Other policies and tokens are not asked for anything here.
        paced: list[Any] = [Pacing(pace)] if is_paced else []
        policies: list[Any] = [RequestIdPolicy(), *paced, Answers()]
        pipeline: Any = AsyncPipeline(transport, policies)
        tokens = TokenCache(_no_credential, clock)
        endpoint, scope = "https://management.azure.com", "x/.default"
        arm = ArmWriter(endpoint, scope, pipeline, tokens, pace, rings)
        return cls(transport, arm, Graph(endpoint, scope, pipeline), lanes)


def _bytes(body: object) -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return text.replace(str(HUGE).encode(), b"1e999")


def _no_credential() -> Any:
    raise NotImplementedError
