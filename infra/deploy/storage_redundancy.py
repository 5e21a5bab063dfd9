"""How the region can keep storage. Reads only."""

from infra.deploy.azure_cli import CommandFailed, az
from infra.deploy.plan import Plan
from infra.placement import IN_ONE_PLACE, VARIABLES, ZONE_REDUNDANT, fitting_sku


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
    try:
        return fitting_sku(az("rest", "--method", "get", "--url", url)["value"], plan.location)
    except (CommandFailed, KeyError, TypeError):
        return None
