"""The tab on what broke: calls that were refused since an account's keys went off.

When they went off is known from sweeps and the change log (`spans`). An account that logs nothing
may have broken all its clients: it is not known.
"""

from infra.workbook.history import picked
from infra.workbook.lists import listed
from infra.workbook.logged import ADDRESSES, FROM, IS_REFUSED, LOGGED, REACH, of_log, sources
from infra.workbook.spans import SPANS
from infra.workbook.steps import ACCOUNT, Step, bar, chart, grid, icon, moment, tab

REFUSED_ACCOUNT = "RefusedAccount"
_REFUSED, _NOT_KNOWN, _NONE = "refused calls", "not known", "none refused"
_ICONS = {_REFUSED: "error", _NOT_KNOWN: "warning", _NONE: "info"}

# Accounts whose keys are off since a moment of the time range, and their calls since then.
_AFTER = f"""
{SPANS}
{LOGGED}
let offs = materialize(spans
| summarize lasting = countif(Ended != 'off'), Off = max(End)
    by accountId, Account, Subscription
| where lasting == 0
| project accountId, Account, Subscription, Off);
let since = logged
| join kind=inner (offs | project accountId, Account, Subscription, Off) on accountId
| where TimeGenerated >= Off;
""".strip()


def after() -> Step:
    """Return the tab."""
    return tab(
        "After",
        *sources("after", _WHAT),
        *of_log(_over_time(), _by_account(), _by_day()),
    )


_WHAT = (
    "Calls that were refused with 401 or 403 since an account's keys went off, for those that went "
    "off in this time range. **What it can't see:** accounts that log elsewhere or not at all; "
    "calls of the last two hours, for which there is `keysweep impact --watch`; clients that have "
    "not called yet. 401 and 403 have other reasons too: an expired token, a missing role, a rule "
    "of the network. The gateway takes minutes to hours to refuse a key that was turned off: until "
    "then it still works. *None refused* says so of the rows that are here, and of no others."
)


def _over_time() -> Step:
    return chart(
        "after-over-time",
        "Refused calls since keys went off, by code",
        f"""
{_AFTER}
since
| where {IS_REFUSED}
| summarize Calls = count() by Time = bin(TimeGenerated, {{TimeRange:grain}}), Code
| order by Time asc, Code asc""",
        "This workspace has no refused call since then: what it can't see stands above.",
        "barchart",
        {"401": "orange", "403": "redBright"},
        width="100",
    )


def _by_account() -> Step:
    return picked(
        grid(
            "after-accounts",
            "Every account whose keys went off in this time range: choose one for its refused "
            "calls",
            listed(
                _AFTER,
                f"""offs
| join kind=leftouter (since
    | summarize logged = count(), C401 = countif(Code == '401'), C403 = countif(Code == '403'),
        StillKeyed = countif(not({IS_REFUSED}) and caller == 'key'),
        LastRefused = max(iff({IS_REFUSED}, TimeGenerated, datetime(null))),
        Last = max(TimeGenerated) by accountId) on accountId
| extend Why = case(isnull(logged),
        'It has no row here since then: it logs elsewhere or not at all, or was not called.',
    C401 + C403 > 0, '',
    Last < {{TimeRange:end}} - {REACH}, 'Its rows end before the time range does.', '')
| extend Says = case(C401 + C403 > 0, '{_REFUSED}', isempty(Why), '{_NONE}', '{_NOT_KNOWN}')
| extend place = case(Says == '{_REFUSED}', 0, Says == '{_NOT_KNOWN}', 1, 2)""",
                "Account, Says, Off, C401, C403, LastRefused, StillKeyed, Subscription, Why, "
                "accountId",
                "place asc, LastRefused desc, Account asc",
                now=False,
            ),
            "No sweep told of keys that went off in this time range, and stayed off.",
            [
                *ACCOUNT,
                icon("Says", _ICONS),
                bar("C401", "orange"),
                bar("C403", "orange"),
                *moment("Off", "LastRefused"),
            ],
            {
                "Says": "What it shows",
                "Off": "Keys off since",
                "C401": "401",
                "C403": "403",
                "LastRefused": "Last refused",
                "StillKeyed": "Not refused, with a key",
                "Why": "Why it is not known",
            },
        ),
        REFUSED_ACCOUNT,
    )


def _by_day() -> Step:
    return grid(
        "after-days",
        "Refused calls of the account that is chosen above, or of all, by day and caller",
        listed(
            _AFTER,
            f"""since
| where {IS_REFUSED}
    and ('{{{REFUSED_ACCOUNT}}}' == '*' or accountId == '{{{REFUSED_ACCOUNT}}}')
| summarize Calls = count(), LastCall = max(TimeGenerated), {ADDRESSES}
    by accountId, Account, Day = bin(TimeGenerated, 1d), Code, Model, Operation,
    Caller = case(caller == 'key', 'a key', caller == 'identity', 'an identity', 'not known')
| extend {FROM}""",
            "Day, Account, Code, Caller, Model, Operation, Calls, LastCall, From, accountId",
            "Day desc, Calls desc, Account asc",
            now=False,
        ),
        "This workspace has no refused call since then: what it can't see stands above.",
        [*moment("Day", "LastCall"), *ACCOUNT, bar("Calls", "orange")],
        {"Caller": "Called with", "Model": "Deployment", "LastCall": "Last call"},
    )
