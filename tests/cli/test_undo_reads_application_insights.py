"""`keysweep undo --insights`: a sweep of the Function's is taken back by its events.

The sweep is a real one, its telemetry goes to the local Azure, and the query that undo sends is
executed over it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local_azure import LocalAzure, Tenant
from local_azure.exchange import Answer
from local_azure.telemetry import Envelope
from tests.support.real_sweeps import Swept, sweep
from tests.support.terminal import Ran, at_once, here

type Serve = Callable[..., LocalAzure]

TAG = "local-auth-exempt"


def crowd(count: int = 2) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for number in range(count):
        tenant.add_account(f"bot-{number}", local_auth=True)
    return tenant


def swept_by_the_function(azure: LocalAzure, **settings: str) -> str:
    """Let the Function sweep; returns the sweep's id."""
    swept = asyncio.run(sweep(azure, **settings))
    return told(azure, swept.envelopes, swept)


def told(azure: LocalAzure, envelopes: list[Envelope], swept: Swept) -> str:
    azure.telemetry.add(envelopes, azure.now())
    assert swept.report is not None
    return swept.report.sweep_id


def undo(azure: LocalAzure, sweep_id: str, *more: str, resource: str = "", **environ: str) -> Ran:
    insights = resource or azure.services.component_id()
    return here(azure, "undo", sweep_id, "--insights", insights, *(more or ("--yes",)), **environ)


def keys_on(azure: LocalAzure) -> set[str]:
    return {each.name for each in azure.tenant.accounts if each.keys_on}


def is_event(envelope: Envelope, name: str) -> bool:
    data: dict[str, Any] = envelope["data"]["baseData"]
    return bool(data.get("name") == name)


@pytest.mark.parametrize("through", ["component", "workspace"])
def test_what_the_function_took_is_given_back(serve: Serve, through: str) -> None:
    azure = at_once(serve, crowd())
    sweep_id = swept_by_the_function(azure)
    assert keys_on(azure) == set()
    services = azure.services
    resource = services.component_id() if through == "component" else services.workspace_id()

    ran = undo(azure, sweep_id, resource=resource)

    assert keys_on(azure) == {"bot-0", "bot-1"}, ran.err
    assert all(TAG in (account.tags or {}) for account in azure.tenant.accounts)
    assert "2 accounts given back." in ran.out
    assert ran.code == 0


def test_the_query_asks_for_permissions_and_passes_the_cache_by(serve: Serve) -> None:
    azure = at_once(serve, crowd(1))
    seen = []
    azure.before(lambda request: seen.append(request) if request.host == "logs" else None)
    sweep_id = swept_by_the_function(azure)

    assert undo(azure, sweep_id).code == 0

    (query,) = seen
    assert "include-permissions=true" in query.headers["Prefer"]
    assert query.headers["Cache-Control"] == "no-cache"


def test_events_that_are_still_on_their_way_are_never_nothing_was_changed(serve: Serve) -> None:
    azure = at_once(serve, crowd(), telemetry_lag=600)
    sweep_id = swept_by_the_function(azure)

    ran = undo(azure, sweep_id)

    assert "Not seen: Application Insights shows no event of this sweep." in ran.err
    assert "turned no keys off" not in ran.out + ran.err
    assert ran.code == 2


def test_an_answer_two_minutes_old_hides_nothing_that_came_since(serve: Serve) -> None:
    azure = at_once(serve, crowd())
    swept = asyncio.run(sweep(azure))
    early = [each for each in swept.envelopes if not is_event(each, "RemediationOutcome")]
    late = [each for each in swept.envelopes if is_event(each, "RemediationOutcome")]
    sweep_id = told(azure, early, swept)
    assert "It shows 0 of the sweep's 2 outcomes." in undo(azure, sweep_id, "--dry-run").err

    told(azure, late, swept)

    assert undo(azure, sweep_id).code == 0
    assert keys_on(azure) == {"bot-0", "bot-1"}


def test_doubled_events_are_one(serve: Serve) -> None:
    azure = at_once(serve, crowd())
    swept = asyncio.run(sweep(azure))
    sweep_id = told(azure, [*swept.envelopes, *swept.envelopes], swept)

    ran = undo(azure, sweep_id)

    assert "2 accounts given back." in ran.out
    assert ran.code == 0


def test_a_killed_sweeps_announced_changes_are_named_and_left_alone_without_proof(
    serve: Serve,
) -> None:
    azure = at_once(serve, crowd())
    swept = asyncio.run(sweep(azure))
    announced = [each for each in swept.envelopes if is_event(each, "DriftFound")]
    sweep_id = told(azure, announced, swept)

    ran = undo(azure, sweep_id)

    assert "What came of these announced changes is not told: bot-0, bot-1." in ran.err
    subscription = azure.tenant.subscription("contoso-prod").id
    assert f"bot-0 (rg-ai, subscription {subscription}) is left alone: " in ran.err
    assert keys_on(azure) == set()
    assert ran.code == 2


def test_what_a_killed_sweep_did_is_given_back_once_the_next_has_told_who_it_is(
    serve: Serve,
) -> None:
    azure = at_once(serve, crowd())
    swept = asyncio.run(sweep(azure))
    announced = [each for each in swept.envelopes if is_event(each, "DriftFound")]
    sweep_id = told(azure, announced, swept)
    following = asyncio.run(sweep(azure))
    told(azure, following.envelopes, following)

    ran = undo(azure, sweep_id)

    assert keys_on(azure) == {"bot-0", "bot-1"}, ran.err
    # It is still said that nobody was told of it.
    assert "is not told" in ran.err
    assert ran.code == 2


def test_a_result_that_was_cut_is_said_and_what_it_shows_is_given_back(serve: Serve) -> None:
    azure = at_once(serve, crowd())
    sweep_id = swept_by_the_function(azure)
    azure.settings.log_rows = 4

    ran = undo(azure, sweep_id)

    assert "Not seen: The result was cut: The results of this query exceed" in ran.err
    assert ran.code == 2


def test_rows_that_the_person_may_not_read_are_said_to_be_left_out(serve: Serve) -> None:
    azure = at_once(serve, crowd())
    azure.settings.in_other_workspace = lambda envelope: is_event(envelope, "RemediationOutcome")
    sweep_id = swept_by_the_function(azure)

    ran = undo(azure, sweep_id)

    assert f"You may not read the workspace {azure.services.workspace_id()}-other" in ran.err
    assert "It shows 0 of the sweep's 2 outcomes." in ran.err
    assert ran.code == 2


def test_no_right_to_the_logs_is_said_with_azures_own_code(serve: Serve) -> None:
    azure = at_once(serve, crowd())
    sweep_id = swept_by_the_function(azure)
    azure.tenant.deny(azure.tenant.team, azure.services.component_id(), ["Microsoft.Insights/*"])

    ran = undo(azure, sweep_id)

    assert "403 InsufficientAccessError" in ran.err
    assert not [write for write in azure.writes if "tags" in str(write.body)]
    assert ran.code == 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "it has no tables"),
        ({"tables": []}, "it has no tables"),
        ({"tables": [{"name": "PrimaryResult", "columns": [], "rows": [["x"]]}]}, "too long"),
        ({"error": {"code": "PartialError", "message": "No."}}, "it has no tables"),
        (b"", "no JSON"),
    ],
    ids=["nothing", "no table", "odd rows", "an error alone", "empty"],
)
def test_a_200_that_is_no_answer_is_none(serve: Serve, body: Any, says: str) -> None:
    azure = at_once(serve, crowd(1))
    sweep_id = swept_by_the_function(azure)

    def bent(answer: Answer) -> Answer:
        return replace(answer, body=body)

    azure.faults.on(host="logs", times=None).bend(bent)

    ran = undo(azure, sweep_id)

    assert says in ran.err
    assert ran.code == 2


def test_an_audit_took_nothing_and_that_is_known(serve: Serve) -> None:
    azure = at_once(serve, crowd())
    swept = asyncio.run(sweep(azure, "audit"))
    ran = undo(azure, told(azure, swept.envelopes, swept))
    assert "turned no keys off" in ran.out
    assert ran.code == 0


def test_the_functions_settings_are_read_and_bound_it(serve: Serve) -> None:
    azure = at_once(serve, crowd())
    sweep_id = swept_by_the_function(azure, EXEMPTION_TAG="keeps-keys")
    subscription = azure.tenant.subscription("contoso-prod")
    site = f"{subscription.scope}/resourceGroups/rg-keysweep/providers/Microsoft.Web/sites/func"
    azure.settings.app_settings[site] = {
        "SWEEP_MODE": "enforce",
        "EXEMPTION_TAG": "keeps-keys",
        "AzureWebJobsStorage__accountName": "stkeysweep",
    }

    ran = undo(azure, sweep_id, "--yes", "--function", site)

    assert keys_on(azure) == {"bot-0", "bot-1"}, ran.err
    assert all("keeps-keys" in (account.tags or {}) for account in azure.tenant.accounts)


def test_a_sweep_that_went_by_another_tag_needs_its_settings(serve: Serve) -> None:
    azure = at_once(serve, crowd(1))
    sweep_id = swept_by_the_function(azure, EXEMPTION_TAG="keeps-keys")

    ran = undo(azure, sweep_id)

    assert "went by the tag 'keeps-keys'" in ran.err
    assert keys_on(azure) == set()
    assert ran.code == 64


def test_a_function_that_is_not_there_is_said(serve: Serve) -> None:
    azure = at_once(serve, crowd(1))
    subscription = azure.tenant.subscription("contoso-prod")
    site = f"{subscription.scope}/resourceGroups/rg/providers/Microsoft.Web/sites/none"
    ran = undo(azure, "20261124T090000Z-1f3a9c0d", "--yes", "--function", site)
    assert "404 ResourceNotFound" in ran.err
    assert ran.code == 2


@pytest.mark.parametrize("more", [("--record", "x.jsonl"), ()], ids=["two sources", "no resource"])
def test_what_makes_no_sense_is_bad_usage(serve: Serve, more: tuple[str, ...]) -> None:
    azure = at_once(serve, crowd(1))
    resource = azure.services.component_id() if more else "appi-keysweep"
    ran = undo(azure, "20261124T090000Z-1f3a9c0d", "--yes", *more, resource=resource)
    assert ran.code == 64
