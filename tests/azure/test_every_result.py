"""Every result of the README's table, brought about by what the server does.

Each case spoils one account; three others, two in its subscription and one in another, show that
one account's failure never stops another's. The judge is the server: whose keys are off, which
writes it accepted, which it refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from local_azure import Account, LocalAzure, PatchForm, Tenant
from local_azure.faults import Fault
from local_azure.log import SeenRequest
from local_azure.state import ids
from tests.support.functions_worker import ROOT
from tests.support.real_sweeps import Swept, sweep

type Serve = Callable[..., LocalAzure]
type Arrange = Callable[[LocalAzure, Account], object]

TAG = "local-auth-exempt"
READ = "Microsoft.CognitiveServices/accounts/read"
WRITE = "Microsoft.CognitiveServices/accounts/write"
OTHERS = {"first", "second", "elsewhere"}
# From the issue and the recorded exchanges: states in which Azure refuses an update.
UNDER_WAY = ("Accepted", "Creating", "Deleting", "Moving", "ResolvingDNS", "Updating")


@dataclass(frozen=True)
class Case:
    """What the server does to the account `bot`, and what is to come of it."""

    name: str
    result: str
    arrange: Arrange = lambda _azure, _bot: None
    code: str = ""
    message: str = ""
    """A part of what Azure said, which the event must repeat."""
    off: bool = False
    """Whether its keys are off in the end, on the server."""
    patches: int = 1
    """How many times the server saw a PATCH of it."""
    mode: str = "enforce"

    def __str__(self) -> str:
        return self.name


def at(azure: LocalAzure, method: str, bot: Account, **counts: Any) -> Fault:
    """Return a fault at requests of this method for the account itself."""
    return azure.faults.on(method=method, path=bot.id, **counts)


def when(
    azure: LocalAzure, method: str, bot: Account, happens: Callable[[], object], *, skip: int = 0
) -> None:
    """Let something happen just before a request of the account itself is handled."""
    left = [happens]
    passed = [skip]

    def hook(request: SeenRequest) -> None:
        if not left or request.method != method or request.path.lower() != bot.id.lower():
            return
        if passed[0] == 0:
            left.pop()()
        else:
            passed[0] -= 1

    azure.before(hook)


def refuse(status: int, code: str, message: str = "Azure said so.") -> Arrange:
    body = {"error": {"code": code, "message": message}}
    return lambda azure, bot: at(azure, "PATCH", bot).answer(status, body)


def form(patch: PatchForm) -> Arrange:
    return lambda _, bot: setattr(bot, "patch", patch)


def lock(azure: LocalAzure, bot: Account, **how: Any) -> None:
    azure.tenant.add_lock(str(ids.resource_group_of(bot.id)), **how)


def forbid(azure: LocalAzure, bot: Account, **how: Any) -> None:
    azure.tenant.add_policy(str(ids.resource_group_of(bot.id)), **how)


def deny(action: str) -> Arrange:
    def arrange(azure: LocalAzure, bot: Account) -> None:
        azure.tenant.deny(azure.tenant.function, bot.id, [action])

    return arrange


def take_role(azure: LocalAzure, bot: Account) -> None:
    """Let the role at the group of the account's neighbours be all that there is."""
    tenant = azure.tenant
    tenant.assignments.remove(tenant.function.object_id, tenant.subscription("prod").scope)
    reads = ["Microsoft.Resources/subscriptions/read", READ]
    tenant.assign(tenant.function, tenant.subscription("prod").scope, reads)
    for group in {each.group for each in tenant.accounts} - {bot.group}:
        tenant.assign_function(ids.group_scope(bot.subscription_id, group))
    tenant.assign(
        tenant.function,
        tenant.subscription("prod").scope,
        ["Microsoft.CognitiveServices/locations/operationResults/read"],
    )


def delete(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.delete(bot)


def before(method: str, do: Arrange, *, skip: int = 0) -> Arrange:
    return lambda azure, bot: when(azure, method, bot, partial(do, azure, bot), skip=skip)


def tag(name: str, value: str) -> Arrange:
    return lambda azure, bot: azure.tenant.tag(bot, {name: value})


def turn_off(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.disable_keys(bot)


def become_another_kind(_: LocalAzure, bot: Account) -> None:
    """Let it be deleted and created again as something else, under the same name."""
    bot.kind = "SpeechServices"


def state(name: str) -> Arrange:
    return lambda azure, bot: azure.tenant.set_provisioning_state(bot, name)


def turn_on_again(azure: LocalAzure, bot: Account) -> None:
    """Let somebody turn the keys on just before the read-back."""
    bot.stale_reads = 0
    before("GET", lambda azure, bot: azure.tenant.enable_keys(bot), skip=1)(azure, bot)


def delete_while_under_way(azure: LocalAzure, bot: Account) -> None:
    bot.patch = PatchForm.BODY_ACCEPTED
    before("GET", delete, skip=1)(azure, bot)


def refuse_token(azure: LocalAzure, bot: Account, *, times: int | None) -> None:
    body = {"error": {"code": "InvalidAuthenticationToken", "message": "No."}}
    at(azure, "PATCH", bot, times=times).answer(401, body)


def throttle(azure: LocalAzure, bot: Account, *, times: int | None, wait: str) -> None:
    body = {"error": {"code": "TooManyRequests", "message": "Slowly."}}
    at(azure, "PATCH", bot, times=times).answer(429, body, {"Retry-After": wait})


def disable_subscription(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.subscriptions[bot.subscription_id.lower()].state = "Disabled"


def unreadable_afterwards(status: int) -> Arrange:
    def arrange(azure: LocalAzure, bot: Account) -> None:
        at(azure, "GET", bot, skip=1, times=None).answer(status, {"error": {"code": "Later"}})

    return arrange


CASES = [
    # Accepted
    *(
        Case(f"a PATCH that answers {each.value}", "DISABLED", form(each), off=True)
        for each in PatchForm
        if each is not PatchForm.OPERATION_FAILS
    ),
    *(
        Case(f"provisioning state {each}", "DISABLED", state(each), off=True)
        for each in ("Failed", "Canceled")
    ),
    Case(
        "a read-back that shows the old value five times",
        "DISABLED",
        lambda _, bot: setattr(bot, "stale_reads", 5),
        off=True,
    ),
    Case(
        "a lock against deletion only",
        "DISABLED",
        partial(lock, level="CanNotDelete"),
        off=True,
    ),
    Case(
        "a read-back that fails at first",
        "DISABLED",
        lambda azure, bot: at(azure, "GET", bot, skip=1, times=3).answer(503),
        off=True,
    ),
    Case(
        "an operation whose state can't be read",
        "DISABLED",
        lambda azure, _: azure.faults.on(
            path="*/operationResults/*", principal=azure.tenant.function.object_id, times=None
        ).answer(403, {"error": {"code": "AuthorizationFailed"}}),
        off=True,
    ),
    Case(
        "an operation that takes ten minutes",
        "UNVERIFIED",
        lambda _, bot: setattr(bot, "operation_seconds", 600),
        off=True,
    ),
    # No answer, or an answer that says nothing: the read-back decides
    *(
        Case(
            f"{status} {'after' if acted else 'before'} acting",
            "DISABLED" if acted else "UNVERIFIED",
            partial(
                lambda azure, bot, status, acted: at(azure, "PATCH", bot, times=None).answer(
                    status, {"error": {"code": "Oops", "message": "Sorry."}}, after_acting=acted
                ),
                status=status,
                acted=acted,
            ),
            code="Oops",
            message="Sorry.",
            off=acted,
            patches=1 if acted else 2,
        )
        for status in (408, 500, 502, 503, 504)
        for acted in (True, False)
    ),
    *(
        Case(
            f"a connection cut {'after' if acted else 'before'} acting",
            "DISABLED" if acted else "UNVERIFIED",
            partial(
                lambda azure, bot, acted: at(azure, "PATCH", bot, times=None).cut(
                    after_acting=acted
                ),
                acted=acted,
            ),
            off=acted,
            patches=1 if acted else 2,
        )
        for acted in (True, False)
    ),
    *(
        Case(
            f"no answer {'after' if acted else 'before'} acting",
            "DISABLED" if acted else "UNVERIFIED",
            partial(
                lambda azure, bot, acted: at(azure, "PATCH", bot, times=None).hang(
                    after_acting=acted
                ),
                acted=acted,
            ),
            off=acted,
            patches=1 if acted else 2,
        )
        for acted in (True, False)
    ),
    Case(
        "a server error, once",
        "DISABLED",
        lambda azure, bot: at(azure, "PATCH", bot).answer(500),
        patches=2,
        off=True,
    ),
    Case(
        "a redirect, which is not followed",
        "UNVERIFIED",
        lambda azure, bot: at(azure, "PATCH", bot).answer(
            307, "", {"Location": f"{azure.environ['ARM_ENDPOINT']}{bot.id}/elsewhere"}
        ),
    ),
    Case(
        "an answer that is no JSON, after acting",
        "DISABLED",
        lambda azure, bot: at(azure, "PATCH", bot).answer(200, "<html>", after_acting=True),
        off=True,
    ),
    # Accepted, and not off
    Case(
        "an operation that fails",
        "UNVERIFIED",
        form(PatchForm.OPERATION_FAILS),
        code="InternalServerError",
    ),
    Case(
        "a read-back that never says off",
        "UNVERIFIED",
        lambda _, bot: setattr(bot, "stale_reads", 10_000),
        off=True,
    ),
    Case("a read-back that fails throughout", "UNVERIFIED", unreadable_afterwards(500), off=True),
    Case("a read-back that is forbidden", "UNVERIFIED", unreadable_afterwards(403), off=True),
    Case(
        "somebody turns the keys on at once",
        "UNVERIFIED",
        turn_on_again,
    ),
    # Somebody's no
    Case("a lock", "LOCKED", lock, code="ScopeLocked", message="rg-bot"),
    Case(
        "a policy",
        "POLICY_DENIED",
        partial(forbid, name="quarter-close"),
        code="RequestDisallowedByPolicy",
        message="quarter-close",
    ),
    Case(
        "a policy with a message",
        "POLICY_DENIED",
        partial(forbid, message="Needs a change record."),
        code="RequestDisallowedByPolicy",
        message="Needs a change record.",
    ),
    Case("no role", "NO_ROLE", take_role, code="AuthorizationFailed", message=WRITE),
    Case(
        "a deny assignment",
        "NO_ROLE",
        deny(WRITE),
        code="DenyAssignmentAuthorizationFailed",
        message="stack-deny",
    ),
    Case(
        "a deny assignment against reading",
        "NO_ROLE",
        deny(READ),
        code="DenyAssignmentAuthorizationFailed",
        patches=0,
    ),
    Case(
        "a token that is refused once",
        "DISABLED",
        partial(refuse_token, times=1),
        patches=2,
        off=True,
    ),
    Case(
        "a token that is refused for good",
        "NO_ROLE",
        partial(refuse_token, times=None),
        code="InvalidAuthenticationToken",
        patches=2,
    ),
    # Busy
    *(
        Case(f"provisioning state {each}", "BUSY", state(each), patches=0)
        for each in (*UNDER_WAY, "accepted", "SomethingNew")
    ),
    Case(
        "a provisioning state that changes after the read",
        "BUSY",
        before("PATCH", state("Updating")),
        code="RequestConflict",
        message="provisioning state is not terminal",
    ),
    Case("a conflict", "BUSY", refuse(409, "RequestConflict", "Busy."), "RequestConflict", "Busy."),
    Case(
        "a 400 about the state",
        "BUSY",
        refuse(400, "AccountProvisioningStateInvalid", "Account ... in state Accepted"),
        code="AccountProvisioningStateInvalid",
    ),
    # What the read just before the change finds
    Case("gone before the read", "GONE", before("GET", delete), "ResourceNotFound", patches=0),
    Case("gone before the PATCH", "GONE", before("PATCH", delete), code="ResourceNotFound"),
    Case("gone after the PATCH", "GONE", before("GET", delete, skip=1)),
    Case(
        "gone after the PATCH, before its operation ends",
        "GONE",
        delete_while_under_way,
    ),
    Case("tagged before the read", "NOW_EXEMPT", before("GET", tag(TAG, "CHG0042")), patches=0),
    Case(
        "tagged so that nobody can read it",
        "NOW_HELD",
        before("GET", tag(TAG, "soon=1")),
        patches=0,
    ),
    Case("nearly tagged", "NOW_HELD", before("GET", tag("LocalAuthExempt", "true")), patches=0),
    Case(
        "of another kind before the read",
        "OUT_OF_SCOPE",
        before("GET", become_another_kind),
        patches=0,
    ),
    Case("off before the read", "ALREADY_OFF", before("GET", turn_off), patches=0, off=True),
    # Not attempted
    Case(
        "throttled once",
        "DISABLED",
        partial(throttle, times=1, wait="5"),
        patches=2,
        off=True,
    ),
    Case("audit mode", "WOULD_DISABLE", patches=0, mode="audit"),
    # Anything else
    *(
        Case(f"{status} {code}", "FAILED", refuse(status, code), code, "Azure said so.")
        for status, code in (
            (400, "TeapotOnly"),
            (403, "RequestDisallowedByAzure"),
            (409, "MissingSubscriptionRegistration"),
            (401, "InvalidAuthenticationTokenTenant"),
            (405, "MethodNotAllowed"),
            (410, "GoneForGood"),
            (412, "PreconditionFailed"),
            (422, "Unprocessable"),
        )
    ),
    Case(
        "a read that fails throughout",
        "FAILED",
        lambda azure, bot: at(azure, "GET", bot, times=None).answer(
            500, {"error": {"code": "Oops", "message": "Sorry."}}
        ),
        code="Oops",
        message="Sorry.",
        patches=0,
    ),
    Case(
        "a read whose answer lacks what we need",
        "FAILED",
        lambda azure, bot: at(azure, "GET", bot, times=None).answer(200, {"id": "nonsense"}),
        patches=0,
    ),
    Case(
        "a read whose answer is no JSON",
        "FAILED",
        lambda azure, bot: at(azure, "GET", bot, times=None).answer(200, "<html>"),
        patches=0,
    ),
]


def contoso() -> tuple[Tenant, Account]:
    """Return a tenant and its account `bot`, which has two neighbours and one elsewhere."""
    tenant = Tenant()
    # Resource Graph is no part of this: without it, discovery is quicker here.
    for name in ("prod", "test"):
        subscription = tenant.add_subscription(name, hidden_from_graph=True)
        tenant.assign_function(subscription.scope)
    tenant.add_account("first", local_auth=True, group="rg-first")
    bot = tenant.add_account("bot", local_auth=True, group="rg-bot")
    tenant.add_account("second", local_auth=True, group="rg-second")
    tenant.add_account("elsewhere", local_auth=True, subscription="test")
    return tenant, bot


def keys_on(azure: LocalAzure) -> set[str]:
    return {each.name for each in azure.tenant.accounts if each.keys_on}


def patches(azure: LocalAzure, bot: Account) -> int:
    return sum(
        each.method == "PATCH" and each.path.lower() == bot.id.lower() for each in azure.operations
    )


def table() -> dict[str, bool]:
    """Return the results of the README's table, and whether each fails the invocation."""
    text = (ROOT / "README.md").read_text()
    (rows,) = re.findall(r"\| result \| meaning \| fails.*?\n\|[- |]+\n((?:\|.*\n)+)", text)
    found: dict[str, bool] = {}
    for row in rows.splitlines():
        names, _, fails = (cell.strip() for cell in row.strip("|").split("|"))
        found |= dict.fromkeys(names.split(", "), fails == "yes")
    return found


def outcomes(swept: Swept, result: str | None = None) -> list[dict[str, Any]]:
    every = swept.events("RemediationOutcome")
    return [each for each in every if result in {None, each["result"]}]


def event_of(swept: Swept, name: str) -> dict[str, Any]:
    (event,) = [each for each in outcomes(swept) if each["accountName"] == name]
    return event


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_the_server_does_gives_the_result_and_the_others_are_done(
    serve: Serve, case: Case
) -> None:
    tenant, bot = contoso()
    azure = serve(tenant)
    case.arrange(azure, bot)

    swept = await sweep(azure, case.mode)

    event = event_of(swept, "bot")
    assert event["result"] == case.result
    assert swept.whole == (not table()[case.result])
    assert patches(azure, bot) == case.patches
    if case.mode == "enforce":
        assert keys_on(azure).isdisjoint(OTHERS)
        assert {event_of(swept, name)["result"] for name in OTHERS} == {"DISABLED"}
    still_there = tenant.find_account(bot.id)
    assert still_there is None or still_there.keys_on != case.off
    if case.code:
        assert event["azureCode"] == case.code
    assert case.message in event["azureMessage"]
    if bot.id in {each.account_id for each in azure.writes}:
        assert event["accepted"] == "true"
    elif case.result != "UNVERIFIED":
        assert event["accepted"] == "false"


def test_every_result_of_the_readme_is_brought_about() -> None:
    assert {each.result for each in CASES} | {"DEFERRED"} == set(table())


@pytest.mark.parametrize("wait", ["3600", "1100", "1178"])
async def test_a_lane_that_is_closed_for_longer_than_the_budget_defers(
    serve: Serve, wait: str
) -> None:
    tenant, bot = contoso()
    azure = serve(tenant)
    elsewhere = tenant.subscription("test").id
    throttle(azure, bot, times=None, wait=wait)

    swept = await sweep(azure)

    assert swept.whole
    assert event_of(swept, "bot")["result"] == "DEFERRED"
    assert patches(azure, bot) == 1
    assert event_of(swept, "elsewhere")["result"] == "DISABLED"
    assert all(each["accepted"] == "true" for each in outcomes(swept, "DISABLED"))
    assert elsewhere in {each["subscriptionId"] for each in outcomes(swept, "DISABLED")}


async def test_a_write_that_is_throttled_again_and_again_is_deferred_in_the_end(
    serve: Serve,
) -> None:
    tenant, bot = contoso()
    azure = serve(tenant)
    throttle(azure, bot, times=None, wait="60")

    swept = await sweep(azure)

    assert swept.whole
    assert event_of(swept, "bot")["result"] == "DEFERRED"
    assert keys_on(azure) == {"bot"}


async def test_a_sweep_without_time_left_defers_and_the_next_one_carries_on(serve: Serve) -> None:
    tenant, _ = contoso()
    azure = serve(tenant)
    slow = azure.faults.on(path="/subscriptions", times=None).hang(58)

    first = await sweep(azure, SWEEP_BUDGET_SECONDS="120")
    azure.faults.remove(slow)
    second = await sweep(azure, SWEEP_BUDGET_SECONDS="120")

    assert first.whole
    assert {each["result"] for each in outcomes(first)} == {"DEFERRED"}
    assert second.whole
    assert keys_on(azure) == set()


async def test_what_a_trickle_lets_not_through_is_deferred(serve: Serve) -> None:
    tenant, _ = contoso()
    azure = serve(tenant)

    swept = await sweep(azure, BRAKE="trickle", MAX_CHANGES_PER_SWEEP="1")

    assert swept.whole
    assert len(azure.writes) == 1
    assert sorted(each["result"] for each in outcomes(swept)) == ["DEFERRED"] * 3 + ["DISABLED"]


async def test_failures_of_every_kind_at_once_leave_the_others_done(serve: Serve) -> None:
    kinds = {(each.result, each.code): each for each in CASES if each.mode == "enforce"}
    cases = [each for each in kinds.values() if each.arrange is not take_role]
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    bots = {}
    for number, case in enumerate(cases):
        home = tenant.add_subscription(f"home-{number}")
        for name in (f"bot-{number}", f"calm-{number}"):
            tenant.add_account(name, local_auth=True, subscription=home, group=f"rg-{name}")
        bots[f"bot-{number}"] = case
    azure = serve(tenant)
    for name, case in bots.items():
        case.arrange(azure, tenant.account(name))

    swept = await sweep(azure, MAX_CHANGES_PER_SWEEP="100000")

    results = {each["accountName"]: each["result"] for each in outcomes(swept)}
    assert {name: results[name] for name in bots} == {n: case.result for n, case in bots.items()}
    assert len(set(results.values())) > 8
    assert not [name for name in keys_on(azure) if name.startswith("calm")]
    assert not swept.whole
