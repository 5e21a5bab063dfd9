"""Exposure, Evidence and Who, held against what truly happened in an eventful month.

What is expected comes from the local Azure's state and its record of changes, never from an event.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from statistics import median_low
from typing import Any

import pytest

from dashboard.capture import read_capture
from dashboard.tables import Tables
from infra.workbook.history import HISTORY_OF
from tests.support.captured import Captured, naive
from tests.support.month_steps import (
    RANGE,
    asked,
    at_each_of,
    at_minute,
    history,
    minute,
    rows,
    until,
)
from tests.support.queries import steps
from tools.month import Standing, Tick, Turn
from tools.month_truth import (
    SCOPE,
    History,
    completes,
    covered,
    findings,
    found_by,
    readable,
    reads,
)

MOMENTS = {"with the brake on": 4.6, "with a subscription unseen": 12.6, "at the end": 30.0}
every_moment = at_each_of(MOMENTS)
_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)
REVIEW = ("exposure-", "evidence-", "who-")


def tile(captured: Captured, days: float, step: str, title: str) -> dict[str, Any]:
    (found,) = (row for row in rows(captured, days, step) if row["Title"] == title)
    return found


def seen_on(history: History, *verdicts: str) -> dict[str, list[Tick]]:
    """Return the sweeps that had to find an account with its keys on, by account."""
    found = defaultdict(list)
    for tick, finding in found_by(history.read):
        if finding.verdict in verdicts:
            found[finding.account.id].append(tick)
    return found


def turned_off_after(history: History, turn: Turn) -> datetime | None:
    """Return when its keys truly went off after they were turned on; None: not yet."""
    offs = (
        naive(off.at)
        for off in history.truth.turns
        if off.account == turn.account and off.turned == "off" and off.at > turn.at
    )
    return min((off for off in offs if off <= history.until), default=None)


def known_turns_on(history: History) -> list[Turn]:
    """Return the times that keys were turned on which a sweep told, or knew when it saw them on."""
    told, seen = history.turns(), seen_on(history, "DRIFT")

    def is_seen(turn: Turn) -> bool:
        off = turned_off_after(history, turn) or history.until
        ticks = (tick for tick in seen[turn.account] if tick in history.logged)
        return any(naive(turn.at) < naive(tick.at) <= off for tick in ticks)

    turns = (turn for turn in history.truth.turns if turn.turned == "on")
    return [turn for turn in turns if turn in told or is_seen(turn)]


def true_spans(history: History) -> list[tuple[str, datetime, datetime | None]]:
    """Return from when to when keys were on that somebody turned on, as far as is known."""
    return [
        (turn.account, minute(turn.at), off and at_minute(off))
        for turn in known_turns_on(history)
        for off in [turned_off_after(history, turn)]
    ]


def true_hours(history: History, account: Standing) -> float:
    """Return for how many hours an account's keys were truly on in the time range."""
    began, is_on = history.until - RANGE, account.keys_on
    total = timedelta()
    mine = [turn for turn in history.truth.turns if turn.account == account.id]
    for turn in sorted(mine, key=lambda turn: turn.at):
        at = min(naive(turn.at), history.until)
        total += (at - began) * is_on
        began, is_on = at, turn.turned == "on"
    return (total + (history.until - began) * is_on) / _HOUR


# Exposure


@every_moment
def test_a_span_is_from_the_moment_that_keys_were_turned_on_to_the_moment_they_went_off(
    month: Captured, days: float
) -> None:
    found = [
        (row["accountId"], at_minute(row["On"]), at_minute(row["Off"]))
        for row in rows(month, days, "evidence-spans")
        if row["Known"] == "exactly"
    ]
    truth = history(month, days)
    expected = [(account, on, off or truth.until) for account, on, off in true_spans(truth)]
    assert sorted(found) == sorted(expected)


@every_moment
def test_every_account_that_a_sweep_found_with_keys_on_is_exposed_but_for_the_exempt(
    month: Captured, days: float
) -> None:
    truth = history(month, days)
    told = {turn.account for turn in truth.turns() if turn.turned == "on"}
    found = {row["accountId"] for row in rows(month, days, "exposure-accounts")}
    assert found == seen_on(truth, "DRIFT", "HELD").keys() | told


@every_moment
def test_no_account_has_more_hours_than_its_keys_were_truly_on(
    month: Captured, days: float
) -> None:
    truth = history(month, days)
    standing = {account.id: account for account in truth.truth.ticks[0].before}
    for row in rows(month, days, "exposure-accounts"):
        most = true_hours(truth, standing[row["accountId"]])
        assert row["Hours"] <= most + 0.1, row["Account"]


@every_moment
def test_hours_of_all_are_the_sum_of_those_of_each(month: Captured, days: float) -> None:
    each = sum(row["Hours"] for row in rows(month, days, "exposure-accounts"))
    in_all = tile(month, days, "exposure-numbers", "Hours with keys on")["Value"]
    assert in_all == pytest.approx(each, abs=0.1 * 30 + 0.5)


@every_moment
def test_half_of_the_keys_that_were_turned_on_went_off_within_the_time_that_is_said(
    month: Captured, days: float
) -> None:
    spans = true_spans(history(month, days))
    minutes = [(off - on) / _MINUTE for _, on, off in spans if off]
    said = tile(month, days, "exposure-numbers", "Half were off within")["Value"]
    assert said == (pytest.approx(median_low(minutes), abs=2) if minutes else None)


@every_moment
def test_the_share_that_was_off_in_time_is_the_true_one(month: Captured, days: float) -> None:
    spans = true_spans(history(month, days))
    in_time = [on for _, on, off in spans if off and off - on <= _HOUR]
    said = tile(month, days, "exposure-numbers", "Off in time, %")["Value"]
    assert said == (pytest.approx(100 * len(in_time) / len(spans), abs=0.5) if spans else None)


@every_moment
def test_by_week_every_span_that_ended_counts_once(month: Captured, days: float) -> None:
    ended = [off for _, _, off in true_spans(history(month, days)) if off]
    shown = rows(month, days, "exposure-in-time-by-week")
    weeks = {row["Time"] for row in shown}
    assert all(any(week <= off < week + timedelta(days=7) for week in weeks) for off in ended)
    assert {row["Time"] for row in rows(month, days, "exposure-minutes-by-week")} == weeks


# Evidence


@every_moment
def test_the_accounts_with_a_usable_key_are_counted(month: Captured, days: float) -> None:
    answer = tile(month, days, "evidence-answer", "Accounts with a usable key")
    assert answer["Value"] == len(rows(month, days, "exposure-accounts"))
    assert answer["status"] == "bad"


@every_moment
def test_exemptions_that_were_in_force_are_listed(month: Captured, days: float) -> None:
    truth = history(month, days)
    expected = {
        (finding.account.id, str(finding.until or ""))
        for _, finding in found_by(truth.read)
        if finding.verdict == "EXEMPT"
    }
    found = rows(month, days, "evidence-exemptions")
    assert {(row["accountId"], row["Until"] or "") for row in found} == expected


@every_moment
def test_what_could_not_be_read_is_listed_with_its_sweeps(month: Captured, days: float) -> None:
    missing: defaultdict[str, list[datetime]] = defaultdict(list)
    truth = history(month, days)
    for tick in truth.completed:
        for name in set(truth.truth.subscriptions.values()) - set(readable(tick)):
            if reads(tick) and name in SCOPE:
                missing[name].append(minute(tick.at))
    found = [
        (row["Name"], at_minute(row["First"]), at_minute(row["Last"]), row["Sweeps"])
        for row in rows(month, days, "evidence-unread")
        if row["What"] == "subscription"
    ]
    expected = [(name, min(at), max(at), len(at)) for name, at in missing.items()]
    assert sorted(found) == sorted(expected)


def test_a_day_without_sweeps_is_said_and_no_other(month: Captured) -> None:
    silent = {row["Day"] for row in rows(month, 30.0, "evidence-silence")}
    before_the_first = (until(30.0) - RANGE).replace(hour=0)
    assert silent == {before_the_first, until(20.0)}


@every_moment
def test_in_an_hour_of_silence_truly_no_sweep_completed(month: Captured, days: float) -> None:
    completed = [naive(tick.at) for tick in history(month, days).completed]
    for row in rows(month, days, "evidence-silence"):
        last = row["Last"] + _HOUR
        assert not [at for at in completed if row["First"] <= at < last and row["Hours"] < 24]


def inventoried(history: History) -> list[Tick]:
    """Return the sweeps that told the inventory: the first of each day, if it lived to the end."""
    firsts: dict[Any, Tick] = {}
    for tick in history.truth.ticks:
        if naive(tick.at) <= history.until:
            firsts.setdefault(naive(tick.at).date(), tick)
    return [tick for tick in firsts.values() if completes(tick) and tick in history.completed]


@every_moment
def test_the_inventory_is_told_once_a_day(month: Captured, days: float) -> None:
    truth = history(month, days)
    found = [
        (at_minute(row["At"]), row["Received"]) for row in rows(month, days, "evidence-inventories")
    ]
    expected = [
        (minute(tick.ended), len(findings(tick)) if covered(tick) else 0)
        for tick in inventoried(truth)
        if "503" not in tick.answers
    ]
    assert [found_there for found_there in sorted(found) if found_there in expected] == sorted(
        expected
    )


@every_moment
def test_the_newest_inventory_has_every_account_as_it_was_after_the_sweep(
    month: Captured, days: float
) -> None:
    tick = inventoried(history(month, days))[-1]
    shown = readable(tick)
    expected = {
        (account.id, "on" if account.keys_on else "off")
        for account in tick.after
        if account.subscription in shown
    }
    found = {(row["accountId"], row["Keys"]) for row in rows(month, days, "evidence-inventory")}
    assert found == expected


# Who


@every_moment
def test_people_are_named_with_the_accounts_that_they_turned_on(
    month: Captured, days: float
) -> None:
    turned: defaultdict[str, set[str]] = defaultdict(set)
    for turn in known_turns_on(history(month, days)):
        turned[turn.by].add(turn.account)
    found = {
        row["Person"]: row["Accounts"]
        for row in rows(month, days, "who-person")
        if row["Person"] != "not known"
    }
    assert found == {person: len(accounts) for person, accounts in turned.items()}


@every_moment
def test_a_management_group_counts_what_is_below_it(month: Captured, days: float) -> None:
    verdicts = [finding.verdict for _, finding in history(month, days).current()]
    off, exempt = verdicts.count("COMPLIANT"), verdicts.count("EXEMPT")
    (row,) = (row for row in rows(month, days, "who-group") if row["Group"] == "contoso")
    assert row["Accounts"] == len(verdicts)
    assert row["KeysOff"] == off
    assert row["Exempt"] == exempt
    assert row["Compliance"] == pytest.approx(100 * off / len(verdicts), abs=0.1)
    assert row["WithExempt"] == pytest.approx(100 * (off + exempt) / len(verdicts), abs=0.1)


@every_moment
def test_open_drift_is_shown_with_where_it_is_and_summed_by_that(
    month: Captured, days: float
) -> None:
    shown = rows(month, days, "who-open")
    assert [row["accountId"] for row in shown] == [
        row["accountId"] for row in rows(month, days, "drift-open")
    ]
    for row in shown:
        assert f"/resourcegroups/{row['ResourceGroup']}/" in row["accountId"]
        assert row["Kind"] in {"OpenAI", "AIServices"}
    assert sum(row["Accounts"] for row in rows(month, days, "who-place")) == len(shown)


# An account's history


@pytest.mark.parametrize("tab", HISTORY_OF)
def test_a_history_has_every_time_that_keys_were_turned(month: Captured, tab: str) -> None:
    found = [
        (row["accountId"], row["What"], at_minute(row["At"]))
        for row in rows(month, 30.0, f"{tab}-history")
        if row["ToldBy"] == "change log"
    ]
    turns = history(month, 30.0).turns()
    expected = [(turn.account, turn.turned, minute(turn.at)) for turn in turns]
    assert sorted(found) == sorted(expected)


def test_a_history_says_who_was_refused_who_is_exempt_and_who_is_held(month: Captured) -> None:
    told = {(row["Account"], row["What"]) for row in rows(month, 30.0, "evidence-history")}
    assert ("audit-archive", "LOCKED") in told
    assert ("treasury-bot", "POLICY_DENIED") in told
    assert ("partner-widget", "exemption active") in told
    assert ("data-room", "held") in told


# Telemetry that came twice


@cache
def _doubled(file: Path) -> Tables:
    envelopes = read_capture(file)
    return Tables([*envelopes, *envelopes[::-1]])


def names(found: Iterable[Mapping[str, Any]]) -> list[str]:
    return [str(step["name"]) for step in found if str(step["name"]).startswith(REVIEW)]


@pytest.mark.nightly
@pytest.mark.parametrize("step", names(step for step in steps() if step["type"] == 3))
def test_what_was_sent_twice_counts_once(month: Captured, step: str) -> None:
    twice = _doubled(month.file)
    twice.everything()
    end = until(30.0)
    month.tables.everything()
    once = [repr(row) for row in asked(month.tables, f"workbook {step}", end)]
    assert sorted(repr(row) for row in asked(twice, f"workbook {step}", end)) == sorted(once)
