"""Everything that doctor looks at, on a tenant in memory: what is broken is found."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from keysweep.doctor.finding import Check, Finding, State
from keysweep.doctor.looking import Looking
from keysweep.doctor.telemetry import Component
from keysweep.taken import LogAnswer
from shared.core.errors import NoRole, Unclear
from tests.support.builders import NOW, SUBSCRIPTION_ID, an_account
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.sessions import ANN, a_session

HOME = f"/subscriptions/{SUBSCRIPTION_ID}"
SITE = f"{HOME}/resourceGroups/rg-keysweep/providers/Microsoft.Web/sites/func-keysweep"
COMPONENT = f"{HOME}/resourceGroups/rg-keysweep/providers/Microsoft.Insights/components/appi"
KEY: dict[str, Any] = {"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=k-1"}


@dataclass
class FakeLogs:
    """The logs of one component."""

    asked: list[str] = field(default_factory=list)

    async def query(self, resource_id: str, kql: str, begin: datetime, end: datetime) -> LogAnswer:
        """Return a whole sweep of this moment."""
        assert "SweepCompleted" in kql
        assert begin < end
        self.asked.append(resource_id)
        row = {"event": "SweepCompleted", "sweepId": "one", "at": NOW, "whole": "true"}
        return LogAnswer((row,))


def a_tenant() -> FakeTenant:
    tenant = FakeTenant.of(an_account())
    tenant.components = [Component(COMPONENT, "K-1", needs_entra=True)]
    return tenant


async def looked(
    tenant: FakeTenant,
    function: str | None = None,
    insights: str | None = None,
    logs: FakeLogs | None = None,
    **environ: str,
) -> dict[Check, Finding]:
    session = a_session(tenant, environ=environ)
    found = await Looking(session, logs or FakeLogs(), function, insights).findings()
    assert not tenant.writes
    assert not tenant.changed
    return {finding.check: finding for finding in found}


async def test_a_tenant_without_trouble_is_well_in_every_check() -> None:
    found = await looked(a_tenant(), SITE, **KEY)
    assert set(found) == set(Check)
    assert {finding.state for finding in found.values()} == {State.OK}
    assert found[Check.SIGN_IN].says == f"{ANN}, in tenant t."


async def test_without_a_function_its_telemetry_is_left_alone_and_that_is_said() -> None:
    logs = FakeLogs()
    found = await looked(a_tenant(), logs=logs)
    assert found[Check.LAST_SWEEP].state is State.NOTE
    assert not logs.asked


async def test_the_components_name_leads_to_the_last_sweep() -> None:
    logs = FakeLogs()
    await looked(a_tenant(), SITE, logs=logs, **KEY)
    await looked(a_tenant(), insights=COMPONENT.upper(), logs=logs)
    assert logs.asked == [COMPONENT, COMPONENT.upper()]


async def test_a_function_that_tells_nobody_has_failed() -> None:
    found = await looked(a_tenant(), SITE)
    assert found[Check.TELEMETRY].state is State.FAILED
    assert found[Check.LAST_SWEEP].state is State.NOT_REACHED


async def test_a_component_that_is_not_seen_leaves_its_sweeps_unseen() -> None:
    tenant = a_tenant()
    tenant.components = []
    found = await looked(tenant, SITE, **KEY)
    assert found[Check.TELEMETRY].state is State.NOT_SEEN
    assert found[Check.LAST_SWEEP].state is State.NOT_REACHED


async def test_a_subscription_that_resource_graph_does_not_show_is_named() -> None:
    tenant = a_tenant()
    tenant.subscribe("hidden", name="shop")
    tenant.unshown.add("hidden")
    found = await looked(tenant)
    assert found[Check.RESOURCE_GRAPH].state is State.WARNING
    assert found[Check.RESOURCE_GRAPH].details == ("shop",)
    assert found[Check.CHANGE_LOG].state is State.WARNING


async def test_resource_graph_that_does_not_answer_is_not_seen() -> None:
    tenant = a_tenant()
    tenant.meanwhile("visible", SUBSCRIPTION_ID, [an_error(Unclear, 503)])
    found = await looked(tenant)
    assert found[Check.RESOURCE_GRAPH].state is State.NOT_SEEN
    assert found[Check.CHANGE_LOG].state is State.NOT_REACHED


async def test_a_change_log_that_is_refused_is_not_seen() -> None:
    tenant = a_tenant()
    tenant.meanwhile("changes", SUBSCRIPTION_ID, [an_error(NoRole, 403)])
    found = (await looked(tenant))[Check.CHANGE_LOG]
    assert found.state is State.NOT_SEEN
    assert found.details


async def test_rows_of_the_change_log_that_can_not_be_read_are_counted() -> None:
    tenant = a_tenant()
    tenant.changes = ["a row of no use"]
    found = (await looked(tenant))[Check.CHANGE_LOG]
    assert found.state is State.WARNING
    assert found.details == ("1 row of it can't be read.",)


async def test_a_scope_of_nothing_is_not_seen_and_nothing_that_stands_on_it_is_reached() -> None:
    found = await looked(FakeTenant(), SITE, **KEY)
    assert found[Check.SUBSCRIPTIONS].state is State.NOT_SEEN
    telling = {Check.TELEMETRY, Check.LAST_SWEEP}
    assert set(found) == {Check.SIGN_IN, Check.SETTINGS, Check.SUBSCRIPTIONS, *telling}


async def test_a_management_group_that_can_not_be_read_is_named() -> None:
    found = await looked(a_tenant(), SWEEP_MANAGEMENT_GROUPS="corp")
    assert found[Check.SUBSCRIPTIONS].state is State.NOT_SEEN
    assert found[Check.SUBSCRIPTIONS].details[0].startswith("managementGroup corp: ")


async def test_a_ring_that_can_not_be_read_is_named() -> None:
    found = await looked(a_tenant(), ENFORCE_SCOPES="mg-dev", SWEEP_MODE="enforce")
    assert found[Check.SUBSCRIPTIONS].details[0].startswith("ring mg-dev: ")
    assert found[Check.CHANGING].says == "No subscription in scope is in a ring."


@pytest.mark.parametrize(
    ("mode", "state"),
    [("enforce", State.WARNING), ("audit", State.NOTE), ("", State.NOTE)],
)
async def test_a_reader_is_well_until_the_settings_enforce(mode: str, state: State) -> None:
    tenant = a_tenant()
    tenant.roles[HOME] = ("*/read",)
    found = await looked(tenant, SWEEP_MODE=mode)
    assert found[Check.READING].state is State.OK
    assert found[Check.CHANGING].state is state
    assert found[Check.EXEMPTING].state is State.NOTE


async def test_who_can_not_read_accounts_is_told_where() -> None:
    tenant = a_tenant()
    tenant.roles[HOME] = ("Microsoft.Resources/*/read", "Microsoft.Authorization/*/read")
    found = (await looked(tenant))[Check.READING]
    assert found.state is State.FAILED
    assert found.details == ("Microsoft.CognitiveServices/accounts/read: sub",)
    assert "Reader there" in found.remedy


async def test_the_groups_of_scope_and_rings_are_looked_at_too() -> None:
    tenant = a_tenant()
    tenant.below = {"corp": [SUBSCRIPTION_ID], "mg-dev": [SUBSCRIPTION_ID]}
    tenant.roles["/providers/Microsoft.Management/managementGroups/mg-dev"] = ()
    found = (
        await looked(tenant, SWEEP_MANAGEMENT_GROUPS="corp", ENFORCE_SCOPES="mg-dev",
                     SWEEP_MODE="enforce")
    )[Check.READING]  # fmt: skip
    assert found.state is State.FAILED
    (missing,) = found.details
    assert missing == "Microsoft.Management/managementGroups/descendants/read: mg-dev"
    assert "in 1 management group, of 3 looked at" in found.says


async def test_settings_say_where_each_comes_from_and_the_connection_string_stays_unsaid() -> None:
    found = (await looked(a_tenant(), SWEEP_MODE="audit", **KEY))[Check.SETTINGS]
    assert "SWEEP_MODE = audit (the environment)" in found.details
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING is set (the environment)" in found.details
    assert not any(line.endswith("k-1") for line in found.details)


async def test_defaults_are_said_with_the_way_to_the_functions_settings() -> None:
    found = (await looked(a_tenant()))[Check.SETTINGS]
    assert found.says == "All are defaults."
    assert "--function" in found.remedy
