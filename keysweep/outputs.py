"""Documents of `--output json` that are no report of a sweep: docs/outputs.schema.json. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shared import __version__
from shared.core.model import AccountId, Gap

SCHEMA = 1
"""Version of these documents."""


def document(command: str, body: Mapping[str, Any]) -> str:
    """Write what a command has to say."""
    whole = {"schema": SCHEMA, "version": __version__, "command": command, **body}
    return json.dumps(whole, indent=2, ensure_ascii=True)


def account_in(account_id: AccountId, places: Mapping[str, str]) -> dict[str, str]:
    """Return what names an account; `places` has the names of subscriptions by id."""
    return {
        "id": str(account_id),
        "name": account_id.name,
        "resourceGroup": account_id.resource_group,
        "subscriptionId": account_id.subscription_id,
        "subscription": places.get(account_id.subscription_id, ""),
    }


def gaps_in(gaps: Sequence[Gap]) -> list[dict[str, str]]:
    """Return what could not be read."""
    return [
        {
            "kind": str(gap.kind),
            "name": gap.name,
            "problem": gap.problem,
            "subscriptionId": gap.subscription_id,
        }
        for gap in gaps
    ]
