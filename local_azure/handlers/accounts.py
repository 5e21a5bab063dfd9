"""Microsoft.CognitiveServices/accounts: list, get, update, and the results of updates."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from local_azure.exchange import Answer, Call, Origin, Refusal, invalid_content
from local_azure.handlers.subscriptions import page, resource_group
from local_azure.log import Standing, Write
from local_azure.sources import behaviour
from local_azure.state import ids
from local_azure.state.account import Account, PatchForm
from local_azure.state.tenant import LongOperation

# Polling URLs name this version whatever the request's was (recorded: fact 2).
_OPERATION_VERSION = "2017-04-18"
_TICKS_AT_UNIX_EPOCH = 621_355_968_000_000_000


@behaviour(
    "accounts by subscription come in pages with a nextLink; the size of a page is ours",
    "swagger stable/2025-09-01 Accounts_List; the one recording (account-list-03) has one page",
    "inferred",
)
@behaviour(
    "accounts by subscription carry x-ms-original-request-ids, even if one region answers",
    "data/recorded account-list-03 (June 2026); fact 82",
    "recorded",
)
def list_by_subscription(call: Call) -> Answer:
    """Return the accounts of a subscription."""
    accounts = call.services.tenant.accounts_in(call.params["subscription"])
    answer = _listed(call, accounts)
    return replace(answer, headers=_originals(call, accounts))


@behaviour(
    "accounts by group: no nextLink on the last page, not sorted, no ETag; regions mixed carry "
    "x-ms-original-request-ids",
    "data/recorded account-list-01; fact 17",
    "recorded",
)
def list_by_group(call: Call) -> Answer:
    """Return the accounts of a resource group."""
    resource_group(call)
    tenant = call.services.tenant
    accounts = tenant.accounts_in(call.params["subscription"], call.params["group"])
    answer = _listed(call, accounts)
    mixed = answer.origin is Origin.REGIONS
    return replace(answer, headers=_originals(call, accounts)) if mixed else answer


def _originals(call: Call, accounts: list[Account]) -> dict[str, str]:
    """Return the header that names what each region was asked; at least one is."""
    regions = max(1, len(_regions(accounts)))
    named = (ids.guid("original", call.correlation_id, number) for number in range(regions))
    return {"x-ms-original-request-ids": ",".join(named)}


def _regions(accounts: list[Account]) -> set[str]:
    return {account.location.replace(" ", "").lower() for account in accounts}


def _listed(call: Call, accounts: list[Account]) -> Answer:
    size = call.services.settings.account_page
    shown, token = page(accounts, call, size, lambda a: ids.guid("order", a.id))
    body: dict[str, Any] = {"value": [a.wire(call.api_version) for a in shown]}
    if token is not None:
        link = {"api-version": call.api_version, "_skiptoken": token}
        body["nextLink"] = call.services.link(call.request.path, **link)
    return Answer(200, body, Origin.PROVIDER if len(_regions(accounts)) < 2 else Origin.REGIONS)


def find_account(call: Call) -> Account:
    """Return the account of the path, or ARM's 404 (recorded: account-404-01)."""
    group = resource_group(call)
    name = call.params["account"]
    path = f"{group.id}/providers/{ids.ACCOUNT_TYPE}/{name}"
    account = call.services.tenant.find_account(path)
    if account is None:
        raise Refusal(
            404,
            "ResourceNotFound",
            f"The Resource '{ids.ACCOUNT_TYPE}/{name}' under resource group "
            f"'{call.params['group']}' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix",
        )
    return account


@behaviour(
    "a GET right after a PATCH may show the old disableLocalAuth, twice unless set otherwise",
    "no promise of reading one's own writes is documented",
    "unverified",
)
def get_account(call: Call) -> Answer:
    """One account."""
    account = find_account(call)
    shown = account.as_read().wire(call.api_version)
    if call.services.settings.reachable_endpoints:
        shown["properties"]["endpoint"] = call.services.data_plane_url(account)
    return Answer(200, shown, Origin.PROVIDER, etag=account.etag)


def update_account(call: Call) -> Answer:
    """PATCH, judged in ARM's order and answered in the account's form."""
    account = find_account(call)
    body = call.json()
    guard(call, account, body)
    if account.busy:
        raise Refusal(
            409,
            "RequestConflict",
            f"Cannot modify resource with id '{account.id}' because the resource entity "
            "provisioning state is not terminal. Please wait for the provisioning state to become "
            "terminal and then retry the request.",
            origin=Origin.PROVIDER,
        )
    _validate(body)
    services = call.services
    tenant = services.tenant
    client = call.request.headers.get("User-Agent", "")
    group = resource_group(call)
    subscription = tenant.subscriptions[account.subscription_id.lower()]

    def standing(of: Account) -> Standing:
        return Standing.of(of, group.tags, subscription.tags)

    written = tenant.patch(
        account,
        body,
        call.principal,
        call.correlation_id,
        call.principal.client_id if "azsdk" in client else client or "Unknown",
    )
    operation = written.operation
    services.writes.append(
        Write(
            ordinal=call.request.ordinal,
            at=services.clock.now(),
            principal=call.principal.object_id,
            account_id=account.id,
            body=body,
            operation=operation.id if operation else None,
            before=standing(written.before),
            after=standing(written.after),
        )
    )
    shown = written.after.wire(call.api_version)
    if operation is None or account.patch is PatchForm.BODY_ACCEPTED:
        return Answer(200, shown, Origin.PROVIDER, etag=written.after.etag)
    headers = _polling_headers(call, account.patch, operation)
    return Answer(202, shown, Origin.PROVIDER, headers, etag=written.after.etag)


@behaviour(
    "a ReadOnly lock refuses a PATCH with 409 ScopeLocked, naming the locked scope",
    "data/recorded scope-locked-01, -03 (other verbs); facts 33",
    "recorded",
)
@behaviour(
    "a deny policy refuses with 403 RequestDisallowedByPolicy; with a message, by its reasons",
    "data/recorded policy-403-01, -03; azure-docs error-policy-requestdisallowedbypolicy",
    "recorded",
)
@behaviour(
    "locks are judged before policies, both before the provider sees the request; a disabled "
    "subscription before both",
    "no recording shows two at once",
    "inferred",
)
@behaviour(
    "a policy's identifiers: display names of assignment and definition, the definition's version",
    "bodies of 2025 and 2026 pasted in public notes (file ids 55119768942, 71006907121); without "
    "a version until about 2024",
    "recorded",
)
def guard(call: Call, account: Account, body: dict[str, Any], *, policies: bool = True) -> None:
    """Refuse a write that a lock or a policy forbids, or that its subscription can't take."""
    tenant = call.services.tenant
    subscription = tenant.subscriptions[account.subscription_id.lower()]
    if subscription.state == "Disabled":
        raise Refusal(
            409,
            "ReadOnlyDisabledSubscription",
            f"The subscription '{subscription.id}' is disabled and therefore marked as read only. "
            "You cannot perform any write actions on this subscription until it is re-enabled.",
        )
    above = {scope.lower() for scope in tenant.scopes_above(account.id)}
    locked = [
        lock.scope
        for lock in tenant.locks
        if lock.level == "ReadOnly" and lock.scope.lower() in above
    ]
    if locked:
        raise Refusal(
            409,
            "ScopeLocked",
            f"The scope '{call.resource}' cannot perform write operation because following "
            f"scope(s) are locked: '{','.join(locked)}'. Please remove the lock and try again.",
        )
    outline = account.copy().outline()
    outline["properties"] |= body.get("properties") or {}
    outline["tags"] = body.get("tags") or outline["tags"]
    denying = [
        p for p in tenant.policies if policies and p.scope.lower() in above and p.denies(outline)
    ]
    if denying:
        if all(p.message is not None for p in denying):
            reasons = ",".join(str(p.message) for p in denying)
            why = f"Reasons: '{reasons}'. See error details for policy resource IDs."
        else:
            compact = json.dumps([p.identifiers for p in denying], separators=(",", ":"))
            why = f"Policy identifiers: '{compact}'."
        raise Refusal(
            403,
            "RequestDisallowedByPolicy",
            f"Resource '{account.name}' was disallowed by policy. {why}",
            target=account.name,
            additional_info=[p.violation(outline) for p in denying],
        )


@behaviour(
    "a property of the wrong type is refused with 400",
    "no recording; ARM's code for a body that it can't read",
    "inferred",
)
def _validate(body: dict[str, Any]) -> None:
    properties = body.get("properties")
    if properties is not None and not isinstance(properties, dict):
        raise invalid_content("properties is not an object")
    flag = (properties or {}).get("disableLocalAuth")
    if flag is not None and not isinstance(flag, bool):
        raise invalid_content(f"Could not convert to boolean: {flag}. Path 'disableLocalAuth'")
    tags = body.get("tags")
    if tags is not None and not (
        isinstance(tags, dict) and all(v is None or isinstance(v, str) for v in tags.values())
    ):
        raise invalid_content("tags is not a map of strings")


@behaviour(
    "polling URLs: operationResults, api-version 2017-04-18, location as written, signed with "
    "t, c, s and h (3,000 to 3,500 characters); Location has operationResultResponseType before t",
    "data/recorded/README.md facts 2, 3, 5; account-patch-202, account-create-put-201",
    "recorded",
)
@behaviour(
    "a PATCH's 202 has no Retry-After",
    "the recordings of PATCH had it removed; the create's 201 of 2022 and 2025 had none",
    "inferred",
)
def _polling_headers(call: Call, form: PatchForm, operation: LongOperation) -> dict[str, str]:
    path = (
        f"/subscriptions/{operation.subscription_id}/providers/Microsoft.CognitiveServices"
        f"/locations/{operation.location}/operationResults/{operation.id}"
    )
    url = f"{call.services.arm_url()}{path}?api-version={_OPERATION_VERSION}"
    signature = _signature(operation)
    headers: dict[str, str] = {}
    if form is not PatchForm.LOCATION:
        headers["Azure-AsyncOperation"] = url + signature
    if form is not PatchForm.ASYNC_OPERATION:
        headers["Location"] = f"{url}&operationResultResponseType=Location{signature}"
    return headers


def _signature(operation: LongOperation) -> str:
    ticks = _TICKS_AT_UNIX_EPOCH + int(operation.started.timestamp() * 10_000_000)
    return (
        f"&t={ticks}&c=MIIHhjCC{_filling(operation.id + 'c', 2530)}"
        f"&s={_filling(operation.id + 's', 342)}&h={_filling(operation.id + 'h', 43)}"
    )


def _filling(seed: str, length: int) -> str:
    blocks = range(length // 40 + 1)
    data = b"".join(hashlib.sha256(f"{seed}{n}".encode()).digest() for n in blocks)
    return base64.urlsafe_b64encode(data).decode()[:length]


@behaviour(
    "an operation answers 200 with status Updating, then Succeeded; whole seconds; endTime only at "
    "the end; any api-version",
    "data/recorded operationresults-get-200-*; fact 4",
    "recorded",
)
@behaviour(
    "a failed operation has status Failed, endTime and an error",
    "no recording of one exists; the form is that of ARM's asynchronous operations",
    "inferred",
)
@behaviour(
    "an operation read through its Location URL: 202 without a body, then 200 with the account",
    "ARM's documentation of Location; no recording",
    "documented",
)
def get_operation(call: Call) -> Answer:
    """Return the state of an update."""
    services = call.services
    operation = services.tenant.long_operations.get(call.params["operation"])
    if operation is None or (
        operation.subscription_id.lower() != call.params["subscription"].lower()
    ):
        raise Refusal(
            404,
            "NotFound",
            f"Specified resource '{call.request.path}' cannot be found.",
            origin=Origin.PROVIDER,
        )
    if call.query.get("operationresultresponsetype", "").lower() == "location":
        return _by_location(call, operation)
    status = "Updating"
    if operation.done:
        status = "Failed" if operation.fails else "Succeeded"
    body: dict[str, Any] = {
        "id": call.request.path,
        "name": operation.id,
        "status": status,
        "startTime": _seconds(operation.started),
    }
    if operation.done:
        body["endTime"] = _seconds(operation.ends)
        if operation.fails:
            body["error"] = _FAILURE
    return Answer(200, body, Origin.PROVIDER)


_FAILURE = {"code": "InternalServerError", "message": "Internal server error."}


def _by_location(call: Call, operation: LongOperation) -> Answer:
    if not operation.done:
        return Answer(
            202,
            None,
            Origin.PROVIDER,
            _polling_headers(call, PatchForm.LOCATION, operation),
        )
    if operation.fails:
        return Answer(500, {"error": _FAILURE}, Origin.PROVIDER)
    account = call.services.tenant.find_account(operation.account_id)
    if account is None:
        return Answer(204, None, Origin.PROVIDER)
    return Answer(200, account.wire(), Origin.PROVIDER, etag=account.etag)


def _seconds(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
