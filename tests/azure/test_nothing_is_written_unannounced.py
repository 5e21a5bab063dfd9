"""No PATCH leaves before Application Insights acknowledged the DriftFound that announces it.

The judge is the servers' own state: which announcements Application Insights had at the moment of
each PATCH, and which writes Azure accepted.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry import _logs, metrics
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider

from local_azure import LocalAzure, RunningClock, SeenRequest, Tenant, scenarios
from local_azure.exchange import Answer
from local_azure.faults import Fault
from shared.border import telemetry
from shared.core.errors import SweepNotWhole, TelemetryLost
from shared.core.model import Result
from tests.support.alone import alone
from tests.support.contoso import adrift, keys_on
from tests.support.real_sweeps import (
    ONE_SWEEP,
    Swept,
    exporters_timer_fires,
    insights,
    process,
    sweep,
    tick,
)
from tests.support.serving import Serve

NAMES = {"bot-0", "bot-1", "bot-2", "bot-3"}


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Let all that a test's sweeps did not wait for leave before the next test."""
    yield
    for provider in (_logs.get_logger_provider(), metrics.get_meter_provider()):
        if isinstance(provider, LoggerProvider | MeterProvider):
            provider.force_flush()


def four_bots() -> Tenant:
    return adrift(*sorted(NAMES))


def about(envelopes: list[dict[str, Any]], event: str) -> set[str]:
    """Return the ids of the accounts that events of one name are about."""
    events = [envelope["data"]["baseData"] for envelope in envelopes]
    return {found["properties"]["accountId"] for found in events if found.get("name") == event}


def patched_unannounced(azure: LocalAzure) -> list[str]:
    """Note each PATCH that arrives before its announcement did."""
    too_early: list[str] = []
    before = len(insights().telemetry)

    def look(request: SeenRequest) -> None:
        if request.method == "PATCH":
            announced = about(insights().telemetry.envelopes[before:], "DriftFound")
            if request.path.lower() not in announced:
                too_early.append(request.path)

    azure.before(look)
    return too_early


@contextmanager
def at_ingestion(**place: Any) -> Iterator[Fault]:
    """Give a fault of Application Insights, for as long as the context."""
    fault = insights().faults.on(host="ingestion", **{"times": None, **place})
    try:
        yield fault
    finally:
        insights().faults.remove(fault)


@contextmanager
def the_announcements(strike: Callable[[Fault], Fault]) -> Iterator[None]:
    """Let a fault of Application Insights strike the first batch that announces a change."""
    struck: list[Fault] = []

    def note(request: SeenRequest) -> None:
        if request.host == "ingestion" and b'"DriftFound"' in request.body and not struck:
            struck.append(strike(insights().faults.on(host="ingestion")))

    remove = insights().before(note)
    try:
        yield
    finally:
        remove()
        assert struck, "nothing was announced: this proves nothing"
        insights().faults.remove(struck[0])


@contextmanager
def batches() -> Iterator[list[list[dict[str, Any]]]]:
    """Keep the batches of envelopes, as they arrive at Application Insights."""
    arrived: list[list[dict[str, Any]]] = []

    def keep(request: SeenRequest) -> None:
        if request.host == "ingestion":
            arrived.append(json.loads(request.body))

    remove = insights().before(keep)
    try:
        yield arrived
    finally:
        remove()


def assert_not_begun(swept: Swept, azure: LocalAzure, names: set[str]) -> None:
    """Fail unless these accounts were put off for want of a witness, and the tick says so."""
    assert keys_on(azure) == names
    assert swept.error is not None
    changes = "1 change was" if len(names) == 1 else f"{len(names)} changes were"
    assert f"{changes} not begun" in f"{swept.error} {swept.error.__context__}"


# A witness first


async def test_no_patch_arrives_before_its_announcement_is_acknowledged(serve: Serve) -> None:
    azure = serve(four_bots())
    too_early = patched_unannounced(azure)

    with at_ingestion() as fault:
        fault.hang(0.7)
        swept = await sweep(azure)

    assert too_early == []
    assert keys_on(azure) == set()
    assert swept.whole


# Answers that acknowledge nothing, or not all


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, {"itemsReceived": 1, "itemsAccepted": 0, "errors": []}), (204, b""), (202, {})],
    ids=["none accepted", "no content", "accepted, to be looked at later"],
)
async def test_an_answer_that_does_not_account_for_every_item_acknowledges_none(
    serve: Serve, status: int, body: Any
) -> None:
    azure = serve(four_bots())

    with at_ingestion() as fault:
        fault.bend(lambda answer: replace(answer, status=status, body=body))
        swept = await sweep(azure)

    assert_not_begun(swept, azure, NAMES)
    assert "acknowledged 0 of" in str(swept.error)


async def test_an_item_that_is_refused_by_its_index_holds_up_its_own_account_alone(
    serve: Serve,
) -> None:
    azure = serve(four_bots())

    with batches() as arrived, at_ingestion() as fault:

        def refuse(bent: Answer) -> Answer:
            sent = [envelope["data"]["baseData"] for envelope in arrived[-1]]
            errors = [
                {"index": index, "statusCode": 400, "message": "Not this one"}
                for index, event in enumerate(sent)
                if event.get("name") == "DriftFound"
                and event["properties"]["accountName"] == "bot-2"
            ]
            accepted = len(sent) - len(errors)
            body = {"itemsReceived": len(sent), "itemsAccepted": accepted, "errors": errors}
            return replace(bent, status=206 if errors else 200, body=body)

        fault.bend(refuse)
        swept = await sweep(azure)

    assert_not_begun(swept, azure, {"bot-2"})
    assert swept.results["bot-2"] is Result.DEFERRED
    assert "Not this one" in str(swept.error)


# Acknowledgements that come late, or after a retry


async def test_a_batch_that_is_taken_twice_is_told_twice_under_the_same_ids(serve: Serve) -> None:
    azure = serve(four_bots())
    too_early = patched_unannounced(azure)

    # Taken, and the answer got lost.
    with the_announcements(lambda fault: fault.answer(503, after_acting=True)):
        swept = await sweep(azure)

    announcements = swept.events("DriftFound")
    assert len(announcements) == 8
    assert len({event["eventId"] for event in announcements}) == 4
    assert too_early == []
    assert keys_on(azure) == set()
    assert swept.whole


async def until(happened: Callable[[], bool]) -> None:
    """Wait for what another thread or process does: for 20 s at most."""
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - it happens in no event loop of ours
            await asyncio.sleep(0.02)


async def _late() -> dict[str, Any]:
    """Sweep while the acknowledgement takes longer than anybody waits; then twice more."""
    telemetry._WITNESS_SECONDS = telemetry._FLUSH_SECONDS = 0.5
    with LocalAzure(four_bots(), RunningClock()) as azure:
        with the_announcements(lambda fault: fault.hang(3)):
            first = await sweep(azure)
            writes = len(azure.writes)
            await until(lambda: bool(insights().telemetry.events("DriftFound")))
        with at_ingestion() as fault:
            fault.answer(400)
            second = await sweep(azure)
        then = len(azure.writes)
        telemetry._WITNESS_SECONDS = telemetry._FLUSH_SECONDS = 20.0
        third = await sweep(azure)
        return {
            "put off": f"{first.error} {getattr(first.error, '__context__', '')}",
            "writes": [writes, then, len(azure.writes)],
            "lost": str(second.error),
            "in the end": str(third.error),
        }


@pytest.mark.slow
async def test_an_acknowledgement_that_comes_too_late_begins_nothing_then_or_later() -> None:
    found = await alone(_late)

    assert "4 changes were not begun" in found["put off"]
    assert found["writes"] == [0, 0, 4]
    assert "acknowledged 0 of" in found["lost"]
    assert found["in the end"] == "None"


async def test_what_an_earlier_sweep_left_behind_makes_up_for_nothing_that_this_one_lost(
    serve: Serve,
) -> None:
    azure = serve(four_bots())
    with no_thread("keysweep-flush"):
        # Nothing is waited for: its events are still on their way when it has ended.
        await sweep(azure, "audit")

    with batches() as arrived, at_ingestion() as fault:

        def lose_the_start(bent: Answer) -> Answer:
            sent = arrived[-1]
            errors = [
                {"index": index, "statusCode": 400, "message": "Lost"}
                for index, envelope in enumerate(sent)
                if envelope["data"]["baseData"].get("name") == "SweepCompleted"
            ]
            body = {
                "itemsReceived": len(sent),
                "itemsAccepted": len(sent) - len(errors),
                "errors": errors,
            }
            return replace(bent, status=206, body=body)

        fault.bend(lose_the_start)
        swept = await sweep(azure, "audit")

    assert isinstance(swept.error, TelemetryLost)
    assert swept.error.emitted - swept.error.acknowledged == 1


# What goes away


async def test_an_ingestion_that_dies_between_announcement_and_write_leaves_a_change_announced(
    serve: Serve,
) -> None:
    azure = serve(four_bots())
    dead: list[Fault] = []

    def die(request: SeenRequest) -> None:
        if request.method == "PATCH" and not dead:
            dead.append(insights().faults.on(host="ingestion", times=None).answer(400))

    azure.before(die)
    swept = await sweep(azure)
    insights().faults.remove(dead[0])

    assert len(azure.writes) == 4
    assert isinstance(swept.error, TelemetryLost)
    # Announced, and without an outcome: "not told".
    assert {event["accountName"] for event in swept.events("DriftFound")} == NAMES
    assert swept.events("RemediationOutcome") == []


@pytest.mark.parametrize("number", [1, 4])
async def test_a_process_that_is_killed_leaves_no_write_that_was_not_announced(
    serve: Serve, number: int
) -> None:
    azure = serve(four_bots(), clock=RunningClock())
    children: list[int] = []
    patches: list[str] = []

    def kill(request: SeenRequest) -> None:
        if request.method == "PATCH":
            patches.append(request.path)
            if len(patches) == number:
                os.kill(children[0], signal.SIGKILL)

    azure.before(kill)
    environ = {**os.environ, **azure.environ, "SWEEP_MODE": "enforce"}
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", ONE_SWEEP, env=environ)
    children.append(child.pid)
    ended = await child.wait()
    # The server goes on with what has arrived.
    await until(lambda: len(azure.writes) >= number)

    assert ended == -signal.SIGKILL
    wrote = {write.account_id.lower() for write in azure.writes}
    assert wrote <= about(azure.telemetry.envelopes, "DriftFound")
    assert len(about(azure.telemetry.envelopes, "RemediationOutcome")) < 4


# Threads that can't be started, and an OpenTelemetry that raises


@contextmanager
def no_thread(name: str, *, skip: int = 0) -> Iterator[list[str]]:
    """Let no thread of this name be started, but for the first few; give those that were refused.

    So the operating system refuses: RuntimeError, "can't start new thread".
    """
    refused: list[str] = []
    started = [0]
    start = threading.Thread.start

    def refusing(thread: threading.Thread) -> None:
        if thread.name.startswith(name):
            started[0] += 1
            if started[0] > skip:
                refused.append(thread.name)
                raise RuntimeError("can't start new thread")
        start(thread)

    threading.Thread.start = refusing  # type: ignore[assignment,method-assign]
    try:
        yield refused
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]


@pytest.mark.parametrize("skip", [0, 1], ids=["none at all", "none after the witness"])
async def test_a_thread_that_can_not_be_started_cancels_nothing_and_is_told(
    serve: Serve, skip: int
) -> None:
    azure = serve(four_bots())
    before = len(insights().telemetry)

    with no_thread("keysweep-flush", skip=skip) as refused:
        swept = await sweep(azure)

    exporters_timer_fires()
    swept = replace(swept, envelopes=insights().telemetry.envelopes[before:])

    assert refused
    assert set(swept.results) == NAMES
    assert len(azure.writes) == (4 if skip else 0)
    accepted = {
        e["accountId"] for e in swept.events("RemediationOutcome") if e["accepted"] == "true"
    }
    assert {write.account_id.lower() for write in azure.writes} == accepted
    assert skip or isinstance(swept.error, SweepNotWhole | TelemetryLost)


@pytest.mark.slow
async def test_a_thread_that_can_not_be_started_in_a_burst_stops_no_change(serve: Serve) -> None:
    azure = serve(scenarios.large(accounts=1_100, drifted=1_100, subscriptions=10))
    too_early = patched_unannounced(azure)

    with no_thread("keysweep-flush") as refused:
        swept = await sweep(azure, MAX_CHANGES_PER_SWEEP="10000", SWEEP_BUDGET_SECONDS="60")

    assert refused
    assert too_early == []
    assert swept.error is not None


@pytest.mark.parametrize("wanted_for", ["the token", "the host's address"])
async def test_a_thread_that_can_not_be_started_for_a_request_is_a_gap(
    serve: Serve, wanted_for: str
) -> None:
    azure = serve(four_bots())
    loop, executor = asyncio.get_running_loop(), ThreadPoolExecutor(1, "no-thread")

    def from_now_on(request: SeenRequest) -> None:
        if request.host == "identity":
            loop.call_soon_threadsafe(loop.set_default_executor, executor)

    if wanted_for == "the token":
        loop.set_default_executor(executor)
    else:
        azure.before(from_now_on)
    with no_thread("no-thread") as refused:
        # Names of hosts are looked up in a thread, addresses are not.
        by_name = azure.environ["ARM_ENDPOINT"].replace("127.0.0.1", "localhost")
        swept = await sweep(azure, ARM_ENDPOINT=by_name)

    assert refused
    assert azure.writes == ()
    assert "can't start new thread" in str(swept.error)
    assert {gap["gapKind"] for gap in swept.events("CoverageGap")} == {"tenant"}
    assert len(swept.events("SweepCompleted")) == 1


async def _without_threads_at_first() -> list[Any]:
    """Tick twice in a process whose telemetry can't start a thread when it is first made."""
    with LocalAzure(four_bots(), RunningClock()) as azure:
        environ = {**azure.environ, "SWEEP_MODE": "enforce"}
        os.environ.update(environ)
        from shared.bootstrap import Process, SystemClock  # noqa: PLC0415 - the environment is set

        one = Process(environ, SystemClock())
        with no_thread("OtelBatch", skip=1) as refused:
            try:
                await one.tick()
                first = ""
            except RuntimeError as error:
                first = str(error)
        unwritten = len(azure.writes)
        try:
            await one.tick()
            second = ""
        except Exception as error:  # noqa: BLE001 - a story tells what it met
            second = str(error)
        await one.close()
        events = [e["data"]["baseData"]["name"] for e in azure.telemetry.events()]
        return [
            refused,
            first,
            unwritten,
            second,
            len(azure.writes),
            events.count("SweepCompleted"),
        ]


@pytest.mark.slow
async def test_telemetry_that_could_not_be_made_is_made_at_the_next_tick() -> None:
    refused, first, unwritten, second, writes, completed = await alone(_without_threads_at_first)

    assert refused
    assert first == "can't start new thread"
    assert unwritten == 0, "something was written without telemetry"
    assert second == ""
    assert writes == 4
    assert completed == 1


@pytest.mark.parametrize("event", ["SweepStarted", "DriftFound", "RemediationOutcome"])
async def test_an_opentelemetry_that_raises_cancels_nothing_and_is_told(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    azure = serve(four_bots())
    too_early = patched_unannounced(azure)
    logger = type(_logs.get_logger("keysweep"))
    emit = logger.emit

    def raising(self: Any, record: Any = None, **more: Any) -> None:
        if (record.attributes or {}).get("microsoft.custom_event.name") == event:
            raise MemoryError("no room for another event")
        emit(self, record, **more)

    monkeypatch.setattr(logger, "emit", raising)

    swept = await sweep(azure)

    assert isinstance(swept.error, TelemetryLost)
    assert "no room for another event" in str(swept.error)
    assert swept.events("SweepCompleted")
    assert too_early == []
    assert len(azure.writes) == (0 if event == "DriftFound" else 4)


@pytest.mark.parametrize("provider", [LoggerProvider, MeterProvider])
async def test_a_flush_that_raises_cancels_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, provider: type
) -> None:
    azure = serve(four_bots())
    too_early = patched_unannounced(azure)

    def raising(_: object, *__: object) -> bool:
        raise MemoryError("no room for a flush")

    monkeypatch.setattr(provider, "force_flush", raising)

    began = time.monotonic()
    swept = await sweep(azure)

    assert too_early == []
    assert time.monotonic() - began < 30
    assert set(swept.results) <= NAMES
    if provider is LoggerProvider:
        assert "no room for a flush" in str(swept.error)
    else:
        assert swept.error is None


# Ticks that overlap


async def test_ticks_that_overlap_in_one_process_each_have_their_own_witness(serve: Serve) -> None:
    azure = serve(four_bots())
    too_early = patched_unannounced(azure)

    async with process(azure) as same:
        both = await asyncio.gather(tick(same), tick(same))

    assert too_early == []
    assert keys_on(azure) == set()
    for swept in both:
        assert swept.error is None
        assert swept.report is not None
        assert len(swept.report.outcomes) == 4
