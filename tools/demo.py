"""`make demo`: the timer function sweeps a realistic tenant, on the real SDKs and runtime.

Everything shown is read from what the local Azure received: the telemetry's envelopes and its own
write log and state. Nothing is read from the sweep's memory.
"""

import argparse
import asyncio
import io
import json
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from local_azure import trust

# aiohttp reads its certificates when it is imported: before anything that imports it.
os.environ.update(trust.environ())

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dashboard.drawing import draw
from dashboard.tables import Tables
from dashboard.workbook import read_workbook
from local_azure import LocalAzure, scenarios
from shared.bootstrap import Process
from tests.support.functions_worker import FunctionsWorker, Invocation
from tools.dashboard_pictures import picture

# Worst first; then what was done, then what nobody needs to look at.
_ORDER = (
    "FAILED", "UNVERIFIED", "NO_ROLE", "LOCKED", "POLICY_DENIED", "HELD", "BUSY", "DEFERRED",
    "NOW_HELD", "NOW_EXEMPT", "GONE", "ALREADY_OFF", "DISABLED", "WOULD_DISABLE", "EXEMPT",
)  # fmt: skip
_STYLES = {
    "FAILED": "bold red", "UNVERIFIED": "bold red", "NO_ROLE": "bold red", "LOCKED": "magenta",
    "POLICY_DENIED": "magenta", "HELD": "yellow", "BUSY": "yellow", "DEFERRED": "yellow",
    "NOW_HELD": "yellow", "DISABLED": "green", "WOULD_DISABLE": "cyan",
}  # fmt: skip
_WIDTH = 152
_TICK = 15 * 60
_PICTURED = 24
_BUILD = Path("build")


class Sweep:
    """One sweep, as Application Insights received it."""

    def __init__(self, envelopes: list[dict[str, Any]]) -> None:
        data = [envelope["data"]["baseData"] for envelope in envelopes]
        self.events = [
            (event["name"], event["properties"], event["measurements"]) for event in data
        ]

    def of(self, name: str) -> list[dict[str, str]]:
        """Return the properties of all events of one name."""
        return [properties for found, properties, _ in self.events if found == name]

    def completed(self) -> tuple[dict[str, str], dict[str, float]]:
        """Return the last event's properties and measurements."""
        (found,) = [event for event in self.events if event[0] == "SweepCompleted"]
        return found[1], found[2]

    def rows(self) -> list[dict[str, str]]:
        """Return every account that was not simply compliant, worst first."""
        rows: dict[str, dict[str, str]] = {}
        for event in self.of("ExemptionObserved"):
            if event["verdict"] == "EXEMPT":
                rows[event["accountId"]] = {**event, "result": "EXEMPT", "detail": _until(event)}
        for event in self.of("AccountHeld"):
            detail = event["reason"]
            rows[event["accountId"]] = {
                **event,
                "verdict": "HELD",
                "result": "HELD",
                "detail": detail,
            }
        drifted = {event["accountId"]: event for event in self.of("DriftFound")}
        for event in self.of("RemediationOutcome"):
            found = drifted[event["accountId"]]
            done = event["result"] in {"DISABLED", "WOULD_DISABLE"}
            detail = event.get("azureCode") or (found["reason"] if done else event["detail"])
            rows[event["accountId"]] = {**event, "verdict": "DRIFT", "detail": detail}
        return sorted(
            rows.values(), key=lambda row: (_ORDER.index(row["result"]), row["accountName"].lower())
        )


def _until(event: dict[str, str]) -> str:
    reason = f": {event['exemptionReason']}" if event.get("exemptionReason") else ""
    return (f"until {event['until']}" if event.get("until") else "open-ended") + reason


class Demo:
    """The story, told to a person."""

    def __init__(self, azure: LocalAzure, console: Console) -> None:
        self._azure = azure
        self._console = console
        self._shown: list[Sweep] = []
        self._subscriptions = {
            subscription.id.lower(): subscription.name
            for subscription in azure.tenant.subscriptions.values()
        }
        self._tags = {
            account.id.lower(): dict(account.tags or {}) for account in azure.tenant.accounts
        }

    async def tell(self) -> None:
        """Fire the timer three times and show what happened."""
        say = self._console.print
        tenant = self._azure.tenant
        say(
            f"A tenant of {len(tenant.subscriptions)} subscriptions and {len(tenant.accounts)} "
            f"accounts, served over TLS at {os.environ['ARM_ENDPOINT']}"
        )
        worker = FunctionsWorker()
        bindings = await worker.load()
        say(f"function_app.py is loaded by the Functions runtime: {json.dumps(bindings)}\n")
        # The product's clock follows the local Azure's: a quarter of an hour takes no time here.
        worker.module.process = Process(os.environ, self._azure.clock)
        try:
            say(
                "[dim]The tenant has one of everything that goes wrong, and one subscription that "
                "nobody lets us read: a sweep that meets them is not whole, and says so.[/]\n"
            )
            await self._fire(worker, "1. Audit: what would it do?", show=set())
            now = self._azure.now()
            release = f"{now + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
            second, third = (
                f"{now + timedelta(seconds=_TICK * ticks):%Y-%m-%dT%H:%MZ}" for ticks in (1.5, 2.5)
            )
            rings = f"contoso-online, contoso-corp@{second}, contoso-sandbox@{third}"
            os.environ.update(
                SWEEP_MODE="enforce", BRAKE_RELEASE_UNTIL=release, ENFORCE_SCOPES=rings
            )
            say(f"SWEEP_MODE=enforce  ENFORCE_SCOPES={rings}\nBRAKE_RELEASE_UNTIL={release}")
            left = set(_ORDER) - {"EXEMPT", "HELD"}
            await self._fire(worker, "2. Enforce in a first ring", show=left - {"WOULD_DISABLE"})
            await self._fire(worker, "3. The next tick: the second ring", show=set(_ORDER))
            title = "4. The next tick: the third ring, what is left, and why"
            await self._fire(worker, title, show=left)
        finally:
            await worker.close()

    async def _fire(self, worker: FunctionsWorker, title: str, *, show: set[str]) -> None:
        last = self._azure.now()
        self._azure.clock.advance(_TICK)
        self._console.rule(f"[bold]{title}", align="left")
        seen, written = len(self._azure.telemetry.events()), len(self._azure.writes)
        asked = len(self._azure.operations)
        began = time.monotonic()
        invocation = await worker.fire(
            trace_parent=f"00-{os.urandom(16).hex()}-{'1' * 16}-01", last=last.isoformat()
        )
        seconds = time.monotonic() - began
        sweep = Sweep(self._azure.telemetry.events()[seen:])
        if not sweep.of("SweepCompleted"):
            raise RuntimeError(invocation.stack_trace)
        self._shown.append(sweep)
        rows = [row for row in sweep.rows() if row["result"] in show]
        if rows:
            self._console.print(self.table(rows))
        self._totals(sweep, self._azure.writes[written:], seconds, asked)
        self._verdict(invocation)

    def table(self, rows: Iterable[dict[str, str]]) -> Table:
        """Draw every account that was not simply compliant."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name, width in (
            ("subscription", 20), ("account", 20), ("kind", 10), ("tag", 28), ("verdict", 7),
            ("result", 15), ("why", 40),
        ):  # fmt: skip
            table.add_column(
                name, min_width=width, max_width=width, no_wrap=True, overflow="ellipsis"
            )
        for row in rows:
            style = _STYLES.get(row["result"], "dim")
            result = row["result"] if row["verdict"] == "DRIFT" else row.get("holdReason", "")
            table.add_row(
                self._subscriptions[row["subscriptionId"]],
                row["accountName"],
                row["kind"],
                self._tag(row["accountId"]),
                row["verdict"],
                Text(result, style),
                Text(row["detail"], "dim"),
            )
        return table

    def picture(self) -> str:
        """Return the enforcing sweep's table as an SVG: the rows that matter most, and a count."""
        console = Console(width=_WIDTH, record=True, highlight=False, file=io.StringIO())
        rows = self._shown[2].rows()
        console.print(self.table(rows[:_PICTURED]))
        rest = Counter(row["result"] for row in rows[_PICTURED:])
        more = ", ".join(f"{count} {result}" for result, count in rest.items())
        console.print(f"[dim]… and {len(rows) - _PICTURED} more: {more}[/]")
        drawn = console.export_svg(title="Keysweep: one sweep, worst first")
        # A picture asks no other host for its fonts.
        return re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)

    def _tag(self, account_id: str) -> str:
        ours = [
            f"{name}={value}"
            for name, value in self._tags[account_id].items()
            if "exempt" in name.lower()
        ]
        return ", ".join(ours)

    def _totals(self, sweep: Sweep, writes: Iterable[Any], seconds: float, asked: int) -> None:
        say = self._console.print
        properties, numbers = sweep.completed()
        say(
            "\n[bold]Accounts[/] "
            + "   ".join(
                f"{name} [bold]{numbers[name]:.0f}[/]"
                for name in ("accounts", "compliant", "exempt", "held", "drift")
            )
        )
        results = Counter(outcome["result"] for outcome in sweep.of("RemediationOutcome"))
        named = sorted(results, key=_ORDER.index)
        if results:
            say(
                "[bold]Results[/]  "
                + "   ".join(f"{name} [bold]{results[name]}[/]" for name in named)
            )
        bodies = Counter(json.dumps(write.body) for write in writes)
        accepted = ", ".join(f"{count} times {body}" for body, count in bodies.items()) or "none"
        say(f"[bold]Writes that Azure accepted[/]  {accepted}")
        for gap in sweep.of("CoverageGap"):
            name = self._subscriptions.get(gap["gapName"], gap["gapName"])
            say(f"[bold]Gap[/]  {gap['gapKind']} {name}: {gap['problem']}")
        events = Counter(name for name, _, _ in sweep.events)
        say(
            "[bold]Telemetry received[/]  "
            + "   ".join(f"{name} {count}" for name, count in events.items())
        )
        requests = Counter(
            operation.method
            for operation in self._azure.operations[asked:]
            if operation.host == "arm"
        )
        counts = ", ".join(f"{count} {method}" for method, count in sorted(requests.items()))
        say(f"[bold]Requests[/]  {counts}, in {seconds:.1f} s here", style="dim")
        if brake := properties.get("brake"):
            say(f"[bold]Brake[/]  {brake}")

    def _verdict(self, invocation: Invocation) -> None:
        if invocation.succeeded:
            self._console.print("[green]The invocation succeeded.[/]\n")
        else:
            self._console.print(f"[red]The invocation failed:[/] {invocation.message}\n")


async def main() -> str:
    """Run the demo; return a picture of it."""
    console = Console(width=_WIDTH, highlight=False)
    # The library warns about HTTP settings of an app that has no HTTP trigger.
    logging.basicConfig(level=logging.ERROR)
    console.print("Starting the local Azure ...")
    with LocalAzure(scenarios.demo()) as azure:
        os.environ.update(azure.environ)
        os.environ.update(SWEEP_SCHEDULE="0 */15 * * * *", SWEEP_MODE="audit")
        demo = Demo(azure, console)
        await demo.tell()
        show_dashboard(azure.telemetry.envelopes, azure.logged_calls("log-central"), console)
        return demo.picture()


def show_dashboard(
    envelopes: list[dict[str, Any]], calls: list[dict[str, Any]], console: Console
) -> None:
    """Draw the workbook from what Application Insights received, and the calls that were logged."""
    console.print("Drawing the workbook from that telemetry ...")
    _BUILD.mkdir(exist_ok=True)
    (_BUILD / "capture.json").write_text(json.dumps(envelopes))
    (_BUILD / "calls.json").write_text(json.dumps(calls))
    page = _BUILD / "dashboard.html"
    page.write_text(draw(read_workbook(), Tables(envelopes, calls)))
    with ThreadPoolExecutor(1) as apart:  # Playwright's sync API wants no event loop around it
        pictures = apart.submit(picture, page, _BUILD, widths=(1400,)).result()
    pictured = (
        f"pictures of its tabs: {pictures[0]} ..." if pictures else "no Chromium, no pictures"
    )
    console.print(f"Open [bold]{page}[/] in a browser ({pictured}).")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.demo")
    parser.add_argument("--picture", type=Path, help="also write what is shown as an SVG")
    wanted = parser.parse_args().picture
    drawn = asyncio.run(main())
    if wanted is not None:
        wanted.write_text(drawn)
