"""Every template compiles without a warning, and what is committed is what it compiles to.

Needs the Bicep CLI, wherever it is found; without it the summary says in one line what was not
checked.
"""

import json
from pathlib import Path

import pytest

from tools import bicep

if bicep.compiler() is None:
    pytest.skip(bicep.NONE, allow_module_level=True)

PARAMETER_FILES = [*bicep.DEPLOYMENTS.glob("*.bicepparam"), *bicep.INFRA.glob("*.bicepparam")]


@pytest.mark.parametrize("name", bicep.ENTRIES)
def test_the_compiled_json_is_what_the_compiler_makes_without_a_warning(name: str) -> None:
    assert bicep.compile_entry(name) == (bicep.COMPILED / f"{name}.json").read_text()


def test_every_file_is_part_of_something_that_is_compiled() -> None:
    """A file that no entry uses would not be compiled above."""
    texts = [path.read_text() for path in bicep.SOURCES]
    for source in bicep.SOURCES:
        is_part = any(f" '{source.name}' = " in text for text in texts)
        assert is_part or source.stem in bicep.ENTRIES, source.name


@pytest.mark.parametrize("source", [*bicep.SOURCES, *PARAMETER_FILES], ids=lambda path: path.name)
def test_every_file_is_formatted(source: Path) -> None:
    formatted = bicep.run("format", str(source), "--stdout")
    assert formatted.rstrip() == source.read_text().rstrip(), "run `make infra`"


@pytest.mark.parametrize("case", bicep.CASES)
def test_the_snapshot_is_what_the_compiler_resolves(case: str) -> None:
    bicep.snapshot(case, "validate")


def test_the_parameter_file_for_people_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "22222222-2222-2222-2222-222222222222")
    monkeypatch.setenv("AZURE_TENANT_ID", "11111111-1111-1111-1111-111111111111")
    built = json.loads(bicep.run("build-params", str(bicep.INFRA / "main.bicepparam"), "--stdout"))
    parameters = json.loads(built["parametersJson"])["parameters"]
    assert parameters["sweepMode"]["value"] == "audit"
