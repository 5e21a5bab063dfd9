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
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError as SdkError
from azure.core.exceptions import ServiceRequestError, ServiceResponseTimeoutError
from azure.core.pipeline.transport import RequestsTransport
from azure.monitor.opentelemetry import configure_azure_monitor
from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import LogRecord
from opentelemetry.propagate import extract
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from shared.core.addresses import Address
from shared.core.errors import TelemetryLost
from shared.core.events import (
    ACCOUNTS,
    DURATION,
    REMEDIATIONS,
    REQUESTS,
    Event,
    SweepContext,
    identified,
    measurements,
    properties,
)
from shared.core.model import Clock
from shared.core.report import SweepReport

_SCOPE = "keysweep"
# Nothing is ever logged under this name: plain log lines leave by the Functions host, once.
_LOGGER_NOBODY_USES = "keysweep.unused"
_READ_SECONDS = 10.0
_FLUSH_SECONDS = 20.0
# How long announced changes wait for their acknowledgement: without it nothing is written.
_WITNESS_SECONDS = 60.0
# How long nothing is sent to an Application Insights that did not answer.
_PAUSE_SECONDS = 30.0
_LONGEST_RETRY_PAUSE = 2.0
# Well below the exporter's queues of 2,048, so that a burst waits instead of being lost.
_MOST_PENDING = 1000
_MOST_FAILURES = 3
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
                if record.outcome.isdigit():
                    span.set_attribute("http.response.status_code", int(record.outcome))
                if not record.outcome.isdigit() or int(record.outcome) >= _BAD_REQUEST:
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
            self._ledger.write_off(_MOST_PENDING)

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
        enough = self._ledger.when_acknowledged(context.sweep_id, frozenset(by_id))
        if not enough.has_happened:
            await self._run(_flush_events, min(seconds, _WITNESS_SECONDS), enough)
        arrived = self._ledger.acknowledged_of(context.sweep_id, by_id.keys())
        return [event for event_id, event in by_id.items() if event_id in arrived]

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
        self, work: Callable[[], None], seconds: float, enough: "_Signal | None" = None
    ) -> None:
        """Run blocking work in a thread that can be left behind when it hangs.

        `enough` ends the wait for it early.
        """
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def end() -> None:
            # The loop is gone if the process ended while the endpoint hung.
            if not loop.is_closed():
                loop.call_soon_threadsafe(done.set)

        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - nobody waits for a thread's exception
                self._ledger.blame(error)
            finally:
                end()

        if enough is not None:
            enough.then(end)
        try:
            threading.Thread(target=run, name="keysweep-flush", daemon=True).start()
        except RuntimeError as error:
            # OpenTelemetry's own thread goes on sending: what it sends in time is acknowledged.
            self._ledger.blame(error)
            return
        try:
            await asyncio.wait_for(done.wait(), seconds)
        except TimeoutError:
            self._ledger.give_up(f"it did not answer within {seconds:.0f} s")


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


class _Signal:
    """Something that happens once, in any thread, and one action that is taken when it does."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._happened = False
        self._then: Callable[[], None] | None = None

    @property
    def has_happened(self) -> bool:
        """Whether it has happened."""
        return self._happened

    def then(self, action: Callable[[], None]) -> None:
        """Set the action; it is taken at once if it has happened already."""
        with self._guard:
            self._then = action
            happened = self._happened
        if happened:
            action()

    def happen(self) -> None:
        """Say that it has happened: the action is taken."""
        with self._guard:
            self._happened, action = True, self._then
        if action is not None:
            action()


@dataclass(slots=True)
class _Book:
    """The events of one sweep, by their ids."""

    emitted: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    """Handed to the exporter, and neither acknowledged nor written off."""
    awaited: frozenset[str] = frozenset()
    all_there: _Signal = field(default_factory=_Signal)
    """Happens when all that are awaited are acknowledged."""


class PlainTransport(RequestsTransport):  # type: ignore[misc] # azure-core loads it lazily, untyped
    """A connection pool that takes nothing from `~/.netrc`.

    `requests` puts a password from there in place of the token (requests 2.34, read), for every
    host that is named there, unless somebody else says what authorization there is.
    """

    def _init_session(self, session: Any) -> None:
        super()._init_session(session)
        session.auth = _as_it_is


def _as_it_is(request: Any) -> Any:
    """Leave a request with the authorization that it has."""
    return request


class _Ledger(PlainTransport):
    """Carries everything to Application Insights, and notes the events that it acknowledged.

    Each sweep has a book of its own, in which its events stand by their ids. So an acknowledgement
    of what another sweep left behind, or one that arrives after its sweep has ended, makes up for
    no event that was lost.
    """

    def __init__(self) -> None:
        super().__init__(connection_timeout=_READ_SECONDS, read_timeout=_READ_SECONDS)
        self._guard = threading.Lock()
        self._books: dict[str, _Book] = {}
        self._problem = ""
        self._paused_until = 0.0
        self._failures = 0
        self._given_up = 0

    @property
    def pending(self) -> int:
        """Events that were emitted, and neither acknowledged nor given up."""
        with self._guard:
            return sum(len(book.pending) for book in self._books.values())

    @property
    def is_paused(self) -> bool:
        """Whether Application Insights failed to answer a moment ago."""
        return time.monotonic() < self._paused_until

    def emitted(self, context: SweepContext) -> None:
        """Note an event that is handed to the exporter."""
        with self._guard:
            book = self._books.setdefault(context.sweep_id, _Book())
            book.emitted.add(context.event_id)
            book.pending.add(context.event_id)

    def acknowledged_of(self, sweep_id: str, event_ids: Collection[str]) -> set[str]:
        """Return those of a sweep's events that Application Insights acknowledged."""
        with self._guard:
            return self._books.setdefault(sweep_id, _Book()).acknowledged.intersection(event_ids)

    def when_acknowledged(self, sweep_id: str, event_ids: frozenset[str]) -> _Signal:
        """Return the signal that happens once all of these events of a sweep are acknowledged."""
        with self._guard:
            book = self._books.setdefault(sweep_id, _Book())
            book.awaited, book.all_there = event_ids, _Signal()
            all_there = event_ids <= book.acknowledged
        if all_there:
            book.all_there.happen()
        return book.all_there

    def blame(self, error: Exception) -> None:
        """Say why events are lost, if some are."""
        self._problem = f"{type(error).__name__}: {error}"[:300]

    def give_up(self, problem: str) -> None:
        """Send nothing to Application Insights for a while."""
        self._problem = problem
        # Within a sweep, longer each time: what is down for good must not cost it all its time.
        self._paused_until = time.monotonic() + _PAUSE_SECONDS * 2**self._given_up
        self._given_up += 1

    def write_off(self, most: int) -> None:
        """Wait no longer for any event that is on its way, if more than `most` of them are."""
        if self.pending <= most:
            return
        with self._guard:
            for book in self._books.values():
                book.pending.clear()
        if not self.is_paused:
            self.give_up(self._problem)

    def settle(self, sweep_id: str) -> None:
        """Close a sweep's book. Raises TelemetryLost if an event was not acknowledged."""
        with self._guard:
            book = self._books.pop(sweep_id, _Book())
            problem, self._problem = self._problem, ""
            # The next sweep tries again, whatever this one met.
            self._paused_until, self._failures, self._given_up = 0.0, 0, 0
        if book.emitted > book.acknowledged:
            raise TelemetryLost(len(book.emitted), len(book.acknowledged), problem)

    def sleep(self, duration: float) -> None:
        """Pause between attempts: Retry-After has no ceiling, and the invocation waits for this."""
        super().sleep(min(duration, _LONGEST_RETRY_PAUSE))

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Send a batch, and note which events of it were taken."""
        if self.is_paused:
            raise ServiceRequestError(f"Application Insights: {self._problem}")
        try:
            response = super().send(request, **kwargs)
        except SdkError as error:
            self.blame(error)
            self._failures += 1
            # A connection that is cut is tried again; one that hangs would take all the time.
            if isinstance(error, ServiceResponseTimeoutError) or self._failures == _MOST_FAILURES:
                self.give_up(self._problem)
            raise
        self._failures = 0
        self._note(request, response)
        return response

    def _note(self, request: Any, response: Any) -> None:
        if response.status_code not in {200, 206}:
            self._problem = f"it answered {response.status_code}"
            return
        body = request.content if hasattr(request, "content") else request.data
        envelopes = json.loads(body or b"[]")
        answer = response.body() if callable(response.body) else response.content
        refused = _refused_in(answer, len(envelopes))
        if refused is None:
            self._problem = "its answer does not say what it took: a proxy's, perhaps"
            return
        if refused:
            self._problem = f"it refused items: {next(iter(refused.values()))}"
        taken: dict[str, set[str]] = defaultdict(set)
        for index, envelope in enumerate(envelopes):
            if index not in refused:
                sweep_id, event_id = _ids_of(envelope)
                taken[sweep_id].add(event_id)
        for signal in self._acknowledge(taken):
            signal.happen()

    def _acknowledge(self, taken: Mapping[str, set[str]]) -> list[_Signal]:
        """Note events in the books of their sweeps; return the signals that happen by that."""
        happens = []
        with self._guard:
            for sweep_id, event_ids in taken.items():
                book = self._books.get(sweep_id)
                if book is not None:
                    book.acknowledged |= event_ids & book.emitted
                    book.pending -= event_ids
                    if book.awaited <= book.acknowledged:
                        happens.append(book.all_there)
        return happens


def _refused_in(body: bytes, sent: int) -> dict[int, str] | None:
    """Return the items that were refused, each with the reason.

    None if this is no answer of Application Insights that accounts for every item: what it does
    not count as accepted, it names (recorded exchanges, fact 47).
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    errors = answer.get("errors") or []
    if not isinstance(errors, list):
        return None
    refused = {
        error["index"]: str(error.get("message", ""))
        for error in errors
        if isinstance(error, dict) and _is_index(error.get("index"), sent)
    }
    accounted = (answer.get("itemsReceived"), answer.get("itemsAccepted"))
    if len(refused) < len(errors) or accounted != (sent, sent - len(refused)):
        return None
    return refused


def _is_index(value: object, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def _ids_of(envelope: Mapping[str, Any]) -> tuple[str, str]:
    """Return the sweep and the id of an event; empty texts for what is none, such as a span."""
    data = envelope.get("data")
    if not isinstance(data, dict) or data.get("baseType") != "EventData":
        return "", ""
    properties = data.get("baseData", {}).get("properties", {})
    return str(properties.get("sweepId", "")), str(properties.get("eventId", ""))


_ledgers: dict[str, _Ledger] = {}


def configure(
    connection_string: str, role: str, credential: Callable[[], TokenCredential], clock: Clock
) -> Telemetry:
    """Make this process's telemetry, or return to it.

    OpenTelemetry's providers can be set once a process: so can the connection string.
    """
    ledger = _ledgers.get(connection_string)
    if ledger is None:
        ledger = _Ledger()
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
            retry_backoff_max=_LONGEST_RETRY_PAUSE,
        )
        # Not before: a process that could not start a thread for it tries again at its next tick.
        _ledgers[connection_string] = ledger
    return Telemetry(ledger, clock)
