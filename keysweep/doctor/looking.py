"""Reads what the checks of `keysweep doctor` judge. Nothing in it writes."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from keysweep.doctor import opening, own_rights, scope, telemetry
from keysweep.doctor.finding import Check, Finding, State, not_reached
from keysweep.doctor.own_rights import Asked
from keysweep.doctor.telemetry import Component
from keysweep.names import scope_of
from keysweep.session import Session, or_error
from keysweep.taken import LogAnswer, event_table
from shared.core.errors import AzureError
from shared.core.permissions import Permission
from shared.core.rings import InForce
from shared.core.settings import Mode
from shared.steps.rings import RingReader
from shared.steps.scope import InScope

_CONNECTION_STRING = "APPLICATIONINSIGHTS_CONNECTION_STRING"


class LogQueries(Protocol):
    """Asks for the logs of a resource."""

    async def query(self, resource_id: str, kql: str, begin: datetime, end: datetime) -> LogAnswer:
        """Return what a query finds between two moments. Raises AzureError."""
        ...


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks at everything that a person who is signed in can see."""

    session: Session
    logs: LogQueries
    function: str | None = None
    """The resource id of the deployed Function App, if its settings count."""
    insights: str | None = None
    """That of its Application Insights, or of the workspace of that, if a person named it."""

    async def findings(self) -> list[Finding]:
        """Look, and judge. Raises AzureError if even the sign-in is lost."""
        who = await self._signed_in()
        in_scope = await self._in_scope()
        settings = opening.settings(self.session.configuration)
        basics = [who, settings, scope.subscriptions(in_scope)]
        if not in_scope.subscriptions:
            return [*basics, *await self._telemetry()]
        azure, rights, sweeps = await asyncio.gather(
            self._azure(in_scope), self._rights(in_scope), self._telemetry()
        )
        return [*basics, *azure, *rights, *sweeps]

    async def _signed_in(self) -> Finding:
        arm = self.session.parts.arm
        return opening.signed_in(await arm.own_names(), await arm.home_tenant())

    async def _in_scope(self) -> InScope:
        """Read the scope, and what of it is in which ring: a ring that can't be read is a gap."""
        parts = self.session.parts
        found = await scope_of(self.session)
        rings = await RingReader(parts.arm, self.session.settings.rings, parts.deadline).read(found)
        return replace(found, gaps=(*found.gaps, *rings.gaps), below={**found.below, **rings.below})

    async def _azure(self, in_scope: InScope) -> list[Finding]:
        """Look at Resource Graph, and at the change log that comes from it."""
        ids = [found.id for found in in_scope.subscriptions]
        visible, log = await self.session.change_log(ids)
        return [
            scope.resource_graph(in_scope, visible),
            scope.change_log(in_scope, visible, log),
        ]

    async def _rights(self, in_scope: InScope) -> list[Finding]:
        """Look at what the person may do at each subscription in scope, and at its groups."""
        names = dict(self._named(in_scope))
        roles = dict(zip(names, await self._roles(names), strict=True))
        subscriptions = [name for name in names if name.startswith(own_rights.SUBSCRIPTION)]
        reading = Asked.everywhere(
            own_rights.reading(self.session.settings.tags_wanted), subscriptions
        )
        groups = {
            name: (own_rights.DESCENDANTS,) for name in names if name.startswith(own_rights.GROUP)
        }
        reading = replace(reading, actions={**reading.actions, **groups})
        others = (own_rights.USE, own_rights.EXEMPTING, own_rights.PROBING)
        return [
            own_rights.judged(reading, roles, names, State.FAILED),
            self._changing(in_scope, roles, names),
            *(
                own_rights.judged(Asked.everywhere(of, subscriptions), roles, names)
                for of in others
            ),
        ]

    def _named(self, in_scope: InScope) -> Iterator[tuple[str, str]]:
        """Return the scopes whose roles matter, each with what a person calls it."""
        for subscription_id, name in scope.names_of(in_scope).items():
            yield f"{own_rights.SUBSCRIPTION}{subscription_id}", name
        settings = self.session.settings
        rings = (ring.name for ring in settings.rings.groups)
        for group in dict.fromkeys((*settings.scope.management_groups, *rings)):
            yield f"{own_rights.GROUP}{group}", group

    async def _roles(
        self, scopes: Mapping[str, str]
    ) -> Sequence[Sequence[Permission] | AzureError]:
        async def read(of: str) -> Sequence[Permission]:
            async with self.session.parts.pace.page(of.rpartition("/")[2]):
                return await self.session.azure.permissions(of)

        return await asyncio.gather(*(or_error(read(of)) for of in scopes))

    def _changing(
        self, in_scope: InScope, roles: own_rights.Roles, names: Mapping[str, str]
    ) -> Finding:
        """Judge what turning keys off takes: asked for where a ring covers, now or later."""
        rings = self.session.settings.rings.knowing(in_scope.below)
        covered = [
            f"{own_rights.SUBSCRIPTION}{found.id}"
            for found in in_scope.subscriptions
            if isinstance(rings.in_the_end(found.id), InForce)
        ]
        if not covered:
            return Finding(Check.CHANGING, State.NOTE, "No subscription in scope is in a ring.")
        mode = self.session.configuration.values.get("SWEEP_MODE", "").strip().lower()
        if_missing = State.WARNING if mode == Mode.ENFORCE else State.NOTE
        return own_rights.judged(
            Asked.everywhere(own_rights.CHANGING, covered), roles, names, if_missing
        )

    async def _telemetry(self) -> list[Finding]:
        """Look for the Function's telemetry, and for its last sweep there."""
        if self.insights is not None:
            return [telemetry.named(self.insights), await self._last_sweep(self.insights)]
        if self.function is None:
            return [telemetry.nowhere(), telemetry.not_looked_for()]
        text = self.session.configuration.values.get(_CONNECTION_STRING, "").strip()
        if not text:
            finding = telemetry.without_connection_string()
            return [finding, not_reached(Check.LAST_SWEEP, finding.check)]
        subscription_id = self.function.strip("/").split("/")[1]
        found = await or_error(self._component(subscription_id, text))
        finding = telemetry.application_insights(found, subscription_id)
        if not isinstance(found, Component):
            return [finding, not_reached(Check.LAST_SWEEP, finding.check)]
        return [finding, await self._last_sweep(found.id)]

    async def _component(self, subscription_id: str, text: str) -> Component | None:
        components = await self.session.azure.components(subscription_id)
        return telemetry.component_of(telemetry.instrumentation_key(text), components)

    async def _last_sweep(self, resource_id: str) -> Finding:
        now, settings = self.session.clock.now(), self.session.settings
        gap = settings.schedule.longest_gap
        query = telemetry.sweeps_query(event_table(resource_id))
        begin = now - max(telemetry.LOOKED_BACK, 2 * gap)
        answer = await or_error(self.logs.query(resource_id, query, begin, now))
        is_known = "SWEEP_SCHEDULE" in self.session.configuration.values or self.function
        return telemetry.last_sweep(answer, now, gap if is_known else None)
