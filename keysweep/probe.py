"""`keysweep probe`: what the gateway of one account does with a key, a bogus key and a token.

It is proof that keys are refused where the gateway says so of a real one in words of its own, 403
`AuthenticationTypeDisabled`. Where a real key is answered like a bogus one nothing is proved: a
document of Microsoft's gives that form for keys that are off, and a wrong or rotated key gets it
while others work (tests/data/errors/errors.json).
"""

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from keysweep.border.gateway import Answer, Gateway
from keysweep.border.operator import Operator
from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS
from keysweep.names import resolve, scope_of
from keysweep.screen import Screen, grid, shown
from keysweep.session import told
from shared.core.errors import AzureError, Refused
from shared.core.model import AccountId
from shared.workspace import Parts

_KEYS_OFF = "authenticationtypedisabled"
_NO_LIST = "disablelocalauth is set to be true"
_THROTTLED, _REDIRECT = 429, 300
# What a model says that can't answer this question: it was asked, so the credential was taken
# (github.com/langgenius/dify/issues/9746, github.com/run-llama/llama_index/issues/16503).
_OF_THE_MODEL = frozenset({"unsupported_parameter", "unsupported_value", "operationnotsupported"})


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


def meaning(answer: Answer) -> Meaning:
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


async def probe(
    parts: Parts,
    screen: Screen,
    account: str,
    deployment: str | None,
    *,
    key: str | None,
    wait: float | None,
    every: float,
) -> int:
    """Probe one account. Returns 0 if keys are refused and a token works, 1 if not, 2 if unclear.

    `key`: one that the person has; else one is fetched. `wait`: for so many seconds at most,
    until the gateway refuses keys as such.
    """
    account_id = (await resolve(parts, await scope_of(parts), account)).id
    azure = Operator(parts)
    raw = await azure.raw(account_id)
    endpoint = str(raw.get("properties", {}).get("endpoint", ""))
    gateway = Gateway(parts, endpoint, deployment)
    screen.note(f"{account_id.name} at {endpoint}")
    found = key if key is not None else await _fetched(azure, account_id)
    if wait is not None and isinstance(found, str):
        await _until_refused(parts, screen, gateway, found, wait, every)
        # The time budget of what came before may have ended meanwhile.
        raw = await Operator(parts.again()).raw(account_id)
    elif wait is not None:
        screen.note(
            "There is no key to wait with: a bogus one can't tell when keys stop working. Start "
            "--wait while the keys are on, or hand it one that you have with --key-from-stdin."
        )
    keys_off = raw.get("properties", {}).get("disableLocalAuth") is True
    real = found if isinstance(found, AzureError) else await _asked(gateway, found)
    bogus = await _asked(gateway, secrets.token_hex(16))
    checks = [
        _no_key(found) if isinstance(found, AzureError) else _real_key(real, keys_off=keys_off),
        _bogus_key(bogus, real),
        await _token(gateway, account_id),
    ]
    drawn = grid("", "check", "what it shows")
    styles = {Mark.GOOD: "bold green", Mark.BAD: "bold red", Mark.OPEN: "bold yellow"}
    for check in checks:
        drawn.add_row(shown(check.mark, styles[check.mark]), shown(check.title), shown(check.says))
    screen.show(drawn)
    marks = {check.mark for check in checks}
    if Mark.BAD in marks:
        return REMAINS
    return NOT_WHOLE if Mark.OPEN in marks else FINE


async def _fetched(azure: Operator, account_id: AccountId) -> str | AzureError:
    try:
        return await azure.key(account_id)
    except AzureError as error:
        return error


_REAL = "A real key is refused"


def _no_key(error: AzureError) -> Check:
    if isinstance(error, Refused) and _NO_LIST in error.message.lower():
        says = (
            "Azure lists no keys: it says that disableLocalAuth is true. Whether the gateway "
            "refuses them already, only a key can show: hand it one from before "
            "(--key-from-stdin)."
        )
        return Check(_REAL, Mark.OPEN, says)
    return Check(_REAL, Mark.OPEN, f"No key could be fetched: {told(error)}")


def _real_key(answer: Answer | AzureError, *, keys_off: bool) -> Check:
    if isinstance(answer, AzureError):
        return Check(_REAL, Mark.OPEN, told(answer))
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


def _bogus_key(answer: Answer | AzureError, real: Answer | AzureError) -> Check:
    title = "A bogus key is refused differently"
    if isinstance(answer, AzureError):
        return Check(title, Mark.OPEN, told(answer))
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


async def _token(gateway: Gateway, account_id: AccountId) -> Check:
    title = "An Entra ID token works"
    try:
        answer = await gateway.with_token()
    except AzureError as error:
        return Check(title, Mark.OPEN, told(error))
    found = meaning(answer)
    match found:
        case Meaning.TAKEN:
            return Check(title, Mark.GOOD, f"{answer.status}: your own sign-in is let in.")
        case Meaning.NO_DEPLOYMENT:
            says = "Your sign-in is let in, and there is no deployment of this name."
            return Check(title, Mark.GOOD, says)
        case Meaning.NO_ROLE:
            says = (
                f"{answer.message} Ask for the role Cognitive Services OpenAI User on "
                f"{account_id.name}; a new one takes minutes to arrive."
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


async def _asked(gateway: Gateway, key: str) -> Answer | AzureError:
    try:
        return await gateway.with_key(key)
    except AzureError as error:
        return error


def _brief(answer: Answer) -> str:
    """Return the status and the code; where the code is the status again, that alone."""
    code = "" if answer.code == str(answer.status) else answer.code
    return f"{answer.status} {code}".rstrip()


def _unclear(found: Meaning, answer: Answer) -> str:
    return f"{found.value} ({_brief(answer)}: {answer.message})"


async def _until_refused(
    parts: Parts, screen: Screen, gateway: Gateway, key: str, seconds: float, every: float
) -> None:
    """Ask again and again until the gateway refuses keys as such, or the time is up.

    The answer that an unknown key gets as well says nothing: the gateway is asked again.
    """
    began = parts.clock.monotonic()
    with screen.bar() as bar:
        task = bar.add_task("Waiting for the gateway", total=int(seconds), counts="")
        while (passed := parts.clock.monotonic() - began) < seconds:
            answer = await _asked(gateway, key)
            said = str(answer) if isinstance(answer, AzureError) else meaning(answer).value
            bar.update(task, completed=int(passed), counts=said)
            if isinstance(answer, Answer) and meaning(answer) is Meaning.KEYS_OFF:
                screen.note(f"The gateway refuses keys, {passed:.0f} s after it was first asked.")
                return
            await parts.clock.sleep(min(every, seconds - passed))
    screen.note(f"After {seconds:.0f} s the gateway still does not refuse keys as such.")
