"""How every command runs: settings, parts, a sign-in, and one message for what goes wrong."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

from keysweep.advice import NotSignedIn, OtherTenant, UsageProblem, for_person
from keysweep.border.evidence import AzureSources
from keysweep.border.operator import Operator
from keysweep.configuration import Configuration, Options
from keysweep.exit_codes import NOT_WHOLE, STOPPED, USAGE
from keysweep.impact.sources import Sources
from keysweep.places import Place, Typed
from keysweep.screen import Screen
from keysweep.settings_file import check_app_settings
from keysweep.stopping import cancel_at_once
from shared.border.transport import RequestRecord
from shared.core.addresses import Address
from shared.core.change_log import ChangeLog
from shared.core.errors import AzureError, KeysweepError, SettingsError, Stopped
from shared.core.model import Answer, Clock, GroupsAbove
from shared.core.settings import Settings
from shared.workspace import Connections, Parts

_SITE = re.compile(
    r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.()-]+/providers/Microsoft\.Web/sites/[\w-]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with."""

    parts: Parts
    """Those that the Function is made of."""
    azure: Operator
    """What a person may do beside that."""
    screen: Screen
    configuration: Configuration

    @property
    def evidence(self) -> Sources:
        """What is read of who uses keys: it has nothing that writes."""
        return AzureSources(self.parts)

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.parts.settings

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.parts.clock

    @property
    def today(self) -> date:
        """The day, in UTC."""
        return self.clock.now().date()

    async def change_log(
        self, subscriptions: Iterable[str]
    ) -> tuple[Answer[tuple[str, GroupsAbove]], ChangeLog]:
        """Read the change log of subscriptions, as far as Resource Graph shows them at all.

        Returns what that shows of them, too: of others the log says nothing. Raises AzureError.
        """
        visible = await self.parts.graph.visible(sorted(subscriptions))
        shown = sorted(name for name, _ in visible.rows)
        log = await self.parts.changes().read(shown) if shown else ChangeLog({})
        return visible, log

    def going_by(self, settings: Settings) -> "Session":
        """Return a session with other settings, within the same time budget."""
        return replace(self, parts=replace(self.parts, settings=settings))

    def again(self) -> "Session":
        """Return a session whose time budget begins now, however long a person has thought."""
        parts = self.parts.again()
        return replace(self, parts=parts, azure=Operator(parts))


async def or_error[T](asking: Awaitable[T]) -> T | AzureError:
    """Return what Azure answers, or the error."""
    try:
        return await asking
    except AzureError as error:
        return error


type Command = Callable[[Session], Awaitable[int]]


def run(options: Options, screen: Screen, mode: str, command: Command, clock: Clock) -> int:
    """Run one command to its exit code. What goes wrong is one message, and no traceback."""

    def work() -> int:
        # Before there is a loop: a file may be a pipe that somebody has yet to write to.
        configuration = options.read()
        return asyncio.run(signed_in(options, configuration, screen, mode, command, clock))

    return guarded(screen, work)


def guarded(screen: Screen, work: Callable[[], int]) -> int:
    """Return the exit code of a command's work, or that of what ends it, said in one message."""
    # azure-identity logs what the one message says better.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    logging.getLogger("azure").propagate = False
    try:
        return work()
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
        screen.problem(for_person(error))
        return NOT_WHOLE
    except KeyboardInterrupt:
        screen.problem("Stopped, after something was begun: run `keysweep scan` to see how it is.")
        return NOT_WHOLE


async def signed_in(
    options: Options,
    configuration: Configuration,
    screen: Screen,
    mode: str,
    command: Command,
    clock: Clock,
) -> int:
    """Sign in, and run a command to its exit code.

    Raises SettingsError, NotSignedIn, UsageProblem, and what the command raises.
    """
    connections = Connections(options.environ, clock)
    narrator = _Narrator(screen, options.verbose)
    typed, announced = options.typed, set[str | None]()
    cancel_at_once()

    async def sign_in(configuration: Configuration) -> Session:
        settings = configuration.settings(mode)
        source = configuration.sources.get("ARM_ENDPOINT")
        if source not in {None, "the environment", *announced}:
            # A person's token goes there, and the file may be somebody else's.
            screen.keep(f"Azure Resource Manager is {settings.cloud.endpoint}: {source} says so.")
            announced.add(source)
        parts = connections.parts(settings, narrator)
        await _check_the_tenant(parts, configuration)
        return Session(parts, Operator(parts), screen, configuration)

    async def sign_in_within_what_was_typed(configuration: Configuration) -> Session:
        if not typed.needs_looking_up:
            return await sign_in(configuration)
        # All other settings are judged first.
        session = await sign_in(configuration.for_looking_up())
        found = await looked_up(session, typed)
        return await sign_in(configuration.within(typed, found))

    try:
        if options.function is None:
            return await command(await sign_in_within_what_was_typed(configuration))
        session = await sign_in(configuration.for_looking_up())
        configuration = await _of_function(options, options.function, session)
        return await command(await sign_in_within_what_was_typed(configuration))
    finally:
        await _closed(connections)


async def _closed(connections: Connections) -> None:
    """Close connections whole: the loop hears of a Ctrl-C at a question only after it."""
    closing = asyncio.ensure_future(connections.close())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await closing


async def looked_up(session: Session, typed: Typed) -> Typed:
    """Return what was typed as ids. Raises UsageProblem for what nothing is called, AzureError."""
    subscriptions: Sequence[Place] = ()
    if typed.needs_subscriptions:
        found = await session.parts.arm.subscriptions()
        subscriptions = [Place(subscription.id, subscription.name) for subscription in found]
    groups: Sequence[Place] | None = ()
    if typed.management_groups:
        groups = await _groups(session, typed)
    return Typed(typed.subscription_ids(subscriptions), typed.group_ids(groups))


async def _groups(session: Session, typed: Typed) -> Sequence[Place] | None:
    """Return the management groups; None: they can't be read, and ids are as they were typed."""
    try:
        return await session.azure.management_groups()
    except AzureError:
        if typed.can_be_group_ids:
            return None
        raise


async def _check_the_tenant(parts: Parts, configuration: Configuration) -> None:
    """Get a token before anything else, so that who is not signed in hears just that."""
    wanted = parts.settings.tenant_id
    try:
        tenant = await parts.arm.home_tenant()
    except AzureError as error:
        raise NotSignedIn(error) from error
    if wanted is None or tenant in {wanted, ""}:
        # Of a token that can't be read nobody knows whose it is: then what is in scope is of the
        # wanted tenant by Azure's own list of subscriptions, and all else is left alone.
        return
    source = configuration.sources.get("AZURE_TENANT_ID")
    if source == "--tenant":
        says, way_out = f"--tenant says {wanted}", "give the other one"
    else:
        says, way_out = f"AZURE_TENANT_ID is {wanted} (from {source})", "unset AZURE_TENANT_ID"
    raise OtherTenant(
        f"You are signed in to tenant {tenant}, and {says}. Run `az login --tenant {wanted}`, or "
        f"{way_out}."
    )


async def _of_function(options: Options, function: str, session: Session) -> Configuration:
    """Put the settings together with those of a deployed Function App. Raises AzureError."""
    resource_id = function.rstrip("/")
    if _SITE.fullmatch(resource_id) is None:
        raise UsageProblem(
            f"{resource_id!r} is not the resource id of a Function App: it looks like "
            "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Web/sites/NAME."
        )
    found = await session.azure.app_settings(resource_id)
    try:
        return options.over(check_app_settings(found), resource_id.rpartition("/")[2])
    except ValueError as error:
        raise UsageProblem(f"The settings of {resource_id} can't be used: {error}") from error


@dataclass(frozen=True, slots=True)
class _Narrator:
    """Says every request, if that is wanted: its method and path, never query, headers or body."""

    screen: Screen
    verbose: bool

    @contextmanager
    def request(self, method: str, address: Address) -> Iterator[RequestRecord]:
        """Open what notes the answer; it lasts as long as the attempt."""
        attempt, sent = RequestRecord(), time.monotonic()
        try:
            yield attempt
        finally:
            if self.verbose:
                took = (time.monotonic() - sent) * 1000
                self.screen.note(f"{method} {address} {attempt.outcome} {took:.0f} ms")
