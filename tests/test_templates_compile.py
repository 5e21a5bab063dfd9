"""Every template compiles without a warning, and what is committed is what it compiles to.

Needs the Bicep CLI, wherever it is found, and checkov, which `make check-infra` brings; without
them these tests are skipped, and the summary says so.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import bicep
from tests.prose import ROOT

needs_compiler = pytest.mark.usefixtures("compiler")
PARAMETER_FILES = [*bicep.DEPLOYMENTS.glob("*.bicepparam"), *bicep.INFRA.glob("*.bicepparam")]


@pytest.fixture
def compiler() -> None:
    """Skip what needs the Bicep CLI, from one place, so that the summary has one line for all."""
    if bicep.compiler() is None:
        pytest.skip(bicep.NONE)


@needs_compiler
@pytest.mark.parametrize("name", bicep.ENTRIES)
def test_the_compiled_json_is_what_the_compiler_makes_without_a_warning(name: str) -> None:
    assert bicep.compile_entry(name) == (bicep.COMPILED / f"{name}.json").read_text()


@needs_compiler
def test_every_file_is_part_of_something_that_is_compiled() -> None:
    """A file that no entry uses would not be compiled above."""
    texts = [path.read_text() for path in bicep.SOURCES]
    for source in bicep.SOURCES:
        used = source.stem in bicep.ENTRIES or any(f" '{source.name}' = " in each for each in texts)
        assert used, source.name


@needs_compiler
@pytest.mark.parametrize("source", [*bicep.SOURCES, *PARAMETER_FILES], ids=lambda path: path.name)
def test_every_file_is_formatted(source: Path) -> None:
    formatted = bicep.run("format", str(source), "--stdout")
    assert formatted.rstrip() == source.read_text().rstrip(), "run `make infra`"


@needs_compiler
@pytest.mark.parametrize("case", bicep.CASES)
def test_the_snapshot_is_what_the_compiler_resolves(case: str) -> None:
    bicep.snapshot(case, "validate")


@needs_compiler
def test_the_parameter_file_for_people_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "22222222-2222-2222-2222-222222222222")
    monkeypatch.setenv("AZURE_TENANT_ID", "11111111-1111-1111-1111-111111111111")
    built = json.loads(bicep.run("build-params", str(bicep.INFRA / "main.bicepparam"), "--stdout"))
    parameters = json.loads(built["parametersJson"])["parameters"]
    assert parameters["sweepMode"]["value"] == "audit"


def checkov() -> str | None:
    beside = ROOT / ".venv-infra" / "bin" / "checkov"
    return str(beside) if beside.exists() else shutil.which("checkov")


@pytest.mark.skipif(checkov() is None, reason="no checkov here: `make check-infra` brings it")
def test_security_policies_pass(tmp_path: Path) -> None:
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    for case in bicep.CASES:
        template = {
            "$schema": schema,
            "contentVersion": "1.0.0.0",
            "resources": bicep.resources(case),
        }
        (tmp_path / f"{case}.json").write_text(json.dumps(template))
    done = subprocess.run(  # noqa: S603
        [
            *(checkov() or "", "--directory", str(tmp_path), "--output", "json"),
            *("--config-file", str(ROOT / "infra" / "checkov.yaml")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    failed = [
        f"{each['check_id']} {each['check_name']}: {each['resource']}"
        for each in answer.get("results", {}).get("failed_checks", [])
    ]
    assert failed == []
    # It passes a file in which it finds nothing.
    assert answer["summary"]["passed"] > 20 * len(bicep.CASES)


def test_every_policy_left_out_says_why() -> None:
    lines = (ROOT / "infra" / "checkov.yaml").read_text().splitlines()
    left_out = [line for line in lines if "CKV_" in line]
    assert left_out
    for line in left_out:
        assert len(line.partition("#")[2]) > 15, line
