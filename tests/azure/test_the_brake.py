"""More changes than the limit are held, trickled or released; ENFORCE_FROM gives notice."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from local_azure import LocalAzure, PatchForm, Tenant
from local_azure.clock import START
from shared.core.model import HoldReason, Result
from tests.support.real_sweeps import Swept, process, sweep, tick

type Serve = Callable[..., LocalAzure]

QUARTER = 15 * 60


def drifted(count: int, subscriptions: int = 1) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for number in range(1, subscriptions):
        tenant.add_subscription(f"contoso-{number}", parent="contoso")
    homes = list(tenant.subscriptions.values())
    for number in range(count):
        tenant.add_account(
            f"bot-{number}",
            local_auth=True,
            subscription=homes[number % subscriptions],
            patch=PatchForm.OK_200,
            stale_reads=0,
        )
    return tenant


def keys_on(azure: LocalAzure) -> set[str]:
    return {each.name for each in azure.tenant.accounts if each.keys_on}


def written(azure: LocalAzure) -> list[str]:
    return [each.account_id.rpartition("/")[2] for each in azure.writes]


def moment(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


async def test_at_the_limit_nothing_is_held_and_nothing_is_said_of_a_brake(serve: Serve) -> None:
    azure = serve(drifted(5))

    swept = await sweep(azure, MAX_CHANGES_PER_SWEEP="5")

    assert keys_on(azure) == set()
    assert swept.events("BrakeEngaged") == swept.events("AccountHeld") == []
    assert swept.events("SweepCompleted")[0].get("brake", "") == ""


async def test_one_more_than_the_limit_and_all_are_held(serve: Serve) -> None:
    azure = serve(drifted(6, subscriptions=2))

    swept = await sweep(azure, MAX_CHANGES_PER_SWEEP="5")

    assert (azure.writes, len(keys_on(azure))) == ((), 6)
    assert not [each for each in azure.operations if each.method == "PATCH"]
    held = swept.events("AccountHeld")
    assert {each["accountName"] for each in held} == keys_on(azure)
    assert {each["holdReason"] for each in held} == {HoldReason.BRAKE}
    assert all("6 changes in one sweep, and 5 are allowed" in each["reason"] for each in held)
    assert swept.events("RemediationOutcome") == swept.events("DriftFound") == []
    (completed,) = swept.events("SweepCompleted")
    assert (completed["held"], completed["drift"], completed["accounts"]) == (6, 0, 6)
    assert swept.whole, "a brake is a deliberate no: it is alerted by its event, and not red"


async def test_the_brake_says_how_many_and_the_settings_that_would_let_them_through(
    serve: Serve,
) -> None:
    azure = serve(drifted(31))

    swept = await sweep(azure)

    (brake,) = swept.events("BrakeEngaged")
    assert (brake["changes"], brake["limit"], brake["held"]) == (31, 25, 31)
    assert brake["brake"] == (
        "hold: 31 changes, brake at 25; trickle: 2 sweeps, 30 min (BRAKE=trickle); "
        "all at once: BRAKE_RELEASE_UNTIL=2026-11-25T09:00Z"
    )
    assert swept.events("SweepCompleted")[0]["brake"] == brake["brake"]


async def test_audit_says_what_enforce_would_do_in_the_brakes_own_words(serve: Serve) -> None:
    azure = serve(drifted(12))

    swept = await sweep(azure, "audit", MAX_CHANGES_PER_SWEEP="1", SWEEP_SCHEDULE="0 0 * * * *")

    forecast = (
        "would hold: 12 changes, brake at 1; trickle: 12 sweeps, 12 h (BRAKE=trickle); "
        "all at once: BRAKE_RELEASE_UNTIL=2026-11-25T09:00Z"
    )
    assert swept.events("BrakeEngaged")[0]["brake"] == forecast
    outcomes = swept.events("RemediationOutcome")
    assert [each["result"] for each in outcomes] == [Result.WOULD_DISABLE] * 12
    assert all(each["detail"].endswith(f"Enforce {forecast}") for each in outcomes)
    assert swept.events("AccountHeld") == []
    assert (azure.writes, swept.whole) == ((), True)


async def test_audit_under_trickle_says_how_many_sweeps_it_would_take(serve: Serve) -> None:
    azure = serve(drifted(12))

    swept = await sweep(azure, "audit", MAX_CHANGES_PER_SWEEP="5", BRAKE="trickle")

    (brake,) = swept.events("BrakeEngaged")
    assert brake["brake"] == "would trickle: 12 changes, brake at 5; trickle: 3 sweeps, 45 min"
    assert (brake["held"], azure.writes) == (0, ())


@pytest.mark.parametrize("way", ["BRAKE=trickle", "BRAKE_RELEASE_UNTIL"])
async def test_the_settings_that_the_forecast_prints_do_let_the_changes_through(
    serve: Serve, way: str
) -> None:
    azure = serve(drifted(4))
    told = (await sweep(azure, MAX_CHANGES_PER_SWEEP="2")).events("BrakeEngaged")[0]["brake"]
    assert way in told
    (setting,) = [word.strip("();") for word in told.split() if word.strip("();").startswith(way)]
    name, _, value = setting.partition("=")

    for _ in range(2):
        azure.clock.advance(QUARTER)
        await sweep(azure, MAX_CHANGES_PER_SWEEP="2", **{name: value})

    assert keys_on(azure) == set()


async def test_trickle_makes_that_many_accepted_writes_a_sweep_and_defers_the_rest(
    serve: Serve,
) -> None:
    azure = serve(drifted(11, subscriptions=3))

    counts = []
    for _ in range(4):
        before = len(azure.writes)
        swept = await sweep(azure, BRAKE="trickle", MAX_CHANGES_PER_SWEEP="4")
        counts.append((len(azure.writes) - before, len(swept.events("AccountHeld"))))
        results = list(swept.results.values())
        assert results.count(Result.DISABLED) == len(azure.writes) - before
        assert swept.whole
        azure.clock.advance(QUARTER)

    assert counts == [(4, 0), (4, 0), (3, 0), (0, 0)]
    assert len(set(written(azure))) == 11


async def test_what_trickle_did_not_let_through_says_so(serve: Serve) -> None:
    azure = serve(drifted(3))

    swept = await sweep(azure, BRAKE="trickle", MAX_CHANGES_PER_SWEEP="2")

    (deferred,) = [
        each for each in swept.events("RemediationOutcome") if each["result"] == Result.DEFERRED
    ]
    assert deferred["detail"] == "The brake lets no more through."
    assert swept.events("SweepCompleted")[0]["deferred"] == 1


async def test_what_azure_refuses_does_not_count_against_the_trickle(serve: Serve) -> None:
    tenant = drifted(8)
    for number in range(5):
        tenant.add_lock(tenant.account(f"bot-{number}").id)
    azure = serve(tenant)

    swept = await sweep(azure, BRAKE="trickle", MAX_CHANGES_PER_SWEEP="3")

    assert {*written(azure)} == {"bot-5", "bot-6", "bot-7"}
    assert list(swept.results.values()).count(Result.DISABLED) == 3


async def test_a_write_that_may_have_happened_counts_against_the_trickle(serve: Serve) -> None:
    azure = serve(drifted(4))
    azure.faults.on(method="PATCH", times=2).answer(500, after_acting=True)

    await sweep(azure, BRAKE="trickle", MAX_CHANGES_PER_SWEEP="2")

    assert len(azure.writes) == 2


async def test_accounts_that_always_fail_do_not_starve_the_others(serve: Serve) -> None:
    azure = serve(drifted(4))
    azure.faults.on(method="PATCH", path="*/bot-0", times=None).answer(500)
    azure.faults.on(method="PATCH", path="*/bot-1", times=None).answer(500)

    for _ in range(60):
        await sweep(azure, BRAKE="trickle", MAX_CHANGES_PER_SWEEP="1")
        azure.clock.advance(QUARTER)
        if keys_on(azure) == {"bot-0", "bot-1"}:
            break

    assert keys_on(azure) == {"bot-0", "bot-1"}


async def test_a_release_lets_everything_through_and_expires_by_itself(serve: Serve) -> None:
    azure = serve(drifted(6))
    until = START + timedelta(hours=1)
    settings = {"MAX_CHANGES_PER_SWEEP": "2", "BRAKE_RELEASE_UNTIL": moment(until)}

    async with process(azure, **settings) as same:
        released = await tick(same)
        assert keys_on(azure) == set()
        assert released.events("BrakeEngaged") == []
        for number in range(6):
            azure.tenant.enable_keys(f"bot-{number}")
        azure.clock.advance(2 * 60 * 60)
        expired = await tick(same)

    assert len(azure.writes) == len(keys_on(azure)) == 6
    assert expired.events("BrakeEngaged")[0]["held"] == 6


@pytest.mark.parametrize(
    ("seconds", "releases"), [(-1, False), (0, False), (1, True)], ids=["past", "now", "to come"]
)
async def test_a_release_ends_at_its_moment(serve: Serve, seconds: int, releases: bool) -> None:  # noqa: FBT001 - parametrized
    azure = serve(drifted(3))
    until = moment(START + timedelta(seconds=seconds))

    await sweep(azure, MAX_CHANGES_PER_SWEEP="2", BRAKE_RELEASE_UNTIL=until)

    assert (keys_on(azure) == set()) is releases


async def test_turning_down_to_audit_at_a_moment_of_need_takes_one_setting(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    azure = serve(drifted(3))
    until = moment(START + timedelta(hours=1))

    swept = await sweep(azure, "audit", MAX_CHANGES_PER_SWEEP="2", BRAKE_RELEASE_UNTIL=until)

    assert swept.whole
    assert azure.writes == ()
    assert "BRAKE_RELEASE_UNTIL is left out of account: SWEEP_MODE is audit." in caplog.text
    assert swept.events("SweepCompleted")[0]["brake"].startswith("would hold: 3 changes")


def told_from(swept: Swept) -> set[str | None]:
    return {each.get("enforceFrom") for each in swept.events()}


async def test_notice_writes_nothing_says_when_in_every_event_and_enforces_at_the_moment(
    serve: Serve,
) -> None:
    azure = serve(drifted(2))
    begins = START + timedelta(hours=1)

    async with process(azure, ENFORCE_FROM=moment(begins)) as same:
        azure.clock.advance(3599)
        notice = await tick(same)
        before = (azure.writes, len(keys_on(azure)))
        azure.clock.advance((begins - azure.now()).total_seconds())
        enforced = await tick(same)

    assert before == ((), 2)
    assert {each["name"] for each in notice.events()} >= {
        "SweepStarted",
        "DriftFound",
        "RemediationOutcome",
        "SweepCompleted",
    }
    assert told_from(notice) == {begins.isoformat()}
    assert set(notice.results.values()) == {Result.WOULD_DISABLE}
    details = {each["detail"] for each in notice.events("RemediationOutcome")}
    assert details == {"Its keys go off from 2026-11-24T10:00Z on."}
    assert (keys_on(azure), set(enforced.results.values())) == (set(), {Result.DISABLED})
    assert told_from(enforced) == {None}


async def test_under_notice_the_brake_is_a_forecast_too(serve: Serve) -> None:
    azure = serve(drifted(3))

    swept = await sweep(azure, MAX_CHANGES_PER_SWEEP="2", ENFORCE_FROM="2027-01-01")

    assert swept.events("BrakeEngaged")[0]["brake"].startswith("would hold: 3 changes, brake at 2")
    assert (azure.writes, swept.events("AccountHeld")) == ((), [])


async def test_audit_mode_announces_no_moment(serve: Serve) -> None:
    azure = serve(drifted(1))

    assert told_from(await sweep(azure, "audit", ENFORCE_FROM="2027-01-01")) == {None}
