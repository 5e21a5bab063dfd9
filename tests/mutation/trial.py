"""One mutant at a time, each in a process of its own that is forked from this one.

The parent imports all that tests and product use of other people's code, and none of `shared`; the
child imports `shared` anew, with the one module changed, and lets pytest run the tests that can
notice. Hypothesis draws the same examples every time and doesn't shrink.
"""

import ast
import gc
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import CodeType

import _hypothesis_pytestplugin
import hypothesis
import pytest
import pytest_asyncio.plugin

from tests.mutation.coverage import Coverage, Observer
from tests.mutation.mutants import Mutant

ROOT = Path(__file__).parent.parent.parent
_FORK = multiprocessing.get_context("fork")
# How much longer than when nothing was mutated an endless loop may take, of the processor's time: a
# busy machine changes nothing. Unit tests don't wait (tests/support/virtual_time.py), so the clock
# on the wall is looked at for tests that stand elsewhere alone, and is generous.
_LONGER = 5
_START_UP_SECONDS = 5
_WAITING_SECONDS = 900
_MEMORY = 4 * 2**30
_NOTICED = 10
"""What a trial's process ends with if a test failed. pytest's own 1 says that, and more."""


class Fate(StrEnum):
    """What came of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"


class TrialError(Exception):
    """Tests could not be run, or fail although nothing is mutated. Says what pytest printed."""


def baseline(files: Sequence[str], tests: Sequence[str]) -> Coverage:
    """Run all tests while nothing is mutated, and import what they import but for our own code.

    Raises TrialError if a test fails.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with tempfile.NamedTemporaryFile() as printed:
        ours, theirs = _FORK.Pipe(duplex=False)
        child = _FORK.Process(target=_observe, args=(theirs, files, tests, printed.name))
        child.start()
        theirs.close()
        try:
            coverage, imported = ours.recv()
        except EOFError as error:
            raise TrialError(Path(printed.name).read_text()) from error
        finally:
            child.join()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Hypothesis finds that its plugin does so early.
        for name in imported:
            importlib.import_module(name)
    gc.freeze()
    assert isinstance(coverage, Coverage)
    unmutated = {file: partial(ast.parse, (ROOT / file).read_text()) for file in files}
    if _Trial(unmutated, tuple(coverage.seconds), coverage).outlast() is not Fate.SURVIVED:
        raise TrialError("The tests fail in a forked process although nothing is mutated.")
    return coverage


def _observe(answers: Connection, files: Sequence[str], tests: Sequence[str], printed: str) -> None:
    _print_to(printed)
    observer = Observer(ROOT, files)
    if _pytest(tests, observer) != pytest.ExitCode.OK:
        return
    packages = Path(pytest.__file__).parent.parent
    imported = [
        name
        for name, module in sys.modules.items()
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(packages)
    ]
    answers.send((observer.coverage(), imported))


def trials(
    mutants: Sequence[Mutant], coverage: Coverage, at_once: int
) -> Iterator[tuple[Mutant, Fate]]:
    """Try all mutants, some at once, and yield what came of each as it ends.

    Raises TrialError if a trial ends in a way that says nothing about its mutant.
    """
    waiting, running = list(reversed(mutants)), list[tuple[Mutant, _Trial]]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                mutant = waiting.pop()
                tests = coverage.tests_of(mutant)
                if tests:
                    trial = _Trial({mutant.file: mutant.mutated}, tests, coverage)
                    running.append((mutant, trial))
                else:
                    yield mutant, Fate.SURVIVED
            wait([trial.process.sentinel for _, trial in running], timeout=1)
            for mutant, trial in tuple(running):
                if trial.has_ended():
                    running.remove((mutant, trial))
                    yield mutant, trial.fate()
    finally:
        for _, trial in running:
            trial.process.kill()
            trial.process.join()


type _Trees = Mapping[str, Callable[[], ast.Module]]
"""What to load in the place of some files."""


class _Trial:
    """A run of some tests with some files replaced."""

    def __init__(self, trees: _Trees, tests: Sequence[str], coverage: Coverage) -> None:
        seconds = sum(coverage.seconds[test] for test in tests)
        self._printed = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed with the trial
        limit = _START_UP_SECONDS + int(_LONGER * seconds)
        self.process: ForkProcess = _FORK.Process(
            target=_try, args=(trees, tests, coverage.seconds, limit, self._printed.name)
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
        """Wait for its end and return what came of it."""
        while not self.has_ended():
            self.process.join(timeout=1)
        return self.fate()

    def fate(self) -> Fate:
        """Return what came of it. Raises TrialError if that can't be told."""
        with self._printed:
            match self.process.exitcode:
                case 0:
                    return Fate.SURVIVED
                case code if code == _NOTICED:
                    return Fate.KILLED
                case code if code in {-signal.SIGXCPU, -signal.SIGKILL}:
                    return Fate.TIMED_OUT
                case code:
                    printed = Path(self._printed.name).read_text()
                    raise TrialError(f"a trial ended with {code}:\n{printed}")


def _try(
    trees: _Trees,
    tests: Sequence[str],
    known: Collection[str],
    processor_seconds: int,
    printed: str,
) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (processor_seconds, processor_seconds + 5))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    _print_to(printed)
    sys.meta_path.insert(0, _Finder(trees))
    files = sorted({test.partition("::")[0] for test in tests})
    chosen = _Chosen(tests, known)
    code = _pytest(files, chosen)
    if chosen.failed:
        sys.exit(_NOTICED)
    sys.exit(0 if code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} else code)


def _pytest(paths: Sequence[str], plugin: object) -> int:
    hypothesis.settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutation")
    os.chdir(ROOT)
    options = ["-x", "-q", "-p", "no:cacheprovider"]
    plugins = [_hypothesis_pytestplugin, pytest_asyncio.plugin, plugin]
    return pytest.main([*options, *paths], plugins=plugins)


def _print_to(file: str) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)


class _Chosen:
    """A plugin of pytest that runs the tests that can notice, in their order.

    A test that was not there when nothing was mutated was named by the mutant: it is run too.
    """

    def __init__(self, tests: Sequence[str], known: Collection[str]) -> None:
        self._order = {test: place for place, test in enumerate(tests)}
        self._known = known
        self.failed = False
        """Whether a test failed, or could not be imported."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose and sort."""
        items[:] = sorted(
            (
                item
                for item in items
                if item.nodeid in self._order or item.nodeid not in self._known
            ),
            key=lambda item: self._order.get(item.nodeid, -1),
        )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that can't be imported any more."""
        self.failed |= report.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that fails."""
        self.failed |= report.failed


@dataclass(frozen=True, slots=True)
class _Finder(MetaPathFinder):
    """Finds what is replaced before anybody else does."""

    trees: _Trees

    def find_spec(
        self,
        fullname: str,
        path: object,  # noqa: ARG002 - its name says where it is
        target: object = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return how to load what is replaced, or None for any other module."""
        name = fullname.replace(".", "/") + ".py"
        if name not in self.trees:
            return None
        file = str(ROOT / name)
        loader = _Loader(fullname, file, self.trees[name])
        return spec_from_file_location(fullname, file, loader=loader)


class _Loader(SourceFileLoader):
    """Loads a module from a tree."""

    def __init__(self, name: str, file: str, tree: Callable[[], ast.Module]) -> None:
        super().__init__(name, file)
        self._tree = tree

    def get_code(self, fullname: str) -> CodeType | None:  # noqa: ARG002 - the one of this loader
        """Compile the tree."""
        code: CodeType = compile(self._tree(), self.path, "exec")
        return code
