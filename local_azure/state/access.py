"""Who may do what and where."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Literal

# The custom role of the Function's identity, written by hand: what the sweep needs and no more.
FUNCTION_ACTIONS = (
    "Microsoft.CognitiveServices/accounts/read",
    "Microsoft.CognitiveServices/accounts/write",
    "Microsoft.CognitiveServices/locations/operationResults/read",
    "Microsoft.Resources/subscriptions/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Management/managementGroups/read",
    "Microsoft.Management/managementGroups/descendants/read",
    "Microsoft.ResourceGraph/resources/read",
)
READ_ONLY_ACTIONS = tuple(a for a in FUNCTION_ACTIONS if a.endswith("/read"))
PUBLISH_METRICS = (
    "Microsoft.Insights/Telemetry/Write"  # the data action of Monitoring Metrics Publisher
)


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, or an application with its object id and its client (application) id."""

    object_id: str
    client_id: str
    name: str
    tenant_id: str
    kind: Literal["Application", "User"] = "Application"

    @property
    def signature(self) -> str:
        """How systemData names it: users by mail, applications by client id (recorded)."""
        return self.name if self.kind == "User" else self.client_id


@dataclass(frozen=True, slots=True)
class PeopleGroup:
    """A group of Microsoft Entra ID: it can hold roles, and who is in it isn't modelled."""

    object_id: str
    name: str


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """These actions, to this principal, at this scope and below, from `since` on."""

    principal_id: str
    scope: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    since: datetime | None = None
    deny: bool = False
    name: str = ""
    data_actions: tuple[str, ...] = ()

    def covers(self, action: str, now: datetime) -> bool:
        """Whether the action is among these, now."""
        if self.since is not None and now < self.since:
            return False
        return _any(self.actions, action) and not _any(self.not_actions, action)

    def covers_data(self, action: str) -> bool:
        """Whether the data action is among these. `*` among the actions gives none."""
        return _any(self.data_actions, action)


@dataclass(slots=True)
class RoleAssignments:
    """All role and deny assignments, found by principal and scope."""

    on_removal: Callable[[RoleAssignment], None] = lambda _: None
    _held: dict[tuple[str, str], list[RoleAssignment]] = field(default_factory=dict)

    def add(self, assignment: RoleAssignment) -> None:
        """Add one."""
        key = (assignment.principal_id.lower(), assignment.scope.lower())
        self._held.setdefault(key, []).append(assignment)

    def remove(self, principal_id: str, scope: str) -> None:
        """Remove everything that the principal was assigned at just this scope."""
        for assignment in self._held.pop((principal_id.lower(), scope.lower()), []):
            self.on_removal(assignment)

    def all(self) -> list[RoleAssignment]:
        """Return all role assignments, deny assignments left out."""
        return [a for held in self._held.values() for a in held if not a.deny]

    def held(self, principal_id: str, scopes: Iterable[str], now: datetime) -> list[RoleAssignment]:
        """Return the roles, deny assignments left out, that hold at one of the scopes."""
        return [
            assignment
            for scope in scopes
            for assignment in self._held.get((principal_id.lower(), scope.lower()), ())
            if not assignment.deny and (assignment.since is None or now >= assignment.since)
        ]

    def judge(
        self, principal_id: str, action: str, scopes: Iterable[str], now: datetime
    ) -> RoleAssignment | None:
        """Return the assignment that decides, at one of the scopes (the target's and all above).

        Nothing means no. A deny assignment wins over any role (documented: deny assignments take
        precedence over role assignments).
        """
        granted = None
        for scope in scopes:
            for assignment in self._held.get((principal_id.lower(), scope.lower()), ()):
                if assignment.covers(action, now):
                    if assignment.deny:
                        return assignment
                    granted = granted or assignment
        return granted


def _any(patterns: tuple[str, ...], action: str) -> bool:
    return any(_pattern(p).fullmatch(action) for p in patterns)


@cache
def _pattern(action: str) -> re.Pattern[str]:
    """Return a role's action as a pattern: `*` is anything, letter case doesn't matter."""
    return re.compile(re.escape(action).replace(r"\*", ".*"), re.IGNORECASE)
