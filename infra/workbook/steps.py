"""What a workbook is made of: words, tables, tiles, charts and tabs, as working ones have them.

Nobody sees a mistake before the portal does, so only shapes that working workbooks use occur (facts
and counts: tests/data/workbook).
"""

import uuid
from collections.abc import Sequence
from typing import Any

from infra.workbook.shortening import shortened

type Step = dict[str, Any]

COMPONENT = {"queryType": 0, "resourceType": "microsoft.insights/components"}
_NAMES = uuid.UUID("5a0c27a5-3c8e-4d49-9d0b-9f7e2a3e6b11")
_ICONS_STATUS = {"bad": "error", "warn": "warning", "good": "success"}
MOST_ROWS = 1000


def identifier(name: str) -> str:
    """Return the id of something with a name, the same whenever it is written."""
    return str(uuid.uuid5(_NAMES, name))


def _query(name: str, title: str, kql: str, empty: str, visualization: str, *, fine: bool) -> Step:
    """`empty` says what no rows mean; `fine`, that it is good news."""
    content = {
        "version": "KqlItem/1.0",
        "query": shortened(kql),
        "size": 0,
        "title": title,
        "noDataMessage": empty,
        "timeContext": {"durationMs": 0},
        "timeContextFromParameter": "TimeRange",
        **COMPONENT,
        "visualization": visualization,
    }
    if fine:
        content["noDataMessageStyle"] = 3
    return {"type": 3, "content": content, "name": name}


def _thresholds(icons: dict[str, str], text: str = "{0}{1}") -> Step:
    """Draw an icon for each value that has one, and no icon for any other."""
    rows = [("==", value, icon) for value, icon in icons.items()] + [("Default", None, "Blank")]
    return {
        "thresholdsOptions": "icons",
        "thresholdsGrid": [
            {"operator": operator, "thresholdValue": value, "representation": icon, "text": text}
            for operator, value, icon in rows
        ],
    }


def _column(name: str, formatter: int, **options: Any) -> Step:
    """Draw a column by one of the workbook's formatters, which have numbers."""
    return {"columnMatch": f"^{name}$", "formatter": formatter, **options}


def icon(column: str, icons: dict[str, str]) -> Step:
    """Draw a status with its icon."""
    return _column(column, 18, formatOptions=_thresholds(icons))


def hidden(column: str) -> Step:
    """Keep a column for a link and don't show it."""
    return _column(column, 5)


def bar(column: str, palette: str = "blue") -> Step:
    """Draw a number with a bar."""
    return _column(column, 3, formatOptions={"min": 0, "palette": palette})


def moment(*columns: str) -> list[Step]:
    """Draw times."""
    shown = {"showUtcTime": True, "formatName": "shortDateTimePattern"}
    return [_column(column, 6, dateFormat=shown) for column in columns]


ACCOUNT = [
    _column("Account", 1, formatOptions={"linkColumn": "accountId", "linkTarget": "Resource"}),
    hidden("accountId"),
]
DAYS_LEFT = _column("DaysLeft", 8, formatOptions={"min": 0, "max": 90, "palette": "redGreen"})


def grid(
    name: str,
    title: str,
    kql: str,
    empty: str,
    formatters: Sequence[Step] = (),
    labels: dict[str, str] | None = None,
    *,
    fine: bool = False,
) -> Step:
    """Draw a table, sorted by its query, searched and sorted by who reads it."""
    step = _query(name, title, kql, empty, "table", fine=fine)
    settings: dict[str, Any] = {
        "formatters": list(formatters),
        "rowLimit": MOST_ROWS,
        "filter": True,
    }
    if labels:
        settings["labelSettings"] = [
            {"columnId": column, "label": label} for column, label in labels.items()
        ]
    step["content"] |= {"showExportToExcel": True, "showAnalytics": True, "gridSettings": settings}
    return step


def tiles(name: str, title: str, kql: str, empty: str) -> Step:
    """Draw big numbers, in the order of `place`: Title, Value, Note, and a status.

    A status is `bad`, `warn`, `good`, or none.
    """
    kql = f"{kql.rstrip()}\n| order by place asc\n| project Title, Value, status, Note"
    step = _query(name, title, kql, empty, "tiles", fine=False)
    step["content"]["size"] = 4
    step["content"]["tileSettings"] = {
        "titleContent": {"columnMatch": "Title", "formatter": 1},
        "leftContent": {
            "columnMatch": "Value",
            "formatter": 12,
            "formatOptions": {"palette": "none"},
            "numberFormat": {
                "unit": 0,
                "options": {"style": "decimal", "maximumFractionDigits": 0},
            },
        },
        "secondaryContent": {
            "columnMatch": "status",
            "formatter": 18,
            "formatOptions": _thresholds(_ICONS_STATUS, text='["Note"]'),
        },
        "showBorder": True,
        "size": "auto",
    }
    return step


def chart(
    name: str,
    title: str,
    kql: str,
    empty: str,
    kind: str,
    colours: dict[str, str] | None = None,
    *,
    width: str = "50",
    fine: bool = False,
    unit: int | None = None,
) -> Step:
    """Draw a chart of a time, a text for the series, and a number; or of a text and a number."""
    step = _query(name, title, kql, empty, kind, fine=fine)
    settings: dict[str, Any] = {}
    if colours:
        settings["seriesLabelSettings"] = [
            {"seriesName": series, "label": series, "color": colour}
            for series, colour in colours.items()
        ]
    if unit is not None:
        settings["ySettings"] = {
            "numberFormatSettings": {
                "unit": unit,
                "options": {"style": "decimal", "useGrouping": True},
            },
            "min": 0,
        }
    if settings:
        step["content"]["chartSettings"] = settings
    step["customWidth"] = width
    return step


def text(name: str, markdown: str, style: str | None = None) -> Step:
    """Words."""
    content = {"json": markdown} | ({"style": style} if style else {})
    return {"type": 1, "content": content, "name": name}


def where_chosen(parameter: str, step: Step) -> Step:
    """Show a step only while a parameter has a value."""
    return _conditional(step, parameter, "isNotEqualTo")


def where_not_chosen(parameter: str, step: Step) -> Step:
    """Show a step only while a parameter has no value."""
    return _conditional(step, parameter, "isEqualTo")


def _conditional(step: Step, parameter: str, comparison: str) -> Step:
    # A comparison without a value is one with nothing.
    condition = {"parameterName": parameter, "comparison": comparison}
    return {**step, "conditionalVisibility": condition}


def tab(name: str, *items: Step) -> Step:
    """Return what a tab shows."""
    return {
        "type": 12,
        "content": {"version": "NotebookGroup/1.0", "groupType": "editable", "items": list(items)},
        "conditionalVisibility": {
            "parameterName": "selectedTab",
            "comparison": "isEqualTo",
            "value": name,
        },
        "name": f"tab-{name.lower().replace(' ', '-')}",
    }


def tabs(*names: str) -> Step:
    """Return the row of tabs."""
    return _links("tabs", "tabs", names)


def ways(name: str, *tabs: str) -> Step:
    """Return a row of links to tabs, for what tiles name: a tile of Azure's can't be a link."""
    return _links(name, "nav", tabs)


def _links(step: str, style: str, names: Sequence[str]) -> Step:
    return {
        "type": 11,
        "content": {
            "version": "LinkItem/1.0",
            "style": style,
            "links": [
                {
                    "id": identifier(f"{style.removesuffix('s')} {name}"),
                    "cellValue": "selectedTab",
                    "linkTarget": "parameter",
                    "linkLabel": name,
                    "subTarget": name,
                    "style": "link",
                }
                for name in names
            ],
        },
        "name": step,
    }
