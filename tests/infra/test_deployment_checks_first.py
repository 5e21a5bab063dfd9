"""What is wrong is refused before anything is deployed."""

import html
import json
import re
import shlex
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft201909Validator

from infra import deploy
from infra.deploy.__main__ import main, read_arguments
from infra.deploy.alert_interval import schedule_problems
from infra.deploy.azure_cli import CommandFailed, DeploymentStopped, run, script_problem
from infra.deploy.checks import check
from infra.deploy.command_lines import pasteable
from infra.deploy.hooks import prepare
from infra.deploy.plan import SWEEP_INTERVAL, Plan, parameter_of, plan_of, scope_of
from infra.deploy.questions import ASKED
from infra.deploy.rights import rights_missing
from shared.core.settings import SETTINGS
from tests.support.azure_cli import AzureCli
from tests.support.deployments import (
    CONTRIBUTOR,
    ENDPOINT_SUBNET,
    ENVIRON,
    FUNCTION_SUBNET,
    FUNCTIONS_SUBSCRIPTION,
    GROUP,
    OWNER,
    TENANT,
    Deployer,
    answering,
    changes,
    compiled_parameters,
    given_by_azd,
    has_to_be_given,
    kept,
)
from tools import bicep
from tools.prose import ROOT

NOW = datetime(2027, 3, 30, 8, tzinfo=UTC)


def preprovision(ask: Any = None, **settings: str) -> None:
    """Run the hook with these settings beside the usual ones."""
    prepare({**ENVIRON, **settings}, NOW, ask)


def refused(**settings: str) -> str:
    """Return why these settings are refused."""
    with pytest.raises(DeploymentStopped) as stopped:
        preprovision(**settings)
    return str(stopped.value)


def problems(answer: str) -> list[str]:
    return [line for line in answer.splitlines() if line.startswith("- ")]


# Before anything is deployed


@pytest.mark.parametrize("settings", [{}, {"BRAKE_RELEASE_UNTIL": "2027-03-31T08:00Z"}])
def test_what_is_right_passes_and_changes_nothing(cli: AzureCli, settings: dict[str, str]) -> None:
    """An audit, too, while the brake is released."""
    preprovision(**settings)
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


@pytest.mark.parametrize("name", ASKED)
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

WITH_SUBNETS = {
    "KEYSWEEP_NETWORK": "private",
    "KEYSWEEP_FUNCTION_SUBNET_ID": FUNCTION_SUBNET,
    "KEYSWEEP_ENDPOINT_SUBNET_ID": ENDPOINT_SUBNET,
}


def with_subnet(cli: AzureCli, delegation: str, location: str) -> None:
    """Let Azure have the Function's subnet, delegated to this, in a network of this region."""
    subnet = {"id": FUNCTION_SUBNET, "delegations": [{"serviceName": delegation}]}
    cli.answer("az network vnet subnet show", subnet)
    cli.answer("az network vnet show", {"location": location})
    cli.answer("az provider show", {"registrationState": "Registered"})


def test_subnets_that_flex_consumption_takes_pass(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    with_subnet(cli, "Microsoft.App/environments", "westeurope")
    preprovision(**WITH_SUBNETS)
    assert changes(cli) == []
    # azd's own upload says nothing of why it is refused.
    assert "From elsewhere uploads answer 403" in capsys.readouterr().out


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
    cli.answer(f"az rest --method get --url {ENDPOINT_SUBNET}", {"value": reader})
    (problem,) = problems(refused(**WITH_SUBNETS))
    assert problem.startswith("- KEYSWEEP_ENDPOINT_SUBNET_ID")
    assert "Microsoft.Network/virtualNetworks/subnets/join/action" in problem


def test_a_delegation_without_its_provider_is_refused(cli: AzureCli) -> None:
    cli.answer("az provider show", {"registrationState": "NotRegistered"})
    (problem,) = problems(refused(KEYSWEEP_NETWORK="private"))
    assert "az provider register --namespace Microsoft.App" in problem


SKUS = (
    f"az rest --method get --url /subscriptions/{FUNCTIONS_SUBSCRIPTION}/providers/"
    "Microsoft.Storage/"
)


def with_storage(cli: AzureCli, *names: str) -> None:
    """Let the region keep storage in these ways."""
    rows = [
        {"name": name, "resourceType": "storageAccounts", "locations": ["westeurope"]}
        for name in names
    ]
    cli.answer(SKUS, {"value": rows})


@pytest.mark.parametrize(
    ("other", "wanted"),
    [("Standard_GRS", {"KEYSWEEP_STORAGE_SKU": "Standard_LRS"}), ("Standard_ZRS", {})],
)
def test_storage_is_kept_in_one_place_where_the_region_has_no_zones(
    cli: AzureCli, other: str, wanted: dict[str, str]
) -> None:
    with_storage(cli, "Standard_LRS", other)
    preprovision()
    assert kept(cli) == wanted


def test_zones_that_the_region_does_not_have_are_refused(cli: AzureCli) -> None:
    with_storage(cli, "Standard_LRS")
    (problem,) = problems(refused(KEYSWEEP_STORAGE_SKU="Standard_ZRS"))
    assert problem.startswith("- KEYSWEEP_STORAGE_SKU (storageSku) is 'Standard_ZRS'")
    assert problem.endswith("it must be Standard_LRS")


@pytest.mark.usefixtures("cli")
def test_no_resource_may_be_called_as_the_app_by_whose_name_azd_finds_it() -> None:
    names = {"functionApp": "keys", "plan": "Keys", "alerts": "keys", "identity": "id-keys"}
    (problem,) = problems(refused(KEYSWEEP_NAMES=json.dumps(names)))
    assert problem.startswith("- KEYSWEEP_NAMES has plan 'Keys', which functionApp")


def with_descendants(cli: AzureCli, *names: str) -> None:
    """Let these be below the management group, each on a page of its own."""
    pages = [f"{scope_of(GROUP)}/descendants?api-version=2020-05-01", *names[1:], ""]
    for page, name, following in zip(pages, names, pages[1:], strict=False):
        answer = {"value": [{"name": name}], "@nextLink": following}
        cli.answer(f"az rest --method get --url {page} ", answer)


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


def test_a_ring_that_is_not_below_the_management_group_is_refused(cli: AzureCli) -> None:
    with_descendants(cli, "mg-dev", "mg-test")
    preprovision(ENFORCE_SCOPES="MG-dev, mg-test@2027-01-15")
    (problem,) = problems(refused(ENFORCE_SCOPES=f"mg-dev, mg-typo, {GROUP}"))
    assert problem.startswith("- ENFORCE_SCOPES lists 'mg-typo': it must be below ")


def test_a_deployment_at_the_group_reaches_the_subscriptions_below_it_alone(cli: AzureCli) -> None:
    plan = plan_of({**ENVIRON, "SWEEP_MANAGEMENT_GROUPS": "contoso-corp"})
    with_descendants(cli, "contoso-corp", FUNCTIONS_SUBSCRIPTION)
    check(plan)
    with_descendants(cli, "contoso-corp")
    with pytest.raises(DeploymentStopped) as stopped:
        check(plan)
    (problem,) = problems(str(stopped.value))
    assert problem.startswith(f"- AZURE_SUBSCRIPTION_ID (subscriptionId) is {plan.subscription!r}")


def test_what_is_below_the_group_is_read_once(cli: AzureCli) -> None:
    with_descendants(cli, "contoso-corp", FUNCTIONS_SUBSCRIPTION)
    check(plan_of({**ENVIRON, "SWEEP_MANAGEMENT_GROUPS": "contoso-corp"}))
    assert sum("/descendants" in " ".join(call) for call in cli.calls) == 1


def test_azd_deploys_into_any_subscription_of_the_tenant(cli: AzureCli) -> None:
    with_descendants(cli, "contoso-corp")
    preprovision(AZURE_SUBSCRIPTION_ID="22222222-2222-2222-2222-222222222222")
    assert changes(cli) == []


# Asking


NOTHING = dict.fromkeys(ASKED, "")


def test_the_deployer_is_asked_for_what_only_they_can_say_and_it_is_kept(cli: AzureCli) -> None:
    deployer = answering(SWEEP_MODE="enforce", brake="y")
    preprovision(deployer, **NOTHING)
    assert len(deployer.questions) == len(ASKED) + 1
    assert kept(cli) == {
        **{name: ENVIRON[name] for name in ASKED},
        "SWEEP_MODE": "enforce",
        "BRAKE_RELEASE_UNTIL": "2027-03-31T08:00Z",
    }
    assert len(cli.called("azd", "env", "set")) == 1


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


@pytest.mark.parametrize(
    ("name", "answer", "problem"),
    [
        ("SWEEP_MODE", "maybe", "SWEEP_MODE is 'maybe'"),
        ("SWEEP_KINDS", "Open AI", "SWEEP_KINDS is 'Open AI'"),
        ("AZURE_TENANT_ID", "contoso", "AZURE_TENANT_ID is 'contoso'"),
        ("AZURE_LOCATION", "westeurpoe", "AZURE_LOCATION is 'westeurpoe'"),
        ("AZURE_MANAGEMENT_GROUP_ID", "typo", "AZURE_MANAGEMENT_GROUP_ID is 'typo'"),
        ("AZURE_SUBSCRIPTION_ID", "2222", "AZURE_SUBSCRIPTION_ID is '2222'"),
    ],
)
def test_a_wrong_answer_is_said_at_once_asked_again_and_not_kept(
    cli: AzureCli, name: str, answer: str, problem: str
) -> None:
    cli.refuse("az account management-group show --name typo", "(NotFound) not there")
    cli.refuse("az account show --subscription 2222", "The subscription doesn't exist.")
    deployer = Deployer(**{name: answer})
    with pytest.raises(DeploymentStopped, match=re.escape(problem)):
        preprovision(deployer, **{name: ""})
    assert len(deployer.questions) == 3
    assert kept(cli) == {}


def test_right_answers_beside_something_wrong_are_not_kept(cli: AzureCli) -> None:
    with pytest.raises(DeploymentStopped, match="MAX_CHANGES_PER_SWEEP is 'many'"):
        preprovision(Deployer(), SWEEP_MODE="", MAX_CHANGES_PER_SWEEP="many")
    assert kept(cli) == {}


def test_a_right_answer_after_a_wrong_one_counts(cli: AzureCli) -> None:
    answers = iter(["maybe", "audit"])
    preprovision(lambda _: next(answers), SWEEP_MODE="")
    assert kept(cli) == {"SWEEP_MODE": "audit"}


@pytest.mark.parametrize("how", [EOFError, KeyboardInterrupt])
def test_who_closes_the_terminal_deploys_nothing(cli: AzureCli, how: type[BaseException]) -> None:
    def closed(_: str) -> str:
        raise how

    with pytest.raises(DeploymentStopped, match="nobody answered"):
        preprovision(closed, SWEEP_MODE="")
    assert changes(cli) == []


# Rights


def test_who_lacks_rights_is_told_beforehand(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    at_group = f"az rest --method get --url {scope_of(GROUP)}/providers/Microsoft.Authorization/"
    cli.answer(at_group, {"value": CONTRIBUTOR})
    preprovision()
    warning = capsys.readouterr().out
    assert "You lack Microsoft.Authorization/roleDefinitions/write" in warning
    assert "Microsoft.Resources/deployments/write" not in warning


@pytest.mark.parametrize("pages_lead_in_a_circle", [False, True])
def test_rights_that_can_not_be_seen_are_not_taken_for_missing_nor_for_there(
    cli: AzureCli, capsys: pytest.CaptureFixture[str], *, pages_lead_in_a_circle: bool
) -> None:
    if pages_lead_in_a_circle:
        cli.answer("az rest --method get", {"value": OWNER, "nextLink": "https://same.example"})
    else:
        cli.refuse("az rest --method get", "Forbidden")
    preprovision()
    assert "can't be seen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "group"),
    [({}, "rg-keysweep-prod"), ({"KEYSWEEP_RESOURCE_GROUP": "rg-tools"}, "rg-tools")],
)
def test_a_resource_group_of_somebody_else_is_not_taken_over(
    cli: AzureCli, settings: dict[str, str], group: str
) -> None:
    """The template would replace its tags, and `azd down` delete all that is in it."""
    show = f"az group show --subscription {FUNCTIONS_SUBSCRIPTION} --name {group} "
    cli.answer(show, {"name": group, "tags": {"azd-env-name": "shop"}})
    (problem,) = problems(refused(**settings))
    assert problem.startswith("- KEYSWEEP_RESOURCE_GROUP_EXISTS")
    assert repr(group) in problem
    preprovision(KEYSWEEP_RESOURCE_GROUP=group, KEYSWEEP_RESOURCE_GROUP_EXISTS="true")
    cli.answer(show, {"name": group, "tags": {"azd-env-name": "prod"}})
    preprovision(**settings)


def test_who_may_not_deploy_into_the_subscription_is_refused(cli: AzureCli) -> None:
    subscription = "22222222-2222-2222-2222-222222222222"
    cli.answer(f"az rest --method get --url /subscriptions/{subscription}/", {"value": CONTRIBUTOR})
    (problem,) = problems(refused(AZURE_SUBSCRIPTION_ID=subscription))
    assert problem.startswith(f"- AZURE_SUBSCRIPTION_ID is '{subscription}': you lack ")
    assert "Microsoft.Authorization/roleAssignments/write there" in problem
    assert "Microsoft.Web/sites/write" not in problem
    assert changes(cli) == []


def test_the_guardrail_asks_for_rights_of_its_own(cli: AzureCli) -> None:
    role = {"actions": ["Microsoft.Authorization/role*"], "notActions": None}
    cli.answer("az rest --method get", {"value": [role]})
    plan = Plan({}, GROUP, "westeurope", "deny")
    assert rights_missing(plan) == [
        "Microsoft.Resources/deployments/write",
        "Microsoft.Authorization/policyDefinitions/write",
        "Microsoft.Authorization/policyAssignments/write",
    ]


# The command line


@pytest.mark.parametrize(("schedule", "code"), [("0 0 0 31 4 *", 1), ("0 0 * * * *", 0)])
def test_the_command_line_checks_a_parameter_file(
    cli: AzureCli, capsys: pytest.CaptureFixture[str], schedule: str, code: int
) -> None:
    parameters = compiled_parameters(
        location="westeurope",
        subscriptionId=FUNCTIONS_SUBSCRIPTION,
        sweepMode="audit",
        sweepKinds="OpenAI",
        azureTenantId=TENANT,
        maxChangesPerSweep=1,
        exemptionRequireUntil=True,
        sweepSchedule=schedule,
        alertSweepInterval="PT1H",
    )
    cli.answer("az bicep build-params --file infra/main.bicepparam", parameters)
    assert main(["check", "--management-group", GROUP], {}) == code
    found = problems(capsys.readouterr().err)
    assert len(found) == code
    assert all(problem.startswith(f"- SWEEP_SCHEDULE is '{schedule}'") for problem in found)


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


def test_what_is_run_answers_with_what_it_prints() -> None:
    assert run(sys.executable, "-c", "print('here')") == "here\n"
    with pytest.raises(CommandFailed, match="no such thing"):
        run(sys.executable, "-c", "raise SystemExit('no such thing')")


def test_codes_of_azure_are_found_however_deep_they_stand() -> None:
    nested = json.dumps({"error": {"code": "PrincipalNotFound"}})
    said = json.dumps({"code": "DeploymentFailed", "details": [{"message": nested}]})
    found = CommandFailed(["az"], f"ERROR: {said}").codes
    assert found == {"DeploymentFailed", "PrincipalNotFound"}
    plain = "(AuthorizationFailed) no\nCode: AuthorizationFailed"
    assert CommandFailed(["az"], plain).codes == {"AuthorizationFailed"}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["az", "--name", "prod"], "az --name prod"),
        # PowerShell would make two words of it.
        (["sweepKinds=OpenAI,AIServices"], "'sweepKinds=OpenAI,AIServices'"),
        (["@file", "a b", "$x"], "'@file' 'a b' '$x'"),
    ],
)
def test_a_line_to_paste_is_read_alike_by_sh_and_by_powershell(words: list[str], line: str) -> None:
    assert pasteable(words) == line
    assert shlex.split(line) == words


def test_a_script_of_windows_is_not_handed_what_cmd_acts_on() -> None:
    assert script_problem(r"C:\CLI2\wbin\az.CMD", ["--name", "a & b"]) is not None
    assert script_problem(r"C:\CLI2\wbin\az.CMD", ["--name", "a b"]) is None
    assert script_problem("/usr/bin/az", ["a & b"]) is None


def test_every_hook_runs_a_command_that_exists(capsys: pytest.CaptureFixture[str]) -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text())
    hooks = {**project["hooks"], **project["services"]["sweep"]["hooks"]}
    assert set(hooks) == {
        "preup",
        "preprovision",
        "prepackage",
        "postprovision",
        "postdeploy",
        "predown",
        "postdown",
    }
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
    given = given_by_azd()
    parameters = bicep.compiled("app")["parameters"]
    # When it is deployed nobody has to say.
    assert set(given) == set(parameters) - {"deployedAt"}
    for setting in SETTINGS:
        name = parameter_of(setting.name)
        if name in parameters:
            assert given[name] == {"value": f"${{{setting.name}}}"}
    # azd asks for what has no default, and so only for what a deployer must say.
    assert has_to_be_given("app") == {
        "environmentName",
        "location",
        "managementGroupId",
        "sweepMode",
        "sweepKinds",
        "azureTenantId",
    }


# The documents


def test_the_package_says_what_each_of_its_modules_is_for() -> None:
    modules = {path.stem for path in (ROOT / "infra" / "deploy").glob("*.py")} - {"__init__"}
    listed = re.findall(r"^    +((?:\w+  ?)+) {2,}", deploy.__doc__ or "", re.MULTILINE)
    assert sorted(name for line in listed for name in line.split()) == sorted(modules)


def test_every_command_that_the_documents_give_is_understood(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (ROOT / "infra" / "README.md").read_text() + (
        ROOT / ".github/workflows/deploy.yml"
    ).read_text()
    joined = text.replace("\\\n", " ")
    lines = re.findall(r"-m infra\.deploy ([^\n`|>]+)", joined)
    assert len(lines) >= 3
    for line in lines:
        read_arguments(shlex.split(line))
    capsys.readouterr()


def test_the_picture_is_drawn_from_its_text() -> None:
    drawn = html.unescape((ROOT / "infra" / "deployment.svg").read_text())
    shown = {text.strip() for text in re.findall(r">([^<>]+)</text>", drawn)}
    labels = re.findall(r'label="([^"]+)"', (ROOT / "infra" / "deployment.dot").read_text())
    assert shown == {line.strip() for label in labels for line in label.split("\\n")}
