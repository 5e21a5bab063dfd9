"""What the Resource Graph engine does because Azure does it, each with its source.

"fact n" is a numbered fact of the README that lies beside the recorded exchanges in
tests/data/recorded; arg-ok-01 and the like are exchanges.
"""

from local_azure.sources import Behaviour

_QL = "azure-docs governance/resource-graph/concepts/query-language.md (2024-03-20)"
_WD = "azure-docs governance/resource-graph/concepts/work-with-data.md (2021-05-17)"
_FACTS = "data/recorded/README.md fact"
_KUSTO = "Kusto documentation, as duckdb-kql 1.1.2 measured it on the Kusto emulator"

BEHAVIOURS: tuple[Behaviour, ...] = (
    # answers and pages
    Behaviour("Graph: key order of an answer", f"{_FACTS} 39 (arg-ok-01, arg-ok-07)", "recorded"),
    Behaviour("Graph: resultTruncated is a string, facets is []", f"{_FACTS} 39", "recorded"),
    Behaviour(
        "Graph: $skipToken is base64 of pretty CRLF JSON and carries the page size",
        f"{_FACTS} 40 (arg-ok-01)",
        "recorded",
    ),
    Behaviour("Graph: a token comes without order by too", f"{_FACTS} 40", "recorded"),
    Behaviour("Graph: totalRecords counts all rows, after limit", f"{_FACTS} 40", "recorded"),
    Behaviour("Graph: no token unless id is projected; then truncated", _WD, "documented"),
    Behaviour("Graph: 100 rows by default, at most 1000", _WD, "documented"),
    Behaviour("Graph: limit or take in the query switches $skip off", _WD, "documented"),
    Behaviour("Graph: pages without order by are random and not repeatable", _WD, "documented"),
    Behaviour(
        "Graph: rows that tie in the sort move between pages", f"follows from {_WD}", "inferred"
    ),
    Behaviour(
        "Graph: the first page without order by is in the order of writing",
        "a choice: no order is promised",
        "inferred",
    ),
    Behaviour("Graph: a summarized or distinct answer has no second page", _QL, "documented"),
    Behaviour(
        "Graph: resultTruncated 'true' for a summarized answer that is cut",
        f"{_WD} says so for answers that cannot be paged",
        "inferred",
    ),
    Behaviour("Graph: objectArray is the default since 2021-03-01", f"{_FACTS} 44", "recorded"),
    Behaviour(
        "Graph: the table format, default in 2018", f"{_FACTS} 44 (arg-table-01)", "recorded"
    ),
    Behaviour(
        "Graph: types of a table's columns other than string and object",
        "arg-table-01 shows string; ColumnDataType in Microsoft's specification lists the rest",
        "documented",
    ),
    Behaviour("Graph: facets and facet errors", f"{_FACTS} 43 (arg-ok-07)", "recorded"),
    Behaviour("Graph: order of facet rows that tie: by value", "arg-ok-07 fits it", "inferred"),
    Behaviour("Graph: facet options filter, sortBy", "Microsoft's specification", "documented"),
    Behaviour(
        "Graph: an answer over 16 MiB is 400 ResponsePayloadTooLarge",
        "microsoft/ARI#199 and dolevshor/azure-orphan-resources#46 (bodies pasted by users)",
        "recorded",
    ),
    # rows
    Behaviour("Graph: type, location, resourceGroup are lower case", f"{_FACTS} 42", "recorded"),
    Behaviour("Graph: empty string columns are '', others null", f"{_FACTS} 42", "recorded"),
    Behaviour("Graph: tags null or {} as held", f"{_FACTS} 42 (arg-ok-09)", "recorded"),
    Behaviour(
        "Graph: datetimes lose trailing zeros of the fraction and end in Z",
        "resourcechanges-whole-answer (2025)",
        "recorded",
    ),
    Behaviour("Graph: a computed boolean is true or false", "no recording shows one", "unverified"),
    Behaviour("Graph: timespans as [d.]hh:mm:ss[.fffffff]", _KUSTO, "inferred"),
    Behaviour(
        "Graph: rows of subscriptions that the caller can't read are left out",
        "azure-docs governance/resource-graph/overview.md",
        "documented",
    ),
    # the language
    Behaviour("Graph: a query without a table asks resources", f"{_QL}; arg-ok-01", "recorded"),
    Behaviour("Graph: names of tables in any case", _QL, "documented"),
    Behaviour("Graph: kind and type are column names like others", _QL, "documented"),
    Behaviour("Graph: tabular operators: only those in the documentation's list", _QL, "inferred"),
    Behaviour(
        "Graph: an operator that isn't known is InvalidQueryLanguage naming it",
        "Azure/azure-powershell#13762 (body pasted by a user)",
        "recorded",
    ),
    Behaviour("Graph: no let", "azure-docs#104044, a Microsoft author", "documented"),
    Behaviour(
        "Graph: how a refused let or second statement is worded",
        "as InvalidQueryLanguage; no body was found",
        "inferred",
    ),
    Behaviour(
        "Graph: render is refused",
        "not in the documentation's list; the portal's tiles take it out before they ask",
        "inferred",
    ),
    Behaviour(
        "Graph: join kinds inner, innerunique, leftouter, fullouter; others UnsupportedJoinFlavor",
        f"{_QL}; azure-docs#45495 (text pasted by a user)",
        "recorded",
    ),
    Behaviour("Graph: at most 3 joins", _QL, "documented"),
    Behaviour("Graph: at most 3 legs of union, none of them fuzzy", _QL, "documented"),
    Behaviour("Graph: mv-expand: at most 2, RowLimit 128, at most 400", _QL, "documented"),
    Behaviour(
        "Graph: detail codes for too many joins, unions, mv-expands",
        "no body was found",
        "unverified",
    ),
    Behaviour(
        "Graph: a table that isn't known is DisallowedLogicalTableName",
        "Azure/azqr#847 and microsoft/ARI#46 (bodies pasted by users)",
        "recorded",
    ),
    Behaviour("Graph: ParserFailure with its place", f"{_FACTS} 43 (arg-error-01)", "recorded"),
    Behaviour(
        "Graph: an unfinished string is a failure of its own, before the parser's",
        "Azure/aztfexport#485 (body pasted by a user, partly cut)",
        "inferred",
    ),
    Behaviour(
        "Graph: expectedToken only where the parser expects one token",
        "Azure/aztfexport#485 has both forms (body pasted by a user)",
        "inferred",
    ),
    Behaviour(
        "Graph: a column that isn't known is InvalidColumnNames",
        "by the code of arg-ok-07's facet error",
        "inferred",
    ),
    Behaviour("Graph: a function that isn't known", "no body was found", "unverified"),
    Behaviour("Graph: strings are never null, null == x is false", _KUSTO, "documented"),
    Behaviour("Graph: now() is the local Azure's clock", "follows from having one", "inferred"),
    # the request
    Behaviour(
        "Graph: bodies of refused options, tokens and missing queries",
        "Microsoft's specification has the limits; no body was found",
        "inferred",
    ),
)
