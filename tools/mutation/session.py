"""A run of pytest in a process of its own, that nobody reads unless something goes wrong."""

import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import _hypothesis_pytestplugin
import hypothesis
import pytest
import pytest_asyncio.plugin

ROOT = Path(__file__).parent.parent.parent
_MEMORY = 4 * 2**30
_EXAMPLES = 25
_ANY_TEST_SECONDS = 4
_LONGER = 5


def run_pytest(paths: Sequence[str], plugin: object) -> int:
    """Run pytest with the two plugins that the fast tests need, and one more.

    Hypothesis draws the same examples every time, a few, and doesn't shrink: a survivor has to
    outlive each of them.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(ROOT)
    hypothesis.settings.register_profile(
        "mutation",
        max_examples=_EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    options = ["-x", "-q", "-s", "--assert=plain", "--tb=short", "-p", "no:cacheprovider"]
    options.append("--hypothesis-profile=mutation")
    plugins = [_hypothesis_pytestplugin, pytest_asyncio.plugin, plugin]
    return pytest.main([*options, *paths], plugins=plugins)


def print_to(file: str) -> None:
    """Let this process print into a file."""
    handle = os.open(file, os.O_WRONLY | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)


def limit_test(seconds: float) -> None:
    """End this process if the test that begins takes far longer than these seconds.

    They are the processor's, so a busy machine changes nothing, and what the test takes when
    nothing is mutated: only an endless loop takes so much longer.
    """
    most = int(time.process_time() + _ANY_TEST_SECONDS + _LONGER * seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def limit_memory() -> None:
    """Limit the memory of this process, and let it leave no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
