"""How every command runs: settings from the environment and the line, parts, errors, exit codes."""

import asyncio
import contextlib
import json
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.addresses import Address
from shared.cli.screen import Screen
from shared.errors import AzureError, KeysweepError, NoRole, NoToken, SettingsError
from shared.parts import Connections, Parts, SystemClock
from shared.settings import OPERATOR_SETTINGS, SETTINGS, Settings, read_settings

FINE = 0
"""Compliant, or all fixed."""
REMAINS = 1
"""Drift or holds remain."""
NOT_WHOLE = 2
"""Something could not be read or done."""
USAGE = 64
"""The command line or the settings are wrong."""
STOPPED = 130
"""Stopped by Ctrl-C before anything was begun."""


class UsageProblem(KeysweepError):
    """What was asked for makes no sense; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Options:
    """What every command takes from the line and the environment."""

    environ: Mapping[str, str]
    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()
    settings_file: Path | None = None
    verbose: bool = False

    def settings(self, mode: str = "") -> Settings:
        """Read the settings: the file, over it the environment, over it the line.

        Without a mode, it is that of the settings, `enforce` if they have none. Raises
        SettingsError or UsageProblem.
        """
        values = {**_from_file(self.settings_file), **self.environ}
        values["SWEEP_MODE"] = mode or values.get("SWEEP_MODE", "") or "enforce"
        if values["SWEEP_MODE"].strip().lower() == "audit":
            # It releases nothing in audit mode, which is no mistake of who only looks.
            values["BRAKE_RELEASE_UNTIL"] = ""
        if self.subscriptions or self.management_groups:
            values["SWEEP_SUBSCRIPTIONS"] = ",".join(self.subscriptions)
            values["SWEEP_MANAGEMENT_GROUPS"] = ",".join(self.management_groups)
        return read_settings(values, OPERATOR_SETTINGS)


@dataclass(slots=True)
class _Record:
    """One attempt of one request."""

    outcome: str = "no answer"

    def answered(self, status: int) -> None:
        """Note the status code of the answer."""
        self.outcome = str(status)


@dataclass(frozen=True, slots=True)
class _Narrator:
    """Tells a person of every request: its method and path, never its query, headers or body."""

    screen: Screen
    verbose: bool
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def request(self, method: str, address: Address) -> Iterator[_Record]:
        """Open a record that lasts as long as the attempt."""
        record, sent = _Record(), time.monotonic()
        try:
            yield record
        finally:
            if self.verbose:
                took = (time.monotonic() - sent) * 1000
                self.screen.note(f"{method} {address} {record.outcome} {took:.0f} ms")


def run(
    options: Options,
    screen: Screen,
    settings: Callable[[], Settings],
    command: Callable[[Parts], Awaitable[int]],
) -> int:
    """Run one command to its exit code. What goes wrong is one message, and no traceback."""
    # azure-identity logs what the one message says better.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    logging.getLogger("azure").propagate = False
    try:
        return asyncio.run(_run(options, screen, settings(), command))
    except SettingsError as error:
        lines = "".join(f"\n  {problem}" for problem in error.problems)
        screen.problem(f"These settings are wrong; nothing was read or changed:{lines}")
        return USAGE
    except UsageProblem as error:
        screen.problem(str(error))
        return USAGE
    except KeysweepError as error:
        screen.problem(told(error))
        return NOT_WHOLE
    except KeyboardInterrupt:
        screen.problem(
            "Stopped. What was under way may be done; the same command can be run again."
        )
        return STOPPED


async def _run(
    options: Options,
    screen: Screen,
    settings: Settings,
    command: Callable[[Parts], Awaitable[int]],
) -> int:
    connections = Connections(options.environ, SystemClock())
    try:
        parts = connections.parts(settings, _Narrator(screen, options.verbose))
        await _sign_in(parts)
        return await command(parts)
    finally:
        await connections.close()


async def _sign_in(parts: Parts) -> None:
    """Get a token before anything else, so that who is not signed in hears just that."""
    wanted = parts.settings.tenant_id
    try:
        tenant = await parts.arm.home_tenant()
    except AzureError as error:
        raise NotSignedIn(error) from error
    if wanted is not None and tenant != wanted:
        raise UsageProblem(
            f"You are signed in to tenant {tenant}, and AZURE_TENANT_ID is {wanted}. Run "
            f"`az login --tenant {wanted}`, or unset AZURE_TENANT_ID."
        )


_ROLES = {
    "Microsoft.Resources/tags/": "Tag Contributor",
    "Microsoft.CognitiveServices/accounts/write": "Cognitive Services Contributor",
    "Microsoft.CognitiveServices/accounts/listKeys/": "Cognitive Services Contributor",
}
_NOT_REACHED = (
    "Azure was not reached: look at the network, at HTTPS_PROXY, and at the certificates "
    "(SSL_CERT_FILE)."
)


def told(error: KeysweepError | str) -> str:
    """Say an error to the person who asked: a missing role is theirs, not the Function's."""
    text = str(error)
    if "ServiceRequest" in text:
        return text.replace(AzureError.advice, _NOT_REACHED)
    role = next((role for action, role in _ROLES.items() if action in text), "Reader")
    yours = f"You need a role that allows this there, such as {role}; a new one takes minutes."
    return text.replace(NoRole.advice, yours)


@contextmanager
def interrupts(
    screen: Screen, stop: asyncio.Event, running: "asyncio.Future[Any]"
) -> Iterator[None]:
    """Let the first Ctrl-C stop what is not begun, and the second break off."""

    def interrupt() -> None:
        if stop.is_set():
            running.cancel()
            return
        stop.set()
        screen.say("Stopping: what is in flight is finished. Ctrl-C again breaks off.")

    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows: there Ctrl-C breaks off at once
        loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGINT)


class NotSignedIn(NoToken):
    """There is no sign-in that gives a token."""

    def __init__(self, error: AzureError) -> None:
        super().__init__(error.action, error.resource, code=error.code, message=error.message)

    def __str__(self) -> str:
        return (
            "You are not signed in to Azure: run `az login` and try again (in a pipeline: workload "
            f"identity). Azure's client says: {f'{self.code}: ' if self.code else ''}{self.message}"
        )


def _from_file(path: Path | None) -> dict[str, str]:
    """Read app settings: local.settings.json, or what `az functionapp config appsettings list` has.

    Raises UsageProblem.
    """
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
        if isinstance(found, list):
            values = {str(each["name"]): str(each["value"] or "") for each in found}
        else:
            values = {str(name): str(value) for name, value in found["Values"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        why = f" ({error})" if isinstance(error, OSError | ValueError) else ""
        raise UsageProblem(
            f"{path} holds no app settings{why}. It must be a "
            "local.settings.json, or the output of `az functionapp config appsettings list`."
        ) from error
    known = {each.name for each in SETTINGS}
    return {name: value for name, value in values.items() if name in known}
