"""The local Azure's activity log: what is in it, when it shows, by which filters, page by page."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from local_azure import Account, LocalAzure, Tenant
from local_azure.services import Settings
from local_azure.state.access import Principal
from tests.support.plain_client import Reply, arm, patch_account
from tests.support.serving import Serve

WRITE = "Microsoft.CognitiveServices/accounts/write"
LIST_KEYS = "Microsoft.CognitiveServices/accounts/listKeys/action"


def ask(
    azure: LocalAzure,
    *more: str,
    begin: datetime | None = None,
    by: Principal | None = None,
    select: str = "",
) -> Reply:
    start = begin or azure.now() - timedelta(days=89)
    text = " and ".join([f"eventTimestamp ge '{start:%Y-%m-%dT%H:%M:%SZ}'", *more])
    subscription = next(iter(azure.tenant.subscriptions.values()))
    path = f"{subscription.scope}/providers/Microsoft.Insights/eventtypes/management/values"
    query = f"api-version=2015-04-01&$filter={quote(text)}"
    query += f"&$select={quote(select)}" if select else ""
    return arm(azure, f"{path}?{query}", by=by or azure.tenant.team)


def actions(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.text
    return [event["operationName"]["value"] for event in reply.body["value"]]


@pytest.fixture
def bot(tenant: Tenant) -> Account:
    """Give an account whose keys were fetched yesterday."""
    account = tenant.add_account("bot", local_auth=True)
    tenant.fetch_keys(account, at=tenant.now() - timedelta(days=1), address="198.51.100.9")
    return account


def test_a_fetch_of_keys_is_two_events_the_later_first(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    found = ask(serve(tenant)).body["value"]

    assert [event["eventName"]["value"] for event in found] == ["EndRequest", "BeginRequest"]
    assert [event["status"]["value"] for event in found] == ["Succeeded", "Started"]
    assert {event["operationName"]["value"] for event in found} == {LIST_KEYS}
    assert {event["resourceId"] for event in found} == {bot.id}


def test_an_event_says_who_from_where_and_with_which_client(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    event = ask(serve(tenant)).body["value"][0]

    assert event["caller"] == "ann@contoso.com"
    assert event["httpRequest"]["clientIpAddress"] == "198.51.100.9"
    assert event["claims"]["appid"] == "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
    assert event["authorization"]["scope"] == bot.id


def test_keys_that_are_fetched_here_show_some_minutes_later(serve: Serve, tenant: Tenant) -> None:
    account = tenant.add_account("fresh", local_auth=True)
    azure = serve(tenant)
    arm(azure, f"{account.id}/listKeys?api-version=2025-09-01", "POST", by=tenant.team)

    azure.clock.advance(239)
    assert actions(ask(azure)) == []
    azure.clock.advance(2)
    assert actions(ask(azure)) == [LIST_KEYS, LIST_KEYS]


def test_a_fetch_that_failed_says_so(serve: Serve, tenant: Tenant) -> None:
    account = tenant.add_account("off", local_auth=False)
    azure = serve(tenant)
    arm(azure, f"{account.id}/listKeys?api-version=2025-09-01", "POST", by=tenant.team)
    azure.clock.advance(300)

    assert ask(azure).body["value"][0]["status"]["value"] == "Failed"


def test_a_write_shows_what_was_sent(serve: Serve, tenant: Tenant) -> None:
    account = tenant.add_account("on", local_auth=True)
    azure = serve(tenant)
    patch_account(azure, account, by=tenant.team)
    azure.clock.advance(300)
    end, begin = ask(azure).body["value"]

    assert begin["properties"]["requestbody"] == '{"properties":{"disableLocalAuth":true}}'
    assert "requestbody" not in end["properties"]


def test_keys_that_were_turned_on_long_ago_show(serve: Serve, tenant: Tenant) -> None:
    tenant.enable_keys("one", at=tenant.now() - timedelta(days=60))
    found = ask(serve(tenant)).body["value"]

    assert [event["operationName"]["value"] for event in found] == [WRITE, WRITE]


def test_a_diagnostic_setting_that_was_added_shows(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    since = tenant.now() - timedelta(days=7)
    setting = tenant.log_to(bot, tenant.add_workspace("log"), since=since)
    found = ask(serve(tenant), "resourceProvider eq 'microsoft.insights'").body["value"]

    assert {event["resourceId"] for event in found} == {setting.id}
    assert found[1]["eventTimestamp"].startswith(f"{since:%Y-%m-%dT%H:%M:%S}")


@pytest.mark.parametrize(
    "asked",
    [
        "resourceProvider eq 'Microsoft.CognitiveServices'",
        "resourceProvider eq Microsoft.CognitiveServices",
        "resourceGroupName eq 'RG-AI'",
        "resourceUri eq '{id}'",
        "eventChannels eq 'Admin, Operation'",
        "resourceType eq 'Microsoft.CognitiveServices/accounts'",
    ],
)
def test_documented_filters_find_it(serve: Serve, tenant: Tenant, bot: Account, asked: str) -> None:
    assert len(actions(ask(serve(tenant), asked.format(id=bot.id)))) == 2


@pytest.mark.parametrize(
    "asked", ["resourceProvider eq 'Microsoft.Storage'", "resourceGroupName eq 'other'"]
)
def test_other_values_do_not(serve: Serve, tenant: Tenant, bot: Account, asked: str) -> None:
    assert bot.keys_on
    assert actions(ask(serve(tenant), asked)) == []


@pytest.mark.parametrize("asked", ["operationName eq 'x'", "caller eq 'x'", "status eq Failed"])
def test_a_name_that_azure_may_filter_by_is_not_modelled_and_says_so(
    serve: Serve, asked: str
) -> None:
    assert ask(serve(), asked).status == 501


@pytest.mark.parametrize("asked", ["resourceUri ne 'x'", "nonsense"])
def test_a_filter_of_another_syntax_is_refused(serve: Serve, asked: str) -> None:
    refused = ask(serve(), asked)

    assert refused.status == 400
    assert refused.body == {
        "code": "BadRequest",
        "message": "$filter searching parameters invalid",
    }


def test_it_goes_back_ninety_days(serve: Serve) -> None:
    azure = serve()

    assert ask(azure, begin=azure.now() - timedelta(days=90)).status == 200
    assert ask(azure, begin=azure.now() - timedelta(days=90, seconds=1)).status == 400


def test_pages_have_every_event_once(serve: Serve, tenant: Tenant, bot: Account) -> None:
    for hours in range(1, 6):
        tenant.fetch_keys(bot, at=tenant.now() - timedelta(hours=hours))
    azure = serve(tenant, settings=Settings(activity_page=5))
    pages: list[list[dict[str, Any]]] = []
    reply = ask(azure)
    while True:
        pages.append(reply.body["value"])
        if "nextLink" not in reply.body:
            break
        reply = arm(azure, reply.body["nextLink"], by=tenant.team)

    assert [len(page) for page in pages] == [5, 5, 2]
    assert len({event["id"] for page in pages for event in page}) == 12


def test_select_leaves_the_id_in(serve: Serve, tenant: Tenant, bot: Account) -> None:
    assert bot.keys_on
    (event, _) = ask(serve(tenant), select="caller, status").body["value"]

    assert list(event) == ["caller", "id", "status"]


def test_reading_takes_a_right_on_the_subscription(serve: Serve, tenant: Tenant) -> None:
    nobody = tenant.add_principal("nobody")
    refused = ask(serve(tenant), by=nobody)

    assert refused.status == 403
    assert "Microsoft.Insights/eventtypes/values/read" in refused.body["error"]["message"]


def test_fifty_calls_in_thirty_seconds_and_no_more(serve: Serve) -> None:
    azure = serve()
    for _ in range(49):
        azure.services.activity_calls.take(azure.tenant.team.object_id)
    assert ask(azure).status == 200
    azure.clock.advance(10)
    refused = ask(azure)

    assert refused.status == 429
    assert refused.headers["Retry-After"] == "20"
    azure.clock.advance(20)
    assert ask(azure).status == 200
