"""`keysweep dashboard`: the workbook, drawn on this machine from captured telemetry."""

from pathlib import Path

import click

from dashboard.capture import CaptureError, read_capture
from dashboard.drawing import draw
from dashboard.tables import Tables
from dashboard.workbook import WorkbookError, read_workbook
from shared.cli.screen import Screen
from shared.cli.session import FINE, USAGE


def dashboard(screen: Screen, capture: Path, out: Path, *, opens: bool) -> int:
    """Draw it into a file. Returns the exit code."""
    try:
        with screen.spinner() as progress:
            progress.add_task(f"Reading {capture}")
            tables = Tables(read_capture(capture))
            progress.add_task("Running the workbook's queries")
            page = draw(read_workbook(), tables)
        out.write_text(page, "utf-8")
    except (CaptureError, WorkbookError) as error:
        screen.problem(str(error))
        return USAGE
    except OSError as error:
        screen.problem(f"{out} can't be written ({error.strerror}): give another --out.")
        return USAGE
    screen.show(f"{out}: open it in a browser; it needs no server and no internet.")
    if opens:
        click.launch(out.resolve().as_uri())
    return FINE
