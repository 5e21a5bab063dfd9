"""Who has a role with which an account can be used without a key. Pure.

Owning a resource gives no right to its data: that takes a role with data actions of this provider,
on the account or above it (azure-docs, role-based-access-control/role-definitions). A group that
has one may be anybody: who is in it is not seen.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keysweep.impact.evidence import Holder
from shared.core.model import AccountId

_PROVIDER = "microsoft.cognitiveservices/"
DEFINITION_COLUMNS = ("id", "name", "properties")
ASSIGNMENT_COLUMNS = ("id", "role", "principal", "kind", "scope")


def data_roles(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the names of the roles with a data action of this provider, by their guids."""
    found = {}
    for row in rows:
        properties = row["properties"] if isinstance(row["properties"], dict) else {}
        if any(map(_gives_data, _objects(properties.get("permissions")))):
            found[str(row["name"]).lower()] = str(properties.get("roleName") or row["name"])
    return found


def _gives_data(permission: Mapping[str, Any]) -> bool:
    actions = _texts(permission.get("dataActions"))
    taken = _texts(permission.get("notDataActions"))
    given = [a for a in actions if a == "*" or a.startswith(("*/", _PROVIDER))]
    return bool(given) and not any(action in {"*", f"{_PROVIDER}*"} for action in taken)


def _objects(value: object) -> Sequence[Mapping[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _texts(value: object) -> Sequence[str]:
    return [str(part).lower() for part in value] if isinstance(value, list) else []


class Roles:
    """Who has which data role, where."""

    def __init__(
        self,
        names: Mapping[str, str],
        assignments: Iterable[Mapping[str, Any]],
        groups_above: Mapping[str, frozenset[str]],
    ) -> None:
        """Take assignments of these roles.

        `groups_above` are the management groups that contain a subscription, in lower case.
        """
        self._groups_above = groups_above
        self._holders = [
            Holder(
                principal=str(row["principal"]),
                kind=str(row["kind"]),
                role=names[str(row["role"]).lower()],
                scope=str(row["scope"]),
            )
            for row in assignments
            if str(row["role"]).lower() in names
        ]

    def on(self, account: AccountId) -> tuple[Holder, ...]:
        """Return who has one on an account or above it."""
        return tuple(holder for holder in self._holders if self._covers(holder.scope, account))

    def _covers(self, scope: str, account: AccountId) -> bool:
        lowered = scope.lower().rstrip("/")
        group = lowered.partition("/providers/microsoft.management/managementgroups/")
        if group[1] and not group[0]:
            above = self._groups_above.get(account.subscription_id)
            # Where nobody can say what is above it, whoever has a role somewhere above may be.
            return above is None or group[2] in above
        return account.key == lowered or account.key.startswith(f"{lowered}/")
