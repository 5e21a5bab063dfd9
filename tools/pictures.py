"""Pictures of the command line for the documents, each from a real run in a terminal.

`python -m tools.pictures`, which `make docs` runs, writes docs/cli-*.svg.
"""

import asyncio
import io
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import dropwhile
from pathlib import Path
from typing import Any

from local_azure import trust

os.environ.update(trust.environ())

from rich.console import Console
from rich.text import Text

from local_azure import LocalAzure, scenarios
from local_azure.handlers.keys import keys_of
from tests.support import real_sweeps
from tests.support.terminal import in_real_time, in_terminal

DOCS = Path(__file__).parent.parent / "docs"
_COLUMNS = 120
_ROWS = 30
_PROGRESS = re.compile(
    r"(\x1b\[[0-9;]*m)*([\u2800-\u28ff]|Reading |[A-Z][a-z ]+ (\x1b\[[0-9;]*m)*━)"
)
_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-HJKSTf-ln-su]")
_LONG_ID = re.compile(r"/subscriptions/\S+")
_STATE = re.compile(r"/\S*/keysweep-state-\w+")
_CLIP = re.compile(r'(clip-terminal">\s*<rect x="0" y="0" width="[\d.]+" height=")([\d.]+)')
_BELOW = 8  # pixels that Rich leaves free under the last line


def whole(picture: str) -> str:
    """Return a picture of Rich's that asks no other host for fonts and cuts no underscore off."""
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    return _CLIP.sub(lambda found: f"{found[1]}{float(found[2]) + _BELOW:.1f}", picture)


def _from_a_row(lines: Sequence[Text]) -> Sequence[Text]:
    """Leave out the lines that belong to a row of a table that begins before them."""
    return [*dropwhile(lambda line: line.plain.startswith(" "), lines)]


def draw(
    name: str,
    azure: LocalAzure,
    *arguments: str,
    answers: Mapping[str, str] | None = None,
    rows: int = _ROWS,
    last: int = 5,
    columns: int = _COLUMNS,
    **environ: Any,
) -> str:
    """Run a command, draw what it left in the terminal, and return that.

    Of what is longer than `rows` the `last` ones stay, and as many of the first as fit.
    """
    ran = in_terminal(azure, *arguments, columns=columns, answers=answers, **environ)
    if ran.code < 0:
        raise TimeoutError(f"keysweep {arguments} took too long, and was killed: {ran.plain}")
    # The records of this run lie in a temporary folder; those of a person do not.
    out = _STATE.sub("~/.local/state", ran.out)
    lines = [_MOVES.sub("", line).rpartition("\r")[2] for line in out.split("\r\n")]
    # What a spinner or a bar showed is gone from the terminal by the end.
    drawn = [Text.from_ansi(line) for line in lines if not _PROGRESS.match(line)]
    # A terminal breaks a line where it ends.
    shown = [row for line in drawn for row in line.divide(range(columns, len(line), columns))]
    while shown and not shown[-1].plain.strip():
        shown.pop()
    if len(shown) > rows:
        shown = [*shown[: rows - last - 1], Text("…"), *_from_a_row(shown[-last:])]
    console = Console(width=columns, record=True, highlight=False, file=io.StringIO())
    for row in shown:
        console.print(row, soft_wrap=True)
    typed = _LONG_ID.sub("RESOURCE-ID", " ".join(arguments))
    picture = whole(console.export_svg(title=f"$ keysweep {typed}"))
    (DOCS / f"cli-{name}.svg").write_text(picture)
    return ran.plain


def deployed(azure: LocalAzure) -> str:
    """Let the Function sweep once, and tell it; returns its resource id."""
    swept = asyncio.run(real_sweeps.sweep(azure))
    azure.telemetry.add(swept.envelopes, azure.now())
    site = azure.services.component_id().partition("/providers/")[0]
    site += "/providers/Microsoft.Web/sites/func-keysweep"
    named = ("SWEEP_MANAGEMENT_GROUPS", "APPLICATIONINSIGHTS_CONNECTION_STRING")
    settings = {name: azure.environ[name] for name in named}
    azure.settings.app_settings[site] = {**settings, "SWEEP_MODE": "enforce"}
    return site


def main() -> None:
    """Draw all of them."""
    scenario = scenarios.demo(datetime.now(UTC).date())
    tenant = scenario.tenant
    tenant.assign(
        tenant.team,
        tenant.account("knowledge-base").id,
        [],
        data_actions=("Microsoft.CognitiveServices/accounts/OpenAI/models/read",),
    )

    def serve(_: object, **options: object) -> LocalAzure:
        return LocalAzure(scenario, **options)  # type: ignore[arg-type]

    with in_real_time(serve, tenant) as azure:
        # GitHub shows a README some 840 pixels wide: of a hundred columns each can still be read.
        draw("front", azure, "scan", "-s", "contoso-hr-prod", columns=104)
        draw("scan", azure, "scan")
        online = ("-m", "contoso-online")
        draw("owners", azure, "scan", *online, OWNER_TAGS="owner")
        draw("impact", azure, "impact", rows=40, last=7)
        draw("impact-one", azure, "impact", "contract-review", rows=40)
        draw("explain", azure, "explain", "contract-review", "ticket-summary")
        key = keys_of(tenant.account("knowledge-base"))[0]
        typed = {"Key (it is not shown):": f"{key}\r"}
        draw("probe", azure, "probe", "knowledge-base", "--key-from-stdin", answers=typed)
        reason = ("--reason", "CHG0042", "--owner", "web@contoso.com")
        draw("exempt", azure, "exempt", "site-search", "--for", "14d", *reason, "--enable-keys")
        no = {"Replace it? [y/N]": "n\n"}
        draw("exempt-again", azure, "exempt", "partner-widget", "--for", "30d", answers=no)
        draw("exemptions", azure, "exempt", "--list")
        yes = {"[y/N]": "y\n"}
        draw("notice", azure, "notice", "--for", "30d", "--reason", "CHG0042", "-m", "contoso-corp",
             answers={"[y/N]": "n\n"}, rows=50, OWNER_TAGS="owner")  # fmt: skip
        swept = draw("sweep", azure, "sweep", "--only", "mail-triage", "--only", "audit-archive",
             "--only", "treasury-bot", "--only", "doc-compare", answers=yes, rows=50)  # fmt: skip
        way_back = re.search(r"To take it back: keysweep (undo \S+)", swept)
        assert way_back
        draw("undo", azure, *way_back[1].split(), answers=yes)
        draw("doctor", azure, "doctor", "--function", deployed(azure), rows=60)


if __name__ == "__main__":
    main()
