"""What a person wants an exemption to say, alone and over the one that is there. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import assert_never

from keysweep.advice import UsageProblem
from keysweep.words import until_when, where
from shared.core.decision import Rules, Scope, decide
from shared.core.exemption import exact, nearest_exemption, read_exemption
from shared.core.model import (
    Account,
    AccountId,
    Exempt,
    Lapsed,
    Level,
    NotExempt,
    Unreadable,
    Verdict,
)

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
# Azure's limits (azure-docs, tag-resources).
LONGEST_VALUE = 256
MOST_TAGS = 50


@dataclass(frozen=True, slots=True)
class Wish:
    """What the tag is to say. No day: open-ended."""

    until: date | None
    reason: str
    owner: str

    def value(self, tag: str, today: date) -> str:
        """Write the tag's value. Raises UsageProblem if it would not exempt, or not fit."""
        if self.until is not None and self.until < today:
            raise UsageProblem(f"{self.until} has passed: an exemption ends in the future.")
        for name, text in (("--reason", self.reason), ("--owner", self.owner)):
            if ";" in text or not text.isprintable():
                raise UsageProblem(
                    f"{name} can't hold a semicolon or a control character: {text!r}."
                )
        fields = {
            "until": self.until.isoformat() if self.until else "",
            "reason": self.reason.strip(),
            "owner": self.owner.strip(),
        }
        value = "; ".join(f"{name}={text}" for name, text in fields.items() if text) or "true"
        excess = len(value) - LONGEST_VALUE
        if excess > 0:
            raise UsageProblem(
                f"The tag's value would have {len(value)} characters, and Azure takes "
                f"{LONGEST_VALUE}: shorten --reason by {excess}."
            )
        exempt = Exempt(self.until, fields["reason"], fields["owner"])
        if read_exemption({tag: value}, tag, today) != exempt:
            raise UsageProblem(f"A sweep would not read {value!r} as this exemption.")
        return value


def check_it_counts(
    account_id: AccountId, value: str, scope: Scope, rules: Rules, today: date
) -> None:
    """Judge a tag as a sweep would. Raises UsageProblem if the account would be held."""
    tagged = Account(account_id, scope.kinds[0], "", keys_on=True, tags={rules.tag: value})
    decision = decide(tagged, scope, rules, today)
    if decision.verdict is not Verdict.EXEMPT:
        raise UsageProblem(f"A sweep would hold the account all the same: {decision.reason}")


def check_it_has_room(account: Account, tag: str) -> None:
    """Raise UsageProblem if an account takes no tag more."""
    if not exact(account.tags, tag) and len(account.tags) >= MOST_TAGS:
        raise UsageProblem(
            f"{account.id.name} has {len(account.tags)} tags, and Azure takes {MOST_TAGS}: "
            "take one away first."
        )


@dataclass(frozen=True, slots=True)
class Question:
    """What stands on an account, what would stand there, and what that takes away."""

    text: str
    takes_away: str
    """What the exemption loses, in a sentence; empty: nothing."""


def lay_over(account: Account, tag: str, wish: Wish, today: date) -> tuple[Wish, Question | None]:
    """Lay a wish over the exemption that is there: what the wish leaves open is kept.

    A tag of the account itself is replaced; one of a level above it counts no more beside it.
    Returns the wish, and the question that the person has to answer; None if nothing is lost.
    Raises UsageProblem if what is there can't be kept.
    """
    there = list(exact(account.tags, tag).values())
    old = nearest_exemption(account.tags, account.above, tag, today)
    if isinstance(old, Level):
        text = f"{where(account.id)}: the tags of its {old} can't be read, and could exempt it."
        return wish, Question(text, "It may end sooner then.") if wish.until is not None else None
    if there:
        now = f"{tag}={there[0]!r}"
    elif isinstance(old, Exempt):
        now = f"exempt {until_when(old.until)} by the tag of its {old.level}"
    else:
        return wish, None
    kept = old if isinstance(old, Exempt | Lapsed) else Exempt()
    wish = replace(wish, reason=wish.reason or kept.reason, owner=wish.owner or kept.owner)
    try:
        new = wish.value(tag, today)
    except UsageProblem as error:
        raise UsageProblem(
            f"{where(account.id)} has this now: {now}. Its reason and owner can't be kept as they "
            f"are: give --reason and --owner. {error}"
        ) from error
    takes = _takes_away(old, wish.until)
    if new in there or not (there or takes):
        return wish, None
    text = (
        f"{where(account.id)} has {'this tag' if there else 'an exemption'} already:\n"
        f"  now:  {now}\n"
        f"  then: {tag}={new!r}"
    )
    return wish, Question(text, takes)


def _takes_away(old: Exempt | Lapsed | Unreadable | NotExempt, until: date | None) -> str:
    match old:
        case Exempt():
            is_sooner = until is not None and (old.until is None or until < old.until)
            return "It ends sooner then." if is_sooner else ""
        case Unreadable():
            return "It can't be read: what it was to say is lost then."
        case Lapsed() | NotExempt():
            return ""
        case _:
            assert_never(old)


def in_words(tags: Mapping[str, str]) -> str:
    """Write tags as a person reads them."""
    return ", ".join(f"{name}={value!r}" for name, value in tags.items()) or "not there"


def span(text: str, units: Collection[str]) -> timedelta:
    """Read a span such as `14d`, `2w` or `90s`, in one of these units. Raises ValueError."""
    number, unit = text[:-1], text[-1:].lower()
    if not (number.isascii() and number.isdigit() and unit in units and int(number) > 0):
        raise ValueError(text)
    return int(number) * _UNITS[unit]
