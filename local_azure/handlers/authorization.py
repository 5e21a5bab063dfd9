"""Microsoft.Authorization, read at an account: the locks that hold there, and what one may do."""

from local_azure.exchange import Answer, Call
from local_azure.handlers.accounts import find_account
from local_azure.sources import behaviour


@behaviour(
    "locks listed at a resource: those of the resource, its group and its subscription",
    "REST reference, Management Locks - List At Resource Level; data/recorded locks-01, -05",
    "documented",
)
def list_locks(call: Call) -> Answer:
    """Return the locks that hold for the account."""
    tenant = call.services.tenant
    above = {scope.lower() for scope in tenant.scopes_above(find_account(call).id)}
    return Answer(
        200,
        {
            "value": [
                {
                    "properties": {"level": lock.level},
                    "id": f"{lock.scope}/providers/Microsoft.Authorization/locks/{lock.name}",
                    "type": "Microsoft.Authorization/locks",
                    "name": lock.name,
                }
                for lock in tenant.locks
                if lock.scope.lower() in above
            ]
        },
    )


@behaviour(
    "permissions at a resource: the actions and notActions of each of the caller's roles there",
    "data/recorded arm-misc-01; REST reference, Permissions - List For Resource",
    "recorded",
)
def list_permissions(call: Call) -> Answer:
    """Return what the caller may do with the account."""
    tenant = call.services.tenant
    found = tenant.assignments.held(
        call.principal.object_id, tenant.scopes_above(find_account(call).id), tenant.now()
    )
    return Answer(
        200,
        {
            "value": [
                {
                    "actions": list(role.actions),
                    "notActions": list(role.not_actions),
                    "dataActions": [],
                    "notDataActions": [],
                }
                for role in found
            ]
        },
    )
