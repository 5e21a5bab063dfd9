"""ASCII terminals, closed streams, readers that went away: a command goes on to its end."""

import os
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from local_azure import LocalAzure, Tenant
from tests.support.terminal import COMMAND, ROOT, Ran, at_once, environment, in_terminal, keysweep

type Serve = Callable[..., LocalAzure]

ASCII: dict[str, Any] = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}


def drifting(count: int = 1) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for number in range(count):
        tenant.add_account(f"bot-{number}", local_auth=True)
    tenant.add_account("kept", local_auth=True, tags={"local-auth-exempt": "x=Zürich 東京"})
    tenant.add_account("exempt", local_auth=True, tags={"local-auth-exempt": "Zürich 東京"})
    return tenant


def closing(azure: LocalAzure, closed: str, *arguments: str) -> Ran:
    """Run a command as a shell does with `closed`, such as `>&-`, behind it."""
    done = subprocess.run(  # noqa: S603 - our own command
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, *arguments],
        cwd=ROOT, env=environment(azure), capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def to_nobody(azure: LocalAzure, stream: str, *arguments: str) -> Ran:
    """Run a command one of whose streams nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writer}
    done = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *arguments], cwd=ROOT, env=environment(azure), stdin=subprocess.DEVNULL,
        stdout=pipes["stdout"], stderr=pipes["stderr"], text=True, timeout=90, check=False,
    )  # fmt: skip
    os.close(writer)
    assert "Traceback" not in (done.stderr or ""), done.stderr
    return Ran(done.returncode, done.stdout or "", done.stderr or "")


@pytest.mark.parametrize("arguments", [["scan"], ["probe", "bot-0"], ["explain", "kept"]])
def test_what_ascii_lacks_is_written_out(serve: Serve, arguments: list[str]) -> None:
    azure = at_once(serve, drifting())
    plain, ascii_alone = keysweep(azure, *arguments), keysweep(azure, *arguments, **ASCII)
    assert ascii_alone.code == plain.code
    assert ascii_alone.out.isascii()
    assert ascii_alone.err == plain.err


def test_a_terminal_that_knows_ascii_alone_is_enough(serve: Serve) -> None:
    ran = in_terminal(at_once(serve, drifting()), "scan", columns=140, **ASCII)
    assert r"Z\xfcrich \u6771\u4eac" in ran.plain
    assert ran.out.isascii()
    assert ran.code == 1


def test_a_document_in_a_pipe_is_utf_8_whatever_the_locale(serve: Serve) -> None:
    ran = keysweep(at_once(serve, drifting()), "scan", "-o", "csv", **ASCII)
    assert "Zürich 東京" in ran.out


@pytest.mark.parametrize(
    ("closed", "arguments", "code"),
    [
        ("<&-", ["scan"], 1),
        ("<&-", ["sweep"], 64),
        ("<&-", ["probe", "bot-0", "--key-from-stdin"], 64),
        (">&-", ["scan"], 1),
        (">&-", ["scan", "-o", "json"], 1),
        ("2>&-", ["scan", "--verbose"], 1),
        ("<&- >&- 2>&-", ["scan"], 1),
    ],
)
def test_a_stream_that_is_closed_changes_no_exit_code(
    serve: Serve, closed: str, arguments: list[str], code: int
) -> None:
    ran = closing(at_once(serve, drifting()), closed, *arguments)
    assert ran.code == code, ran.err


@pytest.mark.parametrize("form", ["table", "json", "csv", "sarif"])
def test_a_reader_that_went_away_changes_no_exit_code(serve: Serve, form: str) -> None:
    azure = at_once(serve, drifting())
    assert to_nobody(azure, "stdout", "scan", "-o", form).code == 1
    azure.tenant.disable_keys("bot-0")
    azure.tenant.disable_keys("kept")
    ran = to_nobody(azure, "stdout", "scan", "-o", form)
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_sweep_goes_on_when_nobody_reads_what_it_says(serve: Serve, stream: str) -> None:
    tenant = drifting(3)
    tenant.account("kept").tags = {}
    azure = at_once(serve, tenant)
    ran = to_nobody(azure, stream, "sweep", "--yes", "--verbose")
    assert ran.code == 0, ran.err
    assert {account.name for account in azure.tenant.accounts if account.keys_on} == {"exempt"}


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
@pytest.mark.parametrize("form", ["table", "csv"])
def test_a_pipe_gets_neither_colours_nor_progress_whatever_is_forced(
    serve: Serve, name: str, form: str
) -> None:
    ran = keysweep(at_once(serve, drifting()), "scan", "-o", form, **{name: "1"})
    assert not re.search(r"\x1b", ran.out + ran.err)
    assert ran.err == ""
