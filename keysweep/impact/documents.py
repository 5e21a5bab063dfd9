"""Verdicts as JSON and CSV. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

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
from keysweep.outputs import NOT_SEEN, csv_of, document, gaps_in, unread
from shared.core.model import Gap

SCHEMA = 1
"""Version of the JSON document: docs/impact.schema.json."""


@dataclass(frozen=True, slots=True)
class Findings:
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
            key=lambda one: (one.judgement.verdict.rank, one.account.id.name.lower()),
        )

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be read, each once, however many accounts it is about."""
        return tuple(dict.fromkeys(unseen for one in self.judged for unseen in one.unseen))


def exit_code(found: Findings) -> int:
    """Return 0 if all may lose their keys, 1 if one may not, 2 if a part could not be read."""
    if found.gaps or found.unread:
        return NOT_WHOLE
    safe = all(one.judgement.verdict.is_safe for one in found.judged)
    return FINE if safe else REMAINS


def as_json(found: Findings) -> str:
    """Write the document that docs/impact.schema.json describes."""
    asked = found.asked
    body = {
        "from": asked.begin.isoformat(),
        "to": asked.end.isoformat(),
        "counts": {
            verdict.value: sum(one.judgement.verdict is verdict for one in found.judged)
            for verdict in Impact
        },
        "accounts": [account(one) for one in found.worst_first],
        "notSeen": list(found.unread),
        "gaps": gaps_in(found.gaps),
    }
    return document(SCHEMA, body)


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
        "calls": _read(evidence.calls, partial(_calls, evidence.asked)),
        "requestLog": _read(evidence.log, partial(_log, evidence.asked)),
        "logging": _logging(evidence.logging),
        "keyFetches": _read(evidence.fetches, _fetches),
        "connections": _read(evidence.connections, _connections),
        "entraId": _read(evidence.entra, _entra),
    }


def last_keyed(evidence: Evidence) -> str:
    """Return when the last call with a key was made; empty: none was seen."""
    last = evidence.log.last_keyed if isinstance(evidence.log, RequestLog) else None
    return last.isoformat() if last is not None else ""


def _read[Part](part: Part | Unread, says: Callable[[Part], dict[str, Any]]) -> dict[str, Any]:
    """Return what a kind of evidence says, or why it could not be read."""
    return {"unread": part.why} if isinstance(part, Unread) else says(part)


def _calls(asked: Asked, calls: CallCounts) -> dict[str, Any]:
    return {
        "total": calls.calls,
        "refused": calls.refused,
        "doubts": list(calls.doubts),
        "byDay": [
            {
                "from": asked.begin_of(count.day).isoformat(),
                "deployment": count.deployment,
                "status": count.status,
                "calls": count.calls,
            }
            for count in calls.counts
        ],
    }


def _log(asked: Asked, log: RequestLog) -> dict[str, Any]:
    return {
        "since": log.since.isoformat() if log.since else "",
        "withKey": log.by(Caller.KEY),
        "withIdentity": log.by(Caller.IDENTITY),
        "unknown": log.by(Caller.UNKNOWN),
        "doubts": list(log.doubts),
        "rows": [
            {
                "from": asked.begin_of(row.day).isoformat(),
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


def _logging(logging: Logged | NotLogged | Unread) -> dict[str, Any]:
    match logging:
        case Unread(why=why):
            return {"unread": why}
        case Logged(workspaces=workspaces):
            return {"workspaces": list(workspaces)}
        case NotLogged(elsewhere=elsewhere):
            return {"workspaces": [], "elsewhere": list(elsewhere)}


def _fetches(fetches: KeyFetches) -> dict[str, Any]:
    found = [asdict(fetch) | {"at": fetch.at.isoformat()} for fetch in fetches.fetches]
    return {"fetches": found}


def _connections(connections: Connections) -> dict[str, Any]:
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
            for connection in connections.found
        ],
        "doubts": list(connections.doubts),
    }


def _entra(entra: EntraUse) -> dict[str, Any]:
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


def as_csv(found: Findings) -> str:
    """Write one line an account, and one for each thing that could not be read."""
    not_seen = [
        {"verdict": NOT_SEEN, "name": gap.name, "because": unread(gap)} for gap in found.gaps
    ]
    return csv_of(_COLUMNS, [*map(_line, found.worst_first), *not_seen])


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
