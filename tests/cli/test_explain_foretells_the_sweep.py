"""For every account of the demo's tenant, `keysweep explain` says beforehand what a sweep does."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from local_azure import LocalAzure, MovedClock, scenarios
from local_azure.state import ids
from shared.core.model import Verdict
from shared.core.report import SweepReport
from shared.core.settings import OPERATOR_SETTINGS, read_settings
from shared.workspace import Connections
from tests.support.terminal import keysweep
from tests.support.unobserved import Unobserved

# No read shows a policy's deny, nor that an update will fail inside Azure.
NOT_FORETOLD = {"treasury-bot": "POLICY_DENIED", "image-captions": "UNVERIFIED"}


async def sweep(azure: LocalAzure, environ: dict[str, str]) -> SweepReport:
    """Sweep with the parts that the Function is made of."""
    connections = Connections(environ, azure.clock)
    parts = connections.parts(read_settings(environ, OPERATOR_SETTINGS), Unobserved())
    try:
        return await parts.sweep(
            "20261124T090000Z-00000000", Unobserved(), parts.remediation()
        ).run()
    finally:
        await connections.close()


async def foretold_and_done(
    serve: Callable[..., LocalAzure], monkeypatch: pytest.MonkeyPatch, **settings: str
) -> tuple[LocalAzure, dict[str, dict[str, Any]], SweepReport]:
    now = datetime.now(UTC)
    scenario = scenarios.demo(now.date())
    tenant = scenario.tenant
    root = ids.management_group_scope(tenant.id)
    # The same identity explains and sweeps; an operator also has Reader's view of roles and locks.
    tenant.assign(tenant.function, root, ["Microsoft.Authorization/*/read"])
    every = [account.id for account in tenant.accounts]
    # What changes at the first read must not reach Resource Graph between the two, however busy
    # the machine is and far the clock moves itself.
    azure = serve(scenario, clock=MovedClock(now), graph_lag=3600)
    environ = {**azure.environ, "SWEEP_MODE": "enforce", **settings}
    ran = keysweep(azure, "explain", "--output", "json", *every, **environ)
    assert ran.code == 2, ran.err  # one subscription is a gap
    explained = {each["accountId"].lower(): each for each in json.loads(ran.out)}
    assert set(explained) == {each.lower() for each in every}
    assert not azure.writes
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.setenv(name, environ[name])  # azure-identity looks nowhere else
    return azure, explained, await sweep(azure, environ)


def patched(azure: LocalAzure) -> set[str]:
    return {each.path.lower() for each in azure.operations if each.method == "PATCH"}


@pytest.mark.parametrize("limit", ["100", "25"], ids=["below the brake", "held by the brake"])
async def test_what_explain_foretells_is_what_the_sweep_does(
    serve: Callable[..., LocalAzure], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    limits = {"MAX_CHANGES_PER_SWEEP": limit}
    azure, explained, report = await foretold_and_done(serve, monkeypatch, **limits)

    assert {account for account, each in explained.items() if each["changes"]} == patched(azure)
    results = {each.decision.account.id.key: str(each.result) for each in report.outcomes}
    expected = {
        account: NOT_FORETOLD.get(account.rpartition("/")[2], each["expected"])
        for account, each in explained.items()
        if each["expected"]
    }
    assert expected == results
    assert bool(results) == (limit == "100")
    for verdict in (Verdict.HELD, Verdict.EXEMPT):
        decided = {each.account.id.key: each.hold or "" for each in report.with_verdict(verdict)}
        assert decided == {
            account: each["holdReason"]
            for account, each in explained.items()
            if each["verdict"] == verdict
        }


@pytest.mark.parametrize("name", sorted(NOT_FORETOLD))
async def test_what_no_read_can_show_is_said_to_be_so(
    serve: Callable[..., LocalAzure], name: str
) -> None:
    azure = serve(scenarios.demo(datetime.now(UTC).date()), clock=MovedClock(datetime.now(UTC)))
    ran = keysweep(azure, "explain", name, MAX_CHANGES_PER_SWEEP="100")
    assert "Not foretold" in ran.out
    assert ran.code == 1


async def test_a_list_that_lags_is_said_to_lag(serve: Callable[..., LocalAzure]) -> None:
    azure = serve(scenarios.four_accounts(), clock=MovedClock(datetime.now(UTC)), graph_lag=3600)
    azure.tenant.disable_keys("contoso-chat")
    ran = keysweep(azure, "explain", "contoso-chat")
    assert "Its keys are off." in ran.out
    assert "Resource Graph still shows its keys on" in ran.out
    assert "The next sweep sends nothing: ALREADY_OFF." in ran.out
