"""Border: what Application Insights acknowledged, counted where it answers.

`force_flush` says True whatever happened (docs/facts.md, 5), so nothing but its answers is
believed. Each sweep has a book of its own, in which its events stand by their ids: an
acknowledgement of what another sweep left behind, or one that arrives after its sweep has ended,
makes up for no event that was lost.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import AzureError as SdkError
from azure.core.exceptions import ServiceRequestError, ServiceResponseTimeoutError
from azure.core.pipeline.policies import RetryPolicy

from shared.border.transport import PlainSyncTransport
from shared.core.errors import TelemetryLost
from shared.core.events import SweepContext

_READ_SECONDS = 10.0
# How long nothing is sent to an Application Insights that did not answer.
_PAUSE_SECONDS = 30.0
_LONGEST_RETRY_PAUSE = 2.0
_MOST_FAILURES = 3


@dataclass(slots=True)
class _Book:
    """The events of one sweep, by their ids."""

    emitted: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    """Handed to the exporter, and neither acknowledged nor written off."""


class Ledger(PlainSyncTransport):
    """Carries everything to Application Insights, and notes the events that it acknowledged."""

    def __init__(self) -> None:
        super().__init__(connection_timeout=_READ_SECONDS, read_timeout=_READ_SECONDS)
        self._guard = threading.Lock()
        self._books: defaultdict[str, _Book] = defaultdict(_Book)
        self._problem = ""
        self._paused_until = 0.0
        self._failures = 0
        self._given_up = 0

    @property
    def pending(self) -> int:
        """Events that were emitted, and neither acknowledged nor written off."""
        with self._guard:
            return sum(len(book.pending) for book in self._books.values())

    @property
    def is_paused(self) -> bool:
        """Whether Application Insights failed to answer a moment ago."""
        return time.monotonic() < self._paused_until

    def emitted(self, context: SweepContext) -> None:
        """Note an event that is handed to the exporter."""
        with self._guard:
            book = self._books[context.sweep_id]
            book.emitted.add(context.event_id)
            book.pending.add(context.event_id)

    def acknowledged(self, sweep_id: str, event_ids: Collection[str]) -> set[str]:
        """Return those of a sweep's events that Application Insights acknowledged."""
        with self._guard:
            return self._books[sweep_id].acknowledged.intersection(event_ids)

    def blame(self, error: Exception) -> None:
        """Say why events are lost, if some are."""
        self._problem = f"{type(error).__name__}: {error}"[:300]

    def give_up(self, problem: str) -> None:
        """Send nothing to Application Insights for a while."""
        self._problem = problem
        # Within a sweep, longer each time: what is down for good must not cost it all its time.
        self._paused_until = time.monotonic() + _PAUSE_SECONDS * 2**self._given_up
        self._given_up += 1

    def write_off(self) -> None:
        """Wait no longer for any event that is on its way."""
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

    def send(self, request: Any, **config: Any) -> Any:
        """Send a batch, and note which events of it were taken."""
        if self.is_paused:
            raise ServiceRequestError(f"Application Insights: {self._problem}")
        try:
            response = super().send(request, **config)
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
        refused = refused_in(answer, len(envelopes))
        if refused is None:
            self._problem = "its answer does not say what it took: a proxy's, perhaps"
            return
        if refused:
            self._problem = f"it refused items: {next(iter(refused.values()))}"
        taken = [
            _ids_of(envelope) for index, envelope in enumerate(envelopes) if index not in refused
        ]
        with self._guard:
            for sweep_id, event_id in taken:
                book = self._books.get(sweep_id)
                if book is not None and event_id in book.emitted:
                    book.acknowledged.add(event_id)
                    book.pending.discard(event_id)


class Retries(RetryPolicy[Any, Any]):
    """Sends a batch again after a passing trouble: a 408, 429 or 5xx, or a connection that is cut.

    azure-core sends a POST again after 500, 503 and 504 alone, since it might act twice. An event
    has an id, by which readers keep one of two; what else there is may count twice for once.
    """

    def __init__(self) -> None:
        super().__init__(retry_total=3, retry_backoff_max=_LONGEST_RETRY_PAUSE)

    def configure_retries(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return what azure-core needs to know of one request."""
        options["retry_on_methods"] = frozenset({"POST"})
        return super().configure_retries(options)


def refused_in(body: bytes, sent: int) -> dict[int, str] | None:
    """Return the items that were refused, by their index, each with the reason.

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
    counts = (answer.get("itemsReceived"), answer.get("itemsAccepted"))
    is_complete = len(refused) == len(errors) and counts == (sent, sent - len(refused))
    return refused if is_complete else None


def _is_index(value: object, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def _ids_of(envelope: Mapping[str, Any]) -> tuple[str, str]:
    """Return the sweep and the id of an event; empty texts for what is none, such as a span."""
    data = envelope.get("data")
    if not isinstance(data, dict) or data.get("baseType") != "EventData":
        return "", ""
    properties = data.get("baseData", {}).get("properties", {})
    return str(properties.get("sweepId", "")), str(properties.get("eventId", ""))
