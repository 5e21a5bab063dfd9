"""A workbook and what was received become one HTML file that needs nothing else.

A file can't run queries, so each is run beforehand for every time range that the page offers. Of
what a table says by subscription, the page shows the rows of the chosen one. Numbers and charts
have no such rows: they are run for each subscription where there are few, and where there are many
the page says that they are of all. What a query shows is data: the page puts it in as text, never
as HTML.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dashboard.tables import QueryError, Result, Tables
from dashboard.workbook import Step, Workbook

_PAGE = Path(__file__).parent / "page"
_GENERATOR = b'<meta name="generator" content="keysweep dashboard">'
_HEAD_BYTES = 1024
_EVERY = "*"
# A month is seen by the day, a week by the quarter of a day, a day by the hour.
_GRAINS = ((0.2, "5m"), (2.0, "1h"), (8.0, "6h"))
_WIDEST_GRAIN = "1d"
# Numbers and charts of so many subscriptions are run for each: it costs their queries again.
MOST_RECKONED = 6
BY_SUBSCRIPTION = "Subscription"
"""The column by which the page shows the rows of one subscription."""
_SUBSCRIPTION = "the chosen subscription"
_DEPLOYMENT = "the chosen deployment"
# Where telemetry names no deployment, it is of one.
_UNNAMED = {"value": "", "label": "(no name)"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A step's data for one choice, or why there is none."""

    columns: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    """`time`, `number` or `text`, by column."""
    rows: tuple[tuple[Any, ...], ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What queries are run on: the tables in one time range, whose end is naive and in UTC."""

    tables: Tables
    days: float
    ends: datetime
    fixed: Mapping[str, str]
    """Values of the parameters that the page doesn't offer."""


def draw(workbook: Workbook, tables: Tables) -> str:
    """Return the page. A step that can't be drawn says why, and the others are drawn."""
    chosen = {"Workspace": "the captured one"} if tables.has_workspace else {}
    model = _model(workbook.where(chosen), tables)
    # A script element ends at the first `</`, even in a string.
    data = json.dumps(model).replace("<", "\\u003c")
    parts = {
        "title": workbook.title,
        "style": (_PAGE / "page.css").read_text(),
        "echarts": (_PAGE / "echarts.common.min.js").read_text(),
        "script": (_PAGE / "page.js").read_text(),
        "data": data,
    }
    template = (_PAGE / "page.html").read_text()
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def is_page(file: Path) -> bool:
    """Whether a file is a page that was drawn here. Raises OSError."""
    with file.open("rb") as opened:
        return _GENERATOR in opened.read(_HEAD_BYTES)


def _model(workbook: Workbook, tables: Tables) -> dict[str, Any]:
    ends = tables.ends or datetime.now(UTC).replace(tzinfo=None)
    begins = tables.begins or ends
    queries = [step for step in workbook.steps if step.query]
    seen: dict[str, int] = {}
    results: list[dict[str, Any]] = []

    def keep(drawn: Drawn) -> int:
        """Keep what is shown in many choices once."""
        as_dict = asdict(drawn)
        text = json.dumps(as_dict)
        if text not in seen:
            seen[text] = len(results)
            results.append(as_dict)
        return seen[text]

    tables.window(ends - timedelta(days=workbook.chosen), ends)
    deployments = _offered(tables, workbook.deployments) or [_UNNAMED]
    subscriptions = _subscriptions(workbook, tables, deployments)
    ranges = _telling(workbook.ranges, ends - begins)
    choices: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    names: dict[str, dict[str, dict[str, str]]] = {}
    for days in ranges:
        tables.window(ends - timedelta(days=days), ends)
        reading = Reading(tables, days, ends, workbook.fixed)
        names[f"{days:g}"] = {
            deployment: {found["value"]: found["label"] for found in there}
            for deployment, there in _subscriptions(workbook, tables, deployments).items()
        }
        choices[f"{days:g}"] = {
            deployment: {
                value: {name: keep(drawn) for name, drawn in steps.items()}
                for value, steps in _by_choice(queries, reading, deployment, offered).items()
            }
            for deployment, offered in subscriptions.items()
        }
    return {
        "title": workbook.title,
        "above": [_shown(step, {}) for step in workbook.above],
        "tabs": [
            {"name": tab.name, "steps": [_shown(step, workbook.exports) for step in tab.steps]}
            for tab in workbook.tabs
        ],
        "ranges": [f"{days:g}" for days in ranges],
        "chosen": f"{workbook.chosen if workbook.chosen in ranges else ranges[-1]:g}",
        "bySubscription": BY_SUBSCRIPTION,
        "deployments": deployments,
        "subscriptions": subscriptions,
        # A name stands with its id only where, in that time range, another one has the same.
        "names": names,
        "begins": begins.isoformat(),
        "ends": ends.isoformat(),
        "choices": choices,
        "results": results,
    }


def _subscriptions(
    workbook: Workbook, tables: Tables, deployments: Iterable[Mapping[str, str]]
) -> dict[str, list[dict[str, str]]]:
    """Return the subscriptions that are known in the window, by deployment."""
    query = workbook.subscriptions.replace("{Deployment}", _DEPLOYMENT)
    return {
        deployment["value"]: _offered(tables, query, {_DEPLOYMENT: deployment["value"]})
        for deployment in deployments
    }


def _offered(
    tables: Tables, query: str, chosen: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    try:
        found = tables.query(query, chosen).rows
    except QueryError:
        return []  # the steps that need them say what is wrong with the telemetry
    return [{"value": str(value), "label": str(label)} for value, label in found]


def _telling(ranges: Iterable[float], covered: timedelta) -> list[float]:
    """Leave out the time ranges that show no more than a shorter one."""
    shorter = [days for days in sorted(ranges) if timedelta(days=days) <= covered]
    longer = [days for days in sorted(ranges) if timedelta(days=days) > covered]
    return shorter + longer[:1]


def _by_choice(
    steps: Sequence[Step], reading: Reading, deployment: str, offered: Sequence[Mapping[str, str]]
) -> dict[str, dict[str, Drawn]]:
    """Run all steps for all subscriptions, and for each of few what rows can't be shown of."""
    of_all = _drawn_steps(steps, reading, deployment, _EVERY)
    reckoned = [
        step
        for step in steps
        if "{Subscription}" in step.query and BY_SUBSCRIPTION not in of_all[step.name].columns
    ]
    few = offered if len(offered) <= MOST_RECKONED else ()
    of_each = {
        subscription["value"]: _drawn_steps(reckoned, reading, deployment, subscription["value"])
        for subscription in few
    }
    return {_EVERY: of_all, **of_each}


def _shown(step: Step, exports: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page needs of a step. It narrows the rows of what a click chooses itself."""
    shown = asdict(step) | {"narrowed_by": step.narrowed_by(exports)}
    del shown["query"]
    return shown


def _drawn_steps(
    steps: Sequence[Step], reading: Reading, deployment: str, subscription: str
) -> dict[str, Drawn]:
    tables, ends = reading.tables, reading.ends
    start = ends - timedelta(days=reading.days)
    covered = (ends - max(start, tables.begins or start)) / timedelta(days=1)
    grain = next((grain for most, grain in _GRAINS if covered <= most), _WIDEST_GRAIN)

    def drawn(step: Step) -> Drawn:
        kql = (
            _filled(step.query, {**reading.fixed, "Subscription": f"'{_SUBSCRIPTION}'"})
            .replace("{Deployment}", _DEPLOYMENT)
            .replace("{TimeRange:grain}", grain)
            .replace("{TimeRange:start}", f"datetime({start.isoformat()})")
            .replace("{TimeRange:end}", f"datetime({ends.isoformat()})")
        )
        try:
            chosen = {_SUBSCRIPTION: subscription, _DEPLOYMENT: deployment}
            result = tables.query(kql, chosen)
        except QueryError as error:
            return Drawn(problem=f"The query of {step.name} failed: {error}")
        missing = _missing(step, result.columns)
        if missing:
            return Drawn(
                problem=f"The query of {step.name} returns no column {', '.join(missing)}."
            )
        return Drawn(result.columns, _kinds(result), tuple(map(_plain, result.rows)))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip((step.name for step in steps), pool.map(drawn, steps), strict=True))


def _filled(kql: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        kql = kql.replace(f"{{{name}}}", value)
    return kql


def _missing(step: Step, columns: tuple[str, ...]) -> list[str]:
    """Return the columns that the step's settings name and its query does not return."""
    settings = step.settings or {}
    patterns = [formatter["columnMatch"] for formatter in settings.get("formatters", ())]
    patterns += [f"^{label['columnId']}$" for label in settings.get("labelSettings", ())]
    patterns += [
        f"^{content['columnMatch']}$"
        for name, content in settings.items()
        if name.endswith("Content") and isinstance(content, dict)
    ]
    return [
        pattern.strip("^$")
        for pattern in patterns
        if not any(re.search(pattern, column) for column in columns)
    ]


def _kinds(result: Result) -> tuple[str, ...]:
    return tuple(
        next((_kind(row[index]) for row in result.rows if row[index] is not None), "text")
        for index in range(len(result.columns))
    )


def _kind(value: object) -> str:
    match value:
        case bool():
            return "text"
        case int() | float():
            return "number"
        case datetime():
            return "time"
        case _:
            return "text"


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Make values that JSON has."""
    return tuple(map(_plain_value, row))


def _plain_value(value: object) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case float():
            return value if math.isfinite(value) else None
        case None | int() | str():
            return value
        case _:
            return str(value)
