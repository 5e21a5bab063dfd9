"""What an exemption tag means: every row of docs/exemptions.md, and the law behind it."""

import json
import re
import string
import unicodedata
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.core.exemption import (
    NO,
    carries,
    near_miss,
    read_exemption,
    resembles,
    resembling_pattern,
)
from shared.core.model import Exempt, Exemption, Lapsed, NotExempt, Unreadable

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


def test_a_field_of_blanks_is_none() -> None:
    assert read("reason=a; ; owner=b") == Exempt(reason="a", owner="b")


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
    "name",
    [
        *("LocalAuthExempt", "local_auth_exempt", "local.auth-exempt", "Local Auth Exempt"),
        "local\u2013auth\u2013exempt",  # en dashes, as a word processor makes them
        "local\u2010auth\u2010exempt",  # the true hyphen
        "local\u2011auth\u2011exempt",  # the one that does not break a line
        "local\u00a0auth\u202fexempt",  # blanks that do not break a line
        "local-auth-exempt\u200b",  # a blank without a width
        "\ufefflocal-auth-exempt",  # a byte-order mark
        "local\u00adauth\u00adexempt",  # soft hyphens
        *("local-auth-exempt\t", "local\tauth\nexempt", " local-auth-exempt", "local-auth-exempt:"),
        *("local:auth:exempt", "local+auth+exempt", '"local-auth-exempt"', "local-auth-exempt!"),
        "\uff4c\uff4f\uff43\uff41\uff4c-auth-exempt",  # letters of full width
        "local\ufe63auth\uff0dexempt",  # dashes of other widths
        "local-auth-exempt\ufe0f",  # a selector of emoji
        "local-auth-exem\u034fpt",  # a joiner of graphemes: a combining mark that nobody sees
        "local-auth-exempt\u3164",  # a filler, which Unicode calls a letter
        "\u202elocal-auth-exempt",  # an override of direction
        "local\U000e002dauth-exempt",  # a tag character
    ],
)
def test_a_name_that_is_nearly_ours_is_a_near_miss_and_no_exemption(name: str) -> None:
    assert near_miss([name], TAG) == name
    assert read("yes", name) == NotExempt()


@pytest.mark.parametrize(
    "name", ["auth-exempt", "local-auth", "local-auth-exempt-2", "l\u00f3cal", ""]
)
def test_other_names_are_no_near_miss(name: str) -> None:
    assert near_miss([name], TAG) is None


@pytest.mark.parametrize("name", [TAG, TAG.upper(), "Local-Auth-Exempt"])
def test_the_tag_itself_is_no_near_miss_of_itself(name: str) -> None:
    assert near_miss({name: "no"}, TAG) is None


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("schlüssel-bleiben", "SCHLU\u0308SSEL BLEIBEN"),  # the same letter, taken apart
        ("stra\u00dfe", "STRASSE"),
        ("k\u0131l-izin", "K\u0131L\u0130Z\u0130N"),  # Turkish: i with its dot as a mark of its own
        ("\u0390", "\u03aa\u0301"),
        ("№5", "no5"),
    ],
)
def test_letters_are_compared_however_they_are_put_together(tag: str, name: str) -> None:
    assert near_miss([name], tag) == name


@pytest.mark.parametrize("tag", ["--", "§", "(!)", "\u200b", "🔑"])
def test_a_tag_without_a_letter_or_a_digit_is_missed_by_no_other_such_name(tag: str) -> None:
    others = {"-": "", "---": "", "***": "", "§§": "", "🔐": "", " ": "", "keys": ""}
    assert near_miss(others, tag) is None
    assert isinstance(read_exemption({tag: "yes"}, tag, TODAY), Exempt)


def test_nor_is_such_a_tag_the_near_miss_of_a_name_in_letters() -> None:
    assert near_miss({"--": "yes", "\u200b": "yes"}, TAG) is None


def test_a_tag_without_letters_is_still_missed_by_its_own_compatible_forms() -> None:
    assert near_miss({"\uff08\uff01\uff09": "yes"}, "(!)") == "\uff08\uff01\uff09"


def test_of_two_tags_that_differ_in_case_alone_the_more_protective_one_decides() -> None:
    tags = {"local-auth-exempt": "no", "Local-Auth-Exempt": "31/12/2026"}
    assert isinstance(read_exemption(tags, TAG, TODAY), Unreadable)
    assert isinstance(read_exemption({**tags, TAG.upper(): "yes"}, TAG, TODAY), Exempt)


def test_the_name_in_the_settings_is_compared_without_regard_to_case_as_well() -> None:
    assert read_exemption({TAG: "yes"}, TAG.upper(), TODAY) == Exempt()
    assert near_miss({TAG: "yes"}, TAG.upper()) is None


names = st.text(min_size=1, max_size=12)
values = st.one_of(
    st.text(max_size=20),
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


# Names that resemble ours

BASES = "abkKsS019x"


def is_noise(letter: str) -> bool:
    """Whether a character is no letter or digit, stands for none, and makes no other one."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", letter).casefold())
    joins = any(len(unicodedata.normalize("NFKC", base + letter)) == 1 for base in TAG + BASES)
    return not joins and not any(map(str.isalnum, folded))


noise = st.text(
    st.one_of(
        st.sampled_from('-_.: \t\u2010\u2013\u00a0\u200b\u2060\ufe0f\u034f"\\/'),
        st.characters(categories=["Z", "P", "S", "Cf", "Cc", "M"]).filter(is_noise),
    ),
    max_size=3,
)


@st.composite
def disguised(draw: st.DrawFn, tag: str) -> str:
    """Write a name as an accident would: other letter case, other widths, noise anywhere."""
    letters = []
    for letter in tag:
        swapped = letter.swapcase() if draw(st.booleans()) else letter
        widened = swapped in string.printable.strip() and draw(st.booleans())
        letters.append(draw(noise) + (chr(ord(swapped) + 0xFEE0) if widened else swapped))
    return "".join(letters) + draw(noise)


tags_of_ours = st.one_of(
    st.sampled_from([TAG, "K", "a b", "x2"]),
    st.text(BASES + "-_. ", min_size=1, max_size=8).filter(
        lambda text: any(map(str.isalnum, text))
    ),
)


@given(st.data(), tags_of_ours)
def test_law_noise_case_and_width_never_hide_the_name_that_was_meant(
    data: st.DataObject, tag: str
) -> None:
    name = data.draw(disguised(tag))
    assert resembles(name, tag)
    assert carries({name: ""}, tag) or near_miss([name], tag) == name


@given(names, names, names)
def test_law_resembling_is_as_mutual_as_being_equal(one: str, two: str, three: str) -> None:
    assert resembles(one, one)
    assert resembles(one, two) is resembles(two, one)
    if resembles(one, two) and resembles(two, three):
        assert resembles(one, three)


@given(st.data(), st.one_of(tags_of_ours, names), st.booleans())
def test_law_the_pattern_of_a_query_misses_no_name_that_resembles_ours(
    data: st.DataObject,
    tag: str,
    escaped: bool,  # noqa: FBT001 - drawn
) -> None:
    name = data.draw(st.one_of(disguised(tag), st.just(tag.upper()), names))
    assume(resembles(name, tag))
    text = json.dumps({"env": "prod", name: "x"}, ensure_ascii=escaped)
    assert re.search(resembling_pattern([tag]), text)


@pytest.mark.parametrize("tag", ["--", "(!)"])
def test_the_pattern_finds_a_tag_without_a_letter_or_a_digit(tag: str) -> None:
    assert re.search(resembling_pattern([tag]), json.dumps({tag: "yes"}))


def test_the_pattern_leaves_most_others_out() -> None:
    pattern = re.compile(resembling_pattern([TAG]))
    assert not pattern.search(json.dumps({"env": "prod", "owner": "team-x", "auth": "local"}))
    assert not re.search(resembling_pattern(["größe"]), json.dumps({"env": "prod"}))
