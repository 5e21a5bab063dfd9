"""The request log of an account: the query for it, and what its rows mean. Pure.

Who made a call is said by `callers`. An account that logs to two workspaces has each call twice,
which would make up for one that is missing: so each counts once.
"""

import json
from collections.abc import Mapping
from typing import Any

from keysweep.impact.callers import CALLER, CALLS, ONCE, REFUSED, TABLE
from keysweep.impact.evidence import Asked, Caller, LoggedCalls, RequestLog, Unread
from keysweep.impact.moments import read_moment
from keysweep.taken import LogAnswer
from keysweep.words import counted

OF_NO_TABLE = "print asked = 1"
"""What has an answer wherever a resource logs, and beside it what the answer leaves out."""
_ADDRESSES = 20
_CALLS = f"{TABLE}\n{CALLS}{CALLER}{ONCE}"


def query(asked: Asked) -> str:
    """Return the KQL for who called, by day; it is asked of one resource and one span."""
    begin = f"datetime({asked.begin:%Y-%m-%dT%H:%M:%SZ})"
    return f"""\
{_CALLS}| summarize calls = count(), oldest = min(TimeGenerated), newest = max(TimeGenerated),
    addresses = make_set(CallerIPAddress, {_ADDRESSES})
    by day = toint((TimeGenerated - {begin}) / 1d), caller, operation = OperationName, deployment,
    status = tostring(ResultSignature)"""


def refused_query() -> str:
    """Return the KQL for the calls that were refused for who asked."""
    return f"""\
{_CALLS}| where tostring(ResultSignature) in {REFUSED}
| summarize calls = count(), oldest = min(TimeGenerated), newest = max(TimeGenerated),
    addresses = make_set(CallerIPAddress, {_ADDRESSES})
    by day = 0, caller, operation = OperationName, deployment, status = tostring(ResultSignature)"""


def read_log(answer: LogAnswer) -> RequestLog:
    """Read the rows of an answer; those that can't be read are counted as a doubt."""
    rows, doubts = [], list(answer.unseen)
    for row in answer.rows:
        found = _logged(row)
        if found is None:
            doubts.append("A row of the request log could not be read.")
        else:
            rows.append(found)
    return RequestLog(tuple(rows), tuple(dict.fromkeys(doubts)))


def _logged(row: Mapping[str, Any]) -> LoggedCalls | None:
    first, last = read_moment(row.get("oldest")), read_moment(row.get("newest"))
    calls, day, caller = row.get("calls"), row.get("day"), row.get("caller")
    if first is None or last is None or not (_is_number(calls) and _is_number(day)):
        return None
    if caller not in set(Caller):
        return None
    return LoggedCalls(
        day=int(day or 0),
        caller=Caller(str(caller)),
        operation=str(row.get("operation") or ""),
        deployment=str(row.get("deployment") or ""),
        status=str(row.get("status") or ""),
        addresses=_addresses(row.get("addresses")),
        calls=int(calls or 0),
        first=first,
        last=last,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _addresses(value: object) -> tuple[str, ...]:
    """Read a set: a value of type dynamic is a text of JSON (recorded exchanges, fact 50)."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return ()
    if not isinstance(found, list):
        return ()
    return tuple(sorted(str(address) for address in found if address))


def in_words(log: RequestLog | Unread) -> str:
    """Say what the log shows, in a few words."""
    if isinstance(log, Unread):
        return "not read"
    parts = (
        (log.by(Caller.KEY), "with a key"),
        (log.by(Caller.IDENTITY), "with an identity"),
        (log.by(Caller.UNKNOWN), "by nobody knows whom"),
    )
    said = [f"{counted(calls, 'call')} {how}" for calls, how in parts if calls]
    return ", ".join(said) or "none"
