"""What has to be taken away before a deployment: a template makes, and takes nothing away."""

from infra.deploy.at_group import policies, role_assignments
from infra.deploy.azure_cli import CommandFailed, post
from infra.deploy.deployment_records import recorded_write_scopes
from infra.deploy.plan import Plan
from infra.deploy.tenant_part import policy_names, wanted_policy, writer_role
from infra.deploy.write_scopes import write_scopes

_GRAPH = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01"
_GROUP = "/providers/microsoft.management/managementgroups/"


def withdrawals(plan: Plan) -> list[list[str]]:
    """Return the commands that take away what the plan does not have any more at its group.

    The role that can write where no ring is now, and the guardrail where it is off or another one.
    Raises CommandFailed if that can't be seen.
    """
    group, installation = plan.management_group, plan.installation
    outdated = recorded_write_scopes(group, installation) - write_scopes(plan)
    role = writer_role(installation, group)
    commands = [command for scope in sorted(outdated) for command in role_assignments(role, scope)]
    return [*commands, *policies(group, {*policy_names(installation)} - {wanted_policy(plan)})]


def groups_before(plan: Plan) -> set[str] | None:
    """Return the other groups that have a role of this installation; None if that can't be seen.

    Resource Graph shows them whichever machine deployed there, as far as whoever asks may read.
    """
    query = (
        "authorizationresources | where type =~ 'microsoft.authorization/roledefinitions' | "
        f"where tostring(properties.roleName) startswith 'Keysweep {plan.installation} ' | "
        "project scopes = properties.assignableScopes"
    )
    try:
        rows = post(_GRAPH, {"query": query, "options": {"resultFormat": "objectArray"}})["data"]
        found = {str(scope).lower() for row in rows for scope in row["scopes"]}
    except (CommandFailed, KeyError, TypeError):
        return None
    swept = plan.settings.get("SWEEP_MANAGEMENT_GROUPS", "").lower().split(",")
    kept = {plan.management_group.lower(), *(group.strip() for group in swept)}
    return {scope.removeprefix(_GROUP) for scope in found if scope.startswith(_GROUP)} - kept
