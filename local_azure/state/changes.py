"""Rows of Resource Graph's `resourcechanges`: what changed, who did it, with what."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from local_azure.sources import behaviour
from local_azure.state import ids
from local_azure.state.access import Principal
from local_azure.state.account import Account

type ChangeType = Literal["Create", "Update", "Delete"]
# How a property that had no value before is told: not at all, or with `previousValue` null, or
# with the text "null".
type FirstValues = Literal["unlisted", "null", "text"]
NOBODY = "00000000-0000-0000-0000-000000000000"
_TICKS_AT_UNIX_EPOCH = 621_355_968_000_000_000


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something, with which client, in which request."""

    changed_by: str
    kind: str
    signature: str
    signature_kind: Literal["User", "Application"]
    client: str
    correlation_id: str
    operation: str = "Microsoft.CognitiveServices/accounts/write"
    principal: Principal | None = None  # nobody: a change in the background


def author(principal: Principal, *, client: str, correlation_id: str, by_object_id: bool) -> Author:
    """Return the author as systemData and `changedBy` name it.

    Users are named by mail. For an application the documentation says "AppId"; that it isn't the
    object id is unverified, so a tenant can be told which.
    """
    application = principal.object_id if by_object_id else principal.client_id
    return Author(
        changed_by=principal.name if principal.kind == "User" else application,
        kind=principal.kind,
        signature=principal.signature,
        signature_kind=principal.kind,
        client=client,
        correlation_id=correlation_id,
        principal=principal,
    )


# A change in the background has these values (recorded: fact 45, rows of 2025).
SYSTEM = Author(
    changed_by="System",
    kind="System",
    signature="",
    signature_kind="Application",
    client="Unspecified",
    correlation_id=NOBODY,
    operation="Unspecified",
)


@behaviour(
    "resourcechanges rows: booleans as 'True' and 'False', changed tags and properties by path, "
    "no list of changes for Create and Delete",
    "data/recorded/README.md fact 45; azure-docs get-resource-changes.md (2024-06-14)",
    "recorded",
)
@behaviour(
    "a property that gets its first value is not listed (Tenant.first_values: or is listed, with "
    "previousValue null or the text 'null')",
    "azure-docs get-resource-changes.md (2024-06-14): not shown; null in the row of 2023, the text "
    "in documentation (data/recorded resourcechanges-properties-column, -row-properties)",
    "documented",
)
def change_row(
    kind: ChangeType,
    before: Account | None,
    after: Account | None,
    by: Author,
    at: datetime,
    tenant_id: str,
    *,
    first_values: FirstValues = "unlisted",
) -> dict[str, Any]:
    """One row. Its id is unique, so that readers can drop doubles."""
    account = after or before
    assert account is not None
    changes = _changes(before, after, first_values) if before and after else {}
    ticks = _TICKS_AT_UNIX_EPOCH + int(at.timestamp() * 10_000_000)
    number = ids.guid("change", account.id, kind, at, account.writes, *changes)
    snapshot = f"{2**63 - 1 - ticks:020d}_{number}"
    return {
        "id": f"{account.id}/providers/Microsoft.Resources/changes/{snapshot}",
        "name": snapshot,
        "type": "microsoft.resources/changes",
        "tenantId": tenant_id,
        "kind": "",
        "location": "",
        "resourceGroup": account.group.lower(),
        "subscriptionId": account.subscription_id,
        "managedBy": "",
        "sku": None,
        "plan": None,
        "properties": {
            "targetResourceId": account.id,
            "targetResourceType": ids.ACCOUNT_TYPE.lower(),
            "changeType": kind,
            "changeAttributes": {
                "previousResourceSnapshotId": _snapshot(before, ticks - 600_000_000),
                "newResourceSnapshotId": _snapshot(after, ticks),
                "correlationId": by.correlation_id,
                "changedByType": by.kind,
                "changesCount": len(changes),
                "clientType": by.client,
                "timestamp": _milliseconds(at),
                "changedBy": by.changed_by,
                "operation": by.operation,
            },
            "changes": changes,
        },
        "tags": None,
        "identity": None,
        "zones": None,
        "extendedLocation": None,
    }


def _snapshot(account: Account | None, ticks: int) -> str | None:
    if account is None:
        return None
    unix = (ticks - _TICKS_AT_UNIX_EPOCH) // 10_000_000
    name = ids.guid("snapshot", account.id, ticks)
    return f"{2**63 - 1 - ticks:020d}_{name}_{int(name[:8], 16)}_{unix}"


def _milliseconds(at: datetime) -> str:
    """Milliseconds without trailing zeros, as the rows of 2025 have them."""
    text = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3]
    return text.rstrip("0").rstrip(".") + "Z"


def _changes(
    before: Account, after: Account, first_values: FirstValues
) -> dict[str, dict[str, str | None]]:
    old, new = _flat(before), _flat(after)
    found: dict[str, dict[str, str | None]] = {}
    for path in [*old, *(p for p in new if p not in old)]:
        was, now = old.get(path), new.get(path)
        is_tag = path.startswith("tags.")
        is_first = path not in old and not is_tag
        if was == now or (is_tag and not (was or now)) or (is_first and first_values == "unlisted"):
            continue
        previous = "null" if is_first and first_values == "text" else was
        found[path] = {"previousValue": previous, "newValue": now}
    return found


def _flat(account: Account) -> dict[str, str | None]:
    """Dotted paths and their values as text."""
    row = account.outline()
    row["sku"] = {"name": account.sku}
    row["identity"] = account.identity or {}
    flat: dict[str, str | None] = {}

    def walk(path: str, value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{path}.{key}", inner)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(f"{path}[{index}]", inner)
        else:
            flat[path] = None if value is None else str(value)

    for top in ("properties", "tags", "sku", "identity"):
        walk(top, row[top])
    return flat
