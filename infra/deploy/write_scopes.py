"""Where the role that can write is assigned."""

from infra.deploy.plan import Plan, rings_of, scope_of


def write_scopes(plan: Plan) -> set[str]:
    """Return the scopes at which a plan assigns the role that can write, in lower case."""
    if plan.settings.get("SWEEP_MODE", "").strip().lower() != "enforce":
        return set()
    rings = rings_of(plan)
    if not rings:
        return {plan.where.lower()}
    return {scope_of(r.key).lower() if r.is_group else f"/subscriptions/{r.key}" for r in rings}
