"""Application Insights: what is kept, and who may send."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from local_azure import LocalAzure
from local_azure.services import Settings
from tests.support.plain_client import Reply, send, telemetry_settings
from tests.support.serving import Serve


def envelope(azure: LocalAzure, name: str) -> dict[str, Any]:
    return {
        "name": "Microsoft.ApplicationInsights.Event",
        "time": "2026-11-24T09:00:00.1234567Z",
        "iKey": telemetry_settings(azure)["InstrumentationKey"],
        "data": {"baseType": "EventData", "baseData": {"ver": 2, "name": name, "properties": {}}},
    }


def track(azure: LocalAzure, data: bytes, headers: dict[str, str] | None = None) -> Reply:
    token = azure.token_for(azure.tenant.function, "https://monitor.azure.com/")
    url = telemetry_settings(azure)["IngestionEndpoint"] + "v2.1/track"
    bearer = {"Authorization": f"Bearer {token}"}
    return send(url, "POST", body=data, headers={**bearer, **(headers or {})})


def test_arrays_lines_and_gzip_are_all_taken(serve: Serve) -> None:
    azure = serve()
    one, two, three = (envelope(azure, name) for name in ("One", "Two", "Three"))

    array = track(azure, json.dumps([one]).encode())
    lines = track(azure, b"\n".join(json.dumps(e).encode() for e in (two, three)))
    zipped = gzip.compress(json.dumps([one]).encode())
    packed = track(azure, zipped, {"Content-Encoding": "gzip"})

    assert array.body == {"itemsReceived": 1, "itemsAccepted": 1, "errors": []}
    assert lines.body["itemsAccepted"] == 2
    assert packed.status == 200
    names = [e["data"]["baseData"]["name"] for e in azure.telemetry.events()]
    assert names == ["One", "Two", "Three", "One"]
    assert len(azure.telemetry.events("One")) == 2


def changed(where: list[str], value: Any) -> Callable[[dict[str, Any]], None]:
    """Return what puts the value there (None: takes away what is there)."""

    def change(envelope: dict[str, Any]) -> None:
        *above, last = where
        inner = envelope
        for name in above:
            inner = inner[name]
        if value is None:
            del inner[last]
        else:
            inner[last] = value

    return change


DATA = ["data", "baseData"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            changed(["time"], None),
            (
                "109: Field 'time' on type 'Envelope' is required but missing or empty. "
                "Expected: string, Actual: undefined"
            ),
        ),
        (
            changed(["time"], "fake"),
            (
                "102: Field 'time' on type 'Envelope' is not a valid time string. "
                "Expected: date, Actual: fake"
            ),
        ),
        (
            changed(["name"], ""),
            (
                "109: Field 'name' on type 'Envelope' is required but missing or empty. "
                "Expected: string, Actual: "
            ),
        ),
        (
            changed(["data"], None),
            (
                "106: Field 'data' on type 'Envelope' is of incorrect type. "
                "Expected: object, Actual: undefined"
            ),
        ),
        (
            changed(["data", "baseType"], "PageviewData"),
            "Unknown domain type 'Microsoft.ApplicationInsights.PageviewData'",
        ),
        (
            changed([*DATA, "name"], None),
            (
                "109: Field 'name' on type 'EventData' is required but missing or empty. "
                "Expected: string, Actual: undefined"
            ),
        ),
        (
            changed([*DATA, "name"], 3440692220),
            (
                "106: Field 'name' on type 'EventData' is of incorrect type. "
                "Expected: string, Actual: 3440692220"
            ),
        ),
        (
            changed([*DATA, "name"], "x" * 513),
            (
                "107: Field 'name' on type 'EventData' is too long. "
                "Expected: 512 characters, Actual: 513"
            ),
        ),
        (
            changed([*DATA, "properties"], {"count": 3}),
            (
                "106: Field 'count' on type 'EventData' is of incorrect type. "
                "Expected: string, Actual: 3"
            ),
        ),
        (
            changed([*DATA, "measurements"], {"seconds": "3"}),
            (
                "106: Field 'seconds' on type 'EventData' is of incorrect type. "
                "Expected: number, Actual: 3"
            ),
        ),
        (
            changed(["tags"], {"ai.operation.name": "x" * 1169}),
            (
                "107: Field 'ai.operation.name' on type 'ContextTagKeys' is too long. "
                "Expected: 1024 characters, Actual: 1169"
            ),
        ),
        (
            changed(["data"], {"baseType": "ExceptionData", "baseData": {"ver": 2}}),
            (
                "106: Field 'exceptions' on type 'ExceptionData' is of incorrect type. "
                "Expected: array, Actual: undefined"
            ),
        ),
        (
            changed(
                ["data"],
                {"baseType": "MetricData", "baseData": {"ver": 2, "metrics": [{"name": "m"}]}},
            ),
            (
                "106: Field 'value' on type 'DataPoint' is of incorrect type. "
                "Expected: number, Actual: undefined"
            ),
        ),
    ],
)
def test_a_malformed_envelope_is_refused_in_its_place_and_the_others_are_kept(
    serve: Serve, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    azure = serve()
    batch = [envelope(azure, name) for name in ("One", "Two", "Three")]
    change(batch[1])

    some = track(azure, json.dumps(batch).encode())
    none = track(azure, json.dumps(batch[1:2]).encode())

    error = {"statusCode": 400, "message": message}
    assert some.status == 206
    assert some.reason == message.strip()
    assert some.body == {"itemsReceived": 3, "itemsAccepted": 2, "errors": [{"index": 1} | error]}
    assert none.status == 400
    assert none.reason == message.strip()
    assert none.body == {"itemsReceived": 1, "itemsAccepted": 0, "errors": [{"index": 0} | error]}
    kept = [e["data"]["baseData"]["name"] for e in azure.telemetry.events()]
    assert kept == ["One", "Three"]


def test_what_sampling_drops_is_told_item_by_item(serve: Serve) -> None:
    def is_one(sent: dict[str, Any]) -> bool:
        return bool(sent["data"]["baseData"]["name"] == "One")

    azure = serve(settings=Settings(sampled_out=is_one))
    batch = [envelope(azure, name) for name in ("One", "Two")]

    reply = track(azure, json.dumps(batch).encode())

    assert reply.status == 206
    assert reply.reason == "Telemetry sampled out."
    assert reply.body["errors"] == [
        {"index": 0, "statusCode": 206, "message": "Telemetry sampled out."}
    ]
    assert len(azure.telemetry) == 1


def test_a_token_of_an_identity_without_the_role_is_refused(serve: Serve) -> None:
    azure = serve()
    stranger = azure.tenant.add_principal("stranger")
    token = azure.token_for(stranger, "https://monitor.azure.com/")
    url = telemetry_settings(azure)["IngestionEndpoint"] + "v2.1/track"

    reply = send(url, "POST", body=[], headers={"Authorization": f"Bearer {token}"})

    assert reply.status == 403
    assert reply.text == ""


def test_without_a_token_it_depends_on_whether_local_auth_is_on(serve: Serve) -> None:
    strict = serve()
    lenient = serve(settings=Settings(require_entra_for_telemetry=False))

    def status(azure: LocalAzure) -> int:
        url = telemetry_settings(azure)["IngestionEndpoint"] + "v2.1/track"
        return send(url, "POST", body=[envelope(azure, "One")]).status

    assert status(strict) == 401
    assert status(lenient) == 200
    assert len(strict.telemetry) == 0


def test_what_the_exporter_asks_besides_is_seen_and_not_modelled(serve: Serve) -> None:
    azure = serve()
    url = telemetry_settings(azure)["LiveEndpoint"] + "QuickPulseService.svc/ping"

    assert send(url, "POST", body=b"{}").status == 501
    assert [(o.host, o.status) for o in azure.operations] == [("ingestion", 501)]
