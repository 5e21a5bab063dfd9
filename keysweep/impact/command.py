"""`keysweep impact`: who still uses keys, and what breaks when they go off. Reads alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keysweep.impact.documents import Found, as_csv, as_json, exit_code
from keysweep.impact.evidence import Asked
from keysweep.impact.gathering import Gathering, Judged, Steps
from keysweep.impact.metrics import MOST_DAYS
from keysweep.impact.tables import details, table, totals
from keysweep.names import find_all, resolve, scope_of
from keysweep.screen import Screen
from keysweep.session import Session
from keysweep.watch import watched
from shared.core.model import Account, Gap, Inventory
from shared.steps.scope import InScope

DAYS = MOST_DAYS
"""How many days are looked at unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class View:
    """What of the scope is seen: connections are looked for in all of it."""

    subscriptions: Mapping[str, str]
    """Their names, by id."""
    gaps: tuple[Gap, ...]

    @classmethod
    def of(cls, inventory: Inventory) -> "View":
        """Return what a discovery saw."""
        read = (coverage.subscription for coverage in inventory.coverage)
        names = {subscription.id: subscription.name for subscription in read}
        return cls(names, tuple(inventory.gaps))

    @classmethod
    def of_scope(cls, in_scope: InScope) -> "View":
        """Return what is in scope, where nothing was discovered."""
        names = {subscription.id: subscription.name for subscription in in_scope.subscriptions}
        return cls(names, tuple(in_scope.gaps))


async def impact(session: Session, names: Sequence[str], days: int, output: str) -> int:
    """Say who uses the keys of accounts: of those that are named, or of all with keys on.

    Returns 0 if all of them may lose their keys, 1 if one may not, 2 if a part was not read.
    """
    accounts, view = await (_named(session, names) if names else _with_keys_on(session))
    asked = Asked.before(session.clock.now(), days)
    judged = await verdicts(session, accounts, view, asked)
    found = Found(asked, tuple(judged.values()), view.gaps, view.subscriptions)
    present(session.screen, output, found, in_full=bool(names))
    return exit_code(found)


async def verdicts(
    session: Session, accounts: Sequence[Account], view: View, asked: Asked
) -> Mapping[str, Judged]:
    """Read and judge accounts, with a progress bar; by `AccountId.key`, in their order."""
    if not accounts:
        return {}
    with session.screen.bar() as bar:
        task = bar.add_task("Reading", total=None, counts="")
        steps = Steps(
            lambda what, done, total: bar.update(task, completed=done, total=total, counts=what)
        )
        gathering = Gathering(
            session.evidence,
            session.clock,
            asked,
            view.subscriptions,
            view.gaps,
            steps,
        )
        judged = await gathering.judged(accounts)
    return {one.account.id.key: one for one in judged}


async def _named(session: Session, names: Sequence[str]) -> tuple[list[Account], View]:
    in_scope = await scope_of(session)
    found = await find_all(names, lambda name: resolve(session, in_scope, name))
    unique = {account.id.key: account for account in found}
    return list(unique.values()), View.of_scope(in_scope)


async def _with_keys_on(session: Session) -> tuple[list[Account], View]:
    with session.screen.spinner() as progress:
        task = progress.add_task("Listing subscriptions")
        discovery = watched(
            session.parts.discovery(), lambda tally: progress.update(task, description=str(tally))
        )
        inventory = await discovery.discover()
    return [account for account in inventory.accounts if account.keys_on], View.of(inventory)


def present(screen: Screen, output: str, found: Found, *, in_full: bool) -> None:
    """Show verdicts in one of their forms; `in_full`: all evidence of each account."""
    match output:
        case "json":
            screen.raw(as_json(found))
        case "csv":
            screen.raw(as_csv(found))
        case _:
            if in_full:
                for one in found.worst_first:
                    screen.show(*details(one, found.subscriptions), "")
            elif found.judged:
                screen.show(table(screen, found), "")
            screen.show(*totals(found))
