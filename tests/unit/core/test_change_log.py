"""The change log: who turned keys on or off, which flips are counted, and what is a patch war."""

from datetime import datetime, timedelta

from shared.core.change_log import ChangeLog
from shared.core.model import KeyChange, Turned
from tests.support.builders import NOW, a_change

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
