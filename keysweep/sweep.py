"""`keysweep sweep`: what the timer does, now: the plan, a question, and a progress bar."""

import asyncio
import contextlib
import json
import secrets
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from keysweep import tables
from keysweep.advice import UsageProblem
from keysweep.configuration import Configuration
from keysweep.documents import Row, exit_code, rows
from keysweep.exit_codes import NOT_WHOLE, REMAINS
from keysweep.impact.columns import marked, warning
from keysweep.in_force import in_force
from keysweep.names import find_all, resolve, scope_of
from keysweep.record import Record, Recorded, RecordLost, record_path
from keysweep.scan import look, not_seen, present
from keysweep.screen import Screen, shown
from keysweep.session import Session
from keysweep.stopping import stoppable, unless_stopped
from keysweep.watch import Collected, Seen
from keysweep.words import counted, why_not_opened
from shared.core.change_log import ChangeLog
from shared.core.deadline import Deadline
from shared.core.decision import Brake
from shared.core.errors import Stopped
from shared.core.events import Event, RemediationOutcome
from shared.core.model import (
    Account,
    Census,
    Coverage,
    Decision,
    Inventory,
    Outcome,
    Result,
    Source,
)
from shared.core.report import SweepReport
from shared.core.rings import InForce, Rings
from shared.core.settings import Mode, Settings
from shared.steps.allowance import Allowance
from shared.steps.ports import Permits, Remediator
from shared.steps.rings import RingReader
from shared.steps.sweep import new_sweep_id

# The code with which Resource Graph refuses who may read none of the subscriptions asked about.
_NOT_SHOWN = "AccessDenied"
_BEYOND_MODE = "--enforce changes what is shown all the same."


@dataclass(frozen=True, slots=True)
class _UntilStopped:
    """Lets units work until the person says stop: those at work finish, no other waits on."""

    permits: Permits
    stop: asyncio.Event

    @asynccontextmanager
    async def unit(self, subscription_id: str, reads: int) -> AsyncIterator[None]:
        async with AsyncExitStack() as permit:
            async with unless_stopped(self.stop):
                await permit.enter_async_context(self.permits.unit(subscription_id, reads))
            if self.stop.is_set():
                raise Stopped
            yield


@dataclass(frozen=True, slots=True)
class _AsShown:
    """Turns keys off where a person was shown that they would go off, and nowhere else.

    A day that ends while they think lets exemptions lapse that were in force in the plan.
    """

    remediation: Remediator
    shown: frozenset[str]
    """The accounts that were to lose their keys, by `AccountId.key`."""

    async def remediate(self, decision: Decision, allowance: Allowance) -> Outcome:
        """Turn them off, if that was shown."""
        if decision.account.id.key in self.shown:
            return await self.remediation.remediate(decision, allowance)
        detail = f"It was not in the plan that was shown: run this again. {decision.reason}"
        return Outcome(decision, Result.DEFERRED, detail)


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked `keysweep sweep` for."""

    only: Sequence[str] = ()
    audit: bool = False
    yes: bool = False
    enforce: bool = False
    """Change now, although SWEEP_MODE says audit or ENFORCE_FROM is still to come."""
    release_rings: bool = False
    """Change in all of the scope, whatever ENFORCE_SCOPES lists."""
    release_brake: bool = False
    """Let through what the brake would hold."""
    record: Path | None = None
    impact: bool = False
    """Say first what turning the keys off would break."""


async def sweep(session: Session, output: str, request: Request) -> int:
    """Sweep, as the person says and the settings allow. Returns the exit code."""
    screen = session.screen
    audits = request.audit or (session.settings.mode is Mode.AUDIT and not request.enforce)
    if not (audits or request.yes or screen.can_ask):
        raise UsageProblem("Nobody is there to be asked: say --yes, or --audit to see the plan.")
    obeyed, session = session.settings, _going_beyond(session, request)
    chosen = await _chosen(session, request.only) if request.only else None
    planned, collected = await look(session, chosen)
    found, unchanged = rows(planned, collected.events), replace(planned, mode=Mode.AUDIT)
    if request.impact:
        found = await marked(session, planned, found)
        screen.warn(warning(found))
    screen.say(await in_force(session))
    standstill = _standstill(obeyed, planned, request, session.clock.now())
    if standstill:
        present(screen, output, unchanged, found)
        screen.say(standstill)
        return exit_code(planned)
    _show_plan(screen, planned, found)
    how_many = counted(len(planned.drift_that_is(InForce)), "account")
    if planned.brake:
        how_many = f"{session.settings.limits.most_changes} of {how_many}"
    if not request.yes and not screen.ask(f"Turn keys off on {how_many}?"):
        if output != "table":
            # The table was shown already; whoever reads a document gets a whole one.
            present(screen, output, unchanged, found)
        screen.say("Nothing was changed.")
        return NOT_WHOLE if planned.inventory.gaps else REMAINS
    return await _enforce(session, output, planned, collected, request)


def _standstill(settings: Settings, planned: SweepReport, request: Request, now: datetime) -> str:
    """Say why nothing is changed, and what would go beyond the settings; empty: it may be."""
    limits, changes = settings.limits, len(planned.drift_that_is(InForce))
    if request.audit:
        return "Audit: nothing was changed."
    if not planned.drift:
        return "There is nothing to change."
    if settings.mode is Mode.AUDIT and not request.enforce:
        return f"Nothing was changed: SWEEP_MODE is audit. {_BEYOND_MODE}"
    if not changes:
        return f"Nothing was changed: {_no_ring(settings, request, now)}"
    if planned.brake and limits.brake is Brake.HOLD:
        return (
            f"Nothing was changed: the brake holds {counted(changes, 'change')}, because "
            f"MAX_CHANGES_PER_SWEEP is {limits.most_changes}. --release-brake lets through what is "
            "shown."
        )
    return ""


def _no_ring(settings: Settings, request: Request, now: datetime) -> str:
    """Say why no drift is in a ring in force, and what would go beyond that."""
    coming = settings.enforce_from
    is_notice = coming is not None and now < coming and not request.enforce
    if is_notice and (request.release_rings or not settings.enforce_scopes):
        return f"ENFORCE_FROM is {coming:%Y-%m-%d %H:%M} UTC. {_BEYOND_MODE}"
    outside = "what is shown is in no ring of ENFORCE_SCOPES that is in force."
    return f"{outside} --release-rings changes it all the same."


def _going_beyond(session: Session, request: Request) -> Session:
    """Let the session go beyond the settings as far as the person asked for it by name."""
    settings = session.settings
    if request.enforce:
        settings = replace(settings, mode=Mode.ENFORCE, enforce_from=None)
    if request.release_rings:
        settings = replace(settings, enforce_scopes=())
    session = session.going_by(settings)
    return _released(session) if request.release_brake else session


def _released(session: Session) -> Session:
    """Release the brake for what the person is shown, and no longer than the time budget."""
    settings = session.settings
    until = session.clock.now() + timedelta(seconds=settings.budget)
    limits = replace(settings.limits, release_until=until)
    return session.going_by(replace(settings, limits=limits))


async def _chosen(session: Session, names: Sequence[str]) -> Seen:
    """Read the accounts that the person named, as ARM knows them now, and who turned their keys.

    Raises UsageProblem for one that is not in scope: nothing is changed then. Raises AzureError.
    """
    in_scope = await scope_of(session)
    reader = session.parts.account_reader()

    async def find(name: str) -> Account:
        return await reader.read((await resolve(session, in_scope, name)).id)

    found = {account.id.key: account for account in await find_all(names, find)}
    by_id = {subscription.id: subscription for subscription in in_scope.subscriptions}
    on = Counter((account.id.subscription_id, account.keys_on) for account in found.values())
    coverage = tuple(
        Coverage(by_id[name], Source.ARM, Census(on[name, True], on[name, False]))
        for name in dict.fromkeys(account.id.subscription_id for account in found.values())
    )
    until = Deadline.after(session.clock, session.parts.deadline.left / 2)
    rings = await RingReader(session.parts.arm, session.settings.rings, until).read(in_scope)
    inventory = Inventory(coverage, tuple(found.values()), rings.gaps, below=rings.below)
    return Seen(inventory, await _log_of(session, [read.subscription.id for read in coverage]))


async def _log_of(session: Session, subscriptions: Sequence[str]) -> ChangeLog:
    """Read the change log of these subscriptions, as far as Resource Graph shows them at all.

    It has nothing to say of one that it does not show, and that is no error.
    """
    visible = await session.parts.graph.visible(subscriptions)
    unread = "; ".join(dict.fromkeys(visible.unread.values()))
    if unread and _NOT_SHOWN not in unread:
        return ChangeLog({}, unread)
    shown_there = [subscription_id for subscription_id, _ in visible.rows]
    return await session.parts.changes().read(shown_there) if shown_there else ChangeLog({})


def _show_plan(screen: Screen, planned: SweepReport, found: Sequence[Row]) -> None:
    """Show, beside the point of any document, what would be changed."""
    drift = [
        row for row in found if row.result == Result.WOULD_DISABLE and row.mode == Mode.ENFORCE
    ]
    beside = Screen(screen.err.file)
    beside.show(tables.of_accounts(beside, drift), *tables.footnotes(drift), "")
    lost = sum(row.no_custom_subdomain for row in drift)
    if lost:
        text = f"{lost} of them have no custom subdomain: Entra ID can't reach them until they get "
        beside.show(shown(f"{text}one.", "bold yellow"))
    if planned.brake:
        beside.show(shown(planned.brake, "dim"))
    for gap in planned.inventory.gaps:
        beside.show(shown(f"Not seen: {not_seen(gap)}", "red"))


async def _enforce(
    session: Session, output: str, planned: SweepReport, looked: Collected, request: Request
) -> int:
    screen, stop = session.screen, asyncio.Event()
    # However long the person thought: the budget begins now, and so does the sweep.
    session = session.again()
    if request.release_brake:
        session = _released(session)
    sweep_id = new_sweep_id(session.clock.now(), secrets.token_hex(4))
    way_back = _way_back(sweep_id, session.configuration, request.record)
    path = request.record or record_path(sweep_id)
    try:
        record = await _begin_record(session, sweep_id, path, way_back)
    except OSError as error:
        screen.problem(
            f"Nothing was changed, because the sweep's record {path} can't be written: "
            f"{why_not_opened(error)}. "
            "--record FILE writes it elsewhere."
        )
        return NOT_WHOLE
    # Before the first change: whatever happens after this, the person has them.
    screen.keep(f"Sweep {sweep_id} is recorded in {path}.\nTo take it back: {way_back}")
    results: Counter[str] = Counter()
    bar = screen.bar()
    shown_drift = frozenset(decision.account.id.key for decision in planned.drift_that_is(InForce))
    task = bar.add_task("Turning keys off", total=len(shown_drift), counts="")

    def count(event: Event) -> None:
        if isinstance(event, RemediationOutcome) and event.account_id in shown_drift:
            results[event.result] += 1
            bar.update(task, advance=1, counts=_counts(results))

    seen = Seen(planned.inventory, ChangeLog({}, planned.change_log_unread))

    def remediation(rings: Rings) -> Remediator:
        permits = _UntilStopped(session.parts.pace, stop)
        recorded = Recorded.of(session.parts.remediation(rings, permits), record)
        return _AsShown(recorded, shown_drift)

    sweep = replace(
        session.parts.sweep(sweep_id, Collected(count), None),
        discovery=seen,
        changes=seen,
        remediation=remediation,
    )
    try:
        with bar:
            report = await stoppable(screen, stop, sweep.run())
        with contextlib.suppress(RecordLost):
            record.finish(whole=report.whole)
    except asyncio.CancelledError:
        left = len(shown_drift) - sum(results.values())
        screen.problem(
            f"Sweep {sweep_id} was broken off. Done: {_counts(results) or 'nothing'}. In flight or "
            f"not begun: {counted(left, 'account')}. {path} says what was begun, and `keysweep "
            "scan` how it is now."
        )
        if output == "json":
            screen.raw(json.dumps({"sweepId": sweep_id, "cutOff": True, "record": str(path)}))
        return NOT_WHOLE
    finally:
        record.close()
    present(screen, output, report, rows(report, looked.events))
    if record.lost:
        screen.problem(f"{record.lost}. What was changed before that stands in it.")
    if stop.is_set():
        left = report.results.get(Result.DEFERRED, 0)
        screen.say(f"You stopped it: {counted(left, 'account')} not attempted.")
    return exit_code(report)


async def _begin_record(session: Session, sweep_id: str, path: Path, way_back: str) -> Record:
    """Make the sweep's record. Raises OSError if it can't be written, AzureError."""
    settings, arm = session.settings, session.parts.arm
    head = {
        "sweepId": sweep_id,
        "tenant": await arm.home_tenant(),
        "identity": await arm.own_names(),
        "scope": asdict(settings.scope),
        "exemptionTag": settings.rules.tag,
        "armEndpoint": settings.cloud.endpoint,
        "undo": way_back,
    }
    return Record.begin(path, session.clock, head)


def _way_back(sweep_id: str, configuration: Configuration, path: Path | None) -> str:
    """Return the command that takes a sweep back, with what belongs to it."""
    recorded = ("--record", str(path.resolve())) if path else ()
    return shlex.join(["keysweep", "undo", sweep_id, *recorded, *configuration.options])


def _counts(results: Counter[str]) -> str:
    return " · ".join(f"{count} {result}" for result, count in sorted(results.items()))
