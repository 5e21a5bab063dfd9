"""Faults, scripted by place and count.

    azure.faults.on(method="PATCH", path="*/accounts/bot").answer(503)
    azure.faults.on(action="Microsoft.ResourceGraph/resources/read", skip=2, times=None).cut()
    azure.faults.on(host="ingestion").hang()
    azure.faults.on(path="/subscriptions").bend(lambda answer: replace(answer, body={}))

A place names what a request must have; `skip` lets that many pass first, `times` says how many
after that are hit (None: all). The first fault whose turn it is takes the request; those that bend
the answer leave the request alone, and one bends what another left.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from local_azure.log import Host, SeenRequest

if TYPE_CHECKING:
    from local_azure.exchange import Answer


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer this instead of handling the request (or after it, if `acting`)."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    acting: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection without an answer, before the server acts or after."""

    acting: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """Hold the request, before the server acts or after, for so many seconds; None: for good."""

    seconds: float | None = None
    acting: bool = False


@dataclass(frozen=True, slots=True)
class Stall:
    """Let the server act, send the headers and half of the body, and nothing more for good."""

    acting: bool = True


type Effect = Refuse | Cut | Hang | Stall

type Bent = Callable[["Answer"], "Answer"]


@dataclass(frozen=True, slots=True)
class Bend:
    """Let the server act, and send what the function makes of its answer."""

    function: Bent


@dataclass(slots=True)
class Fault:
    """A place, a count and an effect; `seen` and `hits` tell how it went."""

    method: str | None
    path: str | None
    host: Host | None
    action: str | None
    principal: str | None
    where: Callable[[SeenRequest], bool] | None
    skip: int
    times: int | None
    effect: Effect | Bend | None = None
    seen: int = 0
    hits: int = 0

    def answer(
        self,
        status: int,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        after_acting: bool = False,
    ) -> "Fault":
        """Answer with this status; a body of text or bytes is sent as it is (HTML, broken JSON)."""
        self.effect = Refuse(status, body, dict(headers or {}), after_acting)
        return self

    def cut(self, *, after_acting: bool = False) -> "Fault":
        """Cut the connection."""
        self.effect = Cut(after_acting)
        return self

    def hang(self, seconds: float | None = None, *, after_acting: bool = False) -> "Fault":
        """Hang for so many seconds of the clock, or until the server stops."""
        self.effect = Hang(seconds, after_acting)
        return self

    def stall(self) -> "Fault":
        """Send half of the answer's body, and nothing more."""
        self.effect = Stall()
        return self

    def bend(self, function: Bent) -> "Fault":
        """Send what the function makes of the answer, which it may change as it likes.

        The answer comes with all its headers, Date and Content-Type among them, and goes out with
        those that are left; a body of bytes goes out as it is. `Answer.url` is what was asked.
        """
        self.effect = Bend(function)
        return self

    def close(self) -> "Fault":
        """Answer as usual, say `Connection: close`, and close the connection."""
        return self.bend(lambda answer: answer.with_header("Connection", "close"))

    def matches(self, request: SeenRequest) -> bool:
        """Whether the request is at this fault's place."""
        return (
            self.method in {None, request.method}
            and self.host in {None, request.host}
            and self.principal in {None, request.principal}
            and (self.action is None or self.action.lower() == (request.action or "").lower())
            and (self.path is None or fnmatch(request.path.lower(), self.path.lower()))
            and (self.where is None or self.where(request))
        )

    def passes(self, request: SeenRequest) -> bool:
        """Note a request that goes by; whether it is this fault's turn to strike it."""
        if not self.matches(request):
            return False
        self.seen += 1
        return self.seen > self.skip and (self.times is None or self.hits < self.times)


class Faults:
    """The script."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._script: list[Fault] = []

    def on(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        host: Host | None = None,
        action: str | None = None,
        principal: str | None = None,
        where: Callable[[SeenRequest], bool] | None = None,
        skip: int = 0,
        times: int | None = 1,
    ) -> Fault:
        """Name a place; say what happens there with one of the fault's methods.

        `where` is asked last, on the server's thread, of what has everything else that is named.
        """
        fault = Fault(method, path, host, action, principal, where, skip, times)
        with self._lock:
            self._script.append(fault)
        return fault

    def clear(self) -> None:
        """All is well again."""
        with self._lock:
            self._script.clear()

    def remove(self, fault: Fault) -> None:
        """Take one fault away."""
        with self._lock:
            self._script.remove(fault)

    def strike(self, request: SeenRequest) -> Effect | None:
        """Return what happens to this request, if anything. Counts."""
        with self._lock:
            struck: Effect | None = None
            for fault in self._script:
                if fault.effect is None or isinstance(fault.effect, Bend):
                    continue
                if fault.passes(request) and struck is None:
                    fault.hits += 1
                    struck = fault.effect
            return struck

    def bends(self, request: SeenRequest) -> tuple[Bent, ...]:
        """Return what is to be made of the answer to this request, in order. Counts."""
        with self._lock:
            found: list[Bent] = []
            for fault in self._script:
                if isinstance(fault.effect, Bend) and fault.passes(request):
                    fault.hits += 1
                    found.append(fault.effect.function)
            return tuple(found)
