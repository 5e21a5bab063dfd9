"""What becomes of an account, and of many: verdicts, reasons to hold, and the brake."""

from collections.abc import Iterable
from datetime import date, timedelta

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
    Unreadable,
    Verdict,
)
from tests.support.builders import NOW, a_decision, an_account

TODAY = date(2026, 11, 24)
TAG = "local-auth-exempt"


def account(*, keys_on: bool = True, subdomain: str | None = "bot", **tags: str) -> Account:
    return Account(
        id=AccountId("0000", "rg", "bot"),
        kind="OpenAI",
        location="swedencentral",
        keys_on=keys_on,
        tags={name.replace("_", "-"): value for name, value in tags.items()},
        custom_subdomain=subdomain,
    )


def verdict(subject: Account, rules: Rules = Rules()) -> tuple[Verdict, HoldReason | None]:  # noqa: B008 - frozen
    decision = decide(subject, Scope(), rules, TODAY)
    return decision.verdict, decision.hold


def test_keys_off_is_compliant_whatever_the_tags_say() -> None:
    for value in ("yes", "no", "31/12/2026"):
        subject = account(keys_on=False, local_auth_exempt=value)
        assert verdict(subject) == (Verdict.COMPLIANT, None)


def test_keys_on_without_a_tag_is_drift() -> None:
    assert verdict(account(team="x")) == (Verdict.DRIFT, None)


@pytest.mark.parametrize("value", ["", "yes", "2027-03-31", "legacy bot"])
def test_an_exemption_in_force_is_exempt(value: str) -> None:
    assert verdict(account(local_auth_exempt=value)) == (Verdict.EXEMPT, None)


@pytest.mark.parametrize("value", ["no", "2026-11-23", "until=2025-01-01; owner=x"])
def test_an_explicit_no_and_a_lapsed_exemption_are_drift(value: str) -> None:
    assert verdict(account(local_auth_exempt=value)) == (Verdict.DRIFT, None)


def test_a_tag_that_cannot_be_read_holds_the_account() -> None:
    subject = account(local_auth_exempt="until=soon")
    assert verdict(subject) == (Verdict.HELD, HoldReason.UNREADABLE_TAG)
    assert "'until=soon'" in decide(subject, Scope(), Rules(), TODAY).reason


def test_in_a_strict_tenant_a_tag_that_cannot_be_read_protects_nothing() -> None:
    subject = account(local_auth_exempt="until=soon")
    assert verdict(subject, Rules(hold_unreadable=False)) == (Verdict.DRIFT, None)


def test_a_near_miss_holds_the_account_and_names_the_tag() -> None:
    subject = Account(
        AccountId("0000", "rg", "bot"), "OpenAI", "x", keys_on=True, tags={"LocalAuthExempt": "yes"}
    )
    assert verdict(subject) == (Verdict.HELD, HoldReason.NEAR_MISS_TAG)
    assert "'LocalAuthExempt'" in decide(subject, Scope(), Rules(), TODAY).reason


def test_a_near_miss_beside_an_exact_tag_does_not_matter() -> None:
    tags = {"LocalAuthExempt": "yes", TAG: "no"}
    subject = Account(AccountId("0", "rg", "bot"), "OpenAI", "x", keys_on=True, tags=tags)
    assert verdict(subject)[0] is Verdict.DRIFT


def test_an_exemption_without_an_end_breaks_the_rule_that_requires_one() -> None:
    rules = Rules(require_until=True)
    assert verdict(account(local_auth_exempt="yes"), rules) == (
        Verdict.HELD,
        HoldReason.TAG_BREAKS_RULE,
    )
    assert verdict(account(local_auth_exempt="2027-03-31"), rules)[0] is Verdict.EXEMPT


def test_an_exemption_longer_than_the_cap_breaks_the_rule() -> None:
    rules = Rules(max_days=30)
    last = (TODAY + timedelta(days=30)).isoformat()
    over = (TODAY + timedelta(days=31)).isoformat()
    assert verdict(account(local_auth_exempt=last), rules)[0] is Verdict.EXEMPT
    assert verdict(account(local_auth_exempt=over), rules)[1] is HoldReason.TAG_BREAKS_RULE
    assert verdict(account(local_auth_exempt="yes"), rules)[1] is HoldReason.TAG_BREAKS_RULE


def test_an_account_without_a_custom_subdomain_is_drift_and_says_so() -> None:
    decision = decide(account(subdomain=None), Scope(), Rules(), TODAY)
    assert decision.verdict is Verdict.DRIFT
    assert "no custom subdomain" in decision.reason


def test_no_subdomain_can_be_held_instead() -> None:
    rules = Rules(hold_no_subdomain=True)
    assert verdict(account(subdomain=None), rules) == (Verdict.HELD, HoldReason.NO_SUBDOMAIN)
    exempt = account(subdomain=None, local_auth_exempt="yes")
    assert verdict(exempt, rules)[0] is Verdict.EXEMPT


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


# Sentences for a person


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("yes", "The tag of its account exempts it, open-ended."),
        ("legacy bot", "The tag of its account exempts it, open-ended: legacy bot."),
        ("2027-03-31", "The tag of its account exempts it until 2027-03-31."),
        (
            "until=2027-03-31; reason=legacy bot",
            "The tag of its account exempts it until 2027-03-31: legacy bot.",
        ),
        ("no", "Its tag says explicitly not exempt."),
        ("2026-11-23", "Its exemption ended on 2026-11-23."),
    ],
)
def test_a_decision_says_why(value: str, reason: str) -> None:
    assert a_decision(tags={TAG: value}).reason == reason


def test_a_drift_without_a_tag_says_so() -> None:
    assert a_decision().reason == "Its keys are on and no tag exempts it."


def test_keys_that_are_off_say_so() -> None:
    assert a_decision(keys_on=False).reason == "Its keys are off."


def test_a_near_miss_says_what_it_was_nearly() -> None:
    reason = a_decision(tags={"LocalAuthExempt": "yes"}).reason
    assert "nearly 'local-auth-exempt'" in reason


def test_an_exemption_without_the_end_that_is_required_says_so() -> None:
    decision = a_decision(rules=Rules(require_until=True), tags={TAG: "yes"})
    assert decision.reason == "Its exemption has no end date, and this tenant requires one."


def test_an_exemption_that_is_too_long_says_how_long_it_may_be() -> None:
    decision = a_decision(rules=Rules(max_days=30), tags={TAG: "2027-03-31"})
    assert "until 2027-03-31, and this tenant allows 30 days" in decision.reason


def test_a_tag_that_a_strict_tenant_ignores_is_quoted_all_the_same() -> None:
    decision = a_decision(rules=Rules(hold_unreadable=False), tags={TAG: "until=soon"})
    assert "'until=soon' can't be read" in decision.reason


def test_an_account_with_a_subdomain_is_not_told_of_one() -> None:
    assert "subdomain" not in a_decision(tags={TAG: "no"}).reason


@pytest.mark.parametrize(
    ("value", "exemption"),
    [
        ("yes", Exempt()),
        ("2026-11-23", Lapsed(date(2026, 11, 23))),
        ("no", NotExempt(explicit=True)),
    ],
)
def test_a_decision_keeps_what_the_tag_says(value: str, exemption: Exempt) -> None:
    assert a_decision(tags={TAG: value}).exemption == exemption


def test_keys_that_are_off_keep_what_the_tag_says_too() -> None:
    decision = a_decision(keys_on=False, tags={TAG: "until=soon"})
    assert isinstance(decision.exemption, Unreadable)


def test_a_decision_is_about_its_account() -> None:
    account = an_account()
    assert decide(account, Scope(), Rules(), TODAY).account is account


# The scope

ONE, OTHER = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"


@pytest.mark.parametrize("kind", ["OpenAI", "AIServices", "openai", "AISERVICES"])
def test_openai_and_ai_services_are_in_scope_in_any_letter_case(kind: str) -> None:
    assert Scope().leaves_out(an_account(kind=kind)) == ""


def test_an_account_of_another_kind_is_left_out_whatever_else_is_true_of_it() -> None:
    decision = a_decision(kind="SpeechServices", tags={TAG: "yes"})
    assert decision.verdict is Verdict.OUT_OF_SCOPE
    assert decision.hold is None
    assert decision.exemption == NotExempt()
    assert decision.reason == "Its kind is SpeechServices, and OpenAI and AIServices are in scope."


def test_kinds_are_compared_without_letter_case_on_both_sides() -> None:
    assert Scope(kinds=("OPENAI",)).has_kind("OpenAI")
    assert not Scope(kinds=("OPENAI",)).has_kind("AIServices")


def test_an_account_of_an_excluded_subscription_is_left_out() -> None:
    left_out = Scope(excluded_subscriptions=(ONE,)).leaves_out(an_account())
    assert left_out == "Its subscription is in SWEEP_EXCLUDE_SUBSCRIPTIONS."


def test_an_account_of_a_subscription_that_is_not_listed_is_left_out() -> None:
    left_out = Scope(subscriptions=(OTHER,)).leaves_out(an_account())
    assert left_out == "Its subscription is not in SWEEP_SUBSCRIPTIONS."


def test_an_account_of_a_listed_subscription_is_in_scope() -> None:
    assert Scope(subscriptions=(OTHER, ONE)).leaves_out(an_account()) == ""


def test_where_another_subscription_is_excluded_an_account_is_in_scope() -> None:
    assert Scope(excluded_subscriptions=(OTHER,)).leaves_out(an_account()) == ""


def test_an_account_does_not_show_its_management_group() -> None:
    assert Scope(management_groups=("mg",)).leaves_out(an_account()) == ""


# The levels above

GROUP, ABOVE = Level.RESOURCE_GROUP, Level.SUBSCRIPTION


def below(group: dict[str, str] | None, subscription: dict[str, str] | None) -> Account:
    return an_account(above=(TagsAbove(GROUP, group), TagsAbove(ABOVE, subscription)))


def test_a_tag_of_the_resource_group_exempts_and_is_named() -> None:
    decision = decide(below({TAG: "yes"}, {}), Scope(), Rules(), TODAY)
    assert decision.verdict is Verdict.EXEMPT
    assert decision.exemption == Exempt(level=GROUP)
    assert decision.reason == "The tag of its resourceGroup exempts it, open-ended."


def test_a_tag_of_the_subscription_exempts_if_nothing_is_nearer() -> None:
    decision = decide(below({}, {TAG: "yes"}), Scope(), Rules(), TODAY)
    assert decision.exemption == Exempt(level=ABOVE)


def test_an_explicit_no_that_is_nearer_wins() -> None:
    assert (
        decide(below({TAG: "no"}, {TAG: "yes"}), Scope(), Rules(), TODAY).verdict is Verdict.DRIFT
    )


def test_a_date_that_has_passed_and_is_nearer_wins() -> None:
    assert (
        decide(below({TAG: "2020-01-01"}, {TAG: "yes"}), Scope(), Rules(), TODAY).verdict
        is Verdict.DRIFT
    )


def test_a_level_that_cannot_be_read_holds_the_account_and_is_named() -> None:
    decision = decide(below(None, {TAG: "yes"}), Scope(), Rules(), TODAY)
    assert decision.verdict is Verdict.HELD
    assert decision.hold is HoldReason.UNREADABLE_LEVEL
    assert decision.exemption == NotExempt()
    assert "resourceGroup can't be read" in decision.reason


def test_a_level_that_cannot_be_read_does_not_matter_behind_one_with_the_tag() -> None:
    assert decide(below({TAG: "no"}, None), Scope(), Rules(), TODAY).verdict is Verdict.DRIFT


def test_a_level_that_cannot_be_read_does_not_matter_to_keys_that_are_off() -> None:
    account = an_account(keys_on=False, above=(TagsAbove(GROUP, None),))
    decision = decide(account, Scope(), Rules(), TODAY)
    assert decision.verdict is Verdict.COMPLIANT
    assert decision.exemption == NotExempt()


def test_a_near_miss_on_a_level_above_holds_the_account() -> None:
    decision = decide(below({}, {"LocalAuthExempt": "yes"}), Scope(), Rules(), TODAY)
    assert decision.hold is HoldReason.NEAR_MISS_TAG


def test_a_near_miss_does_not_matter_where_a_level_says_no() -> None:
    decision = decide(below({TAG: "no", "LocalAuthExempt": "yes"}, {}), Scope(), Rules(), TODAY)
    assert decision.verdict is Verdict.DRIFT


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
    assert planned(2) == Plan(
        tuple(drifts_of(2)), (), most_writes=None, released_until=None, brake=None, forecast=""
    )


def test_a_brake_that_holds_says_which_settings_would_let_the_changes_through() -> None:
    held = planned(5, Limits(most_changes=2))
    assert held.brake is Brake.HOLD
    assert held.most_writes is None
    assert held.forecast == (
        "5 changes, brake at 2; trickle: 3 sweeps, 45 min (BRAKE=trickle); "
        "all at once: BRAKE_RELEASE_UNTIL=2026-11-25T09:00Z"
    )


def test_a_brake_that_trickles_lets_so_many_writes_through_a_sweep() -> None:
    trickled = planned(6, Limits(most_changes=2, brake=Brake.TRICKLE))
    assert trickled.brake is Brake.TRICKLE
    assert trickled.most_writes == 2
    assert trickled.held == ()
    assert len(trickled.change) == 6
    assert trickled.forecast == "6 changes, brake at 2; trickle: 3 sweeps, 45 min"


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
    assert f"trickle: 3 sweeps, {span} (" in forecast


def test_what_the_brake_holds_says_so_and_is_the_same_account() -> None:
    drift = a_decision()
    (held,) = held_by_the_brake([drift], 30, Limits(most_changes=7))
    assert held.verdict is Verdict.HELD
    assert held.hold is HoldReason.BRAKE
    assert held.reason == "The brake holds it: 30 changes in one sweep, and 7 are allowed."
    assert held.account == drift.account


def test_the_brake_leaves_what_is_no_drift_as_it_is() -> None:
    exempt, unreadable = a_decision(tags={TAG: "yes"}), a_decision(tags={TAG: "until=soon"})
    assert held_by_the_brake([exempt, unreadable], 30, Limits()) == [exempt, unreadable]


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
        assert f"{len(drift)} changes, brake at {limit.most_changes}" in planned.forecast
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
