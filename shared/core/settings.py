"""The environment becomes `Settings`, or one error that names every problem.

Pure: the environment is an argument, and nothing is read at import. `SETTINGS` declares each
setting once, with its default, what is allowed and what it is for; the README's table and
local.settings.sample.json are compared with it in a test.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from shared.core.clouds import Cloud, read_cloud
from shared.core.decision import Brake, Limits, Rules, Scope
from shared.core.errors import SettingsError
from shared.core.exemption import resembles
from shared.core.forms import (
    GROUP_ID,
    MOMENT,
    TELEMETRY_KEY,
    TOKEN_SCOPE,
    YES_NO,
    Form,
    listed,
    matching,
    one_of,
    optional,
    read_address,
    read_guid,
    read_levels,
    read_rings,
    read_tag_name,
    whole_number,
)
from shared.core.function_timeout import (
    FUNCTION_TIMEOUT,
    FUNCTION_TIMEOUT_SECONDS,
    is_function_timeout,
    read_function_timeout,
)
from shared.core.kinds import read_kind
from shared.core.model import Level, TagsWanted
from shared.core.rings import Ring, Rings
from shared.core.schedule import Schedule
from shared.core.spelling import edits, essence, likeliest


class Mode(StrEnum):
    """Whether a sweep writes."""

    AUDIT = "audit"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a sweep is told. Built by `read_settings`."""

    mode: Mode
    schedule: Schedule
    scope: Scope
    rules: Rules
    limits: Limits
    enforce_from: datetime | None
    """Until then enforce mode audits, but for rings that name a moment of their own."""
    enforce_scopes: tuple[Ring, ...]
    """Where enforce mode enforces; empty: everywhere in scope."""
    inherit: tuple[Level, ...]
    """The levels above an account whose tags count for it, the nearest first."""
    owner_tags: tuple[str, ...]
    """The tags that say who owns an account, the first counting first."""
    concurrency: int
    budget: float
    """Seconds."""
    daily_inventory: bool
    """Whether every account is told once a day, those that are compliant too."""
    client_id: str | None
    tenant_id: str | None
    cloud: Cloud
    notes: tuple[str, ...] = ()
    """What a person set and the sweep leaves out of account, a sentence each."""

    @property
    def rings(self) -> Rings:
        """Where keys are turned off, and from when on. Of their groups nothing is known yet."""
        return Rings(self.mode is Mode.ENFORCE, self.enforce_from, self.enforce_scopes)

    @property
    def tags_wanted(self) -> TagsWanted:
        """Which tags discovery reads."""
        return TagsWanted(self.rules.tag, self.inherit, self.owner_tags)


@dataclass(frozen=True, slots=True)
class Setting[T]:
    """One setting: its name, its default as text (None: required), its form and what it is for."""

    name: str
    default: str | None
    form: Form[T]
    purpose: str

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        return self.form.allowed


class _Values(dict[str, object]):
    """What was read, by the name of a setting."""

    def of[T](self, setting: Setting[T]) -> T:
        """Return what was read of a setting."""
        return cast("T", self[setting.name])


_REFERENCES = ("@microsoft.keyvault(", "@microsoft.appconfiguration(")
_SUBSCRIPTIONS = "ids of subscriptions, by comma"
_MARGIN_SECONDS = 60
_MOST_SHOWN = 100
_MOST_PROBLEMS = 20
# Names that begin so are ours: who sets one means Keysweep.
_OUR_BEGINNINGS = ("SWEEP_", "EXEMPT", "BRAKE", "ENFORCE_", "MAX_CHANGES", "NO_SUBDOMAIN")
# So many edits away, a name was probably meant to be one of ours; fewer where a name is short.
# The nearest that another tool sets are three away: Terraform's ARM_TENANT_ID, ARM_CLIENT_ID.
_EDITS, _EDITS_OF_SHORT, _SHORT = 2, 1, 8
_OF_OTHER_TOOLS = frozenset({"AZURE_TENANT"})  # Ansible's collection azure.azcollection

SWEEP_SCHEDULE = Setting(
    "SWEEP_SCHEDULE",
    "0 */15 * * * *",
    Form(
        "NCRONTAB of 5 or 6 fields that fires at least once in five years, UTC",
        Schedule.parse,
        explains=True,
    ),
    "When the timer fires.",
)
SWEEP_MODE = Setting(
    "SWEEP_MODE",
    None,
    one_of("audit", "enforce", read=Mode),
    "`audit` reports and is never handed a writer; `enforce` turns keys off.",
)
SWEEP_MANAGEMENT_GROUPS = Setting(
    "SWEEP_MANAGEMENT_GROUPS",
    "",
    Form("ids of management groups, by comma", listed(matching(GROUP_ID))),
    "Sweep the subscriptions below these; one that can't be read is a gap.",
)
SWEEP_SUBSCRIPTIONS = Setting(
    "SWEEP_SUBSCRIPTIONS",
    "",
    Form(f"{_SUBSCRIPTIONS}; not with SWEEP_MANAGEMENT_GROUPS", listed(read_guid)),
    "Sweep these. With neither, every subscription that the identity can read.",
)
SWEEP_EXCLUDE_SUBSCRIPTIONS = Setting(
    "SWEEP_EXCLUDE_SUBSCRIPTIONS",
    "",
    Form(_SUBSCRIPTIONS, listed(read_guid)),
    "Count these and leave them alone.",
)
SWEEP_KINDS = Setting(
    "SWEEP_KINDS",
    "OpenAI,AIServices",
    Form(
        "kinds of Cognitive Services account, by comma; `other:Name` for one that isn't known yet",
        listed(read_kind),
        explains=True,
    ),
    "Which kinds of account are in scope.",
)
OWNER_TAGS = Setting(
    "OWNER_TAGS",
    "",
    Form(
        "names of tags, by comma, the first counting first; not EXEMPTION_TAG",
        listed(read_tag_name),
    ),
    "Tags that name the owner: looked for on the account, its resource group, its subscription.",
)
EXEMPTION_TAG = Setting(
    "EXEMPTION_TAG",
    "local-auth-exempt",
    Form("a tag name that Azure takes: at most 512 characters, none of `<>%&\\?/`", read_tag_name),
    "The tag that lets an account keep its keys.",
)
EXEMPTION_INHERIT = Setting(
    "EXEMPTION_INHERIT",
    "false",
    Form("`false`, `true` (both), or `resourceGroup`, `subscription` by comma", read_levels),
    "Whether the tag counts on the resource group or subscription too; the nearest decides.",
)
EXEMPTION_REQUIRE_UNTIL = Setting(
    "EXEMPTION_REQUIRE_UNTIL",
    "false",
    YES_NO,
    "Hold, and report, exemptions without an end date.",
)
EXEMPTION_MAX_DAYS = Setting(
    "EXEMPTION_MAX_DAYS",
    "",
    whole_number(1, 3650).or_empty,
    "Hold, and report, exemptions that end later than so many days from today, or never.",
)
EXEMPTION_UNREADABLE = Setting(
    "EXEMPTION_UNREADABLE",
    "hold",
    one_of("hold", "disable", read="hold".__eq__),
    "What an exemption tag that can't be read does: `disable` is for strict tenants.",
)
NO_SUBDOMAIN = Setting(
    "NO_SUBDOMAIN",
    "disable",
    one_of("disable", "hold", read="hold".__eq__),
    "What to do with an account that Entra ID can't reach because it has no custom subdomain.",
)
MAX_CHANGES_PER_SWEEP = Setting(
    "MAX_CHANGES_PER_SWEEP",
    "25",
    whole_number(1, 100_000),
    "The brake: more changes than this in one sweep usually means a wrong assumption.",
)
BRAKE = Setting(
    "BRAKE",
    "hold",
    one_of("hold", "trickle", read=Brake),
    "Over the limit, hold everything, or make that many changes a sweep.",
)
BRAKE_RELEASE_UNTIL = Setting(
    "BRAKE_RELEASE_UNTIL",
    "",
    MOMENT,
    "Let everything through until then: how a first enforcement is done. Expires by itself; "
    "left out of account in audit mode.",
)
ENFORCE_FROM = Setting(
    "ENFORCE_FROM",
    "",
    MOMENT,
    "Until then `enforce` audits, and every event says when the keys will go off. Holds for the "
    "rings of ENFORCE_SCOPES that name no moment.",
)
ENFORCE_SCOPES = Setting(
    "ENFORCE_SCOPES",
    "",
    Form(
        "ids of management groups and subscriptions, by comma, each with `@` and a moment or "
        "without, such as `mg-dev, mg-test@2027-03-31`",
        read_rings,
        explains=True,
    ),
    "The rings: where `enforce` enforces, and from when on. A subscription that is listed itself "
    "decides for itself; otherwise the latest moment of the groups that contain it counts. All "
    "else is audited. Empty: everywhere.",
)
SWEEP_CONCURRENCY = Setting(
    "SWEEP_CONCURRENCY",
    "48",
    whole_number(1, 64),
    "How many accounts or subscriptions are worked on at once.",
)
SWEEP_BUDGET_SECONDS = Setting(
    "SWEEP_BUDGET_SECONDS",
    "1200",
    replace(
        whole_number(30, 86_400),
        allowed="a whole number from 30, at least 60 s less than functionTimeout (1,500 s in "
        "host.json)",
    ),
    "A sweep ends within this, defers what it did not reach, and the next one carries on.",
)
INVENTORY = Setting(
    "INVENTORY",
    "off",
    one_of("off", "daily", read="daily".__eq__),
    "`daily` tells every account once a day, those with keys off too: evidence for an auditor.",
)
AZURE_CLIENT_ID = Setting(
    "AZURE_CLIENT_ID",
    "",
    Form("a client id", read_guid).or_empty,
    "The user-assigned identity to use; empty: the system-assigned one.",
)
AZURE_TENANT_ID = Setting(
    "AZURE_TENANT_ID",
    "",
    Form("a tenant id", read_guid).or_empty,
    "The home tenant; empty: the tenant of the identity's own token.",
)
_TELEMETRY = Setting(
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    None,
    Form("the connection string of an Application Insights resource", matching(TELEMETRY_KEY)),
    "Where telemetry goes. Read before all others, so that a wrong setting is seen there.",
)
AZURE_SDK_CLOUD_CONF = Setting(
    "AZURE_SDK_CLOUD_CONF",
    "AZURE_PUBLIC_CLOUD",
    Form("`AZURE_PUBLIC_CLOUD`, `AZURE_US_GOVERNMENT` or `AZURE_CHINA_CLOUD`", read_cloud),
    "Which Azure. ARM_ENDPOINT and ARM_SCOPE, where given, win.",
)
ARM_ENDPOINT = Setting(
    "ARM_ENDPOINT",
    "",
    Form(
        "`https://`, a host's name and perhaps a port; only with ARM_SCOPE", optional(read_address)
    ),
    "Another Azure Resource Manager, such as Azure Stack's.",
)
ARM_SCOPE = Setting(
    "ARM_SCOPE",
    "",
    Form(
        "a token scope such as `https://management.azure.com/.default`; only with ARM_ENDPOINT",
        optional(matching(TOKEN_SCOPE)),
    ),
    "The scope of tokens for ARM_ENDPOINT.",
)

SETTINGS: tuple[Setting[Any], ...] = (
    *(SWEEP_SCHEDULE, SWEEP_MODE, SWEEP_MANAGEMENT_GROUPS, SWEEP_SUBSCRIPTIONS),
    *(SWEEP_EXCLUDE_SUBSCRIPTIONS, SWEEP_KINDS, EXEMPTION_TAG, EXEMPTION_INHERIT),
    *(EXEMPTION_REQUIRE_UNTIL, EXEMPTION_MAX_DAYS, EXEMPTION_UNREADABLE, NO_SUBDOMAIN, OWNER_TAGS),
    *(MAX_CHANGES_PER_SWEEP, BRAKE, BRAKE_RELEASE_UNTIL, ENFORCE_FROM, ENFORCE_SCOPES),
    *(SWEEP_CONCURRENCY, SWEEP_BUDGET_SECONDS, INVENTORY, AZURE_CLIENT_ID, AZURE_TENANT_ID),
    _TELEMETRY,
    *(AZURE_SDK_CLOUD_CONF, ARM_ENDPOINT, ARM_SCOPE),
)
"""Every setting, in the order in which a deployer meets them."""
OPERATOR_SETTINGS = tuple(setting for setting in SETTINGS if setting is not _TELEMETRY)
"""What the command line reads: it reports to a person, not to Application Insights."""


def read_settings(
    environ: Mapping[str, str], declared: Sequence[Setting[Any]] = SETTINGS
) -> Settings:
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
    if _TELEMETRY.name not in values:
        raise SettingsError(problems)
    return values.of(_TELEMETRY)


def unknown_names(
    environ: Mapping[str, str], declared: Sequence[Setting[Any]] = SETTINGS
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
        if name in known or is_function_timeout(name) or not value.strip():
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
    environ: Mapping[str, str], declared: Sequence[Setting[Any]]
) -> tuple[_Values, list[str]]:
    values = _Values()
    problems = list(unknown_names(environ, declared))
    for setting in declared:
        written = environ.get(setting.name, "").strip()
        text, form = written or setting.default, setting.form
        if text is None:
            problems.append(f"{setting.name} is not set: it must be {form.allowed}")
        elif is_reference(text):
            problems.append(
                f"{setting.name} is a reference that Azure has not resolved: see in the portal "
                "why, or write the value itself"
            )
        else:
            try:
                values[setting.name] = form.parse(text)
            except ValueError as error:
                # A connection string is nobody's business, even a wrong one.
                shown = "not one" if setting is _TELEMETRY else _shown(written)
                why = f" ({_explained(error)})" if form.explains else ""
                problems.append(f"{setting.name} is {shown}{why}: it must be {form.allowed}")
    problems.extend(_conflicts(environ))
    if _TELEMETRY in declared:
        # Not where a person reads them, who may ask for a part of the scope.
        problems.extend(_rings_outside(values))
    problems.extend(_owner_tag_problems(values))
    problems.extend(_timeout_problems(environ, values))
    return values, problems


def is_reference(value: str) -> bool:
    """Whether a value is a reference, which App Service puts a value in the place of.

    One that it can't resolve reaches the app as it is written (azure-docs, app-service,
    app-service-key-vault-references.md and app-service-configuration-references.md).
    """
    return value.strip().lower().startswith(_REFERENCES)


def _explained(error: ValueError) -> str:
    more = len(error.args) - _MOST_PROBLEMS
    shown = [_cut(str(problem)) for problem in error.args[:_MOST_PROBLEMS]]
    return "; ".join([*shown, f"and {more} more"] if more > 0 else shown)


def _shown(value: str) -> str:
    return repr(_cut(value))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


def _conflicts(environ: Mapping[str, str]) -> Iterator[str]:
    def is_set(setting: Setting[Any]) -> bool:
        return bool(environ.get(setting.name, "").strip())

    if is_set(SWEEP_MANAGEMENT_GROUPS) and is_set(SWEEP_SUBSCRIPTIONS):
        yield "SWEEP_MANAGEMENT_GROUPS and SWEEP_SUBSCRIPTIONS are both set: give one"
    if is_set(ARM_ENDPOINT) != is_set(ARM_SCOPE):
        yield "ARM_ENDPOINT and ARM_SCOPE go together: give both or neither"


def _rings_outside(values: _Values) -> Iterator[str]:
    """Name the rings that are seen to be outside the scope, as far as both could be read."""
    if not {SWEEP_SUBSCRIPTIONS.name, ENFORCE_SCOPES.name} <= values.keys():
        return
    swept = values.of(SWEEP_SUBSCRIPTIONS)
    inside = {*swept, values.get(AZURE_TENANT_ID.name)}
    for ring in values.of(ENFORCE_SCOPES):
        if swept and not ring.is_group and ring.key not in inside:
            yield f"ENFORCE_SCOPES lists {ring.name}, which is not in SWEEP_SUBSCRIPTIONS"


def _listed_rings(values: _Values) -> tuple[Ring, ...]:
    """Return the rings, with the groups among them known as groups.

    The tenant's id is that of its root group, and what is swept as a group is one.
    """
    groups = {group.lower() for group in values.of(SWEEP_MANAGEMENT_GROUPS)}
    groups.add(values.of(AZURE_TENANT_ID) or "")
    return tuple(
        replace(ring, is_group=ring.is_group or ring.key in groups)
        for ring in values.of(ENFORCE_SCOPES)
    )


def _owner_tag_problems(values: _Values) -> Iterator[str]:
    """Refuse the exemption tag as one that names the owner, and what was meant to be it."""
    if {OWNER_TAGS.name, EXEMPTION_TAG.name} <= values.keys():
        exemption = values.of(EXEMPTION_TAG)
        for name in values.of(OWNER_TAGS):
            if resembles(name, exemption):
                yield (
                    f"OWNER_TAGS names {_shown(name)}, and EXEMPTION_TAG is {_shown(exemption)}: "
                    "what that tag says of an owner counts without being listed"
                )


def _timeout_problems(environ: Mapping[str, str], values: _Values) -> Sequence[str]:
    """Judge the time-out of the host, and whether the budget, if it could be read, fits into it."""
    timeouts, problems = [], []
    for name, value in environ.items():
        text = value.strip()
        if not is_function_timeout(name) or not text:
            continue
        try:
            timeouts.append(read_function_timeout(text))
        except ValueError:
            problems.append(
                f"{name} is {_shown(text)}: it must be a time span such as `00:25:00`, "
                "at least a second, or `-1` for no limit"
            )
    timeout = min(timeouts, default=FUNCTION_TIMEOUT_SECONDS)
    if problems or SWEEP_BUDGET_SECONDS.name not in values:
        return problems
    budget = values.of(SWEEP_BUDGET_SECONDS)
    if budget + _MARGIN_SECONDS > timeout:
        problems.append(
            f"SWEEP_BUDGET_SECONDS is {budget}: with {_MARGIN_SECONDS} s to spare it does not fit "
            f"into the functionTimeout of {timeout:.0f} s"
        )
    return problems


def _settings(values: _Values) -> Settings:
    of = values.of
    mode, release, notes = of(SWEEP_MODE), of(BRAKE_RELEASE_UNTIL), []
    if release is not None and mode is Mode.AUDIT:
        # What audit mode foretells of the brake is then what enforcing would meet once it is over.
        release = None
        notes.append("BRAKE_RELEASE_UNTIL is left out of account: SWEEP_MODE is audit.")
    endpoint, scope = of(ARM_ENDPOINT), of(ARM_SCOPE)
    return Settings(
        mode=mode,
        schedule=of(SWEEP_SCHEDULE),
        scope=Scope(
            management_groups=of(SWEEP_MANAGEMENT_GROUPS),
            subscriptions=of(SWEEP_SUBSCRIPTIONS),
            excluded_subscriptions=of(SWEEP_EXCLUDE_SUBSCRIPTIONS),
            kinds=of(SWEEP_KINDS),
        ),
        rules=Rules(
            tag=of(EXEMPTION_TAG),
            require_until=of(EXEMPTION_REQUIRE_UNTIL),
            max_days=of(EXEMPTION_MAX_DAYS),
            hold_unreadable=of(EXEMPTION_UNREADABLE),
            hold_no_subdomain=of(NO_SUBDOMAIN),
        ),
        limits=Limits(
            most_changes=of(MAX_CHANGES_PER_SWEEP), brake=of(BRAKE), release_until=release
        ),
        enforce_from=of(ENFORCE_FROM),
        enforce_scopes=_listed_rings(values),
        inherit=of(EXEMPTION_INHERIT),
        owner_tags=of(OWNER_TAGS),
        concurrency=of(SWEEP_CONCURRENCY),
        budget=float(of(SWEEP_BUDGET_SECONDS)),
        daily_inventory=of(INVENTORY),
        client_id=of(AZURE_CLIENT_ID),
        tenant_id=of(AZURE_TENANT_ID),
        cloud=Cloud(endpoint, scope) if endpoint and scope else of(AZURE_SDK_CLOUD_CONF),
        notes=tuple(notes),
    )
