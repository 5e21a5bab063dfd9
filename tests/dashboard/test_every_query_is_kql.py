"""Every query is parsed and bound by Microsoft's own KQL language service, and by ours runs.

The service is the npm package that the portal's editor uses, pinned in tools/kql; `make check`
installs it where npm is.
"""

import json
import subprocess
from functools import cache
from shutil import which
from typing import Any

import pytest

from keysweep.impact import request_log
from keysweep.impact.evidence import Asked
from shared.core.events import EVENTS, METRICS, SweepContext
from shared.core.wire import fields_of
from tests.support.builders import NOW
from tests.support.captured import Captured
from tests.support.queries import ROOT, queries

QUERIES = queries()
KQL = ROOT / "tools" / "kql"
FIELDS = [*fields_of(SweepContext), *(field for event in EVENTS for field in fields_of(event))]
DIMENSIONS = {field.name for field in FIELDS if not field.is_measurement} | {
    dimension for metric in METRICS for dimension in metric.dimensions
}
MEASUREMENTS = {field.name for field in FIELDS if field.is_measurement}


def check(queries: dict[str, str]) -> dict[str, dict[str, Any]]:
    node = which("node")
    if node is None or not (KQL / "node_modules").exists():
        pytest.skip(
            "KQL WAS NOT CHECKED by Microsoft's language service: it needs node, and "
            "`npm ci --prefix tools/kql` (make check does that)"
        )
    answer = subprocess.run(  # noqa: S603 - our own script
        [node, str(KQL / "check.js")],
        input=json.dumps(queries),
        capture_output=True,
        check=True,
        text=True,
    )
    return dict(json.loads(answer.stdout))


@cache
def checked() -> dict[str, dict[str, Any]]:
    return check(QUERIES)


@pytest.mark.parametrize("name", QUERIES)
def test_microsofts_language_service_finds_no_error(name: str) -> None:
    assert checked()[name]["errors"] == []


@pytest.mark.parametrize("name", QUERIES)
def test_every_key_that_a_query_names_is_declared(name: str) -> None:
    for column, key in checked()[name]["keys"]:
        assert key in (DIMENSIONS if column == "customDimensions" else MEASUREMENTS), key


def test_the_language_service_would_find_an_error() -> None:
    wrong = {
        "column": "customEvents | where nam == 'x'",
        "table": "customEvent | count",
        "function": "customEvents | extend x = tostrng(name)",
        "key": "customEvents | project tostring(customDimensions.nosuch)",
    }
    answers = check(wrong)
    assert {name for name, answer in answers.items() if answer["errors"]} == {
        "column", "table", "function",
    }  # fmt: skip
    assert ["customDimensions", "nosuch"] in answers["key"]["keys"]


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_runs_on_what_real_sweeps_sent(month: Captured, name: str) -> None:
    month.tables.everything()
    assert month.tables.query(QUERIES[name]).columns


def test_the_lock_file_names_no_host() -> None:
    assert "resolved" not in (KQL / "package-lock.json").read_text()


@pytest.mark.parametrize(
    "kql", [request_log.query(Asked.before(NOW, 30)), request_log.refused_query()]
)
def test_the_request_log_is_asked_in_kql(kql: str) -> None:
    assert check({"it": kql})["it"]["errors"] == []
