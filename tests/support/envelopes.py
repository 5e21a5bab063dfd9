"""Telemetry as the exporter sends it, made up: one event an envelope."""

from collections.abc import Mapping
from typing import Any


def event_envelope(
    name: str,
    time: str,
    measurements: Mapping[str, float] | None = None,
    deployment: str = "func-keysweep",
    **properties: object,
) -> dict[str, Any]:
    """Return a custom event; every one says which sweep it is of, and that one's mode."""
    data = {
        "name": name,
        "properties": {"sweepId": "s", "mode": "audit", **properties},
        "measurements": measurements or {},
    }
    tags = {"ai.cloud.role": deployment}
    return {"time": time, "tags": tags, "data": {"baseType": "EventData", "baseData": data}}
