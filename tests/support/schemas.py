"""What documents have to look like: the JSON schemas of docs/, each read and judged once."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DOCS = Path(__file__).parents[2] / "docs"


@cache
def schema(name: str) -> dict[str, Any]:
    """Return one of them, by the beginning of its name."""
    found: dict[str, Any] = json.loads((DOCS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(found)
    return found


def validate(document: object, name: str) -> None:
    """Fail unless a document is what a schema says."""
    Draft202012Validator(schema(name)).validate(document)
