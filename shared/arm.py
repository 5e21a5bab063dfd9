"""Border: Azure Resource Manager. Reads, and the one write, in a class of its own."""

import asyncio
import base64
import json
import re
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
from azure.core.exceptions import (
    AzureError as SdkError,
)
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestTimeoutError,
)
from azure.core.polling import AsyncLROPoller
from azure.core.rest import HttpRequest
from azure.mgmt.cognitiveservices.aio import CognitiveServicesManagementClient
from azure.mgmt.cognitiveservices.models import Account as SdkAccount
from azure.mgmt.cognitiveservices.models import AccountProperties
from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling
from azure.mgmt.managementgroups.aio import ManagementGroupsMgmtClient
from azure.mgmt.resource.resources.aio import ResourceManagementClient
from azure.mgmt.resource.subscriptions.aio import SubscriptionClient

from shared.deadline import Deadline, within
from shared.errors import (
    AzureError,
    Busy,
    Locked,
    NoRole,
    NotFound,
    NoToken,
    OutOfTime,
    PolicyDenied,
    Refused,
    Throttled,
    Unclear,
)
from shared.model import Account, AccountId, Level, Subscription, in_utc
from shared.transport import NoCredential, Pipeline, TokenCache

_SUBSCRIPTION_TYPE = "/subscriptions"
_DESCENDANTS = (
    "/providers/Microsoft.Management/managementGroups/{}/descendants?api-version=2023-04-01"
)
ODD = (SdkError, ValueError, LookupError, TypeError, AttributeError, zlib.error)
"""What an SDK raises for a refusal, and for an answer that is not of the form it expects."""
_POLL_SECONDS = 3
_QUERY = re.compile(r"(?<=[^\s?])\?(?=\S*=)\S+")
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
        self._scope = scope
        self._tokens = tokens
        self._shared: dict[str, Any] = {
            "credential": NoCredential(),
            "base_url": endpoint,
            "credential_scopes": [scope],
            "pipeline": pipeline,
        }
        self._subscriptions = SubscriptionClient(**self._shared)
        self._groups = ManagementGroupsMgmtClient(**self._shared)
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
        said = [str(claims[name]) for name in ("upn", "unique_name") if claims.get(name)]
        return list(dict.fromkeys([*said, *await self.own_ids()]))

    async def _claims(self) -> dict[str, Any]:
        # It passes no pipeline of ours, whose pace would see to it that time is left.
        left = self._deadline.left
        try:
            asked = self._tokens.token(self._scope)
            token = await within(self._deadline.clock, left, asked)
            payload = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except TimeoutError:
            raise OutOfTime(left, self._deadline.left) from None
        except ODD as error:
            raise azure_error("Getting a token for", self._scope, error) from error
        return claims if isinstance(claims, dict) else {}

    async def subscriptions(self) -> list[Subscription]:
        """List every subscription that the identity can read, those of other tenants included.

        Raises AzureError.
        """
        try:
            return [
                Subscription(
                    id=(each.subscription_id or "").lower(),
                    name=each.display_name or "",
                    state=str(getattr(each.state, "value", each.state) or ""),
                    tenant_id=(each.tenant_id or "").lower(),
                    tags=_tags(each.tags),
                )
                async for each in self._subscriptions.subscriptions.list()
                if each.subscription_id
            ]
        except ODD as error:
            raise azure_error("Listing", "the subscriptions", error) from error

    async def descendants(self, management_group: str) -> list[str]:
        """List the ids of all subscriptions below a management group, at any depth.

        Raises AzureError.
        """
        found: list[str] = []
        link = _DESCENDANTS.format(management_group)
        try:
            while link:
                response = await self._groups.send_request(HttpRequest("GET", link))
                response.raise_for_status()
                page = response.json()
                found.extend(
                    str(each["name"]).lower()
                    for each in page["value"]
                    if str(each["type"]).lower().endswith(_SUBSCRIPTION_TYPE)
                )
                # The service's description says `@nextLink` and the SDK 2.0.0 reads `nextLink`:
                # with the wrong one, the rest of a large group would be lost without a word.
                link = page.get("nextLink") or page.get("@nextLink")
        except ODD as error:
            action = "Listing the descendants of management group"
            raise azure_error(action, management_group, error) from error
        return found

    async def pages(self, subscription_id: str) -> AsyncIterator[Sequence[Account | str]]:
        """List the accounts of every kind in one subscription, page by page.

        A row that can't be read is a text that says why. Raises AzureError.
        """
        try:
            async for page in self._client(subscription_id).accounts.list().by_page():
                yield [_account(each) async for each in page]
        except ODD as error:
            raise azure_error("Listing the accounts of", subscription_id, error) from error

    async def accounts(self, subscription_id: str) -> AsyncIterator[Account | str]:
        """List the same, row by row. Raises AzureError."""
        async for page in self.pages(subscription_id):
            for each in page:
                yield each

    async def account(self, account_id: AccountId) -> Account:
        """Read one account, as ARM knows it this moment.

        Raises AzureError; NotFound if it is gone.
        """
        try:
            account = _account(
                await self._client(account_id.subscription_id).accounts.get(
                    account_id.resource_group, account_id.name
                )
            )
        except ODD as error:
            raise azure_error("Reading", str(account_id), error) from error
        if isinstance(account, str):
            raise Unclear("Reading", str(account_id), code="NoAccount", message=account)
        return account

    async def groups(self, subscription_id: str) -> Mapping[str, Mapping[str, str]]:
        """List the tags of a subscription's resource groups, by their names in lower case.

        Raises AzureError.
        """
        try:
            return {
                str(each.name).lower(): _tags(each.tags)
                async for each in self._resources(subscription_id).resource_groups.list()
            }
        except ODD as error:
            action = "Listing the resource groups of"
            raise azure_error(action, subscription_id, error) from error

    async def tags_above(self, account_id: AccountId, level: Level) -> Mapping[str, str]:
        """Read the tags of an account's resource group or subscription, as they are this moment.

        Raises AzureError.
        """
        subscription_id, group = account_id.subscription_id, account_id.resource_group
        try:
            if level is Level.RESOURCE_GROUP:
                groups = self._resources(subscription_id).resource_groups
                return _tags((await groups.get(group)).tags)
            subscription = await self._subscriptions.subscriptions.get(subscription_id)
            return _tags(subscription.tags)
        except ODD as error:
            raise azure_error(f"Reading the {level} of", str(account_id), error) from error

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

    async def disable_local_auth(self, account_id: AccountId) -> None:
        """PATCH the one property, once, and follow the operation to its end.

        The body is exactly `{"properties": {"disableLocalAuth": true}}` (docs/facts.md, 1).

        Raises Refused if Azure definitely did not do it (Stale if it was not even sent), Unclear
        if it may have.
        """
        properties = AccountProperties(disable_local_auth=True)
        await self._update("Turning local auth off for", account_id, properties)

    async def _update(
        self, action: str, account_id: AccountId, properties: AccountProperties
    ) -> None:
        try:
            poller = await self._client(account_id.subscription_id).accounts.begin_update(
                account_id.resource_group,
                account_id.name,
                SdkAccount(properties=properties),
                # Our pipeline has no retry policy of azure-core: it would re-send a PATCH after
                # 429 and 503 by itself (docs/facts.md, 2).
                polling=AsyncARMPolling(timeout=_POLL_SECONDS),
            )
        except ODD as error:
            raise azure_error(action, str(account_id), error) from error
        await self._finish(action, str(account_id), poller)

    async def _finish(self, action: str, resource: str, poller: AsyncLROPoller[Any]) -> None:
        """Follow an operation to its end. Raises Unclear: whatever it says, it was accepted."""
        seconds = min(_OPERATION_SECONDS, max(self._deadline.left - _READ_BACK_SECONDS, 1.0))
        try:
            await within(self._deadline.clock, seconds, poller.result())
        except TimeoutError:
            message = f"The operation is still running after {seconds:.0f} s."
            raise Unclear(action, resource, code="StillRunning", message=message) from None
        except (*ODD, Refused) as error:
            code, message = _said(error)
            raise Unclear(action, resource, code=code, message=message) from error


def _account(found: SdkAccount) -> Account | str:
    try:
        account_id = AccountId.parse(found.id or "")
    except ValueError as error:
        return str(error)
    properties, system = found.properties, found.system_data
    modified = system.last_modified_at if system else None
    return Account(
        id=account_id,
        kind=found.kind or "",
        location=found.location or "",
        keys_on=properties is None or properties.disable_local_auth is not True,
        tags=_tags(found.tags),
        custom_subdomain=(properties.custom_sub_domain_name or None) if properties else None,
        provisioning_state=_text(properties.provisioning_state) if properties else "",
        changed_at=in_utc(modified) if modified else None,
        changed_by=(system.last_modified_by or "") if system else "",
    )


def _tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    return {name: value or "" for name, value in (tags or {}).items()}


def _text(value: object) -> str:
    return str(getattr(value, "value", value) or "")


def azure_error(action: str, resource: str, error: Exception) -> AzureError:
    """Say in our own tree what an SDK's error means for what was asked.

    Codes: data/errors of the reference shelf, each with its source there.
    """
    code, message = _said(error)
    status = error.status_code if isinstance(error, HttpResponseError) else None
    return _kind_of(error, status, code)(
        action, resource, code=code, message=message, status=status
    )


_BY_CODE: dict[str, type[AzureError]] = {
    "requestdisallowedbypolicy": PolicyDenied,
    "scopelocked": Locked,
    "accountprovisioningstateinvalid": Busy,
}
_BY_STATUS: dict[int, type[AzureError]] = {
    401: NoRole,
    403: NoRole,
    404: NotFound,
    408: Unclear,
    409: Busy,
    429: Throttled,
}


def _kind_of(error: Exception, status: int | None, code: str) -> type[AzureError]:
    if status is not None and 400 <= status < 500:  # noqa: PLR2004 - the client errors
        return _BY_CODE.get(code.lower()) or _BY_STATUS.get(status, Refused)
    if isinstance(error, ClientAuthenticationError):
        return NoToken
    # azure-core raises ServiceRequestError for a connection that was cut after the request had
    # left as well (its aiohttp transport, read): only a connection never made is a definite no.
    never_sent = isinstance(error, ServiceRequestTimeoutError) or isinstance(
        getattr(error, "inner_exception", None), aiohttp.ClientConnectorError
    )
    return Refused if never_sent else Unclear


def _said(error: Exception) -> tuple[str, str]:
    """Return Azure's own code and message, or what stands in for them.

    Without the queries of addresses: that of a polling URL carries a signature.
    """
    code, message = _told(error)
    return code, _QUERY.sub("", message)


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, AzureError):
        return error.code, error.message
    if isinstance(error, HttpResponseError) and error.response is not None:
        if error.error is not None and error.error.code:
            return str(error.error.code), str(error.error.message or "")
        # Some providers send the code without `error` around it; proxies send HTML, which is
        # nobody's message.
        code, message = _bare_error(error)
        return code or f"HTTP{error.status_code or ''}", message or str(error.reason or "")
    return type(error).__name__, str(error).strip().splitlines()[0] if str(error).strip() else ""


def _bare_error(error: HttpResponseError) -> tuple[str, str]:
    try:
        body = json.loads(error.response.text()) if error.response is not None else None
    except (ValueError, AttributeError, asyncio.InvalidStateError):
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    inner = body.get("Error", body)
    if not isinstance(inner, dict):
        return "", ""
    return (
        str(inner.get("code", inner.get("Code", "")) or ""),
        str(inner.get("message", inner.get("Message", "")) or ""),
    )
