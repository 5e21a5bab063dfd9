"""What a refusal, or no answer at all, is called: by its code, its status, or its kind."""

import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st

from shared.border.refusals import azure_error, code_and_message
from shared.core.errors import (
    AzureError,
    Busy,
    Elsewhere,
    Locked,
    NoRole,
    NotFound,
    NoToken,
    PolicyDenied,
    Refused,
    Throttled,
    Unclear,
    WrongTenant,
)
from tests.support.recorded_exchanges import Exchange, recorded, refusals


@dataclass(frozen=True)
class Reply:
    """What azure-core's errors ask of a response."""

    status_code: int
    content: str
    reason: str = "Because"
    headers: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Return the body."""
        return self.content


def refusal(status: int, body: object) -> HttpResponseError:
    text = body if isinstance(body, str) else json.dumps(body)
    return HttpResponseError(response=Reply(status, text))  # type: ignore[arg-type]


def coded(status: int, code: str, message: str = "So it is.") -> HttpResponseError:
    return refusal(status, {"error": {"code": code, "message": message}})


def called(error: Exception) -> AzureError:
    return azure_error("Turning local auth off for", "the account", error)


NAMES: list[tuple[int, str, type[AzureError]]] = [
    (403, "RequestDisallowedByPolicy", PolicyDenied),
    (403, "RequestDisallowedByAzure", Refused),
    (403, "AuthorizationFailed", NoRole),
    (403, "DenyAssignmentAuthorizationFailed", NoRole),
    (403, "LinkedAuthorizationFailed", NoRole),
    (401, "InvalidAuthenticationToken", NoRole),
    (401, "ExpiredAuthenticationToken", NoRole),
    (401, "InvalidAuthenticationTokenTenant", WrongTenant),
    (404, "ResourceNotFound", NotFound),
    (404, "ResourceGroupNotFound", NotFound),
    (404, "SubscriptionNotFound", NotFound),
    (404, "ParentResourceNotFound", NotFound),
    (404, "NotFound", NotFound),
    (404, "InvalidResourceType", Refused),
    (404, "InvalidResourceNamespace", Refused),
    (404, "MissingSubscription", Refused),
    (404, "", Refused),
    (409, "ScopeLocked", Locked),
    (409, "RequestConflict", Busy),
    (409, "AnotherOperationInProgress", Busy),
    (400, "AccountProvisioningStateInvalid", Busy),
    (409, "ReadOnlyDisabledSubscription", Busy),
    (409, "MissingSubscriptionRegistration", Refused),
    (409, "Conflict", Busy),
    (400, "BadRequest", Refused),
    (408, "RequestTimeout", Unclear),
    (410, "Gone", Refused),
    (412, "PreconditionFailed", Refused),
    (429, "TooManyRequests", Throttled),
    (500, "InternalServerError", Unclear),
    (502, "BadGateway", Unclear),
    (503, "ServerBusy", Unclear),
    (504, "GatewayTimeout", Unclear),
    (307, "", Unclear),
    (204, "", Unclear),
]


@pytest.mark.parametrize(("status", "code", "name"), NAMES)
def test_a_refusal_is_called_by_its_name(status: int, code: str, name: type[AzureError]) -> None:
    error = called(coded(status, code) if code else refusal(status, ""))

    assert type(error) is name
    assert error.status == status
    assert error.code == (code or f"HTTP{status}")


@pytest.mark.parametrize(("status", "code", "name"), NAMES)
def test_the_letter_case_of_a_code_makes_no_difference(
    status: int, code: str, name: type[AzureError]
) -> None:
    assert type(called(coded(status, code.upper()))) is name


def test_a_code_of_a_definite_no_under_a_server_error_is_no_definite_no() -> None:
    assert type(called(coded(500, "ScopeLocked"))) is Unclear


@pytest.mark.parametrize("word", ["role", "assignment"])
@pytest.mark.parametrize("code", ["InvalidAuthenticationTokenTenant", "RequestDisallowedByAzure"])
def test_what_no_role_would_help_speaks_of_none(code: str, word: str) -> None:
    status = 401 if "Token" in code else 403
    advice = called(coded(status, code)).advice

    assert word not in advice.replace("no missing role", "")


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ServiceRequestTimeoutError("no connection"), Refused),
        (ServiceRequestError("cut"), Unclear),
        (ServiceResponseError("cut"), Unclear),
        (ServiceResponseTimeoutError("too long"), Unclear),
        (ClientAuthenticationError("no token"), NoToken),
        (ValueError("a name that is never sent"), Unclear),
        (KeyError("an odd answer to a write"), Unclear),
    ],
)
def test_no_answer_is_a_definite_no_only_where_nothing_was_sent(
    error: Exception, name: type[AzureError]
) -> None:
    found = called(error)

    assert type(found) is name
    assert found.status is None


def test_a_connection_that_was_never_made_is_a_definite_no() -> None:
    key: Any = None
    never = aiohttp.ClientConnectorError(key, OSError("refused"))

    assert type(called(ServiceRequestError("never", error=never))) is Refused


def test_a_connection_that_was_cut_is_none() -> None:
    cut = aiohttp.ServerDisconnectedError()

    assert type(called(ServiceRequestError("cut", error=cut))) is Unclear


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"error": {"code": "A", "message": "b"}}, "A", "b"),
        ({"Error": {"Code": "A", "Message": "b"}}, "A", "b"),
        ({"code": "A", "message": "b"}, "A", "b"),
        (
            {
                "error": {
                    "code": "BadRequest",
                    "message": "When asking for support",
                    "details": [{"code": "ParserFailure", "message": "at line 1"}],
                }
            },
            "BadRequest",
            "ParserFailure: at line 1 When asking for support",
        ),
        ({"error": {"code": "A", "message": "b", "details": {"code": "C"}}}, "A", "b"),
        ({"error": {"code": "A", "message": "b", "details": ["C", None, 5]}}, "A", "b"),
        ({"error": {"code": None, "message": None}}, "HTTP409", "Because"),
        ({"error": None}, "HTTP409", "Because"),
        ({"error": []}, "HTTP409", "Because"),
        ({}, "HTTP409", "Because"),
        ([], "HTTP409", "Because"),
        ("null", "HTTP409", "Because"),
        ("", "HTTP409", "Because"),
        ("<html><h1>Conflict</h1></html>", "HTTP409", "Because"),
        ("[" * 100_000, "HTTP409", "Because"),
        ({"error": {"code": 5, "message": {"value": "b"}}}, "5", "{'value': 'b'}"),
    ],
    ids=lambda value: str(value)[:70],
)
def test_azures_words_are_found_in_whatever_form_they_come(
    body: object, code: str, message: str
) -> None:
    found_code, found_message = code_and_message(refusal(409, body))

    assert found_code == code
    assert found_message == message


RECORDED: list[tuple[str, type[AzureError]]] = [
    ("account-400-01", Refused),
    ("account-404-01", NotFound),
    ("account-409-01", Refused),
    ("account-409-03", Busy),
    ("account-409-05", Busy),
    ("arg-error-03", Throttled),
    ("arg-error-05", NoRole),
    ("arm-401-05", WrongTenant),
    ("arm-404-07", NotFound),
    ("arm-409-01", Refused),
    ("arm-409-03", Refused),
    ("arm-412-01", Refused),
    ("arm-429-05", Throttled),
    ("metrics-error-02", Refused),
    ("metrics-error-03", Throttled),
    ("policy-403-03", PolicyDenied),
    ("scope-locked-03", Locked),
]


@pytest.mark.parametrize(("name", "kind"), RECORDED)
def test_a_recorded_refusal_is_called_by_its_name(name: str, kind: type[AzureError]) -> None:
    assert type(called(refusal(recorded(name).status, recorded(name).body))) is kind


def code_within(body: Any) -> str:
    """Find the outermost code of a body, however deep it lies and however it is spelled."""
    named = {key.lower(): value for key, value in body.items()}
    inner = (value for value in named.values() if isinstance(value, dict))
    return str(named.get("code") or next(filter(None, map(code_within, inner)), ""))


@pytest.mark.parametrize("exchange", refusals(), ids=lambda exchange: exchange.name[:40])
def test_every_recorded_refusal_keeps_its_own_code(exchange: Exchange) -> None:
    error = called(refusal(exchange.status, exchange.body))

    assert error.code == (code_within(exchange.body) or f"HTTP{exchange.status}")


@pytest.mark.parametrize(
    "address", ["https://management.azure.com/x", "/subscriptions/x/operationresults/1"]
)
def test_a_signature_in_an_address_is_not_repeated(address: str) -> None:
    message = f"Operation {address}?api-version=1&c=secret&s=SIG is unknown."

    _, shown = code_and_message(coded(404, "NotFound", message))

    assert shown == f"Operation {address} is unknown."


def test_an_error_of_our_own_keeps_its_words() -> None:
    assert code_and_message(Elsewhere("evil.example/x")) == (
        "",
        Elsewhere("evil.example/x").message,
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "Error", "code", "message", "details", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.integers(300, 599), json_values | st.text(max_size=20))
def test_law_every_refusal_has_a_name_and_a_code(status: int, body: object) -> None:
    error = called(refusal(status, body))

    assert isinstance(error, Refused) is (400 <= status < 500 and status != 408)
    assert error.status == status
    assert error.code
