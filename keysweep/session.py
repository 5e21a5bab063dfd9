"""How every command runs: settings from the environment and the line, parts, errors, exit codes."""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keysweep.border.operator import Operator
from keysweep.exit_codes import NOT_WHOLE, STOPPED, USAGE
from keysweep.screen import Screen, stop_signals
from keysweep.settings_file import LARGEST, check_app_settings, read_app_settings
from shared.core.addresses import Address
from shared.core.errors import AzureError, KeysweepError, NoRole, NoToken, SettingsError, Stopped
from shared.core.model import Clock
from shared.core.settings import OPERATOR_SETTINGS, Settings, read_settings
from shared.workspace import Connections, Parts

_SITE = re.compile(
    r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.()-]+/providers/Microsoft\.Web/sites/[\w-]+",
    re.IGNORECASE,
)


class UsageProblem(KeysweepError):
    """What was asked for makes no sense; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Given:
    """The settings that a command was given, as text, and where each comes from."""

    values: Mapping[str, str]
    sources: Mapping[str, str]
    """By the name of a setting: `the line`, `the environment`, the file's name, and so on."""
    line: tuple[str, ...] = ()
    """The options that say where settings and scope come from, for a command that follows."""


@dataclass(frozen=True, slots=True)
class Options:
    """What every command takes from the line and the environment."""

    environ: Mapping[str, str]
    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()
    settings_file: Path | None = None
    function: str | None = None
    """The resource id of a deployed Function App whose app settings count."""
    verbose: bool = False

    def given(self, app_settings: Mapping[str, str], source: str) -> Given:
        """Put the settings together: app settings, over them the environment, over it the line.

        An empty variable is taken as absent, here as everywhere: it hides nothing. Raises
        UsageProblem for an empty scope on the line, which would widen it to everything.
        """
        for option, scopes in (
            ("--subscription", self.subscriptions),
            ("--management-group", self.management_groups),
        ):
            if not all(scope.strip() for scope in scopes):
                raise UsageProblem(f"{option} is empty: it would mean everything. Give an id.")
        values, sources = dict(app_settings), dict.fromkeys(app_settings, source)
        for name, value in self.environ.items():
            if value.strip():
                values[name], sources[name] = value, "the environment"
        if self.subscriptions or self.management_groups:
            for name, scopes in (
                ("SWEEP_SUBSCRIPTIONS", self.subscriptions),
                ("SWEEP_MANAGEMENT_GROUPS", self.management_groups),
            ):
                values[name], sources[name] = ",".join(scopes), "the line"
        return Given(values, sources, tuple(self._line()))

    def _line(self) -> Iterator[str]:
        if self.settings_file is not None:
            yield from ("--settings", str(self.settings_file.resolve()))
        if self.function is not None:
            yield from ("--function", self.function)
        for subscription in self.subscriptions:
            yield from ("--subscription", subscription)
        for group in self.management_groups:
            yield from ("--management-group", group)

    def from_file(self) -> Given:
        """Put the settings together with those of the file, if there is one.

        Raises UsageProblem if the file can't be read, Stopped at a Ctrl-C while it is waited for.
        """
        if self.settings_file is None:
            return self.given({}, "")
        if self.function is not None:
            raise UsageProblem("--settings and --function are two sources: give one.")
        try:
            with self.settings_file.open("rb") as file:
                found = read_app_settings(file.read(LARGEST + 1))
        except KeyboardInterrupt:
            raise Stopped from None
        except (OSError, ValueError) as error:
            raise UsageProblem(f"{self.settings_file} can't be used: {error}") from error
        return self.given(found, str(self.settings_file))


def read_given(given: Given, mode: str = "") -> Settings:
    """Read settings as the timer does.

    Without a mode it is that of the settings, `enforce` if they have none: who types `sweep` is
    asked first. Raises SettingsError.
    """
    chosen = mode or given.values.get("SWEEP_MODE", "").strip() or "enforce"
    return read_settings({**given.values, "SWEEP_MODE": chosen}, OPERATOR_SETTINGS)


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


type Command = Callable[[Parts, Given], Awaitable[int]]


def run(options: Options, screen: Screen, mode: str, command: Command, clock: Clock) -> int:
    """Run one command to its exit code. What goes wrong is one message, and no traceback."""
    # azure-identity logs what the one message says better.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    logging.getLogger("azure").propagate = False
    try:
        # Before there is a loop: a file may be a pipe that somebody has yet to write to.
        given = options.from_file()
        return asyncio.run(_run(options, given, screen, mode, command, clock))
    except SettingsError as error:
        lines = "".join(f"\n  {problem}" for problem in error.problems)
        screen.problem(f"These settings are wrong; nothing was read or changed:{lines}")
        return USAGE
    except (Stopped, asyncio.CancelledError):
        # A command that has begun to change something hears of it first, and says how far it is.
        screen.problem("Stopped. Nothing was changed.")
        return STOPPED
    except UsageProblem as error:
        screen.problem(str(error))
        return USAGE
    except KeysweepError as error:
        screen.problem(told(error))
        return NOT_WHOLE
    except KeyboardInterrupt:
        screen.problem("Stopped, after something was begun: run `keysweep scan` to see how it is.")
        return NOT_WHOLE


async def _run(
    options: Options, given: Given, screen: Screen, mode: str, command: Command, clock: Clock
) -> int:
    connections = Connections(options.environ, clock)
    narrator = _Narrator(screen, options.verbose)
    _hear_cancelling()

    async def signed_in(given: Given) -> Parts:
        settings = read_given(given, mode)
        _name_address(screen, given, settings)
        parts = connections.parts(settings, narrator)
        await _sign_in(parts)
        return parts

    try:
        parts = await signed_in(given)
        if options.function is not None:
            given = await _of_function(options, parts)
            parts = await signed_in(given)
        return await command(parts, given)
    finally:
        await connections.close()


def _name_address(screen: Screen, given: Given, settings: Settings) -> None:
    """Say where a person's token goes, if a file says so: it may be somebody else's."""
    source = given.sources.get("ARM_ENDPOINT")
    if source not in {None, "the environment"}:
        screen.say(f"Azure Resource Manager is {settings.cloud.endpoint}: {source} says so.")


async def _of_function(options: Options, parts: Parts) -> Given:
    """Put the settings together with those of a deployed Function App. Raises AzureError."""
    resource_id = str(options.function).rstrip("/")
    if _SITE.fullmatch(resource_id) is None:
        raise UsageProblem(
            f"{resource_id!r} is not the resource id of a Function App: it looks like "
            "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Web/sites/NAME."
        )
    found = await Operator(parts).app_settings(resource_id)
    try:
        return options.given(check_app_settings(found), resource_id.rpartition("/")[2])
    except ValueError as error:
        raise UsageProblem(f"The settings of {resource_id} can't be used: {error}") from error


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
    "Microsoft.Web/sites/config/": "Website Contributor",
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
    """Let the first Ctrl-C stop what is not begun, and the second break off.

    A terminal that is closed, and whoever ends the process, are taken like a Ctrl-C. It is for the
    part of a command that changes something; outside of it the first Ctrl-C ends the command.
    """

    def interrupt() -> None:
        if stop.is_set():
            running.cancel()
            return
        stop.set()
        with contextlib.suppress(OSError):  # the terminal may be gone
            screen.say("Stopping: what is in flight is finished. Ctrl-C again breaks off.")

    _hear(interrupt)
    try:
        yield
    finally:
        # What is left is to say what was done: a Ctrl-C may not turn that into "nothing".
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)


def _hear_cancelling() -> None:
    """Let a Ctrl-C end the command at once, as long as nothing is under way."""
    task = asyncio.current_task()
    if task is not None:
        _hear(task.cancel)


def _hear(act: Callable[[], object]) -> None:
    """Let Ctrl-C, a terminal that is closed, and whoever ends the process be one and the same."""
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        # Windows has no such handlers: there Ctrl-C breaks off at once.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, act)


@asynccontextmanager
async def unless_stopped(stop: asyncio.Event) -> AsyncIterator[None]:
    """End whatever the body waits for as soon as a person says stop. Raises Stopped then."""
    if stop.is_set():
        raise Stopped
    wait = asyncio.timeout(None)
    try:
        async with wait:
            watch = asyncio.ensure_future(_end(wait, stop))
            try:
                yield
            finally:
                watch.cancel()
    except TimeoutError:
        if not wait.expired():
            raise
        raise Stopped from None


async def _end(wait: asyncio.Timeout, stop: asyncio.Event) -> None:
    await stop.wait()
    with contextlib.suppress(RuntimeError):  # the body ended just now
        wait.reschedule(asyncio.get_running_loop().time())


class NotSignedIn(NoToken):
    """There is no sign-in that gives a token."""

    def __init__(self, error: AzureError) -> None:
        super().__init__(error.action, error.resource, code=error.code, message=error.message)

    def __str__(self) -> str:
        return (
            "You are not signed in to Azure: run `az login` and try again (in a pipeline: workload "
            f"identity). Azure's client says: {f'{self.code}: ' if self.code else ''}{self.message}"
        )
