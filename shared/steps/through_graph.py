"""Accounts through Resource Graph, which counts them and lists them: the two must agree.

A calm sweep so costs the same at a hundred accounts and at a hundred thousand.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.core.deadline import Deadline
from shared.core.decision import Scope
from shared.core.errors import Outlasted
from shared.core.model import (
    Account,
    Answer,
    Census,
    Clock,
    Coverage,
    Gap,
    GapKind,
    Reading,
    Source,
    Subscription,
    TagsWanted,
)
from shared.steps.ports import GraphQueries

_ASK_AGAIN_SECONDS = 2.0
# So long owners are waited for, where groups matter for nothing else: a sweep goes on without them.
_FOR_OWNERS_SECONDS = 30.0
_TOO_LATE = "Resource Graph did not show the resource groups in time"


@dataclass(frozen=True, slots=True)
class Shown:
    """What Resource Graph showed of some subscriptions; one that it does not show is in neither."""

    readings: Mapping[str, Reading | Gap] = field(default_factory=dict)
    """By subscription id; a gap where its count and its list don't agree."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Why it did not answer about a subscription, by the subscription's id."""


@dataclass(frozen=True, slots=True)
class GraphReader:
    """Reads the accounts of subscriptions from Resource Graph."""

    graph: GraphQueries
    clock: Clock
    scope: Scope
    tags: TagsWanted

    async def read(self, subscriptions: Sequence[Subscription]) -> Shown:
        """Read those of the subscriptions that Resource Graph shows."""
        visible = await self.graph.visible([subscription.id for subscription in subscriptions])
        groups_above = dict(visible.rows)
        shown = [
            replace(subscription, management_groups=groups_above[subscription.id])
            for subscription in subscriptions
            if subscription.id in groups_above
        ]
        first = await self._counted_and_listed(shown)
        disputed = [
            subscription
            for subscription in shown
            if isinstance(first.readings.get(subscription.id), Gap)
        ]
        second = Shown()
        if disputed:
            await self.clock.sleep(_ASK_AGAIN_SECONDS)
            second = await self._counted_and_listed(disputed)
        readings = {**first.readings, **second.readings}
        groups = await self._groups(readings)
        unread = {**visible.unread, **first.unread, **second.unread}
        if self.tags.groups_exempt:
            unread |= groups.unread
        tags = dict(groups.rows)
        return Shown(
            {
                name: found
                if isinstance(found, Gap)
                else found.with_tags_above(self.tags, None if name in groups.unread else tags)
                for name, found in readings.items()
                if name not in unread
            },
            unread,
        )

    async def _groups(
        self, readings: Mapping[str, Reading | Gap]
    ) -> Answer[tuple[tuple[str, str], Mapping[str, str]]]:
        """List the tags of the resource groups, where there are accounts for which they matter."""
        matters = [
            name
            for name, found in readings.items()
            if isinstance(found, Reading) and found.accounts
        ]
        if not (matters and self.tags.of_groups):
            return Answer(())
        asked = self.graph.groups(matters, self.tags.of_groups)
        if self.tags.groups_exempt:
            return await asked
        try:
            return await Deadline.after(self.clock, _FOR_OWNERS_SECONDS).wait_for(asked, _TOO_LATE)
        except Outlasted as error:
            return Answer((), dict.fromkeys(matters, str(error)))

    async def _counted_and_listed(self, subscriptions: Sequence[Subscription]) -> Shown:
        """Hold the census against the list: a reading where they agree, else a gap."""
        names, kinds = [subscription.id for subscription in subscriptions], self.scope.kinds
        census = await self.graph.census(names, kinds)
        counted = [name for name in names if name not in census.unread]
        listing = await self.graph.listing(counted, kinds, self.tags.exemption)
        unread = {**census.unread, **listing.unread}
        counts = dict(census.rows)
        listed: defaultdict[str, list[Account]] = defaultdict(list)
        for account in listing.rows:
            listed[account.id.subscription_id].append(account)
        readings = {
            subscription.id: _agreed(
                subscription, counts.get(subscription.id, Census()), listed[subscription.id]
            )
            for subscription in subscriptions
            if subscription.id not in unread
        }
        return Shown(readings, unread)


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
