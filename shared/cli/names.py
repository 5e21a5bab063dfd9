"""An account is named by resource id, by name, or by `resource-group/name`, inside the scope.

What a command writes, it writes inside the scope that was said: by `-s` and `-m`, or by the
settings. An id outside it is refused, and a namesake outside it is nobody's concern.
"""

from dataclasses import dataclass

from shared.cli.session import UsageProblem
from shared.deadline import Deadline
from shared.errors import AzureError, NotFound
from shared.model import Account, AccountId, Subscription
from shared.parts import Parts
from shared.scope import InScope, ScopeReader

_SHOWN = 10
_SHARE = 0.5


async def scope_of(parts: Parts) -> InScope:
    """Read which subscriptions are in scope."""
    until = Deadline.after(parts.clock, parts.deadline.left * _SHARE)
    settings = parts.settings
    return await ScopeReader(
        parts.arm, parts.graph, settings.scope, settings.tenant_id, until
    ).read()


@dataclass(frozen=True, slots=True)
class Namesakes:
    """The accounts of one name in scope, and the subscriptions that could not be looked into."""

    accounts: tuple[AccountId, ...]
    unread: tuple[str, ...]


async def resolve(parts: Parts, in_scope: InScope, text: str) -> Account:
    """Read the one account that is meant, as Azure Resource Manager knows it now.

    Raises UsageProblem if there is none in scope, or more than one; AzureError if Azure can't say.
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
    in scope or more than one; AzureError if Azure can't say.
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
    unread = f" These could not be read: {', '.join(namesakes.unread)}." if namesakes.unread else ""
    if not found:
        raise UsageProblem(
            f"There is no account {text!r} in scope ({_in_words(in_scope)}).{unread} Give its "
            "resource id if it was made within the last minutes."
        )
    if len(found) > 1:
        listed = "\n".join(f"  {account}" for account in found[:_SHOWN])
        more = f"\n  and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise UsageProblem(f"{text!r} could be any of these, give one's id:\n{listed}{more}")
    return found[0]


def read_id(text: str) -> AccountId:
    """Read a resource id. Raises UsageProblem if it is no account's."""
    try:
        return AccountId.parse(text.rstrip("/"))
    except ValueError as error:
        raise UsageProblem(f"{error}.") from error


def _refuse_outside(in_scope: InScope, account_id: AccountId) -> None:
    """Raise UsageProblem for an account whose subscription is not in scope."""
    name = account_id.subscription_id
    if any(subscription.id == name for subscription in in_scope.subscriptions):
        return
    raise UsageProblem(f"{account_id} is out of scope: {why_outside(in_scope, name)}")


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
    ids = [subscription.id for subscription in in_scope.subscriptions]
    shown: frozenset[str] = frozenset()
    found: list[AccountId] = []
    try:
        shown = await parts.graph.visible(ids)
        found = list(await parts.graph.named(sorted(shown), name))
    except AzureError:
        # ARM's own lists show the same, at a higher price.
        shown, found = frozenset(), []
    unread = []
    for subscription in in_scope.subscriptions:
        if subscription.id in shown:
            continue
        try:
            found += [
                row.id
                async for row in parts.arm.accounts(subscription.id)
                if isinstance(row, Account) and row.id.name.lower() == name.lower()
            ]
        except AzureError:
            unread.append(subscription.name or subscription.id)
    unique = {account.key: account for account in found}
    return Namesakes(tuple(unique[key] for key in sorted(unique)), tuple(unread))
