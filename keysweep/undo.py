"""`keysweep undo`: give back what one sweep took, exempted for a while.

What it took comes from the sweep's own record, or from the Function's events of that sweep; the
platform's change log confirms, and is no source. Each account is looked at before anything is done
to it, and once more just before each change. It is exempted first, unless a tag stands there
already, and its keys are turned on once the exemption reads back.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import assert_never

from keysweep.border.logs import Logs
from keysweep.border.operator import Operator
from keysweep.exempt import Exempting, Wish
from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS
from keysweep.in_force import in_force
from keysweep.names import distinct, scope_of, where, why_outside
from keysweep.record import Change, KeptRecord, read_record, record_path
from keysweep.screen import Screen, counted, grid, shown
from keysweep.session import Given, UsageProblem, interrupts, told
from keysweep.standing import (
    GiveBack,
    Judgement,
    Known,
    LeaveAlone,
    Why,
    judge,
    off_since,
)
from keysweep.taken import (
    Taken,
    began_at,
    event_table,
    events_query,
    of_events,
    of_record,
)
from shared.core.deadline import within
from shared.core.errors import AzureError, NotFound, Refused
from shared.core.model import Account, AccountId
from shared.steps.scope import InScope
from shared.steps.sweep import work_through
from shared.workspace import Parts

# So long after a Ctrl-C, an account that is in hand may take until it is done.
_IN_HAND_SECONDS = 60.0
# Events are looked for around the sweep's beginning: its own carry its time, and those of the
# change log, which name its identity, a later one.
_EVENTS_BEFORE, _EVENTS_AFTER = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked `keysweep undo` for."""

    sweep_id: str
    span: timedelta
    """How long the exemption lasts."""
    record: Path | None = None
    """The sweep's record, where it is not among the others."""
    insights: str | None = None
    """The resource id of Application Insights, or of its workspace, for the Function's sweeps."""
    yes: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """One change of the sweep's, how its account stands, and what undo makes of it."""

    change: Change
    account: Account | None
    """As it was read; None: it was not."""
    judgement: Judgement

    @property
    def id(self) -> AccountId:
        """The account's id, in the letters of Azure Resource Manager where it was read."""
        return self.account.id if self.account is not None else self.change.account


@dataclass(frozen=True, slots=True)
class _Plan:
    known: Known
    accounts: tuple[Planned, ...]
    unseen: tuple[str, ...]
    """What was not seen, and could hold more, a sentence each."""
    subscriptions: Mapping[str, str]
    """By what a person tells the subscriptions in scope apart."""

    @property
    def to_give(self) -> list[Planned]:
        return [planned for planned in self.accounts if isinstance(planned.judgement, GiveBack)]

    @property
    def code(self) -> int:
        """The exit code, as far as it hangs on what is not given back."""
        judgements = (planned.judgement for planned in self.accounts)
        code = _code({found.why for found in judgements if isinstance(found, LeaveAlone)})
        return NOT_WHOLE if self.unseen else code


async def undo(parts: Parts, screen: Screen, given: Given, asked: Asked) -> int:
    """Give back. Returns the exit code."""
    if not (asked.yes or asked.dry_run or screen.can_ask):
        raise UsageProblem("Nobody is there to be asked: say --yes, or --dry-run to see the plan.")
    taken = await _taken(parts, asked)
    tag = parts.settings.rules.tag
    if taken.tag and taken.tag.lower() != tag.lower():
        raise UsageProblem(
            f"That sweep went by the tag {taken.tag!r}, and these settings by {tag!r}: give the "
            "settings that it had, by --settings or --function."
        )
    plan = await _planned(parts, screen, taken)
    screen.say(await in_force(parts, given))
    today = parts.clock.now().date()
    until = today + asked.span
    wish = Wish(until, f"undo of sweep {asked.sweep_id}", "")
    to_exempt = [planned for planned in plan.to_give if _exempts(planned)]
    if to_exempt:
        # Before anything is asked: would a sweep take this exemption, the same for all, for one?
        value = wish.value(tag, today)
        Exempting(parts, Operator(parts)).check_it_counts(to_exempt[0].id, value, today)
    _show(screen, plan, until, asked)
    if not taken.is_over:
        screen.say(
            "The record does not show the end of this sweep. If it still runs, stop it first: what "
            "it takes from now on is not given back."
        )
    if asked.dry_run:
        screen.say("Nothing was changed.")
        return max(plan.code, REMAINS if plan.to_give else FINE)
    if not plan.to_give:
        return plan.code
    if not asked.yes and not screen.ask(_question(plan.to_give, until)):
        screen.say("Nothing was changed.")
        return max(plan.code, REMAINS)
    return max(plan.code, await _give_back(parts, screen, plan, wish))


def _code(reasons: Collection[Why]) -> int:
    """Return the exit code that it means to leave accounts alone for these reasons."""
    if Why.NOT_KNOWN in reasons:
        return NOT_WHOLE
    return REMAINS if Why.SOMEBODYS_WILL in reasons else FINE


async def _taken(parts: Parts, asked: Asked) -> Taken:
    """Read what the sweep took. Raises UsageProblem, AzureError."""
    try:
        began = began_at(asked.sweep_id)
        table = event_table(asked.insights) if asked.insights is not None else None
    except ValueError as error:
        raise UsageProblem(str(error)) from error
    if asked.insights is None or table is None:
        return of_record(await _record(parts, asked))
    if asked.record is not None:
        raise UsageProblem("--record and --insights are two sources: give one.")
    answer = await Logs(parts).query(
        asked.insights,
        events_query(asked.sweep_id, table),
        began - _EVENTS_BEFORE,
        began + _EVENTS_AFTER,
    )
    return of_events(asked.sweep_id, answer)


async def _record(parts: Parts, asked: Asked) -> KeptRecord:
    """Read the sweep's record. Raises UsageProblem if it is none, or another's."""
    path = asked.record or record_path(asked.sweep_id)
    try:
        record = read_record(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageProblem(
            f"There is no record of this sweep: {path} is not there. --record FILE names another "
            "place; for a sweep of the Function's, --insights RESOURCE-ID names its Application "
            "Insights."
        ) from error
    except (OSError, ValueError) as error:
        raise UsageProblem(f"{path} is no record of a sweep: {error}") from error
    if record.sweep_id != asked.sweep_id:
        raise UsageProblem(f"{path} is about sweep {record.sweep_id}, not {asked.sweep_id}.")
    tenant = await parts.arm.home_tenant()
    if record.head.get("tenant") != tenant:
        raise UsageProblem(
            f"{path} is about tenant {record.head.get('tenant')}, and you are signed in to "
            f"{tenant}."
        )
    return record


async def _planned(parts: Parts, screen: Screen, taken: Taken) -> _Plan:
    """Look at every account that the sweep took. Raises AzureError."""
    with screen.spinner() as progress:
        progress.add_task("Looking at what the sweep took")
        in_scope = await scope_of(parts)
        wanted = sorted(
            name
            for name in {change.account.subscription_id for change in taken.changes}
            if in_scope.has(name)
        )
        in_log, unread = frozenset[str](), ""
        try:
            in_log = await parts.graph.visible(wanted)
        except AzureError as error:
            unread = told(error)
        log = await parts.changes().read(sorted(in_log))
        settings = parts.settings
        known = Known(
            replace(log, unread=unread) if unread else log,
            in_log,
            taken.identity,
            settings.scope,
            settings.rules,
            parts.clock.now(),
        )
        found = await asyncio.gather(
            *(_looked_at(parts, in_scope, change, known) for change in taken.changes)
        )
    ordered = sorted(found, key=lambda planned: planned.id.key)
    names = distinct(
        {subscription.id: subscription.name for subscription in in_scope.subscriptions}
    )
    return _Plan(known, tuple(ordered), taken.unseen, names)


async def _looked_at(parts: Parts, in_scope: InScope, change: Change, known: Known) -> Planned:
    account_id = change.account
    if not in_scope.has(account_id.subscription_id):
        outside = why_outside(in_scope, account_id.subscription_id)
        is_unread = any(
            gap.subscription_id in {"", account_id.subscription_id} for gap in in_scope.gaps
        )
        why = Why.NOT_KNOWN if is_unread else Why.SOMEBODYS_WILL
        return Planned(change, None, LeaveAlone(why, f"It is out of scope: {outside}"))
    try:
        async with parts.pace.page(account_id.subscription_id):
            account = await parts.second_look().with_levels(await parts.arm.account(account_id))
    except NotFound:
        gone = LeaveAlone(Why.NOTHING_TO_DO, "It is there no more.", "gone")
        return Planned(change, None, gone)
    except AzureError as error:
        return Planned(change, None, LeaveAlone(Why.NOT_KNOWN, told(error), "not seen"))
    return Planned(change, account, judge(change, account, known))


def _question(to_give: Sequence[Planned], until: date) -> str:
    exempted = sum(_exempts(planned) for planned in to_give)
    accounts = counted(len(to_give), "account")
    if exempted == len(to_give):
        return f"Exempt {accounts} until {until} and turn the keys on?"
    if not exempted:
        return f"Turn the keys on for {accounts}, exempt already?"
    return f"Turn the keys on for {accounts}, and exempt {exempted} of them until {until} first?"


def _exempts(planned: Planned) -> bool:
    return isinstance(planned.judgement, GiveBack) and planned.judgement.exempts


def _show(screen: Screen, plan: _Plan, until: date, asked: Asked) -> None:
    """Show how each account stands beside what will be done; with --dry-run that is the output."""
    out = screen.out if asked.dry_run else screen.err
    drawn = grid("account", "resource group", "subscription", "off since", "now", "undo")
    for planned in plan.accounts:
        since = off_since(planned.change, plan.known)
        drawn.add_row(
            shown(planned.id.name),
            shown(planned.id.resource_group, "dim"),
            shown(_subscription(plan, planned.id), "dim"),
            shown(f"{since:%Y-%m-%d %H:%M:%S}", "dim"),
            shown(planned.judgement.stands),
            shown(_does(planned.judgement, until), _style(planned.judgement)),
        )
    if plan.accounts:
        out.print(drawn)
        for planned in plan.accounts:
            found = planned.judgement
            if isinstance(found, LeaveAlone) and found.why is not Why.NOTHING_TO_DO:
                line = f"{where(planned.id)} is left alone: {found.reason}"
                out.print(shown(line, _style(found)), soft_wrap=True)
    elif not plan.unseen:
        screen.show(f"Sweep {asked.sweep_id} turned no keys off.")
    for sentence in plan.unseen:
        screen.problem(f"Not seen: {sentence}")


def _subscription(plan: _Plan, account_id: AccountId) -> str:
    """Return the name by which a person knows a subscription; its id if it is not in scope."""
    return plan.subscriptions.get(account_id.subscription_id, account_id.subscription_id)


def _does(judgement: Judgement, until: date) -> str:
    match judgement:
        case GiveBack(exempts=True):
            return f"exempt until {until}, then keys on"
        case GiveBack():
            return "keys on; its exemption stays as it is"
        case LeaveAlone(Why.NOTHING_TO_DO, reason):
            return reason
        case LeaveAlone():
            return "left alone"
        case _:
            assert_never(judgement)


def _style(judgement: Judgement) -> str:
    """Return how what is done to an account is shown."""
    match judgement:
        case GiveBack():
            return "bold"
        case LeaveAlone(Why.NOT_KNOWN):
            return "red"
        case LeaveAlone():
            return "dim"
        case _:
            assert_never(judgement)


class _NoMore(Exception):
    """What the last look at an account found: it is not to be given back, or not any more."""

    def __init__(self, found: LeaveAlone) -> None:
        super().__init__(found.reason)
        self.found = found


class _NotBegun(Exception):
    """A person stopped it before anything was sent about this account."""


async def _give_back(parts: Parts, screen: Screen, plan: _Plan, wish: Wish) -> int:
    stop = asyncio.Event()
    bar = screen.bar()
    task = bar.add_task("Giving back", total=len(plan.to_give), counts="")
    progress = _Progress(screen, lambda counts: bar.update(task, advance=1, counts=counts))
    # However long the person thought, the time budget begins now.
    giving = _Giving(parts.again(), plan.known, wish, stop, progress)
    running = asyncio.ensure_future(giving.all(plan.to_give))
    try:
        with interrupts(screen, stop, running), bar:
            await running
    except asyncio.CancelledError:
        progress.code = NOT_WHOLE
        screen.problem(
            "Broken off: an account in hand may be exempt and still without keys. The same command "
            "can be run again."
        )
    left = len(plan.to_give) - progress.count
    said = f"{counted(progress.given, 'account')} given back."
    if progress.failed:
        said += f" {progress.failed} could not be."
    if progress.left_alone:
        said += f" {progress.left_alone} left alone after all."
    if left:
        said += f" You stopped it: {counted(left, 'account')} not attempted."
    screen.show(shown(said, "red" if progress.failed else "bold"))
    return max(progress.code, REMAINS if left else FINE)


@dataclass(slots=True)
class _Progress:
    """How many accounts were given back, left alone after all or failed, said as it happens."""

    screen: Screen
    changed: Callable[[str], None]
    given: int = 0
    left_alone: int = 0
    failed: int = 0
    code: int = FINE

    @property
    def count(self) -> int:
        return self.given + self.left_alone + self.failed

    def back(self, account_id: AccountId, says: str) -> None:
        """Say that an account was given back."""
        self.given += 1
        self.screen.say(f"{where(account_id)}: {says}")
        self._changed()

    def alone(self, account_id: AccountId, found: LeaveAlone) -> None:
        """Say that an account was left alone after all."""
        self.left_alone += 1
        self.code = max(self.code, _code({found.why}))
        self.screen.say(f"{where(account_id)}: {found.reason}")
        self._changed()

    def problem(self, account_id: AccountId, error: AzureError | UsageProblem) -> None:
        """Say that an account could not be given back."""
        self.failed += 1
        self.code = NOT_WHOLE
        self.screen.problem(f"{where(account_id)}: {told(error)}")
        self._changed()

    def _changed(self) -> None:
        self.changed(f"{self.failed} failed" if self.failed else "")


@dataclass(frozen=True, slots=True)
class _Giving:
    """Gives accounts back: each is looked at once more, tagged, read back, and its keys turned on.

    Each write waits for its permit, reads the account, and leaves at once after that.
    """

    parts: Parts
    known: Known
    wish: Wish
    stop: asyncio.Event
    progress: _Progress

    async def all(self, to_give: Sequence[Planned]) -> None:
        """Work through them as a sweep does."""
        await work_through(to_give, lambda planned: planned.id.subscription_id, self._work)

    async def _work(self, queue: Iterator[Planned]) -> None:
        for planned in queue:
            if self.stop.is_set():
                return
            try:
                self.progress.back(planned.id, await self._unless_stopped(planned))
            except _NotBegun:
                return
            except _NoMore as error:
                self.progress.alone(planned.id, error.found)
            except (AzureError, UsageProblem) as error:
                self.progress.problem(planned.id, error)

    async def _unless_stopped(self, planned: Planned) -> str:
        """Give one back, and return what to say of it.

        Raises _NotBegun if a person stopped it while nothing of it was under way; as `_give`.
        """
        begun = asyncio.Event()
        work = asyncio.ensure_future(self._give(planned, begun))
        stopped = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            if not begun.is_set():
                raise _NotBegun
            return await within(self.parts.clock, _IN_HAND_SECONDS, work)
        except TimeoutError:
            text = "You stopped it while it waited for Azure: look at it, or run this again."
            raise _NoMore(LeaveAlone(Why.NOT_KNOWN, text)) from None
        finally:
            stopped.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait({work})

    async def _give(self, planned: Planned, begun: asyncio.Event) -> str:
        """Give one back. Raises _NoMore if that is not to be any more, UsageProblem, AzureError."""
        exempting = Exempting(self.parts, Operator(self.parts))
        account_id, seen, says = planned.id, planned.account, ""
        value = self.wish.value(self.known.rules.tag, self.parts.clock.now().date())

        async def exempt(account: Account, leave_by: float) -> None:
            nonlocal says
            says = ""
            if (await self._still(planned, account, seen)).exempts:
                says = f"exempt until {self.wish.until}, "
                async with self._begun(begun):
                    await exempting.merge(account, value, leave_by)

        if _exempts(planned):
            await exempting.unit(account_id, exempt)
        if says:
            seen = await exempting.reads_back(account_id, value)

        async def enable(account: Account, leave_by: float) -> None:
            if (await self._still(planned, account, seen)).exempts:
                gone = "Its exemption is not there any more: nothing more was sent."
                raise _NoMore(LeaveAlone(Why.NOT_KNOWN, gone))
            async with self._begun(begun):
                await exempting.azure.enable_local_auth(account_id, leave_by)

        await exempting.unit(account_id, enable)
        await exempting.accepts_keys(account_id)
        return f"{says}accepts keys again"

    @asynccontextmanager
    async def _begun(self, begun: asyncio.Event) -> AsyncIterator[None]:
        """Note that a write about an account is under way; one that Azure refuses was not.

        Raises _NotBegun if it was refused, nothing was written before it, and it was stopped.
        """
        before = begun.is_set()
        begun.set()
        try:
            yield
        except Refused:
            if not before:
                begun.clear()
                if self.stop.is_set():
                    raise _NotBegun from None
            raise

    async def _still(self, planned: Planned, account: Account, seen: Account | None) -> GiveBack:
        """Judge an account once more, just before a change; nobody may have changed it since.

        `seen` is the account as it was read before this. Raises _NoMore, AzureError.
        """
        account = await self.parts.second_look().with_levels(account)
        known = replace(self.known, now=self.parts.clock.now())
        found = judge(planned.change, account, known, is_proven=True)
        if isinstance(found, LeaveAlone):
            raise _NoMore(found)
        if seen is None or account.changed_at != seen.changed_at:
            text = f"{account.changed_by or 'Somebody'} changed it meanwhile: run this again."
            raise _NoMore(LeaveAlone(Why.NOT_KNOWN, text))
        return found
