"""Pictures of the command line for the documents, each from a real run in a terminal.

`python -m tests.pictures`, which `make docs` runs, writes docs/cli-*.svg.
"""

import io
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from tests.local_azure import trust

os.environ.update(trust.environ())

from rich.console import Console
from rich.text import Text

from tests.local_azure import LocalAzure, scenarios
from tests.terminal import at_once, in_terminal

DOCS = Path(__file__).parent.parent / "docs"
_COLUMNS = 120
_ROWS = 30
_SPINNER = re.compile(r"(\x1b\[[0-9;]*m)*[\u2800-\u28ff]")
_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-HJKSTf-ln-su]")


def draw(name: str, azure: LocalAzure, *arguments: str, typed: str = "", rows: int = _ROWS) -> str:
    """Run a command, draw what it left in the terminal, and return that."""
    answers = {"[y/N]": typed} if typed else None
    ran = in_terminal(azure, *arguments, columns=_COLUMNS, answers=answers)
    lines = [_MOVES.sub("", line).rpartition("\r")[2] for line in ran.out.split("\r\n")]
    # What a spinner showed is gone from the terminal by the end.
    lines = [line for line in lines if not _SPINNER.match(line)]
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) > rows:
        lines = [*lines[: rows - 6], "…", *lines[-5:]]
    console = Console(width=_COLUMNS, record=True, highlight=False, file=io.StringIO())
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    drawn = console.export_svg(title="$ keysweep " + " ".join(arguments))
    # A picture asks no other host for its fonts.
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    (DOCS / f"cli-{name}.svg").write_text(drawn)
    return ran.plain


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

    with at_once(serve, tenant) as azure:
        draw("scan", azure, "scan")
        draw("explain", azure, "explain", "contract-review", "ticket-summary")
        draw("probe", azure, "probe", "knowledge-base")
        reason = ("--reason", "CHG0042", "--owner", "web@contoso.com")
        draw("exempt", azure, "exempt", "site-search", "--for", "14d", *reason, "--enable-keys")
        draw("exemptions", azure, "exempt", "--list")
        swept = draw("sweep", azure, "sweep", "--only", "mail-triage", "--only", "audit-archive",
             "--only", "treasury-bot", "--only", "doc-compare", typed="y\n")  # fmt: skip
        way_back = re.search(r"To take it back: keysweep (undo \S+)", swept)
        assert way_back
        draw("undo", azure, *way_back[1].split(), typed="y\n")


if __name__ == "__main__":
    main()
