"""The environment becomes `Settings`, or one error that names every problem.

Pure: the environment is an argument, and nothing is read at import. `SETTINGS` declares each
setting once, with its default, what is allowed and what it is for; the README's table and
local.settings.sample.json are compared with it in a test.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.core.decision import Brake, Limits, Rules, Scope
from shared.core.errors import SettingsError
from shared.core.kinds import read_kind
from shared.core.model import Level
from shared.core.schedule import Schedule
from shared.core.spelling import edits, essence, likeliest
from shared.core.timespan import UNLIMITED, read_time_span


class Mode(StrEnum):
    """Whether a sweep writes."""

    AUDIT = "audit"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class LogsApi:
    """Where Log Analytics answers queries, and the scope of tokens for it."""

    endpoint: str
    scope: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where Azure Resource Manager is, and the scope of tokens for it."""

    endpoint: str
    scope: str
    logs: LogsApi | None = None
    """None: Azure Resource Manager is to be asked."""


CLOUDS = {
    # azure-core 1.41.0's AzureClouds and the endpoints that azure-mgmt-core 1.6.0 gives them; for
    # logs azure-monitor-docs, logs/api/access-api.md (2025-08-29, whose host and audience differ),
    # and for the other clouds azure-cli-core's cloud.py and docs.azure.cn, logs/api/access-api.
    "AZURE_PUBLIC_CLOUD": Cloud(
        "https://management.azure.com",
        "https://management.azure.com/.default",
        LogsApi("https://api.loganalytics.azure.com", "https://api.loganalytics.io/.default"),
    ),
    "AZURE_US_GOVERNMENT": Cloud(
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        LogsApi("https://api.loganalytics.us", "https://api.loganalytics.us/.default"),
    ),
    "AZURE_CHINA_CLOUD": Cloud(
        "https://management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn/.default",
        LogsApi("https://api.loganalytics.azure.cn", "https://api.loganalytics.azure.cn/.default"),
    ),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a sweep is told. Built by `read_settings`."""

    mode: Mode
    schedule: Schedule
    scope: Scope
    rules: Rules
    limits: Limits
    enforce_from: datetime | None
    """Until then enforce mode audits."""
    inherit: tuple[Level, ...]
    """The levels above an account whose tags count for it, the nearest first."""
    concurrency: int
    budget: float
    """Seconds."""
    client_id: str | None
    tenant_id: str | None
    cloud: Cloud
    notes: tuple[str, ...] = ()
    """What a person set and the sweep leaves out of account, a sentence each."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name, its default as text (None: required), and what it may be."""

    name: str
    default: str | None
    allowed: str
    purpose: str
    parse: Callable[[str], Any]
    """Raises ValueError."""
    explains: bool = False
    """Whether that error says what is wrong, in words for a deployer."""


_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_REFERENCES = ("@microsoft.keyvault(", "@microsoft.appconfiguration(")
# Azure Resource Manager refuses these in tag names, and names longer than 512 characters.
_BAD_IN_TAG_NAME = frozenset("<>%&\\?/")
_MOST_TAG_NAME = 512
# Ids of management groups: letters, digits, `-`, `_`, `(`, `)`, `.`; at most 90 characters.
_GROUP = re.compile(r"[A-Za-z0-9_().-]{1,90}")
# A host's name, and perhaps a port: what a token is sent to is never hidden by user info, a
# backslash or a letter that looks like another (RFC 1123, section 2.1).
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"https://(?P<host>{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>[0-9]{{1,5}}))?/?")
_MOST_HOST, _MOST_PORT = 253, 65_535


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError


def _choice(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() in words:
            return text.lower()
        raise ValueError

    return parse


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and least <= int(text) <= most:
            return int(text)
        raise ValueError

    return parse


def _optional[T](parse: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: parse(text) if text else None


def _parts(text: str) -> list[str]:
    """Split a list by comma. One that was given and holds nothing is a mistake: ValueError."""
    parts = [part.strip() for part in text.split(",")]
    found = [part for part in parts if part]
    if text and not found:
        raise ValueError("it lists nothing")
    return found


def _listed[T](parse: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    return lambda text: tuple(dict.fromkeys(parse(part) for part in _parts(text)))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if len(text) == len("2027-03-31"):
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    if moment.tzinfo is None:
        raise ValueError
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError from error


def _levels(text: str) -> tuple[Level, ...]:
    above = (Level.RESOURCE_GROUP, Level.SUBSCRIPTION)
    if text.lower() in _TRUE | _FALSE:
        return above if text.lower() in _TRUE else ()
    named = {part.lower() for part in _parts(text)}
    if named - {level.lower() for level in above}:
        raise ValueError
    return tuple(level for level in above if level.lower() in named)


def _guid(text: str) -> str:
    if len(text) != len("00000000-0000-0000-0000-000000000000"):
        raise ValueError
    return str(UUID(text))


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if pattern.fullmatch(text):
            return text
        raise ValueError

    return parse


def _tag_name(text: str) -> str:
    if len(text) <= _MOST_TAG_NAME and not _BAD_IN_TAG_NAME & set(text) and text.isprintable():
        return text
    raise ValueError


def _https(text: str) -> str:
    address = _ADDRESS.fullmatch(text)
    if address is None or len(address["host"]) > _MOST_HOST:
        raise ValueError
    if address["port"] is not None and not 0 < int(address["port"]) <= _MOST_PORT:
        raise ValueError
    return text.removesuffix("/")


def _scope(text: str) -> str:
    if re.fullmatch(r"https://\S+/\.default", text):
        return text
    raise ValueError


def _cloud(text: str) -> Cloud:
    if text.upper() in CLOUDS:
        return CLOUDS[text.upper()]
    raise ValueError


def _connection_string(text: str) -> str:
    if re.search(r"(^|;)\s*InstrumentationKey=[0-9a-fA-F-]{36}\s*(;|$)", text):
        return text
    raise ValueError


_MOMENT = "a moment such as `2027-03-31T08:00Z`, a day (its beginning, UTC), or empty"
_YES_NO = "`true` or `false`"
FUNCTION_TIMEOUT_SECONDS = 1500.0
"""functionTimeout in host.json, which a test compares with this."""
FUNCTION_TIMEOUT = "AzureFunctionsJobHost__functionTimeout"
"""The app setting by which the host overrides it: one of the host's, and none of ours."""
# The host takes no shorter one (azure-functions-host, ScriptJobHostOptionsSetup.cs).
_LEAST_TIMEOUT = timedelta(seconds=1)
_MARGIN_SECONDS = 60
_MOST_SHOWN = 100
_TELEMETRY = "APPLICATIONINSIGHTS_CONNECTION_STRING"
# Names that begin so are ours: who sets one means Keysweep.
_OUR_BEGINNINGS = ("SWEEP_", "EXEMPT", "BRAKE", "ENFORCE_", "MAX_CHANGES", "NO_SUBDOMAIN")
# So many edits away, a name was probably meant to be one of ours; fewer where a name is short.
# The nearest that another tool sets are three away: Terraform's ARM_TENANT_ID, ARM_CLIENT_ID.
_EDITS, _EDITS_OF_SHORT, _SHORT = 2, 1, 8
_OF_OTHER_TOOLS = frozenset({"AZURE_TENANT"})  # Ansible's collection azure.azcollection

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "SWEEP_SCHEDULE",
        "0 */15 * * * *",
        "NCRONTAB of 5 or 6 fields that fires at least once in five years, UTC",
        "When the timer fires.",
        Schedule.parse,
        explains=True,
    ),
    Setting(
        "SWEEP_MODE",
        None,
        "`audit` or `enforce`",
        "`audit` reports and is never handed a writer; `enforce` turns keys off.",
        lambda text: Mode(_choice("audit", "enforce")(text)),
    ),
    Setting(
        "SWEEP_MANAGEMENT_GROUPS",
        "",
        "ids of management groups, by comma",
        "Sweep the subscriptions below these; one that can't be read is a gap.",
        _listed(_matching(_GROUP)),
    ),
    Setting(
        "SWEEP_SUBSCRIPTIONS",
        "",
        "ids of subscriptions, by comma; not with SWEEP_MANAGEMENT_GROUPS",
        "Sweep these. With neither, every subscription that the identity can read.",
        _listed(_guid),
    ),
    Setting(
        "SWEEP_EXCLUDE_SUBSCRIPTIONS",
        "",
        "ids of subscriptions, by comma",
        "Count these and leave them alone.",
        _listed(_guid),
    ),
    Setting(
        "SWEEP_KINDS",
        "OpenAI,AIServices",
        "kinds of Cognitive Services account, by comma; `other:Name` for one that isn't known yet",
        "Which kinds of account are in scope.",
        _listed(read_kind),
        explains=True,
    ),
    Setting(
        "EXEMPTION_TAG",
        "local-auth-exempt",
        "a tag name that Azure takes: at most 512 characters, none of `<>%&\\?/`",
        "The tag that lets an account keep its keys.",
        _tag_name,
    ),
    Setting(
        "EXEMPTION_INHERIT",
        "false",
        "`false`, `true` (both), or `resourceGroup`, `subscription` by comma",
        "Whether the tag counts on the resource group or subscription too; the nearest decides.",
        _levels,
    ),
    Setting(
        "EXEMPTION_REQUIRE_UNTIL",
        "false",
        _YES_NO,
        "Hold, and report, exemptions without an end date.",
        _boolean,
    ),
    Setting(
        "EXEMPTION_MAX_DAYS",
        "",
        "a whole number from 1 to 3650, or empty",
        "Hold, and report, exemptions that end later than so many days from today, or never.",
        _optional(_whole(1, 3650)),
    ),
    Setting(
        "EXEMPTION_UNREADABLE",
        "hold",
        "`hold` or `disable`",
        "What an exemption tag that can't be read does: `disable` is for strict tenants.",
        _choice("hold", "disable"),
    ),
    Setting(
        "NO_SUBDOMAIN",
        "disable",
        "`disable` or `hold`",
        "What to do with an account that Entra ID can't reach because it has no custom subdomain.",
        _choice("disable", "hold"),
    ),
    Setting(
        "MAX_CHANGES_PER_SWEEP",
        "25",
        "a whole number from 1 to 100000",
        "The brake: more changes than this in one sweep usually means a wrong assumption.",
        _whole(1, 100_000),
    ),
    Setting(
        "BRAKE",
        "hold",
        "`hold` or `trickle`",
        "Over the limit, hold everything, or make that many changes a sweep.",
        lambda text: Brake(_choice("hold", "trickle")(text)),
    ),
    Setting(
        "BRAKE_RELEASE_UNTIL",
        "",
        _MOMENT,
        "Let everything through until then: how a first enforcement is done. Expires by itself; "
        "left out of account in audit mode.",
        _optional(_moment),
    ),
    Setting(
        "ENFORCE_FROM",
        "",
        _MOMENT,
        "Until then `enforce` audits, and every event says when the keys will go off.",
        _optional(_moment),
    ),
    Setting(
        "SWEEP_CONCURRENCY",
        "48",
        "a whole number from 1 to 64",
        "How many accounts or subscriptions are worked on at once.",
        _whole(1, 64),
    ),
    Setting(
        "SWEEP_BUDGET_SECONDS",
        "1200",
        "a whole number from 30, at least 60 s less than functionTimeout (1,500 s in host.json)",
        "A sweep ends within this, defers what it did not reach, and the next one carries on.",
        _whole(30, 86_400),
    ),
    Setting(
        "AZURE_CLIENT_ID",
        "",
        "a client id, or empty",
        "The user-assigned identity to use; empty: the system-assigned one.",
        _optional(_guid),
    ),
    Setting(
        "AZURE_TENANT_ID",
        "",
        "a tenant id, or empty",
        "The home tenant; empty: the tenant of the identity's own token.",
        _optional(_guid),
    ),
    Setting(
        _TELEMETRY,
        None,
        "the connection string of an Application Insights resource",
        "Where telemetry goes. Read before all others, so that a wrong setting is seen there.",
        _connection_string,
    ),
    Setting(
        "AZURE_SDK_CLOUD_CONF",
        "AZURE_PUBLIC_CLOUD",
        "`AZURE_PUBLIC_CLOUD`, `AZURE_US_GOVERNMENT` or `AZURE_CHINA_CLOUD`",
        "Which Azure. ARM_ENDPOINT and ARM_SCOPE, where given, win.",
        _cloud,
    ),
    Setting(
        "ARM_ENDPOINT",
        "",
        "`https://`, a host's name and perhaps a port; only with ARM_SCOPE",
        "Another Azure Resource Manager, such as Azure Stack's.",
        _optional(_https),
    ),
    Setting(
        "ARM_SCOPE",
        "",
        "a token scope such as `https://management.azure.com/.default`; only with ARM_ENDPOINT",
        "The scope of tokens for ARM_ENDPOINT.",
        _optional(_scope),
    ),
)
"""Every setting, in the order in which a deployer meets them."""


OPERATOR_SETTINGS = tuple(setting for setting in SETTINGS if setting.name != _TELEMETRY)
"""What the command line reads: it reports to a person, not to Application Insights."""


def read_settings(environ: Mapping[str, str], declared: Sequence[Setting] = SETTINGS) -> Settings:
    """Read the settings declared, strictly. An empty value is taken as absent.

    Raises SettingsError, which names each wrong setting, its value and what is allowed, and each
    name that was probably meant to be a setting. Whatever is taken in enforce mode is taken in
    audit mode: who turns Keysweep down meets no error.
    """
    values, problems = _read(environ, declared)
    if problems:
        raise SettingsError(problems)
    return _settings(values)


def read_connection_string(environ: Mapping[str, str]) -> str:
    """Read where telemetry goes, so that a problem with any other setting is seen there.

    Raises SettingsError, which names every problem, if this one is wrong itself.
    """
    values, problems = _read(environ, SETTINGS)
    if _TELEMETRY not in values:
        raise SettingsError(problems)
    return str(values[_TELEMETRY])


def unknown_names(
    environ: Mapping[str, str], declared: Sequence[Setting] = SETTINGS
) -> Sequence[str]:
    """Name what is no setting, and was probably meant to be one of the settings declared.

    Such a name begins as ours do, or is a slip of the pen away. Values are never shown: they could
    be anybody's secrets. An empty value is taken as absent here, too.
    """
    known = {setting.name for setting in SETTINGS} | _OF_OTHER_TOOLS
    wanted = {essence(setting.name): setting.name for setting in declared}
    wanted[essence(FUNCTION_TIMEOUT)] = FUNCTION_TIMEOUT
    problems = []
    for name, value in sorted(environ.items()):
        if name in known or _is_function_timeout(name) or not value.strip():
            continue
        begins_like_ours = name.upper().startswith(_OUR_BEGINNINGS)
        meant = likeliest(name, wanted.values()) if begins_like_ours else _misspelled(name, wanted)
        if meant or begins_like_ours:
            shown = _cut(name if name.isprintable() else repr(name))
            problems.append(f"{shown} is no setting" + (f": {meant}?" if meant else ""))
    return problems


def _misspelled(name: str, wanted: Mapping[str, str]) -> str | None:
    """Return the setting that a name differs from by a slip of the pen; None if there is none.

    No two settings are so alike that a name could be a slip away from both.
    """
    written = essence(name)
    for right, setting in wanted.items():
        most = _EDITS if len(right) >= _SHORT else _EDITS_OF_SHORT
        if edits(written, right, most) <= most:
            return setting
    return None


def _read(
    environ: Mapping[str, str], declared: Sequence[Setting]
) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    problems = list(unknown_names(environ, declared))
    for setting in declared:
        given = environ.get(setting.name, "").strip()
        text = given or setting.default
        if text is None:
            problems.append(f"{setting.name} is not set: it must be {setting.allowed}")
            continue
        if is_reference(text):
            problems.append(
                f"{setting.name} is a reference that Azure has not resolved: see in the portal "
                "why, or write the value itself"
            )
            continue
        try:
            values[setting.name] = setting.parse(text)
        except ValueError as error:
            # A connection string is nobody's business, even a wrong one.
            shown = "not one" if setting.name == _TELEMETRY else _shown(given)
            why = f" ({_cut(str(error))})" if setting.explains else ""
            problems.append(f"{setting.name} is {shown}{why}: it must be {setting.allowed}")
    problems.extend(_conflicts(environ))
    problems.extend(_timeout_problems(environ, values.get("SWEEP_BUDGET_SECONDS")))
    return values, problems


def is_reference(value: str) -> bool:
    """Whether a value is a reference, which App Service puts a value in the place of.

    One that it can't resolve reaches the app as it is written (azure-docs, app-service,
    app-service-key-vault-references.md and app-service-configuration-references.md).
    """
    return value.strip().lower().startswith(_REFERENCES)


def _shown(value: str) -> str:
    return repr(_cut(value))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


def _given(environ: Mapping[str, str], name: str) -> bool:
    return bool(environ.get(name, "").strip())


def _conflicts(environ: Mapping[str, str]) -> Sequence[str]:
    problems = []
    if _given(environ, "SWEEP_MANAGEMENT_GROUPS") and _given(environ, "SWEEP_SUBSCRIPTIONS"):
        problems.append("SWEEP_MANAGEMENT_GROUPS and SWEEP_SUBSCRIPTIONS are both set: give one")
    if _given(environ, "ARM_ENDPOINT") != _given(environ, "ARM_SCOPE"):
        problems.append("ARM_ENDPOINT and ARM_SCOPE go together: give both or neither")
    return problems


def _timeout_problems(environ: Mapping[str, str], budget: int | None) -> Sequence[str]:
    """Judge the time-out of the host, and whether the budget, if it could be read, fits into it."""
    timeouts, problems = [], []
    for name, value in environ.items():
        text = value.strip()
        if not _is_function_timeout(name) or not text:
            continue
        try:
            timeouts.append(_function_timeout(text))
        except ValueError:
            problems.append(
                f"{name} is {_shown(text)}: it must be a time span such as `00:25:00`, "
                "at least a second, or `-1` for no limit"
            )
    timeout = min(timeouts, default=FUNCTION_TIMEOUT_SECONDS)
    if not problems and budget is not None and budget + _MARGIN_SECONDS > timeout:
        problems.append(
            f"SWEEP_BUDGET_SECONDS is {budget}: with {_MARGIN_SECONDS} s to spare it does not fit "
            f"into the functionTimeout of {timeout:.0f} s"
        )
    return problems


def _is_function_timeout(name: str) -> bool:
    """Whether the host takes a name for its time-out: .NET's configuration ignores letter case."""
    return name.lower().replace(":", "__") == FUNCTION_TIMEOUT.lower()


def _function_timeout(text: str) -> float:
    """Return the host's time-out in seconds. Raises ValueError if the host would not start."""
    timeout = read_time_span(text)
    if timeout == UNLIMITED:
        return float("inf")
    if timeout < _LEAST_TIMEOUT:
        raise ValueError
    return timeout.total_seconds()


def _settings(values: Mapping[str, Any]) -> Settings:
    endpoint, scope = values["ARM_ENDPOINT"], values["ARM_SCOPE"]
    release, notes = values["BRAKE_RELEASE_UNTIL"], []
    if release is not None and values["SWEEP_MODE"] is Mode.AUDIT:
        # What audit mode foretells of the brake is then what enforcing would meet once it is over.
        release = None
        notes.append("BRAKE_RELEASE_UNTIL is left out of account: SWEEP_MODE is audit.")
    return Settings(
        mode=values["SWEEP_MODE"],
        schedule=values["SWEEP_SCHEDULE"],
        scope=Scope(
            management_groups=values["SWEEP_MANAGEMENT_GROUPS"],
            subscriptions=values["SWEEP_SUBSCRIPTIONS"],
            excluded_subscriptions=values["SWEEP_EXCLUDE_SUBSCRIPTIONS"],
            kinds=values["SWEEP_KINDS"],
        ),
        rules=Rules(
            tag=values["EXEMPTION_TAG"],
            require_until=values["EXEMPTION_REQUIRE_UNTIL"],
            max_days=values["EXEMPTION_MAX_DAYS"],
            hold_unreadable=values["EXEMPTION_UNREADABLE"] == "hold",
            hold_no_subdomain=values["NO_SUBDOMAIN"] == "hold",
        ),
        limits=Limits(
            most_changes=values["MAX_CHANGES_PER_SWEEP"],
            brake=values["BRAKE"],
            release_until=release,
        ),
        enforce_from=values["ENFORCE_FROM"],
        inherit=values["EXEMPTION_INHERIT"],
        concurrency=values["SWEEP_CONCURRENCY"],
        budget=float(values["SWEEP_BUDGET_SECONDS"]),
        client_id=values["AZURE_CLIENT_ID"],
        tenant_id=values["AZURE_TENANT_ID"],
        cloud=Cloud(endpoint, scope) if endpoint else values["AZURE_SDK_CLOUD_CONF"],
        notes=tuple(notes),
    )
