"""What one check found, how bad that is, and what to do about it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import assert_never

from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS, USAGE
from keysweep.outputs import camel, document

SCHEMA = 1
"""Version of the JSON document: docs/doctor.schema.json."""


class Check(StrEnum):
    """What is looked at, in this order."""

    SIGN_IN = "Sign-in"
    SETTINGS = "Settings"
    SUBSCRIPTIONS = "Subscriptions"
    RESOURCE_GRAPH = "Resource Graph"
    READING = "Right to read"
    USE = "Right to see use"
    CHANGING = "Right to change"
    EXEMPTING = "Right to exempt"
    PROBING = "Right to probe"
    CHANGE_LOG = "Change log"
    TELEMETRY = "Application Insights"
    LAST_SWEEP = "Last sweep"


class State(StrEnum):
    """How it is."""

    OK = "ok"
    NOTE = "note"
    """It hinders nobody who does without what is named: a right that nothing here asks for."""
    WARNING = "warning"
    """Keysweep works, and somebody should look."""
    NOT_SEEN = "not seen"
    """It could not be looked at: nobody knows."""
    NOT_REACHED = "not reached"
    """It was not looked at: another check has to be well before."""
    FAILED = "failed"
    """It was looked at, and what needs it can't work."""
    WRONG = "wrong"
    """What was typed or set is wrong."""

    @property
    def exit_code(self) -> int:
        """The exit code that it asks for."""
        match self:
            case State.OK | State.NOTE:
                return FINE
            case State.WARNING:
                return REMAINS
            case State.NOT_SEEN | State.NOT_REACHED | State.FAILED:
                return NOT_WHOLE
            case State.WRONG:
                return USAGE
            case _ as never:
                assert_never(never)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    check: Check
    state: State
    says: str
    """In a sentence or two."""
    details: tuple[str, ...] = ()
    """What it is about, one by one."""
    remedy: str = ""
    """What to do; empty: nothing."""


def exit_code(findings: Iterable[Finding]) -> int:
    """Return the exit code of the worst of them."""
    return max((finding.state.exit_code for finding in findings), default=FINE)


def with_all_checks(findings: Iterable[Finding]) -> list[Finding]:
    """Return a finding for each check, in order: what nobody got to was not reached."""
    found = {finding.check: finding for finding in findings}
    return [found.get(check) or _not_reached(check, found.values()) for check in Check]


def _not_reached(check: Check, findings: Iterable[Finding]) -> Finding:
    """Say what has to be well before: the first that is not."""
    first = next((found.check for found in findings if found.state.exit_code), Check.SIGN_IN)
    return not_reached(check, first)


def not_reached(check: Check, first: Check) -> Finding:
    """Say which other check has to be well before."""
    return Finding(check, State.NOT_REACHED, f"Nobody looked: see {first} first.")


def as_json(findings: Sequence[Finding]) -> str:
    """Write the document that docs/doctor.schema.json describes."""
    checks = [camel(asdict(finding)) for finding in findings]
    return document(SCHEMA, {"exitCode": exit_code(findings), "checks": checks})
