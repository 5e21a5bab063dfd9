"""The port by which evidence is read. There is nothing in it that writes or fetches a key."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from keysweep.impact.accounts import ReachedAccount
from keysweep.impact.metrics import MetricsQuery
from keysweep.taken import LogAnswer
from shared.core.model import AccountId, Answer

type Row = Mapping[str, Any]


class Sources(Protocol):
    """What is asked of Azure. Each method raises AzureError if there is no answer."""

    async def accounts(self, subscriptions: Sequence[str]) -> Answer[ReachedAccount]:
        """List the accounts of every kind, with the addresses at which they are reached."""
        ...

    async def accounts_by_arm(self, subscription: str) -> Sequence[ReachedAccount]:
        """List the accounts of one subscription, without Resource Graph and at a higher price."""
        ...

    async def groups_above(self) -> Mapping[str, frozenset[str]]:
        """Return the management groups that contain each subscription, in lower case."""
        ...

    async def role_definitions(self) -> Sequence[Row]:
        """List all role definitions, those of Azure's own included."""
        ...

    async def role_assignments(self, roles: Sequence[str]) -> Sequence[Row]:
        """List who has one of these roles, which are guids, and at which scope."""
        ...

    async def metrics_of_many(
        self, region: str, accounts: Sequence[AccountId], query: MetricsQuery
    ) -> Sequence[Row]:
        """Return the metrics of up to 50 accounts of one subscription and region.

        Raises NoRole without Monitoring Reader on the subscription, NotFound in a cloud that is not
        known to have that.
        """
        ...

    async def metrics_of_one(self, account: AccountId, query: MetricsQuery) -> Row:
        """Return the metrics of one account."""
        ...

    async def log(self, account: AccountId, kql: str, begin: datetime, end: datetime) -> LogAnswer:
        """Return what a query finds in whatever workspaces an account logs to."""
        ...

    async def diagnostic_settings(self, account: AccountId) -> Sequence[Row]:
        """List the diagnostic settings of an account."""
        ...

    async def activity(self, subscription: str, begin: datetime, end: datetime) -> Sequence[Row]:
        """List the events of a subscription's activity log that are of this provider."""
        ...

    async def projects(self, account: AccountId) -> Sequence[Row]:
        """List the projects of a Foundry account."""
        ...

    async def connections(self, account: AccountId, project: str = "") -> Sequence[Row]:
        """List the connections of a Foundry account, or of one of its projects."""
        ...
