"""What a reader of the workbook should see of a month, from what truly happened in it.

Nothing here looks at an event. What an account's tags mean is written out again for the tags that
occur in the month, so that the product's own reading of them is not asked.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tests.support.captured import naive
from tools.month import TAG, Standing, Tick, Truth, Turn

_SCOPE = ("corp-prod", "finance-prod", "web-prod", "logistics-prod", "lab")
_UNREADABLE = {"31/12/2026", "until=soon"}
TAG_HOLDS = {"UNREADABLE_TAG", "NEAR_MISS_TAG", "TAG_BREAKS_RULE"}
_LAG = timedelta(seconds=90)
_LOG_KEPT = timedelta(days=14)
_WAR = 3
_RESULT_BY_CODE = {
    "ScopeLocked": "LOCKED",
    "RequestDisallowedByPolicy": "POLICY_DENIED",
    "InternalServerError": "UNVERIFIED",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One account as one tick had to see it."""

    account: Standing
    verdict: str
    """COMPLIANT, EXEMPT, DRIFT, or HELD."""
    hold: str = ""
    until: date | None = None


def _tag(account: Standing) -> str | None:
    return account.tags.get(TAG)


def _until(value: str) -> date | None:
    text = value.partition(";")[0].removeprefix("until=")
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def said(account: Standing, field: str) -> str:
    """Return what a tag of fields says in one of them."""
    fields = (each.strip().partition("=") for each in (_tag(account) or "").split(";"))
    return next((value for name, _, value in fields if name == field), "")


def _judged(account: Standing, today: date, longest: int | None, *, strict: bool) -> Seen:
    value = _tag(account)
    until = _until(value) if value is not None else None
    if not account.keys_on:
        return Seen(account, "COMPLIANT", until=until)
    if value in _UNREADABLE:
        return Seen(account, "DRIFT") if strict else Seen(account, "HELD", "UNREADABLE_TAG")
    if value is None:
        near = "LocalAuthExempt" in account.tags
        return Seen(account, "HELD", "NEAR_MISS_TAG") if near else Seen(account, "DRIFT")
    if until is not None and until < today:
        return Seen(account, "DRIFT", until=until)
    if longest is not None and (until is None or (until - today).days > longest):
        return Seen(account, "HELD", "TAG_BREAKS_RULE", until=until)
    return Seen(account, "EXEMPT", until=until)


class History:
    """The month up to a moment."""

    def __init__(self, truth: Truth, until: datetime) -> None:
        """Look at the ticks that had ended by then."""
        self.truth = truth
        self.until = until
        self.ticks = [each for each in truth.ticks if naive(each.ended) <= until]
        self.read = [each for each in self.ticks if "200" in each.answers]
        """Those that could read anything."""
        self.logged = [each for each in self.read if "503" not in each.answers]
        """Those that could read the change log: Resource Graph was up."""
        self.completed = [
            each for each in self.ticks if not each.killed and mode(each) in {"audit", "enforce"}
        ]
        self.last_reads: dict[str, Tick] = {
            name: each for each in self.read for name in readable(each)
        }

    def now(self) -> Iterator[tuple[str, Tick, list[Seen]]]:
        """Each subscription, the last tick that read it, and what that had to see."""
        for name, tick in sorted(self.last_reads.items()):
            yield name, tick, [each for each in seen(tick) if each.account.subscription == name]

    def unseen(self) -> list[str]:
        """Return the subscriptions in scope that the newest sweep could not read."""
        newest = self.completed[-1]
        return sorted(set(_SCOPE) - set(readable(newest) if "200" in newest.answers else ()))

    def turns(self) -> list[Turn]:
        """Return every turn that some tick had to tell: it read the change log, in time."""
        told = []
        for turn in self.truth.turns:
            at, subscription = naive(turn.at), self._subscription(turn.account)
            for number, tick in enumerate(self.ticks):
                last = naive(self.ticks[number - 1].at) if number else naive(tick.at) - _LOG_KEPT
                since = last - timedelta(hours=1) if number else last
                in_time = since <= at <= naive(tick.at) - _LAG
                if in_time and tick in self.logged and subscription in readable(tick):
                    told.append(turn)
                    break
        return told

    def wars(self) -> dict[str, tuple[int, Turn, Turn]]:
        """Return, by account, the flips last told while it was a war, and both sides' last."""
        found = {}
        for tick in self.logged:
            turns = known_turns(self.truth, tick)
            for account, mine in turns.items():
                last = {each.turned: each for each in mine}
                shown = self._subscription(account) in readable(tick)
                if len(mine) >= _WAR and len(last) > 1 and shown:
                    found[account] = (len(mine), last["on"], last["off"])
        return found

    def _subscription(self, account: str) -> str:
        return next(
            self.truth.subscriptions[subscription]
            for subscription in self.truth.subscriptions
            if f"/subscriptions/{subscription.lower()}/" in account
        )


def mode(tick: Tick) -> str:
    """Return the mode that was set."""
    return tick.settings["SWEEP_MODE"]


def strict(tick: Tick) -> bool:
    """Whether tags that nobody can read counted for nothing."""
    return tick.settings.get("EXEMPTION_UNREADABLE") == "disable"


def wrong_tag(each: Seen) -> str:
    """Return what is wrong with an account's tag, as far as it matters."""
    if each.verdict == "DRIFT" and _tag(each.account) in _UNREADABLE:
        return "UNREADABLE_TAG"
    return each.hold if each.hold in TAG_HOLDS else ""


def readable(tick: Tick) -> list[str]:
    """Return the subscriptions in scope that a sweep could read then."""
    return [name for name in tick.readable if name in _SCOPE]


def known_turns(truth: Truth, tick: Tick) -> Mapping[str, list[Turn]]:
    """Return what the platform's change log shows at a tick, by account."""
    at = naive(tick.at)
    found: dict[str, list[Turn]] = {}
    for turn in sorted(truth.turns, key=lambda each: each.at):
        if at - _LOG_KEPT < naive(turn.at) <= at - _LAG:
            found.setdefault(turn.account, []).append(turn)
    return found


def on_since(truth: Truth, tick: Tick, account: str) -> datetime | None:
    """Return when its keys were last turned on before a tick; None: before the month."""
    turns = (turn for turn in truth.turns if turn.account == account and turn.turned == "on")
    before = [naive(turn.at) for turn in turns if turn.at <= tick.at]
    return max(before, default=None)


def seen(tick: Tick) -> list[Seen]:
    """Return what a sweep had to make of every account that it could read."""
    today = naive(tick.at).date()
    longest = tick.settings.get("EXEMPTION_MAX_DAYS", "")
    found = [
        _judged(each, today, int(longest) if longest else None, strict=strict(tick))
        for each in tick.before
        if each.subscription in readable(tick)
    ]
    if mode(tick) == "enforce" and braked(tick, found):
        return [
            Seen(each.account, "HELD", "BRAKE", each.until) if each.verdict == "DRIFT" else each
            for each in found
        ]
    return found


def braked(tick: Tick, found: list[Seen]) -> bool:
    """Whether there is more to change than the limit, and no release."""
    release = tick.settings.get("BRAKE_RELEASE_UNTIL", "")
    released = bool(release) and naive(tick.at) < naive(release)
    drift = sum(each.verdict == "DRIFT" for each in found)
    return drift > int(tick.settings["MAX_CHANGES_PER_SWEEP"]) and not released


def result(tick: Tick, account: Standing) -> str:
    """Return what had to come of a drift."""
    if mode(tick) == "audit":
        return "WOULD_DISABLE"
    if tick.killed:
        return "NOT_TOLD"
    code = tick.refused.get(account.id)
    if code is not None:
        return _RESULT_BY_CODE[code]
    on = {each.id: each.keys_on for each in tick.after}[account.id]
    return "DISABLED" if account.id in tick.accepted and not on else "?"


def counts(found: list[Seen]) -> dict[str, int]:
    """Return accounts by verdict."""
    return Counter(each.verdict for each in found)
