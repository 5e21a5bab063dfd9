"""Border: what a person reads of Azure without an SDK: one answer, or all pages of a list."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
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

type Permit = Callable[[], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads of one endpoint, by one pipeline.

    With a permit each request waits for one, and while its lane is closed it keeps no place from
    others; without one the pipeline waits by itself. `action` and `resource` say in an error what
    was read of what. Everything here raises AzureError.
    """

    pipeline: Pipeline
    endpoint: str
    permit: Permit | None = None

    async def pages(
        self,
        action: str,
        resource: str,
        path: str,
        parameters: Mapping[str, str],
        row_problem: Check,
    ) -> Sequence[Any]:
        """Return the rows of all pages of a list; one row that is odd is an error too."""
        links, rows = Links(action, resource), list[Any]()
        link: str | None = self.address(path, parameters)
        while link is not None:
            links.follow(link)
            if unquote(urlsplit(link).path).lower() != unquote(path).lower():
                raise Unclear(action, resource, message="A link of the list leads to another one.")
            body = await self.sent(action, resource, HttpRequest("GET", link), a_page)
            for problem in filter(None, map(row_problem, body["value"])):
                raise Unclear(action, resource, message=f"The answer is odd: {problem}.")
            rows += body["value"]
            link = next(filter(None, (body.get(name) for name in LINK_NAMES)), None)
        return rows

    def address(self, path: str, parameters: Mapping[str, str]) -> str:
        """Return where something is read."""
        return f"{self.endpoint}{path}?{urlencode(parameters, quote_via=quote, safe="$',:*")}"

    async def sent(self, action: str, resource: str, request: HttpRequest, check: Check) -> Any:
        """Return the JSON of an answer that is what was asked for."""
        while True:
            try:
                async with (self.permit or nullcontext)():
                    return await self._sent(action, resource, request, check)
            except OutOfTime:
                raise
            except Throttled:
                if self.permit is None:
                    raise

    async def _sent(self, action: str, resource: str, request: HttpRequest, check: Check) -> Any:
        try:
            response = await self.pipeline.run(request, expects=check)
            if response.http_response.status_code >= _BAD_REQUEST:
                raise HttpResponseError(response=response.http_response)
        except SDK_ERRORS as error:
            raise azure_error(action, resource, error) from error
        return decoded(response)
