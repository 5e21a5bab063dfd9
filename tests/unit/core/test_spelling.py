"""How alike two names are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.spelling import edits, essence, likeliest


@pytest.mark.parametrize(
    "name",
    [
        "local-auth-exempt",
        "LocalAuthExempt",
        "local_auth.exempt",
        "local\N{EN DASH}auth\N{NO-BREAK SPACE}exempt",
        "local\N{ZERO WIDTH SPACE}auth\N{HYPHEN}exempt",
        "loca\N{FULLWIDTH LATIN SMALL LETTER L}-auth-exempt",
        "local\N{HANGUL FILLER}auth\N{HALFWIDTH HANGUL FILLER}exempt",
        "local\N{HANGUL CHOSEONG FILLER}auth\N{HANGUL JUNGSEONG FILLER}exempt",
    ],
)
def test_the_essence_of_a_name_is_its_letters_and_digits(name: str) -> None:
    assert essence(name) == "localauthexempt"


def test_digits_belong_to_a_name() -> None:
    assert essence("Tag-2") == "tag2"


def test_a_name_without_letters_and_digits_stands_for_itself() -> None:
    assert essence("--") == "--"
    assert essence("__") == "__"


def test_letters_that_casefold_takes_apart_are_put_together_again() -> None:
    letter = "\N{LATIN SMALL LETTER J WITH CARON}"
    assert essence(letter) == letter


@given(st.text(max_size=12))
def test_law_the_essence_of_an_essence_is_itself(name: str) -> None:
    assert essence(essence(name)) == essence(name)


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ("brake", "brake", 0),
        ("", "", 0),
        ("", "ab", 2),
        ("brake", "rake", 1),
        ("brake", "brakes", 1),
        ("brake", "broke", 1),
        ("brake", "barke", 1),
        ("ab", "ba", 1),
        ("brake", "break", 2),
        ("abcd", "badc", 2),
        ("abc", "ca", 3),
        ("kitten", "sitting", 3),
        ("tag", "xyz", 3),
        ("aaa", "a", 2),
    ],
)
def test_edits_are_letters_inserted_taken_away_replaced_or_swapped(
    one: str, other: str, count: int
) -> None:
    assert edits(one, other, 3) == count
    assert edits(other, one, 3) == count


@pytest.mark.parametrize("most", [0, 1, 2, 3])
def test_more_edits_than_asked_for_count_as_one_more(most: int) -> None:
    assert edits("abcd", "wxyz", most) == most + 1
    assert edits("a", "abcdef", most) == most + 1


def test_and_never_as_more_than_that() -> None:
    assert edits("aa", "bbb", 1) == 2


def plain_edits(one: str, other: str) -> int:
    """Count them by the definition of optimal string alignment, without any limit."""
    table = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            ways = [
                table[i - 1, j] + 1,
                table[i, j - 1] + 1,
                table[i - 1, j - 1] + (one[i - 1] != other[j - 1]),
            ]
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                ways.append(table[i - 2, j - 2] + 1)
            table[i, j] = min(ways)
    return table[len(one), len(other)]


@given(st.text("abc", max_size=7), st.text("abc", max_size=7), st.integers(0, 4))
def test_law_edits_are_those_of_the_definition_up_to_the_limit(
    one: str, other: str, most: int
) -> None:
    assert edits(one, other, most) == min(plain_edits(one, other), most + 1)


def test_the_likeliest_name_is_the_nearest() -> None:
    known = ["SWEEP_MODE", "SWEEP_KINDS", "BRAKE"]
    assert likeliest("SWEEP_MOD", known) == "SWEEP_MODE"
    assert likeliest("sweepkind", known) == "SWEEP_KINDS"


def test_of_what_is_less_than_half_alike_none_is_likely() -> None:
    assert likeliest("abxy", ["abzw"]) == "abzw"
    assert likeliest("abxyz", ["abuvw"]) is None


def test_of_no_names_none_is_likely() -> None:
    assert likeliest("SWEEP_MODE", []) is None
