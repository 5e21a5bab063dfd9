"""Calls that lie evenly between two moments: how many there are in a part of the time."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from local_azure import Tenant
from local_azure.clock import START
from local_azure.state.traffic import Calls

MOMENTS = st.datetimes(
    datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)  # noqa: DTZ001
)  # fmt: skip


def calls(count: int, first: datetime, last: datetime) -> Calls:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot")
    return tenant.calls("bot", count, first=first, last=last)


@given(st.integers(1, 50), st.lists(MOMENTS, min_size=2, max_size=2).map(sorted), MOMENTS, MOMENTS)
def test_what_is_counted_is_what_is_listed(
    count: int, ends: list[datetime], begin: datetime, end: datetime
) -> None:
    some = calls(count, *ends)

    assert some.within(begin, end) == len(list(some.times(begin, end)))


@given(st.integers(1, 50), st.lists(MOMENTS, min_size=2, max_size=2).map(sorted), MOMENTS)
def test_two_parts_of_the_time_have_what_the_whole_has(
    count: int, ends: list[datetime], cut: datetime
) -> None:
    some, long = calls(count, *ends), timedelta(days=800)

    assert some.within(cut - long, cut) + some.within(cut, cut + long) == count


@given(st.integers(1, 50), st.lists(MOMENTS, min_size=2, max_size=2).map(sorted), MOMENTS, MOMENTS)
def test_what_is_listed_lies_in_the_time(
    count: int, ends: list[datetime], begin: datetime, end: datetime
) -> None:
    assert all(begin <= at < end for at in calls(count, *ends).times(begin, end))


def test_calls_are_with_a_key_and_of_the_last_thirty_days_unless_said_otherwise() -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot")
    tenant.calls("bot", 5)
    (found,) = tenant.traffic.of(account.id)

    assert found.caller is None
    assert found.first == START - timedelta(days=30)
    assert found.last == START - timedelta(hours=1)
