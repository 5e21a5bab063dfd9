"""The Function's identity uses the actions of its role, and none more.

The judge is the server's log, which names the action of every request that it saw.
"""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from local_azure import Tenant, scenarios
from local_azure.journal import Entry
from local_azure.state import ids
from tests.support.functions_worker import ROOT
from tests.support.real_sweeps import sweep
from tests.support.role_in_use import differences
from tests.support.serving import Serve

GRAPH = "Microsoft.ResourceGraph/resources/read"
MANY = "100000"
PERMISSIONS = ROOT / "tests" / "data" / "permissions"


def role(*only: str) -> list[str]:
    """Return the actions of the role: what every sweep needs, and what `only` some need."""
    listed = json.loads((ROOT / "infra" / "role-actions.json").read_text())
    return [
        str(action["name"]) for action in listed["actions"] if action.get("only", "") in {"", *only}
    ]


ENFORCE = ("enforce",)
ALL = ("enforce", "groups")


def lowered(actions: set[str] | list[str]) -> set[str]:
    """Return them as ARM compares them."""
    return {action.lower() for action in actions}


def microsofts_names() -> Iterator[str]:
    """Return the actions that Microsoft documents, of the resource providers that we name."""
    for file in PERMISSIONS.glob("Microsoft.*.json"):
        yield from (str(action["name"]) for action in json.loads(file.read_text())["actions"])


def with_the_role_alone(*only: str) -> Tenant:
    """Return a tenant in which the role is all that the Function's identity has."""
    tenant = Tenant()
    tenant.add_management_group("contoso")
    for name, hidden in (("shown", False), ("hidden", True)):
        tenant.add_subscription(name, parent="contoso", hidden_from_graph=hidden)
        tenant.add_account(f"bot-{name}", subscription=name, local_auth=True)
        tenant.add_account(f"exempt-{name}", subscription=name, tags={"local-auth-exempt": "yes"})
    tenant.assign(tenant.function, ids.management_group_scope("contoso"), role(*only))
    return tenant


async def used(serve: Serve, *, graph: bool = True, **settings: str) -> set[str]:
    """Return the actions that one sweep of the demo's tenant uses."""
    azure = serve(scenarios.demo())
    if not graph:
        azure.faults.on(action=GRAPH, times=None).answer(503)
    await sweep(azure, MAX_CHANGES_PER_SWEEP=MANY, **settings)
    return lowered(azure.actions())


@pytest.mark.parametrize("graph", [True, False])
async def test_a_sweep_of_the_demos_tenant_uses_the_actions_of_the_role_and_no_other(
    serve: Serve, *, graph: bool
) -> None:
    assert await used(serve, graph=graph) == lowered(role(*ENFORCE))


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("setting", [{"EXEMPTION_INHERIT": "true"}, {"OWNER_TAGS": "owner"}])
async def test_with_inheritance_or_owners_it_uses_the_one_more_that_the_role_has_for_them(
    serve: Serve, *, setting: dict[str, str], graph: bool
) -> None:
    assert await used(serve, graph=graph, **setting) == lowered(role(*ALL))


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("inherit", ["false", "subscription", "resourceGroup"])
async def test_the_role_alone_is_enough(serve: Serve, *, inherit: str, graph: bool) -> None:
    azure = serve(with_the_role_alone(*(ALL if inherit == "resourceGroup" else ENFORCE)))
    if not graph:
        azure.faults.on(action=GRAPH, times=None).answer(503)

    swept = await sweep(azure, SWEEP_MANAGEMENT_GROUPS="contoso", EXEMPTION_INHERIT=inherit)

    assert swept.whole
    left = {account.name for account in azure.tenant.accounts if account.keys_on}
    assert left == {"exempt-shown", "exempt-hidden"}
    assert not [request for request in azure.operations if request.status in {401, 403}]


async def test_an_audit_needs_nothing_that_is_for_enforcing_only(serve: Serve) -> None:
    azure = serve(with_the_role_alone())

    swept = await sweep(azure, "audit", SWEEP_MANAGEMENT_GROUPS="contoso")

    assert swept.whole
    assert lowered(azure.actions()) == lowered(role())
    assert {action.rpartition("/")[2] for action in role()} == {"read"}


async def test_no_key_is_ever_fetched_and_nothing_is_created_or_deleted(serve: Serve) -> None:
    azure = serve(scenarios.demo())

    await sweep(azure, MAX_CHANGES_PER_SWEEP=MANY)

    arm = [request for request in azure.operations if request.host == "arm"]
    assert not [request.path for request in arm if "listkeys" in request.path.lower()]
    assert {request.method for request in arm} == {"GET", "POST", "PATCH"}
    assert {request.action for request in arm if request.method == "POST"} == {GRAPH}
    assert all(request.action for request in arm)
    assert {request.principal for request in arm} == {azure.tenant.function.object_id}


def test_every_action_of_the_role_is_one_of_microsofts() -> None:
    assert lowered(role(*ALL)) <= lowered(set(microsofts_names()))


def test_the_role_reads_but_for_one_action_and_names_each_once() -> None:
    every = role(*ALL)
    listed = json.loads((ROOT / "infra" / "role-actions.json").read_text())["actions"]
    assert len(lowered(every)) == len(every) == len(listed)
    assert [action for action in every if not action.endswith("/read")] == [
        "Microsoft.CognitiveServices/accounts/write"
    ]
    assert not [action for action in every if "*" in action]


# Over a whole run


def test_an_action_that_nobody_used_and_one_that_the_role_lacks_are_both_named() -> None:
    journal = [
        Entry("tests/test_a.py", ("a/READ", "a/write")),
        Entry("tests/test_b.py", ("a/write",)),
        Entry("tests/local_azure/test_keys.py", ("a/listKeys/action",)),
    ]
    assert differences(["A/read", "a/delete"], journal) == [
        "a/delete is in the role, and no test saw it used",
        "a/write was used in test_a.py, test_b.py, and is not in the role",
    ]
    assert differences(["a/read", "A/Write"], journal) == []


def test_a_run_of_some_tests_is_compared_too_but_need_not_use_the_whole_role() -> None:
    journal = [Entry("tests/test_a.py", ("a/read", "a/write"))]
    assert differences(["a/read", "a/delete"], journal, ran_all=False) == [
        "a/write was used in test_a.py, and is not in the role"
    ]


@pytest.mark.slow
def test_a_run_of_all_tests_fails_if_the_role_has_an_action_that_none_of_them_used() -> None:
    """Here "all" is one file, run by two processes; none of its tests needs every action."""
    done = subprocess.run(  # noqa: S603 - pytest
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"),
            *("-o", "testpaths=tests/azure/test_audit_changes_nothing.py"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert " passed" in done.stdout
    assert " failed" not in done.stdout
    unused = "Microsoft.Resources/subscriptions/resourceGroups/read is in the role, and no test saw"
    assert unused in done.stdout
    # What they did use was collected from both processes.
    assert "CognitiveServices/accounts/read is in the role" not in done.stdout
