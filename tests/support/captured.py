"""Months of sweeps, once a test run: what was received, and what truly happened."""

import fcntl
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dashboard.capture import read_capture, read_diagnostics
from dashboard.tables import Tables
from tools.month import Call, Standing, Tick, Truth, Turn

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Captured:
    """A month."""

    file: Path
    """The capture, as the dashboard reads it."""
    tables: Tables
    truth: Truth


def captured(factory: pytest.TempPathFactory, name: str, *arguments: str) -> Captured:
    """Let a month pass, or take what another worker of this test run has let pass."""
    base = factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    directory = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "truth.json").exists():
            subprocess.run(  # noqa: S603 - our own module
                [sys.executable, "-m", "tools.month", str(directory), *arguments],
                cwd=ROOT,
                check=True,
            )
    file = directory / "capture.json"
    truth = _truth(json.loads((directory / "truth.json").read_text()))
    tables = Tables(read_capture(file), read_diagnostics(directory / "calls.json"))
    return Captured(file, tables, truth)


def _truth(raw: dict[str, Any]) -> Truth:
    def standing(rows: Sequence[dict[str, Any]]) -> list[Standing]:
        return [Standing(**row) for row in rows]

    ticks = [
        Tick(**{**tick, "before": standing(tick["before"]), "after": standing(tick["after"])})
        for tick in raw["ticks"]
    ]
    return Truth(
        subscriptions=raw["subscriptions"],
        ticks=ticks,
        turns=[Turn(**turn) for turn in raw["turns"]],
        lost=[Turn(**turn) for turn in raw["lost"]],
        calls=[Call(**call) for call in raw["calls"]],
        function=raw["function"],
    )


def naive(text: str) -> datetime:
    """Return a moment as the tables have it: UTC, and no zone."""
    return datetime.fromisoformat(text).replace(tzinfo=None)
