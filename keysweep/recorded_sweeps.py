"""`keysweep undo --list`: the sweeps whose records are on this machine. It asks nothing of Azure.

So it can't say what has been given back since: `keysweep undo SWEEP-ID --dry-run` looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from keysweep.exit_codes import FINE, NOT_WHOLE
from keysweep.outputs import document
from keysweep.record import Change, KeptRecord, read_record
from keysweep.screen import Screen, grid, shown
from keysweep.taken import Taken, began_at, of_record
from keysweep.words import counted, why_not_opened

_FEW = 3
_NOT_AMONG_THEM = (
    "Not among them: sweeps of the Function, which --insights finds, and records that "
    "`keysweep sweep --record` put elsewhere."
)


@dataclass(frozen=True, slots=True)
class RecordedSweep:
    """A sweep from the line, as its record tells of it."""

    record: KeptRecord
    began: datetime
    taken: Taken

    @classmethod
    def of(cls, record: KeptRecord) -> "RecordedSweep":
        """Say what a record tells. Raises ValueError if no sweep can have its id."""
        return cls(record, began_at(record.sweep_id), of_record(record))

    @property
    def tenant(self) -> str:
        """The id of the tenant that was swept."""
        return str(self.record.head.get("tenant") or "")

    @property
    def way_back(self) -> str:
        """The command that takes it back, with the settings and the scope that it had."""
        return str(self.record.head.get("undo") or f"keysweep undo {self.record.sweep_id}")


@dataclass(frozen=True, slots=True)
class RecordedSweeps:
    """The records of a folder."""

    folder: Path
    sweeps: Sequence[RecordedSweep]
    """The newest first."""
    unread: Sequence[str]
    """What could not be read, a sentence each."""


def listing(screen: Screen, folder: Path, output: str) -> int:
    """Show the sweeps whose records are in a folder. Returns 0, or 2 if one could not be read."""
    found = recorded_sweeps(folder)
    if output == "json":
        screen.raw(document("undo --list", _body(found)))
    else:
        _show(screen, found)
    for sentence in found.unread:
        screen.problem(f"Not seen: {sentence}")
    return NOT_WHOLE if found.unread else FINE


def recorded_sweeps(folder: Path) -> RecordedSweeps:
    """Read the records of a folder; one that is not there holds none."""
    sweeps, unread = [], []
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".jsonl")
    except FileNotFoundError:
        files = []
    except OSError as error:
        return RecordedSweeps(folder, (), (f"{folder} can't be read: {why_not_opened(error)}.",))
    for path in files:
        try:
            sweeps.append(_read(path))
        except OSError as error:
            unread.append(f"{path} can't be read: {why_not_opened(error)}.")
        except ValueError as error:
            unread.append(f"{path} is no record of a sweep: {error}.")
    sweeps.sort(key=lambda sweep: sweep.record.sweep_id, reverse=True)
    return RecordedSweeps(folder, sweeps, unread)


def _read(path: Path) -> RecordedSweep:
    """Read one record. Raises OSError, ValueError."""
    record = read_record(path.read_text("utf-8"))
    if record.sweep_id != path.stem:
        # `keysweep undo` looks for a record by its name.
        raise ValueError(f"it is about sweep {record.sweep_id}")
    return RecordedSweep.of(record)


def _body(found: RecordedSweeps) -> Mapping[str, object]:
    return {
        "folder": str(found.folder),
        "sweeps": [
            {
                "sweepId": sweep.record.sweep_id,
                "began": sweep.began.isoformat(),
                "ended": sweep.taken.is_over,
                "tenant": sweep.tenant,
                "accounts": [_account(change) for change in sweep.taken.changes],
                "undo": sweep.way_back,
            }
            for sweep in found.sweeps
        ],
        "notSeen": list(found.unread),
    }


def _account(change: Change) -> Mapping[str, str]:
    return {"id": str(change.account), "name": change.account.name, "result": change.result}


def _show(screen: Screen, found: RecordedSweeps) -> None:
    if not found.sweeps:
        nothing = "No record of a sweep could be read" if found.unread else "No sweep has a record"
        screen.out.print(shown(f"{nothing} in {found.folder}."), soft_wrap=True)
        screen.note(_NOT_AMONG_THEM)
        return
    several = len({sweep.tenant for sweep in found.sweeps}) > 1
    drawn = grid("sweep", "began (UTC)", "took", *(("tenant",) if several else ()), "")
    for sweep in found.sweeps:
        drawn.add_row(
            shown(sweep.record.sweep_id),
            shown(f"{sweep.began:%Y-%m-%d %H:%M}", "dim"),
            shown(_took(sweep.taken)),
            *((shown(sweep.tenant, "dim"),) if several else ()),
            shown("" if sweep.taken.is_over else "broken off, or still at work", "yellow"),
        )
    screen.show(drawn, "")
    commands = [sweep.way_back for sweep in found.sweeps if sweep.taken.changes]
    if commands:
        screen.show(shown("To give one back (--dry-run looks first, and changes nothing):", "bold"))
        for command in commands:
            # Never broken into lines of ours: it is copied from here.
            screen.out.print(shown(f"  {command}"), soft_wrap=True)
        screen.note("What was given back since is not recorded: --dry-run asks Azure.")
    screen.note(_NOT_AMONG_THEM)


def _took(taken: Taken) -> str:
    """Say how many accounts a sweep took, and name the first of them."""
    names = sorted(change.account.name for change in taken.changes)
    if not names:
        return "nothing"
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f"{counted(len(names), 'account')}: {', '.join(names[:_FEW])}{more}"
