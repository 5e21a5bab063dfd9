"""Progress, where a sweep passes by: events as they happen, and what discovery has read so far."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.core.change_log import ChangeLog
from shared.core.events import Event
from shared.core.model import Account, Census, Inventory, Page, Subscription
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
    counted: set[str] = field(default_factory=set)
    """Those of them that Resource Graph has counted: their pages add nothing."""
    accounts: int = 0
    keys_on: int = 0

    def __str__(self) -> str:
        return (
            f"{self.listed} subscriptions listed, {len(self.read)} read: {self.accounts} accounts, "
            f"{self.keys_on} with keys on"
        )

    def _add(self, accounts: int, keys_on: int) -> None:
        self.accounts += accounts
        self.keys_on += keys_on

    def subscriptions(self, found: Sequence[Subscription]) -> None:
        """Note ARM's list of subscriptions."""
        self.listed = len(found)

    def census(self, found: Mapping[str, Census], subscriptions: Sequence[str], *_: object) -> None:
        """Note what Resource Graph has counted in subscriptions."""
        for name, census in found.items():
            if name not in self.read:
                self._add(census.keys_on + census.keys_off, census.keys_on)
        self.counted.update(set(subscriptions) - self.read)
        self.read.update(subscriptions)

    def page(self, found: Page, subscription_id: str, *_: object) -> None:
        """Note a page of ARM's list of the accounts of a subscription."""
        self.read.add(subscription_id)
        if subscription_id not in self.counted:
            accounts = [row for row in found.rows if isinstance(row, Account)]
            self._add(len(accounts), sum(account.keys_on for account in accounts))


def watched(discovery: Discovery, changed: Callable[[Tally], None]) -> Discovery:
    """Return a discovery that says how far it is."""
    tally = Tally(changed)
    arm: Any = _Watched(discovery.arm, tally, ("subscriptions", "page"))
    graph: Any = _Watched(discovery.graph, tally, ("census",))
    return replace(discovery, arm=arm, graph=graph)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A reader; the tally has a method of the same name for each query of it that counts."""

    reader: object
    tally: Tally
    queries: Sequence[str]

    def __getattr__(self, name: str) -> Any:
        query = getattr(self.reader, name)
        if name not in self.queries:
            return query

        async def counted(*arguments: Any) -> Any:
            found = await query(*arguments)
            getattr(self.tally, name)(found, *arguments)
            self.tally.changed(self.tally)
            return found

        return counted
