"""Subscriptions and management groups as a person names them: by id, or by the name they see. Pure.

Names are for the line alone. Settings take ids: a subscription's name can be changed by others, and
what a Function sweeps must not change with it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keysweep.advice import UsageProblem
from keysweep.words import did_you_mean, the_first
from shared.core.forms import GROUP_ID, GUID

_SUBSCRIPTION_PATH = re.compile(r"^/subscriptions/(?=[^/]+$)", re.IGNORECASE)
_GROUP_PATH = re.compile(
    r"^/providers/Microsoft\.Management/managementGroups/(?=[^/]+$)", re.IGNORECASE
)
NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
"""The id of none: the scope of a session that does no more than look names up."""


@dataclass(frozen=True, slots=True)
class Place:
    """A subscription or a management group: its id, and the name that people see."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person typed as the scope."""

    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()

    @classmethod
    def read(cls, subscriptions: Iterable[str], management_groups: Iterable[str]) -> "Typed":
        """Take what names them, without the path that Azure writes before an id."""
        return cls(
            tuple(_SUBSCRIPTION_PATH.sub("", text.strip()) for text in subscriptions),
            tuple(_GROUP_PATH.sub("", text.strip()) for text in management_groups),
        )

    @property
    def needs_subscriptions(self) -> bool:
        """Whether one of the subscriptions is no id, and has to be looked up."""
        return any(not is_guid(text) for text in self.subscriptions)

    @property
    def needs_looking_up(self) -> bool:
        """Whether any of it has to be looked up: a group's id can't be told from a name."""
        return self.needs_subscriptions or bool(self.management_groups)

    @property
    def can_be_group_ids(self) -> bool:
        """Whether each of the groups can be an id."""
        return all(GROUP_ID.fullmatch(text) for text in self.management_groups)

    def subscription_ids(self, known: Sequence[Place]) -> tuple[str, ...]:
        """Return the subscriptions' ids. Raises UsageProblem, which names all that are none."""
        unknown = [text for text in self.subscriptions if not is_guid(text)]
        found = _ids("--subscription", "subscription", unknown, known)
        return tuple(found.get(text, text) for text in self.subscriptions)

    def group_ids(self, known: Sequence[Place] | None) -> tuple[str, ...]:
        """Return the groups' ids; None: which there are could not be read.

        Raises UsageProblem, which names all that are none.
        """
        if known is None:
            return self.management_groups
        found = _ids("--management-group", "management group", self.management_groups, known)
        return tuple(found[text] for text in self.management_groups)


def is_guid(text: str) -> bool:
    """Whether a text has the form of a subscription's id, or a tenant's."""
    return GUID.fullmatch(text.strip()) is not None


def _ids(option: str, what: str, typed: Sequence[str], known: Sequence[Place]) -> dict[str, str]:
    """Return the id of what is meant by each text: one by id goes before one by name."""
    found: dict[str, str] = {}
    problems = []
    for text in typed:
        wanted = text.strip().lower()
        by_id = [place for place in known if place.id.lower() == wanted]
        meant = by_id or [place for place in known if place.name.lower() == wanted]
        match meant:
            case [place]:
                found[text] = place.id
            case []:
                problems.append(_unknown(option, what, text, known))
            case _:
                ids = the_first([place.id for place in meant])
                problems.append(
                    f"{option} {text!r} is the name of {len(meant)} {what}s: give an id ({ids})."
                )
    if problems:
        raise UsageProblem("\n".join(problems))
    return found


def _unknown(option: str, what: str, text: str, known: Sequence[Place]) -> str:
    names = {name: name for place in known for name in (place.name, place.id) if name}
    meant = did_you_mean(text, names)
    there = the_first(sorted({place.name or place.id for place in known})) or "none"
    hint = meant or f"You can read: {there}."
    return f"{option} {text!r} is no {what} that you can read. {hint}"
