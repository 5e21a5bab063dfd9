"""Lists: what every table says beside its rows. What is not known, what is left out, what is cut.

A list of accounts has their owners, and leaves out whom a reader did not choose.
"""

from infra.workbook.steps import MOST_ROWS

# Who is to be asked about an account, as last told. What the parameter puts between quotes holds
# none: a tag may say anything.
OWNERS = r"""
let owners = events
| where isnotempty(accountId) and name in ('DriftFound', 'AccountHeld', 'RemediationOutcome',
    'ExemptionObserved')
| summarize arg_max(timestamp, customDimensions) by deployment, accountId
| project deployment, accountId,
    Owner = replace_regex(tostring(customDimensions.owner), @"['\\]", '_'),
    ownerFrom = tostring(customDimensions.ownerFrom)
| extend Owner = iff(isempty(Owner), 'not known', Owner);
""".strip()

_DOUBTFUL = """,
(print line = 0, {column} = strcat('Not all is known. ', doubt) | where isnotempty(doubt))"""
_OWNED = """
| join kind=leftouter (owners | project accountId, Owner, ownerFrom) on accountId
| extend Owner = iff(isempty(Owner), 'not known', Owner)"""
_IS_OWNERS = "'*' in ({Owner}) or Owner in ({Owner})"
_LEFT_OUT = """,
(print line = 0, {column} = strcat('Of other owners, and not shown: ', tostring(leftOut),
    ' rows.') | where leftOut > 0)"""


def listed(
    known: str,
    rows: str,
    columns: str,
    order: str,
    column: str = "Account",
    *,
    owner: str = "",
    now: bool = True,
) -> str:
    """Return a query for rows, by what is `known` before.

    `owner` names the parameter by which a click chooses one owner; empty: there is none.

    `column` is a text among `columns`: it says that rows are cut and, `now`, what is in doubt. So a
    list of what stands now is empty only if it is known that there is nothing.
    """
    doubtful = _DOUBTFUL.format(column=column) if now else ""
    if columns.endswith(", accountId"):
        return _listed_by_owner(known, rows.strip(), columns, order, doubtful, _is_owners(owner))
    return f"""
{known}
let listed = materialize({rows.strip()});
{_shown(columns, order, column, doubtful)}"""


def _is_owners(clicked: str) -> str:
    if not clicked:
        return _IS_OWNERS
    return f"({_IS_OWNERS}) and ('{{{clicked}}}' == '*' or Owner == '{{{clicked}}}')"


def _listed_by_owner(
    known: str, rows: str, columns: str, order: str, doubtful: str, is_owners: str
) -> str:
    owned = columns.replace("Subscription", "Subscription, Owner", 1)
    left_out = _LEFT_OUT.format(column="Account")
    return f"""
{known}
{OWNERS}
let everybodys = materialize({rows}{_OWNED});
let listed = everybodys
| where {is_owners};
let leftOut = toscalar(everybodys | summarize countif(not({is_owners})));
{_shown(owned, order, "Account", doubtful + left_out)}"""


def _shown(columns: str, order: str, column: str, beside: str) -> str:
    return f"""let found = toscalar(listed | summarize count());
union (listed | extend line = 2),
(print line = 1, {column} = strcat('Not all of ', tostring(found),
    ' rows are shown: ask Logs for them.') | where found >= {MOST_ROWS}){beside}
| order by line asc, {order}
| project {columns}"""
