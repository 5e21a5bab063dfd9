"""Takes the tenant's part of a deployment away."""

import shlex

from infra.deploy.azure_cli import CommandFailed, DeploymentStopped, az, run
from infra.deploy.plan import scope_of
from infra.deploy.tenant_part import reader_role, writer_role
from infra.deploy.write_scopes import recorded_write_scopes, unassignments


def removal_commands(management_group: str, environment: str) -> list[list[str]]:
    """Return the commands that take role, assignments and guardrail away, in order."""
    scope = scope_of(management_group)
    roles = (writer_role(environment, management_group), reader_role(environment, management_group))
    policies = {f"keysweep-{environment}", f"keysweep-{environment}-modify"}
    at_group = ("--management-group", management_group)
    delete: list[tuple[str, ...]] = [
        ("policy", "assignment", "--name", assignment["name"], "--scope", scope)
        for assignment in az("policy", "assignment", "list", "--scope", scope)
        if assignment["policyDefinitionId"].rpartition("/")[2] in policies
    ]
    delete += [
        ("policy", "definition", "--name", definition["name"], *at_group)
        for definition in az("policy", "definition", "list", *at_group)
        if definition["name"] in policies
    ]
    commands = [["az", kind, part, "delete", *which] for kind, part, *which in delete]
    assigned_at = recorded_write_scopes(management_group, environment) | {scope.lower()}
    for role in roles:
        if az("role", "definition", "list", "--name", role, "--scope", scope):
            for where in sorted(assigned_at):
                commands += unassignments(role, where)
            name_and_scope = ("--name", role, "--scope", scope)
            commands.append(["az", "role", "definition", "delete", *name_and_scope])
    return commands


def remove(management_group: str, environment: str) -> None:
    """Take the tenant's part away. Raises DeploymentStopped with the commands that are left."""
    commands = removal_commands(management_group, environment)
    for number, command in enumerate(commands):
        try:
            run(*command)
        except CommandFailed as error:
            left = "\n".join(f"    {shlex.join(remaining)}" for remaining in commands[number:])
            raise DeploymentStopped(
                f"Azure says: {error.output}\n\nLeft to do, for somebody with rights at management "
                f"group {management_group}:\n\n{left}"
            ) from error
        print(shlex.join(command))
    print(f"Nothing of Keysweep {environment} is left at management group {management_group}.")
