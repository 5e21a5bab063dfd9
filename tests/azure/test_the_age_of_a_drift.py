"""Since when a drift is open, as a sweep tells it; tests/unit has the rules."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_azure import LocalAzure, Tenant
from local_azure.clock import START
from tests.support.real_sweeps import Swept, sweep

type Serve = Callable[..., LocalAzure]

TAG = "local-auth-exempt"
GRAPH = "Microsoft.ResourceGraph/resources/read"


def tenant_with_bot(*, local_auth: bool = False, **more: Any) -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=local_auth, **more)
    return tenant


def before(**span: float) -> datetime:
    return START - timedelta(**span)


def ages(swept: Swept) -> set[tuple[str, str | None, float | None]]:
    """Return what its events say of the age of the only drift: all of them the same."""
    events = [*swept.events("DriftFound"), *swept.events("RemediationOutcome")]
    assert len(events) == 2
    return {
        (event["openSinceKnown"], event.get("openSince"), event.get("openHours"))
        for event in events
    }


async def test_a_drift_and_its_outcome_say_since_when_it_is_open_by_the_change_log(
    serve: Serve,
) -> None:
    tenant = tenant_with_bot()
    tenant.enable_keys("bot", at=before(hours=30))
    azure = serve(tenant)

    assert ages(await sweep(azure, "audit")) == {("exactly", before(hours=30).isoformat(), 30.0)}


async def test_one_that_is_older_than_the_change_log_says_at_least(serve: Serve) -> None:
    tenant = tenant_with_bot()
    tenant.enable_keys("bot", at=before(days=20))
    azure = serve(tenant)

    assert ages(await sweep(azure, "audit")) == {
        ("atLeast", before(days=14).isoformat(), 14 * 24.0)
    }


async def test_an_account_that_arm_alone_shows_is_not_older_than_its_last_change(
    serve: Serve,
) -> None:
    tenant = tenant_with_bot()
    tenant.subscription("contoso-prod").hidden_from_graph = True
    tenant.enable_keys("bot", at=before(days=2))
    azure = serve(tenant)

    ((known, since, hours),) = ages(await sweep(azure, "audit"))

    assert known == "atLeast"
    assert datetime.fromisoformat(since or "").replace(microsecond=0) == before(days=2)
    assert hours == 48.0


async def test_without_the_change_log_a_drift_of_resource_graphs_is_of_unknown_age(
    serve: Serve,
) -> None:
    tenant = tenant_with_bot()
    tenant.enable_keys("bot", at=before(days=2))
    azure = serve(tenant)
    # The fourth query; the three before it are discovery's.
    azure.faults.on(action=GRAPH, skip=4, times=None).answer(500)

    assert ages(await sweep(azure, "audit")) == {("unknown", None, None)}


async def test_without_resource_graph_the_accounts_last_change_is_what_is_left(
    serve: Serve,
) -> None:
    tenant = tenant_with_bot()
    tenant.enable_keys("bot", at=before(days=2))
    azure = serve(tenant)
    azure.faults.on(action=GRAPH, times=None).answer(503)

    ((known, _, hours),) = ages(await sweep(azure, "audit"))

    assert known == "atLeast"
    assert hours == pytest.approx(48.0, abs=0.1)


async def test_a_lapsed_exemption_is_told_from_the_day_after_its_last(serve: Serve) -> None:
    last = START.date() - timedelta(days=2)
    tenant = tenant_with_bot(tags={TAG: f"until={last}"})
    tenant.enable_keys("bot", at=before(days=9))
    azure = serve(tenant)

    ((known, since, _),) = ages(await sweep(azure, "audit"))

    midnight = datetime.combine(last, datetime.min.time(), UTC) + timedelta(days=1)
    assert (known, since) == ("exactly", midnight.isoformat())
