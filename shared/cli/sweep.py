"""`keysweep sweep`: what the timer does, now: the plan, a question, and a progress bar."""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.changes import ChangeLog
from shared.cli.documents import Row, exit_code, rows
from shared.cli.names import resolve
from shared.cli.scan import look, not_seen, present, table
from shared.cli.screen import Screen, counted, shown
from shared.cli.session import NOT_WHOLE, REMAINS, UsageProblem, interrupts
from shared.cli.watch import Collected
from shared.errors import AzureError, Stopped
from shared.events import Event, RemediationOutcome
from shared.model import AccountId, Census, Coverage, Inventory, Result
from shared.parts import Parts
from shared.remediation import Permits
from shared.report import SweepReport
from shared.settings import Mode
from shared.sweep import new_sweep_id


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was shown to the person: the sweep changes that, and discovers nothing else."""

    inventory: Inventory
    log: ChangeLog

    async def discover(self) -> Inventory:
        return self.inventory

    async def read(self, subscriptions: Sequence[str]) -> ChangeLog:  # noqa: ARG002 - all of it
        return self.log


@dataclass(frozen=True, slots=True)
class _UntilStopped:
    """Lets units work until the person says stop; those at work then finish."""

    permits: Permits
    stop: asyncio.Event

    @asynccontextmanager
    async def unit(self, subscription_id: str, reads: int) -> AsyncIterator[None]:
        async with self.permits.unit(subscription_id, reads):
            if self.stop.is_set():
                raise Stopped
            yield


async def sweep(
    parts: Parts, screen: Screen, output: str, only: Sequence[str], *, audit: bool, yes: bool
) -> int:
    """Sweep, as the person says. Returns the exit code."""
    if not (audit or yes or screen.can_ask):
        raise UsageProblem("Nobody is there to be asked: say --yes, or --audit to see the plan.")
    chosen = [await resolve(parts, each) for each in only]
    if chosen:
        scope = replace(
            parts.settings.scope,
            management_groups=(),
            subscriptions=tuple(dict.fromkeys(each.subscription_id for each in chosen)),
        )
        parts = replace(parts, settings=replace(parts.settings, scope=scope))
    planned, collected = await look(parts, screen)
    if chosen:
        planned = _narrowed(planned, chosen)
    drift = planned.drift
    if audit or not drift:
        present(screen, output, planned, rows(planned, collected.events))
        screen.say("Audit: nothing was changed." if audit else "There is nothing to change.")
        return exit_code(planned)
    show_plan(screen, planned, rows(planned, collected.events))
    if not yes and not screen.ask(f"Turn keys off on {counted(drift, 'account')}?"):
        screen.say("Nothing was changed.")
        return NOT_WHOLE if planned.inventory.gaps else REMAINS
    return await _enforce(parts, screen, output, planned, collected)


def show_plan(screen: Screen, planned: SweepReport, found: Sequence[Row]) -> None:
    """Show, beside the point of any document, what would be changed."""
    drift = [row for row in found if row.result == Result.WOULD_DISABLE]
    beside = Screen()
    beside.out = screen.err
    beside.show(table(beside, drift), "")
    lost = sum(row.no_custom_subdomain for row in drift)
    if lost:
        beside.show(shown(f"{lost} of them have no custom subdomain: Entra ID can't reach them "
                          "until they get one.", "bold yellow"))  # fmt: skip
    if planned.brake:
        beside.show(shown("The timer's brake would hold these; your yes lets them through.", "dim"))
    for gap in planned.inventory.gaps:
        beside.show(shown(f"Not seen: {not_seen(gap)}", "red"))


async def _enforce(
    parts: Parts, screen: Screen, output: str, planned: SweepReport, looked: Collected
) -> int:
    stop = asyncio.Event()
    seen = _Seen(planned.inventory, ChangeLog({}, planned.change_log_unread))
    # The person's yes releases the brake and the notice for what was shown, and for nothing else.
    release = parts.clock.now() + timedelta(seconds=parts.settings.budget)
    settings = replace(
        parts.settings,
        mode=Mode.ENFORCE,
        enforce_from=None,
        limits=replace(parts.settings.limits, release_until=release),
    )
    # However long the person thought: the budget begins now, and so does the sweep that undo seeks.
    parts = parts.again(settings)
    sweep_id = new_sweep_id(parts.clock.now(), secrets.token_hex(4))
    results: Counter[str] = Counter()
    bar = screen.bar()
    task = bar.add_task("Turning keys off", total=planned.drift, counts="")

    def told(event: Event) -> None:
        if isinstance(event, RemediationOutcome):
            results[event.result] += 1
            bar.update(task, advance=1, counts=_counts(results))

    remediation = parts.remediation(_UntilStopped(parts.pace, stop))
    sweep = replace(
        parts.sweep(sweep_id, Collected(told), remediation), discovery=seen, changes=seen
    )
    running = asyncio.ensure_future(sweep.run())
    try:
        with interrupts(screen, stop, running), bar:
            report = await running
    except asyncio.CancelledError:
        left = planned.drift - sum(results.values())
        screen.problem(
            f"Sweep {sweep_id} was broken off: {_counts(results) or 'nothing'} of {planned.drift} "
            f"is known, and {left} were in flight or not begun. Run `keysweep scan`."
        )
        return NOT_WHOLE
    present(screen, output, report, rows(report, looked.events))
    if any(each.accepted for each in report.outcomes):
        await _tell_the_way_back(parts, screen, sweep_id)
    if stop.is_set():
        left = report.results.get(Result.DEFERRED, 0)
        screen.say(f"You stopped it: {counted(left, 'account')} not attempted.")
    return exit_code(report)


async def _tell_the_way_back(parts: Parts, screen: Screen, sweep_id: str) -> None:
    """Say how to undo, with the name by which the change log knows who sweeps."""
    whose = ""
    with contextlib.suppress(AzureError):
        whose = f" --identity {(await parts.arm.own_names())[0]}"
    way = f"keysweep undo {sweep_id}{whose}"
    screen.say(f"To give back what this sweep took, in five minutes or later: {way}")


def _narrowed(report: SweepReport, chosen: Sequence[AccountId]) -> SweepReport:
    """Keep of a report what is about these accounts."""
    keys = {each.key for each in chosen}
    inventory = report.inventory
    accounts = tuple(each for each in inventory.accounts if each.id.key in keys)
    on = Counter(each.id.subscription_id for each in accounts if each.keys_on)
    wanted = Counter(each.subscription_id for each in chosen)
    coverage = tuple(
        Coverage(
            each.subscription,
            each.source,
            Census(
                on[each.subscription.id], wanted[each.subscription.id] - on[each.subscription.id]
            ),
        )
        for each in inventory.coverage
    )
    return replace(
        report,
        inventory=replace(inventory, accounts=accounts, coverage=coverage),
        decisions=tuple(each for each in report.decisions if each.account.id.key in keys),
        outcomes=tuple(each for each in report.outcomes if each.decision.account.id.key in keys),
    )


def _counts(results: Counter[str]) -> str:
    return " · ".join(f"{count} {result}" for result, count in sorted(results.items()))
