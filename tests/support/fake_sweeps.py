"""Whole sweeps over a tenant in memory, with all parts that are the product's own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.border.lanes import Lanes
from shared.border.pacing import Pace
from shared.core.deadline import Deadline
from shared.core.events import Event
from shared.core.model import Account, AccountId, Result
from shared.core.report import SweepReport
from shared.core.rings import Rings
from shared.core.settings import Settings, read_settings
from shared.steps.changes import ChangeReader
from shared.steps.discovery import Discovery
from shared.steps.full_inventory import FullInventory
from shared.steps.ports import Discoverer, Remediator
from shared.steps.remediation import UNIT_SECONDS, AccountReader, Remediation, SecondLook
from shared.steps.sweep import Sweep
from tests.support.builders import LEAST, SUBSCRIPTION_ID, an_account
from tests.support.fake_tenant import FakeTelemetry, FakeTenant

HOME = SUBSCRIPTION_ID
OTHER, THIRD = (f"00000000-0000-0000-0000-00000000000{digit}" for digit in (2, 3))


def bot(name: str = "bot", subscription: str = HOME, **more: Any) -> Account:
    return an_account(name, **{"id": AccountId(subscription, "rg-chat", name), **more})


def bots(count: int, subscription: str = HOME, **more: Any) -> list[Account]:
    return [
        bot(f"bot-{number:02}-{subscription[-1]}", subscription, **more) for number in range(count)
    ]


def settings_of(environ: dict[str, str]) -> Settings:
    return read_settings({**LEAST, "SWEEP_MODE": "enforce", **environ})


@dataclass
class Swept:
    """A sweep's report, and what it sent and did."""

    tenant: FakeTenant
    telemetry: FakeTelemetry
    report: SweepReport

    def result(self, account: Account | None = None) -> Result:
        """Return what came of an account."""
        key = (account or bot()).id.key
        (result,) = (
            outcome.result
            for outcome in self.report.outcomes
            if outcome.decision.account.id.key == key
        )
        return result

    @property
    def results(self) -> dict[Result, int]:
        """Count the results."""
        return dict(self.report.results)

    def events[T: Event](self, kind: type[T]) -> list[T]:
        """Return the events of one type."""
        return self.telemetry.of(kind)

    def event[T: Event](self, kind: type[T]) -> T:
        """Return the one event of a type."""
        (event,) = self.events(kind)
        return event

    @property
    def order(self) -> list[str]:
        """The names of the events as they were sent."""
        return [event.name for event in self.telemetry.events]


async def swept(
    tenant: FakeTenant,
    *,
    takes: Callable[[Event], bool] = lambda _: True,
    seconds: float = 0.0,
    last: datetime | None = None,
    sweep_id: str = "20261124T090000Z-1",
    enforces: bool | None = None,
    discovery: Discoverer | None = None,
    remediator: Remediator | None = None,
    turns: frozenset[int] = frozenset(),
    is_part: bool = False,
    **environ: str,
) -> Swept:
    """Sweep once, with all parts that are the product's own."""
    configured, clock = settings_of(environ), tenant.clock
    telemetry = FakeTelemetry(tenant, takes, seconds)
    deadline = Deadline.after(clock, configured.budget)
    pace = Pace(Lanes(), clock, deadline, configured.concurrency)
    discovery = discovery or Discovery(
        arm=tenant.arm,
        graph=tenant.graph,
        deadline=deadline,
        scope=replace(configured.scope, is_part=is_part),
        tags=configured.tags_wanted,
        tenant_id=configured.tenant_id,
        turns=turns,
        rings=configured.rings,
    )
    reader = AccountReader(tenant.arm, configured.rules.tag, configured.inherit)

    def remediation(rings: Rings) -> Remediator:
        return remediator or Remediation(
            accounts=tenant.arm,
            permits=pace,
            deadline=deadline,
            second_look=SecondLook(reader, clock, configured.scope, configured.rules, rings),
            unit_seconds=min(UNIT_SECONDS, configured.budget / 2),
        )

    writes = configured.rings.may_write(clock.now()) if enforces is None else enforces
    sweep = Sweep(
        sweep_id=sweep_id,
        settings=configured,
        clock=clock,
        discovery=discovery,
        changes=ChangeReader(tenant.graph, clock, tenant.arm),
        remediation=remediation if writes else None,
        emitter=telemetry,
        throttling=pace,
        full_inventory=FullInventory(tenant.graph, telemetry, deadline, configured.scope.kinds)
        if configured.daily_inventory
        else None,
        last=last,
    )
    return Swept(tenant, telemetry, await sweep.run())
