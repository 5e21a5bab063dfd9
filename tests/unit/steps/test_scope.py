"""Which subscriptions are swept, what is left alone, and what is a gap: from what Azure answers."""

from typing import Any

import pytest

from shared.core.deadline import Deadline
from shared.core.decision import Scope
from shared.core.errors import AzureError, NoRole, NotFound, NoToken, Unclear, WrongTenant
from shared.core.model import GapKind
from shared.steps.scope import InScope, ScopeReader
from tests.support.fake_tenant import FakeTenant, an_error

A, B, C = (f"00000000-0000-4000-8000-00000000000{letter}" for letter in "abc")


def subscriptions(*names: str, **more: Any) -> FakeTenant:
    """Return a tenant of these subscriptions."""
    tenant = FakeTenant(**more)
    for name in names:
        tenant.subscribe(name)
    return tenant


async def read(
    tenant: FakeTenant,
    scope: Scope = Scope(),  # noqa: B008 - frozen
    tenant_id: str | None = None,
    budget: float = 900,
) -> InScope:
    until = Deadline.after(tenant.clock, budget)
    return await ScopeReader(tenant.arm, tenant.graph, scope, tenant_id, until).read()


def names(found: InScope) -> list[str]:
    return [subscription.id for subscription in found.subscriptions]


def gaps(found: InScope) -> list[tuple[GapKind, str]]:
    return [(gap.kind, gap.name) for gap in found.gaps]


TENANT, OF_GROUP, OF_SUBSCRIPTION = (
    GapKind.TENANT, GapKind.MANAGEMENT_GROUP, GapKind.SUBSCRIPTION,
)  # fmt: skip


# The whole tenant


async def test_without_a_scope_every_subscription_is_swept() -> None:
    found = await read(subscriptions(A, B))
    assert names(found) == [A, B]
    assert found.gaps == ()
    assert found.graph_unread == ""


async def test_a_subscription_that_arms_list_lost_is_read_and_swept() -> None:
    found = await read(subscriptions(A, B, unlisted={B}))
    assert names(found) == [A, B]
    assert found.gaps == ()


async def test_a_subscription_that_resource_graph_does_not_show_is_swept_all_the_same() -> None:
    found = await read(subscriptions(A, B, unshown={B}))
    assert names(found) == [A, B]


async def test_a_lost_subscription_that_can_not_be_read_is_a_gap() -> None:
    tenant = subscriptions(A, B, unlisted={B})
    tenant.meanwhile("subscription", B, [an_error(Unclear, 500, "Odd")])
    found = await read(tenant)
    assert names(found) == [A]
    (gap,) = found.gaps
    assert gap.kind == OF_SUBSCRIPTION
    assert gap.name == B
    assert gap.subscription_id == B
    assert "Resource Graph shows it, ARM does not list it" in gap.problem
    assert "Odd" in gap.problem


@pytest.mark.parametrize("kind", [NotFound, NoRole, WrongTenant])
async def test_one_that_is_gone_or_no_longer_ours_is_none(kind: type[AzureError]) -> None:
    tenant = subscriptions(A, B, C, unlisted={B, C})
    tenant.meanwhile("subscription", B, [an_error(kind)])
    found = await read(tenant)
    assert names(found) == [A, C]
    assert found.gaps == ()


async def test_one_for_which_a_token_was_not_taken_is_a_gap() -> None:
    tenant = subscriptions(A, B, unlisted={B})
    tenant.meanwhile("subscription", B, [an_error(NoRole, 401)])
    found = await read(tenant)
    assert gaps(found) == [(OF_SUBSCRIPTION, B)]


async def test_lost_subscriptions_are_looked_up_in_order() -> None:
    lost = [f"00000000-0000-4000-8000-{number:012}" for number in range(12)]
    assert names(await read(subscriptions(*lost, unlisted=set(lost)))) == lost


async def test_without_the_second_witness_arms_list_stands_alone() -> None:
    tenant = subscriptions(A)
    tenant.meanwhile("everywhere", "", [an_error()])
    found = await read(tenant)
    assert names(found) == [A]
    assert found.gaps == ()
    assert found.graph_unread == str(an_error())


@pytest.mark.parametrize(("seconds", "swept"), [(29, [A, B]), (31, [A])])
async def test_the_second_witness_has_half_a_minute(seconds: float, swept: list[str]) -> None:
    tenant = subscriptions(A, B, unlisted={B})
    tenant.meanwhile("everywhere", "", [seconds])
    found = await read(tenant)
    assert names(found) == swept
    assert found.gaps == ()
    assert bool(found.graph_unread) is (swept == [A])
    assert tenant.clock.monotonic() == min(seconds, 30)


async def test_the_second_witness_has_no_more_than_what_is_left() -> None:
    tenant = subscriptions(A)
    tenant.meanwhile("everywhere", "", [1000])
    await read(tenant, budget=20)
    assert tenant.clock.monotonic() == 20


# Subscriptions that are named


async def test_only_the_subscriptions_that_are_named_are_swept() -> None:
    assert names(await read(subscriptions(A, B, C), Scope(subscriptions=(A, C)))) == [A, C]


async def test_a_scope_that_names_subscriptions_asks_no_second_witness() -> None:
    tenant = subscriptions(A)
    found = await read(tenant, Scope(subscriptions=(A,)))
    assert tenant.times("everywhere") == 0
    assert found.graph_unread == ""


async def test_where_no_scope_can_be_read_nothing_is_said_of_resource_graph() -> None:
    tenant = subscriptions(A)
    tenant.meanwhile("subscriptions", "", [an_error()])
    assert (await read(tenant)).graph_unread == ""


async def test_a_named_subscription_that_arm_does_not_list_is_a_gap() -> None:
    found = await read(subscriptions(A), Scope(subscriptions=(A, C)))
    assert names(found) == [A]
    (gap,) = found.gaps
    assert gap.kind == OF_SUBSCRIPTION
    assert gap.name == C
    assert gap.subscription_id == C
    assert gap.problem == "it is in scope, and the identity can't read it"


# Management groups


async def test_the_subscriptions_below_the_groups_are_swept() -> None:
    tenant = subscriptions(A, B, C, below={"mg": [A], "other": [B]})
    assert names(await read(tenant, Scope(management_groups=("mg", "other")))) == [A, B]


async def test_a_scope_of_groups_asks_no_second_witness() -> None:
    tenant = subscriptions(A, below={"mg": [A]})
    await read(tenant, Scope(management_groups=("mg",)))
    assert tenant.times("everywhere") == 0


async def test_a_subscription_below_two_groups_is_swept_once() -> None:
    tenant = subscriptions(A, B, below={"outer": [A, B, A], "inner": [B]})
    assert names(await read(tenant, Scope(management_groups=("outer", "inner")))) == [A, B]


async def test_a_group_that_can_not_be_read_is_a_gap_and_the_others_are_swept() -> None:
    tenant = subscriptions(A, below={"inner": [A]})
    tenant.meanwhile("descendants", "lost", [an_error(code="Odd")])
    found = await read(tenant, Scope(management_groups=("lost", "inner")))
    assert names(found) == [A]
    assert gaps(found) == [(OF_GROUP, "lost")]
    assert "Odd" in found.gaps[0].problem


async def test_a_group_that_outlasts_its_share_is_a_gap() -> None:
    tenant = subscriptions(A, below={"slow": [A], "inner": [A]})
    tenant.meanwhile("descendants", "slow", [1000])
    found = await read(tenant, Scope(management_groups=("inner", "slow")))
    assert names(found) == [A]
    assert gaps(found) == [(OF_GROUP, "slow")]
    assert found.gaps[0].problem == "the list of its subscriptions outlasted its share of the time"
    assert tenant.clock.monotonic() == 900


async def test_an_expected_subscription_that_arm_does_not_list_is_a_gap() -> None:
    tenant = subscriptions(A, B, below={"mg": [A, B]}, unlisted={B})
    found = await read(tenant, Scope(management_groups=("mg",)))
    assert names(found) == [A]
    assert gaps(found) == [(OF_SUBSCRIPTION, B)]


async def test_a_group_without_subscriptions_is_a_gap_of_the_tenant() -> None:
    tenant = subscriptions(A, below={"mg": []})
    assert gaps(await read(tenant, Scope(management_groups=("mg",)))) == [(TENANT, "t")]


# What is left alone


async def test_disabled_subscriptions_are_counted_and_left_alone() -> None:
    tenant = subscriptions(A, B)
    tenant.subscribe(B, state="Disabled")
    found = await read(tenant)
    assert names(found) == [A]
    assert [subscription.id for subscription in found.left_alone.disabled] == [B]
    assert found.gaps == ()


@pytest.mark.parametrize("state", ["Enabled", "Warned", "PastDue", "enabled"])
async def test_subscriptions_that_can_be_changed_are_swept(state: str) -> None:
    tenant = subscriptions(A)
    tenant.subscribe(A, state=state)
    assert names(await read(tenant)) == [A]


async def test_subscriptions_of_another_tenant_are_counted_and_left_alone() -> None:
    tenant = subscriptions(A, B)
    tenant.subscribe(B, tenant_id="other")
    found = await read(tenant)
    assert names(found) == [A]
    assert [subscription.id for subscription in found.left_alone.other_tenant] == [B]


async def test_another_tenants_subscription_in_a_state_that_nobody_knows_is_no_gap() -> None:
    tenant = subscriptions(A, B)
    tenant.subscribe(B, tenant_id="other", state="Frozen")
    assert (await read(tenant)).gaps == ()


async def test_excluded_subscriptions_are_counted_and_left_alone() -> None:
    found = await read(subscriptions(A, B), Scope(excluded_subscriptions=(B, C)))
    assert names(found) == [A]
    assert found.left_alone.excluded == (B,)


async def test_what_comes_after_an_excluded_subscription_is_swept() -> None:
    assert names(await read(subscriptions(A, B), Scope(excluded_subscriptions=(A,)))) == [B]


async def test_what_comes_after_a_subscription_that_can_not_be_read_is_swept() -> None:
    assert names(await read(subscriptions(B), Scope(subscriptions=(A, B)))) == [B]


async def test_an_excluded_subscription_that_can_not_be_read_is_no_gap() -> None:
    scope = Scope(subscriptions=(A, B), excluded_subscriptions=(B,))
    found = await read(subscriptions(A), scope)
    assert found.gaps == ()
    assert found.left_alone.excluded == (B,)


async def test_a_state_that_nobody_knows_is_a_gap() -> None:
    tenant = subscriptions(A)
    tenant.subscribe(A, state="Frozen")
    found = await read(tenant)
    assert names(found) == []
    assert gaps(found) == [(OF_SUBSCRIPTION, A)]
    assert found.gaps[0].problem == "nobody knows its state 'Frozen'"


# Nothing at all


async def test_no_subscription_in_scope_is_a_gap() -> None:
    found = await read(subscriptions())
    assert gaps(found) == [(TENANT, "t")]
    assert "no subscription is in scope" in found.gaps[0].problem


async def test_none_but_disabled_ones_is_a_gap_too() -> None:
    tenant = subscriptions(A)
    tenant.subscribe(A, state="Disabled")
    found = await read(tenant)
    assert gaps(found) == [(TENANT, "t")]
    assert [subscription.id for subscription in found.left_alone.disabled] == [A]


async def test_where_there_are_gaps_already_none_is_added() -> None:
    found = await read(subscriptions(), Scope(subscriptions=(A,)))
    assert gaps(found) == [(OF_SUBSCRIPTION, A)]


@pytest.mark.parametrize("what", ["home tenant", "subscriptions"])
async def test_without_a_list_of_subscriptions_the_tenant_is_the_gap(what: Any) -> None:
    tenant = subscriptions(A)
    tenant.meanwhile(what, "", [an_error(NoToken, code="NoToken")])
    found = await read(tenant)
    assert names(found) == []
    assert gaps(found) == [(TENANT, "of the identity")]
    assert "NoToken" in found.gaps[0].problem


async def test_a_list_that_outlasts_its_share_is_a_gap() -> None:
    tenant = subscriptions(A)
    tenant.meanwhile("subscriptions", "", [1000])
    found = await read(tenant)
    assert gaps(found) == [(TENANT, "of the identity")]
    assert found.gaps[0].problem == "ARM's list of subscriptions outlasted its share of the time"
    assert tenant.clock.monotonic() == 900


@pytest.mark.parametrize("effect", [an_error(), 1000], ids=["refused", "no answer"])
async def test_such_a_list_is_a_gap_of_the_tenant_that_the_settings_name(effect: Any) -> None:
    tenant = subscriptions(A)
    tenant.meanwhile("subscriptions", "", [effect])
    assert gaps(await read(tenant, tenant_id="t")) == [(TENANT, "t")]


# The home tenant


async def test_where_the_token_names_none_what_is_delegated_to_nobody_is_at_home() -> None:
    tenant = subscriptions(A, B, home="")
    tenant.subscribe(C, tenant_id="another", is_delegated=True)
    found = await read(tenant)
    assert names(found) == [A, B]
    assert [subscription.id for subscription in found.left_alone.other_tenant] == [C]


@pytest.mark.parametrize(
    "second", [{"is_delegated": True}, {"tenant_id": "another"}], ids=["delegated", "another's"]
)
async def test_where_that_does_not_tell_it_either_the_tenant_is_a_gap(second: Any) -> None:
    tenant = FakeTenant(home="")
    tenant.subscribe(A, is_delegated="is_delegated" in second)
    tenant.subscribe(B, **second)
    found = await read(tenant)
    assert gaps(found) == [(TENANT, "of the identity")]
    assert "set AZURE_TENANT_ID" in found.gaps[0].problem


async def test_a_list_of_nothing_tells_no_tenant() -> None:
    assert gaps(await read(FakeTenant(home=""))) == [(TENANT, "of the identity")]


async def test_a_setting_that_names_it_is_enough_and_nobody_is_asked() -> None:
    tenant = subscriptions(A, home="")
    assert names(await read(tenant, tenant_id="t")) == [A]
    assert tenant.times("home tenant") == 0
