"""`python -m bench`: Keysweep beside the script, on the same tenants, in one run."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from local_azure import LocalAzure, PatchForm, RunningClock, Tenant, scenarios
from local_azure.services import Settings
from shared.core.settings import OPERATOR_SETTINGS, read_settings
from tests.support.functions_worker import ROOT

# Accounts, those adrift, subscriptions.
TENANTS = ((100, 5, 10), (1_000, 20, 50), (10_000, 100, 200))
DEFAULT_CONCURRENCY = read_settings({"SWEEP_MODE": "audit"}, OPERATOR_SETTINGS).concurrency
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


def run(
    module: str, azure: LocalAzure, settings: Mapping[str, str]
) -> tuple[float, dict[str, Any]]:
    """Run a module in a process of its own; return how long it took, and what it measured."""
    limits = {"MAX_CHANGES_PER_SWEEP": "100000", "SWEEP_MODE": "enforce"}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env={**os.environ, **azure.environ, **limits, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return time.monotonic() - began, json.loads(done.stdout.splitlines()[-1])


def at_once(accounts: int, drifted: int, subscriptions: int) -> Tenant:
    """Return a tenant whose updates take no time: it is the client that is measured."""
    tenant = scenarios.large(accounts, drifted, subscriptions)
    for account in tenant.accounts:
        account.patch = PatchForm.OK_200
        account.stale_reads = 0
    return tenant


def measure(way: str, accounts: int, drifted: int, subscriptions: int) -> Measured:
    """Run one way once, in a process of its own, on a tenant of its own."""
    module, settings = WAYS[way]
    with LocalAzure(at_once(accounts, drifted, subscriptions), RunningClock()) as azure:
        took, found = run(module, azure, settings)
        on = sum(account.keys_on for account in azure.tenant.accounts)
        assert on == (drifted if "audit" in way else 0), f"{way} left {on} with keys on"
        asked = sum(operation.host == "arm" for operation in azure.operations)
    return Measured(
        f"{accounts:,} accounts, {drifted} adrift, {subscriptions} subscriptions",
        way,
        asked,
        took - found["seconds"],
        found["seconds"],
        found["peak MB"],
    )


def crowded(concurrency: int) -> tuple[float, float, float]:
    """Change 537 accounts of an Azure that takes its time; seconds, MB, share that is refused."""
    options = Settings(throttled=True)
    with LocalAzure(at_once(10_000, 537, 100), RunningClock(), settings=options) as azure:
        azure.faults.on(method="PATCH", times=None).hang(0.2)
        azure.faults.on(host="arm", times=None).hang(0.05)
        settings = {"SWEEP_CONCURRENCY": str(concurrency)}
        _, found = run("tests.support.scale_worker", azure, settings)
        statuses = [operation.status for operation in azure.operations if operation.host == "arm"]
    return found["seconds"], found["peak MB"], statuses.count(429) / len(statuses)


def show_concurrency(console: Console) -> None:
    """Show the default of SWEEP_CONCURRENCY beside what it was once, and the most."""
    table = Table("537 changes", "sweep", "memory", "refused", box=None, header_style="bold")
    for concurrency in (8, DEFAULT_CONCURRENCY, 64):
        seconds, peak, refused = crowded(concurrency)
        note = ", the default" if concurrency == DEFAULT_CONCURRENCY else ""
        row = (f"{seconds:.1f} s", f"{peak:.0f} MB", f"{refused:.1%}")
        table.add_row(f"SWEEP_CONCURRENCY={concurrency}{note}", *row)
    console.print(table)


def show(console: Console, measured: list[Measured]) -> None:
    """Show each tenant's ways beside the script: how many times as much of each they took."""
    table = Table("", "requests", "start", "sweep", "memory", box=None, header_style="bold")
    for tenant, ways in groupby(measured, key=lambda way: way.tenant):
        script, *others = ways
        table.add_row(f"[bold]{tenant}")
        table.add_row(
            f"  {script.way}",
            f"{script.requests:,}",
            f"{script.start:.1f} s",
            f"{script.seconds:.1f} s",
            f"{script.peak:.0f} MB",
        )
        for other in others:
            table.add_row(
                f"  {other.way}",
                _times(other.requests, script.requests),
                _times(other.start, script.start),
                _times(other.seconds, script.seconds),
                _times(other.peak, script.peak),
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
    show_concurrency(console)


if __name__ == "__main__":
    main()
