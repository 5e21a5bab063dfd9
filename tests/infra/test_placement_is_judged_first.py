"""Names, tags and networks that Azure would refuse later are refused beforehand, by their names."""

import re
from typing import Any

import pytest

from infra.deploy.placement import (
    VARIABLES,
    Placement,
    fitting_sku,
    placement_problems,
    subnet_problems,
)
from tests.support.deployments import ENDPOINT_SUBNET, FUNCTION_SUBNET, NETWORK, given_by_azd
from tools import bicep

RESOURCES = NETWORK.removesuffix("/Microsoft.Network")
BLOB = f"{NETWORK}/privateDnsZones/privatelink.blob.core.windows.net"
SITES = f"{NETWORK}/privateDnsZones/privatelink.azurewebsites.net"
WITH_SUBNETS = {
    "network": "private",
    "functionSubnetId": FUNCTION_SUBNET,
    "endpointSubnetId": ENDPOINT_SUBNET,
}


def problems(environment: str = "prod", **values: Any) -> list[str]:
    return placement_problems(Placement(environment, values))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"network": "private"},
        {"network": "Private", "addressSpace": "10.1.0.0/24"},
        WITH_SUBNETS,
        {**WITH_SUBNETS, "blobDnsZoneId": BLOB, "sitesDnsZoneId": SITES},
        {"tags": {"CostCenter": "1234", "application": "key-hygiene"}},
        {"resourceGroupName": "rg-security.tools", "resourceGroupExists": True},
        {"workspaceId": f"{RESOURCES}/Microsoft.OperationalInsights/workspaces/log-management"},
    ],
)
def test_what_azure_takes_passes(values: dict[str, Any]) -> None:
    assert problems(**values) == []


@pytest.mark.parametrize("environment", ["prod.eu", "prod(eu)", "-prod", "prod eu", "prö"])
def test_an_environment_that_no_policy_can_be_named_after_is_refused(environment: str) -> None:
    (problem,) = problems(environment)
    assert problem.startswith(f"AZURE_ENV_NAME is {environment!r}")


@pytest.mark.parametrize(
    ("values", "named", "allowed"),
    [
        ({"names": {"functionApp": "func.keys"}}, "KEYSWEEP_NAMES", "2 to 32 small letters"),
        ({"names": {"functionApp": "f" * 33}}, "KEYSWEEP_NAMES", "2 to 32 small letters"),
        ({"names": {"storageAccount": "st-keys"}}, "KEYSWEEP_NAMES", "3 to 24 small letters"),
        ({"names": {"workspace": "log.keys"}}, "KEYSWEEP_NAMES", "4 to 63 letters"),
        ({"names": {"functionSubnet": "keys_subnet"}}, "KEYSWEEP_NAMES", "no `_`"),
        ({"names": {"functionapp": "func-keys"}}, "KEYSWEEP_NAMES", "one of functionApp, "),
        ({"resourceGroupName": "rg-keys."}, "KEYSWEEP_RESOURCE_GROUP", "without `.` at its end"),
        ({"resourceGroupExists": True}, "KEYSWEEP_RESOURCE_GROUP_EXISTS", "the name of"),
        ({"tags": {"Application": "x"}}, "KEYSWEEP_TAGS", "in small letters"),
        ({"tags": {"AZD-env-name": "x"}}, "KEYSWEEP_TAGS", "which azd reads"),
        ({"tags": {"cost/center": "x"}}, "KEYSWEEP_TAGS", "up to 128 characters"),
        ({"tags": {"owner": "x" * 257}}, "KEYSWEEP_TAGS", "its value up to 256"),
        ({"tags": {str(n): "x" for n in range(48)}}, "KEYSWEEP_TAGS", "47 at most"),
        ({"workspaceId": "log-management"}, "KEYSWEEP_WORKSPACE_ID", "a resource id, "),
        ({"functionSubnetId": FUNCTION_SUBNET}, "KEYSWEEP_NETWORK", "it must be 'private'"),
        (
            {"network": "private", "functionSubnetId": FUNCTION_SUBNET},
            "KEYSWEEP_FUNCTION_SUBNET_ID",
            "both must be set",
        ),
        ({**WITH_SUBNETS, "blobDnsZoneId": BLOB}, "KEYSWEEP_BLOB_DNS_ZONE_ID", "both must be set"),
        (
            {"network": "private", "blobDnsZoneId": BLOB, "sitesDnsZoneId": SITES},
            "KEYSWEEP_BLOB_DNS_ZONE_ID",
            "has zones of its own",
        ),
        (
            {**WITH_SUBNETS, "blobDnsZoneId": SITES, "sitesDnsZoneId": SITES},
            "KEYSWEEP_BLOB_DNS_ZONE_ID",
            "a zone privatelink.blob.",
        ),
        (
            {**WITH_SUBNETS, "functionSubnetId": f"{FUNCTION_SUBNET}_1"},
            "KEYSWEEP_FUNCTION_SUBNET_ID",
            "without `_`",
        ),
        (
            {**WITH_SUBNETS, "endpointSubnetId": FUNCTION_SUBNET.upper()},
            "KEYSWEEP_ENDPOINT_SUBNET_ID",
            "another one",
        ),
        ({"addressSpace": "10.90.0.0/28"}, "KEYSWEEP_ADDRESS_SPACE", "of 64 or more"),
        ({"addressSpace": "10.90.0.1/26"}, "KEYSWEEP_ADDRESS_SPACE", "of 64 or more"),
    ],
)
def test_what_azure_would_refuse_is_refused_by_name_with_what_is_allowed(
    values: dict[str, Any], named: str, allowed: str
) -> None:
    found = problems(**values)
    assert any(problem.startswith(named) and allowed in problem for problem in found), found


def test_what_is_right_is_read_from_azds_environment_as_from_a_parameter_file() -> None:
    environ = {
        "AZURE_ENV_NAME": "prod",
        "KEYSWEEP_TAGS": '{"CostCenter": "1234"}',
        "KEYSWEEP_RESOURCE_GROUP_EXISTS": "True",
        "KEYSWEEP_NETWORK": "private",
        "KEYSWEEP_NAMES": "no JSON: said elsewhere",
    }
    assert Placement.of_environment(environ) == Placement(
        "prod",
        {"tags": {"CostCenter": "1234"}, "resourceGroupExists": True, "network": "private"},
    )


def test_azds_names_are_those_of_its_parameter_file() -> None:
    for name, variable in VARIABLES.items():
        assert given_by_azd()[name] == {"value": f"${{{variable}}}"}


def test_every_name_that_can_be_given_has_a_rule() -> None:
    takes = set(bicep.compiled("app")["parameters"]["names"]["properties"])
    (problem,) = problems(names={"none": "such"})
    listed = re.sub(".*it must be one of ", "", problem)
    assert set(listed.split(", ")) == takes


def test_a_subnet_in_another_region_and_one_with_two_delegations_are_both_named() -> None:
    delegations = [{"serviceName": "Microsoft.App/environments"}, {"serviceName": "Other"}]
    subnet = {"id": FUNCTION_SUBNET, "delegations": delegations}
    assert len(subnet_problems(subnet, "North Europe", "westeurope")) == 2
    assert (
        subnet_problems({**subnet, "delegations": delegations[:1]}, "West Europe", "westeurope")
        == []
    )


@pytest.mark.parametrize(
    ("names", "sku"),
    [
        (["Standard_LRS", "Standard_ZRS"], "Standard_ZRS"),
        (["Standard_LRS"], "Standard_LRS"),
        ([], None),
    ],
)
def test_storage_is_kept_as_the_region_can(names: list[str], sku: str | None) -> None:
    rows = [
        {"name": name, "resourceType": "storageAccounts", "locations": ["WestEurope"]}
        for name in names
    ]
    elsewhere = {**SKU, "locations": ["eastus"]}
    disks = {**SKU, "resourceType": "disks"}
    assert fitting_sku([*rows, elsewhere, disks], "westeurope") == sku


SKU = {"name": "Standard_ZRS", "resourceType": "storageAccounts", "locations": ["westeurope"]}
