"""Rows of a workspace's AzureDiagnostics, made up: one logged call each."""

import json
from datetime import datetime, timedelta
from typing import Literal

from dashboard.capture import Row
from tests.support.told_sweeps import DAY

type With = Literal["a key", "an identity", "nobody knows"]


def call(
    ago: float,
    with_: With = "a key",
    status: int = 200,
    *,
    as_object: bool = False,
    deployment: str = "gpt-4o",
) -> Row:
    """Return a call of the account `bot`, so many days before the day of the told sweeps."""
    at: datetime = DAY - timedelta(days=ago)
    caller = "4e2f3c1a-0000-4000-8000-000000000001" if with_ == "an identity" else ""
    said = {"apiName": "v1", "objectId": caller, "modelDeploymentName": deployment}
    row: Row = {
        "TimeGenerated": f"{at.isoformat()}Z",
        "ResourceProvider": "MICROSOFT.COGNITIVESERVICES",
        "Category": "RequestResponse",
        "OperationName": "ChatCompletions_Create",
        "ResultSignature": str(status),
        "CallerIPAddress": "203.0.113.***",
        "CorrelationId": f"{with_}-{ago}-{deployment}",
        "_ResourceId": "/a/bot",
    }
    if as_object:
        taken_apart = {"apiName_s": "v1", "modelDeploymentName_s": deployment}
        return row | taken_apart | ({"objectId_g": caller} if caller else {})
    text = json.dumps(said)
    return row | {"properties_s": text[: len(text) // 3] if with_ == "nobody knows" else text}


def every_day(with_: With, days: int = 30) -> list[Row]:
    """Return a call a day, up to the day of the told sweeps."""
    return [call(ago, with_) for ago in range(days + 1)]
