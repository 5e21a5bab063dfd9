"""Log Analytics' query API: KQL over telemetry and diagnostics, executed in DuckDB.

It is asked about a resource: the Application Insights component that received telemetry, where
tables have their classic names, an account with a diagnostic setting, or a workspace. The tables of
custom events and AzureDiagnostics are modelled, and no other.
"""

import itertools
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import duckdb_kql

from local_azure.exchange import Answer, Origin
from local_azure.log import SeenRequest
from local_azure.log_engine import execute
from local_azure.log_tables import Source, Span, source_of, tables_of
from local_azure.services import Services
from local_azure.sources import NotModelledError, behaviour
from local_azure.state import ids
from local_azure.state.access import Principal
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
        wait = self._services.log_queries.take(bearer.object_id)
        if wait is not None:
            return _throttled(wait)
        with self._services.tenant.guard:
            source = source_of(match["resource"], self._services, bearer)
        if source is None and "/providers/" not in match["resource"].lower():
            raise NotModelledError("a subscription or a resource group as what is asked about")
        if source is None:
            head, _, name = match["resource"].rpartition("/")
            message = f"The resource {head.lower()}/{name} was not found"
            return _error(404, "ResourceNotFoundError", message)
        if not self._services.tenant.may(bearer, source.action, match["resource"]):
            return _no_access(bearer)
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
        answer = self._queried(seen, source, prefer)
        self._kept[key] = (now, answer)
        return answer

    def _queried(self, seen: SeenRequest, source: Source, prefer: str) -> Answer:
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
        services = self._services
        now = services.clock.now()
        with services.tenant.guard:
            tables = tables_of(source, services, _span(body.get("timespan"), now))
        try:
            result = execute(kql, tables, now)
        except duckdb_kql.KqlError as error:
            return _syntax_error(str(error))
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            return _semantic_error(str(error), kql)
        except duckdb.Error as error:
            raise NotModelledError(f"this query: {error}") from error
        most = services.settings.log_rows or _MOST_ROWS
        found: dict[str, Any] = {
            "tables": [
                {"name": "PrimaryResult", "columns": result.columns, "rows": result.rows[:most]}
            ]
        }
        if "include-permissions" in wishes:
            found["permissions"] = _permissions(source)
        if len(result.rows) > most:
            found["error"] = _TOO_LARGE
        return Answer(200, found, Origin.PLAIN, _headers())


@behaviour(
    "permissions: the workspaces that hold logs of the resource, and those of them to be read",
    "data/recorded log-query-12; fact 58",
    "documented",
)
def _permissions(source: Source) -> dict[str, Any]:
    return {
        "resources": [{"resourceId": source.resource, "dataSources": list(source.holds)}],
        "dataSources": [{"resourceId": workspace} for workspace in source.readable],
    }


def _body(seen: SeenRequest) -> dict[str, Any]:
    try:
        body = json.loads(seen.body or b"null")
    except ValueError as error:
        raise NotModelledError("a body that is no JSON") from error
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise NotModelledError("a body without a query")
    return body


def _span(text: object, now: datetime) -> Span:
    """Read `timespan`: a duration until now, or two moments."""
    if text is None:
        return Span(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    first, _, last = str(text).partition("/")
    length = _SPAN.fullmatch(first)
    if length is not None and not last:
        seconds = float(length["seconds"] or 0) + 86_400 * int(length["days"] or 0)
        return Span(now - timedelta(seconds=seconds), now)
    try:
        begin, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    except ValueError as error:
        raise NotModelledError(f"timespan {text}") from error
    return Span(begin, end)


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


@behaviour(
    "an unknown table is SEM0100, whose message names the operator after the table",
    "data/recorded log-query-error-01; fact 52",
    "recorded",
)
def _semantic_error(text: str, kql: str) -> Answer:
    operator = re.search(r"\|\s*([\w-]+)", kql)
    where = f"'{operator[1]}' operator: " if operator is not None else ""
    named = re.search(r'"?(?:name|column) "?([A-Za-z_]\w*)', text)
    name = named[1] if named is not None else "?"
    inner = {
        "code": "SemanticError",
        "message": "A semantic error occurred.",
        "innererror": {
            "code": "SEM0100",
            "message": f"{where}Failed to resolve table or column expression named '{name}'",
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
    "a resource that isn't there: 404 ResourceNotFoundError; no right to its logs: 403 "
    "InsufficientAccessError; both name what is meant in lower case but for the name",
    "azure-monitor-docs logs/api/azure-resource-queries.md: data/recorded log-query-error-08, "
    "-09; fact 58",
    "documented",
)
def _no_access(principal: Principal) -> Answer:
    inner = {
        "code": "AuthorizationFailedError",
        "message": f"User '{principal.object_id}' does not have access to read logs for this "
        "resource",
    }
    message = "The provided credentials have insufficient access to perform the requested operation"
    return _error(403, "InsufficientAccessError", message, inner)


@behaviour(
    "a caller has 200 queries in 30 s, then 429 with Retry-After",
    "azure-monitor-docs service-limits, query API; no body was found, its code is from memory",
    "documented",
)
def _throttled(wait: float) -> Answer:
    message = f"Rate limit is exceeded. Please try again after {wait:.0f} seconds."
    refused = _error(429, "ThrottledError", message)
    return refused.with_header("Retry-After", f"{wait:.0f}")


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
