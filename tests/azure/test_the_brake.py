"""More changes than the limit are held, trickled or released; ENFORCE_FROM gives notice.

tests/unit has what is said of it; here the judge is the server, over several sweeps.
"""

from datetime import timedelta

import pytest

from local_azure.clock import START
from shared.core.model import Result
from tests.support.contoso import keys_on, several, written
from tests.support.real_sweeps import process, sweep, tick
from tests.support.serving import Serve

QUARTER = 15 * 60
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@pytest.mark.parametrize("way", ["BRAKE=trickle", "BRAKE_RELEASE_UNTIL"])
async def test_all_are_held_and_the_settings_that_the_forecast_prints_let_them_through(
    serve: Serve, way: str
) -> None:
    azure = serve(several(4))
    swept = await sweep(azure, MAX_CHANGES_PER_SWEEP="2")
    assert azure.writes == ()
    assert swept.whole, "a brake is a deliberate no: it is alerted by its event, and not red"
    forecast = swept.events("BrakeEngaged")[0]["brake"]
    words = (word.strip("();") for word in forecast.split())
    (setting,) = [word for word in words if word.startswith(way)]
    name, _, value = setting.partition("=")

    for _ in range(2):
        azure.clock.advance(QUARTER)
        await sweep(azure, MAX_CHANGES_PER_SWEEP="2", **{name: value})

    assert keys_on(azure) == set()


async def test_trickle_makes_that_many_accepted_writes_a_sweep(serve: Serve) -> None:
    azure = serve(several(7))
    azure.tenant.add_lock(azure.tenant.account("bot-0").id)
    azure.faults.on(method="PATCH", path="*/bot-1", times=1).answer(500, after_acting=True)
    counts = []
    for _ in range(4):
        before = len(azure.writes)
        swept = await sweep(azure, BRAKE="trickle", MAX_CHANGES_PER_SWEEP="2")
        counts.append(len(azure.writes) - before)
        assert list(swept.results.values()).count(Result.DISABLED) == counts[-1]
        azure.clock.advance(QUARTER)

    assert counts == [2, 2, 2, 0]
    assert sorted(written(azure)) == [f"bot-{number}" for number in range(1, 7)]


async def test_a_release_lets_everything_through_and_expires_by_itself(serve: Serve) -> None:
    azure = serve(several(3))
    until = f"{START + timedelta(hours=1):{MOMENT}}"

    async with process(azure, MAX_CHANGES_PER_SWEEP="2", BRAKE_RELEASE_UNTIL=until) as same:
        await tick(same)
        assert keys_on(azure) == set()
        for name in set(written(azure)):
            azure.tenant.enable_keys(name)
        azure.clock.advance(2 * 60 * 60)
        expired = await tick(same)

    assert len(azure.writes) == 3
    assert expired.events("BrakeEngaged")[0]["held"] == 3


async def test_notice_writes_nothing_says_when_in_every_event_and_enforces_at_the_moment(
    serve: Serve,
) -> None:
    azure = serve(several(2))
    begins = START + timedelta(hours=1)

    async with process(azure, ENFORCE_FROM=f"{begins:{MOMENT}}") as same:
        azure.clock.advance(3599)
        notice = await tick(same)
        assert azure.writes == ()
        azure.clock.advance((begins - azure.now()).total_seconds())
        enforced = await tick(same)

    assert {event.get("enforceFrom") for event in notice.events()} == {begins.isoformat()}
    assert set(notice.results.values()) == {Result.WOULD_DISABLE}
    assert keys_on(azure) == set()
    assert {event.get("enforceFrom") for event in enforced.events()} == {None}
