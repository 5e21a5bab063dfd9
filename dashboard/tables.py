"""Envelopes as Application Insights' tables, in DuckDB, and KQL run on them.

The mapping from envelope to row is a model of the service (docs/facts.md, 9), for the tables
that Keysweep fills: `customEvents` and `customMetrics`. Beside them lies the table of logged calls
of the one workspace that was captured. DuckDB runs the KQL by `duckdb-kql`.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import duckdb_kql

from dashboard.capture import Envelope, Row, time_of
from dashboard.lets import Columns, Lets

_COMMON = {
    "timestamp": "TIMESTAMP",
    "name": "VARCHAR",
    "itemType": "VARCHAR",
    "customDimensions": "JSON",
    "operation_Id": "VARCHAR",
    "cloud_RoleName": "VARCHAR",
    "cloud_RoleInstance": "VARCHAR",
    "itemCount": "INTEGER",
}
_EVENTS = {**_COMMON, "customMeasurements": "JSON"}
_METRICS = {
    **_COMMON,
    "value": "DOUBLE",
    "valueSum": "DOUBLE",
    "valueCount": "INTEGER",
    "valueMin": "DOUBLE",
    "valueMax": "DOUBLE",
}
_DIAGNOSTICS = {
    "TimeGenerated": "TIMESTAMP",
    "ResourceProvider": "VARCHAR",
    "Category": "VARCHAR",
    "OperationName": "VARCHAR",
    "ResultSignature": "VARCHAR",
    "CallerIPAddress": "VARCHAR",
    "CorrelationId": "VARCHAR",
    "properties_s": "VARCHAR",
    "objectId_g": "VARCHAR",
    "objectId_s": "VARCHAR",
    "apiName_s": "VARCHAR",
    "modelDeploymentName_s": "VARCHAR",
    "_ResourceId": "VARCHAR",
}
_EVENT_TABLE, _METRIC_TABLE, _LOG_TABLE = "customEvents", "customMetrics", "AzureDiagnostics"
_SHOWN = {
    _EVENT_TABLE: ("received_events", "timestamp"),
    _METRIC_TABLE: ("received_metrics", "timestamp"),
    _LOG_TABLE: ("received_diagnostics", '"TimeGenerated"'),
}
COLUMNS: Columns = (
    (_EVENT_TABLE, tuple(_EVENTS)),
    (_METRIC_TABLE, tuple(_METRICS)),
    (_LOG_TABLE, tuple(_DIAGNOSTICS)),
)
# What duckdb-kql does not translate: there is one workspace here, and it has each of the columns.
_WORKSPACE = re.compile(r"\bworkspace\('[^']*'\)\.")
_IF_EXISTS = re.compile(r"\bcolumn_ifexists\('(\w+)', ''\)")


class QueryError(Exception):
    """A query could not be run; the message is the engine's."""


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of a query. Times are naive and in UTC."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def dicts(self) -> list[dict[str, Any]]:
        """Return each row by column."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Tables:
    """What was received, and a window of time through which queries see it."""

    def __init__(
        self, envelopes: Iterable[Envelope], diagnostics: Sequence[Row] | None = None
    ) -> None:
        """Load them, with the calls that a workspace has, or none (None).

        Raises QueryError for what the tables can't hold.
        """
        self._database = duckdb_kql.connect()
        self._database.execute("SET TimeZone = 'UTC'")
        self._database.execute("SET threads = 1")
        self._lets = Lets(self._database, COLUMNS)
        self._compared: tuple[str, ...] | None = None
        events, metrics = [], []
        for envelope in envelopes:
            match envelope["data"]["baseType"]:
                case "EventData":
                    events.append(_event(envelope))
                case "MetricData":
                    metrics.extend(_metrics(envelope))
        self._load("received_events", _EVENTS, events)
        self._load("received_metrics", _METRICS, metrics)
        self._load("received_diagnostics", _DIAGNOSTICS, list(map(_logged, diagnostics or ())))
        self.has_workspace = diagnostics is not None
        """Whether logged calls were captured: else nothing is known of any."""
        self.everything()
        spans = self.query("customEvents | summarize min(timestamp), max(timestamp)").rows
        self.begins: datetime | None
        """The first event; None if there is none."""
        self.ends: datetime | None
        """The last one."""
        ((self.begins, self.ends),) = spans

    def _load(self, table: str, columns: dict[str, str], rows: list[dict[str, Any]]) -> None:
        """Make a table of rows, all at once: one by one takes DuckDB a hundred times as long."""
        try:
            # Half of a surrogate pair, which JSON can escape, is no character: it becomes a `?`.
            text = json.dumps(rows, ensure_ascii=False).encode("utf-8", "replace").decode()
            self._database.execute(
                f"CREATE TABLE {table} AS "
                "SELECT unnest(json_transform(?::JSON, ?), recursive := true)",
                [text, json.dumps([columns])],
            )
        except (duckdb.Error, RecursionError) as error:
            raise QueryError(f"The telemetry can't be put into tables: {error}") from error

    def window(self, after: datetime, until: datetime) -> None:
        """Let queries see only what happened after one moment, up to another (naive, UTC)."""
        self._show(f"> '{after}'", f"<= '{until}'")

    def everything(self) -> None:
        """Let queries see all of it."""
        self._show()

    def _show(self, *compared: str) -> None:
        if compared == self._compared:
            return
        self._compared = compared
        self._lets.forget()
        for shown, (received, time) in _SHOWN.items():
            condition = " AND ".join(f"{time} {comparison}" for comparison in compared) or "TRUE"
            self._database.execute(
                f"CREATE OR REPLACE TABLE {shown} AS SELECT * FROM {received} WHERE {condition}"  # noqa: S608
            )

    def query(self, kql: str, values: Mapping[str, str] | None = None) -> Result:
        """Run a query. Raises QueryError.

        `values` replace string literals of the KQL: a query is translated once, whatever they are.
        """
        try:
            # A cursor of its own: several threads may ask at once.
            known = _IF_EXISTS.sub(r"\1", _WORKSPACE.sub("", kql))
            cursor = self._lets.run(known, values or {})
            columns, rows = [column[0] for column in cursor.description], cursor.fetchall()
        except (duckdb.Error, duckdb_kql.KqlError) as error:
            raise QueryError(str(error)) from error
        return Result(tuple(columns), tuple(rows))


def _common(envelope: Envelope, name: str, kind: str) -> dict[str, Any]:
    tags = envelope.get("tags") or {}
    return {
        "timestamp": time_of(envelope).astimezone(UTC).replace(tzinfo=None).isoformat(),
        "name": name,
        "itemType": kind,
        "customDimensions": envelope["data"]["baseData"].get("properties") or {},
        "operation_Id": tags.get("ai.operation.id", ""),
        "cloud_RoleName": tags.get("ai.cloud.role", ""),
        "cloud_RoleInstance": tags.get("ai.cloud.roleInstance", ""),
        "itemCount": 1,
    }


def _logged(row: Row) -> Row:
    moment = datetime.fromisoformat(row["TimeGenerated"])
    return {**row, "TimeGenerated": moment.astimezone(UTC).replace(tzinfo=None).isoformat()}


def _event(envelope: Envelope) -> dict[str, Any]:
    data = envelope["data"]["baseData"]
    return {
        **_common(envelope, str(data.get("name", "")), "customEvent"),
        "customMeasurements": data.get("measurements") or {},
    }


def _metrics(envelope: Envelope) -> list[dict[str, Any]]:
    return [
        {
            **_common(envelope, metric["name"], "customMetric"),
            "value": metric["value"],
            "valueSum": metric["value"],
            "valueCount": metric.get("count") or 1,
            "valueMin": metric.get("min", metric["value"]),
            "valueMax": metric.get("max", metric["value"]),
        }
        for metric in envelope["data"]["baseData"].get("metrics") or []
    ]
