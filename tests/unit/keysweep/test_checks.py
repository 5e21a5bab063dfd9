"""What the gateway's answers prove, and what they leave open."""

import pytest

from keysweep.checks import (
    Mark,
    Meaning,
    Reply,
    bogus_key,
    meaning,
    no_key,
    real_key,
    token,
)
from shared.core.errors import AzureError, NoRole, Refused, Unclear
from tests.support.builders import an_account

TAKEN = Reply(200, "", "")
KEYS_OFF = Reply(403, "AuthenticationTypeDisabled", "Key based authentication is disabled.")
UNKNOWN = Reply(401, "401", "Access denied due to invalid subscription key.")
NO_ANSWER = Unclear("Asking", "it", message="No answer within 30 s.")
NO_ROLE = NoRole("Listing", "it", message="No.")
NO_LIST = Refused("Listing", "it", message="disableLocalAuth is set to be true")


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        (TAKEN, Meaning.TAKEN),
        (KEYS_OFF, Meaning.KEYS_OFF),
        (UNKNOWN, Meaning.NOT_KNOWN),
        (Reply(429, "429", "Rate limit is exceeded."), Meaning.TAKEN),
        (Reply(400, "unsupported_parameter", "'max_tokens' is not"), Meaning.TAKEN),
        (
            Reply(400, "OperationNotSupported", "chatCompletion does not work"),
            Meaning.TAKEN,
        ),
        (Reply(404, "DeploymentNotFound", "It does not exist."), Meaning.NO_DEPLOYMENT),
        (
            Reply(403, "403", "Access denied due to Virtual Network/Firewall"),
            Meaning.NETWORK,
        ),
        (Reply(400, "BadRequest", "Token tenant does not match"), Meaning.WRONG_TENANT),
        (
            Reply(400, "BadRequest", "Please provide a custom subdomain"),
            Meaning.NO_SUBDOMAIN,
        ),
        (Reply(404, "404", "Resource not found"), Meaning.UNCLEAR),
        (Reply(401, "PermissionDenied", "Principal does not have access"), Meaning.NO_ROLE),
        (Reply(502, "", ""), Meaning.UNCLEAR),
    ],
)
def test_an_answer_means(answer: Reply, means: Meaning) -> None:
    assert meaning(answer) is means


@pytest.mark.parametrize(
    ("answer", "keys_off", "mark", "says"),
    [
        (KEYS_OFF, True, Mark.GOOD, "403 AuthenticationTypeDisabled: Key based"),
        (TAKEN, True, Mark.BAD, "The key works"),
        (UNKNOWN, True, Mark.OPEN, "Can't tell: 401 is what a wrong or rotated key gets too"),
        (UNKNOWN, False, Mark.OPEN, "not a key of this account; its keys are on"),
        (Reply(502, "", "x"), True, Mark.OPEN, "unclear (502: x)"),
        (NO_ANSWER, True, Mark.OPEN, "No answer within 30 s."),
    ],
)
def test_a_real_key_that_is_refused_as_a_key_is_the_proof_and_nothing_else_is(
    answer: Reply | AzureError, mark: Mark, says: str, *, keys_off: bool
) -> None:
    check = real_key(answer, keys_off=keys_off)
    assert says in check.says
    assert check.mark is mark


@pytest.mark.parametrize(
    ("answer", "real", "mark", "says"),
    [
        (UNKNOWN, KEYS_OFF, Mark.GOOD, "a key that nobody knows is told apart from a real one"),
        (UNKNOWN, UNKNOWN, Mark.OPEN, "Can't tell: 401, as for the real key."),
        (KEYS_OFF, KEYS_OFF, Mark.OPEN, "as for the real key."),
        (KEYS_OFF, TAKEN, Mark.OPEN, "refused as keys are, and the real one is not"),
        (UNKNOWN, NO_LIST, Mark.OPEN, "it proves nothing without a real key's answer beside it"),
        (TAKEN, KEYS_OFF, Mark.BAD, "This is not an Azure OpenAI gateway"),
        (NO_ANSWER, KEYS_OFF, Mark.OPEN, "No answer"),
        (Reply(502, "", "x"), KEYS_OFF, Mark.OPEN, "unclear"),
    ],
)
def test_a_bogus_key_proves_something_only_beside_a_real_one(
    answer: Reply | AzureError, real: Reply | AzureError, mark: Mark, says: str
) -> None:
    check = bogus_key(answer, real)
    assert says in check.says
    assert check.mark is mark


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NO_LIST, "Azure lists no keys"),
        (NoRole("Listing", "it", message="No."), "No key could be fetched"),
    ],
)
def test_that_no_key_is_to_be_had_proves_nothing(error: AzureError, says: str) -> None:
    check = no_key(error)
    assert says in check.says
    assert check.mark is Mark.OPEN


@pytest.mark.parametrize(
    ("answer", "mark", "says"),
    [
        (TAKEN, Mark.GOOD, "200: your own sign-in is let in."),
        (
            Reply(404, "DeploymentNotFound", ""),
            Mark.GOOD,
            "there is no deployment of this name",
        ),
        (
            Reply(401, "PermissionDenied", "No."),
            Mark.BAD,
            "Cognitive Services OpenAI User on bot",
        ),
        (Reply(400, "", "custom subdomain"), Mark.BAD, "--custom-domain"),
        (UNKNOWN, Mark.BAD, "401: Access denied"),
        (Reply(403, "", "Firewall"), Mark.OPEN, "a network rule keeps you out"),
        (NO_ANSWER, Mark.OPEN, "No answer"),
    ],
)
def test_a_token_that_is_let_in_is_the_proof(
    answer: Reply | AzureError, mark: Mark, says: str
) -> None:
    check = token(answer, an_account().id, "OpenAI")
    assert says in check.says
    assert check.mark is mark


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        ("OpenAI", "role Cognitive Services OpenAI User on"),
        ("openai", "role Cognitive Services OpenAI User on"),
        ("AIServices", "role Cognitive Services User on"),
        ("SpeechServices", "role Cognitive Services User on"),
    ],
)
def test_the_role_that_is_missing_is_that_of_the_kind_of_account(kind: str, role: str) -> None:
    refused = Reply(401, "PermissionDenied", "No.")
    assert role in token(refused, an_account().id, kind).says
