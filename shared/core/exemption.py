"""A tag and a day make an exemption. Pure.

One law: a tag that is present is overridden only by an explicit no or a date that has passed.
Whatever else stands in it, the account keeps its keys: as exempt where the value can be read, as
held where it can't.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from shared.core.model import Exempt, Exemption, Lapsed, Level, NotExempt, TagsAbove, Unreadable
from shared.core.spelling import essence

YES = frozenset({"", "true", "yes", "on", "1"})
NO = frozenset({"false", "no", "off", "0"})
FIELDS = ("until", "reason", "owner")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOST_PROTECTIVE_FIRST = (Exempt, Unreadable, Lapsed, NotExempt)


def read_exemption(tags: Mapping[str, str], tag: str, today: date) -> Exemption:
    """Say what the tag named `tag` means on the UTC day `today`.

    Azure compares tag names without regard to case. Should a source show two tags that differ in
    case alone, the one that protects the account more decides.
    """
    found = [_read_value(value, today) for value in exact(tags, tag).values()]
    found.sort(key=lambda exemption: _MOST_PROTECTIVE_FIRST.index(type(exemption)))
    return found[0] if found else NotExempt()


def is_tag(name: str, tag: str) -> bool:
    """Whether a name is that of `tag`, as Azure compares tag names: without regard to case."""
    return name.lower() == tag.lower()


def exact(tags: Mapping[str, str], tag: str) -> dict[str, str]:
    """Return the tags whose name is that of `tag`, spelled as they are there: one, as a rule."""
    return {name: value for name, value in tags.items() if is_tag(name, tag)}


def resembles(name: str, tag: str) -> bool:
    """Whether a name is that of `tag`, or was probably meant to be.

    That is, their letters and digits are the same: dashes of every kind, blanks, tabs, colons and
    what nobody sees don't count. It is the likeliest accident.
    """
    return essence(name) == essence(tag)


def carries(tags: Mapping[str, str], tag: str) -> bool:
    """Whether the tag is there, whatever it says."""
    return any(is_tag(name, tag) for name in tags)


def nearest_exemption(
    tags: Mapping[str, str], above: tuple[TagsAbove, ...], tag: str, today: date
) -> Exemption | Level:
    """Say what the nearest level with the tag says; the level, if one on the way can't be read."""
    for here in (TagsAbove(Level.ACCOUNT, tags), *above):
        if here.tags is None:
            return here.level
        if carries(here.tags, tag):
            exemption = read_exemption(here.tags, tag, today)
            if isinstance(exemption, Exempt):
                return replace(exemption, level=here.level)
            return exemption
    return NotExempt()


def near_miss(names: Iterable[str], tag: str) -> str | None:
    """Return the name of a tag that was probably meant to be `tag` and isn't, if there is one."""
    return next((name for name in names if resembles(name, tag) and not is_tag(name, tag)), None)


def resembling_pattern(tags: Sequence[str]) -> str:
    """Return a regular expression that finds, in tags as JSON, each name that resembles one.

    For a query, to leave most others out; it finds more than it must, so who asks compares again.
    What is beyond ASCII, and what JSON escapes, is found whatever it is. The syntax is what RE2 and
    Python have in common.
    """
    beyond_ascii_or_escaped = r"[^\x00-\x7f]|\\"
    names = [_resembling(letters) for letters in map(essence, tags) if letters.isascii()]
    if not names:
        return beyond_ascii_or_escaped
    return f"(?i){'|'.join(names)}|{beyond_ascii_or_escaped}"


def _resembling(letters: str) -> str:
    between = "[^a-z0-9]*" if letters.isalnum() else ""
    return between.join(map(re.escape, letters))


def _read_value(raw: str, today: date) -> Exemption:
    value = raw.strip()
    word = value.lower()
    if word in YES:
        return Exempt()
    if word in NO:
        return NotExempt(explicit=True)
    if _DAY.fullmatch(value):
        return _until(raw, value, today)
    if "=" in value:
        return _read_fields(raw, value, today)
    if value[0].isdigit():
        return Unreadable(raw, "it begins with a digit and is no date of the form 2027-03-31")
    return Exempt(reason=value)


def _read_fields(raw: str, value: str, today: date) -> Exemption:
    fields: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in value.split(";"))):
        name, equals, text = part.partition("=")
        name = name.strip().lower()
        if not equals:
            return Unreadable(raw, f"{part!r} is not of the form name=value")
        if name not in FIELDS:
            return Unreadable(raw, f"{name!r} is none of {', '.join(FIELDS)}")
        if name in fields:
            return Unreadable(raw, f"{name!r} stands in it twice")
        fields[name] = text.strip()
    reason, owner = fields.get("reason", ""), fields.get("owner", "")
    if "until" in fields:
        return _until(raw, fields["until"], today, reason, owner)
    return Exempt(reason=reason, owner=owner)


def _until(raw: str, text: str, today: date, reason: str = "", owner: str = "") -> Exemption:
    try:
        # fromisoformat takes other forms, too.
        day = date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        return Unreadable(raw, f"{text!r} is no day of the form 2027-03-31")
    return Lapsed(day, reason, owner) if day < today else Exempt(day, reason, owner)
