"""function_app.py as the real Functions runtime indexes, loads and fires it."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from azure_functions_runtime import handle_event

from local_azure import PatchForm, RunningClock, Tenant, scenarios
from shared.core.settings import SETTINGS
from tests.support.contoso import keys_on
from tests.support.functions_worker import ROOT, FunctionsWorker, Invocation
from tests.support.real_sweeps import TRACE, TRACE_PARENT, insights, worker
from tests.support.serving import Serve


async def test_there_is_one_function_and_it_is_a_timer_that_never_runs_by_itself() -> None:
    assert await FunctionsWorker().load() == {
        "sweep": [
            {
                "direction": "IN",
                "type": "timerTrigger",
                "name": "timer",
                "schedule": "%SWEEP_SCHEDULE%",
                "runOnStartup": False,
                "useMonitor": True,
            }
        ]
    }


async def test_the_function_is_async_so_that_it_runs_on_the_workers_own_loop() -> None:
    await FunctionsWorker().load()
    (loaded,) = handle_event._functions._functions.values()
    assert loaded.name == "sweep"
    assert loaded.is_async


def test_the_host_gives_a_sweep_its_time_and_does_not_retry_it() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    assert host["functionTimeout"] == "00:25:00"
    assert host["telemetryMode"] == "OpenTelemetry"
    assert "retry" not in host


@pytest.mark.parametrize("past_due", [False, True])
async def test_a_whole_sweep_succeeds(serve: Serve, past_due: bool) -> None:  # noqa: FBT001 - parametrized
    azure = serve(scenarios.four_accounts())

    async with worker(azure) as functions:
        invocation = await functions.fire(trace_parent=TRACE_PARENT, past_due=past_due)

    assert invocation == Invocation(succeeded=True, message="", stack_trace="")
    assert keys_on(azure) == set()
    assert len(azure.writes) == 4


async def test_a_sweep_that_is_not_whole_fails_with_its_reasons(serve: Serve) -> None:
    azure = serve(scenarios.four_accounts())
    refusal = {"error": {"code": "TeapotOnly", "message": "Not today."}}
    azure.faults.on(method="PATCH", path="*/contoso-docs").answer(400, refusal)
    hidden = "00000000-0000-4000-8000-00000000dead"
    azure.tenant.add_subscription("unseen", parent=azure.tenant.id, subscription_id=hidden)
    seen = azure.tenant.subscription("contoso-prod").id

    async with worker(azure, SWEEP_SUBSCRIPTIONS=f"{seen},{hidden}") as functions:
        invocation = await functions.fire()

    assert not invocation.succeeded
    for reason in ("is not whole", "contoso-docs: FAILED (TeapotOnly)", hidden):
        assert reason in invocation.message
    assert keys_on(azure) == {"contoso-docs"}


async def test_wrong_settings_fail_the_invocation_and_the_next_one_runs_when_they_are_mended(
    serve: Serve,
) -> None:
    azure = serve(scenarios.four_accounts())

    async with worker(azure, mode="enfroce", SWEEP_CONCURRENCY="none") as functions:
        wrong = await functions.fire()
        asked = [request for request in azure.operations if request.host == "arm"]
        os.environ.update(SWEEP_MODE="enforce", SWEEP_CONCURRENCY="")
        mended = await functions.fire()

    assert not wrong.succeeded
    assert asked == []
    assert "SWEEP_MODE is 'enfroce'" in wrong.message
    assert "SWEEP_CONCURRENCY is 'none'" in wrong.message
    assert mended.succeeded, mended.message
    assert keys_on(azure) == set()


async def test_the_apps_own_clock_is_the_real_one_and_a_sweep_of_a_small_tenant_takes_seconds(
    serve: Serve,
) -> None:
    tenant = Tenant.with_one_subscription()
    for name in ("bot", "search"):
        tenant.add_account(name, local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    azure = serve(tenant, clock=RunningClock())

    async with worker(azure) as functions:
        began = time.monotonic()
        invocation = await functions.fire(trace_parent=TRACE_PARENT)
        took = time.monotonic() - began

    assert invocation.succeeded, invocation.message
    assert keys_on(azure) == set()
    assert took < 10


@pytest.mark.parametrize(
    ("trace_parent", "operation"),
    [
        (TRACE_PARENT, TRACE),
        (f"00-{'c' * 32}-{'d' * 16}-00", "c" * 32),
        ("", None),
        ("not a trace parent", None),
    ],
    ids=["sampled", "the host's flag is 00", "none", "unreadable"],
)
async def test_the_hosts_trace_is_kept_and_its_absence_does_no_harm(
    serve: Serve, trace_parent: str, operation: str | None
) -> None:
    azure = serve()
    before = len(insights().telemetry)

    async with worker(azure, "audit") as functions:
        invocation = await functions.fire(trace_parent=trace_parent)

    traced: list[dict[str, Any]] = [
        envelope
        for envelope in insights().telemetry.envelopes[before:]
        if envelope["data"]["baseType"] in {"EventData", "RemoteDependencyData"}
    ]
    found = {envelope["tags"]["ai.operation.id"] for envelope in traced}
    assert invocation.succeeded, invocation.message
    assert len(traced) > 3
    if operation is None:
        assert len(found) == 1
        assert found.isdisjoint({TRACE, "0" * 32})
    else:
        assert found == {operation}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import keysweep_was_not_shipped\n", "keysweep_was_not_shipped"),
        ("raise RuntimeError('no such cloud')\n", "no such cloud"),
    ],
    ids=["a package is missing", "it raises"],
)
async def test_an_app_that_can_not_be_loaded_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    (tmp_path / "function_app.py").write_text(source)
    monkeypatch.setattr(sys, "path", [*sys.path])

    with pytest.raises(RuntimeError, match=said):
        await FunctionsWorker(tmp_path).load()


async def test_the_app_loads_without_any_setting_so_that_a_missing_one_is_the_invocations_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    functions = FunctionsWorker()
    await functions.load()

    invocation = await functions.fire()

    await functions.close()
    assert not invocation.succeeded
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING is not set" in invocation.message
    assert "SWEEP_MODE is not set" in invocation.message
