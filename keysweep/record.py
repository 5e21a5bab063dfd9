"""The record of a sweep from the line: a file of its own, written before and after each change.

It is the sweep's witness, as Application Insights is the timer's: no record, no write. And it is
what `keysweep undo` reads. Each line is a JSON object and reaches the disk before anything goes on:
the first says what the sweep was and how it can be taken back, then comes one before each change
and one after it, and the last says that the sweep ran to its end.
"""

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import MAXYEAR, datetime
from pathlib import Path
from typing import Any, TextIO

import platformdirs

from shared.core.errors import KeysweepError
from shared.core.model import Account, AccountId, Clock, Decision, Level, Outcome, Result
from shared.steps.allowance import Allowance
from shared.steps.ports import Accounts, Remediator
from shared.steps.remediation import Remediation

FORM = 1
"""The version of the record's form."""
_FIRST_YEAR = 2010
SWEEP_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")


def records_folder() -> Path:
    """Return where the records of this user's sweeps are kept."""
    return Path(platformdirs.user_state_path("keysweep", appauthor=False)) / "sweeps"


def record_path(sweep_id: str) -> Path:
    """Return where the record of a sweep is kept, unless it was said otherwise."""
    return records_folder() / f"{sweep_id}.jsonl"


class RecordLost(KeysweepError):
    """A line could not be written: nothing may be changed after it."""


@dataclass(slots=True)
class Record:
    """A record that is being written."""

    path: Path
    clock: Clock
    _file: TextIO = field(repr=False)
    lost: str = ""
    """Why a line could not be written, if one could not."""
    _begun: set[str] = field(default_factory=set)
    """The accounts, by `AccountId.key`, that a line of it is about."""

    @classmethod
    def begin(cls, path: Path, clock: Clock, head: Mapping[str, Any]) -> "Record":
        """Make the file, which must not be there yet, and write its first line.

        Raises OSError.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of the person alone, and never through a link that somebody left there.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags, 0o600)
        record = cls(path, clock, os.fdopen(descriptor, "w", encoding="utf-8"))
        try:
            record._write({"record": FORM, **head})
        except OSError:
            record.close()
            raise
        return record

    def begun(self, account_id: AccountId) -> None:
        """Say that a change is about to be made. Raises RecordLost: it must not be made."""
        self._write_or_lose({"begun": str(account_id)})
        self._begun.add(account_id.key)

    def ended(self, outcome: Outcome) -> None:
        """Say what came of it, if it was begun. Raises RecordLost."""
        if outcome.decision.account.id.key not in self._begun:
            return
        self._write_or_lose(
            {
                "outcome": str(outcome.decision.account.id),
                "result": outcome.result.value,
                "accepted": outcome.accepted,
            }
        )

    def finish(self, *, whole: bool) -> None:
        """Say that the sweep ran to its end. Raises RecordLost."""
        self._write_or_lose({"finished": True, "whole": whole})

    def close(self) -> None:
        """Let go of the file. What could not be written is lost already, and said."""
        with contextlib.suppress(OSError, ValueError):
            self._file.close()

    def _write_or_lose(self, line: Mapping[str, Any]) -> None:
        if self.lost:
            # A record with a gap in it is none, even should the disk have room again.
            raise RecordLost(self.lost)
        try:
            self._write(line)
        except (OSError, ValueError) as error:
            self.lost = f"{self.path} can't be written: {error}"
            raise RecordLost(self.lost) from error

    def _write(self, line: Mapping[str, Any]) -> None:
        stamped = {**line, "at": self.clock.now().isoformat()}
        self._file.write(json.dumps(stamped) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


@dataclass(frozen=True, slots=True)
class RecordedAccounts:
    """The accounts of a sweep: each change is recorded as the last thing before it is sent.

    However long a change waited before that, its line says when it was made.
    """

    accounts: Accounts
    record: Record

    async def account(self, account_id: AccountId) -> Account:
        """Read one account. Raises as the accounts do."""
        return await self.accounts.account(account_id)

    async def tags_above(self, account_id: AccountId, level: Level) -> Mapping[str, str]:
        """Read the tags of a level above it. Raises as the accounts do."""
        return await self.accounts.tags_above(account_id, level)

    async def disable_local_auth(self, account_id: AccountId, leave_by: float) -> None:
        """Turn its keys off. Raises RecordLost if that could not be recorded: nothing was sent."""
        self.record.begun(account_id)
        await self.accounts.disable_local_auth(account_id, leave_by)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Turns keys off, with a line of the record before each change and one after it."""

    remediation: Remediator
    """Of recorded accounts."""
    record: Record

    @classmethod
    def of(cls, remediation: Remediation, record: Record) -> "Recorded":
        """Let a remediation write nothing that is not recorded."""
        accounts = RecordedAccounts(remediation.accounts, record)
        return cls(replace(remediation, accounts=accounts), record)

    async def remediate(self, decision: Decision, allowance: Allowance) -> Outcome:
        """Turn them off, if that could be recorded."""
        if self.record.lost:
            return _unrecorded(decision, self.record.lost)
        try:
            outcome = await self.remediation.remediate(decision, allowance)
        except RecordLost as error:
            return _unrecorded(decision, str(error))
        with contextlib.suppress(RecordLost):
            # What was begun stands in it, and no other change is begun without one.
            self.record.ended(outcome)
        return outcome


def _unrecorded(decision: Decision, problem: str) -> Outcome:
    return Outcome(decision, Result.DEFERRED, f"No record, no write: {problem}")


@dataclass(frozen=True, slots=True)
class Change:
    """One change that a record holds."""

    account: AccountId
    begun_at: datetime
    ended_at: datetime | None = None
    """None: the record does not say what came of it."""
    result: str = ""
    """What came of it, as in docs/results.md; empty where that is not told."""
    may_be_done: bool = True
    """Whether Azure took it, or may have."""


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record that was read."""

    sweep_id: str
    head: Mapping[str, Any]
    changes: Sequence[Change]
    is_finished: bool
    """Whether the sweep ran to its end; else the last changes may lack their outcome."""


def read_record(text: str) -> KeptRecord:
    """Read a record. A last line that was cut off by a kill is passed over; a line may stand twice.

    Raises ValueError, which says what is wrong with it.
    """
    lines = text.rstrip("\n").split("\n")
    parsed = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break
            raise ValueError(f"its line {number} is no JSON") from error
        if isinstance(row, dict):
            parsed.append(row)
        else:
            raise ValueError(f"its line {number} is no object")  # noqa: TRY004 - of what it holds
    if not parsed or parsed[0].get("record") != FORM:
        raise ValueError("it is not the record of a sweep")
    head = parsed[0]
    sweep_id = head.get("sweepId")
    if not isinstance(sweep_id, str) or SWEEP_ID.fullmatch(sweep_id) is None:
        raise ValueError("its first line names no sweep")
    changes: dict[str, Change] = {}
    for row in parsed[1:]:
        change = _change(row, changes)
        if change is not None:
            changes[change.account.key] = change
    is_finished = any(row.get("finished") is True for row in parsed)
    return KeptRecord(sweep_id, head, tuple(changes.values()), is_finished)


def _change(row: Mapping[str, Any], known: Mapping[str, Change]) -> Change | None:
    """Read a line about an account; None if it is about something else. Raises ValueError."""
    if "begun" in row:
        account = AccountId.parse(str(row["begun"]))
        earlier = known.get(account.key)
        if earlier is not None and earlier.ended_at is not None:
            return earlier
        # It was begun once more, because Azure had not taken it.
        return Change(account, _moment(row))
    if "outcome" in row:
        account = AccountId.parse(str(row["outcome"]))
        begun = known.get(account.key)
        if begun is None:
            raise ValueError(f"it has an outcome for {account} that was never begun")
        accepted = row.get("accepted")
        if not isinstance(accepted, bool):
            raise ValueError(f"it does not say whether the change of {account} was accepted")
        if begun.ended_at is not None:
            return begun
        return Change(account, begun.begun_at, _moment(row), str(row.get("result")), accepted)
    return None


def _moment(row: Mapping[str, Any]) -> datetime:
    moment = datetime.fromisoformat(str(row.get("at")))
    if moment.tzinfo is None:
        raise ValueError("a moment of it names no zone")
    if not can_be_a_sweeps(moment):
        raise ValueError(f"a moment of it is in the year {moment.year}")
    return moment


def can_be_a_sweeps(moment: datetime) -> bool:
    """Whether a sweep can have been at work then.

    There was no Azure before 2010; and the hours before a moment, and the days after it, have to be
    moments of the calendar, too.
    """
    return _FIRST_YEAR <= moment.year < MAXYEAR
