"""The platform's change log: who turned keys on or off, since when, and what a killed sweep did.

tests/unit has what is made of it; here is what Resource Graph and ARM show of it.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from local_azure import ABSENT, LocalAzure, PatchForm, SeenRequest, Tenant
from local_azure.clock import START
from local_azure.state.account import Flag
from local_azure.state.changes import FirstValues
from shared.core.model import Result
from tests.support.contoso import GRAPH, adrift
from tests.support.real_sweeps import Swept, process, sweep, tick
from tests.support.serving import Serve

QUARTER = timedelta(minutes=15)
ANN = "ann@contoso.com"
FORMS: list[FirstValues] = ["unlisted", "null", "text"]


def ago(**span: float) -> datetime:
    return START - timedelta(**span)


def only(swept: Swept, name: str) -> dict[str, Any]:
    (event,) = swept.events(name)
    return event


async def sweep_after(azure: LocalAzure, last: datetime | None, mode: str = "enforce") -> Swept:
    """Sweep as the timer does that last fired at this moment."""
    async with process(azure, mode) as fresh:
        return await tick(fresh, last)


def turns(swept: Swept) -> list[tuple[str, str]]:
    return [(event["turned"], event["changedBy"]) for event in swept.events("KeyAccessChanged")]


async def test_a_drift_names_who_turned_its_keys_on_with_what_and_when(serve: Serve) -> None:
    tenant = adrift(local_auth=False)
    for day in (20, 19, 18):
        # Older than the 14 days that are asked for.
        tenant.enable_keys("bot", at=ago(days=day, hours=1))
        tenant.disable_keys("bot", at=ago(days=day))
    tenant.enable_keys("bot", at=ago(minutes=50))
    tenant.tag("bot", {"team": "x"}, by=tenant.add_principal("tagger"), at=ago(minutes=20))

    drift = only(await sweep(serve(tenant)), "DriftFound")

    assert drift["changedBy"] == ANN
    assert drift["changedByType"] == "User"
    assert drift["client"] == "Azure Portal"
    assert drift["attribution"] == "changeLog"
    assert datetime.fromisoformat(drift["changedAt"]) == ago(minutes=50)
    assert drift["flips"] == 1
    assert drift["openSinceKnown"] == "exactly"


async def test_an_account_that_was_created_with_keys_names_its_creator_and_is_no_change_of_keys(
    serve: Serve,
) -> None:
    azure = serve(Tenant.with_one_subscription())
    bicep = azure.tenant.add_principal("bicep")
    azure.tenant.add_account("bot", created_by=bicep)
    azure.clock.advance(300)

    swept = await sweep(azure)

    drift = only(swept, "DriftFound")
    assert drift["changedBy"] == bicep.client_id
    assert drift["changedByType"] == "Application"
    assert datetime.fromisoformat(drift["changedAt"]) == START
    assert drift["flips"] == 0
    assert turns(swept) == []


async def test_what_arm_alone_shows_is_its_last_change_and_is_called_weaker(serve: Serve) -> None:
    tenant = adrift(local_auth=False, hidden=True)
    tenant.enable_keys("bot", at=ago(days=20))

    drift = only(await sweep(serve(tenant)), "DriftFound")

    assert drift["changedBy"] == ANN
    assert drift["attribution"] == "lastModified"
    assert drift["openSinceKnown"] == "atLeast"
    assert drift["openHours"] == pytest.approx(20 * 24, abs=0.1)


async def test_a_change_that_shows_late_is_told_when_it_shows_each_time_under_the_same_id(
    serve: Serve,
) -> None:
    azure = serve(adrift(local_auth=False), changes_lag=300)
    azure.tenant.enable_keys("bot")
    azure.clock.advance(120)
    first = await sweep_after(azure, START - QUARTER, "audit")
    assert turns(first) == []

    events = []
    for _ in range(2):
        last = azure.now()
        azure.clock.advance(QUARTER)
        events += (await sweep_after(azure, last, "audit")).events("KeyAccessChanged")

    assert [event["changedBy"] for event in events] == [ANN, ANN]
    (change,) = {event["changeId"] for event in events}
    assert "/providers/Microsoft.Resources/changes/" in change


@pytest.mark.parametrize("by", ["client_id", "object_id"])
async def test_a_patch_war_names_both_sides_by_either_of_their_ids(serve: Serve, by: str) -> None:
    tenant = adrift(local_auth=False)
    tenant.changed_by_object_id = by == "object_id"
    terraform = tenant.add_principal("terraform")
    azure = serve(tenant)

    for _ in range(2):
        azure.tenant.enable_keys("bot", by=terraform)
        azure.clock.advance(QUARTER)
        await sweep(azure)
        azure.clock.advance(QUARTER)
    swept = await sweep(azure)

    war = only(swept, "PatchWar")
    assert war["flips"] == 4
    assert war["turnedOnBy"] == getattr(terraform, by)
    assert war["turnedOffBy"] == getattr(azure.tenant.function, by)
    assert war["ours"] == "true"


@pytest.mark.parametrize(
    ("flag", "form", "first_values"),
    [
        (True, PatchForm.OK_200, "unlisted"),
        (True, PatchForm.BOTH, "unlisted"),
        (ABSENT, PatchForm.OK_200, "unlisted"),
        (ABSENT, PatchForm.BOTH, "null"),
        (None, PatchForm.BOTH, "text"),
    ],
)
async def test_what_a_killed_sweep_changed_is_told_by_the_next_that_the_change_log_shows_it_to(
    serve: Serve, flag: Flag, form: PatchForm, first_values: FirstValues
) -> None:
    tenant = adrift(local_auth=flag, patch=form)
    tenant.first_values = first_values
    azure = serve(tenant)
    loop = asyncio.get_running_loop()

    async with process(azure) as killed:
        running = asyncio.ensure_future(tick(killed))

        def kill(_: SeenRequest) -> None:
            if azure.writes:
                loop.call_soon_threadsafe(running.cancel)

        remove = azure.before(kill)
        with pytest.raises(asyncio.CancelledError):
            await running
        remove()
    (write,) = azure.writes
    azure.clock.advance(QUARTER)

    swept = await sweep_after(azure, START)

    change = only(swept, "KeyAccessChanged")
    assert change["turned"] == "off"
    assert change["ours"] == "true"
    assert datetime.fromisoformat(change["changedAt"]) == write.at
    assert len(azure.writes) == 1


@pytest.mark.parametrize("first_values", FORMS)
async def test_a_flag_that_appears_for_the_first_time_is_read_for_what_it_says(
    serve: Serve, first_values: FirstValues
) -> None:
    """Nobody showed which of the forms Azure uses: listed with null, with "null", or not at all."""
    tenant = adrift("off", "on", "tagged", local_auth=ABSENT)
    tenant.first_values = first_values
    tenant.disable_keys("off", at=ago(minutes=40))
    tenant.enable_keys("on", at=ago(minutes=40))
    tenant.tag("tagged", {"cost": "4711"}, at=ago(minutes=40))

    swept = await sweep(serve(tenant), "audit")

    turned = {event["accountName"]: event["turned"] for event in swept.events("KeyAccessChanged")}
    assert turned == ({} if first_values == "unlisted" else {"off": "off"})


@pytest.mark.parametrize(
    "strike",
    [
        lambda fault: fault.hang(),
        lambda fault: fault.answer(429, None, {"Retry-After": "7200"}),
    ],
    ids=["hang", "429 for two hours"],
)
async def test_a_change_log_that_can_not_be_read_is_said_and_fails_nothing(
    serve: Serve, strike: Callable[[Any], Any]
) -> None:
    azure = serve(adrift())
    # The fifth query; the four before it are discovery's.
    strike(azure.faults.on(path=GRAPH, skip=4, times=None))

    swept = await sweep(azure)

    assert swept.whole
    assert swept.results == {"bot": Result.DISABLED}
    assert only(swept, "SweepCompleted")["changeLog"] not in {"", "read"}
    assert only(swept, "DriftFound")["openSinceKnown"] == "unknown"
