"""Resource Graph as a service: lag, quota and scope. The language is tested with the engine."""

from datetime import timedelta
from typing import Any

import pytest
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from local_azure import LocalAzure, Tenant, scenarios
from local_azure.clock import START
from local_azure.services import Settings
from local_azure.state import ids
from local_azure.state.changes import FirstValues
from local_azure.state.tenant import OTHER_TENANT
from tests.support import azure_clients
from tests.support.plain_client import Reply, arm, patch_account
from tests.support.serving import Serve

PATH = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01"
FLAGS = (
    "resources | where type =~ 'microsoft.cognitiveservices/accounts' "
    "| project id, name, flag = tostring(properties.disableLocalAuth) | order by id asc"
)


def ask(azure: LocalAzure, query: str, **scope: Any) -> Reply:
    return arm(azure, PATH, "POST", body={"query": query, **scope})


def rows(azure: LocalAzure, query: str, **scope: Any) -> list[dict[str, Any]]:
    reply = ask(azure, query, **scope)
    assert reply.status == 200, reply.text
    data: list[dict[str, Any]] = reply.body["data"]
    return data


async def test_the_sdk_reads_what_the_tables_hold(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure = serve(scenarios.four_accounts())
    for name, value in azure.environ.items():
        monkeypatch.setenv(name, value)
    async with (
        azure_clients.credential(azure) as identity,
        azure_clients.graph_client(azure, identity) as client,
    ):
        answer = await client.resources(
            QueryRequest(query=FLAGS, options=QueryRequestOptions(top=1000))
        )

    assert answer.total_records == 4
    data: Any = answer.data  # the SDK calls it an object
    assert sorted(row["name"] for row in data) == [
        "contoso-agents", "contoso-chat", "contoso-docs", "contoso-search",
    ]  # fmt: skip


def test_a_change_shows_when_the_lag_has_passed(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=True)
    azure = serve(tenant)
    patch_account(azure, account)

    seen = []
    for _ in range(3):
        seen.append(rows(azure, FLAGS)[0]["flag"])
        azure.clock.advance(30)

    assert seen == ["false", "false", "true"]


def test_changes_of_one_account_show_in_their_order_even_if_the_lag_shrinks(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=True)
    azure = serve(tenant, graph_lag=600)
    tenant.enable_keys(account)
    azure.services.feed.lag = 60
    tenant.disable_keys(account)

    seen = []
    for _ in range(3):
        azure.clock.advance(400)
        seen.append(rows(azure, FLAGS)[0]["flag"])

    assert seen == ["false", "true", "true"]


def test_a_deleted_account_is_shown_until_then(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot")
    azure = serve(tenant)
    tenant.delete("bot")

    before = len(rows(azure, FLAGS))
    azure.clock.advance(60)

    assert before == 1
    assert len(rows(azure, FLAGS)) == 0


def test_a_new_account_and_a_new_tag_show_as_late(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    azure = serve(tenant)
    account = tenant.add_account("bot")
    tenant.tag(account, {"owner": "ann"})
    query = "resources | project id, owner = tostring(tags.owner)"

    before = rows(azure, query)
    azure.clock.advance(60)

    assert before == []
    assert [row["owner"] for row in rows(azure, query)] == ["ann"]


def test_who_turned_keys_off_is_in_the_change_log_later_still(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=True)
    azure = serve(tenant)
    patch_account(azure, account)
    query = (
        "resourcechanges | extend c = properties.changes['properties.disableLocalAuth'] "
        "| where isnotnull(c) | project id, was = tostring(c.previousValue), "
        "now = tostring(c.newValue), who = tostring(properties.changeAttributes.changedBy)"
    )
    azure.clock.advance(60)
    before = rows(azure, query)
    azure.clock.advance(30)
    (row,) = rows(azure, query)

    assert before == []
    assert row["was"] == "False"
    assert row["now"] == "True"
    assert row["who"] == tenant.function.client_id


def test_history_from_before_the_start_is_known_at_once(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=False)
    tenant.enable_keys(account, at=START - timedelta(days=3))
    azure = serve(tenant)

    (row,) = rows(azure, "resourcechanges | project id, by = properties.changeAttributes.changedBy")

    assert row["by"] == "ann@contoso.com"


def test_the_sixteenth_query_in_five_seconds_is_throttled_with_the_quota_headers(
    serve: Serve,
) -> None:
    azure = serve()
    replies = [ask(azure, "project id") for _ in range(16)]
    azure.clock.advance(5)
    later = ask(azure, "project id")

    assert [reply.status for reply in replies] == [200] * 15 + [429]
    assert [r.headers["x-ms-user-quota-remaining"] for r in replies[:2]] == ["14", "13"]
    last = replies[-1]
    assert last.code == "RateLimiting"
    assert last.headers["x-ms-user-quota-remaining"] == "0"
    assert last.headers["x-ms-user-quota-resets-after"] == "00:00:05"
    assert "Retry-After" not in last.headers
    assert later.headers["x-ms-user-quota-remaining"] == "14"


@pytest.fixture
def three() -> Tenant:
    """Three subscriptions; the Function may read the first, ARM alone knows the second."""
    tenant = Tenant()
    tenant.add_management_group("mine")
    for name in ("first", "second"):
        tenant.add_subscription(name, parent="mine", hidden_from_graph=name == "second")
    tenant.add_subscription("third")
    tenant.assign_function("/providers/Microsoft.Management/managementGroups/mine")
    for name in ("first", "second", "third"):
        tenant.add_account(f"bot-{name}", subscription=name)
    return tenant


def test_what_the_caller_cannot_read_is_left_out_without_a_word(
    serve: Serve, three: Tenant
) -> None:
    azure = serve(three)
    named = [s.id for s in three.subscriptions.values()]

    assert [row["name"] for row in rows(azure, FLAGS)] == ["bot-first"]
    assert [row["name"] for row in rows(azure, FLAGS, subscriptions=named)] == ["bot-first"]
    assert [row["name"] for row in rows(azure, FLAGS, managementGroups=["mine"])] == ["bot-first"]


def test_nothing_eligible_in_the_scope_is_refused(serve: Serve, three: Tenant) -> None:
    azure = serve(three)
    reply = ask(azure, FLAGS, subscriptions=[three.subscription("third").id])

    assert reply.status == 400
    assert reply.body["error"]["details"][0]["code"] == "NoValidSubscriptionsInQueryRequest"


@pytest.mark.parametrize(("count", "status"), [(1000, 200), (1001, 400)])
def test_more_than_a_thousand_subscriptions_in_one_request_are_refused(
    serve: Serve, three: Tenant, count: int, status: int
) -> None:
    azure = serve(three)
    others = [ids.guid("subscription", number) for number in range(count - 1)]

    reply = ask(azure, FLAGS, subscriptions=[three.subscription("first").id, *others])

    assert reply.status == status
    if status == 400:
        (detail,) = reply.body["error"]["details"]
        assert detail["code"] == "TooManySubscriptionsInQueryRequest"


@pytest.mark.parametrize(
    ("scope", "code", "message"),
    [
        (
            {"subscriptions": ["contoso-prod"]},
            "SubscriptionsContainInvalidGuids",
            "Subscription ids have to be valid GUIDs. Given: 'contoso-prod'.",
        ),
        (
            {"managementGroups": ["Tenant Root Group"]},
            "ManagementGroupsContainInvalidIds",
            "The provided management groups must be valid. Given: 'Tenant Root Group'.",
        ),
    ],
    ids=["subscription", "management group"],
)
def test_a_name_that_can_be_no_id_is_refused_in_azures_words(
    serve: Serve, three: Tenant, scope: dict[str, Any], code: str, message: str
) -> None:
    reply = ask(serve(three), FLAGS, **scope)

    assert reply.status == 400
    assert reply.body["error"]["details"] == [{"code": code, "message": message}]


CONTAINERS = (
    "resourcecontainers | where type == 'microsoft.resources/subscriptions' "
    "| project id, name, tenantId | order by name asc"
)


def test_a_query_of_the_whole_tenant_has_what_others_delegate_to_us_and_nothing_else_of_theirs(
    serve: Serve, three: Tenant
) -> None:
    for name, managing in (("delegated", (three.id,)), ("foreign", ())):
        theirs = three.add_subscription(name, tenant_id=OTHER_TENANT, managed_by_tenants=managing)
        three.assign_function(theirs.scope)
    azure = serve(three)

    found = rows(azure, CONTAINERS)

    assert [(row["name"], row["tenantId"]) for row in found] == [
        ("delegated", OTHER_TENANT),
        ("first", three.id),
    ]


@pytest.mark.parametrize("scope", [{}, {"managementGroups": ["mine"]}])
def test_too_many_subscriptions_under_a_scope_are_refused_or_cut_if_that_is_allowed(
    serve: Serve, three: Tenant, scope: dict[str, Any]
) -> None:
    three.add_subscription("fourth", parent="mine")
    azure = serve(three, settings=Settings(graph_scope=1))
    allowed = {"options": {"allowPartialScopes": True}}

    whole, part = ask(azure, CONTAINERS, **scope), ask(azure, CONTAINERS, **scope, **allowed)

    assert whole.status == 400
    (detail,) = whole.body["error"]["details"]
    assert detail["code"] == "TooManySubscriptionsUnderScope"
    assert "x-ms-tenant-subscription-limit-hit" not in whole.headers
    assert part.status == 200
    assert part.body["count"] == 1
    assert part.headers["x-ms-tenant-subscription-limit-hit"] == "true"


FIRST = "properties.disableLocalAuth"


@pytest.mark.parametrize(
    ("first_values", "entry"),
    [
        ("unlisted", None),
        ("null", {"previousValue": None, "newValue": "True"}),
        ("text", {"previousValue": "null", "newValue": "True"}),
    ],
)
def test_a_first_value_is_told_in_the_change_log_as_the_tenant_says(
    serve: Serve, first_values: FirstValues, entry: dict[str, Any] | None
) -> None:
    tenant = Tenant.with_one_subscription()
    tenant.first_values = first_values
    account = tenant.add_account("bot")
    tenant.disable_keys(account, at=START - timedelta(days=1))

    (row,) = rows(serve(tenant), "resourcechanges | project id, properties")

    changes = row["properties"]["changes"]
    assert changes.get(FIRST) == entry
    assert row["properties"]["changeAttributes"]["changesCount"] == len(changes)


def test_a_disabled_subscription_is_not_eligible(serve: Serve, three: Tenant) -> None:
    three.subscription("first").state = "Disabled"
    azure = serve(three)
    reply = ask(azure, FLAGS)

    assert reply.status == 403
    assert reply.code == "AccessDenied"


def test_containers_tell_states_and_groups(serve: Serve, three: Tenant) -> None:
    azure = serve(three)
    query = (
        "resourcecontainers | where type == 'microsoft.resources/subscriptions' "
        "| project id, name, state = tostring(properties.state)"
    )

    assert [(r["name"], r["state"]) for r in rows(azure, query)] == [("first", "Enabled")]


def test_a_table_that_is_not_modelled_is_a_loud_501(serve: Serve) -> None:
    reply = ask(serve(scenarios.empty()), "policyresources | project id")

    assert reply.status == 501
    assert "policyresources" in reply.text
