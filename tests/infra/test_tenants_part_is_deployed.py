"""The part at the management group: what it has no more goes first, and what is late is awaited."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from infra.deploy import hooks
from infra.deploy.__main__ import main
from infra.deploy.azure_cli import CommandFailed, DeploymentStopped
from infra.deploy.consistency import LONGEST_SECONDS, PAUSE_SECONDS, is_late
from infra.deploy.plan import plan_of, scope_of, write_scopes
from infra.deploy.verification import Clock
from tests.support.azure_cli import AzureCli
from tests.support.deployments import (
    CONTRIBUTOR,
    ENVIRON,
    FUNCTIONS_SUBSCRIPTION,
    GROUP,
    GROUP_SCOPE,
    INSTALLATION,
    PROVISIONED,
    TENANT,
    PassingTime,
    compiled_parameters,
    has_to_be_given,
    kept,
)
from tests.support.management_group import ManagementGroup
from tools import bicep
from tools.prose import ROOT

GRAPH = "az rest --method post --url /providers/Microsoft.ResourceGraph/"


def postprovision(**settings: str) -> list[float]:
    """Run the hook with these settings beside the usual ones, and return how long it waited."""
    time = PassingTime()
    hooks.postprovision({**PROVISIONED, **settings}, time.sleep)
    return time.waits


def stopped(capsys: pytest.CaptureFixture[str], **settings: str) -> str:
    """Run the hook from the line, and return why it stopped."""
    time = PassingTime()
    assert main(["postprovision"], {**PROVISIONED, **settings}, Clock(time.now, time.sleep)) == 1
    assert time.waits == []
    return capsys.readouterr().err


def with_rights(cli: AzureCli, permissions: list[dict[str, list[str]]]) -> None:
    """Let whoever deploys have these rights at the management group."""
    url = f"{GROUP_SCOPE}/providers/Microsoft.Authorization/permissions"
    cli.answer(f"az rest --method get --url {url}", {"value": permissions})


# The tenant's part


def test_the_tenants_part_is_deployed_with_what_was_asked_for(cli: AzureCli) -> None:
    postprovision(KEYSWEEP_GUARDRAIL="deny", EXEMPTION_TAG="keys allowed")
    (command,) = cli.called("az", "deployment", "mg", "create")
    values = dict(word.split("=", 1) for word in command[command.index("--parameters") + 1 : -2])
    assert values == {
        "principalId": PROVISIONED["PRINCIPAL_ID"],
        "environmentName": "prod",
        "subscriptionId": FUNCTIONS_SUBSCRIPTION,
        "location": "westeurope",
        "sweepMode": "audit",
        "sweepKinds": "OpenAI,AIServices",
        "exemptionTag": "keys allowed",
        "guardrail": "deny",
    }
    assert command[command.index("--management-group-id") + 1] == GROUP
    assert has_to_be_given("tenant") <= set(values)
    assert set(values) <= set(bicep.compiled("tenant")["parameters"])
    assert (ROOT / command[command.index("--template-file") + 1]).exists()


def test_who_lacks_rights_is_stopped_with_the_exact_command_for_who_has_them(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    with_rights(cli, CONTRIBUTOR)
    cli.refuse("az deployment mg create", "(AuthorizationFailed) The client has no authorization")
    reason = stopped(capsys, EXEMPTION_TAG="keys allowed; really")
    assert "AuthorizationFailed" in reason
    assert "azd deploy" in reason
    (command,) = [line for line in reason.splitlines() if line.startswith("    az ")]
    (tried,) = cli.called("az", "deployment", "mg", "create")
    assert shlex.split(command) == tried


# Rings

WRITER = f"Keysweep {INSTALLATION} writes ({GROUP})"
SUBSCRIPTION = "/subscriptions/22222222-2222-2222-2222-222222222222"
DEV, TEST = (scope_of(name) for name in ("mg-dev", "mg-test"))
AT = {DEV: "/at/dev", TEST: "/at/test", SUBSCRIPTION: "/at/sub", scope_of(GROUP): "/at/all"}
RINGS = {"SWEEP_MODE": "enforce", "ENFORCE_SCOPES": f"mg-dev, {SUBSCRIPTION[15:]}@2027-03-01"}


def records(cli: AzureCli, *properties: Mapping[str, object]) -> None:
    """Let Azure have records of deployments at the group, and another's before them."""
    others = {"writE_SCOPES": {"type": "Array", "value": [TEST, "/providers/others"]}}
    names = (
        "keysweep-tenant-prod-eu-westeurope-99999999",
        "keysweep-tenant-prod-westeurope-11111111",
    )
    found = [{"name": name, "properties": {"outputs": others}} for name in names]
    ours = [{"name": f"keysweep-tenant-{INSTALLATION}", "properties": said} for said in properties]
    cli.answer("az deployment mg list", [*found, *ours])


def deployed(cli: AzureCli, *scopes: str) -> None:
    """Let the last deployment have assigned the role that can write at these scopes."""
    # The CLI changes the letter case of outputs.
    outputs = {"writE_SCOPES": {"type": "Array", "value": list(scopes)}}
    records(cli, {"outputs": outputs})
    for scope, assignment in AT.items():
        found = [
            {"id": assignment, "roleDefinitionId": "/x/WRITER-ID"},
            {"id": "/theirs", "roleDefinitionId": "/x/owner-id"},
        ]
        cli.answer(f"az role assignment list --scope {scope.lower()} ", found)
    cli.answer("az role assignment delete", None)
    cli.answer("az role definition list", [{"roleName": WRITER.upper(), "name": "writer-id"}])


def done(cli: AzureCli) -> list[str]:
    """Return what was deleted and deployed, in order."""
    return [
        call[5] if "delete" in call else "deployed"
        for call in cli.calls
        if "delete" in call or "create" in call
    ]


@pytest.mark.parametrize(
    ("settings", "scopes"),
    [
        ({"SWEEP_MODE": "audit", "ENFORCE_SCOPES": "mg-dev"}, set()),
        ({"SWEEP_MODE": "Enforce"}, {scope_of(GROUP)}),
        (RINGS, {DEV, SUBSCRIPTION}),
        # The tenant's id is its root group's, and what is swept as a group is one.
        ({**RINGS, "ENFORCE_SCOPES": TENANT}, {scope_of(TENANT)}),
        (
            {**RINGS, "SWEEP_MANAGEMENT_GROUPS": SUBSCRIPTION[15:]},
            {DEV, scope_of(SUBSCRIPTION[15:])},
        ),
    ],
)
def test_the_role_that_can_write_is_for_the_rings(
    settings: dict[str, str], scopes: set[str]
) -> None:
    plan = plan_of({**ENVIRON, **settings})
    assert write_scopes(plan) == {scope.lower() for scope in scopes}


@pytest.mark.parametrize(
    ("before", "mode", "gone"),
    [
        pytest.param([DEV, TEST, SUBSCRIPTION], "enforce", ["/at/test"], id="a ring less"),
        pytest.param([scope_of(GROUP)], "enforce", ["/at/all"], id="a first ring"),
        pytest.param([DEV, SUBSCRIPTION], "audit", ["/at/dev", "/at/sub"], id="an audit"),
        pytest.param([DEV.upper(), SUBSCRIPTION], "enforce", [], id="the same rings"),
    ],
)
def test_what_is_no_ring_any_more_loses_the_role_before_anything_is_deployed(
    cli: AzureCli, before: list[str], mode: str, gone: list[str]
) -> None:
    deployed(cli, *before)
    postprovision(**{**RINGS, "SWEEP_MODE": mode})
    assert done(cli) == [*gone, "deployed"]


def test_the_record_of_assigning_the_role_at_a_ring_goes_after_its_assignment(
    cli: AzureCli,
) -> None:
    deployed(cli, TEST)
    given = {"roleId": {"value": "/x/WRITER-ID"}}
    assigning = {"name": "keysweep-writes-prod-x", "properties": {"parameters": given}}
    cli.answer("az deployment mg list --management-group-id mg-test ", [assigning])
    cli.answer("az deployment mg delete --management-group-id mg-test --name", None)
    postprovision(**RINGS)
    assert done(cli) == ["/at/test", "mg-test", "deployed"]


def test_a_deployment_that_failed_may_have_assigned_the_role_where_it_was_to(cli: AzureCli) -> None:
    deployed(cli)
    given = {"sweepMode": {"value": "enforce"}, "enforceScopes": {"value": "mg-dev, mg-test"}}
    failed = {"outputs": None, "parameters": given, "provisioningState": "Failed"}
    records(cli, failed)
    postprovision(**RINGS)
    assert done(cli) == ["/at/test", "deployed"]


def test_a_ring_that_no_record_knows_any_more_is_found_by_resource_graph(cli: AzureCli) -> None:
    deployed(cli)
    cli.answer("az deployment mg list", [])
    cli.answer(GRAPH, {"data": []}, {"data": [{"scope": DEV}, {"scope": TEST}]})
    postprovision(**RINGS)
    assert done(cli) == ["/at/test", "deployed"]


def test_a_ring_on_the_second_page_of_resource_graph_is_found_too(cli: AzureCli) -> None:
    deployed(cli)
    cli.answer("az deployment mg list", [])

    def page(command: Sequence[str]) -> tuple[int, str]:
        body = json.loads(Path(command[command.index("--body") + 1][1:]).read_text())
        # Without an id in its rows it has no second page.
        assert "project id, " in body["query"]
        if "roledefinitions" in body["query"]:
            return 0, json.dumps({"data": []})
        first = {"data": [{"scope": DEV}], "$skipToken": "more", "resultTruncated": "false"}
        second = {"data": [{"scope": TEST}], "$skipToken": "", "resultTruncated": "false"}
        return 0, json.dumps(second if body["options"].get("$skipToken") == "more" else first)

    cli.act(GRAPH, page)
    postprovision(**RINGS)
    assert done(cli) == ["/at/test", "deployed"]


@pytest.mark.parametrize(
    "answer",
    [
        "(Forbidden) no",
        {"data": [], "resultTruncated": "true"},
        {"data": [], "$skipToken": "the same again", "resultTruncated": "false"},
    ],
    ids=str,
)
def test_where_resource_graph_shows_nothing_it_is_said_that_a_ring_may_be_missed(
    cli: AzureCli, capsys: pytest.CaptureFixture[str], answer: object
) -> None:
    deployed(cli, DEV)
    if isinstance(answer, str):
        cli.refuse(GRAPH, answer)
    else:
        cli.answer(GRAPH, answer)
    postprovision(**RINGS)
    assert f"{WRITER.upper()!r} is assigned can't be seen" in capsys.readouterr().out


def test_a_ring_that_was_deleted_took_its_assignments_along(cli: AzureCli) -> None:
    deployed(cli, DEV, TEST)
    cli.refuse(f"az role assignment list --scope {TEST.lower()} ", "(ManagementGroupNotFound) no")
    postprovision(**RINGS)
    assert done(cli) == ["deployed"]


def test_where_it_can_not_be_seen_what_to_take_away_nothing_is_deployed_and_that_is_said(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(cli, DEV)
    cli.refuse("az deployment mg list", "(AuthorizationFailed) no")
    reason = stopped(capsys, **RINGS)
    assert f"Where role {WRITER!r} was assigned before could not be seen" in reason
    assert done(cli) == []


def test_who_may_not_take_the_role_away_gets_both_commands(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(cli, TEST)
    with_rights(cli, CONTRIBUTOR)
    cli.refuse("az role assignment delete", "(AuthorizationFailed) no")
    reason = stopped(capsys, **RINGS)
    first, second = (line for line in reason.splitlines() if line.startswith("    az "))
    assert first == "    az role assignment delete --ids /at/test"
    assert second.startswith("    az deployment mg create ")


def at_old_group(cli: AzureCli) -> None:
    """Let another group still have both roles."""
    names = [f"Keysweep {INSTALLATION}{writes} (Contoso-Old)" for writes in (" writes", "")]
    found: list[dict[str, object]] = [{"roleName": name, "name": f"id of {name}"} for name in names]
    ManagementGroup({"role definition": found, "role assignment": []}).play(cli)


@pytest.mark.parametrize("who_knows", ["azd", "azure"])
def test_another_management_group_than_before_leaves_nothing_at_that_one(
    cli: AzureCli, who_knows: str
) -> None:
    at_old_group(cli)
    if who_knows == "azure":
        cli.answer(GRAPH, {"data": [{"scope": scope_of("contoso-old")}]})
    postprovision(KEYSWEEP_DEPLOYED_AT="contoso-old" if who_knows == "azd" else GROUP)
    deleted = [call[5] for call in cli.calls if "delete" in call]
    assert deleted == [
        f"Keysweep {INSTALLATION} writes (Contoso-Old)",
        f"Keysweep {INSTALLATION} (Contoso-Old)",
    ]
    assert kept(cli) == {"KEYSWEEP_DEPLOYED_AT": GROUP}


def test_a_group_before_that_was_deleted_stops_no_deployment(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.refuse("az account management-group show --name contoso-old", "(NotFound) none")
    postprovision(KEYSWEEP_DEPLOYED_AT="contoso-old")
    assert done(cli) == ["deployed"]
    assert "Management group contoso-old, which had a role" in capsys.readouterr().out


def test_the_same_group_in_other_letters_is_no_other_group(cli: AzureCli) -> None:
    deployed(cli, scope_of(GROUP))
    postprovision(KEYSWEEP_DEPLOYED_AT=GROUP.upper(), SWEEP_MODE="enforce")
    assert done(cli) == ["deployed"]


def test_a_group_that_is_still_swept_keeps_its_role(cli: AzureCli) -> None:
    cli.answer(GRAPH, {"data": [{"scope": scope_of("contoso-corp")}, {"scope": GROUP_SCOPE}]})
    postprovision(SWEEP_MANAGEMENT_GROUPS=f"{GROUP}, contoso-corp")
    assert done(cli) == ["deployed"]


# The guardrail


def with_policy(cli: AzureCli, *names: str) -> None:
    """Let the group have these definitions, each assigned."""
    definitions = f"{GROUP_SCOPE}/providers/Microsoft.Authorization/policyDefinitions"
    cli.answer(
        "az policy assignment list",
        [
            {"name": f"assigns-{name}", "policyDefinitionId": f"{definitions}/{name}"}
            for name in names
        ],
    )
    cli.answer("az policy definition list", [{"name": name} for name in names])
    cli.answer("az policy assignment delete", None)
    cli.answer("az policy definition delete", None)


JUDGES, MODIFIES = f"keysweep-{INSTALLATION}", f"keysweep-{INSTALLATION}-modify"
OTHERS = "keysweep-prod-westeurope-11111111"


@pytest.mark.parametrize(
    ("guardrail", "gone"),
    [
        ("off", [JUDGES, MODIFIES]),
        ("", [JUDGES, MODIFIES]),
        ("deny", [MODIFIES]),
        ("audit", [MODIFIES]),
        ("modify", [JUDGES]),
    ],
)
def test_a_guardrail_that_is_off_or_another_one_goes_its_assignment_first(
    cli: AzureCli, guardrail: str, gone: list[str]
) -> None:
    with_policy(cli, JUDGES, MODIFIES, OTHERS)
    postprovision(KEYSWEEP_GUARDRAIL=guardrail)
    assert done(cli) == [*(f"assigns-{name}" for name in gone), *gone, "deployed"]


# What is late


NOT_KNOWN = '{"code": "DeploymentFailed", "details": [{"code": "PrincipalNotFound"}]}'


def test_what_azure_does_not_know_yet_is_tried_again(cli: AzureCli) -> None:
    cli.refuse("az deployment mg create", NOT_KNOWN, NOT_KNOWN, then=None)
    assert postprovision() == [PAUSE_SECONDS] * 2
    assert kept(cli) == {"KEYSWEEP_DEPLOYED_AT": GROUP}


def test_what_stays_unknown_for_longer_than_it_takes_is_said(cli: AzureCli) -> None:
    cli.refuse("az deployment mg create", NOT_KNOWN)
    with pytest.raises(DeploymentStopped, match="PrincipalNotFound"):
        postprovision()
    assert (
        len(cli.called("az", "deployment", "mg", "create")) == LONGEST_SECONDS / PAUSE_SECONDS + 1
    )


def test_a_refusal_is_not_waited_for_unless_azure_itself_says_that_you_may(cli: AzureCli) -> None:
    cli.refuse("az deployment mg create", "(AuthorizationFailed) no", then=None)
    assert postprovision() == [PAUSE_SECONDS]


DENIED = (
    "(DenyAssignmentAuthorizationFailed) The client 'x' has permission to perform action "
    "'Microsoft.Authorization/roleAssignments/write' on scope '/subscriptions/2222'; however, the "
    "access is denied because of the deny assignment with name 'stack' and Id '1'"
)
DENIED_BELOW = (
    "(LinkedAuthorizationFailed) it does not have permission to perform action 'join/action' on "
    "the '0' linked scope(s) '' and is blocked by deny assignments on the '2' linked scope(s)"
)


@pytest.mark.parametrize(
    ("said", "has_rights", "late"),
    [
        ("(DeploymentFailed) (RoleDefinitionDoesNotExist)", False, True),
        ("(InvalidCreatePolicyAssignmentRequest)", False, True),
        ("(AuthorizationFailed)", False, False),
        ("(AuthorizationFailed) (PrincipalNotFound)", False, False),
        ("(LinkedAuthorizationFailed)", True, True),
        ("(InvalidTemplate)", True, False),
        ("(ManagementGroupNotFound)", True, False),
        ("", True, False),
        (DENIED, True, False),
        (DENIED_BELOW, True, False),
        (f"(AuthorizationFailed) (PrincipalNotFound) {DENIED}", True, False),
    ],
)
def test_a_refusal_is_told_from_a_lag_by_what_azure_says(
    said: str, *, has_rights: bool, late: bool
) -> None:
    assert is_late(CommandFailed(["az"], said), lambda: has_rights) is late


def test_a_deny_assignment_ends_it_at_once_and_is_said_to_stand_above_roles(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.refuse("az deployment mg create", f"(AuthorizationFailed) {DENIED}")
    reason = stopped(capsys)
    assert "A deny assignment refuses it, which no role overrides" in reason
    assert "Owner" not in reason


# Without azd


RING_FILE = compiled_parameters(
    location="westeurope",
    environmentName="prod",
    subscriptionId=FUNCTIONS_SUBSCRIPTION,
    sweepMode="enforce",
    sweepKinds="OpenAI",
    azureTenantId=TENANT,
    enforceScopes="mg-dev",
)


def test_the_command_line_takes_the_role_away_from_what_is_no_ring_any_more(
    cli: AzureCli,
) -> None:
    deployed(cli, DEV, TEST)
    cli.answer("az bicep build-params", RING_FILE)
    assert main(["withdraw", "--management-group", GROUP], {}) == 0
    assert done(cli) == ["/at/test"]


@pytest.mark.parametrize("command", ["create", "withdraw"])
def test_a_file_that_is_wrong_takes_nothing_away(cli: AzureCli, command: str) -> None:
    deployed(cli, DEV, TEST)
    wrong = compiled_parameters(location="westeurope", environmentName="prod", sweepMode="enforced")
    cli.answer("az bicep build-params", wrong)
    assert main([command, "--management-group", GROUP], {}) == 1
    assert done(cli) == []


def test_one_command_withdraws_deploys_patiently_and_says_what_is_next(
    cli: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(cli, DEV, TEST)
    cli.answer("az bicep build-params", RING_FILE)
    outputs = {"nexT_COMMAND": {"value": "make package"}}
    cli.refuse("az deployment mg create", NOT_KNOWN, then=outputs)
    time = PassingTime()
    line = ["create", "--management-group", GROUP]
    assert main(line, {}, Clock(time.now, time.sleep)) == 0
    assert done(cli) == ["/at/test", "deployed", "deployed"]
    assert time.waits == [PAUSE_SECONDS]
    assert "NEXT_COMMAND: make package" in capsys.readouterr().out
    (name,) = {
        call[call.index("--name") + 1] for call in cli.called("az", "deployment", "mg", "create")
    }
    # The history keeps where one of a name was started, and refuses another region.
    assert name == "keysweep-prod-westeurope"
