"""An account is named by resource id, by name, or by `resource-group/name`, inside the scope.

What a command writes, it writes inside the scope that was said: by `-s` and `-m`, or by the
settings. An id outside it is refused, and a namesake outside it is nobody's concern.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from keysweep.session import UsageProblem, told
from shared.core.deadline import Deadline
from shared.core.errors import AzureError, KeysweepError, NotFound
from shared.core.model import Account, AccountId, Subscription
from shared.steps.scope import InScope, ScopeReader
from shared.workspace import Parts

_SHOWN = 10
_SHARE = 0.5
# What Azure takes in a subscription's id, a resource group's name and an account's: an id is part
# of an address, where a question mark or an encoded slash would lead somewhere else.
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GROUP = re.compile(r"[\w.()-]{1,90}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class NotSeen(KeysweepError):
    """Whether something is in scope can't be told: a part of the scope could not be read."""


async def scope_of(parts: Parts) -> InScope:
    """Read which subscriptions are in scope."""
    until = Deadline.after(parts.clock, parts.deadline.left * _SHARE)
    settings = parts.settings
    return await ScopeReader(
        parts.arm, parts.graph, settings.scope, settings.tenant_id, until
    ).read()


def distinct(subscriptions: Mapping[str, str]) -> Mapping[str, str]:
    """Return by what a person tells subscriptions apart: their names, and ids where these agree."""
    shared = Counter(name.lower() for name in subscriptions.values())
    return {
        subscription_id: (
            name if name and shared[name.lower()] == 1 else f"{name} {subscription_id}".lstrip()
        )
        for subscription_id, name in subscriptions.items()
    }


def where(account_id: AccountId) -> str:
    """Name an account in a sentence so that no namesake can be meant."""
    place = f"{account_id.resource_group}, subscription {account_id.subscription_id}"
    return f"{account_id.name} ({place})"


@dataclass(frozen=True, slots=True)
class Namesakes:
    """The accounts of one name in scope, and the subscriptions that could not be looked into."""

    accounts: tuple[AccountId, ...]
    unread: tuple[str, ...]


async def resolve(parts: Parts, in_scope: InScope, text: str) -> Account:
    """Read the one account that is meant, as Azure Resource Manager knows it now.

    Raises UsageProblem if there is none in scope, or more than one; NotSeen or AzureError if that
    can't be told.
    """
    account_id = await identify(parts, in_scope, text)
    try:
        account = await parts.arm.account(account_id)
    except NotFound as error:
        raise UsageProblem(f"There is no account {account_id}: {error.message}") from error
    left_out = parts.settings.scope.leaves_out(account)
    if left_out:
        raise UsageProblem(f"{account_id} is out of scope: {left_out}")
    return account


async def identify(parts: Parts, in_scope: InScope, text: str) -> AccountId:
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
    namesakes = await _named(parts, in_scope, name)
    found = [
        account
        for account in namesakes.accounts
        if not group or account.resource_group.lower() == group.lower()
    ]
    if not found:
        missing = f"There is no account {text!r} in scope ({_in_words(in_scope)})"
        unread = [*namesakes.unread, *_unread(in_scope)]
        if unread:
            raise NotSeen(f"{missing}, as far as it could be read. Not read: {'; '.join(unread)}")
        raise UsageProblem(
            f"{missing}. Give its resource id if it was made within the last minutes."
        )
    if len(found) > 1:
        listed = "\n".join(f"  {account}" for account in found[:_SHOWN])
        more = f"\n  and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise UsageProblem(
            f"{text!r} is the name of {len(found)} accounts in scope. Give the id of the one that "
            f"you mean:\n{listed}{more}"
        )
    return found[0]


def read_id(text: str) -> AccountId:
    """Read a resource id. Raises UsageProblem if it is no account's."""
    try:
        account_id = AccountId.parse(text.strip().rstrip("/"))
    except ValueError as error:
        raise UsageProblem(f"{error}.") from error
    for pattern, part in (
        (_GUID, account_id.subscription_id),
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
    left_alone = in_scope.left_alone
    known = {subscription.id for subscription in (*left_alone.disabled, *left_alone.other_tenant)}
    unread = _unread(in_scope, name)
    if unread and name not in known | set(left_alone.excluded):
        raise NotSeen(f"Whether {account_id} is in scope can't be told: {'; '.join(unread)}")
    raise UsageProblem(f"{account_id} is out of scope: {why_outside(in_scope, name)}")


def _unread(in_scope: InScope, subscription_id: str = "") -> list[str]:
    """Say what of the scope could not be read, as far as it can matter for a subscription."""
    return [
        f"{gap.kind} {gap.name}: {told(gap.problem)}"
        for gap in in_scope.gaps
        if not subscription_id or gap.subscription_id in {"", subscription_id}
    ]


def why_outside(in_scope: InScope, subscription_id: str) -> str:
    """Say why a subscription is not among those that are swept."""

    def has(subscriptions: tuple[Subscription, ...]) -> bool:
        return any(subscription.id == subscription_id for subscription in subscriptions)

    if has(in_scope.left_alone.disabled):
        return f"subscription {subscription_id} is disabled."
    if has(in_scope.left_alone.other_tenant):
        return f"subscription {subscription_id} is of another tenant."
    if subscription_id in in_scope.left_alone.excluded:
        return f"subscription {subscription_id} is in SWEEP_EXCLUDE_SUBSCRIPTIONS."
    for gap in in_scope.gaps:
        if gap.subscription_id == subscription_id:
            return f"subscription {subscription_id} can't be read: {gap.problem}"
    return f"subscription {subscription_id} is not in scope ({_in_words(in_scope)})."


def _in_words(in_scope: InScope) -> str:
    """Say which subscriptions are in scope."""
    names = sorted(subscription.name for subscription in in_scope.subscriptions)
    if not names:
        return "no subscription is"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


async def _named(parts: Parts, in_scope: InScope, name: str) -> Namesakes:
    """Ask Resource Graph, and ARM for the subscriptions that it doesn't show."""
    visible = await parts.graph.visible(
        [subscription.id for subscription in in_scope.subscriptions]
    )
    namesakes = await parts.graph.named(visible.rows, name)
    # What Resource Graph could not say, ARM's own lists show at a higher price.
    shown = set(visible.rows) - namesakes.unread.keys()
    found = list(namesakes.rows)
    unread = []
    for subscription in in_scope.subscriptions:
        if subscription.id in shown:
            continue
        try:
            async for row in parts.arm.accounts(subscription.id):
                if isinstance(row, str):
                    unread.append(f"a row of subscription {subscription.name}: {row}")
                elif row.id.name.lower() == name.lower():
                    found.append(row.id)
        except AzureError as error:
            unread.append(f"subscription {subscription.name or subscription.id}: {told(error)}")
    unique = {account.key: account for account in found}
    return Namesakes(tuple(unique[key] for key in sorted(unique)), tuple(unread))
