"""What becomes of an account: every verdict, every reason to hold, and the order they win in."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.decision import Rules, decide
from shared.model import Account, AccountId, HoldReason, Verdict

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
    decision = decide(subject, rules, TODAY)
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
    assert "'until=soon'" in decide(subject, Rules(), TODAY).reason


def test_in_a_strict_tenant_a_tag_that_cannot_be_read_protects_nothing() -> None:
    subject = account(local_auth_exempt="until=soon")
    assert verdict(subject, Rules(hold_unreadable=False)) == (Verdict.DRIFT, None)


def test_a_near_miss_holds_the_account_and_names_the_tag() -> None:
    subject = Account(
        AccountId("0000", "rg", "bot"), "OpenAI", "x", keys_on=True, tags={"LocalAuthExempt": "yes"}
    )
    assert verdict(subject) == (Verdict.HELD, HoldReason.NEAR_MISS_TAG)
    assert "'LocalAuthExempt'" in decide(subject, Rules(), TODAY).reason


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
    decision = decide(account(subdomain=None), Rules(), TODAY)
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
    decision = decide(subject, rules, TODAY)
    assert (decision.verdict is Verdict.HELD) == (decision.hold is not None)
    assert (decision.verdict is Verdict.COMPLIANT) == (not subject.keys_on)
    assert decision.reason
    assert decide(subject, rules, TODAY) == decision


@given(accounts, rules_of_all_kinds)
def test_law_stricter_rules_never_make_drift_of_a_readable_exemption(
    subject: Account, rules: Rules
) -> None:
    if decide(subject, Rules(), TODAY).verdict is Verdict.EXEMPT:
        assert decide(subject, rules, TODAY).verdict in {Verdict.EXEMPT, Verdict.HELD}
