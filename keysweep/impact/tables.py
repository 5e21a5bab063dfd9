"""Verdicts as a person sees them: a table of many accounts, or all that is known of one."""

from collections import Counter
from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from keysweep.advice import gap_in_words
from keysweep.impact import request_log
from keysweep.impact.documents import Findings
from keysweep.impact.evidence import (
    CallCounts,
    Connections,
    Evidence,
    KeyFetches,
    Logged,
    NotLogged,
    RequestLog,
    Unread,
)
from keysweep.impact.gathering import Judged
from keysweep.impact.next_steps import next_steps, who_could
from keysweep.impact.verdict import Impact
from keysweep.screen import Screen, grid, heading, not_seen, shown
from keysweep.tones import style_of
from keysweep.words import counted, the_first


def table(screen: Screen, found: Findings) -> Table:
    """Draw accounts, one under the other, in the columns that there is room for."""
    has_room = screen.out.width >= _WITH_NEXT
    wide = ("verdict", "account", "resource group", "calls", "last with a key", "why")
    columns = wide if screen.wide else ("verdict", "account", "why")
    drawn = grid(*columns, *(("next",) if has_room else ()))
    for column in drawn.columns[1:3] if screen.wide else ():
        column.max_width = 30
    for one in found.worst_first:
        verdict = shown(one.judgement.verdict, style_of(one.judgement.verdict))
        why = shown(" ".join(one.judgement.because))
        name, group = one.account.id.name, one.account.id.resource_group
        if screen.wide:
            calls, last = _calls(one.evidence), last_keyed(one)
            row = (shown(text, "dim") for text in (group, calls, last))
            step = (shown(_first_step(one), "dim"),) if has_room else ()
            drawn.add_row(verdict, shown(name), *row, why, *step)
        else:
            account = shown(name).append("\n").append(shown(group, "dim"))
            drawn.add_row(verdict, account, why)
    return drawn


def last_keyed(one: Judged) -> str:
    """Return the day of the last call with a key; empty: none was seen."""
    log = one.evidence.log
    last = log.last_keyed if isinstance(log, RequestLog) else None
    return f"{last:%Y-%m-%d %H:%M}" if last is not None else ""


def _first_step(one: Judged) -> str:
    steps = next_steps(one.evidence, one.judgement)
    return steps[0].says if steps else ""


def _calls(evidence: Evidence) -> str:
    calls = evidence.calls
    return f"{calls.calls:,}" if isinstance(calls, CallCounts) else "?"


def details(one: Judged, names: Mapping[str, str]) -> Iterator[Text | Table]:
    """Show all that is known of one account. `names` are those of subscriptions, by id."""
    evidence, judgement = one.evidence, one.judgement
    yield heading(one.account.id, names)
    drawn = grid("", "")
    because = shown(judgement.verdict, style_of(judgement.verdict))
    drawn.add_row(
        shown("Verdict", "bold"), because.append(shown(f"  {' '.join(judgement.because)}", ""))
    )
    for name, says in _rows(evidence):
        drawn.add_row(shown(name, "cyan"), shown(says))
    for unseen in one.unseen:
        drawn.add_row(shown("Not seen", "bold red"), shown(unseen))
    for step in next_steps(evidence, judgement):
        text = shown(step.says)
        if step.command:
            text.append("\n").append(shown(step.command, "dim"))
        drawn.add_row(shown("Next", "bold"), text)
    yield drawn


def _rows(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Return what each kind of evidence says, in the order of docs/impact.md."""
    yield "Calls", _calls_in_words(evidence)
    yield "Request log", request_log.in_words(evidence.log)
    yield "Logged", _logged_in_words(evidence)
    yield "Key fetches", _fetches_in_words(evidence)
    yield "Connections", _connections_in_words(evidence)
    yield "Entra ID", who_could(evidence.entra)


def _calls_in_words(evidence: Evidence) -> str:
    calls, asked = evidence.calls, evidence.asked
    span = f"from {asked.begin:%Y-%m-%d %H:%M} to {asked.end:%Y-%m-%d %H:%M} UTC"
    if isinstance(calls, Unread):
        return f"not read: {span}"
    by_deployment: Counter[str] = Counter()
    for count in calls.counts:
        by_deployment[count.deployment or "no deployment"] += count.calls
    deployments = [f"{name} {number:,}" for name, number in by_deployment.most_common()]
    said = f": {the_first(deployments)}" if deployments else ""
    refused = f", {counted(calls.refused, 'call')} refused (401)" if calls.refused else ""
    return f"{counted(calls.calls, 'call')} {span}{refused}{said}"


def _logged_in_words(evidence: Evidence) -> str:
    match evidence.logging:
        case Unread():
            return "not read"
        case Logged(workspaces=workspaces):
            names = the_first([workspace.rpartition("/")[2] for workspace in workspaces])
            log = evidence.log
            since = log.since if isinstance(log, RequestLog) else None
            first = (
                f"; its first row of that time is of {since:%Y-%m-%d %H:%M} UTC" if since else ""
            )
            return f"to {names}{first}"
        case NotLogged(elsewhere=elsewhere):
            return f"to no workspace{f', but to {the_first(elsewhere)}' if elsewhere else ''}"


def _fetches_in_words(evidence: Evidence) -> str:
    match evidence.fetches:
        case Unread():
            return "not read"
        case KeyFetches(fetches=()):
            return "none in 90 days, as far as the activity log shows them"
        case KeyFetches(fetches=fetches):
            last = {fetch.who: fetch.at for fetch in reversed(fetches)}
            said = [
                f"{who}, {counted(count, 'time')}, the last at {last[who]:%Y-%m-%d %H:%M} UTC"
                for who, count in Counter(fetch.who for fetch in fetches).items()
            ]
            return the_first(said, "; ")


def _connections_in_words(evidence: Evidence) -> str:
    match evidence.connections:
        case Unread():
            return "not read"
        case Connections(found=()):
            return "none that was seen"
        case Connections(found=found):
            said = [
                f"{connection.name} of {connection.place} ({connection.category}, "
                f"{connection.auth_type})"
                for connection in found
            ]
            return the_first(said, "; ")


def totals(found: Findings) -> Iterator[Text]:
    """Return the lines under a table: counts, the time, and what was not seen."""
    counts = Counter(one.judgement.verdict for one in found.judged)
    parts = [counted(len(found.judged), "account")]
    parts += [f"{counts[verdict]} {verdict}" for verdict in Impact if counts[verdict]]
    asked = found.asked
    parts.append(f"{asked.begin:%Y-%m-%d %H:%M} to {asked.end:%Y-%m-%d %H:%M} UTC")
    yield shown(" · ".join(parts), "bold")
    unread = found.unread
    gaps = map(gap_in_words, found.gaps)
    yield from map(not_seen, (*gaps, *unread[:_MOST]))
    if len(unread) > _MOST:
        yield shown(f"And {len(unread) - _MOST} more that were not seen: --output json has all.")
    if len(found.judged) > 1:
        yield shown("keysweep impact ACCOUNT shows the evidence, and what to do next.", "dim")


# Lines about what was not seen, and the width of a terminal that has room for the next step.
_MOST = 20
_WITH_NEXT = 160
