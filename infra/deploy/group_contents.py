"""What is at a management group now, and the commands that take it away. Reads only.

Names are compared in any letter case: a group's id can be written otherwise than Azure has it.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from infra.deploy.azure_cli import CommandFailed, az
from infra.deploy.plan import scope_of

_NAME = r"{environment}-[a-z0-9]+-[0-9a-f]{{8}}"


@dataclass(frozen=True, slots=True)
class Role:
    """A role that is defined at a management group."""

    name: str
    id: str
    """The name of its definition, a guid."""
    management_group: str

    def assignment_removals(self, scope: str) -> list[list[str]]:
        """Return the commands that take its assignments at a scope away. Raises CommandFailed."""
        return [
            ["az", "role", "assignment", "delete", "--ids", assignment["id"]]
            for assignment in listed("role", "assignment", "--scope", scope)
            if assignment["roleDefinitionId"].rpartition("/")[2].lower() == self.id.lower()
        ]

    @property
    def removal(self) -> list[str]:
        """The command that takes the role itself away."""
        scope = scope_of(self.management_group)
        return ["az", "role", "definition", "delete", "--name", self.name, "--scope", scope]


def is_there(management_group: str) -> bool:
    """Whether the tenant that `az` is signed in to has a management group. Raises CommandFailed."""
    try:
        az("account", "management-group", "show", "--name", management_group)
    except CommandFailed as error:
        if error.says_not_found:
            return False
        raise
    return True


def roles(management_group: str) -> list[Role]:
    """Return the custom roles that a management group has. Raises CommandFailed."""
    scope = ("--scope", scope_of(management_group))
    return [
        Role(found["roleName"], found["name"], management_group)
        for found in listed("role", "definition", "--custom-role-only", "true", *scope)
    ]


def role_named(name: str, management_group: str) -> Role | None:
    """Return the role of a name, None if the group has none. Raises CommandFailed."""
    found = (role for role in roles(management_group) if role.name.lower() == name.lower())
    return next(found, None)


def policy_removals(management_group: str, names: Collection[str]) -> list[list[str]]:
    """Return the commands that take policy definitions away, their assignments first.

    Raises CommandFailed if that can't be seen.
    """
    scope = scope_of(management_group)
    at_group = ("--management-group", management_group)
    wanted = {name.lower() for name in names}
    assignments = [
        ["az", "policy", "assignment", "delete", "--name", found["name"], "--scope", scope]
        for found in listed("policy", "assignment", "--scope", scope)
        if found["policyDefinitionId"].rpartition("/")[2].lower() in wanted
    ]
    definitions = [
        ["az", "policy", "definition", "delete", "--name", found["name"], *at_group]
        for found in listed("policy", "definition", *at_group)
        if found["name"].lower() in wanted
    ]
    return [*assignments, *definitions]


def installations(management_group: str, environment: str) -> set[str]:
    """Return the installations of an environment that have a role or a policy at a group.

    Raises CommandFailed if that can't be seen.
    """
    name = _NAME.format(environment=re.escape(environment))
    role = rf"Keysweep ({name})( writes)? \({re.escape(management_group)}\)"
    named = [role.name for role in roles(management_group)]
    defined = listed("policy", "definition", "--management-group", management_group)
    found = [re.fullmatch(role, text, re.IGNORECASE) for text in named]
    found += [
        re.fullmatch(rf"keysweep-({name})(-modify)?", row["name"], re.IGNORECASE) for row in defined
    ]
    return {match[1] for match in found if match}


def listed(kind: str, part: str, *options: str) -> list[Any]:
    """Return what is listed at a scope: nothing, if the scope itself was deleted.

    Raises CommandFailed if that can't be seen.
    """
    try:
        found: list[Any] = az(kind, part, "list", *options)
    except CommandFailed as error:
        if error.says_not_found:
            return []
        raise
    return found
