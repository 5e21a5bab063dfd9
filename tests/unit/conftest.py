"""Unit tests stay in their process: they open no connection, start no program, and never wait."""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.support.virtual_time import VirtualClock, VirtualLoop

_OUTSIDE = frozenset({"socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen"})
_in_a_unit_test = False


def _stay_inside(event: str, arguments: tuple[Any, ...]) -> None:
    if _in_a_unit_test and event in _OUTSIDE:
        pytest.fail(f"a unit test did {event} with {arguments}: it belongs elsewhere in tests/")


# One for the whole process: an audit hook can't be taken away again.
sys.addaudithook(_stay_inside)


@pytest.fixture(autouse=True)
def inside() -> Iterator[None]:
    """Fail what leaves the process."""
    global _in_a_unit_test  # noqa: PLW0603 - the hook is global too
    _in_a_unit_test = True
    yield
    _in_a_unit_test = False


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], VirtualLoop]]:
    """Let time pass at once, and let a test that would wait for ever fail."""
    return {"virtual": VirtualLoop}


@pytest.fixture
def clock() -> VirtualClock:
    """Give the clock of that loop."""
    return VirtualClock()
