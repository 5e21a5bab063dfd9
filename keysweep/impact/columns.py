"""Verdicts beside the accounts of a scan or a plan: two columns, and a warning."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from keysweep.documents import Row
from keysweep.impact.command import DAYS, View, verdicts
from keysweep.impact.documents import last_keyed
from keysweep.impact.evidence import Asked
from keysweep.impact.gathering import Judged
from keysweep.impact.verdict import Impact
from keysweep.session import Session
from keysweep.words import counted, the_first
from shared.core.model import Account
from shared.core.report import SweepReport


async def beside(session: Session, accounts: Sequence[Account], view: View) -> Mapping[str, Judged]:
    """Judge accounts that a command is about; by `AccountId.key`. What was not seen is noted."""
    judged = await verdicts(session, accounts, view, Asked.before(session.clock.now(), DAYS))
    if any(account.unseen for account in judged.values()):
        session.screen.warn(
            "Not all that bears on these verdicts could be seen: `keysweep impact` says what."
        )
    return judged


async def marked(session: Session, report: SweepReport, found: Sequence[Row]) -> list[Row]:
    """Return the rows of a report, those of accounts with keys on with their verdict."""
    wanted = {row.id.lower() for row in found}
    accounts = [
        decision.account
        for decision in report.decisions
        if decision.account.keys_on and decision.account.id.key in wanted
    ]
    judged = await beside(session, accounts, View.of(report.inventory))
    return [
        replace(
            row,
            impact=judged[row.id.lower()].judgement.verdict.value,
            last_keyed_call=last_keyed(judged[row.id.lower()].evidence),
        )
        if row.id.lower() in judged
        else row
        for row in found
    ]


def warning(found: Sequence[Row]) -> str:
    """Warn of accounts whose keys are used, or likely are; empty: none is known."""
    parts = []
    for verdict, what in ((Impact.USES_KEYS, "in use"), (Impact.LIKELY_KEYS, "likely in use")):
        names = [row.name for row in found if row.impact == verdict.value]
        if names:
            parts.append(
                f"Keys of {counted(len(names), 'account')} are {what}: {the_first(names)}."
            )
    if not parts:
        return ""
    return f"This would break somebody. {' '.join(parts)} `keysweep impact` says whom."
