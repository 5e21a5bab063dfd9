"""Tenants that tests build on."""

from local_azure.state import ids
from local_azure.state.account import Account
from local_azure.state.tenant import Tenant


def empty() -> Tenant:
    """One subscription, and nothing in it."""
    return Tenant.with_one_subscription()


def four_accounts() -> Tenant:
    """Four accounts in one subscription, all with keys on and none exempt, of two kinds."""
    tenant = Tenant.with_one_subscription()
    tenant.add_account("contoso-chat", kind="OpenAI", group="rg-chat")
    tenant.add_account("contoso-search", kind="OpenAI", local_auth=True, group="rg-search")
    tenant.add_account("contoso-agents", kind="AIServices", local_auth=True, group="rg-agents")
    tenant.add_account("contoso-docs", kind="AIServices", tags={"owner": "docs"}, group="rg-docs")
    return tenant


def large(accounts: int = 100_000, drifted: int = 5_000, subscriptions: int = 200) -> Tenant:
    """Many accounts, `drifted` of which have keys on, spread over the subscriptions."""
    tenant = Tenant()
    group = tenant.add_management_group("contoso")
    tenant.assign_function(group.id)
    homes = [
        tenant.add_subscription(f"contoso-{number:03d}", parent=group.name)
        for number in range(subscriptions)
    ]
    every = max(1, accounts // max(1, drifted))
    left = drifted
    for number in range(accounts):
        drifts = left > 0 and number % every == 0
        left -= drifts
        tenant.add_account(
            f"ai-{number:06d}",
            kind="AIServices" if number % 3 == 0 else "OpenAI",
            local_auth=drifts,
            # Not `number % subscriptions`: that would put all drift into few of them.
            subscription=homes[int(ids.guid("home", number)[:8], 16) % subscriptions],
            group=f"rg-{number % 7}",
            lean=True,
        )
    return tenant


def forbid_changes(tenant: Tenant, locked: Account, refused: Account) -> None:
    """Put somebody's deliberate no on two accounts' groups: a lock, and a policy that denies."""
    tenant.add_lock(str(ids.resource_group_of(locked.id)))
    tenant.add_policy(
        str(ids.resource_group_of(refused.id)),
        name="finance-change-freeze",
        display_name="No changes to AI accounts during quarter close",
        message="Quarter close: changes need a change record.",
    )
