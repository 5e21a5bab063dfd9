"""`keysweep probe` against the local Azure: what is sent to the gateway, and what never is."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from local_azure import MovedClock, Tenant
from local_azure.handlers.keys import keys_of
from local_azure.log import SeenRequest
from local_azure.services import Settings
from tests.support.schemas import validate
from tests.support.serving import Serve
from tests.support.terminal import at_once, here

MODELS = "Microsoft.CognitiveServices/accounts/OpenAI/models/read"
CHAT = "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action"


def one(*, local_auth: bool, user: bool = True) -> Tenant:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=local_auth)
    if user:
        tenant.assign(tenant.team, account.id, [], data_actions=(MODELS, CHAT))
    return tenant


def test_a_real_key_that_is_refused_as_a_key_is_the_proof(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=False))
    key = keys_of(azure.tenant.account("bot"))[0]
    ran = here(azure, "probe", "bot", "--key-from-stdin", "--verbose", stdin=f"{key}\n")
    assert "403 AuthenticationTypeDisabled" in ran.out
    assert ran.out.count("✓") == 3
    assert key not in ran.out + ran.err
    assert ran.code == 0
    said = here(azure, "probe", "bot", "--key-from-stdin", "-o", "json", stdin=f"{key}\n").out
    validate(json.loads(said), "outputs")
    assert {check["result"] for check in json.loads(said)["checks"]} == {"GOOD"}
    assert key not in said


def test_keys_that_are_on_work_and_that_is_exit_code_1(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=True))
    ran = here(azure, "probe", "bot", "--verbose")
    assert "✗ A real key is refused" in ran.out.replace("  ", " ")
    for key in keys_of(azure.tenant.account("bot")):
        assert key not in ran.out + ran.err
    assert ran.code == 1


@pytest.mark.parametrize("off_by", ["403", "401"])
def test_without_a_real_keys_own_refusal_nothing_is_proved(serve: Serve, off_by: str) -> None:
    azure = at_once(serve, one(local_auth=False), disabled_key_status=int(off_by))
    listed = here(azure, "probe", "bot")
    assert "Azure lists no keys" in listed.out
    wrong = here(azure, "probe", "bot", "--key-from-stdin", stdin="0123456789abcdef\n")
    assert "Can't tell: 401" in wrong.out
    assert listed.code == 2, listed.err
    assert wrong.code == 2, wrong.err


@pytest.mark.parametrize("text", ["", "\n", "two words\n", "schlüssel\n", "a\x1bb\n"])
def test_what_is_no_key_is_not_sent(serve: Serve, text: str) -> None:
    azure = at_once(serve, one(local_auth=False))
    ran = here(azure, "probe", "bot", "--key-from-stdin", stdin=text)
    assert "Standard input holds no key" in ran.err or "is no key" in ran.err
    assert not azure.operations
    assert ran.code == 64


def test_a_missing_role_is_named(serve: Serve) -> None:
    ran = here(at_once(serve, one(local_auth=False, user=False)), "probe", "bot")
    assert MODELS in ran.out
    assert "Cognitive Services OpenAI User" in ran.out
    assert ran.code == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gpt-4o", "200: your own sign-in is let in."),
        ("nope", "there is no deployment of this name"),
        ("a b?x#y", "there is no deployment of this name"),
    ],
)
def test_a_deployment_is_asked_by_its_name_alone(serve: Serve, name: str, says: str) -> None:
    ran = here(at_once(serve, one(local_auth=False)), "probe", "bot", "--deployment", name)
    assert says in ran.out


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
    azure, asked = at_once(serve, one(local_auth=True), gateway_lag=1), threading.Event()

    def turn_off() -> None:
        asked.wait(60)
        azure.tenant.disable_keys("bot")

    azure.before(lambda request: asked.set() if request.host == "openai" else None)
    threading.Thread(target=turn_off, daemon=True).start()
    ran = here(azure, "probe", "bot", "--wait", "60s", "--every", "0.2")
    assert "The gateway refuses keys" in ran.err
    assert "AuthenticationTypeDisabled" in ran.out
    assert ran.code == 0


def test_the_gateway_may_take_longer_than_the_time_budget(serve: Serve) -> None:
    hours = 3
    tenant = one(local_auth=False)
    settings = Settings(reachable_endpoints=True, gateway_lag=hours * 3600.0)
    azure = serve(tenant, clock=MovedClock(datetime.now(UTC)), settings=settings)
    tenant.enable_keys("bot")
    tenant.disable_keys("bot")
    asked: list[str] = []

    def see(request: SeenRequest) -> None:
        asked.append(request.host)

    azure.before(see)
    ran = here(
        azure, "probe", "bot", "--key-from-stdin", "--wait", "5h", "--every", "3600",
        stdin=keys_of(tenant.account("bot"))[0],
    )  # fmt: skip
    assert asked.count("openai") >= hours
    assert "The gateway refuses keys" in ran.err
    assert ran.code == 0


def test_wait_says_when_it_has_no_key_or_its_time_is_up(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=False), disabled_key_status=401)
    ran = here(azure, "probe", "bot", "--wait", "1h")
    assert "There is no key to wait with" in ran.err
    key = keys_of(azure.tenant.account("bot"))[0]
    ran = here(
        azure, "probe", "bot", "--key-from-stdin", "--wait", "1s", "--every", "0.2", stdin=key
    )
    assert "After 1 s the gateway still does not refuse keys as such" in ran.err
    assert ran.code == 2


def test_an_answer_that_nests_too_deeply_is_no_bug_of_ours(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=True))
    deep = b"[" * 100_000
    azure.faults.on(host="openai", times=None).bend(lambda answer: replace(answer, body=deep))
    assert here(azure, "probe", "bot").code in {1, 2}
