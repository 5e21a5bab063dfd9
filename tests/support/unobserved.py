"""Nobody sees the requests, and nobody is told of the events."""

from collections.abc import Sequence
from contextlib import nullcontext

from shared.border.transport import RequestRecord
from shared.core.addresses import Address
from shared.core.events import Event


class Unobserved:
    """An observer and an emitter for parts that a test makes itself."""

    def request(self, method: str, address: Address) -> nullcontext[RequestRecord]:  # noqa: ARG002
        """See nothing of a request."""
        return nullcontext(RequestRecord())

    async def emit(self, event: Event) -> None:
        """Tell nobody."""

    async def acknowledged(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return them all: there is nobody who could have missed one."""
        return events
