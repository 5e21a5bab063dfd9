"""Resource Graph's recorded answers, asked again of the local engine.

Rows are put where the recording's rows came from; what differs on purpose is said in each test.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from local_azure.graph import GraphAnswer, GraphTables
from local_azure.graph.rows import full_row
from tests.support import recorded_exchanges
from tests.support.graph_engine import ask_engine

NOW = datetime(2019, 12, 12, 3, 2, 52, 256809, tzinfo=UTC)
HERE = "00000000-0000-0000-0000-000000000001"


def recorded(case: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return the request body, the response body and the api-version of a case."""
    exchange = deepcopy(recorded_exchanges.recorded(case))
    version = exchange.path.rpartition("api-version=")[2]
    return exchange.request_body, exchange.body, version


def ask(
    tables: GraphTables,
    body: Mapping[str, Any],
    version: str,
    *subscriptions: str,
    now: datetime = NOW,
) -> GraphAnswer:
    return ask_engine(
        tables,
        body,
        subscriptions=subscriptions or (HERE,),
        groups=["PolicyUIMG", "AzGovTest5"],
        version=version,
        now=now,
        correlation_id="dcfb51de-e1d1-44cc-ade0-c7b186674eac",
    )


def tables_of(rows: Sequence[Mapping[str, Any]], table: str = "resources") -> GraphTables:
    """Put in the rows of a recorded answer, their missing columns filled up."""
    tables = GraphTables(shuffle=False)
    tables.load(table, [full_row(row["id"], **{"subscriptionId": HERE, **row}) for row in rows])
    return tables


def text(body: object) -> str:
    """Write a body as it goes out: the order of keys shows."""
    return json.dumps(body)


def test_top_and_skip_give_the_recorded_page_and_its_token() -> None:
    body, response, version = recorded("arg-ok-01")
    ids = [{"id": f"/subscriptions/{HERE}/a/{n}"} for n in range(350)]
    tables = tables_of([*ids[:2], *response["data"], *ids[2:]])
    answer = ask(tables, body, version)
    assert answer.status == 200
    ours, theirs = answer.body.pop("$skipToken"), response.pop("$skipToken")
    assert text(answer.body) == text(response)
    # The cluster in the token is ours.
    assert _without_cluster(ours) == _without_cluster(theirs)


def _without_cluster(token: str) -> str:
    content = base64.b64decode(token).decode()
    assert "https://" in content
    return re.sub(r"https://[^\"]+", "", content)


def test_full_rows_have_the_recorded_columns_in_order_with_their_empty_values() -> None:
    body, response, version = recorded("arg-ok-03")
    # The rows are put into `resources`: the engine has no communitygalleryresources.
    body["query"] = body["query"].replace("communitygalleryresources", "resources")
    tables = tables_of(response["data"])
    answer = ask(tables, body, version, "")
    assert text(answer.body["data"]) == text(response["data"])
    assert list(answer.body) == list(response)


def test_management_groups_are_found_as_recorded() -> None:
    body, response, version = recorded("arg-ok-05")
    rows = [
        {**row, "type": "Microsoft.Management/managementGroups", "subscriptionId": ""}
        for row in response["data"]
    ]
    tables = tables_of(rows, "resourcecontainers")
    assert text(ask(tables, body, version).body) == text(response)


def test_facets_and_their_errors_come_as_recorded() -> None:
    body, response, version = recorded("arg-ok-07")
    tables = tables_of(response["data"])
    assert text(ask(tables, body, version).body) == text(response)


def test_tags_and_properties_come_as_they_are_held() -> None:
    body, response, version = recorded("arg-ok-09")
    tables = tables_of(response["data"])
    assert text(ask(tables, body, version).body) == text(response)


def test_the_first_version_answers_a_table() -> None:
    body, response, version = recorded("arg-table-01")
    (subscription,) = body["subscriptions"]
    tables = tables_of([{"id": f"/{n}", "subscriptionId": subscription} for n in range(3)])
    assert text(ask(tables, body, version, subscription).body) == text(response)


def test_a_query_that_does_not_parse_is_refused_as_recorded() -> None:
    body, response, version = recorded("arg-error-01")
    answer = ask(GraphTables(), body, version)
    assert answer.status == 400
    # Of the recorded timestamp's seven digits the last is beyond Python's clock.
    theirs = text(response).replace("52.2568093Z", "52.2568090Z")
    assert text(answer.body) == theirs


def test_changes_come_as_recorded() -> None:
    body, response, version = recorded("resourcechanges-whole-answer")
    rows = [
        {
            "id": row["id"],
            "resourceGroup": row["resourceGroup"].upper(),
            "subscriptionId": row["subscriptionId"],
            "properties": {
                "targetResourceId": row["resourceId"],
                "targetResourceType": row["resourceType"],
                "changeType": row["changeType"],
                "changeAttributes": row["changeAttributes"],
            },
        }
        for row in reversed(response["data"])
    ]
    tables = tables_of(rows, "resourcechanges")
    now = datetime(2025, 5, 30, tzinfo=UTC)
    subscription = response["data"][0]["subscriptionId"]
    answer = ask(tables, body, version, subscription, now=now)
    assert text(answer.body["data"]) == text(response["data"])
    assert list(answer.body) == list(response)
