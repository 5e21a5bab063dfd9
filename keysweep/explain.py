"""`keysweep explain`: every step of the decision for an account, and what the next sweep will do.

It takes the very steps that a sweep takes (discovery of the whole scope, decision, plan, the second
look just before a change) up to the PATCH, then looks at what could refuse that. What no read can
show, such as a policy's deny or an operation that fails, is not foretold, and that is said.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keysweep.border.operator import Operator
from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS
from keysweep.names import identify, read_id, scope_of
from keysweep.screen import Screen, grid, shown
from keysweep.session import told
from shared.core.change_log import ChangeLog
from shared.core.decision import decide, plan
from shared.core.errors import AzureError, NotFound
from shared.core.exemption import resembles
from shared.core.model import (
    Account,
    AccountId,
    Decision,
    Inventory,
    Outcome,
    Result,
    Source,
    Turned,
    Verdict,
)
from shared.core.settings import Mode
from shared.steps.remediation import refused
from shared.workspace import Parts


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, what is true there, and the raw values behind it."""

    name: str
    says: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All steps for one account, and the prediction."""

    account: AccountId
    steps: tuple[Step, ...]
    verdict: Verdict | None
    """None: the account is not in scope, or a sweep would not see it."""
    hold: str
    changes: bool
    """Whether the next sweep sends a PATCH."""
    expected: Result | None
    """What will come of it, as far as a read can show; None: nothing is attempted."""
    prediction: str
    read: bool = True
    """Whether the account itself could be read."""


async def explain(parts: Parts, screen: Screen, accounts: Sequence[str], output: str) -> int:
    """Explain accounts. Returns 0, or 1 if a sweep changes or holds one, 2 if one can't be read."""
    in_scope = await scope_of(parts)
    wanted = [
        read_id(name) if name.startswith("/") else await identify(parts, in_scope, name)
        for name in accounts
    ]
    with screen.spinner() as progress:
        progress.add_task("Looking as a sweep does")
        explainer = await _prepared(parts)
        found = [await explainer.explain(account_id) for account_id in wanted]
    if output == "json":
        screen.raw(json.dumps([_document(explanation) for explanation in found], indent=2))
    else:
        for explanation in found:
            _show(screen, explanation)
    unseen = any(explanation.verdict is None for explanation in found) and explainer.inventory.gaps
    if unseen or not all(explanation.read for explanation in found):
        return NOT_WHOLE
    concerned = {Verdict.DRIFT, Verdict.HELD}
    return REMAINS if any(explanation.verdict in concerned for explanation in found) else FINE


async def _prepared(parts: Parts) -> "_Explainer":
    inventory = await parts.discovery().discover()
    log = await parts.changes().read([coverage.subscription.id for coverage in inventory.coverage])
    now = parts.clock.now()
    decisions = {
        account.id.key: decide(account, parts.settings.scope, parts.settings.rules, now.date())
        for account in inventory.accounts
    }
    return _Explainer(parts, Operator(parts), inventory, log, decisions)


@dataclass(frozen=True, slots=True)
class _Explainer:
    parts: Parts
    azure: Operator
    inventory: Inventory
    log: ChangeLog
    decisions: Mapping[str, Decision]

    async def explain(self, account_id: AccountId) -> Explanation:
        seen, off = await self._read(account_id)
        steps = [seen, self._scope(account_id)]
        decision = self.decisions.get(account_id.key)
        if decision is None:
            return replace(await self._unlisted(account_id, steps), read=off is not None)
        explained = await self._decided(account_id, steps, decision, off=off)
        return replace(explained, read=off is not None)

    async def _decided(
        self, account_id: AccountId, steps: list[Step], decision: Decision, *, off: bool | None
    ) -> Explanation:
        """Explain an account that the sweep's list has."""
        if off:
            steps.append(
                Step(
                    "Lag",
                    "Resource Graph still shows its keys on, and what follows begins there. A "
                    "sweep reads again just before a change.",
                )
            )
        steps.append(Step("Decision", f"{_verdict(decision)}: {decision.reason}"))
        steps.append(self._history(account_id))
        if decision.verdict is not Verdict.DRIFT:
            said = f"The next sweep leaves it alone: {decision.verdict}."
            return self._explanation(account_id, steps, decision, None, said)
        held = self._brake(decision, steps)
        if held:
            return self._explanation(account_id, steps, decision, None, held, hold="BRAKE")
        outcome = await self._second_look(decision)
        if outcome is not None:
            steps.append(Step("Second look", f"{outcome.result}: {outcome.detail}"))
            said = f"The next sweep sends nothing: {outcome.result}."
            return self._explanation(account_id, steps, decision, outcome.result, said)
        steps.append(Step("Second look", "Still a drift just before the change."))
        return await self._change(account_id, steps, decision)

    async def _read(self, account_id: AccountId) -> tuple[Step, bool | None]:
        """Read the account itself, and whether its keys are off; None if it can't be read."""
        try:
            raw = await self.azure.raw(account_id)
        except NotFound as error:
            return Step("Account", f"It is not there: {error.code}: {error.message}"), None
        except AzureError as error:
            return Step("Account", f"It can't be read: {told(error)}"), None
        properties = raw.get("properties", {})
        flag = (
            json.dumps(properties["disableLocalAuth"])
            if "disableLocalAuth" in properties
            else "absent"
        )
        off = properties.get("disableLocalAuth") is True
        ours = _ours(raw.get("tags") or {}, self.parts.settings.rules.tag)
        values = {
            "kind": raw.get("kind"),
            "disableLocalAuth": flag,
            "provisioningState": properties.get("provisioningState"),
            "customSubDomainName": properties.get("customSubDomainName", "absent"),
            "tags": ", ".join(f"{name}={value!r}" for name, value in ours.items())
            or "none of ours",
        }
        said = "Its keys are off." if off else "Its keys are on: only `true` is off."
        raws = ", ".join(f"{name}: {value}" for name, value in values.items())
        return Step("Account", said, raws), off

    def _scope(self, account_id: AccountId) -> Step:
        name = account_id.subscription_id
        for coverage in self.inventory.coverage:
            if coverage.subscription.id == name:
                how = (
                    "by Resource Graph" if coverage.source is Source.GRAPH else "by ARM's own list"
                )
                said = f"Subscription {coverage.subscription.name} is in scope, shown {how}."
                counted = (
                    f"keys on: {coverage.census.keys_on}, keys off: {coverage.census.keys_off}"
                )
                return Step("Scope", said, counted)
        left_alone = self.inventory.left_alone
        for found, why in (
            (left_alone.disabled, "is disabled: it is counted and left alone"),
            (left_alone.other_tenant, "is of another tenant: it is left alone"),
        ):
            if any(subscription.id == name for subscription in found):
                return Step("Scope", f"Subscription {name} {why}.")
        if name in left_alone.excluded:
            return Step("Scope", f"Subscription {name} is in SWEEP_EXCLUDE_SUBSCRIPTIONS.")
        for gap in self.inventory.gaps:
            if gap.subscription_id == name:
                return Step("Scope", f"Subscription {name} can't be read: {gap.problem}")
        return Step("Scope", f"Subscription {name} is not in scope.", self._scope_settings())

    def _scope_settings(self) -> str:
        scope = self.parts.settings.scope
        groups, subscriptions = scope.management_groups, scope.subscriptions
        if groups:
            return f"SWEEP_MANAGEMENT_GROUPS: {', '.join(groups)}"
        return f"SWEEP_SUBSCRIPTIONS: {', '.join(subscriptions) or 'all that can be read'}"

    async def _unlisted(self, account_id: AccountId, steps: list[Step]) -> Explanation:
        """Explain an account that the sweep's list doesn't have."""
        covered = any(
            coverage.subscription.id == account_id.subscription_id
            for coverage in self.inventory.coverage
        )
        account: Account | None = None
        if covered:
            try:
                account = await self.azure.account(account_id)
            except NotFound:
                account = None
        scope = self.parts.settings.scope
        if account is not None and not scope.has_kind(account.kind):
            said = f"The next sweep leaves it alone: its kind is none of {', '.join(scope.kinds)}."
            steps.append(Step("Kind", f"{account.kind} is not in scope."))
        elif account is not None and not account.keys_on:
            steps.append(Step("Decision", "COMPLIANT: Its keys are off."))
            steps.append(self._history(account_id))
            said = "The next sweep leaves it alone: COMPLIANT."
            return Explanation(
                account_id, tuple(steps), Verdict.COMPLIANT, "", changes=False, expected=None,
                prediction=said,
            )  # fmt: skip
        elif account is not None:
            said = (
                "Resource Graph does not show yet that its keys are on: the next sweep misses it, "
                "and one in a few minutes sees it."
            )
        else:
            said = "The next sweep leaves it alone: it does not see it."
        return Explanation(
            account_id, tuple(steps), None, "", changes=False, expected=None, prediction=said
        )

    def _history(self, account_id: AccountId) -> Step:
        if self.log.unread:
            return Step("History", f"The change log could not be read: {self.log.unread}")
        last, flips = self.log.last_on(account_id.key), self.log.flips(account_id.key)
        if last is None:
            return Step("History", "The change log of 14 days shows nobody who turned its keys on.")
        what = "created it" if last.turned is Turned.CREATED else "turned its keys on"
        said = f"{last.by} ({last.by_type}) {what} at {last.at:%Y-%m-%d %H:%M} UTC"
        by = f" with {last.client}" if last.client not in {"", last.by} else ""
        return Step("History", f"{said}{by}.", f"flips in 14 days: {flips}")

    def _brake(self, decision: Decision, steps: list[Step]) -> str:
        """Add the step of the brake; say so if it holds the account, or lets it through later."""
        settings, now = self.parts.settings, self.parts.clock.now()
        drift = [
            decision for decision in self.decisions.values() if decision.verdict is Verdict.DRIFT
        ]
        planned = plan(drift, settings.limits, now, "", settings.schedule.interval)
        if settings.mode is Mode.AUDIT:
            steps.append(Step("Mode", "SWEEP_MODE is audit: nothing is changed."))
            return "The next sweep changes nothing: audit mode."
        if settings.enforce_from is not None and now < settings.enforce_from:
            steps.append(Step("Mode", f"ENFORCE_FROM is {settings.enforce_from}: audit till then."))
            return f"The next sweep changes nothing before {settings.enforce_from}."
        if planned.brake is None:
            steps.append(Step("Brake", "It lets all changes through.", f"changes: {len(drift)}"))
            return ""
        steps.append(Step("Brake", f"{planned.brake}: {planned.forecast}"))
        if decision in planned.held:
            return "The next sweep holds it: BRAKE."
        return ""

    async def _second_look(self, decision: Decision) -> Outcome | None:
        try:
            found = await self.parts.second_look().look(decision)
        except AzureError as error:
            return refused(decision, error)
        return found if isinstance(found, Outcome) else None

    async def _change(
        self, account_id: AccountId, steps: list[Step], decision: Decision
    ) -> Explanation:
        expected, said = Result.DISABLED, "The next sweep turns its keys off."
        try:
            if not await self.azure.may_write(account_id):
                expected = Result.NO_ROLE
                steps.append(
                    Step("Rights", "You have no role that may change it.", "accounts/write")
                )
            else:
                steps.append(Step("Rights", "You may change it; the sweep needs the same."))
            locks = await self.azure.locks(account_id)
            locking = [lock for lock in locks if lock.level.lower() == "readonly"]
            steps += [
                Step("Lock", f"{lock.name} ({lock.level}) at {lock.scope} refuses it.")
                for lock in locking
            ]
            if locking and expected is Result.DISABLED:
                expected = Result.LOCKED
        except AzureError as error:
            steps.append(Step("Rights", f"Roles and locks could not be read: {error}"))
        if expected is not Result.DISABLED:
            said = f"The next sweep tries to turn its keys off, and is refused: {expected}."
        steps.append(
            Step("Not foretold", "A deny policy, or an update that fails inside Azure, may refuse.")
        )
        return self._explanation(account_id, steps, decision, expected, said, changes=True)

    def _explanation(
        self,
        account_id: AccountId,
        steps: Sequence[Step],
        decision: Decision,
        expected: Result | None,
        said: str,
        *,
        changes: bool = False,
        hold: str = "",
    ) -> Explanation:
        return Explanation(
            account_id,
            tuple(steps),
            Verdict.HELD if hold else decision.verdict,
            hold or (decision.hold or ""),
            changes,
            expected,
            said,
        )


def _verdict(decision: Decision) -> str:
    return f"{decision.verdict} ({decision.hold})" if decision.hold else str(decision.verdict)


def _ours(tags: Mapping[str, str], tag: str) -> dict[str, str]:
    """Return the tags that are ours, or nearly."""
    return {name: value for name, value in tags.items() if resembles(name, tag)}


def _show(screen: Screen, found: Explanation) -> None:
    account = found.account
    place = f" in {account.resource_group}, subscription {account.subscription_id}"
    screen.show(shown(account.name, "bold").append(shown(place, "dim")))
    drawn = grid("", "")
    for step in found.steps:
        text = shown(step.says)
        if step.raw:
            text.append("\n").append(shown(step.raw, "dim"))
        drawn.add_row(shown(step.name, "cyan"), text)
    drawn.add_row(shown("Next sweep", "bold"), shown(found.prediction, "bold"))
    screen.show(drawn, "")


def _document(found: Explanation) -> dict[str, Any]:
    return {
        "accountId": str(found.account),
        "verdict": found.verdict,
        "holdReason": found.hold,
        "changes": found.changes,
        "expected": found.expected,
        "prediction": found.prediction,
        "steps": [{"name": step.name, "says": step.says, "raw": step.raw} for step in found.steps],
    }
