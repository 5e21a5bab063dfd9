"""Proxies come from the environment; the passwords of `~/.netrc` go nowhere."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_azure import LocalAzure, Tenant, scenarios
from tests.support.real_sweeps import insights, sweep
from tests.support.serving import Serve
from tests.support.terminal import in_real_time, keysweep

PASSWORD = "hunter2-of-the-netrc"


def netrc(folder: Path, *hosts: str) -> Path:
    """Write a `.netrc` that has a password for hosts, and one for all others."""
    file = folder / ".netrc"
    lines = [f"machine {host} login bob password {PASSWORD}" for host in hosts]
    file.write_text("\n".join([*lines, f"default login bob password {PASSWORD}", ""]))
    file.chmod(0o600)
    return file


def basic(authorization: str) -> str:
    """Return what a Basic authorization says; empty for any other."""
    kind, _, value = authorization.partition(" ")
    return base64.b64decode(value).decode() if kind == "Basic" else ""


def seen_by(azure: LocalAzure) -> list[str]:
    """Note what a local Azure is sent by Basic authorization from now on."""
    sent: list[str] = []
    azure.before(lambda request: sent.append(basic(request.headers.get("Authorization", ""))))
    return sent


def usable() -> Tenant:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=False)
    models = "Microsoft.CognitiveServices/accounts/OpenAI/models/read"
    tenant.assign(tenant.team, account.id, [], data_actions=(models,))
    return tenant


@pytest.mark.parametrize("arguments", [["scan"], ["probe", "bot"]])
def test_a_command_sends_no_password_of_the_netrc(
    serve: Serve, tmp_path: Path, arguments: list[str]
) -> None:
    netrc(tmp_path, "localhost", "127.0.0.1")
    azure = in_real_time(serve, usable())
    sent = seen_by(azure)
    ran = keysweep(azure, *arguments, HOME=str(tmp_path))
    assert len(sent) > 1, ran.err
    assert set(sent) == {""}


async def test_a_sweep_of_the_function_sends_none_either(serve: Serve, tmp_path: Path) -> None:
    azure = serve(scenarios.four_accounts())
    sent, sent_to_insights = seen_by(azure), seen_by(insights())
    swept = await sweep(azure, NETRC=str(netrc(tmp_path, "localhost", "127.0.0.1")))
    assert set(sent) == {""}
    assert set(sent_to_insights) == {""}
    assert swept.error is None


@contextmanager
def proxy() -> Iterator[tuple[int, list[str]]]:
    """Give a proxy that lets nobody through, and what it was asked."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(65_536).decode("latin1"))
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1], asked
        listening.shutdown(socket.SHUT_RDWR)


def authorizations(asked: list[str]) -> set[str]:
    """Return what a proxy was sent by Basic authorization."""
    lines = [line for head in asked for line in head.splitlines()]
    name = "proxy-authorization: "
    return {basic(line[len(name) :]) for line in lines if line.lower().startswith(name)}


@pytest.mark.slow
def test_a_proxy_of_the_environment_is_used_with_its_own_password_alone(
    serve: Serve, tmp_path: Path
) -> None:
    netrc(tmp_path, "localhost", "127.0.0.1")
    azure = in_real_time(serve, usable())
    with proxy() as (port, asked):
        for user, sent in (("", set()), ("eve:s%40crt@", {"eve:s@crt"})):
            asked.clear()
            ran = keysweep(
                azure, "scan", HOME=str(tmp_path), HTTPS_PROXY=f"http://{user}127.0.0.1:{port}"
            )
            assert ran.code == 2
            assert asked
            assert all(head.startswith("CONNECT ") for head in asked)
            assert authorizations(asked) == sent
            assert "s@crt" not in ran.err
            assert "s%40crt" not in ran.err
    assert {seen.host for seen in azure.operations} == {"identity"}, "which is plain http here"
