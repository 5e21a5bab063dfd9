"""A lane: how long a request waits, as far as Azure's answers let us know what is left."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.border.lanes import Lane
from tests.support.builders import NOW

READS = "x-ms-ratelimit-remaining-subscription-reads"
QUOTA = "x-ms-user-quota-remaining"
RESETS = "x-ms-user-quota-resets-after"


def answer(left: object, name: str = READS, **more: str) -> Mapping[str, str]:
    return {name: str(left), **more}


def a_lane(*answers: tuple[float, int]) -> Lane:
    """Return a lane of which these answers were seen: when, and how many were left."""
    lane = Lane()
    for at, left in answers:
        lane.answered(answer(left), at)
    return lane


# What is left


def test_a_lane_of_which_nothing_is_known_lets_everything_leave() -> None:
    assert Lane().wait(0, 100) == 0


def test_an_answer_that_says_nothing_teaches_nothing() -> None:
    lane = Lane()
    lane.answered({"content-type": "application/json", READS: "many"}, 5)
    assert lane.left is None
    assert lane.answered_at == 0


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
    assert lane.answered_at == 5


@pytest.mark.parametrize("value", ["-1", "", "1e3", "seven", "٣", "1,2", "7x"])
def test_what_is_no_whole_number_is_left_out_of_account(value: str) -> None:
    lane = Lane()
    lane.answered(answer(value), 5)
    assert lane.left is None


def test_a_number_of_400_digits_counts_as_a_thousand_million() -> None:
    lane = Lane()
    lane.answered(answer("9" * 400), 5)
    assert lane.left == 10**9


@pytest.mark.parametrize(
    ("digits", "number"),
    [("999999999", 999_999_999), ("1000000000", 10**9), ("9999999999", 10**9)],
)
def test_a_number_counts_for_no_more_than_a_thousand_million(digits: str, number: int) -> None:
    lane = Lane()
    lane.answered(answer(digits), 5)
    assert lane.left == number


# Room


def test_three_requests_are_left_for_those_whom_we_do_not_see() -> None:
    lane = a_lane((0, 4))
    assert lane.wait(0) == 0
    assert lane.wait(0, 2) > 0


def test_requests_under_way_take_room() -> None:
    lane = a_lane((0, 10))
    lane.under_way = 6
    assert lane.wait(0) == 0
    lane.under_way = 7
    assert lane.wait(0) > 0


def test_as_many_as_there_is_room_for_may_leave_at_once() -> None:
    lane = a_lane((0, 10))
    assert lane.wait(0, 7) == 0
    assert lane.wait(0, 8) > 0


# Looking again


def test_a_lane_without_room_is_looked_at_a_second_after_its_last_answer() -> None:
    lane = a_lane((10, 4))
    assert lane.wait(10.25, 2) == 0.75
    assert lane.wait(11, 2) == 0
    assert lane.wait(12, 2) == 0


def test_while_one_looks_the_others_wait() -> None:
    lane = a_lane((10, 4))
    lane.under_way = 1
    assert lane.wait(11) == 1


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 1), (1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (7, 60), (2000, 60)]
)
def test_each_look_that_finds_none_puts_the_next_off_longer(count: int, seconds: float) -> None:
    lane = a_lane((100, 2), *[(100, 0)] * count)
    assert lane.wait(100) == seconds


@pytest.mark.parametrize(
    ("lefts", "looks"),
    [
        pytest.param([99, 3], 1, id="into the reserve"),
        pytest.param([99, 3, 2], 2, id="fewer"),
        pytest.param([99, 3, 3], 2, id="as many, in reserve"),
        pytest.param([99, 50, 50], 0, id="as many, and enough"),
        pytest.param([99, 3, 2, 4], 0, id="some again"),
        pytest.param([99, 1, 2], 0, id="more than before"),
        pytest.param([0], 0, id="the first answer"),
    ],
)
def test_a_look_found_none_if_it_left_no_more_than_before_and_than_the_reserve(
    lefts: list[int], looks: int
) -> None:
    assert a_lane(*((0, left) for left in lefts)).looks == looks


# Resource Graph's window


def test_a_quota_that_is_used_up_closes_the_lane_until_its_window_is_over() -> None:
    lane = Lane()
    lane.answered(answer(0, QUOTA, **{RESETS: "00:00:05"}), 100)
    assert lane.wait(100) == 5
    assert lane.wait(104) == 1
    assert lane.wait(105) == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:07", 7), ("00:03:00", 180), ("00:59:59", 3599), ("01:00:00", 3600)],
)
def test_a_window_is_in_hours_minutes_and_seconds(text: str, seconds: float) -> None:
    lane = Lane()
    lane.answered(answer(0, QUOTA, **{RESETS: text}), 0)
    assert lane.closed_until == seconds


def test_a_window_of_days_closes_the_lane_for_an_hour() -> None:
    lane = Lane()
    lane.answered(answer(0, QUOTA, **{RESETS: "48:00:00"}), 100)
    assert lane.closed_until == 3700


def test_a_quota_with_some_left_closes_nothing() -> None:
    lane = Lane()
    lane.answered(answer(1, QUOTA, **{RESETS: "00:00:05"}), 100)
    assert lane.closed_until == 0
    assert lane.left == 1


def test_a_shorter_window_does_not_open_a_lane_that_is_closed_for_longer() -> None:
    lane = Lane(closed_until=200)
    lane.answered(answer(0, QUOTA, **{RESETS: "00:00:05"}), 100)
    assert lane.closed_until == 200


def test_a_window_that_is_over_leaves_nothing_known_of_what_is_left() -> None:
    lane = Lane()
    lane.answered(answer(0, QUOTA, **{RESETS: "00:00:05"}), 100)
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
    st.text("0123456789:.,+-e \t٣x", max_size=20),
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
