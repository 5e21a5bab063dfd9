"""Azure Monitor's metrics of accounts: which there are, and what they are over a time. No HTTP."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from local_azure.sources import behaviour
from local_azure.state.account import Account
from local_azure.state.traffic import Calls

# Points are this far apart; FULL is one point for all of the time. [Microsoft.Insights 2023-10-01]
GRAINS: Mapping[str, timedelta | None] = {
    "PT1M": timedelta(minutes=1),
    "PT5M": timedelta(minutes=5),
    "PT15M": timedelta(minutes=15),
    "PT30M": timedelta(minutes=30),
    "PT1H": timedelta(hours=1),
    "PT6H": timedelta(hours=6),
    "PT12H": timedelta(hours=12),
    "P1D": timedelta(days=1),
    "FULL": None,
}
_CALL = (
    "ApiName",
    "OperationName",
    "Region",
    "StreamType",
    "ModelDeploymentName",
    "ModelName",
    "ModelVersion",
    "StatusCode",
)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that counts calls."""

    name: str
    title: str
    description: str
    dimensions: tuple[str, ...]
    kinds: frozenset[str] | None = None  # of accounts that have data; None: all


# [azure-monitor-docs reference/supported-metrics/microsoft-cognitiveservices-accounts-metrics]
METRICS = {
    metric.name.lower(): metric
    for metric in (
        Metric(
            "AzureOpenAIRequests",
            "Azure OpenAI Requests",
            "Number of calls made to the Azure OpenAI API over a period of time. Applies to PTU, "
            "PTU-Managed and Pay-as-you-go deployments.",
            _CALL,
            frozenset({"OpenAI", "AIServices"}),
        ),
        Metric(
            "ModelRequests",
            "Model Requests",
            "Number of calls made to the model API over a period of time. Applies to PTU, "
            "PTU-Managed and Pay-as-you-go deployments.",
            _CALL,
            frozenset({"OpenAI", "AIServices"}),
        ),
        Metric(
            "TotalCalls",
            "Total Calls",
            "Total number of calls.",
            ("ApiName", "OperationName", "Region", "RatelimitKey"),
        ),
    )
}
# Others that an account has: known, and not modelled.
OTHER_METRICS = (
    "SuccessfulCalls",
    "TotalErrors",
    "BlockedCalls",
    "ServerErrors",
    "ClientErrors",
    "DataIn",
    "DataOut",
    "Latency",
    "TotalTokenCalls",
    "SuccessRate",
    "Ratelimit",
    "TokenTransaction",
    "ProcessedPromptTokens",
    "GeneratedTokens",
    "FineTunedTrainingHours",
    "AzureOpenAIAvailabilityRate",
    "AzureOpenAITimeToResponse",
    "AzureOpenAIProvisionedManagedUtilizationV2",
    "ModelAvailabilityRate",
    "TotalTokens",
    "InputTokens",
    "OutputTokens",
)


@dataclass(frozen=True, slots=True)
class Series:
    """The values of the dimensions that were asked for, by name, and the points."""

    values: tuple[tuple[str, str], ...]
    points: tuple[tuple[datetime, int], ...]


class FilterError(ValueError):
    """A filter that isn't modelled, or makes no sense."""


type Filter = Mapping[str, frozenset[str] | None]
"""Values that are asked for, by dimension; None: all of them, each for itself."""

_CLAUSE = re.compile(r"\s*\(?\s*([\w.]+)\s+eq\s+'([^']*)'\s*\)?\s*", re.IGNORECASE)


def read_filter(text: str) -> Filter:
    """Read `ModelDeploymentName eq '*' and StatusCode eq '401'`. Raises FilterError."""
    found: dict[str, set[str]] = {}
    for clause in re.split(r"\s+(?:and|or)\s+", text.strip(), flags=re.IGNORECASE):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise FilterError(f"$filter {text}")
        found.setdefault(match[1], set()).add(match[2])
    return {name: None if "*" in values else frozenset(values) for name, values in found.items()}


@behaviour(
    "points are counted from the start of the span, both its ends floored to the minute; FULL is "
    "one point at its start",
    "data/recorded metrics-03, -06, -10; fact 62; azure-monitor-docs for FULL",
    "recorded",
)
@behaviour(
    "with a filter a series for each combination of values, their names in lower case and sorted; "
    "no call in all of the time: no series",
    "data/recorded metrics-06, -07, -10; facts 62, 63",
    "recorded",
)
@behaviour(
    "a point without calls is 0",
    "data/recorded metrics-10 (a metric of these accounts), metrics-batch-01; others have no value",
    "recorded",
)
@behaviour(
    "a call that was refused counts as any other",
    "nobody says whether it does (shared facts, impact: not known)",
    "unverified",
)
def series_of(
    metric: Metric,
    account: Account,
    calls: Sequence[Calls],
    asked: Filter,
    span: tuple[datetime, datetime],
    grain: str,
) -> list[Series]:
    """Return a metric of an account over a time, by the dimensions that were asked for."""
    if metric.kinds is not None and account.kind not in metric.kinds:
        return []
    begin, end = (moment.replace(second=0, microsecond=0) for moment in span)
    grouped: dict[tuple[tuple[str, str], ...], list[Calls]] = {}
    for some in calls:
        values = _values(some, account, asked)
        if values is not None and some.within(begin, end):
            grouped.setdefault(values, []).append(some)
    return [
        Series(values, tuple(_points(group, begin, end, GRAINS[grain])))
        for values, group in sorted(grouped.items())
    ]


def _values(calls: Calls, account: Account, asked: Filter) -> tuple[tuple[str, str], ...] | None:
    """Return the values of the dimensions asked for; None: the filter leaves these calls out."""
    known = dimension_values(calls, account)
    found = []
    for name, wanted in asked.items():
        value = known.get(name.lower(), "")
        if wanted is not None and value.lower() not in {one.lower() for one in wanted}:
            return None
        found.append((name.lower(), value))
    return tuple(sorted(found))


def dimension_values(calls: Calls, account: Account) -> dict[str, str]:
    """Return what the dimensions of these calls are, by their names in lower case."""
    return {
        "apiname": calls.api,
        "operationname": calls.operation,
        "region": account.location.replace(" ", "").lower(),
        "streamtype": "Streaming" if calls.streaming else "Non-Streaming",
        "modeldeploymentname": calls.deployment,
        "modelname": calls.model,
        "modelversion": "",
        "statuscode": str(calls.status),
        "ratelimitkey": "",
    }


def _points(
    group: Sequence[Calls], begin: datetime, end: datetime, step: timedelta | None
) -> Iterator[tuple[datetime, int]]:
    at = begin
    while at < end:
        until = end if step is None else min(at + step, end)
        yield at, sum(calls.within(at, until) for calls in group)
        at = until
