"""What a sweep learns reaches Application Insights, whole and as declared, or the tick says so."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from local_azure import LocalAzure, PatchForm, RunningClock, SeenRequest, Tenant, scenarios
from local_azure.faults import Fault
from shared.core.errors import SweepNotWhole
from shared.core.events import EVENTS, METRICS, SweepContext
from shared.core.wire import fields_of
from tests.support.alone import alone
from tests.support.contoso import keys_on
from tests.support.functions_worker import FunctionsWorker
from tests.support.real_sweeps import TRACE, TRACE_PARENT, Swept, insights, sweep, worker
from tests.support.serving import Serve

NO_BRAKE = "100000"


_demo: dict[str, tuple[Swept, LocalAzure]] = {}


async def demo_swept(mode: str) -> tuple[Swept, LocalAzure]:
    """Return a sweep of the demo's tenant, made once, and what the server saw of it."""
    if mode not in _demo:
        with LocalAzure(scenarios.demo()) as azure:
            _demo[mode] = (await sweep(azure, mode, MAX_CHANGES_PER_SWEEP=NO_BRAKE), azure)
    return _demo[mode]


def of(swept: Swept, *base_types: str) -> list[dict[str, Any]]:
    """Return what is in the envelopes of these types."""
    return [
        envelope["data"]["baseData"]
        for envelope in swept.envelopes
        if envelope["data"]["baseType"] in base_types
    ]


def metrics(swept: Swept) -> dict[str, dict[tuple[str, ...], float]]:
    """Return values by metric and by its dimensions' values, in the declared order.

    What was counted leaves in parts, if the exporter's minute is over meanwhile.
    """
    declared = {metric.name: metric for metric in METRICS}
    found: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in declared}
    for point in of(swept, "MetricData"):
        (metric,) = point["metrics"]
        if metric["name"] == "_OTELRESOURCE_":
            continue
        dimensions = declared[metric["name"]].dimensions
        assert set(point["properties"]) == set(dimensions)
        values = tuple(point["properties"][dimension] for dimension in dimensions)
        known = found[metric["name"]].get(values, 0)
        found[metric["name"]][values] = known + metric["value"]
    return found


# As declared


@pytest.mark.parametrize("mode", ["audit", "enforce"])
async def test_every_event_has_its_declared_fields_and_no_other(mode: str) -> None:
    swept, _ = await demo_swept(mode)

    declared = {event_type.name: event_type for event_type in EVENTS}
    for event in of(swept, "EventData"):
        fields = (*fields_of(SweepContext), *fields_of(declared[event["name"]]))
        required = {field.name for field in fields if not field.kind.endswith("?")}
        found = {*event["properties"], *event["measurements"]} - {"logger_name"}
        assert required <= found <= {field.name for field in fields}, event["name"]
        assert set(event["measurements"]) == found & {
            field.name for field in fields if field.is_measurement
        }


async def test_a_sweep_opens_with_its_start_and_ends_with_its_completion() -> None:
    swept, _ = await demo_swept("enforce")

    names = [event["name"] for event in of(swept, "EventData")]
    ids = {event["properties"]["sweepId"] for event in of(swept, "EventData")}
    assert names[0] == "SweepStarted"
    assert names[-1] == "SweepCompleted"
    assert names.count("SweepStarted") == 1
    assert names.count("SweepCompleted") == 1
    assert len(ids) == 1


async def test_events_dependencies_and_exceptions_are_under_the_invocations_operation() -> None:
    swept, _ = await demo_swept("enforce")

    traced = [
        envelope for envelope in swept.envelopes if envelope["data"]["baseType"] != "MetricData"
    ]
    types = {envelope["data"]["baseType"] for envelope in traced}
    assert types == {"EventData", "RemoteDependencyData", "ExceptionData"}
    assert {envelope["tags"]["ai.operation.id"] for envelope in traced} == {TRACE}


async def test_every_envelope_names_the_function_app_as_its_role() -> None:
    swept, _ = await demo_swept("audit")
    assert {envelope["tags"]["ai.cloud.role"] for envelope in swept.envelopes} == {"func-keysweep"}


# Metrics


async def test_metrics_say_how_many_accounts_there_are_and_what_was_done(serve: Serve) -> None:
    azure = serve(scenarios.four_accounts())
    azure.tenant.add_account("off", local_auth=False)
    azure.tenant.add_account("kept", local_auth=True, tags={"local-auth-exempt": "yes"})
    azure.tenant.add_account("odd", local_auth=True, tags={"local-auth-exempt": "31/12/2026"})
    azure.clock.advance(120)
    busy = {"error": {"code": "RequestConflict", "message": "Busy."}}
    azure.faults.on(method="PATCH", path="*/contoso-docs").answer(409, busy)

    found = metrics(await sweep(azure, "enforce"))

    assert found["keysweep.accounts"] == {
        ("COMPLIANT",): 1, ("EXEMPT",): 1, ("HELD",): 1, ("DRIFT",): 4,
    }  # fmt: skip
    assert found["keysweep.remediations"] == {("DISABLED",): 3, ("BUSY",): 1}
    (duration,) = found["keysweep.sweep.duration"].items()
    assert duration[0] == ("enforce",)
    assert 5 <= duration[1] < 120  # an update takes five seconds of the local Azure's clock


async def test_the_requests_metric_counts_what_the_server_saw_by_its_answers(serve: Serve) -> None:
    azure = serve(scenarios.four_accounts())
    azure.faults.on(action="Microsoft.ResourceGraph/resources/read").answer(503, {})
    azure.faults.on(method="PATCH", path="*/contoso-docs").answer(409, {})

    found = metrics(await sweep(azure, "enforce"))

    seen = Counter((request.method, str(request.status)) for request in arm(azure))
    assert found["keysweep.requests"] == dict(seen)
    assert seen["POST", "503"] == 1


# Dependencies


def arm(azure: LocalAzure) -> list[Any]:
    return [request for request in azure.operations if request.host == "arm"]


async def test_every_request_to_azure_is_a_dependency_and_none_is_lost() -> None:
    swept, azure = await demo_swept("enforce")

    calls = [call for call in of(swept, "RemoteDependencyData") if call["type"] == "HTTP"]
    seen = Counter(
        (f"{request.method} {request.path}", str(request.status)) for request in arm(azure)
    )
    assert len(calls) > 100
    assert Counter((call["name"], call["resultCode"]) for call in calls) == seen
    for call in calls:
        status = int(call["resultCode"])
        assert call["success"] == (status < 400), call
        assert urlsplit(call["data"]).path == call["name"].partition(" ")[2]


async def test_no_dependency_shows_a_query_since_polling_urls_carry_a_signature(
    serve: Serve,
) -> None:
    azure = serve(scenarios.four_accounts())
    swept = await sweep(azure, "enforce")

    polls = [request for request in arm(azure) if "/operationresults/" in request.path.lower()]
    assert all({"c", "s", "h"} <= set(request.query) for request in polls)
    assert len(polls) >= 4
    for call in of(swept, "RemoteDependencyData"):
        assert "?" not in json.dumps(call)


async def test_a_request_whose_connection_was_cut_is_a_dependency_that_failed(
    serve: Serve,
) -> None:
    azure = serve(scenarios.four_accounts())
    azure.faults.on(method="PATCH", path="*/contoso-docs").cut(after_acting=True)

    swept = await sweep(azure, "enforce")

    (patch,) = [
        call
        for call in of(swept, "RemoteDependencyData")
        if call["name"].startswith("PATCH") and call["name"].endswith("contoso-docs")
    ]
    assert patch["success"] is False
    assert patch["resultCode"] == "0"
    assert metrics(swept)["keysweep.requests"]["PATCH", "no answer"] == 1


async def test_the_span_of_a_sweep_that_is_not_whole_failed_with_its_exception(
    serve: Serve,
) -> None:
    azure = serve(scenarios.four_accounts())
    azure.faults.on(method="PATCH", path="*/contoso-docs").answer(400, {"error": {"code": "Nope"}})

    swept = await sweep(azure, "enforce")

    assert isinstance(swept.error, SweepNotWhole)
    (span,) = [call for call in of(swept, "RemoteDependencyData") if call["name"] == "sweep"]
    (envelope,) = [
        envelope for envelope in swept.envelopes if envelope["data"]["baseType"] == "ExceptionData"
    ]
    (exception,) = envelope["data"]["baseData"]["exceptions"]
    assert span["success"] is False
    assert envelope["tags"]["ai.operation.parentId"] == span["id"]
    assert exception["typeName"].endswith("SweepNotWhole")
    assert "contoso-docs: FAILED (Nope)" in exception["message"]


# A burst


@pytest.mark.slow
async def test_nothing_of_a_burst_is_lost_though_ingestion_is_slow(serve: Serve) -> None:
    azure = serve(scenarios.large(accounts=5_000, drifted=5_000, subscriptions=20))

    with ingestion_fault() as fault:
        fault.hang(0.15)
        swept = await sweep(azure, "audit", MAX_CHANGES_PER_SWEEP=NO_BRAKE)

    assert swept.error is None
    names = Counter(event["name"] for event in of(swept, "EventData"))
    assert names["DriftFound"] == names["RemediationOutcome"] == 5_000
    drifted = {account.id.lower() for account in azure.tenant.accounts}
    for name in ("DriftFound", "RemediationOutcome"):
        assert {event["accountId"] for event in swept.events(name)} == drifted
    assert fault.hits > 10


# Ingestion that fails (docs/faults.md: Application Insights refuses, Application Insights hangs)


def _four_accounts() -> Tenant:
    tenant = scenarios.four_accounts()
    for account in tenant.accounts:
        account.patch, account.stale_reads = PatchForm.OK_200, 0
    return tenant


@contextmanager
def ingestion_fault(times: int | None = None) -> Iterator[Fault]:
    """Give a fault of ingestion, which lasts as long as the context."""
    fault = insights().faults.on(host="ingestion", times=times)
    try:
        yield fault
    finally:
        insights().faults.remove(fault)


async def _then_the_next_tick_is_fine(azure: LocalAzure) -> None:
    azure.clock.advance(900)
    swept = await sweep(azure, "enforce")
    assert swept.error is None
    assert keys_on(azure) == set()


# What a wrong instrumentation key gets (data/recorded appinsights-01).
WRONG_KEY = {
    "itemsReceived": 1,
    "itemsAccepted": 0,
    "errors": [{"index": 0, "statusCode": 400, "message": "Invalid instrumentation key"}],
}


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        pytest.param(400, WRONG_KEY, {}, id="wrong key"),
        pytest.param(401, None, {}, id="no token taken"),
        pytest.param(200, "<html>", {}, id="a page of a proxy"),
        pytest.param(503, None, {"Retry-After": "3600"}, id="down"),
        pytest.param(
            439, None, {"Retry-After": "86400"}, id="over the daily cap", marks=pytest.mark.nightly
        ),
    ],
)
@pytest.mark.slow
async def test_when_ingestion_takes_nothing_nothing_is_written_and_the_tick_says_so(
    serve: Serve, status: int, body: Any, headers: dict[str, str]
) -> None:
    azure = serve(_four_accounts(), clock=RunningClock())

    with ingestion_fault() as fault:
        fault.answer(status, body, headers)
        async with worker(azure) as functions:
            invocation = await functions.fire(trace_parent=TRACE_PARENT)

    assert azure.writes == ()
    assert "acknowledged 0 of 11 events" in invocation.message
    assert "4 changes were not begun" in invocation.message + invocation.stack_trace
    await _then_the_next_tick_is_fine(azure)


@pytest.mark.parametrize(
    "strike",
    [
        lambda fault: fault.answer(503),
        lambda fault: fault.answer(502),
        lambda fault: fault.answer(429),
        lambda fault: fault.cut(),
    ],
    ids=["503", "502", "429", "cut"],
)
async def test_a_passing_trouble_of_ingestion_loses_nothing(
    serve: Serve, strike: Callable[[Fault], object]
) -> None:
    azure = serve(_four_accounts(), clock=RunningClock())

    with ingestion_fault(times=2) as fault:
        strike(fault)
        swept = await sweep(azure, "enforce")

    assert fault.hits == 2
    assert swept.error is None


async def _with_a_dead_connection(effect: str) -> dict[str, Any]:
    """Sweep twice: with ingestion that cuts or hangs, and a quarter of an hour later, mended."""
    with LocalAzure(_four_accounts(), RunningClock()) as azure:
        with ingestion_fault() as fault:
            getattr(fault, effect)()
            began = time.monotonic()
            swept = await sweep(azure, "enforce")
            took = time.monotonic() - began
        writes = len(azure.writes)
        monotonic = time.monotonic
        time.monotonic = lambda: monotonic() + 900
        await _then_the_next_tick_is_fine(azure)
        insights().stop()
        return {"error": str(swept.error), "took": took, "writes": writes}


@pytest.mark.parametrize("effect", ["cut", "hang"])
@pytest.mark.slow
async def test_when_ingestion_never_answers_the_sweep_ends_in_bounded_time_and_says_so(
    effect: str,
) -> None:
    found = await alone(_with_a_dead_connection, effect=effect)
    assert found["writes"] == 0, "nothing is written unannounced"
    assert found["took"] < 35
    assert "acknowledged 0 of 11 events" in found["error"]


async def _with_a_burst_and_no_ingestion() -> dict[str, Any]:
    with LocalAzure(scenarios.large(accounts=5_000, drifted=5_000, subscriptions=20)) as azure:
        with ingestion_fault() as fault:
            fault.answer(503)
            began = time.monotonic()
            swept = await sweep(azure, "audit", MAX_CHANGES_PER_SWEEP=NO_BRAKE)
            took = time.monotonic() - began
        insights().stop()
        return {"error": str(swept.error), "took": took}


@pytest.mark.nightly
async def test_a_burst_into_an_ingestion_that_is_down_is_counted_and_ends_in_bounded_time() -> None:
    found = await alone(_with_a_burst_and_no_ingestion)
    assert "acknowledged 0 of 10022 events" in found["error"]
    assert found["took"] < 75


async def _with_no_token_for_telemetry() -> dict[str, Any]:
    """Fire function_app.py while the identity endpoint hangs when it is asked for telemetry."""
    with LocalAzure(scenarios.four_accounts(), RunningClock()) as azure:

        def hang(request: SeenRequest) -> None:
            if request.host == "identity" and "monitor" in request.query["resource"]:
                azure.faults.on(host="identity").hang()

        azure.before(hang)
        os.environ.update(azure.environ, SWEEP_MODE="audit")
        functions = FunctionsWorker()
        await functions.load()
        began = time.monotonic()
        invocation = await functions.fire(trace_parent=TRACE_PARENT)
        took = time.monotonic() - began
        await functions.close()
        return {"took": took, "message": invocation.message}


@pytest.mark.nightly
async def test_a_token_that_never_comes_does_not_hold_the_sweep_for_ever() -> None:
    found = await alone(_with_no_token_for_telemetry)
    assert found["took"] < 40
    assert "acknowledged 0 of 11 events" in found["message"]


# In a process of its own: what is made once a process is made as in production


async def _in_production(site: str) -> dict[str, Any]:
    """Fire function_app.py, whose own telemetry goes to the tenant that it sweeps."""
    tenant = Tenant.with_one_subscription()
    with LocalAzure(tenant, RunningClock()) as azure:
        os.environ.update(azure.environ, SWEEP_MODE="audit", WEBSITE_SITE_NAME=site)
        functions = FunctionsWorker()
        await functions.load()
        before = len(azure.operations)
        invocation = await functions.fire(trace_parent=TRACE_PARENT)
        sent = [request for request in azure.operations if request.host == "ingestion"]
        await asyncio.sleep(2.5)  # the log exporter's own rhythm is a second
        after = [request for request in azure.operations if request.host == "ingestion"]
        await functions.close()
        return {
            "before": before,
            "succeeded": invocation.succeeded,
            "roles": sorted({envelope["tags"]["ai.cloud.role"] for envelope in azure.telemetry}),
            "events": [event["data"]["baseData"]["name"] for event in azure.telemetry.events()],
            "senders": sorted({request.principal or "" for request in sent}),
            "function": tenant.function.object_id,
            "paths": sorted({request.path.lstrip("/") for request in sent}),
            "idle": len(after) - len(sent),
        }


@pytest.mark.slow
async def test_production_sends_under_the_apps_name_by_its_identity_and_is_silent_afterwards() -> (
    None
):
    found = await alone(_in_production, site="func-contoso-keys")

    assert found == {
        "before": 0,
        "succeeded": True,
        "roles": ["func-contoso-keys"],
        "events": ["SweepStarted", "SubscriptionRead", "SweepCompleted"],
        "senders": [found["function"]],
        "function": found["function"],
        "paths": ["v2.1/track"],
        "idle": 0,
    }
