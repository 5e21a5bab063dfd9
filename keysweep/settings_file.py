"""App settings as a person has them in a file: read whole, or refused with one sentence.

A file that is read wrongly is worse than none: a null that became a tag named "None", or a list
whose values Azure had hidden, swept accounts that their tags exempted. Pure.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from keysweep.words import why_no_json
from shared.core.function_timeout import FUNCTION_TIMEOUT
from shared.core.settings import SETTINGS, is_reference

LARGEST = 4_000_000
"""A file of more bytes than this holds no app settings."""
_HOW = (
    "It must be a local.settings.json, or the output of `az functionapp config appsettings list`."
)


def read_app_settings(content: bytes) -> dict[str, str]:
    """Return the app settings that a file holds, by name.

    UTF-8 and UTF-16 are read, with a byte order mark or without, as PowerShell writes them.
    Raises ValueError, which says in one sentence why the file is refused.
    """
    if len(content) > LARGEST:
        raise ValueError(f"It has more than {LARGEST} bytes. {_HOW}")
    try:
        document: object = json.loads(content, object_pairs_hook=_Object)
    except RecursionError as error:
        raise ValueError(f"It is nested too deeply. {_HOW}") from error
    except ValueError as error:
        raise ValueError(f"It is no JSON: {why_no_json(error)}. {_HOW}") from error
    return check_app_settings(_named_values(document))


def check_app_settings(values: Mapping[str, object]) -> dict[str, str]:
    """Return app settings as text, if ours among them say what they are. Raises ValueError."""
    if _ONLY_OURS.isdisjoint(values):
        raise ValueError("It holds none of Keysweep's settings: is it another app's?")
    for name, value in values.items():
        if name in _KNOWN:
            _refuse(name, value)
    return {name: _text(value) for name, value in values.items() if _is_plain(value)}


_KNOWN = frozenset({setting.name for setting in SETTINGS} | {FUNCTION_TIMEOUT})
# Those that no other app has: every Function App has a connection string, and many an identity.
_ONLY_OURS = frozenset(
    name for name in _KNOWN - {FUNCTION_TIMEOUT} if not name.startswith(("AZURE_", "ARM_", "APPL"))
)


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its names stood there more than once."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.doubled = _doubled(name for name, _ in pairs)


def _doubled(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name, count in Counter(names).items() if count > 1)


def _named_values(document: object) -> Mapping[str, object]:
    """Take either form apart. Raises ValueError."""
    if isinstance(document, list):
        return _listed(document)
    if not isinstance(document, _Object) or not isinstance(document.get("Values"), _Object):
        raise ValueError(f"It has no `Values`. {_HOW}")  # noqa: TRY004 - of what it holds
    if str(document.get("IsEncrypted", False)).strip().lower() not in {"false", "none"}:
        raise ValueError("It is encrypted: run `func settings decrypt` in its folder first.")
    values: _Object = document["Values"]
    _refuse_doubled((values.doubled & _KNOWN) | document.doubled)
    return values


def _listed(rows: Sequence[object]) -> Mapping[str, object]:
    """Take the output of `az functionapp config appsettings list` apart. Raises ValueError."""
    named = [row for row in rows if isinstance(row, _Object) and isinstance(row.get("name"), str)]
    if len(named) != len(rows):
        raise ValueError(f"Its rows are no app settings with a name and a value. {_HOW}")
    if named and all(row.get("value") is None for row in named):
        raise ValueError(
            "Its values are hidden: `az functionapp config appsettings set` prints null for "
            "each. Save the output of `az functionapp config appsettings list`."
        )
    _refuse_doubled(_doubled(str(row["name"]) for row in named) & _KNOWN)
    for row in named:
        _refuse_doubled(row.doubled)
    return {str(row["name"]): row.get("value") for row in named}


def _refuse_doubled(names: Collection[str]) -> None:
    """Raise ValueError for what stands there twice: readers differ on which of them counts."""
    if names:
        raise ValueError(f"It has this more than once: {', '.join(sorted(names))}.")


def _refuse(name: str, value: object) -> None:
    """Raise ValueError for a value of ours that does not say what it is."""
    if value is None:
        raise ValueError(f"Its {name} is null: give it a value, or take the line away.")
    if not _is_plain(value):
        raise ValueError(f"Its {name} is no text.")
    if is_reference(_text(value)):
        raise ValueError(
            f"Its {name} is a reference to a key vault or an App Configuration, which only the "
            "Function App can read: write the value itself."
        )


def _is_plain(value: object) -> bool:
    return isinstance(value, str | bool | int)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
