"""The record of a sweep from the line: written before each change, read whole or refused."""

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keysweep.record import (
    FORM,
    Record,
    Recorded,
    RecordedAccounts,
    RecordLost,
    read_record,
)
from shared.core.model import (
    Account,
    AccountId,
    Decision,
    Level,
    NotExempt,
    Outcome,
    Result,
    Verdict,
)
from shared.steps.allowance import Allowance
from tests.support.builders import an_account

SWEEP = "20261124T090000Z-1f3a9c0d"
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
DECISION = Decision(an_account(), Verdict.DRIFT, NotExempt(), "Its keys are on.")
BOT = DECISION.account.id


class Clock:
    """A clock of which each look is a second later."""

    def __init__(self) -> None:
        self.looks = 0

    def now(self) -> datetime:
        """Return the moment."""
        self.looks += 1
        return NOW + timedelta(seconds=self.looks)

    def monotonic(self) -> float:
        """Return seconds."""
        return float(self.looks)

    async def sleep(self, seconds: float) -> None:
        """Never called."""
        raise NotImplementedError


def begun(folder: Path) -> Record:
    return Record.begin(folder / "new" / "r.jsonl", Clock(), {"sweepId": SWEEP})


def text(*lines: dict[str, Any]) -> str:
    head = {"record": FORM, "sweepId": SWEEP, "at": NOW.isoformat()}
    return "".join(json.dumps(line) + "\n" for line in (head, *lines))


def at(seconds: int) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


BEGUN = {"begun": str(BOT), "at": at(1)}
ENDED = {"outcome": str(BOT), "result": "DISABLED", "accepted": True, "at": at(5)}


# Reading


def test_a_change_is_read_with_what_came_of_it() -> None:
    (change,) = read_record(text(BEGUN, ENDED)).changes
    assert (change.account, change.result, change.may_be_done) == (BOT, "DISABLED", True)
    assert change.begun_at == NOW + timedelta(seconds=1)
    assert change.ended_at == NOW + timedelta(seconds=5)


def test_a_change_without_an_outcome_may_be_done() -> None:
    (change,) = read_record(text(BEGUN)).changes
    assert change.ended_at is None
    assert change.may_be_done


@pytest.mark.parametrize("kept", [1, 5, -1])
def test_a_last_line_that_was_cut_off_is_passed_over(kept: int) -> None:
    whole, last = text(BEGUN), json.dumps(ENDED)
    (change,) = read_record(whole + last[:kept]).changes
    assert change.ended_at is None


def test_a_last_line_that_lacks_only_its_end_of_line_counts() -> None:
    (change,) = read_record(text(BEGUN, ENDED).removesuffix("\n")).changes
    assert change.result == "DISABLED"


def test_doubled_lines_are_one() -> None:
    assert read_record(text(BEGUN, BEGUN, ENDED, ENDED)) == read_record(text(BEGUN, ENDED))
    late = read_record(text(BEGUN, ENDED, BEGUN))
    assert late.changes == read_record(text(BEGUN, ENDED)).changes


def test_changes_of_several_accounts_may_be_entangled() -> None:
    other = str(BOT).replace("/bot", "/other")
    second, done = {**BEGUN, "begun": other}, {**ENDED, "outcome": other, "accepted": False}
    found = {each.account.name: each for each in read_record(text(BEGUN, second, done)).changes}
    assert found["bot"].ended_at is None
    assert not found["other"].may_be_done


def test_letter_case_makes_no_other_account_of_it() -> None:
    (change,) = read_record(text(BEGUN, {**ENDED, "outcome": str(BOT).upper()})).changes
    assert change.ended_at is not None


def test_a_record_says_whether_the_sweep_ran_to_its_end() -> None:
    assert not read_record(text(BEGUN)).is_finished
    assert read_record(text(BEGUN, ENDED, {"finished": True, "at": at(6)})).is_finished


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not the record of a sweep"),
        ("{}", "not the record of a sweep"),
        ('{"sweepId": "x", "accounts": []}', "not the record of a sweep"),
        ("[1]\n", "is no object"),
        ("not json\n" + text(), "line 1 is no JSON"),
        (text() + "not json\n" + json.dumps(BEGUN), "line 2 is no JSON"),
        (text() + "[" * 100_000 + "\n{}", "line 2 is no JSON"),
        (text(ENDED), "never begun"),
        (text(BEGUN, {**ENDED, "accepted": "false"}), "whether the change"),
        (text(BEGUN, {**ENDED, "accepted": None}), "whether the change"),
        (text({**BEGUN, "begun": "bot"}), "is not the id"),
        (text({**BEGUN, "at": "yesterday"}), "yesterday"),
        (text({**BEGUN, "at": "2026-11-24T09:00:00"}), "names no zone"),
        (text().replace(SWEEP, "soon"), "names no sweep"),
        (text().replace(f'"record": {FORM}', '"record": 99'), "not the record of a sweep"),
    ],
    ids=range(15),
)
def test_what_is_no_record_is_refused(content: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        read_record(content)


# Writing


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    record = begun(tmp_path)
    record.begun(BOT)
    record.ended(Outcome(DECISION, Result.DISABLED, accepted=True))
    record.finish(whole=True)
    record.close()

    found = read_record(record.path.read_text())

    assert found.sweep_id == SWEEP
    assert found.is_finished
    assert [change.result for change in found.changes] == ["DISABLED"]


def test_each_line_is_there_before_anything_else_happens(tmp_path: Path) -> None:
    record = begun(tmp_path)
    record.begun(BOT)
    # Nobody closed it: who is killed now leaves this.
    assert [change.account for change in read_record(record.path.read_text()).changes] == [BOT]
    record.close()


def test_a_record_is_the_persons_alone_and_never_written_over(tmp_path: Path) -> None:
    record = begun(tmp_path)
    record.close()
    assert record.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        begun(tmp_path)


def test_a_record_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "r.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"exists|symbolic"):
        begun(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


class Accounts:
    """One account, whose keys are turned off; counts how often."""

    def __init__(self) -> None:
        self.written = 0

    async def account(self, _: AccountId) -> Account:
        """Read it."""
        return an_account(keys_on=not self.written)

    async def tags_above(self, _: AccountId, __: Level) -> Mapping[str, str]:
        """Never called."""
        raise NotImplementedError

    async def disable_local_auth(self, _: AccountId, __: float) -> None:
        """Do as if."""
        self.written += 1


class Remediator:
    """Turns keys off, without a look before."""

    def __init__(self, accounts: RecordedAccounts) -> None:
        self.accounts = accounts

    async def remediate(self, decision: Decision, allowance: Allowance) -> Outcome:  # noqa: ARG002
        """Do it."""
        await self.accounts.disable_local_auth(decision.account.id, 0.0)
        return Outcome(decision, Result.DISABLED, accepted=True)


def recorded_in(record: Record, accounts: Accounts) -> Recorded:
    return Recorded(Remediator(RecordedAccounts(accounts, record)), record)


async def test_no_record_no_write(tmp_path: Path) -> None:
    record, accounts = begun(tmp_path), Accounts()
    os.close(record._file.fileno())
    recorded = recorded_in(record, accounts)

    outcomes = [await recorded.remediate(DECISION, Allowance(None, None)) for _ in range(2)]

    assert accounts.written == 0
    assert {outcome.result for outcome in outcomes} == {Result.DEFERRED}
    assert "can't be written" in record.lost
    record.close()


async def test_once_a_line_was_lost_nothing_more_is_begun(tmp_path: Path) -> None:
    record, accounts = begun(tmp_path), Accounts()
    descriptor = os.dup(record._file.fileno())
    read_only = os.open(os.devnull, os.O_RDONLY)
    os.dup2(read_only, record._file.fileno())
    with pytest.raises(RecordLost):
        record.begun(BOT)
    os.dup2(descriptor, record._file.fileno())

    outcome = await recorded_in(record, accounts).remediate(DECISION, Allowance(None, None))

    assert (outcome.result, accounts.written) == (Result.DEFERRED, 0)
    record.close()
    os.close(descriptor)
    os.close(read_only)


async def test_reads_pass_through_the_record(tmp_path: Path) -> None:
    record, accounts = begun(tmp_path), Accounts()
    assert (await RecordedAccounts(accounts, record).account(BOT)).keys_on
    record.close()


def test_what_came_of_a_change_that_was_never_begun_is_no_line(tmp_path: Path) -> None:
    record = begun(tmp_path)
    record.ended(Outcome(DECISION, Result.NOW_EXEMPT))
    record.close()
    assert read_record(record.path.read_text()).changes == ()


def test_a_change_that_was_begun_once_more_was_begun_then() -> None:
    (change,) = read_record(text(BEGUN, {**BEGUN, "at": at(4)}, ENDED)).changes
    assert change.begun_at == NOW + timedelta(seconds=4)
