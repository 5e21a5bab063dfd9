"""The workbook uses only what working workbooks use, and names only what is there.

Azure drops what it does not know in silence, and nobody sees it before the portal.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from infra.workbook import written
from tests.support.captured import Captured
from tests.support.queries import ROOT, WORKBOOK, queries, steps
from tools.bicep import DEPLOYMENTS

VALUES: dict[str, Any] = json.loads(
    (ROOT / "tests" / "data" / "workbook" / "values.json").read_text()
)
STEPS = list(steps())
QUERIES = [each for each in STEPS if each["type"] == 3]
PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")


def formatters() -> Iterator[dict[str, Any]]:
    for step in QUERIES:
        content = step["content"]
        yield from content.get("gridSettings", {}).get("formatters", ())
        for name, each in content.get("tileSettings", {}).items():
            if name.endswith("Content"):
                yield each


def test_the_json_is_as_its_definition_writes_it() -> None:
    assert written() == (ROOT / "infra" / "workbook.json").read_text(), "run `make docs`"


def test_the_envelope_is_a_workbooks() -> None:
    assert set(WORKBOOK) <= set(VALUES["envelope"]["topLevelKeys"])
    assert WORKBOOK["version"] in VALUES["envelope"]["version"]
    assert WORKBOOK["$schema"] in VALUES["envelope"]["schema"]


def test_it_names_no_subscription_no_template_and_no_resource() -> None:
    text = json.dumps(WORKBOOK)
    assert not re.search(r"/subscriptions/[0-9a-f-]{36}", text, re.IGNORECASE)
    assert "fromTemplateId" not in text
    assert "crossComponentResources" not in text


def test_it_is_deployed_as_it_is_with_the_telemetry_that_it_is_about() -> None:
    snapshot = json.loads((DEPLOYMENTS / "enforce.snapshot.json").read_text())
    (deployed,) = (
        each["properties"]
        for each in snapshot["predictedResources"]
        if each["type"] == "Microsoft.Insights/workbooks"
    )
    content = json.loads(deployed["serializedData"])
    assert content.pop("fallbackResourceIds") == [deployed["sourceId"]]
    assert content == WORKBOOK
    assert deployed["version"] == "1.0"


def test_it_fits_into_what_bicep_can_load() -> None:
    assert len((ROOT / "infra" / "workbook.json").read_text()) < 131_072


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["name"])
def test_a_step_has_a_known_type_and_known_keys(step: dict[str, Any]) -> None:
    kind = str(step["type"])
    assert kind in VALUES["stepTypes"]
    assert set(step) <= set(VALUES["stepKeys"][kind])
    assert set(step["content"]) <= set(VALUES["contentKeys"][kind])
    if kind in VALUES["contentVersions"]:
        assert step["content"]["version"] in VALUES["contentVersions"][kind]
    assert step.get("customWidth", "100") in VALUES["customWidth"]
    if "style" in step["content"] and kind == "1":
        assert step["content"]["style"] in VALUES["textStyles"]
    if kind == "9":
        assert step["content"]["style"] in VALUES["parameters"]["stepStyles"]


def test_names_and_ids_are_there_once() -> None:
    names = Counter(step["name"] for step in STEPS)
    ids = Counter(re.findall(r'"id": "([^"]+)"', json.dumps(WORKBOOK)))
    assert max(names.values()) == max(ids.values()) == 1
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in ids)
    assert not any(re.fullmatch(r"\w+ - \d+", name) for name in names)


@pytest.mark.parametrize("step", QUERIES, ids=lambda step: step["name"])
def test_a_query_is_drawn_as_others_are_and_bound_to_the_time_range(step: dict[str, Any]) -> None:
    content = step["content"]
    assert content["visualization"] in VALUES["query"]["visualization"]
    assert str(content["size"]) in VALUES["query"]["size"]
    assert str(content["queryType"]) == "0"
    assert content["resourceType"] == "microsoft.insights/components"
    assert content["timeContext"] == {"durationMs": 0}
    assert content["timeContextFromParameter"] == "TimeRange"
    assert content["title"]
    assert content["noDataMessage"].endswith((".", "Health."))
    assert str(content.get("noDataMessageStyle", 3)) in VALUES["query"]["noDataMessageStyle"]
    assert set(content.get("gridSettings", {})) <= set(VALUES["gridSettings"]["keys"])
    assert set(content.get("tileSettings", {})) <= set(VALUES["tileSettings"]["keys"])
    chart = content.get("chartSettings", {})
    assert set(chart) <= set(VALUES["chartSettings"]["keys"])
    for series in chart.get("seriesLabelSettings", ()):
        assert set(series) <= set(VALUES["chartSettings"]["seriesLabelKeys"])
        assert series["color"] in VALUES["chartSettings"]["seriesColors"]


def test_formatters_are_known_with_known_options() -> None:
    found = list(formatters())
    assert found
    for each in found:
        number = str(each["formatter"])
        options = each.get("formatOptions", {})
        assert set(each) <= set(VALUES["formatters"]["ruleKeys"])
        assert number in VALUES["formatters"]["counts"]
        assert set(options) <= set(VALUES["formatters"]["formatOptionKeysByFormatter"][number])
        if "palette" in options:
            assert options["palette"] in VALUES["palettes"]["all"]
        if "linkTarget" in options:
            assert options["linkTarget"] in VALUES["linkTargets"]["formatters"]
        if "dateFormat" in each:
            assert each["dateFormat"]["formatName"] in VALUES["dateFormat"]["formatName"]
        if "numberFormat" in each:
            assert str(each["numberFormat"]["unit"]) in VALUES["numberFormat"]["unit"]
        if number == "18":
            assert_thresholds(options)


def assert_thresholds(options: dict[str, Any]) -> None:
    grid = options["thresholdsGrid"]
    assert options["thresholdsOptions"] in VALUES["thresholds"]["options"]
    assert [each["operator"] for each in grid].index("Default") == len(grid) - 1
    for each in grid:
        assert set(each) <= set(VALUES["thresholds"]["itemKeys"])
        assert each["operator"] in VALUES["thresholds"]["operators"]
        assert each["representation"] in VALUES["thresholds"]["icons"]
        if each["operator"] == "Default":
            assert each["thresholdValue"] is None
        else:
            assert isinstance(each["thresholdValue"], str)


def test_every_parameter_that_is_used_is_declared_above() -> None:
    (declared,) = [each for each in WORKBOOK["items"] if each["type"] == 9]
    (links,) = [each for each in WORKBOOK["items"] if each["type"] == 11]
    names = {each["name"] for each in declared["content"]["parameters"]}
    for step in QUERIES:
        for name, specifier in PARAMETER.findall(step["content"]["query"]):
            assert name in names, name
            assert not specifier or specifier in VALUES["parameters"]["formatSpecifiers"]
    order = [each["type"] for each in WORKBOOK["items"]]
    assert order.index(9) < order.index(11) < order.index(12)
    tabs = {(link["cellValue"], link["subTarget"]) for link in links["content"]["links"]}
    groups = [each for each in WORKBOOK["items"] if each["type"] == 12]
    conditions = [each["conditionalVisibility"] for each in groups]
    assert {(each["parameterName"], each["value"]) for each in conditions} == tabs
    assert all(each["comparison"] == "isEqualTo" for each in conditions)


def test_parameters_and_tabs_have_known_keys() -> None:
    for step in STEPS:
        if step["type"] == 9:
            for each in step["content"]["parameters"]:
                assert set(each) <= set(VALUES["parameters"]["keysByType"][str(each["type"])])
                assert set(each["typeSettings"]) <= set(VALUES["parameters"]["typeSettingsKeys"])
                assert each["label"]
                assert each["isRequired"] is True
                for span in each["typeSettings"].get("selectableValues", ()):
                    known = VALUES["parameters"]["selectableDurationsMs"]
                    assert str(span["durationMs"]) in known
        if step["type"] == 11:
            assert step["content"]["style"] in VALUES["links"]["styles"]
            for link in step["content"]["links"]:
                assert set(link) <= set(VALUES["links"]["tabItemKeys"])


@pytest.mark.parametrize("step", QUERIES, ids=lambda step: step["name"])
def test_settings_name_only_columns_that_the_query_returns(
    month: Captured, step: dict[str, Any]
) -> None:
    content = step["content"]
    columns = month.tables.query(queries()[f"workbook {step['name']}"]).columns
    grid = content.get("gridSettings", {})
    for each in grid.get("formatters", ()):
        assert [name for name in columns if re.search(each["columnMatch"], name)], each
        linked = each.get("formatOptions", {}).get("linkColumn")
        assert linked is None or linked in columns
    for each in grid.get("labelSettings", ()):
        assert each["columnId"] in columns
    for name, each in content.get("tileSettings", {}).items():
        if name.endswith("Content"):
            assert each["columnMatch"] in columns
    if content["visualization"] == "table":
        small = [name for name in columns if name[0].islower()]
        covered = [each["columnMatch"] for each in grid["formatters"] if each["formatter"] == 5]
        assert [f"^{name}$" for name in small] == covered
