"""Every fault of docs/faults.md, by its row: what Azure says, and what the operator sees.

What becomes of one account is seen in one sweep of all of them, and so is every result. What is not
about one account has a sweep of its own, where nothing but the wire shows it.
"""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from local_azure import Account, LocalAzure, PatchForm, SeenRequest, Tenant
from local_azure.clock import START
from local_azure.exchange import Answer
from local_azure.faults import Fault
from local_azure.state import ids
from shared.core.errors import SweepNotWhole
from shared.core.model import Result
from tests.support.bent_answers import (
    DEEP,
    Bend,
    accounts_of,
    changed,
    completed,
    gaps,
    says,
    turned_off,
)
from tests.support.contoso import TAG, adrift
from tests.support.real_sweeps import Swept, sweep
from tests.support.serving import Serve
from tests.support.spoilt_accounts import (
    Arrange,
    Case,
    Together,
    answers,
    at,
    first,
    swept_together,
)

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "faults.md"
ERRORS = {
    error["case"]: error
    for error in json.loads((ROOT / "tests/data/errors/errors.json").read_text())["control_plane"]
}
GRAPH = "*/microsoft.resourcegraph/resources"
WRITE = "Microsoft.CognitiveServices/accounts/write"
ROLE_SCOPE = "/providers/Microsoft.Management/managementGroups/contoso"


# What happens to an account


def error(code: str, message: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def recorded(case: str) -> Arrange:
    """Answer its PATCH with a body of the reference shelf."""
    return answers(ERRORS[case]["status"], ERRORS[case]["body"])


def throttled(method: str, times: int = 1, **headers: str) -> Arrange:
    return answers(429, error("TooManyRequests"), times=times, method=method, **headers)


def lock(level: Literal["ReadOnly", "CanNotDelete"]) -> Arrange:
    return lambda azure, bot: azure.tenant.add_lock(bot.id, level=level)


def policy(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.add_policy(bot.id.partition("/providers/")[0])


def deny(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.deny(azure.tenant.function, bot.id, [WRITE], name="stack-of-team-x")


def delete(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.delete(bot)


def disable(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.subscriptions[bot.subscription_id].state = "Disabled"


def become(kind: str) -> Arrange:
    return lambda azure, bot: azure.tenant.set_kind(bot, kind)


def tag(value: str) -> Arrange:
    return lambda azure, bot: azure.tenant.tag(bot, {TAG: value})


def revert(azure: LocalAzure, bot: Account) -> None:
    """Let somebody turn its keys on again whenever they are off and it is read."""

    def hook(request: SeenRequest) -> None:
        is_read = request.method == "GET" and request.path.lower() == bot.id.lower()
        if is_read and not bot.keys_on:
            azure.tenant.enable_keys(bot)

    azure.before(hook)


def exempt_after_the_first_patch(azure: LocalAzure, bot: Account) -> None:
    azure.faults.on(method="PATCH", path=bot.id).cut()
    patched = False

    def hook(request: SeenRequest) -> None:
        nonlocal patched
        if request.path.lower() == bot.id.lower():
            patched = patched or request.method == "PATCH"
            if patched and request.method == "GET" and not bot.tags:
                azure.tenant.tag(bot, {TAG: "CHG0042"})

    azure.before(hook)


R = Result
RUNS_ON = {"patch": PatchForm.BOTH, "operation_seconds": 50_000}
FAILS_LATER = {"patch": PatchForm.OPERATION_FAILS}
CANCELED = {"provisioning_state": "Canceled", "patch": PatchForm.BOTH}
MEANWHILE = "ReadOnlyDisabledSubscription"
OTHER_TENANT = "InvalidAuthenticationTokenTenant"
EXPIRED = error("ExpiredAuthenticationToken")
UNKNOWN = "MissingSubscriptionRegistration"
HTML = "<html><h1>Bad Gateway</h1></html>"
# By the row's name; after a slash, which of several.
CASES = {
    "The account is busy": Case(
        R.BUSY, recorded("account busy (PATCH/PUT during another op on account)"), "RequestConflict"
    ),
    "Another operation runs on the account": Case(
        R.BUSY, recorded("child op racing another child/parent op"), "RequestConflict"
    ),
    "The provisioning state is not terminal": Case(
        R.BUSY, says="Moving", patches=0, options={"provisioning_state": "Moving"}
    ),
    "Another provider finds the account Accepted": Case(
        R.BUSY,
        recorded("private endpoint against account still Accepted (other RP, not our PATCH)"),
        "AccountProvisioningStateInvalid",
    ),
    "The provisioning state is Failed or Canceled": Case(R.DISABLED, options=CANCELED),
    "A ReadOnly lock": Case(R.LOCKED, lock("ReadOnly"), "ScopeLocked", "/accounts/bot-"),
    "A CanNotDelete lock": Case(R.DISABLED, lock("CanNotDelete")),
    "A policy denies": Case(
        R.POLICY_DENIED, policy, "RequestDisallowedByPolicy", "/policyAssignments/"
    ),
    "A deny assignment": Case(
        R.NO_ROLE, deny, "DenyAssignmentAuthorizationFailed", "stack-of-team-x"
    ),
    "A linked resource may not be joined": Case(
        R.NO_ROLE, recorded("linked authorization"), "LinkedAuthorizationFailed"
    ),
    "The account was deleted meanwhile/before the read": Case(
        R.GONE, first("GET", delete), "ResourceNotFound", patches=0
    ),
    "The account was deleted meanwhile/before the PATCH": Case(
        R.GONE, first("PATCH", delete), "ResourceNotFound"
    ),
    "The account was deleted meanwhile/after the PATCH": Case(R.GONE, first("GET", delete, skip=1)),
    "The value reverts": Case(R.UNVERIFIED, revert),
    "The update fails after it was accepted": Case(
        R.UNVERIFIED, code="InternalServerError", options=FAILS_LATER
    ),
    "The update runs on and on": Case(
        R.UNVERIFIED, says="still running after 120 s.", options=RUNS_ON, most=160
    ),
    "The read-back is behind": Case(R.DISABLED, options={"stale_reads": 5}),
    "The subscription is disabled meanwhile": Case(R.BUSY, first("PATCH", disable), MEANWHILE),
    "The account became another kind meanwhile": Case(
        R.OUT_OF_SCOPE, first("GET", become("SpeechServices")), says="Speech", patches=0
    ),
    "Azure itself forbids it": Case(
        R.FAILED, answers(403, error("RequestDisallowedByAzure")), "RequestDisallowedByAzure"
    ),
    "A conflict that nobody knows": Case(R.FAILED, answers(409, error(UNKNOWN)), UNKNOWN),
    "An unknown refusal": Case(R.FAILED, answers(400, error("New", "Not so.")), "New", "Not so."),
    # Throttling
    "A PATCH is throttled for a moment": Case(
        R.DISABLED, throttled("PATCH", Retry_After="30"), patches=2
    ),
    "A PATCH is throttled for an hour": Case(
        R.DEFERRED, throttled("PATCH", Retry_After="3600"), says="The wait is 3600 s"
    ),
    "A PATCH is throttled without a Retry-After": Case(
        R.DISABLED, throttled("PATCH", 3), patches=4
    ),
    "A PATCH is throttled for zero seconds": Case(
        R.DISABLED, throttled("PATCH", 3, Retry_After="0"), patches=4
    ),
    "A PATCH is throttled for zero seconds/in milliseconds": Case(
        R.DISABLED, throttled("PATCH", 3, x_ms_retry_after_ms="10"), patches=4
    ),
    "A read is throttled": Case(R.DISABLED, throttled("GET", 3, Retry_After="20"), most=70),
    # The connection, and answers that are none
    "A PATCH ends in a server error": Case(
        R.DISABLED, answers(503, error("Later")), patches=2, most=70
    ),
    "A PATCH ends in a server error twice": Case(
        R.UNVERIFIED, answers(503, error("Later"), times=None), "Later", patches=2, most=70
    ),
    "A read ends in a server error/three times": Case(
        R.DISABLED, answers(500, times=3, method="GET")
    ),
    "A read ends in a server error/for good": Case(
        R.FAILED, answers(504, times=None, method="GET"), "HTTP504", patches=0
    ),
    "A PATCH is answered with a page": Case(
        R.UNVERIFIED, answers(502, HTML, times=2), "HTTP502", patches=2, most=70
    ),
    "A read is answered with broken JSON": Case(
        R.FAILED,
        answers(200, '{"id": "/subscr', times=None, method="GET", Content_Type="application/json"),
        patches=0,
    ),
    "A read is answered with something else/three times": Case(
        R.DISABLED, answers(200, {}, times=3, method="GET")
    ),
    "A read is answered with something else/for good": Case(
        R.FAILED,
        answers(200, error("Later"), times=None, method="GET"),
        says="The answer is not what was asked for",
        patches=0,
    ),
    "The connection is cut before Azure acts": Case(
        R.DISABLED, at("PATCH", Fault.cut), patches=2, most=70
    ),
    "The connection is cut again and again": Case(
        R.UNVERIFIED, at("PATCH", Fault.cut, times=None), says="disconnected", patches=2, most=70
    ),
    "An exemption comes between a PATCH without an answer and its second try": Case(
        R.NOW_EXEMPT, exempt_after_the_first_patch, most=70
    ),
    "The connection is cut after Azure acted": Case(
        R.DISABLED, at("PATCH", lambda fault: fault.cut(after_acting=True))
    ),
    "A PATCH hangs/before Azure acts": Case(
        R.DISABLED, at("PATCH", Fault.hang), patches=2, most=95
    ),
    "A PATCH hangs/after Azure acted": Case(
        R.DISABLED, at("PATCH", lambda fault: fault.hang(after_acting=True)), most=95
    ),
    "A read hangs": Case(R.DISABLED, at("GET", Fault.hang), most=70),
    # The identity and its token
    "The token is refused in a sweep/by a read": Case(
        R.DISABLED, answers(401, EXPIRED, method="GET")
    ),
    "The token is refused in a sweep/by the PATCH": Case(
        R.DISABLED, answers(401, EXPIRED), patches=2
    ),
    "The token is of another tenant": Case(
        R.FAILED,
        answers(401, error(OTHER_TENANT), times=None, method="GET"),
        OTHER_TENANT,
        "sign in to the tenant of that subscription",
        patches=0,
    ),
}
# What has no row of its own.
BESIDE = {
    # Nobody can read that it is a refusal.
    "a refusal that is nested too deeply": Case(
        R.DISABLED, at("PATCH", lambda fault: fault.answer(400, DEEP)), patches=2, most=70
    ),
    "token refused for good": Case(
        R.NO_ROLE, answers(401, EXPIRED, times=None), "ExpiredAuthenticationToken", patches=2
    ),
    "tagged": Case(R.NOW_EXEMPT, first("GET", tag("CHG0042")), patches=0),
    "tagged oddly": Case(R.NOW_HELD, first("GET", tag("soon=1")), patches=0),
    "off": Case(
        R.ALREADY_OFF, first("GET", lambda azure, bot: azure.tenant.disable_keys(bot)), patches=0
    ),
}
ALL = CASES | BESIDE
FAILING = {Result.NO_ROLE, Result.UNVERIFIED, Result.FAILED}


@pytest.fixture(scope="module")
def together() -> Together:
    """Give one sweep of them all."""
    return asyncio.run(swept_together(ALL))


def test_each_account_has_its_result(together: Together) -> None:
    found = {name: event["result"] for name, event in together.outcomes.items()}
    assert found == {name: case.result for name, case in ALL.items()}


def test_every_result_is_brought_about_here_or_by_audit_mode() -> None:
    assert {case.result for case in ALL.values()} | {Result.WOULD_DISABLE} == set(Result)


@pytest.mark.parametrize("name", [name for name, case in ALL.items() if case.code or case.says])
def test_an_outcome_says_what_azure_said(together: Together, name: str) -> None:
    event, case = together.outcomes[name], ALL[name]
    assert event["azureCode"] == case.code or not case.code
    assert case.says in event["azureMessage"] + event["detail"]


def test_the_page_of_a_proxy_is_nobodys_message(together: Together) -> None:
    assert not [name for name, event in together.outcomes.items() if "<h1>" in f"{event}"]


def test_no_patch_is_sent_more_often_than_it_has_to(together: Together) -> None:
    assert together.patches == {name: case.patches for name, case in ALL.items()}


def test_each_patch_follows_a_read_of_its_account(together: Together) -> None:
    assert together.patched_without_a_read == set()


def test_what_was_accepted_is_said_to_be(together: Together) -> None:
    may_be = {name for name, case in ALL.items() if case.result is Result.UNVERIFIED}
    # A PATCH of each of these was sent, and nobody knows what came of the first.
    unknown = {"An exemption comes between a PATCH without an answer and its second try"}
    assert together.accepted == together.written | may_be | unknown


def test_what_is_off_is_off(together: Together) -> None:
    off = {Result.DISABLED, Result.ALREADY_OFF}
    assert not [name for name in together.left_on if ALL[name].result in off]


def test_no_account_takes_longer_than_it_may(together: Together) -> None:
    slow = {name: took for name, took in together.seconds.items() if took > ALL[name].most}
    assert slow == {}


def test_one_failure_stops_no_other(together: Together) -> None:
    tenant = together.azure.tenant
    on = [
        account.name
        for account in tenant.accounts
        if account.keys_on and tenant.subscriptions[account.subscription_id].state == "Enabled"
    ]
    assert not [name for name in on if name.startswith("calm-")]


def test_a_sweep_fails_by_those_that_need_a_person_and_by_no_other(together: Together) -> None:
    assert isinstance(together.swept.error, SweepNotWhole)
    reasons = together.swept.error.reasons
    failing = {together.bots[name].name for name, case in ALL.items() if case.result in FAILING}
    assert {reason.partition(":")[0] for reason in reasons} == failing


# What can't be seen


@dataclass(frozen=True)
class Unseen:
    """A fault, and what the sweep says of what it could not read."""

    strike: Callable[[LocalAzure], object]
    is_gap: bool = False
    """Whether it is a gap of the tenant, which fails the sweep; else all is read from ARM."""
    says: str = ""
    """Stands in the gap's problem, or else in `resourceGraph`."""
    settings: dict[str, str] = field(default_factory=dict)


def everywhere(effect: Callable[[Fault], object], **place: Any) -> Callable[[LocalAzure], object]:
    return lambda azure: effect(azure.faults.on(times=None, **place))


def late_role(azure: LocalAzure) -> None:
    azure.tenant.assignments.remove(azure.tenant.function.object_id, ROLE_SCOPE)
    azure.tenant.assign_function(ROLE_SCOPE, since=START + timedelta(minutes=10))


INVALID = {"code": "BadRequest", "message": "", "details": [{"code": "InvalidQuery"}]}
NO_IDENTITY = {"AZURE_CLIENT_ID": "00000000-0000-4000-8000-00000000dead"}
UNSEEN = {
    "Everything hangs for good": Unseen(everywhere(Fault.hang, host="arm"), is_gap=True),
    "The token endpoint hangs": Unseen(
        everywhere(Fault.hang, host="identity"), is_gap=True, says="no token within 30"
    ),
    "The token endpoint answers oddly": Unseen(
        everywhere(lambda fault: fault.answer(200, "<html>"), host="identity"), is_gap=True
    ),
    "The identity does not exist": Unseen(lambda _: None, is_gap=True, settings=NO_IDENTITY),
    "The role has not arrived yet": Unseen(
        late_role, is_gap=True, says="has perhaps not reached the"
    ),
    "Resource Graph is down": Unseen(everywhere(lambda fault: fault.answer(503), path=GRAPH)),
    "Resource Graph hangs": Unseen(everywhere(Fault.hang, path=GRAPH)),
    "Resource Graph refuses a query": Unseen(
        everywhere(lambda fault: fault.answer(400, {"error": INVALID}), path=GRAPH),
        says="InvalidQuery",
    ),
}


@pytest.mark.parametrize("case", UNSEEN.values(), ids=UNSEEN)
async def test_what_could_not_be_seen_is_said(serve: Serve, case: Unseen) -> None:
    azure = serve(adrift())
    case.strike(azure)

    swept = await sweep(azure, **case.settings)

    problems = [event["problem"] for event in swept.events("CoverageGap")]
    assert {kind for kind, _ in gaps(swept)} == ({"tenant"} if case.is_gap else set())
    assert case.says in " ".join([*problems, completed(swept)["resourceGraph"]])
    assert swept.whole is not case.is_gap
    assert azure.clock.monotonic() <= 1210
    if not case.is_gap:
        assert completed(swept)["subscriptionsReadDirectly"] == 1
        assert swept.results == {"bot": Result.DISABLED}


def circle(answer: Answer) -> Answer:
    return replace(answer, body={**answer.body, "nextLink": answer.url})


def packed(body: bytes, encoding: str = "gzip") -> Bend:
    return lambda answer: replace(answer, body=body).with_header("Content-Encoding", encoding)


UNFOLDING = gzip.compress(b'{"value":[],"padding":"' + b"x" * (64 * 1024 * 1024) + b'"}')
DENIED = says(error("AuthorizationFailed", "No."))
# What bends the list of a subscription's accounts, and what its one gap says.
LISTS: dict[str, tuple[Bend, str]] = {
    "An answer is too long": (packed(UNFOLDING), "longer than"),
    "A list leads back to itself": (circle, "holds nothing that an earlier one did not"),
    "A subscription can not be read": (
        lambda answer: replace(DENIED(answer), status=403),
        "AuthorizationFailed",
    ),
    "A row of ARM lacks something": (
        changed(lambda body: body["value"][0].pop("kind")),
        "ARM's row lacks what we need",
    ),
    "no list": (says(error("Later")), "not what was asked for"),
    "no gzip": (packed(zlib.compress(b"{}")[1:]), ""),
    "packed in another way": (packed(b"{}", "br"), ""),
}


@pytest.fixture(scope="module")
def lists() -> tuple[LocalAzure, Swept]:
    """Give one sweep in which the lists of some subscriptions are none, and one is well."""
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    for name in (*LISTS, "well", "soft deleted", "disabled"):
        home = tenant.add_subscription(name, hidden_from_graph=True)
        slug = name.replace(" ", "-")
        tenant.add_account(slug, subscription=home, local_auth=True, patch=PatchForm.OK_200)
    tenant.delete("soft-deleted")
    tenant.subscription("disabled").state = "Disabled"
    with LocalAzure(tenant) as azure:
        for name, (bend, _) in LISTS.items():
            azure.faults.on(path=accounts_of(azure, name), times=None).bend(bend)
        groups = f"{tenant.id},nosuch"
        return azure, asyncio.run(sweep(azure, SWEEP_MANAGEMENT_GROUPS=groups))


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_is_none_is_a_gap(lists: tuple[LocalAzure, Swept], name: str) -> None:
    azure, swept = lists
    home = azure.tenant.subscription(name).id
    (gap,) = [event for event in swept.events("CoverageGap") if event["subscriptionId"] == home]
    assert LISTS[name][1] in gap["problem"]


def test_a_management_group_that_does_not_exist_is_a_gap(lists: tuple[LocalAzure, Swept]) -> None:
    assert ("managementGroup", "nosuch") in gaps(lists[1])


def test_what_can_be_read_is_swept_all_the_same(lists: tuple[LocalAzure, Swept]) -> None:
    azure, swept = lists
    assert turned_off(azure) == {"well"}
    assert swept.results == {"well": Result.DISABLED}


def test_nothing_else_is_a_gap(lists: tuple[LocalAzure, Swept]) -> None:
    azure, swept = lists
    kinds = dict.fromkeys(LISTS, "subscription") | {"A row of ARM lacks something": "account"}
    expected = {(kind, azure.tenant.subscription(name).id) for name, kind in kinds.items()}
    found = {
        (event["gapKind"], event.get("subscriptionId", "")) for event in swept.events("CoverageGap")
    }
    assert found == {*expected, ("managementGroup", "")}


def test_a_disabled_subscription_is_counted(lists: tuple[LocalAzure, Swept]) -> None:
    assert completed(lists[1])["subscriptionsDisabled"] == 1


# The rows


# Rows whose test is another one, by file and name.
AZURE, UNIT = "tests/azure", "tests/unit"
ELSEWHERE = {
    "A management group does not exist": (
        f"{AZURE}/test_every_fault.py",
        "test_a_management_group_that_does_not_exist_is_a_gap",
    ),
    "The account is soft deleted": (
        f"{AZURE}/test_every_fault.py",
        "test_what_can_be_read_is_swept_all_the_same",
    ),
    "The subscription is disabled": (
        f"{AZURE}/test_every_fault.py",
        "test_a_disabled_subscription_is_counted",
    ),
    "The role is missing": (
        f"{AZURE}/test_rings.py",
        "test_a_ring_for_which_the_role_is_not_assigned_is_told_as_such",
    ),
    "A level above is answered with something else": (
        f"{AZURE}/test_answers_are_what_was_asked_for.py",
        "test_a_level_above_that_is_none_holds_the_account",
    ),
    "Resource Graph is throttled": (
        f"{AZURE}/test_pacing.py",
        "test_resource_graph_is_asked_again_once_its_window_is_over",
    ),
    "Resource Graph denies access": (
        f"{UNIT}/border/test_graph.py",
        "test_a_batch_that_fails_takes_nothing_from_what_the_others_say",
    ),
    "Resource Graph truncates its answer": (
        f"{UNIT}/border/test_graph.py",
        "test_a_truncated_census_is_none",
    ),
    "Resource Graph repeats a row": (
        f"{AZURE}/test_coverage_is_by_identity.py",
        "test_a_row_of_resource_graph_that_stands_in_anothers_place_hides_nobody",
    ),
    "A row of Resource Graph lacks something": (
        f"{UNIT}/border/test_graph.py",
        "test_a_list_that_lacks_a_column_is_none",
    ),
    "The list of subscriptions loses one": (
        f"{AZURE}/test_coverage_is_by_identity.py",
        "test_a_subscription_that_arms_list_lost_is_swept_all_the_same",
    ),
    "The change log can not be read": (
        f"{AZURE}/test_the_change_log.py",
        "test_a_change_log_that_can_not_be_read_is_said_and_fails_nothing",
    ),
    "A link leads elsewhere": (
        f"{AZURE}/test_tokens_go_to_one_place.py",
        "test_a_link_of_a_list_takes_no_token_elsewhere_and_is_named_without_its_query",
    ),
    "The token runs out in a sweep": (
        f"{AZURE}/test_pacing.py",
        "test_a_slow_token_does_not_make_a_decision_old",
    ),
    "The token can not be renewed": (
        f"{AZURE}/test_tokens_go_to_one_place.py",
        "test_a_token_that_can_not_be_renewed_is_used_while_it_is_good_for_a_minute",
    ),
    "The token endpoint is down": (
        f"{AZURE}/test_warm_starts.py",
        "test_a_tick_that_could_read_nothing_leaves_nothing_behind_that_breaks_the_next",
    ),
    "Application Insights refuses": (
        f"{AZURE}/test_telemetry_reaches_application_insights.py",
        "test_when_ingestion_takes_nothing_nothing_is_written_and_the_tick_says_so",
    ),
    "Application Insights hangs": (
        f"{AZURE}/test_telemetry_reaches_application_insights.py",
        "test_when_ingestion_never_answers_the_sweep_ends_in_bounded_time_and_says_so",
    ),
    "An announcement is not acknowledged": (
        f"{AZURE}/test_nothing_is_written_unannounced.py",
        "test_an_item_that_is_refused_by_its_index_holds_up_its_own_account_alone",
    ),
}
# Lists that are none in ways that have no row of their own.
NO_ROW = {"no list", "no gzip", "packed in another way"}


def rows() -> dict[str, list[str]]:
    """Return the cells of each row by its fault."""
    lines = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("| ") and not line.startswith(("| fault", "| ---"))
    ]
    assert len(lines) == len({cells[0] for cells in lines}), "a row stands twice"
    return {cells[0]: cells for cells in lines}


def test_every_row_has_its_test_and_every_test_its_row() -> None:
    here = {name.partition("/")[0] for name in (*CASES, *UNSEEN, *LISTS)} - NO_ROW
    assert set(rows()) == here | set(ELSEWHERE)
    assert {len(cells) for cells in rows().values()} == {4}


def test_a_row_that_is_no_case_names_the_test_that_shows_it() -> None:
    missing = [
        fault
        for fault, (file, name) in ELSEWHERE.items()
        if f"def {name}(" not in (ROOT / file).read_text()
    ]
    assert missing == []


def test_a_row_names_the_result_that_its_test_sees() -> None:
    unnamed = {
        name
        for name, case in CASES.items()
        if f"`{case.result}`" not in rows()[name.partition("/")[0]][3]
    }
    assert unnamed == set()


def test_a_row_says_whether_the_sweep_fails() -> None:
    unsaid = {
        name
        for name, case in CASES.items()
        if case.result in FAILING and "fails" not in rows()[name.partition("/")[0]][3]
    }
    assert unsaid == set()
