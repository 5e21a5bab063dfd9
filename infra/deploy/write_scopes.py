"""Where the role that can write is assigned, and where it has to be taken away.

A template makes assignments, and takes none away: the deployment before says where they are.
"""

from infra.deploy.azure_cli import NOT_FOUND, CommandFailed, az
from infra.deploy.plan import Plan, plan_of, rings_of, scope_of
from infra.deploy.questions import signed_in_tenant
from infra.deploy.tenant_part import TENANT_PARAMETERS, tenant_deployment, writer_role


def write_scopes(plan: Plan) -> set[str]:
    """Return the scopes at which a plan assigns the role that can write, in lower case."""
    if plan.settings.get("SWEEP_MODE", "").strip().lower() != "enforce":
        return set()
    rings = rings_of(plan)
    if not rings:
        return {plan.where.lower()}
    return {scope_of(r.key).lower() if r.is_group else f"/subscriptions/{r.key}" for r in rings}


def recorded_write_scopes(management_group: str, environment: str) -> set[str]:
    """Return the scopes at which the last deployment assigned it; none if there was no such.

    One that failed has no outputs, and may have assigned it wherever its parameters say.

    Raises CommandFailed if that can't be seen.
    """
    where = ("--management-group-id", management_group)
    try:
        last = az("deployment", "mg", "show", *where, "--name", tenant_deployment(environment))
    except CommandFailed as error:
        if NOT_FOUND in error.output:
            return set()
        raise
    # The CLI changes the letter case of outputs.
    outputs = {
        name.upper(): output for name, output in (last["properties"]["outputs"] or {}).items()
    }
    if "WRITE_SCOPES" in outputs:
        return {str(scope).lower() for scope in outputs["WRITE_SCOPES"]["value"]}
    given = last["properties"].get("parameters") or {}
    wanted = {
        variable: str(given.get(name, {}).get("value", ""))
        for name, variable in TENANT_PARAMETERS.items()
    }
    there = {"AZURE_TENANT_ID": signed_in_tenant(), "AZURE_MANAGEMENT_GROUP_ID": management_group}
    return write_scopes(plan_of({**wanted, **there}))


def withdrawals(plan: Plan) -> list[list[str]]:
    """Return the commands that take the role away where it was assigned and no ring is now.

    Raises CommandFailed if that can't be seen.
    """
    group, environment = plan.management_group, plan.environment
    outdated = recorded_write_scopes(group, environment) - write_scopes(plan)
    role = writer_role(environment, group)
    return [command for scope in sorted(outdated) for command in unassignments(role, scope)]


def unassignments(role: str, scope: str) -> list[list[str]]:
    """Return the commands that take assignments of a role at a scope away."""
    try:
        assignments = az("role", "assignment", "list", "--scope", scope)
    except CommandFailed as error:
        # What was deleted took its assignments along.
        if NOT_FOUND in error.output:
            return []
        raise
    return [
        ["az", "role", "assignment", "delete", "--ids", assignment["id"]]
        for assignment in assignments
        if assignment["roleDefinitionName"] == role
    ]
