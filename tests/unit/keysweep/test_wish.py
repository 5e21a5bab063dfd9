"""What a person wants an exemption to say, alone and over the one that is there."""

import re
from datetime import date, timedelta
from typing import Any

import pytest

from keysweep.advice import UsageProblem
from keysweep.wish import Wish, lay_over, span
from shared.core.model import Level, TagsAbove
from tests.support.builders import TAG, TODAY, an_account

LATER = date(2099, 1, 1)
LONG = "until=2099-03-31; reason=CHG1; owner=a@b.c"


@pytest.mark.parametrize(
    ("wish", "value"),
    [
        (Wish(None, "", ""), "true"),
        (Wish(LATER, "", ""), "until=2099-01-01"),
        (Wish(LATER, " CHG1 ", "a@b.c"), "until=2099-01-01; reason=CHG1; owner=a@b.c"),
        (Wish(TODAY, "", ""), f"until={TODAY}"),
        (Wish(None, "until=x", ""), "reason=until=x"),
    ],
)
def test_a_wish_becomes_the_value_of_a_tag(wish: Wish, value: str) -> None:
    assert wish.value(TAG, TODAY) == value


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (Wish(date(2020, 1, 1), "", ""), "has passed"),
        (Wish(None, "x" * 300, ""), "shorten --reason by 51"),
        (Wish(None, "a; owner=b", ""), "--reason can't hold a semicolon"),
        (Wish(None, "", "\x1b[31mred"), "--owner can't hold a semicolon or a control character"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(wish: Wish, says: str) -> None:
    with pytest.raises(UsageProblem, match=says):
        wish.value(TAG, TODAY)


@pytest.mark.parametrize(
    ("old", "wish", "new", "takes_away"),
    [
        (LONG, Wish(date(2099, 12, 31), "", ""), LONG.replace("03-31", "12-31"), ""),
        (LONG, Wish(None, "CHG2", ""), "reason=CHG2; owner=a@b.c", ""),
        ("legacy bot", Wish(None, "", "a@b.c"), "reason=legacy bot; owner=a@b.c", ""),
        ("2020-01-01", Wish(LATER, "", ""), "until=2099-01-01", ""),
        ("until=2020-01-01; reason=x", Wish(LATER, "", ""), "until=2099-01-01; reason=x", ""),
        ("false", Wish(LATER, "", ""), "until=2099-01-01", ""),
        ("until=2099-03-31", Wish(LATER, "", ""), "until=2099-01-01", "It ends sooner then."),
        ("true", Wish(LATER, "", ""), "until=2099-01-01", "It ends sooner then."),
        (
            "until=soon; owner=a@b.c",
            Wish(LATER, "", ""),
            "until=2099-01-01",
            "It can't be read: what it was to say is lost then.",
        ),
    ],
)
def test_what_a_wish_leaves_open_is_kept_and_what_it_takes_away_is_said(
    old: str, wish: Wish, new: str, takes_away: str
) -> None:
    merged, question = lay_over(an_account(tags={TAG: old}), TAG, wish, TODAY)
    assert merged.value(TAG, TODAY) == new
    assert question is not None
    assert f"now:  {TAG}={old!r}" in question.text
    assert f"then: {TAG}={new!r}" in question.text
    assert question.takes_away == takes_away


def test_what_cannot_be_kept_is_asked_for() -> None:
    account = an_account(tags={TAG: "legacy; ask bob"})
    with pytest.raises(UsageProblem, match="can't be kept as they are: give --reason and --owner"):
        lay_over(account, TAG, Wish(LATER, "", ""), TODAY)


@pytest.mark.parametrize(
    ("above", "wish", "takes_away"),
    [
        ("until=2099-03-31", Wish(LATER, "", ""), "It ends sooner then."),
        ("until=2098-01-01", Wish(LATER, "", ""), None),
        (None, Wish(LATER, "", ""), "It may end sooner then."),
        (None, Wish(None, "", ""), None),
        ("false", Wish(LATER, "", ""), None),
    ],
    ids=["sooner", "later", "unread", "unread and open-ended", "a no"],
)
def test_an_exemption_of_a_level_above_is_outlasted_or_asked_about(
    above: str | None, wish: Wish, takes_away: str | None
) -> None:
    tags: Any = None if above is None else {TAG: above}
    account = an_account(above=(TagsAbove(Level.RESOURCE_GROUP, tags),))
    _, question = lay_over(account, TAG, wish, TODAY)
    assert (question.takes_away if question else None) == takes_away


@pytest.mark.parametrize(
    ("text", "length"),
    [("14d", timedelta(days=14)), ("2W", timedelta(days=14)), ("90s", timedelta(seconds=90))],
)
def test_a_span_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert span(text, {"s", "d", "w"}) == length


@pytest.mark.parametrize("text", ["", "d", "14", "0d", "-1d", "soon", "2.5d", "²d", "14h"])
def test_nothing_else_is_a_span(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        span(text, {"d", "w"})
