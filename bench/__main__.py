"""`python -m bench`: Keysweep beside the script, on the same tenants, in one run."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from local_azure import LocalAzure, PatchForm, RunningClock, scenarios
from tests.support.functions_worker import ROOT

# Accounts, those adrift, subscriptions.
TENANTS = ((100, 5, 10), (1_000, 20, 50), (10_000, 100, 200))
WAYS = {
    "the script": ("bench.script", {}),
    "Keysweep": ("tests.support.scale_worker", {"SWEEP_MODE": "enforce"}),
    "Keysweep, audit": ("tests.support.scale_worker", {"SWEEP_MODE": "audit"}),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One way on one tenant."""

    tenant: str
    way: str
    requests: int
    start: float
    """Seconds until it begins: the interpreter, and what it imports."""
    seconds: float
    peak: float
    """MB of memory, imports included."""


def measure(way: str, accounts: int, drifted: int, subscriptions: int) -> Measured:
    """Run one way once, in a process of its own, on a tenant of its own."""
    tenant = scenarios.large(accounts, drifted, subscriptions)
    for account in tenant.accounts:
        # Updates that take no time: it is the client that is measured.
        account.patch = PatchForm.OK_200
        account.stale_reads = 0
    module, settings = WAYS[way]
    clock = RunningClock()
    with LocalAzure(tenant, clock) as azure:
        limits = {"MAX_CHANGES_PER_SWEEP": "100000"}
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**os.environ, **azure.environ, **limits, **settings},
            capture_output=True,
            text=True,
            check=True,
        )
        took = time.monotonic() - began
        found = json.loads(done.stdout.splitlines()[-1])
        on = sum(each.keys_on for each in azure.tenant.accounts)
        assert on == (drifted if "audit" in way else 0), f"{way} left {on} with keys on"
        asked = sum(each.host == "arm" for each in azure.operations)
    return Measured(
        f"{accounts:,} accounts, {drifted} adrift, {subscriptions} subscriptions",
        way,
        asked,
        took - found["seconds"],
        found["seconds"],
        found["peak MB"],
    )


def show(console: Console, measured: list[Measured]) -> None:
    """Show each tenant's ways beside the script: how many times as much of each they took."""
    table = Table("", "requests", "start", "sweep", "memory", box=None, header_style="bold")
    for tenant, ways in groupby(measured, key=lambda each: each.tenant):
        script, *others = ways
        table.add_row(f"[bold]{tenant}")
        table.add_row(
            f"  {script.way}",
            f"{script.requests:,}",
            f"{script.start:.1f} s",
            f"{script.seconds:.1f} s",
            f"{script.peak:.0f} MB",
        )
        for each in others:
            table.add_row(
                f"  {each.way}",
                _times(each.requests, script.requests),
                _times(each.start, script.start),
                _times(each.seconds, script.seconds),
                _times(each.peak, script.peak),
            )
    console.print(table)


def _times(one: float, other: float) -> str:
    return f"x {one / max(other, 0.1):.2f}"


def main() -> None:
    """Measure every way on every tenant."""
    console = Console()
    measured = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Measuring", total=len(TENANTS) * len(WAYS))
        for size in TENANTS:
            for way in WAYS:
                progress.update(task, description=f"{way}, {size[0]:,} accounts")
                measured.append(measure(way, *size))
                progress.advance(task)
    show(console, measured)


if __name__ == "__main__":
    main()
