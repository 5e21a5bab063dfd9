"""What somebody wants to deploy, read from azd's environment or from a parameter file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.deploy.azure_cli import az
from infra.deploy.placement import Placement, plain_region
from shared.core.errors import SettingsError
from shared.core.rings import Ring
from shared.core.settings import SETTINGS, read_settings

PLACEHOLDERS = {
    "AZURE_CLIENT_ID": "",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={'0' * 36}",
}
"""Values of the two settings that come from resources which the deployment makes."""

SWEEP_INTERVAL = "KEYSWEEP_ALERT_SWEEP_INTERVAL"


def scope_of(management_group: str) -> str:
    """Return the resource id of a management group."""
    return f"/providers/Microsoft.Management/managementGroups/{management_group}"


def installation_name(environment: str, location: str, subscription: str) -> str:
    """Return the name of an installation, made as tenant.bicep makes it."""
    return f"{environment}-{plain_region(location)}-{subscription[:8].lower()}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What somebody wants to deploy: product settings by name, and where."""

    settings: Mapping[str, str]
    management_group: str
    location: str
    guardrail: str = "off"
    # Empty: not known yet. azd asks for it after the checks, the first time.
    subscription: str = ""
    environment: str = ""
    # How far apart the alerts think that two sweeps are. Empty: the template's default.
    sweep_interval: str = ""
    placement: Placement = field(default_factory=Placement)

    @property
    def where(self) -> str:
        """The scope that carries the role."""
        return scope_of(self.management_group)

    @property
    def installation(self) -> str:
        """What tells this deployment from others at the same group."""
        return installation_name(self.environment, self.location, self.subscription)


def plan_of(environ: Mapping[str, str]) -> Plan:
    """Read what azd's environment wants deployed."""
    return Plan(
        settings={setting.name: environ.get(setting.name, "") for setting in SETTINGS},
        management_group=environ.get("AZURE_MANAGEMENT_GROUP_ID", "").strip(),
        location=environ.get("AZURE_LOCATION", "").strip(),
        guardrail=environ.get("KEYSWEEP_GUARDRAIL", "").strip() or "off",
        subscription=environ.get("AZURE_SUBSCRIPTION_ID", "").strip(),
        environment=environ.get("AZURE_ENV_NAME", "").strip(),
        sweep_interval=environ.get(SWEEP_INTERVAL, "").strip(),
        placement=Placement.of_environment(environ),
    )


def plan_of_file(path: str, management_group: str) -> Plan:
    """Read what a parameter file wants deployed: the Bicep CLI reads it. Raises CommandFailed."""
    answer = az("bicep", "build-params", "--file", path, "--stdout")
    parameters = json.loads(answer["parametersJson"])["parameters"]
    values = {name: parameter["value"] for name, parameter in parameters.items()}

    def text(name: str) -> str:
        match values.get(name):
            case None:
                return ""
            case bool() as value:
                return str(value).lower()
            case value:
                return str(value)

    settings = {setting.name: text(parameter_of(setting.name)) for setting in SETTINGS}
    return Plan(
        settings,
        management_group,
        text("location"),
        text("guardrail") or "off",
        text("subscriptionId"),
        text("environmentName"),
        text("alertSweepInterval"),
        Placement(text("environmentName"), values),
    )


def parameter_of(setting: str) -> str:
    """Return the template's parameter for a setting: SWEEP_MODE is sweepMode."""
    first, *rest = setting.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)


def rings_of(plan: Plan) -> tuple[Ring, ...]:
    """Return the rings of a plan, told apart as the Function does it; none if it is wrong."""
    groups = plan.settings.get("SWEEP_MANAGEMENT_GROUPS", "").strip() or plan.management_group
    if plan.settings.get("SWEEP_SUBSCRIPTIONS", "").strip():
        groups = ""
    try:
        found = read_settings({**plan.settings, **PLACEHOLDERS, "SWEEP_MANAGEMENT_GROUPS": groups})
    except SettingsError:
        return ()
    return found.enforce_scopes


def write_scopes(plan: Plan) -> set[str]:
    """Return the scopes at which a plan assigns the role that can write, in lower case."""
    if plan.settings.get("SWEEP_MODE", "").strip().lower() != "enforce":
        return set()
    rings = rings_of(plan)
    if not rings:
        return {plan.where.lower()}
    return {
        (scope_of(ring.key) if ring.is_group else f"/subscriptions/{ring.key}").lower()
        for ring in rings
    }
