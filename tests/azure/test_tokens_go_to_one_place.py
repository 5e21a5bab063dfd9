"""A token goes to one place, and one that is good for minutes is used while none can be had.

Somebody else's server listens over TLS, with a certificate that the product trusts, at an address
that reads like Azure Resource Manager's if one reads it wrongly. The judge is that server: nobody
as much as connects to it.
"""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import AzureError as SdkError
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from local_azure import LocalAzure, PatchForm, SeenRequest, Tenant
from local_azure.exchange import Answer
from local_azure.services import Settings
from local_azure.state import ids
from shared.border.tokens import TokenCache
from shared.border.transport import Authorization
from shared.core.errors import Elsewhere
from shared.core.model import Result
from shared.core.settings import Cloud
from shared.workspace import SystemClock
from tests.support.real_sweeps import process, sweep, tick

type Serve = Callable[..., LocalAzure]
type Bend = Callable[[Answer], Answer]

GRAPH = "Microsoft.ResourceGraph/resources/read"
EXEMPT = {"local-auth-exempt": "yes"}


def bots(*names: str) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for name in names:
        tenant.add_account(name, local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    return tenant


def of(azure: LocalAzure) -> str:
    """Return host and port of its Azure Resource Manager."""
    return urlsplit(azure.environ["ARM_ENDPOINT"]).netloc


def port(azure: LocalAzure) -> int:
    return int(of(azure).rpartition(":")[2])


# {evil} is the other server's port, {arm} is ours with its port, {port} is its port alone.
ADDRESSES = [
    "https://localhost:{evil}?x=.{arm}/",
    "https://localhost:{evil}/?x=.{arm}/",
    "https://localhost:{evil}#.{arm}/",
    "https://localhost:{evil}/#.{arm}/",
    "https://localhost:{evil}/.{arm}/",
    "https://{arm}@localhost:{evil}/",
    "https://{arm}:x@localhost:{evil}/",
    "https://localhost:{evil}\\.{arm}/",
    "https://localhost:{evil}\\@{arm}/",
    "https://127.0.0.1:{evil}/",
    "https://127.0.0.1:{evil}/@{arm}/",
    "https://localhost:{port}/",
    "https://user@{arm}/",
    "https://127.0.0.1.:{port}/",
    "https://127.1:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "http://{arm}/",
    "//localhost:{evil}/",
    "\\\\localhost:{evil}\\",
    "HTTPS://LOCALHOST:{evil}/",
    "https://localhost%3A{evil}/.{arm}/",
    "https://localhost:{evil}%2F.{arm}/",
    "https://localhost:{evil}\t.{arm}/",
    "https:///localhost:{evil}/",
]
# Those that read like ours, and were once taken for it.
WORST = ADDRESSES[:2]


@pytest.fixture
def evil(serve: Serve) -> LocalAzure:
    """Give somebody else's server."""
    return serve(Tenant.with_one_subscription())


def leading(azure: LocalAzure, evil: LocalAzure, address: str) -> str:
    return address.format(evil=port(evil), arm=of(azure), port=port(azure))


def linked(name: str, url: str) -> Bend:
    return lambda answer: replace(answer, body={**answer.body, name: url})


def assert_nobody_asked(azure: LocalAzure, evil: LocalAzure) -> None:
    assert evil.connections.asked() == 0
    assert evil.operations == ()
    assert {operation.host for operation in azure.operations} <= {"arm", "identity"}


# The policy itself, whose Azure Resource Manager is the public one


class Credential:
    """Gives one token, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def get_token_info(self, *_: str, **__: Any) -> AccessTokenInfo:
        """Give it."""
        self.asked += 1
        return AccessTokenInfo("the-token", int(SystemClock().now().timestamp()) + 86_400)

    async def close(self) -> None:
        """Nothing to close."""


class Sent(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Keeps what would be sent, and answers 200."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []

    async def send(self, request: PipelineRequest[HttpRequest]) -> Any:
        """Keep it."""
        self.requests.append(request.http_request)
        return SimpleNamespace(http_response=SimpleNamespace(status_code=200))


async def sent_to(url: str) -> list[HttpRequest]:
    """Return the requests that leave when one to this address is asked for."""
    credential: Any = Credential()
    sent = Sent()
    tokens = TokenCache(lambda: credential, SystemClock())
    cloud = Cloud("https://management.azure.com", "https://management.azure.com/.default")
    policy: Any = Authorization(tokens, cloud)
    policy.next = sent
    request = HttpRequest("GET", "https://management.azure.com/")
    request.url = url
    try:
        await policy.send(PipelineRequest(request, PipelineContext(None)))
    except (Elsewhere, SdkError):
        assert credential.asked == 0
    return sent.requests


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
async def test_no_request_that_leads_elsewhere_leaves_and_no_token_is_asked_for(url: str) -> None:
    assert await sent_to(url) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://management.azure.com:443/subscriptions?api-version=1&t=a%2Fb",
        "https://management.azure.com/subscriptions",
        "https://MANAGEMENT.azure.com/subscriptions",
        "https://swedencentral.management.azure.com:443/x",
    ],
)
async def test_a_request_to_azure_resource_manager_has_its_token_and_its_address(url: str) -> None:
    (request,) = await sent_to(url)

    assert request.headers["Authorization"] == "Bearer the-token"
    assert request.url == url


# Over TLS


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_link_of_a_list_of_accounts_takes_no_token_elsewhere(
    serve: Serve, evil: LocalAzure, address: str
) -> None:
    tenant = bots("bot")
    tenant.subscription("contoso-prod").hidden_from_graph = True
    azure = serve(tenant)
    path = f"{tenant.subscription('contoso-prod').scope}/providers/{ids.ACCOUNT_TYPE}"
    azure.faults.on(path=path, times=None).bend(linked("nextLink", leading(azure, evil, address)))

    swept = await sweep(azure)

    assert_nobody_asked(azure, evil)
    (gap,) = swept.events("CoverageGap")
    assert gap["gapKind"] == "subscription"
    assert azure.writes == ()


@pytest.mark.parametrize("address", WORST)
@pytest.mark.parametrize("name", ["nextLink", "@nextLink"])
async def test_a_link_of_descendants_takes_no_token_elsewhere(
    serve: Serve, evil: LocalAzure, name: str, address: str
) -> None:
    azure = serve(bots("bot"))
    azure.faults.on(path="*/descendants", times=None).bend(
        linked(name, leading(azure, evil, address))
    )

    swept = await sweep(azure, SWEEP_MANAGEMENT_GROUPS="contoso")

    assert_nobody_asked(azure, evil)
    assert [gap["gapKind"] for gap in swept.events("CoverageGap")] == ["managementGroup"]


@pytest.mark.parametrize("address", WORST)
async def test_a_link_of_subscriptions_takes_no_token_elsewhere(
    serve: Serve, evil: LocalAzure, address: str
) -> None:
    azure = serve(bots("bot"))
    azure.faults.on(path="/subscriptions", times=None).bend(
        linked("nextLink", leading(azure, evil, address))
    )

    swept = await sweep(azure)

    assert_nobody_asked(azure, evil)
    assert [gap["gapKind"] for gap in swept.events("CoverageGap")] == ["tenant"]


async def test_a_link_of_resource_groups_takes_no_token_elsewhere(
    serve: Serve, evil: LocalAzure
) -> None:
    tenant = bots("bot")
    home = tenant.subscription("contoso-prod")
    home.hidden_from_graph = True
    azure = serve(tenant)
    azure.faults.on(path=f"{home.scope}/resourcegroups", times=None).bend(
        linked("nextLink", leading(azure, evil, ADDRESSES[0]))
    )

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    assert_nobody_asked(azure, evil)
    assert [held["holdReason"] for held in swept.events("AccountHeld")] == ["UNREADABLE_LEVEL"]


@pytest.mark.parametrize("address", WORST)
@pytest.mark.parametrize("header", ["Location", "Azure-AsyncOperation", "Operation-Location"])
async def test_the_operation_of_a_patch_takes_no_token_elsewhere(
    serve: Serve, evil: LocalAzure, header: str, address: str
) -> None:
    tenant = bots("bot")
    tenant.account("bot").patch = PatchForm.BOTH
    azure = serve(tenant)
    link = leading(azure, evil, address).replace("\t", " ")

    def lead(answer: Answer) -> Answer:
        bare = answer.without_header("Location").without_header("Azure-AsyncOperation")
        return bare.with_header(header, link)

    azure.faults.on(method="PATCH").bend(lead)

    swept = await sweep(azure)

    assert_nobody_asked(azure, evil)
    # The read-back decides, and it waits long enough for the operation to end.
    assert swept.results == {"bot": Result.DISABLED}


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("place", ["subscriptions", "account", "patch", "resource graph"])
async def test_a_redirection_is_not_followed(
    serve: Serve, evil: LocalAzure, place: str, status: int
) -> None:
    azure = serve(bots("bot"))
    fault = {
        "subscriptions": azure.faults.on(path="/subscriptions", times=None),
        "account": azure.faults.on(method="GET", path="*/accounts/bot", times=None),
        "patch": azure.faults.on(method="PATCH", times=None),
        "resource graph": azure.faults.on(action=GRAPH, times=None),
    }[place]
    fault.answer(status, {}, {"Location": f"https://localhost:{port(evil)}/subscriptions"})

    await sweep(azure)

    assert_nobody_asked(azure, evil)
    assert azure.writes == () or place == "resource graph"


async def test_what_leads_elsewhere_is_named_without_its_query(
    serve: Serve, evil: LocalAzure
) -> None:
    azure = serve(bots("bot"))
    azure.faults.on(path="/subscriptions", times=None).bend(
        linked("nextLink", f"https://localhost:{port(evil)}/x?sig=secret")
    )

    swept = await sweep(azure)

    (gap,) = swept.events("CoverageGap")
    assert f"localhost:{port(evil)}/x" in gap["problem"]
    assert "secret" not in str(swept.envelopes)
    assert "secret" not in str(swept.error)


# Links that lead on


RELATIVE: dict[str, Callable[[str], str]] = {
    "as Azure writes them": lambda url: url,
    "without a host": lambda url: url.partition("://")[2].partition("/")[2].join(["/", ""]),
    "with the query alone": lambda url: "?" + url.partition("?")[2],
    "without a version": lambda url: (
        url.partition("?")[0]
        + "?"
        + "&".join(part for part in url.partition("?")[2].split("&") if "api-version" not in part)
    ),
    "with the scheme in capitals": lambda url: url.replace("https://", "HTTPS://"),
    "with another name's letters": lambda url: url.replace("api-version", "Api-Version"),
}


@pytest.mark.parametrize("written", RELATIVE)
async def test_a_link_that_leads_on_is_followed_however_it_is_written(
    serve: Serve, written: str
) -> None:
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    for name in ("one", "two", "three"):
        tenant.add_subscription(name, hidden_from_graph=True)
        for number in range(3):
            tenant.add_account(
                f"{name}-{number}",
                subscription=name,
                local_auth=True,
                patch=PatchForm.OK_200,
                stale_reads=0,
            )
    azure = serve(
        tenant,
        settings=Settings(account_page=1, subscription_page=1, descendant_page=1, group_page=1),
    )

    def rewritten(answer: Answer) -> Answer:
        if not isinstance(answer.body, dict):
            return answer
        links = {
            name: RELATIVE[written](answer.body[name])
            for name in ("nextLink", "@nextLink")
            if answer.body.get(name)
        }
        return replace(answer, body={**answer.body, **links})

    azure.faults.on(method="GET", host="arm", times=None).bend(rewritten)

    swept = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=tenant.id, EXEMPTION_INHERIT="true")

    assert {found.name for found in azure.tenant.accounts if found.keys_on} == set()
    assert swept.whole


# The token itself


async def test_a_token_that_is_good_for_minutes_is_used_while_its_renewal_fails(
    serve: Serve,
) -> None:
    azure = serve(bots("bot"), token_lifetime=3600)

    async with process(azure) as same:
        await tick(same)
        azure.tenant.enable_keys("bot")
        azure.clock.advance(3600 - 200)
        azure.faults.on(host="identity", times=None).answer(500)
        second = await tick(same)

    assert second.whole
    assert second.results == {"bot": Result.DISABLED}


async def test_a_renewal_that_failed_is_not_tried_again_with_every_request(serve: Serve) -> None:
    azure = serve(bots(*(f"bot-{number}" for number in range(10))), token_lifetime=3600)

    async with process(azure) as same:
        await tick(same)
        for account in azure.tenant.accounts:
            azure.tenant.enable_keys(account)
        azure.clock.advance(3600 - 200)
        azure.faults.on(host="identity", times=None).answer(
            400, {"StatusCode": 400, "Message": "No Managed Identity found"}
        )
        before = len(azure.operations)
        second = await tick(same)

    asked = [seen for seen in azure.operations[before:] if seen.host == "identity"]
    assert second.whole
    assert len(asked) <= 3


@pytest.mark.parametrize("how", ["fails", "hangs"])
async def test_a_token_that_is_good_for_less_than_a_minute_is_used_no_more(
    serve: Serve, how: str
) -> None:
    azure = serve(bots("bot"), token_lifetime=3600)

    async with process(azure) as same:
        await tick(same)
        azure.tenant.enable_keys("bot")
        azure.clock.advance(3600 - 30)
        fault = azure.faults.on(host="identity", times=None)
        if how == "fails":
            fault.answer(500)
        else:
            fault.hang()
        before = len(azure.operations)
        second = await tick(same)

    assert [seen for seen in azure.operations[before:] if seen.host == "arm"] == []
    assert not second.whole


async def test_a_renewal_that_hangs_costs_half_a_minute_and_no_more(serve: Serve) -> None:
    azure = serve(bots("bot"), token_lifetime=3600)

    async with process(azure) as same:
        await tick(same)
        azure.tenant.enable_keys("bot")
        azure.clock.advance(3600 - 200)
        azure.faults.on(host="identity", times=None).hang()
        began = azure.clock.monotonic()
        second = await tick(same)

    assert second.results == {"bot": Result.DISABLED}
    assert azure.clock.monotonic() - began < 90


NO_TOKENS: dict[str, Bend] = {
    "an empty object": lambda answer: replace(answer, body={}),
    "a list": lambda answer: replace(answer, body=[]),
    "null": lambda answer: replace(answer, body=b"null"),
    "nothing": lambda answer: replace(answer, body=b""),
    "HTML": lambda answer: replace(answer, body="<html>"),
    "an error": lambda answer: replace(answer, body={"error": "invalid_resource"}),
    "no token": linked("access_token", ""),
    "a token that is a number": lambda answer: replace(
        answer, body={**answer.body, "access_token": 5}
    ),
    "a token that is null": lambda answer: replace(
        answer, body={**answer.body, "access_token": None}
    ),
    "a token with a line break": lambda answer: replace(
        answer, body={**answer.body, "access_token": "a\r\nX-Evil: 1"}
    ),
    "a token in other letters": lambda answer: replace(
        answer, body={**answer.body, "access_token": "\u0663.\u0663.\u0663"}
    ),
    "no end": lambda answer: replace(
        answer,
        body={name: value for name, value in answer.body.items() if not name.startswith("expires")},
    ),
    "an end that is a text": lambda answer: replace(
        answer, body={**answer.body, "expires_on": "soon", "expires_in": "soon"}
    ),
    "an end that is null": lambda answer: replace(
        answer, body={**answer.body, "expires_on": None, "expires_in": None}
    ),
    "an end in 400 digits": lambda answer: replace(
        answer, body={**answer.body, "expires_on": "9" * 400, "expires_in": "9" * 400}
    ),
    "an end long ago": lambda answer: replace(
        answer, body={**answer.body, "expires_on": "5", "expires_in": "-5"}
    ),
    "nested": lambda answer: replace(answer, body=b"[" * 100_000),
    "nested in a refusal": lambda answer: replace(answer, status=400, body=b"[" * 100_000),
}


@pytest.mark.parametrize("bend", NO_TOKENS.values(), ids=NO_TOKENS.keys())
async def test_whatever_the_token_endpoint_answers_ends_no_sweep(serve: Serve, bend: Bend) -> None:
    azure = serve(bots("bot"))
    azure.faults.on(host="identity", times=None).bend(bend)

    swept = await sweep(azure)

    assert len(swept.events("SweepCompleted")) == 1
    assert len(azure.operations) < 60


async def test_no_request_to_arm_leaves_without_its_token(serve: Serve) -> None:
    azure = serve(bots("bot"))
    seen: list[SeenRequest] = []
    azure.before(seen.append)

    await sweep(azure)

    asked = [request for request in seen if request.host == "arm"]
    assert asked
    assert all(request.headers["Authorization"].startswith("Bearer ") for request in asked)
