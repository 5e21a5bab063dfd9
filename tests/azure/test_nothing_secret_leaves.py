"""No token, no identity header, no signed URL and no connection string in any log or envelope."""

import asyncio
import io
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local_azure import LocalAzure, RunningClock, SeenRequest, Tenant, scenarios
from local_azure.faults import Fault
from tests.support.alone import alone
from tests.support.functions_worker import FunctionsWorker, Invocation
from tests.support.real_sweeps import TRACE_PARENT, insights, worker
from tests.support.serving import Serve

# As long as that no ordinary text contains one by chance.
SIGNATURE_LENGTH = 12


class Secrets:
    """What the servers were sent that nobody else may see, by what it is."""

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = {"token": set(), "header": set(), "signature": set()}

    def note(self, request: SeenRequest) -> None:
        """Remember what a request carried."""
        _, _, token = request.headers.get("Authorization", "").partition(" ")
        if token:
            # The claims are the same in each token: a token is known by its signature alone.
            self.found["token"] |= {token, token.rpartition(".")[2]}
        if header := request.headers.get("X-IDENTITY-HEADER"):
            self.found["header"].add(header)
        if request.host == "arm" and "api-version" in request.query:
            signed = {
                name: request.query[name] for name in ("c", "s", "h") if name in request.query
            }
            long = {value for value in signed.values() if len(value) >= SIGNATURE_LENGTH}
            self.found["signature"] |= long

    def within(self, text: str) -> set[str]:
        """Say which kinds of secret a text contains."""
        return {kind for kind, some in self.found.items() for secret in some if secret in text}


@contextmanager
def watched(*servers: LocalAzure) -> Iterator[Secrets]:
    """Collect the secrets that the servers are sent."""
    secrets = Secrets()
    removes = [server.before(secrets.note) for server in servers]
    try:
        yield secrets
    finally:
        for remove in removes:
            remove()


class Records(logging.Handler):
    """Every record of the process, as the most talkative formatter writes it."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one, with its traceback, its arguments and its extras."""
        self.texts.append(f"{self.format(record)}\n{record.__dict__!r}")


@contextmanager
def logged(level: int, *, everything: bool) -> Iterator[list[str]]:
    """Set the root as the Functions worker does; or every logger there is, the SDKs' too."""
    root = logging.getLogger()
    others = [
        logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger)
    ]
    before = [(logger, logger.level) for logger in (root, *others)]
    records = Records()
    root.addHandler(records)
    root.setLevel(level)
    if everything:
        for logger in others:
            logger.setLevel(level)
    try:
        yield records.texts
    finally:
        root.removeHandler(records)
        for logger, was in before:
            logger.setLevel(was)


def make_every_error_path_speak(azure: LocalAzure) -> list[Fault]:
    """Let Azure fail in as many ways as there are places, each with a text of its own."""
    on = azure.faults.on
    html = "<html><h1>502 Bad Gateway</h1></html>"
    graph = "Microsoft.ResourceGraph/resources/read"
    polls = "*/operationresults/*"
    return [
        on(action=graph).answer(429, {}, {"Retry-After": "1"}),
        on(action=graph, skip=1).answer(503, html),
        on(action=graph, skip=2).cut(),
        on(method="PATCH", path="*/mail-triage").answer(401, {"error": {"code": "Expired"}}),
        on(method="PATCH", path="*/doc-compare").cut(after_acting=True),
        on(method="PATCH", path="*/contract-review-test").answer(429, {}, {"Retry-After": "7200"}),
        on(method="PATCH", path="*/invoice-reader").answer(200, "{'not': json"),
        on(method="PATCH", path="*/ab-test-copy").answer(500, html),
        on(method="GET", path="*/cv-screening").answer(200, {"id": "nobody"}),
        on(method="GET", path="*/policy-bot").answer(401, {}),
        on(method="GET", path="*/payroll-faq", times=None).cut(),
        on(method="GET", path=polls).answer(500, html),
        on(method="GET", path=polls, skip=1, times=2).cut(),
        on(method="GET", path=polls, skip=3).answer(404, {"error": {"code": "NotFound"}}),
        on(method="GET", path=polls, skip=4).answer(200, "{'not': json"),
        on(method="GET", path=polls, skip=5).answer(403, {}),
    ]


@pytest.mark.parametrize(
    ("level", "everything"),
    [(logging.INFO, False), (logging.DEBUG, False), (logging.DEBUG, True)],
    ids=["INFO, as the worker sets it", "DEBUG, by a host setting", "DEBUG, of every logger"],
)
async def test_nothing_secret_is_in_any_log_record_or_envelope_whatever_goes_wrong(
    serve: Serve,
    capfd: pytest.CaptureFixture[str],
    level: int,
    everything: bool,  # noqa: FBT001 - parametrized
) -> None:
    azure = serve(scenarios.demo())
    faults = make_every_error_path_speak(azure)
    ingestion = insights()
    before = len(ingestion.telemetry)
    lost = ingestion.faults.on(host="ingestion").answer(500, {"errors": []})

    with watched(azure, ingestion) as secrets, logged(level, everything=everything) as texts:
        async with worker(azure, MAX_CHANGES_PER_SWEEP="100000") as functions:
            connection = os.environ["APPLICATIONINSIGHTS_CONNECTION_STRING"]
            invocation = await functions.fire(trace_parent=TRACE_PARENT)
    ingestion.faults.remove(lost)

    envelopes = ingestion.telemetry.envelopes[before:]
    assert [fault for fault in faults if not fault.hits] == []
    assert all(secrets.found.values())
    assert len(secrets.found["signature"]) > 10
    assert not invocation.succeeded
    assert len(texts) > 1
    assert len(envelopes) > 200
    out, err = capfd.readouterr()
    said = [*texts, out, err, invocation.message, invocation.stack_trace]
    for text in (*said, *(json.dumps(envelope) for envelope in envelopes)):
        assert secrets.within(text) == set(), text
        assert connection not in text
        assert "InstrumentationKey=" not in text


def test_the_watch_itself_sees_a_leak(serve: Serve) -> None:
    azure = serve()
    token = azure.token_for(azure.tenant.function)
    with watched(azure) as secrets:
        request = SeenRequest(
            1, azure.now(), "arm", "GET", "/x", {"api-version": "1", "s": "b" * 99},
            {"Authorization": f"Bearer {token}", "X-IDENTITY-HEADER": "h" * 32}, b"", None, None,
        )  # fmt: skip
        secrets.note(request)

    for kind, text in (("token", token), ("signature", "b" * 99), ("header", "h" * 32)):
        assert secrets.within(f"... {text} ...") == {kind}


async def _with_the_root_logger_at_info() -> dict[str, Any]:
    """Fire twice as in a deployed worker, whose root logger is at INFO and has a handler."""
    stream = io.StringIO()
    logging.basicConfig(level=logging.INFO, stream=stream)
    with LocalAzure(Tenant.with_one_subscription(), RunningClock()) as azure:
        os.environ.update(azure.environ, SWEEP_MODE="audit")
        functions = FunctionsWorker()
        await functions.load()
        fired: list[Invocation] = []
        sent: list[int] = []
        for _ in range(2):
            began = len(_ingested(azure))
            async with asyncio.timeout(10):
                fired.append(await functions.fire(trace_parent=TRACE_PARENT))
            ended = len(_ingested(azure))
            await asyncio.sleep(2.5)  # more than the log exporter's own rhythm
            sent += [ended - began, len(_ingested(azure)) - ended]
        await functions.close()
        types = {envelope["data"]["baseType"] for envelope in azure.telemetry}
        return {
            "succeeded": [invocation.succeeded for invocation in fired],
            "while it ran": [0 < sent[0] < 10, 0 < sent[2] < 10],
            "while idle": [sent[1], sent[3]],
            "log lines sent": "MessageData" in types,
            "logged": "Sweep" in stream.getvalue(),
        }


def _ingested(azure: LocalAzure) -> list[Any]:
    return [request for request in azure.operations if request.host == "ingestion"]


@pytest.mark.slow
async def test_the_exporter_is_not_fed_its_own_log_and_idle_traffic_stops() -> None:
    assert await alone(_with_the_root_logger_at_info) == {
        "succeeded": [True, True],
        "while it ran": [True, True],
        "while idle": [0, 0],
        "log lines sent": False,
        "logged": True,
    }
