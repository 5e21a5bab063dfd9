"""Bugs, each planted into the product by a patch that only tests apply.

The first five are the soak's own; the others are what an adversarial reading found in the product
once, and what was mended, in the sweep and, at the end, in the command line. The judge of `laws`
has to find every one of them, by the soak, by the odd answers of `soak.odd` or by the person of
`soak.line`, as `BREAKS` says. What of that reading is not here stands in `UNSEEN`.
"""

import asyncio
import json
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal
from unittest import mock

from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.core.pipeline.transport import AioHttpTransport

from keysweep import exempt as line_exempt
from keysweep import exit_codes, names, settings_file, standing
from keysweep import granting as line_granting
from keysweep import record as line_record
from keysweep import sweep as line_sweep
from keysweep import undo as line_undo
from keysweep import wish as line_wish
from keysweep.session import Session
from shared import workspace
from shared.border import (
    answers,
    arm,
    graph,
    lanes,
    ledger,
    pacing,
    refusals,
    telemetry,
    tokens,
    transport,
)
from shared.core import addresses, decision, exemption, rings, settings
from shared.core.errors import AzureError, Busy, NoRole, SettingsError, Stale, Unclear
from shared.core.events import Event, SweepContext
from shared.core.model import (
    Account,
    AccountId,
    Decision,
    Exempt,
    Exemption,
    GapKind,
    Lapsed,
    Outcome,
    Result,
    Subscription,
)
from shared.core.schedule import Schedule
from shared.core.wire import identified
from shared.steps import allowance, arm_lists, cross_check, remediation, scope
from soak.odd.example import LINKS, Focus
from soak.program import Admit, Fault, Finish, Start, Step, Team


class Bug(StrEnum):
    """What is wrong."""

    NO_RE_READ = "no re-read"
    RESENT_PATCH = "a PATCH re-sent by the pipeline"
    NO_READ_BACK = "no read-back"
    EMPTY_IS_WHOLE = "an empty scope counted as whole"
    LAPSED_HONOURED = "a lapsed tag honoured"
    KIND_FORGOTTEN = "a second look that leaves out the kind"
    NOT_AWAITED = "an announcement that is not awaited"
    AGE_TOO_EARLY = "a PATCH's age taken before its connection is made"
    NO_CEILING_OF_A_WAIT = "a Retry-After without a ceiling"
    OUTSIDE_THE_RINGS = "rings that nobody looks at"

    ONLY_AN_ID = "an account believed that has no properties"
    NULL_IS_NO_TAG = "tags that are null taken for none"
    NO_ARRAY_IS_EMPTY = "a page without its array taken for an empty one"
    KIND_MISSING = "a row without its kind passed over"
    STRANGERS = "a row of another subscription acted on"
    BY_NUMBER = "rows of Resource Graph counted by number"
    ONE_WITNESS = "ARM's list of subscriptions not held against Resource Graph"
    IN_A_CIRCLE = "a link that leads to itself followed"
    COLUMN_MISSING = "a row's columns not looked for"
    TAKEN_FOR_A_COUNT = "a count that is true taken for one"
    TOO_DEEP = "JSON that is too deep not caught"
    NO_CEILING_OF_AN_ANSWER = "an answer of any length read"
    ENDS_LIKE_OURS = "the token sent to an address that ends like ours"
    ANY_PORT = "the token sent to any port"
    NOTHING_TAKEN = "an answer that took nothing counted as an acknowledgement"
    RELEASE_SEEN_ONCE = "the release of the brake looked at once"
    HUGE_NUMBERS = "numbers of any length taken from headers"
    NO_DATES = "a Retry-After that is a date passed over"
    FIRST_WORD = "the first word on a wait counted, and not the longest"
    DISALLOWED_IS_NO_ROLE = "what Azure itself disallows taken for a missing role"
    CONFLICT_IS_BUSY = "a conflict that nobody listed taken for a busy account"
    UNVERIFIED_AT_ONCE = "a write that was not answered not tried again"
    LEVEL_BELIEVED = "a resource group believed that has nothing"
    COUNTED_TWICE = "a row that comes twice counted twice"
    NOT_HANDED_OVER = "an event that can't be handed over stops what goes on"
    PLACE_KEPT = "a place kept by a list that waits for its lane"
    GOOD_TOKEN_UNUSED = "a token that is still good not used when its renewal fails"
    FEW_SIGNS = "a near miss of the tag's name by signs beyond - _ . and blank passed over"
    AUDIT_REFUSED = "audit mode refused while the brake is released"
    TENANT_IS_NO_ROLE = "a sign-in to another tenant taken for a missing role"
    TURNS_MISSED = "turns of the second source missed with the firings"

    NAMED_ANYWHERE = "an account that is named looked for outside the scope"
    YES_RELEASES = "--yes releases the brake"
    YES_ENFORCES = "--yes enforces in audit mode"
    RECORD_AFTER = "the record written after the change"
    RECORD_KEPT_BACK = "the record kept in a buffer"
    TURNED_SINCE = "undo gives back what somebody turned since"
    UNDONE_ANYWHERE = "undo leaves the scope that was said"
    ANY_TAG_REPLACED = "undo replaces a tag that is there"
    OWNER_DROPPED = "exempt drops the owner"
    SHORTENED = "--yes shortens an exemption"
    NULL_IS_TEXT = "a null in a settings file taken for a text"
    STOPPED_IS_NOTHING = "a command that was stopped says that nothing was changed"
    HELD_IS_FINE = "a sweep that leaves accounts held ends with 0"


@dataclass(frozen=True, slots=True)
class Hunted:
    """Who has to find a bug, and the law that it breaks."""

    by: Literal["soak", "odd", "line"]
    law: str
    focus: Focus | None = None
    """For odd answers: what is bent in the hunt for it. Without, it takes very many sweeps."""
    first: tuple[Step, ...] = ()
    """For the soak: what each program in the hunt for it begins with, for the same reason."""


# An account that is deleted and created again as another kind, after discovery has seen it.
_ANOTHER_KIND: tuple[Step, ...] = (
    Team("create", "a"),
    Team("keys on", "a"),
    Team("tag", "a"),
    Start(0),
    Admit(6),
    Team("other kind", "a"),
    Finish(),
)

BREAKS: Mapping[Bug, Hunted] = {
    Bug.NO_RE_READ: Hunted("soak", "protected"),
    Bug.RESENT_PATCH: Hunted(
        "soak", "protected", first=(Fault("patch", "503 for 2 s after acting", 5),)
    ),
    Bug.NO_READ_BACK: Hunted("soak", "done is done"),
    Bug.EMPTY_IS_WHOLE: Hunted("soak", "counts", first=(Team("lose role"),)),
    Bug.LAPSED_HONOURED: Hunted("soak", "converges"),
    Bug.KIND_FORGOTTEN: Hunted("soak", "protected", first=_ANOTHER_KIND),
    Bug.NOT_AWAITED: Hunted("soak", "announced"),
    Bug.AGE_TOO_EARLY: Hunted("soak", "protected", first=(Fault("get", "late connection", 5),)),
    Bug.NO_CEILING_OF_A_WAIT: Hunted("soak", "converges", first=(Fault("get", "429 for years"),)),
    Bug.OUTSIDE_THE_RINGS: Hunted("soak", "rings"),
    Bug.ONLY_AN_ID: Hunted(
        "odd", "protected", Focus(("account",), ("only its id",), ("properties", "kind"))
    ),
    Bug.NULL_IS_NO_TAG: Hunted("odd", "protected", Focus(("account", "listing"), (), ("tags",))),
    Bug.NO_ARRAY_IS_EMPTY: Hunted(
        "odd", "seen", Focus(("accounts",), ("empty object", "error body"), ("value",))
    ),
    Bug.KIND_MISSING: Hunted("odd", "seen", Focus(("accounts",), (), ("kind",))),
    Bug.STRANGERS: Hunted("odd", "left alone", Focus(("accounts",), ("to another subscription",))),
    Bug.BY_NUMBER: Hunted("odd", "seen", Focus(("listing", "shown"), ("a row repeated",))),
    Bug.ONE_WITNESS: Hunted(
        "odd", "seen", Focus(("subscriptions",), ("a row repeated",), ("row", "nextLink"))
    ),
    Bug.IN_A_CIRCLE: Hunted("odd", "ends", Focus(("accounts", "groups"), ("to itself",))),
    Bug.COLUMN_MISSING: Hunted(
        "odd", "ends as it may", Focus(("listing", "census"), (), ("kind", "flag", "keysOn"))
    ),
    Bug.TAKEN_FOR_A_COUNT: Hunted("odd", "seen", Focus(("census",), (), ("keysOff", "keysOn"))),
    Bug.TOO_DEEP: Hunted("odd", "ends as it may", Focus(("subscriptions",), ("too deep",))),
    Bug.NO_CEILING_OF_AN_ANSWER: Hunted(
        "odd", "protected", Focus(("account",), ("gzip that unfolds",))
    ),
    Bug.ENDS_LIKE_OURS: Hunted("odd", "nowhere else", Focus(("accounts", "patch"), LINKS)),
    Bug.ANY_PORT: Hunted("odd", "nowhere else", Focus(("accounts", "patch"), LINKS)),
    Bug.NOTHING_TAKEN: Hunted(
        "odd", "announced", Focus(("announcement",), ("drops all", "drops all without a word"))
    ),
    Bug.RELEASE_SEEN_ONCE: Hunted(
        "odd", "brake", Focus(("account", "patch"), ("slow", "late connection", "429 for 20 s"))
    ),
    Bug.HUGE_NUMBERS: Hunted(
        "odd", "ends as it may", Focus(("accounts", "listing"), ("huge numbers", "429 for years"))
    ),
    Bug.NO_DATES: Hunted("odd", "paced", Focus(("accounts", "listing"), ("429 until a date",))),
    Bug.FIRST_WORD: Hunted("odd", "paced", Focus(("accounts", "listing"), ("429 in two words",))),
    Bug.DISALLOWED_IS_NO_ROLE: Hunted("odd", "named", Focus(("patch",), ("disallowed by Azure",))),
    Bug.CONFLICT_IS_BUSY: Hunted("odd", "named", Focus(("patch",), ("not registered",))),
    Bug.UNVERIFIED_AT_ONCE: Hunted("odd", "named", Focus(("patch",), ("503", "cut"))),
    Bug.LEVEL_BELIEVED: Hunted(
        "odd", "protected", Focus(("group",), ("empty object", "error body"))
    ),
    Bug.COUNTED_TWICE: Hunted("odd", "counts", Focus(("accounts",), ("a row twice",))),
    Bug.NOT_HANDED_OVER: Hunted("odd", "outcomes", Focus(("telemetry",), ("takes no event",))),
    Bug.PLACE_KEPT: Hunted("odd", "unhindered", Focus(("accounts",), ("429 for 20 s",))),
    Bug.GOOD_TOKEN_UNUSED: Hunted("odd", "renewed", Focus(("token",), ("HTML", "error body"))),
    Bug.FEW_SIGNS: Hunted("odd", "left alone", Focus(())),
    Bug.AUDIT_REFUSED: Hunted("odd", "ends", Focus(())),
    Bug.TENANT_IS_NO_ROLE: Hunted("odd", "named", Focus(("patch",), ("another tenant",))),
    Bug.TURNS_MISSED: Hunted("odd", "turns", Focus(())),
    Bug.NAMED_ANYWHERE: Hunted("line", "scope"),
    Bug.YES_RELEASES: Hunted("line", "brake"),
    Bug.YES_ENFORCES: Hunted("line", "audit"),
    Bug.RECORD_AFTER: Hunted("line", "recorded"),
    Bug.RECORD_KEPT_BACK: Hunted("line", "recorded"),
    Bug.TURNED_SINCE: Hunted("line", "undone"),
    Bug.UNDONE_ANYWHERE: Hunted("line", "scope"),
    Bug.ANY_TAG_REPLACED: Hunted("line", "undone"),
    Bug.OWNER_DROPPED: Hunted("line", "exemptions"),
    Bug.SHORTENED: Hunted("line", "exemptions"),
    Bug.NULL_IS_TEXT: Hunted("line", "scope"),
    Bug.STOPPED_IS_NOTHING: Hunted("line", "says so"),
    Bug.HELD_IS_FINE: Hunted("line", "says so"),
}


UNSEEN: Mapping[str, str] = {
    "Emitting is outside the budget: 12,000 events, an ingestion that takes four seconds": (
        "Telemetry waits in threads, by the real clock, which neither machine moves "
        "(tests/azure/test_everything_ends.py)."
    ),
    "More than 1,000 subscriptions go into one request of the command line's": (
        "Both machines run the sweep, and their tenants are small: Resource Graph's reader cuts "
        "every list in batches (tests/unit/border/test_graph.py)."
    ),
    "Operator and gateway catch another set of an SDK's errors": (
        "Both machines run the sweep, and not the command line (tests/unit/border/test_answers.py)."
    ),
    "Errors of our own mapping code pass for Azure's": (
        "It hides a bug that would have to be planted beside it "
        "(tests/unit/border/test_answers.py)."
    ),
    "Resource Graph's codes in `details` are lost": (
        "They are words for people, on which nothing that a sweep does hangs "
        "(tests/unit/border/test_refusals.py)."
    ),
    "An account that is put off for more than a day is named by no alert": (
        "Alerts read what many sweeps told (tests/dashboard/test_what_is_put_off_is_told.py)."
    ),
    "A link that says port 443 is refused": (
        "The local Azure listens at another port, so that no link to it can say this one "
        "(tests/azure/test_tokens_go_to_one_place.py)."
    ),
    "Settings: names that are none, lists of nothing, kinds that nobody knows, functionTimeout": (
        "They are judged before a sweep, and what is drawn are settings that are as they may be "
        "(tests/unit/core/test_settings.py, test_misspelled_settings_are_named.py)."
    ),
    "The local Azure answers otherwise than Azure": (
        "It is the world of both machines, and is held to recordings instead "
        "(tests/local_azure/test_is_held_to_recordings.py)."
    ),
}
"""What was found in the product and can't be found by a machine, why, and what tests it."""


@contextmanager
def plant(bug: Bug | None) -> Iterator[None]:
    """Make the product have a bug; None: leave it as it is."""
    with ExitStack() as stack:
        for target, name, replacement in _PATCHES[bug] if bug else ():
            stack.enter_context(mock.patch.object(target, name, replacement))
        yield


# What is written


async def _unit(self: remediation.Remediation, drift: Decision, _: allowance.Allowance) -> Outcome:
    """Change what discovery saw, however long ago."""
    doubt: AzureError | None = None
    leave_by = self.deadline.clock.monotonic() + remediation.FRESH_SECONDS
    try:
        await self.accounts.disable_local_auth(drift.account.id, leave_by)
    except Unclear as error:
        doubt = error
    return await self._read_back(drift, doubt)


def _pipeline(transport_used: Any, policies: list[Any]) -> Any:
    """Retry as azure-core does by itself, a PATCH after 500, 503 and 429 included."""
    return AsyncPipeline(transport_used, [*policies[:-1], AsyncRetryPolicy(), policies[-1]])


async def _read_back(_: remediation.Remediation, drift: Decision, __: AzureError | None) -> Outcome:
    """Believe that what was sent was done."""
    return Outcome(drift, Result.DISABLED, accepted=True)


def _whatever_kind(
    account: Account, in_scope: decision.Scope, rules: decision.Rules, today: date
) -> Decision:
    """Decide as if the account's kind were in scope."""
    kinds = (*in_scope.kinds, account.kind)
    return decision.decide(account, replace(in_scope, kinds=kinds), rules, today)


async def _at_once(
    _: telemetry.Telemetry, __: SweepContext, events: Sequence[Event], ___: float
) -> Sequence[Event]:
    """Take what was emitted for acknowledged."""
    return events


async def _age_first(
    self: transport.ClockedTransport, request: Any, *, leave_by: float | None = None, **config: Any
) -> Any:
    """Look at a PATCH's age, and then make its connection."""
    if leave_by is not None and self._clock.monotonic() >= leave_by:
        raise Stale("its decision is no longer fresh")
    config.pop("stream", None)
    config["trace_request_ctx"] = None
    response: Any = await AioHttpTransport.send(self, request, stream=True, **config)
    await transport._read_whole(response)
    return response


def _whatever_ring(self: rings.Rings, _: str, __: datetime) -> rings.Standing:
    """Enforce wherever SWEEP_MODE is enforce."""
    return rings.InForce("") if self.enforces else rings.Audited("Audit mode changes nothing.")


async def _say_at_once(
    self: remediation.Remediation, drift: Decision, left: allowance.Allowance
) -> Outcome:
    """Run the unit once, whatever came of it."""
    try:
        return await self._tried(drift, left)
    except remediation._NotTaken as not_taken:
        return not_taken.unverified


def _goes_on(_: allowance.Allowance, __: datetime) -> float:
    return math.inf


# What is believed


_sorted_out = scope.ScopeReader._sorted_out


def _no_gap(self: scope.ScopeReader, *given: Any) -> scope.InScope:
    """Find nothing wrong with an empty list."""
    found = _sorted_out(self, *given)
    gaps = tuple(
        gap
        for gap in found.gaps
        if gap.kind is not GapKind.TENANT or "no subscription is in scope" not in gap.problem
    )
    return scope.InScope(found.subscriptions, found.left_alone, gaps)


_until = exemption._until


def _never_lapses(raw: str, text: str, today: date, reason: str = "", owner: str = "") -> Exemption:
    said = _until(raw, text, today, reason, owner)
    return Exempt(said.until, reason, owner) if isinstance(said, Lapsed) else said


def _any_account(_: AccountId) -> answers.Check:
    return lambda body: "" if isinstance(body, dict) and body.get("id") else "it has no id"


_account = arm._account


def _whatever_there_is(row: Mapping[str, Any]) -> Account:
    """Take what is missing for nothing."""
    return _account({"kind": "OpenAI", "properties": {}, **row})


_tags_problem = answers.tags_problem


def _no_tags(row: object) -> str:
    is_null = isinstance(row, dict) and row.get("tags", {}) is None
    return "" if is_null else _tags_problem(row)


def _any_page(body: object) -> str:
    return "" if isinstance(body, dict) else "it is no object"


def _with_an_array(response: Any, *_: object) -> Any:
    return {"value": [], **answers.decoded(response)}


_read = arm.ArmReader._read


async def _some_page(self: arm.ArmReader, *given: Any) -> dict[str, Any]:
    """Take an array that is missing for an empty one."""
    with mock.patch.object(arm, "decoded", _with_an_array):
        return await _read(self, *given)


_row = arm._row


def _any_kind(row: object, subscription_id: str) -> Account | str:
    """Take a kind that is missing for one that is not in scope."""
    lacks = isinstance(row, dict) and not row.get("kind")
    return _row(
        {**row, "kind": "None"} if lacks and isinstance(row, dict) else row, subscription_id
    )


def _wherever(_: arm._Resource, __: addresses.Address) -> bool:
    """Let a link lead to any list."""
    return True


_ANY_LINK = (arm._Resource, "is_at", _wherever)


def _any_row(row: object, _: str) -> Account | str:
    """Believe a row of any subscription."""
    named = re.match("/subscriptions/([^/]+)/", str(row.get("id")) if isinstance(row, dict) else "")
    return _row(row, named[1].lower() if named else "")


async def _by_number(
    self: graph.Graph, query: graph.Query, subscriptions: Sequence[str] | None
) -> list[dict[str, Any]]:
    """Count rows, whatever they are about."""
    rows: list[dict[str, Any]] = []
    token: str | None = ""
    total = None
    while token is not None:
        page = await self._page(query.text, subscriptions, token or None)
        for row in page["data"]:
            if answers.columns_problem(row, query.columns) or not answers.is_text(row[query.key]):
                raise graph._incomplete("an odd row")
        rows += page["data"]
        total = page["totalRecords"] if total is None else total
        token = page.get("$skipToken")
        if len(rows) > total:
            break
    if total != len(rows):
        raise graph._incomplete(f"{len(rows)} of {total} rows")
    return rows


async def _arm_alone(self: scope.ScopeReader) -> tuple[dict[str, Subscription], list[Any], str]:
    """Believe ARM's list."""
    return {found.id: found for found in await self.arm.subscriptions()}, [], ""


def _always(_: addresses.Links, link: str) -> str:
    return link


def _no_matter(_: addresses.Links) -> None:
    """Find nothing wrong with a page that was read before."""


def _nothing_lacks(_: object, __: Sequence[str]) -> str:
    return ""


_census = graph.Graph.census


async def _true_is_one(self: graph.Graph, *given: Any) -> Any:
    """Take any number for a count, as Python does with true."""
    with mock.patch.object(graph, "is_count", lambda value: isinstance(value, int) and value >= 0):
        return await _census(self, *given)


def _however_deep(content: bytes, *, required: bool) -> object:
    try:
        return json.loads(content)
    except ValueError as error:
        if required:
            raise answers.OddAnswer("no JSON") from error
        return None


def _any_group(_: AccountId) -> answers.Check:
    """Take a group that says nothing for one without tags."""
    return answers.an_object


async def _each_row(
    self: arm_lists.ListReader, subscription_id: str
) -> AsyncIterator[Account | str]:
    """Count rows, whatever they are about."""
    async for row in self.arm.accounts(subscription_id):
        yield row


# What a tag is called, and what a setting says


def _resembles_by_few_signs(name: str, tag: str) -> bool:
    few = re.compile("[-_. ]")
    return few.sub("", name.lower()) == few.sub("", tag.lower())


_settings = settings._settings


def _no_release_in_audit(values: Any) -> settings.Settings:
    release, mode = values.of(settings.BRAKE_RELEASE_UNTIL), values.of(settings.SWEEP_MODE)
    if release is not None and mode is settings.Mode.AUDIT:
        raise SettingsError(["BRAKE_RELEASE_UNTIL needs SWEEP_MODE=enforce"])
    return _settings(values)


# Where tokens go


def _parse_by_hand(cls: type[addresses.Address], url: str) -> addresses.Address:
    """Take what stands before the first slash for the host."""
    rest = url.partition("://")[2]
    host, _, path = rest.partition("/")
    return cls(host.lower(), 443, f"/{path.partition('?')[0]}")


def _ends_like(self: addresses.Address, endpoint: addresses.Address) -> bool:
    return self.host == endpoint.host or self.host.endswith(f".{endpoint.host}")


async def _only_a_new_one(self: tokens.TokenCache, scope: str) -> str:
    """Insist on a new token, however long the old one is good."""
    async with self._lock:
        held = self._tokens.get(scope)
        if held is None or held.expires_on - self._clock.now().timestamp() < tokens._RENEW_SECONDS:
            held = self._tokens[scope] = await self._fetch(scope)
        return held.token


# What is told


async def _emit(self: telemetry.Telemetry, context: SweepContext, event: Event, _: float) -> None:
    """Let pass whatever OpenTelemetry raises."""
    context = identified(context, event)
    self._ledger.emitted(context)
    self._logger.emit(self._record(context, event))


_refused_in = ledger.refused_in


def _took_all(body: bytes, sent: int) -> dict[int, str] | None:
    """Believe that an answer without errors took everything."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    silent = isinstance(answer, dict) and not answer.get("errors")
    return {} if silent else _refused_in(body, sent)


# How long to wait


def _any_number(text: str) -> int | None:
    match = re.fullmatch(r"([0-9]+)(?:\.[0-9]*)?", text.strip(), re.ASCII)
    return int(match[1]) if match else None


def _no_date(_: str, __: datetime) -> float:
    return 0.0


def _first_word(headers: Mapping[str, str], moment: datetime) -> float:
    for name, unit in (("retry-after-ms", 1e-3), ("x-ms-retry-after-ms", 1e-3), ("retry-after", 1)):
        value = headers.get(name, "")
        if value:
            return (lanes._number(value) or 0) * unit or lanes._until(value, moment)
    return 0.0


@asynccontextmanager
async def _waits_in_its_place(
    self: pacing.Pace, subscription_id: str, held: Counter[lanes.Use], places: asyncio.Semaphore
) -> AsyncIterator[None]:
    """Take a place, and then wait for the lane."""
    async with places:
        await self._room(
            {self.lanes.lane(subscription_id, use): count for use, count in held.items()}
        )
        async with _admitted(self, subscription_id, held, asyncio.Semaphore()):
            yield


_admitted = pacing.Pace._admitted


def _this_turn(schedule: Schedule, _: datetime | None, now: datetime) -> frozenset[int]:
    return frozenset({schedule.number(now) % cross_check.TURNS})


# What a person's command does


def _nothing_outside(_: scope.InScope, __: AccountId) -> None:
    """Let an id lead anywhere."""


_enforced = line_sweep._enforce
_standing_still = line_sweep._standstill
_gone_beyond = line_sweep._going_beyond


def _yes_is_release(settings: Any, planned: Any, request: line_sweep.Request, now: datetime) -> str:
    planned = replace(planned, brake="") if request.yes else planned
    return _standing_still(settings, planned, request, now)


async def _released_by_yes(
    session: Any, output: str, planned: Any, looked: Any, request: line_sweep.Request
) -> int:
    released = replace(request, release_brake=request.yes)
    return await _enforced(session, output, planned, looked, released)


def _yes_is_enforce(settings: Any, planned: Any, request: line_sweep.Request, now: datetime) -> str:
    return _standing_still(settings, planned, replace(request, enforce=request.yes), now)


def _yes_goes_beyond(session: Any, request: line_sweep.Request) -> Any:
    return _gone_beyond(session, replace(request, enforce=request.yes))


async def _recorded_late(
    self: line_record.RecordedAccounts, account_id: AccountId, leave_by: float
) -> None:
    await self.accounts.disable_local_auth(account_id, leave_by)
    self.record.begun(account_id)


def _buffered(self: line_record.Record, written: Mapping[str, Any]) -> None:
    stamped = {**written, "at": self.clock.now().isoformat()}
    self._file.write(json.dumps(stamped) + "\n")


def _no_doubt(*_: object) -> None:
    """Find nothing that speaks against it."""


_scope_of = names.scope_of


async def _everywhere(session: Session) -> scope.InScope:
    """Read every subscription, whatever was said."""
    anything = replace(
        session.settings.scope,
        management_groups=(),
        subscriptions=(),
        excluded_subscriptions=(),
    )
    return await _scope_of(session.going_by(replace(session.settings, scope=anything)))


def _always_exempts(*given: Any, **more: Any) -> standing.Judgement:
    """Judge as if no tag stood on an account."""
    change, account, known = given
    found = _judged(change, account, known, **more)
    if isinstance(found, standing.GiveBack) or "tag" in found.reason or "exempt" in found.reason:
        return standing.GiveBack(exempts=True, stands=found.stands)
    return found


_judged = standing.judge
_over = line_wish.lay_over


def _without_owner(account: Account, tag: str, wish: line_wish.Wish, today: date) -> Any:
    _, question = _over(account, tag, wish, today)
    return wish, question


def _never_shorter(account: Account, tag: str, wish: line_wish.Wish, today: date) -> Any:
    found, question = _over(account, tag, wish, today)
    return found, replace(question, takes_away="") if question is not None else None


_PATCHES: dict[Bug, tuple[tuple[Any, str, Any], ...]] = {
    Bug.NO_RE_READ: ((remediation.Remediation, "_unit", _unit),),
    Bug.RESENT_PATCH: ((transport, "AsyncPipeline", _pipeline),),
    Bug.NO_READ_BACK: ((remediation.Remediation, "_read_back", _read_back),),
    Bug.EMPTY_IS_WHOLE: ((scope.ScopeReader, "_sorted_out", _no_gap),),
    Bug.LAPSED_HONOURED: ((exemption, "_until", _never_lapses),),
    Bug.KIND_FORGOTTEN: ((remediation, "decide", _whatever_kind),),
    Bug.NOT_AWAITED: ((telemetry.Telemetry, "acknowledged", _at_once),),
    Bug.AGE_TOO_EARLY: ((transport.ClockedTransport, "send", _age_first),),
    Bug.NO_CEILING_OF_A_WAIT: ((lanes, "_LONGEST_CLOSURE", 1e12),),
    Bug.OUTSIDE_THE_RINGS: ((rings.Rings, "standing", _whatever_ring),),
    Bug.ONLY_AN_ID: ((arm, "the_account", _any_account), (arm, "_account", _whatever_there_is)),
    Bug.NULL_IS_NO_TAG: ((answers, "tags_problem", _no_tags),),
    Bug.NO_ARRAY_IS_EMPTY: ((arm, "a_page", _any_page), (arm.ArmReader, "_read", _some_page)),
    Bug.KIND_MISSING: ((arm, "_row", _any_kind),),
    Bug.STRANGERS: ((arm, "_row", _any_row), _ANY_LINK),
    Bug.BY_NUMBER: ((graph.Graph, "_rows", _by_number),),
    Bug.ONE_WITNESS: ((scope.ScopeReader, "_listed", _arm_alone),),
    Bug.IN_A_CIRCLE: (
        (addresses.Links, "follow", _always),
        (addresses.Links, "refuse_repetition", _no_matter),
    ),
    Bug.COLUMN_MISSING: ((graph, "columns_problem", _nothing_lacks),),
    Bug.TAKEN_FOR_A_COUNT: ((graph.Graph, "census", _true_is_one),),
    Bug.TOO_DEEP: ((answers, "_decoded", _however_deep),),
    Bug.NO_CEILING_OF_AN_ANSWER: ((transport, "_MOST_BYTES", 10**12),),
    Bug.ENDS_LIKE_OURS: (
        (addresses.Address, "parse", classmethod(_parse_by_hand)),
        (addresses.Address, "is_of", _ends_like),
        _ANY_LINK,
    ),
    Bug.ANY_PORT: ((addresses.Address, "is_of", _ends_like),),
    Bug.NOTHING_TAKEN: ((ledger, "refused_in", _took_all),),
    Bug.RELEASE_SEEN_ONCE: ((allowance.Allowance, "seconds_left", _goes_on),),
    Bug.HUGE_NUMBERS: ((lanes, "_number", _any_number),),
    Bug.NO_DATES: ((lanes, "_until", _no_date),),
    Bug.FIRST_WORD: ((lanes, "retry_after", _first_word),),
    Bug.DISALLOWED_IS_NO_ROLE: (
        (refusals, "_BY_CODE", {**refusals._BY_CODE, "requestdisallowedbyazure": NoRole}),
    ),
    Bug.CONFLICT_IS_BUSY: ((refusals, "_BY_STATUS", {**refusals._BY_STATUS, 409: Busy}),),
    Bug.UNVERIFIED_AT_ONCE: ((remediation.Remediation, "remediate", _say_at_once),),
    Bug.LEVEL_BELIEVED: ((arm, "the_resource_group", _any_group),),
    Bug.COUNTED_TWICE: ((arm_lists.ListReader, "_rows", _each_row),),
    Bug.NOT_HANDED_OVER: ((telemetry.Telemetry, "emit", _emit),),
    Bug.PLACE_KEPT: ((pacing.Pace, "_admitted", _waits_in_its_place),),
    Bug.GOOD_TOKEN_UNUSED: ((tokens.TokenCache, "token", _only_a_new_one),),
    Bug.FEW_SIGNS: ((exemption, "resembles", _resembles_by_few_signs),),
    Bug.AUDIT_REFUSED: ((settings, "_settings", _no_release_in_audit),),
    Bug.TENANT_IS_NO_ROLE: (
        (refusals, "_BY_CODE", {**refusals._BY_CODE, "invalidauthenticationtokentenant": NoRole}),
    ),
    Bug.TURNS_MISSED: ((workspace, "turns_due", _this_turn),),
    Bug.NAMED_ANYWHERE: ((names, "_refuse_outside", _nothing_outside),),
    Bug.YES_RELEASES: (
        (line_sweep, "_standstill", _yes_is_release),
        (line_sweep, "_enforce", _released_by_yes),
    ),
    Bug.YES_ENFORCES: (
        (line_sweep, "_standstill", _yes_is_enforce),
        (line_sweep, "_going_beyond", _yes_goes_beyond),
    ),
    Bug.RECORD_AFTER: ((line_record.RecordedAccounts, "disable_local_auth", _recorded_late),),
    Bug.RECORD_KEPT_BACK: ((line_record.Record, "_write", _buffered),),
    Bug.TURNED_SINCE: (
        (standing, "_turned_since", _no_doubt),
        (standing, "_unproven", _no_doubt),
    ),
    Bug.UNDONE_ANYWHERE: ((line_undo, "scope_of", _everywhere),),
    Bug.ANY_TAG_REPLACED: ((line_undo, "judge", _always_exempts),),
    Bug.OWNER_DROPPED: ((line_exempt, "lay_over", _without_owner),),
    Bug.SHORTENED: ((line_exempt, "lay_over", _never_shorter),),
    Bug.NULL_IS_TEXT: (
        (settings_file, "_refuse", _no_doubt),
        (settings_file, "_is_plain", lambda _: True),
    ),
    Bug.STOPPED_IS_NOTHING: ((line_granting, "NOT_WHOLE", exit_codes.STOPPED),),
    Bug.HELD_IS_FINE: ((line_sweep, "exit_code", lambda report: 0 if report.whole else 2),),
}
