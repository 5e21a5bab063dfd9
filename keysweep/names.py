"""An account is named by resource id, by name, or by `resource-group/name`, inside the scope.

What a command writes, it writes inside the scope that was said: by `-s` and `-m`, or by the
settings. An id outside it is refused, and a namesake outside it is nobody's concern.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keysweep.advice import UsageProblem, for_person, gap_in_words
from keysweep.session import Session
from keysweep.words import (
    counted,
    did_you_mean,
    names_of,
    scope_in_words,
    the_first,
    why_left_alone,
    why_not_opened,
    why_outside,
)
from shared.core.deadline import Deadline
from shared.core.errors import AzureError, KeysweepError, NotFound
from shared.core.forms import GUID
from shared.core.model import Account, AccountId
from shared.steps.scope import InScope, ScopeReader

_SHARE = 0.5
# What Azure takes in a subscription's id, a resource group's name and an account's: an id is part
# of an address, where a question mark or an encoded slash would lead somewhere else.
_GROUP = re.compile(r"[\w.()-]{1,90}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class NotSeen(KeysweepError):
    """Whether something is in scope can't be told: a part of the scope could not be read."""


@dataclass(frozen=True, slots=True)
class Names:
    """Which accounts a person means: as typed, and in a file."""

    typed: Sequence[str] = ()
    file: Path | None = None

    def read(self) -> Mapping[str, str]:
        """Return each name once, with where it stands; what was typed stands nowhere.

        Raises UsageProblem if the file can't be read, or names none.
        """
        found = dict.fromkeys(self.typed, "")
        if self.file is None:
            return found
        try:
            text = self.file.read_text("utf-8-sig")
        except OSError as error:
            raise UsageProblem(f"{self.file} can't be read: {why_not_opened(error)}.") from error
        except UnicodeDecodeError as error:
            raise UsageProblem(f"{self.file} can't be read: it is no text in UTF-8.") from error
        # What follows a # is a comment: no id and no name of an account has one.
        lines = enumerate((line.partition("#")[0].strip() for line in text.splitlines()), 1)
        listed = {line: f"line {number}: " for number, line in lines if line}
        if not listed:
            raise UsageProblem(f"{self.file} names no account: it takes one in each line.")
        return {**listed, **found}


async def scope_of(session: Session) -> InScope:
    """Read which subscriptions are in scope."""
    parts, settings = session.parts, session.settings
    until = Deadline.after(parts.clock, parts.deadline.left * _SHARE)
    return await ScopeReader(
        parts.arm, parts.graph, settings.scope, settings.tenant_id, until
    ).read()


async def resolve_all[Found](
    session: Session, names: Names, take: Callable[[Account], Awaitable[Found]]
) -> Sequence[Found]:
    """Read every account that is meant, each once, in the order in which they are named.

    Returns what `take` makes of each. Raises as `resolve` and `take` do, and once for all: whoever
    mends a list hears of each wrong line at once.
    """
    named, in_scope = names.read(), await scope_of(session)
    found: dict[str, Found] = {}
    problems: dict[str, KeysweepError] = {}
    taken: set[str] = set()
    with session.screen.spinner() as progress:
        task = progress.add_task("Looking for the accounts")
        for number, (text, place) in enumerate(named.items(), 1):
            progress.update(task, description=f"Looking for account {number} of {len(named)}")
            whose = place
            try:
                account = await resolve(session, in_scope, text)
                if account.id.key not in taken:
                    taken.add(account.id.key)
                    whose = f"{place}{account.id.name}: "
                    found[account.id.key] = await take(account)
            except KeysweepError as error:
                problems[f"{whose}{for_person(error)}"] = error
    _raise(problems, len(named), "can't be taken. Nothing was changed:")
    return list(found.values())


async def find_all[Found: Account | AccountId](
    texts: Sequence[str], find: Callable[[str], Awaitable[Found]]
) -> Sequence[Found]:
    """Find what is meant by each text, in this order, each once.

    Raises as `find`, and once for all.
    """
    found: dict[str, Found] = {}
    problems: dict[str, KeysweepError] = {}
    for text in texts:
        try:
            meant = await find(text)
            found[meant.id.key if isinstance(meant, Account) else meant.key] = meant
        except KeysweepError as error:
            problems[for_person(error)] = error
    _raise(problems, len(texts), "can't be found:")
    return list(found.values())


def _raise(problems: Mapping[str, KeysweepError], count: int, what: str) -> None:
    """Raise one error for several accounts, if there is any: of usage, if each of them is."""
    if not problems:
        return
    if count == 1:
        raise next(iter(problems.values()))
    first = f"{len(problems)} of {counted(count, 'account')} {what}"
    text = "\n  ".join([first, *problems])
    is_usage = all(isinstance(error, UsageProblem) for error in problems.values())
    raise UsageProblem(text) if is_usage else NotSeen(text)


async def resolve(session: Session, in_scope: InScope, text: str) -> Account:
    """Read the one account that is meant, as Azure Resource Manager knows it now.

    Raises UsageProblem if there is none in scope, or more than one; NotSeen or AzureError if that
    can't be told.
    """
    account_id = await identify(session, in_scope, text)
    try:
        account = await session.parts.arm.account(account_id)
    except NotFound as error:
        raise UsageProblem(f"There is no account {account_id}: {error.message}") from error
    left_out = session.settings.scope.leaves_out(account)
    if left_out:
        raise UsageProblem(f"{account_id} is out of scope: {left_out}")
    return account


async def identify(session: Session, in_scope: InScope, text: str) -> AccountId:
    """Return the id of the one account that is meant, of any kind; it need not be there.

    Raises UsageProblem if its subscription is not in scope, or if there is no account of this name
    in scope or more than one; NotSeen if that can't be told.
    """
    if text.startswith("/"):
        account_id = read_id(text)
        _refuse_outside(in_scope, account_id)
        return account_id
    group, _, name = text.rpartition("/")
    if not name or "/" in group:
        raise UsageProblem(
            f"{text!r} names no account: give its resource id, its name, or resource-group/name."
        )
    namesakes, unread = await _namesakes(session, in_scope, name)
    found = [
        account_id
        for account_id in namesakes
        if not group or account_id.resource_group.lower() == group.lower()
    ]
    if not found:
        missing = f"There is no account {text!r} in scope ({scope_in_words(in_scope)})"
        unread += _unread(in_scope)
        if unread:
            raise NotSeen(f"{missing}, as far as it could be read. Not read: {'; '.join(unread)}")
        meant = await _meant(session, in_scope, name)
        raise UsageProblem(
            f"{missing}. {meant or 'Give its resource id if it was made within the last minutes.'}"
        )
    if len(found) > 1:
        raise UsageProblem(
            f"{text!r} is the name of {len(found)} accounts in scope. Give the id of the one that "
            f"you mean:\n  {the_first(found, '\n  ', '\n  ')}"
        )
    return found[0]


async def _meant(session: Session, in_scope: InScope, name: str) -> str:
    """Ask whether an account with a name like it was meant; empty: none is, as far as is seen."""
    places = names_of(in_scope.subscriptions)
    shown: dict[str, str] = {}
    async for page in session.parts.graph.every(sorted(places), session.settings.scope.kinds):
        # A part that can't be read is no matter here: the name is wrong all the same.
        for account in () if isinstance(page, str) else page:
            place = places.get(account.id.subscription_id, account.id.subscription_id)
            shown[account.id.name] = f"{account.id.name} ({account.id.resource_group}, {place})"
    return did_you_mean(name, shown)


def read_id(text: str) -> AccountId:
    """Read a resource id. Raises UsageProblem if it is no account's."""
    try:
        account_id = AccountId.parse(text.strip().rstrip("/"))
    except ValueError as error:
        raise UsageProblem(f"{error}.") from error
    for pattern, part in (
        (GUID, account_id.subscription_id),
        (_GROUP, account_id.resource_group),
        (_NAME, account_id.name),
    ):
        if pattern.fullmatch(part) is None:
            raise UsageProblem(f"{text!r} is no account's id: Azure takes no {part!r} there.")
    return account_id


def _refuse_outside(in_scope: InScope, account_id: AccountId) -> None:
    """Raise UsageProblem for an account whose subscription is not in scope, NotSeen if unknown."""
    name = account_id.subscription_id
    if in_scope.has(name):
        return
    unread = _unread(in_scope, name)
    if unread and not why_left_alone(in_scope, name):
        raise NotSeen(f"Whether {account_id} is in scope can't be told: {'; '.join(unread)}")
    raise UsageProblem(f"{account_id} is out of scope: {why_outside(in_scope, name)}")


def _unread(in_scope: InScope, subscription_id: str = "") -> list[str]:
    """Say what of the scope could not be read, as far as it can matter for a subscription."""
    return [
        gap_in_words(gap)
        for gap in in_scope.gaps
        if not subscription_id or gap.subscription_id in {"", subscription_id}
    ]


async def _namesakes(
    session: Session, in_scope: InScope, name: str
) -> tuple[list[AccountId], list[str]]:
    """Ask Resource Graph, and ARM for the subscriptions that it doesn't show.

    Returns the accounts of this name, in the order of their ids, and what could not be read.
    """
    graph = session.parts.graph
    visible = await graph.visible([subscription.id for subscription in in_scope.subscriptions])
    names = [subscription_id for subscription_id, _ in visible.rows]
    namesakes = await graph.named(names, name)
    # What Resource Graph could not say, ARM's own lists show at a higher price.
    shown = set(names) - namesakes.unread.keys()
    found = list(namesakes.rows)
    unread = []
    for subscription in in_scope.subscriptions:
        if subscription.id not in shown:
            accounts, problems = await listed(session, subscription.id)
            found += [account.id for account in accounts if account.id.name.lower() == name.lower()]
            place = subscription.name or subscription.id
            unread += [f"subscription {place}: {for_person(problem)}" for problem in problems]
    unique = {account_id.key: account_id for account_id in found}
    return [unique[key] for key in sorted(unique)], unread


async def listed(
    session: Session, subscription_id: str
) -> tuple[list[Account], list[str | AzureError]]:
    """List the accounts of a subscription from Azure Resource Manager.

    Returns those that could be read, and its problems: a row that can't be read, or the error that
    ended the list.
    """
    accounts: list[Account] = []
    problems: list[str | AzureError] = []
    try:
        async for row in session.parts.arm.accounts(subscription_id):
            if isinstance(row, str):
                problems.append(row)
            else:
                accounts.append(row)
    except AzureError as error:
        problems.append(error)
    return accounts, problems
