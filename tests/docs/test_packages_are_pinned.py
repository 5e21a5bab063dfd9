"""What is installed is pinned by hash, without addresses, and is what pyproject.toml asks for."""

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.prose import ROOT

FUNCTION = ROOT / "requirements.txt"
DEV = ROOT / "setup" / "requirements" / "dev.txt"
LOCKS = [FUNCTION, *sorted(DEV.parent.glob("*.txt"))]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, GROUPS = PYPROJECT["project"], PYPROJECT["dependency-groups"]

every_lock = pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)


def pins(lock: Path) -> dict[str, str]:
    """Return the version of each package that is installed from it on this platform."""
    lines = re.findall(r"^([a-z].*==[^\\\n]*)", lock.read_text(), re.MULTILINE)
    pinned = [Requirement(line) for line in lines]
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pinned
        if pin.marker is None or pin.marker.evaluate()
    }


def needed(requirements: Iterable[str]) -> set[str]:
    """Return the packages that these need here, themselves among them, as they are installed."""
    waiting, looked_at = [Requirement(line) for line in requirements], set()
    while waiting:
        requirement = waiting.pop()
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            pytest.fail(f"{requirement} is needed and not pinned: run `make lock`")
        if not requirement.specifier.contains(package.version, prereleases=True):
            pytest.fail(f"{requirement} is needed, and {package.version} is here: run `make lock`")
        for extra in {"", *requirement.extras}:
            if (requirement.name, extra) not in looked_at:
                looked_at.add((requirement.name, extra))
                waiting += [
                    further
                    for further in map(Requirement, package.requires or [])
                    if further.marker is None or further.marker.evaluate({"extra": extra})
                ]
    return {canonicalize_name(name) for name, _ in looked_at}


@every_lock
def test_every_package_is_pinned_with_hashes_and_without_addresses(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index-url" not in text
    blocks = re.split(r"\n(?=[a-z])", text)[1:]
    assert blocks
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_what_the_function_ships_is_pinned_as_what_is_tested() -> None:
    shipped, tested = pins(FUNCTION), pins(DEV)
    assert {name: tested.get(name) for name in shipped} == shipped


@pytest.mark.skipif(sys.platform != "linux", reason="the Function runs on Linux")
def test_the_function_ships_what_pyproject_says_that_it_needs_and_no_more() -> None:
    assert needed(PROJECT["dependencies"]) == pins(FUNCTION).keys(), "run `make lock`"


def test_what_is_tested_is_what_pyproject_asks_for_and_no_more() -> None:
    asked = [PROJECT["dependencies"], GROUPS["dev"], *PROJECT["optional-dependencies"].values()]
    assert needed(chain.from_iterable(asked)) == pins(DEV).keys(), "run `make lock`"


@pytest.mark.parametrize("group", ["infra", "release", "uv"])
def test_the_pins_of_the_other_groups_are_what_pyproject_asks_for(group: str) -> None:
    pinned = pins(DEV.with_name(f"{group}.txt"))
    for requirement in map(Requirement, GROUPS[group]):
        assert requirement.specifier.contains(pinned[requirement.name]), "run `make lock`"
