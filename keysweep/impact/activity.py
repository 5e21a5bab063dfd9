"""Who fetched an account's keys: what the activity log is asked, and what its events mean. Pure.

It is always on, free, and keeps 90 days. Only documented filters are taken, so that the operation
is picked out here. One call gives two events (recorded exchanges, fact 70), which share the id of
their operation. That this provider's listKeys shows in it is inferred: that of Storage does.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from keysweep.impact.evidence import KeyFetch
from keysweep.impact.moments import read_moment
from shared.core.model import AccountId

_LIST_KEYS = "microsoft.cognitiveservices/accounts/listkeys/action"
# A start more than 90 days back is refused (fact 68); the request may wait a while for its turn.
OLDEST = timedelta(days=90) - timedelta(hours=1)
SELECT = "caller,claims,eventTimestamp,httpRequest,operationId,operationName,resourceId,status"
# Public client applications of Microsoft's, by their ids (azure-docs and the tools' own sources).
_CLIENTS = {
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
    "c44b4083-3bb0-49c1-b47d-974e53cbdf3c": "Azure Portal",
    "aebc6443-996d-45c2-90f0-388ff96faa56": "VS Code",
    "872cd9fa-d31f-45e0-9eab-6e460a02d1f1": "Visual Studio",
}


def filter_of(begin: datetime, end: datetime) -> str:
    """Return the filter for the events of this provider in a span."""
    form = "%Y-%m-%dT%H:%M:%SZ"
    return (
        f"eventTimestamp ge '{begin:{form}}' and eventTimestamp le '{end:{form}}' "
        "and resourceProvider eq 'Microsoft.CognitiveServices'"
    )


def event_problem(row: object) -> str:
    """Say what is wrong with an event; empty: nothing."""
    if not isinstance(row, dict):
        return "an event that is no object"
    if not isinstance(_value(row, "operationName"), str):
        return "an event without its operation"
    if _is_fetch(row) and read_moment(row.get("eventTimestamp")) is None:
        return "an event without its time"
    return ""


def fetches(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[KeyFetch, ...]]:
    """Return who fetched keys, the last first, by `AccountId.key`."""
    # With keys off Azure refuses: nobody got any, whatever the event of the begin says.
    refused = {_operation(row) for row in rows if str(_value(row, "status")).lower() == "failed"}
    by_operation: dict[tuple[str, str], KeyFetch] = {}
    for row in rows:
        account, moment = _account(row.get("resourceId")), read_moment(row.get("eventTimestamp"))
        if _is_fetch(row) and account is not None and moment is not None:
            operation = _operation(row)
            if operation not in refused:
                by_operation.setdefault((account.key, operation), _fetch(row, moment))
    found: dict[str, list[KeyFetch]] = {}
    for (key, _), fetch in by_operation.items():
        found.setdefault(key, []).append(fetch)
    return {
        key: tuple(sorted(of_account, key=lambda fetch: fetch.at, reverse=True))
        for key, of_account in found.items()
    }


def _operation(row: Mapping[str, Any]) -> str:
    """Return what the two events of one call have in common."""
    return str(row.get("operationId") or row.get("id"))


def _is_fetch(row: Mapping[str, Any]) -> bool:
    return str(_value(row, "operationName")).lower() == _LIST_KEYS


def _fetch(row: Mapping[str, Any], moment: datetime) -> KeyFetch:
    claims, request = (_object(row, name) for name in ("claims", "httpRequest"))
    client = str(claims.get("appid") or claims.get("azp") or "")
    return KeyFetch(
        at=moment,
        by=str(row.get("caller") or client or "unknown"),
        client=_CLIENTS.get(client.lower(), client),
        address=str(request.get("clientIpAddress") or ""),
    )


def _account(resource_id: object) -> AccountId | None:
    try:
        return AccountId.parse(str(resource_id))
    except ValueError:
        return None


def _value(row: Mapping[str, Any], name: str) -> object:
    return _object(row, name).get("value")


def _object(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = row.get(name)
    return found if isinstance(found, dict) else {}
