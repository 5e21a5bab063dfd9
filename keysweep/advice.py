"""Errors as a person is told them: a missing role is theirs, not the Function's. Pure."""

from shared.core.errors import (
    AzureError,
    KeysweepError,
    NoRole,
    NotFound,
    NoToken,
    Throttled,
    Unclear,
)
from shared.core.model import Gap

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
_YOURS = {
    NotFound.advice: "It is not there: deleted, moved or misspelt.",
    NoToken.advice: "Run `az login` and try again.",
    Throttled.advice: "Try again in a few minutes.",
    Unclear.advice: "Look again in a few minutes.",
}


class UsageProblem(KeysweepError):
    """What was asked for makes no sense; nothing was changed."""


class OtherTenant(UsageProblem):
    """Who asks is signed in to another tenant than the one that was named."""


class NotSignedIn(NoToken):
    """There is no sign-in that gives a token."""

    def __init__(self, error: AzureError) -> None:
        super().__init__(error.action, error.resource, code=error.code, message=error.message)

    def __str__(self) -> str:
        return (
            "You are not signed in to Azure: run `az login` and try again (in a pipeline: workload "
            f"identity). Azure's client says: {f'{self.code}: ' if self.code else ''}{self.message}"
        )


def data_role(kind: str) -> str:
    """Return the role with which an account of this kind is used without a key.

    The data actions of *Cognitive Services OpenAI User* are below `accounts/OpenAI/` alone, and a
    Foundry account serves more (azure-docs, role-based-access-control/built-in-roles).
    """
    if kind.lower() == "openai":
        return "Cognitive Services OpenAI User"
    return "Cognitive Services User"


def for_person(error: KeysweepError | str) -> str:
    """Return the text of an error, with advice for a person in the place of the Function's."""
    text = str(error)
    if "ServiceRequest" in text:
        text = text.replace(AzureError.advice, _NOT_REACHED)
    for advice, yours in _YOURS.items():
        text = text.replace(advice, yours)
    role = next((role for action, role in _ROLES.items() if action in text), "Reader")
    wanted = f"You need a role that allows this there, such as {role}; a new one takes minutes."
    return text.replace(NoRole.advice, wanted).replace("the identity", "you")


def gap_in_words(gap: Gap) -> str:
    """Say of a gap what could not be read, and why."""
    return f"{gap.kind} {gap.name}: {for_person(gap.problem)}"
