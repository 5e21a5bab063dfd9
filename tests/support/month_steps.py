"""What the workbook's steps show of an eventful month, at a moment of it."""

from datetime import datetime, timedelta
from typing import Any

from dashboard.tables import Tables
from tests.support.captured import Captured
from tests.support.queries import queries
from tools.month import START
from tools.month_truth import History

RANGE = timedelta(days=31)
_BEGIN = START.replace(tzinfo=None)


def until(days: float) -> datetime:
    """Return the moment so many days into the month."""
    return _BEGIN + timedelta(days=days)


def rows(captured: Captured, days: float, step: str) -> list[dict[str, Any]]:
    """Return the rows of a step, as it stood so many days into the month."""
    end = until(days)
    captured.tables.window(end - RANGE, end)
    return asked(captured.tables, step, end)


def asked(tables: Tables, step: str, end: datetime) -> list[dict[str, Any]]:
    """Return the rows of a step at a moment, without what it says of what is not known."""
    kql = queries()[f"workbook {step}"]
    kql = kql.replace("2026-11-24T00:00:00Z", end.isoformat())
    kql = kql.replace("2026-10-24T00:00:00Z", (end - RANGE).isoformat())
    found = tables.query(kql).dicts()
    is_said = [any(str(cell).startswith("Not all ") for cell in row.values()) for row in found]
    return [row for row, said in zip(found, is_said, strict=True) if not said]


def at_minute(moment: datetime) -> datetime:
    """Return a moment as a page shows it."""
    return moment.replace(second=0, microsecond=0)


def history(captured: Captured, days: float) -> History:
    """Return what truly happened, so many days into the month."""
    return History(captured.truth, until(days))
