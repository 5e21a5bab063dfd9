"""A process makes its credential, connections and telemetry once; a broken one is replaced."""

import asyncio
from collections.abc import Callable

import pytest

from local_azure import LocalAzure, PatchForm, SeenRequest, Tenant
from local_azure.faults import Fault
from local_azure.server import Server
from shared.core.model import Result
from tests.support.real_sweeps import process, sweep, tick, worker

type Serve = Callable[..., LocalAzure]

QUARTER = 15 * 60


def bots(count: int = 3) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for number in range(count):
        tenant.add_account(f"bot-{number}", local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    return tenant


def tokens(azure: LocalAzure) -> int:
    return sum(each.host == "identity" for each in azure.operations)


def keys_on(azure: LocalAzure) -> set[str]:
    return {each.name for each in azure.tenant.accounts if each.keys_on}


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Give the connections over which ARM was asked anything, each once."""
    found: list[object] = []
    handle = Server._handle

    async def noted(self: Server, host: str, request: object) -> object:
        transport = getattr(request, "transport", None)
        if host == "arm" and not any(transport is each for each in found):
            found.append(transport)
        return await handle(self, host, request)  # type: ignore[arg-type]

    monkeypatch.setattr(Server, "_handle", noted)
    return found


async def test_a_second_tick_asks_for_no_token_and_opens_no_connection(
    serve: Serve, connections: list[object]
) -> None:
    azure = serve(bots(1))

    async with process(azure) as same:
        await tick(same)
        first = (tokens(azure), len(connections))
        azure.tenant.enable_keys("bot-0")
        azure.clock.advance(QUARTER)
        second = await tick(same)

    assert (tokens(azure), len(connections)) == first
    assert first[0] == 1
    assert second.results == {"bot-0": Result.DISABLED}


async def test_a_sweep_of_many_accounts_asks_for_one_token(serve: Serve) -> None:
    azure = serve(bots(20))

    async with process(azure) as same:
        await tick(same)

    assert (keys_on(azure), tokens(azure)) == (set(), 1)


async def test_a_token_is_renewed_before_it_expires_and_no_request_carries_an_old_one(
    serve: Serve,
) -> None:
    azure = serve(bots(1), token_lifetime=3600)

    async with process(azure) as same:
        for _ in range(6):
            await tick(same)
            azure.clock.advance(QUARTER)

    assert 401 not in {each.status for each in azure.operations}
    assert tokens(azure) == 2


async def test_a_token_that_azure_takes_no_longer_is_replaced_within_the_tick(
    serve: Serve,
) -> None:
    # Valid for years, so that azure-identity, which goes by the real time, thinks it is good.
    azure = serve(bots(2), token_lifetime=10 * 365 * 86_400)

    async with process(azure) as same:
        await tick(same)
        for name in ("bot-0", "bot-1"):
            azure.tenant.enable_keys(name)
        azure.clock.advance(QUARTER)
        azure.services.tokens.revoke()
        azure.clock.advance(1)
        second = await tick(same)

    assert (second.whole, keys_on(azure)) == (True, set())
    assert tokens(azure) == 2


async def test_a_token_that_azure_takes_no_longer_is_replaced_by_the_tick_after(
    serve: Serve,
) -> None:
    azure = serve(bots(1), token_lifetime=10 * 365 * 86_400)

    async with process(azure) as same:
        await tick(same)
        azure.tenant.enable_keys("bot-0")
        azure.clock.advance(QUARTER)
        azure.services.tokens.revoke()
        azure.clock.advance(1)
        await tick(same)
        azure.clock.advance(QUARTER)
        third = await tick(same)

    assert (third.whole, keys_on(azure)) == (True, set())


async def test_connections_that_azure_closed_meanwhile_are_opened_again(
    serve: Serve, connections: list[object]
) -> None:
    azure = serve(bots(2))

    async with process(azure) as same:
        await tick(same)
        before = len(connections)
        for transport in connections:
            azure._running._loop.call_soon_threadsafe(transport.abort)  # type: ignore[attr-defined]
        azure.tenant.enable_keys("bot-0")
        azure.clock.advance(QUARTER)
        second = await tick(same)

    assert (second.whole, keys_on(azure)) == (True, set())
    assert len(connections) > before


@pytest.mark.parametrize(
    "strike",
    [
        lambda azure: azure.faults.on(host="identity", times=None).answer(500),
        lambda azure: azure.faults.on(host="identity", times=None).answer(
            400, {"StatusCode": 400, "Message": "No Managed Identity found"}
        ),
        lambda azure: azure.faults.on(host="identity", times=None).hang(),
        lambda azure: azure.faults.on(path="/subscriptions", times=None).cut(),
        lambda azure: azure.faults.on(path="/subscriptions", times=None).hang(),
    ],
    ids=["no token", "no identity", "token endpoint hangs", "arm cuts", "arm hangs"],
)
async def test_a_tick_that_could_read_nothing_leaves_nothing_behind_that_breaks_the_next(
    serve: Serve, strike: Callable[[LocalAzure], Fault]
) -> None:
    azure = serve(bots(1))

    async with process(azure) as same:
        fault = strike(azure)
        broken = await tick(same)
        azure.faults.remove(fault)
        azure.clock.advance(QUARTER)
        mended = await tick(same)

    assert not broken.whole
    assert (mended.whole, keys_on(azure)) == (True, set())


async def test_a_token_that_does_not_come_is_named_as_the_reason(serve: Serve) -> None:
    azure = serve(bots(1))
    azure.faults.on(host="identity", times=None).hang()

    (gap,) = (await sweep(azure)).events("CoverageGap")

    assert "no token within 30 s" in gap["problem"]


async def test_after_a_tick_that_could_read_nothing_credential_and_connections_are_new(
    serve: Serve, connections: list[object]
) -> None:
    azure = serve(bots(1))

    async with process(azure) as same:
        await tick(same)
        before = (tokens(azure), len(connections))
        refused = {"error": {"code": "AuthenticationFailed", "message": "Authentication failed."}}
        fault = azure.faults.on(path="/subscriptions", times=None)
        fault.answer(403, refused)
        azure.clock.advance(QUARTER)
        broken = await tick(same)
        azure.faults.remove(fault)
        azure.clock.advance(QUARTER)
        mended = await tick(same)

    assert (broken.whole, mended.whole) == (False, True)
    assert tokens(azure) == before[0] + 1
    assert len(connections) == before[1] + 1


async def test_an_hours_retry_after_is_remembered_by_the_next_tick(serve: Serve) -> None:
    azure = serve(bots(1))
    refusal = {"error": {"code": "TooManyRequests", "message": "Later."}}
    azure.faults.on(method="PATCH").answer(429, refusal, {"Retry-After": "3600"})

    async with process(azure) as same:
        for _ in range(5):
            await tick(same)
            azure.clock.advance(QUARTER)

    patches = [each for each in azure.operations if each.method == "PATCH"]
    assert [each.status for each in patches] == [429, 200]
    assert (patches[1].at - patches[0].at).total_seconds() >= 3600


async def test_the_function_app_keeps_its_process_between_firings(
    serve: Serve, connections: list[object]
) -> None:
    azure = serve(bots(1))

    async with worker(azure) as functions:
        assert (await functions.fire()).succeeded
        first = (tokens(azure), len(connections))
        azure.clock.advance(QUARTER)
        assert (await functions.fire()).succeeded

    assert (tokens(azure), len(connections)) == first


async def test_a_tick_that_is_cancelled_leaves_a_process_that_works(serve: Serve) -> None:
    azure = serve(bots(1))
    fault = azure.faults.on(method="GET", path="*/accounts/bot-0", times=None)
    fault.hang()

    async with worker(azure) as functions:
        task = functions.module.process.tick()
        running = asyncio.ensure_future(task)
        arrived = asyncio.Event()
        loop = asyncio.get_running_loop()

        def cancel(request: SeenRequest) -> None:
            if request.path.endswith("/bot-0"):
                loop.call_soon_threadsafe(running.cancel)
                loop.call_soon_threadsafe(arrived.set)

        remove = azure.before(cancel)
        await arrived.wait()
        with pytest.raises(asyncio.CancelledError):
            await running
        remove()
        azure.faults.remove(fault)
        again = await functions.fire()

    assert (again.succeeded, keys_on(azure)) == (True, set())
