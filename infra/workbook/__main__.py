"""Write workbook.json: `python -m infra.workbook`."""

from infra.workbook import FILE, written

FILE.write_text(written())
