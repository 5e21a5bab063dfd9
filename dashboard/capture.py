"""What was captured: the envelopes that an Application Insights exporter sends, and logged calls.

Logged calls are rows of the table AzureDiagnostics, as a query of a workspace returns them.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

type Envelope = dict[str, Any]
type Row = dict[str, Any]

# Telemetry is of our days; with a date near the calendar's ends nothing can be reckoned.
_FIRST_YEAR, _LAST_YEAR = 2000, 2999


class CaptureError(Exception):
    """A file does not hold what it should; the message says why and what would."""


def read_capture(place: Path) -> list[Envelope]:
    """Read envelopes from a file, or from every `.json` and `.jsonl` file of a folder.

    A file is a JSON array of them, or one JSON object a line. Raises CaptureError if one can't be
    read or holds anything else, and if there is nothing in them.
    """
    files = [place]
    if place.is_dir():
        try:
            files = sorted(file for file in place.iterdir() if file.suffix in {".json", ".jsonl"})
        except OSError as error:
            raise CaptureError(f"{place} can't be read ({error.strerror}).") from error
    found = [envelope for file in files for envelope in _read(file, _ENVELOPES, _problem)]
    if not found:
        raise CaptureError(f"{place} holds no telemetry: capture a sweep first.")
    return found


def read_diagnostics(file: Path) -> list[Row]:
    """Read rows of AzureDiagnostics: a JSON array of them, or one JSON object a line.

    There may be none of them. Raises CaptureError if the file can't be read or holds anything else.
    """
    return _read(file, _ROWS, _problem_of_row)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a file should hold, in words."""

    all: str
    one: str
    hint: str


_ENVELOPES = _Kind(
    "telemetry",
    "an Application Insights envelope",
    "A capture is a JSON array of the envelopes that an exporter sends, or one envelope a line.",
)
_ROWS = _Kind(
    "logged calls",
    "a row of AzureDiagnostics",
    "They are a JSON array of that table's rows, or one row a line.",
)


def _read(file: Path, kind: _Kind, problem_of: Callable[[object], str]) -> list[dict[str, Any]]:
    try:
        text = file.read_text("utf-8")
        found = _decoded(text) if text.lstrip().startswith("[") else _each_line(text)
    except (OSError, ValueError, RecursionError) as error:
        raise CaptureError(f"{file} can't be read as {kind.all} ({error}). {kind.hint}") from error
    for number, item in enumerate(found, 1):
        problem = problem_of(item)
        if problem:
            raise CaptureError(f"{file}: item {number} is not {kind.one}: {problem}.")
    return list(found)


def _each_line(text: str) -> list[Any]:
    """Decode one item a line; blank lines count for nothing."""
    lines = enumerate(text.splitlines(), 1)
    return [_decoded(line, number) for number, line in lines if line.strip()]


def _decoded(text: str, number: int = 1) -> Any:
    """Decode JSON, which Python's takes more than: NaN, and numbers too large for any column.

    `number`: the line of the file with which the text begins. Raises ValueError, which names where
    the text is wrong.
    """
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_number)
    except json.JSONDecodeError as error:
        line = number + error.lineno - 1
        raise ValueError(f"line {line}, column {error.colno}: {error.msg}") from error


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def time_of(envelope: Envelope) -> datetime:
    """Return when it happened."""
    return datetime.fromisoformat(envelope["time"])


def _problem(envelope: object) -> str:
    if not isinstance(envelope, dict):
        return "it is not a JSON object"
    data = envelope.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("baseData"), dict):
        return "it has no data.baseData"
    if not isinstance(data.get("baseType"), str):
        return "it has no data.baseType"
    problem = _problem_of_time(envelope.get("time"))
    if problem:
        return problem
    if not isinstance(envelope.get("tags") or {}, dict):
        return "its tags are no object"
    return _problem_of_data(data["baseData"])


def _problem_of_row(row: object) -> str:
    if not isinstance(row, dict):
        return "it is not a JSON object"
    if not isinstance(row.get("_ResourceId"), str):
        return "it has no _ResourceId"
    return _problem_of_time(row.get("TimeGenerated"))


def _problem_of_time(text: object) -> str:
    try:
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return f"its time is {text!r}"
    if not moment.tzinfo:
        return "its time has no zone"
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return f"its time is of the year {moment.year}"
    return ""


def _problem_of_data(data: dict[str, Any]) -> str:
    for name in ("properties", "measurements"):
        if not isinstance(data.get(name) or {}, dict):
            return f"its {name} are no object"
    metrics = data.get("metrics") or []
    if not isinstance(metrics, list):
        return "its metrics are no array"
    for metric in metrics:
        if not isinstance(metric, dict) or not isinstance(metric.get("name"), str):
            return "a metric has no name"
        if not isinstance(metric.get("value"), int | float):
            return f"the metric {metric['name']} has no value"
    return ""
