"""Words that several commands use. Pure."""

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from keysweep.advice import for_person
from shared.core.model import AccountId, Subscription
from shared.core.spelling import essence
from shared.steps.scope import InScope

_MOST = 10
_LIKE, _ALIKE = 3, 0.65


def inert(text: str) -> str:
    """Write out whatever a terminal could act on: control and formatting characters."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def counted(count: int, noun: str) -> str:
    """Return `1 account`, `2 accounts`, `1,371 calls`."""
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"


def the_first(items: Sequence[object], separator: str = ", ", last: str = " ") -> str:
    """Name the first ten, and how many more there are; `last` stands before that."""
    more = f"{last}and {len(items) - _MOST} more" if len(items) > _MOST else ""
    return separator.join(map(str, items[:_MOST])) + more


def why_no_json(error: ValueError) -> str:
    """Say in plain words where and why a text is no JSON."""
    if not isinstance(error, json.JSONDecodeError):
        return f"it is no text that can be read ({error})"
    place, text = f"line {error.lineno}, column {error.colno}", error.doc
    if not text.strip():
        return "it is empty"
    if error.pos >= len(text.rstrip()):
        return f"it ends too early, at {place}: perhaps a part of it is missing"
    here = text[error.pos]
    if here == "'":
        return f"at {place} stands a single quote, where JSON takes double ones"
    before = text[: error.pos].rstrip()[-1:]
    if (here in "]}" and before == ",") or "trailing comma" in error.msg:
        return f"at {place}, before the closing bracket, a comma is too many"
    return f"at {place} stands {here!r}, where it must go on otherwise ({error.msg})"


def why_not_opened(error: OSError) -> str:
    """Say why a file can't be opened or written, without a number of the system's."""
    return error.strerror or str(error)


def did_you_mean(text: str, known: Mapping[str, str]) -> str:
    """Ask whether one of the names that are known was meant; empty: none is like it.

    `known`: by name, how it is shown so that nobody takes it for a namesake.
    """
    by_essence = {essence(name): shown for name, shown in known.items()}
    alike = difflib.get_close_matches(essence(text), by_essence, _LIKE, _ALIKE)
    return f"Did you mean {' or '.join(by_essence[name] for name in alike)}?" if alike else ""


def until_when(until: date | None) -> str:
    """Say how long an exemption lasts."""
    return "open-ended" if until is None else f"until {until}"


def names_of(subscriptions: Iterable[Subscription]) -> Mapping[str, str]:
    """Return the names of subscriptions by their ids."""
    return {subscription.id: subscription.name for subscription in subscriptions}


def tally[Word: str](counts: Mapping[Word, int]) -> str:
    """Return `2 DISABLED · 1 LOCKED`."""
    return " · ".join(f"{count} {what}" for what, count in sorted(counts.items()))


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


def names_in(in_scope: InScope) -> Mapping[str, str]:
    """Return the names of the subscriptions that were read, in scope or left alone, by id."""
    left_alone = in_scope.left_alone
    read = (*in_scope.subscriptions, *left_alone.disabled, *left_alone.other_tenant)
    return names_of(read)


def subscription_in_words(subscription_id: str, names: Mapping[str, str]) -> str:
    """Name a subscription as people know it, with its id; `names` are by id."""
    name = names.get(subscription_id, "")
    return f"subscription {name} ({subscription_id})" if name else f"subscription {subscription_id}"


def why_left_alone(in_scope: InScope, subscription_id: str) -> str:
    """Say why a subscription that was read is left alone; empty: it is not among those."""
    left_alone = in_scope.left_alone
    for subscriptions, why in (
        (left_alone.disabled, "disabled"),
        (left_alone.other_tenant, "of another tenant"),
    ):
        if any(subscription.id == subscription_id for subscription in subscriptions):
            return f"{subscription_in_words(subscription_id, names_in(in_scope))} is {why}."
    if subscription_id in left_alone.excluded:
        return f"subscription {subscription_id} is in SWEEP_EXCLUDE_SUBSCRIPTIONS."
    return ""


def why_outside(in_scope: InScope, subscription_id: str) -> str:
    """Say why a subscription is not among those that are swept."""
    left_alone = why_left_alone(in_scope, subscription_id)
    if left_alone:
        return left_alone
    for gap in in_scope.gaps:
        if gap.subscription_id == subscription_id:
            return f"subscription {subscription_id} can't be read: {for_person(gap.problem)}"
    return f"subscription {subscription_id} is not in scope ({scope_in_words(in_scope)})."


def scope_in_words(in_scope: InScope) -> str:
    """Say which subscriptions are in scope."""
    names = sorted(subscription.name for subscription in in_scope.subscriptions)
    return the_first(names) if names else "no subscription is"


def in_tenant(tenant: str) -> str:
    """Say in which tenant somebody is signed in; empty: their token does not say."""
    return f"in tenant {tenant}" if tenant else "in a tenant that the token does not name"
