"""Events: numbers are measurements, the rest properties, and the declaration is all there is."""

from dataclasses import fields

import pytest

from shared.events import (
    EVENTS,
    METRICS,
    CoverageGap,
    Event,
    ExemptionObserved,
    SweepContext,
    fields_of,
    measurements,
    properties,
)


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
        owner="",
        level="account",
        problem="",
    )
    assert measurements(event) == {"daysLeft": 12.0}
    assert properties(event)["keysOn"] == "true"
    assert "until" not in properties(event)


@pytest.mark.parametrize("event_type", EVENTS, ids=lambda each: each.name)
def test_every_field_says_what_it_means(event_type: type[Event]) -> None:
    declared = fields_of(event_type)
    assert len(declared) == len(fields(event_type))
    assert all(each.meaning.endswith((".", "`")) for each in declared)
    assert event_type.name == event_type.__name__
    assert event_type.__doc__


def test_names_are_unique() -> None:
    assert len({each.name for each in EVENTS}) == len(EVENTS)
    assert len({each.name for each in METRICS}) == len(METRICS)
    every = {each.name for each in fields_of(SweepContext)}
    for event_type in EVENTS:
        assert not every & {each.name for each in fields_of(event_type)}
