"""An account's history: on, off, exempt, held, refused, and told by whom.

A table of accounts hands the account that is chosen in it to the history below it, by an exported
parameter. Until one is chosen there are those of all accounts.
"""

from infra.readings import CHOSEN_EVENTS, NAMES
from infra.workbook.lists import listed
from infra.workbook.spans import FACTS, TURNS
from infra.workbook.steps import ACCOUNT, Step, grid, icon, moment

_ALL = "*"
# A parameter is seen below the step that exports it, on its tab alone.
OWNER_OF = {"who": "WhoseOwner"}
HISTORY_OF = {"exposure": "ExposedAccount", "evidence": "EvidenceAccount", "who": "WhoseAccount"}

# What was told of accounts, once for each time that it became something else.
_TOLD = """
let told = union
(turns | project deployment, accountId, At, What = Turned, By, Detail = With,
    ToldBy = 'change log'),
(events
| where name == 'DriftFound'
| summarize At = min(timestamp), sweeps = dcount(sweepId)
    by deployment, accountId, Detail = tostring(customDimensions.reason),
        By = iff(tostring(customDimensions.attribution) == 'changeLog',
            tostring(customDimensions.changedBy), '')
| project deployment, accountId, At, What = 'adrift', By,
    Detail = strcat(Detail, ' Seen by ', tostring(sweeps), ' sweeps.'), ToldBy = 'sweep'),
(events
| where name == 'ExemptionObserved'
| summarize At = min(timestamp)
    by deployment, accountId, state = tostring(customDimensions.state),
        ends = tostring(customDimensions['until']), By = tostring(customDimensions.exemptionOwner),
        reason = tostring(customDimensions.exemptionReason)
| project deployment, accountId, At, What = strcat('exemption ', state), By,
    Detail = strcat(reason, iff(isempty(ends), '', strcat(' Until ', ends, '.'))),
    ToldBy = 'sweep'),
(events
| where name == 'AccountHeld'
| summarize At = min(timestamp)
    by deployment, accountId, Detail = tostring(customDimensions.reason)
| project deployment, accountId, At, What = 'held', By = '', Detail, ToldBy = 'sweep'),
(events
| where name == 'RemediationOutcome'
| summarize At = min(timestamp) by deployment, accountId,
    result = tostring(customDimensions.result), detail = tostring(customDimensions.detail),
    message = tostring(customDimensions.azureMessage)
| where result != 'WOULD_DISABLE'
| project deployment, accountId, At, What = result, By = 'Keysweep',
    Detail = iff(isempty(message), detail, strcat(detail, ' ', message)), ToldBy = 'sweep');
""".strip()
_ICONS = {
    "on": "warning", "off": "success", "adrift": "error", "held": "pending",
    "exemption active": "info", "exemption lapsed": "warning", "exemption refused": "info",
    "exemption unreadable": "error", "DISABLED": "success", "LOCKED": "warning",
    "POLICY_DENIED": "warning", "NO_ROLE": "error", "UNVERIFIED": "error", "FAILED": "error",
}  # fmt: skip


def picked(step: Step, parameter: str, column: str = "accountId") -> Step:
    """Let a click on a row of a table choose its account, or what else stands in a column."""
    step["content"]["exportedParameters"] = [
        {
            "fieldName": column,
            "parameterName": parameter,
            "parameterType": 1,
            "defaultValue": _ALL,
        }
    ]
    return step


def history(tab: str) -> Step:
    """Return the history of the account that is chosen above, on one of the tabs."""
    parameter = HISTORY_OF[tab]
    return grid(
        f"{tab}-history",
        "History of the account that is chosen above, or of all",
        listed(
            f"{CHOSEN_EVENTS}\n{NAMES}\n{FACTS}\n{TURNS}\n{_TOLD}",
            f"""told
| where '{{{parameter}}}' == '{_ALL}' or accountId == '{{{parameter}}}'
| join kind=leftouter described on deployment, accountId""",
            "At, Account, Subscription, What, By, Detail, ToldBy, accountId",
            "At desc, Account asc",
            owner=OWNER_OF.get(tab, ""),
            now=False,
        ),
        "No sweep told anything of it in this time range.",
        [*ACCOUNT, *moment("At"), icon("What", _ICONS)],
        {"At": "When first told", "ToldBy": "Told by"},
    )
