"""Two processes that sweep one tenant at the same time do no harm to it or to each other."""

import asyncio
import os
import sys

import pytest

from local_azure import RunningClock, SeenRequest
from tests.support.contoso import TAG, adrift, keys_on
from tests.support.real_sweeps import ONE_SWEEP
from tests.support.serving import Serve

HARMLESS = {"DISABLED", "ALREADY_OFF", "BUSY"}


@pytest.mark.slow
async def test_two_real_processes_do_no_harm(serve: Serve) -> None:
    tenant = adrift(*(f"bot-{number}" for number in range(8)), operation_seconds=1, stale_reads=1)
    tenant.add_account("keeps", local_auth=True, tags={TAG: "yes"})
    azure = serve(tenant, clock=RunningClock())
    gate = azure.faults.on(host="identity", times=2)
    gate.hang(10_000)
    arrived: list[SeenRequest] = []

    def let_both_through(request: SeenRequest) -> None:
        if request.host == "identity" and gate.hits < 2:
            arrived.append(request)
            if len(arrived) == 2:
                asyncio.get_running_loop().call_later(0.2, azure.clock.advance, 10_000)

    azure.before(let_both_through)

    async def sweep_in_a_process() -> int:
        environ = {**os.environ, **azure.environ, "SWEEP_MODE": "enforce"}
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", ONE_SWEEP, env=environ)
        return await child.wait()

    ended = await asyncio.gather(sweep_in_a_process(), sweep_in_a_process())
    assert set(ended) == {0}

    lists = [seen.ordinal for seen in azure.operations if seen.path == "/subscriptions"]
    patches = [seen.ordinal for seen in azure.operations if seen.method == "PATCH"]
    assert lists[1] < patches[-1], "they did not overlap: this proves nothing"
    assert keys_on(azure) == {"keeps"}
    events = [envelope["data"]["baseData"] for envelope in azure.telemetry.events()]
    completed = [event for event in events if event["name"] == "SweepCompleted"]
    assert [event["properties"]["whole"] for event in completed] == ["true", "true"]
    outcomes = [event["properties"] for event in events if event["name"] == "RemediationOutcome"]
    assert {outcome["result"] for outcome in outcomes} <= HARMLESS
