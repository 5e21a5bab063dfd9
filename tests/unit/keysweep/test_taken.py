"""What a sweep took, read from its record and from its events."""

import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keysweep.record import read_record
from keysweep.taken import (
    LogAnswer,
    Taken,
    began_at,
    event_table,
    events_query,
    of_events,
    of_record,
)
from tests.support.builders import an_account

SWEEP = "20261124T090000Z-1f3a9c0d"
BEGAN = datetime(2026, 11, 24, 9, tzinfo=UTC)
COMPONENT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/components/appi"
WORKSPACE = (
    "/subscriptions/s/resourcegroups/g/providers/microsoft.operationalinsights/workspaces/log"
)


def account(name: str) -> str:
    return str(an_account(name).id).lower()


def row(event: str, seconds: float = 0, name: str = "bot", **more: Any) -> dict[str, Any]:
    found = {
        "at": BEGAN + timedelta(seconds=seconds),
        "event": event,
        "sweepId": SWEEP,
        "eventId": f"{event}-{name}-{seconds}-{sorted(more.items())}",
        "accountId": account(name),
        "result": "",
        "accepted": "",
        "exemptionTag": "",
        "turned": "",
        "changedBy": "",
        "drift": None,
    }
    return {**found, **more}


def announced(name: str = "bot", seconds: float = 1) -> dict[str, Any]:
    return row("DriftFound", seconds, name)


def outcome(
    name: str = "bot", seconds: float = 5, result: str = "DISABLED", accepted: str = "true"
) -> dict[str, Any]:
    return row("RemediationOutcome", seconds, name, result=result, accepted=accepted)


def completed(drift: int | None) -> dict[str, Any]:
    return row("SweepCompleted", 60, drift=drift)


def taken(*rows: Mapping[str, Any], unseen: tuple[str, ...] = ()) -> Taken:
    return of_events(SWEEP, LogAnswer(rows, unseen))


def names(found: Taken) -> list[str]:
    return [change.account.name for change in found.changes]


def test_an_account_that_was_turned_off_is_taken_between_announcement_and_outcome() -> None:
    (change,) = taken(announced(), outcome(), completed(1)).changes
    assert change.begun_at == BEGAN + timedelta(seconds=1)
    assert change.ended_at == BEGAN + timedelta(seconds=5)
    assert change.result == "DISABLED"


def test_a_sweep_whose_outcomes_are_all_there_hides_nothing() -> None:
    assert taken(announced(), outcome(), completed(1)).unseen == ()


def test_what_azure_did_not_take_is_not_taken() -> None:
    found = taken(announced(), outcome(result="LOCKED", accepted="false"), completed(1))
    assert found.changes == ()
    assert found.unseen == ()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "shows no event of this sweep"),
        ([announced(), outcome()], "does not show the end of this sweep"),
        ([row("SweepStarted", exemptionTag="keeps-keys")], "does not show the end of this sweep"),
        ([announced("a"), outcome("a"), completed(3)], "It shows 1 of the sweep's 3 outcomes."),
        ([row("DriftFound", 1, accountId="bot"), completed(0)], "1 of its rows can't be read."),
    ],
)
def test_what_the_events_do_not_show_is_said(rows: list[dict[str, Any]], says: str) -> None:
    (sentence,) = taken(*rows).unseen
    assert says in sentence


def test_an_announced_change_without_an_outcome_is_named_and_may_be_done() -> None:
    found = taken(announced("told"), outcome("told"), announced("not-told"), completed(2))
    assert names(found) == ["told", "not-told"]
    assert found.changes[1].ended_at is None
    assert any("is not told: not-told" in sentence for sentence in found.unseen)


def test_doubled_events_are_one() -> None:
    rows = [announced(), outcome(), completed(1)]
    assert taken(*rows, *rows) == taken(*rows)


def test_two_events_of_one_account_that_differ_count_as_taken() -> None:
    found = taken(announced(), outcome(accepted="false", result="BUSY"), outcome(seconds=9))
    assert [change.result for change in found.changes] == ["DISABLED"]


@pytest.mark.parametrize("seed", range(8))
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    rows = [announced("a"), outcome("a"), announced("b"), completed(2), outcome("b", 7)]
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    assert sorted(names(taken(*shuffled))) == ["a", "b"]
    assert taken(*shuffled).unseen == ()


def test_an_outcome_without_its_announcement_counts_from_the_sweeps_beginning() -> None:
    (change,) = taken(outcome(), completed(1)).changes
    assert change.begun_at == BEGAN


@pytest.mark.parametrize("accepted", ["True", "", "yes", None, 1])
def test_an_accepted_that_is_neither_true_nor_false_is_an_odd_row(accepted: Any) -> None:
    found = taken(announced(), row("RemediationOutcome", 5, accepted=accepted), completed(1))
    assert "1 of its rows can't be read." in found.unseen
    assert found.changes[0].ended_at is None


def test_the_function_names_itself_by_its_own_changes() -> None:
    theirs = row("KeyAccessChanged", 900, turned="off", changedBy="3F1A-APP")
    on = row("KeyAccessChanged", 950, turned="on", changedBy="somebody")
    found = taken(announced(), outcome(), completed(1), theirs, on)
    assert found.identity == {"3f1a-app"}


def test_the_beginning_of_a_sweep_says_its_tag() -> None:
    assert taken(row("SweepStarted", exemptionTag="keeps-keys")).tag == "keeps-keys"


def test_what_the_answer_did_not_show_is_passed_on() -> None:
    found = taken(announced(), outcome(), completed(1), unseen=("The result was cut.",))
    assert found.unseen == ("The result was cut.",)


def test_a_component_and_a_workspace_have_names_of_their_own() -> None:
    by_component = events_query(SWEEP, event_table(COMPONENT))
    by_workspace = events_query(SWEEP, event_table(WORKSPACE))
    assert by_component.startswith("customEvents\n")
    assert "customDimensions.sweepId" in by_component
    assert by_workspace.startswith("AppEvents\n")
    assert "Properties.sweepId" in by_workspace


@pytest.mark.parametrize(
    "resource",
    ["", "appi", COMPONENT + "/x", COMPONENT.replace("components", "webtests"), "/" + COMPONENT],
)
def test_what_is_no_application_insights_is_refused(resource: str) -> None:
    with pytest.raises(ValueError, match="no Application Insights"):
        event_table(resource)


@pytest.mark.parametrize(
    "text", ["", "20261124T090000Z", "20261324T090000Z-1f3a9c0d", "x' or 1==1"]
)
def test_what_is_no_sweeps_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"sweep.s id|does not match"):
        began_at(text)


def test_a_record_tells_who_swept_and_what_was_or_may_have_been_done() -> None:
    head = {"record": 1, "sweepId": SWEEP, "identity": ["Ann@contoso.com", "O-I-D"]}
    refused = {"outcome": account("a"), "result": "LOCKED", "accepted": False}
    lines: list[dict[str, Any]] = [head, {"begun": account("a")}, refused, {"begun": account("b")}]
    found = of_record(
        read_record("\n".join(json.dumps({**line, "at": BEGAN.isoformat()}) for line in lines))
    )
    assert names(found) == ["b"]
    assert found.identity == {"ann@contoso.com", "o-i-d"}


@pytest.mark.parametrize("year", ["0001", "2009", "9999"])
def test_no_sweep_began_at_an_end_of_the_calendar(year: str) -> None:
    with pytest.raises(ValueError, match="is no sweep's id: there was none"):
        began_at(f"{year}1231T235959Z-1f3a9c0d")


@pytest.mark.parametrize(
    "odd",
    [
        {"event": "DriftFound"},
        {"event": "DriftFound", "eventId": ["x"], "accountId": account("bot")},
        {"eventId": {"x": 1}},
    ],
)
def test_a_row_that_lacks_what_was_asked_for_is_one_that_cannot_be_read(odd: Any) -> None:
    taken = of_events(SWEEP, LogAnswer((announced(), odd)))
    assert [change.account.name for change in taken.changes] == ["bot"]
    assert "1 of its rows can't be read." in taken.unseen
