"""Runs `az` and `azd`, signed in as whoever deploys."""

import json
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

NOT_FOUND = "NotFound"
"""A part of Azure's codes for what is not there, such as DeploymentNotFound."""


class DeploymentStopped(Exception):
    """A deployment can't go on. Says why, and what to do next."""


class CommandFailed(DeploymentStopped):
    """`az` or `azd` refused. Carries what it said."""

    def __init__(self, command: Sequence[str], output: str) -> None:
        self.command = tuple(command)
        self.output = output.strip()
        super().__init__(f"`{shlex.join(command)}` failed: {self.output}")


def run(*command: str) -> str:
    """Run `az` or `azd` and return what it prints. Raises CommandFailed."""
    # On Windows they are scripts with another ending, which only a search finds.
    path = shutil.which(command[0])
    if path is None:
        raise CommandFailed(command, f"{command[0]} is not installed, or not on PATH.")
    done = subprocess.run(  # noqa: S603 - no shell, and the arguments are ours
        [path, *command[1:]], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CommandFailed(command, done.stderr or done.stdout)
    return done.stdout


def az(*arguments: str) -> Any:
    """Run `az` and return its answer, None if it has none. Raises CommandFailed."""
    answer = run("az", *arguments, "--output", "json")
    return json.loads(answer) if answer.strip() else None
