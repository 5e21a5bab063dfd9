"""Judges what is to be deployed by what Azure knows. Reads only."""

from collections.abc import Mapping
from typing import Any

from infra.deploy.azure_cli import CommandFailed, az, rows_at
from infra.deploy.network_checks import network_problems
from infra.deploy.placement import (
    IN_ONE_PLACE,
    VARIABLES,
    ZONE_REDUNDANT,
    fitting_sku,
    plain_region,
)
from infra.deploy.plan import Plan
from infra.deploy.rights import SUBSCRIPTION_RIGHTS, lacking_rights
from infra.deploy.settings_checks import NO_GOVERNMENT, setting_problems


def azure_problems(plan: Plan) -> list[str]:
    """Judge what Azure knows: sign-in, tenant, cloud, group, region, storage, network, rights."""
    try:
        account = az("account", "show")
    except CommandFailed as error:
        return [f"nobody is signed in: run `az login`. Azure CLI says: {error.output}"]
    problems = []
    tenant = plan.settings.get("AZURE_TENANT_ID", "").strip()
    # What is no tenant's id at all is said without Azure.
    if tenant and not setting_problems("AZURE_TENANT_ID", tenant):
        problems += tenant_problems(tenant, account)
    if account["environmentName"] == "AzureUSGovernment":
        problems.append(f"`az` is set to AzureUSGovernment: {NO_GOVERNMENT}")
    problems += group_problems(plan.management_group)
    problems += region_problems(plan.location)
    problems += resource_group_problems(plan)
    problems += network_problems(plan)
    problems += storage_problems(plan)
    problems += subscription_problems(plan.subscription) if plan.subscription else []
    return problems


def tenant_problems(tenant: str, account: Mapping[str, Any]) -> list[str]:
    """Judge the home tenant by the one that `az` is signed in to."""
    if tenant.lower() == account["tenantId"].lower():
        return []
    problem = (
        f"AZURE_TENANT_ID is {tenant!r}, and `az` is signed in to tenant {account['tenantId']}: "
        f"they must be the same; run `az login --tenant {tenant}`"
    )
    return [problem]


def group_problems(management_group: str) -> list[str]:
    """Judge whether a management group is there."""
    try:
        az("account", "management-group", "show", "--name", management_group)
    except CommandFailed as error:
        problem = (
            f"AZURE_MANAGEMENT_GROUP_ID is {management_group!r}: there is no such management "
            f"group, or you may not read it. Azure says: {error.output}"
        )
        return [problem]
    return []


def region_problems(location: str) -> list[str]:
    """Judge whether a region has Flex Consumption."""
    regions = {
        plain_region(region["name"]): region["name"]
        for region in az("functionapp", "list-flexconsumption-locations")
    }
    if plain_region(location) in regions:
        return []
    allowed = ", ".join(sorted(regions.values()))
    problem = (
        f"AZURE_LOCATION is {location!r}: it must be a region with Flex Consumption: {allowed}"
    )
    return [problem]


def resource_group_problems(plan: Plan) -> list[str]:
    """Judge whether the resource group is ours to make; none where that can't be seen.

    A template that makes it would replace its tags, and `azd down` would delete all that is in it.
    """
    name = plan.placement.text("resourceGroupName") or f"rg-keysweep-{plan.environment}"
    if plan.placement.group_exists or not plan.subscription:
        return []
    try:
        group = az("group", "show", "--subscription", plan.subscription, "--name", name)
    except CommandFailed:
        return []
    if (group.get("tags") or {}).get("azd-env-name") == plan.environment:
        return []
    problem = (
        f"{VARIABLES['resourceGroupExists']} (resourceGroupExists) is not true, and resource group "
        f"{name!r} is there already, made by somebody else: it must be true, or the group another"
    )
    return [problem]


def subscription_problems(subscription: str) -> list[str]:
    """Judge your rights in the Function's subscription; none where they can't be seen."""
    lacking = lacking_rights(f"/subscriptions/{subscription}", SUBSCRIPTION_RIGHTS)
    if not lacking:
        return []
    problem = (
        f"AZURE_SUBSCRIPTION_ID is {subscription!r}: you lack {', '.join(lacking)} there; Owner "
        "has them, or Contributor with Role Based Access Control Administrator"
    )
    return [problem]


def storage_problems(plan: Plan) -> list[str]:
    """Name zones that the region does not have; none where that can't be seen."""
    wanted = plan.placement.text("storageSku") or ZONE_REDUNDANT
    if wanted != ZONE_REDUNDANT or region_sku(plan) != IN_ONE_PLACE:
        return []
    problem = (
        f"{VARIABLES['storageSku']} (storageSku) is {wanted!r}, and {plan.location} has no zones "
        f"for storage: it must be {IN_ONE_PLACE}"
    )
    return [problem]


def region_sku(plan: Plan) -> str | None:
    """Return how storage can be kept in the region of a plan; None if that can't be seen."""
    provider = f"/subscriptions/{plan.subscription}/providers/Microsoft.Storage"
    url = f"{provider}/skus?api-version=2024-01-01"
    rows = rows_at(url)
    return None if rows is None else fitting_sku(rows, plan.location)
