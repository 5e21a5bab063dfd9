"""Diagnostic settings of accounts, and the Log Analytics workspaces that they send to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local_azure.sources import behaviour
from local_azure.state import ids

# What an account can log [azure-monitor-docs reference/supported-logs].
CATEGORIES = ("Audit", "RequestResponse", "AzureOpenAIRequestUsage", "Trace")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A Log Analytics workspace.

    In the access mode of those made since 2019 a right to read a resource is one to read the
    resource's logs there; in the other (`by_workspace`) only a right on the workspace is.
    """

    subscription_id: str
    group: str
    name: str
    by_workspace: bool = False

    @property
    def id(self) -> str:
        """The resource id, spelled as created."""
        group = ids.group_scope(self.subscription_id, self.group)
        return f"{group}/providers/Microsoft.OperationalInsights/workspaces/{self.name}"


@dataclass(slots=True)
class DiagnosticSetting:
    """What is sent from an account to a workspace, or to a storage account, from when on."""

    name: str
    account_id: str
    categories: frozenset[str]
    since: datetime
    workspace: Workspace | None = None
    storage_id: str | None = None
    until: datetime | None = None  # it was taken away then

    @property
    def id(self) -> str:
        """Its resource id, of which Azure writes all but the names in lower case (fact 83)."""
        return f"{_half_lowered(self.account_id)}/providers/microsoft.insights/{_TYPE}/{self.name}"

    @behaviour(
        "a diagnostic setting lists all categories of logs, those not asked for as not enabled; "
        "destinations that are not set are null; its id is lower-cased but for the names",
        "data/recorded diagnostic-settings-01, -03; facts 83, 84",
        "recorded",
    )
    @behaviour(
        "a diagnostic setting of an account lists AllMetrics among its metrics, not enabled",
        "fact 84 says so of metrics; the one recording here is of a resource without any",
        "inferred",
    )
    def wire(self) -> dict[str, Any]:
        """As Azure Monitor shows it, in the recorded order of keys."""
        logs = [
            {
                "category": category,
                "categoryGroup": None,
                "enabled": category in self.categories,
                "retentionPolicy": {"enabled": False, "days": 0},
            }
            for category in CATEGORIES
        ]
        metrics = {
            "timeGrain": None,
            "category": "AllMetrics",
            "enabled": False,
            "retentionPolicy": {"enabled": False, "days": 0},
        }
        return {
            "id": self.id,
            "type": f"Microsoft.Insights/{_TYPE}",
            "name": self.name,
            "location": None,
            "kind": None,
            "tags": None,
            "properties": {
                "storageAccountId": self.storage_id,
                "serviceBusRuleId": None,
                "workspaceId": None if self.workspace is None else self.workspace.id,
                "eventHubAuthorizationRuleId": None,
                "eventHubName": None,
                "metrics": [metrics],
                "logs": logs,
                "logAnalyticsDestinationType": None,
            },
            "identity": None,
        }


_TYPE = "diagnosticSettings"


def _half_lowered(resource_id: str) -> str:
    """`/subscriptions/…/resourcegroups/RG/providers/microsoft.cognitiveservices/accounts/Name`."""
    parts = resource_id.split("/")
    names = {4, 8}  # the resource group's and the account's
    return "/".join(part if n in names else part.lower() for n, part in enumerate(parts))


@dataclass(slots=True)
class Diagnostics:
    """All settings that there are or were, and all workspaces."""

    workspaces: dict[str, Workspace] = field(default_factory=dict)
    _settings: list[DiagnosticSetting] = field(default_factory=list)

    def add(self, setting: DiagnosticSetting) -> None:
        """Let an account log."""
        self._settings.append(setting)

    def all(self) -> list[DiagnosticSetting]:
        """Return all settings that there are or were."""
        return list(self._settings)

    def of(self, account_id: str) -> list[DiagnosticSetting]:
        """Return the settings that an account ever had."""
        return [s for s in self._settings if s.account_id.lower() == account_id.lower()]

    def in_force(self, account_id: str, now: datetime) -> list[DiagnosticSetting]:
        """Return the settings that an account has."""
        return [
            s for s in self.of(account_id) if s.since <= now and (s.until is None or now < s.until)
        ]

    def sent_to(self, workspace: Workspace) -> Iterator[DiagnosticSetting]:
        """Return the settings, past ones too, that send to a workspace."""
        return (s for s in self._settings if s.workspace == workspace)
