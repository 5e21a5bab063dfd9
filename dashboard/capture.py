"""Telemetry that was captured: the envelopes that an Application Insights exporter sends."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

type Envelope = dict[str, Any]


class CaptureError(Exception):
    """A file does not hold telemetry; the message says why and what would."""


def read_capture(file: Path) -> list[Envelope]:
    """Read envelopes: a JSON array, or one JSON object a line.

    Raises CaptureError if the file can't be read or holds anything else.
    """
    try:
        text = file.read_text()
        found = (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [json.loads(line) for line in text.splitlines() if line.strip()]
        )
    except (OSError, ValueError) as error:
        raise CaptureError(
            f"{file} can't be read as telemetry ({error}). A capture is a JSON array of the "
            "envelopes that an exporter sends, or one envelope a line."
        ) from error
    for number, each in enumerate(found, 1):
        problem = _problem(each)
        if problem:
            raise CaptureError(
                f"{file}: item {number} is not an Application Insights envelope: {problem}."
            )
    if not found:
        raise CaptureError(f"{file} holds no telemetry: capture a sweep first.")
    return list(found)


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
    return "" if moment.tzinfo else "its time has no zone"
