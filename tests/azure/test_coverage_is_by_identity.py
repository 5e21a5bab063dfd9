"""What was seen is a set of resource ids; every list ends; and a missed turn is taken later.

The judge is the server: which accounts it holds, what was written, and what was asked, and when.
"""

import asyncio
import zlib
from dataclasses import replace
from datetime import timedelta

import pytest

from local_azure import MovedClock, Tenant
from local_azure.clock import START
from local_azure.exchange import Answer
from local_azure.state import ids
from tests.support.bent_answers import (
    CENSUS,
    LISTING,
    accounts_of,
    bend_queries,
    changed,
    completed,
    gaps,
    listed,
    patched,
    turned_off,
    two_subscriptions,
)
from tests.support.real_sweeps import process, sweep, tick
from tests.support.serving import Serve

QUARTER = timedelta(minutes=15)


def repeated(answer: Answer) -> Answer:
    """Put the first row, its id in other letters, in the place of the last."""
    first = answer.body["data"][0]
    other = {**first, "id": first["id"].upper()} if "id" in first else first
    answer.body["data"] = [*answer.body["data"][:-1], other]
    return answer


@pytest.mark.parametrize("query", [LISTING, CENSUS], ids=["list", "census"])
async def test_a_row_of_resource_graph_that_stands_in_anothers_place_hides_nobody(
    serve: Serve, query: bytes
) -> None:
    azure = serve(two_subscriptions())
    bend_queries(azure, query, repeated)

    swept = await sweep(azure)

    assert swept.whole
    assert patched(azure) == {"bot-one": 1, "bot-two": 1}
    assert completed(swept)["subscriptionsReadDirectly"] == 2


async def test_a_subscription_that_arms_list_lost_is_swept_all_the_same(serve: Serve) -> None:
    azure = serve(two_subscriptions())
    azure.faults.on(path="/subscriptions", times=None).bend(
        changed(lambda body: body["value"].pop())
    )

    swept = await sweep(azure)

    assert swept.whole
    assert turned_off(azure) == {"bot-one", "bot-two"}


async def test_a_list_that_never_ends_has_its_share_of_the_time_and_no_more(serve: Serve) -> None:
    azure = serve(two_subscriptions())
    one = azure.tenant.subscription("one")
    one.hidden_from_graph = True
    pages = iter(range(10_000))

    def another(answer: Answer) -> Answer:
        link = f"{answer.url.partition('?')[0]}?api-version=2025-09-01&page={next(pages)}"
        return replace(answer, body={"value": [], "nextLink": link})

    azure.faults.on(path=accounts_of(azure, "one"), times=None).hang(50)
    azure.faults.on(path=accounts_of(azure, "one"), times=None).bend(another)

    async with asyncio.timeout(120):
        swept = await sweep(azure)

    assert gaps(swept) == {("subscription", one.id)}
    assert turned_off(azure) == {"bot-two"}
    assert azure.clock.monotonic() < 1200


def subscription_with_turn(turn: int) -> str:
    for number in range(10_000):
        name = f"contoso-{number}"
        if zlib.crc32(ids.guid("subscription", name).encode()) % 96 == turn:
            return name
    raise LookupError(turn)


async def test_a_turn_that_a_missed_firing_had_is_taken_by_the_next_sweep(serve: Serve) -> None:
    missed = 2
    quarter = int(START.timestamp()) // 900
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    for step in range(missed + 1):
        # The first is that of the first firing that is missed.
        tenant.add_subscription(subscription_with_turn((quarter + 1 + step) % 96))
    azure = serve(tenant, clock=MovedClock(START))

    async with process(azure, "audit") as same:
        await tick(same)
        assert listed(azure) == []
        azure.clock.advance(QUARTER * (1 + missed) - timedelta(seconds=azure.clock.monotonic()))
        await tick(same)

    assert sorted(listed(azure)) == sorted(tenant.subscriptions)
