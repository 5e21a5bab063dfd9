"""An account that is put off for more than a day, for a reason that fails no sweep, is called out.

Law 6: whatever is put off for longer than a day is told by its age.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from dashboard.tables import Tables
from local_azure import Account, LocalAzure
from local_azure.clock import START
from local_azure.state import ids
from tests.support.alert_rules import BY_NAME, Received, dated
from tests.support.contoso import GRAPH, TAG, adrift
from tests.support.queries import filled, queries
from tests.support.real_sweeps import Swept, sweep
from tests.support.serving import Serve

type Arrange = Callable[[LocalAzure, Account], object]

THROTTLED = {"error": {"code": "TooManyRequests", "message": "Later."}}


def lock(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.add_lock(str(ids.resource_group_of(bot.id)))


def forbid(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.add_policy(str(ids.resource_group_of(bot.id)))


def keep_busy(_: LocalAzure, bot: Account) -> None:
    bot.provisioning_state = "Moving"


def close_the_lane(azure: LocalAzure, bot: Account) -> None:
    fault = azure.faults.on(method="PATCH", path=bot.id, times=None)
    fault.answer(429, THROTTLED, {"Retry-After": "3600"})


PUT_OFF: dict[str, Arrange] = {"BUSY": keep_busy, "DEFERRED": close_the_lane}
REFUSED: dict[str, Arrange] = {"LOCKED": lock, "POLICY_DENIED": forbid}


@dataclass
class Days:
    """Sweeps as days go by, and what Application Insights received of them."""

    azure: LocalAzure
    envelopes: list[dict[str, Any]] = field(default_factory=list)

    async def sweep_at(self, hours: float) -> Swept:
        """Sweep so many hours after the start."""
        self.azure.clock.advance(START + timedelta(hours=hours) - self.azure.now())
        swept = await sweep(self.azure)
        self.envelopes += swept.envelopes
        return swept

    def called(self, alert: str = "drift-put-off") -> list[dict[str, Any]]:
        """Return the rows that an alert's rule finds a quarter of an hour after the last sweep."""
        received = Received(self.envelopes)
        received.prepare(dated(filled(BY_NAME[alert]["query"])))
        return received.rows(self.azure.now().replace(tzinfo=None) + timedelta(minutes=15))

    def shown(self, step: str) -> list[dict[str, Any]]:
        """Return the rows that a step of the workbook shows."""
        return Tables(self.envelopes).query(queries()[f"workbook {step}"]).dicts()


def days_of(serve: Serve, opened_ago: timedelta) -> tuple[Days, Account]:
    """Give a tenant with one account, `bot`, whose keys were turned on so long before START."""
    tenant = adrift(local_auth=False)
    tenant.enable_keys("bot", at=START - opened_ago)
    return Days(serve(tenant)), tenant.account("bot")


@pytest.mark.parametrize("result", PUT_OFF)
async def test_an_account_that_is_put_off_for_a_day_is_called_with_the_digest_of_those_hours(
    serve: Serve, result: str
) -> None:
    days, bot = days_of(serve, timedelta(minutes=30))
    PUT_OFF[result](days.azure, bot)

    called = []
    for hours in (0, 23, 26, 34):
        swept = await days.sweep_at(hours)
        (outcome,) = swept.events("RemediationOutcome")
        assert outcome["result"] == result
        assert int(outcome["openHours"]) == hours
        called.append(len(days.called()))

    assert called == [0, 0, 0, 1]
    (row,) = days.called()
    assert bot.id.lower() in row["accountIds"]


@pytest.mark.parametrize("result", REFUSED)
async def test_an_account_that_somebody_refuses_for_a_week_is_called_by_its_age(
    serve: Serve, result: str
) -> None:
    days, bot = days_of(serve, timedelta(minutes=30))
    REFUSED[result](days.azure, bot)

    called = []
    for hours in (0, 6 * 24, 7.5 * 24):
        await days.sweep_at(hours)
        called.append(len(days.called("drift-old")))

    assert called == [0, 0, 1]
    (row,) = days.called("drift-old")
    assert row["accountId"] == bot.id.lower()
    assert row["result"] == result
    assert row["openDays"] == pytest.approx(7.5, abs=0.1)


async def test_one_that_is_older_than_the_change_log_is_called_from_the_second_sweep_on(
    serve: Serve,
) -> None:
    days, bot = days_of(serve, timedelta(days=20))
    close_the_lane(days.azure, bot)

    await days.sweep_at(0)
    assert days.called() == []
    swept = await days.sweep_at(25)

    (outcome,) = swept.events("RemediationOutcome")
    assert outcome["openSinceKnown"] == "atLeast"
    assert len(days.called()) == 1


async def test_one_of_unknown_age_counts_from_what_sweeps_told(serve: Serve) -> None:
    days, bot = days_of(serve, timedelta(days=3))
    keep_busy(days.azure, bot)
    called = []
    for hours in (0, 12, 25):
        # The fourth query is the change log's; the three before it are discovery's.
        days.azure.faults.clear()
        days.azure.faults.on(path=GRAPH, skip=4, times=None).answer(500)
        swept = await days.sweep_at(hours)
        (outcome,) = swept.events("RemediationOutcome")
        assert outcome["openSinceKnown"] == "unknown"
        called.append(len(days.called()))

    assert called == [0, 0, 1]


def exempt(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.tag(bot, {TAG: "until=2099-01-01"})


def turn_off(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.disable_keys(bot)


def delete(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.delete(bot)


def settle(_: LocalAzure, bot: Account) -> None:
    bot.provisioning_state = "Succeeded"


@pytest.mark.parametrize("mend", [exempt, turn_off, delete, settle])
async def test_the_alert_ends_with_the_sweep_that_finds_it_off_exempt_or_gone(
    serve: Serve, mend: Arrange
) -> None:
    days, bot = days_of(serve, timedelta(days=3))
    keep_busy(days.azure, bot)
    await days.sweep_at(0)
    await days.sweep_at(25)
    assert len(days.called()) == 1

    mend(days.azure, bot)
    await days.sweep_at(25.25)

    assert days.called() == []


async def test_a_sweep_that_still_runs_does_not_end_the_alert(serve: Serve) -> None:
    days, bot = days_of(serve, timedelta(days=3))
    keep_busy(days.azure, bot)
    await days.sweep_at(0)
    await days.sweep_at(25)
    ended = len(days.envelopes)
    await days.sweep_at(25.25)
    yet_to_come = {"RemediationOutcome", "SweepCompleted"}
    days.envelopes[ended:] = [
        envelope
        for envelope in days.envelopes[ended:]
        if envelope["data"]["baseData"].get("name") not in yet_to_come
    ]

    assert len(days.called()) == 1


async def test_the_oldest_drift_stands_first_in_the_workbook(serve: Serve) -> None:
    opened = {"bot-a": 30, "bot-b": 20 * 24, "bot-c": 50}
    days = Days(serve(adrift(*opened, local_auth=False)))
    for name, hours in opened.items():
        days.azure.tenant.enable_keys(name, at=START - timedelta(hours=hours))
    lock(days.azure, days.azure.tenant.account("bot-a"))
    await days.sweep_at(0)
    await days.sweep_at(0.25)

    rows = days.shown("drift-open")

    assert [(row["Account"], row["OpenFor"]) for row in rows] == [
        ("bot-b", "at least 14 days"),
        ("bot-c", "2 days"),
        ("bot-a", "30 h"),
    ]


@pytest.mark.parametrize("step", ["drift-open", "failed-now"])
async def test_the_workbook_says_what_is_put_off_for_longer_than_a_day(
    serve: Serve, step: str
) -> None:
    days, bot = days_of(serve, timedelta(minutes=30))
    keep_busy(days.azure, bot)

    rows = []
    for hours in (0, 26):
        await days.sweep_at(hours)
        rows += days.shown(step)

    assert [row["OpenFor"] for row in rows] == ["30 min", "26 h"]
    assert [row["ToDo"].startswith("Put off") for row in rows] == [False, True]
