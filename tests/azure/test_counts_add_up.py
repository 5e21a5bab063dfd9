"""Counts add up over the wire too: one account of every verdict, one subscription of every kind.

tests/unit has the law for any tenant. The judge is the server: its accounts and its writes.
"""

from typing import Any

from local_azure import Tenant
from local_azure.state import ids
from local_azure.state.tenant import OTHER_TENANT
from tests.support.contoso import TAG, keys_on, written
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve

SUBSCRIPTIONS = ("shown", "hidden", "unread", "disabled", "excluded", "warned", "lighthouse")
ACCOUNTS: dict[str, dict[str, Any]] = {
    "drift": {"local_auth": True},
    "fresh": {},
    "no": {"local_auth": True, "tags": {TAG: "no"}},
    "lapsed": {"local_auth": True, "tags": {TAG: "2026-01-31"}},
    "exempt": {"local_auth": True, "tags": {TAG: "until=2027-01-31; owner=ann"}},
    "held": {"local_auth": True, "tags": {TAG: "31/12/2026"}},
    "nearly": {"local_auth": True, "tags": {"LocalAuthExempt": "yes"}},
    "off": {"local_auth": False},
    "off-tagged": {"local_auth": False, "tags": {TAG: "yes"}},
    "face": {"local_auth": True, "kind": "Face"},
}
DRIFT = {"drift", "fresh", "no", "lapsed"}
READ = {"shown", "hidden", "warned"}


def one_of_everything() -> Tenant:
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    for name in SUBSCRIPTIONS:
        is_ours = name != "lighthouse"
        subscription = tenant.add_subscription(
            name,
            hidden_from_graph=name == "hidden",
            tenant_id=None if is_ours else OTHER_TENANT,
            managed_by_tenants=() if is_ours else (tenant.id,),
        )
        if name in {"disabled", "warned"}:
            subscription.state = "Disabled" if name == "disabled" else "Warned"
        if name == "unread":
            tenant.deny(tenant.function, subscription.scope, ["*"])
        if not is_ours:
            tenant.assign_function(subscription.scope)
        for account, options in ACCOUNTS.items():
            tenant.add_account(f"{name}-{account}", subscription=subscription, **options)
    return tenant


async def test_each_account_is_counted_once_and_each_subscription_is_read_or_a_gap(
    serve: Serve,
) -> None:
    tenant = one_of_everything()
    azure = serve(tenant)
    named = {subscription.name: subscription.id for subscription in tenant.subscriptions.values()}
    before = keys_on(azure)

    swept = await sweep(
        azure,
        SWEEP_SUBSCRIPTIONS=",".join(named.values()),
        SWEEP_EXCLUDE_SUBSCRIPTIONS=named["excluded"],
    )

    drift = {f"{home}-{account}" for home in READ for account in DRIFT}
    (completed,) = swept.events("SweepCompleted")
    counts = {"compliant": 6, "exempt": 3, "held": 6, "drift": 12, "accounts": 27}
    assert {name: completed[name] for name in counts} == counts
    assert {event["accountName"] for event in swept.events("DriftFound")} == drift
    assert swept.results.keys() == drift
    assert set(written(azure)) == drift
    assert keys_on(azure) == before - drift
    assert [event["gapName"] for event in swept.events("CoverageGap")] == [named["unread"]]
    subscriptions = {"Read": 3, "Disabled": 1, "Excluded": 1, "OtherTenant": 1}
    assert {name: completed[f"subscriptions{name}"] for name in subscriptions} == subscriptions
