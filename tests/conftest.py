"""What every test shares. Its top has to stay the top: aiohttp reads the variables at import."""

import os

from local_azure import trust

os.environ.update(trust.environ())

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from local_azure import LocalAzure, Tenant
from tests.support import role_in_use

if TYPE_CHECKING:
    from tests.support.captured import Captured


# What is drawn is the same every time, so more of it shows nothing new from run to run. What is new
# is drawn at night (`make test-nightly`, and `make soak`). No machine is too slow.
_unhurried = hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("repeatable", _unhurried, max_examples=50, derandomize=True)
hypothesis.settings.register_profile("anew", _unhurried, max_examples=1000, print_blob=True)


SLOW = (
    "tests/soak/",
    "tests/dashboard/",
    "tests/cli/test_processes.py",
    "tests/cli/test_terminals_and_signals.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Begin the journal of what the Function's identity does, and let the collector rest.

    The SDKs' classes stay for good: to look through them over and over took a fifth of the time.
    """
    role_in_use.begin(config)
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)


def pytest_collection_finish() -> None:
    """Let it rest from all that was imported for the tests too."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what asks queries, draws the soak's share, or drives programs; and `infra`."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
        if item.nodeid.startswith("tests/infra/"):
            item.add_marker(pytest.mark.infra)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Compare it with the role; a difference fails the run."""
    role_in_use.compare(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what came of that."""
    role_in_use.say(terminalreporter)


@pytest.fixture
def serve() -> Iterator[Callable[..., LocalAzure]]:
    """Give what serves a tenant for the length of a test."""
    with ExitStack() as stack:

        def start(tenant: Tenant | None = None, **options: Any) -> LocalAzure:
            served = tenant if tenant is not None else Tenant.with_one_subscription()
            return stack.enter_context(LocalAzure(served, **options))

        yield start


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> "Captured":
    """Give a month in which all sorts of things happen."""
    from tests.support.captured import captured  # noqa: PLC0415 - duckdb is heavy

    return captured(tmp_path_factory, "month")


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> "Captured":
    """Give three days of hourly sweeps in which nothing happens."""
    from tests.support.captured import captured  # noqa: PLC0415 - duckdb is heavy

    return captured(tmp_path_factory, "calm", "--calm", "--days", "3")
