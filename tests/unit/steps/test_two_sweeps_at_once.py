"""Two sweeps of one tenant at the same time do no harm to it or to each other."""

import asyncio
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.model import Account, Result
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
def test_law_whoever_is_faster_no_account_is_written_after_a_read_that_showed_its_exemption(
    seconds: list[float], exempted: dict[int, int]
) -> None:
    """Some accounts are exempted just before their first read, or their second, is answered."""
    accounts = bots(4)
    tenant = slow(accounts, seconds)
    for number, read in exempted.items():
        account = accounts[number]
        effects = [*[None] * read, tenant.becomes(account, tags={TAG: "yes"})]
        tenant.meanwhile("account", account.id.key, effects)

    sweeps = both(tenant)

    writes = Counter(write.account.id.key for write in tenant.writes)
    for number, account in enumerate(accounts):
        # Only who read before it was exempted may write.
        assert writes[account.id.key] <= exempted.get(number, 2)
        assert not tenant.keys_on(account) or number in exempted
    for sweep in sweeps:
        assert sweep.results.keys() <= HARMLESS
        assert sweep.report.whole


def test_each_says_of_just_its_own_writes_that_it_made_them() -> None:
    # The second to read an account is answered after the first has changed it.
    tenant = slow(bots(6), [0.0, 3.0])
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
