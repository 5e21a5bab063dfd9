"""Who would become Keysweep is noticed: by alerts on the activity log, and by what blobs were."""

import json
from typing import Any

import pytest

from tests.support.snapshots import all_of, every_case, one
from tools import bicep
from tools.prose import ROOT, watched_operations

EXPOSED, CHANGED = watched_operations()
# What a deployment writes that decides who is Keysweep, or what it runs.
DECIDES = {
    "Microsoft.Web/sites",
    "Microsoft.Web/sites/config",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Storage/storageAccounts/managementPolicies",
    "Microsoft.Insights/activityLogAlerts",
}


def rule(case: str, alert: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of one of the two alerts of a deployment."""
    (found,) = [
        resource
        for resource in all_of(case, "Microsoft.Insights/activityLogAlerts")
        if resource["name"].endswith(alert["name"])
    ]
    properties: dict[str, Any] = found["properties"]
    return properties


def operations(alert: dict[str, Any]) -> set[str]:
    """Return the operations of an alert, in lower case, as Azure compares them."""
    return {operation["name"].lower() for operation in alert["operations"]}


def conditions(properties: dict[str, Any]) -> dict[str, str]:
    """Return the plain conditions of an alert, by field."""
    allof = properties["condition"]["allOf"]
    return {part["field"]: part["equals"] for part in allof if "anyOf" not in part}


def writes(kinds: set[str]) -> set[str]:
    return {f"{kind}/write".lower() for kind in kinds}


@pytest.mark.parametrize("alert", [EXPOSED, CHANGED], ids=lambda alert: alert["name"])
def test_every_operation_is_one_that_microsoft_documents(alert: dict[str, Any]) -> None:
    """An alert on a name that nobody has would never fire, and nobody would see that."""
    documented = {
        action["name"].lower()
        for file in (ROOT / "tests" / "data" / "permissions").glob("Microsoft.*.json")
        for action in json.loads(file.read_text())["actions"]
    }
    assert operations(alert) - documented == set()


def test_no_deployment_calls_at_night() -> None:
    kinds = {resource["type"] for case in bicep.CASES for resource in bicep.resources(case)}
    # An identity is given to the app by writing that.
    done = writes(kinds) | {"microsoft.managedidentity/userassignedidentities/assign/action"}
    assert EXPOSED["severity"] == 1
    assert operations(EXPOSED) & done == set()


def test_what_decides_who_is_keysweep_is_watched() -> None:
    assert writes(DECIDES) - operations(CHANGED) == set()


@every_case
@pytest.mark.parametrize("alert", [EXPOSED, CHANGED], ids=lambda alert: alert["name"])
def test_the_alerts_look_for_operations_that_succeeded(case: str, alert: dict[str, Any]) -> None:
    found = rule(case, alert)
    assert conditions(found) == {"category": "Administrative", "status": "Succeeded"}
    (any_of,) = [part["anyOf"] for part in found["condition"]["allOf"] if "anyOf" in part]
    assert {leaf["equals"].lower() for leaf in any_of} == operations(alert)
    assert {leaf["field"] for leaf in any_of} == {"operationName"}


def test_they_look_at_all_of_keysweeps_own_resource_group() -> None:
    group = one("enforce", "Microsoft.Resources/resourceGroups")["id"]
    assert rule("enforce", EXPOSED)["scopes"] == [group]


def test_in_a_group_that_was_there_before_they_look_at_nobody_elses() -> None:
    kinds = (
        "Microsoft.Web/sites",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "Microsoft.Storage/storageAccounts",
        # Who deletes an alert is watched, too.
        "Microsoft.Insights/scheduledQueryRules",
        "Microsoft.Insights/activityLogAlerts",
    )
    ours = {found["id"] for kind in kinds for found in all_of("everything", kind)}
    assert set(rule("everything", CHANGED)["scopes"]) == ours


def test_they_call_the_action_group_of_their_severity() -> None:
    called = [
        rule("everything", alert)["actions"]["actionGroups"][0]["actionGroupId"].rpartition("/")[2]
        for alert in (EXPOSED, CHANGED)
    ]
    assert called == ["at-night", "on-call"]


def test_without_an_action_group_they_are_there_and_call_nobody() -> None:
    found = rule("enforce", EXPOSED)
    assert found["enabled"] is True
    assert found["actions"]["actionGroups"] == []


@every_case
def test_what_a_blob_was_before_is_kept_for_a_month(case: str) -> None:
    blobs = one(case, "Microsoft.Storage/storageAccounts/blobServices")["properties"]
    assert blobs["isVersioningEnabled"] is True
    policy = one(case, "Microsoft.Storage/storageAccounts/managementPolicies")["properties"]
    (lifecycle,) = policy["policy"]["rules"]
    ends = lifecycle["definition"]["actions"]["version"]["delete"]
    assert ends == {"daysAfterCreationGreaterThan": 30}
