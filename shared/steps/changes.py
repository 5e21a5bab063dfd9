"""Reads the platform's change log: who turned keys on or off in the last two weeks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.core.change_log import ChangeLog
from shared.core.deadline import Deadline
from shared.core.errors import AzureError
from shared.core.model import Clock, KeyChange
from shared.steps.ports import ChangeQueries, Identity

PATIENCE_SECONDS = 60.0
"""How long the queries may take: attribution is not worth a sweep's time."""


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
        read_at = self.clock.now()
        too_late = f"Querying Resource Graph: no answer within {PATIENCE_SECONDS:.0f} s"
        try:
            own_ids = await self.identity.own_ids() if self.identity is not None else ()
            until = Deadline.after(self.clock, PATIENCE_SECONDS)
            answer = await until.wait_for(
                self.queries.key_changes(subscriptions, own_ids), too_late
            )
        except AzureError as error:
            return ChangeLog({}, str(error))
        for change in answer.rows:
            if isinstance(change, str):
                lacking += 1
            else:
                found[change.account.key][change.id] = change
        if answer.unread:
            return ChangeLog(_in_order(found), "; ".join(dict.fromkeys(answer.unread.values())))
        return ChangeLog(_in_order(found), lacking=lacking, read_at=read_at)


def _in_order(found: Mapping[str, Mapping[str, KeyChange]]) -> dict[str, Sequence[KeyChange]]:
    return {
        account: sorted(changes.values(), key=lambda change: (change.at, change.id))
        for account, changes in found.items()
    }
