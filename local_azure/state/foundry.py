"""Projects of Foundry accounts, and connections: of an account and of a project in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local_azure.sources import behaviour
from local_azure.state import ids
from local_azure.state.access import Principal
from local_azure.state.account import Account, timestamp

# Connections of these kinds say nothing of credentials; the others say null.
_WITHOUT_CREDENTIALS = frozenset({"AAD", "None"})
# Which group a category is in. `group` is added by the service.
_AI = frozenset({"AzureOpenAI", "AIServices", "CognitiveService", "Serverless", "OpenAI"})


@dataclass(frozen=True, slots=True)
class Project:
    """A project of a Foundry account."""

    account: Account
    name: str
    created_at: datetime
    created_by: Principal
    is_default: bool = True
    display_name: str | None = None

    @property
    def id(self) -> str:
        """The resource id."""
        return f"{self.account.id}/projects/{self.name}"

    @behaviour(
        "a project: its name is `account/project`, the order of its keys, its endpoint; no "
        "displayName if it was given none",
        "data/recorded projects-02, account-get-07; fact 81",
        "recorded",
    )
    def wire(self) -> dict[str, Any]:
        """As ARM shows it."""
        sub = self.account.subdomain or self.account.name
        host = f"https://{sub}.services.ai.azure.com"
        return {
            "id": self.id,
            "name": f"{self.account.name}/{self.name}",
            "type": f"{ids.ACCOUNT_TYPE}/projects",
            "etag": self.account.etag,
            "location": self.account.location,
            "kind": "AIServices",
            "properties": {
                "endpoints": {"AI Foundry API": f"{host}/api/projects/{self.name}"},
                **({} if self.display_name is None else {"displayName": self.display_name}),
                "isDefault": self.is_default,
                "internalId": ids.guid("project", self.id).replace("-", ""),
                "provisioningState": "Succeeded",
            },
            "identity": {
                "principalId": ids.guid("project identity", self.id),
                "tenantId": self.created_by.tenant_id,
                "type": "SystemAssigned",
            },
            "systemData": {
                "createdBy": self.created_by.signature,
                "createdByType": self.created_by.kind,
                "createdAt": timestamp(self.created_at, self.id, trim=True),
                "lastModifiedBy": self.created_by.signature,
                "lastModifiedByType": self.created_by.kind,
                "lastModifiedAt": timestamp(self.created_at, self.id, trim=True),
            },
        }


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection of an account or a project (`home`) to something else (`target`)."""

    home: str
    name: str
    category: str
    auth_type: str
    target: str
    metadata: Mapping[str, str]
    created_at: datetime
    created_by: Principal

    @property
    def of_project(self) -> bool:
        """Whether it was made on a project."""
        return "/projects/" in self.home.lower()

    @behaviour(
        "a connection: the order of its keys, tags and location null, shared to all if it was made "
        "on the account; no credentials key for AAD, null for other kinds, never a secret",
        "data/recorded connections-02, -06, -09; facts 76 to 78; null for kinds that hold a key is "
        "inferred from ManagedIdentity's",
        "recorded",
    )
    def wire(self) -> dict[str, Any]:
        """As Azure ML shows it."""
        kind = "accounts/projects/connections" if self.of_project else "accounts/connections"
        at = timestamp(self.created_at, self.home + self.name)
        without = self.auth_type in _WITHOUT_CREDENTIALS
        return {
            "tags": None,
            "location": None,
            "id": f"{self.home}/connections/{self.name}",
            "name": self.name,
            "type": f"Microsoft.CognitiveServices/{kind}",
            "properties": {
                "authType": self.auth_type,
                **({} if without else {"credentials": None}),
                "group": "AzureAI" if self.category in _AI else "Azure",
                "category": self.category,
                "expiryTime": None,
                "target": self.target,
                "useWorkspaceManagedIdentity": False,
                "isSharedToAll": not self.of_project,
                "sharedUserList": [],
                "peRequirement": "NotRequired",
                "peStatus": "NotApplicable",
                "error": None,
                "isDefault": True,
                "metadata": dict(self.metadata),
            },
            "systemData": {
                "createdAt": at,
                "createdBy": self.created_by.signature,
                "createdByType": self.created_by.kind,
                "lastModifiedAt": at,
                "lastModifiedBy": self.created_by.signature,
                "lastModifiedByType": self.created_by.kind,
            },
        }


@dataclass(slots=True)
class Foundry:
    """All projects and connections."""

    projects: list[Project] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)

    def projects_of(self, account: Account) -> list[Project]:
        """Return the projects of an account."""
        return [p for p in self.projects if p.account.id == account.id]

    def project(self, account: Account, name: str) -> Project | None:
        """Return the project of that name, if there is one."""
        named = (p for p in self.projects_of(account) if p.name.lower() == name.lower())
        return next(named, None)

    def connections_of(self, home: str) -> list[Connection]:
        """Return the connections that were made on an account, or on a project."""
        return [c for c in self.connections if c.home.lower() == home.lower()]
