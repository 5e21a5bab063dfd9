"""Border: lanes of APIs that take only so many calls in a span of time, whatever they say.

Log Analytics and the activity log give no header that says what is left (recorded exchanges, fact
54): their limits are kept from this side, and a Retry-After closes the lane as any other.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.border.lanes import Lane, Lanes

# How long whoever finds the span full waits where all of its calls are still under way.
_WAIT_SECONDS = 0.1


@dataclass(slots=True, eq=False)
class SpanLane(Lane):
    """A lane with room for so many calls in any span of so many seconds.

    A call counts from its answer on, which is later than Azure counts it from: so no span of
    Azure's ever has more.
    """

    calls: int = 0
    seconds: float = 0.0
    _answered: deque[float] = field(default_factory=deque)

    def wait(self, now: float, count: int = 1) -> float:
        """Return how many seconds to wait before `count` more calls may leave; 0: none."""
        closed = Lane.wait(self, now, count)
        if closed:
            return closed
        while self._answered and self._answered[0] <= now - self.seconds:
            self._answered.popleft()
        too_many = len(self._answered) + self.under_way + count - self.calls
        if too_many <= 0:
            return 0.0
        if too_many > len(self._answered):
            return _WAIT_SECONDS
        return self._answered[too_many - 1] + self.seconds - now

    def answered(self, headers: Mapping[str, str], now: float) -> None:
        """Count an answer, and learn from it what is left."""
        self._answered.append(now)
        Lane.answered(self, headers, now)


class OneLane(Lanes):
    """One lane for all requests."""

    def __init__(self, lane: Lane) -> None:
        super().__init__()
        self._lane = lane

    def of(self, method: str, path: str) -> Lane:  # noqa: ARG002 - whatever it is
        """Return the lane."""
        return self._lane
