"""The one write is a PATCH of one property, sent once, and nothing else of an account changes.

The judge is the server: the bytes that it received, and its tenant before and after.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from local_azure import ABSENT, LocalAzure, PatchForm, Tenant, scenarios
from local_azure.log import SeenRequest
from tests.support.real_sweeps import sweep

type Serve = Callable[..., LocalAzure]

BODY = b'{"properties": {"disableLocalAuth": true}}'
MANY = "100000"
READERS = ("GET", "HEAD")


def rich() -> Tenant:
    """Return accounts that have something to lose."""
    tenant = Tenant.with_one_subscription()
    acls = {
        "defaultAction": "Deny",
        "virtualNetworkRules": [{"id": "/subscriptions/x/subnets/y"}],
        "ipRules": [{"value": "203.0.113.0/24"}],
    }
    identity = {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"}
    tags = {"owner": "ann", "costCenter": "4711", "local-auth-exempt": "no"}
    tenant.add_account("tagged", local_auth=True, tags=tags)
    tenant.add_account("untagged", local_auth=None, tags={})
    tenant.add_account("fenced", network_acls=acls, identity=identity, updated=True)
    tenant.add_account("plain", local_auth=ABSENT, subdomain=None, location="West Europe")
    for form in PatchForm:
        tenant.add_account(
            f"ai-{form.name.lower()}".replace("_", "-"), patch=form, kind="AIServices"
        )
    tenant.add_account("exempt", local_auth=True, tags={"local-auth-exempt": "yes"})
    tenant.add_account("off", local_auth=False)
    tenant.add_account("face", local_auth=True, kind="Face")
    return tenant


def bodies(azure: LocalAzure) -> list[tuple[str, str, bytes]]:
    """Keep method, path and bytes of everything that could write, as they arrive."""
    seen: list[tuple[str, str, bytes]] = []

    def hook(request: SeenRequest) -> None:
        graph = request.action == "Microsoft.ResourceGraph/resources/read"
        if request.host == "arm" and request.method not in READERS and not graph:
            seen.append((request.method, request.path.lower(), request.body))

    azure.before(hook)
    return seen


def essence(wire: dict[str, Any]) -> dict[str, Any]:
    """Return an account without what a change of the flag may change."""
    properties = {
        name: value
        for name, value in wire["properties"].items()
        if name not in {"disableLocalAuth", "provisioningState"}
    }
    left = {name: value for name, value in wire.items() if name not in {"etag", "systemData"}}
    return left | {"properties": properties}


@pytest.mark.parametrize("build", [rich, lambda: scenarios.demo().tenant])
async def test_every_write_is_these_bytes_and_each_account_gets_one(
    serve: Serve, build: Callable[[], Tenant]
) -> None:
    azure = serve(build())
    seen = bodies(azure)

    await sweep(azure, MAX_CHANGES_PER_SWEEP=MANY)

    assert seen
    assert {method for method, _, _ in seen} == {"PATCH"}
    assert {body for _, _, body in seen} == {BODY}
    assert set(Counter(path for _, path, _ in seen).values()) == {1}
    assert {each.after.disable_local_auth for each in azure.writes} == {True}


@pytest.mark.parametrize("build", [rich, lambda: scenarios.demo().tenant])
async def test_nothing_else_of_any_account_changes(
    serve: Serve, build: Callable[[], Tenant]
) -> None:
    azure = serve(build())
    before = {each.id: each.wire() for each in azure.tenant.accounts}

    await sweep(azure, MAX_CHANGES_PER_SWEEP=MANY)
    azure.clock.advance(600)

    after = {each.id: each.wire() for each in azure.tenant.accounts}
    assert {i: essence(wire) for i, wire in after.items()} == {
        i: essence(wire) for i, wire in before.items()
    }
    written = {each.account_id for each in azure.writes}
    untouched = before.keys() - written
    assert written
    assert {i: after[i] for i in untouched} == {i: before[i] for i in untouched}


def read_before_each_patch(azure: LocalAzure, account: str) -> bool:
    """Whether each PATCH of the account comes right after a read of it."""
    path = azure.tenant.account(account).id.lower()
    methods = [each.method for each in azure.operations if each.path.lower() == path]
    firsts = [methods[n - 1] if n else "" for n, each in enumerate(methods) if each == "PATCH"]
    return set(firsts) == {"GET"}


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}, {"retry-after-ms": "10"}])
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
@pytest.mark.parametrize("acted", [False, True])
async def test_a_patch_that_gets_no_clear_answer_is_sent_again_only_as_a_whole_unit(
    serve: Serve, *, status: int, headers: dict[str, str], acted: bool
) -> None:
    tenant = scenarios.four_accounts()
    tenant.subscription("contoso-prod").hidden_from_graph = True
    azure = serve(tenant)
    bot = azure.tenant.account("contoso-chat")
    body = {"error": {"code": "ServerBusy", "message": "Later."}}
    azure.faults.on(method="PATCH", path=bot.id).answer(status, body, headers, after_acting=acted)
    seen = bodies(azure)

    await sweep(azure)

    # A second time only where the read-back says that it was not taken, after a read of its own.
    sent = 1 if acted else 2
    assert [path for _, path, _ in seen].count(bot.id.lower()) == sent
    assert len(seen) == 3 + sent
    assert read_before_each_patch(azure, "contoso-chat")
    assert len(azure.writes) == 4


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["cut", "hang"])
async def test_a_patch_without_an_answer_is_sent_again_only_as_a_whole_unit(
    serve: Serve, how: str, when: str
) -> None:
    tenant = scenarios.four_accounts()
    tenant.subscription("contoso-prod").hidden_from_graph = True
    azure = serve(tenant)
    bot = azure.tenant.account("contoso-chat")
    fault = azure.faults.on(method="PATCH", path=bot.id)
    strike = fault.cut if how == "cut" else fault.hang
    strike(after_acting=when == "after")
    seen = bodies(azure)

    await sweep(azure)

    sent = 1 if when == "after" else 2
    assert [path for _, path, _ in seen].count(bot.id.lower()) == sent
    assert read_before_each_patch(azure, "contoso-chat")


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "2"}, {"x-ms-retry-after-ms": "10"}])
async def test_a_patch_that_was_throttled_is_tried_again_only_after_another_read(
    serve: Serve, headers: dict[str, str], times: int
) -> None:
    tenant = scenarios.four_accounts()
    tenant.subscription("contoso-prod").hidden_from_graph = True
    azure = serve(tenant)
    bot = azure.tenant.account("contoso-chat")
    refusal = {"error": {"code": "TooManyRequests", "message": "Slowly."}}
    azure.faults.on(method="PATCH", path=bot.id, times=times).answer(429, refusal, headers)

    swept = await sweep(azure)

    assert swept.whole
    assert not bot.keys_on
    assert read_before_each_patch(azure, "contoso-chat")
    assert len(azure.writes) == 4


async def test_a_redirect_is_not_followed(serve: Serve) -> None:
    tenant = scenarios.four_accounts()
    tenant.subscription("contoso-prod").hidden_from_graph = True
    azure = serve(tenant)
    chat, docs = (azure.tenant.account(name) for name in ("contoso-chat", "contoso-docs"))
    tenant.tag(docs, {"local-auth-exempt": "yes"})
    to = {"Location": f"{azure.environ['ARM_ENDPOINT']}{docs.id}?api-version=2025-09-01"}
    azure.faults.on(method="PATCH", path=chat.id, times=None).answer(307, None, to)

    await sweep(azure)

    assert docs.keys_on
    assert {each.account_id for each in azure.writes}.isdisjoint({chat.id, docs.id})


async def test_a_sweep_on_the_heels_of_another_patches_nothing_twice_but_what_failed(
    serve: Serve,
) -> None:
    azure = serve(rich())

    first = await sweep(azure, MAX_CHANGES_PER_SWEEP=MANY)
    second = await sweep(azure, MAX_CHANGES_PER_SWEEP=MANY)

    # Resource Graph still shows the first one's accounts with keys on.
    assert set(first.results) == set(second.results)
    patched = Counter(each.account_id for each in azure.writes)
    failing = azure.tenant.account("ai-operation-fails").id
    assert {account for account, times in patched.items() if times > 1} == {failing}
