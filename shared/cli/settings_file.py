"""App settings as a person has them in a file: read whole, or refused with one sentence.

A file that is read wrongly is worse than none: a null that became a tag named "None", or a list
whose values Azure had hidden, swept accounts that their tags exempted. Pure.
"""

import json
from collections.abc import Mapping
from typing import Any

from shared.settings import FUNCTION_TIMEOUT, SETTINGS

_HOW = (
    "It must be a local.settings.json, or the output of `az functionapp config appsettings list`."
)
_REFERENCE = "@microsoft.keyvault("


def read_app_settings(content: bytes) -> dict[str, str]:
    """Return the app settings that a file holds, by name.

    UTF-8 and UTF-16 are read, with a byte order mark or without, as PowerShell writes them.
    Raises ValueError, which says in one sentence why the file is refused.
    """
    try:
        document: object = json.loads(content)
    except RecursionError as error:
        raise ValueError(f"It is nested too deeply. {_HOW}") from error
    except ValueError as error:
        raise ValueError(f"It is no JSON ({error}). {_HOW}") from error
    return check_app_settings(_named_values(document))


def check_app_settings(values: Mapping[str, object]) -> dict[str, str]:
    """Return app settings as text, if ours among them say what they are. Raises ValueError."""
    ours = {name: value for name, value in values.items() if name in _KNOWN}
    if not ours:
        raise ValueError("It holds none of Keysweep's settings: is it another app's?")
    for name, value in ours.items():
        _refuse(name, value)
    return {name: _text(value) for name, value in values.items() if _is_plain(value)}


_KNOWN = frozenset({setting.name for setting in SETTINGS} | {FUNCTION_TIMEOUT})


def _named_values(document: object) -> Mapping[str, object]:
    """Take either form apart. Raises ValueError."""
    if isinstance(document, list):
        rows = [row for row in document if isinstance(row, dict)]
        if len(rows) != len(document) or not all(isinstance(row.get("name"), str) for row in rows):
            raise ValueError(f"Its rows are no app settings with a name and a value. {_HOW}")
        if rows and all(row.get("value") is None for row in rows):
            raise ValueError(
                "Its values are hidden: `az functionapp config appsettings set` prints null for "
                "each. Save the output of `az functionapp config appsettings list`."
            )
        return {str(row["name"]): row.get("value") for row in rows}
    if not isinstance(document, dict) or not isinstance(document.get("Values"), dict):
        raise ValueError(f"It has no `Values`. {_HOW}")  # noqa: TRY004 - of what it holds
    if document.get("IsEncrypted") is True:
        raise ValueError("It is encrypted: run `func settings decrypt` in its folder first.")
    values: dict[str, Any] = document["Values"]
    return values


def _refuse(name: str, value: object) -> None:
    """Raise ValueError for a value of ours that does not say what it is."""
    if value is None:
        raise ValueError(f"Its {name} is null: give it a value, or take the line away.")
    if not _is_plain(value):
        raise ValueError(f"Its {name} is no text.")
    if _text(value).strip().lower().startswith(_REFERENCE):
        raise ValueError(
            f"Its {name} is a reference to a key vault, which only the Function App can read: "
            "write the value itself."
        )


def _is_plain(value: object) -> bool:
    return isinstance(value, str | bool | int)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
