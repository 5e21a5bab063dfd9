"""The first tab: how it stands."""

from infra.readings import CHOSEN_EVENTS, IS_CHOSEN, SWEEPS
from infra.workbook.freshness import NOW, NOW_WITH_DRIFTS
from infra.workbook.lists import listed
from infra.workbook.steps import Step, bar, chart, grid, icon, moment, tab, tiles, ways
from infra.workbook.words import ICONS_SEEN, ICONS_WHOLE, STATES

# The newest reading of each subscription in each interval of a chart, by complete reports.
READ_OVER_TIME = f"""
{CHOSEN_EVENTS}
{SWEEPS}
events
| where name == 'SubscriptionRead'
| where {IS_CHOSEN}
| lookup kind=inner wholeTold on deployment, sweepId
| summarize arg_max(began, customMeasurements)
    by subscriptionId, Time = bin(timestamp, {{TimeRange:grain}})
""".strip()


def overview() -> Step:
    """Return the tab."""
    return tab(
        "Overview",
        _now(),
        ways("overview-ways", "Drift", "Held and failed", "Exemptions", "Health"),
        _states_over_time(),
        _compliance_over_time(),
        _last_sweeps(),
        _coverage(),
        _gaps(),
        _would_do(),
    )


def _now() -> Step:
    return tiles(
        "overview-now",
        "Now: as the newest reading of each subscription left it",
        f"""
{NOW_WITH_DRIFTS}
let numbers = present
| summarize accounts = sum(accounts), compliant = sum(compliant), exempt = sum(exempt),
    held = sum(held), unseen = countif(Seen == 'Unseen'), read = countif(isnotnull(readAt))
| extend open = toscalar(open | summarize count()),
    fixed = toscalar(drifted | summarize countif(isOfReading
        and Result in ('DISABLED', 'ALREADY_OFF'))),
    nowExempt = toscalar(drifted | summarize countif(isOfReading and Result == 'NOW_EXEMPT')),
    nowHeld = toscalar(drifted | summarize countif(isOfReading and Result == 'NOW_HELD')),
    gone = toscalar(drifted | summarize countif(isOfReading
        and Result in ('GONE', 'OUT_OF_SCOPE'))),
    wide = coalesce(toscalar(newest | summarize max(wide)), 0), isKnown = isempty(doubt)
| extend nothing = case(read == 0, 'nothing was read', isKnown, '', 'not sure: see above'),
    unsure = case(read == 0, 'bad', isKnown, 'good', 'warn');
union
(numbers | project place = 1, Title = 'Open drift',
    Value = iff(read == 0 and open == 0, long(null), open),
    status = iff(open > 0, 'bad', unsure),
    Note = case(open > 0, 'see Drift', isKnown, 'none', nothing)),
(numbers | project place = 2, Title = 'Held', Value = iff(read == 0, long(null), held + nowHeld),
    status = iff(held + nowHeld > 0, 'warn', unsure),
    Note = case(held + nowHeld > 0, 'see Held and failed', isKnown, 'none', nothing)),
(numbers | project place = 3, Title = 'Exempt',
    Value = iff(read == 0, long(null), exempt + nowExempt), status = '',
    Note = iff(read == 0, nothing, 'see Exemptions')),
(numbers | project place = 4, Title = 'Keys off',
    Value = iff(read == 0, long(null), compliant + fixed), status = iff(isKnown, 'good', ''),
    Note = iff(read == 0, nothing, strcat('of ', tostring(accounts - gone), ' accounts'))),
(numbers | project place = 5, Title = 'Unseen subscriptions', Value = unseen,
    status = iff(unseen + wide > 0, 'bad', unsure),
    Note = case(wide > 0, 'a whole scope: see Health', unseen > 0, 'not fixed: see Health',
        isKnown, 'all were read', nothing))
""",
        "Nothing was received in this time range.",
    )


def _states_over_time() -> Step:
    return chart(
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
        "No sweep with a complete report read a subscription in this time range.",
        "barchart",
        STATES,
    )


def _compliance_over_time() -> Step:
    return chart(
        "overview-compliance-over-time",
        "Compliance of what was read, with and without the exempt, %",
        f"""
{READ_OVER_TIME}
| summarize off = sum(toint(customMeasurements.compliant)),
    leave = sum(toint(customMeasurements.exempt)), every = sum(toint(customMeasurements.accounts))
    by Time
| where every > 0
| mv-expand Counted = dynamic(['Keys off', 'Keys off or exempt']) to typeof(string)
| project Time, Counted,
    Share = round(100.0 * (off + iff(Counted == 'Keys off', 0, leave)) / every, 1)
| order by Time asc, Counted asc""",
        "No sweep with a complete report read a subscription in this time range.",
        "linechart",
        {"Keys off": "green", "Keys off or exempt": "blue"},
        unit=1,
    )


def _last_sweeps() -> Step:
    return grid(
        "overview-last-sweeps",
        "The newest sweep, and the newest whole one, of those with a complete report",
        f"""
{CHOSEN_EVENTS}
{SWEEPS}
let completed = events
| where name == 'SweepCompleted'
| summarize arg_max(timestamp, customDimensions, customMeasurements) by deployment, sweepId
| join kind=inner (sweeps | where isTold | project deployment, sweepId, began, isWhole)
    on deployment, sweepId
| project began, Finished = timestamp, isWhole, Whole = iff(isWhole, 'yes', 'no'),
    Mode = tostring(customDimensions.mode),
    Read = toint(customMeasurements.subscriptionsRead), Gaps = toint(customMeasurements.gaps),
    Accounts = toint(customMeasurements.accounts), Drift = toint(customMeasurements.drift),
    InForce = toint(customMeasurements.driftEnforced),
    ToCome = toint(customMeasurements.driftToCome),
    Audited = toint(customMeasurements.driftAudited),
    Disabled = toint(customMeasurements.disabled), Why = tostring(customDimensions.reasons);
union
(completed | top 1 by began desc | extend Sweep = 'Newest'),
(completed | where isWhole | top 1 by began desc | extend Sweep = 'Newest whole')
| project Sweep, Finished, Whole, Mode, Read, Gaps, Accounts, Drift, InForce, ToCome, Audited,
    Disabled, Why
| order by Sweep asc""",
        "No sweep of this time range has a complete report: look at Health.",
        [*moment("Finished"), icon("Whole", ICONS_WHOLE)],
        {
            "Read": "Subscriptions read",
            "InForce": "Drift in rings in force",
            "ToCome": "In rings to come",
            "Audited": "In no ring, or in audit",
            "Why": "Why it is not whole",
        },
    )


def _coverage() -> Step:
    return grid(
        "overview-coverage",
        "Coverage: every subscription, and when it was last seen",
        listed(
            NOW,
            """readings
| project Subscription, Seen, LastRead = readAt, Accounts = accounts, Compliant = compliant,
    Exempt = exempt, Held = held, Drift = drift, Source, Problem,
    place = case(Seen == 'Unseen', 0, Seen == 'Incomplete', 1, Seen == 'Read', 2, 3)""",
            "Subscription, Seen, LastRead, Accounts, Compliant, Exempt, Held, Drift, Source, "
            "Problem",
            "place asc, Drift desc, Held desc, Subscription asc",
            "Subscription",
        ),
        "No sweep of this time range has a complete report: look at Health.",
        [*moment("LastRead"), icon("Seen", ICONS_SEEN)],
        {"LastRead": "Last read", "Compliant": "Keys off", "Drift": "Drift, as found"},
    )


def _gaps() -> Step:
    return grid(
        "overview-gaps",
        "Gaps of the newest sweep: what is behind them is unseen, not fixed",
        listed(
            NOW,
            f"""gaps
| where isempty(subscriptionId) or {IS_CHOSEN}
| join kind=inner (newest | project deployment, sweepId) on deployment, sweepId
| join kind=leftouter names on deployment, subscriptionId
| project Kind = gapKind, Name = iff(gapKind == 'subscription' and isnotempty(Subscription),
    Subscription, gapName), Problem = problem,
    Subscription = iff(isempty(Subscription), subscriptionId, Subscription)""",
            "Kind, Name, Subscription, Problem",
            "Kind asc, Name asc",
            "Name",
        ),
        "The newest sweep told of no gap, and read everything.",
        fine=True,
    )


def _would_do() -> Step:
    return grid(
        "overview-would-do",
        "Outside the rings in force, and while in audit: what enforce would do",
        f"""
{NOW_WITH_DRIFTS}
open
| where Result == 'WOULD_DISABLE'
| summarize Accounts = count(), NoSubdomain = countif(
    tostring(customDimensions.noCustomSubdomain) == 'true'), Detail = min(Detail),
    From = min(todatetime(tostring(customDimensions.enforceFrom)))
    by subscriptionId, Subscription
| order by Accounts desc, Subscription asc
| project Subscription, Accounts, From, NoSubdomain, Detail""",
        "The newest readings tell of no drift that waits for its ring, or for the end of audit.",
        [bar("Accounts"), *moment("From")],
        {
            "Accounts": "Would turn off",
            "From": "Keys go off on",
            "NoSubdomain": "Of them without a subdomain: not reachable by Entra ID",
            "Detail": "How",
        },
    )
