"""The daily inventory over the wire: once a day, a query for each thousand accounts."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from local_azure import LocalAzure, scenarios
from tests.support.real_sweeps import Swept, process, sweep, tick
from tests.support.serving import Serve

ACCOUNTS, SUBSCRIPTIONS = 1_100, 10
GRAPH = "/providers/microsoft.resourcegraph/resources"
MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC)
DAILY = {"INVENTORY": "daily", "SWEEP_SCHEDULE": "0 0 0 * * *"}


def queries(azure: LocalAzure) -> int:
    return sum(operation.path.lower() == GRAPH for operation in azure.operations)


def inventory(swept: Swept) -> str:
    (completed,) = swept.events("SweepCompleted")
    return str(completed["inventory"])


async def test_every_account_is_told_by_one_query_more_for_each_thousand(serve: Serve) -> None:
    azure = serve(scenarios.large(ACCOUNTS, drifted=0, subscriptions=SUBSCRIPTIONS))
    await sweep(azure, "audit")
    without = queries(azure)
    swept = await sweep(azure, "audit", **DAILY)
    told = Counter(event["accountId"] for event in swept.events("AccountSeen"))
    assert set(told) == {account.id.lower() for account in azure.tenant.accounts}
    assert set(told.values()) == {1}
    assert inventory(swept) == "told"
    assert queries(azure) == 2 * without + 2


async def test_it_is_told_by_the_first_firing_of_a_day_and_by_no_other(serve: Serve) -> None:
    azure = serve(scenarios.large(3, drifted=0, subscriptions=1))
    azure.clock.advance((MIDNIGHT - azure.clock.now()).total_seconds() - 15 * 60)
    told = []
    async with process(azure, "audit", INVENTORY="daily") as functions:
        last = azure.clock.now() - timedelta(minutes=15)
        for _ in range(4):
            began = azure.clock.now()
            told.append(inventory(await tick(functions, last)))
            last = began
            azure.clock.advance(15 * 60 - (azure.clock.now() - began).total_seconds())
    assert told == ["", "told", "", ""]
