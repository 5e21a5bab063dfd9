"""Telemetry as the exporter sends it, made up: one event an envelope."""

from typing import Any


def event_envelope(
    name: str, time: str, measurements: dict[str, Any] | None = None, **properties: object
) -> dict[str, Any]:
    """Return a custom event; every one says which sweep it is of, and that one's mode."""
    data = {
        "name": name,
        "properties": {"sweepId": "s", "mode": "audit", **properties},
        "measurements": measurements or {},
    }
    tags = {"ai.cloud.role": "func-keysweep"}
    return {"time": time, "tags": tags, "data": {"baseType": "EventData", "baseData": data}}
