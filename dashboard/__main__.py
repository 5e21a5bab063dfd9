"""Draw the workbook from telemetry: `python -m dashboard --capture FILE --out FILE.html`."""

import argparse
import sys
from pathlib import Path

from dashboard.capture import CaptureError, read_capture
from dashboard.drawing import draw
from dashboard.tables import Tables
from dashboard.workbook import FILE, WorkbookError, read_workbook


def main() -> int:
    """Draw it. Returns 64 if what was given can't be used."""
    parser = argparse.ArgumentParser(prog="python -m dashboard", description=__doc__)
    parser.add_argument("--capture", type=Path, required=True, help="envelopes, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="the HTML file to write")
    parser.add_argument("--workbook", type=Path, default=FILE, help="another workbook than ours")
    given = parser.parse_args()
    try:
        page = draw(read_workbook(given.workbook), Tables(read_capture(given.capture)))
    except (CaptureError, WorkbookError) as error:
        sys.stderr.write(f"{error}\n")
        return 64
    given.out.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
