"""The tab on who uses keys: calls with a key of accounts that have their keys on.

It says what one workspace shows, and no verdict: `keysweep impact` holds the log against metrics,
roles and connections. An account without a row is not known, never one without keyed calls.
"""

from infra.workbook.history import picked
from infra.workbook.lists import listed
from infra.workbook.logged import (
    ADDRESSES,
    FROM,
    IS_KEYED,
    KEYS_ON,
    LOGGED,
    REACH,
    of_log,
    sources,
)
from infra.workbook.steps import ACCOUNT, Step, bar, chart, grid, icon, moment, tab, text
from keysweep.impact.callers import CALLER, CALLS, NOBODYS_USE, ONCE, TABLE

KEYED_ACCOUNT = "KeyedAccount"
_KEYED, _NOT_KNOWN, _IDENTITY = "calls with a key", "not known", "identities alone"
_ICONS = {_KEYED: "error", _NOT_KNOWN: "warning", _IDENTITY: "info"}
_COLOURS = {_KEYED: "redBright", _NOT_KNOWN: "orange", _IDENTITY: "blue"}

_USES = f"""
{KEYS_ON}
{LOGGED}
let calls = logged
| summarize logged = count(), Keyed = countif({IS_KEYED}),
    ByIdentity = countif(caller == 'identity' and Code != '{NOBODYS_USE}'),
    Untold = countif(caller == 'unknown' and Code != '{NOBODYS_USE}'),
    LastKeyed = max(iff({IS_KEYED}, TimeGenerated, datetime(null))),
    First = min(TimeGenerated), Last = max(TimeGenerated) by accountId;
let uses = materialize(keysOn
| join kind=leftouter calls on accountId
| extend isReached = First <= {{TimeRange:start}} + {REACH} and Last >= {{TimeRange:end}} - {REACH}
| extend Why = case(
    isnull(logged), 'It has no row here: it logs elsewhere or not at all, or was not called.',
    Keyed > 0, '',
    Untold > 0, 'Some of its rows do not say who called.',
    ByIdentity == 0, 'All that it logged was refused ({NOBODYS_USE}), and nobody used it.',
    not(isReached), 'Its rows do not reach over the whole time range.', '')
| extend Says = case(Keyed > 0, '{_KEYED}', isempty(Why), '{_IDENTITY}', '{_NOT_KNOWN}'));
""".strip()

_SEVERAL = f"""union
(workspace('RESOURCE-ID-OF-ONE').{TABLE}),
(workspace('RESOURCE-ID-OF-ANOTHER').{TABLE})
{CALLS}{CALLER}{ONCE}| where caller == 'key' and tostring(ResultSignature) != '{NOBODYS_USE}'
| summarize Calls = count(), LastCall = max(TimeGenerated)
    by Account = tolower(_ResourceId), Day = bin(TimeGenerated, 1d), Deployment = deployment
| order by Day desc, Calls desc"""


def uses() -> Step:
    """Return the tab."""
    return tab(
        "Who uses keys",
        *sources("uses", _WHAT),
        *of_log(_shares(), _over_time(), _by_account(), _by_day(), _others(), _several()),
    )


_WHAT = (
    "What the chosen workspace shows of accounts that Keysweep sees with their keys on. **What it "
    "can't see:** accounts that log elsewhere or not at all, and calls before they did; calls of "
    "the last two hours; connections that hold a key, and keys that nobody used in this time "
    "range; whether a row is missing. So *not known* is no leave to turn keys off, and "
    "*identities alone* says so of the rows that are here: `keysweep impact` holds them against "
    f"the metrics. Calls that were refused with {NOBODYS_USE} are nobody's use. Addresses are "
    "masked by Azure. A table that shows an error names a workspace that you may not read, or to "
    "which nothing ever logged."
)


def _shares() -> Step:
    return chart(
        "uses-shares",
        "Accounts with keys on, by what this workspace shows of their calls",
        f"""
{_USES}
uses
| summarize Accounts = count() by Says
| order by Accounts desc, Says asc""",
        "No sweep told of an account with its keys on.",
        "piechart",
        _COLOURS,
    )


def _over_time() -> Step:
    return chart(
        "uses-over-time",
        "Calls with a key of accounts with keys on, over time",
        f"""
{KEYS_ON}
{LOGGED}
logged
| where {IS_KEYED}
| join kind=inner (keysOn | project accountId, Account) on accountId
| summarize Calls = count() by Time = bin(TimeGenerated, {{TimeRange:grain}}), Account
| order by Time asc, Account asc""",
        "This workspace has no call with a key of theirs: what it can't see stands above.",
        "barchart",
    )


def _by_account() -> Step:
    return picked(
        grid(
            "uses-accounts",
            "Every account with keys on, and what this workspace shows: choose one for its calls",
            listed(
                _USES,
                f"""uses
| extend place = case(Says == '{_KEYED}', 0, Says == '{_NOT_KNOWN}', 1, 2)""",
                "Account, Says, Keyed, LastKeyed, ByIdentity, Untold, First, Last, State, "
                "Subscription, Why, accountId",
                "place asc, Keyed desc, Account asc",
            ),
            "No sweep told of an account with its keys on.",
            [
                *ACCOUNT,
                icon("Says", _ICONS),
                bar("Keyed", "orange"),
                *moment("LastKeyed", "First", "Last"),
            ],
            {
                "Says": "What it shows",
                "Keyed": "Calls with a key",
                "LastKeyed": "Last with a key",
                "ByIdentity": "With an identity",
                "Untold": "Not told",
                "First": "First row",
                "Last": "Last row",
                "Why": "Why it is not known",
                "State": "Keysweep sees it",
            },
        ),
        KEYED_ACCOUNT,
    )


def _by_day() -> Step:
    return grid(
        "uses-days",
        "Calls with a key of the account that is chosen above, or of all, by day and deployment",
        listed(
            f"{KEYS_ON}\n{LOGGED}",
            f"""logged
| where {IS_KEYED} and ('{{{KEYED_ACCOUNT}}}' == '*' or accountId == '{{{KEYED_ACCOUNT}}}')
| summarize Calls = count(), LastCall = max(TimeGenerated), {ADDRESSES}
    by accountId, Day = bin(TimeGenerated, 1d), Model, Operation, Code
| extend {FROM}
| join kind=inner (keysOn | project accountId, Account) on accountId""",
            "Day, Account, Model, Operation, Code, Calls, LastCall, From, accountId",
            "Day desc, Calls desc, Account asc",
        ),
        "This workspace has no call with a key of theirs: what it can't see stands above.",
        [*moment("Day", "LastCall"), *ACCOUNT, bar("Calls", "orange")],
        {"Model": "Deployment", "Code": "Answered with", "LastCall": "Last call"},
    )


def _others() -> Step:
    return grid(
        "uses-others",
        "Calls with a key of accounts that Keysweep does not see with keys on: turned off since, "
        "not in scope, or not read",
        listed(
            f"{KEYS_ON}\n{LOGGED}",
            f"""logged
| where {IS_KEYED}
| join kind=leftanti keysOn on accountId
| summarize Calls = count(), LastCall = max(TimeGenerated) by accountId, subscriptionId
| join kind=leftouter (names | project subscriptionId, Subscription) on subscriptionId
| extend Account = tostring(split(accountId, '/')[8]),
    Subscription = iff(isempty(Subscription), subscriptionId, Subscription)""",
            "Account, Calls, LastCall, Subscription, accountId",
            "LastCall desc, Account asc",
        ),
        "This workspace has no call with a key of any other account.",
        [*ACCOUNT, bar("Calls", "orange"), *moment("LastCall")],
        {"LastCall": "Last call"},
    )


def _several() -> Step:
    return text(
        "uses-several",
        "**Your accounts log to several workspaces?** Choose one after the other, or ask Logs for "
        "all of them at once (each call counts once, however many workspaces have it; at most a "
        f"hundred workspaces):\n\n```kusto\n{_SEVERAL}\n```",
    )
