"""Moments as Azure writes them: with any number of digits of a second, and UTC where none. Pure."""

from datetime import UTC, datetime

from shared.core.model import in_utc


def read_moment(value: object) -> datetime | None:
    """Read a text, or what an SDK made of one; None: it is no moment."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        return in_utc(found).astimezone(UTC) if isinstance(found, datetime) else None
    except (ValueError, OverflowError):
        return None
