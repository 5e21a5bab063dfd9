"""`keysweep doctor`: what stands in the way, looked at before it does. Reads alone."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

from rich.table import Table
from rich.text import Text

from keysweep.advice import NotSignedIn, OtherTenant, UsageProblem
from keysweep.border.logs import Logs
from keysweep.configuration import Configuration, Options
from keysweep.doctor import opening
from keysweep.doctor.finding import Check, Finding, State, document, exit_code, with_all_checks
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
    """Look at everything, and show what was found. Returns the exit code of the worst."""

    def work() -> int:
        try:
            if insights is not None:
                event_table(insights)
            configuration = options.read()
        except ValueError as error:
            raise UsageProblem(str(error)) from error
        except UsageProblem as error:
            return present(screen, output, [opening.settings_unreadable(error)])
        found = asyncio.run(_found(options, configuration, screen, insights, clock))
        return present(screen, output, found)

    return guarded(screen, work)


async def _found(
    options: Options,
    configuration: Configuration,
    screen: Screen,
    insights: str | None,
    clock: Clock,
) -> list[Finding]:
    """Sign in and look. What is wrong with the sign-in or the settings is a finding as well."""
    found: list[Finding] = []

    async def look(session: Session) -> int:
        with screen.spinner() as progress:
            progress.add_task("Looking")
            looking = Looking(session, Logs(session.parts), options.function, insights)
            found.extend(await looking.findings())
        return FINE

    try:
        await signed_in(options, configuration, screen, "", look, clock)
    except SettingsError as error:
        if options.function is None:
            return [opening.settings_wrong(error)]
        return await _without_function(options, error, screen, insights, clock)
    except (NotSignedIn, OtherTenant) as error:
        return [opening.settings(configuration), opening.not_signed_in(error)]
    except (UsageProblem, AzureError) as error:
        if options.function is None:
            return [_stopped(error)]
        return await _without_function(options, error, screen, insights, clock)
    return found


def _stopped(error: UsageProblem | AzureError) -> Finding:
    if isinstance(error, UsageProblem):
        return opening.settings_unreadable(error)
    return opening.not_signed_in(error)


async def _without_function(
    options: Options,
    error: SettingsError | UsageProblem | AzureError,
    screen: Screen,
    insights: str | None,
    clock: Clock,
) -> list[Finding]:
    """Look by the settings of the line alone, where the Function's can't be used."""
    options = replace(options, function=None)
    found = await _found(options, options.read(), screen, insights, clock)
    if not any(finding.check is Check.SUBSCRIPTIONS for finding in found):
        # It was not the Function: the line's own settings or the sign-in are wrong.
        return found
    instead = opening.functions_settings(error)
    return [finding for finding in found if finding.check is not instead.check] + [instead]


def present(screen: Screen, output: str, findings: Sequence[Finding]) -> int:
    """Show findings in one of their forms. Returns the exit code of the worst."""
    found = with_all_checks(findings)
    if output == "json":
        screen.raw(json.dumps(document(found), indent=2))
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
    rest = [finding for finding in findings if finding not in reached]
    if rest:
        text = shown(rest[0].says).append("\n")
        text.append(shown(", ".join(finding.check for finding in rest), "dim"))
        _add_row(screen, drawn, State.NOT_REACHED, counted(len(rest), "check"), text)
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
