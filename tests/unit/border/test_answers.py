"""An answer is believed only if it is what was asked for: whatever stands in it, and in whatever.

The readers are the real ones, on a transport that answers from memory.
"""

import json
from collections.abc import Awaitable, Callable, Iterator
from enum import Enum
from typing import Any

import pytest
from azure.core.rest import HttpRequest

from shared.border.answers import OddAnswer, a_graph_page, a_page, an_object, an_object_or_nothing
from shared.border.refusals import SDK_ERRORS
from shared.core.errors import AzureError, Unclear
from shared.core.model import Account, Level
from tests.support.border import (
    ACCOUNT,
    BOT,
    BOT_ID,
    CHANGE,
    COUNTED,
    DESCENDANT,
    GROUP,
    HOME,
    HUGE,
    LISTED,
    OTHER,
    RESOURCE_GROUP,
    SUBSCRIPTION,
    TAGGED,
    Border,
    rows,
)

type Ask = Callable[[Border], Awaitable[object]]

ONE = [SUBSCRIPTION]
SHOWN = {"id": f"/subscriptions/{SUBSCRIPTION}", "subscriptionId": SUBSCRIPTION, "chain": []}
ASKED: dict[str, tuple[object, Ask]] = {
    "account": (ACCOUNT, lambda b: b.arm.account(BOT_ID)),
    "subscription": (HOME, lambda b: b.arm.subscription(SUBSCRIPTION)),
    "resource group": (
        RESOURCE_GROUP,
        lambda b: b.arm.tags_above(BOT_ID, Level.RESOURCE_GROUP),
    ),
    "subscriptions": ({"value": [HOME], "nextLink": None}, lambda b: b.arm.subscriptions()),
    "resource groups": ({"value": [RESOURCE_GROUP]}, lambda b: b.arm.groups(SUBSCRIPTION)),
    "accounts": ({"value": [ACCOUNT], "nextLink": None}, lambda b: b.accounts()),
    "descendants": ({"value": [DESCENDANT]}, lambda b: b.arm.descendants("mg")),
    "visible": (
        rows({"id": "x", "chain": [], **COUNTED}),
        lambda b: b.answered(b.graph.visible([SUBSCRIPTION])),
    ),
    "everywhere": (rows(SHOWN), lambda b: b.graph.everywhere()),
    "census": (rows(COUNTED), lambda b: b.answered(b.graph.census(ONE, ["OpenAI"]))),
    "list": (
        rows(LISTED),
        lambda b: b.answered(b.graph.listing(ONE, ["OpenAI"], "tag")),
    ),
    "groups": (
        rows(TAGGED),
        lambda b: b.answered(b.graph.groups(ONE, "local-auth-exempt")),
    ),
    "named": (rows({"id": BOT}), lambda b: b.answered(b.graph.named(ONE, "bot"))),
    "changes": (rows(CHANGE), lambda b: b.answered(b.graph.key_changes(ONE, ["me"]))),
}


class Dropped(Enum):
    """Stands for a value that is not there at all."""

    DROPPED = "dropped"


DROPPED = Dropped.DROPPED
ODD: list[Any] = [
    DROPPED,
    None,
    5,
    -1,
    True,
    "x",
    "",
    "\ud800",
    [],
    {},
    [[]],
    {"a": 1},
    10**400,
    HUGE,
]


def places(whole: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the way to everything that stands in a value."""
    inside: Iterator[tuple[Any, object]] = iter(())
    if isinstance(whole, dict):
        inside = iter(whole.items())
    elif isinstance(whole, list):
        inside = iter(enumerate(whole))
    for key, value in inside:
        yield (*path, key)
        yield from places(value, (*path, key))


def bent(whole: object, path: tuple[Any, ...], odd: object) -> Any:
    """Return a value with something else at one place."""
    result = json.loads(json.dumps(whole))
    inner: Any = result
    for key in path[:-1]:
        inner = inner[key]
    if odd is DROPPED:
        del inner[path[-1]]
    else:
        inner[path[-1]] = odd
    return result


@pytest.mark.parametrize("asked", ASKED)
async def test_what_is_asked_for_is_believed(border: Border, asked: str) -> None:
    answer, ask = ASKED[asked]
    border.says(answer)

    assert await ask(border)


@pytest.mark.parametrize("asked", ASKED)
async def test_law_whatever_stands_at_one_place_is_an_answer_or_an_error_of_azures(
    border: Border, asked: str
) -> None:
    answer, ask = ASKED[asked]
    refused = 0
    for path in places(answer):
        for odd in ODD:
            border.says(bent(answer, path, odd))
            try:
                await ask(border)
            except AzureError:
                refused += 1

    assert refused > 10


NO_ANSWERS: list[object] = [
    {},
    {"error": {"code": "InternalServerError", "message": "Later."}},
    {"value": {"error": {}}},
    {"value": None},
    {"data": None, "totalRecords": 0},
    [],
    [ACCOUNT],
    None,
    5,
    "text",
    b"",
    b"<html>",
    b'{"value": [',
    b'{"value": [NaN]}',
    b"\xff\xfe\x00",
    b'{"a":' * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
]


@pytest.mark.parametrize("asked", ASKED)
async def test_what_is_no_answer_at_all_is_unclear(border: Border, asked: str) -> None:
    unclear = []
    for body in NO_ANSWERS:
        border.says(body)
        try:
            await ASKED[asked][1](border)
        except Unclear:
            unclear.append(body)

    assert unclear == NO_ANSWERS


@pytest.mark.parametrize("odd", [DROPPED, None])
async def test_a_flag_that_is_absent_or_null_in_real_properties_means_keys_on(
    border: Border, odd: object
) -> None:
    border.says(bent(ACCOUNT, ("properties", "disableLocalAuth"), odd))

    assert (await border.arm.account(BOT_ID)).keys_on


@pytest.mark.parametrize(
    ("path", "odd"),
    [
        (("id",), DROPPED),
        (("id",), BOT.replace("bot", "other")),
        (("id",), BOT.replace(SUBSCRIPTION, OTHER)),
        (("id",), BOT + "/projects/x"),
        (("type",), "Microsoft.CognitiveServices/accounts/projects"),
        (("type",), DROPPED),
        (("kind",), DROPPED),
        (("kind",), ""),
        (("kind",), None),
        (("properties",), DROPPED),
        (("properties",), None),
        (("properties",), {}),
        (("properties",), []),
        (("properties", "disableLocalAuth"), "true"),
        (("properties", "disableLocalAuth"), 1),
        (("properties", "provisioningState"), 1),
        (("tags",), None),
        (("tags",), []),
        (("tags",), "local-auth-exempt"),
        (("tags", "owner"), 5),
        (("tags", "owner"), {}),
    ],
    ids=str,
)
async def test_an_account_that_lacks_what_makes_it_one_is_none(
    border: Border, path: tuple[str, ...], odd: object
) -> None:
    border.says(bent(ACCOUNT, path, odd))
    with pytest.raises(Unclear):
        await border.arm.account(BOT_ID)

    if path != ("id",) or odd in {DROPPED, BOT + "/projects/x"}:
        border.says({"value": [bent(ACCOUNT, path, odd)]})
        (row,) = await border.accounts()
        assert isinstance(row, str)


async def test_a_row_of_another_subscription_is_no_account_of_this_one(border: Border) -> None:
    other = {**ACCOUNT, "id": BOT.replace(SUBSCRIPTION, OTHER)}
    border.says({"value": [other, ACCOUNT]})

    first, second = await border.accounts()

    assert "another subscription" in str(first)
    assert isinstance(second, Account)


@pytest.mark.parametrize("asked", ["list", "named", "census", "groups", "visible"])
async def test_rows_of_resource_graph_about_another_subscription_are_not_believed(
    border: Border, asked: str
) -> None:
    answer, ask = ASKED[asked]
    border.says(json.dumps(answer).replace(SUBSCRIPTION, OTHER).encode())

    with pytest.raises(Unclear, match="nobody asked about"):
        await ask(border)


async def test_a_change_record_of_another_subscription_is_told_as_lacking(border: Border) -> None:
    border.says(json.dumps(rows(CHANGE)).replace(SUBSCRIPTION, OTHER).encode())

    (change,) = (await border.graph.key_changes(ONE, ["me"])).rows

    assert "nobody asked about" in str(change)


async def test_a_subscription_that_answers_for_another_is_not_believed(border: Border) -> None:
    for odd in ({"id": f"/subscriptions/{OTHER}"}, {"subscriptionId": OTHER}):
        border.says({**HOME, **odd})
        with pytest.raises(Unclear):
            await border.arm.subscription(SUBSCRIPTION)


async def test_a_resource_group_of_another_subscription_lends_nobody_its_tags(
    border: Border,
) -> None:
    elsewhere = {**RESOURCE_GROUP, "id": GROUP.replace(SUBSCRIPTION, OTHER)}
    border.says({"value": [elsewhere]})
    with pytest.raises(Unclear):
        await border.arm.groups(SUBSCRIPTION)

    border.says(elsewhere)
    with pytest.raises(Unclear):
        await border.arm.tags_above(BOT_ID, Level.RESOURCE_GROUP)


@pytest.mark.parametrize("again", [BOT, BOT.upper()])
async def test_rows_that_come_twice_take_the_place_of_others(border: Border, again: str) -> None:
    border.says(rows(LISTED, {**LISTED, "id": again}))

    with pytest.raises(Unclear, match="1 of 2 rows"):
        await ASKED["list"][1](border)


# The policy itself


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_held_against_what_was_asked_for(border: Border, status: int) -> None:
    border.says({})
    border.transport.status = status

    with pytest.raises(OddAnswer):
        await _run(border, expects=a_page)


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500])
async def test_a_refusal_is_left_to_whoever_knows_what_it_means(
    border: Border, status: int
) -> None:
    border.says(b"<html>")
    border.transport.status = status

    assert (await _run(border, expects=a_page)).http_response.status_code == status


async def test_a_refusal_that_is_nested_too_deeply_is_none(border: Border) -> None:
    border.says(b"[" * 100_000)
    border.transport.status = 400

    with pytest.raises(OddAnswer, match="nested too deeply"):
        await _run(border)


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_an_answer_without_a_body_is_one_where_nothing_was_asked_for(
    border: Border, status: int
) -> None:
    border.says(b"")
    border.transport.status = status

    answer = await _run(border, expects=an_object_or_nothing)
    with pytest.raises(OddAnswer):
        await _run(border, expects=a_page)

    assert answer.http_response.status_code == status


async def _run(border: Border, **options: Any) -> Any:
    request = HttpRequest("GET", "https://management.azure.com/x")
    return await border.arm._pipeline.run(request, **options)


def test_an_object_is_no_list() -> None:
    assert an_object({}) == ""
    assert an_object([])
    assert an_object(None)
    assert a_graph_page(rows()) == ""


# Our own mistakes


async def test_a_mistake_of_our_own_is_not_taken_for_a_failure_of_azures(border: Border) -> None:
    border.says(ACCOUNT)
    nobody: Any = None

    with pytest.raises(AttributeError):
        await border.arm.account(nobody)
    for mistake in (AttributeError, TypeError, LookupError, ArithmeticError):
        assert not issubclass(mistake, SDK_ERRORS)
