"""The settings of a command as text: of the line, the environment, a file or a Function App."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from keysweep.advice import UsageProblem
from keysweep.places import NO_SUBSCRIPTION, Typed, is_guid
from keysweep.settings_file import LARGEST, read_app_settings
from keysweep.words import why_not_opened
from shared.core.errors import SettingsError, Stopped
from shared.core.settings import OPERATOR_SETTINGS, Mode, Settings, read_settings

_LINE = "the line"
_TENANT = "AZURE_TENANT_ID"
# The options that name a scope, and the settings that they stand for.
_SCOPES = {
    "--subscription": "SWEEP_SUBSCRIPTIONS",
    "--management-group": "SWEEP_MANAGEMENT_GROUPS",
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings that count for a command, as text, and where each comes from."""

    values: Mapping[str, str]
    sources: Mapping[str, str]
    """By the name of a setting: `the line`, `the environment`, the file's name, and so on."""
    options: tuple[str, ...] = ()
    """The options that say where settings and scope come from, for a command that follows."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What the person typed for the ids of the scope, by id."""

    def settings(self, mode: str = "") -> Settings:
        """Read settings as the timer does. Raises SettingsError, which says where each comes from.

        Without a mode it is that of the settings, `enforce` if they have none: who types `sweep` is
        asked first. One that the settings have is judged even where a command has its own.
        """
        written = self.values.get("SWEEP_MODE", "").strip()
        settings = self._read(written or mode or Mode.ENFORCE)
        if mode and settings.mode != mode:
            settings = self._read(mode)
        is_part = _LINE in {self.sources.get(name) for name in _SCOPES.values()}
        return replace(settings, scope=replace(settings.scope, is_part=is_part))

    def _read(self, mode: str) -> Settings:
        try:
            return read_settings({**self.values, "SWEEP_MODE": mode}, OPERATOR_SETTINGS)
        except SettingsError as error:
            raise SettingsError([self._with_source(problem) for problem in error.problems]) from (
                error
            )

    def _with_source(self, problem: str) -> str:
        """Say of a problem with a setting where that comes from, if anybody gave it."""
        name = problem.partition(" ")[0]
        source = self.sources.get(name)
        named = " is '" in problem and next((op for op, of in _SCOPES.items() if of == name), "")
        hint = f"; {named} takes names too" if named else ""
        return f"{problem}{hint}" if source is None else f"{problem}{hint} (from {source})"

    def within(self, typed: Typed, found: Typed) -> "Configuration":
        """Return the same with the scope of the line as the ids that were found for it."""
        names = zip(
            (*found.subscriptions, *found.management_groups),
            (*typed.subscriptions, *typed.management_groups),
            strict=True,
        )
        return replace(self._within(found), names=dict(names))

    def for_looking_up(self) -> "Configuration":
        """Return the same for a session that does no more than look the scope's names up."""
        return self._within(Typed((NO_SUBSCRIPTION,)))

    def _within(self, scope: Typed) -> "Configuration":
        values = {
            _SCOPES["--subscription"]: ",".join(scope.subscriptions),
            _SCOPES["--management-group"]: ",".join(scope.management_groups),
        }
        return replace(self, values={**self.values, **values})


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
    quiet: bool = False
    tenant: str | None = None
    """The tenant in which a person means to act; None: whichever they are signed in to."""

    @property
    def typed(self) -> Typed:
        """The scope of the line, as it was typed."""
        return Typed.read(self.subscriptions, self.management_groups)

    @property
    def _scopes(self) -> Mapping[str, Sequence[str]]:
        return {
            "--subscription": self.subscriptions,
            "--management-group": self.management_groups,
        }

    def over(self, app_settings: Mapping[str, str], source: str) -> Configuration:
        """Put the settings together: app settings, over them the environment, over it the line.

        An empty variable is taken as absent, here as everywhere: it hides nothing. Raises
        UsageProblem for an empty scope on the line, which would widen it to everything.
        """
        values, sources = dict(app_settings), dict.fromkeys(app_settings, source)
        for name, value in self.environ.items():
            if value.strip():
                values[name], sources[name] = value, "the environment"
        if self.subscriptions and self.management_groups:
            raise UsageProblem(
                "--subscription and --management-group exclude each other: give one."
            )
        if self.tenant is not None:
            if not is_guid(self.tenant):
                raise UsageProblem(
                    f"--tenant {self.tenant!r} is no tenant's id. `az account show --query "
                    "tenantId` prints that of your sign-in."
                )
            values[_TENANT], sources[_TENANT] = self.tenant.strip().lower(), "--tenant"
        for option, ids in self._scopes.items():
            if not all(scope.strip() for scope in ids):
                raise UsageProblem(f"{option} is empty: it would mean everything. Give one.")
            if self.subscriptions or self.management_groups:
                name = _SCOPES[option]
                values[name], sources[name] = ",".join(ids), _LINE
        return Configuration(values, sources, tuple(self._repeated()))

    def _repeated(self) -> Iterator[str]:
        if self.settings_file is not None:
            yield from ("--settings", str(self.settings_file.resolve()))
        if self.function is not None:
            yield from ("--function", self.function)
        if self.tenant is not None:
            yield from ("--tenant", self.tenant)
        for option, places in self._scopes.items():
            for place in places:
                yield from (option, place)

    def read(self) -> Configuration:
        """Put the settings together with those of the file, if there is one.

        Raises UsageProblem if the file can't be read, Stopped at a Ctrl-C while it is waited for.
        """
        if self.settings_file is None:
            return self.over({}, "")
        if self.function is not None:
            raise UsageProblem("--settings and --function are two sources: give one.")
        try:
            with self.settings_file.open("rb") as file:
                found = read_app_settings(file.read(LARGEST + 1))
        except KeyboardInterrupt:
            raise Stopped from None
        except (OSError, ValueError) as error:
            why = f"{why_not_opened(error)}." if isinstance(error, OSError) else error
            raise UsageProblem(f"{self.settings_file} can't be used: {why}") from error
        return self.over(found, str(self.settings_file))
