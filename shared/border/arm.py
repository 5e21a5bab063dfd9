"""Border: what is read from Azure Resource Manager.

Lists are asked for page by page, and not by the SDKs: their pagers follow a link that leads back to
itself for ever, and one bad row costs them a whole page.
"""

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit, urlunsplit

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from shared.border.answers import (
    LINK_NAMES,
    Check,
    a_page,
    account_problem,
    anything,
    decoded,
    descendant_problem,
    group_problem,
    is_subscription,
    subscription_problem,
    the_account,
    the_resource_group,
    the_subscription,
)
from shared.border.pacing import Pace
from shared.border.refusals import SDK_ERRORS, azure_error
from shared.border.tokens import TokenCache
from shared.border.transport import Pipeline
from shared.core.addresses import Address, Links
from shared.core.deadline import within
from shared.core.errors import OutOfTime, Throttled, Unclear
from shared.core.model import Account, AccountId, Level, Subscription, in_utc

type _Permit = Callable[[], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class _Resource:
    """A resource of ARM's, or a list of them: its path, and the api-version in which it is read."""

    path: str
    version: str

    def of(self, *names: str) -> "_Resource":
        return _Resource(self.path.format(*(quote(name, safe="") for name in names)), self.version)

    def is_at(self, address: Address) -> bool:
        """Whether an address is this one's: a link never leads to the rows of another list."""
        return unquote(address.path).rstrip("/").lower() == unquote(self.path).lower()


_SUBSCRIPTIONS = _Resource("/subscriptions", "2022-12-01")
_SUBSCRIPTION = _Resource("/subscriptions/{}", "2022-12-01")
_GROUPS = _Resource("/subscriptions/{}/resourcegroups", "2025-04-01")
_GROUP = _Resource("/subscriptions/{}/resourcegroups/{}", "2025-04-01")
_ACCOUNTS = _Resource(
    "/subscriptions/{}/providers/Microsoft.CognitiveServices/accounts", "2025-09-01"
)
_ACCOUNT = _Resource(
    "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.CognitiveServices/accounts/{}",
    "2025-09-01",
)
_DESCENDANTS = _Resource(
    "/providers/Microsoft.Management/managementGroups/{}/descendants", "2023-04-01"
)
_OK = 200


class ArmReader:
    """Reads subscriptions, management groups and accounts."""

    def __init__(
        self, endpoint: str, scope: str, pipeline: Pipeline, tokens: TokenCache, pace: Pace
    ) -> None:
        self._endpoint = endpoint
        self._scope = scope
        self._pipeline = pipeline
        self._tokens = tokens
        self._pace = pace
        self._deadline = pace.deadline

    async def home_tenant(self) -> str:
        """Return the tenant of the identity's own token, in lower case.

        Raises AzureError; NoToken if the identity gets none.
        """
        return str((await self._claims()).get("tid", "")).lower()

    async def own_ids(self) -> Sequence[str]:
        """Return the object id and the application id of the identity, as its token has them.

        Which of the two the change log shows is not known (docs/facts.md, 4). Raises AzureError.
        """
        claims = await self._claims()
        return [str(claims[name]) for name in ("oid", "appid", "azp") if claims.get(name)]

    async def own_names(self) -> Sequence[str]:
        """Return `own_ids`, and for a person the name by which the change log knows them.

        Raises AzureError.
        """
        claims = await self._claims()
        names = [str(claims[name]) for name in ("upn", "unique_name") if claims.get(name)]
        return list(dict.fromkeys([*names, *await self.own_ids()]))

    async def _claims(self) -> dict[str, Any]:
        # It passes no pipeline of ours, whose pace would see to it that time is left.
        left = self._deadline.left
        try:
            asked = self._tokens.token(self._scope)
            token = await within(self._deadline.clock, left, asked)
        except TimeoutError:
            raise OutOfTime(left, self._deadline.left) from None
        except SDK_ERRORS as error:
            raise azure_error("Getting a token for", self._scope, error) from error
        try:
            payload = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (ValueError, LookupError, RecursionError):
            # Azure's tokens are readable today, and nothing promises that they stay so.
            return {}
        return claims if isinstance(claims, dict) else {}

    async def subscriptions(self) -> list[Subscription]:
        """List every subscription that the identity can read, those of other tenants included.

        Raises AzureError; one row that can't be read, and the list is none.
        """
        rows = self._rows("Listing", "the subscriptions", _SUBSCRIPTIONS, subscription_problem)
        found = [_subscription(row) async for row in rows]
        return list({subscription.id: subscription for subscription in found}.values())

    async def subscription(self, subscription_id: str) -> Subscription:
        """Read one subscription. Raises AzureError; NotFound if nobody knows it."""
        wanted, check = _SUBSCRIPTION.of(subscription_id), the_subscription(subscription_id)
        return _subscription(
            await self._read("Reading", f"subscription {subscription_id}", wanted, check)
        )

    async def descendants(self, management_group: str) -> list[str]:
        """List the ids of all subscriptions below a management group, at any depth.

        Raises AzureError.
        """
        action = "Listing the descendants of management group"
        wanted = _DESCENDANTS.of(management_group)
        rows = self._rows(action, management_group, wanted, descendant_problem)
        found = [row["name"].lower() async for row in rows if is_subscription(row)]
        return list(dict.fromkeys(found))

    async def accounts(self, subscription_id: str) -> AsyncIterator[Account | str]:
        """List the accounts of every kind in one subscription, each page under a permit of its own.

        A row that can't be read is a text that says why. Raises AzureError.
        """
        action, wanted = "Listing the accounts of", _ACCOUNTS.of(subscription_id)
        permit = partial(self._pace.page, subscription_id)
        async for row in self._rows(action, subscription_id, wanted, anything, permit):
            yield _row(row, subscription_id)

    async def account(self, account_id: AccountId) -> Account:
        """Read one account, as ARM knows it this moment.

        Raises AzureError; NotFound if it is gone.
        """
        wanted = _ACCOUNT.of(account_id.subscription_id, account_id.resource_group, account_id.name)
        return _account(
            await self._read("Reading", str(account_id), wanted, the_account(account_id))
        )

    async def groups(self, subscription_id: str) -> Mapping[str, Mapping[str, str]]:
        """List the tags of a subscription's resource groups, by their names in lower case.

        Raises AzureError.
        """
        action, wanted = "Listing the resource groups of", _GROUPS.of(subscription_id)
        check = partial(group_problem, subscription_id=subscription_id)
        rows = self._rows(action, subscription_id, wanted, check)
        return {row["name"].lower(): _tags(row.get("tags")) async for row in rows}

    async def tags_above(self, account_id: AccountId, level: Level) -> Mapping[str, str]:
        """Read the tags of an account's resource group or subscription, as they are this moment.

        Raises AzureError.
        """
        subscription_id = account_id.subscription_id
        if level is not Level.RESOURCE_GROUP:
            return (await self.subscription(subscription_id)).tags
        wanted = _GROUP.of(subscription_id, account_id.resource_group)
        check = the_resource_group(account_id)
        body = await self._read(f"Reading the {level} of", str(account_id), wanted, check)
        return _tags(body.get("tags"))

    async def _rows(
        self,
        action: str,
        resource: str,
        wanted: _Resource,
        row_problem: Check,
        permit: _Permit = nullcontext,
    ) -> AsyncIterator[Any]:
        """Return the rows of a list, page by page.

        Raises AzureError; Unclear for a row with a problem, and for a list that leads nowhere.
        """
        links = Links(action, resource)
        link: str | None = wanted.path
        seen: set[str] = set()
        while link is not None:
            links.follow(link)
            body = await self._permitted(permit, action, resource, wanted, link)
            rows = body["value"]
            for problem in filter(None, map(row_problem, rows)):
                raise Unclear(action, resource, message=f"The answer is odd: {problem}.")
            ids = {str(row.get("id") if isinstance(row, dict) else row).lower() for row in rows}
            if ids and ids <= seen:
                links.refuse_repetition()
            seen |= ids
            for row in rows:
                yield row
            link = next(filter(None, (body.get(name) for name in LINK_NAMES)), None)
            # Hundreds of lists may wait for their next page, and a page takes a megabyte.
            del body, rows

    async def _permitted(
        self, permit: _Permit, action: str, resource: str, wanted: _Resource, link: str
    ) -> dict[str, Any]:
        """Read a page under a permit; while its lane is closed it keeps no place from others."""
        while True:
            try:
                async with permit():
                    return await self._read(action, resource, wanted, a_page, link)
            except OutOfTime:
                raise
            except Throttled:
                continue

    async def _read(
        self, action: str, resource: str, wanted: _Resource, check: Check, link: str = ""
    ) -> dict[str, Any]:
        """Return what a resource, or a page of a list at `link`, says. Raises AzureError."""
        try:
            # A link that is relative is so to the list's own address.
            url = urljoin(urljoin(self._endpoint, wanted.path), link or wanted.path)
            url = _with_version(url, wanted.version)
            address = Address.parse(url)
            if not wanted.is_at(address):
                raise ValueError(f"a link of the list leads to {address}")
            response = await self._pipeline.run(HttpRequest("GET", url), expects=check)
            if response.http_response.status_code != _OK:
                raise HttpResponseError(response=response.http_response)
        except SDK_ERRORS as error:
            raise azure_error(action, resource, error) from error
        body: dict[str, Any] = decoded(response)
        return body


def _with_version(url: str, version: str) -> str:
    """Return an address with an api-version. ARM's links have theirs, and keep it."""
    parts = urlsplit(url)
    if any(name.lower() == "api-version" for name, _ in parse_qsl(parts.query)):
        return url
    query = f"{parts.query}&api-version={version}" if parts.query else f"api-version={version}"
    return urlunsplit(parts._replace(query=query))


def _subscription(row: Mapping[str, Any]) -> Subscription:
    return Subscription(
        id=row["subscriptionId"].lower(),
        name=str(row.get("displayName") or ""),
        state=row["state"],
        tenant_id=row["tenantId"].lower(),
        tags=_tags(row.get("tags")),
        is_delegated=bool(row.get("managedByTenants")),
    )


def _row(row: object, subscription_id: str) -> Account | str:
    """Read a row of one subscription's list; a text says why it can't be."""
    problem = account_problem(row)
    name = str(row.get("id")) if isinstance(row, dict) and row.get("id") else "a row"
    if problem or not isinstance(row, dict):
        return f"{name}: {problem}"
    try:
        account = _account(row)
    except ValueError as error:
        return str(error)
    if account.id.subscription_id != subscription_id:
        return f"{name}: it is of another subscription"
    return account


def _account(row: Mapping[str, Any]) -> Account:
    """Read an account that passed its check. Raises ValueError for an id that is no account's."""
    properties: Mapping[str, Any] = row["properties"]
    system = row.get("systemData")
    system = system if isinstance(system, dict) else {}
    return Account(
        id=AccountId.parse(row["id"]),
        kind=row["kind"],
        location=str(row.get("location") or ""),
        keys_on=properties.get("disableLocalAuth") is not True,
        tags=_tags(row.get("tags")),
        custom_subdomain=properties.get("customSubDomainName") or None,
        provisioning_state=properties.get("provisioningState") or "",
        changed_at=_moment(system.get("lastModifiedAt")),
        changed_by=str(system.get("lastModifiedBy") or ""),
        # A restore writes a new `createdAt` and keeps `dateCreated` (recorded exchanges, fact 16).
        created_at=_moment(properties.get("dateCreated")) or _moment(system.get("createdAt")),
    )


def _moment(text: object) -> datetime | None:
    """Read when an account was created or changed; None if that can't be read."""
    try:
        return in_utc(datetime.fromisoformat(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def _tags(tags: Mapping[str, str | None] | None) -> dict[str, str]:
    return {name: value or "" for name, value in (tags or {}).items()}
