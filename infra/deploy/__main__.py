"""Prepares a deployment, finishes it, shows that it works, and takes it away.

    python -m infra.deploy check --management-group ID --parameters FILE.bicepparam
    python -m infra.deploy create --management-group ID --parameters FILE.bicepparam
    python -m infra.deploy withdraw --management-group ID --parameters FILE.bicepparam
    python -m infra.deploy upload --subscription ID --resource-group NAME --app NAME
    python -m infra.deploy verify --subscription ID --resource-group NAME --app NAME --wait 30m
    python -m infra.deploy remove --management-group ID --environment NAME

and, for azd's hooks (see azure.yaml), `preup`, `preprovision`, `postprovision`, `postdeploy`,
`predown` and `postdown`, which read azd's environment. Everything is done by `az` and `azd`, signed
in as whoever runs this; nothing is deployed before all checks have passed. Exit codes: 0, all is
well; 1, it stopped, and says why; `verify` besides 3, nothing can be said yet. Needs the standard
library, `infra` and `shared` alone.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.deploy.azure_cli import DeploymentStopped, az
from infra.deploy.checks import check
from infra.deploy.function_app import FunctionApp
from infra.deploy.group_deployment import create, withdraw
from infra.deploy.hooks import postdeploy, postdown, postprovision, predown, prepare
from infra.deploy.plan import Plan, plan_of_file
from infra.deploy.removal import remove, say_what_is_left
from infra.deploy.rights import rights_missing
from infra.deploy.templates import ROOT
from infra.deploy.triggers import await_sweep_function, first_sweep
from infra.deploy.upload import upload
from infra.deploy.verification import Clock, read_duration, read_moment, verify

_CLOCK = Clock(lambda: datetime.now(UTC), time.sleep)
_HOOKS = ("preup", "preprovision", "postprovision", "postdeploy", "predown", "postdown")


def _plan_of(arguments: argparse.Namespace) -> Plan:
    return plan_of_file(arguments.parameters, arguments.management_group)


def _check_command(plan: Plan) -> None:
    check(plan)
    lacking = rights_missing(plan)
    if lacking:
        raise DeploymentStopped(
            f"You lack {', '.join(lacking)} at management group {plan.management_group}: ask "
            "somebody with Owner there."
        )
    unseen = " Your rights could not be seen." if lacking is None else ""
    print(f"Settings, tenant, management group and region are right.{unseen}")


def _upload_command(arguments: argparse.Namespace, clock: Clock) -> None:
    package = Path(arguments.package)
    if not package.exists():
        raise DeploymentStopped(f"{package} is not there: run `make package`")
    app = _app_of(arguments)
    is_private = str(app.site().get("publicNetworkAccess")).lower() == "disabled"
    token = az("account", "get-access-token")["accessToken"]
    upload(app.scm(), token, package.read_bytes(), clock.sleep, is_private=is_private)
    await_sweep_function(app, clock.sleep)
    print(first_sweep(app, (app.settings() or {}).get("SWEEP_SCHEDULE"), clock.now()))


def _app_of(arguments: argparse.Namespace) -> FunctionApp:
    return FunctionApp(arguments.subscription, arguments.resource_group, arguments.app)


def _or_why[T](read: Callable[[str], T]) -> Callable[[str], T]:
    """Let argparse say why a value can't be read: of a ValueError it shows the function's name."""

    def reading(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return reading


def read_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read a command line. Leaves the process with 2, and says why, if it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("check", "check everything; deploy nothing"),
        ("create", "check, withdraw, and deploy main.bicep, as patiently as Azure needs"),
        ("withdraw", "check, and before a deployment take away what it does not have any more"),
    ):
        reads_a_file = commands.add_parser(name, help=text)
        reads_a_file.add_argument("--management-group", required=True)
        reads_a_file.add_argument("--parameters", default="infra/main.bicepparam")
    uploads = commands.add_parser("upload", help="send the package, and wait for the function")
    uploads.add_argument("--package", default="build/keysweep.zip")
    verifies = commands.add_parser("verify", help="look whether sweeps report, and what they say")
    verifies.add_argument("--since", type=_or_why(read_moment), help="such as 2027-03-30T08:00Z")
    verifies.add_argument(
        "--wait", type=_or_why(read_duration), default=timedelta(), help="such as 30m"
    )
    for names_an_app in (uploads, verifies):
        for name in ("--subscription", "--resource-group", "--app"):
            names_an_app.add_argument(name, required=True)
    removes = commands.add_parser("remove", help="take the tenant's part away, and list the rest")
    removes.add_argument("--management-group", required=True)
    removes.add_argument("--environment", required=True)
    removes.add_argument("--installation", help="which, where the environment has several there")
    removes.add_argument("--subscription", default="", help="which to look through for the rest")
    for name in _HOOKS:
        commands.add_parser(name, help="a hook of azd")
    return parser.parse_args(argv)


def main(argv: Sequence[str], environ: Mapping[str, str], clock: Clock = _CLOCK) -> int:
    """Run one command. Returns 1 with the reason on stderr if the deployment can't go on."""
    arguments = read_arguments(argv)
    try:
        if arguments.command in _HOOKS:
            _hook(arguments.command, environ, clock)
            return 0
        return _command(arguments, clock)
    except DeploymentStopped as stopped:
        print(stopped, file=sys.stderr)
        return 1


def _command(arguments: argparse.Namespace, clock: Clock) -> int:
    match arguments.command:
        case "check":
            _check_command(_plan_of(arguments))
        case "create":
            plan = _plan_of(arguments)
            check(plan)
            create(plan, arguments.parameters, clock.sleep)
        case "withdraw":
            plan = _plan_of(arguments)
            check(plan)
            withdraw(plan, clock.sleep)
        case "upload":
            _upload_command(arguments, clock)
        case "verify":
            return verify(_app_of(arguments), arguments.since, arguments.wait, clock)
        case "remove":
            names = (arguments.management_group, arguments.environment)
            remove(*names, clock.sleep, arguments.installation)
            say_what_is_left(arguments.environment, arguments.subscription)
    return 0


def _hook(name: str, environ: Mapping[str, str], clock: Clock) -> None:
    match name:
        case "preup" | "preprovision":
            prepare(environ, clock.now(), input if _can_answer(environ) else None)
        case "postprovision":
            postprovision(environ, clock.sleep)
        case "postdeploy":
            postdeploy(environ, clock.now(), clock.sleep)
        case "predown":
            predown(environ)
        case "postdown":
            postdown(environ, clock.sleep)


def _can_answer(environ: Mapping[str, str]) -> bool:
    """Whether somebody sits at the terminal. azd hands its --no-prompt on to no hook."""
    unattended = {environ.get(name, "").lower() for name in ("CI", "AZD_NON_INTERACTIVE")}
    return sys.stdin.isatty() and unattended <= {"", "false", "0"}


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:], os.environ))
