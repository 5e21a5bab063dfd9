"""Progress, where a sweep passes by: events as they happen, and what discovery has read so far."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from keysweep.screen import Screen
from shared.core.change_log import ChangeLog
from shared.core.events import Event
from shared.core.model import Account, Answer, Census, Inventory, Subscription
from shared.steps.discovery import Discovery


@dataclass(slots=True)
class Collected:
    """Keeps the events of a sweep, and passes them on as they happen."""

    on_event: Callable[[Event], None] = lambda _: None
    events: list[Event] = field(default_factory=list)

    async def emit(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)
        self.on_event(event)

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
    accounts: int = 0
    keys_on: int = 0

    def __str__(self) -> str:
        return (
            f"{self.listed} subscriptions listed, {len(self.read)} read: {self.accounts} accounts, "
            f"{self.keys_on} with keys on"
        )

    def counted(self, accounts: int, keys_on: int) -> None:
        """Add accounts that were seen, and say so."""
        self.accounts += accounts
        self.keys_on += keys_on
        self.changed(self)


@contextmanager
def discovering(screen: Screen, discovery: Discovery) -> Iterator[Discovery]:
    """Give a discovery that shows how far it is."""
    with screen.spinner() as progress:
        task = progress.add_task("Listing subscriptions")
        yield watched(discovery, lambda tally: progress.update(task, description=str(tally)))


def watched(discovery: Discovery, changed: Callable[[Tally], None]) -> Discovery:
    """Return a discovery that says how far it is."""
    tally = Tally(changed)
    arm: Any = _WatchedArm(discovery.arm, tally)
    graph: Any = _WatchedGraph(discovery.graph, tally)
    return replace(discovery, arm=arm, graph=graph)


@dataclass(frozen=True)
class _Watched:
    """A reader, and the tally of what it has seen. What does not count is asked of it as it is."""

    reader: Any
    tally: Tally

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)


class _WatchedGraph(_Watched):
    async def census(
        self, subscriptions: Sequence[str], kinds: Sequence[str]
    ) -> Answer[tuple[str, Census]]:
        answer: Answer[tuple[str, Census]] = await self.reader.census(subscriptions, kinds)
        fresh = [census for name, census in answer.rows if name not in self.tally.read]
        self.tally.read.update(set(subscriptions) - answer.unread.keys())
        self.tally.counted(
            sum(census.keys_on + census.keys_off for census in fresh),
            sum(census.keys_on for census in fresh),
        )
        return answer


class _WatchedArm(_Watched):
    async def subscriptions(self) -> list[Subscription]:
        found: list[Subscription] = await self.reader.subscriptions()
        self.tally.listed = len(found)
        self.tally.changed(self.tally)
        return found

    async def accounts(self, subscription_id: str) -> AsyncIterator[Account | str]:
        """Count the accounts, unless Resource Graph has counted them before."""
        is_first = subscription_id not in self.tally.read
        self.tally.read.add(subscription_id)
        async for row in self.reader.accounts(subscription_id):
            if isinstance(row, Account) and is_first:
                self.tally.counted(1, int(row.keys_on))
            yield row
        self.tally.changed(self.tally)
