"""Border: what a person may do to an account and the Function never does.

Tags through ARM's tags API, whose `Merge` and `Delete` leave every other tag untouched whoever
else writes at the same time: a PATCH of the account itself may replace the whole map (nobody
showed which). Keys on again. `listKeys`. And reads that explain.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from azure.core.rest import HttpRequest
from azure.mgmt.cognitiveservices.models import AccountProperties
from azure.mgmt.resource.resources.aio import ResourceManagementClient
from azure.mgmt.resource.resources.models import Tags, TagsPatchResource

from keysweep.border.reads import Reads
from keysweep.doctor.telemetry import Component
from keysweep.explanation import Lock
from keysweep.places import Place
from shared.border.answers import Check, an_object, is_text, the_account
from shared.border.arm_writer import ArmWriter, polling
from shared.border.refusals import AFTER_A_WRITE, SDK_ERRORS, azure_error
from shared.core.errors import Unclear
from shared.core.model import AccountId
from shared.core.permissions import Permission, grants
from shared.core.rings import Rings
from shared.workspace import Parts

WRITE = "Microsoft.CognitiveServices/accounts/write"
_ACCOUNT_VERSION = "2025-09-01"
_LOCKS_VERSION = "2020-05-01"
_PERMISSIONS_VERSION = "2022-04-01"
_GROUPS = "/providers/Microsoft.Management/managementGroups"
_GROUPS_VERSION = "2023-04-01"
_COMPONENTS_VERSION = "2020-02-02"
_SITES_VERSION = "2024-11-01"
_METADATA = "2022-09-01"


class Operator(ArmWriter):
    """Azure, as a person with a terminal uses it."""

    def __init__(self, parts: Parts) -> None:
        cloud = parts.settings.cloud
        # Turning keys off is for a sweep: here no ring is in force.
        rings = Rings()
        super().__init__(
            cloud.endpoint, cloud.scope, parts.pipeline, parts.tokens, parts.pace, rings
        )

    async def merge_tag(
        self, account_id: AccountId, name: str, value: str, leave_by: float
    ) -> None:
        """Set one tag. Raises Refused if it was not set, Unclear if it may have been.

        `leave_by`, here and below, is the moment before which the change has to leave.
        """
        await self._patch_tags("Merge", account_id, {name: value}, leave_by)

    async def delete_tags(
        self, account_id: AccountId, tags: Mapping[str, str], leave_by: float
    ) -> None:
        """Take tags away that have just these values. Raises Refused or Unclear."""
        await self._patch_tags("Delete", account_id, tags, leave_by)

    async def _patch_tags(
        self, operation: str, account_id: AccountId, tags: Mapping[str, str], leave_by: float
    ) -> None:
        action = "Changing the tags of"
        client = ResourceManagementClient(subscription_id=account_id.subscription_id, **self._sdk)
        try:
            poller = await client.tags.begin_update_at_scope(
                str(account_id).lstrip("/"),
                TagsPatchResource(operation=operation, properties=Tags(tags=dict(tags))),
                polling=polling(),
                leave_by=leave_by,
            )
        except AFTER_A_WRITE as error:
            raise azure_error(action, str(account_id), error) from error
        await self._finish(action, str(account_id), poller)

    async def enable_local_auth(self, account_id: AccountId, leave_by: float) -> None:
        """Turn keys on again. Raises Refused if Azure did not, Unclear if it may have."""
        properties = AccountProperties(disable_local_auth=False)
        await self._update("Turning local auth on for", account_id, properties, leave_by)

    async def key(self, account_id: AccountId) -> str:
        """Fetch a key with the person's own rights. It is for memory only.

        Raises AzureError; with keys off Azure refuses: 400 "disableLocalAuth is set to be true".
        """
        action = "Listing the keys of"
        try:
            keys = await self._client(account_id.subscription_id).accounts.list_keys(
                account_id.resource_group, account_id.name, expects=an_object
            )
        except SDK_ERRORS as error:
            raise azure_error(action, str(account_id), error) from error
        if not keys.key1:
            raise Unclear(action, str(account_id), message="It gave no key.")
        return str(keys.key1)

    async def raw(self, account_id: AccountId) -> Mapping[str, Any]:
        """Read an account as ARM writes it. Raises AzureError."""
        found: Mapping[str, Any] = await self._get(
            str(account_id), _ACCOUNT_VERSION, the_account(account_id)
        )
        return found

    async def management_groups(self) -> Sequence[Place]:
        """List the management groups that the person can read. Raises AzureError."""
        return [
            Place(str(row.get("name")), str(row["properties"].get("displayName") or ""))
            for row in await self._list(_GROUPS, _GROUPS_VERSION, _has_properties)
        ]

    async def locks(self, account_id: AccountId) -> Sequence[Lock]:
        """List the locks at the account and above it. Raises AzureError."""
        path = f"{account_id}/providers/Microsoft.Authorization/locks"
        return [
            Lock(
                str(lock.get("name", "")),
                str(lock["properties"].get("level", "")),
                str(lock.get("id", "")).partition("/providers/Microsoft.Authorization/locks")[0],
            )
            for lock in await self._list(path, _LOCKS_VERSION, _has_properties)
        ]

    async def may_write(self, account_id: AccountId) -> bool:
        """Whether who asks has a role that may change the account. Raises AzureError."""
        return grants(await self.permissions(str(account_id)), WRITE)

    async def permissions(self, scope: str) -> Sequence[Permission]:
        """List what the roles of who asks allow at a scope; deny assignments are not among it.

        `scope` is the id of a resource, a subscription or a management group. Raises AzureError.
        """
        path = f"{scope}/providers/Microsoft.Authorization/permissions"
        return [
            Permission(tuple(row.get("actions") or ()), tuple(row.get("notActions") or ()))
            for row in await self._list(path, _PERMISSIONS_VERSION, _has_actions)
        ]

    async def components(self, subscription_id: str) -> Sequence[Component]:
        """List the Application Insights components of a subscription. Raises AzureError."""
        path = f"/subscriptions/{subscription_id}/providers/Microsoft.Insights/components"
        return [
            Component(
                str(row["id"]),
                str(row["properties"]["InstrumentationKey"]),
                needs_entra=row["properties"].get("DisableLocalAuth") is True,
            )
            for row in await self._list(path, _COMPONENTS_VERSION, _is_component)
        ]

    async def app_settings(self, site: str) -> Mapping[str, Any]:
        """Return the app settings of a Function App, by name. Raises AzureError.

        They are read by a POST, as what holds secrets is; whoever calls keeps ours alone.
        """
        path = f"{site}/config/appsettings/list"
        answer = await self._get(path, _SITES_VERSION, _has_properties, "POST")
        return dict(answer["properties"])

    async def cloud_metadata(self) -> Mapping[str, Any]:
        """Return what Azure Resource Manager says of the cloud that it is in.

        It is what tools ask that are given nothing but its address (hashicorp/go-azure-sdk,
        sdk/internal/metadata). Raises AzureError.
        """
        found: Mapping[str, Any] = await self._get("/metadata/endpoints", _METADATA, an_object)
        return found

    @property
    def _reads(self) -> Reads:
        return Reads(self._pipeline, self._endpoint)

    async def _list(self, path: str, version: str, row_problem: Check) -> Sequence[Any]:
        return await self._reads.pages("Reading", path, path, {"api-version": version}, row_problem)

    async def _get(self, path: str, version: str, check: Check, method: str = "GET") -> Any:
        request = HttpRequest(method, self._reads.address(path, {"api-version": version}))
        return await self._reads.sent("Reading", path, request, check)


def _has_properties(body: object) -> str:
    """Expect a resource with properties."""
    if isinstance(body, dict) and isinstance(body.get("properties"), dict):
        return ""
    return "it has no properties"


def _is_component(row: object) -> str:
    """Expect a component with its id and its instrumentation key."""
    if _has_properties(row) or not isinstance(row, dict):
        return "a component has no properties"
    texts = (row.get("id"), row["properties"].get("InstrumentationKey"))
    return "" if all(map(is_text, texts)) else "a component lacks its id or instrumentation key"


def _has_actions(row: object) -> str:
    if not isinstance(row, dict):
        return "a row is no object"
    for name in ("actions", "notActions"):
        found = row.get(name) or []
        if not (isinstance(found, list) and all(isinstance(action, str) for action in found)):
            return f"a row's {name} are no list of texts"
    return ""
