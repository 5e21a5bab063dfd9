"""Which subscriptions are in which ring: the descendants of the groups that are rings. Reads only.

Each group is asked about once a sweep. One that can't be read is a gap, and so is a ring that is
not in scope: nothing is enforced by either.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.core.deadline import Deadline
from shared.core.errors import AzureError
from shared.core.model import Gap, GapKind
from shared.core.rings import Ring, Rings
from shared.steps.ports import ArmLists
from shared.steps.scope import InScope

_TOO_LATE = "the list of its subscriptions outlasted its share of the time"


@dataclass(frozen=True, slots=True)
class RingsRead:
    """The subscriptions below the groups that could be read, as `Rings.below`, and the gaps."""

    below: Mapping[str, frozenset[str]]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class RingReader:
    """Reads the groups that are rings."""

    arm: ArmLists
    rings: Rings
    until: Deadline

    async def read(self, in_scope: InScope) -> RingsRead:
        """Say which subscriptions they contain. Never raises for what can't be read: a gap.

        Where nothing is in scope, nothing is asked.
        """
        if not in_scope.subscriptions:
            return RingsRead({}, ())
        below = {
            ring.key: frozenset({ring.key})
            for ring in self.rings.subscriptions
            if ring.key in in_scope.known
        }
        gaps: list[Gap] = []
        for ring in self.rings.groups:
            try:
                below[ring.key] = await self._below(ring, in_scope)
            except AzureError as error:
                gaps.append(_gap(ring, str(error)))
        return RingsRead(below, (*gaps, *_outside(self.rings, below, in_scope)))

    async def _below(self, ring: Ring, in_scope: InScope) -> frozenset[str]:
        known = in_scope.below.get(ring.key)
        if known is not None:
            return known
        return frozenset(await self.until.wait_for(self.arm.descendants(ring.name), _TOO_LATE))


def _outside(rings: Rings, below: Mapping[str, frozenset[str]], in_scope: InScope) -> Iterator[Gap]:
    """Name the rings that are not in scope, as far as that can be told."""
    whole = in_scope.whole
    if whole is None:
        return
    for ring in rings.groups:
        found = below.get(ring.key)
        if found and found.isdisjoint(whole):
            yield _gap(ring, "none of its subscriptions is in scope: name a group below the scope")
    for ring in rings.subscriptions:
        if ring.key not in whole:
            yield _gap(ring, "no subscription in scope has this id")


def _gap(ring: Ring, problem: str) -> Gap:
    return Gap(GapKind.RING, str(ring), problem)
