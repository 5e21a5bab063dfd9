"""The laws of tenant and sweeps, judged from what the server saw. Pure: nothing of the product.

What exempts an account is written here once more, from the table in the design, so that the judge
doesn't take the product's word for it.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

TAG = "local-auth-exempt"
FRESH = timedelta(seconds=5)
GRACE_SECONDS = 10.0
FAILING = frozenset({"NO_ROLE", "UNVERIFIED", "FAILED"})
# The kinds that are in scope where nothing else is set.
KINDS = frozenset({"openai", "aiservices"})

type Say = Literal["open", "exempt", "held"]
type Tags = Mapping[str, str]


# What a tag says


def value_says(value: str, today: date) -> Say:
    """Judge the value of a tag that has our name."""
    word = value.strip().lower()
    if word in {"false", "no", "off", "0"}:
        return "open"
    if word in {"", "true", "yes", "on", "1"}:
        return "exempt"
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", word):
        return _day_says(word, today)
    if "=" in word:
        return _fields_say(word, today)
    return "held" if word[0].isdigit() else "exempt"


def _fields_say(word: str, today: date) -> Say:
    pairs = [part.split("=", 1) for part in word.split(";") if part.strip()]
    names = [pair[0].strip() for pair in pairs]
    known = all(len(pair) > 1 for pair in pairs) and set(names) <= {"until", "reason", "owner"}
    if not known or len(set(names)) < len(names):
        return "held"
    untils = [pair[1].strip() for pair in pairs if pair[0].strip() == "until"]
    return _day_says(untils[0], today) if untils else "exempt"


def _day_says(text: str, today: date) -> Say:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return "held"
    try:
        return "exempt" if date.fromisoformat(text) >= today else "open"
    except ValueError:
        return "held"


def levels_say(levels: Sequence[Tags], today: date, tag: str = TAG) -> Say:
    """Judge the tags of an account and of the levels above that count for it, nearest first."""
    near = False
    for tags in levels:
        for name, value in tags.items():
            if name.lower() == tag:
                return value_says(value, today)
            near = near or _letters(name) == _letters(tag)
    return "held" if near else "open"


def _letters(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


# What was recorded


@dataclass(frozen=True, slots=True)
class Seen:
    """A request of one sweep for an account, its group or its subscription."""

    ordinal: int
    sweep: int
    method: str
    account: str
    """The account's id in lower case; for a level above, the level's."""
    arrived: datetime
    served: datetime | None
    """When the server acted on it; None: it never did."""
    shown: bool
    """Whether the caller got the server's own answer, and it was a 200."""
    tags: Tags = field(default_factory=dict)
    """As they stood when it was served."""
    keys_on: bool = False
    """As a read showed it, which may be the old value for a while after a PATCH."""
    kind: str = ""
    """What kind of account a read showed, if it was the read of one."""
    announced: bool = False
    """Whether ingestion had accepted the DriftFound of this sweep and account as it arrived."""


@dataclass(frozen=True, slots=True)
class Written:
    """A PATCH that the server accepted."""

    ordinal: int
    sweep: int
    account: str
    at: datetime
    failed: bool
    """Whether the operation that it started fails in the end."""


@dataclass(slots=True)
class Swept:
    """One sweep, and all that is known of it."""

    number: int
    mode: str
    began: datetime
    budget: float
    ended: datetime | None = None
    paused: float = 0.0
    """Seconds past its budget for which its process stood still while time went on."""
    cut: bool = False
    """Whether it was killed or cancelled."""
    error: str = ""
    """The type of what it raised."""
    unexpected: str = ""
    """What it raised, if that is nothing that it may raise."""
    readable: frozenset[str] | None = None
    """The subscriptions that it was shown when it listed them."""
    events: list[dict[str, Any]] = field(default_factory=list)

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return its events of one name."""
        return [event for event in self.events if event["name"] == name]

    @property
    def completed(self) -> dict[str, Any] | None:
        """Its SweepCompleted, if it got so far."""
        found = self.named("SweepCompleted")
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Standing:
    """An account of a kind in scope as it stood before the last sweep, and what stops a change."""

    account: str
    keys_on: bool
    says: Say
    stopped: str = ""
    """The result that a change must have, if it can't succeed."""


@dataclass(slots=True)
class Record:
    """All that is known of one program."""

    inherit: bool
    kinds: frozenset[str] = KINDS
    """The kinds in scope, in lower case."""
    ring: str = ""
    """The id of the subscription that is the only ring, in lower case; empty: there are none."""
    requests: list[Seen] = field(default_factory=list)
    writes: list[Written] = field(default_factory=list)
    sweeps: list[Swept] = field(default_factory=list)
    before_last: list[Standing] = field(default_factory=list)
    on_at_last: frozenset[str] = frozenset()
    """The accounts whose keys are on when all is over."""
    faults: int = 0
    """Requests that a fault struck."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A law that was broken, and how."""

    law: str
    how: str


# The laws


def judge(record: Record) -> list[Broken]:
    """Return every breach of every law."""
    return [Broken(name, how) for name, law in LAWS.items() for how in law(record)]


def protected(record: Record) -> Iterator[str]:
    """No account is patched that a read at most five seconds old shows exempt, held or not ours."""
    for patch in record.requests:
        if patch.method != "PATCH":
            continue
        what = f"sweep {patch.sweep} patched {patch.account} at {patch.arrived:%H:%M:%S}"
        mine = [r for r in record.requests if r.sweep == patch.sweep and r.ordinal < patch.ordinal]
        patched = [r.ordinal for r in mine if r.account == patch.account and r.method == "PATCH"]
        since = max(patched, default=0)
        reads = [r for r in mine if r.shown and r.method == "GET" and r.ordinal > since]
        own = [r for r in reads if r.account == patch.account]
        if not own:
            yield f"{what} without a read of its own"
            continue
        read = own[-1]
        if patch.arrived - read.arrived > FRESH:
            yield f"{what} on a read of {read.arrived:%H:%M:%S}"
        if read.kind.lower() not in record.kinds:
            yield f"{what}, which its read showed to be a {read.kind}"
        yield from (f"{what}, {why}" for why in _shown_protected(record, patch, read, reads))


def _shown_protected(
    record: Record, patch: Seen, read: Seen, reads: Sequence[Seen]
) -> Iterator[str]:
    assert read.served is not None
    levels: list[Tags] = [read.tags]
    group = patch.account.partition("/providers/")[0]
    for level in (group, group.partition("/resourcegroups/")[0]):
        if not record.inherit or any(name.lower() == TAG for name in levels[-1]):
            break
        shown = [r for r in reads if r.account == level and r.ordinal > read.ordinal]
        if not shown:
            yield f"and nothing showed it {level}"
            return
        # Units of one sweep read the same group: any of these reads may be this unit's.
        levels.append(min((r.tags for r in shown), key=lambda tags: _protects(tags, read)))
    says = levels_say(levels, read.served.date())
    if says != "open":
        yield f"which its read showed to be {says}: {levels}"


def _protects(tags: Tags, read: Seen) -> bool:
    assert read.served is not None
    return levels_say([tags], read.served.date()) != "open"


def audit_writes_nothing(record: Record) -> Iterator[str]:
    """Let no sweep in audit mode send a PATCH."""
    audits = {sweep.number for sweep in record.sweeps if sweep.mode == "audit"}
    for request in record.requests:
        if request.method == "PATCH" and request.sweep in audits:
            yield f"sweep {request.sweep} patched {request.account} in audit mode"


def rings(record: Record) -> Iterator[str]:
    """Let no PATCH be sent to an account that is in no ring."""
    for request in record.requests:
        is_outside = not request.account.startswith(f"/subscriptions/{record.ring}")
        if request.method == "PATCH" and record.ring and is_outside:
            yield f"sweep {request.sweep} patched {request.account} outside the rings"


def announced(record: Record) -> Iterator[str]:
    """Every PATCH that arrives was announced by a DriftFound that ingestion had accepted."""
    for request in record.requests:
        if request.method == "PATCH" and not request.announced:
            yield (
                f"sweep {request.sweep} patched {request.account} at {request.arrived:%H:%M:%S}, "
                "and no DriftFound of it had been accepted"
            )


def outcomes(record: Record) -> Iterator[str]:
    """Every accepted write is in the outcomes of its sweep, if that ran to its end."""
    for write in record.writes:
        sweep = _sweep(record, write.sweep)
        reported = any(
            event["accountId"] == write.account and event["accepted"] == "true"
            for event in sweep.named("RemediationOutcome")
        )
        if not reported and not sweep.cut:
            what = f"sweep {write.sweep}'s write to {write.account} at {write.at:%d %H:%M:%S}"
            yield f"{what} is in none of its outcomes"


def _tells(event: Mapping[str, Any], write: Written) -> bool:
    apart = abs(datetime.fromisoformat(event["changedAt"]) - write.at)
    same = event["accountId"] == write.account and apart < timedelta(milliseconds=2)
    return same and event["ours"] == "true" and event["turned"] == "off"


def ours_is_ours(record: Record) -> Iterator[str]:
    """Let what is told as our own change be one."""
    for sweep in record.sweeps:
        for event in sweep.named("KeyAccessChanged"):
            if event["ours"] == "true" and not any(_tells(event, w) for w in record.writes):
                yield f"sweep {sweep.number} calls {event['accountId']} {event['changedAt']} ours"


def done_is_done(record: Record) -> Iterator[str]:
    """Nothing that failed is reported as done: it was sent, and the server showed it off."""
    for sweep, event, requests in _disabled(record):
        what = f"sweep {sweep.number} says that it disabled {event['accountId']}"
        sent = [request.ordinal for request in requests if request.method == "PATCH"]
        if not sent:
            yield f"{what}, and sent nothing"
            continue
        later = [r for r in requests if r.ordinal > sent[-1] and r.method == "GET" and r.shown]
        if all(read.keys_on for read in later):
            yield f"{what}, and nothing showed its keys off"


def done_stays_done(record: Record) -> Iterator[str]:
    """Nothing is reported as done while the operation that does it can fail, and does."""
    for sweep, event, _ in _disabled(record):
        account = event["accountId"]
        writes = [w for w in record.writes if (w.sweep, w.account) == (sweep.number, account)]
        if writes and writes[-1].failed:
            yield f"sweep {sweep.number} says that it disabled {account}, and the operation failed"


def _disabled(record: Record) -> Iterator[tuple[Swept, dict[str, Any], list[Seen]]]:
    """Return what is reported as done, with the requests of its sweep for that account."""
    for sweep in record.sweeps:
        for event in sweep.named("RemediationOutcome"):
            if event["result"] == "DISABLED":
                mine = (sweep.number, event["accountId"])
                yield sweep, event, [r for r in record.requests if (r.sweep, r.account) == mine]


def counts(record: Record) -> Iterator[str]:
    """Let counts add up, and what could not be read be a gap."""
    for sweep in record.sweeps:
        done = sweep.completed
        if done is not None:
            yield from (f"sweep {sweep.number}: {why}" for why in _miscounted(sweep, done))


def _miscounted(sweep: Swept, done: Mapping[str, Any]) -> Iterator[str]:
    numbers = {
        name: int(done[name]) for name in ("accounts", "compliant", "exempt", "held", "drift")
    }
    if numbers["accounts"] != sum(numbers.values()) - numbers["accounts"]:
        yield f"{numbers} don't add up"
    outcomes = sweep.named("RemediationOutcome")
    results = Counter(event["result"] for event in outcomes)
    counted = {
        "held": len(sweep.named("AccountHeld")),
        "drift": len(sweep.named("DriftFound")),
        "disabled": results["DISABLED"],
        "deferred": results["DEFERRED"],
        "needingAttention": sum(results[result] for result in FAILING),
        "gaps": len(sweep.named("CoverageGap")),
    }
    for name, count in counted.items():
        if int(done[name]) != count:
            yield f"{name} is {done[name]}, and {count} were told"
    drifted = Counter(event["accountId"] for event in sweep.named("DriftFound"))
    if drifted != Counter(event["accountId"] for event in outcomes):
        yield f"drifts and outcomes are not the same: {drifted} {results}"
    yield from _not_whole(sweep, done, counted)


def _not_whole(sweep: Swept, done: Mapping[str, Any], counted: Mapping[str, int]) -> Iterator[str]:
    whole = done["whole"] == "true"
    if whole == (sweep.error == "SweepNotWhole") and not sweep.cut:
        yield f"whole is {whole}, and it raised {sweep.error or 'nothing'}"
    if whole and (counted["gaps"] or counted["needingAttention"] or not done["subscriptionsRead"]):
        yield f"it calls itself whole: {counted}, {done['subscriptionsRead']} subscriptions read"
    gaps = sweep.named("CoverageGap")
    broad = any(gap["gapKind"] in {"tenant", "managementGroup"} for gap in gaps)
    if sweep.readable is not None and not broad:
        missing = {gap["subscriptionId"] for gap in gaps if gap["gapKind"] == "subscription"}
        if int(done["subscriptionsRead"]) + len(missing) != len(sweep.readable):
            yield (
                f"{done['subscriptionsRead']} subscriptions read and {len(missing)} missing, of "
                f"{len(sweep.readable)}"
            )


def budget(record: Record) -> Iterator[str]:
    """Every sweep ends in its budget, give or take ten seconds."""
    for sweep in record.sweeps:
        if sweep.ended is None:
            yield f"sweep {sweep.number} never ended"
        elif not sweep.cut:
            took = (sweep.ended - sweep.began).total_seconds() - sweep.paused
            if took > sweep.budget + GRACE_SECONDS:
                yield f"sweep {sweep.number} took {took:.0f} s of {sweep.budget:.0f} s"


def converges(record: Record) -> Iterator[str]:
    """With the faults gone, one more sweep leaves nothing that it can fix, and counts it right."""
    if not record.sweeps or record.sweeps[-1].cut:
        return
    sweep = record.sweeps[-1]
    open_ones = {s.account: s for s in record.before_last if s.keys_on and s.says == "open"}
    left = {a for a in open_ones if a in record.on_at_last and not open_ones[a].stopped}
    if left:
        yield f"left with keys on: {sorted(left)}"
    done = sweep.completed
    if done is None:
        yield f"the last sweep did not complete: {sweep.error}"
        return
    on = [s for s in record.before_last if s.keys_on]
    truth = {
        "compliant": len(record.before_last) - len(on),
        "exempt": sum(s.says == "exempt" for s in on),
        "held": sum(s.says == "held" for s in on),
        "drift": len(open_ones),
        "gaps": 0,
    }
    if truth != {name: int(done[name]) for name in truth}:
        yield f"it counts { {name: int(done[name]) for name in truth} }, and there are {truth}"
    results = {event["accountId"]: event["result"] for event in sweep.named("RemediationOutcome")}
    expected = {account: s.stopped or "DISABLED" for account, s in open_ones.items()}
    if results != expected:
        yield f"the last sweep's results are {results}, and not {expected}"


def ends_as_it_may(record: Record) -> Iterator[str]:
    """Let a sweep raise nothing but what says that somebody must look."""
    for sweep in record.sweeps:
        if sweep.unexpected:
            yield f"sweep {sweep.number} raised {sweep.unexpected}"


def _sweep(record: Record, number: int) -> Swept:
    return next(sweep for sweep in record.sweeps if sweep.number == number)


LAWS: Mapping[str, Callable[[Record], Iterator[str]]] = {
    "protected": protected,
    "audit writes nothing": audit_writes_nothing,
    "rings": rings,
    "announced": announced,
    "outcomes": outcomes,
    "ours is ours": ours_is_ours,
    "done is done": done_is_done,
    "done stays done": done_stays_done,
    "counts": counts,
    "budget": budget,
    "converges": converges,
    "ends as it may": ends_as_it_may,
}
