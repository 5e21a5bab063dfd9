"""`keysweep undo`: give back what one sweep took, exempted for a while.

What it took comes from the platform's change log, by the identity that swept and the time with
which the sweep's id begins, or from a saved report. Each account is exempted first, and its keys
are turned on once the exemption reads back.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from shared.cli.exempt import Exempting, Wish
from shared.cli.operator import Operator
from shared.cli.screen import Screen, counted, grid, shown
from shared.cli.session import FINE, NOT_WHOLE, REMAINS, UsageProblem, interrupts, told
from shared.errors import AzureError
from shared.model import AccountId, KeyChange, Turned
from shared.parts import Parts

_SWEEP_ID = re.compile(r"(?P<at>\d{8}T\d{6}Z)-[0-9a-f]{8}")
# The change log stamps a change a little after the sweep that made it may have ended.
_MARGIN = timedelta(minutes=2)
# "Changes show in less than five minutes" (Resource Graph's documentation).
_LOG_LAG = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Taken:
    """One account that the sweep changed, and when."""

    account: AccountId
    at: datetime | None


async def undo(
    parts: Parts,
    screen: Screen,
    sweep_id: str,
    *,
    identity: str | None,
    report: Path | None,
    span: timedelta,
    yes: bool,
) -> int:
    """Give back. Returns the exit code."""
    began = _begin(sweep_id)
    if not (yes or screen.can_ask):
        raise UsageProblem("Nobody is there to be asked: say --yes.")
    if report is not None:
        taken = _reported(report, sweep_id)
    else:
        taken = await _logged(parts, screen, began, identity)
    if report is None and parts.clock.now() - began < _LOG_LAG:
        screen.say(
            "The change log shows a change a minute or two later: what this sweep did a moment ago "
            f"may be missing here. Run it again after {began + _LOG_LAG:%H:%M} UTC to be sure, or "
            "give the sweep's own --report."
        )
        if not taken:
            return NOT_WHOLE
    if not taken:
        screen.show(f"Sweep {sweep_id} turned no keys off, as far as can be seen.")
        return FINE
    until = parts.clock.now().date() + span
    _show(screen, taken)
    question = f"Exempt {counted(len(taken), 'account')} until {until} and turn the keys on?"
    if not yes and not screen.ask(question):
        screen.say("Nothing was changed.")
        return REMAINS
    return await _give_back(parts, screen, taken, sweep_id, until)


def _begin(sweep_id: str) -> datetime:
    match = _SWEEP_ID.fullmatch(sweep_id)
    try:
        return datetime.strptime(match["at"] if match else "", "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageProblem(
            f"{sweep_id!r} is no sweep's id: they look like 20261124T090000Z-1f3a9c0d, and every "
            "event carries one as sweepId."
        ) from error


def _reported(path: Path, sweep_id: str) -> list[Taken]:
    """Read what `keysweep sweep --output json` saved: what was, or may have been, written."""
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["sweepId"] != sweep_id:
            raise UsageProblem(f"{path} is about sweep {document['sweepId']}, not {sweep_id}.")
        return [
            Taken(AccountId.parse(each["id"]), None)
            for each in document["accounts"]
            if each["accepted"]
        ]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageProblem(
            f"{path} is not a report of `keysweep sweep --output json`: {error}"
        ) from error


async def _logged(
    parts: Parts, screen: Screen, began: datetime, identity: str | None
) -> list[Taken]:
    """Ask the change log. Raises UsageProblem if it can't tell whose changes to look for."""
    with screen.spinner() as progress:
        progress.add_task("Reading the change log")
        readable = [each.id for each in await parts.arm.subscriptions()]
        visible = sorted(await parts.graph.visible(readable))
        end = began + timedelta(seconds=parts.settings.budget) + _MARGIN
        own = await parts.arm.own_names()
        if identity is None:
            shown_to_all = _during(await parts.graph.key_changes(visible, []), began, end)
            identity = _only_author(shown_to_all, began, own)
        names = {identity.lower()}
        if not names.isdisjoint(each.lower() for each in own):
            names = {each.lower() for each in own}
        found = await parts.graph.key_changes(visible, sorted(names))
        changes = _during(found, began, end)
    unread = sum(isinstance(each, str) for each in found)
    if unread:
        screen.say(f"{counted(unread, 'row')} of the change log can't be read, and may be of it.")
    last: dict[str, KeyChange] = {}
    for change in sorted(changes, key=lambda each: each.at):
        if change.by.lower() in names:
            last[change.account.key] = change
    taken = [Taken(each.account, each.at) for each in last.values() if each.turned is Turned.OFF]
    others = _authors(changes)
    if not taken and others:
        raise UsageProblem(
            f"{identity} turned no keys off then, and others did. Say --identity as the change log "
            "writes it, which of an application may be its object or its application id:\n"
            + "\n".join(f"  {each}" for each in others)
        )
    return taken


def _during(changes: Sequence[KeyChange | str], began: datetime, end: datetime) -> list[KeyChange]:
    return [each for each in changes if isinstance(each, KeyChange) and began <= each.at <= end]


def _authors(changes: Sequence[KeyChange]) -> list[str]:
    return sorted({each.by for each in changes if each.turned is Turned.OFF})


def _only_author(changes: Sequence[KeyChange], began: datetime, own: Sequence[str]) -> str:
    authors = _authors(changes)
    if len(authors) == 1:
        return authors[0]
    if not authors:
        raise UsageProblem(
            f"The change log shows nobody who turned keys off after {began:%Y-%m-%d %H:%M:%S} UTC. "
            "It lags by a minute or two, goes back 14 days, and hides the first change of a flag "
            "from those who don't name its author: say --identity with the object or application "
            f"id of the Function's identity (or {own[0]}, if you swept), or --report with a saved "
            "report."
        )
    listed = "\n".join(f"  {each}" for each in authors)
    raise UsageProblem(
        f"Several identities turned keys off then: say which one swept, by --identity:\n{listed}"
    )


def _show(screen: Screen, taken: Sequence[Taken]) -> None:
    drawn = grid("keys off at", "account", "resource group", "subscription")
    for each in taken:
        account = each.account
        drawn.add_row(
            shown(f"{each.at:%Y-%m-%d %H:%M:%S}" if each.at else "", "dim"),
            shown(account.name),
            shown(account.resource_group, "dim"),
            shown(account.subscription_id, "dim"),
        )
    screen.err.print(drawn)


@dataclass(slots=True)
class _Given:
    """How far it is."""

    back: int = 0
    failed: int = 0


async def _give_back(
    parts: Parts, screen: Screen, taken: Sequence[Taken], sweep_id: str, until: date
) -> int:
    wish, given, stop = Wish(until, f"undo of sweep {sweep_id}", ""), _Given(), asyncio.Event()
    bar = screen.bar()
    task = bar.add_task("Giving back", total=len(taken), counts="")

    async def each_in_turn() -> None:
        for each in taken:
            if stop.is_set():
                return
            try:
                await _give(parts, each.account, wish)
                given.back += 1
                screen.say(f"{each.account.name}: exempt until {until}, accepts keys again")
            except (AzureError, UsageProblem) as error:
                given.failed += 1
                screen.problem(f"{each.account.name}: {told(error)}")
            counts = f"{given.failed} failed" if given.failed else ""
            bar.update(task, advance=1, counts=counts)

    running = asyncio.ensure_future(each_in_turn())
    broken_off = False
    try:
        with interrupts(screen, stop, running), bar:
            await running
    except asyncio.CancelledError:
        broken_off = True
        screen.problem(
            "Broken off: one account may be exempt and still without keys. The same command can "
            "be run again."
        )
    left = len(taken) - given.back - given.failed
    said = f"{counted(given.back, 'account')} given back, {given.failed} not."
    if left:
        said += f" You stopped it: {counted(left, 'account')} not attempted."
    screen.show(shown(said, "red" if given.failed else "bold"))
    if given.failed or broken_off:
        return NOT_WHOLE
    return REMAINS if left else FINE


async def _give(parts: Parts, account: AccountId, wish: Wish) -> None:
    # One account's waiting takes nothing from the time of the others.
    own = parts.again()
    exempting = Exempting(own, Operator(own))
    await exempting.grant(account, wish)
    await exempting.enable_keys(account)
