"""Expressions in a policy, such as `[concat('tags[', parameters('name'), ']')]`."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.policy.values import UNRESOLVED, Elements, Resource, at, field_of

_TOKEN = re.compile(r"'(?:[^']|'')*'|[A-Za-z_]\w*|-?\d+|[()\[\],.]")


@dataclass(frozen=True)
class Situation:
    """One resource before one definition, and what an expression may ask for."""

    resource: Resource
    parameters: Mapping[str, Any]
    """By their names in small letters."""
    deployed: Sequence[Resource] = ()
    """Everything that is deployed with it."""
    counted: Mapping[str, Any] = field(default_factory=dict)
    """By array, in small letters: the element that a count is at."""

    def value(self, text: Any) -> Any:
        """Return what stands in a policy: a literal, or what an expression comes to."""
        if not isinstance(text, str) or not text.startswith("["):
            return text
        if text.startswith("[["):
            return text[1:]
        return _Reader(_TOKEN.findall(text[1:-1]), self).expression()

    def field(self, name: str) -> Any:
        """Return what a field names: in a count, of the element that it is at."""
        # The innermost count first.
        for array, element in reversed(list(self.counted.items())):
            if array.endswith("[*]") and name.lower().startswith(array):
                return at(element, [part for part in name[len(array) :].split(".") if part])
        return field_of(self.resource, name)

    def parameter(self, name: str) -> Any:
        """Return a parameter's value; one that the company has to give is unresolved."""
        return self.parameters.get(name.lower(), UNRESOLVED)

    def current(self, name: str = "") -> Any:
        """Return the element that a count is at, of the innermost one without a name."""
        counts = reversed(list(self.counted.items()))
        found = (element for array, element in counts if name.lower() in {"", array})
        return next(found, UNRESOLVED)

    def subscription(self) -> Any:
        """Return what is known of the subscription."""
        found = re.match(r"/subscriptions/[^/]+", str(self.resource["id"]))
        known = {"tenantId": UNRESOLVED, "tags": UNRESOLVED}
        return {"id": found[0], **known} if found else UNRESOLVED

    def resource_group(self) -> Any:
        """Return the resource group, if it is deployed too."""
        found = re.match(r"(.*?/resourceGroups/[^/]+)", str(self.resource["id"]), re.IGNORECASE)
        wanted = found[1].lower() if found else None
        groups = (other for other in self.deployed if str(other["id"]).lower() == wanted)
        return next(groups, UNRESOLVED)

    def request(self) -> Any:
        """Return what is known of the request."""
        return {"apiVersion": self.resource.get("apiVersion"), "identity": UNRESOLVED}


class _Reader:
    """Reads an expression from the left, and comes to its value."""

    def __init__(self, tokens: Sequence[str], situation: Situation) -> None:
        self._tokens = [*tokens, ""]
        self._situation = situation

    def expression(self) -> Any:
        """Read a literal, or a call and what is taken out of its result."""
        head = self._take()
        if head.startswith("'"):
            return head[1:-1].replace("''", "'")
        if head.lstrip("-").isdigit():
            return int(head)
        value = _called(head.lower(), self._arguments(), self._situation)
        while self._tokens[0] in {".", "["}:
            value = _part(value, self._key())
        return value

    def _take(self) -> str:
        return self._tokens.pop(0)

    def _arguments(self) -> list[Any]:
        self._take()
        found = []
        while self._tokens[0] != ")":
            found.append(self.expression())
            if self._tokens[0] == ",":
                self._take()
        self._take()
        return found

    def _key(self) -> Any:
        if self._take() == ".":
            return self._take()
        key = self.expression()
        self._take()
        return key


def _part(value: Any, key: Any) -> Any:
    if not isinstance(value, list):
        return at(value, [str(key)])
    return value[key] if key < len(value) else UNRESOLVED


def _called(name: str, arguments: list[Any], situation: Situation) -> Any:
    asks: Mapping[str, Callable[..., Any]] = {
        "parameters": situation.parameter,
        "field": lambda path: _field_value(situation.field(path), path),
        "current": situation.current,
        "subscription": situation.subscription,
        "resourcegroup": situation.resource_group,
        "requestcontext": situation.request,
        "if": lambda test, yes, no: UNRESOLVED if test is UNRESOLVED else yes if test else no,
    }
    try:
        if name in asks:
            return asks[name](*arguments)
        return UNRESOLVED if UNRESOLVED in arguments else _FUNCTIONS[name](*arguments)
    except (AttributeError, LookupError, TypeError, ValueError):
        # Nothing where a text is wanted, or a function that is not read here.
        return UNRESOLVED


def _field_value(value: Any, path: str) -> Any:
    """Return what `field()` gives: of an array always a list, in a count of one element."""
    if isinstance(value, Elements):
        return list(value.values)
    return [value] if "[*]" in path else value


def _same(one: Any, other: Any) -> bool:
    return bool(_folded(one) == _folded(other))


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _concatenated(*parts: Any) -> Any:
    if isinstance(parts[0], list):
        return [element for part in parts for element in part]
    return "".join(map(str, parts))


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "and": lambda *tests: all(tests),
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "concat": _concatenated,
    "contains": lambda whole, part: _folded(part) in (_folded(whole) or ""),
    "createarray": lambda *values: list(values),
    "empty": lambda value: not value,
    "equals": _same,
    "false": lambda: False,
    "first": lambda values: values[0],
    "greaterorequals": lambda one, other: one >= other,
    "int": int,
    "last": lambda values: values[-1],
    "length": lambda value: len(value or []),
    "lessorequals": lambda one, other: one <= other,
    "not": lambda test: not test,
    "or": lambda *tests: any(tests),
    "split": lambda text, separator: (text or "").split(separator),
    "string": lambda value: "" if value is None else str(value),
    "tolower": lambda text: str(text).lower(),
    "true": lambda: True,
    # When the definitions were collected: no condition of theirs asks for more than any moment.
    "utcnow": lambda: "2026-11-25T00:00:00Z",
}
