"""The first step: find every account in scope, and say what could not be seen. Reads only.

Resource Graph does the counting, so that a calm sweep costs the same at a hundred accounts and at a
hundred thousand. It omits in silence what it doesn't show, so it is never believed alone: ARM's own
list of subscriptions says what there is, Resource Graph's count of accounts and its list of them
must agree, and what it does not show is listed from ARM directly. What neither shows is a gap.
Accounts are told apart by resource id: a row that comes twice is one account.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.core.addresses import Links
from shared.core.deadline import Deadline, within
from shared.core.decision import Scope
from shared.core.errors import AzureError, OutOfTime, Throttled
from shared.core.exemption import carries
from shared.core.model import (
    Account,
    Census,
    Coverage,
    Disagreement,
    Gap,
    GapKind,
    Inventory,
    Level,
    Page,
    Reading,
    Source,
    Subscription,
    TagsAbove,
)
from shared.steps.cross_check import cross_check, has_turn, watched
from shared.steps.ports import ArmLists, GraphQueries, PagePermits
from shared.steps.scope import ScopeReader

_ASK_AGAIN_SECONDS = 2.0
GRAPH_SECONDS = 120.0
"""How long one batch of subscriptions may take Resource Graph."""
# Resource Graph that failed for so many batches is down: the others are not tried.
_MOST_FAILURES = 2
# The share that a list may take of the time that is left, however many pages it has.
_SHARE = 0.75
# How long the subscriptions whose turn it is may take to be read from ARM as well.
_SECOND_SOURCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class _Unlisted:
    """A subscription whose accounts ARM did not list, and whether it only kept us waiting."""

    gap: Gap
    kept_waiting: bool


@dataclass(frozen=True, slots=True)
class _Shown:
    """What Resource Graph showed: a reading or a gap by subscription, and why not all of it."""

    readings: Mapping[str, Reading | Gap]
    unread: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """Finds the accounts of one scope."""

    arm: ArmLists
    graph: GraphQueries
    permits: PagePermits
    deadline: Deadline
    """The sweep's: each step of discovery has a share of what is left of it."""
    scope: Scope
    tag: str
    tenant_id: str | None
    """The home tenant; None: that of the identity."""
    turns: frozenset[int]
    """The turns that are due: the subscriptions that have one of them are read from ARM as well."""
    inherit: tuple[Level, ...] = ()
    """The levels above an account whose tags count for it, the nearest first."""

    async def discover(self) -> Inventory:
        """Find the accounts in scope. Never raises for what can't be read: that is a gap."""
        reader = ScopeReader(self.arm, self.graph, self.scope, self.tenant_id, self._share())
        in_scope = await reader.read()
        shown = await self._through_graph(in_scope.subscriptions)
        unseen = [
            subscription
            for subscription in in_scope.subscriptions
            if subscription.id not in shown.readings
        ]
        until = self._share()
        listed = await self._directly(unseen, until)
        readings: dict[str, Reading | Gap] = dict(shown.readings)
        for subscription_id, found in listed.items():
            readings[subscription_id] = found.gap if isinstance(found, _Unlisted) else found
        checked, disagreements, gaps = await self._second_source(readings, until)
        read = [found for found in checked.values() if isinstance(found, Reading)]
        unread = [found for found in checked.values() if isinstance(found, Gap)]
        return Inventory(
            coverage=tuple(reading.coverage for reading in read),
            accounts=tuple(account for reading in read for account in reading.accounts),
            gaps=(
                *in_scope.gaps,
                *unread,
                *gaps,
                *(gap for reading in read for gap in reading.gaps),
            ),
            left_alone=in_scope.left_alone,
            disagreements=tuple(disagreements),
            graph_unread="; ".join(filter(None, (in_scope.graph_unread, shown.unread))),
        )

    def _share(self) -> Deadline:
        """Return when a list has had its share of the time: then it is a gap."""
        return Deadline.after(self.deadline.clock, self.deadline.left * _SHARE)

    async def _through_graph(self, subscriptions: Sequence[Subscription]) -> _Shown:
        """Read what Resource Graph shows; what it doesn't, ARM's own lists show at a higher price.

        A batch is believed whole or not at all.
        """
        readings: dict[str, Reading | Gap] = {}
        problems: list[str] = []
        for batch in self.graph.batches(subscriptions):
            if len(problems) == _MOST_FAILURES:
                break
            try:
                reading = self._batch(batch)
                readings |= await within(self.deadline.clock, GRAPH_SECONDS, reading)
            except AzureError as error:
                problems.append(str(error))
            except TimeoutError:
                problems.append(f"Resource Graph: no answer within {GRAPH_SECONDS:.0f} s")
                break
        return _Shown(readings, "; ".join(dict.fromkeys(problems)))

    async def _batch(self, batch: Sequence[Subscription]) -> Mapping[str, Reading | Gap]:
        """Read those of a batch that Resource Graph shows. Raises AzureError."""
        by_id = {subscription.id: subscription for subscription in batch}
        visible = await self.graph.visible(list(by_id))
        shown = [subscription for subscription in batch if subscription.id in visible]
        if not shown:
            return {}
        readings = await self._counted_and_listed(shown)
        groups: Mapping[tuple[str, str], Mapping[str, str]] = {}
        if Level.RESOURCE_GROUP in self.inherit:
            groups = await self.graph.groups([subscription.id for subscription in shown], self.tag)
        return {
            name: found if isinstance(found, Gap) else self._with_levels(found, groups)
            for name, found in readings.items()
        }

    async def _counted_and_listed(
        self, subscriptions: Sequence[Subscription]
    ) -> dict[str, Reading | Gap]:
        """Take a census and a list, which must agree: those that don't are asked about again."""
        readings = await self._asked_once(subscriptions)
        disputed = [
            subscription
            for subscription in subscriptions
            if isinstance(readings[subscription.id], Gap)
        ]
        if disputed:
            await self.deadline.clock.sleep(_ASK_AGAIN_SECONDS)
            readings |= await self._asked_once(disputed)
        return readings

    async def _asked_once(self, subscriptions: Sequence[Subscription]) -> dict[str, Reading | Gap]:
        """Hold the census against the list: a reading where they agree, else a gap."""
        ids = [subscription.id for subscription in subscriptions]
        census = await self.graph.census(ids, self.scope.kinds)
        accounts = await self.graph.listing(ids, self.scope.kinds, self.tag)
        listed: dict[str, list[Account]] = {name: [] for name in ids}
        for account in accounts:
            listed[account.id.subscription_id].append(account)
        return {
            subscription.id: _agreed(
                subscription, census.get(subscription.id, Census()), listed[subscription.id]
            )
            for subscription in subscriptions
        }

    def _with_levels(
        self,
        found: Reading,
        groups: Mapping[tuple[str, str], Mapping[str, str]] | None,
    ) -> Reading:
        """Put the tags of the levels above on the accounts; no groups: they could not be read."""
        subscription = found.coverage.subscription

        def tags_of(level: Level, account: Account) -> Mapping[str, str] | None:
            if level is Level.SUBSCRIPTION:
                return subscription.tags
            key = (subscription.id, account.id.resource_group.lower())
            return None if groups is None else groups.get(key, {})

        accounts = tuple(
            replace(
                account,
                above=tuple(TagsAbove(level, tags_of(level, account)) for level in self.inherit),
            )
            for account in found.accounts
        )
        return replace(found, accounts=accounts)

    async def _second_source(
        self, readings: Mapping[str, Reading | Gap], until: Deadline
    ) -> tuple[Mapping[str, Reading | Gap], list[Disagreement], list[Gap]]:
        """Read those whose turn it is from ARM too, and compare the two readings of each.

        Where ARM keeps us waiting, what Resource Graph showed stands; where ARM refuses, it stands
        too, and there is a gap besides.
        """
        graph = {
            name: found
            for name, found in readings.items()
            if isinstance(found, Reading)
            and found.coverage.source is Source.GRAPH
            and has_turn(name, self.turns)
        }
        patience = min(until.left, _SECOND_SOURCE_SECONDS)
        arm = await self._directly(
            [found.coverage.subscription for found in graph.values()],
            Deadline.after(until.clock, patience),
            {key for found in graph.values() for key in watched(found)},
        )
        checked = dict(readings)
        disagreements: list[Disagreement] = []
        gaps: list[Gap] = []
        for name, found in arm.items():
            if isinstance(found, Reading):
                both = cross_check(graph[name], found, until.clock.now())
                checked[name] = both.reading
                disagreements.extend(both.disagreements)
            elif not found.kept_waiting:
                gaps.append(found.gap)
        return checked, disagreements, gaps

    async def _directly(
        self,
        subscriptions: Sequence[Subscription],
        until: Deadline,
        keep: Collection[str] = (),
    ) -> dict[str, Reading | _Unlisted]:
        """List subscriptions from ARM; keep the accounts in `keep` whatever their keys."""
        async with asyncio.TaskGroup() as group:
            lists = {
                subscription.id: group.create_task(self._list(subscription, until, keep))
                for subscription in subscriptions
            }
        return {name: task.result() for name, task in lists.items()}

    async def _list(
        self, subscription: Subscription, until: Deadline, keep: Collection[str]
    ) -> Reading | _Unlisted:
        rows = _Rows(self.scope, self.tag, keep)

        def unlisted(problem: str, *, kept_waiting: bool = False) -> _Unlisted:
            gap = Gap(GapKind.SUBSCRIPTION, subscription.id, problem, subscription.id)
            return _Unlisted(gap, kept_waiting)

        try:
            await within(until.clock, until.left, self._pages(subscription.id, rows))
            groups = await within(until.clock, until.left, self._groups(subscription.id, rows))
        except TimeoutError:
            problem = "ARM's list of its accounts outlasted its share of the time"
            return unlisted(problem, kept_waiting=True)
        except Throttled as error:
            return unlisted(str(error), kept_waiting=True)
        except AzureError as error:
            return unlisted(str(error))
        gaps = tuple(
            Gap(GapKind.ACCOUNT, row, "ARM's row lacks what we need", subscription.id)
            for row in rows.unreadable
        )
        coverage = Coverage(subscription, Source.ARM, rows.census)
        return self._with_levels(Reading(coverage, tuple(rows.kept.values()), gaps), groups)

    async def _pages(self, subscription_id: str, rows: "_Rows") -> None:
        """Read a list to its end. Raises AzureError."""
        links = Links("Listing the accounts of", subscription_id)
        link: str | None = ""
        while link is not None:
            links.follow(link)
            page = await self._page(subscription_id, link or None)
            if not rows.add(page.rows) and page.rows:
                links.refuse_repetition()
            link = page.next_link

    async def _page(self, subscription_id: str, link: str | None) -> Page:
        """Read one page; while its lane is closed it keeps no place. Raises AzureError."""
        while True:
            try:
                async with self.permits.page(subscription_id):
                    return await self.arm.page(subscription_id, link)
            except OutOfTime:
                raise
            except Throttled:
                continue

    async def _groups(
        self, subscription_id: str, rows: "_Rows"
    ) -> Mapping[tuple[str, str], Mapping[str, str]] | None:
        """List the tags of the resource groups, if they matter; None: they can't be read."""
        if not rows.kept or Level.RESOURCE_GROUP not in self.inherit:
            return {}
        try:
            named = await self.arm.groups(subscription_id)
        except AzureError:
            return None
        return {(subscription_id, name): tags for name, tags in named.items()}


@dataclass(slots=True)
class _Rows:
    """What ARM's list of one subscription holds: its kinds counted, and what matters kept."""

    scope: Scope
    tag: str
    keep: Collection[str]
    kept: dict[str, Account] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    keys_on: dict[str, bool] = field(default_factory=dict)
    """By account of a kind in scope, each once."""
    seen: set[str] = field(default_factory=set)

    @property
    def census(self) -> Census:
        """How many accounts there are."""
        count = Counter(self.keys_on.values())
        return Census(count[True], count[False])

    def add(self, rows: Sequence[Account | str]) -> bool:
        """Take a page; say whether anything in it was new."""
        before = len(self.seen)
        for row in rows:
            key = row if isinstance(row, str) else row.id.key
            if key in self.seen:
                continue
            self.seen.add(key)
            if isinstance(row, str):
                self.unreadable.append(row)
            elif self.scope.has_kind(row.kind):
                self.keys_on[key] = row.keys_on
                if row.keys_on or key in self.keep or carries(row.tags, self.tag):
                    self.kept[key] = row
        return len(self.seen) > before


def _agreed(
    subscription: Subscription, counted: Census, listed: Sequence[Account]
) -> Reading | Gap:
    """Return the reading of a subscription, or the gap if census and list don't agree."""
    keys_on = sum(account.keys_on for account in listed)
    if counted.keys_on == keys_on and counted.keys_off >= len(listed) - keys_on:
        return Reading(Coverage(subscription, Source.GRAPH, counted), tuple(listed))
    problem = (
        f"Resource Graph counts {counted.keys_on} accounts with keys on and {counted.keys_off} "
        f"with keys off, and lists {keys_on} and {len(listed) - keys_on}, even after asking again"
    )
    return Gap(GapKind.SUBSCRIPTION, subscription.id, problem, subscription.id)
