"""`azureCode` and `azureMessage` hold Azure's own words; those of others are in `detail`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast

import pytest

from keysweep.watch import Collected
from local_azure import LocalAzure, Tenant
from local_azure.faults import Fault
from shared.core.change_log import ChangeLog
from shared.core.deadline import Deadline
from shared.core.decision import decide
from shared.core.errors import OutOfTime, Stopped, Throttled
from shared.core.model import (
    Account,
    AccountId,
    Census,
    Coverage,
    Decision,
    Inventory,
    Outcome,
    Result,
    Source,
    Subscription,
)
from shared.core.settings import OPERATOR_SETTINGS, read_settings
from shared.steps.allowance import Allowance
from shared.steps.ports import Accounts
from shared.steps.remediation import AccountReader, Remediation, SecondLook
from shared.steps.sweep import Sweep
from shared.workspace import SystemClock
from tests.support.real_sweeps import Swept, sweep

type Serve = Callable[..., LocalAzure]


def bot() -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=True)
    return tenant


def outcome(swept: Swept) -> dict[str, Any]:
    (found,) = swept.events("RemediationOutcome")
    return found


def patches(azure: LocalAzure) -> Fault:
    return azure.faults.on(method="PATCH", times=None)


@pytest.mark.parametrize(
    ("strike", "result", "words"),
    [
        (lambda azure: patches(azure).cut(), Result.UNVERIFIED, "disconnected"),
        (lambda azure: patches(azure).hang(), Result.UNVERIFIED, "no answer within 60 s"),
        (
            lambda azure: patches(azure).answer(
                429, {"error": {"code": "TooManyRequests"}}, {"Retry-After": "3600"}
            ),
            Result.DEFERRED,
            "The wait is 3600 s",
        ),
        (
            lambda azure: azure.faults.on(method="GET", path="*/bot", times=None).answer(200, "{}"),
            Result.FAILED,
            "The answer is not what was asked for",
        ),
    ],
    ids=["a connection that is cut", "a hang", "a wait too long", "an odd answer"],
)
async def test_where_azure_said_nothing_its_code_is_empty_and_the_detail_says_why(
    serve: Serve, strike: Callable[[LocalAzure], object], result: Result, words: str
) -> None:
    azure = serve(bot())
    strike(azure)
    swept = await sweep(azure)
    said = outcome(swept)
    assert said["result"] == result
    assert (said.get("azureCode", ""), said.get("azureMessage", "")) == ("", "")
    assert words in said["detail"]


async def test_an_operation_that_runs_on_is_no_code_of_azures(serve: Serve) -> None:
    tenant = bot()
    tenant.account("bot").operation_seconds = 50_000
    said = outcome(await sweep(serve(tenant)))
    assert said.get("azureCode", "") == ""
    assert "The operation is still running after 120 s." in said["detail"]


async def test_what_azure_says_keeps_its_code_and_message(serve: Serve) -> None:
    azure = serve(bot())
    patches(azure).answer(400, {"error": {"code": "OddButAzures", "message": "Not so."}})
    said = outcome(await sweep(azure))
    assert (said["azureCode"], said["azureMessage"]) == ("OddButAzures", "Not so.")
    assert "Not so." not in said["detail"]


@dataclass(frozen=True, slots=True)
class One:
    """A tenant with one account that accepts keys, as a sweep's steps see it."""

    account: Account

    async def discover(self) -> Inventory:
        """Show it."""
        subscription = Subscription(self.account.id.subscription_id, "prod", "Enabled", "t", {})
        coverage = (Coverage(subscription, Source.GRAPH, Census(1, 0)),)
        return Inventory(coverage=coverage, accounts=(self.account,), gaps=())

    async def read(self, subscriptions: Sequence[str]) -> ChangeLog:  # noqa: ARG002 - the port's
        """Show that nobody changed it."""
        return ChangeLog({})


class Buggy:
    """Remediation with a bug in it."""

    async def remediate(self, decision: Decision, allowance: Allowance) -> Outcome:  # noqa: ARG002 - the port's
        """Fail."""
        raise KeyError(decision.account.id.name)


class StoppedByAPerson:
    """Permits of somebody who has pressed Ctrl-C."""

    def unit(self, subscription_id: str, reads: int) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - the port's
        """Let nobody work."""
        raise Stopped


def account() -> Account:
    text = (
        "/subscriptions/6f0c0bd2-0000-4000-8000-000000000000/resourceGroups/rg/providers"
        "/Microsoft.CognitiveServices/accounts/bot"
    )
    return Account(AccountId.parse(text), "OpenAI", "swedencentral", keys_on=True, tags={})


async def test_a_bug_of_ours_is_no_code_of_azures() -> None:
    one, settings = One(account()), read_settings({"SWEEP_MODE": "enforce"}, OPERATOR_SETTINGS)
    sweep_of_one = Sweep(
        sweep_id="20261124T090000Z-1f3a9c0d", settings=settings, clock=SystemClock(),
        discovery=one, changes=one, remediation=Buggy(), emitter=Collected(), last=None,
    )  # fmt: skip
    (found,) = (await sweep_of_one.run()).outcomes
    assert (found.result, found.azure_code, found.azure_message) == (Result.UNVERIFIED, "", "")
    assert "KeyError: 'bot'" in found.detail


async def test_what_a_person_stopped_is_deferred_and_says_so() -> None:
    clock = SystemClock()
    settings = read_settings({"SWEEP_MODE": "enforce"}, OPERATOR_SETTINGS)
    accounts = cast("Accounts", None)
    reader = AccountReader(accounts, settings.rules.tag)
    look = SecondLook(reader, clock, settings.scope, settings.rules)
    remediation = Remediation(accounts, StoppedByAPerson(), Deadline.after(clock, 600), look)
    drift = decide(account(), settings.scope, settings.rules, clock.now().date())
    found = await remediation.remediate(drift, Allowance(None))
    assert (found.result, found.azure_code) == (Result.DEFERRED, "")
    assert found.detail == "You stopped the sweep before its turn."


def test_a_person_who_stops_is_no_wait_that_is_too_long() -> None:
    assert not isinstance(Stopped(), Throttled)
    assert str(Stopped()) == "You stopped the sweep before its turn."


@pytest.mark.parametrize("wait", [0.0, 0.3])
def test_no_error_speaks_of_a_wait_of_no_time(wait: float) -> None:
    assert "0 s" not in str(OutOfTime(wait, 5.0))
    assert "OutOfTime" not in str(OutOfTime(wait, 5.0))
