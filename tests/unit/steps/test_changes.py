"""The change log is read from Resource Graph, for a minute at most; what was not read is said."""

from datetime import timedelta

from shared.core.change_log import ChangeLog
from shared.core.errors import NoRole
from shared.core.model import KeyChange, Turned
from shared.steps.changes import ChangeReader
from tests.support.builders import NOW, a_change
from tests.support.fake_sweeps import HOME, OTHER, THIRD
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.sessions import PersonsGraph

ON, OFF = a_change(Turned.ON, NOW - timedelta(hours=1)), a_change(Turned.OFF)
BOT = ON.account.key


async def read(tenant: FakeTenant, *subscriptions: str) -> ChangeLog:
    return await ChangeReader(tenant.graph, tenant.clock, tenant.arm).read(subscriptions)


def log_of(*changes: KeyChange | str) -> FakeTenant:
    return FakeTenant(changes=list(changes))


async def test_changes_are_read_by_account_the_oldest_first() -> None:
    log = await read(log_of(OFF, ON), HOME)
    assert log.by_account == {BOT: [ON, OFF]}
    assert not log.unread


async def test_changes_of_one_moment_are_ordered_by_their_ids() -> None:
    second, first = a_change(Turned.ON, id="b"), a_change(Turned.OFF, id="a")
    assert (await read(log_of(second, first), HOME)).by_account[BOT] == [first, second]


async def test_a_change_that_two_queries_show_is_one() -> None:
    assert (await read(log_of(ON, ON), HOME)).by_account == {BOT: [ON]}


async def test_a_row_that_lacks_something_is_counted_and_the_others_are_kept() -> None:
    log = await read(log_of("no moment", ON, "no account"), HOME)
    assert log.lacking == 2
    assert log.by_account == {BOT: [ON]}


async def test_every_subscription_is_asked_about() -> None:
    tenant = FakeTenant(batch_size=1)
    await read(tenant, HOME, OTHER, THIRD)
    assert tenant.asked == [("own ids", ""), *(("changes", name) for name in (HOME, OTHER, THIRD))]


async def test_for_a_person_what_they_edited_says_nothing_of_the_flag() -> None:
    tenant = log_of(ON)
    log = await ChangeReader(PersonsGraph(tenant), tenant.clock).read([HOME])
    assert tenant.times("own ids") == 0
    assert not log.unread


async def test_with_no_subscription_nothing_is_asked_and_the_log_is_unread() -> None:
    tenant = FakeTenant()
    assert await read(tenant) == ChangeLog({}, "no subscription could be read")
    assert tenant.asked == []


async def test_a_log_that_could_not_all_be_read_says_why_and_keeps_what_was_read() -> None:
    tenant = FakeTenant(changes=[ON], batch_size=1)
    for name in (OTHER, THIRD):
        tenant.meanwhile("changes", name, [an_error()])
    log = await read(tenant, HOME, OTHER, THIRD)
    assert log.unread == str(an_error())
    assert log.by_account == {BOT: [ON]}
    assert log.read_at is None


async def test_without_knowing_who_we_are_nothing_is_asked() -> None:
    tenant = FakeTenant()
    tenant.meanwhile("own ids", "", [an_error(NoRole, 403)])
    assert (await read(tenant, HOME)).unread == str(an_error(NoRole, 403))
    assert tenant.times("changes") == 0


async def test_a_query_is_given_a_minute() -> None:
    tenant = log_of(ON)
    tenant.meanwhile("changes", HOME, [59])
    log = await read(tenant, HOME)
    assert log.unread == ""
    assert log.by_account == {BOT: [ON]}


async def test_a_query_that_takes_longer_is_given_up_and_said_to_be() -> None:
    tenant = log_of(ON)
    tenant.meanwhile("changes", HOME, [61])
    assert (await read(tenant, HOME)).unread == ("Querying Resource Graph: no answer within 60 s")
    assert tenant.clock.monotonic() == 60
