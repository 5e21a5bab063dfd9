"""Application Insights: what is kept, and who may send."""

import gzip
import json
from collections.abc import Callable
from typing import Any

from tests.local_azure import LocalAzure
from tests.local_azure.services import Settings
from tests.plain_client import Reply, send

type Serve = Callable[..., LocalAzure]


def connection(azure: LocalAzure) -> dict[str, str]:
    text = azure.environ["APPLICATIONINSIGHTS_CONNECTION_STRING"]
    return dict(part.split("=", 1) for part in text.split(";"))


def envelope(azure: LocalAzure, name: str) -> dict[str, Any]:
    return {
        "name": "Microsoft.ApplicationInsights.Event",
        "iKey": connection(azure)["InstrumentationKey"],
        "data": {"baseType": "EventData", "baseData": {"ver": 2, "name": name, "properties": {}}},
    }


def track(azure: LocalAzure, data: bytes, headers: dict[str, str] | None = None) -> Reply:
    token = azure.token_for(azure.tenant.function, "https://monitor.azure.com/")
    url = connection(azure)["IngestionEndpoint"] + "v2.1/track"
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
    assert (lines.body["itemsAccepted"], packed.status) == (2, 200)
    names = [e["data"]["baseData"]["name"] for e in azure.telemetry.events()]
    assert names == ["One", "Two", "Three", "One"]
    assert len(azure.telemetry.events("One")) == 2


def test_a_token_of_an_identity_without_the_role_is_refused(serve: Serve) -> None:
    azure = serve()
    stranger = azure.tenant.add_principal("stranger")
    token = azure.token_for(stranger, "https://monitor.azure.com/")
    url = connection(azure)["IngestionEndpoint"] + "v2.1/track"

    reply = send(url, "POST", body=[], headers={"Authorization": f"Bearer {token}"})

    assert (reply.status, reply.text) == (403, "")


def test_without_a_token_it_depends_on_whether_local_auth_is_on(serve: Serve) -> None:
    strict = serve()
    lenient = serve(settings=Settings(require_entra_for_telemetry=False))

    def status(azure: LocalAzure) -> int:
        url = connection(azure)["IngestionEndpoint"] + "v2.1/track"
        return send(url, "POST", body=[envelope(azure, "One")]).status

    assert (status(strict), status(lenient)) == (401, 200)
    assert len(strict.telemetry) == 0


def test_what_the_exporter_asks_besides_is_seen_and_not_modelled(serve: Serve) -> None:
    azure = serve()
    url = connection(azure)["LiveEndpoint"] + "QuickPulseService.svc/ping"

    assert send(url, "POST", body=b"{}").status == 501
    assert [(o.host, o.status) for o in azure.operations] == [("ingestion", 501)]
