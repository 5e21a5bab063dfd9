"""A trial: some tests against one mutant, in a process that is forked for it."""

import multiprocessing
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from tools.mutation import session
from tools.mutation.mutants import Mutant

FORK = multiprocessing.get_context("fork")
# Endless loops are ended by the processor's time (`session.limit_test`). Unit tests don't wait
# (tests/support/virtual_time.py), so the clock on the wall is looked at for tests that stand
# elsewhere alone, and is generous.
_WAITING_SECONDS = 900
NOTICED = 10
"""What a trial's process ends with if a test failed."""
UNDECIDED = 11
"""What it ends with if this mutant can't be tried in this way."""


class Fate(StrEnum):
    """What came of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"
    UNDECIDED = "undecided"


class TrialError(Exception):
    """Tests could not be run, or fail although nothing is mutated. Says what pytest printed."""


class Trial:
    """A trial that is under way."""

    def __init__(self, target: Callable[..., None], *args: Any) -> None:
        """Begin to run `target`."""
        self._printed = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed with the trial
        self.process: ForkProcess = FORK.Process(
            target=_limited, args=(self._printed.name, target, *args)
        )
        self._ends_at = time.monotonic() + _WAITING_SECONDS
        self.process.start()

    def has_ended(self) -> bool:
        """Whether its process is no more; one that has waited for too long is ended."""
        if self.process.is_alive() and time.monotonic() > self._ends_at:
            self.process.kill()
        elif self.process.is_alive():
            return False
        self.process.join()
        return True

    def outlast(self) -> Fate:
        """Wait for its end and return what came of it. Raises as `fate`."""
        while not self.has_ended():
            self.process.join(timeout=1)
        return self.fate()

    def fate(self) -> Fate:
        """Return what came of it. Raises TrialError if that can't be told."""
        with self._printed:
            match self.process.exitcode:
                case 0:
                    return Fate.SURVIVED
                case code if code == NOTICED:
                    return Fate.KILLED
                case code if code == UNDECIDED:
                    return Fate.UNDECIDED
                case code if code in {-signal.SIGXCPU, -signal.SIGKILL}:
                    return Fate.TIMED_OUT
                case code:
                    printed = Path(self._printed.name).read_text()
                    raise TrialError(f"a trial ended with {code}:\n{printed}")


def _limited(printed: str, target: Callable[..., None], *args: Any) -> None:
    session.limit_memory()
    session.print_to(printed)
    target(*args)


def tried(
    mutants: Sequence[Mutant], begin: Callable[[Mutant], Trial], at_once: int
) -> Iterator[tuple[Mutant, Fate]]:
    """Try mutants, some at once, and yield what came of each as it ends.

    Raises TrialError if a trial ends in a way that says nothing about its mutant.
    """
    waiting, running = list(reversed(mutants)), list[tuple[Mutant, Trial]]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                mutant = waiting.pop()
                running.append((mutant, begin(mutant)))
            wait([trial.process.sentinel for _, trial in running], timeout=1)
            for mutant, trial in tuple(running):
                if trial.has_ended():
                    running.remove((mutant, trial))
                    yield mutant, trial.fate()
    finally:
        for _, trial in running:
            trial.process.kill()
            trial.process.join()
