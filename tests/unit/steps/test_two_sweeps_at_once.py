"""Two sweeps of one tenant at the same time do no harm to it or to each other."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.model import Account, Result
from shared.steps.remediation import FRESH_SECONDS
from tests.support.builders import TAG
from tests.support.fake_sweeps import Swept, bots, swept
from tests.support.fake_tenant import FakeTenant
from tests.support.virtual_time import VirtualLoop

HARMLESS = {Result.DISABLED, Result.ALREADY_OFF, Result.NOW_EXEMPT}


def both(tenant: FakeTenant, **environ: Any) -> list[Swept]:
    """Run two sweeps at once."""

    async def run() -> list[Swept]:
        sweeps = (swept(tenant, sweep_id=f"sweep-{name}", **environ) for name in "ab")
        return await asyncio.gather(*sweeps)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())


def slow(accounts: list[Account], seconds: list[float]) -> FakeTenant:
    """Return a tenant whose reads of these accounts take so long, and whose changes a second."""
    tenant = FakeTenant.of(*accounts)
    for account in accounts:
        tenant.meanwhile("account", account.id.key, seconds)
        tenant.meanwhile("patch", account.id.key, [1] * 2)
    return tenant


@settings(max_examples=30)
@given(
    seconds=st.lists(st.integers(0, 4).map(float), min_size=2, max_size=4),
    exempted=st.dictionaries(st.integers(0, 3), st.integers(0, 1)),
)
def test_law_whoever_is_faster_no_account_is_written_long_after_it_was_exempted(
    seconds: list[float], exempted: dict[int, int]
) -> None:
    """Some accounts are exempted as one of their reads is answered: the first, or the second."""
    accounts = bots(4)
    tenant = slow(accounts, seconds)
    exempted_at: dict[str, float] = {}

    def exempts(account: Account) -> Callable[[], None]:
        def exempt() -> None:
            exempted_at[account.id.key] = tenant.clock.monotonic()
            tenant.change(account, tags={TAG: "yes"})

        return exempt

    for number, read in exempted.items():
        effects = [*[None] * read, exempts(accounts[number])]
        tenant.meanwhile("account", accounts[number].id.key, effects)

    sweeps = both(tenant)

    for write in tenant.writes:
        assert write.at - exempted_at.get(write.account.id.key, write.at) <= FRESH_SECONDS
    still_on = {account.id.key for account in tenant.accounts.values() if account.keys_on}
    assert still_on <= exempted_at.keys()
    for sweep in sweeps:
        assert sweep.results.keys() <= HARMLESS
        assert sweep.report.whole


def test_each_says_of_just_its_own_writes_that_it_made_them() -> None:
    tenant = slow(bots(6), [1.0, 1.0])
    claimed = Counter(
        outcome.decision.account.id.key
        for sweep in both(tenant)
        for outcome in sweep.report.outcomes
        if outcome.accepted
    )
    assert claimed == Counter(write.account.id.key for write in tenant.writes)
    assert len(claimed) == 6


def test_under_trickle_each_keeps_its_own_limit() -> None:
    tenant = slow(bots(12), [1.0, 1.0])
    sweeps = both(tenant, BRAKE="trickle", MAX_CHANGES_PER_SWEEP="3")
    assert 3 <= len(tenant.writes) <= 6
    for sweep in sweeps:
        assert sweep.results[Result.DISABLED] <= 3
