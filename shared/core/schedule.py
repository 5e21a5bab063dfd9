"""When the timer fires, judged by the host's own NCRONTAB rules, on the strict side. Pure.

The Functions host accepts more than it fires: `24:00:00` is 24 days to it, `Fri-Mon` is swapped to
Mon-Fri, the 30th of February never comes. What it reads otherwise than a person would is refused
here (docs/facts.md, 6).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise, product
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
# From its first day on, 29 February is found within the horizon.
_LEAP_YEAR = datetime(2028, 1, 1, tzinfo=UTC)


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
        fields = (_field(part, *field) for part, field in zip(parts, _FIELDS, strict=True))
        schedule = cls(text, tuple(fields))
        if schedule.next_after(_LEAP_YEAR) is None:
            raise ValueError("it never fires")
        return schedule

    @property
    def interval(self) -> timedelta:
        """The time between two firings: the next two of a fixed day."""
        first = self.next_after(_LEAP_YEAR)
        second = self.next_after(first) if first else None
        return second - first if first and second else _HORIZON

    @property
    def longest_gap(self) -> timedelta:
        """The longest time between two firings: over a night, a weekend or a month."""
        times = [
            timedelta(hours=at.hour, minutes=at.minute, seconds=at.second) for at in self._times()
        ]
        days = [
            timedelta(days=day)
            for day in range(_HORIZON.days)
            if self.fires_on(_LEAP_YEAR + timedelta(days=day))
        ]
        nights = [later - earlier + times[0] - times[-1] for earlier, later in pairwise(days)]
        within_days = [later - earlier for earlier, later in pairwise(times)]
        return max([*nights, *within_days], default=_HORIZON)

    def number(self, moment: datetime) -> int:
        """Return which firing the last one up to `moment` is, counted from 0 since 2024."""
        moment = moment.astimezone(UTC)
        before = _firing_days(self, (moment - _FIRST_DAY).days)
        times = list(self._times())
        today = sum(at <= moment.time() for at in times) if self.fires_on(moment) else 0
        return before * len(times) + today - 1

    def is_first_of_day(self, moment: datetime, last: datetime | None) -> bool:
        """Whether no firing came before that of `moment` on its UTC day.

        `last` is the firing before it. If that is not known, those of the schedule count.
        """
        midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if last is not None:
            return last < midnight
        return self.number(moment) == self.number(midnight - timedelta(microseconds=1)) + 1

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first time after `moment` at which it fires; None if not in five years."""
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        for days in range(_HORIZON.days + 1):
            day = midnight + timedelta(days=days)
            if self.fires_on(day):
                for at in self._times():
                    fires = datetime.combine(day, at, day.tzinfo)
                    if fires > moment:
                        return fires
        return None

    def _times(self) -> Iterator[time]:
        """Return at which times of a day it fires, the earliest first."""
        hours_minutes_seconds = self.fields[2::-1]
        for hour, minute, second in product(*map(sorted, hours_minutes_seconds)):
            yield time(hour, minute, second)

    def fires_on(self, day: datetime) -> bool:
        """Whether it fires at any time of this day."""
        # Both the day and the day of the week must match; cron elsewhere takes either.
        days, months, weekdays = self.fields[3:]
        return day.day in days and day.month in months and day.isoweekday() % 7 in weekdays


@lru_cache(maxsize=16)  # a sweep asks for the same day several times
def _firing_days(schedule: Schedule, days: int) -> int:
    """Count on how many of the first `days` days since 2024 it fires."""
    return sum(schedule.fires_on(_FIRST_DAY + timedelta(days=day)) for day in range(days))


def _field(text: str, name: str, least: int, most: int, words: tuple[str, ...]) -> frozenset[int]:
    found: set[int] = set()
    for item in text.split(","):
        base, slash, step_text = item.partition("/")
        step = int(step_text) if _is_number(step_text) else 0
        if slash and not 1 <= step <= most - least + 1:
            raise ValueError(f"{item!r} is no step for the {name}")
        low, high = least, most
        if base != "*":
            first, dash, last = base.partition("-")
            low = _value(first, item, name, least, most, words)
            high = most if slash else low
            if dash:
                high = _value(last, item, name, least, most, words)
            if high < low:
                raise ValueError(f"{item!r} runs backwards; the host would swap its ends")
        found.update(range(low, high + 1, step or 1))
    return frozenset(found)


def _value(text: str, item: str, name: str, least: int, most: int, words: tuple[str, ...]) -> int:
    if text.lower() in words:
        return words.index(text.lower()) + least
    if _is_number(text) and least <= int(text) <= most:
        return int(text)
    raise ValueError(f"{item!r} is nothing that the {name} can be")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10  # noqa: PLR2004 - fits an int32
