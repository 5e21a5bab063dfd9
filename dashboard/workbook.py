"""A workbook's JSON, read as far as it is drawn here: tabs of steps, and its parameters."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "infra" / "workbook.json"
_TEXT, _QUERY, _PARAMETERS, _LINKS, _GROUP = 1, 3, 9, 11, 12


class WorkbookError(Exception):
    """A file is not a workbook that can be drawn here; the message says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing on a tab: words, or a query and how it is drawn."""

    name: str
    width: float
    """Percent of the page."""
    text: str = ""
    style: str = ""
    query: str = ""
    title: str = ""
    visualization: str = ""
    empty: str = ""
    """What no rows mean."""
    empty_is_fine: bool = False
    settings: dict[str, Any] | None = None
    """How the grid, the tiles or the chart is drawn."""
    exports: Mapping[str, str] = field(default_factory=dict)
    """The parameters that a click on a row sets, each with the column that it takes."""
    needs: str = ""
    """The parameter without a value for which it is not shown."""
    lacks: str = ""
    """The parameter with a value for which it is not shown."""

    def is_shown(self, chosen: Collection[str]) -> bool:
        """Whether it is shown while these parameters have a value."""
        return (not self.needs or self.needs in chosen) and self.lacks not in chosen

    def narrowed_by(self, columns: Mapping[str, str]) -> Mapping[str, str]:
        """Return which of the parameters that clicks set its query asks for."""
        return {name: column for name, column in columns.items() if f"{{{name}}}" in self.query}


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab and what is on it."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Workbook:
    """All of it."""

    title: str
    above: tuple[Step, ...]
    """What is shown above the tabs, whichever is chosen."""
    tabs: tuple[Tab, ...]
    ranges: tuple[float, ...]
    """The time ranges offered, in days."""
    chosen: float
    deployments: str
    """The query whose rows are the deployments offered: value and label."""
    subscriptions: str
    """The query whose rows are the subscriptions of one deployment: value and label."""
    fixed: Mapping[str, str]
    """Values of the parameters that are not offered here, or not yet chosen."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return every step, tab by tab, those above the tabs first."""
        return (*self.above, *(step for tab in self.tabs for step in tab.steps))

    @property
    def exports(self) -> Mapping[str, str]:
        """Return the parameters that clicks set, each with the column that it takes."""
        return {name: column for step in self.steps for name, column in step.exports.items()}

    def where(self, chosen: Mapping[str, str]) -> "Workbook":
        """Return what is shown while these parameters have these values."""
        tabs = (
            replace(tab, steps=tuple(step for step in tab.steps if step.is_shown(chosen)))
            for tab in self.tabs
        )
        return replace(self, tabs=tuple(tabs), fixed={**self.fixed, **chosen})


def read_workbook(file: Path = FILE) -> Workbook:
    """Read a workbook. Raises WorkbookError."""
    try:
        steps = json.loads(file.read_text())["items"]
        title = next(step["content"]["json"] for step in steps if step["type"] == _TEXT)
        offered = {
            parameter["name"]: parameter
            for step in steps
            if step["type"] == _PARAMETERS
            for parameter in step["content"]["parameters"]
        }
        links = next(step["content"]["links"] for step in steps if step["type"] == _LINKS)
        groups = {
            step["conditionalVisibility"]["value"]: step["content"]["items"]
            for step in steps
            if step["type"] == _GROUP
        }
        times = offered["TimeRange"]
        return Workbook(
            title=title.lstrip("# "),
            above=tuple(_step(step) for step in steps if step["type"] == _QUERY),
            tabs=tuple(Tab(link["linkLabel"], _steps(groups[link["subTarget"]])) for link in links),
            ranges=tuple(
                _days(value["durationMs"]) for value in times["typeSettings"]["selectableValues"]
            ),
            chosen=_days(times["value"]["durationMs"]),
            deployments=offered["Deployment"]["query"],
            subscriptions=offered["Subscription"]["query"],
            fixed={
                # Of what takes several, subscriptions alone are offered.
                **{name: "'*'" for name, parameter in offered.items() if "quote" in parameter},
                **{
                    name: parameter["value"]
                    for name, parameter in offered.items()
                    if "jsonData" in parameter
                },
                **{
                    exported["parameterName"]: exported["defaultValue"]
                    for items in groups.values()
                    for item in items
                    for exported in item["content"].get("exportedParameters", ())
                },
            },
        )
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise WorkbookError(
            f"{file} is not a workbook that can be drawn here ({type(error).__name__}: {error})."
        ) from error


def _days(milliseconds: float) -> float:
    return milliseconds / 86_400_000


def _steps(items: list[dict[str, Any]]) -> tuple[Step, ...]:
    """Return what is drawn of a tab: no links, since here a tile that names a tab leads to it."""
    return tuple(_step(item) for item in items if item["type"] != _LINKS)


def _step(step: dict[str, Any]) -> Step:
    content, width = step["content"], float(step.get("customWidth", "100"))
    condition = step.get("conditionalVisibility", {})
    if "value" in condition:
        raise ValueError(f"step {step['name']} is shown for one value of a parameter alone")
    parameter, comparison = condition.get("parameterName", ""), condition.get("comparison")
    needs = parameter if comparison == "isNotEqualTo" else ""
    lacks = parameter if comparison == "isEqualTo" else ""
    if step["type"] == _TEXT:
        return Step(
            step["name"],
            width,
            text=content["json"],
            style=content.get("style", ""),
            needs=needs,
            lacks=lacks,
        )
    if step["type"] != _QUERY:
        raise ValueError(f"step {step['name']} is of type {step['type']}")
    kind = content["visualization"]
    settings = {"table": "gridSettings", "tiles": "tileSettings"}.get(kind, "chartSettings")
    return Step(
        step["name"],
        width,
        query=content["query"],
        title=content["title"],
        visualization=kind,
        empty=content["noDataMessage"],
        empty_is_fine=content.get("noDataMessageStyle") == 3,  # noqa: PLR2004 - success
        settings=content.get(settings, {}),
        exports={
            exported["parameterName"]: exported["fieldName"]
            for exported in content.get("exportedParameters", ())
        },
        needs=needs,
        lacks=lacks,
    )
