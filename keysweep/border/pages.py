"""Border: lists of Azure Resource Manager's that a person reads, page by page."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from shared.border.answers import LINK_NAMES, Check, a_page, decoded
from shared.border.refusals import SDK_ERRORS, azure_error
from shared.border.transport import Pipeline
from shared.core.addresses import Links
from shared.core.errors import OutOfTime, Throttled, Unclear

_BAD_REQUEST = 400


async def pages(
    pipeline: Pipeline,
    endpoint: str,
    action: str,
    resource: str,
    path: str,
    parameters: Mapping[str, str],
    row_problem: Check,
    permit: Any = nullcontext,
) -> Sequence[Any]:
    """Return the rows of all pages of a list. Raises AzureError, for one row that is odd too."""
    links, rows = Links(action, resource), list[Any]()
    link: str | None = f"{endpoint}{path}?{query_of(parameters)}"
    while link is not None:
        links.follow(link)
        if unquote(urlsplit(link).path).lower() != unquote(path).lower():
            raise Unclear(action, resource, message="A link of the list leads to another one.")
        body = await _permitted(permit, pipeline, HttpRequest("GET", link), action, resource)
        for problem in filter(None, map(row_problem, body["value"])):
            raise Unclear(action, resource, message=f"The answer is odd: {problem}.")
        rows += body["value"]
        link = next(filter(None, (body.get(name) for name in LINK_NAMES)), None)
    return rows


async def _permitted(
    permit: Any, pipeline: Pipeline, request: HttpRequest, action: str, resource: str
) -> Any:
    """Send a request under a permit; while its lane is closed it keeps no place from others."""
    while True:
        try:
            held: AbstractAsyncContextManager[None] = permit()
            async with held:
                return await sent(pipeline, request, action, resource, a_page)
        except OutOfTime:
            raise
        except Throttled:
            if permit is nullcontext:
                raise
            continue


async def sent(
    pipeline: Pipeline, request: HttpRequest, action: str, resource: str, check: Check
) -> Any:
    """Return the JSON of an answer that is what was asked for. Raises AzureError."""
    try:
        response = await pipeline.run(request, expects=check)
        if response.http_response.status_code >= _BAD_REQUEST:
            raise HttpResponseError(response=response.http_response)
    except SDK_ERRORS as error:
        raise azure_error(action, resource, error) from error
    return decoded(response)


def query_of(parameters: Mapping[str, str]) -> str:
    """Return the query part of an address."""
    return urlencode(parameters, quote_via=quote, safe="$',:*")
