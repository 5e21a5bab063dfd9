"""Faults strike where and as often as they are told."""

import http.client
import threading

import pytest

from local_azure import LocalAzure, Tenant
from local_azure.clock import START
from tests.support.plain_client import ACCOUNTS_VERSION, arm, patch_account, read_account
from tests.support.serving import Serve

WRITE = "Microsoft.CognitiveServices/accounts/write"


def test_the_nth_matching_request_is_hit_and_no_other(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    fault = azure.faults.on(method="GET", path="*/accounts/ONE", skip=1, times=2)
    fault.answer(429, {"error": {"code": "TooManyRequests", "message": ""}}, {"Retry-After": "7"})

    one = [read_account(azure, tenant.account("one")) for _ in range(4)]
    two = read_account(azure, tenant.account("two"))

    assert [reply.status for reply in one] == [200, 429, 429, 200]
    assert one[1].headers["Retry-After"] == "7"
    assert two.status == 200
    assert fault.seen == 4
    assert fault.hits == 2


def test_a_text_is_sent_as_it_is(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(action=WRITE).answer(503, "<html>busy</html>")

    reply = patch_account(azure, tenant.account("one"))

    assert reply.status == 503
    assert reply.text == "<html>busy</html>"
    assert reply.headers["Content-Type"] == "text/html"
    assert azure.writes == ()


def test_a_connection_cut_before_acting_wrote_nothing(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(action=WRITE).cut()

    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        patch_account(azure, tenant.account("one"))

    assert azure.writes == ()
    assert [o.status for o in azure.operations] == [None]


def test_a_connection_cut_after_acting_wrote(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(action=WRITE).cut(after_acting=True)

    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        patch_account(azure, tenant.account("one"))

    assert [w.account_id for w in azure.writes] == [tenant.account("one").id]


def test_an_error_after_acting_wrote_as_well(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(action=WRITE).answer(500, {"error": {}}, after_acting=True)

    reply = patch_account(azure, tenant.account("one"))

    assert reply.status == 500
    assert len(azure.writes) == 1


def test_a_hang_holds_the_request_until_the_clock_says_so(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(method="GET").hang(300)

    reply = read_account(azure, tenant.account("one"))

    assert reply.status == 200
    assert azure.clock.monotonic() == 300


def test_a_hang_may_come_after_the_write(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(action=WRITE).hang(300, after_acting=True)

    reply = patch_account(azure, tenant.account("one"))

    assert reply.status == 202
    assert azure.clock.monotonic() == 300
    assert (azure.writes[0].at - START).total_seconds() == 0


def test_a_hang_without_end_ends_with_the_server(tenant: Tenant) -> None:
    ended: list[BaseException] = []
    with LocalAzure(tenant) as azure:
        azure.faults.on(method="GET").hang()
        arrived = threading.Event()
        azure.before(lambda _: arrived.set())
        path = tenant.account("one").id + ACCOUNTS_VERSION

        def ask() -> None:
            try:
                arm(azure, path)
            except (http.client.HTTPException, OSError) as e:
                ended.append(e)

        asking = threading.Thread(target=ask)
        asking.start()
        assert arrived.wait(10)
    asking.join(10)

    assert len(ended) == 1


def test_faults_can_be_cleared(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)
    azure.faults.on(times=None).answer(500)
    first = read_account(azure, tenant.account("one")).status
    azure.faults.clear()

    assert first == 500
    assert read_account(azure, tenant.account("one")).status == 200
