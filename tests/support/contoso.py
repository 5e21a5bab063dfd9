"""Tenants for a local Azure to serve, and what became of them: for tests over TLS."""

from collections.abc import Callable
from typing import Any

from local_azure import Account, LocalAzure, PatchForm, SeenRequest, Tenant

TAG = "local-auth-exempt"
GRAPH = "*/microsoft.resourcegraph/resources"
MANY = {"MAX_CHANGES_PER_SWEEP": "100000"}
YEARS = 10 * 365 * 86_400
"""Seconds that a token lasts: azure-identity goes by the real time, and thinks it good."""


def adrift(*names: str, hidden: bool = False, **more: Any) -> Tenant:
    """Return accounts with keys on, whose updates take no time unless `more` says so.

    `hidden`: Resource Graph shows nothing of them, which makes a sweep shorter.
    """
    tenant = Tenant.with_one_subscription()
    tenant.subscription("contoso-prod").hidden_from_graph = hidden
    for name in names or ("bot",):
        options = {"local_auth": True, "patch": PatchForm.OK_200, "stale_reads": 0, **more}
        tenant.add_account(name, **options)
    return tenant


def several(count: int, **more: Any) -> Tenant:
    """Return so many of them: `bot-0`, `bot-1` and so on."""
    return adrift(*(f"bot-{number}" for number in range(count)), **more)


def keys_on(azure: LocalAzure) -> set[str]:
    """Return the names of the accounts that accept keys."""
    return {account.name for account in azure.tenant.accounts if account.keys_on}


def written(azure: LocalAzure) -> list[str]:
    """Return the names of the accounts whose writes were accepted, in this order."""
    return [write.account_id.rpartition("/")[2] for write in azure.writes]


def methods(azure: LocalAzure, account: Account) -> list[str]:
    """Return the methods of the requests for an account itself, in this order."""
    path = account.id.lower()
    return [seen.method for seen in azure.operations if seen.path.lower() == path]


def each_patch_follows_a_read(azure: LocalAzure, account: Account) -> bool:
    """Whether each PATCH of an account came right after a read of it."""
    sent = ["", *methods(azure, account)]
    return {sent[at - 1] for at, method in enumerate(sent) if method == "PATCH"} == {"GET"}


def before(
    azure: LocalAzure, method: str, account: Account, happens: Callable[[], object], skip: int = 0
) -> None:
    """Let something happen once, just before such a request for the account is handled."""
    left, passed = [happens], [skip]

    def hook(request: SeenRequest) -> None:
        if not left or request.method != method or request.path.lower() != account.id.lower():
            return
        if passed[0] == 0:
            left.pop()()
        else:
            passed[0] -= 1

    azure.before(hook)
