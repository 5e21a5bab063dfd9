"""What queries answer of an eventful month, at a moment of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from dashboard.tables import Tables
from tests.support.captured import Captured, naive
from tests.support.queries import between, queries
from tools.month import START
from tools.month_truth import History

RANGE = timedelta(days=31)
_BEGIN = START.replace(tzinfo=None)


def at_each_of(moments: Mapping[str, float]) -> pytest.MarkDecorator:
    """Run a test so many `days` into the month, by the names of these moments.

    All tests of one moment, then those of the next: what a query's statements made is kept for all.
    """
    return pytest.mark.parametrize("days", moments.values(), ids=moments, scope="module")


def until(days: float) -> datetime:
    """Return the moment so many days into the month."""
    return _BEGIN + timedelta(days=days)


def rows(captured: Captured, days: float, step: str) -> list[dict[str, Any]]:
    """Return the rows of a step of the workbook, as it stood so many days into the month."""
    return answered(captured, days, f"workbook {step}")


def answered(captured: Captured, days: float, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query, as it stood so many days into the month."""
    end = until(days)
    captured.tables.window(end - RANGE, end)
    return asked(captured.tables, query, end)


def asked(tables: Tables, query: str, end: datetime) -> list[dict[str, Any]]:
    """Return the rows of a query at a moment, without what it says of what is not known."""
    found = tables.query(between(end - RANGE, end, queries()[query])).dicts()
    is_said = [any(str(cell).startswith("Not all ") for cell in row.values()) for row in found]
    return [row for row, said in zip(found, is_said, strict=True) if not said]


def at_minute(moment: datetime) -> datetime:
    """Return a moment as a page shows it."""
    return moment.replace(second=0, microsecond=0)


def minute(text: str) -> datetime:
    """Return what a page shows of a moment that the truth has as text."""
    return at_minute(naive(text))


def history(captured: Captured, days: float) -> History:
    """Return what truly happened, so many days into the month."""
    return History(captured.truth, until(days))
