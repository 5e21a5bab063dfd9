"""Makes a program happen on a local Azure, with real sweeps, and records it for the judge."""

import asyncio
import base64
import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from local_azure import ABSENT, Account, LocalAzure, PatchForm, SeenRequest, Tenant
from local_azure.allowance import Kind, Rates
from local_azure.exchange import Answer
from local_azure.faults import Effect as Struck
from local_azure.faults import Faults, Hang
from local_azure.services import Settings
from local_azure.state import ids
from local_azure.state.account import Flag
from shared.bootstrap import Process
from shared.core.errors import KeysweepError
from soak import planted
from soak.child import ChildProcess, Order, hand
from soak.driver import Child, DrivenClock, Driver, StuckError
from soak.laws import KINDS, TAG, Record, Seen, Standing, Swept, Written, levels_say
from soak.program import (
    PLACES,
    Admit,
    Born,
    Clear,
    Cut,
    Effect,
    Fault,
    Finish,
    Form,
    Keys,
    Place,
    Program,
    Start,
    Step,
    Tag,
    Team,
    Wait,
)
from tests.support.real_sweeps import (
    SENT_BY_THE_PRODUCT_ALONE,
    environ_of,
    insights,
    settings_of,
)

# In the past of whoever runs this: azure-identity compares its tokens with the real time. And just
# before midnight, since days end.
START = datetime(2025, 6, 2, 23, 30, tzinfo=UTC)
GRAPH_LAG, CHANGES_LAG = 60.0, 90.0
_LONG_GRAPH_LAG = 600.0
_GROUP = "contoso"
_RING = "contoso-one"
_CHILD = 2
_MOST_STEPS = 20_000
_MOMENT = 0.001
# Longer than any Retry-After, operation or lag of a program.
_CALM = timedelta(hours=2)
_LIFE_OF_A_PROCESS = timedelta(hours=12)

_ACCOUNT = re.compile(r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/[^/]+/accounts/[^/]+")
_LEVEL = re.compile(r"/subscriptions/[^/]+(/resourcegroups/[^/]+)?")


async def happen(
    program: Program, bug: planted.Bug | None = None
) -> tuple[Record, list[tuple[str, ...]]]:
    """Run a program from its first step to one sweep more.

    Return what was recorded for the judge, and the trail of requests, for comparing two runs.
    """
    world = World(program, bug)
    with world.azure, environ_of(world.azure.environ):
        try:
            await world.run()
        finally:
            await world.close()
        return world.record(), world.trail()


class NotedFaults(Faults):
    """Faults that note which requests they struck."""

    def __init__(self) -> None:
        super().__init__()
        self.struck: dict[int, Struck] = {}

    def strike(self, request: SeenRequest) -> Struck | None:
        """Say what happens to this request, and note it; telemetry is left alone."""
        if not _is_gated(request):
            return None
        effect = super().strike(request)
        if effect is not None:
            self.struck[request.ordinal] = effect
        return effect


@dataclass(slots=True)
class _Running:
    """A sweep that goes on."""

    swept: Swept
    trace: str
    task: asyncio.Task[None] | None = None
    child: ChildProcess | None = None

    @property
    def over(self) -> bool:
        if self.task is not None:
            return self.task.done()
        assert self.child is not None
        return self.child.answer is not None and self.child.answer.ended


@dataclass(frozen=True, slots=True)
class _Served:
    """What the server saw when it began to act on a request."""

    request: SeenRequest
    sweep: int
    at: datetime
    tags: Mapping[str, str]
    keys_on: bool
    kind: str


class World:
    """A tenant, its local Azure, and the processes that sweep it."""

    def __init__(self, program: Program, bug: planted.Bug | None = None) -> None:
        self.program = program
        self._bug = bug
        hand().value = 0.0
        self.clock = DrivenClock(START, hand())
        self.tenant = _tenant()
        for born in program.accounts:
            self._bear(born)
        self.azure = LocalAzure(
            self.tenant,
            self.clock,
            graph_lag=GRAPH_LAG,
            changes_lag=CHANGES_LAG,
            settings=_throttling(program.bucket),
        )
        self.faults = NotedFaults()
        self.azure.faults = self.faults
        self._driver = Driver(self.azure, self.clock, program.order, self._children, _key)
        self._processes: dict[int, tuple[Process, dict[str, str], datetime]] = {}
        self._running: dict[int, _Running] = {}
        self._all: list[_Running] = []
        self._served: dict[int, _Served] = {}
        self._accepted_before: dict[int, tuple[int, int]] = {}
        self._before_last: list[Standing] = []
        self._on_at_last: frozenset[str] = frozenset()
        self._received_before = 0

    async def run(self) -> None:
        """Take every step."""
        self._received_before = len(insights().telemetry)
        self.azure.services.identities[:] = [_alias(self.tenant, actor) for actor in range(3)]
        self.azure.admission.close(self._arrives)
        self.azure.before(self._serve)
        for step in self.program.steps:
            await self._take(step)
        await self._finish()
        self._calm_down()
        self._before_last = self._standings()
        await self._start(Start(0))
        await self._finish()
        self.clock.advance(_CALM)
        self._on_at_last = frozenset(a.id.lower() for a in self.azure.tenant.accounts if a.keys_on)

    async def close(self) -> None:
        """Let everything go, whatever happened."""
        for running in self._running.values():
            if running.task is not None:
                running.task.cancel()
                await asyncio.wait({running.task})
            elif running.child is not None:
                running.child.kill()
        for process, _, _ in self._processes.values():
            await process.close()

    # Steps

    async def _take(self, step: Step) -> None:
        await self._rest()
        match step:
            case Team():
                # The change log has milliseconds: what people do has one of its own.
                self.clock.advance(_MOMENT)
                self._do(step)
                self.clock.advance(_MOMENT)
            case Fault():
                self._plant(step)
            case Clear():
                self.faults.clear()
            case Start():
                await self._start(step)
            case Admit(count):
                for _ in range(count):
                    await self._let_in()
            case Cut():
                await self._cut(step)
            case Wait(seconds):
                self._wait(seconds)
            case Finish():
                await self._finish()

    async def _start(self, start: Start) -> None:
        actor = start.actor
        if actor in self._running:
            return
        mode = "audit" if start.audit else "enforce"
        last = self._all[-1].swept.began if self._all else None
        swept = Swept(len(self._all), mode, self.clock.now(), self.program.budget)
        running = _Running(swept, uuid.uuid4().hex)
        self._all.append(running)
        self._running[actor] = running
        parent = f"00-{running.trace}-b7ad6b7169203331-01"
        last_text = last.isoformat() if last else ""
        if actor == _CHILD:
            environ = {**self._environ_of(actor, mode), **_own_telemetry(self.azure)}
            order = Order(environ, START, parent, last_text, self._bug)
            running.child = ChildProcess(order)
        else:
            process = await self._process(actor, mode)
            running.task = asyncio.ensure_future(_tick(process, swept, parent, last_text))

    async def _process(self, actor: int, mode: str) -> Process:
        """Return an actor's warm process; no instance of a Function lives for a day."""
        if actor in self._processes:
            process, environ, born = self._processes[actor]
            if self.clock.now() - born < _LIFE_OF_A_PROCESS:
                environ["SWEEP_MODE"] = mode
                return process
            await process.close()
        environ = self._environ_of(actor, mode)
        process = Process(environ, self.clock)
        self._processes[actor] = (process, environ, self.clock.now())
        return process

    def _environ_of(self, actor: int, mode: str) -> dict[str, str]:
        settings = {
            "AZURE_CLIENT_ID": _alias(self.tenant, actor).client_id,
            "SWEEP_BUDGET_SECONDS": str(self.program.budget),
            "SWEEP_CONCURRENCY": str(self.program.concurrency),
            "EXEMPTION_INHERIT": str(self.program.inherit).lower(),
        }
        if self.program.by_group:
            settings["SWEEP_MANAGEMENT_GROUPS"] = _GROUP
        if self._ring:
            settings["ENFORCE_SCOPES"] = self._ring
        return settings_of(self.azure, mode, **settings)

    @property
    def _ring(self) -> str:
        """The id of the subscription that is the only ring; empty: there are none."""
        found = next(s for s in self.tenant.subscriptions.values() if s.name == _RING)
        return found.id.lower() if self.program.in_ring else ""

    async def _let_in(self) -> None:
        """Go on until one more request was let in."""
        for _ in range(_MOST_STEPS):
            deadline = await self._rest()
            if not self._running:
                return
            waits = bool(self.azure.admission.held)
            if not self._driver.step(deadline):
                raise StuckError(f"{len(self._running)} sweeps go on, and nothing happens")
            if waits:
                return
        raise StuckError("it goes on for ever")

    async def _finish(self) -> None:
        for _ in range(_MOST_STEPS):
            await self._let_in()
            if not self._running:
                return
        raise StuckError("they go on for ever")

    async def _rest(self) -> float | None:
        """Come to rest, and note which sweeps ended."""
        deadline = await self._driver.settle()
        for actor, running in list(self._running.items()):
            if running.over:
                del self._running[actor]
                running.swept.ended = self.clock.now()
                if running.child is not None:
                    assert running.child.answer is not None
                    _note_end(running.swept, running.child.answer.error)
                    running.child.close()
        return deadline

    async def _cut(self, cut: Cut) -> None:
        running = self._running.get(cut.actor)
        if running is None:
            return
        if running.child is not None:
            running.child.freeze()
        if cut.acted:
            self._act_on_what_waits(cut.actor)
        running.swept.cut = True
        if running.child is not None:
            del self._running[cut.actor]
            running.swept.ended = self.clock.now()
            running.child.kill()
        elif running.task is not None:
            running.task.cancel()
            # A cancelled process is gone: the next tick has a new one.
            await asyncio.wait({running.task})
            process, _, _ = self._processes.pop(cut.actor)
            await process.close()

    def _act_on_what_waits(self, actor: int) -> None:
        """Let the server act on the actor's requests, while nobody here takes its answers."""
        mine = [request for request in self.azure.admission.held if _actor(request) == actor]
        for request in mine:
            self.azure.admission.admit(request)
        until = time.monotonic() + 2
        while time.monotonic() < until and not {request.ordinal for request in mine} <= {
            operation.ordinal for operation in self.azure.operations
        }:
            time.sleep(0.0005)

    def _wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        now = self.clock.now()
        for running in self._running.values():
            swept = running.swept
            # What stood still within its budget has less left, and has to end in time all the same.
            over = (now - swept.began).total_seconds() - swept.budget
            swept.paused += min(max(over, 0.0), seconds)

    def _calm_down(self) -> None:
        self.faults.clear()
        self.azure.connections.clear()
        for subscription in self.tenant.subscriptions.values():
            subscription.hidden_from_graph = False
        self._do(Team("get role"))
        self._wait(_CALM.total_seconds())

    # What happens to the tenant

    def _bear(self, born: Born, other_kind: str = "") -> None:
        subscription, group, kind = PLACES[born.name]
        self.tenant.add_account(
            born.name,
            subscription=subscription,
            group=group,
            kind=other_kind or kind,
            local_auth=_FLAGS[born.keys],
            tags=tags_of(born.tag, self.clock.now()),
            patch=_FORMS[born.form],
        )

    def _do(self, team: Team) -> None:
        tenant = self.tenant
        account = tenant.find_account(team.name)
        subscription = tenant.subscription(PLACES[team.name][0])
        tags = tags_of(team.tag, self.clock.now())
        match team.deed:
            case "create" if account is None:
                self._bear(Born(team.name, team.tag))
            case "tag group":
                group = subscription.groups.get(PLACES[team.name][1])
                if group is not None:
                    group.tags = {}
                    tenant.tag_group(group, dict(tags))
            case "tag subscription":
                subscription.tags = {}
                tenant.tag_subscription(subscription, dict(tags))
            case "lose role":
                scope = ids.management_group_scope(_GROUP)
                tenant.assignments.remove(tenant.function.object_id, scope)
            case "get role":
                scope = ids.management_group_scope(_GROUP)
                tenant.assignments.remove(tenant.function.object_id, scope)
                tenant.assign_function(scope)
            case "graph hides" | "graph shows":
                subscription.hidden_from_graph = team.deed == "graph hides"
            case "graph lags":
                feed = self.azure.services.feed
                feed.lag = GRAPH_LAG if feed.lag > GRAPH_LAG else _LONG_GRAPH_LAG
            case _ if account is not None:
                self._do_to(account, team, tags)

    def _do_to(self, account: Account, team: Team, tags: dict[str, str]) -> None:
        tenant = self.tenant
        match team.deed:
            case "delete":
                tenant.delete(account)
            case "other kind":
                tenant.delete(account)
                self._bear(Born(team.name, team.tag), other_kind="SpeechServices")
            case "keys on":
                tenant.enable_keys(account)
            case "keys off":
                tenant.disable_keys(account)
            case "tag":
                taken = dict.fromkeys(account.tags or {})
                tenant.tag(account, {**taken, **tags})
            case "deploy" | "deployed" if account.operation is None:
                state = "Accepted" if team.deed == "deploy" else "Succeeded"
                tenant.set_provisioning_state(account, state)
            case _:
                self._guard(account, team)

    def _guard(self, account: Account, team: Team) -> None:
        tenant = self.tenant
        match team.deed:
            case "lock":
                tenant.add_lock(account.id)
            case "unlock":
                tenant.locks[:] = [lock for lock in tenant.locks if lock.scope != account.id]
            case "deny":
                tenant.add_policy(account.id)
            case "allow":
                tenant.policies[:] = [
                    policy for policy in tenant.policies if policy.scope != account.id
                ]
            case _:
                pass

    def _plant(self, fault: Fault) -> None:
        place = _PLACES[fault.place]
        planted_at = self.faults.on(**place, times=fault.times, skip=fault.skip)
        if fault.effect == "late connection":
            planted_at.bend(self._closing)
        else:
            _EFFECTS[fault.effect](planted_at)

    def _closing(self, answer: Answer) -> Answer:
        """Close the connection after this answer, and let the next one come late."""
        self.azure.connections.late(9)
        return answer.with_header("Connection", "close")

    # What is recorded

    def _children(self) -> list[Child]:
        return [running.child for running in self._running.values() if running.child is not None]

    def _arrives(self, seen: SeenRequest) -> bool:
        """Say whether a request has to wait; note of a PATCH what had been told as it arrived."""
        if seen.method == "PATCH":
            accepted = (len(insights().telemetry), len(self.azure.telemetry))
            self._accepted_before[seen.ordinal] = accepted
        return _is_gated(seen)

    def _serve(self, seen: SeenRequest) -> None:
        """Note, on the server's thread, how things stand as the server begins to act."""
        actor = _actor(seen)
        if actor is None or actor not in self._running:
            return
        path = unquote(seen.path).lower()
        swept = self._running[actor].swept
        tags: Mapping[str, str] = {}
        keys_on, kind = False, ""
        if _ACCOUNT.fullmatch(path):
            account = self.tenant.find_account(path)
            if account is not None:
                tags, keys_on = dict(account.tags or {}), shows_keys_on(account)
                kind = account.kind
        elif _LEVEL.fullmatch(path):
            subscription = self.tenant.subscriptions.get(path.split("/")[2])
            if subscription is not None and "/resourcegroups/" in path:
                group = subscription.groups.get(path.rpartition("/")[2])
                tags = dict(group.tags or {}) if group else {}
            elif subscription is not None:
                tags = dict(subscription.tags or {})
        elif path == "/subscriptions":
            function = self.tenant.function
            readable = (
                subscription.id for subscription in self.tenant.readable_subscriptions(function)
            )
            swept.readable = frozenset(readable)
        self._served[seen.ordinal] = _Served(
            replace(seen, path=path), swept.number, self.clock.now(), tags, keys_on, kind
        )

    def _standings(self) -> list[Standing]:
        """Return how the accounts in scope stand, and what stops a change of each."""
        tenant, today = self.azure.tenant, self.clock.now().date()
        found = []
        for account in tenant.accounts:
            if account.kind.lower() not in KINDS:
                continue
            subscription = tenant.subscriptions[account.subscription_id.lower()]
            group = subscription.groups[account.group.lower()]
            levels = [account.tags or {}]
            if self.program.inherit:
                levels += [group.tags or {}, subscription.tags or {}]
            found.append(
                Standing(
                    account.id.lower(),
                    account.keys_on,
                    levels_say(levels, today),
                    self._stopped(account),
                )
            )
        return found

    def _stopped(self, account: Account) -> str:
        """Return the result that a change must have, if it can't be made; empty: it can."""
        if self._ring not in {"", account.subscription_id.lower()}:
            return "WOULD_DISABLE"
        return _stopped(self.azure.tenant, account)

    def record(self) -> Record:
        """Put together what was seen."""
        record = Record(self.program.inherit, ring=self._ring)
        record.faults = len(self.faults.struck)
        statuses = {operation.ordinal: operation.status for operation in self.azure.operations}
        for ordinal, served in self._served.items():
            seen = served.request
            if not (_ACCOUNT.fullmatch(seen.path) or _LEVEL.fullmatch(seen.path)):
                continue
            acted = _acts(self.faults.struck.get(ordinal))
            answered = acted and ordinal not in self._spoilt()
            record.requests.append(
                Seen(
                    ordinal,
                    served.sweep,
                    seen.method,
                    seen.path,
                    seen.at,
                    served.at if acted else None,
                    answered and statuses.get(ordinal) == 200,
                    served.tags,
                    served.keys_on,
                    served.kind,
                    self._was_announced(ordinal, served),
                )
            )
        record.requests.sort(key=lambda request: request.ordinal)
        for write in self.azure.writes:
            operation = self.tenant.long_operations.get(write.operation or "")
            record.writes.append(
                Written(
                    write.ordinal,
                    self._served[write.ordinal].sweep,
                    write.account_id.lower(),
                    write.at,
                    operation is not None and operation.fails,
                )
            )
        shared = events_of(insights().telemetry.envelopes[self._received_before :])
        events = {**shared, **events_of(self.azure.telemetry.envelopes)}
        for running in self._all:
            running.swept.events = events.get(running.trace, [])
            record.sweeps.append(running.swept)
        record.before_last = self._before_last
        record.on_at_last = self._on_at_last
        return record

    def _was_announced(self, ordinal: int, served: _Served) -> bool:
        """Whether a PATCH was announced before it arrived, to whomever its process tells things."""
        if ordinal not in self._accepted_before:
            return False
        last_shared, last_own = self._accepted_before[ordinal]
        shared = insights().telemetry.envelopes[self._received_before : last_shared]
        events = events_of([*shared, *self.azure.telemetry.envelopes[:last_own]])
        return any(
            event["name"] == "DriftFound" and event["accountId"] == served.request.path
            for event in events.get(self._all[served.sweep].trace, [])
        )

    def _spoilt(self) -> set[int]:
        """Return the requests whose answer was not the server's own, or did not arrive."""
        return {
            ordinal
            for ordinal, effect in self.faults.struck.items()
            if not isinstance(effect, Hang) or effect.seconds is None
        }

    def trail(self) -> list[tuple[str, ...]]:
        """Return every request in the order in which it was let in, for comparing two runs."""
        statuses = {operation.ordinal: str(operation.status) for operation in self.azure.operations}
        return [
            (
                f"{served.at:%d %H:%M:%S.%f}",
                str(served.sweep),
                served.request.method,
                served.request.path.rpartition("/")[2],
                statuses.get(ordinal, "not answered"),
            )
            for ordinal, served in self._served.items()
        ]


async def _tick(process: Process, swept: Swept, parent: str, last: str) -> None:
    try:
        await process.tick(parent, last=last)
    except asyncio.CancelledError:
        if not swept.cut:
            raise
    except Exception as error:  # noqa: BLE001 - the judge wants to know of any
        _note_end(swept, error)


def _note_end(swept: Swept, error: BaseException | None) -> None:
    if error is None:
        return
    name, text = type(error).__name__, str(error)
    known = isinstance(error, KeysweepError)
    if type(error) is RuntimeError:
        name, text = error.args
        known = name in {error.__name__ for error in _tree(KeysweepError)}
    swept.error = name
    if not known:
        swept.unexpected = f"{name}: {text}"


def _tree(root: type[BaseException]) -> list[type[BaseException]]:
    return [root, *(error for child in root.__subclasses__() for error in _tree(child))]


def events_of(envelopes: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return events by the trace under which they were told, in the order of their telling."""
    found: dict[str, list[dict[str, Any]]] = {}
    for envelope in envelopes:
        if envelope["data"]["baseType"] == "EventData":
            base = envelope["data"]["baseData"]
            event = {"name": base["name"], **base["properties"], **(base["measurements"] or {})}
            found.setdefault(envelope["tags"]["ai.operation.id"], []).append(event)
    return found


def _tenant() -> Tenant:
    tenant = Tenant()
    # Each actor asks with a client id of its own, so that it is known here who asked what. The
    # object id is the same, and it is what the change log names.
    tenant.changed_by_object_id = True
    tenant.add_management_group(_GROUP)
    for name in ("contoso-one", "contoso-two"):
        tenant.add_subscription(name, parent=_GROUP)
    tenant.assign_function(ids.management_group_scope(_GROUP))
    return tenant


def _throttling(bucket: int | None) -> Settings:
    if bucket is None:
        return Settings()
    rates: dict[Kind, Rates] = {"reads": Rates(bucket, 1), "writes": Rates(bucket, 1)}
    return Settings(throttled=True, rates=rates)


def _alias(tenant: Tenant, actor: int) -> Any:
    return replace(tenant.function, client_id=ids.guid("client", "actor", actor))


def _own_telemetry(azure: LocalAzure) -> dict[str, str]:
    """Return what makes a child tell its own local Azure what it has to tell."""
    name = "APPLICATIONINSIGHTS_CONNECTION_STRING"
    return {name: azure.environ[name], **SENT_BY_THE_PRODUCT_ALONE}


def _is_gated(seen: SeenRequest) -> bool:
    return _actor(seen) is not None


_ACTORS = {ids.guid("client", "actor", actor): actor for actor in range(3)}


def _actor(seen: SeenRequest) -> int | None:
    """Say who asks, by the client id in the token, or of the identity for which one is asked."""
    if seen.host == "identity":
        if "monitor" in seen.query.get("resource", ""):
            return None
        return _ACTORS.get(seen.query.get("client_id", ""))
    if seen.host != "arm":
        return None
    payload = seen.headers.get("Authorization", "").split(".")[1:2]
    if not payload:
        return None
    claims = json.loads(base64.urlsafe_b64decode(payload[0] + "=" * (-len(payload[0]) % 4)))
    return _ACTORS.get(claims.get("appid", ""))


def _key(seen: SeenRequest) -> tuple[str, ...]:
    """Order what waits by what it is, and not by when it happened to arrive."""
    body = seen.body.decode(errors="replace")
    return (str(_actor(seen)), seen.method, seen.path, body, f"{seen.ordinal:09d}")


def shows_keys_on(account: Account) -> bool:
    """Whether the next read shows keys on; for a while after a PATCH that is the old value."""
    return (account.stale_flag if account.stale_left else account.flag) is not True


def _stopped(tenant: Tenant, account: Account) -> str:
    """Return the result that a change must have, in the order in which Azure and we judge."""
    if account.busy:
        return "BUSY"
    if any(lock.scope == account.id for lock in tenant.locks):
        return "LOCKED"
    if any(policy.scope == account.id for policy in tenant.policies):
        return "POLICY_DENIED"
    return "UNVERIFIED" if account.patch is PatchForm.OPERATION_FAILS else ""


_FLAGS: dict[Keys, Flag] = {"on": True, "absent": ABSENT, "null": None, "off": False}
_FORMS: dict[Form, PatchForm] = {
    "BOTH": PatchForm.BOTH,
    "ASYNC_OPERATION": PatchForm.ASYNC_OPERATION,
    "LOCATION": PatchForm.LOCATION,
    "OK_200": PatchForm.OK_200,
    "BODY_ACCEPTED": PatchForm.BODY_ACCEPTED,
    "FAILS": PatchForm.OPERATION_FAILS,
}


def tags_of(tag: Tag, now: datetime) -> dict[str, str]:
    today, yesterday = now.date(), now.date() - timedelta(days=1)
    future = today + timedelta(days=90)
    values: dict[Tag, dict[str, str]] = {
        "none": {},
        "other": {"owner": "ann"},
        "yes": {TAG.upper(): " True "},
        "reason": {TAG: "legacy bot, CHG0042"},
        "future": {TAG: f"{future}"},
        "today": {TAG: f"{today}"},
        "fields": {TAG: f"owner=x@contoso.com; UNTIL={future}"},
        "no": {"Local-Auth-Exempt": "No"},
        "lapsed": {TAG: f"{yesterday}"},
        "lapsed fields": {TAG: f"until={yesterday}; reason=CHG0031"},
        "unreadable": {TAG: "31/12/2099"},
        "soon": {TAG: "until=soon"},
        "doubled": {TAG: f"until={future};until={future}"},
        "near miss": {"LocalAuthExempt": "false"},
        "near miss and no": {"local_auth_exempt": "yes", TAG: "0"},
        "near miss by signs": {"local\N{EN DASH}auth\N{ZERO WIDTH SPACE}exempt": "no"},
    }
    return values[tag]


_ACCOUNTS = "Microsoft.CognitiveServices/accounts"
_PLACES: dict[Place, dict[str, Any]] = {
    "patch": {"method": "PATCH"},
    "get": {"method": "GET", "path": f"*/{_ACCOUNTS}/*"},
    "group": {"method": "GET", "path": "*/resourcegroups/rg-?"},
    "subscription": {"method": "GET", "path": "/subscriptions/" + 36 * "?"},
    "poll": {"path": "*/operationresults/*"},
    "graph": {"action": "Microsoft.ResourceGraph/resources/read"},
    "subscriptions": {"method": "GET", "path": "/subscriptions"},
    "accounts": {"method": "GET", "path": f"*/providers/{_ACCOUNTS}"},
    "token": {"host": "identity"},
    "any": {"host": "arm"},
}
_HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


def _error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": f"{code}, says the fault."}}


_EFFECTS: dict[Effect, Any] = {
    "429": lambda fault: fault.answer(429, _error("TooManyRequests")),
    "429 for 20 s": lambda f: f.answer(429, _error("TooManyRequests"), {"Retry-After": "20"}),
    "429 for years": lambda f: f.answer(
        429, _error("TooManyRequests"), {"Retry-After": "99999999"}
    ),
    "429 for an hour": lambda f: f.answer(429, _error("TooManyRequests"), {"Retry-After": "3600"}),
    "503": lambda f: f.answer(503, _error("ServiceUnavailable")),
    "503 for 5 s": lambda f: f.answer(503, _error("ServiceUnavailable"), {"Retry-After": "5"}),
    "HTML": lambda f: f.answer(502, _HTML, {"Content-Type": "text/html"}),
    "broken JSON": lambda f: f.answer(200, '{"value": [{"id":', {"Content-Type": _JSON}),
    "401": lambda f: f.answer(401, _error("ExpiredAuthenticationToken")),
    "cut": lambda f: f.cut(),
    "cut after acting": lambda f: f.cut(after_acting=True),
    "500 after acting": lambda f: f.answer(500, _error("Internal"), after_acting=True),
    "503 for 2 s after acting": lambda f: f.answer(
        503, _error("ServiceUnavailable"), {"Retry-After": "2"}, after_acting=True
    ),
    "slow": lambda f: f.hang(30, after_acting=True),
    "hang": lambda f: f.hang(),
}
_JSON = "application/json; charset=utf-8"


def _acts(effect: Struck | None) -> bool:
    """Whether the server acts on a request that this strikes."""
    return effect is None or effect.acting
