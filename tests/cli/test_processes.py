"""What a process of its own alone can show: streams, kills, full disks, bugs and imports."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keysweep.record import read_record
from local_azure import LocalAzure, Tenant
from tests.support.serving import Serve
from tests.support.terminal import COMMAND, ROOT, Ran, environment, in_real_time, keysweep

TAG = "local-auth-exempt"
ASCII: dict[str, Any] = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}


def crowd(count: int = 1) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for number in range(count):
        tenant.add_account(f"bot-{number}", local_auth=True)
    tenant.add_account("exempt", local_auth=True, tags={TAG: "Zürich 東京"})
    return tenant


def in_shell(azure: LocalAzure | None, line: str, *arguments: str) -> Ran:
    """Run a command as a shell does; `"$@"` stands for it in the line."""
    done = subprocess.run(  # noqa: S603 - our own command
        ["/bin/bash", "-c", line, "bash", *COMMAND, *arguments], cwd=ROOT,
        env=environment(azure), capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


# Streams


@pytest.mark.parametrize(
    ("streams", "arguments", "code"),
    [
        ("<&-", ["sweep"], 64),
        ("<&-", ["probe", "bot-0", "--key-from-stdin"], 64),
        (">&-", ["scan", "-o", "json"], 1),
        ("2>&-", ["scan", "--verbose"], 1),
        ("<&- >&- 2>&-", ["scan"], 1),
        (">/dev/full", ["scan"], 2),
        (">/dev/full", ["scan", "-o", "json"], 2),
    ],
)
def test_a_stream_that_is_closed_or_full_stops_no_command(
    serve: Serve, streams: str, arguments: list[str], code: int
) -> None:
    ran = in_shell(in_real_time(serve, crowd()), f'exec "$@" {streams}', *arguments)
    assert ("The output could not be written" in ran.err) == ("full" in streams)
    assert ran.code == code, ran.err


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_reader_that_has_had_enough_is_no_error(serve: Serve, form: str) -> None:
    line = '"$@" | head -n 1 | grep . >/dev/null; exit ${PIPESTATUS[0]}'
    ran = in_shell(in_real_time(serve, crowd(0)), line, "scan", "-o", form)
    assert ran.err == ""
    assert ran.code == 0


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_sweep_goes_on_when_nobody_reads_what_it_says(serve: Serve, stream: str) -> None:
    azure = in_real_time(serve, crowd(3))
    line = f'exec "$@" {stream}> >(exec true)'
    ran = in_shell(azure, line, "sweep", "--yes", "--verbose")
    assert {account.name for account in azure.tenant.accounts if account.keys_on} == {"exempt"}
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("arguments", [["scan"], ["probe", "bot-0"]])
def test_what_ascii_lacks_is_written_out_and_documents_are_utf_8(
    serve: Serve, arguments: list[str]
) -> None:
    azure = in_real_time(serve, crowd())
    ran = keysweep(azure, *arguments, **ASCII)
    assert ran.out.isascii()
    assert ran.code in {1, 2}
    assert "Zürich 東京" in keysweep(azure, "scan", "-o", "csv", **ASCII).out


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_pipe_gets_neither_colours_nor_progress_whatever_is_forced(
    serve: Serve, name: str
) -> None:
    ran = keysweep(in_real_time(serve, crowd()), "scan", **{name: "1"})
    assert "\x1b" not in ran.out
    assert ran.err == ""


# The record


def test_the_way_back_that_a_sweep_prints_takes_it_back(serve: Serve, tmp_path: Path) -> None:
    azure = in_real_time(serve, crowd())
    settings, record = tmp_path / "my settings.json", tmp_path / "my record.jsonl"
    settings.write_text(json.dumps({"Values": {"EXEMPTION_TAG": "keeps-keys"}}))
    scope = ("-s", azure.tenant.subscription("contoso-prod").id)
    swept = keysweep(
        azure, "sweep", "--yes", "--record", str(record), "--settings", str(settings), *scope
    )
    printed = re.search(r"^To take it back: keysweep (.*)$", swept.err, re.MULTILINE)
    assert printed is not None, swept.err
    # As a person would paste it.
    in_shell(azure, f'"$@" {printed[1]} --yes')
    assert azure.tenant.account("bot-0").keys_on
    assert "keeps-keys" in (azure.tenant.account("bot-0").tags or {})


def test_a_full_disk_stops_the_changes_and_loses_none_that_was_made(
    serve: Serve, tmp_path: Path
) -> None:
    azure, path = in_real_time(serve, crowd(12)), tmp_path / "record.jsonl"
    # No file may grow beyond this (2 KiB): the first line fits, and a few more. What measures the
    # tests' coverage writes files too: not in this process.
    only_small = 'unset COVERAGE_PROCESS_CONFIG; ulimit -f 2; exec "$@"'
    ran = in_shell(azure, only_small, "sweep", "--yes", "--record", str(path))
    written = {write.account_id.lower() for write in azure.writes}
    begun = [line for line in path.read_text().split("\n")[:-1] if '"begun"' in line]
    assert 0 < len(written) < 12, ran.err
    assert written <= {json.loads(line)["begun"].lower() for line in begun}
    assert "can't be written" in ran.err
    assert ran.code != 0


@pytest.mark.parametrize("after", [1, 3])
def test_a_kill_in_the_middle_leaves_every_write_in_the_record(
    serve: Serve, tmp_path: Path, after: int
) -> None:
    azure, path = in_real_time(serve, crowd(12)), tmp_path / "record.jsonl"
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, "sweep", "--yes", "--record", str(path)], cwd=ROOT, env=environment(azure),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    azure.before(lambda _: process.kill() if len(azure.writes) >= after else None)
    process.wait(timeout=90)
    written = {write.account_id.lower() for write in azure.writes}
    kept = read_record(path.read_text())
    assert len(written) >= after
    assert written <= {change.account.key for change in kept.changes if change.may_be_done}
    assert not kept.is_finished


def test_two_undos_at_once_are_harmless(serve: Serve, tmp_path: Path) -> None:
    azure, path = in_real_time(serve, crowd(6)), tmp_path / "record.jsonl"
    assert keysweep(azure, "sweep", "--yes", "--record", str(path)).code == 0
    sweep_id = read_record(path.read_text()).sweep_id
    running = [
        subprocess.Popen(  # noqa: S603 - our own command
            [*COMMAND, "undo", sweep_id, "--record", str(path), "--yes"], cwd=ROOT,
            env=environment(azure), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=120) for process in running]
    assert all(account.keys_on for account in azure.tenant.accounts), said
    reasons = {(account.tags or {})[TAG].partition("; ")[2] for account in azure.tenant.accounts}
    assert reasons == {"", f"reason=undo of sweep {sweep_id}"}
    assert {process.returncode for process in running} <= {0, 2}


# A bug of ours


def with_a_bug(folder: Path, **environ: str) -> tuple[Ran, Path]:
    """Run a command that loads a module which fails as none should; return where it is kept."""
    modules = folder / "modules"
    modules.mkdir(exist_ok=True)
    (modules / "duckdb.py").write_text("raise KeyError('Values')")
    state = str(folder / "state")
    ran = keysweep(
        None, "dashboard", "--capture", str(folder), PYTHONPATH=str(modules),
        **{"XDG_STATE_HOME": state, **environ},
    )  # fmt: skip
    (name,) = re.findall(r"/\S+\.txt", ran.err)
    return ran, Path(name)


def test_a_bug_is_one_line_that_names_the_file_with_its_traceback(tmp_path: Path) -> None:
    ran, file = with_a_bug(tmp_path)
    assert ran.err.startswith("keysweep: This is a bug of keysweep's own")
    assert ran.err.count("\n") == 1
    assert "KeyError" not in ran.err + ran.out
    assert file.is_relative_to(tmp_path / "state" / "keysweep")
    assert "KeyError: 'Values'" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert ran.code == 70


def test_where_there_is_no_state_folder_the_traceback_is_kept_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    ran, file = with_a_bug(tmp_path, TMPDIR=str(tmp_path))
    assert file.parent == tmp_path
    assert ran.code == 70


# Imports and completion


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "from keysweep.__main__ import main; main(['--help'])",
            {"azure", "aiohttp", "rich", "opentelemetry"},
        ),
        ("import function_app", {"keysweep"}),
    ],
    ids=["help is quick", "the Function never loads the line"],
)
def test_what_is_not_needed_is_not_loaded(code: str, absent: set[str]) -> None:
    check = f"{code}; import sys; sys.exit(len({absent!r} & set(sys.modules)))"
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", check], cwd=ROOT, env=environment(None), capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_functions_packages_are_not_the_lines() -> None:
    pinned = (ROOT / "requirements.txt").read_text()
    for package in ("rich", "click", "platformdirs"):
        assert f"\n{package}==" not in pinned
    assert "!keysweep" not in (ROOT / ".funcignore").read_text().splitlines()


@pytest.mark.parametrize(
    ("words", "offered"), [("keysweep sc", "scan"), ("keysweep scan --su", "--subscription")]
)
def test_completion_offers_commands_and_options(words: str, offered: str) -> None:
    ran = keysweep(
        None, _KEYSWEEP_COMPLETE="bash_complete", COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
    )  # fmt: skip
    assert f"plain,{offered}" in ran.out.splitlines()
    assert "complete -o" in keysweep(None, _KEYSWEEP_COMPLETE="bash_source").out
