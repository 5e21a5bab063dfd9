"""The laws that hold of any tenant, judged from the tenant's own state.

Random tenants are swept. What is expected of each account comes from an oracle of its own, written
from the design's table of tags and verdicts; what happened comes from the tenant and its writes;
what the sweep reports has to agree with both.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from itertools import repeat
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from shared.core.events import (
    AccountHeld,
    CoverageGap,
    DriftFound,
    ExemptionObserved,
    RemediationOutcome,
    SubscriptionRead,
    SweepCompleted,
    SweepContext,
)
from shared.core.model import Account, AccountId
from shared.core.wire import identified
from tests.support.builders import TAG, TODAY
from tests.support.fake_sweeps import Swept, swept
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.virtual_time import VirtualLoop

# The oracle

type Meaning = tuple[str, date | None]


def means(value: str) -> Meaning:
    """Say what a value of the tag means, row by row of the design's table; and until when."""
    text = value.strip().lower()
    if text in {"", "true", "yes", "on", "1"}:
        return "exempt", None
    if text in {"false", "no", "off", "0"}:
        return "no", None
    if "=" not in text:
        return until(text) if re.match("[0-9]", text) else ("exempt", None)
    pairs = [part.split("=", 1) for part in text.split(";") if part.strip()]
    names = [pair[0].strip() for pair in pairs]
    known = {"until", "reason", "owner"}
    if any(len(pair) < 2 for pair in pairs) or set(names) - known or len(set(names)) < len(names):
        return "unreadable", None
    values = {pair[0].strip(): pair[1].strip() for pair in pairs}
    return until(values["until"]) if "until" in values else ("exempt", None)


def until(text: str) -> Meaning:
    """Say what a date means: exempt until the end of that day."""
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return "unreadable", None
    try:
        day = date(int(text[:4]), int(text[5:7]), int(text[8:]))
    except ValueError:
        return "unreadable", None
    return ("exempt" if day >= TODAY else "lapsed"), day


def is_near(name: str) -> bool:
    """Whether a tag's name equals ours once `-`, `_`, `.`, blanks and case are taken away."""
    return re.sub(r"[-_. ]", "", name).lower() == "localauthexempt"


def verdict(account: Account, rules: dict[str, str]) -> str:
    """Say what is true of an account of a swept kind, from its state in the tenant."""
    if not account.keys_on:
        return "compliant"
    ours = [value for name, value in account.tags.items() if name.lower() == TAG]
    if ours:
        meaning, day = means(ours[0])
        if meaning == "exempt":
            most_days = rules["EXEMPTION_MAX_DAYS"]
            needs_end = rules["EXEMPTION_REQUIRE_UNTIL"] == "true" or most_days != ""
            latest = TODAY + timedelta(days=int(most_days or 10_000))
            return "held" if (needs_end and day is None) or (day or TODAY) > latest else "exempt"
        if meaning == "unreadable" and rules["EXEMPTION_UNREADABLE"] == "hold":
            return "held"
    elif any(is_near(name) for name in account.tags):
        return "held"
    if account.custom_subdomain is None and rules["NO_SUBDOMAIN"] == "hold":
        return "held"
    return "drift"


# Random tenants


# One draw of a long list costs less than several of short ones.
DAYS = [(TODAY + timedelta(days=n)).isoformat() for n in range(-3, 4)] * 4
DAYS += ["2027-02-30", "2027-3-1", "20270301", "31/12/2026", "soon", ""]
WORDS = ["", "true", "YES", "On", "1", "false", "No", "OFF", "0", "legacy bot"]
PAIRS = ["reason=CHG0042", "owner=ann@contoso.com", "Owner = x", "ticket=1", "x"]
OURS = [TAG, TAG.upper(), "Local-Auth-Exempt"]
NEAR = ["LocalAuthExempt", "local_auth.exempt", "Local Auth Exempt"]
OTHERS = ["owner", "auth-exempt", "local-auth-exempt-2"]


def values() -> SearchStrategy[str]:
    """Return values of the tag, of every row of the table."""
    text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
    pair = st.sampled_from([*map("until={}".format, DAYS), *PAIRS * 5])
    fields = st.lists(pair, min_size=1, max_size=3).map("; ".join)
    single = st.sampled_from(WORDS) | st.sampled_from(DAYS)
    blanks = st.sampled_from(["{}", " {}", "{} ", "  {} "])
    return st.builds(str.format, blanks, single | fields | text)


def tags() -> SearchStrategy[dict[str, str]]:
    """Return tags of other people, ours in several spellings, and near misses beside ours."""
    one = st.tuples(st.sampled_from([*OURS * 5, *NEAR, *OTHERS]), values())
    near_and_ours = st.tuples(*(st.tuples(st.sampled_from(n), values()) for n in (NEAR, OURS)))
    return st.one_of(st.just(()), st.tuples(one), st.tuples(one), near_and_ours).map(dict)


@dataclass(frozen=True)
class Wanted:
    """One account to be, and what stands in the way of its change."""

    account: Account
    obstacle: str

    @property
    def result(self) -> str:
        """What must come of it, if it is a drift."""
        if self.account.provisioning_state == "Updating":
            return "BUSY"
        return self.obstacle or "DISABLED"


def wanted() -> SearchStrategy[Wanted]:
    somewhere = partial(Account, AccountId("", "", ""), location="swedencentral")
    accounts = st.builds(
        somewhere,
        kind=st.sampled_from(["OpenAI", "OpenAI", "AIServices", "openai", "Face"]),
        keys_on=st.sampled_from([True, True, True, False]),
        tags=tags(),
        custom_subdomain=st.sampled_from(["bot"] * 4 + [None]),
        provisioning_state=st.sampled_from(["Succeeded"] * 5 + ["Failed", "Canceled", "Updating"]),
    )
    obstacles = ["", "", "", "LOCKED", "POLICY_DENIED", "NO_ROLE", "UNVERIFIED"]
    return st.builds(Wanted, accounts, st.sampled_from(obstacles))


KINDS = ("shown", "hidden", "unread", "disabled", "elsewhere", "excluded", "warned")
READ_KINDS = {"shown", "hidden", "warned"}


@dataclass
class World:
    """A random tenant, and how the Function is set for it."""

    homes: list[tuple[str, list[Wanted]]]
    rules: dict[str, str]
    by_group: bool
    tenant: FakeTenant = field(default_factory=FakeTenant)
    wanted: dict[str, Wanted] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    """What kind of subscription each is."""

    def __post_init__(self) -> None:
        tenant = self.tenant
        for number, (kind, accounts) in enumerate(self.homes):
            home = f"{number:08}-0000-0000-0000-000000000000"
            self.kinds[home] = kind
            tenant.subscribe(home)
            if kind in {"disabled", "warned"}:
                tenant.subscribe(home, state=kind.capitalize())
            if kind == "elsewhere":
                tenant.subscribe(home, tenant_id="fabrikam")
            if kind in {"hidden", "unread"}:
                tenant.unshown.add(home)
            if kind == "unread":
                tenant.meanwhile("accounts", home, repeat(an_error()))
            for index, account in enumerate(accounts):
                self._add(account, AccountId(home, "rg-chat", f"{kind}-{index}"))
        tenant.below["contoso"] = list(self.kinds)

    def _add(self, wanted: Wanted, account_id: AccountId) -> None:
        key, named = account_id.key, replace(wanted.account, id=account_id)
        self.tenant.accounts[key] = named
        self.wanted[key] = wanted
        match wanted.obstacle:
            case "LOCKED":
                self.tenant.locked.add(key)
            case "POLICY_DENIED":
                self.tenant.forbidden.add(key)
            case "NO_ROLE":
                self.tenant.without_role.add(key)
            case "UNVERIFIED":
                # Azure takes the change, and its operation fails.
                undo = self.tenant.becomes(named, keys_on=True)
                self.tenant.afterwards("patch", key, repeat(undo))

    async def sweep(self) -> Swept:
        """Sweep once, with these settings."""
        scope = {"SWEEP_MANAGEMENT_GROUPS": "contoso"} if self.by_group else {}
        excluded = ",".join(self.of_kind("excluded"))
        environ: dict[str, Any] = {**self.rules, **scope, "SWEEP_EXCLUDE_SUBSCRIPTIONS": excluded}
        return await swept(self.tenant, MAX_CHANGES_PER_SWEEP="100000", **environ)

    def of_kind(self, *kinds: str) -> set[str]:
        """Return the ids of the subscriptions of these kinds."""
        return {home for home, kind in self.kinds.items() if kind in kinds}

    def verdicts(self) -> dict[str, str]:
        """Return what is true now of each account that a sweep is about, by its id."""
        read = self.of_kind(*READ_KINDS)
        return {
            key: verdict(account, self.rules)
            for key, account in self.tenant.accounts.items()
            if account.id.subscription_id in read and account.kind.lower() != "face"
        }


def worlds() -> SearchStrategy[World]:
    homes = st.tuples(st.sampled_from(KINDS), st.lists(wanted(), min_size=2, max_size=10))
    rules = st.fixed_dictionaries(
        {
            "EXEMPTION_UNREADABLE": st.sampled_from(["hold", "hold", "disable"]),
            "NO_SUBDOMAIN": st.sampled_from(["disable", "hold"]),
            "EXEMPTION_REQUIRE_UNTIL": st.sampled_from(["false", "false", "true"]),
            "EXEMPTION_MAX_DAYS": st.sampled_from(["", "2"]),
        }
    )
    return st.builds(
        lambda others, accounts, rules, by_group: World(
            [*others, ("shown", accounts)], rules, by_group
        ),
        st.lists(homes, max_size=4),
        st.lists(wanted(), min_size=6, max_size=12),
        rules,
        st.booleans(),
    )


# The laws


def accounts_of(events: Iterable[Any]) -> list[str]:
    return sorted(event.account_id for event in events)


def check_counts(world: World, swept: Swept, expected: dict[str, str]) -> None:
    """Fail unless accounts = compliant + exempt + held + drift, each as the tenant's state says."""
    completed = swept.event(SweepCompleted)
    context = SweepContext(swept.report.sweep_id, swept.report.mode, "1.0")
    ids = {identified(context, event).event_id for event in swept.telemetry.events}
    assert len(ids) == len(swept.telemetry.events)
    by_verdict = {
        name: sorted(account for account, found in expected.items() if found == name)
        for name in ("compliant", "exempt", "held", "drift")
    }
    for name, accounts in by_verdict.items():
        assert getattr(completed, name) == len(accounts), name
    assert completed.accounts == len(expected)
    exempt = [event for event in swept.events(ExemptionObserved) if event.verdict == "EXEMPT"]
    assert accounts_of(exempt) == by_verdict["exempt"]
    assert accounts_of(swept.events(AccountHeld)) == by_verdict["held"]
    assert accounts_of(swept.events(DriftFound)) == by_verdict["drift"]
    assert accounts_of(swept.events(RemediationOutcome)) == by_verdict["drift"]
    # Every subscription in scope was read or is a gap.
    assert {gap.gap_name for gap in swept.events(CoverageGap)} == world.of_kind("unread")
    read = {event.subscription_id for event in swept.events(SubscriptionRead)}
    assert read == world.of_kind(*READ_KINDS)
    assert completed.subscriptions_disabled == len(world.of_kind("disabled"))
    assert completed.subscriptions_excluded == len(world.of_kind("excluded"))
    assert completed.subscriptions_other_tenant == len(world.of_kind("elsewhere"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.data_too_large])
@given(worlds())
def test_law_counts_add_up_every_write_is_told_and_a_second_sweep_has_nothing_to_fix(
    world: World,
) -> None:
    tenant, expected = world.tenant, world.verdicts()
    before = dict(tenant.accounts)
    due = {account for account, found in expected.items() if found == "drift"}

    async def story() -> tuple[Swept, Swept]:
        first = await world.sweep()
        written.extend(write.account.id.key for write in tenant.writes)
        after.update(tenant.accounts)
        return first, await world.sweep()

    written: list[str] = []
    after: dict[str, Account] = {}
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        first, second = runner.run(story())

    check_counts(world, first, expected)
    outcomes = {event.account_id: event for event in first.events(RemediationOutcome)}
    results = {account: outcome.result for account, outcome in outcomes.items()}
    assert results == {account: world.wanted[account].result for account in due}
    # What was due is off, nothing else was touched, and every write that was accepted is told.
    off = {account for account in due if results[account] == "DISABLED"}
    assert after == before | {account: replace(before[account], keys_on=False) for account in off}
    assert sorted(written) == sorted(name for name, event in outcomes.items() if event.accepted)
    failing = {"NO_ROLE", "UNVERIFIED"} & set(results.values())
    assert first.report.whole == (not world.of_kind("unread") and not failing)

    check_counts(world, second, world.verdicts())
    assert accounts_of(second.events(DriftFound)) == sorted(due - off)
    again = {write.account.id.key for write in tenant.writes[len(written) :]}
    assert again == {account for account in due if results[account] == "UNVERIFIED"}
