"""Values in a resource, by the paths that policy writes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

type Resource = Mapping[str, Any]


class Unresolved(Enum):
    """What only the deployment knows."""

    VALUE = "unresolved"


UNRESOLVED = Unresolved.VALUE


@dataclass(frozen=True, slots=True)
class Elements:
    """What a path with `[*]` names: a value for each element, or no array at all."""

    values: tuple[Any, ...]
    is_missing: bool = False


def resolved(value: Any) -> Any:
    """Return a value of a snapshot; a template expression that is left in it is unresolved."""
    is_expression = isinstance(value, str) and re.fullmatch(r"\[[^\[].*\]", value, re.DOTALL)
    return UNRESOLVED if is_expression else value


def at(node: Any, path: Sequence[str]) -> Any:
    """Return what is at a path, None if nothing is, Elements if the path leads through `[*]`.

    Letter case is free, and `properties` on the way may be left out, as aliases do.
    """
    node = resolved(node)
    if not path or node is UNRESOLVED:
        return node
    head, *rest = path
    members = {name.lower(): value for name, value in node.items()} if _is_object(node) else {}
    name = head.removesuffix("[*]").lower()
    if name not in members and "properties" in members:
        return at(members["properties"], path)
    inner = resolved(members.get(name))
    if not head.endswith("[*]") or inner is UNRESOLVED:
        return at(inner, rest)
    if not isinstance(inner, list):
        return Elements((), is_missing=True)
    return _joined([at(element, rest) for element in inner])


def _is_object(node: Any) -> bool:
    return isinstance(node, Mapping)


def _joined(found: Sequence[Any]) -> Elements:
    """Make one list of what every element has; one within another is flat."""
    values: list[Any] = []
    for value in found:
        values += value.values if isinstance(value, Elements) else [value]
    return Elements(tuple(values))


_PLAIN_FIELDS = {"type", "id", "kind", "location", "tags"}
_AT_THE_ROOT = {"sku", "identity", "zones"}
_TAG = re.compile(r"tags(?:\[['\"]?|\.)(.+?)['\"]?\]?", re.IGNORECASE)


def field_of(resource: Resource, name: str) -> Any:
    """Return what a field or an alias names; an alias of another type names nothing."""
    field = name.lower()
    if field in _PLAIN_FIELDS:
        return resolved(resource.get(field))
    if field in {"name", "fullname"}:
        full = resolved(resource["name"])
        is_last_part = field == "name" and isinstance(full, str)
        return full.rpartition("/")[2] if is_last_part else full
    if tag := _TAG.fullmatch(name):
        return at(resource.get("tags") or {}, [tag[1]])
    return _alias(resource, name)


def _alias(resource: Resource, name: str) -> Any:
    own = f"{resource['type']}/".lower()
    if name.lower().startswith("identity."):
        path = name
    elif name.lower().startswith(own):
        path = name[len(own) :]
    else:
        return Elements((), is_missing=True) if "[*]" in name else None
    # A site's configuration `web` is what a template writes as siteConfig.
    is_web = own == "microsoft.web/sites/config/" and path.lower().startswith("web.")
    parts = (path[len("web.") :] if is_web else path).split(".")
    properties = resource.get("properties") or {}
    first = parts[0].removesuffix("[*]").lower()
    # A workspace's SKU is among its properties, a storage account's beside them.
    is_at_root = first in _AT_THE_ROOT and first not in {key.lower() for key in properties}
    return (
        at({key: value for key, value in resource.items() if key != "properties"}, parts)
        if (is_at_root)
        else at(properties, parts)
    )
