"""What a deployment would create, from the snapshots that the Bicep compiler resolves."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft7Validator

from infra.deploy.plan import PLACEHOLDERS, Plan, parameter_of, write_scopes
from shared.core.exemption import NO
from shared.core.function_timeout import FUNCTION_TIMEOUT_SECONDS
from shared.core.settings import SETTINGS, Settings, read_settings
from tests.support.deployments import GROUP, GROUP_SCOPE
from tests.support.policy.conditions import holds
from tests.support.policy.expressions import Situation
from tests.support.snapshots import all_of, assigned_at, every_case, one, roles
from tools import bicep
from tools.prose import DEPLOYING, ROOT

# Not parameters: they come from resources that the deployment makes.
MADE = set(PLACEHOLDERS)
# What host.md asks for beside the product's own settings, and the identity-based connections.
HOST_SETTINGS = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
}
BUILT_IN = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}
AUDITS = {"audit", "private", "removed"}
PRIVATE = {"everything", "private", "corp"}
# Both have the name of the deployment that they are held against.
ENVIRONMENT = {"ringed": "enforce", "removed": "enforce"}
every_private_case = pytest.mark.parametrize("case", sorted(PRIVATE))


def app_settings(case: str) -> dict[str, str]:
    settings: dict[str, str] = one(case, "Microsoft.Web/sites/config")["properties"]
    return settings


def role_actions(case: str, role: str = "reads") -> list[str]:
    (permissions,) = roles(case)[role]["properties"]["permissions"]
    assert permissions["notActions"] == []
    actions: list[str] = permissions["actions"]
    return actions


# App settings


@every_case
def test_the_app_settings_are_those_that_the_product_and_the_host_know(case: str) -> None:
    assert set(app_settings(case)) == {setting.name for setting in SETTINGS} | HOST_SETTINGS


def product_settings(case: str) -> Settings:
    """Read a deployment's app settings as the Function will."""
    return read_settings({**app_settings(case), **PLACEHOLDERS})


@every_case
def test_the_product_takes_the_app_settings_as_they_are(case: str) -> None:
    settings = product_settings(case)
    assert settings.mode == ("audit" if case in AUDITS else "enforce")
    assert settings.scope.management_groups == (
        ("contoso-corp", "contoso-online") if case == "everything" else ("contoso-landingzones",)
    )


def test_what_nobody_sets_is_the_products_own_default() -> None:
    asked = {"SWEEP_MODE", "SWEEP_MANAGEMENT_GROUPS", "AZURE_TENANT_ID"}
    settings = app_settings("audit")
    for setting in SETTINGS:
        if setting.name not in asked | MADE:
            assert settings[setting.name] == setting.default, setting.name


def test_every_parameter_reaches_its_app_setting() -> None:
    plain, everything = app_settings("audit"), app_settings("everything")
    # Given both, groups and subscriptions are an error, so the case leaves the second empty.
    same = {"SWEEP_SUBSCRIPTIONS", "AZURE_TENANT_ID"}
    for name in {setting.name for setting in SETTINGS} - MADE - same:
        assert plain[name] != everything[name], name


@pytest.mark.parametrize("entry", ["app", "main"])
def test_every_setting_is_a_described_parameter_that_names_it(entry: str) -> None:
    parameters = bicep.compiled(entry)["parameters"]
    for setting in {setting.name for setting in SETTINGS} - MADE:
        described = parameters[parameter_of(setting)]["metadata"]["description"]
        assert described.startswith(f"Sets {setting}"), setting
    for name, parameter in parameters.items():
        assert parameter["metadata"]["description"].endswith("."), name
        assert parameter["type"] not in {"securestring", "secureObject"}, name


def test_both_ways_of_deploying_have_the_same_parameters() -> None:
    app, main = (bicep.compiled(name)["parameters"] for name in ("app", "main"))
    assert set(main) - set(app) == {"subscriptionId", "guardrail"}
    assert set(app) - set(main) == {"managementGroupId"}

    def rules(parameter: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in parameter.items() if name != "metadata"}

    for name in set(app) & set(main):
        assert rules(app[name]) == rules(main[name]), name


def test_allowed_values_of_parameters_are_those_of_the_settings() -> None:
    parameters = bicep.compiled("app")["parameters"]
    for setting in SETTINGS:
        for value in parameters.get(parameter_of(setting.name), {}).get("allowedValues", []):
            setting.form.parse(value)
    # The budget must leave a minute of the host's time-out.
    assert parameters["sweepBudgetSeconds"]["maxValue"] == FUNCTION_TIMEOUT_SECONDS - 60


# Roles


def test_audit_gets_no_role_that_can_write() -> None:
    for role in ("reads", "writes"):
        actions = role_actions("audit", role)
        assert actions
        assert all(action.endswith("/read") for action in actions)


@pytest.mark.parametrize("case", ["enforce", "everything"])
def test_what_only_a_write_needs_is_in_the_role_that_can_write(case: str) -> None:
    write = "Microsoft.CognitiveServices/accounts/write"
    assert write in role_actions(case, "writes")
    assert all(action.endswith("/read") for action in role_actions(case))


def test_an_action_that_only_a_setting_needs_comes_with_that_setting() -> None:
    action = "Microsoft.Resources/subscriptions/resourceGroups/read"
    assert action not in role_actions("enforce")
    assert action in role_actions("everything")


def test_the_roles_actions_are_the_list_that_the_readme_shows() -> None:
    listed = json.loads((ROOT / "infra" / "role-actions.json").read_text())["actions"]
    names = [action["name"] for action in listed]
    both = role_actions("everything") + role_actions("everything", "writes")
    assert sorted(both) == sorted(names)


@every_case
@pytest.mark.parametrize("role", ["reads", "writes"])
def test_both_roles_are_defined_at_the_management_group_alone(case: str, role: str) -> None:
    found = roles(case)[role]
    assert found["properties"]["assignableScopes"] == [GROUP_SCOPE]
    assert found["id"].startswith(f"{GROUP_SCOPE}/providers/")
    assert re.fullmatch(r"[0-9a-f-]{36}", found["name"])


@every_case
def test_every_assignment_is_the_identitys_and_no_other_role_is_assigned(case: str) -> None:
    ours = {role["id"] for role in roles(case).values()}
    others = set()
    for assignment in all_of(case, "Microsoft.Authorization/roleAssignments"):
        properties = assignment["properties"]
        assert properties["principalType"] == "ServicePrincipal"
        assert (
            one(case, "Microsoft.ManagedIdentity/userAssignedIdentities")["id"]
            in (properties["principalId"])
        )
        if properties["roleDefinitionId"] not in ours:
            others.add(properties["roleDefinitionId"].rpartition("/")[2])
    assert others == set(BUILT_IN)


@every_case
def test_the_role_that_reads_is_assigned_at_the_management_group(case: str) -> None:
    assert assigned_at(case, "reads") == {GROUP_SCOPE.lower()}


@every_case
def test_the_role_that_can_write_is_assigned_in_the_rings_alone(case: str) -> None:
    """The template tells groups from subscriptions as the Function does; the plan asks that."""
    assert assigned_at(case, "writes") == write_scopes(Plan(app_settings(case), GROUP, ""))


def test_a_group_whose_id_is_nearly_a_guid_is_no_subscription() -> None:
    """The examples are in everything.bicepparam, for the template and the Function alike."""
    at = assigned_at("everything", "writes")
    groups = {scope.rpartition("/")[2] for scope in at if "managementgroups" in scope}
    assert groups == {
        "contoso-dev",
        "contoso-test",
        "gggggggg-5555-5555-5555-555555555555",
        "5555555-55555-5555-5555-555555555555",
    }
    assert {scope.rpartition("/")[2] for scope in at if "managementgroups" not in scope} == {
        "55555555-5555-5555-5555-555555555555",
        "abcdef01-2345-6789-abcd-ef0123456789",
    }


# No keys, no way in


@every_case
def test_nothing_uses_a_key(case: str) -> None:
    storage = one(case, "Microsoft.Storage/storageAccounts")["properties"]
    assert storage["allowSharedKeyAccess"] is False
    assert storage["allowBlobPublicAccess"] is False
    assert storage["minimumTlsVersion"] == "TLS1_2"
    assert storage["sasPolicy"]["expirationAction"] == "Block"
    component = one(case, "Microsoft.Insights/components")["properties"]
    assert component["DisableLocalAuth"] is True
    for workspace in all_of(case, "Microsoft.OperationalInsights/workspaces"):
        assert workspace["properties"]["features"]["disableLocalAuth"] is True
    settings = app_settings(case)
    assert settings["AzureWebJobsStorage__credential"] == "managedidentity"
    assert "Authorization=AAD" in settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]
    assert "AzureWebJobsStorage" not in settings
    for name, value in settings.items():
        assert "AccountKey" not in value, name


@pytest.mark.parametrize("name", bicep.ENTRIES)
def test_no_template_asks_for_keys_or_gives_secrets(name: str) -> None:
    text = (bicep.COMPILED / f"{name}.json").read_text()
    assert not re.search(r"\blist[A-Z]\w*\(", text)
    assert "securestring" not in text.lower()
    for output in bicep.compiled(name).get("outputs", {}).values():
        assert "ConnectionString" not in json.dumps(output)


@every_case
def test_nobody_can_call_the_app_and_packages_need_entra_id(case: str) -> None:
    site = one(case, "Microsoft.Web/sites")["properties"]
    config = site["siteConfig"]
    assert site["httpsOnly"] is True
    access = "Disabled" if case in PRIVATE else "Enabled"
    assert site["publicNetworkAccess"] == config["publicNetworkAccess"] == access
    assert config["ipSecurityRestrictionsDefaultAction"] == "Deny"
    assert config["scmIpSecurityRestrictionsDefaultAction"] == "Allow"
    assert config["scmIpSecurityRestrictionsUseMain"] is False
    assert config["minTlsVersion"] == config["scmMinTlsVersion"] == "1.2"
    policies = {
        policy["name"].rpartition("/")[2]: policy["properties"]["allow"]
        for policy in all_of(case, "Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    }
    assert policies == {"ftp": False, "scm": False}


@every_case
def test_the_app_is_what_flex_consumption_takes(case: str) -> None:
    plan = one(case, "Microsoft.Web/serverfarms")
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    site = one(case, "Microsoft.Web/sites")["properties"]
    config = site["functionAppConfig"]
    assert config["runtime"] == {"name": "python", "version": "3.13"}
    assert config["scaleAndConcurrency"] == {"instanceMemoryMB": 512, "maximumInstanceCount": 40}
    # Flex Consumption answers 400 to these (azure-cli#31414) and deprecates the settings.
    refused = {
        "ftpsState",
        "use32BitWorkerProcess",
        "preWarmedInstanceCount",
        "netFrameworkVersion",
        "functionsRuntimeScaleMonitoringEnabled",
        "linuxFxVersion",
        "alwaysOn",
    }
    assert not refused & set(site["siteConfig"])
    assert not {name for name in app_settings(case) if name.startswith(("FUNCTIONS_", "WEBSITE_"))}


@every_case
def test_names_are_such_as_azure_takes(case: str) -> None:
    """Microsoft's naming rules; a host's id is the first 32 characters of its app's."""
    assert re.fullmatch(r"[a-z0-9]{3,24}", one(case, "Microsoft.Storage/storageAccounts")["name"])
    assert re.fullmatch(r"[a-z0-9-]{2,32}", one(case, "Microsoft.Web/sites")["name"])
    ids = [resource["id"].lower() for resource in bicep.resources(case)]
    assert len(ids) == len(set(ids))


def test_exactly_one_resource_is_azds_service() -> None:
    tagged = [
        resource["type"]
        for resource in bicep.resources("audit")
        if "azd-service-name" in resource.get("tags", {})
    ]
    assert tagged == ["Microsoft.Web/sites"]


@every_case
def test_no_alert_asks_so_often_that_it_costs_more(case: str) -> None:
    """Below a quarter of an hour a rule costs two and three times as much."""
    rules = all_of(case, "Microsoft.Insights/scheduledQueryRules")
    frequencies = {rule["properties"]["evaluationFrequency"] for rule in rules}
    assert len(rules) == 13
    assert frequencies <= {"PT15M", "PT30M", "PT1H"}


def test_each_severity_can_have_its_own_action_group() -> None:
    rules = all_of("everything", "Microsoft.Insights/scheduledQueryRules")
    called = {
        rule["properties"]["severity"]: rule["properties"]["actions"]["actionGroups"]
        for rule in rules
    }
    assert called[1][0].endswith("/at-night")
    assert called[2][0].endswith("/on-call")
    assert called[3] == called[2]


@every_case
def test_the_alerts_are_about_the_app_that_is_deployed_and_follow_its_schedule(case: str) -> None:
    rules = all_of(case, "Microsoft.Insights/scheduledQueryRules")
    app = one(case, "Microsoft.Web/sites")["name"]
    gap = product_settings(case).schedule.longest_gap
    for rule in rules:
        (criterion,) = rule["properties"]["criteria"]["allOf"]
        assert f"cloud_RoleName == '{app}'" in criterion["query"]
    (no_sweep,) = [rule for rule in rules if rule["name"].endswith("-no-sweep")]
    (criterion,) = no_sweep["properties"]["criteria"]["allOf"]
    quiet = int(gap.total_seconds() // 3600 * 4) or 1
    assert f"ago({quiet}h)" in criterion["query"]


# Networks


def endpoints(case: str) -> dict[str, dict[str, Any]]:
    """Return the private endpoints by the part of a resource that each leads to."""
    found = {}
    for endpoint in all_of(case, "Microsoft.Network/privateEndpoints"):
        (connection,) = endpoint["properties"]["privateLinkServiceConnections"]
        (part,) = connection["properties"]["groupIds"]
        found[part] = endpoint
    return found


def subnets(case: str) -> dict[str, dict[str, Any]]:
    """Return the subnets that are made, by the ids that others know them by."""
    return {
        f"{network['id']}/subnets/{subnet['name']}": subnet["properties"]
        for network in all_of(case, "Microsoft.Network/virtualNetworks")
        for subnet in network["properties"]["subnets"]
    }


@pytest.mark.parametrize("case", sorted(set(bicep.CASES) - PRIVATE))
def test_nothing_of_a_network_is_made_unless_it_is_asked_for(case: str) -> None:
    kinds = {resource["type"] for resource in bicep.resources(case)}
    assert not [kind for kind in kinds if kind.startswith("Microsoft.Network/")]


@every_private_case
def test_storage_is_closed_to_public_networks(case: str) -> None:
    storage = one(case, "Microsoft.Storage/storageAccounts")
    assert storage["properties"]["publicNetworkAccess"] == "Disabled"
    assert storage["properties"]["networkAcls"] == {"defaultAction": "Deny", "bypass": "None"}


def target(endpoint: dict[str, Any]) -> str:
    (connection,) = endpoint["properties"]["privateLinkServiceConnections"]
    found: str = connection["properties"]["privateLinkServiceId"]
    return found


@every_private_case
def test_endpoints_lead_to_what_the_host_has_an_address_of_and_to_the_app(case: str) -> None:
    """A queue's or a table's would cost, and serve nobody: the host has only the blobs' address."""
    assert {part: target(endpoint) for part, endpoint in endpoints(case).items()} == {
        "blob": one(case, "Microsoft.Storage/storageAccounts")["id"],
        "sites": one(case, "Microsoft.Web/sites")["id"],
    }
    connections = {name for name in app_settings(case) if name.endswith("ServiceUri")}
    assert connections == {"AzureWebJobsStorage__blobServiceUri"}


@every_private_case
def test_the_app_and_its_endpoints_are_in_subnets_of_their_own(case: str) -> None:
    function = one(case, "Microsoft.Web/sites")["properties"]["virtualNetworkSubnetId"]
    others = {endpoint["properties"]["subnet"]["id"] for endpoint in endpoints(case).values()}
    assert len(others) == 1
    assert function not in others


def test_a_network_that_is_made_has_a_security_group_on_every_subnet() -> None:
    groups = {group["id"] for group in all_of("private", "Microsoft.Network/networkSecurityGroups")}
    assert {
        subnet["networkSecurityGroup"]["id"] for subnet in subnets("private").values()
    } == groups


def test_a_network_that_is_made_has_the_subnet_that_flex_consumption_wants() -> None:
    function = one("private", "Microsoft.Web/sites")["properties"]["virtualNetworkSubnetId"]
    (delegation,) = subnets("private")[function]["delegations"]
    assert delegation["properties"]["serviceName"] == "Microsoft.App/environments"
    assert "_" not in function.rpartition("/")[2]
    assert subnets("private")[function]["addressPrefix"].endswith("/27")


def test_a_network_that_is_made_finds_its_endpoints_by_its_own_zones() -> None:
    (network,) = all_of("private", "Microsoft.Network/virtualNetworks")
    zones = {zone["id"] for zone in all_of("private", "Microsoft.Network/privateDnsZones")}
    links = all_of("private", "Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    assert len(links) == len(zones) == 2
    for link in links:
        assert link["properties"]["virtualNetwork"]["id"] == network["id"]
    assert zones_written_to("private") == zones


def zones_written_to(case: str) -> set[str]:
    """Return the ids of the zones that get records of the private endpoints."""
    return {
        zone["properties"]["privateDnsZoneId"]
        for group in all_of(case, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
        for zone in group["properties"]["privateDnsZoneConfigs"]
    }


@pytest.mark.parametrize("case", ["everything", "corp"])
def test_with_subnets_that_are_there_no_network_and_no_zone_is_made(case: str) -> None:
    kinds = {resource["type"] for resource in bicep.resources(case)}
    made = {kind for kind in kinds if kind.startswith("Microsoft.Network/")}
    assert "Microsoft.Network/privateEndpoints" in made
    assert not made & {"Microsoft.Network/virtualNetworks", "Microsoft.Network/privateDnsZones"}


def test_records_are_written_into_the_zones_that_are_named_and_else_left_to_the_company() -> None:
    assert {zone.rpartition("/")[2] for zone in zones_written_to("everything")} == {
        "privatelink.blob.core.chinacloudapi.cn",
        "privatelink.chinacloudsites.cn",
    }
    assert zones_written_to("corp") == set()


@every_case
def test_telemetry_is_closed_at_public_endpoints_only_where_that_is_asked_for(case: str) -> None:
    """Nothing would arrive without a Private Link Scope, which is the company's."""
    component = one(case, "Microsoft.Insights/components")["properties"]
    access = "Disabled" if case == "everything" else "Enabled"
    assert component["publicNetworkAccessForIngestion"] == access
    assert component["publicNetworkAccessForQuery"] == access


# Names and tags


@every_case
def test_everything_that_takes_tags_has_those_that_are_given(case: str) -> None:
    tagged = [resource for resource in bicep.resources(case) if "tags" in resource]
    assert len(tagged) > 15
    wanted = {"private": "1234", "corp": "1234", "everything": "1234"}.get(case)
    for resource in tagged:
        assert resource["tags"].get("CostCenter") == wanted, resource["id"]
        assert resource["tags"]["azd-env-name"] == ENVIRONMENT.get(case, case), resource["id"]


def test_a_tag_that_is_given_stands_instead_of_ours() -> None:
    assert one("everything", "Microsoft.Web/sites")["tags"]["application"] == "key-hygiene"


def test_a_resource_group_that_is_there_already_is_left_as_it_is() -> None:
    assert all_of("everything", "Microsoft.Resources/resourceGroups") == []
    assert "/resourceGroups/rg-security-tools/" in one("everything", "Microsoft.Web/sites")["id"]


def test_a_workspace_that_is_there_already_takes_the_telemetry() -> None:
    component = one("everything", "Microsoft.Insights/components")["properties"]
    assert component["WorkspaceResourceId"].endswith("/workspaces/log-management")
    assert all_of("everything", "Microsoft.OperationalInsights/workspaces") == []


@pytest.mark.parametrize("case", ["private", "everything"])
def test_every_resource_has_the_name_that_it_is_given(case: str) -> None:
    """Those of `names` that make something here; `private` gives none."""
    text = json.dumps(bicep.resources(case))
    given = re.findall(r"'([\w-]+)'", parameter_text(case, "names"))
    for name in given:
        assert f'"{name}' in text, name
    ours = re.findall(r'"name": "((?:func|plan|id|st|appi|pe)-?keysweep[^"]*)"', text)
    assert bool(ours) is (not given)


def parameter_text(case: str, name: str) -> str:
    """Return what a parameter file says of an object, empty where it says nothing."""
    text = (bicep.DEPLOYMENTS / f"{case}.bicepparam").read_text()
    found = re.search(rf"^param {name} = {{$(.*?)^}}$", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


# The guardrail


def policy_rule(case: str) -> dict[str, Any]:
    rule: dict[str, Any] = one(case, "Microsoft.Authorization/policyDefinitions")["properties"][
        "policyRule"
    ]
    return rule


def test_no_policy_is_made_unless_it_is_asked_for() -> None:
    kinds = {resource["type"] for resource in bicep.resources("audit")}
    assert not [kind for kind in kinds if "policy" in kind.lower()]


def test_both_guardrails_have_the_one_condition() -> None:
    assert policy_rule("enforce")["if"] == policy_rule("everything")["if"]


@pytest.mark.parametrize("case", ["enforce", "everything"])
def test_the_guardrail_has_the_functions_kinds_and_tag(case: str) -> None:
    settings = app_settings(case)
    properties = one(case, "Microsoft.Authorization/policyAssignments")["properties"]
    given = {name: parameter["value"] for name, parameter in properties["parameters"].items()}
    assert tuple(given["kinds"]) == product_settings(case).scope.kinds
    assert given["exemptionTag"] == settings["EXEMPTION_TAG"]
    excluded = settings["SWEEP_EXCLUDE_SUBSCRIPTIONS"].replace(" ", "").split(",")
    assert properties["notScopes"] == [f"/subscriptions/{name}" for name in excluded if name]
    assert len(one(case, "Microsoft.Authorization/policyAssignments")["name"]) <= 24


def test_an_explicit_no_in_the_tag_is_no_exemption_for_the_guardrail_either() -> None:
    (tag,) = [part for part in policy_rule("enforce")["if"]["allOf"] if "anyOf" in part]
    (words,) = [part["in"] for part in tag["anyOf"] if "in" in part]
    assert set(words) == NO


@pytest.mark.parametrize(
    ("local_auth_off", "kind", "tags", "matches"),
    [
        (None, "OpenAI", {}, True),
        (False, "AIServices", {}, True),
        (False, "OpenAI", {"local-auth-exempt": "true"}, False),
        (False, "OpenAI", {"Local-Auth-Exempt": "until=2020-01-01"}, False),
        (False, "OpenAI", {"local-auth-exempt": "No"}, True),
        (False, "Face", {}, False),
        # What the Function's own PATCH results in, whatever the tags.
        (True, "OpenAI", {}, False),
        (True, "AIServices", {"local-auth-exempt": "off"}, False),
    ],
)
def test_the_guardrail_stops_keys_and_never_the_functions_own_patch(
    local_auth_off: bool | None,  # noqa: FBT001 - a column of the table
    kind: str,
    tags: dict[str, str],
    matches: bool,  # noqa: FBT001
) -> None:
    properties = {} if local_auth_off is None else {"disableLocalAuth": local_auth_off}
    account = {
        "type": "Microsoft.CognitiveServices/accounts",
        "kind": kind,
        "tags": tags,
        "properties": properties,
    }
    parameters = {"kinds": ["OpenAI", "AIServices"], "exemptiontag": "local-auth-exempt"}
    assert holds(policy_rule("enforce")["if"], Situation(account, parameters)) is matches


# What it costs


def dollars(cell: str) -> tuple[Decimal, Decimal]:
    """Read what a row costs in a month: from, and to."""
    low, _, high = cell.strip("* ").partition(" to ")
    return Decimal(low), Decimal(high or low)


def test_the_costs_add_up() -> None:
    section = DEPLOYING.read_text().partition("## What it costs")[2].partition("\n## ")[0]
    low = high = Decimal(0)
    sums = 0
    for title, cell in re.findall(r"^\| (.+?) \|.*\| ([\d.* to]+) \|$", section, re.MULTILINE):
        if title.startswith("**all of it"):
            sums += 1
            lowest, highest = dollars(cell)
            assert low == lowest, title
            assert high == highest, title
        else:
            low, high = low + dollars(cell)[0], high + dollars(cell)[1]
    assert sums == 3


# The host


def test_host_json_is_as_the_host_wants_it() -> None:
    schema = json.loads((ROOT / "tests/data/schemas/host.json.schema.json").read_text())
    host = json.loads((ROOT / "host.json").read_text())
    Draft7Validator(schema).validate(host)
    assert host["functionTimeout"] == "00:25:00"
    assert host["telemetryMode"] == "OpenTelemetry"
    # A timer needs none, and a retry policy would sweep twice.
    assert not {"extensionBundle", "retry"} & set(host)
