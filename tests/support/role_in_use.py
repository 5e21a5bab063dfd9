"""After a run of tests: the role's actions are those that the Function's identity used.

All test processes count, and the programs that they start. No run, of whichever tests, may use an
action that the role has not: Azure would refuse that sweep. All fast tests together (`make test`)
have to use each one that it has: an action more is a right that nobody needs. Tests in which
somebody else goes by the Function's identity don't count: those of the local Azure itself, and
those in which a person with that identity asks `keysweep explain`, who also reads locks and roles.
"""

import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from local_azure.journal import VARIABLE, Entry, entries

ROLE = Path(__file__).parent.parent.parent / "infra" / "role-actions.json"
# There somebody else acts: the local Azure's own tests, and a person who explains.
_SOMEBODY_ELSE = ("tests/local_azure/", "tests/cli/test_explain_")
_COMPARED = pytest.StashKey[list[str]]()


def differences(
    role: Iterable[str], journal: Iterable[Entry], *, ran_all: bool = True
) -> list[str]:
    """Say what was used and is not in the role and, if all tests ran, what is and was not used."""
    granted = {action.lower(): action for action in role}
    used: defaultdict[str, set[str]] = defaultdict(set)
    for entry in journal:
        if not entry.file.startswith(_SOMEBODY_ELSE):
            for action in entry.actions:
                used[action.lower()].add(Path(entry.file).name)
    unused = granted.keys() - used.keys() if ran_all else ()
    return [
        *(f"{granted[action]} is in the role, and no test saw it used" for action in unused),
        *(
            f"{action} was used in {', '.join(sorted(used[action]))}, and is not in the role"
            for action in sorted(used.keys() - granted)
        ),
    ]


def begin(config: pytest.Config) -> None:
    """Begin a journal for this run: the process that starts it, before it starts others."""
    if not _is_worker(config):
        handle, path = tempfile.mkstemp(prefix="keysweep-actions-")
        os.close(handle)
        os.environ[VARIABLE] = path


def compare(session: pytest.Session) -> None:
    """Fail the run if the role and the journal differ."""
    if _is_worker(session.config):
        return
    path = Path(os.environ.pop(VARIABLE))
    try:
        role = [action["name"] for action in json.loads(ROLE.read_text())["actions"]]
        ran_all = _ran_all(session)
        found = differences(role, entries(path), ran_all=ran_all)
        if ran_all or found:
            session.config.stash[_COMPARED] = found
        if found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    finally:
        path.unlink()


def say(reporter: pytest.TerminalReporter) -> None:
    """Say what the comparison found; nothing where some tests ran and found nothing."""
    found = reporter.config.stash.get(_COMPARED, None)
    if found is None:
        return
    reporter.section("the role and its use")
    if not found:
        reporter.line("infra/role-actions.json is what the Function's identity used, one for one.")
    for line in found:
        reporter.line(f"infra/role-actions.json: {line}", red=True)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _ran_all(session: pytest.Session) -> bool:
    config = session.config
    return (
        config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and not config.option.keyword
        and config.option.markexpr in {"", "not slow and not nightly and not infra"}
        and not config.option.deselect
        and not config.option.ignore
        and not config.option.collectonly
        and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
    )
