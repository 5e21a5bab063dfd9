"""Who uses keys, and what was refused after they went off: what a log says, and what it can't.

Calls made up by hand show each claim; those of a month are held against the local Azure's record of
who called. Nothing on these tabs calms: a log that has no row of an account knows nothing of it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from dashboard.capture import Row
from tests.support.captured import Captured, naive
from tests.support.logged_calls import call, every_day
from tests.support.month_steps import RANGE, at_each_of, at_minute, history, rows, until
from tests.support.queries import WORKBOOK, steps
from tests.support.told_sweeps import DAY, A, calm, completed, drift, event, outcome, read, shown
from tools.month import LOG, Call

NAMES = {"tab-who-uses-keys", "tab-after"}
TABS = [item for item in WORKBOOK["items"] if item["name"] in NAMES]
MOMENTS = {"with keys on": 4.6, "after the first went off": 12.6, "at the end": 30.0}
every_moment = at_each_of(MOMENTS)

# Accounts with keys on, and what the workspace has of each.
KNOWN = {
    "a key, as text": [*every_day("an identity"), call(3)],
    "a key, as an object": [*every_day("an identity"), call(3, as_object=True)],
    "two keyed": [call(3), call(2), call(1, "an identity")],
    "identities": every_day("an identity"),
}
NOT_KNOWN: dict[str, list[Row]] = {
    "no row": [],
    "401s alone": [call(3, status=401)],
    "rows that are cut": every_day("nobody knows"),
    "one that is cut": [*every_day("an identity"), call(3, "nobody knows")],
    "a log that began late": every_day("an identity", days=7),
    "a log that ended early": every_day("an identity")[5:],
}
# Accounts whose keys went off an hour into the day, and their calls.
OFF = {
    "401": [call(-0.1, status=401), call(-0.15, status=401), call(-0.2)],
    "403": [call(-0.1, status=403), call(-0.15, status=403), call(-0.2)],
    "refused before": [call(1, status=401), call(-0.1)],
    "still works": [call(-0.1)],
    "no row": [],
    "rows from before": [call(1)],
}


def all_of(accounts: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Return the calls of all accounts, each its own."""
    return [{**row, "_ResourceId": f"/a/{name}"} for name, rows in accounts.items() for row in rows]


@cache
def on() -> dict[str, dict[str, Any]]:
    """Return what is shown of each account with keys on."""
    accounts = {**KNOWN, **NOT_KNOWN}
    told = [drift(4, name) for name in accounts]
    told += [read(A, 4, drift=len(accounts)), completed(4)]
    begin, calls = DAY - timedelta(days=30), all_of(accounts)
    found = shown("uses-accounts", *told, begin=begin, calls=calls)
    return {row["Account"]: row for row in found}


@cache
def off() -> dict[str, dict[str, Any]]:
    """Return what is shown of each account whose keys went off."""
    told = [told for name in OFF for told in (drift(1, name), outcome(1, "DISABLED", account=name))]
    told += [read(A, 1, drift=len(OFF)), completed(1), *calm([4])]
    return {row["Account"]: row for row in shown("after-accounts", *told, calls=all_of(OFF))}


# What a log says


@pytest.mark.parametrize("account", ["a key, as text", "a key, as an object"])
def test_a_call_with_a_key_is_shown_whatever_form_its_row_has(account: str) -> None:
    assert on()[account]["Says"] == "calls with a key"


def test_calls_with_a_key_are_counted() -> None:
    assert on()["two keyed"]["Keyed"] == 2


def test_the_last_call_with_a_key_is_told() -> None:
    assert str(on()["two keyed"]["LastKeyed"]) == "2026-11-21 00:00:00"


def test_calls_with_an_identity_on_every_day_are_said_to_be_that() -> None:
    assert on()["identities"]["Says"] == "identities alone"


def test_calls_with_a_key_stand_by_day_and_deployment() -> None:
    calls = [call(3.1), call(3.2), call(3.1, deployment="mini"), call(1.1)]
    told = (drift(4), read(A, 4, drift=1), completed(4))
    found = shown("uses-days", *told, calls=calls)
    assert [(str(row["Day"])[:10], row["Model"], row["Calls"]) for row in found] == [
        ("2026-11-21", "gpt-4o", 1), ("2026-11-19", "gpt-4o", 2), ("2026-11-19", "mini", 1),
    ]  # fmt: skip


# What it can't say


@pytest.mark.parametrize("account", NOT_KNOWN)
def test_what_a_log_can_not_tell_is_not_known(account: str) -> None:
    assert on()[account]["Says"] == "not known"


def test_of_an_account_without_a_row_no_number_is_shown() -> None:
    assert on()["no row"]["Keyed"] is None


@pytest.mark.parametrize("account", NOT_KNOWN)
def test_it_is_said_why_it_is_not_known(account: str) -> None:
    assert on()[account]["Why"]


def test_in_a_workspace_without_a_row_nothing_is_known() -> None:
    told = (drift(4), read(A, 4, drift=1), completed(4))
    assert [row["Says"] for row in shown("uses-accounts", *told)] == ["not known"]


def test_a_doubt_about_the_reading_stands_above_the_accounts() -> None:
    told = (drift(4), read(A, 4, drift=1), completed(4), event("SettingsRejected", 5))
    found = shown("uses-accounts", *told, calls=[call(1)], at=5.5)
    assert found[0]["Account"].startswith("Not all is known.")


def test_an_account_that_is_held_has_its_keys_on() -> None:
    held = event("AccountHeld", 4, subscriptionId=A, accountId="/a/bot", accountName="bot")
    told = (held, read(A, 4, held=1), completed(4))
    assert [row["State"] for row in shown("uses-accounts", *told, calls=[call(1)])] == ["held"]


def test_an_account_with_keys_off_is_not_listed() -> None:
    assert shown("uses-accounts", *calm([4]), calls=[call(1)]) == []


def test_no_step_of_the_two_tabs_calms() -> None:
    assert len(TABS) == 2
    for step in (step for tab in TABS for step in steps(tab["content"]["items"])):
        assert "noDataMessageStyle" not in step["content"], step["name"]
        assert step["content"].get("visualization") != "tiles", step["name"]
        assert "success" not in str(step), step["name"]


def test_while_no_workspace_is_chosen_words_say_what_to_choose_and_nothing_else_is_shown() -> None:
    for tab in TABS:
        shown_then = [
            step["content"]["json"]
            for step in tab["content"]["items"]
            if step["conditionalVisibility"]["comparison"] == "isEqualTo"
        ]
        assert len(shown_then) == 1
        assert "Choose a workspace" in shown_then[0]


# After keys went off


@pytest.mark.parametrize("code", ["401", "403"])
def test_calls_that_were_refused_since_keys_went_off_are_counted_by_code(code: str) -> None:
    assert off()[code][f"C{code}"] == 2


@pytest.mark.parametrize("code", ["401", "403"])
def test_an_account_with_refused_calls_is_said_to_have_some(code: str) -> None:
    assert off()[code]["Says"] == "refused calls"


def test_refused_calls_from_before_keys_went_off_are_left_out() -> None:
    assert off()["refused before"]["C401"] == 0


def test_a_key_that_still_works_is_shown() -> None:
    assert off()["still works"]["StillKeyed"] == 1


@pytest.mark.parametrize("account", ["no row", "rows from before"])
def test_without_a_row_since_keys_went_off_nothing_is_known_of_what_broke(account: str) -> None:
    assert off()[account]["Says"] == "not known"


def test_an_account_whose_keys_are_on_again_is_not_listed() -> None:
    told = (
        drift(1), outcome(1, "DISABLED"), read(A, 1, drift=1), completed(1),
        drift(4), read(A, 4, drift=1), completed(4),
    )  # fmt: skip
    assert shown("after-accounts", *told, calls=[call(-0.1, status=401)]) == []


# A month


def logged(month: Captured, days: float) -> dict[str, list[Call]]:
    """Return the calls that the chosen workspace truly has, by account."""
    found = defaultdict(list)
    for logged in month.truth.calls:
        if LOG in logged.logged_to and until(days) - RANGE < naive(logged.at) <= until(days):
            found[logged.account].append(logged)
    return found


def keyed(calls: Sequence[Call]) -> list[Call]:
    return [
        logged for logged in calls if logged.with_key and logged.legible and logged.status != 401
    ]


def keys_on(month: Captured, days: float) -> set[str]:
    """Return the accounts that the newest reading of their subscription had to leave with keys."""
    truth = history(month, days)
    left_alone = {finding.account.id for _, finding in truth.current("EXEMPT", "HELD")}
    return left_alone | {drift.account.id for drift in truth.open_drifts()}


@every_moment
def test_every_account_with_keys_on_is_listed(month: Captured, days: float) -> None:
    found = {row["accountId"] for row in rows(month, days, "uses-accounts")}
    assert found == keys_on(month, days)


@every_moment
def test_calls_with_a_key_are_those_that_were_made_with_one(month: Captured, days: float) -> None:
    truth = logged(month, days)
    for row in rows(month, days, "uses-accounts"):
        assert (row["Keyed"] or 0) == len(keyed(truth[row["accountId"]])), row["Account"]


@every_moment
def test_only_of_accounts_that_logged_there_is_anything_known(month: Captured, days: float) -> None:
    truth = logged(month, days)
    for row in rows(month, days, "uses-accounts"):
        if row["accountId"] not in truth:
            assert row["Says"] == "not known", row["Account"]
            assert row["Keyed"] is None, row["Account"]


@every_moment
def test_nobody_who_called_with_a_key_is_said_to_use_identities_alone(
    month: Captured, days: float
) -> None:
    with_key = {
        logged.account for logged in month.truth.calls if logged.with_key and logged.status != 401
    }
    for row in rows(month, days, "uses-accounts"):
        assert row["Says"] != "identities alone" or row["accountId"] not in with_key


@every_moment
def test_calls_by_day_are_as_many_as_those_of_the_accounts(month: Captured, days: float) -> None:
    by_day = sum(row["Calls"] for row in rows(month, days, "uses-days"))
    assert by_day == sum(row["Keyed"] or 0 for row in rows(month, days, "uses-accounts"))


@every_moment
def test_the_other_accounts_with_calls_by_key_are_named(month: Captured, days: float) -> None:
    found = {row["accountId"]: row["Calls"] for row in rows(month, days, "uses-others")}
    listed = keys_on(month, days)
    assert found == {
        account: len(keyed(calls))
        for account, calls in logged(month, days).items()
        if keyed(calls) and account not in listed
    }


@every_moment
def test_refused_calls_are_those_since_keys_truly_went_off(month: Captured, days: float) -> None:
    truth, turns = logged(month, days), month.truth.turns
    for row in rows(month, days, "after-accounts"):
        offs = [naive(turn.at) for turn in turns if turn.account == row["accountId"]
                and turn.turned == "off" and naive(turn.at) <= until(days)]  # fmt: skip
        assert at_minute(row["Off"]) == at_minute(max(offs)), row["Account"]
        since = [logged for logged in truth[row["accountId"]] if naive(logged.at) >= row["Off"]]
        for code in (401, 403):
            refused = [logged for logged in since if logged.status == code]
            assert (row[f"C{code}"] or 0) == len(refused), row["Account"]
        if not since:
            assert row["Says"] == "not known", row["Account"]


def test_at_the_end_clients_that_broke_are_named(month: Captured) -> None:
    found = {
        row["Account"] for row in rows(month, 30.0, "after-accounts")
        if row["Says"] == "refused calls"
    }  # fmt: skip
    assert found == {"contract-review", "invoice-reader", "faq-bot"}
