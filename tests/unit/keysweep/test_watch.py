"""Progress says what discovery has read, whoever showed it, and counts nothing twice."""

from keysweep.watch import Tally, watched
from tests.support.builders import an_account
from tests.support.fake_tenant import FakeTenant
from tests.support.sessions import a_session

BOT = an_account()
SUBSCRIPTION = BOT.id.subscription_id


async def last_said(tenant: FakeTenant) -> str:
    texts: list[str] = []

    def note(tally: Tally) -> None:
        texts.append(str(tally))

    await watched(a_session(tenant).parts.discovery(), note).discover()
    return texts[-1]


async def test_what_resource_graph_counts_is_said() -> None:
    tenant = FakeTenant.of(BOT, an_account("off", keys_on=False))
    assert await last_said(tenant) == ("1 subscriptions listed, 1 read: 2 accounts, 1 with keys on")


async def test_what_arm_alone_shows_is_said() -> None:
    bots = [an_account(f"bot-{number}") for number in range(5)]
    tenant = FakeTenant.of(*bots, unshown={SUBSCRIPTION})
    assert await last_said(tenant) == ("1 subscriptions listed, 1 read: 5 accounts, 5 with keys on")
