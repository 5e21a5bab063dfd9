"""Where little or nothing was received, the workbook does not say that all is well."""

from typing import Any

from dashboard.tables import Tables
from tests.support.envelopes import event_envelope
from tests.support.queries import queries

A, B = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000-4000-8000-000000000000"


def event(name: str, hour: int, numbers: dict[str, int] | None = None, **words: str) -> Any:
    moment = f"2026-11-23T{hour:02}:{'30' if name == 'SweepCompleted' else '00'}:00Z"
    return event_envelope(name, moment, numbers, sweepId=f"sweep-{hour}", mode="enforce", **words)


def read(subscription: str, hour: int) -> Any:
    numbers = {"accounts": 2, "compliant": 1, "exempt": 0, "held": 0, "drift": 1}
    return event("SubscriptionRead", hour, numbers, subscriptionId=subscription, source="graph")


def drift(hour: int) -> Any:
    return event("DriftFound", hour, subscriptionId=A, accountId="/a/bot", accountName="bot")


def completed(hour: int, whole: str = "true") -> Any:
    return event("SweepCompleted", hour, whole=whole)


def gap(kind: str, hour: int, subscription: str = "") -> Any:
    return event(
        "CoverageGap", hour, gapKind=kind, gapName="it", problem="No.", subscriptionId=subscription
    )


def shown(step: str, *events: Any, subscription: str = "*") -> list[dict[str, Any]]:
    kql = queries()[f"workbook {step}"].replace("('*')", f"('{subscription}')")
    return Tables(events).query(kql).dicts()


def tiles(*events: Any, subscription: str = "*") -> dict[str, tuple[int, str]]:
    """Return the value and the status of each big number of the overview, by its title."""
    rows = shown("overview-now", *events, subscription=subscription)
    return {row["Title"]: (row["Value"], row["status"]) for row in rows}


def test_no_telemetry_is_no_good_news() -> None:
    stranger = event("Stranger", 1)
    assert shown("overview-now", stranger) == []
    assert shown("exemptions-now", stranger) == []


def test_a_first_day_on_which_nothing_could_be_read_looks_bad() -> None:
    events = (gap("tenant", 1), completed(1, whole="false"))
    numbers = tiles(*events)
    assert numbers["Open drift"] == (0, "bad")
    assert numbers["Unseen subscriptions"] == (0, "bad")
    assert numbers["Held"] == (0, "")
    assert numbers["Keys off"] == (0, "")
    assert shown("exemptions-now", *events) == []


def test_what_is_unseen_elsewhere_is_not_told_of_the_chosen_subscription() -> None:
    events = (read(A, 1), read(B, 1), completed(1), read(A, 2), gap("subscription", 2, B),
              completed(2, whole="false"))  # fmt: skip
    assert tiles(*events)["Unseen subscriptions"] == (1, "bad")
    assert tiles(*events, subscription=B)["Unseen subscriptions"] == (1, "bad")
    assert tiles(*events, subscription=A)["Unseen subscriptions"] == (0, "good")


def test_a_gap_of_the_whole_tenant_is_told_of_each_subscription() -> None:
    events = (read(A, 1), completed(1), gap("tenant", 2), completed(2, whole="false"))
    for chosen in ("*", A):
        (gap_shown,) = shown("health-gaps", *events, subscription=chosen)
        assert gap_shown["Kind"] == "tenant", chosen


def test_a_sweep_that_has_not_told_yet_does_not_show_what_an_earlier_one_did() -> None:
    outcome = event(
        "RemediationOutcome", 1, subscriptionId=A, accountId="/a/bot", result="DISABLED"
    )
    events = (drift(1), read(A, 1), outcome, completed(1), drift(2), read(A, 2))
    (listed,) = shown("drift-all", *events)
    (still_open,) = shown("drift-open", *events)
    assert listed["Result"] == "NOT_TOLD"
    assert still_open["Result"] == "NOT_TOLD"
    assert "still runs" in still_open["ToDo"]
