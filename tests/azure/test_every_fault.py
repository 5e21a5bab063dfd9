"""Every fault of docs/faults.md, by its row: what Azure says, and what the operator sees."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from local_azure import LocalAzure, PatchForm, SeenRequest
from local_azure.clock import START
from local_azure.exchange import Answer
from local_azure.faults import Fault
from local_azure.state.access import FUNCTION_ACTIONS
from shared.core.model import Result
from tests.support.contoso import adrift
from tests.support.real_sweeps import insights, process, sweep, tick
from tests.support.serving import Serve

type Strike = Callable[[LocalAzure], object]

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "faults.md"
ERRORS = {
    error["case"]: error
    for error in json.loads((ROOT / "tests/data/errors/errors.json").read_text())["control_plane"]
}
BOT = "*/bot"
LISTS = "*/accounts"
GRAPH = "*/microsoft.resourcegraph/resources"
WRITE = "Microsoft.CognitiveServices/accounts/write"
ROLE_SCOPE = "/providers/Microsoft.Management/managementGroups/contoso"
YEARS = 10 * 365 * 86_400


def patches(azure: LocalAzure) -> int:
    return sum(operation.method == "PATCH" for operation in azure.operations)


# How Azure is struck


def error(code: str, message: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def answers(
    status: int, body: Any = None, *, times: int | None = 1, method: str = "PATCH", **headers: str
) -> Strike:
    """Answer requests about the bot with this."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda azure: azure.faults.on(method=method, path=BOT, times=times).answer(
        status, body, sent
    )


def recorded(case: str) -> Strike:
    """Answer its PATCH with a body of the reference shelf."""
    return answers(ERRORS[case]["status"], ERRORS[case]["body"])


def throttled(method: str, times: int = 1, **headers: str) -> Strike:
    return answers(429, error("TooManyRequests"), times=times, method=method, **headers)


def on(effect: Callable[[Fault], object], **place: Any) -> Strike:
    """Let something happen at a place."""
    return lambda azure: effect(azure.faults.on(**place))


def answered(status: int, body: Any = None) -> Callable[[Fault], object]:
    return lambda fault: fault.answer(status, body)


def drop_kind(rows: str) -> Callable[[Any], object]:
    return lambda body: [row.pop("kind", None) for row in body[rows]]


def bends(change: Callable[[Any], object], **place: Any) -> Strike:
    """Change the body of each answer at a place."""

    def bend(answer: Answer) -> Answer:
        change(answer.body)
        return answer

    return on(lambda fault: fault.bend(bend), times=None, **place)


def once_before(method: str, act: Strike) -> Strike:
    """Do something just before the first such request about the bot."""

    def strike(azure: LocalAzure) -> None:
        def hook(request: SeenRequest) -> None:
            if request.method == method and request.path.endswith("/bot"):
                remove()
                act(azure)

        remove = azure.before(hook)

    return strike


def lock(level: Literal["ReadOnly", "CanNotDelete"]) -> Strike:
    return lambda azure: azure.tenant.add_lock(azure.tenant.account("bot").id, level=level)


def policy(azure: LocalAzure) -> None:
    azure.tenant.add_policy(azure.tenant.account("bot").id.partition("/resourceGroups/")[0])


def no_write(azure: LocalAzure) -> None:
    function = azure.tenant.function
    azure.tenant.assignments.remove(function.object_id, ROLE_SCOPE)
    azure.tenant.assign(function, ROLE_SCOPE, [name for name in FUNCTION_ACTIONS if name != WRITE])


def deny(azure: LocalAzure) -> None:
    bot_id = azure.tenant.account("bot").id
    azure.tenant.deny(azure.tenant.function, bot_id, [WRITE], name="stack-of-team-x")


def revoke(azure: LocalAzure) -> None:
    azure.services.tokens.revoke()
    azure.clock.advance(1)


def revert(azure: LocalAzure) -> None:
    template = azure.tenant.add_principal("template")

    def hook(request: SeenRequest) -> None:
        if azure.writes and request.method == "GET" and not azure.tenant.account("bot").keys_on:
            azure.tenant.enable_keys("bot", by=template)

    azure.before(hook)


def exempt_after_the_first_patch(azure: LocalAzure) -> None:
    azure.faults.on(method="PATCH").cut()

    def hook(request: SeenRequest) -> None:
        if patches(azure) and request.method == "GET" and not azure.tenant.account("bot").tags:
            azure.tenant.tag("bot", {"local-auth-exempt": "CHG0042"})

    azure.before(hook)


def use_up_the_quota(azure: LocalAzure) -> None:
    for _ in range(15):
        azure.services.quota.take(azure.tenant.function.object_id)


def become(kind: str) -> Strike:
    return lambda azure: setattr(azure.tenant.account("bot"), "kind", kind)


def delete(azure: LocalAzure) -> None:
    azure.tenant.delete("bot")


def disable(azure: LocalAzure) -> None:
    azure.tenant.subscription("contoso-prod").state = "Disabled"


def nothing(azure: LocalAzure) -> None:
    """Leave Azure as it is: the fault is in the account."""


NOTHING: Strike = nothing
HTML = "<html><h1>Bad Gateway</h1></html>"
BROKEN = answers(200, '{"id": "/subscr', times=None, method="GET", Content_Type="application/json")


# What becomes of one account


@dataclass(frozen=True)
class Case:
    """A fault, and what its outcome says."""

    strike: Strike
    result: Result
    code: str = ""
    says: str = ""
    """Stands in Azure's message, or else in the detail."""
    patches: int = 1
    bot: dict[str, Any] = field(default_factory=dict)
    most: float = 40
    """Seconds that the sweep takes at most."""
    settings: dict[str, str] = field(default_factory=dict)


R = Result
RUNS_ON = {"patch": PatchForm.BOTH, "operation_seconds": 50_000}
FAILS_LATER = {"patch": PatchForm.OPERATION_FAILS}
CANCELED = {"provisioning_state": "Canceled", "patch": PatchForm.BOTH}
MEANWHILE = "ReadOnlyDisabledSubscription"
OTHER_TENANT = "InvalidAuthenticationTokenTenant"
UNKNOWN = "MissingSubscriptionRegistration"
# By the row's name; after a slash, which of several.
CASES = {
    "The account is busy": Case(
        recorded("account busy (PATCH/PUT during another op on account)"), R.BUSY, "RequestConflict"
    ),
    "Another operation runs on the account": Case(
        recorded("child op racing another child/parent op"), R.BUSY, "RequestConflict"
    ),
    "The provisioning state is not terminal": Case(
        NOTHING, R.BUSY, says="Moving", patches=0, bot={"provisioning_state": "Moving"}
    ),
    "Another provider finds the account Accepted": Case(
        recorded("private endpoint against account still Accepted (other RP, not our PATCH)"),
        R.BUSY,
        "AccountProvisioningStateInvalid",
    ),
    "The provisioning state is Failed or Canceled": Case(NOTHING, R.DISABLED, bot=CANCELED),
    "A ReadOnly lock": Case(lock("ReadOnly"), R.LOCKED, "ScopeLocked", "/accounts/bot"),
    "A CanNotDelete lock": Case(lock("CanNotDelete"), R.DISABLED),
    "A policy denies": Case(
        policy, R.POLICY_DENIED, "RequestDisallowedByPolicy", "/policyAssignments/"
    ),
    "The role is missing": Case(no_write, R.NO_ROLE, "AuthorizationFailed", "its role at this"),
    "A deny assignment": Case(
        deny, R.NO_ROLE, "DenyAssignmentAuthorizationFailed", "stack-of-team-x"
    ),
    "A linked resource may not be joined": Case(
        recorded("linked authorization"), R.NO_ROLE, "LinkedAuthorizationFailed"
    ),
    "The account was deleted meanwhile/before the read": Case(
        once_before("GET", delete), R.GONE, "ResourceNotFound", patches=0
    ),
    "The account was deleted meanwhile/before the PATCH": Case(
        once_before("PATCH", delete), R.GONE, "ResourceNotFound"
    ),
    "The value reverts": Case(revert, R.UNVERIFIED),
    "The update fails after it was accepted": Case(
        NOTHING, R.UNVERIFIED, "InternalServerError", bot=FAILS_LATER
    ),
    "The update runs on and on": Case(
        NOTHING, R.UNVERIFIED, says="still running after 120 s.", bot=RUNS_ON, most=160
    ),
    "The read-back is behind": Case(NOTHING, R.DISABLED, bot={"stale_reads": 5}),
    "The subscription is disabled meanwhile": Case(
        once_before("PATCH", disable), R.BUSY, MEANWHILE
    ),
    "The account became another kind meanwhile": Case(
        once_before("GET", become("SpeechServices")), R.OUT_OF_SCOPE, says="Speech", patches=0
    ),
    "Azure itself forbids it": Case(
        answers(403, error("RequestDisallowedByAzure")), R.FAILED, "RequestDisallowedByAzure"
    ),
    "A conflict that nobody knows": Case(answers(409, error(UNKNOWN)), R.FAILED, UNKNOWN),
    "An unknown refusal": Case(answers(400, error("New", "Not so.")), R.FAILED, "New", "Not so."),
    # Throttling
    "A PATCH is throttled for a moment": Case(
        throttled("PATCH", Retry_After="30"), R.DISABLED, patches=2
    ),
    "A PATCH is throttled for an hour": Case(
        throttled("PATCH", Retry_After="3600"), R.DEFERRED, says="The wait is 3600 s"
    ),
    "A PATCH is throttled without a Retry-After": Case(
        throttled("PATCH", 3), R.DISABLED, patches=4
    ),
    "A PATCH is throttled for zero seconds": Case(
        throttled("PATCH", 3, Retry_After="0"), R.DISABLED, patches=4
    ),
    "A read is throttled": Case(throttled("GET", 3, Retry_After="20"), R.DISABLED, most=70),
    "Resource Graph is throttled": Case(use_up_the_quota, R.DISABLED),
    # The connection, and answers that are none
    "A PATCH ends in a server error": Case(
        answers(503, error("Later")), R.DISABLED, patches=2, most=70
    ),
    "A PATCH ends in a server error twice": Case(
        answers(503, error("Later"), times=None), R.UNVERIFIED, "Later", patches=2, most=70
    ),
    "A read ends in a server error/three times": Case(
        answers(500, times=3, method="GET"), R.DISABLED
    ),
    "A read ends in a server error/for good": Case(
        answers(504, times=None, method="GET"), R.FAILED, "HTTP504", patches=0
    ),
    "A PATCH is answered with a page": Case(
        answers(502, HTML, times=2), R.UNVERIFIED, "HTTP502", patches=2, most=70
    ),
    "A read is answered with broken JSON": Case(BROKEN, R.FAILED, patches=0),
    "A read is answered with something else/three times": Case(
        answers(200, {}, times=3, method="GET"), R.DISABLED
    ),
    "A read is answered with something else/for good": Case(
        answers(200, error("Later"), times=None, method="GET"),
        R.FAILED,
        says="The answer is not what was asked for",
        patches=0,
    ),
    "A level above is answered with something else": Case(
        on(answered(200, {}), path="/subscriptions/*/resourcegroups/rg-ai", times=None),
        R.NOW_HELD,
        patches=0,
        settings={"EXEMPTION_INHERIT": "true"},
    ),
    "The connection is cut before Azure acts": Case(
        on(Fault.cut, method="PATCH"), R.DISABLED, patches=2, most=70
    ),
    "The connection is cut again and again": Case(
        on(Fault.cut, method="PATCH", times=None),
        R.UNVERIFIED,
        says="disconnected",
        patches=2,
        most=70,
    ),
    "An exemption comes between a PATCH without an answer and its second try": Case(
        exempt_after_the_first_patch, R.NOW_EXEMPT, most=70
    ),
    "The connection is cut after Azure acted": Case(
        on(lambda fault: fault.cut(after_acting=True), method="PATCH"), R.DISABLED
    ),
    "A PATCH hangs/before Azure acts": Case(
        on(Fault.hang, method="PATCH"), R.DISABLED, patches=2, most=95
    ),
    "A PATCH hangs/after Azure acted": Case(
        on(lambda fault: fault.hang(after_acting=True), method="PATCH"), R.DISABLED, most=95
    ),
    "A read hangs": Case(on(Fault.hang, method="GET", path=BOT), R.DISABLED, most=70),
    # The identity and its token
    "The token is refused in a sweep/by a read": Case(once_before("GET", revoke), R.DISABLED),
    "The token is refused in a sweep/by the PATCH": Case(
        once_before("PATCH", revoke), R.DISABLED, patches=2
    ),
    "The token is of another tenant": Case(
        answers(401, error(OTHER_TENANT), times=None, method="GET"),
        R.FAILED,
        OTHER_TENANT,
        "sign in to the tenant of that subscription",
        patches=0,
    ),
}
FAILING = {Result.NO_ROLE, Result.UNVERIFIED, Result.FAILED}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_what_becomes_of_an_account(serve: Serve, case: Case) -> None:
    azure = serve(adrift(**case.bot), token_lifetime=YEARS)
    case.strike(azure)

    swept = await sweep(azure, **case.settings)

    (event,) = swept.events("RemediationOutcome")
    assert event["result"] == case.result
    if case.code:
        assert event["azureCode"] == case.code
    assert case.says in event.get("azureMessage", "") + event["detail"]
    assert "<h1>" not in event.get("azureMessage", ""), "a proxy's page is nobody's message"
    assert patches(azure) == case.patches
    assert len(azure.writes) <= 1
    assert swept.whole is (case.result not in FAILING)
    assert azure.clock.monotonic() <= case.most


# What can't be seen


@dataclass(frozen=True)
class Unseen:
    """A fault, and what the sweep says of what it could not read."""

    strike: Strike
    gap: str = ""
    """The kind of the one gap, which fails the sweep; empty: all was read, and the bot swept."""
    says: str = ""
    """Stands in the gap's problem, or else in `resourceGraph` or `changeLog`."""
    directly: int = 0
    """Subscriptions that were read from ARM."""
    hidden: bool = False
    """Whether Resource Graph shows the subscription."""
    settings: dict[str, str] = field(default_factory=dict)


def graph(effect: Callable[[Fault], object], skip: int = 0) -> Strike:
    return on(effect, path=GRAPH, skip=skip, times=None)


def too_long(azure: LocalAzure) -> None:
    body = gzip.compress(b'{"value":[],"padding":"' + b"x" * (64 * 1024 * 1024) + b'"}')
    azure.faults.on(path=LISTS, times=None).bend(
        lambda answer: replace(answer, body=body).with_header("Content-Encoding", "gzip")
    )


def circle(azure: LocalAzure) -> None:
    azure.faults.on(path=LISTS, times=None).bend(
        lambda answer: replace(answer, body={**answer.body, "nextLink": answer.url})
    )


def unreadable_subscription(azure: LocalAzure) -> None:
    hidden = azure.tenant.add_subscription("hidden", parent="contoso", hidden_from_graph=True)
    fault = azure.faults.on(path=f"/subscriptions/{hidden.id}/*/accounts", times=None)
    fault.answer(403, error("AuthorizationFailed", "No."))


def late_role(azure: LocalAzure) -> None:
    azure.tenant.assignments.remove(azure.tenant.function.object_id, ROLE_SCOPE)
    azure.tenant.assign_function(ROLE_SCOPE, since=START + timedelta(minutes=10))


def lose_a_row(azure: LocalAzure) -> None:
    def repeat(answer: Answer) -> Answer:
        answer.body["data"] = answer.body["data"][:1] * len(answer.body["data"])
        return answer

    azure.tenant.add_account("neighbour", patch=PatchForm.OK_200)
    azure.clock.advance(300)
    azure.faults.on(path=GRAPH, skip=3).bend(repeat)


TRUNCATED = {"totalRecords": 1, "count": 0, "data": [], "facets": [], "resultTruncated": "true"}
INVALID = {"code": "BadRequest", "message": "", "details": [{"code": "InvalidQuery"}]}
DENIED = ERRORS["Resource Graph: no readable subscription"]
NO_IDENTITY = {"AZURE_CLIENT_ID": "00000000-0000-4000-8000-00000000dead"}
NO_GROUP = {"SWEEP_MANAGEMENT_GROUPS": "contoso,nosuch"}
IDENTITY: dict[str, Any] = {"host": "identity", "times": None}
UNSEEN = {
    "An answer is too long": Unseen(too_long, "subscription", "longer than", hidden=True),
    "Everything hangs for good": Unseen(on(Fault.hang, host="arm", times=None), "tenant"),
    "The token endpoint is down": Unseen(on(answered(500), **IDENTITY), "tenant"),
    "The token endpoint hangs": Unseen(on(Fault.hang, **IDENTITY), "tenant", "no token within 30"),
    "The token endpoint answers oddly": Unseen(on(answered(200, "<html>"), **IDENTITY), "tenant"),
    "The identity does not exist": Unseen(NOTHING, "tenant", settings=NO_IDENTITY),
    "The role has not arrived yet": Unseen(late_role, "tenant", "has perhaps not reached the"),
    **{
        f"Resource Graph is down/{place}": Unseen(graph(answered(503), skip), directly=1)
        for skip, place in enumerate(("tenant", "subscriptions"))
    },
    "Resource Graph hangs": Unseen(graph(Fault.hang), directly=1),
    "Resource Graph denies access": Unseen(
        graph(answered(DENIED["status"], DENIED["body"])), directly=1
    ),
    "Resource Graph truncates its answer": Unseen(graph(answered(200, TRUNCATED), 3), directly=1),
    "Resource Graph refuses a query": Unseen(
        graph(answered(400, {"error": INVALID})), says="InvalidQuery", directly=1
    ),
    "Resource Graph repeats a row": Unseen(lose_a_row, directly=1),
    "A row of Resource Graph lacks something": Unseen(
        bends(drop_kind("data"), path=GRAPH, skip=3), says="a row that lacks kind", directly=1
    ),
    "A row of ARM lacks something": Unseen(
        bends(drop_kind("value"), path=LISTS), "account", hidden=True
    ),
    "The list of subscriptions loses one": Unseen(
        on(answered(200, {"value": []}), path="/subscriptions", times=None)
    ),
    "A list leads back to itself": Unseen(
        circle, "subscription", "holds nothing that an earlier one did not", hidden=True
    ),
    "A subscription can not be read": Unseen(
        unreadable_subscription, "subscription", "AuthorizationFailed"
    ),
    "A management group does not exist": Unseen(NOTHING, "managementGroup", settings=NO_GROUP),
    "The change log can not be read": Unseen(graph(answered(500), 4), says="HTTP500"),
}


@pytest.mark.parametrize("case", UNSEEN.values(), ids=UNSEEN)
async def test_what_could_not_be_seen_is_said(serve: Serve, case: Unseen) -> None:
    azure = serve(adrift())
    azure.tenant.subscription("contoso-prod").hidden_from_graph = case.hidden
    case.strike(azure)

    swept = await sweep(azure, **case.settings)

    gaps = swept.events("CoverageGap")
    (completed,) = swept.events("SweepCompleted")
    assert [gap["gapKind"] for gap in gaps] == [case.gap] * bool(case.gap)
    problems = [gap["problem"] for gap in gaps] or [
        completed["resourceGraph"],
        completed["changeLog"],
    ]
    assert case.says in " ".join(problems)
    assert swept.whole is not bool(case.gap)
    if not case.gap:
        assert completed["subscriptionsReadDirectly"] == case.directly
        assert swept.results["bot"] == Result.DISABLED
    assert azure.clock.monotonic() <= 1210


# What takes more than one sweep, or more than one account


async def test_the_account_is_soft_deleted(serve: Serve) -> None:
    azure = serve(adrift())
    azure.tenant.delete("bot")
    azure.clock.advance(300)

    swept = await sweep(azure)

    assert swept.whole
    assert swept.events("SweepCompleted")[0]["accounts"] == 0


async def test_the_subscription_is_disabled(serve: Serve) -> None:
    azure = serve(adrift())
    disable(azure)
    azure.tenant.add_subscription("contoso-dev", parent="contoso")

    swept = await sweep(azure)

    assert swept.events("SweepCompleted")[0]["subscriptionsDisabled"] == 1
    assert swept.whole
    assert patches(azure) == 0


async def test_a_value_that_reverts_three_times_is_a_war(serve: Serve) -> None:
    azure = serve(adrift())
    revert(azure)
    for _ in range(2):
        await sweep(azure)
        azure.clock.advance(15 * 60)

    (war,) = (await sweep(azure)).events("PatchWar")

    assert war["ours"] == "true"


async def test_the_token_runs_out_in_a_sweep(serve: Serve) -> None:
    azure = serve(adrift(), token_lifetime=900)
    throttled("PATCH", Retry_After="700")(azure)

    swept = await sweep(azure)

    assert swept.results == {"bot": Result.DISABLED}
    assert 401 not in {operation.status for operation in azure.operations}
    assert sum(operation.host == "identity" for operation in azure.operations) == 2


async def test_the_token_can_not_be_renewed(serve: Serve) -> None:
    azure = serve(adrift(), token_lifetime=3600)
    async with process(azure) as same:
        await tick(same)
        azure.tenant.enable_keys("bot")
        azure.clock.advance(3600 - 120)
        on(answered(500), **IDENTITY)(azure)
        swept = await tick(same)

    assert swept.results == {"bot": Result.DISABLED}


async def test_an_announcement_is_not_acknowledged(serve: Serve) -> None:
    tenant = adrift()
    tenant.add_account("other", patch=PatchForm.OK_200, stale_reads=0)
    azure = serve(tenant)
    batches: list[list[dict[str, Any]]] = []

    def keep(request: SeenRequest) -> None:
        if request.host == "ingestion":
            batches.append(json.loads(request.body))

    def refuse(answer: Answer) -> Answer:
        data = [envelope["data"]["baseData"] for envelope in batches[-1]]
        errors = [
            {"index": index, "statusCode": 400, "message": "Not this one"}
            for index, event in enumerate(data)
            if event.get("name") == "DriftFound" and event["properties"]["accountName"] == "bot"
        ]
        counts = {"itemsReceived": len(data), "itemsAccepted": len(data) - len(errors)}
        return replace(answer, status=206 if errors else 200, body={**counts, "errors": errors})

    remove = insights().before(keep)
    fault = insights().faults.on(host="ingestion", times=None).bend(refuse)
    swept = await sweep(azure)
    insights().faults.remove(fault)
    remove()

    assert swept.results == {"bot": Result.DEFERRED, "other": Result.DISABLED}
    assert azure.tenant.account("bot").keys_on
    assert "1 change was not begun" in swept.events("SweepCompleted")[0]["reasons"]


# The rows

# Rows whose tests are those above, or in a file that names them.
BY_NAME = {
    "The account is soft deleted",
    "The subscription is disabled",
    "The token runs out in a sweep",
    "The token can not be renewed",
    "An announcement is not acknowledged",
}
ELSEWHERE = {
    "A link leads elsewhere": "test_tokens_go_to_one_place.py",
    "Application Insights refuses": "test_telemetry_reaches_application_insights.py",
    "Application Insights hangs": "test_telemetry_reaches_application_insights.py",
}


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
    tested = {name.partition("/")[0] for name in (*CASES, *UNSEEN)} | BY_NAME | set(ELSEWHERE)
    assert set(rows()) == tested
    assert {len(cells) for cells in rows().values()} == {4}


@pytest.mark.parametrize("fault", sorted(BY_NAME))
def test_a_row_that_is_no_case_has_a_test_of_its_name(fault: str) -> None:
    assert f"test_{fault.lower().replace(' ', '_')}" in globals()


@pytest.mark.parametrize("fault", ELSEWHERE)
def test_a_row_that_is_tested_in_another_file_is_named_there(fault: str) -> None:
    assert fault in (ROOT / "tests/azure" / ELSEWHERE[fault]).read_text()


@pytest.mark.parametrize("name", CASES)
def test_a_row_names_the_result_that_its_test_sees(name: str) -> None:
    what_is_seen = rows()[name.partition("/")[0]][3]
    assert f"`{CASES[name].result}`" in what_is_seen or what_is_seen == "nothing"
    if CASES[name].result in FAILING:
        assert "fails" in what_is_seen
