"""PATCH of an account: its forms, what is seen meanwhile, and what it leaves behind."""

from collections.abc import AsyncIterator, Callable

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.mgmt.cognitiveservices.aio import CognitiveServicesManagementClient
from azure.mgmt.cognitiveservices.models import Account as SdkAccount
from azure.mgmt.cognitiveservices.models import AccountProperties

from local_azure import ABSENT, Account, LocalAzure, MovedClock, PatchForm, Tenant
from tests.support import azure_clients
from tests.support.plain_client import OFF, patch_account, read_account
from tests.support.serving import Serve

type Client = Callable[[LocalAzure], CognitiveServicesManagementClient]


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """Make real clients, and close them in the end."""
    opened: list[object] = []

    def connect(azure: LocalAzure) -> CognitiveServicesManagementClient:
        for name, value in azure.environ.items():
            monkeypatch.setenv(name, value)
        identity = azure_clients.credential(azure)
        subscription = next(iter(azure.tenant.subscriptions.values()))
        client = azure_clients.accounts_client(azure, identity, subscription.id)
        opened.extend([client, identity])
        return client

    yield connect
    for thing in opened:
        await thing.close()  # type: ignore[attr-defined]


async def turn_off(client: CognitiveServicesManagementClient, account: Account) -> SdkAccount:
    body = SdkAccount(properties=AccountProperties(disable_local_auth=True))
    poller = await client.accounts.begin_update(
        account.group, account.name, body, polling_interval=5, retry_total=0
    )
    return await poller.result()


@pytest.mark.parametrize(
    "form", [form for form in PatchForm if form is not PatchForm.OPERATION_FAILS]
)
async def test_the_sdk_follows_every_form_to_its_end(
    serve: Serve, client: Client, form: PatchForm
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=True, patch=form, stale_reads=0)
    azure = serve(tenant)

    result = await turn_off(client(azure), account)

    assert result.properties is not None
    assert result.properties.disable_local_auth is True
    assert azure.tenant.account("bot").provisioning_state == "Succeeded"
    assert azure.tenant.account("bot").flag is True


async def test_a_failed_operation_leaves_the_keys_on_and_the_account_failed(
    serve: Serve, client: Client
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=True, patch=PatchForm.OPERATION_FAILS)
    azure = serve(tenant)

    with pytest.raises(HttpResponseError) as failure:
        await turn_off(client(azure), account)

    assert failure.value.error is not None
    assert failure.value.error.code == "InternalServerError"
    assert azure.tenant.account("bot").keys_on
    assert azure.tenant.account("bot").provisioning_state == "Failed"


async def test_the_body_of_the_202_shows_the_new_value_and_accepted(
    serve: Serve,
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    azure = serve(tenant)

    reply = patch_account(azure, account)

    assert reply.status == 202
    assert reply.body["properties"]["disableLocalAuth"] is True
    assert list(reply.body["properties"])[:2] == ["endpoint", "provisioningState"]
    assert reply.body["properties"]["provisioningState"] == "Accepted"


async def test_the_etag_changes_once_at_the_patch_and_once_at_the_end(
    serve: Serve,
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    azure = serve(tenant)

    first = read_account(azure, account).headers["ETag"]
    second = patch_account(azure, account).headers["ETag"]
    during = read_account(azure, account).headers["ETag"]
    azure.clock.advance(10)
    last = read_account(azure, account)

    assert len({first, second, last.headers["ETag"]}) == 3
    assert during == second
    assert last.body["etag"] == last.headers["ETag"]


async def test_a_get_shows_the_old_flag_twice_and_the_tags_at_once(
    serve: Serve,
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=True, patch=PatchForm.OK_200)
    azure = serve(tenant)
    patch_account(azure, account)
    tenant.tag(account, {"local-auth-exempt": "true"})

    reads = [read_account(azure, account).body for _ in range(3)]

    assert [r["properties"]["disableLocalAuth"] for r in reads] == [False, False, True]
    assert [r["tags"] for r in reads] == [{"local-auth-exempt": "true"}] * 3


async def test_a_second_patch_meets_a_conflict_until_the_first_is_done(
    serve: Serve, client: Client
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    azure = serve(tenant, clock=MovedClock(auto=False))
    patch_account(azure, account)

    with pytest.raises(ResourceExistsError) as conflict:
        await turn_off(client(azure), account)
    azure.clock.advance(10)
    later = patch_account(azure, account, {"tags": {"a": "b"}})

    assert conflict.value.error is not None
    assert conflict.value.error.code == "RequestConflict"
    assert later.status == 200


async def test_a_patch_of_tags_is_done_at_once_and_replaces_them(
    serve: Serve,
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", tags={"owner": "ann"})
    azure = serve(tenant)

    reply = patch_account(azure, account, {"tags": {"costCenter": "4711"}})

    assert reply.status == 200
    assert reply.body["tags"] == {"costCenter": "4711"}
    assert reply.body["properties"]["provisioningState"] == "Succeeded"
    assert "disableLocalAuth" not in reply.body["properties"]


async def test_a_write_is_kept_with_the_state_before_and_after_it(
    serve: Serve,
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", tags={"owner": "ann"})
    azure = serve(tenant)
    patch_account(azure, account)
    tenant.tag(account, {"owner": "bob"})

    (write,) = azure.writes

    assert write.account_id == account.id
    assert write.body == OFF
    assert write.principal == tenant.function.object_id
    assert write.before.disable_local_auth is ABSENT
    assert write.after.disable_local_auth is True
    assert write.before.tags == write.after.tags == {"owner": "ann"}


async def test_a_flag_that_is_no_boolean_is_refused(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    azure = serve(tenant)

    reply = patch_account(azure, account, {"properties": {"disableLocalAuth": "yes"}})

    assert reply.status == 400
    assert reply.code == "InvalidRequestContent"
    assert azure.writes == ()
