"""Large tenants: the requests, the time and the memory that a sweep of them takes."""

import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from local_azure import LocalAzure, PatchForm, RunningClock, Tenant, scenarios
from tests.support.functions_worker import ROOT
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve

# What the worker process may take at its peak, the imports included.
MOST_MB = 160


def large(accounts: int, drifted: int, subscriptions: int) -> Tenant:
    """Return a tenant whose updates take no time: it's the worker that is measured."""
    tenant = scenarios.large(accounts, drifted, subscriptions)
    for account in tenant.accounts:
        account.patch = PatchForm.OK_200
        account.stale_reads = 0
    return tenant


def fire(azure: LocalAzure, mode: str) -> dict[str, Any]:
    """Fire the timer once in a process of its own; return what it measured of itself."""
    settings = {"SWEEP_MODE": mode, "MAX_CHANGES_PER_SWEEP": "100000"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.scale_worker"],
        cwd=ROOT,
        env={**os.environ, **azure.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert measured["succeeded"], measured["message"]
    return measured


def keys_on(azure: LocalAzure) -> int:
    return sum(account.flag is not True for account in azure.tenant.accounts)


def asked(azure: LocalAzure) -> Counter[str]:
    return Counter(f"{request.method} {request.action}" for request in azure.operations)


async def _calm(serve: Serve, accounts: int, subscriptions: int) -> Counter[str]:
    azure = serve(scenarios.large(accounts, drifted=0, subscriptions=subscriptions))
    swept = await sweep(azure, "audit")
    (completed,) = swept.events("SweepCompleted")
    assert swept.error is None
    assert completed["compliant"] == accounts
    return asked(azure)


@pytest.mark.slow
async def test_a_calm_sweep_asks_as_much_of_ten_thousand_accounts_as_of_a_hundred(
    serve: Serve,
) -> None:
    small, large = await _calm(serve, 100, 20), await _calm(serve, 10_000, 20)
    assert small == large
    assert small.total() < 12


# What each sweep also reads from ARM itself, a ninety-sixth of the subscriptions: that pages.
LIST = "GET Microsoft.CognitiveServices/accounts/read"


@pytest.mark.nightly
async def test_a_calm_sweep_asks_as_much_of_a_hundred_thousand_accounts_as_of_a_hundred(
    serve: Serve,
) -> None:
    small, large = await _calm(serve, 100, 200), await _calm(serve, 100_000, 200)
    lists, pages = small.pop(LIST), large.pop(LIST)
    assert small == large
    assert 0 < lists < 10
    assert pages < lists * 8  # five hundred accounts or so in a subscription, a hundred a page


@pytest.mark.slow
def test_what_is_compliant_takes_no_memory() -> None:
    peaks = []
    for accounts in (400, 10_000):
        # So many subscriptions that those whose turn it is to be listed have a page at most.
        with LocalAzure(large(accounts, 0, 400), RunningClock()) as azure:
            peaks.append(fire(azure, "audit")["peak MB"])
    assert peaks[1] - peaks[0] < 8


@pytest.mark.slow
def test_hundreds_of_drifted_accounts_are_turned_off_in_little_memory() -> None:
    with LocalAzure(large(10_000, 400, 20), RunningClock()) as azure:
        measured = fire(azure, "enforce")
        assert keys_on(azure) == 0
        assert len(azure.writes) == 400
        assert len(azure.telemetry.events("RemediationOutcome")) == 400
    assert measured["loaded MB"] < 100
    assert measured["peak MB"] < MOST_MB - 20


@pytest.mark.nightly
@pytest.mark.parametrize("mode", ["audit", "enforce"])
def test_a_hundred_thousand_accounts_with_five_thousand_drifted_fit(mode: str) -> None:
    with LocalAzure(large(100_000, 5_000, 200), RunningClock()) as azure:
        measured = fire(azure, mode)
        left = 0 if mode == "enforce" else 5_000
        assert keys_on(azure) == left
        assert len(azure.writes) == 5_000 - left
        assert len(azure.telemetry.events("RemediationOutcome")) == 5_000
    assert measured["peak MB"] < MOST_MB


@pytest.mark.nightly
def test_a_hundred_thousand_accounts_fit_when_resource_graph_is_down_and_all_are_listed() -> None:
    with LocalAzure(large(100_000, 5_000, 200), RunningClock()) as azure:
        graph = "Microsoft.ResourceGraph/resources/read"
        azure.faults.on(action=graph, times=None).answer(400, {})
        measured = fire(azure, "audit")
        assert len(azure.telemetry.events("DriftFound")) == 5_000
    assert measured["peak MB"] < MOST_MB
