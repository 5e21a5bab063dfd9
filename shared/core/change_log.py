"""Who turned keys on or off, and since when: what the platform's own change log says. Pure.

It does not depend on our sweeps having lived: what a killed sweep changed shows here, and the next
sweep tells it. A property that appears for the first time is not listed among the changes
(recorded exchanges, facts 10 and 45), so an update by our own identity that lists no change of the
flag is taken for what our identity does: it turned the keys off.

It also says since when a drift is open. Where the log is silent, what can be said depends on
whether the silence means something; see `keys_on_since`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from shared.core.model import (
    Account,
    AtLeast,
    Decision,
    Exactly,
    Inventory,
    KeyChange,
    Lapsed,
    NotKnown,
    OpenSince,
    Source,
    Turned,
)

KEPT = timedelta(days=14)
"""How far back the change log goes."""
LAG = timedelta(minutes=10)
"""What changed longer ago shows in it: Azure says "less than five minutes" (docs/facts.md, 7)."""
WAR = 3
"""So many flips within that time are a patch war."""


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """The changes of two weeks, by account."""

    by_account: Mapping[str, Sequence[KeyChange]]
    """By `AccountId.key`, the oldest first."""
    unread: str = ""
    """Why it could not be read; empty if it was."""
    lacking: int = 0
    """Rows of it that lack what we need."""
    read_at: datetime | None = None
    """When all of it was read; None: it was not, so it proves nothing."""
    shown: frozenset[str] = frozenset()
    """The subscriptions whose accounts Resource Graph showed: only there its silence is a word."""
    wrong_about: frozenset[str] = frozenset()
    """The accounts, by `AccountId.key`, of which ARM says something else than Resource Graph."""

    def held_against(self, inventory: Inventory) -> "ChangeLog":
        """Return it knowing what Resource Graph, from which it comes, did not show or had wrong."""
        return replace(
            self,
            shown=frozenset(
                coverage.subscription.id
                for coverage in inventory.coverage
                if coverage.source is Source.GRAPH
            ),
            wrong_about=frozenset(
                disagreement.account.id.key for disagreement in inventory.disagreements
            ),
        )

    def open_since(self, decision: Decision, now: datetime) -> OpenSince:
        """Say since when a drift is open: since its keys are on, or its exemption lapsed later.

        A tag that was taken away or changed meanwhile is not seen.
        """
        opened = keys_on_since(decision.account, self)
        if isinstance(decision.exemption, Lapsed):
            opened = since_lapse(opened, decision.exemption.until)
        return _not_after(now, opened)

    def last_on(self, account: str) -> KeyChange | None:
        """Return who last let keys in: turned them on, or created the account."""
        changes = reversed(self.by_account.get(account, ()))
        return next((change for change in changes if change.turned is not Turned.OFF), None)

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


def keys_on_since(account: Account, log: ChangeLog) -> OpenSince:
    """Say since when the keys of an account that has them on are on.

    - The account itself says when it was last changed, by whom and in whatever way: since then at
      least nobody turned its keys. Only ARM shows that.
    - The log says exactly when they were turned on, if that is the last that it shows of them: if
      it was read, if Resource Graph is not known to be wrong about the account, and if the account
      was not changed once more, so short a time ago that the log may not show it yet.
    - If it shows that they were turned off last, it has yet to show how they came on again.
    - If it shows two changes to on in a row, one between them is missing or the second changed
      nothing: at least since the second.
    - If it shows nothing, nobody turned them on within the 14 days that it keeps, provided that
      Resource Graph shows this account at all. Somebody who did it in the last minutes, before
      any record of it shows, is overlooked until the next sweep.
    """
    changed_at = account.changed_at
    itself = AtLeast(changed_at) if changed_at else NotKnown()
    if log.read_at is None or account.id.key in log.wrong_about:
        return itself
    changes = log.by_account.get(account.id.key, ())
    settled = max([log.read_at - LAG, *(change.at for change in changes)])
    if changed_at and changed_at > settled:
        return itself
    match [change.turned for change in changes[-2:]]:
        case [*_, Turned.OFF]:
            return itself
        case [Turned.ON, Turned.ON]:
            return AtLeast(changes[-1].at)
        case [*_, Turned.ON | Turned.CREATED]:
            return Exactly(changes[-1].at)
        case _ if account.id.subscription_id in log.shown:
            return AtLeast(min(log.read_at - KEPT, changed_at or log.read_at))
        case _:
            return itself


def since_lapse(keys_on: OpenSince, until: date) -> OpenSince:
    """Say since when a drift is open whose exemption lapsed: not before the day after its last."""
    lapsed = datetime.combine(until, time.min, UTC) + timedelta(days=1)
    if isinstance(keys_on, NotKnown) or keys_on.since > lapsed:
        return keys_on
    return Exactly(lapsed)


def _not_after(now: datetime, opened: OpenSince) -> OpenSince:
    """Cut off a moment to come: Azure's clocks and ours differ."""
    return opened if isinstance(opened, NotKnown) else replace(opened, since=min(opened.since, now))
