"""How events go over the wire.

A field that is a number becomes a measurement, every other one a property; a field that is None is
left out. Names are in camelCase.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from shared.core.events import EVENTS, Event, RingEvent, SweepContext


@dataclass(frozen=True, slots=True)
class EventField:
    """One field of an event as it is on the wire."""

    attribute: str
    name: str
    kind: str
    """`text`, `true or false`, `whole number` or `number`; a `?` says that it may be left out."""
    is_measurement: bool
    meaning: str


_KINDS: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
}
_NUMBERS = {_KINDS[int], _KINDS[float]}


def fields_of(event_type: type[Event] | type[SweepContext]) -> tuple[EventField, ...]:
    """Return the fields of an event as declared, without those that every event carries."""
    hints = get_type_hints(event_type, include_extras=True)
    declared = {field.name: hints[field.name] for field in fields(event_type)}
    return tuple(
        _field(name, *get_args(hint))
        for name, hint in declared.items()
        if get_origin(hint) is Annotated
    )


def _field(attribute: str, kind: Any, meaning: str) -> EventField:
    parts = get_args(kind) or (kind,)
    word = next(_KINDS[part] for part in parts if part in _KINDS)
    optional = "?" if type(None) in parts else ""
    name = re.sub(r"_([a-z])", lambda match: match[1].upper(), attribute)
    return EventField(attribute, name, f"{word}{optional}", word in _NUMBERS, meaning)


_FIELDS: dict[type, tuple[EventField, ...]] = {
    SweepContext: fields_of(SweepContext),
    **{event_type: fields_of(event_type) for event_type in EVENTS},
}


def properties(value: Event | SweepContext) -> dict[str, str]:
    """Return the fields that are not numbers, by their names on the wire."""
    return {
        name: str(content).lower() if isinstance(content, bool) else str(content)
        for name, content in _contents(value, are_measurements=False)
    }


def measurements(value: Event) -> dict[str, float]:
    """Return the fields that are numbers, by their names on the wire."""
    return {name: float(content) for name, content in _contents(value, are_measurements=True)}


def _contents(
    value: Event | SweepContext, *, are_measurements: bool
) -> Iterator[tuple[str, str | bool | float]]:
    for field in _FIELDS[type(value)]:
        content = getattr(value, field.attribute)
        if field.is_measurement == are_measurements and content is not None:
            yield field.name, content


def identified(context: SweepContext, event: Event) -> SweepContext:
    """Return what an event carries: the mode of its ring, and an id made of all that it says."""
    if isinstance(event, RingEvent) and event.standing is not None:
        coming = event.standing.coming
        enforce_from = coming.isoformat() if coming else None
        context = replace(context, mode=event.standing.mode, enforce_from=enforce_from)
    said = [context.sweep_id, event.name, properties(event), measurements(event)]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return replace(context, event_id=digest[:32])
