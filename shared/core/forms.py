"""What a setting may be, in words, and how its text is read. Pure.

Whoever reads a text raises ValueError for one that is nothing that the setting can be.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from shared.core.model import Level
from shared.core.rings import Ring

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
# Azure Resource Manager refuses these in tag names, and names longer than 512 characters.
_BAD_IN_TAG_NAME = frozenset("<>%&\\?/")
_MOST_TAG_NAME = 512
# As infra/tenant.bicep tells them: Python's UUID takes braces, and hyphens in any place.
GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# Ids of management groups: letters, digits, `-`, `_`, `(`, `)`, `.`; at most 90 characters.
GROUP_ID = re.compile(r"[A-Za-z0-9_().-]{1,90}")
TOKEN_SCOPE = re.compile(r"https://\S+/\.default")
TELEMETRY_KEY = re.compile(r"(.*;)?\s*InstrumentationKey=[0-9a-fA-F-]{36}\s*(;.*)?")
# A host's name, and perhaps a port: what a token is sent to is never hidden by user info, a
# backslash or a letter that looks like another (RFC 1123, section 2.1).
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"https://(?P<host>{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>[0-9]{{1,5}}))?/?")
_MOST_HOST, _MOST_PORT = 253, 65_535


@dataclass(frozen=True, slots=True)
class Form[T]:
    """What a setting may be, in words, and how its text is read."""

    allowed: str
    parse: Callable[[str], T]
    """Raises ValueError."""
    explains: bool = False
    """Whether the arguments of that error say what is wrong, in words for a deployer."""

    @property
    def or_empty(self) -> "Form[T | None]":
        """The same form, or nothing."""
        return Form(f"{self.allowed}, or empty", optional(self.parse))


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError


def one_of[T](*words: str, read: Callable[[str], T]) -> Form[T]:
    """Take one of these words, in any letter case, and read it."""

    def parse(text: str) -> T:
        if text.lower() in words:
            return read(text.lower())
        raise ValueError

    return Form(" or ".join(f"`{word}`" for word in words), parse)


def whole_number(least: int, most: int) -> Form[int]:
    """Take a whole number from `least` to `most`."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and least <= int(text) <= most:
            return int(text)
        raise ValueError

    return Form(f"a whole number from {least} to {most}", parse)


def optional[T](parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """Read a text, or nothing where there is none."""
    return lambda text: parse(text) if text else None


def _parts(text: str) -> list[str]:
    """Split a list by comma. One that was given and holds nothing is a mistake: ValueError."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    if text and not found:
        raise ValueError("it lists nothing")
    return found


def listed[T](parse: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Read a list by comma, each part once."""
    return lambda text: tuple(dict.fromkeys(parse(part) for part in _parts(text)))


def read_moment(text: str) -> datetime:
    """Read a moment with its zone, or the beginning of a UTC day. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if len(text) == len("2027-03-31"):
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    if moment.tzinfo is None:
        raise ValueError
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError from error


def read_rings(text: str) -> tuple[Ring, ...]:
    """Read a list of rings, each once. Raises ValueError, which has an argument for each problem.

    An id of a subscription is taken for one: which of them are groups, other settings say.
    """
    found: dict[str, Ring] = {}
    problems = []
    for part in dict.fromkeys(_parts(text)):
        try:
            ring = _ring(part)
        except ValueError as error:
            problems.append(str(error))
            continue
        if found.setdefault(ring.key, ring) != ring:
            problems.append(f"{ring.name} is listed twice")
    if problems:
        raise ValueError(*problems)
    return tuple(found.values())


def _ring(text: str) -> Ring:
    """Read one ring. Raises ValueError, which says what is wrong."""
    name, at, when = (part.strip() for part in text.partition("@"))
    try:
        begins = read_moment(when) if at else None
    except ValueError:
        raise ValueError(f"{when!r} of {name} is no moment such as 2027-03-31T08:00Z") from None
    try:
        return Ring(read_guid(name), begins, is_group=False)
    except ValueError:
        pass
    if GROUP_ID.fullmatch(name) is None:
        raise ValueError(f"{name!r} can be no management group and no subscription")
    return Ring(name, begins)


def read_levels(text: str) -> tuple[Level, ...]:
    """Read the levels above an account that are named, the nearest first. Raises ValueError."""
    above = (Level.RESOURCE_GROUP, Level.SUBSCRIPTION)
    if text.lower() in _TRUE | _FALSE:
        return above if text.lower() in _TRUE else ()
    named = {part.lower() for part in _parts(text)}
    if named - {level.lower() for level in above}:
        raise ValueError
    return tuple(level for level in above if level.lower() in named)


def read_guid(text: str) -> str:
    """Read an id of subscription, tenant or client, in lower case. Raises ValueError."""
    if GUID.fullmatch(text) is None:
        raise ValueError
    return text.lower()


def matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    """Take a text as it is, if all of it matches."""

    def parse(text: str) -> str:
        if pattern.fullmatch(text):
            return text
        raise ValueError

    return parse


def read_tag_name(text: str) -> str:
    """Take a name that Azure takes for a tag. Raises ValueError."""
    if len(text) <= _MOST_TAG_NAME and not _BAD_IN_TAG_NAME & set(text) and text.isprintable():
        return text
    raise ValueError


def read_address(text: str) -> str:
    """Take the address of an endpoint: https, a host and perhaps a port. Raises ValueError."""
    address = _ADDRESS.fullmatch(text)
    if address is None or len(address["host"]) > _MOST_HOST:
        raise ValueError
    if address["port"] is not None and not 0 < int(address["port"]) <= _MOST_PORT:
        raise ValueError
    return text.removesuffix("/")


MOMENT = Form(
    "a moment such as `2027-03-31T08:00Z`, a day (its beginning, UTC), or empty",
    optional(read_moment),
)
YES_NO = Form("`true` or `false`", _boolean)
