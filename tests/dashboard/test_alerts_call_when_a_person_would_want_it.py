"""Each alert calls when a person would want to be called, and at no other time.

Sweeps with all parts that are the product's own, over a tenant in memory, at five schedules; what
they sent is judged by the rules as Azure documents them (tests/support/alert_rules.py). The calls
that are wanted are written down by hand.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import repeat
from math import ceil
from typing import Any

import pytest

from shared.core.events import DriftFound, Event, RemediationOutcome, SweepCompleted
from shared.core.model import Account, AccountId, KeyChange, Turned
from tests.support.alert_rules import BEGINNING, Story, calls, span
from tests.support.builders import TAG
from tests.support.fake_sweeps import HOME, OTHER, bot, bots
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.virtual_time import START

SCHEDULES = ("PT15M", "PT1H", "PT2H", "PT6H", "P1D")
every_schedule = pytest.mark.parametrize(
    "schedule",
    [
        pytest.param(schedule, marks=() if schedule == "PT1H" else pytest.mark.nightly)
        for schedule in SCHEDULES
    ],
)
type Happens = Mapping[int, Callable[[Story], object]]


def at(schedule: str, hours: float, ticks: int) -> int:
    """Return the first tick after so many hours, and after so many ticks."""
    return max(ceil(timedelta(hours=hours) / span(schedule)), ticks)


def short(series: tuple[str, ...]) -> str:
    """Name an account by its name, a subscription by its last digit; a moment becomes `found`."""
    words = (word.rpartition("/")[2] for word in series)
    return " ".join(
        "found" if word.startswith("2026-") else word[-12:].lstrip("0") for word in words
    )


def called(name: str, story: Story, schedule: str, **more: Any) -> Counter[str]:
    until = more.pop("until", story.ended + span(schedule))
    return Counter(
        short(call.series) for call in calls(name, story.envelopes, schedule, until, **more)
    )


def a_story(schedule: str, *accounts: Account, **environ: str) -> Story:
    return Story(FakeTenant.of(*accounts), span(schedule), environ)


def turns_on(*accounts: Account) -> Callable[[Story], None]:
    def happens(story: Story) -> None:
        for account in accounts:
            story.tenant.change(account, keys_on=True)

    return happens


def becomes(**changes: object) -> Callable[[Story], None]:
    def happens(story: Story) -> None:
        for name, value in changes.items():
            setattr(story, name, value)

    return happens


QUIET = bot("quiet", keys_on=False)
A, B = bot("a", keys_on=False), bot("b", keys_on=False)
C = bot("c", OTHER, keys_on=False)


# No completed sweep


@pytest.mark.slow
@every_schedule
def test_one_missing_sweep_calls_nobody_and_each_silence_calls_once(schedule: str) -> None:
    happens: Happens = {
        3: becomes(silent=True),
        4: becomes(silent=False),
        8: becomes(silent=True),
        16: becomes(silent=False),
        24: becomes(silent=True),
    }
    story = a_story(schedule, QUIET).pass_by(25, happens)
    until = story.ended + 8 * span(schedule)
    assert called("no-sweep", story, schedule, until=until) == {"": 2}


@pytest.mark.parametrize(("hours", "times"), [(23, 0), (26, 1)])
def test_a_new_deployment_has_a_day_to_get_its_package(hours: int, times: int) -> None:
    story = a_story("PT15M", QUIET).pass_by(1, {})
    begin = BEGINNING - timedelta(hours=30)
    until = begin + timedelta(hours=hours)
    found = calls("no-sweep", story.envelopes, "PT15M", until, begin=begin, deployed=begin)
    assert len(found) == times


def test_a_dead_deployment_is_not_hidden_by_another_one_that_lives() -> None:
    dead = a_story("PT1H", QUIET).pass_by(2, {})
    lives = Story(FakeTenant.of(QUIET), span("PT1H"), role="func-other").pass_by(12, {})
    envelopes = [*dead.envelopes, *lives.envelopes]
    assert len(calls("no-sweep", envelopes, "PT1H", lives.ended)) == 1


# Sweeps fail


@pytest.mark.slow
@every_schedule
def test_rejected_settings_call_at_once_and_other_failures_when_two_of_three_sweeps_failed(
    schedule: str,
) -> None:
    happens: Happens = {
        2: turns_on(A),
        3: becomes(rejected=True),
        4: becomes(rejected=False),
        10: lambda story: (turns_on(A)(story), becomes(refuses=True)(story)),
        11: becomes(refuses=False),
        18: lambda story: (turns_on(A)(story), becomes(refuses=True)(story)),
        20: becomes(refuses=False),
    }
    story = a_story(schedule, A).pass_by(24, happens)
    assert called("sweep-failed", story, schedule) == {"": 2}


@pytest.mark.slow
def test_what_another_alert_tells_is_no_failed_sweep_too() -> None:
    story = a_story("PT1H", A, SWEEP_SUBSCRIPTIONS=f"{HOME},{OTHER}")
    story.tenant.without_role.add(A.id.key)
    story.pass_by(8, {1: turns_on(A)})
    assert called("sweep-failed", story, "PT1H") == {}


# Changes failed


@pytest.mark.slow
@every_schedule
def test_an_account_that_fails_for_ever_calls_once_and_does_not_mask_the_next(
    schedule: str,
) -> None:
    story = a_story(schedule, A, B)
    for account in (A, B):
        story.tenant.meanwhile("patch", account.id.key, repeat(an_error(status=500)))
    story.pass_by(14, {2: turns_on(A), 6: turns_on(B)})
    assert called("changes-failed", story, schedule) == {"a": 1, "b": 1}


@pytest.mark.slow
def test_an_account_that_was_mended_and_fails_again_calls_again() -> None:
    story = a_story("PT1H", A)
    story.tenant.meanwhile("patch", A.id.key, repeat(an_error(status=500)))
    mended = {5: lambda story: story.tenant.change(A, keys_on=False)}
    story.pass_by(14, {2: turns_on(A), **mended, 10: turns_on(A)})
    assert called("changes-failed", story, "PT1H") == {"a": 2}


@pytest.mark.nightly
@pytest.mark.slow
def test_a_role_that_has_not_arrived_calls_a_day_after_enforcement_began() -> None:
    story = a_story("PT1H", A)
    story.tenant.without_role.add(A.id.key)
    story.pass_by(30, {0: turns_on(A)})
    early = story.ended - timedelta(hours=6)
    assert called("changes-failed", story, "PT1H", until=early) == {}
    assert called("changes-failed", story, "PT1H") == {"a": 1}


# Digests


def refuse(story: Story) -> None:
    story.tenant.locked |= {A.id.key, C.id.key}
    story.tenant.forbidden.add(B.id.key)


@pytest.mark.nightly
@every_schedule
def test_a_lock_calls_once_for_its_subscription_and_once_more_when_it_stands_for_a_day(
    schedule: str,
) -> None:
    story = a_story(schedule, A, B, C)
    refuse(story)
    happens = {at(schedule, 8, 1): turns_on(A), at(schedule, 20, 2): turns_on(B, C)}
    story.pass_by(at(schedule, 76, 6), happens)
    assert called("change-refused", story, schedule) == {
        "1 found": 2,
        "1 before": 1,
        "2 found": 1,
        "2 before": 1,
    }


def is_lost_if_killed(event: Event) -> bool:
    return isinstance(event, RemediationOutcome | SweepCompleted)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", [pytest.param("PT6H", marks=pytest.mark.nightly), "P1D"])
def test_a_killed_sweep_makes_no_news_of_what_stood_before_it(schedule: str) -> None:
    story = a_story(schedule, A)
    refuse(story)
    killed = at(schedule, 36, 3)
    happens: Happens = {
        1: turns_on(A),
        killed: becomes(loses=is_lost_if_killed),
        killed + 1: becomes(loses=lambda _: False),
    }
    story.pass_by(at(schedule, 96, 6), happens)
    assert called("change-refused", story, schedule) == {"1 found": 1, "1 before": 1}


@pytest.mark.nightly
@pytest.mark.slow
def test_what_went_away_and_came_back_calls_again_and_is_no_news_two_days_later() -> None:
    story = a_story("PT6H", A)
    refuse(story)
    busy = {6: lambda story: story.tenant.change(A, provisioning_state="Moving")}
    rests = {7: lambda story: story.tenant.change(A, provisioning_state="Succeeded")}
    story.pass_by(16, {1: turns_on(A), **busy, **rests})
    assert called("change-refused", story, "PT6H") == {"1 found": 1, "1 before": 2}


@pytest.mark.nightly
@pytest.mark.slow
def test_four_hundred_and_sixty_locked_accounts_are_one_call_a_subscription() -> None:
    subscriptions = [f"00000000-0000-0000-0000-0000000000{number}" for number in range(10, 30)]
    accounts = [account for name in subscriptions for account in bots(23, name, keys_on=False)]
    story = a_story("PT1H", *accounts, BRAKE_RELEASE_UNTIL="2027-01-01T00:00Z")
    story.tenant.locked |= {account.id.key for account in accounts}
    story.pass_by(12, {2: turns_on(*accounts)})
    assert called("change-refused", story, "PT1H").total() == 20


@pytest.mark.nightly
@every_schedule
def test_a_drift_is_put_off_when_enforcement_is_in_force_for_a_day(schedule: str) -> None:
    story = a_story(schedule, A)
    first = at(schedule, 30, 2)
    busy = {first: lambda story: story.tenant.change(A, keys_on=True, provisioning_state="Moving")}
    story.pass_by(first + at(schedule, 52, 4), busy)
    # Its age is known as "at least" and counts from the second sweep on: with a sweep a day, the
    # two days that a query sees hold no earlier one by then.
    wanted = {"1 before": 1} if schedule == "P1D" else {"1 found": 1, "1 before": 1}
    assert called("drift-put-off", story, schedule) == wanted


@pytest.mark.nightly
@every_schedule
def test_a_tag_that_nobody_can_read_is_told_by_subscription(schedule: str) -> None:
    story = a_story(schedule, A, C)
    first = at(schedule, 8, 1)

    def tag(story: Story) -> None:
        for account in (A, C):
            story.tenant.change(account, keys_on=True, tags={TAG: "31/12/2026"})

    story.pass_by(first + at(schedule, 52, 4), {first: tag})
    assert called("tag-unreadable", story, schedule) == {
        f"{number} {when}": 1 for number in (1, 2) for when in ("found", "before")
    }


@pytest.mark.slow
@every_schedule
def test_a_patch_war_is_told_by_subscription(schedule: str) -> None:
    story = a_story(schedule, A)
    first = at(schedule, 8, 1)
    story.pass_by(first + at(schedule, 52, 4), {first: flips})
    assert called("patch-war", story, schedule) == {"1 found": 1, "1 before": 1}


def flips(story: Story) -> None:
    now = story.tenant.clock.now()
    story.tenant.changes += [
        flip(A.id, Turned.ON if number % 2 else Turned.OFF, now - timedelta(hours=1 + number))
        for number in range(4)
    ]


@pytest.mark.slow
def test_a_change_log_that_one_sweep_could_not_read_makes_no_news_of_a_patch_war() -> None:
    story = a_story("P1D", A)
    unread = {3: lambda story: story.tenant.meanwhile("changes", HOME, [an_error()])}
    story.pass_by(6, {1: flips, **unread})
    assert called("patch-war", story, "P1D") == {"1 found": 1, "1 before": 1}


def flip(account: AccountId, turned: Turned, when: Any) -> KeyChange:
    return KeyChange(
        f"change-{when:%H%M}", when, account, turned, "somebody", "User", "Azure Portal", "write",
        ours=False,
    )  # fmt: skip


@pytest.mark.nightly
@pytest.mark.slow
@every_schedule
def test_exemptions_are_told_once_for_each_last_day_and_no_more_when_they_are_renewed(
    schedule: str,
) -> None:
    days = {name: START + timedelta(days=number) for name, number in {"a": 15, "b": 60}.items()}
    accounts = [bot(name, tags={TAG: f"{day:%Y-%m-%d}"}) for name, day in days.items()]
    story = a_story(schedule, *accounts)
    renewed = {TAG: f"{START + timedelta(days=90):%Y-%m-%d}"}
    second_day, third_day = at(schedule, 40, 3), at(schedule, 50, 4)
    sooner = {TAG: f"{START + timedelta(days=10):%Y-%m-%d}"}
    story.pass_by(
        at(schedule, 60, 8),
        {
            second_day: lambda story: story.tenant.change(accounts[1], tags=sooner),
            third_day: lambda story: story.tenant.change(accounts[0], tags=renewed),
        },
    )
    assert called("exemption-lapses", story, schedule) == {"1 found": 2}


# The brake, and much drift


@pytest.mark.slow
@every_schedule
def test_the_brake_calls_once_until_it_is_released(schedule: str) -> None:
    accounts = bots(30, keys_on=False)
    story = a_story(schedule, *accounts)
    story.pass_by(
        16,
        {
            2: turns_on(*accounts),
            5: lambda story: story.tenant.unlisted.add(HOME),
            6: lambda story: story.tenant.unlisted.clear(),
            9: lambda story: story.environ.update(BRAKE_RELEASE_UNTIL="2027-06-01T00:00Z"),
        },
    )
    assert called("brake-engaged", story, schedule) == {"": 1}


BURST = bots(12, keys_on=False)


@pytest.mark.nightly
@pytest.mark.slow
@every_schedule
def test_much_drift_calls_for_each_burst_but_not_on_the_first_day_of_enforcement(
    schedule: str,
) -> None:
    burst = turns_on(*BURST)
    story = a_story(schedule, *BURST)
    second, third = at(schedule, 30, 3), at(schedule, 40, 8)
    story.pass_by(third + 3, {0: burst, second: burst, third: burst})
    assert called("drift-high", story, schedule) == {"": 2}


@pytest.mark.slow
def test_much_drift_on_the_first_day_of_a_later_ring_calls_nobody() -> None:
    later = bots(12, OTHER, keys_on=False)
    rings = f"{HOME}, {OTHER}@{BEGINNING + timedelta(hours=40):%Y-%m-%dT%H:%MZ}"
    story = a_story("PT1H", A, *later, ENFORCE_SCOPES=rings)
    story.pass_by(44, {30: turns_on(*later)})
    assert called("drift-high", story, "PT1H") == {}


@pytest.mark.slow
def test_much_drift_in_audit_calls_nobody() -> None:
    burst = turns_on(*BURST)
    story = a_story("PT1H", *BURST, SWEEP_MODE="audit").pass_by(32, {0: burst})
    assert called("drift-high", story, "PT1H") == {}


@pytest.mark.slow
@every_schedule
def test_a_drift_that_is_open_for_too_long_calls_once_for_each_account(schedule: str) -> None:
    story = a_story(schedule, A, B)
    refuse(story)
    first, second = at(schedule, 30, 3), at(schedule, 36, 5)
    story.pass_by(second + 4, {first: turns_on(A), second: turns_on(B)})
    assert called("drift-old", story, schedule) == {"a": 1, "b": 1}


@pytest.mark.slow
def test_a_day_without_sweeps_begins_no_first_day_of_enforcement_anew() -> None:
    story = a_story("P1D", A)
    refuse(story)
    happens: Happens = {0: turns_on(A), 3: becomes(silent=True), 4: becomes(silent=False)}
    story.pass_by(6, happens)
    assert called("drift-old", story, "P1D") == {"a": 1}


# Coverage, and telemetry


def unreadable(story: Story) -> None:
    story.tenant.unlisted.add(OTHER)
    story.tenant.unshown.add(OTHER)


def readable(story: Story) -> None:
    story.tenant.unlisted.discard(OTHER)
    story.tenant.unshown.discard(OTHER)


@pytest.mark.slow
@every_schedule
def test_one_bad_sweep_calls_nobody_and_what_stays_unread_calls_once(schedule: str) -> None:
    story = a_story(schedule, QUIET, C, SWEEP_SUBSCRIPTIONS=f"{HOME},{OTHER}")
    bad = at(schedule, 30, 3)
    happens = {0: unreadable, 1: readable, bad: unreadable, bad + 1: readable}
    story.pass_by(bad + 14, {**happens, bad + 6: unreadable, bad + 11: readable})
    (what,) = called("coverage-dropped", story, schedule).items()
    assert what[1] == 1


@pytest.mark.slow
@every_schedule
def test_telemetry_that_is_partly_lost_calls_when_two_of_three_sweeps_lack_some(
    schedule: str,
) -> None:
    def loses(event: Event) -> bool:
        return isinstance(event, DriftFound)

    story = a_story(schedule, A)
    refuse(story)
    happens: Happens = {
        1: turns_on(A),
        4: becomes(loses=loses),
        5: becomes(loses=lambda _: False),
        10: becomes(loses=loses),
        13: becomes(loses=lambda _: False),
    }
    story.pass_by(18, happens)
    assert called("telemetry-lost", story, schedule) == {"": 1}
