"""What a person reads of an error: advice for them, in the place of the Function's."""

import pytest

from keysweep.advice import for_person
from shared.core.errors import AzureError, Busy, NoRole, NotFound, NoToken, Unclear

ERRORS = {
    AzureError("Listing", "x", code="ServiceRequestTimeoutError", message="No."): (
        "Azure was not reached: look at the network"
    ),
    NoRole("Listing", "x", message="Microsoft.Resources/tags/write is missing."): (
        "You need a role that allows this there, such as Tag Contributor;"
    ),
    NotFound("Reading", "x", message="It is not there."): "deleted, moved or misspelt.",
    NoToken("Reading", "x", message="It failed."): "Run `az login` and try again.",
    Busy("Tagging", "x", message="It is locked by another."): "Try again in a few minutes.",
    Unclear("Reading", "x", message="It failed."): "Look again in a few minutes.",
    Unclear("Reading", "x", code="ServiceRequestError", message="Server disconnected"): (
        "Look again in a few minutes."
    ),
}


@pytest.mark.parametrize(("error", "says"), ERRORS.items())
def test_advice_is_for_the_person(error: AzureError, says: str) -> None:
    assert says in for_person(error)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    "words", ["Keysweep's identity", "next sweep", "next tick", "read-back", "function app"]
)
def test_nothing_is_said_of_the_function(error: AzureError, words: str) -> None:
    assert words not in for_person(error)
