"""The platform's change log: who turned keys on or off, patch wars, and what a killed sweep did."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from local_azure import ABSENT, LocalAzure, PatchForm, SeenRequest, Tenant
from local_azure.clock import START
from local_azure.state.account import Flag
from shared.core.model import Result
from tests.support.bent_answers import bend_queries, changed
from tests.support.real_sweeps import Swept, process, sweep, tick

type Serve = Callable[..., LocalAzure]

QUARTER = timedelta(minutes=15)
ANN = "ann@contoso.com"


def bot(*, local_auth: Flag, **more: Any) -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=local_auth, **more)
    return tenant


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
    return [(each["turned"], each["changedBy"]) for each in swept.events("KeyAccessChanged")]


async def test_a_drift_names_who_turned_its_keys_on_with_what_and_when(serve: Serve) -> None:
    tenant = bot(local_auth=False)
    tenant.enable_keys("bot", at=ago(minutes=50))
    azure = serve(tenant)

    drift = only(await sweep(azure), "DriftFound")

    assert (drift["changedBy"], drift["changedByType"]) == (ANN, "User")
    assert (drift["client"], drift["attribution"]) == ("Azure Portal", "changeLog")
    assert datetime.fromisoformat(drift["changedAt"]) == ago(minutes=50)
    assert drift["flips"] == 1


async def test_an_application_is_named_by_its_id(serve: Serve) -> None:
    tenant = bot(local_auth=False)
    pipeline = tenant.add_principal("terraform")
    tenant.enable_keys("bot", by=pipeline, at=ago(hours=2))
    azure = serve(tenant)

    drift = only(await sweep(azure), "DriftFound")

    assert (drift["changedBy"], drift["changedByType"]) == (pipeline.client_id, "Application")


async def test_a_later_change_of_something_else_does_not_take_the_blame(serve: Serve) -> None:
    tenant = bot(local_auth=False)
    tenant.enable_keys("bot", at=ago(hours=3))
    tenant.tag("bot", {"team": "x"}, by=tenant.add_principal("tagger"), at=ago(hours=1))
    azure = serve(tenant)

    assert only(await sweep(azure), "DriftFound")["changedBy"] == ANN


async def test_an_account_that_was_created_with_keys_names_its_creator(serve: Serve) -> None:
    azure = serve(Tenant.with_one_subscription())
    azure.tenant.add_account("bot", created_by=azure.tenant.add_principal("bicep"))
    azure.clock.advance(300)

    drift = only(await sweep(azure), "DriftFound")

    bicep = azure.tenant.add_principal("bicep").client_id
    assert (drift["changedBy"], drift["attribution"]) == (bicep, "changeLog")
    assert datetime.fromisoformat(drift["changedAt"]) == START
    assert drift["flips"] == 0, "a creation is no flip"


async def test_a_creation_is_no_change_of_keys(serve: Serve) -> None:
    azure = serve(Tenant.with_one_subscription())
    azure.tenant.add_account("bot", local_auth=True)
    azure.clock.advance(300)

    assert turns(await sweep(azure, "audit")) == []


async def test_without_a_word_in_the_change_log_the_last_change_is_named_and_called_weaker(
    serve: Serve,
) -> None:
    # Turned on longer ago than the change log goes back; only ARM's own listing says by whom.
    tenant = bot(local_auth=False)
    tenant.subscription("contoso-prod").hidden_from_graph = True
    tenant.enable_keys("bot", at=ago(days=20))
    azure = serve(tenant)

    drift = only(await sweep(azure), "DriftFound")

    assert (drift["changedBy"], drift["attribution"]) == (ANN, "lastModified")
    assert drift["changedByType"] == drift["client"] == ""
    assert datetime.fromisoformat(drift["changedAt"]).replace(microsecond=0) == ago(days=20)


async def test_what_nobody_knows_is_unknown(serve: Serve) -> None:
    tenant = bot(local_auth=True)
    azure = serve(tenant)

    drift = only(await sweep(azure), "DriftFound")

    assert (drift["changedBy"], drift["attribution"]) == ("", "unknown")
    assert "changedAt" not in drift


async def test_changes_older_than_fourteen_days_are_not_read(serve: Serve) -> None:
    tenant = bot(local_auth=False)
    for day in (20, 19, 18):
        tenant.enable_keys("bot", at=ago(days=day, hours=1))
        tenant.disable_keys("bot", at=ago(days=day))
    tenant.enable_keys("bot", at=ago(days=13))
    azure = serve(tenant)

    swept = await sweep(azure)

    assert only(swept, "DriftFound")["flips"] == 1
    assert swept.events("PatchWar") == []


async def test_key_changes_are_told_whoever_made_them_and_whether_or_not_we_swept_meanwhile(
    serve: Serve,
) -> None:
    tenant = bot(local_auth=False)
    other = tenant.add_principal("pipeline")
    tenant.enable_keys("bot", at=ago(minutes=40))
    tenant.disable_keys("bot", by=other, at=ago(minutes=20))
    azure = serve(tenant)

    swept = await sweep(azure, "audit")

    assert turns(swept) == [("on", ANN), ("off", other.client_id)]
    assert {each["ours"] for each in swept.events("KeyAccessChanged")} == {"false"}
    assert swept.events("DriftFound") == []
    assert swept.whole


async def test_key_changes_are_told_since_the_last_tick_less_an_hour(serve: Serve) -> None:
    tenant = bot(local_auth=False)
    last = ago(hours=3)
    tenant.enable_keys("bot", at=last - timedelta(minutes=61))
    tenant.disable_keys("bot", at=last - timedelta(minutes=59))
    tenant.enable_keys("bot", at=last + timedelta(minutes=1))
    azure = serve(tenant)

    told = [each["turned"] for each in (await sweep_after(azure, last)).events("KeyAccessChanged")]

    assert told == ["off", "on"]


async def test_what_changed_while_the_log_could_not_be_read_is_told_within_the_hour(
    serve: Serve,
) -> None:
    azure = serve(bot(local_auth=False))

    async with process(azure) as same:
        await tick(same, azure.now() - QUARTER)
        azure.tenant.enable_keys("bot")
        azure.tenant.disable_keys("bot")
        azure.faults.on(action="Microsoft.ResourceGraph/resources/read", times=None).answer(503)
        for _ in range(3):
            azure.clock.advance(QUARTER)
            unread = await tick(same, azure.now() - QUARTER)
            assert unread.events("KeyAccessChanged") == []
        azure.faults.clear()
        azure.clock.advance(QUARTER)
        told = await tick(same, azure.now() - QUARTER)

    assert [each["turned"] for each in told.events("KeyAccessChanged")] == ["on", "off"]


async def test_a_host_that_never_fired_before_hears_of_a_day(serve: Serve) -> None:
    tenant = bot(local_auth=False)
    tenant.enable_keys("bot", at=ago(hours=26))
    tenant.disable_keys("bot", at=ago(hours=24))
    azure = serve(tenant)

    never = datetime(1, 1, 1)  # noqa: DTZ001 - as the host says it
    for last in (None, never):
        told = (await sweep_after(azure, last)).events("KeyAccessChanged")
        assert [each["turned"] for each in told] == ["off"]


async def test_a_record_that_lacks_what_we_need_is_counted_and_the_others_are_told(
    serve: Serve,
) -> None:
    tenant = bot(local_auth=False)
    tenant.enable_keys("bot", at=ago(minutes=30))
    tenant.disable_keys("bot", at=ago(minutes=20))
    azure = serve(tenant)

    def spoil(body: dict[str, Any]) -> None:
        first, second = body["data"]
        first["at"], second["changedBy"] = "yesterday", None

    bend_queries(azure, b"resourcechanges", changed(spoil))

    swept = await sweep_after(azure, START - QUARTER)

    told = only(swept, "KeyAccessChanged")
    assert (told["turned"] in {"on", "off"}, told["changedBy"]) == (True, "")
    assert only(swept, "SweepCompleted")["changeLog"] == "read, but for 1 row"


async def test_the_same_change_is_told_again_under_the_same_id(serve: Serve) -> None:
    tenant = bot(local_auth=False)
    tenant.enable_keys("bot", at=ago(minutes=30))
    azure = serve(tenant)

    async def told(last: datetime) -> set[str]:
        swept = await sweep_after(azure, last, "audit")
        return {each["changeId"] for each in swept.events("KeyAccessChanged")}

    first = await told(START - QUARTER)
    azure.clock.advance(QUARTER)
    second = await told(START)

    assert first == second
    assert len(first) == 1
    assert "/providers/Microsoft.Resources/changes/" in next(iter(first))


async def test_a_change_that_shows_late_is_told_when_it_shows(serve: Serve) -> None:
    azure = serve(bot(local_auth=False), changes_lag=300)
    azure.tenant.enable_keys("bot")
    azure.clock.advance(120)

    first = await sweep_after(azure, START - QUARTER, "audit")
    azure.clock.advance(QUARTER)
    second = await sweep_after(azure, START + timedelta(seconds=120), "audit")

    assert (turns(first), turns(second)) == ([], [("on", ANN)])


@pytest.mark.parametrize("by_object_id", [False, True], ids=["application id", "object id"])
async def test_our_own_identity_is_told_apart_by_either_of_its_ids(
    serve: Serve,
    by_object_id: bool,  # noqa: FBT001 - parametrized
) -> None:
    tenant = bot(local_auth=True, patch=PatchForm.OK_200)
    tenant.changed_by_object_id = by_object_id
    azure = serve(tenant)
    await sweep(azure)
    azure.clock.advance(QUARTER)

    change = only(await sweep_after(azure, START), "KeyAccessChanged")

    assert (change["turned"], change["ours"]) == ("off", "true")
    ids = (azure.tenant.function.client_id, azure.tenant.function.object_id)
    assert change["changedBy"] == ids[by_object_id]


@pytest.mark.parametrize("by_object_id", [False, True], ids=["application id", "object id"])
async def test_three_flips_are_a_patch_war_and_both_sides_are_named(
    serve: Serve,
    by_object_id: bool,  # noqa: FBT001 - parametrized
) -> None:
    tenant = bot(local_auth=False)
    tenant.changed_by_object_id = by_object_id
    terraform = tenant.add_principal("terraform")
    azure = serve(tenant)

    for _ in range(2):
        azure.tenant.enable_keys("bot", by=terraform)
        azure.clock.advance(QUARTER)
        await sweep(azure)
        azure.clock.advance(QUARTER)
    swept = await sweep(azure)

    war = only(swept, "PatchWar")
    ids = {True: "object_id", False: "client_id"}[by_object_id]
    assert war["flips"] == 4
    assert war["turnedOnBy"] == getattr(terraform, ids)
    assert war["turnedOffBy"] == getattr(azure.tenant.function, ids)
    assert (war["turnedOnByType"], war["ours"]) == ("Application", "true")
    assert war["turnedOnAt"] < war["turnedOffAt"]


async def test_a_war_of_others_is_told_as_theirs(serve: Serve) -> None:
    tenant = bot(local_auth=False)
    policy = tenant.add_principal("policy")
    tenant.enable_keys("bot", at=ago(hours=3))
    tenant.disable_keys("bot", by=policy, at=ago(hours=2))
    tenant.enable_keys("bot", at=ago(hours=1))
    azure = serve(tenant)

    war = only(await sweep(azure, "audit"), "PatchWar")

    assert (war["turnedOnBy"], war["turnedOffBy"]) == (ANN, policy.client_id)
    assert (war["flips"], war["ours"]) == (3, "false")


async def test_two_flips_are_no_war(serve: Serve) -> None:
    tenant = bot(local_auth=False)
    tenant.enable_keys("bot", at=ago(hours=3))
    tenant.disable_keys("bot", at=ago(hours=2))
    azure = serve(tenant)

    swept = await sweep(azure, "audit")

    assert swept.events("PatchWar") == []
    assert len(swept.events("KeyAccessChanged")) == 2


@pytest.mark.parametrize(
    ("flag", "form"),
    [
        (True, PatchForm.OK_200),
        (True, PatchForm.BOTH),
        (ABSENT, PatchForm.OK_200),
        (ABSENT, PatchForm.BOTH),
        (None, PatchForm.BOTH),
    ],
    ids=["false", "false, async", "absent", "absent, async", "null, async"],
)
async def test_what_a_killed_sweep_changed_is_told_by_the_next_that_the_change_log_shows_it_to(
    serve: Serve, flag: Flag, form: PatchForm
) -> None:
    azure = serve(bot(local_auth=flag, patch=form))
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

    told = [each for each in swept.events("KeyAccessChanged") if each["ours"] == "true"]
    assert [(each["accountName"], each["turned"]) for each in told] == [("bot", "off")]
    assert datetime.fromisoformat(told[0]["changedAt"]) == write.at
    assert (len(azure.writes), swept.results) == (1, {})


async def test_our_own_enabling_is_never_made_of_a_change_that_lists_no_flag(
    serve: Serve,
) -> None:
    # Somebody else's update that lists no change of the flag says nothing about keys.
    tenant = bot(local_auth=False)
    tenant.tag("bot", {"team": "x"}, at=ago(minutes=20))
    azure = serve(tenant)

    assert turns(await sweep(azure)) == []


@pytest.mark.parametrize(
    "strike",
    [
        lambda fault: fault.answer(500),
        lambda fault: fault.answer(403, {"error": {"code": "AccessDenied", "message": "No."}}),
        lambda fault: fault.cut(),
        lambda fault: fault.hang(),
        lambda fault: fault.answer(429, None, {"Retry-After": "7200"}),
        lambda fault: fault.answer(200, {"totalRecords": 0, "data": "none"}),
    ],
    ids=["500", "403", "cut", "hang", "429 for two hours", "not rows"],
)
async def test_a_change_log_that_can_not_be_read_is_said_and_fails_nothing(
    serve: Serve, strike: Callable[[Any], Any]
) -> None:
    azure = serve(bot(local_auth=True, patch=PatchForm.OK_200))
    # The fifth query; the four before it are discovery's.
    strike(azure.faults.on(path="*/microsoft.resourcegraph/resources", skip=4, times=None))

    swept = await sweep(azure)

    assert swept.whole
    assert swept.results == {"bot": Result.DISABLED}
    assert only(swept, "SweepCompleted")["changeLog"] not in {"", "read"}
    assert only(swept, "DriftFound")["attribution"] == "unknown"


async def test_a_change_log_that_was_read_is_said_too(serve: Serve) -> None:
    azure = serve(bot(local_auth=True, patch=PatchForm.OK_200))

    assert only(await sweep(azure), "SweepCompleted")["changeLog"] == "read"
