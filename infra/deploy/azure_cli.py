"""Runs `az` and `azd`, signed in as whoever deploys."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.deploy.command_lines import pasteable
from shared.core.addresses import Links
from shared.core.errors import Unclear

# `(Code) message`, `Code: ...`, and what stands in the JSON of a deployment, quoted over and over.
_CODES = re.compile(
    r'\(([A-Z][A-Za-z]+)\)|^Code: ([A-Za-z]+)|\\*"code\\*"\s*:\s*\\*"([A-Za-z]+)', re.MULTILINE
)
# What cmd.exe acts on, which runs `az.cmd` on Windows. (A quote ends what is quoted.)
_FOR_CMD = re.compile(r'["&|<>^%!\r\n]')
# `DenyAssignmentAuthorizationFailed … denied because of the deny assignment with name …` (recorded
# by many, such as users of managed Kubernetes), and `LinkedAuthorizationFailed … is blocked by deny
# assignments on the linked scope(s) …` (Azure/ARO-RP#423).
_DENIED = re.compile(r"deny ?assignment", re.IGNORECASE)
_NO_PROGRAM = 127


class DeploymentStopped(Exception):
    """A deployment can't go on. Says why, and what to do next."""


class CommandFailed(DeploymentStopped):
    """`az` or `azd` refused. Carries what it said."""

    def __init__(self, command: Sequence[str], output: str) -> None:
        self.command = tuple(command)
        self.output = output.strip()
        super().__init__(f"`{pasteable(command)}` failed: {self.output}")

    @property
    def codes(self) -> frozenset[str]:
        """Azure's codes, those of the parts of a deployment included."""
        return frozenset(code for found in _CODES.findall(self.output) for code in found if code)

    @property
    def says_not_found(self) -> bool:
        """Whether what was asked for is not there: DeploymentNotFound, for example."""
        return any(code.endswith("NotFound") for code in self.codes)

    @property
    def says_denied(self) -> bool:
        """Whether a deny assignment refused it: that stands above all roles, and is no lag."""
        return bool(_DENIED.search(self.output))


def run(*command: str) -> str:
    """Run `az` or `azd` and return what it prints. Raises CommandFailed."""
    done = _run_program(command)
    if done.returncode != 0:
        raise CommandFailed(command, done.stderr or done.stdout)
    return done.stdout


def _run_program(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # On Windows they are scripts with another ending, which only a search finds.
    path = shutil.which(command[0])
    if path is None:
        missing = f"{command[0]} is not installed, or not on PATH."
        return subprocess.CompletedProcess(command, _NO_PROGRAM, "", missing)
    problem = script_problem(path, command[1:])
    if problem:
        return subprocess.CompletedProcess(command, _NO_PROGRAM, "", problem)
    return subprocess.run(  # noqa: S603 - no shell, and the arguments are ours
        [path, *command[1:]], capture_output=True, text=True, check=False
    )


def script_problem(path: str, arguments: Sequence[str]) -> str | None:
    """Say what a script of Windows would not be handed as it is; None if there is nothing."""
    if not path.lower().endswith((".cmd", ".bat")):
        return None
    found = next((argument for argument in arguments if _FOR_CMD.search(argument)), None)
    return None if found is None else f"{found!r} has characters that cmd.exe acts on."


def az(*arguments: str) -> Any:
    """Run `az` and return its answer, None if it has none. Raises CommandFailed."""
    answer = run("az", *arguments, "--output", "json")
    return json.loads(answer) if answer.strip() else None


def rows_at(url: str, *columns: str) -> list[Mapping[str, Any]] | None:
    """Return all rows of a list of Azure Resource Manager's; None if it can't be seen.

    It can't where Azure refuses, where the answer is no list, where its pages lead in a circle, or
    where a row lacks a column.
    """
    try:
        rows = list(_rows(url))
    except (CommandFailed, Unclear, KeyError, TypeError):
        return None
    return rows if all(column in row for row in rows for column in columns) else None


def _rows(url: str) -> Iterator[Mapping[str, Any]]:
    links, link = Links("Listing", url), url
    # An empty link is none.
    while link:
        page = az("rest", "--method", "get", "--url", links.follow(link))
        yield from page["value"]
        link = page.get("@nextLink") or page.get("nextLink")


def post(url: str, body: Mapping[str, Any], *options: str) -> Any:
    """POST JSON by `az rest` and return the answer. Raises CommandFailed."""
    with _file_of(body) as path:
        return az("rest", "--method", "post", "--url", url, "--body", f"@{path}", *options)


@contextmanager
def _file_of(body: Mapping[str, Any]) -> Iterator[Path]:
    """Write JSON into a file, since not every shell hands quotes on as they are."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.json"
        path.write_text(json.dumps(body), encoding="utf-8")
        yield path
