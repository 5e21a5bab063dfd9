"""A bug of ours: one line for the person, and its traceback in a file to report it with."""

import contextlib
import secrets
import sys
import tempfile
import traceback
from datetime import datetime
from pathlib import Path

import platformdirs

from shared import __version__


def kept(error: BaseException, now: datetime) -> str:
    """Keep the traceback of a bug, and return the line that says so."""
    text = "".join(
        [
            f"keysweep {__version__}, Python {sys.version}, {sys.platform}\n",
            f"{' '.join(sys.argv)}\n\n",
            *traceback.format_exception(error),
        ]
    )
    name = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.txt"
    folders = (platformdirs.user_state_path("keysweep", appauthor=False) / "bugs", _temporary())
    for folder in folders:
        with contextlib.suppress(OSError):
            where = f"To report it, take the traceback in {_write(folder, name, text)}"
            break
    else:
        where = "Its traceback could not be kept anywhere"
    return (
        "This is a bug of keysweep's own, and no mistake of yours. What was under way may be done: "
        f"`keysweep scan` shows it. {where}"
    )


def _write(folder: Path, name: str, text: str) -> Path:
    """Write a file that only its owner can read. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / name
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(text, "utf-8", errors="backslashreplace")
    return file


def _temporary() -> Path:
    return Path(tempfile.gettempdir())
