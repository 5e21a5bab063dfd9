"""The one write is a PATCH of one property, sent once, and nothing else of an account changes.

The judge is the server: the bytes that it received, and its tenant before and after.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from local_azure import ABSENT, PatchForm, SeenRequest, Tenant, scenarios
from tests.support.contoso import MANY, TAG, adrift, each_patch_follows_a_read, keys_on, methods
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve

BODY = b'{"properties": {"disableLocalAuth": true}}'
QUERY = "Microsoft.ResourceGraph/resources/read"
MAY_CHANGE = {"disableLocalAuth", "provisioningState", "etag", "systemData"}


def rich() -> Tenant:
    """Return accounts that have something to lose."""
    tenant = Tenant.with_one_subscription()
    acls = {
        "defaultAction": "Deny",
        "virtualNetworkRules": [{"id": "/subscriptions/x/subnets/y"}],
        "ipRules": [{"value": "203.0.113.0/24"}],
    }
    identity = {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"}
    tags = {"owner": "ann", "costCenter": "4711", TAG: "no"}
    tenant.add_account("tagged", local_auth=True, tags=tags)
    tenant.add_account("untagged", local_auth=None, tags={})
    tenant.add_account("fenced", network_acls=acls, identity=identity, updated=True)
    tenant.add_account("plain", local_auth=ABSENT, subdomain=None, location="West Europe")
    for form in PatchForm:
        name = f"ai-{form.name.lower()}".replace("_", "-")
        tenant.add_account(name, patch=form, kind="AIServices")
    tenant.add_account("exempt", local_auth=True, tags={TAG: "yes"})
    tenant.add_account("off", local_auth=False)
    tenant.add_account("face", local_auth=True, kind="Face")
    return tenant


def kept(wire: dict[str, Any]) -> dict[str, Any]:
    """Return an account without what a change of the flag may change."""
    flat = wire | wire["properties"] | {"properties": None}
    return {name: value for name, value in flat.items() if name not in MAY_CHANGE}


@pytest.mark.parametrize("build", [rich, lambda: scenarios.demo().tenant], ids=["rich", "demo"])
async def test_each_account_gets_these_bytes_once_and_nothing_else_changes(
    serve: Serve, build: Callable[[], Tenant]
) -> None:
    azure = serve(build())
    sent: list[SeenRequest] = []

    def keep(request: SeenRequest) -> None:
        reads = request.method in {"GET", "HEAD"} or request.action == QUERY
        if request.host == "arm" and not reads:
            sent.append(request)

    azure.before(keep)
    before = {account.id: account.wire() for account in azure.tenant.accounts}

    await sweep(azure, **MANY)
    azure.clock.advance(600)

    assert {(request.method, request.body) for request in sent} == {("PATCH", BODY)}
    assert set(Counter(request.path.lower() for request in sent).values()) == {1}
    after = {account.id: account.wire() for account in azure.tenant.accounts}
    wrote = {write.account_id for write in azure.writes}
    assert wrote
    for account, wire in before.items():
        assert kept(after[account]) == kept(wire)
        assert account in wrote or after[account] == wire, "an account was changed by no write"


@pytest.mark.parametrize("headers", [{}, {"x-ms-retry-after-ms": "10"}])
async def test_a_patch_that_was_throttled_is_tried_again_only_after_another_read(
    serve: Serve, headers: dict[str, str]
) -> None:
    azure = serve(adrift(hidden=True))
    bot = azure.tenant.account("bot")
    refusal = {"error": {"code": "TooManyRequests", "message": "Slowly."}}
    azure.faults.on(method="PATCH", times=3).answer(429, refusal, headers)

    swept = await sweep(azure)

    assert swept.whole
    assert methods(azure, bot).count("PATCH") == 4
    assert each_patch_follows_a_read(azure, bot)


async def test_a_redirect_is_not_followed(serve: Serve) -> None:
    azure = serve(adrift("bot", "exempt", hidden=True))
    bot, exempt = (azure.tenant.account(name) for name in ("bot", "exempt"))
    azure.tenant.tag(exempt, {TAG: "yes"})
    to = {"Location": f"{azure.environ['ARM_ENDPOINT']}{exempt.id}?api-version=2025-09-01"}
    azure.faults.on(method="PATCH", path=bot.id, times=None).answer(307, None, to)

    await sweep(azure)

    assert azure.writes == ()
    assert keys_on(azure) == {"bot", "exempt"}


async def test_a_sweep_on_the_heels_of_another_patches_nothing_twice_but_what_failed(
    serve: Serve,
) -> None:
    azure = serve(rich())

    for _ in range(2):
        # Resource Graph still shows the first one's accounts with keys on.
        await sweep(azure, **MANY)

    patched = Counter(write.account_id for write in azure.writes)
    failing = azure.tenant.account("ai-operation-fails").id
    assert {account for account, times in patched.items() if times > 1} == {failing}
