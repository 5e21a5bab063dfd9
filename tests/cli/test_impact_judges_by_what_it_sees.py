"""`keysweep impact` against the local Azure: each verdict and each trap, judged by its truth."""

import json
from datetime import timedelta
from typing import Any

import pytest

from local_azure import LocalAzure, Tenant
from tests.support.serving import Serve
from tests.support.terminal import at_once, here


def a_tenant(*names: str, **more: Any) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for name in names or ("bot",):
        tenant.add_account(name, local_auth=True, **more)
    return tenant


def judged(azure: LocalAzure, *arguments: str) -> dict[str, dict[str, Any]]:
    """Return what the command says of each account, by its name."""
    ran = here(azure, "impact", *arguments, "--output", "json")
    assert ran.out, ran.err
    return {account["name"]: account for account in json.loads(ran.out)["accounts"]}


def test_no_calls_are_idle(serve: Serve) -> None:
    azure = at_once(serve, a_tenant())
    ran = here(azure, "impact", "--verbose")
    print(ran.out, ran.err)
    found = judged(azure)
    print(json.dumps(found, indent=1))
    assert found["bot"]["verdict"] == "IDLE"
