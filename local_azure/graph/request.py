"""A query request's body, validated, and the skip token."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local_azure.graph.refusals import Refused

type Format = Literal["objectArray", "table"]

DEFAULT_TOP = 100
MOST_TOP = 1000
_CLUSTER = "https://arg-local-azure.invalid"
_OPTIONS = {
    "$top",
    "$skip",
    "$skipToken",
    "resultFormat",
    "allowPartialScopes",
    "authorizationScopeFilter",
}
_SCOPE_FILTERS = {
    "atscopeandbelow",
    "atscopeandabove",
    "atscopeaboveandbelow",
    "atscopeexact",
}
# Versions before it answer tables unless asked otherwise (facts 44; SDK reference).
_FIRST_WITH_OBJECTS = "2021-03-01"


@dataclass(frozen=True, slots=True)
class FacetRequest:
    """One facet asked for."""

    expression: str
    sort_by: str | None
    descending: bool
    condition: str | None
    top: int


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """What was asked."""

    query: str
    top: int
    skip: int
    format: Format
    facets: tuple[FacetRequest, ...]


def read_request(body: object, api_version: str) -> QueryRequest:
    """Validate a body. Raises Refused.

    The limits are those of Microsoft's specification; how a refusal is worded is inferred.
    """
    if not isinstance(body, Mapping):
        raise _invalid("The request body must be a JSON object.")
    query = body.get("query")
    if not isinstance(query, str) or not query.strip():
        raise _invalid("The 'query' property is required and must be a non-empty string.")
    options = _options(body.get("options"))
    top = _integer("$top", options.get("$top"), 1, MOST_TOP)
    skip = _integer("$skip", options.get("$skip"), 0, 2**31 - 1)
    token = _text("$skipToken", options.get("$skipToken"))
    if token:
        rows, skip = read_token(token)
        top = rows if top is None else top
    return QueryRequest(
        query=query,
        top=DEFAULT_TOP if top is None else top,
        skip=skip or 0,
        format=_format(options.get("resultFormat"), api_version),
        facets=_facets(body.get("facets")),
    )


def _options(options: object) -> Mapping[str, Any]:
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise _invalid("The 'options' property must be an object.")
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        raise _invalid(f"The option '{unknown[0]}' is not known.")
    partial = options.get("allowPartialScopes")
    if partial is not None and not isinstance(partial, bool):
        raise _invalid("The value of option 'allowPartialScopes' must be a boolean.")
    _choice("authorizationScopeFilter", options.get("authorizationScopeFilter"), _SCOPE_FILTERS)
    return options


def write_token(top: int, skip: int) -> str:
    """Make the token of the page after `skip` rows: base64 of pretty JSON with CRLF (fact 40)."""
    content = {"$id": "1", "MaxRows": top, "RowsToSkip": skip, "KustoClusterUrl": _CLUSTER}
    return base64.b64encode(json.dumps(content, indent=2).replace("\n", "\r\n").encode()).decode()


def read_token(token: str) -> tuple[int, int]:
    """Read the page size and the rows to skip. Raises Refused."""
    try:
        content = json.loads(base64.b64decode(token, validate=True))
        top, skip = content["MaxRows"], content["RowsToSkip"]
    except (binascii.Error, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise _invalid("The $skipToken is invalid.") from error
    numbers = isinstance(top, int) and isinstance(skip, int)
    if not numbers or not 1 <= top <= MOST_TOP or skip < 0:
        raise _invalid("The $skipToken is invalid.")
    return top, skip


def _format(value: object, api_version: str) -> Format:
    asked = _choice("resultFormat", value, {"objectarray", "table"})
    if asked is not None:
        return "table" if asked == "table" else "objectArray"
    return "objectArray" if api_version >= _FIRST_WITH_OBJECTS else "table"


def _facets(asked: object) -> tuple[FacetRequest, ...]:
    if asked is None:
        return ()
    if not isinstance(asked, list):
        raise _invalid("The 'facets' property must be an array.")
    facets = []
    for facet in asked:
        if not isinstance(facet, Mapping) or not isinstance(facet.get("expression"), str):
            raise _invalid("A facet must have an 'expression'.")
        options: Mapping[str, Any] = facet.get("options") or {}
        order = _choice("sortOrder", options.get("sortOrder"), {"asc", "desc"})
        facets.append(
            FacetRequest(
                expression=facet["expression"],
                sort_by=_text("sortBy", options.get("sortBy")),
                descending=order != "asc",
                condition=_text("filter", options.get("filter")),
                top=_integer("$top", options.get("$top"), 1, MOST_TOP) or MOST_TOP,
            )
        )
    return tuple(facets)


def _integer(name: str, value: object, least: int, most: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _invalid(f"The value of option '{name}' must be an integer from {least} to {most}.")
    return value


def _text(name: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _invalid(f"The value of option '{name}' must be a string.")
    return value


def _choice(name: str, value: object, allowed: set[str]) -> str | None:
    text = _text(name, value)
    if text is not None and text.lower() not in allowed:
        raise _invalid(f"The value of option '{name}' must be one of {sorted(allowed)}.")
    return None if text is None else text.lower()


def _invalid(message: str) -> Refused:
    return Refused({"code": "BadRequest", "message": message})
