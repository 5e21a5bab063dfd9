"""Discovery over a tenant in memory: what it finds, what it can't see, and how long it may take."""

from collections import Counter
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import pytest

from shared.core.deadline import Deadline
from shared.core.decision import Scope
from shared.core.errors import Locked, NoRole, OutOfTime
from shared.core.model import (
    Account,
    AccountId,
    Census,
    Coverage,
    Gap,
    GapKind,
    Inventory,
    Level,
    Source,
    TagsAbove,
    TagsWanted,
)
from shared.steps.cross_check import has_turn
from shared.steps.discovery import Discovery
from tests.support.builders import NOW, TAG
from tests.support.fake_sweeps import HOME, OTHER, THIRD, bot
from tests.support.fake_tenant import FakeTenant, an_error

GROUP, ABOVE = Level.RESOURCE_GROUP, Level.SUBSCRIPTION
EXEMPT = {TAG: "yes"}
TURN = frozenset(number for number in range(96) if has_turn(HOME, frozenset({number})))
"""HOME's."""


def off(name: str, subscription: str = HOME, **more: Any) -> Account:
    return bot(name, subscription, keys_on=False, **more)


class Found:
    """An inventory, and ways to look at it."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory

    @property
    def names(self) -> list[str]:
        """The names of the accounts, in order."""
        return sorted(account.id.name for account in self.inventory.accounts)

    @property
    def gaps(self) -> list[str]:
        """What could not be read."""
        return [gap.name for gap in self.inventory.gaps]

    @property
    def sources(self) -> dict[str, Source]:
        """Who showed which subscription."""
        return {covered.subscription.id: covered.source for covered in self.inventory.coverage}

    def coverage(self, subscription: str = HOME) -> Coverage:
        """Return the coverage of a subscription."""
        (found,) = (
            covered
            for covered in self.inventory.coverage
            if covered.subscription.id == subscription
        )
        return found

    def account(self, name: str = "bot") -> Account:
        """Return an account."""
        (found,) = (account for account in self.inventory.accounts if account.id.name == name)
        return found

    @property
    def gap(self) -> Gap:
        """The one gap."""
        (gap,) = self.inventory.gaps
        return gap


async def discover(
    tenant: FakeTenant, inherit: tuple[Level, ...] = (), owner: tuple[str, ...] = (), **more: Any
) -> Found:
    deadline, tags = Deadline.after(tenant.clock, 1200), TagsWanted(TAG, inherit, owner)
    fields = {"scope": Scope(), "tags": tags, "tenant_id": None, "turns": frozenset(), **more}
    discovery = Discovery(arm=tenant.arm, graph=tenant.graph, deadline=deadline, **fields)
    return Found(await discovery.discover())


# Resource Graph


async def test_accounts_with_keys_on_are_found() -> None:
    found = await discover(FakeTenant.of(bot("a"), bot("b")))
    assert found.names == ["a", "b"]
    assert found.sources == {HOME: Source.GRAPH}
    assert found.inventory.graph_unread == ""
    assert found.gaps == []


async def test_a_subscription_is_known_with_the_management_groups_above_it() -> None:
    tenant = FakeTenant.of(bot())
    tenant.subscribe(HOME, management_groups=("mg-bots", "root"))
    found = await discover(tenant)
    assert found.coverage().subscription.management_groups == ("mg-bots", "root")


async def test_the_management_groups_are_known_too_where_both_sources_were_read() -> None:
    tenant = FakeTenant.of(bot())
    tenant.subscribe(HOME, management_groups=("mg-bots", "root"))
    found = await discover(tenant, turns=TURN)
    assert found.sources == {HOME: Source.ARM}
    assert found.coverage().subscription.management_groups == ("mg-bots", "root")


async def test_the_management_groups_are_not_known_where_resource_graph_shows_nothing() -> None:
    tenant = FakeTenant.of(bot(), unshown={HOME})
    tenant.subscribe(HOME, management_groups=("mg-bots", "root"))
    assert (await discover(tenant)).coverage().subscription.management_groups is None


async def test_compliant_accounts_are_counted_and_not_kept() -> None:
    found = await discover(FakeTenant.of(bot("a"), off("b"), off("c")))
    assert found.names == ["a"]
    assert found.coverage().census == Census(keys_on=1, keys_off=2)


async def test_a_compliant_account_with_our_tag_is_kept() -> None:
    found = await discover(FakeTenant.of(off("b", tags=EXEMPT)))
    assert found.names == ["b"]


async def test_accounts_of_other_kinds_are_neither_found_nor_counted() -> None:
    found = await discover(FakeTenant.of(bot("a"), bot("b", kind="SpeechServices")))
    assert found.names == ["a"]
    assert found.coverage().census == Census(keys_on=1)


async def test_the_kinds_are_those_of_the_scope() -> None:
    tenant = FakeTenant.of(bot("a"), bot("b", kind="Face"))
    assert (await discover(tenant, scope=Scope(kinds=("Face",)))).names == ["b"]


async def test_a_subscription_without_accounts_was_read_too() -> None:
    tenant = FakeTenant()
    tenant.subscribe()
    found = await discover(tenant)
    assert found.coverage().census == Census()
    assert found.gaps == []


async def test_a_calm_tenant_costs_arm_nothing_but_its_list_of_subscriptions() -> None:
    tenant = FakeTenant.of(bot("a"), bot("b", OTHER))
    await discover(tenant, tenant_id="t")
    lists = {"subscriptions", "accounts", "groups"}
    asked_of_arm = [what for what, _ in tenant.asked if what in lists]
    assert asked_of_arm == ["subscriptions"]


async def test_every_batch_of_subscriptions_is_asked_about() -> None:
    tenant = FakeTenant.of(bot("a"), bot("b", OTHER), bot("c", THIRD), batch_size=2)
    found = await discover(tenant)
    assert found.names == ["a", "b", "c"]
    assert tenant.times("visible") == 2


async def test_what_is_left_alone_is_told() -> None:
    tenant = FakeTenant.of(bot())
    tenant.subscribe(OTHER, state="Disabled")
    found = await discover(tenant)
    assert [subscription.id for subscription in found.inventory.left_alone.disabled] == [OTHER]


async def test_gaps_of_the_scope_are_told_beside_what_was_found() -> None:
    tenant = FakeTenant.of(bot())
    found = await discover(tenant, scope=Scope(subscriptions=(HOME, OTHER)))
    assert found.gaps == [OTHER]
    assert found.names == ["bot"]


async def test_the_home_tenant_of_the_settings_is_believed() -> None:
    found = await discover(FakeTenant.of(bot()), tenant_id="elsewhere")
    assert [subscription.id for subscription in found.inventory.left_alone.other_tenant] == [HOME]


# What Resource Graph does not show


async def test_a_subscription_that_resource_graph_does_not_show_is_listed_from_arm() -> None:
    tenant = FakeTenant.of(bot("a"), bot("b", OTHER), off("c", OTHER), unshown={OTHER})
    found = await discover(tenant)
    assert found.sources == {HOME: Source.GRAPH, OTHER: Source.ARM}
    assert found.names == ["a", "b"]
    assert found.coverage(OTHER).census == Census(keys_on=1, keys_off=1)


async def test_where_it_shows_none_of_a_batch_nothing_else_is_asked_of_it() -> None:
    tenant = FakeTenant.of(bot(), unshown={HOME})
    await discover(tenant)
    assert tenant.times("census") == 0


async def test_with_resource_graph_down_everything_is_listed_from_arm() -> None:
    tenant = FakeTenant.of(bot("a"), bot("b", OTHER))
    tenant.meanwhile("visible", HOME, repeat(an_error()))
    found = await discover(tenant)
    assert found.sources == {HOME: Source.ARM, OTHER: Source.ARM}
    assert found.names == ["a", "b"]
    assert found.gaps == []
    assert found.inventory.graph_unread == str(an_error())


@pytest.mark.parametrize("query", ["visible", "census", "listing"])
async def test_a_batch_is_believed_whole_or_not_at_all(query: Any) -> None:
    tenant = FakeTenant.of(bot("a"), bot("b", OTHER), bot("c", THIRD), batch_size=2)
    tenant.meanwhile(query, HOME, [an_error()])
    found = await discover(tenant)
    assert found.sources == {THIRD: Source.GRAPH, HOME: Source.ARM, OTHER: Source.ARM}
    assert found.names == ["a", "b", "c"]


def four_batches() -> FakeTenant:
    names = [f"{number:08}-0000-0000-0000-000000000000" for number in range(4)]
    return FakeTenant.of(*(bot(name, name) for name in names), batch_size=1)


async def test_a_second_witness_of_the_scope_that_can_not_be_asked_is_told() -> None:
    tenant = FakeTenant.of(bot())
    tenant.meanwhile("everywhere", "", [an_error(code="NoWitness")])
    assert "NoWitness" in (await discover(tenant)).inventory.graph_unread


async def test_different_problems_are_all_said() -> None:
    tenant = four_batches()
    for name in tenant.subscriptions:
        tenant.meanwhile("visible", name, [an_error(code=name)])
    problems = "; ".join(str(an_error(code=name)) for name in tenant.subscriptions)
    assert (await discover(tenant)).inventory.graph_unread == problems


async def test_resource_graph_may_take_its_share_of_the_time() -> None:
    tenant = FakeTenant.of(bot())
    tenant.meanwhile("visible", HOME, [90])
    tenant.meanwhile("listing", HOME, [89])
    assert (await discover(tenant)).sources == {HOME: Source.GRAPH}


async def test_resource_graph_that_takes_longer_is_given_up_and_everything_is_listed() -> None:
    tenant = four_batches()
    first, *_ = tenant.subscriptions
    tenant.meanwhile("visible", first, [90])
    tenant.meanwhile("listing", first, [91])
    found = await discover(tenant)
    assert found.inventory.graph_unread == "Resource Graph: no answer within 180 s"
    assert tenant.clock.monotonic() == 180
    assert set(found.sources.values()) == {Source.ARM}
    assert len(found.names) == 4


# Census and list


async def test_where_census_and_list_agree_only_once_they_are_asked_again_it_is_no_gap() -> None:
    tenant = FakeTenant.of(bot("a"))
    tenant.meanwhile("listing", HOME, [lambda: tenant.put(bot("b"))])
    found = await discover(tenant)
    assert found.gaps == []
    assert found.names == ["a", "b"]
    assert found.coverage().census == Census(keys_on=2)


async def test_they_are_asked_again_after_two_seconds() -> None:
    tenant = FakeTenant.of(bot("a"))
    tenant.meanwhile("listing", HOME, [lambda: tenant.put(bot("b"))])
    await discover(tenant)
    assert tenant.clock.monotonic() == 2


async def test_only_those_that_do_not_agree_are_asked_about_again() -> None:
    tenant = FakeTenant.of(bot("a"), bot("b", OTHER))
    tenant.meanwhile("listing", HOME, [lambda: tenant.put(bot("c", OTHER))])
    found = await discover(tenant)
    assert [about for what, about in tenant.asked if what == "census"] == [HOME, OTHER]
    assert found.names == ["a", "b", "c"]


async def test_where_they_agree_nobody_asks_again() -> None:
    tenant = FakeTenant.of(bot())
    await discover(tenant)
    assert tenant.times("census") == 1
    assert tenant.clock.monotonic() == 0


async def test_where_they_never_agree_on_keys_on_it_is_a_gap_that_says_so() -> None:
    tenant = FakeTenant.of(bot("a"), bot("b"), off("c"), uncounted={bot("a").id.key})
    found = await discover(tenant)
    assert found.gap == Gap(
        GapKind.SUBSCRIPTION,
        HOME,
        "Resource Graph counts 1 accounts with keys on and 1 with keys off, and lists 2 and 0, "
        "even after asking again",
        HOME,
    )
    assert found.names == []
    assert found.sources == {}


async def test_more_keys_off_in_the_list_than_were_counted_are_a_gap() -> None:
    tagged = off("c", tags=EXEMPT)
    tenant = FakeTenant.of(bot("a"), tagged, uncounted={tagged.id.key})
    found = await discover(tenant)
    assert (
        "counts 1 accounts with keys on and 0 with keys off, and lists 1 and 1" in found.gap.problem
    )


async def test_as_many_keys_off_in_the_list_as_were_counted_are_none() -> None:
    tenant = FakeTenant.of(bot("a"), off("c", tags=EXEMPT), off("d", tags=EXEMPT))
    assert (await discover(tenant)).gaps == []


async def test_more_accounts_with_keys_on_counted_than_listed_are_a_gap() -> None:
    tenant = FakeTenant.of(off("a"))
    tenant.meanwhile("census", HOME, [lambda: tenant.change(off("a"), keys_on=True)] * 2)
    tenant.meanwhile("listing", HOME, [lambda: tenant.change(off("a"), keys_on=False)] * 2)
    assert (await discover(tenant)).gaps == [HOME]


async def test_a_subscription_in_dispute_is_listed_from_nowhere_else() -> None:
    tenant = FakeTenant.of(bot("a"), uncounted={bot("a").id.key})
    await discover(tenant, turns=TURN)
    assert tenant.times("accounts") == 0


# ARM's lists


def listed_from_arm(*accounts: Account, **more: Any) -> FakeTenant:
    return FakeTenant.of(*accounts, unshown={HOME}, **more)


async def test_an_account_that_arm_lists_twice_is_one() -> None:
    found = await discover(listed_from_arm(bot("a"), bot("b"), repeated={bot("a").id.key}))
    assert found.names == ["a", "b"]
    assert found.coverage().census == Census(keys_on=2)


async def test_arms_list_keeps_what_resource_graph_would_list() -> None:
    found = await discover(
        listed_from_arm(bot("a"), off("b"), off("c", tags=EXEMPT), bot("d", kind="Face"))
    )
    assert found.names == ["a", "c"]
    assert found.coverage().census == Census(keys_on=1, keys_off=2)


async def test_a_row_that_can_not_be_read_is_a_gap_and_the_others_are_found() -> None:
    found = await discover(listed_from_arm(bot(), odd_rows={HOME: ["a row without an id"]}))
    assert found.gap == Gap(
        GapKind.ACCOUNT, "a row without an id", "ARM's row lacks what we need", HOME
    )
    assert found.names == ["bot"]
    assert found.sources == {HOME: Source.ARM}


async def test_a_row_that_can_not_be_read_twice_is_one_gap() -> None:
    found = await discover(listed_from_arm(bot(), odd_rows={HOME: ["odd", "odd", "odder"]}))
    assert found.gaps == ["odd", "odder"]


async def test_a_list_that_arm_refuses_is_a_gap_and_the_others_are_read() -> None:
    tenant = FakeTenant.of(bot("a"), bot("b", OTHER), unshown={HOME, OTHER})
    tenant.meanwhile("accounts", HOME, [an_error(NoRole, 403, "AuthorizationFailed")])
    found = await discover(tenant)
    assert found.gap.kind == GapKind.SUBSCRIPTION
    assert found.gap.subscription_id == HOME
    assert "AuthorizationFailed" in found.gap.problem
    assert found.names == ["b"]


async def test_lists_are_read_side_by_side() -> None:
    tenant = FakeTenant.of(bot("a"), bot("b", OTHER), unshown={HOME, OTHER})
    for name in (HOME, OTHER):
        tenant.meanwhile("accounts", name, [30])
    await discover(tenant)
    assert tenant.clock.monotonic() == 30


async def test_a_lane_that_outlasts_the_sweep_is_a_gap_at_once() -> None:
    tenant = listed_from_arm(bot())
    tenant.meanwhile("accounts", HOME, [OutOfTime(5000, 1200)])
    found = await discover(tenant)
    assert found.gaps == [HOME]
    assert tenant.clock.monotonic() == 0


async def test_a_list_may_take_three_quarters_of_what_is_left() -> None:
    tenant = listed_from_arm(bot())
    tenant.meanwhile("accounts", HOME, [899])
    assert (await discover(tenant)).gaps == []


async def test_a_list_that_takes_longer_is_a_gap_and_the_others_are_read() -> None:
    tenant = FakeTenant.of(bot("a"), bot("b", OTHER), unshown={HOME, OTHER})
    tenant.meanwhile("accounts", HOME, [10_000])
    found = await discover(tenant)
    assert found.gaps == [HOME]
    assert found.gap.problem == "ARM's list of its accounts outlasted its share of the time"
    assert found.names == ["b"]
    assert tenant.clock.monotonic() == 900


async def test_the_share_is_of_what_resource_graph_left() -> None:
    tenant = listed_from_arm(bot())
    tenant.meanwhile("visible", HOME, [100])
    tenant.meanwhile("accounts", HOME, [10_000])
    await discover(tenant)
    assert tenant.clock.monotonic() == 100 + (1200 - 100) * 0.75


async def test_the_list_of_subscriptions_has_its_share_too() -> None:
    tenant = FakeTenant.of(bot())
    tenant.meanwhile("subscriptions", "", [10_000])
    found = await discover(tenant)
    assert found.gap.kind is GapKind.TENANT
    assert tenant.clock.monotonic() == 900


# The second source


async def test_whose_turn_it_is_is_read_from_arm_too() -> None:
    tenant = FakeTenant.of(bot())
    found = await discover(tenant, turns=TURN)
    assert found.sources == {HOME: Source.ARM}
    assert found.names == ["bot"]


async def test_whose_turn_it_is_not_is_not() -> None:
    tenant = FakeTenant.of(bot())
    await discover(tenant, turns=frozenset(range(96)) - TURN)
    assert tenant.times("accounts") == 0


async def test_what_was_listed_from_arm_is_not_listed_again() -> None:
    tenant = listed_from_arm(bot())
    await discover(tenant, turns=TURN)
    assert tenant.times("accounts") == 1


async def test_an_account_that_resource_graph_misses_is_found_and_told() -> None:
    missed = bot("missed")
    tenant = FakeTenant.of(bot(), missed, unshown={missed.id.key})
    found = await discover(tenant, turns=TURN)
    assert found.names == ["bot", "missed"]
    (disagreement,) = found.inventory.disagreements
    assert disagreement.account == missed
    assert found.gaps == []


async def test_what_changed_a_moment_ago_is_found_and_is_no_disagreement() -> None:
    missed = bot("missed", changed_at=NOW)
    tenant = FakeTenant.of(bot(), missed, unshown={missed.id.key})
    found = await discover(tenant, turns=TURN)
    assert found.names == ["bot", "missed"]
    assert found.inventory.disagreements == ()


async def test_resource_graph_that_lags_is_overtaken_by_arm() -> None:
    tenant = FakeTenant.of(bot(), lag=60)
    tenant.change(bot(), keys_on=False)
    found = await discover(tenant, turns=TURN)
    (disagreement,) = found.inventory.disagreements
    assert disagreement.graph == "on"
    assert disagreement.arm == "off"
    assert [account.keys_on for account in found.inventory.accounts] == [False]
    assert found.coverage().census == Census(keys_off=1)


async def test_a_second_source_that_arm_refuses_is_a_gap_and_the_first_stands() -> None:
    tenant = FakeTenant.of(bot())
    tenant.meanwhile("accounts", HOME, [an_error(Locked, 409, "Odd")])
    found = await discover(tenant, turns=TURN)
    assert found.gaps == [HOME]
    assert found.names == ["bot"]
    assert found.sources == {HOME: Source.GRAPH}


@pytest.mark.parametrize(("seconds", "source"), [(179, Source.ARM), (181, Source.GRAPH)])
async def test_a_second_source_has_its_share_of_the_time(seconds: float, source: Source) -> None:
    tenant = FakeTenant.of(bot())
    tenant.meanwhile("accounts", HOME, [seconds])
    found = await discover(tenant, turns=TURN)
    assert found.sources == {HOME: source}
    assert found.gaps == []
    assert tenant.clock.monotonic() == min(seconds, 180)


async def test_a_second_source_that_is_throttled_is_no_gap_and_the_first_stands() -> None:
    tenant = FakeTenant.of(bot())
    tenant.meanwhile("accounts", HOME, [OutOfTime(5000, 1200)])
    found = await discover(tenant, turns=TURN)
    assert found.gaps == []
    assert found.names == ["bot"]
    assert found.sources == {HOME: Source.GRAPH}


async def test_a_row_that_the_second_source_can_not_read_is_a_gap() -> None:
    tenant = FakeTenant.of(bot(), odd_rows={HOME: ["odd"]})
    found = await discover(tenant, turns=TURN)
    assert found.gaps == ["odd"]
    assert found.names == ["bot"]


# Levels above


def above(found: Found, name: str = "bot") -> Sequence[TagsAbove]:
    return found.account(name).above


def tagged(*accounts: Account, **more: Any) -> FakeTenant:
    """Return a tenant whose resource group and subscription have tags."""
    tenant = FakeTenant.of(*accounts, **more)
    tenant.subscribe(HOME, tags={"owner": "ann"})
    tenant.groups[HOME, "rg-chat"] = dict(EXEMPT)
    return tenant


async def test_without_inheritance_no_level_above_is_looked_at() -> None:
    tenant = tagged(bot())
    assert above(await discover(tenant)) == ()
    assert tenant.times("groups shown") == 0


async def test_the_tags_of_levels_above_are_put_on_the_accounts_in_their_order() -> None:
    found = await discover(tagged(bot()), inherit=(GROUP, ABOVE))
    assert above(found) == (TagsAbove(GROUP, EXEMPT), TagsAbove(ABOVE, {"owner": "ann"}))


async def test_a_subscriptions_tags_need_no_query() -> None:
    tenant = tagged(bot())
    found = await discover(tenant, inherit=(ABOVE,))
    assert above(found) == (TagsAbove(ABOVE, {"owner": "ann"}),)
    assert tenant.times("groups shown") == 0


async def test_a_resource_group_without_our_tag_lends_none() -> None:
    tenant = tagged(bot(id=AccountId(HOME, "rg-other", "bot")))
    assert above(await discover(tenant, inherit=(GROUP,))) == (TagsAbove(GROUP, {}),)


async def test_a_resource_group_in_other_letters_is_the_same() -> None:
    tenant = tagged(bot(id=AccountId(HOME, "RG-Chat", "bot")))
    assert above(await discover(tenant, inherit=(GROUP,))) == (TagsAbove(GROUP, EXEMPT),)


async def test_a_resource_group_of_the_same_name_elsewhere_is_another() -> None:
    tenant = tagged(bot("a"), bot("b", OTHER))
    found = await discover(tenant, inherit=(GROUP,))
    assert above(found, "b") == (TagsAbove(GROUP, {}),)


async def test_groups_that_resource_graph_refuses_are_read_from_arm_with_their_accounts() -> None:
    tenant = tagged(bot())
    tenant.meanwhile("groups shown", HOME, [an_error()])
    found = await discover(tenant, inherit=(GROUP,))
    assert found.sources == {HOME: Source.ARM}
    assert above(found) == (TagsAbove(GROUP, EXEMPT),)


async def test_a_dispute_stays_a_gap_whatever_is_inherited() -> None:
    tenant = tagged(bot("a"), uncounted={bot("a").id.key})
    assert (await discover(tenant, inherit=(GROUP, ABOVE))).gaps == [HOME]


async def test_arms_list_looks_at_the_levels_too() -> None:
    found = await discover(tagged(bot(), unshown={HOME}), inherit=(GROUP, ABOVE))
    assert above(found) == (TagsAbove(GROUP, EXEMPT), TagsAbove(ABOVE, {"owner": "ann"}))


async def test_arms_groups_are_listed_only_where_they_matter() -> None:
    for tenant, inherit in (
        (tagged(bot(), unshown={HOME}), (ABOVE,)),
        (tagged(off("b"), unshown={HOME}), (GROUP,)),
    ):
        await discover(tenant, inherit=inherit)
        assert tenant.times("groups") == 0


async def test_groups_that_arm_refuses_are_unreadable_and_no_gap() -> None:
    tenant = tagged(bot(), unshown={HOME})
    tenant.meanwhile("groups", HOME, [an_error(NoRole, 403)])
    found = await discover(tenant, inherit=(GROUP, ABOVE))
    assert above(found) == (TagsAbove(GROUP, None), TagsAbove(ABOVE, {"owner": "ann"}))
    assert found.gaps == []


async def test_groups_that_outlast_the_share_make_the_subscription_a_gap() -> None:
    tenant = tagged(bot(), unshown={HOME})
    tenant.meanwhile("accounts", HOME, [100])
    tenant.meanwhile("groups", HOME, [10_000])
    found = await discover(tenant, inherit=(GROUP,))
    assert found.gaps == [HOME]
    assert tenant.clock.monotonic() == 900


async def test_the_second_sources_accounts_have_their_levels_too() -> None:
    found = await discover(tagged(bot()), inherit=(GROUP,), turns=TURN)
    assert above(found) == (TagsAbove(GROUP, EXEMPT),)


# Owners


OWNER = ("owner",)


def owned(*accounts: Account, **more: Any) -> FakeTenant:
    """Return a tenant whose resource group names an owner, and whose subscription another one."""
    tenant = tagged(*accounts, **more)
    tenant.groups[HOME, "rg-chat"] = {"Owner": "bob"}
    return tenant


@pytest.mark.parametrize("hidden", [set(), {HOME}], ids=["resource graph", "arm"])
async def test_the_levels_that_name_an_owner_are_put_on_the_accounts(hidden: set[str]) -> None:
    found = await discover(owned(bot(), unshown=hidden), owner=OWNER)
    assert found.account().owned_at == (
        TagsAbove(GROUP, {"Owner": "bob"}),
        TagsAbove(ABOVE, {"owner": "ann"}),
    )


async def test_what_names_an_owner_above_exempts_nobody() -> None:
    tenant = owned(bot())
    tenant.groups[HOME, "rg-chat"] |= EXEMPT
    assert above(await discover(tenant, owner=OWNER)) == ()


async def test_owners_and_inherited_exemptions_are_one_query() -> None:
    tenant = owned(bot())
    found = await discover(tenant, inherit=(GROUP,), owner=OWNER)
    assert above(found) == (TagsAbove(GROUP, {"Owner": "bob"}),)
    assert tenant.times("groups shown") == 1


@pytest.mark.parametrize(
    ("hidden", "query"), [(set(), "groups shown"), ({HOME}, "groups")], ids=["graph", "arm"]
)
async def test_owners_cost_one_query_and_nothing_else(hidden: set[str], query: str) -> None:
    without, asked = owned(bot(), unshown=hidden), owned(bot(), unshown=hidden)
    await discover(without)
    await discover(asked, owner=OWNER)
    more = Counter(what for what, _ in asked.asked) - Counter(what for what, _ in without.asked)
    assert more == {query: 1}


async def test_owners_cost_no_query_where_no_account_matters() -> None:
    tenant = FakeTenant.of(off("a"))
    tenant.subscribe(OTHER)
    await discover(tenant, owner=OWNER)
    assert tenant.times("groups shown") == 0


@pytest.mark.parametrize("effect", [an_error(), 1000.0], ids=["refused", "no answer"])
async def test_owners_that_resource_graph_does_not_show_are_not_known_and_no_gap(
    effect: Any,
) -> None:
    tenant = owned(bot())
    tenant.meanwhile("groups shown", HOME, [effect])
    found = await discover(tenant, owner=OWNER)
    assert found.account().owned_at[0] == TagsAbove(GROUP, None)
    assert found.sources == {HOME: Source.GRAPH}
    assert found.gaps == []


@pytest.mark.parametrize("effect", [an_error(), 10_000.0], ids=["refused", "no answer"])
async def test_owners_that_arm_does_not_show_are_not_known_and_no_gap(effect: Any) -> None:
    tenant = owned(bot(), unshown={HOME})
    tenant.meanwhile("groups", HOME, [effect])
    found = await discover(tenant, owner=OWNER)
    assert found.account().owned_at[0] == TagsAbove(GROUP, None)
    assert found.sources == {HOME: Source.ARM}
    assert found.gaps == []
