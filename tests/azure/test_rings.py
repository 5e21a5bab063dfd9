"""Enforcing ring by ring, with the roles that infra/tenant.bicep assigns; the server is the judge.

The role that reads is at the swept group, and the one that can write at each ring.
"""

import json
import math
from datetime import timedelta
from typing import Any

import pytest

from local_azure import LocalAzure, PatchForm, Tenant
from local_azure.clock import START
from local_azure.state import ids
from shared.core.errors import OutsideRings
from shared.core.model import AccountId
from shared.core.rings import Ring, Rings
from shared.core.settings import read_settings
from shared.workspace import Connections
from tests.support.contoso import keys_on, written
from tests.support.functions_worker import ROOT
from tests.support.real_sweeps import environ_of, process, settings_of, sweep, tick
from tests.support.serving import Serve
from tests.support.unobserved import Unobserved

SOON = START + timedelta(hours=1)
WRITE = "Microsoft.CognitiveServices/accounts/write"
SWEPT = "contoso"
SUBSCRIPTIONS = {"dev": "mg-dev", "test": "mg-test", "pilot": SWEPT, "prod": SWEPT}
"""By name, the management group in which each is; in each is an account of its name."""


def actions(*only: str) -> list[str]:
    """Return the actions of the role that only some need; of the one that all need without."""
    listed = json.loads((ROOT / "infra" / "role-actions.json").read_text())["actions"]
    return [str(action["name"]) for action in listed if action.get("only", "") in (only or {""})]


def scope_of(tenant: Tenant, ring: str) -> str:
    is_group = ring in tenant.management_groups
    return ids.management_group_scope(ring) if is_group else tenant.subscription(ring).scope


def in_rings(*rings: str) -> Tenant:
    """Return a tenant with the roles of a deployment with these rings."""
    tenant = Tenant()
    tenant.add_management_group(SWEPT)
    for group in ("mg-dev", "mg-test"):
        tenant.add_management_group(group, parent=SWEPT)
    for name, group in SUBSCRIPTIONS.items():
        tenant.add_subscription(name, parent=group)
        options: dict[str, Any] = {"patch": PatchForm.OK_200, "stale_reads": 0}
        tenant.add_account(name, subscription=name, local_auth=True, **options)
    tenant.assign(tenant.function, ids.management_group_scope(SWEPT), actions())
    for ring in rings:
        tenant.assign(tenant.function, scope_of(tenant, ring), actions("enforce"))
    return tenant


def settings(azure: LocalAzure) -> dict[str, str]:
    """Return rings: a group in force, a group to come, and a subscription of its own."""
    pilot = azure.tenant.subscription("pilot").id
    rings = f"mg-dev, mg-test@{SOON:%Y-%m-%dT%H:%MZ}, {pilot}"
    return {"SWEEP_MANAGEMENT_GROUPS": SWEPT, "ENFORCE_SCOPES": rings}


async def test_keys_go_off_in_the_rings_in_force_and_in_others_from_their_moment_on(
    serve: Serve,
) -> None:
    azure = serve(in_rings("mg-dev", "mg-test", "pilot"))
    async with process(azure, **settings(azure)) as same:
        first = await tick(same)
        assert first.whole
        assert keys_on(azure) == {"test", "prod"}
        azure.clock.advance((SOON - azure.now()).total_seconds())
        second = await tick(same)

    assert second.whole
    assert keys_on(azure) == {"prod"}
    assert written(azure).count("test") == 1


async def test_the_write_action_is_used_in_the_rings_alone_and_in_each_of_them(
    serve: Serve,
) -> None:
    rings = ("mg-dev", "mg-test", "pilot")
    azure = serve(in_rings(*rings))
    azure.clock.advance((SOON - azure.now()).total_seconds())

    swept = await sweep(azure, **settings(azure))

    assert swept.whole
    assert not [seen for seen in azure.operations if seen.status in {401, 403}]
    writes = {seen.path.split("/")[2] for seen in azure.operations if seen.action == WRITE}
    used_in = {azure.tenant.subscriptions[name].name for name in writes}
    assert used_in == {"dev", "test", "pilot"}
    # Nothing that is in the role that can write is needed elsewhere.
    elsewhere = azure.tenant.subscription("prod").id
    there = {seen.action for seen in azure.operations if elsewhere in seen.path}
    assert not there & set(actions("enforce"))


async def test_a_ring_for_which_the_role_is_not_assigned_is_told_as_such(serve: Serve) -> None:
    azure = serve(in_rings("mg-dev"))
    swept = await sweep(azure, **settings(azure))
    (told,) = [e for e in swept.events("RemediationOutcome") if e["accountName"] == "pilot"]
    assert str(swept.results["pilot"]) == "NO_ROLE"
    assert told["azureCode"] == "AuthorizationFailed"
    assert "its role at this scope" in told["detail"]
    assert not swept.whole
    assert keys_on(azure) == {"test", "pilot", "prod"}


@pytest.mark.parametrize("to_come", [True, False])
async def test_the_writer_refuses_an_account_outside_the_rings_in_force(
    serve: Serve, *, to_come: bool
) -> None:
    """Whoever hands it one, and although Azure would let it."""
    azure = serve(in_rings(SWEPT))
    account = AccountId.parse(azure.tenant.account("prod").id)
    ring = Ring(account.subscription_id if to_come else "mg-dev", SOON, is_group=not to_come)
    rings = Rings(enforces=True, listed=(ring,), below={"mg-dev": frozenset()})
    environ = settings_of(azure)
    with environ_of(environ):
        connections = Connections(environ, azure.clock)
        parts = connections.parts(read_settings(environ), Unobserved())
        writer = parts.remediation(rings).accounts
        with pytest.raises(OutsideRings):
            await writer.disable_local_auth(account, math.inf)
        assert azure.operations == ()
        if to_come:
            azure.clock.advance((SOON - azure.now()).total_seconds())
            again = connections.parts(read_settings(environ), Unobserved()).remediation(rings)
            await again.accounts.disable_local_auth(account, math.inf)
        await connections.close()
    assert written(azure) == (["prod"] if to_come else [])
