"""Enforcing ring by ring: which subscriptions are in which ring, and what sweeps do there."""

from collections import Counter
from datetime import timedelta
from typing import Any

from shared.core.decision import Rules, Scope, decide
from shared.core.errors import NoRole
from shared.core.events import (
    AccountHeld,
    AccountSeen,
    BrakeEngaged,
    CoverageGap,
    DriftFound,
    ExemptionObserved,
    KeyAccessChanged,
    PatchWar,
    RemediationOutcome,
    RingEvent,
    SubscriptionRead,
    SweepCompleted,
)
from shared.core.model import Account, Outcome, Result, Turned
from shared.core.rings import Audited, InForce, Ring, Rings, ToCome
from shared.steps.remediation import AccountReader, SecondLook, StillDrift
from tests.support.builders import NOW, TAG, a_change
from tests.support.fake_sweeps import HOME, OTHER, THIRD, Swept, bot, bots, swept
from tests.support.fake_tenant import FakeTenant, an_error

SOON = NOW + timedelta(hours=1)
DEV, TEST, PROD = bot("dev", HOME), bot("test", OTHER), bot("prod", THIRD)
LATER = f"{SOON:%Y-%m-%dT%H:%MZ}"
THREE = f"mg-dev, mg-test@{LATER}"
"""A ring in force, one to come, and a subscription that is in none."""


def tenant_of(*accounts: Account, **more: Any) -> FakeTenant:
    below = {"mg": [HOME, OTHER, THIRD], "mg-dev": [HOME], "mg-test": [OTHER]}
    tenant = FakeTenant.of(*(accounts or (DEV, TEST, PROD)), **{"below": below, **more})
    for subscription in (HOME, OTHER, THIRD):
        tenant.subscribe(subscription)
    return tenant


async def swept_in_rings(
    tenant: FakeTenant | None = None, rings: str = THREE, **environ: Any
) -> Swept:
    return await swept(tenant or tenant_of(), ENFORCE_SCOPES=rings, **environ)


def gaps(found: Swept) -> list[tuple[str, str]]:
    return [(gap.gap_name, gap.problem) for gap in found.events(CoverageGap)]


def written(found: Swept) -> set[str]:
    return {write.account.id.name for write in found.tenant.writes}


# What a sweep does


async def test_keys_go_off_in_the_rings_in_force_alone() -> None:
    found = await swept_in_rings()
    assert written(found) == {"dev"}
    assert found.result(DEV) is Result.DISABLED
    assert found.result(TEST) is found.result(PROD) is Result.WOULD_DISABLE
    assert found.report.whole


async def test_what_is_audited_is_told_why_and_until_when() -> None:
    found = await swept_in_rings()
    detail = {event.account_name: event.detail for event in found.events(RemediationOutcome)}
    assert detail["test"] == f"Its keys go off from {LATER} on."
    assert detail["prod"] == "It is in no ring of ENFORCE_SCOPES."


async def test_every_event_of_an_account_says_how_its_ring_stands() -> None:
    changes = [
        *(a_change(turned, NOW - timedelta(minutes=minutes), account=TEST.id)
          for turned, minutes in ((Turned.ON, 30), (Turned.OFF, 20), (Turned.ON, 10))),
    ]  # fmt: skip
    exempt, held = bot("e", OTHER, tags={TAG: "yes"}), bot("h", OTHER, tags={TAG: "until=soon"})
    tenant = tenant_of(DEV, TEST, PROD, exempt, held, changes=changes)
    found = await swept_in_rings(tenant, INVENTORY="daily")
    told = [event for event in found.telemetry.events if isinstance(event, RingEvent)]
    assert {type(event) for event in told} == {
        AccountHeld, AccountSeen, DriftFound, ExemptionObserved, KeyAccessChanged, PatchWar,
        RemediationOutcome, SubscriptionRead,
    }  # fmt: skip
    stands = {HOME: InForce, OTHER: ToCome, THIRD: Audited}
    for event in told:
        assert isinstance(event.standing, stands[event.subscription_id]), event


async def test_a_subscription_says_which_ring_decides_for_it() -> None:
    found = await swept_in_rings()
    read = {event.subscription_id: event.ring for event in found.events(SubscriptionRead)}
    assert read == {HOME: "mg-dev", OTHER: f"mg-test@{LATER}", THIRD: None}


async def test_its_end_counts_what_is_enforced_to_come_and_audited() -> None:
    completed = (await swept_in_rings()).event(SweepCompleted)
    assert completed.drift == 3
    assert completed.drift_enforced == 1
    assert completed.drift_to_come == 1
    assert completed.drift_audited == 1


async def test_a_ring_comes_into_force_at_its_moment() -> None:
    tenant = tenant_of()
    await swept_in_rings(tenant)
    await tenant.clock.sleep(3600)
    found = await swept_in_rings(tenant)
    assert written(found) == {"dev", "test"}


async def test_audit_mode_changes_nothing_in_any_ring() -> None:
    found = await swept_in_rings(SWEEP_MODE="audit")
    assert written(found) == set()
    assert {event.detail for event in found.events(RemediationOutcome)} == {
        "Audit mode changes nothing."
    }


async def test_notice_holds_for_the_rings_that_name_no_moment() -> None:
    rings, notice = f"mg-dev, mg-test@{NOW:%Y-%m-%dT%H:%MZ}", f"{SOON:%Y-%m-%dT%H:%MZ}"
    found = await swept_in_rings(rings=rings, ENFORCE_FROM=notice)
    assert written(found) == {"test"}


# The brake


async def test_the_brake_counts_what_would_be_written() -> None:
    tenant = tenant_of(*bots(2, HOME), *bots(9, OTHER), *bots(9, THIRD))
    found = await swept_in_rings(tenant, MAX_CHANGES_PER_SWEEP="2")
    assert found.results == {Result.DISABLED: 2, Result.WOULD_DISABLE: 18}
    assert found.events(BrakeEngaged) == []


async def test_the_brake_holds_what_it_counted_and_nothing_else() -> None:
    tenant = tenant_of(*bots(3, HOME), *bots(9, OTHER))
    found = await swept_in_rings(tenant, MAX_CHANGES_PER_SWEEP="2")
    brake = found.event(BrakeEngaged)
    assert brake.changes == brake.held == 3
    held = {event.subscription_id for event in found.events(AccountHeld)}
    assert held == {HOME}
    assert found.results == {Result.WOULD_DISABLE: 9}
    assert written(found) == set()


async def test_the_brake_in_audit_mode_foretells_what_the_rings_in_force_would_meet() -> None:
    tenant = tenant_of(*bots(3, HOME), *bots(9, OTHER))
    limit = {"MAX_CHANGES_PER_SWEEP": "2", "SWEEP_MODE": "audit"}
    found = await swept_in_rings(tenant, **limit)
    assert found.event(BrakeEngaged).changes == 3
    braked = [event for event in found.events(RemediationOutcome) if "would hold" in event.detail]
    assert {event.subscription_id for event in braked} == {HOME}


# Reading the rings


async def test_a_group_that_can_not_be_read_is_a_gap_and_its_subscriptions_are_audited() -> None:
    tenant = tenant_of()
    tenant.meanwhile("descendants", "mg-dev", [an_error(NoRole, 403)])
    found = await swept_in_rings(tenant)
    assert written(found) == set()
    ((name, problem),) = gaps(found)
    assert name == "mg-dev"
    assert "403" in problem
    assert not found.report.whole


async def test_a_group_that_nobody_knows_is_a_gap() -> None:
    found = await swept_in_rings(rings="mg-dev, mg-typo")
    assert [name for name, _ in gaps(found)] == ["mg-typo"]
    assert written(found) == {"dev"}


async def test_a_group_that_takes_too_long_is_a_gap() -> None:
    tenant = tenant_of()
    tenant.meanwhile("descendants", "mg-dev", [5000])
    found = await swept_in_rings(tenant)
    ((name, problem),) = gaps(found)
    assert name == "mg-dev"
    assert "outlasted its share of the time" in problem
    assert written(found) == set()


async def test_a_group_that_is_not_below_the_scope_is_a_gap() -> None:
    found = await swept_in_rings(rings="mg-dev, mg-test", SWEEP_MANAGEMENT_GROUPS="mg-dev")
    assert gaps(found) == [
        ("mg-test", "none of its subscriptions is in scope: name a group below the scope")
    ]


async def test_a_group_without_subscriptions_is_none() -> None:
    tenant = tenant_of()
    tenant.below["mg-new"] = []
    found = await swept_in_rings(tenant, rings="mg-dev, mg-new")
    assert found.report.whole


async def test_a_subscription_that_nobody_knows_is_a_gap() -> None:
    stray = "00000000-0000-0000-0000-00000000000f"
    found = await swept_in_rings(rings=f"mg-dev, {stray}")
    assert gaps(found) == [(stray, "no subscription in scope has this id")]
    assert found.event(CoverageGap).gap_kind == "ring"
    # Readers take the subscription of a gap for one that could not be read.
    assert found.event(CoverageGap).subscription_id == ""


async def test_an_id_that_nobody_knows_may_be_a_groups_that_puts_others_off() -> None:
    tenant, group = tenant_of(), "00000000-0000-0000-0000-00000000000f"
    tenant.below[group] = [HOME, OTHER, THIRD]
    found = await swept_in_rings(tenant, rings=f"mg-dev, {THIRD}, {group}@{LATER}")
    assert written(found) == {"prod"}
    # A person's options hide which groups the settings sweep.
    found = await swept_in_rings(
        tenant, f"mg-dev, {group}@{LATER}", SWEEP_MANAGEMENT_GROUPS="mg-dev", is_part=True
    )
    assert found.results == {Result.WOULD_DISABLE: 1}


async def test_a_subscription_puts_nothing_off_but_itself() -> None:
    found = await swept_in_rings(
        rings=f"mg-dev, {OTHER}@{LATER}", SWEEP_MANAGEMENT_GROUPS="mg-dev", is_part=True
    )
    assert written(found) == {"dev"}


async def test_a_ring_that_is_left_alone_is_no_gap() -> None:
    found = await swept_in_rings(
        rings=f"mg-dev, {OTHER}, {THIRD}", SWEEP_EXCLUDE_SUBSCRIPTIONS=f"{OTHER}, {THIRD}"
    )
    assert found.report.whole


async def test_where_the_scope_itself_can_not_be_read_no_ring_is_said_to_be_outside() -> None:
    tenant = tenant_of()
    tenant.meanwhile("descendants", "mg", [an_error(NoRole, 403)])
    found = await swept_in_rings(tenant, rings="mg-dev", SWEEP_MANAGEMENT_GROUPS="mg")
    assert [name for name, _ in gaps(found)] == ["mg"]


async def test_where_nothing_is_in_scope_no_ring_is_asked_about() -> None:
    tenant = tenant_of()
    tenant.meanwhile("subscriptions", "", [an_error(NoRole, 403)])
    found = await swept_in_rings(tenant)
    assert [gap.gap_kind for gap in found.events(CoverageGap)] == ["tenant"]
    assert tenant.times("descendants") == 0


async def test_where_a_person_asked_for_a_part_no_ring_is_said_to_be_outside() -> None:
    found = await swept_in_rings(
        rings=f"{THREE}, {THIRD}", SWEEP_MANAGEMENT_GROUPS="mg-dev", is_part=True
    )
    assert gaps(found) == []
    assert written(found) == {"dev"}


# The price of it


async def test_a_ring_that_is_swept_as_a_group_is_read_once() -> None:
    tenant = tenant_of()
    await swept_in_rings(tenant, rings="MG-dev, mg-test", SWEEP_MANAGEMENT_GROUPS="mg-dev,mg")
    asked = sorted(name for what, name in tenant.asked if what == "descendants")
    assert asked == ["mg", "mg-dev", "mg-test"]


def large_tenant() -> FakeTenant:
    """Return 2,000 subscriptions in twenty groups, a drift in each hundredth."""
    names = [f"{number:08}-0000-0000-0000-000000000000" for number in range(2000)]
    below = {f"mg-{ring}": names[ring::20] for ring in range(20)}
    accounts = [bot(subscription=name) for name in names[::100]]
    tenant = FakeTenant.of(*accounts, below={"mg": names, **below})
    for name in names:
        tenant.subscribe(name)
    return tenant


async def requests(rings: str) -> tuple[Counter[str], int]:
    """Return what a sweep asks in a large tenant, and how many accounts it changes."""
    tenant = large_tenant()
    found = await swept_in_rings(
        tenant, rings=rings, SWEEP_MANAGEMENT_GROUPS="mg", MAX_CHANGES_PER_SWEEP="1000"
    )
    assert found.report.whole
    return Counter(what for what, _ in tenant.asked), len(tenant.writes)


async def test_two_thousand_subscriptions_in_twenty_rings_cost_a_list_of_each_group_more() -> None:
    twenty = ", ".join(f"mg-{ring}" for ring in range(20))
    everywhere, all_changed = await requests("")
    in_rings, changed_in_rings = await requests(twenty)
    assert changed_in_rings == all_changed == 20
    assert in_rings - everywhere == {"descendants": 20}
    assert everywhere - in_rings == {}


# The second look


def a_look(tenant: FakeTenant, rings: Rings) -> SecondLook:
    return SecondLook(AccountReader(tenant.arm, TAG), tenant.clock, Scope(), Rules(), rings)


async def test_just_before_the_change_the_ring_is_asked_again() -> None:
    tenant, decision = tenant_of(), decide(DEV, Scope(), Rules(), NOW.date())
    to_come = Rings(enforces=True, listed=(Ring(HOME, SOON, is_group=False),))
    found = await a_look(tenant, to_come).take(decision)
    assert isinstance(found, Outcome)
    assert found.result is Result.WOULD_DISABLE
    assert found.detail.startswith(f"Ring {HOME}@{LATER} begins")
    await tenant.clock.sleep(3600)
    assert isinstance(await a_look(tenant, to_come).take(decision), StillDrift)
