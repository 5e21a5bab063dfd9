"""Lists: what every table says beside its rows. What is not known, and that rows are cut."""

from infra.workbook.steps import MOST_ROWS

_DOUBTFUL = """,
(print line = 0, {column} = strcat('Not all is known. ', doubt) | where isnotempty(doubt))"""


def listed(
    known: str, rows: str, columns: str, order: str, column: str = "Account", *, now: bool = True
) -> str:
    """Return a query for rows, by what is `known` before.

    `column` is a text among `columns`: it says that rows are cut and, `now`, what is in doubt. So a
    list of what stands now is empty only if it is known that there is nothing.
    """
    doubtful = _DOUBTFUL.format(column=column) if now else ""
    return f"""
{known}
let listed = materialize({rows.strip()});
let found = toscalar(listed | summarize count());
union (listed | extend line = 2),
(print line = 1, {column} = strcat('Not all of ', tostring(found),
    ' rows are shown: ask Logs for them.') | where found >= {MOST_ROWS}){doubtful}
| order by line asc, {order}
| project {columns}"""
