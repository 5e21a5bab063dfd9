"""How values of DuckDB's look in an answer: JSON values, and the types of a table's columns."""

import json
import math
from datetime import datetime, timedelta
from typing import Any

# The names of Microsoft.ResourceGraph's ColumnDataType (specification, 2021-03-01).
_COLUMN_TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "integer",
    "SMALLINT": "integer",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "HUGEINT": "integer",
    "UTINYINT": "integer",
    "USMALLINT": "integer",
    "UINTEGER": "integer",
    "UBIGINT": "integer",
    "FLOAT": "number",
    "DOUBLE": "number",
    "VARCHAR": "string",
    "UUID": "string",
    "TIMESTAMP": "string",
    "INTERVAL": "string",
    "JSON": "object",
}

_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def column_type(duckdb_type: str) -> str:
    """Say which type a table answer gives a column."""
    if duckdb_type.endswith("[]"):
        return "object"
    return _COLUMN_TYPES.get(duckdb_type.partition("(")[0], "number")


def to_json(value: Any, duckdb_type: str) -> Any:
    """Show one value as an answer does.

    A string is never null (Kusto); a dynamic column holds JSON; datetimes lose the trailing zeros
    of their fraction and end in Z (recorded: resourcechanges-whole-answer of 2025).
    """
    if duckdb_type.endswith("[]"):
        return None if value is None else [to_json(item, duckdb_type[:-2]) for item in value]
    if value is None:
        return "" if duckdb_type == "VARCHAR" else None
    if duckdb_type == "JSON":
        return json.loads(value)
    if isinstance(value, datetime):
        return _datetime(value)
    if isinstance(value, timedelta):
        return _timespan(value)
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _NOT_FINITE[str(value)]
    return float(value) if duckdb_type.startswith("DECIMAL") else str(value)


def _datetime(value: datetime) -> str:
    text = value.strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{value.microsecond:06d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def _timespan(value: timedelta) -> str:
    """Write a timespan as .NET does: [-][d.]hh:mm:ss[.fffffff]."""
    sign, span = ("-", -value) if value < timedelta(0) else ("", value)
    hours, rest = divmod(span.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    days = f"{span.days}." if span.days else ""
    fraction = f".{span.microseconds:06d}0" if span.microseconds else ""
    return f"{sign}{days}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"
