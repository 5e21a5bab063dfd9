"""What is wrong is refused before anything is deployed, and who lacks rights gets the command."""

import html
import json
import re
import shlex
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft201909Validator

from infra.deploy import hooks
from infra.deploy.__main__ import main, read_arguments
from infra.deploy.alert_interval import schedule_problems
from infra.deploy.azure_cli import DeploymentStopped
from infra.deploy.hierarchy import place_problems
from infra.deploy.plan import SWEEP_INTERVAL, Plan, parameter_of, plan_of, scope_of
from infra.deploy.questions import ASKED
from infra.deploy.removal import remove
from infra.deploy.rights import rights_missing
from infra.deploy.upload import upload
from infra.deploy.write_scopes import write_scopes
from shared.core.settings import SETTINGS
from tests.support.azure_cli import AzureCli
from tools import bicep
from tools.prose import ROOT

TENANT = "11111111-1111-1111-1111-111111111111"
GROUP = "contoso-landingzones"
NOW = datetime(2027, 3, 30, 8, tzinfo=UTC)
OWNER = [{"actions": ["*"], "notActions": []}]
CONTRIBUTOR = [{"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}]
ENVIRON = {
    "AZURE_ENV_NAME": "prod",
    "AZURE_LOCATION": "westeurope",
    "AZURE_TENANT_ID": TENANT,
    "AZURE_MANAGEMENT_GROUP_ID": GROUP,
    "SWEEP_MODE": "audit",
    "SWEEP_KINDS": "OpenAI,AIServices",
}
PROVISIONED = {**ENVIRON, "PRINCIPAL_ID": "55555555-5555-5555-5555-555555555555"}


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AzureCli:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = AzureCli(tmp_path)
    found.answer("az account show", {"tenantId": TENANT, "environmentName": "AzureCloud"})
    found.answer(f"az account management-group show --name {GROUP} ", {"name": GROUP})
    found.answer("az functionapp list-flexconsumption-locations", [{"name": "West Europe"}])
    found.answer("az rest --method get", {"value": OWNER})
    found.answer("az deployment mg create", None)
    found.refuse("az deployment mg show", "(DeploymentNotFound) Deployment could not be found.")
    found.answer("azd env set", None)
    return found


def preprovision(ask: Any = None, **settings: str) -> None:
    """Run the hook with these settings beside the usual ones."""
    hooks.preprovision({**ENVIRON, **settings}, NOW, ask)


def refused(**settings: str) -> str:
    """Return why these settings are refused."""
    with pytest.raises(DeploymentStopped) as stopped:
        preprovision(**settings)
    return str(stopped.value)


def problems(answer: str) -> list[str]:
    return [line for line in answer.splitlines() if line.startswith("- ")]


def changes(cli: AzureCli) -> list[list[str]]:
    reads = {"show", "list", "get", "list-flexconsumption-locations"}
    return [call for call in cli.calls if not reads & set(call)]


# Before anything is deployed


def test_what_is_right_passes_and_changes_nothing(cli: AzureCli) -> None:
    preprovision()
    assert changes(cli) == []


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("SWEEP_SCHEDULE", "every 15 minutes", "NCRONTAB"),
        ("SWEEP_SCHEDULE", "00:15:00", "NCRONTAB"),
        ("SWEEP_SCHEDULE", "0 0 0 30 2 *", "it never fires"),
        ("SWEEP_SCHEDULE", "0 0 0 * * 7", "the day of the week"),
        ("SWEEP_MODE", "Enforced", "`audit` or `enforce`"),
        ("SWEEP_KINDS", "Open AI", "kinds of Cognitive Services account"),
        ("AZURE_TENANT_ID", "contoso", "a tenant id"),
        ("AZURE_LOCATION", "westeurpoe", "a region with Flex Consumption: West Europe"),
        ("AZURE_MANAGEMENT_GROUP_ID", "contoso-typo", "no such management group"),
        ("KEYSWEEP_GUARDRAIL", "block", "off, audit, deny, modify"),
        ("SWEEP_BUDGET_SECONDS", "1500", "functionTimeout"),
        ("BRAKE_RELEASE_UNTIL", "tomorrow", "a moment such as"),
        # What the product would take, or never sees, and the template refuses.
        ("AZURE_ENV_NAME", "keysweep-for-all-of-contoso", "1 to 20 characters long"),
        ("EXEMPTION_INHERIT", "subscription,resourceGroup", "resourceGroup,subscription"),
        ("EXEMPTION_MAX_DAYS", "", "left out"),
        ("EXEMPTION_TAG", "", "left out"),
        ("KEYSWEEP_RETENTION_DAYS", "45", "one of 30, 60, 90, 120, 180, 270, 365, 550, 730"),
        ("KEYSWEEP_DAILY_QUOTA_GB", "0.5", "a whole number, at least 1"),
        ("KEYSWEEP_NETWORK", "vnet", "one of public, private"),
        ("KEYSWEEP_TAGS", "CostCenter=1234", "an object in JSON"),
        ("KEYSWEEP_RESOURCE_GROUP_EXISTS", "perhaps", "true or false"),
        # A dot: the guardrail's policy definition could not be named.
        ("AZURE_ENV_NAME", "keysweep.prod", "letters, digits, hyphens and underscores"),
        ("KEYSWEEP_ALERT_OLD_DRIFT_DAYS", "1", "a whole number, at least 2, at most 90"),
        # Two days of telemetry, which is all that an alert can see, often hold no sweep.
        ("SWEEP_SCHEDULE", "0 0 6 * * 1", "`no-sweep` would call although nothing is wrong"),
        ("SWEEP_SCHEDULE", "0 0 6 * * 1-5", "72 hours apart"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_is_allowed(
    cli: AzureCli, name: str, value: str, allowed: str
) -> None:
    cli.refuse("az account management-group show --name contoso-typo", "(NotFound) not there")
    answer = refused(**{name: value})
    assert answer.startswith("Nothing was deployed.")
    (problem,) = [line for line in problems(answer) if line.startswith(f"- {name} is ")]
    assert value in problem
    assert allowed in problem
    assert changes(cli) == []


def test_a_misspelled_setting_in_azds_environment_is_refused_and_its_value_not_shown(
    cli: AzureCli,
) -> None:
    answer = refused(EXEMPTON_TAG="hunter2", PRINCIPAL_ID="x", PATH="/bin")
    assert answer.splitlines()[1:] == ["- EXEMPTON_TAG is no setting: EXEMPTION_TAG?"]
    assert changes(cli) == []


def test_audit_can_be_deployed_while_the_brake_is_released(cli: AzureCli) -> None:
    preprovision(BRAKE_RELEASE_UNTIL="2027-03-31T08:00Z")
    assert changes(cli) == []


@pytest.mark.parametrize("name", ["AZURE_LOCATION", *ASKED])
def test_a_missing_value_is_refused_by_name_where_nobody_can_be_asked(
    cli: AzureCli, name: str
) -> None:
    assert f"- {name} is" in refused(**{name: ""})
    assert changes(cli) == []


def test_all_problems_are_in_one_answer(cli: AzureCli) -> None:
    answer = refused(SWEEP_SCHEDULE="never", SWEEP_MODE="x", SWEEP_KINDS="", AZURE_TENANT_ID="")
    named = {problem.split()[1] for problem in problems(answer)}
    assert named >= {"SWEEP_SCHEDULE", "SWEEP_MODE", "SWEEP_KINDS", "AZURE_TENANT_ID"}
    assert cli.called("az", "deployment") == []


def test_another_tenant_than_the_one_signed_in_to_is_refused(cli: AzureCli) -> None:
    other = "99999999-9999-9999-9999-999999999999"
    cli.answer("az account show", {"tenantId": other, "environmentName": "AzureCloud"})
    assert f"signed in to tenant {other}" in refused()


def test_azure_government_is_refused_plainly(cli: AzureCli) -> None:
    cli.answer("az account show", {"tenantId": TENANT, "environmentName": "AzureUSGovernment"})
    assert "Azure Government has no Flex Consumption" in refused()
    again = refused(AZURE_SDK_CLOUD_CONF="AZURE_US_GOVERNMENT")
    assert "AZURE_SDK_CLOUD_CONF is AZURE_US_GOVERNMENT" in again


def test_nobody_signed_in_is_told_to_sign_in(cli: AzureCli) -> None:
    cli.refuse("az account show", "Please run 'az login' to setup account.")
    assert "run `az login`" in refused()


def test_no_azure_cli_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "az is not installed" in refused()


@pytest.mark.parametrize(
    ("schedule", "interval"),
    [("0 0 * * * *", "PT1H"), ("0 0 8-18 * * *", "P1D"), ("0 30 6 * * *", "P1D")],
)
def test_the_alerts_follow_the_schedule_by_themselves(
    cli: AzureCli, schedule: str, interval: str
) -> None:
    preprovision(SWEEP_SCHEDULE=schedule)
    assert kept(cli) == {SWEEP_INTERVAL: interval}


def test_alerts_that_do_not_fit_the_schedule_of_a_parameter_file_are_refused_by_name() -> None:
    plan = Plan({"SWEEP_SCHEDULE": "0 0 6 * * *"}, GROUP, "westeurope")
    (problem,) = schedule_problems(plan)
    assert "is 'PT15M'" in problem
    assert "`no-sweep`" in problem
    assert problem.endswith("it must be P1D")


# Networks, storage and what is below the group

SUBNET = (
    "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-network"
    "/providers/Microsoft.Network/virtualNetworks/vnet-spoke/subnets/"
)
WITH_SUBNETS = {
    "KEYSWEEP_NETWORK": "private",
    "KEYSWEEP_FUNCTION_SUBNET_ID": f"{SUBNET}functions",
    "KEYSWEEP_ENDPOINT_SUBNET_ID": f"{SUBNET}endpoints",
}


def with_subnet(cli: AzureCli, delegation: str, location: str) -> None:
    """Let Azure have the Function's subnet, delegated to this, in a network of this region."""
    subnet = {"id": f"{SUBNET}functions", "delegations": [{"serviceName": delegation}]}
    cli.answer("az network vnet subnet show", subnet)
    cli.answer("az network vnet show", {"location": location})
    cli.answer("az provider show", {"registrationState": "Registered"})


def test_subnets_that_flex_consumption_takes_pass(cli: AzureCli) -> None:
    with_subnet(cli, "Microsoft.App/environments", "westeurope")
    preprovision(**WITH_SUBNETS)
    assert changes(cli) == []


@pytest.mark.parametrize(
    ("delegation", "location", "allowed"),
    [
        ("Microsoft.Web/serverFarms", "westeurope", "delegated to Microsoft.App/environments"),
        ("Microsoft.App/environments", "northeurope", "must be the same region"),
    ],
)
def test_a_subnet_that_flex_consumption_does_not_take_is_refused(
    cli: AzureCli, delegation: str, location: str, allowed: str
) -> None:
    with_subnet(cli, delegation, location)
    (problem,) = problems(refused(**WITH_SUBNETS))
    assert problem.startswith("- KEYSWEEP_FUNCTION_SUBNET_ID")
    assert allowed in problem
    assert changes(cli) == []


def test_a_subnet_that_is_not_there_is_refused(cli: AzureCli) -> None:
    cli.refuse("az network vnet subnet show", "(NotFound) no such subnet")
    (problem,) = problems(refused(**WITH_SUBNETS))
    assert problem.startswith("- KEYSWEEP_FUNCTION_SUBNET_ID is ")
    assert "(NotFound) no such subnet" in problem


def test_who_may_not_join_a_subnet_is_refused(cli: AzureCli) -> None:
    with_subnet(cli, "Microsoft.App/environments", "westeurope")
    reader = [{"actions": ["*/read"], "notActions": []}]
    cli.answer(f"az rest --method get --url {SUBNET}endpoints", {"value": reader})
    (problem,) = problems(refused(**WITH_SUBNETS))
    assert problem.startswith("- KEYSWEEP_ENDPOINT_SUBNET_ID")
    assert "Microsoft.Network/virtualNetworks/subnets/join/action" in problem


def test_a_delegation_without_its_provider_is_refused(cli: AzureCli) -> None:
    cli.answer("az provider show", {"registrationState": "NotRegistered"})
    (problem,) = problems(refused(KEYSWEEP_NETWORK="private"))
    assert "az provider register --namespace Microsoft.App" in problem


SKUS = "az rest --method get --url /subscriptions/{subscriptionId}/providers/Microsoft.Storage/"


def with_storage(cli: AzureCli, *names: str) -> None:
    """Let the region keep storage in these ways."""
    rows = [
        {"name": name, "resourceType": "storageAccounts", "locations": ["westeurope"]}
        for name in names
    ]
    cli.answer(SKUS, {"value": rows})


def test_storage_is_kept_in_one_place_where_the_region_has_no_zones(cli: AzureCli) -> None:
    with_storage(cli, "Standard_LRS", "Standard_GRS")
    preprovision()
    assert kept(cli) == {"KEYSWEEP_STORAGE_SKU": "Standard_LRS"}


def test_storage_is_kept_in_zones_where_the_region_has_them(cli: AzureCli) -> None:
    with_storage(cli, "Standard_LRS", "Standard_ZRS")
    preprovision()
    assert kept(cli) == {}


def test_zones_that_the_region_does_not_have_are_refused(cli: AzureCli) -> None:
    with_storage(cli, "Standard_LRS")
    (problem,) = problems(refused(KEYSWEEP_STORAGE_SKU="Standard_ZRS"))
    assert problem.startswith("- KEYSWEEP_STORAGE_SKU (storageSku) is 'Standard_ZRS'")
    assert problem.endswith("it must be Standard_LRS")


def with_descendants(cli: AzureCli, *names: str) -> None:
    """Let these be below the management group."""
    url = f"{scope_of(GROUP)}/descendants?api-version=2020-05-01"
    cli.answer(f"az rest --method get --url {url}", {"value": [{"name": name} for name in names]})


@pytest.mark.parametrize(
    ("setting", "below", "elsewhere"),
    [
        ("SWEEP_MANAGEMENT_GROUPS", "Contoso-Corp", "contoso-platform"),
        (
            "SWEEP_SUBSCRIPTIONS",
            "33333333-3333-3333-3333-333333333333",
            "44444444-4444-4444-4444-444444444444",
        ),
    ],
)
def test_what_is_swept_has_to_be_below_the_management_group(
    cli: AzureCli, setting: str, below: str, elsewhere: str
) -> None:
    with_descendants(cli, below.lower())
    preprovision(**{setting: below})
    (problem,) = problems(refused(**{setting: f"{below}, {elsewhere}"}))
    assert problem.startswith(f"- {setting} lists {elsewhere!r}: it must be below ")


@pytest.mark.parametrize(("below", "count"), [("2" * 8, 1), (None, 0)])
def test_a_deployment_at_the_group_reaches_the_subscriptions_below_it_alone(
    cli: AzureCli, below: str | None, count: int
) -> None:
    subscription = "22222222-2222-2222-2222-222222222222"
    with_descendants(cli, below or subscription)
    plan = Plan({}, GROUP, "westeurope", subscription=subscription)
    found = place_problems(plan)
    assert len(found) == count
    assert all("must be below management group" in problem for problem in found)


def test_azd_deploys_into_any_subscription_of_the_tenant(cli: AzureCli) -> None:
    with_descendants(cli, "contoso-corp")
    preprovision(AZURE_SUBSCRIPTION_ID="22222222-2222-2222-2222-222222222222")
    assert changes(cli) == []


# Asking


class Deployer:
    """Answers a question by the first of its words that occurs in it, and else with nothing."""

    def __init__(self, **answers: str) -> None:
        self._answers = answers
        self.questions: list[str] = []

    def __call__(self, question: str) -> str:
        """Answer."""
        self.questions.append(question)
        words = (answer for word, answer in self._answers.items() if word in question)
        return next(words, "")


def kept(cli: AzureCli) -> dict[str, str]:
    return {name: value for *_, name, value in cli.called("azd", "env", "set")}


def test_the_deployer_is_asked_for_what_only_they_can_say_and_it_is_kept(cli: AzureCli) -> None:
    deployer = Deployer(SWEEP_MODE="enforce", AZURE_MANAGEMENT_GROUP_ID=GROUP, brake="y")
    preprovision(deployer, **dict.fromkeys(ASKED, ""))
    assert len(deployer.questions) == 5
    assert kept(cli) == {
        "SWEEP_MODE": "enforce",
        "SWEEP_KINDS": "OpenAI,AIServices",
        "AZURE_TENANT_ID": TENANT,
        "AZURE_MANAGEMENT_GROUP_ID": GROUP,
        "BRAKE_RELEASE_UNTIL": "2027-03-31T08:00Z",
    }


def test_the_brake_stays_unless_somebody_says_yes_and_is_asked_for_once(cli: AzureCli) -> None:
    deployer = Deployer()
    preprovision(deployer, SWEEP_MODE="enforce")
    assert kept(cli) == {"BRAKE_RELEASE_UNTIL": ""}
    preprovision(deployer, SWEEP_MODE="enforce", **kept(cli))
    assert len(deployer.questions) == 1


def test_audit_asks_nothing_about_the_brake(cli: AzureCli) -> None:
    deployer = Deployer()
    preprovision(deployer)
    assert deployer.questions == []
    assert kept(cli) == {}


def test_a_wrong_answer_is_not_kept(cli: AzureCli) -> None:
    with pytest.raises(DeploymentStopped, match="SWEEP_MODE is 'maybe'"):
        preprovision(Deployer(SWEEP_MODE="maybe"), SWEEP_MODE="")
    assert kept(cli) == {}


# Rights


def test_who_lacks_rights_is_told_beforehand(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.answer("az rest --method get", {"value": CONTRIBUTOR})
    preprovision()
    warning = capsys.readouterr().out
    assert "You lack Microsoft.Authorization/roleDefinitions/write" in warning
    assert "Microsoft.Resources/deployments/write" not in warning


def test_rights_that_can_not_be_seen_are_not_taken_for_missing_nor_for_there(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.refuse("az rest --method get", "Forbidden")
    preprovision()
    assert "can't be seen" in capsys.readouterr().out


def test_who_may_not_deploy_into_the_subscription_is_refused(cli: AzureCli) -> None:
    subscription = "22222222-2222-2222-2222-222222222222"
    cli.answer(f"az rest --method get --url /subscriptions/{subscription}/", {"value": CONTRIBUTOR})
    (problem,) = problems(refused(AZURE_SUBSCRIPTION_ID=subscription))
    assert problem.startswith(f"- AZURE_SUBSCRIPTION_ID is '{subscription}': you lack ")
    assert "Microsoft.Authorization/roleAssignments/write there" in problem
    assert "Microsoft.Web/sites/write" not in problem
    assert changes(cli) == []


def test_the_guardrail_asks_for_rights_of_its_own(cli: AzureCli) -> None:
    cli.answer("az rest --method get", {"value": [{"actions": ["Microsoft.Authorization/role*"]}]})
    plan = Plan({}, GROUP, "westeurope", "deny")
    assert rights_missing(plan) == [
        "Microsoft.Resources/deployments/write",
        "Microsoft.Authorization/policyDefinitions/write",
        "Microsoft.Authorization/policyAssignments/write",
    ]


# The tenant's part


def test_the_tenants_part_is_deployed_with_what_was_asked_for(cli: AzureCli) -> None:
    hooks.postprovision(
        {**PROVISIONED, "KEYSWEEP_GUARDRAIL": "deny", "EXEMPTION_TAG": "keys allowed"}
    )
    (command,) = cli.called("az", "deployment", "mg", "create")
    values = dict(word.split("=", 1) for word in command[command.index("--parameters") + 1 : -2])
    assert values == {
        "principalId": PROVISIONED["PRINCIPAL_ID"],
        "environmentName": "prod",
        "location": "westeurope",
        "sweepMode": "audit",
        "sweepKinds": "OpenAI,AIServices",
        "exemptionTag": "keys allowed",
        "guardrail": "deny",
    }
    assert command[command.index("--management-group-id") + 1] == GROUP
    parameters = bicep.compiled("tenant")["parameters"]
    needed = {name for name, rule in parameters.items() if "defaultValue" not in rule}
    assert needed <= set(values)
    assert set(values) <= set(parameters)
    assert (ROOT / command[command.index("--template-file") + 1]).exists()


def test_who_lacks_rights_is_stopped_with_the_exact_command_for_who_has_them(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.refuse("az deployment mg create", "(AuthorizationFailed) The client has no authorization")
    environ = {**PROVISIONED, "EXEMPTION_TAG": "keys allowed; really"}
    assert main(["postprovision"], environ) == 1
    reason = capsys.readouterr().err
    assert "AuthorizationFailed" in reason
    assert "azd deploy" in reason
    (command,) = [line for line in reason.splitlines() if line.startswith("    az ")]
    (tried,) = cli.called("az", "deployment", "mg", "create")
    assert shlex.split(command) == tried[:-2]


@pytest.mark.parametrize(("schedule", "code"), [("0 0 0 31 4 *", 1), ("0 0 * * * *", 0)])
def test_the_command_line_checks_a_parameter_file(
    cli: AzureCli, capsys: pytest.CaptureFixture[str], schedule: str, code: int
) -> None:
    values = {
        "location": "westeurope",
        "sweepMode": "audit",
        "sweepKinds": "OpenAI",
        "azureTenantId": TENANT,
        "maxChangesPerSweep": 1,
        "exemptionRequireUntil": True,
        "sweepSchedule": schedule,
        "alertSweepInterval": "PT1H",
    }
    parameters = {"parameters": {name: {"value": value} for name, value in values.items()}}
    cli.answer(
        "az bicep build-params --file infra/main.bicepparam",
        {"parametersJson": json.dumps(parameters)},
    )
    assert main(["check", "--management-group", GROUP], {}) == code
    found = problems(capsys.readouterr().err)
    assert len(found) == code
    assert all(problem.startswith(f"- SWEEP_SCHEDULE is '{schedule}'") for problem in found)


# Rings

WRITER = f"Keysweep prod writes ({GROUP})"
SUBSCRIPTION = "/subscriptions/22222222-2222-2222-2222-222222222222"
DEV, TEST = (scope_of(name) for name in ("mg-dev", "mg-test"))
AT = {DEV: "/at/dev", TEST: "/at/test", SUBSCRIPTION: "/at/sub", scope_of(GROUP): "/at/all"}
RINGS = {"SWEEP_MODE": "enforce", "ENFORCE_SCOPES": f"mg-dev, {SUBSCRIPTION[15:]}@2027-03-01"}


def deployed(cli: AzureCli, *scopes: str) -> None:
    """Let the last deployment have assigned the role that can write at these scopes."""
    # The CLI changes the letter case of outputs.
    outputs = {"writE_SCOPES": {"type": "Array", "value": list(scopes)}}
    cli.answer("az deployment mg show", {"properties": {"outputs": outputs}})
    for scope, assignment in AT.items():
        found = [
            {"id": assignment, "roleDefinitionName": WRITER},
            {"id": "/theirs", "roleDefinitionName": "Owner"},
        ]
        cli.answer(f"az role assignment list --scope {scope.lower()} ", found)
    cli.answer("az role assignment delete", None)


def done(cli: AzureCli) -> list[str]:
    """Return what was deleted and deployed, in order."""
    return [
        call[5] if "delete" in call else "deployed"
        for call in cli.calls
        if "delete" in call or "create" in call
    ]


@pytest.mark.parametrize(
    ("settings", "scopes"),
    [
        ({"SWEEP_MODE": "audit", "ENFORCE_SCOPES": "mg-dev"}, set()),
        ({"SWEEP_MODE": "Enforce"}, {scope_of(GROUP)}),
        (RINGS, {DEV, SUBSCRIPTION}),
        # The tenant's id is its root group's, and what is swept as a group is one.
        ({**RINGS, "ENFORCE_SCOPES": TENANT}, {scope_of(TENANT)}),
        (
            {**RINGS, "SWEEP_MANAGEMENT_GROUPS": SUBSCRIPTION[15:]},
            {DEV, scope_of(SUBSCRIPTION[15:])},
        ),
    ],
)
def test_the_role_that_can_write_is_for_the_rings(
    settings: dict[str, str], scopes: set[str]
) -> None:
    plan = plan_of({**ENVIRON, **settings})
    assert write_scopes(plan) == {scope.lower() for scope in scopes}


def test_a_ring_that_is_no_more_loses_the_role_before_anything_is_deployed(cli: AzureCli) -> None:
    deployed(cli, DEV, TEST, SUBSCRIPTION)
    hooks.postprovision({**PROVISIONED, **RINGS})
    assert done(cli) == ["/at/test", "deployed"]


def test_a_deployment_that_failed_may_have_assigned_the_role_where_it_was_to(cli: AzureCli) -> None:
    deployed(cli)
    given = {"sweepMode": {"value": "enforce"}, "enforceScopes": {"value": "mg-dev, mg-test"}}
    failed = {"outputs": None, "parameters": given, "provisioningState": "Failed"}
    cli.answer("az deployment mg show", {"properties": failed})
    hooks.postprovision({**PROVISIONED, **RINGS})
    assert done(cli) == ["/at/test", "deployed"]


def test_a_first_ring_takes_the_role_away_from_the_whole_group(cli: AzureCli) -> None:
    deployed(cli, scope_of(GROUP))
    hooks.postprovision({**PROVISIONED, **RINGS})
    assert done(cli) == ["/at/all", "deployed"]


def test_an_audit_takes_the_role_away_from_every_ring(cli: AzureCli) -> None:
    deployed(cli, DEV, SUBSCRIPTION)
    hooks.postprovision({**PROVISIONED, **RINGS, "SWEEP_MODE": "audit"})
    assert done(cli) == ["/at/dev", "/at/sub", "deployed"]


def test_the_same_rings_lose_nothing(cli: AzureCli) -> None:
    deployed(cli, DEV.upper(), SUBSCRIPTION)
    hooks.postprovision({**PROVISIONED, **RINGS})
    assert done(cli) == ["deployed"]


def test_a_ring_that_was_deleted_took_its_assignments_along(cli: AzureCli) -> None:
    deployed(cli, DEV, TEST)
    cli.refuse(f"az role assignment list --scope {TEST.lower()} ", "(ManagementGroupNotFound) no")
    hooks.postprovision({**PROVISIONED, **RINGS})
    assert done(cli) == ["deployed"]


def test_where_it_can_not_be_seen_what_to_take_away_nothing_is_deployed_and_that_is_said(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.refuse("az deployment mg show", "(AuthorizationFailed) no")
    assert main(["postprovision"], {**PROVISIONED, **RINGS}) == 1
    assert f"Where role {WRITER!r} was assigned before could not be seen" in capsys.readouterr().err
    assert done(cli) == []


def test_who_may_not_take_the_role_away_gets_both_commands(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(cli, TEST)
    cli.refuse("az role assignment delete", "(AuthorizationFailed) no")
    assert main(["postprovision"], {**PROVISIONED, **RINGS}) == 1
    first, second = (
        line for line in capsys.readouterr().err.splitlines() if line.startswith("    az ")
    )
    assert first == "    az role assignment delete --ids /at/test"
    assert second.startswith("    az deployment mg create ")


def test_another_management_group_than_before_leaves_nothing_at_that_one(cli: AzureCli) -> None:
    cli.answer("az policy", [])
    cli.answer("az role definition list", [{"roleName": "ours"}])
    cli.answer("az role assignment list", [])
    cli.answer("az role definition delete", None)
    hooks.postprovision({**PROVISIONED, "KEYSWEEP_DEPLOYED_AT": "contoso-old"})
    deleted = [call for call in cli.calls if "delete" in call]
    assert [call[5] for call in deleted] == [
        "Keysweep prod writes (contoso-old)",
        "Keysweep prod (contoso-old)",
    ]
    assert kept(cli) == {"KEYSWEEP_DEPLOYED_AT": GROUP}


def test_a_ring_that_is_not_below_the_management_group_is_refused(cli: AzureCli) -> None:
    url = f"{scope_of(GROUP)}/descendants?api-version=2020-05-01"
    more = "https://management.azure.com/next"
    page = {"value": [{"name": "mg-dev"}], "@nextLink": more}
    cli.answer(f"az rest --method get --url {url}", page)
    cli.answer(f"az rest --method get --url {more}", {"value": [{"name": "mg-test"}]})
    preprovision(ENFORCE_SCOPES="MG-dev, mg-test@2027-01-15")
    (problem,) = problems(refused(ENFORCE_SCOPES=f"mg-dev, mg-typo, {GROUP}"))
    assert problem.startswith(f"- ENFORCE_SCOPES lists 'mg-typo': it must be below {GROUP}"[:40])


def test_the_command_line_takes_the_role_away_from_what_is_no_ring_any_more(
    cli: AzureCli,
) -> None:
    deployed(cli, DEV, TEST)
    values = {
        "location": "westeurope",
        "environmentName": "prod",
        "sweepMode": "enforce",
        "sweepKinds": "OpenAI",
        "azureTenantId": TENANT,
        "enforceScopes": "mg-dev",
    }
    parameters = {"parameters": {name: {"value": value} for name, value in values.items()}}
    cli.answer("az bicep build-params", {"parametersJson": json.dumps(parameters)})
    cli.answer(
        "az rest --method get --url /providers/Microsoft.Management/managementGroups/"
        f"{GROUP}/descendants",
        {"value": [{"name": "mg-dev"}]},
    )
    assert main(["withdraw", "--management-group", GROUP], {}) == 0
    assert done(cli) == ["/at/test"]


# Removal


def test_removal_takes_away_what_the_deployment_made_and_nothing_else(cli: AzureCli) -> None:
    scope = f"/providers/Microsoft.Management/managementGroups/{GROUP}"
    definitions = f"{scope}/providers/Microsoft.Authorization/policyDefinitions"
    role = f"Keysweep prod ({GROUP})"
    cli.answer(
        "az policy assignment list",
        [
            {"name": "keysweep-1", "policyDefinitionId": f"{definitions}/keysweep-prod"},
            {"name": "other", "policyDefinitionId": f"{definitions}/keysweep-prod-eu"},
        ],
    )
    cli.answer("az policy definition list", [{"name": "keysweep-prod"}, {"name": "allowed-skus"}])
    cli.answer("az role definition list", [{"roleName": role}])
    cli.answer(
        "az role assignment list",
        [
            {"id": "/ours", "roleDefinitionName": role},
            {"id": "/theirs", "roleDefinitionName": "Owner"},
        ],
    )
    for kind in ("policy assignment", "policy definition", "role assignment", "role definition"):
        cli.answer(f"az {kind} delete", None)
    remove(GROUP, "prod")
    deleted = [" ".join(call[1:6]) for call in cli.calls if "delete" in call]
    assert deleted == [
        "policy assignment delete --name keysweep-1",
        "policy definition delete --name keysweep-prod",
        f"role definition delete --name {WRITER}",
        "role assignment delete --ids /ours",
        f"role definition delete --name {role}",
    ]
    cli.refuse("az role definition delete", "(AuthorizationFailed)")
    with pytest.raises(DeploymentStopped, match="Left to do"):
        remove(GROUP, "prod")


def test_removal_takes_the_role_that_can_write_away_from_every_ring(cli: AzureCli) -> None:
    deployed(cli, DEV, SUBSCRIPTION)
    cli.answer("az policy", [])
    cli.answer("az role definition list", [{"roleName": WRITER}])
    cli.answer("az role definition delete", None)
    remove(GROUP, "prod")
    deleted = [call[5] for call in cli.calls if "delete" in call]
    assert deleted[:4] == ["/at/all", "/at/dev", "/at/sub", WRITER]


def test_an_environment_that_was_never_provisioned_has_nothing_to_remove(cli: AzureCli) -> None:
    assert main(["postdown"], {"AZURE_ENV_NAME": "prod"}) == 0
    assert cli.calls == []


def test_a_resource_group_that_was_there_before_is_not_deleted(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {
        **ENVIRON,
        "KEYSWEEP_RESOURCE_GROUP": "rg-security-tools",
        "KEYSWEEP_RESOURCE_GROUP_EXISTS": "true",
    }
    assert main(["predown"], environ) == 1
    said = capsys.readouterr().err
    assert "`azd down` would delete resource group rg-security-tools" in said
    assert "--tag azd-env-name=prod" in said
    assert cli.calls == []


def test_a_resource_group_of_our_own_may_be_deleted(cli: AzureCli) -> None:
    assert main(["predown"], ENVIRON) == 0
    assert cli.calls == []


# The package

TOKEN = "a-token"


@dataclass(frozen=True)
class Request:
    """A request as the deployment endpoint got it."""

    method: str
    path: str
    authorization: str | None
    body: bytes


class Endpoint(HTTPServer):
    """The deployment endpoint of a Function App: it gives its answers one after the other."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.requests: list[Request] = []

    def upload(self, sleep: Callable[[float], None] = lambda _: None) -> None:
        """Let a package be sent here."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        try:
            upload(f"http://127.0.0.1:{self.server_port}", TOKEN, b"zip", sleep)
        finally:
            self.shutdown()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorization = self.headers.get("Authorization")
        self.server.requests.append(Request(self.command, self.path, authorization, body))
        status, text = self.server.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = _answer  # noqa: N815 - the base class looks for these names


def test_a_package_is_sent_as_it_is_and_waited_for() -> None:
    endpoint = Endpoint((202, '"deployment-1"'), (200, '{"status": 1}'), (200, '{"status": 4}'))
    endpoint.upload()
    sent, *polls = endpoint.requests
    assert sent.method == "POST"
    assert sent.authorization == f"Bearer {TOKEN}"
    assert sent.body == b"zip"
    assert "RemoteBuild=false" in sent.path
    assert [poll.path for poll in polls] == ["/api/deployments/deployment-1"] * 2


def test_an_upload_waits_for_the_identitys_right_to_its_storage() -> None:
    late = (400, "BlobUploadFailedException: 403")
    waits: list[float] = []
    Endpoint(late, late, (202, "1"), (404, "")).upload(sleep=waits.append)
    assert waits == [30, 30]


@pytest.mark.parametrize(
    "answers",
    [
        [(403, "Ip Forbidden")],
        [(202, "1"), (200, '{"status": 3, "status_text": "no such runtime"}')],
    ],
)
def test_a_deployment_that_fails_says_so_in_azures_words(answers: list[tuple[int, str]]) -> None:
    with pytest.raises(DeploymentStopped, match=re.escape(answers[-1][1])) as stopped:
        Endpoint(*answers).upload()
    assert TOKEN not in str(stopped.value)


# azd's files


def test_azure_yaml_is_as_azd_wants_it() -> None:
    schema = json.loads((ROOT / "tests/data/schemas/azure.yaml.json").read_text())
    project = yaml.safe_load((ROOT / "azure.yaml").read_text())
    Draft201909Validator(schema).validate(project)
    (service,) = project["services"].values()
    # Misspelt keys of a service pass the schema.
    assert service["remoteBuild"] is False
    assert service["dist"] == "build/package"
    assert set(project["services"]) == {"sweep"}
    assert (ROOT / "infra" / f"{project['infra']['module']}.bicep").exists()
    # azd would prefer it to the .json, and then not ask.
    assert not (ROOT / "infra" / "app.bicepparam").exists()


def test_every_hook_runs_a_command_that_exists(capsys: pytest.CaptureFixture[str]) -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text())
    hooks = {**project["hooks"], **project["services"]["sweep"]["hooks"]}
    assert set(hooks) == {"preprovision", "postprovision", "predown", "postdown", "prepackage"}
    for name, hook in hooks.items():
        for system in ("posix", "windows"):
            module = re.search(r"-m (infra\.\w+) ?(\w*)", hook[system]["run"])
            assert module, name
            assert find_spec(module[1]), name
            if module[2]:
                assert module[2] == name
                with pytest.raises(SystemExit) as left:
                    main([name, "--help"], {})
                assert left.value.code == 0
    capsys.readouterr()


def test_azd_gives_every_parameter_of_the_app_from_its_setting() -> None:
    given = json.loads((ROOT / "infra/app.parameters.json").read_text())["parameters"]
    parameters = bicep.compiled("app")["parameters"]
    # When it is deployed nobody has to say.
    assert set(given) == set(parameters) - {"deployedAt"}
    for setting in SETTINGS:
        name = parameter_of(setting.name)
        if name in parameters:
            assert given[name] == {"value": f"${{{setting.name}}}"}
    # azd asks for what has no default, and so only for what a deployer must say.
    assert {
        name
        for name, rule in parameters.items()
        if "defaultValue" not in rule and not rule.get("nullable")
    } == {
        "environmentName",
        "location",
        "managementGroupId",
        "sweepMode",
        "sweepKinds",
        "azureTenantId",
    }


# The documents


def test_every_command_that_the_documents_give_is_understood(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (ROOT / "infra" / "README.md").read_text() + (
        ROOT / ".github/workflows/deploy.yml"
    ).read_text()
    joined = text.replace("\\\n", " ")
    lines = re.findall(r"-m infra\.deploy ([^\n`]+)", joined)
    assert len(lines) >= 3
    for line in lines:
        read_arguments(shlex.split(line))
    capsys.readouterr()


def test_the_picture_is_drawn_from_its_text() -> None:
    drawn = html.unescape((ROOT / "infra" / "deployment.svg").read_text())
    shown = {text.strip() for text in re.findall(r">([^<>]+)</text>", drawn)}
    labels = re.findall(r'label="([^"]+)"', (ROOT / "infra" / "deployment.dot").read_text())
    assert shown == {line.strip() for label in labels for line in label.split("\\n")}
