"""The tab on patch wars: accounts whose keys flip."""

from infra.readings import CHOSEN_EVENTS, NAMES
from infra.workbook.lists import listed
from infra.workbook.steps import ACCOUNT, Step, bar, chart, grid, icon, moment, tab, text

# The same change is told by more than one sweep.
_CHANGES = """events
| where name == 'KeyAccessChanged'
| summarize arg_max(timestamp, subscriptionId, accountId, customDimensions)
    by deployment, changeId = tostring(customDimensions.changeId)
| extend At = todatetime(tostring(customDimensions.changedAt)),
    Turned = tostring(customDimensions.turned)"""


def newest_of_each_account(event: str) -> str:
    """Return rows: the newest event of a name about each account, with its subscription's name."""
    return f"""events
| where name == '{event}'
| summarize arg_max(timestamp, subscriptionId, customDimensions, customMeasurements)
    by deployment, accountId
| extend Account = tostring(customDimensions.accountName)
| join kind=leftouter names on deployment, subscriptionId
| extend Subscription = iff(isempty(Subscription), subscriptionId, Subscription)"""


def patch_wars() -> Step:
    """Return the tab."""
    return tab(
        "Patch wars",
        text(
            "wars-what",
            "Somebody, usually a pipeline, turns keys on again after Keysweep turned them off: "
            "three flips or more within 14 days. Mend it at the source: set "
            "`disableLocalAuth: true` in the template of the side that turns them on, or tag the "
            "account as exempt while that is done.",
            "info",
        ),
        _wars(),
        _over_time(),
        _changes(),
    )


def _wars() -> Step:
    return grid(
        "wars",
        "Accounts that flipped, with both sides",
        listed(
            f"{CHOSEN_EVENTS}\n{NAMES}",
            f"""{newest_of_each_account("PatchWar")}
| extend Flips = toint(customMeasurements.flips),
    TurnedOnBy = tostring(customDimensions.turnedOnBy),
    OnWith = tostring(customDimensions.turnedOnClient),
    TurnedOnAt = todatetime(tostring(customDimensions.turnedOnAt)),
    TurnedOffBy = iff(tostring(customDimensions.ours) == 'true', 'Keysweep',
        tostring(customDimensions.turnedOffBy)),
    TurnedOffAt = todatetime(tostring(customDimensions.turnedOffAt))""",
            "Account, Subscription, Flips, TurnedOnBy, OnWith, TurnedOnAt, TurnedOffBy, "
            "TurnedOffAt, accountId",
            "Flips desc, Account asc",
            now=False,
        ),
        "No sweep told of an account that flipped in this time range.",
        [*ACCOUNT, bar("Flips", "orange"), *moment("TurnedOnAt", "TurnedOffAt")],
        {
            "TurnedOnBy": "Turned on by",
            "OnWith": "Turned on with",
            "TurnedOnAt": "Last turned on",
            "TurnedOffBy": "Turned off by",
            "TurnedOffAt": "Last turned off",
        },
    )


def _over_time() -> Step:
    return chart(
        "wars-over-time",
        "Keys turned on and off, over time",
        f"""
{CHOSEN_EVENTS}
{_CHANGES}
| summarize Changes = count() by Time = bin(At, {{TimeRange:grain}}), Turned
| order by Time asc, Turned asc""",
        "No sweep told that keys were turned on or off in this time range.",
        "barchart",
        {"on": "redBright", "off": "green"},
        width="100",
    )


def _changes() -> Step:
    return grid(
        "wars-changes",
        "Every change, from the platform's own change log",
        listed(
            f"{CHOSEN_EVENTS}\n{NAMES}",
            f"""{_CHANGES}
| join kind=leftouter names on deployment, subscriptionId
| extend Account = tostring(customDimensions.accountName),
    Subscription = iff(isempty(Subscription), subscriptionId, Subscription),
    By = iff(tostring(customDimensions.ours) == 'true', 'Keysweep',
        tostring(customDimensions.changedBy)),
    Type = tostring(customDimensions.changedByType), With = tostring(customDimensions.client)""",
            "At, Account, Subscription, Turned, By, Type, With, accountId",
            "At desc, Account asc",
            now=False,
        ),
        "No sweep told that keys were turned on or off in this time range.",
        [*ACCOUNT, *moment("At"), icon("Turned", {"on": "warning", "off": "success"})],
        {"At": "When", "Type": "Kind of identity", "With": "With which client"},
    )
