"""The tab on whether the tool itself is well."""

from infra.readings import CHOSEN_EVENTS, IS_CHOSEN, NAMES, SWEEPS
from infra.workbook.freshness import NOW
from infra.workbook.lists import listed
from infra.workbook.steps import ACCOUNT, Step, chart, grid, icon, moment, tab, tiles
from infra.workbook.wars import newest_of_each_account
from infra.workbook.words import ICONS_WHOLE

_COMPLETED = """let completed = events
| where name == 'SweepCompleted'
| summarize arg_max(timestamp, customDimensions, customMeasurements) by deployment, sweepId;"""
_UNFINISHED = """let unfinished = events
| where name == 'SweepStarted' and timestamp < {TimeRange:end} - 30m
| summarize arg_max(timestamp, customDimensions) by deployment, sweepId
| join kind=leftanti completed on deployment, sweepId;"""


def health() -> Step:
    """Return the tab."""
    return tab(
        "Health",
        _now(),
        _duration(),
        _requests(),
        _unfinished(),
        _settings(),
        _sweeps(),
        _gaps(),
        _disagree(),
    )


def _now() -> Step:
    return tiles(
        "health-now",
        "Sweeps in this time range",
        f"""
{NOW}
{_COMPLETED}
{_UNFINISHED}
let numbers = completed
| summarize done = count(), partial = countif(tostring(customDimensions.whole) == 'false')
| extend killed = toscalar(unfinished | summarize count()),
    untold = toscalar(sweeps | summarize countif(not(isTold))),
    wrong = toscalar(events
        | where name == 'SettingsRejected'
        | summarize by timestamp, sweepId, problems = tostring(customDimensions.problems)
        | summarize count());
union
(numbers | project place = 1, Title = 'Never completed', Value = killed,
    status = iff(killed > 0, 'bad', ''), Note = iff(killed > 0, 'killed on the way', 'none told')),
(numbers | project place = 2, Title = 'Settings rejected', Value = wrong,
    status = iff(wrong > 0, 'bad', ''), Note = iff(wrong > 0, 'nothing was read', 'none told')),
(numbers | project place = 3, Title = 'Not whole', Value = partial,
    status = iff(partial > 0, 'warn', ''), Note = iff(partial > 0, 'see below', 'none told')),
(numbers | project place = 4, Title = 'Told in part', Value = untold,
    status = iff(untold > 0, 'warn', ''), Note = iff(untold > 0, 'late, or lost', 'none')),
(numbers | project place = 5, Title = 'Completed', Value = done,
    status = case(done == 0, 'bad', isempty(doubt), 'good', ''), Note = 'sweeps')
""",
        "Nothing was received in this time range.",
    )


def _duration() -> Step:
    return chart(
        "health-duration",
        "How long a sweep took, seconds",
        f"""
{CHOSEN_EVENTS}
{_COMPLETED}
completed
| summarize Longest = max(todouble(customMeasurements.durationSeconds)),
    Average = round(avg(todouble(customMeasurements.durationSeconds)), 2)
    by Time = bin(timestamp, {{TimeRange:grain}})
| order by Time asc""",
        "No sweep completed in this time range.",
        "linechart",
        {"Longest": "orange", "Average": "blue"},
        unit=24,
    )


def _requests() -> Step:
    # Metrics have no id: what is the same to the microsecond was sent twice.
    return chart(
        "health-requests",
        "Requests to Azure, by answer",
        """
customMetrics
| where name == 'keysweep.requests' and cloud_RoleName == '{Deployment}'
| summarize by timestamp, cloud_RoleInstance, valueSum,
    Method = tostring(customDimensions.method), Answer = tostring(customDimensions.outcome)
| summarize Requests = sum(valueSum) by Time = bin(timestamp, {TimeRange:grain}), Answer
| order by Time asc, Answer asc""",
        "No request was counted in this time range.",
        "barchart",
        {"200": "green", "429": "orange", "no answer": "gray"},
    )


def _unfinished() -> Step:
    return grid(
        "health-unfinished",
        "Sweeps that started and never completed",
        listed(
            f"{CHOSEN_EVENTS}\n{_COMPLETED}\n{_UNFINISHED}",
            """unfinished
| project Started = timestamp, Sweep = sweepId, Mode = tostring(customDimensions.mode),
    Version = tostring(customDimensions.version)""",
            "Started, Sweep, Mode, Version",
            "Started desc",
            "Sweep",
            now=False,
        ),
        "Every sweep that told of its start also completed, but for one that may still run.",
        moment("Started"),
    )


def _settings() -> Step:
    return grid(
        "health-settings",
        "Settings that were rejected: nothing was read from Azure",
        listed(
            CHOSEN_EVENTS,
            """events
| where name == 'SettingsRejected'
| summarize by Time = timestamp, Problems = tostring(customDimensions.problems), sweepId""",
            "Time, Problems",
            "Time desc",
            "Problems",
            now=False,
        ),
        "No sweep told that its settings were rejected.",
        moment("Time"),
    )


def _sweeps() -> Step:
    return grid(
        "health-sweeps",
        "Sweeps that were not whole, told in part, put something off, or were throttled",
        listed(
            f"{CHOSEN_EVENTS}\n{SWEEPS}\n{_COMPLETED}",
            """completed
| join kind=inner (sweeps | project deployment, sweepId, isTold, readTold, gapsTold)
    on deployment, sweepId
| extend Whole = iff(tostring(customDimensions.whole) == 'false', 'no', 'yes'),
    Deferred = toint(customMeasurements.deferred),
    Throttled = coalesce(tolong(customMeasurements.throttled), 0)
| where Whole == 'no' or Deferred > 0 or Throttled > 0 or not(isTold)
| project Finished = timestamp, Whole, Told = iff(isTold, 'all', 'in part'),
    Mode = tostring(customDimensions.mode),
    Seconds = round(todouble(customMeasurements.durationSeconds), 1),
    Read = toint(customMeasurements.subscriptionsRead), Gaps = toint(customMeasurements.gaps),
    Attention = toint(customMeasurements.needingAttention), Deferred, Throttled,
    ChangeLog = tostring(customDimensions.changeLog), Why = tostring(customDimensions.reasons)""",
            "Finished, Whole, Told, Mode, Seconds, Read, Gaps, Attention, Deferred, Throttled, "
            "ChangeLog, Why",
            "Finished desc",
            "Why",
            now=False,
        ),
        "No sweep told of any of this in this time range.",
        [*moment("Finished"), icon("Whole", ICONS_WHOLE), icon("Told", {"in part": "warning"})],
        {
            "Read": "Subscriptions read",
            "Attention": "Need a person",
            "Why": "Why it is not whole",
            "ChangeLog": "Change log",
        },
    )


def _gaps() -> Step:
    return grid(
        "health-gaps",
        "Gaps in this time range",
        listed(
            f"{CHOSEN_EVENTS}\n{NAMES}",
            f"""events
| where name == 'CoverageGap'
| where isempty(subscriptionId) or {IS_CHOSEN}
| summarize First = min(timestamp), Newest = max(timestamp),
    arg_max(timestamp, customDimensions) by deployment, sweepId, subscriptionId,
    Kind = tostring(customDimensions.gapKind), gapName = tostring(customDimensions.gapName)
| summarize First = min(First), Newest = max(Newest), Sweeps = count(),
    arg_max(timestamp, customDimensions) by deployment, subscriptionId, Kind, gapName
| join kind=leftouter names on deployment, subscriptionId
| project Kind, Name = iff(Kind == 'subscription' and isnotempty(Subscription), Subscription,
    gapName), First, Newest, Sweeps, Problem = tostring(customDimensions.problem),
    Subscription = iff(isempty(Subscription), subscriptionId, Subscription)""",
            "Kind, Name, Subscription, First, Newest, Sweeps, Problem",
            "Newest desc, Name asc",
            "Name",
            now=False,
        ),
        "No sweep told of a gap in this time range.",
        moment("First", "Newest"),
        {"Sweeps": "Sweeps with it"},
    )


def _disagree() -> Step:
    return grid(
        "health-disagree",
        "Resource Graph and ARM disagree, beyond Resource Graph's lag",
        listed(
            f"{CHOSEN_EVENTS}\n{NAMES}",
            f"""{newest_of_each_account("SourcesDisagree")}
| extend Graph = tostring(customDimensions.graphSays), Arm = tostring(customDimensions.armSays),
    LastSeen = timestamp""",
            "Account, Subscription, Graph, Arm, LastSeen, accountId",
            "LastSeen desc, Account asc",
            now=False,
        ),
        "No sweep told of a disagreement in this time range.",
        [*ACCOUNT, *moment("LastSeen")],
        {"Graph": "Resource Graph says", "Arm": "ARM says", "LastSeen": "Last seen"},
    )
