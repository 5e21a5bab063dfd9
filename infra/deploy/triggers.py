"""After an upload: until Azure lists the function, its timer does not fire.

An upload that succeeded can leave an app without functions (azure-pipelines-tasks#22354,
functions-action#279), and a timer is known once the triggers were synchronised (azure-docs
PR#119193).
"""

from collections.abc import Callable
from datetime import UTC, datetime

from infra.deploy.azure_cli import CommandFailed, DeploymentStopped, az
from infra.deploy.command_lines import own_command
from infra.deploy.function_app import FUNCTION, FunctionApp
from infra.deploy.sweep_times import minutes_to_next, next_sweep

TRIES, PAUSE_SECONDS = 20, 15


def await_sweep_function(app: FunctionApp, sleep: Callable[[float], None]) -> None:
    """Have the triggers synchronised, and wait until the function is listed.

    Raises DeploymentStopped if it is not, or could not be seen, after five minutes.
    """
    said, listed = "", None
    for _ in range(TRIES):
        # A host that is only starting refuses; it is asked again.
        said = _synchronise(app) or said
        listed = app.lists_the_function()
        if listed:
            print(f"Azure lists the function {FUNCTION!r} of {app.name}.", flush=True)
            return
        sleep(PAUSE_SECONDS)
    if listed is None:
        raise DeploymentStopped(
            f"The package was taken, and whether Azure lists the function {FUNCTION!r} of "
            f"{app.name!r} could not be seen: without it its timer will not fire. {said}"
        )
    raise DeploymentStopped(
        f"The package was taken, and after {TRIES * PAUSE_SECONDS // 60} minutes Azure does not "
        f"list the function {FUNCTION!r}: its timer will not fire. {said}\n"
        "Look whether the host can reach its storage (a role that is minutes old may not have "
        "arrived: upload once more), whether the package was built by infra.package (it brings "
        "its packages for CPython 3.13), and in Application Insights at the host's exceptions."
    )


def _synchronise(app: FunctionApp) -> str:
    """Have the triggers synchronised. Returns what Azure says against it, if anything."""
    try:
        az("rest", "--method", "post", "--url", app.url("syncfunctiontriggers"))
    except CommandFailed as error:
        return f"To synchronising its triggers Azure says: {error.output}"
    return ""


def first_sweep(app: FunctionApp, schedule: str | None, now: datetime) -> str:
    """Say when the next sweep is, and how to see it. An empty schedule is the default one."""
    minutes = max(30, (minutes_to_next(schedule, now) or 0) + 15)
    verify = own_command(
        "verify",
        *("--subscription", app.subscription, "--resource-group", app.resource_group),
        *("--app", app.name, "--since", f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"),
        *("--wait", f"{minutes}m"),
    )
    return f"{next_sweep(schedule, now)} To see it:\n\n    {verify}\n"
