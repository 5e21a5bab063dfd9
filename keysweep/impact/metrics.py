"""Calls as Azure Monitor's metrics count them: what is asked for, and what an answer means. Pure.

No metric of an account says who called (azure-monitor-docs, supported metrics of
Microsoft.CognitiveServices/accounts, 2026-07-31): they say how many there were, of which day,
deployment and status, and the request log is held against that. An answer that lacks something is
no answer of zero: a span that was cut, series that were dropped and metrics that failed are named.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from keysweep.impact.callers import REFUSED
from keysweep.impact.evidence import Asked, CallCount, CallCounts, Unread
from keysweep.impact.moments import read_moment
from keysweep.words import the_first

NAMESPACE = "Microsoft.CognitiveServices/accounts"
MOST_DAYS = 30
"""A span of more than 31 days is cut in silence (recorded exchanges, fact 61)."""
MOST_RESOURCES = 50
"""In one batch (azure-monitor-docs, migrate-to-batch-api.md)."""
_MODELS = "ModelDeploymentName"
_STATUS = "StatusCode"
# Left out, it is 10, and further series are dropped in silence (fact 67).
_TOP = 10_000
_MINUTE = timedelta(minutes=1)

type _OfDay = tuple[int, str, str]
"""A day, a deployment and a status."""
type _OfMinute = tuple[datetime, str, str]


@dataclass(frozen=True, slots=True)
class MetricsQuery:
    """Metrics that have the same dimensions, and the span in which they are asked for."""

    names: tuple[str, ...]
    filter: str
    begin: datetime
    end: datetime
    interval: str = "P1D"

    @property
    def parameters(self) -> dict[str, str]:
        """Return what both ways of asking have in common, but for how they write the span."""
        filtered = {"top": str(_TOP)} if self.filter else {}
        return {
            "metricnamespace": NAMESPACE,
            "metricnames": ",".join(self.names),
            "interval": self.interval,
            "aggregation": "total",
            **filtered,
        }


def queries(kind: str, begin: datetime, end: datetime) -> tuple[MetricsQuery, ...]:
    """Return what to ask of an account of this kind.

    Calls of models have a deployment and a status; `TotalCalls` has neither, and is what the other
    services of a Foundry account count in. Each API may count a call in two of them, so the largest
    counts.
    """
    models = MetricsQuery(
        ("AzureOpenAIRequests", "ModelRequests"),
        f"{_MODELS} eq '*' and {_STATUS} eq '*'",
        begin,
        end,
    )
    others = MetricsQuery(("TotalCalls",), "", begin, end)
    match kind.lower():
        case "openai":
            return (models,)
        case "aiservices":
            return (models, others)
        case _:
            return (others,)


def metrics_problem(value: object) -> str:
    """Say what is wrong with the metrics of one resource; empty: nothing."""
    metrics = value.get("value") if isinstance(value, dict) else None
    if not isinstance(metrics, list):
        return "it has no metrics"
    for metric in metrics:
        series = metric.get("timeseries") if isinstance(metric, dict) else None
        name = metric.get("name") if isinstance(metric, dict) else None
        if not (isinstance(name, dict) and isinstance(name.get("value"), str)):
            return "a metric of it has no name"
        if not isinstance(series, list) or not all(map(_is_series, series)):
            return "a metric of it has no time series"
    return ""


def batch_problem(body: object) -> str:
    """Say what is wrong with an answer about several resources; empty: nothing."""
    values = body.get("values") if isinstance(body, dict) else None
    if not isinstance(values, list):
        return "it has no values"
    for value in values:
        if not isinstance(value, dict) or not isinstance(value.get("resourceid"), str):
            return "a value of it does not say of which resource it is"
        problem = metrics_problem(value)
        if problem:
            return problem
    return ""


def _is_series(series: object) -> bool:
    if not isinstance(series, dict) or not isinstance(series.get("data"), list):
        return False
    return all(
        isinstance(point, dict)
        and read_moment(point.get("timeStamp"))
        # Without a total nothing happened; one that is no number is not nothing, and nor is one of
        # another aggregation in its place.
        and isinstance(point.get("total"), int | float | None)
        and ("total" in point or set(point) == {"timeStamp"})
        for point in series["data"]
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """What one answer says of one account."""

    query: MetricsQuery
    value: Mapping[str, Any]
    series_in_answer: int
    """Of all resources that the answer is about: `top` is for all of them."""


def series_in(values: Iterable[Mapping[str, Any]]) -> int:
    """Count the time series of an answer."""
    return sum(len(metric["timeseries"]) for value in values for metric in value["value"])


def counted_calls(asked: Asked, answers: Sequence[Measured | Unread]) -> CallCounts | Unread:
    """Put together what the answers say of one account."""
    for answer in answers:
        if isinstance(answer, Unread):
            return answer
    measured = [answer for answer in answers if isinstance(answer, Measured)]
    doubts = tuple(dict.fromkeys(doubt for answer in measured for doubt in doubts_of(answer)))
    by_metric: defaultdict[str, Counter[_OfDay]] = defaultdict(Counter)
    for answer in measured:
        for metric in answer.value["value"]:
            # A metric that stands there twice is in two parts.
            by_metric[metric["name"]["value"].lower()].update(_counts(asked, metric))
    totals = by_metric.pop("totalcalls", Counter())
    of_models: Counter[_OfDay] = Counter()
    for of_metric in by_metric.values():
        of_models |= of_metric
    counts = [CallCount(*key, calls) for key, calls in sorted(of_models.items()) if calls]
    return CallCounts((*counts, *_beyond(counts, totals)), doubts)


def _beyond(counts: Sequence[CallCount], totals: Mapping[_OfDay, int]) -> Iterator[CallCount]:
    """Return the calls that only `TotalCalls` has, those of other services than models.

    Whether it counts those of models too is not known: not where it has fewer than they are.
    """
    for (day, _, _), total in sorted(totals.items()):
        of_models = sum(count.calls for count in counts if count.day == day)
        if total != of_models:
            yield CallCount(day, "", "", total - of_models if total > of_models else total)


def _counts(asked: Asked, metric: Mapping[str, Any]) -> dict[_OfDay, int]:
    found: defaultdict[_OfDay, int] = defaultdict(int)
    for (moment, deployment, status), calls in _points(metric):
        # A point is of what follows it.
        found[asked.day(max(moment, asked.begin)), deployment, status] += calls
    return found


def _points(metric: Mapping[str, Any]) -> Iterator[tuple[_OfMinute, int]]:
    """Return the calls that a metric counts, as many as it has points."""
    for series in metric["timeseries"]:
        dimensions = _dimensions(series)
        deployment, status = (dimensions.get(name.lower(), "") for name in (_MODELS, _STATUS))
        for point in series["data"]:
            moment, total = read_moment(point["timeStamp"]), point.get("total")
            if moment is not None and total:
                yield (moment, deployment, status), round(total)


def _dimensions(series: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of a series' dimensions, by their names in lower case (fact 63)."""
    return {
        str(data["name"]["value"]).lower(): str(data.get("value") or "")
        for data in series.get("metadatavalues") or []
        if isinstance(data, dict) and isinstance(data.get("name"), dict)
    }


def doubts_of(answer: Measured) -> Iterator[str]:
    """Say what an answer leaves out."""
    query, value = answer.query, answer.value
    there = {metric["name"]["value"].lower() for metric in value["value"]}
    missing = [name for name in query.names if name.lower() not in there]
    if missing:
        yield f"Azure Monitor gave no {the_first(missing)}."
    for metric in value["value"]:
        code = metric.get("errorCode", "Success")
        if code != "Success":
            yield f"Azure Monitor could not read {metric['name']['value']}: {code}."
    if query.filter and answer.series_in_answer >= _TOP:
        yield f"Azure Monitor gave {_TOP} time series, and may have dropped others."
    yield from _cut(query, value)


def _cut(query: MetricsQuery, value: Mapping[str, Any]) -> Iterator[str]:
    """Say which part of the time an answer is not about, or that it does not say."""
    begin, end = _span_of(value)
    interval = str(value.get("interval") or "")
    if begin is None or end is None or not interval:
        yield "Azure Monitor does not say of which time its counts are: they may be of a part."
        return
    # Both ends are floored to a minute, or cut to whole seconds (facts 62 and 66).
    if begin > query.begin + _MINUTE:
        yield f"Azure Monitor counted the calls only from {begin:%Y-%m-%d %H:%M} UTC on."
    if end < query.end - _MINUTE:
        yield f"Azure Monitor counted the calls only up to {end:%Y-%m-%d %H:%M} UTC."
    if interval.upper() != query.interval:
        yield f"Azure Monitor counted the calls by {interval}, and not by {query.interval}."


def _span_of(value: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """Read of which time an answer is: batches say it in two fields, ARM in one (fact 66)."""
    first, _, last = str(value.get("timespan") or "").partition("/")
    begin, end = value.get("starttime") or first, value.get("endtime") or last
    return read_moment(begin), read_moment(end)


def refused_calls(value: Mapping[str, Any], since: datetime) -> Mapping[_OfMinute, int]:
    """Return the calls that were refused, by minute, deployment and status, from a moment on."""
    found: Counter[_OfMinute] = Counter()
    for metric in value["value"]:
        of_metric: Counter[_OfMinute] = Counter()
        for point, calls in _points(metric):
            moment, _, status = point
            if moment >= since and status in REFUSED:
                of_metric[point] += calls
        # Each metric may count a call, so the largest counts.
        found |= of_metric
    return found
