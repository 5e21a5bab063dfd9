"""Spans: from when to when an account's keys were on, who turned them on, and with whose leave.

What begins one: the platform's change log says that keys were turned on, or a sweep saw them on.
What ends one: the change log or an outcome says that they are off, or a later sweep with a
complete report read the subscription and did not find the account with its keys on. A change counts
once, by its own id, however often it was told. Of a span that an exemption covered for a part, as
much is exposure as sweeps saw without it.
"""

from infra.readings import CHOSEN_EVENTS, HAS_KEYS_ON, NAMES, SWEEPS

# What an account is, as last told, and what stands in its id.
FACTS = """
let facts = events
| where isnotempty(accountId) and isnotempty(tostring(customDimensions['kind']))
| summarize arg_max(timestamp, customDimensions) by deployment, accountId
| project deployment, accountId, Kind = tostring(customDimensions['kind']),
    Region = tostring(customDimensions.location);
let described = events
| where isnotempty(accountId)
| summarize arg_max(timestamp, customDimensions) by deployment, accountId, subscriptionId
| project deployment, accountId, subscriptionId,
    Account = tostring(customDimensions.accountName),
    ResourceGroup = tostring(split(accountId, '/')[4])
| join kind=leftouter facts on deployment, accountId
| join kind=leftouter names on deployment, subscriptionId
| project deployment, accountId, Account, ResourceGroup, Kind = coalesce(Kind, ''),
    Region = coalesce(Region, ''),
    Subscription = iff(isempty(Subscription), subscriptionId, Subscription);
""".strip()

# Every change of an account's keys that was told, once.
TURNS = """
let turns = materialize(events
| where name == 'KeyAccessChanged'
| summarize arg_max(timestamp, subscriptionId, accountId, customDimensions)
    by deployment, changeId = tostring(customDimensions.changeId)
| project deployment, subscriptionId, accountId,
    At = todatetime(tostring(customDimensions.changedAt)),
    Turned = tostring(customDimensions.turned),
    By = iff(tostring(customDimensions.ours) == 'true', 'Keysweep',
        tostring(customDimensions.changedBy)),
    Type = tostring(customDimensions.changedByType), With = tostring(customDimensions.client));
""".strip()

# The change log may lag for so long: a sweep that began before need not have seen a change.
_LAG = "10m"

_SPANS = f"""
let sightings = materialize(events
| where {HAS_KEYS_ON}
| summarize by deployment, subscriptionId, accountId, sightedAt = timestamp,
    isExempt = name == 'ExemptionObserved',
    since = coalesce(todatetime(tostring(customDimensions.openSince)), timestamp),
    known = tostring(customDimensions.openSinceKnown),
    isLogged = tostring(customDimensions.attribution) == 'changeLog',
    who = tostring(customDimensions.changedBy), client = tostring(customDimensions.client));
let starts = union
(turns | where Turned == 'on'
| project deployment, subscriptionId, accountId, On = At, Known = 'exactly', By, With),
(sightings
| project deployment, subscriptionId, accountId, On = since,
    Known = iff(known == 'exactly', 'exactly', 'at least'),
    By = iff(isLogged, who, ''), With = iff(isLogged, client, ''));
let ends = union
(turns | where Turned == 'off' | project deployment, accountId, offAt = At),
(events
| where name == 'RemediationOutcome'
    and tostring(customDimensions.result) in ('DISABLED', 'ALREADY_OFF', 'GONE')
| project deployment, accountId, offAt = timestamp);
let merged = starts
| join kind=leftouter ends on deployment, accountId
| summarize Off = min(iff(offAt >= On, offAt, datetime(null)))
    by deployment, subscriptionId, accountId, On, Known, By, With
| summarize arg_min(On, Known, By, With) by deployment, subscriptionId, accountId, Off;
let lastSeen = sightings
| summarize lastSeen = max(sightedAt) by deployment, accountId;
let wholeReads = events
| where name == 'SubscriptionRead'
| lookup kind=inner wholeTold on deployment, sweepId
| summarize by deployment, subscriptionId, began;
let vanished = merged
| where isnull(Off)
| join kind=leftouter lastSeen on deployment, accountId
| extend seenAt = max_of(coalesce(lastSeen, On), On)
| join kind=inner wholeReads on deployment, subscriptionId
| where began > seenAt + {_LAG}
| summarize goneBy = min(began) by deployment, accountId;
let ended = merged
| join kind=leftouter vanished on deployment, accountId
| extend goneBy = iff(isnull(Off), goneBy, datetime(null))
| extend Ended = case(isnotnull(Off), 'off', isnotnull(goneBy), 'not found any more', 'still on'),
    End = coalesce(Off, goneBy, {{TimeRange:end}})
| where End > {{TimeRange:start}} and On < {{TimeRange:end}}
| project deployment, subscriptionId, accountId, On, Known, By, With, End, Ended;
let spans = materialize(ended
| join kind=leftouter (sightings | project deployment, accountId, sightedAt, isExempt)
    on deployment, accountId
| summarize seen = countif(sightedAt >= On and sightedAt <= End),
    seenExempt = countif(isExempt and sightedAt >= On and sightedAt <= End)
    by deployment, subscriptionId, accountId, On, Known, By, With, End, Ended
| extend Leave = case(seenExempt == 0, 'none', seenExempt < seen, 'for a part', 'exempt'),
    hoursOn = (min_of(End, {{TimeRange:end}}) - max_of(On, {{TimeRange:start}})) / 1h,
    minutesToOff = iff(Ended == 'off' and Known == 'exactly', (End - On) / 1m, real(null))
| extend hoursExposed = iff(seen == 0, hoursOn, hoursOn * (seen - seenExempt) / seen)
| join kind=leftouter described on deployment, accountId
| project deployment, subscriptionId, accountId, Account, Subscription, ResourceGroup, Kind,
    Region, On, Known, By, With, End, Ended, Leave, hoursOn, hoursExposed, minutesToOff);
""".strip()

SPANS = f"{CHOSEN_EVENTS}\n{SWEEPS}\n{NAMES}\n{FACTS}\n{TURNS}\n{_SPANS}"
"""`spans`: what was on in the time range, of the chosen deployment and subscriptions."""
