"""What a shape makes of an answer; and which bends no reader could notice, with the reasons."""

import copy
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any, assert_never
from urllib.parse import urlsplit

from local_azure.exchange import Answer
from local_azure.faults import Cut, Effect, Hang, Refuse, Stall
from soak.odd.example import (
    BODIES,
    LINKS,
    MANNERS,
    Body,
    Field,
    How,
    Link,
    Manner,
    Place,
    Shape,
)

_JSON = "application/json; charset=utf-8"
# A little more than the most that the product reads of an answer.
_TOO_MUCH = 65 * 1024 * 1024
LATE_SECONDS = 9.0
# The headers that say how many requests are left.
_COUNTS = ("x-ms-ratelimit-remaining-", "x-ms-user-quota-")

_INSTEAD: Mapping[Body, Any] = {
    "error body": {"error": {"code": "InternalServerError", "message": "Encountered an error."}},
    "empty object": {},
    "empty array": [],
    "null": b"null",
    "nothing": b"",
    "too deep": b"[" * 100_000,
    "HTML": "<html><head><title>Sign in</title></head><body>A proxy</body></html>",
}

UNNOTICEABLE: Mapping[str, Callable[[Place, Shape], bool]] = {
    "ARM leaves tags out where there are none, so tags that were lost look like none": (
        lambda place, shape: (
            place in ("account", "group", "subscription")
            and isinstance(shape, Field)
            and (shape.name, shape.how) == ("tags", "dropped")
        )
    ),
    "a page without a link is the last one, and these lists have neither a count nor a second "
    "witness at each sweep": (
        lambda place, shape: (
            place in ("accounts", "descendants")
            and isinstance(shape, Field)
            and shape.name in ("nextLink", "@nextLink")
            and shape.how in ("dropped", "null")
        )
    ),
    "and so they may have a row more or less; one that stands in a list twice is what a list shows "
    "that changes while it is read": (
        lambda place, shape: (
            place in ("accounts", "descendants")
            and shape in ("a row repeated", Field("row", "dropped", getattr(shape, "row", 0)))
        )
    ),
    "null may become true, which is what an account with its keys off says": (
        lambda _, shape: (
            isinstance(shape, Field) and (shape.name, shape.how) == ("disableLocalAuth", "true")
        )
    ),
    "whatever calls itself nextLink there is followed, and `@nextLink` is a spelling of its own": (
        lambda place, shape: (
            place == "descendants" and isinstance(shape, Field) and shape.name == "@nextLink"
        )
    ),
}
"""Bends that are not made, by the reason. What they could hide is what Azure itself could hide."""


def is_unnoticeable(place: Place, shape: Shape) -> bool:
    """Whether no reader could tell such an answer from a true one."""
    return any(hidden(place, shape) for hidden in UNNOTICEABLE.values())


# What a reader needs of an answer for believing it: without one of these it is none.
_NEEDED: Mapping[Place, frozenset[str]] = {
    "account": frozenset({"id", "type", "kind", "tags", "properties"}),
    "group": frozenset({"id", "type", "tags", "properties"}),
    "subscription": frozenset({"id", "subscriptionId", "tenantId", "state", "tags"}),
}


def spoils(place: Place, shape: Shape) -> bool:
    """Whether an answer of this shape says no longer what the server meant to say."""
    match shape:
        case Field("disableLocalAuth", how):
            return how not in ("dropped", "null")
        case Field(name):
            return name in _NEEDED.get(place, frozenset())
        case "slow" | "late connection" | "no connection" | "rows reordered" | "an earlier answer":
            # An earlier answer to the same request, in a tenant that stands still, is as good; one
            # to another request is not, which `Bender` says itself.
            return False
        case _:
            return shape not in MANNERS


@dataclass(slots=True)
class Bender:
    """Bends the answers of one sweep, and remembers what it needs for that."""

    arm: str
    """Azure Resource Manager's address."""
    elsewhere: int
    """The port of a listener of ours, which nothing may ever reach."""
    other_list: str
    """The address of the accounts of a subscription that is left alone, if there is one."""
    first: dict[Place, tuple[str, Answer]] = field(default_factory=dict)
    """The first answer at each place, and what was asked."""

    def remember(self, place: Place, answer: Answer) -> None:
        """Keep the first answer at each place."""
        if place not in self.first and isinstance(answer.body, dict):
            self.first[place] = (answer.url, replace(answer, body=copy.deepcopy(answer.body)))

    def bent(self, place: Place, shape: Shape, answer: Answer, now: datetime) -> Answer:
        """Return what the shape makes of an answer; the same one, if it has nothing to bend."""
        if isinstance(shape, Field):
            return _without_field(answer, shape)
        if shape in BODIES:
            return self._body(place, shape, answer)
        if shape in MANNERS:
            return _in_manner(shape, answer, now)
        if shape in LINKS:
            return self._linked(place, shape, answer)
        if shape in ("late connection", "no connection"):
            return answer.with_header("Connection", "close")
        if shape == "drops all without a word" and isinstance(answer.body, dict):
            return replace(answer, status=200, reason=None, body={**answer.body, "errors": []})
        return answer

    def is_of_another(self, place: Place, answer: Answer) -> bool:
        """Whether the first answer at this place was to another request."""
        return place in self.first and self.first[place][0] != answer.url

    def _body(self, place: Place, body: Body, answer: Answer) -> Answer:
        if body in _INSTEAD:
            bent = replace(answer, body=copy.deepcopy(_INSTEAD[body]))
            return bent.with_header("Content-Type", "text/html") if body == "HTML" else bent
        match body:
            case "only its id":
                named = answer.body.get("id") if isinstance(answer.body, dict) else None
                return replace(answer, body={"id": named}) if named else answer
            case "truncated":
                whole = _bytes(answer)
                return replace(answer, body=whole[: len(whole) // 2] or b"{")
            case "an earlier answer":
                return self._earlier(place, answer)
            case "a row repeated":
                rows = _rows(answer)
                return _with_rows(answer, [*rows[:-1], *rows[:1]])
            case "a row twice":
                rows = _rows(answer)
                return _with_rows(answer, [*rows, *rows[:1]])
            case "rows reordered":
                return _with_rows(answer, _rows(answer)[::-1])
            case "gzip that unfolds":
                folded = _padded(_bytes(answer))
                return replace(answer, body=folded).with_header("Content-Encoding", "gzip")
            case "gzip that is none":
                return replace(answer, body=_bytes(answer)).with_header("Content-Encoding", "gzip")
            case _:
                raise ValueError(body)

    def _earlier(self, place: Place, answer: Answer) -> Answer:
        earlier = self.first[place][1] if place in self.first else answer
        if self.is_of_another(place, answer) and not _rows(earlier) and _rows(answer):
            # An empty list says nowhere what it is a list of.
            return answer
        return replace(answer, body=copy.deepcopy(earlier.body))

    def _linked(self, place: Place, link: Link, answer: Answer) -> Answer:
        if not isinstance(answer.body, dict) and place != "patch":
            return answer
        if "data" in (answer.body or {}):
            # Resource Graph's link is a token: the one that leads here again is that of this page.
            token = answer.body.get("$skipToken") or (
                self.first[place][1].body.get("$skipToken") if place in self.first else None
            )
            return replace(answer, body={**answer.body, "$skipToken": token}) if token else answer
        where = self._where(link, answer)
        if place == "patch":
            for name in ("Location", "Azure-AsyncOperation"):
                answer = answer.with_header(name, where)
            return answer
        return replace(answer, body={**answer.body, "nextLink": where})

    def _where(self, link: Link, answer: Answer) -> str:
        here = urlsplit(self.arm).netloc
        there = f"localhost:{self.elsewhere}"
        rest = "/subscriptions?api-version=2022-12-01"
        match link:
            case "to itself":
                return answer.url
            case "to another subscription":
                return self.other_list or answer.url
            case "that ends like ours":
                return f"https://{there}?x=.{here}{rest}"
            case "with a fragment":
                return f"https://{there}#.{here}{rest}"
            case "with user info":
                return f"https://{here}@{there}{rest}"
            case "to another port":
                return f"https://127.0.0.1:{self.elsewhere}{rest}"
            case "without TLS":
                return f"http://{there}{rest}"
            case "without a scheme":
                return f"//{there}{rest}"
            case "with a backslash":
                return f"https://{there}\\@{here}{rest}"
            case _:
                assert_never(link)


def effect_of(shape: Shape, now: datetime) -> Effect | None:
    """Return what is to be done instead of answering, or beside it; None: nothing of the kind."""
    if isinstance(shape, Field):
        return None
    if shape in _REFUSALS:
        return _REFUSALS[shape](now)
    return _TROUBLES.get(shape)


_TROUBLES: Mapping[str, Effect] = {
    "stall": Stall(),
    "hang": Hang(),
    "slow": Hang(30, acting=True),
    "cut": Cut(),
    "cut after acting": Cut(acting=True),
}


def waits_of(shape: Shape) -> float:
    """Return for how many seconds a refusal asks to wait, the longest of its words counting."""
    return {
        "429 for 20 s": 20.0,
        "429 until a date": 20.0,
        "429 in two words": 20.0,
        "429 for years": 3600.0,
        "503 for 5 s": 5.0,
    }.get(str(shape), 0.0)


RESULTS: Mapping[str, str] = {
    "403": "NO_ROLE",
    "disallowed by Azure": "FAILED",
    "policy": "POLICY_DENIED",
    "not registered": "FAILED",
    "conflict": "BUSY",
    "another tenant": "FAILED",
}
"""What a refused PATCH has to be called."""


def _error(code: str, message: str = "The local Azure says so.") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _too_many(headers: Mapping[str, str]) -> Refuse:
    return Refuse(429, _error("TooManyRequests"), headers)


_REFUSALS: Mapping[str, Callable[[datetime], Refuse]] = {
    "429": lambda _: _too_many({}),
    "429 for 20 s": lambda _: _too_many({"Retry-After": "20"}),
    "429 until a date": lambda now: _too_many(
        # A date has whole seconds.
        {"Retry-After": format_datetime(now + timedelta(seconds=21), usegmt=True)}
    ),
    "429 in two words": lambda _: _too_many({"retry-after-ms": "1000", "Retry-After": "20"}),
    "429 for years": lambda _: _too_many(
        {"Retry-After": "99999999", "x-ms-retry-after-ms": "9" * 400}
    ),
    "429 for less": lambda _: _too_many({"Retry-After": "-7", "x-ms-retry-after-ms": "soon"}),
    "503": lambda _: Refuse(503, _error("ServiceUnavailable")),
    "503 for 5 s": lambda _: Refuse(503, _error("ServiceUnavailable"), {"Retry-After": "5"}),
    "500 after acting": lambda _: Refuse(500, _error("InternalServerError"), acting=True),
    "401": lambda _: Refuse(401, _error("ExpiredAuthenticationToken")),
    "403": lambda _: Refuse(403, _error("AuthorizationFailed")),
    "disallowed by Azure": lambda _: Refuse(403, _error("RequestDisallowedByAzure")),
    "policy": lambda _: Refuse(403, _error("RequestDisallowedByPolicy")),
    "not registered": lambda _: Refuse(409, _error("MissingSubscriptionRegistration")),
    "conflict": lambda _: Refuse(409, _error("RequestConflict")),
    "another tenant": lambda _: Refuse(401, _error("InvalidAuthenticationTokenTenant")),
}


def _in_manner(manner: Manner, answer: Answer, now: datetime) -> Answer:
    if manner == "gzip":
        folded = gzip.compress(_bytes(answer), 1)
        return replace(answer, body=folded).with_header("Content-Encoding", "gzip")
    if manner == "plain text":
        return answer.with_header("Content-Type", "text/plain; charset=utf-8")
    if manner == "no content type":
        return replace(answer, body=_bytes(answer)).without_header("Content-Type")
    word = {
        "huge numbers": "9" * 400,
        "negative numbers": "-5",
        "dates for numbers": format_datetime(now + timedelta(seconds=3), usegmt=True),
    }[manner]
    counts = [name for name in answer.headers if name.lower().startswith(_COUNTS)]
    for name in ("Retry-After", "retry-after-ms", *counts):
        answer = answer.with_header(name, word)
    return answer


_TYPES: Mapping[How, Any] = {
    "null": None,
    "a number": 7,
    "a text": "7",
    "true": True,
    "a list": [7],
    "an object": {"seven": 7},
}


def _without_field(answer: Answer, bend: Field) -> Answer:
    """Bend a field wherever it stands: in the answer, in one of its rows, in properties."""
    if not isinstance(answer.body, dict):
        return answer
    bent = replace(answer, body=copy.deepcopy(answer.body))
    body, rows = bent.body, _rows(bent)
    if bend.name == "row":
        return _without_row(answer, rows, bend)
    places: list[dict[str, Any]] = [body]
    if rows and isinstance(rows[bend.row % len(rows)], dict):
        places.append(rows[bend.row % len(rows)])
    places += [part["properties"] for part in places if isinstance(part.get("properties"), dict)]
    for part in places:
        if bend.name not in part:
            continue
        if bend.how == "dropped":
            del part[bend.name]
        elif type(part[bend.name]) is not type(_TYPES[bend.how]):
            # Another value of the same type would be no odd answer, but a lie.
            part[bend.name] = copy.deepcopy(_TYPES[bend.how])
    return bent if bent.body != answer.body else answer


def _without_row(answer: Answer, rows: list[Any], bend: Field) -> Answer:
    if not rows:
        return answer
    index = bend.row % len(rows)
    instead = [] if bend.how == "dropped" else [copy.deepcopy(_TYPES[bend.how])]
    return _with_rows(answer, [*rows[:index], *instead, *rows[index + 1 :]])


def _with_rows(answer: Answer, rows: list[Any]) -> Answer:
    """Return an answer with other rows; the same one, if they are no others."""
    if rows == _rows(answer):
        return answer
    name = "data" if "data" in answer.body else "value"
    return replace(answer, body={**answer.body, name: rows})


def _rows(answer: Answer) -> list[Any]:
    body = answer.body if isinstance(answer.body, dict) else {}
    found = body.get("data", body.get("value"))
    return found if isinstance(found, list) else []


def _bytes(answer: Answer) -> bytes:
    body = answer.body
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return b"" if body is None else json.dumps(body).encode()


@cache
def _padded(body: bytes) -> bytes:
    """Return a body with blanks after it, packed."""
    return gzip.compress(body + b" " * _TOO_MUCH, 1)
