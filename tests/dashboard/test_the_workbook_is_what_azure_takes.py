"""The workbook uses only what working workbooks use, and names only what is there.

Azure drops what it does not know in silence, and nobody sees it before the portal.
"""

import json
import re
from collections import Counter
from typing import Any

import pytest

from infra.workbook import written
from tests.support.captured import Captured
from tests.support.queries import ROOT, WORKBOOK, queries, steps
from tests.support.snapshots import one

VALUES: dict[str, Any] = json.loads(
    (ROOT / "tests" / "data" / "workbook" / "values.json").read_text()
)
STEPS = list(steps())
QUERIES = [step for step in STEPS if step["type"] == 3]
PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
every_step = pytest.mark.parametrize("step", STEPS, ids=lambda step: step["name"])
every_query = pytest.mark.parametrize("step", QUERIES, ids=lambda step: step["name"])


def of_type(number: int) -> dict[str, Any]:
    """Return the one item of the workbook that has this type."""
    (found,) = (item for item in WORKBOOK["items"] if item["type"] == number)
    return dict(found)


def tile_formatters(content: dict[str, Any]) -> list[dict[str, Any]]:
    tiles = content.get("tileSettings", {})
    return [formatter for name, formatter in tiles.items() if name.endswith("Content")]


def formatters(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [*content.get("gridSettings", {}).get("formatters", ()), *tile_formatters(content)]


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
    for step in STEPS:
        assert "crossComponentResources" not in step["content"], step["name"]


def test_the_workspace_is_chosen_among_all_that_a_reader_may_see() -> None:
    (parameter,) = (
        parameter
        for parameter in of_type(9)["content"]["parameters"]
        if parameter["name"] == "Workspace"
    )
    assert set(parameter) <= set(VALUES["parameters"]["keysByType"]["5"])
    assert set(parameter["typeSettings"]) <= set(VALUES["parameters"]["typeSettingsKeys"])
    assert parameter["crossComponentResources"] == ["value::all"]
    assert parameter["queryType"] == 1
    assert parameter["resourceType"] in VALUES["query"]["resourceType"]


@every_step
def test_a_step_is_shown_by_whether_a_parameter_has_a_value_or_by_its_tab(
    step: dict[str, Any],
) -> None:
    condition = step.get("conditionalVisibility")
    if condition is None:
        return
    names = {parameter["name"] for parameter in of_type(9)["content"]["parameters"]}
    assert condition["comparison"] in VALUES["conditionalVisibility"]["comparison"]
    if "value" not in condition:
        assert condition["parameterName"] in names
    else:
        assert step["type"] == 12


def test_it_is_deployed_as_it_is_with_the_telemetry_that_it_is_about() -> None:
    deployed = one("enforce", "Microsoft.Insights/workbooks")["properties"]
    content = json.loads(deployed["serializedData"])
    assert content.pop("fallbackResourceIds") == [deployed["sourceId"]]
    assert content == WORKBOOK
    assert deployed["version"] == "1.0"


def test_it_fits_into_what_bicep_can_load() -> None:
    assert len((ROOT / "infra" / "workbook.json").read_text()) < 1_048_576  # loadJsonContent


@every_step
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
    assert [name for name, number in (names + ids).items() if number > 1] == []
    for identifier in ids:
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", identifier)
    for name in names:
        assert not re.fullmatch(r"\w+ - \d+", name)


@every_query
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


@every_query
def test_formatters_are_known_with_known_options(step: dict[str, Any]) -> None:
    for formatter in formatters(step["content"]):
        number = str(formatter["formatter"])
        options = formatter.get("formatOptions", {})
        assert set(formatter) <= set(VALUES["formatters"]["ruleKeys"])
        assert number in VALUES["formatters"]["counts"]
        assert set(options) <= set(VALUES["formatters"]["formatOptionKeysByFormatter"][number])
        if "palette" in options:
            assert options["palette"] in VALUES["palettes"]["all"]
        if "linkTarget" in options:
            assert options["linkTarget"] in VALUES["linkTargets"]["formatters"]
        if "dateFormat" in formatter:
            assert formatter["dateFormat"]["formatName"] in VALUES["dateFormat"]["formatName"]
        if "numberFormat" in formatter:
            assert str(formatter["numberFormat"]["unit"]) in VALUES["numberFormat"]["unit"]
        if number == "18":
            assert_thresholds(options)


def assert_thresholds(options: dict[str, Any]) -> None:
    assert options["thresholdsOptions"] in VALUES["thresholds"]["options"]
    *compared, default = options["thresholdsGrid"]
    assert default["operator"] == "Default"
    assert default["thresholdValue"] is None
    for threshold in compared:
        assert threshold["operator"] != "Default"
        assert isinstance(threshold["thresholdValue"], str)
    for threshold in (*compared, default):
        assert set(threshold) <= set(VALUES["thresholds"]["itemKeys"])
        assert threshold["operator"] in VALUES["thresholds"]["operators"]
        assert threshold["representation"] in VALUES["thresholds"]["icons"]


def exports_above(step: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters that a click sets on the steps above one, on its tab."""
    tabs = (item["content"]["items"] for item in WORKBOOK["items"] if item["type"] == 12)
    mine: list[dict[str, Any]] = next((items for items in tabs if step in items), [])
    above = mine[: mine.index(step)] if mine else []
    return [found for item in above for found in item["content"].get("exportedParameters", ())]


@every_query
def test_a_click_sets_a_parameter_from_a_column_that_is_there_and_has_a_default(
    step: dict[str, Any],
) -> None:
    for exported in step["content"].get("exportedParameters", ()):
        assert set(exported) <= set(VALUES["query"]["exportedParameterKeys"])
        assert str(exported["parameterType"]) in VALUES["query"]["exportedParameterTypes"]
        assert exported["fieldName"] in {"accountId", "Owner"}
        assert exported["defaultValue"] == "*"


@every_query
def test_every_parameter_that_a_query_uses_is_declared(step: dict[str, Any]) -> None:
    names = {parameter["name"] for parameter in of_type(9)["content"]["parameters"]}
    names |= {exported["parameterName"] for exported in exports_above(step)}
    for name, specifier in PARAMETER.findall(step["content"]["query"]):
        assert name in names, name
        assert not specifier or specifier in VALUES["parameters"]["formatSpecifiers"]


def test_parameters_come_first_then_the_tabs_then_what_each_shows() -> None:
    order = [item["type"] for item in WORKBOOK["items"]]
    assert order.index(9) < order.index(11) < order.index(12)
    shown = [item["conditionalVisibility"] for item in WORKBOOK["items"] if item["type"] == 12]
    assert [(tab["parameterName"], tab["comparison"], tab["value"]) for tab in shown] == [
        (link["cellValue"], "isEqualTo", link["subTarget"])
        for link in of_type(11)["content"]["links"]
    ]


def test_parameters_have_known_keys() -> None:
    known = VALUES["parameters"]
    for parameter in of_type(9)["content"]["parameters"]:
        assert set(parameter) <= set(known["keysByType"][str(parameter["type"])])
        assert set(parameter["typeSettings"]) <= set(known["typeSettingsKeys"])
        assert parameter["label"]
        # Without a workspace a reader sees all but what it would show.
        assert parameter["isRequired"] is (parameter["name"] != "Workspace")
        for span in parameter["typeSettings"].get("selectableValues", ()):
            assert str(span["durationMs"]) in known["selectableDurationsMs"]


def test_tabs_have_known_keys() -> None:
    tabs = of_type(11)["content"]
    assert tabs["style"] in VALUES["links"]["styles"]
    for link in tabs["links"]:
        assert set(link) <= set(VALUES["links"]["tabItemKeys"])


@every_query
def test_settings_name_only_columns_that_the_query_returns(
    month: Captured, step: dict[str, Any]
) -> None:
    content = step["content"]
    columns = month.tables.query(queries()[f"workbook {step['name']}"]).columns
    grid = content.get("gridSettings", {})
    for formatter in grid.get("formatters", ()):
        assert [name for name in columns if re.search(formatter["columnMatch"], name)], formatter
        linked = formatter.get("formatOptions", {}).get("linkColumn")
        assert linked is None or linked in columns
    for label in grid.get("labelSettings", ()):
        assert label["columnId"] in columns
    for formatter in tile_formatters(content):
        assert formatter["columnMatch"] in columns
    if content["visualization"] == "table":
        hidden = [rule["columnMatch"] for rule in grid["formatters"] if rule["formatter"] == 5]
        assert hidden == [f"^{name}$" for name in columns if name[0].islower()]
