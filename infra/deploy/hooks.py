"""What azd's hooks do (see azure.yaml). They read azd's environment."""

import shlex
from collections.abc import Callable, Mapping
from datetime import datetime

from infra.deploy.alert_interval import default_interval, fitting_interval, longest_gap
from infra.deploy.azure_cli import CommandFailed, DeploymentStopped, run
from infra.deploy.checks import check
from infra.deploy.plan import SWEEP_INTERVAL, Plan, plan_of
from infra.deploy.questions import ASKED, answers_of
from infra.deploy.removal import remove
from infra.deploy.rights import rights_missing
from infra.deploy.storage_redundancy import region_sku
from infra.deploy.tenant_part import tenant_command, writer_role
from infra.deploy.write_scopes import withdrawals
from infra.placement import IN_ONE_PLACE, VARIABLES, Placement

_DEPLOYED_AT = "KEYSWEEP_DEPLOYED_AT"
"""In azd's environment: the management group at which the role is."""


def preprovision(
    environ: Mapping[str, str], now: datetime, ask: Callable[[str], str] | None
) -> None:
    """Ask for what only the deployer can say, keep it in azd's environment, and check it all.

    `ask` is None where nobody can answer. Raises DeploymentStopped.
    """
    answers = answers_of(environ, now, ask) if ask else {}
    found = {**environ, **answers}
    # azd asks for the location later than this hook runs, the first time.
    if not found.get("AZURE_LOCATION") and ask:
        answers["AZURE_LOCATION"] = ask("Region (AZURE_LOCATION), such as westeurope: ").strip()
        found |= answers
    # The alerts follow the schedule by themselves.
    gap = longest_gap(plan_of(found).settings)
    fits = fitting_interval(gap) if gap is not None else None
    if fits and fits != (found.get(SWEEP_INTERVAL) or default_interval()):
        answers[SWEEP_INTERVAL] = fits
        found |= answers
    # So does storage the region, once: an account can't be moved.
    if not found.get(VARIABLES["storageSku"]) and region_sku(plan_of(found)) == IN_ONE_PLACE:
        answers[VARIABLES["storageSku"]] = IN_ONE_PLACE
        found |= answers
    plan = plan_of(found)
    check(plan, found)
    for name, value in answers.items():
        run("azd", "env", "set", name, value)
    lacking = rights_missing(plan)
    where = f"management group {plan.management_group}"
    if lacking is None:
        print(f"Your rights at {where} can't be seen; Azure will judge when the role is made.")
    elif lacking:
        print(
            f"You lack {', '.join(lacking)} at {where}. The Function is deployed now; "
            "then this stops, with the command for somebody who has them."
        )


def postprovision(environ: Mapping[str, str]) -> None:
    """Deploy the tenant's part. Raises DeploymentStopped, with the commands for who may run them.

    First of all it is taken away from the rings that are no more, and from the management group
    that was swept before this one.
    """
    missing = [
        name
        for name in (*ASKED, "AZURE_ENV_NAME", "AZURE_LOCATION", "PRINCIPAL_ID")
        if not environ.get(name, "").strip()
    ]
    if missing:
        raise DeploymentStopped(
            f"{', '.join(missing)}: not set in azd's environment. `azd provision` sets them."
        )
    plan = plan_of(environ)
    before = environ.get(_DEPLOYED_AT, "").strip()
    if before and before.lower() != plan.management_group.lower():
        remove(before, plan.environment)
    commands = [tenant_command(environ)]
    try:
        commands = [*withdrawals(plan), *commands]
        while commands:
            run(*commands[0], "--output", "none")
            commands = commands[1:]
    except CommandFailed as error:
        left = "\n".join(f"    {shlex.join(command)}" for command in commands)
        raise DeploymentStopped(
            f"The Function is there; its role is not. Azure says: {error.output}\n\n"
            "Somebody with Owner, or User Access Administrator and Resource Policy Contributor, at "
            f"management group {plan.management_group} runs this here:\n\n{left}\n\n"
            f"{_unseen(plan, error)}When that is done, go on with `azd deploy`."
        ) from error
    run("azd", "env", "set", _DEPLOYED_AT, plan.management_group)
    print(
        "The role is made and assigned. It can take minutes, and on the first day hours, to reach "
        "the identity: until then a sweep finds no subscriptions and says so; it mends itself."
    )


def _unseen(plan: Plan, error: CommandFailed) -> str:
    """Say, if it could not be seen where the role was assigned before, what to look for."""
    if "show" not in error.command and "list" not in error.command:
        return ""
    role = writer_role(plan.environment, plan.management_group)
    return (
        f"Where role {role!r} was assigned before could not be seen: its assignments at what is no "
        "ring any more have to be deleted, too. "
    )


def predown(environ: Mapping[str, str]) -> None:
    """Stop azd where it would delete what is not ours. Raises DeploymentStopped."""
    placement = Placement.of_environment(environ)
    if not placement.group_exists:
        return
    group, environment = placement.text("resourceGroupName"), placement.environment
    listed = f"az resource list --resource-group {shlex.quote(group)}"
    raise DeploymentStopped(
        f"Nothing was removed. `azd down` would delete resource group {group} with all that is in "
        "it, and it was there before Keysweep. What is Keysweep's there has a tag:\n\n"
        f"    {listed} --tag azd-env-name={environment} --output table\n\n"
        "Delete that, and then take the tenant's part away:\n\n"
        f"    setup/python.sh -m infra.deploy remove --environment {environment} "
        f"--management-group {environ.get('AZURE_MANAGEMENT_GROUP_ID', '')}"
    )


def postdown(environ: Mapping[str, str]) -> None:
    """Take the tenant's part of azd's environment away. Raises DeploymentStopped."""
    group = environ.get("AZURE_MANAGEMENT_GROUP_ID", "").strip()
    # An environment that was never provisioned has none.
    if group:
        remove(group, environ["AZURE_ENV_NAME"])
