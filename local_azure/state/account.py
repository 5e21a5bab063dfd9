"""A Cognitive Services account: what is kept of it, and how ARM and Resource Graph show it."""

import enum
import json
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from local_azure.sources import behaviour
from local_azure.state import ids


class Absent(enum.Enum):
    """A property that was never set, which is not the same as null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
type Flag = bool | Literal[Absent.ABSENT] | None

# What `provisioningState` can end in; everything else is under way (Microsoft's types).
TERMINAL = frozenset({"Succeeded", "Failed", "Canceled"})


class PatchForm(enum.Enum):
    """How a PATCH of anything but tags is answered. The first is what was recorded."""

    BOTH = "202, Azure-AsyncOperation and Location, the account in the body"
    ASYNC_OPERATION = "202, Azure-AsyncOperation only"
    LOCATION = "202, Location only"
    OK_200 = "200, done"
    BODY_ACCEPTED = "200, provisioningState Accepted in the body, no polling header"
    OPERATION_FAILS = "202 as recorded, and the operation ends Failed"


@dataclass(slots=True)
class Account:
    """What the local Azure keeps of an account. The parts that a kind always has are not kept."""

    subscription_id: str
    group: str
    name: str
    kind: str
    location: str
    flag: Flag = ABSENT  # disableLocalAuth
    tags: dict[str, str] | None = None
    subdomain: str | None = None
    provisioning_state: str = "Succeeded"
    sku: str = "S0"
    public_network_access: str = "Enabled"
    network_acls: dict[str, Any] | None = None
    identity: dict[str, Any] | None = None
    patch: PatchForm = PatchForm.BOTH
    operation_seconds: float = 5.0
    stale_reads: int = 2
    # Moves provisioningState to the second place of `properties` (recorded), for good.
    updated: bool = False
    created_at: datetime = datetime(2025, 3, 3, 8, 30, tzinfo=UTC)
    created_by: str = "platform@contoso.com"
    created_by_kind: Literal["User", "Application"] = "User"
    modified_at: datetime | None = None
    modified_by: str | None = None
    modified_by_kind: Literal["User", "Application"] = "User"
    writes: int = 0
    projects: tuple[str, ...] = ()  # their names; the first is the default one
    lean: bool = False  # leave the constant parts out of Resource Graph's row

    # A PATCH under way, and what a read shows that doesn't know of it yet.
    operation: str | None = None
    stale_flag: Flag = ABSENT
    stale_left: int = 0

    @property
    def id(self) -> str:
        """The resource id, spelled as created."""
        group = ids.group_scope(self.subscription_id, self.group)
        return f"{group}/providers/{ids.ACCOUNT_TYPE}/{self.name}"

    @property
    def keys_on(self) -> bool:
        """Whether the account accepts keys: only `true` turns them off."""
        return self.flag is not True

    @property
    def busy(self) -> bool:
        """Whether the state is not terminal."""
        return self.provisioning_state not in TERMINAL

    @property
    def etag(self) -> str:
        """A Cosmos etag with the quotes in it (recorded: fact 8).

        The third group names the region's database; the last begins with the unix time.
        """
        changed = self.modified_at or self.created_at
        first = ids.guid("etag", self.id, self.writes)[:8]
        region = _REGIONS.get(_region(self.location), "0700")
        return f'"{first}-0000-{region}-0000-{int(changed.timestamp()):08x}0000"'

    def as_read(self) -> "Account":
        """Return the account as the next read shows it: the old flag for a while after a PATCH.

        Unverified; Azure's control plane reads from replicas, and a GET right after a write is not
        promised to show it.
        """
        if self.stale_left == 0:
            return self
        self.stale_left -= 1
        return replace(self, flag=self.stale_flag)

    def copy(self) -> "Account":
        """Return a copy that later changes of this account don't touch."""
        return replace(
            self,
            tags=None if self.tags is None else dict(self.tags),
            identity=None if self.identity is None else dict(self.identity),
        )

    def wire(self, api_version: str = "2025-09-01") -> dict[str, Any]:
        """As ARM shows it, in the recorded order of keys."""
        return {
            "id": self.id,
            "name": self.name,
            "type": ids.ACCOUNT_TYPE,
            "etag": self.etag,
            "location": self.location,
            "sku": {"name": self.sku},
            "kind": self.kind,
            **({} if self.tags is None else {"tags": dict(self.tags)}),
            "properties": _properties(self, api_version, whole=True),
            **({} if self.identity is None else {"identity": dict(self.identity)}),
            "systemData": self._system_data(),
        }

    def outline(self) -> dict[str, Any]:
        """Return the wire form without the constant parts, for policies to look at."""
        return {
            "id": self.id,
            "name": self.name,
            "type": ids.ACCOUNT_TYPE,
            "location": self.location,
            "kind": self.kind,
            "tags": self.tags or {},
            "properties": _properties(self, _NEWEST, whole=False),
        }

    def graph_row(self, tenant_id: str) -> dict[str, Any]:
        """As Resource Graph's `resources` table holds it (fact 42)."""
        return {
            "id": self.id,
            "name": self.name,
            "type": ids.ACCOUNT_TYPE.lower(),
            "tenantId": tenant_id,
            "kind": self.kind,
            "location": _region(self.location),
            "resourceGroup": self.group.lower(),
            "subscriptionId": self.subscription_id,
            "managedBy": "",
            "sku": {"name": self.sku},
            "plan": None,
            "properties": _properties(self, _NEWEST, whole=not self.lean),
            "tags": self.tags if self.tags is None else dict(self.tags),
            "identity": self.identity if self.identity is None else dict(self.identity),
            "zones": None,
            "extendedLocation": None,
        }

    def _system_data(self) -> dict[str, str]:
        return {
            "createdBy": self.created_by,
            "createdByType": self.created_by_kind,
            "createdAt": timestamp(self.created_at, self.id, trim=True),
            "lastModifiedBy": self.modified_by or self.created_by,
            "lastModifiedByType": self.modified_by_kind
            if self.modified_by
            else self.created_by_kind,
            "lastModifiedAt": timestamp(self.modified_at or self.created_at, self.id, trim=True),
        }


# Names of regional databases in etags (recorded: fact 8). Others get an invented one.
_REGIONS = {
    "southcentralus": "0500",
    "eastus": "0100",
    "westeurope": "0d00",
    "japaneast": "2300",
    "westus3": "4d00",
    "canadacentral": "0a00",
    "centralus": "0300",
}
# Since this version an account has apiProperties and allowProjectManagement (recorded: fact 14).
_PROJECTS_SINCE = "2025-06-01"
_NEWEST = "2026-07-01"


def _region(location: str) -> str:
    """`West Europe` and `WESTEUROPE` are `westeurope` in endpoints (recorded: fact 13)."""
    return location.replace(" ", "").lower()


def timestamp(moment: datetime, seed: str = "", *, trim: bool = False) -> str:
    """Seven digits of a second; trailing zeros go where `trim` is on (systemData; fact 14).

    The digits that our clock hasn't got are drawn from the seed.
    """
    drawn = zlib.crc32(f"{seed}{moment}".encode())
    ticks = moment.microsecond * 10 + drawn % 10 if moment.microsecond else drawn % 10_000_000
    text = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{ticks:07d}"
    return (text.rstrip("0").rstrip(".") if trim else text) + "Z"


@cache
def _parts(kind: str) -> dict[str, Any]:
    """Return what a kind always has. One that was not recorded gets a little of what Face has."""
    text = files("local_azure.state").joinpath("account_parts.json").read_text("utf-8")
    kinds: dict[str, dict[str, Any]] = json.loads(text)["kinds"]
    if kind in kinds:
        return kinds[kind]
    return {
        "rules": kinds["Face"]["rules"][-1:],
        "capabilities": [{"name": "VirtualNetworks"}],
        "regional": {kind: "https://{location}.api.cognitive.microsoft.com/"},
        "custom": {kind: "https://{sub}.cognitiveservices.azure.com/"},
    }


@behaviour(
    "an account's properties: their order, disableLocalAuth absent until set, provisioningState "
    "last after a create and second after an update",
    "data/recorded/README.md facts 7, 10, 12-15; account-get-200-*, account-patch-*",
    "recorded",
)
def _properties(account: Account, api_version: str, *, whole: bool) -> dict[str, Any]:
    region, sub = _region(account.location), account.subdomain
    state = {"provisioningState": account.provisioning_state}
    projects = api_version >= _PROJECTS_SINCE and account.kind in {"OpenAI", "AIServices"}
    parts = _parts(account.kind)
    optional: dict[str, Any] = {
        "customSubDomainName": sub,
        "networkAcls": account.network_acls,
        "allowProjectManagement": account.kind == "AIServices" if projects else None,
    }
    if projects and account.projects:
        optional |= {
            "defaultProject": account.projects[0],
            "associatedProjects": list(account.projects),
        }
    properties: dict[str, Any] = {"endpoint": endpoint_of(account)}
    if account.updated:
        properties |= state
    properties["internalId"] = ids.guid("internal", account.id).replace("-", "")
    properties["dateCreated"] = timestamp(account.created_at, account.name)
    if projects:
        ai_services = account.kind == "AIServices"
        properties["apiProperties"] = {"qnaAzureSearchEndpointKey": None} if ai_services else {}
    if whole:
        properties["callRateLimit"] = {"rules": parts["rules"]}
    properties["isMigrated"] = False
    properties |= {name: value for name, value in optional.items() if value is not None}
    properties["privateEndpointConnections"] = []
    properties["publicNetworkAccess"] = account.public_network_access
    if whole:
        properties["capabilities"] = parts["capabilities"]
    if account.flag is not ABSENT:
        properties["disableLocalAuth"] = account.flag
    if whole:
        properties["endpoints"] = {
            name: template.format(location=region, sub=sub)
            for name, template in parts["regional" if sub is None else "custom"].items()
        }
    if not account.updated:
        properties |= state
    return properties


@behaviour(
    "the endpoint: regional without a custom domain; that of SpeechServices gives tokens",
    "fact 15; data/recorded account-create-put-201-with-userownedstorage",
    "recorded",
)
def endpoint_of(account: Account) -> str:
    """Return the endpoint."""
    if account.subdomain is None:
        tail = "sts/v1.0/issuetoken" if account.kind == "SpeechServices" else ""
        return f"https://{_region(account.location)}.api.cognitive.microsoft.com/{tail}"
    host = "openai.azure.com" if account.kind == "OpenAI" else "cognitiveservices.azure.com"
    return f"https://{account.subdomain}.{host}/"
