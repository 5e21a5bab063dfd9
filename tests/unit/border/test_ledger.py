"""What Application Insights acknowledged: nothing but an answer that accounts for every item."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseTimeoutError
from azure.core.pipeline.transport import RequestsTransport

from shared.border import ledger as module
from shared.border.ledger import Ledger, refused_in
from shared.core.errors import TelemetryLost
from shared.core.events import SweepContext

SENT = ("one", "two", "three")


def envelope(event_id: str, sweep_id: str = "sweep") -> dict[str, Any]:
    properties = {"sweepId": sweep_id, "eventId": event_id}
    return {"data": {"baseType": "EventData", "baseData": {"properties": properties}}}


SPAN = {"data": {"baseType": "RemoteDependencyData", "baseData": {"id": "1"}}}


def taken(received: int, *refused: int) -> dict[str, Any]:
    """Return an answer that takes all items but these."""
    errors = [{"index": index, "statusCode": 400, "message": "Too old"} for index in refused]
    return {"itemsReceived": received, "itemsAccepted": received - len(refused), "errors": errors}


class Wire:
    """What stands behind a ledger: it answers, or raises, what it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: object = None
        self.status = 200
        self.error: Exception | None = None
        self.sent = 0
        self.time = 0.0
        monkeypatch.setattr(RequestsTransport, "send", lambda _, __, **___: self._send())
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.time))
        self.ledger = Ledger()

    def _send(self) -> Any:
        self.sent += 1
        if self.error is not None:
            raise self.error
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return SimpleNamespace(status_code=self.status, body=lambda: body)

    def emit(self, *event_ids: str, sweep_id: str = "sweep") -> None:
        """Note events of a sweep as handed over."""
        for event_id in event_ids:
            self.ledger.emitted(SweepContext(sweep_id, "audit", "1", event_id=event_id))

    def send(self, *envelopes: Any) -> None:
        """Send a batch."""
        self.ledger.send(SimpleNamespace(content=json.dumps(envelopes)))

    def acknowledged(self, sweep_id: str = "sweep") -> set[str]:
        """Return which of all events of a sweep were taken."""
        return self.ledger.acknowledged(sweep_id, SENT)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


def test_what_is_taken_is_acknowledged(wire: Wire) -> None:
    wire.emit(*SENT)
    wire.answer = taken(3)
    wire.send(*map(envelope, SENT))
    assert wire.acknowledged() == set(SENT)
    assert wire.ledger.pending == 0
    wire.ledger.settle("sweep")


def test_what_is_refused_is_lost_and_its_reason_is_told(wire: Wire) -> None:
    wire.emit(*SENT)
    wire.answer, wire.status = taken(3, 1), 206
    wire.send(*map(envelope, SENT))
    assert wire.acknowledged() == {"one", "three"}
    with pytest.raises(TelemetryLost, match=r"acknowledged 2 of 3 events .*Too old"):
        wire.ledger.settle("sweep")


@pytest.mark.parametrize("status", [204, 400, 401, 403, 439, 503])
def test_another_status_acknowledges_nothing_and_is_told(wire: Wire, status: int) -> None:
    wire.emit("one")
    wire.answer, wire.status = taken(1), status
    wire.send(envelope("one"))
    with pytest.raises(TelemetryLost, match=f"acknowledged 0 of 1 events .it answered {status}"):
        wire.ledger.settle("sweep")


def test_a_span_is_no_event(wire: Wire) -> None:
    wire.emit("one")
    wire.answer = taken(2)
    wire.send(SPAN, envelope("one"))
    assert wire.acknowledged() == {"one"}


def test_an_event_that_nobody_emitted_makes_up_for_no_other(wire: Wire) -> None:
    wire.emit("one")
    wire.answer = taken(1)
    wire.send(envelope("two"))
    assert wire.acknowledged() == set()


def test_an_acknowledgement_after_its_sweep_has_ended_counts_for_no_later_one(wire: Wire) -> None:
    wire.emit("one")
    with pytest.raises(TelemetryLost):
        wire.ledger.settle("sweep")
    wire.emit("one", sweep_id="next")
    wire.answer = taken(1)
    wire.send(envelope("one"))
    assert wire.acknowledged("next") == set()


def test_a_sweep_without_events_has_lost_none(wire: Wire) -> None:
    wire.ledger.settle("sweep")


# What is believed


COUNT = 5


def an_answer(received: Any = COUNT, accepted: Any = COUNT, errors: Any = ()) -> bytes:
    errors = list(errors) if isinstance(errors, tuple) else errors
    body = {"itemsReceived": received, "itemsAccepted": accepted, "errors": errors}
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (an_answer(), {}),
        (an_answer(errors=None), {}),
        (an_answer(accepted=4, errors=({"index": 2, "message": "No."},)), {2: "No."}),
        (an_answer(accepted=3, errors=({"index": 0}, {"index": 4, "message": ""})), {0: "", 4: ""}),
    ],
    ids=["all accepted", "no errors", "one refused", "two refused"],
)
def test_what_is_named_was_refused_and_all_else_accepted(
    body: bytes, refused: dict[int, str]
) -> None:
    assert refused_in(body, COUNT) == refused


NO_ACKNOWLEDGEMENTS = {
    "none accepted, and no error": an_answer(accepted=0),
    "one accepted less, and no error": an_answer(accepted=4),
    "one accepted more": an_answer(accepted=6),
    "one received less": an_answer(4, 4),
    "counts of another batch": an_answer(512, 512),
    "one accepted less, and an error without an index": an_answer(
        accepted=4, errors=({"statusCode": 400},)
    ),
    "all accepted, and an error without an index": an_answer(errors=({"statusCode": 500},)),
    "an error about an item that was not sent": an_answer(accepted=4, errors=({"index": COUNT},)),
    "an error about an item before the first": an_answer(accepted=4, errors=({"index": -1},)),
    "one item refused twice": an_answer(accepted=3, errors=({"index": 0}, {"index": 0})),
    "an error whose index is a truth": an_answer(accepted=4, errors=({"index": True},)),
    "errors that are no list": an_answer(errors={"0": 1}),
    "errors that are no objects": an_answer(accepted=4, errors=("index 0",)),
    "counts that are text": an_answer("5", "5"),
    "no counts": b'{"errors": []}',
    "an empty object": b"{}",
    "an empty body": b"",
    "null": b"null",
    "a list": b"[]",
    "a page of a proxy": b"<html><h1>Sign in</h1></html>",
    "deeply nested": b"[" * 100_000,
    "half an answer": b'{"itemsReceived": 5, "itemsAcc',
}


@pytest.mark.parametrize("body", NO_ACKNOWLEDGEMENTS.values(), ids=NO_ACKNOWLEDGEMENTS)
def test_an_answer_that_does_not_account_for_every_item_acknowledges_none(body: bytes) -> None:
    assert refused_in(body, COUNT) is None


def test_such_an_answer_is_told_as_that_of_a_proxy(wire: Wire) -> None:
    wire.emit("one")
    wire.answer = b"<html>"
    wire.send(envelope("one"))
    with pytest.raises(TelemetryLost, match="a proxy's, perhaps"):
        wire.ledger.settle("sweep")


# When it does not answer


def fail(wire: Wire, error: Exception) -> None:
    wire.error = error
    with pytest.raises(type(error)):
        wire.send(envelope("one"))


def test_a_hang_pauses_it_at_once_and_longer_each_time(wire: Wire) -> None:
    for seconds in (30, 60, 120):
        fail(wire, ServiceResponseTimeoutError("hangs"))
        wire.time += seconds - 1
        assert wire.ledger.is_paused
        wire.time += 1
        assert not wire.ledger.is_paused


def test_a_connection_that_is_cut_is_tried_three_times(wire: Wire) -> None:
    for _ in range(3):
        assert not wire.ledger.is_paused
        fail(wire, ServiceRequestError("cut"))
    assert wire.ledger.is_paused
    fail(wire, ServiceRequestError("cut"))
    assert wire.sent == 3, "nothing is sent while it is paused"


def test_an_answer_between_two_failures_counts_them_anew(wire: Wire) -> None:
    for _ in range(3):
        fail(wire, ServiceRequestError("cut"))
        fail(wire, ServiceRequestError("cut"))
        wire.error, wire.answer = None, taken(1)
        wire.send(envelope("one"))
    assert not wire.ledger.is_paused


def test_the_next_sweep_tries_again_and_does_not_hear_of_the_last_ones_problem(wire: Wire) -> None:
    fail(wire, ServiceResponseTimeoutError("hangs"))
    wire.ledger.settle("sweep")
    assert not wire.ledger.is_paused
    wire.emit("one", sweep_id="next")
    with pytest.raises(TelemetryLost, match="no answer in time"):
        wire.ledger.settle("next")


def test_what_is_written_off_is_waited_for_no_longer_and_is_still_lost(wire: Wire) -> None:
    wire.emit(*SENT)
    wire.ledger.write_off()
    assert wire.ledger.pending == 0
    assert wire.ledger.is_paused
    with pytest.raises(TelemetryLost, match="acknowledged 0 of 3"):
        wire.ledger.settle("sweep")
