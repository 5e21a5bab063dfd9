"""`keysweep undo --insights`: a sweep of the Function's is taken back by its events.

The sweep is a real one, its telemetry goes to the local Azure, and the query that undo sends is
executed over it.
"""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from local_azure import LocalAzure, Tenant
from local_azure.telemetry import Envelope
from tests.support.contoso import keys_on
from tests.support.real_sweeps import Swept, sweep
from tests.support.serving import Serve
from tests.support.terminal import Ran, at_once, here

BOTS = {"bot-0", "bot-1"}


def two() -> Tenant:
    tenant = Tenant.with_one_subscription()
    for name in sorted(BOTS):
        tenant.add_account(name, local_auth=True)
    return tenant


def swept_by_the_function(azure: LocalAzure, **settings: str) -> str:
    """Let the Function sweep; returns the sweep's id."""
    swept = asyncio.run(sweep(azure, **settings))
    return arrived(azure, swept, swept.envelopes)


def arrived(azure: LocalAzure, swept: Swept, envelopes: list[Envelope]) -> str:
    """Let telemetry arrive at Application Insights; returns the sweep's id."""
    azure.telemetry.add(envelopes, azure.now())
    assert swept.report is not None
    return swept.report.sweep_id


def undo(azure: LocalAzure, sweep_id: str, *more: str, resource: str = "") -> Ran:
    insights = resource or azure.services.component_id()
    return here(azure, "undo", sweep_id, "--insights", insights, *(more or ("--yes",)))


def is_event(envelope: Envelope, name: str) -> bool:
    data: dict[str, Any] = envelope["data"]["baseData"]
    return bool(data.get("name") == name)


@pytest.mark.parametrize("through", ["component", "workspace"])
def test_what_the_function_took_is_given_back(serve: Serve, through: str) -> None:
    azure = at_once(serve, two())
    seen = []
    azure.before(lambda request: seen.append(request) if request.host == "logs" else None)
    sweep_id = swept_by_the_function(azure)
    assert keys_on(azure) == set()
    services = azure.services
    resource = services.component_id() if through == "component" else services.workspace_id()

    ran = undo(azure, sweep_id, resource=resource)

    assert keys_on(azure) == BOTS, ran.err
    assert "2 accounts given back." in ran.out
    assert ran.code == 0
    (query,) = seen
    assert "include-permissions=true" in query.headers["Prefer"]
    assert query.headers["Cache-Control"] == "no-cache"


def test_events_that_are_on_their_way_are_never_read_as_nothing_was_changed(serve: Serve) -> None:
    azure = at_once(serve, two())
    swept = asyncio.run(sweep(azure))
    sweep_id = arrived(azure, swept, [])
    ran = undo(azure, sweep_id)
    assert "Not seen: Application Insights shows no event of this sweep." in ran.err
    assert "turned no keys off" not in ran.out + ran.err
    assert ran.code == 2
    early = [event for event in swept.envelopes if not is_event(event, "RemediationOutcome")]
    late = [event for event in swept.envelopes if is_event(event, "RemediationOutcome")]
    arrived(azure, swept, early)
    assert "It shows 0 of the sweep's 2 outcomes." in undo(azure, sweep_id, "--dry-run").err
    # A batch that was sent twice stands there twice.
    arrived(azure, swept, [*late, *late])
    ran = undo(azure, sweep_id)
    assert "2 accounts given back." in ran.out
    assert ran.code == 0


def test_what_a_killed_sweep_did_is_given_back_once_the_next_one_shows_who_it_is(
    serve: Serve,
) -> None:
    azure = at_once(serve, two())
    killed = asyncio.run(sweep(azure))
    announced = [event for event in killed.envelopes if is_event(event, "DriftFound")]
    sweep_id = arrived(azure, killed, announced)

    ran = undo(azure, sweep_id)

    assert "What came of these announced changes is not told: bot-0, bot-1." in ran.err
    assert keys_on(azure) == set()
    assert ran.code == 2
    following = asyncio.run(sweep(azure))
    arrived(azure, following, following.envelopes)
    assert undo(azure, sweep_id).code == 2
    assert keys_on(azure) == BOTS


def test_what_an_answer_does_not_show_is_said(serve: Serve) -> None:
    azure = at_once(serve, two())
    azure.settings.in_other_workspace = lambda envelope: is_event(envelope, "RemediationOutcome")
    sweep_id = swept_by_the_function(azure)
    denied = undo(azure, sweep_id, "--dry-run")
    assert f"You may not read the workspace {azure.services.workspace_id()}-other" in denied.err
    assert "It shows 0 of the sweep's 2 outcomes." in denied.err
    azure.settings.log_rows = 1
    cut = undo(azure, sweep_id, "--dry-run")
    assert "Not seen: The result was cut: The results of this query exceed" in cut.err
    assert denied.code == 2, denied.err
    assert cut.code == 2, cut.err


def test_no_right_to_the_logs_is_said_with_azures_own_code(serve: Serve) -> None:
    azure = at_once(serve, two())
    sweep_id = swept_by_the_function(azure)
    azure.tenant.deny(azure.tenant.team, azure.services.component_id(), ["Microsoft.Insights/*"])
    ran = undo(azure, sweep_id)
    assert "403 InsufficientAccessError" in ran.err
    assert keys_on(azure) == set()
    assert ran.code == 2


def test_a_200_that_is_no_answer_is_none(serve: Serve) -> None:
    azure = at_once(serve, two())
    body = {"error": {"code": "PartialError", "message": "No."}}
    azure.faults.on(host="logs", times=None).bend(lambda answer: replace(answer, body=body))
    ran = undo(azure, "20261124T090000Z-1f3a9c0d")
    assert "it has no tables" in ran.err
    assert ran.code == 2


def test_permissions_that_are_none_are_passed_over(serve: Serve) -> None:
    azure = at_once(serve, two())
    odd = {"dataSources": [{"resourceId": "x", "denyTables": 7}], "resources": 7}
    azure.faults.on(host="logs", times=None).bend(
        lambda answer: replace(answer, body={**answer.body, "permissions": odd})
    )
    ran = undo(azure, "20261124T090000Z-1f3a9c0d")
    assert "shows no event of this sweep" in ran.err
    assert ran.code == 2


def test_the_functions_settings_are_read_and_bound_it(serve: Serve) -> None:
    azure = at_once(serve, two())
    sweep_id = swept_by_the_function(azure, EXEMPTION_TAG="keeps-keys")
    without = undo(azure, sweep_id)
    assert "went by the tag 'keeps-keys'" in without.err
    assert without.code == 64
    scope = azure.tenant.subscription("contoso-prod").scope
    site = f"{scope}/resourceGroups/rg-keysweep/providers/Microsoft.Web/sites/func"
    settings = {"SWEEP_MODE": "enforce", "EXEMPTION_TAG": "keeps-keys"}
    azure.settings.app_settings[site] = settings
    ran = undo(azure, sweep_id, "--yes", "--function", site)
    assert keys_on(azure) == BOTS, ran.err
    assert all("keeps-keys" in (account.tags or {}) for account in azure.tenant.accounts)
