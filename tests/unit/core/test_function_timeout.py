"""functionTimeout: whatever .NET's TimeSpan.Parse takes is taken for what the host takes it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import SettingsError
from shared.core.function_timeout import FUNCTION_TIMEOUT, read_time_span
from shared.core.settings import read_settings
from tests.support.builders import LEAST


@pytest.mark.parametrize(
    ("text", "span"),
    [
        # The rows of Microsoft's documentation of TimeSpan.Parse (invariant culture).
        ("6", timedelta(days=6)),
        ("6:12", timedelta(hours=6, minutes=12)),
        ("6:12:14", timedelta(hours=6, minutes=12, seconds=14)),
        ("6:12:14:45", timedelta(days=6, hours=12, minutes=14, seconds=45)),
        ("6.12:14:45", timedelta(days=6, hours=12, minutes=14, seconds=45)),
        ("6:12:14:45.3448", timedelta(days=6, hours=12, minutes=14, seconds=45.3448)),
        # What a person may write for a time-out.
        ("00:25:00", timedelta(minutes=25)),
        ("0:05:00", timedelta(minutes=5)),
        ("00:05", timedelta(minutes=5)),
        ("1.00:00:00", timedelta(days=1)),
        ("1.12:30", timedelta(days=1, hours=12, minutes=30)),
        ("00:00:30.5", timedelta(seconds=30.5)),
        ("24:00:00", timedelta(days=24)),
        ("-1", timedelta(days=-1)),
        ("-1.00:00:00", timedelta(days=-1)),
        ("-00:00:01", timedelta(seconds=-1)),
    ],
)
def test_a_time_span_is_what_the_host_makes_of_it(text: str, span: timedelta) -> None:
    assert read_time_span(text) == span


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "soon", "25m", "PT25M", "1h", "1.5", "6:", ":30", "24:00", "60:00", "0:60:00"),
        *(
            "6:34:14:45",
            "00:00:60",
            "1 00:00",
            "00 :05",
            "+5",
            "--5",
            "10675200",
            "\u0665",
            "0:5:0.",
            "x",
        ),
        *("9" * 5_000, "1:2:3:4:5", "00:00:01,5", "00:00:01.12345678"),
    ],
)
def test_what_the_host_can_not_read_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="no time span that the host can read"):
        read_time_span(text)


@given(st.integers(0, 10_675_198), st.integers(0, 86_399), st.integers(0, 999_999))
def test_law_a_time_span_as_dot_net_writes_it_is_read_back(
    days: int, seconds: int, micro: int
) -> None:
    hours, minutes = seconds // 3600, seconds // 60 % 60
    text = f"{days}.{hours:02}:{minutes:02}:{seconds % 60:02}.{micro:06}0"
    span = timedelta(days=days, seconds=seconds, microseconds=micro)
    assert read_time_span(text) == span
    assert read_time_span(f"-{text}") == -span


@given(st.text("0123456789:.-", max_size=12))
def test_law_nothing_but_a_value_error_ever_comes(text: str) -> None:
    try:
        read_time_span(text)
    except ValueError:
        return


def budget(timeout: str, seconds: int, name: str = FUNCTION_TIMEOUT, mode: str = "audit") -> float:
    given = {name: timeout, "SWEEP_BUDGET_SECONDS": str(seconds), "SWEEP_MODE": mode}
    return read_settings({**LEAST, **given}).budget


@pytest.mark.parametrize("mode", ["audit", "enforce"])
@pytest.mark.parametrize("timeout", ["0:05:00", "00:05", "00:05:00.4", "0.00:05:00", "0:0:5:0"])
def test_the_budget_must_fit_whatever_form_the_time_out_has(timeout: str, mode: str) -> None:
    with pytest.raises(SettingsError, match="does not fit into the functionTimeout of 300 s"):
        budget(timeout, 1200, mode=mode)
    assert budget(timeout, 240, mode=mode) == 240


@pytest.mark.parametrize("timeout", ["-1", "-1.00:00:00", "5", "1500", "24:00:00", "2.00:00"])
def test_a_time_out_that_is_long_or_never_comes_leaves_every_budget(timeout: str) -> None:
    assert budget(timeout, 86_400) == 86_400


@pytest.mark.parametrize("timeout", ["soon", "0", "00:00:00.5", "-2", "-00:00:00.0010000"])
def test_a_time_out_with_which_the_host_does_not_start_is_named(timeout: str) -> None:
    with pytest.raises(SettingsError) as caught:
        budget(timeout, 1200)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{FUNCTION_TIMEOUT} is {timeout!r}: it must be a time span")


@pytest.mark.parametrize(
    "name", ["AZUREFUNCTIONSJOBHOST__FUNCTIONTIMEOUT", "AzureFunctionsJobHost:functionTimeout"]
)
def test_the_host_is_blind_for_the_case_of_its_names(name: str) -> None:
    with pytest.raises(SettingsError, match="functionTimeout of 300 s"):
        budget("00:05:00", 1200, name)


def test_of_two_time_outs_the_shorter_counts() -> None:
    two = {FUNCTION_TIMEOUT: "1:00:00", FUNCTION_TIMEOUT.lower(): "0:10:00"}
    with pytest.raises(SettingsError, match="functionTimeout of 600 s"):
        read_settings({**LEAST, **two})


def test_an_empty_time_out_is_that_of_host_json() -> None:
    assert budget("", 1440) == 1440


def test_a_budget_is_held_against_no_time_out_that_can_not_be_read() -> None:
    with pytest.raises(SettingsError) as caught:
        budget("soon", 86_400)
    assert len(caught.value.problems) == 1


def test_blanks_are_no_time_out_and_do_not_count_around_one() -> None:
    assert budget(" ", 1200) == 1200
    assert budget(" 00:40:00 ", 2340) == 2340


def test_a_time_out_of_a_second_is_one() -> None:
    with pytest.raises(SettingsError, match="the functionTimeout of 1 s"):
        budget("00:00:01", 1200)
