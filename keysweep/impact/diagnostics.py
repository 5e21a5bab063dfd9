"""Whether an account's calls are logged, and the command that has them logged. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from keysweep.impact.evidence import Logged, NotLogged
from shared.core.model import AccountId

# Both hold the category; the group `audit` does not (recorded exchanges, fact 85: a category says
# in which groups it is, and of RequestResponse it is allLogs alone [inferred]).
_CATEGORIES = {("category", "requestresponse"), ("categorygroup", "alllogs")}
_KILOBYTES_A_CALL = 2
_DAYS_OF_A_MONTH = 30
_THOUSAND = 1000
_DESTINATIONS = {
    "storageAccountId": "a storage account",
    "eventHubAuthorizationRuleId": "an event hub",
    "marketplacePartnerId": "a partner's solution",
}


def setting_problem(row: object) -> str:
    """Say what is wrong with a diagnostic setting; empty: nothing."""
    properties = row.get("properties") if isinstance(row, dict) else None
    if not isinstance(properties, dict):
        return "a setting without properties"
    logs = properties.get("logs")
    if not isinstance(logs, list | None):
        return "a setting whose logs are no list"
    return ""


def read_settings(rows: Sequence[Mapping[str, Any]]) -> Logged | NotLogged:
    """Say where the request log goes.

    A setting lists every category, with `enabled: false` for those that nobody asked for: that it
    is there proves nothing (recorded exchanges, fact 84).
    """
    sending = [row["properties"] for row in rows if _sends(row["properties"])]
    workspaces = [str(setting["workspaceId"]) for setting in sending if setting.get("workspaceId")]
    if workspaces:
        return Logged(tuple(dict.fromkeys(workspaces)))
    elsewhere = [
        place for name, place in _DESTINATIONS.items() if any(s.get(name) for s in sending)
    ]
    return NotLogged(tuple(elsewhere))


def _sends(setting: Mapping[str, Any]) -> bool:
    return any(
        isinstance(log, dict)
        and log.get("enabled") is True
        and any((name.lower(), str(log.get(name)).lower()) in _CATEGORIES for name in log)
        for log in setting.get("logs") or []
    )


def command(account_id: AccountId) -> str:
    """Return the command that has an account's calls logged; the workspace is the person's."""
    return (
        "az monitor diagnostic-settings create --name keysweep-impact "
        f"--resource {account_id} "
        '--logs \'[{"category":"RequestResponse","enabled":true}]\' '
        "--workspace WORKSPACE-ID"
    )


def cost(calls: int, days: int) -> str:
    """Say what logging so many calls costs, as far as anybody knows: not in money."""
    if not calls:
        return "Exporting is free; what the workspace takes in is charged by volume."
    megabytes = calls / days * _DAYS_OF_A_MONTH * _KILOBYTES_A_CALL / _THOUSAND
    size = f"{megabytes:.0f} MB" if megabytes < _THOUSAND else f"{megabytes / _THOUSAND:.0f} GB"
    return (
        "Exporting is free; what the workspace takes in is charged by volume: at some "
        f"{_KILOBYTES_A_CALL} KB a call about {size} a month."
    )
