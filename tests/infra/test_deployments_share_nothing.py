"""Two deployments to one management group share nothing, and what a template leaves is known.

`enforce` and `ringed` have one name, one group and one region, and two subscriptions; `removed` is
`enforce` with everything taken back that a template can take back.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.test_deployment_is_as_described import GROUP, all_of, one, roles
from tools import bicep

FIRST, SECOND = "enforce", "ringed"
NESTED = "Microsoft.Resources/deployments"


def at_group(case: str) -> set[str]:
    """Return the ids of what a deployment makes at the management group."""
    return {
        resource["id"].lower()
        for resource in bicep.resources(case)
        if resource["id"].lower().startswith(GROUP.lower())
    }


def test_two_deployments_of_one_name_share_nothing_at_the_management_group() -> None:
    assert at_group(FIRST)
    assert at_group(FIRST) & at_group(SECOND) == set()


@pytest.mark.parametrize("other", [SECOND, "corp", "everything"])
def test_no_two_deployments_have_a_role_of_one_name(other: str) -> None:
    """A role's name is the tenant's: a second one would be refused."""

    def names(case: str) -> set[str]:
        found = all_of(case, "Microsoft.Authorization/roleDefinitions")
        return {role["properties"]["roleName"].lower() for role in found}

    assert len(names(FIRST)) == 2
    assert names(FIRST) & names(other) == set()


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
    installation = "-".join(["e" * 20, "r" * 18, "s" * 8])
    for name in (f"keysweep-tenant-{installation}", f"keysweep-{installation}-modify"):
        assert len(name) <= 64


def test_what_stands_is_known_by_environment_region_and_subscription() -> None:
    """infra/deploy finds by these names what to take away."""
    definition = one(FIRST, "Microsoft.Authorization/policyDefinitions")
    assert definition["name"] == "keysweep-enforce-westeurope-22222222"
    roles = all_of(FIRST, "Microsoft.Authorization/roleDefinitions")
    assert {role["properties"]["roleName"] for role in roles} == {
        "Keysweep enforce-westeurope-22222222 (contoso-landingzones)",
        "Keysweep enforce-westeurope-22222222 writes (contoso-landingzones)",
    }


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
    assert assignment["properties"]["roleDefinitionId"] == roles(FIRST)["writes"]["id"]


def test_taking_back_makes_nothing_new() -> None:
    before = {resource["id"] for resource in bicep.resources(FIRST)}
    assert {resource["id"] for resource in bicep.resources("removed")} <= before
