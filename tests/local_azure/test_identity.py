"""The managed identity endpoint."""

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential

from tests.support.plain_client import send
from tests.support.serving import Serve

QUERY = "?api-version=2019-08-01&resource=https://management.azure.com/"


def test_the_sync_credential_gets_a_token(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    azure = serve()
    for name, value in azure.environ.items():
        monkeypatch.setenv(name, value)
    with ManagedIdentityCredential(client_id=azure.environ["AZURE_CLIENT_ID"]) as credential:
        token = credential.get_token("https://monitor.azure.com//.default")

    assert token.expires_on == int(azure.clock.now().timestamp()) + 86_400
    (operation,) = azure.operations
    assert operation.query["resource"].rstrip("/") == "https://monitor.azure.com"


def test_an_identity_that_the_app_does_not_have_is_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure = serve()
    for name, value in azure.environ.items():
        monkeypatch.setenv(name, value)
    with (
        ManagedIdentityCredential(client_id="somebody-else") as credential,
        pytest.raises(ClientAuthenticationError),
    ):
        credential.get_token("https://management.azure.com/.default")


def test_without_the_secret_header_there_is_no_token(serve: Serve) -> None:
    azure = serve()
    url = azure.environ["IDENTITY_ENDPOINT"] + QUERY

    assert send(url).status == 401
    assert send(url, headers={"X-IDENTITY-HEADER": "guess"}).status == 401
    secret = {"X-IDENTITY-HEADER": azure.environ["IDENTITY_HEADER"]}
    answer = send(url, headers=secret)
    assert list(answer.body) == [
        "access_token", "expires_on", "resource", "token_type", "client_id",
    ]  # fmt: skip
    assert isinstance(answer.body["expires_on"], str)
