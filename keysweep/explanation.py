"""Why an account keeps or loses its keys, and what the next sweep will do: from facts. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from keysweep.advice import for_person
from keysweep.words import why_outside
from shared.core.change_log import ChangeLog
from shared.core.decision import Plan
from shared.core.errors import AzureError, NotFound
from shared.core.exemption import resembles
from shared.core.model import (
    AccountId,
    Coverage,
    Decision,
    Inventory,
    Outcome,
    Result,
    Source,
    Turned,
    Verdict,
)
from shared.core.owner import OwnerFrom, owner_of
from shared.core.rings import Audited, InForce, Standing, ToCome, written
from shared.core.settings import Mode, Settings
from shared.steps.scope import InScope


@dataclass(frozen=True, slots=True)
class Lock:
    """A management lock that holds for an account."""

    name: str
    level: str
    scope: str


@dataclass(frozen=True, slots=True)
class Rights:
    """What could refuse a change, as far as a read shows it."""

    may_write: bool
    locks: Sequence[Lock]


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read of one account, and about it."""

    account: AccountId
    raw: Mapping[str, Any] | AzureError
    """The account as Azure Resource Manager writes it."""
    inventory: Inventory
    """What a sweep finds."""
    decision: Decision | None
    """What a sweep decides; None: its list does not have the account."""
    log: ChangeLog
    settings: Settings
    standing: Standing
    """What is done about drift in its subscription."""
    standstill: "Standstill | None" = None
    """What a drift meets before any change."""
    second_look: Outcome | None = None
    """What the read just before a change finds; None: still a drift, or nobody looked."""
    rights: Rights | AzureError | None = None
    """None: nobody looked."""
    is_mode_given: bool = True
    """Whether anything says what SWEEP_MODE is; else it is taken as `enforce`."""

    @property
    def off(self) -> bool | None:
        """Whether its keys are off; None: it can't be read."""
        if isinstance(self.raw, AzureError):
            return None
        return self.raw.get("properties", {}).get("disableLocalAuth") is True

    @property
    def coverage(self) -> Coverage | None:
        """How its subscription was read; None: it was not."""
        name = self.account.subscription_id
        covered = (found for found in self.inventory.coverage if found.subscription.id == name)
        return next(covered, None)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, what is true there, and the raw values behind it."""

    name: str
    says: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Standstill:
    """What mode, ring and brake make of a drift."""

    step: Step | None
    """What the brake does; None: it does not come to that."""
    prediction: str
    """Why nothing is changed; empty: it may be."""
    is_held: bool = False
    """Whether the brake holds it."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All steps for one account, and the prediction."""

    account: AccountId
    steps: tuple[Step, ...]
    prediction: str
    verdict: Verdict | None = None
    """None: the account is not in scope, or a sweep would not see it."""
    hold: str = ""
    changes: bool = False
    """Whether the next sweep sends a PATCH."""
    expected: Result | None = None
    """What will come of it, as far as a read can show; None: nothing is attempted."""
    is_read: bool = True
    """Whether the account itself could be read."""

    def document(self) -> dict[str, Any]:
        """Return it for `--output json`."""
        return {
            "accountId": str(self.account),
            "verdict": self.verdict,
            "holdReason": self.hold,
            "changes": self.changes,
            "expected": self.expected,
            "prediction": self.prediction,
            "steps": [
                {"name": step.name, "says": step.says, "raw": step.raw} for step in self.steps
            ],
        }


def standstill(decision: Decision, planned: Plan, standing: Standing) -> Standstill:
    """Say what a drift meets before any change. `planned`: what the sweep plans for all drifts."""
    match standing:
        case Audited():
            return Standstill(None, f"The next sweep changes nothing there. {standing}")
        case ToCome(coming):
            return Standstill(None, f"The next sweep changes nothing before {written(coming)}.")
        case InForce() if planned.brake is None:
            changes = f"changes: {len(planned.change)}"
            return Standstill(Step("Brake", "It lets all changes through.", changes), "")
        case InForce():
            step = Step("Brake", planned.brake_would)
            if decision in planned.held:
                held = "The next sweep holds it, since the brake holds all changes."
                return Standstill(step, held, is_held=True)
            return Standstill(step, "")
        case _:
            assert_never(standing)


def explained(facts: Facts) -> Explanation:
    """Explain an account."""
    steps = [_account(facts), _scope(facts), _ring(facts)]
    is_read, decision = facts.off is not None, facts.decision
    if decision is None:
        more, prediction, verdict = _unlisted(facts)
        return Explanation(facts.account, (*steps, *more), prediction, verdict, is_read=is_read)
    if facts.off and decision.account.keys_on:
        lag = (
            "Resource Graph still shows its keys on, and what follows begins there. A sweep reads "
            "again just before a change."
        )
        steps.append(Step("Lag", lag))
    hold = decision.hold or ""
    decided = f"{decision.verdict} ({hold})" if hold else str(decision.verdict)
    steps += [Step("Decision", f"{decided}: {decision.reason}"), _history(facts)]
    steps.append(_owner(decision, facts))

    def ends(prediction: str, **more: Any) -> Explanation:
        return Explanation(
            facts.account,
            tuple(steps),
            prediction,
            **{"verdict": decision.verdict, "hold": hold, "is_read": is_read, **more},
        )

    if facts.standstill is None:
        return ends(f"The next sweep leaves it alone: {decision.verdict}.")
    steps += filter(None, [facts.standstill.step])
    if facts.standstill.is_held:
        return ends(facts.standstill.prediction, verdict=Verdict.HELD, hold="BRAKE")
    if facts.standstill.prediction:
        return ends(facts.standstill.prediction)
    found = facts.second_look
    if found is not None:
        steps.append(Step("Second look", f"{found.result}: {found.detail}"))
        return ends(f"The next sweep sends nothing: {found.result}.", expected=found.result)
    steps.append(Step("Second look", "Still a drift just before the change."))
    expected, refusals = _refusals(facts)
    steps += refusals
    prediction = "The next sweep turns its keys off."
    if expected is not Result.DISABLED:
        prediction = f"The next sweep tries to turn its keys off, and is refused: {expected}."
    return ends(prediction, expected=expected, changes=True)


def _account(facts: Facts) -> Step:
    raw = facts.raw
    if isinstance(raw, NotFound):
        return Step("Account", f"It is not there: {raw.code}: {raw.message}")
    if isinstance(raw, AzureError):
        return Step("Account", f"It can't be read: {for_person(raw)}")
    properties, tags = raw.get("properties", {}), raw.get("tags") or {}
    flag = "absent"
    if "disableLocalAuth" in properties:
        flag = json.dumps(properties["disableLocalAuth"])
    ours = [
        f"{name}={value!r}"
        for name, value in tags.items()
        if resembles(name, facts.settings.rules.tag)
    ]
    values = {
        "kind": raw.get("kind"),
        "disableLocalAuth": flag,
        "provisioningState": properties.get("provisioningState"),
        "customSubDomainName": properties.get("customSubDomainName", "absent"),
        "tags": ", ".join(ours) or "none of ours",
    }
    says = "Its keys are off." if facts.off else "Its keys are on: disableLocalAuth is not true."
    return Step("Account", says, ", ".join(f"{name}: {value}" for name, value in values.items()))


def _scope(facts: Facts) -> Step:
    coverage = facts.coverage
    if coverage is None:
        inventory = facts.inventory
        read = tuple(found.subscription for found in inventory.coverage)
        in_scope = InScope(read, inventory.left_alone, inventory.gaps)
        why = why_outside(in_scope, facts.account.subscription_id)
        return Step("Scope", why[0].upper() + why[1:])
    how = "Resource Graph" if coverage.source is Source.GRAPH else "ARM's own list"
    census = f"keys on: {coverage.census.keys_on}, keys off: {coverage.census.keys_off}"
    says = f"Subscription {coverage.subscription.name} is in scope, shown by {how}."
    return Step("Scope", says, census)


def _ring(facts: Facts) -> Step:
    """Say which mode is in force for it, since when or from when on, and what decides that."""
    settings, standing = facts.settings, facts.standing
    if settings.mode is Mode.AUDIT:
        return Step("Mode", "SWEEP_MODE is audit: nothing is changed.")
    listed = ", ".join(map(str, settings.enforce_scopes))
    if listed:
        return Step("Ring", str(standing), f"ENFORCE_SCOPES: {listed}")
    if not facts.is_mode_given and isinstance(standing, InForce):
        return Step("Mode", "No SWEEP_MODE is given: what follows is for a sweep that enforces.")
    return Step("Mode", str(standing))


def _unlisted(facts: Facts) -> tuple[list[Step], str, Verdict | None]:
    """Explain an account that the sweep's list doesn't have."""
    scope, raw = facts.settings.scope, facts.raw
    if facts.coverage is None or isinstance(raw, AzureError):
        return [], "The next sweep leaves it alone: it does not see it.", None
    kind = str(raw.get("kind", ""))
    if not scope.has_kind(kind):
        kinds = ", ".join(scope.kinds)
        prediction = f"The next sweep leaves it alone: its kind is none of {kinds}."
        return [Step("Kind", f"{kind} is not in scope.")], prediction, None
    if facts.off:
        steps = [Step("Decision", "COMPLIANT: Its keys are off."), _history(facts)]
        return steps, "The next sweep leaves it alone: COMPLIANT.", Verdict.COMPLIANT
    prediction = (
        "Resource Graph does not show yet that its keys are on: the next sweep misses it, and one "
        "in a few minutes sees it."
    )
    return [], prediction, None


def _history(facts: Facts) -> Step:
    log, key = facts.log, facts.account.key
    if log.unread:
        return Step("History", f"The change log could not be read: {log.unread}")
    last = log.last_on(key)
    if last is None:
        return Step("History", "The change log of 14 days shows nobody who turned its keys on.")
    what = "created it" if last.turned is Turned.CREATED else "turned its keys on"
    client = f" with {last.client}" if last.client not in {"", last.by} else ""
    says = f"{last.by} ({last.by_type}) {what} at {last.at:%Y-%m-%d %H:%M} UTC{client}."
    return Step("History", says, f"flips in 14 days: {log.flips(key)}")


def _owner(decision: Decision, facts: Facts) -> Step:
    """Say whose the account is, and what says so."""
    tags = facts.settings.owner_tags
    found = owner_of(decision, tags, facts.log)
    names = f"OWNER_TAGS: {', '.join(tags) or 'none'}"
    match found.source:
        case OwnerFrom.EXEMPTION:
            return Step("Owner", f"{found.name}, by its exemption.", names)
        case OwnerFrom.CHANGED_BY:
            return Step("Owner", f"{found.name}, as who turned its keys on: no tag says.", names)
        case OwnerFrom.NOBODY:
            unread = [above.level for above in decision.account.owned_at if above.tags is None]
            if unread:
                text = f"Not known: the tags of its {unread[0]} can't be read, and could say."
                return Step("Owner", text, names)
            return Step("Owner", "Not known: nothing names one.", names)
        case OwnerFrom.ACCOUNT | OwnerFrom.RESOURCE_GROUP | OwnerFrom.SUBSCRIPTION:
            return Step("Owner", f"{found.name}, by the tag of its {found.source}.", names)
        case _:
            assert_never(found.source)


def _refusals(facts: Facts) -> tuple[Result, list[Step]]:
    """Say what a change meets, as far as a read can show it."""
    expected, steps, rights = Result.DISABLED, list[Step](), facts.rights
    if isinstance(rights, Rights):
        locks = [lock for lock in rights.locks if lock.level.lower() == "readonly"]
        if locks:
            expected = Result.LOCKED
        if rights.may_write:
            steps.append(Step("Rights", "You may change it; the sweep needs the same."))
        else:
            expected = Result.NO_ROLE
            steps.append(Step("Rights", "You have no role that may change it.", "accounts/write"))
        steps += [
            Step("Lock", f"{lock.name} ({lock.level}) at {lock.scope} refuses it.")
            for lock in locks
        ]
    else:
        steps.append(Step("Rights", f"Roles and locks could not be read: {rights}"))
    limits = "A deny policy, or an update that fails inside Azure, may refuse."
    return expected, [*steps, Step("Not foretold", limits)]
