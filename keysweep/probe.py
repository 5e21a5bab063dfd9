"""`keysweep probe`: what the gateway of one account does with a key, a bogus key and a token."""

import secrets
from collections.abc import Sequence

from keysweep.border.gateway import Gateway
from keysweep.checks import (
    Check,
    Mark,
    Meaning,
    Reply,
    bogus_key,
    meaning,
    no_key,
    real_key,
    token,
)
from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS
from keysweep.names import resolve, scope_of
from keysweep.outputs import of_command
from keysweep.screen import grid, shown
from keysweep.session import Session, or_error
from shared.core.errors import AzureError
from shared.core.model import AccountId

_STYLES = {Mark.GOOD: "bold green", Mark.BAD: "bold red", Mark.OPEN: "bold yellow"}


async def probe(
    session: Session,
    account: str,
    deployment: str | None,
    *,
    key: str | None,
    wait: float | None,
    every: float,
    output: str = "table",
) -> int:
    """Probe one account. Returns 0 if keys are refused and a token works, 1 if not, 2 if unclear.

    `key`: one that the person has; else one is fetched. `wait`: for so many seconds at most,
    until the gateway refuses keys as such.
    """
    screen = session.screen
    account_id = (await resolve(session, await scope_of(session), account)).id
    raw = await session.azure.raw(account_id)
    endpoint = str(raw.get("properties", {}).get("endpoint", ""))
    gateway = Gateway(session.parts, endpoint, deployment)
    screen.note(f"{account_id.name} at {endpoint}")
    found = key if key is not None else await or_error(session.azure.key(account_id))
    if wait is not None and isinstance(found, str):
        await _until_refused(session, gateway, found, wait, every)
        # The time budget of what came before may have ended meanwhile.
        raw = await session.again().azure.raw(account_id)
    elif wait is not None:
        screen.warn(
            "There is no key to wait with: a bogus one can't tell when keys stop working. Start "
            "--wait while the keys are on, or hand it one that you have with --key-from-stdin."
        )
    keys_off = raw.get("properties", {}).get("disableLocalAuth") is True
    kind = str(raw.get("kind", ""))
    real = found if isinstance(found, AzureError) else await or_error(gateway.with_key(found))
    bogus = await or_error(gateway.with_key(secrets.token_hex(16)))
    checks = [
        no_key(found) if isinstance(found, AzureError) else real_key(real, keys_off=keys_off),
        bogus_key(bogus, real),
        token(await or_error(gateway.with_token()), account_id, kind),
    ]
    if output == "json":
        screen.raw(_document(account_id, endpoint, checks, keys_off=keys_off))
    else:
        drawn = grid("", "check", "what it shows")
        for check in checks:
            mark = shown(check.mark, _STYLES[check.mark])
            drawn.add_row(mark, shown(check.title), shown(check.says))
        screen.show(drawn)
    marks = {check.mark for check in checks}
    if Mark.BAD in marks:
        return REMAINS
    return NOT_WHOLE if Mark.OPEN in marks else FINE


def _document(
    account_id: AccountId, endpoint: str, checks: Sequence[Check], *, keys_off: bool
) -> str:
    body = {
        "accountId": str(account_id),
        "endpoint": endpoint,
        "keysOff": keys_off,
        "checks": [
            {"title": check.title, "result": check.mark.name, "says": check.says}
            for check in checks
        ],
    }
    return of_command("probe", body)


async def _until_refused(
    session: Session, gateway: Gateway, key: str, seconds: float, every: float
) -> None:
    """Ask again and again until the gateway refuses keys as such, or the time is up.

    The answer that an unknown key gets as well says nothing: the gateway is asked again.
    """
    screen, clock = session.screen, session.clock
    began = clock.monotonic()
    with screen.bar() as bar:
        task = bar.add_task("Waiting for the gateway", total=int(seconds), counts="")
        while (passed := clock.monotonic() - began) < seconds:
            answer = await or_error(gateway.with_key(key))
            result = str(answer) if isinstance(answer, AzureError) else meaning(answer).value
            bar.update(task, completed=int(passed), counts=result)
            if isinstance(answer, Reply) and meaning(answer) is Meaning.KEYS_OFF:
                screen.note(f"The gateway refuses keys, {passed:.0f} s after it was first asked.")
                return
            await clock.sleep(min(every, seconds - passed))
    screen.note(f"After {seconds:.0f} s the gateway still does not refuse keys as such.")
