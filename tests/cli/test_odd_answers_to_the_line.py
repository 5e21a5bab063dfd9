"""Whatever Azure answers to what the line alone asks, it is no bug of ours and no wrong claim."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local_azure import LocalAzure, Tenant
from local_azure.exchange import Answer
from tests.support.terminal import at_once, here

type Serve = Callable[..., LocalAzure]

DEEP = b"[" * 100_000


def one() -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=True)
    return tenant


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("*/locks", {"value": [None]}),
        ("*/locks", {"value": [{"name": "x", "properties": None}]}),
        ("*/permissions", {"value": [7]}),
        ("*/permissions", {"value": [{"actions": 7}]}),
        ("*/permissions", {"value": [{"actions": ["*"], "notActions": [None]}]}),
    ],
)
def test_explain_says_that_roles_and_locks_could_not_be_read(
    serve: Serve, path: str, body: Any
) -> None:
    azure = at_once(serve, one())
    azure.faults.on(path=path, times=None).bend(lambda answer: replace(answer, body=body))
    ran = here(azure, "explain", "bot")
    assert "Roles and locks could not be read" in " ".join(ran.out.split())
    assert ran.code == 1, ran.err


def test_rights_without_exceptions_are_rights(serve: Serve) -> None:
    azure = at_once(serve, one())
    body = {"value": [{"actions": ["*"], "notActions": None}]}
    azure.faults.on(path="*/permissions").bend(lambda answer: replace(answer, body=body))
    assert "You may change it" in here(azure, "explain", "bot").out


@pytest.mark.parametrize("token", [[7], True, {"seven": 7}])
def test_a_token_that_is_no_text_is_none(serve: Serve, token: Any) -> None:
    azure = at_once(serve, one())
    azure.faults.on(host="identity", times=None).bend(
        lambda answer: replace(answer, body={**answer.body, "access_token": token})
    )
    ran = here(azure, "scan")
    assert "the token is no text" in ran.err
    assert ran.code == 2


def test_probe_cannot_tell_what_an_answer_says_that_nests_too_deeply(serve: Serve) -> None:
    azure = at_once(serve, one())
    azure.faults.on(host="openai", times=None).bend(lambda answer: replace(answer, body=DEEP))
    ran = here(azure, "probe", "bot")
    assert ran.code in {1, 2}, ran.err


def odd_permissions(answer: Answer) -> Answer:
    permissions = {"dataSources": [{"resourceId": "x", "denyTables": 7}], "resources": 7}
    return replace(answer, body={**answer.body, "permissions": permissions})


def test_undo_passes_over_permissions_that_are_none(serve: Serve) -> None:
    azure = at_once(serve, one())
    azure.faults.on(host="logs", times=None).bend(odd_permissions)
    component = azure.services.component_id()
    ran = here(azure, "undo", "20261124T090000Z-1f3a9c0d", "--insights", component, "--yes")
    assert "shows no event of this sweep" in ran.err
    assert ran.code == 2
