"""What Application Insights finds wrong with an envelope, in its words."""

import json
import re
from datetime import datetime
from typing import Any

from local_azure.sources import behaviour

_FRACTION = re.compile(r"\.\d+")

# The fields that a type of telemetry must have, and what they must be [the exporter's models,
# which are generated from Microsoft's specification of 2020-09-15_Preview].
_REQUIRED: dict[str, dict[str, type]] = {
    "AvailabilityData": {"id": str, "name": str, "duration": str, "success": bool},
    "EventData": {"name": str},
    "ExceptionData": {"exceptions": list},
    "MessageData": {"message": str},
    "MetricData": {"metrics": list},
    "PageViewData": {"id": str, "name": str},
    "PageViewPerfData": {"id": str, "name": str},
    "RemoteDependencyData": {"name": str, "duration": str},
    "RequestData": {"id": str, "duration": str, "success": bool, "responseCode": str},
}
_PARTS: dict[str, tuple[str, str, dict[str, type]]] = {
    "ExceptionData": ("exceptions", "ExceptionDetails", {"message": str}),
    "MetricData": ("metrics", "DataPoint", {"name": str, "value": float}),
}
_LONGEST_NAME = 512
_LONGEST_TAG = {"ai.operation.name": 1024}
_WORDS: dict[type, str] = {
    bool: "boolean",
    dict: "object",
    float: "number",
    list: "array",
    str: "string",
}


@behaviour(
    "a field that is missing or empty is error 109, one of the wrong type 106, too long 107, a "
    "time that is none 102, an unknown type 'Unknown domain type'",
    "answers pasted in microsoft/ApplicationInsights-Home#419, -node.js#864, -Java#4283, "
    "azure-docs#77260, VladimirRybalko/angular-applicationinsights#37 and the JS SDK's tests",
    "recorded",
)
@behaviour(
    "which fields a type must have",
    "the exporter's models, generated from Microsoft's specification; only name, time, message, "
    "exceptions and a point's name and value were seen refused",
    "inferred",
)
def problem(envelope: dict[str, Any]) -> str | None:
    """Return why the envelope is refused; None: it isn't."""
    found = _misfit("Envelope", envelope, {"name": str, "time": str, "data": dict})
    if found is not None:
        return found
    if not _is_time(envelope["time"]):
        return (
            "102: Field 'time' on type 'Envelope' is not a valid time string. Expected: date, "
            f"Actual: {envelope['time']}"
        )
    data = envelope["data"]
    return (
        _misfit("Data", data, {"baseType": str, "baseData": dict})
        or _bad_data(data["baseType"], data["baseData"])
        or _long_tag(envelope.get("tags") or {})
    )


def _bad_data(kind: str, data: dict[str, Any]) -> str | None:
    if kind not in _REQUIRED:
        return f"Unknown domain type 'Microsoft.ApplicationInsights.{kind}'"
    found = _misfit(kind, data, _REQUIRED[kind])
    if found is not None:
        return found
    if kind == "EventData" and len(data["name"]) > _LONGEST_NAME:
        return _too_long("name", kind, _LONGEST_NAME, len(data["name"]))
    if kind in _PARTS:
        field, part, required = _PARTS[kind]
        for item in data[field]:
            if not isinstance(item, dict):
                return _wrong_type(field, kind, dict, item)
            found = _misfit(part, item, required)
            if found is not None:
                return found
    return _bad_properties(kind, data)


def _bad_properties(kind: str, data: dict[str, Any]) -> str | None:
    for field, wanted in (("properties", str), ("measurements", float)):
        values = data.get(field)
        if values is None:
            continue
        if not isinstance(values, dict):
            return _wrong_type(field, kind, dict, values)
        for name, value in values.items():
            if not _is(value, wanted):
                return _wrong_type(name, kind, wanted, value)
    return None


def _long_tag(tags: dict[str, Any]) -> str | None:
    for tag, longest in _LONGEST_TAG.items():
        value = str(tags.get(tag) or "")
        if len(value) > longest:
            return _too_long(tag, "ContextTagKeys", longest, len(value))
    return None


def _misfit(kind: str, found: dict[str, Any], required: dict[str, type]) -> str | None:
    for name, wanted in required.items():
        value = found.get(name)
        if (value is None or value == "") and wanted is str:
            actual = "undefined" if name not in found else ""
            return (
                f"109: Field '{name}' on type '{kind}' is required but missing or empty. "
                f"Expected: string, Actual: {actual}"
            )
        if not _is(value, wanted):
            return _wrong_type(name, kind, wanted, "undefined" if name not in found else value)
    return None


def _is(value: Any, wanted: type) -> bool:
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, wanted)


def _is_time(text: str) -> bool:
    # Python reads six digits of a second, the exporter sends up to seven.
    try:
        datetime.fromisoformat(_FRACTION.sub("", text))
    except ValueError:
        return False
    return True


def _wrong_type(field: str, kind: str, wanted: type, actual: Any) -> str:
    return (
        f"106: Field '{field}' on type '{kind}' is of incorrect type. Expected: {_WORDS[wanted]}, "
        f"Actual: {actual if isinstance(actual, str) else json.dumps(actual)}"
    )


def _too_long(field: str, kind: str, longest: int, length: int) -> str:
    return (
        f"107: Field '{field}' on type '{kind}' is too long. Expected: {longest} characters, "
        f"Actual: {length}"
    )
