"""A rotating 1/96 of the subscriptions is read from ARM too; where the two disagree, ARM counts."""

import zlib
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from local_azure import LocalAzure, MovedClock, PatchForm, Tenant
from local_azure.clock import START
from shared.core.model import Result
from shared.core.schedule import Schedule
from shared.steps.cross_check import TURNS
from tests.support.real_sweeps import Swept, process, sweep, tick

type Serve = Callable[..., LocalAzure]

QUARTER = timedelta(minutes=15)
LISTS = "/providers/microsoft.cognitiveservices/accounts"
FOREVER = 10**6
SUBSCRIPTIONS = 30


def tenant_of(subscriptions: int) -> Tenant:
    tenant = Tenant()
    tenant.add_management_group("contoso")
    tenant.assign_function("/providers/Microsoft.Management/managementGroups/contoso")
    for number in range(subscriptions):
        tenant.add_subscription(f"contoso-{number}", parent="contoso")
    return tenant


def listed(azure: LocalAzure, since: int = 0) -> list[str]:
    return [
        each.path.split("/")[2].lower()
        for each in azure.operations[since:]
        if each.path.lower().endswith(LISTS)
    ]


async def test_within_a_day_of_sweeps_each_is_read_directly_once_and_a_few_at_a_time(
    serve: Serve,
) -> None:
    azure = serve(tenant_of(SUBSCRIPTIONS))
    rounds = []

    async with process(azure, "audit", SWEEP_MANAGEMENT_GROUPS="contoso") as same:
        for _ in range(96):
            before = len(azure.operations)
            swept = await tick(same)
            rounds.append(len(listed(azure, before)))
            (completed,) = swept.events("SweepCompleted")
            assert completed["subscriptionsRead"] == SUBSCRIPTIONS
            assert completed["subscriptionsReadDirectly"] == rounds[-1]
            azure.clock.advance(QUARTER - timedelta(seconds=azure.clock.monotonic() % 900))

    seen = Counter(listed(azure))
    assert set(seen) == set(azure.tenant.subscriptions)
    assert set(seen.values()) == {1}
    assert max(rounds) <= 4, "a share, not a burst"


def bot(*, keys_on: bool = True) -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=keys_on, patch=PatchForm.OK_200, stale_reads=0)
    return tenant


def starting_at_its_turn() -> MovedClock:
    """Return a clock that starts with the turn of the subscription of `bot()`."""
    (subscription_id,) = bot().subscriptions
    turn = zlib.crc32(subscription_id.encode()) % 96
    return MovedClock(START + QUARTER * ((turn - int(START.timestamp()) // 900) % 96))


def disagreements(swept: Swept) -> list[tuple[str, str, str]]:
    return [
        (each["accountName"], each["graphSays"], each["armSays"])
        for each in swept.events("SourcesDisagree")
    ]


@pytest.mark.parametrize("keys_on", [True, False])
async def test_sources_that_agree_are_not_talked_about(serve: Serve, *, keys_on: bool) -> None:
    azure = serve(bot(keys_on=keys_on), clock=starting_at_its_turn())

    swept = await sweep(azure)

    assert listed(azure), "not its turn: this proves nothing"
    assert disagreements(swept) == []
    (completed,) = swept.events("SweepCompleted")
    assert (completed["accounts"], completed["subscriptionsReadDirectly"]) == (1, 1)
    assert swept.results == ({"bot": Result.DISABLED} if keys_on else {})


@pytest.mark.parametrize(("minutes", "told"), [(0, False), (9, False), (12, True)])
async def test_only_what_is_older_than_resource_graphs_lag_is_a_disagreement(
    serve: Serve,
    minutes: int,
    told: bool,  # noqa: FBT001 - parametrized
) -> None:
    # Resource Graph has lost the news for good.
    azure = serve(bot(keys_on=False), clock=starting_at_its_turn(), graph_lag=FOREVER)
    azure.tenant.enable_keys("bot")
    azure.clock.advance(timedelta(minutes=minutes))

    swept = await sweep(azure)

    assert listed(azure), "not its turn: this proves nothing"
    assert disagreements(swept) == ([("bot", "off, or absent", "on")] if told else [])


async def test_what_arm_says_counts_and_is_acted_on(serve: Serve) -> None:
    azure = serve(bot(keys_on=False), clock=starting_at_its_turn(), graph_lag=FOREVER)
    azure.tenant.enable_keys("bot")
    azure.clock.advance(timedelta(minutes=12))

    swept = await sweep(azure)

    assert swept.results == {"bot": Result.DISABLED}
    assert not azure.tenant.account("bot").keys_on
    (event,) = swept.events("SourcesDisagree")
    assert (event["accountId"], event["armSays"]) == (azure.tenant.account("bot").id.lower(), "on")
    assert swept.whole, "what ARM says is what there is: nothing was left unread"


async def test_keys_that_resource_graph_still_calls_on_are_a_disagreement_too(
    serve: Serve,
) -> None:
    azure = serve(bot(), clock=starting_at_its_turn(), graph_lag=FOREVER)
    azure.tenant.tag("bot", {"local-auth-exempt": "no"})
    azure.tenant.disable_keys("bot")
    azure.clock.advance(timedelta(minutes=12))

    swept = await sweep(azure)

    assert disagreements(swept) == [("bot", "on", "off")]
    (completed,) = swept.events("SweepCompleted")
    assert (completed["compliant"], completed["drift"], swept.results) == (1, 0, {})


async def test_an_untagged_account_that_resource_graph_still_calls_on_is_one_as_well(
    serve: Serve,
) -> None:
    azure = serve(bot(), clock=starting_at_its_turn(), graph_lag=FOREVER)
    azure.tenant.disable_keys("bot")
    azure.clock.advance(timedelta(minutes=12))

    assert disagreements(await sweep(azure)) == [("bot", "on", "off")]


@pytest.mark.xfail(
    strict=True,
    reason="cross_check keeps what Resource Graph alone lists, and can't tell how long it is gone",
)
async def test_an_account_that_only_resource_graph_still_lists_is_one_as_well(
    serve: Serve,
) -> None:
    azure = serve(bot(), clock=starting_at_its_turn(), graph_lag=FOREVER)
    azure.tenant.delete("bot")
    azure.clock.advance(timedelta(minutes=12))

    assert len(disagreements(await sweep(azure))) == 1


async def test_an_account_that_resource_graph_never_showed_is_found_and_turned_off(
    serve: Serve,
) -> None:
    azure = serve(bot(keys_on=False), clock=starting_at_its_turn(), graph_lag=FOREVER)
    azure.tenant.add_account("unseen", local_auth=True, patch=PatchForm.OK_200)
    azure.clock.advance(timedelta(minutes=12))

    swept = await sweep(azure)

    assert swept.results == {"unseen": Result.DISABLED}
    assert disagreements(swept) == [("unseen", "off, or absent", "on")]
    (completed,) = swept.events("SweepCompleted")
    assert (completed["accounts"], completed["compliant"]) == (2, 1)


async def test_out_of_its_turn_a_subscription_is_read_once(serve: Serve) -> None:
    clock = starting_at_its_turn()
    clock.advance(QUARTER)
    azure = serve(bot(keys_on=False), clock=clock, graph_lag=FOREVER)
    azure.tenant.enable_keys("bot")
    azure.clock.advance(timedelta(minutes=12))

    swept = await sweep(azure)

    assert (listed(azure), disagreements(swept), swept.results) == ([], [], {})


async def test_a_second_look_that_fails_is_a_gap_and_what_resource_graph_saw_is_still_done(
    serve: Serve,
) -> None:
    azure = serve(bot(), clock=starting_at_its_turn())
    refused = {"error": {"code": "AuthorizationFailed", "message": "No."}}
    azure.faults.on(path=f"*{LISTS}", times=None).answer(403, refused)

    swept = await sweep(azure)

    (gap,) = swept.events("CoverageGap")
    assert (gap["gapKind"], gap["gapName"]) == ("subscription", *azure.tenant.subscriptions)
    assert swept.results == {"bot": Result.DISABLED}
    assert not swept.whole


async def test_both_looks_count_each_account_once(serve: Serve) -> None:
    tenant = bot()
    tenant.add_account("off", local_auth=False)
    tenant.add_account("exempt", local_auth=True, tags={"local-auth-exempt": "yes"})
    azure = serve(tenant, clock=starting_at_its_turn())

    swept = await sweep(azure, "audit")

    (completed,) = swept.events("SweepCompleted")
    counts = {name: completed[name] for name in ("accounts", "compliant", "exempt", "drift")}
    assert counts == {"accounts": 3, "compliant": 1, "exempt": 1, "drift": 1}
    assert len(swept.events("DriftFound")) == 1


async def test_a_second_look_that_arm_keeps_waiting_costs_the_sweep_nothing(serve: Serve) -> None:
    azure = serve(bot(), clock=starting_at_its_turn())
    azure.faults.on(path="*/providers/microsoft.cognitiveservices/accounts", times=None).answer(
        429, {"error": {"code": "TooManyRequests", "message": "Later."}}, {"Retry-After": "300"}
    )

    swept = await sweep(azure)

    assert listed(azure), "not its turn: this proves nothing"
    assert (swept.whole, swept.results) == (True, {"bot": Result.DISABLED})


@pytest.mark.parametrize(
    "text", ["0 */15 * * * *", "0 */15 8-17 * * 1-5", "0 0 9,10 * * *", "30 5 0 1 * *"]
)
def test_any_schedule_gives_each_subscription_its_turn_in_ninety_six_sweeps(text: str) -> None:
    schedule = Schedule.parse(text)
    moment: datetime | None = START
    turns = set()
    for _ in range(TURNS):
        assert moment is not None
        moment = schedule.next_after(moment)
        assert moment is not None
        turns.add(schedule.number(moment + timedelta(seconds=20)) % TURNS)

    assert turns == set(range(TURNS))
