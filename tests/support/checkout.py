"""The files that git tracks."""

import subprocess

import pytest

from tools.prose import ROOT


def tracked(*places: str) -> list[str]:
    """Return the tracked files, or those of them at some places. Skips where there is no git."""
    listed = subprocess.run(  # noqa: S603 - git is what made the checkout
        ["git", "ls-files", "-z", *places],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name]
