"""The `let` statements of a query, each run once and kept as a table, whoever asks for it again.

Most of a workbook's queries begin with the same statements: the reading of "now". As one SQL
statement such a query takes DuckDB a second to plan, many times what it takes to run.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from threading import RLock

import duckdb
import duckdb_kql

type Columns = tuple[tuple[str, tuple[str, ...]], ...]
"""The columns of tables, by the tables' names."""

_STATEMENTS = re.compile(r";[ \t]*\n")
_LET = re.compile(r"let\s+(\w+)\s*=\s*(.*)", re.DOTALL)
_TABULAR = re.compile(r"(?:materialize\s*\(|union\b|print\b|range\b|datatable\b)")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Scope:
    """What the statements so far have made."""

    schemas: tuple[str, ...] = ()
    """Where the tables are that were made, the newest first."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The columns of each table that can be named."""
    words: str = ""
    """Statements that make no table: they stand before each later one."""

    def is_table(self, value: str) -> bool:
        """Whether what a `let` names is a table."""
        first = _WORD.match(value)
        return bool(_TABULAR.match(value)) or bool(first and first[0] in self.columns)


class Lets:
    """The tables that statements made, until what they are about changes."""

    def __init__(self, database: duckdb.DuckDBPyConnection, tables: Columns) -> None:
        """Begin with the tables of a database."""
        self._database = database
        self._outermost = Scope(columns=dict(tables))
        self._kept: dict[str, tuple[str, ...]] = {}
        self._lock = RLock()

    def forget(self) -> None:
        """Forget all tables that were made: those that they were made from have changed."""
        with self._lock:
            for schema in self._kept:
                self._database.execute(f"DROP SCHEMA {schema} CASCADE")
            self._kept.clear()

    def run(self, kql: str, values: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
        """Run a query; `values` replace string literals in it.

        Raises duckdb.Error and duckdb_kql.KqlError.
        """
        *lets, last = _STATEMENTS.split(kql.strip().removesuffix(";"))
        cursor, scope, so_far = (
            self._database.cursor(),
            self._outermost,
            repr(sorted(values.items())),
        )
        for statement in lets:
            so_far += statement
            name, value, words = _made_of(statement, scope)
            if value:
                sql = _sql(value, scope, values)
                schema, columns = self._table(cursor, name, sql, so_far, scope)
                scope = replace(
                    scope,
                    schemas=(schema, *scope.schemas),
                    columns={**scope.columns, name: columns},
                )
            scope = replace(scope, words=scope.words + words)
        _search(cursor, scope)
        return cursor.execute(_sql(last, scope, values))

    def _table(
        self, cursor: duckdb.DuckDBPyConnection, name: str, sql: str, so_far: str, scope: Scope
    ) -> tuple[str, tuple[str, ...]]:
        """Return in which schema a statement's table is, and its columns; make it if need be."""
        schema = f"let_{hashlib.sha256(so_far.encode()).hexdigest()[:24]}"
        with self._lock:
            if schema not in self._kept:
                _search(cursor, scope)
                cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
                cursor.execute(f'CREATE TABLE {schema}."{name}" AS {sql}')
                self._kept[schema] = tuple(cursor.table(f'{schema}."{name}"').columns)
            return schema, self._kept[schema]


def _search(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    cursor.execute(f"SET search_path = '{','.join((*scope.schemas, 'main'))}'")


def _made_of(statement: str, scope: Scope) -> tuple[str, str, str]:
    """Return the name and the KQL of the table that a statement makes, and words in its place.

    A number that is read from a table becomes a table with one row, and words that read it.
    """
    found = _LET.fullmatch(statement.strip())
    if found is None:
        return "", "", f"{statement};\n"
    name, value = found[1], found[2]
    if value.startswith("toscalar"):
        kept = f"{name}_kept"
        return kept, f"print kept = {value}", f"let {name} = toscalar({kept} | project kept);\n"
    if not scope.is_table(value):
        return "", "", f"{statement};\n"
    inner = re.fullmatch(r"materialize\s*\((.*)\)\s*", value, re.DOTALL)
    return name, inner[1] if inner else value, ""


def _sql(kql: str, scope: Scope, values: Mapping[str, str]) -> str:
    """Translate, then put the values in: a statement is translated once, whatever they are."""
    known = tuple(sorted(scope.columns.items()))
    sql = translated(f"{scope.words}{kql}", known)
    for literal, value in values.items():
        sql = sql.replace(_quoted(literal), _quoted(value))
    return sql


@cache
def translated(kql: str, known: Columns) -> str:
    """Translate KQL to SQL: it takes longer than running it."""
    return str(duckdb_kql.to_sql(kql, schema={name: [*columns] for name, columns in known}))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
