"""Azure Monitor's metrics: of one account at ARM, of up to fifty at a regional host."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from local_azure.exchange import Answer, Call, Origin
from local_azure.handlers.accounts import find_account
from local_azure.log import SeenRequest
from local_azure.services import Services
from local_azure.sources import NotModelledError, behaviour
from local_azure.state import ids
from local_azure.state.access import Principal
from local_azure.state.account import Account
from local_azure.state.measures import (
    GRAINS,
    METRICS,
    OTHER_METRICS,
    Filter,
    FilterError,
    Metric,
    Series,
    read_filter,
    series_of,
)

AUDIENCES = ("https://metrics.monitor.azure.com", "https://metrics.monitor.azure.com/")
READ = "Microsoft.Insights/metrics/read"
BATCH = re.compile(
    r"(?:/(?P<region>[a-z0-9]+))?/subscriptions/(?P<subscription>[^/]+)/metrics:getBatch/?",
    re.IGNORECASE,
)
_LONGEST = timedelta(days=31)
_RETENTION = timedelta(days=93)
_MOST_RESOURCES = 50
_DEFAULT_TOP = 10
_REASON_LENGTH = 512
_ARM_PARAMETERS = {
    "api-version",
    "timespan",
    "interval",
    "metricnames",
    "metricnamespace",
    "aggregation",
    "top",
    "$filter",
}
_BATCH_PARAMETERS = {
    "api-version",
    "starttime",
    "endtime",
    "interval",
    "metricnames",
    "metricnamespace",
    "aggregation",
    "top",
    "filter",
}
_DURATION = re.compile(r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?"
                       r"(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?")  # fmt: skip


class _BadRequestError(Exception):
    """What Azure Monitor refuses, in its words."""


@dataclass(frozen=True, slots=True)
class _Question:
    metrics: Sequence[Metric]
    filter: Filter
    begin: datetime
    end: datetime
    grain: str
    top: int


@behaviour(
    "metrics of a resource at ARM: cost, timespan, interval, value, namespace, resourceregion; "
    "cost is a minute less than the span's for each metric",
    "data/recorded metrics-01, -03, -10; fact 64",
    "recorded",
)
@behaviour(
    "errors of metrics at ARM have no `error` around them, and the reason phrase repeats the "
    "message, cut at 512 characters",
    "data/recorded metrics-error-01; facts 59, 60",
    "recorded",
)
@behaviour(
    "metrics of an account have the headers of 2024: Request-Context",
    "data/recorded metrics-03",
    "recorded",
)
def of_account(call: Call) -> Answer:
    """Return metrics of one account."""
    account = find_account(call)
    _check_parameters(call.query, _ARM_PARAMETERS)
    headers = {"Request-Context": "appId=cid-v1:b021da79-5252-4375-9df5-2e17c1dcd822"}
    try:
        question = _read(call.query, _span(call.query.get("timespan"), call.services.clock.now()))
    except _BadRequestError as error:
        message = str(error)
        refusal = {"code": "BadRequest", "message": message}
        reason = message[:_REASON_LENGTH]
        return Answer(400, refusal, Origin.MONITOR, headers, reason=reason)
    minutes = int((question.end - question.begin).total_seconds()) // 60
    value = [
        {**shown, "errorCode": "Success"}
        for shown in _values(call.services, account, question, _Room(question.top))
    ]
    body = {
        "cost": len(value) * max(0, minutes - 1),
        "timespan": f"{_seconds(question.begin)}/{_seconds(question.end)}",
        "interval": question.grain,
        "value": value,
        "namespace": ids.ACCOUNT_TYPE,
        "resourceregion": _region(account),
    }
    return Answer(200, body, Origin.MONITOR, headers)


@behaviour(
    "metrics:getBatch: values with starttime, endtime, interval, value, namespace, resourceregion "
    "and resourceid last, in the order of the ids; no cost, no errorCode; no x-ms headers",
    "data/recorded metrics-batch-01; fact 66",
    "recorded",
)
@behaviour(
    "metrics:getBatch without Microsoft.Insights/metrics/read on the subscription: 401 without a "
    "body, whatever may be read in it; so without a token that is for it",
    "data/recorded metrics-batch-06 (status documented, body unknown); fact 67",
    "documented",
)
@behaviour(
    "errors of metrics:getBatch have additionalInfo before code, inside `error`",
    "data/recorded metrics-batch-03, -05; facts 59, 67",
    "documented",
)
def batch(seen: SeenRequest, services: Services) -> Answer | None:
    """Return metrics of several accounts; None: it is not modelled. Raises NotModelledError."""
    match = BATCH.fullmatch(seen.path)
    if seen.method != "POST" or match is None:
        return None
    tenant, subscription = services.tenant, match["subscription"].lower()
    bearer = services.tokens.check(seen.headers.get("Authorization"), audiences(services))
    scope = ids.subscription_scope(subscription)
    if not isinstance(bearer, Principal) or not tenant.may(bearer, READ, scope):
        return Answer(401, None, Origin.PLAIN, _batch_headers(), reason="Unauthorized")
    query = {name.lower(): value for name, value in seen.query.items()}
    _check_parameters(query, _BATCH_PARAMETERS)
    try:
        question = _read(query, _named_span(query, services.clock.now()))
        accounts = _accounts(seen, services, subscription, match["region"])
    except _BadRequestError as error:
        return _batch_refused(str(error), services)
    room = _Room(question.top)
    values = [_of_one(services, named, account, question, room) for named, account in accounts]
    return Answer(200, {"values": values}, Origin.PLAIN, _batch_headers())


def audiences(services: Services) -> tuple[str, ...]:
    """Return what a token may be for."""
    return (*AUDIENCES, services.metrics_url(), f"{services.metrics_url()}/")


def _of_one(
    services: Services, named: str, account: Account | None, question: _Question, room: "_Room"
) -> dict[str, Any]:
    return {
        "starttime": _seconds(question.begin),
        "endtime": _seconds(question.end),
        "interval": question.grain,
        "value": [] if account is None else _values(services, account, question, room),
        "namespace": ids.ACCOUNT_TYPE,
        **({} if account is None else {"resourceregion": _region(account)}),
        "resourceid": named if account is None else account.id,
    }


@dataclass(slots=True)
class _Room:
    """How many series are still shown, of all that an answer has."""

    left: int

    @behaviour(
        "`top` (10 if left out) drops further series without a word, of all that are in a batch",
        "the REST reference says of each resource; users count by batch (Azure/azure-sdk-for-go"
        "#22757); fact 67. Which ones are dropped is ours: the last",
        "inferred",
    )
    def take(self, series: Sequence[Series]) -> Sequence[Series]:
        """Return those that have room."""
        shown = series[: self.left]
        self.left -= len(shown)
        return shown


def _values(
    services: Services, account: Account, question: _Question, room: _Room
) -> list[dict[str, Any]]:
    calls = services.tenant.traffic.of(account.id)
    span = (question.begin, question.end)
    found = []
    for metric in question.metrics:
        series = series_of(metric, account, calls, question.filter, span, question.grain)
        shown = room.take(series) if question.filter else series
        found.append(
            {
                "id": f"{account.id}/providers/Microsoft.Insights/metrics/{metric.name}",
                "type": "Microsoft.Insights/metrics",
                "name": {"value": metric.name, "localizedValue": metric.title},
                "displayDescription": metric.description,
                "unit": "Count",
                "timeseries": [_series(one) for one in shown],
            }
        )
    return found


def _series(series: Series) -> dict[str, Any]:
    return {
        "metadatavalues": [
            {"name": {"value": name, "localizedValue": name}, "value": value}
            for name, value in series.values
        ],
        "data": [{"timeStamp": _seconds(at), "total": total} for at, total in series.points],
    }


@behaviour(
    "an unknown metric is refused and all others are named; so is an unknown dimension; names in "
    "any case, and returned in their own",
    "data/recorded metrics-error-01, metrics-batch-01, -03; facts 60, 66",
    "recorded",
)
@behaviour(
    "the words that refuse an interval that there isn't",
    "from memory",
    "unverified",
)
def _read(query: Mapping[str, str], span: tuple[datetime, datetime]) -> _Question:
    names = [name.strip() for name in query.get("metricnames", "").split(",") if name.strip()]
    if not names:
        raise NotModelledError("metrics without metricnames")
    metrics = [_metric(name) for name in names]
    grain = query.get("interval", "PT1M").upper()
    if grain not in GRAINS:
        raise _BadRequestError(
            f"Detected invalid time grain input: {grain}, supported ones are: "
            f"{','.join(name for name in GRAINS if name != 'FULL')}"
        )
    aggregations = {name.strip() for name in query.get("aggregation", "total").lower().split(",")}
    if aggregations != {"total"}:
        raise NotModelledError(f"aggregation={query['aggregation']}")
    text = query.get("$filter", query.get("filter", ""))
    try:
        asked = read_filter(text) if text else {}
    except FilterError as error:
        raise NotModelledError(str(error)) from error
    for metric in metrics:
        _check_dimensions(metric, asked)
    return _Question(metrics, asked, *span, grain, int(query.get("top", _DEFAULT_TOP)))


def _metric(name: str) -> Metric:
    found = METRICS.get(name.lower())
    if found is not None:
        return found
    if name.lower() in {other.lower() for other in OTHER_METRICS}:
        raise NotModelledError(f"metric {name}")
    valid = ",".join([*(metric.name for metric in METRICS.values()), *OTHER_METRICS])
    raise _BadRequestError(
        "Failed to find metric configuration for provider: Microsoft.CognitiveServices, resource "
        f"Type: accounts, metric: {name}, Valid metrics: {valid}"
    )


def _check_dimensions(metric: Metric, asked: Filter) -> None:
    known = {name.lower() for name in metric.dimensions}
    if any(name.lower() not in known for name in asked):
        raise _BadRequestError(
            f"Metric: {metric.name} does not support requested dimension combination: "
            f"{','.join(name.lower() for name in asked)}, supported ones are: "
            f"{','.join(metric.dimensions)}, TraceId: {{{ids.guid('trace', metric.name)}}}"
        )


def _check_parameters(query: Mapping[str, str], known: set[str]) -> None:
    unknown = set(query) - known
    if unknown:
        raise NotModelledError(f"metrics with {', '.join(sorted(unknown))}")
    namespace = query.get("metricnamespace", ids.ACCOUNT_TYPE)
    if namespace.lower() != ids.ACCOUNT_TYPE.lower():
        raise NotModelledError(f"metricnamespace={namespace}")


@behaviour(
    "without a timespan the last hour; a duration ends a minute ago; seconds are cut off",
    "data/recorded metrics-03, metrics-04; fact 64",
    "recorded",
)
@behaviour(
    "a span of more than 31 days is cut to its last 31 days, without a word",
    "data/recorded metrics-01 (2023, at ARM); fact 61",
    "recorded",
)
def _span(text: str | None, now: datetime) -> tuple[datetime, datetime]:
    if text is None:
        return _cut(now - timedelta(hours=1), now)
    # One client encodes it twice (metrics-01).
    first, _, last = unquote(text).partition("/")
    duration = _DURATION.fullmatch(first)
    if duration is not None and not last:
        length = {name: float(value or 0) for name, value in duration.groupdict().items()}
        end = now - timedelta(minutes=1)
        return _cut(end - timedelta(**length), end)
    return _cut(_moment(first), _moment(last))


@behaviour(
    "metrics:getBatch refuses an end more than 93 days ago, and cuts a span of more than 31 days "
    "as ARM does",
    "data/recorded metrics-batch-05 for the first (2023, words of the API's owner); fact 61 for "
    "ARM's cut; that the batch does it too, nobody showed",
    "inferred",
)
def _named_span(query: Mapping[str, str], now: datetime) -> tuple[datetime, datetime]:
    end = _moment(query["endtime"]) if "endtime" in query else now
    begin = _moment(query["starttime"]) if "starttime" in query else end - timedelta(hours=1)
    if end < now - _RETENTION:
        raise _BadRequestError(
            f"Query endTime: {end:%m/%d/%Y %H:%M:%S} is out of the Max metrics retention period: "
            f"93.00:00:00, traceId: {{{ids.guid('trace', end)}}}"
        )
    return _cut(begin, end)


def _cut(begin: datetime, end: datetime) -> tuple[datetime, datetime]:
    begin, end = begin.replace(microsecond=0), end.replace(microsecond=0)
    if end < begin:
        raise NotModelledError("a span that ends before it begins")
    return max(begin, end - _LONGEST), end


def _moment(text: str) -> datetime:
    # Python reads six digits of a second, SDKs send up to seven.
    short = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    try:
        moment = datetime.fromisoformat(short)
    except ValueError as error:
        raise _BadRequestError(f"Invalid time: {text}") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@behaviour(
    "more than 50 ids, of another subscription, type or region: refused; the words are ours",
    "azure-monitor-docs migrate-to-batch-api.md (the rule); no body was found",
    "unverified",
)
@behaviour(
    "an id of an account that isn't there has no metrics",
    "no source",
    "unverified",
)
def _accounts(
    seen: SeenRequest, services: Services, subscription: str, region: str | None
) -> list[tuple[str, Account | None]]:
    try:
        named = [str(one) for one in json.loads(seen.body or b"null")["resourceids"]]
    except (ValueError, TypeError, KeyError) as error:
        raise NotModelledError("a body without resourceids") from error
    if len(named) > _MOST_RESOURCES:
        raise _BadRequestError(f"A batch may have {_MOST_RESOURCES} resources, not {len(named)}.")
    found = [(one, _account(one, services, subscription)) for one in named]
    regions = {_region(account) for _, account in found if account is not None}
    regions |= {region.lower()} if region else set()
    if len(regions) > 1:
        raise _BadRequestError(f"Resources of several regions: {', '.join(sorted(regions))}.")
    return found


def _account(resource_id: str, services: Services, subscription: str) -> Account | None:
    if ids.account_of(resource_id) != resource_id:
        raise _BadRequestError(f"Not a resource of {ids.ACCOUNT_TYPE}: {resource_id}")
    if ids.subscription_of(resource_id) != subscription:
        raise _BadRequestError(f"A resource of another subscription: {resource_id}")
    return services.tenant.find_account(resource_id)


def _batch_refused(message: str, services: Services) -> Answer:
    error = {
        "additionalInfo": [
            {"type": "string", "info": f"TraceId={{{ids.guid('trace', services.clock.now())}}}"},
            {
                "type": "string",
                "info": "ExceptionType=Microsoft.Online.Metrics.MetricsMP.Utilities."
                "RPRequestFormatException",
            },
        ],
        "code": "BadRequest",
        "message": message,
    }
    return Answer(400, {"error": error}, Origin.PLAIN, _batch_headers())


def _batch_headers() -> dict[str, str]:
    return {
        "Request-Context": "appId=cid-v1:1c48eba8-bdc1-49ec-ad6b-dc7760f7ec37",
        "Strict-Transport-Security": "max-age=15724800; includeSubDomains",
        "Access-Control-Allow-Origin": "*",
        "X-Content-Type-Options": "nosniff",
    }


def _region(account: Account) -> str:
    return account.location.replace(" ", "").lower()


def _seconds(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
