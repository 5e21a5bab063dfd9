"""OWNER_TAGS: each source shows the levels that name an owner."""

import pytest

from local_azure import Tenant
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
