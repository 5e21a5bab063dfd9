"""`keysweep impact` against the local Azure: each verdict and each trap, judged by its truth."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_azure import LocalAzure, MovedClock, Principal, Tenant, scenarios
from local_azure.log import Host
from tests.support.serving import Serve
from tests.support.terminal import at_once, here

DAY = timedelta(days=1)
CLOSED = "/subscriptions/"
type Found = dict[str, dict[str, Any]]


def judged(azure: LocalAzure, *arguments: str) -> Found:
    """Return what the command says of each account, by its name."""
    ran = here(azure, "impact", *arguments, "--output", "json")
    assert ran.out, ran.err
    return {account["name"]: account for account in json.loads(ran.out)["accounts"]}


class Contoso:
    """A tenant whose accounts are used in each way that there is."""

    def __init__(self) -> None:
        self.tenant = Tenant.with_one_subscription()
        self.app = self.tenant.add_principal("app")
        self.central = self.tenant.add_workspace("central")
        self.second = self.tenant.add_workspace("second")
        self.closed = self.tenant.add_workspace("closed", by_workspace=True)
        read = ["Microsoft.OperationalInsights/workspaces/*"]
        self.tenant.deny(self.tenant.team, self.closed.id, read)

    @property
    def now(self) -> datetime:
        """The time."""
        return self.tenant.now()

    def account(
        self, name: str, *, logged: float | None = None, role: bool = True, **of: Any
    ) -> str:
        """Add an account with keys on, logged for so many days, that the app may use."""
        account = self.tenant.add_account(name, local_auth=True, **of)
        if logged is not None:
            self.tenant.log_to(name, self.central, since=self.now - logged * DAY)
        if role:
            self.tenant.assign_role(self.app, "Cognitive Services OpenAI User", account.id)
        return name

    def called(self, name: str, by: Principal | None, days_ago: float, **of: Any) -> None:
        """Let an account have been called once."""
        self.tenant.calls(name, by=by, first=self.now - days_ago * DAY, **of)


def contoso() -> Contoso:
    there = Contoso()
    app = there.app
    there.account("idle", logged=90)
    for name in ("keyless", "keyed", "keyed-object", "keyless-object", "cut"):
        there.account(name, logged=90)
        there.called(name, app, 20)
    there.called("keyed", None, 9, address="81.2.69.160")
    there.called("keyed-object", None, 9, properties="object")
    there.called("keyless-object", app, 9, properties="object")
    there.called("cut", None, 9, properties="cut")
    there.account("young-log", logged=7)
    there.called("young-log", app, 20)
    there.called("young-log", app, 3)
    # Of two calls of a day one is logged twice, and the other not at all.
    there.account("twice")
    there.called("twice", app, 20)
    there.called("twice", None, 19.999)
    for number, workspace in enumerate((there.central, there.second)):
        end = there.now - 19.9995 * DAY
        there.tenant.log_to("twice", workspace, name=f"to-{number}", until=end)
    there.account("closed")
    there.called("closed", app, 20)
    there.tenant.log_to("closed", there.closed)
    # The log may show calls that the metrics don't.
    there.account("closed-idle")
    there.tenant.log_to("closed-idle", there.closed)
    there.account("likely", role=False)
    there.called("likely", None, 9)
    there.account("dark")
    there.called("dark", None, 9)
    there.account("group-dark", role=False)
    there.called("group-dark", None, 9)
    people = there.tenant.add_people("developers")
    group = there.tenant.account("group-dark").id.partition("/providers/")[0]
    assert group.startswith("/subscriptions/")
    there.tenant.assign_role(
        people, "Cognitive Services User", there.tenant.account("group-dark").id
    )
    there.account("refused", logged=90)
    there.called("refused", None, 9, status=401)
    there.account("linked")
    there.account("linked-oddly")
    there.account("linked-keyless")
    hub = there.tenant.add_account("hub", kind="AIServices", local_auth=False)
    there.tenant.connect(hub, "linked", project="proj")
    there.tenant.connect(hub, "linked-oddly", auth_type="Palmistry")
    there.tenant.connect(hub, "linked-keyless", auth_type="AAD")
    return there


EXPECTED = {
    "idle": "IDLE",
    "keyless": "KEYLESS",
    "keyless-object": "KEYLESS",
    "keyed": "USES_KEYS",
    "keyed-object": "USES_KEYS",
    "cut": "CANT_TELL",
    "twice": "CANT_TELL",
    "closed": "CANT_TELL",
    "closed-idle": "CANT_TELL",
    "young-log": "CANT_TELL",
    "likely": "LIKELY_KEYS",
    "dark": "CANT_TELL",
    "group-dark": "CANT_TELL",
    "refused": "IDLE",
    "linked": "USES_KEYS",
    "linked-oddly": "CANT_TELL",
    "linked-keyless": "IDLE",
}


@pytest.fixture
def azure(serve: Serve) -> LocalAzure:
    return at_once(serve, contoso().tenant)


def test_each_verdict_is_that_of_the_truth(azure: LocalAzure) -> None:
    found = judged(azure)
    assert {name: account["verdict"] for name, account in found.items()} == EXPECTED


def test_what_was_not_seen_is_said(azure: LocalAzure) -> None:
    found = judged(azure)
    said = {
        name: " ".join(account["because"] + account["notSeen"]) for name, account in found.items()
    }
    assert f"You may not read the workspace {CLOSED}" in said["closed"]
    assert "up to then it shows 0." in said["young-log"]
    assert "of the 2 calls of the days up to then it shows 1." in said["twice"]
    assert "does not say who made 1 call." in said["cut"]
    assert "'Palmistry'" in said["linked-oddly"]
    assert "goes to no workspace" in said["dark"]


def test_a_client_is_shown_by_what_the_log_has_of_it(azure: LocalAzure) -> None:
    azure.tenant.fetch_keys("keyed", at=azure.now() - DAY, client="Azure CLI")
    (keyed,) = judged(azure, "keyed").values()
    says = " ".join(step["says"] for step in keyed["nextSteps"])
    assert "1 call of ChatCompletions_Create to gpt-4o from 81.2.69.***" in says
    assert "with Azure CLI" in says
    assert keyed["lastKeyedCall"].startswith("2026-11-15")


def test_nothing_is_written_and_no_key_is_fetched(azure: LocalAzure) -> None:
    before = len(azure.operations)
    ran = here(azure, "impact")
    asked = azure.operations[before:]
    assert "17 accounts" in ran.out
    assert not azure.writes
    assert {seen.method for seen in asked if seen.host == "arm"} == {"GET", "POST"}
    posts = {seen.path for seen in asked if seen.method == "POST" and seen.host == "arm"}
    assert posts == {"/providers/Microsoft.ResourceGraph/resources"}
    assert not [seen for seen in asked if "listkeys" in seen.path.lower()]


def test_without_the_role_on_the_subscription_accounts_are_counted_one_by_one(
    azure: LocalAzure,
) -> None:
    azure.faults.on(host="metrics", times=None).answer(401)
    found = judged(azure, "keyless", "likely")
    assert found["keyless"]["verdict"] == "KEYLESS"
    assert found["likely"]["verdict"] == "LIKELY_KEYS"


def test_an_activity_log_that_is_refused_is_a_line_and_no_end(azure: LocalAzure) -> None:
    read = ["Microsoft.Insights/eventtypes/*"]
    scope = azure.tenant.subscription("contoso-prod").scope
    azure.tenant.deny(azure.tenant.team, scope, read)
    ran = here(azure, "impact")
    lines = [line for line in ran.out.splitlines() if line.startswith("Not seen: The activity log")]
    assert len(lines) == 1
    assert "KEYLESS" in ran.out
    assert ran.code == 2


def test_a_result_that_is_cut_is_no_answer_of_few(azure: LocalAzure) -> None:
    azure.settings.log_rows = 1
    (keyless,) = judged(azure, "keyless-object").values()
    assert keyless["verdict"] == "CANT_TELL"
    assert "The result was cut" in " ".join(keyless["notSeen"])


DEMO = {
    "contract-review": "USES_KEYS",
    "policy-bot": "USES_KEYS",
    "shop-assistant": "USES_KEYS",
    "site-search": "LIKELY_KEYS",
    "doc-compare": "LIKELY_KEYS",
    "translate-chat": "CANT_TELL",
    "month-end": "CANT_TELL",
    "vendor-chat": "CANT_TELL",
    "case-router": "CANT_TELL",
    "invoice-reader": "KEYLESS",
    "mail-triage": "KEYLESS",
    "hackathon-24": "IDLE",
    "ab-test-copy": "IDLE",
}
"""What is true of the accounts of the demo's tenant that have a story (scenarios/demo_use.py)."""


@pytest.mark.slow
def test_the_demos_tenant_has_each_verdict_with_a_trap(serve: Serve) -> None:
    azure = at_once(serve, scenarios.demo(datetime.now(UTC).date()).tenant)
    found = judged(azure)
    assert {name: found[name]["verdict"] for name in DEMO} == DEMO
    assert {found[name]["verdict"] for name in found.keys() - DEMO.keys()} == {"IDLE"}


def test_refused_calls_are_shown_as_they_come_in(serve: Serve) -> None:
    there = Contoso()
    there.account("bot", logged=90)
    azure = at_once(serve, there.tenant)
    azure.tenant.disable_keys("bot")
    azure.tenant.calls("bot", 3, first=azure.now() - timedelta(minutes=3), status=401)
    ran = here(azure, "impact", "--watch", "bot", "--for", "1s", "--every", "1")
    assert "401  3 calls to gpt-4o (metrics)" in ran.out
    assert "3 calls of ChatCompletions_Create to gpt-4o with a key" in ran.out
    assert ran.code == 1


@pytest.mark.nightly
def test_300_accounts_of_60_subscriptions_take_less_than_two_minutes(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    for number in range(300):
        home = f"sub-{number % 60}"
        if number < 60:
            tenant.add_subscription(home, parent="contoso")
        kind = "AIServices" if number % 5 == 0 else "OpenAI"
        tenant.add_account(f"bot-{number}", subscription=home, local_auth=True, kind=kind)
        if number % 3 == 0:
            tenant.calls(f"bot-{number}", 30)
    clock = MovedClock(datetime.now(UTC))
    azure = serve(tenant, clock=clock, graph_lag=0, changes_lag=0)
    hosts: tuple[Host, ...] = ("arm", "logs", "metrics")
    for host in hosts:
        azure.faults.on(host=host, times=None).hang(0.1)
    began = clock.monotonic()
    ran = here(azure, "impact", "--output", "json")
    took = clock.monotonic() - began
    assert len(json.loads(ran.out)["accounts"]) == 300
    assert took < 120
