"""Makes an example happen on a local Azure, with one real sweep, and records it for the judge."""

import asyncio
import gzip
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import unquote

from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import Logger

from local_azure import ABSENT, LocalAzure, SeenRequest, Tenant
from local_azure.exchange import Answer
from local_azure.faults import Bend as Bending
from local_azure.services import Settings
from local_azure.state import ids
from local_azure.state.containers import SubscriptionState
from shared.bootstrap import Process
from shared.border import graph, telemetry
from shared.core.errors import KeysweepError
from soak.child import hand
from soak.driver import DrivenClock, Driver, StuckError
from soak.laws import Record, Seen, Swept, Written, levels_say
from soak.odd.bends import (
    LATE_SECONDS,
    Bender,
    effect_of,
    is_unnoticeable,
    spoils,
)
from soak.odd.example import INGESTION, Bend, Example, Place, Shape
from soak.world import events_of, shows_keys_on, tags_of
from tests.support.real_sweeps import environ_of, insights, settings_of

# In the past of whoever runs this, as in the soak; and just after the first subscription had its
# turn to be read by a second source.
START = datetime(2025, 6, 2, 14, 20, tzinfo=UTC)
_GROUP = "contoso"
# A sweep over four subscriptions that asks so often, or that takes so many steps, never ends.
_MOST_REQUESTS = 400
_MOST_STEPS = 6000
# Longer than any operation or lag.
_CALM = timedelta(hours=2)
# Ingestion that stalls is waited for by the real clock: ten seconds, as a rule.
_INGESTION_SECONDS = 0.4
# What is shorter was never a token.
_TOKEN = 20
_INGESTION_DROPS: tuple[Shape, ...] = ("drops all", "drops all without a word")

_ACCOUNT = re.compile(r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/[^/]+/accounts/[^/]+")
_PATHS: tuple[tuple[re.Pattern[str], Place], ...] = (
    (re.compile(r"/subscriptions"), "subscriptions"),
    (re.compile(r"/subscriptions/[^/]+"), "subscription"),
    (re.compile(r".*/descendants"), "descendants"),
    (
        re.compile(r"/subscriptions/[^/]+/providers/microsoft.cognitiveservices/accounts"),
        "accounts",
    ),
    (_ACCOUNT, "account"),
    (re.compile(r"/subscriptions/[^/]+/resourcegroups"), "groups"),
    (re.compile(r"/subscriptions/[^/]+/resourcegroups/[^/]+"), "group"),
    (re.compile(r".*/operationresults/.*"), "poll"),
)
_QUERIES: tuple[tuple[str, Place], ...] = (
    ("summarize", "census"),
    ("resourcechanges", "changes"),
    ("subscriptions/resourcegroups'", "tagged groups"),
    ("microsoft.resources/subscriptions'", "shown"),
)


@dataclass(frozen=True, slots=True)
class Truth:
    """An account as it stood when the sweep began, and whether it is in scope at all."""

    account: str
    subscription: str
    keys_on: bool
    says: str
    in_scope: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for Azure, and what became of it."""

    ordinal: int
    place: Place
    method: str
    path: str
    arrived: datetime
    served: datetime | None
    struck: tuple[Shape, ...] = ()


@dataclass(slots=True)
class Happened:
    """All that is known of one example."""

    example: Example
    record: Record
    """In the terms of the soak."""
    truth: list[Truth]
    subscriptions: frozenset[str]
    """Those in scope: enabled, of the home tenant, not excluded."""
    hidden: frozenset[str]
    """Those that Resource Graph doesn't show."""
    asked: list[Asked] = field(default_factory=list)
    struck: list[tuple[Place, Shape]] = field(default_factory=list)
    """What was bent, refused or troubled, in that order."""
    elsewhere: int = 0
    """Connections to where no token may go."""
    secrets_told: list[str] = field(default_factory=list)
    error_text: str = ""
    endless: str = ""
    """Why the sweep was ended by us, if it was."""

    @property
    def swept(self) -> Swept:
        """The sweep."""
        return self.record.sweeps[0]


async def happen(example: Example) -> Happened:
    """Run one sweep, and return what was recorded."""
    world = _World(example)
    with ExitStack() as stack:
        stack.enter_context(world.azure)
        stack.enter_context(environ_of(world.azure.environ))
        stack.enter_context(mock.patch.object(graph, "PAGE", max(example.options.page, 2)))
        stack.enter_context(_impatient(example))
        # A processor of our own would come after the exporter's, and be too late to lose an event.
        stack.enter_context(mock.patch.object(Logger, "emit", world.taking(Logger.emit)))
        stack.callback(insights().faults.clear)
        await world.run()
        return world.happened()


@contextmanager
def _impatient(example: Example) -> Iterator[None]:
    """Wait less long for an ingestion that stalls."""
    stalls = any(bend.place in INGESTION and bend.shape == "stall" for bend in example.bends)
    with ExitStack() as stack:
        for ledger in telemetry._ledgers.values() if stalls else ():
            config = ledger.connection_config
            stack.enter_context(mock.patch.object(config, "read_timeout", _INGESTION_SECONDS))
        yield


class _World:
    def __init__(self, example: Example) -> None:
        self.example = example
        hand().value = 0.0
        self.clock = DrivenClock(START, hand())
        self.tenant = Tenant()
        self.tenant.changed_by_object_id = True
        options = example.options
        self.azure = LocalAzure(
            self.tenant,
            self.clock,
            settings=Settings(
                account_page=options.page,
                subscription_page=options.page,
                group_page=options.page,
                descendant_page=options.page,
            ),
            token_lifetime=options.token_life,
        )
        self._trace = uuid.uuid4().hex
        self._ids = self._build()
        self._truth = list(self._truths())
        self._served: dict[int, tuple[SeenRequest, datetime, Mapping[str, str], bool, str]] = {}
        self._arrived: dict[int, tuple[SeenRequest, Place]] = {}
        self._received_before: dict[int, int] = {}
        self._struck: dict[int, list[Shape]] = {}
        self._spoilt: set[int] = set()
        self._refused: set[int] = set()
        self._all_struck: list[tuple[Place, Shape]] = []
        self._tokens: set[str] = set()
        self._connections_elsewhere = 0
        self._passed: Counter[int] = Counter()
        self._endless = ""
        self._swept = Swept(0, "audit" if options.audit else "enforce", START, options.budget)
        self._error_text = ""

    # The tenant

    def _build(self) -> list[str]:
        tenant = self.tenant
        tenant.add_management_group(_GROUP)
        tenant.assign_function(ids.management_group_scope(_GROUP))
        subscriptions = []
        for number, drawn in enumerate(self.example.subscriptions):
            delegated = drawn.standing == "delegated"
            subscription = tenant.add_subscription(
                f"contoso-{number}",
                parent=None if delegated else _GROUP,
                tenant_id=ids.guid("tenant", "fabrikam") if delegated else None,
                managed_by_tenants=(tenant.id,) if delegated else (),
                state=_STATES[drawn.standing],
                tags=tags_of(drawn.tag, START) or None,
                hidden_from_graph=drawn.hidden,
            )
            if delegated:
                tenant.assign_function(subscription.scope)
            subscriptions.append(subscription.id)
            for index, tag in enumerate(drawn.group_tags):
                name = f"rg-{index}"
                tags = tags_of(tag, START) or None
                tenant.add_group(name, subscription=subscription, tags=tags)
            for index, account in enumerate(drawn.accounts):
                added = tenant.add_account(
                    f"bot-{number}-{index}",
                    subscription=subscription,
                    group=f"rg-{account.group}",
                    kind=account.kind,
                    local_auth={"on": True, "off": False, "null": None}.get(account.keys, ABSENT),
                    tags=tags_of(account.tag, START) or None,
                )
                if account.locked:
                    tenant.add_lock(added.id)
        return subscriptions

    def _truths(self) -> Iterator[Truth]:
        options = self.example.options
        kinds = {kind.lower() for kind in options.kinds}
        for identity, drawn in zip(self._ids, self.example.subscriptions, strict=True):
            for account in self.tenant.accounts_in(identity):
                group = self.tenant.subscriptions[identity.lower()].groups[account.group.lower()]
                subscription = self.tenant.subscriptions[identity.lower()]
                levels = [account.tags or {}]
                if options.inherit:
                    levels += [group.tags or {}, subscription.tags or {}]
                why_not = "" if account.kind.lower() in kinds else f"a {account.kind}"
                why_not = why_not or ("excluded" if drawn.excluded else "")
                if drawn.standing in ("disabled", "delegated"):
                    why_not = why_not or drawn.standing
                yield Truth(
                    account.id.lower(),
                    identity.lower(),
                    account.keys_on,
                    levels_say(levels, START.date()),
                    not why_not,
                    why_not,
                )

    def _settings(self) -> dict[str, str]:
        options, drawn = self.example.options, self.example.subscriptions
        settings = {
            "SWEEP_BUDGET_SECONDS": str(options.budget),
            "SWEEP_CONCURRENCY": str(options.concurrency),
            "SWEEP_KINDS": ",".join(options.kinds),
            "EXEMPTION_INHERIT": str(options.inherit).lower(),
            "MAX_CHANGES_PER_SWEEP": str(options.most_changes),
            "BRAKE": "trickle" if options.trickle else "hold",
        }
        if options.released_for is not None:
            settings["BRAKE_RELEASE_UNTIL"] = self._released_until().isoformat()
        if options.scope == "group":
            settings["SWEEP_MANAGEMENT_GROUPS"] = _GROUP
        elif options.scope == "names":
            settings["SWEEP_SUBSCRIPTIONS"] = ",".join(self._ids)
        excluded = [
            name
            for name, subscription in zip(self._ids, drawn, strict=True)
            if subscription.excluded
        ]
        if excluded:
            settings["SWEEP_EXCLUDE_SUBSCRIPTIONS"] = ",".join(excluded)
        return settings_of(self.azure, self._swept.mode, **settings)

    def _released_until(self) -> datetime:
        return START + timedelta(seconds=self.example.options.released_for or 0)

    # The sweep

    async def run(self) -> None:
        """Sweep once."""
        insights().telemetry.clear()
        elsewhere = await asyncio.start_server(self._refuse, "127.0.0.1", 0)
        port = int(elsewhere.sockets[0].getsockname()[1])
        self._bender = Bender(self.azure.environ["ARM_ENDPOINT"], port, self._other_list())
        self._bend_all()
        removed = insights().before(self._note_batch)
        self.azure.admission.close(self._arrives)
        self.azure.before(self._serve)
        driver = Driver(self.azure, self.clock, (), list, _key)
        process = Process(self._settings(), self.clock)
        task = asyncio.ensure_future(self._tick(process))
        try:
            await self._drive(driver, task)
        finally:
            removed()
            insights().settings.sampled_out = lambda _: False
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            await process.close()
            elsewhere.close()
        self.clock.advance(_CALM)

    async def _tick(self, process: Process) -> None:
        before = self.example.options.fired_before
        last = (START - timedelta(minutes=before)).isoformat() if before is not None else ""
        try:
            await process.tick(f"00-{self._trace}-b7ad6b7169203331-01", last=last)
        except KeysweepError as error:
            self._swept.error, self._error_text = type(error).__name__, str(error)
        except Exception as error:  # noqa: BLE001 - the judge wants to know of any
            self._swept.error = self._swept.unexpected = f"{type(error).__name__}: {error}"
        finally:
            self._swept.ended = self.clock.now()

    async def _drive(self, driver: Driver, task: asyncio.Task[None]) -> None:
        for _ in range(_MOST_STEPS):
            deadline = await driver.settle()
            if task.done():
                return
            if self._asks_on:
                self._endless = f"it asked {len(self._arrived)} times, and goes on"
                return
            if not driver.step(deadline):
                raise StuckError("the sweep goes on, and nothing happens")
        self._endless = "it goes on and on"

    @property
    def _asks_on(self) -> bool:
        """Whether it asked more often than a sweep does that ends; then nothing is let in."""
        return len(self._arrived) > _MOST_REQUESTS

    async def _refuse(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections_elsewhere += 1
        writer.close()

    def _other_list(self) -> str:
        """Return the list of a subscription that is left alone and has accounts, or of another."""
        out = {truth.subscription for truth in self._truth if truth.why_not == "delegated"}
        every = [truth.subscription for truth in self._truth]
        for identity in [*sorted(out), *every[-1:]]:
            path = f"/subscriptions/{identity}/providers/Microsoft.CognitiveServices/accounts"
            return f"{self.azure.environ['ARM_ENDPOINT']}{path}?api-version=2025-09-01"
        return ""

    # What is bent

    def _bend_all(self) -> None:
        place: Place = "shown"

        def note(seen: SeenRequest) -> bool:
            nonlocal place
            found = _place_of(seen)
            place = found or place
            return found is not None

        remembering = self.azure.faults.on(times=None, where=note)
        remembering.bend(lambda answer: self._remembered(place, answer))
        for bend in self.example.bends:
            if not is_unnoticeable(bend.place, bend.shape):
                self._plant(bend)

    def _remembered(self, place: Place, answer: Answer) -> Answer:
        self._bender.remember(place, answer)
        return answer

    def _plant(self, bend: Bend) -> None:
        """Let a bend happen at its place, and note what it strikes."""
        if bend.place in INGESTION:
            faults, place_of = insights().faults, self._batch_of
        else:
            faults, place_of = self.azure.faults, _place_of
        fault = faults.on(skip=bend.skip, times=bend.times)
        fault.effect = effect_of(bend.shape, self.azure.now())
        asked = 0

        def where(seen: SeenRequest) -> bool:
            nonlocal asked
            asked = seen.ordinal
            if place_of(seen) != bend.place:
                return False
            strikes = bend.skip <= fault.seen and fault.hits < bend.times
            if isinstance(fault.effect, Bending) or asked in self._refused:
                # Only the first of several that strike a request does so.
                return True
            if strikes:
                self._refused.add(asked)
                # A date that it says is reckoned from now.
                fault.effect = effect_of(bend.shape, self.azure.now())
                self._note(bend, asked, spoilt=spoils(bend.place, bend.shape))
            return True

        fault.where = where
        if fault.effect is None:
            fault.bend(lambda answer: self._bent(bend, asked, answer))

    def _bent(self, bend: Bend, ordinal: int, answer: Answer) -> Answer:
        """Bend the answer to a request, and note it."""
        bent = self._bender.bent(bend.place, bend.shape, answer, self.azure.now())
        if bent is answer and bend.shape not in _INGESTION_DROPS:
            return answer
        if bend.shape == "late connection":
            self.azure.connections.late(LATE_SECONDS)
        elif bend.shape == "no connection":
            self.azure.connections.hang()
        spoilt = spoils(bend.place, bend.shape) or (
            bend.shape == "an earlier answer" and self._bender.is_of_another(bend.place, answer)
        )
        self._note(bend, ordinal, spoilt=spoilt)
        return bent

    def _note(self, bend: Bend, ordinal: int, *, spoilt: bool) -> None:
        self._all_struck.append((bend.place, bend.shape))
        if bend.place in INGESTION:
            return
        self._struck.setdefault(ordinal, []).append(bend.shape)
        if spoilt:
            self._spoilt.add(ordinal)

    def _note_batch(self, seen: SeenRequest) -> None:
        """Let ingestion drop what a bend says, on its own thread, before it looks at a batch."""
        drops = self._strikes(self._batch_of(seen), _INGESTION_DROPS)
        insights().settings.sampled_out = lambda _: drops

    def _strikes(self, place: Place | None, shapes: tuple[Shape, ...]) -> bool:
        """Count what passes by the bends of these shapes, and say whether one of them strikes."""
        strikes = False
        for number, bend in enumerate(self.example.bends):
            if bend.place == place and bend.shape in shapes:
                passed = self._passed[number]
                self._passed[number] += 1
                strikes = strikes or bend.skip <= passed < bend.skip + bend.times
        return strikes

    def taking(self, emit: Callable[..., None]) -> Callable[..., None]:
        """Return what takes events in the place of OpenTelemetry, and fails where a bend says so.

        As it does when the system has no thread left for it.
        """

        def take(logger: Logger, record: LogRecord) -> None:
            name = (record.attributes or {}).get("microsoft.custom_event.name")
            place: Place = "announcement" if name == "DriftFound" else "telemetry"
            if self._strikes(place, ("takes no event",)):
                self._all_struck.append((place, "takes no event"))
                raise RuntimeError("can't start new thread")
            emit(logger, record)

        return take

    def _batch_of(self, seen: SeenRequest) -> Place | None:
        """Say what a batch for ingestion tells of this sweep, if anything."""
        data = seen.body
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        if self._trace.encode() not in data:
            return None
        return "announcement" if b'"DriftFound"' in data else "telemetry"

    # What is recorded

    def _arrives(self, seen: SeenRequest) -> bool:
        """Note a request as it arrives; where several may be under way, let them in one by one."""
        place = _place_of(seen)
        if place is None:
            return False
        self._arrived[seen.ordinal] = (seen, place)
        if seen.method == "PATCH":
            self._received_before[seen.ordinal] = len(insights().telemetry)
        bearer = seen.headers.get("Authorization", "").removeprefix("Bearer ")
        if bearer:
            self._tokens.add(bearer)
        return self.example.options.concurrency > 1 or self._asks_on

    def _serve(self, seen: SeenRequest) -> None:
        """Note, on the server's thread, how things stand as the server begins to act."""
        path = unquote(seen.path).lower()
        tags: Mapping[str, str] = {}
        keys_on, kind = False, ""
        parts = path.split("/")
        if _ACCOUNT.fullmatch(path):
            account = self.tenant.find_account(path)
            if account is not None:
                tags, keys_on = dict(account.tags or {}), shows_keys_on(account)
                kind = account.kind
        elif len(parts) in (3, 5) and parts[1] == "subscriptions":
            subscription = self.tenant.subscriptions.get(parts[2])
            if subscription is not None:
                level = subscription.groups.get(parts[4]) if len(parts) == 5 else subscription
                tags = dict((level.tags if level else None) or {})
        self._served[seen.ordinal] = (seen, self.clock.now(), tags, keys_on, kind)

    def happened(self) -> Happened:
        """Put together what was seen."""
        options = self.example.options
        envelopes = insights().telemetry.envelopes
        events = events_of(envelopes).get(self._trace, [])
        # What is sent again may be taken twice; readers drop doubles by the event's id.
        self._swept.events = list({event["eventId"]: event for event in events}.values())
        record = Record(options.inherit, frozenset(kind.lower() for kind in options.kinds))
        record.sweeps.append(self._swept)
        statuses = {operation.ordinal: operation.status for operation in self.azure.operations}
        asked = []
        for ordinal, (seen, place) in self._arrived.items():
            path = unquote(seen.path).lower()
            struck = tuple(self._struck.get(ordinal, ()))
            served = self._served.get(ordinal)
            at = served[1] if served else None
            asked.append(Asked(ordinal, place, seen.method, path, seen.at, at, struck))
            if place not in ("account", "group", "subscription", "patch") or served is None:
                continue
            acted = all(_acts(shape) for shape in struck)
            shown = statuses.get(ordinal) == 200 and ordinal not in self._spoilt
            record.requests.append(
                Seen(
                    ordinal,
                    0,
                    seen.method,
                    path,
                    seen.at,
                    at if acted else None,
                    shown,
                    served[2],
                    served[3],
                    served[4],
                    self._was_announced(ordinal, path, envelopes),
                )
            )
        record.requests.sort(key=lambda request: request.ordinal)
        for write in self.azure.writes:
            operation = self.tenant.long_operations.get(write.operation or "")
            fails = operation is not None and operation.fails
            account = write.account_id.lower()
            record.writes.append(Written(write.ordinal, 0, account, write.at, fails))
        record.faults = len(self._all_struck)
        drawn = dict(zip(self._ids, self.example.subscriptions, strict=True))
        return Happened(
            self.example,
            record,
            self._truth,
            frozenset(
                name.lower()
                for name, subscription in drawn.items()
                if subscription.standing in ("enabled", "warned") and not subscription.excluded
            ),
            frozenset(name.lower() for name, subscription in drawn.items() if subscription.hidden),
            asked,
            self._all_struck,
            self._connections_elsewhere,
            list(self._secrets(envelopes)),
            self._error_text,
            self._endless,
        )

    def _was_announced(self, ordinal: int, path: str, envelopes: list[dict[str, Any]]) -> bool:
        events = events_of(envelopes[: self._received_before.get(ordinal, 0)]).get(self._trace, [])
        return any(event["name"] == "DriftFound" and event["accountId"] == path for event in events)

    def _secrets(self, envelopes: list[dict[str, Any]]) -> Iterator[str]:
        """Return what nobody but Azure may see, of what was told or raised."""
        text = json.dumps(envelopes) + self._error_text
        for token in self._tokens:
            if len(token) >= _TOKEN and (token in text or token.rpartition(".")[2] in text):
                yield "a token"
        if "c=MIIHhjCC" in text:
            yield "the signature of a polling URL"


_STATES: Mapping[str, SubscriptionState] = {
    "enabled": "Enabled",
    "warned": "Warned",
    "disabled": "Disabled",
    "delegated": "Enabled",
}


def _acts(shape: Shape) -> bool:
    """Whether the server acts on a request that this strikes."""
    effect = effect_of(shape, START)
    return effect is None or effect.acting


def _place_of(seen: SeenRequest) -> Place | None:
    """Say what a request asks for."""
    if seen.host == "identity":
        return None if "monitor" in seen.query.get("resource", "") else "token"
    path = unquote(seen.path).lower()
    if path.endswith("/microsoft.resourcegraph/resources"):
        query = seen.body.decode(errors="replace").lower()
        return next((place for word, place in _QUERIES if word in query), "listing")
    if seen.method == "PATCH":
        return "patch"
    return next((place for pattern, place in _PATHS if pattern.fullmatch(path)), None)


def _key(seen: SeenRequest) -> tuple[str, ...]:
    """Order what waits by what it is, and not by when it happened to arrive."""
    body = seen.body.decode(errors="replace")
    return (seen.method, seen.path, body, f"{seen.ordinal:09d}")
