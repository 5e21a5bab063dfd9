"""Border: the data plane of an account, asked one small question with one credential at a time.

It has a pipeline of its own, so that no token for Azure Resource Manager ever gets there.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline.policies import RequestIdPolicy, UserAgentPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from keysweep.checks import Reply
from shared import __version__
from shared.border.refusals import SDK_ERRORS, azure_error
from shared.border.transport import Observation
from shared.core.deadline import within
from shared.core.errors import Unclear
from shared.workspace import Parts

_VERSION = "2024-10-21"
_SECONDS = 30.0
# Of the two clouds that offer Azure OpenAI (docs/facts.md, 8).
_GOVERNMENT = "usgovcloudapi.net"


class Gateway:
    """One account's data plane."""

    def __init__(self, parts: Parts, endpoint: str, deployment: str | None) -> None:
        self._parts = parts
        self._endpoint = endpoint.rstrip("/")
        self._deployment = deployment
        policies: list[Any] = [
            RequestIdPolicy(),
            UserAgentPolicy(base_user_agent=f"keysweep/{__version__}"),
            Observation(parts.observer),
        ]
        self._pipeline: AsyncPipeline[HttpRequest, AsyncHttpResponse] = AsyncPipeline(
            parts.transport, policies
        )

    async def with_key(self, key: str) -> Reply:
        """Ask with a key. Raises Unclear if there is no answer."""
        return await self._ask({"api-key": key})

    async def with_token(self) -> Reply:
        """Ask with an Entra ID token of the person's. Raises AzureError."""
        zone = "us" if _GOVERNMENT in self._parts.settings.cloud.endpoint else "com"
        scope = f"https://cognitiveservices.azure.{zone}/.default"
        try:
            token = await self._parts.tokens.token(scope)
        except SDK_ERRORS as error:
            raise azure_error("Getting a token for", scope, error) from error
        return await self._ask({"Authorization": f"Bearer {token}"})

    async def _ask(self, credential: Mapping[str, str]) -> Reply:
        if not self._endpoint.lower().startswith("https://"):
            message = "A credential is sent over https only."
            raise Unclear("Asking", self._endpoint, message=message)
        try:
            response = await within(self._parts.clock, _SECONDS, self._send(credential))
        except TimeoutError as error:
            message = f"No answer within {_SECONDS:.0f} s."
            raise Unclear("Asking", self._endpoint, message=message) from error
        except SDK_ERRORS as error:
            raise azure_error("Asking", self._endpoint, error) from error
        return response

    async def _send(self, credential: Mapping[str, str]) -> Reply:
        request = self._request()
        request.headers.update(credential)
        response = (await self._pipeline.run(request)).http_response
        return _answer(response.status_code, await response.read())

    def _request(self) -> HttpRequest:
        """Ask for the list of models, which costs nothing; of a deployment, for one token."""
        base = f"{self._endpoint}/openai"
        if self._deployment is None:
            return HttpRequest("GET", f"{base}/models?api-version={_VERSION}")
        name = quote(self._deployment, safe="")
        return HttpRequest(
            "POST",
            f"{base}/deployments/{name}/chat/completions?api-version={_VERSION}",
            json={"messages": [{"role": "user", "content": "ping"}], "max_tokens": 1},
        )


def _answer(status: int, body: bytes) -> Reply:
    """Read both shapes of error: `error.code` and `error.message`, or both on top."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = {}
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, dict):
        return Reply(status, str(error.get("code", "")), str(error.get("message", "")))
    if isinstance(document, dict) and "message" in document:
        return Reply(status, str(document.get("statusCode", "")), str(document["message"]))
    return Reply(status, "", "")
