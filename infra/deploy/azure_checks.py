"""Judges what is to be deployed by what Azure knows. Reads only."""

from collections.abc import Mapping, Sequence
from typing import Any

from infra.deploy.azure_cli import CommandFailed, az
from infra.deploy.hierarchy import scope_problems
from infra.deploy.network_checks import network_problems
from infra.deploy.plan import Plan
from infra.deploy.rights import SUBSCRIPTION_RIGHTS, lacking_rights
from infra.deploy.settings_checks import NO_GOVERNMENT
from infra.deploy.storage_redundancy import storage_problems
from infra.placement import VARIABLES


def azure_problems(plan: Plan, known: Sequence[str] = ()) -> list[str]:
    """Judge what Azure knows: sign-in, tenant, cloud, groups, region, rights. Reads only.

    `known` are the problems that were found without it.
    """
    try:
        account = az("account", "show")
    except CommandFailed as error:
        return [f"nobody is signed in: run `az login`. Azure CLI says: {error.output}"]
    problems = []
    # What is no tenant's id at all was said already.
    if "AZURE_TENANT_ID" not in " ".join(known):
        problems += tenant_problems(plan.settings.get("AZURE_TENANT_ID", "").strip(), account)
    if account["environmentName"] == "AzureUSGovernment":
        problems.append(f"`az` is set to AzureUSGovernment: {NO_GOVERNMENT}")
    problems += group_problems(plan.management_group)
    problems += region_problems(plan.location)
    problems += resource_group_problems(plan)
    problems += scope_problems(plan)
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
        region["name"].replace(" ", "").lower(): region["name"]
        for region in az("functionapp", "list-flexconsumption-locations")
    }
    if location.replace(" ", "").lower() in regions:
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
