"""All checks together: nothing is deployed before they have passed."""

from collections.abc import Mapping

from infra.deploy.alert_interval import schedule_problems
from infra.deploy.azure_checks import azure_problems
from infra.deploy.azure_cli import DeploymentStopped
from infra.deploy.hierarchy import (
    hierarchy_problems,
    needed_by_the_deployment,
    needed_by_the_role,
)
from infra.deploy.parameter_checks import parameter_problems
from infra.deploy.plan import Plan
from infra.deploy.settings_checks import plan_problems
from shared.core.settings import unknown_names


def check(plan: Plan, environ: Mapping[str, str] | None = None) -> None:
    """Refuse what Azure, the host or the product would refuse later. Raises DeploymentStopped.

    `environ`: azd's environment, where azd deploys. (The compiler judges a parameter file.)
    """
    problems = [*unknown_names(environ or {}), *plan_problems(plan), *schedule_problems(plan)]
    # What is no value for the product is said once.
    named = {problem.partition(" is ")[0] for problem in problems}
    more = parameter_problems(environ or {})
    problems += [problem for problem in more if problem.partition(" is ")[0] not in named]
    if plan.management_group:
        problems += azure_problems(plan)
        place = needed_by_the_deployment(plan) if environ is None else []
        problems += hierarchy_problems(plan, [*needed_by_the_role(plan), *place])
    if problems:
        raise DeploymentStopped(
            "Nothing was deployed. To mend first:\n"
            + "\n".join(f"- {problem}" for problem in problems)
        )
