"""Draws programs, runs them, and has them judged; a breach is shrunk to a small program."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky

from tests.soak import planted
from tests.soak.driver import quiet
from tests.soak.laws import Broken, Record, judge
from tests.soak.program import Program, programs
from tests.soak.world import happen

# A breach that was found is shrunk for so many seconds at most.
_SHRINK_SECONDS = 90.0
_AT_A_TIME = 25


class LawBrokenError(AssertionError):
    """A program in which laws were broken."""

    def __init__(self, program: Program, broken: list[Broken]) -> None:
        super().__init__("\n".join(f"{each.law}: {each.how}" for each in broken))
        self.program = program
        self.broken = broken


@dataclass(slots=True)
class Tally:
    """How much was done."""

    programs: int = 0
    sweeps: int = 0
    cut: int = 0
    faults: int = 0
    writes: int = 0

    def add(self, record: Record) -> None:
        """Count a program."""
        self.programs += 1
        self.sweeps += len(record.sweeps)
        self.cut += sum(sweep.cut for sweep in record.sweeps)
        self.faults += record.faults
        self.writes += len(record.writes)


def run(program: Program, bug: planted.Bug | None = None) -> Record:
    """Run a program, with a bug planted or without, and return what was recorded."""
    with quiet(), planted.plant(bug) if bug else contextlib.nullcontext():
        return asyncio.run(happen(program, bug))[0]


def check(
    program: Program,
    tally: Tally,
    bug: planted.Bug | None = None,
) -> None:
    """Run a program and judge it. Raises LawBrokenError."""
    record = run(program, bug)
    tally.add(record)
    broken = judge(record)
    if broken:
        raise LawBrokenError(program, broken)


@dataclass(slots=True)
class Hunt:
    """Goes on until something is found or time is up."""

    until: float
    """On the real monotonic clock."""
    tally: Tally
    bug: planted.Bug | None = None
    kill: bool = True
    progress: Callable[[str], None] = lambda _: None

    def hunt(self, number: int) -> LawBrokenError | None:
        """Draw and judge programs; return the smallest one found that breaks a law."""
        while time.monotonic() < self.until:
            found = self._some(number)
            if found is not None:
                return self._trimmed(found)
            number += 1
        return None

    def _trimmed(self, found: LawBrokenError) -> LawBrokenError:
        """Take away every step and account that the breach doesn't need."""
        laws = {each.law for each in found.broken}
        until = time.monotonic() + _SHRINK_SECONDS
        for field in ("steps", "accounts", "order"):
            for index in reversed(range(len(getattr(found.program, field)))):
                if time.monotonic() > until:
                    return found
                parts = getattr(found.program, field)
                smaller = replace(found.program, **{field: parts[:index] + parts[index + 1 :]})
                self.progress("trimming")
                try:
                    check(smaller, self.tally, self.bug)
                except LawBrokenError as error:
                    if laws & {each.law for each in error.broken}:
                        found = error
        return found

    def _some(self, number: int) -> LawBrokenError | None:
        failing: dict[Program, LawBrokenError] = {}
        shrink_until = 0.0

        @seed(number)
        @settings(
            max_examples=_AT_A_TIME,
            deadline=None,
            database=None,
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            print_blob=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(programs(kill=self.kill))
        def search(program: Program) -> None:
            nonlocal shrink_until
            now = time.monotonic()
            late = now > (shrink_until if failing else self.until)
            if late and program not in failing:
                return
            try:
                check(program, self.tally, self.bug)
            except LawBrokenError as error:
                if not failing:
                    shrink_until = time.monotonic() + _SHRINK_SECONDS
                failing[program] = error
                raise
            finally:
                self.progress("shrinking" if failing else f"seed {number}")

        try:
            cast("Callable[[], None]", search)()
        except LawBrokenError as error:
            return error
        except Flaky:
            # It did not fail again: still a breach, and worth a look for that alone.
            return min(failing.values(), key=lambda each: len(each.program.steps))
        return None
