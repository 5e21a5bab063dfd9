"""What a reader of the workbook should see of a month, from what truly happened in it.

Nothing here looks at an event. What an account's tags mean is written out again for the tags that
occur in the month, so that the product's own reading of them is not asked.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from tests.support.captured import naive
from tools.month import TAG, Standing, Tick, Truth, Turn

SCOPE = ("corp-prod", "finance-prod", "web-prod", "logistics-prod", "lab")
_UNREADABLE = {"31/12/2026", "until=soon"}
_TAG_HOLDS = {"UNREADABLE_TAG", "NEAR_MISS_TAG", "TAG_BREAKS_RULE"}
_LAG = timedelta(seconds=90)
_LOG_KEPT = timedelta(days=14)
_WAR = 3
_RESULT_BY_CODE = {
    "ScopeLocked": "LOCKED",
    "RequestDisallowedByPolicy": "POLICY_DENIED",
    "InternalServerError": "UNVERIFIED",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One account as one tick had to see it."""

    account: Standing
    verdict: str
    """COMPLIANT, EXEMPT, DRIFT, or HELD."""
    hold: str = ""
    until: date | None = None

    @property
    def names(self) -> tuple[str, str]:
        """The account's name and its subscription's."""
        return self.account.name, self.account.subscription


@dataclass(frozen=True, slots=True)
class Drift:
    """An account that one tick found adrift, and what had to come of it."""

    tick: Tick
    finding: Finding
    result: str

    @property
    def account(self) -> Standing:
        """The account as it stood before the tick."""
        return self.finding.account


def _tag(account: Standing) -> str | None:
    return account.tags.get(TAG)


def _until(value: str) -> date | None:
    text = value.partition(";")[0].removeprefix("until=")
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def tag_field(account: Standing, name: str) -> str:
    """Return the value of one field of an exemption tag, empty if the tag does not have it."""
    fields = (field.strip().partition("=") for field in (_tag(account) or "").split(";"))
    return next((value for field, _, value in fields if field == name), "")


def _judged(account: Standing, today: date, longest: int | None, *, strict: bool) -> Finding:
    value = _tag(account)
    until = _until(value) if value is not None else None
    if not account.keys_on:
        return Finding(account, "COMPLIANT", until=until)
    if value in _UNREADABLE:
        return Finding(account, "DRIFT") if strict else Finding(account, "HELD", "UNREADABLE_TAG")
    if value is None:
        near = "LocalAuthExempt" in account.tags
        return Finding(account, "HELD", "NEAR_MISS_TAG") if near else Finding(account, "DRIFT")
    if until is not None and until < today:
        return Finding(account, "DRIFT", until=until)
    if longest is not None and (until is None or (until - today).days > longest):
        return Finding(account, "HELD", "TAG_BREAKS_RULE", until=until)
    return Finding(account, "EXEMPT", until=until)


class History:
    """The month up to a moment."""

    def __init__(self, truth: Truth, until: datetime) -> None:
        """Look at the ticks that had ended by then."""
        self.truth = truth
        self.until = until
        self.ticks = [tick for tick in truth.ticks if naive(tick.ended) <= until]
        self.read = list(filter(reads, self.ticks))
        self.logged = list(filter(reads_change_log, self.ticks))
        self.completed = list(filter(completes, self.ticks))
        self.told = [tick for tick in self.read if completes(tick)]
        """Those that read something, and ran to their end: what readers go by."""
        self.last_reads = {name: tick for tick in self.told for name in readable(tick)}

    def now(self) -> Iterator[tuple[str, Tick, list[Finding]]]:
        """Each subscription, the last tick that read it, and what that had to see."""
        for name, tick in sorted(self.last_reads.items()):
            yield name, tick, findings_in(tick, name)

    def current(self, *verdicts: str) -> list[tuple[Tick, Finding]]:
        """Return what stood then, of some verdicts or of all, and the last tick that read it."""
        return [
            (tick, finding)
            for _, tick, found in self.now()
            for finding in found
            if not verdicts or finding.verdict in verdicts
        ]

    def open_drifts(self) -> list[Drift]:
        """Return the drifts that stood then, and that were not fixed."""
        return [drift for drift in drifts(self.current("DRIFT")) if drift.result != "DISABLED"]

    def unseen(self) -> list[str]:
        """Return the subscriptions in scope that the newest sweep could not read."""
        return sorted(set(SCOPE) - set(covered(self.completed[-1])))

    def turns(self) -> list[Turn]:
        """Return every turn that some tick had to tell: it read the change log, in time."""
        found = []
        for turn in self.truth.turns:
            at, subscription = naive(turn.at), self._subscription(turn.account)
            for number, tick in enumerate(self.ticks):
                last = naive(self.ticks[number - 1].at) if number else naive(tick.at) - _LOG_KEPT
                since = last - timedelta(hours=1) if number else last
                in_time = since <= at <= naive(tick.at) - _LAG
                if in_time and tick in self.logged and subscription in readable(tick):
                    found.append(turn)
                    break
        return found

    def wars(self) -> dict[str, tuple[int, Turn, Turn]]:
        """Return, by account, the flips last told while it was a war, and both sides' last."""
        found = {}
        for tick in self.logged:
            turns = known_turns(self.truth, tick)
            for account, mine in turns.items():
                last = {turn.turned: turn for turn in mine}
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


def enforced(tick: Tick, account: Standing) -> bool:
    """Whether keys had to go off in the account's subscription, by mode and rings."""
    rings = tick.settings.get("ENFORCE_SCOPES", "")
    if mode(tick) != "enforce" or not rings:
        return mode(tick) == "enforce"
    begins = dict(ring.strip().split("@") for ring in rings.split(","))
    own = begins.get(account.id.split("/")[2], begins["contoso"])
    return naive(tick.at) >= naive(own)


def reads(tick: Tick) -> bool:
    """Whether it could read anything."""
    return "200" in tick.answers


def reads_change_log(tick: Tick) -> bool:
    """Whether it could read the change log: Resource Graph was up."""
    return reads(tick) and "503" not in tick.answers


def completes(tick: Tick) -> bool:
    """Whether it ran to its end: its settings were taken, and it was not killed."""
    return not tick.killed and mode(tick) in {"audit", "enforce"}


def strict(tick: Tick) -> bool:
    """Whether tags that nobody can read counted for nothing."""
    return tick.settings.get("EXEMPTION_UNREADABLE") == "disable"


def wrong_tag(finding: Finding) -> str:
    """Return what is wrong with an account's tag, as far as it matters."""
    if finding.verdict == "DRIFT" and _tag(finding.account) in _UNREADABLE:
        return "UNREADABLE_TAG"
    return finding.hold if finding.hold in _TAG_HOLDS else ""


def readable(tick: Tick) -> list[str]:
    """Return the subscriptions in scope that a sweep could read then."""
    return [name for name in tick.readable if name in SCOPE]


def covered(tick: Tick) -> list[str]:
    """Return the subscriptions in scope that a sweep read: none if Azure answered nothing."""
    return readable(tick) if reads(tick) else []


def known_turns(truth: Truth, tick: Tick) -> Mapping[str, list[Turn]]:
    """Return what the platform's change log shows at a tick, by account."""
    at = naive(tick.at)
    found: dict[str, list[Turn]] = {}
    for turn in sorted(truth.turns, key=lambda turn: turn.at):
        if at - _LOG_KEPT < naive(turn.at) <= at - _LAG:
            found.setdefault(turn.account, []).append(turn)
    return found


def findings(tick: Tick) -> list[Finding]:
    """Return what a sweep had to make of every account that it could read."""
    today = naive(tick.at).date()
    longest = tick.settings.get("EXEMPTION_MAX_DAYS", "")
    found = [
        _judged(account, today, int(longest) if longest else None, strict=strict(tick))
        for account in tick.before
        if account.subscription in readable(tick)
    ]
    if mode(tick) == "enforce" and braked(tick, found):
        return [
            replace(finding, verdict="HELD", hold="BRAKE")
            if finding.verdict == "DRIFT" and enforced(tick, finding.account)
            else finding
            for finding in found
        ]
    return found


def findings_in(tick: Tick, subscription: str) -> list[Finding]:
    """Return what a sweep had to make of the accounts of one subscription."""
    return [finding for finding in findings(tick) if finding.account.subscription == subscription]


def found_by(ticks: Iterable[Tick]) -> Iterator[tuple[Tick, Finding]]:
    """Return all findings of those ticks that could read, in their order."""
    return ((tick, finding) for tick in ticks if reads(tick) for finding in findings(tick))


def drifts(found: Iterable[tuple[Tick, Finding]]) -> list[Drift]:
    """Return the drifts among findings."""
    return [
        Drift(tick, finding, result(tick, finding.account))
        for tick, finding in found
        if finding.verdict == "DRIFT"
    ]


def braked(tick: Tick, found: list[Finding]) -> bool:
    """Whether there is more to change than the limit, and no release."""
    release = tick.settings.get("BRAKE_RELEASE_UNTIL", "")
    released = bool(release) and naive(tick.at) < naive(release)
    drift = sum(
        finding.verdict == "DRIFT" and (mode(tick) == "audit" or enforced(tick, finding.account))
        for finding in found
    )
    return drift > int(tick.settings["MAX_CHANGES_PER_SWEEP"]) and not released


def result(tick: Tick, account: Standing) -> str:
    """Return what had to come of a drift."""
    if not enforced(tick, account):
        return "WOULD_DISABLE"
    if tick.killed:
        return "NOT_TOLD"
    code = tick.refused.get(account.id)
    if code is not None:
        return _RESULT_BY_CODE[code]
    on = {standing.id: standing.keys_on for standing in tick.after}[account.id]
    return "DISABLED" if account.id in tick.accepted and not on else "?"


def days_left(tick: Tick, finding: Finding) -> int | None:
    """Return how long an exemption lasts from a tick on; None: it has no end."""
    return (finding.until - naive(tick.at).date()).days if finding.until else None


def counts(found: Iterable[Finding]) -> Counter[str]:
    """Return accounts by verdict."""
    return Counter(finding.verdict for finding in found)
