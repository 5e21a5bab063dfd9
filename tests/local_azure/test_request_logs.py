"""The request log of accounts in the local Azure: where it lies, since when, who may read it."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import pytest

from local_azure import Account, LocalAzure, Tenant
from local_azure.handlers.keys import keys_of
from local_azure.services import Settings
from local_azure.state.access import Principal
from local_azure.state.diagnostics import Workspace
from tests.support.plain_client import Reply, arm, send
from tests.support.serving import Serve

SETTINGS = "/providers/Microsoft.Insights/diagnosticSettings?api-version=2021-05-01-preview"
WHO = (
    "AzureDiagnostics | extend p = parse_json(properties_s) | summarize calls = count() by keyed = \
isempty(tostring(p.objectId))"
)

FRESH = {"Cache-Control": "no-cache"}


@pytest.fixture
def bot(tenant: Tenant) -> Account:
    """Give an account that was called ten times in ten days, with a key."""
    account = tenant.add_account("bot")
    now = tenant.now()
    tenant.calls(account, 10, first=now - timedelta(days=10), last=now - timedelta(days=1))
    return account


@pytest.fixture
def central(tenant: Tenant) -> Workspace:
    """Give a workspace that whoever may read a resource may read for it."""
    return tenant.add_workspace("log-central")


def ask(
    azure: LocalAzure,
    resource: str,
    query: str = "AzureDiagnostics | count",
    *,
    by: Principal | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    token = azure.token_for(by or azure.tenant.team, "https://api.loganalytics.io")
    return send(
        f"{azure.services.logs_url()}/v1{resource}/query",
        "POST",
        body={"query": query},
        headers={"Authorization": f"Bearer {token}", **(headers or {})},
    )


def rows(reply: Reply) -> Sequence[Any]:
    assert reply.status == 200, reply.text
    found: Sequence[Any] = reply.body["tables"][0]["rows"]
    return found


def test_an_account_finds_its_calls_whatever_workspace_they_lie_in(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central)
    tenant.calls(bot, 3, by=tenant.function)

    assert sorted(rows(ask(serve(tenant), bot.id, WHO))) == [[False, 3], [True, 10]]


def test_what_was_before_the_setting_is_not_there(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central, since=tenant.now() - timedelta(days=3, hours=12))

    assert rows(ask(serve(tenant), bot.id)) == [[3]]


def test_what_came_after_the_setting_went_is_not_there(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central, until=tenant.now() - timedelta(days=3, hours=12))

    assert rows(ask(serve(tenant), bot.id)) == [[7]]


def test_another_category_does_not_log_requests(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central, categories=["Trace"])

    assert rows(ask(serve(tenant), bot.id)) == [[0]]


def test_a_record_is_late_if_so_set(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central)
    azure = serve(tenant, settings=Settings(diagnostics_lag=timedelta(days=2).total_seconds()))

    assert rows(ask(azure, bot.id)) == [[8]]


def test_a_workspace_has_the_calls_of_all_that_log_there(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central)
    tenant.log_to("one", central)
    tenant.calls("one", 2)
    query = "AzureDiagnostics | summarize count() by Resource | order by Resource asc"

    assert rows(ask(serve(tenant), central.id, query)) == [["BOT", 10], ["ONE", 2]]


def test_a_record_is_written_as_azure_writes_it(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central)
    query = (
        "AzureDiagnostics | take 1 | project ResourceId, _ResourceId, ResourceProvider, Category, "
        "OperationName, ResultSignature, CallerIPAddress, properties_s"
    )
    (row,) = rows(ask(serve(tenant), bot.id, query))

    assert row[:7] == [
        bot.id.upper(),
        bot.id.lower(),
        "MICROSOFT.COGNITIVESERVICES",
        "RequestResponse",
        "ChatCompletions_Create",
        "200",
        "203.0.113.***",
    ]
    assert json.loads(row[7])["objectId"] == ""


def test_a_service_endpoint_hides_the_address(
    serve: Serve, tenant: Tenant, central: Workspace
) -> None:
    tenant.log_to("one", central)
    tenant.calls("one", 1, address=None)
    query = "AzureDiagnostics | project CallerIPAddress"

    assert rows(ask(serve(tenant), tenant.account("one").id, query)) == [[""]]


def test_an_object_is_taken_apart_into_columns_that_others_have_then_too(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central)
    tenant.log_to("one", central)
    query = "AzureDiagnostics | summarize count() by guid = column_ifexists('objectId_g', 'none')"
    before = rows(ask(serve(tenant), bot.id, query))
    tenant.calls("one", 1, by=tenant.function, properties="object")
    after = rows(ask(serve(tenant), bot.id, query))

    assert before == [["none", 10]]
    assert after == [["", 10]]
    found = ask(serve(tenant), tenant.account("one").id, query)
    assert rows(found) == [[tenant.function.object_id, 1]]


def test_a_text_that_was_cut_says_nothing_of_who_called(
    serve: Serve, tenant: Tenant, central: Workspace
) -> None:
    tenant.log_to("one", central)
    tenant.calls("one", 1, properties="cut")
    query = "AzureDiagnostics | project isnull(parse_json(properties_s).objectId)"

    assert rows(ask(serve(tenant), tenant.account("one").id, query)) == [[True]]


def test_keys_that_were_fetched_are_in_the_category_audit(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central, categories=["Audit"])
    tenant.fetch_keys(bot, at=tenant.now() - timedelta(days=1))
    query = "AzureDiagnostics | project OperationName, objectId_g"

    assert rows(ask(serve(tenant), bot.id, query)) == [["ListKey", tenant.team.object_id]]


# Who may read what


def test_a_workspace_that_wants_rights_of_its_own_is_left_out_in_silence(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    closed = tenant.add_workspace("log-security", by_workspace=True)
    reader = tenant.add_principal("reader@contoso.com", kind="User")
    tenant.assign_role(reader, "Reader", bot.id)
    tenant.log_to(bot, closed)
    azure = serve(tenant)
    silent = ask(azure, bot.id, by=reader)
    telling = ask(azure, bot.id, by=reader, headers={"Prefer": "include-permissions=true"})

    assert rows(silent) == [[0]]
    assert "permissions" not in silent.body
    assert telling.body["permissions"]["resources"][0]["dataSources"] == [closed.id]
    assert telling.body["permissions"]["dataSources"] == []
    tenant.assign_role(reader, "Log Analytics Reader", closed.id)
    assert rows(ask(azure, bot.id, by=reader, headers=FRESH)) == [[10]]


def test_reading_takes_a_right_on_the_account(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central)
    nobody = tenant.add_principal("nobody")
    refused = ask(serve(tenant), bot.id, by=nobody)

    assert refused.status == 403
    assert refused.code == "InsufficientAccessError"


def test_a_workspace_is_read_with_rights_on_it(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central)
    reader = tenant.add_principal("reader@contoso.com", kind="User")
    tenant.assign_role(reader, "Reader", bot.id)

    assert ask(serve(tenant), central.id, by=reader).status == 403


def test_an_account_that_logs_nowhere_has_no_rows_or_no_table(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    azure = serve(tenant)

    assert rows(ask(azure, bot.id)) == [[0]]
    azure.settings.unlogged_table_exists = False
    refused = ask(azure, bot.id, headers=FRESH)
    assert refused.status == 400
    assert refused.body["error"]["innererror"]["innererror"]["message"] == (
        "'count' operator: Failed to resolve table or column expression named 'AzureDiagnostics'"
    )


def test_two_hundred_queries_in_thirty_seconds_and_no_more(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    azure = serve(tenant)
    for _ in range(199):
        azure.services.log_queries.take(tenant.team.object_id)
    assert ask(azure, bot.id).status == 200
    refused = ask(azure, bot.id)

    assert refused.status == 429
    assert refused.headers["Retry-After"] == "30"
    azure.clock.advance(30)
    assert ask(azure, bot.id).status == 200


# Diagnostic settings


def test_settings_are_those_in_force(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    now = tenant.now()
    tenant.log_to(bot, central, name="old", until=now - timedelta(days=1))
    tenant.log_to(bot, central, name="new", since=now - timedelta(days=1))
    found = arm(serve(tenant), bot.id + SETTINGS, by=tenant.team).body["value"]

    assert [setting["name"] for setting in found] == ["new"]
    assert found[0]["properties"]["workspaceId"] == central.id


def test_a_category_that_is_not_asked_for_is_listed_all_the_same(
    serve: Serve, tenant: Tenant, bot: Account, central: Workspace
) -> None:
    tenant.log_to(bot, central, categories=["Audit"])
    (setting,) = arm(serve(tenant), bot.id + SETTINGS, by=tenant.team).body["value"]
    enabled = {log["category"]: log["enabled"] for log in setting["properties"]["logs"]}

    assert enabled["Audit"] is True
    assert enabled["RequestResponse"] is False


def test_reading_settings_takes_its_own_right(serve: Serve, tenant: Tenant, bot: Account) -> None:
    narrow = tenant.add_principal("narrow")
    tenant.assign(narrow, bot.id, ["Microsoft.CognitiveServices/accounts/read"])

    assert arm(serve(tenant), bot.id + SETTINGS, by=narrow).status == 403


# Calls that come in, and queries at once


def test_a_call_of_the_data_plane_is_logged_with_how_it_was_made(
    serve: Serve, tenant: Tenant, central: Workspace
) -> None:
    account = tenant.add_account("live", local_auth=True)
    tenant.assign_role(tenant.team, "Cognitive Services OpenAI User", account.id)
    tenant.log_to(account, central)
    azure = serve(tenant)
    url = f"{azure.services.openai_url()}/live/openai/models"
    token = azure.token_for(tenant.team, "https://cognitiveservices.azure.com")
    send(url, headers={"Authorization": f"Bearer {token}"})
    send(url, headers={"api-key": keys_of(account)[0]})
    send(url, headers={"api-key": "bogus"})
    azure.clock.advance(1)
    query = (
        "AzureDiagnostics | project ResultSignature, tostring(parse_json(properties_s).objectId)"
    )

    assert sorted(rows(ask(azure, account.id, query))) == sorted(
        [["200", tenant.team.object_id], ["200", ""], ["401", ""]]
    )


def test_five_queries_run_at_once_and_the_others_wait(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    azure = serve(tenant)
    azure.admission.close(lambda request: request.host == "logs")
    with ThreadPoolExecutor(7) as threads:
        answers = [threads.submit(ask, azure, bot.id) for _ in range(7)]
        while len(azure.admission.held) < 5 or azure.services.log_places.queued < 2:
            Event().wait(0.01)
        held = azure.admission.held
        azure.admission.close(lambda _: False)
        for request in held:
            azure.admission.admit(request)
        statuses = [answer.result().status for answer in answers]

    assert len(held) == 5
    assert statuses == [200] * 7
