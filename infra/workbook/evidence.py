"""The tab on evidence: was any key usable between two days, but for the exempt; and how we know.

What is not known is part of the answer: the hours in which no sweep read anything, subscriptions
that could not be read, and days without an inventory stand beside it, and no number reassures
unless they are all zero.
"""

from infra.readings import BEGAN, CHOSEN_EVENTS, HAS_KEYS_ON, IS_CHOSEN, NAMES, SWEEPS
from infra.workbook.freshness import LONGEST_SWEEP
from infra.workbook.history import HISTORY_OF, history, picked
from infra.workbook.lists import listed
from infra.workbook.spans import FACTS, SPANS
from infra.workbook.steps import ACCOUNT, Step, grid, icon, moment, tab, text, tiles

_WHERE = "ResourceGroup, Kind, Region"
_EVERYTHING = f"{CHOSEN_EVENTS}\n{SWEEPS}\n{NAMES}"

# Hours of the range in which no sweep with a complete report began, beyond twice the usual distance
# between sweeps. Two in a row is what a schedule can do; a third that is missing is silence. The
# last sweep before the range is not seen: one may have begun with it.
_SILENCE = """
let told = sweeps
| where isTold and began between ({TimeRange:start} .. {TimeRange:end})
| project began;
let apart = toscalar(told
| summarize firstBegan = min(began), lastBegan = max(began), many = count()
| project iff(many > 1, (lastBegan - firstBegan) / 1h / (many - 1), 24.0));
let reach = toint(ceiling(2.0 * coalesce(apart, 24.0)));
let offsets = range offset from 0 to 400 step 1
| where offset <= reach
| project one = 1, offset;
let covered = union (told | project one = 1, began),
    (print one = 1, began = {TimeRange:start})
| join kind=inner offsets on one
| summarize by Hour = bin(began, 1h) + offset * 1h;
let silent = range Hour from bin({TimeRange:start}, 1h) to {TimeRange:end} step 1h
| join kind=leftanti covered on Hour;
""".strip()

# Sweeps of which something is missing: the end, a subscription, a gap, an account, a change of
# keys, or the change log itself. A key that only such a sweep saw may not be here.
_PARTLY = f"""
let accountsTold = events
| where {HAS_KEYS_ON}
| summarize by deployment, sweepId, subscriptionId, name, accountId
| summarize accountsTold = count() by deployment, sweepId, subscriptionId;
let accountsLost = events
| where name == 'SubscriptionRead' and ({IS_CHOSEN})
| summarize arg_max(timestamp, customMeasurements) by deployment, sweepId, subscriptionId
| project deployment, sweepId, subscriptionId, counted = tolong(customMeasurements.exempt)
    + tolong(customMeasurements.held) + tolong(customMeasurements.drift)
| join kind=leftouter accountsTold on deployment, sweepId, subscriptionId
| where coalesce(accountsTold, 0) < counted
| summarize by deployment, sweepId;
let changesTold = customEvents
| where cloud_RoleName == '{{Deployment}}' and name == 'KeyAccessChanged'
| summarize by sweepId = tostring(customDimensions.sweepId),
    changeId = tostring(customDimensions.changeId)
| summarize changesTold = count() by sweepId;
let changesLost = events
| where name == 'SweepCompleted'
| summarize arg_max(timestamp, customDimensions, customMeasurements) by deployment, sweepId
| join kind=leftouter changesTold on sweepId
| where coalesce(changesTold, 0) < tolong(customMeasurements.keyChanges)
    or tostring(customDimensions.changeLog) != 'read'
| summarize by deployment, sweepId;
let partly = events
| where isnotempty(sweepId)
| summarize rejected = countif(name == 'SettingsRejected') by deployment, sweepId
| extend began = {BEGAN}
| where isnull(began) or began >= {{TimeRange:start}}
| where isnull(began) or rejected > 0 or began < {{TimeRange:end}} - {LONGEST_SWEEP}
| join kind=leftouter (sweeps | project deployment, sweepId, isTold) on deployment, sweepId
| join kind=leftouter (union accountsLost, changesLost
    | summarize lost = count() by deployment, sweepId) on deployment, sweepId
| where isnull(isTold) or not(isTold) or isnotnull(lost);
""".strip()

# Subscriptions that a sweep could not read, by sweep.
_UNREAD = """
let unreadHere = gaps
| join kind=inner (sweeps | project deployment, sweepId, began) on deployment, sweepId
| extend What = iff(gapKind == 'subscription', 'subscription', gapKind);
""".strip()

# The daily inventory: what each sweep that was to tell it counted, and how much of that is here: of
# all subscriptions, whichever are chosen.
_INVENTORIES = """
let inventories = materialize(events
| where name == 'SweepCompleted' and isnotempty(tostring(customDimensions.inventory))
| summarize arg_max(timestamp, customDimensions, customMeasurements) by deployment, sweepId
| project deployment, sweepId, At = timestamp, said = tostring(customDimensions.inventory),
    sent = tolong(customMeasurements.inventoryAccounts),
    counted = tolong(customMeasurements.accounts)
| join kind=leftouter (customEvents
    | where cloud_RoleName == '{Deployment}' and name == 'AccountSeen'
    | summarize keysOn = countif(tostring(customDimensions.keysOn) == 'true')
        by sweepId = tostring(customDimensions.sweepId),
        accountId = tostring(customDimensions.accountId)
    | summarize received = count(), keysOn = countif(keysOn > 0) by sweepId) on sweepId
| project deployment, sweepId, At, counted, received = coalesce(received, 0),
    keysOn = coalesce(keysOn, 0), Missing = case(said != 'told', said,
        coalesce(received, 0) < sent, 'fewer were received than sent: late, or lost', ''));
""".strip()


def evidence() -> Step:
    """Return the tab."""
    return tab(
        "Evidence",
        text(
            "evidence-what",
            "Was any key usable between two days, but for the exempt? Choose the days as the time "
            "range: a quarter is *Custom*. Each table has a button that exports it to Excel or "
            "CSV. What nobody could read is listed too: an answer holds for the rest.",
            "info",
        ),
        _answer(),
        _spans(),
        history("evidence"),
        _exemptions(),
        _silent(),
        _unread(),
        _inventories(),
        _inventory(),
    )


def _answer() -> Step:
    return tiles(
        "evidence-answer",
        "Was any key usable in this time range, but for the exempt?",
        f"""
{SPANS}
{_SILENCE}
{_PARTLY}
{_INVENTORIES}
let exposed = spans
| where Leave != 'exempt';
let numbers = print accounts = toscalar(exposed | summarize dcount(accountId)),
    total = toscalar(exposed | summarize sum(hoursExposed)),
    exempt = toscalar(spans | where Leave == 'exempt' | summarize dcount(accountId)),
    silentHours = toscalar(silent | summarize count()),
    unread = toscalar(gaps | summarize dcount(gapName)),
    partlyTold = toscalar(partly | summarize dcount(sweepId)),
    days = toscalar(inventories | where isempty(Missing) | summarize dcount(bin(At, 1d))),
    lengthDays = toint(({{TimeRange:end}} - {{TimeRange:start}}) / 1d),
    heard = toscalar(sweeps | summarize count());
let known = numbers
| extend unknown = silentHours > 0 or unread > 0 or partlyTold > 0 or heard == 0;
union
(known | project place = 1, Title = 'Accounts with a usable key', Value = todouble(accounts),
    status = case(accounts > 0, 'bad', unknown, 'warn', 'good'),
    Note = case(accounts > 0, 'see below', unknown, 'of what was read', 'none')),
(known | project place = 2, Title = 'Hours of them together',
    Value = round(coalesce(total, 0.0), 0), status = '', Note = ''),
(known | project place = 3, Title = 'Exempt accounts', Value = todouble(exempt), status = '',
    Note = 'kept their keys with leave'),
(known | project place = 4, Title = 'Hours without a sweep', Value = todouble(silentHours),
    status = case(silentHours > 0, 'warn', unknown, '', 'good'),
    Note = iff(silentHours > 0, 'nothing is known of them', 'none')),
(known | project place = 5, Title = 'Sweeps told in part', Value = todouble(partlyTold),
    status = case(partlyTold > 0, 'warn', unknown, '', 'good'),
    Note = iff(partlyTold > 0, 'late, lost, killed, or without the change log', 'none')),
(known | project place = 6, Title = 'Not readable at times', Value = todouble(unread),
    status = case(unread > 0, 'warn', unknown, '', 'good'),
    Note = case(unread > 0, 'subscriptions or more: see below', unknown, 'of what was told',
        'none')),
(known | project place = 7, Title = 'Days with an inventory', Value = todouble(days),
    status = iff(days < lengthDays or lengthDays == 0 or unknown, '', 'good'),
    Note = strcat('of ', tostring(lengthDays), ' (INVENTORY=daily)'))
""",
        "Nothing was received.",
    )


def _spans() -> Step:
    return picked(
        grid(
            "evidence-spans",
            "Every time that an account had its keys on: choose one for its history",
            listed(
                SPANS,
                "spans\n| extend Hours = round(hoursOn, 2), Off = End",
                f"Account, On, Off, Hours, Ended, Leave, Known, By, With, Subscription, {_WHERE}, "
                "accountId",
                "On desc, Account asc",
                now=False,
            ),
            "No sweep told of keys that were on in this time range.",
            [
                *ACCOUNT,
                *moment("On", "Off"),
                icon("Leave", {"none": "error", "for a part": "warning", "exempt": "info"}),
            ],
            {
                "Off": "Off, or until",
                "Hours": "Hours in this range",
                "Leave": "Exempt",
                "Known": "On since then",
                "By": "Turned on by",
                "ResourceGroup": "Resource group",
            },
        ),
        HISTORY_OF["evidence"],
    )


def _exemptions() -> Step:
    return grid(
        "evidence-exemptions",
        "Exemptions that were in force, with their reasons",
        listed(
            f"{CHOSEN_EVENTS}\n{NAMES}\n{FACTS}",
            """events
| where name == 'ExemptionObserved' and tostring(customDimensions.verdict) == 'EXEMPT'
| summarize FirstSeen = min(timestamp), LastSeen = max(timestamp)
    by deployment, accountId, Until = tostring(customDimensions['until']),
    SaidOwner = tostring(customDimensions.exemptionOwner),
    Reason = tostring(customDimensions.exemptionReason),
    Level = tostring(customDimensions.level)
| join kind=leftouter described on deployment, accountId""",
            f"Account, FirstSeen, LastSeen, Until, SaidOwner, Reason, Level, Subscription, "
            f"{_WHERE}, accountId",
            "FirstSeen asc, Account asc",
            now=False,
        ),
        "No sweep told of an exemption in force in this time range.",
        [*ACCOUNT, *moment("FirstSeen", "LastSeen")],
        {
            "FirstSeen": "First seen",
            "LastSeen": "Last seen",
            "SaidOwner": "Owner by the tag",
            "Level": "Where the tag stands",
            "ResourceGroup": "Resource group",
        },
    )


def _silent() -> Step:
    return grid(
        "evidence-silence",
        "Hours without a sweep, by day: nothing is known of them but by the change log",
        f"""
{_EVERYTHING}
{_SILENCE}
silent
| summarize Hours = count(), First = min(Hour), Last = max(Hour) by Day = bin(Hour, 1d)
| order by Day asc""",
        "Sweeps with a complete report are never further apart than twice the usual time.",
        moment("Day", "First", "Last"),
        {"First": "First hour", "Last": "Last hour"},
    )


def _unread() -> Step:
    return grid(
        "evidence-unread",
        "What could not be read at times",
        listed(
            f"{_EVERYTHING}\n{_UNREAD}",
            """unreadHere
| summarize First = min(began), Last = max(began), Sweeps = dcount(sweepId),
    Problem = take_any(problem) by deployment, What, gapName, subscriptionId
| join kind=leftouter names on deployment, subscriptionId
| extend Name = iff(isempty(Subscription) or What == 'account', gapName, Subscription)""",
            "Name, What, First, Last, Sweeps, Problem",
            "Last desc, Name asc",
            "Name",
            now=False,
        ),
        "No sweep told of a gap in this time range.",
        moment("First", "Last"),
        {"Sweeps": "Sweeps without it"},
    )


def _inventories() -> Step:
    return grid(
        "evidence-inventories",
        "The daily inventory: what was counted, and what was received of it",
        f"""
{_EVERYTHING}
{_INVENTORIES}
inventories
| project At, Counted = counted, Received = received, KeysOn = keysOn, Missing
| order by At desc""",
        "No inventory was told in this time range: INVENTORY=daily tells one a day.",
        moment("At"),
        {"KeysOn": "Of them with keys on", "Missing": "What is missing"},
    )


def _inventory() -> Step:
    return grid(
        "evidence-inventory",
        "The newest inventory: every account, compliant or not",
        listed(
            f"{_EVERYTHING}\n{FACTS}\n{_INVENTORIES}",
            """events
| where name == 'AccountSeen'
| join kind=inner (inventories | summarize arg_max(At, sweepId) by deployment)
    on deployment, sweepId
| summarize arg_max(timestamp, customDimensions) by deployment, accountId
| extend Keys = iff(tostring(customDimensions.keysOn) == 'true', 'on', 'off'),
    Verdict = tostring(customDimensions.verdict)
| join kind=leftouter described on deployment, accountId""",
            f"Account, Keys, Verdict, Subscription, {_WHERE}, accountId",
            "Verdict desc, Account asc",
            now=False,
        ),
        "No inventory was told in this time range: INVENTORY=daily tells one a day.",
        [*ACCOUNT, icon("Keys", {"on": "warning", "off": "success"})],
        {"ResourceGroup": "Resource group"},
    )
