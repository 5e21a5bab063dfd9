"""Management groups, which have a front end of their own (fact 37)."""

from typing import Any

from local_azure.exchange import Answer, Call, Origin
from local_azure.handlers.subscriptions import page
from local_azure.sources import NotModelledError, behaviour
from local_azure.state.containers import ManagementGroup, Subscription
from local_azure.state.tenant import Tenant

_TYPE = "Microsoft.Management/managementGroups"


@behaviour(
    "a management group: id, type, name, then properties with tenantId, displayName and details, "
    "whose parent is named",
    "data/recorded management-groups-05 (GET of 2022)",
    "recorded",
)
@behaviour(
    "its children, where they are asked for",
    "Microsoft.Management 2023-04-01 for the properties; no recording",
    "documented",
)
def get_group(call: Call) -> Answer:
    """One management group; its children if asked for."""
    tenant = call.services.tenant
    group = tenant.management_groups[call.params["mg"].lower()]
    parent = tenant.management_groups.get((group.parent or "").lower())
    properties: dict[str, Any] = {
        "tenantId": tenant.id,
        "displayName": group.display_name,
        "details": {
            "version": 1,
            "updatedTime": "2025-03-03T08:30:00.0000000Z",
            "updatedBy": tenant.team.object_id,
            "parent": parent
            and {"id": parent.id, "name": parent.name, "displayName": parent.display_name},
        },
    }
    expand = call.query.get("$expand")
    if expand == "children":
        deep = call.query.get("$recurse", "false").lower() == "true"
        properties["children"] = _children(tenant, group, deep=deep)
    elif expand is not None:
        raise NotModelledError(f"$expand={expand}")
    return Answer(200, {**_named(group), "properties": properties}, Origin.MANAGEMENT_GROUPS)


def _named(group: ManagementGroup) -> dict[str, str]:
    return {"id": group.id, "type": _TYPE, "name": group.name}


@behaviour(
    "management groups listed: id, type, name and properties; `@nextLink` is null on the last page",
    "data/recorded management-groups-07 (LIST of 2022)",
    "recorded",
)
def list_groups(call: Call) -> Answer:
    """Return the management groups that the caller may read."""
    tenant = call.services.tenant
    readable = [
        g
        for g in tenant.management_groups.values()
        if tenant.may(call.principal, f"{_TYPE}/read", g.id)
    ]
    value = [
        {**_named(g), "properties": {"tenantId": tenant.id, "displayName": g.display_name}}
        for g in readable
    ]
    return Answer(200, {"value": value, "@nextLink": None}, Origin.MANAGEMENT_GROUPS)


@behaviour(
    "descendants: groups and subscriptions below, with the parent's id; '@nextLink' between pages; "
    "a subscription has the type '/subscriptions'",
    "specification of ManagementGroups_GetDescendants 2023-04-01 (names, types); no recording",
    "documented",
)
def list_descendants(call: Call) -> Answer:
    """Everything below a management group."""
    services = call.services
    below = services.tenant.descendants(call.params["mg"])
    ordered = [(f"{number:06d}", thing) for number, thing in enumerate(below)]
    size = int(call.query.get("$top", services.settings.descendant_page))
    shown, token = page(ordered, call, size, lambda pair: pair[0])
    body: dict[str, Any] = {"value": [_descendant(services.tenant, thing) for _, thing in shown]}
    if token is not None:
        link = {"api-version": call.api_version, "_skiptoken": token}
        body["@nextLink"] = services.link(call.request.path, **link)
    return Answer(200, body, Origin.MANAGEMENT_GROUPS)


def _descendant(tenant: Tenant, thing: ManagementGroup | Subscription) -> dict[str, Any]:
    parent = tenant.management_groups[(thing.parent or tenant.id).lower()]
    if isinstance(thing, Subscription):
        named = {"name": thing.id, "id": thing.scope, "type": "/subscriptions"}
        display_name = thing.name
    else:
        named = {"name": thing.name, "id": thing.id, "type": _TYPE}
        display_name = thing.display_name
    return {**named, "properties": {"displayName": display_name, "parent": {"id": parent.id}}}


def _children(tenant: Tenant, group: ManagementGroup, *, deep: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for child in tenant.management_groups.values():
        if (child.parent or "").lower() == group.name.lower():
            entry: dict[str, Any] = {
                "type": _TYPE,
                "id": child.id,
                "name": child.name,
                "displayName": child.display_name,
            }
            if deep:
                entry["children"] = _children(tenant, child, deep=True)
            found.append(entry)
    found.extend(
        {"type": "/subscriptions", "id": s.scope, "name": s.id, "displayName": s.name}
        for s in tenant.subscriptions.values()
        if (s.parent or "").lower() == group.name.lower()
    )
    return found
