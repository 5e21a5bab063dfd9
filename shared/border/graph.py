"""Border: Azure Resource Graph: the queries and their paging. Its quota is the pace's business.

Resource Graph knows a part of KQL only (no `let`), omits in silence what the caller can't read,
gives a summarized answer no second page, and is up to a minute or so behind ARM
(docs/facts.md, 7). So nothing that it says is taken as proof that something isn't there. A row that
stands in an answer twice takes the place of one that is not in it: rows are counted by what they
are about.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Any

from azure.mgmt.resourcegraph.aio import ResourceGraphClient
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from shared.border.answers import a_graph_page, columns_problem, decoded, is_count, is_text
from shared.border.refusals import SDK_ERRORS, azure_error
from shared.border.tokens import NoCredential
from shared.border.transport import Pipeline
from shared.core.addresses import Links
from shared.core.errors import AzureError, Unclear
from shared.core.exemption import resembling_pattern
from shared.core.model import (
    Account,
    AccountId,
    Answer,
    Census,
    GroupsAbove,
    KeyChange,
    Turned,
    in_utc,
)

PAGE = 1000
"""Rows in an answer: Resource Graph's most."""
SUBSCRIPTIONS_AT_A_TIME = 400
"""A summarized answer has no second page, and Resource Graph takes at most 1,000 subscriptions."""

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
_EVERY = (
    _ACCOUNTS
    + """\
| project id, name, ['kind'], location, flag,
    subdomain = tostring(properties.customSubDomainName),
    provisioningState = tostring(properties.provisioningState)
| order by id asc"""
)
_CHANGE_COLUMNS = (
    "id", "at", "changeType", "changedBy", "account", "before", "after", "changedByType",
    "clientType", "operation",
)  # fmt: skip
_LIST_COLUMNS = (
    "id", "name", "kind", "location", "tags", "flag", "subdomain", "provisioningState",
)  # fmt: skip
_EVERY_COLUMNS = tuple(column for column in _LIST_COLUMNS if column != "tags")
_GROUPS = """\
resourcecontainers
| where type =~ 'microsoft.resources/subscriptions/resourcegroups'
| where tostring(tags) matches regex {tags}
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
class Query:
    """A query, the columns that each of its rows has, and the one that tells its rows apart."""

    text: str
    columns: tuple[str, ...]
    key: str = "id"


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of an answer: its rows, by what tells them apart, and how many all pages have."""

    rows: Mapping[str, dict[str, Any]]
    total: int


_SUBSCRIPTIONS = Query(
    """\
resourcecontainers
| where type =~ 'microsoft.resources/subscriptions'
| project id, subscriptionId, chain = properties.managementGroupAncestorsChain
| order by id asc""",
    ("id", "subscriptionId", "chain"),
    "subscriptionId",
)


class Graph:
    """Resource Graph, asked about some subscriptions at a time."""

    def __init__(self, endpoint: str, scope: str, pipeline: Pipeline) -> None:
        self._client = ResourceGraphClient(
            credential=NoCredential(),
            base_url=endpoint,
            credential_scopes=[scope],
            pipeline=pipeline,
        )

    async def everywhere(self) -> frozenset[str]:
        """Say which subscriptions Resource Graph shows at all, those of other tenants included.

        Raises AzureError.
        """
        rows = await self._rows(_SUBSCRIPTIONS, None)
        return frozenset(row["subscriptionId"].lower() for row in rows)

    async def visible(self, subscriptions: Sequence[str]) -> Answer[tuple[str, GroupsAbove]]:
        """Say which of the subscriptions Resource Graph shows, empty ones too.

        Each row is the subscription and the management groups above it; None: it does not say.
        """
        return await self._asked(_SUBSCRIPTIONS, subscriptions, _shown)

    async def census(
        self, subscriptions: Sequence[str], kinds: Sequence[str]
    ) -> Answer[tuple[str, Census]]:
        """Count the accounts by subscription; one without any is not in the answer."""
        query = Query(
            _CENSUS.format(kinds=_literals(kinds)),
            ("subscriptionId", "keysOn", "keysOff"),
            "subscriptionId",
        )
        return await self._asked(query, subscriptions, _counted)

    async def listing(
        self, subscriptions: Sequence[str], kinds: Sequence[str], tag: str
    ) -> Answer[Account]:
        """List the accounts with keys on, and those with keys off whose tags mention `tag`."""
        query = Query(_LIST.format(kinds=_literals(kinds), tag=_literals([tag])), _LIST_COLUMNS)
        return await self._asked(query, subscriptions, _account)

    async def every(
        self, subscriptions: Sequence[str], kinds: Sequence[str]
    ) -> AsyncIterator[Sequence[Account] | str]:
        """List all accounts without their tags, a page at a time: none of them is kept here.

        A text says what of them could not be read, and why.
        """
        query = Query(_EVERY.format(kinds=_literals(kinds)), _EVERY_COLUMNS)
        for batch in batched(subscriptions, SUBSCRIPTIONS_AT_A_TIME, strict=False):
            count = total = 0
            try:
                async for page in self._pages(query, batch):
                    accounts = [_account(row, batch) for row in page.rows.values()]
                    count, total = count + len(accounts), page.total
                    yield accounts
                if count != total:
                    raise _incomplete(f"{count} of {total} rows")
            except AzureError as error:
                yield f"{len(batch)} subscriptions, unread after {count} of their accounts: {error}"

    async def named(self, subscriptions: Sequence[str], name: str) -> Answer[AccountId]:
        """Return the ids of the accounts of this name, of every kind."""
        query = Query(_NAMED.format(name=_literals([name])), ("id",))
        return await self._asked(query, subscriptions, _account_id)

    async def groups(
        self, subscriptions: Sequence[str], tags: Sequence[str]
    ) -> Answer[tuple[tuple[str, str], Mapping[str, str]]]:
        """List the resource groups whose tags mention one of `tags`, or nearly.

        Each row is the subscription and the name, in lower case, and all tags of the group.
        """
        query = Query(
            _GROUPS.format(tags=_literals([resembling_pattern(tags)])),
            ("id", "subscriptionId", "name", "tags"),
        )
        return await self._asked(query, subscriptions, _group)

    async def key_changes(
        self, subscriptions: Sequence[str], own_ids: Sequence[str]
    ) -> Answer[KeyChange | str]:
        """List what turned keys on or off in the last 14 days.

        `own_ids` are those of an identity that writes nothing but the flag: what it updated counts
        where the flag isn't listed, too. A row that can't be read is a text that says why.
        """
        query = Query(_CHANGES.format(own=_literals(own_ids or ["-"])), ("id",))
        answer = await self._asked(
            query, subscriptions, lambda row, asked: _key_change(row, asked, own_ids)
        )
        changes = (change for change in answer.rows if change is not None)
        return Answer(tuple(changes), answer.unread)

    async def _asked[Row](
        self,
        query: Query,
        subscriptions: Sequence[str],
        read: Callable[[Mapping[str, Any], Collection[str]], Row],
    ) -> Answer[Row]:
        """Ask about any number of subscriptions, and read each row, which is about one of them.

        A batch is believed whole or not at all: one row that can't be read, and it is unread.
        """
        found: list[Row] = []
        unread: dict[str, str] = {}
        for batch in batched(subscriptions, SUBSCRIPTIONS_AT_A_TIME, strict=False):
            try:
                found += [read(row, batch) for row in await self._rows(query, batch)]
            except AzureError as error:
                unread |= dict.fromkeys(batch, str(error))
        return Answer(tuple(found), unread)

    async def _rows(
        self, query: Query, subscriptions: Sequence[str] | None
    ) -> list[dict[str, Any]]:
        """Return the rows of a query, whole and each once; None asks about the whole tenant.

        Raises AzureError.
        """
        rows: dict[str, dict[str, Any]] = {}
        total: int | None = None
        async for page in self._pages(query, subscriptions):
            rows |= page.rows
            total = page.total if total is None else total
        if total != len(rows):
            raise _incomplete(f"{len(rows)} of {total} rows")
        asked = None if subscriptions is None else {name.lower() for name in subscriptions}
        named = {str(row.get("subscriptionId") or "").lower() for row in rows.values()} - {""}
        if asked is not None and not named <= asked:
            raise _incomplete("a row of a subscription that nobody asked about")
        return list(rows.values())

    async def _pages(
        self, query: Query, subscriptions: Sequence[str] | None
    ) -> AsyncIterator[_Page]:
        """Read the pages of an answer. Raises AzureError."""
        links = Links("Querying", "Resource Graph")
        token: str | None = ""
        while token is not None:
            page = await self._page(query.text, subscriptions, links.follow(token) or None)
            rows: dict[str, dict[str, Any]] = {}
            for row in page["data"]:
                problem = columns_problem(row, query.columns)
                if problem or not is_text(row[query.key]):
                    raise _incomplete(problem or f"a row without its {query.key}")
                rows[row[query.key].lower()] = row
            if page["resultTruncated"] == "true":
                raise _incomplete("a truncated answer")
            yield _Page(rows, page["totalRecords"])
            token = page.get("$skipToken") or None

    async def _page(
        self, query: str, subscriptions: Sequence[str] | None, token: str | None
    ) -> dict[str, Any]:
        request = QueryRequest(
            query=query,
            subscriptions=None if subscriptions is None else list(subscriptions),
            options=QueryRequestOptions(top=PAGE, skip_token=token, result_format="objectArray"),
        )
        try:
            page: Any = await self._client.resources(request, expects=a_graph_page, cls=decoded)
        except SDK_ERRORS as error:
            raise azure_error("Querying", "Resource Graph", error) from error
        return dict(page)


def _incomplete(what: str) -> AzureError:
    return Unclear("Querying", "Resource Graph", message=f"It gave {what}.")


def _literals(texts: Sequence[str]) -> str:
    """Write texts as KQL string literals."""
    escaped = (text.replace("\\", "\\\\").replace("'", "\\'") for text in texts)
    return ", ".join(f"'{text}'" for text in escaped)


def _counted(row: Mapping[str, Any], _: Collection[str]) -> tuple[str, Census]:
    counts = (row["keysOn"], row["keysOff"])
    if not all(is_count(count) for count in counts):
        raise _incomplete("a row without its counts")
    return row["subscriptionId"].lower(), Census(*counts)


def _shown(row: Mapping[str, Any], _: Collection[str]) -> tuple[str, GroupsAbove]:
    return row["subscriptionId"].lower(), _groups_above(row["chain"])


def _groups_above(chain: object) -> GroupsAbove:
    """Read the groups above a subscription. People sort by them, and they decide nothing.

    So a chain that can't be read spoils no answer. The nearest group comes first: no page of
    Microsoft's says so, and what the public makes of the chain relies on it.
    """
    groups = chain if isinstance(chain, list) else [None]
    names = [group.get("name") if isinstance(group, dict) else None for group in groups]
    readable = [name for name in names if isinstance(name, str) and is_text(name)]
    return tuple(readable) if len(readable) == len(names) else None


def _group(row: Mapping[str, Any], _: Collection[str]) -> tuple[tuple[str, str], Mapping[str, str]]:
    tags = _tags(row["tags"])
    if tags is None or not all(is_text(row[name]) for name in ("subscriptionId", "name")):
        raise _incomplete("a resource group whose tags or name can't be read")
    return (row["subscriptionId"].lower(), row["name"].lower()), tags


def _account_id(row: Mapping[str, Any], subscriptions: Collection[str]) -> AccountId:
    """Read what a row is about: an account of these subscriptions. Raises AzureError."""
    try:
        account_id = AccountId.parse(row["id"])
    except ValueError as error:
        raise _incomplete(f"a row that is no account: {error}") from error
    if account_id.subscription_id not in subscriptions:
        raise _incomplete("an account of a subscription that nobody asked about")
    return account_id


def _account(row: Mapping[str, Any], subscriptions: Collection[str]) -> Account:
    """Read a row of the list. Raises AzureError if it is odd."""
    texts = ("kind", "location", "flag", "subdomain", "provisioningState")
    tags = _tags(row.get("tags"))
    if tags is None or not all(isinstance(row[name], str | None) for name in texts):
        raise _incomplete(f"{row['id']} with a value of the wrong kind")
    if not is_text(row["kind"]):
        raise _incomplete(f"{row['id']} without its kind")
    return Account(
        id=_account_id(row, subscriptions),
        kind=row["kind"],
        location=row["location"] or "",
        keys_on=row["flag"] != "true",
        tags=tags,
        custom_subdomain=row["subdomain"] or None,
        provisioning_state=row["provisioningState"] or "",
    )


def _tags(tags: object) -> dict[str, str] | None:
    """Read tags, null where there are none (recorded exchanges, fact 42); None: they are odd."""
    if tags is None:
        return {}
    if not isinstance(tags, dict) or not all(
        isinstance(value, str | None) for value in tags.values()
    ):
        return None
    return {name: value or "" for name, value in tags.items()}


def _key_change(
    row: Mapping[str, Any], subscriptions: Collection[str], own_ids: Sequence[str]
) -> KeyChange | str | None:
    """Read one row; None if it is about something else, a text if it lacks what we need."""
    problem = columns_problem(row, _CHANGE_COLUMNS)
    if problem or not all(isinstance(row[name], str | None) for name in _CHANGE_COLUMNS):
        return f"a change record lacks what we need: {problem or 'a value is no text'}"
    by = row["changedBy"] or ""
    ours = by.lower() in {own.lower() for own in own_ids}
    turned = _turned(row, ours=ours)
    if turned is None:
        return None
    try:
        account = AccountId.parse(row["account"] or "")
        if account.subscription_id not in subscriptions:
            return "a change record is of a subscription that nobody asked about"
        return KeyChange(
            id=row["id"],
            at=in_utc(datetime.fromisoformat(row["at"] or "")),
            account=account,
            turned=turned,
            by=by,
            by_type=row["changedByType"] or "",
            client=row["clientType"] or "",
            operation=row["operation"] or "",
            ours=ours,
        )
    except ValueError as error:
        return f"a change record lacks what we need: {error}"


def _turned(row: Mapping[str, Any], *, ours: bool) -> Turned | None:
    """Say how a change turned the keys; None: it did not, as far as it says.

    A flag that appears for the first time is listed with `previousValue` null or the text "null",
    or it is not listed at all (nobody showed which; recorded exchanges, fact 45): then the change
    says nothing of it. It is told all the same where the change can have been nothing else: an
    update by the Function's own identity, an application that has no other write. Of a person's
    edits, and of those of an application that does more, that is never taken.
    """
    change_type = (row["changeType"] or "").lower()
    if change_type == "create":
        return Turned.CREATED
    if row["before"] or row["after"]:
        # Only `true` is off: false, null and absent all let keys in.
        was_off, is_off = row["before"] == "true", row["after"] == "true"
        if was_off == is_off:
            return None
        return Turned.OFF if is_off else Turned.ON
    is_a_person = (row["changedByType"] or "").lower() == "user"
    return Turned.OFF if ours and change_type == "update" and not is_a_person else None
