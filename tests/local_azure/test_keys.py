"""The keys of an account, as listKeys shows them."""

from local_azure import LocalAzure, Tenant
from tests.support.plain_client import ACCOUNTS_VERSION, arm
from tests.support.serving import Serve

LIST_KEYS = "Microsoft.CognitiveServices/accounts/listKeys/action"


def keys(azure: LocalAzure, name: str) -> list[str]:
    account = azure.tenant.account(name)
    reply = arm(azure, f"{account.id}/listKeys{ACCOUNTS_VERSION}", "POST", by=azure.tenant.team)
    assert reply.status == 200
    return [reply.body["key1"], reply.body["key2"]]


def test_each_account_has_two_keys_of_its_own_that_stay(serve: Serve, tenant: Tenant) -> None:
    azure = serve(tenant)

    assert keys(azure, "one") == keys(azure, "one")
    assert len({*keys(azure, "one"), *keys(azure, "two")}) == 4


def test_a_key_has_84_letters_and_digits(serve: Serve, tenant: Tenant) -> None:
    for key in keys(serve(tenant), "one"):
        assert len(key) == 84
        assert key.isalnum()
        assert key[52:58] == "JQQJ99"


def test_a_read_only_lock_refuses_it_and_names_the_account(serve: Serve, tenant: Tenant) -> None:
    account = tenant.account("one")
    tenant.add_lock(account.id)
    azure = serve(tenant)

    reply = arm(azure, f"{account.id}/listKeys{ACCOUNTS_VERSION}", "POST", by=tenant.team)

    assert reply.status == 409
    assert reply.code == "ScopeLocked"
    assert reply.body["error"]["message"].startswith(
        f"The scope '{account.id}' cannot perform write operation"
    )


def test_whoever_may_not_list_them_is_told_of_the_account(serve: Serve, tenant: Tenant) -> None:
    account = tenant.account("one")
    azure = serve(tenant)

    reply = arm(azure, f"{account.id}/listKeys{ACCOUNTS_VERSION}", "POST")

    assert reply.status == 403
    assert reply.code == "AuthorizationFailed"
    assert f"action '{LIST_KEYS}' over scope '{account.id}'" in reply.body["error"]["message"]
