"""Every fault of docs/faults.md, by name: what Azure says, what is done, what the operator sees."""

import ast
import gzip
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local_azure import LocalAzure, PatchForm, SeenRequest, Tenant, scenarios
from local_azure.clock import START
from local_azure.exchange import Answer
from local_azure.faults import Fault
from local_azure.state.access import FUNCTION_ACTIONS
from shared.core.model import Result
from tests.support.alone import alone
from tests.support.real_sweeps import Swept, insights, process, sweep, tick

type Serve = Callable[..., LocalAzure]

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "faults.md"
ERRORS = {
    each["case"]: each
    for each in json.loads((ROOT / "tests/data/errors/errors.json").read_text())["control_plane"]
}
GRAPH = "*/microsoft.resourcegraph/resources"
THROTTLED = {"error": {"code": "TooManyRequests", "message": "Later."}}
WRITE = "Microsoft.CognitiveServices/accounts/write"


def bot(**more: Any) -> Tenant:
    tenant = Tenant.with_one_subscription()
    form = {"patch": PatchForm.OK_200, "stale_reads": 0, **more}
    tenant.add_account("bot", local_auth=True, **form)
    return tenant


def hidden_bot() -> Tenant:
    """Return a tenant whose bot ARM's list alone shows."""
    tenant = bot()
    tenant.subscription("contoso-prod").hidden_from_graph = True
    return tenant


def off(azure: LocalAzure) -> bool:
    return not azure.tenant.account("bot").keys_on


def patches(azure: LocalAzure) -> int:
    return sum(each.method == "PATCH" for each in azure.operations)


def recorded(fault: Fault, case: str) -> dict[str, str]:
    """Let the fault answer with a body of the reference shelf; return its code and message."""
    found = ERRORS[case]
    fault.answer(found["status"], found["body"])
    error: dict[str, str] = found["body"]["error"]
    return error


def fits(message: str, case: str) -> bool:
    """Whether the local Azure's own message is the recorded one, but for the names in it."""
    pattern = re.escape(ERRORS[case]["body"]["error"]["message"])
    return re.fullmatch(re.sub(r"<\w+>", ".+", pattern), message) is not None


def sees(swept: Swept, result: Result, code: str = "", *, fails: bool = False) -> dict[str, Any]:
    """Hold what the operator sees of `bot` against this; return the event."""
    (event,) = [e for e in swept.events("RemediationOutcome") if e["accountName"] == "bot"]
    assert (event["result"], event.get("azureCode", "")) == (result, code)
    assert swept.whole is not fails
    return event


def gap(swept: Swept) -> dict[str, Any]:
    """Return the one gap of a sweep, which fails for it."""
    (event,) = swept.events("CoverageGap")
    assert not swept.whole
    return event


def slug(fault: str) -> str:
    return "test_" + re.sub(r"\W+", "_", fault.lower()).strip("_")


def test_every_row_has_its_test_and_every_test_its_row() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("| ") and not line.startswith(("| fault", "| ---"))
    ]
    tests = {
        node.name
        for node in ast.parse(Path(__file__).read_text()).body
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
    assert {len(row) for row in rows} == {4}
    assert len(rows) == len({row[0] for row in rows})
    assert {slug(row[0]) for row in rows} == tests
    told = " ".join(row[3] for row in rows)
    assert set(re.findall(r"`([A-Z_]{4,})`", told)) <= set(Result)


# The account, and who may change it


async def test_the_account_is_busy(serve: Serve) -> None:
    azure = serve(bot())
    said = recorded(
        azure.faults.on(method="PATCH"), "account busy (PATCH/PUT during another op on account)"
    )

    event = sees(await sweep(azure), Result.BUSY, "RequestConflict")

    assert (event["azureMessage"], patches(azure), off(azure)) == (said["message"], 1, False)


async def test_another_operation_runs_on_the_account(serve: Serve) -> None:
    azure = serve(bot())
    said = recorded(azure.faults.on(method="PATCH"), "child op racing another child/parent op")

    event = sees(await sweep(azure), Result.BUSY, "RequestConflict")

    assert (event["azureMessage"], patches(azure)) == (said["message"], 1)


@pytest.mark.parametrize("state", ["Accepted", "Moving"])
async def test_the_provisioning_state_is_not_terminal(serve: Serve, state: str) -> None:
    azure = serve(bot(provisioning_state=state))

    event = sees(await sweep(azure), Result.BUSY)

    assert (state in event["detail"], patches(azure)) == (True, 0)


async def test_another_provider_finds_the_account_accepted(serve: Serve) -> None:
    azure = serve(bot())
    case = "private endpoint against account still Accepted (other RP, not our PATCH)"
    recorded(azure.faults.on(method="PATCH"), case)

    sees(await sweep(azure), Result.BUSY, "AccountProvisioningStateInvalid")


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
async def test_the_provisioning_state_is_failed_or_canceled(serve: Serve, state: str) -> None:
    azure = serve(bot(provisioning_state=state, patch=PatchForm.BOTH))

    sees(await sweep(azure), Result.DISABLED)

    assert off(azure)


@pytest.mark.parametrize("level", ["account", "group", "subscription"])
async def test_a_readonly_lock(serve: Serve, level: str) -> None:
    tenant = bot()
    account = tenant.account("bot")
    scope = {
        "account": account.id,
        "group": account.id.partition("/providers/")[0],
        "subscription": account.id.partition("/resourceGroups/")[0],
    }[level]
    tenant.add_lock(scope)
    azure = serve(tenant)

    event = sees(await sweep(azure), Result.LOCKED, "ScopeLocked")

    assert fits(event["azureMessage"], "ReadOnly lock")
    assert f"'{scope}'" in event["azureMessage"]
    assert (patches(azure), off(azure)) == (1, False)


async def test_a_cannotdelete_lock(serve: Serve) -> None:
    tenant = bot()
    tenant.add_lock(tenant.account("bot").id, level="CanNotDelete")
    azure = serve(tenant)

    sees(await sweep(azure), Result.DISABLED)

    assert off(azure)


async def test_a_policy_denies(serve: Serve) -> None:
    tenant = bot()
    policy = tenant.add_policy(tenant.account("bot").id.partition("/resourceGroups/")[0])
    azure = serve(tenant)

    event = sees(await sweep(azure), Result.POLICY_DENIED, "RequestDisallowedByPolicy")

    assert fits(event["azureMessage"], "Azure Policy deny")
    assert policy.assignment_id in event["azureMessage"]
    assert (patches(azure), off(azure)) == (1, False)


async def test_the_role_is_missing(serve: Serve) -> None:
    tenant = bot()
    scope = "/providers/Microsoft.Management/managementGroups/contoso"
    tenant.assignments.remove(tenant.function.object_id, scope)
    tenant.assign(tenant.function, scope, [each for each in FUNCTION_ACTIONS if each != WRITE])
    azure = serve(tenant)

    event = sees(await sweep(azure), Result.NO_ROLE, "AuthorizationFailed", fails=True)

    assert fits(event["azureMessage"], "no RBAC")
    assert "Give Keysweep's identity its role" in event["detail"]


async def test_a_deny_assignment(serve: Serve) -> None:
    tenant = bot()
    tenant.deny(tenant.function, tenant.account("bot").id, [WRITE], name="stack-of-team-x")
    azure = serve(tenant)

    code = "DenyAssignmentAuthorizationFailed"
    event = sees(await sweep(azure), Result.NO_ROLE, code, fails=True)

    assert "stack-of-team-x" in event["azureMessage"]
    assert "look for a deny assignment" in event["detail"]


async def test_a_linked_resource_may_not_be_joined(serve: Serve) -> None:
    azure = serve(bot())
    said = recorded(azure.faults.on(method="PATCH"), "linked authorization")

    event = sees(await sweep(azure), Result.NO_ROLE, "LinkedAuthorizationFailed", fails=True)

    assert event["azureMessage"] == said["message"]


@pytest.mark.parametrize("before", ["GET", "PATCH"])
async def test_the_account_was_deleted_meanwhile(serve: Serve, before: str) -> None:
    azure = serve(bot())

    def delete(request: SeenRequest) -> None:
        if request.method == before and request.path.endswith("/bot"):
            remove()
            azure.tenant.delete("bot")

    remove = azure.before(delete)

    event = sees(await sweep(azure), Result.GONE, "ResourceNotFound")

    assert fits(event["azureMessage"], "account deleted between scan and PATCH")
    assert (azure.writes, event["accepted"]) == ((), "false")


async def test_the_account_is_soft_deleted(serve: Serve) -> None:
    azure = serve(bot())
    azure.tenant.delete("bot")
    azure.clock.advance(300)

    swept = await sweep(azure)

    assert (swept.whole, swept.events("SweepCompleted")[0]["accounts"]) == (True, 0)


async def test_the_value_reverts(serve: Serve) -> None:
    azure = serve(bot())
    template = azure.tenant.add_principal("template")

    def revert(request: SeenRequest) -> None:
        if azure.writes and request.method == "GET" and off(azure):
            azure.tenant.enable_keys("bot", by=template)

    azure.before(revert)

    sees(await sweep(azure), Result.UNVERIFIED, fails=True)
    azure.clock.advance(15 * 60)
    later = await sweep(azure)

    sees(later, Result.UNVERIFIED, fails=True)
    assert off(azure) is False
    azure.clock.advance(15 * 60)
    (war,) = (await sweep(azure)).events("PatchWar")
    assert (war["turnedOnBy"], war["ours"]) == (template.client_id, "true")


async def test_the_update_fails_after_it_was_accepted(serve: Serve) -> None:
    azure = serve(bot(patch=PatchForm.OPERATION_FAILS))

    sees(await sweep(azure), Result.UNVERIFIED, "InternalServerError", fails=True)

    assert len(azure.writes) == 1


async def test_the_update_runs_on_and_on(serve: Serve) -> None:
    tenant = bot(patch=PatchForm.BOTH)
    tenant.account("bot").operation_seconds = 50_000
    azure = serve(tenant)

    event = sees(await sweep(azure), Result.UNVERIFIED, fails=True)

    assert "The operation is still running after 120 s." in event["detail"]

    assert len(azure.writes) == 1


async def test_the_read_back_is_behind(serve: Serve) -> None:
    azure = serve(bot(stale_reads=5))

    sees(await sweep(azure), Result.DISABLED)

    assert azure.clock.monotonic() <= 30


async def test_the_subscription_is_disabled(serve: Serve) -> None:
    tenant = bot()
    tenant.subscription("contoso-prod").state = "Disabled"
    tenant.add_subscription("contoso-dev", parent="contoso")
    azure = serve(tenant)

    swept = await sweep(azure)

    (completed,) = swept.events("SweepCompleted")
    assert (completed["subscriptionsDisabled"], completed["subscriptionsRead"]) == (1, 1)
    assert (swept.whole, swept.results, patches(azure)) == (True, {}, 0)


async def test_the_subscription_is_disabled_meanwhile(serve: Serve) -> None:
    tenant = bot()
    tenant.add_subscription("contoso-dev", parent="contoso")
    azure = serve(tenant)

    def disable(request: SeenRequest) -> None:
        if request.method == "PATCH":
            tenant.subscription("contoso-prod").state = "Disabled"

    azure.before(disable)

    sees(await sweep(azure), Result.BUSY, "ReadOnlyDisabledSubscription")
    azure.clock.advance(15 * 60)
    (completed,) = (await sweep(azure)).events("SweepCompleted")

    assert (completed["subscriptionsDisabled"], completed["drift"]) == (1, 0)


async def test_azure_itself_forbids_it(serve: Serve) -> None:
    azure = serve(bot())
    refusal = {"error": {"code": "RequestDisallowedByAzure", "message": "Not in this region."}}
    azure.faults.on(method="PATCH").answer(403, refusal)

    event = sees(await sweep(azure), Result.FAILED, "RequestDisallowedByAzure", fails=True)

    assert (event["azureMessage"], patches(azure)) == ("Not in this region.", 1)
    assert "role" not in event["detail"]


async def test_a_conflict_that_nobody_knows(serve: Serve) -> None:
    azure = serve(bot())
    refusal = {"error": {"code": "MissingSubscriptionRegistration", "message": "Register it."}}
    azure.faults.on(method="PATCH").answer(409, refusal)

    event = sees(await sweep(azure), Result.FAILED, "MissingSubscriptionRegistration", fails=True)

    assert (event["azureMessage"], patches(azure)) == ("Register it.", 1)


async def test_the_account_became_another_kind_meanwhile(serve: Serve) -> None:
    azure = serve(bot())

    def become(request: SeenRequest) -> None:
        if request.method == "GET" and request.path.endswith("/bot"):
            azure.tenant.account("bot").kind = "SpeechServices"

    azure.before(become)

    event = sees(await sweep(azure), Result.OUT_OF_SCOPE)

    assert ("SpeechServices" in event["detail"], patches(azure)) == (True, 0)


async def test_an_unknown_refusal(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").answer(400, {"error": {"code": "New", "message": "Not so."}})

    event = sees(await sweep(azure), Result.FAILED, "New", fails=True)

    assert (event["azureMessage"], patches(azure)) == ("Not so.", 1)


# Throttling


def throttle(azure: LocalAzure, method: str, *, times: int = 1, **headers: str) -> None:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    azure.faults.on(method=method, path="*/bot", times=times).answer(429, THROTTLED, sent)


async def test_a_patch_is_throttled_for_a_moment(serve: Serve) -> None:
    azure = serve(bot())
    throttle(azure, "PATCH", Retry_After="30")

    sees(await sweep(azure), Result.DISABLED)

    assert 30 <= azure.clock.monotonic() <= 40
    assert [o.method for o in azure.operations if o.path.endswith("/bot")][:4] == [
        "GET", "PATCH", "GET", "PATCH",
    ]  # fmt: skip


async def test_a_patch_is_throttled_for_an_hour(serve: Serve) -> None:
    azure = serve(bot())
    throttle(azure, "PATCH", Retry_After="3600")

    event = sees(await sweep(azure), Result.DEFERRED)

    assert event["detail"].startswith("The wait is 3600 s")
    assert (patches(azure), azure.clock.monotonic() < 60) == (1, True)


async def test_a_patch_is_throttled_without_a_retry_after(serve: Serve) -> None:
    azure = serve(bot())
    throttle(azure, "PATCH", times=3)

    sees(await sweep(azure), Result.DISABLED)

    assert (patches(azure), azure.clock.monotonic() >= 1 + 2 + 4) == (4, True)


async def test_a_patch_is_throttled_for_zero_seconds(serve: Serve) -> None:
    azure = serve(bot())
    throttle(azure, "PATCH", times=3, Retry_After="0")

    sees(await sweep(azure), Result.DISABLED)

    assert (patches(azure), azure.clock.monotonic() >= 1 + 2 + 4) == (4, True)


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "20"}], ids=["no word", "20 s"])
async def test_a_read_is_throttled(serve: Serve, headers: dict[str, str]) -> None:
    azure = serve(bot())
    throttle(azure, "GET", times=3, **headers)

    sees(await sweep(azure), Result.DISABLED)

    assert azure.clock.monotonic() >= (60 if headers else 7)


async def test_resource_graph_is_throttled(serve: Serve) -> None:
    azure = serve(bot())
    for _ in range(15):
        azure.services.quota.take(azure.tenant.function.object_id)

    swept = await sweep(azure)

    sees(swept, Result.DISABLED)
    assert "429" in {str(each.status) for each in azure.operations}
    assert swept.events("SweepCompleted")[0]["subscriptionsReadDirectly"] == 0


# The connection, and answers that are none


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
@pytest.mark.parametrize("acted", [False, True], ids=["did nothing", "acted"])
async def test_a_patch_ends_in_a_server_error(serve: Serve, *, status: int, acted: bool) -> None:
    azure = serve(bot())
    body = {"error": {"code": "InternalServerError", "message": "Internal server error."}}
    azure.faults.on(method="PATCH").answer(status, body, after_acting=acted)

    event = sees(await sweep(azure), Result.DISABLED, "InternalServerError" if acted else "")

    # Where nothing was done, the whole unit ran once more.
    assert (patches(azure), off(azure)) == (1 if acted else 2, True)
    assert event["accepted"] == "true"


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_a_patch_ends_in_a_server_error_twice(serve: Serve, status: int) -> None:
    azure = serve(bot())
    body = {"error": {"code": "InternalServerError", "message": "Internal server error."}}
    azure.faults.on(method="PATCH", times=None).answer(status, body)

    event = sees(await sweep(azure), Result.UNVERIFIED, "InternalServerError", fails=True)

    assert (patches(azure), off(azure), event["accepted"]) == (2, False, "true")


@pytest.mark.parametrize("status", [500, 504])
async def test_a_read_ends_in_a_server_error(serve: Serve, status: int) -> None:
    azure = serve(bot())
    fault = azure.faults.on(method="GET", path="*/bot", times=3)
    fault.answer(status)
    sees(await sweep(azure), Result.DISABLED)

    azure.tenant.enable_keys("bot")
    azure.clock.advance(15 * 60)
    fault.times = None
    sees(await sweep(azure), Result.FAILED, f"HTTP{status}", fails=True)

    assert patches(azure) == 1


async def test_a_patch_is_answered_with_a_page(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH", times=2).answer(502, "<html><h1>Bad Gateway</h1></html>")

    event = sees(await sweep(azure), Result.UNVERIFIED, "HTTP502", fails=True)

    assert "<" not in event.get("azureMessage", "")


async def test_a_read_is_answered_with_broken_json(serve: Serve) -> None:
    azure = serve(bot())
    fault = azure.faults.on(method="GET", path="*/bot", times=3)
    fault.answer(200, '{"id": "/subscr', {"Content-Type": "application/json"})
    sees(await sweep(azure), Result.DISABLED)

    azure.tenant.enable_keys("bot")
    azure.clock.advance(15 * 60)
    fault.times = None
    swept = await sweep(azure)

    assert (swept.results, swept.whole, patches(azure)) == ({"bot": Result.FAILED}, False, 1)


@pytest.mark.parametrize("body", [{}, {"error": {"code": "Later", "message": ""}}])
async def test_a_read_is_answered_with_something_else(serve: Serve, body: dict[str, Any]) -> None:
    azure = serve(bot())
    fault = azure.faults.on(method="GET", path="*/bot", times=3)
    fault.answer(200, body)
    sees(await sweep(azure), Result.DISABLED)

    azure.tenant.enable_keys("bot")
    azure.clock.advance(15 * 60)
    fault.times = None
    sees(await sweep(azure), Result.FAILED, fails=True)

    assert patches(azure) == 1


async def test_a_level_above_is_answered_with_something_else(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(path="/subscriptions/*/resourcegroups/rg-ai", times=None).answer(200, {})

    sees(await sweep(azure, EXEMPTION_INHERIT="true"), Result.NOW_HELD)

    assert patches(azure) == 0


async def test_an_answer_is_too_long(serve: Serve) -> None:
    azure = serve(hidden_bot())
    long = gzip.compress(b'{"value":[],"padding":"' + b"x" * (64 * 1024 * 1024) + b'"}')
    azure.faults.on(path="*/accounts", times=None).bend(
        lambda answer: replace(answer, body=long).with_header("Content-Encoding", "gzip")
    )

    assert "longer than" in gap(await sweep(azure))["problem"]


async def test_the_connection_is_cut_before_azure_acts(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").cut()

    swept = await sweep(azure)

    event = sees(swept, Result.DISABLED)
    assert (patches(azure), off(azure), event["accepted"]) == (2, True, "true")


async def test_the_connection_is_cut_again_and_again(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH", times=None).cut()

    swept = await sweep(azure)

    event = sees(swept, Result.UNVERIFIED, fails=True)
    assert ("disconnected" in event["detail"], patches(azure), off(azure)) == (True, 2, False)


async def test_an_exemption_comes_between_a_patch_without_an_answer_and_its_second_try(
    serve: Serve,
) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").cut()
    cut: list[SeenRequest] = []

    def exempt(request: SeenRequest) -> None:
        if request.method == "PATCH":
            cut.append(request)
        elif cut and not azure.tenant.account("bot").tags:
            azure.tenant.tag("bot", {"local-auth-exempt": "CHG0042"})

    azure.before(exempt)

    event = sees(await sweep(azure), Result.NOW_EXEMPT)

    assert (patches(azure), off(azure), event["accepted"]) == (1, False, "true")


async def test_the_connection_is_cut_after_azure_acted(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").cut(after_acting=True)

    swept = await sweep(azure)

    assert (swept.results, swept.whole) == ({"bot": Result.DISABLED}, True)
    assert (patches(azure), off(azure)) == (1, True)


@pytest.mark.parametrize("acted", [False, True], ids=["did nothing", "acted"])
async def test_a_patch_hangs(serve: Serve, *, acted: bool) -> None:
    azure = serve(bot())
    azure.faults.on(method="PATCH").hang(after_acting=acted)

    swept = await sweep(azure)

    assert swept.results == {"bot": Result.DISABLED}
    assert (off(azure), swept.whole, patches(azure)) == (True, True, 1 if acted else 2)
    assert 60 <= azure.clock.monotonic() <= 60 + 35


async def test_a_read_hangs(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(method="GET", path="*/bot").hang()

    sees(await sweep(azure), Result.DISABLED)

    assert 60 <= azure.clock.monotonic() <= 70


async def test_everything_hangs_for_good(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(host="arm", times=None).hang()

    swept = await sweep(azure)

    assert gap(swept)["gapKind"] == "tenant"
    assert azure.clock.monotonic() <= 1210


# The identity and its token


async def test_the_token_runs_out_in_a_sweep(serve: Serve) -> None:
    # Long enough for the first of them, not for both.
    tenant = bot()
    tenant.add_account("other", local_auth=True, patch=PatchForm.OK_200)
    azure = serve(tenant, token_lifetime=900)
    throttle(azure, "PATCH", Retry_After="700")

    sees(await sweep(azure), Result.DISABLED)

    assert 401 not in {each.status for each in azure.operations}
    assert sum(each.host == "identity" for each in azure.operations) == 2


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_the_token_is_refused_in_a_sweep(serve: Serve, method: str) -> None:
    # Valid for years, so that azure-identity, which goes by the real time, thinks it is good.
    azure = serve(bot(), token_lifetime=10 * 365 * 86_400)

    def revoke(request: SeenRequest) -> None:
        if request.method == method and request.path.endswith("/bot"):
            remove()
            # The principal was seen before this: the answer is the gateway's.
            azure.services.tokens.revoke()
            azure.clock.advance(1)

    remove = azure.before(revoke)

    sees(await sweep(azure), Result.DISABLED)

    assert "ExpiredAuthenticationToken" in {each.code for each in azure.operations}
    assert len(azure.writes) == 1


async def test_the_token_is_of_another_tenant(serve: Serve) -> None:
    azure = serve(bot())
    refusal = {"error": {"code": "InvalidAuthenticationTokenTenant", "message": "Wrong issuer."}}
    azure.faults.on(path="*/bot", times=None).answer(401, refusal)

    code = "InvalidAuthenticationTokenTenant"
    event = sees(await sweep(azure), Result.FAILED, code, fails=True)

    assert "sign in to the tenant of that subscription" in event["detail"]
    assert "Give Keysweep's identity its role" not in event["detail"]


async def test_the_token_endpoint_is_down(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(host="identity", times=None).answer(500)

    assert gap(await sweep(azure))["gapKind"] == "tenant"

    azure.faults.clear()
    sees(await sweep(azure), Result.DISABLED)


async def test_the_token_endpoint_hangs(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(host="identity", times=None).hang()

    assert gap(await sweep(azure))["gapKind"] == "tenant"
    assert azure.clock.monotonic() <= 60


async def test_the_token_endpoint_answers_oddly(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(host="identity", times=None).answer(200, "<html>")

    assert gap(await sweep(azure))["gapKind"] == "tenant"


async def test_the_token_can_not_be_renewed(serve: Serve) -> None:
    azure = serve(bot(), token_lifetime=3600)
    async with process(azure) as same:
        await tick(same)
        azure.tenant.enable_keys("bot")
        azure.clock.advance(3600 - 120)
        azure.faults.on(host="identity", times=None).answer(500)
        swept = await tick(same)

    sees(swept, Result.DISABLED)


async def test_the_identity_does_not_exist(serve: Serve) -> None:
    azure = serve(bot())

    event = gap(await sweep(azure, AZURE_CLIENT_ID="00000000-0000-4000-8000-00000000dead"))

    assert event["gapKind"] == "tenant"


async def test_the_role_has_not_arrived_yet(serve: Serve) -> None:
    tenant = Tenant()
    tenant.add_subscription("contoso-prod")
    tenant.add_account("bot", local_auth=True, patch=PatchForm.OK_200)
    root = f"/providers/Microsoft.Management/managementGroups/{tenant.id}"
    tenant.assign_function(root, since=START + timedelta(minutes=10))
    azure = serve(tenant)

    event = gap(await sweep(azure))
    azure.clock.advance(15 * 60)

    assert "the role has perhaps not reached the identity yet" in event["problem"]
    sees(await sweep(azure), Result.DISABLED)


# What can't be seen


@pytest.mark.parametrize("skip", [0, 1, 2, 3], ids=["tenant", "subscriptions", "census", "list"])
async def test_resource_graph_is_down(serve: Serve, skip: int) -> None:
    azure = serve(bot())
    azure.faults.on(path=GRAPH, skip=skip, times=None).answer(503)

    swept = await sweep(azure)

    sees(swept, Result.DISABLED)
    assert swept.events("SweepCompleted")[0]["subscriptionsReadDirectly"] == 1


async def test_resource_graph_hangs(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(path=GRAPH, times=None).hang()

    swept = await sweep(azure)

    sees(swept, Result.DISABLED)
    assert swept.events("SweepCompleted")[0]["subscriptionsReadDirectly"] == 1


async def test_resource_graph_denies_access(serve: Serve) -> None:
    azure = serve(bot())
    recorded(azure.faults.on(path=GRAPH, times=None), "Resource Graph: no readable subscription")

    swept = await sweep(azure)

    sees(swept, Result.DISABLED)
    assert swept.events("SweepCompleted")[0]["subscriptionsReadDirectly"] == 1


async def test_resource_graph_truncates_its_answer(serve: Serve) -> None:
    azure = serve(bot())
    body = {"totalRecords": 1, "count": 0, "data": [], "facets": [], "resultTruncated": "true"}
    azure.faults.on(path=GRAPH, skip=3, times=None).answer(200, body)

    swept = await sweep(azure)

    sees(swept, Result.DISABLED)
    assert swept.events("SweepCompleted")[0]["subscriptionsReadDirectly"] == 1


async def test_resource_graph_refuses_a_query(serve: Serve) -> None:
    azure = serve(bot())
    details = [{"code": "InvalidQuery", "message": "Query is invalid."}]
    refusal = {"code": "BadRequest", "message": "Please provide below info.", "details": details}
    azure.faults.on(path=GRAPH, times=None).answer(400, {"error": refusal})

    swept = await sweep(azure)

    sees(swept, Result.DISABLED)
    (completed,) = swept.events("SweepCompleted")
    assert "InvalidQuery: Query is invalid." in completed["resourceGraph"]


async def test_resource_graph_repeats_a_row(serve: Serve) -> None:
    tenant = bot()
    tenant.add_account("neighbour", local_auth=True, patch=PatchForm.OK_200)
    azure = serve(tenant)

    def repeat(answer: Answer) -> Answer:
        answer.body["data"] = answer.body["data"][:1] * len(answer.body["data"])
        return answer

    azure.faults.on(path=GRAPH, skip=3).bend(repeat)

    swept = await sweep(azure)

    assert swept.results == {"bot": Result.DISABLED, "neighbour": Result.DISABLED}
    assert swept.events("SweepCompleted")[0]["subscriptionsReadDirectly"] == 1


async def test_a_row_of_resource_graph_lacks_something(serve: Serve) -> None:
    azure = serve(bot())

    def drop(answer: Answer) -> Answer:
        del answer.body["data"][0]["kind"]
        return answer

    azure.faults.on(path=GRAPH, skip=3).bend(drop)

    swept = await sweep(azure)

    sees(swept, Result.DISABLED)
    assert "a row that lacks kind" in swept.events("SweepCompleted")[0]["resourceGraph"]


async def test_a_row_of_arm_lacks_something(serve: Serve) -> None:
    azure = serve(hidden_bot())

    def drop(answer: Answer) -> Answer:
        del answer.body["value"][0]["kind"]
        return answer

    azure.faults.on(path="*/accounts", times=None).bend(drop)

    assert gap(await sweep(azure))["gapKind"] == "account"


async def test_the_list_of_subscriptions_loses_one(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(path="/subscriptions", times=None).answer(200, {"value": []})

    sees(await sweep(azure), Result.DISABLED)


async def test_a_list_leads_back_to_itself(serve: Serve) -> None:
    azure = serve(hidden_bot())
    azure.faults.on(path="*/accounts", times=None).bend(
        lambda answer: replace(answer, body={**answer.body, "nextLink": answer.url})
    )

    assert "holds nothing that an earlier one did not" in gap(await sweep(azure))["problem"]


async def test_a_link_leads_elsewhere(serve: Serve) -> None:
    azure, elsewhere = serve(hidden_bot()), serve(bot())
    link = elsewhere.environ["ARM_ENDPOINT"] + "/subscriptions"
    azure.faults.on(path="*/accounts", times=None).bend(
        lambda answer: replace(answer, body={**answer.body, "nextLink": link})
    )

    assert gap(await sweep(azure))["gapKind"] == "subscription"
    assert elsewhere.connections.asked() == 0


async def test_a_subscription_can_not_be_read(serve: Serve) -> None:
    tenant = bot()
    hidden = tenant.add_subscription("hidden", parent="contoso", hidden_from_graph=True)
    azure = serve(tenant)
    fault = azure.faults.on(path=f"/subscriptions/{hidden.id}/*/accounts", times=None)
    fault.answer(403, {"error": {"code": "AuthorizationFailed", "message": "No."}})

    swept = await sweep(azure)

    event = gap(swept)
    assert (event["gapKind"], event["gapName"]) == ("subscription", hidden.id)
    assert "AuthorizationFailed" in event["problem"]
    assert off(azure), "the others are swept"


async def test_a_management_group_does_not_exist(serve: Serve) -> None:
    azure = serve(bot())

    swept = await sweep(azure, SWEEP_MANAGEMENT_GROUPS="contoso,nosuch")

    event = gap(swept)
    assert (event["gapKind"], event["gapName"]) == ("managementGroup", "nosuch")
    assert off(azure), "the others are swept"


async def test_the_change_log_can_not_be_read(serve: Serve) -> None:
    azure = serve(bot())
    azure.faults.on(path=GRAPH, skip=4, times=None).answer(500)

    swept = await sweep(azure)

    sees(swept, Result.DISABLED)
    assert swept.events("SweepCompleted")[0]["changeLog"] != "read"


# Application Insights: in processes of their own, since a test process has just one.


async def refusing() -> dict[str, Any]:
    """Sweep while Application Insights refuses everything; then once more when it doesn't."""
    with LocalAzure(scenarios.four_accounts()) as azure:
        fault = insights().faults.on(host="ingestion", times=None).answer(503)
        swept = await sweep(azure)
        insights().faults.remove(fault)
        assert swept.error is not None
        writes = [len(azure.writes)]
        again = await sweep(azure)
        return {
            "error": str(swept.error),
            "context": str(swept.error.__context__),
            "writes": [*writes, len(azure.writes)],
            "then": str(again.error),
        }


async def hanging() -> dict[str, Any]:
    """Sweep while Application Insights takes every connection and never answers."""
    with LocalAzure(scenarios.four_accounts()) as azure:
        insights().faults.on(host="ingestion", times=None).hang()
        began = time.monotonic()
        swept = await sweep(azure)
        took = time.monotonic() - began
        insights().stop()
        return {"took": took, "error": str(swept.error), "writes": len(azure.writes)}


async def test_application_insights_refuses() -> None:
    told = await alone(refusing)

    assert (told["writes"], told["then"]) == ([0, 4], "None")
    assert re.search(r"acknowledged 0 of \d+ events \(it answered 503\)", told["error"])
    assert "4 changes were not begun" in told["context"]


async def test_application_insights_hangs() -> None:
    told = await alone(hanging)

    assert told["writes"] == 0, "nothing is written unannounced"
    assert told["took"] <= 20 + 10
    assert "Application Insights acknowledged 0 of" in told["error"]


async def test_an_announcement_is_not_acknowledged(serve: Serve) -> None:
    tenant = bot()
    tenant.add_account("other", local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    azure = serve(tenant)
    sent: list[list[dict[str, Any]]] = []

    def keep(request: SeenRequest) -> None:
        if request.host == "ingestion":
            sent.append(json.loads(request.body))

    def refuse(answer: Answer) -> Answer:
        errors = [
            {"index": index, "statusCode": 400, "message": "Not this one"}
            for index, envelope in enumerate(sent[-1])
            if envelope["data"]["baseData"].get("name") == "DriftFound"
            if envelope["data"]["baseData"]["properties"]["accountName"] == "bot"
        ]
        counts = {"itemsReceived": len(sent[-1]), "itemsAccepted": len(sent[-1]) - len(errors)}
        return replace(answer, status=206 if errors else 200, body={**counts, "errors": errors})

    remove = insights().before(keep)
    fault = insights().faults.on(host="ingestion", times=None).bend(refuse)
    swept = await sweep(azure)
    insights().faults.remove(fault)
    remove()

    assert swept.results == {"bot": Result.DEFERRED, "other": Result.DISABLED}
    assert (off(azure), swept.whole) == (False, False)
    (event,) = [e for e in swept.events("RemediationOutcome") if e["accountName"] == "bot"]
    assert "nothing is written unannounced" in event["detail"]
    assert "1 change was not begun" in swept.events("SweepCompleted")[0]["reasons"]
