"""A process makes its credential, connections and telemetry once; a broken one is replaced."""

import asyncio
from collections.abc import Callable

import pytest

from local_azure import LocalAzure, SeenRequest
from local_azure.faults import Fault
from local_azure.server import Server
from tests.support.contoso import YEARS, before, keys_on, methods, several
from tests.support.real_sweeps import process, sweep, tick, worker
from tests.support.serving import Serve

QUARTER = 15 * 60


def tokens(azure: LocalAzure) -> int:
    return sum(operation.host == "identity" for operation in azure.operations)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Give the connections over which ARM was asked anything, each once."""
    found: list[object] = []
    handle = Server._handle

    async def noted(self: Server, host: str, request: object) -> object:
        transport = getattr(request, "transport", None)
        if host == "arm" and not any(transport is known for known in found):
            found.append(transport)
        return await handle(self, host, request)  # type: ignore[arg-type]

    monkeypatch.setattr(Server, "_handle", noted)
    return found


async def test_the_function_app_keeps_token_and_connections_between_firings(
    serve: Serve, connections: list[object]
) -> None:
    azure = serve(several(20))

    async with worker(azure) as functions:
        assert (await functions.fire()).succeeded
        opened = len(connections)
        azure.tenant.enable_keys("bot-0")
        azure.clock.advance(QUARTER)
        assert (await functions.fire()).succeeded

    assert tokens(azure) == 1
    assert len(connections) == opened
    assert keys_on(azure) == set()


async def test_a_token_is_renewed_before_it_expires_and_no_request_carries_an_old_one(
    serve: Serve,
) -> None:
    azure = serve(several(1), token_lifetime=3600)

    async with process(azure) as same:
        for _ in range(6):
            await tick(same)
            azure.clock.advance(QUARTER)

    assert 401 not in {operation.status for operation in azure.operations}
    assert tokens(azure) == 2


async def test_a_token_that_azure_takes_no_longer_is_replaced_within_the_tick(
    serve: Serve,
) -> None:
    azure = serve(several(2), token_lifetime=YEARS)

    async with process(azure) as same:
        await tick(same)
        azure.tenant.enable_keys("bot-0")
        azure.clock.advance(QUARTER)
        azure.services.tokens.revoke()
        azure.clock.advance(1)
        second = await tick(same)

    assert second.whole
    assert keys_on(azure) == set()
    assert tokens(azure) == 2


async def test_a_token_that_azure_takes_no_longer_at_the_patch_is_replaced(serve: Serve) -> None:
    azure = serve(several(1), token_lifetime=YEARS)
    bot = azure.tenant.account("bot-0")

    def revoke() -> None:
        azure.services.tokens.revoke()
        azure.clock.advance(1)

    before(azure, "PATCH", bot, revoke)

    assert (await sweep(azure)).whole
    assert methods(azure, bot).count("PATCH") == 2
    assert keys_on(azure) == set()
    assert tokens(azure) == 2


async def test_connections_that_azure_closed_meanwhile_are_opened_again(
    serve: Serve, connections: list[object]
) -> None:
    azure = serve(several(2))

    async with process(azure) as same:
        await tick(same)
        opened = len(connections)
        for transport in connections:
            azure._running._loop.call_soon_threadsafe(transport.abort)  # type: ignore[attr-defined]
        azure.tenant.enable_keys("bot-0")
        azure.clock.advance(QUARTER)
        second = await tick(same)

    assert second.whole
    assert keys_on(azure) == set()
    assert len(connections) > opened


REFUSAL = {"error": {"code": "AuthenticationFailed", "message": "Authentication failed."}}


@pytest.mark.parametrize(
    "strike",
    [
        lambda azure: azure.faults.on(host="identity", times=None).answer(500),
        lambda azure: azure.faults.on(host="identity", times=None).hang(),
        lambda azure: azure.faults.on(path="/subscriptions", times=None).answer(403, REFUSAL),
        lambda azure: azure.faults.on(path="/subscriptions", times=None).cut(),
        lambda azure: azure.faults.on(path="/subscriptions", times=None).hang(),
    ],
    ids=["no token", "token endpoint hangs", "refused", "arm cuts", "arm hangs"],
)
async def test_a_tick_that_could_read_nothing_leaves_nothing_behind_that_breaks_the_next(
    serve: Serve, connections: list[object], strike: Callable[[LocalAzure], Fault]
) -> None:
    azure = serve(several(1))

    async with process(azure) as same:
        fault = strike(azure)
        broken = await tick(same)
        azure.faults.remove(fault)
        asked, opened = tokens(azure), len(connections)
        azure.clock.advance(QUARTER)
        mended = await tick(same)

    assert not broken.whole
    assert {event["gapKind"] for event in broken.events("CoverageGap")} == {"tenant"}
    assert mended.whole
    assert keys_on(azure) == set()
    assert tokens(azure) > asked, "the credential is new"
    assert len(connections) > opened, "and so are the connections"


async def test_a_tick_that_is_cancelled_leaves_a_process_that_works(serve: Serve) -> None:
    azure = serve(several(1))
    fault = azure.faults.on(method="GET", path="*/accounts/bot-0", times=None).hang()

    async with worker(azure) as functions:
        running = asyncio.ensure_future(functions.module.process.tick())
        loop = asyncio.get_running_loop()

        def cancel(request: SeenRequest) -> None:
            if request.path.endswith("/bot-0"):
                loop.call_soon_threadsafe(running.cancel)

        remove = azure.before(cancel)
        with pytest.raises(asyncio.CancelledError):
            await running
        remove()
        azure.faults.remove(fault)
        again = await functions.fire()

    assert again.succeeded
    assert keys_on(azure) == set()
