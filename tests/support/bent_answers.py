"""Answers of a local Azure that are not what was asked for, and what a sweep made of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from local_azure import LocalAzure, PatchForm, SeenRequest, Tenant
from local_azure.exchange import Answer
from local_azure.state import ids
from tests.support.real_sweeps import Swept

type Bend = Callable[[Answer], Answer]

GRAPH = "Microsoft.ResourceGraph/resources/read"
LISTING, CENSUS = b"flag != 'true' or", b"summarize"
"""What stands in the query that lists accounts, and in the one that counts them."""
ERROR = {"error": {"code": "InternalServerError", "message": "Later."}}
DEEP = b'{"value":' * 100_000


def two_subscriptions() -> Tenant:
    """Return a tenant of subscriptions `one` and `two`, with `bot-one` and `bot-two` in them."""
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    for name in ("one", "two"):
        tenant.add_subscription(name)
        tenant.add_account(
            f"bot-{name}", subscription=name, local_auth=True, patch=PatchForm.OK_200, stale_reads=0
        )
    return tenant


def accounts_of(azure: LocalAzure, subscription: str = "contoso-prod") -> str:
    """Return the path of ARM's list of a subscription's accounts."""
    return f"{azure.tenant.subscription(subscription).scope}/providers/{ids.ACCOUNT_TYPE}"


# Bends


def says(body: object) -> Bend:
    """Return what answers this instead."""
    return lambda answer: replace(answer, body=body)


def with_header(name: str, value: str) -> Bend:
    """Return what answers with one more header."""
    return lambda answer: answer.with_header(name, value)


def changed(change: Callable[[dict[str, Any]], object]) -> Bend:
    """Return what changes the body in place."""

    def bend(answer: Answer) -> Answer:
        change(answer.body)
        return answer

    return bend


def put(name: str, value: object) -> Bend:
    """Return what says something else in a field; of `a.b`, in b in a."""

    def change(body: dict[str, Any]) -> None:
        *above, last = name.split(".")
        for part in above:
            body = body[part]
        body[last] = value

    return changed(change)


def without(*names: str) -> Bend:
    """Return what drops fields of an answer."""
    return changed(lambda body: [body.pop(name, None) for name in names])


def bend_queries(azure: LocalAzure, word: bytes, bend: Bend) -> None:
    """Bend the answers of Resource Graph to the queries that have a word in them."""

    def hook(request: SeenRequest) -> None:
        if request.action == GRAPH and word in request.body:
            azure.faults.on(action=GRAPH).bend(bend)

    azure.before(hook)


# What came of it


def turned_off(azure: LocalAzure) -> set[str]:
    """Return the names of the accounts whose keys somebody turned off over HTTP."""
    return {azure.tenant.account(write.account_id).name for write in azure.writes}


def patched(azure: LocalAzure) -> Counter[str]:
    """Return how often each account was sent a PATCH."""
    return Counter(
        seen.path.rpartition("/")[2] for seen in azure.operations if seen.method == "PATCH"
    )


def listed(azure: LocalAzure) -> list[str]:
    """Return of which subscriptions ARM's list of accounts was asked for, page by page."""
    return [
        seen.path.split("/")[2].lower()
        for seen in azure.operations
        if seen.path.lower().endswith(f"/providers/{ids.ACCOUNT_TYPE}".lower())
    ]


def gaps(swept: Swept) -> set[tuple[str, str]]:
    """Return kind and name of each gap that was told."""
    return {(event["gapKind"], event["gapName"]) for event in swept.events("CoverageGap")}


def only(swept: Swept, name: str) -> dict[str, Any]:
    """Return the one event of a name."""
    (event,) = swept.events(name)
    return event


def completed(swept: Swept) -> dict[str, Any]:
    """Return the event that ends a sweep."""
    return only(swept, "SweepCompleted")
