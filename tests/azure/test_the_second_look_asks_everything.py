"""Whatever made an account ours is asked again at the last moment: its kind among it.

The judge is the server: what was written, and what the account was then.
"""

from collections.abc import Callable

import pytest

from local_azure import LocalAzure, PatchForm, SeenRequest, Tenant
from shared.core.model import Result
from tests.support.real_sweeps import sweep

type Serve = Callable[..., LocalAzure]


def bots(*names: str, kind: str = "OpenAI") -> Tenant:
    tenant = Tenant.with_one_subscription()
    for name in names:
        tenant.add_account(name, kind=kind, local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    return tenant


def at_the_last_moment(azure: LocalAzure, happens: Callable[[], object]) -> None:
    """Let something happen just before ARM first answers a read of the bot."""
    left = [happens]

    def hook(request: SeenRequest) -> None:
        if left and request.method == "GET" and request.path.endswith("/accounts/bot"):
            left.pop()()

    azure.before(hook)


def created_again(azure: LocalAzure, kind: str) -> None:
    azure.tenant.delete("bot")
    azure.tenant.add_account("bot", kind=kind, local_auth=True)


@pytest.mark.parametrize("kind", ["SpeechServices", "FormRecognizer", "CognitiveServices", "Face"])
async def test_an_account_that_was_created_again_as_another_kind_is_left_alone(
    serve: Serve, kind: str
) -> None:
    azure = serve(bots("bot", "neighbour"))
    at_the_last_moment(azure, lambda: created_again(azure, kind))

    swept = await sweep(azure)

    assert azure.tenant.account("bot").keys_on
    assert swept.results == {"bot": Result.OUT_OF_SCOPE, "neighbour": Result.DISABLED}
    assert swept.whole


async def test_an_account_that_was_upgraded_to_a_kind_out_of_scope_is_left_alone(
    serve: Serve,
) -> None:
    azure = serve(bots("bot"))
    at_the_last_moment(azure, lambda: azure.tenant.set_kind("bot", "AIServices"))

    swept = await sweep(azure, SWEEP_KINDS="OpenAI")

    assert azure.writes == ()
    assert swept.results == {"bot": Result.OUT_OF_SCOPE}


@pytest.mark.parametrize("kind", ["AIServices", "aiservices"])
async def test_an_account_that_was_upgraded_to_a_kind_in_scope_is_turned_off(
    serve: Serve, kind: str
) -> None:
    azure = serve(bots("bot"))
    at_the_last_moment(azure, lambda: azure.tenant.set_kind("bot", kind))

    assert (await sweep(azure)).results == {"bot": Result.DISABLED}


async def test_what_is_out_of_scope_now_says_why_and_has_one_outcome(serve: Serve) -> None:
    azure = serve(bots("bot"))
    at_the_last_moment(azure, lambda: azure.tenant.set_kind("bot", "SpeechServices"))

    swept = await sweep(azure)

    (outcome,) = swept.events("RemediationOutcome")
    assert "SpeechServices" in outcome["detail"]
    (completed,) = swept.events("SweepCompleted")
    assert (completed["drift"], completed["disabled"], completed["needingAttention"]) == (1, 0, 0)


async def test_the_next_sweep_does_not_count_it(serve: Serve) -> None:
    azure = serve(bots("bot"))
    at_the_last_moment(azure, lambda: azure.tenant.set_kind("bot", "SpeechServices"))

    await sweep(azure)
    azure.clock.advance(900)
    second = await sweep(azure)

    (completed,) = second.events("SweepCompleted")
    assert completed["accounts"] == 0
    assert azure.writes == ()


async def test_a_kind_that_changes_while_the_unit_waits_for_a_closed_lane_is_seen(
    serve: Serve,
) -> None:
    azure = serve(bots("bot"))
    busy = {"error": {"code": "TooManyRequests", "message": "Later."}}
    azure.faults.on(method="PATCH").answer(429, busy, {"Retry-After": "120"})

    def hook(request: SeenRequest) -> None:
        if request.method == "PATCH":
            azure.tenant.set_kind("bot", "SpeechServices")

    azure.before(hook)

    swept = await sweep(azure)

    assert azure.writes == ()
    assert swept.results == {"bot": Result.OUT_OF_SCOPE}


async def test_a_kind_that_changes_before_an_unanswered_patch_is_tried_again_is_seen(
    serve: Serve,
) -> None:
    azure = serve(bots("bot"))
    azure.faults.on(method="PATCH").cut()

    def hook(request: SeenRequest) -> None:
        if request.method == "PATCH":
            azure.tenant.set_kind("bot", "SpeechServices")

    azure.before(hook)

    swept = await sweep(azure)

    assert azure.writes == ()
    assert swept.results == {"bot": Result.OUT_OF_SCOPE}
