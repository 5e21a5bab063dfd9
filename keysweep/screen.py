"""What a person sees: tables and progress for a terminal, plain lines for a pipe.

Whatever Azure says is shown inert: a control character in a tag or a message is written out, not
sent to the terminal, and none of it is read as markup.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
)
from rich.table import Table
from rich.text import Text

from keysweep.advice import UsageProblem
from keysweep.words import inert, subscription_in_words
from shared.core.errors import Stopped
from shared.core.model import AccountId

# Wide enough that nothing is cut when nobody's terminal sets a width.
_PIPE_WIDTH = 240


def shown(text: object, style: str = "") -> Text:
    """Return a cell: text as it is, never markup, never an escape."""
    return Text(inert(str(text)), style)


def heading(account_id: AccountId, names: Mapping[str, str]) -> Text:
    """Return the line above all that is said of one account; `names` are subscriptions', by id."""
    subscription = subscription_in_words(account_id.subscription_id, names)
    place = f" in {account_id.resource_group}, {subscription}"
    return shown(account_id.name, "bold").append(shown(place, "dim"))


def not_seen(what: str) -> Text:
    """Return the line that says what could not be seen."""
    return Text("Not seen: ", "bold red").append(shown(what))


class Screen:
    """Standard output for what was asked for, standard error for everything else."""

    def __init__(self, out: Any = None, err: Any = None, *, quiet: bool = False) -> None:
        """Write to these streams; without them, to those of the process.

        `quiet`: say no more beside the output than what is wrong, asked or worth keeping.
        """
        self.out = _console(out or sys.stdout)
        self.err = _console(err or sys.stderr)
        self._quiet = quiet
        self._progress: Progress | None = None

    @property
    def wide(self) -> bool:
        """Whether a table may have all its columns."""
        return self.out.width >= 120  # noqa: PLR2004 - what they need, tried at 80, 100, 120, 140

    def show(self, *parts: Any) -> None:
        """Print what was asked for."""
        with self._free_line():
            for part in parts:
                self.out.print(shown(part) if isinstance(part, str) else part)

    def raw(self, text: str) -> None:
        """Print a document as it is: in UTF-8, unless a terminal has another encoding."""
        text = text if text.endswith("\n") else f"{text}\n"
        stream: Any = self.out.file
        if stream.isatty():
            stream.write(text)
        else:
            stream.flush()
            stream.buffer.write(text.encode("utf-8", "backslashreplace"))
        stream.flush()

    def note(self, text: str) -> None:
        """Say something beside the point."""
        if self._quiet:
            return
        self.err.print(shown(text, "dim"), soft_wrap=True)

    def say(self, text: str) -> None:
        """Say something to the person; lines stay lines."""
        if not self._quiet:
            self.keep(text)

    def keep(self, text: str) -> None:
        """Say what a person needs later, however quiet they want it; lines stay lines."""
        # Never broken into lines of ours: a command is copied from here.
        self.err.print(Text("\n").join(shown(line) for line in text.split("\n")), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Say what the person should look at before they go on; an empty text is nothing to say."""
        if text:
            self.err.print(shown(text, "bold yellow"), soft_wrap=True)

    def problem(self, text: str) -> None:
        """Say what is wrong; lines stay lines."""
        lines = Text("\n").join(shown(line, "not bold default") for line in text.split("\n"))
        self.err.print(Text("keysweep: ", "bold red").append(lines), soft_wrap=True)

    def ask(self, question: str) -> bool:
        """Ask; anything but yes is no. Raises Stopped at a Ctrl-C."""
        try:
            with _heard_at_once():
                _forget_what_was_typed()
                self.err.print(shown(f"{question} [y/N] ", "bold"), end="")
                answer = sys.stdin.readline()
        except KeyboardInterrupt:
            self.err.print()
            raise Stopped from None
        if not answer.endswith("\n"):
            self.err.print()
        return answer.strip().lower() in {"y", "yes"}

    def check_it_can_ask(self, instead: str = "--dry-run") -> None:
        """Raise UsageProblem, which names what shows the plan alone, if nobody is there to ask."""
        if not self.can_ask:
            raise UsageProblem(
                f"Nobody is there to be asked: say --yes, or {instead} to see the plan."
            )

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there who sees a question, and can answer it."""
        return sys.stdin.isatty() and bool(self.err.file.isatty())

    def spinner(self) -> Progress:
        """Return progress without an end in sight: one line, gone when done."""
        return self._moving(
            SpinnerColumn("line" if self.err.options.ascii_only else "dots"),
            TextColumn("{task.description}", markup=False),
        )

    def bar(self) -> Progress:
        """Return a progress bar with a line of live counts."""
        return self._moving(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24 if self.err.width < 100 else 40),  # noqa: PLR2004 - half of it
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}", markup=False),
        )

    def _moving(self, *columns: ProgressColumn) -> Progress:
        self._progress = Progress(
            *columns,
            console=self.err,
            transient=True,
            disable=self._quiet or not self.err.is_terminal,
        )
        return self._progress

    @contextlib.contextmanager
    def _free_line(self) -> Iterator[None]:
        """Take progress away for as long as standard output is written: both may be one terminal.

        Rich does so by itself only for what goes to the stream that progress is on.
        """
        moving = self._progress if self._progress and self._progress.live.is_started else None
        if moving:
            moving.stop()
        yield
        if moving:
            moving.start()


def stop_signals() -> list[signal.Signals]:
    """Return what asks to stop: Ctrl-C, an end of the process, a terminal that is closed.

    What is ignored, as `nohup` does, stays so.
    """
    found = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    return [
        number
        for number in found
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN
    ]


@contextlib.contextmanager
def _heard_at_once() -> Iterator[None]:
    """Let Ctrl-C and its like end the wait for a line: asyncio would hear of them after it."""
    before = {
        number: signal.signal(number, signal.default_int_handler) for number in stop_signals()
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget_what_was_typed() -> None:
    """Empty the terminal's input: what was typed before the question was shown answers nothing."""
    try:
        import termios  # noqa: PLC0415 - not on Windows
    except ModuleNotFoundError:
        _forget_what_was_typed_on_windows()
        return
    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _forget_what_was_typed_on_windows() -> None:
    import msvcrt  # noqa: PLC0415 - only there

    keyboard: Any = msvcrt
    while keyboard.kbhit():
        keyboard.getwch()


def grid(*columns: str) -> Table:
    """Return a table without lines, whose cells are folded and never cut."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _console(stream: Any) -> Console:
    if stream.isatty():
        return Console(file=stream, highlight=False, emoji=False)
    # A pipe is read by a program: FORCE_COLOR and its like are about terminals that hide.
    return Console(
        file=stream, highlight=False, emoji=False, width=_PIPE_WIDTH, force_terminal=False
    )
