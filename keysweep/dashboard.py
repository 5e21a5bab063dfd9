"""`keysweep dashboard`: the workbook, drawn on this machine from captured telemetry."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from dashboard.capture import CaptureError, read_capture, read_diagnostics
from dashboard.drawing import draw, is_page
from dashboard.tables import QueryError, Tables
from dashboard.workbook import WorkbookError, read_workbook
from keysweep.exit_codes import FINE, USAGE
from keysweep.screen import Screen


def dashboard(
    screen: Screen, capture: Path, diagnostics: Path | None, out: Path, *, opens: bool
) -> int:
    """Draw it into a file. Returns the exit code."""
    try:
        refusal = _refusal(capture, diagnostics, out)
        if refusal:
            screen.problem(f"{out} {refusal}: give another --out.")
            return USAGE
        with _in_the_place_of(out) as file, screen.spinner() as progress:
            progress.add_task(f"Reading {capture}")
            logged = read_diagnostics(diagnostics) if diagnostics is not None else None
            tables = Tables(read_capture(capture), logged)
            progress.add_task("Running the workbook's queries")
            file.write(draw(read_workbook(), tables))
    except (CaptureError, QueryError, WorkbookError) as error:
        screen.problem(str(error))
        return USAGE
    except OSError as error:
        screen.problem(f"{out} can't be written ({error.strerror}): give another --out.")
        return USAGE
    screen.show(f"{out}: open it in a browser; it needs no server and no internet.")
    if opens:
        click.launch(out.resolve().as_uri())
    return FINE


def _refusal(capture: Path, diagnostics: Path | None, out: Path) -> str:
    """Say why the page must not be written there; empty if it may. Raises OSError."""
    if out.is_symlink():
        return "is a link, and what it leads to is not overwritten"
    if out.exists() and out.samefile(capture):
        return "is the capture itself"
    if diagnostics is not None and out.exists() and out.samefile(diagnostics):
        return "is the file of logged calls"
    if capture.is_dir() and out.parent.resolve().is_relative_to(capture.resolve()):
        return "is inside the folder of captures"
    if out.exists() and not (out.is_file() and is_page(out)):
        return "is there already, and is no page of keysweep's"
    return ""


@contextmanager
def _in_the_place_of(out: Path) -> Iterator[TextIO]:
    """Give a file that takes the place of what is there, once it is whole. Raises OSError.

    It is there before anything is drawn, which may take minutes.
    """
    fresh = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        with fresh.open("x", encoding="utf-8") as file:
            yield file
        fresh.replace(out)
    finally:
        fresh.unlink(missing_ok=True)
