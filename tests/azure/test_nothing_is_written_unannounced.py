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

from local_azure import LocalAzure, PatchForm, RunningClock, SeenRequest, Tenant, scenarios
from local_azure.exchange import Answer
from local_azure.faults import Fault
from shared.border import telemetry
from shared.core.errors import SweepNotWhole, TelemetryLost
from shared.core.model import Result
from tests.support.alone import alone
from tests.support.real_sweeps import Swept, insights, process, sweep, tick

type Serve = Callable[..., LocalAzure]
type Bend = Callable[[Answer], Answer]

NAMES = {"bot-0", "bot-1", "bot-2", "bot-3"}
QUARTER = 15 * 60


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Let all that a test's sweeps did not wait for leave before the next test."""
    yield
    for provider in (_logs.get_logger_provider(), metrics.get_meter_provider()):
        if isinstance(provider, LoggerProvider | MeterProvider):
            provider.force_flush()


def four_bots() -> Tenant:
    """Return four accounts adrift, whose updates take no time."""
    tenant = Tenant.with_one_subscription()
    for name in sorted(NAMES):
        tenant.add_account(name, local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    return tenant


def keys_on(azure: LocalAzure) -> set[str]:
    return {account.name for account in azure.tenant.accounts if account.keys_on}


def told(azure: LocalAzure, event: str) -> set[str]:
    """Return the ids of the accounts that events of one name are about, as they were received."""
    received = azure.telemetry.events(event)
    return {envelope["data"]["baseData"]["properties"]["accountId"] for envelope in received}


def patched_unannounced(azure: LocalAzure) -> list[str]:
    """Note each PATCH that arrives before its announcement did."""
    too_early: list[str] = []
    before = len(insights().telemetry)

    def look(request: SeenRequest) -> None:
        if request.method == "PATCH":
            events = insights().telemetry.envelopes[before:]
            announced = {
                event["data"]["baseData"]["properties"]["accountId"]
                for event in events
                if event["data"]["baseData"].get("name") == "DriftFound"
            }
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


def is_about(envelope: dict[str, Any], event: str, account: str) -> bool:
    data = envelope["data"]["baseData"]
    return bool(data.get("name") == event and data["properties"].get("accountName") == account)


def assert_not_begun(swept: Swept, azure: LocalAzure, names: set[str]) -> None:
    """Fail unless these accounts were put off for want of a witness, and the tick says so."""
    assert keys_on(azure) == names
    assert swept.error is not None
    whole_error = f"{swept.error} {swept.error.__context__}"
    changes = "1 change was" if len(names) == 1 else f"{len(names)} changes were"
    assert f"{changes} not begun" in whole_error


# A witness first


async def test_no_patch_arrives_before_its_announcement_is_acknowledged(serve: Serve) -> None:
    azure = serve(four_bots())
    too_early = patched_unannounced(azure)

    with at_ingestion() as fault:
        fault.hang(0.7)
        swept = await sweep(azure)

    assert (too_early, len(azure.writes), keys_on(azure)) == ([], 4, set())
    assert swept.whole


async def test_a_change_of_every_subscription_waits_for_the_same_witness(serve: Serve) -> None:
    azure = serve(scenarios.large(accounts=300, drifted=60, subscriptions=30))
    too_early = patched_unannounced(azure)

    swept = await sweep(azure, MAX_CHANGES_PER_SWEEP="1000")

    assert (too_early, len(azure.writes)) == ([], 60)
    assert swept.whole


@pytest.mark.parametrize("mode", ["audit", "enforce"])
async def test_audit_mode_waits_for_no_witness(serve: Serve, mode: str) -> None:
    azure = serve(four_bots())

    with batches() as arrived:
        await sweep(azure, mode)

    # Who waits for the announcements makes them leave before there are any outcomes.
    first = next(
        batch for batch in arrived if any(is_about(e, "DriftFound", "bot-0") for e in batch)
    )
    outcomes = [e for e in first if e["data"]["baseData"].get("name") == "RemediationOutcome"]
    assert bool(outcomes) is (mode == "audit")


async def test_audit_mode_is_done_though_nobody_acknowledges_anything(serve: Serve) -> None:
    azure = serve(four_bots())

    with at_ingestion() as fault:
        fault.answer(400)
        swept = await sweep(azure, "audit")

    assert isinstance(swept.error, TelemetryLost)
    assert swept.error.__context__ is None, "nothing was put off"


# Answers that acknowledge nothing


def answer(status: int, body: Any) -> Bend:
    return lambda bent: replace(bent, status=status, body=body)


def counted(received: Callable[[int], Any], accepted: Callable[[int], Any], *errors: Any) -> Bend:
    """Return what bends an answer's counts, which are made of how many were sent."""

    def bend(bent: Answer) -> Answer:
        sent = bent.body["itemsReceived"]
        body = {"itemsReceived": received(sent), "itemsAccepted": accepted(sent)}
        return replace(bent, body={**body, "errors": list(errors)})

    return bend


def same(sent: int) -> int:
    return sent


def one_less(sent: int) -> int:
    return sent - 1


NO_ACKNOWLEDGEMENTS: dict[str, Bend] = {
    "none accepted, and no error": counted(same, lambda _: 0),
    "one accepted less, and no error": counted(same, one_less),
    "one accepted more": counted(same, lambda sent: sent + 1),
    "one received less": counted(one_less, one_less),
    "counts of another batch": counted(lambda _: 512, lambda _: 512),
    "one accepted less, and an error without an index": counted(
        same, one_less, {"statusCode": 400}
    ),
    "all accepted, and an error without an index": counted(same, same, {"statusCode": 500}),
    "an error about an item that was not sent": counted(same, one_less, {"index": 10_000}),
    "an error about an item before the first": counted(same, one_less, {"index": -1}),
    "one item refused twice, two accepted less": counted(
        same, lambda sent: sent - 2, {"index": 0}, {"index": 0}
    ),
    "an error whose index is a truth": counted(same, one_less, {"index": True}),
    "errors that are no list": lambda bent: replace(bent, body={**bent.body, "errors": {"0": 1}}),
    "errors that are no objects": counted(same, one_less, "index 0"),
    "counts that are text": counted(str, str),
    "no counts": answer(200, {"errors": []}),
    "an empty object": answer(200, {}),
    "an empty body": answer(200, b""),
    "null": answer(200, b"null"),
    "a list": answer(200, []),
    "a page of a proxy": answer(200, "<html><h1>Sign in</h1></html>"),
    "deeply nested": answer(200, b"[" * 100_000),
    "half an answer": answer(200, b'{"itemsReceived": 5, "itemsAcc'),
    "no content": answer(204, b""),
    "accepted, to be looked at later": answer(202, {}),
}


@pytest.mark.parametrize("bend", NO_ACKNOWLEDGEMENTS.values(), ids=NO_ACKNOWLEDGEMENTS)
async def test_an_answer_that_does_not_account_for_every_item_acknowledges_none(
    serve: Serve, bend: Bend
) -> None:
    azure = serve(four_bots())

    with at_ingestion() as fault:
        fault.bend(bend)
        swept = await sweep(azure)

    assert azure.writes == ()
    assert_not_begun(swept, azure, NAMES)
    assert "acknowledged 0 of" in str(swept.error)


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_an_item_that_is_refused_by_its_index_holds_up_its_own_account_alone(
    serve: Serve, status: int
) -> None:
    azure = serve(four_bots())

    with batches() as arrived, at_ingestion() as fault:

        def refuse(bent: Answer) -> Answer:
            errors = [
                {"index": index, "statusCode": status, "message": "Not this one"}
                for index, envelope in enumerate(arrived[-1])
                if is_about(envelope, "DriftFound", "bot-2")
            ]
            sent = len(arrived[-1])
            body = {"itemsReceived": sent, "itemsAccepted": sent - len(errors), "errors": errors}
            return replace(bent, status=206 if errors else 200, body=body)

        fault.bend(refuse)
        swept = await sweep(azure)

    assert_not_begun(swept, azure, {"bot-2"})
    assert swept.results == {
        name: Result.DEFERRED if name == "bot-2" else Result.DISABLED for name in NAMES
    }
    assert "Not this one" in str(swept.error)
    (event,) = [e for e in swept.events("RemediationOutcome") if e["accountName"] == "bot-2"]
    assert "nothing is written unannounced" in event["detail"]
    assert event["accepted"] == "false"


# Acknowledgements that come late, after a retry, or are about something else


async def test_an_acknowledgement_after_a_retry_is_one(serve: Serve) -> None:
    azure = serve(four_bots())
    too_early = patched_unannounced(azure)

    with at_ingestion(times=2) as fault:
        fault.answer(503)
        swept = await sweep(azure)

    assert (fault.hits, too_early, keys_on(azure)) == (2, [], set())
    assert swept.whole


async def test_a_batch_that_is_taken_twice_is_told_twice_under_the_same_ids(serve: Serve) -> None:
    azure = serve(four_bots())
    too_early = patched_unannounced(azure)

    # Taken, and the answer got lost.
    with the_announcements(lambda fault: fault.answer(503, after_acting=True)):
        swept = await sweep(azure)

    announcements = swept.events("DriftFound")
    assert (len(announcements), len({event["eventId"] for event in announcements})) == (8, 4)
    assert (too_early, keys_on(azure), swept.error) == ([], set(), None)


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
            "put off": "4 changes were not begun" in str(getattr(first.error, "__context__", "")),
            "writes": [writes, then, len(azure.writes)],
            "lost": str(second.error),
            "in the end": str(third.error),
        }


async def test_an_acknowledgement_that_comes_too_late_begins_nothing_then_or_later() -> None:
    found = await alone(_late)

    assert (found["put off"], found["writes"]) == (True, [0, 0, 4])
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


# Application Insights goes away


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


async def test_while_application_insights_is_away_for_hours_nothing_is_written(
    serve: Serve,
) -> None:
    azure = serve(four_bots())
    before = len(insights().telemetry)

    async with process(azure) as same:
        with at_ingestion() as fault:
            fault.answer(400)
            for _ in range(8):
                swept = await tick(same)
                assert isinstance(swept.error, TelemetryLost)
                azure.clock.advance(QUARTER)
        during = len(azure.writes)
        swept = await tick(same)

    assert (during, len(azure.writes), swept.whole) == (0, 4, True)
    events = insights().telemetry.envelopes[before:]
    named = {
        event["data"]["baseData"]["properties"]["accountId"]
        for event in events
        if event["data"]["baseData"].get("name") == "DriftFound"
    }
    assert {write.account_id.lower() for write in azure.writes} <= named


ONE_SWEEP = """
import asyncio, os
from shared.bootstrap import Process, SystemClock
asyncio.run(Process(os.environ, SystemClock()).tick())
"""


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
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        ONE_SWEEP,
        env={**os.environ, **azure.environ, "SWEEP_MODE": "enforce"},
    )
    children.append(child.pid)
    ended = await child.wait()
    # The server goes on with what has arrived.
    await until(lambda: len(azure.writes) >= number)

    assert ended == -signal.SIGKILL
    wrote = {write.account_id.lower() for write in azure.writes}
    assert wrote <= told(azure, "DriftFound")
    assert len(told(azure, "RemediationOutcome")) < 4


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


def assert_every_write_is_told(swept: Swept, azure: LocalAzure) -> None:
    """Fail unless the sweep ran to its end, and every write was announced and has its outcome."""
    assert swept.events("SweepCompleted")
    assert set(swept.results) == NAMES
    wrote = {write.account_id.lower() for write in azure.writes}
    assert wrote <= {event["accountId"] for event in swept.events("DriftFound")}
    done = {e["accountId"] for e in swept.events("RemediationOutcome") if e["accepted"] == "true"}
    assert wrote == done


@pytest.mark.parametrize("skip", [0, 1], ids=["none at all", "none after the witness"])
async def test_a_thread_that_can_not_be_started_cancels_nothing_and_is_told(
    serve: Serve, skip: int
) -> None:
    azure = serve(four_bots())
    before = len(insights().telemetry)

    with no_thread("keysweep-flush", skip=skip) as refused:
        swept = await sweep(azure)

    def so_far() -> Swept:
        return replace(swept, envelopes=insights().telemetry.envelopes[before:])

    # OpenTelemetry's own thread goes on sending.
    await until(lambda: bool(so_far().events("SweepCompleted")))
    swept = so_far()

    assert refused
    assert_every_write_is_told(swept, azure)
    assert (len(azure.writes) == 4) is (skip == 1)
    if skip == 0:
        assert isinstance(swept.error, SweepNotWhole | TelemetryLost)


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

    assert (bool(refused), azure.writes) == (True, ())
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


async def test_telemetry_that_could_not_be_made_is_made_at_the_next_tick() -> None:
    refused, first, unwritten, second, writes, completed = await alone(_without_threads_at_first)

    assert refused
    assert (first, unwritten) == ("can't start new thread", 0)
    assert (second, writes, completed) == ("", 4, 1)


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
        first, second = await asyncio.gather(tick(same), tick(same))

    assert (too_early, keys_on(azure)) == ([], set())
    assert (first.error, second.error) == (None, None)
    for swept in (first, second):
        assert swept.report is not None
        assert len(swept.report.outcomes) == 4
        assert {outcome.result for outcome in swept.report.outcomes} <= {
            Result.DISABLED,
            Result.ALREADY_OFF,
            Result.BUSY,
        }
