"""Whose an account is: what tags say, else its exemption, else who turned its keys on. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.core.change_log import ChangeLog
from shared.core.exemption import exact
from shared.core.model import Decision, Exempt, Lapsed, Level, TagsAbove

_LEVELS_NOT_READ = (TagsAbove(Level.RESOURCE_GROUP, None),)


class OwnerFrom(StrEnum):
    """What names the owner: the tag of a level, or what stands in for one."""

    ACCOUNT = "account"
    RESOURCE_GROUP = "resourceGroup"
    SUBSCRIPTION = "subscription"
    EXEMPTION = "exemption"
    CHANGED_BY = "changedBy"
    NOBODY = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is to be asked about an account; without a name, nobody is known."""

    name: str = ""
    source: OwnerFrom = OwnerFrom.NOBODY


def owner_of(decision: Decision, tags: Sequence[str], log: ChangeLog) -> Owner:
    """Say whose the account of a decision is.

    The nearest level with one of the tags decides, and there the order of `tags`; a value that is
    blank names nobody. A level that could not be read may name somebody, so nothing behind it is
    asked: the owner is not known then.
    """
    account, exemption = decision.account, decision.exemption
    levels = (TagsAbove(Level.ACCOUNT, account.tags), *(account.owned_at or _LEVELS_NOT_READ))
    for here in levels if tags else ():
        if here.tags is None:
            return Owner()
        name = _named(here.tags, tags)
        if name:
            return Owner(name, OwnerFrom(here.level.value))
    if isinstance(exemption, Exempt | Lapsed) and exemption.owner:
        return Owner(exemption.owner, OwnerFrom.EXEMPTION)
    let_keys_in = log.last_on(account.id.key)
    if let_keys_in is not None and let_keys_in.by:
        return Owner(let_keys_in.by, OwnerFrom.CHANGED_BY)
    return Owner()


def _named(found: Mapping[str, str], tags: Sequence[str]) -> str:
    """Return who the first of the tags names; empty: none of them names anybody."""
    values = (value.strip() for tag in tags for value in exact(found, tag).values())
    return next(filter(None, values), "")
