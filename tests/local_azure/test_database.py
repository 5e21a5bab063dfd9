"""Databases in memory: each is alone, in UTC, and gone when it is closed."""

from collections.abc import Iterator
from contextlib import closing

import duckdb
import pytest

from local_azure.database import Database


@pytest.fixture
def database() -> Iterator[Database]:
    """Give a database that is closed after the test."""
    with closing(Database()) as database:
        yield database


def test_what_one_holds_no_other_sees(database: Database) -> None:
    database.connection.execute("CREATE TABLE held (x INTEGER)")
    with closing(Database()) as other, pytest.raises(duckdb.CatalogException):
        other.connection.execute("SELECT * FROM held")


def test_its_moments_are_in_utc_wherever_the_machine_is(database: Database) -> None:
    assert database.connection.execute("SELECT current_setting('TimeZone')").fetchall() == [
        ("UTC",)
    ]


def test_a_closed_one_leaves_nothing_behind(database: Database) -> None:
    names = "SELECT database_name FROM duckdb_databases()"
    before = database.connection.execute(names).fetchall()
    Database().close()
    assert database.connection.execute(names).fetchall() == before


def test_closing_once_more_is_nothing(database: Database) -> None:
    database.close()
    database.close()
