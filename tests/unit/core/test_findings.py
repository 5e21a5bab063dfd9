"""What a sweep decides, plans and tells of what it found, before anything is written."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from shared.core.change_log import ChangeLog
from shared.core.events import DriftFound, Event, ExemptionObserved, PatchWar
from shared.core.findings import Findings
from shared.core.model import Account, Inventory, KeyChange, Result, Turned
from tests.support.builders import NOW, TAG, a_change, a_coverage
from tests.support.fake_sweeps import bot, bots, settings_of

HOUR = timedelta(hours=1)
LIMIT: dict[str, Any] = {"MAX_CHANGES_PER_SWEEP": "2"}


def findings(
    *accounts: Account, changes: tuple[KeyChange, ...] = (), may_write: bool = True, **environ: str
) -> Findings:
    """Return what a sweep makes of these accounts, and of these changes of their keys."""
    by_account = defaultdict[str, list[KeyChange]](list)
    for change in changes:
        by_account[change.account.key].append(change)
    settings = settings_of(environ)
    return Findings.of(
        settings,
        Inventory((a_coverage(),), accounts, ()),
        ChangeLog(by_account, read_at=NOW),
        settings.rings.at(NOW),
        "20261124T090000Z-1f3a9c0d",
        may_write=may_write,
    )


def told[Told: Event](found: Findings, event_type: type[Told]) -> list[Told]:
    """Return the events of a type that are told beside the drifts."""
    return [event for event in found.told_besides(()) if isinstance(event, event_type)]


def announced(found: Findings) -> DriftFound:
    """Return the announcement of the one drift."""
    (announcement,) = found.announcements(NOW).values()
    return announcement


def audited(found: Findings) -> list[str]:
    """Return what is said of the drifts that are not to be written."""
    outcomes = list(found.audited())
    assert {outcome.result for outcome in outcomes} <= {Result.WOULD_DISABLE}
    return [outcome.detail for outcome in outcomes]


def test_an_account_that_is_not_in_scope_is_not_decided_on() -> None:
    found = findings(bot(), bot("stray", kind="SpeechServices"))
    assert [decision.account for decision in found.decisions] == [bot()]


@pytest.mark.parametrize(
    ("value", "days"), [("yes", None), ("2026-11-24", 0), ("2026-11-14", -10), ("no", None)]
)
def test_an_exemption_is_told_with_the_days_that_it_has_left(value: str, days: int | None) -> None:
    (observed,) = told(findings(bot(tags={TAG: value})), ExemptionObserved)
    assert observed.days_left == days


def test_an_account_without_our_tag_has_no_exemption_to_tell() -> None:
    assert told(findings(bot()), ExemptionObserved) == []


# What is audited


def test_what_is_to_be_written_is_not_audited() -> None:
    assert audited(findings(bot())) == []


def test_a_moment_to_come_says_when_the_keys_go_off() -> None:
    found = findings(bot(), may_write=False, ENFORCE_FROM="2026-12-01T08:00Z")
    assert audited(found) == ["Its keys go off from 2026-12-01T08:00Z on."]


@pytest.mark.parametrize(
    "environ", [{"SWEEP_MODE": "audit", "ENFORCE_FROM": "2026-12-01T08:00Z"}, {}], ids=str
)
def test_what_may_not_write_and_names_no_moment_gives_no_notice(environ: dict[str, Any]) -> None:
    found = findings(bot(), may_write=False, **environ)
    assert audited(found) == ["Audit mode changes nothing."]


# The brake


def test_the_brake_is_told_with_the_way_on() -> None:
    event = findings(*bots(3), **LIMIT).brake_engaged()
    assert event.changes == 3
    assert event.limit == 2
    assert event.held == 3
    assert event.brake == (
        "This sweep holds back all 3 changes: the brake lets one sweep make at most 2 "
        "(MAX_CHANGES_PER_SWEEP). BRAKE=trickle makes 2 in each sweep, all of them in 2 sweeps "
        "(30 min); BRAKE_RELEASE_UNTIL=2026-11-25T09:00Z lets them through at once."
    )


def test_audit_mode_says_what_the_brake_would_do() -> None:
    found = findings(*bots(3), may_write=False, SWEEP_MODE="audit", **LIMIT)
    assert found.brake.startswith("A sweep that enforces would hold back all 3 changes: the brake")


def test_audit_mode_says_of_each_drift_that_the_brake_would_hold_it() -> None:
    found = findings(*bots(3), may_write=False, SWEEP_MODE="audit", **LIMIT)
    sentence = "The brake would hold it: 3 changes in one sweep, and 2 are allowed."
    assert audited(found) == [f"Audit mode changes nothing. {sentence}"] * 3


def test_audit_mode_says_of_each_drift_how_many_a_trickle_would_let_through() -> None:
    found = findings(*bots(3), may_write=False, SWEEP_MODE="audit", BRAKE="trickle", **LIMIT)
    sentence = "The brake would let 2 of 3 changes through in one sweep."
    assert audited(found) == [f"Audit mode changes nothing. {sentence}"] * 3


def test_audit_mode_holds_nothing() -> None:
    found = findings(*bots(3), may_write=False, SWEEP_MODE="audit", **LIMIT)
    assert len(found.drift) == 3


# The change log


def test_an_exemption_that_lapsed_opens_a_drift_the_day_after_its_last() -> None:
    lapsed = bot(tags={TAG: "2026-11-20"})
    on = a_change(Turned.ON, NOW - timedelta(days=10))
    drift = announced(findings(lapsed, changes=(on,)))
    assert drift.open_since == "2026-11-21T00:00:00+00:00"
    assert drift.open_since_known == "exactly"


def test_a_patch_war_is_told_with_both_sides() -> None:
    changes = (
        a_change(Turned.ON, NOW - 3 * HOUR, by="ann"),
        a_change(Turned.OFF, NOW - 2 * HOUR, by="us", ours=True),
        a_change(Turned.ON, NOW - HOUR, by="bob"),
    )
    (war,) = told(findings(bot(), changes=changes), PatchWar)
    assert war.turned_on_by == "bob"
    assert war.turned_off_by == "us"
    assert war.flips == 3
