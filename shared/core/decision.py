"""Account and exemption make a decision; decisions make a plan. Pure and total."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import chain
from typing import assert_never

from shared.core.exemption import near_miss, nearest_exemption
from shared.core.model import (
    Account,
    Decision,
    Exempt,
    Exemption,
    HoldReason,
    Lapsed,
    Level,
    NotExempt,
    Unreadable,
    Verdict,
)

NO_TAG = "Its keys are on and no tag exempts it."
"""Why most accounts are adrift: a reader of many is told it once."""
BY_THE_TAG_OF_ITS = "The tag of its "
"""How the reason of an exemption begins, before the level on which the tag stands."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a sweep is about. Both lists empty: all subscriptions that the identity can read."""

    management_groups: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    excluded_subscriptions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("OpenAI", "AIServices")
    is_part: bool = False
    """Whether a person asked for a part of what the settings name: rings may lie outside it."""

    def has_kind(self, kind: str) -> bool:
        """Whether accounts of this kind are in scope, in whatever letter case it is written."""
        return kind.lower() in {known.lower() for known in self.kinds}

    def leaves_out(self, account: Account) -> str:
        """Say why an account is not in scope, as far as it shows that itself; empty: it is."""
        if not self.has_kind(account.kind):
            return f"Its kind is {account.kind}, and {' and '.join(self.kinds)} are in scope."
        if account.id.subscription_id in self.excluded_subscriptions:
            return "Its subscription is in SWEEP_EXCLUDE_SUBSCRIPTIONS."
        if self.subscriptions and account.id.subscription_id not in self.subscriptions:
            return "Its subscription is not in SWEEP_SUBSCRIPTIONS."
        return ""


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


def decide(account: Account, scope: Scope, rules: Rules, today: date) -> Decision:
    """Say what is to become of one account on the UTC day `today`."""
    left_out = scope.leaves_out(account)
    if left_out:
        return Decision(account, Verdict.OUT_OF_SCOPE, NotExempt(), left_out)
    exemption = nearest_exemption(account.tags, account.above, rules.tag, today)
    if not account.keys_on:
        known = NotExempt() if isinstance(exemption, Level) else exemption
        return Decision(account, Verdict.COMPLIANT, known, "Its keys are off.")
    if isinstance(exemption, Level):
        text = f"The tags of its {exemption} can't be read, and could exempt it."
        return _held(account, NotExempt(), HoldReason.UNREADABLE_LEVEL, text)
    return _keys_on(account, exemption, rules, today)


def _keys_on(account: Account, exemption: Exemption, rules: Rules, today: date) -> Decision:
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
            near = near_miss(
                chain(account.tags, *(level.tags or {} for level in account.above)), rules.tag
            )
            if near is not None:
                text = f"Its tag {near!r} is nearly {rules.tag!r}: rename or remove it."
                return _held(account, exemption, HoldReason.NEAR_MISS_TAG, text)
            return _drift(account, exemption, rules, NO_TAG)
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
    return f"{BY_THE_TAG_OF_ITS}{exemption.level} exempts it{until}{because}."


class Brake(StrEnum):
    """What more changes than the limit mean."""

    HOLD = "hold"
    TRICKLE = "trickle"


_VERBS = {Brake.HOLD: "hold", Brake.TRICKLE: "make"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one sweep may change."""

    most_changes: int = 25
    brake: Brake = Brake.HOLD
    release_until: datetime | None = None
    """Until then everything is let through; it expires by itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one sweep does about its drift."""

    change: tuple[Decision, ...]
    """In the order in which they are to be tried."""
    held: tuple[Decision, ...] = ()
    """Drifts that the brake holds."""
    most_writes: int | None = None
    """After so many accepted writes the rest is deferred; None: no limit."""
    released_until: datetime | None = None
    """From then on the rest is deferred: the brake is released until then, and no longer."""
    brake: Brake | None = None
    """What the brake does; None: nothing."""
    forecast: str = ""
    """What is held or made, why, and the settings that would let the changes through."""

    @property
    def brake_does(self) -> str:
        """Say in whole sentences what the brake does; empty: nothing."""
        return "" if self.brake is None else f"This sweep {_VERBS[self.brake]}s {self.forecast}"

    @property
    def brake_would(self) -> str:
        """Say in whole sentences what it would do to a sweep that enforces; empty: nothing."""
        would = f"A sweep that enforces would {_VERBS[self.brake]}" if self.brake else ""
        return f"{would} {self.forecast}".strip()


def plan(
    drift: Sequence[Decision], limits: Limits, now: datetime, sweep_id: str, interval: timedelta
) -> Plan:
    """Say which of the drifts to change now.

    More changes than the limit usually means a wrong assumption (a tag renamed, a policy removed),
    so all of them are held, or some are made in an order that differs from sweep to sweep.
    `interval` is the time between sweeps, for the forecast.
    """
    count, most = len(drift), limits.most_changes
    if count <= most:
        return Plan(tuple(drift))
    if limits.release_until is not None and now < limits.release_until:
        return Plan(tuple(drift), released_until=limits.release_until)
    sweeps = math.ceil(count / most)
    why = f"the brake lets one sweep make at most {most} (MAX_CHANGES_PER_SWEEP)"
    takes = f"{sweeps} sweeps ({_span(interval * sweeps)})"
    if limits.brake is Brake.TRICKLE:
        shuffled = list(drift)
        random.Random(sweep_id).shuffle(shuffled)  # noqa: S311 - fairness, not secrecy
        forecast = f"{most} of the {count} changes: {why}. All of them take {takes}."
        return Plan(tuple(shuffled), most_writes=most, brake=Brake.TRICKLE, forecast=forecast)
    until = (now + timedelta(days=1)).strftime("%Y-%m-%dT%H:%MZ")
    forecast = (
        f"back all {count} changes: {why}. BRAKE=trickle makes {most} in each sweep, all of them "
        f"in {takes}; BRAKE_RELEASE_UNTIL={until} lets them through at once."
    )
    return Plan((), tuple(drift), brake=Brake.HOLD, forecast=forecast)


def too_many(changes: int, limits: Limits) -> str:
    """Say how many changes there are, and how many the brake allows."""
    return f"{changes} changes in one sweep, and {limits.most_changes} are allowed."


def held_by_the_brake(
    decisions: Iterable[Decision], held: Sequence[Decision], limits: Limits
) -> list[Decision]:
    """Return decisions with those of them held that the brake holds."""
    reason = f"The brake holds it: {too_many(len(held), limits)}"
    keys = {decision.account.id.key for decision in held}
    return [
        replace(decision, verdict=Verdict.HELD, hold=HoldReason.BRAKE, reason=reason)
        if decision.account.id.key in keys
        else decision
        for decision in decisions
    ]


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours < 1:
        return f"{span.total_seconds() / 60:.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"  # noqa: PLR2004
