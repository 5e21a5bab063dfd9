"""Whose an account is: the nearest tag, else its exemption, else who turned its keys on."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.change_log import ChangeLog
from shared.core.model import Level, TagsAbove, Turned
from shared.core.owner import Owner, OwnerFrom, owner_of
from tests.support.builders import TAG, a_change, a_decision

TAGS = ("owner", "contact")
QUIET = ChangeLog({})
type Found = Mapping[str, str] | None


def owner(
    account: Mapping[str, str],
    group: Found,
    subscription: Found,
    tags: tuple[str, ...] = TAGS,
    log: ChangeLog = QUIET,
) -> Owner:
    levels = (
        TagsAbove(Level.RESOURCE_GROUP, group),
        TagsAbove(Level.SUBSCRIPTION, subscription),
    )
    return owner_of(a_decision(tags=account, owned_at=levels), tags, log)


def turned_on(by: str = "ann@contoso.com") -> ChangeLog:
    change = a_change(Turned.ON, by=by)
    return ChangeLog({change.account.key: (change,)})


@pytest.mark.parametrize(
    ("account", "group", "subscription", "expected"),
    [
        ({"owner": "a"}, {"owner": "g"}, {"owner": "s"}, Owner("a", OwnerFrom.ACCOUNT)),
        ({}, {"owner": "g"}, {"owner": "s"}, Owner("g", OwnerFrom.RESOURCE_GROUP)),
        ({}, {}, {"owner": "s"}, Owner("s", OwnerFrom.SUBSCRIPTION)),
        ({}, {}, {}, Owner()),
        ({"contact": "a"}, {"owner": "g"}, {}, Owner("a", OwnerFrom.ACCOUNT)),
        ({"contact": "c", "owner": "o"}, {}, {}, Owner("o", OwnerFrom.ACCOUNT)),
        ({"OWNER": "a"}, {}, {}, Owner("a", OwnerFrom.ACCOUNT)),
        ({"own-er": "a"}, {}, {}, Owner()),
        ({"owner": " a "}, {}, {}, Owner("a", OwnerFrom.ACCOUNT)),
        ({"owner": " ", "contact": "c"}, {}, {}, Owner("c", OwnerFrom.ACCOUNT)),
        ({"owner": ""}, {"owner": "g"}, {}, Owner("g", OwnerFrom.RESOURCE_GROUP)),
    ],
    ids=[
        "the account's first",
        "its group's",
        "its subscription's",
        "nobody's",
        "a level before the order of names",
        "the order of names within a level",
        "in other letters",
        "a near miss names nobody",
        "blanks around it fall away",
        "a blank names nobody",
        "a blank leaves it to the next level",
    ],
)
def test_the_nearest_level_decides_and_there_the_order_of_the_names(
    account: Mapping[str, str], group: Found, subscription: Found, expected: Owner
) -> None:
    assert owner(account, group, subscription) == expected


def test_behind_a_level_that_could_not_be_read_nobody_is_asked() -> None:
    tag = {TAG: "owner=bob@contoso.com"}
    assert owner(tag, None, {"owner": "s"}, log=turned_on()) == Owner()


def test_a_level_that_could_not_be_read_behind_the_owner_does_not_matter() -> None:
    assert owner({}, {"owner": "g"}, None) == Owner("g", OwnerFrom.RESOURCE_GROUP)


def test_levels_that_nobody_looked_at_are_not_taken_for_levels_without_a_tag() -> None:
    assert owner_of(a_decision(), TAGS, turned_on()) == Owner()


def test_without_a_tag_the_exemption_names_the_owner_even_once_it_lapsed() -> None:
    for until in ("2027-03-31", "2020-03-31"):
        tag = {TAG: f"until={until}; owner=bob@contoso.com"}
        found = owner(tag, {}, {}, log=turned_on())
        assert found == Owner("bob@contoso.com", OwnerFrom.EXEMPTION)


def test_without_an_exemption_it_is_who_turned_the_keys_on_and_that_is_said() -> None:
    assert owner({}, {}, {}, log=turned_on()) == Owner("ann@contoso.com", OwnerFrom.CHANGED_BY)


def test_a_change_by_nobody_names_nobody() -> None:
    assert owner({}, {}, {}, log=turned_on(by="")) == Owner()


def test_without_owner_tags_no_tag_of_any_level_names_an_owner() -> None:
    found = owner_of(a_decision(tags={"owner": "a"}), (), turned_on())
    assert found == Owner("ann@contoso.com", OwnerFrom.CHANGED_BY)


_FOUND = st.dictionaries(st.sampled_from(["owner", "CONTACT", "env"]), st.sampled_from(["", "x"]))


@given(_FOUND, st.none() | _FOUND, st.none() | _FOUND)
def test_law_a_name_and_its_source_go_together_and_no_unread_level_stands_before_it(
    account: dict[str, str], group: dict[str, str] | None, subscription: dict[str, str] | None
) -> None:
    found = owner(account, group, subscription, log=turned_on())
    assert bool(found.name) == (found.source is not OwnerFrom.NOBODY)
    if found.source is not OwnerFrom.ACCOUNT and group is None:
        assert found == Owner()
