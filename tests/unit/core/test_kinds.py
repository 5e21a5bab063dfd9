"""Kinds of account: those that Azure knows, in its spelling; others only by saying so."""

import pytest

from shared.core.kinds import KINDS, read_kind


@pytest.mark.parametrize("text", ["OpenAI", "openai", "OPENAI"])
def test_a_kind_is_read_in_any_letter_case_and_spelled_as_azure_does(text: str) -> None:
    assert read_kind(text) == "OpenAI"


def test_every_kind_that_is_known_is_read_as_itself() -> None:
    assert [read_kind(kind) for kind in KINDS] == list(KINDS)


def test_no_kind_is_there_twice_in_two_spellings() -> None:
    assert len({kind.lower() for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("text", ["other:OpenAI2", "OTHER: OpenAI2 "])
def test_a_kind_that_is_newer_than_the_list_is_taken_as_it_is(text: str) -> None:
    assert read_kind(text) == "OpenAI2"


@pytest.mark.parametrize("text", ["other:", "other:2x", "other:a b", "other:a-b"])
def test_what_can_be_no_kind_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="can be no kind") as caught:
        read_kind(text)
    assert repr(text.removeprefix("other:")) in str(caught.value)


def test_a_misspelled_kind_names_the_likeliest() -> None:
    with pytest.raises(ValueError, match=r"^'OpenAl' is no known kind: OpenAI\?$"):
        read_kind("OpenAl")


def test_what_resembles_no_kind_names_none() -> None:
    with pytest.raises(ValueError, match=r"^'zzzz' is no known kind$"):
        read_kind("zzzz")
