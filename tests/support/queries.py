"""Every query that people or rules run on our telemetry: the workbook's, the alerts', the docs'."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from keysweep.taken import event_table, events_query

ROOT = Path(__file__).parent.parent.parent
WORKBOOK: dict[str, Any] = json.loads((ROOT / "infra" / "workbook.json").read_text())
_ALERTS: dict[str, Any] = json.loads((ROOT / "infra" / "alerts.json").read_text())
ALERTS: list[dict[str, Any]] = _ALERTS["alerts"]
SCHEDULES: dict[str, dict[str, str]] = _ALERTS["schedules"]
ASKED_FROM, ASKED_UNTIL = "2026-10-24T00:00:00Z", "2026-11-24T00:00:00Z"
_KUSTO = re.compile(r"```kusto\n(.*?)```", re.DOTALL)
# As the portal writes them: every subscription, a month by the day.
_PARAMETERS = {
    "{Deployment}": "func-keysweep",
    "{StaleAfter}": "2d",
    "{Within}": "1h",
    "{ExposedAccount}": "*",
    "{EvidenceAccount}": "*",
    "{WhoseAccount}": "*",
    "{WhoseOwner}": "*",
    "{KeyedAccount}": "*",
    "{RefusedAccount}": "*",
    "{Workspace}": "/subscriptions/s/resourceGroups/g/providers/Microsoft.OperationalInsights/"
    "workspaces/w",
    "{Owner}": "'*'",
    "{Subscription}": "'*'",
    "{TimeRange:grain}": "1d",
    "{TimeRange:start}": f"datetime({ASKED_FROM})",
    "{TimeRange:end}": f"datetime({ASKED_UNTIL})",
    "{lapseDays}": "14",
    "{oldDays}": "7",
    "{quiet}": "1h",
    "{deployedAt}": ASKED_FROM,
}


def steps(items: list[dict[str, Any]] | None = None) -> Iterator[dict[str, Any]]:
    """Every step of the workbook, those in groups too."""
    for item in WORKBOOK["items"] if items is None else items:
        yield item
        if item["type"] == 12:
            yield from steps(item["content"]["items"])


def calming_steps() -> list[str]:
    """Return the names of the steps that may say that all is well: in green, or by being empty."""
    return sorted(
        step["name"]
        for step in steps()
        if step["type"] == 3
        and (
            (step["content"]["visualization"] == "tiles" and "'good'" in step["content"]["query"])
            or step["content"].get("noDataMessageStyle") == 3
        )
    )


def calming(step: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what a step says that calms: titles of good tiles, or nothing where that is fine."""
    (content,) = (found["content"] for found in steps() if found["name"] == step)
    if content["visualization"] == "tiles":
        return [row["Title"] for row in rows if row["status"] == "good"]
    return [""] if not rows and content.get("noDataMessageStyle") == 3 else []


def filled(kql: str, chosen: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return a query with its parameters filled in, some of them as they are chosen."""
    for parameter, value in {**_PARAMETERS, **chosen}.items():
        kql = kql.replace(parameter, value)
    return kql


def between(begin: datetime, end: datetime, kql: str) -> str:
    """Return a query that was filled in so that it asks about another time range."""
    return kql.replace(ASKED_FROM, begin.isoformat()).replace(ASKED_UNTIL, end.isoformat())


def queries() -> dict[str, str]:
    """Return all of them by where they are, parameters filled in."""
    found = {}
    for step in steps():
        if step["type"] == 3:
            found[f"workbook {step['name']}"] = step["content"]["query"]
        if step["type"] == 9:
            for parameter in step["content"]["parameters"]:
                if parameter.get("queryType") == 0:
                    found[f"workbook parameter {parameter['name']}"] = parameter["query"]
    component = "/subscriptions/s/resourceGroups/g/providers/microsoft.insights/components/c"
    found["keysweep undo"] = events_query("20261124T090000Z-1f3a9c0d", event_table(component))
    found |= {f"alert {alert['name']}": alert["query"] for alert in ALERTS}
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))):
        blocks = _KUSTO.findall(document.read_text())
        # What ends in a semicolon is a definition, which goes above the queries after it.
        defined = "".join(kql for kql in blocks if kql.rstrip().endswith(";"))
        ready = [kql for kql in blocks if not kql.rstrip().endswith(";")]
        for number, kql in enumerate(ready, 1):
            found[f"{document.name} {number}"] = defined + kql
    return {name: filled(kql) for name, kql in found.items()}
