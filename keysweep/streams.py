"""Border: the standard streams, made so that no trouble with them stops a command half-way.

Whoever reads may go away, a disk may be full, a terminal may know ASCII alone, a stream may be
closed from the start. A command goes on all the same, and its exit code says what it did; what
could not be written is said at the end.
"""

import codecs
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_ERRORS = "keysweep.plain"
# How our own words look where their characters can't be shown.
_PLAIN = {"✓": "+", "✗": "x", "·": "-", "…": "..."}


class _Lenient(io.RawIOBase):
    """A stream that is written to until the first failure, which is kept and not raised."""

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._raw = raw
        self.problem: OSError | None = None

    def write(self, data: Any) -> int | None:
        """Write, or let it go."""
        if self.problem is None:
            try:
                written: int | None = self._raw.write(data)
            except OSError as error:
                self.problem = error
            else:
                return written
        return len(data)

    def writable(self) -> bool:
        """Say that it is for writing."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return bool(self._raw.isatty())

    def fileno(self) -> int:
        """Return its descriptor."""
        return int(self._raw.fileno())


@dataclass(frozen=True, slots=True)
class Streams:
    """Standard output and standard error, as `prepared` has made them."""

    out: _Lenient | None
    err: _Lenient | None

    def problem(self) -> OSError | None:
        """Return why standard output could not be written, if that matters to anybody.

        A pipe whose reader has gone away does not: it has had enough, as `head` has.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        problem = self.out.problem if self.out is not None else None
        return None if isinstance(problem, BrokenPipeError) else problem


def prepared() -> Streams:
    """Make the standard streams of this process such that they neither fail nor are missing."""
    codecs.register_error(_ERRORS, _in_plain)
    for descriptor in range(3):
        _reserve(descriptor)
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as we live
    elif isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    out, sys.stdout = _lenient(sys.stdout)
    err, sys.stderr = _lenient(sys.stderr)
    return Streams(out, err)


def _reserve(descriptor: int) -> None:
    """Let nothing that we open, such as a connection, take the place of a stream that is closed."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)


def _lenient(stream: IO[str] | None) -> tuple[_Lenient | None, Any]:
    if stream is None:
        return None, Path(os.devnull).open("w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return None, stream  # somebody else's
    stream.flush()
    # Under PYTHONUNBUFFERED there is no buffer before it.
    lenient = _Lenient(getattr(stream.buffer, "raw", stream.buffer))
    text = io.TextIOWrapper(
        io.BufferedWriter(lenient),
        encoding=stream.encoding,
        errors=_ERRORS,
        line_buffering=stream.line_buffering,
    )
    return lenient, text


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks with what ASCII has."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    plain = (
        _PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode()
        for character in missing
    )
    return "".join(plain), error.end
