"""`keysweep doctor`: what stands in the way, looked at before it does. Reads alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.table import Table
from rich.text import Text

from keysweep.advice import NotSignedIn, OtherTenant, UsageProblem
from keysweep.border.logs import Logs
from keysweep.configuration import Configuration, Options
from keysweep.doctor import opening
from keysweep.doctor.finding import (
    Check,
    Finding,
    State,
    as_json,
    exit_code,
    not_reached,
    with_all_checks,
)
from keysweep.doctor.looking import Looking
from keysweep.exit_codes import FINE
from keysweep.screen import Screen, grid, shown
from keysweep.session import Session, guarded, signed_in
from keysweep.taken import event_table
from keysweep.words import counted
from shared.core.errors import AzureError, SettingsError
from shared.core.model import Clock

_STYLES = {
    State.OK: "green",
    State.NOTE: "dim",
    State.WARNING: "yellow",
    State.NOT_SEEN: "bold red",
    State.NOT_REACHED: "dim",
    State.FAILED: "bold red",
    State.WRONG: "bold red",
}


def doctor(
    options: Options, screen: Screen, output: str, insights: str | None, clock: Clock
) -> int:
    """Look at everything, and show what was found. Returns the exit code of the worst.

    `insights` names the Function's Application Insights, or the workspace of that.
    """

    def work() -> int:
        try:
            if insights is not None:
                event_table(insights)
            configuration = options.read()
        except ValueError as error:
            raise UsageProblem(str(error)) from error
        except UsageProblem as error:
            return present(screen, output, [opening.settings_unreadable(error)])
        examination = _Examination(options, screen, insights, clock)
        return present(screen, output, asyncio.run(examination.findings(configuration)))

    return guarded(screen, work)


@dataclass(frozen=True, slots=True)
class _Examination:
    """Signs in and looks. What is wrong with the sign-in or the settings is a finding as well."""

    options: Options
    screen: Screen
    insights: str | None
    clock: Clock

    async def findings(self, configuration: Configuration) -> list[Finding]:
        """Look by these settings, and those of the Function if the options name one."""
        options, found = self.options, list[Finding]()

        async def look(session: Session) -> int:
            with self.screen.spinner() as progress:
                progress.add_task("Looking")
                logs = Logs(session.parts)
                looking = Looking(session, logs, options.function, self.insights)
                found.extend(await looking.findings())
            return FINE

        try:
            await signed_in(options, configuration, self.screen, "", look, self.clock)
        except (NotSignedIn, OtherTenant) as error:
            return [opening.settings(configuration), opening.not_signed_in(error)]
        except (SettingsError, UsageProblem, AzureError) as error:
            if options.function is None:
                return [opening.stopped(error)]
            return await self._without_function(error)
        return found

    async def _without_function(
        self, error: SettingsError | UsageProblem | AzureError
    ) -> list[Finding]:
        """Look by the settings of the line alone, where the Function's can't be used."""
        alone = replace(self, options=replace(self.options, function=None))
        found = await alone.findings(alone.options.read())
        if not any(finding.check is Check.SUBSCRIPTIONS for finding in found):
            # It was not the Function: the line's own settings or the sign-in are wrong.
            return found
        instead = [opening.functions_settings(error)]
        if self.insights is None:
            of_the_function = (Check.TELEMETRY, Check.LAST_SWEEP)
            instead += [not_reached(check, Check.SETTINGS) for check in of_the_function]
        replaced = {finding.check for finding in instead}
        return [*instead, *(finding for finding in found if finding.check not in replaced)]


def present(screen: Screen, output: str, findings: Sequence[Finding]) -> int:
    """Show findings in one of their forms. Returns the exit code of the worst."""
    found = with_all_checks(findings)
    if output == "json":
        screen.raw(as_json(found))
    else:
        screen.show(_table(screen, found), "", _summary(found))
    return exit_code(found)


def _table(screen: Screen, findings: Sequence[Finding]) -> Table:
    """Draw a line for each check, and one for all that nobody got to."""
    drawn = grid("", "", "") if screen.wide else grid("", "")
    reached = [finding for finding in findings if finding.state is not State.NOT_REACHED]
    for finding in reached:
        text = shown(finding.says)
        for detail in finding.details:
            text.append("\n").append(shown(detail, "dim"))
        if finding.remedy:
            text.append("\nTo do: ", "cyan").append(shown(finding.remedy))
        _add_row(screen, drawn, finding.state, finding.check, text)
    unreached = [finding for finding in findings if finding.state is State.NOT_REACHED]
    for says in dict.fromkeys(finding.says for finding in unreached):
        names = [str(finding.check) for finding in unreached if finding.says == says]
        text = shown(says).append("\n").append(shown(", ".join(names), "dim"))
        _add_row(screen, drawn, State.NOT_REACHED, counted(len(names), "check"), text)
    return drawn


def _add_row(screen: Screen, drawn: Table, state: State, name: str, text: Text) -> None:
    """Add a line: what was looked at stands beside what was found, or above it."""
    cells = [shown(name, "bold"), text]
    if not screen.wide:
        cells = [shown(name, "bold").append("\n").append(text)]
    drawn.add_row(shown(state, _STYLES[state]), *cells)


def _summary(findings: Sequence[Finding]) -> str:
    """Count what is not well; a note hinders nobody."""
    bad = [finding.state for finding in findings if finding.state.exit_code]
    if not bad:
        return "Nothing stands in the way."
    counts = [
        counted(bad.count(state), state)
        if state is State.WARNING
        else f"{bad.count(state)} {state}"
        for state in State
        if state in bad
    ]
    return f"To look at: {', '.join(counts)}."
