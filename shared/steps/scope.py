"""Which subscriptions a sweep is about, and which of them it leaves alone. Reads only.

ARM's list of subscriptions says what there is. Where the settings name no scope, a subscription
that is lost from that list would be missed by nobody, so it is held against what Resource Graph
shows of the whole tenant.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from shared.core.deadline import Deadline
from shared.core.decision import Scope
from shared.core.errors import AzureError, NoRole, NotFound, WrongTenant
from shared.core.model import Gap, GapKind, LeftAlone, Subscription, SubscriptionState
from shared.steps.ports import ArmLists, GraphQueries

# How long Resource Graph may take to be the second witness of ARM's list of subscriptions.
_WITNESS_SECONDS = 30.0
_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class InScope:
    """The subscriptions to sweep, those that are left alone, and what could not be told."""

    subscriptions: tuple[Subscription, ...]
    left_alone: LeftAlone
    gaps: tuple[Gap, ...]
    graph_unread: str = ""
    """Why Resource Graph did not say which subscriptions there are, if it was asked and did not."""
    below: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The subscriptions below each group that is swept, by its id in lower case, if it was read."""
    is_part: bool = False
    """Whether a person asked for a part of what the settings name."""
    listed: frozenset[str] = frozenset()
    """The ids of all subscriptions that ARM lists, in scope or not."""

    @property
    def known(self) -> frozenset[str]:
        """The ids that are known to be those of subscriptions."""
        unread = {gap.subscription_id for gap in self.gaps}
        return self.listed.union(unread, *self.below.values())

    @property
    def whole(self) -> frozenset[str] | None:
        """The ids of all that is in scope, left alone or not; None: not all are known."""
        unknown = {GapKind.TENANT, GapKind.MANAGEMENT_GROUP}
        if self.is_part or any(gap.kind in unknown for gap in self.gaps):
            return None
        alone = (*self.left_alone.disabled, *self.left_alone.other_tenant)
        return frozenset(
            (
                *(subscription.id for subscription in (*self.subscriptions, *alone)),
                *self.left_alone.excluded,
                *(gap.subscription_id for gap in self.gaps),
            )
        )

    def has(self, subscription_id: str) -> bool:
        """Whether a subscription is among those to sweep."""
        return any(subscription.id == subscription_id for subscription in self.subscriptions)


@dataclass(frozen=True, slots=True)
class ScopeReader:
    """Reads the scope that the settings name."""

    arm: ArmLists
    graph: GraphQueries
    scope: Scope
    tenant_id: str | None
    """The home tenant; None: that of the identity, by its token or else by what it sees."""
    until: Deadline

    async def read(self) -> InScope:
        """Say which subscriptions are in scope. Never raises for what can't be read: a gap."""
        try:
            home = self.tenant_id or await self.arm.home_tenant()
            listed, gaps, graph_unread = await self._listed()
        except AzureError as error:
            return _nothing(self.tenant_id or "of the identity", str(error))
        home = home or _tenant_of_undelegated(listed.values())
        if not home:
            return _nothing("of the identity", "its token names no tenant: set AZURE_TENANT_ID")
        below, unread = await self._below()
        expected = self._expected(listed, below)
        found = self._sorted_out(expected, listed, home, [*gaps, *unread])
        return replace(
            found,
            graph_unread=graph_unread,
            below={group.lower(): frozenset(ids) for group, ids in below.items()},
            is_part=self.scope.is_part,
            listed=frozenset(listed),
        )

    async def _listed(self) -> tuple[dict[str, Subscription], list[Gap], str]:
        """List the subscriptions from ARM; without a scope, compare them with Resource Graph's.

        Returns the list by id, with those that ARM's list had lost and a read of them found; a gap
        for each that was lost and can't be read; and why Resource Graph could not be asked, if it
        could not: it is only the second witness, and without it ARM's list stands alone.

        Raises AzureError if ARM's list can't be read.
        """
        rows = await self.until.wait_for(
            self.arm.subscriptions(), "ARM's list of subscriptions outlasted its share of the time"
        )
        listed = {subscription.id: subscription for subscription in rows}
        if self.scope.subscriptions or self.scope.management_groups:
            return listed, [], ""
        shown, graph_unread = frozenset[str](), ""
        seconds = min(self.until.left, _WITNESS_SECONDS)
        try:
            shown = await Deadline.after(self.until.clock, seconds).wait_for(
                self.graph.everywhere(),
                "Resource Graph's list of the tenant's subscriptions outlasted its time",
            )
        except AzureError as error:
            graph_unread = str(error)
        gaps: list[Gap] = []
        for subscription_id in sorted(shown - listed.keys()):
            try:
                listed[subscription_id] = await self.arm.subscription(subscription_id)
            except AzureError as error:
                if _is_no_longer_ours(error):
                    # It was deleted or moved, and Resource Graph still shows it for a while.
                    continue
                problem = f"Resource Graph shows it, ARM does not list it, and: {error}"
                gaps.append(_unread(subscription_id, problem))
        return listed, gaps, graph_unread

    async def _below(self) -> tuple[dict[str, list[str]], list[Gap]]:
        """Return the ids of the subscriptions below each group that is swept, and the gaps."""
        below: dict[str, list[str]] = {}
        gaps: list[Gap] = []
        for group in self.scope.management_groups:
            too_late = "the list of its subscriptions outlasted its share of the time"
            try:
                below[group] = await self.until.wait_for(self.arm.descendants(group), too_late)
            except AzureError as error:
                gaps.append(Gap(GapKind.MANAGEMENT_GROUP, group, str(error)))
        return below, gaps

    def _expected(
        self, listed: Mapping[str, Subscription], below: Mapping[str, Sequence[str]]
    ) -> Sequence[str]:
        """Return the ids of the subscriptions in scope, each once."""
        if self.scope.subscriptions:
            return self.scope.subscriptions
        if not self.scope.management_groups:
            return tuple(listed)
        return tuple(dict.fromkeys(chain.from_iterable(below.values())))

    def _sorted_out(
        self,
        expected: Sequence[str],
        listed: Mapping[str, Subscription],
        home: str,
        gaps: list[Gap],
    ) -> InScope:
        """Say of each subscription in scope what becomes of it."""
        excluded = set(self.scope.excluded_subscriptions)
        disabled: list[Subscription] = []
        others: list[Subscription] = []
        swept: list[Subscription] = []
        for subscription_id in expected:
            subscription = listed.get(subscription_id)
            if subscription_id in excluded:
                continue
            if subscription is None:
                problem = "it is in scope, and the identity can't read it"
                gaps.append(_unread(subscription_id, problem))
                continue
            state = SubscriptionState.read(subscription.state)
            if subscription.tenant_id != home:
                others.append(subscription)
            elif state is None:
                problem = f"nobody knows its state {subscription.state!r}"
                gaps.append(_unread(subscription_id, problem))
            elif not state.allows_changes:
                disabled.append(subscription)
            else:
                swept.append(subscription)
        if not swept and not gaps:
            problem = (
                "no subscription is in scope: the role has perhaps not reached the identity yet"
            )
            gaps.append(Gap(GapKind.TENANT, home, problem))
        left_out = tuple(name for name in expected if name in excluded)
        left_alone = LeftAlone(tuple(disabled), tuple(others), left_out)
        return InScope(tuple(swept), left_alone, tuple(gaps))


def _tenant_of_undelegated(subscriptions: Iterable[Subscription]) -> str:
    """Return the home tenant of an identity whose token names none; empty: it can't be told.

    A subscription of another tenant is seen by delegation alone, and says so. So what is delegated
    to nobody is at home.
    """
    tenants = {found.tenant_id for found in subscriptions if not found.is_delegated}
    return tenants.pop() if len(tenants) == 1 else ""


def _is_no_longer_ours(error: AzureError) -> bool:
    """Whether a subscription is gone, or another's: a token that was not taken says neither."""
    if isinstance(error, NoRole):
        return error.status != _UNAUTHORIZED
    return isinstance(error, NotFound | WrongTenant)


def _nothing(tenant: str, problem: str) -> InScope:
    return InScope((), LeftAlone(), (Gap(GapKind.TENANT, tenant, problem),))


def _unread(subscription_id: str, problem: str) -> Gap:
    return Gap(GapKind.SUBSCRIPTION, subscription_id, problem, subscription_id)
