"""Each refusal of Azure's has the result and the advice of its own cause.

The judge is the server: what it refused, how often it was asked, and what it wrote.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from local_azure import LocalAzure, PatchForm, SeenRequest, Tenant
from local_azure.faults import Fault
from shared.core.errors import SweepNotWhole
from shared.core.model import Result
from tests.support.real_sweeps import Swept, sweep

type Serve = Callable[..., LocalAzure]

TAG = "local-auth-exempt"
OTHER_TENANT = {
    "error": {
        "code": "InvalidAuthenticationTokenTenant",
        "message": "The access token is from the wrong issuer 'https://sts.windows.net/one/'. It "
        "must match the tenant 'https://sts.windows.net/other/' associated with this subscription.",
    }
}
SERVER_ERROR = {"error": {"code": "InternalServerError", "message": "Internal server error."}}


def bot(**more: Any) -> Tenant:
    tenant = Tenant.with_one_subscription()
    form = {"patch": PatchForm.OK_200, "stale_reads": 0, **more}
    tenant.add_account("bot", local_auth=True, **form)
    return tenant


def methods(azure: LocalAzure) -> list[str]:
    """Return the methods of all requests of the account itself, in their order."""
    return [o.method for o in azure.operations if o.path.endswith("/accounts/bot")]


def outcome(swept: Swept) -> Mapping[str, Any]:
    (event,) = swept.events("RemediationOutcome")
    return event


def error(code: str, message: str = "Azure said so.") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


# A definite no


async def test_what_azure_itself_forbids_is_no_missing_role(serve: Serve) -> None:
    azure = serve(bot())
    message = "The resource action 'write' is disallowed by Azure."
    azure.faults.on(method="PATCH").answer(403, error("RequestDisallowedByAzure", message))

    swept = await sweep(azure)

    event = outcome(swept)
    assert (event["result"], event["azureCode"]) == (Result.FAILED, "RequestDisallowedByAzure")
    assert event["azureMessage"] == message
    assert "role" not in event["detail"]
    assert (methods(azure).count("PATCH"), swept.whole) == (1, False)


@pytest.mark.parametrize(
    "code",
    ["MissingSubscriptionRegistration", "CustomDomainInUse", "FlagMustBeSetForRestore", "Conflict"],
)
async def test_a_conflict_that_nobody_lists_does_not_mend_itself(serve: Serve, code: str) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").answer(409, error(code))

    swept = await sweep(azure)

    event = outcome(swept)
    assert (event["result"], event["azureCode"]) == (Result.FAILED, code)
    assert (event["azureMessage"], swept.whole) == ("Azure said so.", False)
    assert methods(azure).count("PATCH") == 1


@pytest.mark.parametrize("body", ["", "<html>Conflict</html>", {}, {"error": None}, {"error": []}])
async def test_a_conflict_without_a_code_does_not_mend_itself_either(
    serve: Serve, body: object
) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").answer(409, body)

    swept = await sweep(azure)

    assert (outcome(swept)["result"], outcome(swept)["azureCode"]) == (Result.FAILED, "HTTP409")


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("RequestConflict", Result.BUSY),
        ("requestconflict", Result.BUSY),
        ("AnotherOperationInProgress", Result.BUSY),
        ("ScopeLocked", Result.LOCKED),
        ("ReadOnlyDisabledSubscription", Result.BUSY),
    ],
)
async def test_a_conflict_that_is_listed_keeps_its_name(
    serve: Serve, code: str, result: Result
) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").answer(409, error(code))

    assert outcome(await sweep(azure))["result"] == result


@pytest.mark.parametrize("place", ["GET", "PATCH"])
async def test_a_token_of_another_tenant_is_no_missing_role(serve: Serve, place: str) -> None:
    azure = serve(bot())
    azure.faults.on(method=place, path="*/accounts/bot", times=None).answer(401, OTHER_TENANT)

    swept = await sweep(azure)

    event = outcome(swept)
    assert event["result"] == Result.FAILED
    assert event["azureCode"] == "InvalidAuthenticationTokenTenant"
    assert "sign in to the tenant of that subscription" in event["detail"]
    assert "Give Keysweep's identity its role" not in event["detail"]
    assert (azure.writes, swept.whole) == ((), False)
    # Another token of the same identity is of the same tenant: a PATCH is not tried with one.
    assert methods(azure).count("PATCH") <= 1


async def test_a_subscription_of_another_tenant_that_is_named_is_a_gap_with_the_right_advice(
    serve: Serve,
) -> None:
    tenant = bot()
    hidden = tenant.add_subscription("hidden", parent="contoso", hidden_from_graph=True)
    azure = serve(tenant)
    azure.faults.on(path=f"/subscriptions/{hidden.id}/*", times=None).answer(401, OTHER_TENANT)

    swept = await sweep(azure)

    (gap,) = swept.events("CoverageGap")
    assert gap["gapName"] == hidden.id
    assert "InvalidAuthenticationTokenTenant" in gap["problem"]
    assert "sign in to the tenant of that subscription" in gap["problem"]
    assert swept.results == {"bot": Result.DISABLED}


@pytest.mark.parametrize("code", ["InvalidAuthenticationToken", "ExpiredAuthenticationToken", ""])
async def test_any_other_401_is_tried_once_more_with_a_new_token_and_is_then_a_missing_role(
    serve: Serve, code: str
) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH", times=None).answer(401, error(code) if code else None)

    swept = await sweep(azure)

    assert outcome(swept)["result"] == Result.NO_ROLE
    assert methods(azure) == ["GET", "PATCH", "GET", "PATCH"]


async def test_a_reason_of_resource_graphs_is_told(serve: Serve) -> None:
    azure = serve(bot())
    body = {
        "error": {
            "code": "BadRequest",
            "message": "Please provide below info when asking for support: timestamp = x",
            "details": [{"code": "ParserFailure", "message": "ParserFailure at line 1"}],
        }
    }
    azure.faults.on(path="*/microsoft.resourcegraph/resources", times=None).answer(400, body)

    swept = await sweep(azure)

    (completed,) = swept.events("SweepCompleted")
    assert "ParserFailure at line 1" in completed["resourceGraph"]
    assert "ParserFailure at line 1" in completed["changeLog"]


# No answer, and the account at rest with its keys on


def cut(fault: Fault) -> Fault:
    return fault.cut()


def server_error(fault: Fault) -> Fault:
    return fault.answer(500, SERVER_ERROR)


def unavailable(fault: Fault) -> Fault:
    return fault.answer(503, None, {"Retry-After": "5"})


def timed_out(fault: Fault) -> Fault:
    return fault.answer(408, SERVER_ERROR)


def hang(fault: Fault) -> Fault:
    return fault.hang()


UNANSWERED = [cut, server_error, unavailable, timed_out, hang]


@pytest.mark.parametrize("strike", UNANSWERED)
async def test_a_patch_without_an_answer_is_made_up_for_by_another_whole_unit(
    serve: Serve, strike: Callable[[Fault], Fault]
) -> None:
    azure = serve(bot())
    strike(azure.faults.on(method="PATCH"))

    swept = await sweep(azure)

    assert (outcome(swept)["result"], outcome(swept)["accepted"]) == (Result.DISABLED, "true")
    assert (swept.whole, len(azure.writes)) == (True, 1)
    asked = methods(azure)
    first = asked.index("PATCH")
    second = asked.index("PATCH", first + 1)
    # The read-back of the first, and then the read of the second.
    assert asked[first + 1 : second].count("GET") >= 2
    assert asked.count("PATCH") == 2


@pytest.mark.parametrize("strike", UNANSWERED)
async def test_one_that_is_never_answered_is_unverified_after_two(
    serve: Serve, strike: Callable[[Fault], Fault]
) -> None:
    azure = serve(bot())
    strike(azure.faults.on(method="PATCH", times=None))

    swept = await sweep(azure)

    assert (outcome(swept)["result"], outcome(swept)["accepted"]) == (Result.UNVERIFIED, "true")
    assert methods(azure).count("PATCH") == 2
    assert not swept.whole


async def test_an_exemption_that_comes_between_the_two_wins(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").answer(500, SERVER_ERROR)
    patched: list[datetime] = []

    def exempt(request: SeenRequest) -> None:
        if request.method == "PATCH":
            patched.append(request.at)
        elif patched and TAG not in (azure.tenant.account("bot").tags or {}):
            azure.tenant.tag("bot", {TAG: "CHG0042"})

    azure.before(exempt)

    swept = await sweep(azure)

    assert outcome(swept)["result"] == Result.NOW_EXEMPT
    # The first PATCH may yet have been taken: that it was sent is told.
    assert outcome(swept)["accepted"] == "true"
    assert (methods(azure).count("PATCH"), azure.writes, swept.whole) == (1, (), True)


async def test_one_that_turns_out_to_have_been_taken_late_is_not_written_twice(
    serve: Serve,
) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").answer(500, SERVER_ERROR)
    patched: list[datetime] = []

    def take_late(request: SeenRequest) -> None:
        if request.method == "PATCH":
            patched.append(request.at)
        elif patched and (azure.now() - patched[0]).total_seconds() >= 30:
            looks.append(request.at)
            if len(looks) == 2:
                azure.tenant.disable_keys("bot")

    looks: list[datetime] = []
    azure.before(take_late)

    swept = await sweep(azure)

    assert (outcome(swept)["result"], outcome(swept)["accepted"]) == (Result.ALREADY_OFF, "true")
    assert (methods(azure).count("PATCH"), swept.whole) == (1, True)


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (400, error("BadRequest"), Result.FAILED),
        (403, error("AuthorizationFailed"), Result.NO_ROLE),
        (307, None, Result.UNVERIFIED),
    ],
)
async def test_whatever_azure_did_answer_is_not_tried_again(
    serve: Serve, status: int, body: object, result: Result
) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").answer(status, body, {"Location": "/elsewhere"})

    swept = await sweep(azure)

    assert (outcome(swept)["result"], methods(azure).count("PATCH")) == (result, 1)


async def test_an_account_that_is_not_at_rest_afterwards_is_not_tried_again(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").answer(500, SERVER_ERROR)

    def under_way(request: SeenRequest) -> None:
        if request.method == "PATCH":
            azure.tenant.set_provisioning_state(azure.tenant.account("bot"), "Updating")

    azure.before(under_way)

    swept = await sweep(azure)

    assert (outcome(swept)["result"], methods(azure).count("PATCH")) == (Result.UNVERIFIED, 1)


async def test_one_that_can_not_be_read_back_is_not_tried_again(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").answer(500, SERVER_ERROR)
    azure.faults.on(method="GET", path="*/accounts/bot", skip=1, times=None).answer(500)

    swept = await sweep(azure)

    assert (outcome(swept)["result"], methods(azure).count("PATCH")) == (Result.UNVERIFIED, 1)


async def test_an_operation_that_fails_is_not_tried_again(serve: Serve) -> None:
    azure = serve(bot(patch=PatchForm.OPERATION_FAILS))

    swept = await sweep(azure)

    assert (outcome(swept)["result"], methods(azure).count("PATCH")) == (Result.UNVERIFIED, 1)


async def test_without_time_for_another_unit_it_is_unverified_at_once(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").hang()

    swept = await sweep(azure, SWEEP_BUDGET_SECONDS="150")

    assert (outcome(swept)["result"], methods(azure).count("PATCH")) == (Result.UNVERIFIED, 1)
    assert isinstance(swept.error, SweepNotWhole)
    assert azure.clock.monotonic() <= 150


async def test_under_trickle_both_units_of_one_account_count_as_one_change(serve: Serve) -> None:
    tenant = bot()
    tenant.add_account("other", local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    azure = serve(tenant)
    azure.faults.on(method="PATCH", path="*/bot").answer(500, SERVER_ERROR)

    swept = await sweep(azure, BRAKE="trickle", MAX_CHANGES_PER_SWEEP="1")

    assert len(azure.writes) == 1
    assert Result.DISABLED in swept.results.values()


async def test_a_kind_that_changed_meanwhile_is_out_of_scope_and_not_written(
    serve: Serve,
) -> None:
    azure = serve(bot())

    def become_another(answer: Any) -> Any:
        return replace(answer, body={**answer.body, "kind": "SpeechServices"})

    azure.faults.on(method="GET", path="*/accounts/bot", times=None).bend(become_another)

    swept = await sweep(azure)

    assert (outcome(swept)["result"], azure.writes) == (Result.OUT_OF_SCOPE, ())
    assert "SpeechServices" in outcome(swept)["detail"]
    assert swept.whole
