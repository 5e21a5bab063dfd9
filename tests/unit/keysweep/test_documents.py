"""CSV and SARIF hold what others wrote: none of it becomes a formula, a link or a placeholder."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keysweep.documents import WORST_FIRST, Row, as_csv
from keysweep.sarif import as_sarif
from shared.core.model import Gap, GapKind, Inventory, Result
from shared.core.report import SweepReport
from tests.support.schemas import schema

PLACE = "/subscriptions/6f0c0bd2-0000-4000-8000-000000000000/resourceGroups/rg/providers/x/bot"
# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
FORMULA = "=+-@＝＋－＠\t\r"  # noqa: RUF001 - the full-width forms are the point


def report(*gaps: Gap) -> SweepReport:
    return SweepReport(
        sweep_id="20261124T090000Z-1f3a9c0d", mode="audit", duration=1.0, decisions=(),
        started=datetime(2026, 11, 24, 9, tzinfo=UTC), outcomes=(),
        inventory=Inventory(coverage=(), accounts=(), gaps=gaps),
    )  # fmt: skip


def row(reason: str = "", resource: str = PLACE) -> Row:
    return Row(
        id=resource, name="bot", resource_group="rg", subscription_id="s", subscription="prod",
        kind="OpenAI", location="swedencentral", verdict="DRIFT", reason=reason,
        no_custom_subdomain=False, mode="audit",
    )  # fmt: skip


def reason_in_csv(reason: str) -> str:
    (read,) = csv.DictReader(io.StringIO(as_csv(report(), [row(reason)]), newline=""))
    return read["reason"]


def result_in_sarif(found: Row) -> dict[str, Any]:
    (result,) = json.loads(as_sarif(report(), [found]))["runs"][0]["results"]
    return dict(result)


def message_in_sarif(reason: str) -> str:
    return str(result_in_sarif(row(reason))["message"]["text"])


def test_every_result_has_its_place_among_the_rows() -> None:
    assert set(Result) <= set(WORST_FIRST)


def test_every_result_is_in_the_schema_of_the_json() -> None:
    assert set(schema("report")["$defs"]["result"]["enum"]) == set(Result)


def test_a_csv_says_which_subscriptions_are_missing() -> None:
    gaps = (
        Gap(GapKind.SUBSCRIPTION, "a-subscription", "No role.", "a-subscription"),
        Gap(GapKind.MANAGEMENT_GROUP, "a-group", "=Not there."),
    )
    read = list(csv.DictReader(io.StringIO(as_csv(report(*gaps), [row("x")]), newline="")))
    assert [line["verdict"] for line in read] == ["DRIFT", "NOT_SEEN", "NOT_SEEN"]
    assert [line["subscription_id"] for line in read] == ["s", "a-subscription", ""]
    assert read[1]["reason"] == "subscription a-subscription could not be read: No role."
    assert read[2]["name"] == "a-group"


@pytest.mark.parametrize("first", FORMULA)
@pytest.mark.parametrize("before", ["", " ", "; ", ";", "until=x; reason=y;"])
def test_no_cell_begins_as_a_formula_nor_hides_one(first: str, before: str) -> None:
    cell = reason_in_csv(f"{before}{first}HYPERLINK(1)")
    for part in cell.split(";"):
        assert not part.strip(" \"'").startswith(tuple(FORMULA)) or part.startswith("'")


@given(st.text(st.sampled_from("=＝+-@;'\" \t\r\na"), max_size=12))  # noqa: RUF001 - see above
def test_wherever_a_spreadsheet_cuts_a_cell_no_part_begins_as_a_formula(text: str) -> None:
    written = as_csv(report(), [row(text)])
    line = written.splitlines()[1]
    for part in line.split(";"):
        assert not part.lstrip(' "').startswith(tuple(FORMULA))


def test_what_is_harmless_in_a_csv_stays_as_it_is() -> None:
    text = "until=2027-03-31; reason=CHG0042 a-b; owner=team@contoso.com"
    assert reason_in_csv(text) == text


def test_sarif_has_no_link_but_those_of_ours() -> None:
    said = message_in_sarif(r"[click](https://evil.example) and \[this\](1)")
    assert not re.search(r"(?<!\\)(\\\\)*\]\(", said)
    assert said == r"bot: \[click\](https://evil.example) and \\\[this\\\](1)"


def test_sarif_has_no_placeholder() -> None:
    assert message_in_sarif("a {0} and {x}") == "bot: a {{0}} and {{x}}"


def test_the_addresses_of_sarif_are_ascii() -> None:
    strange = f"{PLACE}-zürich/東京 (1)\ud83d"
    result = result_in_sarif(row("x", strange))
    address = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert address.endswith("/bot-z%C3%BCrich/%E6%9D%B1%E4%BA%AC%20%281%29%3F")
    assert address.isascii()
    assert not address.startswith("/")


def test_two_resources_have_two_addresses_in_sarif() -> None:
    places = {
        result_in_sarif(row("x", f"{PLACE}{end}"))["locations"][0]["physicalLocation"][
            "artifactLocation"
        ]["uri"]
        for end in ("(a)", "[a]", "_a_", " a ")
    }
    assert len(places) == 4
