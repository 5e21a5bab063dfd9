"""A bug of ours: exit code 70, one line, and the traceback in a file that the line names."""

import re
from pathlib import Path

import pytest

from tests.support.terminal import Ran, keysweep

FILE = re.compile(r"/\S+\.txt")


def with_a_bug(folder: Path, **environ: str) -> Ran:
    """Run a command that meets a bug: a module that it loads fails as no module should."""
    modules = folder / "modules"
    modules.mkdir(exist_ok=True)
    (modules / "duckdb.py").write_text("raise KeyError('Values')")
    return keysweep(
        None, "dashboard", "--capture", str(folder), PYTHONPATH=str(modules),
        XDG_STATE_HOME=str(folder / "state"), **environ,
    )  # fmt: skip


@pytest.fixture
def ran(tmp_path: Path) -> Ran:
    """Give what came of it."""
    return with_a_bug(tmp_path)


def test_it_has_an_exit_code_of_its_own(ran: Ran) -> None:
    assert ran.code == 70


def test_it_is_one_line_that_says_so(ran: Ran) -> None:
    assert ran.err.startswith("keysweep: This is a bug of keysweep's own")
    assert ran.err.count("\n") == 1


def test_no_error_of_pythons_reaches_a_person(ran: Ran) -> None:
    assert "KeyError" not in ran.err + ran.out


def test_the_line_names_a_file_with_the_traceback(ran: Ran, tmp_path: Path) -> None:
    (name,) = FILE.findall(ran.err)
    assert Path(name).is_relative_to(tmp_path / "state" / "keysweep")
    text = Path(name).read_text()
    assert "Traceback (most recent call last)" in text
    assert "KeyError: 'Values'" in text


def test_the_file_is_its_owners_alone(ran: Ran) -> None:
    (name,) = FILE.findall(ran.err)
    assert Path(name).stat().st_mode & 0o777 == 0o600


def test_where_there_is_no_state_folder_the_traceback_is_kept_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    ran = with_a_bug(tmp_path, TMPDIR=str(tmp_path))
    (name,) = FILE.findall(ran.err)
    assert Path(name).parent == tmp_path
    assert ran.code == 70


def test_a_settings_file_without_values_is_no_keyerror(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("{}")
    ran = keysweep(None, "scan", "--settings", str(file))
    assert "It has no `Values`" in ran.err
    assert "KeyError" not in ran.err
    assert (ran.code, ran.err.count("\n")) == (64, 1)
