"""The daily inventory: every account is told as the sweep left it, or what is missing is said."""

from itertools import repeat
from typing import Any

from shared.core.deadline import Deadline
from shared.core.errors import Unclear
from shared.core.events import AccountSeen, SweepCompleted
from shared.core.model import Inventory
from shared.core.report import InventoryTold
from shared.core.rings import Rings
from shared.steps.full_inventory import FullInventory
from tests.support.builders import NOW, TAG, a_coverage
from tests.support.fake_sweeps import HOME, OTHER, Swept, bot, bots, swept
from tests.support.fake_tenant import FakeTelemetry, FakeTenant, an_error

EXEMPT, HELD = {TAG: "yes"}, {TAG: "until=soon"}


def seen(found: Swept) -> dict[str, tuple[bool, str]]:
    """Return of each account that was told whether its keys are on, and its verdict."""
    return {
        event.account_name: (event.keys_on, event.verdict) for event in found.events(AccountSeen)
    }


def a_tenant(**more: Any) -> FakeTenant:
    return FakeTenant.of(
        bot("off", keys_on=False),
        bot("exempt", tags=EXEMPT),
        bot("held", tags=HELD),
        bot("drift"),
        bot("elsewhere", OTHER, keys_on=False),
        **more,
    )


async def test_every_account_is_told_with_its_verdict_after_the_sweep() -> None:
    found = await swept(a_tenant(), INVENTORY="daily")
    assert seen(found) == {
        "off": (False, "COMPLIANT"),
        "exempt": (True, "EXEMPT"),
        "held": (True, "HELD"),
        "drift": (False, "COMPLIANT"),
        "elsewhere": (False, "COMPLIANT"),
    }
    assert found.event(SweepCompleted).inventory == "told"
    assert found.event(SweepCompleted).inventory_accounts == 5


async def test_in_audit_mode_a_drift_is_told_as_one() -> None:
    found = await swept(a_tenant(), SWEEP_MODE="audit", INVENTORY="daily")
    assert seen(found)["drift"] == (True, "DRIFT")


async def test_what_the_sweep_turned_off_is_told_so_while_resource_graph_lags() -> None:
    found = await swept(a_tenant(lag=120.0), INVENTORY="daily")
    assert seen(found)["drift"] == (False, "COMPLIANT")


async def test_an_account_whose_keys_went_on_since_the_sweep_looked_is_undecided() -> None:
    tenant = a_tenant()
    tenant.meanwhile("every", HOME, [tenant.becomes(bot("off"), keys_on=True)])
    found = await swept(tenant, INVENTORY="daily")
    assert seen(found)["off"] == (True, "UNDECIDED")


async def test_an_account_is_told_with_where_it_is_and_what_it_is() -> None:
    found = await swept(FakeTenant.of(bot(custom_subdomain=None)), INVENTORY="daily")
    event = found.event(AccountSeen)
    assert event.account_id == bot().id.key
    assert event.subscription_id == HOME
    assert event.resource_group == "rg-chat"
    assert event.kind == "OpenAI"
    assert event.location == "swedencentral"
    assert event.no_custom_subdomain


async def test_it_is_told_after_all_changes_and_before_the_end() -> None:
    order = (await swept(a_tenant(), INVENTORY="daily")).order
    assert order[-6:] == ["AccountSeen"] * 5 + ["SweepCompleted"]
    assert order.index("RemediationOutcome") < order.index("AccountSeen")


async def test_without_the_setting_none_is_read_and_none_is_told() -> None:
    tenant = a_tenant()
    found = await swept(tenant)
    assert tenant.times("every") == 0
    assert found.events(AccountSeen) == []
    assert found.event(SweepCompleted).inventory == ""
    assert found.event(SweepCompleted).inventory_accounts is None


async def test_each_page_is_told_before_the_next_one_is_read() -> None:
    tenant = FakeTenant.of(*bots(5), page_size=2)
    telemetry, told = FakeTelemetry(tenant), list[int]()
    tenant.meanwhile("every", HOME, repeat(lambda: told.append(len(telemetry.events))))
    deadline = Deadline.after(tenant.clock, 100)
    inventory = FullInventory(tenant.graph, telemetry, deadline, ("OpenAI",))
    read = Inventory((a_coverage(tenant.subscribe(HOME)),), (), ())
    assert await inventory.tell(read, [], [], Rings().at(NOW)) == InventoryTold(5)
    assert told == [0, 2, 4]


async def test_a_page_that_can_not_be_read_is_said_and_the_sweep_stays_whole() -> None:
    tenant = a_tenant(page_size=2)
    tenant.meanwhile("every", HOME, [None, an_error(Unclear, 500)])
    found = await swept(tenant, INVENTORY="daily")
    said = found.event(SweepCompleted)
    assert len(found.events(AccountSeen)) == 2
    assert "Code" in said.inventory
    assert "accounts: 2 told, 5 counted" in said.inventory
    assert said.inventory_accounts == 2
    assert said.whole


async def test_what_is_behind_a_gap_is_said_to_be_missing() -> None:
    tenant = a_tenant(unshown={OTHER})
    tenant.meanwhile("accounts", OTHER, [an_error()])
    said = (await swept(tenant, INVENTORY="daily")).event(SweepCompleted)
    assert said.inventory == "gaps: 1, and what is behind them is not told"
    assert said.inventory_accounts == 4


async def test_a_batch_that_can_not_be_read_takes_nothing_from_the_next() -> None:
    tenant = a_tenant(batch_size=1)
    tenant.meanwhile("every", HOME, [an_error()])
    found = await swept(tenant, INVENTORY="daily")
    assert list(seen(found)) == ["elsewhere"]


async def test_it_ends_in_time_and_says_what_is_missing() -> None:
    tenant = a_tenant(page_size=2)
    tenant.meanwhile("every", HOME, [None, 10_000])
    found = await swept(tenant, INVENTORY="daily")
    assert tenant.clock.monotonic() < 1200
    assert "no time was left for the rest of it" in found.event(SweepCompleted).inventory
    assert len(found.events(AccountSeen)) == 2


async def test_an_account_that_resource_graph_does_not_show_is_said_to_be_missing() -> None:
    lost = bot("lost")
    tenant = FakeTenant.of(bot("off", keys_on=False), lost, unshown={lost.id.key})
    found = await swept(tenant, turns=frozenset(range(96)), INVENTORY="daily")
    assert found.event(SweepCompleted).inventory == "accounts: 1 told, 2 counted"
