"""Connections to the local Azure are made late, or never, by its clock."""

import asyncio
import gc
import http.client
import socket
import ssl
import threading
import warnings
from urllib.parse import urlsplit

import aiohttp
import pytest

from local_azure import LocalAzure, SeenRequest, Tenant, trust
from tests.support.plain_client import ACCOUNTS_VERSION, OFF, SUBSCRIPTIONS, arm
from tests.support.serving import Serve


def test_the_next_connection_takes_its_time_and_no_other(serve: Serve) -> None:
    azure = serve()
    azure.connections.late(9)

    times = []
    for _ in range(2):
        assert arm(azure, SUBSCRIPTIONS).status == 200
        times.append(azure.clock.monotonic())

    assert times == [9, 9]


def test_connections_to_another_host_are_made_at_once(serve: Serve) -> None:
    azure = serve()
    azure.connections.late(9, host="ingestion")

    assert arm(azure, SUBSCRIPTIONS).status == 200
    assert azure.clock.monotonic() == 0


def test_several_connections_may_be_late_until_that_is_cleared(serve: Serve) -> None:
    azure = serve()
    azure.connections.late(3, times=None)

    arm(azure, SUBSCRIPTIONS)
    arm(azure, SUBSCRIPTIONS)
    azure.connections.clear()
    arm(azure, SUBSCRIPTIONS)

    assert azure.clock.monotonic() == 6


def test_a_request_is_seen_only_once_its_connection_is_made(serve: Serve) -> None:
    azure = serve()
    azure.connections.late(9)
    began = azure.clock.now()
    arm(azure, SUBSCRIPTIONS)

    assert (azure.operations[0].at - began).total_seconds() == 9


def test_a_connection_that_hangs_ends_with_the_server() -> None:
    ended: list[BaseException] = []
    with LocalAzure(Tenant.with_one_subscription()) as azure:
        azure.connections.hang()

        def ask() -> None:
            try:
                arm(azure, SUBSCRIPTIONS)
            except (http.client.HTTPException, OSError) as e:
                ended.append(e)

        asking = threading.Thread(target=ask)
        asking.start()
        _until_asked(azure)
    asking.join(10)

    assert len(ended) == 1
    assert azure.operations == ()


async def test_whoever_waits_by_the_same_clock_can_give_up_a_connection_that_hangs(
    serve: Serve,
) -> None:
    azure = serve()
    azure.connections.hang()
    async with aiohttp.ClientSession() as session:
        asking = asyncio.ensure_future(session.get(azure.environ["ARM_ENDPOINT"]))
        await azure.clock.sleep(30)
        waiting = not asking.done()
        asking.cancel()

    assert waiting
    assert azure.clock.monotonic() == 30


def _until_asked(azure: LocalAzure) -> None:
    while not azure.connections.asked():
        threading.Event().wait(0.01)


async def test_a_clock_that_moves_itself_waits_for_tls(serve: Serve) -> None:
    azure = serve()
    address = urlsplit(azure.environ["ARM_ENDPOINT"])
    context = ssl.create_default_context(cafile=str(trust.bundle()))
    with socket.create_connection((str(address.hostname), int(address.port or 0))) as plain:
        await asyncio.to_thread(_until_asked, azure)
        sleeping = asyncio.ensure_future(azure.clock.sleep(60))
        await asyncio.sleep(0.1)
        moved = azure.clock.monotonic()
        secure = await asyncio.to_thread(
            context.wrap_socket, plain, server_hostname=address.hostname
        )
        await sleeping
        secure.close()

    assert moved == 0


async def test_a_write_can_need_a_connection_that_comes_nine_seconds_after_its_read(
    serve: Serve,
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=True)
    azure = serve(tenant)
    azure.faults.on(method="GET", path="*/accounts/bot").close()

    def late(request: SeenRequest) -> None:
        if request.method == "GET":
            azure.connections.late(9)

    azure.before(late)
    token = {"Authorization": f"Bearer {azure.token_for(tenant.function)}"}
    url = azure.environ["ARM_ENDPOINT"] + account.id + ACCOUNTS_VERSION
    async with aiohttp.ClientSession(headers=token) as session:
        async with session.get(url) as read:
            assert read.headers["Connection"] == "close"
            await read.read()
        async with session.patch(url, json=OFF) as written:
            assert written.status == 202

    looked, wrote = azure.operations
    assert (wrote.at - looked.at).total_seconds() == 9
    assert azure.connections.asked() == 2


async def test_a_connection_is_used_again_unless_the_server_closes_it(serve: Serve) -> None:
    azure = serve()
    token = {"Authorization": f"Bearer {azure.token_for(azure.tenant.function)}"}
    url = azure.environ["ARM_ENDPOINT"] + SUBSCRIPTIONS
    async with aiohttp.ClientSession(headers=token) as session:
        for _ in range(2):
            async with session.get(url) as answer:
                await answer.read()

    assert azure.connections.asked() == 1


def test_the_server_itself_closes_the_connection(serve: Serve) -> None:
    azure = serve()
    azure.faults.on(path="/subscriptions").close()
    address = urlsplit(azure.environ["ARM_ENDPOINT"])
    context = ssl.create_default_context(cafile=str(trust.bundle()))
    with (
        socket.create_connection((address.hostname, address.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=address.hostname) as connection,
    ):
        connection.sendall(f"GET {SUBSCRIPTIONS} HTTP/1.1\r\nHost: arm\r\n\r\n".encode())
        answer = b""
        while received := connection.recv(65536):  # nothing more, once it is closed
            answer += received

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nConnection: close\r\n" in answer


def _leaks_when_stopped(connection: str) -> list[str]:
    """Return what is left open when a client holds on to a connection that has been answered."""
    azure = LocalAzure(Tenant.with_one_subscription())
    azure.start()
    azure.faults.on(path="/close").close()
    address = urlsplit(azure.environ["ARM_ENDPOINT"])
    context = ssl.create_default_context(cafile=trust.bundle())
    with (
        socket.create_connection((str(address.hostname), int(address.port or 0))) as plain,
        context.wrap_socket(plain, server_hostname=address.hostname) as held,
        warnings.catch_warnings(record=True) as caught,
    ):
        held.sendall(f"GET /{connection} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        held.recv(1)
        # Whatever other tests left is not looked at.
        gc.collect()
        warnings.simplefilter("always")
        azure.stop()
        gc.collect()
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("connection", ["keep", "close"])
def test_a_connection_that_a_client_holds_open_is_cut_when_the_local_azure_stops(
    connection: str,
) -> None:
    assert _leaks_when_stopped(connection) == []
