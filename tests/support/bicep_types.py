"""A small checker of JSON against Microsoft's bicep types (`types.json`)."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

_FILE = (
    Path(__file__).parent.parent
    / "data"
    / "bicep_types"
    / "cognitiveservices-2025-09-01.types.json"
)
_REQUIRED, _READ_ONLY, _WRITE_ONLY = 1, 2, 4


@cache
def _types() -> list[dict[str, Any]]:
    types: list[dict[str, Any]] = json.loads(_FILE.read_text("utf-8"))
    return types


def account_problems(account: Any) -> list[str]:
    """Return what is wrong with an account as ARM answers it."""
    (body,) = (
        index
        for index, found in enumerate(_types())
        if found.get("name") == "Microsoft.CognitiveServices/accounts"
    )
    return _problems(account, body, "account", answer=True)


def update_problems(body: Any) -> list[str]:
    """Return what is wrong with what a client sends of an account: nothing read-only in it."""
    (account,) = (
        found for found in _types() if found.get("name") == "Microsoft.CognitiveServices/accounts"
    )
    found = []
    for key, value in body.items():
        declared = account["properties"].get(key)
        if declared is None:
            found.append(f"account.{key} is not declared")
        elif declared["flags"] & _READ_ONLY:
            found.append(f"account.{key} is read-only")
        else:
            found += _problems(value, _index(declared["type"]), f"account.{key}", answer=False)
    return found


def _index(reference: dict[str, str]) -> int:
    return int(reference["$ref"].removeprefix("#/"))


def _problems(value: Any, index: int, where: str, *, answer: bool) -> list[str]:
    declared = _types()[index]
    match declared["$type"]:
        case "ObjectType":
            return _object_problems(value, declared, where, answer=answer)
        case "ArrayType":
            if not isinstance(value, list):
                return [f"{where} is {value!r:.60}, not a list"]
            item = _index(declared["itemType"])
            return [
                problem
                for number, inner in enumerate(value)
                for problem in _problems(inner, item, f"{where}[{number}]", answer=answer)
            ]
        case "UnionType":
            elements = [_index(element) for element in declared["elements"]]
            if any(not _problems(value, element, where, answer=answer) for element in elements):
                return []
            return [f"{where} is {value!r:.60}, none of what is allowed"]
        case _:
            return _scalar_problems(value, declared, where)


def _object_problems(
    value: Any, declared: dict[str, Any], where: str, *, answer: bool
) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where} is {value!r:.60}, not an object"]
    properties = declared.get("properties", {})
    rest = declared.get("additionalProperties")
    found = []
    for key, inner in value.items():
        known = properties.get(key)
        if known is None and rest is None:
            found.append(f"{where}.{key} is not declared")
        elif known is None and rest is not None:
            found += _problems(inner, _index(rest), f"{where}.{key}", answer=answer)
        elif answer and known["flags"] & _WRITE_ONLY:
            found.append(f"{where}.{key} is write-only")
        elif not answer and known["flags"] & _READ_ONLY:
            found.append(f"{where}.{key} is read-only")
        else:
            found += _problems(inner, _index(known["type"]), f"{where}.{key}", answer=answer)
    found += [
        f"{where}.{key} is missing"
        for key, known in properties.items()
        if known["flags"] & _REQUIRED and key not in value
    ]
    return found


def _scalar_problems(value: Any, declared: dict[str, Any], where: str) -> list[str]:
    kind = declared["$type"]
    match kind:
        case "StringType":
            right = isinstance(value, str) and _fits(value, declared)
        case "StringLiteralType":
            right = value == declared["value"]
        case "BooleanType":
            right = isinstance(value, bool)
        case "IntegerType":
            right = isinstance(value, int | float) and not isinstance(value, bool)
        case "AnyType":
            right = True
        case _:
            raise NotImplementedError(kind)
    return [] if right else [f"{where} is {value!r:.60}, not a {kind} {declared.get('value', '')}"]


def _fits(value: str, declared: dict[str, Any]) -> bool:
    length = declared.get("minLength", 0) <= len(value) <= declared.get("maxLength", len(value))
    return length and re.search(declared.get("pattern", ""), value) is not None
