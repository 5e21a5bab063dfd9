"""The tab on who: by person, by owner, by management group, by resource group, kind and region."""

from infra.workbook.exemptions import TAGGED
from infra.workbook.freshness import NOW_WITH_DRIFTS
from infra.workbook.history import HISTORY_OF, OWNER_OF, history, picked
from infra.workbook.lists import OWNERS, listed
from infra.workbook.spans import FACTS, SPANS
from infra.workbook.steps import ACCOUNT, Step, bar, grid, icon, moment, tab
from infra.workbook.words import AGED, ICONS_RESULT

_GROUPS = f"""
{NOW_WITH_DRIFTS}
let chains = events
| where name == 'SubscriptionRead' and isnotempty(tostring(customDimensions.managementGroups))
| summarize arg_max(timestamp, customDimensions) by deployment, subscriptionId
| extend Group = split(tostring(customDimensions.managementGroups), '/')
| mv-expand Group to typeof(string)
| project deployment, subscriptionId, Group;
""".strip()


def who() -> Step:
    """Return the tab."""
    return tab("Who", _by_person(), _by_owner(), _by_group(), _by_place(), _open(), history("who"))


def _by_person() -> Step:
    return grid(
        "who-person",
        "Who turned keys on in this time range, and with what client",
        listed(
            SPANS,
            """spans
| extend Person = iff(isempty(By), 'not known', By)
| summarize Accounts = dcount(accountId), Times = count(), Hours = round(sum(hoursOn), 1),
    StillOn = dcountif(accountId, Ended == 'still on'),
    Exempt = dcountif(accountId, Leave == 'exempt'), LastOn = max(On) by Person, With""",
            "Person, With, Accounts, Times, Hours, StillOn, Exempt, LastOn",
            "Accounts desc, Person asc",
            "Person",
            now=False,
        ),
        "No sweep told of keys that were on in this time range.",
        [bar("Accounts"), *moment("LastOn")],
        {
            "Person": "Turned on by",
            "StillOn": "Accounts still on",
            "Exempt": "Accounts exempt",
            "LastOn": "Last on",
        },
    )


def _by_owner() -> Step:
    return picked(
        grid(
            "who-owner",
            "By owner: what is open, and which exemptions end within 30 days: choose one below",
            listed(
                f"{TAGGED}\n{OWNERS}",
                """union (open | project deployment, accountId, isOpen = 1, hours, isEnding = 0),
    (inForce | where DaysLeft between (0 .. 30) or Until == 'see the next sweep'
    | project deployment = '{Deployment}', accountId, isOpen = 0, hours = real(null), isEnding = 1)
| join kind=leftouter owners on deployment, accountId
| extend Owner = iff(isempty(Owner), 'not known', Owner)
| summarize Open = sum(isOpen), Oldest = round(max(hours), 1), Ending = sum(isEnding),
    Untagged = dcountif(accountId, ownerFrom == 'changedBy') by Owner""",
                "Owner, Open, Oldest, Ending, Untagged",
                "Open desc, Ending desc, Owner asc",
                "Owner",
            ),
            "No drift is open, and no exemption ends within 30 days.",
            [bar("Open", "orange")],
            {
                "Open": "Open drift",
                "Oldest": "Oldest, hours",
                "Ending": "Exemptions that end within 30 days",
                "Untagged": "Accounts that no tag gives them: they turned the keys on",
            },
            fine=True,
        ),
        OWNER_OF["who"],
        "Owner",
    )


def _by_group() -> Step:
    return grid(
        "who-group",
        "By management group: every subscription counts in each group above it",
        listed(
            _GROUPS,
            """present
| join kind=leftouter chains on deployment, subscriptionId
| extend Group = iff(isempty(Group), 'not known', Group)
| summarize Subscriptions = count(), Accounts = sum(accounts), KeysOff = sum(compliant),
    Exempt = sum(exempt), Held = sum(held), Drift = sum(drift) by Group
| extend Compliance = iff(Accounts == 0, real(null), round(100.0 * KeysOff / Accounts, 1)),
    WithExempt = iff(Accounts == 0, real(null), round(100.0 * (KeysOff + Exempt) / Accounts, 1))
""",
            "Group, Subscriptions, Accounts, KeysOff, Exempt, Held, Drift, Compliance, WithExempt",
            "Drift desc, Held desc, Group asc",
            "Group",
        ),
        "No sweep read a subscription in this time range.",
        [bar("Drift", "orange")],
        {
            "Group": "Management group",
            "KeysOff": "Keys off",
            "Drift": "Drift, as found",
            "Compliance": "Keys off, %",
            "WithExempt": "Keys off or exempt, %",
        },
    )


def _by_place() -> Step:
    return grid(
        "who-place",
        "Keys on now, by resource group, kind and region",
        listed(
            f"{NOW_WITH_DRIFTS}\n{FACTS}",
            """open
| project deployment, accountId, hours
| join kind=leftouter described on deployment, accountId
| summarize Accounts = count(), Oldest = round(max(hours), 1)
    by ResourceGroup, Kind, Region, Subscription""",
            "ResourceGroup, Kind, Region, Subscription, Accounts, Oldest",
            "Accounts desc, ResourceGroup asc",
            "ResourceGroup",
        ),
        "No drift is open.",
        [bar("Accounts", "orange")],
        {"ResourceGroup": "Resource group", "Oldest": "Oldest, hours"},
        fine=True,
    )


def _open() -> Step:
    return picked(
        grid(
            "who-open",
            "Open drift of the owner that is chosen above, or of all: choose one for its history",
            listed(
                f"{NOW_WITH_DRIFTS}\n{FACTS}",
                f"""open
| project deployment, accountId, Result, hours, known,
    TurnedOnBy = tostring(customDimensions.changedBy),
    TurnedOnWith = tostring(customDimensions.client)
| join kind=leftouter described on deployment, accountId
{AGED}""",
                "Account, OpenFor, Result, TurnedOnBy, TurnedOnWith, Subscription, ResourceGroup, "
                "Kind, Region, accountId",
                "hours desc, Account asc",
                owner=OWNER_OF["who"],
            ),
            "No drift is open.",
            [*ACCOUNT, icon("Result", ICONS_RESULT)],
            {
                "OpenFor": "Open for",
                "TurnedOnBy": "Keys on by",
                "TurnedOnWith": "With",
                "ResourceGroup": "Resource group",
            },
            fine=True,
        ),
        HISTORY_OF["who"],
    )
