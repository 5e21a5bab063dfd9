"""The parts of the documents that are written from the code. `make docs` writes them.

A block stands between `<!-- begin: NAME (make docs) -->` and `<!-- end: NAME -->`; a test compares
each with what the code says now.
"""

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path

from shared.events import EVENTS, METRICS, Event, SweepContext, fields_of
from shared.settings import SETTINGS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCUMENTS = (README, ROOT / "docs" / "telemetry.md")
_BLOCK = re.compile(
    r"(<!-- begin: (?P<name>\w+) \(make docs\) -->\n)(?P<text>.*?)(<!-- end: (?P=name) -->)",
    re.DOTALL,
)


def _settings() -> str:
    lines = ["| setting | default | allowed | what for |", "| --- | --- | --- | --- |"]
    for each in SETTINGS:
        default = (
            "required" if each.default is None else f"`{each.default}`" if each.default else ""
        )
        lines.append(f"| `{each.name}` | {default} | {each.allowed} | {each.purpose} |")
    return "\n".join(lines) + "\n"


def _events() -> str:
    lines = ["| event | when | fields |", "| --- | --- | --- |"]
    for each in EVENTS:
        names = ", ".join(f"`{field.name}`" for field in fields_of(each))
        summary = (each.__doc__ or "").splitlines()[0]
        lines.append(f"| `{each.name}` | {summary} | {names} |")
    common = ", ".join(f"`{field.name}`" for field in fields_of(SweepContext))
    lines.append(f"| every event | | {common} |")
    return "\n".join(lines) + "\n"


def _metrics() -> str:
    lines = ["| metric | dimensions | says |", "| --- | --- | --- |"]
    for each in METRICS:
        dimensions = ", ".join(f"`{name}`" for name in each.dimensions)
        lines.append(f"| `{each.name}` | {dimensions} | {each.meaning} |")
    return "\n".join(lines) + "\n"


def _actions() -> str:
    actions = json.loads((ROOT / "infra" / "role-actions.json").read_text())["actions"]
    lines = ["| action | why |", "| --- | --- |"]
    lines.extend(f"| `{each['name']}` | {each['why']} |" for each in actions)
    return "\n".join(lines) + "\n"


def _map() -> str:
    lines = ["| file | what it is |", "| --- | --- |"]
    modules = [ROOT / "function_app.py", *sorted((ROOT / "shared").glob("*.py"))]
    modules += [ROOT / "tests" / "local_azure" / "__init__.py"]
    for path in modules:
        document = ast.get_docstring(ast.parse(path.read_text())) or ""
        summary = document.partition("\n\n")[0].replace("\n", " ")
        lines.append(f"| `{path.relative_to(ROOT)}` | {summary} |")
    return "\n".join(lines) + "\n"


def _fields() -> str:
    """Every event with its fields, one by one."""
    parts = []
    for each in EVENTS:
        document = (each.__doc__ or "").replace("\n", " ")
        parts.append(f"### {each.name}\n\n{document}\n\n{_field_table(each)}")
    return "\n".join(parts)


def _common_fields() -> str:
    return _field_table(SweepContext)


def _field_table(declared: type[Event] | type[SweepContext]) -> str:
    lines = ["| field | where | type | meaning |", "| --- | --- | --- | --- |"]
    for field in fields_of(declared):
        where = "customMeasurements" if field.is_measurement else "customDimensions"
        lines.append(f"| `{field.name}` | {where} | {field.kind} | {field.meaning} |")
    return "\n".join(lines) + "\n"


def _metric_fields() -> str:
    lines = ["| metric | unit | dimensions | says |", "| --- | --- | --- | --- |"]
    for each in METRICS:
        dimensions = ", ".join(f"`{name}`" for name in each.dimensions)
        lines.append(f"| `{each.name}` | {each.unit} | {dimensions} | {each.meaning} |")
    return "\n".join(lines) + "\n"


BLOCKS: dict[str, Callable[[], str]] = {
    "settings": _settings,
    "events": _events,
    "metrics": _metrics,
    "actions": _actions,
    "map": _map,
    "fields": _fields,
    "common_fields": _common_fields,
    "metric_fields": _metric_fields,
}


def written_anew(text: str) -> str:
    """Return a document with each block as the code has it now."""
    return _BLOCK.sub(lambda block: f"{block[1]}{BLOCKS[block['name']]()}{block[4]}", text)


def block_names(text: str) -> list[str]:
    """Return the names of a document's blocks."""
    return [block["name"] for block in _BLOCK.finditer(text)]


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(written_anew(document.read_text()))
