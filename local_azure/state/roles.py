"""Role definitions, and how Resource Graph shows them and who has them."""

from dataclasses import dataclass
from typing import Any

from local_azure.sources import behaviour
from local_azure.state import ids
from local_azure.state.access import FUNCTION_ACTIONS, PeopleGroup, Principal, RoleAssignment

_COGNITIVE = "Microsoft.CognitiveServices"
_TYPE = "Microsoft.Authorization/RoleDefinitions"


@dataclass(frozen=True, slots=True)
class Role:
    """A role definition."""

    name: str
    guid: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    built_in: bool = True

    @property
    def id(self) -> str:
        """Its id, which is the same at every scope."""
        return f"/providers/{_TYPE}/{self.guid}"


# [azure-docs role-based-access-control/built-in-roles; actions that nothing here asks for left out]
BUILT_IN = {
    role.name: role
    for role in (
        Role("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", ("*",)),
        Role(
            "Contributor",
            "b24988ac-6180-42a0-ab88-20f7382dd24c",
            ("*",),
            ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"),
        ),
        Role("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", ("*/read",)),
        Role(
            "Monitoring Reader",
            "43d0d8ad-25c7-4714-9337-8ba259a9fe05",
            ("*/read", "Microsoft.OperationalInsights/workspaces/search/action"),
        ),
        Role(
            "Log Analytics Reader",
            "73c42c96-874c-492b-b04d-ab87d138a893",
            ("*/read", "Microsoft.OperationalInsights/workspaces/analytics/query/action"),
            ("Microsoft.OperationalInsights/workspaces/sharedKeys/read",),
        ),
        Role(
            "Cognitive Services Contributor",
            "25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68",
            (f"{_COGNITIVE}/*",),
        ),
        Role(
            "Cognitive Services OpenAI User",
            "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd",
            (f"{_COGNITIVE}/*/read",),
            data_actions=(
                f"{_COGNITIVE}/accounts/OpenAI/*/read",
                f"{_COGNITIVE}/accounts/OpenAI/deployments/completions/action",
                f"{_COGNITIVE}/accounts/OpenAI/deployments/embeddings/action",
                f"{_COGNITIVE}/accounts/OpenAI/deployments/chat/completions/action",
            ),
        ),
        Role(
            "Cognitive Services OpenAI Contributor",
            "a001fd3d-188f-4b5d-821b-7da978bf7442",
            (f"{_COGNITIVE}/*/read",),
            data_actions=(f"{_COGNITIVE}/accounts/OpenAI/*",),
        ),
        Role(
            "Cognitive Services User",
            "a97b65f3-24c7-4388-baec-2e87135dc908",
            (f"{_COGNITIVE}/*/read", f"{_COGNITIVE}/accounts/listkeys/action"),
            data_actions=(f"{_COGNITIVE}/*",),
        ),
    )
}
_KEYSWEEP = Role(
    "Keysweep", ids.guid("role", "Keysweep"), tuple(FUNCTION_ACTIONS), (), (), built_in=False
)


def role_of(assignment: RoleAssignment) -> Role:
    """Return the role that an assignment gives: a built-in one of just these actions, or a new."""
    given = (assignment.actions, assignment.not_actions, assignment.data_actions)
    for role in (*BUILT_IN.values(), _KEYSWEEP):
        if (role.actions, role.not_actions, role.data_actions) == given:
            return role
    guid = ids.guid("role", *given)
    return Role(f"Custom role {guid[:8]}", guid, *given, built_in=False)


@behaviour(
    "authorizationresources: a row a role definition, its permissions with actions and dataActions",
    "azure-docs resource-graph samples for authorizationresources (they join the definitions' id "
    "with roleDefinitionId, both in lower case); no row was found (fact 86)",
    "documented",
)
def definition_row(role: Role, tenant_id: str) -> dict[str, Any]:
    """Return a definition as Resource Graph's table holds it."""
    properties = {
        "roleName": role.name,
        "type": "BuiltInRole" if role.built_in else "CustomRole",
        "description": "",
        "assignableScopes": ["/"] if role.built_in else [ids.management_group_scope(tenant_id)],
        "permissions": [
            {
                "actions": list(role.actions),
                "notActions": list(role.not_actions),
                "dataActions": list(role.data_actions),
                "notDataActions": [],
            }
        ],
        "isServiceRole": False,
    }
    return _row(
        role.id, role.guid, "microsoft.authorization/roledefinitions", tenant_id, properties
    )


@behaviour(
    "authorizationresources: a row a role assignment, with principalId, principalType, "
    "roleDefinitionId and scope; subscriptionId is empty above subscriptions",
    "data/recorded role-assignments-01 (ARM's own); no row was found (fact 86)",
    "inferred",
)
def assignment_row(
    assignment: RoleAssignment, principal: Principal | PeopleGroup | None, tenant_id: str
) -> dict[str, Any]:
    """Return an assignment as Resource Graph's table holds it."""
    role = role_of(assignment)
    name = ids.guid("assignment", assignment.principal_id, assignment.scope, role.guid)
    scope = "" if assignment.scope == "/" else assignment.scope
    properties = {
        "roleDefinitionId": role.id,
        "principalId": assignment.principal_id,
        "principalType": _principal_type(principal),
        "scope": assignment.scope,
        "condition": None,
        "conditionVersion": None,
        "createdOn": "2025-03-03T08:30:00.0000000Z",
        "updatedOn": "2025-03-03T08:30:00.0000000Z",
        "createdBy": "",
        "updatedBy": "",
        "delegatedManagedIdentityResourceId": None,
        "description": None,
    }
    return _row(
        f"{scope}/providers/Microsoft.Authorization/RoleAssignments/{name}",
        name,
        "microsoft.authorization/roleassignments",
        tenant_id,
        properties,
        subscription_id=ids.subscription_of(assignment.scope) or "",
        resource_group=(ids.resource_group_of(assignment.scope) or "").rpartition("/")[2],
    )


def _principal_type(principal: Principal | PeopleGroup | None) -> str:
    if isinstance(principal, PeopleGroup):
        return "Group"
    return "User" if principal is not None and principal.kind == "User" else "ServicePrincipal"


def _row(
    row_id: str,
    name: str,
    kind: str,
    tenant_id: str,
    properties: dict[str, Any],
    *,
    subscription_id: str = "",
    resource_group: str = "",
) -> dict[str, Any]:
    return {
        "id": row_id,
        "name": name,
        "type": kind,
        "tenantId": tenant_id,
        "kind": "",
        "location": "global",
        "resourceGroup": resource_group.lower(),
        "subscriptionId": subscription_id,
        "managedBy": "",
        "sku": None,
        "plan": None,
        "properties": properties,
        "tags": None,
        "identity": None,
        "zones": None,
        "extendedLocation": None,
    }
