"""The change log: who turned keys on or off, patch wars, and what could not be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.core.change_log import ChangeLog
from shared.core.errors import AzureError, NoRole
from shared.core.model import Answer, KeyChange, Turned
from shared.steps.changes import ChangeReader
from tests.support.builders import NOW, a_change
from tests.support.virtual_time import VirtualClock

ON, OFF, CREATED = Turned.ON, Turned.OFF, Turned.CREATED


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def log_of(*changes: KeyChange) -> ChangeLog:
    by_account: dict[str, list[KeyChange]] = {}
    for change in changes:
        by_account.setdefault(change.account.key, []).append(change)
    return ChangeLog(by_account)


def turned(*turns: Turned, name: str = "bot") -> list[KeyChange]:
    """Return so many changes an hour apart, the last of them now."""
    hours = range(len(turns) - 1, -1, -1)
    return [a_change(turn, ago(hour), name) for turn, hour in zip(turns, hours, strict=True)]


BOT = a_change(ON).account.key


def test_who_turned_keys_on_last_is_who_let_them_in() -> None:
    first, _, third, _ = changes = turned(ON, OFF, ON, OFF)
    assert log_of(*changes).last_on(BOT) is third
    assert log_of(first).last_on(BOT) is first


def test_who_created_an_account_let_keys_in_unless_they_were_turned_on_since() -> None:
    created, _ = turned(CREATED, OFF)
    assert log_of(created).last_on(BOT) is created
    _, on = changes = turned(CREATED, ON)
    assert log_of(*changes).last_on(BOT) is on


def test_nobody_let_keys_in_of_whom_the_log_knows_nothing() -> None:
    assert log_of(*turned(OFF)).last_on(BOT) is None
    assert log_of().last_on(BOT) is None


def test_a_flip_is_a_change_that_turned_the_keys() -> None:
    assert log_of(*turned(ON, OFF, ON)).flips(BOT) == 3
    assert log_of().flips(BOT) == 0


def test_a_change_that_left_the_keys_as_they_were_is_no_flip() -> None:
    assert log_of(*turned(ON, ON, OFF, OFF)).flips(BOT) == 2


def test_a_creation_is_no_flip_and_what_follows_it_is_one() -> None:
    assert log_of(*turned(CREATED)).flips(BOT) == 0
    assert log_of(*turned(CREATED, OFF)).flips(BOT) == 1


def test_an_account_that_was_created_again_begins_anew() -> None:
    assert log_of(*turned(OFF, CREATED, OFF)).flips(BOT) == 2


def test_what_turned_keys_since_a_moment_is_told_and_the_moment_counts() -> None:
    _, second, third = changes = turned(ON, OFF, ON)
    assert list(log_of(*changes).since(ago(1))) == [second, third]


def test_changes_of_all_accounts_are_told_the_oldest_first() -> None:
    mine, yours = a_change(ON, ago(1)), a_change(ON, ago(2), "agent")
    assert list(log_of(mine, yours).since(ago(3))) == [yours, mine]


def test_changes_of_one_moment_are_told_by_their_ids() -> None:
    mine, yours = a_change(ON, NOW, id="b"), a_change(ON, NOW, "agent", id="a")
    assert list(log_of(mine, yours).since(ago(1))) == [yours, mine]


def test_three_flips_are_a_war_between_the_last_of_each_side() -> None:
    _, off, on = changes = turned(ON, OFF, ON)
    assert log_of(*changes).wars() == {BOT: (on, off)}


def test_two_flips_are_no_war() -> None:
    assert log_of(*turned(ON, OFF)).wars() == {}


def test_what_one_side_does_again_and_again_is_no_war() -> None:
    changes = turned(OFF, CREATED, OFF, CREATED, OFF)
    assert log_of(*changes).flips(BOT) == 3
    assert log_of(*changes).wars() == {}


def test_a_war_is_about_its_own_account() -> None:
    log = log_of(*turned(ON, OFF), *turned(ON, name="agent"))
    assert log.wars() == {}


def test_a_log_that_was_read_says_nothing_of_problems() -> None:
    log = ChangeLog({})
    assert log.unread == ""
    assert log.lacking == 0


# Reading it


@dataclass
class Queries:
    """Resource Graph's change log: rows by subscription, the query taking so long."""

    rows: dict[str, list[KeyChange | str]]
    clock: VirtualClock
    seconds: float = 0
    unread: Mapping[str, str] = field(default_factory=dict)
    asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)

    async def key_changes(
        self, subscriptions: Sequence[str], own_ids: Sequence[str]
    ) -> Answer[KeyChange | str]:
        """Return the rows of these subscriptions, and why the others are unread."""
        self.asked.append((tuple(subscriptions), tuple(own_ids)))
        await self.clock.sleep(self.seconds)
        rows = (row for name in subscriptions for row in self.rows.get(name, []))
        return Answer(tuple(rows), self.unread)


@dataclass
class Identity:
    """Who we are, or why nobody can say."""

    problem: AzureError | None = None

    async def own_ids(self) -> Sequence[str]:
        """Return both ids, or fail."""
        if self.problem is not None:
            raise self.problem
        return ["object", "application"]


def reader(queries: Queries, problem: AzureError | None = None) -> ChangeReader:
    return ChangeReader(queries, queries.clock, Identity(problem))


async def test_changes_are_read_by_account_the_oldest_first(clock: VirtualClock) -> None:
    on, off = turned(ON, OFF)
    log = await reader(Queries({"s": [off, on]}, clock)).read(["s"])
    assert log.by_account == {BOT: [on, off]}
    assert not log.unread


async def test_changes_of_one_moment_are_ordered_by_their_ids(clock: VirtualClock) -> None:
    second, first = a_change(ON, id="b"), a_change(OFF, id="a")
    log = await reader(Queries({"s": [second, first]}, clock)).read(["s"])
    assert log.by_account[BOT] == [first, second]


async def test_a_change_that_two_queries_show_is_one(clock: VirtualClock) -> None:
    (on,) = turned(ON)
    log = await reader(Queries({"s": [on], "t": [on]}, clock)).read(["s", "t"])
    assert log.by_account == {BOT: [on]}


async def test_a_row_that_lacks_something_is_counted_and_the_others_are_kept(
    clock: VirtualClock,
) -> None:
    (on,) = turned(ON)
    log = await reader(Queries({"s": ["no moment", on, "no account"]}, clock)).read(["s"])
    assert log.lacking == 2
    assert log.by_account == {BOT: [on]}


async def test_every_subscription_is_asked_about_with_our_own_ids(
    clock: VirtualClock,
) -> None:
    queries = Queries({}, clock)
    await reader(queries).read(["s", "t", "u"])
    ids = ("object", "application")
    assert queries.asked == [(("s", "t", "u"), ids)]


async def test_for_a_person_what_they_edited_says_nothing_of_the_flag(clock: VirtualClock) -> None:
    queries = Queries({}, clock)
    log = await ChangeReader(queries, clock).read(["s"])
    assert queries.asked == [(("s",), ())]
    assert not log.unread


async def test_with_no_subscription_nothing_is_asked_and_the_log_is_unread(
    clock: VirtualClock,
) -> None:
    queries = Queries({}, clock)
    log = await reader(queries).read([])
    assert log == ChangeLog({}, "no subscription could be read")
    assert queries.asked == []


async def test_a_log_that_could_not_all_be_read_says_why_and_keeps_what_was_read(
    clock: VirtualClock,
) -> None:
    (on,) = turned(ON)
    queries = Queries({"s": [on]}, clock, unread={"t": "503: Busy.", "u": "503: Busy."})
    log = await reader(queries).read(["s", "t", "u"])
    assert log.unread == "503: Busy."
    assert log.by_account == {BOT: [on]}
    assert log.read_at is None


async def test_without_knowing_who_we_are_nothing_is_asked(clock: VirtualClock) -> None:
    queries = Queries({}, clock)
    problem = NoRole("Reading", "the identity", code="403", message="No.")
    log = await reader(queries, problem).read(["s"])
    assert log.unread == str(problem)
    assert queries.asked == []


async def test_a_query_is_given_a_minute(clock: VirtualClock) -> None:
    (on,) = turned(ON)
    log = await reader(Queries({"s": [on]}, clock, seconds=59)).read(["s"])
    assert log.unread == ""
    assert log.by_account == {BOT: [on]}


async def test_a_query_that_takes_longer_is_given_up_and_said_to_be(clock: VirtualClock) -> None:
    queries = Queries({}, clock, seconds=61)
    log = await reader(queries).read(["s"])
    assert log.unread == "Querying Resource Graph: no answer within 60 s"
    assert clock.monotonic() == 60
