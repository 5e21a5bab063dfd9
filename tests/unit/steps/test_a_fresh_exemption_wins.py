"""An exemption that is added while a sweep runs wins, whenever it is added.

For every request of a sweep, somebody exempts all accounts just before that request is answered. No
account may be written whose last read before the write could have shown the exemption.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from shared.core.errors import Throttled, Unclear
from shared.core.model import Level
from tests.support.builders import TAG
from tests.support.fake_sweeps import HOME, bots, swept
from tests.support.fake_tenant import FakeTenant, What, an_error

EXEMPT = {TAG: "CHG0042"}


@dataclass
class Exempting(FakeTenant):
    """A tenant in which everything is exempted just before one of its requests is answered."""

    where: Level = Level.ACCOUNT
    moment: int = 1_000_000
    """Before which request: the first is 0."""

    async def is_asked(self, what: What, name: str) -> None:
        """Exempt everything, if its moment has come."""
        if len(self.asked) == self.moment:
            self._exempt()
        await super().is_asked(what, name)

    def _exempt(self) -> None:
        match self.where:
            case Level.ACCOUNT:
                for account in list(self.accounts.values()):
                    self.change(account, tags=EXEMPT)
            case Level.RESOURCE_GROUP:
                self.groups[HOME, "rg-chat"] = EXEMPT
            case Level.SUBSCRIPTION:
                self.subscribe(HOME, tags=EXEMPT)

    def wrong_writes(self) -> list[str]:
        """Return the accounts that were written after a read that could have shown it."""
        wrong = []
        for write in self.writes:
            key = write.account.id.key
            about: tuple[What, str] = (
                ("account", key) if self.where is Level.ACCOUNT else ("tags above", self.where)
            )
            sent = self.sent_at[key]
            reads = (at for at in range(sent) if self.asked[at] == about)
            last_read = max(reads, default=self.moment)
            if last_read >= self.moment:
                wrong.append(key)
        return wrong

    @property
    def sent_at(self) -> dict[str, int]:
        """Return which request was the last PATCH of each account."""
        return {about: at for at, (what, about) in enumerate(self.asked) if what == "patch"}


def calm(_: FakeTenant) -> None:
    """Let nothing else happen."""


def each_patch_first(*effects: Any) -> Callable[[FakeTenant], None]:
    """Let the first PATCH of each account end so."""

    def arrange(tenant: FakeTenant) -> None:
        for key in tenant.accounts:
            tenant.meanwhile("patch", key, effects)

    return arrange


@pytest.mark.parametrize("where", Level)
@pytest.mark.parametrize(
    "arrange",
    [calm, each_patch_first(an_error(Throttled, 429)), each_patch_first(an_error(Unclear))],
    ids=["calm", "each PATCH throttled once", "each PATCH unanswered once"],
)
async def test_law_no_write_follows_a_read_that_could_have_shown_the_exemption(
    where: Level, arrange: Callable[[FakeTenant], None]
) -> None:
    inherit = "false" if where is Level.ACCOUNT else where

    async def written(moment: int) -> tuple[int, int]:
        """Sweep, and return how many requests and writes there were."""
        tenant = Exempting.of(*bots(2), unshown={HOME}, where=where, moment=moment)
        arrange(tenant)
        # One at a time: whose a read of a level above was can't be seen otherwise.
        await swept(tenant, EXEMPTION_INHERIT=inherit, SWEEP_CONCURRENCY="1")
        assert isinstance(tenant, Exempting)
        assert not tenant.wrong_writes(), f"exempted before request {moment}"
        return len(tenant.asked), len(tenant.writes)

    requests, undisturbed = await written(1_000_000)
    writes = [(await written(moment))[1] for moment in range(requests)]

    assert undisturbed == 2
    assert writes[0] == 0, "early enough, it protects them all"
    assert writes[-1] == 2, "too late, it protects none"
