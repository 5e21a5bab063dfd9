"""Trials in which functions get other code, in a session of pytest that has collected all tests.

They take a few hundredths of a second, and are for mutants of what no import runs.
"""

import ast
import gc
import os
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from types import CodeType, FunctionType

import pytest

from tools.mutation.coverage import Coverage
from tools.mutation.mutants import Mutant, Name, Trees
from tools.mutation.session import ROOT, limit_test, run_pytest
from tools.mutation.trial import FORK, NOTICED, UNDECIDED, Fate, Trial, TrialError, tried

type _Functions = dict[tuple[str, str, int], list[FunctionType]]
"""By file, qualified name and first line."""


def tried_swapped(
    mutants: Sequence[Mutant], coverage: Coverage, at_once: int
) -> Iterator[tuple[Mutant, Fate]]:
    """Try mutants, and yield what came of each as it ends: UNDECIDED has to be tried otherwise.

    Raises TrialError if trials can't be trusted: one in which nothing is changed has to survive.
    """
    by_name = {mutant.name: mutant for mutant in mutants}
    ours, theirs = FORK.Pipe(duplex=False)
    child = FORK.Process(target=_run, args=(theirs, mutants, coverage, at_once))
    child.start()
    theirs.close()
    try:
        for _ in mutants:
            answer: tuple[Name, Fate] | TrialError = ours.recv()
            if isinstance(answer, TrialError):
                raise answer
            yield by_name[answer[0]], answer[1]
    except EOFError as error:
        raise TrialError("the session in which functions are swapped has ended") from error
    finally:
        child.terminate()
        child.join()


def _run(answers: Connection, mutants: Sequence[Mutant], coverage: Coverage, at_once: int) -> None:
    printed = os.open(os.devnull, os.O_WRONLY)
    os.dup2(printed, 1)
    files = sorted({test.partition("::")[0] for test in coverage.seconds})
    run_pytest(files, _Swapping(answers, mutants, coverage, at_once))


class _Swapping:
    """A plugin of pytest that, when all tests are collected, forks a process for each mutant."""

    def __init__(
        self, answers: Connection, mutants: Sequence[Mutant], coverage: Coverage, at_once: int
    ) -> None:
        self._answers = answers
        self._mutants = mutants
        self._coverage = coverage
        self._at_once = at_once
        self._items: dict[str, pytest.Item] = {}
        self._functions: _Functions = {}
        self._failed = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try all mutants instead of running all tests once."""
        self._items = {item.nodeid: item for item in session.items}
        unnamed = self._coverage.seconds.keys() - self._items.keys()
        if unnamed:
            self._answers.send(TrialError(f"tests are named otherwise each time: {unnamed}"))
            return True
        self._functions = _functions_of({mutant.file for mutant in self._mutants})
        gc.freeze()
        try:
            self._try_all()
        except TrialError as error:
            self._answers.send(error)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that fails."""
        self._failed |= report.failed

    def _try_all(self) -> None:
        files = {mutant.file for mutant in self._mutants}
        unchanged = {file: partial(ast.parse, (ROOT / file).read_text()) for file in files}
        if self._begin(unchanged, self._coverage.quick).outlast() is not Fate.SURVIVED:
            raise TrialError("The tests fail when functions get code, and nothing changed.")
        for mutant, fate in tried(self._mutants, self._begin_with, self._at_once):
            self._answers.send((mutant.name, fate))

    def _begin_with(self, mutant: Mutant) -> Trial:
        return self._begin({mutant.file: mutant.mutated}, self._coverage.tests_of(mutant))

    def _begin(self, trees: Trees, tests: Sequence[str]) -> Trial:
        return Trial(self._try, trees, tests)

    def _try(self, trees: Trees, tests: Sequence[str]) -> None:
        if not all(self._swap(file, tree()) for file, tree in trees.items()):
            sys.exit(UNDECIDED)
        for test in tests:
            item = self._items[test]
            limit_test(self._coverage.seconds[test])
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if self._failed:
                sys.exit(NOTICED)

    def _swap(self, file: str, tree: ast.Module) -> bool:
        """Give each function of a file the code that it has in the tree, if that is possible."""
        with warnings.catch_warnings():
            # What was a generator may be none any more.
            warnings.simplefilter("ignore", DeprecationWarning)
            for code in _codes(compile(tree, str(ROOT / file), "exec")):
                for function in self._functions.get(_key(code), ()):
                    try:
                        function.__code__ = code
                    except ValueError:
                        # It uses other variables of the function around it.
                        return False
        return True


def _functions_of(files: set[str]) -> _Functions:
    """Return all functions that there are of some files, however they are wrapped."""
    paths = {str(ROOT / file) for file in files}
    found: _Functions = defaultdict(list)
    gc.unfreeze()
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename in paths:
            found[_key(thing.__code__)].append(thing)
    return found


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of all functions in some code, but for those without a name of their own."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if not constant.co_name.startswith("<"):
                yield constant
            yield from _codes(constant)
