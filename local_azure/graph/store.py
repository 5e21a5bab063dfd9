"""Resource Graph's tables in DuckDB, and the view that a caller has of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb

from local_azure.database import Database

DuckDBError = duckdb.Error

TABLES = ("resources", "resourcecontainers", "resourcechanges", "authorizationresources")

# Column order of a full row (recorded: arg-ok-03).
_STRINGS = (
    "id",
    "name",
    "type",
    "tenantId",
    "kind",
    "location",
    "resourceGroup",
    "subscriptionId",
    "managedBy",
)
_DYNAMICS = ("sku", "plan", "properties", "tags", "identity", "zones", "extendedLocation")
COLUMNS = (*_STRINGS, *_DYNAMICS)
_LOWER = {"type", "location", "resourceGroup"}
_MANAGEMENT_GROUP = "microsoft.management/managementgroups"


class Store:
    """The rows. Not safe for threads: its owner holds a lock."""

    def __init__(self) -> None:
        self._database = Database()
        self._connection = self._database.connection
        self._connection.execute("CREATE TABLE visible (scope VARCHAR)")
        columns = ", ".join(f'"{name}" VARCHAR' for name in _STRINGS)
        columns += "".join(f', "{name}" JSON' for name in _DYNAMICS)
        shown = ", ".join(f'"{name}"' for name in COLUMNS)
        for table in TABLES:
            self._connection.execute(
                f"CREATE TABLE all_{table} (key VARCHAR, scope VARCHAR, {columns})"
            )
            self._connection.execute(
                f"CREATE VIEW {table} AS SELECT {shown} FROM all_{table} "  # noqa: S608 - our names
                "WHERE scope IN (SELECT scope FROM visible)"
            )
        self._visible: frozenset[str] = frozenset()

    def load(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add many rows whose ids are new."""
        names = ("key", "scope", *COLUMNS)
        stored = [_stored(row) for row in rows]
        lists = ", ".join("unnest(?::VARCHAR[])" for _ in names)
        self._connection.execute(
            f"INSERT INTO all_{_known(table)} SELECT {lists}",
            [[row[name] for row in stored] for name in names],
        )

    def upsert(self, table: str, row: Mapping[str, Any]) -> None:
        """Write one row, over the one with the same id (in any letter case)."""
        stored = _stored(row)
        marks = ", ".join("?" for _ in stored)
        self.remove(table, row["id"])
        self._connection.execute(
            f"INSERT INTO all_{_known(table)} VALUES ({marks})",  # noqa: S608 - our names
            list(stored.values()),
        )

    def remove(self, table: str, row_id: str) -> None:
        """Forget a row; one that isn't there is no error."""
        self._connection.execute(
            f"DELETE FROM all_{_known(table)} WHERE key = ?",  # noqa: S608 - our names
            [row_id.lower()],
        )

    def show(
        self,
        subscriptions: Iterable[str],
        management_groups: Iterable[str],
        roles_at: Iterable[str] = (),
    ) -> None:
        """Let the views show the rows of these subscriptions and management groups only.

        Of `authorizationresources` they show what is assigned in the scopes `roles_at`:
        subscriptions, management groups, and `/`, where the definitions are too.
        """
        scopes = {_subscription_scope(name) for name in subscriptions}
        scopes |= {_group_scope(name) for name in management_groups}
        scopes |= {_roles_scope(scope) for scope in roles_at}
        if scopes == self._visible:
            return
        self._connection.execute("DELETE FROM visible")
        self._connection.execute("INSERT INTO visible SELECT unnest(?::VARCHAR[])", [list(scopes)])
        self._visible = frozenset(scopes)

    def rows(
        self, sql: str, parameters: Mapping[str, Any]
    ) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]]]:
        """Run a query: its columns (name and DuckDB type) and its rows. Raises duckdb.Error."""
        cursor = self._connection.execute(sql, dict(parameters) or None)
        described: Sequence[tuple[Any, ...]] = cursor.description or []
        return [(str(column[0]), str(column[1])) for column in described], cursor.fetchall()

    def close(self) -> None:
        """Let go of the rows."""
        self._database.close()


def _known(table: str) -> str:
    name = table.lower()
    if name not in TABLES:
        raise ValueError(f"not a table of this engine: {table}")
    return name


def _subscription_scope(name: str) -> str:
    return f"subscription {name.lower()}"


def _group_scope(name: str) -> str:
    return f"group {name.lower().rpartition('/')[2]}"


def _roles_scope(scope: str) -> str:
    """Say where an assignment is looked for: at a subscription, a management group, or `/`."""
    parts = scope.lower().split("/")
    inside = "/".join(parts[:3]) if parts[1] == "subscriptions" else scope.lower()
    return f"roles {inside}"


def _stored(row: Mapping[str, Any]) -> dict[str, str | None]:
    """Make a row for storing: its key, who may see it, strings in lower case where Azure's are."""
    unknown = set(row) - set(COLUMNS)
    if unknown:
        raise ValueError(f"Resource Graph has no such columns: {sorted(unknown)}")
    strings = {name: str(row.get(name) or "") for name in _STRINGS}
    strings |= {name: strings[name].lower() for name in _LOWER}
    dynamics = {name: None if row.get(name) is None else _compact(row[name]) for name in _DYNAMICS}
    return {"key": strings["id"].lower(), "scope": _scope(strings, row), **strings, **dynamics}


def _scope(strings: Mapping[str, str], row: Mapping[str, Any]) -> str:
    if strings["type"] == _MANAGEMENT_GROUP:
        return _group_scope(strings["id"])
    if strings["type"].startswith("microsoft.authorization/"):
        return _roles_scope(row["properties"].get("scope", "/"))
    return _subscription_scope(strings["subscriptionId"])


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
