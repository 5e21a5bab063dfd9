"""What answers mean: of metrics, the request log, settings, events, connections and roles.

Recorded bodies where there are any; the traps in them are real.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keysweep.impact import activity, diagnostics, metrics, request_log
from keysweep.impact.accounts import Shown, host_of, read_account
from keysweep.impact.connections import Directory, connection_problem, holds, project_name
from keysweep.impact.data_roles import Roles, data_roles
from keysweep.impact.evidence import (
    Asked,
    CallCount,
    CallCounts,
    Caller,
    Connections,
    Holds,
    Logged,
    NotLogged,
    RequestLog,
    Unread,
)
from keysweep.impact.metrics import Measured, MetricsQuery
from keysweep.impact.verdict import Impact, judge
from keysweep.taken import LogAnswer
from shared.core.model import AccountId
from tests.support.evidence import ASKED, DAYS, evidence, span_of
from tests.support.recorded_exchanges import recorded

BOT = AccountId("00000000-0000-0000-0000-000000000001", "rg-chat", "bot")


def body(prefix: str) -> Any:
    return recorded(prefix).body


# Metrics


def measured(value: Any, query: MetricsQuery | None = None) -> Measured:
    asked = query or metrics.queries("OpenAI", ASKED.begin, ASKED.end)[0]
    return Measured(asked, value, metrics.series_in([value]))


def a_metric(name: str = "AzureOpenAIRequests", *points: tuple[int, object], **of: str) -> Any:
    data = [
        {"timeStamp": f"{ASKED.begin_of(day):%Y-%m-%dT%H:%M:%SZ}", "total": total}
        for day, total in points
    ]
    dimensions = [{"name": {"value": key}, "value": value} for key, value in of.items()]
    series = [{"metadatavalues": dimensions, "data": data}] if points else []
    return {"name": {"value": name}, "timeseries": series, "errorCode": "Success"}


def counted(*values: Any, kind: str = "OpenAI") -> CallCounts:
    queries = metrics.queries(kind, ASKED.begin, ASKED.end)
    answers = [
        measured({**span_of(query), "value": value}, query)
        for value, query in zip(values, queries, strict=True)
    ]
    found = metrics.counted_calls(ASKED, answers)
    assert isinstance(found, CallCounts)
    return found


def test_a_recorded_answer_of_an_account_is_read_by_deployment_and_day() -> None:
    answer = body("metrics-10")
    assert metrics.metrics_problem(answer) == ""
    begin = datetime(2024, 9, 30, 12, 9, tzinfo=UTC)
    asked = Asked(begin + timedelta(days=31), 31)
    query = MetricsQuery(("TokenTransaction",), "x", begin, asked.end)
    found = metrics.counted_calls(asked, [measured(answer, query)])
    assert found == CallCounts(
        (CallCount(14, "gpt-4o-example", "", 78), CallCount(16, "gpt-4o-example", "", 1183))
    )


def test_a_recorded_batch_says_of_which_account_it_is() -> None:
    answer = body("metrics-batch-01")
    assert metrics.batch_problem(answer) == ""
    (value,) = answer["values"]
    begin = datetime(2024, 4, 9, 1, 50, 30, tzinfo=UTC)
    asked = Asked(begin + timedelta(days=1), 1)
    query = MetricsQuery(("Ingress", "Egress"), "x", begin, begin + timedelta(hours=1), "PT1M")
    found = metrics.counted_calls(asked, [measured(value, query)])
    assert found == CallCounts((CallCount(0, "", "", 8151),))


def test_a_span_that_was_cut_in_silence_is_a_doubt() -> None:
    begin = datetime(2018, 1, 1, tzinfo=UTC)
    query = MetricsQuery(("x",), "", begin, begin + timedelta(days=1))
    found = metrics.counted_calls(ASKED, [measured(body("metrics-01"), query)])
    assert isinstance(found, CallCounts)
    assert "counted the calls only from 2998-12-01 00:00 UTC on." in " ".join(found.doubts)


@pytest.mark.parametrize(
    ("said", "doubt"),
    [
        ({"starttime": None}, "does not say of which time its counts are"),
        ({"endtime": None}, "does not say of which time its counts are"),
        ({"interval": None}, "does not say of which time its counts are"),
        ({"starttime": "soon"}, "does not say of which time its counts are"),
        ({"starttime": "2026-11-21T07:02:00Z"}, "only from 2026-11-21 07:02 UTC on."),
        ({"endtime": "2026-11-24T06:58:00Z"}, "only up to 2026-11-24 06:58 UTC."),
        ({"interval": "PT1H"}, "counted the calls by PT1H, and not by P1D."),
    ],
)
def test_counts_of_another_time_than_was_asked_for_or_of_nobody_knows_which_are_a_doubt(
    said: dict[str, Any], doubt: str
) -> None:
    query = metrics.queries("OpenAI", ASKED.begin, ASKED.end)[0]
    value = {**span_of(query), **said, "value": [a_metric(), a_metric("ModelRequests")]}
    found = metrics.counted_calls(ASKED, [measured(value, query)])
    assert isinstance(found, CallCounts)
    assert doubt in " ".join(found.doubts)
    assert judge(evidence(calls=found, log=RequestLog())).verdict is Impact.CANT_TELL


def test_counts_of_the_time_that_was_asked_for_are_whole_however_it_is_said() -> None:
    query = metrics.queries("OpenAI", ASKED.begin, ASKED.end)[0]
    value = [a_metric(), a_metric("ModelRequests")]
    span = span_of(query)
    at_arm = {"timespan": f"{span['starttime']}/{span['endtime']}", "interval": "P1D"}
    for said in (span, at_arm):
        found = metrics.counted_calls(ASKED, [measured({**said, "value": value}, query)])
        assert found == CallCounts()


def test_no_series_are_no_calls() -> None:
    assert metrics.metrics_problem(body("metrics-07")) == ""
    assert counted([a_metric(), a_metric("ModelRequests")]) == CallCounts()


def test_a_metric_that_is_missing_or_failed_is_a_doubt() -> None:
    failed = {**a_metric("ModelRequests"), "errorCode": "InternalError"}
    assert counted([a_metric()]).doubts == ("Azure Monitor gave no ModelRequests.",)
    assert counted([a_metric(), failed]).doubts == (
        "Azure Monitor could not read ModelRequests: InternalError.",
    )


def test_series_that_may_have_been_dropped_are_a_doubt() -> None:
    query = metrics.queries("OpenAI", ASKED.begin, ASKED.end)[0]
    value = {**span_of(query), "value": [a_metric(), a_metric("ModelRequests")]}
    found = metrics.counted_calls(ASKED, [Measured(query, value, 10_000)])
    assert isinstance(found, CallCounts)
    assert "may have dropped others" in found.doubts[0]


def test_a_call_that_two_metrics_count_is_one() -> None:
    of = {"modeldeploymentname": "gpt-4o", "statuscode": "200"}
    found = counted(
        [
            a_metric("AzureOpenAIRequests", (0, 5), (1, 2), **of),
            a_metric("ModelRequests", (0, 3), (1, 4), **of),
        ]
    )
    assert [found.used(day) for day in range(DAYS)] == [5, 4, 0]


def test_a_metric_that_stands_there_twice_counts_with_both_parts() -> None:
    found = counted(
        [
            a_metric("AzureOpenAIRequests", (0, 5)),
            a_metric("AzureOpenAIRequests"),
            a_metric("ModelRequests"),
        ]
    )
    assert found.used(0) == 5


def test_a_call_that_was_refused_is_nobodys() -> None:
    found = counted(
        [a_metric("AzureOpenAIRequests", (0, 5), statuscode="401"), a_metric("ModelRequests")]
    )
    assert found.calls == 0
    assert found.refused == 5


def test_calls_of_other_services_of_a_foundry_account_count_beside_those_of_models() -> None:
    of_models = [a_metric("AzureOpenAIRequests", (0, 5)), a_metric("ModelRequests")]
    found = counted(of_models, [a_metric("TotalCalls", (0, 7), (1, 1))], kind="AIServices")
    assert [found.used(day) for day in range(DAYS)] == [7, 1, 0]


def test_a_total_that_is_less_than_the_calls_of_models_counts_others() -> None:
    of = {"modeldeploymentname": "gpt-4o", "statuscode": "401"}
    of_models = [a_metric("AzureOpenAIRequests", (0, 9), **of), a_metric("ModelRequests")]
    found = counted(of_models, [a_metric("TotalCalls", (0, 5))], kind="AIServices")
    assert found.calls == 5


def test_refused_calls_are_no_use_where_the_total_counts_them_as_well() -> None:
    of_models = [
        a_metric("AzureOpenAIRequests", (0, 5), statuscode="401"),
        a_metric("ModelRequests"),
    ]
    found = counted(of_models, [a_metric("TotalCalls", (0, 5))], kind="AIServices")
    assert found.calls == 0


def test_calls_since_the_log_may_be_late_are_of_the_day_after() -> None:
    late = f"{ASKED.end + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    series = {"metadatavalues": [], "data": [{"timeStamp": late, "total": 2}]}
    metric = {"name": {"value": "AzureOpenAIRequests"}, "timeseries": [series]}
    assert counted([metric, a_metric("ModelRequests")]).used(DAYS) == 2


def test_what_could_not_be_read_is_no_zero() -> None:
    refused = Unread("Its calls", "403")
    good = measured({"value": [a_metric(), a_metric("ModelRequests")]})
    assert metrics.counted_calls(ASKED, [good, refused]) == refused


AN_AVERAGE = {"timeStamp": "2026-11-21T07:00:00Z", "average": 9.0}


@pytest.mark.parametrize(
    "odd",
    [
        {}, [], {"value": 7}, {"value": [7]}, {"value": [{"name": {"value": "x"}}]},
        {"value": [{"name": 7, "timeseries": []}]},
        {"value": [{"name": {"value": "x"}, "timeseries": [{"data": [{"timeStamp": "soon"}]}]}]},
        {"value": [a_metric("x", (0, "9"))]},
        {"value": [{"name": {"value": "x"}, "timeseries": [{"data": [AN_AVERAGE]}]}]},
    ],
)  # fmt: skip
def test_an_odd_answer_of_metrics_is_none(odd: Any) -> None:
    assert metrics.metrics_problem(odd)
    assert metrics.batch_problem({"values": [odd]})


# The request log


def a_row(**more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "day": 0,
        "caller": "key",
        "operation": "ChatCompletions_Create",
        "deployment": "gpt-4o",
        "status": "200",
        "calls": 3,
        "oldest": "2026-11-22T09:00:00Z",
        "newest": datetime(2026, 11, 22, 10, tzinfo=UTC),
        "addresses": '["81.2.69.***", ""]',
    }
    return {**fields, **more}


def test_a_row_of_the_log_is_read_whether_a_set_is_a_text_or_not() -> None:
    rows = (a_row(), a_row(addresses=["81.2.69.***"]), a_row(addresses=None))
    log = request_log.read_log(LogAnswer(rows))
    assert [row.addresses for row in log.rows] == [("81.2.69.***",), ("81.2.69.***",), ()]
    assert log.last_keyed == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert log.by(Caller.KEY) == 9
    assert log.doubts == ()


@pytest.mark.parametrize("odd", [{"calls": None}, {"caller": "x"}, {"newest": "soon"}, {"day": ""}])
def test_a_row_that_can_not_be_read_is_a_doubt(odd: dict[str, Any]) -> None:
    log = request_log.read_log(LogAnswer((a_row(**odd),), ("The result was cut: x",)))
    assert log.rows == ()
    assert log.doubts == ("The result was cut: x", "A row of the request log could not be read.")


def test_the_query_asks_for_the_days_of_the_time_that_is_asked_about() -> None:
    kql = request_log.query(ASKED)
    assert "toint((TimeGenerated - datetime(2026-11-21T07:00:00Z)) / 1d)" in kql


# Diagnostic settings


def a_setting(**more: Any) -> Any:
    (row,) = body("diagnostic-settings-01")["value"]
    return {**row, "properties": {**row["properties"], **more}}


def to_workspace(category: str = "RequestResponse", *, enabled: bool = True, **more: Any) -> Any:
    log = {"category": category, "categoryGroup": None, "enabled": enabled, **more}
    return a_setting(workspaceId="/workspaces/w", storageAccountId=None, logs=[log])


def test_a_recorded_setting_of_another_category_logs_no_requests() -> None:
    assert diagnostics.setting_problem(a_setting()) == ""
    assert diagnostics.read_settings([a_setting()]) == NotLogged()
    assert diagnostics.read_settings(body("diagnostic-settings-11")["value"]) == NotLogged()


def test_a_category_that_is_there_and_not_switched_on_proves_nothing() -> None:
    assert diagnostics.read_settings([to_workspace(enabled=False)]) == NotLogged()
    assert diagnostics.read_settings([to_workspace("Audit")]) == NotLogged()


def test_a_workspace_gets_it_by_the_category_or_by_all_logs() -> None:
    by_group = to_workspace("", categoryGroup="allLogs")
    assert diagnostics.read_settings([to_workspace(), by_group]) == Logged(("/workspaces/w",))


def test_storage_alone_is_no_log_that_can_be_asked() -> None:
    logs = [{"category": "RequestResponse", "enabled": True}]
    assert diagnostics.read_settings([a_setting(logs=logs)]) == NotLogged(("a storage account",))


def test_the_command_names_the_account_and_the_category() -> None:
    command = diagnostics.command(BOT)
    assert f"--resource {BOT}" in command
    assert '"category":"RequestResponse"' in command


@pytest.mark.parametrize(
    ("calls", "says"), [(0, "charged by volume."), (30_000, "60 MB"), (3_000_000, "6 GB")]
)
def test_the_cost_is_said_in_volume(calls: int, says: str) -> None:
    assert says in diagnostics.cost(calls, 30)


# The activity log


def an_event(**more: Any) -> Any:
    (event,) = body("activity-log-10")["value"]
    operation = {"value": "Microsoft.CognitiveServices/accounts/listKeys/action"}
    fields = {
        "operationName": operation,
        "resourceId": str(BOT).replace("resourceGroups", "resourcegroups"),
        "eventTimestamp": "2026-11-20T10:00:00.1234567Z",
        "caller": "ann@contoso.com",
        "claims": {"appid": "04b07795-8ddb-461a-bbee-02f9e1bf7b46"},
        "operationId": "1",
        "status": {"value": "Succeeded"},
    }
    return {**event, **fields, **more}


def test_recorded_events_of_others_are_no_fetches() -> None:
    for prefix in ("activity-log-03", "activity-log-05"):
        rows = body(prefix)["value"]
        assert [activity.event_problem(row) for row in rows] == [""] * len(rows)
        assert activity.fetches(rows) == {}


def test_the_two_events_of_one_call_are_one_fetch() -> None:
    begun = an_event(status={"value": "Started"}, eventTimestamp="2026-11-20T09:59:59Z")
    (fetch,) = activity.fetches([an_event(), begun])[BOT.key]
    assert fetch.by == "ann@contoso.com"
    assert fetch.client == "Azure CLI"


def test_a_fetch_that_azure_refused_is_none() -> None:
    rows = [an_event(status={"value": "Failed"}), an_event(status={"value": "Started"})]
    assert activity.fetches(rows) == {}


def test_the_last_fetch_comes_first() -> None:
    earlier = an_event(operationId="2", eventTimestamp="2026-10-01T10:00:00Z", caller="bob")
    assert [fetch.by for fetch in activity.fetches([earlier, an_event()])[BOT.key]] == [
        "ann@contoso.com",
        "bob",
    ]


def test_an_odd_event_is_none() -> None:
    assert activity.event_problem(7)
    assert activity.event_problem({})
    assert activity.event_problem(an_event(eventTimestamp="soon"))


def test_the_filter_is_one_of_the_documented_patterns() -> None:
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    assert activity.filter_of(begin, begin + timedelta(days=1)) == (
        "eventTimestamp ge '2026-11-01T00:00:00Z' and eventTimestamp le '2026-11-02T00:00:00Z' "
        "and resourceProvider eq 'Microsoft.CognitiveServices'"
    )


# Connections

HUB = AccountId(BOT.subscription_id, "rg-foundry", "hub")


def reached(subdomain: str = "bot", location: str = "swedencentral") -> Shown:
    return read_account(
        {"id": str(BOT), "kind": "OpenAI", "location": location, "subdomain": subdomain}
    )


def a_connection(**more: Any) -> Any:
    (row,) = body("connections-09")["value"]
    fields = {"target": "https://bot.openai.azure.com/", "authType": "ApiKey", "metadata": {}}
    return {**row, "properties": {**row["properties"], **fields, **more}}


def directory(*rows: Any, project: str = "") -> Directory:
    found = Directory()
    found.add(HUB, project, rows)
    return found


def test_recorded_connections_are_read_and_lead_elsewhere() -> None:
    for prefix in ("connections-02", "connections-06", "connections-09", "connections-10"):
        rows = body(prefix)["value"]
        assert [connection_problem(row) for row in rows] == [""] * len(rows)
        assert directory(*rows).to(reached()).found == ()


@pytest.mark.parametrize(
    "target",
    [
        "https://bot.openai.azure.com/",
        "https://BOT.cognitiveservices.azure.com",
        "bot.services.ai.azure.com/api/projects/p",
        "https://bot.privatelink.openai.azure.com/",
    ],
)
def test_a_connection_leads_to_an_account_by_its_address(target: str) -> None:
    (found,) = directory(a_connection(target=target)).to(reached()).found
    assert found.holds is Holds.KEY
    assert found.place == "hub"


@pytest.mark.parametrize(
    "target", ["https://bot.search.windows.net/", "https://robot.openai.azure.com/"]
)
def test_another_address_leads_elsewhere(target: str) -> None:
    assert directory(a_connection(target=target)).to(reached()) == Connections()


def test_a_connection_leads_to_an_account_by_its_id_in_any_case() -> None:
    row = a_connection(target="https://x", metadata={"ResourceId": str(BOT).upper()})
    (found,) = directory(row, project="p").to(reached()).found
    assert found.place == "hub, project p"


REGIONAL = "https://swedencentral.api.cognitive.microsoft.com/"


@pytest.mark.parametrize("subdomain", ["", "bot"])
@pytest.mark.parametrize(
    "target",
    [
        REGIONAL,
        "swedencentral.api.cognitive.microsoft.com./openai",
        "https://swedencentral.stt.speech.microsoft.com",
        "https://api.cognitive.microsofttranslator.com/",
        "https://api.cognitive.microsoft.com/",
    ],
)
def test_an_address_that_many_accounts_share_may_be_of_each_of_its_region(
    subdomain: str, target: str
) -> None:
    found = directory(a_connection(target=target)).to(reached(subdomain))
    assert found.found == ()
    assert f"leads to {target}, an address of many accounts" in " ".join(found.doubts)


def test_a_connection_to_the_address_of_a_region_takes_back_that_nobody_uses_keys() -> None:
    seen = directory(a_connection(target=REGIONAL)).to(reached())
    assert judge(evidence(connections=seen)).verdict is Impact.CANT_TELL
    assert judge(evidence(connections=directory().to(reached()))).verdict is Impact.KEYLESS


def test_a_connection_to_the_address_of_a_region_leads_where_its_id_says() -> None:
    row = a_connection(target=REGIONAL, metadata={"ResourceId": str(BOT)})
    (found,) = directory(row).to(reached()).found
    assert found.holds is Holds.KEY
    of_another = a_connection(target=REGIONAL, metadata={"ResourceId": f"{BOT}2"})
    assert directory(of_another).to(reached()) == Connections()


def test_the_id_of_something_else_does_not_say_whose_the_address_of_a_region_is() -> None:
    vault = "/subscriptions/s/resourceGroups/r/providers/Microsoft.KeyVault/vaults/v"
    row = a_connection(target=REGIONAL, metadata={"ResourceId": vault})
    assert directory(row).to(reached()).doubts


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("swedencentral", "https://westeurope.api.cognitive.microsoft.com/"),
        ("swedencentral", "https://swedencentral.api.cognitive.microsoft.com.contoso.com/"),
        ("swedencentral", "https://swedencentral.openai.azure.com/"),
    ],
)
def test_the_address_of_another_region_leads_elsewhere(location: str, target: str) -> None:
    assert directory(a_connection(target=target)).to(reached(location=location)) == Connections()


@pytest.mark.parametrize("location", ["Sweden Central", "usgovswedencentral", "global", ""])
def test_the_address_of_a_region_may_be_of_an_account_whose_region_is_written_otherwise(
    location: str,
) -> None:
    assert directory(a_connection(target=REGIONAL)).to(reached(location=location)).doubts


def test_a_connection_without_a_key_leads_where_it_likes() -> None:
    assert directory(a_connection(target=REGIONAL, authType="AAD")).to(reached()) == Connections()


@pytest.mark.parametrize("target", [None, "", "_", "[::"])
def test_a_connection_that_does_not_say_where_it_leads_may_lead_anywhere(target: object) -> None:
    assert directory(a_connection(target=target)).to(reached()).doubts


@pytest.mark.parametrize("place", [str(BOT).upper(), f"{BOT}/", f"{BOT}/projects/p"])
def test_a_connection_leads_to_an_account_whose_id_stands_for_its_address(place: str) -> None:
    (found,) = directory(a_connection(target=place)).to(reached()).found
    assert found.holds is Holds.KEY


def test_an_id_that_stands_under_another_name_leads_there_too() -> None:
    row = a_connection(target="https://gateway.contoso.com", metadata={"backend": str(BOT)})
    (found,) = directory(row).to(reached()).found
    assert found.holds is Holds.KEY


def test_two_connections_of_one_name_count_with_what_each_holds() -> None:
    rows = (a_connection(authType="AAD"), a_connection())
    found = directory(*rows).to(reached())
    assert len(found.that(Holds.KEY)) == 1


@pytest.mark.parametrize(
    ("kind", "is_foundry"),
    [("AIServices", True), ("OpenAI", False), ("Face", False), ("Foundry.Next", True), ("", True)],
)
def test_an_account_of_a_kind_that_nobody_knows_may_have_connections(
    kind: str, *, is_foundry: bool
) -> None:
    assert read_account({"id": str(BOT), "kind": kind}).is_foundry == is_foundry


def test_an_id_that_stands_for_the_address_of_something_else_leads_there() -> None:
    insights = "/subscriptions/s/resourceGroups/r/providers/microsoft.insights/components/i"
    assert directory(a_connection(target=insights)).to(reached()) == Connections()


@pytest.mark.parametrize(
    ("auth_type", "expected"),
    [
        ("ApiKey", Holds.KEY), ("customkeys", Holds.KEY), ("AccountKey", Holds.KEY),
        ("AccessKey", Holds.KEY), ("AAD", Holds.NO_KEY), ("ManagedIdentity", Holds.NO_KEY),
        ("ProjectManagedIdentity", Holds.NO_KEY), ("UserEntraToken", Holds.NO_KEY),
        ("AgenticIdentityToken", Holds.NO_KEY), ("PAT", Holds.UNKNOWN), ("", Holds.UNKNOWN),
    ],
)  # fmt: skip
def test_a_kind_of_authentication_that_nobody_knows_counts_for_neither(
    auth_type: str, expected: Holds
) -> None:
    assert holds(auth_type) is expected


def test_a_recorded_project_is_named_without_its_account() -> None:
    (row,) = body("projects-02")["value"]
    assert project_name(row) == "prj000003"


def test_who_reaches_an_account_is_said() -> None:
    row = {"id": str(BOT), "kind": "OpenAI", "endpoints": {"x": "https://a.b/"}}
    assert read_account({**row, "publicAccess": "Disabled"}).network == "private endpoints only"
    denied = {**row, "publicAccess": "Enabled", "defaultAction": "Deny"}
    assert read_account(denied).network == "chosen networks"
    assert read_account(row).network == ""
    assert read_account(row).hosts == {"a.b"}
    assert host_of("https://[") == ""


# Roles

USER = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"


def a_definition(*data_actions: str, name: str = USER, taken: tuple[str, ...] = ()) -> Any:
    permission = {"dataActions": list(data_actions), "notDataActions": list(taken)}
    return {"id": name, "name": name, "properties": {"roleName": "R", "permissions": [permission]}}


def holders(scope: str, groups_above: Any = None) -> int:
    row = {"id": "a", "role": USER, "principal": "p", "kind": "Group", "scope": scope}
    return len(Roles({USER: "R"}, [row], groups_above or {}).on(BOT))


@pytest.mark.parametrize(
    ("definition", "gives"),
    [
        (a_definition("Microsoft.CognitiveServices/*"), True),
        (a_definition("Microsoft.CognitiveServices/accounts/OpenAI/*/read"), True),
        (a_definition("*"), True),
        (a_definition(), False),
        (a_definition("Microsoft.Storage/*"), False),
        (a_definition("*", taken=("*",)), False),
        ({"id": "x", "name": "x", "properties": None}, False),
    ],
)
def test_a_role_with_a_data_action_of_the_provider_is_one(definition: Any, *, gives: bool) -> None:
    assert bool(data_roles([definition])) == gives


@pytest.mark.parametrize(
    ("scope", "count"),
    [
        (str(BOT).upper(), 1),
        (f"/subscriptions/{BOT.subscription_id}", 1),
        (f"/subscriptions/{BOT.subscription_id}/resourceGroups/rg-chat", 1),
        (f"/subscriptions/{BOT.subscription_id}/resourceGroups/rg", 0),
        ("/", 1),
        (f"{BOT}/projects/p", 0),
    ],
)
def test_a_role_counts_on_the_account_and_above_it(scope: str, count: int) -> None:
    assert holders(scope) == count


def test_a_role_at_a_management_group_counts_for_what_is_below_it() -> None:
    scope = "/providers/Microsoft.Management/managementGroups/MG"
    above = {BOT.subscription_id: frozenset({"mg"})}
    below_another = {BOT.subscription_id: frozenset({"other"})}
    assert holders(scope, above) == 1
    assert holders(scope, below_another) == 0
    assert holders(scope) == 1, "what is above is not known, and may be it"


def test_the_recorded_assignment_ends_in_the_guid_of_its_role() -> None:
    (row,) = body("role-assignments-01")["value"]
    assert row["properties"]["roleDefinitionId"][-36:] == "acdd72a7-3385-48ef-bd42-f606fba81ae7"
