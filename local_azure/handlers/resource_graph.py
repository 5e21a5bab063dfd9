"""Resource Graph: quota and scope. The query itself is run by `local_azure.graph`."""

import re
from dataclasses import dataclass
from typing import Any

from local_azure.exchange import Answer, Call, Origin
from local_azure.sources import behaviour
from local_azure.state import ids
from local_azure.state.account import timestamp
from local_azure.state.containers import Subscription

_READS = ("Microsoft.Resources/subscriptions/read", "Microsoft.CognitiveServices/accounts/read")
_MOST_NAMED = 1000
_GROUP_ID = re.compile(r"[\w.()-]{1,90}")
_DENIED = "Access is denied to the requested resource. The user might not have enough permission."
_NOT_ELIGIBLE = (
    "There must be at least one subscription that is eligible to contain resources. Given: '{}'."
)


def query(call: Call) -> Answer:
    """Run a query over what the caller may see."""
    services = call.services
    with services.tenant.guard:
        allowed, remaining, resets_after = services.quota.take(call.principal.object_id)
    headers = {
        "x-ms-ratelimit-remaining-tenant-resource-requests": str(remaining),
        "x-ms-user-quota-remaining": str(remaining),
        "x-ms-user-quota-resets-after": resets_after,
        "x-ms-resource-graph-request-duration": "0:00:00:00.8322830",
    }
    if not allowed:
        return _refused(
            call,
            headers,
            429,
            "RateLimiting",
            "Client application has been throttled and should not attempt to repeat the request "
            "until an amount of time has elapsed. Please see "
            "https://aka.ms/resourcegraph-throttling for help.",
        )
    body = call.json()
    scope = _scope(call, body)
    if isinstance(scope, _NoScope):
        return _refused(call, headers, scope.status, scope.code, scope.message)
    if scope.cut:
        headers["x-ms-tenant-subscription-limit-hit"] = "true"
    answer = services.feed.answer(
        body,
        subscriptions=scope.subscriptions,
        management_groups=_readable_groups(call, body),
        roles_at=_roles_at(call, body, scope.subscriptions),
        api_version=call.api_version,
        correlation_id=call.correlation_id,
    )
    return Answer(answer.status, answer.body, Origin.GRAPH, headers)


@behaviour(
    "RateLimiting (429) and AccessDenied (403): the code at the top and in details",
    "data/recorded arg-error-03, arg-error-05; fact 43",
    "recorded",
)
@behaviour(
    "a 429 of Resource Graph carries the quota headers and no Retry-After",
    "guidance-for-throttled-requests.md speaks of the quota headers only; no recording",
    "inferred",
)
def _refused(call: Call, headers: dict[str, str], status: int, code: str, message: str) -> Answer:
    top = "BadRequest" if status == 400 else code
    stamp = timestamp(call.services.clock.now())
    error = {
        "code": top,
        "message": "Please provide below info when asking for support: timestamp = "
        f"{stamp}, correlationId = {call.correlation_id}.",
        "details": [{"code": code, "message": message}],
    }
    return Answer(status, {"error": error}, Origin.GRAPH, headers)


@dataclass(frozen=True, slots=True)
class _Scope:
    """The subscriptions that a query runs on, and whether there were more than it may."""

    subscriptions: list[str]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _NoScope:
    """Why a query doesn't run."""

    status: int
    code: str
    message: str


@behaviour(
    "subscriptions in the scope that the caller can't read are dropped without a word; all of "
    "them: 400 NoValidSubscriptionsInQueryRequest; disabled subscriptions are not eligible",
    "one party's live measurement of 2026-08-05, in a public repository's tests; the code in "
    "gravitational/teleport's handling of errors",
    "inferred",
)
@behaviour(
    "403 AccessDenied when the caller can read no subscription at all",
    "azure-docs overview.md; data/recorded arg-error-05",
    "documented",
)
@behaviour(
    "subscriptions and managementGroups together are refused",
    "query-language.md: can't be combined; the code is ours",
    "inferred",
)
@behaviour(
    "without subscriptions and managementGroups: all that the caller may read, those that are "
    "delegated from other tenants (Azure Lighthouse) included",
    "fact 44; azure-docs query-language.md",
    "recorded",
)
def _scope(call: Call, body: dict[str, Any]) -> _Scope | _NoScope:
    """Return the subscriptions that the query runs on, or why it doesn't."""
    named = [str(name) for name in body.get("subscriptions") or []]
    groups = [str(name) for name in body.get("managementGroups") or []]
    refused = _refused_names(named, groups)
    if refused is not None:
        return refused
    tenant = call.services.tenant
    with tenant.guard:
        visible = [s for s in tenant.subscriptions.values() if _is_visible(call, s)]
        if not visible:
            return _NoScope(403, "AccessDenied", _DENIED)
        if named:
            wanted = {name.lower() for name in named}
            chosen = [s.id for s in visible if s.id.lower() in wanted]
        elif groups:
            below = {
                thing.id.lower()
                for group in groups
                for thing in tenant.descendants(group)
                if isinstance(thing, Subscription)
            }
            chosen = [s.id for s in visible if s.id.lower() in below]
        else:
            chosen = [s.id for s in visible]
    if not chosen:
        scope = ", ".join(named or groups)
        return _NoScope(400, "NoValidSubscriptionsInQueryRequest", _NOT_ELIGIBLE.format(scope))
    return _Scope(chosen) if named else _within_limit(call, body, chosen)


@behaviour(
    "more than 1,000 subscriptions in one request are refused",
    "azure-docs troubleshoot/general.md (toomanysubscription): the REST API has a maximum, batch "
    "by 1,000; no body was found, code and words are ours",
    "unverified",
)
@behaviour(
    "400 SubscriptionsContainInvalidGuids for a subscription that is no guid, and "
    "ManagementGroupsContainInvalidIds for a name with blanks, which can be no group's id",
    "microsoft/ARI#76, rubrikinc/rubrik-sizing-scripts#87: bodies pasted by users",
    "recorded",
)
@behaviour(
    "what else than a blank makes an id of a management group invalid; how several are named",
    "azure-docs resource-name-rules.md for the characters of an id; no body has several",
    "inferred",
)
def _refused_names(named: list[str], groups: list[str]) -> _NoScope | None:
    if named and groups:
        return _NoScope(
            400,
            "InvalidSubscriptionsAndManagementGroups",
            "Subscriptions and management groups cannot both be specified.",
        )
    if len(named) > _MOST_NAMED:
        return _NoScope(
            400,
            "TooManySubscriptionsInQueryRequest",
            f"The number of subscriptions in the request has exceeded the allowed limit "
            f"{_MOST_NAMED}.",
        )
    malformed = [name for name in named if not ids.is_guid(name)]
    if malformed:
        return _NoScope(
            400,
            "SubscriptionsContainInvalidGuids",
            f"Subscription ids have to be valid GUIDs. Given: '{', '.join(malformed)}'.",
        )
    impossible = [name for name in groups if not _GROUP_ID.fullmatch(name)]
    if impossible:
        return _NoScope(
            400,
            "ManagementGroupsContainInvalidIds",
            f"The provided management groups must be valid. Given: '{', '.join(impossible)}'.",
        )
    return None


@behaviour(
    "too many subscriptions under the tenant or group: 400 TooManySubscriptionsUnderScope; with "
    "allowPartialScopes the first ones, and x-ms-tenant-subscription-limit-hit",
    "Azure/cosmos-explorer#1986 (October 2024; body pasted by a user, whose limit was 18,000); "
    "azure-docs guidance-for-throttled-requests.md for 10,000 and the header",
    "recorded",
)
def _within_limit(call: Call, body: dict[str, Any], chosen: list[str]) -> _Scope | _NoScope:
    most = call.services.settings.graph_scope
    if len(chosen) <= most:
        return _Scope(chosen)
    if (body.get("options") or {}).get("allowPartialScopes") is True:
        return _Scope(chosen[:most], cut=True)
    return _NoScope(
        400,
        "TooManySubscriptionsUnderScope",
        "The number of subscriptions under provided tenant or management groups in the request "
        f"has exceeded the allowed limit {most}. Please select a more granular scope or allow "
        "partial scopes results by passing AllowPartialScopes flag in the query options.",
    )


def _is_visible(call: Call, subscription: Subscription) -> bool:
    tenant = call.services.tenant
    return (
        not subscription.hidden_from_graph
        and subscription.takes_tokens_of(call.principal.tenant_id)
        and subscription.state not in {"Disabled", "Deleted"}
        and any(tenant.may(call.principal, action, subscription.scope) for action in _READS)
    )


def _readable_groups(call: Call, body: dict[str, Any]) -> list[str]:
    """Names of the management groups whose rows show."""
    tenant = call.services.tenant
    named = body.get("managementGroups") or []
    with tenant.guard:
        below = {
            thing.name.lower()
            for group in named
            for thing in tenant.descendants(str(group))
            if not isinstance(thing, Subscription)
        } | {str(group).lower() for group in named}
        action = "Microsoft.Management/managementGroups/read"
        return [
            g.name
            for g in tenant.management_groups.values()
            if (not named or g.name.lower() in below)
            and tenant.may(call.principal, action, ids.management_group_scope(g.name))
        ]


@behaviour(
    "authorizationresources: assignments at the scopes that are asked about and below; a query of "
    "named subscriptions shows those of management groups above only with authorizationScopeFilter "
    "AtScopeAndAbove or AtScopeAboveAndBelow",
    "specification of Microsoft.ResourceGraph 2022-10-01, AuthorizationScopeFilter (its default is "
    "AtScopeAndBelow)",
    "documented",
)
@behaviour(
    "built-in role definitions are not in the answer to a query that names subscriptions, only to "
    "one of the tenant or of management groups",
    "KnudsenMorten/AzResourceGraphPS#3; fact 86",
    "recorded",
)
@behaviour(
    "roles show where the caller may read role assignments",
    "azure-docs overview.md: read rights on what is queried",
    "inferred",
)
def _roles_at(call: Call, body: dict[str, Any], subscriptions: list[str]) -> list[str]:
    """Return the scopes whose role assignments show; `/` stands for the definitions too."""
    tenant = call.services.tenant
    named = bool(body.get("subscriptions"))
    wanted = str((body.get("options") or {}).get("authorizationScopeFilter") or "AtScopeAndBelow")
    with tenant.guard:
        below = [ids.subscription_scope(name) for name in subscriptions]
        above = [scope for at in below for scope in tenant.scopes_above(at) if scope not in below]
        groups = [ids.management_group_scope(name) for name in _readable_groups(call, body)]
        scopes = list(below) if named else [*below, *groups, "/"]
        match wanted.lower():
            case "atscopeexact":
                scopes = below if named else groups
            case "atscopeandabove" | "atscopeaboveandbelow":
                scopes += above
        action = "Microsoft.Authorization/roleAssignments/read"
        return [
            s for s in dict.fromkeys(scopes) if s == "/" or tenant.may(call.principal, action, s)
        ]
