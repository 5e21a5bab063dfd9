"""What the gateway's answers to a key, a bogus key and a token prove. Pure.

It is proof that keys are refused where the gateway says so of a real one in words of its own, 403
`AuthenticationTypeDisabled`. Where a real key is answered like a bogus one nothing is proved: a
document of Microsoft's gives that form for keys that are off, and a wrong or rotated key gets it
while others work (tests/data/errors/errors.json).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from keysweep.advice import data_role, for_person
from shared.core.errors import AzureError, Refused
from shared.core.model import AccountId

_KEYS_OFF = "authenticationtypedisabled"
_NO_LIST = "disablelocalauth is set to be true"
_THROTTLED, _REDIRECT = 429, 300
# What a model says that can't answer this question: it was asked, so the credential was taken
# (github.com/langgenius/dify/issues/9746, github.com/run-llama/llama_index/issues/16503).
_OF_THE_MODEL = frozenset({"unsupported_parameter", "unsupported_value", "operationnotsupported"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the gateway said."""

    status: int
    code: str
    message: str


class Meaning(StrEnum):
    """What an answer of the gateway's says about the credential that it was asked with."""

    TAKEN = "taken"
    NO_DEPLOYMENT = "taken, and there is no such deployment"
    KEYS_OFF = "refused: keys are off"
    NOT_KNOWN = "refused: not known here"
    NO_ROLE = "refused: a role is missing"
    NO_SUBDOMAIN = "refused: the account has no custom subdomain"
    WRONG_TENANT = "refused: another tenant's token"
    NETWORK = "refused: a network rule keeps you out"
    UNCLEAR = "unclear"


def meaning(answer: Reply) -> Meaning:
    """Read an answer. Pure. The bodies are in tests/data/errors/errors.json."""
    code, text = answer.code.lower(), answer.message.lower()
    match answer.status:
        case _ if code == _KEYS_OFF:
            return Meaning.KEYS_OFF
        case status if status < _REDIRECT or status == _THROTTLED:
            # A rate is counted once it is known whose it is.
            return Meaning.TAKEN
        case 400 if code in _OF_THE_MODEL:
            return Meaning.TAKEN
        case 404 if code == "deploymentnotfound":
            return Meaning.NO_DEPLOYMENT
        case 401 if code == "permissiondenied":
            return Meaning.NO_ROLE
        case 401:
            return Meaning.NOT_KNOWN
        case 403 if "virtual network" in text or "firewall" in text:
            return Meaning.NETWORK
        case 400 if "custom subdomain" in text:
            return Meaning.NO_SUBDOMAIN
        case 400 if "tenant" in text and "token" in text:
            return Meaning.WRONG_TENANT
        case _:
            return Meaning.UNCLEAR


class Mark(StrEnum):
    """How a check ended, as it is shown."""

    GOOD = "✓"
    BAD = "✗"
    OPEN = "?"


@dataclass(frozen=True, slots=True)
class Check:
    """One of the three checks: what was asked, how it ended, and what that proves."""

    title: str
    mark: Mark
    says: str


_REAL = "A real key is refused"


def no_key(error: AzureError) -> Check:
    """Say what it means that no real key could be fetched."""
    if isinstance(error, Refused) and _NO_LIST in error.message.lower():
        says = (
            "Azure lists no keys: it says that disableLocalAuth is true. Whether the gateway "
            "refuses them already, only a key can show: hand it one from before "
            "(--key-from-stdin)."
        )
        return Check(_REAL, Mark.OPEN, says)
    return Check(_REAL, Mark.OPEN, f"No key could be fetched: {for_person(error)}")


def real_key(answer: Reply | AzureError, *, keys_off: bool) -> Check:
    """Judge the answer to a real key. `keys_off`: what Azure Resource Manager says."""
    if isinstance(answer, AzureError):
        return Check(_REAL, Mark.OPEN, for_person(answer))
    match meaning(answer):
        case Meaning.TAKEN | Meaning.NO_DEPLOYMENT:
            says = "The key works: keys are on, or the gateway doesn't know better yet (--wait)."
            return Check(_REAL, Mark.BAD, says)
        case Meaning.KEYS_OFF:
            says = f"{_brief(answer)}: {answer.message}"
            return Check(_REAL, Mark.GOOD, says)
        case Meaning.NOT_KNOWN if not keys_off:
            says = f"{answer.status}: not a key of this account; its keys are on."
            return Check(_REAL, Mark.OPEN, says)
        case Meaning.NOT_KNOWN:
            says = (
                f"Can't tell: {answer.status} is what a wrong or rotated key gets too, while "
                "others may still work (--wait goes on until keys are refused as such)."
            )
            return Check(_REAL, Mark.OPEN, says)
        case other:
            return Check(_REAL, Mark.OPEN, _unclear(other, answer))


def bogus_key(answer: Reply | AzureError, real: Reply | AzureError) -> Check:
    """Judge the answer to a key that nobody has, beside that to a real one."""
    title = "A bogus key is refused differently"
    if isinstance(answer, AzureError):
        return Check(title, Mark.OPEN, for_person(answer))
    beside = None if isinstance(real, AzureError) else meaning(real)
    match meaning(answer):
        case Meaning.NOT_KNOWN | Meaning.KEYS_OFF if beside is None:
            says = f"{_brief(answer)}: it proves nothing without a real key's answer beside it."
            return Check(title, Mark.OPEN, says)
        case Meaning.NOT_KNOWN | Meaning.KEYS_OFF as found if found is beside:
            says = f"Can't tell: {_brief(answer)}, as for the real key."
            return Check(title, Mark.OPEN, says)
        case Meaning.NOT_KNOWN:
            says = f"{answer.status}: a key that nobody knows is told apart from a real one."
            return Check(title, Mark.GOOD, says)
        case Meaning.KEYS_OFF:
            says = f"{_brief(answer)}: refused as keys are, and the real one is not."
            return Check(title, Mark.OPEN, says)
        case Meaning.TAKEN | Meaning.NO_DEPLOYMENT:
            says = f"{answer.status}: it was taken. This is not an Azure OpenAI gateway."
            return Check(title, Mark.BAD, says)
        case other:
            return Check(title, Mark.OPEN, _unclear(other, answer))


def token(answer: Reply | AzureError, account_id: AccountId, kind: str) -> Check:
    """Judge the answer to an Entra ID token. `kind`: the account's, which decides on the role."""
    title = "An Entra ID token works"
    if isinstance(answer, AzureError):
        return Check(title, Mark.OPEN, for_person(answer))
    found = meaning(answer)
    match found:
        case Meaning.TAKEN:
            return Check(title, Mark.GOOD, f"{answer.status}: your own sign-in is let in.")
        case Meaning.NO_DEPLOYMENT:
            says = "Your sign-in is let in, and there is no deployment of this name."
            return Check(title, Mark.GOOD, says)
        case Meaning.NO_ROLE:
            says = (
                f"{answer.message} Ask for the role {data_role(kind)} on {account_id.name}; a new "
                "one takes minutes to arrive."
            )
            return Check(title, Mark.BAD, says)
        case Meaning.NO_SUBDOMAIN:
            says = (
                "The account has no custom subdomain, and no token works without one: "
                f"az cognitiveservices account update -g {account_id.resource_group} "
                f"-n {account_id.name} --custom-domain NAME (for good: it can't be changed)."
            )
            return Check(title, Mark.BAD, says)
        case Meaning.WRONG_TENANT | Meaning.NOT_KNOWN | Meaning.KEYS_OFF:
            return Check(title, Mark.BAD, f"{answer.status}: {answer.message}")
        case Meaning.NETWORK | Meaning.UNCLEAR:
            return Check(title, Mark.OPEN, _unclear(found, answer))
        case _:
            assert_never(found)


def _brief(answer: Reply) -> str:
    """Return the status and the code; where the code is the status again, that alone."""
    code = "" if answer.code == str(answer.status) else answer.code
    return f"{answer.status} {code}".rstrip()


def _unclear(found: Meaning, answer: Reply) -> str:
    return f"{found.value} ({_brief(answer)}: {answer.message})"
