"""Wrong settings: nothing is read from Azure, and everybody who looks sees what is wrong."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_azure import LocalAzure, RunningClock, Tenant, scenarios
from shared.core.errors import SettingsError
from shared.core.settings import OPERATOR_SETTINGS, read_settings
from tests.support.alone import alone
from tests.support.functions_worker import FunctionsWorker
from tests.support.real_sweeps import TRACE, TRACE_PARENT, Swept, insights, sweep, worker

type Serve = Callable[..., LocalAzure]

WRONG: dict[str, Any] = {
    "SWEEP_SCHEDULE": "0 0 31 2 *",
    "SWEEP_KINDS": ",",
    "EXEMPTION_MAX_DAYS": "soon",
    "SWEEP_CONCURRENCY": "0",
    "AZURE_TENANT_ID": "contoso.onmicrosoft.com",
}


def of(swept: Swept, base_type: str) -> list[dict[str, Any]]:
    return [each for each in swept.envelopes if each["data"]["baseType"] == base_type]


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
    assert (span["data"]["baseData"]["name"], span["data"]["baseData"]["success"]) == (
        "sweep",
        False,
    )
    for envelope in (event, exception, span):
        assert envelope["tags"]["ai.operation.id"] == TRACE


async def test_a_missing_mode_is_an_error_since_the_deployer_has_to_choose(serve: Serve) -> None:
    azure = serve(scenarios.four_accounts())

    swept = await sweep(azure, "")

    assert "SWEEP_MODE is not set: it must be `audit` or `enforce`" in str(swept.error)
    assert (azure.operations, len(azure.writes)) == ((), 0)


async def test_settings_that_contradict_each_other_are_an_error(serve: Serve) -> None:
    azure = serve()
    subscription = azure.tenant.subscription("contoso-prod").id

    swept = await sweep(
        azure, SWEEP_MANAGEMENT_GROUPS="contoso", SWEEP_SUBSCRIPTIONS=subscription, ARM_SCOPE=""
    )

    assert "SWEEP_MANAGEMENT_GROUPS and SWEEP_SUBSCRIPTIONS" in str(swept.error)
    assert "ARM_ENDPOINT and ARM_SCOPE go together" in str(swept.error)
    assert azure.operations == ()


async def test_a_long_wrong_value_does_not_hide_the_others(serve: Serve) -> None:
    swept = await sweep(serve(), "e" * 20_000, SWEEP_CONCURRENCY="none")

    (event,) = of(swept, "EventData")
    assert isinstance(swept.error, SettingsError)
    assert event["data"]["baseData"]["measurements"] == {"problemCount": 2}
    problems = event["data"]["baseData"]["properties"]["problems"]
    # Application Insights cuts a property after 8,192 characters.
    assert len(problems) <= 8_192
    assert ("SWEEP_MODE" in problems, "SWEEP_CONCURRENCY is 'none'" in problems) == (True, True)


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
        hosts = sorted({each.host for each in azure.operations})
        os.environ["SWEEP_MODE"] = "audit"
        right = await functions.fire(trace_parent=TRACE_PARENT)
        await functions.close()
        return {
            "succeeded": [wrong.succeeded, right.succeeded],
            "hosts": hosts,
            "events": [each["data"]["baseData"]["name"] for each in azure.telemetry.events()],
        }


async def test_it_is_seen_at_the_very_first_tick_of_a_process_too() -> None:
    assert await alone(_first_tick_then_mended) == {
        "succeeded": [False, True],
        "hosts": ["identity", "ingestion"],
        "events": ["SettingsRejected", "SweepStarted", "SubscriptionRead", "SweepCompleted"],
    }


@settings(max_examples=40)
@given(
    wrong=st.dictionaries(
        st.sampled_from(sorted(WRONG)),
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(
            lambda text: f"\u00a7{text}"
        ),
        min_size=1,
    )
)
async def test_whatever_is_wrong_and_however_much_every_setting_is_named(
    wrong: dict[str, Any],
) -> None:
    swept = await sweep(_standing(), **wrong)

    assert isinstance(swept.error, SettingsError)
    assert len(swept.error.problems) == len(wrong)
    (event,) = swept.events("SettingsRejected")
    for name in wrong:
        assert any(problem.startswith(f"{name} is ") for problem in swept.error.problems)
        assert f"{name} is " in event["problems"]
    assert _standing().operations == ()


_served: list[LocalAzure] = []


def _standing() -> LocalAzure:
    """Return one local Azure for all examples: none of them may ask it anything."""
    if not _served:
        _served.append(LocalAzure(Tenant.with_one_subscription()))
        _served[0].start()
    return _served[0]
