"""`keysweep undo --list`: the sweeps whose records are on this machine, and their way back."""

import json
from pathlib import Path
from typing import Any

import pytest

from keysweep.recorded_sweeps import listing
from tests.support.builders import an_account
from tests.support.schemas import validate
from tests.support.sessions import Person
from tests.support.terminal import here
from tests.unit.keysweep.test_undo import SWEEP, record, swept

OLDER, NEWER = "20200101T090000Z-00000001", "20300101T090000Z-00000002"


def keep(folder: Path, sweep_id: str, *names: str, **head: Any) -> Path:
    """Keep the record of a sweep as `keysweep sweep` does: under its id."""
    finished = head.pop("finished", True)
    written = record(folder, *map(swept, names), finished=finished, sweepId=sweep_id, **head)
    return written.rename(folder / f"{sweep_id}.jsonl")


def listed(folder: Path) -> tuple[int, dict[str, Any]]:
    person = Person()
    code = listing(person, folder, "json")
    document = json.loads(person.read)
    validate(document, "outputs")
    return code, document


def shown(folder: Path) -> tuple[int, Person]:
    person = Person()
    return listing(person, folder, "table"), person


def test_sweeps_are_listed_the_newest_first_with_what_they_took(tmp_path: Path) -> None:
    keep(tmp_path, OLDER, "old")
    keep(tmp_path, NEWER, "one", "two")
    keep(tmp_path, SWEEP)
    code, document = listed(tmp_path)
    sweeps = document["sweeps"]
    assert [sweep["sweepId"] for sweep in sweeps] == [NEWER, SWEEP, OLDER]
    assert [[account["name"] for account in sweep["accounts"]] for sweep in sweeps] == [
        ["one", "two"], [], ["old"],
    ]  # fmt: skip
    assert sweeps[0]["began"] == "2030-01-01T09:00:00+00:00"
    assert sweeps[0]["accounts"][0]["id"] == str(an_account("one").id)
    assert code == 0


def test_the_command_that_gives_one_back_is_the_one_that_the_sweep_printed(tmp_path: Path) -> None:
    command = f"keysweep undo {NEWER} -s {'contoso-' * 40}prod"
    keep(tmp_path, NEWER, "one", undo=command)
    keep(tmp_path, OLDER, "old")
    _, person = shown(tmp_path)
    assert f"\n  {command}\n" in person.read
    assert f"\n  keysweep undo {OLDER}\n" in person.read


def test_a_sweep_that_took_nothing_has_no_way_back(tmp_path: Path) -> None:
    keep(tmp_path, NEWER)
    _, person = shown(tmp_path)
    assert f"{NEWER}  2030-01-01 09:00  nothing" in person.read
    assert "keysweep undo" not in person.read


def test_many_accounts_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    keep(tmp_path, NEWER, "d", "c", "b", "a")
    _, person = shown(tmp_path)
    assert "4 accounts: a, b, c and 1 more" in person.read


def test_a_sweep_without_an_end_is_said_to_be_broken_off_or_at_work(tmp_path: Path) -> None:
    keep(tmp_path, NEWER, "one", finished=False)
    _, document = listed(tmp_path)
    assert document["sweeps"][0]["ended"] is False
    assert "broken off, or still at work" in shown(tmp_path)[1].read


def test_tenants_are_shown_where_there_are_several(tmp_path: Path) -> None:
    keep(tmp_path, NEWER, "one")
    assert "tenant" not in shown(tmp_path)[1].read
    keep(tmp_path, OLDER, "old", tenant="other-tenant")
    assert "other-tenant" in shown(tmp_path)[1].read


def test_where_no_sweep_was_recorded_it_is_said_where_else_there_are_some(tmp_path: Path) -> None:
    code, person = shown(tmp_path / "none")
    assert f"No sweep has a record in {tmp_path / 'none'}." in person.read
    assert "sweeps of the Function, which --insights finds" in person.heard
    assert code == 0


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (NEWER, "{}", "is no record of a sweep"),
        (NEWER, '{"record": 1, "sweepId": "00010101T000000Z-00000000"}', "it is about sweep 0001"),
        ("00010101T000000Z-00000000", '{"record": 1, "sweepId": "00010101T000000Z-00000000"}',
         "there was none in"),
    ],
)  # fmt: skip
def test_a_record_that_can_not_be_read_is_named_beside_the_others(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    keep(tmp_path, OLDER, "old")
    (tmp_path / f"{name}.jsonl").write_text(text)
    code, document = listed(tmp_path)
    (sentence,) = document["notSeen"]
    assert says in sentence
    assert [sweep["sweepId"] for sweep in document["sweeps"]] == [OLDER]
    assert code == 2


def test_a_folder_that_can_not_be_read_is_no_folder_without_records(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, person = shown(tmp_path / "file")
    assert "No record of a sweep could be read" in person.read
    assert "Not seen: " in person.heard
    assert code == 2


def test_it_is_listed_without_a_sign_in(tmp_path: Path) -> None:
    folder = tmp_path / "keysweep" / "sweeps"
    folder.mkdir(parents=True)
    keep(folder, NEWER, "one")
    ran = here(None, "undo", "--list", XDG_STATE_HOME=str(tmp_path))
    assert NEWER in ran.out
    assert ran.code == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("undo", "Give a SWEEP-ID, or --list for the sweeps whose records are on this machine."),
        (f"undo {SWEEP} --list", "Give a SWEEP-ID, or --list"),
        ("undo --list --yes", "--list asks nothing of Azure"),
        ("undo --list -s prod", "--list asks nothing of Azure"),
    ],
)
def test_a_list_stands_alone(line: str, says: str) -> None:
    ran = here(None, *line.split())
    assert says in " ".join(ran.err.split())
    assert ran.code == 64
