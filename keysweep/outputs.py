"""Documents for programs: JSON and CSV, and what all of them say of accounts and gaps. Pure."""

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keysweep.advice import for_person
from keysweep.words import inert
from shared import __version__
from shared.core.model import AccountId, Gap

SCHEMA = 1
"""Version of the documents of docs/outputs.schema.json."""
NOT_SEEN = "NOT_SEEN"
"""In a CSV, the verdict of what could not be read."""
# What a spreadsheet takes for the beginning of a formula, in full width as well.
_FORMULA = frozenset("=+-@")


def document(schema: int, body: Mapping[str, Any]) -> str:
    """Write a document of JSON; `schema` is the version of its form."""
    return json.dumps({"schema": schema, "version": __version__, **body}, indent=2)


def of_command(command: str, body: Mapping[str, Any]) -> str:
    """Write what a command has to say: a document of docs/outputs.schema.json."""
    return document(SCHEMA, {"command": command, **body})


def camel(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names that documents have for them."""
    return {
        name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:]): value
        for name, value in values.items()
    }


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
            "problem": for_person(gap.problem),
            "subscriptionId": gap.subscription_id,
        }
        for gap in gaps
    ]


def unread(gap: Gap) -> str:
    """Say of a gap what could not be read, and why."""
    return f"{gap.kind} {gap.name} could not be read: {for_person(gap.problem)}"


def csv_of(columns: Sequence[str], lines: Iterable[Mapping[str, object]]) -> str:
    """Write lines as CSV; None is an empty cell. No cell can become a formula."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    for line in lines:
        writer.writerow(
            {name: cell(str(value)) for name, value in line.items() if value is not None}
        )
    return text.getvalue()


def cell(text: str) -> str:
    """Write a cell such that neither it nor a part of it can become a formula.

    Where a comma is the decimal sign, spreadsheets begin a new cell at each semicolon.
    """
    return ";".join(
        f"'{part}" if _begins_a_formula(part) else part for part in inert(text).split(";")
    )


def _begins_a_formula(text: str) -> bool:
    first = text.lstrip(" \"'")[:1]
    return unicodedata.normalize("NFKC", first)[:1] in _FORMULA if first else False
