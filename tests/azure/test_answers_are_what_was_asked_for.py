"""An answer is believed only if it is what was asked for.

The truth protects an account; the answer that should say so is bent. The judge is the server: what
was written, and what the truth was then. Each check by itself, over every odd value at every place,
is tested in tests/unit/border/test_answers.py: here, that nothing of the SDKs and of the transport
comes before it, and what a sweep makes of it.
"""

import gzip
import json
import zlib
from dataclasses import replace
from typing import Any

import pytest

from local_azure import PatchForm
from local_azure.exchange import Answer
from shared.core.model import Result
from tests.support.bent_answers import (
    DEEP,
    ERROR,
    LISTING,
    Bend,
    accounts_of,
    bend_queries,
    changed,
    completed,
    gaps,
    put,
    says,
    turned_off,
    two_subscriptions,
    with_header,
    without,
)
from tests.support.contoso import TAG, adrift
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve

# An account, and the levels above it


@pytest.mark.parametrize("bend", [says(ERROR), says(b'{"id": NaN}')], ids=["an error", "no JSON"])
async def test_an_account_that_is_none_is_never_patched(serve: Serve, bend: Bend) -> None:
    azure = serve(adrift("bot", "neighbour"))
    # Resource Graph has not seen it yet.
    azure.tenant.tag("bot", {TAG: "CHG0042"})
    azure.faults.on(method="GET", path="*/accounts/bot", times=None).bend(bend)

    swept = await sweep(azure)

    assert turned_off(azure) == {"neighbour"}
    assert swept.results["bot"] == Result.FAILED
    assert not swept.whole


async def test_an_answer_that_is_none_is_asked_for_again(serve: Serve) -> None:
    azure = serve(adrift("bot"))
    azure.tenant.tag("bot", {TAG: "CHG0042"})
    azure.faults.on(method="GET", path="*/accounts/bot", times=2).bend(says(ERROR))

    swept = await sweep(azure)

    assert swept.results == {"bot": Result.NOW_EXEMPT}
    assert azure.writes == ()


async def test_an_account_that_reads_back_as_none_is_never_disabled(serve: Serve) -> None:
    azure = serve(adrift("bot"))
    fault = azure.faults.on(method="GET", path="*/accounts/bot", skip=1, times=None)
    fault.bend(without("properties"))

    swept = await sweep(azure)

    assert len(azure.writes) == 1
    assert swept.results == {"bot": Result.UNVERIFIED}


async def test_a_level_above_that_is_none_holds_the_account(serve: Serve) -> None:
    azure = serve(adrift("bot"))
    home = azure.tenant.subscription("contoso-prod").scope
    azure.faults.on(method="GET", path=home, times=None).bend(put("tags", None))

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    assert azure.writes == ()
    assert swept.results == {"bot": Result.NOW_HELD}


# Lists


LISTS: dict[str, tuple[str, Bend, str]] = {
    "accounts": ("*/accounts", says(ERROR), "subscription"),
    "a row": ("*/accounts", changed(lambda body: body["value"][0].pop("kind")), "account"),
}


@pytest.mark.parametrize("place", LISTS)
async def test_a_list_of_arms_that_is_none_is_a_gap(serve: Serve, place: str) -> None:
    path, bend, kind = LISTS[place]
    azure = serve(adrift("bot", hidden=True))
    azure.faults.on(path=path, times=None).bend(bend)

    swept = await sweep(azure, SWEEP_MANAGEMENT_GROUPS="contoso")

    assert [found for found, _ in gaps(swept)] == [kind]
    assert azure.writes == ()


async def test_a_row_of_another_subscription_in_resource_graphs_list_is_not_acted_on(
    serve: Serve,
) -> None:
    azure = serve(two_subscriptions())
    one, two = (azure.tenant.subscription(name).id for name in ("one", "two"))

    def elsewhere(body: dict[str, Any]) -> None:
        body["data"][0]["id"] = body["data"][0]["id"].replace(one, two)

    bend_queries(azure, LISTING, changed(elsewhere))

    swept = await sweep(azure, SWEEP_EXCLUDE_SUBSCRIPTIONS=two)

    assert turned_off(azure) == {"bot-one"}
    assert "nobody asked about" in completed(swept)["resourceGraph"]


async def test_whatever_the_change_log_says_the_keys_go_off(serve: Serve) -> None:
    azure = serve(adrift("bot"))
    bend_queries(azure, b"resourcechanges", says(DEEP))

    assert (await sweep(azure)).results == {"bot": Result.DISABLED}


# Texts, numbers, nesting and size


@pytest.mark.parametrize(
    "text",
    ["\ud800", "\x00", "x" * 100_000],
    ids=["half a letter", "NUL", "long"],
)
async def test_whatever_text_stands_in_an_answer_it_ends_no_sweep_and_is_told(
    serve: Serve, text: str
) -> None:
    azure = serve(adrift("bot", "neighbour", hidden=True))

    def odd(answer: Answer) -> Answer:
        row = answer.body["value"][0]
        row["tags"] = {text: text, TAG: text}
        row["location"] = row["systemData"]["lastModifiedBy"] = text
        # Escaped: half a letter can't be sent otherwise.
        return replace(answer, body=json.dumps(answer.body).encode())

    azure.faults.on(path=accounts_of(azure), times=None).bend(odd)

    swept = await sweep(azure)

    assert swept.whole
    assert completed(swept)["accounts"] == 2
    assert len(azure.writes) == 1


@pytest.mark.parametrize("kind", ["", "application/json; charset=utf-16"])
async def test_the_content_type_of_an_answer_makes_no_difference(serve: Serve, kind: str) -> None:
    azure = serve(adrift("bot"))
    azure.faults.on(host="arm", times=None).bend(with_header("Content-Type", kind))

    assert (await sweep(azure)).results == {"bot": Result.DISABLED}


def packed(body: bytes, encoding: str = "gzip") -> Bend:
    return lambda answer: replace(answer, body=body).with_header("Content-Encoding", encoding)


UNFOLDING = gzip.compress(b'{"value":[],"padding":"' + b"x" * (64 * 1024 * 1024) + b'"}')


@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(packed(UNFOLDING), id="longer than the ceiling"),
        pytest.param(packed(zlib.compress(b"{}")[1:]), id="no gzip"),
        pytest.param(packed(b"{}", "br"), id="unknown"),
    ],
)
async def test_an_answer_that_can_not_be_unpacked_is_none(serve: Serve, bend: Bend) -> None:
    azure = serve(adrift("bot", hidden=True))
    azure.faults.on(path=accounts_of(azure), times=None).bend(bend)

    assert gaps(await sweep(azure)) == {("subscription", *azure.tenant.subscriptions)}


async def test_an_ordinary_answer_may_be_packed(serve: Serve) -> None:
    azure = serve(adrift("bot"))
    azure.faults.on(method="GET", path="*/accounts/bot", times=None).bend(
        lambda answer: packed(gzip.compress(json.dumps(answer.body).encode()))(answer)
    )

    assert (await sweep(azure)).results == {"bot": Result.DISABLED}


async def test_a_refusal_that_is_nested_too_deeply_ends_no_sweep(serve: Serve) -> None:
    azure = serve(adrift("bot"))
    azure.faults.on(method="PATCH", times=None).bend(
        lambda answer: replace(answer, status=400, body=DEEP)
    )

    completed(await sweep(azure, SWEEP_BUDGET_SECONDS="300"))


# What follows a PATCH


@pytest.mark.parametrize("path", ["*/accounts/bot", "*/operationresults/*"])
async def test_whatever_answers_a_patch_or_its_operation_the_read_back_says_what_came_of_it(
    serve: Serve, path: str
) -> None:
    azure = serve(adrift("bot", patch=PatchForm.BOTH))
    method = "PATCH" if path.endswith("bot") else "GET"
    bent = azure.faults.on(method=method, path=path).bend(says(ERROR))

    swept = await sweep(azure)

    assert bent.hits
    assert len(azure.writes) == 1
    assert swept.results == {"bot": Result.DISABLED}
