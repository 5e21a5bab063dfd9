"""A report as rows, and rows as JSON and CSV. Pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, assert_never

from keysweep.advice import for_person
from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS
from keysweep.outputs import NOT_SEEN, camel, csv_of, document, gaps_in, unread
from keysweep.words import distinct, names_of
from shared.core.events import DriftFound, Event, OwnedEvent
from shared.core.model import (
    Account,
    Decision,
    Exempt,
    Lapsed,
    NotExempt,
    Outcome,
    Result,
    Verdict,
)
from shared.core.report import SweepReport
from shared.core.rings import Standing

SCHEMA = 1
"""Version of the JSON document: docs/report.schema.json."""
WORST_FIRST = (
    *(Result.FAILED, Result.UNVERIFIED, Result.NO_ROLE, Result.LOCKED, Result.POLICY_DENIED),
    *(Result.WOULD_DISABLE, Result.DEFERRED, Result.BUSY, Result.NOW_HELD, Verdict.HELD),
    *(Result.DISABLED, Result.ALREADY_OFF, Result.GONE, Result.NOW_EXEMPT, Result.OUT_OF_SCOPE),
    *(Verdict.EXEMPT, Verdict.COMPLIANT),
)
_LEFT_OVER = frozenset(
    {
        *(Result.LOCKED, Result.POLICY_DENIED, Result.WOULD_DISABLE, Result.DEFERRED),
        *(Result.BUSY, Result.NOW_HELD),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One account of a report."""

    id: str
    name: str
    resource_group: str
    subscription_id: str
    subscription: str
    kind: str
    location: str
    verdict: str
    hold_reason: str = ""
    result: str = ""
    reason: str
    detail: str = ""
    azure_code: str = ""
    azure_message: str = ""
    until: str = ""
    exemption_reason: str = ""
    exemption_owner: str = ""
    owner: str = ""
    owner_from: str = ""
    no_custom_subdomain: bool
    changed_by: str = ""
    changed_at: str = ""
    attribution: str = ""
    open_since: str = ""
    """Since when it is adrift."""
    open_since_known: str = ""
    """`exactly`, `atLeast` where the change log does not reach, or `unknown`."""
    open_hours: float | None = None
    flips: int = 0
    """How often its keys were turned on or off in 14 days."""
    accepted: bool = False
    mode: str
    """The mode in force for it."""
    enforce_from: str = ""
    ring: str = ""
    """Which entry of ENFORCE_SCOPES decides for it."""
    impact: str = ""
    """What turning its keys off would break, where that was asked for."""
    last_keyed_call: str = ""

    @property
    def state(self) -> str:
        """What became of it, in one word."""
        return self.result or self.verdict


class GroupBy(StrEnum):
    """By what accounts are grouped."""

    SUBSCRIPTION = "subscription"
    OWNER = "owner"
    RESOURCE_GROUP = "resource-group"


@dataclass(frozen=True, slots=True)
class Group:
    """Accounts of a report that have something in common."""

    name: str
    """Empty: the accounts of which nobody knows whose they are."""
    accounts: tuple[Row, ...]
    by: GroupBy

    def count(self, *verdicts: Verdict) -> int:
        """Count the accounts with one of these verdicts."""
        return sum(row.verdict in verdicts for row in self.accounts)

    @property
    def oldest(self) -> Row | None:
        """Return the account that is adrift for longest; None: of none that is known."""
        known = [row for row in self.accounts if row.open_hours is not None]
        return max(known, key=lambda row: row.open_hours or 0.0, default=None)

    @property
    def flips(self) -> int:
        """Return how often the keys of the account that flips most were turned."""
        return max((row.flips for row in self.accounts), default=0)

    def document(self) -> dict[str, Any]:
        """Return it for JSON and CSV."""
        return {
            "name": self.name,
            "accounts": len(self.accounts),
            "drift": self.count(Verdict.DRIFT),
            "held": self.count(Verdict.HELD),
            "exempt": self.count(Verdict.EXEMPT),
            "oldest_open_hours": self.oldest.open_hours if self.oldest else None,
            "most_flips": self.flips,
        }


def grouped(found: Sequence[Row], by: GroupBy) -> list[Group]:
    """Group accounts, the group with the most drift first."""
    places = distinct({row.subscription_id: row.subscription for row in found})
    groups: dict[str, list[Row]] = {}
    for row in found:
        groups.setdefault(_group_of(row, by, places), []).append(row)
    return sorted(
        (Group(name, tuple(accounts), by) for name, accounts in groups.items()),
        key=lambda group: (
            -group.count(Verdict.DRIFT), -group.count(Verdict.HELD), group.name.lower(),
        ),
    )  # fmt: skip


def _group_of(row: Row, by: GroupBy, places: Mapping[str, str]) -> str:
    match by:
        case GroupBy.SUBSCRIPTION:
            return places[row.subscription_id]
        case GroupBy.RESOURCE_GROUP:
            return f"{row.resource_group.lower()} ({places[row.subscription_id]})"
        case GroupBy.OWNER:
            return row.owner
        case _:
            assert_never(by)


def rows(
    report: SweepReport, events: Sequence[Event], compliant: Sequence[Decision] = ()
) -> list[Row]:
    """Return the accounts of a report, the worst first.

    Who let keys in, and whose an account is, comes from the events.
    """
    outcomes = {outcome.decision.account.id.key: outcome for outcome in report.outcomes}
    drifted = {event.account_id: event for event in events if isinstance(event, DriftFound)}
    owned = {event.account_id: event for event in events if isinstance(event, OwnedEvent)}
    names = names_of(report.inventory.subscriptions)
    decided = [
        decision for decision in report.decisions if decision.verdict is not Verdict.COMPLIANT
    ]
    found = [
        _row(
            decision,
            outcomes.get(decision.account.id.key),
            drifted.get(decision.account.id.key),
            report.standing(decision),
            owned.get(decision.account.id.key),
            names,
        )
        for decision in (*decided, *compliant)
    ]
    return sorted(found, key=_how_bad)


def _how_bad(row: Row) -> tuple[int, int, float, str]:
    """Return its place: what flips most comes first, then what is open for longest."""
    # Once is no to and fro.
    hours, flips = row.open_hours or 0.0, row.flips if row.flips > 1 else 0
    return WORST_FIRST.index(row.state), -flips, -hours, row.name.lower()


class FailOn(StrEnum):
    """What of a report is no success."""

    DRIFT = "drift"
    HELD = "held"
    GAPS = "gaps"

    @classmethod
    def listed(cls, text: str) -> "frozenset[FailOn]":
        """Read words with commas between them, or `never` alone.

        Raises ValueError, which says what is allowed.
        """
        words = {word.strip().lower() for word in text.split(",")}
        try:
            return frozenset(map(cls, () if words == {"never"} else words))
        except ValueError as error:
            names = ", ".join(cls)
            raise ValueError(
                f"{text!r} is none of {names}, with commas between them, or never alone."
            ) from error


def exit_code(report: SweepReport, fail_on: AbstractSet[FailOn] = frozenset(FailOn)) -> int:
    """Return 0 if all is compliant or fixed, 1 if drift or holds remain, 2 if it is not whole.

    What is not in `fail_on` counts for nothing; a change that failed always counts.
    """
    if report.failures or (FailOn.GAPS in fail_on and not report.whole):
        return NOT_WHOLE
    adrift = any(outcome.result in _LEFT_OVER for outcome in report.outcomes)
    left = (adrift and FailOn.DRIFT in fail_on) or (report.held and FailOn.HELD in fail_on)
    return REMAINS if left else FINE


def _row(
    decision: Decision,
    outcome: Outcome | None,
    drift: DriftFound | None,
    standing: Standing,
    owned: OwnedEvent | None,
    names: Mapping[str, str],
) -> Row:
    account, exemption = decision.account, decision.exemption
    tagged = exemption if isinstance(exemption, Exempt | Lapsed) else Exempt()
    return Row(
        id=str(account.id),
        name=account.id.name,
        resource_group=account.id.resource_group,
        subscription_id=account.id.subscription_id,
        subscription=names.get(account.id.subscription_id, ""),
        kind=account.kind,
        location=account.location,
        no_custom_subdomain=account.custom_subdomain is None,
        verdict=decision.verdict,
        hold_reason=decision.hold or "",
        result=outcome.result if outcome else "",
        reason=decision.reason,
        detail=for_person(outcome.detail) if outcome else "",
        azure_code=outcome.azure_code if outcome else "",
        azure_message=outcome.azure_message if outcome else "",
        accepted=outcome.accepted if outcome else False,
        until=tagged.until.isoformat() if tagged.until else "",
        exemption_reason=tagged.reason,
        exemption_owner=tagged.owner,
        owner=owned.owner if owned else "",
        owner_from=owned.owner_from if owned else "",
        changed_by=drift.changed_by if drift else "",
        changed_at=(drift.changed_at or "") if drift else "",
        attribution=drift.attribution if drift else "",
        open_since=(drift.open_since or "") if drift else "",
        open_since_known=drift.open_since_known if drift else "",
        open_hours=drift.open_hours if drift else None,
        flips=drift.flips if drift else 0,
        mode=standing.mode,
        enforce_from=standing.coming.isoformat() if standing.coming else "",
        ring=standing.ring,
    )


def compliant_decision(account: Account) -> Decision:
    """Return the decision on an account whose keys are off."""
    return Decision(account, Verdict.COMPLIANT, NotExempt(), "Its keys are off.")


def as_json(
    report: SweepReport, found: Sequence[Row], groups: Sequence[Group] = (), left_out: int = 0
) -> str:
    """Write the document that docs/report.schema.json describes.

    `groups`: the accounts grouped, if that was asked for; `left_out`: how many rows a limit cut.
    """
    left_alone = report.inventory.left_alone
    body = {
        "sweepId": report.sweep_id,
        "mode": report.mode,
        "started": report.started.isoformat(),
        "durationSeconds": round(report.duration, 3),
        "whole": report.whole,
        "reasons": [for_person(reason) for reason in report.reasons],
        "brake": report.brake,
        "changeLog": for_person(report.change_log),
        "counts": {
            "accounts": report.accounts,
            **{verdict.lower(): count for verdict, count in report.verdicts.items()},
        },
        "results": {str(result): count for result, count in sorted(report.results.items())},
        "accounts": [camel(asdict(row)) for row in found],
        "groups": [camel(group.document()) for group in groups],
        "leftOut": left_out,
        "gaps": gaps_in(report.inventory.gaps),
        "subscriptions": [
            {
                "id": coverage.subscription.id,
                "name": coverage.subscription.name,
                "source": str(coverage.source),
                "keysOn": coverage.census.keys_on,
                "keysOff": coverage.census.keys_off,
            }
            for coverage in report.inventory.coverage
        ],
        "leftAlone": {
            "disabled": [subscription.id for subscription in left_alone.disabled],
            "otherTenant": [subscription.id for subscription in left_alone.other_tenant],
            "excluded": list(left_alone.excluded),
        },
    }
    return document(SCHEMA, body)


def as_csv(report: SweepReport, found: Sequence[Row]) -> str:
    """Write one line an account, and one for each thing in scope that could not be read."""
    not_seen = [
        {
            "name": gap.name,
            "subscription_id": gap.subscription_id,
            "verdict": NOT_SEEN,
            "reason": unread(gap),
        }
        for gap in report.inventory.gaps
    ]
    return csv_of(list(Row.__dataclass_fields__), [*map(asdict, found), *not_seen])


def as_csv_of_groups(report: SweepReport, groups: Sequence[Group]) -> str:
    """Write one line a group, and one for each thing in scope that could not be read."""
    not_seen = [{"name": f"{NOT_SEEN}: {unread(gap)}"} for gap in report.inventory.gaps]
    columns = list(Group("", (), GroupBy.OWNER).document())
    return csv_of(columns, [*(group.document() for group in groups), *not_seen])
