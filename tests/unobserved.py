"""Nobody sees the requests, and nobody is told of the events."""

from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from shared.events import Event


class Unobserved:
    """An observer and an emitter for parts that a test makes itself."""

    def request(self, *_: object, **__: object) -> nullcontext[Any]:
        """See nothing of a request."""
        return nullcontext(SimpleNamespace(answered=lambda _: None))

    async def emit(self, event: Event) -> None:
        """Tell nobody."""

    async def acknowledged(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return them all: there is nobody who could have missed one."""
        return events
