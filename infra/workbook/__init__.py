"""The workbook: what people look at to review drift. `make docs` writes `workbook.json`.

One definition: Azure deploys the JSON, and the local dashboard draws the same JSON. It is written
here because KQL in JSON strings can't be read: `steps` are the shapes, each tab has its module, and
what the newest reading is and whether to believe it are `infra.readings` and `freshness`. A query's
columns that begin with a small letter are for links and icons, and are not shown.

No step reassures (a `good` tile, a table that is `fine` when empty) but on a reading that is fresh
and complete: such a step has a row that says what is in doubt.
"""

import json
from pathlib import Path

from infra.workbook.after import after
from infra.workbook.drift import drift
from infra.workbook.evidence import evidence
from infra.workbook.exemptions import exemptions
from infra.workbook.exposure import exposure
from infra.workbook.freshness import freshness
from infra.workbook.health import health
from infra.workbook.held import held_and_failed
from infra.workbook.overview import overview
from infra.workbook.parameters import parameters
from infra.workbook.rings import rings
from infra.workbook.steps import Step, tabs, text
from infra.workbook.uses import uses
from infra.workbook.wars import patch_wars
from infra.workbook.who import who

FILE = Path(__file__).parent.parent / "workbook.json"


def workbook() -> Step:
    """Return the whole of it."""
    pages = [
        *(overview(), drift(), exemptions(), held_and_failed(), patch_wars(), health()),
        *(exposure(), evidence(), who(), rings(), uses(), after()),
    ]
    names = [page["conditionalVisibility"]["value"] for page in pages]
    return {
        "version": "Notebook/1.0",
        "items": [
            text("title", "# Keysweep: Azure OpenAI without keys"),
            parameters(),
            freshness(),
            tabs(*names),
            *pages,
        ],
        "$schema": (
            "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/"
            "workbook.json"
        ),
    }


def written() -> str:
    """Return workbook.json as the definition above has it now."""
    return json.dumps(workbook(), indent=0, separators=(",", ":")) + "\n"
