"""A rotating 1/96 of the subscriptions is read from ARM too; where the two disagree, ARM counts.

Whose turn it is, and what both sources together say, is tested in tests/unit/steps, by
test_cross_check.py and test_discovery.py: here, what the real Resource Graph's lag does.
"""

import zlib
from datetime import timedelta

import pytest

from local_azure import MovedClock, PatchForm, Tenant
from local_azure.clock import START
from shared.core.model import Result
from tests.support.bent_answers import completed, only
from tests.support.contoso import adrift
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve

QUARTER = timedelta(minutes=15)
FOREVER = 10**6
"""Seconds of lag after which Resource Graph has lost the news for good."""


def off() -> Tenant:
    tenant = adrift()
    tenant.add_account("bot", local_auth=False, patch=PatchForm.OK_200, stale_reads=0)
    return tenant


def starting_at_its_turn() -> MovedClock:
    """Return a clock that starts with the turn of the subscription of `off()`."""
    (subscription_id,) = off().subscriptions
    turn = zlib.crc32(subscription_id.encode()) % 96
    return MovedClock(START + QUARTER * ((turn - int(START.timestamp()) // 900) % 96))


async def test_what_arm_says_counts_and_is_acted_on_and_the_disagreement_is_told(
    serve: Serve,
) -> None:
    azure = serve(off(), clock=starting_at_its_turn(), graph_lag=FOREVER)
    azure.tenant.enable_keys("bot")
    azure.clock.advance(timedelta(minutes=12))

    swept = await sweep(azure)

    assert swept.whole
    assert swept.results == {"bot": Result.DISABLED}
    event = only(swept, "SourcesDisagree")
    assert event["accountId"] == azure.tenant.account("bot").id.lower()
    assert event["graphSays"] == "off, or absent"
    assert event["armSays"] == "on"


@pytest.mark.parametrize("tags", [{}, {"local-auth-exempt": "no"}], ids=["untagged", "tagged"])
async def test_keys_that_resource_graph_still_calls_on_are_a_disagreement_too(
    serve: Serve, tags: dict[str, str | None]
) -> None:
    tenant = adrift("bot")
    azure = serve(tenant, clock=starting_at_its_turn(), graph_lag=FOREVER)
    tenant.tag("bot", tags)
    tenant.disable_keys("bot")
    azure.clock.advance(timedelta(minutes=12))

    swept = await sweep(azure)

    assert only(swept, "SourcesDisagree")["armSays"] == "off"
    assert completed(swept)["compliant"] == 1
    assert swept.results == {}


@pytest.mark.xfail(
    strict=True,
    reason="cross_check keeps what Resource Graph alone lists, and can't tell how long it is gone",
)
async def test_an_account_that_only_resource_graph_still_lists_is_one_as_well(
    serve: Serve,
) -> None:
    azure = serve(adrift("bot"), clock=starting_at_its_turn(), graph_lag=FOREVER)
    azure.tenant.delete("bot")
    azure.clock.advance(timedelta(minutes=12))

    assert len((await sweep(azure)).events("SourcesDisagree")) == 1
