"""Accounts that are each spoilt in a way of their own, and one sweep of all of them.

Each is in a subscription of its own, which Resource Graph does not show, so that no lane and no
fault of one touches another; beside each stands an account that is calm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from local_azure import Account, LocalAzure, PatchForm, Tenant
from local_azure.faults import Fault
from local_azure.log import Operation
from local_azure.state import ids
from shared.core.model import Result
from tests.support.contoso import MANY, YEARS, before, each_patch_follows_a_read
from tests.support.real_sweeps import Swept, sweep

type Arrange = Callable[[LocalAzure, Account], object]


def nothing(_azure: LocalAzure, _bot: Account) -> None:
    """Leave Azure as it is: the fault is in the account."""


@dataclass(frozen=True)
class Case:
    """What happens to an account, and what comes of it."""

    result: Result
    arrange: Arrange = nothing
    code: str = ""
    says: str = ""
    """Stands in Azure's message, or else in the detail."""
    patches: int = 1
    """How many times the server sees a PATCH of it."""
    most: float = 40
    """Seconds from the first request for it to the last."""
    options: dict[str, Any] = field(default_factory=dict)


def at(method: str, strike: Callable[[Fault], object], **counts: Any) -> Arrange:
    """Let a fault strike at requests of the account itself."""
    return lambda azure, bot: strike(azure.faults.on(method=method, path=bot.id, **counts))


def first(method: str, happens: Arrange, skip: int = 0) -> Arrange:
    """Let something happen just before a request of the account itself."""
    return lambda azure, bot: before(azure, method, bot, partial(happens, azure, bot), skip)


def answers(
    status: int, body: Any = None, *, times: int | None = 1, method: str = "PATCH", **headers: str
) -> Arrange:
    """Answer requests of the account itself with this."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return at(method, lambda fault: fault.answer(status, body, sent), times=times)


@dataclass(frozen=True)
class Together:
    """One sweep of all of them, and what the server saw of it."""

    azure: LocalAzure
    swept: Swept
    bots: Mapping[str, Account]
    """By the name of the case."""

    @cached_property
    def outcomes(self) -> dict[str, dict[str, Any]]:
        """The outcome of each account, by the name of its case."""
        events = {event["accountId"]: event for event in self.swept.events("RemediationOutcome")}
        return {name: events[bot.id.lower()] for name, bot in self.bots.items()}

    @cached_property
    def requests(self) -> dict[str, list[Operation]]:
        """The requests of each account itself, by the name of its case."""
        names = {bot.id.lower(): name for name, bot in self.bots.items()}
        found: dict[str, list[Operation]] = {name: [] for name in self.bots}
        for seen in self.azure.operations:
            if seen.path.lower() in names:
                found[names[seen.path.lower()]].append(seen)
        return found

    @property
    def patches(self) -> dict[str, int]:
        """How many times each was sent a PATCH."""
        return {
            name: sum(seen.method == "PATCH" for seen in requests)
            for name, requests in self.requests.items()
        }

    @property
    def seconds(self) -> dict[str, float]:
        """How long each took, from the first request for it to the last."""
        return {
            name: (seen[-1].at - seen[0].at).total_seconds() for name, seen in self.requests.items()
        }

    @property
    def written(self) -> set[str]:
        """The cases whose account was written."""
        wrote = {write.account_id.lower() for write in self.azure.writes}
        return {name for name, bot in self.bots.items() if bot.id.lower() in wrote}

    @property
    def accepted(self) -> set[str]:
        """The cases whose outcome says that the change was, or may have been, accepted."""
        return {name for name, event in self.outcomes.items() if event["accepted"] == "true"}

    @property
    def patched_without_a_read(self) -> set[str]:
        """The cases in which a PATCH did not come right after a read of the account."""
        return {
            name
            for name, bot in self.bots.items()
            if self.patches[name] and not each_patch_follows_a_read(self.azure, bot)
        }

    @property
    def left_on(self) -> set[str]:
        """The cases whose account is there, with its keys on."""
        there = {account.id for account in self.azure.tenant.accounts if account.keys_on}
        return {name for name, bot in self.bots.items() if bot.id in there}


async def swept_together(cases: Mapping[str, Case]) -> Together:
    """Sweep all of them at once."""
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    quick: dict[str, Any] = {"local_auth": True, "patch": PatchForm.OK_200, "stale_reads": 0}
    bots = {}
    for number, (name, case) in enumerate(cases.items()):
        home = tenant.add_subscription(f"home-{number}", hidden_from_graph=True)
        options = {**quick, "subscription": home, "group": f"rg-{number}", **case.options}
        bots[name] = tenant.add_account(f"bot-{number}", **options)
        tenant.add_account(f"calm-{number}", subscription=home, group="rg-calm", **quick)
    with LocalAzure(tenant, token_lifetime=YEARS) as azure:
        for name, case in cases.items():
            case.arrange(azure, bots[name])
        return Together(azure, await sweep(azure, **MANY), bots)
