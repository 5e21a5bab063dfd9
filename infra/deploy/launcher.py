"""How commands of ours are written for whoever has to run them."""

import sys
from collections.abc import Sequence

from infra.deploy.azure_cli import pasteable


def own_command(*arguments: str, platform: str = sys.platform) -> str:
    """Return the line that runs `infra.deploy` in this checkout, in the shell of this system."""
    launcher: Sequence[str] = ("py", "-3.13") if platform == "win32" else ("setup/python.sh",)
    return pasteable([*launcher, "-m", "infra.deploy", *arguments])
