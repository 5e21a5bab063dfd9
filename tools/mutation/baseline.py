"""The tests while nothing is mutated: they have to be green, and show what they run."""

import gc
import importlib
import sys
import tempfile
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tools.mutation import session
from tools.mutation.coverage import Coverage, Observer
from tools.mutation.trial import FORK, TrialError


def baseline(files: Sequence[str], tests: Sequence[str]) -> Coverage:
    """Run all tests, and import what they import but for the product and the tests themselves.

    So trials, which are forked from this process, begin with it. Raises TrialError if a test fails.
    """
    with tempfile.NamedTemporaryFile() as printed:
        ours, theirs = FORK.Pipe(duplex=False)
        child = FORK.Process(target=_observe, args=(theirs, files, tests, printed.name))
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
    assert "shared" not in sys.modules
    return coverage


def _observe(answers: Connection, files: Sequence[str], tests: Sequence[str], printed: str) -> None:
    session.print_to(printed)
    observer = Observer(session.ROOT, files)
    if session.run_pytest(tests, observer) != pytest.ExitCode.OK:
        return
    packages = Path(pytest.__file__).parent.parent
    imported = [
        name
        for name, module in sys.modules.items()
        # All tests import the local Azure, which is no code of the product's.
        if name.startswith("local_azure")
        or Path(getattr(module, "__file__", None) or "/").is_relative_to(packages)
    ]
    answers.send((observer.coverage(), imported))
