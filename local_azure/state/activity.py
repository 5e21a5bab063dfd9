"""The activity log: who did what at the control plane, two events for each request."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from local_azure.sources import behaviour
from local_azure.state import ids
from local_azure.state.access import Principal
from local_azure.state.account import timestamp

_TICKS_AT_UNIX_EPOCH = 621_355_968_000_000_000
# The clients that people use, by their application's id (public: they are Microsoft's own).
CLIENTS = {
    "Azure Portal": "c44b4083-3bb0-49c1-b47d-974e53cbdf3c",
    "Azure CLI": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    "Azure PowerShell": "1950a258-227b-4e31-a9cf-717495945fc2",
}
_WORDS = {"BeginRequest": "Begin request", "EndRequest": "End request"}
_REASONS = {200: "OK", 201: "Created", 202: "Accepted", 400: "BadRequest", 403: "Forbidden"}


@dataclass(frozen=True, slots=True)
class Act:
    """A request of somebody's to the control plane, and how it was answered."""

    at: datetime
    action: str
    resource_id: str
    by: Principal
    client: str  # one of CLIENTS, or an application's id
    address: str
    method: str
    status: int
    hierarchy: str
    tenant_id: str
    body: str | None = None  # what was sent

    @property
    def provider(self) -> str:
        """The resource provider, as the action writes it."""
        return self.action.partition("/")[0]

    @property
    def subscription_id(self) -> str:
        """The subscription, in lower case."""
        return ids.subscription_of(self.resource_id) or ""

    @property
    def correlation_id(self) -> str:
        """The id that its two events have in common."""
        return ids.guid("act", self.resource_id, self.action, self.at, self.by.object_id)

    def events(self) -> tuple["Event", "Event"]:
        """Return its two events, the later one first."""
        return Event(self, self.at + timedelta(milliseconds=250), "EndRequest"), Event(
            self, self.at, "BeginRequest"
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One of the two events of an act."""

    act: Act
    at: datetime
    name: str  # BeginRequest or EndRequest

    @property
    def ticks(self) -> int:
        """Its time as .NET counts it."""
        return _TICKS_AT_UNIX_EPOCH + int(self.at.timestamp() * 10_000_000)

    @behaviour(
        "one request gives two events, Started and then Succeeded or Failed, newest first; the "
        "order of an event's keys; id made of eventDataId and ticks",
        "data/recorded activity-log-03; facts 70 to 72",
        "recorded",
    )
    @behaviour(
        "an event of a POST action has only eventCategory, entity, message and hierarchy as "
        "properties, and the action with its letters as operationName",
        "data/recorded activity-log-10 (storage's listKeys, two parts of an event); fact 74",
        "recorded",
    )
    @behaviour(
        "listKeys of Microsoft.CognitiveServices/accounts is in the activity log",
        "Storage's is (activity-log-10)",
        "inferred",
    )
    @behaviour(
        "caller: users by mail, applications by object id; the client's application id in claims",
        "activity-log-03 for users; azure-monitor-docs activity-log-schema speaks of UPN or SPN "
        "claim for others, from memory that this is the object id",
        "unverified",
    )
    @behaviour(
        "names of operations, types and providers are localized as they are (as on some pages of "
        "recorded ones; others have words)",
        "fact 72",
        "recorded",
    )
    def wire(self) -> dict[str, Any]:
        """As the activity log shows it."""
        act = self.act
        event_id = ids.guid("event", act.correlation_id, self.name)
        resource_type = _type_of(act.resource_id)
        status, sub_status = self._statuses()
        return {
            "authorization": {"action": act.action, "scope": act.resource_id},
            "caller": act.by.name if act.by.kind == "User" else act.by.object_id,
            "channels": "Operation",
            "claims": self._claims(),
            "correlationId": act.correlation_id,
            "description": "",
            "eventDataId": event_id,
            "eventName": _named(self.name, _WORDS[self.name]),
            "category": _named("Administrative"),
            "httpRequest": {
                "clientRequestId": ids.guid("client request", act.correlation_id),
                "clientIpAddress": act.address,
                "method": act.method,
            },
            "id": f"{act.resource_id}/events/{event_id}/ticks/{self.ticks}",
            "level": "Error" if status == "Failed" else "Informational",
            "resourceGroupName": _group_of(act.resource_id),
            "resourceProviderName": _named(act.provider),
            "resourceId": act.resource_id,
            "resourceType": _named(resource_type),
            "operationId": act.correlation_id,
            "operationName": _named(act.action),
            "properties": self._properties(),
            "status": _named(status),
            "subStatus": _named(*sub_status),
            "eventTimestamp": timestamp(self.at, event_id),
            "submissionTimestamp": f"{self.at + timedelta(minutes=3):%Y-%m-%dT%H:%M:%SZ}",
            "subscriptionId": act.subscription_id,
            "tenantId": act.tenant_id,
        }

    def _statuses(self) -> tuple[str, tuple[str, str]]:
        code = self.act.status
        if self.name == "BeginRequest":
            return "Started", ("", "")
        reason = _REASONS.get(code, str(code))
        sub_status = (reason, f"{reason} (HTTP Status Code: {code})")
        return ("Succeeded" if code < 400 else "Failed"), sub_status

    def _claims(self) -> dict[str, str]:
        by, begun = self.act.by, int(self.act.at.timestamp()) - 300
        identity = "http://schemas.microsoft.com/identity/claims"
        by_mail = by.kind == "User"
        upn = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
        return {
            "aud": "https://management.core.windows.net/",
            "iss": f"https://sts.windows.net/{by.tenant_id}/",
            "iat": str(begun),
            "nbf": str(begun),
            "exp": str(begun + 4081),
            "appid": CLIENTS.get(self.act.client, "") if by_mail else by.client_id,
            "ipaddr": self.act.address,
            **({"name": by.name.partition("@")[0]} if by_mail else {}),
            f"{identity}/objectidentifier": by.object_id,
            f"{identity}/tenantid": by.tenant_id,
            **({upn: by.name} if by_mail else {}),
            "ver": "1.0",
        }

    def _properties(self) -> dict[str, Any]:
        act = self.act
        common = {
            "eventCategory": "Administrative",
            "entity": act.resource_id,
            "message": act.action,
            "hierarchy": act.hierarchy,
        }
        if act.method == "POST":
            return common
        if self.name == "BeginRequest":
            return common if act.body is None else {"requestbody": act.body, **common}
        code = _REASONS.get(act.status, str(act.status))
        return {"statusCode": code, "serviceRequestId": None, **common}


@dataclass(slots=True)
class ActivityLog:
    """All acts."""

    _acts: list[Act] = field(default_factory=list)

    def note(self, act: Act) -> None:
        """Keep one."""
        self._acts.append(act)

    def acts_on(self, resource_id: str, action: str) -> list[Act]:
        """Return the acts of one kind on a resource."""
        return [
            act
            for act in self._acts
            if act.action == action and act.resource_id.lower() == resource_id.lower()
        ]

    def events(self, subscription_id: str, begin: datetime, end: datetime) -> list[Event]:
        """Return the events of a subscription between two moments, the newest first."""
        found = [
            event
            for act in self._acts
            if act.subscription_id == subscription_id.lower()
            for event in act.events()
            if begin <= event.at.astimezone(UTC) <= end
        ]
        return sorted(found, key=lambda event: event.at, reverse=True)


def _named(value: str, words: str | None = None) -> dict[str, str]:
    return {"value": value, "localizedValue": value if words is None else words}


def _group_of(resource_id: str) -> str:
    return (ids.resource_group_of(resource_id) or "").rpartition("/")[2]


def _type_of(resource_id: str) -> str:
    """`Microsoft.CognitiveServices/accounts`, of the last provider in the id."""
    provider, *parts = resource_id.rpartition("/providers/")[2].split("/")
    return "/".join([provider, *parts[::2]])
