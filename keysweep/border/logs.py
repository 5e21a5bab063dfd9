"""Border: the logs of a resource, asked for by Log Analytics' query API.

An answer of 200 may lack rows, and says so beside them at best (recorded exchanges, facts 49 to
58): a result that was cut has `error` beside `tables`, workspaces and tables that the caller may
not read are left out in silence, and an answer may be two minutes old. So permissions are asked
for, the cache is passed by, and what an answer does not show is said.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from keysweep.border.operator import Operator
from keysweep.border.reads import Reads
from keysweep.taken import TABLES_OF_EVENTS, LogAnswer, NoTable
from shared import __version__
from shared.border.pacing import Pace
from shared.border.transport import build_pipeline
from shared.core.addresses import Address
from shared.core.clouds import Cloud, LogsApi
from shared.core.errors import AzureError, Unclear
from shared.workspace import Parts

_HEADERS = {
    # The wait is a little less than an attempt of ours may take; then Azure answers 504.
    "Prefer": "wait=50,include-permissions=true",
    "Cache-Control": "no-cache",
}


# "Failed to resolve table or column expression" (recorded exchanges, fact 52).
_UNRESOLVED = "SEM0100"


class Logs:
    """Asks for the logs of a resource, by the transport and the identity of everything else."""

    def __init__(self, parts: Parts, pace: Pace | None = None) -> None:
        """Ask at a pace of its own, or at that of everything else."""
        self._parts = parts
        self._pace = pace or parts.pace
        self._reads: Reads | None = None
        self._finding = asyncio.Lock()

    async def query(
        self,
        resource_id: str,
        kql: str,
        begin: datetime,
        end: datetime,
        reads: frozenset[str] = TABLES_OF_EVENTS,
    ) -> LogAnswer:
        """Return what a query finds in the logs of a resource, between two moments.

        `reads` are its tables, in lower case. Raises AzureError; NoTable if none of the
        workspaces has one that it names.
        """
        api, action = await self._api(), "Querying the logs of"
        request = HttpRequest(
            "POST",
            f"{api.endpoint}/v1/{resource_id.strip('/')}/query",
            json={"query": kql, "timespan": f"{_written(begin)}/{_written(end)}"},
        )
        try:
            answer = await api.sent(action, resource_id, request, _tables)
        except AzureError as error:
            missing = _missing_table(error.__cause__)
            if missing:
                raise NoTable(action, resource_id, code=_UNRESOLVED, message=missing) from error
            raise
        unseen = list(_not_permitted(answer.get("permissions"), reads))
        if answer.get("error"):
            unseen.insert(0, f"The result was cut: {_why(answer['error'])}")
        table = answer["tables"][0]
        names = [column["name"] for column in table["columns"]]
        rows = tuple(dict(zip(names, row, strict=True)) for row in table["rows"])
        return LogAnswer(rows, tuple(unseen))

    async def _api(self) -> Reads:
        async with self._finding:
            if self._reads is None:
                parts = self._parts
                api = parts.settings.cloud.logs or await self._named_by_arm()
                pipeline = build_pipeline(
                    parts.transport,
                    parts.tokens,
                    Cloud(api.endpoint, api.scope),
                    self._pace,
                    parts.observer,
                    __version__,
                    _HEADERS,
                )
                self._reads = Reads(pipeline, api.endpoint)
            return self._reads

    async def _named_by_arm(self) -> LogsApi:
        """Ask an Azure Resource Manager that no known cloud has where its logs are.

        The audience of tokens is that address (hashicorp/go-azure-sdk, sdk/internal/metadata;
        azure-cli-core's cloud.py): so the token is of no use anywhere else. Raises AzureError.
        """
        metadata = await Operator(self._parts).cloud_metadata()
        address = str(metadata.get("logAnalyticsResourceId") or "").rstrip("/")
        try:
            Address.parse(address)
        except ValueError as error:
            raise Unclear(
                "Looking for the logs of",
                self._parts.settings.cloud.endpoint,
                code="NoLogs",
                message=f"Its metadata names no Log Analytics: {error}.",
            ) from error
        return LogsApi(address, f"{address}/.default")


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _why(error: Mapping[str, Any]) -> str:
    """Return what the innermost part of an error says: the outer ones say nothing of use."""
    return str(_innermost(error).get("message") or "Azure does not say why.")


def _innermost(error: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = error
    while True:
        deeper = [*_objects(inner, "details"), inner.get("innererror")]
        if not isinstance(deeper[0], dict):
            return inner
        inner = deeper[0]


def _missing_table(error: BaseException | None) -> str:
    """Say that a name of the query is unknown in every workspace; empty: it is another error."""
    response = error.response if isinstance(error, HttpResponseError) else None
    try:
        body = json.loads(response.text()) if response is not None else None
    except ValueError:
        return ""
    said = body.get("error") if isinstance(body, dict) else None
    found = _innermost(said) if isinstance(said, dict) else {}
    return str(found.get("message")) if found.get("code") == _UNRESOLVED else ""


def _tables(body: object) -> str:
    """Expect the answer of a log query: at least one table, whose rows are as wide as it is."""
    tables = body.get("tables") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(tables, list) or not tables:
        return "it has no tables"
    if not isinstance(body.get("error"), dict | None):
        return "its error is no object"
    for table in tables:
        columns = table.get("columns") if isinstance(table, dict) else None
        if not isinstance(columns, list) or not all(_is_column(column) for column in columns):
            return "a table of it has no columns"
        rows = table.get("rows")
        if not isinstance(rows, list) or not all(
            isinstance(row, list) and len(row) == len(columns) for row in rows
        ):
            return "a table of it has no rows, or one that is too short or too long"
    return ""


def _is_column(column: object) -> bool:
    return isinstance(column, dict) and all(
        isinstance(column.get(name), str) for name in ("name", "type")
    )


def _not_permitted(permissions: object, tables: frozenset[str]) -> Iterator[str]:
    """Say what the caller may not read, and Azure therefore left out in silence.

    `resources` say which workspaces hold what was asked for, `dataSources` which of them the caller
    may query (azure-monitor-docs, logs/api/azure-resource-queries.md, "Partial access"). Without
    both lists nobody knows.
    """
    parts = ("resources", "dataSources")
    if not isinstance(permissions, dict) or not all(
        isinstance(permissions.get(part), list) for part in parts
    ):
        yield "The answer does not say what it leaves out: a workspace may be missing."
        return
    readable = {
        str(source.get("resourceId")).lower() for source in _objects(permissions, "dataSources")
    }
    denied: list[str] = []
    for part in parts:
        for resource in _objects(permissions, part):
            denied += [
                str(table)
                for table in _listed(resource, "denyTables")
                if str(table).lower() in tables
            ]
            for source in _listed(resource, "dataSources"):
                if str(source).lower() not in readable:
                    yield f"You may not read the workspace {source}, which holds a part of it."
    if denied:
        yield f"You may not read the table {', '.join(sorted(set(denied)))}."


def _objects(body: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    return [part for part in _listed(body, name) if isinstance(part, dict)]


def _listed(body: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = body.get(name)
    return found if isinstance(found, list) else []
