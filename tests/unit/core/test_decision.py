"""What becomes of an account, and of many: verdicts, reasons to hold, and the brake."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.decision import Brake, Limits, Plan, Rules, Scope, decide, held_by_the_brake, plan
from shared.core.model import (
    Account,
    AccountId,
    Decision,
    Exempt,
    HoldReason,
    Lapsed,
    Level,
    NotExempt,
    TagsAbove,
    Verdict,
)
from tests.support.builders import NOW, SUBSCRIPTION_ID, TAG, TODAY, a_decision, an_account

NEAR = {"LocalAuthExempt": "yes"}
UNREADABLE = "until=soon"
NO_SUBDOMAIN = "It has no custom subdomain: Entra ID can't reach it until it gets one."


@pytest.mark.parametrize(
    ("account", "verdict", "reason"),
    [
        ({}, Verdict.DRIFT, "Its keys are on and no tag exempts it."),
        ({"tags": {"team": "x"}}, Verdict.DRIFT, "Its keys are on and no tag exempts it."),
        ({"tags": {TAG: "no"}}, Verdict.DRIFT, "Its tag says explicitly not exempt."),
        ({"tags": {TAG: "2026-11-23"}}, Verdict.DRIFT, "Its exemption ended on 2026-11-23."),
        (
            {"tags": {TAG: "until=2025-01-01; owner=x"}},
            Verdict.DRIFT,
            "Its exemption ended on 2025-01-01.",
        ),
        ({"tags": NEAR | {TAG: "no"}}, Verdict.DRIFT, "Its tag says explicitly not exempt."),
        (
            {"custom_subdomain": None},
            Verdict.DRIFT,
            f"Its keys are on and no tag exempts it. {NO_SUBDOMAIN}",
        ),
        (
            {"tags": {TAG: ""}},
            Verdict.EXEMPT,
            "The tag of its account exempts it, open-ended.",
        ),
        (
            {"tags": {TAG: "legacy bot"}},
            Verdict.EXEMPT,
            "The tag of its account exempts it, open-ended: legacy bot.",
        ),
        (
            {"tags": {TAG: "2027-03-31"}},
            Verdict.EXEMPT,
            "The tag of its account exempts it until 2027-03-31.",
        ),
        (
            {"tags": {TAG: "until=2027-03-31; reason=legacy bot"}},
            Verdict.EXEMPT,
            "The tag of its account exempts it until 2027-03-31: legacy bot.",
        ),
        ({"keys_on": False}, Verdict.COMPLIANT, "Its keys are off."),
        ({"keys_on": False, "tags": {TAG: "yes"}}, Verdict.COMPLIANT, "Its keys are off."),
        ({"keys_on": False, "tags": {TAG: UNREADABLE}}, Verdict.COMPLIANT, "Its keys are off."),
    ],
    ids=str,
)
def test_every_account_that_is_not_held_has_its_verdict_and_says_why(
    account: dict[str, Any], verdict: Verdict, reason: str
) -> None:
    decision = a_decision(**account)
    assert decision.verdict is verdict
    assert decision.reason == reason
    assert decision.hold is None


@pytest.mark.parametrize(
    ("account", "rules", "hold", "reason"),
    [
        (
            {"tags": {TAG: UNREADABLE}},
            Rules(),
            HoldReason.UNREADABLE_TAG,
            "Its exemption tag 'until=soon' can't be read: ",
        ),
        (
            {"tags": NEAR},
            Rules(),
            HoldReason.NEAR_MISS_TAG,
            "Its tag 'LocalAuthExempt' is nearly 'local-auth-exempt': rename or remove it.",
        ),
        (
            {"tags": {TAG: "yes"}},
            Rules(require_until=True),
            HoldReason.TAG_BREAKS_RULE,
            "Its exemption has no end date, and this tenant requires one.",
        ),
        (
            {"tags": {TAG: "yes"}},
            Rules(max_days=30),
            HoldReason.TAG_BREAKS_RULE,
            "Its exemption has no end date, and this tenant requires one.",
        ),
        (
            {"tags": {TAG: "2026-12-25"}},
            Rules(max_days=30),
            HoldReason.TAG_BREAKS_RULE,
            "Its exemption lasts until 2026-12-25, and this tenant allows 30 days.",
        ),
        (
            {"custom_subdomain": None},
            Rules(hold_no_subdomain=True),
            HoldReason.NO_SUBDOMAIN,
            f"Its keys are on and no tag exempts it. {NO_SUBDOMAIN}",
        ),
    ],
    ids=str,
)
def test_what_is_held_says_why(
    account: dict[str, Any], rules: Rules, hold: HoldReason, reason: str
) -> None:
    decision = a_decision(rules=rules, **account)
    assert decision.verdict is Verdict.HELD
    assert decision.hold is hold
    assert decision.reason.startswith(reason)


@pytest.mark.parametrize(
    ("account", "rules", "verdict"),
    [
        ({"tags": {TAG: "2027-03-31"}}, Rules(require_until=True), Verdict.EXEMPT),
        ({"tags": {TAG: "2026-12-24"}}, Rules(max_days=30), Verdict.EXEMPT),
        ({"tags": {TAG: "yes"}, "custom_subdomain": None}, Rules(hold_no_subdomain=True),
         Verdict.EXEMPT),
        ({"tags": {TAG: UNREADABLE}}, Rules(hold_unreadable=False), Verdict.DRIFT),
    ],
    ids=str,
)  # fmt: skip
def test_what_breaks_no_rule_is_not_held(
    account: dict[str, Any], rules: Rules, verdict: Verdict
) -> None:
    assert a_decision(rules=rules, **account).verdict is verdict


def test_a_tag_that_a_strict_tenant_ignores_is_quoted_all_the_same() -> None:
    decision = a_decision(rules=Rules(hold_unreadable=False), tags={TAG: UNREADABLE})
    assert "'until=soon' can't be read" in decision.reason


@pytest.mark.parametrize(
    ("value", "exemption"),
    [
        ("yes", Exempt()),
        ("2026-11-23", Lapsed(date(2026, 11, 23))),
        ("no", NotExempt(explicit=True)),
    ],
)
@pytest.mark.parametrize("keys_on", [True, False])
def test_a_decision_keeps_what_the_tag_says(
    value: str,
    exemption: Exempt | Lapsed | NotExempt,
    keys_on: bool,  # noqa: FBT001 - parametrized
) -> None:
    assert a_decision(keys_on=keys_on, tags={TAG: value}).exemption == exemption


def test_a_decision_is_about_its_account() -> None:
    account = an_account()
    assert decide(account, Scope(), Rules(), TODAY).account is account


accounts = st.builds(
    Account,
    id=st.just(AccountId("0000", "rg", "bot")),
    kind=st.sampled_from(["OpenAI", "AIServices"]),
    location=st.just("x"),
    keys_on=st.booleans(),
    tags=st.dictionaries(
        st.sampled_from([TAG, TAG.upper(), "LocalAuthExempt", "team"]), st.text(max_size=30)
    ),
    custom_subdomain=st.sampled_from([None, "bot"]),
)
rules_of_all_kinds = st.builds(
    Rules,
    require_until=st.booleans(),
    max_days=st.none() | st.integers(1, 100),
    hold_unreadable=st.booleans(),
    hold_no_subdomain=st.booleans(),
)


@given(accounts, rules_of_all_kinds)
def test_law_every_account_gets_one_verdict_and_a_hold_reason_only_if_held(
    subject: Account, rules: Rules
) -> None:
    decision = decide(subject, Scope(), rules, TODAY)
    assert (decision.verdict is Verdict.HELD) == (decision.hold is not None)
    assert (decision.verdict is Verdict.COMPLIANT) == (not subject.keys_on)
    assert decision.reason
    assert decide(subject, Scope(), rules, TODAY) == decision


@given(accounts, rules_of_all_kinds)
def test_law_stricter_rules_never_make_drift_of_a_readable_exemption(
    subject: Account, rules: Rules
) -> None:
    if decide(subject, Scope(), Rules(), TODAY).verdict is Verdict.EXEMPT:
        assert decide(subject, Scope(), rules, TODAY).verdict in {Verdict.EXEMPT, Verdict.HELD}


# The scope

OTHER = "00000000-0000-0000-0000-000000000002"


@pytest.mark.parametrize("keys_on", [True, False])
def test_an_account_of_another_kind_is_left_out_whatever_else_is_true_of_it(
    *, keys_on: bool
) -> None:
    decision = a_decision(kind="SpeechServices", tags={TAG: "yes"}, keys_on=keys_on)
    assert decision.verdict is Verdict.OUT_OF_SCOPE
    assert decision.hold is None
    assert decision.exemption == NotExempt()
    assert decision.reason == "Its kind is SpeechServices, and OpenAI and AIServices are in scope."


@pytest.mark.parametrize(
    ("scope", "kind", "left_out"),
    [
        *((Scope(), kind, "") for kind in ("OpenAI", "AIServices", "openai", "AISERVICES")),
        (Scope(kinds=("OPENAI",)), "OpenAI", ""),
        (
            Scope(kinds=("OPENAI",)),
            "AIServices",
            "Its kind is AIServices, and OPENAI are in scope.",
        ),
        (
            Scope(excluded_subscriptions=(SUBSCRIPTION_ID,)),
            "OpenAI",
            "Its subscription is in SWEEP_EXCLUDE_SUBSCRIPTIONS.",
        ),
        (
            Scope(subscriptions=(OTHER,)),
            "OpenAI",
            "Its subscription is not in SWEEP_SUBSCRIPTIONS.",
        ),
        (
            Scope(subscriptions=(SUBSCRIPTION_ID,), excluded_subscriptions=(SUBSCRIPTION_ID,)),
            "OpenAI",
            "Its subscription is in SWEEP_EXCLUDE_SUBSCRIPTIONS.",
        ),
        (Scope(subscriptions=(OTHER, SUBSCRIPTION_ID)), "OpenAI", ""),
        (Scope(excluded_subscriptions=(OTHER,)), "OpenAI", ""),
        # An account does not show its management group.
        (Scope(management_groups=("mg",)), "OpenAI", ""),
    ],
    ids=str,
)
def test_what_is_left_out_says_why(scope: Scope, kind: str, left_out: str) -> None:
    assert scope.leaves_out(an_account(kind=kind)) == left_out


@pytest.mark.parametrize("kind", ["", "OpenAI ", "OpenAI2", "Open", "İAServices"])
def test_a_kind_that_only_resembles_one_in_scope_is_another(kind: str) -> None:
    assert "Its kind is" in Scope().leaves_out(an_account(kind=kind))


# The levels above

GROUP, ABOVE = Level.RESOURCE_GROUP, Level.SUBSCRIPTION


def below(group: dict[str, str] | None, subscription: dict[str, str] | None) -> Account:
    return an_account(above=(TagsAbove(GROUP, group), TagsAbove(ABOVE, subscription)))


@pytest.mark.parametrize(
    ("group", "subscription", "verdict"),
    [
        ({TAG: "yes"}, {}, Verdict.EXEMPT),
        ({}, {TAG: "yes"}, Verdict.EXEMPT),
        ({TAG: "no"}, {TAG: "yes"}, Verdict.DRIFT),
        ({TAG: "2020-01-01"}, {TAG: "yes"}, Verdict.DRIFT),
        ({TAG: "no"}, None, Verdict.DRIFT),
        ({TAG: "no", **NEAR}, {}, Verdict.DRIFT),
        ({}, NEAR, Verdict.HELD),
        (None, {TAG: "yes"}, Verdict.HELD),
        ({}, None, Verdict.HELD),
    ],
)
def test_the_nearest_level_with_the_tag_decides(
    group: dict[str, str] | None, subscription: dict[str, str] | None, verdict: Verdict
) -> None:
    assert decide(below(group, subscription), Scope(), Rules(), TODAY).verdict is verdict


def test_an_exemption_names_its_level() -> None:
    decision = decide(below({TAG: "yes"}, {}), Scope(), Rules(), TODAY)
    assert decision.exemption == Exempt(level=GROUP)
    assert decision.reason == "The tag of its resourceGroup exempts it, open-ended."


def test_a_level_that_cannot_be_read_holds_the_account_and_is_named() -> None:
    decision = decide(below(None, {TAG: "yes"}), Scope(), Rules(), TODAY)
    assert decision.hold is HoldReason.UNREADABLE_LEVEL
    assert decision.exemption == NotExempt()
    assert "resourceGroup can't be read" in decision.reason


def test_a_near_miss_on_a_level_above_is_called_one() -> None:
    decision = decide(below({}, NEAR), Scope(), Rules(), TODAY)
    assert decision.hold is HoldReason.NEAR_MISS_TAG


def test_a_level_that_cannot_be_read_does_not_matter_to_keys_that_are_off() -> None:
    account = an_account(keys_on=False, above=(TagsAbove(GROUP, None),))
    decision = decide(account, Scope(), Rules(), TODAY)
    assert decision.verdict is Verdict.COMPLIANT
    assert decision.exemption == NotExempt()


# The brake

QUARTER = timedelta(minutes=15)


def drifts_of(count: int) -> list[Decision]:
    return [a_decision(f"bot-{number}") for number in range(count)]


def planned(count: int, limit: Limits = Limits(), interval: timedelta = QUARTER) -> Plan:  # noqa: B008 - frozen
    return plan(drifts_of(count), limit, NOW, "20261124T090000Z", interval)


def test_by_default_twenty_five_changes_are_let_through_and_one_more_holds_all() -> None:
    assert len(planned(25).change) == 25
    assert planned(26).change == ()
    assert len(planned(26).held) == 26


def test_a_plan_that_is_let_through_says_nothing_of_a_brake() -> None:
    plan_for_two = planned(2)
    assert plan_for_two == Plan(
        tuple(drifts_of(2)), (), most_writes=None, released_until=None, brake=None, forecast=""
    )
    assert plan_for_two.brake_does == ""
    assert plan_for_two.brake_would == ""


def test_a_brake_that_holds_says_which_settings_would_let_the_changes_through() -> None:
    held = planned(5, Limits(most_changes=2))
    assert held.brake is Brake.HOLD
    assert held.most_writes is None
    assert held.brake_does == (
        "This sweep holds back all 5 changes: the brake lets one sweep make at most 2 "
        "(MAX_CHANGES_PER_SWEEP). BRAKE=trickle makes 2 in each sweep, all of them in 3 sweeps "
        "(45 min); BRAKE_RELEASE_UNTIL=2026-11-25T09:00Z lets them through at once."
    )


def test_a_brake_that_trickles_lets_so_many_writes_through_a_sweep() -> None:
    trickled = planned(6, Limits(most_changes=2, brake=Brake.TRICKLE))
    assert trickled.brake is Brake.TRICKLE
    assert trickled.most_writes == 2
    assert trickled.held == ()
    assert len(trickled.change) == 6
    assert trickled.brake_would == (
        "A sweep that enforces would make 2 of the 6 changes: the brake lets one sweep make at "
        "most 2 (MAX_CHANGES_PER_SWEEP). All of them take 3 sweeps (45 min)."
    )


@pytest.mark.parametrize(("minutes", "is_released"), [(1, True), (0, False), (-1, False)])
def test_a_release_ends_at_its_moment(minutes: int, is_released: bool) -> None:  # noqa: FBT001 - parametrized
    limit = Limits(most_changes=2, release_until=NOW + timedelta(minutes=minutes))
    assert bool(planned(5, limit).change) is is_released


def test_what_a_release_lets_through_ends_with_it() -> None:
    end = NOW + timedelta(minutes=1)
    assert planned(5, Limits(most_changes=2, release_until=end)).released_until == end


def test_what_needs_no_release_does_not_end_with_one() -> None:
    end = NOW + timedelta(minutes=1)
    assert planned(2, Limits(most_changes=2, release_until=end)).released_until is None


@pytest.mark.parametrize(
    ("interval", "span"),
    [
        (timedelta(minutes=19), "57 min"),
        (timedelta(minutes=20), "1 h"),
        (timedelta(hours=15), "45 h"),
        (timedelta(hours=16), "2 days"),
        (timedelta(days=7), "21 days"),
    ],
)
def test_a_forecast_is_in_minutes_hours_or_days(interval: timedelta, span: str) -> None:
    forecast = planned(3, Limits(most_changes=1), interval).forecast
    assert f"in 3 sweeps ({span})" in forecast


def test_what_the_brake_holds_says_so_and_is_the_same_account() -> None:
    drift = a_decision()
    (held, *_) = held_by_the_brake([drift], [drift] * 30, Limits(most_changes=7))
    assert held.verdict is Verdict.HELD
    assert held.hold is HoldReason.BRAKE
    assert held.reason == "The brake holds it: 30 changes in one sweep, and 7 are allowed."
    assert held.account == drift.account


def test_the_brake_leaves_what_it_does_not_hold_as_it_is() -> None:
    exempt, audited = a_decision(tags={TAG: "yes"}), a_decision("audited")
    assert held_by_the_brake([exempt, audited], [a_decision("held")], Limits()) == [exempt, audited]


drifts = st.integers(0, 60).map(
    lambda count: [a_decision(f"bot-{number}") for number in range(count)]
)
limits = st.builds(
    Limits,
    most_changes=st.integers(1, 40),
    brake=st.sampled_from(Brake),
    release_until=st.none()
    | st.integers(-90, 90).map(lambda minutes: NOW + timedelta(minutes=minutes)),
)


def names(decisions: Iterable[Decision]) -> list[str]:
    return sorted(str(decision) for decision in decisions)


@given(drifts, limits, st.text(max_size=8), st.integers(1, 10_000))
def test_law_a_plan_loses_nothing_holds_or_changes_each_and_keeps_the_limit(
    drift: list[Decision], limit: Limits, sweep_id: str, minutes: int
) -> None:
    planned = plan(drift, limit, NOW, sweep_id, timedelta(minutes=minutes))

    assert names((*planned.change, *planned.held)) == names(drift)
    over = len(drift) > limit.most_changes
    released = limit.release_until is not None and limit.release_until > NOW
    if not over or released:
        assert planned == Plan(tuple(drift), released_until=limit.release_until if over else None)
    else:
        most = len(planned.change) if planned.most_writes is None else planned.most_writes
        assert most <= limit.most_changes
        assert planned.brake is limit.brake
        assert f"{len(drift)} changes: the brake lets one" in planned.forecast
        assert f"at most {limit.most_changes} (" in planned.forecast
        assert not (planned.change and planned.held)


@given(drifts, st.integers(1, 40), st.text(max_size=8))
def test_law_a_sweep_trickles_in_one_order_and_the_next_in_another(
    drift: list[Decision], most: int, sweep_id: str
) -> None:
    def order(name: str) -> list[str]:
        limit = Limits(most_changes=most, brake=Brake.TRICKLE)
        planned = plan(drift, limit, NOW, name, timedelta(minutes=15))
        return [str(decision) for decision in planned.change]

    assert order(sweep_id) == order(sweep_id)
    if len(drift) > max(most, 8):
        assert len({tuple(order(f"{sweep_id}{number}")) for number in range(4)}) > 1
