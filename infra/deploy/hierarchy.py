"""What is below the management group: only that is reached by the role and the deployment."""

from infra.deploy.azure_cli import rows_at
from infra.deploy.plan import Plan, rings_of, scope_of


def scope_problems(plan: Plan) -> list[str]:
    """Name what is not below the management group; none where that can't be seen."""
    listed = _listed_below(plan)
    below = names_below(plan.management_group) if listed else None
    if below is None:
        return []
    return [
        f"{setting} lists {name!r}: it must be below management group {plan.management_group}, "
        "and you must be allowed to read it"
        for setting, name in listed
        if name.lower() not in below
    ]


def _listed_below(plan: Plan) -> list[tuple[str, str]]:
    """Return what a plan lists that the role reaches only below the group, with its setting."""
    swept = [
        (setting, name.strip())
        for setting in ("SWEEP_MANAGEMENT_GROUPS", "SWEEP_SUBSCRIPTIONS")
        for name in plan.settings.get(setting, "").split(",")
        if name.strip()
    ]
    return [*swept, *(("ENFORCE_SCOPES", ring.name) for ring in rings_of(plan))]


def place_problems(plan: Plan) -> list[str]:
    """Judge the Function's subscription for main.bicep, which is deployed at the group.

    A deployment at a management group reaches the subscriptions below it alone. azd deploys into
    the subscription itself, and may have another one.
    """
    below = names_below(plan.management_group) if plan.subscription else None
    if below is None or plan.subscription.lower() in below:
        return []
    problem = (
        f"AZURE_SUBSCRIPTION_ID (subscriptionId) is {plan.subscription!r}: it must be below "
        f"management group {plan.management_group}; azd takes any subscription of the tenant"
    )
    return [problem]


def names_below(management_group: str) -> set[str] | None:
    """Return the names of a group and of all below it, in lower case; None: can't be seen."""
    url = f"{scope_of(management_group)}/descendants?api-version=2020-05-01"
    rows = rows_at(url, "name")
    if rows is None:
        return None
    return {management_group.lower(), *(row["name"].lower() for row in rows)}
