"""A PATCH that may have happened: the result is what a patient read-back says, and never less.

What each answer means is tested in tests/unit/border/test_arm_writer.py; here is what connections
make of a PATCH, and what the server did.
"""

from collections.abc import Callable
from typing import Any

import pytest

from local_azure import PatchForm
from local_azure.faults import Fault
from shared.core.model import Result
from tests.support.contoso import adrift, each_patch_follows_a_read, keys_on, methods
from tests.support.real_sweeps import Swept, sweep
from tests.support.serving import Serve

JSON = {"Content-Type": "application/json; charset=utf-8"}

STRIKES: dict[str, Callable[..., Fault]] = {
    "cut": lambda fault, **when: fault.cut(**when),
    "hang": lambda fault, **when: fault.hang(**when),
    "503": lambda fault, **when: fault.answer(503, None, {"Retry-After": "5"}, **when),
    "half JSON": lambda fault, **when: fault.answer(200, '{"properties": {"dis', JSON, **when),
    "broken gzip": lambda fault, **when: fault.answer(
        200, "no gzip", {**JSON, "Content-Encoding": "gzip"}, **when
    ),
}


def outcome(swept: Swept) -> dict[str, Any]:
    (event,) = swept.events("RemediationOutcome")
    return event


@pytest.mark.parametrize("strike", STRIKES)
async def test_what_azure_did_in_spite_of_its_answer_is_disabled(serve: Serve, strike: str) -> None:
    azure = serve(adrift(stale_reads=2))
    STRIKES[strike](azure.faults.on(method="PATCH"), after_acting=True)

    swept = await sweep(azure)

    assert keys_on(azure) == set()
    assert methods(azure, azure.tenant.account("bot")).count("PATCH") == 1
    assert outcome(swept)["result"] == Result.DISABLED
    assert outcome(swept)["accepted"] == "true"


@pytest.mark.parametrize("strike", STRIKES)
async def test_what_azure_never_does_is_unverified_and_sent_again_only_as_a_whole_unit(
    serve: Serve, strike: str
) -> None:
    azure = serve(adrift(stale_reads=2))
    bot = azure.tenant.account("bot")
    STRIKES[strike](azure.faults.on(method="PATCH", times=None), after_acting=False)

    swept = await sweep(azure)

    assert azure.writes == ()
    assert methods(azure, bot).count("PATCH") == 2
    assert each_patch_follows_a_read(azure, bot)
    assert outcome(swept)["result"] == Result.UNVERIFIED
    assert outcome(swept)["accepted"] == "true"


@pytest.mark.parametrize("form", PatchForm)
async def test_every_form_of_accepting_a_patch_is_judged_by_the_read_back(
    serve: Serve, form: PatchForm
) -> None:
    azure = serve(adrift(patch=form, stale_reads=7))

    swept = await sweep(azure)

    is_off = not azure.tenant.account("bot").keys_on
    assert is_off is (form is not PatchForm.OPERATION_FAILS)
    assert outcome(swept)["result"] == (Result.DISABLED if is_off else Result.UNVERIFIED)
    assert is_off or outcome(swept)["azureCode"] == "InternalServerError"
    assert methods(azure, azure.tenant.account("bot")).count("PATCH") == 1


@pytest.mark.parametrize("seconds", [140, 5_000])
async def test_an_operation_that_does_not_end_in_two_minutes_is_read_back_until_it_is_at_rest(
    serve: Serve, seconds: int
) -> None:
    azure = serve(adrift(patch=PatchForm.BOTH, operation_seconds=seconds))

    swept = await sweep(azure)

    # While it runs it may yet fail, and take back what it did.
    ended = seconds < 120 + 30
    assert outcome(swept)["result"] == (Result.DISABLED if ended else Result.UNVERIFIED)
    assert azure.clock.monotonic() <= 120 + 31
    assert "The operation is still running" in outcome(swept)["detail"]


@pytest.mark.parametrize(
    ("strike", "result"),
    [
        (lambda fault: fault.hang(), Result.DISABLED),
        # A lane that is closed for an hour keeps the read-back away too: nobody can say.
        (lambda fault: fault.answer(429, None, {"Retry-After": "3600"}), Result.UNVERIFIED),
    ],
    ids=["hang", "429 for an hour"],
)
async def test_an_operation_that_can_not_be_followed_is_read_back(
    serve: Serve, strike: Callable[[Fault], Fault], result: Result
) -> None:
    azure = serve(adrift(patch=PatchForm.BOTH))
    strike(azure.faults.on(path="*/operationresults/*", times=None))

    swept = await sweep(azure)

    assert len(azure.writes) == 1
    assert outcome(swept)["accepted"] == "true"
    assert outcome(swept)["result"] == result


@pytest.mark.parametrize("strike", STRIKES)
async def test_a_read_back_that_fails_for_a_while_is_tried_again(serve: Serve, strike: str) -> None:
    azure = serve(adrift("bot", "other"))
    bot = azure.tenant.account("bot")
    STRIKES[strike](azure.faults.on(method="GET", path=bot.id, skip=1, times=2))

    swept = await sweep(azure)

    assert swept.results == {"bot": Result.DISABLED, "other": Result.DISABLED}
