"""Judges the company's subnets and what Flex Consumption needs for them. Reads only."""

from infra.deploy.azure_cli import CommandFailed, az
from infra.deploy.placement import VARIABLES, subnet_problems
from infra.deploy.plan import Plan
from infra.deploy.rights import lacking_rights

_SUBNET_RIGHTS = ("Microsoft.Network/virtualNetworks/subnets/join/action",)

_ZONE_RIGHTS = ("Microsoft.Network/privateDnsZones/join/action",)


def network_problems(plan: Plan) -> list[str]:
    """Judge the company's subnet and what Flex Consumption needs for one."""
    if not plan.placement.is_private:
        return []
    return [*_provider_problems(plan), *_subnet_problems(plan), *_join_problems(plan)]


def _join_problems(plan: Plan) -> list[str]:
    """Name what of the company's you may not join; none where that can't be seen."""
    needed = {
        "functionSubnetId": _SUBNET_RIGHTS,
        "endpointSubnetId": _SUBNET_RIGHTS,
        "blobDnsZoneId": _ZONE_RIGHTS,
        "sitesDnsZoneId": _ZONE_RIGHTS,
    }
    given = [(name, plan.placement.text(name)) for name in needed if plan.placement.text(name)]
    return [
        f"{VARIABLES[name]} ({name}) is {scope!r}: you lack {', '.join(lacking)} there"
        for name, scope in given
        if (lacking := lacking_rights(scope, needed[name]))
    ]


def _provider_problems(plan: Plan) -> list[str]:
    """Name the resource provider that the delegation needs; none where that can't be seen."""
    where = ("--subscription", plan.subscription) if plan.subscription else ()
    try:
        provider = az("provider", "show", "--namespace", "Microsoft.App", *where)
    except CommandFailed:
        return []
    if provider["registrationState"] == "Registered":
        return []
    problem = (
        "KEYSWEEP_NETWORK is 'private', and provider Microsoft.App is "
        f"{provider['registrationState']}: it must be registered; run `az provider register "
        "--namespace Microsoft.App`"
    )
    return [problem]


def _subnet_problems(plan: Plan) -> list[str]:
    subnet_id = plan.placement.text("functionSubnetId")
    if not subnet_id:
        return []
    try:
        subnet = az("network", "vnet", "subnet", "show", "--ids", subnet_id)
        network = az("network", "vnet", "show", "--ids", subnet_id.partition("/subnets/")[0])
    except CommandFailed as error:
        problem = (
            f"{VARIABLES['functionSubnetId']} is {subnet_id!r}: there is no such subnet, or you "
            f"may not read it. Azure says: {error.output}"
        )
        return [problem]
    return subnet_problems(subnet, network["location"], plan.location)
