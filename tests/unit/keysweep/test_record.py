"""The record of a sweep from the line: written before each change, read whole or refused."""

import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keysweep.record import FORM, Change, Record, Recorded, RecordLost, read_record
from keysweep.sweep import Request, sweep
from shared.core.model import Decision, NotExempt, Outcome, Result, Verdict
from shared.core.rings import Rings
from shared.steps.allowance import Allowance
from tests.support.builders import NOW, an_account
from tests.support.fake_tenant import FakeTenant
from tests.support.sessions import Person, a_session
from tests.support.virtual_time import VirtualClock

SWEEP = "20261124T090000Z-1f3a9c0d"
DECISION = Decision(an_account(), Verdict.DRIFT, NotExempt(), "Its keys are on.")
BOT = DECISION.account.id
OTHER = an_account("other").id


def at(seconds: int) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


def text(*lines: dict[str, Any]) -> str:
    head = {"record": FORM, "sweepId": SWEEP, "at": at(0)}
    return "".join(json.dumps(line) + "\n" for line in (head, *lines))


BEGUN = {"begun": str(BOT), "at": at(1)}
BEGUN_TOO = {**BEGUN, "begun": str(OTHER)}
ENDED = {"outcome": str(BOT), "result": "DISABLED", "accepted": True, "at": at(5)}
CHANGE = Change(BOT, NOW + timedelta(seconds=1), NOW + timedelta(seconds=5), "DISABLED")
OPEN = Change(BOT, NOW + timedelta(seconds=1), None)


# Reading


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (text(), ()),
        (text(BEGUN, ENDED), (CHANGE,)),
        (text(BEGUN), (OPEN,)),
        (text(BEGUN) + json.dumps(ENDED)[:1], (OPEN,)),
        (text(BEGUN) + json.dumps(ENDED)[:-1], (OPEN,)),
        (text(BEGUN, ENDED).removesuffix("\n"), (CHANGE,)),
        (text(BEGUN, BEGUN, ENDED, ENDED, BEGUN), (CHANGE,)),
        (text({**BEGUN, "at": at(0)}, BEGUN, ENDED), (CHANGE,)),
        (text(BEGUN, BEGUN_TOO, ENDED), (CHANGE, replace(OPEN, account=OTHER))),
        (text({**BEGUN, "begun": str(BOT).upper()}, ENDED), (CHANGE,)),
        (
            text(BEGUN, {**ENDED, "result": "BUSY", "accepted": False}),
            (Change(BOT, CHANGE.begun_at, CHANGE.ended_at, "BUSY", may_be_done=False),),
        ),
    ],
    ids=[
        *("nothing", "done", "no outcome", "a last line cut off", "cut off at its end"),
        *("no end of line", "doubled lines", "begun once more", "entangled", "letter case"),
        "not taken",
    ],
)  # fmt: skip
def test_a_record_says_what_was_or_may_have_been_done(
    content: str, changes: tuple[Change, ...]
) -> None:
    found = read_record(content)
    assert tuple(found.changes) == changes
    assert not found.is_finished


def test_a_record_says_whether_the_sweep_ran_to_its_end() -> None:
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
        (text({**BEGUN, "at": "9999-12-31T23:59:59+00:00"}), "a moment of it is in the year"),
        (text({**BEGUN, "at": "0001-01-01T00:00:00+00:00"}), "a moment of it is in the year"),
        (text().replace(SWEEP, "soon"), "names no sweep"),
        (text().replace(f'"record": {FORM}', '"record": 99'), "not the record of a sweep"),
    ],
    ids=range(17),
)
def test_what_is_no_record_is_refused(content: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        read_record(content)


# Writing


@pytest.fixture
async def record(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Record]:
    """Give a record that was begun."""
    begun = Record.begin(tmp_path / "new" / "r.jsonl", clock, {"sweepId": SWEEP})
    yield begun
    begun.close()


async def test_what_was_written_is_read_again_and_is_there_at_once(record: Record) -> None:
    record.begun(BOT)
    # Nobody closed it: who is killed now leaves this.
    assert [change.account for change in read_record(record.path.read_text()).changes] == [BOT]
    record.ended(Outcome(DECISION, Result.DISABLED, accepted=True))
    record.finish(whole=True)
    found = read_record(record.path.read_text())
    assert found.sweep_id == SWEEP
    assert found.is_finished
    assert [change.result for change in found.changes] == ["DISABLED"]


async def test_what_came_of_a_change_that_was_never_begun_is_no_line(record: Record) -> None:
    record.ended(Outcome(DECISION, Result.NOW_EXEMPT))
    assert read_record(record.path.read_text()).changes == ()


async def test_a_record_is_the_persons_alone_and_never_written_over_or_through_a_link(
    record: Record, clock: VirtualClock
) -> None:
    assert record.path.stat().st_mode & 0o777 == 0o600
    link = record.path.with_name("link")
    link.symlink_to(record.path.with_name("elsewhere"))
    for path in (record.path, link):
        with pytest.raises(OSError, match=r"exists|symbolic"):
            Record.begin(path, clock, {})
    assert not record.path.with_name("elsewhere").exists()


async def test_no_record_no_write(record: Record) -> None:
    tenant = FakeTenant.of(DECISION.account)
    recorded = Recorded.of(a_session(tenant).parts.remediation(Rings(enforces=True)), record)
    descriptor, read_only = os.dup(record._file.fileno()), os.open(os.devnull, os.O_RDONLY)
    os.dup2(read_only, record._file.fileno())
    first = await recorded.remediate(DECISION, Allowance(None, None))
    # Even should the disk have room again: a record with a gap in it is none.
    os.dup2(descriptor, record._file.fileno())
    second = await recorded.remediate(DECISION, Allowance(None, None))
    assert not tenant.writes
    assert {first.result, second.result} == {Result.DEFERRED}
    assert "can't be written" in record.lost
    with pytest.raises(RecordLost):
        record.begun(BOT)
    os.close(descriptor)
    os.close(read_only)


async def test_a_record_that_is_lost_on_the_way_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    tenant = FakeTenant.of(DECISION.account)
    person = Person()
    session = a_session(tenant, person)
    tenant.meanwhile("account", BOT.key, [lambda: monkeypatch.setattr(Record, "_write", full)])
    code = await sweep(session, "table", Request(yes=True, record=tmp_path / "r.jsonl"))
    assert "No space left on device. What was changed before" in person.heard
    assert not tenant.writes
    assert code == 1
