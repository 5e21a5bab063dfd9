"""The ports: what the steps need of the world, one protocol for each need.

The border implements them for Azure, `tests.support.fake_tenant` in memory. The command line puts
its own in between, to show progress, to keep its record and to let a person stop a sweep. Where a
method says nothing else, it raises AzureError for what Azure refuses or does not answer.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from shared.core.change_log import ChangeLog
from shared.core.events import Event
from shared.core.model import (
    Account,
    AccountId,
    Answer,
    Census,
    Decision,
    GroupsAbove,
    Inventory,
    KeyChange,
    Level,
    Outcome,
    Subscription,
)
from shared.steps.allowance import Allowance


class ArmLists(Protocol):
    """The lists of Azure Resource Manager, by which scope and discovery see what there is."""

    async def home_tenant(self) -> str:
        """Return the tenant of the identity."""
        ...

    async def subscriptions(self) -> list[Subscription]:
        """List the subscriptions that the identity can read."""
        ...

    async def subscription(self, subscription_id: str) -> Subscription:
        """Read one subscription."""
        ...

    async def descendants(self, management_group: str) -> list[str]:
        """List the ids of the subscriptions below a management group."""
        ...

    async def groups(self, subscription_id: str) -> Mapping[str, Mapping[str, str]]:
        """List the tags of a subscription's resource groups, by their names in lower case."""
        ...

    def accounts(self, subscription_id: str) -> AsyncIterator[Account | str]:
        """List the accounts of a subscription, of every kind; a text says why a row can't be read.

        Raises OutOfTime if Azure's throttling lets no page be read before the sweep has to end.
        """
        ...


class GraphQueries(Protocol):
    """What scope and discovery ask of Azure Resource Graph.

    Only `everywhere` raises AzureError: elsewhere the answer says what was left unread.
    """

    async def everywhere(self) -> frozenset[str]:
        """Say which subscriptions it shows at all, those of other tenants included."""
        ...

    async def visible(self, subscriptions: Sequence[str]) -> Answer[tuple[str, GroupsAbove]]:
        """Say which of the subscriptions it shows, and which management groups are above each.

        They are named from the nearest one up; None: it does not say.
        """
        ...

    async def census(
        self, subscriptions: Sequence[str], kinds: Sequence[str]
    ) -> Answer[tuple[str, Census]]:
        """Count the accounts of each subscription that has any."""
        ...

    async def listing(
        self, subscriptions: Sequence[str], kinds: Sequence[str], tag: str
    ) -> Answer[Account]:
        """List accounts with keys on, and those whose tags mention `tag`; each once."""
        ...

    async def groups(
        self, subscriptions: Sequence[str], tags: Sequence[str]
    ) -> Answer[tuple[tuple[str, str], Mapping[str, str]]]:
        """List resource groups with one of these tags: subscription and name, and their tags."""
        ...


class InventoryQueries(Protocol):
    """What the daily inventory asks of Resource Graph. Raises nothing."""

    def every(
        self, subscriptions: Sequence[str], kinds: Sequence[str]
    ) -> AsyncIterator[Sequence[Account] | str]:
        """List all accounts without their tags, a page at a time.

        A text says what of them could not be read, and why.
        """
        ...


class ChangeQueries(Protocol):
    """What is asked of Resource Graph about the platform's change log. Raises nothing."""

    async def key_changes(
        self, subscriptions: Sequence[str], own_ids: Sequence[str]
    ) -> Answer[KeyChange | str]:
        """List what turned keys on or off in the last 14 days.

        `own_ids` are those of an identity that writes nothing but the flag: what it updated counts
        where the flag isn't listed, too. A row that can't be read is a text that says why.
        """
        ...


class Identity(Protocol):
    """Says who we are."""

    async def own_ids(self) -> Sequence[str]:
        """Return the object id and the application id of our identity."""
        ...


class AccountReads(Protocol):
    """What is read just before a change."""

    async def account(self, account_id: AccountId) -> Account:
        """Read one account; raises NotFound if it is gone."""
        ...

    async def tags_above(self, account_id: AccountId, level: Level) -> Mapping[str, str]:
        """Read the tags of a level above an account."""
        ...


class Accounts(AccountReads, Protocol):
    """What remediation reads and the one thing that it writes."""

    async def disable_local_auth(self, account_id: AccountId, leave_by: float) -> None:
        """Turn its keys off, if the change leaves before that moment of the monotonic count.

        Raises Refused if that did not happen (Stale if it was too late: nothing was sent),
        Unclear if it may have (Unfinished if it was accepted, and may still fail).
        """
        ...


class Permits(Protocol):
    """Lets remediation work on accounts."""

    def unit(self, subscription_id: str, reads: int) -> AbstractAsyncContextManager[None]:
        """Wait until a unit may work, and hold its place and room for so many reads and a PATCH.

        Raises OutOfTime if it never may, Stopped if a person does not want it any more.
        """
        ...


class Discoverer(Protocol):
    """Finds the accounts in scope."""

    async def discover(self) -> Inventory:
        """Find them. Never raises for what can't be read: that is a gap."""
        ...


class ChangeLogReader(Protocol):
    """Reads the platform's change log."""

    async def read(self, subscriptions: Sequence[str]) -> ChangeLog:
        """Read what changed keys in these subscriptions. Never raises: what is unread is said."""
        ...


class Remediator(Protocol):
    """Turns the keys of one account off."""

    async def remediate(self, decision: Decision, allowance: Allowance) -> Outcome:
        """Turn them off, if the decision still holds and the allowance lets one more through.

        Never raises for what Azure answers: the outcome says it.
        """
        ...


class Throttling(Protocol):
    """Counts what Azure throttles."""

    @property
    def throttled(self) -> int:
        """Return how many requests of this sweep Azure answered with 429 so far."""
        ...


class Emitter(Protocol):
    """Sends events."""

    async def emit(self, event: Event) -> None:
        """Send one. Never raises: what can't be sent is counted as lost."""
        ...

    async def acknowledged(self, events: Sequence[Event]) -> Sequence[Event]:
        """Wait, within reason, and return those of the events sent that arrived for certain."""
        ...
