"""Since when a drift is open: exactly, or at least, and never longer than it truly is."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.change_log import KEPT, LAG, ChangeLog, keys_on_since, since_lapse
from shared.core.model import (
    Account,
    AtLeast,
    Decision,
    Disagreement,
    Exactly,
    Inventory,
    KeyChange,
    Lapsed,
    NotExempt,
    NotKnown,
    OpenSince,
    Source,
    Turned,
    Verdict,
)
from tests.support.builders import (
    NOW,
    SUBSCRIPTION_ID,
    TAG,
    a_change,
    a_coverage,
    a_decision,
    a_subscription,
    an_account,
)

HOME = SUBSCRIPTION_ID
BOT = an_account().id


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def bot(changed_at: datetime | None = None) -> Account:
    return an_account(changed_at=changed_at)


def log_of(*changes: KeyChange, read_at: datetime | None = NOW, **more: Any) -> ChangeLog:
    by_account = {BOT.key: changes} if changes else {}
    return ChangeLog(by_account, read_at=read_at, **{"shown": frozenset({HOME}), **more})


def drift(account: Account, exemption: NotExempt | Lapsed) -> Decision:
    return Decision(account, Verdict.DRIFT, exemption, "")


# What the log shows


@pytest.mark.parametrize("turned", [Turned.ON, Turned.CREATED])
def test_the_last_change_that_let_keys_in_says_it_exactly(turned: Turned) -> None:
    log = log_of(
        a_change(Turned.ON, ago(days=9)),
        a_change(Turned.OFF, ago(days=5)),
        a_change(turned, ago(days=3)),
    )
    assert keys_on_since(bot(), log) == Exactly(ago(days=3))


def test_keys_that_went_on_after_all_that_the_log_shows_are_on_for_no_time_that_it_knows() -> None:
    log = log_of(a_change(Turned.ON, ago(days=9)), a_change(Turned.OFF, ago(hours=1)))
    assert keys_on_since(bot(), log) == NotKnown()
    assert keys_on_since(bot(ago(minutes=2)), log) == AtLeast(ago(minutes=2))


def test_of_two_changes_to_on_in_a_row_the_second_says_at_least() -> None:
    log = log_of(a_change(Turned.ON, ago(days=9)), a_change(Turned.ON, ago(days=3)))
    assert keys_on_since(bot(), log) == AtLeast(ago(days=3))


def test_so_do_they_whatever_came_before() -> None:
    log = log_of(
        a_change(Turned.OFF, ago(days=9)),
        a_change(Turned.ON, ago(days=5)),
        a_change(Turned.ON, ago(days=3)),
    )
    assert keys_on_since(bot(), log) == AtLeast(ago(days=3))


def test_an_account_that_changed_after_all_that_the_log_can_show_is_open_at_least_since_then() -> (
    None
):
    log = log_of(a_change(Turned.ON, ago(days=3)))
    assert keys_on_since(bot(ago(minutes=2)), log) == AtLeast(ago(minutes=2))
    assert keys_on_since(bot(ago(hours=2)), log) == Exactly(ago(days=3))


def test_a_change_that_the_log_shows_already_is_exact_however_young() -> None:
    log = log_of(a_change(Turned.ON, ago(minutes=2)))
    assert keys_on_since(bot(ago(minutes=2)), log) == Exactly(ago(minutes=2))


# What it is silent about


def test_a_silent_log_says_at_least_all_the_time_that_it_keeps() -> None:
    assert keys_on_since(bot(), log_of()) == AtLeast(NOW - KEPT)
    assert keys_on_since(bot(ago(days=2)), log_of()) == AtLeast(NOW - KEPT)


def test_a_last_change_that_is_older_than_what_the_log_keeps_says_more() -> None:
    assert keys_on_since(bot(ago(days=200)), log_of()) == AtLeast(ago(days=200))


def test_silence_about_a_subscription_that_resource_graph_did_not_show_says_nothing() -> None:
    log = log_of(shown=frozenset())
    assert keys_on_since(bot(ago(days=2)), log) == AtLeast(ago(days=2))
    assert keys_on_since(bot(), log) == NotKnown()


def test_silence_says_nothing_of_the_last_minutes() -> None:
    assert keys_on_since(bot(ago(minutes=2)), log_of()) == AtLeast(ago(minutes=2))


def test_a_log_that_was_not_read_leaves_what_the_account_says() -> None:
    log = log_of(a_change(Turned.ON, ago(days=3)), read_at=None)
    assert keys_on_since(bot(ago(days=2)), log) == AtLeast(ago(days=2))
    assert keys_on_since(bot(), log) == NotKnown()


def test_the_log_is_not_believed_about_an_account_that_resource_graph_has_wrong() -> None:
    log = log_of(a_change(Turned.CREATED, ago(days=3)), wrong_about=frozenset({BOT.key}))
    assert keys_on_since(bot(ago(hours=1)), log) == AtLeast(ago(hours=1))


def test_the_inventory_says_what_resource_graph_showed_and_what_it_had_wrong() -> None:
    seen, hidden = a_subscription(1), a_subscription(2)
    inventory = Inventory(
        coverage=(a_coverage(seen, Source.GRAPH), a_coverage(hidden, Source.ARM)),
        accounts=(),
        gaps=(),
        disagreements=(Disagreement(bot(), "off, or absent", "on"),),
    )

    log = ChangeLog({}).held_against(inventory)

    assert log.shown == {seen.id}
    assert log.wrong_about == {BOT.key}


# A lapsed exemption

LAST_DAY = date(2026, 11, 20)
LAPSED = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("keys_on", "opened"),
    [
        (Exactly(LAPSED - timedelta(days=7)), Exactly(LAPSED)),
        (Exactly(LAPSED + timedelta(days=2)), Exactly(LAPSED + timedelta(days=2))),
        (AtLeast(LAPSED - timedelta(days=7)), Exactly(LAPSED)),
        (AtLeast(LAPSED), Exactly(LAPSED)),
        (AtLeast(LAPSED + timedelta(days=2)), AtLeast(LAPSED + timedelta(days=2))),
        (NotKnown(), NotKnown()),
    ],
)
def test_a_drift_is_open_from_the_day_after_its_exemptions_last_at_the_earliest(
    keys_on: OpenSince, opened: OpenSince
) -> None:
    assert since_lapse(keys_on, LAST_DAY) == opened


def test_an_exemption_that_lapsed_counts_and_one_that_never_was_does_not() -> None:
    log = log_of(a_change(Turned.ON, ago(days=9)))
    assert log.open_since(drift(bot(), Lapsed(LAST_DAY)), NOW) == Exactly(LAPSED)
    assert log.open_since(drift(bot(), NotExempt()), NOW) == Exactly(ago(days=9))


def test_a_tag_that_says_no_is_no_exemption_that_lapsed() -> None:
    decision = a_decision(tags={TAG: "no"})
    log = log_of(a_change(Turned.ON, ago(days=3)))
    assert log.open_since(decision, NOW) == Exactly(ago(days=3))


# The laws

moments = st.integers(0, 30 * 24 * 3600).map(lambda seconds: ago(seconds=seconds))
turned = st.sampled_from(Turned)
logs = st.builds(
    lambda found, read_at, shown, wrong: log_of(
        *(a_change(what, at) for at, what in sorted(found, key=lambda pair: pair[0])),
        read_at=read_at,
        shown=frozenset({HOME} if shown else ()),
        wrong_about=frozenset({BOT.key} if wrong else ()),
    ),
    st.lists(st.tuples(moments, turned), max_size=4),
    st.none() | moments,
    st.booleans(),
    st.booleans(),
)
exemptions = st.builds(NotExempt, st.booleans()) | st.builds(
    Lapsed, st.dates(date(2026, 10, 1), date(2026, 11, 23))
)


@given(logs, st.none() | moments, exemptions, moments)
def test_no_drift_is_open_since_a_moment_to_come(
    log: ChangeLog, changed_at: datetime | None, exemption: NotExempt | Lapsed, now: datetime
) -> None:
    opened = log.open_since(drift(bot(changed_at), exemption), now)
    assert isinstance(opened, NotKnown) or opened.since <= now


@given(logs, st.none() | moments)
def test_a_log_that_was_not_read_never_gives_an_exact_answer(
    log: ChangeLog, changed_at: datetime | None
) -> None:
    unread = log_of(*log.by_account.get(BOT.key, ()), read_at=None)
    assert not isinstance(keys_on_since(bot(changed_at), unread), Exactly)


@given(logs, moments)
def test_an_account_that_says_when_it_was_last_changed_is_never_of_unknown_age(
    log: ChangeLog, changed_at: datetime
) -> None:
    assert keys_on_since(bot(changed_at), log) != NotKnown()


@st.composite
def flips(draw: st.DrawFn) -> tuple[list[KeyChange], datetime]:
    """Let an account's keys go on and off, and on in the end; say since when they are on.

    It may be created in this time, and more than once. Where somebody turned them off, the change
    log may lack it: a property that appears for the first time is not listed.
    """
    history: list[KeyChange] = []
    keys_on, since = draw(st.booleans()), NOW
    number = draw(st.integers(1, 5))
    at = sorted(draw(st.lists(moments, min_size=number, max_size=number, unique=True)))
    for moment in at:
        last = moment == at[-1]
        created = (last and keys_on) or draw(st.booleans())
        keys_on = last or (draw(st.booleans()) if created else not keys_on)
        since = moment
        flip = Turned.ON if keys_on else Turned.OFF
        if flip is not Turned.OFF or created or draw(st.booleans()):
            history.append(a_change(Turned.CREATED if created else flip, moment))
    return history, since


@st.composite
def histories(draw: st.DrawFn) -> tuple[ChangeLog, Account, datetime]:
    """Say what Azure shows of such a history: the change log, and the account.

    The log is behind by up to ten minutes, and keeps 14 days. Resource Graph may show nothing of
    the subscription, or have lost the last change for good: ARM shows the account then, and says
    when it was last changed, be it in another way.
    """
    history, on_since = draw(flips())
    last = history[-1].at
    read_at = draw(st.sampled_from([NOW, ago(minutes=15)]))
    # Of the last minutes before it is read Resource Graph knows nothing: that is overlooked.
    graph_shows = draw(st.booleans()) and last <= read_at - LAG
    lost = draw(st.booleans()) and not graph_shows
    lag = timedelta(seconds=draw(st.integers(0, int(LAG.total_seconds()))))
    visible = [
        record
        for record in (history[:-1] if lost else history)
        if read_at - KEPT < record.at <= read_at - lag
    ]
    changed_at = max(last, draw(moments))
    log = ChangeLog(
        {BOT.key: visible} if visible else {},
        read_at=read_at,
        shown=frozenset({HOME} if graph_shows else ()),
        wrong_about=frozenset({BOT.key} if lost else ()),
    )
    return log, bot(None if graph_shows else changed_at), on_since


@given(histories())
def test_no_drift_is_said_to_be_older_than_it_is_and_exactly_means_it(
    story: tuple[ChangeLog, Account, datetime],
) -> None:
    log, account, truly = story
    match log.open_since(drift(account, NotExempt()), NOW):
        case Exactly(since):
            assert since == truly
        case AtLeast(since):
            assert since >= truly
        case NotKnown():
            assert account.changed_at is None


@given(histories(), st.dates(date(2026, 10, 1), date(2026, 11, 23)))
def test_nor_is_one_whose_exemption_lapsed(
    story: tuple[ChangeLog, Account, datetime], until: date
) -> None:
    log, account, truly = story
    lapsed = datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(days=1)
    match log.open_since(drift(account, Lapsed(until)), NOW):
        case Exactly(since):
            assert since == max(truly, lapsed)
        case AtLeast(since):
            assert since >= max(truly, lapsed)
        case NotKnown():
            assert account.changed_at is None
