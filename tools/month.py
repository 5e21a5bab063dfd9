"""A month of sweeps of one tenant, in a minute: `python -m tools.month DIRECTORY`.

Real sweeps of a real process, on a clock that is moved; what Application Insights received goes to
`capture.json`, the calls that accounts logged to one workspace to `calls.json`, and what truly
happened, from the local Azure's own state and write log and never from an event or a log, to
`truth.json`. With `--calm` nothing happens in it, hour by hour.

It runs in a process of its own: OpenTelemetry's providers can be set once a process, and here they
have to belong to the tenant that is swept.
"""

import os

from local_azure import trust

# aiohttp reads its certificates when it is imported: before anything that imports it.
os.environ.update(trust.environ())

import argparse
import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local_azure import Account, LocalAzure, MovedClock, PatchForm, Principal, Tenant
from local_azure.scenarios.tenants import forbid_changes
from local_azure.state import ids
from shared.bootstrap import Process
from shared.core.errors import KeysweepError

START = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
DAYS = 30
EVERY = timedelta(hours=6)
TAG = "local-auth-exempt"
LOG = "log-central"
_DAY = timedelta(days=1)
_TOKEN_LIFETIME = 90 * 86_400  # the exporter's own clock is the machine's: no token may expire
# What a tick may take of real time. Where nothing waits, the clock stands still during it: on a
# loaded machine a pause of the process would look like quiet, and a request like a hanging one.
_REAL_SECONDS = 300
_FURTHEST = 15.0
_NEVER = 365 * 86_400.0
_KILLED_AT = "/meeting-notes"
_ACCOUNTS = "Microsoft.CognitiveServices/accounts/"
_LISTED = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/providers/Microsoft\.CognitiveServices/accounts",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody turned an account's keys on or off, by the tenant's own record."""

    at: str
    account: str
    turned: str
    by: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One account as the tenant has it at one moment."""

    id: str
    name: str
    subscription: str
    kind: str
    keys_on: bool
    tags: dict[str, str]
    changed_by: str = ""
    """Who changed it last, whatever they changed, as Azure Resource Manager says."""
    changed_at: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody called an account's data plane, by the tenant's own record."""

    at: str
    account: str
    with_key: bool
    status: int
    logged_to: list[str]
    """Names of the workspaces that have it."""
    legible: bool
    """Whether the log says who called."""


@dataclass(slots=True)
class Tick:
    """One firing of the timer."""

    at: str
    ended: str = ""
    error: str = ""
    killed: bool = False
    readable: list[str] = field(default_factory=list)
    """Names of the subscriptions in scope that the Function may read, and Azure would show."""
    listed: list[str] = field(default_factory=list)
    """Names of those whose accounts the Function listed from Azure Resource Manager."""
    before: list[Standing] = field(default_factory=list)
    after: list[Standing] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    """Accounts whose PATCH by the Function the server accepted in this tick, by id."""
    refused: dict[str, str] = field(default_factory=dict)
    """Accounts whose PATCH it refused, with Azure's code."""
    answers: dict[str, int] = field(default_factory=dict)
    """How often ARM and Resource Graph gave each answer to the Function in this tick."""
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Truth:
    """What truly happened."""

    subscriptions: dict[str, str] = field(default_factory=dict)
    """Names by id."""
    ticks: list[Tick] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    lost: list[Turn] = field(default_factory=list)
    """Those of the turns that Resource Graph never heard of."""
    calls: list[Call] = field(default_factory=list)
    function: str = ""
    """How the change log names the Function's identity."""


class Month:
    """The tenant, the app's settings, and the days as they pass."""

    def __init__(self, tenant: Tenant, settings: dict[str, str]) -> None:
        """Nothing happens until `run`."""
        self.tenant = tenant
        self.clock = MovedClock(START, auto=False)
        self.azure = LocalAzure(tenant, self.clock, token_lifetime=_TOKEN_LIFETIME)
        self.settings = settings
        self.truth = Truth(
            subscriptions={
                subscription.id: subscription.name for subscription in tenant.subscriptions.values()
            },
            function=tenant.function.client_id,
        )
        self.envelopes: list[dict[str, Any]] = []
        self.story: dict[datetime, list[Callable[[], None]]] = {}
        self.silent: set[datetime] = set()
        self.killed: set[datetime] = set()
        self.waiting: set[datetime] = set()
        """Ticks in which something waits for the clock: a pause before another attempt."""

    def at(self, day: float, happens: Callable[[], None]) -> None:
        """Let something happen just before the tick of this day of the month."""
        self.story.setdefault(_moment(day), []).append(happens)

    def turn(self, name: str, turned: str, by: Principal) -> None:
        """Let somebody turn an account's keys, an hour before the coming tick."""
        moment = self.azure.now() - timedelta(hours=1)
        if self.tenant.account(name).keys_on == (turned == "on"):
            return
        if turned == "on":
            self.tenant.enable_keys(name, by=by, at=moment)
        else:
            self.tenant.disable_keys(name, by=by, at=moment)
        account = self.tenant.account(name)
        who = by.name if by.kind == "User" else by.client_id
        self.truth.turns.append(Turn(moment.isoformat(), account.id.lower(), turned, who))

    def turn_unheard(self, name: str, by: Principal) -> None:
        """Let somebody turn an account's keys on, and Resource Graph lose the news of it."""
        feed = self.azure.services.feed
        lag, feed.lag = feed.lag, _NEVER
        self.turn(name, "on", by)
        feed.lag = lag
        self.truth.lost.append(self.truth.turns[-1])

    def tag(self, name: str, value: str) -> None:
        """Let somebody tag an account, an hour before the coming tick."""
        self.tenant.tag(name, {TAG: value}, at=self.azure.now() - timedelta(hours=1))

    async def run(self, every: timedelta, days: float) -> None:
        """Let the days pass."""
        with self.azure:
            os.environ.update(self.azure.environ)
            environ = {**self.azure.environ}
            process = Process(environ, self.azure.clock)
            moment, last = START, ""
            while moment < START + timedelta(days=days):
                self.azure.clock.advance(max(moment - self.azure.now(), timedelta()))
                for happens in self.story.get(moment, ()):
                    happens()
                self.clock.let_move(auto=moment in self.waiting, furthest=_FURTHEST)
                if moment not in self.silent:
                    environ.update(self.settings)
                    await self._tick(process, last)
                    last = moment.isoformat()
                moment += every
            await process.close()

    async def _tick(self, process: Process, last: str) -> None:
        azure, tenant = self.azure, self.tenant
        tick = Tick(azure.now().isoformat(), settings=dict(self.settings))
        tick.before = self._standing()
        tick.readable = [
            subscription.name
            for subscription in tenant.subscriptions.values()
            if tenant.may(tenant.function, f"{_ACCOUNTS}read", subscription.scope)
        ]
        seen, writes, sent = len(azure.operations), len(azure.writes), len(azure.telemetry)
        try:
            if azure.now() in self.killed:
                tick.killed = True
                await self._killed(process, last)
            else:
                await asyncio.wait_for(process.tick(last=last), _REAL_SECONDS)
        except KeysweepError as error:
            tick.error = str(error)
        tick.ended = azure.now().isoformat()
        tick.after = self._standing()
        mine = tenant.function.object_id
        for write in azure.writes[writes:]:
            if write.principal == mine:
                tick.accepted.append(write.account_id.lower())
                if write.before.disable_local_auth is not True:
                    turn = Turn(
                        write.at.isoformat(),
                        write.account_id.lower(),
                        "off",
                        tenant.function.client_id,
                    )
                    self.truth.turns.append(turn)
        for operation in azure.operations[seen:]:
            listed = _LISTED.fullmatch(operation.path)
            if listed is not None and operation.principal == mine:
                tick.listed.append(self.truth.subscriptions[listed["subscription"].lower()])
            if operation.principal == mine and operation.host == "arm":
                answer = str(operation.status)
                tick.answers[answer] = tick.answers.get(answer, 0) + 1
            if operation.action == f"{_ACCOUNTS}write" and operation.code:
                tick.refused[operation.path.lower()] = operation.code
        self.truth.ticks.append(tick)
        self.envelopes += on_the_clock(azure.telemetry.envelopes[sent:], tick.ended)

    async def _killed(self, process: Process, last: str) -> None:
        """End a sweep as the host's time-out does: in the middle, when a write is on its way."""
        reached = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hook(request: Any) -> None:
            if request.method == "PATCH" and request.path.endswith(_KILLED_AT):
                loop.call_soon_threadsafe(reached.set)

        remove = self.azure.before(hook)
        work = asyncio.ensure_future(process.tick(last=last))
        stop = asyncio.ensure_future(reached.wait())
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        stop.cancel()
        await asyncio.gather(work, stop, return_exceptions=True)
        remove()

    def _standing(self) -> list[Standing]:
        names = {
            subscription.id.lower(): subscription.name
            for subscription in self.tenant.subscriptions.values()
        }
        return [
            Standing(
                account.id.lower(),
                account.name,
                names[account.subscription_id.lower()],
                account.kind,
                account.keys_on,
                dict(account.tags or {}),
                (system := account.wire()["systemData"])["lastModifiedBy"],
                system["lastModifiedAt"],
            )
            for account in self.tenant.accounts
        ]

    def _calls(self) -> list[Call]:
        last = self.azure.now()
        return [
            Call(
                at.isoformat(),
                account.id.lower(),
                calls.caller is None,
                calls.status,
                [
                    setting.workspace.name
                    for setting in self.tenant.diagnostics.in_force(account.id, at)
                    if setting.workspace is not None
                ],
                calls.properties != "cut",
            )
            for account in self.tenant.accounts
            for calls in self.tenant.traffic.of(account.id)
            for at in calls.times(START - timedelta(days=60), last)
        ]

    def write(self, directory: Path) -> None:
        """Write what was received, what was logged and what truly happened."""
        directory.mkdir(parents=True, exist_ok=True)
        self.truth.calls = self._calls()
        logged = self.azure.logged_calls(LOG) if self.tenant.diagnostics.workspaces else []
        (directory / "calls.json").write_text(json.dumps(logged))
        (directory / "capture.json").write_text(json.dumps(self.envelopes))
        (directory / "truth.json").write_text(json.dumps(asdict(self.truth), indent=1))


def _moment(day: float) -> datetime:
    return START + timedelta(days=day)


def on_the_clock(envelopes: list[dict[str, Any]], ended: str) -> list[dict[str, Any]]:
    """Events carry the product's clock; the exporter stamps metrics and spans with the machine's.

    So those are moved to the end of their tick, where a Function's exporter would stamp them: each
    a microsecond after the other, since no two exports have the same time.
    """
    end = datetime.fromisoformat(ended)
    return [
        envelope
        if envelope["data"]["baseType"] == "EventData"
        else {**envelope, "time": (end + timedelta(microseconds=number)).isoformat()}
        for number, envelope in enumerate(envelopes)
    ]


def eventful() -> Month:
    """Build a first month: audit, three rings, the brake, and then what life brings."""
    tenant = Tenant()
    tenant.add_management_group("contoso")
    tenant.add_management_group("elsewhere")
    for name in ("corp-prod", "finance-prod", "web-prod", "logistics-prod", "lab"):
        tenant.add_subscription(name, parent="contoso")
    tenant.add_subscription("management", parent="elsewhere")  # out of scope
    tenant.assign_function(ids.management_group_scope("contoso"))
    pipeline = tenant.add_principal("spn-legal-deploy")
    settings = {
        "SWEEP_MODE": "audit",
        "SWEEP_MANAGEMENT_GROUPS": "contoso",
        "MAX_CHANGES_PER_SWEEP": "6",
        "INVENTORY": "daily",
    }
    month = Month(tenant, settings)
    _add_accounts(tenant)
    team = tenant.team
    _add_calls(tenant)

    # A first enforcement, ring by ring: the lab, the web, and all else on day 4, when the brake
    # holds it; released a day later, as the runbook says
    lab_and_web = [(tenant.subscription("lab").id, 2), (tenant.subscription("web-prod").id, 3)]
    rings = ", ".join(
        f"{name}@{_moment(day):%Y-%m-%dT%H:%MZ}" for name, day in (*lab_and_web, ("contoso", 4))
    )
    month.at(2, lambda: settings.update(SWEEP_MODE="enforce", ENFORCE_SCOPES=rings))
    month.at(5, lambda: settings.update(BRAKE_RELEASE_UNTIL=f"{_moment(6):%Y-%m-%dT%H:%MZ}"))
    # A patch war, a person, an unneeded exemption
    for day in (7, 7.5, 8, 8.5):
        month.at(day, lambda: month.turn("contract-review", "on", pipeline))
    month.at(10, lambda: month.turn("site-search", "on", team))
    month.at(11, lambda: month.turn("site-search", "off", team))
    # A subscription that can't be read for a day, and again at the end: unseen, not fixed
    logistics = tenant.subscription("logistics-prod")
    month.at(
        12, lambda: tenant.deny(tenant.function, logistics.scope, ["*"], name="logistics-stack")
    )
    month.at(12, lambda: month.turn("parcel-assistant", "on", team))
    month.at(13, lambda: tenant.assignments.remove(tenant.function.object_id, logistics.scope))
    lab = tenant.subscription("lab")
    month.at(28, lambda: tenant.deny(tenant.function, lab.scope, ["*"], name="lab-stack"))
    # Resource Graph is down for one sweep, everything for another, and ARM throttles one
    graph = "Microsoft.ResourceGraph/resources/read"
    month.at(15, lambda: _fail(month, 503, action=graph))
    month.at(15.25, month.azure.faults.clear)
    month.at(16, lambda: _fail(month, 500, method="GET"))
    month.at(16, lambda: _fail(month, 500, action=graph))
    month.at(16.25, month.azure.faults.clear)
    month.at(21, lambda: _throttle(month))
    month.waiting.update(map(_moment, (15, 16, 21, 29.5, 29.75)))
    # A sweep that is killed, a day without any, and a setting that is wrong
    month.at(18, lambda: month.turn("meeting-notes", "on", team))
    month.killed.add(_moment(18))
    month.silent.update(_moment(20 + hours / 24) for hours in range(0, 24, 6))
    month.at(24, lambda: settings.update(SWEEP_MODE="enfroce"))
    month.at(24.25, lambda: settings.update(SWEEP_MODE="enforce"))
    # Rules for exemptions, for a day; a change that fails, until the account is mended
    month.at(22, lambda: settings.update(EXEMPTION_MAX_DAYS="90"))
    month.at(23, lambda: settings.update(EXEMPTION_MAX_DAYS=""))
    month.at(29.5, lambda: month.turn("image-captions", "on", team))
    month.at(29.5, lambda: _fail(month, 500, method="PATCH", path="*/accounts/image-captions"))
    # Resource Graph loses the news of a change. At noon this subscription is read from ARM as well
    month.at(25.5, lambda: month.turn_unheard("returns-bot", team))
    # Somebody's tags; and the last sweep is told that those which nobody can read count for nothing
    month.at(29.75, lambda: settings.update(EXEMPTION_UNREADABLE="disable"))
    month.at(2, lambda: month.tag("ticket-summary", "31/12/2026"))
    month.at(27, lambda: month.tag("minutes-writer", "true"))
    month.at(29, lambda: month.turn("faq-bot", "on", team))
    return month


def _fail(month: Month, status: int, **place: Any) -> None:
    error = {"code": "InternalServerError", "message": "Something went wrong inside Azure."}
    month.azure.faults.on(times=None, host="arm", **place).answer(status, {"error": error})


def _throttle(month: Month) -> None:
    place = month.azure.faults.on(method="GET", host="arm", times=2)
    place.answer(429, headers={"Retry-After": "5"})


def _add_accounts(tenant: Tenant) -> None:
    def add(subscription: str, name: str, kind: str = "OpenAI", **options: Any) -> Account:
        options.setdefault("group", f"rg-{name.partition('-')[0]}")
        options.setdefault("updated", True)
        # Changes are done at once: how they take their time is what other tests are about.
        options |= {"patch": PatchForm.OK_200, "stale_reads": 0}
        return tenant.add_account(name, subscription=subscription, kind=kind, **options)

    # Drifted from the first day
    add("corp-prod", "contract-review", local_auth=True)
    add("corp-prod", "meeting-notes", "AIServices", local_auth=True)
    add("corp-prod", "dictation", "AIServices", local_auth=True, subdomain=None)
    add("finance-prod", "invoice-reader", local_auth=True)
    add("finance-prod", "vendor-chat", local_auth=True)
    add("web-prod", "campaign-bot", local_auth=True)
    add("web-prod", "lead-scoring", local_auth=True)
    add("logistics-prod", "label-texts", "AIServices")
    add("lab", "prompt-lab", local_auth=True)
    # Somebody's deliberate no
    locked = add("finance-prod", "audit-archive", local_auth=True, group="rg-audit")
    refused = add("finance-prod", "treasury-bot", local_auth=True, group="rg-treasury")
    forbid_changes(tenant, locked, refused)
    # Exempt: open-ended, until a day of this month, until soon, until later
    add("corp-prod", "scanner-gateway", local_auth=True, tags={TAG: "vendor appliance, no Entra"})
    add("finance-prod", "sap-connector", local_auth=True, tags={TAG: "true"})
    add("finance-prod", "month-end", local_auth=True, tags={TAG: f"{_moment(9):%Y-%m-%d}"})
    soon = f"until={_moment(41):%Y-%m-%d}; reason=CHG0042 legacy bot; owner=team-x@contoso.com"
    add("web-prod", "partner-widget", local_auth=True, tags={TAG: soon})
    later = f"until={_moment(200):%Y-%m-%d}; reason=CHG0077 kiosk; owner=logistics@contoso.com"
    add("logistics-prod", "depot-terminal", local_auth=True, tags={TAG: later})
    # Held: a tag that nobody can read, from day 2 on, and a near miss
    add("corp-prod", "ticket-summary", local_auth=True, tags={TAG: "true"})
    add("web-prod", "data-room", local_auth=True, tags={"LocalAuthExempt": "true"})
    add("lab", "eval-runner", "AIServices", local_auth=True, tags={TAG: "until=soon"})
    add("management", "ops-copilot", local_auth=True)
    # Keys off
    for subscription, name in (
        ("corp-prod", "knowledge-base"), ("corp-prod", "minutes-writer"),
        ("finance-prod", "expense-check"), ("finance-prod", "tax-research"),
        ("web-prod", "site-search"), ("web-prod", "faq-bot"), ("web-prod", "store-finder"),
        ("logistics-prod", "parcel-assistant"), ("logistics-prod", "returns-bot"),
        ("lab", "red-team"),
    ):  # fmt: skip
        add(subscription, name, local_auth=False)
    add("web-prod", "image-captions", local_auth=False)


def _add_calls(tenant: Tenant) -> None:
    """Let accounts be called: with keys or without, logged or not, and refused once keys are off.

    What a log can't say stands beside what it can: one that began late, one that goes elsewhere,
    rows that are cut, 401s alone, and calls that nothing logs.
    """
    central = tenant.add_workspace(LOG, subscription="management")
    elsewhere = tenant.add_workspace("log-web", subscription="web-prod")
    app = tenant.add_principal("app-of-all")
    end = 29.9

    def called(name: str, count: int, begin: float = -20, until: float = end, **how: Any) -> None:
        tenant.calls(name, count, first=_moment(begin), last=_moment(until), **how)

    for name in (
        "scanner-gateway", "sap-connector", "data-room", "audit-archive", "treasury-bot",
        "contract-review", "invoice-reader", "faq-bot", "site-search",
    ):  # fmt: skip
        tenant.log_to(name, central, since=_moment(-100))
    tenant.log_to("partner-widget", central, since=_moment(20))
    tenant.log_to("lead-scoring", elsewhere, since=_moment(-100))
    # Keys on all the time, with somebody's leave or as somebody's no
    called("scanner-gateway", 240, address="203.0.113.42")
    called("scanner-gateway", 60, begin=4, until=25, deployment="gpt-4o-mini", address=None)
    called("sap-connector", 240, by=app)
    called("data-room", 30, properties="object", deployment="embeddings",
           operation="Embeddings_Create", model="text-embedding-3-large")  # fmt: skip
    called("data-room", 100, by=app, properties="object")
    called("audit-archive", 40, by=app, properties="cut")
    called("treasury-bot", 80, status=401, address="198.51.100.23")
    called("depot-terminal", 300)
    called("partner-widget", 120, by=app)
    # Keys went off: clients with keys are refused, or had moved before
    called("contract-review", 200, by=app)
    called("contract-review", 90, until=8.4, address="192.0.2.77")
    called("contract-review", 60, begin=9.2, until=28, status=401, address="192.0.2.77")
    called("invoice-reader", 110, until=4.9)
    called("invoice-reader", 25, begin=5.2, until=12, status=403, address="203.0.113.9")
    called("faq-bot", 12, begin=28.97, until=29.05)
    called("faq-bot", 8, begin=29.1, status=403)
    called("site-search", 300, by=app)
    called("lead-scoring", 150, until=3.2)
    called("lead-scoring", 50, begin=3.3, status=401)
    called("campaign-bot", 150, begin=3.3, status=401)


def calm() -> Month:
    """Nothing happens: keys are off, or stay on under an exemption for long."""
    tenant = Tenant()
    tenant.add_management_group("contoso")
    for name in ("corp-prod", "web-prod"):
        tenant.add_subscription(name, parent="contoso")
    tenant.assign_function(ids.management_group_scope("contoso"))
    for number in range(6):
        tenant.add_account(f"bot-{number}", subscription="corp-prod", local_auth=False)
    tags = {TAG: f"until={_moment(300):%Y-%m-%d}; reason=kiosk; owner=retail@contoso.com"}
    tenant.add_account("kiosk", subscription="web-prod", local_auth=True, tags=tags)
    return Month(tenant, {"SWEEP_MODE": "enforce", "SWEEP_MANAGEMENT_GROUPS": "contoso"})


def main() -> None:
    """Let a month pass and write it down."""
    parser = argparse.ArgumentParser(prog="python -m tools.month", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--calm", action="store_true", help="nothing happens, hour by hour")
    parser.add_argument("--days", type=float, default=DAYS)
    arguments = parser.parse_args()
    month = calm() if arguments.calm else eventful()
    every = timedelta(hours=1) if arguments.calm else EVERY
    asyncio.run(month.run(every, arguments.days))
    month.write(arguments.directory)


if __name__ == "__main__":
    main()
