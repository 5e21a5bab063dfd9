"""Facets: the rows of a query's result, counted by a column (recorded: arg-ok-07)."""

from datetime import datetime
from typing import Any

from local_azure.graph.refusals import NotModelled, Refused
from local_azure.graph.request import FacetRequest, QueryRequest
from local_azure.graph.store import DuckDBError, Store
from local_azure.graph.translation import Translation, parameters, translate_facet
from local_azure.graph.values import column_type, to_json


def facet(
    request: QueryRequest,
    asked: FacetRequest,
    translation: Translation,
    store: Store,
    now: datetime,
) -> dict[str, Any]:
    """One facet's result, or its errors."""
    names = [name.strip() for name in asked.expression.split(",")]
    known = [name for name, _ in translation.columns]
    unknown = [name for name in names if name not in known]
    if unknown:
        return _error(asked.expression, unknown, none_valid=len(unknown) == len(names))
    direction = "desc" if asked.descending else "asc"
    ties = ", ".join(f"['{name}'] asc" for name in names)
    order = f"{asked.sort_by or "['count']"} {direction}, {ties}"
    try:
        counted = translate_facet(request.query, asked.condition, names, order, store)
        columns, rows = store.rows(counted.sql, parameters(counted.sql, now, 0))
    except Refused as refused:
        return {
            "expression": asked.expression,
            "errors": list(refused.details),
            "resultType": "FacetError",
        }
    except DuckDBError as error:
        raise NotModelled(f"a facet that this engine can't run: {str(error)[:300]}") from error
    shown = rows[: asked.top]
    values = [[to_json(c, t) for c, (_, t) in zip(r, columns, strict=True)] for r in shown]
    data: object
    if request.format == "table":
        described = [{"name": name, "type": column_type(kind)} for name, kind in columns]
        data = {"columns": described, "rows": values}
    else:
        data = [dict(zip((name for name, _ in columns), row, strict=True)) for row in values]
    return {
        "expression": asked.expression,
        "totalRecords": len(rows),
        "count": len(shown),
        "data": data,
        "resultType": "FacetResult",
    }


def _error(expression: str, unknown: list[str], *, none_valid: bool) -> dict[str, Any]:
    errors = [
        {
            "code": "InvalidColumnNames",
            "message": f"Invalid column names: [{', '.join(unknown)}].",
        }
    ]
    if none_valid:
        message = "No valid columns in facet expression."
        errors.insert(0, {"code": "NoValidColumns", "message": message})
    return {"expression": expression, "errors": errors, "resultType": "FacetError"}
