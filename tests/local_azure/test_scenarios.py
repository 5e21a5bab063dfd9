"""The scenarios hold what they promise, and the local Azure says what it knows."""

import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from local_azure import MovedClock, PatchForm, graph, scenarios, sources
from local_azure.__main__ import main, sourced
from shared import __version__
from tests.support.plain_client import SUBSCRIPTIONS, arm, patch_account, read_account
from tests.support.serving import Serve


def test_the_demo_has_one_of_everything() -> None:
    scenario = scenarios.demo()
    tenant = scenario.tenant
    states = Counter(s.state for s in tenant.subscriptions.values())
    states_of_accounts = Counter(a.provisioning_state for a in tenant.accounts)

    assert len(tenant.management_groups) >= 3
    assert len(tenant.subscriptions) == 12
    assert states["Disabled"] == 1
    assert sum(s.tenant_id != tenant.id for s in tenant.subscriptions.values()) == 1
    assert sum(s.hidden_from_graph for s in tenant.subscriptions.values()) == 1
    assert 75 <= len(tenant.accounts) <= 90
    assert len(scenario.drift) == len(set(scenario.drift)) == 31
    assert {a.patch for a in tenant.accounts} == set(PatchForm)
    assert {a.flag for a in tenant.accounts} >= {True, False, None}
    assert states_of_accounts["Accepted"] == 1
    assert states_of_accounts["Failed"] == 1
    assert len({a.kind for a in tenant.accounts}) >= 8


def test_every_drifted_account_of_the_demo_has_keys_on_and_is_of_a_swept_kind() -> None:
    scenario = scenarios.demo()
    drifted = [scenario.tenant.account(i) for i in scenario.drift]

    assert all(account.keys_on for account in drifted)
    assert {account.kind for account in drifted} == {"OpenAI", "AIServices"}


def test_in_the_demo_somebody_is_faster_twice(serve: Serve) -> None:
    scenario = scenarios.demo()
    azure = serve(scenario)
    gone = scenario.tenant.account("spike-vision")
    exempted = scenario.tenant.account("campaign-bot")

    assert exempted.tags is None
    assert read_account(azure, gone).status == 404
    assert "local-auth-exempt" in read_account(azure, exempted).body["tags"]
    assert azure.environ["SWEEP_MANAGEMENT_GROUPS"] == "contoso-landingzones"


def test_the_demos_function_sees_what_it_should(serve: Serve) -> None:
    azure = serve(scenarios.demo())
    listed = arm(azure, SUBSCRIPTIONS).body["value"]
    names = {s["displayName"] for s in listed}

    assert len(names) == 10
    assert names.isdisjoint({"contoso-vault", "contoso-management"})
    assert {"fabrikam-ai", "contoso-legacy"} <= names
    refused = patch_account(azure, azure.tenant.account("prompt-lab"))
    assert refused.status == 403
    assert refused.code == "AuthorizationFailed"


def test_a_large_tenant_has_as_much_drift_as_asked_for() -> None:
    tenant = scenarios.large(accounts=2_000, drifted=100, subscriptions=20)

    assert sum(account.keys_on for account in tenant.accounts) == 100
    assert len(tenant.accounts) == 2_000


def test_every_behaviour_names_its_source_and_how_sure_it_is() -> None:
    known = {*sources.BEHAVIOURS, *graph.BEHAVIOURS}
    marks = Counter(b.mark for b in known)

    assert all(b.name and b.source for b in known)
    assert set(marks) == {"recorded", "documented", "inferred", "unverified"}
    assert len({b.name for b in known}) == len(known)
    by_module = {"AuthorizationFailed", "X-IDENTITY-HEADER", "track answer", "request ids"}
    assert all(any(text in b.name for b in known) for text in by_module)


@pytest.mark.parametrize("option", ["--behaviours", "--unmodelled"])
def test_the_lists_are_printed(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0

    printed = capsys.readouterr().out
    expected = "disableLocalAuth" if option == "--behaviours" else "OpenAI data plane"
    assert expected in printed


def test_the_package_leaves_aiohttp_alone_until_it_serves() -> None:
    code = "import sys, local_azure; sys.exit('aiohttp' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


def test_what_a_shell_sources_makes_keysweep_a_command_in_its_environment(tmp_path: Path) -> None:
    file = tmp_path / "of a person.env"
    file.write_text(sourced({"PLACE": "it's here"}))
    typed = '. "$1"; keysweep --version; echo "$PLACE"'
    ran = subprocess.run(  # noqa: S603 - a line of ours, by a shell
        ["/bin/sh", "-c", typed, "sh", str(file)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout == f"keysweep, version {__version__}\nit's here\n"


def test_two_local_azures_do_not_mix(serve: Serve) -> None:
    one = serve(scenarios.four_accounts(), clock=MovedClock())
    two = serve(scenarios.empty(), clock=MovedClock())

    assert one.environ["ARM_ENDPOINT"] != two.environ["ARM_ENDPOINT"]
    arm(one, SUBSCRIPTIONS)
    assert len(one.operations) == 1
    assert len(two.operations) == 0


def test_the_demos_accounts_are_used_in_every_way_that_matters() -> None:
    tenant = scenarios.demo().tenant
    calls = [some for account in tenant.accounts for some in tenant.traffic.of(account.id)]
    month = tenant.now() - timedelta(days=30)

    assert {some.properties for some in calls} == {"text", "object", "cut"}
    assert {some.status for some in calls} == {200, 401, 403}
    assert any(some.caller is None and some.address is None for some in calls)
    assert any(some.last < month for some in calls)
    assert any(some.caller in tenant.principals for some in calls)


def test_the_demos_logs_are_of_every_kind() -> None:
    tenant = scenarios.demo().tenant
    settings = tenant.diagnostics.all()
    month = tenant.now() - timedelta(days=30)
    closed = [w for w in tenant.diagnostics.workspaces.values() if w.by_workspace]
    read = "Microsoft.OperationalInsights/workspaces/query/AzureDiagnostics/read"

    assert any(setting.since > month for setting in settings)
    assert any(setting.workspace in closed for setting in settings)
    assert not any(tenant.may(tenant.team, read, workspace.id) for workspace in closed)


def test_the_demos_connections_hold_a_key_or_none_or_nobody_knows() -> None:
    tenant = scenarios.demo().tenant
    kinds = {connection.auth_type for connection in tenant.foundry.connections}

    assert kinds == {"ApiKey", "CustomKeys", "AAD", "AgentWorkloadToken"}
    assert tenant.people
