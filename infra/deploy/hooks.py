"""What azd's hooks do (see azure.yaml). They read azd's environment.

azd runs them in this order (its source at ae35809f, 2026-08-21: cmd/up.go,
cmd/middleware/hooks.go, internal/cmd/up_graph.go). `azd up`: the environment's name is asked for,
then `preup`; then azd asks for what the environment lacks of subscription and parameters, which is
nothing any more; then `preprovision`, while the service's `prepackage` may run; provisioning;
`postprovision`; the upload; `postdeploy`. `azd provision` alone begins with `preprovision`, before
it asks itself; `azd deploy` alone ends with `postdeploy`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from infra.deploy.alert_interval import default_interval, fitting_interval, longest_gap
from infra.deploy.azure_checks import region_sku
from infra.deploy.azure_cli import DeploymentStopped, run
from infra.deploy.checks import check
from infra.deploy.command_lines import own_command, pasteable
from infra.deploy.function_app import FunctionApp
from infra.deploy.group_deployment import deploy, leave_groups
from infra.deploy.placement import IN_ONE_PLACE, VARIABLES, Placement
from infra.deploy.plan import SWEEP_INTERVAL, plan_of
from infra.deploy.questions import ASKED, answers_of
from infra.deploy.removal import remove, say_what_is_left
from infra.deploy.rights import rights_missing
from infra.deploy.tenant_part import tenant_command
from infra.deploy.triggers import await_sweep_function, first_sweep
from infra.deploy.upload_progress import FROM_THE_NETWORK

_DEPLOYED_AT = "KEYSWEEP_DEPLOYED_AT"
"""In azd's environment: the management group at which the role is."""


def prepare(environ: Mapping[str, str], now: datetime, ask: Callable[[str], str] | None) -> None:
    """Ask for what only the deployer can say, keep it in azd's environment, and check it all.

    For `preup`, and for `preprovision`, which finds nothing left to ask for after it. `ask` is None
    where nobody can answer. Raises DeploymentStopped.
    """
    answers = answers_of(environ, now, ask) if ask else {}
    answers |= _following({**environ, **answers})
    found = {**environ, **answers}
    plan = plan_of(found)
    check(plan, found)
    if answers:
        run("azd", "env", "set", *(f"{name}={value}" for name, value in answers.items()))
    if plan.placement.is_private:
        print(f"The app will be private: {FROM_THE_NETWORK} From elsewhere uploads answer 403.")
    lacking = rights_missing(plan)
    where = f"management group {plan.management_group}"
    if lacking is None:
        print(f"Your rights at {where} can't be seen; Azure will judge when the role is made.")
    elif lacking:
        print(
            f"You lack {', '.join(lacking)} at {where}. The Function is deployed now; "
            "then this stops, with the command for somebody who has them."
        )


def _following(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what follows from the other values, where the environment has something else."""
    plan, following = plan_of(environ), {}
    gap = longest_gap(plan.settings)
    fits = fitting_interval(gap) if gap is not None else None
    if fits and fits != (environ.get(SWEEP_INTERVAL) or default_interval()):
        following[SWEEP_INTERVAL] = fits
    # Once: a storage account can't be moved.
    if not environ.get(VARIABLES["storageSku"]) and region_sku(plan) == IN_ONE_PLACE:
        following[VARIABLES["storageSku"]] = IN_ONE_PLACE
    return following


def postprovision(environ: Mapping[str, str], sleep: Callable[[float], None]) -> None:
    """Deploy the tenant's part. Raises DeploymentStopped, with the commands for who may run them.

    First of all it is taken away from the rings that are no more, and from management groups that
    were swept before this one.
    """
    missing = [
        name
        for name in (*ASKED, "AZURE_ENV_NAME", "PRINCIPAL_ID")
        if not environ.get(name, "").strip()
    ]
    if missing:
        raise DeploymentStopped(
            f"{', '.join(missing)}: not set in azd's environment. `azd provision` sets them."
        )
    plan = plan_of(environ)
    leave_groups(plan, sleep, environ.get(_DEPLOYED_AT, "").strip())
    try:
        deploy(plan, [*tenant_command(environ), "--output", "none"], sleep)
    except DeploymentStopped as stopped:
        raise DeploymentStopped(
            f"The Function is there; its role is not. {stopped}When that is done, go on with "
            "`azd deploy`."
        ) from stopped
    run("azd", "env", "set", _DEPLOYED_AT, plan.management_group)
    print(
        "The role is made and assigned. It can take minutes, and on the first day hours, to reach "
        "the identity: until then a sweep finds no subscriptions and says so; it mends itself."
    )


def postdeploy(environ: Mapping[str, str], now: datetime, sleep: Callable[[float], None]) -> None:
    """Wait until the app has its function, and say when it sweeps. Raises DeploymentStopped."""
    app = FunctionApp(
        environ.get("AZURE_SUBSCRIPTION_ID", ""),
        environ.get("RESOURCE_GROUP", ""),
        environ.get("FUNCTION_APP_NAME", ""),
    )
    await_sweep_function(app, sleep)
    print(first_sweep(app, environ.get("SWEEP_SCHEDULE", ""), now))


def predown(environ: Mapping[str, str]) -> None:
    """Stop azd where it would delete what is not ours. Raises DeploymentStopped."""
    placement = Placement.of_environment(environ)
    if not placement.group_exists:
        return
    plan, group = plan_of(environ), placement.text("resourceGroupName")
    where = ("--subscription", plan.subscription)
    # `az` takes no tag together with a group (azure-cli, resource/custom.py).
    shown = "[].{name:name,group:resourceGroup,type:type,application:tags.application}"
    tag = f"azd-env-name={plan.environment}"
    tagged = ("--tag", tag, "--query", shown, "--output", "table")
    listing = pasteable(["az", "resource", "list", *where, *tagged])
    removal = own_command(
        *("remove", "--environment", plan.environment, "--installation", plan.installation),
        *("--management-group", plan.management_group, *where),
    )
    raise DeploymentStopped(
        f"Nothing was removed. `azd down` would delete resource group {group} with all that is in "
        "it, and it was there before Keysweep. Of what this lists, Keysweep's is what is in that "
        "group with application `keysweep`:\n\n"
        f"    {listing}\n\n"
        f"Delete that, and then take the tenant's part away:\n\n    {removal}"
    )


def postdown(environ: Mapping[str, str], sleep: Callable[[float], None]) -> None:
    """Take the tenant's part of azd's environment away. Raises DeploymentStopped."""
    plan = plan_of(environ)
    # An environment that was never provisioned has none.
    if plan.management_group and plan.subscription:
        # Without a region it is no name yet: then it is looked for.
        name = plan.installation if plan.location else None
        if name:
            # The group may have been changed in azd's environment, and not been deployed to.
            leave_groups(plan, sleep, environ.get(_DEPLOYED_AT, "").strip())
        remove(plan.management_group, plan.environment, sleep, name)
        say_what_is_left(plan.environment, plan.subscription)
