"""Roles and locks are believed only as Azure writes them."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from keysweep.border.operator import Operator
from keysweep.explanation import Lock
from shared.core.clouds import CLOUDS
from shared.core.errors import Unclear
from tests.support.border import BOT, BOT_ID, Border


def operator(body: Any) -> Operator:
    """Return a person's Azure that answers every request with this body."""
    border = Border.in_memory()
    border.transport.bytes = json.dumps(body).encode()
    settings = SimpleNamespace(cloud=CLOUDS["AZURE_PUBLIC_CLOUD"])
    parts: Any = SimpleNamespace(
        settings=settings,
        pipeline=border.arm._pipeline,
        tokens=border.arm._tokens,
        pace=border.arm._pace,
    )
    return Operator(parts)


@pytest.mark.parametrize(
    ("permission", "may"),
    [
        ({"actions": ["*"], "notActions": []}, True),
        ({"actions": ["*"]}, True),
        ({"actions": ["*"], "notActions": None}, True),
        ({"actions": ["Microsoft.CognitiveServices/*/write"]}, True),
        ({"actions": ["microsoft.cognitiveservices/accounts/write"]}, True),
        ({"actions": ["*/read"]}, False),
        ({"actions": ["*/accounts/writes"]}, False),
        ({"actions": ["*"], "notActions": ["*/accounts/WRITE"]}, False),
        ({"actions": None}, False),
    ],
)
async def test_a_role_covers_an_action_by_its_wildcards(
    permission: dict[str, Any], *, may: bool
) -> None:
    assert await operator({"value": [permission]}).may_write(BOT_ID) is may


@pytest.mark.parametrize("row", [7, {"actions": 7}, {"actions": ["*"], "notActions": [None]}])
async def test_permissions_that_are_none_are_unclear(row: object) -> None:
    with pytest.raises(Unclear):
        await operator({"value": [row]}).may_write(BOT_ID)


async def test_a_lock_says_where_it_is() -> None:
    group = BOT.partition("/providers")[0]
    row = {
        "id": f"{group}/providers/Microsoft.Authorization/locks/freeze",
        "name": "freeze",
        "properties": {"level": "ReadOnly"},
    }
    found = await operator({"value": [row]}).locks(BOT_ID)
    assert found == [Lock("freeze", "ReadOnly", group)]


@pytest.mark.parametrize("row", [None, {"name": "x", "properties": None}])
async def test_locks_that_are_none_are_unclear(row: object) -> None:
    with pytest.raises(Unclear):
        await operator({"value": [row]}).locks(BOT_ID)
