"""Over the wire: a refusal closes a lane, and a PATCH leaves on a fresh decision, once.

How lanes are paced, in every form of header and at every rate, is shown in tests/unit/border. The
judge is the server: when each request arrived, how it was answered, and what was written.
"""

import asyncio
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import pytest

from local_azure import LocalAzure, Operation, PatchForm, SeenRequest, Tenant
from local_azure.server import Server
from local_azure.services import Settings
from shared.core.model import Result
from tests.support.contoso import keys_on
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve

MANY = {"MAX_CHANGES_PER_SWEEP": "100000"}
BUSY = {"error": {"code": "TooManyRequests", "message": "Later."}}
GRAPH = "/providers/microsoft.resourcegraph/resources"


def drifted(count: int, subscriptions: int = 1, **more: Any) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for number in range(1, subscriptions):
        tenant.add_subscription(f"contoso-{number}", parent="contoso")
    homes = list(tenant.subscriptions.values())
    form = {"patch": PatchForm.OK_200, "stale_reads": 0, **more}
    for number in range(count):
        home = homes[number % subscriptions]
        tenant.add_account(f"bot-{number}", local_auth=True, subscription=home, **form)
    return tenant


def of_the_bot(azure: LocalAzure, method: str, name: str = "bot-0") -> list[Operation]:
    return [
        operation
        for operation in azure.operations
        if operation.method == method and operation.path.endswith(f"/{name}")
    ]


@pytest.mark.slow
async def test_with_azures_documented_rates_nothing_is_refused_polling_included(
    serve: Serve,
) -> None:
    tenant = drifted(120, patch=PatchForm.BOTH, stale_reads=1)
    azure = serve(tenant, settings=Settings(throttled=True))

    swept = await sweep(azure, **MANY)

    assert sum(operation.method == "GET" for operation in azure.operations) > 300
    assert swept.whole
    assert keys_on(azure) == set()
    assert [operation for operation in azure.operations if operation.status == 429] == []


@pytest.mark.slow
async def test_resource_graphs_quota_is_never_exceeded_however_many_batches_there_are(
    serve: Serve,
) -> None:
    # Four queries for each 400 subscriptions, and one more for each batch that disagrees.
    azure = serve(drifted(0, 2001))

    swept = await sweep(azure, "audit")

    queries = [seen.status for seen in azure.operations if seen.path.lower() == GRAPH]
    assert len(queries) > 20
    assert set(queries) == {200}
    assert swept.events("SweepCompleted")[0]["subscriptionsRead"] == 2001


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_a_retry_after_closes_its_lane_and_takes_no_place_from_the_others(
    serve: Serve, method: str
) -> None:
    azure = serve(drifted(24, 2))
    closed = azure.tenant.account("bot-0").subscription_id.lower()
    place = f"/subscriptions/{closed}/*/accounts/*"
    azure.faults.on(method=method, path=place).answer(429, BUSY, {"Retry-After": "300"})

    swept = await sweep(azure, SWEEP_CONCURRENCY="2", **MANY)

    (refused,) = [seen for seen in azure.operations if seen.status == 429]
    later = [
        seen
        for seen in azure.operations
        if seen.ordinal > refused.ordinal and seen.method == method and "/accounts/" in seen.path
    ]
    in_the_lane = [seen.at for seen in later if closed in seen.path.lower()]
    in_others = [seen.at for seen in later if closed not in seen.path.lower()]
    opens = refused.at + timedelta(seconds=300)
    # One more was on its way already when the lane was closed.
    assert [at for at in in_the_lane if refused.at < at < opens] == []
    assert max(in_the_lane) >= opens
    assert max(in_others) - refused.at < timedelta(seconds=60)
    assert swept.whole
    assert keys_on(azure) == set()


async def test_a_tag_added_while_the_patch_waits_ten_minutes_in_a_closed_lane_still_wins(
    serve: Serve,
) -> None:
    azure = serve(drifted(1))
    azure.faults.on(method="PATCH").answer(429, BUSY, {"Retry-After": "600"})
    tasks: list[asyncio.Task[None]] = []

    async def tag_in_the_ninth_minute() -> None:
        await azure.clock.sleep(540)
        azure.tenant.tag("bot-0", {"local-auth-exempt": "until=2027-01-31; owner=team-x"})

    def hook(request: SeenRequest) -> None:
        if request.method == "PATCH" and not tasks:
            tasks.append(asyncio.get_running_loop().create_task(tag_in_the_ninth_minute()))

    azure.before(hook)

    swept = await sweep(azure)

    (refused,) = of_the_bot(azure, "PATCH")
    assert of_the_bot(azure, "GET")[-1].at - refused.at >= timedelta(seconds=600)
    assert swept.results == {"bot-0": Result.NOW_EXEMPT}
    assert azure.writes == ()


def assert_fresh(azure: LocalAzure) -> None:
    """No PATCH arrived more than five seconds after the read that it was decided on was sent."""
    reads: dict[str, list[datetime]] = defaultdict(list)
    for seen in azure.operations:
        if seen.method == "GET":
            reads[seen.path].append(seen.at)
        elif seen.method == "PATCH":
            assert seen.at - reads[seen.path][-1] <= timedelta(seconds=5), seen.path


@pytest.mark.parametrize("seconds", [4, 6])
async def test_no_patch_leaves_on_a_decision_older_than_five_seconds(
    serve: Serve, seconds: int
) -> None:
    azure = serve(drifted(6))
    azure.faults.on(method="GET", path="*/accounts/*", times=4).hang(seconds)

    await sweep(azure)

    assert_fresh(azure)
    assert keys_on(azure) == set()


async def test_a_slow_token_does_not_make_a_decision_old(serve: Serve) -> None:
    # The token runs out between the read and the PATCH, and the next one takes its time.
    azure = serve(drifted(1), token_lifetime=3600)
    aged: list[datetime] = []

    def age(request: SeenRequest) -> None:
        if request.method == "GET" and request.path.endswith("/bot-0") and not aged:
            aged.append(request.at)
            azure.clock.advance(3600 - 299)

    azure.before(age)
    azure.faults.on(host="identity", skip=1).hang(8)

    await sweep(
        azure, SWEEP_BUDGET_SECONDS="7000", AzureFunctionsJobHost__functionTimeout="02:00:00"
    )

    assert sum(seen.host == "identity" for seen in azure.operations) == 2
    assert_fresh(azure)
    assert keys_on(azure) == set()


async def test_resource_graph_is_asked_again_once_its_window_is_over(serve: Serve) -> None:
    azure = serve(drifted(1))
    for _ in range(azure.services.quota.queries):
        azure.services.quota.take(azure.tenant.function.object_id)

    swept = await sweep(azure)

    statuses = [seen.status for seen in azure.operations if seen.path.lower() == GRAPH]
    assert statuses[0] == 429
    assert set(statuses[1:]) == {200}
    assert swept.whole
    assert swept.events("SweepCompleted")[0]["subscriptionsReadDirectly"] == 0


async def test_concurrency_is_bounded_overall_and_by_subscription(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way: Counter[str] = Counter()
    most: list[Counter[str]] = [Counter()]
    handle = Server._handle

    async def counted(server: Server, host: Any, request: Any) -> Any:
        if "/accounts/" not in request.path.lower():
            return await handle(server, host, request)
        subscription = request.path.split("/")[2].lower()
        under_way[subscription] += 1
        most.append(Counter(under_way))
        try:
            return await handle(server, host, request)
        finally:
            under_way[subscription] -= 1

    monkeypatch.setattr(Server, "_handle", counted)
    azure = serve(drifted(24, 2))
    azure.faults.on(method="GET", path="*/accounts/*", times=None).hang(2)

    await sweep(azure, SWEEP_CONCURRENCY="8", **MANY)

    assert keys_on(azure) == set()
    assert max(counts.total() for counts in most) == 8, "no more, and no fewer"
    assert max(max(counts.values(), default=0) for counts in most) == 4
