"""Account and exemption make a decision. Pure and total."""

from dataclasses import dataclass
from datetime import date
from typing import assert_never

from shared.exemption import near_miss, read_exemption
from shared.model import (
    Account,
    Decision,
    Exempt,
    Exemption,
    HoldReason,
    Lapsed,
    NotExempt,
    Unreadable,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the tenant asks of exemptions and of accounts."""

    tag: str = "local-auth-exempt"
    require_until: bool = False
    """An exemption without an end date is held."""
    max_days: int | None = None
    """An exemption that ends later than so many days from today, or never, is held."""
    hold_unreadable: bool = True
    """False in strict tenants: a tag that can't be read protects nothing."""
    hold_no_subdomain: bool = False
    """True: an account that Entra ID can't reach yet is held instead of cut off."""


def decide(account: Account, rules: Rules, today: date) -> Decision:
    """Say what is to become of one account on the UTC day `today`."""
    exemption = read_exemption(account.tags, rules.tag, today)
    if not account.keys_on:
        return Decision(account, Verdict.COMPLIANT, exemption, "Its keys are off.")
    match exemption:
        case Exempt():
            broken = _broken_rule(exemption, rules, today)
            if broken:
                return _held(account, exemption, HoldReason.TAG_BREAKS_RULE, broken)
            return Decision(account, Verdict.EXEMPT, exemption, _exempt_because(exemption))
        case Unreadable(raw, problem):
            text = f"Its exemption tag {raw!r} can't be read: {problem}."
            if rules.hold_unreadable:
                return _held(account, exemption, HoldReason.UNREADABLE_TAG, text)
            return _drift(account, exemption, rules, text)
        case Lapsed(until):
            return _drift(account, exemption, rules, f"Its exemption ended on {until}.")
        case NotExempt(explicit=True):
            return _drift(account, exemption, rules, "Its tag says explicitly not exempt.")
        case NotExempt():
            near = near_miss(account.tags, rules.tag)
            if near is not None:
                text = f"Its tag {near!r} is nearly {rules.tag!r}: rename or remove it."
                return _held(account, exemption, HoldReason.NEAR_MISS_TAG, text)
            return _drift(account, exemption, rules, "Its keys are on and no tag exempts it.")
        case _:
            assert_never(exemption)


def _drift(account: Account, exemption: Exemption, rules: Rules, reason: str) -> Decision:
    if account.custom_subdomain is None:
        reason += " It has no custom subdomain: Entra ID can't reach it until it gets one."
        if rules.hold_no_subdomain:
            return _held(account, exemption, HoldReason.NO_SUBDOMAIN, reason)
    return Decision(account, Verdict.DRIFT, exemption, reason)


def _held(account: Account, exemption: Exemption, hold: HoldReason, reason: str) -> Decision:
    return Decision(account, Verdict.HELD, exemption, reason, hold)


def _broken_rule(exemption: Exempt, rules: Rules, today: date) -> str:
    if exemption.until is None:
        if rules.require_until or rules.max_days is not None:
            return "Its exemption has no end date, and this tenant requires one."
        return ""
    if rules.max_days is not None and (exemption.until - today).days > rules.max_days:
        return (
            f"Its exemption lasts until {exemption.until}, and this tenant allows "
            f"{rules.max_days} days."
        )
    return ""


def _exempt_because(exemption: Exempt) -> str:
    until = f" until {exemption.until}" if exemption.until else ", open-ended"
    because = f": {exemption.reason}" if exemption.reason else ""
    return f"Its tag exempts it{until}{because}."
