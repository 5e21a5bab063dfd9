"""`make demo`: the timer function sweeps a realistic tenant, on the real SDKs and runtime.

One story in three acts: what is out there, what a first ring does, what is left and why. Everything
shown is read from what the local Azure received: the telemetry's envelopes and its own write log
and state. Nothing is read from the sweep's memory. In a terminal it ends by serving the tenant, for
`keysweep` to be tried on.
"""

import argparse
import asyncio
import io
import json
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from local_azure import trust

# aiohttp reads its certificates when it is imported: before anything that imports it.
os.environ.update(trust.environ())

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dashboard.capture import time_of
from dashboard.drawing import draw
from dashboard.tables import Tables
from dashboard.workbook import read_workbook
from keysweep.tones import style_of
from keysweep.words import counted
from local_azure import LocalAzure, scenarios
from local_azure.__main__ import main as serve
from shared.bootstrap import Process
from tests.support.functions_worker import FunctionsWorker
from tools.dashboard_pictures import picture
from tools.demo_sweep import Row, Sweep, left_alone
from tools.month import on_the_clock
from tools.pictures import whole

_WIDEST = 132
_PICTURE_WIDTH = 120
_PICTURED = 14
_TICK = 15 * 60
_BUILD = Path("build")
_ENVIRON = _BUILD / "keysweep.env"
_SERVED = f".venv/bin/python -m local_azure --person --environ {_ENVIRON}"
# What is called what in the story, in its order.
_FOUND = {"WOULD_DISABLE": "drift", "HELD": "held", "EXEMPT": "exempt"}


class Demo:
    """The story, told to a person."""

    def __init__(self, azure: LocalAzure, console: Console) -> None:
        self._azure = azure
        self._console = console
        self._say = console.print
        self._envelopes: list[dict[str, Any]] = []
        self._sweeps: list[Sweep] = []
        self._worker = FunctionsWorker()
        self._names = {
            subscription.id.lower(): subscription.name
            for subscription in azure.tenant.subscriptions.values()
        }
        self.pictured: Sequence[Row] = ()

    async def tell(self) -> list[dict[str, Any]]:
        """Tell the three acts. Returns the telemetry that came, on one clock."""
        await self._worker.load()
        self._say("The real Functions runtime has loaded function_app.py, and fires its timer.\n")
        # The product's clock follows the local Azure's: a quarter of an hour takes no time here.
        self._worker.module.process = Process(os.environ, self._azure.clock)
        try:
            await self._what_is_out_there()
            await self._first_ring()
            await self._what_is_left()
        finally:
            await self._worker.close()
        return self._envelopes

    async def _what_is_out_there(self) -> None:
        tenant = self._azure.tenant
        self._act("Act 1: what is out there", "SWEEP_MODE=audit: the sweep looks, and can't write.")
        alone = left_alone(tenant)
        in_all = len(tenant.accounts)
        sweep = await self._fire()
        accounts, rows = sweep.count("accounts"), sweep.rows()
        apart = sum(map(len, alone.values()))
        assert accounts + apart == in_all
        off, drift = sweep.count("compliant"), sweep.count("drift")
        self._say(
            f"Of {in_all} accounts in {len(tenant.subscriptions)} subscriptions, {accounts} are "
            f"the sweep's business: {off} have their keys off, {sweep.count('exempt')} are exempt "
            f"by a tag, {sweep.count('held')} are held because their tag can't be read for sure, "
            f"and {drift} are adrift: keys on, and nobody said they may.\n"
        )
        self._say(_named(rows))
        self._say(f"\nThe other {apart} are left alone:")
        reasons = Table.grid(padding=(0, 0, 0, 2))
        for why, names in alone.items():
            reasons.add_row(str(len(names)), f"{why}: [dim]{', '.join(names)}[/]")
        self._say(reasons)
        if sweep.of("BrakeEngaged"):
            self._say(
                f"\n{drift} changes at once would look like a mistake: without a word from a "
                "person, the brake holds all of them."
            )
        self._shown(
            sweep,
            f"{drift} accounts are adrift, each named above, and audit changed nothing: Azure "
            f"accepted {counted(len(self._azure.writes), 'write')}.",
        )

    async def _first_ring(self) -> None:
        now = self._azure.now()
        release = f"{now + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
        second, third = (
            f"{now + timedelta(seconds=_TICK * ticks):%Y-%m-%dT%H:%MZ}" for ticks in (1.5, 2.5)
        )
        rings = f"contoso-online, contoso-corp@{second}, contoso-sandbox@{third}"
        os.environ.update(SWEEP_MODE="enforce", BRAKE_RELEASE_UNTIL=release, ENFORCE_SCOPES=rings)
        self._act(
            "Act 2: what a first ring does",
            f"SWEEP_MODE=enforce, the brake released for a day, and three rings: contoso-online "
            f"now, contoso-corp at {second[11:16]}, contoso-sandbox at {third[11:16]}.",
        )
        written = len(self._azure.writes)
        sweep = await self._fire()
        results = sweep.results()
        ring = [row for row in sweep.rows() if row.state in results.keys() - {"WOULD_DISABLE"}]
        self._say(table(ring))
        writes = self._azure.writes[written:]
        (body,) = {json.dumps(write.body) for write in writes}
        self._say(
            f"\nAzure accepted {counted(len(writes), 'write')}, each with no more in it than {body}"
        )
        waiting, off = results["WOULD_DISABLE"], results["DISABLED"]
        self._shown(
            sweep,
            f"of the first ring's {counted(len(ring), 'account')} {off} have their keys off, read "
            f"back from Azure, and {len(ring) - off} have a reason why not; the {waiting} of later "
            "rings were not touched.",
        )

    async def _what_is_left(self) -> None:
        self._act("Act 3: what is left, and why", "Two ticks later all three rings are in force.")
        second = await self._fire()
        self.pictured = second.rows()
        third = await self._fire()
        turned_off = second.results()["DISABLED"] + third.results()["DISABLED"]
        left = [row for row in third.rows() if row.state in {*third.results(), "HELD"}]
        gone = [row.account for row in second.rows() if row.state == "GONE"]
        self._say(
            f"The second and the third ring turned the keys of {turned_off} more off. "
            f"{', '.join(gone)} was deleted while the sweep was on its way. What is left:\n"
        )
        self._say(table(left))
        drift, held = third.count("drift"), third.count("held")
        off, accounts = third.count("compliant"), third.count("accounts")
        self._shown(
            third,
            f"{off} of {accounts} accounts have their keys off, {third.count('exempt')} keep them "
            f"by a tag, {held} wait for their tag to be mended, and {drift} for whoever stands in "
            "the way.",
        )
        asked = sum(sweep.requests for sweep in self._sweeps)
        self._say(
            f"The four sweeps took {asked} requests to Azure in all: the page's tab Health says "
            "how they were answered.\n"
        )

    def _act(self, title: str, settings: str) -> None:
        self._console.rule(f"[bold]{title}", align="left")
        self._say(f"[dim]{settings}[/]\n")

    async def _fire(self) -> Sweep:
        azure = self._azure
        last = azure.now()
        azure.clock.advance(_TICK)
        sent = len(azure.telemetry.envelopes)
        invocation = await self._worker.fire(
            trace_parent=f"00-{os.urandom(16).hex()}-{'1' * 16}-01", last=last.isoformat()
        )
        told = _on_one_clock(azure.telemetry.envelopes[sent:])
        self._envelopes += told
        sweep = Sweep(told, self._names)
        self._sweeps.append(sweep)
        if not sweep.of("SweepCompleted"):
            raise RuntimeError(invocation.stack_trace)
        assert invocation.succeeded is not bool(sweep.reasons())
        return sweep

    def _shown(self, sweep: Sweep, sentence: str) -> None:
        if sweep.reasons():
            self._say(
                f"\nThe tick fails, so that somebody looks: the sweep is not whole. "
                f"[dim]{sweep.reasons()}[/]"
            )
        self._say(f"\n[bold]Shown:[/] {sentence}\n")


def _on_one_clock(envelopes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put a sweep's metrics where its events are: at the first, since the page ends at the last."""
    began = min(time_of(envelope) for envelope in envelopes if _is_event(envelope))
    return on_the_clock(envelopes, began.isoformat())


def _is_event(envelope: dict[str, Any]) -> bool:
    return bool(envelope["data"]["baseType"] == "EventData")


def _named(rows: Sequence[Row]) -> Table:
    """Draw which accounts are what, by subscription."""
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    drawn.add_column("what", no_wrap=True)
    drawn.add_column("subscription", no_wrap=True)
    drawn.add_column("accounts")
    for state, word in _FOUND.items():
        of_state = [row for row in rows if row.state == state]
        for subscription, alike in groupby(of_state, lambda row: row.subscription):
            names = ", ".join(row.account for row in alike)
            drawn.add_row(Text(word, style_of(state)), subscription, names)
    return drawn


def table(rows: Sequence[Row]) -> Table:
    """Draw accounts with what became of each, and why: nothing of a reason is cut."""
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("subscription", "account", "result"):
        drawn.add_column(name, no_wrap=True)
    drawn.add_column("why")
    for row in rows:
        result = Text(row.state, style_of(row.state))
        drawn.add_row(row.subscription, row.account, result, Text(row.why))
    return drawn


def svg(rows: Sequence[Row]) -> str:
    """Return a sweep's table as a picture: the rows that matter most, and a count."""
    console = Console(width=_PICTURE_WIDTH, record=True, highlight=False, file=io.StringIO())
    console.print(table(rows[:_PICTURED]))
    rest = [(state, len([*alike])) for state, alike in groupby(rows[_PICTURED:], _state)]
    more = ", ".join(f"{count} {state}" for state, count in rest)
    console.print(f"[dim]… and {len(rows) - _PICTURED} more: {more}[/]")
    return whole(console.export_svg(title="Keysweep: one sweep, worst first"))


def _state(row: Row) -> str:
    return row.state


async def main(console: Console) -> str:
    """Run the demo; return a picture of it."""
    # The library warns about HTTP settings of an app that has no HTTP trigger.
    logging.basicConfig(level=logging.ERROR)
    console.print("Starting a local Azure, which answers over TLS as Azure does ...")
    with LocalAzure(scenarios.demo()) as azure:
        os.environ.update(azure.environ)
        os.environ.update(SWEEP_SCHEDULE="0 */15 * * * *", SWEEP_MODE="audit")
        demo = Demo(azure, console)
        envelopes = await demo.tell()
        show_dashboard(envelopes, azure.logged_calls("log-central"), console)
        return svg(demo.pictured)


def show_dashboard(
    envelopes: list[dict[str, Any]], calls: list[dict[str, Any]], console: Console
) -> None:
    """Draw the workbook from what Application Insights received, and the calls that were logged."""
    console.print("Drawing the workbook from the telemetry of these four sweeps ...")
    _BUILD.mkdir(exist_ok=True)
    (_BUILD / "capture.json").write_text(json.dumps(envelopes))
    (_BUILD / "calls.json").write_text(json.dumps(calls))
    page = _BUILD / "dashboard.html"
    page.write_text(draw(read_workbook(), Tables(envelopes, calls)))
    with ThreadPoolExecutor(1) as apart:  # Playwright's sync API wants no event loop around it
        pictures = apart.submit(picture, page, _BUILD, widths=(1400,)).result()
    pictured = (
        f"its tabs as pictures: {pictures[0]} ..." if pictures else "no Chromium, no pictures"
    )
    console.print(f"Open [bold]{page}[/] in a browser ({pictured}).\n")


def hand_over(console: Console) -> None:
    """Leave `keysweep` ready to be typed: serve the tenant in a terminal, else say how."""
    is_watched = sys.stdin.isatty() and sys.stdout.isatty()
    console.rule("[bold]Your turn", align="left")
    if is_watched:
        console.print("The tenant of act 1 is served anew until Ctrl-C. In a second terminal:")
    else:
        console.print("The tenant of act 1 is served anew, until Ctrl-C, by")
        console.print(f"\n  [bold]{_SERVED}[/]\n\nand then, in a second terminal:")
    console.print(
        f"\n  [bold]. {_ENVIRON}[/]\n"
        "  [bold]keysweep scan[/]                      every account that accepts keys, and why\n"
        "  [bold]keysweep explain ticket-summary[/]    how one of them was judged, step by step\n"
        "  [bold]keysweep impact contract-review[/]    who still uses its keys\n\n"
        "You may read contoso-vault, which the Function may not: scan finds an account more.\n"
    )
    if is_watched:
        serve(["--person", "--environ", str(_ENVIRON)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.demo")
    parser.add_argument("--picture", type=Path, help="write what is shown as an SVG, and end")
    wanted = parser.parse_args().picture
    shown = Console(
        highlight=False, width=min(shutil.get_terminal_size((120, 24)).columns, _WIDEST)
    )
    drawn = asyncio.run(main(shown))
    if wanted is not None:
        wanted.write_text(drawn)
    else:
        hand_over(shown)
