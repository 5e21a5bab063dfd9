"""A rotating share of the subscriptions is read from ARM too, and compared with Resource Graph.

Resource Graph omits in silence what it doesn't show. So within a day each subscription is read from
ARM as well, a ninety-sixth of them with each firing of the timer. Pure: it is discovery that reads.
"""

import zlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.core.model import Census, Disagreement, Reading
from shared.core.schedule import Schedule

TURNS = 96
"""In so many firings, a day of quarters of an hour, every subscription has its turn."""
# After a long pause, more turns than this would be a burst.
_MOST_TURNS = 12
# Resource Graph is behind ARM by a minute or so; nothing younger than this is a disagreement.
GRAPH_LAG = timedelta(minutes=10)


def turns_due(schedule: Schedule, last: datetime | None, now: datetime) -> frozenset[int]:
    """Return the turns of all firings since the last sweep, this one's included.

    A sweep that takes longer than the schedule's interval misses firings. It takes over their
    turns: if every second firing were missed, so would be every second turn, day after day.
    """
    current = schedule.number(now)
    first = current if last is None else schedule.number(last) + 1
    numbers = range(max(min(first, current), current - _MOST_TURNS + 1), current + 1)
    return frozenset(number % TURNS for number in numbers)


def has_turn(subscription_id: str, turns: frozenset[int]) -> bool:
    """Whether a subscription's turn is among these."""
    return zlib.crc32(subscription_id.encode()) % TURNS in turns


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """What both sources together say of one subscription."""

    reading: Reading
    disagreements: tuple[Disagreement, ...]


def cross_check(graph: Reading, arm: Reading, now: datetime) -> CrossCheck:
    """Hold two readings of a subscription together; where both know an account, ARM counts.

    An account that Resource Graph alone shows with keys on was deleted a moment ago, or is missing
    from ARM's list: it stays, and the read before its change says which. `arm` keeps the accounts
    with keys off that Resource Graph showed with keys on.
    """
    seen = {account.id.key: account for account in graph.accounts}
    listed = {account.id.key for account in arm.accounts}
    settled = now - GRAPH_LAG
    disagreements = []
    for account in arm.accounts:
        known = seen.get(account.id.key)
        was_on = known is not None and known.keys_on
        lags = account.changed_at is not None and account.changed_at >= settled
        if was_on != account.keys_on and not lags:
            said = "off, or absent" if known is None else _word(keys_on=was_on)
            disagreements.append(Disagreement(account, said, _word(keys_on=account.keys_on)))
    alone = tuple(account for key, account in seen.items() if key not in listed and account.keys_on)
    counted = arm.coverage.census
    census = Census(counted.keys_on + len(alone), counted.keys_off)
    coverage = replace(arm.coverage, census=census)
    reading = Reading(coverage, (*arm.accounts, *alone), arm.gaps)
    return CrossCheck(reading, tuple(disagreements))


def watched(graph: Reading) -> frozenset[str]:
    """Return the accounts that ARM's reading has to keep, whether or not their keys are on."""
    return frozenset(account.id.key for account in graph.accounts)


def _word(*, keys_on: bool) -> str:
    return "on" if keys_on else "off"
