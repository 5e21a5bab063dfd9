"""Connections of Foundry accounts and projects: which lead to an account, and which hold a key.

Pure. A connection says by `target`, an address or a resource id, or by its `metadata`, a resource
id, to which account it leads. One that says it by neither, or by an address that many accounts
share, may lead to any of them. Its `authType` is a text that grows with each version of the
service: what is unknown counts for neither side.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from keysweep.impact.accounts import ReachedAccount, host_of
from keysweep.impact.evidence import Connection, Connections, Holds
from shared.core.model import AccountId

# azure-mgmt-cognitiveservices 14.1.0, ConnectionAuthType; those of an identity that it lacks are
# named in azure-rest-api-specs (2025-10-01-preview and later).
_WITH_KEY = frozenset({"apikey", "customkeys", "accountkey", "accesskey"})
_WITHOUT_KEY = frozenset(
    {
        *("aad", "managedidentity", "accountmanagedidentity", "projectmanagedidentity"),
        *("userentratoken", "agenticidentitytoken", "none"),
    }
)
_ID = "/subscriptions/"
_OF_ACCOUNT = "/providers/microsoft.cognitiveservices/accounts/"
_MEANT = ("resourceid", "resource_id", "armresourceid")


def connection_problem(row: object) -> str:
    """Say what is wrong with a connection; empty: nothing."""
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        return "a connection without a name"
    properties = row.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("authType"), str):
        return "a connection without its authentication"
    return ""


def project_problem(row: object) -> str:
    """Say what is wrong with a project; empty: nothing."""
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        return "a project without a name"
    return ""


def project_name(row: Mapping[str, Any]) -> str:
    """Return a project's own name: `name` is that of its account as well (fact 81)."""
    return str(row["name"]).rpartition("/")[2]


class Directory:
    """Which connections lead to which accounts."""

    def __init__(self, doubts: Sequence[str] = ()) -> None:
        self._rows: list[tuple[AccountId, str, Mapping[str, Any]]] = []
        self._doubts = list(doubts)

    def add(self, holder: AccountId, project: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add the connections of a Foundry account, or of one of its projects."""
        self._rows += [(holder, project, row) for row in rows]

    def doubt(self, problem: str) -> None:
        """Note that a part could not be read: connections may be there that lead anywhere."""
        self._doubts.append(problem)

    def to(self, account: ReachedAccount) -> Connections:
        """Return those that lead to an account, each once."""
        found: dict[tuple[str, str, Holds], Connection] = {}
        doubts = list(self._doubts)
        for holder, project, row in self._rows:
            connection = _connection(holder, project, row)
            if _leads_to(row, account):
                # A project lists those of its account as well, which come first.
                place = f"{project}/{connection.name}".lower()
                found.setdefault((holder.key, place, connection.holds), connection)
            elif _may_lead_to(row, account) and connection.holds is not Holds.NO_KEY:
                doubts.append(_doubt(connection, _target(row)))
        return Connections(tuple(found.values()), tuple(dict.fromkeys(doubts)))


def _connection(holder: AccountId, project: str, row: Mapping[str, Any]) -> Connection:
    properties = row["properties"]
    auth_type = str(properties["authType"])
    return Connection(
        name=str(row["name"]),
        holder=holder,
        project=project,
        category=str(properties.get("category") or ""),
        auth_type=auth_type,
        holds=holds(auth_type),
    )


def holds(auth_type: str) -> Holds:
    """Say whether a connection of this authentication holds a key."""
    if auth_type.lower() in _WITH_KEY:
        return Holds.KEY
    return Holds.NO_KEY if auth_type.lower() in _WITHOUT_KEY else Holds.UNKNOWN


def _doubt(connection: Connection, target: str) -> str:
    where = f"leads to {target}, an address of many accounts" if target else "does not say where to"
    return (
        f"Connection {connection.name} of {connection.place} ({connection.category}, "
        f"{connection.auth_type}) {where}: it may hold a key for it."
    )


def _leads_to(row: Mapping[str, Any], account: ReachedAccount) -> bool:
    key = account.id.key
    by_id = any(f"{meant}/".startswith(f"{key}/") for meant in _ids(row))
    return by_id or account.is_at(_target(row))


def _may_lead_to(row: Mapping[str, Any], account: ReachedAccount) -> bool:
    meant = _meant(row)
    if any(_OF_ACCOUNT in text for text in meant):
        return False
    says_nothing = not meant and "." not in host_of(_target(row))
    return says_nothing or account.may_be_at(_target(row))


def _target(row: Mapping[str, Any]) -> str:
    return str(row["properties"].get("target") or "")


def _meant(row: Mapping[str, Any]) -> Sequence[str]:
    """Return the ids by which a connection says where it leads, in lower case."""
    said = [value for name, value in _metadata(row).items() if name.lower() in _MEANT]
    return _of_ids(*said, _target(row))


def _ids(row: Mapping[str, Any]) -> Sequence[str]:
    """Return the ids that a connection has anywhere, in lower case."""
    return _of_ids(*_metadata(row).values(), _target(row))


def _metadata(row: Mapping[str, Any]) -> Mapping[str, Any]:
    found = row["properties"].get("metadata")
    return found if isinstance(found, dict) else {}


def _of_ids(*values: object) -> Sequence[str]:
    texts = [str(value).strip().rstrip("/").lower() for value in values]
    return [text for text in texts if text.startswith(_ID)]
