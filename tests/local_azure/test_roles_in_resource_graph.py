"""Roles and who has them, as Resource Graph's authorizationresources shows them."""

from typing import Any

import pytest

from local_azure import Account, LocalAzure, Tenant
from local_azure.state import ids
from local_azure.state.access import Principal
from local_azure.state.roles import BUILT_IN
from tests.support.plain_client import arm
from tests.support.recorded_exchanges import recorded
from tests.support.serving import Serve

USER = "Cognitive Services OpenAI User"
ASSIGNMENTS = """authorizationresources
| where type =~ 'microsoft.authorization/roleassignments'
| project id, properties"""
DEFINITIONS = """authorizationresources
| where type =~ 'microsoft.authorization/roledefinitions'
| project id, name, properties"""


@pytest.fixture
def bot(tenant: Tenant) -> Account:
    """Give an account that a group of people may use."""
    account = tenant.add_account("bot")
    tenant.assign_role(tenant.add_people("developers"), USER, account.id)
    return account


def ask(
    azure: LocalAzure, query: str, *, by: Principal | None = None, **body: Any
) -> list[dict[str, Any]]:
    path = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01"
    reply = arm(azure, path, "POST", body={"query": query, **body}, by=by or azure.tenant.team)
    assert reply.status == 200, reply.text
    data: list[dict[str, Any]] = reply.body["data"]
    return data


def scopes(rows: list[dict[str, Any]]) -> set[str]:
    return {row["properties"]["scope"] for row in rows}


def test_an_assignment_has_what_arms_own_has(serve: Serve, tenant: Tenant, bot: Account) -> None:
    rows = ask(serve(tenant), ASSIGNMENTS)
    theirs = recorded("role-assignments-01").body["value"][0]["properties"]
    (ours,) = (row["properties"] for row in rows if row["properties"]["scope"] == bot.id)

    assert list(ours) == list(theirs)
    assert ours["principalType"] == "Group"


def test_the_definition_of_a_role_has_its_data_actions(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    rows = {row["id"]: row["properties"] for row in ask(serve(tenant), DEFINITIONS)}
    (given,) = (
        row["properties"]["roleDefinitionId"]
        for row in ask(serve(tenant), ASSIGNMENTS)
        if row["properties"]["scope"] == bot.id
    )

    assert rows[given]["roleName"] == USER
    assert rows[given]["type"] == "BuiltInRole"
    assert rows[given]["permissions"][0]["dataActions"] == list(BUILT_IN[USER].data_actions)


def test_a_role_of_ones_own_is_a_custom_one(serve: Serve, tenant: Tenant) -> None:
    tenant.assign(tenant.function, tenant.account("one").id, ["a/read"], data_actions=("b/*",))
    rows = [row["properties"] for row in ask(serve(tenant), DEFINITIONS)]

    assert any(
        row["type"] == "CustomRole" and row["permissions"][0]["dataActions"] == ["b/*"]
        for row in rows
    )


def test_built_in_roles_are_missing_where_subscriptions_are_named(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    azure = serve(tenant)

    assert ask(azure, DEFINITIONS, subscriptions=[bot.subscription_id]) == []
    assert len(ask(azure, DEFINITIONS)) >= len(BUILT_IN)


def test_a_named_subscription_shows_what_is_above_only_if_asked(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    azure, named = serve(tenant), [bot.subscription_id]
    root = ids.management_group_scope(tenant.id)
    above = {"authorizationScopeFilter": "AtScopeAboveAndBelow"}

    assert scopes(ask(azure, ASSIGNMENTS, subscriptions=named)) == {bot.id}
    assert root in scopes(ask(azure, ASSIGNMENTS, subscriptions=named, options=above))


def test_the_whole_tenant_shows_what_is_at_management_groups(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    found = scopes(ask(serve(tenant), ASSIGNMENTS))

    assert {ids.management_group_scope(tenant.id), bot.id} <= found


def test_roles_show_to_whoever_may_read_them(serve: Serve, tenant: Tenant, bot: Account) -> None:
    subscription = ids.subscription_scope(bot.subscription_id)
    narrow = tenant.add_principal("narrow")
    tenant.assign(narrow, subscription, ["Microsoft.Resources/subscriptions/read"])
    azure = serve(tenant)

    assert ask(azure, ASSIGNMENTS, by=narrow) == []
    tenant.assign_role(narrow, "Reader", subscription)
    assert bot.id in scopes(ask(azure, ASSIGNMENTS, by=narrow))


def test_a_role_that_is_given_shows_a_little_later(serve: Serve, tenant: Tenant) -> None:
    azure, account = serve(tenant), tenant.account("one")
    assert account.id not in scopes(ask(azure, ASSIGNMENTS))
    tenant.assign_role(tenant.function, USER, account.id)

    assert account.id not in scopes(ask(azure, ASSIGNMENTS))
    azure.clock.advance(61)
    assert account.id in scopes(ask(azure, ASSIGNMENTS))


def test_a_role_that_is_taken_away_goes(serve: Serve, tenant: Tenant) -> None:
    account = tenant.account("one")
    tenant.assign_role(tenant.function, USER, account.id)
    azure = serve(tenant)
    assert account.id in scopes(ask(azure, ASSIGNMENTS))
    tenant.assignments.remove(tenant.function.object_id, account.id)
    azure.clock.advance(61)

    assert account.id not in scopes(ask(azure, ASSIGNMENTS))
