"""The part of a deployment at the management group: roles, their assignments, the guardrail."""

from collections.abc import Mapping

from infra.deploy.templates import TENANT_TEMPLATE

# Parameters of tenant.bicep, and azd's names for their values.
TENANT_PARAMETERS = {
    "environmentName": "AZURE_ENV_NAME",
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
        *("--name", tenant_deployment(environ["AZURE_ENV_NAME"])),
        *("--template-file", TENANT_TEMPLATE),
        *("--parameters", f"principalId={environ['PRINCIPAL_ID']}"),
        *(f"{name}={value}" for name, value in values.items()),
    ]


def tenant_deployment(environment: str) -> str:
    """Return the name of the deployment of tenant.bicep at the management group."""
    return f"keysweep-tenant-{environment}"


def reader_role(environment: str, management_group: str) -> str:
    """Return the name of the role that reads, as tenant.bicep has it."""
    return f"Keysweep {environment} ({management_group})"


def writer_role(environment: str, management_group: str) -> str:
    """Return the name of the role that can write, as tenant.bicep has it."""
    return f"Keysweep {environment} writes ({management_group})"
