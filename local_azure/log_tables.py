"""What can be asked for logs here, and the tables that it has.

A resource is asked for its own logs, in whatever workspaces they lie: the Application Insights
component that receives telemetry, or an account with a diagnostic setting. A workspace is asked for
all that lies in it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from local_azure.log_engine import Table
from local_azure.services import Services
from local_azure.sources import behaviour
from local_azure.state import ids
from local_azure.state.access import Principal
from local_azure.state.account import Account
from local_azure.state.diagnostics import DiagnosticSetting, Workspace
from local_azure.state.traffic import Calls
from local_azure.state.use import LIST_KEYS
from local_azure.telemetry import Envelope

DIAGNOSTICS = "AzureDiagnostics"
_COMPONENT_COLUMNS = {
    "timestamp": "TIMESTAMP",
    "name": "VARCHAR",
    "itemType": "VARCHAR",
    "customDimensions": "JSON",
    "customMeasurements": "JSON",
    "operation_Id": "VARCHAR",
    "cloud_RoleName": "VARCHAR",
    "cloud_RoleInstance": "VARCHAR",
    "itemCount": "INTEGER",
}
_WORKSPACE_COLUMNS = {
    "TimeGenerated": "TIMESTAMP",
    "Name": "VARCHAR",
    "Type": "VARCHAR",
    "Properties": "JSON",
    "Measurements": "JSON",
    "OperationId": "VARCHAR",
    "AppRoleName": "VARCHAR",
    "AppRoleInstance": "VARCHAR",
    "ItemCount": "INTEGER",
}
_DIAGNOSTICS_COLUMNS = {
    "TenantId": "VARCHAR",
    "TimeGenerated": "TIMESTAMP",
    "ResourceId": "VARCHAR",
    "Category": "VARCHAR",
    "ResourceGroup": "VARCHAR",
    "SubscriptionId": "VARCHAR",
    "ResourceProvider": "VARCHAR",
    "Resource": "VARCHAR",
    "ResourceType": "VARCHAR",
    "OperationName": "VARCHAR",
    "ResultType": "VARCHAR",
    "CorrelationId": "VARCHAR",
    "ResultSignature": "VARCHAR",
    "DurationMs": "BIGINT",
    "CallerIPAddress": "VARCHAR",
    "Tenant_s": "VARCHAR",
    "event_s": "VARCHAR",
    "location_s": "VARCHAR",
    "properties_s": "VARCHAR",
    "AdditionalFields": "JSON",
    "SourceSystem": "VARCHAR",
    "Type": "VARCHAR",
    "_ResourceId": "VARCHAR",
}
# What the members of an object `properties` become. A workspace has them once one came.
_TAKEN_APART = {
    "apiName_s": "VARCHAR",
    "requestTime_d": "DOUBLE",
    "objectId_s": "VARCHAR",
    "objectId_g": "VARCHAR",
    "streamType_s": "VARCHAR",
    "modelDeploymentName_s": "VARCHAR",
    "modelName_s": "VARCHAR",
}
_FAR = datetime.max.replace(tzinfo=UTC)
_TICKS_AT_UNIX_EPOCH = 621_355_968_000_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """From the first moment on, before the second."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """A resource that can be asked for logs."""

    resource: str
    tables: Sequence[str]
    action: str
    """What its reader must be allowed to do, at the resource itself."""
    holds: Sequence[str]
    """The workspaces that hold logs of it."""
    readable: Sequence[str]
    """Those of them that the caller may read."""


@behaviour(
    "reading a resource's logs takes Microsoft.Insights/logs/TABLE/read there, a workspace's "
    "Microsoft.OperationalInsights/workspaces/query/TABLE/read",
    "azure-monitor-docs logs/manage-access.md, resource-context and workspace permissions",
    "documented",
)
@behaviour(
    "a right on the resource is enough in workspaces that were made since March 2019; in those "
    "that want a right on the workspace (Workspace.by_workspace) it isn't",
    "azure-monitor-docs logs/manage-access.md, access control mode",
    "documented",
)
def source_of(resource: str, services: Services, principal: Principal) -> Source | None:
    """Return what the resource can be asked; None: there is no such resource."""
    diagnostics = services.tenant.diagnostics
    own, workspace = services.workspace_id(), diagnostics.workspaces.get(resource.lower())
    if resource.lower() == services.component_id().lower():
        others = [f"{own}-other"] if services.settings.in_other_workspace else []
        return Source(resource, ["customEvents"], _logs("customEvents"), [own, *others], [own])
    if resource.lower() == own.lower() or workspace is not None:
        tables = ["AppEvents"] if resource.lower() == own.lower() else []
        tables += [] if workspace is None else [DIAGNOSTICS]
        return Source(resource, tables, _query(tables[0]), [resource], [resource])
    account = services.tenant.find_account(resource)
    if account is None:
        return None
    sent = {s.workspace for s in diagnostics.of(account.id) if s.workspace is not None}
    holding = sorted(sent, key=lambda w: w.id)
    may_read = [
        w.id
        for w in holding
        if not w.by_workspace or services.tenant.may(principal, _query(DIAGNOSTICS), w.id)
    ]
    holds = [w.id for w in holding]
    return Source(account.id, [DIAGNOSTICS], _logs(DIAGNOSTICS), holds, may_read)


def _logs(table: str) -> str:
    return f"Microsoft.Insights/logs/{table}/read"


def _query(table: str) -> str:
    return f"Microsoft.OperationalInsights/workspaces/query/{table}/read"


@behaviour(
    "a resource that logs nowhere that may be read: its table is there and empty "
    "(Settings.unlogged_table_exists), or isn't there, which is a 400",
    "fact 52; azure-monitor-docs logs/api/azure-resource-queries.md has both",
    "documented",
)
def tables_of(source: Source, services: Services, span: Span) -> list[Table]:
    """Return the tables of a source with what lies in them in a time."""
    made = []
    for name in source.tables:
        if name != DIAGNOSTICS:
            made.append(_telemetry(name, services, span))
        elif source.readable or services.settings.unlogged_table_exists:
            made.append(_diagnostics(source, services, span))
    return made


def rows_of(workspace: Workspace, services: Services) -> list[dict[str, Any]]:
    """Return what lies in a workspace's AzureDiagnostics by now, moments as text, as a query does.

    Nobody's right to read there is asked for.
    """
    source = Source(workspace.id, [DIAGNOSTICS], "", [workspace.id], [workspace.id])
    table = _diagnostics(source, services, Span(datetime.min.replace(tzinfo=UTC), _FAR))
    return [{**row, "TimeGenerated": row["TimeGenerated"].isoformat()} for row in table.rows]


# Telemetry


@behaviour(
    "KQL over the telemetry that came: customEvents through the component, AppEvents through the "
    "workspace; the columns that Keysweep's queries use",
    "azure-monitor-docs app/convert-classic-resource.md (both schemas); the mapping from envelope "
    "to row as in docs/facts.md, 9",
    "documented",
)
def _telemetry(name: str, services: Services, span: Span) -> Table:
    columns = _WORKSPACE_COLUMNS if name == "AppEvents" else _COMPONENT_COLUMNS
    shown = (e for e in _arrived(services) if span.begin <= _time(e) < span.end)
    return Table(name, columns, [_event(envelope, columns) for envelope in shown])


@behaviour(
    "telemetry is found some time after it arrived (Settings.telemetry_lag)",
    "azure-monitor-docs logs/data-ingestion-time.md: 20 s to 3 min on average, more at times",
    "documented",
)
@behaviour(
    "rows of a workspace that the caller may not read are left out in silence (Settings."
    "in_other_workspace, Workspace.by_workspace), and only `permissions` tells: by the difference "
    "of its two lists",
    "azure-monitor-docs logs/api/azure-resource-queries.md, Partial access: data/recorded "
    "log-query-12; fact 58",
    "documented",
)
def _arrived(services: Services) -> Iterator[Envelope]:
    """Return the custom events that a query finds by now."""
    settings, now = services.settings, services.clock.now()
    for envelope in services.telemetry.until(now - timedelta(seconds=settings.telemetry_lag)):
        is_event = envelope.get("data", {}).get("baseType") == "EventData"
        hidden = settings.in_other_workspace
        if is_event and (hidden is None or not hidden(envelope)):
            yield envelope


def _event(envelope: Envelope, columns: Mapping[str, str]) -> dict[str, Any]:
    data, tags = envelope["data"]["baseData"], envelope.get("tags") or {}
    values = [
        _time(envelope),
        str(data.get("name", "")),
        "customEvent",
        json.dumps(data.get("properties") or {}),
        json.dumps(data.get("measurements") or {}),
        tags.get("ai.operation.id", ""),
        tags.get("ai.cloud.role", ""),
        tags.get("ai.cloud.roleInstance", ""),
        1,
    ]
    return dict(zip(columns, values, strict=True))


def _time(envelope: Envelope) -> datetime:
    moment = datetime.fromisoformat(envelope["time"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# Diagnostics


@behaviour(
    "AzureDiagnostics: the columns of an account's log; ids in capitals but for _ResourceId",
    "elastic/integrations packages/azure_openai (three real records); KQL of public workbooks for "
    "the columns' names; azure-monitor-docs reference/tables/azurediagnostics",
    "recorded",
)
@behaviour(
    "an object in `properties` is taken apart into columns of its own, which a table has once one "
    "came; a text of JSON stays properties_s",
    "azure-monitor-docs reference/tables/azurediagnostics (suffixes _s, _d, _g); that both forms "
    "come is recorded (elastic/integrations), what an object becomes here nobody showed",
    "inferred",
)
def _diagnostics(source: Source, services: Services, span: Span) -> Table:
    settings = _settings(source, services)
    readable = {workspace.lower() for workspace in source.readable}
    within = [
        s
        for s in services.tenant.diagnostics.all()
        if s.workspace and s.workspace.id.lower() in readable
    ]
    apart = any(_is_taken_apart(setting, services) for setting in within)
    columns = {**_DIAGNOSTICS_COLUMNS, **(_TAKEN_APART if apart else {})}
    latest = services.clock.now() - timedelta(seconds=services.settings.diagnostics_lag)
    shown = Span(span.begin, min(span.end, latest))
    rows = [row for setting in settings for row in _records(setting, services, shown)]
    return Table(DIAGNOSTICS, columns, rows)


def _settings(source: Source, services: Services) -> list[DiagnosticSetting]:
    """Return the settings that sent what the source shows."""
    diagnostics = services.tenant.diagnostics
    workspace = diagnostics.workspaces.get(source.resource.lower())
    if workspace is not None:
        return list(diagnostics.sent_to(workspace))
    readable = set(source.readable)
    return [
        s for s in diagnostics.of(source.resource) if s.workspace and s.workspace.id in readable
    ]


def _is_taken_apart(setting: DiagnosticSetting, services: Services) -> bool:
    calls = services.tenant.traffic.of(setting.account_id)
    return "Audit" in setting.categories or any(some.properties == "object" for some in calls)


def _records(
    setting: DiagnosticSetting, services: Services, span: Span
) -> Iterator[dict[str, Any]]:
    account = services.tenant.find_account(setting.account_id)
    if account is None or setting.workspace is None:
        return
    begin = max(span.begin, setting.since)
    end = min(span.end, setting.until) if setting.until is not None else span.end
    if "RequestResponse" in setting.categories:
        for calls in services.tenant.traffic.of(account.id):
            for at in calls.times(begin, end):
                yield _call(calls, at, account, setting.workspace)
    if "Audit" in setting.categories:
        for act in services.tenant.activity.acts_on(account.id, LIST_KEYS):
            if begin <= act.at < end:
                yield {
                    **_record("Audit", "ListKey", act.at, account, setting.workspace),
                    "objectId_g": act.by.object_id,
                }


@behaviour(
    "a RequestResponse record: objectId is empty where a key was sent; the last part of the "
    "caller's address is masked, and there is none where a service endpoint was used",
    "elastic/integrations packages/azure_openai (records with an empty objectId and masked "
    "addresses); dolevshor/Azure-OpenAI-Insights#15; shared facts, impact",
    "recorded",
)
def _call(calls: Calls, at: datetime, account: Account, workspace: Workspace) -> dict[str, Any]:
    properties = {
        "apiName": calls.api,
        "requestTime": _TICKS_AT_UNIX_EPOCH + int(at.timestamp() * 10_000_000),
        "requestLength": 128,
        "responseTime": _TICKS_AT_UNIX_EPOCH + int(at.timestamp() * 10_000_000) + 10_212_370,
        "responseLength": 1411,
        "objectId": calls.caller or "",
        "streamType": "Streaming" if calls.streaming else "Non-Streaming",
        "modelDeploymentName": calls.deployment,
        "modelName": calls.model,
        "modelVersion": "",
    }
    return {
        **_record("RequestResponse", calls.operation, at, account, workspace),
        "ResultSignature": str(calls.status),
        "DurationMs": 1021,
        "CallerIPAddress": _masked(calls.address),
        "event_s": "ShoeboxCallResult",
        **_held(calls, properties),
    }


def _held(calls: Calls, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return `properties` as the table holds it."""
    text = json.dumps(properties, separators=(",", ":"))
    match calls.properties:
        case "text":
            return {"properties_s": text}
        case "cut":
            return {"properties_s": text[: len(text) // 3]}
        case "object":
            guid = "objectId_g" if calls.caller else "objectId_s"
            return {
                "apiName_s": properties["apiName"],
                "requestTime_d": properties["requestTime"],
                guid: properties["objectId"],
                "streamType_s": properties["streamType"],
                "modelDeploymentName_s": properties["modelDeploymentName"],
                "modelName_s": properties["modelName"],
            }


def _record(
    category: str, operation: str, at: datetime, account: Account, workspace: Workspace
) -> dict[str, Any]:
    region = account.location.replace(" ", "").lower()
    return {
        "TenantId": ids.guid("workspace", workspace.id),
        "TimeGenerated": at,
        "ResourceId": account.id.upper(),
        "Category": category,
        "ResourceGroup": account.group.upper(),
        "SubscriptionId": account.subscription_id,
        "ResourceProvider": "MICROSOFT.COGNITIVESERVICES",
        "Resource": account.name.upper(),
        "ResourceType": "ACCOUNTS",
        "OperationName": operation,
        "CorrelationId": ids.guid("call", account.id, at),
        "Tenant_s": region,
        "location_s": region,
        "SourceSystem": "Azure",
        "Type": DIAGNOSTICS,
        "_ResourceId": account.id.lower(),
    }


def _masked(address: str | None) -> str:
    """`203.0.113.***`."""
    return "" if address is None else f"{address.rpartition('.')[0]}.***"
