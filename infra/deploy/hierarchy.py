"""What is below the management group: only that is reached by the role and the deployment."""

from collections.abc import Iterable
from dataclasses import dataclass

from infra.deploy.azure_cli import rows_at
from infra.deploy.plan import Plan, rings_of, scope_of


@dataclass(frozen=True, slots=True)
class Needed:
    """A group or a subscription that has to be below, and what is wrong if it is not."""

    name: str
    problem: str


def hierarchy_problems(plan: Plan, needed: Iterable[Needed]) -> list[str]:
    """Name what of these is not below the management group; none where that can't be seen."""
    wanted = list(needed)
    below = names_below(plan.management_group) if wanted else None
    if below is None:
        return []
    return [place.problem for place in wanted if place.name.lower() not in below]


def needed_by_the_role(plan: Plan) -> list[Needed]:
    """Return what a plan lists that the role reaches only below the group."""
    swept = [
        (setting, name.strip())
        for setting in ("SWEEP_MANAGEMENT_GROUPS", "SWEEP_SUBSCRIPTIONS")
        for name in plan.settings.get(setting, "").split(",")
        if name.strip()
    ]
    listed = [*swept, *(("ENFORCE_SCOPES", ring.name) for ring in rings_of(plan))]
    return [
        Needed(
            name,
            f"{setting} lists {name!r}: it must be below management group {plan.management_group}, "
            "and you must be allowed to read it",
        )
        for setting, name in listed
    ]


def needed_by_the_deployment(plan: Plan) -> list[Needed]:
    """Return the Function's subscription, for main.bicep, which is deployed at the group.

    A deployment at a management group reaches the subscriptions below it alone. azd deploys into
    the subscription itself, and may have another one.
    """
    problem = (
        f"AZURE_SUBSCRIPTION_ID (subscriptionId) is {plan.subscription!r}: it must be below "
        f"management group {plan.management_group}; azd takes any subscription of the tenant"
    )
    return [Needed(plan.subscription, problem)] if plan.subscription else []


def names_below(management_group: str) -> set[str] | None:
    """Return the names of a group and of all below it, in lower case; None: can't be seen."""
    url = f"{scope_of(management_group)}/descendants?api-version=2020-05-01"
    rows = rows_at(url, "name")
    if rows is None:
        return None
    return {management_group.lower(), *(row["name"].lower() for row in rows)}
