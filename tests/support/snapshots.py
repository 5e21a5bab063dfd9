"""What a deployment would make, by kind, from the snapshots of tests/data/deployments."""

import re
from typing import Any

import pytest

from tools import bicep

every_case = pytest.mark.parametrize("case", bicep.CASES)


def all_of(case: str, kind: str) -> list[dict[str, Any]]:
    """Return the resources of one type."""
    return [resource for resource in bicep.resources(case) if resource["type"] == kind]


def one(case: str, kind: str) -> dict[str, Any]:
    """Return the only resource of its type."""
    (found,) = all_of(case, kind)
    return found


def roles(case: str) -> dict[str, dict[str, Any]]:
    """Return the role that reads and the one that can write."""
    reader, writer = sorted(
        all_of(case, "Microsoft.Authorization/roleDefinitions"),
        key=lambda role: " writes " in role["properties"]["roleName"],
    )
    return {"reads": reader, "writes": writer}


def assigned_at(case: str, role: str) -> set[str]:
    """Return the scopes at which a role is assigned, in lower case: their ids are in the names."""
    wanted = roles(case)[role]["id"]
    return {
        re.findall(r"guid\('([^']+)'", assignment["id"])[0].lower()
        for assignment in all_of(case, "Microsoft.Authorization/roleAssignments")
        if assignment["properties"]["roleDefinitionId"] == wanted
    }
