"""Telemetry that was captured: the envelopes that an Application Insights exporter sends."""

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

type Envelope = dict[str, Any]

# Telemetry is of our days; with a date near the calendar's ends nothing can be reckoned.
_FIRST_YEAR, _LAST_YEAR = 2000, 2999


class CaptureError(Exception):
    """A file does not hold telemetry; the message says why and what would."""


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
    found = [envelope for file in files for envelope in _read(file)]
    if not found:
        raise CaptureError(f"{place} holds no telemetry: capture a sweep first.")
    return found


def _read(file: Path) -> list[Envelope]:
    try:
        text = file.read_text("utf-8")
        found = (
            _decoded(text)
            if text.lstrip().startswith("[")
            else [_decoded(line) for line in text.splitlines() if line.strip()]
        )
    except (OSError, ValueError, RecursionError) as error:
        raise CaptureError(
            f"{file} can't be read as telemetry ({error}). A capture is a JSON array of the "
            "envelopes that an exporter sends, or one envelope a line."
        ) from error
    for number, envelope in enumerate(found, 1):
        problem = _problem(envelope)
        if problem:
            raise CaptureError(
                f"{file}: item {number} is not an Application Insights envelope: {problem}."
            )
    return list(found)


def _decoded(text: str) -> Any:
    """Decode JSON, which Python's takes more than: NaN, and numbers too large for any column."""
    return json.loads(text, parse_constant=_no_number, parse_float=_number)


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
    try:
        moment = time_of(envelope)
    except (KeyError, TypeError, ValueError):
        return f"its time is {envelope.get('time')!r}"
    if not moment.tzinfo:
        return "its time has no zone"
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return f"its time is of the year {moment.year}"
    if not isinstance(envelope.get("tags") or {}, dict):
        return "its tags are no object"
    return _problem_of_data(data["baseData"])


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
