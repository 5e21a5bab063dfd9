"""What Azure Resource Manager lists, what Resource Graph shows of it, and the change log. Pure."""

from collections.abc import Iterator, Mapping
from itertools import chain

from keysweep import words
from keysweep.advice import for_person, gap_in_words
from keysweep.doctor.finding import Check, Finding, State, not_reached
from keysweep.words import counted, distinct, the_first
from shared.core.change_log import ChangeLog
from shared.core.model import Answer, GroupsAbove
from shared.steps.scope import InScope

type Visible = Answer[tuple[str, GroupsAbove]]
"""The subscriptions that Resource Graph shows, and why others could not be asked about."""

_ARM_INSTEAD = "A sweep lists their accounts from Azure Resource Manager, which takes longer."


def names_of(in_scope: InScope) -> Mapping[str, str]:
    """Return by what a person tells the subscriptions in scope apart, by their ids."""
    return distinct(words.names_of(in_scope.subscriptions))


def subscriptions(in_scope: InScope) -> Finding:
    """Say which subscriptions are in scope, and what of the scope could not be read."""
    count = counted(len(in_scope.subscriptions), "subscription")
    says = f"{count} in scope{_left_alone(in_scope)}."
    if not in_scope.gaps:
        return Finding(Check.SUBSCRIPTIONS, State.OK, says)
    remedy = "Reader there, or a narrower scope (-s, -m)."
    says = f"{says} {counted(len(in_scope.gaps), 'thing')} in scope could not be read."
    details = tuple(map(gap_in_words, in_scope.gaps))
    return Finding(Check.SUBSCRIPTIONS, State.NOT_SEEN, says, details, remedy)


def _left_alone(in_scope: InScope) -> str:
    alone = in_scope.left_alone
    counts = {
        "disabled": len(alone.disabled),
        "of another tenant": len(alone.other_tenant),
        "excluded": len(alone.excluded),
    }
    parts = [f"{count} {what}" for what, count in counts.items() if count]
    return f"; left alone: {', '.join(parts)}" if parts else ""


def resource_graph(in_scope: InScope, visible: Visible) -> Finding:
    """Say which subscriptions in scope Resource Graph shows."""
    names, check = names_of(in_scope), Check.RESOURCE_GRAPH
    if visible.unread or in_scope.graph_unread:
        problems = [*visible.unread.values(), in_scope.graph_unread]
        reasons = tuple(dict.fromkeys(for_person(problem) for problem in problems if problem))
        says = f"It could not be asked. {_ARM_INSTEAD}"
        remedy = "Try again in a few minutes."
        return Finding(check, State.NOT_SEEN, says, reasons, remedy)
    shown = {subscription_id for subscription_id, _ in visible.rows}
    hidden = [name for subscription_id, name in names.items() if subscription_id not in shown]
    if hidden:
        count = counted(len(names), "subscription")
        says = f"It does not show {len(hidden)} of {count}. {_ARM_INSTEAD}"
        remedy = "A role that was given within the last minutes shows later; else ask for Reader."
        return Finding(check, State.WARNING, says, (the_first(hidden),), remedy)
    says = f"It shows all of them: {counted(len(names), 'subscription')}."
    return Finding(check, State.OK, says)


def change_log(in_scope: InScope, visible: Visible, log: ChangeLog) -> Finding:
    """Say whether the log of who turned keys on and off can be read.

    It comes from Resource Graph: of a subscription that is not shown, it says nothing.
    """
    check = Check.CHANGE_LOG
    shown = names_of(in_scope).keys() & {name for name, _ in visible.rows}
    if not shown:
        return not_reached(check, Check.RESOURCE_GRAPH)
    details = tuple(_doubts(log, len(in_scope.subscriptions) - len(shown)))
    if log.unread:
        says = "It could not be read: who turned keys on, and since when, is not known."
        remedy = "Try again in a few minutes; Reader is enough."
        return Finding(check, State.NOT_SEEN, says, details, remedy)
    changes = len([*chain.from_iterable(log.by_account.values())])
    says = (
        f"Read for {counted(len(shown), 'subscription')}: "
        f"{counted(changes, 'change')} of keys in 14 days."
    )
    return Finding(check, State.WARNING if details else State.OK, says, details)


def _doubts(log: ChangeLog, missing: int) -> Iterator[str]:
    if log.unread:
        yield for_person(log.unread)
    if log.lacking:
        yield f"{counted(log.lacking, 'row')} of it can't be read."
    if missing:
        yield f"Nothing of {counted(missing, 'subscription')} that Resource Graph does not show."
