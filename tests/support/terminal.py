"""Runs `keysweep` as a person does: a process of its own, in a pipe or in a terminal."""

import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from keysweep.__main__ import main
from local_azure import LocalAzure, MovedClock, RunningClock
from local_azure.services import Settings
from local_azure.state.account import PatchForm
from local_azure.state.tenant import Tenant
from shared.core.model import Clock
from tests.support.serving import Serve

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-m", "keysweep")
_SECONDS = 90
# What no environment of a person's has by chance.
_OURS = ("SWEEP_", "EXEMPTION_", "OWNER_TAGS", "AZURE_", "ARM_", "IDENTITY_")
_ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|\][^\x07]*\x07)")

# Where records of sweeps are kept: not among those of whoever runs the tests.
_STATE = tempfile.TemporaryDirectory(prefix="keysweep-state-")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process left: its exit code, what it printed, and what it said beside that."""

    code: int
    out: str
    err: str = ""

    @property
    def plain(self) -> str:
        """What was printed, without colours and movements, blanks run together."""
        return " ".join(_ESCAPE.sub("", self.out).split())


def at_once(
    serve: Serve, tenant: Tenant, *, clock: Clock | None = None, **settings: Any
) -> LocalAzure:
    """Serve a tenant whose changes are done and seen at once, and whose time passes at once."""
    for account in tenant.accounts:
        account.patch, account.stale_reads = PatchForm.OK_200, 0
    return serve(
        tenant,
        clock=clock or MovedClock(datetime.now(UTC)),
        graph_lag=0,
        changes_lag=0,
        settings=Settings(reachable_endpoints=True, **settings),
    )


def in_real_time(serve: Serve, tenant: Tenant, **settings: Any) -> LocalAzure:
    """Serve the same to a program, which lives in real time."""
    return at_once(serve, tenant, clock=RunningClock(), **settings)


def environment(azure: LocalAzure | None, **more: str) -> dict[str, str]:
    """Return a person's environment, signed in to a local Azure if there is one."""
    base = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "XDG_STATE_HOME": _STATE.name,
        # `make coverage` measures the command too.
        **{name: os.environ[name] for name in ("COVERAGE_PROCESS_CONFIG",) if name in os.environ},
    }
    return {**base, **(azure.operator_environ if azure else {}), **more}


def keysweep(azure: LocalAzure | None, *arguments: str, stdin: str = "", **environ: str) -> Ran:
    """Run it in a pipe."""
    done = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment(azure, **environ),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def here(
    azure: LocalAzure | None,
    *arguments: str,
    stdin: str = "",
    **environ: Any,
) -> Ran:
    """Run it in a pipe, in this process: quick, for what depends on no process of its own.

    It lives in the time of the local Azure.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    typed = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    with as_a_person(environment(azure, **environ), typed, out, err):
        code = main(arguments, azure.clock if azure else None)
    return Ran(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


@contextmanager
def as_a_person(
    environ: Mapping[str, str], stdin: TextIO, out: TextIO, err: TextIO
) -> Iterator[None]:
    """Give this process the environment and the streams of a person who types a command."""
    kept, kept_stdin = dict(os.environ), sys.stdin
    sys.stdin = stdin
    try:
        os.environ.update({name: "" for name in kept if name.startswith(_OURS)})
        os.environ.update(environ)
        with redirect_stdout(out), redirect_stderr(err):
            yield
    finally:
        sys.stdin = kept_stdin
        os.environ.clear()
        os.environ.update(kept)


def in_terminal(
    azure: LocalAzure,
    *arguments: str,
    columns: int = 100,
    answers: Mapping[str, str | signal.Signals | Callable[[], str | signal.Signals]] | None = None,
    **environ: Any,
) -> Ran:
    """Run it in a terminal.

    `answers`: once a text was shown, type or send this, or what this returns; the empty text is
    there from the start, whether anything was shown or not.
    """
    # Not pty.fork(): this process has threads, and Python code in a fork of it may crash.
    terminal, theirs = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment(azure, TERM="xterm-256color", **environ),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown, left, ends = "", dict(answers or {}), time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                data = os.read(terminal, 65_536)
            except OSError:
                break
            if not data:
                break
            shown += data.decode(errors="replace")
        for text in [text for text in left if text in _ESCAPE.sub("", shown)]:
            answer = left.pop(text)
            if callable(answer):
                answer = answer()
            if isinstance(answer, str):
                os.write(terminal, answer.encode())
            else:
                process.send_signal(answer)
    else:
        process.kill()
    code = process.wait()
    os.close(terminal)
    assert "Traceback" not in shown, shown
    return Ran(code, shown)
