"""Requests are paced before Azure refuses, and what it refuses closes a lane, not just a request.

The judge is the server: when each request arrived, how it was answered, and what was written.
"""

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from local_azure import LocalAzure, MovedClock, Operation, PatchForm, SeenRequest, Tenant
from local_azure.allowance import ArmBuckets, Kind, Rates
from local_azure.server import Server
from local_azure.services import Settings
from shared.core.model import Result
from tests.support.real_sweeps import sweep

type Serve = Callable[..., LocalAzure]

MANY = {"MAX_CHANGES_PER_SWEEP": "100000"}
BUSY = {"error": {"code": "TooManyRequests", "message": "Later."}}
FRESH = timedelta(seconds=5)
GRAPH = "/providers/microsoft.resourcegraph/resources"


def drifted(count: int, subscriptions: int = 1, **more: Any) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for number in range(1, subscriptions):
        tenant.add_subscription(f"contoso-{number}", parent="contoso")
    homes = list(tenant.subscriptions.values())
    form = {"patch": PatchForm.OK_200, "stale_reads": 0, **more}
    for number in range(count):
        tenant.add_account(
            f"bot-{number}", local_auth=True, subscription=homes[number % subscriptions], **form
        )
    return tenant


def keys_on(azure: LocalAzure) -> set[str]:
    return {each.name for each in azure.tenant.accounts if each.keys_on}


def name_of(path: str) -> str:
    return path.rpartition("/")[2]


def lane_of(operation: Operation) -> tuple[str, str]:
    """Return the subscription and the use of a request, as Azure meters them."""
    parts = operation.path.split("/")
    subscription = parts[2].lower() if len(parts) > 2 and parts[1] == "subscriptions" else "tenant"
    return subscription, "read" if operation.method == "GET" else "write"


def refusals(azure: LocalAzure) -> Counter[tuple[str, str]]:
    return Counter(lane_of(each) for each in azure.operations if each.status == 429)


def assert_refusals_are_rare(azure: LocalAzure) -> None:
    """At most one for each request that had to wait for its bucket to fill, and a few at most.

    Measured with sizes of 3 to 100 and 0.2 to 50 a second: none where the bucket is big enough, 0
    to 5 where it fills by two a second or faster, up to 17 of 60 where by less than one.
    """
    buckets = azure.services.buckets.rates
    for lane, count in refusals(azure).items():
        rates = buckets["reads" if lane[1] == "read" else "writes"]
        taken = sum(lane_of(each) == lane and each.status != 429 for each in azure.operations)
        assert count <= max(taken - rates.size, 0) + 1, f"{count} refusals in {lane}"
        assert count <= 8 or rates.refill < 2, f"{count} refusals in {lane}"


def patches(azure: LocalAzure, name: str = "") -> list[Operation]:
    return [
        each
        for each in azure.operations
        if each.method == "PATCH" and name in {"", name_of(each.path)}
    ]


def assert_fresh(azure: LocalAzure) -> None:
    """No PATCH arrived more than five seconds after the read that it was decided on was sent."""
    reads: dict[str, list[datetime]] = defaultdict(list)
    for each in azure.operations:
        if each.method == "GET":
            reads[each.path].append(each.at)
        elif each.method == "PATCH":
            assert each.at - reads[each.path][-1] <= FRESH, f"{each.path} at {each.at}"


# The buckets


async def test_with_azures_documented_rates_all_is_done_and_hardly_anything_refused(
    serve: Serve,
) -> None:
    # More reads than the bucket holds, in one subscription.
    azure = serve(drifted(150, stale_reads=1), settings=Settings(throttled=True))

    swept = await sweep(azure, **MANY)

    assert sum(each.method == "GET" for each in azure.operations) > 400
    assert (keys_on(azure), swept.whole) == (set(), True)
    assert max(refusals(azure).values(), default=0) <= 1
    assert_fresh(azure)


async def test_polling_counts_among_the_reads_and_is_paced_like_them(serve: Serve) -> None:
    drawn: dict[Kind, Rates] = {"reads": Rates(20, 1), "writes": Rates(10, 0.5)}
    azure = serve(
        drifted(16, patch=PatchForm.BOTH, stale_reads=1),
        settings=Settings(throttled=True, rates=drawn),
    )

    swept = await sweep(azure, **MANY)

    assert (keys_on(azure), swept.whole) == (set(), True)
    assert_refusals_are_rare(azure)
    assert_fresh(azure)


rates = st.builds(Rates, st.integers(3, 300).map(float), st.floats(0.2, 50))


# Without shrinking: an example takes a second, and says by itself what was drawn.
@settings(max_examples=8, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(reads=rates, writes=rates, accounts=st.integers(5, 24), subscriptions=st.integers(1, 3))
def test_law_with_any_rates_all_is_done_that_arithmetic_allows_and_refusals_are_rare(
    reads: Rates, writes: Rates, accounts: int, subscriptions: int
) -> None:
    drawn: dict[Kind, Rates] = {"reads": reads, "writes": writes}
    options = Settings(throttled=True, rates=drawn)
    with LocalAzure(drifted(accounts, subscriptions), settings=options) as azure:
        swept = asyncio.run(sweep(azure, **MANY))

        each = -(-accounts // subscriptions)
        # A unit reads twice and writes once; half of the time there is would have to be enough.
        needed = max(
            (2 * each - reads.size) / reads.refill, (each - writes.size) / writes.refill, 0
        )
        if needed < 500:
            assert keys_on(azure) == set()
        left = {name for name, result in swept.results.items() if result is Result.DEFERRED}
        assert keys_on(azure) == left
        assert swept.whole
        assert_refusals_are_rare(azure)
        assert_fresh(azure)
        assert azure.clock.monotonic() <= 1210


@pytest.mark.parametrize("reads", [Rates(30, 1), Rates(20, 0.5), Rates(5, 1)])
async def test_reads_of_the_levels_above_have_room_before_a_unit_begins(
    serve: Serve, reads: Rates
) -> None:
    azure = serve(drifted(20), settings=Settings(throttled=True, rates={"reads": reads}))

    swept = await sweep(azure, EXEMPTION_INHERIT="true", **MANY)

    # Three reads each, and one more to read back.
    fits = (4 * 20 - reads.size) / reads.refill < 500
    assert set(swept.results.values()) <= {Result.DISABLED, Result.DEFERRED}
    assert fits is (keys_on(azure) == set())
    assert_refusals_are_rare(azure)
    assert_fresh(azure)


async def test_a_bucket_that_fills_slower_than_by_one_a_second_is_not_tried_every_second(
    serve: Serve,
) -> None:
    drawn: dict[Kind, Rates] = {"writes": Rates(11, 0.25)}
    azure = serve(drifted(19), settings=Settings(throttled=True, rates=drawn))

    await sweep(azure, **MANY)

    assert keys_on(azure) == set()
    assert max(refusals(azure).values(), default=0) <= 3


def test_a_bucket_that_fills_slowly_says_after_how_many_seconds() -> None:
    buckets = ArmBuckets(MovedClock(), {"reads": Rates(1, 0.2)}, enforced=True)

    first, second = (buckets.take("who", "where", "reads") for _ in range(2))

    assert isinstance(first, tuple)
    assert isinstance(second, float)


async def test_resource_graphs_quota_is_never_exceeded_however_many_batches_there_are(
    serve: Serve,
) -> None:
    # Four queries for each 400 subscriptions, and one more for each batch that disagrees.
    azure = serve(drifted(0, 2001))

    swept = await sweep(azure, "audit")

    queries = [each for each in azure.operations if each.path.lower() == GRAPH]
    assert len(queries) > 20
    assert {each.status for each in queries} == {200}
    assert swept.events("SweepCompleted")[0]["subscriptionsRead"] == 2001


async def test_a_quota_that_somebody_else_has_used_up_is_waited_for(serve: Serve) -> None:
    azure = serve(drifted(2))
    for _ in range(15):
        azure.services.quota.take(azure.tenant.function.object_id)

    swept = await sweep(azure)

    assert (keys_on(azure), swept.whole) == (set(), True)
    refused = [each for each in azure.operations if each.status == 429]
    assert len(refused) == 1
    assert not swept.events("SweepCompleted")[0]["subscriptionsReadDirectly"]


# Lanes


@pytest.mark.parametrize("seconds", [30, 600])
async def test_a_retry_after_closes_its_lane_and_no_other(serve: Serve, seconds: int) -> None:
    azure = serve(drifted(30, 3))
    closed = azure.tenant.account("bot-0").subscription_id.lower()
    after = {"Retry-After": str(seconds)}
    azure.faults.on(method="PATCH", path=f"/subscriptions/{closed}/*", skip=2).answer(
        429, BUSY, after
    )

    swept = await sweep(azure, **MANY)

    (refused,) = [each for each in azure.operations if each.status == 429]
    opens = refused.at + timedelta(seconds=seconds)
    meanwhile = [each for each in azure.operations if refused.at < each.at < opens]
    assert not [each for each in meanwhile if lane_of(each) == (closed, "write")]
    others = [each for each in patches(azure) if lane_of(each)[0] != closed]
    assert len(others) == 20
    assert max(each.at for each in others) - refused.at < timedelta(seconds=15)
    assert [each.at >= opens for each in patches(azure) if each.at > refused.at].count(True)
    assert (keys_on(azure), swept.whole) == (set(), True)


async def test_reads_of_a_subscription_go_on_while_its_writes_are_closed(serve: Serve) -> None:
    # The second account's PATCH was taken: it is read back though the lane for writes is closed.
    azure = serve(drifted(2, patch=PatchForm.BOTH))
    azure.faults.on(method="GET", path="*/bot-0").hang(2)
    azure.faults.on(method="PATCH", path="*/bot-0").answer(429, BUSY, {"Retry-After": "600"})

    await sweep(azure)

    (refused,) = [each for each in azure.operations if each.status == 429]
    opens = refused.at + timedelta(seconds=600)
    reads = [
        each
        for each in azure.operations
        if each.method == "GET" and name_of(each.path) == "bot-1" and each.at < opens
    ]
    assert len(reads) >= 2
    assert keys_on(azure) == set()


async def test_a_closed_lane_for_reads_stops_reads_of_its_subscription_alone(
    serve: Serve,
) -> None:
    azure = serve(drifted(12, 2))
    closed = azure.tenant.account("bot-0").subscription_id.lower()
    azure.faults.on(method="GET", path=f"/subscriptions/{closed}/*/accounts/*").answer(
        429, BUSY, {"Retry-After": "300"}
    )

    await sweep(azure)

    (refused,) = [each for each in azure.operations if each.status == 429]
    opens = refused.at + timedelta(seconds=300)
    meanwhile = [each for each in azure.operations if refused.at < each.at < opens]
    assert not [each for each in meanwhile if lane_of(each) == (closed, "read")]
    assert max(
        each.at for each in patches(azure) if lane_of(each)[0] != closed
    ) - refused.at < timedelta(seconds=10)
    assert keys_on(azure) == set()


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"Retry-After": "17"}, 17),
        ({"x-ms-retry-after-ms": "2500"}, 2.5),
        ({"Retry-After": "0"}, 1),
        ({}, 1),
        ({"Retry-After": "soon"}, 1),
    ],
    ids=["17 s", "2500 ms", "0", "none", "not a number"],
)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_every_kind_of_retry_after_is_waited_for(
    serve: Serve, headers: dict[str, str], least: float, method: str
) -> None:
    azure = serve(drifted(1))
    azure.faults.on(method=method, path="*/bot-0").answer(429, BUSY, headers)

    swept = await sweep(azure)

    refused, then = [
        each for each in azure.operations if each.method == method and "bot-0" in each.path
    ][:2]
    assert refused.status == 429
    assert least <= (then.at - refused.at).total_seconds() <= max(2 * least, 3)
    assert swept.results == {"bot-0": Result.DISABLED}


async def test_refusals_without_a_word_are_waited_for_longer_each_time(serve: Serve) -> None:
    azure = serve(drifted(1))
    azure.faults.on(method="PATCH", times=6).answer(429, BUSY, {"Retry-After": "0"})

    swept = await sweep(azure)

    times = [each.at for each in patches(azure)]
    pauses = [(b - a).total_seconds() for a, b in pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 16
    assert swept.results == {"bot-0": Result.DISABLED}


@pytest.mark.parametrize(
    ("seconds", "result"),
    [("900", Result.DISABLED), ("1400", Result.DEFERRED), ("3600", Result.DEFERRED)],
)
async def test_a_long_retry_after_is_waited_for_only_if_it_fits_the_budget(
    serve: Serve, seconds: str, result: Result
) -> None:
    azure = serve(drifted(1))
    azure.faults.on(method="PATCH").answer(429, BUSY, {"Retry-After": seconds})

    swept = await sweep(azure, SWEEP_BUDGET_SECONDS="1200")

    assert swept.results == {"bot-0": result}
    assert swept.whole
    assert (azure.clock.monotonic() < 30) is (result is Result.DEFERRED)


# The PATCH


@pytest.mark.parametrize("status", [408, 429, 503])
@pytest.mark.parametrize("after", [{}, {"Retry-After": "3"}], ids=["no word", "retry-after"])
async def test_the_pipeline_never_sends_a_patch_again(
    serve: Serve, status: int, after: dict[str, str]
) -> None:
    azure = serve(drifted(1))
    azure.faults.on(method="PATCH", times=None).answer(status, BUSY, after)

    await sweep(azure, SWEEP_BUDGET_SECONDS="200")

    sent = patches(azure)
    if status != 429:
        # Where Azure does not answer, and the account reads back as before, the unit runs again.
        assert len(sent) == 2
    for patch in sent:
        before = [each for each in azure.operations if each.ordinal < patch.ordinal]
        assert (before[-1].method, before[-1].path) == ("GET", patch.path), (
            "every PATCH has a read of its own right before it"
        )


async def test_a_tag_added_while_the_patch_waits_ten_minutes_in_a_closed_lane_still_wins(
    serve: Serve,
) -> None:
    azure = serve(drifted(2))
    # Azure refuses the PATCH of bot-0 (the other's read takes longer), and closes the
    # subscription's writes for ten minutes. Nine minutes later bot-0 is tagged.
    azure.faults.on(method="GET", path="*/bot-1").hang(2)
    azure.faults.on(method="PATCH").answer(429, BUSY, {"Retry-After": "600"})
    refused: list[SeenRequest] = []
    tagged_at: list[datetime] = []
    tasks: list[asyncio.Task[None]] = []

    async def tag_it_in_the_ninth_minute() -> None:
        await azure.clock.sleep(540)
        tags: dict[str, str | None] = {"local-auth-exempt": "until=2027-01-31; owner=team-x"}
        azure.tenant.tag("bot-0", tags)
        tagged_at.append(azure.now())

    def hook(request: SeenRequest) -> None:
        if request.method == "PATCH" and not refused:
            refused.append(request)
            loop = asyncio.get_running_loop()
            tasks.append(loop.create_task(tag_it_in_the_ninth_minute()))

    azure.before(hook)

    swept = await sweep(azure)

    closed_at = refused[0].at
    # It had been decided on as a drift, its PATCH had been sent and refused, and it waited.
    assert [each.status for each in patches(azure, "bot-0")] == [429]
    assert (tagged_at[0] - closed_at).total_seconds() == 540
    # The lane opened ten minutes after the refusal, and its neighbour was written then.
    (write,) = azure.writes
    assert name_of(write.account_id) == "bot-1"
    assert (write.at - closed_at).total_seconds() >= 600
    # The tagged one was read again after that, and never written.
    reads = [each for each in azure.operations if each.method == "GET" and "bot-0" in each.path]
    assert (reads[-1].at - closed_at).total_seconds() >= 600
    assert "bot-0" not in {name_of(each.account_id) for each in azure.writes}
    assert keys_on(azure) == {"bot-0"}
    assert swept.results == {"bot-0": Result.NOW_EXEMPT, "bot-1": Result.DISABLED}
    assert swept.whole


@pytest.mark.parametrize("seconds", [1, 4, 6, 30])
async def test_no_patch_leaves_on_a_decision_older_than_five_seconds(
    serve: Serve, seconds: int
) -> None:
    # The first answers are slow, each by a different amount on its way.
    azure = serve(drifted(6))
    azure.faults.on(method="GET", path="*/accounts/*", times=4).hang(seconds)

    swept = await sweep(azure)

    assert_fresh(azure)
    assert (keys_on(azure), swept.whole) == (set(), True)


async def test_a_tag_added_while_a_slow_read_is_on_its_way_back_wins(serve: Serve) -> None:
    azure = serve(drifted(1))
    azure.faults.on(method="GET", path="*/bot-0").hang(20, after_acting=True)
    tasks: list[asyncio.Task[None]] = []

    def hook(request: SeenRequest) -> None:
        if request.path.endswith("/bot-0") and not tasks:

            async def later() -> None:
                await azure.clock.sleep(10)
                azure.tenant.tag("bot-0", {"local-auth-exempt": ""})

            tasks.append(asyncio.get_running_loop().create_task(later()))

    azure.before(hook)

    swept = await sweep(azure)

    assert (azure.writes, swept.results) == ((), {"bot-0": Result.NOW_EXEMPT})


@pytest.mark.parametrize("seconds", [3, 8, 25])
async def test_a_slow_token_does_not_make_a_decision_old(serve: Serve, seconds: int) -> None:
    # The token runs out between the read and the PATCH, and the next one takes its time.
    azure = serve(drifted(1), token_lifetime=3600)

    def age(request: SeenRequest) -> None:
        if request.method == "GET" and request.path.endswith("/bot-0") and not aged:
            aged.append(request.at)
            azure.clock.advance(3600 - 299)

    aged: list[datetime] = []
    azure.before(age)
    azure.faults.on(host="identity", skip=1).hang(seconds)

    swept = await sweep(
        azure, SWEEP_BUDGET_SECONDS="7000", AzureFunctionsJobHost__functionTimeout="02:00:00"
    )

    assert aged
    assert sum(each.host == "identity" for each in azure.operations) == 2
    assert_fresh(azure)
    assert swept.results == {"bot-0": Result.DISABLED}


# Concurrency


class InFlight:
    """How many requests of accounts the server had on its hands at once, at most."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lock = threading.Lock()
        self.units: dict[str, set[str]] = defaultdict(set)
        self.most_of_one = 0
        self.most = 0
        handle = Server._handle

        async def counted(server: Server, host: Any, request: Any) -> Any:
            if "/accounts/" not in request.path.lower():
                return await handle(server, host, request)
            subscription, account = request.path.split("/")[2].lower(), name_of(request.path)
            self._enter(subscription, account)
            try:
                return await handle(server, host, request)
            finally:
                self.units[subscription].discard(account)

        monkeypatch.setattr(Server, "_handle", counted)

    def _enter(self, subscription: str, account: str) -> None:
        self.units[subscription].add(account)
        self.most_of_one = max(self.most_of_one, len(self.units[subscription]))
        self.most = max(self.most, sum(len(each) for each in self.units.values()))


@pytest.mark.parametrize("concurrency", [1, 3, 8])
async def test_concurrency_is_bounded_overall_and_by_subscription(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    in_flight = InFlight(monkeypatch)
    azure = serve(drifted(36, 6))
    azure.faults.on(method="GET", path="*/accounts/*", times=None).hang(2)
    azure.faults.on(method="PATCH", times=None).hang(2)

    await sweep(azure, SWEEP_CONCURRENCY=str(concurrency), **MANY)

    assert keys_on(azure) == set()
    assert in_flight.most == concurrency, "no more, and no fewer"
    assert in_flight.most_of_one <= 4


async def test_direct_lists_are_bounded_too(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    most, now = [0], [0]
    handle = Server._handle

    async def counted(server: Server, host: Any, request: Any) -> Any:
        listing = request.path.lower().endswith("/providers/microsoft.cognitiveservices/accounts")
        now[0] += listing
        most[0] = max(most[0], now[0])
        try:
            return await handle(server, host, request)
        finally:
            now[0] -= listing

    monkeypatch.setattr(Server, "_handle", counted)
    tenant = drifted(0, 30)
    for each in tenant.subscriptions.values():
        each.hidden_from_graph = True
    azure = serve(tenant)
    azure.faults.on(path="*/providers/microsoft.cognitiveservices/accounts", times=None).hang(1)

    swept = await sweep(azure, "audit", SWEEP_CONCURRENCY="5")

    assert swept.events("SweepCompleted")[0]["subscriptionsReadDirectly"] == 30
    assert most[0] == 5


async def test_a_subscription_whose_lane_is_closed_takes_no_place_from_the_others(
    serve: Serve,
) -> None:
    azure = serve(drifted(24, 2))
    closed = azure.tenant.account("bot-0").subscription_id.lower()
    azure.faults.on(method="PATCH", path=f"/subscriptions/{closed}/*", times=None).answer(
        429, BUSY, {"Retry-After": "3600"}
    )

    swept = await sweep(azure, SWEEP_CONCURRENCY="2")

    results = Counter(swept.results.values())
    assert results == {Result.DISABLED: 12, Result.DEFERRED: 12}
    assert azure.clock.monotonic() < 60
    assert swept.whole


def close(azure: LocalAzure, method: str, subscriptions: int, path: str) -> None:
    """Close lanes for longer than half of the budget: those of the first subscriptions."""
    for each in list(azure.tenant.subscriptions)[:subscriptions]:
        fault = azure.faults.on(method=method, path=f"/subscriptions/{each}/{path}", times=None)
        fault.answer(429, BUSY, {"Retry-After": "1100"})


def left_in(azure: LocalAzure) -> Counter[str]:
    return Counter(each.subscription_id for each in azure.tenant.accounts if each.keys_on)


async def test_subscriptions_whose_reads_are_closed_take_no_place_from_the_others(
    serve: Serve,
) -> None:
    azure = serve(drifted(24, 3))
    close(azure, "GET", 2, "*/accounts/*")

    swept = await sweep(azure, SWEEP_CONCURRENCY="2")

    assert sorted(left_in(azure).values()) == [8, 8]
    assert Counter(swept.results.values()) == {Result.DISABLED: 8, Result.DEFERRED: 16}


async def test_subscriptions_whose_writes_are_closed_take_nothing_of_what_the_brake_lets_through(
    serve: Serve,
) -> None:
    azure = serve(drifted(30, 5))
    close(azure, "PATCH", 4, "*")

    await sweep(azure, BRAKE="trickle", MAX_CHANGES_PER_SWEEP="4")

    assert sorted(left_in(azure).values()) == [2, 6, 6, 6, 6]


async def test_lists_that_are_closed_are_gaps_and_the_others_are_read_and_swept(
    serve: Serve,
) -> None:
    tenant = drifted(20, 20)
    for each in tenant.subscriptions.values():
        each.hidden_from_graph = True
    azure = serve(tenant)
    close(azure, "GET", 8, "*/accounts")

    swept = await sweep(azure)

    assert len(swept.events("CoverageGap")) == len(keys_on(azure)) == 8
    assert Counter(swept.results.values()) == {Result.DISABLED: 12}


async def test_a_millisecond_of_retry_after_is_no_word(serve: Serve) -> None:
    azure = serve(drifted(1))
    azure.faults.on(method="PATCH", times=8).answer(429, BUSY, {"x-ms-retry-after-ms": "1"})

    await sweep(azure)

    assert keys_on(azure) == set()
    waits = [(b.at - a.at).total_seconds() for a, b in pairwise(patches(azure, "bot-0"))]
    assert waits == sorted(waits)
    assert waits[-1] >= 30
