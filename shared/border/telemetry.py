"""Border: events, metrics and spans leave for Application Insights.

The only module that knows the exporter. It is made once a process, since OpenTelemetry's providers
are. What is behind it (docs/facts.md, 5): the default sampler drops most spans; `force_flush` hangs
as long as the endpoint does; a queue of 2,048 loses the rest of a burst; a handler on the root
logger feeds the exporter its own log; the credential must be the sync kind.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from azure.core.credentials import TokenCredential
from azure.monitor.opentelemetry import configure_azure_monitor
from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import LogRecord
from opentelemetry.propagate import extract
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from shared.border.ledger import Ledger, Retries
from shared.border.transport import RequestRecord
from shared.core.addresses import Address
from shared.core.events import (
    ACCOUNTS,
    DURATION,
    REMEDIATIONS,
    REQUESTS,
    Event,
    SweepContext,
)
from shared.core.model import Clock
from shared.core.report import SweepReport
from shared.core.wire import identified, measurements, properties

_SCOPE = "keysweep"
# Nothing is ever logged under this name: plain log lines leave by the Functions host, once.
_LOGGER_NOBODY_USES = "keysweep.unused"
_FLUSH_SECONDS = 20.0
# How long announced changes wait for their acknowledgement: without it nothing is written.
_WITNESS_SECONDS = 60.0
# How often one looks whether enough was acknowledged, while a thread flushes.
_LOOK_SECONDS = 0.02
# Well below the exporter's queues of 2,048, so that a burst waits instead of being lost.
_MOST_PENDING = 1000
_BAD_REQUEST = 400
# What must not record itself: requests to Azure are recorded here, and no other.
_INSTRUMENTATIONS = (
    "azure_sdk", "django", "fastapi", "flask", "psycopg2", "requests", "urllib", "urllib3",
)  # fmt: skip


class Telemetry:
    """This process's way to Application Insights."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
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
    def request(self, method: str, address: Address) -> Iterator[RequestRecord]:
        """Record one attempt of a request as a dependency and in the metric."""
        record = RequestRecord()
        with self._tracer.start_as_current_span(
            f"{method} {address.path}",
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": method,
                "server.address": address.host,
                "server.port": address.port,
                "url.full": f"https://{address}",
            },
            record_exception=False,
        ) as span:
            try:
                yield record
            finally:
                if record.status is not None:
                    span.set_attribute("http.response.status_code", record.status)
                if record.status is None or record.status >= _BAD_REQUEST:
                    span.set_status(StatusCode.ERROR, record.outcome)
                self._requests.add(1, {"method": method, "outcome": record.outcome})

    async def emit(self, context: SweepContext, event: Event, seconds: float) -> None:
        """Send one event; wait for at most so many seconds while too many are on their way.

        Never raises: what can't be sent is counted, and `flush` says so.
        """
        context = identified(context, event)
        self._ledger.emitted(context)
        try:
            self._logger.emit(self._record(context, event))
        except Exception as error:  # noqa: BLE001 - telemetry that fails must stop no change half-way
            self._ledger.blame(error)
        if self._ledger.pending > _MOST_PENDING and not self._ledger.is_paused:
            await self._run(_flush_events, min(seconds, _FLUSH_SECONDS))
            if self._ledger.pending > _MOST_PENDING:
                self._ledger.write_off()

    def _record(self, context: SweepContext, event: Event) -> LogRecord:
        attributes: dict[str, Any] = {
            **properties(context),
            **properties(event),
            "microsoft.custom_event.name": event.name,
        }
        numbers = measurements(event)
        if numbers:
            attributes["microsoft.custom_measurements"] = json.dumps(numbers)
        moment = int(self._clock.now().timestamp() * 1e9)
        return LogRecord(timestamp=moment, attributes=attributes)

    async def acknowledged(
        self, context: SweepContext, events: Sequence[Event], seconds: float
    ) -> Sequence[Event]:
        """Return those of the events sent that Application Insights acknowledged.

        Waits until it has acknowledged all of them, or has failed; for so many seconds, and for a
        minute at most. Never raises.
        """
        by_id = {identified(context, event).event_id: event for event in events}

        def arrived() -> set[str]:
            return self._ledger.acknowledged(context.sweep_id, by_id.keys())

        def is_enough() -> bool:
            return len(arrived()) == len(by_id)

        if not is_enough():
            await self._run(_flush_events, min(seconds, _WITNESS_SECONDS), is_enough)
        return [by_id[event_id] for event_id in arrived()]

    def measure(self, report: SweepReport) -> None:
        """Record a finished sweep's metrics."""
        for verdict, count in report.verdicts.items():
            self._accounts.record(count, {"state": verdict.value})
        for result, count in report.results.items():
            self._remediations.add(count, {"result": result.value})
        self._duration.record(report.duration, {"mode": report.mode})

    async def flush(self, sweep_id: str, seconds: float = _FLUSH_SECONDS) -> None:
        """Wait until everything has left, for so many seconds at most.

        Raises TelemetryLost if Application Insights did not acknowledge every event of this sweep.
        """
        await self._run(_flush_all, min(seconds, _FLUSH_SECONDS))
        self._ledger.settle(sweep_id)

    async def _run(
        self,
        work: Callable[[], None],
        seconds: float,
        is_enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run blocking work in a thread that can be left behind when it hangs."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - nobody waits for a thread's exception
                self._ledger.blame(error)
            finally:
                # The loop is gone if the process ended while the endpoint hung.
                if not loop.is_closed():
                    loop.call_soon_threadsafe(done.set)

        try:
            threading.Thread(target=run, name="keysweep-flush", daemon=True).start()
        except RuntimeError as error:
            # OpenTelemetry's own thread goes on sending: what it sends in time is acknowledged.
            self._ledger.blame(error)
            return
        end = time.monotonic() + seconds
        while not done.is_set() and not is_enough():
            if time.monotonic() >= end:
                self._ledger.give_up(f"it did not answer within {seconds:.0f} s")
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), _LOOK_SECONDS)


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


_ledgers: dict[str, Ledger] = {}


def configure(
    connection_string: str, role: str, credential: Callable[[], TokenCredential], clock: Clock
) -> Telemetry:
    """Make this process's telemetry, or return to it.

    OpenTelemetry's providers can be set once a process: so can the connection string.
    """
    ledger = _ledgers.get(connection_string)
    if ledger is None:
        ledger = Ledger()
        logging.getLogger("azure").setLevel(logging.WARNING)
        configure_azure_monitor(
            connection_string=connection_string,
            credential=credential(),
            resource=Resource.create({"service.name": role}),
            logger_name=_LOGGER_NOBODY_USES,
            sampling_ratio=1.0,
            enable_live_metrics=False,
            enable_performance_counters=False,
            # The disk of a Function's instance is gone with it: what doesn't leave now is lost,
            # and the invocation says so.
            disable_offline_storage=True,
            instrumentation_options={name: {"enabled": False} for name in _INSTRUMENTATIONS},
            transport=ledger,
            retry_policy=Retries(),
        )
        # Not before: a process that could not start a thread for it tries again at its next tick.
        _ledgers[connection_string] = ledger
    return Telemetry(ledger, clock)
