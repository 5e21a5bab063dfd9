"""A PATCH that may have happened: the result is what a patient read-back says, and never less."""

from collections.abc import Callable
from typing import Any

import pytest

from local_azure import LocalAzure, PatchForm, SeenRequest, Tenant
from local_azure.faults import Fault
from shared.core.errors import AzureError
from shared.core.model import Decision, Result
from shared.steps.remediation import Remediation
from tests.support.real_sweeps import Swept, sweep

type Serve = Callable[..., LocalAzure]

HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
SERVER_ERROR = {"error": {"code": "InternalServerError", "message": "Internal server error."}}


def bot(patch: PatchForm = PatchForm.BOTH, *, stale_reads: int = 2) -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=True, patch=patch, stale_reads=stale_reads)
    return tenant


def patches(azure: LocalAzure) -> int:
    return sum(each.method == "PATCH" for each in azure.operations)


def outcome(swept: Swept) -> dict[str, str]:
    (event,) = swept.events("RemediationOutcome")
    return {str(name): str(value) for name, value in event.items()}


def no_answer(fault: Fault, *, after_acting: bool) -> Fault:
    return fault.cut(after_acting=after_acting)


def five_hundred(fault: Fault, *, after_acting: bool) -> Fault:
    return fault.answer(500, SERVER_ERROR, after_acting=after_acting)


def unavailable(fault: Fault, *, after_acting: bool) -> Fault:
    return fault.answer(503, None, {"Retry-After": "5"}, after_acting=after_acting)


def html(fault: Fault, *, after_acting: bool) -> Fault:
    return fault.answer(502, HTML, after_acting=after_acting)


def broken_json(fault: Fault, *, after_acting: bool) -> Fault:
    json = {"Content-Type": "application/json"}
    return fault.answer(200, '{"properties": {"disableLo', json, after_acting=after_acting)


def hang(fault: Fault, *, after_acting: bool) -> Fault:
    return fault.hang(after_acting=after_acting)


FAULTS = [no_answer, five_hundred, unavailable, html, broken_json, hang]


@pytest.mark.parametrize("strike", FAULTS)
async def test_what_azure_did_in_spite_of_its_answer_is_disabled(
    serve: Serve, strike: Callable[..., Fault]
) -> None:
    azure = serve(bot())
    strike(azure.faults.on(method="PATCH"), after_acting=True)

    swept = await sweep(azure)

    assert (len(azure.writes), azure.tenant.account("bot").keys_on) == (1, False)
    assert (outcome(swept)["result"], outcome(swept)["accepted"]) == (Result.DISABLED, "true")
    assert swept.whole


@pytest.mark.parametrize("strike", FAULTS)
async def test_what_azure_never_does_is_unverified_after_two_units_and_never_failed(
    serve: Serve, strike: Callable[..., Fault]
) -> None:
    azure = serve(bot())
    strike(azure.faults.on(method="PATCH", times=None), after_acting=False)

    swept = await sweep(azure)

    assert (patches(azure), azure.writes) == (2, ())
    assert azure.tenant.account("bot").keys_on
    assert (outcome(swept)["result"], outcome(swept)["accepted"]) == (Result.UNVERIFIED, "true")
    assert outcome(swept).get("azureCode") or len(outcome(swept)["detail"].split(". ")) > 1
    assert not swept.whole


@pytest.mark.parametrize("strike", [no_answer, hang])
async def test_the_next_sweep_makes_up_for_what_was_unverified(
    serve: Serve, strike: Callable[..., Fault]
) -> None:
    azure = serve(bot())
    strike(azure.faults.on(method="PATCH", times=2), after_acting=False)
    await sweep(azure)
    azure.clock.advance(15 * 60)

    swept = await sweep(azure)

    assert (outcome(swept)["result"], len(azure.writes)) == (Result.DISABLED, 1)


@pytest.mark.parametrize("form", PatchForm)
async def test_every_form_of_accepting_a_patch_is_judged_by_the_read_back(
    serve: Serve, form: PatchForm
) -> None:
    azure = serve(bot(form))

    swept = await sweep(azure)

    off = not azure.tenant.account("bot").keys_on
    assert off is (form is not PatchForm.OPERATION_FAILS)
    assert outcome(swept)["result"] == (Result.DISABLED if off else Result.UNVERIFIED)
    assert (swept.whole, patches(azure)) == (off, 1)


async def test_an_operation_that_fails_is_unverified_with_azures_word_for_it(serve: Serve) -> None:
    azure = serve(bot(PatchForm.OPERATION_FAILS))

    swept = await sweep(azure)

    found = outcome(swept)
    assert (found["result"], found["accepted"]) == (Result.UNVERIFIED, "true")
    assert found["azureCode"] == "InternalServerError"


@pytest.mark.parametrize("stale", [0, 1, 4, 7])
async def test_a_read_back_that_shows_the_old_value_for_a_while_is_waited_out(
    serve: Serve, stale: int
) -> None:
    azure = serve(bot(PatchForm.OK_200, stale_reads=stale))

    swept = await sweep(azure)

    assert outcome(swept)["result"] == Result.DISABLED
    reads = [each for each in azure.operations if each.method == "GET" and "bot" in each.path]
    assert len(reads) == 1 + stale + 1


async def test_a_read_back_that_stays_old_for_thirty_seconds_is_unverified(serve: Serve) -> None:
    azure = serve(bot(PatchForm.OK_200, stale_reads=10_000))

    swept = await sweep(azure)

    assert (outcome(swept)["result"], patches(azure)) == (Result.UNVERIFIED, 1)
    wrote = azure.writes[0].at
    last = max(each.at for each in azure.operations if each.path.endswith("/bot"))
    assert (last - wrote).total_seconds() == 30


async def test_a_value_that_reverts_while_it_is_read_back_is_unverified(serve: Serve) -> None:
    # A Modify policy or a template that says otherwise: 200, and the old value again.
    azure = serve(bot(PatchForm.OK_200, stale_reads=0))

    def revert(request: SeenRequest) -> None:
        if azure.writes and request.method == "GET" and not azure.tenant.account("bot").keys_on:
            azure.tenant.enable_keys("bot")

    azure.before(revert)

    assert outcome(await sweep(azure))["result"] == Result.UNVERIFIED


@pytest.mark.parametrize("operation_seconds", [110, 140, 5_000])
async def test_an_operation_that_does_not_end_in_two_minutes_is_read_back_until_it_is_at_rest(
    serve: Serve, operation_seconds: int
) -> None:
    tenant = bot()
    tenant.account("bot").operation_seconds = operation_seconds
    azure = serve(tenant)

    swept = await sweep(azure)

    # While it runs it may yet fail, and take back what it did.
    ended = operation_seconds < 120 + 30
    assert outcome(swept)["result"] == (Result.DISABLED if ended else Result.UNVERIFIED)
    assert azure.clock.monotonic() <= 120 + 31
    still_running = "The operation is still running" in outcome(swept)["detail"]
    assert still_running is (operation_seconds > 120)


@pytest.mark.parametrize("patch", [PatchForm.BOTH, PatchForm.OPERATION_FAILS])
async def test_an_operation_that_runs_when_the_budget_ends_is_never_called_deferred_or_failed(
    serve: Serve, patch: PatchForm
) -> None:
    tenant = bot(patch)
    tenant.account("bot").operation_seconds = 50_000
    azure = serve(tenant)

    swept = await sweep(azure, SWEEP_BUDGET_SECONDS="60")

    found = outcome(swept)
    assert (found["result"], found["accepted"]) == (Result.UNVERIFIED, "true")
    assert "The operation is still running" in found["detail"]
    assert "still Accepted" in found["detail"]
    assert azure.clock.monotonic() <= 60


@pytest.mark.parametrize(
    "strike",
    [
        lambda fault: fault.answer(500),
        lambda fault: fault.answer(404, {"error": {"code": "NotFound", "message": "Expired."}}),
        lambda fault: fault.answer(429, None, {"Retry-After": "3600"}),
        lambda fault: fault.cut(),
        lambda fault: fault.hang(),
        lambda fault: fault.answer(200, "<html>"),
        lambda fault: fault.answer(403, {"error": {"code": "AuthorizationFailed", "message": ""}}),
    ],
    ids=["500", "404", "429 for an hour", "cut", "hang", "html", "403"],
)
async def test_an_operation_that_can_not_be_followed_is_read_back(
    serve: Serve, strike: Callable[[Fault], Fault]
) -> None:
    azure = serve(bot())
    strike(azure.faults.on(path="*/operationresults/*", times=None))

    swept = await sweep(azure, SWEEP_BUDGET_SECONDS="1200")

    assert len(azure.writes) == 1
    assert outcome(swept)["accepted"] == "true"
    # A lane that is closed for an hour keeps the read-back away too: then nobody can say.
    closed = any(each.status == 429 for each in azure.operations)
    assert outcome(swept)["result"] == (Result.UNVERIFIED if closed else Result.DISABLED)


@pytest.mark.parametrize(
    "strike",
    [lambda f: f.answer(500), lambda f: f.cut(), lambda f: f.answer(200, "{"), lambda f: f.hang()],
    ids=["500", "cut", "broken json", "hang"],
)
async def test_a_read_back_that_fails_for_a_while_is_tried_again(
    serve: Serve, strike: Callable[[Fault], Fault]
) -> None:
    azure = serve(bot(PatchForm.OK_200))
    strike(azure.faults.on(method="GET", path="*/accounts/bot", skip=1, times=3))

    swept = await sweep(azure)

    assert (outcome(swept)["result"], len(azure.writes)) == (Result.DISABLED, 1)


async def test_a_read_back_that_never_answers_is_unverified(serve: Serve) -> None:
    azure = serve(bot(PatchForm.OK_200))
    azure.faults.on(method="GET", path="*/accounts/bot", skip=1, times=None).answer(500)

    swept = await sweep(azure)

    assert (outcome(swept)["result"], swept.whole) == (Result.UNVERIFIED, False)


async def test_an_account_that_is_deleted_right_after_the_write_is_gone_and_was_written(
    serve: Serve,
) -> None:
    azure = serve(bot(PatchForm.OK_200))

    def delete(_: SeenRequest) -> None:
        if azure.writes and azure.tenant.find_account("bot"):
            azure.tenant.delete("bot")

    azure.before(delete)

    swept = await sweep(azure)

    assert (outcome(swept)["result"], outcome(swept)["accepted"]) == (Result.GONE, "true")
    assert swept.whole


async def test_a_definite_refusal_is_not_read_back(serve: Serve) -> None:
    azure = serve(bot())
    refusal = {"error": {"code": "InvalidRequestContent", "message": "No."}}
    azure.faults.on(method="PATCH").answer(400, refusal)

    swept = await sweep(azure)

    assert (outcome(swept)["result"], outcome(swept)["accepted"]) == (Result.FAILED, "false")
    assert azure.operations[-1].method == "PATCH"


ODD = {"Content-Type": "application/json; charset=utf-8"}


@pytest.mark.parametrize(
    "strike",
    [
        lambda fault: fault.answer(200, "no gzip", {**ODD, "Content-Encoding": "gzip"}),
        lambda fault: fault.answer(503, {}, {"Retry-After": "1\u00b2"}),
        lambda fault: fault.answer(200, "null", ODD),
        lambda fault: fault.answer(200, "", ODD),
    ],
    ids=["broken gzip", "a Retry-After that is no number", "null", "empty"],
)
async def test_a_patch_that_was_done_and_is_answered_oddly_is_read_back(
    serve: Serve, strike: Callable[[Fault], Fault]
) -> None:
    azure = serve(bot(PatchForm.OK_200))
    fault = azure.faults.on(method="PATCH")
    strike(fault)

    def act(seen: SeenRequest) -> None:
        if seen.method == "PATCH":
            azure.tenant.disable_keys("bot")

    azure.before(act)

    swept = await sweep(azure)

    assert (fault.hits, outcome(swept)["result"]) == (1, Result.DISABLED)
    assert outcome(swept)["accepted"] == "true"


@pytest.mark.parametrize("body", ["null", "", "5", "[]", '"x"'])
async def test_a_read_back_that_is_odd_is_tried_again_and_others_go_on(
    serve: Serve, body: str
) -> None:
    tenant = bot(PatchForm.OK_200)
    tenant.add_account("other", local_auth=True, patch=PatchForm.OK_200)
    azure = serve(tenant)
    azure.faults.on(method="GET", path="*/accounts/bot", skip=1, times=2).answer(200, body, ODD)

    swept = await sweep(azure)

    assert swept.results == {"bot": Result.DISABLED, "other": Result.DISABLED}


async def test_a_bug_of_ours_with_one_account_stops_no_other_and_is_unverified(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = bot(PatchForm.OK_200)
    tenant.add_account("other", local_auth=True, patch=PatchForm.OK_200)
    azure = serve(tenant)
    read_back = Remediation._read_back

    async def buggy(self: Remediation, decision: Decision, doubt: AzureError | None) -> Any:
        if decision.account.id.name == "bot":
            raise ZeroDivisionError("a bug")
        return await read_back(self, decision, doubt)

    monkeypatch.setattr(Remediation, "_read_back", buggy)

    swept = await sweep(azure)

    assert swept.results == {"bot": Result.UNVERIFIED, "other": Result.DISABLED}
    assert not swept.whole
