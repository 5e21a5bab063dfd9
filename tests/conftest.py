"""What every test shares. Its top has to stay the top: aiohttp reads the variables at import."""

import os

from tests.local_azure import trust

os.environ.update(trust.environ())

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.local_azure import LocalAzure, Tenant

if TYPE_CHECKING:
    from tests.captured import Captured


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
    from tests.captured import captured  # noqa: PLC0415 - duckdb is heavy

    return captured(tmp_path_factory, "month")


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> "Captured":
    """Give three days of hourly sweeps in which nothing happens."""
    from tests.captured import captured  # noqa: PLC0415 - duckdb is heavy

    return captured(tmp_path_factory, "calm", "--calm", "--days", "3")
