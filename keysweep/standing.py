"""What stands on an account that a sweep took, and whether undo may give it back. Pure.

It is given back only where it is shown that the sweep took it and that nobody touched its keys
since: by Azure Resource Manager, which says when an account was last changed, or by the platform's
change log. Where neither can tell, it is left alone and named.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS
from keysweep.record import Change
from shared.core.change_log import KEPT, ChangeLog
from shared.core.decision import Rules, Scope, decide
from shared.core.exemption import carries
from shared.core.model import (
    Account,
    Decision,
    Exempt,
    HoldReason,
    KeyChange,
    Lapsed,
    NotExempt,
    Result,
    Turned,
    Unreadable,
    Verdict,
)
from shared.steps.remediation import is_at_rest

LOG_LAG = timedelta(minutes=5)
"""Changes show in the change log within five minutes (azure-docs, get-resource-changes.md)."""
# A record has the times of a person's machine, the change log those of Azure. Where the log names
# who made a change, it is looked for this much before and after the record's times.
_CLOCKS_DIFFER = timedelta(minutes=2)
# Events have the times of a machine in Azure, which differ by less.
_A_MOMENT = timedelta(seconds=5)
# So long after it was begun, the change of a sweep that was killed is made: one attempt at most.
_ATTEMPT = timedelta(minutes=5)


class Why(StrEnum):
    """Why an account is left alone."""

    NOTHING_TO_DO = "nothing to do"
    SOMEBODYS_WILL = "somebody's will"
    """Somebody decided otherwise, or the settings leave it out."""
    NOT_KNOWN = "not known"
    """Nothing shows that it may be given back."""


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Its keys are to be turned on."""

    exempts: bool
    """Whether it gets its exemption first: no tag of ours stands on it."""
    stands: str
    """What stands on it now, in words."""


@dataclass(frozen=True, slots=True)
class LeaveAlone:
    """Nothing is done to it."""

    why: Why
    reason: str
    """One sentence."""
    stands: str = ""


type Judgement = GiveBack | LeaveAlone


def exit_code_of(reasons: Collection[Why]) -> int:
    """Return the exit code that it means to leave accounts alone for these reasons."""
    if Why.NOT_KNOWN in reasons:
        return NOT_WHOLE
    return REMAINS if Why.SOMEBODYS_WILL in reasons else FINE


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the accounts themselves."""

    log: ChangeLog
    in_log: Collection[str]
    """The ids of the subscriptions whose changes the log shows."""
    identity: Collection[str]
    """The names of who swept, in lower case; none: not known."""
    scope: Scope
    rules: Rules
    now: datetime


def judge(change: Change, account: Account, known: Known, *, is_proven: bool = False) -> Judgement:
    """Say whether an account, as it was read just now, may be given back.

    `is_proven`: it was judged already, and nobody has changed it since.
    """
    decision = decide(replace(account, keys_on=True), known.scope, known.rules, known.now.date())
    stands = _stands(account, decision)
    if decision.verdict is Verdict.OUT_OF_SCOPE:
        return LeaveAlone(Why.SOMEBODYS_WILL, f"It is out of scope: {decision.reason}", stands)
    if account.keys_on:
        return LeaveAlone(Why.NOTHING_TO_DO, "It accepts keys already.", stands)
    doubt = (
        _other_incarnation(change, account)
        or _turned_since(change, known)
        or not_to_be_exempted(account, decision, known.rules)
        or (None if is_proven else _unproven(change, account, known))
    )
    if doubt is not None:
        return replace(doubt, stands=stands)
    if not is_at_rest(account):
        reason = f"Its provisioning state is {account.provisioning_state}: try again once it rests."
        return LeaveAlone(Why.NOT_KNOWN, reason, stands)
    return GiveBack(decision.verdict is not Verdict.EXEMPT, stands)


def off_since(change: Change, known: Known) -> datetime:
    """Return when the sweep turned an account's keys off, as exactly as is known."""
    ours = _our_turn(change, known)
    return ours.at if ours is not None else change.ended_at or change.begun_at


def _stands(account: Account, decision: Decision) -> str:
    keys = "keys on" if account.keys_on else "keys off"
    match decision.exemption:
        case Exempt(until, _, _, level):
            ends = f"until {until}" if until is not None else "open-ended"
            tag = f"exempt {ends} by the tag of its {level}"
        case Lapsed(until):
            tag = f"exempt until {until}, which has passed"
        case Unreadable(raw):
            tag = f"a tag that can't be read: {raw!r}"
        case NotExempt(explicit=True):
            tag = "a tag that says no"
        case NotExempt():
            tag = "no exemption"
        case _:
            assert_never(decision.exemption)
    return f"{keys}, {tag}"


def _other_incarnation(change: Change, account: Account) -> LeaveAlone | None:
    """Say so if the account was created after the sweep changed one of its name."""
    created = account.created_at
    if created is None:
        return LeaveAlone(Why.NOT_KNOWN, "Azure does not say when it was created.")
    if created > change.begun_at:
        text = f"It was deleted, and created again at {_written(created)}."
        return LeaveAlone(Why.SOMEBODYS_WILL, text)
    return None


def _turned_since(change: Change, known: Known) -> LeaveAlone | None:
    """Say so if the change log shows that somebody turned its keys after the sweep."""
    ours = _our_turn(change, known)
    after = ours.at if ours is not None else change.ended_at or change.begun_at
    later = [turn for turn in _turns(change, known) if turn.at > after]
    if ours is None and not _is_certain(change) and not known.identity:
        # That they went off may be the sweep's own doing: nothing tells whose it was.
        later = [turn for turn in later if turn.turned is not Turned.OFF]
    if not later:
        return None
    last = later[-1]
    done = "created it" if last.turned is Turned.CREATED else f"turned its keys {last.turned}"
    text = f"{last.by or 'Somebody'} {done} at {_written(last.at)}, after this sweep."
    return LeaveAlone(Why.SOMEBODYS_WILL, text)


def not_to_be_exempted(account: Account, decision: Decision, rules: Rules) -> LeaveAlone | None:
    """Say so if a tag stands in the way: none that is there is ever replaced."""
    if decision.verdict is Verdict.EXEMPT:
        return None
    match decision.exemption:
        case NotExempt(explicit=True):
            return LeaveAlone(Why.SOMEBODYS_WILL, "A tag says explicitly that it is not exempt.")
        case Lapsed(until) if carries(account.tags, rules.tag):
            text = f"Its exemption ended on {until}: renew it first (keysweep exempt)."
            return LeaveAlone(Why.SOMEBODYS_WILL, text)
        case Unreadable():
            text = "Its tag can't be read, and is not replaced: mend it first."
            return LeaveAlone(Why.SOMEBODYS_WILL, text)
        case NotExempt() | Lapsed() | Exempt():
            pass
        case _:
            assert_never(decision.exemption)
    if decision.hold is None or decision.hold is HoldReason.NO_SUBDOMAIN:
        return None
    is_unread = decision.hold is HoldReason.UNREADABLE_LEVEL
    return LeaveAlone(Why.NOT_KNOWN if is_unread else Why.SOMEBODYS_WILL, decision.reason)


def _unproven(change: Change, account: Account, known: Known) -> LeaveAlone | None:
    """Say what is lacking for proof that the last turn of its keys is this sweep's."""
    if _is_last_change(change, account, known):
        return None
    problem = _log_cannot_tell(change, account, known)
    if problem:
        return LeaveAlone(Why.NOT_KNOWN, problem)
    if _our_turn(change, known) is not None:
        return None
    if not _is_certain(change):
        text = "Whether this sweep turned its keys off is not told, and nothing else shows it."
        return LeaveAlone(Why.NOT_KNOWN, text)
    turns = [turn for turn in _turns(change, known) if turn.turned is not Turned.CREATED]
    if turns:
        # A flag that had a value before is listed when it changes.
        text = "The change log shows turns of its keys, and not this sweep's."
        return LeaveAlone(Why.NOT_KNOWN, text)
    # It got its flag from this sweep, and the log, which lists every later turn, lists none.
    return None


def _is_last_change(change: Change, account: Account, known: Known) -> bool:
    """Whether Azure Resource Manager itself says that nobody changed the account since."""
    at, by = account.changed_at, account.changed_by.lower()
    if at is None or (known.identity and by not in known.identity):
        return False
    if _is_certain(change) and change.ended_at is not None:
        # Long before the change, by Azure's clock, it can't be this one: the sweeper's clock is
        # fast, and what somebody did after the sweep may look older than its end.
        return change.begun_at - _CLOCKS_DIFFER <= at <= change.ended_at
    # Where nothing tells that the change was made, its author has to be shown.
    return bool(known.identity) and change.begun_at <= at <= change.begun_at + _ATTEMPT


def _log_cannot_tell(change: Change, account: Account, known: Known) -> str:
    """Say why the change log is no proof; empty: it is."""
    log = known.log
    if log.unread:
        return f"It was changed since, and the change log can't be read: {log.unread}"
    if change.account.subscription_id not in known.in_log:
        return "It was changed since, and Resource Graph shows nothing of its subscription."
    if log.lacking:
        return f"It was changed since, and {log.lacking} rows of the change log can't be read."
    if known.now - change.begun_at > KEPT:
        return f"It was changed since, and the change log goes back {KEPT.days} days."
    if account.changed_at is None:
        return "Azure does not say when it was last changed."
    left = LOG_LAG - (known.now - account.changed_at)
    if left > timedelta():
        # Where clocks differ, what was changed may be of a moment that is still to come.
        again = known.now + min(left, LOG_LAG)
        return (
            f"{account.changed_by or 'Somebody'} changed it at {_written(account.changed_at)}, and "
            f"the change log shows what only minutes later: try again after {again:%H:%M} UTC."
        )
    return ""


def _turns(change: Change, known: Known) -> list[KeyChange]:
    return list(known.log.by_account.get(change.account.key, ()))


def _our_turn(change: Change, known: Known) -> KeyChange | None:
    """Return the change log's row of what the sweep did, if it shows one.

    It is the change to off by who swept that is nearest in time. Where the sweep itself saw the
    keys off, a change to off at that very time counts whoever made it: the name of a guest is
    another in the log than in the token.
    """
    ends = change.ended_at if change.ended_at is not None else change.begun_at + _ATTEMPT
    found = []
    for turn in _turns(change, known):
        apart = max(change.begun_at - turn.at, turn.at - ends, timedelta())
        is_theirs = turn.by.lower() in known.identity and apart <= _CLOCKS_DIFFER
        is_then = _is_certain(change) and apart <= (timedelta() if known.identity else _A_MOMENT)
        if turn.turned is Turned.OFF and (is_theirs or is_then):
            found.append((apart, turn))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _is_certain(change: Change) -> bool:
    """Whether the sweep itself saw the keys off after its change."""
    return change.result == Result.DISABLED


def _written(moment: datetime) -> str:
    """Write a moment as a person reads it."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
