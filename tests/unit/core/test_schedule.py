"""NCRONTAB on the strict side: what the host refuses, and what it reads unlike a person would."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.schedule import Schedule

NOW = datetime(2026, 11, 24, 9, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("0 */15 * * * *", datetime(2026, 11, 24, 9, 15, tzinfo=UTC)),
        ("*/15 * * * *", datetime(2026, 11, 24, 9, 15, tzinfo=UTC)),
        ("  30  0 6  * * Mon-Fri ", datetime(2026, 11, 25, 6, 0, 30, tzinfo=UTC)),
        ("0 0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ("0 5,10 3 1 jan,JUL *", datetime(2027, 1, 1, 3, 5, tzinfo=UTC)),
        ("0 0 0 1 * 1", datetime(2027, 2, 1, tzinfo=UTC)),
        ("31 7 9 * * *", datetime(2026, 11, 24, 9, 7, 31, tzinfo=UTC)),
        ("0 10/20 * * * *", datetime(2026, 11, 24, 9, 10, tzinfo=UTC)),
        ("8,1 8 9 * * *", datetime(2026, 11, 24, 9, 8, 1, tzinfo=UTC)),
        ("* * * * * *", datetime(2026, 11, 24, 9, 7, 31, tzinfo=UTC)),
    ],
)
def test_a_good_schedule_says_when_it_fires_next(text: str, following: datetime) -> None:
    assert Schedule.parse(text).next_after(NOW) == following


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "00:15:00",
        "5",
        "@daily",
        "0\t0 0 * * *",
        "0 0 0 0 * *",
        "0 */0 * * * *",
        "0 */100 * * * *",
        "0 */5/2 * * * *",
        "0 5-1 * * * *",
        "0 0 0 * * Monday",
        "0 0 0 * M *",
        "0 0 0 L * *",
        "0 0 0 ? * *",
        "0 ,5 * * * *",
        "0 +5 * * * *",
        "0 -5 * * * *",
        "0 99999999999 * * * *",
        "0 ٣ * * * *",
        "0 1-3-5 * * * *",
    ],
)
def test_what_the_host_refuses_or_misreads_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        Schedule.parse(text)


@pytest.mark.parametrize("text", ["0 0 0 30 2 *", "0 0 0 31 4 *", "0 0 0 31 2,4,6,9,11 *"])
def test_a_day_that_never_comes_is_refused_though_the_host_takes_it(text: str) -> None:
    with pytest.raises(ValueError, match="never fires"):
        Schedule.parse(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("* * *", "it has 3 fields"),
        ("0 0 0 * * * 2027", "it has 7 fields"),
        ("60 * * * * *", "'60' is nothing that the second can be"),
        ("0 60 * * * *", "'60' is nothing that the minute can be"),
        ("0 0 24 * * *", "'24' is nothing that the hour can be"),
        ("0 0 0 32 * *", "'32' is nothing that the day can be"),
        ("0 0 0 * 13 *", "'13' is nothing that the month can be"),
        ("0 0 0 * * 7", "'7' is nothing that the day of the week can be"),
        ("0 */61 * * * *", "'\\*/61' is no step for the minute"),
        ("0 0 0 */32 * *", "'\\*/32' is no step for the day"),
        ("0 */ * * * *", "'\\*/' is no step for the minute"),
        ("0 0 0 * * Fri-Mon", "'Fri-Mon' runs backwards"),
    ],
)
def test_what_is_wrong_is_said(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Schedule.parse(text)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("59 59 23 31 12 *", [{59}, {59}, {23}, {31}, {12}, set(range(7))]),
        ("0 0 0 1 1 *", [{0}, {0}, {0}, {1}, {1}, set(range(7))]),
        ("0 0 0 * * 0", [{0}, {0}, {0}, set(range(1, 32)), set(range(1, 13)), {0}]),
        ("0 0 0 * * 6", [{0}, {0}, {0}, set(range(1, 32)), set(range(1, 13)), {6}]),
        ("* * * 1 1 *", [set(range(60)), set(range(60)), set(range(24)), {1}, {1}, set(range(7))]),
        ("*/60 */20 */24 1-5/2 */12 */7", [{0}, {0, 20, 40}, {0}, {1, 3, 5}, {1}, {0}]),
        ("*/1 0 0 1 1 *", [set(range(60)), {0}, {0}, {1}, {1}, set(range(7))]),
        ("50/5 55/60 0 1 1 *", [{50, 55}, {55}, {0}, {1}, {1}, set(range(7))]),
        ("1,3-4 0 0 1 1 2-2,4", [{1, 3, 4}, {0}, {0}, {1}, {1}, {2, 4}]),
    ],
)
def test_fields_are_read_as_the_host_reads_them(text: str, fields: list[set[int]]) -> None:
    assert [set(field) for field in Schedule.parse(text).fields] == fields


def test_a_number_of_many_digits_is_called_what_any_other_is() -> None:
    with pytest.raises(ValueError, match="is nothing that the second can be"):
        Schedule.parse(f"{'9' * 5000} * * * * *")


def test_every_month_and_every_day_of_the_week_has_its_name() -> None:
    months = "jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec"
    days = "sun,mon,tue,wed,thu,fri,sat"
    schedule = Schedule.parse(f"0 0 0 1 {months} {days}")
    assert schedule.fields[4] == set(range(1, 13))
    assert schedule.fields[5] == set(range(7))


def test_a_schedule_keeps_what_the_deployer_wrote_and_shows_no_more() -> None:
    schedule = Schedule.parse("0 */15 * * * *")
    assert schedule.text == "0 */15 * * * *"
    assert repr(schedule) == "Schedule(text='0 */15 * * * *')"


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("0 */15 * * * *", timedelta(minutes=15)),
        ("* * * * * *", timedelta(seconds=1)),
        ("0 0 6 * * *", timedelta(days=1)),
        ("0 0 0 1 1 *", timedelta(days=365)),
        ("0 0 0 29 2 *", timedelta(days=4 * 365 + 1)),
    ],
)
def test_the_interval_is_that_of_the_next_two_firings(text: str, interval: timedelta) -> None:
    assert Schedule.parse(text).interval == interval


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("0 */15 * * * *", timedelta(minutes=15)),
        ("0 0 8-18 * * *", timedelta(hours=14)),
        ("0 0 6 * * 1-5", timedelta(days=3)),
        ("0 0 6 1 * *", timedelta(days=31)),
        ("0 0,50 * * * *", timedelta(minutes=50)),
    ],
)
def test_the_longest_gap_counts_nights_weekends_and_months(text: str, gap: timedelta) -> None:
    assert Schedule.parse(text).longest_gap == gap


def test_a_schedule_that_fires_but_once_in_five_years_has_those_for_its_interval() -> None:
    # 29 February is a Sunday in 2032, and then in 2060.
    assert Schedule.parse("0 0 0 29 2 0").interval == timedelta(days=5 * 366)


def test_what_fires_later_than_in_five_years_does_not_fire() -> None:
    schedule = Schedule.parse("0 0 0 29 2 0")
    assert schedule.next_after(datetime(2027, 2, 24, tzinfo=UTC)) is None
    assert schedule.next_after(datetime(2027, 2, 25, tzinfo=UTC)) == datetime(
        2032, 2, 29, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "moment", "number"),
    [
        ("0 0 0 * * *", datetime(2024, 1, 1, tzinfo=UTC), 0),
        ("0 0 0 * * *", datetime(2024, 1, 2, tzinfo=UTC), 1),
        ("0 0 0 * * *", datetime(2024, 1, 2, 23, 59, 59, tzinfo=UTC), 1),
        ("0 0 0 * * *", datetime(2025, 1, 1, tzinfo=UTC), 366),
        ("0 30 6 * * *", datetime(2024, 1, 1, 6, 29, 59, tzinfo=UTC), -1),
        ("0 30 6 * * *", datetime(2024, 1, 1, 6, 30, tzinfo=UTC), 0),
        ("0,30 0,20 1,2 * * *", datetime(2024, 1, 1, 0, 59, tzinfo=UTC), -1),
        ("0,30 0,20 1,2 * * *", datetime(2024, 1, 1, 1, 0, 29, tzinfo=UTC), 0),
        ("0,30 0,20 1,2 * * *", datetime(2024, 1, 1, 1, 0, 30, tzinfo=UTC), 1),
        ("0,30 0,20 1,2 * * *", datetime(2024, 1, 1, 1, 19, 59, tzinfo=UTC), 1),
        ("0,30 0,20 1,2 * * *", datetime(2024, 1, 1, 1, 20, tzinfo=UTC), 2),
        ("0,30 0,20 1,2 * * *", datetime(2024, 1, 1, 2, 20, 30, tzinfo=UTC), 7),
        ("0,30 0,20 1,2 * * *", datetime(2024, 1, 3, 1, 0, tzinfo=UTC), 16),
        ("0 0 0 * * 2", datetime(2024, 1, 8, 12, tzinfo=UTC), 0),
    ],
)
def test_firings_are_counted_since_2024(text: str, moment: datetime, number: int) -> None:
    assert Schedule.parse(text).number(moment) == number


@pytest.mark.parametrize(
    ("text", "moment"),
    [("0 0 0 * * *", datetime(2024, 1, 2, 1, 59)), ("0 0 12 * * *", datetime(2024, 1, 2, 13, 0))],  # noqa: DTZ001 - a zone below
)
def test_firings_are_counted_in_utc(text: str, moment: datetime) -> None:
    there = timezone(timedelta(hours=2))
    assert Schedule.parse(text).number(moment.replace(tzinfo=there)) == 0


schedules = st.sampled_from(
    ["0 */15 * * * *", "0 0 6 * * *", "10/20 5,35 */7 * * *", "0 0 0 * * Mon", "0 30 12 1 * *"]
).map(Schedule.parse)
moments = st.datetimes(datetime(2024, 2, 1), datetime(2025, 4, 1)).map(  # noqa: DTZ001 - UTC below
    lambda moment: moment.replace(tzinfo=UTC)
)


@given(schedules, moments)
def test_law_the_next_firing_has_the_next_number(schedule: Schedule, moment: datetime) -> None:
    following = schedule.next_after(moment)
    assert following is not None
    assert following > moment
    assert schedule.number(following) == schedule.number(moment) + 1
    assert schedule.number(following - timedelta(microseconds=1)) == schedule.number(moment)


QUARTERS = Schedule.parse("0 */15 * * * *")
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("minutes", "last", "is_first"),
    [
        (0, -15, True),
        (15, 0, False),
        pytest.param(15, -15, True, id="the firing at midnight was missed"),
        pytest.param(1439, 1424, False, id="the last one of the day"),
        pytest.param(0, None, True, id="at midnight, and nothing is known of the one before"),
        pytest.param(14, None, True, id="late"),
        pytest.param(15, None, False, id="the second one"),
    ],
)
def test_the_first_firing_of_a_day_is_known(
    minutes: int,
    last: int | None,
    is_first: bool,  # noqa: FBT001 - parametrized
) -> None:
    before = None if last is None else MIDNIGHT + last * MINUTE
    assert QUARTERS.is_first_of_day(MIDNIGHT + minutes * MINUTE, before) is is_first


def test_before_the_first_firing_of_a_day_there_is_none() -> None:
    morning = Schedule.parse("0 0 6,18 * * *")
    assert not morning.is_first_of_day(MIDNIGHT + 60 * MINUTE, None)
    assert morning.is_first_of_day(MIDNIGHT + 7 * 60 * MINUTE, None)
    assert not morning.is_first_of_day(MIDNIGHT + 19 * 60 * MINUTE, None)


def test_the_day_is_the_one_of_utc() -> None:
    there = MIDNIGHT.astimezone(timezone(timedelta(hours=9)))
    assert QUARTERS.is_first_of_day(there, MIDNIGHT - MINUTE)
    assert not QUARTERS.is_first_of_day(there + 16 * MINUTE, MIDNIGHT)


@given(schedules, moments)
def test_law_of_the_firings_of_a_day_one_is_the_first(schedule: Schedule, moment: datetime) -> None:
    firing = schedule.next_after(moment)
    assert firing is not None
    following = schedule.next_after(firing)
    assert following is not None
    is_another_day = following.date() > firing.date()
    assert schedule.is_first_of_day(following, firing) is is_another_day
    assert schedule.is_first_of_day(following, None) is is_another_day
