"""Removal: what Azure lists of an installation is taken away, and listed again to show it."""

import re
import shlex
from collections.abc import Sequence

import pytest

from infra.deploy.__main__ import main, read_arguments
from infra.deploy.azure_cli import DeploymentStopped
from infra.deploy.removal import remove
from infra.deploy.verification import Clock
from tests.support.azure_cli import AzureCli
from tests.support.deployments import (
    ENVIRON,
    FUNCTIONS_SUBSCRIPTION,
    GROUP,
    GROUP_SCOPE,
    INSTALLATION,
    PassingTime,
)
from tests.support.management_group import ManagementGroup

READER, WRITER = f"Keysweep {INSTALLATION} ({GROUP})", f"Keysweep {INSTALLATION} writes ({GROUP})"
DEFINITIONS = f"{GROUP_SCOPE}/providers/Microsoft.Authorization/policyDefinitions"
RING = "/providers/microsoft.management/managementgroups/mg-dev"
FUNCTIONS = f"/subscriptions/{FUNCTIONS_SUBSCRIPTION}"
OTHERS = "prod-westeurope-11111111"


def record(scope: str, name: str, **given: str) -> dict[str, object]:
    """Return what Azure keeps of a deployment, with the parameters that it was given."""
    parameters = {parameter: {"value": value} for parameter, value in given.items()}
    properties = {"outputs": None, "parameters": parameters}
    return {"name": name, "scope": scope, "properties": properties}


MAIN = {
    "environmentName": "prod",
    "location": "West Europe",
    "subscriptionId": FUNCTIONS_SUBSCRIPTION,
}
# What main.bicep and its modules leave, started in another region than the Function's.
MODULES_AT_GROUPS = [
    record(GROUP_SCOPE, "keysweep-prod-uksouth", **MAIN),
    record(GROUP_SCOPE, "keysweep-guardrail-prod-a", installation=INSTALLATION),
    record(RING, "keysweep-writes-prod-b", principalId="1", roleId=f"/x/id of {WRITER}"),
]
MODULES_IN_SUBSCRIPTIONS = [
    record("/subscriptions/2222", "keysweep-writes-prod-c", roleId=f"/x/id of {WRITER}"),
    record(FUNCTIONS, "keysweep-app-prod-uksouth", environmentName="prod", location="West Europe"),
]
OTHERS_AT_GROUPS = [
    record(GROUP_SCOPE, "keysweep-guardrail-prod-d", installation=OTHERS),
    record(GROUP_SCOPE, "keysweep-prod-ukwest", **{**MAIN, "subscriptionId": "1" * 36}),
    record(RING, "keysweep-writes-prod-e", roleId="/x/their role"),
]
OTHERS_IN_SUBSCRIPTIONS = [record(FUNCTIONS, "keysweep-app-prod-ukwest", **MAIN)]


@pytest.fixture
def group(cli: AzureCli) -> ManagementGroup:
    """Have a deployment with two rings and a guardrail, and others' things beside it."""

    def assignment(name: str, role: str, scope: str) -> dict[str, object]:
        return {"id": name, "roleDefinitionId": f"/x/{role}", "scope": scope}

    outputs = {"WRITE_SCOPES": {"value": [RING, "/subscriptions/2222"]}}
    found = ManagementGroup(
        {
            "policy assignment": [
                {"name": "ours", "policyDefinitionId": f"{DEFINITIONS}/keysweep-{INSTALLATION}"},
                {"name": "theirs", "policyDefinitionId": f"{DEFINITIONS}/keysweep-{OTHERS}"},
            ],
            "policy definition": [
                {"name": f"keysweep-{INSTALLATION}"},
                {"name": f"keysweep-{OTHERS}"},
            ],
            "role assignment": [
                assignment("/reads", f"id of {READER}", GROUP_SCOPE),
                assignment("/writes-in-ring", f"id of {WRITER}", RING),
                assignment("/writes-in-subscription", f"id of {WRITER}", "/subscriptions/2222"),
                assignment("/owner", "Owner", RING),
            ],
            "role definition": [
                {"roleName": name, "name": f"ID of {name}"}
                for name in (READER, WRITER, "Their role")
            ],
            "deployment mg": [
                {
                    "name": f"keysweep-tenant-{INSTALLATION}",
                    "properties": {"outputs": outputs},
                },
                {"name": "theirs", "properties": {"outputs": None}},
                *MODULES_AT_GROUPS,
                *OTHERS_AT_GROUPS,
            ],
            "deployment sub": [*MODULES_IN_SUBSCRIPTIONS, *OTHERS_IN_SUBSCRIPTIONS],
        }
    )
    found.play(cli)
    return found


def names(rows: list[dict[str, object]]) -> list[object]:
    return [next(row[key] for key in ("id", "roleName", "name") if key in row) for row in rows]


def test_all_that_was_deployed_goes_and_nothing_else(
    group: ManagementGroup, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(GROUP, "prod", PassingTime().sleep, INSTALLATION)
    assert {kind: names(rows) for kind, rows in group.there.items()} == {
        "policy assignment": ["theirs"],
        "policy definition": [f"keysweep-{OTHERS}"],
        "role assignment": ["/owner"],
        "role definition": ["Their role"],
        "deployment mg": ["theirs", *names(OTHERS_AT_GROUPS)],
        "deployment sub": names(OTHERS_IN_SUBSCRIPTIONS),
    }
    assert f"Nothing of Keysweep {INSTALLATION} is left" in capsys.readouterr().out


@pytest.mark.usefixtures("group")
def test_assignments_go_before_what_they_assign_and_the_record_of_where_they_are_last(
    cli: AzureCli,
) -> None:
    remove(GROUP, "prod", PassingTime().sleep, INSTALLATION)
    deleted = [call[1:] for call in cli.calls if "delete" in call]
    assert [
        f"{call[0]} {call[1]} {call[call.index('--ids' if '--ids' in call else '--name') + 1]}"
        for call in deleted
    ] == [
        "policy assignment ours",
        f"policy definition keysweep-{INSTALLATION}",
        "role assignment /writes-in-ring",
        "role assignment /writes-in-subscription",
        "deployment mg keysweep-writes-prod-b",
        "deployment sub keysweep-writes-prod-c",
        f"role definition {WRITER}",
        "role assignment /reads",
        f"role definition {READER}",
        "deployment sub keysweep-app-prod-uksouth",
        "deployment mg keysweep-prod-uksouth",
        "deployment mg keysweep-guardrail-prod-a",
        f"deployment mg keysweep-tenant-{INSTALLATION}",
    ]


@pytest.mark.usefixtures("group")
def test_the_records_at_a_group_are_read_once_a_round(cli: AzureCli) -> None:
    remove(GROUP, "prod", PassingTime().sleep, INSTALLATION)
    first_round = cli.calls[: next(i for i, call in enumerate(cli.calls) if "delete" in call)]
    listings = [call for call in first_round if call[1:4] == ["deployment", "mg", "list"]]
    asked = [call[call.index("--management-group-id") + 1] for call in listings]
    assert asked == [GROUP, RING.rpartition("/")[2]]


def test_a_group_is_known_however_its_id_is_written(group: ManagementGroup) -> None:
    remove(GROUP.upper(), "prod", PassingTime().sleep, INSTALLATION.upper())
    assert names(group.there["role definition"]) == ["Their role"]
    assert names(group.there["policy definition"]) == [f"keysweep-{OTHERS}"]


def test_the_record_of_the_same_environment_in_another_region_stays(group: ManagementGroup) -> None:
    """By it that one's rings are found, when one of them is no more."""
    elsewhere: dict[str, object] = {
        "name": "keysweep-tenant-prod-northeurope-99999999",
        "properties": {"outputs": None, "parameters": {"location": {"value": "North Europe"}}},
    }
    group.there["deployment mg"].append(elsewhere)
    remove(GROUP, "prod", PassingTime().sleep, INSTALLATION)
    assert elsewhere in group.there["deployment mg"]


def test_where_the_record_is_gone_resource_graph_knows_where_the_role_is(
    cli: AzureCli, group: ManagementGroup
) -> None:
    group.there["deployment mg"] = []
    found = [{"scope": RING}, {"scope": "/subscriptions/2222"}]
    cli.answer("az rest --method post --url /providers/Microsoft.ResourceGraph/", {"data": found})
    remove(GROUP, "prod", PassingTime().sleep, INSTALLATION)
    assert names(group.there["role assignment"]) == ["/owner"]


def test_what_is_left_is_named_with_the_commands_for_it(group: ManagementGroup) -> None:
    group.undeletable = {"role definition"}
    with pytest.raises(DeploymentStopped, match="Left to do") as stopped:
        remove(GROUP, "prod", PassingTime().sleep, INSTALLATION)
    assert f"    az role definition delete --name '{WRITER}'" in str(stopped.value)
    # By it another attempt finds the rings.
    assert f"keysweep-tenant-{INSTALLATION}" in names(group.there["deployment mg"])


def test_what_somebody_else_deleted_meanwhile_is_gone_too(
    cli: AzureCli, group: ManagementGroup
) -> None:
    def gone_meanwhile(_: Sequence[str]) -> tuple[int, str]:
        del group.there["policy assignment"][0]
        return 1, "(PolicyAssignmentNotFound) no such assignment"

    cli.act("az policy assignment delete", gone_meanwhile)
    remove(GROUP, "prod", PassingTime().sleep, INSTALLATION)
    assert names(group.there["role definition"]) == ["Their role"]


def test_what_was_deleted_and_is_still_listed_is_not_called_gone(cli: AzureCli) -> None:
    cli.answer("az deployment mg list", [])
    cli.answer("az role definition list", [{"roleName": READER, "name": "reader-id"}])
    cli.answer("az role assignment list", [])
    cli.answer("az role definition delete", None)
    time = PassingTime()
    with pytest.raises(DeploymentStopped, match="Azure still lists some of it"):
        remove(GROUP, "prod", time.sleep, INSTALLATION)
    assert sum(time.waits) == 75


def test_the_only_installation_of_an_environment_needs_no_name(group: ManagementGroup) -> None:
    group.there["policy definition"] = [{"name": "keysweep-prod-eu-westeurope-11111111"}]
    remove(GROUP, "prod", PassingTime().sleep)
    assert names(group.there["role definition"]) == ["Their role"]


def test_of_several_installations_none_is_chosen(group: ManagementGroup) -> None:
    with pytest.raises(DeploymentStopped, match=f"{OTHERS}, {INSTALLATION}"):
        remove(GROUP, "prod", PassingTime().sleep)
    assert len(group.there["role definition"]) == 3


@pytest.mark.parametrize("installation", [None, INSTALLATION])
def test_of_a_group_that_is_not_there_nothing_is_said_to_be_gone(
    cli: AzureCli, capsys: pytest.CaptureFixture[str], installation: str | None
) -> None:
    """Its id may be mistyped, or `az` signed in to another tenant."""
    for kind in ("deployment mg", "policy", "role", "account management-group show"):
        cli.refuse(f"az {kind}", "(ManagementGroupNotFound) no such group")
    with pytest.raises(DeploymentStopped, match="has no management group 'mistyped'"):
        remove("mistyped", "prod", PassingTime().sleep, installation)
    assert capsys.readouterr().out == ""


# The subscription


def down(
    cli: AzureCli,
    groups: Sequence[str],
    resources: Sequence[str],
    application: str = "keysweep",
    **environ: str,
) -> int:
    """Run the hook with these groups and resources of the environment still there."""
    tags = {"azd-env-name": "prod", "application": application}
    cli.answer(
        "az group list --tag azd-env-name=prod",
        [{"name": name, "id": f"/x/resourceGroups/{name}", "tags": tags} for name in groups],
    )
    cli.answer(
        "az resource list --tag azd-env-name=prod",
        [{"id": name, "tags": tags} for name in resources],
    )
    time = PassingTime()
    return main(["postdown"], {**ENVIRON, **environ}, Clock(time.now, time.sleep))


@pytest.mark.usefixtures("group")
def test_after_azd_down_nothing_is_left_and_that_is_said(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert down(cli, [], []) == 0
    said = capsys.readouterr().out
    assert "is left at management group" in said
    assert "has the tag azd-env-name=prod" in said


@pytest.mark.usefixtures("group")
def test_what_the_subscription_still_has_is_named_with_the_command(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = "/subscriptions/9/resourceGroups/RG-keysweep/providers/Microsoft.Web/sites/func"
    outside = "/subscriptions/9/resourceGroups/rg-tools/providers/Microsoft.Insights/workbooks/w"
    assert down(cli, ["rg-keysweep"], [inside, outside]) == 1
    left = [line for line in capsys.readouterr().err.splitlines() if line.startswith("    az")]
    assert left == [
        f"    az group delete --name rg-keysweep --subscription {ENVIRON['AZURE_SUBSCRIPTION_ID']}",
        f"    az resource delete --ids {outside}",
    ]


@pytest.mark.usefixtures("group")
def test_what_another_application_of_azd_has_under_that_name_gets_no_command_that_deletes_it(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    site = "/x/resourceGroups/rg-shop/providers/Microsoft.Web/sites/shop"
    assert down(cli, ["rg-shop"], [site], application="shop") == 0
    said = capsys.readouterr()
    assert "az group delete" not in said.out + said.err
    assert f"- /x/resourceGroups/rg-shop\n- {site}" in said.out
    assert "Nothing in" not in said.out


def test_azd_down_takes_away_what_is_at_the_group_to_which_azd_deployed(
    cli: AzureCli, group: ManagementGroup
) -> None:
    """The environment names another one by now, and was not deployed since."""
    assert down(cli, [], [], AZURE_MANAGEMENT_GROUP_ID="new", KEYSWEEP_DEPLOYED_AT=GROUP) == 0
    assert names(group.there["role definition"]) == ["Their role"]


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
    assert "--tag azd-env-name=prod --query" in said
    assert "with application `keysweep`" in said
    assert "--resource-group" not in said
    (line,) = re.findall(r"-m infra\.deploy (.*)", said)
    assert read_arguments(shlex.split(line)).installation == INSTALLATION
    assert cli.calls == []


def test_a_resource_group_of_our_own_may_be_deleted(cli: AzureCli) -> None:
    assert main(["predown"], ENVIRON) == 0
    assert cli.calls == []
