"""The workflows hold no secret, may do little, and run what they name and nothing newer.

zizmor and actionlint, which `make check` runs (.pre-commit-config.yaml), find the rest.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.prose import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def loaded(path: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text())
    return workflow


CI = loaded(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]


def test_there_are_workflows() -> None:
    assert {path.name for path in WORKFLOWS} == {"ci.yml", "deploy.yml", "nightly.yml"}


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
    needed = {"contents": "read"} | ({"id-token": "write"} if path.stem == "deploy" else {})
    for name, job in workflow["jobs"].items():
        assert job["permissions"] == ({} if name == "all-green" else needed), name


@every_workflow
def test_there_is_no_secret(path: Path) -> None:
    assert "secrets." not in path.read_text()


@pytest.mark.parametrize("target", ["check", "check-infra", "test", "test-slow"])
def test_the_workflows_and_the_script_of_ci_run_what_the_readme_tells_people_to_run(
    target: str,
) -> None:
    steps = [step.get("run") for job in CI.values() for step in job["steps"]]
    assert f"make {target}" in steps
    assert f"make {target}\n" in (ROOT / ".ci" / "run").read_text()
    assert f"make {target} " in (ROOT / "README.md").read_text()


def test_all_green_waits_for_every_other_job_of_ci() -> None:
    assert set(CI["all-green"]["needs"]) == CI.keys() - {"all-green"}
    assert CI["all-green"]["if"] == "always()"


@pytest.mark.parametrize(
    ("results", "green"),
    [
        ("success success", True),
        ("success failure", False),
        ("skipped success", False),
        ("success cancelled", False),
    ],
)
def test_all_green_is_green_only_if_every_job_succeeded(results: str, *, green: bool) -> None:
    [step] = CI["all-green"]["steps"]
    done = subprocess.run(  # noqa: S603 - our own workflow, as the runner runs it
        ["/bin/bash", "-e", "-c", step["run"]], env={"RESULTS": results}, check=False
    )
    assert (done.returncode == 0) is green


def test_updates_wait_a_week_and_cover_every_lock() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert {update["cooldown"]["default-days"] for update in updates} == {7}
    watched = {
        folder
        for update in updates
        for folder in update.get("directories", [update.get("directory")])
    }
    locks = [
        ROOT / "requirements.txt",
        *ROOT.glob("setup/**/*.txt"),
        *ROOT.glob("tools/*/package.json"),
    ]
    assert {
        f"/{lock.parent.relative_to(ROOT)}".removesuffix("/.") or "/" for lock in locks
    } <= watched
