"""What is at a management group now, and the commands that take it away. Reads only."""

import re
from collections.abc import Collection
from typing import Any

from infra.deploy.azure_cli import CommandFailed, az
from infra.deploy.plan import scope_of

_ROLE = r"Keysweep ({environment}-[a-z0-9]+-[0-9a-f]{{8}})( writes)? \({group}\)"


def role_assignments(role: str, scope: str) -> list[list[str]]:
    """Return the commands that take assignments of a role at a scope away.

    Raises CommandFailed if that can't be seen.
    """
    return [
        ["az", "role", "assignment", "delete", "--ids", assignment["id"]]
        for assignment in _listed("role", "assignment", "--scope", scope)
        if assignment["roleDefinitionName"] == role
    ]


def role_definition(role: str, management_group: str) -> list[list[str]]:
    """Return the command that takes a role away, none if it is not there."""
    there = ("--name", role, "--scope", scope_of(management_group))
    found = _listed("role", "definition", *there)
    return [["az", "role", "definition", "delete", *there]] if found else []


def policies(management_group: str, names: Collection[str]) -> list[list[str]]:
    """Return the commands that take policy definitions away, their assignments first."""
    scope = scope_of(management_group)
    at_group = ("--management-group", management_group)
    assignments = [
        ["az", "policy", "assignment", "delete", "--name", found["name"], "--scope", scope]
        for found in _listed("policy", "assignment", "--scope", scope)
        if found["policyDefinitionId"].rpartition("/")[2] in names
    ]
    definitions = [
        ["az", "policy", "definition", "delete", "--name", found["name"], *at_group]
        for found in _listed("policy", "definition", *at_group)
        if found["name"] in names
    ]
    return [*assignments, *definitions]


def installations(management_group: str, environment: str) -> set[str]:
    """Return the installations of an environment that have a role or a policy at a group."""
    form = _ROLE.format(environment=re.escape(environment), group=re.escape(management_group))
    scope = scope_of(management_group)
    roles = _listed("role", "definition", "--custom-role-only", "true", "--scope", scope)
    named = {
        found[1] for role in roles if (found := re.fullmatch(form, role["roleName"], re.IGNORECASE))
    }
    policy = rf"keysweep-({re.escape(environment)}-[a-z0-9]+-[0-9a-f]{{8}})(-modify)?"
    definitions = _listed("policy", "definition", "--management-group", management_group)
    return named | {
        found[1]
        for definition in definitions
        if (found := re.fullmatch(policy, definition["name"]))
    }


def _listed(kind: str, part: str, *options: str) -> list[Any]:
    """Return what is listed at a scope: nothing, if the scope itself was deleted."""
    try:
        found: list[Any] = az(kind, part, "list", *options)
    except CommandFailed as error:
        if error.says_not_found:
            return []
        raise
    return found
