"""Every event and metric that leaves for Application Insights, with its fields.

Declared here once: the docs, the workbook's queries and the alerts are compared with these in
tests. `wire` says how they go over the wire, `announcements` makes them of what a sweep found.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from shared.core.rings import Standing


@dataclass(frozen=True, slots=True)
class SweepContext:
    """What every event carries."""

    sweep_id: Annotated[str, "The sweep. Begins with its UTC time."]
    mode: Annotated[
        str,
        "`audit` or `enforce`: that of an account or a subscription where the event is about one "
        "that was read, else SWEEP_MODE; so a `CoverageGap` has SWEEP_MODE whatever ring it lies "
        "in, and nothing is changed there. Empty if the settings could not be read.",
    ]
    version: Annotated[str, "Keysweep's version."]
    enforce_from: Annotated[
        str | None,
        "When the keys will go off, while that is yet to come; where the event is about no account "
        "and no subscription that was read, when the first ring comes into force, while none is.",
    ] = None
    event_id: Annotated[
        str, "The event's own id: the same if a batch is sent twice, so that readers keep one."
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; never built itself."""

    name: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RingEvent(Event):
    """Something in a subscription, where a mode of its own is in force; never built itself."""

    subscription_id: Annotated[str, "The subscription's id."]
    standing: Standing | None = None
    """How its ring stood: what every event carries says it. None: nobody has looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEvent(RingEvent):
    """Something about an account of which no more is known than its id; never built itself."""

    account_id: Annotated[str, "The account's resource id, in lower case."]
    account_name: Annotated[str, "The account's name."]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent(NamedEvent):
    """Something about one account; never built itself."""

    resource_group: Annotated[str, "Its resource group."]
    kind: Annotated[str, "`OpenAI`, `AIServices`, or another kind in scope."]
    location: Annotated[str, "Its region, as Azure spells it."]
    no_custom_subdomain: Annotated[
        bool, "Whether Entra ID can't reach it because it has no custom subdomain."
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedEvent(AccountEvent):
    """Something about one account that concerns its owner; never built itself."""

    owner: Annotated[str, "Who is to be asked about it; empty: nobody is known."]
    owner_from: Annotated[
        str,
        "What names the owner: a tag of OWNER_TAGS on the `account`, its `resourceGroup` or its "
        "`subscription`; its `exemption`; or else `changedBy`, who turned its keys on. Empty: none "
        "of them does, or a level before one that does could not be read.",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftEvent(OwnedEvent):
    """Something about one drift, and how long that is open; never built itself."""

    open_since: Annotated[
        str | None,
        "Since when its keys are on or, if that is later, its exemption lapsed; ISO 8601. A tag "
        "that was taken away meanwhile is not seen.",
    ]
    open_since_known: Annotated[
        str,
        "`exactly`, by the change log; `atLeast`, where that does not reach: since then, or "
        "longer; `unknown`. What changed in the last minutes may not show yet.",
    ]
    open_hours: Annotated[float | None, "How many hours it is open."]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStarted(Event):
    """A sweep began. One without its SweepCompleted was killed or failed."""

    name: ClassVar[str] = "SweepStarted"
    scope: Annotated[str, "The management groups or subscriptions that it is about."]
    kinds: Annotated[str, "The kinds of account in scope."]
    exemption_tag: Annotated[str, "The tag that exempts an account."]
    notes: Annotated[str, "Settings that this sweep leaves out of account, and why."]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepCompleted(Event):
    """A sweep ran to its end."""

    name: ClassVar[str] = "SweepCompleted"
    whole: Annotated[bool, "Whether everything in scope was read and nothing needs a person."]
    reasons: Annotated[str, "Why it is not whole."]
    duration_seconds: Annotated[float, "From its first step to this event."]
    subscriptions_read: Annotated[int, "Subscriptions whose accounts were counted."]
    subscriptions_read_directly: Annotated[int, "Those of them that Resource Graph did not show."]
    subscriptions_disabled: Annotated[int, "Disabled subscriptions, left alone."]
    subscriptions_other_tenant: Annotated[int, "Subscriptions of another tenant, left alone."]
    subscriptions_excluded: Annotated[int, "Subscriptions that the settings exclude."]
    gaps: Annotated[int, "Things in scope that could not be read."]
    accounts: Annotated[int, "Accounts of the kinds in scope."]
    compliant: Annotated[int, "Accounts with keys off."]
    exempt: Annotated[int, "Accounts that a tag lets keep their keys."]
    held: Annotated[int, "Accounts with keys on that were deliberately not touched."]
    drift: Annotated[int, "Accounts with keys on that this sweep is about."]
    drift_enforced: Annotated[int, "Those of them in a ring that is in force."]
    drift_to_come: Annotated[int, "Those of them in a ring that is yet to come."]
    drift_audited: Annotated[int, "Those of them that are in no ring, or all in audit mode."]
    disabled: Annotated[int, "Accounts whose keys this sweep turned off, as read back."]
    needing_attention: Annotated[int, "Drifts that ended NO_ROLE, UNVERIFIED or FAILED."]
    deferred: Annotated[int, "Drifts that were not attempted: the next sweep carries on."]
    throttled: Annotated[int, "Requests that Azure answered with 429: too many."]
    brake: Annotated[str, "What the brake did, or in audit mode would do; empty: nothing."]
    key_changes: Annotated[int, "How many KeyAccessChanged were sent."]
    change_log: Annotated[
        str,
        "`read`, with how many rows lack what we need, or why the change log could not be read.",
    ]
    inventory: Annotated[
        str,
        "`told`, if an AccountSeen was sent of each account that the sweep counted; else what is "
        "missing of the daily inventory, and why; empty: none was due.",
    ]
    inventory_accounts: Annotated[int | None, "How many AccountSeen were sent, if one was due."]
    resource_graph: Annotated[
        str,
        "`read`, or why Resource Graph could not be; ARM's own lists were read in its place.",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRead(RingEvent):
    """A sweep read a subscription, and told what it found there. The last one is its state."""

    name: ClassVar[str] = "SubscriptionRead"
    ring: Annotated[str | None, "Which entry of ENFORCE_SCOPES decides for it; absent: none."]
    subscription_name: Annotated[str, "Its name."]
    management_groups: Annotated[
        str | None,
        "The names of the management groups above it, the nearest first, with `/` between them; "
        "absent: not known.",
    ]
    source: Annotated[str, "Who showed its accounts: `graph` or `arm`."]
    accounts: Annotated[int, "Its accounts of the kinds in scope."]
    compliant: Annotated[int, "Those with keys off."]
    exempt: Annotated[int, "Those that a tag lets keep their keys."]
    held: Annotated[int, "Those with keys on that were deliberately not touched."]
    drift: Annotated[int, "Those with keys on that the sweep is about, as it found them."]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFound(DriftEvent):
    """An account lets keys in, and no exemption is in force."""

    name: ClassVar[str] = "DriftFound"
    reason: Annotated[str, "One sentence that says why."]
    changed_by: Annotated[str, "Who turned its keys on, or else who last changed the account."]
    changed_by_type: Annotated[str, "`User`, `Application` and so on, as Azure says."]
    client: Annotated[str, "With what client, as Azure says."]
    changed_at: Annotated[str | None, "When, ISO 8601."]
    attribution: Annotated[str, "`changeLog`, the weaker `lastModified`, or `unknown`."]
    flips: Annotated[int, "How often its keys were turned on or off in 14 days."]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHeld(OwnedEvent):
    """An account lets keys in, has no exemption in force, and was deliberately left alone."""

    name: ClassVar[str] = "AccountHeld"
    hold_reason: Annotated[
        str,
        "`UNREADABLE_TAG`, `TAG_BREAKS_RULE`, `NEAR_MISS_TAG`, `UNREADABLE_LEVEL`, `NO_SUBDOMAIN` "
        "or `BRAKE`.",
    ]
    reason: Annotated[str, "One sentence that says what to mend."]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemptionObserved(OwnedEvent):
    """An account carries our tag, whatever it says and whether or not its keys are on."""

    name: ClassVar[str] = "ExemptionObserved"
    state: Annotated[str, "`active`, `lapsed`, `refused` (an explicit no) or `unreadable`."]
    keys_on: Annotated[bool, "False: the exemption is not needed."]
    verdict: Annotated[str, "The account's verdict: `COMPLIANT`, `EXEMPT`, `HELD` or `DRIFT`."]
    until: Annotated[str | None, "The last day, YYYY-MM-DD; absent: open-ended."]
    days_left: Annotated[int | None, "Days until then; negative once lapsed."]
    exemption_reason: Annotated[str, "The reason that the tag gives."]
    exemption_owner: Annotated[str, "The owner that the tag gives."]
    level: Annotated[str, "Where the tag stands: `account`, `resourceGroup` or `subscription`."]
    problem: Annotated[str, "What is wrong with a value that can't be read."]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen(AccountEvent):
    """An account in the daily inventory, whether or not it is compliant."""

    name: ClassVar[str] = "AccountSeen"
    keys_on: Annotated[bool, "Whether it lets keys in, after what the sweep did."]
    verdict: Annotated[
        str,
        "`COMPLIANT`, `EXEMPT`, `HELD` or `DRIFT`, after what the sweep did; `UNDECIDED`: its keys "
        "are on, and were not when the sweep looked.",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemediationOutcome(DriftEvent):
    """What came of one drift."""

    name: ClassVar[str] = "RemediationOutcome"
    result: Annotated[str, "The drift's result (docs/results.md): `DISABLED`, `LOCKED` and so on."]
    detail: Annotated[str, "One sentence."]
    azure_code: Annotated[str, "Azure's own error code, where it refused."]
    azure_message: Annotated[str, "Azure's own message."]
    accepted: Annotated[bool, "Whether Azure took the change, or may have taken it."]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAccessChanged(NamedEvent):
    """Somebody turned an account's keys on or off, according to the platform's change log."""

    name: ClassVar[str] = "KeyAccessChanged"
    change_id: Annotated[str, "The change's own id: the same change is told more than once."]
    changed_at: Annotated[str, "When, ISO 8601."]
    turned: Annotated[str, "`on` or `off`."]
    changed_by: Annotated[str, "An object id, an application id or a mail address."]
    changed_by_type: Annotated[str, "`User`, `Application` and so on, as Azure says."]
    client: Annotated[str, "With what client, as Azure says."]
    operation: Annotated[str, "The permission that was used."]
    ours: Annotated[bool, "Whether Keysweep's own identity did it."]
    flips: Annotated[int, "How often its keys were turned on or off in 14 days."]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchWar(NamedEvent):
    """An account's keys were turned on and off three times or more in 14 days."""

    name: ClassVar[str] = "PatchWar"
    flips: Annotated[int, "How often."]
    turned_on_by: Annotated[str, "Who turned them on last."]
    turned_on_by_type: Annotated[str, "What that is, as Azure says."]
    turned_on_client: Annotated[str, "With what client."]
    turned_on_at: Annotated[str, "When, ISO 8601."]
    turned_off_by: Annotated[str, "Who turned them off last."]
    turned_off_by_type: Annotated[str, "What that is, as Azure says."]
    turned_off_client: Annotated[str, "With what client."]
    turned_off_at: Annotated[str, "When, ISO 8601."]
    ours: Annotated[bool, "Whether Keysweep's own identity is the side that turns them off."]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeEngaged(Event):
    """A sweep has more to change than the limit allows; in audit mode, would have."""

    name: ClassVar[str] = "BrakeEngaged"
    brake: Annotated[str, "What it does, and the settings that would let the changes through."]
    changes: Annotated[int, "How many changes the sweep is about."]
    limit: Annotated[int, "`MAX_CHANGES_PER_SWEEP`."]
    held: Annotated[int, "How many of them are held."]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesDisagree(AccountEvent):
    """Resource Graph and ARM say different things about an account, beyond Resource Graph's lag."""

    name: ClassVar[str] = "SourcesDisagree"
    graph_says: Annotated[str, "`on`, `off`, or `off, or absent`."]
    arm_says: Annotated[str, "`on` or `off`. This is what the sweep goes by."]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageGap(Event):
    """Something in scope could not be read. What is behind it is unseen, not fixed."""

    name: ClassVar[str] = "CoverageGap"
    subscription_id: Annotated[str, "The subscription, where there is one."]
    gap_kind: Annotated[str, "`tenant`, `managementGroup`, `subscription`, `account` or `ring`."]
    gap_name: Annotated[str, "Which one."]
    problem: Annotated[str, "Why, with Azure's code and message where it refused."]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsRejected(Event):
    """Settings are wrong: nothing was read from Azure."""

    name: ClassVar[str] = "SettingsRejected"
    problems: Annotated[str, "Every wrong setting, its value and what is allowed."]
    problem_count: Annotated[int, "How many."]


EVENTS: tuple[type[Event], ...] = (
    SweepStarted,
    SweepCompleted,
    SubscriptionRead,
    DriftFound,
    AccountHeld,
    ExemptionObserved,
    AccountSeen,
    RemediationOutcome,
    KeyAccessChanged,
    PatchWar,
    BrakeEngaged,
    SourcesDisagree,
    CoverageGap,
    SettingsRejected,
)
"""Every event, in the order in which a reader meets them."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name, its unit, its dimensions and what it says."""

    name: str
    unit: str
    dimensions: tuple[str, ...]
    meaning: str


ACCOUNTS = Metric("keysweep.accounts", "accounts", ("state",), "Accounts by verdict, each sweep.")
REMEDIATIONS = Metric("keysweep.remediations", "accounts", ("result",), "Drifts by result.")
DURATION = Metric("keysweep.sweep.duration", "s", ("mode",), "How long a sweep took.")
REQUESTS = Metric(
    "keysweep.requests", "requests", ("method", "outcome"), "Requests by status code or error."
)
METRICS: tuple[Metric, ...] = (ACCOUNTS, REMEDIATIONS, DURATION, REQUESTS)
"""Every metric."""
