"""Who may do what, in which order a request is refused, and what each caller is shown."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from local_azure import Account, LocalAzure, Tenant
from local_azure.allowance import Rates
from local_azure.clock import START
from local_azure.services import Settings
from local_azure.state import ids
from local_azure.state.tenant import OTHER_TENANT
from tests.support.plain_client import (
    ACCOUNTS_VERSION,
    SUBSCRIPTIONS,
    Reply,
    arm,
    patch_account,
    read_account,
    send,
)
from tests.support.serving import Serve


def test_a_request_without_a_token_is_challenged(serve: Serve) -> None:
    azure = serve()

    reply = send(azure.environ["ARM_ENDPOINT"] + SUBSCRIPTIONS)

    assert reply.status == 401
    assert reply.code == "AuthenticationFailed"
    assert reply.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


def test_a_token_that_somebody_else_signed_is_not_taken(serve: Serve) -> None:
    azure, other = serve(), serve()
    token = other.token_for(other.tenant.function)

    reply = send(
        azure.environ["ARM_ENDPOINT"] + SUBSCRIPTIONS,
        headers={"Authorization": f"Bearer {token}"},
    )

    assert reply.status == 401
    assert reply.code == "InvalidAuthenticationToken"


def test_a_token_expires_by_the_clock(serve: Serve) -> None:
    azure = serve(token_lifetime=600)
    token = {"Authorization": f"Bearer {azure.token_for(azure.tenant.function)}"}
    url = azure.environ["ARM_ENDPOINT"] + SUBSCRIPTIONS

    before = send(url, headers=token).status
    azure.clock.advance(600)

    assert before == 200
    assert send(url, headers=token).status == 401


def test_revoked_tokens_are_expired_and_new_ones_work(serve: Serve) -> None:
    azure = serve()
    token = {"Authorization": f"Bearer {azure.token_for(azure.tenant.function)}"}
    url = azure.environ["ARM_ENDPOINT"] + SUBSCRIPTIONS
    azure.services.tokens.revoke()

    old = send(url, headers=token)
    azure.clock.advance(1)

    assert old.code == "ExpiredAuthenticationToken"
    assert arm(azure, SUBSCRIPTIONS).status == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/subscriptions", 400, "MissingApiVersionParameter"),
        ("/subscriptions?api-version=2099-01-01", 400, "InvalidApiVersionParameter"),
        ("{account}?api-version=2099-01-01", 404, "InvalidResourceType"),
        ("{account}?api-version=2025-08-01", 404, "InvalidResourceType"),
        (
            "{account}/providers/Microsoft.Insights/metrics?api-version=2099-01-01",
            404,
            "InvalidResourceType",
        ),
        (
            "{account}/providers/Microsoft.Insights/diagnosticSettings?api-version=2016-09-01",
            501,
            "NotModelled",
        ),
        ("/subscriptions?api-version=2014-01-01", 501, "NotModelled"),
        ("/subscriptions/nonsense?api-version=2022-12-01", 400, "InvalidSubscriptionId"),
        (
            "/subscriptions/00000000-0000-0000-0000-000000000009?api-version=2022-12-01",
            404,
            "SubscriptionNotFound",
        ),
        ("{account}x?api-version=2025-09-01", 404, "ResourceNotFound"),
        ("/tenants?api-version=2022-12-01", 501, "NotModelled"),
        ("/subscriptions/nonsense/locations?api-version=2022-12-01", 501, "NotModelled"),
        ("//subscriptions/nonsense?api-version=2022-12-01", 400, "InvalidSubscriptionId"),
        ("//subscriptions/nonsense/locations?api-version=2022-12-01", 501, "NotModelled"),
        ("/nonsense?api-version=2022-12-01", 404, "MissingSubscription"),
        ("/nonsense", 400, "MissingApiVersionParameter"),
    ],
)
def test_each_refusal_has_its_code(serve: Serve, path: str, status: int, code: str) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    azure = serve(tenant)

    reply = arm(azure, path.format(account=account.id))

    assert reply.status == status
    assert reply.code == code


def test_a_subscription_that_cannot_be_read_is_refused_as_any_scope_is(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    hidden = tenant.add_subscription("hidden")
    azure = serve(tenant)

    reply = arm(azure, f"{hidden.scope}?api-version=2022-12-01")

    who = f"The client '{tenant.function.client_id}' with object id '{tenant.function.object_id}'"
    assert reply.status == 403
    assert reply.body["error"] == {
        "code": "AuthorizationFailed",
        "message": f"{who} does not have authorization to perform action "
        f"'Microsoft.Resources/subscriptions/read' over scope '{hidden.scope}' or the scope is "
        "invalid. If access was recently granted, please refresh your credentials.",
    }
    assert reply.headers["x-ms-failure-cause"] == "gateway"


@pytest.fixture
def fabrikam() -> Tenant:
    """Two subscriptions of another tenant, the Function's role in both, one delegated to us."""
    tenant = Tenant.with_one_subscription()
    for name, managing in (("delegated", (tenant.id,)), ("foreign", ())):
        theirs = tenant.add_subscription(name, tenant_id=OTHER_TENANT, managed_by_tenants=managing)
        tenant.assign_function(theirs.scope)
        tenant.add_account(f"{name}-bot", subscription=name)
    return tenant


@pytest.mark.parametrize("request_account", [read_account, patch_account])
def test_a_token_of_ours_is_not_taken_in_a_subscription_of_another_tenant(
    serve: Serve, fabrikam: Tenant, request_account: Callable[[LocalAzure, Account], Reply]
) -> None:
    azure = serve(fabrikam)
    account = fabrikam.account("foreign-bot")

    reply = request_account(azure, account)

    assert reply.status == 401
    assert reply.code == "InvalidAuthenticationTokenTenant"
    assert OTHER_TENANT in reply.headers["WWW-Authenticate"]
    assert azure.writes == ()


def test_one_that_is_delegated_to_our_tenant_takes_it(serve: Serve, fabrikam: Tenant) -> None:
    azure = serve(fabrikam)
    account = fabrikam.account("delegated-bot")

    assert read_account(azure, account).status == 200
    assert patch_account(azure, account).status == 202


def test_the_list_has_the_delegated_one_with_its_home_tenant_and_not_the_other(
    serve: Serve, fabrikam: Tenant
) -> None:
    listed = arm(serve(fabrikam), SUBSCRIPTIONS).body["value"]

    theirs = [row for row in listed if row["tenantId"] == OTHER_TENANT]
    assert [row["displayName"] for row in theirs] == ["delegated"]
    assert theirs[0]["managedByTenants"] == [{"tenantId": fabrikam.id}]


def test_a_subscription_that_is_given_to_another_tenant_refuses_us_from_then_on(
    serve: Serve,
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    azure = serve(tenant)
    before = read_account(azure, account).status
    tenant.transfer(tenant.subscription("contoso-prod"))

    assert before == 200
    assert read_account(azure, account).status == 401
    assert arm(azure, SUBSCRIPTIONS).body["value"] == []


def test_a_challenge_names_the_subscriptions_own_tenant(serve: Serve, fabrikam: Tenant) -> None:
    azure = serve(fabrikam)
    url = azure.environ["ARM_ENDPOINT"] + fabrikam.subscription("delegated").scope

    reply = send(f"{url}?api-version=2022-12-01")

    assert reply.status == 401
    assert reply.code == "AuthenticationFailed"
    assert OTHER_TENANT in reply.headers["WWW-Authenticate"]


def test_a_missing_role_comes_before_a_missing_account(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    stranger = tenant.add_principal("stranger")
    azure = serve(tenant)

    reply = arm(azure, f"{account.id}x{ACCOUNTS_VERSION}", by=stranger)

    assert reply.status == 403
    assert reply.code == "AuthorizationFailed"
    assert "x-ms-ratelimit-remaining-subscription-reads" not in reply.headers


def test_what_is_below_a_role_is_allowed_and_what_is_beside_it_is_not(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    here = tenant.add_account("here", group="rg-here")
    there = tenant.add_account("there", group="rg-there")
    team = tenant.add_principal("team")
    scope = ids.resource_group_of(here.id)
    tenant.assign(team, str(scope), ["Microsoft.CognitiveServices/*/read"])
    azure = serve(tenant)

    assert arm(azure, here.id.upper() + ACCOUNTS_VERSION, by=team).status == 200
    assert read_account(azure, there, by=team).status == 403
    assert patch_account(azure, here, by=team).status == 403


def test_a_deny_assignment_wins_over_a_role(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    write = "Microsoft.CognitiveServices/accounts/write"
    tenant.deny(tenant.function, account.id, [write], name="frozen")
    azure = serve(tenant)

    reply = patch_account(azure, account)

    assert reply.status == 403
    assert reply.code == "DenyAssignmentAuthorizationFailed"
    assert "'frozen'" in reply.body["error"]["message"]
    assert read_account(azure, account).status == 200


def test_a_deny_assignment_wins_from_above_as_well(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    root = ids.management_group_scope(tenant.id)
    tenant.deny(tenant.function, root, ["Microsoft.CognitiveServices/*"])
    azure = serve(tenant)

    assert read_account(azure, account).status == 403


def test_a_role_may_take_its_time_and_the_list_is_empty_until_then(serve: Serve) -> None:
    tenant = Tenant()
    tenant.add_subscription("late")
    root = ids.management_group_scope(tenant.id)
    tenant.assign_function(root, since=START + timedelta(minutes=10))
    azure = serve(tenant)

    def listed() -> list[str]:
        body = arm(azure, SUBSCRIPTIONS).body
        return [s["displayName"] for s in body["value"]]

    before = listed()
    azure.clock.advance(600)

    assert before == []
    assert listed() == ["late"]


def test_a_lock_comes_before_a_policy_and_both_before_the_provider(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", provisioning_state="Accepted")
    azure = serve(tenant)

    def refused() -> str:
        body = patch_account(azure, account).body
        return str(body["error"]["code"])

    codes = [refused()]
    tenant.add_policy(ids.group_scope(account.subscription_id, account.group))
    codes.append(refused())
    tenant.add_lock(ids.subscription_scope(account.subscription_id))
    codes.append(refused())

    assert codes == ["RequestConflict", "RequestDisallowedByPolicy", "ScopeLocked"]
    assert azure.writes == ()


def test_a_lock_against_deletion_lets_a_patch_pass(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    tenant.add_lock(account.id, level="CanNotDelete")
    azure = serve(tenant)

    assert patch_account(azure, account).status == 202


def test_a_policy_without_a_message_names_its_identifiers(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    policy = tenant.add_policy(account.id, name="freeze", assigned_as="Year's end", version="2.1.0")
    azure = serve(tenant)

    error = patch_account(azure, account).body["error"]

    assert list(error) == ["code", "target", "message", "additionalInfo"]
    assert error["message"].startswith("Resource 'bot' was disallowed by policy. Policy identif")
    (named,) = json.loads(error["message"].split("identifiers: '", 1)[1].removesuffix("'."))
    assert named["policyAssignment"] == {"name": "Year's end", "id": policy.assignment_id}
    assert named["policyDefinition"]["name"] == policy.display_name
    assert named["policyDefinition"]["version"] == "2.1.0"
    info = error["additionalInfo"][0]["info"]
    assert info["policyAssignmentDisplayName"] == "Year's end"
    assert info["policyDefinitionVersion"] == "2.1.0"


def test_a_policy_is_asked_about_the_account_as_it_would_be(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    tenant.add_policy(account.id, denies=lambda a: a["properties"].get("disableLocalAuth") is True)
    azure = serve(tenant)

    assert patch_account(azure, account, {"tags": {"a": "b"}}).status == 200
    assert patch_account(azure, account).status == 403


def test_a_management_group_that_is_not_there_looks_like_one_that_is_not_yours(
    serve: Serve,
) -> None:
    azure = serve()
    path = "/providers/Microsoft.Management/managementGroups/{}/descendants?api-version=2023-04-01"

    assert arm(azure, path.format("contoso")).status == 200
    assert arm(azure, path.format("nowhere")).status == 403


def test_pages_together_are_the_whole_list(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    names = {tenant.add_account(f"bot-{number}").name for number in range(7)}
    azure = serve(tenant, settings=Settings(account_page=3))
    subscription = next(iter(tenant.subscriptions.values()))
    url = f"{subscription.scope}/providers/Microsoft.CognitiveServices/accounts{ACCOUNTS_VERSION}"

    pages = []
    while url:
        pages.append(arm(azure, url).body)
        url = pages[-1].get("nextLink", "")

    assert [len(page["value"]) for page in pages] == [3, 3, 1]
    assert {account["name"] for page in pages for account in page["value"]} == names
    assert "%24skiptoken=" in pages[0]["nextLink"]


def test_subscriptions_and_groups_come_in_pages_as_well(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    tenant.add_subscription("second", parent="contoso")
    here = tenant.subscription("contoso-prod")
    for name in ("rg-a", "rg-b", "rg-c"):
        tenant.add_group(name, subscription=here)
    azure = serve(tenant, settings=Settings(subscription_page=1, group_page=2))

    def pages(path: str) -> list[list[str]]:
        found, url = [], f"{path}?api-version=2022-12-01"
        while url:
            body = arm(azure, url).body
            found.append([item.get("displayName", item.get("name")) for item in body["value"]])
            url = body.get("nextLink", "")
        return found

    assert sorted(pages("/subscriptions")) == [["contoso-prod"], ["second"]]
    assert pages(f"{here.scope}/resourcegroups") == [["rg-a", "rg-b"], ["rg-c"]]


@pytest.mark.parametrize("shown", [True, False])
def test_the_list_of_subscriptions_may_leave_tags_out_where_one_shows_them(
    serve: Serve, *, shown: bool
) -> None:
    tenant = Tenant()
    one = tenant.add_subscription("one", tags={"cost": "4711"})
    azure = serve(tenant, settings=Settings(list_shows_tags=shown))

    (row,) = arm(azure, SUBSCRIPTIONS, by=tenant.team).body["value"]

    assert ("tags" in row) == shown
    whole = arm(azure, f"{one.scope}?api-version=2022-12-01", by=tenant.team).body
    assert whole["tags"] == {"cost": "4711"}
    assert list(whole)[2:5] == ["managedByTenants", "tags", "subscriptionId"]


def test_descendants_come_in_pages_too(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    tenant.add_management_group("below", parent="contoso")
    tenant.add_subscription("deep", parent="below")
    azure = serve(tenant, settings=Settings(descendant_page=2))
    path = "/providers/Microsoft.Management/managementGroups/contoso/descendants"

    first = arm(azure, f"{path}?api-version=2023-04-01").body
    second = arm(azure, first["@nextLink"]).body

    shown = [d["properties"]["displayName"] for d in first["value"] + second["value"]]
    assert shown == ["below", "contoso-prod", "deep"]
    assert "@nextLink" not in second


def test_every_request_is_logged_with_its_action_and_by_whom(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    azure = serve(tenant)
    read_account(azure, account)
    patch_account(azure, account)
    arm(azure, "/tenants?api-version=2022-12-01", by=tenant.team)

    seen = [(o.method, o.action, o.status, o.principal) for o in azure.operations]

    function = tenant.function.object_id
    assert seen == [
        ("GET", "Microsoft.CognitiveServices/accounts/read", 200, function),
        ("PATCH", "Microsoft.CognitiveServices/accounts/write", 202, function),
        ("GET", None, 501, tenant.team.object_id),
    ]
    assert azure.actions() == {
        "Microsoft.CognitiveServices/accounts/read",
        "Microsoft.CognitiveServices/accounts/write",
    }


def test_a_hook_sees_each_request_before_it_is_answered_and_may_change_the_tenant(
    serve: Serve,
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    azure = serve(tenant)
    remove = azure.before(lambda request: tenant.tag(account, {"n": str(request.ordinal)}))

    first = read_account(azure, account).body["tags"]
    remove()
    second = read_account(azure, account).body["tags"]

    assert first == {"n": "1"}
    assert second == {"n": "1"}


def test_tokens_of_a_bucket_are_counted_and_refused_only_where_that_is_switched_on(
    serve: Serve,
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    azure = serve(tenant, settings=Settings(rates={"reads": Rates(3, 1)}))

    free = [read_account(azure, account).status for _ in range(5)]
    azure.services.buckets.enforced = True
    refused = read_account(azure, account)
    azure.clock.advance(1)
    again = read_account(azure, account)

    assert free == [200] * 5
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["Connection"] == "close"
    assert again.status == 200
    assert again.headers["x-ms-ratelimit-remaining-subscription-reads"] == "0"
