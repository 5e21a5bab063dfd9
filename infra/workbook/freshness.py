"""How fresh the newest reading is, and what speaks against believing it.

Everything that reassures stands on `doubt`: empty if the newest sweep with a complete report is
recent, read everything, and no later one is known to be missing. Else it says what is wrong.
"""

from infra.readings import BEGAN, CHOSEN_EVENTS, DRIFTS, EVENTS, IS_CHOSEN, NAMES, SWEEPS, readings
from infra.workbook.steps import Step, grid, icon, moment

# No sweep takes as long: the host ends it after 25 minutes (functionTimeout).
LONGEST_SWEEP = "30m"
_SHORT_MINUTES, _SHORT_HOURS = 120, 48


def _span(name: str, seconds: str) -> str:
    """Return two columns that say a time in words, rounded down: a number and its unit."""
    minutes, hours = 60 * _SHORT_MINUTES, 3600 * _SHORT_HOURS
    return f"""{name}Number = tostring(case({seconds} < {minutes}, {seconds} / 60,
        {seconds} < {hours}, {seconds} / 3600, {seconds} / 86400)),
    {name}Unit = case({seconds} < {minutes}, ' minutes', {seconds} < {hours}, ' hours', ' days')"""


def _moment(column: str) -> str:
    return f"format_datetime({column}, 'yyyy-MM-dd HH:mm')"


def _freshness(chosen: str = "") -> str:
    """Return the statements that make `freshness`: one row a deployment that was heard of."""
    condition = f" and (isempty(subscriptionId) or {chosen})" if chosen else ""
    return f"""
let starts = events
| where name != 'SettingsRejected' and isnotempty(sweepId)
| summarize by deployment, sweepId
| extend began = {BEGAN}
| where isnotnull(began);
let apart = starts
| join kind=inner (starts | summarize newestBegan = max(began) by deployment) on deployment
| summarize begun = count(), firstBegan = min(began), recent = countif(began > newestBegan - 2d),
    recentBegan = min(iff(began > newestBegan - 2d, began, datetime(null))),
    newestBegan = max(newestBegan) by deployment
| project deployment, apart = case(
    recent > 1, datetime_diff('second', newestBegan, recentBegan) / (recent - 1),
    begun > 1, datetime_diff('second', newestBegan, firstBegan) / (begun - 1), long(null));
let untold = starts
| join kind=leftouter (newest | project deployment, toldBegan = began) on deployment
| where isnull(toldBegan) or began > toldBegan
| join kind=leftouter (sweeps | project deployment, sweepId, ended, readCounted, readTold,
    gapsCounted, gapsTold) on deployment, sweepId
| extend at = {_moment("began")}, read = tostring(readTold), ofRead = tostring(readCounted),
    seen = tostring(gapsTold), ofSeen = tostring(gapsCounted)
| extend untold = case(isnotnull(ended), strcat('The report of the sweep of ', at, ' has ',
        read, ' of ', ofRead, ' subscriptions and ', seen, ' of ', ofSeen,
        ' gaps: the rest is late, or lost. '),
    began < {{TimeRange:end}} - {LONGEST_SWEEP}, strcat('The sweep of ', at,
        ' never completed: it was killed, or its end was lost. '), '')
| where isnotempty(untold)
| summarize arg_max(began, untold) by deployment;
let rejected = events
| where name == 'SettingsRejected'
| summarize rejectedAt = max(timestamp) by deployment;
let unknown = readings
| summarize unseen = countif(Seen == 'Unseen'), incomplete = countif(Seen == 'Incomplete')
    by deployment;
let unreadElse = gaps
| where gapKind != 'subscription'{condition}
| join kind=inner (newest | project deployment, sweepId) on deployment, sweepId
| summarize gapsElse = count() by deployment;
let freshness = events
| summarize by deployment
| join kind=leftouter (newest | project deployment, ended, isWhole, reasons) on deployment
| join kind=leftouter apart on deployment
| join kind=leftouter (untold | project deployment, untold) on deployment
| join kind=leftouter rejected on deployment
| join kind=leftouter unknown on deployment
| join kind=leftouter unreadElse on deployment
| extend age = datetime_diff('second', {{TimeRange:end}}, ended), most = tolong({{StaleAfter}} / 1s)
| extend isStale = age > most or (isnotnull(apart) and age > 2 * apart),
    {_span("age", "age")}, {_span("apart", "apart")},
    rejectedText = {_moment("rejectedAt")}, unseenText = tostring(unseen),
    incompleteText = tostring(incomplete), elseText = tostring(gapsElse)
| extend aged = strcat('The last sweep with a complete report ended ', ageNumber, ageUnit, ' ago'),
    distance = iff(isnull(apart), '',
        strcat(', and sweeps are ', apartNumber, apartUnit, ' apart')),
    rejected = iff(isnotnull(rejectedAt) and (isnull(ended) or rejectedAt > ended),
        strcat('Settings were rejected at ', rejectedText, '. '), ''),
    partly = iff(coalesce(incomplete, 0) > 0, strcat(
        'Subscriptions whose report lacks accounts that were counted, late or lost: ',
        incompleteText, '. '), ''),
    unread = iff(coalesce(unseen, 0) > 0, strcat('Subscriptions that could not be read: ',
        unseenText, '. '), ''),
    elsewhere = iff(coalesce(gapsElse, 0) > 0, strcat(
        'Other gaps, listed on Overview: ', elseText, '. '), '')
| extend old = case(isnull(ended), 'No sweep of this time range has a complete report. ',
    isStale, strcat(aged, distance, '. '), '')
| extend problem = strcat(old, untold, rejected, partly, unread, elsewhere);
""".strip()


# `doubt`: what speaks against the reading of the chosen deployment and subscriptions.
_DOUBT = f"""
{_freshness(IS_CHOSEN)}
let doubt = toscalar(freshness
| summarize heard = count(), found = take_any(problem)
| project iff(heard == 0, 'Nothing was received in this time range. ', found));
""".strip()

NOW = f"""
{CHOSEN_EVENTS}
{SWEEPS}
{NAMES}
{readings(IS_CHOSEN)}
{_DOUBT}
""".strip()
"""The reading of what is chosen, and the doubt about it: every step about now begins with it."""

NOW_WITH_DRIFTS = f"{NOW}\n{DRIFTS}"
"""The same, and which accounts are adrift."""


def freshness() -> Step:
    """Say above everything how fresh the reading is, and what is wrong with it."""
    kql = f"""
{EVENTS}
{SWEEPS}
{NAMES}
{readings()}
{_freshness()}
let heard = toscalar(freshness | where deployment == '{{Deployment}}' | summarize count());
union
(freshness
| extend wholeness = iff(isnull(ended) or isWhole, '',
    strcat('It did not get everything done: ', reasons))
| project place = iff(deployment == '{{Deployment}}', 0, 1), Deployment = deployment,
    State = iff(isempty(problem) and isempty(wholeness), 'good', 'bad'),
    Known = strcat(case(isempty(problem), strcat(aged, ': nothing that it counted is missing. '),
        isempty(old), strcat(aged, '. '), ''), problem, wholeness),
    Ended = ended),
(print place = 0, Deployment = '{{Deployment}}', State = 'bad',
    Known = 'Nothing was received in this time range.', Ended = datetime(null)
| where heard == 0)
| order by place asc, Deployment asc
| project State, Deployment, Known, Ended"""
    return grid(
        "freshness",
        "How fresh this is",
        kql,
        "Nothing was received in this time range.",
        [icon("State", {"bad": "error", "good": "success"}), *moment("Ended")],
        {"Known": "What is known of the last sweep", "Ended": "Last complete report"},
    )
