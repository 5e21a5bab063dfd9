"""The Function App in Azure, and what is read of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.deploy.azure_cli import CommandFailed, DeploymentStopped, az, rows_at

_API = "api-version=2024-04-01"
FUNCTION = "sweep"
"""The name of the one function, in function_app.py."""
METRICS_PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"
"""The id of the built-in role Monitoring Metrics Publisher, which sends telemetry."""


@dataclass(frozen=True, slots=True)
class FunctionApp:
    """A Function App, by its names."""

    subscription: str
    resource_group: str
    name: str

    @property
    def where(self) -> tuple[str, ...]:
        """The options of `az` that name its group."""
        return ("--subscription", self.subscription, "--resource-group", self.resource_group)

    def url(self, part: str) -> str:
        """Return the address of a part of the app at Azure Resource Manager."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Web/sites/{self.name}/{part}?{_API}"
        )

    def site(self) -> Mapping[str, Any]:
        """Return the app as Azure has it. Raises CommandFailed."""
        site: Mapping[str, Any] = az("functionapp", "show", *self.where, "--name", self.name)
        # Newer versions of the CLI keep Azure's own form.
        return {**(site.get("properties") or {}), **site}

    def settings(self) -> dict[str, str] | None:
        """Return the app settings; None if they can't be seen."""
        listing = ("functionapp", "config", "appsettings", "list")
        try:
            rows = az(*listing, *self.where, "--name", self.name)
            return {row["name"]: str(row["value"]) for row in rows}
        except (CommandFailed, KeyError, TypeError):
            return None

    def lists_the_function(self) -> bool | None:
        """Whether Azure lists the function; None if that can't be seen."""
        rows = rows_at(self.url("functions"), "name")
        if rows is None:
            return None
        return any(row["name"].rpartition("/")[2] == FUNCTION for row in rows)

    def scm(self) -> str:
        """Return the address of the app's deployment endpoint. Raises DeploymentStopped."""
        for state in self.site()["hostNameSslStates"]:
            if state["hostType"] == "Repository":
                return f"https://{state['name']}"
        raise DeploymentStopped(
            f"{self.name} has no deployment endpoint: is it the Function App's name?"
        )


def may_publish(site: Mapping[str, Any], component: str) -> bool | None:
    """Whether an app's identity may send telemetry to a component; None if that can't be seen."""
    identities = (site.get("identity") or {}).get("userAssignedIdentities") or {}
    try:
        principals = {identity["principalId"] for identity in identities.values()}
        rows = az("role", "assignment", "list", "--scope", component, "--include-inherited")
        return any(
            row["roleDefinitionId"].lower().endswith(METRICS_PUBLISHER)
            and row["principalId"] in principals
            for row in rows
        )
    except (CommandFailed, KeyError, TypeError):
        return None
