"""An account is named by resource id, by name, or by `resource-group/name`."""

from shared.cli.session import UsageProblem
from shared.errors import NotFound
from shared.model import Account, AccountId
from shared.parts import Parts

_SHOWN = 10


async def resolve(parts: Parts, text: str) -> AccountId:
    """Return the id of the one account that is meant, of any kind.

    Raises UsageProblem if there is none or more than one, AzureError if Azure can't say.
    """
    account_id = await identify(parts, text)
    if not text.startswith("/"):
        return account_id
    try:
        return (await parts.arm.account(account_id)).id
    except NotFound as error:
        raise UsageProblem(f"There is no account {account_id}: {error.message}") from error


async def identify(parts: Parts, text: str) -> AccountId:
    """Return what `resolve` does, and take a resource id as it is, whether or not it is there."""
    if text.startswith("/"):
        try:
            return AccountId.parse(text.rstrip("/"))
        except ValueError as error:
            raise UsageProblem(f"{error}.") from error
    group, _, name = text.rpartition("/")
    if not name or "/" in group:
        raise UsageProblem(
            f"{text!r} names no account: give its resource id, its name, or resource-group/name."
        )
    found = [
        each
        for each in await _named(parts, name)
        if not group or each.resource_group.lower() == group.lower()
    ]
    if not found:
        raise UsageProblem(
            f"There is no account {text!r} in the subscriptions that you can read. Give its "
            "resource id if it was made within the last minutes."
        )
    if len(found) > 1:
        listed = "\n".join(f"  {each}" for each in found[:_SHOWN])
        more = f"\n  and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise UsageProblem(f"{text!r} could be any of these, give one's id:\n{listed}{more}")
    return found[0]


async def _named(parts: Parts, name: str) -> list[AccountId]:
    """Ask Resource Graph, and ARM for the subscriptions that it doesn't show."""
    listed = [each.id for each in await parts.arm.subscriptions()]
    shown = await parts.graph.visible(listed)
    found = list(await parts.graph.named(sorted(shown), name))
    for subscription_id in listed:
        if subscription_id in shown:
            continue
        found += [
            row.id
            async for row in parts.arm.accounts(subscription_id)
            if isinstance(row, Account) and row.id.name.lower() == name.lower()
        ]
    return sorted(found, key=lambda each: each.key)
