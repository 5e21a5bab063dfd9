"""A lane: how long a request waits, as far as Azure's answers let us know what is left."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.border.pacing import Lane
from tests.support.builders import NOW

READS = "x-ms-ratelimit-remaining-subscription-reads"
QUOTA = "x-ms-user-quota-remaining"
RESETS = "x-ms-user-quota-resets-after"


def told(left: object, name: str = READS, **more: str) -> Mapping[str, str]:
    return {name: str(left), **more}


def a_lane(*answers: tuple[float, int]) -> Lane:
    """Return a lane of which these answers were seen: when, and how many were left."""
    lane = Lane()
    for at, left in answers:
        lane.answered(told(left), at)
    return lane


# What is left


def test_a_lane_of_which_nothing_is_known_lets_everything_leave() -> None:
    assert Lane().wait(0, 100) == 0


def test_an_answer_that_says_nothing_teaches_nothing() -> None:
    lane = Lane()
    lane.answered({"content-type": "application/json", READS: "many"}, 5)
    assert lane.left is None
    assert lane.most == 0
    assert lane.told_at == 0


@pytest.mark.parametrize(
    "headers",
    [
        {READS: "7"},
        {READS.upper(): "7"},
        {"x-ms-ratelimit-remaining-subscription-global-writes": "7"},
        {QUOTA: "7"},
        {QUOTA.upper(): "7"},
        {READS: " 7 "},
        {READS: "7.9"},
        {READS: "12", "x-ms-ratelimit-remaining-tenant-reads": "7"},
        {"x-other": "3", READS: "7"},
    ],
)
def test_the_least_that_any_header_says_is_left(headers: dict[str, str]) -> None:
    lane = Lane()
    lane.answered(headers, 5)
    assert lane.left == 7
    assert lane.told_at == 5


@pytest.mark.parametrize("value", ["-1", "", "1e3", "seven", "٣", "1,2", "7x"])
def test_what_is_no_whole_number_is_left_out_of_account(value: str) -> None:
    lane = Lane()
    lane.answered(told(value), 5)
    assert lane.left is None


def test_a_number_of_400_digits_counts_as_a_thousand_million() -> None:
    lane = Lane()
    lane.answered(told("9" * 400), 5)
    assert lane.left == 10**9


@pytest.mark.parametrize(
    ("digits", "number"),
    [("999999999", 999_999_999), ("1000000000", 10**9), ("9999999999", 10**9)],
)
def test_a_number_counts_for_no_more_than_a_thousand_million(digits: str, number: int) -> None:
    lane = Lane()
    lane.answered(told(digits), 5)
    assert lane.left == number


def test_the_most_is_what_was_left_at_best_and_the_request_that_asked() -> None:
    assert a_lane((0, 99), (1, 50)).most == 100


# Room


def test_three_requests_of_a_bucket_are_left_for_those_whom_we_do_not_see() -> None:
    lane = a_lane((0, 99), (0, 4))
    assert lane.wait(0) == 0
    assert lane.wait(0, 2) > 0


def test_of_a_small_bucket_a_quarter_is_left() -> None:
    lane = a_lane((0, 7), (0, 3))
    assert lane.wait(0) == 0
    assert lane.wait(0, 2) > 0


def test_requests_under_way_take_room() -> None:
    lane = a_lane((0, 99), (0, 10))
    lane.under_way = 6
    assert lane.wait(0) == 0
    lane.under_way = 7
    assert lane.wait(0) > 0


def test_as_many_as_there_is_room_for_may_leave_at_once() -> None:
    lane = a_lane((0, 99), (0, 10))
    assert lane.wait(0, 7) == 0
    assert lane.wait(0, 8) > 0


def test_a_lane_that_fills_up_has_room_again() -> None:
    lane = a_lane((0, 99), (0, 3))
    lane.refill = 2
    lane.under_way = 1
    assert lane.wait(0.5) == pytest.approx(0.5)
    assert lane.wait(1) == 0


def test_a_lane_fills_up_from_when_it_was_told_of() -> None:
    lane = a_lane((100, 99), (100, 3))
    lane.refill, lane.under_way = 0.5, 1
    assert lane.wait(102) == pytest.approx(2)
    assert lane.wait(104) == 0


def test_a_lane_is_never_fuller_than_it_was_at_best() -> None:
    lane = a_lane((0, 9), (0, 9))
    lane.refill = 100
    # The most is 10, and 2 are left for others.
    assert lane.wait(1000, 8) == 0
    lane.under_way = 1
    assert lane.wait(1000, 8) > 0


def test_a_wait_is_for_as_many_as_are_asked_for() -> None:
    lane = a_lane((0, 99), (0, 3))
    lane.refill, lane.under_way = 0.5, 0
    lane.under_way = 1
    assert lane.wait(0, 1) == pytest.approx(4)
    assert lane.wait(0, 3) == pytest.approx(8)


def test_a_wait_is_never_shorter_than_a_twentieth_of_a_second() -> None:
    lane = a_lane((0, 99), (0, 3))
    lane.refill, lane.under_way = 1000, 1
    assert lane.wait(0) == 0.05


def test_a_wait_is_never_longer_than_a_minute() -> None:
    lane = a_lane((0, 99), (0, 3))
    lane.refill, lane.under_way = 0.001, 1
    assert lane.wait(0) == 60


def test_a_lane_that_is_not_known_to_fill_up_is_asked_again_in_a_second() -> None:
    lane = a_lane((0, 99), (0, 3))
    lane.under_way = 1
    assert lane.wait(0) == 1


# Looking again


def test_a_lane_without_room_is_looked_at_a_second_after_it_was_told_of() -> None:
    lane = a_lane((10, 99), (10, 4))
    assert lane.wait(10.9, 2) > 0
    assert lane.wait(11, 2) == 0


def test_one_looks_at_a_time() -> None:
    lane = a_lane((10, 99), (10, 4))
    lane.under_way = 1
    assert lane.wait(11) > 0


def test_a_lane_that_fills_slowly_is_looked_at_when_it_has_filled_by_one() -> None:
    lane = a_lane((0, 99), (0, 1))
    lane.refill = 0.25
    assert lane.wait(3.9) > 0
    assert lane.wait(4) == 0


def test_a_lane_that_fills_very_slowly_is_looked_at_after_a_minute() -> None:
    lane = a_lane((0, 99), (0, 0))
    lane.refill = 0.0001
    assert lane.wait(59.9) > 0
    assert lane.wait(60) == 0


def looks(lane: Lane, count: int) -> None:
    """Look so many times and find none, at the moment 100."""
    for _ in range(count):
        lane.answered(told(0), 100)


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 1), (1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (7, 60), (2000, 60)]
)
def test_each_look_that_finds_none_puts_the_next_off_longer(count: int, seconds: float) -> None:
    lane = a_lane((100, 99), (100, 2))
    lane.looks = 0
    looks(lane, count)
    lane.refill = None
    assert lane.wait(100 + seconds - 0.01) > 0
    assert lane.wait(100 + seconds) == 0


def test_a_look_that_finds_some_begins_anew() -> None:
    lane = a_lane((0, 99), (0, 3), (0, 2))
    assert lane.looks == 2
    lane.answered(told(4), 0)
    assert lane.looks == 0


def test_as_many_as_before_and_in_reserve_is_a_look_that_found_none() -> None:
    assert a_lane((0, 99), (0, 3), (0, 3)).looks == 2


def test_as_many_as_before_and_more_than_the_reserve_is_no_look() -> None:
    assert a_lane((0, 99), (0, 50), (0, 50)).looks == 0


def test_more_than_before_is_no_look_that_found_none() -> None:
    assert a_lane((0, 99), (0, 1), (0, 2)).looks == 0


def test_the_first_answer_is_no_look() -> None:
    assert a_lane((0, 0)).looks == 0


# How fast it fills up


def test_nothing_is_learned_within_a_second() -> None:
    assert a_lane((0, 50), (0.5, 60), (0.9, 70)).refill is None


def test_a_second_is_enough() -> None:
    # Two answers, and nine more than before: eleven came.
    assert a_lane((0, 50), (0.5, 51), (1, 59)).refill == 11


def test_a_rate_is_by_the_second() -> None:
    assert a_lane((0, 50), (4, 57)).refill == 2


def test_a_lane_that_does_not_fill_up_teaches_no_rate() -> None:
    assert a_lane((0, 50), (1, 40)).refill is None


def test_once_known_a_rate_is_the_mean_of_what_was_known_and_what_is_seen() -> None:
    lane = a_lane((0, 99), (10, 50))
    lane.refill = 4
    # Two came in two seconds: 51 left after one taken.
    lane.answered(told(51), 12)
    assert lane.refill == 2.5


def test_a_rate_that_is_seen_no_more_halves() -> None:
    lane = a_lane((0, 99), (10, 50))
    lane.refill = 4
    lane.answered(told(10), 12)
    assert lane.refill == 2


def test_a_full_bucket_hides_how_fast_it_fills_and_so_slows_nothing_down() -> None:
    lane = a_lane((0, 99), (10, 99))
    lane.refill = 4
    lane.answered(told(99), 12)
    assert lane.refill == 4


def test_a_full_bucket_shows_a_rate_that_is_faster_than_what_is_known() -> None:
    lane = a_lane((0, 99), (10, 50))
    lane.refill = 4
    lane.answered(told(99), 12)
    assert lane.refill == 25


def test_a_bucket_that_lacks_one_is_not_full() -> None:
    lane = a_lane((0, 99), (10, 50))
    lane.refill = 4
    lane.answered(told(98), 12)
    assert lane.refill == 14.25


def test_answers_are_counted_from_the_last_rate_on() -> None:
    lane = a_lane((0, 50), (1, 52), (2, 54))
    # Three came in each of the two seconds.
    assert lane.refill == 3


def test_a_rate_is_seen_between_two_answers_not_from_the_beginning() -> None:
    lane = a_lane((0, 99), (1, 50), (2, 50), (3, 60))
    # Others took 49; then one came in a second, and eleven in the next.
    assert lane.refill == 6


# Resource Graph's window


def test_a_quota_that_is_used_up_closes_the_lane_until_its_window_is_over() -> None:
    lane = Lane()
    lane.answered(told(0, QUOTA, **{RESETS: "00:00:05"}), 100)
    assert lane.wait(100) == 5
    assert lane.wait(104) == 1
    assert lane.wait(105) == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:07", 7), ("00:03:00", 180), ("00:59:59", 3599), ("01:00:00", 3600)],
)
def test_a_window_is_in_hours_minutes_and_seconds(text: str, seconds: float) -> None:
    lane = Lane()
    lane.answered(told(0, QUOTA, **{RESETS: text}), 0)
    assert lane.closed_until == seconds


def test_a_window_of_days_closes_the_lane_for_an_hour() -> None:
    lane = Lane()
    lane.answered(told(0, QUOTA, **{RESETS: "48:00:00"}), 100)
    assert lane.closed_until == 3700


def test_a_quota_with_some_left_closes_nothing() -> None:
    lane = Lane()
    lane.answered(told(1, QUOTA, **{RESETS: "00:00:05"}), 100)
    assert lane.closed_until == 0
    assert lane.left == 1


def test_a_window_teaches_no_rate() -> None:
    lane = Lane()
    for at, left in ((0, 5), (2, 15)):
        lane.answered(told(left, QUOTA, **{RESETS: "00:00:05"}), at)
    assert lane.refill is None


def test_a_shorter_window_does_not_open_a_lane_that_is_closed_for_longer() -> None:
    lane = Lane(closed_until=200)
    lane.answered(told(0, QUOTA, **{RESETS: "00:00:05"}), 100)
    assert lane.closed_until == 200


def test_a_window_that_is_over_leaves_nothing_known_of_what_is_left() -> None:
    lane = Lane()
    lane.answered(told(0, QUOTA, **{RESETS: "00:00:05"}), 100)
    assert lane.left is None


# Refusals


def closed_for(headers: Mapping[str, str], refusals: int | None = None) -> float:
    """Return for how long a refusal closes a lane, a new one or one after so many others."""
    lane = Lane() if refusals is None else Lane(refusals=refusals)
    lane.refused(headers, 1000, NOW)
    return lane.closed_until - 1000


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17),
        ({"retry-after": "17.5"}, 17),
        ({"retry-after-ms": "2500"}, 2.5),
        ({"x-ms-retry-after-ms": "2500"}, 2.5),
        ({"retry-after": "3", "retry-after-ms": "9000"}, 9),
        ({"retry-after": "3, 8"}, 8),
        ({"retry-after": "8, 3"}, 8),
        ({RESETS: "00:00:06"}, 6),
        ({"retry-after": "9", RESETS: "00:00:06"}, 9),
        ({"retry-after": "4", RESETS: "00:00:06"}, 6),
        ({"retry-after": "Tue, 24 Nov 2026 09:02:00 GMT"}, 120),
        ({"retry-after": "1"}, 1),
    ],
)
def test_a_refusal_closes_the_lane_for_as_long_as_the_longest_word_says(
    headers: dict[str, str], seconds: float
) -> None:
    assert closed_for(headers) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": "0"},
        {"retry-after": "-5"},
        {"retry-after": "soon"},
        {"retry-after-ms": "999"},
        {RESETS: "soon"},
        {"retry-after": "Tue, 24 Nov 2026 08:00:00 GMT"},
        {"retry-after": "Tue, 99 Nov 2026 08:00:00 GMT"},
    ],
)
def test_a_refusal_without_a_word_closes_it_for_a_second(headers: dict[str, str]) -> None:
    assert closed_for(headers) == 1


@pytest.mark.parametrize(("refusals", "seconds"), [(1, 2), (2, 4), (5, 32), (6, 60), (2000, 60)])
def test_each_refusal_without_a_word_closes_it_for_longer(refusals: int, seconds: float) -> None:
    assert closed_for({}, refusals) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"retry-after": "1"}, 1), ({"retry-after-ms": "1500"}, 1.5)]
)
def test_a_refusal_after_others_closes_it_for_no_longer_than_its_word(
    headers: dict[str, str], seconds: float
) -> None:
    assert closed_for(headers, refusals=3) == seconds


@pytest.mark.parametrize(
    "headers",
    [{"retry-after": "3601"}, {"retry-after": "9" * 400}, {RESETS: "999999:00:00"}],
)
def test_a_refusal_closes_it_for_an_hour_at_most(headers: dict[str, str]) -> None:
    assert closed_for(headers) == 3600


def test_of_two_refusals_the_one_that_lasts_longer_counts() -> None:
    lane = Lane()
    lane.refused({"retry-after": "60"}, 0, NOW)
    lane.refused({"retry-after": "5"}, 10, NOW)
    assert lane.closed_until == 60


def test_a_closed_lane_lets_nothing_leave_whatever_is_left() -> None:
    lane = a_lane((0, 99))
    lane.refused({"retry-after": "60"}, 0, NOW)
    assert lane.wait(20) == 40
    assert lane.wait(60) == 0


def test_a_date_without_a_zone_is_in_utc() -> None:
    assert closed_for({"retry-after": "Tue, 24 Nov 2026 09:00:30 -0000"}) == 30


header_values = st.one_of(
    st.text(max_size=20),
    st.integers().map(str),
    st.datetimes().map("{:%a, %d %b %Y %H:%M:%S GMT}".format),
)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(
                st.sampled_from([READS, QUOTA, RESETS, "retry-after", "retry-after-ms"]),
                header_values,
            ),
            st.booleans(),
            st.floats(0, 100),
        ),
        max_size=8,
    )
)
def test_law_no_answer_closes_a_lane_for_longer_than_an_hour_or_ends_the_sweep(
    answers: list[tuple[dict[str, str], bool, float]],
) -> None:
    lane, now = Lane(), 0.0
    for headers, is_refused, seconds in answers:
        now += seconds
        lane.answered(headers, now)
        if is_refused:
            lane.refused(headers, now, NOW + timedelta(seconds=now))
        assert 0 <= lane.wait(now) <= 3600 + 1e-6
