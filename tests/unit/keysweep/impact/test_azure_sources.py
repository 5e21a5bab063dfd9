"""What is asked of Azure: where, with which token, how often; and what an answer has to be."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.rest import HttpRequest

from keysweep.border.evidence import AzureSources
from keysweep.impact.evidence import Asked
from keysweep.impact.gathering import Gathering, Questions
from keysweep.impact.metrics import queries
from keysweep.impact.verdict import Impact
from keysweep.taken import NoTable
from shared.border.lanes import Lanes
from shared.border.pacing import Pace
from shared.border.transport import build_pipeline
from shared.core.clouds import CLOUDS
from shared.core.deadline import Deadline
from shared.core.errors import AzureError, NoRole, NotFound, Unclear
from shared.core.model import Account, AccountId
from tests.support.border import Reply, Transport
from tests.support.builders import NOW, SUBSCRIPTION_ID, an_account
from tests.support.recorded_exchanges import recorded
from tests.support.unobserved import Unobserved
from tests.support.virtual_time import VirtualClock

BOT = AccountId(SUBSCRIPTION_ID, "rg-chat", "bot")
(MODELS,) = queries("OpenAI", NOW - timedelta(days=30), NOW)
NO_ROWS = {
    "tables": [{"name": "PrimaryResult", "columns": [], "rows": []}],
    "permissions": {"resources": [], "dataSources": []},
}


@dataclass
class Tokens:
    """Gives a token for each scope, which is its name."""

    forgotten: list[str] = field(default_factory=list)

    async def token(self, scope: str) -> str:
        """Return one."""
        return scope

    def forget(self, scope: str, token: str) -> None:
        """Note that it was not taken."""
        self.forgotten.append(f"{scope} {token}")


class Noting(Transport):
    """Answers, and notes when each request came."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self.at: list[float] = []
        self.headers: list[dict[str, str]] = []
        """Headers of the first answers."""

    async def send(self, request: HttpRequest, **more: Any) -> Any:
        """Answer."""
        self.at.append(self.clock.monotonic())
        reply: Reply = await super().send(request, **more)
        if self.headers:
            reply.headers.update(self.headers.pop(0))
        return reply

    def most_in(self, seconds: float) -> int:
        """Return the most requests that came in any span of so many seconds."""
        return max(sum(begin <= at < begin + seconds for at in self.at) for begin in self.at)


@dataclass
class Asking:
    """The sources, and what answers them."""

    transport: Noting
    tokens: Tokens
    sources: AzureSources

    @property
    def urls(self) -> list[str]:
        """The addresses that were asked, without their queries."""
        return [request.url.partition("?")[0] for request in self.transport.asked]

    @property
    def authorizations(self) -> list[str]:
        """The tokens that were sent."""
        return [request.headers["Authorization"] for request in self.transport.asked]


def asking(
    clock: VirtualClock, body: Any = None, status: int = 200, transport: Noting | None = None
) -> Asking:
    transport, tokens = transport or Noting(clock), Tokens()
    transport.bytes, transport.status = json.dumps(body).encode(), status
    transport.seconds = 0.1
    cloud, deadline = CLOUDS["AZURE_PUBLIC_CLOUD"], Deadline.after(clock, 1200)
    pace = Pace(Lanes(), clock, deadline, 16)
    faked: Any = transport
    some: Any = tokens
    parts: Any = SimpleNamespace(
        settings=SimpleNamespace(cloud=cloud, concurrency=16),
        clock=clock,
        transport=transport,
        tokens=tokens,
        observer=Unobserved(),
        deadline=deadline,
        pace=pace,
        pipeline=build_pipeline(faked, some, cloud, pace, Unobserved(), "1"),
    )
    return Asking(transport, tokens, AzureSources(parts))


# Where, and with which token


async def test_each_api_gets_its_own_token_at_its_own_address(clock: VirtualClock) -> None:
    arm = asking(clock, {"value": []})
    await arm.sources.diagnostic_settings(BOT)
    assert arm.authorizations == ["Bearer https://management.azure.com/.default"]
    logs = asking(clock, NO_ROWS)
    await logs.sources.log(BOT, "AzureDiagnostics", NOW, NOW)
    assert logs.authorizations == ["Bearer https://api.loganalytics.io/.default"]
    assert logs.urls == [f"https://api.loganalytics.azure.com/v1{BOT}/query"]
    metrics = asking(clock, {"values": []})
    await metrics.sources.metrics_of_many("Sweden Central", [BOT], MODELS)
    assert metrics.authorizations == ["Bearer https://metrics.monitor.azure.com/.default"]
    host = "https://swedencentral.metrics.monitor.azure.com"
    assert metrics.urls == [f"{host}/subscriptions/{SUBSCRIPTION_ID}/metrics:getBatch"]


async def test_series_are_not_dropped_for_want_of_a_word(clock: VirtualClock) -> None:
    batch = asking(clock, {"values": []})
    await batch.sources.metrics_of_many("swedencentral", [BOT], MODELS)
    one = asking(clock, {"value": []})
    await one.sources.metrics_of_one(BOT, MODELS)
    assert all("top=10000" in side.transport.asked[0].url for side in (batch, one))


async def test_what_is_no_region_gets_no_token(clock: VirtualClock) -> None:
    there = asking(clock, {"values": []})
    with pytest.raises(NotFound):
        await there.sources.metrics_of_many("evil.example/", [BOT], MODELS)
    assert there.urls == []


async def test_a_missing_role_makes_nobody_forget_a_good_token(clock: VirtualClock) -> None:
    there = asking(clock, None, 401)
    with pytest.raises(NoRole):
        await there.sources.metrics_of_many("swedencentral", [BOT], MODELS)
    assert there.tokens.forgotten == []


# How often


async def test_five_queries_at_once_and_two_hundred_in_half_a_minute(clock: VirtualClock) -> None:
    there = asking(clock, NO_ROWS)
    began = clock.monotonic()
    asked = (there.sources.log(BOT, "AzureDiagnostics", NOW, NOW) for _ in range(300))
    await asyncio.gather(*asked)
    assert there.transport.most_at_once == 5
    assert there.transport.most_in(30) == 200
    assert clock.monotonic() - began < 45


async def test_fifty_calls_of_the_activity_log_in_half_a_minute(clock: VirtualClock) -> None:
    there = asking(clock, {"value": []})
    asked = (there.sources.activity(SUBSCRIPTION_ID, NOW, NOW) for _ in range(120))
    began = clock.monotonic()
    await asyncio.gather(*asked)
    assert there.transport.most_in(30) == 50
    assert clock.monotonic() - began < 65


async def test_a_retry_after_is_kept(clock: VirtualClock) -> None:
    there = asking(clock, NO_ROWS)
    there.transport.next = [429]
    there.transport.headers = [{"retry-after": "17"}]
    await there.sources.log(BOT, "AzureDiagnostics", NOW, NOW)
    first, second = there.transport.at
    assert second - first >= 17


async def test_a_batch_that_is_throttled_is_asked_for_again(clock: VirtualClock) -> None:
    there = asking(clock, {"values": []})
    there.transport.next = [529, 529]
    assert await there.sources.metrics_of_many("swedencentral", [BOT], MODELS) == []
    assert len(there.urls) == 3


# What an answer has to be


@pytest.mark.parametrize("name", ["nextLink", "@nextLink"])
async def test_the_events_of_all_pages_are_read(clock: VirtualClock, name: str) -> None:
    page: dict[str, Any] = recorded("activity-log-05").body
    there = asking(clock, {"value": []})
    path = f"/subscriptions/{SUBSCRIPTION_ID}/providers/microsoft.insights/eventtypes/management"
    link = f"https://management.azure.com{path}/values?api-version=2015-04-01&$skipToken=AS1:1"
    there.transport.next = [{"value": page["value"], name: link}]
    found = await there.sources.activity(SUBSCRIPTION_ID, NOW, NOW)
    assert len(found) == len(page["value"])
    assert there.transport.asked[1].url == link


@pytest.mark.parametrize(
    "link",
    [
        "https://management.azure.com/subscriptions/other/providers/x",
        "https://evil.example/subscriptions",
    ],
)
async def test_a_link_that_leads_elsewhere_is_not_followed(clock: VirtualClock, link: str) -> None:
    there = asking(clock, {"value": []})
    there.transport.next = [{"value": [], "nextLink": link}]
    with pytest.raises(AzureError):
        await there.sources.activity(SUBSCRIPTION_ID, NOW, NOW)
    assert len(there.urls) == 1


@pytest.mark.parametrize("body", [{}, {"value": [7]}, {"value": [{"properties": {"logs": 7}}]}])
async def test_settings_that_are_none_are_unclear(clock: VirtualClock, body: Any) -> None:
    with pytest.raises(Unclear):
        await asking(clock, body).sources.diagnostic_settings(BOT)


async def test_a_table_that_nobody_has_is_no_error_of_the_query(clock: VirtualClock) -> None:
    there = asking(clock, recorded("log-query-error-01").body, 400)
    with pytest.raises(NoTable):
        await there.sources.log(BOT, "AzureDiagnostics", NOW, NOW)


async def test_a_query_that_can_not_be_parsed_is_an_error(clock: VirtualClock) -> None:
    there = asking(clock, recorded("log-query-error-03").body, 400)
    with pytest.raises(AzureError) as caught:
        await there.sources.log(BOT, "AzureDiagnostics", NOW, NOW)
    assert not isinstance(caught.value, NoTable)


async def test_a_workspace_that_is_left_out_in_silence_is_said(clock: VirtualClock) -> None:
    permissions = recorded("log-query-12").body["permissions"]
    there = asking(clock, {**NO_ROWS, "permissions": permissions})
    answer = await there.sources.log(BOT, "AzureDiagnostics", NOW, NOW)
    assert "WS3, which holds a part of it." in " ".join(answer.unseen)


@pytest.mark.parametrize(
    "permissions",
    [None, {}, [], {"resources": []}, {"dataSources": []}, {"resources": [], "dataSources": {}}],
)
async def test_a_workspace_may_be_missing_where_an_answer_does_not_say_what_it_leaves_out(
    clock: VirtualClock, permissions: object
) -> None:
    there = asking(clock, {**NO_ROWS, "permissions": permissions})
    answer = await there.sources.log(BOT, "AzureDiagnostics", NOW, NOW)
    assert answer.unseen == (
        "The answer does not say what it leaves out: a workspace may be missing.",
    )


async def test_an_answer_that_leaves_nothing_out_is_whole(clock: VirtualClock) -> None:
    answer = await asking(clock, NO_ROWS).sources.log(BOT, "AzureDiagnostics", NOW, NOW)
    assert answer.unseen == ()


async def test_roles_are_asked_for_in_the_whole_tenant(clock: VirtualClock) -> None:
    page = {"totalRecords": 0, "count": 0, "data": [], "resultTruncated": "false"}
    there = asking(clock, page)
    await there.sources.role_definitions()
    await there.sources.role_assignments(["5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"])
    bodies = [json.loads(request.content) for request in there.transport.asked]
    assert not any("subscriptions" in body for body in bodies)
    assert "'5e0bd9bd-7b93-4f28-af87-19fc36ad61bd'" in bodies[1]["query"]


# Many


class Everything(Noting):
    """Answers each question about a tenant of some size: nothing happens there."""

    def __init__(self, clock: VirtualClock, accounts: list[Account]) -> None:
        super().__init__(clock)
        self.accounts = accounts

    async def send(self, request: HttpRequest, **more: Any) -> Any:
        """Answer by what is asked."""
        self.bytes = b"null"
        reply = await super().send(request, **more)
        reply.content = json.dumps(self._body(request)).encode()
        return reply

    def _body(self, request: HttpRequest) -> Any:
        if "microsoft.resourcegraph" in request.url.lower():
            return _page(self._rows(json.loads(request.content)["query"]))
        if "getBatch" in request.url:
            ids = json.loads(request.content)["resourceids"]
            asked = {name: said[0] for name, said in parse_qs(urlsplit(request.url).query).items()}
            names = asked["metricnames"].split(",")
            value = [{"name": {"value": name}, "timeseries": []} for name in names]
            span = {name: asked[name] for name in ("starttime", "endtime", "interval")}
            return {"values": [{"resourceid": name, **span, "value": value} for name in ids]}
        return NO_ROWS if "/query" in request.url else {"value": []}

    def _rows(self, query: str) -> list[dict[str, Any]]:
        if "resourcecontainers" in query:
            names = sorted({account.id.subscription_id for account in self.accounts})
            return [{"id": name, "subscriptionId": name, "chain": []} for name in names]
        if query.startswith("resources"):
            return [_listed(account) for account in self.accounts]
        return []


def _page(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "totalRecords": len(rows), "count": len(rows), "data": rows, "resultTruncated": "false",
    }  # fmt: skip


def _listed(account: Account) -> dict[str, Any]:
    nothing = dict.fromkeys(("endpoint", "endpoints", "subdomain", "publicAccess", "defaultAction"))
    return {"id": str(account.id), "kind": account.kind, "location": account.location, **nothing}


async def test_300_accounts_of_60_subscriptions_take_a_minute_within_the_limits(
    clock: VirtualClock,
) -> None:
    accounts = []
    for number in range(300):
        subscription = f"{number % 60:08}-0000-0000-0000-000000000000"
        place = AccountId(subscription, "rg-chat", f"a{number}")
        kind = "AIServices" if number % 2 else "OpenAI"
        accounts.append(an_account(place.name, id=place, kind=kind))
    there = Everything(clock, accounts)
    sources = asking(clock, transport=there).sources
    subscriptions = {account.id.subscription_id: "sub" for account in accounts}
    asked = Asked.before(clock.now(), 30)
    found = await Gathering(sources, clock, asked, subscriptions, (), Questions()).judged(accounts)
    assert {one.judgement.verdict for one in found} == {Impact.IDLE}
    assert clock.monotonic() < 60
    assert len(there.asked) < 5 * 300
