"""Queries are deployed without what they do not need, and mean the same."""

from infra.workbook.shortening import shortened


def test_indentation_is_left_out() -> None:
    assert shortened("customEvents\n    | count\n") == "customEvents\n| count"


def test_a_definition_that_nothing_uses_is_left_out() -> None:
    assert shortened("let a = x\n| take 1;\nlet b = y;\nb | count") == "let b = y;\nb | count"


def test_a_definition_that_another_one_uses_stays() -> None:
    kql = "let a = x;\nlet b = a\n| take 1;\nb | count"
    assert shortened(kql) == kql


def test_what_only_a_definition_that_is_left_out_uses_is_left_out_too() -> None:
    assert shortened("let a = x;\nlet b = a;\ny | count") == "y | count"


def test_a_name_within_another_is_no_use_of_it() -> None:
    assert shortened("let a = x;\nab | count") == "ab | count"
