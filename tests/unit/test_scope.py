"""What of an account shows that it is not in scope; and what a scope's reader makes of answers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pytest

from shared.deadline import Deadline
from shared.decision import Rules, Scope, decide
from shared.errors import AzureError, NoRole, NotFound, Unclear, WrongTenant
from shared.model import Account, AccountId, GapKind, Subscription, Verdict
from shared.scope import InScope, ScopeReader

A, B, C = (f"00000000-0000-4000-8000-00000000000{letter}" for letter in "abc")
TODAY = date(2026, 11, 24)


def account(kind: str = "OpenAI", subscription: str = A) -> Account:
    return Account(AccountId(subscription, "rg", "bot"), kind, "", keys_on=True)


@pytest.mark.parametrize("kind", ["OpenAI", "openai", "OPENAI", "AIServices", "aiservices"])
def test_a_kind_in_scope_is_in_scope_in_any_letter_case(kind: str) -> None:
    assert Scope().leaves_out(account(kind)) == ""


@pytest.mark.parametrize("kind", ["SpeechServices", "", "OpenAI ", "OpenAI2", "Open", "İAServices"])
def test_any_other_kind_is_not(kind: str) -> None:
    assert "Its kind is" in Scope().leaves_out(account(kind))


def test_a_kind_that_a_scope_does_not_name_is_not_in_scope_though_it_is_by_default() -> None:
    assert Scope(kinds=("OpenAI",)).leaves_out(account("AIServices"))


def test_an_account_of_an_excluded_subscription_is_left_out_even_if_it_is_named() -> None:
    scope = Scope(subscriptions=(A, B), excluded_subscriptions=(B,))

    assert scope.leaves_out(account(subscription=A)) == ""
    assert "SWEEP_EXCLUDE_SUBSCRIPTIONS" in scope.leaves_out(account(subscription=B))


def test_an_account_of_a_subscription_that_is_not_named_is_left_out() -> None:
    assert "SWEEP_SUBSCRIPTIONS" in Scope(subscriptions=(A,)).leaves_out(account(subscription=B))


@pytest.mark.parametrize("keys_on", [True, False])
def test_the_scope_comes_before_everything_else(*, keys_on: bool) -> None:
    found = Account(
        AccountId(A, "rg", "bot"), "Face", "", keys_on=keys_on, tags={"local-auth-exempt": "yes"}
    )

    assert decide(found, Scope(), Rules(), TODAY).verdict is Verdict.OUT_OF_SCOPE


# The reader


class StoppedClock:
    """A clock that stands still, and never wakes whoever sleeps."""

    def now(self) -> datetime:
        """Return the moment."""
        return datetime(2026, 11, 24, tzinfo=UTC)

    def monotonic(self) -> float:
        """Return no seconds."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Sleep for good; but for none, come back."""
        if seconds:
            await asyncio.Event().wait()


def home(subscription_id: str, state: str = "Enabled", tenant: str = "t") -> Subscription:
    return Subscription(subscription_id, "", state, tenant)


@dataclass
class Tenant:
    """Both witnesses in memory: what ARM lists, what it gives one by one, what Graph shows."""

    listed: Sequence[Subscription] | AzureError = ()
    single: dict[str, Subscription | AzureError] = field(default_factory=dict)
    shown: frozenset[str] | AzureError = frozenset()
    below: dict[str, list[str] | AzureError] = field(default_factory=dict)
    tenant: str = "t"

    async def home_tenant(self) -> str:
        """Return the tenant of the identity."""
        return self.tenant

    async def subscriptions(self) -> list[Subscription]:
        """List what ARM lists."""
        return list(_or_raise(self.listed))

    async def subscription(self, subscription_id: str) -> Subscription:
        """Read one."""
        return _or_raise(self.single[subscription_id])

    async def descendants(self, management_group: str) -> list[str]:
        """List those below a group."""
        return _or_raise(self.below[management_group])

    async def everywhere(self) -> frozenset[str]:
        """Say what Resource Graph shows."""
        return _or_raise(self.shown)


def _or_raise[T](answer: T | AzureError) -> T:
    if isinstance(answer, AzureError):
        raise answer
    return answer


def error(kind: type[AzureError]) -> AzureError:
    return kind("Reading", "it", code="Code", message="No.")


async def read(tenant: Tenant, scope: Scope | None = None, tenant_id: str | None = None) -> InScope:
    until = Deadline.after(StoppedClock(), 1200)
    return await ScopeReader(tenant, tenant, scope or Scope(), tenant_id, until).read()


def names(found: InScope) -> list[str]:
    return [subscription.id for subscription in found.subscriptions]


async def test_a_subscription_that_arms_list_lost_is_read_and_swept() -> None:
    tenant = Tenant([home(A)], {B: home(B)}, frozenset({A, B}))

    found = await read(tenant)

    assert (names(found), found.gaps) == ([A, B], ())


async def test_a_lost_subscription_that_can_not_be_read_is_a_gap() -> None:
    tenant = Tenant([home(A)], {B: error(Unclear)}, frozenset({A, B}))

    found = await read(tenant)

    assert (names(found), [gap.name for gap in found.gaps]) == ([A], [B])


@pytest.mark.parametrize("kind", [NotFound, NoRole, WrongTenant])
async def test_one_that_is_gone_or_no_longer_ours_is_none(kind: type[AzureError]) -> None:
    tenant = Tenant([home(A)], {B: error(kind)}, frozenset({A, B}))

    found = await read(tenant)

    assert (names(found), found.gaps) == ([A], ())


async def test_without_the_second_witness_arms_list_stands_alone() -> None:
    found = await read(Tenant([home(A)], shown=error(Unclear)))

    assert (names(found), found.gaps) == ([A], ())


async def test_a_scope_that_names_subscriptions_asks_no_second_witness() -> None:
    tenant = Tenant([home(A)], shown=frozenset({A, B}))

    found = await read(tenant, Scope(subscriptions=(A, C)))

    assert names(found) == [A]
    assert [gap.name for gap in found.gaps] == [C]


async def test_a_subscription_below_two_groups_is_swept_once() -> None:
    tenant = Tenant([home(A), home(B)], below={"outer": [A, B, A], "inner": [B]})

    found = await read(tenant, Scope(management_groups=("outer", "inner")))

    assert names(found) == [A, B]


async def test_a_group_that_can_not_be_read_is_a_gap_and_the_others_are_swept() -> None:
    tenant = Tenant([home(A)], below={"inner": [A], "lost": error(Unclear)})

    found = await read(tenant, Scope(management_groups=("lost", "inner")))

    assert names(found) == [A]
    assert [(gap.kind, gap.name) for gap in found.gaps] == [(GapKind.MANAGEMENT_GROUP, "lost")]


async def test_an_expected_subscription_that_arm_does_not_list_is_a_gap() -> None:
    found = await read(Tenant([home(A)], below={"mg": [A, B]}), Scope(management_groups=("mg",)))

    assert (names(found), [gap.name for gap in found.gaps]) == ([A], [B])


async def test_states_tenants_and_exclusions_are_counted_and_left_alone() -> None:
    listed = [home(A), home(B, "Disabled"), home(C, tenant="other")]

    found = await read(Tenant(listed))
    excluded = await read(Tenant(listed), Scope(excluded_subscriptions=(A,)))

    assert names(found) == [A]
    assert [subscription.id for subscription in found.left_alone.disabled] == [B]
    assert [subscription.id for subscription in found.left_alone.other_tenant] == [C]
    assert excluded.left_alone.excluded == (A,)
    assert names(excluded) == []


async def test_a_state_that_nobody_knows_is_a_gap() -> None:
    found = await read(Tenant([home(A, "Frozen")]))

    assert (names(found), [gap.name for gap in found.gaps]) == ([], [A])


@pytest.mark.parametrize("tenant", [Tenant([]), Tenant([home(A, "Disabled")])])
async def test_no_subscription_in_scope_is_a_gap(tenant: Tenant) -> None:
    found = await read(tenant)

    assert [gap.kind for gap in found.gaps] == [GapKind.TENANT]


async def test_a_token_that_names_no_tenant_is_a_gap_and_a_setting_that_does_is_enough() -> None:
    tenant = Tenant([home(A)], tenant="")

    assert [gap.kind for gap in (await read(tenant)).gaps] == [GapKind.TENANT]
    assert names(await read(tenant, tenant_id="t")) == [A]
