"""The activity log of a subscription: 90 days, by a filter of few forms, page by page."""

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from local_azure.exchange import Answer, Call, Origin, Refusal
from local_azure.sources import NotModelledError, behaviour
from local_azure.state import ids
from local_azure.state.activity import Event

_OLDEST = timedelta(days=90)
_CLAUSE = re.compile(
    r"(?P<name>\w+) +(?P<operator>eq|ge|le) +(?P<value>'[^']*'|\S.*)", re.IGNORECASE
)
_TOKEN = re.compile(r"AS1:(?P<ticks>\d+):(?P<check>[0-9a-f]{8});EU1:-1:FFFFFFFF")
_PARAMETERS = {"api-version", "$filter", "$select", "$skiptoken"}


class _BadRequestError(Exception):
    """What the activity log refuses, in its words."""


@dataclass(frozen=True, slots=True)
class _Filter:
    begin: datetime
    end: datetime
    wanted: dict[str, str]

    def takes(self, event: Event) -> bool:
        """Whether the event is among those that are asked for."""
        return all(_KNOWN[name](event) == value.lower() for name, value in self.wanted.items())


# What may be asked for beside times: the documented patterns, and what recordings add.
_KNOWN: dict[str, Callable[[Event], str]] = {
    "resourcegroupname": lambda e: (
        (ids.resource_group_of(e.act.resource_id) or "").rpartition("/")[2].lower()
    ),
    "resourceuri": lambda e: e.act.resource_id.lower(),
    "resourceprovider": lambda e: e.act.provider.lower(),
    "correlationid": lambda e: e.act.correlation_id.lower(),
    "resourcetype": lambda e: e.wire()["resourceType"]["value"].lower(),
}


@behaviour(
    "the activity log: nextLink before value, none on the last page; newest first",
    "data/recorded activity-log-03, -05; fact 73",
    "recorded",
)
@behaviour(
    "events are found some time after they happened (Settings.activity_lag: 4 minutes)",
    "fact 69 (recorded waits of 3 to 4 minutes); documentation says 3 to 20",
    "recorded",
)
@behaviour(
    "headers of the activity log: api-supported-versions, mise-correlation-id, Request-Context, "
    "a request id of region, hex and ticks",
    "data/recorded activity-log-07, -08; fact 75",
    "recorded",
)
def values(call: Call) -> Answer:
    """Return a page of a subscription's events."""
    services = call.services
    wait = services.activity_calls.take(call.principal.object_id)
    if wait is not None:
        raise _throttled(wait)
    unknown = set(call.query) - _PARAMETERS
    if unknown:
        raise NotModelledError(f"the activity log with {', '.join(sorted(unknown))}")
    now = services.clock.now()
    try:
        asked = _read(call.query.get("$filter", ""), now)
    except _BadRequestError as error:
        refusal = {"code": "BadRequest", "message": str(error)}
        return Answer(400, refusal, Origin.MONITOR, _headers(call, now))
    latest = min(asked.end, now - timedelta(seconds=services.settings.activity_lag))
    events = services.tenant.activity.events(call.params["subscription"], asked.begin, latest)
    found = [event for event in events if asked.takes(event)]
    left = _after(found, call.query.get("$skiptoken"))
    shown = left[: services.settings.activity_page]
    body: dict[str, Any] = {}
    if len(left) > len(shown):
        body["nextLink"] = _link(call, shown[-1])
    body["value"] = [_selected(event.wire(), call.query.get("$select")) for event in shown]
    return Answer(200, body, Origin.MONITOR, _headers(call, now))


@behaviour(
    "the activity log takes 50 calls in 30 s; then 429 ResourceRequestsThrottled with Retry-After",
    "azure-monitor-docs for the number (shared facts, impact); data/recorded metrics-error-03 for "
    "the words of another of this provider's; that it counts by caller is the strict reading",
    "inferred",
)
def _throttled(wait: float) -> Refusal:
    return Refusal(
        429,
        "ResourceRequestsThrottled",
        "Number of requests for action 'Microsoft.Insights/eventtypes/values/read' exceeded the "
        f"limit of '50' for time interval '00:00:30'. Please try again after '{wait:.0f}' seconds.",
        headers={"Retry-After": f"{wait:.0f}", "Connection": "close"},
    )


@behaviour(
    "the filter of the activity log needs a start, within 90 days; times in quotes or not; beside "
    "it resourceGroupName, resourceUri, resourceProvider, correlationId, resourceType and "
    "eventChannels",
    "data/recorded activity-log-01, -03, -05, -07, -08; fact 68; REST reference, Activity Logs - "
    "List (its patterns)",
    "recorded",
)
@behaviour(
    "a filter of another syntax is refused like a missing one: $filter searching parameters "
    "invalid. Of other names nobody showed what comes: the REST reference has but four, and "
    "resourceType is taken all the same",
    "data/recorded activity-log-11 (2018, without a filter), -08; REST reference: no other syntax",
    "inferred",
)
def _read(text: str, now: datetime) -> _Filter:
    begin: datetime | None = None
    end, wanted = now, dict[str, str]()
    for clause in re.split(r" +and +", text.strip(), flags=re.IGNORECASE) if text.strip() else ():
        match = _CLAUSE.fullmatch(clause.strip())
        if match is None:
            raise _BadRequestError(_INVALID)
        name, operator = match["name"].lower(), match["operator"].lower()
        value = match["value"].strip("'")
        if name == "eventtimestamp" and operator == "ge":
            begin = _moment(value)
        elif name == "eventtimestamp" and operator == "le":
            end = _moment(value)
        elif name == "eventchannels" and operator == "eq":
            if "operation" not in value.lower():
                raise NotModelledError(f"eventChannels {value}")
        elif name in _KNOWN and operator == "eq":
            wanted[name] = value
        else:
            raise NotModelledError(f"{match['name']} {operator} in a filter")
    if begin is None:
        raise _BadRequestError(_INVALID)
    if begin < now - _OLDEST:
        raise _BadRequestError("The start time cannot be more than 90 days in the past.")
    return _Filter(begin, end, wanted)


_INVALID = "$filter searching parameters invalid"


def _moment(text: str) -> datetime:
    short = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    try:
        moment = datetime.fromisoformat(short)
    except ValueError as error:
        raise _BadRequestError(_INVALID) from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@behaviour(
    "$skipToken is plain text and names the event after which to go on",
    "data/recorded activity-log-05 (AS1:0637…:efc15a59;EU1:-1:FFFFFFFF); its parts are ours",
    "inferred",
)
def _link(call: Call, last: Event) -> str:
    kept = [
        f"{name}={quote(call.query[name.lower()])}"
        for name in ("$filter", "$select")
        if name in call.query
    ]
    query = "&".join([f"api-version={call.api_version}", *kept, f"$skipToken={_token(last)}"])
    return f"{call.services.arm_url()}{call.request.path}?{query}"


def _token(event: Event) -> str:
    check = zlib.crc32(f"{event.act.correlation_id}{event.name}".encode())
    return f"AS1:0{event.ticks}:{check:08x};EU1:-1:FFFFFFFF"


def _after(events: Sequence[Event], token: str | None) -> Sequence[Event]:
    if token is None:
        return events
    tokens = [_token(event) for event in events]
    if token in tokens:
        return events[tokens.index(token) + 1 :]
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise NotModelledError(f"$skipToken {token}")
    return [event for event in events if event.ticks < int(match["ticks"])]


@behaviour(
    "$select leaves out the other fields, but never id",
    "data/recorded activity-log-05, -08; fact 73",
    "recorded",
)
def _selected(event: dict[str, Any], select: str | None) -> dict[str, Any]:
    if select is None:
        return event
    names = {name.strip().lower() for name in select.split(",")} | {"id"}
    return {name: value for name, value in event.items() if name.lower() in names}


def _headers(call: Call, now: datetime) -> dict[str, str]:
    ticks = 621_355_968_000_000_000 + int(now.timestamp() * 10_000_000)
    request = ids.guid("activity", call.request.ordinal).replace("-", "")
    return {
        "Access-Control-Allow-Origin": "*",
        "api-supported-versions": "2014-04-01, 2014-11-01, 2015-04-01, 2016-09-01-preview, "
        "2017-03-01-preview",
        "mise-correlation-id": ids.guid("mise", call.request.ordinal),
        "Request-Context": "appId=cid-v1:e9ce6014-b708-4056-a18d-21dc38a7abb0",
        "x-ms-request-id": f"{call.services.settings.region.title()}_{request}_{ticks}",
    }
