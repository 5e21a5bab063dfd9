"""The time that unit tests live in, and what they must not do."""

import asyncio
import socket
import subprocess
import sys

import pytest

from tests.support.virtual_time import START, StuckError, VirtualClock, VirtualLoop


async def test_an_hour_passes_at_once_and_to_the_second(clock: VirtualClock) -> None:
    await clock.sleep(3600)
    assert clock.monotonic() == 3600
    assert (clock.now() - START).total_seconds() == 3600


async def test_who_sleeps_for_less_wakes_first(clock: VirtualClock) -> None:
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(clock.monotonic())

    await asyncio.gather(sleeper(30), sleeper(0.5), sleeper(7))
    assert woken == [0.5, 7, 30]


def test_waiting_for_what_never_comes_fails() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner, pytest.raises(StuckError):
        runner.run(wait())


def test_a_connection_fails_the_test() -> None:
    with socket.socket() as client, pytest.raises(pytest.fail.Exception, match=r"socket\.connect"):
        client.connect(("127.0.0.1", 9))


def test_a_server_fails_the_test() -> None:
    with socket.socket() as server, pytest.raises(pytest.fail.Exception, match=r"socket\.bind"):
        server.bind(("127.0.0.1", 0))


def test_another_program_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"subprocess\.Popen"):
        subprocess.run([sys.executable, "-V"], check=True)
