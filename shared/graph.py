"""Border: Azure Resource Graph: the queries and their paging. Its quota is the pace's business.

Resource Graph knows a part of KQL only (no `let`), omits in silence what the caller can't read,
gives a summarized answer no second page, and is up to a minute or so behind ARM
(docs/facts.md, 7). So nothing that it says is taken as proof that something isn't there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azure.mgmt.resourcegraph.aio import ResourceGraphClient
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions, QueryResponse

from shared.arm import ODD, azure_error
from shared.errors import AzureError, Unclear
from shared.model import Account, AccountId, Census, KeyChange, Turned, in_utc
from shared.transport import NoCredential, Pipeline

PAGE = 1000
"""Rows in an answer: Resource Graph's most."""

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
_GROUPS = """\
resourcecontainers
| where type =~ 'microsoft.resources/subscriptions/resourcegroups'
| where tostring(tags) matches regex {tag}
| project id, subscriptionId, name, tags
| order by id asc"""
_NAMED = """\
resources
| where type =~ 'microsoft.cognitiveservices/accounts' and name =~ {name}
| project id
| order by id asc"""
_CHANGES = """\
resourcechanges
| where properties.targetResourceType =~ 'microsoft.cognitiveservices/accounts'
| extend at = todatetime(properties.changeAttributes.timestamp),
    flag = properties.changes['properties.disableLocalAuth'],
    changedBy = tostring(properties.changeAttributes.changedBy),
    changeType = tostring(properties.changeType)
| where at > ago(14d)
| where isnotempty(tostring(flag)) or changeType =~ 'Create' or changedBy in~ ({own})
| project id, at, changeType, changedBy,
    account = tostring(properties.targetResourceId),
    before = tolower(tostring(flag.previousValue)),
    after = tolower(tostring(flag.newValue)),
    changedByType = tostring(properties.changeAttributes.changedByType),
    clientType = tostring(properties.changeAttributes.clientType),
    operation = tostring(properties.changeAttributes.operation)
| order by id asc"""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the list query showed."""

    accounts: tuple[Account, ...]
    unreadable: tuple[str, ...]
    """Rows that lack what we need, and what they lack."""


class Graph:
    """Resource Graph, asked about some subscriptions at a time."""

    def __init__(self, endpoint: str, scope: str, pipeline: Pipeline) -> None:
        self._client = ResourceGraphClient(
            credential=NoCredential(),
            base_url=endpoint,
            credential_scopes=[scope],
            pipeline=pipeline,
        )

    async def visible(self, subscriptions: Sequence[str]) -> frozenset[str]:
        """Say which of the subscriptions Resource Graph shows, empty ones too.

        Raises AzureError.
        """
        rows = await self._rows(_SUBSCRIPTIONS, subscriptions)
        try:
            return frozenset(str(row["subscriptionId"]).lower() for row in rows)
        except (LookupError, TypeError) as error:
            raise _incomplete("a row without a subscription") from error

    async def census(
        self, subscriptions: Sequence[str], kinds: Sequence[str]
    ) -> Mapping[str, Census]:
        """Count the accounts by subscription; one without any is not in the answer.

        Raises AzureError. At most 1,000 subscriptions: a summarized answer has no second page.
        """
        rows = await self._rows(_CENSUS.format(kinds=_literals(kinds)), subscriptions)
        try:
            return {
                str(row["subscriptionId"]).lower(): Census(int(row["keysOn"]), int(row["keysOff"]))
                for row in rows
            }
        except (LookupError, TypeError, ValueError) as error:
            raise _incomplete("a row without its counts") from error

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

    async def named(self, subscriptions: Sequence[str], name: str) -> Sequence[AccountId]:
        """Return the ids of the accounts of this name, of every kind.

        Raises AzureError.
        """
        rows = await self._rows(_NAMED.format(name=_literals([name])), subscriptions)
        return [AccountId.parse(str(row["id"])) for row in rows]

    async def groups(
        self, subscriptions: Sequence[str], tag: str
    ) -> Mapping[tuple[str, str], Mapping[str, str]]:
        """List the tags of resource groups that mention `tag`, or nearly, by subscription and name.

        Raises AzureError.
        """
        letters = (re.escape(letter) for letter in tag if letter not in "-_. ")
        query = _GROUPS.format(tag=_literals(["(?i)" + "[-_. ]*".join(letters)]))
        rows = await self._rows(query, subscriptions)
        return {
            (str(row["subscriptionId"]).lower(), str(row["name"]).lower()): _tags(row["tags"])
            for row in rows
        }

    async def key_changes(
        self, subscriptions: Sequence[str], own_ids: Sequence[str]
    ) -> Sequence[KeyChange | str]:
        """List what changed keys in the last 14 days, and all that our identity changed.

        A row that can't be read is a text that says why. Raises AzureError.
        """
        query = _CHANGES.format(own=_literals(own_ids or ["-"]))
        rows = await self._rows(query, subscriptions)
        changes = (_key_change(row, own_ids) for row in rows)
        return [change for change in changes if change is not None]

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
        try:
            answer: object = await self._client.resources(request)
        except ODD as error:
            raise azure_error("Querying", "Resource Graph", error) from error
        if not isinstance(answer, QueryResponse):
            raise _incomplete("an empty answer")
        return answer


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
        tags=_tags(row["tags"]),
        custom_subdomain=row["subdomain"] or None,
        provisioning_state=row["provisioningState"] or "",
    )


def _tags(tags: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(value or "") for name, value in (tags or {}).items()}


def _key_change(row: Mapping[str, Any], own_ids: Sequence[str]) -> KeyChange | str | None:
    """Read one row; None if it is about something else, a text if it lacks what we need."""
    try:
        by = row["changedBy"] or ""
        ours = by.lower() in {own.lower() for own in own_ids}
        turned = _turned(row, ours=ours)
        if turned is None:
            return None
        return KeyChange(
            id=row["id"],
            at=in_utc(datetime.fromisoformat(row["at"])),
            account=AccountId.parse(row["account"]),
            turned=turned,
            by=by,
            by_type=row["changedByType"] or "",
            client=row["clientType"] or "",
            operation=row["operation"] or "",
            ours=ours,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"a change record lacks what we need: {error}"


def _turned(row: Mapping[str, Any], *, ours: bool) -> Turned | None:
    if row["changeType"].lower() == "create":
        return Turned.CREATED
    if row["before"] == row["after"]:
        # Nothing of the flag is listed: by us, it is the flag that appeared for the first time.
        return Turned.OFF if ours and row["changeType"].lower() == "update" else None
    return Turned.OFF if row["after"] == "true" else Turned.ON
