"""What Application Insights has of sweeps, asked for through `az`. Reads only.

By Log Analytics' query API for a resource, which `az rest` reaches without an extension.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.deploy.azure_cli import CommandFailed, az, post
from infra.deploy.findings import Report
from infra.deploy.function_app import FunctionApp
from shared.core.clouds import CLOUDS, LogsApi
from shared.core.events import CoverageGap, SettingsRejected, SweepCompleted, SweepStarted

_CLOUD_NAMES = {"AzureChinaCloud": "AZURE_CHINA_CLOUD"}
_NAMES = ", ".join(f"'{event.name}'" for event in (SweepStarted, SweepCompleted, SettingsRejected))
_KQL = f"""
let since = datetime({{since}});
customEvents
| where cloud_RoleName =~ '{{app}}'
| where timestamp >= since and name in ({_NAMES}, '{CoverageGap.name}')
| project timestamp, name, sweepId = tostring(customDimensions.sweepId),
    whole = tostring(customDimensions.whole), reasons = tostring(customDimensions.reasons),
    problems = tostring(customDimensions.problems), problem = tostring(customDimensions.problem),
    gapName = tostring(customDimensions.gapName),
    subscriptionsRead = toint(customMeasurements.subscriptionsRead),
    accounts = toint(customMeasurements.accounts), drift = toint(customMeasurements.drift)
| order by timestamp asc
"""


def component_of(app: FunctionApp, site: Mapping[str, Any]) -> str | None:
    """Return the id of the Application Insights resource beside an app; None if there is none.

    Where the resource group has several, that of the same environment. Raises CommandFailed.
    """
    kind = ("--resource-type", "Microsoft.Insights/components")
    found = az("resource", "list", *app.where, *kind)
    environment = (site.get("tags") or {}).get("azd-env-name")
    ours = [row for row in found if (row.get("tags") or {}).get("azd-env-name") == environment]
    return str((ours or found)[0]["id"]) if ours or found else None


def query_api() -> LogsApi:
    """Return the query API of the cloud that `az` is set to. Raises CommandFailed."""
    cloud = az("account", "show")["environmentName"]
    logs = CLOUDS[_CLOUD_NAMES.get(cloud, "AZURE_PUBLIC_CLOUD")].logs
    if logs is None:
        raise CommandFailed(["az", "rest"], f"nobody knows the query API of cloud {cloud}")
    return logs


@dataclass(frozen=True, slots=True)
class SweepReports:
    """What the sweeps of one app report to an Application Insights resource."""

    logs: LogsApi
    component: str
    app: str

    def since(self, moment: datetime) -> list[Report]:
        """Return what sweeps said that began since a moment, the oldest first.

        Another app may report to the same component, and a sweep that began before may be of what
        was deployed before. Raises CommandFailed.
        """
        query = _KQL.format(app=self.app, since=f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
        url = f"{self.logs.endpoint}/v1{self.component}/query"
        resource = self.logs.scope.removesuffix("/.default")
        answer = post(url, {"query": query}, "--resource", resource)
        # A result that was cut has rows, and an error beside them.
        if "error" in answer:
            raise CommandFailed(["az", "rest"], f"the answer was cut: {answer['error']}")
        # A sweep's id begins with its time, so that ids sort by it.
        first = f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        return [report for report in _reports(answer) if report.sweep_id >= first]


def _reports(answer: Mapping[str, Any]) -> Iterator[Report]:
    table = answer["tables"][0]
    names = [column["name"] for column in table["columns"]]
    for values in table["rows"]:
        row = dict(zip(names, values, strict=True))
        yield Report(
            at=datetime.fromisoformat(row["timestamp"]),
            name=row["name"],
            sweep_id=row["sweepId"],
            whole=row["whole"].lower() == "true",
            reasons=row["reasons"],
            problems=row["problems"],
            problem=row["problem"],
            gap_name=row["gapName"],
            subscriptions_read=row["subscriptionsRead"] or 0,
            accounts=row["accounts"] or 0,
            drift=row["drift"] or 0,
        )
