"""What the reports of sweeps mean for somebody who has just deployed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import assert_never

from shared.core.events import CoverageGap, SettingsRejected, SweepCompleted, SweepStarted


@dataclass(frozen=True, slots=True)
class Report:
    """An event about a whole sweep, or a gap of one. Fields that it has not are empty or 0."""

    at: datetime
    name: str
    sweep_id: str
    whole: bool
    reasons: str
    problems: str
    problem: str
    gap_name: str
    subscriptions_read: int
    accounts: int
    drift: int


@dataclass(frozen=True, slots=True)
class Whole:
    """The newest sweep read everything in scope."""

    report: Report


@dataclass(frozen=True, slots=True)
class NotWhole:
    """The newest sweep needs somebody to look."""

    report: Report


@dataclass(frozen=True, slots=True)
class NoRoleYet:
    """The newest sweep could read nothing at all."""

    report: Report
    gaps: tuple[str, ...]
    since: datetime
    """When the first ended of the sweeps in a row that could read nothing."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The app's settings are wrong."""

    report: Report


@dataclass(frozen=True, slots=True)
class StartedAlone:
    """A sweep began, and none ended."""

    report: Report


@dataclass(frozen=True, slots=True)
class Silence:
    """No sweep has said anything."""


type Finding = Whole | NotWhole | NoRoleYet | Rejected | StartedAlone | Silence

WHOLE, TO_MEND, NOT_YET = 0, 1, 3
"""Exit codes of `verify`. 2 is for a wrong command line."""
LONGEST_WAY_OF_A_ROLE = timedelta(days=1)
"""After it a managed identity's token has every role (facts on its back-end cache: 24 hours)."""
LONGEST_SWEEP = timedelta(minutes=30)
"""functionTimeout in host.json is 25 minutes, and telemetry takes some to be found."""


def judge(reports: Sequence[Report]) -> Finding:
    """Return what the newest sweep's reports mean. They come with the oldest first."""
    ends = [r for r in reports if r.name in {SweepCompleted.name, SettingsRejected.name}]
    begun = [report for report in reports if report.name == SweepStarted.name]
    if not ends:
        return StartedAlone(begun[-1]) if begun else Silence()
    last = ends[-1]
    if last.name == SettingsRejected.name:
        return Rejected(last)
    if last.whole:
        return Whole(last)
    gaps = tuple(
        f"{report.gap_name}: {report.problem}"
        for report in reports
        if report.name == CoverageGap.name and report.sweep_id == last.sweep_id
    )
    # Where a role has not arrived Azure lists no subscription, or refuses to show what is there.
    if last.subscriptions_read > 0:
        return NotWhole(last)
    return NoRoleYet(last, gaps, _blind_since(ends))


def _blind_since(ends: Sequence[Report]) -> datetime:
    blind = takewhile(lambda report: report.subscriptions_read == 0, reversed(ends))
    return min(report.at for report in blind)


def exit_code(finding: Finding, now: datetime, *, is_due: bool | None) -> int:
    """Return what a pipeline is to make of a finding. `is_due`: a sweep should have ended."""
    match finding:
        case Whole():
            return WHOLE
        case NotWhole() | Rejected():
            return TO_MEND
        case NoRoleYet(since=since):
            return NOT_YET if now - since < LONGEST_WAY_OF_A_ROLE else TO_MEND
        case StartedAlone(report):
            return NOT_YET if now - report.at < LONGEST_SWEEP else TO_MEND
        case Silence():
            return NOT_YET if is_due is False else TO_MEND
        case _:
            assert_never(finding)


def explain(finding: Finding, now: datetime) -> str:
    """Say in sentences what was found, and what to do."""
    match finding:
        case Whole(report):
            return (
                f"It works: {_when(report, now)} read all in scope, {report.subscriptions_read} "
                f"subscriptions with {report.accounts} accounts. {report.drift} of them have keys "
                "on without an exemption."
            )
        case NotWhole(report):
            return (
                f"It runs, and {_when(report, now)} is not whole: {report.reasons}.\n"
                "docs/runbook.md says what to do about each."
            )
        case NoRoleYet(_, gaps, since):
            shown = "\n".join(f"- {gap}" for gap in gaps) or f"- {finding.report.reasons}"
            return (
                f"It runs, and {_when(finding.report, now)} could read no subscription, "
                f"as all since {since:%Y-%m-%d %H:%M} UTC:\n{shown}\n"
                "A new role takes minutes, for an identity sometimes hours, and a day at most: "
                "leave it alone until then, it mends itself. After a day look whether the role "
                "'Keysweep …' is assigned to the app's identity at the management group."
            )
        case Rejected(report):
            return (
                f"The app refuses its settings ({report.at:%Y-%m-%d %H:%M} UTC): "
                f"{report.problems}\nCorrect them where they were deployed from, and deploy again."
            )
        case StartedAlone(report):
            return (
                f"A sweep began at {report.at:%Y-%m-%d %H:%M} UTC, and none has ended. One takes "
                "25 minutes at most; if more have passed it was killed, or could not send its "
                "telemetry: look at the exceptions in Application Insights."
            )
        case Silence():
            return "No sweep has reported anything."
        case _:
            assert_never(finding)


def _when(report: Report, now: datetime) -> str:
    minutes = int((now - report.at).total_seconds() // 60)
    return f"the sweep that ended at {report.at:%Y-%m-%d %H:%M} UTC, {minutes} minutes ago,"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What can keep an app silent. None: it could not be seen."""

    state: str
    is_listed: bool | None
    next_sweep: str
    is_due: bool | None
    may_publish: bool | None


def silence_reasons(around: Surroundings) -> list[str]:
    """Return what to look at where no sweep has said anything, each with what was seen."""
    reasons = []
    if around.state != "Running":
        reasons.append(f"The app is {around.state}: `az functionapp start` starts it.")
    match around.is_listed:
        case False:
            reasons.append("Azure does not list the function: upload the package once more.")
        case None:
            reasons.append("Whether Azure lists the function could not be seen.")
        case True:
            reasons.append("Azure lists the function.")
    match around.may_publish:
        case False:
            reasons.append(
                "The app's identity lacks Monitoring Metrics Publisher at Application Insights, so "
                "nothing that it sends is taken: deploy again."
            )
        case None:
            reasons.append("Whether the app's identity may send telemetry could not be seen.")
        case True:
            reasons.append(
                "The app's identity has Monitoring Metrics Publisher; a new one takes hours "
                "sometimes."
            )
    due = {True: "A sweep should have reported by now. ", False: "None was due yet. ", None: ""}
    return [*reasons, f"{due[around.is_due]}{around.next_sweep}"]
