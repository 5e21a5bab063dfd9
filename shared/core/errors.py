"""Everything that goes wrong, as one tree.

::

    KeysweepError
    ├── SettingsError            settings are wrong; nothing was read from Azure
    ├── AzureError               Azure did not do what was asked of it
    │   ├── Refused              definitely: nothing was changed
    │   │   ├── NotFound             it is not there (any more)
    │   │   ├── NoRole               the identity may not do it
    │   │   ├── NoToken              the identity got no token: nothing was sent
    │   │   ├── WrongTenant          the identity is signed in to another tenant
    │   │   ├── Elsewhere            a link leads away from Azure: nothing was sent
    │   │   ├── PolicyDenied         an Azure Policy forbids it
    │   │   ├── Locked               a lock forbids it
    │   │   ├── Busy                 another operation is running on it
    │   │   ├── Throttled            too many requests
    │   │   │   ├── OutOfTime            a wait that outlasts the sweep's budget
    │   │   │   └── Outlasted            an answer that takes longer than its share of the time
    │   │   ├── Stopped              a person stopped the sweep before this was begun
    │   │   ├── OutsideRings         no ring in force has it: nothing was sent
    │   │   └── Stale                a decision grew old before its PATCH left: nothing was sent
    │   └── Unclear              perhaps: it may have been done all the same
    │       └── Unfinished           it was accepted, and nobody saw how it ended
    ├── SweepNotWhole            the sweep ran, and somebody must look
    └── TelemetryLost            what was learned did not all reach Application Insights

Errors of the SDKs are wrapped at the border and kept as `__cause__`. Each error says what happened,
to which resource, and what to do next. Retrying is never this tree's business: the next tick is the
retry, and `Refused` or `Unclear` says whether a write can have happened.
"""

import math
from collections.abc import Sequence


class KeysweepError(Exception):
    """The root; never raised itself."""


class SettingsError(KeysweepError):
    """One or more settings are wrong. Names each, with its value and what is allowed."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
        super().__init__(
            f"{count} wrong; nothing was read or changed. Mend the app settings and the next tick "
            "runs: " + "; ".join(problems)
        )


class AzureError(KeysweepError):
    """Azure did not do what was asked.

    Carries Azure's own code and message where Azure answered, with a status or as the error of an
    operation. Where it did not, the message is ours, and a code is that of its client.
    """

    advice = "Look the code up in Azure's documentation."

    def __init__(
        self,
        action: str,
        resource: str,
        *,
        message: str,
        code: str = "",
        status: int | None = None,
        is_azures: bool | None = None,
    ) -> None:
        """Say what went wrong. `is_azures`: whose words these are, if the status can't tell."""
        self.action = action
        self.resource = resource
        self.code = code
        self.message = message
        self.status = status
        self.is_azures = status is not None if is_azures is None else is_azures
        answered = f"{status} {code}" if status is not None else code
        said = f"{answered}: {message}" if answered else message
        super().__init__(f"{action} {resource}: {said} {self.advice}")

    @property
    def azure_code(self) -> str:
        """Azure's own code; empty if Azure gave none."""
        return self.code if self.is_azures else ""

    @property
    def azure_message(self) -> str:
        """Azure's own message; empty if Azure gave none."""
        return self.message if self.is_azures else ""

    @property
    def own_words(self) -> str:
        """What we say of it where Azure gave no answer; empty if it gave one."""
        if self.is_azures:
            return ""
        return self.message if self.message.endswith((".", "!", "?")) else f"{self.message}."

    @property
    def detail(self) -> str:
        """What reports say of it beside Azure's code and message."""
        return f"{self.own_words} {self.advice}".strip()


class Refused(AzureError):
    """Azure said no: what was asked for has not happened."""


class NotFound(Refused):
    """The resource is not there."""

    advice = "It was deleted or moved; the next sweep looks again."


class NoRole(Refused):
    """The identity may not do it, or its token was not taken."""

    advice = (
        "Give Keysweep's identity its role at this scope, look for a deny assignment, and allow a "
        "few minutes for a new assignment to arrive."
    )


class NoToken(Refused):
    """The identity got no token, so nothing was sent."""

    advice = (
        "Look whether the function app has its identity, and AZURE_CLIENT_ID names it; the next "
        "tick asks again."
    )


class WrongTenant(Refused):
    """The identity's token is of another tenant than the resource."""

    advice = (
        "This is no missing role: sign in to the tenant of that subscription, or leave the "
        "subscription out of the scope."
    )


class Elsewhere(Refused):
    """An address, mostly a link in an answer, is not Azure Resource Manager's: nothing was sent."""

    advice = "A token is sent to Azure Resource Manager alone. If this goes on, ask who answers."

    def __init__(self, address: str) -> None:
        message = "A link leads there, and it is not Azure Resource Manager."
        super().__init__("Following", address, message=message)


class PolicyDenied(Refused):
    """An Azure Policy forbids the change."""

    advice = "Exempt Keysweep's change in that policy assignment, or exempt the account by its tag."


class Locked(Refused):
    """A lock forbids the change."""

    advice = (
        "Ask the owner of the lock to lift it. While a ReadOnly lock holds, its tags can't be "
        "changed either."
    )


class Busy(Refused):
    """Another operation is running on the resource."""

    advice = "The next sweep tries again."


class Throttled(Refused):
    """Azure refuses because of too many requests."""

    advice = "The next sweep tries again."


class OutOfTime(Throttled):
    """Waiting would outlast the sweep's time budget."""

    def __init__(self, wait: float, left: float) -> None:
        message = (
            f"The wait is {math.ceil(wait)} s, and {math.floor(left)} s are left of the time "
            "budget."
            if wait > 0
            else "The time budget has ended."
        )
        super().__init__("Waiting for", "Azure", message=message)


class Outlasted(Throttled):
    """An answer, mostly a list of many pages, takes longer than its share of the sweep's time."""

    def __init__(self, message: str) -> None:
        super().__init__("Waiting for", "Azure", message=message)

    def __str__(self) -> str:
        return self.message


class Stopped(Refused):
    """A person stopped the sweep before this was begun: nothing was sent."""

    advice = ""

    def __init__(self) -> None:
        message = "You stopped the sweep before its turn."
        super().__init__("Changing", "the account", message=message)

    def __str__(self) -> str:
        return self.message


class OutsideRings(Refused):
    """An account is in no ring that is in force, and a writer was handed it: nothing was sent."""

    advice = "This is a mistake of Keysweep's own: please report it."

    def __init__(self, resource: str, why: str) -> None:
        super().__init__("Turning local auth off for", resource, message=why)


class Stale(Refused):
    """A PATCH was stopped as the last step before it left: its decision was no longer fresh."""

    advice = "The account is read and decided on again."

    def __init__(self, why: str) -> None:
        super().__init__("Turning local auth off for", "the account", message=why)


class Unclear(AzureError):
    """Azure gave no definite answer: what was asked for may have happened."""

    advice = "The read-back or the next sweep shows which."


class Unfinished(Unclear):
    """Azure accepted a change, and its operation could not be followed to a good end."""


class SweepNotWhole(KeysweepError):
    """A sweep ran to its end and is not whole; all that it learned is in its telemetry."""

    def __init__(self, sweep_id: str, reasons: Sequence[str]) -> None:
        self.sweep_id = sweep_id
        self.reasons = tuple(reasons)
        super().__init__(f"Sweep {sweep_id} is not whole: " + "; ".join(reasons))


class TelemetryLost(KeysweepError):
    """Application Insights did not acknowledge all that was sent to it."""

    def __init__(self, emitted: int, acknowledged: int, problem: str) -> None:
        self.emitted = emitted
        self.acknowledged = acknowledged
        super().__init__(
            f"Application Insights acknowledged {acknowledged} of {emitted} events "
            f"({problem or 'no answer in time'}). What the sweep did, it did; its report is "
            "incomplete. Check the connection string, the identity's role Monitoring Metrics "
            "Publisher, and the daily cap of the workspace."
        )
