"""Trials in which the product is imported anew, with one module changed: for any mutant.

It takes half a second to import product and tests and to begin a session of pytest.
"""

import ast
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType

import pytest

from tools.mutation.coverage import Coverage, is_own
from tools.mutation.mutants import Mutant, Trees
from tools.mutation.session import ROOT, limit_test, run_pytest
from tools.mutation.trial import NOTICED, Fate, Trial, TrialError, tried

_IMPORT_SECONDS = 4.0


def tried_anew(
    mutants: Sequence[Mutant], coverage: Coverage, at_once: int
) -> Iterator[tuple[Mutant, Fate]]:
    """Try mutants, and yield what came of each as it ends.

    Raises TrialError if trials can't be trusted: one in which nothing is changed has to survive.
    """

    def begin(trees: Trees, *batches: Sequence[str]) -> Trial:
        return Trial(_try, trees, batches, coverage.seconds)

    def begin_with(mutant: Mutant) -> Trial:
        tests = coverage.tests_of(mutant)
        own = [test for test in tests if is_own(test, mutant)]
        rest = [test for test in tests if not is_own(test, mutant)]
        return begin({mutant.file: mutant.mutated}, *filter(None, (own, rest)))

    files = {mutant.file for mutant in mutants}
    unchanged = {file: partial(ast.parse, (ROOT / file).read_text()) for file in files}
    if mutants and begin(unchanged, coverage.quick).outlast() is not Fate.SURVIVED:
        raise TrialError("The tests fail when the product is imported anew, and nothing changed.")
    yield from tried(mutants, begin_with, at_once)


def _try(trees: Trees, batches: Sequence[Sequence[str]], known: Mapping[str, float]) -> None:
    """Run the tests, the files of one batch being imported when those before noticed nothing."""
    sys.meta_path.insert(0, _Finder(trees))
    for tests in batches:
        limit_test(_IMPORT_SECONDS)
        chosen = _Chosen(tests, known)
        code = run_pytest(sorted({test.partition("::")[0] for test in tests}), chosen)
        if chosen.failed:
            sys.exit(NOTICED)
        if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            sys.exit(code)


class _Chosen:
    """A plugin of pytest that runs the tests that can notice, in their order.

    A test that was not there when nothing was mutated was named by the mutant: it is run too.
    """

    def __init__(self, tests: Sequence[str], known: Mapping[str, float]) -> None:
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

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Let no test run for ever."""
        limit_test(self._known.get(nodeid, 0.0))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that can't be imported any more."""
        self.failed |= report.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that fails."""
        self.failed |= report.failed


@dataclass(frozen=True, slots=True)
class _Finder(MetaPathFinder):
    """Finds what is replaced before anybody else does."""

    trees: Trees

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
