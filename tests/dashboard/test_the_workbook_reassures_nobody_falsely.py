"""Where too little was received, or too long ago, the workbook does not say that all is well."""

from typing import Any

import pytest

from tests.support.told_sweeps import (
    A,
    B,
    calm,
    completed,
    drift,
    event,
    gap,
    outcome,
    read,
    reassured,
    shown,
)

OTHER = "func-other"


def tiles(
    *events: Any, subscription: str = "*", at: float = 5
) -> dict[str, tuple[int | None, str]]:
    """Return the value and the status of each big number of the overview, by its title."""
    rows = shown("overview-now", *events, subscription=subscription, at=at)
    return {row["Title"]: (row["Value"], row["status"]) for row in rows}


def known(*events: Any, at: float = 5) -> str:
    """Return what is said of the chosen deployment's freshness."""
    return str(shown("freshness", *events, at=at)[0]["Known"])


@pytest.mark.slow
def test_a_fresh_and_complete_reading_calms() -> None:
    assert [step for step, said in reassured(*calm(range(5))).items() if not said] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "events",
    [
        [event("Stranger", 4)],
        [*calm(range(4)), event("SweepStarted", 4)],
        [*calm(range(4)), completed(4)],
        [*calm(range(4)), read(A, 4, drift=1), completed(4)],
        [*calm(range(4)), read(A, 4, held=1), completed(4)],
        [*calm(range(4)), read(A, 4), gap("subscription", 4, B), completed(4, gaps=1)],
        [*calm(range(4)), read(A, 4), gap("account", 4, A), completed(4, gaps=1)],
        [*calm(range(4)), read(A, 4), completed(4, gaps=1)],
        [*calm(range(4)), gap("tenant", 4), completed(4, count=0, gaps=1)],
        [*calm(range(5)), event("SettingsRejected", 5)],
        [event("SweepStarted", 4), read(A, 4)],
    ],
    ids=[
        "strange telemetry", "a killed sweep", "a lost subscription", "a lost drift",
        "a lost hold", "a gap", "an account's gap", "a lost gap", "a gap of all",
        "rejected settings", "no sweep that completed",
    ],
)  # fmt: skip
def test_nothing_calms(events: list[Any]) -> None:
    assert {step: said for step, said in reassured(*events, at=5.5).items() if said} == {}


@pytest.mark.slow
def test_ten_days_of_sweeps_and_twenty_of_silence_calm_nobody() -> None:
    found = reassured(*calm(range(0, 240, 6)), at=720)
    assert {step: said for step, said in found.items() if said} == {}


@pytest.mark.parametrize(
    "last",
    [completed(4, changes=1), completed(4, changeLog="403 AuthorizationFailed")],
    ids=["a lost change of keys", "an unread change log"],
)
def test_the_evidence_is_open_without_every_change_of_keys(last: Any) -> None:
    assert reassured(*calm(range(4)), read(A, 4), last)["evidence-answer"] == []


def test_ten_days_of_sweeps_and_twenty_of_silence_are_said() -> None:
    said = known(*calm(range(0, 240, 6)), at=720)
    assert said.startswith("The last sweep with a complete report ended 20 days ago")
    assert "sweeps are 6 hours apart" in said


def test_a_fresh_reading_says_how_fresh() -> None:
    said = known(*calm(range(5)), at=4.2)
    ago = "The last sweep with a complete report ended 11 minutes ago"
    assert said == f"{ago}: nothing that it counted is missing. "


def test_a_prefix_that_ends_in_a_killed_sweep_is_said_and_keeps_the_last_known_state() -> None:
    events = [*calm(range(4)), event("SweepStarted", 4), drift(4)]
    assert "never completed" in known(*events)
    (still_open,) = [row for row in shown("drift-open", *events) if row["accountId"]]
    assert still_open["Result"] == "NOT_TOLD"
    assert tiles(*events)["Keys off"] == (2, "")


def test_a_sweep_that_runs_is_no_killed_one() -> None:
    assert "never completed" not in known(*calm(range(5)), event("SweepStarted", 5), at=5.2)


def test_two_deployments_in_one_resource_are_apart() -> None:
    mine = [drift(4), read(A, 4, drift=1), completed(4)]
    others = calm([5], deployment=OTHER)
    assert tiles(*mine, *others, at=5.1)["Open drift"] == (1, "bad")
    assert [row["Deployment"] for row in shown("freshness", *mine, *others, at=5.1)] == [
        "func-keysweep", OTHER,
    ]  # fmt: skip


def test_a_dead_deployment_is_not_hidden_by_a_living_one() -> None:
    events = [*calm(range(3)), *calm(range(30), deployment=OTHER)]
    states = {row["Deployment"]: row["State"] for row in shown("freshness", *events, at=29.5)}
    assert states == {"func-keysweep": "bad", OTHER: "good"}


def test_a_doubled_batch_changes_no_number() -> None:
    events = [drift(4), read(A, 4, drift=1), outcome(4, "LOCKED"), completed(4)]
    assert tiles(*events, *events, *events) == tiles(*events)
    assert tiles(*events)["Open drift"] == (1, "bad")


def test_the_newest_sweep_is_the_one_that_began_last() -> None:
    # The first of two that overlap ends last, and knows less.
    long = [drift(3), read(A, 3, drift=1), outcome(3, "FAILED"), completed(3)]
    late = [{**each, "time": "2026-11-23T04:30:00Z"} for each in long]
    assert tiles(*late, *calm([4]))["Open drift"] == (0, "good")


def test_a_lost_batch_is_neither_zero_nor_out_of_scope() -> None:
    events = [drift(4, "one"), read(A, 4, drift=2), completed(4)]
    (subscription,) = [row for row in shown("overview-coverage", *events) if row["Seen"]]
    assert subscription["Seen"] == "Incomplete"
    assert subscription["Drift"] == 2


def test_a_subscription_that_left_does_not_come_back_with_a_gap_of_today() -> None:
    events = (
        read(A, 1), read(B, 1), completed(1, count=2), read(A, 2), completed(2),
        gap("tenant", 4), completed(4, count=0, gaps=1),
    )  # fmt: skip
    seen = {row["Subscription"]: row["Seen"] for row in shown("overview-coverage", *events)}
    assert seen[B] == "Left the scope"
    assert seen[A] == "Unseen"


def test_two_subscriptions_of_one_name_are_apart() -> None:
    events = (read(A, 4, name="dev"), read(B, 4, name="dev"), completed(4, count=2))
    names = {row["Subscription"] for row in shown("overview-coverage", *events)}
    assert names == {f"dev ({A})", f"dev ({B})"}


def test_a_subscription_has_its_newest_name_everywhere() -> None:
    events = (drift(1), read(A, 1, name="old", drift=1), completed(1), *calm([4], name="new"))
    (listed,) = shown("drift-all", *events)
    assert listed["Subscription"] == "new"


@pytest.mark.parametrize("step", ["overview-gaps", "health-gaps"])
def test_a_gap_of_a_subscription_that_was_never_read_is_told_of_no_other(step: str) -> None:
    events = (read(A, 4, name="dev"), gap("subscription", 4, B), completed(4, gaps=1))
    (row,) = [row for row in shown(step, *events) if row["Kind"]]
    assert row["Subscription"] == B


def test_a_gap_of_an_account_shows_the_account() -> None:
    events = (read(A, 4, name="dev"), gap("account", 4, A, "odd-bot"), completed(4, gaps=1))
    (row,) = [row for row in shown("overview-gaps", *events) if row["Kind"]]
    assert row["Name"] == "odd-bot"
    assert row["Subscription"] == "dev"


@pytest.mark.parametrize(
    ("result", "title"), [("NOW_EXEMPT", "Exempt"), ("NOW_HELD", "Held"), ("DISABLED", "Keys off")]
)
def test_what_the_second_look_found_stands_where_it_belongs(result: str, title: str) -> None:
    numbers = tiles(drift(4), read(A, 4, drift=1), outcome(4, result), completed(4))
    assert numbers["Open drift"][0] == 0
    assert numbers[title][0] == (2 if title == "Keys off" else 1)


def test_an_account_that_is_gone_is_counted_no_more() -> None:
    events = (drift(4), read(A, 4, drift=1), outcome(4, "GONE"), completed(4))
    (keys_off,) = [row for row in shown("overview-now", *events) if row["Title"] == "Keys off"]
    assert keys_off["Note"] == "of 1 accounts"


def test_a_first_day_on_which_nothing_could_be_read_looks_bad() -> None:
    numbers = tiles(gap("tenant", 4), completed(4, count=0, gaps=1))
    assert numbers["Open drift"] == (None, "bad")
    assert numbers["Unseen subscriptions"] == (0, "bad")
    assert numbers["Keys off"] == (None, "")


def test_what_is_unseen_elsewhere_is_not_told_of_the_chosen_subscription() -> None:
    events = (read(A, 3), read(B, 3), completed(3, count=2), read(A, 4), gap("subscription", 4, B),
              completed(4, gaps=1))  # fmt: skip
    assert tiles(*events)["Unseen subscriptions"] == (1, "bad")
    assert tiles(*events, subscription=B)["Unseen subscriptions"] == (1, "bad")
    assert tiles(*events, subscription=A)["Unseen subscriptions"] == (0, "good")


def test_a_gap_of_the_whole_tenant_is_told_of_each_subscription() -> None:
    events = (read(A, 1), completed(1), gap("tenant", 2), completed(2, count=0, gaps=1))
    for chosen in ("*", A):
        (gap_shown,) = shown("health-gaps", *events, subscription=chosen)
        assert gap_shown["Kind"] == "tenant", chosen


def test_a_sweep_that_has_not_told_yet_does_not_show_what_an_earlier_one_did() -> None:
    events = (drift(1), read(A, 1, drift=1), outcome(1, "DISABLED"), completed(1), drift(2))
    (listed,) = shown("drift-all", *events)
    (still_open,) = [row for row in shown("drift-open", *events) if row["accountId"]]
    assert listed["Result"] == "NOT_TOLD"
    assert still_open["Result"] == "NOT_TOLD"
    assert "still runs" in still_open["ToDo"]


def test_what_a_killed_sweep_did_not_tell_is_settled_by_a_later_one() -> None:
    (listed,) = shown("drift-all", drift(1), *calm([2]))
    assert listed["Result"] == "SETTLED"


def test_an_exemption_that_was_taken_away_is_not_listed_as_lapsed_for_ever() -> None:
    lapsed = event(
        "ExemptionObserved", 1, {"daysLeft": -3},
        subscriptionId=A, accountId="/a/bot", accountName="bot", state="lapsed", verdict="DRIFT",
    )  # fmt: skip
    before = (lapsed, drift(1), read(A, 1, drift=1), completed(1))
    assert [row["Account"] for row in shown("exemptions-lapsed", *before)] == ["bot"]
    assert shown("exemptions-lapsed", *before, *calm([4])) == []


def test_rows_that_are_cut_are_said_to_be_cut() -> None:
    drifts = [drift(4, f"bot-{number:04}") for number in range(1001)]
    rows = shown("drift-open", *drifts, read(A, 4, drift=1001), completed(4))
    assert rows[0]["Account"] == "Not all of 1001 rows are shown: ask Logs for them."
