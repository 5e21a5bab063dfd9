"""Tells what Azure does not know yet from what it refuses, and tries again what is only late.

What was just made at a management group is not known everywhere at once. Terraform's provider
(hashicorp/terraform-provider-azurerm#19595 and #12478) and Azure's own landing zones (ALZ-Bicep
PR#183, which tries again) met these codes; azure-docs give a role assignment at a management group
up to ten minutes.
"""

from collections.abc import Callable, Sequence
from enum import Enum

from infra.deploy.azure_cli import CommandFailed, run

_LATE = frozenset(
    {
        "InvalidCreatePolicyAssignmentRequest",
        "InvalidPrincipalId",
        "NotFound",
        "PolicyDefinitionNotFound",
        "PrincipalNotFound",
        "ResourceNotFound",
        "RoleDefinitionDoesNotExist",
    }
)
_REFUSED = frozenset({"AuthorizationFailed", "LinkedAuthorizationFailed"})
LONGEST_SECONDS, PAUSE_SECONDS = 600, 30


class Cause(Enum):
    """Why Azure did not do what it was asked for."""

    LATE = "it does not know yet what was just made"
    NO_RIGHTS = "whoever asked may not"
    OTHER = "something else, which waiting does not mend"


def cause_of(codes: frozenset[str], *, has_rights: bool) -> Cause:
    """Judge by Azure's codes.

    Someone who has the rights, as Azure itself says, and is refused all the same is early, too: a
    new role's assignment was answered so (azurerm#19595).
    """
    if codes & _REFUSED:
        return Cause.LATE if has_rights else Cause.NO_RIGHTS
    return Cause.LATE if codes & _LATE else Cause.OTHER


def run_patiently(
    command: Sequence[str], has_rights: Callable[[], bool], sleep: Callable[[float], None]
) -> str:
    """Run a command, again and again while Azure is only late. Raises CommandFailed."""
    for _ in range(LONGEST_SECONDS // PAUSE_SECONDS):
        try:
            return run(*command)
        except CommandFailed as error:
            codes = error.codes
            may = bool(codes & _REFUSED) and has_rights()
            if cause_of(codes, has_rights=may) is not Cause.LATE:
                raise
            late = ", ".join(sorted(codes & (_LATE | _REFUSED)))
            print(f"Azure does not know yet what was just made ({late}); waiting ...", flush=True)
            sleep(PAUSE_SECONDS)
    return run(*command)
