"""Rows of Resource Graph that are none: one of them, and the whole answer is not believed."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from shared.core.change_log import KEPT
from shared.core.errors import Unclear
from shared.core.model import Answer, Census, GroupsAbove
from tests.support.border import (
    BOT,
    CHANGE,
    COUNTED,
    LISTED,
    OTHER,
    SUBSCRIPTION,
    Border,
    Said,
    rows,
)

SHOWN: Mapping[str, Any] = {
    "id": f"/subscriptions/{SUBSCRIPTION}",
    "subscriptionId": SUBSCRIPTION,
    "chain": [{"name": "mg-bots", "displayName": "Bots"}, {"name": "root", "displayName": "Root"}],
}
BOTH = [SUBSCRIPTION, OTHER]


def without(row: Mapping[str, Any], column: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != column}


async def visible(border: Border) -> set[str]:
    return {name for name, _ in await border.answered(border.graph.visible(BOTH))}


# Which subscriptions are shown


async def test_the_subscriptions_that_are_shown_are_named(border: Border) -> None:
    border.says(rows(SHOWN))
    assert await visible(border) == {SUBSCRIPTION}


async def test_a_subscription_in_other_letters_is_the_same(border: Border) -> None:
    name = "0000000A-0000-4000-8000-000000000001"
    border.says(rows({**SHOWN, "subscriptionId": name}))
    shown = await border.answered(border.graph.visible([name.lower()]))
    assert [subscription for subscription, _ in shown] == [name.lower()]


async def test_none_is_shown_where_there_is_none(border: Border) -> None:
    border.says(rows())
    assert await visible(border) == set()


async def groups_above(border: Border, chain: object) -> GroupsAbove:
    border.says(rows({**SHOWN, "chain": chain}))
    ((_, groups),) = await border.answered(border.graph.visible(BOTH))
    return groups


async def test_the_management_groups_above_a_subscription_are_named_from_the_nearest_up(
    border: Border,
) -> None:
    assert await groups_above(border, SHOWN["chain"]) == ("mg-bots", "root")


async def test_a_subscription_may_have_no_management_group_above_it(border: Border) -> None:
    assert await groups_above(border, []) == ()


@pytest.mark.parametrize(
    "chain", [None, "root", {}, 5, [None], ["root"], [{}], [{"name": ""}], [{"name": 5}]], ids=str
)
async def test_management_groups_that_can_not_be_read_are_not_known_and_spoil_nothing(
    border: Border, chain: object
) -> None:
    assert await groups_above(border, chain) is None


NO_SUBSCRIPTIONS: list[Any] = [
    without(SHOWN, "subscriptionId"),
    without(SHOWN, "id"),
    without(SHOWN, "chain"),
    {**SHOWN, "subscriptionId": None},
    {**SHOWN, "subscriptionId": ""},
    {**SHOWN, "subscriptionId": 5},
    {**SHOWN, "subscriptionId": [SUBSCRIPTION]},
    {},
    None,
    [],
    "row",
]
SHOWS: Mapping[str, Callable[[Border], Awaitable[object]]] = {
    "visible": visible,
    "everywhere": lambda border: border.graph.everywhere(),
}


@pytest.mark.parametrize("row", NO_SUBSCRIPTIONS, ids=str)
@pytest.mark.parametrize("asked", SHOWS)
async def test_a_row_that_is_no_subscription_makes_the_answer_none(
    border: Border, asked: str, row: object
) -> None:
    border.says(rows(SHOWN, row))
    with pytest.raises(Unclear):
        await SHOWS[asked](border)


@pytest.mark.parametrize("asked", SHOWS)
@pytest.mark.parametrize("total", [0, 2, -1])
async def test_fewer_or_more_rows_than_there_are_make_it_none(
    border: Border, asked: str, total: int
) -> None:
    border.says(rows(SHOWN, total=total))
    with pytest.raises(Unclear):
        await SHOWS[asked](border)


async def test_a_subscription_that_is_shown_twice_makes_it_none(border: Border) -> None:
    border.says(rows(SHOWN, {**SHOWN, "id": "another"}))
    with pytest.raises(Unclear, match="1 of 2 rows"):
        await visible(border)


# The census


async def census(border: Border) -> Mapping[str, Census]:
    return dict(await border.answered(border.graph.census(BOTH, ["OpenAI"])))


async def test_accounts_are_counted_by_subscription(border: Border) -> None:
    border.says(rows({**COUNTED, "keysOff": 7}))
    assert await census(border) == {SUBSCRIPTION: Census(1, 7)}


async def test_a_subscription_that_is_counted_in_other_letters_is_the_same(border: Border) -> None:
    name = "0000000A-0000-4000-8000-000000000001"
    border.says(rows({**COUNTED, "subscriptionId": name}))
    counted = await border.graph.census([name.lower()], ["OpenAI"])
    assert counted.rows == ((name.lower(), Census(1, 0)),)


async def test_a_count_of_none_is_a_count(border: Border) -> None:
    border.says(rows({**COUNTED, "keysOn": 0, "keysOff": 0}))
    assert await census(border) == {SUBSCRIPTION: Census(0, 0)}


@pytest.mark.parametrize("column", ["keysOn", "keysOff"])
@pytest.mark.parametrize("odd", [None, -1, True, "1", "", 1.5, [], {}, [1]], ids=str)
async def test_a_count_that_is_none_makes_the_census_none(
    border: Border, column: str, odd: object
) -> None:
    border.says(rows({**COUNTED, column: odd}))
    with pytest.raises(Unclear, match="a row without its counts"):
        await census(border)


@pytest.mark.parametrize("column", ["keysOn", "keysOff", "subscriptionId"])
async def test_a_column_that_is_missing_makes_it_none(border: Border, column: str) -> None:
    border.says(rows(without(COUNTED, column)))
    with pytest.raises(Unclear):
        await census(border)


async def test_one_odd_row_spoils_the_others(border: Border) -> None:
    border.says(rows(COUNTED, {**COUNTED, "subscriptionId": OTHER, "keysOff": None}))
    with pytest.raises(Unclear):
        await census(border)


async def test_a_subscription_that_is_counted_twice_makes_it_none(border: Border) -> None:
    border.says(rows(COUNTED, {**COUNTED, "keysOn": 2}))
    with pytest.raises(Unclear, match="1 of 2 rows"):
        await census(border)


async def test_a_truncated_census_is_none(border: Border) -> None:
    border.says({**rows(COUNTED), "resultTruncated": "true"})
    with pytest.raises(Unclear, match="truncated"):
        await census(border)


# The change log


async def test_the_change_log_is_asked_for_as_much_as_it_is_said_to_keep(border: Border) -> None:
    border.says(rows(CHANGE))
    await border.graph.key_changes(BOTH, [])
    (request,) = border.transport.asked
    assert f"ago({KEPT.days}d)" in str(request.content)


async def test_a_change_whose_author_is_null_has_none(border: Border) -> None:
    border.says(rows({**CHANGE, "changedBy": None}))
    (change,) = (await border.graph.key_changes([SUBSCRIPTION], [])).rows
    assert not isinstance(change, str)
    assert change.by == ""


async def test_a_change_without_a_moment_is_a_text_that_says_so(border: Border) -> None:
    border.says(rows({**CHANGE, "at": "yesterday"}))
    (change,) = (await border.graph.key_changes([SUBSCRIPTION], [])).rows
    assert str(change).startswith("a change record lacks what we need")


# Batches


MANY = [f"{number:08}-0000-4000-8000-000000000000" for number in range(801)]


def batches(border: Border) -> list[int]:
    """Return about how many subscriptions each query asked."""
    asked = [json.loads(request.content) for request in border.transport.asked]
    return [len(body["subscriptions"]) for body in asked]


async def test_at_most_400_subscriptions_are_asked_about_at_a_time(border: Border) -> None:
    border.says(rows())
    await border.graph.visible(MANY)
    assert batches(border) == [400, 400, 1]


async def test_about_no_subscription_nothing_is_asked(border: Border) -> None:
    assert await border.graph.visible([]) == Answer(())
    assert batches(border) == []


_DENIED = {"code": "AccessDenied", "message": "", "details": [{"code": "AccessDenied"}]}


@pytest.mark.parametrize(
    ("failure", "says"), [(500, "HTTP500"), (Said({"error": _DENIED}, 403), "AccessDenied")]
)
async def test_a_batch_that_fails_takes_nothing_from_what_the_others_say(
    border: Border, failure: object, says: str
) -> None:
    border.says(rows({**SHOWN, "subscriptionId": MANY[400]}))
    border.transport.next = [failure]
    answer = await border.graph.visible(MANY[:401])
    assert [subscription for subscription, _ in answer.rows] == [MANY[400]]
    assert list(answer.unread) == MANY[:400]
    assert says in answer.unread[MANY[0]]


# The list


@pytest.mark.parametrize("column", LISTED)
async def test_a_list_that_lacks_a_column_is_none(border: Border, column: str) -> None:
    border.says(rows(without(LISTED, column)))
    with pytest.raises(Unclear, match=f"lacks {column}"):
        await border.answered(border.graph.listing([SUBSCRIPTION], ["OpenAI"], "tag"))


# The inventory


async def every(border: Border, subscriptions: list[str]) -> list[list[str] | str]:
    """Return the names of the accounts of each page, or why one could not be read."""
    return [
        page if isinstance(page, str) else [account.id.name for account in page]
        async for page in border.graph.every(subscriptions, ["OpenAI"])
    ]


def listed(number: int, **more: Any) -> dict[str, Any]:
    return {**without(LISTED, "tags"), "id": f"{BOT}{number}", **more}


async def test_every_account_is_listed_a_page_at_a_time(border: Border) -> None:
    border.transport.next = [
        {**rows(listed(1), listed(2, flag="true"), total=3), "$skipToken": "more"},
        rows(listed(3), total=3),
    ]
    assert await every(border, [SUBSCRIPTION]) == [["bot1", "bot2"], ["bot3"]]


async def test_no_page_is_asked_for_before_the_one_before_it_was_taken(border: Border) -> None:
    border.says({**rows(listed(1), total=3), "$skipToken": "more"})
    pages = border.graph.every([SUBSCRIPTION], ["OpenAI"])
    assert await anext(pages)
    assert len(border.transport.asked) == 1


async def test_a_page_that_can_not_be_read_ends_its_batch_and_takes_nothing_from_the_next(
    border: Border,
) -> None:
    border.says(rows())
    border.transport.next = [{**rows(listed(1), total=9), "$skipToken": "more"}, 500]
    first, problem, *others = await every(border, [*MANY[:399], SUBSCRIPTION, *MANY[399:]])
    assert first == ["bot1"]
    assert str(problem).startswith("400 subscriptions, unread after 1 of their accounts: ")
    assert "HTTP500" in problem
    assert others == [[], []]


async def test_fewer_accounts_than_there_are_said_to_be_are_said(border: Border) -> None:
    border.says(rows(listed(1), total=2))
    first, problem = await every(border, [SUBSCRIPTION])
    assert first == ["bot1"]
    assert "1 of 2 rows" in str(problem)


async def test_an_odd_row_makes_its_page_none(border: Border) -> None:
    border.says(rows(listed(1), listed(2, kind=None)))
    (problem,) = await every(border, [SUBSCRIPTION])
    assert "without its kind" in str(problem)


# Pages


async def test_a_list_is_read_to_its_end(border: Border) -> None:
    border.transport.next = [
        {**rows(LISTED, total=2), "$skipToken": "more"},
        rows({**LISTED, "id": f"{BOT}2"}, total=2),
    ]
    found = await border.answered(border.graph.listing([SUBSCRIPTION], ["OpenAI"], "tag"))
    assert [account.id.name for account in found] == ["bot", "bot2"]


@pytest.mark.parametrize("token", ["", None])
async def test_an_empty_token_leads_nowhere(border: Border, token: str | None) -> None:
    border.says({**rows(SHOWN), "$skipToken": token})
    assert len(await visible(border)) == 1


async def test_a_token_that_leads_to_itself_makes_the_answer_none(border: Border) -> None:
    border.says({**rows(SHOWN, total=2), "$skipToken": "again"})
    with pytest.raises(Unclear, match="leads back"):
        await visible(border)
