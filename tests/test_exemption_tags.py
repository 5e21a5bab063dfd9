"""What an exemption tag means: every row of the README's grammar, and the law behind it."""

from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.exemption import NO, near_miss, read_exemption
from shared.model import Exempt, Exemption, Lapsed, NotExempt, Unreadable

TODAY = date(2026, 11, 24)
TAG = "local-auth-exempt"


def read(value: str, name: str = TAG) -> Exemption:
    return read_exemption({name: value}, TAG, TODAY)


@pytest.mark.parametrize("value", ["", "true", "YES", "On", " 1 ", "\tTrue\n"])
def test_a_plain_yes_is_open_ended(value: str) -> None:
    assert read(value) == Exempt()


@pytest.mark.parametrize("value", ["Legacy bot, CHG0042", "no way", "offline", "trueish", "§"])
def test_any_other_text_is_open_ended_and_is_the_reason(value: str) -> None:
    assert read(value) == Exempt(reason=value)


@pytest.mark.parametrize("value", ["false", "NO", "Off", " 0 "])
def test_an_explicit_no_is_not_exempt(value: str) -> None:
    assert read(value) == NotExempt(explicit=True)


def test_a_date_exempts_until_the_end_of_that_day() -> None:
    assert read("2026-11-24") == Exempt(until=TODAY)
    assert read("2027-03-31") == Exempt(until=date(2027, 3, 31))


def test_a_date_that_has_passed_has_lapsed() -> None:
    assert read("2026-11-23") == Lapsed(date(2026, 11, 23))


@pytest.mark.parametrize(
    "value",
    [
        "until=2027-03-31; reason=CHG0042 legacy bot; owner=team-x@contoso.com",
        "owner=team-x@contoso.com;UNTIL = 2027-03-31 ;Reason=CHG0042 legacy bot",
        " reason=CHG0042 legacy bot; owner=team-x@contoso.com; until=2027-03-31; ",
    ],
)
def test_fields_stand_in_any_order_and_letter_case(value: str) -> None:
    assert read(value) == Exempt(
        until=date(2027, 3, 31), reason="CHG0042 legacy bot", owner="team-x@contoso.com"
    )


def test_fields_without_an_end_date_are_open_ended() -> None:
    assert read("reason=a=b") == Exempt(reason="a=b")


def test_fields_with_a_date_that_has_passed_have_lapsed() -> None:
    assert read("until=2026-01-31; owner=me") == Lapsed(date(2026, 1, 31), owner="me")


@pytest.mark.parametrize(
    "value",
    [
        "31/12/2026",
        "2026-13-01",
        "2026-02-30",
        "2027-3-31",
        "20270331",
        "2027-03-31T00:00:00Z",
        "01",
        "2",
        "until=soon",
        "until=",
        "until=2027-02-30",
        "until=no",
        "ticket=CHG0042",
        "until=2027-03-31; until=2028-03-31",
        "until=2027-03-31; legacy bot",
        "= ",
        "1st of May",
    ],
)
def test_what_looks_like_a_date_or_a_field_and_is_none_is_unreadable(value: str) -> None:
    reading = read(value)
    assert isinstance(reading, Unreadable)
    assert reading.raw == value
    assert reading.problem


@pytest.mark.parametrize("name", ["local-auth-exempt", "Local-Auth-Exempt", "LOCAL-AUTH-EXEMPT"])
def test_tag_names_are_compared_without_regard_to_case(name: str) -> None:
    assert read("yes", name) == Exempt()


@pytest.mark.parametrize(
    "name", ["LocalAuthExempt", "local_auth_exempt", "local.auth-exempt", "Local Auth Exempt"]
)
def test_a_name_that_is_nearly_ours_is_a_near_miss_and_no_exemption(name: str) -> None:
    assert near_miss({name: "yes"}, TAG) == name
    assert read("yes", name) == NotExempt()


def test_other_names_are_no_near_miss() -> None:
    assert near_miss({"auth-exempt": "yes", TAG: "yes", "local-auth": ""}, TAG) is None


def test_of_two_tags_that_differ_in_case_alone_the_more_protective_one_decides() -> None:
    tags = {"local-auth-exempt": "no", "Local-Auth-Exempt": "31/12/2026"}
    assert isinstance(read_exemption(tags, TAG, TODAY), Unreadable)
    assert isinstance(read_exemption({**tags, TAG.upper(): "yes"}, TAG, TODAY), Exempt)


names = st.text(min_size=1, max_size=20)
values = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["true", "no", "2020-01-01", "2030-01-01", "until=2020-01-01", "until=x"]),
    st.from_regex(r"(until|reason|owner|x)=[ -~]{0,20}(; (until|owner)=[ -~]{0,12})?"),
)


@given(st.dictionaries(names, values, max_size=4), values, st.sampled_from([TAG, TAG.upper()]))
def test_law_a_tag_that_is_present_is_overridden_only_by_an_explicit_no_or_a_date_that_has_passed(
    others: dict[str, str], value: str, name: str
) -> None:
    assume(all(other.lower() != TAG for other in others))
    reading = read_exemption({**others, name: value}, TAG, TODAY)
    if isinstance(reading, NotExempt):
        assert value.strip().lower() in NO
    elif isinstance(reading, Lapsed):
        assert reading.until < TODAY
        assert reading.until.isoformat() in value
    else:
        assert isinstance(reading, Exempt | Unreadable)


@given(st.dates(min_value=date(1000, 1, 1)), st.integers(-400, 400))
def test_law_a_date_exempts_to_its_last_day_and_not_a_day_longer(day: date, days: int) -> None:
    try:
        today = day + timedelta(days=days)
    except OverflowError:
        return
    reading = read_exemption({TAG: day.isoformat()}, TAG, today)
    assert reading == (Exempt(until=day) if days <= 0 else Lapsed(day))


@given(st.dictionaries(names, values, max_size=5))
def test_law_without_a_tag_of_ours_nothing_is_exempt(tags: dict[str, str]) -> None:
    assume(all(name.lower() != TAG for name in tags))
    assert read_exemption(tags, TAG, TODAY) == NotExempt()
