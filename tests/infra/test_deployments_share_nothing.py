"""Two deployments to one management group share nothing, and what a template leaves is known.

`enforce` and `ringed` have one name, one group and one region, and two subscriptions; `removed` is
`enforce` with everything taken back that a template can take back.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.deploy.plan import installation_name, plan_of
from infra.deploy.removal import remove
from infra.deploy.tenant_part import (
    policy_names,
    reader_role,
    tenant_deployment,
    writer_role,
)
from tests.support.azure_cli import AzureCli
from tests.support.deployments import GROUP, PassingTime
from tests.support.management_group import ManagementGroup
from tests.support.snapshots import all_of, assigned_at, one, roles
from tools import bicep

FIRST, SECOND = "enforce", "ringed"
WRITES = "writes"
NESTED = "Microsoft.Resources/deployments"


def at_groups(case: str) -> set[str]:
    """Return the ids of what a deployment makes outside of its resource group."""
    ids = {resource["id"].lower() for resource in bicep.resources(case)}
    return {found for found in ids if not found.startswith("/subscriptions/")}


def test_two_deployments_of_one_name_share_nothing_at_management_groups() -> None:
    assert len(at_groups(FIRST)) == 6
    assert at_groups(FIRST) & at_groups(SECOND) == set()


@pytest.mark.parametrize("other", [SECOND, "corp", "everything"])
def test_no_two_deployments_have_a_role_of_one_name(other: str) -> None:
    """A role's name is the tenant's: a second one would be refused."""

    def names(case: str) -> set[str]:
        found = all_of(case, "Microsoft.Authorization/roleDefinitions")
        return {role["properties"]["roleName"].lower() for role in found}

    assert len(names(FIRST)) == 2
    assert names(FIRST) & names(other) == set()


def test_alerts_in_a_resource_group_that_others_have_are_named_by_the_environment() -> None:
    """Another Keysweep in it would write over them, and nobody look at the first one's sweeps."""
    named = "parameters('resourceGroupExists'), format('keysweep-{0}', parameters('environmentName'"
    assert named in bicep.compiled("app")["variables"]["alertPrefix"]


def test_one_deployment_to_two_groups_has_two_roles() -> None:
    """Both the id and the name of a role are made of the group's."""
    roles = [
        resource
        for resource in resources_of(bicep.compiled("tenant"))
        if resource["type"] == "Microsoft.Authorization/roleDefinitions"
    ]
    assert len(roles) == 2
    for role in roles:
        assert "managementGroup().id" in role["name"]
        assert "managementGroup().name" in role["properties"]["roleName"]


def resources_of(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the resources of a compiled template, those of its nested deployments included."""
    resources = template["resources"]
    # A template that uses newer features of the language has them by symbolic name.
    for resource in resources.values() if isinstance(resources, dict) else resources:
        yield resource
        if resource["type"] == NESTED:
            yield from resources_of(resource["properties"]["template"])


@pytest.mark.parametrize("entry", bicep.ENTRIES)
def test_a_deployment_that_has_a_location_has_it_in_its_name(entry: str) -> None:
    """A name that was used in another region is refused (InvalidDeploymentLocation)."""
    names = [
        resource["name"]
        for resource in resources_of(bicep.compiled(entry))
        if resource["type"] == NESTED and "location" in resource
    ]
    for name in names:
        assert "deployment().location" in name
    assert bool(names) is (entry != "app")


def test_the_longest_names_are_as_short_as_azure_wants_them() -> None:
    """64 characters for a deployment and for a definition; no region's name has more than 18."""
    longest = bicep.compiled("tenant")["parameters"]["environmentName"]["maxLength"]
    name = installation_name("e" * longest, "r" * 18, "s" * 36)
    assert max(map(len, (tenant_deployment(name), *policy_names(name)))) <= 64


def installation(case: str) -> str:
    """Return what infra.deploy calls a deployment."""
    app = one(case, "Microsoft.Web/sites")
    environ = {
        "AZURE_ENV_NAME": app["tags"]["azd-env-name"],
        "AZURE_LOCATION": app["location"],
        "AZURE_SUBSCRIPTION_ID": app["id"].split("/")[2],
    }
    return plan_of(environ).installation


@pytest.mark.parametrize("case", [FIRST, SECOND, "everything"])
def test_what_stands_at_the_group_has_the_names_that_infra_deploy_looks_for(case: str) -> None:
    name = installation(case)
    found = {role["properties"]["roleName"] for role in roles(case).values()}
    assert found == {reader_role(name, GROUP), writer_role(name, GROUP)}
    definition = one(case, "Microsoft.Authorization/policyDefinitions")
    assert definition["name"] in policy_names(name)


def rows(case: str) -> dict[str, list[dict[str, object]]]:
    """Return what a deployment made at the group and in its rings, as `az` lists it."""
    defined = {role["id"]: role for role in roles(case).values()}
    record = {"outputs": {"WRITE_SCOPES": {"value": sorted(assigned_at(case, WRITES))}}}
    return {
        "policy assignment": [
            {"name": made["name"], "policyDefinitionId": made["properties"]["policyDefinitionId"]}
            for made in all_of(case, "Microsoft.Authorization/policyAssignments")
        ],
        "policy definition": [
            {"name": made["name"]}
            for made in all_of(case, "Microsoft.Authorization/policyDefinitions")
        ],
        "role assignment": [
            {"id": made["id"], "roleDefinitionId": definition, "scope": scope}
            for made in all_of(case, "Microsoft.Authorization/roleAssignments")
            if (definition := made["properties"]["roleDefinitionId"]) in defined
            for scope in re.findall(r"guid\('([^']+)'", made["id"])[:1]
        ],
        "role definition": [
            {"name": role["name"], "roleName": role["properties"]["roleName"]}
            for role in defined.values()
        ],
        "deployment mg": [{"name": tenant_deployment(installation(case)), "properties": record}],
    }


@pytest.mark.parametrize(("removed", "kept"), [(FIRST, SECOND), (SECOND, FIRST)])
def test_removal_of_one_leaves_the_other_whole_and_nothing_of_itself(
    cli: AzureCli, removed: str, kept: str
) -> None:
    group = ManagementGroup(
        {kind: [*found, *rows(kept)[kind]] for kind, found in rows(removed).items()}
    )
    group.play(cli)
    remove(GROUP, "enforce", PassingTime().sleep, installation(removed))
    assert group.there == rows(kept)


def test_what_a_template_leaves_behind_is_the_writers_assignment_and_the_guardrail() -> None:
    """infra/README.md and the decision on deployment stacks stand on this."""
    stays = {resource["id"] for resource in bicep.resources("removed")}
    left = [resource for resource in bicep.resources(FIRST) if resource["id"] not in stays]
    assert sorted(resource["type"].rpartition("/")[2] for resource in left) == [
        "policyAssignments",
        "policyDefinitions",
        "roleAssignments",
    ]
    (assignment,) = [resource for resource in left if "roleAssignments" in resource["type"]]
    assert assignment["properties"]["roleDefinitionId"] == roles(FIRST)[WRITES]["id"]


def test_taking_back_makes_nothing_new() -> None:
    before = {resource["id"] for resource in bicep.resources(FIRST)}
    assert {resource["id"] for resource in bicep.resources("removed")} <= before
