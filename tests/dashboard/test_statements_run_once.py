"""A query's `let` statements are run once for all who ask, and tell each what is true now."""

from datetime import datetime

import pytest

from dashboard.tables import QueryError, Tables
from tests.support.told_sweeps import DAY, calm, completed

_READ = "let events = customEvents;\nlet read = events | where name == 'SubscriptionRead';\n"


def numbers(tables: Tables, kql: str, **values: str) -> list[object]:
    return [row[0] for row in tables.query(kql, values).rows]


def at(hour: float) -> datetime:
    return DAY.replace(hour=int(hour), minute=30)


def test_statements_are_tables_for_those_after_them() -> None:
    assert numbers(Tables(calm(range(5))), f"{_READ}read | count") == [5]


@pytest.mark.parametrize(
    "value",
    [
        "materialize(customEvents | where name == 'SweepCompleted')",
        "union (customEvents | where name == 'SweepCompleted'), (customEvents | take 0)",
        "range hour from 1 to 1 step 1",
        "print hour = 1",
    ],
    ids=["materialize", "union", "range", "print"],
)
def test_every_kind_of_table_is_one(value: str) -> None:
    assert numbers(Tables(calm(range(1))), f"let made = {value};\nmade | count") == [1]


def test_numbers_of_tables_and_others_may_be_named() -> None:
    kql = f"{_READ}let few = 2;\nlet many = toscalar(read | count);\nprint many * few"
    assert numbers(Tables(calm(range(5))), kql) == [10]


def test_a_function_is_none_of_our_tables() -> None:
    assert numbers(Tables([]), "let twice = (x: long) { x * 2 };\nprint twice(4)") == [8]


def test_the_same_name_means_another_thing_in_another_query() -> None:
    tables = Tables(calm(range(5)))
    numbers(tables, f"{_READ}read | count")
    other = "let events = customEvents;\nlet read = events | take 1;\nread | count"
    assert numbers(tables, other) == [1]


def test_another_choice_is_another_answer() -> None:
    tables = Tables([*calm(range(5)), completed(6)])
    kql = "let chosen = customEvents | where name == 'any';\nchosen | count"
    assert numbers(tables, kql, any="SubscriptionRead") == [5]
    assert numbers(tables, kql, any="SweepCompleted") == [6]


def test_another_window_is_another_answer() -> None:
    tables = Tables(calm(range(5)))
    for last, many in ((2, 3), (4, 5)):
        tables.window(DAY.replace(year=2025), at(last))
        assert numbers(tables, f"{_READ}read | count") == [many]


def test_a_statement_that_is_asked_for_again_is_not_run_again() -> None:
    tables = Tables(calm(range(5)))
    kql = "let drawn = materialize(print lot = now());\nlet more = 1;\ndrawn"
    assert numbers(tables, kql) == numbers(tables, f"{kql} | where more == 1")


def test_a_statement_that_fails_fails_again_and_says_why() -> None:
    tables = Tables([])
    kql = "let bad = customEvents | extend x = toint(parse_json('{')['a'].b);\nbad | where nobody"
    for _ in range(2):
        with pytest.raises(QueryError, match="nobody"):
            tables.query(kql)
