"""`keysweep scan`: what a sweep would find, read and never written."""

import secrets
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from rich.text import Text

from keysweep import tables
from keysweep.advice import for_person, gap_in_words
from keysweep.documents import (
    FailOn,
    Group,
    GroupBy,
    Row,
    as_csv,
    as_csv_of_groups,
    as_json,
    compliant_decision,
    exit_code,
    grouped,
    rows,
)
from keysweep.impact.columns import marked
from keysweep.names import listed
from keysweep.sarif import as_sarif
from keysweep.screen import Screen, not_seen, shown
from keysweep.session import Session
from keysweep.watch import Collected, Seen, discovering
from keysweep.words import counted, tally
from shared.core.model import Decision, Gap, GapKind, Result, Verdict
from shared.core.report import SweepReport
from shared.steps.sweep import new_sweep_id


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked `keysweep scan` for."""

    everything: bool = False
    """Compliant accounts too."""
    impact: bool = False
    """And what turning the keys off would break, which takes some requests an account."""
    group_by: GroupBy | None = None
    limit: int | None = None
    """So many rows at most; None: all."""
    fail_on: AbstractSet[FailOn] = frozenset(FailOn)


async def scan(session: Session, output: str, request: Request = Request()) -> int:
    """Scan, and show what was found. Returns the exit code."""
    report, collected = await look(session)
    compliant: list[Decision] = []
    if request.everything:
        compliant, gaps = await _compliant(session, report)
        inventory = replace(report.inventory, gaps=(*report.inventory.gaps, *gaps))
        report = replace(report, inventory=inventory)
    found = rows(report, collected.events, compliant)
    if request.impact:
        found = await marked(session, report, found)
    groups = grouped(found, request.group_by) if request.group_by is not None else None
    present(session.screen, output, report, found, groups, request.limit)
    return exit_code(report, request.fail_on)


async def look(session: Session, chosen: Seen | None = None) -> tuple[SweepReport, Collected]:
    """Run a sweep that is handed no writer, with progress; of what was chosen, if anything was."""
    collected = Collected()
    sweep_id = new_sweep_id(session.clock.now(), secrets.token_hex(4))
    sweep = session.parts.sweep(sweep_id, collected, remediation=None)
    if chosen is not None:
        return await replace(sweep, discovery=chosen, changes=chosen).run(), collected
    with discovering(session.screen, session.parts.discovery()) as discovery:
        return await replace(sweep, discovery=discovery).run(), collected


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


def present(
    screen: Screen,
    output: str,
    report: SweepReport,
    found: Sequence[Row],
    groups: Sequence[Group] | None = None,
    limit: int | None = None,
) -> None:
    """Show a report in one of its forms; `groups` in the place of accounts, if there are any."""
    listed: Sequence[Row | Group] = found if groups is None else groups
    left_out = 0 if limit is None else max(0, len(listed) - limit)
    if groups is None:
        found = found[:limit]
    else:
        groups = groups[:limit]
    match output:
        case "json":
            screen.raw(as_json(report, found, groups or (), left_out))
        case "csv":
            screen.raw(
                as_csv(report, found) if groups is None else as_csv_of_groups(report, groups)
            )
        case "sarif":
            screen.raw(as_sarif(report, found))
        case _:
            if groups:
                screen.show(tables.of_groups(screen, groups), "")
            elif found:
                screen.show(tables.of_accounts(screen, found), *tables.footnotes(found), "")
            screen.show(*totals(report))
    if left_out:
        rest = counted(left_out, "more account" if groups is None else "more group")
        screen.note(f"And {rest}: a higher --limit shows them.")


def _ring_lines(report: SweepReport) -> list[Text]:
    """Say of the drift in which ring it is, and from when on that is in force; none: no rings."""
    if not report.rings.listed:
        return []
    drift = Counter(report.standing(decision) for decision in report.with_verdict(Verdict.DRIFT))
    return [
        shown(f"{counted(count, 'account')} adrift: {standing}", "dim")
        for standing, count in sorted(drift.items(), key=lambda pair: str(pair[0]))
    ]


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
    lines += [not_seen(gap_in_words(gap)) for gap in inventory.gaps]
    if report.change_log_unread:
        why = for_person(report.change_log_unread)
        lines.append(shown(f"The change log could not be read: {why}", "dim"))
    lines.extend(_ring_lines(report))
    results = report.results
    would = results.get(Result.WOULD_DISABLE, 0)
    is_foretold = would == len(report.outcomes)
    if report.brake and is_foretold:
        lines.append(shown(report.brake, "bold yellow"))
    elif would and is_foretold:
        where = " everywhere" if report.rings.listed else ""
        text = f"Enforcing{where} would turn keys off on {counted(would, 'account')}."
        lines.append(shown(text, "bold yellow"))
    elif not report.outcomes and inventory.gaps:
        lines.append(shown("Enforcing would change nothing of what was seen.", "yellow"))
    elif not report.outcomes:
        lines.append(shown("Enforcing would change nothing.", "green"))
    else:
        lines.append(shown(f"Results: {tally(results)}", "bold"))
    return lines
