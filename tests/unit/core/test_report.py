"""A sweep's report: counts are derived from its parts, and say whether somebody must look."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.model import (
    Decision,
    Gap,
    GapKind,
    Inventory,
    LeftAlone,
    Outcome,
    Result,
    Source,
    Verdict,
)
from shared.core.report import SweepReport
from tests.support.builders import (
    NOW,
    TAG,
    a_coverage,
    a_decision,
    a_subscription,
    an_outcome,
)

TAGS = {
    Verdict.DRIFT: None,
    Verdict.EXEMPT: {TAG: "yes"},
    Verdict.HELD: {TAG: "until=soon"},
}


def decided(verdict: Verdict) -> Decision:
    decision = a_decision(tags=TAGS[verdict])
    assert decision.verdict is verdict
    return decision


def a_report(
    *verdicts: Verdict,
    outcomes: tuple[Outcome, ...] = (),
    inventory: Inventory | None = None,
    **more: Any,
) -> SweepReport:
    return SweepReport(
        sweep_id="20261124T090000Z-1",
        mode="enforce",
        started=NOW,
        duration=12.5,
        inventory=inventory or Inventory((a_coverage(),), (), ()),
        decisions=tuple(map(decided, verdicts)),
        outcomes=outcomes,
        **more,
    )


def with_results(*results: Result, azure_code: str = "") -> SweepReport:
    return a_report(outcomes=tuple(an_outcome(result, azure_code=azure_code) for result in results))


D, E, H = Verdict.DRIFT, Verdict.EXEMPT, Verdict.HELD


def test_accounts_are_counted_by_verdict() -> None:
    report = a_report(D, D, D, E, E, H)
    assert report.drift == 3
    assert report.exempt == 2
    assert report.held == 1


def test_decisions_are_given_by_verdict() -> None:
    report = a_report(D, E, D)
    assert report.with_verdict(D) == (decided(D), decided(D))


def test_compliant_accounts_are_those_counted_with_keys_off_in_all_subscriptions() -> None:
    inventory = Inventory((a_coverage(keys_off=3, keys_on=1), a_coverage(keys_off=4)), (), ())
    assert a_report(D, inventory=inventory).compliant == 7


def test_all_accounts_are_those_of_every_verdict() -> None:
    inventory = Inventory((a_coverage(keys_off=10),), (), ())
    report = a_report(D, D, D, E, E, H, inventory=inventory)
    assert report.accounts == 16
    assert report.verdicts == {
        Verdict.COMPLIANT: 10,
        Verdict.EXEMPT: 2,
        Verdict.HELD: 1,
        Verdict.DRIFT: 3,
    }


@given(st.lists(st.sampled_from([D, E, H]), max_size=9), st.lists(st.integers(0, 9), max_size=3))
def test_law_counts_add_up(verdicts: list[Verdict], keys_off: list[int]) -> None:
    coverage = tuple(a_coverage(keys_off=count) for count in keys_off)
    report = a_report(*verdicts, inventory=Inventory(coverage, (), ()))
    assert report.accounts == report.compliant + report.exempt + report.held + report.drift
    assert report.accounts == sum(report.verdicts.values()) == len(verdicts) + sum(keys_off)


def test_drifts_are_counted_by_result() -> None:
    report = with_results(Result.DISABLED, Result.LOCKED, Result.DISABLED)
    assert report.results == {Result.DISABLED: 2, Result.LOCKED: 1}


def test_a_sweep_that_read_all_and_failed_at_nothing_is_whole() -> None:
    report = with_results(Result.DISABLED, Result.LOCKED, Result.DEFERRED)
    assert report.whole is True
    assert report.reasons == ()


def test_a_drift_that_failed_is_a_reason_and_is_named_with_its_result() -> None:
    report = with_results(Result.DISABLED, Result.FAILED)
    assert report.whole is False
    assert report.reasons == ("bot: FAILED",)


def test_azures_code_is_part_of_the_reason() -> None:
    report = with_results(Result.NO_ROLE, azure_code="AuthorizationFailed")
    assert report.reasons == ("bot: NO_ROLE (AuthorizationFailed)",)


def test_a_gap_is_a_reason_and_comes_before_what_failed() -> None:
    gap = Gap(GapKind.SUBSCRIPTION, "sub-1", "403 AuthorizationFailed")
    inventory = Inventory((), (), (gap,))
    report = a_report(inventory=inventory, outcomes=(an_outcome(Result.FAILED),))
    assert report.reasons == (
        "subscription sub-1 could not be read: 403 AuthorizationFailed",
        "bot: FAILED",
    )
    assert not report.whole


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, "read"),
        ({"change_log_lacking": 1}, "read, but for 1 row"),
        ({"change_log_lacking": 2}, "read, but for 2 rows"),
        ({"change_log_unread": "503", "change_log_lacking": 2}, "503"),
    ],
    ids=str,
)
def test_it_is_said_whether_the_change_log_was_read(parts: dict[str, Any], said: str) -> None:
    assert a_report(**parts).change_log == said


def unannounced(count: int) -> SweepReport:
    return a_report(outcomes=(an_outcome(Result.DEFERRED, unannounced=True),) * count)


def test_one_change_that_was_not_announced_is_a_reason() -> None:
    (reason,) = unannounced(1).reasons
    assert reason.startswith("1 change was not begun")


def test_changes_that_were_not_announced_are_counted_in_a_reason() -> None:
    (reason,) = unannounced(2).reasons
    assert reason.startswith("2 changes were not begun")
    assert unannounced(2).unannounced == 2


def test_changes_that_were_announced_are_no_reason() -> None:
    report = with_results(Result.DEFERRED)
    assert report.unannounced == 0
    assert report.reasons == ()


def test_the_event_tells_why_resource_graph_could_not_be_read() -> None:
    inventory = Inventory((), (), (), graph_unread="503 Busy")
    assert a_report(inventory=inventory).completed().resource_graph == "503 Busy"


def test_the_event_tells_what_the_sweep_found() -> None:
    inventory = Inventory((a_coverage(keys_off=10),), (), ())
    event = a_report(D, D, D, E, E, H, inventory=inventory).completed()
    assert event.accounts == 16
    assert event.compliant == 10
    assert event.exempt == 2
    assert event.held == 1
    assert event.drift == 3


def test_the_event_tells_what_the_sweep_did() -> None:
    results = [Result.DISABLED] * 3 + [Result.DEFERRED] * 2 + [Result.LOCKED]
    event = with_results(*results, Result.FAILED, Result.NO_ROLE).completed()
    assert event.disabled == 3
    assert event.deferred == 2
    assert event.needing_attention == 2
    assert event.whole is False
    assert event.reasons == "bot: FAILED; bot: NO_ROLE"
    assert event.duration_seconds == 12.5


def test_the_event_tells_what_the_sweep_met() -> None:
    event = a_report(throttled=3, key_changes=2, brake="30 changes, brake at 25").completed()
    assert event.throttled == 3
    assert event.key_changes == 2
    assert event.brake == "30 changes, brake at 25"


def test_of_a_sweep_that_did_nothing_the_event_counts_nothing() -> None:
    event = a_report().completed()
    assert event.resource_graph == "read"
    assert event.disabled == 0
    assert event.deferred == 0
    assert event.needing_attention == 0
    assert event.brake == ""
    assert event.change_log == "read"


def test_the_event_tells_which_subscriptions_were_read_and_by_whom() -> None:
    one, two, three = map(a_subscription, (1, 2, 3))
    coverage = (a_coverage(one), a_coverage(two, Source.ARM), a_coverage(three, Source.GRAPH))
    event = a_report(inventory=Inventory(coverage, (), ())).completed()
    assert event.subscriptions_read == 3
    assert event.subscriptions_read_directly == 1


def test_the_event_tells_which_subscriptions_were_left_alone() -> None:
    one, two, three = map(a_subscription, (1, 2, 3))
    left_alone = LeftAlone((one,), (two, three), ("4", "5", "6"))
    event = a_report(inventory=Inventory((), (), (), left_alone)).completed()
    assert event.subscriptions_disabled == 1
    assert event.subscriptions_other_tenant == 2
    assert event.subscriptions_excluded == 3


def test_the_event_counts_all_gaps_and_names_the_first_twenty() -> None:
    gaps = tuple(Gap(GapKind.ACCOUNT, f"bot-{number}", "odd") for number in range(21))
    event = a_report(inventory=Inventory((), (), gaps)).completed()
    assert event.gaps == 21
    assert event.reasons.count("could not be read") == 20
    assert "bot-19 " in event.reasons
