"""Accounts by ARM's own lists, one subscription at a time: dearer than Resource Graph, and true."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass

from shared.core.deadline import Deadline
from shared.core.decision import Scope
from shared.core.errors import AzureError, Throttled
from shared.core.exemption import carries
from shared.core.model import (
    Account,
    Census,
    Coverage,
    Gap,
    GapKind,
    Level,
    Reading,
    Source,
    Subscription,
)
from shared.steps.ports import ArmLists


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A subscription whose accounts ARM did not list, and whether it only kept us waiting."""

    gap: Gap
    kept_waiting: bool


@dataclass(frozen=True, slots=True)
class ListReader:
    """Reads the accounts of subscriptions from ARM."""

    arm: ArmLists
    scope: Scope
    tag: str
    inherit: tuple[Level, ...]

    async def read(
        self, subscriptions: Sequence[Subscription], until: Deadline, keep: Collection[str] = ()
    ) -> Mapping[str, Reading | Unlisted]:
        """List the accounts of each subscription, all side by side.

        `keep` are accounts, by `AccountId.key`, that are kept even if they are compliant.
        """
        async with asyncio.TaskGroup() as group:
            lists = {
                subscription.id: group.create_task(self._listed(subscription, until, keep))
                for subscription in subscriptions
            }
        return {name: task.result() for name, task in lists.items()}

    async def _listed(
        self, subscription: Subscription, until: Deadline, keep: Collection[str]
    ) -> Reading | Unlisted:
        too_late = "ARM's list of its accounts outlasted its share of the time"
        try:
            reading = await until.wait_for(self._reading(subscription, keep), too_late)
            groups = await until.wait_for(self._groups(reading), too_late)
        except AzureError as error:
            gap = Gap(GapKind.SUBSCRIPTION, subscription.id, str(error), subscription.id)
            return Unlisted(gap, kept_waiting=isinstance(error, Throttled))
        return reading.with_tags_above(self.inherit, groups)

    async def _reading(self, subscription: Subscription, keep: Collection[str]) -> Reading:
        """Read a list to its end: count the accounts of the kinds in scope, keep those that matter.

        What does not matter is let go at once: hundreds of lists are under way together. Raises
        AzureError.
        """
        count: Counter[bool] = Counter()
        kept: list[Account] = []
        gaps: list[Gap] = []
        async for row in self._rows(subscription.id):
            if isinstance(row, str):
                problem = "ARM's row lacks what we need"
                gaps.append(Gap(GapKind.ACCOUNT, row, problem, subscription.id))
            elif self.scope.has_kind(row.kind):
                count[row.keys_on] += 1
                if row.keys_on or row.id.key in keep or carries(row.tags, self.tag):
                    kept.append(row)
        census = Census(keys_on=count[True], keys_off=count[False])
        return Reading(Coverage(subscription, Source.ARM, census), tuple(kept), tuple(gaps))

    async def _rows(self, subscription_id: str) -> AsyncIterator[Account | str]:
        """Return the rows of a list, each once. Raises AzureError."""
        seen: set[str] = set()
        async for row in self.arm.accounts(subscription_id):
            key = row if isinstance(row, str) else row.id.key
            if key not in seen:
                seen.add(key)
                yield row

    async def _groups(self, reading: Reading) -> Mapping[tuple[str, str], Mapping[str, str]] | None:
        """List the tags of the resource groups, if they matter; None: they can't be read."""
        if not reading.accounts or Level.RESOURCE_GROUP not in self.inherit:
            return {}
        subscription_id = reading.coverage.subscription.id
        try:
            named = await self.arm.groups(subscription_id)
        except AzureError:
            return None
        return {(subscription_id, name): tags for name, tags in named.items()}
