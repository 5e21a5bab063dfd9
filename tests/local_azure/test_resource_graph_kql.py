"""What Kusto's operators and functions mean, asserted by hand on three rows.

Sources: Kusto's documentation and duckdb-kql's measurements on the Kusto emulator; for Resource
Graph's own rules its query-language page.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from local_azure.graph import GraphTables
from local_azure.graph.rows import full_row
from tests.support.graph_engine import answered

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE = full_row(
    "/subscriptions/s1/one",
    type="microsoft.cognitiveservices/accounts",
    kind="OpenAI",
    sku={"name": "S0"},
    properties={
        "disableLocalAuth": True,
        "n": 3,
        "f": 1.5,
        "s": "Hello World",
        "arr": ["a", "b"],
        "bag": {"x": 1, "y": "z"},
        "nul": None,
        "t": "2025-05-29T14:17:38.13Z",
        "kind": "k",
        "changes": {"properties.disableLocalAuth": {"newValue": "True"}},
    },
    tags={"Env": "prod", "x y": "1"},
)
TWO = full_row(
    "/subscriptions/s1/two",
    type="microsoft.cognitiveservices/accounts",
    kind="AIServices",
    properties={"disableLocalAuth": False, "s": "abc", "arr": []},
)
THREE = full_row("/subscriptions/s2/three", type="microsoft.x/y", kind="", properties={}, tags={})


@pytest.fixture(scope="module")
def tables() -> GraphTables:
    tables = GraphTables()
    tables.load("resources", [ONE, TWO, THREE])
    tables.load(
        "resourcecontainers",
        [full_row("/subscriptions/s1", name="Sub One", type="microsoft.resources/subscriptions")],
    )
    return tables


def rows(tables: GraphTables, query: str) -> Any:
    return answered(tables, query, {}, subscriptions=["s1", "s2"], now=NOW)["data"]


WHERE = [
    ("properties.disableLocalAuth == true", "one"),
    ("properties.disableLocalAuth == false", "two"),
    ("properties.disableLocalAuth != true", "two three"),
    ("properties.disableLocalAuth =~ 'TRUE'", "one"),
    ("tolower(tostring(properties.disableLocalAuth)) == 'true'", "one"),
    ("tolower(tostring(properties.disableLocalAuth)) != 'true'", "two three"),
    ("tobool(properties.disableLocalAuth)", "one"),
    ("not(tobool(properties.disableLocalAuth))", "two"),
    ("isnull(properties.disableLocalAuth)", "three"),
    ("isnull(properties.nul)", "one two three"),
    ("isnotnull(properties.nul)", ""),
    ("isempty(properties.nul)", "one two three"),
    ("properties.nul != true", "one two three"),
    ("properties.nul == true or properties.nul == false", ""),
    ("isnull(name)", ""),
    ("isnull(tags)", "two"),
    ("isempty(tags)", "two"),
    ("isempty(kind)", "three"),
    ("tags.Env == 'prod'", "one"),
    ("tags.Env == 'PROD'", ""),
    ("tags.Env =~ 'PROD'", "one"),
    ("tags.env =~ 'prod'", ""),
    ("tags['x y'] == '1'", "one"),
    ("isempty(tags['x y'])", "two three"),
    ("tags[strcat('En', 'v')] == 'prod'", "one"),
    ("tostring(tags) contains 'PROD'", "one"),
    ("tags contains 'prod'", "one"),
    ("tags has 'env'", "one"),
    ("not(tags has 'env')", "two three"),
    ("bag_keys(tags) has 'Env'", "one"),
    ("bag_has_key(tags, 'Env')", "one"),
    ("name contains 'O'", "one two"),
    ("name contains_cs 'O'", ""),
    ("name !contains 'o'", "three"),
    ("type has 'cognitiveservices'", "one two"),
    ("type has 'cognitive'", ""),
    ("type =~ 'Microsoft.CognitiveServices/Accounts'", "one two"),
    ("type == 'Microsoft.CognitiveServices/Accounts'", ""),
    ("kind in~ ('OPENAI', 'aiservices')", "one two"),
    ("kind in ('OPENAI', 'AIServices')", "two"),
    ("kind !in~ ('openai')", "two three"),
    ("kind !~ 'openai'", "two three"),
    ("['kind'] == 'OpenAI'", "one"),
    ("properties.kind == 'k'", "one"),
    ("name startswith 'T'", "two three"),
    ("name !startswith 't'", "one"),
    ("name endswith 'E'", "one three"),
    ("name matches regex '^t[wh]'", "two three"),
    ("properties.n > 2", "one"),
    ("properties.n == 3", "one"),
    ("toint(properties.n) between (1 .. 3)", "one"),
    ("properties.s in ('abc', 'x')", "two"),
    ("properties.s has 'world'", "one"),
    ("properties.s has 'wor'", ""),
    ("properties.bag.y == 'z'", "one"),
    ("properties.arr[0] == 'a'", "one"),
    ("array_length(properties.arr) > 0", "one"),
    ("properties.changes['properties.disableLocalAuth'].newValue == 'True'", "one"),
    ("isnotnull(properties.changes['properties.disableLocalAuth'])", "one"),
    ("todatetime(properties.t) > ago(365d)", "one"),
    ("todatetime(properties.t) > ago(100d)", ""),
    ("now() == datetime(2026-01-01)", "one two three"),
    ("name == 'one' or name == 'two' and kind == ''", "one"),
    ("name == @'one' // a comment | with a pipe", "one"),
]


@pytest.mark.parametrize(("condition", "names"), WHERE)
def test_a_condition_keeps_the_rows_that_kusto_keeps(
    tables: GraphTables, condition: str, names: str
) -> None:
    found = [row["name"] for row in rows(tables, f"resources | where {condition}\n| project name")]
    assert found == names.split()


EXPRESSIONS = [
    ("tostring(properties.disableLocalAuth)", "true"),
    ("tostring(properties.missing)", ""),
    ("tostring(properties.nul)", ""),
    ("tostring(properties.n)", "3"),
    ("tostring(properties.arr)", '["a","b"]'),
    ("tostring(tags)", '{"Env":"prod","x y":"1"}'),
    ("properties.disableLocalAuth", True),
    ("properties.n", 3),
    ("properties.s", "Hello World"),
    ("properties.missing", None),
    ("properties.bag.['x']", 1),
    ("properties.arr[-1]", "b"),
    ("bag_keys(tags)", ["Env", "x y"]),
    ("tags", {"Env": "prod", "x y": "1"}),
    ("plan", None),
    ("managedBy", ""),
    ("iff(kind == 'OpenAI', 'yes', 'no')", "yes"),
    ("case(kind == 'x', 1, kind == 'OpenAI', 2, 3)", 2),
    ("strcat(name, '-', properties.n, '-', properties.disableLocalAuth)", "one-3-true"),
    ("split(id, '/')[-1]", "one"),
    ("split('a,b', ',')", ["a", "b"]),
    ("array_length(split(id, '/'))", 4),
    ("pack('a', name, 'n', properties.n)", {"a": "one", "n": 3}),
    ("bag_pack('t', tags)", {"t": {"Env": "prod", "x y": "1"}}),
    ("parse_json('{\"a\": [1]}').a[0]", 1),
    ("dynamic([1, 'x'])", [1, "x"]),
    ("datetime_diff('day', now(), todatetime(properties.t))", 217),
    ("todatetime(properties.t)", "2025-05-29T14:17:38.13Z"),
    ("now() - 1h", "2025-12-31T23:00:00Z"),
    ("now() - todatetime(properties.t)", "216.09:42:21.8700000"),
    ("format_datetime(now(), 'yyyy-MM-dd')", "2026-01-01"),
    ("bin(now(), 1d)", "2026-01-01T00:00:00Z"),
    ("toint('x')", None),
    ("tolong('5')", 5),
    ("7 / 2", 3),
    ("7.0 / 2", 3.5),
    ("real(nan)", "NaN"),
    ("1d", "1.00:00:00"),
    ("name == 'one'", True),
    ("coalesce(tostring(properties.nul), name)", "one"),
    ("substring(name, 0, 2)", "on"),
    ("toupper(name)", "ONE"),
    ("replace_string(name, 'o', '0')", "0ne"),
    ("extract('o(.)e', 1, name)", "n"),
    ("indexof(name, 'e')", 2),
    ("set_intersect(properties.arr, dynamic(['b', 'c']))", ["b"]),
    ("set_difference(properties.arr, dynamic(['b']))", ["a"]),
    ("array_length(set_union(properties.arr, dynamic(['b', 'c'])))", 3),
    ("tolower(kind)", "openai"),
]


@pytest.mark.parametrize(("expression", "value"), EXPRESSIONS)
def test_an_expression_has_kustos_value_and_type(
    tables: GraphTables, expression: str, value: object
) -> None:
    (row,) = rows(tables, f"resources | where name == 'one' | project x = {expression}")
    assert row["x"] == value
    assert type(row["x"]) is type(value)


PIPELINES: list[tuple[str, list[dict[str, Any]]]] = [
    ("order by name | project name", [{"name": "two"}, {"name": "three"}, {"name": "one"}]),
    (
        "order by toint(properties.n) asc, name asc | project name",
        [{"name": "three"}, {"name": "two"}, {"name": "one"}],
    ),
    (
        "order by toint(properties.n) desc, name asc | project name",
        [{"name": "one"}, {"name": "three"}, {"name": "two"}],
    ),
    ("sort by kind asc | take 1 | project kind", [{"kind": ""}]),
    ("top 1 by name asc | project name", [{"name": "one"}]),
    ("count", [{"Count": 3}]),
    (
        "summarize count() by type | order by type asc",
        [
            {"type": "microsoft.cognitiveservices/accounts", "count_": 2},
            {"type": "microsoft.x/y", "count_": 1},
        ],
    ),
    ("summarize count = count() by kind | order by count desc | count", [{"Count": 3}]),
    (
        (
            "summarize on = countif(not(tobool(properties.disableLocalAuth))), "
            "off = countif(tobool(properties.disableLocalAuth)), all = count()"
        ),
        [{"on": 1, "off": 1, "all": 3}],
    ),
    (
        (
            "summarize make_list(name), make_set(subscriptionId), dcount(subscriptionId) by "
            "subscriptionId | order by subscriptionId asc"
        ),
        [
            {
                "subscriptionId": "s1",
                "list_name": ["one", "two"],
                "set_subscriptionId": ["s1"],
                "dcount_subscriptionId": 1,
            },
            {
                "subscriptionId": "s2",
                "list_name": ["three"],
                "set_subscriptionId": ["s2"],
                "dcount_subscriptionId": 1,
            },
        ],
    ),
    (
        "summarize arg_max(name, kind) by subscriptionId | order by subscriptionId asc",
        [
            {"subscriptionId": "s1", "name": "two", "kind": "AIServices"},
            {"subscriptionId": "s2", "name": "three", "kind": ""},
        ],
    ),
    (
        "distinct tostring(properties.disableLocalAuth) | order by properties_disableLocalAuth asc",
        [
            {"properties_disableLocalAuth": ""},
            {"properties_disableLocalAuth": "false"},
            {"properties_disableLocalAuth": "true"},
        ],
    ),
    (
        "mv-expand properties.arr | where isnotnull(properties_arr) | project properties_arr",
        [{"properties_arr": "a"}, {"properties_arr": "b"}],
    ),
    (
        "where name == 'one' | mv-expand tags | project tags",
        [{"tags": {"Env": "prod"}}, {"tags": {"x y": "1"}}],
    ),
    (
        "where name == 'one' | mv-expand bagexpansion=array t = tags | project k = t[0]",
        [{"k": "Env"}, {"k": "x y"}],
    ),
    (
        "where name == 'one' | mv-expand key = bag_keys(tags) | project v = tags[tostring(key)]",
        [{"v": "prod"}, {"v": "1"}],
    ),
    (
        "extend kind = tolower(kind) | order by kind desc | project kind",
        [{"kind": "openai"}, {"kind": "aiservices"}, {"kind": ""}],
    ),
    (
        (
            "join kind=leftouter (resourcecontainers "
            "| project subscriptionId, sub = name, p = plan) on subscriptionId "
            "| order by name asc | project name, sub, p, subscriptionId1"
        ),
        [
            {"name": "one", "sub": "Sub One", "p": None, "subscriptionId1": "s1"},
            {"name": "three", "sub": "", "p": None, "subscriptionId1": ""},
            {"name": "two", "sub": "Sub One", "p": None, "subscriptionId1": "s1"},
        ],
    ),
    (
        (
            "join kind=leftouter (resourcecontainers | project subscriptionId, sub = name) "
            "on subscriptionId | where sub == '' | project name"
        ),
        [{"name": "three"}],
    ),
    (
        "join kind=inner (resourcecontainers) on subscriptionId | count",
        [{"Count": 2}],
    ),
    # innerunique, the default: one row of the left for each key
    ("join (resourcecontainers) on subscriptionId | count", [{"Count": 1}]),
    (
        (
            "join kind=fullouter (resourcecontainers | project s = name, k = name) "
            "on $left.name == $right.k | where name == '' | project name, s"
        ),
        [{"name": "", "s": "Sub One"}],
    ),
    (
        (
            "where name == 'one' | union (resourcecontainers | project name, extra = 'x') "
            "| project name, extra"
        ),
        [{"name": "one", "extra": ""}, {"name": "Sub One", "extra": "x"}],
    ),
    (
        "parse id with '/subscriptions/' s '/' n | where name == 'one' | project s, n",
        [{"s": "s1", "n": "one"}],
    ),
    (
        "where name == 'one' | project tags.Env, properties.bag.y, sku.name",
        [{"tags_Env": "prod", "properties_bag_y": "z", "sku_name": "S0"}],
    ),
    ("summarize kind = make_set(type) | mv-expand kind = kind | count", [{"Count": 2}]),
    (
        (
            "join kind=inner (resources | project id, kind2 = kind) "
            "on id, $left.kind == $right.kind2 | count"
        ),
        [{"Count": 3}],
    ),
    ("project kind, type | distinct * | count", [{"Count": 3}]),
    (
        "project name, subscriptionId, tenantId, tags | project-away *Id, t* | take 1",
        [{"name": "one"}],
    ),
    ("project-away properties | limit 1 | project id", [{"id": "/subscriptions/s1/one"}]),
]


@pytest.mark.parametrize(("pipeline", "found"), PIPELINES)
def test_operators_do_what_kustos_do(
    tables: GraphTables, pipeline: str, found: list[dict[str, Any]]
) -> None:
    answered = rows(tables, f"resources | {pipeline}")
    assert answered == found
    assert [list(row) for row in answered] == [list(row) for row in found]


def test_a_query_without_a_table_asks_resources(tables: GraphTables) -> None:
    for query in ("project name", "where name != ''", "// all of them\r\norder by id\r\n"):
        assert len(rows(tables, query)) == 3


def test_mv_expand_gives_128_rows_of_one_unless_told() -> None:
    tables = GraphTables()
    tables.load(
        "resources", [full_row("/subscriptions/s1/x", properties={"many": list(range(500))})]
    )
    assert rows(tables, "mv-expand m = properties.many | count") == [{"Count": 128}]
    assert rows(tables, "mv-expand m = properties.many limit 400 | count") == [{"Count": 400}]
