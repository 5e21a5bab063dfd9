"""Who is signed in where, and by which settings everything else goes. Pure."""

from collections.abc import Sequence
from typing import assert_never

from keysweep.advice import NotSignedIn, OtherTenant, UsageProblem, for_person
from keysweep.configuration import Configuration
from keysweep.doctor.finding import Check, Finding, State
from keysweep.words import counted, in_tenant
from shared.core.errors import AzureError, NotFound, SettingsError
from shared.core.settings import SETTINGS

# It is no secret, but whoever has it can send telemetry where keys are accepted for that.
_NOT_SHOWN = "APPLICATIONINSIGHTS_CONNECTION_STRING"
_FROM_FUNCTION = "--function RESOURCE-ID reads those of the deployed Function."
_LIST = "`az functionapp list --query [].id` prints the ids that you can see."


def signed_in(names: Sequence[str], tenant: str) -> Finding:
    """Say who is signed in, and in which tenant."""
    who = names[0] if names else "An identity that its token does not name"
    return Finding(Check.SIGN_IN, State.OK, f"{who}, {in_tenant(tenant)}.")


def not_signed_in(error: NotSignedIn | OtherTenant) -> Finding:
    """Say that nobody is signed in, or in another tenant than the settings name."""
    state = State.WRONG if isinstance(error, OtherTenant) else State.FAILED
    return Finding(Check.SIGN_IN, state, str(error))


def settings(configuration: Configuration) -> Finding:
    """Say which settings are given, and where each comes from; the rest are defaults."""
    given = [
        _given(setting.name, value, configuration.sources[setting.name])
        for setting in SETTINGS
        if (value := configuration.values.get(setting.name, "").strip())
    ]
    if not given:
        return Finding(Check.SETTINGS, State.OK, "All are defaults.", remedy=_FROM_FUNCTION)
    count = "1 is" if len(given) == 1 else f"{len(given)} are"
    says = f"{count} given; the rest are defaults."
    return Finding(Check.SETTINGS, State.OK, says, tuple(given))


def _given(name: str, value: str, source: str) -> str:
    shown = "is set" if name == _NOT_SHOWN else f"= {value}"
    return f"{name} {shown} ({source})"


def stopped(error: SettingsError | UsageProblem | AzureError) -> Finding:
    """Say why nobody came further than the settings and the sign-in."""
    match error:
        case SettingsError():
            says = f"{counted(len(error.problems), 'problem')}: no command runs with these."
            remedy = "Mend them where they stand."
            return Finding(Check.SETTINGS, State.WRONG, says, error.problems, remedy)
        case UsageProblem():
            return settings_unreadable(error)
        case AzureError():
            return Finding(Check.SIGN_IN, State.FAILED, for_person(error))
        case _ as never:
            assert_never(never)


def settings_unreadable(error: UsageProblem) -> Finding:
    """Say that a file, or what the line names, can't be used."""
    return Finding(Check.SETTINGS, State.WRONG, str(error))


def functions_settings(error: SettingsError | UsageProblem | AzureError) -> Finding:
    """Say that the settings of the deployed Function can't be used; the rest goes by others."""
    others = "What follows goes by the line's and the environment's instead."
    if isinstance(error, AzureError):
        says = f"Those of the Function could not be read. {others}"
        remedy = _LIST if isinstance(error, NotFound) else ""
        return Finding(Check.SETTINGS, State.NOT_SEEN, says, (for_person(error),), remedy)
    if isinstance(error, UsageProblem):
        return Finding(Check.SETTINGS, State.WRONG, f"{error} {others}", remedy=_LIST)
    says = f"Those of the Function are wrong: each of its sweeps fails. {others}"
    remedy = "Mend its app settings; the next tick takes them."
    return Finding(Check.SETTINGS, State.WRONG, says, error.problems, remedy)
