"""What Resource Graph refuses, and how it says so."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from local_azure.graph import GraphAnswer, GraphTables, NotModelled
from local_azure.graph.syntax import OPERATORS
from tests.support.graph_engine import ask_engine

NOW = datetime(2026, 11, 24, 12, 0, 0, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def tables() -> GraphTables:
    return GraphTables()


def ask(tables: GraphTables, body: object) -> GraphAnswer:
    return ask_engine(tables, body, now=NOW, correlation_id="11111111-1111-1111-1111-111111111111")


def details(tables: GraphTables, query: str) -> list[dict[str, Any]]:
    answer = ask(tables, {"query": query})
    assert answer.status == 400, answer.body
    found: list[dict[str, Any]] = answer.body["error"]["details"]
    return found


def test_a_refusal_names_the_time_and_the_correlation_id(tables: GraphTables) -> None:
    error = ask(tables, {"query": "let x = 1; resources"}).body["error"]
    assert list(error) == ["code", "message", "details"]
    assert error["code"] == "BadRequest"
    assert error["message"] == (
        "Please provide below info when asking for support: timestamp = "
        "2026-11-24T12:00:00.0000010Z, correlationId = 11111111-1111-1111-1111-111111111111."
    )


@pytest.mark.parametrize(
    ("query", "token"),
    [
        ("let kinds = dynamic(['OpenAI']); resources | where kind in (kinds)", "let"),
        ("set notruncation; resources", "set"),
        ("declare query_parameters(a:string); resources", "declare"),
        ("resources | take 1; resources | take 2", ";"),
        ("materialize(resources)", "materialize"),
        ("externaldata(a:string)['https://x']", "externaldata"),
        ("datatable(a:int)[1]", "datatable"),
        ("print 1", "print"),
        ("range x from 1 to 3 step 1", "range"),
        ("search 'bot'", "search"),
        ("find in (resources) where name == 'x'", "find"),
        ("resources | evaluate bag_unpack(tags)", "evaluate"),
        ("resources | invoke f()", "invoke"),
        ("resources | make-series count() on x step 1d", "make-series"),
        ("resources | mv-apply t = tags on (take 1)", "mv-apply"),
        ("resources | parse-where id with '/' x", "parse-where"),
        ("resources | parse-kv id as (a:int)", "parse-kv"),
        ("resources | partition by id (take 1)", "partition"),
        ("resources | project-keep id", "project-keep"),
        ("resources | project-rename a = id", "project-rename"),
        ("resources | project-reorder id", "project-reorder"),
        ("resources | render piechart", "render"),
        ("resources | sample 3", "sample"),
        ("resources | scan", "scan"),
        ("resources | search 'x'", "search"),
        ("resources | serialize", "serialize"),
        ("resources | top-nested 1 of id by count()", "top-nested"),
        ("resources | lookup (resourcecontainers) on id", "lookup"),
        ("resources | facet by id", "facet"),
        ("resources | as x", "as"),
        ("resources | fork (take 1)", "fork"),
        ("resources | getschema", "getschema"),
        ("resources | extend n = toscalar(resources | count)", "toscalar"),
        ("resources | join (print 1) on id", "print"),
        ("resources | union isfuzzy=true resourcecontainers", "isfuzzy"),
        ("resources | join hint.strategy=broadcast (resources) on id", "hint.strategy"),
    ],
)
def test_what_the_documentation_does_not_list_is_refused_by_name(
    tables: GraphTables, query: str, token: str
) -> None:
    assert details(tables, query) == [
        {
            "code": "InvalidQuery",
            "message": (
                "Query is invalid. Please refer to the documentation for the Azure Resource "
                "Graph service and fix the error before retrying."
            ),
        },
        {
            "code": "InvalidQueryLanguage",
            "message": "InvalidQueryLanguage",
            "line": -1,
            "characterPositionInLine": -1,
            "token": token,
        },
    ]


@pytest.mark.parametrize(
    "query",
    [
        "resources | count",
        "resources | distinct type",
        "resources | extend a = 1",
        "resources | join kind=inner (resourcecontainers) on subscriptionId",
        "resources | limit 1",
        "resources | mvexpand tags",
        "resources | mv-expand tags",
        "resources | order by id asc",
        "resources | parse id with '/subscriptions/' s '/' *",
        "resources | project id",
        "resources | project-away id",
        "resources | sort by id asc",
        "resources | summarize count() by type",
        "resources | take 1",
        "resources | top 1 by id",
        "resources | union resourcecontainers",
        "resources | where id == ''",
    ],
)
def test_every_operator_of_the_documentations_list_runs(tables: GraphTables, query: str) -> None:
    assert ask(tables, {"query": query}).status == 200


def test_the_list_of_operators_is_the_documentations() -> None:
    assert len(OPERATORS) == 17


@pytest.mark.parametrize(
    ("kind", "name"),
    [("leftanti", "LeftAnti"), ("leftsemi", "LeftSemi"), ("rightouter", "RightOuter")],
)
def test_other_joins_are_refused_by_their_kind(tables: GraphTables, kind: str, name: str) -> None:
    query = f"resources | join kind={kind} (resourcecontainers) on subscriptionId"
    assert details(tables, query)[1] == {
        "code": "UnsupportedJoinFlavor",
        "message": f'The join kind "{name}" is not supported or not allowed.',
    }


JOIN = "| join kind=inner (resourcecontainers) on subscriptionId "


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        (f"resources {JOIN * 3}", f"resources {JOIN * 4}"),
        (
            "union resources, resources, resources",
            "union resources, resources, resources, resources",
        ),
        ("resources | mv-expand tags | mv-expand sku", "resources" + " | mv-expand tags" * 3),
        ("resources | mv-expand tags limit 400", "resources | mv-expand tags limit 401"),
    ],
)
def test_more_of_an_operator_than_allowed_is_refused(
    tables: GraphTables, allowed: str, refused: str
) -> None:
    assert ask(tables, {"query": allowed}).status == 200
    assert details(tables, refused)[0]["code"] == "InvalidQuery"


@pytest.mark.parametrize(
    ("query", "line", "column", "token"),
    [
        ("resources | where name == ", 1, 26, "<EOF>"),
        ("resources | project id,", 1, 23, "<EOF>"),
        ("resources | order name", 1, 22, "<EOF>"),
        ("resources | foo", 1, 12, "foo"),
        ("resources | where name == 'a' project id", 1, 30, "project"),
        ("resources | where kind project id", 1, 23, "project"),
        ("where kind == 'a' project kind", 1, 18, "project"),
        ("resources\n| where name == 'x'\n  project id", 3, 2, "project"),
        ("resources |\n| where name == 'x'", 2, 0, "|"),
        ("resources | where name = 'x'", 1, 23, "="),
        ("resources | join (resources | where true and) on id", 1, 44, ")"),
        ("resources | where name == '😀' and kind project id", 1, 39, "project"),
    ],
)
def test_a_parser_failure_says_where(
    tables: GraphTables, query: str, line: int, column: int, token: str
) -> None:
    found = details(tables, query)[1]
    assert found["code"] == "ParserFailure"
    assert found["line"] == line
    assert found["characterPositionInLine"] == column
    assert found["token"] == token


def test_an_unfinished_string_comes_before_the_parsers_failure(tables: GraphTables) -> None:
    # Azure/aztfexport#485: the second place and token are those that a user got.
    query = "Resources | where resourceGroup =~ DEV-T24' and type contains 'Microsoft.Network'"
    unfinished, failure = details(tables, query)[1:]
    assert unfinished["characterPositionInLine"] == 80
    assert unfinished["expectedToken"] == "'"
    assert failure == {
        "code": "ParserFailure",
        "message": "ParserFailure",
        "line": 1,
        "characterPositionInLine": 42,
        "token": "' and type contains '",
    }


def test_a_table_that_does_not_exist_is_disallowed(tables: GraphTables) -> None:
    assert details(tables, "nosuchtable | take 1") == [
        {
            "code": "DisallowedLogicalTableName",
            "message": "Table nosuchtable is invalid, unsupported or disallowed.",
        }
    ]


@pytest.mark.parametrize("query", ["project nope", "where Name == ''", "summarize max(nope)"])
def test_a_column_that_does_not_exist_is_named(tables: GraphTables, query: str) -> None:
    assert details(tables, query)[1]["code"] == "InvalidColumnNames"


def test_a_column_dropped_on_the_way_is_gone(tables: GraphTables) -> None:
    found = details(tables, "resources | project id | where name == 'x'")[1]
    assert found["message"] == "Invalid column names: [name]."


def test_a_function_that_does_not_exist_is_named(tables: GraphTables) -> None:
    assert "'frobnicate'" in details(tables, "project x = frobnicate(id)")[1]["message"]


@pytest.mark.parametrize(
    "query",
    [
        "summarize count() by properties.kind",
        "order by properties.kind asc",
        "distinct tags",
        "join (resources) on tags",
    ],
)
def test_dynamic_keys_have_to_be_cast(tables: GraphTables, query: str) -> None:
    assert "dynamic" in details(tables, query)[1]["message"]


@pytest.mark.parametrize(
    "query",
    [
        "where name",
        "where tostring(properties.disableLocalAuth)",
        "project x = tolower(name, 'x')",
        "project x = iff(true, 1)",
        "project x = ago()",
        "project id, id",
    ],
)
def test_what_kusto_cannot_mean_is_refused(tables: GraphTables, query: str) -> None:
    assert [found["code"] for found in details(tables, query)] == ["InvalidQuery"] * 2


@pytest.mark.parametrize(
    "query",
    [
        "policyresources | take 1",
        "resources | union securityresources",
        "project x = series_add(tags, tags)",
        "where id in ((resources | project id))",
    ],
)
def test_what_the_engine_does_not_know_is_said_aloud(tables: GraphTables, query: str) -> None:
    with pytest.raises(NotModelled):
        ask(tables, {"query": query})


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"query": ""},
        {"query": " \n"},
        {"query": 3},
        {"query": "resources", "options": []},
        {"query": "resources", "facets": {}},
        {"query": "resources", "facets": [{}]},
    ],
)
def test_a_body_without_a_query_or_in_another_shape_is_refused(
    tables: GraphTables, body: object
) -> None:
    assert ask(tables, body).status == 400


@pytest.mark.parametrize(
    "options",
    [
        {"$top": 0},
        {"$top": 1001},
        {"$top": "5"},
        {"$top": True},
        {"$skip": -1},
        {"resultFormat": "csv"},
        {"allowPartialScopes": "yes"},
        {"authorizationScopeFilter": "Everywhere"},
        {"$orderby": "id"},
        {"$skipToken": "not base64"},
        {"$skipToken": base64.b64encode(b"not json").decode()},
        {"$skipToken": base64.b64encode(b'{"MaxRows": 5}').decode()},
        {"$skipToken": base64.b64encode(b'{"MaxRows": 5000, "RowsToSkip": 0}').decode()},
    ],
)
def test_options_out_of_bounds_are_refused(
    tables: GraphTables, options: Mapping[str, object]
) -> None:
    assert ask(tables, {"query": "resources", "options": options}).status == 400


def test_every_documented_option_is_taken(tables: GraphTables) -> None:
    options = {
        "$top": 1000,
        "$skip": 0,
        "$skipToken": None,
        "resultFormat": "objectArray",
        "allowPartialScopes": True,
        "authorizationScopeFilter": "AtScopeAndBelow",
    }
    assert ask(tables, {"query": "resources", "options": options}).status == 200
