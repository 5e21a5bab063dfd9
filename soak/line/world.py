"""Makes a program happen on a local Azure, and records it.

The person's commands run in this process, by the local Azure's clock. What happens meanwhile
happens on the server's thread, before it acts on a request, or where the person is asked. A process
that is killed is played: from that moment on nothing that it sends is acted upon, and its records
stand as they stood then.
"""

import asyncio
import io
import json
import os
import re
import shlex
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, assert_never
from urllib.parse import unquote

from keysweep.__main__ import main
from local_azure import ABSENT, LocalAzure, MovedClock, SeenRequest, Tenant
from local_azure.faults import Cut, Effect, Refuse
from local_azure.services import Settings
from local_azure.state import account as state
from local_azure.state.access import Principal
from local_azure.state.account import Flag, PatchForm
from local_azure.state.tenant import OTHER_TENANT
from soak.laws import KINDS
from soak.line.laws import Deed, InForce, Look, Put, Ran, Record, read_changes
from soak.line.program import (
    BROKEN,
    GROUPS,
    HOME,
    INTERRUPTIONS,
    PLACES,
    Account,
    AppSettings,
    At,
    Colleague,
    Command,
    From,
    Keys,
    Meanwhile,
    Program,
    Scope,
    Tag,
    Timer,
    Trouble,
    Wait,
)
from soak.line.program import Deed as Deeds
from tests.support import real_sweeps as keysweep
from tests.support.terminal import as_a_person, environment

_ACCOUNT = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.cognitiveservices/"
    r"accounts/[^/]+"
)
_WAY_BACK = re.compile(r"Sweep (\S+) is recorded in .*\.\nTo take it back: keysweep (.*)")
_ANSWERED_AFTER = 0.007
_NO_SWEEP = "20200101T000000Z-00000000"
_SITE = "/subscriptions/{}/resourceGroups/rg-keysweep/providers/Microsoft.Web/sites/func-keysweep"


def happen(program: Program) -> Record:
    """Run a program to its end, and return what was recorded."""
    with tempfile.TemporaryDirectory(prefix="keysweep-line-") as folder:
        world = _World(program, Path(folder))
        with world.azure:
            world.begin()
            for step in program.steps:
                world.do(step)
            return world.recorded()


class _Person(io.StringIO):
    """Standard input, with a person before it."""

    def __init__(self, world: "_World", answer: str) -> None:
        super().__init__()
        self._world = world
        self._answer = answer

    def isatty(self) -> bool:
        """Whether somebody is there."""
        return bool(self._answer)

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]  # noqa: ARG002
        """Answer the question that was just asked."""
        self._world.asks()
        if self._answer == "Ctrl-C":
            raise KeyboardInterrupt
        return f"{self._answer}\n"


class _Shown(io.StringIO):
    """Standard error, as far as a person sees it."""

    def __init__(self, *, seen: bool = False) -> None:
        super().__init__()
        self._seen = seen

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._seen


@dataclass(frozen=True, slots=True)
class _Read:
    ordinal: int
    look: Look


class _World:
    """One tenant, and all that is seen of it."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.record = Record()
        self.clock = MovedClock()
        self.tenant = _tenant()
        site = _SITE.format(self.tenant.subscription("one").id)
        settings = Settings(app_settings={site: self._values(program.app_settings)})
        self.azure = LocalAzure(
            self.tenant,
            clock=self.clock,
            graph_lag=0,
            changes_lag=program.log_lag,
            settings=settings,
        )
        self._site = site
        self._bob = self.tenant.add_principal("bob@contoso.com", kind="User")
        self._running: Ran | None = None
        self._err = _Shown()
        self._left: list[Meanwhile] = []
        self._requests = self._patches = self._questions = 0
        self._last_ordinal = 0
        self._struck: dict[int, Trouble] = {}
        self._dead = False
        self._kept: dict[Path, bytes] = {}
        self._reads: dict[tuple[int | None, str], _Read] = {}
        self._owners: dict[int, int | None] = {}
        self._read_before: dict[int, _Read | None] = {}
        self._before: dict[int, Look] = {}
        self._settings_of: dict[int, tuple[tuple[str, ...], dict[str, str], InForce | None]] = {}

    def begin(self) -> None:
        """Make the accounts, prepare what goes wrong, and begin to watch."""
        for drawn in self.program.accounts:
            self._add(drawn)
        # What was there before shows in the change log by now.
        self.clock.advance(timedelta(hours=1))
        faults = self.azure.faults
        for trouble in Trouble.__value__.__args__:
            fault = faults.on(times=None, where=self._is_struck_by(trouble))
            if trouble == "broken JSON":
                fault.answer(200, '{"value": [{"id":', {"Content-Type": "application/json"})
            else:
                fault.effect = _EFFECTS[trouble]
        faults.on(times=None, where=self._is_of_the_dead).cut()
        self.azure.before(self._serve)

    def _is_struck_by(self, trouble: Trouble) -> Callable[[SeenRequest], bool]:
        return lambda seen: self._struck.get(seen.ordinal) == trouble

    def _is_of_the_dead(self, seen: SeenRequest) -> bool:
        return self._dead and seen.ordinal not in self._struck and not self._is_timers(seen)

    def do(self, step: Command | Colleague | Timer | Wait) -> None:
        """Do one step."""
        self.clock.advance(1)
        match step:
            case Command():
                self._run(step)
            case Colleague():
                self._act(step)
            case Timer():
                self._tick()
            case Wait(minutes):
                self.clock.advance(timedelta(minutes=minutes))
            case _:
                assert_never(step)

    # The timer

    def _tick(self) -> None:
        """Let the Function sweep; what it makes of it is judged by the soak."""
        self.record.timers += 1
        values = self._values(self.program.app_settings)
        mode = values.pop("SWEEP_MODE", "enforce")
        thread = threading.Thread(
            target=lambda: asyncio.run(keysweep.sweep(self.azure, mode, **values))
        )
        thread.start()
        thread.join()

    def _is_timers(self, seen: SeenRequest) -> bool:
        return seen.principal == self.tenant.function.object_id

    # The colleague

    def _act(self, deed: Colleague, at: int | None = None) -> None:
        """Do something to an account, and note it."""
        drawn = self.program.accounts[deed.account % len(self.program.accounts)]
        key = self._key(drawn)
        ordinal = self._last_ordinal if at is None else at
        with self.tenant.guard:
            found = self.tenant.find_account(key)
            keys_on = found.keys_on if found is not None else None
            writes = len(self.azure.services.writes)
            self._do(deed, drawn, key, exists=found is not None)
            now = self.tenant.find_account(key)
            # Another account of this name, or none any more, or keys that were turned.
            counts = now is not found or (now is not None and now.keys_on != keys_on)
        running = self._running.number if self._running else None
        self.record.deeds.append(
            Deed(key, deed.deed, deed.myself, writes, ordinal, running, counts)
        )

    def _do(self, deed: Colleague, drawn: Account, key: str, *, exists: bool) -> None:
        who = self.tenant.team if deed.myself else self._bob
        # Nothing that two people do happens at the same moment.
        self.clock.advance(0.25)
        if exists:
            self._deeds(deed, drawn, key, who)[deed.deed]()
        elif deed.deed == "create":
            self._add(drawn)
        self.clock.advance(0.25)

    def _deeds(
        self, deed: Colleague, drawn: Account, key: str, who: Principal
    ) -> Mapping[Deeds, Callable[[], object]]:
        """Return how each deed is done to an account that is there."""
        tenant, (place, group) = self.tenant, drawn.where.split()
        tags = self._tags(deed.tag)
        kept = [lock for lock in tenant.locks if lock.scope.lower() != key]

        def tag_group() -> None:
            tagged = tenant.subscription(place).groups[f"rg-{group}"]
            tenant.tag_group(tagged, {**dict.fromkeys(tagged.tags or {}), **tags})

        def anew() -> None:
            tenant.delete(key, by=who)
            self._add(replace(drawn, keys="off"))

        return {
            "keys on": lambda: tenant.enable_keys(key, by=who),
            "keys off": lambda: tenant.disable_keys(key, by=who),
            "tag": lambda: tenant.set_tags(key, tags, by=who),
            "cost tag": lambda: tenant.tag(key, {"cost": "4711"}, by=who),
            "tag group": tag_group,
            "delete": lambda: tenant.delete(key, by=who),
            "anew": anew,
            "create": lambda: None,
            "other kind": lambda: tenant.set_kind(key, "Face"),
            "lock": lambda: tenant.add_lock(tenant.account(key).id),
            "unlock": lambda: tenant.locks.__setitem__(slice(None), kept),
        }

    def _add(self, drawn: Account) -> None:
        place, group = drawn.where.split()
        self.tenant.add_account(
            drawn.called,
            kind=drawn.kind,
            local_auth=_FLAGS[drawn.keys],
            tags=self._tags(drawn.tag),
            subscription=place,
            group=f"rg-{group}",
            patch=PatchForm.BOTH if place == "three" else PatchForm.OK_200,
            stale_reads=0,
            created_by=self._bob,
        )

    def _tags(self, tag: Tag) -> dict[str, str]:
        name = self.program.app_settings.tag
        today = self.clock.now().date()
        soon, later = today + timedelta(days=3), today + timedelta(days=60)
        values: dict[Tag, dict[str, str]] = {
            "none": {},
            "yes": {name.upper(): "true"},
            "reason": {name: "legacy bot"},
            "long": {name: f"{later}"},
            "long owned": {name: f"until={later}; reason=CHG1; owner=bob@contoso.com"},
            "short owned": {name: f"until={soon}; owner=bob@contoso.com"},
            "lapsed": {name: "until=2026-01-31; reason=CHG0; owner=bob@contoso.com"},
            "no": {name: "false"},
            "unreadable": {name: "until=soon"},
            "near miss": {name.replace("-", "_"): "true"},
            "other": {"team": "web"},
        }
        return values[tag]

    # The person

    def _run(self, command: Command) -> None:
        """Run a command, and note what it left."""
        ran, environ = self._prepared(command)
        self.record.commands.append(ran)
        self._running, self._left = ran, list(command.meanwhile)
        self._requests = self._patches = self._questions = 0
        self._dead = False
        self._kept = {}
        self._err = _Shown(seen=bool(command.answer))
        # A document is written in bytes.
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        try:
            with as_a_person(environ, _Person(self, command.answer), out, self._err):
                ran.code = main(ran.arguments, self.clock)
        except KeyboardInterrupt:
            # It came after the command had said all that it had to say.
            ran.killed = True
        finally:
            self._running = None
        out.flush()
        ran.out = out.buffer.getvalue().decode()
        ran.err = self._err.getvalue() + self._tracebacks()
        self._bury()
        way_back = _WAY_BACK.search(ran.err)
        if way_back is not None:
            ran.sweep_id, ran.way_back = way_back[1], tuple(shlex.split(way_back[2]))
        ran.end = self._looks()

    def _tracebacks(self) -> str:
        """Return what bugs of the product's own left, for whoever reads of it."""
        return "".join(file.read_text("utf-8") for file in self.folder.rglob("bugs/*.txt"))

    def _bury(self) -> None:
        """Put the records of a process that was killed back as they stood then."""
        if not self._dead:
            return
        self._dead = False
        for file in self._files():
            if file in self._kept:
                file.write_bytes(self._kept[file])
            else:
                file.unlink()

    def _files(self) -> list[Path]:
        return sorted(self.folder.rglob("*.jsonl"))

    def _prepared(self, command: Command) -> tuple[Ran, dict[str, str]]:
        """Return what is typed and set for a command, and what that means."""
        number = len(self.record.commands)
        options, values, in_force = self._given(command, number)
        matches: frozenset[str] = frozenset()
        arguments: list[str] = []
        swept: Ran | None = None
        if command.verb == "undo":
            arguments, swept, inherited = self._way_back(command)
            if inherited is not None:
                options, values, in_force = inherited
                options = ()
        else:
            arguments, matches = self._named(command)
        if command.record and command.verb == "sweep":
            arguments += ["--record", str(self.folder / f"record {number}.jsonl")]
        if command.document and command.verb == "sweep":
            arguments += ["--output", "json"]
        flags = command.flags if command.verb != "remove" else ()
        typed = (*arguments, *flags, *options)
        self._settings_of[number] = (options, values, in_force)
        environ = environment(
            self.azure, XDG_STATE_HOME=str(self.folder / "state"), TERM="dumb", COLUMNS="240"
        )
        today = self.clock.now().date()
        ran = Ran(number, command, typed, in_force, matches, today)
        ran.sweep = swept.number if swept is not None else None
        return ran, {**environ, **values}

    def _named(self, command: Command) -> tuple[list[str], frozenset[str]]:
        named = [self.program.accounts[i % len(self.program.accounts)] for i in command.named]
        texts = [self._text(account, command.by) for account in named]
        matches = frozenset(key for account in named for key in self._meant(account, command.by))
        if command.verb == "sweep":
            return ["sweep", *(part for text in texts for part in ("--only", text))], matches
        if command.verb == "remove":
            return ["exempt", *texts, "--remove"], matches
        return ["exempt", *texts, *command.ends.split(), *command.says], matches

    def _text(self, account: Account, by: str) -> str:
        whole = self._id(account)
        texts = {
            "name": account.called,
            "NAME": account.called.upper(),
            "group/name": f"RG-{account.where.split()[1]}/{account.called}",
            "id": whole,
            "ID": f"{whole.upper()}/",
        }
        return texts[by]

    def _meant(self, account: Account, by: str) -> Iterator[str]:
        for where in PLACES:
            group = where.split()[1]
            if by.lower() == "id" and where != account.where:
                continue
            if by == "group/name" and group != account.where.split()[1]:
                continue
            yield self._key(replace(account, where=where))

    def _way_back(
        self, command: Command
    ) -> tuple[
        list[str], Ran | None, tuple[tuple[str, ...], dict[str, str], InForce | None] | None
    ]:
        """Return how a sweep is undone: which, and with which settings where these are its own."""
        sweeps = [ran for ran in self.record.commands if ran.sweep_id]
        if not sweeps:
            return ["undo", _NO_SWEEP], None, None
        swept = sweeps[-1 - command.which % len(sweeps)]
        if command.as_printed:
            return list(swept.way_back), swept, self._settings_of[swept.number]
        arguments = ["undo", swept.sweep_id]
        if swept.command.record:
            arguments += ["--record", str(self.folder / f"record {swept.number}.jsonl")]
        return arguments, swept, None

    # What is said

    def _given(
        self, command: Command, number: int
    ) -> tuple[tuple[str, ...], dict[str, str], InForce | None]:
        """Return the options and variables that say settings and scope, and what is in force."""
        values = self._values(self.program.app_settings)
        options: list[str] = []
        environ: dict[str, str] = {"SWEEP_CONCURRENCY": str(self.program.concurrency)}
        match command.settings:
            case "nowhere":
                pass
            case "the environment":
                environ |= values
            case "the Function":
                options += ["--function", self._site]
            case source:
                file = self.folder / f"settings {number}.json"
                file.write_bytes(_file(source, values))
                options += ["--settings", str(file)]
        options += self._scope_option(command.line)
        app_settings = self.program.app_settings if command.settings != "nowhere" else AppSettings()
        wrong = command.settings in BROKEN or command.line == "empty"
        return (
            tuple(options),
            environ,
            None if wrong else self._in_force(app_settings, command.line),
        )

    def _scope_option(self, scope: Scope) -> list[str]:
        if scope.startswith("mg-"):
            return ["-m", scope]
        if scope == "empty":
            return ["-s", ""]
        ids = [self.tenant.subscription(name).id for name in _names(scope)]
        return [part for name in ids for part in ("-s", name)]

    def _in_force(self, app_settings: AppSettings, line: Scope) -> InForce:
        names = set(_names(line or app_settings.scope)) or set(HOME)
        ids = {self.tenant.subscription(name).id.lower() for name in names & set(HOME)}
        if app_settings.excluded:
            ids.discard(self.tenant.subscription(app_settings.excluded).id.lower())
        kinds = frozenset(app_settings.kinds.lower().split(",")) if app_settings.kinds else KINDS
        return InForce(
            frozenset(ids),
            kinds,
            app_settings.tag,
            app_settings.inherit,
            app_settings.mode == "audit" or app_settings.notice,
            app_settings.most_changes,
        )

    def _values(self, app_settings: AppSettings) -> dict[str, str]:
        """Return the app settings that say so."""
        values = {
            "EXEMPTION_TAG": app_settings.tag,
            "MAX_CHANGES_PER_SWEEP": str(app_settings.most_changes),
        }
        if app_settings.mode:
            values["SWEEP_MODE"] = app_settings.mode
        if app_settings.scope.startswith("mg-"):
            values["SWEEP_MANAGEMENT_GROUPS"] = app_settings.scope
        elif app_settings.scope:
            ids = (self.tenant.subscription(name).id for name in _names(app_settings.scope))
            values["SWEEP_SUBSCRIPTIONS"] = ",".join(ids)
        if app_settings.excluded:
            excluded = self.tenant.subscription(app_settings.excluded).id
            values["SWEEP_EXCLUDE_SUBSCRIPTIONS"] = excluded
        if app_settings.kinds:
            values["SWEEP_KINDS"] = app_settings.kinds
        if app_settings.inherit:
            values["EXEMPTION_INHERIT"] = "true"
        if app_settings.trickle:
            values["BRAKE"] = "trickle"
        if app_settings.notice:
            values["ENFORCE_FROM"] = (self.clock.now() + timedelta(days=30)).isoformat()
        return values

    # What happens meanwhile

    def asks(self) -> None:
        """Note that the person is asked, and let happen what happens meanwhile."""
        ran = self._running
        assert ran is not None
        self._questions += 1
        ran.asked.append(self._err.getvalue())
        ran.agreed = ran.command.answer == "y"
        for happening in self._due(At("question", self._questions)):
            if isinstance(happening.does, Colleague):
                self._act(happening.does)
            elif happening.does == "timer":
                self._running = None
                self._tick()
                self._running = ran

    def _due(self, at: At) -> list[Meanwhile]:
        due = [happening for happening in self._left if happening.at == at]
        self._left = [happening for happening in self._left if happening not in due]
        return due

    def _serve(self, seen: SeenRequest) -> None:
        """Note a request, on the server's thread, and let happen what happens before it."""
        self._last_ordinal = max(self._last_ordinal, seen.ordinal)
        # Nothing that one does after an answer happens at the moment of what was asked.
        self.clock.advance(_ANSWERED_AFTER)
        if seen.host != "arm":
            return
        path = unquote(seen.path).lower()
        account = _ACCOUNT.match(path)
        key = account[0] if account else ""
        ran = self._running
        owner = None if self._is_timers(seen) or ran is None else ran.number
        self._owners[seen.ordinal] = owner
        if ran is not None and owner is not None and not self._dead:
            self._requests += 1
            due = self._due(At("request", self._requests))
            if seen.method == "PATCH":
                self._patches += 1
                self._note_arrival(ran, key)
                due += self._due(At("write", self._patches))
            for happening in due:
                self._happens(happening, seen, ran)
        if not key:
            return
        look = self._look(key)
        if look is None:
            return
        if seen.method == "PATCH":
            self._before[seen.ordinal] = look
            self._read_before[seen.ordinal] = self._reads.get((owner, key))
        elif seen.method == "GET" and path == key:
            self._reads[owner, key] = _Read(seen.ordinal, look)

    def _note_arrival(self, ran: Ran, key: str) -> None:
        """Note of a PATCH what had been recorded and printed as it arrived."""
        if ran.command.verb != "sweep":
            return
        text = self._err.getvalue()
        way_back = _WAY_BACK.search(text)
        if way_back is None:
            ran.unannounced.append(key)
        sweep_id = way_back[1] if way_back else "?"
        named = {
            change.account
            for file in self._files()
            if sweep_id in (text := file.read_text("utf-8")).partition("\n")[0]
            for change in read_changes(text)
        }
        if key not in named:
            ran.unrecorded.append(key)

    def _happens(self, happening: Meanwhile, seen: SeenRequest, ran: Ran) -> None:
        does = happening.does
        if isinstance(does, Colleague):
            self._act(does, seen.ordinal)
        elif does == "timer":
            pass
        elif does in INTERRUPTIONS:
            self._interrupt(does, seen, ran)
        else:
            self.record.faults += 1
            ran.troubled = True
            self._struck[seen.ordinal] = _TROUBLE[does]

    def _interrupt(self, how: str, seen: SeenRequest, ran: Ran) -> None:
        ran.interrupted = True
        if how.startswith("killed"):
            ran.killed = self._dead = True
            self._kept = {file: file.read_bytes() for file in self._files()}
            acts = how == "killed after acting"
            self._struck[seen.ordinal] = "cut after acting" if acts else "cut"
        for _ in range(1 if how == "Ctrl-C" else 2):
            os.kill(os.getpid(), signal.SIGINT)

    # What is recorded

    def _id(self, drawn: Account) -> str:
        place, group = drawn.where.split()
        subscription = self.tenant.subscription(place).id
        return (
            f"/subscriptions/{subscription}/resourceGroups/rg-{group}/providers/"
            f"Microsoft.CognitiveServices/accounts/{drawn.called}"
        )

    def _key(self, drawn: Account) -> str:
        return self._id(drawn).lower()

    def _look(self, key: str) -> Look | None:
        account = self.tenant.find_account(key)
        return self._look_at(account) if account is not None else None

    def _look_at(self, account: state.Account) -> Look:
        subscription = self.tenant.subscriptions[account.subscription_id.lower()]
        group = subscription.groups[account.group.lower()]
        return Look(
            account.id.lower(),
            account.kind,
            account.keys_on,
            dict(account.tags or {}),
            (dict(group.tags or {}), dict(subscription.tags or {})),
        )

    def _looks(self) -> list[Look]:
        with self.tenant.guard:
            return [self._look_at(account) for account in self.tenant.accounts]

    def recorded(self) -> Record:
        """Put together what was seen."""
        for index, write in enumerate(self.azure.writes, 1):
            key = write.account_id.lower()
            read = self._read_before.get(write.ordinal)
            turned = (write.before.disable_local_auth is True) != (
                write.after.disable_local_auth is True
            )
            self.record.puts.append(
                Put(
                    index,
                    write.ordinal,
                    key,
                    self._owners[write.ordinal],
                    write.body,
                    read.look if read else None,
                    read.ordinal if read else 0,
                    self._before[write.ordinal],
                    turned,
                )
            )
        for ran in self.record.commands:
            for file in self._files():
                text = file.read_text("utf-8")
                if ran.sweep_id and ran.sweep_id in text.partition("\n")[0]:
                    ran.record = read_changes(text)
        return self.record


def _tenant() -> Tenant:
    tenant = Tenant()
    for group, names in GROUPS.items():
        tenant.add_management_group(group)
        for name in names:
            tenant.add_subscription(name, parent=group)
    theirs = tenant.add_subscription(
        "theirs", tenant_id=OTHER_TENANT, managed_by_tenants=(tenant.id,)
    )
    tenant.assign(tenant.team, theirs.scope, ["*"])
    tenant.assign_function(f"/providers/Microsoft.Management/managementGroups/{tenant.id}")
    for place in PLACES:
        subscription, group = place.split()
        tenant.add_group(f"rg-{group}", subscription=subscription)
    return tenant


def _names(scope: str) -> list[str]:
    if scope.startswith("mg-"):
        return list(GROUPS[scope])
    return [name for name in scope.split() if name != "and"]


def _file(source: From, values: Mapping[str, str]) -> bytes:
    """Write a settings file, one that is broken in its way included."""
    rows = [{"name": name, "value": value, "slotSetting": False} for name, value in values.items()]
    whole = {"IsEncrypted": False, "Values": {"FUNCTIONS_WORKER_RUNTIME": "python", **values}}
    nulls = {**values, "EXEMPTION_TAG": None}
    forms: dict[str, Any] = {
        "a file": whole,
        "a list": rows,
        "a file in UTF-16": whole,
        "nulls": {**whole, "Values": nulls},
        "redacted": [{**row, "value": None} for row in rows],
        "a reference": {
            **whole,
            "Values": {**values, "EXEMPTION_TAG": "@Microsoft.KeyVault(SecretUri=https://x/y)"},
        },
        "encrypted": {**whole, "IsEncrypted": True},
        "another app's": {**whole, "Values": {"FUNCTIONS_WORKER_RUNTIME": "node"}},
    }
    if source == "no JSON":
        return b"SWEEP_MODE=audit\n"
    if source == "doubled":
        return b'{"Values": {"EXEMPTION_TAG": "a", "EXEMPTION_TAG": "b", "SWEEP_MODE": "audit"}}'
    text = json.dumps(forms[source])
    return text.encode("utf-16" if source == "a file in UTF-16" else "utf-8")


_FLAGS: dict[Keys, Flag] = {"on": True, "absent": ABSENT, "off": False}


def _error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": f"{code}, says the fault."}}


_EFFECTS: dict[Trouble, Effect] = {
    "504 after acting": Refuse(504, _error("GatewayTimeout"), acting=True),
    "cut": Cut(),
    "cut after acting": Cut(acting=True),
    "429": Refuse(429, _error("TooManyRequests"), {"Retry-After": "3"}),
    "409": Refuse(409, _error("RequestConflict")),
    "403": Refuse(403, _error("AuthorizationFailed")),
    "500": Refuse(500, _error("InternalServerError")),
}
_TROUBLE: dict[Any, Trouble] = {trouble: trouble for trouble in Trouble.__value__.__args__}
