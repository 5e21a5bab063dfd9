"""The nouns. Pure: standard library only.

Azure compares resource ids, tag names and subscription ids without regard to letter case, and
hands them back in several (`../docs/decisions/0002-letter-case.md`), so ids carry a `key` to
compare by and keep the spelling that Azure gave for people to read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Protocol, Self

_ACCOUNT_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.CognitiveServices/accounts/(?P<name>[^/]+)",
    re.IGNORECASE,
)


class Clock(Protocol):
    """The one clock that everything follows: days, deadlines, pauses and polling."""

    def now(self) -> datetime:
        """Return the moment, with UTC as its zone."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only ever grow, for measuring spans of time."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds."""
        ...


def in_utc(moment: datetime) -> datetime:
    """Return a moment with a zone: Azure and the host mean UTC where they name none."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AccountId:
    """The parts of an account's resource id, as Azure spelled them."""

    subscription_id: str
    resource_group: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take an id apart, whatever the letter case of its fixed words.

        Raises ValueError if it is not the id of a `Microsoft.CognitiveServices/accounts` resource.
        """
        match = _ACCOUNT_ID.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not the id of a Cognitive Services account")
        return cls(match["subscription"].lower(), match["group"], match["name"])

    def __str__(self) -> str:
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.CognitiveServices/accounts/{self.name}"
        )

    @property
    def key(self) -> str:
        """The id in lower case: what is compared, and what every event carries."""
        return str(self).lower()


class Level(StrEnum):
    """Where the tag that exempts an account stands; the nearest one decides."""

    ACCOUNT = "account"
    RESOURCE_GROUP = "resourceGroup"
    SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True)
class TagsAbove:
    """The tags of a level above an account; None: they could not be read."""

    level: Level
    tags: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class TagsWanted:
    """Which tags matter, and at which levels above an account they do."""

    exemption: str
    """The name of the tag that exempts."""
    inherit: tuple[Level, ...] = ()
    """The levels where that counts for the accounts below, the nearest first."""
    owner: tuple[str, ...] = ()
    """The names of the tags that say who the owner is, the first counting first."""

    @property
    def owner_levels(self) -> tuple[Level, ...]:
        """The levels above an account where its owner is looked for, the nearest first."""
        return (Level.RESOURCE_GROUP, Level.SUBSCRIPTION) if self.owner else ()

    @property
    def of_groups(self) -> tuple[str, ...]:
        """Those that matter on a resource group; none: no group has to be read."""
        exemption = (self.exemption,) if self.groups_exempt else ()
        return (*exemption, *self.owner)

    @property
    def groups_exempt(self) -> bool:
        """Whether a resource group's tag exempts: then a group that is not read is a lack."""
        return Level.RESOURCE_GROUP in self.inherit


@dataclass(frozen=True, slots=True)
class Account:
    """An account whose kind is in scope, as one source showed it."""

    id: AccountId
    kind: str
    location: str
    keys_on: bool
    """Only `disableLocalAuth: true` is off: false, null and absent all let keys in."""
    tags: Mapping[str, str] = field(default_factory=dict)
    custom_subdomain: str | None = None
    """Without one, nobody can use the account with Entra ID until it gets one."""
    provisioning_state: str = ""
    above: tuple[TagsAbove, ...] = ()
    """The levels whose tags count for its exemption as well, the nearest first."""
    owned_at: tuple[TagsAbove, ...] = ()
    """The levels above it where its owner is looked for, the nearest first; none: not read."""
    changed_at: datetime | None = None
    """When it was last changed, where the source says so."""
    changed_by: str = ""
    """By whom, according to the account itself: any change, not just one of its keys."""
    created_at: datetime | None = None
    """When it was created, where the source says so. A restore of a deleted account keeps it."""


@dataclass(frozen=True, slots=True)
class NotExempt:
    """No tag of ours, or one that says no."""

    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Exempt:
    """A tag lets the account keep its keys, until the end of a UTC day or for good."""

    until: date | None = None
    reason: str = ""
    owner: str = ""
    level: Level = Level.ACCOUNT


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A tag exempted the account until a day that has passed."""

    until: date
    reason: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A tag of ours whose value can't be understood, and what is wrong with it."""

    raw: str
    problem: str


type Exemption = NotExempt | Exempt | Lapsed | Unreadable


class HoldReason(StrEnum):
    """Why keys that are on, with no exemption in force, are deliberately left alone."""

    UNREADABLE_TAG = "UNREADABLE_TAG"
    TAG_BREAKS_RULE = "TAG_BREAKS_RULE"
    NEAR_MISS_TAG = "NEAR_MISS_TAG"
    UNREADABLE_LEVEL = "UNREADABLE_LEVEL"
    NO_SUBDOMAIN = "NO_SUBDOMAIN"
    BRAKE = "BRAKE"


class Verdict(StrEnum):
    """What is true of an account: every account has exactly one."""

    COMPLIANT = "COMPLIANT"
    EXEMPT = "EXEMPT"
    DRIFT = "DRIFT"
    HELD = "HELD"
    OUT_OF_SCOPE = "OUT_OF_SCOPE"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to become of one account, and why. Nothing has happened yet."""

    account: Account
    verdict: Verdict
    exemption: Exemption
    reason: str
    """One sentence for a person."""
    hold: HoldReason | None = None
    """Set if, and only if, the verdict is HELD."""


class Result(StrEnum):
    """What came of one drift."""

    DISABLED = "DISABLED"
    WOULD_DISABLE = "WOULD_DISABLE"
    ALREADY_OFF = "ALREADY_OFF"
    NOW_EXEMPT = "NOW_EXEMPT"
    NOW_HELD = "NOW_HELD"
    GONE = "GONE"
    BUSY = "BUSY"
    DEFERRED = "DEFERRED"
    OUT_OF_SCOPE = "OUT_OF_SCOPE"
    LOCKED = "LOCKED"
    POLICY_DENIED = "POLICY_DENIED"
    NO_ROLE = "NO_ROLE"
    UNVERIFIED = "UNVERIFIED"
    FAILED = "FAILED"

    @property
    def fails_the_sweep(self) -> bool:
        """Whether somebody must look. A lock or a policy is someone's deliberate no, and is not."""
        return self in {Result.NO_ROLE, Result.UNVERIFIED, Result.FAILED}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One drift and what came of it, with Azure's own words where Azure refused."""

    decision: Decision
    result: Result
    detail: str = ""
    azure_code: str = ""
    azure_message: str = ""
    accepted: bool = False
    """Whether Azure took the PATCH, or may have taken it."""
    unannounced: bool = False
    """Whether it was not begun because nothing acknowledged its announcement."""


class SubscriptionState(StrEnum):
    """Azure's states of a subscription (azure-mgmt-resource-subscriptions 1.0.0)."""

    ENABLED = "Enabled"
    WARNED = "Warned"
    PAST_DUE = "PastDue"
    DISABLED = "Disabled"
    DELETED = "Deleted"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the state that a text names, in any letter case; None if nobody knows it."""
        return next((state for state in cls if state.value.lower() == text.lower()), None)

    @property
    def allows_changes(self) -> bool:
        """Whether resources of a subscription in this state can be changed."""
        return self not in {SubscriptionState.DISABLED, SubscriptionState.DELETED}


type GroupsAbove = tuple[str, ...] | None
"""The names of the management groups above a subscription, the nearest first; None: not known."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as ARM lists it. The id is in lower case."""

    id: str
    name: str
    state: str
    tenant_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    management_groups: GroupsAbove = None
    """Resource Graph tells them; ARM's list does not."""
    is_delegated: bool = False
    """Whether another tenant manages it (Azure Lighthouse), by ARM's `managedByTenants`."""


@dataclass(frozen=True, slots=True)
class Census:
    """How many accounts of the kinds in scope one subscription holds, as one source counted."""

    keys_on: int = 0
    keys_off: int = 0


class Source(StrEnum):
    """Who showed a subscription's accounts."""

    GRAPH = "graph"
    ARM = "arm"


@dataclass(frozen=True, slots=True)
class Coverage:
    """One subscription that was read, who showed it, and what was counted there."""

    subscription: Subscription
    source: Source
    census: Census


@dataclass(frozen=True, slots=True)
class Answer[Row]:
    """What Resource Graph answered to a query about some subscriptions.

    They are asked about in batches. One that fails takes nothing from what the others say.
    """

    rows: tuple[Row, ...]
    unread: Mapping[str, str] = field(default_factory=dict)
    """Why it did not answer about a subscription, by the subscription's id."""


class GapKind(StrEnum):
    """What kind of thing could not be read."""

    TENANT = "tenant"
    MANAGEMENT_GROUP = "managementGroup"
    SUBSCRIPTION = "subscription"
    ACCOUNT = "account"
    RING = "ring"


@dataclass(frozen=True, slots=True)
class Gap:
    """Something in scope that could not be read. A sweep with gaps is never whole."""

    kind: GapKind
    name: str
    """The subscription's or management group's id, the account's row, the tenant, or the ring."""
    problem: str
    subscription_id: str = ""


class Turned(StrEnum):
    """What a change did to the keys."""

    ON = "on"
    OFF = "off"
    CREATED = "created"
    """The account was created; with which keys, the change log doesn't say."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One change of an account's keys, from the platform's own change log."""

    id: str
    at: datetime
    account: AccountId
    turned: Turned
    by: str
    """An object id, an application id or a mail address."""
    by_type: str
    client: str
    operation: str
    ours: bool
    """Whether Keysweep's identity made it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source showed of one subscription. Compliant accounts are counted and not kept."""

    coverage: Coverage
    accounts: tuple[Account, ...]
    """Accounts with keys on, and accounts with keys off whose tags mention ours."""
    gaps: tuple[Gap, ...] = ()
    """Accounts of it that could not be read."""

    def with_tags_above(
        self, wanted: TagsWanted, groups: Mapping[tuple[str, str], Mapping[str, str]] | None
    ) -> Self:
        """Put the tags of the levels above on the accounts, as far as they matter.

        `groups` are the tags of resource groups, by subscription and lower-cased name; a group that
        is not in it has none of interest. None: they could not be read.
        """
        subscription = self.coverage.subscription

        def tags_of(level: Level, account: Account) -> Mapping[str, str] | None:
            if level is Level.SUBSCRIPTION:
                return subscription.tags
            key = (subscription.id, account.id.resource_group.lower())
            return None if groups is None else groups.get(key, {})

        def read(levels: tuple[Level, ...], account: Account) -> tuple[TagsAbove, ...]:
            return tuple(TagsAbove(level, tags_of(level, account)) for level in levels)

        accounts = tuple(
            replace(
                account,
                above=read(wanted.inherit, account),
                owned_at=read(wanted.owner_levels, account),
            )
            for account in self.accounts
        )
        return replace(self, accounts=accounts)


@dataclass(frozen=True, slots=True)
class Exactly:
    """A drift is open since this moment."""

    since: datetime


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A drift is open since this moment at the latest: how much longer, nobody tells."""

    since: datetime


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Nobody tells since when a drift is open."""


type OpenSince = Exactly | AtLeast | NotKnown


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An account of which Resource Graph says one thing and ARM another, beyond its lag."""

    account: Account
    graph: str
    arm: str


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Subscriptions that are counted and not swept."""

    disabled: tuple[Subscription, ...] = ()
    other_tenant: tuple[Subscription, ...] = ()
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that discovery learned. Compliant accounts are counted and not kept."""

    coverage: tuple[Coverage, ...]
    accounts: tuple[Account, ...]
    """Accounts with keys on, and accounts with keys off whose tags mention ours."""
    gaps: tuple[Gap, ...]
    left_alone: LeftAlone = field(default_factory=LeftAlone)
    disagreements: tuple[Disagreement, ...] = ()
    graph_unread: str = ""
    """Why Resource Graph could not be read, or a part of it; empty if it was."""
    below: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The subscriptions below the groups that are rings, as `Rings.below` has them."""

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Those that were read."""
        return tuple(coverage.subscription for coverage in self.coverage)
