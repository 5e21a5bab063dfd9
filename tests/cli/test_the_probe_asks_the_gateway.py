"""`keysweep probe`: three checks against the data plane, each with what it proves."""

import threading
from collections.abc import Callable

import pytest

from keysweep.border.gateway import Answer
from keysweep.probe import Meaning, meaning
from local_azure import LocalAzure, Tenant
from local_azure.handlers.keys import keys_of
from local_azure.log import SeenRequest
from tests.support.terminal import Ran, at_once, here, in_terminal

type Serve = Callable[..., LocalAzure]

USE = "Microsoft.CognitiveServices/accounts/OpenAI/*"
MODELS = "Microsoft.CognitiveServices/accounts/OpenAI/models/read"
CHAT = "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action"


def one(*, local_auth: bool, subdomain: str | None = "{name}", user: bool = True) -> Tenant:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=local_auth, subdomain=subdomain)
    if user:
        tenant.assign(tenant.team, account.id, [], data_actions=(MODELS, CHAT))
    return tenant


def probed_with(azure: LocalAzure, key: str) -> Ran:
    """Probe with a key that a person has, from a pipe."""
    ran = here(azure, "probe", "bot", "--key-from-stdin", stdin=f"{key}\n")
    assert key not in ran.out + ran.err
    return ran


def test_that_keys_are_not_listed_proves_nothing_of_the_gateway(serve: Serve) -> None:
    # Keys are off for Azure Resource Manager, and the gateway still takes them.
    azure = at_once(serve, one(local_auth=False), gateway_lag=3600)
    ran = here(azure, "probe", "bot")
    assert "Azure lists no keys" in ran.out
    assert ran.out.count("✓") == 1
    assert ran.code == 2


def test_keys_that_are_on_work_and_that_is_exit_code_1(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=True))
    ran = here(azure, "probe", "bot", "--verbose")
    assert "✗ A real key is refused" in ran.out.replace("  ", " ")
    assert ran.code == 1
    for key in keys_of(azure.tenant.account("bot")):
        assert key not in ran.out + ran.err


def test_a_real_key_that_is_refused_as_a_key_is_the_proof(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=False))
    ran = probed_with(azure, keys_of(azure.tenant.account("bot"))[0])
    assert "403 AuthenticationTypeDisabled" in ran.out
    assert ran.out.count("✓") == 3
    assert ran.code == 0


def test_a_wrong_key_is_no_proof_while_the_real_one_works(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=False), gateway_lag=3600)
    ran = probed_with(azure, "0123456789abcdef0123456789abcdef")
    assert ran.out.count("Can't tell: 401") == 2
    assert ran.out.count("✓") == 1
    assert ran.code == 2


def test_answers_that_are_alike_are_never_the_proof(serve: Serve) -> None:
    # The form that a document of Microsoft's gives for a real key: 401, as for any wrong one.
    azure = at_once(serve, one(local_auth=False), disabled_key_status=401)
    ran = probed_with(azure, keys_of(azure.tenant.account("bot"))[0])
    assert ran.out.count("Can't tell: 401") == 2
    assert ran.code == 2


def test_a_bogus_key_that_is_refused_as_keys_are_is_alike_too(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=False))
    body = {"error": {"code": "AuthenticationTypeDisabled", "message": "Keys are disabled."}}
    azure.faults.on(host="openai", times=2).answer(403, body)
    ran = probed_with(azure, keys_of(azure.tenant.account("bot"))[0])
    assert "as for the real key" in ran.out
    assert ran.out.count("✓") == 2
    assert ran.code == 2


def test_wait_goes_on_while_a_key_gets_the_answer_of_a_bogus_one(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=False), disabled_key_status=401)
    key = keys_of(azure.tenant.account("bot"))[0]
    asked = 0

    def count(request: SeenRequest) -> None:
        nonlocal asked
        asked += request.headers.get("api-key") == key

    azure.before(count)
    ran = here(
        azure, "probe", "bot", "--key-from-stdin", "--wait", "2s", "--every", "0.2",
        stdin=f"{key}\n",
    )  # fmt: skip
    assert asked > 3
    assert "After 2 s the gateway still does not refuse keys as such" in ran.err
    assert ran.code == 2


def test_a_key_that_is_typed_is_not_shown(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=False))
    key = keys_of(azure.tenant.account("bot"))[0]
    ran = in_terminal(
        azure, "probe", "bot", "--key-from-stdin", answers={"Key (it is not shown):": f"{key}\r"}
    )
    assert key not in ran.out
    assert "AuthenticationTypeDisabled" in ran.plain
    assert ran.code == 0


@pytest.mark.parametrize("text", ["", "\n", "two words\n", "schlüssel\n", "a\x1bb\n"])
def test_what_is_no_key_is_not_sent(serve: Serve, text: str) -> None:
    azure = at_once(serve, one(local_auth=False))
    ran = here(azure, "probe", "bot", "--key-from-stdin", stdin=text)
    assert "Standard input holds no key" in ran.err or "is no key" in ran.err
    assert ran.code == 64
    assert not azure.operations


def test_a_key_that_nobody_knows_proves_nothing_while_keys_are_on(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=True))
    ran = here(azure, "probe", "bot", "--key-from-stdin", stdin="0123456789\n")
    assert "not a key of this account" in ran.out
    assert ran.code == 2


def test_a_missing_role_is_named(serve: Serve) -> None:
    ran = here(at_once(serve, one(local_auth=False, user=False)), "probe", "bot")
    assert MODELS in ran.out
    assert "Cognitive Services OpenAI User" in ran.out
    assert ran.code == 1


def test_a_deployment_that_does_not_exist_is_told_from_a_refusal(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=False))
    gone = here(azure, "probe", "bot", "--deployment", "nope")
    assert "there is no deployment of this name" in gone.out
    there = here(azure, "probe", "bot", "--deployment", "gpt-4o")
    assert "200: your own sign-in is let in." in there.out


def test_a_deployments_name_stays_one_part_of_the_path(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=False))
    ran = here(azure, "probe", "bot", "--deployment", "a b?x#y")
    assert "there is no deployment of this name" in ran.out


def test_no_custom_subdomain_is_said_with_what_to_do(serve: Serve) -> None:
    ran = here(at_once(serve, one(local_auth=False, subdomain=None)), "probe", "bot")
    assert "--custom-domain" in ran.out
    assert ran.code == 1


def test_no_right_to_list_keys_leaves_the_first_check_open(serve: Serve) -> None:
    tenant = one(local_auth=True)
    action = "Microsoft.CognitiveServices/accounts/listKeys/action"
    tenant.deny(tenant.team, tenant.account("bot").id, [action])
    ran = here(at_once(serve, tenant), "probe", "bot")
    assert "No key could be fetched" in ran.out
    assert ran.code == 2


def test_no_token_for_azure_resource_manager_reaches_the_gateway(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=False))
    audiences: list[str | None] = []
    azure.before(
        lambda request: audiences.append(request.principal) if request.host == "openai" else None
    )
    here(azure, "probe", "bot")
    # Nobody for the bogus key, the person for the token made for the data plane.
    assert audiences == [None, azure.tenant.team.object_id]


def test_wait_asks_until_the_gateway_follows(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=True), gateway_lag=1)
    asked = threading.Event()

    def turn_off() -> None:
        asked.wait(60)
        azure.tenant.disable_keys("bot")

    azure.before(lambda request: asked.set() if request.host == "openai" else None)
    threading.Thread(target=turn_off, daemon=True).start()
    ran = in_terminal(azure, "probe", "bot", "--wait", "60s", "--every", "0.2")
    assert "Waiting for the gateway" in ran.plain
    assert "The gateway refuses keys" in ran.plain
    assert "AuthenticationTypeDisabled" in ran.plain
    assert ran.code == 0


def test_wait_says_when_there_is_no_key_to_wait_with(serve: Serve) -> None:
    ran = here(at_once(serve, one(local_auth=False)), "probe", "bot", "--wait", "1h")
    assert "--key-from-stdin" in ran.err
    assert ran.code == 2


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        (Answer(429, "429", "Rate limit is exceeded."), Meaning.TAKEN),
        (
            Answer(400, "unsupported_parameter", "Unsupported parameter: 'max_tokens' is not"),
            Meaning.TAKEN,
        ),
        (
            Answer(400, "OperationNotSupported", "The chatCompletion operation does not work"),
            Meaning.TAKEN,
        ),
        (
            Answer(403, "403", "Access denied due to Virtual Network/Firewall rules."),
            Meaning.NETWORK,
        ),
        (
            Answer(400, "BadRequest", "Token tenant does not match resource tenant."),
            Meaning.WRONG_TENANT,
        ),
        (Answer(404, "404", "Resource not found"), Meaning.UNCLEAR),
        (Answer(401, "401", "Access token is missing, invalid"), Meaning.NOT_KNOWN),
        (
            Answer(401, "PermissionDenied", "Principal does not have access to API/Operation."),
            Meaning.NO_ROLE,
        ),
        (Answer(502, "", ""), Meaning.UNCLEAR),
    ],
)
def test_other_answers_mean(answer: Answer, means: Meaning) -> None:
    assert meaning(answer) is means
