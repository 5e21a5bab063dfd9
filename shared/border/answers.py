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
        body = _decoded(content, required=check is not None and _is_success(status))
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


def an_object(body: object) -> str:
    """Expect a JSON object."""
    return "" if isinstance(body, dict) else "it is no object"


def a_page(body: object) -> str:
    """Expect a page of a list of ARM's: an array, and perhaps a link to the next page."""
    if not isinstance(body, dict):
        return "it is no object"
    if not isinstance(body.get("value"), list):
        return "it has no array `value`"
    for name in LINK_NAMES:
        if not isinstance(body.get(name), str | None):
            return f"its `{name}` is no text"
    return ""


def a_graph_page(body: object) -> str:
    """Expect a page of Resource Graph's, in the format objectArray."""
    if not isinstance(body, dict):
        return "it is no object"
    if not isinstance(body.get("data"), list):
        return "it has no rows"
    if not is_count(body.get("totalRecords")):
        return "it does not say how many rows there are"
    if body.get("resultTruncated") not in ("true", "false"):
        return "it does not say whether it is truncated"
    if not isinstance(body.get("$skipToken"), str | None):
        return "its `$skipToken` is no text"
    return ""


def is_count(value: object) -> bool:
    """Whether a value is a number of things: to Python, true is a number as well."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def the_account(account_id: AccountId) -> Check:
    """Expect this one account."""

    def check(body: object) -> str:
        return account_problem(body) or _other_id(body, account_id.key)

    return check


def the_resource_group(account_id: AccountId) -> Check:
    """Expect the resource group of an account."""
    subscription_id, name = account_id.subscription_id, account_id.resource_group.lower()
    expected = f"/subscriptions/{subscription_id}/resourcegroups/{name}"

    def check(body: object) -> str:
        return (
            _resource_problem(body, RESOURCE_GROUPS)
            or group_problem(body, subscription_id)
            or _other_id(body, expected)
        )

    return check


def the_subscription(subscription_id: str) -> Check:
    """Expect this one subscription."""

    def check(body: object) -> str:
        problem = subscription_problem(body) or _other_id(body, f"/subscriptions/{subscription_id}")
        if problem or not isinstance(body, dict):
            return problem
        found = body["subscriptionId"]
        return "" if found.lower() == subscription_id else f"its subscriptionId is {found}"

    return check


def account_problem(row: object) -> str:
    """Say what is wrong with an account, alone or as a row of a list; empty: nothing."""
    problem = _resource_problem(row, ACCOUNTS) or tags_problem(row)
    if problem or not isinstance(row, dict):
        return problem
    if not is_text(row.get("kind")):
        return "it has no kind"
    properties = row["properties"]
    if not properties:
        return "it has no properties"
    if not isinstance(properties.get("disableLocalAuth"), bool | None):
        return "its disableLocalAuth is neither true nor false"
    for name in ("customSubDomainName", "provisioningState"):
        if not isinstance(properties.get(name), str | None):
            return f"its {name} is no text"
    return ""


def group_problem(row: object, subscription_id: str) -> str:
    """Say what is wrong with a resource group of a subscription; empty: nothing."""
    if not isinstance(row, dict):
        return "it is no object"
    if not is_text(row.get("name")):
        return "it has no name"
    expected = f"/subscriptions/{subscription_id}/resourcegroups/{row['name'].lower()}"
    return tags_problem(row) or _other_id(row, expected)


def subscription_problem(row: object) -> str:
    """Say what is wrong with a subscription; empty: nothing."""
    if not isinstance(row, dict):
        return "it is no object"
    for name in ("subscriptionId", "state", "tenantId"):
        if not is_text(row.get(name)):
            return f"it has no {name}"
    return tags_problem(row)


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
    if not isinstance(row, dict):
        return "it is no object"
    if not is_text(row.get("id")):
        return "it has no id"
    if str(row.get("type")).lower() != type_name:
        return f"its type is not {type_name}"
    if not isinstance(row.get("properties"), dict):
        return "it has no properties"
    return ""


def _other_id(body: object, key: str) -> str:
    found = str(body.get("id")) if isinstance(body, dict) else ""
    return "" if found.lower() == key else f"it is {found}"


def is_text(value: object) -> bool:
    """Whether a value is a text that is not empty."""
    return isinstance(value, str) and value != ""


def columns_problem(row: object, columns: Sequence[str]) -> str:
    """Say which column a row of Resource Graph's lacks; empty: none."""
    if not isinstance(row, Mapping):
        return "a row that is no object"
    missing = [column for column in columns if column not in row]
    return f"a row that lacks {', '.join(missing)}" if missing else ""
