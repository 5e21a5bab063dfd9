"""OWNER_TAGS: each source shows the levels that name an owner, and the server no request more."""

from collections import Counter

import pytest

from local_azure import LocalAzure, Tenant
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve


def a_tenant(*, hidden: bool = False) -> Tenant:
    """Return a tenant in which each level names an owner of one account."""
    tenant = Tenant.with_one_subscription()
    home = tenant.add_subscription(
        "sub", parent="contoso", tags={"Team": "platform"}, hidden_from_graph=hidden
    )
    tenant.add_group("rg-web", subscription=home, tags={"TEAM": "web", "cost": "42"})
    tenant.add_group("rg-ai", subscription=home, tags={"cost": "43"})
    for name, group, tags in (
        ("own", "RG-Web", {"contact": "ann@contoso.com"}),
        ("groups", "RG-Web", None),
        ("subscriptions", "RG-AI", None),
    ):
        tenant.add_account(name, local_auth=True, tags=tags, subscription=home, group=group)
    return tenant


@pytest.mark.parametrize("hidden", [False, True], ids=["graph", "arm"])
async def test_the_nearest_level_names_the_owner_whoever_shows_it(
    serve: Serve, *, hidden: bool
) -> None:
    swept = await sweep(serve(a_tenant(hidden=hidden)), "audit", OWNER_TAGS="team,contact")

    found = {event["accountName"]: event for event in swept.events("DriftFound")}
    assert {name: event["owner"] for name, event in found.items()} == {
        "own": "ann@contoso.com",
        "groups": "web",
        "subscriptions": "platform",
    }
    assert {name: event["ownerFrom"] for name, event in found.items()} == {
        "own": "account",
        "groups": "resourceGroup",
        "subscriptions": "subscription",
    }


async def test_resource_groups_that_are_not_shown_leave_the_owner_unknown_and_the_sweep_whole(
    serve: Serve,
) -> None:
    azure = serve(a_tenant(hidden=True))
    refused = {"error": {"code": "AuthorizationFailed", "message": ""}}
    azure.faults.on(method="GET", path="*/resourcegroups", times=None).answer(403, refused)

    swept = await sweep(azure, "audit", OWNER_TAGS="team,contact")

    found = {event["accountName"]: event["owner"] for event in swept.events("DriftFound")}
    assert found == {"own": "ann@contoso.com", "groups": "", "subscriptions": ""}
    assert swept.whole


async def test_owners_cost_one_query_and_no_other_request(serve: Serve) -> None:
    def requests(azure: LocalAzure) -> Counter[str]:
        return Counter(request.path for request in azure.operations)

    plain, asked = serve(a_tenant()), serve(a_tenant())
    await sweep(plain, "audit")
    await sweep(asked, "audit", OWNER_TAGS="team,contact")

    (path,) = {
        path for path in requests(asked) if path.endswith("/Microsoft.ResourceGraph/resources")
    }
    assert requests(asked) - requests(plain) == {path: 1}
