"""The keys of an account: two of 84 characters, the same ones for its whole life."""

import hashlib
import string

from local_azure.exchange import Answer, Call, Origin, Refusal
from local_azure.handlers.accounts import find_account, guard
from local_azure.sources import behaviour
from local_azure.state.account import Account

_ALPHABET = string.ascii_letters + string.digits


@behaviour(
    "a key has 84 letters and digits, JQQJ99 in the 53rd place",
    "fact 21 for the length (July 2025); microsoft/security-utilities IdentifiableSecrets for the "
    "form of such keys",
    "recorded",
)
def keys_of(account: Account) -> tuple[str, str]:
    """Return both keys."""
    first, second = (_key(f"{account.id} {number}") for number in (1, 2))
    return first, second


def _key(seed: str) -> str:
    drawn = b"".join(hashlib.sha512(f"{seed} {part}".encode()).digest() for part in (1, 2))
    text = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in drawn)
    return f"{text[:52]}JQQJ99BK{text[52:64]}AAABACOG{text[64:68]}"


@behaviour(
    "listKeys: 200 with key1 and key2",
    "data/recorded account-keys-01 (its keys, of 2023, are older and shorter)",
    "recorded",
)
@behaviour(
    "listKeys of an account with keys off: 400 BadRequest, disableLocalAuth is set to be true",
    "data/recorded account-keys-03 (body pasted by a user)",
    "recorded",
)
@behaviour(
    "listKeys counts as a write: a ReadOnly lock refuses it with 409, naming the account",
    "data/recorded scope-locked-03",
    "recorded",
)
def list_keys(call: Call) -> Answer:
    """Return the keys."""
    account = find_account(call)
    guard(call, account, {}, policies=False)
    status = 200 if account.keys_on else 400
    tenant, client = call.services.tenant, call.principal.client_id
    tenant.fetch_keys(account, by=call.principal, client=client, status=status)
    if not account.keys_on:
        raise Refusal(
            400,
            "BadRequest",
            "Failed to list key. disableLocalAuth is set to be true",
            origin=Origin.PROVIDER,
        )
    first, second = keys_of(account)
    return Answer(200, {"key1": first, "key2": second}, Origin.PROVIDER)
