"""Whether a policy's condition holds for a resource; None where that can't be told."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from tests.support.policy.expressions import Situation
from tests.support.policy.values import UNRESOLVED, Elements

type Truth = bool | None


def all_of(truths: Iterable[Truth]) -> Truth:
    """Return False as soon as one is, else None if one can't be told."""
    result: Truth = True
    for truth in truths:
        if truth is False:
            return False
        result = result and truth
    return result


def any_of(truths: Iterable[Truth]) -> Truth:
    """Return True as soon as one is, else None if one can't be told."""
    return negated(all_of(negated(truth) for truth in truths))


def negated(truth: Truth) -> Truth:
    """Return the contrary; of what can't be told neither can that."""
    return None if truth is None else not truth


def holds(condition: Mapping[str, Any], situation: Situation) -> Truth:
    """Say whether a condition of a policyRule holds."""
    match {name.lower(): part for name, part in condition.items()}:
        case {"not": part}:
            return negated(holds(part, situation))
        case {"allof": parts}:
            return all_of(holds(part, situation) for part in parts)
        case {"anyof": parts}:
            return any_of(holds(part, situation) for part in parts)
        case {"field": name, **comparison}:
            actual = situation.field(situation.value(name))
        case {"value": text, **comparison}:
            actual = situation.value(text)
        case {"count": what, **comparison}:
            actual = counted(what, situation)
        case _:
            raise AssertionError(condition)
    ((operator, expected),) = comparison.items()
    return compared(operator, actual, situation.value(expected))


def counted(what: Mapping[str, Any], situation: Situation) -> Any:
    """Return how many elements of an array, or of a given list, meet `where`."""
    if "field" in what:
        name = situation.value(what["field"])
        found = situation.field(name)
        elements = found.values if isinstance(found, Elements) else found
    else:
        name, elements = what.get("name", ""), situation.value(what["value"])
    if elements is UNRESOLVED:
        return UNRESOLVED
    where = what.get("where", {"allOf": []})
    met = [
        holds(where, replace(situation, counted={**situation.counted, name.lower(): element}))
        for element in elements or ()
    ]
    return UNRESOLVED if None in met else met.count(True)


def compared(operator: str, actual: Any, expected: Any) -> Truth:
    """Apply one of policy's operators; of an array every element has to meet it."""
    if isinstance(actual, Elements):
        if actual.is_missing:
            return False
        return all_of(compared(operator, value, expected) for value in actual.values)
    if actual is UNRESOLVED or expected is UNRESOLVED:
        return None
    if operator.startswith("not"):
        return negated(compared(operator.removeprefix("not"), actual, expected))
    return _OPERATORS[operator](actual, expected)


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower()


def _contains(actual: Any, expected: Any) -> bool:
    whole = [_text(value) for value in actual] if isinstance(actual, list) else _text(actual)
    return _text(expected) in whole


def _like(actual: Any, expected: Any) -> bool:
    # `*` alone is special to policy.
    pattern = _text(expected).replace("[", "[[]")
    return actual is not None and fnmatchcase(_text(actual), pattern)


def _is_number(value: Any) -> bool:
    return bool(re.fullmatch(r"-?\d+([.]\d+)?", _text(value)))


def _is_less(actual: Any, expected: Any) -> bool:
    if _is_number(actual) and _is_number(expected):
        return float(actual) < float(expected)
    return _text(actual) < _text(expected)


def _equals(actual: Any, expected: Any) -> bool:
    return _text(actual) == _text(expected)


# Nothing is neither less nor greater than something.
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "exists": lambda actual, wanted: (actual is not None) is (_text(wanted) == "true"),
    "equals": _equals,
    "in": lambda actual, choices: _text(actual) in [_text(choice) for choice in choices or ()],
    "contains": _contains,
    "like": _like,
    "less": lambda actual, limit: actual is not None and _is_less(actual, limit),
    "greater": lambda actual, limit: actual is not None and _is_less(limit, actual),
    "lessorequals": lambda actual, limit: actual is not None and not _is_less(limit, actual),
    "greaterorequals": lambda actual, limit: actual is not None and not _is_less(actual, limit),
}
