"""A file in which each local Azure writes, when it stops, what the Function's identity did there.

Tests run in several processes, and some start programs with a local Azure of their own: the file
is what they have in common. Its name is in the environment; without it nothing is written.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "LOCAL_AZURE_JOURNAL"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the Function's identity did in one local Azure, and the test file that ran it."""

    file: str
    actions: tuple[str, ...]


def note(actions: Iterable[str]) -> None:
    """Write one entry."""
    path, used = os.environ.get(VARIABLE), sorted(actions)
    if not path or not used:
        return
    # pytest keeps it up to date: "tests/test_x.py::test_y (call)".
    file = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
    with Path(path).open("a") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        journal.write(json.dumps({"file": file, "actions": used}) + "\n")


def entries(path: Path) -> Iterator[Entry]:
    """Return what was written."""
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        yield Entry(entry["file"], tuple(entry["actions"]))
