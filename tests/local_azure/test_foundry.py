"""Projects and connections of Foundry accounts in the local Azure: listed, and never a secret."""

import json
from typing import Any

import pytest

from local_azure import Account, LocalAzure, Tenant
from local_azure.state.access import Principal
from tests.support.plain_client import ACCOUNTS_VERSION, Reply, arm
from tests.support.serving import Serve


@pytest.fixture
def hub(tenant: Tenant) -> Account:
    """Give a Foundry account with a connection of its own and one of its project."""
    account = tenant.add_account("hub", kind="AIServices")
    tenant.connect(account, "one", auth_type="AAD")
    tenant.connect(account, "two", auth_type="ApiKey", project="agents")
    return account


def ask(azure: LocalAzure, path: str, *, by: Principal | None = None, more: str = "") -> Reply:
    return arm(azure, f"{path}{ACCOUNTS_VERSION}{more}", by=by or azure.tenant.team)


def targets(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.text
    return [row["properties"]["target"] for row in reply.body["value"]]


def test_an_account_lists_its_own_connections(serve: Serve, tenant: Tenant, hub: Account) -> None:
    assert targets(ask(serve(tenant), f"{hub.id}/connections")) == ["https://one.openai.azure.com/"]


def test_a_project_lists_its_own_connections(serve: Serve, tenant: Tenant, hub: Account) -> None:
    found = ask(serve(tenant), f"{hub.id}/projects/agents/connections")

    assert targets(found) == ["https://two.openai.azure.com/"]


def test_a_project_lists_those_of_its_account_too_if_asked(
    serve: Serve, tenant: Tenant, hub: Account
) -> None:
    path = f"{hub.id}/projects/agents/connections"

    assert len(targets(ask(serve(tenant), path, more="&includeAll=true"))) == 2


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("&category=azureopenai", 1),
        ("&category=AIServices", 0),
        ("&target=https://one.openai.azure.com/", 1),
        ("&target=https://two.openai.azure.com/", 0),
    ],
)
def test_connections_are_listed_by_category_and_target(
    serve: Serve, tenant: Tenant, hub: Account, more: str, found: int
) -> None:
    assert len(targets(ask(serve(tenant), f"{hub.id}/connections", more=more))) == found


def test_a_connection_names_the_account_that_it_is_for(
    serve: Serve, tenant: Tenant, hub: Account
) -> None:
    (row,) = ask(serve(tenant), f"{hub.id}/connections").body["value"]

    assert row["properties"]["metadata"]["ResourceId"] == tenant.account("one").id


def test_no_key_is_ever_shown(serve: Serve, tenant: Tenant, hub: Account) -> None:
    (row,) = ask(serve(tenant), f"{hub.id}/projects/agents/connections").body["value"]

    assert row["properties"]["authType"] == "ApiKey"
    assert row["properties"]["credentials"] is None
    assert "key" not in json.dumps(row).lower().replace("apikey", "")


def test_one_connection_is_read_by_its_name(serve: Serve, tenant: Tenant, hub: Account) -> None:
    azure = serve(tenant)

    assert ask(azure, f"{hub.id}/connections/TO-ONE").body["name"] == "to-one"
    assert ask(azure, f"{hub.id}/connections/none").status == 404


def test_projects_are_listed(serve: Serve, tenant: Tenant, hub: Account) -> None:
    found: list[dict[str, Any]] = ask(serve(tenant), f"{hub.id}/projects").body["value"]

    assert [row["name"] for row in found] == ["hub/agents"]


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("connections", "accounts/connections/read"),
        ("projects", "accounts/projects/read"),
        ("projects/agents/connections", "accounts/projects/connections/read"),
    ],
)
def test_listing_takes_its_own_right(
    serve: Serve, tenant: Tenant, hub: Account, path: str, action: str
) -> None:
    narrow = tenant.add_principal("narrow")
    tenant.assign(narrow, hub.id, ["Microsoft.CognitiveServices/accounts/read"])
    refused = ask(serve(tenant), f"{hub.id}/{path}", by=narrow)

    assert refused.status == 403
    assert f"Microsoft.CognitiveServices/{action}" in refused.body["error"]["message"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_writes_are_not_modelled_and_say_so(
    serve: Serve, tenant: Tenant, hub: Account, method: str
) -> None:
    path = f"{hub.id}/connections/to-one{ACCOUNTS_VERSION}"

    assert arm(serve(tenant), path, method, body={}, by=tenant.team).status == 501
