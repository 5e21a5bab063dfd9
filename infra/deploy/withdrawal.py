"""What has to be taken away before a deployment: a template makes, and takes nothing away."""

from infra.deploy.at_group import policies, role_named
from infra.deploy.deployment_records import recorded_write_scopes
from infra.deploy.plan import Plan
from infra.deploy.resource_graph import groups_with_roles, scopes_of_role
from infra.deploy.tenant_part import policy_names, wanted_policy, writer_role
from infra.deploy.write_scopes import write_scopes


def withdrawals(plan: Plan) -> list[list[str]]:
    """Return the commands that take away what the plan does not have any more at its group.

    The role that can write where no ring is now, and the guardrail where it is off or another one.
    Raises CommandFailed if that can't be seen.
    """
    names = {*policy_names(plan.installation)} - {wanted_policy(plan)}
    return [*_of_rings(plan), *policies(plan.management_group, names)]


def _of_rings(plan: Plan) -> list[list[str]]:
    role = role_named(writer_role(plan.installation, plan.management_group), plan.management_group)
    if role is None:
        return []
    seen = scopes_of_role(role.id)
    if seen is None:
        print(f"Where {role.name!r} is assigned can't be seen, but for what records say.")
    outdated = recorded_write_scopes(plan.management_group, plan.installation) | (seen or set())
    outdated -= write_scopes(plan)
    return [command for scope in sorted(outdated) for command in role.assignments(scope)]


def assigned_scopes(role_id: str, management_group: str, installation: str) -> set[str]:
    """Return the scopes at which the role that can write may be assigned, in lower case.

    By the records of deployments, and by Resource Graph where these are no more. Raises
    CommandFailed if the records can't be seen.
    """
    recorded = recorded_write_scopes(management_group, installation)
    return recorded | (scopes_of_role(role_id) or set())


def groups_before(plan: Plan) -> set[str] | None:
    """Return the other groups that have a role of this installation; None if that can't be seen."""
    found = groups_with_roles(plan.installation)
    if found is None:
        return None
    swept = plan.settings.get("SWEEP_MANAGEMENT_GROUPS", "").split(",")
    kept = {name.strip().lower() for name in (plan.management_group, *swept)}
    return {group for group in found if group.lower() not in kept}
