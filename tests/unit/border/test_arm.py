"""ARM's lists, page by page: where their links may lead, how they end, and at which pace.

The reader is the real one, on a transport that answers from memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sized
from typing import Any

import pytest

from shared.core.errors import OutOfTime, Unclear
from shared.core.model import Account
from tests.support.border import (
    ACCOUNT,
    BOT,
    DESCENDANT,
    HOME,
    OTHER,
    RESOURCE_GROUP,
    SUBSCRIPTION,
    Border,
)
from tests.support.builders import NOW
from tests.support.virtual_time import VirtualClock

LIST = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/accounts"
ENDPOINT = "https://management.azure.com"


def page(*names: str, link: str | None = None, **more: str) -> dict[str, Any]:
    """Return a page of accounts."""
    return {
        "value": [{**ACCOUNT, "id": BOT.replace("/bot", f"/{name}")} for name in names],
        "nextLink": link,
        **more,
    }


async def names(border: Border) -> list[str]:
    return [row.id.name for row in await border.accounts() if isinstance(row, Account)]


async def first_of(border: Border, subscription_id: str) -> object:
    return await anext(border.arm.accounts(subscription_id))


# Links

LINKS = {
    f"{LIST}?api-version=1&$skiptoken=x": f"{LIST}?api-version=1&$skiptoken=x",
    f"{LIST.lower()}/?$skiptoken=x": f"{LIST.lower()}/?$skiptoken=x&api-version=2025-09-01",
    "?$skiptoken=x": f"{LIST}?$skiptoken=x&api-version=2025-09-01",
    "accounts?$skiptoken=x&API-Version=7": f"{LIST}?$skiptoken=x&API-Version=7",
    f"https://management.azure.com:443{LIST}?%24skiptoken=a%2Fb%3D": (
        f":443{LIST}?%24skiptoken=a%2Fb%3D&api-version=2025-09-01"
    ),
    f"https://management.azure.com{LIST}": f"{LIST}?api-version=2025-09-01",
}


@pytest.mark.parametrize("link", LINKS)
async def test_a_link_may_be_relative_and_without_a_version(border: Border, link: str) -> None:
    border.transport.next = [page("a", link=link), page("b")]
    assert await names(border) == ["a", "b"]
    assert border.transport.asked[-1].url == f"{ENDPOINT}{LINKS[link]}"


@pytest.mark.parametrize(
    "link",
    [
        f"/subscriptions/{SUBSCRIPTION}/next?$skiptoken=x",
        "/subscriptions?$skiptoken=x",
        LIST.replace(SUBSCRIPTION, OTHER),
        f"{ENDPOINT}{LIST}/bot",
    ],
)
async def test_a_link_that_leads_to_something_else_is_not_followed(
    border: Border, link: str
) -> None:
    border.transport.next = [page("a", link=link)]
    with pytest.raises(Unclear, match="a link of the list leads to"):
        await border.accounts()
    assert len(border.transport.asked) == 1


@pytest.mark.parametrize("name", ["nextLink", "@nextLink"])
async def test_the_link_of_descendants_may_be_called_either(border: Border, name: str) -> None:
    onward = f"{ENDPOINT}/providers/Microsoft.Management/managementGroups/mg/descendants?page=2"
    border.transport.next = [
        {"value": [DESCENDANT], name: onward},
        {"value": [{**DESCENDANT, "name": OTHER, "id": f"/subscriptions/{OTHER}"}]},
    ]
    assert await border.arm.descendants("mg") == [SUBSCRIPTION, OTHER]


# The end of a list


async def test_pages_that_overlap_are_read_to_the_end(border: Border) -> None:
    border.transport.next = [page("a", "b", link="?page=2"), page("b", "c")]
    assert await names(border) == ["a", "b", "b", "c"]


async def test_an_empty_page_in_the_middle_ends_nothing(border: Border) -> None:
    border.transport.next = [page("a", link="?page=2"), page(link="?page=3"), page("b")]
    assert await names(border) == ["a", "b"]


@pytest.mark.parametrize(
    "pages",
    [
        [page("a", link="?page=2"), page("b", link="?page=2")],
        [page("a", link="?page=2"), page("b", link="?page=3"), page("c", link="?page=2")],
        [page("a", link=LIST)],
    ],
    ids=["to itself", "in a circle", "to the first"],
)
async def test_a_link_that_leads_back_makes_the_list_none(
    border: Border, pages: list[object]
) -> None:
    border.transport.next = pages
    with pytest.raises(Unclear, match="leads back"):
        await border.accounts()


@pytest.mark.parametrize("again", ["a", "A", "ab"])
async def test_a_page_that_holds_nothing_new_makes_the_list_none(
    border: Border, again: str
) -> None:
    border.transport.next = [page("a", "b", link="?page=2"), page(*again)]
    with pytest.raises(Unclear, match="nothing that an earlier one did not"):
        await border.accounts()


async def test_rows_that_can_not_be_read_are_something_new(border: Border) -> None:
    border.transport.next = [
        {"value": [{"id": "odd"}], "nextLink": "?page=2"},
        {"value": [{"id": "odder"}, None]},
    ]
    assert await border.accounts() == [
        "odd: its type is not microsoft.cognitiveservices/accounts",
        "odder: its type is not microsoft.cognitiveservices/accounts",
        "a row: it has no id",
    ]


@pytest.mark.parametrize(
    ("row", "ask"),
    [
        (HOME, lambda border: border.arm.subscriptions()),
        (DESCENDANT, lambda border: border.arm.descendants("mg")),
        (RESOURCE_GROUP, lambda border: border.arm.groups(SUBSCRIPTION)),
    ],
    ids=["subscriptions", "descendants", "resource groups"],
)
async def test_what_a_list_holds_twice_is_one(
    border: Border, row: object, ask: Callable[[Border], Awaitable[Sized]]
) -> None:
    border.says({"value": [row, row]})
    assert len(await ask(border)) == 1


# Subscriptions


@pytest.mark.parametrize(
    ("managers", "is_delegated"),
    [(None, False), ([], False), ([{"tenantId": "another"}], True)],
    ids=["not said", "nobody", "another tenant"],
)
async def test_a_subscription_that_another_tenant_manages_is_delegated(
    border: Border, managers: object, *, is_delegated: bool
) -> None:
    border.says({**HOME, "managedByTenants": managers})
    assert (await border.arm.subscription(SUBSCRIPTION)).is_delegated is is_delegated


# The pace


async def test_a_page_waits_for_its_lane(clock: VirtualClock) -> None:
    border = Border.in_memory(clock)
    border.lanes.lane(SUBSCRIPTION, "read").refused({"retry-after": "30"}, 0.0, NOW)
    border.says(page("a"))
    assert await names(border) == ["a"]
    assert clock.monotonic() == 30


async def test_a_page_that_is_throttled_is_read_again_when_its_lane_opens(
    clock: VirtualClock,
) -> None:
    border = Border.in_memory(clock)
    border.transport.next = [429, 429, page("a")]
    assert await names(border) == ["a"]
    assert len(border.transport.asked) == 3


async def test_no_more_pages_are_read_at_a_time_than_there_are_places(clock: VirtualClock) -> None:
    border = Border.in_memory(clock)
    border.says(page("a"))
    border.transport.seconds = 1
    await asyncio.gather(*(first_of(border, f"sub-{number}") for number in range(24)))
    assert border.transport.most_at_once == 8
    assert clock.monotonic() == 3


async def test_while_its_lane_is_closed_it_keeps_no_place_from_others(clock: VirtualClock) -> None:
    border = Border.in_memory(clock)
    for number in range(16):
        closed = border.lanes.lane(f"sub-{number}", "read")
        closed.refused({"retry-after": "500"}, 0.0, NOW)
    border.says(page("a"))
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(first_of(border, f"sub-{number}")) for number in range(16)]
        assert await names(border) == ["a"]
        assert clock.monotonic() == 0
        for task in waiting:
            task.cancel()


async def test_a_lane_that_opens_too_late_ends_the_list_at_once(clock: VirtualClock) -> None:
    border = Border.in_memory(clock)
    border.lanes.lane(SUBSCRIPTION, "read").refused({"retry-after": "2000"}, 0.0, NOW)
    with pytest.raises(OutOfTime):
        await border.accounts()
    assert clock.monotonic() == 0
