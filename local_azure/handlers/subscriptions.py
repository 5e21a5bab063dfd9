"""ARM's own resources: subscriptions and resource groups."""

import base64
import re
from collections.abc import Callable, Sequence

from local_azure.exchange import Answer, Call, Refusal
from local_azure.sources import NotModelledError, behaviour
from local_azure.state.containers import ResourceGroup


def page[T](
    items: Sequence[T], call: Call, size: int, key: Callable[[T], str]
) -> tuple[Sequence[T], str | None]:
    """One page of items sorted by `key`, and the token of the next one.

    The token says after which key to go on, so that what vanishes in between moves nothing.
    """
    token = call.query.get("$skiptoken")
    after = "" if token is None else _decoded(token)
    left = [item for item in items if key(item) > after]
    shown = left[:size]
    more = len(left) > size
    return shown, base64.urlsafe_b64encode(key(shown[-1]).encode()).decode() if more else None


def _decoded(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError as e:
        raise Refusal(
            400, "InvalidSkipToken", f"The provided skip token '{token}' is invalid."
        ) from e


@behaviour(
    "GET /subscriptions lists what the caller may read and says nothing of the rest; empty is 200",
    "data/recorded subscriptions-list-200; that the rest is left out is ARM's documentation",
    "recorded",
)
@behaviour(
    "the list of subscriptions shows their tags (Settings.list_shows_tags: or not, as some who may "
    "only read report; GET of one always does)",
    "fact 89: Azure/azure-rest-api-specs#11656, #13260 (users' reports of 2020 and 2021)",
    "inferred",
)
def list_subscriptions(call: Call) -> Answer:
    """Return the subscriptions that the caller may read."""
    services = call.services
    readable = services.tenant.readable_subscriptions(call.principal)
    readable.sort(key=lambda s: s.id)
    shown, token = page(readable, call, services.settings.subscription_page, lambda s: s.id)
    value = [s.wire() for s in shown]
    if not services.settings.list_shows_tags:
        value = [{k: v for k, v in row.items() if k != "tags"} for row in value]
    body: dict[str, object] = {"value": value}
    if token is not None:
        link = {"api-version": call.api_version, "_skiptoken": token}
        body["nextLink"] = services.link("/subscriptions", **link)
    body["count"] = {"type": "Total", "value": len(readable)}
    return Answer(200, body)


def get_subscription(call: Call) -> Answer:
    """One subscription."""
    tenant = call.services.tenant
    return Answer(200, tenant.subscriptions[call.params["subscription"].lower()].wire())


def resource_group(call: Call) -> ResourceGroup:
    """Return the resource group of the path, or ARM's 404 (recorded: arm-404-01)."""
    subscription = call.services.tenant.subscriptions[call.params["subscription"].lower()]
    name = call.params["group"]
    group = subscription.groups.get(name.lower())
    if group is None:
        raise Refusal(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
    return group


def get_resource_group(call: Call) -> Answer:
    """One resource group."""
    return Answer(200, resource_group(call).wire())


@behaviour(
    "HEAD of a resource group: 204, or 404 without a body",
    "data/recorded arm-404-03; 204 is the specification's",
    "recorded",
)
def head_resource_group(call: Call) -> Answer:
    """Whether a resource group exists."""
    try:
        resource_group(call)
    except Refusal as refusal:
        return Answer(404, None, refusal.answer.origin)
    return Answer(204)


_TAG_FILTER = re.compile(r"tagName eq '([^']*)'(?: and tagValue eq '([^']*)')?", re.IGNORECASE)


def list_resource_groups(call: Call) -> Answer:
    """Return the resource groups of a subscription, by tag if the filter says so."""
    services = call.services
    subscription = services.tenant.subscriptions[call.params["subscription"].lower()]
    groups = sorted(subscription.groups.values(), key=lambda g: g.name.lower())
    if wanted := call.query.get("$filter"):
        found = _TAG_FILTER.fullmatch(wanted)
        if found is None:
            raise NotModelledError(f"$filter={wanted}")
        groups = [g for g in groups if _has_tag(g, found.group(1), found.group(2))]
    size = min(int(call.query.get("$top", services.settings.group_page)), 1000)
    shown, token = page(groups, call, size, lambda g: g.name.lower())
    body: dict[str, object] = {"value": [g.wire() for g in shown]}
    if token is not None:
        link = {"api-version": call.api_version, "_skiptoken": token}
        body["nextLink"] = services.link(call.request.path, **link)
    return Answer(200, body)


def _has_tag(group: ResourceGroup, name: str, value: str | None) -> bool:
    tags = {tag.lower(): text for tag, text in (group.tags or {}).items()}
    return name.lower() in tags and value in {None, tags[name.lower()]}
