"""KQL as Log Analytics runs it: executed in DuckDB, over tables that are made for one query."""

import dataclasses
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
from duckdb_kql import ir
from duckdb_kql.lower import lower
from duckdb_kql.translate import CLOCK_SLOT, clock
from duckdb_kql.translate import to_sql as write_sql

from local_azure.database import Database
from local_azure.sources import NotModelledError, behaviour

_TYPES = {
    "VARCHAR": "string",
    "TIMESTAMP": "datetime",
    "INTEGER": "int",
    "BIGINT": "long",
    "DOUBLE": "real",
    "BOOLEAN": "bool",
    "JSON": "dynamic",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table for one query: DuckDB's types by the names of its columns, and its rows."""

    name: str
    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    """Values by column: text, numbers, moments; JSON as its text."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a query found: its columns with their types, and rows of JSON values."""

    columns: list[dict[str, str]]
    rows: list[list[Any]]


def execute(kql: str, tables: Sequence[Table], now: datetime) -> Result:
    """Run a query. Raises KqlError, duckdb.Error, NotModelledError."""
    schema = tuple((table.name, tuple(table.columns)) for table in tables)
    sql = _translated(kql, schema)
    with closing(Database()) as database:
        for table in tables:
            _load(database.connection, table)
        found = database.connection.execute(sql, _bound(sql, now))
        described = [(str(c[0]), str(c[1])) for c in found.description or []]
        unknown = {kind for _, kind in described} - set(_TYPES)
        if unknown:
            raise NotModelledError(f"a column of type {', '.join(sorted(unknown))}")
        columns = [{"name": name, "type": _TYPES[kind]} for name, kind in described]
        rows = [
            [_value(value, kind) for value, (_, kind) in zip(row, described, strict=True)]
            for row in found.fetchall()
        ]
    return Result(columns, rows)


# Working out what a query means takes longer than running it, and many ask the same.
@lru_cache(maxsize=64)
def _translated(kql: str, schema: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    known: dict[str, list[str]] = {name: list(columns) for name, columns in schema}
    query = _mended(lower(kql), {column for columns in known.values() for column in columns})
    with clock(datetime(2000, 1, 1)):  # noqa: DTZ001 - only marks the clock's place in the SQL
        return str(write_sql(query, known))


def _bound(sql: str, now: datetime) -> dict[str, datetime] | None:
    moment = now.astimezone(UTC).replace(tzinfo=None)
    return {CLOCK_SLOT: moment} if f"${CLOCK_SLOT}" in sql else None


@behaviour(
    "column_ifexists is the column if the table has it, and the other value if not",
    "Kusto documentation, column-ifexists-function",
    "documented",
)
def _mended(node: Any, known: set[str]) -> Any:
    """Replace what duckdb-kql doesn't translate."""
    if isinstance(node, list | tuple):
        return type(node)(_mended(part, known) for part in node)
    if not isinstance(node, ir.Node):
        return node
    # Every node is a dataclass; their common base is not.
    shape: Any = node
    names = [member.name for member in dataclasses.fields(shape) if member.init]
    changed = {name: _mended(getattr(node, name), known) for name in names}
    mended = dataclasses.replace(shape, **changed)
    match mended:
        case ir.FunctionCall(name="column_ifexists", args=(ir.Literal(value=str() as name), other)):
            return ir.ColumnRef(name) if name in known else other
    return mended


def _load(database: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make the table. Many rows at a time: one by one takes a second for a thousand."""
    typed = ", ".join(f'"{name}" {kind}' for name, kind in table.columns.items())
    database.execute(f'CREATE TABLE "{table.name}" ({typed})')
    plain = {name: "VARCHAR" if kind == "JSON" else kind for name, kind in table.columns.items()}
    read = ", ".join(f"'{name}': '{kind}'" for name, kind in plain.items())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        with path.open("w", encoding="utf-8") as lines:
            for row in table.rows:
                lines.write(json.dumps({name: _stored(row.get(name)) for name in plain}) + "\n")
        if path.stat().st_size:
            database.execute(
                f'INSERT INTO "{table.name}" SELECT * FROM '  # noqa: S608 - our names
                f"read_json(?, format = 'newline_delimited', columns = {{{read}}})",
                [str(path)],
            )


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
    return value


@behaviour(
    "values: datetime as text with the digits that it needs, dynamic as text of JSON, a missing "
    "string is empty and any other missing value null",
    "data/recorded log-query-03; fact 50",
    "recorded",
)
def _value(value: Any, kind: str) -> Any:
    if value is None:
        return "" if kind == "VARCHAR" else None
    if isinstance(value, datetime):
        digits = f"{value:%Y-%m-%dT%H:%M:%S.%f}"
        return digits.rstrip("0").rstrip(".") + "Z"
    return value
