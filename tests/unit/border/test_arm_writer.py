"""Border: the one write. It is sent once, and whatever answers it is no "no" unless it says so.

The SDK that sends it and follows its operation is the real one, on a transport in memory. What the
read-back makes of it is tested in tests/unit/steps/test_remediation.py.
"""

from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from shared.core.errors import AzureError, OutsideRings, Refused, Unclear, Unfinished
from shared.core.rings import Rings
from tests.support.border import ACCOUNT, BOT_ID, HUGE, Border, Said
from tests.support.virtual_time import VirtualClock

KEY: Any = None
ENDPOINT = "https://management.azure.com"
STATUS = f"{ENDPOINT}/subscriptions/x/operationstatuses/1?api-version=1"
RESULT = f"{ENDPOINT}/subscriptions/x/operationresults/1?api-version=1"
BY_STATUS = Said(ACCOUNT, 202, {"Azure-AsyncOperation": STATUS, "Location": RESULT})
BY_LOCATION = Said(None, 202, {"Location": RESULT})
ERROR = {"error": {"code": "InternalServerError", "message": "Later."}}
DEEP = b'{"value":' * 100_000
LONGEST = 120
"""Seconds for which an operation is followed."""


async def written(border: Border, *answers: object) -> AzureError | None:
    """Turn keys off, with these answers; return what is said against it."""
    border.transport.next = list(answers)
    try:
        await border.arm.disable_local_auth(BOT_ID, leave_by=5)
    except AzureError as error:
        return error
    return None


def patches(border: Border) -> int:
    return sum(request.method == "PATCH" for request in border.transport.asked)


@pytest.fixture
async def border(clock: VirtualClock) -> Border:
    """Give the border in virtual time; what is asked for beyond the first answers is done."""
    found = Border.in_memory(clock)
    found.says({"status": "Succeeded"})
    return found


async def test_the_body_is_one_property(border: Border) -> None:
    assert await written(border, ACCOUNT) is None
    (request,) = border.transport.asked
    assert request.method == "PATCH"
    assert request.content == '{"properties": {"disableLocalAuth": true}}'


async def test_outside_the_rings_nothing_is_sent(clock: VirtualClock) -> None:
    border = Border.in_memory(clock, Rings())
    assert isinstance(await written(border), OutsideRings)
    assert border.transport.asked == []


# What answers the PATCH


ODD_BODIES: dict[str, object] = {
    "an error": ERROR,
    "a list": [],
    "null": None,
    "nothing": b"",
    "a page": b"<html><h1>502 Bad Gateway</h1></html>",
    "half of it": b'{"properties": {"dis',
    "nested": DEEP,
    "a huge number": {"properties": {"callRateLimit": {"count": HUGE}}},
    "keys that are still on": ACCOUNT,
}
TAKEN: dict[str, object] = {
    **{name: Said(body) for name, body in ODD_BODIES.items()},
    "202 without a link": Said(ERROR, 202),
    "202 with an odd link": Said(None, 202, {"Location": "nowhere"}),
}
UNANSWERED: dict[str, object] = {
    **{f"503: {name}": Said(body, 503) for name, body in ODD_BODIES.items()},
    **{str(status): Said(ERROR, status) for status in (204, 302, 307, 408, 500, 502, 504)},
    "503 in milliseconds": Said(None, 503, {"retry-after-ms": "9"}),
    "503 with an odd Retry-After": Said(None, 503, {"Retry-After": "1\u00b2"}),
    "cut": ServiceResponseError("disconnected"),
}


@pytest.mark.parametrize("answer", TAKEN.values(), ids=TAKEN)
async def test_whatever_stands_in_an_answer_that_it_was_taken_is_no_refusal(
    border: Border, answer: object
) -> None:
    found = await written(border, answer)
    assert found is None or isinstance(found, Unclear)
    assert patches(border) == 1


@pytest.mark.parametrize("answer", UNANSWERED.values(), ids=UNANSWERED)
async def test_what_is_no_answer_leaves_it_open_and_it_is_not_sent_again(
    border: Border, answer: object
) -> None:
    assert type(await written(border, answer)) is Unclear
    assert patches(border) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429])
async def test_a_refusal_is_a_definite_no_and_it_is_sent_once(border: Border, status: int) -> None:
    found = await written(border, Said(ERROR, status))
    assert found is not None
    assert not isinstance(found, Unclear)
    assert found.code == "InternalServerError"
    assert patches(border) == 1


async def test_a_connection_that_was_never_made_is_a_definite_no(border: Border) -> None:
    never = aiohttp.ClientConnectorError(KEY, OSError("refused"))
    found = await written(border, ServiceRequestError("never", error=never))
    assert isinstance(found, Refused)


async def test_an_answer_that_never_comes_is_none(border: Border, clock: VirtualClock) -> None:
    border.transport.seconds = 1000
    found = await written(border)
    assert type(found) is Unclear
    assert patches(border) == 1
    assert clock.monotonic() <= 60


# What follows the operation


ODD_POLLS: dict[str, object] = {
    "an error": Said(ERROR),
    "500": Said(ERROR, 500),
    "404": Said(ERROR, 404),
    "403": Said(ERROR, 403),
    "nested": Said(DEEP),
    "a page": Said(b"<html>"),
    "null": Said(None),
    "a list": Said([]),
    "no status": Said({"id": "x"}),
    "a status that is a list": Said({"status": []}),
    "a status nobody knows": Said({"status": "Dreaming"}),
    "failed": Said({"status": "Failed", "error": {"code": "Broken", "message": "Sorry."}}),
    "cut": ServiceResponseError("disconnected"),
}
WAITS = ["9" * 400, "9" * 5000, "Wed, 01 May 2999 00:00:00 GMT", "-1", "soon", "nan"]


@pytest.mark.parametrize("accepted", [BY_STATUS, BY_LOCATION], ids=["status", "location"])
@pytest.mark.parametrize("poll", ODD_POLLS.values(), ids=ODD_POLLS)
async def test_whatever_an_operation_says_it_was_accepted_and_is_followed_for_two_minutes(
    border: Border, clock: VirtualClock, accepted: Said, poll: object
) -> None:
    found = await written(border, accepted, *[poll] * 1000)
    # A result has no status: where it is asked for, only whether it is there counts.
    assert isinstance(found, Unfinished) or (found is None and accepted is BY_LOCATION)
    assert patches(border) == 1
    assert clock.monotonic() <= LONGEST


@pytest.mark.parametrize("value", WAITS, ids=["400 digits", "5,000 digits", *WAITS[2:]])
async def test_an_operation_that_is_to_be_looked_at_in_years_is_left_after_two_minutes(
    clock: VirtualClock, border: Border, value: str
) -> None:
    running = Said({"status": "InProgress"}, 200, {"Retry-After": value})
    accepted = Said(ACCOUNT, 202, {**BY_STATUS.headers, "Retry-After": value})
    found = await written(border, accepted, *[running] * 1000)
    assert isinstance(found, Unfinished)
    assert clock.monotonic() <= LONGEST


async def test_a_failed_operation_says_why(border: Border) -> None:
    found = await written(border, BY_STATUS, ODD_POLLS["failed"])
    assert isinstance(found, Unfinished)
    assert found.code == "Broken"
    assert found.message == "Sorry."


@pytest.mark.parametrize(
    ("accepted", "running"),
    [(BY_STATUS, Said({"status": "Running"})), (BY_LOCATION, Said(b"", 202))],
    ids=["status", "location"],
)
@pytest.mark.parametrize(("times", "is_done"), [(36, True), (42, False)])
async def test_an_operation_that_runs_on_is_left_after_two_minutes(
    border: Border, clock: VirtualClock, accepted: Said, running: Said, times: int, *, is_done: bool
) -> None:
    found = await written(border, accepted, *[running] * times)
    assert (found is None) is is_done
    assert is_done or clock.monotonic() == LONGEST
    assert is_done or "still running after 120 s" in str(found)
