"""Border: events, metrics and spans leave for Application Insights.

The only module that knows the exporter. It is made once a process, since OpenTelemetry's providers
are. What is behind it (docs/facts.md, 5): the default sampler drops most spans; `force_flush`
says True whatever happened and hangs as long as the endpoint does; a queue of 2,048 loses the rest
of a burst; a handler on the root logger feeds the exporter its own log; the credential must be the
sync kind. So what Application Insights acknowledged is counted where it answers, and nothing else
is believed.
"""

import asyncio
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError as SdkError
from azure.core.exceptions import ServiceRequestError, ServiceResponseTimeoutError
from azure.core.pipeline.transport import RequestsTransport
from azure.monitor.opentelemetry import configure_azure_monitor
from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import LogRecord
from opentelemetry.propagate import extract
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from shared.errors import TelemetryLost
from shared.events import (
    ACCOUNTS,
    DURATION,
    REMEDIATIONS,
    REQUESTS,
    Event,
    SweepContext,
    measurements,
    properties,
)
from shared.model import Clock
from shared.report import SweepReport

_SCOPE = "keysweep"
# Nothing is ever logged under this name: plain log lines leave by the Functions host, once.
_LOGGER_NOBODY_USES = "keysweep.unused"
_READ_SECONDS = 10.0
_FLUSH_SECONDS = 20.0
_DEAF_SECONDS = 30.0
_LONGEST_PAUSE = 2.0
# Well below the exporter's queues of 2,048, so that a burst waits instead of being lost.
_MOST_PENDING = 1000
_MOST_FAILURES = 3
_EVENT = re.compile(rb'"baseType":\s*"EventData"')
_BAD_REQUEST = 400


@dataclass(slots=True)
class RequestRecord:
    """One attempt of one request to Azure, as it goes on."""

    outcome: str = "no answer"

    def answered(self, status: int) -> None:
        """Note the status code of the answer."""
        self.outcome = str(status)


class Telemetry:
    """This process's way to Application Insights."""

    def __init__(self, ledger: "_Ledger", clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._logger = _logs.get_logger(_SCOPE)
        self._tracer = trace.get_tracer(_SCOPE)
        meter = metrics.get_meter(_SCOPE)
        self._accounts = meter.create_histogram(ACCOUNTS.name, ACCOUNTS.unit, ACCOUNTS.meaning)
        self._duration = meter.create_histogram(DURATION.name, DURATION.unit, DURATION.meaning)
        self._remediations = meter.create_counter(
            REMEDIATIONS.name, REMEDIATIONS.unit, REMEDIATIONS.meaning
        )
        self._requests = meter.create_counter(REQUESTS.name, REQUESTS.unit, REQUESTS.meaning)

    @contextmanager
    def operation(self, trace_parent: str, trace_state: str = "") -> Iterator[None]:
        """Open our own span under the invocation's, so that all of a sweep shares its id."""
        carrier = {"traceparent": trace_parent or "", "tracestate": trace_state or ""}
        with self._tracer.start_as_current_span("sweep", context=extract(carrier)):
            yield

    @contextmanager
    def request(self, method: str, host: str, path: str) -> Iterator[RequestRecord]:
        """Record one attempt of a request as a dependency and in the metric."""
        record = RequestRecord()
        address, _, port = host.partition(":")
        with self._tracer.start_as_current_span(
            f"{method} {path}",
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": method,
                "server.address": address,
                "server.port": int(port or 443),
                "url.full": f"https://{host}{path}",
            },
            record_exception=False,
        ) as span:
            try:
                yield record
            finally:
                if record.outcome.isdigit():
                    span.set_attribute("http.response.status_code", int(record.outcome))
                if not record.outcome.isdigit() or int(record.outcome) >= _BAD_REQUEST:
                    span.set_status(StatusCode.ERROR, record.outcome)
                self._requests.add(1, {"method": method, "outcome": record.outcome})

    async def emit(self, context: SweepContext, event: Event) -> None:
        """Send one event; wait while too many are on their way."""
        attributes: dict[str, Any] = {
            **properties(context),
            **properties(event),
            "microsoft.custom_event.name": event.name,
        }
        numbers = measurements(event)
        if numbers:
            attributes["microsoft.custom_measurements"] = json.dumps(numbers)
        moment = int(self._clock.now().timestamp() * 1e9)
        self._logger.emit(LogRecord(timestamp=moment, attributes=attributes))
        if self._ledger.pending > _MOST_PENDING and not self._ledger.deaf:
            await self._run(_flush_events)
            self._ledger.write_off(_MOST_PENDING)

    def measure(self, report: SweepReport) -> None:
        """Record a finished sweep's metrics."""
        for verdict, count in report.verdicts.items():
            self._accounts.record(count, {"state": verdict.value})
        for result, count in report.results.items():
            self._remediations.add(count, {"result": result.value})
        self._duration.record(report.duration, {"mode": report.mode})

    async def flush(self) -> None:
        """Wait until everything has left, for 20 s at most.

        Raises TelemetryLost if Application Insights did not acknowledge every event.
        """
        await self._run(_flush_all)
        self._ledger.settle()

    async def _run(self, work: Callable[[], None]) -> None:
        """Run blocking work in a thread that can be left behind when it hangs."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def run() -> None:
            try:
                work()
            finally:
                # The loop is gone if the process ended while the endpoint hung.
                if not loop.is_closed():
                    loop.call_soon_threadsafe(done.set)

        threading.Thread(target=run, name="keysweep-flush", daemon=True).start()
        try:
            await asyncio.wait_for(done.wait(), _FLUSH_SECONDS)
        except TimeoutError:
            self._ledger.give_up(f"it did not answer within {_FLUSH_SECONDS:.0f} s")


def _flush_events() -> None:
    provider = _logs.get_logger_provider()
    if isinstance(provider, LoggerProvider):
        provider.force_flush()


def _flush_all() -> None:
    _flush_events()
    meters, tracers = metrics.get_meter_provider(), trace.get_tracer_provider()
    if isinstance(meters, MeterProvider):
        meters.force_flush()
    if isinstance(tracers, TracerProvider):
        tracers.force_flush()


class _Ledger(RequestsTransport):  # type: ignore[misc] # azure-core loads it lazily, untyped
    """Carries everything to Application Insights, and counts the events that it acknowledged."""

    def __init__(self) -> None:
        super().__init__(connection_timeout=_READ_SECONDS, read_timeout=_READ_SECONDS)
        self._guard = threading.Lock()
        self._emitted = 0
        self._acknowledged = 0
        self._lost = 0
        self._book = 0
        self._problem = ""
        self._deaf_until = 0.0
        self._failures = 0
        self._given_up = 0

    @property
    def pending(self) -> int:
        """Events that were emitted, and neither acknowledged nor given up."""
        with self._guard:
            return self._emitted - self._acknowledged - self._lost

    @property
    def deaf(self) -> bool:
        """Whether Application Insights failed to answer a moment ago."""
        return time.monotonic() < self._deaf_until

    def emitted(self) -> None:
        """Count an event that was handed to the exporter."""
        with self._guard:
            self._emitted += 1

    def give_up(self, problem: str) -> None:
        """Wait for Application Insights no longer, for a while."""
        self._problem = problem
        # Each time of a sweep for longer: what is down for good must not cost it all its time.
        self._deaf_until = time.monotonic() + _DEAF_SECONDS * 2**self._given_up
        self._given_up += 1

    def write_off(self, most: int) -> None:
        """Wait no longer for events that a flush left behind, if there are more than so many."""
        with self._guard:
            pending = self._emitted - self._acknowledged - self._lost
            if pending <= most:
                return
            self._lost += pending
        if not self.deaf:
            self.give_up(self._problem)

    def settle(self) -> None:
        """Close the books of a sweep. Raises TelemetryLost if they don't balance."""
        with self._guard:
            lost = self._emitted - self._acknowledged
            emitted, acknowledged, problem = self._emitted, self._acknowledged, self._problem
            self._emitted = self._acknowledged = self._lost = 0
            self._book += 1
            self._problem = ""
            # The next sweep tries again, whatever this one met.
            self._deaf_until, self._failures, self._given_up = 0.0, 0, 0
        if lost > 0:
            raise TelemetryLost(emitted, acknowledged, problem)

    def sleep(self, duration: float) -> None:
        """Pause between attempts: Retry-After has no ceiling, and the invocation waits for this."""
        super().sleep(min(duration, _LONGEST_PAUSE))

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Send a batch, and note how many events of it were taken."""
        book = self._book
        if self.deaf:
            raise ServiceRequestError(f"Application Insights: {self._problem}")
        try:
            response = super().send(request, **kwargs)
        except SdkError as error:
            self._problem = f"{type(error).__name__}: {error}"[:300]
            self._failures += 1
            # A connection that is cut is tried again; one that hangs would take all the time.
            if isinstance(error, ServiceResponseTimeoutError) or self._failures == _MOST_FAILURES:
                self.give_up(self._problem)
            raise
        self._failures = 0
        self._note(request, response, book)
        return response

    def _note(self, request: Any, response: Any, book: int) -> None:
        body = request.content if hasattr(request, "content") else request.data
        sent = _events_in(body)
        refused = 0
        if response.status_code not in {200, 206}:
            self._problem = f"it answered {response.status_code}"
            return
        errors = _errors_in(response.body() if callable(response.body) else response.content)
        if errors is None:
            self._problem = "its answer was none of Application Insights': a proxy's, perhaps"
            return
        if errors:
            envelopes = json.loads(body)
            indexes = {each.get("index") for each in errors}
            refused = sum(
                _is_event(envelope) for index, envelope in enumerate(envelopes) if index in indexes
            )
            self._problem = f"it refused items: {errors[0].get('message', '')}"
        with self._guard:
            # A batch that a sweep gave up on may arrive late: it balances nobody else's book.
            if book == self._book:
                self._acknowledged += sent - refused


def _events_in(body: Any) -> int:
    raw = body.encode() if isinstance(body, str) else bytes(body or b"")
    return len(_EVENT.findall(raw))


def _errors_in(body: bytes) -> list[dict[str, Any]] | None:
    """Return the items that were refused; None if this is no answer of Application Insights."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    if not isinstance(answer, dict) or "itemsAccepted" not in answer:
        return None
    errors = answer.get("errors") or []
    return [each for each in errors if isinstance(each, dict)]


def _is_event(envelope: Mapping[str, Any]) -> bool:
    data = envelope.get("data")
    return isinstance(data, dict) and data.get("baseType") == "EventData"


class _Tally(LogRecordProcessor):
    """Counts each event as it is handed to the exporter."""

    def __init__(self, ledger: _Ledger) -> None:
        self._ledger = ledger

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:  # noqa: ARG002 - it is only counted
        """Count one."""
        self._ledger.emitted()

    def shutdown(self) -> None:
        """Nothing to shut down."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002
        """Nothing to flush."""
        return True


_ledgers: dict[str, _Ledger] = {}


def configure(
    connection_string: str, role: str, credential: Callable[[], TokenCredential], clock: Clock
) -> Telemetry:
    """Make this process's telemetry, or return to it.

    OpenTelemetry's providers can be set once a process: so can the connection string.
    """
    ledger = _ledgers.get(connection_string)
    if ledger is None:
        ledger = _ledgers[connection_string] = _Ledger()
        logging.getLogger("azure").setLevel(logging.WARNING)
        configure_azure_monitor(
            connection_string=connection_string,
            credential=credential(),
            resource=Resource.create({"service.name": role}),
            logger_name=_LOGGER_NOBODY_USES,
            log_record_processors=[_Tally(ledger)],
            sampling_ratio=1.0,
            enable_live_metrics=False,
            enable_performance_counters=False,
            # The disk of a Function's instance is gone with it: what doesn't leave now is lost,
            # and the invocation says so.
            disable_offline_storage=True,
            instrumentation_options={
                name: {"enabled": False}
                for name in (
                    "azure_sdk",
                    "django",
                    "fastapi",
                    "flask",
                    "psycopg2",
                    "requests",
                    "urllib",
                    "urllib3",
                )
            },
            transport=ledger,
            retry_total=3,
            retry_connect=1,
            retry_backoff_max=_LONGEST_PAUSE,
        )
    return Telemetry(ledger, clock)
