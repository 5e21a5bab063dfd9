"""Events: numbers are measurements, the rest properties, and the declaration is all there is."""

import hashlib
import json
import re
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.announcements import (
    account_held,
    coverage_gap,
    drift_found,
    exemption_observed,
    in_its_ring,
    key_access_changed,
    patch_war,
    remediation_outcome,
    sources_disagree,
    subscriptions_read,
)
from shared.core.events import (
    ACCOUNTS,
    DURATION,
    EVENTS,
    METRICS,
    REMEDIATIONS,
    REQUESTS,
    CoverageGap,
    DriftFound,
    Event,
    ExemptionObserved,
    KeyAccessChanged,
    Metric,
    PatchWar,
    SettingsRejected,
    SubscriptionRead,
    SweepCompleted,
    SweepContext,
)
from shared.core.model import (
    AccountId,
    AtLeast,
    Decision,
    Disagreement,
    Exactly,
    Gap,
    GapKind,
    Inventory,
    KeyChange,
    Level,
    NotKnown,
    OpenSince,
    Result,
    Source,
    TagsAbove,
    Turned,
)
from shared.core.owner import Owner, OwnerFrom
from shared.core.rings import Audited, InForce, Ring, Rings, Standing, ToCome
from shared.core.wire import fields_of, identified, measurements, properties
from tests.support.builders import (
    NOW,
    SUBSCRIPTION_ID,
    TAG,
    a_change,
    a_coverage,
    a_decision,
    a_subscription,
    an_account,
    an_outcome,
)

TEAM = Owner("team-x", OwnerFrom.RESOURCE_GROUP)


def test_a_gap_as_it_is_on_the_wire() -> None:
    gap = CoverageGap(subscription_id="s", gap_kind="subscription", gap_name="s", problem="403")
    assert properties(gap) == {
        "subscriptionId": "s",
        "gapKind": "subscription",
        "gapName": "s",
        "problem": "403",
    }
    assert measurements(gap) == {}


def test_numbers_are_measurements_booleans_are_words_and_none_is_left_out() -> None:
    event = ExemptionObserved(
        account_id="id",
        subscription_id="s",
        account_name="bot",
        resource_group="rg",
        kind="OpenAI",
        location="x",
        no_custom_subdomain=False,
        state="active",
        keys_on=True,
        verdict="EXEMPT",
        until=None,
        days_left=12,
        exemption_reason="",
        exemption_owner="",
        owner="",
        owner_from="",
        level="account",
        problem="",
    )
    assert measurements(event) == {"daysLeft": 12.0}
    assert properties(event)["keysOn"] == "true"
    assert "until" not in properties(event)


@pytest.mark.parametrize("event_type", EVENTS, ids=lambda event: event.name)
def test_every_field_says_what_it_means(event_type: type[Event]) -> None:
    declared = fields_of(event_type)
    # What stands in its ring is told by the fields that every event carries.
    own = [field.name for field in fields(event_type) if field.name != "standing"]
    assert [field.attribute for field in declared] == own
    assert all(field.meaning.endswith((".", "`")) for field in declared)
    assert event_type.name == event_type.__name__
    assert event_type.__doc__


def test_names_are_unique() -> None:
    assert len({event.name for event in EVENTS}) == len(EVENTS)
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    every = {field.name for field in fields_of(SweepContext)}
    for event_type in EVENTS:
        assert not every & {field.name for field in fields_of(event_type)}


def test_a_subscription_is_told_with_what_was_found_there() -> None:
    one, two = a_subscription(1, management_groups=("mg-bots", "root")), a_subscription(2)
    inventory = Inventory(
        (a_coverage(one, keys_off=5), a_coverage(two, Source.ARM, keys_off=1)), (), ()
    )
    here = AccountId(one.id, "rg", "bot")
    held = {TAG: "until=soon"}
    decisions = [
        *(a_decision(id=here) for _ in range(4)),
        *(a_decision(id=here, tags={TAG: "yes"}) for _ in range(3)),
        *(a_decision(id=here, tags=held) for _ in range(2)),
        a_decision(id=AccountId(two.id, "rg", "bot")),
    ]
    first, second = subscriptions_read(inventory, decisions, Rings().at(NOW))
    assert first == SubscriptionRead(
        subscription_id=one.id,
        subscription_name="sub-1",
        management_groups="mg-bots/root",
        ring=None,
        source="graph",
        accounts=14,
        compliant=5,
        exempt=3,
        held=2,
        drift=4,
    )
    assert second.source == "arm"
    assert second.accounts == 2


def announced(
    decision: Decision, change: KeyChange | None, flips: int, opened: OpenSince | None = None
) -> DriftFound:
    return drift_found(decision, change, flips, opened or NotKnown(), TEAM, NOW)


def test_a_drift_names_who_turned_keys_on_from_the_change_log() -> None:
    change = a_change(Turned.ON, NOW - timedelta(hours=1))
    event = announced(a_decision(changed_by="somebody", changed_at=NOW), change, 3)
    assert event.attribution == "changeLog"
    assert event.changed_by == "ann@contoso.com"
    assert event.changed_by_type == "User"
    assert event.client == "Azure Portal"
    assert event.changed_at == "2026-11-24T08:00:00+00:00"
    assert event.flips == 3


def test_a_drift_that_the_change_log_does_not_know_names_who_changed_the_account_last() -> None:
    event = announced(a_decision(changed_by="somebody", changed_at=NOW), None, 0)
    assert event.attribution == "lastModified"
    assert event.changed_by == "somebody"
    assert event.changed_by_type == ""
    assert event.client == ""
    assert event.changed_at == "2026-11-24T09:00:00+00:00"
    assert event.flips == 0


def test_a_drift_that_nobody_knows_anything_of_says_so() -> None:
    event = announced(a_decision(changed_at=NOW), None, 0)
    assert event.attribution == "unknown"
    assert event.changed_by == ""
    assert event.changed_at is None


def test_a_last_change_without_its_moment_names_who_all_the_same() -> None:
    event = announced(a_decision(changed_by="somebody"), None, 0)
    assert event.attribution == "lastModified"
    assert event.changed_at is None


def test_what_is_told_of_an_account() -> None:
    event = announced(a_decision(), None, 0)
    assert event.account_id == a_decision().account.id.key
    assert event.subscription_id == SUBSCRIPTION_ID
    assert event.account_name == "bot"
    assert event.resource_group == "rg-chat"
    assert event.kind == "OpenAI"
    assert event.location == "swedencentral"
    assert event.no_custom_subdomain is False
    assert event.reason == "Its keys are on and no tag exempts it."


def test_an_account_without_a_subdomain_is_told_as_such() -> None:
    assert announced(a_decision(custom_subdomain=None), None, 0).no_custom_subdomain is True


def test_a_change_of_keys_is_told_as_the_change_log_has_it() -> None:
    change = a_change(Turned.OFF, ours=True)
    assert key_access_changed(change, 2) == KeyAccessChanged(
        account_id=change.account.key,
        subscription_id=SUBSCRIPTION_ID,
        account_name="bot",
        change_id=change.id,
        changed_at="2026-11-24T09:00:00+00:00",
        turned="off",
        changed_by="ann@contoso.com",
        changed_by_type="User",
        client="Azure Portal",
        operation="Microsoft.CognitiveServices/accounts/write",
        ours=True,
        flips=2,
    )


def test_a_patch_war_names_both_sides() -> None:
    on = a_change(Turned.ON, NOW - timedelta(hours=2))
    off = a_change(Turned.OFF, by="keysweep", by_type="Application", client="", ours=True)
    assert patch_war(on, off, 4) == PatchWar(
        account_id=on.account.key,
        subscription_id=SUBSCRIPTION_ID,
        account_name="bot",
        flips=4,
        turned_on_by="ann@contoso.com",
        turned_on_by_type="User",
        turned_on_client="Azure Portal",
        turned_on_at="2026-11-24T07:00:00+00:00",
        turned_off_by="keysweep",
        turned_off_by_type="Application",
        turned_off_client="",
        turned_off_at="2026-11-24T09:00:00+00:00",
        ours=True,
    )


def test_sources_that_disagree_are_told_with_what_each_says() -> None:
    event = sources_disagree(Disagreement(an_account(), "off, or absent", "on"))
    assert event.account_name == "bot"
    assert event.graph_says == "off, or absent"
    assert event.arm_says == "on"


def test_a_held_account_is_told_with_its_reason_and_what_to_mend() -> None:
    event = account_held(a_decision(tags={TAG: "until=soon"}), TEAM)
    assert event.hold_reason == "UNREADABLE_TAG"
    assert event.account_name == "bot"
    assert "'until=soon' can't be read" in event.reason


@pytest.mark.parametrize(
    "event",
    [
        drift_found(a_decision(), None, 0, NotKnown(), TEAM, NOW),
        remediation_outcome(
            an_outcome(Result.LOCKED),
            drift_found(a_decision(), None, 0, NotKnown(), TEAM, NOW),
        ),
        account_held(a_decision(tags={TAG: "until=soon"}), TEAM),
        exemption_observed(a_decision(tags={TAG: "owner=ann@contoso.com"}), None, TEAM),
    ],
    ids=["drift", "outcome", "held", "exemption"],
)
def test_an_event_about_an_account_says_whose_it_is_and_what_names_them(event: Event) -> None:
    assert properties(event)["owner"] == "team-x"
    assert properties(event)["ownerFrom"] == "resourceGroup"


@pytest.mark.parametrize(
    ("opened", "since", "known", "hours"),
    [
        (Exactly(NOW - timedelta(hours=30)), "2026-11-23T03:00:00+00:00", "exactly", 30),
        (Exactly(NOW - timedelta(minutes=20)), "2026-11-24T08:40:00+00:00", "exactly", 0.33),
        (AtLeast(NOW - timedelta(days=14)), "2026-11-10T09:00:00+00:00", "atLeast", 336),
        (NotKnown(), None, "unknown", None),
    ],
    ids=["exactly", "to the hundredth of an hour", "at least", "nobody knows"],
)
def test_a_drift_is_told_with_since_when_it_is_open(
    opened: OpenSince, since: str | None, known: str, hours: float | None
) -> None:
    event = announced(a_decision(), None, 0, opened)
    assert event.open_since == since
    assert event.open_since_known == known
    assert event.open_hours == hours


def test_an_outcome_is_told_with_the_age_that_was_announced() -> None:
    announcement = announced(a_decision(), None, 0, Exactly(NOW - timedelta(hours=30)))
    event = remediation_outcome(an_outcome(Result.LOCKED), announcement)
    assert event.open_since == announcement.open_since
    assert event.open_since_known == announcement.open_since_known
    assert event.open_hours == announcement.open_hours


def test_an_outcome_is_told_with_azures_own_words() -> None:
    outcome = an_outcome(
        Result.LOCKED,
        detail="A lock forbids it.",
        azure_code="ScopeLocked",
        azure_message="The scope is locked.",
        accepted=True,
    )
    event = remediation_outcome(outcome, announced(a_decision(), None, 0))
    assert event.account_name == "bot"
    assert event.result == "LOCKED"
    assert event.detail == "A lock forbids it."
    assert event.azure_code == "ScopeLocked"
    assert event.azure_message == "The scope is locked."
    assert event.accepted is True


def observed(decision: Decision, days_left: int | None = None) -> ExemptionObserved:
    event = exemption_observed(decision, days_left, TEAM)
    assert event is not None
    return event


def test_an_exemption_in_force_is_told_with_all_that_its_tag_says() -> None:
    value = "until=2027-03-31; reason=legacy bot; owner=ann@contoso.com"
    event = observed(a_decision(tags={TAG: value}), 127)
    assert event.account_name == "bot"
    assert event.state == "active"
    assert event.keys_on is True
    assert event.verdict == "EXEMPT"
    assert event.until == "2027-03-31"
    assert event.days_left == 127
    assert event.exemption_reason == "legacy bot"
    assert event.exemption_owner == "ann@contoso.com"
    assert event.level == "account"
    assert event.problem == ""


def test_an_exemption_without_an_end_has_no_days_left() -> None:
    event = observed(a_decision(tags={TAG: "yes"}))
    assert event.until is None
    assert event.days_left is None


def test_an_exemption_from_above_is_told_with_its_level() -> None:
    above = (TagsAbove(Level.RESOURCE_GROUP, {TAG: "yes"}),)
    event = observed(a_decision(above=above))
    assert event.level == "resourceGroup"


def test_an_exemption_that_lapsed_is_told_with_its_end_reason_and_owner() -> None:
    value = "until=2026-11-20; reason=legacy bot; owner=ann@contoso.com"
    event = observed(a_decision(tags={TAG: value}), -4)
    assert event.state == "lapsed"
    assert event.until == "2026-11-20"
    assert event.days_left == -4
    assert event.exemption_reason == "legacy bot"
    assert event.exemption_owner == "ann@contoso.com"
    assert event.level == "account"


def test_an_exemption_that_cannot_be_read_is_told_with_its_problem() -> None:
    event = observed(a_decision(tags={TAG: "until=soon"}))
    assert event.state == "unreadable"
    assert "'soon'" in event.problem
    assert event.exemption_reason == ""
    assert event.exemption_owner == ""
    assert event.level == "account"


def test_an_explicit_no_is_told_as_refused() -> None:
    event = observed(a_decision(tags={TAG: "no"}, keys_on=False))
    assert event.state == "refused"
    assert event.keys_on is False


def test_of_an_account_without_our_tag_no_exemption_is_told() -> None:
    assert exemption_observed(a_decision(), None, TEAM) is None


def test_a_gap_is_told_with_what_could_not_be_read_and_why() -> None:
    gap = Gap(GapKind.MANAGEMENT_GROUP, "mg-prod", "403", "s")
    assert coverage_gap(gap) == CoverageGap(
        subscription_id="s", gap_kind="managementGroup", gap_name="mg-prod", problem="403"
    )


def test_the_context_of_a_sweep_without_notice_names_no_moment() -> None:
    assert properties(SweepContext("id", "audit", "1.0")) == {
        "sweepId": "id",
        "mode": "audit",
        "version": "1.0",
        "eventId": "",
    }


CONTEXT = SweepContext("id", "audit", "1.0")
GAP = CoverageGap(subscription_id="s", gap_kind="subscription", gap_name="s", problem="403")


def test_an_event_that_is_sent_twice_has_one_id() -> None:
    assert identified(CONTEXT, GAP) == identified(CONTEXT, replace(GAP))


def events() -> st.SearchStrategy[Event]:
    """Return events of every type, that say little and so often nearly the same."""
    texts, numbers = st.sampled_from(["", "a", "b", "1", "a/b"]), st.integers(0, 2)
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "text": texts,
        "true or false": st.booleans(),
        "whole number": numbers,
        "number": numbers.map(float),
    }

    def said(event_type: type[Event]) -> st.SearchStrategy[Event]:
        contents = {
            field.attribute: kinds[field.kind.removesuffix("?")]
            | (st.none() if field.kind.endswith("?") else st.nothing())
            for field in fields_of(event_type)
        }
        return st.builds(event_type, **contents)

    return st.one_of([said(event_type) for event_type in EVENTS])


@given(st.lists(events(), unique=True, max_size=8))
def test_law_the_events_of_a_sweep_have_ids_of_their_own_and_keep_them_when_sent_again(
    batch: list[Event],
) -> None:
    ids = [identified(CONTEXT, event).event_id for event in batch]
    assert len(set(ids)) == len(batch)
    sent_again = [identified(CONTEXT, replace(event)).event_id for event in reversed(batch)]
    assert sent_again == ids[::-1]


@given(events())
def test_law_what_two_sweeps_say_alike_has_two_ids(event: Event) -> None:
    other = replace(CONTEXT, sweep_id="other")
    assert identified(CONTEXT, event).event_id != identified(other, event).event_id


def test_the_id_of_an_event_is_32_hexadecimal_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", identified(CONTEXT, GAP).event_id)


def test_the_rest_of_the_context_stays() -> None:
    assert replace(identified(CONTEXT, GAP), event_id="") == CONTEXT


@pytest.mark.parametrize(
    ("standing", "mode", "enforce_from"),
    [
        (InForce("mg-dev"), "enforce", None),
        (ToCome(NOW, "mg-test"), "audit", NOW.isoformat()),
        (Audited("It is in no ring."), "audit", None),
    ],
)
def test_the_mode_of_an_event_is_that_of_its_ring(
    standing: Standing, mode: str, enforce_from: str | None
) -> None:
    found = identified(CONTEXT, replace(announced(a_decision(), None, 0), standing=standing))
    assert found.mode == mode
    assert found.enforce_from == enforce_from


def test_the_mode_of_a_gap_is_that_of_the_settings_whatever_subscription_it_names() -> None:
    assert GAP.subscription_id
    assert identified(CONTEXT, GAP).mode == CONTEXT.mode


def test_the_mode_of_an_event_of_which_nobody_looked_for_the_ring_is_that_of_the_settings() -> None:
    assert identified(CONTEXT, announced(a_decision(), None, 0)).mode == CONTEXT.mode


def test_an_event_gets_the_ring_of_its_own_subscription() -> None:
    rings = Rings(enforces=True, listed=(Ring(SUBSCRIPTION_ID, is_group=False),)).at(NOW)
    drift = announced(a_decision(), None, 0)
    assert in_its_ring(drift, rings).standing == InForce(SUBSCRIPTION_ID)
    elsewhere = in_its_ring(replace(drift, subscription_id="other"), rings)
    assert isinstance(elsewhere.standing, Audited)


def test_events_that_differ_in_sweep_name_text_or_number_have_ids_of_their_own() -> None:
    read = SubscriptionRead(
        subscription_id="s",
        subscription_name="s",
        management_groups=None,
        ring=None,
        source="arm",
        accounts=1,
        compliant=1,
        exempt=0,
        held=0,
        drift=0,
    )
    ids = {
        identified(CONTEXT, GAP).event_id,
        identified(replace(CONTEXT, sweep_id="other"), GAP).event_id,
        identified(CONTEXT, replace(GAP, problem="404")).event_id,
        identified(CONTEXT, read).event_id,
        identified(CONTEXT, replace(read, drift=1)).event_id,
        identified(CONTEXT, SettingsRejected(problems="", problem_count=1)).event_id,
    }
    assert len(ids) == 6


def test_the_order_of_an_events_fields_makes_no_difference_to_its_id() -> None:
    said = ["id", "CoverageGap", dict(sorted(properties(GAP).items())), {}]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    assert identified(CONTEXT, GAP).event_id == digest[:32]


@pytest.mark.parametrize(
    ("name", "kind", "is_measurement"),
    [
        ("daysLeft", "whole number?", True),
        ("keysOn", "true or false", False),
        ("until", "text?", False),
        ("owner", "text", False),
    ],
)
def test_a_field_says_what_kind_of_thing_it_is(name: str, kind: str, is_measurement: bool) -> None:  # noqa: FBT001 - parametrized
    (field,) = [field for field in fields_of(ExemptionObserved) if field.name == name]
    assert field.kind == kind
    assert field.is_measurement is is_measurement


def test_a_duration_is_a_number() -> None:
    (duration,) = [field for field in fields_of(SweepCompleted) if field.kind == "number"]
    assert duration.attribute == "duration_seconds"
    assert duration.is_measurement


@pytest.mark.parametrize(
    ("metric", "name", "unit", "dimensions"),
    [
        (ACCOUNTS, "keysweep.accounts", "accounts", ("state",)),
        (REMEDIATIONS, "keysweep.remediations", "accounts", ("result",)),
        (DURATION, "keysweep.sweep.duration", "s", ("mode",)),
        (REQUESTS, "keysweep.requests", "requests", ("method", "outcome")),
    ],
)
def test_a_metric_keeps_its_name_unit_and_dimensions(
    metric: Metric, name: str, unit: str, dimensions: tuple[str, ...]
) -> None:
    assert metric.name == name
    assert metric.unit == unit
    assert metric.dimensions == dimensions
