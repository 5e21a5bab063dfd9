"""NCRONTAB on the strict side: what the host refuses, and what it reads unlike a person would."""

from datetime import UTC, datetime

import pytest

from shared.schedule import Schedule

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
    ],
)
def test_a_good_schedule_says_when_it_fires_next(text: str, following: datetime) -> None:
    assert Schedule.parse(text).next_after(NOW) == following


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "0 0 0 * * * 2027",
        "00:15:00",
        "5",
        "@daily",
        "0\t0 0 * * *",
        "60 * * * * *",
        "0 0 24 * * *",
        "0 0 0 * * 7",
        "0 0 0 0 * *",
        "0 0 0 32 * *",
        "0 */0 * * * *",
        "0 */100 * * * *",
        "0 */5/2 * * * *",
        "0 */ * * * *",
        "0 5-1 * * * *",
        "0 0 0 * * Fri-Mon",
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
