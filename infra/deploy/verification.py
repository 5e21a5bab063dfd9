"""`verify`: whether sweeps report, and what it means. For a person, and a pipeline's health check.

Reads only, through `az`. Monitoring Reader on the resource group is enough; what it does not show
is said to be unseen.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from infra.deploy.azure_cli import CommandFailed, DeploymentStopped
from infra.deploy.findings import (
    LONGEST_SWEEP,
    LONGEST_WAY_OF_A_ROLE,
    Finding,
    NoRoleYet,
    Silence,
    StartedAlone,
    Surroundings,
    exit_code,
    explain,
    judge,
    silence_reasons,
)
from infra.deploy.function_app import FunctionApp, may_publish
from infra.deploy.sweep_reports import SweepReports, component_of, query_api
from infra.deploy.sweep_times import is_due, next_sweep, schedule_of

_POLL_SECONDS = 30
_ARRIVAL = timedelta(minutes=10)
"""A calm sweep, and telemetry on its way: so long after its moment one should be seen."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


@dataclass(frozen=True, slots=True)
class Clock:
    """The time, and waiting."""

    now: Callable[[], datetime]
    sleep: Callable[[float], None]


def verify(app: FunctionApp, since: datetime | None, wait: timedelta, clock: Clock) -> int:
    """Look for the newest sweep, say what it means, and return an exit code.

    Without `since` it has to be as new as the schedule lets one expect; with `wait`, from now on.
    Raises DeploymentStopped.
    """
    begun = clock.now()
    try:
        site = app.site()
        component = component_of(app, site)
        if component is None:
            raise DeploymentStopped(f"{app.resource_group} has no Application Insights resource.")
        reports = SweepReports(query_api(), component, app.name)
        settings = app.settings()
        schedule = None if settings is None else settings.get("SWEEP_SCHEDULE", "")
        since = since or (begun if wait else begun - look_back(schedule))
        # None comes before the first moment of the schedule, so waiting for it has no sense.
        until = begun if is_due(schedule, since, begun + wait) is False else begun + wait
        finding = _awaited(reports, since, until, clock)
        if isinstance(finding, NoRoleYet):
            # What was to be seen a day ago tells a role on its way from one that is not there.
            day_before = clock.now() - LONGEST_WAY_OF_A_ROLE - look_back(schedule)
            finding = judge(reports.since(day_before))
    except CommandFailed as error:
        raise DeploymentStopped(_unreadable(error)) from error
    print(explain(finding, clock.now()))
    should_be_there = is_due(schedule, since, clock.now() - _ARRIVAL)
    if isinstance(finding, Silence):
        around = Surroundings(
            state=str(site.get("state")),
            is_listed=app.lists_the_function(),
            next_sweep=next_sweep(schedule, clock.now()),
            is_due=should_be_there,
            may_publish=may_publish(site, component),
        )
        print("\n".join(f"- {reason}" for reason in silence_reasons(around)))
    return exit_code(finding, clock.now(), is_due=should_be_there)


def _awaited(reports: SweepReports, since: datetime, until: datetime, clock: Clock) -> Finding:
    """Return what is found by a moment, or as soon as waiting can bring no other answer."""
    finding = judge(reports.since(since))
    while isinstance(finding, Silence | StartedAlone | NoRoleYet) and clock.now() < until:
        clock.sleep(_POLL_SECONDS)
        finding = judge(reports.since(since))
    return finding


def look_back(schedule: str | None) -> timedelta:
    """Return how old the newest report may be: the schedule's longest gap, and a sweep.

    For a schedule that can't be seen or read: as if it were once a day, which is the rarest.
    """
    found = schedule_of(schedule)
    gap = timedelta(days=1) if found is None else found.longest_gap
    return gap + LONGEST_SWEEP + _ARRIVAL


def _unreadable(error: CommandFailed) -> str:
    """Say that it is not known whether it works, and why."""
    return (
        f"Whether it works is not known, since what it reports could not be read: {error}\n"
        "It takes Monitoring Reader on the resource group; and where Application Insights is "
        "closed to public networks (telemetryNetwork `private`), a machine in the network."
    )


def read_duration(text: str) -> timedelta:
    """Read `90s`, `30m` or `2h`. Raises ValueError."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if not found:
        raise ValueError(f"{text!r} is no time such as 90s, 30m or 2h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def read_moment(text: str) -> datetime:
    """Read a moment such as 2027-03-30T08:00Z; UTC where no zone is given. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no moment such as 2027-03-30T08:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
