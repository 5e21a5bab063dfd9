"""What accounts live in: management groups, subscriptions, resource groups."""

from dataclasses import dataclass, field
from typing import Any, Literal

from local_azure.sources import behaviour
from local_azure.state import ids

type SubscriptionState = Literal["Enabled", "Warned", "PastDue", "Disabled", "Deleted"]


@dataclass(slots=True)
class ManagementGroup:
    """A node of the tree. The tenant's root has no parent."""

    name: str
    display_name: str
    parent: str | None

    @property
    def id(self) -> str:
        """Its scope."""
        return ids.management_group_scope(self.name)


@dataclass(slots=True)
class ResourceGroup:
    """A resource group, with the letter case it was created in."""

    subscription_id: str
    name: str
    location: str
    tags: dict[str, str] | None = None

    @property
    def id(self) -> str:
        """Its scope, spelled as created."""
        return ids.group_scope(self.subscription_id, self.name)

    def wire(self) -> dict[str, Any]:
        """As ARM shows it (recorded: resource-groups-list-200); `tags` only if there are any."""
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": self.location,
            **({} if self.tags is None else {"tags": dict(self.tags)}),
            "properties": {"provisioningState": "Succeeded"},
        }


@dataclass(slots=True)
class Subscription:
    """A subscription and its resource groups."""

    id: str
    name: str
    tenant_id: str
    parent: str | None  # the management group; none for one of another tenant
    state: SubscriptionState = "Enabled"
    managed_by_tenants: tuple[str, ...] = ()
    tags: dict[str, str] | None = None
    hidden_from_graph: bool = False
    groups: dict[str, ResourceGroup] = field(default_factory=dict)

    @property
    def scope(self) -> str:
        """Its scope."""
        return ids.subscription_scope(self.id)

    def takes_tokens_of(self, tenant_id: str) -> bool:
        """Whether ARM takes a token of this tenant here: the home tenant's, or a managing one's."""
        return tenant_id in {self.tenant_id, *self.managed_by_tenants}

    @behaviour(
        "tags of a subscription stand after managedByTenants, and only if there are any",
        "data/recorded subscriptions-list-200 for the order of keys; for the tags an answer of "
        "ARM pasted in public notes (file id 21833482534)",
        "recorded",
    )
    def wire(self) -> dict[str, Any]:
        """As ARM lists it."""
        return {
            "id": self.scope,
            "authorizationSource": "RoleBased",
            "managedByTenants": [{"tenantId": t} for t in self.managed_by_tenants],
            **({} if self.tags is None else {"tags": dict(self.tags)}),
            "subscriptionId": self.id,
            "tenantId": self.tenant_id,
            "displayName": self.name,
            "state": self.state,
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "EnterpriseAgreement_2014-09-01",
                "spendingLimit": "Off",
            },
        }
