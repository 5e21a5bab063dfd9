"""The laws of a sweep over odd answers, judged from what the server saw. Pure.

Most are the soak's own; here are those that need to know what was bent, and what is true.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from soak import laws as soak
from soak.laws import Broken
from soak.odd.bends import RESULTS, waits_of
from soak.odd.world import START, Asked, Happened

# From the look at a release to the arrival of its PATCH: the most that a decision may be old.
_FRESH = timedelta(seconds=5)
# Of a sweep's budget: what is kept for telemetry, what a unit needs, and its read-back at most.
_FLUSH_SECONDS, _UNIT_SECONDS, _READ_BACK_SECONDS = 20.0, 95.0, 35.0
_QUARTER = 15 * 60
_TURNS = 96
_MOST_TURNS = 12
# What ARM says of a subscription that is no longer ours to read.
_NOT_OURS = ("403", "disallowed by Azure", "policy", "another tenant")
# A page follows the one before it at once, but for a moment in which time passes.
_AT_ONCE_SECONDS = 3.0
# Nobody has to use a token that ends so soon.
_USABLE = timedelta(seconds=60)
# Answers to the request for a token that have none, and that come at once.
_NO_TOKEN = (
    "error body", "empty object", "empty array", "null", "nothing", "truncated", "too deep", "HTML",
    "gzip that is none",
)  # fmt: skip
_SINCE = datetime(2024, 1, 1, tzinfo=UTC)


def judge(happened: Happened) -> list[Broken]:
    """Return every breach of every law."""
    return [Broken(name, how) for name, law in LAWS.items() for how in law(happened)]


def left_alone(happened: Happened) -> Iterator[str]:
    """Nothing is written that the truth protects or leaves out."""
    truth = {account.account: account for account in happened.truth}
    for write in happened.record.writes:
        account = truth[write.account]
        if not account.in_scope:
            yield f"it wrote to {account.account}, which is {account.why_not}"
        elif account.says != "open":
            yield f"it wrote to {account.account}, which is {account.says}"


def seen(happened: Happened) -> Iterator[str]:
    """Let a sweep that says whole have seen each subscription and counted each account."""
    done = happened.swept.completed
    if done is None or done["whole"] != "true":
        return
    swept = happened.swept
    read = {event["subscriptionId"] for event in swept.named("SubscriptionRead")}
    missed = set(happened.subscriptions) - read - _without_a_witness(happened)
    if _is_lost(happened):
        # What was told did not all arrive: the tick says so, and the counts alone are judged.
        missed = set()
        read = set(happened.subscriptions)
    if missed:
        yield f"it calls itself whole, and never read {sorted(missed)}"
    true = [
        account for account in happened.truth if account.in_scope and account.subscription in read
    ]
    if not missed and int(done["accounts"]) != len(true) and read == happened.subscriptions:
        yield f"it counts {int(done['accounts'])} accounts, and there are {len(true)}"
    reported = {
        event["accountId"]
        for name in ("DriftFound", "AccountHeld", "ExemptionObserved")
        for event in swept.named(name)
    }
    untold = {account.account for account in true if account.keys_on} - reported
    if untold and not _is_lost(happened):
        yield f"it calls itself whole, and told nothing of {sorted(untold)}"


def _without_a_witness(happened: Happened) -> frozenset[str]:
    """Return the subscriptions that nobody could have missed.

    Where all is in scope, ARM's list is held against Resource Graph alone: what that doesn't show,
    or any subscription if it does not answer (it is only a witness), can be lost from ARM's list.
    And so can one that Resource Graph shows while ARM refuses it: that is one no longer ours.
    """
    if happened.example.options.scope != "all":
        return frozenset()
    places = {place for place, _ in happened.struck}
    refused = any(
        place == "subscription" and shape in _NOT_OURS for place, shape in happened.struck
    )
    return happened.subscriptions if "shown" in places or refused else happened.hidden


def _is_lost(happened: Happened) -> bool:
    return happened.swept.error == "TelemetryLost"


def nowhere_else(happened: Happened) -> Iterator[str]:
    """No token goes anywhere but to Azure: nothing is even connected to."""
    if happened.elsewhere:
        yield f"{happened.elsewhere} connections were made to where no token may go"


def secret(happened: Happened) -> Iterator[str]:
    """Nothing secret is told."""
    yield from (f"{what} is in what was told" for what in happened.secrets_told)


def ends(happened: Happened) -> Iterator[str]:
    """Let the tick end, and say how: by its last event, or by one error that has a text."""
    if happened.endless:
        yield happened.endless
    elif happened.swept.error == "SettingsError":
        yield f"each of its settings is as it may be, and it raised: {happened.error_text}"
    elif happened.swept.error and not happened.error_text and not happened.swept.unexpected:
        yield f"it raised {happened.swept.error} without a word"
    elif not happened.swept.error and happened.swept.completed is None:
        yield "it ended as if all were well, and told of no end"


def counts(happened: Happened) -> Iterator[str]:
    """Let counts add up, as the soak has it, wherever all that was told arrived."""
    if not _is_lost(happened):
        yield from soak.counts(happened.record)


def outcomes(happened: Happened) -> Iterator[str]:
    """Every accepted write is in the outcomes, wherever all that was told arrived.

    Where nothing was lost but events that OpenTelemetry did not take, no other is missing.
    """
    missing = list(soak.outcomes(happened.record))
    if _is_lost(happened):
        untaken = [shape for _, shape in happened.struck if shape == "takes no event"]
        if len(untaken) < len(happened.struck):
            return
        missing += [] if happened.swept.completed else ["it told of no end"]
        if len(missing) <= len(untaken):
            return
    yield from missing


def brake(happened: Happened) -> Iterator[str]:
    """No more accounts are written to than the brake lets through, or after its release."""
    options = happened.example.options
    patches = [request for request in happened.record.requests if request.method == "PATCH"]
    most = options.most_changes
    written = {write.account for write in happened.record.writes}
    if options.released_for is None:
        if len(written) > most:
            yield f"it wrote to {len(written)} accounts, and the brake is at {most}"
        return
    until = START + timedelta(seconds=options.released_for)
    late = [patch for patch in patches if patch.arrived > until + _FRESH]
    if late and len({patch.account for patch in patches}) > most:
        yield f"{len(late)} changes came after the release of the brake had ended"


def named(happened: Happened) -> Iterator[str]:
    """Let a refused PATCH be called what Azure said, and one that was not answered be no end."""
    results = {
        event["accountId"]: event["result"] for event in happened.swept.named("RemediationOutcome")
    }
    patches: dict[str, list[Asked]] = {}
    for asked in happened.asked:
        if asked.place == "patch":
            patches.setdefault(asked.path, []).append(asked)
    for account, sent in patches.items():
        refusals = [str(shape) for shape in sent[-1].struck if str(shape) in RESULTS]
        expected = RESULTS[refusals[0]] if refusals and len(sent[-1].struck) == 1 else ""
        result = results.get(account, expected)
        if expected and result != expected:
            yield f"Azure said {refusals[0]}, and {account} is called {result}"
        alone = len(patches) == 1
        if result == "UNVERIFIED" and alone and _deserves_another(happened, sent):
            yield f"one PATCH to {account} was not answered, and no other was tried"


def _deserves_another(happened: Happened, sent: list[Asked]) -> bool:
    """Whether nothing but one PATCH that Azure failed to take stood in the way."""
    options = happened.example.options
    work = options.budget - min(_FLUSH_SECONDS, options.budget / 4)
    last_begin = work - min(_UNIT_SECONDS, work / 2)
    read_back = (sent[0].arrived - START).total_seconds() + _READ_BACK_SECONDS
    failed = sent[0].struck in (("503",), ("cut",))
    only_that = {place for place, _ in happened.struck} == {"patch"}
    return len(sent) == 1 and failed and only_that and read_back < last_begin


def paced(happened: Happened) -> Iterator[str]:
    """No request leaves for a lane that Azure closed, for as long as it said."""
    if any(shape in ("late connection", "no connection") for _, shape in happened.struck):
        return  # What is sent before a refusal may arrive long after it.
    for refusal in happened.asked:
        waits = max((waits_of(shape) for shape in refusal.struck), default=0.0)
        if not waits or refusal.served is None:
            continue
        until = refusal.served + timedelta(seconds=waits)
        for other in happened.asked:
            same = _lane(other) is not None and _lane(other) == _lane(refusal)
            if same and refusal.served < other.arrived < until:
                early = (until - other.arrived).total_seconds()
                yield f"{other.method} {other.path} came {early:.0f} s before Azure's word"


def _lane(asked: Asked) -> tuple[str, str] | None:
    """Return what Azure meters together; None for what a unit asks, which has its permit."""
    if asked.place in ("account", "group", "subscription", "token"):
        return None
    if "/microsoft.resourcegraph/" in asked.path:
        return ("graph", "")
    parts = asked.path.split("/")
    use = "read" if asked.method == "GET" else "write"
    return (parts[2] if parts[1] == "subscriptions" and len(parts) > 2 else asked.path, use)


def unhindered(happened: Happened) -> Iterator[str]:
    """No list of accounts waits for the lane of another subscription, which Azure closed."""
    throttled = all(
        place == "accounts" and str(shape).startswith("429") for place, shape in happened.struck
    )
    lists: dict[str, list[Asked]] = {}
    for asked in happened.asked if throttled else ():
        if asked.place == "accounts":
            lists.setdefault(asked.path, []).append(asked)
    for path, pages in lists.items():
        if any(page.struck for page in pages):
            continue
        for before, page in pairwise(pages):
            waited = (page.arrived - before.arrived).total_seconds()
            if waited > _AT_ONCE_SECONDS:
                yield f"a page of {path} waited {waited:.0f} s, and nothing was in its way"


def renewed(happened: Happened) -> Iterator[str]:
    """No read fails for want of a new token while the one there is still good."""
    asked = [request for request in happened.asked if request.place == "token"]
    took = (happened.swept.ended or START) - START
    good_for = timedelta(seconds=happened.example.options.token_life) - _USABLE
    only_that = all(place == "token" and shape in _NO_TOKEN for place, shape in happened.struck)
    if not asked or asked[0].struck or not only_that or took > good_for:
        return
    if happened.subscriptions and happened.swept.named("CoverageGap"):
        gap = happened.swept.named("CoverageGap")[0]
        yield f"it had a token, and yet there is a gap: {gap}"


def turns(happened: Happened) -> Iterator[str]:
    """Where nothing is bent, each subscription whose turn has come is read from ARM as well."""
    done = happened.swept.completed
    if happened.struck or done is None:
        return
    now = _firing(START)
    before = happened.example.options.fired_before
    last = now - 1 if before is None else _firing(START - timedelta(minutes=before))
    due = {number % _TURNS for number in range(max(last + 1, now - _MOST_TURNS + 1), now + 1)}
    listed = {asked.path.split("/")[2] for asked in happened.asked if asked.place == "accounts"}
    for name in happened.subscriptions - listed:
        if zlib.crc32(name.encode()) % _TURNS in due:
            yield f"the turn of {name} has come, and ARM was not asked for its accounts"


def _firing(moment: datetime) -> int:
    """Return which quarter of an hour since 2024 it is."""
    return int((moment - _SINCE).total_seconds()) // _QUARTER


def _as_the_soak(
    law: Callable[[soak.Record], Iterator[str]],
) -> Callable[[Happened], Iterator[str]]:
    return lambda happened: law(happened.record)


LAWS: Mapping[str, Callable[[Happened], Iterator[str]]] = {
    "left alone": left_alone,
    "protected": _as_the_soak(soak.protected),
    "audit writes nothing": _as_the_soak(soak.audit_writes_nothing),
    "announced": _as_the_soak(soak.announced),
    "seen": seen,
    "nowhere else": nowhere_else,
    "secret": secret,
    "ends": ends,
    "ends as it may": _as_the_soak(soak.ends_as_it_may),
    "budget": _as_the_soak(soak.budget),
    "counts": counts,
    "outcomes": outcomes,
    "done is done": _as_the_soak(soak.done_is_done),
    "brake": brake,
    "named": named,
    "paced": paced,
    "unhindered": unhindered,
    "renewed": renewed,
    "turns": turns,
}
