"""The tab on drift: who turned keys on, and what became of it."""

from infra.readings import BEGAN, CHOSEN_EVENTS, NAMES, SWEEPS, readings
from infra.workbook.freshness import NOW_WITH_DRIFTS
from infra.workbook.lists import listed
from infra.workbook.steps import ACCOUNT, Step, chart, grid, icon, moment, tab
from infra.workbook.words import (
    AGE,
    AGED,
    ICONS_RESULT,
    READ,
    RESULTS,
    WHAT_TO_DO,
    WHO,
    WORST_FIRST,
)

_TURNED_ON = """TurnedOnBy = tostring(customDimensions.changedBy),
    TurnedOnWith = tostring(customDimensions.client),
    TurnedOnAt = todatetime(tostring(customDimensions.changedAt)),
    Attribution = case(tostring(customDimensions.attribution) == 'changeLog', 'change log',
        tostring(customDimensions.attribution) == 'lastModified', 'last change of the account',
        'not known'), Flips = toint(customMeasurements.flips)"""


def results_over_time(where: str = "") -> str:
    """Return a query for accounts by interval and result: each once, however often it was told."""
    return f"""
{CHOSEN_EVENTS}
events
| where name == 'RemediationOutcome'
| extend Result = tostring(customDimensions.result){where}
| summarize by Time = bin(timestamp, {{TimeRange:grain}}), Result, accountId
| summarize Accounts = count() by Time, Result
| order by Time asc, Result asc"""


def drift() -> Step:
    """Return the tab."""
    return tab("Drift", _open(), _over_time(), _by_subscription(), _every())


def _open() -> Step:
    return grid(
        "drift-open",
        "Open now, the oldest first: keys on, and nobody said they may",
        listed(
            NOW_WITH_DRIFTS,
            f"""open
| extend {_TURNED_ON}
{AGED}
| extend ToDo = {WHAT_TO_DO}, LastRead = timestamp""",
            "Account, Subscription, Result, OpenFor, TurnedOnBy, TurnedOnWith, TurnedOnAt, "
            "Attribution, Flips, LastRead, ToDo, accountId",
            "hours desc, Account asc",
        ),
        "Nothing: every account has its keys off, is exempt, or is held.",
        [*ACCOUNT, icon("Result", ICONS_RESULT), *moment("TurnedOnAt", "LastRead")],
        {**WHO, **AGE, **READ, "ToDo": "What to do", "Flips": "Flips in 14 days"},
        fine=True,
    )


def _over_time() -> Step:
    return chart(
        "drift-over-time",
        "Accounts adrift, by what was done",
        results_over_time(),
        "No sweep told what came of a drift in this time range.",
        "barchart",
        RESULTS,
    )


def _by_subscription() -> Step:
    return chart(
        "drift-by-subscription",
        "Accounts adrift in this time range, by subscription",
        f"""
{CHOSEN_EVENTS}
{NAMES}
events
| where name == 'DriftFound'
| summarize by deployment, subscriptionId, accountId
| summarize Accounts = count() by deployment, subscriptionId
| join kind=leftouter names on deployment, subscriptionId
| project Subscription = iff(isempty(Subscription), subscriptionId, Subscription), Accounts
| order by Accounts desc, Subscription asc""",
        "No sweep told of a drift in this time range.",
        "piechart",
    )


def _every() -> Step:
    return grid(
        "drift-all",
        "Every account that was adrift in this time range",
        listed(
            f"""{CHOSEN_EVENTS}
{SWEEPS}
{NAMES}
{readings()}""",
            f"""events
| where name == 'DriftFound'
| summarize arg_max(timestamp, subscriptionId, customDimensions, customMeasurements)
    by deployment, sweepId, accountId
| extend foundBegan = {BEGAN}
| summarize Sweeps = count(), LastSeen = max(timestamp), arg_max(foundBegan, sweepId,
    subscriptionId, customDimensions, customMeasurements) by deployment, accountId
| join kind=leftouter (events
    | where name == 'RemediationOutcome'
    | summarize arg_max(timestamp, customDimensions) by deployment, sweepId, accountId
    | project deployment, sweepId, accountId, Result = tostring(customDimensions.result))
    on deployment, sweepId, accountId
| join kind=leftouter names on deployment, subscriptionId
| join kind=leftouter (readings
    | project deployment, subscriptionId, readBegan = began, isTold) on deployment, subscriptionId
| extend {_TURNED_ON}
| extend Account = tostring(customDimensions.accountName),
    Subscription = iff(isempty(Subscription), subscriptionId, Subscription),
    Result = case(isnotempty(Result), Result, isTold and readBegan > foundBegan, 'SETTLED',
        'NOT_TOLD')
| extend place = {WORST_FIRST}""",
            "Account, Subscription, Result, TurnedOnBy, TurnedOnWith, TurnedOnAt, Attribution, "
            "Flips, Sweeps, LastSeen, accountId",
            "place asc, LastSeen desc, Account asc",
            now=False,
        ),
        "No sweep told of a drift in this time range.",
        [*ACCOUNT, icon("Result", ICONS_RESULT), *moment("TurnedOnAt", "LastSeen")],
        {
            **WHO,
            "Result": "Last result",
            "Flips": "Flips in 14 days",
            "Sweeps": "Seen by sweeps",
            "LastSeen": "Last seen",
        },
    )
