"""Microsoft.Authorization, read: the locks that hold at an account, and what one may do where."""

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
    return _permissions(call, find_account(call).id)


@behaviour(
    "permissions at a subscription: as at a resource, of the roles there and above",
    "azure-docs, resource-manager-api-authentication.md (request and answer, 2015-07-01)",
    "documented",
)
@behaviour(
    "permissions at a management group: as at a subscription",
    "the REST reference names resources and groups alone; the path is that of any scope",
    "inferred",
)
def list_permissions_at_scope(call: Call) -> Answer:
    """Return what the caller may do in a subscription or below a management group."""
    return _permissions(call, call.resource.rpartition("/providers/")[0])


def _permissions(call: Call, scope: str) -> Answer:
    tenant = call.services.tenant
    scopes = dict.fromkeys(above.lower() for above in tenant.scopes_above(scope))
    found = tenant.assignments.held(call.principal.object_id, scopes, tenant.now())
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
