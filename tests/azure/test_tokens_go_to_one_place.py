"""A token goes to one place (docs/faults.md: A link leads elsewhere), and comes from odd answers.

Somebody else's server listens over TLS, with a certificate that the product trusts, at an address
that reads like Azure Resource Manager's if one reads it wrongly. The judge is that server: nobody
as much as connects to it. Which addresses are ours is shown in tests/unit/core.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from local_azure import LocalAzure, PatchForm, Tenant
from local_azure.exchange import Answer
from local_azure.faults import Fault
from local_azure.services import Settings
from local_azure.state import ids
from tests.support.contoso import adrift, several
from tests.support.real_sweeps import process, sweep, tick
from tests.support.serving import Serve

type Bend = Callable[[Answer], Answer]


@pytest.fixture
def evil(serve: Serve) -> LocalAzure:
    """Give somebody else's server."""
    return serve(Tenant.with_one_subscription())


def leading(azure: LocalAzure, evil: LocalAzure) -> str:
    """Return an address of the other server that ends like ours, and was once taken for it."""
    ours = urlsplit(azure.environ["ARM_ENDPOINT"]).netloc
    port = urlsplit(evil.environ["ARM_ENDPOINT"]).port
    return f"https://localhost:{port}?x=.{ours}/&sig=secret"


def linked(name: str, value: Any) -> Bend:
    return lambda answer: replace(answer, body={**answer.body, name: value})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("*/microsoft.cognitiveservices/accounts", "nextLink"),
        ("/subscriptions", "nextLink"),
        ("*/resourcegroups", "nextLink"),
        ("*/descendants", "nextLink"),
        ("*/descendants", "@nextLink"),
    ],
)
async def test_a_link_of_a_list_takes_no_token_elsewhere_and_is_named_without_its_query(
    serve: Serve, evil: LocalAzure, path: str, name: str
) -> None:
    tenant = adrift("bot")
    tenant.subscription("contoso-prod").hidden_from_graph = True
    azure = serve(tenant)
    bent = azure.faults.on(path=path, times=None).bend(linked(name, leading(azure, evil)))

    swept = await sweep(azure, SWEEP_MANAGEMENT_GROUPS="contoso", EXEMPTION_INHERIT="true")

    assert bent.hits
    assert evil.connections.asked() == 0
    assert azure.writes == ()
    assert swept.events("CoverageGap") or swept.events("AccountHeld")
    assert "secret" not in f"{swept.envelopes}{swept.error}"


@pytest.mark.parametrize("header", ["Location", "Azure-AsyncOperation", "Operation-Location"])
async def test_the_operation_of_a_patch_takes_no_token_elsewhere(
    serve: Serve, evil: LocalAzure, header: str
) -> None:
    tenant = adrift("bot")
    tenant.account("bot").patch = PatchForm.BOTH
    azure = serve(tenant)

    def lead(answer: Answer) -> Answer:
        bare = answer.without_header("Location").without_header("Azure-AsyncOperation")
        return bare.with_header(header, leading(azure, evil))

    azure.faults.on(method="PATCH").bend(lead)

    swept = await sweep(azure)

    assert evil.connections.asked() == 0
    assert swept.results == {"bot": "DISABLED"}, "the read-back decides"


@pytest.mark.parametrize("place", ["/subscriptions", "*/accounts/bot", "*/resources"])
async def test_a_redirection_is_not_followed(serve: Serve, evil: LocalAzure, place: str) -> None:
    azure = serve(adrift("bot"))
    headers = {"Location": leading(azure, evil)}
    redirected = azure.faults.on(path=place, times=None).answer(307, {}, headers)

    await sweep(azure)

    assert redirected.hits
    assert evil.connections.asked() == 0


WRITTEN: dict[str, Callable[[str], str]] = {
    "as Azure writes them": lambda url: url,
    "without a host": lambda url: "/" + url.partition("://")[2].partition("/")[2],
}


@pytest.mark.parametrize("rewrite", WRITTEN.values(), ids=WRITTEN)
async def test_a_link_that_leads_on_is_followed_however_it_is_written(
    serve: Serve, rewrite: Callable[[str], str]
) -> None:
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    for name in ("one", "two", "three"):
        tenant.add_subscription(name, hidden_from_graph=True)
        for number in range(3):
            tenant.add_account(f"{name}-{number}", subscription=name, patch=PatchForm.OK_200)
    pages = Settings(account_page=1, subscription_page=1, descendant_page=1, group_page=1)
    azure = serve(tenant, settings=pages)

    def rewritten(answer: Answer) -> Answer:
        body = answer.body if isinstance(answer.body, dict) else {}
        links = {name: rewrite(body[name]) for name in ("nextLink", "@nextLink") if body.get(name)}
        return replace(answer, body={**body, **links}) if links else answer

    azure.faults.on(method="GET", host="arm", times=None).bend(rewritten)

    swept = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=tenant.id, EXEMPTION_INHERIT="true")

    assert swept.whole
    assert {account.name for account in azure.tenant.accounts if account.keys_on} == set()


# The token itself


@pytest.mark.parametrize(
    ("left", "strike", "is_whole"),
    [
        pytest.param(200, lambda fault: fault.answer(500), True, id="minutes left, refused"),
        pytest.param(200, Fault.hang, True, id="minutes left, hangs"),
        pytest.param(30, lambda fault: fault.answer(500), False, id="seconds left, refused"),
        pytest.param(30, Fault.hang, False, id="seconds left, hangs"),
    ],
)
async def test_a_token_that_can_not_be_renewed_is_used_while_it_is_good_for_a_minute(
    serve: Serve,
    left: float,
    strike: Callable[[Fault], object],
    is_whole: bool,  # noqa: FBT001 - parametrized
) -> None:
    azure = serve(several(10), token_lifetime=3600)

    async with process(azure) as same:
        await tick(same)
        azure.clock.advance(3600 - left)
        began = azure.clock.monotonic()
        strike(azure.faults.on(host="identity", times=None))
        seen = len(azure.operations)
        second = await tick(same)

    hosts = [operation.host for operation in azure.operations[seen:]]
    assert second.whole is is_whole
    assert ("arm" in hosts) is is_whole
    assert hosts.count("identity") <= 10, "not once more with every request"
    assert azure.clock.monotonic() - began < 90


NO_TOKENS: dict[str, Bend] = {
    "null": lambda answer: replace(answer, body=b"null"),
    "nothing": lambda answer: replace(answer, body=b""),
    "a token that is a number": linked("access_token", 5),
    "a token with a line break": linked("access_token", "a\r\nX-Evil: 1"),
    "a token in other letters": linked("access_token", "\u0663.\u0663.\u0663"),
    "an end that is a text": linked("expires_on", "soon"),
    "an end that is null": linked("expires_on", None),
    "an end in 400 digits": linked("expires_on", "9" * 400),
    "nested": lambda answer: replace(answer, body=b"[" * 100_000),
    "nested in a refusal": lambda answer: replace(answer, status=400, body=b"[" * 100_000),
}


@pytest.mark.parametrize("bend", NO_TOKENS.values(), ids=NO_TOKENS)
async def test_whatever_the_token_endpoint_answers_ends_no_sweep(serve: Serve, bend: Bend) -> None:
    azure = serve(adrift("bot"))
    azure.faults.on(host="identity", times=None).bend(bend)

    swept = await sweep(azure)

    assert len(swept.events("SweepCompleted")) == 1
    assert len(azure.operations) < 60
