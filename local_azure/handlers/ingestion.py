"""Application Insights: what the exporter sends, at /v2.1/track."""

import gzip
import json
from typing import Any

from local_azure.exchange import Answer, Origin
from local_azure.handlers.envelopes import problem
from local_azure.log import SeenRequest
from local_azure.services import Services
from local_azure.sources import behaviour
from local_azure.state import ids
from local_azure.state.access import PUBLISH_METRICS
from local_azure.tokens import INGESTION_AUDIENCES, Refused


@behaviour(
    "a track answer counts items and lists errors by index; a wrong key refuses the whole batch",
    "data/recorded appinsights-01; fact 47",
    "recorded",
)
@behaviour(
    "401 without a token where only Entra is allowed, 403 for a token without the role; no body",
    "data/recorded appinsights-05 (users' reports of the status); fact 48",
    "recorded",
)
def track(request: SeenRequest, services: Services) -> Answer:
    """Take a batch of envelopes."""
    refused = _refused(request, services)
    if refused is not None:
        return refused
    try:
        envelopes = _envelopes(request)
    except (ValueError, OSError):
        return _counted(0, 0, [_error(0, 400, "Invalid JSON")], 400)
    key = services.settings.instrumentation_key
    wrong = [i for i, e in enumerate(envelopes) if e.get("iKey") != key]
    if wrong:
        message = "Invalid instrumentation key"
        errors = [_error(i, 400, message) for i in range(len(envelopes))]
        return _counted(len(envelopes), 0, errors, 400, reason=message)
    return _kept(envelopes, services)


@behaviour(
    "200 if all items are taken, 206 if some are, 400 if none is, with an error for each of the "
    "others; the reason phrase is the first error's",
    "fact 47; microsoft/ApplicationInsights-Java#4283 and VladimirRybalko/"
    "angular-applicationinsights#35: reports of 206 and 400 with these reasons",
    "recorded",
)
@behaviour(
    "an item that sampling at ingestion drops (Settings.sampled_out) is an error with status 206",
    "data/recorded appinsights-03; fact 47",
    "recorded",
)
def _kept(envelopes: list[dict[str, Any]], services: Services) -> Answer:
    errors, kept = [], []
    for index, envelope in enumerate(envelopes):
        message = problem(envelope)
        if message is not None:
            errors.append(_error(index, 400, message))
        elif services.settings.sampled_out(envelope):
            errors.append(_error(index, 206, "Telemetry sampled out."))
        else:
            kept.append(envelope)
    services.telemetry.add(kept, services.clock.now())
    if not errors:
        return _counted(len(envelopes), len(kept), [], 200)
    sampled = any(error["statusCode"] == 206 for error in errors)
    status = 206 if kept or sampled else 400
    return _counted(len(envelopes), len(kept), errors, status, reason=errors[0]["message"])


def _refused(request: SeenRequest, services: Services) -> Answer | None:
    header = request.headers.get("Authorization")
    if header is None and not services.settings.require_entra_for_telemetry:
        return None
    bearer = services.tokens.check(header, INGESTION_AUDIENCES)
    if isinstance(bearer, Refused):
        return Answer(401, None, Origin.PLAIN, reason="Unauthorized")
    tenant = services.tenant
    root = ids.management_group_scope(tenant.id)
    if not tenant.may(bearer, PUBLISH_METRICS, root):
        return Answer(403, None, Origin.PLAIN, reason="Forbidden")
    return None


def _envelopes(request: SeenRequest) -> list[dict[str, Any]]:
    """Return a JSON array, or one object a line; gzip or not."""
    data = request.body
    if request.headers.get("Content-Encoding", "").lower() == "gzip" and data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    text = data.decode()
    if text.lstrip().startswith("["):
        found = json.loads(text)
    else:
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not all(isinstance(item, dict) for item in found):
        raise ValueError("an envelope is an object")
    return list(found)


def _error(index: int, status: int, message: str) -> dict[str, Any]:
    return {"index": index, "statusCode": status, "message": message}


def _counted(
    received: int,
    accepted: int,
    errors: list[dict[str, Any]],
    status: int,
    reason: str | None = None,
) -> Answer:
    body = {"itemsReceived": received, "itemsAccepted": accepted, "errors": errors}
    return Answer(status, body, Origin.PLAIN, reason=reason)
