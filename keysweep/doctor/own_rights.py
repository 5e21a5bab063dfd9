"""What a person may do where, held against what the commands ask for. Pure.

The rights are the person's own: those of the Function's identity show in what its last sweep could
not read or change. A deny assignment does not show among roles.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keysweep.doctor.finding import Check, Finding, State
from keysweep.words import counted, the_first
from shared.core.errors import AzureError
from shared.core.model import Level, TagsWanted
from shared.core.permissions import Permission, grants

SUBSCRIPTION = "/subscriptions/"
GROUP = "/providers/Microsoft.Management/managementGroups/"
GROUP_TAGS = "Microsoft.Resources/subscriptions/resourceGroups/read"
DESCENDANTS = "Microsoft.Management/managementGroups/descendants/read"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What something takes: the actions, the commands that ask for them, and a role with them."""

    check: Check
    actions: tuple[str, ...]
    commands: str
    role: str


READING = Purpose(
    Check.READING,
    (
        "Microsoft.Resources/subscriptions/read",
        "Microsoft.CognitiveServices/accounts/read",
        "Microsoft.Authorization/locks/read",
        "Microsoft.Authorization/permissions/read",
    ),
    "all commands",
    "Reader",
)
USE = Purpose(
    Check.USE,
    (
        "Microsoft.Insights/metrics/read",
        "Microsoft.Insights/diagnosticSettings/read",
        "Microsoft.Insights/eventtypes/values/read",
        "Microsoft.CognitiveServices/accounts/connections/read",
        "Microsoft.CognitiveServices/accounts/projects/read",
        "Microsoft.CognitiveServices/accounts/projects/connections/read",
        "Microsoft.Authorization/roleAssignments/read",
    ),
    "`impact`",
    "Reader",
)
CHANGING = Purpose(
    Check.CHANGING,
    (
        "Microsoft.CognitiveServices/accounts/write",
        "Microsoft.CognitiveServices/locations/operationResults/read",
    ),
    "`sweep`, `undo` and `exempt --enable-keys`",
    "Cognitive Services Contributor",
)
EXEMPTING = Purpose(
    Check.EXEMPTING,
    ("Microsoft.Resources/tags/write",),
    "`exempt`, `notice` and `undo`",
    "Tag Contributor",
)
PROBING = Purpose(
    Check.PROBING,
    ("Microsoft.CognitiveServices/accounts/listKeys/action",),
    "`probe` without --key-from-stdin",
    "Cognitive Services Contributor",
)


def reading(wanted: TagsWanted) -> Purpose:
    """Return what reading takes: tags of resource groups too, where the settings ask for them."""
    if Level.RESOURCE_GROUP in (*wanted.inherit, *wanted.owner_levels):
        return replace(READING, actions=(*READING.actions, GROUP_TAGS))
    return READING


type Roles = Mapping[str, Sequence[Permission] | AzureError]
"""What the roles of who asks allow, by the id of a scope; or why that can't be read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One purpose, and what it takes at each scope, by the id of that."""

    purpose: Purpose
    actions: Mapping[str, Sequence[str]]

    @classmethod
    def everywhere(cls, purpose: Purpose, scopes: Iterable[str]) -> "Asked":
        """Ask for the same at each scope."""
        return cls(purpose, dict.fromkeys(scopes, purpose.actions))


def judged(
    asked: Asked, roles: Roles, names: Mapping[str, str], if_missing: State = State.NOTE
) -> Finding:
    """Say where something is missing. `names`: what a person calls each scope, by its id."""
    check = asked.purpose.check
    missing = _missing(asked, roles)
    unread = _unread(asked, roles)
    lacking = {scope for scopes in missing.values() for scope in scopes}
    details = (*_lines(missing, names), *(f"Not seen: {line}" for line in _lines(unread, names)))
    if not details:
        says = f"Your roles give it in {_counted(asked.actions)}, for {asked.purpose.commands}."
        return Finding(check, State.OK, says)
    remedy = f"{asked.purpose.role} there; a new assignment takes minutes."
    if not lacking:
        says = f"Your roles can't be read in {_counted(_scopes(unread))}."
        return Finding(check, State.NOT_SEEN, says, details, "Reader there shows them.")
    says = (
        f"{asked.purpose.commands} may be refused in {_counted(lacking)}, of "
        f"{len(asked.actions)} looked at. What is missing:"
    )
    state = State.NOT_SEEN if unread and if_missing is not State.FAILED else if_missing
    return Finding(check, state, says[0].upper() + says[1:], details, remedy)


def _missing(asked: Asked, roles: Roles) -> dict[str, list[str]]:
    """Return the scopes where an action is missing, by that."""
    found: dict[str, list[str]] = {}
    for scope, actions in asked.actions.items():
        permissions = roles[scope]
        if not isinstance(permissions, AzureError):
            for action in actions:
                if not grants(permissions, action):
                    found.setdefault(action, []).append(scope)
    return found


def _unread(asked: Asked, roles: Roles) -> dict[str, list[str]]:
    """Return the scopes whose roles can't be read, by the reason."""
    found: dict[str, list[str]] = {}
    for scope in asked.actions:
        error = roles[scope]
        if isinstance(error, AzureError):
            found.setdefault(_reason(error), []).append(scope)
    return found


def _reason(error: AzureError) -> str:
    """Say why, without the name of the scope: that stands beside it."""
    code = " ".join(str(part) for part in (error.status, error.code) if part)
    return code or error.message


def _scopes(found: Mapping[str, Sequence[str]]) -> list[str]:
    return [scope for scopes in found.values() for scope in scopes]


def _lines(found: Mapping[str, Sequence[str]], names: Mapping[str, str]) -> Iterator[str]:
    for what, scopes in found.items():
        yield f"{what}: {the_first([names[scope] for scope in scopes])}"


def _counted(scopes: Iterable[str]) -> str:
    """Count scopes by what they are."""
    found = list(scopes)
    groups = sum(scope.startswith(GROUP) for scope in found)
    counts = {"subscription": len(found) - groups, "management group": groups}
    return " and ".join(counted(count, what) for what, count in counts.items() if count)
