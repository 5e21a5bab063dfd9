"""Commands of the line in one process: a person, and a session on a tenant in memory."""

import asyncio
import io
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from keysweep.configuration import Options
from keysweep.doctor.telemetry import Component
from keysweep.explanation import Lock
from keysweep.impact.sources import Sources
from keysweep.screen import Screen
from keysweep.session import Session
from shared.core.deadline import Deadline
from shared.core.model import Account, AccountId, Answer, GroupsAbove, KeyChange
from shared.core.permissions import Permission
from shared.core.rings import Rings
from shared.steps.ports import Permits
from shared.steps.remediation import Remediation
from shared.workspace import Parts
from tests.support.fake_sources import FakeSources
from tests.support.fake_tenant import OWN_IDS, Arm, FakePermits, FakeTenant, ResourceGraph, What
from tests.support.unobserved import Unobserved

ANN = "ann@contoso.com"
"""Who types the commands."""

type Reply = Literal["yes", "no"] | Callable[[], object]
"""What a person says; or what happens before they say yes."""


class Person(Screen):
    """Somebody at a terminal who answers questions, or nobody: then there are no answers."""

    def __init__(self, *answers: Reply, quiet: bool = False) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []
        self._out, self._err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        super().__init__(self._out, self._err, quiet=quiet)

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there."""
        return bool(self.answers or self.questions)

    def ask(self, question: str) -> bool:
        """Note the question, and answer it."""
        self.questions.append(question)
        answer = self.answers.pop(0)
        if callable(answer):
            answer()
        return answer != "no"

    @property
    def read(self) -> str:
        """What went to standard output."""
        return _written(self._out)

    @property
    def heard(self) -> str:
        """What went to standard error."""
        return _written(self._err)


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


@dataclass(frozen=True)
class PersonsArm(Arm):
    """Azure Resource Manager, with what a person asks of it beside the Function."""

    async def own_names(self) -> Sequence[str]:
        """Return the names of the person."""
        return [ANN, "object"]

    async def raw(self, account_id: AccountId) -> Mapping[str, Any]:
        """Read an account as ARM writes it."""
        account = await self.account(account_id)
        properties = {
            "disableLocalAuth": not account.keys_on,
            "provisioningState": account.provisioning_state,
        }
        return {"kind": account.kind, "tags": dict(account.tags), "properties": properties}

    async def locks(self, account_id: AccountId) -> Sequence[Lock]:
        """List the locks of an account."""
        await self.tenant.is_asked("locks", account_id.key)
        locked = account_id.key in self.tenant.locked
        return [Lock("freeze", "ReadOnly", str(account_id))] if locked else []

    async def may_write(self, account_id: AccountId) -> bool:
        """Whether the person may change an account."""
        return account_id.key not in self.tenant.without_role

    async def permissions(self, scope: str) -> Sequence[Permission]:
        """List what the person's one role allows at a scope."""
        await self.tenant.is_asked("permissions", scope)
        return [Permission(self.tenant.roles.get(scope, ("*",)))]

    async def components(self, subscription_id: str) -> Sequence[Component]:
        """List the Application Insights components."""
        await self.tenant.is_asked("components", subscription_id)
        return self.tenant.components

    async def merge_tag(
        self, account_id: AccountId, name: str, value: str, leave_by: float
    ) -> None:
        """Set a tag."""
        await self._write(
            "merge tag",
            account_id,
            leave_by,
            lambda account: {"tags": {**account.tags, name: value}},
        )

    async def delete_tags(
        self, account_id: AccountId, tags: Mapping[str, str], leave_by: float
    ) -> None:
        """Take tags away that have just these values."""

        def left(account: Account) -> dict[str, Any]:
            kept = account.tags.items() - tags.items()
            return {"tags": dict(kept)}

        await self._write("delete tags", account_id, leave_by, left)

    async def enable_local_auth(self, account_id: AccountId, leave_by: float) -> None:
        """Turn keys on."""
        await self._write("keys on", account_id, leave_by, lambda _: {"keys_on": True})

    async def _write(
        self,
        what: What,
        account_id: AccountId,
        leave_by: float,
        changed: Callable[[Account], dict[str, Any]],
    ) -> None:
        tenant = self.tenant
        account = await self._to_be_changed(what, account_id, leave_by)
        tenant.changed.append((what, account))
        tenant.change(account, **changed(account), changed_at=tenant.clock.now(), changed_by=ANN)
        await tenant.was_asked(what, account_id.key)


@dataclass(frozen=True)
class PersonsGraph(ResourceGraph):
    """Azure Resource Graph, with the one query that a person needs beside the Function."""

    async def named(self, subscriptions: Sequence[str], name: str) -> Answer[AccountId]:
        """Find accounts by name."""
        return Answer(
            tuple(
                account.id
                for account in self.tenant.shown(subscriptions)
                if account.id.name.lower() == name.lower()
            )
        )

    async def visible(self, subscriptions: Sequence[str]) -> Answer[tuple[str, GroupsAbove]]:
        """Say which of these it shows."""
        return await super().visible(subscriptions) if subscriptions else Answer(())

    async def key_changes(
        self, subscriptions: Sequence[str], own_ids: Sequence[str]
    ) -> Answer[KeyChange | str]:
        """List the changes: a person has no updates that are all of the flag."""
        assert not own_ids, "whose are these?"
        return await super().key_changes(subscriptions, OWN_IDS)


class _FakeParts(Parts):
    """Parts whose remediation writes to the tenant in memory."""

    def again(self) -> Parts:
        return replace(self, deadline=Deadline.after(self.clock, self.settings.budget))

    def remediation(self, rings: Rings, permits: Permits | None = None) -> Remediation:
        arm = self.arm
        assert isinstance(arm, PersonsArm)
        return Remediation(
            accounts=arm,
            permits=permits or self.pace,
            deadline=self.deadline,
            second_look=self.second_look(rings),
        )


@dataclass(frozen=True, slots=True)
class _FakeSession(Session):
    sources: FakeSources

    @property
    def evidence(self) -> Sources:
        return self.sources

    def again(self) -> Session:
        return replace(self, parts=self.parts.again())


def interrupt_after(seconds: float) -> None:
    """Let somebody press Ctrl-C after so many seconds of the running loop's time."""
    asyncio.get_running_loop().call_later(seconds, os.kill, os.getpid(), signal.SIGINT)


def a_session(
    tenant: FakeTenant,
    person: Screen | None = None,
    waits: Mapping[str, list[Any]] | None = None,
    environ: Mapping[str, str] | None = None,
    sources: FakeSources | None = None,
) -> Session:
    """Return a session on a tenant in memory; `environ` are settings.

    `waits`: by subscription, how long each permit takes. `sources`: evidence of who uses keys.
    """
    configuration = Options(environ or {}).over({}, "")
    settings, clock = configuration.settings(), tenant.clock
    deadline = Deadline.after(clock, settings.budget)
    # What only the real border uses is not there.
    absent: Any = None
    arm: Any = PersonsArm(tenant)
    graph: Any = PersonsGraph(tenant)
    permits: Any = FakePermits(clock, deadline, dict(waits or {}))
    parts = _FakeParts(
        settings=settings,
        clock=clock,
        transport=absent,
        observer=Unobserved(),
        pipeline=absent,
        tokens=absent,
        pace=permits,
        deadline=deadline,
        work_seconds=settings.budget,
        last=None,
        arm=arm,
        graph=graph,
        connections=absent,
    )
    evidence = sources or FakeSources(tenant)
    return _FakeSession(parts, arm, person or Person(), configuration, evidence)
