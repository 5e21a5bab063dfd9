"""What a reader chooses: the time range, the deployment, subscriptions, and what age is too old."""

import json

from infra.readings import EVENTS, NAMES
from infra.workbook.lists import OWNERS
from infra.workbook.steps import COMPONENT, Step, identifier

WORKSPACE = "Workspace"
_DAYS_MS = 86_400_000
# The one that was heard of last comes first, and is chosen.
_DEPLOYMENTS = """
customEvents
| where isnotempty(cloud_RoleName)
| summarize heardOf = max(timestamp) by value = cloud_RoleName
| order by heardOf desc, value asc
| project value, label = value""".strip()
_SUBSCRIPTIONS = f"""
{EVENTS}
{NAMES}
names
| where deployment == '{{Deployment}}'
| project value = subscriptionId, label = Subscription
| order by label asc""".strip()
_OWNERS = f"""
{EVENTS}
{OWNERS}
owners
| where deployment == '{{Deployment}}'
| summarize by value = Owner
| extend label = value
| order by label asc""".strip()
# A reading is stale after twice the usual time between sweeps, and after this in any case.
_AGES = {"1h": "1 hour", "6h": "6 hours", "1d": "1 day", "2d": "2 days", "7d": "7 days",
         "30d": "30 days"}  # fmt: skip
# How soon keys are off that are off in time.
_WITHIN = {"15m": "15 minutes", "30m": "30 minutes", "1h": "1 hour", "4h": "4 hours", "1d": "1 day"}


def parameters() -> Step:
    """Return the row of what a reader chooses."""
    # The longest is half a year: a quarter fits, and the time to look at it.
    ranges = (1, 7, 30, 90, 183)
    return {
        "type": 9,
        "content": {
            "version": "KqlParameterItem/1.0",
            "parameters": [
                {
                    "id": identifier("TimeRange"),
                    "version": "KqlParameterItem/1.0",
                    "name": "TimeRange",
                    "label": "Time range",
                    "type": 4,
                    "isRequired": True,
                    "value": {"durationMs": 30 * _DAYS_MS},
                    "typeSettings": {
                        "selectableValues": [{"durationMs": days * _DAYS_MS} for days in ranges],
                        "allowCustom": True,
                    },
                },
                {
                    "id": identifier("Deployment"),
                    "version": "KqlParameterItem/1.0",
                    "name": "Deployment",
                    "label": "Deployment",
                    "type": 2,
                    "isRequired": True,
                    "query": _DEPLOYMENTS,
                    "typeSettings": {
                        "additionalResourceOptions": ["value::1"],
                        "showDefault": False,
                    },
                    "timeContext": {"durationMs": 0},
                    "timeContextFromParameter": "TimeRange",
                    "defaultValue": "value::1",
                    **COMPONENT,
                },
                _several("Subscription", _SUBSCRIPTIONS),
                _several("Owner", _OWNERS),
                {
                    "id": identifier("StaleAfter"),
                    "version": "KqlParameterItem/1.0",
                    "name": "StaleAfter",
                    "label": "Stale after",
                    "type": 2,
                    "isRequired": True,
                    "typeSettings": {"showDefault": False},
                    "jsonData": json.dumps(
                        [{"value": value, "label": label} for value, label in _AGES.items()]
                    ),
                    "value": "2d",
                },
                {
                    "id": identifier("Within"),
                    "version": "KqlParameterItem/1.0",
                    "name": "Within",
                    "label": "Off in time is within",
                    "type": 2,
                    "isRequired": True,
                    "typeSettings": {"showDefault": False},
                    "jsonData": json.dumps(
                        [{"value": value, "label": label} for value, label in _WITHIN.items()]
                    ),
                    "value": "1h",
                },
                _workspace(),
            ],
            "style": "above",
            **COMPONENT,
        },
        "name": "parameters",
    }


def _workspace() -> Step:
    """Let a reader choose where accounts log their calls; nothing is chosen before."""
    return {
        "id": identifier(WORKSPACE),
        "version": "KqlParameterItem/1.0",
        "name": WORKSPACE,
        "label": "Log of calls",
        "type": 5,
        "isRequired": False,
        "description": "The Log Analytics workspace to which accounts send RequestResponse",
        "query": "resources\n"
        "| where type =~ 'microsoft.operationalinsights/workspaces'\n"
        "| project id",
        "crossComponentResources": ["value::all"],
        "typeSettings": {"additionalResourceOptions": [], "showDefault": False},
        "queryType": 1,
        "resourceType": "microsoft.resourcegraph/resources",
    }


def _several(name: str, query: str) -> Step:
    """Let a reader choose all, which is the default, or some of a query's rows."""
    return {
        "id": identifier(name),
        "version": "KqlParameterItem/1.0",
        "name": name,
        "label": name,
        "type": 2,
        "isRequired": True,
        "multiSelect": True,
        "quote": "'",
        "delimiter": ",",
        "query": query,
        "typeSettings": {
            "additionalResourceOptions": ["value::all"],
            "selectAllValue": "*",
            "showDefault": False,
        },
        "timeContext": {"durationMs": 0},
        "timeContextFromParameter": "TimeRange",
        "defaultValue": "value::all",
        **COMPONENT,
        "value": ["value::all"],
    }
