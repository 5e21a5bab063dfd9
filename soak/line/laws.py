"""The laws of the command line, judged from what the server took. Pure: nothing of the product.

What a command said of itself is looked at by one law alone, which asks whether it agrees with the
server. What exempts an account is judged as the soak does.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from soak.laws import Broken, Say, levels_say
from soak.line.program import Command

type Tags = Mapping[str, str]
type Verb = str


@dataclass(frozen=True, slots=True)
class InForce:
    """What the person said, on the line and by the settings."""

    subscriptions: frozenset[str]
    """The ids of those that may be written, in lower case."""
    kinds: frozenset[str]
    tag: str
    inherit: bool
    audits: bool
    """Whether SWEEP_MODE is audit, or ENFORCE_FROM still to come."""
    most_changes: int


@dataclass(frozen=True, slots=True)
class Look:
    """An account as it stands at a moment."""

    account: str
    """Its id in lower case."""
    kind: str
    keys_on: bool
    tags: Tags
    above: tuple[Tags, ...]
    """Those of its group and its subscription."""

    @property
    def subscription(self) -> str:
        """The id of its subscription."""
        return self.account.split("/")[2]

    def says(self, in_force: InForce, today: date) -> Say:
        """Say what its tags make of it."""
        levels = [self.tags, *(self.above if in_force.inherit else ())]
        return levels_say(levels, today, in_force.tag)

    def is_in(self, in_force: InForce) -> bool:
        """Whether it is in scope."""
        return self.subscription in in_force.subscriptions and self.kind.lower() in in_force.kinds

    def ours(self, in_force: InForce) -> str | None:
        """Return the value of its tag of our name."""
        return next(
            (text for name, text in self.tags.items() if name.lower() == in_force.tag), None
        )


@dataclass(frozen=True, slots=True)
class Put:
    """A write that the server took."""

    index: int
    """Its place among all writes."""
    ordinal: int
    account: str
    command: int | None
    """Whose it is; None: the timer's."""
    body: Mapping[str, Any]
    read: Look | None
    """The account as the last read of it before showed it to whoever wrote."""
    read_at: int
    """The ordinal of that read."""
    before: Look
    """The account as it stood when the server took the write."""
    turned: bool
    """Whether it turned keys on or off."""

    @property
    def turns(self) -> bool | None:
        """Whether it says that keys go on (True) or off (False), if it is about keys."""
        flag = self.body.get("properties", {}).get("disableLocalAuth")
        return None if flag is None else not flag

    @property
    def merged(self) -> Tags:
        """The tags that it sets."""
        return self._tags("Merge")

    @property
    def deleted(self) -> Tags:
        """The tags that it takes away."""
        return self._tags("Delete")

    def _tags(self, operation: str) -> Tags:
        if self.body.get("operation") != operation:
            return {}
        found: Tags = self.body["properties"]["tags"]
        return found


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did to an account, otherwise than by the command line."""

    account: str
    what: str
    by_person: bool
    """Whether it was the person who also uses the command line."""
    after_writes: int
    """So many writes came before it."""
    at: int
    """The ordinal of the last request before it, or of the one at which it happened."""
    command: int | None
    """The command during which it happened."""
    counts: bool
    """Whether it turned the keys, or made another account of it."""


@dataclass(frozen=True, slots=True)
class Change:
    """A line of a sweep's record, read by ourselves."""

    account: str
    result: str = ""
    accepted: bool = True


@dataclass(slots=True)
class Ran:
    """A command, and all that is known of it."""

    number: int
    command: Command
    arguments: tuple[str, ...]
    in_force: InForce | None
    """None: what it was given can't be used."""
    matches: frozenset[str]
    """The accounts that what was named may mean, in scope or not."""
    today: date
    code: int | None = None
    out: str = ""
    err: str = ""
    asked: list[str] = field(default_factory=list)
    """What had been shown when each question was asked."""
    agreed: bool = False
    sweep: int | None = None
    """For `undo`: the number of the sweep that it takes back; None: there is none."""
    sweep_id: str = ""
    way_back: tuple[str, ...] = ()
    record: list[Change] = field(default_factory=list)
    """For a sweep: what its record says once all is over."""
    unrecorded: list[str] = field(default_factory=list)
    """The accounts of PATCHes that no record announced as they arrived."""
    unannounced: list[str] = field(default_factory=list)
    """Those that arrived before the way back was printed."""
    troubled: bool = False
    """Whether a fault struck it."""
    interrupted: bool = False
    killed: bool = False
    end: list[Look] = field(default_factory=list)
    """Every account once it is over."""


@dataclass(slots=True)
class Record:
    """All that is known of one program."""

    commands: list[Ran] = field(default_factory=list)
    puts: list[Put] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    timers: int = 0
    faults: int = 0

    def puts_of(self, ran: Ran) -> list[Put]:
        """Return what the server took from a command."""
        return [put for put in self.puts if put.command == ran.number]

    def is_calm(self, ran: Ran) -> bool:
        """Whether nothing happened while it ran."""
        meant = any(deed.command == ran.number for deed in self.deeds)
        return not (meant or ran.troubled or ran.interrupted or ran.killed or ran.in_force is None)


def judge(record: Record) -> list[Broken]:
    """Return every breach of every law."""
    return [Broken(name, how) for name, law in LAWS.items() for how in law(record)]


def _what(ran: Ran, put: Put | None = None) -> str:
    command = f"command {ran.number} (keysweep {' '.join(ran.arguments)})"
    return f"{command} wrote {dict(put.body)} to {put.account}" if put else command


# The laws


def scope(record: Record) -> Iterator[str]:
    """Nothing is written outside the scope that was said, nor to what was not named."""
    for ran in record.commands:
        for put in record.puts_of(ran):
            if ran.in_force is None:
                yield f"{_what(ran, put)}, and what it was given can't be used"
                continue
            shown = [look for look in (put.read, put.before) if look is not None]
            if not any(look.is_in(ran.in_force) for look in shown):
                yield f"{_what(ran, put)}, which is out of scope"
            if ran.command.named and put.account not in ran.matches:
                yield f"{_what(ran, put)}, which was not named"


def namesakes(record: Record) -> Iterator[str]:
    """Who names an account that could be several in scope is asked which one is meant."""
    for ran in record.commands:
        if ran.in_force is None or ran.command.verb == "undo" or len(ran.command.named) != 1:
            continue
        # Whether one of another kind is meant is no matter: it is a namesake all the same.
        meant = [
            look
            for look in ran.end
            if look.account in ran.matches and look.subscription in ran.in_force.subscriptions
        ]
        if len(meant) > 1 and record.is_calm(ran) and record.puts_of(ran):
            yield f"{_what(ran)} wrote one of {[look.account for look in meant]}"


def recorded(record: Record) -> Iterator[str]:
    """Every write of a sweep stands in its record, and can be taken back, before it arrives."""
    for ran in record.commands:
        for account in ran.unrecorded:
            yield f"{_what(ran)} sent a PATCH of {account} that no record had announced"
        for account in ran.unannounced:
            yield f"{_what(ran)} sent a PATCH of {account} before it printed the way back"
        named = {change.account for change in ran.record}
        for put in record.puts_of(ran):
            if ran.command.verb == "sweep" and put.account not in named:
                yield f"{_what(ran, put)}, and its record doesn't say so"


def its_own(record: Record) -> Iterator[str]:
    """Let a command write what such a command is for, and nothing else."""
    for ran in record.commands:
        flags, verb = ran.command.flags, ran.command.verb
        for put in record.puts_of(ran):
            tag = {ran.in_force.tag if ran.in_force else ""}
            allowed = {
                "sweep": put.turns is False,
                "exempt": (put.turns is True and "--enable-keys" in flags)
                or {name.lower() for name in put.merged} == tag,
                "remove": {name.lower() for name in put.deleted} == tag,
                "undo": put.turns is True or {name.lower() for name in put.merged} == tag,
            }[verb]
            if not allowed or (put.turns is not None and len(put.body) > 1):
                yield f"{_what(ran, put)}"


def audit(record: Record) -> Iterator[str]:
    """In audit mode, and before ENFORCE_FROM, nothing is written without --enforce."""
    for ran in record.commands:
        flags = ran.command.flags
        if ran.command.verb != "sweep" or ran.in_force is None:
            continue
        audits = "--audit" in flags or (ran.in_force.audits and "--enforce" not in flags)
        if audits and record.puts_of(ran):
            yield f"{_what(ran)} wrote, and it audits"


def brake(record: Record) -> Iterator[str]:
    """Let the brake be released by its own name alone."""
    for ran in record.commands:
        if ran.command.verb != "sweep" or ran.in_force is None:
            continue
        count = len(record.puts_of(ran))
        if count > ran.in_force.most_changes and "--release-brake" not in ran.command.flags:
            yield f"{_what(ran)} wrote {count} times, and {ran.in_force.most_changes} are allowed"


def agreed(record: Record) -> Iterator[str]:
    """Nothing is written that was neither agreed to nor asked for by a flag."""
    for ran in record.commands:
        flags = ran.command.flags
        asks = ran.command.verb in ("sweep", "undo") and "--yes" not in flags
        if (asks or ran.asked) and not ran.agreed and record.puts_of(ran):
            yield f"{_what(ran)} wrote, and nobody said yes"
        if "--dry-run" in flags and record.puts_of(ran):
            yield f"{_what(ran)} wrote"


def protected(record: Record) -> Iterator[str]:
    """Let a sweep take what its last look showed with keys on, not exempt, and not held."""
    for ran in record.commands:
        for put in record.puts_of(ran):
            if ran.command.verb != "sweep" or ran.in_force is None:
                continue
            shown = [look for look in (put.read, put.before) if look is not None]
            if put.read is None:
                yield f"{_what(ran, put)} without looking at it"
            elif all(look.says(ran.in_force, ran.today) != "open" for look in shown):
                yield f"{_what(ran, put)}, which is {put.read.says(ran.in_force, ran.today)}"
            elif not put.read.keys_on:
                yield f"{_what(ran, put)}, whose keys were off"


def undone(record: Record) -> Iterator[str]:
    """Undo touches what the record says, and nothing that anybody touched since; no tag there."""
    for ran in record.commands:
        if ran.command.verb != "undo" or ran.in_force is None:
            continue
        for put in record.puts_of(ran):
            swept = record.commands[ran.sweep] if ran.sweep is not None else None
            if swept is None or put.account not in {change.account for change in swept.record}:
                yield f"{_what(ran, put)}, of which no record says anything"
                continue
            theirs = [took.index for took in record.puts_of(swept) if took.account == put.account]
            if not theirs:
                if not _may_be_theirs(record, swept, put):
                    yield f"{_what(ran, put)}, which that sweep never took"
                continue
            yield from (
                f"{_what(ran, put)}, though {why}"
                for why in _since(record, swept, ran, put, theirs[-1])
            )
            yield from (
                f"{_what(ran, put)}, {why}" for why in _against_a_tag(ran, ran.in_force, put)
            )


def _may_be_theirs(record: Record, swept: Ran, put: Put) -> bool:
    """Whether a change of a sweep that was cut off can't be told from one of its own person's.

    Azure names the same author for both, and the record of the sweep has no outcome.
    """
    unknown = any(change.account == put.account and not change.result for change in swept.record)
    return unknown and any(
        deed.account == put.account and deed.by_person and deed.counts for deed in record.deeds
    )


def _since(record: Record, swept: Ran, ran: Ran, put: Put, taken: int) -> Iterator[str]:
    """Say who touched the account after the sweep took it, as far as the last read could show."""
    for deed in record.deeds:
        if deed.account != put.account or deed.after_writes < taken or not deed.counts:
            continue
        # The sweep's own person, while it ran, is not told from the sweep.
        if deed.at <= put.read_at and not (deed.by_person and deed.command == swept.number):
            yield f"somebody did this since: {deed.what}"
    others = [other for other in record.puts if other.command != ran.number and other.turned]
    for other in others:
        is_since = taken < other.index and other.ordinal < put.read_at
        if other.account == put.account and is_since:
            yield "its keys were turned since"


def _against_a_tag(ran: Ran, in_force: InForce, put: Put) -> Iterator[str]:
    shown = [look for look in (put.read, put.before) if look is not None]
    if put.merged and all(look.ours(in_force) is not None for look in shown):
        yield f"which has the tag {put.before.ours(in_force)!r}"
    if put.turns and all(look.says(in_force, ran.today) != "exempt" for look in shown):
        yield "which is not exempt"


def given_back(record: Record) -> Iterator[str]:
    """Let everything be given back that a sweep took and nobody touched since."""
    for ran in record.commands:
        wanted = "--yes" in ran.command.flags or ran.agreed
        if ran.command.verb != "undo" or not wanted or "--dry-run" in ran.command.flags:
            continue
        if ran.sweep is None or ran.in_force is None or not record.is_calm(ran):
            continue
        swept = record.commands[ran.sweep]
        if swept.in_force is None or swept.in_force.tag != ran.in_force.tag:
            continue
        now = {look.account: look for look in ran.end}
        for change in swept.record:
            took = [put for put in record.puts_of(swept) if put.account == change.account]
            if change.result != "DISABLED" or not took or change.account not in now:
                continue
            touched = any(
                deed.account == change.account
                # What was made anew under a sweep's hands is none that it decided about.
                and (deed.after_writes >= took[-1].index or deed.command == swept.number)
                for deed in record.deeds
            ) or any(
                put.account == change.account
                and took[-1].index < put.index
                and put.command != ran.number
                for put in record.puts
            )
            look = now[change.account]
            plain = all(
                levels_say([tags], ran.today, ran.in_force.tag) != "held"
                and ran.in_force.tag not in {name.lower() for name in tags}
                for tags in (took[-1].before.tags, *look.above)
            )
            if not touched and plain and look.is_in(ran.in_force) and not look.keys_on:
                yield f"{_what(ran)} left {change.account}, which nobody touched: {ran.err}"


def exemptions(record: Record) -> Iterator[str]:
    """No exemption gets shorter or loses a field without having been shown."""
    for ran in record.commands:
        if ran.in_force is None:
            continue
        for put in record.puts_of(ran):
            value = next(iter(put.merged.values()), None)
            if value is None:
                continue
            shown = [look.ours(ran.in_force) for look in (put.read, put.before) if look is not None]
            for old in shown[:1] if None in shown else shown:
                lost = _lost(old, value, ran.today) if old is not None else ""
                if lost and not _was_shown(ran, str(old), value):
                    yield f"{_what(ran, put)} over {old!r}: {lost}"


def _was_shown(ran: Ran, old: str, new: str) -> bool:
    if "--replace" in ran.command.flags:
        return True
    return ran.agreed and any(repr(old) in text and repr(new) in text for text in ran.asked)


@dataclass(frozen=True, slots=True)
class _Fields:
    until: date
    reason: str = ""
    owner: str = ""


_OPEN_ENDED = date.max
_WORDS = frozenset({"", "true", "yes", "on", "1"})


def _fields(value: str, today: date) -> _Fields | None:
    """Read what an exemption says; None: it is none, or can't be read."""
    if levels_say([{"x": value}], today, "x") == "held":
        return None
    text = value.strip()
    if text.lower() in {"false", "no", "off", "0"}:
        return None
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return _Fields(date.fromisoformat(text))
    if "=" not in text:
        return _Fields(_OPEN_ENDED, "" if text.lower() in _WORDS else text)
    pairs = [part.split("=", 1) for part in text.split(";") if part.strip()]
    found = {name.strip().lower(): value.strip() for name, value in pairs}
    until = date.fromisoformat(found["until"]) if "until" in found else _OPEN_ENDED
    return _Fields(until, found.get("reason", ""), found.get("owner", ""))


def _lost(old: str, new: str, today: date) -> str:
    """Say what an exemption lost; empty: nothing."""
    before, after = _fields(old, today), _fields(new, today)
    if before is None:
        held = levels_say([{"x": old}], today, "x") == "held"
        return "what stood there could not be read" if held else ""
    if after is None:
        return "it is none any more"
    if before.until >= today and after.until < before.until:
        return f"it ends on {after.until} in place of {before.until}"
    lost = [
        name for name in ("reason", "owner") if getattr(before, name) and not getattr(after, name)
    ]
    return f"it lost its {' and its '.join(lost)}" if lost else ""


def says_so(record: Record) -> Iterator[str]:
    """Exit code and text agree with the server."""
    for ran in record.commands:
        if ran.killed:
            continue
        puts = record.puts_of(ran)
        text = f"{ran.out}\n{ran.err}"
        if ran.code not in (0, 1, 2, 64, 130):
            yield f"{_what(ran)} ended with {ran.code}: {ran.err}"
        if "Traceback" in text:
            yield f"{_what(ran)} shows a traceback: {ran.err}"
        if ran.in_force is None and ran.code != 64:
            yield f"{_what(ran)} ended with {ran.code} for what can't be used: {ran.err}"
        if ran.code in (64, 130) and puts:
            yield f"{_what(ran)} wrote {len(puts)} times and ended with {ran.code}: {ran.err}"
        if "Nothing was changed" in text and puts:
            yield f"{_what(ran)} wrote, and says that nothing was changed: {ran.err}"
        if ran.code == 0 and ran.in_force is not None:
            yield from (f"{_what(ran)} ended with 0, and {why}" for why in _not_so(record, ran))
        if record.is_calm(ran):
            yield from (f"{_what(ran)} {why}: {ran.out} {ran.err}" for why in _odd(record, ran))


def _left(ran: Ran, in_force: InForce) -> list[Look]:
    """Return what a sweep that ends with 0 has to leave: nothing with keys on, but exemptions."""
    return [
        look
        for look in ran.end
        if look.is_in(in_force)
        and (not ran.command.named or look.account in ran.matches)
        and look.keys_on
        and look.says(in_force, ran.today) != "exempt"
    ]


def _not_so(record: Record, ran: Ran) -> Iterator[str]:
    """Say what is not as the exit code 0 says."""
    assert ran.in_force is not None
    during = [deed for deed in record.deeds if deed.command == ran.number]
    if any(deed.what == "tag group" for deed in during):
        return
    disturbed = {deed.account for deed in during}
    settled = {look.account: look for look in ran.end if look.account not in disturbed}
    if ran.command.verb == "sweep":
        for look in _left(ran, ran.in_force):
            if look.account in settled:
                yield f"{look.account} accepts keys"
    elif ran.command.verb == "undo":
        swept = record.commands[ran.sweep] if ran.sweep is not None else None
        for change in swept.record if swept else ():
            look_now = settled.get(change.account)
            if look_now is not None and change.accepted and not look_now.keys_on:
                yield f"{change.account} has its keys off"
    elif not disturbed:
        meant = [look for look in settled.values() if _is_meant(ran, look)]
        yield from (why for look in meant for why in _not_as_wished(ran, ran.in_force, look))


def _not_as_wished(ran: Ran, in_force: InForce, look: Look) -> Iterator[str]:
    """Say what is not as `exempt` was asked for it."""
    if ran.command.verb == "remove":
        if look.ours(in_force) is not None:
            yield f"{look.account} has its tag"
        return
    if levels_say([look.tags], ran.today, in_force.tag) != "exempt":
        yield f"{look.account} is not exempt"
    if "--enable-keys" in ran.command.flags and not look.keys_on:
        yield f"{look.account} has its keys off"


def _is_meant(ran: Ran, look: Look) -> bool:
    """Whether what was named can mean this account alone."""
    assert ran.in_force is not None
    others = [
        other
        for other in ran.end
        if other.account in ran.matches and other.subscription in ran.in_force.subscriptions
    ]
    return others == [look]


def _odd(record: Record, ran: Ran) -> Iterator[str]:
    """Say what of the exit code and the text nothing explains, when nothing happened meanwhile."""
    assert ran.in_force is not None
    puts = record.puts_of(ran)
    if ran.code == 1 and ran.command.verb == "sweep" and not _left(ran, ran.in_force):
        yield "ended with 1, and nothing is left"
    if ran.code == 2 and ran.command.verb == "sweep" and ran.in_force.subscriptions:
        yield "ended with 2, and all was there to be read and done"
    given_back = re.search(r"^([0-9]+) accounts? given back", ran.out, re.MULTILINE)
    if given_back and int(given_back[1]) != sum(put.turns is True for put in puts):
        yield f"says {given_back[0]!r}"
    if ran.command.document and ran.out and ran.command.verb == "sweep" and ran.code in (0, 1, 2):
        try:
            document = json.loads(ran.out)
        except ValueError:
            yield "printed a document that is no JSON"
            return
        done = {row["id"].lower() for row in document["accounts"] if row["result"] == "DISABLED"}
        if done != {put.account for put in puts}:
            yield f"says that it turned keys off for {done}"


LAWS: Mapping[str, Callable[[Record], Iterator[str]]] = {
    "scope": scope,
    "namesakes": namesakes,
    "recorded": recorded,
    "its own": its_own,
    "audit": audit,
    "brake": brake,
    "agreed": agreed,
    "protected": protected,
    "undone": undone,
    "given back": given_back,
    "exemptions": exemptions,
    "says so": says_so,
}


def read_changes(text: str) -> list[Change]:
    """Read a sweep's record, as far as its lines are whole."""
    found: dict[str, Change] = {}
    for line in text.split("\n")[1:-1]:
        row = json.loads(line)
        if "begun" in row:
            account = str(row["begun"]).lower()
            found.setdefault(account, Change(account))
        elif "outcome" in row:
            account = str(row["outcome"]).lower()
            found[account] = replace(
                found[account], result=str(row["result"]), accepted=row["accepted"] is True
            )
    return list(found.values())
