"""Which identity telemetry is sent as: the exporter's credential, on an identity in memory."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import urllib3
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from requests.adapters import HTTPAdapter

from shared.bootstrap import Process, _moment
from tests.support.virtual_time import VirtualClock

SCOPE = "https://monitor.azure.com/.default"
ENDPOINT = {"IDENTITY_ENDPOINT": "http://localhost:8081/msi/token", "IDENTITY_HEADER": "secret"}

type Asked = Callable[[dict[str, str]], dict[str, list[str]]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Give what fetches the exporter's token, and returns what the endpoint was asked."""
    seen: list[str] = []

    def answer(
        adapter: HTTPAdapter, request: requests.PreparedRequest, **_: object
    ) -> requests.Response:
        seen.append(str(request.url))
        expires = {"expires_on": "1900000000", "resource": SCOPE, "token_type": "Bearer"}
        body = json.dumps({"access_token": "t", **expires}).encode()
        headers = {"Content-Type": "application/json"}
        raw = urllib3.HTTPResponse(io.BytesIO(body), headers, 200, preload_content=False)
        return adapter.build_response(request, raw)

    monkeypatch.setattr(HTTPAdapter, "send", answer)
    for name, value in ENDPOINT.items():
        # azure-identity looks there, whatever the product was given.
        monkeypatch.setenv(name, value)

    def ask(environ: dict[str, str]) -> dict[str, list[str]]:
        credential = Process({**ENDPOINT, **environ}, VirtualClock())._sync_credential()
        assert isinstance(credential, ManagedIdentityCredential)
        with credential:
            assert credential.get_token(SCOPE).token == "t"
        (url,) = seen
        return parse_qs(urlsplit(url).query)

    return ask


@pytest.mark.parametrize("text", ["1111-2222", " 1111-2222 "])
def test_the_exporter_is_the_identity_that_the_settings_name(asked: Asked, text: str) -> None:
    assert asked({"AZURE_CLIENT_ID": text})["client_id"] == ["1111-2222"]


@pytest.mark.parametrize("environ", [{}, {"AZURE_CLIENT_ID": ""}, {"AZURE_CLIENT_ID": "  "}])
def test_without_a_name_it_is_the_apps_own(asked: Asked, environ: dict[str, str]) -> None:
    assert "client_id" not in asked(environ)


def test_away_from_azure_it_is_whoever_is_signed_in() -> None:
    credential = Process({}, VirtualClock())._sync_credential()
    assert isinstance(credential, DefaultAzureCredential)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T08:45:00+00:00", datetime(2026, 11, 24, 8, 45, tzinfo=UTC)),
        ("2026-11-24T08:45:00", datetime(2026, 11, 24, 8, 45, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("", None),
    ],
    ids=["with a zone", "without one", "a host that never fired", "nothing"],
)
def test_when_the_timer_last_fired_is_what_the_host_says(
    text: str, moment: datetime | None
) -> None:
    assert _moment(text) == moment
