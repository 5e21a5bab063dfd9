"""A sign-in to another tenant than the one that was named is refused."""

from types import SimpleNamespace
from typing import Any

import pytest

from keysweep.advice import OtherTenant
from keysweep.session import _check_the_tenant
from keysweep.words import in_tenant

NAMED = "11111111-1111-1111-1111-111111111111"


async def check(token_names: str) -> None:
    """Sign in with a token that names this tenant, where `--tenant` names another or the same."""

    async def home_tenant() -> str:
        return token_names

    parts: Any = SimpleNamespace(
        settings=SimpleNamespace(tenant_id=NAMED), arm=SimpleNamespace(home_tenant=home_tenant)
    )
    configuration: Any = SimpleNamespace(sources={"AZURE_TENANT_ID": "--tenant"})
    await _check_the_tenant(parts, configuration)


async def test_a_sign_in_to_another_tenant_is_refused() -> None:
    with pytest.raises(OtherTenant, match=f"--tenant says {NAMED}"):
        await check("22222222-2222-2222-2222-222222222222")


async def test_a_token_that_names_no_tenant_goes_by_the_one_that_was_named() -> None:
    await check("")


def test_a_tenant_that_no_token_names_is_no_blank() -> None:
    assert in_tenant("") == "in a tenant that the token does not name"
