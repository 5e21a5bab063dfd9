"""Which rights whoever deploys has where, as far as Azure lets them see it."""

from collections.abc import Sequence

from infra.deploy.azure_cli import rows_at
from infra.deploy.plan import Plan
from shared.core.permissions import Permission, grants

SUBSCRIPTION_RIGHTS = (
    "Microsoft.Resources/subscriptions/resourceGroups/write",
    "Microsoft.Resources/deployments/write",
    "Microsoft.Web/sites/write",
    "Microsoft.Authorization/roleAssignments/write",
)

_ROLE_RIGHTS = (
    "Microsoft.Authorization/roleDefinitions/write",
    "Microsoft.Authorization/roleAssignments/write",
    "Microsoft.Resources/deployments/write",
)

_POLICY_RIGHTS = (
    "Microsoft.Authorization/policyDefinitions/write",
    "Microsoft.Authorization/policyAssignments/write",
)


def rights_missing(plan: Plan) -> list[str] | None:
    """Return the actions that tenant.bicep needs and you lack; None if that can't be seen."""
    return lacking_rights(
        plan.where, _ROLE_RIGHTS + (_POLICY_RIGHTS if plan.guardrail != "off" else ())
    )


def lacking_rights(scope: str, wanted: Sequence[str]) -> list[str] | None:
    """Return which of these actions you lack at a scope; None if that can't be seen."""
    url = f"{scope}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    granted = rows_at(url)
    if granted is None:
        return None
    permissions = [
        Permission(tuple(role.get("actions") or ()), tuple(role.get("notActions") or ()))
        for role in granted
    ]
    return [action for action in wanted if not grants(permissions, action)]
