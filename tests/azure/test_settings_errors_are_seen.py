"""Wrong settings: nothing is read from Azure, and everybody who looks sees what is wrong."""

import os
from typing import Any

import pytest

from local_azure import LocalAzure, RunningClock, Tenant, scenarios
from shared.core.errors import SettingsError
from shared.core.settings import OPERATOR_SETTINGS, read_settings
from tests.support.alone import alone
from tests.support.functions_worker import FunctionsWorker
from tests.support.real_sweeps import TRACE, TRACE_PARENT, Swept, insights, sweep, worker
from tests.support.serving import Serve

WRONG: dict[str, Any] = {
    "SWEEP_SCHEDULE": "0 0 31 2 *",
    "SWEEP_KINDS": ",",
    "EXEMPTION_MAX_DAYS": "soon",
    "SWEEP_CONCURRENCY": "0",
    "AZURE_TENANT_ID": "contoso.onmicrosoft.com",
}


def of(swept: Swept, base_type: str) -> list[dict[str, Any]]:
    return [envelope for envelope in swept.envelopes if envelope["data"]["baseType"] == base_type]


def test_what_the_local_azure_sets_is_taken(serve: Serve) -> None:
    azure = serve()

    read_settings({**azure.environ, "SWEEP_MODE": "enforce"})
    read_settings({**azure.operator_environ, "SWEEP_MODE": "audit"}, OPERATOR_SETTINGS)


async def test_all_that_is_wrong_is_named_in_one_error_and_nothing_is_read(serve: Serve) -> None:
    azure = serve(scenarios.four_accounts())

    swept = await sweep(azure, "enforced", **WRONG)

    assert isinstance(swept.error, SettingsError)
    for name, value in {**WRONG, "SWEEP_MODE": "enforced"}.items():
        assert f"{name} is {value!r}" in str(swept.error)
    assert len(swept.error.problems) == len(WRONG) + 1
    assert azure.operations == ()


async def test_the_event_and_the_exception_are_under_the_invocations_operation(
    serve: Serve,
) -> None:
    swept = await sweep(serve(), "enforced", **WRONG)

    (event,) = of(swept, "EventData")
    (exception,) = of(swept, "ExceptionData")
    (span,) = of(swept, "RemoteDependencyData")
    assert event["data"]["baseData"]["name"] == "SettingsRejected"
    assert event["data"]["baseData"]["measurements"] == {"problemCount": len(WRONG) + 1}
    problems = event["data"]["baseData"]["properties"]["problems"]
    assert all(name in problems for name in (*WRONG, "SWEEP_MODE"))
    (details,) = exception["data"]["baseData"]["exceptions"]
    assert details["typeName"].endswith("SettingsError")
    assert all(name in details["message"] for name in (*WRONG, "SWEEP_MODE"))
    assert span["data"]["baseData"]["name"] == "sweep"
    assert span["data"]["baseData"]["success"] is False
    for envelope in (event, exception, span):
        assert envelope["tags"]["ai.operation.id"] == TRACE


async def test_a_long_wrong_value_does_not_hide_the_others(serve: Serve) -> None:
    swept = await sweep(serve(), "e" * 20_000, SWEEP_CONCURRENCY="none")

    (event,) = of(swept, "EventData")
    assert isinstance(swept.error, SettingsError)
    assert event["data"]["baseData"]["measurements"] == {"problemCount": 2}
    problems = event["data"]["baseData"]["properties"]["problems"]
    # Application Insights cuts a property after 8,192 characters.
    assert len(problems) <= 8_192
    assert "SWEEP_MODE" in problems
    assert "SWEEP_CONCURRENCY is 'none'" in problems


@pytest.mark.parametrize(
    "wrong", ["", "nonsense", "IngestionEndpoint=https://127.0.0.1:1/", "InstrumentationKey=secret"]
)
async def test_a_missing_or_wrong_connection_string_fails_clearly_beside_all_other_problems(
    serve: Serve, wrong: str
) -> None:
    azure = serve(scenarios.four_accounts())
    before = len(insights().telemetry)

    async with worker(
        azure, "enforced", APPLICATIONINSIGHTS_CONNECTION_STRING=wrong, SWEEP_CONCURRENCY="none"
    ) as functions:
        invocation = await functions.fire(trace_parent=TRACE_PARENT)

    assert not invocation.succeeded
    for name in ("APPLICATIONINSIGHTS_CONNECTION_STRING", "SWEEP_MODE", "SWEEP_CONCURRENCY"):
        assert f"{name} is " in invocation.message
    if wrong:
        assert wrong not in invocation.message + invocation.stack_trace
    assert azure.operations == ()
    assert len(insights().telemetry) == before


async def _first_tick_then_mended() -> dict[str, Any]:
    """Fire a fresh process whose settings are wrong, and once more when they are right."""
    with LocalAzure(Tenant.with_one_subscription(), RunningClock()) as azure:
        os.environ.update(azure.environ, SWEEP_MODE="enforced")
        functions = FunctionsWorker()
        await functions.load()
        wrong = await functions.fire(trace_parent=TRACE_PARENT)
        hosts = sorted({request.host for request in azure.operations})
        os.environ["SWEEP_MODE"] = "audit"
        right = await functions.fire(trace_parent=TRACE_PARENT)
        await functions.close()
        return {
            "succeeded": [wrong.succeeded, right.succeeded],
            "hosts": hosts,
            "events": [event["data"]["baseData"]["name"] for event in azure.telemetry.events()],
        }


@pytest.mark.slow
async def test_it_is_seen_at_the_very_first_tick_of_a_process_too() -> None:
    assert await alone(_first_tick_then_mended) == {
        "succeeded": [False, True],
        "hosts": ["identity", "ingestion"],
        "events": ["SettingsRejected", "SweepStarted", "SubscriptionRead", "SweepCompleted"],
    }
