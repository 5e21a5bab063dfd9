"""What Azure itself keeps of deployments at a management group: the record of where roles are.

Every machine reads the same there. What is no more in it Resource Graph may still know.
"""

from collections.abc import Mapping
from typing import Any

from infra.deploy.azure_cli import CommandFailed, az
from infra.deploy.group_contents import Role, listed
from infra.deploy.placement import plain_region
from infra.deploy.plan import plan_of, write_scopes
from infra.deploy.resource_graph import scopes_of_role
from infra.deploy.tenant_part import TENANT_PARAMETERS, tenant_deployment


def records_of(management_group: str, installation: str) -> list[Mapping[str, Any]]:
    """Return the deployments of tenant.bicep that an installation made at a group.

    Raises CommandFailed if that can't be seen.
    """
    found = listed("deployment", "mg", "--management-group-id", management_group)
    # With main.bicep the region in the name is that of the deployment, wherever the Function is.
    environment, region, subscription = _parts(installation)
    beginning, end = tenant_deployment(f"{environment}-").lower(), f"-{subscription}"
    return [
        record
        for record in found
        if record["name"].lower().startswith(beginning)
        and record["name"].lower().endswith(end)
        and "-" not in record["name"][len(beginning) : -len(end)]
        and _function_region(record) in {region, None}
    ]


def _function_region(record: Mapping[str, Any]) -> str | None:
    """Return the region that a deployment was given for the Function; None if that isn't known."""
    given = (record["properties"].get("parameters") or {}).get("location") or {}
    return plain_region(str(given["value"])) if "value" in given else None


def _parts(installation: str) -> tuple[str, str, str]:
    """Take an installation's name apart: environment, which may have hyphens, region, id."""
    rest, _, subscription = installation.lower().rpartition("-")
    environment, _, region = rest.rpartition("-")
    return environment, region, subscription


def assigned_scopes(role: Role, management_group: str, installation: str) -> set[str]:
    """Return the scopes at which the role that can write may be assigned, in lower case.

    By the records of deployments, and by Resource Graph where these are no more. Raises
    CommandFailed if the records can't be seen.
    """
    recorded = {
        scope
        for record in records_of(management_group, installation)
        for scope in _scopes_of(record, management_group)
    }
    seen = scopes_of_role(role.id)
    if seen is None:
        print(f"Where {role.name!r} is assigned can't be seen, but for what records say.")
    return recorded | (seen or set())


def _scopes_of(record: Mapping[str, Any], management_group: str) -> set[str]:
    """Return where one assigned it: one that failed may have done so wherever it was to."""
    # The CLI changes the letter case of outputs.
    outputs = {
        name.upper(): output for name, output in (record["properties"]["outputs"] or {}).items()
    }
    if "WRITE_SCOPES" in outputs:
        return {str(scope).lower() for scope in outputs["WRITE_SCOPES"]["value"]}
    given = record["properties"].get("parameters") or {}
    wanted = {
        variable: str(given.get(name, {}).get("value", ""))
        for name, variable in TENANT_PARAMETERS.items()
    }
    there = {"AZURE_TENANT_ID": _signed_in_tenant(), "AZURE_MANAGEMENT_GROUP_ID": management_group}
    return write_scopes(plan_of({**wanted, **there}))


def _signed_in_tenant() -> str:
    """Return the tenant that `az` is signed in to, empty if to none."""
    try:
        return str(az("account", "show")["tenantId"])
    except CommandFailed:
        return ""
