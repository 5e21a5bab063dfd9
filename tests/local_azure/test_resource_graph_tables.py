"""The tables: who sees which rows, letter case, writing, the clock, formats and facets, speed."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from local_azure.graph import BEHAVIOURS, GraphTables
from local_azure.graph.rows import full_row
from tests.support.graph_engine import NOW, answered

BOT = "/subscriptions/S1/resourceGroups/RG-AI/providers/Microsoft.CognitiveServices/accounts/Bot"


def data(
    tables: GraphTables,
    query: str,
    *subscriptions: str,
    groups: tuple[str, ...] = (),
    now: datetime = NOW,
    **more: Any,
) -> Any:
    asked_by = {"subscriptions": subscriptions or ("s1",), "groups": groups, "now": now}
    return answered(tables, query, more, **asked_by)["data"]


@pytest.fixture
def tables() -> GraphTables:
    tables = GraphTables()
    tables.upsert(
        "resources",
        full_row(
            BOT,
            type="Microsoft.CognitiveServices/accounts",
            kind="OpenAI",
            location="SwedenCentral",
        ),
    )
    return tables


def test_type_location_and_group_are_lower_case_and_ids_as_created(tables: GraphTables) -> None:
    (row,) = data(tables, "project id, name, type, location, resourceGroup, kind")
    assert row == {
        "id": BOT,
        "name": "Bot",
        "type": "microsoft.cognitiveservices/accounts",
        "location": "swedencentral",
        "resourceGroup": "rg-ai",
        "kind": "OpenAI",
    }


def test_rows_of_other_subscriptions_are_left_out_without_a_word(tables: GraphTables) -> None:
    tables.upsert("resources", full_row("/subscriptions/s2/x"))
    assert [row["id"] for row in data(tables, "project id", "S1")] == [BOT]
    assert len(data(tables, "project id", "s1", "s2")) == 2
    assert data(tables, "project id", "s3") == []


def test_other_subscriptions_are_left_out_of_joins_and_unions_too(tables: GraphTables) -> None:
    tables.upsert("resourcecontainers", full_row("/subscriptions/s2"))
    assert data(tables, "resources | union resourcecontainers | count") == [{"Count": 1}]
    join = "resources | extend k = 1 | join (resourcecontainers | extend k = 1) on k | count"
    assert data(tables, join) == [{"Count": 0}]
    assert data(tables, join, "s1", "s2") == [{"Count": 1}]


def test_management_groups_are_seen_by_name_or_id() -> None:
    tables = GraphTables()
    group = "/providers/Microsoft.Management/managementGroups/Contoso"
    tables.upsert(
        "resourcecontainers", full_row(group, type="Microsoft.Management/managementGroups")
    )
    query = "resourcecontainers | project id"
    assert data(tables, query) == []
    assert data(tables, query, groups=("contoso",)) == [{"id": group}]
    assert data(tables, query, groups=(group,)) == [{"id": group}]


def test_a_row_is_written_over_by_its_id_in_any_letter_case(tables: GraphTables) -> None:
    tables.upsert("resources", full_row(BOT.lower(), kind="AIServices"))
    assert data(tables, "project id, kind") == [{"id": BOT.lower(), "kind": "AIServices"}]
    tables.remove("resources", BOT.upper())
    tables.remove("resources", BOT.upper())
    assert data(tables, "project id") == []


def test_loaded_and_written_rows_read_the_same() -> None:
    properties = {"ä": "ö\n", "n": 12345678901234567, "f": 1.0, "b": [True, None, {}], "e": ""}
    row = full_row("/subscriptions/s1/x", properties=properties, tags={}, sku={"name": "S0"})
    loaded, written = GraphTables(), GraphTables()
    loaded.load("resources", [row])
    written.upsert("resources", row)
    query = "extend text = tostring(properties)"
    assert data(loaded, query) == data(written, query)
    assert data(loaded, "project properties, tags, sku, plan") == [
        {"properties": properties, "tags": {}, "sku": {"name": "S0"}, "plan": None}
    ]


def test_a_column_that_resource_graph_does_not_have_is_not_taken() -> None:
    with pytest.raises(ValueError, match="systemData"):
        GraphTables().upsert("resources", {"id": "/x", "systemData": {}})


def test_names_of_tables_are_read_in_any_letter_case(tables: GraphTables) -> None:
    for name in ("Resources", "RESOURCES", "resources"):
        assert len(data(tables, f"{name} | project id")) == 1
    assert data(tables, "ResourceContainers | union resourceChanges") == []


def test_a_leading_union_names_its_tables_itself(tables: GraphTables) -> None:
    assert data(tables, "union resources, resources | count") == [{"Count": 2}]
    assert data(tables, "union resources | count") == [{"Count": 1}]


@pytest.mark.parametrize("days", [0, 400, -4000])
def test_now_is_the_time_that_was_handed_over(tables: GraphTables, days: int) -> None:
    now = NOW + timedelta(days=days)
    (row,) = data(tables, "project now = now(), ago = ago(1h)", now=now)
    assert row["now"] == now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert row["ago"] == (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_question_asked_again_later_sees_the_later_time(tables: GraphTables) -> None:
    query = "where now() > datetime(2026-11-25) | project id"
    assert data(tables, query) == []
    assert len(data(tables, query, now=NOW + timedelta(days=2))) == 1


def test_a_table_answer_has_columns_with_types(tables: GraphTables) -> None:
    query = "project id, tags, n = 1, f = 1.5, b = true, t = now(), s = split('a', ',')"
    table = data(tables, query, options={"resultFormat": "table"})
    assert {c["name"]: c["type"] for c in table["columns"]} == {
        "id": "string",
        "tags": "object",
        "n": "integer",
        "f": "number",
        "b": "boolean",
        "t": "string",
        "s": "object",
    }
    assert table["rows"] == [[BOT, None, 1, 1.5, True, "2026-11-24T12:00:00Z", ["a"]]]


def test_facets_are_filtered_sorted_and_cut() -> None:
    tables = GraphTables()
    kinds = ["a", "b", "b", "c", "c", "c"]
    tables.load(
        "resources",
        [full_row(f"/subscriptions/s1/{n}", kind=kind) for n, kind in enumerate(kinds)],
    )

    def facet(**options: object) -> Any:
        facets = [{"expression": "kind", "options": options}]
        answer = answered(tables, "resources", {"facets": facets}, subscriptions=["s1"])
        (found,) = answer["facets"]
        return found

    assert facet()["data"][0] == {"kind": "c", "count": 3}
    assert facet(sortOrder="asc")["data"][0] == {"kind": "a", "count": 1}
    assert facet(sortBy="kind", sortOrder="asc")["data"][0] == {"kind": "a", "count": 1}
    assert facet(filter="kind != 'c'")["data"] == [
        {"kind": "b", "count": 2},
        {"kind": "a", "count": 1},
    ]
    assert facet(**{"$top": 1})["count"] == 1
    assert facet(**{"$top": 1})["totalRecords"] == 3
    assert facet(filter="nope == 1")["resultType"] == "FacetError"


def test_every_behaviour_is_told_once_with_its_source() -> None:
    names = [behaviour.name for behaviour in BEHAVIOURS]
    assert len(set(names)) == len(names)
    assert all(behaviour.source for behaviour in BEHAVIOURS)


def _account(number: int) -> Mapping[str, Any]:
    return full_row(
        f"/subscriptions/s{number % 200}/resourceGroups/rg/providers/x/accounts/a{number}",
        type="microsoft.cognitiveservices/accounts",
        kind=("OpenAI", "AIServices", "Face")[number % 3],
        properties={"disableLocalAuth": number % 2 == 0} if number % 5 else {},
    )


@pytest.mark.slow
def test_a_hundred_thousand_accounts_are_counted_in_time() -> None:
    tables = GraphTables()
    started = time.process_time()
    tables.load("resources", map(_account, range(100_000)))
    loaded = time.process_time()
    rows = data(
        tables,
        "resources | where type =~ 'microsoft.cognitiveservices/accounts' "
        "| where ['kind'] in~ ('OpenAI', 'AIServices') "
        "| extend off = tolower(tostring(properties.disableLocalAuth)) == 'true' "
        "| summarize on = countif(off == false), off = countif(off) by subscriptionId",
        *(f"s{n}" for n in range(200)),
        options={"$top": 1000},
    )
    counted = time.process_time()
    wanted = [n for n in range(100_000) if n % 3 != 2]
    off = sum(1 for n in wanted if n % 5 and n % 2 == 0)
    assert sum(row["off"] for row in rows) == off
    assert sum(row["on"] for row in rows) == len(wanted) - off
    # In seconds of the processor, and generous, for slow machines: it takes a tenth of that.
    assert loaded - started < 20
    assert counted - loaded < 2
