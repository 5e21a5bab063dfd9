"""An answer of Application Insights acknowledges only what it accounts for, item by item."""

import json
from typing import Any

import pytest

from shared.border.ledger import refused_in

SENT = 5


def answer(received: Any = SENT, accepted: Any = SENT, errors: Any = ()) -> bytes:
    errors = list(errors) if isinstance(errors, tuple) else errors
    body = {"itemsReceived": received, "itemsAccepted": accepted, "errors": errors}
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (answer(), {}),
        (answer(errors=None), {}),
        (answer(accepted=4, errors=({"index": 2, "message": "No."},)), {2: "No."}),
        (answer(accepted=3, errors=({"index": 0}, {"index": 4, "message": ""})), {0: "", 4: ""}),
    ],
    ids=["all accepted", "no errors", "one refused", "two refused"],
)
def test_what_is_named_was_refused_and_all_else_accepted(
    body: bytes, refused: dict[int, str]
) -> None:
    assert refused_in(body, SENT) == refused


NO_ACKNOWLEDGEMENTS = {
    "none accepted, and no error": answer(accepted=0),
    "one accepted less, and no error": answer(accepted=4),
    "one accepted more": answer(accepted=6),
    "one received less": answer(4, 4),
    "counts of another batch": answer(512, 512),
    "one accepted less, and an error without an index": answer(
        accepted=4, errors=({"statusCode": 400},)
    ),
    "all accepted, and an error without an index": answer(errors=({"statusCode": 500},)),
    "an error about an item that was not sent": answer(accepted=4, errors=({"index": SENT},)),
    "an error about an item before the first": answer(accepted=4, errors=({"index": -1},)),
    "one item refused twice": answer(accepted=3, errors=({"index": 0}, {"index": 0})),
    "an error whose index is a truth": answer(accepted=4, errors=({"index": True},)),
    "errors that are no list": answer(errors={"0": 1}),
    "errors that are no objects": answer(accepted=4, errors=("index 0",)),
    "counts that are text": answer("5", "5"),
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
    assert refused_in(body, SENT) is None
