"""The local Azure's log queries: what they find, when, and what they do not tell."""

from datetime import timedelta
from typing import Any

import pytest

from local_azure import LocalAzure, Tenant
from local_azure.services import Settings
from local_azure.state.access import Principal
from tests.support.plain_client import Reply, send
from tests.support.recorded_exchanges import recorded
from tests.support.serving import Serve

API = "https://api.loganalytics.io"


def event(azure: LocalAzure, name: str, **properties: str) -> None:
    """Let Application Insights have taken an event just now."""
    envelope = {
        "name": "Microsoft.ApplicationInsights.Event",
        "time": azure.now().isoformat().replace("+00:00", "Z"),
        "data": {
            "baseType": "EventData",
            "baseData": {"name": name, "properties": properties, "measurements": {"count": 2.0}},
        },
    }
    azure.telemetry.add([envelope], azure.now())


def ask(
    azure: LocalAzure,
    query: str = "customEvents | project name",
    *,
    resource: str = "",
    audience: str = API,
    sender: Principal | None = None,
    timespan: str | None = None,
    **headers: str,
) -> Reply:
    token = azure.token_for(sender or azure.tenant.team, audience)
    path = f"/v1{resource or azure.services.component_id()}/query"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(
        azure.services.logs_url() + path,
        "POST",
        body={"query": query, "timespan": timespan},
        headers={"Authorization": f"Bearer {token}", **named},
    )


def rows(reply: Reply) -> list[list[Any]]:
    assert reply.status == 200, reply.text
    (table,) = reply.body["tables"]
    return list(table["rows"])


def shape(value: object) -> object:
    """Return the names and the kinds of what is in a body, in their order."""
    if isinstance(value, dict):
        return [(name, shape(inner)) for name, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def test_kql_is_executed_over_what_came(serve: Serve) -> None:
    azure = serve()
    for name in ("One", "Two", "Two"):
        event(azure, name, sweepId="s")
    found = ask(azure, "customEvents | where name == 'Two' | summarize seen = count() by name")
    assert rows(found) == [["Two", 2]]
    assert found.body["tables"][0]["columns"] == [
        {"name": "name", "type": "string"},
        {"name": "seen", "type": "long"},
    ]


def test_a_workspace_has_names_of_its_own(serve: Serve) -> None:
    azure = serve()
    event(azure, "One", sweepId="s")
    workspace = azure.services.workspace_id()
    query = "AppEvents | project Name, tostring(Properties.sweepId), toint(Measurements['count'])"
    assert rows(ask(azure, query, resource=workspace)) == [["One", "s", 2]]
    assert ask(azure, "customEvents", resource=workspace).status == 400
    assert ask(azure, "AppEvents | project Name").status == 400


def test_values_are_written_as_recorded(serve: Serve) -> None:
    azure = serve()
    event(azure, "One", sweepId="s")
    query = (
        "customEvents | project timestamp, customDimensions, nothing = toint(''), cloud_RoleName"
    )
    ((at, dimensions, nothing, role),) = rows(ask(azure, query))
    assert at.endswith("Z")
    assert dimensions == '{"sweepId": "s"}'
    assert nothing is None
    assert role == ""


def test_no_rows_have_all_columns(serve: Serve) -> None:
    found = ask(serve(), "customEvents | project name, itemCount")
    assert rows(found) == []
    assert [column["name"] for column in found.body["tables"][0]["columns"]] == [
        "name",
        "itemCount",
    ]


def test_telemetry_is_found_some_time_after_it_came(serve: Serve) -> None:
    azure = serve(settings=Settings(telemetry_lag=120))
    event(azure, "One")
    azure.clock.advance(119)
    assert rows(ask(azure)) == []
    azure.clock.advance(2)
    assert rows(ask(azure, Cache_Control="no-cache")) == [["One"]]


def test_an_answer_is_kept_for_two_minutes_unless_that_is_declined(serve: Serve) -> None:
    azure = serve()
    assert rows(ask(azure)) == []
    event(azure, "One")
    azure.clock.advance(76)
    kept = ask(azure)
    assert rows(kept) == []
    assert kept.headers["Age"] == "76"
    fresh = ask(azure, Cache_Control="no-cache")
    assert rows(fresh) == [["One"]]
    assert "Age" not in fresh.headers
    event(azure, "Two")
    azure.clock.advance(121)
    assert len(rows(ask(azure))) == 2


@pytest.mark.parametrize("timespan", ["PT3600.0S", "P1D", "{0}/{1}"])
def test_a_time_span_bounds_what_is_found(serve: Serve, timespan: str) -> None:
    azure = serve()
    event(azure, "Old")
    azure.clock.advance(timedelta(days=2))
    event(azure, "New")
    azure.clock.advance(60)
    begin, end = azure.now() - timedelta(hours=1), azure.now()
    assert rows(ask(azure, timespan=timespan.format(begin.isoformat(), end.isoformat()))) == [
        ["New"]
    ]


def test_rows_of_a_workspace_that_nobody_may_read_are_left_out_and_permissions_alone_tell(
    serve: Serve,
) -> None:
    azure = serve()
    azure.settings.in_other_workspace = lambda envelope: (
        envelope["data"]["baseData"]["name"] == "Hidden"
    )
    event(azure, "Hidden")
    event(azure, "One")
    silent, telling = ask(azure), ask(azure, Prefer="include-permissions=true")
    assert rows(silent) == rows(telling) == [["One"]]
    assert "permissions" not in silent.body
    permissions = telling.body["permissions"]
    (resource,), (readable,) = permissions["resources"], permissions["dataSources"]
    assert len(resource["dataSources"]) == 2
    assert readable["resourceId"] == azure.services.workspace_id()
    documented = dict(recorded("log-query-12").body["permissions"])
    assert set(permissions) == set(documented)
    assert set(resource) == set(documented["resources"][0])


def test_a_result_that_is_cut_is_200_with_an_error_like_the_recorded_one(serve: Serve) -> None:
    azure = serve()
    azure.settings.log_rows = 1
    event(azure, "One")
    event(azure, "Two")
    cut = ask(azure)
    assert rows(cut) == [["One"]]
    assert shape(cut.body["error"]) == shape(recorded("log-query-05").body["error"])


@pytest.mark.parametrize(
    ("query", "like"),
    [
        ("resource | summarize count()", "log-query-error-01"),
        ("customEvents | where | ", "log-query-error-03"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_like_the_recorded_one(
    serve: Serve, query: str, like: str
) -> None:
    refused = ask(serve(), query)
    expected = recorded(like)
    assert refused.status == expected.status
    assert shape(refused.body) == shape(expected.body)
    innermost = ("error", "innererror", "innererror", "code")
    ours, theirs = refused.body, expected.body
    for name in innermost:
        ours, theirs = ours[name], theirs[name]
    assert ours == theirs


def test_a_resource_that_is_not_there_is_as_documented(serve: Serve) -> None:
    azure = serve()
    other = azure.services.component_id() + "X"
    refused = ask(azure, resource=other)
    assert refused.status == 404
    assert shape(refused.body) == shape(recorded("log-query-error-09").body)


def test_a_group_or_a_subscription_is_no_resource_here_and_that_is_said(serve: Serve) -> None:
    azure = serve()
    group = azure.services.component_id().partition("/providers/")[0]

    assert ask(azure, resource=group).status == 501
    assert ask(azure, resource=group.partition("/resourceGroups/")[0]).status == 501


def test_no_right_to_read_is_as_documented(serve: Serve) -> None:
    azure = serve()
    refused = ask(azure, sender=azure.tenant.add_principal("nobody"))
    assert refused.status == 403
    assert shape(refused.body) == shape(recorded("log-query-error-08").body)


def test_a_token_for_something_else_is_not_taken(serve: Serve) -> None:
    assert ask(serve(), audience="https://management.azure.com/").status == 401


def test_the_headers_are_those_of_a_recorded_answer(serve: Serve) -> None:
    answer = ask(serve())
    expected = recorded("log-query-01")
    ours = {name.lower(): value for name, value in answer.headers.items()}
    assert set(expected.headers) <= set(ours) | {"content-encoding"}
    assert (
        ours["access-control-expose-headers"] == expected.headers["access-control-expose-headers"]
    )
    assert "x-ms-request-id" not in ours


@pytest.mark.parametrize(
    "query", ["customMetrics | count", "union customEvents, requests", "AppTraces | take 1"]
)
def test_another_table_is_not_modelled_and_says_so(serve: Serve, query: str) -> None:
    assert ask(serve(), query).status == 501


def test_another_wish_is_not_modelled_and_says_so(serve: Serve) -> None:
    assert ask(serve(), Prefer="include-statistics=true").status == 501


# What leads there, and app settings


def arm(azure: LocalAzure, method: str, path: str, sender: Principal | None = None) -> Reply:
    token = azure.token_for(sender or azure.tenant.team)
    return send(
        azure.services.arm_url() + path, method, headers={"Authorization": f"Bearer {token}"}
    )


def test_arm_says_where_logs_are(serve: Serve) -> None:
    azure = serve()
    endpoints = arm(azure, "GET", "/metadata/endpoints?api-version=2022-09-01")
    assert endpoints.body["logAnalyticsResourceId"] == azure.services.logs_url()


def test_app_settings_are_read_by_a_post_and_by_who_may(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    azure = serve(tenant)
    group = f"{tenant.subscription('contoso-prod').scope}/resourceGroups/rg"
    site = f"{group}/providers/Microsoft.Web/sites/func"
    azure.settings.app_settings[site] = {"SWEEP_MODE": "audit"}
    path = f"{site}/config/appsettings/list?api-version=2024-11-01"
    assert arm(azure, "POST", path).body["properties"] == {"SWEEP_MODE": "audit"}
    assert arm(azure, "POST", path, azure.tenant.add_principal("nobody")).status == 403
    assert arm(azure, "POST", path.replace("/func/", "/none/")).status == 404
    assert "Microsoft.Web/sites/config/list/action" in azure.actions(tenant.team)
