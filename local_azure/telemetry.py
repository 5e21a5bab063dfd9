"""What Application Insights received."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

type Envelope = dict[str, Any]

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Telemetry:
    """The envelopes that were accepted, in order, and ways to look at them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._envelopes: list[Envelope] = []
        self._arrived: list[datetime] = []

    def add(self, envelopes: Iterable[Envelope], at: datetime = _LONG_AGO) -> None:
        """Keep more of them, which came at this moment; without one, long ago."""
        with self._lock:
            self._envelopes += envelopes
            self._arrived += [at] * (len(self._envelopes) - len(self._arrived))

    def until(self, latest: datetime) -> list[Envelope]:
        """Return those that had come by then."""
        with self._lock:
            pairs = zip(self._envelopes, self._arrived, strict=True)
            return [envelope for envelope, at in pairs if at <= latest]

    @property
    def envelopes(self) -> list[Envelope]:
        """All of them, in the order of arrival."""
        with self._lock:
            return list(self._envelopes)

    def __iter__(self) -> Any:
        return iter(self.envelopes)

    def __len__(self) -> int:
        return len(self._envelopes)

    def __getitem__(self, index: int) -> Envelope:
        return self.envelopes[index]

    def of(self, *base_types: str) -> list[Envelope]:
        """Those whose `data.baseType` is one of these."""
        return [e for e in self.envelopes if e.get("data", {}).get("baseType") in base_types]

    def events(self, name: str | None = None) -> list[Envelope]:
        """Return custom events, of one name if given."""
        return [
            e for e in self.of("EventData") if name in {None, e["data"]["baseData"].get("name")}
        ]

    def metrics(self, name: str | None = None) -> list[Envelope]:
        """Metrics, of one name if given: an envelope carries one point."""
        return [
            e
            for e in self.of("MetricData")
            if name is None or any(m["name"] == name for m in e["data"]["baseData"]["metrics"])
        ]

    def exceptions(self) -> list[Envelope]:
        """Exceptions."""
        return self.of("ExceptionData")

    def messages(self) -> list[Envelope]:
        """Traces, in the sense of log lines."""
        return self.of("MessageData")

    def spans(self) -> list[Envelope]:
        """Return requests and dependencies."""
        return self.of("RequestData", "RemoteDependencyData")

    def clear(self) -> None:
        """Forget what came so far."""
        with self._lock:
            self._envelopes.clear()
            self._arrived.clear()
