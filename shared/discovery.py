"""The first step: find every account in scope, and say what could not be seen. Reads only.

Resource Graph does the counting, so that a calm sweep costs the same at a hundred accounts and at a
hundred thousand. It omits in silence what it doesn't show, so it is never believed alone: ARM's own
list of subscriptions says what there is, its census and its list must agree, and what Resource
Graph does not show is listed from ARM directly. What neither shows is a gap.
"""

import asyncio
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from shared.deadline import within
from shared.errors import AzureError, Throttled
from shared.model import (
    Account,
    Census,
    Clock,
    Coverage,
    Disagreement,
    Gap,
    GapKind,
    Inventory,
    LeftAlone,
    Level,
    Source,
    Subscription,
    SubscriptionState,
    TagsAbove,
)
from shared.schedule import Schedule
from shared.settings import Scope

# A summarized answer has no second page, and Resource Graph takes at most 1,000 subscriptions.
SUBSCRIPTIONS_AT_A_TIME = 400
_ASK_AGAIN_SECONDS = 2.0
GRAPH_SECONDS = 120.0
"""How long one batch of subscriptions may take Resource Graph."""
TURNS = 96
"""In so many sweeps a quarter of an hour apart, a day, every subscription is read twice."""
# Resource Graph is behind ARM by a minute or so; nothing younger than this is a disagreement.
_GRAPH_LAG = timedelta(minutes=10)
# A page of a large subscription takes megabytes while the SDK makes models of it.
_LISTS_AT_A_TIME = 8
# How long ARM may take for the next page of a subscription's accounts, its throttling included: the
# others wait for their turn meanwhile.
_PAGE_SECONDS = 120.0


class Listing(Protocol):
    """Accounts that a query showed, and rows that lack what we need."""

    @property
    def accounts(self) -> Sequence[Account]:
        """Accounts as the query showed them."""
        ...

    @property
    def unreadable(self) -> Sequence[str]:
        """What the other rows lack."""
        ...


class GraphQueries(Protocol):
    """What discovery asks of Resource Graph. Each raises AzureError."""

    async def visible(self, subscriptions: Sequence[str]) -> frozenset[str]:
        """Say which subscriptions Resource Graph shows."""
        ...

    async def census(
        self, subscriptions: Sequence[str], kinds: Sequence[str]
    ) -> Mapping[str, Census]:
        """Count accounts by subscription."""
        ...

    async def listing(
        self, subscriptions: Sequence[str], kinds: Sequence[str], tag: str
    ) -> Listing:
        """List accounts with keys on, and those whose tags mention `tag`."""
        ...

    async def groups(
        self, subscriptions: Sequence[str], tag: str
    ) -> Mapping[tuple[str, str], Mapping[str, str]]:
        """List the tags of resource groups that mention `tag`, by subscription and name."""
        ...


class ArmLists(Protocol):
    """What discovery asks of ARM. Each raises AzureError."""

    async def home_tenant(self) -> str:
        """Return the tenant of the identity."""
        ...

    async def subscriptions(self) -> list[Subscription]:
        """List the subscriptions that the identity can read."""
        ...

    async def descendants(self, management_group: str) -> list[str]:
        """List the ids of the subscriptions below a management group."""
        ...

    async def groups(self, subscription_id: str) -> Mapping[str, Mapping[str, str]]:
        """List the tags of a subscription's resource groups, by their names in lower case."""
        ...

    def pages(self, subscription_id: str) -> AsyncIterator[Sequence[Account | str]]:
        """List the accounts of a subscription, page by page; what a row lacks, as text."""
        ...


@dataclass(slots=True)
class _Findings:
    """What has been seen so far."""

    coverage: list[Coverage] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    disagreements: list[Disagreement] = field(default_factory=list)
    kept_waiting: dict[str, str] = field(default_factory=dict)
    """Subscriptions that ARM did not list in time, and why."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """Finds the accounts of one scope."""

    arm: ArmLists
    graph: GraphQueries
    clock: Clock
    scope: Scope
    tag: str
    tenant_id: str | None
    """The home tenant; None: that of the identity."""
    concurrency: int
    schedule: Schedule
    """When the timer fires: each firing has its turn of the second look."""
    inherit: tuple[Level, ...] = ()
    """The levels above an account whose tags count for it, the nearest first."""

    async def discover(self) -> Inventory:
        """Find the accounts in scope. Never raises for what can't be read: that is a gap."""
        found = _Findings()
        swept, left_alone = await self._subscriptions(found)
        await self._directly(await self._through_graph(swept, found), found)
        found.gaps.extend(
            Gap(GapKind.SUBSCRIPTION, each, problem, each)
            for each, problem in found.kept_waiting.items()
        )
        await self._look_twice(found)
        return Inventory(
            tuple(found.coverage),
            tuple(found.accounts),
            tuple(found.gaps),
            left_alone,
            tuple(found.disagreements),
        )

    async def _subscriptions(self, found: _Findings) -> tuple[list[Subscription], LeftAlone]:
        try:
            home = self.tenant_id or await self.arm.home_tenant()
            listed = {each.id: each for each in await self.arm.subscriptions()}
        except AzureError as error:
            found.gaps.append(Gap(GapKind.TENANT, self.tenant_id or "of the identity", str(error)))
            return [], LeftAlone()
        excluded = set(self.scope.excluded_subscriptions)
        expected = await self._expected(listed, found)
        disabled: list[Subscription] = []
        others: list[Subscription] = []
        swept: list[Subscription] = []
        for subscription_id in expected:
            subscription = listed.get(subscription_id)
            if subscription_id in excluded:
                continue
            if subscription is None:
                problem = "it is in scope, and the identity can't read it"
                found.gaps.append(
                    Gap(GapKind.SUBSCRIPTION, subscription_id, problem, subscription_id)
                )
            elif subscription.tenant_id != home:
                others.append(subscription)
            elif not SubscriptionState.allows_changes(subscription.state):
                disabled.append(subscription)
            else:
                swept.append(subscription)
        if not swept and not found.gaps:
            problem = (
                "no subscription is in scope: the role has perhaps not reached the identity yet"
            )
            found.gaps.append(Gap(GapKind.TENANT, home, problem))
        left_out = tuple(each for each in expected if each in excluded)
        return swept, LeftAlone(tuple(disabled), tuple(others), left_out)

    async def _expected(
        self, listed: Mapping[str, Subscription], found: _Findings
    ) -> Sequence[str]:
        """Return the ids of the subscriptions in scope, each once."""
        if self.scope.subscriptions:
            return self.scope.subscriptions
        if not self.scope.management_groups:
            return tuple(listed)
        expected: dict[str, None] = {}
        for group in self.scope.management_groups:
            try:
                expected.update(dict.fromkeys(await self.arm.descendants(group)))
            except AzureError as error:
                found.gaps.append(Gap(GapKind.MANAGEMENT_GROUP, group, str(error)))
        return tuple(expected)

    async def _through_graph(
        self, subscriptions: Sequence[Subscription], found: _Findings
    ) -> list[Subscription]:
        """Read what Resource Graph shows; return the subscriptions that it didn't."""
        unseen = {each.id: each for each in subscriptions}
        for batch in _batches(subscriptions, SUBSCRIPTIONS_AT_A_TIME):
            try:
                reading = self._read_batch(batch, found)
                shown = await within(self.clock, GRAPH_SECONDS, reading)
            except (AzureError, TimeoutError):
                # Resource Graph is down, refuses or keeps us waiting: ARM's own lists show the
                # same, at a higher price.
                break
            for subscription_id in shown:
                del unseen[subscription_id]
        return list(unseen.values())

    async def _read_batch(self, batch: Sequence[Subscription], found: _Findings) -> list[str]:
        """Read a batch, all of it or nothing; return the ids that Resource Graph showed."""
        by_id = {each.id: each for each in batch}
        shown = sorted(set(await self.graph.visible(list(by_id))) & set(by_id))
        if shown:
            await self._counted_and_listed([by_id[each] for each in shown], found)
        return shown

    async def _counted_and_listed(
        self, subscriptions: Sequence[Subscription], found: _Findings
    ) -> None:
        """Take a census and a list, which must agree: those that don't are asked about again."""
        asked = list(subscriptions)
        answers: list[_Answer] = []
        for attempt in (1, 2):
            ids = [each.id for each in asked]
            census = await self.graph.census(ids, self.scope.kinds)
            listing = await self.graph.listing(ids, self.scope.kinds, self.tag)
            disputes = _disputes(asked, census, listing)
            last = not disputes or attempt == 2  # noqa: PLR2004 - the second answer stands
            settled = [each for each in asked if last or each.id not in disputes]
            unreadable = listing.unreadable if last else ()
            answers.append(_Answer(settled, census, listing.accounts, unreadable, disputes))
            if last:
                break
            asked = [each for each in asked if each.id in disputes]
            await self.clock.sleep(_ASK_AGAIN_SECONDS)
        ids = [each.id for each in subscriptions]
        by_group = Level.RESOURCE_GROUP in self.inherit
        groups = await self.graph.groups(ids, self.tag) if by_group else {}
        by_id = {each.id: each for each in subscriptions}
        for answer in answers:
            first = len(found.accounts)
            answer.add_to(found)
            found.accounts[first:] = [
                self._with_levels(each, by_id[each.id.subscription_id], groups)
                for each in found.accounts[first:]
            ]

    def _with_levels(
        self,
        account: Account,
        subscription: Subscription,
        groups: Mapping[tuple[str, str], Mapping[str, str]] | None,
    ) -> Account:
        """Put the tags of the levels above on an account; no groups: they could not be read."""
        if not self.inherit:
            return account
        key = (subscription.id, account.id.resource_group.lower())
        above = {
            Level.RESOURCE_GROUP: None if groups is None else groups.get(key, {}),
            Level.SUBSCRIPTION: subscription.tags,
        }
        return replace(
            account, above=tuple(TagsAbove(level, above[level]) for level in self.inherit)
        )

    async def _directly(
        self,
        subscriptions: Sequence[Subscription],
        found: _Findings,
        watched: Collection[str] = (),
    ) -> None:
        """List subscriptions from ARM, some at a time; keep the accounts in `watched` as well."""
        permits = asyncio.Semaphore(min(self.concurrency, _LISTS_AT_A_TIME))

        async def read(subscription: Subscription) -> None:
            async with permits:
                await self._list(subscription, found, watched)

        async with asyncio.TaskGroup() as group:
            for subscription in subscriptions:
                group.create_task(read(subscription))

    async def _look_twice(self, found: _Findings) -> None:
        """Read a rotating 1/96 of the subscriptions from ARM too; what ARM says, counts.

        Within a day of sweeps every quarter of an hour, all were seen by both sources. What
        changed a moment ago is no disagreement: Resource Graph lags. Where ARM keeps us waiting,
        what Resource Graph showed stands.
        """
        turn = self.schedule.number(self.clock.now()) % TURNS
        again = [
            each.subscription
            for each in found.coverage
            if each.source is Source.GRAPH
            and zlib.crc32(each.subscription.id.encode()) % TURNS == turn
        ]
        turned = {each.id for each in again}
        graph = {
            each.id.key: each.keys_on
            for each in found.accounts
            if each.id.subscription_id in turned
        }
        direct = _Findings()
        await self._directly(again, direct, watched=graph.keys())
        read = {each.subscription.id for each in direct.coverage}
        settled = self.clock.now() - _GRAPH_LAG
        for account in direct.accounts:
            known = graph.get(account.id.key, False)
            lags = account.changed_at is not None and account.changed_at >= settled
            if known != account.keys_on and not lags:
                said = _word(keys_on=known) if account.id.key in graph else "off, or absent"
                found.disagreements.append(
                    Disagreement(account, said, _word(keys_on=account.keys_on))
                )
        found.gaps.extend(direct.gaps)
        unread = {gap.subscription_id for gap in direct.gaps if gap.kind is GapKind.SUBSCRIPTION}
        found.coverage = [
            each for each in found.coverage if each.subscription.id not in read | unread
        ] + direct.coverage
        found.accounts = [
            each for each in found.accounts if each.id.subscription_id not in read
        ] + direct.accounts

    async def _list(
        self, subscription: Subscription, found: _Findings, watched: Collection[str]
    ) -> None:
        rows = _Rows(frozenset(kind.lower() for kind in self.scope.kinds), self.tag, watched)
        pages = self.arm.pages(subscription.id)
        try:
            while (page := await within(self.clock, _PAGE_SECONDS, anext(pages, None))) is not None:
                rows.add(page)
        except TimeoutError:
            problem = f"ARM kept us waiting for a page of its accounts for {_PAGE_SECONDS:.0f} s"
            found.kept_waiting[subscription.id] = problem
            return
        except Throttled as error:
            found.kept_waiting[subscription.id] = str(error)
            return
        except AzureError as error:
            found.gaps.append(
                Gap(GapKind.SUBSCRIPTION, subscription.id, str(error), subscription.id)
            )
            return
        found.gaps.extend(
            Gap(GapKind.ACCOUNT, row, "ARM's row lacks what we need", subscription.id)
            for row in rows.unreadable
        )
        groups: Mapping[tuple[str, str], Mapping[str, str]] | None = {}
        if rows.kept and Level.RESOURCE_GROUP in self.inherit:
            try:
                named = await self.arm.groups(subscription.id)
                groups = {(subscription.id, name): tags for name, tags in named.items()}
            except AzureError:
                groups = None
        found.accounts.extend(self._with_levels(each, subscription, groups) for each in rows.kept)
        found.coverage.append(Coverage(subscription, Source.ARM, rows.census))


@dataclass(slots=True)
class _Rows:
    """What ARM's list of one subscription holds: its kinds counted, and what matters kept."""

    kinds: frozenset[str]
    tag: str
    watched: Collection[str]
    kept: list[Account] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    count: Counter[bool] = field(default_factory=Counter)

    @property
    def census(self) -> Census:
        return Census(self.count[True], self.count[False])

    def add(self, page: Sequence[Account | str]) -> None:
        for row in page:
            if isinstance(row, str):
                self.unreadable.append(row)
            elif row.kind.lower() in self.kinds:
                self.count[row.keys_on] += 1
                if row.keys_on or row.id.key in self.watched or _mentions(row, self.tag):
                    self.kept.append(row)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What Resource Graph counted and listed, and the subscriptions for which that stands."""

    subscriptions: Sequence[Subscription]
    census: Mapping[str, Census]
    accounts: Sequence[Account]
    unreadable: Sequence[str]
    disputes: Mapping[str, Gap]

    def add_to(self, found: _Findings) -> None:
        ids = {each.id for each in self.subscriptions}
        found.accounts.extend(each for each in self.accounts if each.id.subscription_id in ids)
        found.gaps.extend(Gap(GapKind.ACCOUNT, "a row", problem) for problem in self.unreadable)
        for subscription in self.subscriptions:
            if subscription.id in self.disputes:
                found.gaps.append(self.disputes[subscription.id])
            else:
                counted = self.census.get(subscription.id, Census())
                found.coverage.append(Coverage(subscription, Source.GRAPH, counted))


def _disputes(
    subscriptions: Sequence[Subscription], census: Mapping[str, Census], listing: Listing
) -> dict[str, Gap]:
    """Hold the census against the list: the subscriptions in which they don't agree."""
    on: Counter[str] = Counter()
    off: Counter[str] = Counter()
    for account in listing.accounts:
        (on if account.keys_on else off)[account.id.subscription_id] += 1
    disputes = {}
    for subscription in subscriptions:
        name, counted = subscription.id, census.get(subscription.id, Census())
        if counted.keys_on != on[name] or counted.keys_off < off[name]:
            problem = (
                f"Resource Graph counts {counted.keys_on} accounts with keys on and lists "
                f"{on[name]}, even after asking again"
            )
            disputes[name] = Gap(GapKind.SUBSCRIPTION, name, problem, name)
    return disputes


def _mentions(account: Account, tag: str) -> bool:
    return any(tag.lower() in name.lower() for name in account.tags)


def _word(*, keys_on: bool) -> str:
    return "on" if keys_on else "off"


def _batches[T](items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
