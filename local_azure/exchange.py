"""A request on its way through a handler, and the answer that comes out."""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from local_azure.log import SeenRequest
from local_azure.state.access import Principal

if TYPE_CHECKING:
    from local_azure.services import Services


class Origin(enum.Enum):
    """Who answers; that decides the headers (facts 25 to 27, 37, 38, 41)."""

    GATEWAY_FAILURE = "ARM refuses"
    ARM = "ARM itself"
    PROVIDER = "Cognitive Services"
    REGIONS = "Cognitive Services of several regions, put together by ARM"
    MANAGEMENT_GROUPS = "the management groups' own front end"
    GRAPH = "Resource Graph"
    MONITOR = "Azure Monitor's metrics and activity log"
    DIAGNOSTICS = "Azure Monitor's diagnostic settings"
    CONNECTIONS = "Azure ML, for connections"
    PLAIN = "not ARM"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body (JSON, or text or bytes sent as they are) and what else the headers need."""

    status: int
    body: Any = None
    origin: Origin = Origin.ARM
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    reason: str | None = None
    stalls: bool = False
    """Whether half of the body is sent, and then nothing more."""
    url: str = ""
    """The address that was asked, filled in for those who bend the answer."""

    def with_header(self, name: str, value: str) -> "Answer":
        """Return the answer with this header, in the place of one of that name in any case."""
        kept = self.without_header(name).headers
        return replace(self, headers={**kept, name: value})

    def without_header(self, name: str) -> "Answer":
        """Return the answer without the header of that name in any case."""
        kept = {n: v for n, v in self.headers.items() if n.lower() != name.lower()}
        return replace(self, headers=kept)


class Refusal(Exception):
    """An error answer with ARM's body."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        origin: Origin = Origin.GATEWAY_FAILURE,
        target: str | None = None,
        additional_info: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        error: dict[str, Any] = {"code": code}
        if target is not None:
            error["target"] = target
        error["message"] = message
        if additional_info is not None:
            error["additionalInfo"] = additional_info
        self.answer = Answer(status, {"error": error}, origin, dict(headers or {}))


@dataclass
class Call:
    """What a handler gets."""

    request: SeenRequest
    services: "Services"
    params: Mapping[str, str]
    principal: Principal
    correlation_id: str

    @cached_property
    def query(self) -> dict[str, str]:
        """The query, its names in lower case (ARM doesn't mind the case)."""
        return {name.lower(): value for name, value in self.request.query.items()}

    @property
    def api_version(self) -> str:
        """The api-version, which the gateway has seen to."""
        return self.query["api-version"]

    @property
    def resource(self) -> str:
        """The path of what the request is about, in its letters: without a POST's verb."""
        path = self.request.path.rstrip("/")
        return path.rpartition("/")[0] if self.request.method == "POST" else path

    def json(self) -> dict[str, Any]:
        """Return the body, which has to be an object."""
        try:
            body = json.loads(self.request.body or b"null")
        except ValueError as e:
            raise invalid_content(f"{e}") from e
        if not isinstance(body, dict):
            raise invalid_content("Required property 'properties' not found in JSON")
        return body


def invalid_content(detail: str) -> Refusal:
    """ARM's answer to a body that it can't read. The detail is .NET's there, Python's here."""
    return Refusal(
        400,
        "InvalidRequestContent",
        f"The request content was invalid and could not be deserialized: '{detail}'.",
    )
