"""Ten queries for Logs, on the one definition of now. `make docs` writes them to the docs."""

from infra.readings import CURRENT, DRIFTS, EVENTS, NAMES, SWEEPS, readings

DEFINITION = f"{EVENTS}\n{SWEEPS}\n{NAMES}\n{readings()}\n{DRIFTS}"
"""What each of them stands on: `let` statements that go above it."""

READY_QUERIES = {
    "Which accounts are open now, as the newest reading of each subscription left them": """
open
| project deployment, accountId, result = Result, readAt, seen = Seen, azureCode = Code,
    detail = Detail
| order by result asc, accountId asc""",
    "How many accounts each sweep found in each state, and whether its report is complete": """
events
| where name == 'SweepCompleted'
| summarize arg_max(timestamp, customMeasurements) by deployment, sweepId
| join kind=inner (sweeps | project deployment, sweepId, isTold) on deployment, sweepId
| project timestamp, deployment, isTold, accounts = toint(customMeasurements.accounts),
    compliant = toint(customMeasurements.compliant), exempt = toint(customMeasurements.exempt),
    held = toint(customMeasurements.held), drift = toint(customMeasurements.drift)
| order by timestamp asc""",
    "When each subscription was last read, and what was found there": """
readings
| project deployment, subscription = Subscription, seen = Seen, readAt, accounts, drift,
    problem = Problem
| order by readAt asc, subscription asc""",
    "Whose keys were turned off, when": """
events
| where name == 'RemediationOutcome' and tostring(customDimensions.result) == 'DISABLED'
| summarize timestamp = max(timestamp) by deployment, sweepId, accountId
| order by timestamp desc""",
    "Who turned keys on, by author and client": """
events
| where name == 'KeyAccessChanged' and tostring(customDimensions.turned) == 'on'
| summarize by changeId = tostring(customDimensions.changeId), accountId,
    changedBy = tostring(customDimensions.changedBy), client = tostring(customDimensions.client)
| summarize times = count() by changedBy, client, accountId
| summarize times = sum(times), accounts = count() by changedBy, client
| order by times desc, changedBy asc""",
    "Exemptions that lapse within 30 days": f"""
events
| where name == 'ExemptionObserved'
{CURRENT}
| extend daysLeft = toint(customMeasurements.daysLeft)
| where tostring(customDimensions.verdict) == 'EXEMPT' and daysLeft between (0 .. 30)
| project deployment, accountId, daysLeft, owner = tostring(customDimensions.exemptionOwner),
    reason = tostring(customDimensions.exemptionReason), readAt
| order by daysLeft asc""",
    "What is held, and what to mend": f"""
events
| where name == 'AccountHeld'
{CURRENT}
| project deployment, accountId, readAt, holdReason = tostring(customDimensions.holdReason),
    reason = tostring(customDimensions.reason)
| order by holdReason asc, accountId asc""",
    "Accounts that flip, with both sides": """
events
| where name == 'PatchWar'
| summarize arg_max(timestamp, customDimensions, customMeasurements) by deployment, accountId
| project accountId, flips = toint(customMeasurements.flips),
    turnedOnBy = tostring(customDimensions.turnedOnBy),
    turnedOnClient = tostring(customDimensions.turnedOnClient),
    turnedOffBy = tostring(customDimensions.turnedOffBy)
| order by flips desc""",
    "Sweeps that started and never completed (the newest may still run)": """
events
| where name == 'SweepStarted'
| summarize arg_max(timestamp, customDimensions) by deployment, sweepId
| join kind=leftanti (events | where name == 'SweepCompleted') on deployment, sweepId
| project timestamp, deployment, sweepId, mode = tostring(customDimensions.mode)""",
    "Requests to Azure by answer, a day at a time": """
customMetrics
| where name == 'keysweep.requests'
| summarize by timestamp, cloud_RoleName, cloud_RoleInstance, valueSum,
    method = tostring(customDimensions.method), outcome = tostring(customDimensions.outcome)
| summarize requests = sum(valueSum) by day = bin(timestamp, 1d), outcome
| order by day asc, outcome asc""",
}
"""KQL by what it answers."""
