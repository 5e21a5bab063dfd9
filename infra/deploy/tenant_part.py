"""The part of a deployment at the management group: roles, their assignments, the guardrail."""

from collections.abc import Mapping

from infra.deploy.plan import Plan, plan_of
from infra.deploy.templates import TENANT_TEMPLATE

# Parameters of tenant.bicep, and azd's names for their values.
TENANT_PARAMETERS = {
    "environmentName": "AZURE_ENV_NAME",
    "subscriptionId": "AZURE_SUBSCRIPTION_ID",
    "location": "AZURE_LOCATION",
    "sweepMode": "SWEEP_MODE",
    "sweepKinds": "SWEEP_KINDS",
    "sweepExcludeSubscriptions": "SWEEP_EXCLUDE_SUBSCRIPTIONS",
    "exemptionTag": "EXEMPTION_TAG",
    "exemptionInherit": "EXEMPTION_INHERIT",
    "enforceScopes": "ENFORCE_SCOPES",
    "sweepManagementGroups": "SWEEP_MANAGEMENT_GROUPS",
    "ownerTags": "OWNER_TAGS",
    "guardrail": "KEYSWEEP_GUARDRAIL",
}


def tenant_command(environ: Mapping[str, str]) -> list[str]:
    """Return the command that deploys role, assignment and guardrail at the management group."""
    values = {
        name: environ[variable].strip()
        for name, variable in TENANT_PARAMETERS.items()
        if environ.get(variable, "").strip()
    }
    return [
        *("az", "deployment", "mg", "create"),
        *("--management-group-id", environ["AZURE_MANAGEMENT_GROUP_ID"]),
        *("--location", environ["AZURE_LOCATION"]),
        *("--name", tenant_deployment(plan_of(environ).installation)),
        *("--template-file", TENANT_TEMPLATE),
        *("--parameters", f"principalId={environ['PRINCIPAL_ID']}"),
        *(f"{name}={value}" for name, value in values.items()),
    ]


def tenant_deployment(installation: str) -> str:
    """Return the name of the deployment of tenant.bicep at the management group.

    The region is part of it: Azure refuses one of the same name in another (landing-zone facts:
    InvalidDeploymentLocation).
    """
    return f"keysweep-tenant-{installation}"


def reader_role(installation: str, management_group: str) -> str:
    """Return the name of the role that reads, as tenant.bicep has it."""
    return f"Keysweep {installation} ({management_group})"


def writer_role(installation: str, management_group: str) -> str:
    """Return the name of the role that can write, as tenant.bicep has it."""
    return f"Keysweep {installation} writes ({management_group})"


def policy_names(installation: str) -> tuple[str, str]:
    """Return the names of the definitions that judge and that modify, as guardrail.bicep has it."""
    return f"keysweep-{installation}", f"keysweep-{installation}-modify"


def wanted_policy(plan: Plan) -> str | None:
    """Return the name of the definition that a plan's guardrail is, None if it is off."""
    judges, modifies = policy_names(plan.installation)
    match plan.guardrail.lower():
        case "off":
            return None
        case "modify":
            return modifies
        case _:
            return judges
