"""Every result of docs/results.md, brought about by what the server does, all in one sweep.

One account's failure never stops another's: beside each spoilt account stands one that is calm. The
judge is the server: whose keys are off, which writes it accepted, and how many it was asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from local_azure import Account, LocalAzure, PatchForm, Tenant
from local_azure.faults import Fault
from local_azure.state import ids
from shared.core.model import Result
from tests.support.contoso import MANY, TAG, before, keys_on, methods
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve

type Arrange = Callable[[LocalAzure, Account], object]

WRITE = "Microsoft.CognitiveServices/accounts/write"


@dataclass(frozen=True)
class Case:
    """What the server does to an account, and what is to come of it."""

    result: Result
    arrange: Arrange
    code: str = ""
    message: str = ""
    """A part of what Azure said, which the event must repeat."""
    patches: int = 1
    """How many times the server sees a PATCH of it."""
    options: dict[str, Any] = field(default_factory=dict)


def at(method: str, strike: Callable[[Fault], object], **counts: Any) -> Arrange:
    """Let a fault strike at requests of the account itself."""
    return lambda azure, bot: strike(azure.faults.on(method=method, path=bot.id, **counts))


def first(method: str, do: Arrange, skip: int = 0) -> Arrange:
    """Let something happen just before a request of the account itself."""
    return lambda azure, bot: before(azure, method, bot, partial(do, azure, bot), skip)


def refuse(status: int, code: str) -> Arrange:
    body = {"error": {"code": code, "message": "Azure said so."}}
    return at("PATCH", lambda fault: fault.answer(status, body))


def lock(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.add_lock(str(ids.resource_group_of(bot.id)))


def forbid(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.add_policy(str(ids.resource_group_of(bot.id)), message="Needs a change record.")


def deny(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.deny(azure.tenant.function, bot.id, [WRITE])


def delete(azure: LocalAzure, bot: Account) -> None:
    azure.tenant.delete(bot)


def tag(name: str, value: str) -> Arrange:
    return lambda azure, bot: azure.tenant.tag(bot, {name: value})


def nothing(_azure: LocalAzure, _bot: Account) -> None:
    """Leave it to the account's own options."""


BUSY = {"provisioning_state": "Moving"}
ALL_WRONG = {"error": {"code": "Oops", "message": "Sorry."}}

CASES = {
    "failed once": Case(Result.DISABLED, nothing, options={"provisioning_state": "Failed"}),
    "unanswered once": Case(
        Result.DISABLED, at("PATCH", lambda fault: fault.answer(500, ALL_WRONG)), patches=2
    ),
    "throttled once": Case(
        Result.DISABLED,
        at("PATCH", lambda fault: fault.answer(429, ALL_WRONG, {"Retry-After": "5"})),
        patches=2,
    ),
    "token refused once": Case(
        Result.DISABLED, at("PATCH", lambda fault: fault.answer(401, ALL_WRONG)), patches=2
    ),
    "closed for an hour": Case(
        Result.DEFERRED,
        at(
            "PATCH", lambda fault: fault.answer(429, ALL_WRONG, {"Retry-After": "3600"}), times=None
        ),
    ),
    "never answered": Case(
        Result.UNVERIFIED,
        at("PATCH", lambda fault: fault.answer(500, ALL_WRONG), times=None),
        "Oops",
        "Sorry.",
        patches=2,
    ),
    "operation fails": Case(
        Result.UNVERIFIED,
        nothing,
        "InternalServerError",
        options={"patch": PatchForm.OPERATION_FAILS},
    ),
    "turned on at once": Case(
        Result.UNVERIFIED,
        first("GET", lambda azure, bot: azure.tenant.enable_keys(bot), skip=1),
        options={"patch": PatchForm.OK_200},
    ),
    "locked": Case(Result.LOCKED, lock, "ScopeLocked", "rg-locked"),
    "forbidden": Case(
        Result.POLICY_DENIED, forbid, "RequestDisallowedByPolicy", "Needs a change record."
    ),
    "denied": Case(Result.NO_ROLE, deny, "DenyAssignmentAuthorizationFailed", "stack-deny"),
    "token refused": Case(
        Result.NO_ROLE,
        at("PATCH", lambda fault: fault.answer(401, ALL_WRONG), times=None),
        "Oops",
        patches=2,
    ),
    "moving": Case(Result.BUSY, nothing, options=BUSY, patches=0),
    "moving after the read": Case(
        Result.BUSY,
        first("PATCH", lambda azure, bot: azure.tenant.set_provisioning_state(bot, "Updating")),
        "RequestConflict",
    ),
    "gone": Case(Result.GONE, first("GET", delete), "ResourceNotFound", patches=0),
    "gone before the PATCH": Case(Result.GONE, first("PATCH", delete), "ResourceNotFound"),
    "gone after the PATCH": Case(Result.GONE, first("GET", delete, skip=1)),
    "tagged": Case(Result.NOW_EXEMPT, first("GET", tag(TAG, "CHG0042")), patches=0),
    "tagged oddly": Case(Result.NOW_HELD, first("GET", tag(TAG, "soon=1")), patches=0),
    "another kind": Case(
        Result.OUT_OF_SCOPE,
        first("GET", lambda azure, bot: azure.tenant.set_kind(bot, "SpeechServices")),
        patches=0,
    ),
    "off": Case(
        Result.ALREADY_OFF,
        first("GET", lambda azure, bot: azure.tenant.disable_keys(bot)),
        patches=0,
    ),
    "teapot": Case(Result.FAILED, refuse(400, "TeapotOnly"), "TeapotOnly", "Azure said so."),
    "unreadable": Case(
        Result.FAILED,
        at("GET", lambda fault: fault.answer(500, ALL_WRONG), times=None),
        "Oops",
        patches=0,
    ),
    "nonsense": Case(
        Result.FAILED,
        at("GET", lambda fault: fault.answer(200, {"id": "nonsense"}), times=None),
        patches=0,
    ),
}


async def test_failures_of_every_kind_at_once_leave_the_others_done(serve: Serve) -> None:
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    bots = {}
    for number, (name, case) in enumerate(CASES.items()):
        slug = name.replace(" ", "-")
        home = tenant.add_subscription(f"home-{number}", hidden_from_graph=True)
        options: dict[str, Any] = {"local_auth": True, "subscription": home}
        bots[name] = tenant.add_account(slug, group=f"rg-{slug}", **options, **case.options)
        tenant.add_account(f"calm-{number}", group="rg-calm", **options)
    azure = serve(tenant)
    for name, case in CASES.items():
        case.arrange(azure, bots[name])

    swept = await sweep(azure, **MANY)

    assert not [name for name in keys_on(azure) if name.startswith("calm")]
    assert not swept.whole
    events = {event["accountId"]: event for event in swept.events("RemediationOutcome")}
    wrote = {write.account_id.lower() for write in azure.writes}
    for name, case in CASES.items():
        bot, event = bots[name], events[bots[name].id.lower()]
        assert event["result"] == case.result, name
        assert event["azureCode"] == case.code or not case.code, name
        assert case.message in event["azureMessage"], name
        assert methods(azure, bot).count("PATCH") == case.patches, name
        accepted = bot.id.lower() in wrote or case.result is Result.UNVERIFIED
        assert event["accepted"] == str(accepted).lower(), name
        still_on = tenant.find_account(bot.id) is not None and bot.keys_on
        assert not still_on or case.result not in {Result.DISABLED, Result.ALREADY_OFF}, name


def test_every_result_is_brought_about_here_or_by_audit_mode() -> None:
    assert {case.result for case in CASES.values()} | {Result.WOULD_DISABLE} == set(Result)
