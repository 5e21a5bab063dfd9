"""Where a deployment goes and what it is called there: names, tags, group, workspace and network.

Judged before anything is deployed, by the rules of those who would refuse it later: Azure's naming
rules (learn.microsoft.com, "Naming rules and restrictions for Azure resources"), and Flex
Consumption's conditions for a subnet ("Azure Functions networking options").
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

VARIABLES = {
    "tags": "KEYSWEEP_TAGS",
    "resourceGroupName": "KEYSWEEP_RESOURCE_GROUP",
    "resourceGroupExists": "KEYSWEEP_RESOURCE_GROUP_EXISTS",
    "names": "KEYSWEEP_NAMES",
    "workspaceId": "KEYSWEEP_WORKSPACE_ID",
    "network": "KEYSWEEP_NETWORK",
    "functionSubnetId": "KEYSWEEP_FUNCTION_SUBNET_ID",
    "endpointSubnetId": "KEYSWEEP_ENDPOINT_SUBNET_ID",
    "blobDnsZoneId": "KEYSWEEP_BLOB_DNS_ZONE_ID",
    "sitesDnsZoneId": "KEYSWEEP_SITES_DNS_ZONE_ID",
    "addressSpace": "KEYSWEEP_ADDRESS_SPACE",
    "telemetryNetwork": "KEYSWEEP_TELEMETRY_NETWORK",
    "storageSku": "KEYSWEEP_STORAGE_SKU",
}
"""azd's names for these parameters of app.bicep."""
ZONE_REDUNDANT, IN_ONE_PLACE = "Standard_ZRS", "Standard_LRS"
_DELEGATION = "Microsoft.App/environments"
_ENVIRONMENT = r"[A-Za-z0-9][A-Za-z0-9_-]*"
# A policy definition's name takes no dot, and a deployment's no blank or parenthesis everywhere.
_ENVIRONMENT_ALLOWED = (
    "letters, digits, hyphens and underscores, a letter or digit first: names of policy "
    "definitions, roles and deployments hold it"
)
_WORDS = r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_NETWORK_NAME = (rf"(?=.{{1,64}}$){_WORDS}", "up to 64 letters, digits, `.`, `_` and `-`")
# By parameter: what Azure takes, and the same in words. A host's id is the first 32 characters of
# its app's name, so two longer ones could share a lock.
_NAME_RULES = {
    "functionApp": (r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])", "2 to 32 small letters, digits and `-`"),
    "plan": (r"[A-Za-z0-9-]{1,60}", "up to 60 letters, digits and `-`"),
    "identity": (r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}", "3 to 128 letters, digits, `_` and `-`"),
    "storageAccount": (r"[a-z0-9]{3,24}", "3 to 24 small letters and digits"),
    "workspace": (r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]", "4 to 63 letters, digits and `-`"),
    "applicationInsights": (r"[A-Za-z0-9_.()-]{0,254}[A-Za-z0-9_()-]", "up to 255 letters, digits"),
    "alerts": (r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}", "letters, digits, `_` and `-`"),
    "virtualNetwork": _NETWORK_NAME,
    "functionSubnet": (r"[A-Za-z0-9]([A-Za-z0-9.-]{0,78}[A-Za-z0-9])?", "no `_`: Flex Consumption"),
    "endpointSubnet": (rf"(?=.{{1,80}}$){_WORDS}", "up to 80 letters, digits, `.`, `_` and `-`"),
    "functionSecurityGroup": _NETWORK_NAME,
    "endpointSecurityGroup": _NETWORK_NAME,
    "blobEndpoint": _NETWORK_NAME,
    "siteEndpoint": _NETWORK_NAME,
}
_SUBNET = ("Microsoft.Network/virtualNetworks", "subnets")
_ID_FORMS = {
    "workspaceId": ("Microsoft.OperationalInsights/workspaces",),
    "functionSubnetId": _SUBNET,
    "endpointSubnetId": _SUBNET,
    "blobDnsZoneId": ("Microsoft.Network/privateDnsZones",),
    "sitesDnsZoneId": ("Microsoft.Network/privateDnsZones",),
}
_ZONE_NAMES = {"blobDnsZoneId": "privatelink.blob.", "sitesDnsZoneId": "privatelink."}
_OURS = ("azd-env-name", "azd-service-name", "application")
# Azure takes fifty tags; three are ours.
_MOST_TAGS, _LONGEST_TAG_VALUE = 47, 256
_LONGEST_PREFIX = 26
"""Two subnets of 32 addresses, each as large as Flex Consumption wants its own."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Parameters of app.bicep that say where and by what name, as they were given."""

    environment: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> "Placement":
        """Read azd's environment. What is no JSON where JSON is wanted counts as not given."""
        given = {name: environ.get(variable, "").strip() for name, variable in VARIABLES.items()}
        objects = {name: _object(given[name]) for name in ("tags", "names")}
        exists = {"resourceGroupExists": given["resourceGroupExists"].lower() == "true"}
        values = {**given, **objects, **exists}
        return cls(
            environ.get("AZURE_ENV_NAME", "").strip(),
            {name: value for name, value in values.items() if value},
        )

    def text(self, name: str) -> str:
        """Return a parameter that is text, empty if it was not given."""
        return str(self.values.get(name) or "").strip()

    @property
    def is_private(self) -> bool:
        """Whether storage and app are to be at private endpoints."""
        return self.text("network").lower() == "private"

    @property
    def group_exists(self) -> bool:
        """Whether the resource group is the company's, and holds other things perhaps."""
        return bool(self.values.get("resourceGroupExists"))


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def placement_problems(placement: Placement) -> list[str]:
    """Judge what can be judged without Azure: each problem names the value and what is allowed."""
    return [
        *_environment_problems(placement),
        *_name_problems(placement),
        *_tag_problems(placement),
        *_id_problems(placement),
        *_network_problems(placement),
    ]


def _label(name: str) -> str:
    return f"{VARIABLES[name]} ({name})"


def _environment_problems(placement: Placement) -> Iterator[str]:
    if placement.environment and not re.fullmatch(_ENVIRONMENT, placement.environment):
        yield (
            f"AZURE_ENV_NAME is {placement.environment!r} (environmentName): "
            f"it must be {_ENVIRONMENT_ALLOWED}"
        )


def _name_problems(placement: Placement) -> Iterator[str]:
    group = placement.text("resourceGroupName")
    if group and not re.fullmatch(r"[\w().-]{0,89}[\w()-]", group):
        yield (
            f"{_label('resourceGroupName')} is {group!r}: it must be up to 90 letters, digits, "
            "`_`, `-`, `.` and parentheses, without `.` at its end"
        )
    if placement.group_exists and not group:
        yield (
            f"{_label('resourceGroupExists')} is true, and {_label('resourceGroupName')} is not "
            "set: it must be the name of the resource group that is there"
        )
    for name, value in placement.values.get("names", {}).items():
        rule = _NAME_RULES.get(name)
        if rule is None:
            yield f"{_label('names')} has {name!r}: it must be one of {', '.join(_NAME_RULES)}"
        elif not re.fullmatch(rule[0], str(value)):
            yield f"{_label('names')} has {name} {value!r}: it must be {rule[1]}"


def _tag_problems(placement: Placement) -> Iterator[str]:
    tags: Mapping[str, Any] = placement.values.get("tags", {})
    for name, value in tags.items():
        # Azure tells names of tags apart without regard to letter case, a template does not.
        if name.lower() in _OURS and name != "application":
            yield (
                f"{_label('tags')} has {name!r}: it must be none of {', '.join(_OURS[:2])}, which "
                "azd reads, and `application` in small letters"
            )
        if not re.fullmatch(r"[^<>%&\\?/]{1,128}", name) or len(str(value)) > _LONGEST_TAG_VALUE:
            yield (
                f"{_label('tags')} has {name!r}: it must be up to 128 characters without "
                "<>%&\\?/, and its value up to 256"
            )
    if len(tags) > _MOST_TAGS:
        yield f"{_label('tags')} has {len(tags)}: it must be {_MOST_TAGS} at most"


def _id_problems(placement: Placement) -> Iterator[str]:
    for name, (kind, *below) in _ID_FORMS.items():
        value = placement.text(name)
        parts = [kind, *below]
        form = "/subscriptions/…/resourceGroups/…/providers/" + "/…/".join(parts) + "/…"
        if value and not re.fullmatch(re.escape(form).replace("…", "[^/]+"), value, re.IGNORECASE):
            yield f"{_label(name)} is {value!r}: it must be a resource id, {form}"
        elif value and not value.rpartition("/")[2].lower().startswith(_ZONE_NAMES.get(name, "")):
            yield f"{_label(name)} is {value!r}: it must be a zone {_ZONE_NAMES[name]}…"


def _network_problems(placement: Placement) -> Iterator[str]:
    subnets, zones = ("functionSubnetId", "endpointSubnetId"), ("blobDnsZoneId", "sitesDnsZoneId")
    given = [name for name in (*subnets, *zones) if placement.text(name)]
    if given and not placement.is_private:
        yield (
            f"{_label('network')} is {placement.text('network') or 'public'!r}, and "
            f"{_label(given[0])} is set: it must be 'private', or that left out"
        )
    for first, second in (subnets, zones):
        if bool(placement.text(first)) is not bool(placement.text(second)):
            yield f"{_label(first)} and {_label(second)}: both must be set, or none"
    if any(map(placement.text, zones)) and not any(map(placement.text, subnets)):
        yield (
            f"{_label(zones[0])} is set without subnets: a network that is made here has zones "
            f"of its own; it must be left out, or {_label(subnets[0])} set too"
        )
    yield from _subnet_name_problems(placement)
    yield from _address_problems(placement)


def _subnet_name_problems(placement: Placement) -> Iterator[str]:
    function, endpoint = map(placement.text, ("functionSubnetId", "endpointSubnetId"))
    if "_" in function.rpartition("/")[2]:
        yield (
            f"{_label('functionSubnetId')} is {function!r}: it must be a subnet without `_` in its "
            "name, which Flex Consumption doesn't take"
        )
    if function and function.lower() == endpoint.lower():
        yield (
            f"{_label('endpointSubnetId')} is the Function's subnet too: it must be another one, "
            "since a delegated subnet takes no private endpoints"
        )


def _address_problems(placement: Placement) -> Iterator[str]:
    space = placement.text("addressSpace")
    try:
        is_large_enough = not space or IPv4Network(space).prefixlen <= _LONGEST_PREFIX
    except ValueError:
        is_large_enough = False
    if not is_large_enough:
        yield (
            f"{_label('addressSpace')} is {space!r}: it must be a range of addresses such as "
            "10.90.0.0/26, of 64 or more"
        )


def subnet_problems(subnet: Mapping[str, Any], region: str, location: str) -> list[str]:
    """Judge the Function's subnet as Azure has it, and the region of its network."""
    name = _label("functionSubnetId")
    problems = []
    delegated = {delegation["serviceName"].lower() for delegation in subnet["delegations"]}
    if delegated != {_DELEGATION.lower()}:
        problems.append(
            f"{name} is {subnet['id']!r}: it must be delegated to {_DELEGATION} and nothing else"
        )
    if plain_region(region) != plain_region(location):
        problems.append(
            f"{name} is in {region!r}, AZURE_LOCATION is {location!r}: they must be the same region"
        )
    return problems


def fitting_sku(skus: list[Mapping[str, Any]], location: str) -> str | None:
    """Return how storage can be kept in a region, None if that can't be seen.

    `skus` are those of `Microsoft.Storage/skus`, a row for each SKU and kind with its `locations`.
    """
    there = {
        str(sku["name"])
        for sku in skus
        if sku.get("resourceType") == "storageAccounts"
        and plain_region(location) in {plain_region(name) for name in sku.get("locations", ())}
    }
    if not there:
        return None
    return ZONE_REDUNDANT if ZONE_REDUNDANT in there else IN_ONE_PLACE


def plain_region(region: str) -> str:
    """Return a region's name as templates have it: West Europe is westeurope."""
    return region.replace(" ", "").lower()
