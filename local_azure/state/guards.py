"""Locks and policies: what stops a write that its author may make."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from local_azure.state import ids


@dataclass(frozen=True, slots=True)
class Lock:
    """A management lock at a scope. CanNotDelete doesn't stop a PATCH, ReadOnly does."""

    scope: str
    level: Literal["ReadOnly", "CanNotDelete"] = "ReadOnly"
    name: str = "do-not-touch"


@dataclass(frozen=True, slots=True)
class Policy:
    """A deny policy, assigned at a scope.

    `denies` is asked with the account as the write would leave it (its wire form without the parts
    that are constant).
    """

    scope: str
    name: str
    display_name: str
    assigned_as: str
    version: str
    message: str | None = None
    denies: Callable[[dict[str, Any]], bool] = lambda _: True

    @property
    def assignment_id(self) -> str:
        """The id of the assignment."""
        return f"{self.scope}/providers/Microsoft.Authorization/policyAssignments/{self.name}"

    @property
    def definition_name(self) -> str:
        """The name of the definition, a guid, as the recorded ones are."""
        return ids.guid("policy definition", self.name)

    @property
    def definition_id(self) -> str:
        """The id of the definition."""
        return f"/providers/Microsoft.Authorization/policyDefinitions/{self.definition_name}"

    @property
    def identifiers(self) -> dict[str, dict[str, str]]:
        """What a refusal's message says of a policy that has no message of its own."""
        return {
            "policyAssignment": {"name": self.assigned_as, "id": self.assignment_id},
            "policyDefinition": {
                "name": self.display_name,
                "id": self.definition_id,
                "version": self.version,
            },
        }

    def violation(self, account: dict[str, Any]) -> dict[str, Any]:
        """Return the refusal's `additionalInfo` (recorded: policy-403-01, its end documented)."""
        evaluation: dict[str, Any] = {
            "evaluatedExpressions": [
                {
                    "result": "True",
                    "expressionKind": "Field",
                    "expression": "type",
                    "path": "type",
                    "expressionValue": account["type"],
                    "targetValue": ids.ACCOUNT_TYPE,
                    "operator": "Equals",
                }
            ]
        }
        if self.message is not None:
            evaluation["reason"] = self.message
        return {
            "type": "PolicyViolation",
            "info": {
                "evaluationDetails": evaluation,
                "policyDefinitionId": self.definition_id,
                "policyDefinitionName": self.definition_name,
                "policyDefinitionDisplayName": self.display_name,
                "policyDefinitionVersion": self.version,
                "policyDefinitionEffect": "deny",
                "policyAssignmentId": self.assignment_id,
                "policyAssignmentName": self.name,
                "policyAssignmentDisplayName": self.assigned_as,
                "policyAssignmentScope": self.scope,
                "policyAssignmentParameters": {},
                "policyExemptionIds": [],
            },
        }
