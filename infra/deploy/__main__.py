"""What a deployment needs beside its templates: checks before, the tenant's part, the package.

    python -m infra.deploy check --management-group ID --parameters FILE.bicepparam
    python -m infra.deploy withdraw --management-group ID --parameters FILE.bicepparam
    python -m infra.deploy upload --subscription ID --resource-group NAME --app NAME
    python -m infra.deploy remove --management-group ID --environment NAME

and, for azd's hooks (see azure.yaml), `preprovision`, `postprovision`, `predown` and `postdown`,
which read azd's environment. Everything is done by `az` and `azd`, signed in as whoever runs this;
nothing is deployed before all checks have passed. Needs the standard library and `shared` alone.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from infra.deploy.azure_cli import DeploymentStopped, az, run
from infra.deploy.checks import check
from infra.deploy.hooks import postdown, postprovision, predown, preprovision
from infra.deploy.plan import plan_of_file
from infra.deploy.removal import remove
from infra.deploy.rights import rights_missing
from infra.deploy.templates import ROOT
from infra.deploy.upload import scm_of, upload
from infra.deploy.write_scopes import withdrawals


def _check_command(arguments: argparse.Namespace) -> None:
    plan = plan_of_file(arguments.parameters, arguments.management_group)
    check(plan)
    lacking = rights_missing(plan)
    if lacking:
        raise DeploymentStopped(
            f"You lack {', '.join(lacking)} at management group {plan.management_group}: ask "
            "somebody with Owner there."
        )
    unseen = " Your rights could not be seen." if lacking is None else ""
    print(f"Settings, tenant, management group and region are right.{unseen}")


def _withdraw_command(arguments: argparse.Namespace) -> None:
    for command in withdrawals(plan_of_file(arguments.parameters, arguments.management_group)):
        run(*command)
        print(shlex.join(command))


def _upload_command(arguments: argparse.Namespace) -> None:
    package = Path(arguments.package)
    if not package.exists():
        raise DeploymentStopped(f"{package} is not there: run `make package`")
    scm = scm_of(arguments.subscription, arguments.resource_group, arguments.app)
    token = az("account", "get-access-token")["accessToken"]
    upload(scm, token, package.read_bytes())
    print(f"{arguments.app} runs the package. The first sweep is at the next time of its schedule.")


def read_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read a command line. Leaves the process with 2, and says why, if it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    checks = commands.add_parser("check", help="check everything; deploy nothing")
    withdraws = commands.add_parser(
        "withdraw", help="before a deployment, take the role away from what is no ring any more"
    )
    for reads_a_file in (checks, withdraws):
        reads_a_file.add_argument("--management-group", required=True)
        reads_a_file.add_argument("--parameters", default="infra/main.bicepparam")
    uploads = commands.add_parser("upload", help="send the package to the Function App")
    for name in ("--subscription", "--resource-group", "--app"):
        uploads.add_argument(name, required=True)
    uploads.add_argument("--package", default="build/keysweep.zip")
    removes = commands.add_parser("remove", help="take role, assignments and guardrail away")
    removes.add_argument("--management-group", required=True)
    removes.add_argument("--environment", required=True)
    for name in ("preprovision", "postprovision", "predown", "postdown"):
        commands.add_parser(name, help="a hook of azd")
    return parser.parse_args(argv)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command. Returns 1 with the reason on stderr if the deployment can't go on."""
    arguments = read_arguments(argv)
    try:
        match arguments.command:
            case "check":
                _check_command(arguments)
            case "withdraw":
                _withdraw_command(arguments)
            case "upload":
                _upload_command(arguments)
            case "remove":
                remove(arguments.management_group, arguments.environment)
            case "preprovision":
                answerable = sys.stdin.isatty() and environ.get("CI", "") in {"", "false"}
                preprovision(environ, datetime.now(UTC), input if answerable else None)
            case "postprovision":
                postprovision(environ)
            case "predown":
                predown(environ)
            case "postdown":
                postdown(environ)
    except DeploymentStopped as stopped:
        print(stopped, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:], os.environ))
