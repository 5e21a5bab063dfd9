"""Two processes that sweep one tenant at the same time do no harm to it or to each other."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from local_azure import LocalAzure, PatchForm, RunningClock, SeenRequest, Tenant
from shared.bootstrap import Process
from shared.core.errors import SweepNotWhole
from shared.core.model import Result
from tests.support.plain_client import arm
from tests.support.real_sweeps import insights, process

type Serve = Callable[..., LocalAzure]

HARMLESS = {Result.DISABLED, Result.ALREADY_OFF, Result.BUSY, Result.NOW_EXEMPT, Result.GONE}
ONE_SWEEP = """
import asyncio, os
from shared.bootstrap import Process, SystemClock
asyncio.run(Process(os.environ, SystemClock()).tick())
"""


def keys_on(azure: LocalAzure) -> set[str]:
    return {each.name for each in azure.tenant.accounts if each.keys_on}


async def both(azure: LocalAzure, **settings: str) -> dict[str, dict[str, Result]]:
    """Run two sweeps at once; each one's results, by sweep and by account."""
    before = len(insights().telemetry)

    async def tick(one: Process) -> None:
        # An operation that fails is told so by both.
        with suppress(SweepNotWhole):
            await one.tick()

    async with process(azure, **settings) as one, process(azure, **settings) as other:
        await asyncio.gather(tick(one), tick(other))
    results: dict[str, dict[str, Result]] = {}
    for envelope in insights().telemetry.envelopes[before:]:
        if envelope["data"]["baseType"] == "EventData":
            told = envelope["data"]["baseData"]["properties"]
            swept = results.setdefault(told["sweepId"], {})
            if "result" in told:
                swept[told["accountName"]] = Result(told["result"])
    return results


def first(azure: LocalAzure, what: Callable[[Any], bool], count: int = 1) -> int:
    """Return the ordinal of the count-th operation that is such."""
    return [each.ordinal for each in azure.operations if what(each)][count - 1]


async def test_every_account_is_off_in_the_end_and_neither_sweep_calls_it_a_failure(
    serve: Serve,
) -> None:
    tenant = Tenant.with_one_subscription()
    for form in PatchForm:
        if form is not PatchForm.OPERATION_FAILS:
            for number in range(3):
                tenant.add_account(f"{form.name}-{number}", local_auth=True, patch=form)
    azure = serve(tenant)

    swept = await both(azure)

    assert first(azure, lambda o: o.path == "/subscriptions", 2) < first(
        azure, lambda o: o.method == "PATCH"
    ), "they did not overlap: this proves nothing"
    assert keys_on(azure) == set()
    assert [len(results) for results in swept.values()] == [15, 15]
    assert {result for results in swept.values() for result in results.values()} <= HARMLESS
    claimed = Counter(
        name
        for results in swept.values()
        for name, result in results.items()
        if result is Result.DISABLED
    )
    wrote = Counter(each.account_id.rpartition("/")[2] for each in azure.writes)
    assert claimed == wrote, "each says of just its own writes that it made them"


async def test_an_exemption_that_arrives_between_the_two_stops_the_later_one(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    bot = tenant.add_account("bot", local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    azure = serve(tenant)
    # Whoever reads second gets its answer after the first has written.
    azure.faults.on(method="GET", path="*/accounts/bot", skip=1).hang(30)

    def exempted_and_on_again(request: SeenRequest) -> None:
        # The one turned it off; its team turns it on and tags it before the other reads it.
        if len(azure.writes) == 1 and request.method == "GET" and not bot.keys_on:
            azure.tenant.tag(bot, {"local-auth-exempt": "until=2027-01-01"})
            azure.tenant.enable_keys(bot)

    azure.before(exempted_and_on_again)

    await both(azure)

    assert len(azure.writes) == 1
    assert bot.keys_on


async def test_under_trickle_each_keeps_its_own_limit(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    for number in range(12):
        tenant.add_account(f"bot-{number}", local_auth=True, patch=PatchForm.OK_200)
    azure = serve(tenant)

    swept = await both(azure, BRAKE="trickle", MAX_CHANGES_PER_SWEEP="3")

    assert 3 <= len(azure.writes) <= 6
    for results in swept.values():
        assert sum(result is Result.DISABLED for result in results.values()) <= 3


@settings(max_examples=6)
@given(
    st.lists(st.sampled_from(PatchForm), min_size=1, max_size=5),
    st.dictionaries(st.integers(0, 4), st.integers(1, 25), max_size=3),
)
def test_law_whoever_is_faster_no_account_is_written_while_exempt(
    forms: list[PatchForm], tagged_at: dict[int, int]
) -> None:
    tenant = Tenant.with_one_subscription()
    for number, form in enumerate(forms):
        tenant.add_account(f"bot-{number}", local_auth=True, patch=form, operation_seconds=2)
    with LocalAzure(tenant) as azure:
        seen = [0]
        tagged: dict[str, datetime] = {}

        def tag(request: SeenRequest) -> None:
            if request.method == "GET" and "/accounts/" in request.path:
                seen[0] += 1
                for number, moment in tagged_at.items():
                    if moment == seen[0] and number < len(forms):
                        azure.tenant.tag(f"bot-{number}", {"local-auth-exempt": "yes"})
                        tagged[f"bot-{number}"] = azure.now()

        azure.before(tag)

        asyncio.run(both(azure))

        for write in azure.writes:
            if "local-auth-exempt" in write.before.tags:
                name = write.account_id.rpartition("/")[2]
                assert write.at - tagged[name] <= timedelta(seconds=5)
        failing = {f"bot-{n}" for n, f in enumerate(forms) if f is PatchForm.OPERATION_FAILS}
        exempt = {each.name for each in azure.tenant.accounts if each.tags}
        assert keys_on(azure) <= failing | exempt


async def test_two_real_processes_do_no_harm_either(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    for number in range(8):
        tenant.add_account(
            f"bot-{number}", local_auth=True, operation_seconds=1, stale_reads=number % 2
        )
    tenant.add_account("keeps", local_auth=True, tags={"local-auth-exempt": "yes"})
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

    async def sweep_in_a_process() -> tuple[int | None, str]:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ONE_SWEEP,
            env={**os.environ, **azure.environ, "SWEEP_MODE": "enforce"},
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, err = await child.communicate()
        return child.returncode, err.decode()

    ended = await asyncio.gather(sweep_in_a_process(), sweep_in_a_process())

    assert [code for code, _ in ended] == [0, 0], ended
    assert first(azure, lambda o: o.path == "/subscriptions", 2) < first(
        azure, lambda o: o.method == "PATCH", 8
    ), "they did not overlap: this proves nothing"
    assert keys_on(azure) == {"keeps"}
    completed = azure.telemetry.events("SweepCompleted")
    told = [each["data"]["baseData"]["properties"] for each in completed]
    assert [each["whole"] for each in told] == ["true", "true"]
    outcomes = azure.telemetry.events("RemediationOutcome")
    results = {each["data"]["baseData"]["properties"]["result"] for each in outcomes}
    assert results <= HARMLESS
    assert arm(azure, tenant.account("keeps").id + "?api-version=2025-09-01").status == 200
