"""Logged calls: what a Log Analytics workspace that a reader chooses knows of who calls accounts.

Accounts send their calls there by a diagnostic setting; Keysweep's telemetry holds none of them. A
workspace is named by its resource id: azure-monitor-docs, logs/workspace-expression.md, which asks
for the right to read in it as well. No rows are no evidence: an account that logs elsewhere, or
not at all, has none either, so nothing here calms.
"""

from infra.readings import IS_CHOSEN
from infra.workbook.exemptions import TAGGED
from infra.workbook.held import HELD
from infra.workbook.parameters import WORKSPACE
from infra.workbook.steps import Step, text, where_chosen, where_not_chosen
from keysweep.impact.callers import CALLER, CALLS, NOBODYS_USE, REFUSED, TABLE

# Calls of the chosen subscriptions. `Model` is what a caller names as the deployment.
LOGGED = f"""
let logged = workspace('{{{WORKSPACE}}}').{TABLE}
{CALLS}{CALLER}| extend accountId = tolower(_ResourceId), Code = tostring(ResultSignature)
| extend subscriptionId = tostring(split(accountId, '/')[2])
| where {IS_CHOSEN}
| project TimeGenerated, subscriptionId, accountId, caller, Code, Model = deployment,
    Operation = OperationName, CallerIPAddress;
""".strip()
IS_KEYED = f"caller == 'key' and Code != '{NOBODYS_USE}'"
"""Whether a call was made with a key: one of nobody's used none."""
IS_REFUSED = f"Code in {REFUSED}"

# From where calls came. Azure masks the addresses; by a service endpoint there is none.
ADDRESSES = "addresses = make_set(CallerIPAddress, 20)"
FROM = "From = strcat_array(array_sort_asc(addresses), ' ')"

# What the newest readings say has its keys on, whatever they make of it.
KEYS_ON = f"""
{TAGGED}
{HELD}
let keysOn = materialize(union
(open | project Account, Subscription, accountId, State = 'adrift', LastRead = timestamp),
(heldNow | project Account, Subscription, accountId, State = 'held', LastRead),
(inForce | project Account, Subscription, accountId, State = 'exempt', LastRead)
| summarize arg_max(LastRead, Account, Subscription, State) by accountId);
""".strip()

# A row may be two hours late (azure-monitor-docs, logs/data-ingestion-time.md), and an account may
# rest at night: a log reaches to both ends of the time range if it has a row within this.
REACH = "1d"


def sources(tab: str, what: str) -> list[Step]:
    """Return the words of a tab: what to choose while nothing is chosen, and what it can't see."""
    return [
        where_not_chosen(WORKSPACE, text(f"{tab}-choose", _CHOOSE, "warning")),
        where_chosen(WORKSPACE, text(f"{tab}-what", what, "info")),
    ]


def of_log(*steps: Step) -> list[Step]:
    """Return steps that ask a workspace: they are shown once one is chosen."""
    return [where_chosen(WORKSPACE, step) for step in steps]


_CHOOSE = (
    "**Choose a workspace above**, as *Log of calls*. Nobody's calls are in Keysweep's telemetry. "
    "Accounts log them to a Log Analytics workspace, if they have a diagnostic setting with the "
    "category `RequestResponse`; you need the right to read in that workspace. Until one is "
    "chosen, nothing is known of who uses keys. `keysweep impact` finds the workspaces itself, and "
    "prints the command that switches logging on. (`keysweep dashboard` takes the calls with "
    "`--diagnostics`.)"
)
