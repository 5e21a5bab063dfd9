"""`keysweep scan`: what a sweep would find, read and never written."""

import re
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rich.table import Table
from rich.text import Text

from keysweep.advice import for_person
from keysweep.documents import (
    Row,
    as_csv,
    as_json,
    as_sarif,
    compliant_decision,
    exit_code,
    rows,
)
from keysweep.impact.columns import STYLES, marked
from keysweep.names import listed
from keysweep.screen import Screen, grid, shown
from keysweep.session import Session
from keysweep.tones import style_of
from keysweep.watch import Collected, Seen, watched
from keysweep.words import counted, distinct
from shared.core.model import Decision, Gap, GapKind, Result, Verdict
from shared.core.owner import OwnerFrom
from shared.core.report import SweepReport
from shared.steps.sweep import new_sweep_id

# A resource id, or that of a resource group or subscription.
_ID = re.compile(r"/subscriptions/[^\s\'\",;]+[^\s\'\",;.]")
_LONGEST_MESSAGE = 240
_PLAIN = {"WOULD_DISABLE": "DRIFT"}


async def scan(
    session: Session, output: str, *, everything: bool, with_impact: bool = False
) -> int:
    """Scan, and show what was found. Returns the exit code.

    `with_impact`: and what turning the keys off would break, which takes some requests an account.
    """
    report, collected = await look(session)
    compliant: list[Decision] = []
    if everything:
        compliant, gaps = await _compliant(session, report)
        inventory = replace(report.inventory, gaps=(*report.inventory.gaps, *gaps))
        report = replace(report, inventory=inventory)
    found = rows(report, collected.events, compliant)
    if with_impact:
        found = await marked(session, report, found)
    present(session.screen, output, report, found)
    return exit_code(report)


async def look(session: Session, chosen: Seen | None = None) -> tuple[SweepReport, Collected]:
    """Run a sweep that is handed no writer, with progress; of what was chosen, if anything was."""
    collected = Collected()
    sweep_id = new_sweep_id(session.clock.now(), secrets.token_hex(4))
    with session.screen.spinner() as progress:
        task = progress.add_task("Listing subscriptions")
        discovery = watched(
            session.parts.discovery(), lambda tally: progress.update(task, description=str(tally))
        )
        sweep = session.parts.sweep(sweep_id, collected, remediation=None)
        sweep = (
            replace(sweep, discovery=discovery)
            if chosen is None
            else replace(sweep, discovery=chosen, changes=chosen)
        )
        return await sweep.run(), collected


async def _compliant(
    session: Session, report: SweepReport
) -> tuple[list[Decision], tuple[Gap, ...]]:
    """List the accounts with keys off, which a sweep only counts."""
    scope = session.settings.scope
    found: list[Decision] = []
    gaps: list[Gap] = []
    for coverage in report.inventory.coverage:
        name = coverage.subscription.id
        accounts, problems = await listed(session, name)
        found += [
            compliant_decision(account)
            for account in accounts
            if scope.has_kind(account.kind) and not account.keys_on
        ]
        gaps += [
            Gap(GapKind.ACCOUNT, problem, "ARM's row lacks what we need", name)
            if isinstance(problem, str)
            else Gap(GapKind.SUBSCRIPTION, name, str(problem), name)
            for problem in problems
        ]
    return found, tuple(gaps)


def present(screen: Screen, output: str, report: SweepReport, found: Sequence[Row]) -> None:
    """Show a report in one of its forms."""
    match output:
        case "json":
            screen.raw(as_json(report, found))
        case "csv":
            screen.raw(as_csv(report, found))
        case "sarif":
            screen.raw(as_sarif(report, found))
        case _:
            if found:
                screen.show(table(screen, found), "")
            screen.show(*totals(report))


def table(screen: Screen, found: Sequence[Row]) -> Table:
    """Draw accounts, one under the other, in the columns that there is room for."""
    impact = ("impact", "last with a key") if any(row.impact for row in found) else ()
    wide = ("state", *impact, "account", "resource group", "subscription", "kind", "why")
    drawn = grid(*(wide if screen.wide else ("state", *impact[:1], "account", "why")))
    for column in drawn.columns[1:-1]:
        column.max_width = 30
    places = distinct({row.subscription_id: row.subscription for row in found})
    for row in found:
        account, place = shown(row.name), places[row.subscription_id]
        state = shown(_PLAIN.get(row.state, row.state), style_of(row.state))
        judged = (shown(row.impact, STYLES.get(row.impact, "")), shown(_minute(row), "dim"))
        if screen.wide:
            more = (shown(text, "dim") for text in (row.resource_group, place, row.kind))
            drawn.add_row(state, *judged[: len(impact)], account, *more, why(row))
        else:
            account.append("\n").append(shown(f"{row.resource_group} · {place}", "dim"))
            drawn.add_row(state, *judged[: len(impact[:1])], account, why(row))
    return drawn


def _minute(row: Row) -> str:
    """Return the minute of the last call with a key, as far as it was asked for and seen."""
    return row.last_keyed_call[:16].replace("T", " ")


def why(row: Row) -> Text:
    """Say why, for a drift who let keys in, and whose it is."""
    text = shown(row.reason)
    if row.azure_code:
        said = f"{row.azure_code}: {_brief(row.azure_message)}".removesuffix(": ")
        text = shown(f"{row.detail} ", "").append(shown(said, "dim"))
    elif row.result not in {"", "WOULD_DISABLE"}:
        text = shown(row.detail)
    if row.changed_by and row.result == "WOULD_DISABLE":
        how = "Keys on by" if row.attribution == "changeLog" else "Last changed by"
        text.append(shown(f" {how} {row.changed_by}, {row.changed_at[:10]}.", "dim"))
    if row.owner and row.owner_from != OwnerFrom.CHANGED_BY:
        text.append(shown(f" Owner: {row.owner}.", "dim"))
    return text


def _brief(message: str) -> str:
    """Shorten Azure's message for a cell: ids to their last names. Documents have it whole."""
    brief = _ID.sub(lambda match: match[0].rpartition("/")[2], message)
    return brief if len(brief) <= _LONGEST_MESSAGE else f"{brief[:_LONGEST_MESSAGE]}…"


def _ring_lines(report: SweepReport) -> list[Text]:
    """Say of the drift in which ring it is, and from when on that is in force; none: no rings."""
    if not report.rings.listed:
        return []
    drift = Counter(report.standing(decision) for decision in report.with_verdict(Verdict.DRIFT))
    return [
        shown(f"{counted(count, 'account')} adrift: {standing}", "dim")
        for standing, count in sorted(drift.items(), key=lambda pair: str(pair[0]))
    ]


def not_seen(gap: Gap) -> str:
    """Say what could not be read, and why."""
    return f"{gap.kind} {gap.name}: {for_person(gap.problem)}"


def totals(report: SweepReport) -> list[Text]:
    """Return the lines under a table: counts, what was not seen, what enforcing would do."""
    inventory = report.inventory
    subscriptions = counted(len(inventory.coverage), "subscription")
    parts = [f"{counted(report.accounts, 'account')} in {subscriptions}"]
    parts += [f"{count} {verdict.lower()}" for verdict, count in report.verdicts.items() if count]
    lines = [shown(" · ".join(parts), "bold")]
    left_alone = inventory.left_alone
    for count, what in (
        (len(left_alone.disabled), "disabled"),
        (len(left_alone.other_tenant), "of another tenant"),
        (len(left_alone.excluded), "excluded by the settings"),
    ):
        if count:
            lines.append(shown(f"{counted(count, 'subscription')} left alone: {what}", "dim"))
    lines.extend(
        Text("Not seen: ", "bold red").append(shown(not_seen(gap))) for gap in inventory.gaps
    )
    if report.change_log_unread:
        lines.append(shown(f"The change log could not be read: {report.change_log_unread}", "dim"))
    lines.extend(_ring_lines(report))
    results = report.results
    would = results.get(Result.WOULD_DISABLE, 0)
    if report.brake.startswith("would"):
        lines.append(shown(f"Enforcing {report.brake}.", "bold yellow"))
    elif would and would == len(report.outcomes):
        where = " everywhere" if report.rings.listed else ""
        text = f"Enforcing{where} would turn keys off on {counted(would, 'account')}."
        lines.append(shown(text, "bold yellow"))
    elif not report.outcomes and inventory.gaps:
        lines.append(shown("Enforcing would change nothing of what was seen.", "yellow"))
    elif not report.outcomes:
        lines.append(shown("Enforcing would change nothing.", "green"))
    else:
        said = " · ".join(f"{count} {result}" for result, count in sorted(results.items()))
        lines.append(shown(f"Results: {said}", "bold"))
    return lines
