"""The workbook: what people look at to review drift. `make docs` writes `workbook.json`.

One definition: Azure deploys the JSON, and the local dashboard draws the same JSON. It is written
here because KQL in JSON strings can't be read. Only shapes that working workbooks use occur
(facts and counts: tests/data/workbook). A query's columns that begin with a small letter are for
links and icons, and are not shown.
"""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

type Step = dict[str, Any]

HERE = Path(__file__).parent
FILE = HERE / "workbook.json"
_COMPONENT = {"queryType": 0, "resourceType": "microsoft.insights/components"}
_NAMES = uuid.UUID("5a0c27a5-3c8e-4d49-9d0b-9f7e2a3e6b11")
_DAYS_MS = 86_400_000

# Events of the chosen subscriptions, with the ids that everything is joined by. What is about no
# single subscription, such as a gap of the whole tenant, is about the chosen ones too.
SCOPED = """
let scoped = customEvents
| extend subscriptionId = tostring(customDimensions.subscriptionId),
    sweepId = tostring(customDimensions.sweepId), accountId = tostring(customDimensions.accountId),
    Account = tostring(customDimensions.accountName)
| where '*' in ({Subscription}) or subscriptionId in ({Subscription}) or isempty(subscriptionId);
""".strip()

# The current state of a subscription is what the last sweep that read it found. One that the
# newest sweep did not read is unseen if that sweep says so, and else has left the scope.
READINGS = f"""
{SCOPED}
let newest = toscalar(customEvents | where name == 'SweepCompleted' | top 1 by timestamp desc
| project tostring(customDimensions.sweepId));
let newestAt = toscalar(customEvents | where name == 'SweepCompleted' | summarize max(timestamp));
let gaps = customEvents
| where name == 'CoverageGap' and tostring(customDimensions.sweepId) == newest
| extend gapKind = tostring(customDimensions.gapKind), problem = tostring(customDimensions.problem);
let wide = toscalar(gaps | where gapKind in ('tenant', 'managementGroup') | summarize count());
let unread = gaps | where gapKind == 'subscription'
| summarize problem = take_any(problem)
    by subscriptionId = tostring(customDimensions.subscriptionId)
| where '*' in ({{Subscription}}) or subscriptionId in ({{Subscription}});
let readings = scoped
| where name == 'SubscriptionRead'
| summarize arg_max(timestamp, *) by subscriptionId
| project subscriptionId, sweepId, readAt = timestamp,
    Subscription = tostring(customDimensions.subscriptionName),
    Source = tostring(customDimensions.source), accounts = toint(customMeasurements.accounts),
    compliant = toint(customMeasurements.compliant), exempt = toint(customMeasurements.exempt),
    held = toint(customMeasurements.held), drift = toint(customMeasurements.drift)
| join kind=leftouter unread on subscriptionId
| project-away subscriptionId1
| extend Seen = case(sweepId == newest or readAt > newestAt, 'Read',
    isnotempty(problem) or wide > 0, 'Unseen', 'Left the scope');
let present = readings | where Seen != 'Left the scope';
""".strip()

# Of events by subscription and sweep, those of the sweep that last read their subscription.
CURRENT = """
| join kind=inner (present | project subscriptionId, sweepId, Subscription)
    on subscriptionId, sweepId
""".strip()

# What is known of each account that the last sweep found adrift, and what came of it.
DRIFTED = f"""
{READINGS}
let outcomes = scoped
| where name == 'RemediationOutcome'
| project sweepId, accountId, Result = tostring(customDimensions.result),
    Detail = tostring(customDimensions.detail), Code = tostring(customDimensions.azureCode),
    Message = tostring(customDimensions.azureMessage);
let drifted = scoped
| where name == 'DriftFound'
| join kind=inner (present | project subscriptionId, sweepId, Subscription, Seen)
    on subscriptionId, sweepId
| join kind=leftouter outcomes on sweepId, accountId
| extend Result = iff(isempty(Result), 'NOT_TOLD', Result),
    hours = todouble(customMeasurements.openHours),
    known = tostring(customDimensions.openSinceKnown);
let open = drifted
| where Result !in ('DISABLED', 'ALREADY_OFF', 'GONE', 'NOW_EXEMPT', 'NOW_HELD', 'OUT_OF_SCOPE');
""".strip()

TAGGED = f"""
{READINGS}
let tagged = scoped
| where name == 'ExemptionObserved'
{CURRENT}
| extend State = tostring(customDimensions.state), keysOn = tostring(customDimensions.keysOn),
    Until = tostring(customDimensions['until']), DaysLeft = toint(customMeasurements.daysLeft),
    Reason = tostring(customDimensions.exemptionReason),
    Owner = tostring(customDimensions.exemptionOwner),
    Level = tostring(customDimensions.level);
let inForce = tagged | where State == 'active' and keysOn == 'true'
    and tostring(customDimensions.verdict) == 'EXEMPT';
""".strip()

# Tags that are wrong: they hold an account, or with EXEMPTION_UNREADABLE=disable count for nothing.
WRONG_TAGS = f"""
let wrong = union
(scoped | where name == 'AccountHeld'
| extend Reason = tostring(customDimensions.holdReason), Why = tostring(customDimensions.reason)
| where Reason in ('UNREADABLE_TAG', 'NEAR_MISS_TAG', 'TAG_BREAKS_RULE')
| project subscriptionId, sweepId, Account, accountId, Reason, Why, Effect = 'held'),
(scoped | where name == 'ExemptionObserved' and tostring(customDimensions.state) == 'unreadable'
| where tostring(customDimensions.verdict) == 'DRIFT'
| project subscriptionId, sweepId, Account, accountId, Reason = 'UNREADABLE_TAG',
    Why = tostring(customDimensions.problem), Effect = 'counts for nothing')
{CURRENT};
""".strip()

HELD = f"""
{READINGS}
let heldNow = scoped
| where name == 'AccountHeld'
{CURRENT}
| extend Reason = tostring(customDimensions.holdReason), Why = tostring(customDimensions.reason);
""".strip()

# The last reading of each subscription in each interval of a chart.
READ_OVER_TIME = f"""
{SCOPED}
scoped
| where name == 'SubscriptionRead'
| summarize arg_max(timestamp, *) by subscriptionId, Time = bin(timestamp, {{TimeRange:grain}})
""".strip()

NAMES = f"""
{SCOPED}
let names = customEvents
| where name == 'SubscriptionRead'
| summarize Subscription = take_any(tostring(customDimensions.subscriptionName))
    by subscriptionId = tostring(customDimensions.subscriptionId);
""".strip()


def newest_of_each_account(event: str, where: str = "") -> str:
    """Return the newest event of a name about each account, with its subscription's name."""
    return f"""
{NAMES}
scoped
| where name == '{event}'{where}
| summarize arg_max(timestamp, *) by accountId
| join kind=leftouter names on subscriptionId
""".strip()


WORST_FIRST = """case(Result in ('FAILED', 'UNVERIFIED', 'NO_ROLE', 'NOT_TOLD'), 0,
    Result in ('LOCKED', 'POLICY_DENIED'), 1, Result in ('DISABLED', 'ALREADY_OFF'), 3, 2)"""
# How long a drift is open, in words. Rounded down: "at least" stays true.
AGED = """
| extend span = case(hours < 1, 60 * hours, hours < 48, hours, hours / 24),
    unit = case(isnull(hours), '', hours < 1, 'min', hours < 48, 'h', 'days'),
    least = iff(known == 'atLeast', 'at least ', '')
| extend OpenFor = iff(unit == '', 'unknown', strcat(least, tolong(floor(span, 1)), ' ', unit))
""".strip()
WHAT_TO_DO = """case(
    Result == 'LOCKED', 'Ask the owner of the lock, or tag the account as exempt.',
    Result == 'POLICY_DENIED', 'Ask the owner of the policy, or tag the account as exempt.',
    Result == 'NO_ROLE', 'Give the identity its role there; look for deny assignments.',
    Result == 'UNVERIFIED', 'Look at the account: the change may or may not have been made.',
    Result in ('BUSY', 'DEFERRED') and hours > 24, 'Put off for more than a day: see the runbook.',
    Result == 'BUSY', 'Nothing: the next sweep tries again.',
    Result == 'DEFERRED', 'Nothing: the next sweep carries on.',
    Result == 'WOULD_DISABLE', 'Tag what must keep its keys, then enforce.',
    Result == 'OUT_OF_SCOPE', 'Nothing: it is not in scope any more, such as another kind.',
    Result == 'NOT_TOLD', 'The sweep still runs, or was killed before it could tell: see Health.',
    'Read the message of Azure, and the runbook.')"""
WHAT_TO_MEND = """case(
    Reason == 'UNREADABLE_TAG', 'Mend the value of the tag.',
    Reason == 'NEAR_MISS_TAG', 'Rename the tag, or take it away.',
    Reason == 'TAG_BREAKS_RULE', 'Give the tag an end date that the rule allows.',
    Reason == 'UNREADABLE_LEVEL', 'Let the identity read the tags of the level above.',
    Reason == 'NO_SUBDOMAIN', 'Give the account a custom subdomain, for Entra ID.',
    Reason == 'BRAKE', 'Look at the list, then release the brake as the runbook says.',
    '')"""

_ICONS_RESULT = {
    "FAILED": "error", "UNVERIFIED": "error", "NO_ROLE": "error", "NOT_TOLD": "error",
    "LOCKED": "warning", "POLICY_DENIED": "warning", "BUSY": "pending", "DEFERRED": "pending",
    "WOULD_DISABLE": "info", "OUT_OF_SCOPE": "info", "DISABLED": "success",
}  # fmt: skip
_ICONS_SEEN = {"Unseen": "error", "Left the scope": "info", "Read": "success"}
_ICONS_WHOLE = {"false": "warning", "true": "success"}
_ICONS_STATUS = {"bad": "error", "warn": "warning", "good": "success"}


def _id(name: str) -> str:
    return str(uuid.uuid5(_NAMES, name))


def _query(name: str, title: str, kql: str, empty: str, visualization: str, *, fine: bool) -> Step:
    """`empty` says what no rows mean; `fine`, that it is good news."""
    content = {
        "version": "KqlItem/1.0",
        "query": kql.strip(),
        "size": 0,
        "title": title,
        "noDataMessage": empty,
        "timeContext": {"durationMs": 0},
        "timeContextFromParameter": "TimeRange",
        **_COMPONENT,
        "visualization": visualization,
    }
    if fine:
        content["noDataMessageStyle"] = 3
    return {"type": 3, "content": content, "name": name}


def _thresholds(icons: dict[str, str], text: str = "{0}{1}") -> Step:
    """Draw an icon for each value that has one, and no icon for any other."""
    rows = [("==", value, icon) for value, icon in icons.items()] + [("Default", None, "Blank")]
    return {
        "thresholdsOptions": "icons",
        "thresholdsGrid": [
            {"operator": operator, "thresholdValue": value, "representation": icon, "text": text}
            for operator, value, icon in rows
        ],
    }


def _column(name: str, formatter: int, **options: Any) -> Step:
    """Draw a column by one of the workbook's formatters, which have numbers."""
    return {"columnMatch": f"^{name}$", "formatter": formatter, **options}


def icon(column: str, icons: dict[str, str]) -> Step:
    """Draw a status with its icon."""
    return _column(column, 18, formatOptions=_thresholds(icons))


def hidden(column: str) -> Step:
    """Keep a column for a link and don't show it."""
    return _column(column, 5)


def bar(column: str, palette: str = "blue") -> Step:
    """Draw a number with a bar."""
    return _column(column, 3, formatOptions={"min": 0, "palette": palette})


def moment(*columns: str) -> list[Step]:
    """Draw times."""
    shown = {"showUtcTime": True, "formatName": "shortDateTimePattern"}
    return [_column(column, 6, dateFormat=shown) for column in columns]


ACCOUNT = [
    _column("Account", 1, formatOptions={"linkColumn": "accountId", "linkTarget": "Resource"}),
    hidden("accountId"),
]
DAYS_LEFT = _column("DaysLeft", 8, formatOptions={"min": 0, "max": 90, "palette": "redGreen"})


def grid(
    name: str,
    title: str,
    kql: str,
    empty: str,
    formatters: Sequence[Step] = (),
    labels: dict[str, str] | None = None,
    *,
    fine: bool = False,
) -> Step:
    """Draw a table, sorted by its query, searched and sorted by who reads it."""
    step = _query(name, title, kql, empty, "table", fine=fine)
    settings: dict[str, Any] = {"formatters": list(formatters), "rowLimit": 1000, "filter": True}
    if labels:
        settings["labelSettings"] = [
            {"columnId": column, "label": label} for column, label in labels.items()
        ]
    step["content"] |= {"showExportToExcel": True, "showAnalytics": True, "gridSettings": settings}
    return step


def tiles(name: str, title: str, kql: str, empty: str) -> Step:
    """Draw big numbers, in the order of `place`: Title, Value, Note, and a status.

    A status is `bad`, `warn`, `good`, or none.
    """
    kql = f"{kql.rstrip()}\n| order by place asc\n| project Title, Value, status, Note"
    step = _query(name, title, kql, empty, "tiles", fine=False)
    step["content"]["size"] = 4
    step["content"]["tileSettings"] = {
        "titleContent": {"columnMatch": "Title", "formatter": 1},
        "leftContent": {
            "columnMatch": "Value",
            "formatter": 12,
            "formatOptions": {"palette": "none"},
            "numberFormat": {
                "unit": 0,
                "options": {"style": "decimal", "maximumFractionDigits": 0},
            },
        },
        "secondaryContent": {
            "columnMatch": "status",
            "formatter": 18,
            "formatOptions": _thresholds(_ICONS_STATUS, text='["Note"]'),
        },
        "showBorder": True,
        "size": "auto",
    }
    return step


def chart(
    name: str,
    title: str,
    kql: str,
    empty: str,
    kind: str,
    colours: dict[str, str] | None = None,
    *,
    width: str = "50",
    fine: bool = False,
    unit: int | None = None,
) -> Step:
    """Draw a chart of a time, a text for the series, and a number; or of a text and a number."""
    step = _query(name, title, kql, empty, kind, fine=fine)
    settings: dict[str, Any] = {}
    if colours:
        settings["seriesLabelSettings"] = [
            {"seriesName": series, "label": series, "color": colour}
            for series, colour in colours.items()
        ]
    if unit is not None:
        settings["ySettings"] = {
            "numberFormatSettings": {
                "unit": unit,
                "options": {"style": "decimal", "useGrouping": True},
            },
            "min": 0,
        }
    if settings:
        step["content"]["chartSettings"] = settings
    step["customWidth"] = width
    return step


def text(name: str, markdown: str, style: str | None = None) -> Step:
    """Words."""
    content = {"json": markdown} | ({"style": style} if style else {})
    return {"type": 1, "content": content, "name": name}


def tab(name: str, *items: Step) -> Step:
    """Return what a tab shows."""
    return {
        "type": 12,
        "content": {"version": "NotebookGroup/1.0", "groupType": "editable", "items": list(items)},
        "conditionalVisibility": {
            "parameterName": "selectedTab",
            "comparison": "isEqualTo",
            "value": name,
        },
        "name": f"tab-{name.lower().replace(' ', '-')}",
    }


def parameters() -> Step:
    """Time range and subscription."""
    ranges = (1, 7, 30, 90)
    return {
        "type": 9,
        "content": {
            "version": "KqlParameterItem/1.0",
            "parameters": [
                {
                    "id": _id("TimeRange"),
                    "version": "KqlParameterItem/1.0",
                    "name": "TimeRange",
                    "label": "Time range",
                    "type": 4,
                    "isRequired": True,
                    "value": {"durationMs": 30 * _DAYS_MS},
                    "typeSettings": {
                        "selectableValues": [{"durationMs": days * _DAYS_MS} for days in ranges],
                        "allowCustom": True,
                    },
                },
                {
                    "id": _id("Subscription"),
                    "version": "KqlParameterItem/1.0",
                    "name": "Subscription",
                    "label": "Subscription",
                    "type": 2,
                    "isRequired": True,
                    "multiSelect": True,
                    "quote": "'",
                    "delimiter": ",",
                    "query": (
                        "customEvents\n| where name == 'SubscriptionRead'\n"
                        "| summarize label = take_any(tostring(customDimensions.subscriptionName))"
                        " by value = tostring(customDimensions.subscriptionId)\n"
                        "| project value, label\n| order by label asc"
                    ),
                    "typeSettings": {
                        "additionalResourceOptions": ["value::all"],
                        "selectAllValue": "*",
                        "showDefault": False,
                    },
                    "timeContext": {"durationMs": 0},
                    "timeContextFromParameter": "TimeRange",
                    "defaultValue": "value::all",
                    **_COMPONENT,
                    "value": ["value::all"],
                },
            ],
            "style": "above",
            **_COMPONENT,
        },
        "name": "parameters",
    }


def tabs(*names: str) -> Step:
    """Return the row of tabs."""
    return {
        "type": 11,
        "content": {
            "version": "LinkItem/1.0",
            "style": "tabs",
            "links": [
                {
                    "id": _id(f"tab {name}"),
                    "cellValue": "selectedTab",
                    "linkTarget": "parameter",
                    "linkLabel": name,
                    "subTarget": name,
                    "style": "link",
                }
                for name in names
            ],
        },
        "name": "tabs",
    }


_STATES = {"Keys off": "green", "Exempt": "yellow", "Held": "orange", "Drift": "redBright"}
_RESULTS = {
    "DISABLED": "green", "WOULD_DISABLE": "blue", "LOCKED": "purple", "POLICY_DENIED": "pink",
    "FAILED": "redBright", "UNVERIFIED": "redDark", "NO_ROLE": "red", "BUSY": "yellow",
    "DEFERRED": "orange", "OUT_OF_SCOPE": "gray",
}  # fmt: skip
_WHO = {"TurnedOnBy": "Keys on by", "TurnedOnWith": "With", "TurnedOnAt": "Keys on since"}
_AGE = {"OpenFor": "Open for"}


def overview() -> Step:
    """How it stands."""
    return tab(
        "Overview",
        tiles(
            "overview-now",
            "Now: as the last sweep that read each subscription left it",
            f"""
{DRIFTED}
let numbers = present
| summarize accounts = coalesce(sum(accounts), 0), compliant = coalesce(sum(compliant), 0),
    exempt = coalesce(sum(exempt), 0), held = coalesce(sum(held), 0),
    unseen = countif(Seen == 'Unseen'), read = count()
| extend open = toscalar(open | summarize count()),
    fixed = toscalar(drifted | where Result in ('DISABLED', 'ALREADY_OFF') | summarize count()),
    never = toscalar(unread | join kind=leftanti readings on subscriptionId | summarize count())
| where read > 0 or isnotempty(newest);
union
(numbers | project place = 1, Title = 'Open drift', Value = open,
    status = iff(open > 0 or read == 0, 'bad', 'good'),
    Note = case(read == 0, 'nothing was read', open > 0, 'see Drift', 'none')),
(numbers | project place = 2, Title = 'Held', Value = held,
    status = case(read == 0, '', held > 0, 'warn', 'good'),
    Note = case(read == 0, 'nothing was read', held > 0, 'see Held and failed', 'none')),
(numbers | project place = 3, Title = 'Exempt', Value = exempt, status = '',
    Note = 'see Exemptions'),
(numbers | project place = 4, Title = 'Keys off', Value = compliant + fixed,
    status = iff(read == 0, '', 'good'), Note = strcat('of ', tostring(accounts), ' accounts')),
(numbers | project place = 5, Title = 'Unseen subscriptions', Value = unseen + never,
    status = iff(unseen + never + wide > 0, 'bad', 'good'),
    Note = case(wide > 0, 'a whole scope could not be read',
        unseen + never > 0, 'unseen is not fixed', 'all were read'))
""",
            "No sweep reported in this time range: look at Health.",
        ),
        chart(
            "overview-states-over-time",
            "Accounts that were read, by what the sweeps found",
            f"""
{READ_OVER_TIME}
| summarize a = sum(toint(customMeasurements.compliant)),
    b = sum(toint(customMeasurements.exempt)), c = sum(toint(customMeasurements.held)),
    d = sum(toint(customMeasurements.drift)) by Time
| mv-expand State = dynamic(['Keys off', 'Exempt', 'Held', 'Drift']) to typeof(string)
| project Time, State, Accounts = case(State == 'Keys off', a, State == 'Exempt', b,
    State == 'Held', c, d)
| order by Time asc""",
            "No sweep read a subscription in this time range.",
            "barchart",
            _STATES,
        ),
        chart(
            "overview-compliance-over-time",
            "Compliance of what was read: keys off or exempt, %",
            f"""
{READ_OVER_TIME}
| summarize good = sum(toint(customMeasurements.compliant) + toint(customMeasurements.exempt)),
    every = sum(toint(customMeasurements.accounts)) by Time
| where every > 0
| project Time, Compliance = round(100.0 * good / every, 1)
| order by Time asc""",
            "No sweep read a subscription in this time range.",
            "linechart",
            {"Compliance": "green"},
            unit=1,
        ),
        grid(
            "overview-last-sweeps",
            "The newest sweep, and the newest whole one",
            """
let sweeps = customEvents
| where name == 'SweepCompleted'
| extend Whole = tostring(customDimensions.whole)
| project timestamp, Whole, Mode = tostring(customDimensions.mode),
    Read = toint(customMeasurements.subscriptionsRead), Gaps = toint(customMeasurements.gaps),
    Accounts = toint(customMeasurements.accounts), Drift = toint(customMeasurements.drift),
    Disabled = toint(customMeasurements.disabled), Why = tostring(customDimensions.reasons);
union
(sweeps | top 1 by timestamp desc | extend Sweep = 'Newest'),
(sweeps | where Whole == 'true' | top 1 by timestamp desc | extend Sweep = 'Newest whole')
| project Sweep, Finished = timestamp, Whole, Mode, Read, Gaps, Accounts, Drift, Disabled, Why
| order by Sweep asc""",
            "No sweep completed in this time range: look at Health.",
            [*moment("Finished"), icon("Whole", _ICONS_WHOLE)],
            {"Read": "Subscriptions read", "Why": "Why it is not whole"},
        ),
        grid(
            "overview-coverage",
            "Coverage: every subscription, and when it was last seen",
            f"""
{READINGS}
union
(readings | project subscriptionId, Subscription, Seen, LastRead = readAt, Accounts = accounts,
    Compliant = compliant, Exempt = exempt, Held = held, Drift = drift, Source, Problem = problem),
(unread | join kind=leftanti readings on subscriptionId
| project subscriptionId, Subscription = subscriptionId, Seen = 'Unseen',
    LastRead = datetime(null), Accounts = int(null), Compliant = int(null), Exempt = int(null),
    Held = int(null), Drift = int(null), Source = '', Problem = problem)
| extend place = case(Seen == 'Unseen', 0, Seen == 'Read', 1, 2)
| order by place asc, Drift desc, Held desc, Subscription asc
| project-away place, subscriptionId""",
            "No sweep read a subscription in this time range.",
            [*moment("LastRead"), icon("Seen", _ICONS_SEEN)],
            {"LastRead": "Last read", "Compliant": "Keys off", "Drift": "Drift, as found"},
        ),
        grid(
            "overview-gaps",
            "Gaps of the newest sweep: what is behind them is unseen, not fixed",
            f"""
{READINGS}
gaps
| extend subscriptionId = tostring(customDimensions.subscriptionId)
| join kind=leftouter (readings | project subscriptionId, Subscription) on subscriptionId
| project Kind = gapKind,
    Name = iff(isempty(Subscription), tostring(customDimensions.gapName), Subscription),
    Problem = problem
| order by Kind asc, Name asc""",
            "The newest sweep told of no gap.",
            fine=True,
        ),
        grid(
            "overview-would-do",
            "While in audit: what enforce would do",
            f"""
{DRIFTED}
open
| where Result == 'WOULD_DISABLE'
| summarize Accounts = count(), NoSubdomain = countif(
    tostring(customDimensions.noCustomSubdomain) == 'true'), Detail = take_any(Detail)
    by Subscription
| order by Accounts desc, Subscription asc""",
            "The last sweeps did not run in audit mode, or there is nothing to change.",
            [bar("Accounts")],
            {
                "Accounts": "Would turn off",
                "NoSubdomain": "Of them without a subdomain: not reachable by Entra ID",
                "Detail": "How",
            },
        ),
    )


def drift() -> Step:
    """Who turned keys on, and what became of it."""
    who = """TurnedOnBy = tostring(customDimensions.changedBy),
    TurnedOnWith = tostring(customDimensions.client),
    TurnedOnAt = todatetime(tostring(customDimensions.changedAt)),
    Attribution = tostring(customDimensions.attribution), Flips = toint(customMeasurements.flips)"""
    return tab(
        "Drift",
        grid(
            "drift-open",
            "Open now, the oldest first: keys on, and nobody said they may",
            f"""
{DRIFTED}
open
| extend {who}
{AGED}
| order by hours desc, Account asc
| project Account, Subscription, Result, OpenFor, TurnedOnBy, TurnedOnWith,
    TurnedOnAt, Flips, ToDo = {WHAT_TO_DO}, accountId""",
            "Nothing: every account that was read has its keys off, is exempt, or is held.",
            [*ACCOUNT, icon("Result", _ICONS_RESULT), *moment("TurnedOnAt")],
            {**_WHO, **_AGE, "ToDo": "What to do", "Flips": "Flips in 14 days"},
            fine=True,
        ),
        chart(
            "drift-over-time",
            "Accounts adrift, by what was done",
            f"""
{SCOPED}
scoped
| where name == 'RemediationOutcome'
| summarize Accounts = dcount(accountId) by Time = bin(timestamp, {{TimeRange:grain}}),
    Result = tostring(customDimensions.result)
| order by Time asc, Result asc""",
            "No account was adrift in this time range.",
            "barchart",
            _RESULTS,
            fine=True,
        ),
        chart(
            "drift-by-subscription",
            "Accounts adrift in this time range, by subscription",
            f"""
{NAMES}
scoped
| where name == 'DriftFound'
| summarize Accounts = dcount(accountId) by subscriptionId
| join kind=leftouter names on subscriptionId
| project Subscription = iff(isempty(Subscription), subscriptionId, Subscription), Accounts
| order by Accounts desc, Subscription asc""",
            "No account was adrift in this time range.",
            "piechart",
            fine=True,
        ),
        grid(
            "drift-all",
            "Every account that was adrift in this time range",
            f"""
{NAMES}
let outcomes = scoped
| where name == 'RemediationOutcome'
| project sweepId, accountId, Result = tostring(customDimensions.result);
scoped
| where name == 'DriftFound'
| summarize Sweeps = dcount(sweepId), LastSeen = max(timestamp),
    arg_max(timestamp, sweepId, Account, subscriptionId, customDimensions, customMeasurements)
    by accountId
| join kind=leftouter outcomes on sweepId, accountId
| join kind=leftouter names on subscriptionId
| extend {who}
| project Account, Subscription, Result = iff(isempty(Result), 'NOT_TOLD', Result), TurnedOnBy,
    TurnedOnWith, TurnedOnAt, Flips, Sweeps, LastSeen, Attribution, accountId
| extend place = {WORST_FIRST}
| order by place asc, LastSeen desc, Account asc
| project-away place""",
            "No account was adrift in this time range.",
            [*ACCOUNT, icon("Result", _ICONS_RESULT), *moment("TurnedOnAt", "LastSeen")],
            {
                **_WHO,
                "Result": "Last result",
                "Flips": "Flips in 14 days",
                "Sweeps": "Seen by sweeps",
                "LastSeen": "Last seen",
                "Attribution": "Known from",
            },
            fine=True,
        ),
    )


def exemptions() -> Step:
    """Who may keep keys, and for how long."""
    columns = "Account, Subscription, DaysLeft, Until, Owner, Reason, Level, accountId"
    labels = {"DaysLeft": "Days left", "Level": "Where the tag stands"}
    return tab(
        "Exemptions",
        tiles(
            "exemptions-now",
            "Exemptions now",
            f"""
{TAGGED}
{WRONG_TAGS}
let numbers = inForce
| summarize active = count(), soon = countif(DaysLeft between (0 .. 30)),
    endless = countif(isempty(Until))
| extend unneeded = toscalar(tagged | where State == 'active' and keysOn == 'false'
    | summarize count()),
    broken = toscalar(wrong | summarize count()), read = toscalar(present | summarize count())
| where read > 0;
union
(numbers | project place = 1, Title = 'Lapse within 30 days', Value = soon,
    status = iff(soon > 0, 'warn', 'good'), Note = iff(soon > 0, 'ask the owners', 'none')),
(numbers | project place = 2, Title = 'Tags that are wrong', Value = broken,
    status = iff(broken > 0, 'bad', 'good'), Note = iff(broken > 0, 'see below', 'none')),
(numbers | project place = 3, Title = 'Without an end', Value = endless,
    status = iff(endless > 0, 'warn', 'good'), Note = iff(endless > 0, 'ask for a date', 'none')),
(numbers | project place = 4, Title = 'In force', Value = active, status = '',
    Note = 'accounts that keep their keys'),
(numbers | project place = 5, Title = 'Not needed', Value = unneeded, status = '',
    Note = 'keys are off already')
""",
            "No sweep read a subscription in this time range: look at Overview.",
        ),
        grid(
            "exemptions-soon",
            "Lapsing within 30 days: after that day the keys go off",
            f"""
{TAGGED}
inForce
| where DaysLeft between (0 .. 30)
| order by DaysLeft asc, Account asc
| project {columns}""",
            "No exemption lapses within 30 days.",
            [*ACCOUNT, DAYS_LEFT],
            labels,
            fine=True,
        ),
        grid(
            "exemptions-wrong",
            "Tags that nobody can read, nearly ours, or against a rule",
            f"""
{READINGS}
{WRONG_TAGS}
wrong
| project Account, Subscription, Reason, Effect, Why, ToDo = {WHAT_TO_MEND}, accountId
| order by Reason asc, Account asc""",
            "Every tag that was read makes sense, and keeps the rules.",
            ACCOUNT,
            {"Effect": "The tag", "Why": "What is wrong", "ToDo": "What to do"},
            fine=True,
        ),
        grid(
            "exemptions-endless",
            "Without an end date",
            f"""
{TAGGED}
inForce
| where isempty(Until)
| order by Account asc
| project Account, Subscription, Owner, Reason, Level, accountId""",
            "Every exemption in force has an end date.",
            ACCOUNT,
            {"Level": labels["Level"]},
            fine=True,
        ),
        grid(
            "exemptions-later",
            "Lapsing later",
            f"""
{TAGGED}
inForce
| where DaysLeft > 30
| order by DaysLeft asc, Account asc
| project {columns}""",
            "No exemption in force lapses later than in 30 days.",
            [*ACCOUNT, DAYS_LEFT],
            labels,
        ),
        grid(
            "exemptions-unneeded",
            "Not needed: the keys are off already",
            f"""
{TAGGED}
tagged
| where State == 'active' and keysOn == 'false'
| order by Account asc
| project {columns}""",
            "Every exemption is on an account with keys on.",
            ACCOUNT,
            labels,
            fine=True,
        ),
        grid(
            "exemptions-lapsed",
            "Lapsed: the last day has passed, and the tag keeps no keys any more",
            f"""
{newest_of_each_account("ExemptionObserved", " and tostring(customDimensions.state) == 'lapsed'")}
| project Account, Subscription, Until = tostring(customDimensions['until']),
    Owner = tostring(customDimensions.exemptionOwner),
    Reason = tostring(customDimensions.exemptionReason),
    KeysOn = tostring(customDimensions.keysOn), LastSeen = timestamp, accountId
| order by Until desc, Account asc""",
            "No tag with a day that has passed was seen in this time range.",
            [*ACCOUNT, *moment("LastSeen")],
            {"KeysOn": "Keys on when last seen", "LastSeen": "Last seen"},
            fine=True,
        ),
    )


def held_and_failed() -> Step:
    """Show what was left alone, and what was refused."""
    return tab(
        "Held and failed",
        chart(
            "held-by-reason",
            "Held now, by reason",
            f"""
{HELD}
heldNow
| summarize Accounts = count() by Reason
| order by Accounts desc, Reason asc""",
            "Nothing that was read is held.",
            "piechart",
            fine=True,
        ),
        chart(
            "failed-over-time",
            "Refused or failed, over time",
            f"""
{SCOPED}
scoped
| where name == 'RemediationOutcome'
| extend Result = tostring(customDimensions.result)
| where Result in ('NO_ROLE', 'UNVERIFIED', 'FAILED', 'LOCKED', 'POLICY_DENIED')
| summarize Accounts = dcount(accountId) by Time = bin(timestamp, {{TimeRange:grain}}), Result
| order by Time asc, Result asc""",
            "Nothing was refused and nothing failed in this time range.",
            "barchart",
            _RESULTS,
            fine=True,
        ),
        grid(
            "failed-now",
            "Refused or failed, in the last sweep that read it",
            f"""
{DRIFTED}
open
| where Result != 'WOULD_DISABLE'
{AGED}
| extend place = {WORST_FIRST}
| order by place asc, hours desc, Account asc
| project Account, Subscription, Result, OpenFor, Code, Message, Detail,
    ToDo = {WHAT_TO_DO}, accountId""",
            "Nothing was refused, and nothing failed.",
            [*ACCOUNT, icon("Result", _ICONS_RESULT)],
            {**_AGE, "Code": "Azure's code", "Message": "Azure's message", "ToDo": "What to do"},
            fine=True,
        ),
        grid(
            "held-now",
            "Held: keys on, and deliberately not touched",
            f"""
{HELD}
heldNow
| project Account, Subscription, Reason, Why, ToDo = {WHAT_TO_MEND}, accountId
| order by Reason asc, Account asc""",
            "Nothing that was read is held.",
            ACCOUNT,
            {"Why": "What is wrong", "ToDo": "What to do"},
            fine=True,
        ),
        grid(
            "held-brake",
            "The brake, in this time range",
            """
customEvents
| where name == 'BrakeEngaged'
| project Time = timestamp, Mode = tostring(customDimensions.mode),
    Changes = toint(customMeasurements.changes), Limit = toint(customMeasurements['limit']),
    Held = toint(customMeasurements.held), Brake = tostring(customDimensions.brake)
| order by Time desc""",
            "No sweep had more to change than the limit allows.",
            moment("Time"),
            {"Brake": "What it does, and the way on"},
            fine=True,
        ),
    )


def patch_wars() -> Step:
    """Accounts that flip."""
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
        grid(
            "wars",
            "Accounts that flipped, with both sides",
            f"""
{newest_of_each_account('PatchWar')}
| project Account, Subscription, Flips = toint(customMeasurements.flips),
    TurnedOnBy = tostring(customDimensions.turnedOnBy),
    OnType = tostring(customDimensions.turnedOnByType),
    TurnedOnWith = tostring(customDimensions.turnedOnClient),
    TurnedOnAt = todatetime(tostring(customDimensions.turnedOnAt)),
    TurnedOffBy = iff(tostring(customDimensions.ours) == 'true', 'Keysweep',
        tostring(customDimensions.turnedOffBy)),
    TurnedOffWith = tostring(customDimensions.turnedOffClient),
    TurnedOffAt = todatetime(tostring(customDimensions.turnedOffAt)), LastTold = timestamp,
    accountId
| order by Flips desc, Account asc""",
            "No account flipped in this time range.",
            [*ACCOUNT, bar("Flips", "orange"),
             *moment("TurnedOnAt", "TurnedOffAt", "LastTold")],
            {"TurnedOnBy": "Turns them on", "OnType": "Which is a", "TurnedOnWith": "With",
             "TurnedOnAt": "Last on", "TurnedOffBy": "Turns them off",
             "TurnedOffWith": "Off with", "TurnedOffAt": "Last off", "LastTold": "Last told"},
            fine=True,
        ),
        chart(
            "wars-over-time",
            "Keys turned on and off, over time",
            f"""
{SCOPED}
scoped
| where name == 'KeyAccessChanged'
| summarize arg_max(timestamp, customDimensions) by changeId = tostring(customDimensions.changeId)
| extend at = todatetime(tostring(customDimensions.changedAt))
| summarize Changes = count() by Time = bin(at, {{TimeRange:grain}}),
    Turned = tostring(customDimensions.turned)
| order by Time asc, Turned asc""",
            "Nobody turned keys on or off in this time range.",
            "barchart",
            {"on": "redBright", "off": "green"},
            width="100",
            fine=True,
        ),
        grid(
            "wars-changes",
            "Every change, from the platform's own change log",
            f"""
{NAMES}
scoped
| where name == 'KeyAccessChanged'
| summarize arg_max(timestamp, *) by changeId = tostring(customDimensions.changeId)
| join kind=leftouter names on subscriptionId
| project At = todatetime(tostring(customDimensions.changedAt)), Account, Subscription,
    Turned = tostring(customDimensions.turned),
    By = iff(tostring(customDimensions.ours) == 'true', 'Keysweep',
        tostring(customDimensions.changedBy)),
    Type = tostring(customDimensions.changedByType), With = tostring(customDimensions.client),
    accountId
| order by At desc, Account asc""",
            "Nobody turned keys on or off in this time range.",
            [*ACCOUNT, *moment("At"), icon("Turned", {"on": "warning", "off": "success"})],
            {"At": "When"},
            fine=True,
        ),
    )  # fmt: skip


def health() -> Step:
    """Whether the tool itself is well."""
    unfinished = """
let completed = customEvents
| where name == 'SweepCompleted'
| project sweepId = tostring(customDimensions.sweepId);
let unfinished = customEvents
| where name == 'SweepStarted' and timestamp < {TimeRange:end} - 30m
| extend sweepId = tostring(customDimensions.sweepId)
| join kind=leftanti completed on sweepId;""".strip()
    return tab(
        "Health",
        tiles(
            "health-now",
            "Sweeps in this time range",
            f"""
{unfinished}
let numbers = customEvents
| summarize done = countif(name == 'SweepCompleted'),
    partial = countif(name == 'SweepCompleted' and tostring(customDimensions.whole) == 'false'),
    wrong = countif(name == 'SettingsRejected')
| extend killed = toscalar(unfinished | summarize count());
union
(numbers | project place = 1, Title = 'Never completed', Value = killed,
    status = iff(killed > 0, 'bad', 'good'), Note = iff(killed > 0, 'killed on the way', 'none')),
(numbers | project place = 2, Title = 'Settings rejected', Value = wrong,
    status = iff(wrong > 0, 'bad', 'good'), Note = iff(wrong > 0, 'nothing was read', 'none')),
(numbers | project place = 3, Title = 'Not whole', Value = partial,
    status = iff(partial > 0, 'warn', 'good'), Note = iff(partial > 0, 'see below', 'none')),
(numbers | project place = 4, Title = 'Completed', Value = done,
    status = iff(done > 0, 'good', 'bad'), Note = 'sweeps')
""",
            "Nothing was received.",
        ),
        chart(
            "health-duration",
            "How long a sweep took, seconds",
            """
customEvents
| where name == 'SweepCompleted'
| summarize Longest = max(todouble(customMeasurements.durationSeconds)),
    Average = round(avg(todouble(customMeasurements.durationSeconds)), 2)
    by Time = bin(timestamp, {TimeRange:grain})
| order by Time asc""",
            "No sweep completed in this time range.",
            "linechart",
            {"Longest": "orange", "Average": "blue"},
            unit=24,
        ),
        chart(
            "health-requests",
            "Requests to Azure, by answer",
            """
customMetrics
| where name == 'keysweep.requests'
| summarize Requests = sum(valueSum) by Time = bin(timestamp, {TimeRange:grain}),
    Answer = tostring(customDimensions.outcome)
| order by Time asc, Answer asc""",
            "No request was counted in this time range.",
            "barchart",
            {"200": "green", "429": "orange", "no answer": "gray"},
        ),
        grid(
            "health-unfinished",
            "Sweeps that started and never completed",
            f"""
{unfinished}
unfinished
| project Started = timestamp, Sweep = sweepId, Mode = tostring(customDimensions.mode),
    Version = tostring(customDimensions.version)
| order by Started desc""",
            "Every sweep that started also completed.",
            moment("Started"),
            fine=True,
        ),
        grid(
            "health-settings",
            "Settings that were rejected: nothing was read from Azure",
            """
customEvents
| where name == 'SettingsRejected'
| project Time = timestamp, Problems = tostring(customDimensions.problems)
| order by Time desc""",
            "The settings were right, whenever a sweep began.",
            moment("Time"),
            fine=True,
        ),
        grid(
            "health-sweeps",
            "Sweeps that were not whole, put something off, or were throttled",
            """
let throttled = customMetrics
| where name == 'keysweep.requests' and tostring(customDimensions.outcome) == '429'
| extend Time = bin(timestamp, 1m)
| mv-expand Time = pack_array(Time, Time - 1m) to typeof(datetime)
| summarize Throttled = toint(sum(valueSum)) by Time;
customEvents
| where name == 'SweepCompleted'
| extend Time = bin(timestamp, 1m), Whole = tostring(customDimensions.whole),
    Deferred = toint(customMeasurements.deferred)
| join kind=leftouter throttled on Time
| extend Throttled = coalesce(Throttled, 0)
| where Whole == 'false' or Deferred > 0 or Throttled > 0
| project Finished = timestamp, Whole, Mode = tostring(customDimensions.mode),
    Seconds = round(todouble(customMeasurements.durationSeconds), 1),
    Read = toint(customMeasurements.subscriptionsRead), Gaps = toint(customMeasurements.gaps),
    Attention = toint(customMeasurements.needingAttention), Deferred, Throttled,
    ChangeLog = tostring(customDimensions.changeLog), Why = tostring(customDimensions.reasons)
| order by Finished desc""",
            "Every sweep was whole, put nothing off, and was never throttled.",
            [*moment("Finished"), icon("Whole", _ICONS_WHOLE)],
            {"Read": "Subscriptions read", "Attention": "Need a person",
             "Why": "Why it is not whole", "ChangeLog": "Change log"},
            fine=True,
        ),
        grid(
            "health-gaps",
            "Gaps in this time range",
            f"""
{NAMES}
scoped
| where name == 'CoverageGap'
| summarize First = min(timestamp), Newest = max(timestamp), Sweeps = dcount(sweepId),
    arg_max(timestamp, subscriptionId, customDimensions)
    by Kind = tostring(customDimensions.gapKind), gapName = tostring(customDimensions.gapName)
| join kind=leftouter names on subscriptionId
| project Kind, Name = iff(isempty(Subscription), gapName, Subscription), First, Newest, Sweeps,
    Problem = tostring(customDimensions.problem)
| order by Newest desc, Name asc""",
            "Every sweep saw everything in its scope.",
            moment("First", "Newest"),
            {"Sweeps": "Sweeps with it"},
            fine=True,
        ),
        grid(
            "health-disagree",
            "Resource Graph and ARM disagree, beyond Resource Graph's lag",
            f"""
{newest_of_each_account('SourcesDisagree')}
| project Account, Subscription, Graph = tostring(customDimensions.graphSays),
    Arm = tostring(customDimensions.armSays), LastSeen = timestamp, accountId
| order by LastSeen desc, Account asc""",
            "Both say the same, wherever both were asked.",
            [*ACCOUNT, *moment("LastSeen")],
            {"Graph": "Resource Graph says", "Arm": "ARM says", "LastSeen": "Last seen"},
            fine=True,
        ),
    )  # fmt: skip


def workbook() -> Step:
    """Return the whole of it."""
    pages = [overview(), drift(), exemptions(), held_and_failed(), patch_wars(), health()]
    names = [page["conditionalVisibility"]["value"] for page in pages]
    return {
        "version": "Notebook/1.0",
        "items": [
            text("title", "# Keysweep: Azure OpenAI without keys"),
            parameters(),
            tabs(*names),
            *pages,
        ],
        "$schema": (
            "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/"
            "workbook.json"
        ),
    }


def written() -> str:
    """Return workbook.json as the definition above has it now."""
    return json.dumps(workbook(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(written())
