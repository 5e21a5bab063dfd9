"""The one definition of "now": KQL that workbook, alerts and docs/telemetry.md share.

Application Insights delivers late, twice, and not always all; sweeps overlap and are killed; two
deployments may report to one resource. So nothing counts because it is there: a sweep counts if
as many subscriptions and gaps were told as it counted itself, and a subscription's numbers if as
many of its accounts were. Each text below is a run of `let` statements; a query begins with
`EVENTS` (every deployment), `DEPLOYMENT_EVENTS` (an alert's) or `CHOSEN_EVENTS` (the workbook's),
then takes what it needs, in the order of this module. Everything is keyed by `deployment` and by
ids, never by names.

Doubled events change nothing: rows are grouped by what they are about, and counted then. No step
sums or counts rows of `events` as they came.
"""

# The workbook's choice of subscriptions. Sweeps and subscriptions are counted before it is made.
IS_CHOSEN = "'*' in ({Subscription}) or subscriptionId in ({Subscription})"

# Every event with the keys that all others are joined by. Two deployments are two worlds.
_KEYS = """| extend deployment = cloud_RoleName,
    sweepId = tostring(customDimensions.sweepId), accountId = tostring(customDimensions.accountId),
    subscriptionId = tostring(customDimensions.subscriptionId)"""
EVENTS = f"""
let events = customEvents
{_KEYS};
""".strip()
_OF_ONE = f"""
let events = customEvents
| where cloud_RoleName == '{{Deployment}}'
{_KEYS}
""".strip()
# Those of one deployment: an alert's.
DEPLOYMENT_EVENTS = f"{_OF_ONE};"
# And of the subscriptions that somebody chose: the workbook's.
CHOSEN_EVENTS = f"{_OF_ONE}\n| where accountId == '' or {IS_CHOSEN};"

# A sweep's id begins with the UTC time at which it began: 20261124T090000Z.
BEGAN = r"""todatetime(replace_regex(sweepId, @'^(\d\d\d\d)(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z.*$',
    @'\1-\2-\3T\4:\5:\6Z'))"""

# What each completed sweep counted, and how much of that was told. `isTold`: all of it.
SWEEPS = f"""
let gaps = events
| where name == 'CoverageGap'
| summarize by deployment, sweepId, subscriptionId,
    gapKind = tostring(customDimensions.gapKind), gapName = tostring(customDimensions.gapName),
    problem = tostring(customDimensions.problem);
let sweeps = materialize(events
| where name == 'SweepCompleted'
| summarize arg_max(timestamp, customDimensions, customMeasurements) by deployment, sweepId
| project deployment, sweepId, began = {BEGAN}, ended = timestamp,
    isWhole = tostring(customDimensions.whole) == 'true',
    reasons = tostring(customDimensions.reasons),
    readCounted = coalesce(tolong(customMeasurements.subscriptionsRead), 0),
    gapsCounted = coalesce(tolong(customMeasurements.gaps), 0)
| join kind=leftouter (events
    | where name == 'SubscriptionRead'
    | summarize by deployment, sweepId, subscriptionId
    | summarize readTold = count() by deployment, sweepId) on deployment, sweepId
| join kind=leftouter (gaps
    | summarize gapsTold = count(), wide = countif(gapKind in ('tenant', 'managementGroup'))
        by deployment, sweepId) on deployment, sweepId
| extend readTold = coalesce(readTold, 0), gapsTold = coalesce(gapsTold, 0),
    wide = coalesce(wide, 0)
| project deployment, sweepId, began, ended, isWhole, reasons, readCounted, readTold,
    gapsCounted, gapsTold, wide,
    isTold = isnotnull(began) and readTold >= readCounted and gapsTold >= gapsCounted);
let wholeTold = sweeps
| where isTold
| project deployment, sweepId, began;
let newest = sweeps
| where isTold
| summarize arg_max(began, sweepId, ended, wide, isWhole, reasons) by deployment;
""".strip()

# The newest name of each subscription; with its id where another one has the same name.
NAMES = """
let named = events
| where name == 'SubscriptionRead'
| summarize arg_max(timestamp, customDimensions) by deployment, subscriptionId
| project deployment, subscriptionId,
    subscriptionName = tostring(customDimensions.subscriptionName);
let names = materialize(named
| join kind=inner (named | summarize alike = count() by deployment, subscriptionName)
    on deployment, subscriptionName
| project deployment, subscriptionId, Subscription = case(isempty(subscriptionName), subscriptionId,
    alike > 1, strcat(subscriptionName, ' (', subscriptionId, ')'), subscriptionName));
""".strip()

# An event of an account whose keys a sweep found on, whatever it made of that.
HAS_KEYS_ON = """name in ('DriftFound', 'AccountHeld')
    or (name == 'ExemptionObserved' and tostring(customDimensions.verdict) == 'EXEMPT')"""

# What is known of each subscription: its newest reading by a sweep with a complete report. `Seen`:
# - Read: the newest such sweep read it, and as many of its accounts were told as it counted;
# - Incomplete: that sweep read it, and fewer were told: its numbers hold, its lists may not;
# - Unseen: that sweep says that it could not read it: what is known is as old as `readAt`;
# - Left the scope: a later sweep saw all of the scope, and this was not in it.
_READINGS = f"""
let current = events
| where name == 'SubscriptionRead'
| lookup kind=inner wholeTold on deployment, sweepId
| summarize arg_max(began, sweepId, timestamp, customDimensions, customMeasurements)
    by deployment, subscriptionId;
let accountsTold = events
| where {HAS_KEYS_ON}
| join kind=inner (current | project deployment, subscriptionId, sweepId)
    on deployment, subscriptionId, sweepId
| summarize by deployment, subscriptionId, name, accountId
| summarize driftTold = countif(name == 'DriftFound'), heldTold = countif(name == 'AccountHeld'),
    exemptTold = countif(name == 'ExemptionObserved') by deployment, subscriptionId;
let unread = gaps
| where gapKind == 'subscription'
| lookup kind=inner wholeTold on deployment, sweepId
| summarize arg_max(began, problem) by deployment, subscriptionId
| project deployment, subscriptionId, unreadBegan = began, problem;
let scopeSeen = sweeps
| where isTold and wide == 0
| summarize scopeSeenAt = max(began) by deployment;
let wideProblem = gaps
| where gapKind in ('tenant', 'managementGroup')
| join kind=inner (newest | project deployment, sweepId) on deployment, sweepId
| summarize wideProblem = min(problem) by deployment;
let readings = materialize(current
| project deployment, subscriptionId, sweepId, began, readAt = timestamp,
    Source = tostring(customDimensions.source), accounts = tolong(customMeasurements.accounts),
    compliant = tolong(customMeasurements.compliant), exempt = tolong(customMeasurements.exempt),
    held = tolong(customMeasurements.held), drift = tolong(customMeasurements.drift)
| join kind=fullouter unread on deployment, subscriptionId
| extend deployment = iff(isempty(deployment), deployment1, deployment),
    subscriptionId = iff(isempty(subscriptionId), subscriptionId1, subscriptionId)
| join kind=leftouter accountsTold on deployment, subscriptionId
| join kind=leftouter (newest | project deployment, newestId = sweepId) on deployment
| join kind=leftouter scopeSeen on deployment
| join kind=leftouter wideProblem on deployment
| join kind=leftouter names on deployment, subscriptionId
| extend never = datetime(1970-01-01)
| extend knownAt = max_of(coalesce(began, never), coalesce(unreadBegan, never)),
    isTold = coalesce(driftTold, 0) >= coalesce(drift, 0)
        and coalesce(heldTold, 0) >= coalesce(held, 0)
        and coalesce(exemptTold, 0) >= coalesce(exempt, 0)
| extend Seen = case(sweepId == newestId and isTold, 'Read', sweepId == newestId, 'Incomplete',
    isnotnull(scopeSeenAt) and scopeSeenAt > knownAt, 'Left the scope', 'Unseen')
| project deployment, subscriptionId, sweepId, began, readAt, Seen,
    Subscription = iff(isempty(Subscription), subscriptionId, Subscription), Source,
    accounts, compliant, exempt, held, drift, driftTold = coalesce(driftTold, 0),
    heldTold = coalesce(heldTold, 0), exemptTold = coalesce(exemptTold, 0), isTold,
    Problem = case(Seen == 'Incomplete', 'its report lacks counted accounts: late, or lost',
        Seen != 'Unseen', '', isnotnull(unreadBegan) and (isnull(began) or unreadBegan > began),
        problem, wideProblem)
<chosen>);
let present = readings
| where Seen != 'Left the scope';
""".strip()


def readings(chosen: str = "") -> str:
    """Return the statements that make `readings` and `present`, where a condition holds."""
    return _READINGS.replace("\n<chosen>", f"\n| where {chosen}" if chosen else "")


# infra/alerts.yaml names it.
READINGS = readings()


# Of account events, those of the reading of their subscription, once each.
CURRENT = """
| join kind=inner (present | project deployment, subscriptionId, sweepId, Subscription, readAt)
    on deployment, subscriptionId, sweepId
| summarize arg_max(timestamp, *) by deployment, accountId
""".strip()

# Results after which an account's keys are not on any more without anybody's leave.
SETTLED = "'DISABLED', 'ALREADY_OFF', 'GONE', 'NOW_EXEMPT', 'NOW_HELD', 'OUT_OF_SCOPE'"

# Each account that is known to be adrift, and what came of it: of the reading of its subscription
# or, newer than that, of a sweep that still runs, was killed, or has no complete report. A drift
# that nobody told the end of is NOT_TOLD. `open`: what is not settled.
DRIFTS = f"""
let outcomes = events
| where name == 'RemediationOutcome'
| summarize arg_max(timestamp, customDimensions) by deployment, sweepId, accountId
| project deployment, sweepId, accountId, Result = tostring(customDimensions.result),
    Detail = tostring(customDimensions.detail), Code = tostring(customDimensions.azureCode),
    Message = tostring(customDimensions.azureMessage);
let drifted = materialize(events
| where name == 'DriftFound'
| extend foundBegan = {BEGAN}
| join kind=leftouter (readings
    | project deployment, subscriptionId, readSweep = sweepId, readBegan = began, Seen,
        Subscription, readAt) on deployment, subscriptionId
| where Seen != 'Left the scope' or foundBegan > readBegan
| where isnull(readBegan) or sweepId == readSweep or foundBegan > readBegan
| summarize arg_max(foundBegan, *) by deployment, accountId
| join kind=leftouter outcomes on deployment, sweepId, accountId
| extend Account = tostring(customDimensions.accountName),
    Result = iff(isempty(Result), 'NOT_TOLD', Result),
    Subscription = iff(isempty(Subscription), subscriptionId, Subscription),
    isOfReading = sweepId == readSweep, hours = todouble(customMeasurements.openHours),
    known = tostring(customDimensions.openSinceKnown));
let open = drifted
| where Result !in ({SETTLED});
""".strip()
