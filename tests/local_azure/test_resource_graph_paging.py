"""Pages of Resource Graph: sizes, tokens, totals, and what happens without an order."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_azure.graph import GraphTables
from local_azure.graph.request import write_token
from local_azure.graph.rows import full_row
from tests.support.graph_engine import answered

SORTED = "resources | order by id asc | project id, location"
UNSORTED = "resources | project id"


def make_tables(count: int, **options: Any) -> GraphTables:
    tables = GraphTables(**options)
    tables.load(
        "resources",
        [full_row(f"/subscriptions/s/{n:04}", location=f"region{n % 3}") for n in range(count)],
    )
    return tables


@pytest.fixture(scope="module")
def tables() -> GraphTables:
    return make_tables(250)


def page(tables: GraphTables, query: str, options: Mapping[str, Any] | None = None) -> Any:
    return answered(tables, query, {"options": options or {}})


def all_pages(tables: GraphTables, query: str, top: int) -> list[dict[str, Any]]:
    pages = [page(tables, query, {"$top": top})]
    while "$skipToken" in pages[-1]:
        pages.append(page(tables, query, {"$skipToken": pages[-1]["$skipToken"]}))
    return pages


@given(count=st.integers(0, 40), top=st.integers(1, 50))
@settings(max_examples=40)
def test_sorted_pages_put_together_are_the_whole(count: int, top: int) -> None:
    tables = make_tables(count)
    pages = all_pages(tables, SORTED, top)
    rows = [row["id"] for page in pages for row in page["data"]]
    assert rows == [f"/subscriptions/s/{n:04}" for n in range(count)]
    assert [page["totalRecords"] for page in pages] == [count] * len(pages)
    assert [page["count"] for page in pages] == [len(page["data"]) for page in pages]
    assert len(pages) == max(1, -(-count // top))


def test_a_page_carries_a_skip_token_until_the_last_one(tables: GraphTables) -> None:
    pages = all_pages(tables, SORTED, 100)
    assert ["$skipToken" in page for page in pages] == [True, True, False]
    assert {page["resultTruncated"] for page in pages} == {"false"}


def test_the_default_page_has_a_hundred_rows(tables: GraphTables) -> None:
    assert page(tables, SORTED)["count"] == 100


def test_the_page_size_travels_in_the_token(tables: GraphTables) -> None:
    token = page(tables, SORTED, {"$top": 7})["$skipToken"]
    assert page(tables, SORTED, {"$skipToken": token})["count"] == 7
    assert page(tables, SORTED, {"$skipToken": token, "$top": 9})["count"] == 9


def test_without_id_there_is_no_token_and_the_answer_is_truncated(tables: GraphTables) -> None:
    first = page(tables, "resources | order by id asc | project location")
    assert "$skipToken" not in first
    assert first["resultTruncated"] == "true"
    assert first["totalRecords"] == 250


def test_a_summarized_answer_has_no_second_page(tables: GraphTables) -> None:
    query = "resources | summarize count() by id | order by id asc"
    first = page(tables, query, {"$top": 10})
    assert "$skipToken" not in first
    assert first["count"] == 10
    assert first["totalRecords"] == 250
    assert first["resultTruncated"] == "true"
    assert page(tables, query, {"$top": 10, "$skip": 10})["data"] == []


def test_an_answer_that_fits_is_not_truncated(tables: GraphTables) -> None:
    answer = page(tables, "resources | summarize count() by location")
    assert answer["totalRecords"] == 3
    assert answer["resultTruncated"] == "false"


def test_limit_counts_in_the_total_and_switches_skip_off(tables: GraphTables) -> None:
    query = "resources | order by id asc | limit 5 | project id"
    answer = page(tables, query, {"$skip": 3})
    assert answer["totalRecords"] == 5
    assert answer["count"] == 5
    assert answer["data"][0]["id"].endswith("/0000")


def test_a_limit_beyond_the_page_is_truncated_without_a_token(tables: GraphTables) -> None:
    answer = page(tables, "resources | limit 150 | project id")
    assert "$skipToken" not in answer
    assert answer["count"] == 100
    assert answer["totalRecords"] == 150
    assert answer["resultTruncated"] == "true"


def test_skip_passes_over_rows(tables: GraphTables) -> None:
    assert page(tables, SORTED, {"$skip": 249})["data"][0]["id"].endswith("/0249")
    assert page(tables, SORTED, {"$skip": 250})["data"] == []


def test_pages_without_an_order_miss_rows_and_repeat_others(tables: GraphTables) -> None:
    ids = [row["id"] for page in all_pages(tables, UNSORTED, 100) for row in page["data"]]
    assert len(ids) == 250
    assert len(set(ids)) < 250


def test_pages_whose_order_leaves_ties_miss_rows_too(tables: GraphTables) -> None:
    query = "resources | order by location asc | project id, location"
    rows = [row for page in all_pages(tables, query, 100) for row in page["data"]]
    assert [row["location"] for row in rows] == sorted(row["location"] for row in rows)
    assert len({row["id"] for row in rows}) < 250


def test_skip_works_where_no_id_is_left_to_tell_ties_apart(tables: GraphTables) -> None:
    query = "resources | project location | order by location asc"
    assert page(tables, query, {"$skip": 249})["data"] == [{"location": "region2"}]


def test_the_same_seed_gives_the_same_pages() -> None:
    one, two, other = (make_tables(30, seed=seed) for seed in (1, 1, 2))
    options = {"$top": 10, "$skip": 10}
    assert page(one, UNSORTED, options) == page(two, UNSORTED, options)
    assert page(one, UNSORTED, options) != page(other, UNSORTED, options)


def test_with_shuffling_off_pages_are_in_the_order_of_writing() -> None:
    tables = make_tables(30, shuffle=False)
    ids = [row["id"] for page in all_pages(tables, UNSORTED, 10) for row in page["data"]]
    assert ids == [f"/subscriptions/s/{n:04}" for n in range(30)]


def test_a_token_made_elsewhere_of_the_same_form_is_read(tables: GraphTables) -> None:
    answer = page(tables, SORTED, {"$skipToken": write_token(2, 100)})
    assert [row["id"][-4:] for row in answer["data"]] == ["0100", "0101"]
