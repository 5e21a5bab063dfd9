"""What is read of the use of accounts, against recorded answers: what differs has a reason here.

Most recordings are of other types of resources. What is asked for is then an account's, and the
texts that name the type are translated.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from local_azure import Account
from local_azure.services import Settings
from local_azure.state.measures import METRICS, OTHER_METRICS
from tests.support.recorded_exchanges import recorded
from tests.support.stages import (
    COMMON_REASONS,
    SUBSCRIPTION,
    Reason,
    Stage,
    add_account,
    differences,
    reason_for,
    stage,
)

GROUP = "/resourceGroups/clitest.rg000001/providers"
TYPE = "Microsoft.CognitiveServices/accounts"
METRICS_PATH = "/providers/Microsoft.Insights/metrics"
TITLES = {metric.name: (metric.title, metric.description) for metric in METRICS.values()}


def on_account(
    name: str, start: datetime, kind: str = "OpenAI", **options: Any
) -> tuple[Stage, Account]:
    """Give the recordings' tenant an account, in the region of the recording."""
    on = stage(start=start)
    home = options.pop("subscription_id", SUBSCRIPTION)
    if home != SUBSCRIPTION:
        on.tenant.add_subscription("another", subscription_id=home)
    account = add_account(on, name, kind, subscription=home, **options)
    return on, account


def as_metric(name: str, ours: str) -> dict[str, str]:
    """Translate a recorded metric, the first of its answer, to one of ours."""
    theirs = recorded(name).body["value"][0]
    title, description = TITLES[ours]
    texts = {str(theirs.get("displayDescription")): description}
    if theirs["name"]["localizedValue"] != theirs["name"]["value"]:
        texts[theirs["name"]["localizedValue"]] = title
    return {**texts, theirs["name"]["value"]: ours, theirs["unit"]: "Count"}


def span_of_a_thousand_years() -> Stage:
    on, account = on_account("clitest000002", datetime(2023, 8, 22, 6, 24, 52, tzinfo=UTC),
                             location="westus")  # fmt: skip
    query = recorded("metrics-01").path.partition("?")[2]
    on.path = account.id + METRICS_PATH + "?" + query.replace(
        "Ingress%2CEgress", "TotalCalls%2CModelRequests"
    )  # fmt: skip
    ingress, egress = (
        value["displayDescription"] for value in recorded("metrics-01").body["value"]
    )
    on.translate = {
        ingress: TITLES["TotalCalls"][1],
        egress: TITLES["ModelRequests"][1],
        "Microsoft.Storage/storageAccounts": TYPE,
        "Ingress": "TotalCalls",
        "Egress": "ModelRequests",
        "Bytes": "Count",
    }
    return on


def minute_by_minute() -> Stage:
    start = datetime(2024, 8, 26, 8, 10, 33, tzinfo=UTC)
    on, account = on_account("monitorvm", start, location="eastus")
    on.tenant.calls(account, 2, first=start - timedelta(minutes=50), last=start)
    on.path = f"{account.id}{METRICS_PATH}?interval=PT1M&metricnames=TotalCalls&top=10"
    on.path += "&api-version=2018-01-01"
    theirs = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/cli_test_vm_metric_tail000001"
    on.translate = {
        f"{theirs}/providers/Microsoft.Compute/virtualMachines/monitorvm": account.id,
        "Microsoft.Compute/virtualMachines": TYPE,
        **as_metric("metrics-03", "TotalCalls"),
    }
    return on


def filtered_without_data() -> Stage:
    start = datetime(2022, 11, 9, 21, 24, 3, tzinfo=UTC)
    on, account = on_account("fake", start, location="westus2")
    on.path = f"{account.id}{METRICS_PATH}?timespan=PT86400.0S&interval=PT5M"
    on.path += (
        "&metricnames=AzureOpenAIRequests&aggregation=Total&$filter=StatusCode%20eq%20%27*%27"
    )
    on.path += "&api-version=2018-01-01"
    on.translate = {
        "/subscriptions/fake-subscription/resourceGroups/fake-resource": account.id,
        "Microsoft.OperationalInsights/workspaces": TYPE,
        **as_metric("metrics-04", "AzureOpenAIRequests"),
    }
    return on


def by_deployment(name: str, *, called: bool) -> Stage:
    """Ask for days of 2019, by deployment instead of by database."""
    on, account = on_account(
        "cctestsqlserverj6y6cbbtaphs4",
        datetime(2019, 5, 2, 19, 33, 19, tzinfo=UTC),
        subscription_id=f"{SUBSCRIPTION[:-1]}1",
        group="test_sqlserver",
        location="eastus2",
    )
    for deployment in ("a", "b") if called else ():
        first = datetime(2019, 4, 30, tzinfo=UTC)
        on.tenant.calls(account, 3, first=first, last=first + timedelta(days=1),
                        deployment=deployment)  # fmt: skip
    path = recorded(name).path
    for theirs, ours in {
        "Microsoft.Sql/servers": TYPE,
        "dtu_consumption_percent": "AzureOpenAIRequests",
        "aggregation=average": "aggregation=total",
        "DatabaseResourceId": "ModelDeploymentName",
        "ElasticPoolResourceId": "ModelDeploymentName",
    }.items():
        path = path.replace(theirs, ours)
    on.path = path
    on.translate = {"Microsoft.Sql/servers": TYPE, **as_metric(name, "AzureOpenAIRequests")}
    return on


def tokens_by_deployment() -> Stage:
    on, account = on_account(
        "aoai-example",
        datetime(2024, 10, 31, 12, 9, 0, tzinfo=UTC),
        subscription_id=f"{SUBSCRIPTION[:-1]}1",
        group="rg-example",
        location="eastus",
    )
    first = datetime(2024, 10, 14, 13, 0, tzinfo=UTC)
    on.tenant.calls(account, 78, first=first, last=first, deployment="gpt-4o-example")
    on.path = f"{account.id}{METRICS_PATH}?api-version=2023-10-01&metricnames=AzureOpenAIRequests"
    on.path += "&$filter=ModelDeploymentName%20eq%20'*'&interval=P1D"
    on.path += "&timespan=2024-09-30T12:09:00Z/2024-10-31T12:09:00Z"
    on.translate = as_metric("metrics-10", "AzureOpenAIRequests")
    return on


def unknown_metric() -> Stage:
    on, account = on_account("cctestvm", datetime(2019, 8, 28, 23, 19, 2, tzinfo=UTC))
    on.path = f"{account.id}{METRICS_PATH}?{recorded('metrics-error-01').path.partition('?')[2]}"
    on.path = on.path.replace("aggregation=average", "aggregation=total")
    theirs = recorded("metrics-error-01").body["message"].partition("Valid metrics: ")[2]
    ours = [metric.name for metric in METRICS.values()] + list(OTHER_METRICS)
    on.translate = {
        "provider: Microsoft.Compute, resource Type: virtualMachines": "provider: "
        "Microsoft.CognitiveServices, resource Type: accounts",
        theirs: ",".join(ours),
    }
    return on


def batch(name: str, start: datetime, **parameters: str) -> tuple[Stage, Account]:
    """Ask a regional host for the metrics of one account."""
    on, account = on_account(
        "monitortestps01",
        start,
        subscription_id=f"{SUBSCRIPTION[:-1]}1",
        group="Monitor-Metric",
        location="eastus",
    )
    asked = {"metricnamespace": TYPE, "metricnames": "totalcalls,modelrequests", **parameters}
    query = "&".join(f"{key}={value}" for key, value in asked.items())
    on.path = f"/subscriptions/{account.subscription_id}/metrics:getBatch?api-version=2024-02-01"
    on.path += f"&{query}"
    on.audience = "https://metrics.monitor.azure.com"
    on.body = {"resourceids": [account.id]}
    assert recorded(name).method == "POST"
    return on, account


def batch_of_one() -> Stage:
    start = datetime(2024, 4, 9, 2, 58, 40, tzinfo=UTC)
    on, account = batch(
        "metrics-batch-01",
        start,
        starttime="2024-04-09T01%3A50%3A30.9172323Z",
        endtime="2024-04-09T02%3A50%3A30.9172323Z",
    )
    on.tenant.calls(account, 8151, first=start - timedelta(minutes=47), last=start)
    ingress, egress = (
        value["displayDescription"]
        for value in recorded("metrics-batch-01").body["values"][0]["value"]
    )
    on.translate = {
        ingress: TITLES["TotalCalls"][1],
        egress: TITLES["ModelRequests"][1],
        "Microsoft.Storage/storageAccounts": TYPE,
        "Ingress": "TotalCalls",
        "Egress": "ModelRequests",
        "Bytes": "Count",
    }
    return on


def batch_by_unknown_dimension() -> Stage:
    on, _ = batch(
        "metrics-batch-03",
        datetime(2025, 1, 23, tzinfo=UTC),
        metricnames="TotalCalls",
        filter="apiname2%20eq%20'*'",
    )
    on.translate = {
        "Metric: Egress": "Metric: TotalCalls",
        "GeoType,ApiName,Authentication": "ApiName,OperationName,Region,RatelimitKey",
    }
    return on


def batch_of_long_ago() -> Stage:
    on, _ = batch(
        "metrics-batch-05",
        datetime(2023, 3, 1, tzinfo=UTC),
        starttime="2021-06-05T00:00:00Z",
        endtime="2021-06-06T00:00:00Z",
    )
    return on


def batch_without_the_role() -> Stage:
    on, account = batch("metrics-batch-06", datetime(2025, 1, 23, tzinfo=UTC))
    on.sender = "reader@example.com"
    reader = on.tenant.add_principal(on.sender, kind="User")
    on.tenant.assign_role(reader, "Monitoring Reader", account.id)
    return on


def activity(start: datetime, **options: Any) -> tuple[Stage, Account]:
    """Let there be an account whose tags were written, five minutes before."""
    on, account = on_account("bot", start, kind="OpenAI", **options)
    on.tenant.clock = None
    user = next(p for p in on.tenant.principals.values() if p.name == on.sender)
    on.tenant.tag(account, {"a": "b"}, by=user, at=start - timedelta(minutes=5))
    return on, account


def ninety_days() -> Stage:
    return activity(datetime(2023, 9, 24, 11, 15, 50, tzinfo=UTC))[0]


def one_write() -> Stage:
    start = datetime(2023, 8, 23, 13, 4, 26, tzinfo=UTC)
    on, account = activity(start)
    on.path = recorded("activity-log-03").path.replace(
        "Microsoft.Authorization", "Microsoft.CognitiveServices"
    ).replace("12%3A59%3A20Z", "12%3A50%3A00Z")  # fmt: skip
    write = recorded("activity-log-03").body["value"][0]
    on.translate = {
        write["resourceId"]: account.id,
        write["resourceGroupName"]: account.group,
        "Microsoft.Authorization/roleAssignments": TYPE,
        "Microsoft.Authorization": "Microsoft.CognitiveServices",
        "CliMgmtGroup/": "",
        "Created (HTTP Status Code: 201)": "OK (HTTP Status Code: 200)",
        "Created": "OK",
        "PUT": "PATCH",
        "11111111-1111-1111-1111-111111111101": on.tenant.id,
    }
    return on


def first_page() -> Stage:
    start = datetime(2020, 6, 10, tzinfo=UTC)
    on, account = activity(start)
    for minutes in (10, 20, 30):
        on.tenant.fetch_keys(account, at=start - timedelta(minutes=minutes))
    on.settings = Settings(activity_page=5)
    return on


def none_of_that_resource() -> Stage:
    return activity(datetime(2022, 6, 14, 6, 52, 29, tzinfo=UTC) + timedelta(days=30))[0]


def newest_headers() -> Stage:
    start = datetime(2025, 5, 19, 3, 50, 4, tzinfo=UTC)
    on, account = activity(start, subscription_id=f"{SUBSCRIPTION[:-1]}1", group="TEST_VM")
    events = recorded("activity-log-08")
    on.path = events.path.replace("Microsoft.Compute%2FvirtualMachines%2Fcctestvm", f"{TYPE}/bot")
    on.path = on.path.replace("Microsoft.Compute%2FvirtualMachines", TYPE)
    on.settings = Settings(region="EASTUS")
    on.translate = {
        "resourcegroups/TEST_VM/providers/Microsoft.Compute/virtualMachines/cctestvm": "resource"
        f"Groups/TEST_VM/providers/{TYPE}/bot",
        "Microsoft.Compute/virtualMachines": TYPE,
    }
    assert account.group == "TEST_VM"
    return on


def keys_were_listed() -> Stage:
    start = datetime(2025, 5, 19, tzinfo=UTC)
    on, account = on_account("bot", start, subscription_id=f"{SUBSCRIPTION[:-1]}1")
    on.tenant.fetch_keys(account, at=start - timedelta(hours=1))
    theirs = recorded("activity-log-10").body["value"][0]["properties"]["entity"]
    on.path = recorded("activity-log-10").path + "&$filter=eventTimestamp%20ge%20'2025-05-01'"
    on.translate = {theirs: account.id, "Microsoft.Storage/storageAccounts": TYPE}
    return on


def no_filter() -> Stage:
    on, _ = activity(datetime(2018, 4, 2, tzinfo=UTC), subscription_id=f"{SUBSCRIPTION[:-1]}1")
    return on


def connected(recording: str, project: str | None, **options: Any) -> Stage:
    """Let the connection of a recording be there."""
    exchange = recorded(recording)
    parts = exchange.path.split("/")
    on, account = on_account(
        parts[8].partition("?")[0],
        parsedate_to_datetime(exchange.headers["date"]),
        kind="AIServices",
        group=parts[4],
        location="eastus",
        subscription_id=parts[2],
    )
    region = exchange.headers.get("x-ms-operation-identifier", "//").split("/")[1]
    on.settings = Settings(region=region.upper())
    on.tenant.team = next(p for p in on.tenant.principals.values() if p.name == on.sender)
    if project is not None:
        on.tenant.add_project(account, project)
    if options:
        on.tenant.connect(account, project=project, **options)
    return on


REGISTRY = {
    "to": "https://test-feed.com",
    "auth_type": "ManagedIdentity",
    "category": "ContainerRegistry",
    "metadata": {},
}


def without_keys() -> Stage:
    theirs = recorded("connections-09").body["value"][0]
    return connected(
        "connections-09",
        "cctest-aifoundry-project",
        to=theirs["properties"]["target"],
        auth_type="AAD",
        name=theirs["name"],
        metadata=theirs["properties"]["metadata"],
    )


def missing_project() -> Stage:
    on, _ = on_account("account1", datetime(2026, 3, 2, tzinfo=UTC), kind="AIServices",
                       group="rg1", subscription_id=f"{SUBSCRIPTION[:-1]}1")  # fmt: skip
    on.path = recorded("connections-15").path + "?api-version=2025-09-01"
    return on


def one_project() -> Stage:
    on = connected("projects-02", None)
    account = on.tenant.account("cog000002")
    account.subdomain = "csclitest000005"
    on.tenant.add_project(account, "prj000003", display_name="CLI Test Project")
    on.translate = {"11111111-1111-1111-1111-111111111101": on.tenant.id}
    return on


def project_without_a_display_name() -> Stage:
    on, account = on_account(
        "test-ai-account-000",
        datetime(2026, 6, 22, 7, 54, 59, tzinfo=UTC),
        kind="AIServices",
        group="rg-test-agents-recording-0000000000000000000",
        location="canadacentral",
        subdomain="test-ai-account-000",
    )
    on.tenant.team = next(p for p in on.tenant.principals.values() if p.name == on.sender)
    on.tenant.add_project(account, "test-proj0")
    on.translate = {"11111111-1111-1111-1111-111111111111": on.tenant.id}
    return on


def settings(name: str, count: int) -> Stage:
    """Let an account, instead of a security group or a vault, have diagnostic settings."""
    parts = recorded(name).path.lstrip("/").split("/")
    on, account = on_account("nsg000003", datetime(2024, 2, 21, 5, 4, 42, tzinfo=UTC))
    if count:
        on.tenant.log_to(account, None, categories=["Audit", "RequestResponse"], name="test01")
    on.path = f"{account.id}/{'/'.join(parts[8:])}"
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/clitest.rg000001/providers"
    on.translate = {
        "microsoft.network/networksecuritygroups": TYPE.lower(),
        "NetworkSecurityGroupEvent": "Audit",
        "NetworkSecurityGroupRuleCounter": "RequestResponse",
        f"{group}/microsoft.Storage/storageAccounts/clitest000002": f"{group}/Microsoft.Storage"
        "/storageAccounts/stlogs",
    }
    return on


CASES: dict[str, Callable[[], Stage]] = {
    "metrics-01": span_of_a_thousand_years,
    "metrics-03": minute_by_minute,
    "metrics-04": filtered_without_data,
    "metrics-06": lambda: by_deployment("metrics-06", called=True),
    "metrics-07": lambda: by_deployment("metrics-07", called=False),
    "metrics-10": tokens_by_deployment,
    "metrics-error-01": unknown_metric,
    "metrics-batch-01": batch_of_one,
    "metrics-batch-03": batch_by_unknown_dimension,
    "metrics-batch-05": batch_of_long_ago,
    "metrics-batch-06": batch_without_the_role,
    "activity-log-01": ninety_days,
    "activity-log-03": one_write,
    "activity-log-05": first_page,
    "activity-log-07": none_of_that_resource,
    "activity-log-08": newest_headers,
    "activity-log-10": keys_were_listed,
    "activity-log-11": no_filter,
    "connections-02": lambda: connected("connections-02", None, name="conn000003", **REGISTRY),
    "connections-06": lambda: connected(
        "connections-06", "prj000003", name="conn000004", **REGISTRY
    ),
    "connections-07": lambda: connected(
        "connections-07", "prj000003", name="conn000004", **REGISTRY
    ),
    "connections-09": without_keys,
    "connections-10": lambda: connected("connections-10", "cctest-ai-foundry-application-project"),
    "connections-15": missing_project,
    "projects-02": one_project,
    "account-get-07": project_without_a_display_name,
    "diagnostic-settings-01": lambda: settings("diagnostic-settings-01", 1),
    "diagnostic-settings-03": lambda: settings("diagnostic-settings-03", 1),
    "diagnostic-settings-11": lambda: settings("diagnostic-settings-11", 0),
    "diagnostic-settings-13": lambda: settings("diagnostic-settings-13", 0),
}

# Recording (pattern), difference (pattern), reason. One that explains nothing any more fails.
ON_PURPOSE: tuple[Reason, ...] = (
    *COMMON_REASONS,
    (
        ".*",
        "header x-ms-operation-identifier is too much",
        "reads have it too since 2025 (fact 76); the recording is older or had it removed",
    ),
    (
        "metrics-.*",
        "header (content-.*|access-.*|x-(aspnet|powered)-.*|pragma|expires|.*-context|x-ms-r.*) .*",
        "headers of 2024 (metrics-03); the recording is older, or answers are not compressed here",
    ),
    (
        "metrics-.*",
        r"body(\.values\[0\])?\.value\[\d\]\.name\.localizedValue is .*",
        "a metric whose title is its name there, and has blanks here",
    ),
    (
        "metrics-(03|10|batch-01)",
        r"body.*\.timeseries\[0\]\.data has (60|31) items, recorded \d+",
        "the list of points was cut",
    ),
    (
        "metrics-(10|batch-01)",
        r"body.*\.data\[\d\]\.total is 0, recorded \d+",
        "the list of points was cut: these are other days and minutes",
    ),
    (
        "metrics-03",
        r"body.*\.data\[\d\]\.total is too much",
        "there a metric that has no value without data, here one that has zeros (metrics-10)",
    ),
    (
        "metrics-0[67]",
        r"body\.(cost|value\[0\]\.(displayDescription|errorCode)) is .*",
        "the recording is of 2019, when answers had less (fact 64)",
    ),
    (
        "metrics-06",
        r"body.*\.metadatavalues\[0\]\..*",
        "names of dimensions were as asked for in 2019 (fact 63), and the dimension is another",
    ),
    (
        "metrics-06",
        r"body.*\.data\[\d\]\.(average is missing|total is too much)",
        "an average there, a total here",
    ),
    ("metrics-batch-03", "body.error.additionalInfo is too much", "the sample leaves it out"),
    (
        "activity-log-0[137]",
        "header (access-control-.*|api-supported-.*|mise-.*|request-context) is too much",
        "headers of 2025 (activity-log-08); the recording is older",
    ),
    (
        "activity-log-07",
        "header x-ms-request-id is .*",
        "the name of another region",
    ),
    (
        "activity-log-03",
        r"body\.value\[\d\]\.claims\..* is (missing|.*, recorded .*)",
        "claims of a token: those that say who and with which client are here",
    ),
    (
        "activity-log-03",
        r"body\.value\[\d\]\.httpRequest\.(uri is missing|clientIpAddress is .*)",
        "uri is there at times (fact 71); another address",
    ),
    (
        "activity-log-0[358]|activity-log-10",
        r"body\.value\[\d\]\.operationName\.localizedValue is .*",
        "some pages have words, others repeat the value (fact 72)",
    ),
    (
        "activity-log-0[38]",
        r"body\.value\[\d\]\.id is .*/events/.*",
        "the time of another event",
    ),
    (
        "activity-log-03",
        r"body\.value\[1\]\.properties\.requestbody is .*",
        "tags are sent here, a role assignment there",
    ),
    (
        "activity-log-05",
        r"body\.(nextLink is .*|value\[\d\]\.(id|operationName\.value|eventName\..*) is .*)",
        "other events; their paging is tested on its own below",
    ),
    (
        "activity-log-08",
        r"body\.value(\[0\]\.claims is too much| has 2 items, recorded 1)",
        "the body was put there by hand, and is shortened",
    ),
    (
        "activity-log-10",
        r"body\.value(\[0\]\..* is too much| has 2 items, recorded 1|.*hierarchy is .*)",
        "the source shows two parts of one event",
    ),
    (
        "connections-0[26]",
        "header cache-control is 'max-age=120', recorded 'no-cache'",
        "lists may be cached since 2026 (connections-09, -10; fact 79)",
    ),
    ("connections-15", "body.error.code is too much", "the source shows the message only"),
    (
        "diagnostic-settings-0[13]",
        r"body(\.value\[0\])?\.properties\.(metrics|logs) has \d items, recorded \d",
        "an account has more categories than a security group, and a category of metrics",
    ),
    (
        "activity-log-11",
        r"body\.(Code|Message|code|message) is .*",
        "capitals in 2018; code and message since 2023 (activity-log-01)",
    ),
)


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """Keep the differences of every case."""
    return {}


@pytest.mark.parametrize("name", CASES)
def test_an_answer_is_like_the_recorded_one_but_for_what_is_on_purpose(
    name: str, found: dict[str, list[str]]
) -> None:
    found[name] = differences(name, CASES[name]())

    assert [d for d in found[name] if reason_for(ON_PURPOSE, name, d) is None] == []


def test_every_reason_still_explains_a_difference(found: dict[str, list[str]]) -> None:
    for name, prepare in CASES.items():
        if name not in found:
            found[name] = differences(name, prepare())
    used = {reason_for(ON_PURPOSE, name, d) for name, ds in found.items() for d in ds}

    assert [line for line in ON_PURPOSE if line not in used] == []
