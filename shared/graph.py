"""Border: Azure Resource Graph. Three queries, paging, and the quota.

Resource Graph knows a part of KQL only (no `let`), omits in silence what the caller can't read,
gives a summarized answer no second page, and is up to a minute or so behind ARM
(resource-graph facts). So nothing that it says is taken as proof that something isn't there.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from azure.core.exceptions import AzureError as SdkError
from azure.core.exceptions import HttpResponseError
from azure.mgmt.resourcegraph.aio import ResourceGraphClient
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions, QueryResponse

from shared.arm import azure_error
from shared.errors import AzureError, Unclear
from shared.model import Account, AccountId, Census, Clock
from shared.transport import LONGEST_PAUSE, NoCredential, Pipeline

PAGE = 1000
"""Rows in an answer: Resource Graph's most."""
_ATTEMPTS = 5
_QUOTA_SECONDS = 5.0

_ACCOUNTS = """\
resources
| where type =~ 'microsoft.cognitiveservices/accounts' and ['kind'] in~ ({kinds})
| extend flag = tolower(tostring(properties.disableLocalAuth))
"""
_CENSUS = (
    _ACCOUNTS
    + """\
| summarize keysOn = countif(flag != 'true'), keysOff = countif(flag == 'true') by subscriptionId
| order by subscriptionId asc"""
)
_LIST = (
    _ACCOUNTS
    + """\
| where flag != 'true' or tostring(tags) contains {tag}
| project id, name, ['kind'], location, tags, flag,
    subdomain = tostring(properties.customSubDomainName),
    provisioningState = tostring(properties.provisioningState)
| order by id asc"""
)
_SUBSCRIPTIONS = """\
resourcecontainers
| where type =~ 'microsoft.resources/subscriptions'
| project id, subscriptionId
| order by id asc"""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the list query showed."""

    accounts: tuple[Account, ...]
    unreadable: tuple[str, ...]
    """Rows that lack what we need, and what they lack."""


class Graph:
    """Resource Graph, asked about some subscriptions at a time."""

    def __init__(self, endpoint: str, scope: str, pipeline: Pipeline, clock: Clock) -> None:
        self._client = ResourceGraphClient(
            credential=NoCredential(),
            base_url=endpoint,
            credential_scopes=[scope],
            pipeline=pipeline,
        )
        self._clock = clock

    async def visible(self, subscriptions: Sequence[str]) -> frozenset[str]:
        """Say which of the subscriptions Resource Graph shows, empty ones too.

        Raises AzureError.
        """
        rows = await self._rows(_SUBSCRIPTIONS, subscriptions)
        return frozenset(str(row["subscriptionId"]).lower() for row in rows)

    async def census(
        self, subscriptions: Sequence[str], kinds: Sequence[str]
    ) -> Mapping[str, Census]:
        """Count the accounts by subscription; one without any is not in the answer.

        Raises AzureError. At most 1,000 subscriptions: a summarized answer has no second page.
        """
        rows = await self._rows(_CENSUS.format(kinds=_literals(kinds)), subscriptions)
        return {
            str(row["subscriptionId"]).lower(): Census(int(row["keysOn"]), int(row["keysOff"]))
            for row in rows
        }

    async def listing(
        self, subscriptions: Sequence[str], kinds: Sequence[str], tag: str
    ) -> Listing:
        """List the accounts with keys on, and those with keys off whose tags mention `tag`.

        Raises AzureError.
        """
        query = _LIST.format(kinds=_literals(kinds), tag=_literals([tag]))
        accounts: list[Account] = []
        unreadable: list[str] = []
        for row in await self._rows(query, subscriptions):
            try:
                accounts.append(_account(row))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                unreadable.append(f"a row of Resource Graph's lacks what we need: {error}")
        return Listing(tuple(accounts), tuple(unreadable))

    async def _rows(self, query: str, subscriptions: Sequence[str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        total: int | None = None
        token: str | None = None
        while True:
            request = QueryRequest(
                query=query,
                subscriptions=list(subscriptions),
                options=QueryRequestOptions(
                    top=PAGE, skip_token=token, result_format="objectArray"
                ),
            )
            answer = await self._ask(request)
            data: object = answer.data
            if not isinstance(data, list):
                raise _incomplete("an answer without rows")
            rows.extend(data)
            total = answer.total_records if total is None else total
            token = answer.skip_token
            if str(getattr(answer.result_truncated, "value", answer.result_truncated)) == "true":
                raise _incomplete("a truncated answer")
            if not token:
                break
        if total != len(rows):
            raise _incomplete(f"{len(rows)} of {total} rows")
        return rows

    async def _ask(self, request: QueryRequest) -> QueryResponse:
        """Ask once, or again when the quota is used up or Resource Graph stumbles.

        azure-core retries none of it: a query is a POST (azure facts, SDK §2, run).
        """
        attempt = 1
        while True:
            try:
                answer, headers = await cast(
                    "Awaitable[tuple[QueryResponse, Mapping[str, str]]]",
                    self._client.resources(request, cls=_with_headers),
                )
            except HttpResponseError as error:
                transient = error.status_code == 429 or (error.status_code or 0) >= 500  # noqa: PLR2004
                if not transient or attempt == _ATTEMPTS:
                    raise azure_error("Querying", "Resource Graph", error) from error
                await self._pause(getattr(error.response, "headers", {}), attempt)
            except (SdkError, ValueError) as error:
                if attempt == _ATTEMPTS:
                    raise azure_error("Querying", "Resource Graph", error) from error
                await self._pause({}, attempt)
            else:
                if headers.get("x-ms-user-quota-remaining") == "0":
                    await self._pause(headers, 1)
                return answer
            attempt += 1

    async def _pause(self, headers: Mapping[str, str], attempt: int) -> None:
        """Wait as long as Resource Graph says: Retry-After, or until the quota resets."""
        after = headers.get("Retry-After", "")
        hours, minutes, seconds = _clock_parts(headers.get("x-ms-user-quota-resets-after", ""))
        wait = float(after) if after.isdigit() else hours * 3600 + minutes * 60 + seconds
        await self._clock.sleep(min(wait or _QUOTA_SECONDS * attempt, LONGEST_PAUSE))


def _with_headers(
    pipeline_response: Any, answer: QueryResponse, _: object
) -> tuple[QueryResponse, Mapping[str, str]]:
    return answer, pipeline_response.http_response.headers


def _clock_parts(text: str) -> tuple[int, int, int]:
    parts = text.split(":")
    if len(parts) == 3 and all(part.isdigit() for part in parts):  # noqa: PLR2004 - hh:mm:ss
        return int(parts[0]), int(parts[1]), int(parts[2])
    return 0, 0, 0


def _incomplete(what: str) -> AzureError:
    return Unclear("Querying", "Resource Graph", code="Incomplete", message=f"It gave {what}.")


def _literals(texts: Sequence[str]) -> str:
    """Write texts as KQL string literals."""
    escaped = (text.replace("\\", "\\\\").replace("'", "\\'") for text in texts)
    return ", ".join(f"'{text}'" for text in escaped)


def _account(row: Mapping[str, Any]) -> Account:
    return Account(
        id=AccountId.parse(row["id"]),
        kind=row["kind"],
        location=row["location"],
        keys_on=row["flag"] != "true",
        tags={name: str(value or "") for name, value in (row["tags"] or {}).items()},
        custom_subdomain=row["subdomain"] or None,
        provisioning_state=row["provisioningState"] or "",
    )
