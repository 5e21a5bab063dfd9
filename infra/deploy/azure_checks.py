"""Judges what is to be deployed by what Azure knows. Reads only."""

from collections.abc import Sequence

from infra.deploy.azure_cli import CommandFailed, az
from infra.deploy.hierarchy import scope_problems
from infra.deploy.network_checks import network_problems
from infra.deploy.plan import Plan
from infra.deploy.rights import SUBSCRIPTION_RIGHTS, lacking_rights
from infra.deploy.settings_checks import NO_GOVERNMENT
from infra.deploy.storage_redundancy import storage_problems


def azure_problems(plan: Plan, known: Sequence[str] = ()) -> list[str]:
    """Judge what Azure knows: sign-in, tenant, cloud, groups, region, rights. Reads only.

    `known` are the problems that were found without it.
    """
    try:
        account = az("account", "show")
    except CommandFailed as error:
        return [f"nobody is signed in: run `az login`. Azure CLI says: {error.output}"]
    problems = []
    home, cloud = plan.settings.get("AZURE_TENANT_ID", "").strip(), account["environmentName"]
    # What is no tenant's id at all was said already.
    if "AZURE_TENANT_ID" not in " ".join(known) and home.lower() != account["tenantId"].lower():
        problems.append(
            f"AZURE_TENANT_ID is {home!r}, and `az` is signed in to tenant {account['tenantId']}: "
            f"they must be the same; run `az login --tenant {home}`"
        )
    if cloud == "AzureUSGovernment":
        problems.append(f"`az` is set to AzureUSGovernment: {NO_GOVERNMENT}")
    try:
        az("account", "management-group", "show", "--name", plan.management_group)
    except CommandFailed as error:
        problems.append(
            f"AZURE_MANAGEMENT_GROUP_ID is {plan.management_group!r}: there is no such management "
            f"group, or you may not read it. Azure says: {error.output}"
        )
    regions = {
        region["name"].replace(" ", "").lower(): region["name"]
        for region in az("functionapp", "list-flexconsumption-locations")
    }
    if plan.location.replace(" ", "").lower() not in regions:
        allowed = ", ".join(sorted(regions.values()))
        problems.append(
            f"AZURE_LOCATION is {plan.location!r}: it must be a region with Flex Consumption: "
            f"{allowed}"
        )
    problems += scope_problems(plan)
    problems += network_problems(plan)
    problems += storage_problems(plan)
    if plan.subscription:
        lacking = lacking_rights(f"/subscriptions/{plan.subscription}", SUBSCRIPTION_RIGHTS)
        if lacking:
            problems.append(
                f"AZURE_SUBSCRIPTION_ID is {plan.subscription!r}: you lack {', '.join(lacking)} "
                "there; Owner has them, or Contributor with Role Based Access Control Administrator"
            )
    return problems
