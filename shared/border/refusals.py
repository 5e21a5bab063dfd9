"""Border: what a refusal of Azure's, or no answer at all, means in our own tree of errors."""

import asyncio
import json
import re

import aiohttp
from azure.core.exceptions import (
    AzureError as SdkError,
)
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestTimeoutError,
)

from shared.core.errors import (
    AzureError,
    Busy,
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

SDK_ERRORS = (SdkError, ValueError)
"""What an SDK raises: Azure's refusals, no answer, odd answers, and names that it won't send."""
AFTER_A_WRITE = (*SDK_ERRORS, LookupError, TypeError, AttributeError, ArithmeticError)
"""What it may raise besides when the answer to a write is odd: then the write may have happened."""

# The sources of these codes are in tests/data/errors/errors.json, beside each body.
_BY_CODE: dict[str, type[AzureError]] = {
    "requestdisallowedbypolicy": PolicyDenied,
    # Azure itself forbids it, whatever roles and policies say: no role of ours would help.
    "requestdisallowedbyazure": Refused,
    "scopelocked": Locked,
    "accountprovisioningstateinvalid": Busy,
    "requestconflict": Busy,
    "conflict": Busy,
    "anotheroperationinprogress": Busy,
    # The next sweep finds the subscription disabled, and leaves it alone.
    "readonlydisabledsubscription": Busy,
    "invalidauthenticationtokentenant": WrongTenant,
}
_BY_STATUS: dict[int, type[AzureError]] = {
    401: NoRole,
    403: NoRole,
    404: NotFound,
    408: Unclear,
    429: Throttled,
}
_NOT_FOUND = 404
# What all codes have in common that say that something is not there: ResourceNotFound,
# ResourceGroupNotFound, SubscriptionNotFound, ParentResourceNotFound, NotFound. A request that
# Azure can't place is a 404 as well, and says nothing of the resource: InvalidResourceType for an
# api-version that a cloud doesn't have (azure-rest-api-specs#14807 and #16621, pasted answers),
# MissingSubscription (recorded exchanges, metrics-error-02).
_IS_GONE = "notfound"
_QUERY = re.compile(r"(?<=[^\s?])\?(?=\S*=)\S+")


def azure_error(action: str, resource: str, error: Exception) -> AzureError:
    """Say in our own tree what an SDK's error means for what was asked."""
    code, message = code_and_message(error)
    status = error.status_code if isinstance(error, HttpResponseError) else None
    return _kind_of(error, status, code)(
        action, resource, code=code, message=message, status=status
    )


def is_azures(error: Exception) -> bool:
    """Whether code and message of an error are Azure's own: not its client's, and not ours."""
    if isinstance(error, AzureError):
        return error.is_azures
    return isinstance(error, HttpResponseError) and error.response is not None


def _kind_of(error: Exception, status: int | None, code: str) -> type[AzureError]:
    if status == _NOT_FOUND and _IS_GONE not in code.lower():
        # Only Azure's own word says that something is gone: the page of a proxy does not.
        return Refused
    if status is not None and 400 <= status < 500:  # noqa: PLR2004 - the client errors
        return _BY_CODE.get(code.lower()) or _BY_STATUS.get(status, Refused)
    if isinstance(error, ClientAuthenticationError):
        return NoToken
    # azure-core raises ServiceRequestError for a connection that was cut after the request had
    # left as well (its aiohttp transport, read): only a connection never made is a definite no.
    never_sent = isinstance(error, ServiceRequestTimeoutError) or isinstance(
        getattr(error, "inner_exception", None), aiohttp.ClientConnectorError
    )
    return Refused if never_sent else Unclear


def code_and_message(error: Exception) -> tuple[str, str]:
    """Return Azure's own code and message, or what stands in for them.

    Without the queries of addresses: that of a polling URL carries a signature.
    """
    code, message = _as_given(error)
    return code, _QUERY.sub("", message)


def _as_given(error: Exception) -> tuple[str, str]:
    if isinstance(error, AzureError):
        return error.code, error.message
    if isinstance(error, HttpResponseError) and error.response is not None:
        code, message = _in_body(error)
        return code or _without_code(error.status_code), message or str(error.reason or "")
    return type(error).__name__, str(error).strip().splitlines()[0] if str(error).strip() else ""


def _without_code(status: int | None) -> str:
    """Return what stands in for the code of an answer that has none."""
    return f"HTTP{status or ''}"


def _in_body(error: HttpResponseError) -> tuple[str, str]:
    """Return code and message of an error's body, whichever of Azure's forms it has.

    Most have `error` around them, Support writes `Error`, DNS and metrics nothing (recorded
    exchanges, facts 32 and 59); Resource Graph's code that says something is in `details` (fact
    43). A proxy's HTML is nobody's message.
    """
    try:
        body = json.loads(error.response.text()) if error.response is not None else None
    except (ValueError, AttributeError, RecursionError, asyncio.InvalidStateError):
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    inner = body.get("error", body.get("Error", body))
    if not isinstance(inner, dict):
        return "", ""
    details = inner.get("details")
    inner_refusals = [
        f"{_text(detail, 'code')}: {_text(detail, 'message')}"
        for detail in (details if isinstance(details, list) else ())
        if isinstance(detail, dict)
    ]
    return _text(inner, "code"), " ".join([*inner_refusals, _text(inner, "message")]).strip()


def _text(part: dict[str, object], name: str) -> str:
    return str(part.get(name) or part.get(name.capitalize()) or "")
