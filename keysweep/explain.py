"""`keysweep explain`: every step of the decision for an account, and what the next sweep will do.

It takes the very steps that a sweep takes (discovery of the whole scope, decision, plan, the second
look just before a change) up to the PATCH, then looks at what could refuse that. What no read can
show, such as a policy's deny or an operation that fails, is not foretold, and that is said.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS
from keysweep.explanation import Explanation, Facts, Rights, explained, standstill
from keysweep.impact.command import DAYS, View, verdicts
from keysweep.impact.documents import account as document_of
from keysweep.impact.evidence import Asked
from keysweep.impact.gathering import Judged
from keysweep.impact.tables import details
from keysweep.names import find_all, identify, read_id, scope_of
from keysweep.screen import Screen, grid, shown
from keysweep.session import Session, or_error
from keysweep.words import names_in, subscription_in_words
from shared.core.change_log import ChangeLog
from shared.core.decision import Plan, decide, plan
from shared.core.errors import AzureError
from shared.core.model import AccountId, Decision, Inventory, Outcome, Verdict
from shared.core.rings import InForce, Standings
from shared.steps.remediation import refused


async def explain(
    session: Session, accounts: Sequence[str], output: str, *, with_impact: bool = False
) -> int:
    """Explain accounts. Returns 0, or 1 if a sweep changes or holds one, 2 if one can't be read.

    `with_impact`: and who uses their keys, which takes more requests than all the rest.
    """
    screen, in_scope = session.screen, await scope_of(session)

    async def find(text: str) -> AccountId:
        # An id outside the scope is explained as well.
        return read_id(text) if text.startswith("/") else await identify(session, in_scope, text)

    wanted = list(
        {account_id.key: account_id for account_id in await find_all(accounts, find)}.values()
    )
    with screen.spinner() as progress:
        progress.add_task("Looking as a sweep does")
        reader = await _looked(session)
        found = [explained(await reader.facts(account_id)) for account_id in wanted]
    judged = await _judged(session, wanted, reader.inventory) if with_impact else {}
    if output == "json":
        documents = [
            {**explanation.document(), **_impact(judged.get(explanation.account.key))}
            for explanation in found
        ]
        screen.raw(json.dumps(documents, indent=2))
    else:
        names = names_in(in_scope)
        for explanation in found:
            _show(screen, explanation, names)
            if explanation.account.key in judged:
                screen.show(*details(judged[explanation.account.key], names), "")
    unseen = any(explanation.verdict is None for explanation in found) and reader.inventory.gaps
    if unseen or not all(explanation.is_read for explanation in found):
        return NOT_WHOLE
    concerned = {Verdict.DRIFT, Verdict.HELD}
    return REMAINS if any(explanation.verdict in concerned for explanation in found) else FINE


async def _judged(
    session: Session, wanted: Sequence[AccountId], inventory: Inventory
) -> Mapping[str, Judged]:
    """Judge who uses the keys of those accounts that can be read."""
    read = [await or_error(session.parts.arm.account(account_id)) for account_id in wanted]
    accounts = [account for account in read if not isinstance(account, AzureError)]
    asked = Asked.before(session.clock.now(), DAYS)
    return await verdicts(session, accounts, View.of(inventory), asked)


def _impact(judged: Judged | None) -> Mapping[str, Any]:
    """Return what a document says beside the explanation."""
    return {} if judged is None else {"impact": document_of(judged)}


async def _looked(session: Session) -> "_Reader":
    """Look as a sweep does, at the whole scope."""
    settings, now = session.settings, session.clock.now()
    inventory = await session.parts.discovery().discover()
    covered = [coverage.subscription.id for coverage in inventory.coverage]
    log = await session.parts.changes().read(covered)
    decisions = {
        account.id.key: decide(account, settings.scope, settings.rules, now.date())
        for account in inventory.accounts
    }
    rings = settings.rings.knowing(inventory.below)
    drift = [
        decision
        for decision in decisions.values()
        if decision.verdict is Verdict.DRIFT
        and isinstance(rings.standing(decision.account.id.subscription_id, now), InForce)
    ]
    planned = plan(drift, settings.limits, now, "", settings.schedule.interval)
    return _Reader(session, inventory, log, decisions, rings.at(now), planned)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads what there is to know of single accounts."""

    session: Session
    inventory: Inventory
    log: ChangeLog
    decisions: Mapping[str, Decision]
    standings: Standings
    planned: Plan

    async def facts(self, account_id: AccountId) -> Facts:
        """Read them, as far as they matter for the next sweep."""
        settings, decision = self.session.settings, self.decisions.get(account_id.key)
        raw = await or_error(self.session.azure.raw(account_id))
        standing = self.standings.of(account_id.subscription_id)
        is_mode_given = bool(self.session.configuration.values.get("SWEEP_MODE", "").strip())
        facts = Facts(
            account_id, raw, self.inventory, decision, self.log, settings, standing,
            is_mode_given=is_mode_given,
        )  # fmt: skip
        if decision is None or decision.verdict is not Verdict.DRIFT:
            return facts
        before = standstill(decision, self.planned, standing)
        facts = replace(facts, standstill=before)
        if before.prediction:
            return facts
        second_look = self.session.parts.second_look(self.standings.rings)
        found = await or_error(second_look.take(decision))
        if isinstance(found, AzureError):
            found = refused(decision, found)
        if isinstance(found, Outcome):
            return replace(facts, second_look=found)
        return replace(facts, rights=await or_error(self._rights(account_id)))

    async def _rights(self, account_id: AccountId) -> Rights:
        azure = self.session.azure
        return Rights(await azure.may_write(account_id), await azure.locks(account_id))


def _show(screen: Screen, found: Explanation, names: Mapping[str, str]) -> None:
    account = found.account
    place = f"{account.resource_group}, {subscription_in_words(account.subscription_id, names)}"
    screen.show(shown(account.name, "bold").append(shown(f" in {place}", "dim")))
    drawn = grid("", "")
    for step in found.steps:
        text = shown(step.says)
        if step.raw:
            text.append("\n").append(shown(step.raw, "dim"))
        drawn.add_row(shown(step.name, "cyan"), text)
    drawn.add_row(shown("Next sweep", "bold"), shown(found.prediction, "bold"))
    screen.show(drawn, "")
