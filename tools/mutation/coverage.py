"""Which test runs which line, seen once by `sys.monitoring` while nothing is mutated."""

import ast
import sys
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import CodeType

import pytest

from tools.mutation.mutants import Mutant


@dataclass(frozen=True)
class Coverage:
    """What each test runs, and how long it takes."""

    seconds: Mapping[str, float]
    """Of the processor, by node id."""
    lines: Mapping[tuple[str, int], frozenset[str]]
    """Node ids by file and line; AT_IMPORT for what is run before any test."""
    imports: Mapping[str, frozenset[str]]
    """By file of tests, the files of ours that it imports, be it by way of others."""

    @property
    def quick(self) -> tuple[str, ...]:
        """The tests that take no time to speak of."""
        return tuple(test for test, seconds in self.seconds.items() if seconds <= _QUICK)

    def is_run_at_import(self, mutant: Mutant) -> bool:
        """Whether a mutant is run before any test is: when the product or a test is imported."""
        return mutant.at_import or AT_IMPORT in self._running(mutant)

    def tests_of(self, mutant: Mutant) -> tuple[str, ...]:
        """Return the tests that can notice a mutant, those that will be quick to do so first.

        What is run at import can be noticed by all tests of a file that imports it: those that use
        the module go first.
        """
        use_the_module = self._users.get(mutant.file, set())
        found = self._running(mutant)
        if self.is_run_at_import(mutant):
            found = {
                test
                for test in self.seconds
                if mutant.file in self.imports[test.partition("::")[0]]
            }
        return tuple(
            sorted(
                found,
                key=lambda test: (
                    test not in use_the_module,
                    not is_own(test, mutant) and self.seconds[test] > _QUICK,
                    self.seconds[test],
                    test,
                ),
            )
        )

    @cached_property
    def _users(self) -> Mapping[str, set[str]]:
        """By file of the product, the tests that run any line of it."""
        users: defaultdict[str, set[str]] = defaultdict(set)
        for (file, _), tests in self.lines.items():
            users[file] |= tests
        return users

    def _running(self, mutant: Mutant) -> set[str]:
        """Return the tests that run the statement of a mutant."""
        return {
            test
            for line in mutant.statement
            for test in self.lines.get((mutant.file, line), frozenset())
        }


def is_own(test: str, mutant: Mutant) -> bool:
    """Whether a test stands in a file whose name begins with that of the mutant's."""
    return f"/test_{Path(mutant.file).stem}" in test.partition("::")[0]


def imported_by(root: Path, file: str) -> frozenset[str]:
    """Return the files below `root` that a file imports, be it by way of others."""
    found: set[str] = set()
    left = {file}
    while left:
        path = root / left.pop()
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            for name in names:
                other = name.replace(".", "/") + ".py"
                if other not in found and (root / other).is_file():
                    found.add(other)
                    left.add(other)
    return frozenset(found)


AT_IMPORT = ""
"""Stands for the import of the product and of tests, which runs some functions, too."""
_QUICK = 0.05
_TOOL = sys.monitoring.COVERAGE_ID
_LINE = sys.monitoring.events.LINE


class Observer:
    """A plugin of pytest that takes coverage of some files."""

    def __init__(self, root: Path, files: Iterable[str]) -> None:
        self._root = root
        self._files = {str(root / file): file for file in files}
        self._test = AT_IMPORT
        self._lines: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        self._seconds: dict[str, float] = {}

    def pytest_sessionstart(self) -> None:
        """Begin."""
        sys.monitoring.use_tool_id(_TOOL, "mutation")
        sys.monitoring.register_callback(_TOOL, _LINE, self._ran)
        sys.monitoring.set_events(_TOOL, _LINE)

    def _ran(self, code: CodeType, line: int) -> object:
        file = self._files.get(code.co_filename)
        if file is not None:
            self._lines[file, line].add(self._test)
        # Once a test is enough.
        return sys.monitoring.DISABLE

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note which test it is that runs lines from here on."""
        self._test = item.nodeid
        sys.monitoring.restart_events()
        before = time.process_time()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = time.process_time() - before
            self._test = AT_IMPORT

    def pytest_sessionfinish(self) -> None:
        """End."""
        sys.monitoring.free_tool_id(_TOOL)

    def coverage(self) -> Coverage:
        """Return what was seen."""
        lines = {place: frozenset(tests) for place, tests in self._lines.items()}
        files = {test.partition("::")[0] for test in self._seconds}
        imports = {file: imported_by(self._root, file) for file in files}
        return Coverage(dict(self._seconds), lines, imports)
