"""How many writes the brake lets through: accepted ones count, and those under way may."""

import asyncio
import math
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.steps.allowance import Allowance
from tests.support.builders import NOW
from tests.support.virtual_time import VirtualClock, VirtualLoop


async def test_without_a_limit_anybody_may_write() -> None:
    allowance = Allowance(None)
    for _ in range(3):
        assert await allowance.take() is True
    await allowance.give_back(used=True)
    assert await allowance.take() is True


async def test_once_all_are_used_nobody_may_write_any_more() -> None:
    allowance = Allowance(2)
    for _ in range(2):
        assert await allowance.take() is True
        await allowance.give_back(used=True)
    assert await allowance.take() is False


async def test_what_azure_refused_does_not_count() -> None:
    allowance = Allowance(1)
    for _ in range(3):
        assert await allowance.take() is True
        await allowance.give_back(used=False)
    assert await allowance.take() is True


def test_without_a_release_nothing_ends() -> None:
    assert Allowance(1).seconds_left(NOW) == math.inf


def test_a_release_ends_at_its_moment() -> None:
    allowance = Allowance(until=NOW)
    assert allowance.seconds_left(NOW - timedelta(seconds=1)) == 1
    assert allowance.seconds_left(NOW) == 0


async def test_a_limit_of_none_lets_nothing_through() -> None:
    assert await Allowance(0).take() is False


async def test_who_comes_while_the_last_is_under_way_waits_for_what_becomes_of_it(
    clock: VirtualClock,
) -> None:
    allowance = Allowance(1)
    await allowance.take()
    second = asyncio.ensure_future(allowance.take())
    await clock.sleep(10)
    assert not second.done()
    await allowance.give_back(used=False)
    assert await second is True


async def test_who_waited_is_refused_once_the_last_was_used(clock: VirtualClock) -> None:
    allowance = Allowance(1)
    await allowance.take()
    waiting = [asyncio.ensure_future(allowance.take()) for _ in range(2)]
    await clock.sleep(10)
    await allowance.give_back(used=True)
    assert await asyncio.gather(*waiting) == [False, False]


@given(most=st.integers(0, 5), accepted=st.lists(st.booleans(), max_size=12))
def test_law_never_more_writes_are_accepted_than_allowed_and_none_is_lost(
    most: int, accepted: list[bool]
) -> None:
    """Writers come at once, take a second each, and Azure accepts or refuses them."""
    allowance, clock = Allowance(most), VirtualClock()

    async def write(*, used: bool) -> bool:
        if not await allowance.take():
            return False
        await clock.sleep(1)
        await allowance.give_back(used=used)
        return used

    async def write_all() -> list[bool]:
        return await asyncio.gather(*(write(used=used) for used in accepted))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        written = runner.run(write_all())
    assert sum(written) == min(most, sum(accepted))
