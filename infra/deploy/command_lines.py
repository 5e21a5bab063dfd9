"""Command lines as they are printed, for somebody to paste into a shell. Pure."""

import re
import shlex
import sys
from collections.abc import Sequence


def own_command(*arguments: str, platform: str = sys.platform) -> str:
    """Return the line that runs `infra.deploy` in this checkout, in the shell of this system."""
    launcher: Sequence[str] = ("py", "-3.13") if platform == "win32" else ("setup/python.sh",)
    return pasteable([*launcher, "-m", "infra.deploy", *arguments])


def indented(commands: Sequence[Sequence[str]]) -> str:
    """Return commands one under the other, set off from the sentences around them."""
    return "\n".join(f"    {pasteable(command)}" for command in commands)


def pasteable(command: Sequence[str]) -> str:
    """Return a command line that sh and PowerShell read alike.

    They do not where a word has a single quote, or a double one for a script such as `az.cmd`: then
    it is sh's alone.
    """
    return " ".join(_quoted(word) for word in command)


def _quoted(word: str) -> str:
    # PowerShell makes a list of what has a comma, and looks up what begins with @.
    if re.fullmatch(r"[\w./:=-]+", word):
        return word
    return shlex.quote(word) if "'" in word else f"'{word}'"
