"""Progress, by the seams that are there: events as they happen, and the queries of discovery."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.core.change_log import ChangeLog
from shared.core.events import Event
from shared.core.model import Account, Answer, Census, Inventory, Subscription
from shared.steps.discovery import Discovery
from shared.steps.ports import ArmLists, GraphQueries


@dataclass(slots=True)
class Collected:
    """Keeps the events of a sweep, and passes each one on as it happens."""

    told: Callable[[Event], None] = lambda _: None
    events: list[Event] = field(default_factory=list)

    async def emit(self, event: Event) -> None:
        """Keep one."""
        self.events.append(event)
        self.told(event)

    async def acknowledged(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return them all: they are shown to the person who asked for the sweep."""
        return events


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found already, as a discovery and a change log that look no further."""

    inventory: Inventory
    log: ChangeLog

    async def discover(self) -> Inventory:
        """Return it."""
        return self.inventory

    async def read(self, subscriptions: Sequence[str]) -> ChangeLog:  # noqa: ARG002 - all of it
        """Return it."""
        return self.log


@dataclass(slots=True)
class Tally:
    """What discovery has seen so far."""

    changed: Callable[["Tally"], None]
    listed: int = 0
    read: set[str] = field(default_factory=set)
    read_directly: set[str] = field(default_factory=set)
    """Those of them that ARM alone showed."""
    accounts: int = 0
    keys_on: int = 0

    def __str__(self) -> str:
        return (
            f"{self.listed} subscriptions listed, {len(self.read)} read: {self.accounts} accounts, "
            f"{self.keys_on} with keys on"
        )


def watched(discovery: Discovery, changed: Callable[[Tally], None]) -> Discovery:
    """Return a discovery that says how far it is."""
    tally = Tally(changed)
    return replace(discovery, arm=_Arm(discovery.arm, tally), graph=_Graph(discovery.graph, tally))


@dataclass(frozen=True, slots=True)
class _Graph:
    graph: GraphQueries
    tally: Tally

    async def everywhere(self) -> frozenset[str]:
        return await self.graph.everywhere()

    async def visible(self, subscriptions: Sequence[str]) -> Answer[str]:
        return await self.graph.visible(subscriptions)

    async def census(
        self, subscriptions: Sequence[str], kinds: Sequence[str]
    ) -> Answer[tuple[str, Census]]:
        answer = await self.graph.census(subscriptions, kinds)
        fresh = [census for name, census in answer.rows if name not in self.tally.read]
        self.tally.read.update(set(subscriptions) - answer.unread.keys())
        self.tally.accounts += sum(census.keys_on + census.keys_off for census in fresh)
        self.tally.keys_on += sum(census.keys_on for census in fresh)
        self.tally.changed(self.tally)
        return answer

    async def listing(
        self, subscriptions: Sequence[str], kinds: Sequence[str], tag: str
    ) -> Answer[Account]:
        return await self.graph.listing(subscriptions, kinds, tag)

    async def groups(
        self, subscriptions: Sequence[str], tag: str
    ) -> Answer[tuple[tuple[str, str], Mapping[str, str]]]:
        return await self.graph.groups(subscriptions, tag)


@dataclass(frozen=True, slots=True)
class _Arm:
    arm: ArmLists
    tally: Tally

    async def home_tenant(self) -> str:
        return await self.arm.home_tenant()

    async def subscriptions(self) -> list[Subscription]:
        found = await self.arm.subscriptions()
        self.tally.listed = len(found)
        self.tally.changed(self.tally)
        return found

    async def subscription(self, subscription_id: str) -> Subscription:
        return await self.arm.subscription(subscription_id)

    async def descendants(self, management_group: str) -> list[str]:
        return await self.arm.descendants(management_group)

    async def groups(self, subscription_id: str) -> Mapping[str, Mapping[str, str]]:
        return await self.arm.groups(subscription_id)

    async def accounts(self, subscription_id: str) -> AsyncIterator[Account | str]:
        if subscription_id not in self.tally.read:
            self.tally.read_directly.add(subscription_id)
        self.tally.read.add(subscription_id)
        async for row in self.arm.accounts(subscription_id):
            if isinstance(row, Account) and subscription_id in self.tally.read_directly:
                self.tally.accounts += 1
                self.tally.keys_on += row.keys_on
            yield row
        self.tally.changed(self.tally)
