"""What a deployment needs beside its templates: checks before, the tenant's part, the package.

    python -m infra.deploy check --management-group ID --parameters FILE.bicepparam
    python -m infra.deploy withdraw --management-group ID --parameters FILE.bicepparam
    python -m infra.deploy upload --subscription ID --resource-group NAME --app NAME
    python -m infra.deploy remove --management-group ID --environment NAME

and, for azd's hooks (see azure.yaml), `preprovision`, `postprovision`, `predown` and `postdown`,
which read azd's environment. Everything is done by `az` and `azd`, signed in as whoever runs this;
nothing is deployed before all checks have passed. Needs the standard library and `shared` alone.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path
from typing import Any

from infra.placement import (
    IN_ONE_PLACE,
    VARIABLES,
    ZONE_REDUNDANT,
    Placement,
    fitting_sku,
    placement_problems,
    subnet_problems,
)
from shared.core.errors import SettingsError
from shared.core.rings import Ring
from shared.core.schedule import Schedule
from shared.core.settings import SETTINGS, read_settings, unknown_names

ROOT = Path(__file__).parent.parent
TENANT_TEMPLATE = "infra/compiled/tenant.json"
"""Compiled, so that whoever has the rights needs nothing but `az`."""
APP_TEMPLATE, AZD_PARAMETERS = "infra/compiled/app.json", "infra/app.parameters.json"
ASKED = ("SWEEP_MODE", "SWEEP_KINDS", "AZURE_TENANT_ID", "AZURE_MANAGEMENT_GROUP_ID")
PLACEHOLDERS = {
    "AZURE_CLIENT_ID": "",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={'0' * 36}",
}
"""Values of the two settings that come from resources which the deployment makes."""
_DEPLOYED_AT = "KEYSWEEP_DEPLOYED_AT"
"""In azd's environment: the management group at which the role is."""
_NOT_FOUND = "NotFound"
"""A part of Azure's codes for what is not there, such as DeploymentNotFound."""
GUARDRAILS = ("off", "audit", "deny", "modify")
# Parameters of tenant.bicep, and azd's names for their values.
_TENANT_PARAMETERS = {
    "environmentName": "AZURE_ENV_NAME",
    "location": "AZURE_LOCATION",
    "sweepMode": "SWEEP_MODE",
    "sweepKinds": "SWEEP_KINDS",
    "sweepExcludeSubscriptions": "SWEEP_EXCLUDE_SUBSCRIPTIONS",
    "exemptionTag": "EXEMPTION_TAG",
    "exemptionInherit": "EXEMPTION_INHERIT",
    "enforceScopes": "ENFORCE_SCOPES",
    "sweepManagementGroups": "SWEEP_MANAGEMENT_GROUPS",
    "ownerTags": "OWNER_TAGS",
    "guardrail": "KEYSWEEP_GUARDRAIL",
}
_DEFAULT_SCHEDULE = str(
    next(setting.default for setting in SETTINGS if setting.name == "SWEEP_SCHEDULE")
)
SWEEP_INTERVAL = "KEYSWEEP_ALERT_SWEEP_INTERVAL"
_NO_GOVERNMENT = "Azure Government has no Flex Consumption, so Keysweep can't be deployed there"
_SUBSCRIPTION_RIGHTS = (
    "Microsoft.Resources/subscriptions/resourceGroups/write",
    "Microsoft.Resources/deployments/write",
    "Microsoft.Web/sites/write",
    "Microsoft.Authorization/roleAssignments/write",
)
_ROLE_RIGHTS = (
    "Microsoft.Authorization/roleDefinitions/write",
    "Microsoft.Authorization/roleAssignments/write",
    "Microsoft.Resources/deployments/write",
)
_SUBNET_RIGHTS = ("Microsoft.Network/virtualNetworks/subnets/join/action",)
_ZONE_RIGHTS = ("Microsoft.Network/privateDnsZones/join/action",)
_POLICY_RIGHTS = (
    "Microsoft.Authorization/policyDefinitions/write",
    "Microsoft.Authorization/policyAssignments/write",
)


class DeploymentStopped(Exception):
    """A deployment can't go on. Says why, and what to do next."""


class CommandFailed(DeploymentStopped):
    """`az` or `azd` refused. Carries what it said."""

    def __init__(self, command: Sequence[str], output: str) -> None:
        self.command = tuple(command)
        self.output = output.strip()
        super().__init__(f"`{shlex.join(command)}` failed: {self.output}")


def run(*command: str) -> str:
    """Run `az` or `azd` and return what it prints. Raises CommandFailed."""
    # On Windows they are scripts with another ending, which only a search finds.
    path = shutil.which(command[0])
    if path is None:
        raise CommandFailed(command, f"{command[0]} is not installed, or not on PATH.")
    done = subprocess.run(  # noqa: S603 - no shell, and the arguments are ours
        [path, *command[1:]], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CommandFailed(command, done.stderr or done.stdout)
    return done.stdout


def _az(*arguments: str) -> Any:
    answer = run("az", *arguments, "--output", "json")
    return json.loads(answer) if answer.strip() else None


def scope_of(management_group: str) -> str:
    """Return the resource id of a management group."""
    return f"/providers/Microsoft.Management/managementGroups/{management_group}"


# Checks. Each gives problems as text: what is wrong, its value, what is allowed.


@dataclass(frozen=True, slots=True)
class Plan:
    """What somebody wants to deploy: product settings by name, and where."""

    settings: Mapping[str, str]
    management_group: str
    location: str
    guardrail: str = "off"
    # Empty: not known yet. azd asks for it after the checks, the first time.
    subscription: str = ""
    environment: str = ""
    # How far apart the alerts think that two sweeps are. Empty: the template's default.
    sweep_interval: str = ""
    placement: Placement = field(default_factory=Placement)

    @property
    def where(self) -> str:
        """The scope that carries the role."""
        return scope_of(self.management_group)


def settings_problems(settings: Mapping[str, str]) -> list[str]:
    """Judge settings as the Function will, with its own code: the schedule included."""
    try:
        read_settings({**settings, **PLACEHOLDERS})
    except SettingsError as error:
        return list(error.problems)
    return []


def plan_problems(plan: Plan) -> list[str]:
    """Judge what can be judged without Azure."""
    problems = settings_problems(plan.settings)
    if plan.settings.get("AZURE_SDK_CLOUD_CONF", "").upper() == "AZURE_US_GOVERNMENT":
        problems.append(f"AZURE_SDK_CLOUD_CONF is AZURE_US_GOVERNMENT: {_NO_GOVERNMENT}")
    for name in ("SWEEP_KINDS", "AZURE_TENANT_ID"):
        if not plan.settings.get(name, "").strip():
            allowed = next(setting.allowed for setting in SETTINGS if setting.name == name)
            problems.append(f"{name} is not set: it must be {allowed.removesuffix(', or empty')}")
    if not plan.management_group:
        problems.append(
            "AZURE_MANAGEMENT_GROUP_ID is not set: it must be the id of a management group to sweep"
        )
    if plan.guardrail not in GUARDRAILS:
        allowed = ", ".join(GUARDRAILS)
        problems.append(f"KEYSWEEP_GUARDRAIL is {plan.guardrail!r}: it must be one of {allowed}")
    return [*problems, *placement_problems(plan.placement)]


def schedule_problems(plan: Plan) -> list[str]:
    """Judge whether the alerts can follow the schedule, and whether they are told to."""
    gap = _longest_gap(plan.settings)
    if gap is None:
        return []
    fits = fitting_interval(gap)
    schedule = plan.settings.get("SWEEP_SCHEDULE", "").strip() or _DEFAULT_SCHEDULE
    apart = f"and its sweeps are up to {gap.total_seconds() / 3600:g} hours apart"
    if fits is None:
        problem = (
            f"SWEEP_SCHEDULE is {schedule!r}, {apart}: alerts look back two days at most, which is "
            "Azure's limit, so `no-sweep` would call although nothing is wrong, and the others "
            "would forget what they saw; it must sweep once a day or oftener"
        )
        return [problem]
    given = plan.sweep_interval or str(_interval_rule()["defaultValue"])
    if given in _intervals() and _intervals()[given] < gap:
        problem = (
            f"{SWEEP_INTERVAL} (alertSweepInterval) is {given!r}, SWEEP_SCHEDULE is {schedule!r}, "
            f"{apart}: the alert `no-sweep` would call although nothing is wrong; it must be {fits}"
        )
        return [problem]
    return []


def fitting_interval(gap: timedelta) -> str | None:
    """Return the shortest interval of the alerts that a schedule fits, None if there is none."""
    return next((name for name, length in _intervals().items() if length >= gap), None)


def _longest_gap(settings: Mapping[str, str]) -> timedelta | None:
    """Return how far apart sweeps are, None for what is no schedule, which is told elsewhere."""
    text = settings.get("SWEEP_SCHEDULE", "").strip() or _DEFAULT_SCHEDULE
    try:
        return Schedule.parse(text).longest_gap
    except ValueError:
        return None


def _interval_rule() -> Mapping[str, Any]:
    rules = json.loads((ROOT / APP_TEMPLATE).read_text())["parameters"]
    rule: Mapping[str, Any] = rules["alertSweepInterval"]
    return rule


def _intervals() -> dict[str, timedelta]:
    """Return the intervals that app.bicep allows, `PT15M` to `P1D`, the shortest first."""
    units = {"M": timedelta(minutes=1), "H": timedelta(hours=1), "D": timedelta(days=1)}
    names = [str(name) for name in _interval_rule()["allowedValues"]]
    return {name: int(name.strip("PTMHD")) * units[name[-1]] for name in names}


def parameter_problems(environ: Mapping[str, str]) -> list[str]:
    """Judge the values that azd would send by the rules of app.bicep's parameters.

    Azure Resource Manager has the same rules, and would judge by them when azd has begun.
    """
    rules = json.loads((ROOT / APP_TEMPLATE).read_text())["parameters"]
    parameters = json.loads((ROOT / AZD_PARAMETERS).read_text())["parameters"]
    problems = []
    for name, parameter in parameters.items():
        variable = parameter["value"].strip("${}")
        # What is not set at all azd leaves out, and the default counts.
        if variable in environ and (allowed := _refused(environ[variable], rules[name])):
            problems.append(f"{variable} is {environ[variable]!r}: it must be {allowed}")
    return problems


def _refused(value: str, rule: Mapping[str, Any]) -> str | None:
    """Return what is allowed instead of a value, None if it is allowed itself."""
    if not value.strip():
        # azd sends it as it is, which is no number and takes the place of a default. Without
        # either, azd asks.
        kept = rule.get("defaultValue", "") != "" or rule.get("nullable")
        return "left out of .azure/*/.env, or have a value" if kept else None
    match rule:
        case {"allowedValues": [*allowed]}:
            names = [str(choice) for choice in allowed]
            known = value.lower() in {choice.lower() for choice in names}
            return None if known else f"one of {', '.join(names)}"
        case {"type": "int"}:
            low, high = rule.get("minValue", float("-inf")), rule.get("maxValue", float("inf"))
            if re.fullmatch(r"-?[0-9]+", value) and low <= int(value) <= high:
                return None
            return "a whole number" + "".join(
                f", at {word} {rule[limit]}"
                for word, limit in (("least", "minValue"), ("most", "maxValue"))
                if limit in rule
            )
        case {"type": "object"}:
            return None if _is_object(value) else "an object in JSON"
        case {"type": "bool"}:
            return None if value.lower() in {"true", "false"} else "true or false"
        case _:
            low, high = rule.get("minLength", 0), rule.get("maxLength", float("inf"))
            return None if low <= len(value) <= high else f"{low} to {high} characters long"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def azure_problems(plan: Plan, known: Sequence[str] = ()) -> list[str]:
    """Judge what Azure knows: sign-in, tenant, cloud, groups, region, rights. Reads only.

    `known` are the problems that were found without it.
    """
    try:
        account = _az("account", "show")
    except CommandFailed as error:
        return [f"nobody is signed in: run `az login`. Azure CLI says: {error.output}"]
    problems = []
    home, cloud = plan.settings.get("AZURE_TENANT_ID", "").strip(), account["environmentName"]
    # What is no tenant's id at all was said already.
    if "AZURE_TENANT_ID" not in " ".join(known) and home.lower() != account["tenantId"].lower():
        problems.append(
            f"AZURE_TENANT_ID is {home!r}, and `az` is signed in to tenant {account['tenantId']}: "
            f"they must be the same; run `az login --tenant {home}`"
        )
    if cloud == "AzureUSGovernment":
        problems.append(f"`az` is set to AzureUSGovernment: {_NO_GOVERNMENT}")
    try:
        _az("account", "management-group", "show", "--name", plan.management_group)
    except CommandFailed as error:
        problems.append(
            f"AZURE_MANAGEMENT_GROUP_ID is {plan.management_group!r}: there is no such management "
            f"group, or you may not read it. Azure says: {error.output}"
        )
    regions = {
        region["name"].replace(" ", "").lower(): region["name"]
        for region in _az("functionapp", "list-flexconsumption-locations")
    }
    if plan.location.replace(" ", "").lower() not in regions:
        allowed = ", ".join(sorted(regions.values()))
        problems.append(
            f"AZURE_LOCATION is {plan.location!r}: it must be a region with Flex Consumption: "
            f"{allowed}"
        )
    problems += _scope_problems(plan)
    problems += _network_problems(plan)
    problems += _storage_problems(plan)
    if plan.subscription:
        lacking = _lacking(f"/subscriptions/{plan.subscription}", _SUBSCRIPTION_RIGHTS)
        if lacking:
            problems.append(
                f"AZURE_SUBSCRIPTION_ID is {plan.subscription!r}: you lack {', '.join(lacking)} "
                "there; Owner has them, or Contributor with Role Based Access Control Administrator"
            )
    return problems


def _scope_problems(plan: Plan) -> list[str]:
    """Name what is not below the management group; none where that can't be seen."""
    listed = _listed_below(plan)
    below = _below(plan.management_group) if listed else None
    if below is None:
        return []
    return [
        f"{setting} lists {name!r}: it must be below management group {plan.management_group}, "
        "and you must be allowed to read it"
        for setting, name in listed
        if name.lower() not in below
    ]


def _listed_below(plan: Plan) -> list[tuple[str, str]]:
    """Return what a plan lists that the role reaches only below the group, with its setting."""
    swept = [
        (setting, name.strip())
        for setting in ("SWEEP_MANAGEMENT_GROUPS", "SWEEP_SUBSCRIPTIONS")
        for name in plan.settings.get(setting, "").split(",")
        if name.strip()
    ]
    return [*swept, *(("ENFORCE_SCOPES", ring.name) for ring in _rings(plan))]


def place_problems(plan: Plan) -> list[str]:
    """Judge the Function's subscription for main.bicep, which is deployed at the group.

    A deployment at a management group reaches the subscriptions below it alone. azd deploys into
    the subscription itself, and may have another one.
    """
    below = _below(plan.management_group) if plan.subscription else None
    if below is None or plan.subscription.lower() in below:
        return []
    problem = (
        f"AZURE_SUBSCRIPTION_ID (subscriptionId) is {plan.subscription!r}: it must be below "
        f"management group {plan.management_group}; azd takes any subscription of the tenant"
    )
    return [problem]


def _network_problems(plan: Plan) -> list[str]:
    """Judge the company's subnet and what Flex Consumption needs for one."""
    if not plan.placement.is_private:
        return []
    return [*_provider_problems(plan), *_subnet_problems(plan), *_join_problems(plan)]


def _join_problems(plan: Plan) -> list[str]:
    """Name what of the company's you may not join; none where that can't be seen."""
    needed = {
        "functionSubnetId": _SUBNET_RIGHTS,
        "endpointSubnetId": _SUBNET_RIGHTS,
        "blobDnsZoneId": _ZONE_RIGHTS,
        "sitesDnsZoneId": _ZONE_RIGHTS,
    }
    given = [(name, plan.placement.text(name)) for name in needed if plan.placement.text(name)]
    return [
        f"{VARIABLES[name]} ({name}) is {scope!r}: you lack {', '.join(lacking)} there"
        for name, scope in given
        if (lacking := _lacking(scope, needed[name]))
    ]


def _provider_problems(plan: Plan) -> list[str]:
    """Name the resource provider that the delegation needs; none where that can't be seen."""
    where = ("--subscription", plan.subscription) if plan.subscription else ()
    try:
        provider = _az("provider", "show", "--namespace", "Microsoft.App", *where)
    except CommandFailed:
        return []
    if provider["registrationState"] == "Registered":
        return []
    problem = (
        "KEYSWEEP_NETWORK is 'private', and provider Microsoft.App is "
        f"{provider['registrationState']}: it must be registered; run `az provider register "
        "--namespace Microsoft.App`"
    )
    return [problem]


def _subnet_problems(plan: Plan) -> list[str]:
    subnet_id = plan.placement.text("functionSubnetId")
    if not subnet_id:
        return []
    try:
        subnet = _az("network", "vnet", "subnet", "show", "--ids", subnet_id)
        network = _az("network", "vnet", "show", "--ids", subnet_id.partition("/subnets/")[0])
    except CommandFailed as error:
        problem = (
            f"{VARIABLES['functionSubnetId']} is {subnet_id!r}: there is no such subnet, or you "
            f"may not read it. Azure says: {error.output}"
        )
        return [problem]
    return subnet_problems(subnet, network["location"], plan.location)


def _storage_problems(plan: Plan) -> list[str]:
    wanted = plan.placement.text("storageSku") or ZONE_REDUNDANT
    if wanted != ZONE_REDUNDANT or _fitting_sku(plan) != IN_ONE_PLACE:
        return []
    problem = (
        f"{VARIABLES['storageSku']} (storageSku) is {wanted!r}, and {plan.location} has no zones "
        f"for storage: it must be {IN_ONE_PLACE}"
    )
    return [problem]


def _fitting_sku(plan: Plan) -> str | None:
    # `az rest` puts the subscription that is signed in to in the place of the braces.
    subscription = plan.subscription or "{subscriptionId}"
    url = f"/subscriptions/{subscription}/providers/Microsoft.Storage/skus?api-version=2024-01-01"
    try:
        return fitting_sku(_az("rest", "--method", "get", "--url", url)["value"], plan.location)
    except (CommandFailed, KeyError, TypeError):
        return None


def _rings(plan: Plan) -> tuple[Ring, ...]:
    """Return the rings of a plan, told apart as the Function does it; none if it is wrong."""
    groups = plan.settings.get("SWEEP_MANAGEMENT_GROUPS", "").strip() or plan.management_group
    if plan.settings.get("SWEEP_SUBSCRIPTIONS", "").strip():
        groups = ""
    try:
        found = read_settings({**plan.settings, **PLACEHOLDERS, "SWEEP_MANAGEMENT_GROUPS": groups})
    except SettingsError:
        return ()
    return found.enforce_scopes


def _below(management_group: str) -> set[str] | None:
    """Return the names of a group and of all below it, in lower case; None: can't be seen."""
    found = {management_group.lower()}
    url: str | None = f"{scope_of(management_group)}/descendants?api-version=2020-05-01"
    while url is not None:
        try:
            page = _az("rest", "--method", "get", "--url", url)
            found |= {row["name"].lower() for row in page["value"]}
        except (CommandFailed, KeyError, TypeError):
            return None
        url = page.get("@nextLink") or page.get("nextLink")
    return found


def rights_missing(plan: Plan) -> list[str] | None:
    """Return the actions that tenant.bicep needs and you lack; None if that can't be seen."""
    return _lacking(plan.where, _ROLE_RIGHTS + (_POLICY_RIGHTS if plan.guardrail != "off" else ()))


def _lacking(scope: str, wanted: Sequence[str]) -> list[str] | None:
    url = f"{scope}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    try:
        granted = _az("rest", "--method", "get", "--url", url)["value"]
    except (CommandFailed, KeyError, TypeError):
        return None
    return [action for action in wanted if not _granted(action, granted)]


def _granted(action: str, permissions: Iterable[Mapping[str, Sequence[str]]]) -> bool:
    """Whether one of the roles grants an action: what it takes away counts for itself alone."""

    def matches(patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)

    return any(
        matches(role.get("actions", ())) and not matches(role.get("notActions", ()))
        for role in permissions
    )


def check(plan: Plan, environ: Mapping[str, str] | None = None) -> None:
    """Refuse what Azure, the host or the product would refuse later. Raises DeploymentStopped.

    `environ`: azd's environment, where azd deploys. (The compiler judges a parameter file.)
    """
    problems = [*unknown_names(environ or {}), *plan_problems(plan), *schedule_problems(plan)]
    # What is no value for the product is said once.
    named = {problem.partition(" is ")[0] for problem in problems}
    more = parameter_problems(environ or {})
    problems += [problem for problem in more if problem.partition(" is ")[0] not in named]
    if plan.management_group:
        problems += azure_problems(plan, problems)
        problems += place_problems(plan) if environ is None else []
    if problems:
        raise DeploymentStopped(
            "Nothing was deployed. To mend first:\n"
            + "\n".join(f"- {problem}" for problem in problems)
        )


# The hooks of azd


def plan_of(environ: Mapping[str, str]) -> Plan:
    """Read what azd's environment wants deployed."""
    return Plan(
        settings={setting.name: environ.get(setting.name, "") for setting in SETTINGS},
        management_group=environ.get("AZURE_MANAGEMENT_GROUP_ID", "").strip(),
        location=environ.get("AZURE_LOCATION", "").strip(),
        guardrail=environ.get("KEYSWEEP_GUARDRAIL", "").strip() or "off",
        subscription=environ.get("AZURE_SUBSCRIPTION_ID", "").strip(),
        environment=environ.get("AZURE_ENV_NAME", "").strip(),
        sweep_interval=environ.get(SWEEP_INTERVAL, "").strip(),
        placement=Placement.of_environment(environ),
    )


def preprovision(
    environ: Mapping[str, str], now: datetime, ask: Callable[[str], str] | None
) -> None:
    """Ask for what only the deployer can say, keep it in azd's environment, and check it all.

    `ask` is None where nobody can answer. Raises DeploymentStopped.
    """
    answers = _answers(environ, now, ask) if ask else {}
    found = {**environ, **answers}
    # azd asks for the location later than this hook runs, the first time.
    if not found.get("AZURE_LOCATION") and ask:
        answers["AZURE_LOCATION"] = ask("Region (AZURE_LOCATION), such as westeurope: ").strip()
        found |= answers
    # The alerts follow the schedule by themselves.
    gap = _longest_gap(plan_of(found).settings)
    fits = fitting_interval(gap) if gap is not None else None
    if fits and fits != (found.get(SWEEP_INTERVAL) or _interval_rule()["defaultValue"]):
        answers[SWEEP_INTERVAL] = fits
        found |= answers
    # So does storage the region, once: an account can't be moved.
    if not found.get(VARIABLES["storageSku"]) and _fitting_sku(plan_of(found)) == IN_ONE_PLACE:
        answers[VARIABLES["storageSku"]] = IN_ONE_PLACE
        found |= answers
    plan = plan_of(found)
    check(plan, found)
    for name, value in answers.items():
        run("azd", "env", "set", name, value)
    lacking = rights_missing(plan)
    where = f"management group {plan.management_group}"
    if lacking is None:
        print(f"Your rights at {where} can't be seen; Azure will judge when the role is made.")
    elif lacking:
        print(
            f"You lack {', '.join(lacking)} at {where}. The Function is deployed now; "
            "then this stops, with the command for somebody who has them."
        )


def _answers(
    environ: Mapping[str, str], now: datetime, ask: Callable[[str], str]
) -> dict[str, str]:
    def missing(name: str) -> bool:
        return not environ.get(name, "").strip()

    answers = {}
    questions = {
        "SWEEP_MODE": ("audit", "Mode: audit (reports only) or enforce (turns keys off)"),
        "SWEEP_KINDS": ("OpenAI,AIServices", "Kinds of account, by comma"),
        "AZURE_TENANT_ID": (_signed_in_tenant(), "Home tenant"),
        "AZURE_MANAGEMENT_GROUP_ID": ("", "Management group to sweep, by its id"),
    }
    for name in ASKED:
        default, question = questions[name]
        if missing(name):
            shown = f" [{default}]" if default else ""
            answers[name] = ask(f"{question} ({name}){shown}: ").strip() or default
    mode = answers.get("SWEEP_MODE", environ.get("SWEEP_MODE", "")).strip().lower()
    # Asked once: an empty answer is kept, too.
    if mode == "enforce" and "BRAKE_RELEASE_UNTIL" not in environ:
        answer = ask(
            "Release the brake for the first day, so that all keys found go off at once? "
            "Without it, more than MAX_CHANGES_PER_SWEEP are held for you to look at. [y/N]: "
        )
        until = f"{now.astimezone(UTC) + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
        answers["BRAKE_RELEASE_UNTIL"] = until if answer.strip().lower() in {"y", "yes"} else ""
    return answers


def _signed_in_tenant() -> str:
    try:
        return str(_az("account", "show")["tenantId"])
    except CommandFailed:
        return ""


def tenant_command(environ: Mapping[str, str]) -> list[str]:
    """Return the command that deploys role, assignment and guardrail at the management group."""
    values = {
        name: environ[variable].strip()
        for name, variable in _TENANT_PARAMETERS.items()
        if environ.get(variable, "").strip()
    }
    return [
        *("az", "deployment", "mg", "create"),
        *("--management-group-id", environ["AZURE_MANAGEMENT_GROUP_ID"]),
        *("--location", environ["AZURE_LOCATION"]),
        *("--name", _tenant_deployment(environ["AZURE_ENV_NAME"])),
        *("--template-file", TENANT_TEMPLATE),
        *("--parameters", f"principalId={environ['PRINCIPAL_ID']}"),
        *(f"{name}={value}" for name, value in values.items()),
    ]


# Where the role that can write is assigned. A template makes assignments, and takes none away: the
# deployment before says where they are.


def write_scopes(plan: Plan) -> set[str]:
    """Return the scopes at which a plan assigns the role that can write, in lower case."""
    if plan.settings.get("SWEEP_MODE", "").strip().lower() != "enforce":
        return set()
    rings = _rings(plan)
    if not rings:
        return {plan.where.lower()}
    return {scope_of(r.key).lower() if r.is_group else f"/subscriptions/{r.key}" for r in rings}


def recorded_write_scopes(management_group: str, environment: str) -> set[str]:
    """Return the scopes at which the last deployment assigned it; none if there was no such.

    One that failed has no outputs, and may have assigned it wherever its parameters say.

    Raises CommandFailed if that can't be seen.
    """
    where = ("--management-group-id", management_group)
    try:
        last = _az("deployment", "mg", "show", *where, "--name", _tenant_deployment(environment))
    except CommandFailed as error:
        if _NOT_FOUND in error.output:
            return set()
        raise
    # The CLI changes the letter case of outputs.
    outputs = {
        name.upper(): output for name, output in (last["properties"]["outputs"] or {}).items()
    }
    if "WRITE_SCOPES" in outputs:
        return {str(scope).lower() for scope in outputs["WRITE_SCOPES"]["value"]}
    given = last["properties"].get("parameters") or {}
    wanted = {
        variable: str(given.get(name, {}).get("value", ""))
        for name, variable in _TENANT_PARAMETERS.items()
    }
    there = {"AZURE_TENANT_ID": _signed_in_tenant(), "AZURE_MANAGEMENT_GROUP_ID": management_group}
    return write_scopes(plan_of({**wanted, **there}))


def withdrawals(plan: Plan) -> list[list[str]]:
    """Return the commands that take the role away where it was assigned and no ring is now.

    Raises CommandFailed if that can't be seen.
    """
    group, environment = plan.management_group, plan.environment
    outdated = recorded_write_scopes(group, environment) - write_scopes(plan)
    role = _writer(environment, group)
    return [command for scope in sorted(outdated) for command in _unassign(role, scope)]


def _unassign(role: str, scope: str) -> list[list[str]]:
    """Return the commands that take assignments of a role at a scope away."""
    try:
        assignments = _az("role", "assignment", "list", "--scope", scope)
    except CommandFailed as error:
        # What was deleted took its assignments along.
        if _NOT_FOUND in error.output:
            return []
        raise
    return [
        ["az", "role", "assignment", "delete", "--ids", assignment["id"]]
        for assignment in assignments
        if assignment["roleDefinitionName"] == role
    ]


def _tenant_deployment(environment: str) -> str:
    return f"keysweep-tenant-{environment}"


def _reader(environment: str, management_group: str) -> str:
    return f"Keysweep {environment} ({management_group})"


def _writer(environment: str, management_group: str) -> str:
    return f"Keysweep {environment} writes ({management_group})"


def postprovision(environ: Mapping[str, str]) -> None:
    """Deploy the tenant's part. Raises DeploymentStopped, with the commands for who may run them.

    First of all it is taken away from the rings that are no more, and from the management group
    that was swept before this one.
    """
    missing = [
        name
        for name in (*ASKED, "AZURE_ENV_NAME", "AZURE_LOCATION", "PRINCIPAL_ID")
        if not environ.get(name, "").strip()
    ]
    if missing:
        raise DeploymentStopped(
            f"{', '.join(missing)}: not set in azd's environment. `azd provision` sets them."
        )
    plan = plan_of(environ)
    before = environ.get(_DEPLOYED_AT, "").strip()
    if before and before.lower() != plan.management_group.lower():
        remove(before, plan.environment)
    commands = [tenant_command(environ)]
    try:
        commands = [*withdrawals(plan), *commands]
        while commands:
            run(*commands[0], "--output", "none")
            commands = commands[1:]
    except CommandFailed as error:
        left = "\n".join(f"    {shlex.join(command)}" for command in commands)
        raise DeploymentStopped(
            f"The Function is there; its role is not. Azure says: {error.output}\n\n"
            "Somebody with Owner, or User Access Administrator and Resource Policy Contributor, at "
            f"management group {plan.management_group} runs this here:\n\n{left}\n\n"
            f"{_unseen(plan, error)}When that is done, go on with `azd deploy`."
        ) from error
    run("azd", "env", "set", _DEPLOYED_AT, plan.management_group)
    print(
        "The role is made and assigned. It can take minutes, and on the first day hours, to reach "
        "the identity: until then a sweep finds no subscriptions and says so; it mends itself."
    )


def _unseen(plan: Plan, error: CommandFailed) -> str:
    """Say, if it could not be seen where the role was assigned before, what to look for."""
    if "show" not in error.command and "list" not in error.command:
        return ""
    role = _writer(plan.environment, plan.management_group)
    return (
        f"Where role {role!r} was assigned before could not be seen: its assignments at what is no "
        "ring any more have to be deleted, too. "
    )


# Removal


def removal_commands(management_group: str, environment: str) -> list[list[str]]:
    """Return the commands that take role, assignments and guardrail away, in order."""
    scope = scope_of(management_group)
    roles = (_writer(environment, management_group), _reader(environment, management_group))
    policies = {f"keysweep-{environment}", f"keysweep-{environment}-modify"}
    at_group = ("--management-group", management_group)
    delete: list[tuple[str, ...]] = [
        ("policy", "assignment", "--name", assignment["name"], "--scope", scope)
        for assignment in _az("policy", "assignment", "list", "--scope", scope)
        if assignment["policyDefinitionId"].rpartition("/")[2] in policies
    ]
    delete += [
        ("policy", "definition", "--name", definition["name"], *at_group)
        for definition in _az("policy", "definition", "list", *at_group)
        if definition["name"] in policies
    ]
    commands = [["az", kind, part, "delete", *which] for kind, part, *which in delete]
    assigned_at = recorded_write_scopes(management_group, environment) | {scope.lower()}
    for role in roles:
        if _az("role", "definition", "list", "--name", role, "--scope", scope):
            for where in sorted(assigned_at):
                commands += _unassign(role, where)
            name_and_scope = ("--name", role, "--scope", scope)
            commands.append(["az", "role", "definition", "delete", *name_and_scope])
    return commands


def remove(management_group: str, environment: str) -> None:
    """Take the tenant's part away. Raises DeploymentStopped with the commands that are left."""
    commands = removal_commands(management_group, environment)
    for number, command in enumerate(commands):
        try:
            run(*command)
        except CommandFailed as error:
            left = "\n".join(f"    {shlex.join(remaining)}" for remaining in commands[number:])
            raise DeploymentStopped(
                f"Azure says: {error.output}\n\nLeft to do, for somebody with rights at management "
                f"group {management_group}:\n\n{left}"
            ) from error
        print(shlex.join(command))
    print(f"Nothing of Keysweep {environment} is left at management group {management_group}.")


def predown(environ: Mapping[str, str]) -> None:
    """Stop azd where it would delete what is not ours. Raises DeploymentStopped."""
    placement = Placement.of_environment(environ)
    if not placement.group_exists:
        return
    group, environment = placement.text("resourceGroupName"), placement.environment
    listed = f"az resource list --resource-group {shlex.quote(group)}"
    raise DeploymentStopped(
        f"Nothing was removed. `azd down` would delete resource group {group} with all that is in "
        "it, and it was there before Keysweep. What is Keysweep's there has a tag:\n\n"
        f"    {listed} --tag azd-env-name={environment} --output table\n\n"
        "Delete that, and then take the tenant's part away:\n\n"
        f"    setup/python.sh -m infra.deploy remove --environment {environment} "
        f"--management-group {environ.get('AZURE_MANAGEMENT_GROUP_ID', '')}"
    )


def postdown(environ: Mapping[str, str]) -> None:
    """Take the tenant's part of azd's environment away. Raises DeploymentStopped."""
    group = environ.get("AZURE_MANAGEMENT_GROUP_ID", "").strip()
    # An environment that was never provisioned has none.
    if group:
        remove(group, environ["AZURE_ENV_NAME"])


# The package


def upload(
    scm: str, token: str, package: bytes, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Send a package to the deployment endpoint and wait until it runs.

    `scm` is the endpoint's address; `token` a token for Azure Resource Manager, which it takes.
    Raises DeploymentStopped with the endpoint's own words.
    """
    status, body = _send(scm, token, package, sleep)
    if status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        raise DeploymentStopped(f"{scm} did not take the package: {status} {body[:500]}")
    deployment = body.strip().strip('"') if status == HTTPStatus.ACCEPTED else "latest"
    for _ in range(_POLLS):
        status, body = _request(f"{scm}/api/deployments/{deployment}", token)
        # Gone after progress is done: the app is being started with the package.
        if status == HTTPStatus.NOT_FOUND:
            return
        state = json.loads(body).get("status") if status == HTTPStatus.OK else None
        if state == _SUCCEEDED:
            return
        if state in _FAILED:
            raise DeploymentStopped(f"The deployment failed: {body[:500]}")
        sleep(_POLL_SECONDS)
    waited = _POLLS * _POLL_SECONDS
    raise DeploymentStopped(f"The deployment did not end in {waited} s: {body[:500]}")


def _send(scm: str, token: str, package: bytes, sleep: Callable[[float], None]) -> tuple[int, str]:
    url = f"{scm}/api/publish?RemoteBuild=false&Deployer=keysweep"
    for _ in range(_UPLOAD_TRIES):
        status, body = _request(url, token, package)
        # A new identity's right to write to storage can be minutes away.
        if status != HTTPStatus.BAD_REQUEST or "BlobUploadFailed" not in body:
            return status, body
        print("The app's identity can't write to its storage yet; waiting ...")
        sleep(_PATIENCE_SECONDS)
    return _request(url, token, package)


_UPLOAD_TRIES, _PATIENCE_SECONDS = 10, 30
_POLLS, _POLL_SECONDS = 150, 2
# Kudu's and One Deploy's codes, from azd's source: 4 is success, 3 and -1 are failures.
_SUCCEEDED, _FAILED = 4, {3, -1}


def _request(url: str, token: str, body: bytes | None = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/zip"}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - https, see below
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
            return int(answer.status), answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except urllib.error.URLError as error:
        raise DeploymentStopped(
            f"{url.partition('?')[0]} can't be reached: {error.reason}"
        ) from error


def _scm_of(subscription: str, resource_group: str, app: str) -> str:
    where = ("--subscription", subscription, "--resource-group", resource_group, "--name", app)
    site = _az("functionapp", "show", *where)
    states = site.get("hostNameSslStates") or site["properties"]["hostNameSslStates"]
    for state in states:
        if state["hostType"] == "Repository":
            return f"https://{state['name']}"
    raise DeploymentStopped(f"{app} has no deployment endpoint: is it the Function App's name?")


# The command line


def _plan_of_file(path: str, management_group: str) -> Plan:
    answer = _az("bicep", "build-params", "--file", path, "--stdout")
    parameters = json.loads(answer["parametersJson"])["parameters"]
    values = {name: parameter["value"] for name, parameter in parameters.items()}

    def text(name: str) -> str:
        value = values.get(name)
        return (
            "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        )

    settings = {setting.name: text(parameter_of(setting.name)) for setting in SETTINGS}
    return Plan(
        settings,
        management_group,
        text("location"),
        text("guardrail") or "off",
        text("subscriptionId"),
        text("environmentName"),
        text("alertSweepInterval"),
        Placement(text("environmentName"), values),
    )


def parameter_of(setting: str) -> str:
    """Return the template's parameter for a setting: SWEEP_MODE is sweepMode."""
    first, *rest = setting.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)


def _check_command(arguments: argparse.Namespace) -> None:
    plan = _plan_of_file(arguments.parameters, arguments.management_group)
    check(plan)
    lacking = rights_missing(plan)
    if lacking:
        raise DeploymentStopped(
            f"You lack {', '.join(lacking)} at management group {plan.management_group}: ask "
            "somebody with Owner there."
        )
    unseen = " Your rights could not be seen." if lacking is None else ""
    print(f"Settings, tenant, management group and region are right.{unseen}")


def _withdraw_command(arguments: argparse.Namespace) -> None:
    for command in withdrawals(_plan_of_file(arguments.parameters, arguments.management_group)):
        run(*command)
        print(shlex.join(command))


def _upload_command(arguments: argparse.Namespace) -> None:
    package = Path(arguments.package)
    if not package.exists():
        raise DeploymentStopped(f"{package} is not there: run `make package`")
    scm = _scm_of(arguments.subscription, arguments.resource_group, arguments.app)
    token = _az("account", "get-access-token")["accessToken"]
    upload(scm, token, package.read_bytes())
    print(f"{arguments.app} runs the package. The first sweep is at the next time of its schedule.")


def read_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read a command line. Leaves the process with 2, and says why, if it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    checks = commands.add_parser("check", help="check everything; deploy nothing")
    withdraws = commands.add_parser(
        "withdraw", help="before a deployment, take the role away from what is no ring any more"
    )
    for reads_a_file in (checks, withdraws):
        reads_a_file.add_argument("--management-group", required=True)
        reads_a_file.add_argument("--parameters", default="infra/main.bicepparam")
    uploads = commands.add_parser("upload", help="send the package to the Function App")
    for name in ("--subscription", "--resource-group", "--app"):
        uploads.add_argument(name, required=True)
    uploads.add_argument("--package", default="build/keysweep.zip")
    removes = commands.add_parser("remove", help="take role, assignments and guardrail away")
    removes.add_argument("--management-group", required=True)
    removes.add_argument("--environment", required=True)
    for name in ("preprovision", "postprovision", "predown", "postdown"):
        commands.add_parser(name, help="a hook of azd")
    return parser.parse_args(argv)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command. Returns 1 with the reason on stderr if the deployment can't go on."""
    arguments = read_arguments(argv)
    try:
        match arguments.command:
            case "check":
                _check_command(arguments)
            case "withdraw":
                _withdraw_command(arguments)
            case "upload":
                _upload_command(arguments)
            case "remove":
                remove(arguments.management_group, arguments.environment)
            case "preprovision":
                answerable = sys.stdin.isatty() and environ.get("CI", "") in {"", "false"}
                preprovision(environ, datetime.now(UTC), input if answerable else None)
            case "postprovision":
                postprovision(environ)
            case "predown":
                predown(environ)
            case "postdown":
                postdown(environ)
    except DeploymentStopped as stopped:
        print(stopped, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:], os.environ))
