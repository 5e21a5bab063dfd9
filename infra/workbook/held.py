"""The tab on what was left alone, and on what was refused."""

from infra.readings import CHOSEN_EVENTS, CURRENT
from infra.workbook.drift import results_over_time
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
    WHAT_TO_MEND,
    WORST_FIRST,
)

# An account that the second look held, just before its change, is held as well.
HELD = f"""
let heldNow = union
(events
| where name == 'AccountHeld'
{CURRENT}
| project Account = tostring(customDimensions.accountName), Subscription, accountId,
    Reason = tostring(customDimensions.holdReason), Why = tostring(customDimensions.reason),
    LastRead = readAt),
(drifted
| where isOfReading and Result == 'NOW_HELD'
| project Account = tostring(customDimensions.accountName), Subscription, accountId,
    Reason = 'NOW_HELD', Why = Detail, LastRead = timestamp);
""".strip()
_HELD = f"{NOW_WITH_DRIFTS}\n{HELD}"


def held_and_failed() -> Step:
    """Return the tab."""
    return tab(
        "Held and failed",
        _by_reason(),
        _failed_over_time(),
        _failed(),
        _held(),
        _brake(),
    )


def _by_reason() -> Step:
    return chart(
        "held-by-reason",
        "Held now, by reason",
        f"""
{_HELD}
heldNow
| summarize Accounts = count() by Reason
| order by Accounts desc, Reason asc""",
        "The newest readings tell of nothing that is held.",
        "piechart",
    )


def _failed_over_time() -> Step:
    return chart(
        "failed-over-time",
        "Refused or failed, over time",
        results_over_time(
            "\n| where Result in ('NO_ROLE', 'UNVERIFIED', 'FAILED', 'LOCKED', 'POLICY_DENIED')"
        ),
        "No sweep told of a refusal or a failure in this time range.",
        "barchart",
        RESULTS,
    )


def _failed() -> Step:
    return grid(
        "failed-now",
        "Refused or failed, as last told",
        listed(
            NOW_WITH_DRIFTS,
            f"""open
| where Result != 'WOULD_DISABLE'
{AGED}
| extend ToDo = {WHAT_TO_DO}, LastRead = timestamp, place = {WORST_FIRST}""",
            "Account, Subscription, Result, OpenFor, Code, Message, Detail, LastRead, ToDo, "
            "accountId",
            "place asc, hours desc, Account asc",
        ),
        "Nothing was refused, and nothing failed.",
        [*ACCOUNT, icon("Result", ICONS_RESULT), *moment("LastRead")],
        {
            **AGE,
            **READ,
            "Code": "Azure's code",
            "Message": "Azure's message",
            "ToDo": "What to do",
        },
        fine=True,
    )


def _held() -> Step:
    return grid(
        "held-now",
        "Held: keys on, and deliberately not touched",
        listed(
            _HELD,
            f"heldNow\n| extend ToDo = {WHAT_TO_MEND}",
            "Account, Subscription, Reason, Why, LastRead, ToDo, accountId",
            "Reason asc, Account asc",
        ),
        "Nothing is held.",
        [*ACCOUNT, *moment("LastRead")],
        {"Why": "What is wrong", "ToDo": "What to do", **READ},
        fine=True,
    )


def _brake() -> Step:
    return grid(
        "held-brake",
        "The brake, in this time range: each state of it once, with its first and last sweep",
        listed(
            CHOSEN_EVENTS,
            """events
| where name == 'BrakeEngaged'
| summarize First = min(timestamp), Last = max(timestamp), Sweeps = dcount(sweepId),
    arg_max(timestamp, customDimensions) by Mode = tostring(customDimensions.mode),
    Changes = toint(customMeasurements.changes), Limit = toint(customMeasurements['limit']),
    Held = toint(customMeasurements.held)
| extend Brake = tostring(customDimensions.brake)""",
            "First, Last, Sweeps, Mode, Changes, Limit, Held, Brake",
            "Last desc, First desc",
            "Brake",
            now=False,
        ),
        "No sweep told that it had more to change than the limit allows.",
        moment("First", "Last"),
        {"Brake": "What it does, and the way on"},
    )
