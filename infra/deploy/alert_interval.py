"""How far apart the alerts think that two sweeps are: it has to fit the schedule."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from infra.deploy.plan import SWEEP_INTERVAL, Plan
from infra.deploy.sweep_times import DEFAULT_SCHEDULE, schedule_of
from infra.deploy.templates import parameter_rules


def schedule_problems(plan: Plan) -> list[str]:
    """Judge whether the alerts can follow the schedule, and whether they are told to."""
    gap = longest_gap(plan.settings)
    if gap is None:
        return []
    fits = fitting_interval(gap)
    schedule = plan.settings.get("SWEEP_SCHEDULE", "").strip() or DEFAULT_SCHEDULE
    apart = f"and its sweeps are up to {gap.total_seconds() / 3600:g} hours apart"
    if fits is None:
        problem = (
            f"SWEEP_SCHEDULE is {schedule!r}, {apart}: alerts look back two days at most, which is "
            "Azure's limit, so `no-sweep` would call although nothing is wrong, and the others "
            "would forget what they saw; it must sweep once a day or oftener"
        )
        return [problem]
    given = plan.sweep_interval or default_interval()
    # What is no interval at all is said elsewhere.
    if _intervals().get(given, gap) < gap:
        problem = (
            f"{SWEEP_INTERVAL} (alertSweepInterval) is {given!r}, SWEEP_SCHEDULE is {schedule!r}, "
            f"{apart}: the alert `no-sweep` would call although nothing is wrong; it must be {fits}"
        )
        return [problem]
    return []


def fitting_interval(gap: timedelta) -> str | None:
    """Return the shortest interval of the alerts that a schedule fits, None if there is none."""
    return next((name for name, length in _intervals().items() if length >= gap), None)


def longest_gap(settings: Mapping[str, str]) -> timedelta | None:
    """Return how far apart sweeps are, None for what is no schedule, which is told elsewhere."""
    schedule = schedule_of(settings.get("SWEEP_SCHEDULE", ""))
    return None if schedule is None else schedule.longest_gap


def default_interval() -> str:
    """Return the interval that counts if none is given."""
    return str(_rule()["defaultValue"])


def _rule() -> Mapping[str, Any]:
    return parameter_rules()["alertSweepInterval"]


def _intervals() -> dict[str, timedelta]:
    """Return the intervals that app.bicep allows, `PT15M` to `P1D`, the shortest first."""
    units = {"M": timedelta(minutes=1), "H": timedelta(hours=1), "D": timedelta(days=1)}
    names = [str(name) for name in _rule()["allowedValues"]]
    return {name: int(name.strip("PTMHD")) * units[name[-1]] for name in names}
