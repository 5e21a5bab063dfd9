"""A deployment at the management group: what it does not have any more goes first.

A template makes, and takes nothing away. The same for azd, whose hook deploys tenant.bicep, and for
`create`, which deploys main.bicep.
"""

import json
from collections.abc import Callable, Sequence

from infra.deploy.azure_cli import CommandFailed, DeploymentStopped, run
from infra.deploy.command_lines import indented, pasteable
from infra.deploy.consistency import run_patiently
from infra.deploy.deployment_records import (
    assigned_scopes,
    assignment_records,
    records_at,
    tenant_records,
)
from infra.deploy.group_contents import is_there, policy_removals, role_named
from infra.deploy.placement import plain_region
from infra.deploy.plan import Plan, write_scopes
from infra.deploy.removal import remove
from infra.deploy.resource_graph import groups_with_roles
from infra.deploy.rights import rights_missing
from infra.deploy.tenant_part import policy_names, wanted_policy, writer_role


def deploy(plan: Plan, command: Sequence[str], sleep: Callable[[float], None]) -> str:
    """Withdraw, and run the command that deploys. Returns what it prints.

    Raises DeploymentStopped, with what Azure says and the commands that are left.
    """
    left = [list(command)]
    printed = ""
    try:
        left = [*_withdrawals(plan), *left]
        while left:
            printed = run_patiently(left[0], lambda: rights_missing(plan) == [], sleep)
            left = left[1:]
    except CommandFailed as error:
        raise DeploymentStopped(
            f"Azure says: {error.output}\n\n{_who_may(plan, error)} runs this here:"
            f"\n\n{indented(left)}\n\n{_unseen(plan, error)}"
        ) from error
    return printed


def _withdrawals(plan: Plan) -> list[list[str]]:
    """Return the commands that take away what the plan does not have any more at its group.

    The role that can write where no ring is now, and the guardrail where it is off or another one.
    Raises CommandFailed if that can't be seen.
    """
    names = {*policy_names(plan.installation)} - {wanted_policy(plan)}
    return [*_outdated_removals(plan), *policy_removals(plan.management_group, names)]


def _outdated_removals(plan: Plan) -> list[list[str]]:
    """Return the commands that take the role that can write away from what is no ring any more."""
    role = role_named(writer_role(plan.installation, plan.management_group), plan.management_group)
    if role is None:
        return []
    records = tenant_records(records_at(plan.where), plan.installation)
    outdated = sorted(assigned_scopes(role, records) - write_scopes(plan))
    return [
        *(command for scope in outdated for command in role.assignment_removals(scope)),
        *(
            record.removal
            for scope in outdated
            for record in assignment_records(role, records_at(scope))
        ),
    ]


def _who_may(plan: Plan, error: CommandFailed) -> str:
    """Say who may do what was refused."""
    if error.says_denied:
        return (
            "A deny assignment refuses it, which no role overrides. Somebody whom it excludes, or "
            "you when whoever made it has excluded you,"
        )
    return (
        "Somebody with Owner, or User Access Administrator and Resource Policy Contributor, at "
        f"management group {plan.management_group}"
    )


def _unseen(plan: Plan, error: CommandFailed) -> str:
    """Say, if it could not be seen what was there before, what to look for."""
    if "list" not in error.command:
        return ""
    role = writer_role(plan.installation, plan.management_group)
    return (
        f"Where role {role!r} was assigned before could not be seen: its assignments at what is no "
        "ring any more have to be deleted, too. "
    )


def leave_groups(plan: Plan, sleep: Callable[[float], None], before: str = "") -> None:
    """Take the tenant's part away from management groups that are not the plan's any more.

    `before`: the group that azd's environment remembers. Raises DeploymentStopped.
    """
    found = _groups_before(plan)
    if found is None:
        print("Whether another management group still has a role of this deployment can't be seen.")
    others = {group.lower(): group for group in (*(found or ()), before) if group}
    others.pop(plan.management_group.lower(), None)
    for group in others.values():
        if not is_there(group):
            print(f"Management group {group}, which had a role of this deployment, is no more.")
            continue
        remove(group, plan.environment, sleep, plan.installation)


def _groups_before(plan: Plan) -> set[str] | None:
    """Return the other groups that have a role of this installation; None if that can't be seen."""
    found = groups_with_roles(plan.installation)
    if found is None:
        return None
    swept = plan.settings.get("SWEEP_MANAGEMENT_GROUPS", "").split(",")
    kept = {name.strip().lower() for name in (plan.management_group, *swept)}
    return {group for group in found if group.lower() not in kept}


def withdraw(plan: Plan, sleep: Callable[[float], None]) -> None:
    """Take away what a plan does not have any more. Raises DeploymentStopped."""
    leave_groups(plan, sleep)
    for command in _withdrawals(plan):
        run(*command)
        print(pasteable(command))


def create(plan: Plan, parameters: str, sleep: Callable[[float], None]) -> None:
    """Deploy main.bicep by a parameter file, and print its outputs. Raises DeploymentStopped."""
    leave_groups(plan, sleep)
    region = plain_region(plan.location)
    command = [
        *("az", "deployment", "mg", "create", "--management-group-id", plan.management_group),
        *("--location", plan.location, "--name", f"keysweep-{plan.environment}-{region}"),
        *("--parameters", parameters, "--query", "properties.outputs", "--output", "json"),
    ]
    # The CLI changes the letter case of outputs.
    outputs = json.loads(deploy(plan, command, sleep))
    for name, output in outputs.items():
        print(f"{name.upper()}: {output['value']}")
