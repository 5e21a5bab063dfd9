"""When the timer fires, judged by the host's own NCRONTAB rules, on the strict side. Pure.

The Functions host accepts more than it fires: `24:00:00` is 24 days to it, `Fri-Mon` is swapped to
Mon-Fri, the 30th of February never comes. What it reads otherwise than a person would is refused
here (docs/facts.md, 6).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
_HORIZON = timedelta(days=5 * 366)
_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that the host takes and that fires. `text` is what the deployer wrote."""

    text: str
    fields: tuple[frozenset[int], ...] = field(repr=False)
    """The seconds, minutes, hours, days, months and days of the week on which it fires."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an NCRONTAB expression of five fields, or six with seconds first.

        Raises ValueError, which says what is wrong.
        """
        parts = [part for part in text.split(" ") if part]
        if len(parts) == len(_FIELDS) - 1:
            parts.insert(0, "0")
        if len(parts) != len(_FIELDS):
            raise ValueError(f"it has {len(parts)} fields")
        schedule = cls(
            text, tuple(_field(part, *field) for part, field in zip(parts, _FIELDS, strict=True))
        )
        # A start that is a leap year's first day: 29 February is found within the horizon.
        if schedule.next_after(datetime(2028, 1, 1, tzinfo=UTC)) is None:
            raise ValueError("it never fires")
        return schedule

    @property
    def interval(self) -> timedelta:
        """The time between two firings: the next two of a fixed day."""
        first = self.next_after(datetime(2028, 1, 1, tzinfo=UTC))
        second = self.next_after(first) if first else None
        return second - first if first and second else _HORIZON

    def number(self, moment: datetime) -> int:
        """Return which firing the last one up to `moment` is, counted from 0 since 2024."""
        seconds, minutes, hours = self.fields[:3]
        moment = moment.astimezone(UTC)
        days = range((moment - _FIRST_DAY).days)
        before = sum(self._fires_on(_FIRST_DAY + timedelta(days=day)) for day in days)
        count = before * len(hours) * len(minutes) * len(seconds)
        if self._fires_on(moment):
            count += sum(hour < moment.hour for hour in hours) * len(minutes) * len(seconds)
            if moment.hour in hours:
                count += sum(minute < moment.minute for minute in minutes) * len(seconds)
                if moment.minute in minutes:
                    count += sum(second <= moment.second for second in seconds)
        return count - 1

    def _fires_on(self, day: datetime) -> bool:
        # Both the day and the day of the week must match; cron elsewhere takes either.
        days, months, weekdays = self.fields[3:]
        weekday = (day.weekday() + 1) % 7
        return day.day in days and day.month in months and weekday in weekdays

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first time after `moment` at which it fires; None if not in five years."""
        seconds, minutes, hours = self.fields[:3]
        last_day = moment + _HORIZON
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        while day <= last_day:
            if self._fires_on(day):
                for hour in sorted(hours):
                    for minute in sorted(minutes):
                        for second in sorted(seconds):
                            time = day.replace(hour=hour, minute=minute, second=second)
                            if time > moment:
                                return time
            day += timedelta(days=1)
        return None


def _field(text: str, name: str, least: int, most: int, words: tuple[str, ...]) -> frozenset[int]:
    found: set[int] = set()
    for item in text.split(","):
        base, slash, step_text = item.partition("/")
        step = 1
        if slash:
            if not _is_number(step_text) or not 1 <= int(step_text) <= most - least + 1:
                raise ValueError(f"{item!r} is no step for the {name}")
            step = int(step_text)
        if base == "*":
            low, high = least, most
        else:
            first, dash, last = base.partition("-")
            low = _value(first, item, name, least, most, words)
            high = _value(last, item, name, least, most, words) if dash else low
            if slash and not dash:
                high = most
            if high < low:
                raise ValueError(f"{item!r} runs backwards; the host would swap its ends")
        found.update(range(low, high + 1, step))
    return frozenset(found)


def _value(text: str, item: str, name: str, least: int, most: int, words: tuple[str, ...]) -> int:
    if text.lower() in words:
        return words.index(text.lower()) + least
    if _is_number(text) and least <= int(text) <= most:
        return int(text)
    raise ValueError(f"{item!r} is nothing that the {name} can be")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10  # noqa: PLR2004 - fits an int32
