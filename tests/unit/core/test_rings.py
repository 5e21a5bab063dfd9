"""Which ring decides for a subscription: in force, to come, or audited."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.rings import Audited, InForce, Ring, Rings, Standing, ToCome
from tests.support.builders import NOW

PAST, SOON, LATER = NOW - timedelta(days=1), NOW + timedelta(days=1), NOW + timedelta(days=9)
ONE, TWO = "one", "two"
BELOW = {"dev": frozenset({ONE}), "all": frozenset({ONE, TWO}), TWO: frozenset({TWO})}


def group(name: str, begins: datetime | None = None) -> Ring:
    return Ring(name, begins)


def alone(name: str, begins: datetime | None = None) -> Ring:
    return Ring(name, begins, is_group=False)


def standing(
    *listed: Ring,
    below: Mapping[str, frozenset[str]] = BELOW,
    begins: datetime | None = None,
    of: str = ONE,
) -> Standing:
    return Rings(enforces=True, begins=begins, listed=listed, below=below).standing(of, NOW)


def test_without_rings_it_is_everywhere() -> None:
    assert standing() == InForce("")


def test_without_rings_notice_holds_everywhere() -> None:
    assert standing(begins=SOON) == ToCome(SOON, "")
    assert standing(begins=PAST) == InForce("")


def test_rings_that_nobody_made_are_in_force_nowhere() -> None:
    assert isinstance(Rings().standing(ONE, NOW), Audited)


def test_in_the_end_every_ring_is_in_force_even_if_it_is_an_audit_until_then() -> None:
    rings = Rings(enforces=False, listed=(group("dev", LATER),), below=BELOW)
    assert rings.in_the_end(ONE) == InForce(str(rings.listed[0]))
    assert rings.in_the_end(TWO) == Audited("It is in no ring of ENFORCE_SCOPES.")


def test_what_is_in_no_ring_is_audited() -> None:
    assert standing(group("dev"), of=TWO) == Audited("It is in no ring of ENFORCE_SCOPES.")


def test_a_group_decides_for_what_it_contains() -> None:
    assert standing(group("dev")) == InForce("dev")
    assert standing(group("Dev", SOON)) == ToCome(SOON, "Dev@2026-11-25T09:00Z")
    assert standing(group("dev", PAST)) == InForce("dev@2026-11-23T09:00Z")


def test_of_the_groups_that_contain_it_the_latest_moment_counts() -> None:
    rings = (group("dev"), group("all", SOON))
    assert standing(*rings) == standing(*reversed(rings)) == ToCome(SOON, str(rings[1]))


def test_a_subscription_that_is_listed_itself_decides_for_itself() -> None:
    assert standing(alone(ONE), group("all", SOON)) == InForce(ONE)
    assert standing(alone(ONE, LATER), group("all")) == ToCome(LATER, f"{ONE}@2026-12-03T09:00Z")


def test_the_notice_of_the_settings_holds_for_rings_that_name_no_moment() -> None:
    assert standing(group("dev"), begins=SOON) == ToCome(SOON, "dev")
    assert standing(group("dev", PAST), begins=SOON) == InForce("dev@2026-11-23T09:00Z")
    assert standing(group("dev", LATER), begins=SOON) == ToCome(LATER, "dev@2026-12-03T09:00Z")


def test_a_ring_is_in_force_from_its_moment_on() -> None:
    assert standing(group("dev", NOW)) == InForce("dev@2026-11-24T09:00Z")


def test_a_group_that_could_not_be_read_enforces_nothing() -> None:
    assert standing(group("dev"), below={}) == Audited(
        "It is in no ring of ENFORCE_SCOPES that could be read; dev could not."
    )


def test_a_group_that_could_not_be_read_and_may_put_it_off_does_so() -> None:
    found = standing(group("dev"), group("unread", SOON))
    assert found == Audited("unread@2026-11-25T09:00Z could not be read, and could put it off.")


def test_an_id_that_nobody_knows_may_be_a_groups_and_puts_it_off() -> None:
    assert standing(group("dev"), alone("stray", SOON)) == Audited(
        "stray@2026-11-25T09:00Z could not be read, and could put it off."
    )
    assert standing(group("dev"), alone("stray")) == InForce("dev")


def test_a_group_that_could_not_be_read_and_is_in_force_puts_nothing_off() -> None:
    assert standing(group("dev"), group("unread")) == InForce("dev")


def test_a_group_that_could_not_be_read_is_nothing_to_a_subscription_that_is_listed() -> None:
    assert standing(alone(ONE), group("unread", LATER), below={}) == InForce(ONE)


def test_audit_mode_wins() -> None:
    audit = Rings(listed=(alone(ONE),))
    assert audit.standing(ONE, NOW) == Audited("Audit mode changes nothing.")
    assert not audit.may_write(NOW)
    assert audit.notice(NOW) is None


@pytest.mark.parametrize(
    ("listed", "begins", "notice"),
    [
        ((), None, None),
        ((), SOON, SOON),
        ((), PAST, None),
        ((group("dev", LATER), group("all", SOON)), None, SOON),
        ((group("dev", LATER), group("all")), None, None),
        ((group("dev", LATER), group("all")), SOON, SOON),
        ((group("dev", PAST),), SOON, None),
    ],
)
def test_notice_is_given_until_the_first_ring_is_in_force(
    listed: tuple[Ring, ...], begins: datetime | None, notice: datetime | None
) -> None:
    rings = Rings(enforces=True, begins=begins, listed=listed)
    assert rings.notice(NOW) == notice
    assert rings.may_write(NOW) == (notice is None)


def test_a_standing_says_what_decides() -> None:
    assert str(standing()) == "SWEEP_MODE is enforce."
    assert str(standing(group("dev"))) == "Ring dev is in force."
    assert str(standing(begins=SOON)) == "ENFORCE_FROM is 2026-11-25T09:00Z: audit until then."
    assert str(standing(group("dev", SOON))) == (
        "Ring dev@2026-11-25T09:00Z begins 2026-11-25T09:00Z: audit until then."
    )


def test_a_moment_is_written_as_the_setting_takes_it() -> None:
    second = datetime(2027, 1, 15, 8, 0, 30, tzinfo=UTC)
    assert str(group("dev", second)) == "dev@2027-01-15T08:00:30Z"


# What enforcing would change first


def first(*listed: Ring, enforces: bool = False) -> frozenset[str]:
    rings = Rings(enforces=enforces, listed=listed, below=BELOW)
    return rings.at(NOW).first_to_write([ONE, TWO])


def test_enforcing_changes_first_what_is_in_a_ring_in_force_even_in_audit_mode() -> None:
    assert first(group("dev"), alone(TWO, SOON)) == {ONE}
    assert first() == {ONE, TWO}


def test_where_no_ring_is_in_force_the_next_one_is_first() -> None:
    assert first(alone(ONE, LATER), alone(TWO, SOON), enforces=True) == {TWO}
    assert first(enforces=True) == {ONE, TWO}


def test_in_no_ring_nothing_is_changed() -> None:
    assert first(group("unread")) == frozenset()


# Laws: never more enforcement than was asked for

GROUPS, SUBSCRIPTIONS = ["a", "b", "c"], ["s", "t"]
MOMENTS = [None, PAST, NOW, SOON, LATER]
moments = st.sampled_from(MOMENTS)
groups = [[group(name, moment) for moment in MOMENTS] for name in GROUPS]
listings = st.tuples(
    *(st.sampled_from([*[None] * 5, *rings]) for rings in groups),
    # Listed itself it hides what the groups do, so it seldom is.
    *(
        st.sampled_from([*[None] * 15, *(alone(name, moment) for moment in MOMENTS)])
        for name in SUBSCRIPTIONS
    ),
).map(lambda rings: tuple(filter(None, rings)))
members = st.sampled_from([frozenset({"s"}), frozenset({"s", "t"}), frozenset({"t"})])
memberships = st.fixed_dictionaries({}, optional=dict.fromkeys(GROUPS, members))
every_ring = st.builds(
    Rings, st.sampled_from([True, True, True, False]), moments, listings, memberships
)
a_subscription = st.sampled_from(SUBSCRIPTIONS)
a_moment = st.sampled_from([PAST, NOW, SOON, LATER, LATER + timedelta(days=1)])


def eagerness(found: Standing) -> float:
    """Return how much is enforced: more is earlier."""
    match found:
        case InForce():
            return float("inf")
        case ToCome(coming):
            return -coming.timestamp()
        case Audited():
            return float("-inf")


@given(every_ring, a_subscription, a_moment)
def test_law_it_is_decided_for_every_subscription_at_every_moment(
    rings: Rings, name: str, now: datetime
) -> None:
    found = rings.standing(name, now)
    assert isinstance(found, InForce | ToCome | Audited)
    assert str(found)
    if isinstance(found, ToCome):
        assert found.coming > now


in_groups = st.builds(
    Rings,
    st.just(value=True),
    moments,
    st.tuples(*map(st.sampled_from, groups)),
    st.fixed_dictionaries(dict.fromkeys(GROUPS, members)),
)
"""Groups that are all listed and all read, so that what one of them adds is seen."""


@given(every_ring | in_groups, a_subscription, a_moment, st.sampled_from(GROUPS))
def test_law_knowing_less_never_enforces_more(
    rings: Rings, name: str, now: datetime, forgotten: str
) -> None:
    less = {group: ids for group, ids in rings.below.items() if group != forgotten}
    known, unknown = rings.standing(name, now), rings.knowing(less).standing(name, now)
    assert eagerness(unknown) <= eagerness(known)


@given(in_groups, a_subscription, a_moment, st.sampled_from(GROUPS))
def test_law_a_group_more_never_enforces_more_in_what_was_in_a_ring_already(
    rings: Rings, name: str, now: datetime, added: str
) -> None:
    fewer = replace(rings, listed=tuple(ring for ring in rings.listed if ring.key != added))
    before = fewer.standing(name, now)
    assert isinstance(before, Audited) or (
        eagerness(rings.standing(name, now)) <= eagerness(before)
    )


@given(every_ring, a_subscription, a_moment, st.data())
def test_law_a_later_moment_never_enforces_more(
    rings: Rings, name: str, now: datetime, data: st.DataObject
) -> None:
    if not rings.listed:
        return
    changed = data.draw(st.sampled_from(rings.listed))
    later = (changed.begins or rings.begins or PAST) + timedelta(days=3)
    listed = tuple(
        replace(ring, begins=later) if ring == changed else ring for ring in rings.listed
    )
    before, after = rings.standing(name, now), replace(rings, listed=listed).standing(name, now)
    assert eagerness(after) <= eagerness(before)


@given(every_ring, a_subscription, a_moment)
def test_law_audit_mode_enforces_nothing(rings: Rings, name: str, now: datetime) -> None:
    assert isinstance(replace(rings, enforces=False).standing(name, now), Audited)


@given(every_ring, a_subscription, a_moment)
def test_law_nothing_is_enforced_that_no_ring_in_force_names(
    rings: Rings, name: str, now: datetime
) -> None:
    if not isinstance(rings.standing(name, now), InForce):
        return
    assert rings.enforces
    assert rings.may_write(now)
    begun = [ring for ring in rings.listed if (ring.begins or rings.begins or PAST) <= now]
    names = {ring.key for ring in begun if not ring.is_group}
    below = [rings.below.get(ring.key, frozenset()) for ring in begun if ring.is_group]
    assert not rings.listed or name in names or any(name in ids for ids in below)


@given(every_ring, a_subscription, a_moment, a_moment)
def test_law_what_is_in_force_stays_so(
    rings: Rings, name: str, one: datetime, other: datetime
) -> None:
    earlier, later = sorted((one, other))
    if isinstance(rings.standing(name, earlier), InForce):
        assert isinstance(rings.standing(name, later), InForce)


@given(every_ring, a_moment)
def test_law_what_is_written_to_is_what_is_in_force(rings: Rings, now: datetime) -> None:
    standings = rings.at(now)
    in_force = {name for name in SUBSCRIPTIONS if isinstance(standings.of(name), InForce)}
    assert standings.in_force(SUBSCRIPTIONS) == in_force
    assert not in_force or standings.first_to_write(SUBSCRIPTIONS) == in_force
