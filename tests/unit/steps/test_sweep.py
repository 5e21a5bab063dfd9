"""Whole sweeps over a tenant in memory: what is told, in which order, what is written, and when."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.errors import Throttled
from shared.core.events import (
    AccountHeld,
    BrakeEngaged,
    DriftFound,
    ExemptionObserved,
    KeyAccessChanged,
    RemediationOutcome,
    SourcesDisagree,
    SubscriptionRead,
    SweepCompleted,
    SweepStarted,
)
from shared.core.model import (
    Account,
    Decision,
    HoldReason,
    KeyChange,
    Outcome,
    Result,
    Turned,
)
from shared.steps.allowance import Allowance
from shared.steps.sweep import new_sweep_id
from tests.support.builders import NOW, TAG, a_change
from tests.support.fake_sweeps import HOME, OTHER, Swept, bot, bots, swept
from tests.support.fake_tenant import Acknowledgement, FakeTenant, Write, an_error
from tests.support.virtual_time import VirtualLoop

EXEMPT = {TAG: "yes"}


class Audit(TypedDict):
    """Settings of a sweep that changes nothing."""

    SWEEP_MODE: str


AUDIT: Audit = {"SWEEP_MODE": "audit"}

SECOND = timedelta(seconds=1)


# A sweep


async def test_drift_is_found_announced_mended_and_told() -> None:
    found = await swept(FakeTenant.of(bot()))
    assert found.result() is Result.DISABLED
    assert found.event(DriftFound).account_id == bot().id.key
    assert found.event(RemediationOutcome).result == "DISABLED"
    assert found.report.whole


async def test_what_is_announced_is_told_before_all_else_but_the_beginning() -> None:
    tenant = FakeTenant.of(*bots(2), bot("b", tags=EXEMPT), bot("c", tags={TAG: "until=soon"}))
    tenant.changes.append(a_change(Turned.ON))
    order = (await swept(tenant, last=NOW)).order
    assert order == [
        "SweepStarted", "DriftFound", "DriftFound", "KeyAccessChanged", "ExemptionObserved",
        "ExemptionObserved", "AccountHeld", "SubscriptionRead", "RemediationOutcome",
        "RemediationOutcome", "SweepCompleted",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "scope"),
    [
        ({}, "all that the identity can read"),
        ({"SWEEP_SUBSCRIPTIONS": f"{HOME},{OTHER}"}, f"{HOME}, {OTHER}"),
        ({"SWEEP_MANAGEMENT_GROUPS": "mg-a,mg-b"}, "mg-a, mg-b"),
    ],
)
async def test_its_beginning_says_what_it_is_about(environ: dict[str, Any], scope: str) -> None:
    started = (await swept(FakeTenant.of(bot()), **environ)).event(SweepStarted)
    assert started.scope == scope
    assert started.kinds == "OpenAI, AIServices"
    assert started.exemption_tag == TAG
    assert started.notes == ""


async def test_its_beginning_says_which_settings_are_left_out_of_account() -> None:
    tenant, release = FakeTenant.of(bot()), "2026-12-01T00:00Z"
    found = await swept(tenant, BRAKE_RELEASE_UNTIL=release, **AUDIT)
    started = found.event(SweepStarted)
    assert started.notes == "BRAKE_RELEASE_UNTIL is left out of account: SWEEP_MODE is audit."


async def test_a_report_says_which_sweep_it_was_when_and_how_long_it_took() -> None:
    tenant = FakeTenant.of(bot())
    tenant.meanwhile("patch", bot().id.key, [3])
    await tenant.clock.sleep(60)
    report = (await swept(tenant, sweep_id="20261124T090100Z-7")).report
    assert report.sweep_id == "20261124T090100Z-7"
    assert report.mode == "enforce"
    assert report.started == NOW + 60 * SECOND
    assert report.duration == 3


async def test_its_end_says_what_the_report_says() -> None:
    found = await swept(FakeTenant.of(bot(), bot("b", keys_on=False)))
    assert found.event(SweepCompleted) == found.report.completed()


async def test_every_subscription_that_was_read_is_told() -> None:
    found = await swept(FakeTenant.of(bot("a"), bot("b", OTHER, keys_on=False)))
    read = {
        event.subscription_id: (event.drift, event.compliant)
        for event in found.events(SubscriptionRead)
    }
    assert read == {HOME: (1, 0), OTHER: (0, 1)}


async def test_sources_that_disagree_are_told() -> None:
    missed = bot("missed")
    tenant = FakeTenant.of(bot(), missed, unshown={missed.id.key})
    found = await swept(tenant, turns=frozenset(range(96)))
    assert found.event(SourcesDisagree).account_id == missed.id.key
    assert found.result(missed) is Result.DISABLED


async def test_the_day_of_a_sweep_is_the_day_on_which_it_began() -> None:
    tenant = FakeTenant.of(bot(tags={TAG: "2026-11-24"}))
    await tenant.clock.sleep(15 * 3600 - 30)
    tenant.meanwhile("visible", HOME, [60])
    found = await swept(tenant)
    assert found.report.exempt == 1
    assert tenant.writes == []


# What is decided


async def test_an_exempt_account_keeps_its_keys_and_is_told() -> None:
    found = await swept(FakeTenant.of(bot(tags={TAG: "until=2026-12-24; owner=ann"})))
    observed = found.event(ExemptionObserved)
    assert observed.state == "active"
    assert observed.days_left == 30
    assert observed.owner == "ann"
    assert found.report.exempt == 1
    assert found.tenant.writes == []


async def test_a_compliant_account_with_our_tag_is_told_and_counted_once() -> None:
    found = await swept(FakeTenant.of(bot(keys_on=False, tags=EXEMPT)))
    assert found.event(ExemptionObserved).keys_on is False
    assert found.report.accounts == found.report.compliant == 1


@pytest.mark.parametrize(
    ("account", "environ", "reason"),
    [
        (bot(tags={TAG: "31/12/2026"}), {}, HoldReason.UNREADABLE_TAG),
        (bot(tags={"LocalAuthExempt": ""}), {}, HoldReason.NEAR_MISS_TAG),
        (bot(tags=EXEMPT), {"EXEMPTION_REQUIRE_UNTIL": "true"}, HoldReason.TAG_BREAKS_RULE),
        (bot(custom_subdomain=None), {"NO_SUBDOMAIN": "hold"}, HoldReason.NO_SUBDOMAIN),
    ],
    ids=str,
)
async def test_a_held_account_keeps_its_keys_and_is_told_why(
    account: Account, environ: dict[str, Any], reason: HoldReason
) -> None:
    found = await swept(FakeTenant.of(account), **environ)
    assert found.event(AccountHeld).hold_reason == reason
    assert found.report.held == 1
    assert found.events(DriftFound) == []
    assert found.tenant.writes == []


async def test_an_account_without_a_subdomain_is_cut_off_by_default_and_flagged() -> None:
    found = await swept(FakeTenant.of(bot(custom_subdomain=None)))
    assert found.result() is Result.DISABLED
    assert found.event(DriftFound).no_custom_subdomain is True
    assert found.event(RemediationOutcome).no_custom_subdomain is True


async def test_an_inherited_exemption_counts_through_a_sweep() -> None:
    tenant = FakeTenant.of(bot(), unshown={HOME})
    tenant.groups[HOME, "rg-chat"] = EXEMPT
    found = await swept(tenant, EXEMPTION_INHERIT="resourceGroup")
    assert found.event(ExemptionObserved).level == "resourceGroup"
    assert tenant.writes == []


async def test_a_drift_its_outcome_a_hold_and_an_exemption_say_whose_the_account_is() -> None:
    tenant = FakeTenant.of(
        bot("a", tags={"team": "web"}),
        bot("b", tags={TAG: "until=soon"}),
        bot("c", tags={TAG: "owner=cy@contoso.com"}),
    )
    tenant.groups[HOME, "rg-chat"] = {"team": "chat"}
    found = await swept(tenant, OWNER_TAGS="team")
    drift, outcome = found.event(DriftFound), found.event(RemediationOutcome)
    assert drift.owner == "web"
    assert drift.owner_from == "account"
    assert outcome.owner == "web"
    assert outcome.owner_from == "account"
    held = found.event(AccountHeld)
    assert held.owner == "chat"
    assert held.owner_from == "resourceGroup"
    *_, exempt = found.events(ExemptionObserved)
    assert exempt.owner == "chat"
    assert exempt.exemption_owner == "cy@contoso.com"


async def test_a_sweep_whose_owners_can_not_be_read_is_whole_and_names_none() -> None:
    tenant = FakeTenant.of(bot())
    tenant.groups[HOME, "rg-chat"] = {"team": "chat"}
    tenant.subscribe(HOME, tags={"team": "boss"})
    tenant.meanwhile("groups shown", HOME, [an_error()])
    found = await swept(tenant, OWNER_TAGS="team")
    assert found.event(DriftFound).owner == ""
    assert found.event(DriftFound).owner_from == ""
    assert found.report.whole
    assert len(tenant.writes) == 1


# Nothing is written unannounced


def announced_before_written(tenant: FakeTenant) -> bool:
    """Whether each write came after the acknowledgement of its announcement."""
    announced: set[str] = set()
    for entry in tenant.journal:
        match entry:
            case Acknowledgement(account):
                announced.add(account)
            case Write(account):
                if account.id.key not in announced:
                    return False
    return True


async def test_a_change_waits_for_the_acknowledgement_of_its_announcement() -> None:
    found = await swept(FakeTenant.of(bot()), seconds=10)
    (write,) = found.tenant.writes
    assert write.at == 10
    assert announced_before_written(found.tenant)


async def test_one_acknowledgement_is_waited_for_all_changes() -> None:
    found = await swept(FakeTenant.of(*bots(3), bot("e", tags=EXEMPT)))
    assert found.telemetry.asked == [3]


async def test_without_a_change_none_is_waited_for() -> None:
    found = await swept(FakeTenant.of(bot(tags=EXEMPT)))
    assert found.telemetry.asked == []


async def test_a_change_whose_announcement_nobody_acknowledged_is_put_off_and_red() -> None:
    found = await swept(FakeTenant.of(bot()), takes=lambda _: False)
    assert found.result() is Result.DEFERRED
    assert found.report.unannounced == 1
    assert not found.report.whole
    assert found.tenant.times("account") == 0
    assert found.tenant.writes == []
    assert found.event(RemediationOutcome).detail == (
        "Application Insights did not acknowledge the announcement of this change, and nothing is "
        "written unannounced."
    )


async def test_an_announcement_that_was_lost_holds_up_its_own_account_alone() -> None:
    lost, *others = bots(5)
    found = await swept(
        FakeTenant.of(lost, *others),
        takes=lambda event: not isinstance(event, DriftFound) or event.account_id != lost.id.key,
    )
    assert found.result(lost) is Result.DEFERRED
    assert found.results == {Result.DISABLED: 4, Result.DEFERRED: 1}
    assert found.report.unannounced == 1


@settings(max_examples=40)
@given(
    lost=st.frozensets(st.integers(0, 5)),
    refused=st.frozensets(st.integers(0, 5)),
    exempt=st.frozensets(st.integers(0, 5)),
)
def test_law_nothing_is_written_that_was_not_announced_or_that_is_exempt(
    lost: frozenset[int], refused: frozenset[int], exempt: frozenset[int]
) -> None:
    """Some announcements are lost, some changes refused, some accounts exempted meanwhile."""
    accounts = bots(6)

    async def sweep() -> Swept:
        tenant = FakeTenant.of(*accounts, locked={accounts[number].id.key for number in refused})
        for number in exempt:
            account = accounts[number]
            tenant.meanwhile("account", account.id.key, [tenant.becomes(account, tags=EXEMPT)])
        names = {accounts[number].id.key for number in lost}
        return await swept(
            tenant, takes=lambda event: getattr(event, "account_id", "") not in names
        )

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        found = runner.run(sweep())
    written = {write.account.id.key for write in found.tenant.writes}
    spared = lost | refused | exempt
    assert written == {
        account.id.key for number, account in enumerate(accounts) if number not in spared
    }
    assert announced_before_written(found.tenant)
    assert len(found.report.outcomes) == 6


# Audit mode, and notice


async def test_audit_mode_asks_and_changes_nothing_waits_for_nobody_and_says_what_it_would() -> (
    None
):
    found = await swept(FakeTenant.of(bot()), takes=lambda _: False, seconds=1000, **AUDIT)
    assert found.result() is Result.WOULD_DISABLE
    assert found.event(RemediationOutcome).detail == "Audit mode changes nothing."
    assert found.tenant.times("account") == 0
    assert found.tenant.writes == []
    assert found.tenant.clock.monotonic() == 0
    assert found.report.whole


# The brake


class Limit(TypedDict):
    """Settings of a sweep whose brake allows two changes."""

    MAX_CHANGES_PER_SWEEP: str


LIMIT: Limit = {"MAX_CHANGES_PER_SWEEP": "2"}


async def test_at_the_limit_nothing_brakes() -> None:
    found = await swept(FakeTenant.of(*bots(2)), **LIMIT)
    assert found.events(BrakeEngaged) == []
    assert found.report.brake == ""
    assert found.results == {Result.DISABLED: 2}


async def test_more_changes_than_the_limit_are_all_held_and_not_announced() -> None:
    found = await swept(FakeTenant.of(*bots(3), bot("e", tags=EXEMPT)), **LIMIT)
    assert found.report.held == 3
    assert found.report.drift == 0
    assert found.report.exempt == 1
    assert found.report.outcomes == ()
    assert found.tenant.writes == []
    assert [event.hold_reason for event in found.events(AccountHeld)] == ["BRAKE"] * 3
    assert "3 changes in one sweep, and 2 are allowed" in found.events(AccountHeld)[0].reason
    assert found.events(DriftFound) == []


async def test_a_trickle_lets_so_many_writes_through_and_puts_off_the_rest() -> None:
    found = await swept(FakeTenant.of(*bots(5)), BRAKE="trickle", **LIMIT)
    assert found.results == {Result.DISABLED: 2, Result.DEFERRED: 3}
    assert found.event(BrakeEngaged).brake.startswith("This sweep makes 2 of the 5 changes: the")
    assert len(found.events(DriftFound)) == 5
    assert found.report.whole


async def test_what_azure_refuses_is_not_counted_by_the_trickle() -> None:
    accounts = bots(4)
    tenant = FakeTenant.of(*accounts, locked={account.id.key for account in accounts[:3]})
    found = await swept(tenant, BRAKE="trickle", **LIMIT)
    assert found.results == {Result.DISABLED: 1, Result.LOCKED: 3}


async def test_a_trickle_takes_another_order_in_another_sweep() -> None:
    written = set()
    for number in range(12):
        found = await swept(
            FakeTenant.of(*bots(5)), BRAKE="trickle", sweep_id=f"sweep-{number}", **LIMIT
        )
        written |= {write.account.id.name for write in found.tenant.writes}
    assert len(written) == 5


async def test_a_release_lets_everything_through() -> None:
    found = await swept(FakeTenant.of(*bots(3)), BRAKE_RELEASE_UNTIL="2026-11-24T09:01Z", **LIMIT)
    assert found.results == {Result.DISABLED: 3}
    assert found.events(BrakeEngaged) == []


async def test_a_release_that_ends_meanwhile_puts_off_the_rest() -> None:
    """Four changes of a subscription at a time, each of which is read back in 25 s."""
    tenant = FakeTenant.of(*bots(16))
    for account in tenant.accounts.values():
        tenant.meanwhile("account", account.id.key, [0, 25])
    found = await swept(tenant, BRAKE_RELEASE_UNTIL="2026-11-24T09:01Z", **LIMIT)
    assert found.results == {Result.DISABLED: 12, Result.DEFERRED: 4}
    assert max(write.at for write in tenant.writes) < 60


# The change log


async def test_a_drift_is_told_with_who_turned_the_keys_on_and_how_often_they_flipped() -> None:
    tenant = FakeTenant.of(bot())
    tenant.changes += [
        a_change(Turned.OFF, NOW - timedelta(hours=3)),
        a_change(Turned.ON, NOW - timedelta(hours=2), by="bob@contoso.com"),
    ]
    found = await swept(tenant)
    assert found.event(RemediationOutcome).open_hours == 2
    drift = found.event(DriftFound)
    assert drift.changed_by == "bob@contoso.com"
    assert drift.attribution == "changeLog"
    assert drift.flips == 2
    assert drift.open_since_known == "exactly"
    assert drift.open_hours == 2


def changed(*hours: float) -> list[KeyChange | str]:
    """Return changes so many hours ago, each of another account."""
    return [
        a_change(Turned.ON, NOW - timedelta(hours=ago), f"bot-{ago}", by=f"{ago}") for ago in hours
    ]


@pytest.mark.parametrize(
    ("last", "authors"),
    [
        (None, ["25", "24.5", "1"]),
        (NOW - timedelta(hours=2), ["3", "1"]),
        (NOW - timedelta(days=3), ["73", "26", "1"]),
    ],
)
async def test_changes_since_the_last_firing_and_an_hour_are_told(
    last: datetime | None, authors: list[str]
) -> None:
    tenant = FakeTenant.of(bot())
    hours = {None: (25, 24.5, 25.1, 1), NOW - timedelta(hours=2): (3, 3.1, 1)}
    tenant.changes = changed(*hours.get(last, (73, 73.1, 26, 1)))
    found = await swept(tenant, last=last)
    assert [event.changed_by for event in found.events(KeyAccessChanged)] == authors


async def test_changes_are_told_with_how_often_their_account_flipped_and_are_counted() -> None:
    tenant = FakeTenant.of(bot())
    tenant.changes += [a_change(Turned.OFF, NOW - timedelta(hours=1)), a_change(Turned.ON, NOW)]
    found = await swept(tenant)
    assert [event.flips for event in found.events(KeyAccessChanged)] == [2, 2]
    assert found.event(SweepCompleted).key_changes == 2


async def test_a_change_log_that_can_not_be_read_is_said_and_keeps_the_sweep_whole() -> None:
    tenant = FakeTenant.of(bot())
    tenant.meanwhile("changes", HOME, [an_error(code="Busy")])
    found = await swept(tenant)
    assert "Busy" in found.report.change_log_unread
    assert found.report.whole
    assert found.result() is Result.DISABLED


async def test_rows_of_the_change_log_that_lack_something_are_counted() -> None:
    tenant = FakeTenant.of(bot(), changes=["no moment"])
    report = (await swept(tenant)).report
    assert report.change_log_lacking == 1


async def test_without_a_subscription_there_is_no_change_log_to_read() -> None:
    report = (await swept(FakeTenant())).report
    assert report.change_log_unread == "no subscription could be read"
    assert not report.whole


async def test_resource_graphs_silence_means_nothing_where_arm_knows_better() -> None:
    tenant = FakeTenant.of(bot(), unshown={bot().id.key})
    drift = (await swept(tenant, turns=frozenset(range(96)))).event(DriftFound)
    assert drift.open_since_known == "unknown"


# Remediation side by side


async def test_an_outcome_is_told_when_it_is_known() -> None:
    tenant = FakeTenant.of(bot("quick"), bot("slow", OTHER))
    tenant.meanwhile("patch", bot("slow", OTHER).id.key, [4])
    found = await swept(tenant)
    emitted = zip(found.telemetry.events, found.telemetry.times, strict=True)
    times = {
        event.account_name: at for event, at in emitted if isinstance(event, RemediationOutcome)
    }
    assert times == {"quick": 0, "slow": 4}


@dataclass
class Counting:
    """A remediator that takes ten seconds an account, and counts how many are at work."""

    tenant: FakeTenant
    at_work: int = 0
    most: int = 0

    async def remediate(self, decision: Decision, allowance: Allowance) -> Outcome:
        """Do nothing for a while."""
        del allowance
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        await self.tenant.clock.sleep(10)
        self.at_work -= 1
        return Outcome(decision, Result.DISABLED)


@pytest.mark.parametrize(("count", "at_a_time"), [(1, 1), (3, 3), (4, 4), (9, 4)])
async def test_of_a_subscription_four_changes_at_a_time_are_begun(
    count: int, at_a_time: int
) -> None:
    tenant = FakeTenant.of(*bots(count))
    remediator = Counting(tenant)
    found = await swept(tenant, remediator=remediator)
    assert remediator.most == at_a_time
    assert len(found.report.outcomes) == count


@pytest.mark.parametrize(
    ("concurrency", "written_at"),
    [("8", [4] * 8), ("2", [4, 4, 8, 8, 12, 12, 16, 16])],
)
async def test_subscriptions_work_side_by_side_as_far_as_the_settings_allow(
    concurrency: str, written_at: list[int]
) -> None:
    tenant = FakeTenant.of(*bots(4), *bots(4, OTHER))
    for account in tenant.accounts.values():
        tenant.meanwhile("patch", account.id.key, [4])
    await swept(tenant, SWEEP_CONCURRENCY=concurrency)
    assert [write.at for write in tenant.writes] == written_at


async def test_a_subscription_that_is_throttled_keeps_no_other_waiting() -> None:
    tenant = FakeTenant.of(*bots(20), bot("other", OTHER))
    for account in bots(20):
        tenant.meanwhile("account", account.id.key, repeat(an_error(Throttled, 429)))
        tenant.meanwhile("account", account.id.key, [300])
    found = await swept(tenant, SWEEP_CONCURRENCY="8")
    assert found.result(bot("other", OTHER)) is Result.DISABLED
    assert tenant.writes[0].at == 0


async def test_what_the_budget_leaves_no_time_for_is_put_off() -> None:
    tenant = FakeTenant.of(*bots(5))
    for account in tenant.accounts.values():
        tenant.meanwhile("patch", account.id.key, [4])
        tenant.meanwhile("account", account.id.key, [None, 90])
    found = await swept(tenant, SWEEP_BUDGET_SECONDS="180")
    assert found.results == {Result.DISABLED: 4, Result.DEFERRED: 1}


async def test_one_failure_stops_no_other() -> None:
    accounts = bots(6)
    tenant = FakeTenant.of(*accounts)
    tenant.locked = {accounts[0].id.key}
    tenant.without_role = {accounts[1].id.key}
    tenant.meanwhile("account", accounts[2].id.key, [an_error()])
    found = await swept(tenant)
    assert found.results == {
        Result.LOCKED: 1, Result.NO_ROLE: 1, Result.FAILED: 1, Result.DISABLED: 3,
    }  # fmt: skip


def mistake() -> None:
    raise ZeroDivisionError("a mistake")


async def test_a_mistake_of_ours_with_one_account_stops_no_other_and_is_logged_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tenant = FakeTenant.of(bot("a"), bot("b"))
    tenant.meanwhile("account", bot("a").id.key, [mistake])
    with caplog.at_level(logging.ERROR, "keysweep"):
        found = await swept(tenant)
    assert found.result(bot("a")) is Result.UNVERIFIED
    assert found.result(bot("b")) is Result.DISABLED
    assert not found.report.whole
    (outcome,) = (event for event in found.events(RemediationOutcome) if event.account_name == "a")
    assert outcome.detail == (
        "Keysweep itself went wrong here: look at the account, and report this "
        "(ZeroDivisionError: a mistake)."
    )
    assert outcome.azure_code == ""
    assert outcome.accepted is True
    (record,) = caplog.records
    assert record.name == "keysweep"
    assert str(bot("a").id) in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


# Names


def test_a_sweep_is_named_by_its_time() -> None:
    moment = datetime(2026, 11, 24, 9, 5, 7, tzinfo=UTC)
    assert new_sweep_id(moment, "ab12") == "20261124T090507Z-ab12"
