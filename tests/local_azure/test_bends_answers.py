"""A fault may bend an answer: whatever it says, and however it says it, is sent instead."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace

import aiohttp
import pytest

from local_azure import LocalAzure, Tenant
from local_azure.exchange import Answer
from local_azure.log import Host
from tests.support.plain_client import (
    SUBSCRIPTIONS,
    Reply,
    arm,
    patch_account,
    read_account,
    send,
    telemetry_settings,
)
from tests.support.serving import Serve

JSON = "application/json; charset=utf-8"


def body(value: object) -> Callable[[Answer], Answer]:
    """Return what sends this body instead."""
    return lambda answer: replace(answer, body=value)


def without_properties(answer: Answer) -> Answer:
    """Drop a field, in place."""
    del answer.body["properties"]
    return answer


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({}, "{}"),
        ([], "[]"),
        ({"error": {"code": "Odd", "message": ""}}, '{"error":{"code":"Odd","message":""}}'),
        ({"error": {"code": [1]}}, '{"error":{"code":[1]}}'),
        (b'{"value": [{"id":', '{"value": [{"id":'),
        (b"[" * 100_000, "[" * 100_000),
        (b"null", "null"),
        (b"", ""),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_another_body_is_sent_under_the_same_status(
    serve: Serve, tenant: Tenant, sent: object, text: str
) -> None:
    azure = serve(tenant)
    azure.faults.on(method="GET").bend(body(sent))

    reply = read_account(azure, tenant.account("one"))

    assert reply.status == 200
    assert reply.text == text
    assert reply.headers["Content-Type"] == JSON
    assert "x-ms-request-id" in reply.headers


def test_what_is_changed_in_place_changes_the_answer_and_nothing_else(
    serve: Serve, tenant: Tenant
) -> None:
    azure = serve(tenant)
    azure.faults.on(method="GET").bend(without_properties)

    bent, straight = (read_account(azure, tenant.account("one")) for _ in range(2))

    assert "properties" not in bent.body
    assert straight.body["properties"]["provisioningState"] == "Succeeded"


def test_the_server_acts_as_usual(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(method="PATCH").bend(
        lambda _: Answer(500, {"error": {"code": "Bent", "message": ""}})
    )

    reply = patch_account(azure, tenant.account("one"))

    assert reply.status == 500
    assert len(azure.writes) == 1
    assert [(o.status, o.code) for o in azure.operations] == [(500, "Bent")]


def test_several_bends_compose_in_their_order(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(method="GET").bend(body([1]))
    azure.faults.on(method="GET").bend(lambda a: replace(a, body=[*a.body, 2]))
    azure.faults.on(method="GET", skip=1).bend(body("not yet"))

    assert arm(azure, SUBSCRIPTIONS).text == "[1,2]"
    assert arm(azure, SUBSCRIPTIONS).text == "not yet"


def test_a_refusal_can_be_bent_too(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(method="GET").bend(lambda a: a.with_header("Retry-After", "-1"))
    refusing = azure.faults.on(method="GET").answer(429, {}, {"Retry-After": "7"})

    reply = arm(azure, SUBSCRIPTIONS)

    assert reply.status == 429
    assert reply.headers["Retry-After"] == "-1"
    assert refusing.hits == 1


@pytest.mark.parametrize(
    "value", ["9" * 400, "-5", "Tue, 24 Nov 2026 09:00:07 GMT", "soon"], ids=lambda v: v[:10]
)
def test_a_header_may_say_anything(serve: Serve, tenant: Tenant, value: str) -> None:
    azure = serve(tenant)
    azure.faults.on(path="/subscriptions").bend(
        lambda a: a.with_header("retry-after", value).with_header(
            "X-MS-RateLimit-Remaining-Tenant-Reads", value
        )
    )

    headers = {name.lower(): found for name, found in arm(azure, SUBSCRIPTIONS).headers.items()}

    assert headers["retry-after"] == value
    assert headers["x-ms-ratelimit-remaining-tenant-reads"] == value


def test_headers_can_be_taken_away(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(path="/subscriptions").bend(
        lambda a: a.without_header("content-type").without_header("date")
    )

    reply = arm(azure, SUBSCRIPTIONS)

    assert {"Content-Type", "Date"} & set(reply.headers) == set()


def test_another_content_type_can_be_sent(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on().bend(
        lambda a: replace(a, body="<html>").with_header("content-type", "text/plain")
    )

    reply = arm(azure, SUBSCRIPTIONS)

    assert reply.text == "<html>"
    assert reply.headers["content-type"] == "text/plain"


async def test_gzip_that_unfolds_is_sent_as_gzip(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    folded = gzip.compress(json.dumps({"value": [], "padding": "x" * 5_000_000}).encode())
    azure.faults.on(path="/subscriptions").bend(
        lambda a: replace(a, body=folded).with_header("Content-Encoding", "gzip")
    )
    token = {"Authorization": f"Bearer {azure.token_for(tenant.function)}"}
    async with (
        aiohttp.ClientSession(headers=token) as session,
        session.get(azure.environ["ARM_ENDPOINT"] + SUBSCRIPTIONS) as answer,
    ):
        unfolded = await answer.json()

    assert int(answer.headers["Content-Length"]) == len(folded) < 10_000
    assert len(unfolded["padding"]) == 5_000_000


def test_a_link_can_lead_to_itself(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(path="/subscriptions", times=None).bend(
        lambda a: replace(a, body={**a.body, "nextLink": a.url})
    )

    first = arm(azure, SUBSCRIPTIONS)
    second = arm(azure, first.body["nextLink"])

    assert first.body["nextLink"] == azure.environ["ARM_ENDPOINT"] + SUBSCRIPTIONS
    assert second.body == first.body


def test_rows_of_resource_graph_can_be_repeated_and_reordered(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)

    def swapped(answer: Answer) -> Answer:
        rows = answer.body["data"]
        answer.body["data"] = [rows[1], rows[1], rows[0]]
        return answer

    azure.faults.on(action="Microsoft.ResourceGraph/resources/read").bend(swapped)
    path = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01"

    rows = arm(azure, path, "POST", body={"query": "project id, name | order by id asc"}).body[
        "data"
    ]

    assert [row["name"] for row in rows] == ["two", "two", "one"]


def ask_identity(azure: LocalAzure) -> Reply:
    headers = {"X-IDENTITY-HEADER": azure.environ["IDENTITY_HEADER"]}
    resource = "?api-version=2019-08-01&resource=https://management.azure.com"
    return send(azure.environ["IDENTITY_ENDPOINT"] + resource, headers=headers)


def ask_ingestion(azure: LocalAzure) -> Reply:
    token = azure.token_for(azure.tenant.function, "https://monitor.azure.com/")
    url = telemetry_settings(azure)["IngestionEndpoint"] + "v2.1/track"
    return send(url, "POST", body=[], headers={"Authorization": f"Bearer {token}"})


def ask_openai(azure: LocalAzure) -> Reply:
    return send(azure.services.openai_url() + "/one/openai/models?api-version=2024-10-21")


@pytest.mark.parametrize(
    ("host", "ask"),
    [("identity", ask_identity), ("ingestion", ask_ingestion), ("openai", ask_openai)],
)
def test_every_host_can_be_bent(
    serve: Serve, tenant: Tenant, host: Host, ask: Callable[[LocalAzure], Reply]
) -> None:
    azure = serve(tenant)
    bending = azure.faults.on(host=host).bend(body({"bent": host}))

    assert ask(azure).body == {"bent": host}
    assert ask(azure).body != {"bent": host}
    assert bending.seen == 2
    assert bending.hits == 1
