"""Azure Monitor's metrics in the local Azure: what is counted, for whom, and what is left out."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from local_azure import Account, LocalAzure, Tenant
from local_azure.state import ids
from local_azure.state.access import Principal
from tests.support.plain_client import Reply, arm, send
from tests.support.serving import Serve


@pytest.fixture
def bot(tenant: Tenant) -> Account:
    """Give an account that was called 40 times with success and 4 times without."""
    account = tenant.add_account("bot")
    tenant.calls(account, 40)
    tenant.calls(account, 4, status=401, deployment="gpt-4o-mini")
    return account


def of_one(
    azure: LocalAzure, account: Account, *, by: Principal | None = None, **query: str
) -> Reply:
    asked = {"metricnames": "AzureOpenAIRequests", "interval": "FULL", "timespan": "P31D", **query}
    text = "&".join(f"{name.replace('_', '$')}={quote(value)}" for name, value in asked.items())
    path = f"{account.id}/providers/Microsoft.Insights/metrics?api-version=2023-10-01&{text}"
    return arm(azure, path, by=by or azure.tenant.team)


def of_many(
    azure: LocalAzure,
    resources: list[str],
    query: Mapping[str, str] | None = None,
    *,
    by: Principal | None = None,
    region: str = "",
    audience: str = "https://metrics.monitor.azure.com",
) -> Reply:
    subscription = next(iter(azure.tenant.subscriptions.values()))
    asked = {
        "metricnamespace": "Microsoft.CognitiveServices/accounts",
        "metricnames": "AzureOpenAIRequests",
        "interval": "FULL",
        "starttime": f"{azure.now() - timedelta(days=31):%Y-%m-%dT%H:%M:%SZ}",
        "endtime": f"{azure.now():%Y-%m-%dT%H:%M:%SZ}",
        **(query or {}),
    }
    text = "&".join(f"{name}={quote(value)}" for name, value in asked.items())
    home = f"{azure.services.metrics_url()}{region}{subscription.scope}"
    return send(
        f"{home}/metrics:getBatch?api-version=2023-10-01&{text}",
        "POST",
        body={"resourceids": resources},
        headers={"Authorization": f"Bearer {azure.token_for(by or azure.tenant.team, audience)}"},
    )


def totals(value: dict[str, Any]) -> dict[tuple[str, ...], int]:
    """Return the sums of a metric's series, by the values of their dimensions."""
    return {
        tuple(part["value"] for part in series["metadatavalues"]): sum(
            point["total"] for point in series["data"]
        )
        for series in value["timeseries"]
    }


def test_all_calls_are_counted_whatever_came_of_them(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    (value,) = of_one(serve(tenant), bot).body["value"]

    assert totals(value) == {(): 44}


def test_a_filter_makes_a_series_of_each_combination(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    wanted = "ModelDeploymentName eq '*' and StatusCode eq '*'"
    (value,) = of_one(serve(tenant), bot, _filter=wanted).body["value"]

    assert totals(value) == {("gpt-4o", "200"): 40, ("gpt-4o-mini", "401"): 4}


def test_a_filter_may_ask_for_one_value(serve: Serve, tenant: Tenant, bot: Account) -> None:
    (value,) = of_one(serve(tenant), bot, _filter="StatusCode eq '401'").body["value"]

    assert totals(value) == {("401",): 4}


def test_days_add_up_to_the_whole(serve: Serve, tenant: Tenant, bot: Account) -> None:
    (value,) = of_one(serve(tenant), bot, interval="P1D").body["value"]

    assert len(value["timeseries"][0]["data"]) == 31
    assert totals(value) == {(): 44}


def test_an_account_without_calls_has_no_series(serve: Serve, tenant: Tenant) -> None:
    (value,) = of_one(serve(tenant), tenant.account("one")).body["value"]

    assert value["timeseries"] == []


def test_other_kinds_have_no_metric_of_azure_openai(serve: Serve, tenant: Tenant) -> None:
    faces = tenant.add_account("faces", kind="Face")
    tenant.calls(faces, 3)
    answer = of_one(serve(tenant), faces, metricnames="AzureOpenAIRequests,TotalCalls")

    assert [totals(value) for value in answer.body["value"]] == [{}, {(): 3}]


def test_a_span_that_is_too_long_is_cut_without_a_word(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    tenant.calls(bot, 7, first=tenant.now() - timedelta(days=80), last=tenant.now())
    answer = of_one(serve(tenant), bot, timespan="P90D")
    begin, end = answer.body["timespan"].split("/")

    assert answer.status == 200
    assert (begin[:10], end[:10]) == ("2026-10-24", "2026-11-24")


def test_one_account_takes_the_right_to_read_metrics_of_it(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    reader = tenant.add_principal("reader@contoso.com", kind="User")
    tenant.assign_role(reader, "Monitoring Reader", bot.id)
    azure = serve(tenant)

    assert of_one(azure, bot, by=reader).status == 200
    refused = of_one(azure, tenant.account("one"), by=reader)
    assert refused.status == 403
    assert "Microsoft.Insights/metrics/read" in refused.body["error"]["message"]


def test_a_batch_has_each_account_in_its_order(serve: Serve, tenant: Tenant, bot: Account) -> None:
    named = [tenant.account("one").id, bot.id]
    values = of_many(serve(tenant), named).body["values"]

    assert [value["resourceid"] for value in values] == named
    assert [totals(value["value"][0]) for value in values] == [{}, {(): 44}]


def test_a_batch_takes_the_right_on_the_subscription(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    reader = tenant.add_principal("reader@contoso.com", kind="User")
    tenant.assign_role(reader, "Monitoring Reader", str(ids.resource_group_of(bot.id)))
    azure = serve(tenant)

    assert of_many(azure, [bot.id], by=reader).status == 401
    tenant.assign_role(reader, "Monitoring Reader", ids.subscription_scope(bot.subscription_id))
    assert of_many(azure, [bot.id], by=reader).status == 200


def test_a_batch_takes_tokens_for_metrics_alone(serve: Serve, tenant: Tenant, bot: Account) -> None:
    azure = serve(tenant)

    assert of_many(azure, [bot.id], audience="https://management.azure.com/").status == 401


def test_a_batch_has_fifty_accounts_at_most(serve: Serve, tenant: Tenant, bot: Account) -> None:
    azure = serve(tenant)

    assert of_many(azure, [bot.id] * 50).status == 200
    assert of_many(azure, [bot.id] * 51).status == 400


def test_a_batch_is_of_one_region(serve: Serve, tenant: Tenant, bot: Account) -> None:
    far = tenant.add_account("far", location="East US")
    azure = serve(tenant)

    assert of_many(azure, [bot.id, far.id]).status == 400
    assert of_many(azure, [far.id], region="/eastus").status == 200
    assert of_many(azure, [far.id], region="/swedencentral").status == 400


def test_a_batch_with_a_filter_drops_all_but_ten_series(
    serve: Serve, tenant: Tenant, bot: Account
) -> None:
    for number in range(12):
        tenant.calls(bot, 1, deployment=f"d{number:02}")
    azure, wanted = serve(tenant), "ModelDeploymentName eq '*'"

    def series(**query: str) -> int:
        (value,) = of_many(azure, [bot.id], {"filter": wanted, **query}).body["values"]
        return len(value["value"][0]["timeseries"])

    assert series() == 10
    assert series(top="100") == 14


@pytest.mark.parametrize(
    "query",
    [
        {"aggregation": "average"},
        {"metricnames": "TokenTransaction"},
        {"rollupby": "StatusCode"},
        {"filter": "StatusCode ne '200'"},
        {"metricnamespace": "Microsoft.Storage/storageAccounts"},
        {"starttime": "2026-11-20T00:00:00Z", "endtime": "2026-11-19T00:00:00Z"},
    ],
)
def test_what_is_not_modelled_says_so(
    serve: Serve, tenant: Tenant, bot: Account, query: dict[str, str]
) -> None:
    assert of_many(serve(tenant), [bot.id], query).status == 501


def test_arms_metadata_names_the_host_with_a_place_for_the_region(serve: Serve) -> None:
    azure = serve()
    found = arm(azure, "/metadata/endpoints?api-version=2022-09-01", by=azure.tenant.team).body

    assert found["metricsEndpoint"].format(region="eastus") == (
        f"{azure.services.metrics_url()}/eastus"
    )
