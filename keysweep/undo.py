"""`keysweep undo`: give back what one sweep took, exempted for a while.

What it took comes from the sweep's own record, or from the Function's events of that sweep; the
platform's change log confirms, and is no source. Each account is looked at before anything is done
to it, and once more just before each change. It is exempted first, unless a tag stands there
already, and its keys are turned on once the exemption reads back.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import assert_never

from rich.console import Console

from keysweep.advice import UsageProblem, for_person
from keysweep.border.logs import Logs
from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS
from keysweep.in_force import in_force
from keysweep.names import scope_of
from keysweep.outputs import account_in, document
from keysweep.record import Change, KeptRecord, read_record, record_path
from keysweep.screen import Screen, grid, shown
from keysweep.session import Session
from keysweep.standing import (
    GiveBack,
    Judgement,
    Known,
    LeaveAlone,
    Why,
    exit_code_of,
    judge,
    off_since,
)
from keysweep.stopping import stoppable
from keysweep.taken import (
    Taken,
    began_at,
    event_table,
    events_query,
    of_events,
    of_record,
)
from keysweep.wish import Wish, check_it_counts
from keysweep.words import counted, distinct, where, why_not_opened, why_outside
from keysweep.writer import AccountWriter
from shared.core.deadline import within
from shared.core.errors import AzureError, NotFound, Refused
from shared.core.model import Account, AccountId
from shared.steps.scope import InScope
from shared.steps.sweep import work_through

# So long after a Ctrl-C, an account that is in hand may take until it is done.
_IN_HAND_SECONDS = 60.0
# Events are looked for around the sweep's beginning: its own carry its time, and those of the
# change log, which name its identity, a later one.
_EVENTS_BEFORE, _EVENTS_AFTER = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Request:
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

    @property
    def exempts(self) -> bool:
        """Whether it gets an exemption before its keys."""
        return isinstance(self.judgement, GiveBack) and self.judgement.exempts


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
        code = exit_code_of({found.why for found in judgements if isinstance(found, LeaveAlone)})
        return NOT_WHOLE if self.unseen else code


@dataclass(frozen=True, slots=True)
class _Became:
    """What became of an account: how it ended in one word, and a sentence."""

    result: str
    detail: str


async def undo(session: Session, output: str, request: Request) -> int:
    """Give back. Returns the exit code."""
    screen, settings = session.screen, session.settings
    _check(request)
    taken = await _taken(session, request)
    if not (request.yes or request.dry_run or screen.can_ask):
        raise UsageProblem("Nobody is there to be asked: say --yes, or --dry-run to see the plan.")
    tag = settings.rules.tag
    if taken.tag and taken.tag.lower() != tag.lower():
        raise UsageProblem(
            f"That sweep went by the tag {taken.tag!r}, and these settings by {tag!r}: give the "
            "settings that it had, by --settings or --function."
        )
    plan = await _planned(session, taken)
    screen.say(await in_force(session))
    today = session.clock.now().date()
    until = today + request.span
    wish = Wish(until, f"undo of sweep {request.sweep_id}", "")
    to_exempt = [planned.id for planned in plan.to_give if planned.exempts]
    if to_exempt:
        # Before anything is asked: would a sweep take this exemption, the same for all, for one?
        value = wish.value(tag, today)
        check_it_counts(to_exempt[0], value, settings.scope, settings.rules, today)
    out = screen.out if request.dry_run and output == "table" else screen.err
    _show(screen, plan, until, request, out)
    if not taken.is_over:
        screen.warn(
            "The record does not show the end of this sweep. If it still runs, stop it first: what "
            "it takes from now on is not given back."
        )
    became: dict[str, _Became] = {}
    try:
        tell: Callable[[str], None] = screen.say if output == "json" else screen.show
        return await _carried_out(session, plan, request, wish, became, tell)
    finally:
        # Whatever stopped it: whoever reads a document gets a whole one.
        if output == "json":
            screen.raw(_document(request, plan, until, became))


async def _carried_out(
    session: Session,
    plan: _Plan,
    request: Request,
    wish: Wish,
    became: dict[str, _Became],
    tell: Callable[[str], None],
) -> int:
    """Ask, and give back; `became` takes what comes of each account, `tell` the summary.

    Returns the exit code.
    """
    screen = session.screen
    if not plan.to_give and not request.dry_run:
        return plan.code
    if request.dry_run or not (request.yes or screen.ask(_question(plan.to_give, wish))):
        screen.say("Nothing was changed.")
        return max(plan.code, REMAINS if plan.to_give else FINE)
    return max(plan.code, await _give_back(session, plan, wish, became, tell))


def _document(request: Request, plan: _Plan, until: date, became: Mapping[str, _Became]) -> str:
    body = {
        "sweepId": request.sweep_id,
        "until": str(until),
        "accounts": [
            _account(planned, plan, request, became.get(planned.id.key))
            for planned in plan.accounts
        ],
        "notSeen": list(plan.unseen),
    }
    return document("undo", body)


def _account(
    planned: Planned, plan: _Plan, request: Request, became: _Became | None
) -> Mapping[str, object]:
    judgement = planned.judgement
    if isinstance(judgement, LeaveAlone):
        became = _Became("LEFT_ALONE", judgement.reason)
    elif became is None:
        became = _Became("WOULD_GIVE_BACK" if request.dry_run else "NOT_ATTEMPTED", "")
    return {
        **account_in(planned.id, plan.subscriptions),
        "offSince": off_since(planned.change, plan.known).isoformat(),
        "stands": judgement.stands,
        "exempts": planned.exempts,
        "result": became.result,
        "detail": became.detail,
    }


def _check(request: Request) -> None:
    """Raise UsageProblem for what is wrong with a request whoever is there to be asked."""
    try:
        began_at(request.sweep_id)
        if request.insights is not None:
            event_table(request.insights)
    except ValueError as error:
        raise UsageProblem(str(error)) from error
    if request.insights is not None and request.record is not None:
        raise UsageProblem("--record and --insights are two sources: give one.")


async def _taken(session: Session, request: Request) -> Taken:
    """Read what the sweep took. Raises UsageProblem, AzureError."""
    if request.insights is None:
        return of_record(await _record(session, request))
    began = began_at(request.sweep_id)
    answer = await Logs(session.parts).query(
        request.insights,
        events_query(request.sweep_id, event_table(request.insights)),
        began - _EVENTS_BEFORE,
        began + _EVENTS_AFTER,
    )
    return of_events(request.sweep_id, answer)


async def _record(session: Session, request: Request) -> KeptRecord:
    """Read the sweep's record. Raises UsageProblem if it is none, or another's."""
    path = request.record or record_path(request.sweep_id)
    try:
        record = read_record(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageProblem(
            f"There is no record of this sweep: {path} is not there. `keysweep undo --list` shows "
            "those that are on this machine. --record FILE names another place; for a sweep of the "
            "Function's, --insights RESOURCE-ID names its Application Insights."
        ) from error
    except OSError as error:
        raise UsageProblem(f"{path} can't be read: {why_not_opened(error)}.") from error
    except ValueError as error:
        raise UsageProblem(f"{path} is no record of a sweep: {error}.") from error
    if record.sweep_id != request.sweep_id:
        raise UsageProblem(f"{path} is about sweep {record.sweep_id}, not {request.sweep_id}.")
    tenant, theirs = await session.parts.arm.home_tenant(), record.head.get("tenant")
    if theirs != tenant:
        raise UsageProblem(f"{path} is about tenant {theirs}, and you are signed in to {tenant}.")
    return record


async def _planned(session: Session, taken: Taken) -> _Plan:
    """Look at every account that the sweep took. Raises AzureError."""
    parts, settings = session.parts, session.settings
    with session.screen.spinner() as progress:
        progress.add_task("Looking at what the sweep took")
        in_scope = await scope_of(session)
        subscriptions = {change.account.subscription_id for change in taken.changes}
        visible = await parts.graph.visible(sorted(filter(in_scope.has, subscriptions)))
        in_log = frozenset(name for name, _ in visible.rows)
        unread = "; ".join(dict.fromkeys(map(for_person, visible.unread.values())))
        log = await parts.changes().read(sorted(in_log))
        known = Known(
            replace(log, unread=unread) if unread else log,
            in_log,
            taken.identity,
            settings.scope,
            settings.rules,
            parts.clock.now(),
        )
        found = await asyncio.gather(
            *(_looked_at(session, in_scope, change, known) for change in taken.changes)
        )
    ordered = sorted(found, key=lambda planned: planned.id.key)
    names = {subscription.id: subscription.name for subscription in in_scope.subscriptions}
    return _Plan(known, tuple(ordered), taken.unseen, distinct(names))


async def _looked_at(session: Session, in_scope: InScope, change: Change, known: Known) -> Planned:
    account_id, parts = change.account, session.parts
    if not in_scope.has(account_id.subscription_id):
        outside = why_outside(in_scope, account_id.subscription_id)
        is_unread = any(
            gap.subscription_id in {"", account_id.subscription_id} for gap in in_scope.gaps
        )
        why = Why.NOT_KNOWN if is_unread else Why.SOMEBODYS_WILL
        return Planned(change, None, LeaveAlone(why, f"It is out of scope: {outside}"))
    try:
        async with parts.pace.page(account_id.subscription_id):
            account = await parts.account_reader().with_levels(await parts.arm.account(account_id))
    except NotFound:
        gone = LeaveAlone(Why.NOTHING_TO_DO, "It is there no more.", "gone")
        return Planned(change, None, gone)
    except AzureError as error:
        return Planned(change, None, LeaveAlone(Why.NOT_KNOWN, for_person(error), "not seen"))
    return Planned(change, account, judge(change, account, known))


def _question(to_give: Sequence[Planned], wish: Wish) -> str:
    until = wish.until
    exempted = sum(planned.exempts for planned in to_give)
    accounts = counted(len(to_give), "account")
    if exempted == len(to_give):
        return f"Exempt {accounts} until {until} and turn the keys on?"
    if not exempted:
        return f"Turn the keys on for {accounts}, exempt already?"
    return f"Turn the keys on for {accounts}, and exempt {exempted} of them until {until} first?"


def _show(screen: Screen, plan: _Plan, until: date, request: Request, out: Console) -> None:
    """Show how each account stands beside what will be done; with --dry-run that is the output."""
    drawn = grid("account", "resource group", "subscription", "off since", "now", "undo")
    reasons = []
    for planned in plan.accounts:
        account_id, judgement = planned.id, planned.judgement
        place = plan.subscriptions.get(account_id.subscription_id, account_id.subscription_id)
        does, style = _does(judgement, until)
        drawn.add_row(
            shown(account_id.name),
            shown(account_id.resource_group, "dim"),
            shown(place, "dim"),
            shown(f"{off_since(planned.change, plan.known):%Y-%m-%d %H:%M:%S}", "dim"),
            shown(judgement.stands),
            shown(does, style),
        )
        if isinstance(judgement, LeaveAlone) and judgement.why is not Why.NOTHING_TO_DO:
            line = f"{where(account_id)} is left alone: {judgement.reason}"
            reasons.append(shown(line, style))
    if plan.accounts:
        out.print(drawn)
        for reason in reasons:
            out.print(reason, soft_wrap=True)
    elif not plan.unseen:
        out.print(shown(f"Sweep {request.sweep_id} turned no keys off."), soft_wrap=True)
    for sentence in plan.unseen:
        screen.problem(f"Not seen: {sentence}")


def _does(judgement: Judgement, until: date) -> tuple[str, str]:
    """Return what is done to an account, and the style in which that is shown."""
    match judgement:
        case GiveBack(exempts=True):
            return f"exempt until {until}, then keys on", "bold"
        case GiveBack():
            return "keys on; its exemption stays as it is", "bold"
        case LeaveAlone(Why.NOTHING_TO_DO, reason):
            return reason, "dim"
        case LeaveAlone(why):
            return "left alone", "red" if why is Why.NOT_KNOWN else "dim"
        case _:
            assert_never(judgement)


class _NoMore(Exception):
    """What the last look at an account found: it is not to be given back, or not any more."""

    def __init__(self, why: Why, reason: str) -> None:
        super().__init__(reason)
        self.why = why


class _NotBegun(Exception):
    """A person stopped it before anything was sent about this account."""


async def _give_back(
    session: Session,
    plan: _Plan,
    wish: Wish,
    became: dict[str, _Became],
    tell: Callable[[str], None],
) -> int:
    screen, stop = session.screen, asyncio.Event()
    bar = screen.bar()
    task = bar.add_task("Giving back", total=len(plan.to_give), counts="")
    progress = _Progress(screen, lambda counts: bar.update(task, advance=1, counts=counts), became)
    # However long the person thought, the time budget begins now.
    giving = _Giving(session.again(), plan.known, wish, stop, progress)
    try:
        with bar:
            await stoppable(screen, stop, giving.all(plan.to_give))
    except asyncio.CancelledError:
        progress.code = NOT_WHOLE
        screen.problem(
            "Broken off: an account in hand may be exempt and still without keys. The same command "
            "can be run again."
        )
    left = len(plan.to_give) - progress.count
    summary = f"{counted(progress.given, 'account')} given back."
    if progress.failed:
        summary += f" {progress.failed} could not be."
    if progress.left_alone:
        summary += f" {progress.left_alone} left alone after all."
    if left:
        summary += f" You stopped it: {counted(left, 'account')} not attempted."
    tell(summary)
    return max(progress.code, REMAINS if left else FINE)


@dataclass(slots=True)
class _Progress:
    """How many accounts were given back, left alone after all or failed, said as it happens."""

    screen: Screen
    changed: Callable[[str], None]
    became: dict[str, _Became]
    """By `AccountId.key`."""
    given: int = 0
    left_alone: int = 0
    failed: int = 0
    code: int = FINE

    @property
    def count(self) -> int:
        return self.given + self.left_alone + self.failed

    def say(self, account_id: AccountId, result: str | _NoMore | AzureError | UsageProblem) -> None:
        """Say what became of an account: a text says how it was given back."""
        match result:
            case str():
                self.given += 1
                self.became[account_id.key] = _Became("GIVEN_BACK", result)
                self.screen.say(f"{where(account_id)}: {result}")
            case _NoMore():
                self.left_alone += 1
                self.became[account_id.key] = _Became("LEFT_ALONE", str(result))
                self.code = max(self.code, exit_code_of({result.why}))
                self.screen.say(f"{where(account_id)}: {result}")
            case AzureError() | UsageProblem():
                self.failed += 1
                self.became[account_id.key] = _Became("FAILED", for_person(result))
                self.code = NOT_WHOLE
                self.screen.problem(f"{where(account_id)}: {for_person(result)}")
        self.changed(f"{self.failed} failed" if self.failed else "")


@dataclass(frozen=True, slots=True)
class _Giving:
    """Gives accounts back: each is looked at once more, tagged, read back, and its keys turned on.

    Each write waits for its permit, reads the account, and leaves at once after that.
    """

    session: Session
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
            result: str | _NoMore | AzureError | UsageProblem
            try:
                result = await self._unless_stopped(planned)
            except _NotBegun:
                return
            except (_NoMore, AzureError, UsageProblem) as error:
                result = error
            self.progress.say(planned.id, result)

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
            return await within(self.session.clock, _IN_HAND_SECONDS, work)
        except TimeoutError:
            text = "You stopped it while it waited for Azure: look at it, or run this again."
            raise _NoMore(Why.NOT_KNOWN, text) from None
        finally:
            stopped.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait({work})

    async def _give(self, planned: Planned, begun: asyncio.Event) -> str:
        """Give one back. Raises _NoMore if that is not to be any more, UsageProblem, AzureError."""
        writer, account_id = AccountWriter(self.session), planned.id
        seen, exempted = planned.account, ""
        value = self.wish.value(self.known.rules.tag, self.session.clock.now().date())

        async def exempt(account: Account, leave_by: float) -> None:
            nonlocal exempted
            exempted = ""
            if (await self._still(planned, account, seen)).exempts:
                exempted = f"exempt until {self.wish.until}, "
                async with self._sending(begun):
                    await writer.merge(account, value, leave_by)

        if planned.exempts:
            await writer.unit(account_id, exempt)
        if exempted:
            seen = await writer.reads_back(account_id, value)

        async def enable(account: Account, leave_by: float) -> None:
            if (await self._still(planned, account, seen)).exempts:
                gone = "Its exemption is not there any more: nothing more was sent."
                raise _NoMore(Why.NOT_KNOWN, gone)
            async with self._sending(begun):
                await self.session.azure.enable_local_auth(account_id, leave_by)

        await writer.unit(account_id, enable)
        await writer.accepts_keys(account_id)
        return f"{exempted}accepts keys again"

    @asynccontextmanager
    async def _sending(self, begun: asyncio.Event) -> AsyncIterator[None]:
        """Note that a write about an account is under way; one that Azure refuses was not.

        Raises _NotBegun if it was refused, nothing was written before it, and it was stopped.
        """
        is_first = not begun.is_set()
        begun.set()
        try:
            yield
        except Refused:
            if is_first:
                begun.clear()
                if self.stop.is_set():
                    raise _NotBegun from None
            raise

    async def _still(self, planned: Planned, account: Account, seen: Account | None) -> GiveBack:
        """Judge an account once more, just before a change; nobody may have changed it since.

        `seen` is the account as it was read before this. Raises _NoMore, AzureError.
        """
        account = await self.session.parts.account_reader().with_levels(account)
        known = replace(self.known, now=self.session.clock.now())
        found = judge(planned.change, account, known, is_proven=True)
        if isinstance(found, LeaveAlone):
            raise _NoMore(found.why, found.reason)
        if seen is None or account.changed_at != seen.changed_at:
            text = f"{account.changed_by or 'Somebody'} changed it meanwhile: run this again."
            raise _NoMore(Why.NOT_KNOWN, text)
        return found
