"""A tenant in memory, and what the steps ask of it: ARM, Resource Graph, permits, telemetry.

Its state is the truth by which a test judges. ARM shows it as it is, Resource Graph as it was a
while ago, and both leave out what a test hides from them. What else happens at a request, or after
it, a test says beforehand: it takes a while, it is refused, somebody changes something meanwhile.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import batched
from typing import Any, Literal

from keysweep.doctor.telemetry import Component
from shared.core.deadline import Deadline
from shared.core.decision import Scope
from shared.core.errors import (
    AzureError,
    Busy,
    Locked,
    NoRole,
    NotFound,
    PolicyDenied,
    Stale,
    Throttled,
    Unclear,
)
from shared.core.events import DriftFound, Event
from shared.core.exemption import resembling_pattern
from shared.core.model import (
    Account,
    AccountId,
    Answer,
    Census,
    GroupsAbove,
    KeyChange,
    Level,
    Subscription,
)
from tests.support.builders import SUBSCRIPTION_ID
from tests.support.virtual_time import VirtualClock

type What = Literal[
    "home tenant", "subscriptions", "subscription", "descendants",
    "everywhere", "visible", "census", "listing", "every", "groups shown", "changes", "own ids",
    "accounts", "groups", "account", "tags above", "patch",
    "locks", "merge tag", "delete tags", "keys on", "permissions", "components",
]  # fmt: skip
"""What can be asked."""
type Effect = float | AzureError | Callable[[], object] | None
"""It takes so many seconds; it fails; something happens; nothing does."""

TENANT_ID = "t"
OWN_IDS = ["object", "application"]
"""Of the identity."""
_AT_REST = frozenset({"", "succeeded", "failed", "canceled"})


def an_error(
    kind: type[AzureError] = Unclear, status: int | None = None, code: str = "Code"
) -> AzureError:
    """Return an error of Azure's."""
    return kind("Reading", "it", code=code, message="No.", status=status)


@dataclass(frozen=True)
class Write:
    """A change of an account that was accepted."""

    account: Account
    """As it was just before."""
    at: float


@dataclass(frozen=True)
class Acknowledgement:
    """An announcement that is known to have arrived."""

    account: str


@dataclass
class FakeTenant:
    """What there is, what became of it, and what the steps asked."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    """By `AccountId.key`, of every kind."""
    groups: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """The tags of resource groups, by subscription and name in lower case."""
    below: dict[str, list[str]] = field(default_factory=dict)
    """The ids of the subscriptions below management groups."""
    changes: list[KeyChange | str] = field(default_factory=list)
    """The change log; a text is a row that can't be read, and stands in every answer."""
    home: str = TENANT_ID
    """The tenant of the identity."""
    locked: set[str] = field(default_factory=set)
    """Accounts that a lock protects."""
    forbidden: set[str] = field(default_factory=set)
    """Accounts whose change a policy forbids."""
    without_role: set[str] = field(default_factory=set)
    """Accounts that the identity may not change."""
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The actions that a person's role allows, by the id of a scope; anywhere else all."""
    components: list[Component] = field(default_factory=list)
    """The Application Insights components of every subscription."""

    unlisted: set[str] = field(default_factory=set)
    """Subscriptions that ARM's list lost, and accounts that its lists lost."""
    unshown: set[str] = field(default_factory=set)
    """Subscriptions and accounts that Resource Graph shows nothing of."""
    uncounted: set[str] = field(default_factory=set)
    """Accounts that Resource Graph lists, and does not count."""
    repeated: set[str] = field(default_factory=set)
    """Accounts that ARM's lists show twice, once in other letters."""
    lag: float = 0.0
    """How many seconds Resource Graph is behind."""
    odd_rows: dict[str, list[str]] = field(default_factory=dict)
    """Rows of ARM's list of a subscription that can't be read; they come first."""
    batch_size: int = 400
    """About how many subscriptions Resource Graph is asked at a time."""
    page_size: int = 1000
    """How many accounts a page of its inventory has."""

    writes: list[Write] = field(default_factory=list)
    journal: list[Write | Acknowledgement] = field(default_factory=list)
    """What was acknowledged and what was written, in this order."""
    changed: list[tuple[What, Account]] = field(default_factory=list)
    """What a person changed that was accepted, and the account as it was just before."""
    asked: list[tuple[What, str]] = field(default_factory=list)
    _meanwhile: dict[tuple[What, str], Iterator[Effect]] = field(default_factory=dict)
    _afterwards: dict[tuple[What, str], Iterator[Effect]] = field(default_factory=dict)
    _before: defaultdict[str, list[tuple[float, Account | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """By account: until when it was how."""

    @classmethod
    def of(cls, *accounts: Account, **more: Any) -> "FakeTenant":
        """Return a tenant of these accounts, in subscriptions that are enabled."""
        tenant = cls(accounts={account.id.key: account for account in accounts}, **more)
        for account in accounts:
            tenant.subscribe(account.id.subscription_id)
        return tenant

    def subscribe(self, subscription_id: str = SUBSCRIPTION_ID, **more: Any) -> Subscription:
        """Add a subscription, or change it."""
        known = self.subscriptions.get(subscription_id)
        built = known or Subscription(subscription_id, "sub", "Enabled", TENANT_ID)
        self.subscriptions[subscription_id] = replace(built, **more)
        return self.subscriptions[subscription_id]

    def put(self, account: Account) -> None:
        """Create an account now, or again as another one."""
        self._note(account.id.key)
        self.accounts[account.id.key] = account

    def change(self, account: Account, **changes: Any) -> None:
        """Change an account now."""
        self.put(replace(self.accounts[account.id.key], **changes))

    def becomes(self, account: Account, **changes: Any) -> Callable[[], None]:
        """Return what changes an account when its moment has come."""
        return lambda: self.change(account, **changes)

    def delete(self, account: Account) -> None:
        """Delete an account now."""
        self._note(account.id.key)
        del self.accounts[account.id.key]

    def _note(self, key: str) -> None:
        self._before[key].append((self.clock.monotonic(), self.accounts.get(key)))

    def keys_on(self, account: Account) -> bool:
        """Whether an account truly has its keys on."""
        return self.accounts[account.id.key].keys_on

    def meanwhile(self, what: What, name: str, effects: Iterable[Effect]) -> None:
        """Say what happens, one effect a request, before requests about something are answered."""
        self._meanwhile[what, name] = iter(effects)

    def afterwards(self, what: What, name: str, effects: Iterable[Effect]) -> None:
        """Say what happens, one effect a request, when the request has done its work."""
        self._afterwards[what, name] = iter(effects)

    def times(self, what: What, name: str | None = None) -> int:
        """Count how often something was asked."""
        return sum(what == asked and name in {None, about} for asked, about in self.asked)

    async def is_asked(self, what: What, name: str) -> None:
        """Note a request, and let happen what happens meanwhile. Raises AzureError."""
        self.asked.append((what, name))
        await self._happens(self._meanwhile.get((what, name)))

    async def was_asked(self, what: What, name: str) -> None:
        """Let happen what happens afterwards. Raises AzureError."""
        await self._happens(self._afterwards.get((what, name)))

    async def _happens(self, effects: Iterator[Effect] | None) -> None:
        match next(effects or iter(()), None):
            case None:
                return
            case AzureError() as error:
                raise error
            case int() | float() as seconds:
                await self.clock.sleep(seconds)
            case happen:
                happen()

    def shown(self, subscription_ids: Iterable[str]) -> list[Account]:
        """Return the accounts of subscriptions as Resource Graph shows them, lag and all."""
        moment, wanted = self.clock.monotonic() - self.lag, set(subscription_ids)
        found = []
        for key in sorted(self.accounts.keys() | self._before.keys()):
            past = (was for until, was in self._before[key] if until > moment)
            account = next(past, self.accounts.get(key))
            if account is not None and key not in self.unshown:
                found.append(replace(account, changed_at=None, changed_by=""))
        return [account for account in found if account.id.subscription_id in wanted]

    @property
    def arm(self) -> "Arm":
        """Azure Resource Manager."""
        return Arm(self)

    @property
    def graph(self) -> "ResourceGraph":
        """Azure Resource Graph."""
        return ResourceGraph(self)


@dataclass(frozen=True)
class Arm:
    """Azure Resource Manager: the truth, but for what it lost."""

    tenant: FakeTenant

    async def home_tenant(self) -> str:
        """Return the tenant of the identity."""
        await self.tenant.is_asked("home tenant", "")
        return self.tenant.home

    async def own_ids(self) -> Sequence[str]:
        """Return the ids of the identity."""
        await self.tenant.is_asked("own ids", "")
        return OWN_IDS

    async def subscriptions(self) -> list[Subscription]:
        """List the subscriptions."""
        await self.tenant.is_asked("subscriptions", "")
        return [
            replace(subscription, management_groups=None)
            for subscription in self.tenant.subscriptions.values()
            if subscription.id not in self.tenant.unlisted
        ]

    async def subscription(self, subscription_id: str) -> Subscription:
        """Read one subscription."""
        await self.tenant.is_asked("subscription", subscription_id)
        if subscription_id not in self.tenant.subscriptions:
            raise an_error(NotFound, 404)
        return self.tenant.subscriptions[subscription_id]

    async def descendants(self, management_group: str) -> list[str]:
        """List the subscriptions below a group."""
        await self.tenant.is_asked("descendants", management_group)
        if management_group not in self.tenant.below:
            raise an_error(NotFound, 404)
        return list(self.tenant.below[management_group])

    async def groups(self, subscription_id: str) -> Mapping[str, Mapping[str, str]]:
        """List the tags of the resource groups."""
        await self.tenant.is_asked("groups", subscription_id)
        return {
            name: tags
            for (owner, name), tags in self.tenant.groups.items()
            if owner == subscription_id
        }

    async def accounts(self, subscription_id: str) -> AsyncIterator[Account | str]:
        """List the accounts."""
        tenant = self.tenant
        await tenant.is_asked("accounts", subscription_id)
        for odd in tenant.odd_rows.get(subscription_id, ()):
            yield odd
        for key, account in sorted(tenant.accounts.items()):
            if account.id.subscription_id == subscription_id and key not in tenant.unlisted:
                yield account
                if key in tenant.repeated:
                    name = account.id.name.upper()
                    again = AccountId(subscription_id, account.id.resource_group, name)
                    yield replace(account, id=again)

    async def account(self, account_id: AccountId) -> Account:
        """Read one account."""
        await self.tenant.is_asked("account", account_id.key)
        return self._existing(account_id)

    def _existing(self, account_id: AccountId) -> Account:
        if account_id.key not in self.tenant.accounts:
            raise an_error(NotFound, 404, "ResourceNotFound")
        return self.tenant.accounts[account_id.key]

    async def tags_above(self, account_id: AccountId, level: Level) -> Mapping[str, str]:
        """Read the tags of a level above an account."""
        await self.tenant.is_asked("tags above", level)
        if level is Level.SUBSCRIPTION:
            return self.tenant.subscriptions[account_id.subscription_id].tags
        key = (account_id.subscription_id, account_id.resource_group.lower())
        return self.tenant.groups.get(key, {})

    async def disable_local_auth(self, account_id: AccountId, leave_by: float) -> None:
        """Turn the keys off, if it is not too late."""
        tenant, key = self.tenant, account_id.key
        account = await self._to_be_changed("patch", account_id, leave_by)
        if key in tenant.forbidden:
            raise an_error(PolicyDenied, 403, "RequestDisallowedByPolicy")
        if account.provisioning_state.lower() not in _AT_REST:
            raise an_error(Busy, 409, "RequestConflict")
        write = Write(account, tenant.clock.monotonic())
        tenant.writes.append(write)
        tenant.journal.append(write)
        tenant.put(replace(account, keys_on=False))
        await tenant.was_asked("patch", key)

    async def _to_be_changed(self, what: What, account_id: AccountId, leave_by: float) -> Account:
        """Return the account, if the change leaves in time and the identity may make it."""
        tenant, key = self.tenant, account_id.key
        await tenant.is_asked(what, key)
        if tenant.clock.monotonic() >= leave_by:
            raise Stale("its read is no longer fresh")
        account = self._existing(account_id)
        if key in tenant.without_role:
            raise an_error(NoRole, 403, "AuthorizationFailed")
        if key in tenant.locked:
            raise an_error(Locked, 409, "ScopeLocked")
        return account


@dataclass(frozen=True)
class ResourceGraph:
    """Azure Resource Graph: the truth of a while ago, but for what it doesn't show."""

    tenant: FakeTenant

    async def everywhere(self) -> frozenset[str]:
        """Say which subscriptions it shows."""
        await self.tenant.is_asked("everywhere", "")
        return frozenset(self.tenant.subscriptions.keys() - self.tenant.unshown)

    async def visible(self, subscriptions: Sequence[str]) -> Answer[tuple[str, GroupsAbove]]:
        """Say which of these it shows, and the management groups above each."""
        known = self.tenant.subscriptions.keys() - self.tenant.unshown
        return await self._answer(
            "visible",
            subscriptions,
            lambda batch: (
                (name, self.tenant.subscriptions[name].management_groups)
                for name in known & set(batch)
            ),
        )

    async def census(
        self, subscriptions: Sequence[str], kinds: Sequence[str]
    ) -> Answer[tuple[str, Census]]:
        """Count the accounts; a subscription without any is not in the answer."""

        def counted(batch: Sequence[str]) -> Iterable[tuple[str, Census]]:
            counts: defaultdict[str, Counter[bool]] = defaultdict(Counter)
            for account in self._of_kinds(batch, kinds):
                if account.id.key not in self.tenant.uncounted:
                    counts[account.id.subscription_id][account.keys_on] += 1
            return ((name, Census(count[True], count[False])) for name, count in counts.items())

        return await self._answer("census", subscriptions, counted)

    async def listing(
        self, subscriptions: Sequence[str], kinds: Sequence[str], tag: str
    ) -> Answer[Account]:
        """List the accounts with keys on, and those whose tags mention a text."""
        return await self._answer(
            "listing",
            subscriptions,
            lambda batch: (
                account
                for account in self._of_kinds(batch, kinds)
                if account.keys_on or tag.lower() in json.dumps(dict(account.tags)).lower()
            ),
        )

    async def every(
        self, subscriptions: Sequence[str], kinds: Sequence[str]
    ) -> AsyncIterator[Sequence[Account] | str]:
        """List all accounts, a page at a time."""
        for batch in batched(subscriptions, self.tenant.batch_size, strict=False):
            given, is_whole = 0, False
            while not is_whole:
                try:
                    await self.tenant.is_asked("every", batch[0])
                except AzureError as error:
                    yield str(error)
                    break
                accounts = [replace(account, tags={}) for account in self._of_kinds(batch, kinds)]
                page = accounts[given : given + self.tenant.page_size]
                given += len(page)
                is_whole = given == len(accounts)
                yield page

    def _of_kinds(self, subscriptions: Sequence[str], kinds: Sequence[str]) -> Iterator[Account]:
        scope = Scope(kinds=tuple(kinds))
        shown = self.tenant.shown(subscriptions)
        return (account for account in shown if scope.has_kind(account.kind))

    async def groups(
        self, subscriptions: Sequence[str], tags: Sequence[str]
    ) -> Answer[tuple[tuple[str, str], Mapping[str, str]]]:
        """List the resource groups whose tags mention one of these, or nearly."""
        return await self._answer(
            "groups shown",
            subscriptions,
            lambda batch: (
                (key, found)
                for key, found in self.tenant.groups.items()
                if key[0] in batch and re.search(resembling_pattern(tags), json.dumps(found))
            ),
        )

    async def key_changes(
        self, subscriptions: Sequence[str], own_ids: Sequence[str]
    ) -> Answer[KeyChange | str]:
        """List the changes of accounts in these subscriptions."""
        assert own_ids == OWN_IDS, "without our ids our own changes look like anybody's"
        return await self._answer(
            "changes",
            subscriptions,
            lambda batch: (
                row
                for row in self.tenant.changes
                if isinstance(row, str) or row.account.subscription_id in batch
            ),
        )

    async def _answer[Row](
        self,
        what: What,
        subscriptions: Sequence[str],
        rows_of: Callable[[Sequence[str]], Iterable[Row]],
    ) -> Answer[Row]:
        """Note a query for each batch of subscriptions, by the first of it, and answer it."""
        rows: list[Row] = []
        unread: dict[str, str] = {}
        for batch in batched(subscriptions, self.tenant.batch_size, strict=False):
            try:
                await self.tenant.is_asked(what, batch[0])
            except AzureError as error:
                unread |= dict.fromkeys(batch, str(error))
            else:
                rows += rows_of(batch)
        return Answer(tuple(rows), unread)


@dataclass
class FakePermits:
    """Lets units work, a few at a time, after a wait; or never."""

    clock: VirtualClock
    deadline: Deadline
    waits: dict[str, list[float | Throttled]] = field(default_factory=dict)
    """By subscription, how long each permit takes, or why it never comes; else none."""
    held: int = 0
    most_held: int = 0
    room: list[int] = field(default_factory=list)
    """For how many reads each unit asked for room."""
    throttled: int = 0
    """How many requests Azure is said to have throttled."""

    @asynccontextmanager
    async def unit(self, subscription_id: str, reads: int) -> AsyncIterator[None]:
        """Let a unit work."""
        self.room.append(reads)
        async with self.page(subscription_id):
            yield

    @asynccontextmanager
    async def page(self, subscription_id: str) -> AsyncIterator[None]:
        """Let something be read."""
        waits = self.waits.get(subscription_id)
        wait = waits.pop(0) if waits else 0.0
        if isinstance(wait, Throttled):
            raise wait
        await self.clock.sleep(wait)
        self.held += 1
        self.most_held = max(self.most_held, self.held)
        try:
            yield
        finally:
            self.held -= 1


@dataclass
class FakeTelemetry:
    """Application Insights: keeps what is sent, and acknowledges what it takes."""

    tenant: FakeTenant
    takes: Callable[[Event], bool] = lambda _: True
    """Which events arrive."""
    seconds: float = 0.0
    """How long it takes to say so."""
    events: list[Event] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """When each event was sent."""
    asked: list[int] = field(default_factory=list)
    """For how many events each acknowledgement was waited for."""

    async def emit(self, event: Event) -> None:
        """Take an event, or lose it."""
        self.events.append(event)
        self.times.append(self.tenant.clock.monotonic())

    async def acknowledged(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return those that were sent and that arrived."""
        self.asked.append(len(events))
        await self.tenant.clock.sleep(self.seconds)
        arrived = [
            event
            for event in events
            if any(event is sent for sent in self.events) and self.takes(event)
        ]
        self.tenant.journal += [
            Acknowledgement(event.account_id) for event in arrived if isinstance(event, DriftFound)
        ]
        return arrived

    def of[T: Event](self, kind: type[T]) -> list[T]:
        """Return the events of one type, in the order in which they were sent."""
        return [event for event in self.events if isinstance(event, kind)]
