"""Who turned keys on or off: the platform's own change log, read and made sense of.

It does not depend on our sweeps having lived: what a killed sweep changed shows here, and the next
sweep tells it. A property that appears for the first time is not listed among the changes
(recorded exchanges, facts 10 and 45), so an update by our own identity that lists no change of the
flag is taken for what our identity does: it turned the keys off.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.deadline import within
from shared.errors import AzureError
from shared.model import Clock, KeyChange, Turned

KEPT_DAYS = 14
"""How far back the change log goes."""
WAR = 3
"""So many flips within that time are a patch war."""
PATIENCE_SECONDS = 60.0
"""How long one query may take: attribution is not worth a sweep's time."""


class ChangeQueries(Protocol):
    """What this step asks of Resource Graph. Raises AzureError."""

    def batches[T](self, items: Sequence[T]) -> list[Sequence[T]]:
        """Cut a list of subscriptions into as many as are asked about at a time."""
        ...

    async def key_changes(
        self, subscriptions: Sequence[str], own_ids: Sequence[str]
    ) -> Sequence[KeyChange | str]:
        """List what turned keys on or off in the last 14 days.

        `own_ids` are those of an identity that writes nothing but the flag: what it updated counts
        where the flag isn't listed, too. A row that can't be read is a text that says why.
        """
        ...


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """The changes of two weeks, by account."""

    by_account: Mapping[str, Sequence[KeyChange]]
    """By `AccountId.key`, the oldest first."""
    unread: str = ""
    """Why it could not be read; empty if it was."""
    lacking: int = 0
    """Rows of it that lack what we need."""

    def last_on(self, account: str) -> KeyChange | None:
        """Return who last let keys in: turned them on, or created the account."""
        for change in reversed(self.by_account.get(account, ())):
            if change.turned is not Turned.OFF:
                return change
        return None

    def flips(self, account: str) -> int:
        """Count how often its keys were turned on or off."""
        return len(self._turns(account))

    def since(self, moment: datetime) -> Sequence[KeyChange]:
        """Return what turned keys on or off since then, the oldest first."""
        found = [
            change
            for account in self.by_account
            for change in self._turns(account)
            if change.at >= moment
        ]
        return sorted(found, key=lambda change: (change.at, change.id))

    def wars(self) -> Mapping[str, tuple[KeyChange, KeyChange]]:
        """Return the accounts that flip, each with the last change to on and the last to off."""
        wars = {}
        for account in self.by_account:
            turns = self._turns(account)
            last = {change.turned: change for change in turns}
            if len(turns) >= WAR and len(last) > 1:
                wars[account] = (last[Turned.ON], last[Turned.OFF])
        return wars

    def _turns(self, account: str) -> Sequence[KeyChange]:
        """Return what turned its keys, the oldest first; what left them as they were is none."""
        turns: list[KeyChange] = []
        stands: Turned | None = None
        for change in self.by_account.get(account, ()):
            if change.turned not in {stands, Turned.CREATED}:
                turns.append(change)
            # One that was deleted and created again begins anew: its keys may stand either way.
            stands = change.turned
        return turns


class Identity(Protocol):
    """Says who we are. Raises AzureError."""

    async def own_ids(self) -> Sequence[str]:
        """Return the object id and the application id of our identity."""
        ...


@dataclass(frozen=True, slots=True)
class ChangeReader:
    """Reads the change log."""

    queries: ChangeQueries
    clock: Clock
    identity: Identity | None = None
    """The Function's own, which writes nothing but the flag; None for a person, who does more."""

    async def read(self, subscriptions: Sequence[str]) -> ChangeLog:
        """Read what changed keys in these subscriptions. Never raises: what is unread is said."""
        found: dict[str, dict[str, KeyChange]] = defaultdict(dict)
        lacking = 0
        if not subscriptions:
            return ChangeLog({}, "no subscription could be read")
        try:
            own_ids = await self.identity.own_ids() if self.identity is not None else ()
            for batch in self.queries.batches(subscriptions):
                asked = self.queries.key_changes(batch, own_ids)
                for change in await within(self.clock, PATIENCE_SECONDS, asked):
                    if isinstance(change, str):
                        lacking += 1
                    else:
                        found[change.account.key][change.id] = change
        except AzureError as error:
            return ChangeLog(_in_order(found), str(error))
        except TimeoutError:
            waited = f"Querying Resource Graph: no answer within {PATIENCE_SECONDS:.0f} s"
            return ChangeLog(_in_order(found), waited)
        return ChangeLog(_in_order(found), lacking=lacking)


def _in_order(found: Mapping[str, Mapping[str, KeyChange]]) -> dict[str, Sequence[KeyChange]]:
    return {
        account: sorted(changes.values(), key=lambda change: (change.at, change.id))
        for account, changes in found.items()
    }
