"""What a state means at a glance: one tone each, the same in terminal, page and workbook. Pure.

No state is red but those that accept keys without leave or with clients that would break, and those
that went wrong. The names are the sweep's results, the verdicts, and those of `keysweep impact`, as
telemetry and the command line have them. A terminal draws in red as well what could not be seen.
"""

from collections.abc import Mapping
from enum import Enum


class Tone(Enum):
    """A meaning, and the style of a terminal that says it."""

    BAD = "bold red"
    """Keys are on without leave or are in use, or something went wrong."""
    ATTENTION = "bold yellow"
    """Keys are likely in use: a person has to look before they go off."""
    FORBIDDEN = "magenta"
    """Somebody's deliberate no stands in the way."""
    WAITS = "yellow"
    """Held, put off, or not known: a person or a later sweep decides."""
    ALLOWED = "cyan"
    """Keys are on, and somebody said that they may."""
    DONE = "green"
    """Keys are off, or may go off."""


TONES: Mapping[str, Tone] = {
    "FAILED": Tone.BAD,
    "UNVERIFIED": Tone.BAD,
    "NO_ROLE": Tone.BAD,
    "NOT_TOLD": Tone.BAD,
    "WOULD_DISABLE": Tone.BAD,
    "DRIFT": Tone.BAD,
    "USES_KEYS": Tone.BAD,
    "LIKELY_KEYS": Tone.ATTENTION,
    "LOCKED": Tone.FORBIDDEN,
    "POLICY_DENIED": Tone.FORBIDDEN,
    "HELD": Tone.WAITS,
    "NOW_HELD": Tone.WAITS,
    "BUSY": Tone.WAITS,
    "DEFERRED": Tone.WAITS,
    "CANT_TELL": Tone.WAITS,
    "EXEMPT": Tone.ALLOWED,
    "NOW_EXEMPT": Tone.ALLOWED,
    "DISABLED": Tone.DONE,
    "ALREADY_OFF": Tone.DONE,
    "COMPLIANT": Tone.DONE,
    "KEYLESS": Tone.DONE,
    "IDLE": Tone.DONE,
}
"""The tone of each state that has one; the others are no news."""


def style_of(state: str) -> str:
    """Return how a terminal draws a state; empty if it is no news."""
    tone = TONES.get(state)
    return tone.value if tone else ""
