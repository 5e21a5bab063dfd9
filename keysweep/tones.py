"""What a state means at a glance: one tone each, the same in terminal, page and workbook. Pure.

No state is red but those that accept keys without leave, and those that went wrong. The names are
the sweep's results and the verdicts, as telemetry and the command line have them. A terminal draws
in red as well what could not be seen, and accounts whose clients would break.
"""

from collections.abc import Mapping
from enum import Enum


class Tone(Enum):
    """A meaning, and the style of a terminal that says it."""

    BAD = "bold red"
    """Keys are on without leave, or something went wrong."""
    FORBIDDEN = "magenta"
    """Somebody's deliberate no stands in the way."""
    WAITS = "yellow"
    """Held, or put off: a person or a later sweep decides."""
    ALLOWED = "cyan"
    """Keys are on, and somebody said that they may."""
    DONE = "green"
    """Keys are off."""


TONES: Mapping[str, Tone] = {
    "FAILED": Tone.BAD,
    "UNVERIFIED": Tone.BAD,
    "NO_ROLE": Tone.BAD,
    "NOT_TOLD": Tone.BAD,
    "WOULD_DISABLE": Tone.BAD,
    "DRIFT": Tone.BAD,
    "LOCKED": Tone.FORBIDDEN,
    "POLICY_DENIED": Tone.FORBIDDEN,
    "HELD": Tone.WAITS,
    "NOW_HELD": Tone.WAITS,
    "BUSY": Tone.WAITS,
    "DEFERRED": Tone.WAITS,
    "EXEMPT": Tone.ALLOWED,
    "NOW_EXEMPT": Tone.ALLOWED,
    "DISABLED": Tone.DONE,
    "ALREADY_OFF": Tone.DONE,
    "COMPLIANT": Tone.DONE,
}
"""The tone of each state that has one; the others are no news."""


def style_of(state: str) -> str:
    """Return how a terminal draws a state; empty if it is no news."""
    tone = TONES.get(state)
    return tone.value if tone else ""
