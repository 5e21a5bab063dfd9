"""What every test shares. Its top has to stay the top: aiohttp reads the variables at import."""

import os

from tests.local_azure import trust

os.environ.update(trust.environ())

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.local_azure import LocalAzure, Tenant


@pytest.fixture
def serve() -> Iterator[Callable[..., LocalAzure]]:
    """Give what serves a tenant for the length of a test."""
    with ExitStack() as stack:

        def start(tenant: Tenant | None = None, **options: Any) -> LocalAzure:
            served = tenant if tenant is not None else Tenant.with_one_subscription()
            return stack.enter_context(LocalAzure(served, **options))

        yield start
