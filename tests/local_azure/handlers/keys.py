"""The keys of an account: two of 32 hexadecimal characters, the same ones for its whole life."""

from tests.local_azure.exchange import Answer, Call, Origin, Refusal
from tests.local_azure.handlers.accounts import find_account, guard
from tests.local_azure.sources import behaviour
from tests.local_azure.state import ids
from tests.local_azure.state.account import Account


def keys_of(account: Account) -> tuple[str, str]:
    """Return both keys."""
    first, second = (ids.guid(f"key{number}", account.id).replace("-", "") for number in (1, 2))
    return first, second


@behaviour(
    "listKeys: 200 with key1 and key2, 32 hexadecimal characters each",
    "data/recorded account-keys-01",
    "recorded",
)
@behaviour(
    "listKeys of an account with keys off: 400 BadRequest, disableLocalAuth is set to be true",
    "data/recorded account-keys-03 (body pasted by a user)",
    "recorded",
)
@behaviour(
    "listKeys counts as a write: a ReadOnly lock refuses it with 409",
    "data/recorded scope-locked-03",
    "recorded",
)
def list_keys(call: Call) -> Answer:
    """Return the keys."""
    account = find_account(call)
    guard(call, account, {}, policies=False)
    if not account.keys_on:
        raise Refusal(
            400,
            "BadRequest",
            "Failed to list key. disableLocalAuth is set to be true",
            origin=Origin.PROVIDER,
        )
    first, second = keys_of(account)
    return Answer(200, {"key1": first, "key2": second}, Origin.PROVIDER)
