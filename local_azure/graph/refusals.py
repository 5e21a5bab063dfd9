"""Resource Graph's refusals: the 400 bodies, and what this engine can't say anything about."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

type Detail = dict[str, Any]

_INVALID_QUERY: Detail = {
    "code": "InvalidQuery",
    "message": (
        "Query is invalid. Please refer to the documentation for the Azure Resource Graph service "
        "and fix the error before retrying."
    ),
}


class NotModelled(Exception):
    """Something that Azure may well answer, and this engine doesn't know how."""


class Refused(Exception):
    """Resource Graph answers 400, with these details."""

    def __init__(self, *details: Detail) -> None:
        super().__init__("; ".join(str(detail["message"]) for detail in details))
        self.details = details


def invalid_query(code: str, message: str | None = None, **more: object) -> Refused:
    """Refuse a query: `InvalidQuery` first, then what is wrong (recorded: arg-error-01)."""
    return Refused(dict(_INVALID_QUERY), {"code": code, "message": message or code, **more})


def parser_failure(line: int, column: int, token: str, expected: str | None) -> Refused:
    """Refuse a query that doesn't parse, with the place (recorded: arg-error-01)."""
    refused = invalid_query("ParserFailure", line=line, characterPositionInLine=column, token=token)
    if expected is not None:
        refused.details[-1]["expectedToken"] = expected
    return refused


def unknown_operator(token: str) -> Refused:
    """Refuse an operator that Resource Graph doesn't know.

    Recorded for `parse`, when it wasn't supported yet: Azure/azure-powershell#13762.
    """
    return invalid_query("InvalidQueryLanguage", line=-1, characterPositionInLine=-1, token=token)


def unknown_table(name: str) -> Refused:
    """Refuse a table that Resource Graph doesn't know (recorded: Azure/azqr#847)."""
    return Refused(
        {
            "code": "DisallowedLogicalTableName",
            "message": f"Table {name} is invalid, unsupported or disallowed.",
        }
    )


def timestamp(now: datetime) -> str:
    """Write a time as in error messages: seven digits of fraction, Z."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


def bad_request(details: Sequence[Detail], now: datetime, correlation_id: str) -> dict[str, Any]:
    """Write the body of a 400 (fact 43)."""
    return {
        "error": {
            "code": "BadRequest",
            "message": (
                "Please provide below info when asking for support: "
                f"timestamp = {timestamp(now)}, correlationId = {correlation_id}."
            ),
            "details": list(details),
        }
    }
