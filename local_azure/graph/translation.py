"""KQL to DuckDB's SQL: duckdb-kql's translation, judged by Resource Graph's rules and mended.

duckdb-kql's intermediate representation is walked operator by operator. What each operator's
input looks like (names and types of columns) is asked of DuckDB, so that unknown columns, dynamic
keys and strings that a join left null are found where they arise.
"""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, cast

from duckdb_kql import ir
from duckdb_kql.errors import KqlError, KqlUnsupportedError
from duckdb_kql.lower import lower
from duckdb_kql.translate import CLOCK_SLOT, clock
from duckdb_kql.translate import to_sql as write_sql

from local_azure.graph.functions import filled, rewrite_function, rewrite_path
from local_azure.graph.refusals import (
    NotModelled,
    Refused,
    invalid_query,
    unknown_table,
)
from local_azure.graph.store import COLUMNS, TABLES, DuckDBError, Store
from local_azure.graph.syntax import Text, read_text

type Columns = list[tuple[str, str]]

SEED_SLOT = "graphseed"
_SCHEMA: Any = {table: list(COLUMNS) for table in TABLES}
_JOINS = {"innerunique", "inner", "leftouter", "fullouter"}
_JOIN_NAMES = {
    "leftanti": "LeftAnti",
    "leftantisemi": "LeftAntiSemi",
    "leftsemi": "LeftSemi",
    "rightanti": "RightAnti",
    "rightantisemi": "RightAntiSemi",
    "rightsemi": "RightSemi",
    "rightouter": "RightOuter",
    "anti": "Anti",
}
MOST_JOINS = 3
MOST_UNION_LEGS = 3
MOST_MV_EXPANDS = 2
DEFAULT_ROW_LIMIT = 128
MOST_ROW_LIMIT = 400
# What duckdb-kql says of queries that Kusto refuses as well: wrong arguments, doubled names.
_KUSTO_REFUSES = re.compile(r"argument\(s\), got|Kusto refuses|\(expects |\(takes one ")
# Other tables of Resource Graph's: Azure answers them, this engine has no rows for them.
_OTHER_TABLES = re.compile(
    r"[a-z]+(resources|resourcechanges|containerchanges)|networkresources|spotresources"
)


@dataclass(frozen=True, slots=True)
class Translation:
    """SQL that answers a query."""

    sql: str
    shuffled_sql: str
    """The same with rows that tie, or all if nothing sorts them, in an order by the seed."""
    columns: Columns
    limited: bool
    """limit or take is in it."""
    first_page_only: bool
    """It summarizes: Resource Graph gives no second page."""


def parameters(sql: str, now: datetime, seed: int) -> dict[str, Any]:
    """Bind what the SQL mentions of the clock and the seed; DuckDB takes no others."""
    bound = {CLOCK_SLOT: now.astimezone(UTC).replace(tzinfo=None), SEED_SLOT: seed}
    return {slot: value for slot, value in bound.items() if f"${slot}" in sql}


def translate(query: str, store: Store) -> Translation:
    """Translate a query. Raises Refused, NotModelled."""
    return _Translator(store, read_text(query)).translation()


def translate_facet(
    query: str, condition: str | None, columns: Sequence[str], order: str, store: Store
) -> Translation:
    """Translate a facet of a query: its rows counted by columns. Raises Refused, NotModelled."""
    keys = ", ".join(f"['{name}']" for name in columns)
    steps = [query.rstrip().removesuffix(";")]
    if condition is not None:
        steps.append(f"where {condition}")
    steps += [f"summarize ['count'] = count() by {keys}", f"order by {order}"]
    return _Translator(store, read_text("\n| ".join(steps))).translation()


class _Translator:
    def __init__(self, store: Store, text: Text) -> None:
        self._store = store
        self._text = text

    def translation(self) -> Translation:
        try:
            query = lower(self._text.edited)
        except KqlError as error:
            raise _refusal(error) from error
        _check_sizes(query)
        query = self._mended(query)
        columns = self._columns(query)
        sql = self._sql(query)
        return Translation(
            sql=sql,
            shuffled_sql=self._shuffled(query),
            columns=columns,
            limited=any(isinstance(op, ir.Take) for op in query.operators),
            first_page_only=any(
                isinstance(op, ir.Summarize | ir.Distinct | ir.Count) for op in query.operators
            ),
        )

    def _mended(self, query: ir.Query) -> ir.Query:
        """Check every operator against its input and rewrite it."""
        if query.lets or query.parameters:
            raise NotModelled("statements before the query")
        done = ir.Query(_source(query.source), [])
        columns = self._columns(done)
        for operator in query.operators:
            mended = self._operator(operator, done, columns)
            done = ir.Query(done.source, [*done.operators, *mended])
            columns = self._columns(done)
            if isinstance(operator, ir.Join | ir.Union):
                # A string is never null in Kusto; DuckDB leaves one where nothing matched.
                strings = [name for name, kind in columns if kind == "VARCHAR"]
                fills = tuple(ir.NamedExpr(filled(name), name) for name in strings)
                if fills:
                    done.operators.append(ir.Extend(fills))
        return done

    def _operator(
        self, operator: ir.Operator, done: ir.Query, columns: Columns
    ) -> list[ir.Operator]:
        names = [name for name, _ in columns]
        match operator:
            case ir.Join():
                operator = dataclasses.replace(
                    operator,
                    keys=tuple(
                        ir.JoinKey(_bare(key.left), _bare(key.right)) for key in operator.keys
                    ),
                )
                right = self._mended(operator.right)
                right_names = [name for name, _ in self._columns(right)]
                _check_names([key.left for key in operator.keys], names)
                _check_names([key.right for key in operator.keys], right_names)
                self._check_dynamic(
                    done, [ir.ColumnRef(key.left) for key in operator.keys], "join", columns
                )
                return [dataclasses.replace(operator, right=right)]
            case ir.Union():
                branches = tuple(self._mended(branch) for branch in operator.branches)
                return [dataclasses.replace(operator, branches=branches)]
            case ir.MvExpand():
                _check_names([target.column for target in operator.targets], names)
                limit = DEFAULT_ROW_LIMIT if operator.limit is None else operator.limit
                return [dataclasses.replace(operator, limit=limit)]
            case ir.ProjectAway():
                _check_names([name for name in operator.columns if "*" not in name], names)
                gone = [n for n in names if any(fnmatchcase(n, c) for c in operator.columns)]
                return [ir.ProjectAway(tuple(gone))] if gone else []
            case ir.Distinct(expressions=(ir.NamedExpr(expr=ir.ColumnRef(name="*")),)):
                operator = ir.Distinct(tuple(ir.NamedExpr(ir.ColumnRef(name)) for name in names))
        rewritten = _rewritten(operator)
        assert isinstance(rewritten, ir.Operator)
        _check_names([ref.name for ref in _found(rewritten, ir.ColumnRef)], names)
        match rewritten:
            case ir.Where():
                self._check_predicate(done, rewritten.predicate)
            case ir.Sort() | ir.Top():
                self._check_dynamic(done, [key.expr for key in rewritten.keys], "order", columns)
            case ir.Summarize():
                self._check_dynamic(done, [k.expr for k in rewritten.by], "summarize", columns)
            case ir.Distinct():
                self._check_dynamic(
                    done, [k.expr for k in rewritten.expressions], "distinct", columns
                )
        return [rewritten]

    def _check_predicate(self, done: ir.Query, predicate: ir.Expr) -> None:
        """Refuse a condition that isn't one, as Kusto does; DuckDB would cast text to boolean."""
        named = ir.Project((ir.NamedExpr(predicate, "holds"),))
        ((_, kind),) = self._columns(ir.Query(done.source, [*done.operators, named]))
        if kind not in {"BOOLEAN", "JSON"}:
            raise invalid_query("InvalidQuery", "The predicate of 'where' must be a boolean.")

    def _check_dynamic(
        self, done: ir.Query, keys: Sequence[ir.Expr], operator: str, columns: Columns
    ) -> None:
        """Refuse keys of a dynamic type, as Kusto does: they have to be cast first (QL)."""
        if not keys:
            return
        types = dict(columns)
        if all(isinstance(key, ir.ColumnRef) for key in keys):
            kinds = [(key.name, types[key.name]) for key in keys if isinstance(key, ir.ColumnRef)]
        else:
            named = tuple(ir.NamedExpr(key, f"key{n}") for n, key in enumerate(keys, 1))
            kinds = self._columns(ir.Query(done.source, [*done.operators, ir.Project(named)]))
        for name, kind in kinds:
            if kind == "JSON" or kind.endswith("[]"):
                raise invalid_query(
                    "InvalidQuery",
                    f"Key '{name}' of operator '{operator}' is of a 'dynamic' type. Please use an "
                    "explicit cast, for example tostring().",
                )

    def _sql(self, query: ir.Query) -> str:
        moment = datetime(2000, 1, 1)  # noqa: DTZ001 - only marks the clock's place in the SQL
        try:
            with clock(moment):
                return str(write_sql(query, _SCHEMA))
        except KqlError as error:
            raise _refusal(error) from error

    def _columns(self, query: ir.Query) -> Columns:
        sql = f"SELECT * FROM ({self._sql(query)}) LIMIT 0"  # noqa: S608 - our own SQL
        try:
            columns, _ = self._store.rows(sql, parameters(sql, datetime.now(UTC), 0))
        except DuckDBError as error:
            raise NotModelled(f"this engine can't run it: {str(error)[:300]}") from error
        return columns

    def _shuffled(self, query: ir.Query) -> str:
        """Sorted by the query's own keys and then, or only, by a number drawn from row and seed."""
        for index in reversed(range(len(query.operators))):
            operator = query.operators[index]
            if isinstance(operator, ir.Summarize | ir.Distinct | ir.Join | ir.Union):
                break
            if isinstance(operator, ir.Sort | ir.Top):
                names = [
                    name
                    for name, _ in self._columns(ir.Query(query.source, query.operators[:index]))
                ]
                if "id" not in names:
                    return self._sql(query)
                tie = ir.SortKey(ir.RenderedAggregate(f'hash("id", ${SEED_SLOT})'), ascending=True)
                changed = list(query.operators)
                changed[index] = dataclasses.replace(operator, keys=(*operator.keys, tie))
                return self._sql(ir.Query(query.source, changed))
        return (
            f"SELECT * FROM ({self._sql(query)}) AS row_ "  # noqa: S608 - our own SQL
            f"ORDER BY hash(CAST(row_ AS VARCHAR), ${SEED_SLOT})"
        )


def _source(source: ir.Source) -> ir.Source:
    """Name the table in lower case. Raises Refused, NotModelled."""
    if not isinstance(source, ir.TableRef):
        raise invalid_query("InvalidQueryLanguage", token=type(source).__name__)
    name = source.name.lower()
    if source.database or source.cluster:
        raise unknown_table(source.qualified)
    if name in TABLES:
        return dataclasses.replace(source, name=name)
    if _OTHER_TABLES.fullmatch(name):
        raise NotModelled(f"table {source.name}")
    raise unknown_table(source.name)


def _check_sizes(query: ir.Query) -> None:
    """Refuse more of an operator than Resource Graph allows in a query (QL)."""
    joins = list(_found(query, ir.Join))
    for join in joins:
        if join.kind not in _JOINS:
            raise _unsupported_join(join.kind)
    _check_size("join", len(joins), MOST_JOINS)
    legs = sum(len(union.branches) for union in _found(query, ir.Union))
    _check_size("union", legs + 1 if legs else 0, MOST_UNION_LEGS)
    expands = list(_found(query, ir.MvExpand))
    _check_size("mv-expand", len(expands), MOST_MV_EXPANDS)
    for expand in expands:
        _check_size("mv-expand RowLimit", expand.limit or 0, MOST_ROW_LIMIT)
    conditions: list[ir.InList | ir.HasList] = [
        *_found(query, ir.InList),
        *_found(query, ir.HasList),
    ]
    if any(condition.subquery is not None for condition in conditions):
        raise NotModelled("a query as the right side of in")


def _unsupported_join(kind: str) -> Refused:
    """Refuse a join's kind (recorded: azure-docs#45495)."""
    name = _JOIN_NAMES.get(kind, kind)
    return invalid_query(
        "UnsupportedJoinFlavor", f'The join kind "{name}" is not supported or not allowed.'
    )


def _check_size(what: str, number: int, most: int) -> None:
    if number > most:
        raise invalid_query(
            "DisallowedNumberOfOperators",
            f"The query has {number} of '{what}', more than the {most} that are allowed.",
        )


def _bare(name: str) -> str:
    """Take a name out of its brackets, which duckdb-kql leaves on a join's keys."""
    return name[2:-2] if name.startswith("['") and name.endswith("']") else name


def _check_names(names: Sequence[str], known: Sequence[str]) -> None:
    """Refuse columns that aren't there. Letter case counts, as in Kusto."""
    unknown = dict.fromkeys(name for name in names if name not in known)
    if unknown:
        raise invalid_query("InvalidColumnNames", f"Invalid column names: [{', '.join(unknown)}].")


def _refusal(error: KqlError) -> Refused | NotModelled:
    """Say what duckdb-kql can't do as this engine says it."""
    text = str(error)
    if isinstance(error, KqlUnsupportedError):
        what, _, kind = error.construct.partition(":")
        if what == "join kind":
            return _unsupported_join(kind)
    if _KUSTO_REFUSES.search(text):
        return invalid_query("InvalidQuery", text.replace("$", ""))
    return NotModelled(text)


def _found[N](node: object, kind: type[N]) -> Iterator[N]:
    """All nodes of a type in a query, the query's own first."""
    if isinstance(node, kind):
        yield node
    for part in _parts(node):
        yield from _found(part, kind)


def _parts(node: Any) -> Iterator[object]:
    if isinstance(node, tuple | list):
        yield from node
    elif isinstance(node, ir.Node):
        for name in _member_names(node):
            yield getattr(node, name)


def _member_names(node: Any) -> list[str]:
    return [member.name for member in dataclasses.fields(node)]


def _rewritten(node: Any) -> Any:
    """Replace function calls and paths by those that this engine mends."""
    if isinstance(node, tuple):
        return tuple(_rewritten(part) for part in node)
    if not isinstance(node, ir.Node):
        return node
    changes = {name: _rewritten(getattr(node, name)) for name in _member_names(node)}
    rewritten = dataclasses.replace(cast("Any", node), **changes)
    match rewritten:
        case ir.FunctionCall():
            return rewrite_function(rewritten)
        case ir.PathAccess():
            return rewrite_path(rewritten)
    return rewritten
