"""Draws programs, runs them, and has them judged; a breach is shrunk to a small program."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from soak import planted
from soak.driver import quiet
from soak.laws import Broken, Record, judge
from soak.program import Program, Step, programs
from soak.world import happen

# A breach that was found is shrunk for so many seconds at most.
SHRINK_SECONDS = 90.0
_AT_A_TIME = 25


class LawBrokenError[Drawn](AssertionError):
    """Something drawn, a program say, in which laws were broken."""

    def __init__(self, drawn: Drawn, broken: list[Broken]) -> None:
        super().__init__("\n".join(f"{breach.law}: {breach.how}" for breach in broken))
        self.drawn = drawn
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
    with quiet(), planted.plant(bug):
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


@dataclass(frozen=True, slots=True)
class Machine[Drawn]:
    """What is drawn, how it is run and judged, and which of its parts may be left out."""

    draws: SearchStrategy[Drawn]
    check: Callable[[Drawn, Tally, planted.Bug | None], None]
    """Raises LawBrokenError."""
    smaller: Callable[[Drawn], Iterator[Callable[[Drawn], Drawn]]]
    """Ways to take something away, each to be tried on what the ways before it left."""


def soak(*, kill: bool, first: tuple[Step, ...] = ()) -> Machine[Program]:
    """Return the soak; `kill`: processes are born and killed too, which takes longer.

    `first` is what each program begins with, when something is looked for that hangs on it.
    """
    drawn = programs(kill=kill).map(
        lambda program: replace(program, steps=(*first, *program.steps))
    )
    return Machine(drawn, check, _smaller)


def _smaller(program: Program) -> Iterator[Callable[[Program], Program]]:
    for field in ("steps", "accounts", "order"):
        for index in reversed(range(len(getattr(program, field)))):
            yield partial(without, field=field, index=index)


def without[T: Any](drawn: T, *, field: str, index: int) -> T:
    """Return the same without one part of a field."""
    parts = getattr(drawn, field)
    smaller: T = replace(drawn, **{field: parts[:index] + parts[index + 1 :]})
    return smaller


def as_by_default[T: Any](drawn: T, *, options: str, option: str) -> T:
    """Return the same with one of its options set back to its default."""
    drawn_options = getattr(drawn, options)
    default = getattr(type(drawn_options)(), option)
    smaller: T = replace(drawn, **{options: replace(drawn_options, **{option: default})})
    return smaller


def judge_some[Drawn](
    draws: SearchStrategy[Drawn], number: int, count: int, check: Callable[[Drawn], None]
) -> None:
    """Draw so many, the same ones for each number, and judge them. Raises LawBrokenError."""

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(draws)
    def some(drawn: Drawn) -> None:
        check(drawn)

    some()


@dataclass(slots=True)
class Hunt[Drawn]:
    """Goes on until something is found or time is up."""

    machine: Machine[Drawn]
    until: float
    """On the real monotonic clock."""
    tally: Tally
    bug: planted.Bug | None = None
    law: str = ""
    """The law whose breach is looked for; none: any."""
    most_sweeps: int | None = None
    shrink_seconds: float = SHRINK_SECONDS
    progress: Callable[[str], None] = lambda _: None
    found_after: int = 0
    """How many sweeps had been run when something was found first, before it was made small."""

    @property
    def is_over(self) -> bool:
        """Whether time is up, or all sweeps were run."""
        enough = self.most_sweeps is not None and self.tally.sweeps >= self.most_sweeps
        return enough or time.monotonic() > self.until

    def hunt(self, number: int) -> LawBrokenError[Drawn] | None:
        """Draw and judge; return the smallest that was found to break a law."""
        while not self.is_over:
            found = self._some(number)
            if found is not None:
                return self._trimmed(found)
            number += 1
        return None

    def _trimmed(self, found: LawBrokenError[Drawn]) -> LawBrokenError[Drawn]:
        """Take away all that the breach doesn't need."""
        laws = {breach.law for breach in found.broken}
        until = time.monotonic() + self.shrink_seconds
        for take_away in self.machine.smaller(found.drawn):
            if time.monotonic() > until:
                return found
            self.progress("trimming")
            try:
                self.machine.check(take_away(found.drawn), self.tally, self.bug)
            except LawBrokenError as error:
                if laws & {breach.law for breach in error.broken}:
                    found = error
        return found

    def _some(self, number: int) -> LawBrokenError[Drawn] | None:
        failing: dict[Drawn, LawBrokenError[Drawn]] = {}
        shrink_until = 0.0

        @seed(number)
        @settings(
            max_examples=_AT_A_TIME,
            deadline=None,
            database=None,
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            print_blob=False,
            phases=(Phase.generate, Phase.shrink) if self.shrink_seconds else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(self.machine.draws)
        def search(drawn: Drawn) -> None:
            nonlocal shrink_until
            if drawn in failing:
                # Hypothesis asks for it again and again.
                raise failing[drawn]
            if time.monotonic() > shrink_until if failing else self.is_over:
                return
            try:
                self.machine.check(drawn, self.tally, self.bug)
            except LawBrokenError as error:
                if self.law not in {"", *(breach.law for breach in error.broken)}:
                    return
                if not failing:
                    self.found_after = self.tally.sweeps
                    shrink_until = time.monotonic() + self.shrink_seconds
                failing[drawn] = error
                raise
            finally:
                self.progress("shrinking" if failing else f"seed {number}")

        try:
            cast("Callable[[], None]", search)()
        except LawBrokenError as error:
            return error
        except Flaky:
            # It did not fail again: still a breach, and worth a look for that alone.
            return min(failing.values(), key=lambda error: len(repr(error.drawn)))
        return None
