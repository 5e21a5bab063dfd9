"""One account's keys go off, over a tenant in memory: what is read, decided, written, read back."""

import asyncio
from collections.abc import Callable
from itertools import repeat
from typing import Any

import pytest

from shared.core.deadline import Deadline
from shared.core.decision import Rules, Scope, decide
from shared.core.errors import (
    AzureError,
    Busy,
    Elsewhere,
    Locked,
    NoRole,
    NotFound,
    NoToken,
    OutOfTime,
    PolicyDenied,
    Stale,
    Throttled,
    Unclear,
    Unfinished,
    WrongTenant,
)
from shared.core.model import Account, Decision, Level, Outcome, Result
from shared.core.rings import Rings
from shared.steps.allowance import Allowance
from shared.steps.remediation import (
    UNIT_SECONDS,
    AccountReader,
    Remediation,
    SecondLook,
    StillDrift,
    refused,
)
from tests.support.builders import SUBSCRIPTION_ID, TAG, TODAY, an_account
from tests.support.fake_tenant import FakePermits, FakeTenant, an_error

GROUP, ABOVE = Level.RESOURCE_GROUP, Level.SUBSCRIPTION
BOT = an_account()
KEY = BOT.id.key
EXEMPT = {TAG: "yes"}


def decided(account: Account = BOT, scope: Scope = Scope(), rules: Rules = Rules()) -> Decision:  # noqa: B008 - frozen
    return decide(account, scope, rules, TODAY)


def a_second_look(
    tenant: FakeTenant,
    scope: Scope = Scope(),  # noqa: B008 - frozen
    rules: Rules = Rules(),  # noqa: B008 - frozen
    inherit: tuple[Level, ...] = (),
    rings: Rings = Rings(enforces=True),  # noqa: B008 - frozen
) -> SecondLook:
    reader = AccountReader(tenant.arm, rules.tag, inherit)
    return SecondLook(reader, tenant.clock, scope, rules, rings)


class Unit:
    """A remediation of BOT, and what it is given."""

    def __init__(
        self,
        tenant: FakeTenant,
        *,
        budget: float = 1200,
        waits: list[float | Throttled] | None = None,
        unit_seconds: float = UNIT_SECONDS,
        **look: Any,
    ) -> None:
        deadline = Deadline.after(tenant.clock, budget)
        self.permits = FakePermits(tenant.clock, deadline, {SUBSCRIPTION_ID: waits or []})
        self.remediation = Remediation(
            tenant.arm, self.permits, deadline, a_second_look(tenant, **look), unit_seconds
        )

    async def run(self, allowance: Allowance | None = None) -> Outcome:
        """Run it."""
        return await self.remediation.remediate(decided(), allowance or Allowance())


async def remediated(
    tenant: FakeTenant, allowance: Allowance | None = None, **more: Any
) -> Outcome:
    return await Unit(tenant, **more).run(allowance)


# It goes well


async def test_keys_go_off_and_are_read_back() -> None:
    tenant = FakeTenant.of(BOT)
    outcome = await remediated(tenant)
    assert outcome.decision == decided()
    assert outcome.result is Result.DISABLED
    assert outcome.detail == "Azure took the change and reads back: keys off."
    assert outcome.accepted is True
    assert not tenant.keys_on(BOT)


async def test_it_reads_writes_and_reads_back_and_asks_nothing_else() -> None:
    tenant = FakeTenant.of(BOT)
    await remediated(tenant)
    assert tenant.asked == [("account", KEY), ("patch", KEY), ("account", KEY)]


async def test_room_is_asked_for_one_read_and_one_for_each_level_above() -> None:
    unit = Unit(FakeTenant.of(BOT), inherit=(GROUP, ABOVE))
    await unit.run()
    assert unit.permits.room == [3]


async def test_waiting_comes_before_the_read() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", KEY, [lambda: seen.append(tenant.clock.monotonic())])
    seen: list[float] = []
    await remediated(tenant, waits=[60])
    assert seen == [60]


async def test_a_permit_is_given_back() -> None:
    unit = Unit(FakeTenant.of(BOT))
    await unit.run()
    assert unit.permits.held == 0
    assert unit.permits.most_held == 1


# Asked again at the last moment


@pytest.mark.parametrize(
    ("now", "result", "detail"),
    [
        ({"tags": EXEMPT}, Result.NOW_EXEMPT, "exempts it"),
        ({"tags": EXEMPT, "provisioning_state": "Updating"}, Result.NOW_EXEMPT, "exempts it"),
        ({"tags": {TAG: "31/12/2026"}}, Result.NOW_HELD, "can't be read"),
        ({"tags": {"Local_Auth_Exempt": "yes"}}, Result.NOW_HELD, "is nearly"),
        ({"keys_on": False}, Result.ALREADY_OFF, "Its keys are off already."),
        ({"kind": "SpeechServices"}, Result.OUT_OF_SCOPE, "Its kind is SpeechServices"),
        *(
            ({"provisioning_state": state}, Result.BUSY, f"Its provisioning state is {state}.")
            for state in ("Accepted", "Creating", "Deleting", "Moving", "Updating", "New")
        ),
    ],
    ids=str,
)
async def test_what_stands_in_the_way_now_wins_and_is_said(
    now: dict[str, Any], result: Result, detail: str
) -> None:
    tenant = FakeTenant.of(an_account(**now))
    outcome = await remediated(tenant)
    assert outcome.result is result
    assert detail in outcome.detail
    assert outcome.accepted is False
    assert tenant.times("patch") == 0


@pytest.mark.parametrize("state", ["", "Succeeded", "SUCCEEDED", "Failed", "Canceled"])
async def test_an_account_at_rest_is_written(state: str) -> None:
    tenant = FakeTenant.of(an_account(provisioning_state=state))
    assert (await remediated(tenant)).result is Result.DISABLED


async def test_the_scope_and_the_rules_of_the_sweep_are_those_of_the_second_look() -> None:
    tenant = FakeTenant.of(an_account(custom_subdomain=None))
    excluding = Scope(excluded_subscriptions=(SUBSCRIPTION_ID,))
    assert (await remediated(tenant, scope=excluding)).result is Result.OUT_OF_SCOPE
    holding = Rules(hold_no_subdomain=True)
    assert (await remediated(tenant, rules=holding)).result is Result.NOW_HELD
    assert tenant.writes == []


async def test_the_day_of_the_second_look_is_the_day_that_counts() -> None:
    tenant = FakeTenant.of(an_account(tags={TAG: f"{TODAY}"}))
    await tenant.clock.sleep(24 * 3600)
    assert (await remediated(tenant)).result is Result.DISABLED


async def test_an_account_that_is_gone_is_gone() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.delete(BOT)
    assert (await remediated(tenant)).result is Result.GONE


# Levels above


def with_levels(group: dict[str, str], subscription: dict[str, str]) -> FakeTenant:
    tenant = FakeTenant.of(BOT)
    tenant.groups[SUBSCRIPTION_ID, "rg-chat"] = group
    tenant.subscribe(tags=subscription)
    return tenant


@pytest.mark.parametrize(
    ("group", "subscription", "result"),
    [
        (EXEMPT, {}, Result.NOW_EXEMPT),
        ({}, EXEMPT, Result.NOW_EXEMPT),
        ({TAG: "no"}, EXEMPT, Result.DISABLED),
        ({"owner": "ann"}, {}, Result.DISABLED),
    ],
)
async def test_the_nearest_level_with_our_tag_decides(
    group: dict[str, str], subscription: dict[str, str], result: Result
) -> None:
    tenant = with_levels(group, subscription)
    assert (await remediated(tenant, inherit=(GROUP, ABOVE))).result is result


@pytest.mark.parametrize(
    ("account", "group", "inherit", "levels"),
    [
        ({}, EXEMPT, (), []),
        ({}, {TAG: "no"}, (GROUP, ABOVE), [GROUP]),
        ({}, {}, (GROUP, ABOVE), [GROUP, ABOVE]),
        ({"tags": {TAG: "no"}}, EXEMPT, (GROUP,), []),
        ({"keys_on": False}, EXEMPT, (GROUP,), []),
    ],
    ids=["no inheritance", "the group decides", "none decides", "it decides itself", "keys off"],
)
async def test_no_level_is_read_beyond_the_one_that_decides(
    account: dict[str, Any],
    group: dict[str, str],
    inherit: tuple[Level, ...],
    levels: list[Level],
) -> None:
    tenant = with_levels(group, {})
    tenant.change(BOT, **account)
    await remediated(tenant, inherit=inherit)
    assert [about for what, about in tenant.asked if what == "tags above"] == levels


async def test_a_level_that_can_not_be_read_holds_the_account() -> None:
    tenant = with_levels({}, {})
    tenant.meanwhile("tags above", GROUP, [an_error(NoRole, 403)])
    outcome = await remediated(tenant, inherit=(GROUP, ABOVE))
    assert outcome.result is Result.NOW_HELD
    assert "resourceGroup" in outcome.detail
    assert tenant.writes == []


async def test_beyond_a_level_that_can_not_be_read_none_is() -> None:
    tenant = with_levels({}, {})
    tenant.meanwhile("tags above", GROUP, [an_error()])
    await remediated(tenant, inherit=(GROUP, ABOVE))
    assert tenant.times("tags above") == 1


async def test_a_level_that_is_throttled_starts_the_unit_again() -> None:
    tenant = with_levels({}, {})
    tenant.meanwhile("tags above", GROUP, [an_error(Throttled, 429)])
    unit = Unit(tenant, inherit=(GROUP,))
    assert (await unit.run()).result is Result.DISABLED
    assert len(unit.permits.room) == 2


async def test_a_second_look_is_good_for_five_seconds_from_its_first_read_on() -> None:
    tenant = with_levels({}, {})
    tenant.meanwhile("account", KEY, [2])
    tenant.meanwhile("tags above", GROUP, [2])
    await tenant.clock.sleep(30)
    look = a_second_look(tenant, inherit=(GROUP,))
    assert await look.take(decided()) == StillDrift(leave_by=35)


# What Azure refuses


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        (NotFound, Result.GONE),
        (NoRole, Result.NO_ROLE),
        (PolicyDenied, Result.POLICY_DENIED),
        (Locked, Result.LOCKED),
        (Busy, Result.BUSY),
        (WrongTenant, Result.FAILED),
        (NoToken, Result.FAILED),
        (Unclear, Result.FAILED),
    ],
)
async def test_a_read_that_is_refused_says_why(kind: type[AzureError], result: Result) -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", KEY, [an_error(kind, 403, code="Why")])
    outcome = await remediated(tenant)
    assert outcome.result is result
    assert outcome.azure_code == "Why"
    assert outcome.azure_message == "No."
    assert outcome.detail == kind.advice
    assert outcome.accepted is False
    assert tenant.times("patch") == 0


def test_a_link_that_leads_elsewhere_failed() -> None:
    assert refused(decided(), Elsewhere("evil.example")).result is Result.FAILED


@pytest.mark.parametrize(
    ("guard", "result"),
    [
        ("locked", Result.LOCKED),
        ("forbidden", Result.POLICY_DENIED),
        ("without_role", Result.NO_ROLE),
    ],
)
async def test_a_change_that_is_refused_says_why(guard: str, result: Result) -> None:
    tenant = FakeTenant.of(BOT, **{guard: {KEY}})
    outcome = await remediated(tenant)
    assert outcome.result is result
    assert outcome.azure_code
    assert outcome.accepted is False
    assert tenant.writes == []


async def test_a_refused_change_is_sent_once_and_not_read_back() -> None:
    tenant = FakeTenant.of(BOT, locked={KEY})
    await remediated(tenant)
    assert tenant.asked == [("account", KEY), ("patch", KEY)]


async def test_an_account_deleted_before_its_change_is_gone() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("patch", KEY, [lambda: tenant.delete(BOT)])
    outcome = await remediated(tenant)
    assert outcome.result is Result.GONE
    assert outcome.accepted is False


@pytest.mark.parametrize("what", ["account", "patch"])
async def test_a_token_that_was_refused_once_is_fetched_anew(what: Any) -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile(what, KEY, [an_error(NoRole, 401)])
    unit = Unit(tenant)
    assert (await unit.run()).result is Result.DISABLED
    assert len(unit.permits.room) == 2


async def test_a_token_that_was_refused_twice_is_no_role() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", KEY, repeat(an_error(NoRole, 401)))
    assert (await remediated(tenant)).result is Result.NO_ROLE
    assert tenant.times("account") == 2


async def test_a_role_that_is_missing_is_not_asked_for_twice() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", KEY, [an_error(NoRole, 403)])
    assert (await remediated(tenant)).result is Result.NO_ROLE
    assert tenant.times("account") == 1


# The whole unit again


@pytest.mark.parametrize("what", ["account", "patch"])
async def test_what_was_throttled_is_run_again_its_waiting_included(what: Any) -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile(what, KEY, [an_error(Throttled, 429)])
    assert (await remediated(tenant, waits=[0, 30])).result is Result.DISABLED
    assert tenant.clock.monotonic() == 30
    assert len(tenant.writes) == 1


async def test_what_is_throttled_for_good_is_put_off_when_the_time_ends() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("patch", KEY, repeat(an_error(Throttled, 429)))
    outcome = await remediated(tenant, waits=list(repeat(100.0, 50)))
    assert outcome.result is Result.DEFERRED
    assert outcome.detail == "The time budget ended before its turn."
    assert tenant.writes == []


async def test_a_decision_that_grew_old_is_made_anew() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", KEY, [6])
    assert (await remediated(tenant)).result is Result.DISABLED
    assert tenant.times("patch") == 2
    assert len(tenant.writes) == 1


async def test_an_exemption_that_came_while_a_decision_grew_old_wins() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", KEY, [6, tenant.becomes(BOT, tags=EXEMPT)])
    assert (await remediated(tenant)).result is Result.NOW_EXEMPT


async def test_the_age_counts_from_the_account_on_not_from_the_levels() -> None:
    tenant = with_levels({}, {})
    tenant.meanwhile("account", KEY, [3])
    tenant.meanwhile("tags above", GROUP, [3])
    await remediated(tenant, inherit=(GROUP,))
    assert tenant.times("patch") == 2


async def test_an_account_whose_reads_are_always_slow_is_told_after_five_times() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", KEY, repeat(6))
    outcome = await remediated(tenant)
    assert outcome.result is Result.FAILED
    assert outcome.azure_code == ""
    assert outcome.detail.endswith(Stale.advice)
    assert tenant.times("patch") == 5
    assert tenant.clock.monotonic() == 30


async def test_an_account_whose_reads_were_slow_four_times_is_changed() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", KEY, [6, 6, 6, 6])
    assert (await remediated(tenant)).result is Result.DISABLED


# Time


async def test_a_permit_that_outlasts_the_sweep_puts_it_off_and_says_so() -> None:
    tenant = FakeTenant.of(BOT)
    outcome = await remediated(tenant, waits=[OutOfTime(5000, 1200)])
    assert outcome.result is Result.DEFERRED
    assert outcome.azure_code == ""
    assert outcome.azure_message == ""
    assert outcome.detail == OutOfTime(5000, 1200).detail
    assert tenant.asked == []


async def test_a_unit_that_could_not_read_back_in_time_is_not_begun() -> None:
    tenant = FakeTenant.of(BOT)
    unit = Unit(tenant, budget=95)
    outcome = await unit.run()
    assert outcome.result is Result.DEFERRED
    assert outcome.detail == "The time budget ended before its turn."
    assert tenant.asked == []
    assert unit.permits.room == []


@pytest.mark.parametrize(
    ("more", "result"),
    [
        ({"budget": 95.5}, Result.DISABLED),
        ({"budget": 40, "unit_seconds": 30}, Result.DISABLED),
        ({"budget": 200, "waits": [104]}, Result.DISABLED),
        ({"budget": 200, "waits": [105]}, Result.DEFERRED),
    ],
    ids=["just enough", "a short unit", "a permit that left enough", "a permit that took all"],
)
async def test_a_unit_is_begun_if_it_can_read_back_in_time(
    more: dict[str, Any], result: Result
) -> None:
    tenant = FakeTenant.of(BOT)
    assert (await remediated(tenant, **more)).result is result
    assert bool(tenant.asked) is (result is Result.DISABLED)


# The brake


async def test_a_brake_that_lets_no_more_through_puts_it_off() -> None:
    tenant = FakeTenant.of(BOT)
    outcome = await remediated(tenant, Allowance(0))
    assert outcome.result is Result.DEFERRED
    assert outcome.detail == "The brake lets no more through."
    assert tenant.asked == []


async def left_of(allowance: Allowance) -> int:
    """Count how many more writes are let through."""
    count = 0
    while await allowance.take():
        await allowance.give_back(used=True)
        count += 1
    return count


async def test_an_accepted_write_is_taken_off_the_allowance() -> None:
    allowance = Allowance(2)
    await remediated(FakeTenant.of(BOT), allowance)
    assert await left_of(allowance) == 1


@pytest.mark.parametrize(
    "tenant",
    [
        FakeTenant.of(BOT, locked={KEY}),
        FakeTenant.of(an_account(tags=EXEMPT)),
        FakeTenant.of(an_account(provisioning_state="Updating")),
        FakeTenant.of(),
    ],
    ids=["locked", "exempt", "busy", "gone"],
)
async def test_what_was_not_written_is_given_back(tenant: FakeTenant) -> None:
    allowance = Allowance(2)
    await remediated(tenant, allowance)
    assert await left_of(allowance) == 2


async def test_a_unit_that_waited_for_the_brake_until_too_late_gives_back_what_it_took() -> None:
    tenant, allowance = FakeTenant.of(BOT), Allowance(1)
    await allowance.take()
    waiting = asyncio.ensure_future(remediated(tenant, allowance, budget=200))
    await tenant.clock.sleep(105)
    await allowance.give_back(used=False)
    assert (await waiting).detail == "The time budget ended before its turn."
    assert tenant.asked == []
    assert await left_of(allowance) == 1


async def test_a_write_that_may_have_happened_is_taken_off() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("patch", KEY, [an_error(Unfinished)])
    allowance = Allowance(2)
    assert (await remediated(tenant, allowance)).result is Result.UNVERIFIED
    assert await left_of(allowance) == 1


async def test_a_write_behind_a_mistake_of_ours_is_taken_off() -> None:
    tenant = FakeTenant.of(BOT)

    def mistake() -> None:
        raise ZeroDivisionError

    tenant.afterwards("patch", KEY, [mistake])
    allowance = Allowance(2)
    with pytest.raises(ZeroDivisionError):
        await remediated(tenant, allowance)
    assert await left_of(allowance) == 1


async def test_a_release_of_the_brake_that_has_ended_puts_it_off() -> None:
    tenant = FakeTenant.of(BOT)
    outcome = await remediated(tenant, Allowance(until=tenant.clock.now()))
    assert outcome.result is Result.DEFERRED
    assert outcome.detail == "The release of the brake has ended."
    assert tenant.times("patch") == 0


async def test_the_release_is_looked_at_after_the_read() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", KEY, [2])
    release = Allowance(until=tenant.clock.now().replace(second=1))
    assert (await remediated(tenant, release)).result is Result.DEFERRED
    assert tenant.times("account") == 1


async def test_a_change_that_is_kept_waiting_does_not_leave_once_the_release_has_ended() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("patch", KEY, [2])
    release = Allowance(until=tenant.clock.now().replace(second=1))
    outcome = await remediated(tenant, release)
    assert outcome.detail == "The release of the brake has ended."
    assert tenant.writes == []


async def test_before_it_ends_a_write_is_let_through() -> None:
    tenant = FakeTenant.of(BOT)
    release = Allowance(until=tenant.clock.now().replace(second=1))
    assert (await remediated(tenant, release)).result is Result.DISABLED


# Reading back


def turned_on_again(tenant: FakeTenant) -> FakeTenant:
    """Let Azure accept the change and not make it."""
    tenant.afterwards("patch", KEY, repeat(tenant.becomes(BOT, keys_on=True)))
    return tenant


async def test_a_change_that_was_taken_and_does_not_show_is_unverified() -> None:
    tenant = turned_on_again(FakeTenant.of(BOT))
    outcome = await remediated(tenant)
    assert outcome.result is Result.UNVERIFIED
    assert outcome.detail == "The change was sent, and the account did not read back as off."
    assert outcome.accepted is True


async def test_a_change_that_was_taken_and_does_not_show_is_not_sent_again() -> None:
    tenant = turned_on_again(FakeTenant.of(BOT))
    await remediated(tenant)
    assert tenant.times("patch") == 1


async def test_it_is_read_back_for_thirty_seconds() -> None:
    tenant = turned_on_again(FakeTenant.of(BOT))
    await remediated(tenant)
    assert tenant.clock.monotonic() == 30
    assert tenant.times("account") == 9


async def test_a_change_that_shows_late_is_seen() -> None:
    tenant = turned_on_again(FakeTenant.of(BOT))
    turn_off = tenant.becomes(BOT, keys_on=False)
    tenant.meanwhile("account", KEY, [*[None] * 4, turn_off])
    assert (await remediated(tenant)).result is Result.DISABLED
    assert tenant.clock.monotonic() == 6


async def test_keys_that_read_back_off_while_the_account_is_on_its_way_may_come_back() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.afterwards("patch", KEY, [tenant.becomes(BOT, provisioning_state="Accepted")])
    outcome = await remediated(tenant)
    assert outcome.result is Result.UNVERIFIED
    assert outcome.detail == ("It reads back as off, and its provisioning state is still Accepted.")


async def test_once_it_is_at_rest_they_are_off() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.afterwards("patch", KEY, [tenant.becomes(BOT, provisioning_state="Accepted")])
    rest = tenant.becomes(BOT, provisioning_state="Succeeded")
    tenant.meanwhile("account", KEY, [None, None, rest])
    assert (await remediated(tenant)).result is Result.DISABLED


async def test_an_account_deleted_after_its_change_is_gone_and_the_change_was_accepted() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.afterwards("patch", KEY, [lambda: tenant.delete(BOT)])
    outcome = await remediated(tenant)
    assert outcome.result is Result.GONE
    assert outcome.detail == "It was deleted after the change was sent."
    assert outcome.accepted is True


async def test_a_read_back_that_fails_is_tried_again() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", KEY, [None, *[an_error(status=500, code="Odd")] * 2])
    outcome = await remediated(tenant)
    assert outcome.result is Result.DISABLED
    assert outcome.azure_code == "Odd"


async def test_a_read_back_that_fails_for_good_is_unverified_and_says_why() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("account", KEY, [None, *repeat(an_error(status=500, code="Odd"), 20)])
    outcome = await remediated(tenant)
    assert outcome.result is Result.UNVERIFIED
    assert outcome.azure_code == "Odd"
    assert outcome.azure_message == "No."
    assert outcome.detail == "The change was sent, and the account could not be read back."
    assert outcome.accepted is True


async def test_it_is_read_back_no_longer_than_the_deadline() -> None:
    tenant = turned_on_again(FakeTenant.of(BOT))
    outcome = await remediated(tenant, budget=8, unit_seconds=5)
    assert outcome.result is Result.UNVERIFIED
    assert tenant.clock.monotonic() == 6


async def test_a_pause_that_just_ends_in_time_is_made() -> None:
    tenant = turned_on_again(FakeTenant.of(BOT))
    await remediated(tenant, budget=10, unit_seconds=5)
    assert tenant.clock.monotonic() == 10


# What Azure does not answer


NOT_ANSWERED = [an_error(Unclear, status) for status in (None, 408, 500, 503)]


def unanswered(*errors: AzureError) -> FakeTenant:
    """Return a tenant whose first changes are not made, and end so."""
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("patch", KEY, errors)
    return tenant


@pytest.mark.parametrize("error", NOT_ANSWERED, ids=lambda error: str(error.status))
async def test_a_change_that_was_not_answered_and_not_made_is_tried_once_more(
    error: AzureError,
) -> None:
    tenant = unanswered(error)
    outcome = await remediated(tenant)
    assert outcome.result is Result.DISABLED
    assert tenant.times("patch") == 2
    assert len(tenant.writes) == 1


async def test_a_second_try_waits_for_a_permit_of_its_own() -> None:
    unit = Unit(unanswered(an_error()))
    await unit.run()
    assert len(unit.permits.room) == 2


async def test_it_is_tried_once_more_and_no_more_often() -> None:
    tenant = unanswered(*[an_error(status=503, code="Gone away")] * 5)
    outcome = await remediated(tenant)
    assert outcome.result is Result.UNVERIFIED
    assert outcome.azure_code == "Gone away"
    assert outcome.accepted is True
    assert tenant.times("patch") == 2


async def test_what_a_second_try_finds_says_that_the_first_was_perhaps_accepted() -> None:
    tenant = unanswered(an_error())
    tenant.meanwhile("account", KEY, [*[None] * 9, tenant.becomes(BOT, keys_on=False)])
    outcome = await remediated(tenant)
    assert outcome.result is Result.ALREADY_OFF
    assert outcome.accepted is True


async def test_a_change_that_was_not_answered_and_was_made_is_disabled() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.afterwards("patch", KEY, [an_error(status=500, code="Lost")])
    outcome = await remediated(tenant)
    assert outcome.result is Result.DISABLED
    assert outcome.azure_code == "Lost"
    assert tenant.times("patch") == 1


@pytest.mark.parametrize(
    "error", [an_error(Unclear, 499), an_error(Unclear, 409), an_error(Unfinished, 500)]
)
async def test_a_change_that_was_answered_is_not_tried_again(error: AzureError) -> None:
    tenant = unanswered(error)
    outcome = await remediated(tenant)
    assert outcome.result is Result.UNVERIFIED
    assert tenant.times("patch") == 1


@pytest.mark.parametrize(
    "last_read",
    [lambda tenant: tenant.becomes(BOT, provisioning_state="Updating"), lambda _: an_error()],
    ids=["on its way", "unreadable"],
)
async def test_an_account_that_is_not_seen_at_rest_in_the_end_is_not_tried_again(
    last_read: Callable[[FakeTenant], Any],
) -> None:
    tenant = unanswered(an_error())
    tenant.meanwhile("account", KEY, [*[None] * 8, last_read(tenant)])
    assert (await remediated(tenant)).result is Result.UNVERIFIED
    assert tenant.times("patch") == 1


async def test_a_second_try_for_which_there_is_no_time_leaves_the_first_outcome() -> None:
    tenant = unanswered(an_error(status=503, code="Gone away"))
    outcome = await remediated(tenant, budget=96)
    assert outcome.result is Result.UNVERIFIED
    assert outcome.azure_code == "Gone away"
    assert tenant.times("patch") == 1


async def test_its_allowance_is_given_back_before_the_second_try() -> None:
    tenant = unanswered(an_error())
    assert (await remediated(tenant, Allowance(1))).result is Result.DISABLED


async def test_two_tries_are_one_write_of_the_allowance() -> None:
    allowance = Allowance(3)
    await remediated(unanswered(an_error()), allowance)
    assert await left_of(allowance) == 2


async def test_two_tries_that_both_failed_use_none_of_it() -> None:
    allowance = Allowance(3)
    await remediated(unanswered(*[an_error()] * 2), allowance)
    assert await left_of(allowance) == 3


async def test_a_release_that_ended_meanwhile_leaves_the_first_outcome() -> None:
    tenant = unanswered(an_error())
    release = Allowance(until=tenant.clock.now().replace(second=20))
    outcome = await remediated(tenant, release)
    assert outcome.result is Result.UNVERIFIED
    assert tenant.times("patch") == 1
