"""A bare HTTPS client for tests that look at what the local Azure sends, byte for byte."""

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from local_azure import Account, LocalAzure, Principal, trust

OFF = {"properties": {"disableLocalAuth": True}}
"""The body of a PATCH that turns keys off."""
SUBSCRIPTIONS = "/subscriptions?api-version=2022-12-01"
ACCOUNTS_VERSION = "?api-version=2025-09-01"


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    reason: str
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        """The JSON of the body, or nothing."""
        return json.loads(self.text) if self.text else None

    @property
    def code(self) -> str:
        """The code of the error that the body describes."""
        return str(self.body["error"]["code"])


def send(
    url: str,
    method: str = "GET",
    *,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Send one request and read its answer. A body that isn't bytes is sent as JSON."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 0)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=str(trust.bundle()))
        connection = http.client.HTTPSConnection(*address, timeout=20, context=context)
    else:
        connection = http.client.HTTPConnection(*address, timeout=20)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        connection.request(method, target, body=data, headers=sent | (headers or {}))
        response = connection.getresponse()
        text = response.read().decode()
        return Reply(response.status, response.reason, dict(response.getheaders()), text)
    finally:
        connection.close()


def telemetry_settings(azure: LocalAzure) -> dict[str, str]:
    """Return the parts of the connection string for telemetry."""
    text = azure.environ["APPLICATIONINSIGHTS_CONNECTION_STRING"]
    return dict(part.split("=", 1) for part in text.split(";"))


def arm(
    azure: LocalAzure,
    path: str,
    method: str = "GET",
    *,
    body: Any = None,
    by: Principal | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Ask ARM, as the Function unless said otherwise."""
    token = azure.token_for(by or azure.tenant.function)
    url = path if path.startswith("https://") else azure.environ["ARM_ENDPOINT"] + path
    return send(
        url, method, body=body, headers={"Authorization": f"Bearer {token}", **(headers or {})}
    )


def read_account(azure: LocalAzure, account: Account, *, by: Principal | None = None) -> Reply:
    """Read an account from ARM, as the Function unless said otherwise."""
    return arm(azure, account.id + ACCOUNTS_VERSION, by=by)


def patch_account(
    azure: LocalAzure, account: Account, body: Any = OFF, *, by: Principal | None = None
) -> Reply:
    """Send a PATCH of an account to ARM, as the Function unless said otherwise."""
    return arm(azure, account.id + ACCOUNTS_VERSION, "PATCH", body=body, by=by)
