"""Unit tests stay in their process: they open no connection, start no program, and never wait."""

import os
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


def _keep(fd: object) -> None:
    pass


# One for the whole process: an audit hook can't be taken away again.
sys.addaudithook(_stay_inside)


@pytest.fixture(autouse=True)
def inside() -> Iterator[None]:
    """Fail what leaves the process, and let no disk say that it keeps what was written."""
    global _in_a_unit_test  # noqa: PLW0603 - the hook is global too
    _in_a_unit_test = True
    # A disk takes milliseconds to say so, and whether it does is not seen in this process.
    fsync, os.fsync = os.fsync, _keep
    yield
    os.fsync = fsync
    _in_a_unit_test = False


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], VirtualLoop]]:
    """Let time pass at once, and let a test that would wait for ever fail."""
    return {"virtual": VirtualLoop}


@pytest.fixture
def clock() -> VirtualClock:
    """Give the clock of that loop."""
    return VirtualClock()
