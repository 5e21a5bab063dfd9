"""The parts of the documents that are written from the code. `make docs` writes them.

A block stands between `<!-- begin: NAME (make docs) -->` and `<!-- end: NAME -->`; a test compares
each with what the code says now.
"""

import ast
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any

import click

from infra.ready_queries import DEFINITION, READY_QUERIES
from keysweep.__main__ import keysweep
from shared.core.events import EVENTS, METRICS, Event, SweepContext
from shared.core.settings import SETTINGS
from shared.core.wire import fields_of
from tools.bicep import resources

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
COMMAND_LINE = DOCS / "command-line.md"
DEPLOYING = ROOT / "infra" / "README.md"
SECURITY = ROOT / "SECURITY.md"
SETTINGS_PAGE = DOCS / "settings.md"
DOCUMENTS = (
    DEPLOYING,
    DOCS / "architecture.md",
    SETTINGS_PAGE,
    DOCS / "security-model.md",
    DOCS / "telemetry.md",
    SECURITY,
)
_BLOCK = re.compile(
    r"(<!-- begin: (?P<name>\w+) \(make docs\) -->\n)(?P<text>.*?)(<!-- end: (?P=name) -->)",
    re.DOTALL,
)


def _settings() -> str:
    lines = ["| setting | default | allowed | what for |", "| --- | --- | --- | --- |"]
    for setting in SETTINGS:
        default = (
            "required"
            if setting.default is None
            else f"`{setting.default}`"
            if setting.default
            else ""
        )
        lines.append(f"| `{setting.name}` | {default} | {setting.allowed} | {setting.purpose} |")
    return "\n".join(lines) + "\n"


def _events() -> str:
    lines = ["| event | when |", "| --- | --- |"]
    for event in EVENTS:
        summary = (event.__doc__ or "").splitlines()[0]
        lines.append(f"| [`{event.name}`](#{event.name.lower()}) | {summary} |")
    return "\n".join(lines) + "\n"


def _actions() -> str:
    actions = json.loads((ROOT / "infra" / "role-actions.json").read_text())["actions"]
    only = {
        "enforce": "`SWEEP_MODE=enforce`, in the rings alone",
        "groups": "`EXEMPTION_INHERIT` with resource groups, or `OWNER_TAGS`",
    }
    lines = ["| action | why | given with |", "| --- | --- | --- |"]
    for action in actions:
        setting = only.get(action.get("only"), "every deployment")
        lines.append(f"| `{action['name']}` | {action['why']} | {setting} |")
    return "\n".join(lines) + "\n"


_MADE_FOR = {
    "Microsoft.Resources/resourceGroups": "holds all of the Function; removal deletes it",
    "Microsoft.OperationalInsights/workspaces": "keeps the telemetry; local auth off, daily cap",
    "Microsoft.Insights/components": "takes the telemetry, with Entra ID tokens alone",
    "Microsoft.Insights/workbooks": "where people review drift",
    "Microsoft.Storage/storageAccounts": "the package and the timer's lock; shared keys off",
    "Microsoft.Storage/storageAccounts/blobServices": "keeps what was deleted for a week, and "
    "what a blob was before",
    "Microsoft.Storage/storageAccounts/managementPolicies": "ends what a blob was after a month",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "where packages go",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "who Keysweep is",
    "Microsoft.Web/serverfarms": "Flex Consumption",
    "Microsoft.Web/sites": "the Function App; its main site denies all",
    "Microsoft.Web/sites/config": "the app settings",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "no passwords for packages",
    "Microsoft.Network/virtualNetworks": "two subnets: the Function's, and the endpoints'",
    "Microsoft.Network/networkSecurityGroups": "the rules of a subnet: Azure's own alone",
    "Microsoft.Network/privateDnsZones": "where a private endpoint is found by name",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "lets the network look there",
    "Microsoft.Network/privateEndpoints": "the only way to storage, or to the app",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "writes the endpoint's record",
    "Microsoft.Authorization/roleDefinitions": "the actions of the role",
    "Microsoft.Authorization/roleAssignments": "who may do what, and where",
    "Microsoft.Authorization/policyDefinitions": "the guardrail's rule, if asked for",
    "Microsoft.Authorization/policyAssignments": "the guardrail in force, if asked for",
}


# Application Insights gets these without anybody's asking (azure-docs#117421, azurerm#10563).
_MADE_BY_AZURE = """\
| `microsoft.alertsManagement/smartDetectorAlertRules` | `Failure Anomalies - appi-keysweep-…` | \
subscription | Azure makes it by itself, for each Application Insights resource |
| `Microsoft.Insights/actionGroups` | `Application Insights Smart Detection` | \
subscription | the same: the rule above calls it |""".splitlines()


def _resources() -> str:
    """Tell what `enforce.bicepparam` would make: one row for each resource of its snapshot."""
    return _resource_table([*_resource_rows("enforce"), *_MADE_BY_AZURE])


def _network_resources() -> str:
    """Tell what `private.bicepparam` would make for its network."""
    rows = _resource_rows("private")
    return _resource_table([row for row in rows if row.startswith("| `Microsoft.Network/")])


def _resource_table(rows: list[str]) -> str:
    lines = ["| resource | name | where | what for |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *dict.fromkeys(rows)]) + "\n"


def _resource_rows(case: str) -> list[str]:
    rows = []
    for resource in resources(case):
        at_group = "managementGroup" in resource["id"]
        where = "management group" if at_group else "subscription"
        made_for = _made_for(resource)
        shown = _shown_name(resource["name"])
        rows.append(f"| `{resource['type']}` | {shown} | {where} | {made_for} |")
    return rows


def _made_for(resource: dict[str, Any]) -> str:
    match resource["type"]:
        case "Microsoft.Insights/scheduledQueryRules":
            title = resource["properties"]["displayName"].removeprefix("Keysweep: ")
        case "Microsoft.Insights/activityLogAlerts":
            title = next(
                str(alert["title"])
                for alert in watched_operations()
                if resource["name"].endswith(alert["name"])
            )
        case kind:
            return _MADE_FOR[kind]
    return f"alert: {title}"


def watched_operations() -> list[dict[str, Any]]:
    """Return the alerts on the activity log, each with the operations that it looks for."""
    loaded = json.loads((ROOT / "infra" / "watched-operations.json").read_text())
    found: list[dict[str, Any]] = loaded["alerts"]
    return found


def _watched() -> str:
    lines = ["| alert | severity | operation | what it may mean |", "| --- | --- | --- | --- |"]
    for alert in watched_operations():
        for operation in alert["operations"]:
            shown = f"`{operation['name']}` | {operation['why']}"
            lines.append(f"| {alert['title']} | {alert['severity']} | {shown} |")
    return "\n".join(lines) + "\n"


def _shown_name(name: str) -> str:
    # A zone's name ends as the cloud has it.
    if zone := re.search(r"privatelink\.[a-z.]*", name):
        return f"`{zone[0]}…`"
    # Names end in a hash of the subscription; assignments of roles are named by a guid.
    short = re.sub(r"[a-z0-9]{13}(?=/|$)", "…", name)
    is_guid = re.fullmatch(r"\[guid.*|[0-9a-f-]{36}|[0-9a-f-]{23}…", short)
    return "a guid" if is_guid else f"`{short}`"


# From the top: each may import those below it.
_LAYERS = (
    ("function_app", ("function_app.py",)),
    ("keysweep", ("keysweep/**/*.py",)),
    ("shared.bootstrap", ("shared/bootstrap.py",)),
    ("shared.workspace", ("shared/workspace.py",)),
    ("shared.border", ("shared/border/*.py",)),
    ("shared.steps", ("shared/steps/*.py",)),
    ("shared.core", ("shared/core/*.py",)),
)


def _layers() -> str:
    """Draw the layers, what is in each, and how many imports lead from one to another."""
    files = {
        layer: [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
        for layer, patterns in _LAYERS
    }
    lines = ["```mermaid", "flowchart TD"]
    for layer, paths in files.items():
        inside = "" if len(paths) == 1 else "<br>" + "<br>".join(_inside(layer, paths))
        lines.append(f'    {layer}["<b>{layer}</b>{inside}"]')
    for layer, paths in files.items():
        count = Counter(
            below
            for path in paths
            for module in _imports(path)
            for below in files
            if below != layer and f"{module}.".startswith(f"{below}.")
        )
        lines += [f"    {layer} -->|{number}| {below}" for below, number in sorted(count.items())]
    return "\n".join([*lines, "```"]) + "\n"


def _inside(layer: str, paths: Sequence[Path]) -> Iterator[str]:
    """Name the modules of a layer, four in a row, those of each folder under its name."""
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        if path.stem != "__init__":
            folders[path.parent.name].append(path.stem)
    top = layer.rpartition(".")[2]
    for folder, names in sorted(folders.items(), key=lambda item: (item[0] != top, item[0])):
        if folder not in {top, "shared", ""}:
            yield f"<i>{folder}</i>"
        yield from (", ".join(row) for row in batched(names, 4, strict=False))


def _imports(path: Path) -> Iterator[str]:
    """Return the modules that a file imports from, once each name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _map() -> str:
    lines = ["| file | what it is |", "| --- | --- |"]
    modules = [ROOT / "function_app.py", *sorted((ROOT / "shared").rglob("*.py"))]
    modules += sorted((ROOT / "keysweep").rglob("*.py"))
    modules += [ROOT / "dashboard" / "__init__.py", ROOT / "bench" / "__init__.py"]
    modules += sorted((ROOT / "infra" / "deploy").rglob("*.py"))
    modules += [ROOT / "infra" / "package.py", ROOT / "local_azure" / "__init__.py"]
    for path in modules:
        document = ast.get_docstring(ast.parse(path.read_text())) or ""
        summary = document.partition("\n\n")[0].replace("\n", " ")
        lines.append(f"| `{path.relative_to(ROOT)}` | {summary} |")
    return "\n".join(lines) + "\n"


def _fields() -> str:
    """Every event with its fields, one by one."""
    parts = []
    for event in EVENTS:
        document = (event.__doc__ or "").replace("\n", " ")
        parts.append(f"### {event.name}\n\n{document}\n\n{_field_table(event)}")
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
    for metric in METRICS:
        dimensions = ", ".join(f"`{name}`" for name in metric.dimensions)
        lines.append(f"| `{metric.name}` | {metric.unit} | {dimensions} | {metric.meaning} |")
    return "\n".join(lines) + "\n"


def _definition() -> str:
    return f"```kusto\n{DEFINITION}\n```\n"


def _queries() -> str:
    parts = [
        f"{question}:\n\n```kusto\n{kql.strip()}\n```\n" for question, kql in READY_QUERIES.items()
    ]
    return "\n".join(parts)


def _help(*path: str) -> str:
    """Return the help of `keysweep`, or of one of its commands, as a terminal of 96 shows it."""
    command: click.Command = keysweep
    settings = {**keysweep.context_settings, "terminal_width": 96, "max_content_width": 96}
    context = click.Context(command, info_name="keysweep", **settings)
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
        context = click.Context(command, context, info_name=name, **settings)
    return f"```\n{command.get_help(context)}\n```\n"


BLOCKS: dict[str, Callable[[], str]] = {
    "settings": _settings,
    "events": _events,
    "actions": _actions,
    "layers": _layers,
    "map": _map,
    "fields": _fields,
    "common_fields": _common_fields,
    "metric_fields": _metric_fields,
    "definition": _definition,
    "queries": _queries,
    "resources": _resources,
    "network": _network_resources,
    "watched": _watched,
}
COMMANDS: dict[str, Callable[[], str]] = {
    "help": _help,
    **{name: partial(_help, name) for name in keysweep.commands},
}
"""The blocks of docs/command-line.md."""


def written_anew(text: str) -> str:
    """Return a document with each block as the code has it now."""
    blocks = {**BLOCKS, **COMMANDS}
    return _BLOCK.sub(lambda block: f"{block[1]}{blocks[block['name']]()}{block[4]}", text)


def block_names(text: str) -> list[str]:
    """Return the names of a document's blocks."""
    return [block["name"] for block in _BLOCK.finditer(text)]


if __name__ == "__main__":
    for document in (*DOCUMENTS, COMMAND_LINE):
        document.write_text(written_anew(document.read_text()))
