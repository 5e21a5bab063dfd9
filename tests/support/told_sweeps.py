"""Telemetry of sweeps made up by hand, and what the workbook's steps show of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from dashboard.capture import Row
from dashboard.tables import Tables
from tests.support.envelopes import event_envelope
from tests.support.queries import between, calming, calming_steps, filled, steps

A, B = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000-4000-8000-000000000000"
DAY = datetime(2026, 11, 23)  # noqa: DTZ001 - as the tables have it
_QUERIES = {step["name"]: step["content"]["query"] for step in steps() if step["type"] == 3}


def event(
    name: str,
    hour: int,
    numbers: dict[str, int] | None = None,
    deployment: str = "func-keysweep",
    **words: str,
) -> Any:
    minutes = 1 if name == "SweepCompleted" else 0
    moment = f"{DAY + timedelta(hours=hour, minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"
    sweep = f"{DAY + timedelta(hours=hour):%Y%m%dT%H%M%SZ}-0"
    said = {"sweepId": sweep, "mode": "enforce", **words}
    return event_envelope(name, moment, numbers, deployment, **said)


def read(
    subscription: str, hour: int, drift: int = 0, held: int = 0, name: str = "", **more: Any
) -> Any:
    numbers = {
        "accounts": 2,
        "compliant": 2 - drift - held,
        "exempt": 0,
        "held": held,
        "drift": drift,
    }
    return event(
        "SubscriptionRead", hour, numbers,
        subscriptionId=subscription, subscriptionName=name, source="graph", **more,
    )  # fmt: skip


def drift(hour: int, account: str = "bot", subscription: str = A, **more: Any) -> Any:
    return event(
        "DriftFound", hour,
        subscriptionId=subscription, accountId=f"/a/{account}", accountName=account, **more,
    )  # fmt: skip


def outcome(hour: int, result: str, account: str = "bot") -> Any:
    return event(
        "RemediationOutcome", hour, subscriptionId=A, accountId=f"/a/{account}", result=result
    )


def completed(hour: int, count: int = 1, gaps: int = 0, changes: int = 0, **more: Any) -> Any:
    numbers = {"subscriptionsRead": count, "gaps": gaps, "keyChanges": changes}
    whole = "false" if gaps else "true"
    return event("SweepCompleted", hour, numbers, **{"whole": whole, "changeLog": "read", **more})


def calm(hours: Iterable[int], name: str = "", **more: Any) -> list[Any]:
    """Return sweeps that find every key off."""
    return [
        told
        for hour in hours
        for told in (read(A, hour, name=name, **more), completed(hour, **more))
    ]


def gap(kind: str, hour: int, subscription: str = "", name: str = "it") -> Any:
    return event(
        "CoverageGap", hour, gapKind=kind, gapName=name, problem="No.", subscriptionId=subscription
    )


def shown(
    step: str,
    *events: Any,
    subscription: str = "*",
    owner: str = "",
    clicked: str = "",
    at: float = 5,
    begin: datetime = DAY,
    calls: Sequence[Row] = (),
) -> list[dict[str, Any]]:
    """Return the rows of a step, `at` so many hours of the day, for an owner if one is chosen.

    The time range that is asked about begins with the day, unless it is to begin earlier; `calls`
    are what the chosen workspace has logged.
    """
    chosen = {
        "{Subscription}": f"'{subscription}'",
        "{Owner}": f"'{owner or '*'}'",
        "{WhoseOwner}": clicked or "*",
    }
    return _rows(step, _received(events, at, calls), at, chosen, begin)


def _received(events: Sequence[Any], at: float, calls: Sequence[Row] = ()) -> Tables:
    tables, end = Tables(events, calls), DAY + timedelta(hours=at)
    tables.window(end - timedelta(days=30), end)
    return tables


def _rows(
    step: str, tables: Tables, at: float, chosen: Mapping[str, str], begin: datetime = DAY
) -> list[dict[str, Any]]:
    kql = filled(_QUERIES[step], chosen)
    return tables.query(between(begin, DAY + timedelta(hours=at), kql)).dicts()


def reassured(*events: Any, at: float = 5) -> dict[str, list[str]]:
    """Return what each step says that calms: titles of good tiles, or that it is empty and fine."""
    tables = _received(events, at)
    return {step: calming(step, _rows(step, tables, at, {})) for step in calming_steps()}
