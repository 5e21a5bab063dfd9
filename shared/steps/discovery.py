"""The first step: find every account in scope, and say what could not be seen. Reads only.

Resource Graph omits in silence what it doesn't show, so it is never believed alone: ARM's own list
of subscriptions says what there is, what Resource Graph does not show is listed from ARM, and a
part of what it does show is too. What neither shows is a gap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.core.deadline import Deadline
from shared.core.decision import Scope
from shared.core.errors import Outlasted
from shared.core.model import (
    Disagreement,
    Gap,
    Inventory,
    Reading,
    Subscription,
    TagsWanted,
)
from shared.core.rings import Rings
from shared.steps.arm_lists import ListReader, Unlisted
from shared.steps.cross_check import cross_check, has_turn, watched
from shared.steps.ports import ArmLists, GraphQueries
from shared.steps.rings import RingReader
from shared.steps.scope import ScopeReader
from shared.steps.through_graph import GraphReader

# What a read may take of the time that is left, however many pages it has: where its lack is a gap,
# and where another source stands in for it.
_SHARE = 0.75
_SHARE_IF_DISPENSABLE = 0.15


@dataclass(frozen=True, slots=True)
class _Checked:
    """What came of reading some subscriptions from a second source."""

    readings: Mapping[str, Reading]
    """By subscription id, where both sources were read."""
    disagreements: tuple[Disagreement, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Discovery:
    """Finds the accounts of one scope."""

    arm: ArmLists
    graph: GraphQueries
    deadline: Deadline
    """The sweep's: each step of discovery has a share of what is left of it."""
    scope: Scope
    tags: TagsWanted
    tenant_id: str | None
    """The home tenant; None: that of the identity."""
    turns: frozenset[int]
    """The turns that are due: the subscriptions that have one of them are read from ARM as well."""
    rings: Rings = field(default_factory=Rings)
    """Where keys are turned off: the groups among them are read."""

    async def discover(self) -> Inventory:
        """Find the accounts in scope. Never raises for what can't be read: that is a gap."""
        reader = ScopeReader(self.arm, self.graph, self.scope, self.tenant_id, self._share())
        in_scope = await reader.read()
        rings = await RingReader(self.arm, self.rings, self._share()).read(in_scope)
        shown, graph_unread = await self._through_graph(in_scope.subscriptions)
        unseen = [
            subscription for subscription in in_scope.subscriptions if subscription.id not in shown
        ]
        listed = await self._lists.read(unseen, self._share())
        checked = await self._checked(shown)
        direct = (found.gap if isinstance(found, Unlisted) else found for found in listed.values())
        found = [*{**shown, **checked.readings}.values(), *direct]
        readings = [reading for reading in found if isinstance(reading, Reading)]
        return Inventory(
            coverage=tuple(reading.coverage for reading in readings),
            accounts=tuple(account for reading in readings for account in reading.accounts),
            gaps=(
                *in_scope.gaps,
                *rings.gaps,
                *(gap for gap in found if isinstance(gap, Gap)),
                *checked.gaps,
                *(gap for reading in readings for gap in reading.gaps),
            ),
            left_alone=in_scope.left_alone,
            disagreements=checked.disagreements,
            graph_unread="; ".join(filter(None, (in_scope.graph_unread, graph_unread))),
            below=rings.below,
        )

    def _share(self, share: float = _SHARE) -> Deadline:
        return Deadline.after(self.deadline.clock, self.deadline.left * share)

    @property
    def _lists(self) -> ListReader:
        return ListReader(self.arm, self.scope, self.tags)

    async def _through_graph(
        self, subscriptions: Sequence[Subscription]
    ) -> tuple[Mapping[str, Reading | Gap], str]:
        """Return what Resource Graph shows, by subscription id, and why not all of it."""
        until, clock = self._share(_SHARE_IF_DISPENSABLE), self.deadline.clock
        reader = GraphReader(self.graph, clock, self.scope, self.tags)
        too_late = f"Resource Graph: no answer within {until.left:.0f} s"
        try:
            shown = await until.wait_for(reader.read(subscriptions), too_late)
        except Outlasted as error:
            return {}, str(error)
        return shown.readings, "; ".join(dict.fromkeys(shown.unread.values()))

    async def _checked(self, shown: Mapping[str, Reading | Gap]) -> _Checked:
        """Read those whose turn it is from ARM too, and compare the two readings of each.

        Where ARM keeps us waiting, what Resource Graph showed stands; where ARM refuses, it stands
        too, and there is a gap besides.
        """
        graph = {
            name: found
            for name, found in shown.items()
            if isinstance(found, Reading) and has_turn(name, self.turns)
        }
        arm = await self._lists.read(
            [found.coverage.subscription for found in graph.values()],
            self._share(_SHARE_IF_DISPENSABLE),
            {key for found in graph.values() for key in watched(found)},
        )
        both = {
            name: cross_check(graph[name], found, self.deadline.clock.now())
            for name, found in arm.items()
            if isinstance(found, Reading)
        }
        return _Checked(
            {name: check.reading for name, check in both.items()},
            tuple(found for check in both.values() for found in check.disagreements),
            tuple(
                found.gap
                for found in arm.values()
                if isinstance(found, Unlisted) and not found.kept_waiting
            ),
        )
