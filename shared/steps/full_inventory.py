"""Once a day every account is told, those that are compliant too: evidence for an auditor.

A sweep counts what is compliant and keeps nothing of it. The inventory is read after remediation, a
page at a time, and each page is told before the next one is read, so that a hundred thousand
accounts cost a hundred queries and no memory.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from shared.core.announcements import account_seen, in_its_ring
from shared.core.deadline import Deadline
from shared.core.errors import Outlasted
from shared.core.events import AccountSeen
from shared.core.model import Account, Decision, Inventory, Outcome, Result, Verdict
from shared.core.report import InventoryTold
from shared.core.rings import Standings
from shared.steps.ports import Emitter, InventoryQueries

# What it may take of the time that is left: what was told has to leave, too.
_SHARE = 0.75
_TOO_LATE = "no time was left for the rest of it"
_SETTLED = {
    Result.DISABLED: Verdict.COMPLIANT,
    Result.ALREADY_OFF: Verdict.COMPLIANT,
    Result.NOW_EXEMPT: Verdict.EXEMPT,
    Result.NOW_HELD: Verdict.HELD,
}


@dataclass(frozen=True, slots=True)
class FullInventory:
    """Tells every account of the subscriptions that a sweep read."""

    graph: InventoryQueries
    emitter: Emitter
    deadline: Deadline
    """The sweep's."""
    kinds: tuple[str, ...]

    async def tell(
        self,
        inventory: Inventory,
        decisions: Iterable[Decision],
        outcomes: Iterable[Outcome],
        standings: Standings,
    ) -> InventoryTold:
        """Tell them, with their verdicts after the sweep. Never raises: what is unread is said."""
        until = Deadline.after(self.deadline.clock, self.deadline.left * _SHARE)
        verdicts = verdicts_after(decisions, outcomes)
        pages = self.graph.every([read.subscription.id for read in inventory.coverage], self.kinds)
        told, unread = 0, list[str]()
        try:
            while (page := await until.wait_for(anext(pages, None), _TOO_LATE)) is not None:
                if isinstance(page, str):
                    unread.append(page)
                    continue
                for account in page:
                    seen = _seen(account, verdicts.get(account.id.key))
                    await self.emitter.emit(in_its_ring(seen, standings))
                told += len(page)
        except Outlasted as error:
            unread.append(str(error))
        return InventoryTold(told, tuple(unread))


def verdicts_after(
    decisions: Iterable[Decision], outcomes: Iterable[Outcome]
) -> Mapping[str, Verdict]:
    """Return what is true, after a sweep, of the accounts whose keys it found on, by their ids."""
    decided = {
        decision.account.id.key: decision.verdict
        for decision in decisions
        if decision.verdict is not Verdict.COMPLIANT
    }
    settled = {
        outcome.decision.account.id.key: _SETTLED[outcome.result]
        for outcome in outcomes
        if outcome.result in _SETTLED
    }
    return decided | settled


def _seen(account: Account, verdict: Verdict | None) -> AccountSeen:
    """Tell an account as Resource Graph shows it, which doesn't know yet what the sweep turned off.

    `verdict` is the sweep's, of one whose keys it found on.
    """
    if not account.keys_on or verdict is Verdict.COMPLIANT:
        return account_seen(replace(account, keys_on=False), Verdict.COMPLIANT)
    return account_seen(account, verdict)
