"""Takes the tenant's part of a deployment away, and shows by listing it that nothing is left."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from infra.deploy.azure_cli import CommandFailed, DeploymentStopped, az, run
from infra.deploy.command_lines import indented, pasteable
from infra.deploy.deployment_records import (
    Record,
    assigned_scopes,
    assignment_records,
    other_records,
    records_at,
    tenant_records,
)
from infra.deploy.group_contents import Role, installations, is_there, policy_removals, roles
from infra.deploy.plan import scope_of
from infra.deploy.tenant_part import policy_names, reader_role, writer_role

_LISTINGS, _PAUSE_SECONDS = 5, 15
"""A list can show for a while what was just deleted."""


def remove(
    management_group: str,
    environment: str,
    sleep: Callable[[float], None],
    installation: str | None = None,
) -> None:
    """Take all away that an installation has at a management group.

    Without its name that is the only one of the environment there. Raises DeploymentStopped with
    the commands that are left, or if there is no such group: then nothing was looked for.
    """
    if not is_there(management_group):
        raise DeploymentStopped(
            f"The tenant that `az` is signed in to has no management group {management_group!r}, "
            f"so nothing of Keysweep {environment} was looked for. Is it the group's id, and its "
            "tenant? If the group itself was deleted, nothing can be done there."
        )
    name = installation or _only_one(management_group, environment)
    if name is None:
        print(f"Management group {management_group} has nothing of Keysweep {environment}.")
        return
    commands = _commands_left(management_group, name)
    for _ in range(_LISTINGS):
        if not commands:
            break
        _run_all(commands, management_group)
        sleep(_PAUSE_SECONDS)
        commands = _commands_left(management_group, name)
    if commands:
        raise DeploymentStopped(
            "All was deleted, and Azure still lists some of it. Run this again in some minutes, "
            f"or:\n\n{indented(commands)}"
        )
    print(
        f"Nothing of Keysweep {name} is left at management group {management_group}: its roles, "
        "their assignments there and at its rings, its policies and the records of their "
        "deployments were looked for, and none is listed."
    )


def _only_one(management_group: str, environment: str) -> str | None:
    found = sorted(installations(management_group, environment))
    if len(found) > 1:
        raise DeploymentStopped(
            f"Management group {management_group} has several of Keysweep {environment}: "
            f"{', '.join(found)}. Say which with --installation."
        )
    return found[0] if found else None


def _commands_left(management_group: str, name: str) -> list[list[str]]:
    """Return the commands that take away what is listed now of an installation, in order.

    Raises CommandFailed if that can't be seen.
    """
    group = scope_of(management_group)
    at_group = records_at(group)
    records = tenant_records(at_group, name)
    named = {role.name.lower(): role for role in roles(management_group)}
    commands = policy_removals(management_group, policy_names(name))
    # Azure takes no role away that is still assigned: without one there are no assignments.
    if writer := named.get(writer_role(name, management_group).lower()):
        rings = assigned_scopes(writer, records) - {group.lower()}
        at_rings = [record for ring in sorted(rings) for record in records_at(ring)]
        assigning = assignment_records(writer, [*at_group, *at_rings])
        commands += _role_removals(writer, {group.lower(), *rings}, assigning)
    if reader := named.get(reader_role(name, management_group).lower()):
        commands += _role_removals(reader, {group.lower(), *assigned_scopes(reader, [])}, [])
    others = [record for record in other_records(at_group, name) if record not in records]
    # These go last: by them another attempt finds the scopes.
    return [*commands, *(record.removal for record in (*others, *records))]


def _role_removals(
    role: Role, scopes: Collection[str], assigning: Sequence[Record]
) -> list[list[str]]:
    """Return the commands that take a role away, with its assignments and their records first.

    Raises CommandFailed if the assignments can't be seen.
    """
    return [
        *(command for scope in sorted(scopes) for command in role.assignment_removals(scope)),
        *(record.removal for record in assigning),
        role.removal,
    ]


def _run_all(commands: Sequence[Sequence[str]], management_group: str) -> None:
    for number, command in enumerate(commands):
        try:
            run(*command)
        except CommandFailed as error:
            if error.says_not_found:
                continue
            raise DeploymentStopped(
                f"Azure says: {error.output}\n\nLeft to do, for somebody with rights at management "
                f"group {management_group}:\n\n{indented(commands[number:])}"
            ) from error
        print(pasteable(command), flush=True)


def say_what_is_left(environment: str, subscription: str = "") -> None:
    """Name what a subscription still has of an environment, by its tag. Raises DeploymentStopped.

    Without a subscription: that which `az` is set to. The tag is azd's, so another application may
    have it too: what has not ours besides is named without a command that deletes it.
    """
    where = ("--subscription", subscription) if subscription else ()
    tag = ("--tag", f"azd-env-name={environment}")
    listed_groups, listed = az("group", "list", *tag, *where), az("resource", "list", *tag, *where)
    groups = [found["name"] for found in listed_groups if _is_ours(found)]
    resources = [found["id"] for found in listed if _is_ours(found)]
    others = [found["id"] for found in (*listed_groups, *listed) if not _is_ours(found)]
    place = f"subscription {subscription}" if subscription else "the subscription that az is set to"
    outside = [found for found in resources if _group_of(found) not in {g.lower() for g in groups}]
    if others:
        print(
            f"In {place} this has the tag azd-env-name={environment}, and not "
            "application=keysweep. It is another application's of azd, unless your own tags took "
            "that one's place:\n" + "\n".join(f"- {found}" for found in others)
        )
    elif not groups and not outside:
        print(f"Nothing in {place} has the tag azd-env-name={environment}.")
    if not groups and not outside:
        return
    commands = [["az", "group", "delete", "--name", name, *where] for name in groups]
    commands += [["az", "resource", "delete", "--ids", found] for found in outside]
    raise DeploymentStopped(f"Still in {place}; to take it away:\n\n{indented(commands)}")


def _is_ours(found: Mapping[str, Any]) -> bool:
    return str((found.get("tags") or {}).get("application")).lower() == "keysweep"


def _group_of(resource_id: str) -> str:
    return resource_id.lower().partition("/resourcegroups/")[2].partition("/")[0]
