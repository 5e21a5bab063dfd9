"""What a person reads of an error: advice for them, in the place of the Function's."""

import pytest

from keysweep.advice import for_person
from shared.core.errors import AzureError, NoRole, NotFound, Unclear

ERRORS = {
    AzureError("Listing", "x", code="ServiceRequestTimeoutError", message="No."): (
        "Azure was not reached: look at the network"
    ),
    NoRole("Listing", "x", message="Microsoft.Resources/tags/write is missing."): (
        "You need a role that allows this there, such as Tag Contributor;"
    ),
    NotFound("Reading", "x", message="It is not there."): "It was deleted or moved.",
    Unclear("Reading", "x", message="It failed."): "Run the command again to see.",
}


@pytest.mark.parametrize(("error", "says"), ERRORS.items())
def test_advice_is_for_the_person(error: AzureError, says: str) -> None:
    assert says in for_person(error)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("words", ["Keysweep's identity", "next sweep", "read-back"])
def test_nothing_is_said_of_the_function(error: AzureError, words: str) -> None:
    assert words not in for_person(error)
