"""Border: an answer is believed only if it is what was asked for.

The SDKs' models are lenient: an error body under 200, an account without `properties` and a list
without its array all become objects whose fields are None, and None would mean "keys on", "no
tag" and "nothing there". So whoever asks says what it expects (`expects=`, an option that every
operation of the SDKs hands to the pipeline), and `Answers` holds each 2xx against that before a
model is made of it. What is not what was asked for is no answer: the read is tried again, and then
it has failed.

A check takes the JSON of an answer and returns what is wrong with it; an empty text: nothing.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Any

from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy, ContentDecodePolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.core.model import AccountId

type Check = Callable[[object], str]

ACCOUNTS = "microsoft.cognitiveservices/accounts"
RESOURCE_GROUPS = "microsoft.resources/resourcegroups"
# Azure's description of the list of a management group's descendants says `@nextLink`, and
# azure-mgmt-managementgroups 2.0.0 reads `nextLink`: with the wrong one, the rest of a large group
# would be lost without a word.
LINK_NAMES = ("nextLink", "@nextLink")
_EXPECTS = "expects"
# A 64-bit number and its sign: Azure knows no longer ones.
_MOST_DIGITS = 20


class OddAnswer(ServiceResponseError):
    """An answer that is not what was asked for."""


class Answers(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Decodes every answer, and hands on those alone that were asked for."""

    async def send(
        self, request: PipelineRequest[HttpRequest]
    ) -> PipelineResponse[HttpRequest, AsyncHttpResponse]:
        """Send a request. Raises OddAnswer for an answer that is none."""
        check: Check | None = request.context.options.pop(_EXPECTS, None)
        if check is not None:
            # A read that is tried again comes here again, with the same context.
            request.context[_EXPECTS] = check
        check = request.context.get(_EXPECTS)
        response = await self.next.send(request)
        status, content = response.http_response.status_code, response.http_response.content
        # Without a body there is no JSON: the check is shown None, and says whether that will do.
        is_due = check is not None and _is_success(status) and content != b""
        body = _decoded(content, required=is_due)
        if body is not None:
            # Where azure-core keeps what it has decoded: the SDKs' models are made of it.
            response.context[ContentDecodePolicy.CONTEXT_NAME] = body
        if check is not None and _is_success(status):
            problem = check(body)
            if problem:
                raise OddAnswer(f"The answer is not what was asked for: {problem}.")
        return response


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - the 2xx


def _decoded(content: bytes, *, required: bool) -> object:
    """Return the JSON of an answer; None if there is none, unless there must be one."""
    try:
        body: object = json.loads(
            content, parse_int=_whole, parse_float=_finite, parse_constant=_no_json
        )
    except RecursionError as error:
        # Whoever decodes it after us, such as an SDK that looks for Azure's code, would fail.
        raise OddAnswer("The answer is nested too deeply to be read.") from error
    except ValueError as error:
        if required:
            raise OddAnswer(f"The answer is no JSON: {error}.") from error
        return None
    return body


def _whole(text: str) -> int:
    # The SDKs' models turn whole numbers into floats, and Python raises for one of 400 digits.
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _no_json(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def decoded(response: PipelineResponse[Any, Any], *_: object) -> Any:
    """Return the JSON of an answer that passed its check; the SDKs' operations take it as `cls`."""
    return response.context[ContentDecodePolicy.CONTEXT_NAME]


def anything(_: object) -> str:
    """Expect nothing in particular: whoever reads it looks."""
    return ""


def an_object(body: object) -> str:
    """Expect a JSON object."""
    return "" if isinstance(body, dict) else "it is no object"


def an_object_or_nothing(body: object) -> str:
    """Expect a JSON object, or no body: an operation asked at its Location has none to its end.

    Until then it answers 202 and then, perhaps, 200 or 204 (recorded exchanges, fact 35).
    """
    return "" if body is None else an_object(body)


def a_page(body: object) -> str:
    """Expect a page of a list of ARM's: an array, and perhaps a link to the next page."""
    return _first(
        _lacks(body, "value", list, "it has no array `value`"),
        *(_lacks(body, name, str | None, f"its `{name}` is no text") for name in LINK_NAMES),
    )


def a_graph_page(body: object) -> str:
    """Expect a page of Resource Graph's, in the format objectArray."""
    if not isinstance(body, dict):
        return "it is no object"
    if not is_count(body.get("totalRecords")):
        return "it does not say how many rows there are"
    if body.get("resultTruncated") not in ("true", "false"):
        return "it does not say whether it is truncated"
    return _first(
        _lacks(body, "data", list, "it has no rows"),
        _lacks(body, "$skipToken", str | None, "its `$skipToken` is no text"),
    )


def is_count(value: object) -> bool:
    """Whether a value is a number of things: to Python, true is a number as well."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def the_account(account_id: AccountId) -> Check:
    """Expect this one account."""
    return lambda body: _first(account_problem(body), _is(body, "id", account_id.key))


def the_resource_group(account_id: AccountId) -> Check:
    """Expect the resource group of an account."""
    subscription_id, name = account_id.subscription_id, account_id.resource_group.lower()
    return lambda body: _first(
        _resource_problem(body, RESOURCE_GROUPS),
        group_problem(body, subscription_id),
        _is(body, "id", f"/subscriptions/{subscription_id}/resourcegroups/{name}"),
    )


def the_subscription(subscription_id: str) -> Check:
    """Expect this one subscription."""
    return lambda body: _first(
        subscription_problem(body),
        _is(body, "id", f"/subscriptions/{subscription_id}"),
        _is(body, "subscriptionId", subscription_id),
    )


def account_problem(row: object) -> str:
    """Say what is wrong with an account, alone or as a row of a list; empty: nothing."""
    properties = row.get("properties") if isinstance(row, dict) else None
    flag = "disableLocalAuth"
    return _first(
        _resource_problem(row, ACCOUNTS),
        tags_problem(row),
        _lacks_text(row, "kind"),
        "" if properties else "it has no properties",
        _lacks(properties, flag, bool | None, f"its {flag} is neither true nor false"),
        *(
            _lacks(properties, name, str | None, f"its {name} is no text")
            for name in ("customSubDomainName", "provisioningState")
        ),
    )


def group_problem(row: object, subscription_id: str) -> str:
    """Say what is wrong with a resource group of a subscription; empty: nothing."""
    name = str(row.get("name")).lower() if isinstance(row, dict) else ""
    return _first(
        _lacks_text(row, "name"),
        tags_problem(row),
        _is(row, "id", f"/subscriptions/{subscription_id}/resourcegroups/{name}"),
    )


def subscription_problem(row: object) -> str:
    """Say what is wrong with a subscription; empty: nothing."""
    names = ("subscriptionId", "state", "tenantId")
    return _first(*(_lacks_text(row, name) for name in names), tags_problem(row))


def descendant_problem(row: object) -> str:
    """Say what is wrong with a descendant of a management group; empty: nothing."""
    kind = _kind(row)
    return _first(
        _lacks_text(row, "name"),
        _lacks_text(row, "type"),
        "" if kind in {"subscriptions", "managementgroups"} else f"it is a {kind}",
    )


def is_subscription(descendant: Mapping[str, Any]) -> bool:
    """Whether a descendant of a management group is a subscription, and not another group."""
    return _kind(descendant) == "subscriptions"


def _kind(descendant: object) -> str:
    found = descendant.get("type") if isinstance(descendant, dict) else ""
    return str(found).lower().rpartition("/")[2]


def tags_problem(row: object) -> str:
    """Say what is wrong with the tags of a resource; empty: nothing.

    Where there are none, ARM leaves the key out or sends an empty object, and never null (recorded
    exchanges, fact 11): null could be tags that were lost.
    """
    tags = row.get("tags", {}) if isinstance(row, dict) else None
    if not isinstance(tags, dict):
        return "its tags are no object"
    if not all(isinstance(value, str | None) for value in tags.values()):
        return "the value of a tag is no text"
    return ""


def _resource_problem(row: object, type_name: str) -> str:
    return _first(
        _lacks_text(row, "id"),
        _is(row, "type", type_name, f"its type is not {type_name}"),
        _lacks(row, "properties", dict, "it has no properties"),
    )


def _first(*problems: str) -> str:
    """Return the first problem that there is; empty: none."""
    return next(filter(None, problems), "")


def _lacks(body: object, name: str, kind: type | UnionType, problem: str) -> str:
    """Say that a field is not of a kind, or that there is no object to have it; empty: it is."""
    if not isinstance(body, dict):
        return "it is no object"
    return "" if isinstance(body.get(name), kind) else problem


def _lacks_text(body: object, name: str) -> str:
    text = body.get(name) if isinstance(body, dict) else None
    return "" if is_text(text) else f"it has no {name}"


def _is(body: object, name: str, expected: str, problem: str = "") -> str:
    """Say that a field is not what is expected, in whatever letter case; empty: it is."""
    found = str(body.get(name)) if isinstance(body, dict) else ""
    return "" if found.lower() == expected else problem or f"its {name} is {found}"


def is_text(value: object) -> bool:
    """Whether a value is a text that is not empty."""
    return isinstance(value, str) and value != ""


def columns_problem(row: object, columns: Sequence[str]) -> str:
    """Say which column a row of Resource Graph's lacks; empty: none."""
    if not isinstance(row, Mapping):
        return "a row that is no object"
    missing = [column for column in columns if column not in row]
    return f"a row that lacks {', '.join(missing)}" if missing else ""
