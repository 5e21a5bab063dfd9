"""The laws that hold of any tenant, judged from the server's own state.

Random tenants are swept. What is expected of each account comes from an oracle of its own, written
from the design's table of tags and verdicts; what happened comes from the server's state and logs;
and what the sweep reports has to agree with both.
"""

import re
from dataclasses import dataclass, field
from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from local_azure import ABSENT, Account, LocalAzure, PatchForm, Tenant
from local_azure.clock import START
from local_azure.state import ids
from local_azure.state.account import Flag
from local_azure.state.containers import SubscriptionState
from local_azure.state.tenant import OTHER_TENANT
from tests.support.real_sweeps import Swept, sweep

TAG = "local-auth-exempt"
TODAY = START.date()
SWEPT_KINDS = ("openai", "aiservices")
WRITE = "Microsoft.CognitiveServices/accounts/write"


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


@dataclass(frozen=True)
class Rules:
    """What the tenant asks of tags."""

    unreadable: str
    no_subdomain: str
    require_until: str
    max_days: str


def verdict(account: Account, rules: Rules) -> str:
    """Say what is true of an account of a swept kind, from its state on the server."""
    if account.flag is True:
        return "compliant"
    tags = account.tags or {}
    ours = [value for name, value in tags.items() if name.lower() == TAG]
    if ours:
        meaning, day = means(ours[0])
        if meaning == "exempt":
            endless = day is None and (rules.require_until == "true" or rules.max_days != "")
            most = TODAY + timedelta(days=int(rules.max_days or 10_000))
            return "held" if endless or (day or TODAY) > most else "exempt"
        if meaning == "unreadable" and rules.unreadable == "hold":
            return "held"
    elif any(is_near(name) for name in tags):
        return "held"
    if account.subdomain is None and rules.no_subdomain == "hold":
        return "held"
    return "drift"


# Random tenants


def days() -> SearchStrategy[str]:
    near = st.integers(-3, 3).map(lambda n: (TODAY + timedelta(days=n)).isoformat())
    return (
        near
        | near
        | st.sampled_from(["2027-02-30", "2027-3-1", "20270301", "31/12/2026", "soon", ""])
    )


def fields() -> SearchStrategy[str]:
    pair = st.one_of(
        days().map("until={}".format),
        st.sampled_from(["reason=CHG0042", "owner=ann@contoso.com", "Owner = x", "ticket=1", "x"]),
    )
    return st.lists(pair, min_size=1, max_size=3).map("; ".join)


def values() -> SearchStrategy[str]:
    """Return values of the tag, of every row of the table."""
    words = st.sampled_from(["", "true", "YES", "On", "1", "false", "No", "OFF", "0", "legacy bot"])
    text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
    padded = st.tuples(st.sampled_from(["", " ", "  "]), words | days() | fields() | text)
    return padded.map(lambda pair: pair[0] + pair[1] + pair[0])


def tags() -> SearchStrategy[dict[str, str] | None]:
    """Return no tags, tags of other people, ours in several spellings, and near misses."""
    ours = st.sampled_from([TAG, TAG.upper(), "Local-Auth-Exempt"])
    near = st.sampled_from(["LocalAuthExempt", "local_auth.exempt", "Local Auth Exempt"])
    other = st.sampled_from(["owner", "auth-exempt", "local-auth-exempt-2"])
    return st.one_of(
        st.none(),
        st.dictionaries(other, values(), max_size=1),
        *[st.dictionaries(ours, values(), min_size=1, max_size=1)] * 4,
        st.tuples(
            st.dictionaries(near, values(), min_size=1, max_size=1),
            st.dictionaries(ours, values(), max_size=1),
        ).map(lambda pair: pair[0] | pair[1]),
    )


@dataclass(frozen=True)
class Plan:
    """One account to be."""

    kind: str
    local_auth: Flag
    tags: dict[str, str] | None
    subdomain: bool
    obstacle: str
    form: PatchForm
    state: str


def accounts() -> SearchStrategy[Plan]:
    return st.builds(
        Plan,
        kind=st.sampled_from(["OpenAI", "OpenAI", "AIServices", "openai", "Face"]),
        local_auth=st.sampled_from([True, True, True, ABSENT, None, False]),
        tags=tags(),
        subdomain=st.integers(0, 4).map(bool),
        obstacle=st.sampled_from(["", "", "", "LOCKED", "POLICY_DENIED", "NO_ROLE"]),
        form=st.sampled_from(list(PatchForm)),
        state=st.sampled_from(["Succeeded"] * 5 + ["Failed", "Canceled", "Updating"]),
    )


ALL_KINDS = ("shown", "shown", "hidden", "unread", "disabled", "lighthouse", "excluded", "warned")
READ_KINDS = ("shown", "hidden", "warned")
STATES: dict[str, SubscriptionState] = {"disabled": "Disabled", "warned": "Warned"}


@dataclass
class World:
    """A random tenant, and how the Function is set for it."""

    homes: list[tuple[str, list[Plan]]]
    rules: Rules
    by_group: bool
    tenant: Tenant = field(default_factory=Tenant)
    plans: dict[str, Plan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tenant = self.tenant
        tenant.add_management_group("contoso")
        tenant.assign_function(ids.management_group_scope("contoso"))
        for number, (kind, plans) in enumerate(self.homes):
            home = tenant.add_subscription(
                f"{kind}-{number}",
                parent="contoso",
                tenant_id=OTHER_TENANT if kind == "lighthouse" else None,
                managed_by_tenants=(tenant.id,) if kind == "lighthouse" else (),
                state=STATES.get(kind, "Enabled"),
                hidden_from_graph=kind == "hidden",
            )
            if kind == "lighthouse":
                tenant.assign_function(home.scope)
            if kind == "unread":
                tenant.deny(tenant.function, home.scope, ["*"])
            for index, plan in enumerate(plans):
                self._add(plan, f"{kind}-{number}-{index}", home.name)

    def _add(self, plan: Plan, name: str, home: str) -> None:
        account = self.tenant.add_account(
            name,
            subscription=home,
            group=f"rg-{name}",
            kind=plan.kind,
            local_auth=plan.local_auth,
            tags=plan.tags,
            subdomain=name if plan.subdomain else None,
            patch=plan.form,
            provisioning_state=plan.state,
        )
        self.plans[account.id.lower()] = plan
        group = str(ids.resource_group_of(account.id))
        if plan.obstacle == "LOCKED":
            self.tenant.add_lock(group)
        elif plan.obstacle == "POLICY_DENIED":
            self.tenant.add_policy(group)
        elif plan.obstacle == "NO_ROLE":
            self.tenant.deny(self.tenant.function, group, [WRITE])

    async def sweep(self, azure: LocalAzure) -> Swept:
        """Sweep once, with these settings."""
        every = ",".join(each.id for each in self.tenant.subscriptions.values())
        return await sweep(
            azure,
            SWEEP_MANAGEMENT_GROUPS="contoso" if self.by_group else "",
            SWEEP_SUBSCRIPTIONS="" if self.by_group else every,
            SWEEP_EXCLUDE_SUBSCRIPTIONS=",".join(self.named("excluded")),
            EXEMPTION_UNREADABLE=self.rules.unreadable,
            EXEMPTION_REQUIRE_UNTIL=self.rules.require_until,
            EXEMPTION_MAX_DAYS=self.rules.max_days,
            NO_SUBDOMAIN=self.rules.no_subdomain,
            MAX_CHANGES_PER_SWEEP="100000",
        )

    def named(self, *kinds: str) -> set[str]:
        """Return the ids of the subscriptions of these kinds."""
        every = self.tenant.subscriptions.values()
        return {each.id for each in every if each.name.partition("-")[0] in kinds}

    def verdicts(self) -> dict[str, str]:
        """Return what is true now of each account that a sweep is about, by its id."""
        read = self.named(*READ_KINDS)
        return {
            each.id.lower(): verdict(each, self.rules)
            for each in self.tenant.accounts
            if each.subscription_id in read and each.kind.lower() in SWEPT_KINDS
        }

    def result(self, account: str) -> str:
        """Return what must come of a drift."""
        plan = self.plans[account]
        if plan.state == "Updating":
            return "BUSY"
        if plan.obstacle:
            return plan.obstacle
        return "UNVERIFIED" if plan.form is PatchForm.OPERATION_FAILS else "DISABLED"


def worlds() -> SearchStrategy[World]:
    homes = st.tuples(st.sampled_from(ALL_KINDS), st.lists(accounts(), min_size=4, max_size=20))
    return st.builds(
        World,
        homes=st.tuples(
            st.lists(homes, max_size=4), st.lists(accounts(), min_size=10, max_size=20)
        ).map(lambda drawn: [*drawn[0], ("shown", drawn[1])]),
        rules=st.builds(
            Rules,
            unreadable=st.sampled_from(["hold", "hold", "disable"]),
            no_subdomain=st.sampled_from(["disable", "hold"]),
            require_until=st.sampled_from(["false", "false", "true"]),
            max_days=st.sampled_from(["", "2"]),
        ),
        by_group=st.booleans(),
        tenant=st.builds(Tenant),
    )


# The laws


def told(swept: Swept, event: str, **properties: str) -> list[str]:
    """Return the accounts that events of one name are about, those with these properties."""
    return sorted(
        each["accountId"] for each in swept.events(event) if properties.items() <= each.items()
    )


def check_counts(world: World, swept: Swept, expected: dict[str, str]) -> None:
    """Fail unless accounts = compliant + exempt + held + drift, each as the server's state says."""
    by_verdict = {
        name: sorted(account for account, each in expected.items() if each == name)
        for name in ("compliant", "exempt", "held", "drift")
    }
    (completed,) = swept.events("SweepCompleted")
    assert {name: completed[name] for name in by_verdict} == {
        name: len(accounts) for name, accounts in by_verdict.items()
    }
    assert completed["accounts"] == len(expected)
    assert told(swept, "ExemptionObserved", verdict="EXEMPT") == by_verdict["exempt"]
    assert told(swept, "AccountHeld") == by_verdict["held"]
    assert told(swept, "DriftFound") == by_verdict["drift"]
    # Every drift has one outcome.
    assert told(swept, "RemediationOutcome") == by_verdict["drift"]
    # Every subscription in scope was read or is a gap.
    unread = world.named("unread")
    assert {each["gapName"] for each in swept.events("CoverageGap")} == unread
    assert completed["subscriptionsRead"] == len(world.named(*READ_KINDS))
    assert completed["subscriptionsDisabled"] == len(world.named("disabled"))
    assert completed["subscriptionsExcluded"] == len(world.named("excluded"))
    lighthouse = world.named("lighthouse") if not world.by_group else set()
    assert completed["subscriptionsOtherTenant"] == len(lighthouse)


@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(worlds())
async def test_law_counts_add_up_every_write_is_told_and_a_second_sweep_has_nothing_to_fix(
    world: World,
) -> None:
    expected = world.verdicts()
    flags = {each.id.lower(): each.flag for each in world.tenant.accounts}
    due = {account for account, each in expected.items() if each == "drift"}
    with LocalAzure(world.tenant) as azure:
        first = await world.sweep(azure)
        written = [each.account_id.lower() for each in azure.writes]
        after = {each.id.lower(): each.flag for each in azure.tenant.accounts}
        left = world.verdicts()
        azure.clock.advance(300)
        second = await world.sweep(azure)
        again = [each.account_id.lower() for each in azure.writes[len(written) :]]

    check_counts(world, first, expected)
    results = {each["accountId"]: each["result"] for each in first.events("RemediationOutcome")}
    assert results == {account: world.result(account) for account in due}
    # What was due is off, nothing else was touched, and every write that was accepted is told.
    off = {account for account in due if world.result(account) == "DISABLED"}
    assert after == flags | dict.fromkeys(off, True)
    assert sorted(written) == told(first, "RemediationOutcome", accepted="true")
    failing = {"NO_ROLE", "UNVERIFIED"}
    assert first.whole == (not world.named("unread") and failing.isdisjoint(results.values()))

    check_counts(world, second, left)
    assert set(told(second, "DriftFound")) == due - off
    assert set(again) == {account for account in due if world.result(account) == "UNVERIFIED"}
    assert second.results.items() <= first.results.items()
