"""Border: Azure Resource Manager. Reads, and the one write, in a class of its own.

Single resources and the update go through the SDKs. Lists are asked for page by page: the SDKs'
pagers follow a link that leads back to itself for ever, and one bad row costs them a whole page.
"""

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit, urlunsplit

from azure.core.exceptions import HttpResponseError
from azure.core.polling import AsyncLROPoller
from azure.core.rest import HttpRequest
from azure.mgmt.cognitiveservices.aio import CognitiveServicesManagementClient
from azure.mgmt.cognitiveservices.models import Account as SdkAccount
from azure.mgmt.cognitiveservices.models import AccountProperties
from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling
from azure.mgmt.resource.resources.aio import ResourceManagementClient
from azure.mgmt.resource.subscriptions.aio import SubscriptionClient

from shared.border.answers import (
    LINK_NAMES,
    a_page,
    account_problem,
    an_object,
    decoded,
    group_problem,
    subscription_problem,
    the_account,
    the_resource_group,
    the_subscription,
)
from shared.border.refusals import (
    AFTER_A_WRITE,
    SDK_ERRORS,
    azure_error,
    code_and_message,
    is_azures,
)
from shared.border.transport import NoCredential, Pipeline, TokenCache
from shared.core.addresses import Address, Links
from shared.core.deadline import Deadline, within
from shared.core.errors import AzureError, OutOfTime, Refused, Unclear, Unfinished
from shared.core.model import Account, AccountId, Level, Page, Subscription, in_utc


@dataclass(frozen=True, slots=True)
class _List:
    """A list of ARM's: its path, and the api-version in which it is read."""

    path: str
    version: str

    def of(self, name: str) -> "_List":
        return _List(self.path.format(name), self.version)

    def is_at(self, address: Address) -> bool:
        """Whether an address is of this list: a link never leads to the rows of another one."""
        return unquote(address.path).rstrip("/").lower() == self.path.lower()


_SUBSCRIPTIONS = _List("/subscriptions", "2022-12-01")
_ACCOUNTS = _List("/subscriptions/{}/providers/Microsoft.CognitiveServices/accounts", "2025-09-01")
_GROUPS = _List("/subscriptions/{}/resourcegroups", "2025-04-01")
_DESCENDANTS = _List(
    "/providers/Microsoft.Management/managementGroups/{}/descendants", "2023-04-01"
)
_OK = 200
_POLL_SECONDS = 3
# Longer than any update of an account that was recorded (40 s); after it the read-back decides.
_OPERATION_SECONDS = 120.0
# What the read-back needs of the time that is left.
_READ_BACK_SECONDS = 35.0


class ArmReader:
    """Reads subscriptions, management groups and accounts."""

    def __init__(
        self, endpoint: str, scope: str, pipeline: Pipeline, tokens: TokenCache, deadline: Deadline
    ) -> None:
        self._deadline = deadline
        self._endpoint = endpoint
        self._scope = scope
        self._pipeline = pipeline
        self._tokens = tokens
        self._shared: dict[str, Any] = {
            "credential": NoCredential(),
            "base_url": endpoint,
            "credential_scopes": [scope],
            "pipeline": pipeline,
        }
        self._subscriptions = SubscriptionClient(**self._shared)
        self._clients: dict[str, CognitiveServicesManagementClient] = {}
        self._group_clients: dict[str, ResourceManagementClient] = {}

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
        action, resource = "Listing", "the subscriptions"
        found = {}
        async for rows in self._pages(action, resource, _SUBSCRIPTIONS):
            for row in rows:
                problem = subscription_problem(row)
                if problem:
                    raise _odd(action, resource, problem)
                subscription = _subscription(row)
                found[subscription.id] = subscription
        return list(found.values())

    async def subscription(self, subscription_id: str) -> Subscription:
        """Read one subscription. Raises AzureError; NotFound if nobody knows it."""
        try:
            row: Any = await self._subscriptions.subscriptions.get(
                subscription_id, expects=the_subscription(subscription_id), cls=decoded
            )
        except SDK_ERRORS as error:
            raise azure_error("Reading", f"subscription {subscription_id}", error) from error
        return _subscription(row)

    async def descendants(self, management_group: str) -> list[str]:
        """List the ids of all subscriptions below a management group, at any depth.

        Raises AzureError.
        """
        action = "Listing the descendants of management group"
        found: dict[str, None] = {}
        wanted = _DESCENDANTS.of(management_group)
        async for rows in self._pages(action, management_group, wanted):
            for row in rows:
                if not all(isinstance(row.get(name), str) for name in ("name", "type")):
                    raise _odd(action, management_group, "a row lacks its name or its type")
                match row["type"].lower().rpartition("/")[2]:
                    case "subscriptions":
                        found[row["name"].lower()] = None
                    case "managementgroups":
                        continue
                    case _:
                        raise _odd(action, management_group, f"a row is a {row['type']}")
        return list(found)

    async def page(self, subscription_id: str, link: str | None = None) -> Page:
        """Return a page of the accounts of every kind in one subscription, by default the first.

        Raises AzureError.
        """
        action = "Listing the accounts of"
        wanted = _ACCOUNTS.of(subscription_id)
        rows, next_link = await self._page(action, subscription_id, wanted, link or wanted.path)
        return Page(tuple(_row(row, subscription_id) for row in rows), next_link)

    async def accounts(self, subscription_id: str) -> AsyncIterator[Account | str]:
        """List the same, row by row; a row that can't be read is a text that says why.

        Raises AzureError.
        """
        action = "Listing the accounts of"
        async for rows in self._pages(action, subscription_id, _ACCOUNTS.of(subscription_id)):
            for row in rows:
                yield _row(row, subscription_id)

    async def account(self, account_id: AccountId) -> Account:
        """Read one account, as ARM knows it this moment.

        Raises AzureError; NotFound if it is gone.
        """
        try:
            body: Any = await self._client(account_id.subscription_id).accounts.get(
                account_id.resource_group,
                account_id.name,
                expects=the_account(account_id),
                cls=decoded,
            )
        except SDK_ERRORS as error:
            raise azure_error("Reading", str(account_id), error) from error
        return _account(body)

    async def groups(self, subscription_id: str) -> Mapping[str, Mapping[str, str]]:
        """List the tags of a subscription's resource groups, by their names in lower case.

        Raises AzureError.
        """
        action = "Listing the resource groups of"
        found = {}
        async for rows in self._pages(action, subscription_id, _GROUPS.of(subscription_id)):
            for row in rows:
                problem = group_problem(row, subscription_id)
                if problem:
                    raise _odd(action, subscription_id, problem)
                found[row["name"].lower()] = _tags(row.get("tags"))
        return found

    async def tags_above(self, account_id: AccountId, level: Level) -> Mapping[str, str]:
        """Read the tags of an account's resource group or subscription, as they are this moment.

        Raises AzureError.
        """
        subscription_id = account_id.subscription_id
        if level is not Level.RESOURCE_GROUP:
            return (await self.subscription(subscription_id)).tags
        try:
            body: Any = await self._resources(subscription_id).resource_groups.get(
                account_id.resource_group, expects=the_resource_group(account_id), cls=decoded
            )
        except SDK_ERRORS as error:
            raise azure_error(f"Reading the {level} of", str(account_id), error) from error
        return _tags(body.get("tags"))

    async def _pages(
        self, action: str, resource: str, wanted: _List
    ) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        """Return the rows of a list, page by page; each is an object. Raises AzureError."""
        links = Links(action, resource)
        link: str | None = wanted.path
        seen: set[str] = set()
        while link is not None:
            rows, link = await self._page(action, resource, wanted, links.follow(link))
            if not all(isinstance(row, dict) for row in rows):
                raise _odd(action, resource, "a row is no object")
            ids = {str(row.get("id")).lower() for row in rows}
            if ids and ids <= seen:
                links.refuse_repetition()
            seen |= ids
            yield rows

    async def _page(
        self, action: str, resource: str, wanted: _List, link: str
    ) -> tuple[list[Any], str | None]:
        """Return the rows of one page, and the link to the next one. Raises AzureError."""
        try:
            url = _with_version(self._absolute(link, wanted), wanted.version)
            address = Address.parse(url)
            if not wanted.is_at(address):
                raise ValueError(f"a link of the list leads to {address}")
            response = await self._pipeline.run(HttpRequest("GET", url), expects=a_page)
            if response.http_response.status_code != _OK:
                raise HttpResponseError(response=response.http_response)
        except SDK_ERRORS as error:
            raise azure_error(action, resource, error) from error
        body = decoded(response)
        return body["value"], next(filter(None, (body.get(name) for name in LINK_NAMES)), None)

    def _absolute(self, link: str, wanted: _List) -> str:
        """Return the address of a page; a link that is relative is so to the list's own."""
        return urljoin(urljoin(self._endpoint, wanted.path), link)

    def _resources(self, subscription_id: str) -> ResourceManagementClient:
        if subscription_id not in self._group_clients:
            self._group_clients[subscription_id] = ResourceManagementClient(
                subscription_id=subscription_id, **self._shared
            )
        return self._group_clients[subscription_id]

    def _client(self, subscription_id: str) -> CognitiveServicesManagementClient:
        if subscription_id not in self._clients:
            self._clients[subscription_id] = CognitiveServicesManagementClient(
                subscription_id=subscription_id, **self._shared
            )
        return self._clients[subscription_id]


class ArmWriter(ArmReader):
    """Also turns local auth off. Only a sweep that enforces is handed one."""

    async def disable_local_auth(self, account_id: AccountId, leave_by: float) -> None:
        """PATCH the one property, once, and follow the operation to its end.

        The body is exactly `{"properties": {"disableLocalAuth": true}}` (docs/facts.md, 1).
        `leave_by` is the moment before which it has to leave, on the clock's monotonic count: that
        is looked at as the last step before it does.

        Raises Refused if Azure definitely did not do it (Stale if it was not even sent), Unclear
        if it may have (Unfinished if it was accepted, and may still fail).
        """
        properties = AccountProperties(disable_local_auth=True)
        await self._update("Turning local auth off for", account_id, properties, leave_by)

    async def _update(
        self, action: str, account_id: AccountId, properties: AccountProperties, leave_by: float
    ) -> None:
        try:
            poller = await self._client(account_id.subscription_id).accounts.begin_update(
                account_id.resource_group,
                account_id.name,
                SdkAccount(properties=properties),
                # Our pipeline has no retry policy of azure-core: it would re-send a PATCH after
                # 429 and 503 by itself (docs/facts.md, 2).
                polling=AsyncARMPolling(timeout=_POLL_SECONDS, expects=an_object),
                leave_by=leave_by,
            )
        except AFTER_A_WRITE as error:
            raise azure_error(action, str(account_id), error) from error
        await self._finish(action, str(account_id), poller)

    async def _finish(self, action: str, resource: str, poller: AsyncLROPoller[Any]) -> None:
        """Follow an operation to its end. Raises Unfinished: whatever it says, it was accepted."""
        seconds = min(_OPERATION_SECONDS, max(self._deadline.left - _READ_BACK_SECONDS, 1.0))
        try:
            await within(self._deadline.clock, seconds, poller.result())
        except TimeoutError:
            message = f"The operation is still running after {seconds:.0f} s."
            raise Unfinished(action, resource, message=message) from None
        except (*AFTER_A_WRITE, Refused) as error:
            code, message = code_and_message(error)
            raise Unfinished(
                action, resource, code=code, message=message, is_azures=is_azures(error)
            ) from error


def _odd(action: str, resource: str, problem: str) -> AzureError:
    return Unclear(action, resource, message=f"The answer is odd: {problem}.")


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
