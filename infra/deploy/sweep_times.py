"""When an app sweeps, by the schedule that its settings have. Pure."""

from datetime import UTC, datetime

from shared.core.schedule import Schedule
from shared.core.settings import SETTINGS

DEFAULT_SCHEDULE = str(
    next(setting.default for setting in SETTINGS if setting.name == "SWEEP_SCHEDULE")
)


def schedule_of(text: str | None) -> Schedule | None:
    """Read a schedule: an empty one is the default. None if it can't be seen (None) or read."""
    if text is None:
        return None
    try:
        return Schedule.parse(text.strip() or DEFAULT_SCHEDULE)
    except ValueError:
        return None


def is_due(text: str | None, since: datetime, by: datetime) -> bool | None:
    """Whether a sweep begins between two moments; None if the schedule can't be seen or read."""
    schedule = schedule_of(text)
    if schedule is None:
        return None
    first = schedule.next_after(since.astimezone(UTC))
    return first is not None and first <= by


def minutes_to_next(text: str | None, now: datetime) -> int | None:
    """Return how far away the next sweep is; None if the schedule can't be seen or read."""
    at = _next(text, now)
    return None if at is None else _minutes(at, now)


def next_sweep(text: str | None, now: datetime) -> str:
    """Say in a sentence when the next sweep is."""
    if text is None:
        return "When the next sweep is can't be seen: you may not read the app's settings."
    at = _next(text, now)
    if at is None:
        return f"When the next sweep is can't be told of the schedule {text!r}."
    return f"The next sweep is at {at:%Y-%m-%d %H:%M} UTC, in {_minutes(at, now)} minutes."


def _next(text: str | None, now: datetime) -> datetime | None:
    schedule = schedule_of(text)
    return None if schedule is None else schedule.next_after(now.astimezone(UTC))


def _minutes(at: datetime, now: datetime) -> int:
    return int((at - now).total_seconds() // 60)
