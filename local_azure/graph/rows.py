"""Rows as Resource Graph shows them, from as little as a test wants to say."""

from typing import Any

from local_azure.graph.store import COLUMNS


def full_row(row_id: str, **columns: Any) -> dict[str, Any]:
    """Fill a row up: name, subscription and resource group come from its id unless given.

    Strings that are not known are "", dynamic columns null (recorded: fact 42).
    """
    parts = row_id.split("/")
    lower = [part.lower() for part in parts]

    def after(word: str) -> str:
        return parts[lower.index(word) + 1] if word in lower[:-1] else ""

    found = {
        "id": row_id,
        "name": parts[-1],
        "subscriptionId": after("subscriptions"),
        "resourceGroup": after("resourcegroups"),
    }
    return {name: columns.get(name, found.get(name)) for name in COLUMNS}
