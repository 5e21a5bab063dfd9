"""An exemption that is added while a sweep runs wins, whenever it is added.

For every request of a sweep over two accounts, somebody exempts both just before that request is
handled. No PATCH may be accepted whose decision was made on a read that could have shown it: the
judge is the server's own order of requests, in which the last read before a write has to be older
than the exemption, and the write's very own.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from local_azure import LocalAzure, Operation, PatchForm, Tenant, Write
from local_azure.log import SeenRequest
from local_azure.scenarios import four_accounts
from local_azure.state import ids
from shared.core.model import Result
from tests.support.real_sweeps import sweep

type Serve = Callable[..., LocalAzure]
type Arrange = Callable[[LocalAzure], object]

TAG = "local-auth-exempt"
ACCOUNTS = 2


def two_accounts() -> Tenant:
    """Return two accounts with keys on, each in a resource group of its own."""
    tenant = four_accounts()
    for name in ("contoso-search", "contoso-agents"):
        tenant.delete(name)
    return tenant


def exempt_all(azure: LocalAzure, where: str) -> None:
    """Tag the accounts, or what they stand in."""
    tenant = azure.tenant
    subscription = tenant.subscription("contoso-prod")
    match where:
        case "account":
            for account in tenant.accounts:
                tenant.tag(account, {TAG: "CHG0042"})
        case "resourceGroup":
            for group in subscription.groups.values():
                tenant.tag_group(group, {TAG: "CHG0042"})
        case _:
            tenant.tag_subscription(subscription, {TAG: "CHG0042"})


def exempt_before(azure: LocalAzure, ordinal: int, where: str) -> None:
    """Exempt them all just before the request with this number is handled."""

    def hook(request: SeenRequest) -> None:
        if request.ordinal == ordinal:
            exempt_all(azure, where)

    azure.before(hook)


def reads_of(azure: LocalAzure, write: Write, where: str) -> list[Operation]:
    """Return the reads that could have shown the exemption of the account that was written."""
    account = write.account_id.lower()
    path = {
        "account": account,
        "resourceGroup": str(ids.resource_group_of(account)),
        "subscription": ids.subscription_scope(str(ids.subscription_of(account))),
    }[where]
    return [each for each in azure.operations if each.method == "GET" and each.path.lower() == path]


def wrong_writes(azure: LocalAzure, exempted: int, where: str) -> list[str]:
    """Return what is wrong with the writes that were accepted; `exempted`: before which request."""
    wrong = []
    for write in azure.writes:
        before = [each for each in reads_of(azure, write, where) if each.ordinal < write.ordinal]
        tried = [
            each.ordinal
            for each in azure.operations
            if each.method == "PATCH"
            and each.path.lower() == write.account_id.lower()
            and each.ordinal < write.ordinal
        ]
        if not before:
            wrong.append(f"{write.ordinal}: nothing was read before it")
        elif before[-1].ordinal >= exempted:
            wrong.append(f"{write.ordinal}: read {before[-1].ordinal} showed the exemption")
        elif tried and before[-1].ordinal < tried[-1]:
            wrong.append(f"{write.ordinal}: sent again without a read")
    return wrong


def calm(_: LocalAzure) -> None:
    """Let nothing else happen."""


def throttle(azure: LocalAzure) -> None:
    """Refuse the first PATCH of each account."""
    for account in azure.tenant.accounts:
        patch = azure.faults.on(method="PATCH", path=account.id)
        patch.answer(429, {"error": {"code": "TooManyRequests"}}, {"Retry-After": "2"})


def dark() -> Tenant:
    """Return the accounts in a subscription that is listed from ARM."""
    tenant = two_accounts()
    tenant.subscription("contoso-prod").hidden_from_graph = True
    return tenant


CASES = [
    pytest.param(two_accounts, "account", calm, "8", id="account"),
    pytest.param(dark, "account", throttle, "8", id="account, each PATCH refused once"),
    pytest.param(dark, "resourceGroup", calm, "8", id="resource group"),
    # One at a time: whose a read of the subscription was can't be told otherwise.
    pytest.param(dark, "subscription", calm, "1", id="subscription"),
]


@pytest.mark.parametrize(("build", "where", "arrange", "concurrency"), CASES)
async def test_no_write_follows_a_read_that_could_have_shown_the_exemption(
    build: Callable[[], Tenant], where: str, arrange: Arrange, concurrency: str
) -> None:
    inherit = "false" if where == "account" else where

    async def swept(ordinal: int) -> tuple[int, int, list[str]]:
        """Return the number of requests, of writes, and what is wrong."""
        with LocalAzure(build()) as azure:
            arrange(azure)
            exempt_before(azure, ordinal, where)
            await sweep(azure, EXEMPTION_INHERIT=inherit, SWEEP_CONCURRENCY=concurrency)
            return len(azure.operations), len(azure.writes), wrong_writes(azure, ordinal, where)

    requests, undisturbed, wrong = await swept(1_000_000)
    assert (undisturbed, wrong) == (ACCOUNTS, [])

    writes = []
    for ordinal in range(1, requests + 1):
        _, accepted, wrong = await swept(ordinal)
        assert not wrong, f"exempted before request {ordinal} of {requests}"
        writes.append(accepted)

    # Early enough it protects them all, too late none.
    assert writes[0] == 0
    assert writes[-1] == ACCOUNTS


async def test_a_decision_that_grew_old_while_it_was_read_is_made_again(serve: Serve) -> None:
    azure = serve(dark())
    for account in azure.tenant.accounts:
        azure.faults.on(method="GET", path=account.id).hang(6)

    swept = await sweep(azure)

    assert swept.whole
    assert len(azure.writes) == ACCOUNTS
    for write in azure.writes:
        reads = [each.ordinal for each in reads_of(azure, write, "account")]
        assert len([each for each in reads if each < write.ordinal]) >= 2


async def test_an_exemption_that_is_taken_away_meanwhile_protects_until_the_next_sweep(
    serve: Serve,
) -> None:
    tenant = two_accounts()
    tenant.tag("contoso-docs", {TAG: "yes"})
    azure = serve(tenant)
    azure.tenant.tag("contoso-docs", {TAG: None})

    await sweep(azure)
    azure.clock.advance(61)
    assert tenant.account("contoso-docs").keys_on
    await sweep(azure)

    assert not tenant.account("contoso-docs").keys_on


# Connections that come late, over TLS


def one_account() -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    return tenant


async def test_an_exemption_that_comes_while_the_patch_waits_for_its_connection_wins(
    serve: Serve,
) -> None:
    azure = serve(one_account())

    def then(request: SeenRequest) -> None:
        if request.method == "GET" and request.path.endswith("/bot") and not tasks:
            azure.connections.late(9)

            async def exempt() -> None:
                await azure.clock.sleep(7)
                exempt_all(azure, "account")

            tasks.append(asyncio.get_running_loop().create_task(exempt()))

    tasks: list[asyncio.Task[None]] = []
    azure.faults.on(method="GET", path="*/accounts/bot").close()
    azure.before(then)

    swept = await sweep(azure)

    assert azure.clock.monotonic() >= 9, "the connection was not late: this proves nothing"
    assert (azure.writes, azure.tenant.account("bot").keys_on) == ((), True)
    assert not [each for each in azure.operations if each.method == "PATCH"]
    assert swept.results == {"bot": Result.NOW_EXEMPT}
    assert swept.events("RemediationOutcome")[0]["accepted"] == "false"


@pytest.mark.parametrize(("seconds", "reads"), [(4, 1), (9, 2)])
async def test_no_patch_leaves_on_a_connection_that_took_more_than_five_seconds(
    serve: Serve, seconds: int, reads: int
) -> None:
    azure = serve(one_account())

    def late(request: SeenRequest) -> None:
        if request.method == "GET" and request.path.endswith("/bot") and not made_late:
            made_late.append(request)
            azure.connections.late(seconds)

    made_late: list[SeenRequest] = []
    azure.faults.on(method="GET", path="*/accounts/bot").close()
    azure.before(late)

    swept = await sweep(azure)

    (write,) = azure.writes
    before = [each for each in reads_of(azure, write, "account") if each.ordinal < write.ordinal]
    assert len(before) == reads
    assert (write.at - before[-1].at).total_seconds() <= 5
    assert swept.whole


async def test_a_release_of_the_brake_that_ends_while_the_patch_waits_for_its_connection_is_over(
    serve: Serve,
) -> None:
    azure = serve(four_accounts())

    def late(request: SeenRequest) -> None:
        if request.method == "GET" and "/accounts/" in request.path:
            azure.connections.late(4)

    azure.faults.on(method="GET", path="*/accounts/*", times=None).close()
    azure.before(late)
    until = azure.clock.now() + timedelta(seconds=2)

    released = {"MAX_CHANGES_PER_SWEEP": "1", "BRAKE_RELEASE_UNTIL": until.isoformat()}
    # One at a time: no other account's connection is free.
    swept = await sweep(azure, SWEEP_CONCURRENCY="1", **released)

    assert azure.clock.monotonic() >= 4, "the connection was not late: this proves nothing"
    assert azure.writes == ()
    assert set(swept.results.values()) == {Result.DEFERRED}


async def test_an_account_whose_decision_grows_old_again_and_again_is_told(serve: Serve) -> None:
    azure = serve(one_account())

    def late(request: SeenRequest) -> None:
        if request.method == "GET" and request.path.endswith("/bot"):
            azure.connections.late(9)

    azure.faults.on(method="GET", path="*/accounts/bot", times=None).close()
    azure.before(late)

    swept = await sweep(azure)

    (event,) = swept.events("RemediationOutcome")
    assert event["result"] == Result.FAILED
    assert "Its decision is no longer fresh." in event["detail"]
    assert event["accepted"] == "false"
    assert (azure.writes, swept.whole) == ((), False)
    assert not [each for each in azure.operations if each.method == "PATCH"]
