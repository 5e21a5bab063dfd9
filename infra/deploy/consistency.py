"""Tells what Azure does not know yet from what it refuses, and tries again what is only late.

What was just made at a management group is not known everywhere at once. Terraform's provider
(hashicorp/terraform-provider-azurerm#19595 and #12478) and Azure's own landing zones (ALZ-Bicep
PR#183, which tries again) met these codes; azure-docs give a role assignment at a management group
up to ten minutes.
"""

from collections.abc import Callable, Sequence

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


def is_late(refusal: CommandFailed, has_rights: Callable[[], bool]) -> bool:
    """Whether Azure, by what it says, does not know yet what was just made.

    Someone who has the rights, as Azure itself says, and is refused all the same is early, too: a
    new role's assignment was answered so (azurerm#19595). Not where a deny assignment refuses:
    Azure leaves these out of the rights that it lists.
    """
    if refusal.says_denied:
        return False
    return has_rights() if refusal.codes & _REFUSED else bool(refusal.codes & _LATE)


def run_patiently(
    command: Sequence[str], has_rights: Callable[[], bool], sleep: Callable[[float], None]
) -> str:
    """Run a command, again and again while Azure is only late. Raises CommandFailed."""
    for _ in range(LONGEST_SECONDS // PAUSE_SECONDS):
        try:
            return run(*command)
        except CommandFailed as error:
            if not is_late(error, has_rights):
                raise
            late = ", ".join(sorted(error.codes & (_LATE | _REFUSED)))
            print(f"Azure does not know yet what was just made ({late}); waiting ...", flush=True)
            sleep(PAUSE_SECONDS)
    return run(*command)
