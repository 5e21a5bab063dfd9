"""Verdicts as JSON and CSV. Pure."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keysweep.documents import cell
from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS
from keysweep.impact.evidence import (
    Asked,
    CallCounts,
    Caller,
    Connections,
    EntraUse,
    Evidence,
    KeyFetches,
    Logged,
    NotLogged,
    RequestLog,
    Unread,
)
from keysweep.impact.gathering import Judged
from keysweep.impact.next_steps import next_steps
from keysweep.impact.verdict import Impact
from shared import __version__
from shared.core.model import Gap

SCHEMA = 1
"""Version of the JSON document: docs/impact.schema.json."""
NOT_SEEN = "NOT_SEEN"
"""In a CSV, the verdict of what could not be read."""
WORST_FIRST = tuple(Impact)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: of which time, of which accounts, and what of the scope was not seen."""

    asked: Asked
    judged: Sequence[Judged]
    gaps: Sequence[Gap] = ()
    subscriptions: Mapping[str, str] = field(default_factory=dict)
    """The names of those in scope, by id."""

    @property
    def worst_first(self) -> list[Judged]:
        """The accounts, the worst verdict first."""
        return sorted(
            self.judged,
            key=lambda one: (
                WORST_FIRST.index(one.judgement.verdict), one.account.id.name.lower(),
            ),
        )  # fmt: skip

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be read, each once, however many accounts it is about."""
        return tuple(dict.fromkeys(unseen for one in self.judged for unseen in one.unseen))


def exit_code(found: Found) -> int:
    """Return 0 if all may lose their keys, 1 if one may not, 2 if a part could not be read."""
    if found.gaps or found.unread:
        return NOT_WHOLE
    safe = all(one.judgement.verdict.is_safe for one in found.judged)
    return FINE if safe else REMAINS


def as_json(found: Found) -> str:
    """Write the document that docs/impact.schema.json describes."""
    asked = found.asked
    document = {
        "schema": SCHEMA,
        "version": __version__,
        "from": asked.begin.isoformat(),
        "to": asked.end.isoformat(),
        "counts": {
            verdict.value: sum(one.judgement.verdict is verdict for one in found.judged)
            for verdict in Impact
        },
        "accounts": [account(one) for one in found.worst_first],
        "notSeen": list(found.unread),
        "gaps": [
            {
                "kind": str(gap.kind),
                "name": gap.name,
                "problem": gap.problem,
                "subscriptionId": gap.subscription_id,
            }
            for gap in found.gaps
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=True)


def account(one: Judged) -> dict[str, Any]:
    """Return all that is known of an account."""
    evidence, judgement = one.evidence, one.judgement
    return {
        "id": str(one.account.id),
        "name": one.account.id.name,
        "resourceGroup": one.account.id.resource_group,
        "subscriptionId": one.account.id.subscription_id,
        "kind": one.account.kind,
        "location": one.account.location,
        "verdict": judgement.verdict.value,
        "because": list(judgement.because),
        "notSeen": list(one.unseen),
        "nextSteps": [
            {"says": step.says, "command": step.command} for step in next_steps(evidence, judgement)
        ],
        "lastKeyedCall": last_keyed(evidence),
        "calls": _calls(evidence),
        "requestLog": _log(evidence),
        "logging": _logging(evidence),
        "keyFetches": _fetches(evidence),
        "connections": _connections(evidence),
        "entraId": _entra(evidence),
    }


def last_keyed(evidence: Evidence) -> str:
    """Return when the last call with a key was made; empty: none was seen."""
    last = evidence.log.last_keyed if isinstance(evidence.log, RequestLog) else None
    return last.isoformat() if last is not None else ""


def _calls(evidence: Evidence) -> dict[str, Any]:
    match evidence.calls:
        case Unread(why=why):
            return {"unread": why}
        case CallCounts() as counts:
            return {
                "total": counts.calls,
                "refused": counts.refused,
                "doubts": list(counts.doubts),
                "byDay": [
                    {
                        "from": evidence.asked.begin_of(count.day).isoformat(),
                        "deployment": count.deployment,
                        "status": count.status,
                        "calls": count.calls,
                    }
                    for count in counts.counts
                ],
            }


def _log(evidence: Evidence) -> dict[str, Any]:
    match evidence.log:
        case Unread(why=why):
            return {"unread": why}
        case RequestLog() as log:
            return {
                "since": log.since.isoformat() if log.since else "",
                "withKey": log.by(Caller.KEY),
                "withIdentity": log.by(Caller.IDENTITY),
                "unknown": log.by(Caller.UNKNOWN),
                "doubts": list(log.doubts),
                "rows": [
                    {
                        "from": evidence.asked.begin_of(row.day).isoformat(),
                        "caller": row.caller.value,
                        "operation": row.operation,
                        "deployment": row.deployment,
                        "status": row.status,
                        "addresses": list(row.addresses),
                        "calls": row.calls,
                        "last": row.last.isoformat(),
                    }
                    for row in log.rows
                ],
            }


def _logging(evidence: Evidence) -> dict[str, Any]:
    match evidence.logging:
        case Unread(why=why):
            return {"unread": why}
        case Logged(workspaces=workspaces):
            return {"workspaces": list(workspaces)}
        case NotLogged(elsewhere=elsewhere):
            return {"workspaces": [], "elsewhere": list(elsewhere)}


def _fetches(evidence: Evidence) -> dict[str, Any]:
    match evidence.fetches:
        case Unread(why=why):
            return {"unread": why}
        case KeyFetches(fetches=fetches):
            return {
                "fetches": [
                    {
                        "at": fetch.at.isoformat(),
                        "by": fetch.by,
                        "client": fetch.client,
                        "address": fetch.address,
                    }
                    for fetch in fetches
                ]
            }


def _connections(evidence: Evidence) -> dict[str, Any]:
    match evidence.connections:
        case Unread(why=why):
            return {"unread": why}
        case Connections(found=found, doubts=doubts):
            return {
                "found": [
                    {
                        "name": connection.name,
                        "account": str(connection.holder),
                        "project": connection.project,
                        "category": connection.category,
                        "authType": connection.auth_type,
                        "holds": connection.holds.value,
                    }
                    for connection in found
                ],
                "doubts": list(doubts),
            }


def _entra(evidence: Evidence) -> dict[str, Any]:
    match evidence.entra:
        case Unread(why=why):
            return {"unread": why}
        case EntraUse() as entra:
            return {
                "holders": [
                    {
                        "principalId": holder.principal,
                        "principalType": holder.kind,
                        "role": holder.role,
                        "scope": holder.scope,
                    }
                    for holder in entra.holders
                ],
                "customSubdomain": entra.has_subdomain,
                "network": entra.network,
            }


_COLUMNS = (
    *("verdict", "id", "name", "resource_group", "subscription_id", "kind", "location", "calls"),
    *("calls_with_key", "calls_with_identity", "last_keyed_call", "because", "not_seen", "next"),
)


def as_csv(found: Found) -> str:
    """Write one line an account, and one for each thing that could not be read."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for one in found.worst_first:
        writer.writerow({name: cell(value) for name, value in _line(one).items()})
    for gap in found.gaps:
        because = f"{gap.kind} {gap.name} could not be read: {gap.problem}"
        writer.writerow({"verdict": NOT_SEEN, "name": cell(gap.name), "because": cell(because)})
    return text.getvalue()


def _line(one: Judged) -> dict[str, str]:
    evidence, judgement = one.evidence, one.judgement
    calls, log = evidence.calls, evidence.log
    steps = next_steps(evidence, judgement)
    return {
        "verdict": judgement.verdict.value,
        "id": str(one.account.id),
        "name": one.account.id.name,
        "resource_group": one.account.id.resource_group,
        "subscription_id": one.account.id.subscription_id,
        "kind": one.account.kind,
        "location": one.account.location,
        "calls": str(calls.calls) if isinstance(calls, CallCounts) else "",
        "calls_with_key": str(log.by(Caller.KEY)) if isinstance(log, RequestLog) else "",
        "calls_with_identity": str(log.by(Caller.IDENTITY)) if isinstance(log, RequestLog) else "",
        "last_keyed_call": last_keyed(evidence),
        "because": " ".join(judgement.because),
        "not_seen": " ".join(one.unseen),
        "next": " ".join(f"{step.says} {step.command}".strip() for step in steps),
    }
