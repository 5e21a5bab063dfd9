"""Log Analytics' query API: KQL over the telemetry that came, executed in DuckDB.

It is asked about a resource: the Application Insights component that received it, where tables have
their classic names, or its workspace, where they have their own. The table of custom events is
modelled, and no other.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import duckdb_kql

from local_azure.exchange import Answer, NotModelledError, Origin
from local_azure.log import SeenRequest
from local_azure.services import Services
from local_azure.sources import behaviour
from local_azure.state import ids
from local_azure.state.access import Principal
from local_azure.telemetry import Envelope
from local_azure.tokens import Refused

AUDIENCES = (
    "https://api.loganalytics.io",
    "https://api.loganalytics.io/",
    "https://api.loganalytics.azure.com",
    "https://api.loganalytics.azure.com/",
)
_PATH = re.compile(r"/v1(?P<resource>/subscriptions/.+)/query/?", re.IGNORECASE)
_SPAN = re.compile(r"PT(?P<seconds>[0-9]+(?:\.[0-9]+)?)S|P(?P<days>[0-9]+)D")
_CACHED_SECONDS = 120
_MOST_ROWS = 500_000
# What an Application Insights resource holds beside custom events: known, and not modelled.
_OTHER_TABLES = re.compile(
    r"\b(customMetrics|requests|dependencies|traces|exceptions|pageViews|browserTimings|"
    r"availabilityResults|performanceCounters|App(?!Events\b)[A-Z]\w+|union|search|find)\b"
)
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
class _Table:
    """The table of custom events as one kind of resource shows it."""

    name: str
    columns: Mapping[str, str]
    """DuckDB's types, by name."""
    action: str


_COMPONENT = _Table(
    "customEvents",
    {
        "timestamp": "TIMESTAMP",
        "name": "VARCHAR",
        "itemType": "VARCHAR",
        "customDimensions": "JSON",
        "customMeasurements": "JSON",
        "operation_Id": "VARCHAR",
        "cloud_RoleName": "VARCHAR",
        "cloud_RoleInstance": "VARCHAR",
        "itemCount": "INTEGER",
    },
    "Microsoft.Insights/logs/customEvents/read",
)
_WORKSPACE = _Table(
    "AppEvents",
    {
        "TimeGenerated": "TIMESTAMP",
        "Name": "VARCHAR",
        "Type": "VARCHAR",
        "Properties": "JSON",
        "Measurements": "JSON",
        "OperationId": "VARCHAR",
        "AppRoleName": "VARCHAR",
        "AppRoleInstance": "VARCHAR",
        "ItemCount": "INTEGER",
    },
    "Microsoft.OperationalInsights/workspaces/query/AppEvents/read",
)


class LogsApi:
    """Answers queries, and keeps each answer for two minutes."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kept: dict[tuple[str, ...], tuple[datetime, Answer]] = {}

    def audiences(self) -> tuple[str, ...]:
        """Return what a token may be for."""
        return (*AUDIENCES, self._services.logs_url(), f"{self._services.logs_url()}/")

    @behaviour(
        "an answer is kept for two minutes, and says so by Age; Cache-Control: no-cache passes by",
        "data/recorded log-query-03 (Age: 76); azure-monitor-docs logs/api/cache.md; fact 55",
        "recorded",
    )
    def answer(self, seen: SeenRequest) -> Answer | None:
        """Answer one request; None: it is not modelled. Raises NotModelledError."""
        match = _PATH.fullmatch(seen.path)
        if seen.method != "POST" or match is None:
            return None
        bearer = self._services.tokens.check(seen.headers.get("Authorization"), self.audiences())
        if isinstance(bearer, Refused):
            return _unauthenticated()
        refused = self._refused(bearer, match["resource"])
        if refused is not None:
            return refused
        prefer = seen.headers.get("Prefer", "")
        key = (bearer.object_id, match["resource"].lower(), prefer, seen.body.decode())
        now = self._services.clock.now()
        kept = self._kept.get(key)
        is_fresh = kept is not None and (now - kept[0]).total_seconds() < _CACHED_SECONDS
        if (
            kept is not None
            and is_fresh
            and "no-cache" not in seen.headers.get("Cache-Control", "")
        ):
            return kept[1].with_header("Age", str(int((now - kept[0]).total_seconds())))
        table = _WORKSPACE if _is_workspace(match["resource"]) else _COMPONENT
        answer = self._queried(seen, table, prefer)
        self._kept[key] = (now, answer)
        return answer

    @behaviour(
        "a resource that isn't there: 404 ResourceNotFoundError; no right to its logs: 403 "
        "InsufficientAccessError; both name what is meant in lower case but for the name",
        "azure-monitor-docs logs/api/azure-resource-queries.md: data/recorded log-query-error-08, "
        "-09; fact 58",
        "documented",
    )
    @behaviour(
        "reading a component's logs takes Microsoft.Insights/logs/TABLE/read there, a workspace's "
        "Microsoft.OperationalInsights/workspaces/query/TABLE/read",
        "azure-monitor-docs logs/manage-access.md, resource-context and workspace permissions",
        "documented",
    )
    def _refused(self, principal: Principal, resource: str) -> Answer | None:
        services = self._services
        known = {services.component_id().lower(), services.workspace_id().lower()}
        if resource.lower() not in known:
            head, _, name = resource.rpartition("/")
            message = f"The resource {head.lower()}/{name} was not found"
            return _error(404, "ResourceNotFoundError", message)
        table = _WORKSPACE if _is_workspace(resource) else _COMPONENT
        if services.tenant.may(principal, table.action, resource):
            return None
        inner = {
            "code": "AuthorizationFailedError",
            "message": f"User '{principal.object_id}' does not have access to read logs for this "
            "resource",
        }
        message = (
            "The provided credentials have insufficient access to perform the requested operation"
        )
        return _error(403, "InsufficientAccessError", message, inner)

    def _queried(self, seen: SeenRequest, table: _Table, prefer: str) -> Answer:
        body = _body(seen)
        unknown = {name for name, value in body.items() if value is not None} - {
            "query",
            "timespan",
        }
        if unknown:
            raise NotModelledError(f"a query with {', '.join(sorted(unknown))}")
        wishes = {wish.strip().partition("=")[0] for wish in prefer.split(",") if wish.strip()}
        if not wishes <= {"wait", "include-permissions"}:
            raise NotModelledError(f"Prefer: {prefer}")
        kql = str(body.get("query"))
        if _OTHER_TABLES.search(kql):
            raise NotModelledError("a query of another table")
        begin, end = _span(body.get("timespan"), self._services.clock.now())
        shown = [envelope for envelope in self._arrived() if begin <= _time(envelope) < end]
        try:
            columns, rows = _executed(kql, table, shown)
        except duckdb_kql.KqlError as error:
            return _syntax_error(str(error))
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            return _semantic_error(str(error))
        except duckdb.Error as error:
            raise NotModelledError(f"this query: {error}") from error
        found: dict[str, Any] = {"tables": [{"name": "PrimaryResult", "columns": columns}]}
        most = self._services.settings.log_rows or _MOST_ROWS
        found["tables"][0]["rows"] = rows[:most]
        if "include-permissions" in wishes:
            found["permissions"] = self._permissions(seen.path)
        if len(rows) > most:
            found["error"] = _TOO_LARGE
        return Answer(200, found, Origin.PLAIN, _headers())

    @behaviour(
        "telemetry is found some time after it arrived (Settings.telemetry_lag)",
        "azure-monitor-docs logs/data-ingestion-time.md: 20 s to 3 min on average, more at times",
        "documented",
    )
    @behaviour(
        "rows of a workspace that the caller may not read are left out in silence (Settings."
        "in_other_workspace), and only `permissions` tells: by the difference of its two lists",
        "azure-monitor-docs logs/api/azure-resource-queries.md, Partial access: data/recorded "
        "log-query-12; fact 58",
        "documented",
    )
    def _arrived(self) -> Iterator[Envelope]:
        """Return the custom events that a query finds by now."""
        settings, now = self._services.settings, self._services.clock.now()
        latest = now - timedelta(seconds=settings.telemetry_lag)
        for envelope in self._services.telemetry.until(latest):
            is_event = envelope.get("data", {}).get("baseType") == "EventData"
            hidden = settings.in_other_workspace
            if is_event and (hidden is None or not hidden(envelope)):
                yield envelope

    def _permissions(self, path: str) -> dict[str, Any]:
        services = self._services
        readable, other = services.workspace_id(), f"{services.workspace_id()}-other"
        holds = [readable, *([other] if services.settings.in_other_workspace else [])]
        match = _PATH.fullmatch(path)
        assert match is not None
        return {
            "resources": [{"resourceId": match["resource"], "dataSources": holds}],
            "dataSources": [{"resourceId": readable}],
        }


@behaviour(
    "KQL over the telemetry that came: customEvents through the component, AppEvents through the "
    "workspace; the columns that Keysweep's queries use",
    "azure-monitor-docs app/convert-classic-resource.md (both schemas); the mapping from envelope "
    "to row as in docs/facts.md, 9",
    "documented",
)
def _executed(
    kql: str, table: _Table, envelopes: Sequence[Envelope]
) -> tuple[list[dict[str, str]], list[list[Any]]]:
    """Run a query: the columns of its result and its rows. Raises KqlError, duckdb.Error."""
    database = duckdb_kql.connect()
    try:
        database.execute("SET TimeZone = 'UTC'")
        typed = ", ".join(f'"{name}" {kind}' for name, kind in table.columns.items())
        database.execute(f"CREATE TABLE {table.name} ({typed})")
        marks = ", ".join("?" for _ in table.columns)
        for envelope in envelopes:
            database.execute(f"INSERT INTO {table.name} VALUES ({marks})", _row(envelope))  # noqa: S608 - our names
        sql = str(duckdb_kql.to_sql(kql, schema={table.name: list(table.columns)}))
        found = database.sql(sql)
        kinds = [str(kind) for kind in found.types]
        if not set(kinds) <= set(_TYPES):
            raise NotModelledError(f"a column of type {', '.join(set(kinds) - set(_TYPES))}")
        columns = [
            {"name": name, "type": _TYPES[kind]}
            for name, kind in zip(found.columns, kinds, strict=True)
        ]
        rows = [
            [_value(value, kind) for value, kind in zip(row, kinds, strict=True)]
            for row in found.fetchall()
        ]
    finally:
        database.close()
    return columns, rows


def _row(envelope: Envelope) -> list[Any]:
    data, tags = envelope["data"]["baseData"], envelope.get("tags") or {}
    return [
        _time(envelope).replace(tzinfo=None),
        str(data.get("name", "")),
        "customEvent",
        json.dumps(data.get("properties") or {}),
        json.dumps(data.get("measurements") or {}),
        tags.get("ai.operation.id", ""),
        tags.get("ai.cloud.role", ""),
        tags.get("ai.cloud.roleInstance", ""),
        1,
    ]


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


def _time(envelope: Envelope) -> datetime:
    moment = datetime.fromisoformat(envelope["time"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _body(seen: SeenRequest) -> dict[str, Any]:
    try:
        body = json.loads(seen.body or b"null")
    except ValueError as error:
        raise NotModelledError("a body that is no JSON") from error
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise NotModelledError("a body without a query")
    return body


def _span(text: object, now: datetime) -> tuple[datetime, datetime]:
    """Read `timespan`: a duration until now, or two moments."""
    if text is None:
        return datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    first, _, last = str(text).partition("/")
    length = _SPAN.fullmatch(first)
    if length is not None and not last:
        seconds = float(length["seconds"] or 0) + 86_400 * int(length["days"] or 0)
        return now - timedelta(seconds=seconds), now
    try:
        begin, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    except ValueError as error:
        raise NotModelledError(f"timespan {text}") from error
    return begin, end


def _is_workspace(resource: str) -> bool:
    return "/providers/microsoft.operationalinsights/workspaces/" in resource.lower()


@behaviour(
    "headers: Via with a pod's name, no request id, no limits, a client's request id not echoed",
    "data/recorded log-query-01; fact 54",
    "recorded",
)
def _headers() -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "Retry-After,Age,WWW-Authenticate,x-resource-identities,"
        "x-ms-status-location",
        "Strict-Transport-Security": "max-age=15724800; includeSubDomains",
        "Vary": "Accept-Encoding",
        "Via": "1.1 draft-oms-848f8fcc7f-42tqh",
        "X-Content-Type-Options": "nosniff",
    }


_ORDINALS = itertools.count(1)


@behaviour(
    "errors: message before code, a correlationId, the code that tells in the innermost innererror",
    "data/recorded log-query-error-01, -03, -06; fact 51",
    "recorded",
)
def _error(status: int, code: str, message: str, inner: Mapping[str, Any] | None = None) -> Answer:
    error: dict[str, Any] = {"message": message, "code": code}
    if status == 400:
        error["correlationId"] = ids.guid("log query", next(_ORDINALS))
    if inner is not None:
        error["innererror"] = inner
    return Answer(status, {"error": error}, Origin.PLAIN, _headers())


def _semantic_error(text: str) -> Answer:
    named = re.search(r'"?(?:name|column) "?([A-Za-z_]\w*)', text)
    name = named[1] if named is not None else "?"
    inner = {
        "code": "SemanticError",
        "message": "A semantic error occurred.",
        "innererror": {
            "code": "SEM0100",
            "message": f"Failed to resolve table or column expression named '{name}'",
        },
    }
    return _error(400, "BadArgumentError", "The request had some invalid properties", inner)


def _syntax_error(text: str) -> Answer:
    place = re.search(r"at ([0-9]+):([0-9]+): mismatched input '([^']*)'", text)
    line, pos, token = place.groups() if place is not None else ("1", "0", "")
    inner = {
        "code": "SyntaxError",
        "message": "A recognition error occurred in the query.",
        "innererror": {
            "code": "SYN0002",
            "message": f"Query could not be parsed at '{token}' on line [{line},{pos}]",
            "line": int(line),
            "pos": int(pos),
            "token": token,
        },
    }
    return _error(400, "BadArgumentError", "The request had some invalid properties", inner)


@behaviour(
    "a token that is none, or for something else: 401 with a code of its own",
    "from memory of public questions (AuthorizationRequiredError, InvalidTokenError)",
    "unverified",
)
def _unauthenticated() -> Answer:
    return _error(401, "AuthorizationRequiredError", "Valid authentication was not provided")


@behaviour(
    "a result that is cut (Settings.log_rows, else 500,000 rows) is 200 with the rows that fit and "
    "with `error` beside `tables`: code before message, and no correlationId",
    "data/recorded log-query-05 (an overflow); fact 53 for the code of a result that is too large",
    "recorded",
)
def _too_large() -> dict[str, Any]:
    return {
        "code": "PartialError",
        "message": "There were some errors when processing your query.",
        "details": [
            {
                "code": "EngineError",
                "message": "Something went wrong processing your query on the server.",
                "innererror": {
                    "code": "-2133196797",
                    "message": "The results of this query exceed the set limit of "
                    f"{_MOST_ROWS} records, so not all records were returned "
                    "(E_QUERY_RESULT_SET_TOO_LARGE; see https://aka.ms/kustoqueryfailures).",
                    "severity": 2,
                    "severityName": "Error",
                },
            }
        ],
    }


_TOO_LARGE = _too_large()
