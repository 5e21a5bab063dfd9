"""How long the Functions host lets an invocation last, as the host reads it. Pure.

functionTimeout is a time span of .NET's (TimeSpan.Parse, invariant culture). A number alone is days
(`5`), two are hours and minutes (`00:05`), three are hours, minutes and seconds, unless the first
is too large for hours: `24:00:00` is 24 days. Minus one day (`-1`) is no time-out at all
(docs/facts.md, 10).
"""

import re
from datetime import timedelta

FUNCTION_TIMEOUT_SECONDS = 1500.0
"""functionTimeout in host.json, which a test compares with this."""
FUNCTION_TIMEOUT = "AzureFunctionsJobHost__functionTimeout"
"""The app setting by which the host overrides it: one of the host's, and none of ours."""
_UNLIMITED = timedelta(days=-1)
# The host takes no shorter one (azure-functions-host, ScriptJobHostOptionsSetup.cs).
_LEAST = timedelta(seconds=1)

_NUMBER = "0*[0-9]{1,8}"
_DAYS = rf"(?P<days>{_NUMBER})"
_CLOCK = rf"(?P<hours>{_NUMBER}):(?P<minutes>{_NUMBER})"
_SECONDS = rf"(?::(?P<seconds>{_NUMBER})(?:\.(?P<fraction>[0-9]{{1,7}}))?)?"
# In .NET's order: what overflows as one form is tried as the next.
_FORMS = tuple(
    re.compile(form) for form in (_DAYS, _CLOCK + _SECONDS, rf"{_DAYS}[.:]{_CLOCK}{_SECONDS}")
)
_MOST = {"days": 10_675_199, "hours": 23, "minutes": 59, "seconds": 59}


def is_function_timeout(name: str) -> bool:
    """Whether the host takes a name for its time-out: .NET's configuration ignores letter case."""
    return name.lower().replace(":", "__") == FUNCTION_TIMEOUT.lower()


def read_function_timeout(text: str) -> float:
    """Return the host's time-out in seconds. Raises ValueError if the host would not start."""
    timeout = read_time_span(text)
    if timeout == _UNLIMITED:
        return float("inf")
    if timeout < _LEAST:
        raise ValueError
    return timeout.total_seconds()


def read_time_span(text: str) -> timedelta:
    """Return the time span that the host would read.

    Raises ValueError if the host can read none.
    """
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    for form in _FORMS:
        match = form.fullmatch(digits)
        if match is None:
            continue
        parts = {name: value for name, value in match.groupdict().items() if value is not None}
        # .NET counts in tenths of a microsecond, Python in microseconds.
        micro = int(parts.pop("fraction", "").ljust(7, "0")) // 10
        numbers = {name: int(value) for name, value in parts.items()}
        if all(number <= _MOST[name] for name, number in numbers.items()):
            return sign * (timedelta(**numbers) + timedelta(microseconds=micro))
    raise ValueError("it is no time span that the host can read")
