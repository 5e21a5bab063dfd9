"""An answer of Log Analytics' is one only if it has tables whose rows are as wide as they are."""

from typing import Any

import pytest

from keysweep.border.logs import _tables

COLUMNS = [{"name": "at", "type": "datetime"}]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"tables": [{"columns": COLUMNS, "rows": [["x"]]}]}, ""),
        ({"tables": [{"columns": COLUMNS, "rows": []}], "error": {"code": "PartialError"}}, ""),
        ({"tables": [{"columns": COLUMNS, "rows": []}], "error": "No."}, "its error is no object"),
        ({}, "it has no tables"),
        ([], "it has no tables"),
        ({"tables": []}, "it has no tables"),
        ({"tables": 7}, "it has no tables"),
        ({"error": {"code": "PartialError", "message": "No."}}, "it has no tables"),
        ({"tables": [7]}, "a table of it has no columns"),
        ({"tables": [{"columns": [{"name": 7}], "rows": []}]}, "a table of it has no columns"),
        ({"tables": [{"columns": COLUMNS}]}, "a table of it has no rows"),
        ({"tables": [{"columns": [], "rows": [["x"]]}]}, "one that is too short or too long"),
        ({"tables": [{"columns": COLUMNS, "rows": [[]]}]}, "one that is too short or too long"),
        ({"tables": [{"columns": COLUMNS, "rows": ["x"]}]}, "one that is too short or too long"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(body: Any, says: str) -> None:
    problem = _tables(body)
    assert says in problem
    assert bool(says) == bool(problem)
