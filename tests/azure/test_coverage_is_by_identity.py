"""What was seen is a set of resource ids; every list ends; and nobody waits in another's place.

The judge is the server: which accounts it holds, what was written, and what was asked, and when.
"""

import asyncio
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local_azure import LocalAzure, MovedClock, PatchForm, SeenRequest, Tenant
from local_azure.clock import START
from local_azure.exchange import Answer
from local_azure.services import Settings
from local_azure.state import ids
from shared.core.model import Result
from shared.core.settings import read_settings
from shared.workspace import Connections
from tests.support.real_sweeps import Swept, process, settings_of, sweep, tick
from tests.support.unobserved import Unobserved

type Serve = Callable[..., LocalAzure]
type Bend = Callable[[Answer], Answer]

GRAPH = "Microsoft.ResourceGraph/resources/read"
LIST = b"flag != 'true' or"
CENSUS = b"summarize"
BUSY = {"error": {"code": "TooManyRequests", "message": "Later."}}
QUARTER = timedelta(minutes=15)


def bots(*names: str, hidden: bool = False) -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.subscription("contoso-prod").hidden_from_graph = hidden
    for name in names:
        tenant.add_account(name, local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    return tenant


def many(subscriptions: int, accounts: int = 1, *, hidden: bool = False) -> Tenant:
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    for number in range(subscriptions):
        tenant.add_subscription(f"sub-{number}", hidden_from_graph=hidden)
        for each in range(accounts):
            tenant.add_account(
                f"bot-{number}-{each}",
                subscription=f"sub-{number}",
                local_auth=True,
                patch=PatchForm.OK_200,
                stale_reads=0,
            )
    return tenant


def keys_on(azure: LocalAzure) -> set[str]:
    return {account.name for account in azure.tenant.accounts if account.keys_on}


def patched(azure: LocalAzure) -> Counter[str]:
    """Return how often each account was sent a PATCH."""
    return Counter(
        seen.path.rpartition("/")[2] for seen in azure.operations if seen.method == "PATCH"
    )


def completed(swept: Swept) -> dict[str, Any]:
    (event,) = swept.events("SweepCompleted")
    return event


def gaps(swept: Swept) -> list[tuple[str, str]]:
    return [(gap["gapKind"], gap["gapName"]) for gap in swept.events("CoverageGap")]


def bend_queries(azure: LocalAzure, word: bytes, *bends: Bend) -> None:
    """Bend the answers to the queries with this word, one after the other, the last for good."""
    left = list(bends)

    def hook(request: SeenRequest) -> None:
        if request.action == GRAPH and word in request.body:
            azure.faults.on(action=GRAPH).bend(left[0] if len(left) == 1 else left.pop(0))

    azure.before(hook)


def accounts_of(azure: LocalAzure, subscription: str = "contoso-prod") -> str:
    return f"{azure.tenant.subscription(subscription).scope}/providers/{ids.ACCOUNT_TYPE}"


# Rows of Resource Graph


def repeated(answer: Answer) -> Answer:
    """Put the first row in the place of the last."""
    rows = answer.body["data"]
    answer.body["data"] = [*rows[:-1], rows[0]]
    return answer


def repeated_in_other_letters(answer: Answer) -> Answer:
    first = answer.body["data"][0]
    other = {**first, "id": first["id"].upper()} if "id" in first else first
    answer.body["data"] = [*answer.body["data"][:-1], other]
    return answer


@pytest.mark.parametrize("bend", [repeated, repeated_in_other_letters])
async def test_an_account_that_stands_in_anothers_place_hides_it_from_nobody(
    serve: Serve, bend: Bend
) -> None:
    azure = serve(bots("bot", "neighbour"))
    bend_queries(azure, LIST, bend)

    swept = await sweep(azure)

    assert keys_on(azure) == set()
    assert patched(azure) == {"bot": 1, "neighbour": 1}
    assert len(swept.events("RemediationOutcome")) == 2
    assert completed(swept)["subscriptionsReadDirectly"] == 1
    assert swept.whole


async def test_a_subscription_that_stands_in_anothers_place_in_the_census_hides_none(
    serve: Serve,
) -> None:
    azure = serve(many(2))
    bend_queries(azure, CENSUS, repeated)

    swept = await sweep(azure)

    assert keys_on(azure) == set()
    assert completed(swept)["accounts"] == 2
    assert swept.whole


def first_of_two_pages(answer: Answer) -> Answer:
    rows = answer.body["data"]
    answer.body.update({"data": rows[:1], "totalRecords": 2, "$skipToken": "next"})
    return answer


def the_same_page_again(of: list[Any]) -> tuple[Bend, Bend]:
    """Return a first page, and a second that is the first one again."""

    def first(answer: Answer) -> Answer:
        of.append(first_of_two_pages(answer).body)
        return answer

    def second(answer: Answer) -> Answer:
        body = {name: value for name, value in of[0].items() if name != "$skipToken"}
        return replace(answer, status=200, body=body)

    return first, second


async def test_a_page_of_resource_graph_that_comes_again_is_not_the_next_one(
    serve: Serve,
) -> None:
    azure = serve(bots("bot", "neighbour"))
    bend_queries(azure, LIST, *the_same_page_again([]))

    swept = await sweep(azure)

    assert keys_on(azure) == set()
    assert patched(azure) == {"bot": 1, "neighbour": 1}
    assert completed(swept)["subscriptionsReadDirectly"] == 1


async def test_rows_in_another_order_are_the_same_rows(serve: Serve) -> None:
    azure = serve(bots("bot", "neighbour"))

    def reordered(answer: Answer) -> Answer:
        answer.body["data"].reverse()
        return answer

    bend_queries(azure, LIST, reordered)

    swept = await sweep(azure)

    assert completed(swept)["subscriptionsReadDirectly"] == 0
    assert keys_on(azure) == set()


async def test_a_token_of_resource_graph_that_leads_to_itself_ends(serve: Serve) -> None:
    azure = serve(bots("bot"))

    def circle(answer: Answer) -> Answer:
        answer.body["$skipToken"] = "again"
        return replace(answer, status=200)

    bodies: list[Any] = []

    def again(answer: Answer) -> Answer:
        bodies.append(answer.body)
        return circle(replace(answer, body=dict(bodies[0])))

    bend_queries(azure, LIST, again)

    async with asyncio.timeout(60):
        swept = await sweep(azure)

    assert keys_on(azure) == set()
    assert swept.whole
    assert len(azure.operations) < 60


# Rows of ARM's lists


def with_rows(change: Callable[[list[Any]], list[Any]]) -> Bend:
    return lambda answer: replace(
        answer, body={**answer.body, "value": change(answer.body["value"])}
    )


@pytest.mark.parametrize("in_other_letters", [False, True])
async def test_an_account_that_arm_lists_twice_is_one(
    serve: Serve,
    in_other_letters: bool,  # noqa: FBT001 - parametrized
) -> None:
    azure = serve(bots("bot", "neighbour", hidden=True))

    def twice(rows: list[Any]) -> list[Any]:
        again = {**rows[0], "id": rows[0]["id"].upper()} if in_other_letters else rows[0]
        return [*rows, again]

    azure.faults.on(path=accounts_of(azure), times=None).bend(with_rows(twice))

    swept = await sweep(azure)

    assert completed(swept)["accounts"] == 2
    assert patched(azure) == {"bot": 1, "neighbour": 1}
    assert set(swept.results.values()) == {Result.DISABLED}


async def test_a_page_of_arms_that_comes_again_in_the_place_of_another_is_a_gap(
    serve: Serve,
) -> None:
    azure = serve(bots("bot", "neighbour", "third", hidden=True), settings=Settings(account_page=1))
    pages: list[Any] = []

    def again(answer: Answer) -> Answer:
        pages.append(answer.body["value"])
        return replace(answer, body={**answer.body, "value": pages[0]})

    azure.faults.on(path=accounts_of(azure), times=None).bend(again)

    swept = await sweep(azure)

    assert gaps(swept) == [("subscription", *azure.tenant.subscriptions)]
    assert not swept.whole


@pytest.mark.parametrize("listed", ["subscriptions", "descendants"])
async def test_a_subscription_that_is_listed_twice_is_swept_once(serve: Serve, listed: str) -> None:
    azure = serve(many(2))
    path = "/subscriptions" if listed == "subscriptions" else "*/descendants"
    azure.faults.on(path=path, times=None).bend(with_rows(lambda rows: rows + rows))

    swept = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=azure.tenant.id)

    assert completed(swept)["subscriptionsRead"] == completed(swept)["accounts"] == 2
    assert set(patched(azure).values()) == {1}
    assert swept.whole


# Links that lead nowhere


def to_itself(name: str) -> Bend:
    return lambda answer: replace(answer, body={**answer.body, name: answer.url})


PLACES = {
    "subscriptions": ("/subscriptions", "nextLink", "tenant"),
    "descendants": ("*/descendants", "@nextLink", "managementGroup"),
    "accounts": (f"*/providers/{ids.ACCOUNT_TYPE}", "nextLink", "subscription"),
}


@pytest.mark.parametrize("place", PLACES)
async def test_a_link_that_leads_to_itself_is_a_gap_and_costs_nobody_their_turn(
    serve: Serve, place: str
) -> None:
    azure = serve(many(3, hidden=True))
    path, name, kind = PLACES[place]
    if place == "accounts":
        path = accounts_of(azure, "sub-0")
    azure.faults.on(path=path, times=None).bend(to_itself(name))

    async with asyncio.timeout(60):
        swept = await sweep(
            azure, SWEEP_MANAGEMENT_GROUPS=azure.tenant.id if place == "descendants" else ""
        )

    assert [found for found, _ in gaps(swept)] == [kind]
    assert len(azure.operations) < 60
    assert azure.clock.monotonic() < 60
    if place == "accounts":
        assert len(azure.writes) == 2


async def test_a_link_of_resource_groups_that_leads_to_itself_holds_the_accounts(
    serve: Serve,
) -> None:
    azure = serve(bots("bot", hidden=True))
    home = azure.tenant.subscription("contoso-prod")
    azure.faults.on(path=f"{home.scope}/resourcegroups", times=None).bend(to_itself("nextLink"))

    async with asyncio.timeout(60):
        swept = await sweep(azure, EXEMPTION_INHERIT="true")

    assert [held["holdReason"] for held in swept.events("AccountHeld")] == ["UNREADABLE_LEVEL"]


async def test_links_that_go_round_in_a_larger_circle_are_a_gap(serve: Serve) -> None:
    azure = serve(many(2, 3, hidden=True), settings=Settings(account_page=1))
    first: list[str] = []

    def circle(answer: Answer) -> Answer:
        first.append(answer.body.get("nextLink") or first[0])
        return replace(answer, body={**answer.body, "nextLink": first[-1]})

    azure.faults.on(path=accounts_of(azure, "sub-0"), times=None).bend(circle)

    async with asyncio.timeout(60):
        swept = await sweep(azure)

    assert gaps(swept) == [("subscription", azure.tenant.subscription("sub-0").id)]
    assert {name for name in keys_on(azure) if name.startswith("bot-1")} == set()


async def test_a_list_that_never_ends_has_its_share_of_the_time_and_no_more(
    serve: Serve,
) -> None:
    azure = serve(many(3, hidden=True))
    path = accounts_of(azure, "sub-0")
    pages = iter(range(10_000))
    azure.faults.on(path=path, times=None).hang(50)

    def another(answer: Answer) -> Answer:
        link = f"{answer.url.partition('?')[0]}?api-version=2025-09-01&page={next(pages)}"
        return replace(answer, body={"value": [], "nextLink": link})

    azure.faults.on(path=path, times=None).bend(another)

    async with asyncio.timeout(120):
        swept = await sweep(azure)

    assert gaps(swept) == [("subscription", azure.tenant.subscription("sub-0").id)]
    assert len(azure.writes) == 2
    assert azure.clock.monotonic() < 1200


# Lanes


async def test_lists_that_are_throttled_keep_no_place_from_the_others(serve: Serve) -> None:
    azure = serve(many(40))
    azure.faults.on(action=GRAPH, times=None).answer(503)
    for number in range(32):
        path = accounts_of(azure, f"sub-{number}")
        azure.faults.on(path=path).answer(429, BUSY, {"Retry-After": "150"})

    swept = await sweep(azure, MAX_CHANGES_PER_SWEEP="1000")

    listed = [seen for seen in azure.operations if seen.path.lower().endswith("/accounts")]
    took = (max(seen.at for seen in listed) - min(seen.at for seen in listed)).total_seconds()
    assert 150 <= took < 250
    assert (keys_on(azure), swept.whole) == (set(), True)


# Turns


def subscription_with_turn(turn: int) -> str:
    for number in range(10_000):
        name = f"contoso-{number}"
        if zlib.crc32(ids.guid("subscription", name).encode()) % 96 == turn:
            return name
    raise LookupError(turn)


@pytest.mark.parametrize("missed", [1, 2, 5, 11])
async def test_a_turn_that_a_missed_firing_had_is_taken_by_the_next_sweep(
    serve: Serve, missed: int
) -> None:
    quarter = int(START.timestamp()) // 900
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    # Its turn is that of the first firing that is missed.
    turns = [(quarter + 1 + step) % 96 for step in range(missed + 1)]
    for turn in turns:
        tenant.add_subscription(subscription_with_turn(turn))
    azure = serve(tenant, clock=MovedClock(START))

    async with process(azure, "audit") as same:
        await tick(same)
        before = len(azure.operations)
        azure.clock.advance(QUARTER * (1 + missed) - timedelta(seconds=azure.clock.monotonic()))
        await tick(same)

    listed = [
        seen.path.split("/")[2]
        for seen in azure.operations[before:]
        if seen.path.lower().endswith(ids.ACCOUNT_TYPE.lower())
    ]
    assert sorted(listed) == sorted(tenant.subscriptions)


# More subscriptions than Resource Graph takes


async def test_more_than_a_thousand_subscriptions_are_asked_about_in_batches(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = many(1_001, 0)
    tenant.add_account("bot", subscription="sub-1000", local_auth=True)
    azure = serve(tenant)
    readable = sorted(tenant.subscriptions)
    environ = settings_of(azure, "audit")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    connections = Connections(environ, azure.clock)
    parts = connections.parts(read_settings(environ), Unobserved(), 20.0)

    try:
        shown = await parts.graph.visible(readable)
        named = await parts.graph.named(readable, "bot")
        changes = await parts.graph.key_changes(readable, [])
    finally:
        await connections.close()

    assert len(shown) == 1_001
    assert [account.name for account in named] == ["bot"]
    assert changes == [] or len(changes) == 1
    asked = [len(seen.body["subscriptions"]) for seen in azure.operations if seen.action == GRAPH]
    assert max(asked) <= 400
